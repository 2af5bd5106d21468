package slascone

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// defaultPage is how many customers or resellers a filter without page_size gives
// (GUESS: not published).
const defaultPage = 25

// place tells where a page begins and how many rows it may hold. GUESS: pages are
// counted from 1, page 0 is then a negative offset, which the database refuses.
func (s *Service) place(resource string, page int64, given bool, size int64) (offset, number, length int64, bad *emulator.Answer) {
	if most := s.part("page-refused", resource); most > 0 && size > most {
		a := problem(http.StatusBadRequest, "The field page_size must be between 1 and "+strconv.FormatInt(most, 10)+".")
		return 0, 0, 0, &a
	}
	if most := s.part("page-cap", resource); most > 0 {
		size = min(size, most)
	}
	number = page
	switch zero := s.on("page-zero", resource); {
	case !given:
		number = 1
	case zero:
		number++
	case page == 0 && s.on("page-zero-ok", resource):
		number = 1
	case page == 0:
		a := emulator.Answer{Status: http.StatusInternalServerError}
		return 0, 0, 0, &a
	}
	if s.on("page-ignored", resource) {
		return 0, number, size, nil
	}
	return (number - 1) * size, number, size, nil
}

// bodyKind is what a member of a filter must be.
type bodyKind int

const (
	wholeNumber bodyKind = iota
	flag
	word
	oneID
	wordList
	idList
	numberList
	notHere // published without a meaning: the sandbox refuses what it cannot do
)

// licenseFilter are the members of a license filter (DOC). null stands for none,
// but for the two ids and the flags, which cannot be null.
var licenseFilter = map[string]bodyKind{
	"page_size": wholeNumber, "page": wholeNumber, "is_active": flag, "key_search": word, "product_filter": oneID, "customer_filter": oneID,
	"customer_number_filter": wordList, "customer_type_filter": idList, "reseller_type_filter": notHere, "template_filter": idList,
	"license_type_filter": idList, "operating_system_filter": notHere, "software_version_filter": notHere,
	"is_software_version_valid": notHere, "feature_filter": notHere, "is_feature_active": notHere, "date_filter": notHere,
	"date_filter_mode": notHere, "is_normal_token": notHere, "is_goodwill_token": notHere, "is_group_valid": notHere,
	"is_assigned_token": notHere, "is_suspended_token": notHere, "group_count_filter": notHere, "group_count_mode": notHere,
	"sort_type": wholeNumber, "sort_order": flag, "license_tag_filter": numberList, "token_tag_filter": notHere,
	"customer_tag_filter": numberList, "analytical_field_filter": notHere,
}

// personFilter are the members of a customer's and a reseller's filter (DOC).
var personFilter = map[string]bodyKind{
	"page": wholeNumber, "page_size": wholeNumber, "search_text": word, "plz_query": notHere, "customer_types": idList,
	"reseller_types": notHere, "tags": numberList, "tag_ids": numberList, "start_character": word, "sort_type": wholeNumber,
	"reseller_sort_type": wholeNumber, "descending": flag,
}

// filter is the body of a list that is asked by POST.
type filter struct {
	numbers map[string]int64
	flags   map[string]bool
	words   map[string]string
	ids     map[string][]uuid
	lists   map[string][]string
	tags    map[string][]int64
	query   url.Values // page parameters and the like, for the sandbox's log
}

// filterOf reads a filter, or tells what is wrong with it.
func (c *call) filterOf(known map[string]bodyKind) (*filter, string) {
	f := &filter{
		numbers: make(map[string]int64), flags: make(map[string]bool), words: make(map[string]string), ids: make(map[string][]uuid),
		lists: make(map[string][]string), tags: make(map[string][]int64), query: make(url.Values),
	}
	for name, raw := range c.body {
		kind, ok := known[name]
		empty := string(raw) == null
		var err error
		switch {
		case !ok:
			return nil, "The field " + name + " is not known."
		case kind == notHere:
			if !empty {
				return nil, "The field " + name + " has no published meaning."
			}
		case empty && (kind == oneID || kind == flag && name != "is_active" || name == "page_size" && known["key_search"] == word):
			return nil, "The field " + name + " cannot be null."
		case empty:
		case kind == wholeNumber:
			err = into(raw, f.numbers, name)
		case kind == flag:
			err = into(raw, f.flags, name)
		case kind == word:
			err = into(raw, f.words, name)
		case kind == wordList:
			err = into(raw, f.lists, name)
		case kind == numberList:
			err = into(raw, f.tags, name)
		default:
			var texts []string
			if kind == oneID {
				texts = make([]string, 1)
				err = json.Unmarshal(raw, &texts[0])
			} else {
				err = json.Unmarshal(raw, &texts)
			}
			for _, text := range texts {
				u, ok := readUUID(text)
				if !ok {
					return nil, "The field " + name + " is not valid."
				}
				f.ids[name] = append(f.ids[name], u)
			}
		}
		if err != nil {
			return nil, "The field " + name + " is not valid."
		}
		if kind == wholeNumber || kind == flag {
			f.query.Set(name, string(raw))
		}
	}
	for _, n := range f.numbers {
		if n < 0 || n > 1<<31-1 {
			return nil, "A number is out of range."
		}
	}
	return f, ""
}

func into[T any](raw json.RawMessage, m map[string]T, name string) error {
	var v T
	err := json.Unmarshal(raw, &v)
	m[name] = v
	return err
}

// shifts are how far the orders of lists have moved on.
type shifts struct {
	mu sync.Mutex
	by map[string]int64
}

func (x *shifts) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.by = make(map[string]int64)
}

func (x *shifts) next(resource string, on bool) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := x.by[resource]
	if on {
		x.by[resource]++
	}
	return at
}

// slice returns the rows of a page of a root table and how many there are in all.
// keep is nil for all rows; then a page costs the same wherever it lies.
func (c *call) slice(t *table, keep func(row) bool, descending bool, offset, length int64) (out []row, total int64) {
	q := rows.Query{Order: rows.ByID, Desc: descending}
	if c.s.on("newest-first", c.e.resource) {
		q.Order, q.Desc = 1, true
	}
	var list []row
	if keep != nil {
		raw, _ := t.roots.Select(q, nil, func(count int64) (int64, int64) { return 0, count })
		for _, x := range raw {
			if r := c.w.fromRoot(t, x); keep(r) {
				list = append(list, r)
			}
		}
		total = int64(len(list))
	} else {
		_, total = t.roots.Select(q, nil, func(int64) (int64, int64) { return 0, 0 })
	}
	shift := c.s.shifts.next(c.e.resource, c.s.fires("order-shifts", c.e.resource))
	take := func(from, n int64) {
		if keep != nil {
			out = append(out, list[from:from+n]...)
			return
		}
		raw, _ := t.roots.Select(q, nil, func(int64) (int64, int64) { return from, n })
		for _, x := range raw {
			out = append(out, c.w.fromRoot(t, x))
		}
	}
	n := min(length, total-offset)
	if n <= 0 {
		return nil, total
	}
	from := (offset + shift) % total
	first := min(n, total-from)
	take(from, first)
	if first < n {
		take(0, n-first)
	}
	return out, total
}

// filteredLicenses answers a page of licenses: flat rows with a total, or whole
// ones in a bare array (DOC).
func filteredLicenses(name string) func(c *call) *reply {
	return func(c *call) *reply {
		v := streams[name]
		f, wrong := c.filterOf(licenseFilter)
		size := int64(0)
		if f != nil {
			size = f.numbers["page_size"]
		}
		switch {
		case f == nil:
			return refused(problem(http.StatusBadRequest, wrong))
		case f.numbers["sort_type"] > 12:
			return refused(problem(http.StatusBadRequest, "The field sort_type is not valid."))
		case c.body["page_size"] == nil && c.s.on("page-size-empty", name):
			size = 0
		case size < 1:
			return refused(problem(http.StatusBadRequest, "The field page_size is required."))
		}
		_, given := f.numbers["page"]
		offset, number, length, bad := c.s.place(name, f.numbers["page"], given, size)
		if bad != nil {
			return refused(*bad)
		}
		keep := c.keeps(f)
		list, total := c.slice(c.w.byKind[license], keep, f.flags["sort_order"], offset, length)
		if c.s.empty(name) {
			list, total = nil, 0
		}
		items := make([]item, len(list))
		for k, r := range list {
			items[k] = item{r: r}
		}
		page := emulator.Page{Resource: name, Number: number, Count: total, Query: f.query}
		if name == "licenses" {
			return c.listOf(v, items, page)
		}
		return c.wrapped("licenses", v, items, page, `,"customer_count":`+strconv.FormatInt(c.customers(keep), 10))
	}
}

// wrapped is a list in an object with its total.
func (c *call) wrapped(member string, v *view, items []item, page emulator.Page, more string) *reply {
	dst := append(rows.AppendText([]byte{'{'}, member), ":["...)
	for k, it := range items {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = c.w.render(dst, v, it, &c.look)
		page.IDs = append(page.IDs, c.w.idOfItem(v, it))
	}
	dst = strconv.AppendInt(append(dst, `],"max_count":`...), page.Count, 10)
	a := good(append(append(dst, more...), '}'))
	a.rows, a.page, a.listed = len(items), page, v.kind
	return a
}

// customers counts those of the licenses that a filter keeps. Every second one of
// the computed ones has licenses; what has changed is looked at one by one.
func (c *call) customers(keep func(row) bool) int64 {
	seen := make(map[int64]bool)
	if keep != nil {
		for r := range c.w.all(c.w.byKind[license]) {
			if keep(r) {
				seen[c.w.customerOf(r)] = true
			}
		}
		return int64(len(seen))
	}
	n := (c.w.customers + 1) / 2
	for at, ch := range c.w.changes {
		if at.kind != license {
			continue
		}
		owner := c.w.customerOf(row{t: c.w.byKind[license], index: at.index, change: ch})
		if seen[owner] {
			continue
		}
		seen[owner] = true
		had, has := owner < c.w.customers && owner%2 == 0, len(c.w.licensesOf(owner)) > 0
		if has && !had {
			n++
		} else if had && !has {
			n--
		}
	}
	return n
}

// keeps turns a filter of licenses into a test of a row; nil keeps all.
func (c *call) keeps(f *filter) func(row) bool {
	var tests []func(row) bool
	add := func(name string, of func(row) uuid) {
		if ids := f.ids[name]; len(ids) > 0 {
			tests = append(tests, func(r row) bool { return slices.Contains(ids, of(r)) })
		}
	}
	w := c.w
	if on, given := f.flags["is_active"]; given {
		tests = append(tests, func(r row) bool { return w.active(r) == on })
	} else if c.s.on("active-only", c.e.resource) {
		tests = append(tests, w.active)
	}
	add("product_filter", func(r row) uuid { return w.id(product, w.productOf(r)) })
	add("customer_filter", func(r row) uuid { return w.id(customer, w.customerOf(r)) })
	add("customer_type_filter", func(r row) uuid { return w.id(customerType, customerTypeOf(w.customerOf(r))) })
	add("template_filter", func(r row) uuid { return w.id(template, w.editionOf(r)) })
	add("license_type_filter", func(r row) uuid { return w.typeID(r) })
	if list := f.lists["customer_number_filter"]; len(list) > 0 {
		tests = append(tests, func(r row) bool {
			owner, ok := w.get(customer, w.customerOf(r))
			return ok && slices.Contains(list, w.shown(owner, "customer_number"))
		})
	}
	if list := f.tags["license_tag_filter"]; len(list) > 0 {
		tests = append(tests, func(r row) bool { return overlap(w.tagsOf(r), list) })
	}
	if list := f.tags["customer_tag_filter"]; len(list) > 0 {
		tests = append(tests, func(r row) bool {
			owner, ok := w.get(customer, w.customerOf(r))
			return ok && overlap(w.tagsOf(owner), list)
		})
	}
	if part := strings.ToLower(f.words["key_search"]); part != "" {
		tests = append(tests, func(r row) bool {
			return strings.Contains(strings.ToLower(w.keyOf(r)+" "+w.shown(r, "legacy_license_key")), part)
		})
	}
	return every(tests)
}

// typeID is the type of a license, nobody's id for none.
func (w *world) typeID(r row) uuid {
	if of := w.licenseTypeOf(r); of >= 0 {
		return w.id(licenseType, of)
	}
	return nobodysID
}

func every(tests []func(row) bool) func(row) bool {
	if len(tests) == 0 {
		return nil
	}
	return func(r row) bool {
		for _, test := range tests {
			if !test(r) {
				return false
			}
		}
		return true
	}
}

func overlap(a, b []int64) bool {
	return slices.ContainsFunc(a, func(x int64) bool { return slices.Contains(b, x) })
}

// filteredPeople answers a page of customers or resellers (DOC).
func filteredPeople(name, member, characters string) func(c *call) *reply {
	return func(c *call) *reply {
		v := streams[name]
		f, wrong := c.filterOf(personFilter)
		if f == nil {
			return refused(problem(http.StatusBadRequest, wrong))
		}
		size, sized := f.numbers["page_size"]
		if !sized {
			size = defaultPage
		}
		if size < 1 || f.numbers["sort_type"] > 3 || f.numbers["reseller_sort_type"] > 2 {
			return refused(problem(http.StatusBadRequest, "The paging is not valid."))
		}
		_, given := f.numbers["page"]
		offset, number, length, bad := c.s.place(name, f.numbers["page"], given, size)
		if bad != nil {
			return refused(*bad)
		}
		var tests []func(row) bool
		if part := strings.ToLower(f.words["search_text"]); part != "" {
			tests = append(tests, func(r row) bool { return strings.Contains(strings.ToLower(c.w.label(r)), part) })
		}
		if first := strings.ToLower(f.words["start_character"]); first != "" {
			tests = append(tests, func(r row) bool { return strings.HasPrefix(strings.ToLower(c.w.label(r)), first) })
		}
		if ids := f.ids["customer_types"]; len(ids) > 0 {
			tests = append(tests, func(r row) bool { return slices.Contains(ids, c.w.id(customerType, customerTypeOf(r.index))) })
		}
		if list := slices.Concat(f.tags["tags"], f.tags["tag_ids"]); len(list) > 0 {
			tests = append(tests, func(r row) bool { return overlap(c.w.tagsOf(r), list) })
		}
		list, total := c.slice(c.w.byKind[v.kind], every(tests), f.flags["descending"], offset, length)
		if c.s.empty(name) {
			list, total = nil, 0
		}
		items := make([]item, len(list))
		for k, r := range list {
			items[k] = item{r: r}
		}
		page := emulator.Page{Resource: name, Number: number, Count: total, Query: f.query}
		return c.wrapped(member, v, items, page, `,"`+characters+`":["A","M","Ł"]`)
	}
}
