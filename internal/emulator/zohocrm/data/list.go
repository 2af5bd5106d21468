package data

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	maxFields  = 50  // DOC
	maxPerPage = 200 // DOC
	maxIDs     = 100 // DOC for users, GUESS for records
)

// List answers GET /{Module}. since is the If-Modified-Since header, zero if
// there was none.
func (o *Org) List(module string, q url.Values, since time.Time) (*Body, error) {
	return o.records(module, q, since, o.fieldList)
}

// ListV2 answers GET /{Module} of the API's version 2: without the parameter
// fields every field comes, however many (CLIENT [AB]); the limits of paging are
// the same (CLIENT, airbyte issue 30977). The lines of orders and invoices, which
// were named otherwise then (Product_Details), are not in it.
func (o *Org) ListV2(module string, q url.Values, since time.Time) (*Body, error) {
	return o.records(module, q, since, o.fieldListV2)
}

func (o *Org) records(module string, q url.Values, since time.Time, fields fieldsOf) (*Body, error) {
	m, err := o.module(module)
	if err != nil {
		return nil, err
	}
	cols, err := fields(m, q)
	if err != nil {
		return nil, err
	}
	r, err := o.parse(m, q, since)
	if err != nil {
		return nil, err
	}
	if m.n == 0 && len(m.fields) == 0 {
		cols = nil
	}
	r.plan = o.planOf(m, cols, listForm)
	return o.answer(r)
}

// fieldsOf reads which columns are asked for.
type fieldsOf func(m *module, q url.Values) ([]column, *Error)

// request is a list call whose parameters were checked.
type request struct {
	m       *module
	plan    *plan
	view    *view
	perPage int
	page    int // from 1; 1 under a token, as the sample of the docs has it
	skip    int64
	from    *token // nil: paged by number
	ids     []int64
	sortBy  string
	order   string
	bound   uint64 // what the token of the next page is bound to
}

// parse checks the parameters of a list call but for the fields.
func (o *Org) parse(m *module, q url.Values, since time.Time) (*request, *Error) {
	var err *Error
	r := &request{m: m, page: 1}
	if q.Has("page") && q.Has("page_token") {
		return nil, errAmbiguous("page", "page_token")
	}
	if q.Has("cvid") {
		if q.Has("sort_by") {
			return nil, errAmbiguous("cvid", "sort_by")
		}
		if !o.hasView(m, q.Get("cvid")) {
			return nil, errParam("cvid")
		}
	}
	if r.perPage, err = number(q, "per_page", maxPerPage, 1, maxPerPage); err != nil {
		return nil, err
	}
	if r.page, err = number(q, "page", 1, 1, 1<<31); err != nil {
		return nil, err
	}
	if r.page*r.perPage > o.opts.Discrete && r.page > 1 {
		return nil, &Error{Status: 400, Code: "DISCRETE_PAGINATION_LIMIT_EXCEEDED", Message: "only the first records can be fetched without page_token", Details: map[string]any{"limit": o.opts.Discrete}}
	}
	if err := r.sort(q); err != nil {
		return nil, err
	}
	keep, err := converted(m, q)
	if err != nil {
		return nil, err
	}
	if r.ids, err = idList(q); err != nil {
		return nil, err
	}
	r.view = o.view(m, since, r.sortBy, r.order, keep)
	r.skip = int64(r.page-1) * int64(r.perPage)
	r.bound = o.binding(m, q, since)
	if q.Has("page_token") {
		if r.from, err = o.readToken(q.Get("page_token"), r.bound); err != nil {
			return nil, err
		}
		if r.from.done >= int64(o.opts.Ceiling) {
			return nil, &Error{Status: 400, Code: "PAGINATION_LIMIT_EXCEEDED", Message: "the limit of records that can be fetched is exceeded", Details: param("page_token")}
		}
	}
	return r, nil
}

func (o *Org) fieldListV2(m *module, q url.Values) ([]column, *Error) {
	if !q.Has("fields") {
		return o.allColumns(m), nil
	}
	return o.fieldList(m, q)
}

// fieldList reads the parameter fields: mandatory and at most 50 names (DOC),
// unknown ones ignored (GUESS), id always added.
func (o *Org) fieldList(m *module, q url.Values) ([]column, *Error) {
	text := strings.TrimSpace(q.Get("fields"))
	if text == "" {
		return nil, errMissing("fields")
	}
	names := strings.Split(text, ",")
	if len(names) > maxFields {
		return nil, errLimit("fields", maxFields)
	}
	if len(m.fields) == 0 {
		return nil, nil
	}
	cols := make([]column, 0, len(names)+1)
	seen := make(map[*field]bool, len(names))
	strict := o.on(StrictFields)
	for _, name := range names {
		name = strings.TrimSpace(name)
		f := m.byName[name]
		if f == nil && strict {
			return nil, &Error{Status: 400, Code: "INVALID_DATA", Message: "the field name given seems to be invalid", Details: map[string]any{"param_name": "fields", "field": name}}
		}
		if f == nil || f.child || seen[f] {
			continue
		}
		seen[f] = true
		cols = append(cols, column{name: f.api, f: f})
	}
	if id := m.byName["id"]; !seen[id] {
		cols = append(cols, column{name: "id", f: id})
	}
	return cols, nil
}

func number(q url.Values, name string, standard, lo, hi int) (int, *Error) {
	if !q.Has(name) {
		return standard, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < lo || n > hi {
		return 0, errParam(name)
	}
	return n, nil
}

func (r *request) sort(q url.Values) *Error {
	r.sortBy, r.order = "id", "desc"
	if q.Has("sort_by") {
		r.sortBy = q.Get("sort_by")
		allowed := []string{"id", "Created_Time", "Modified_Time"}
		if !slices.Contains(allowed, r.sortBy) || r.m.byName[r.sortBy] == nil {
			return &Error{Status: 400, Code: "INVALID_DATA", Message: "Invalid value for the parameter", Details: map[string]any{"param_name": "sort_by", "supported_values": allowed}}
		}
	}
	if q.Has("sort_order") {
		r.order = q.Get("sort_order")
		if r.order != "asc" && r.order != "desc" {
			return &Error{Status: 400, Code: "INVALID_DATA", Message: "Invalid value for the parameter", Details: map[string]any{"param_name": "sort_order", "supported_values": []string{"asc", "desc"}}}
		}
	}
	return nil
}

// converted reads the parameter of that name: a list of leads leaves out the
// converted ones unless it is told otherwise (DOC).
func converted(m *module, q url.Values) (func(rows.Row) bool, *Error) {
	want := "false"
	if q.Has("converted") {
		want = q.Get("converted")
	}
	switch {
	case want != "true" && want != "false" && want != "both":
		return nil, errParam("converted")
	case m.byName["Converted__s"] == nil || want == "both":
		return nil, nil
	}
	return func(r rows.Row) bool { return m.converted(r.ID) == (want == "true") }, nil
}

func idList(q url.Values) ([]int64, *Error) {
	if !q.Has("ids") {
		return nil, nil
	}
	texts := strings.Split(q.Get("ids"), ",")
	if len(texts) > maxIDs {
		return nil, errLimit("ids", maxIDs)
	}
	out := make([]int64, 0, len(texts))
	for _, t := range texts {
		id, err := strconv.ParseInt(strings.TrimSpace(t), 10, 64)
		if err != nil {
			return nil, errParam("ids")
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// page is what one call gives.
type page struct {
	rows []rows.Row
	more bool
	end  int64 // place in the view after the last row
}

func (o *Org) answer(r *request) (*Body, error) {
	var p page
	switch {
	case r.ids != nil:
		p.rows = r.view.named(r.ids)
	case r.from != nil:
		p = r.view.page(r.view.after(r.from, o.on(OffsetToken)), 0, r.perPage)
	default:
		p = r.view.page(0, r.skip, r.perPage)
	}
	if len(p.rows) == 0 && !o.on(EmptyList) {
		return &Body{Empty: true}, nil
	}
	body := &Body{Rows: len(p.rows), IDs: idsOf(p.rows)}
	dst := append(make([]byte, 0, 4096), `{"data":[`...)
	for k, row := range p.rows {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = r.plan.row(dst, row)
		if k == 0 {
			dst = slices.Grow(dst, len(p.rows)*len(dst)+1024)
		}
	}
	dst = append(dst, `],"info":`...)
	body.JSON = append(append(dst, o.info(r, p)...), '}')
	return body, nil
}

func idsOf(list []rows.Row) []string {
	out := make([]string, len(list))
	for k, r := range list {
		out[k] = strconv.FormatInt(r.ID, 10)
	}
	return out
}

// info is the object of that name, members as in the sample of the docs.
func (o *Org) info(r *request, p page) []byte {
	info := struct {
		Call     bool    `json:"call"`
		PerPage  int     `json:"per_page"`
		Next     *string `json:"next_page_token"`
		Count    int     `json:"count"`
		SortBy   string  `json:"sort_by"`
		Page     int     `json:"page"`
		Previous *string `json:"previous_page_token"`
		Expiry   *string `json:"page_token_expiry"`
		Order    string  `json:"sort_order"`
		Email    bool    `json:"email"`
		More     bool    `json:"more_records"`
	}{PerPage: r.perPage, Count: len(p.rows), SortBy: r.sortBy, Page: r.page, Order: r.order, More: p.more}
	if p.more {
		last := p.rows[len(p.rows)-1]
		done := r.skip
		if r.from != nil {
			done = r.from.done
		}
		t := token{bound: r.bound, expiry: o.opts.Now().Add(tokenLife).Unix(), at: r.view.key(last), id: last.ID, place: p.end, done: done + int64(len(p.rows))}
		text, until := t.String(), o.zone.text(t.expiry)
		info.Next, info.Expiry = &text, &until
	}
	out, err := json.Marshal(info)
	if err != nil {
		panic(err) // invariant: numbers and texts
	}
	return out
}

// view is an ordered selection of the rows of a module.
type view struct {
	t     *rows.Table
	query rows.Query
	keep  func(rows.Row) bool // nil: all
}

func (o *Org) view(m *module, since time.Time, sortBy, order string, keep func(rows.Row) bool) *view {
	v := &view{t: o.open(m), query: rows.Query{Order: rows.ByID, Desc: order == "desc"}, keep: keep}
	switch sortBy {
	case "Modified_Time":
		v.query.Order = modified
	case "Created_Time":
		v.query.Order = created
	}
	switch lo := o.lowest(since); {
	case since.IsZero() || !m.hasTime():
	case v.query.Order == created: // a window on one clock in the order of another would be written out for every page
		v.keep = func(r rows.Row) bool { return r.At(modified) >= lo && (keep == nil || keep(r)) }
	default:
		v.query.Windows = []rows.Window{{Clock: modified, Lo: lo, Hi: 1<<63 - 1}}
	}
	return v
}

// lowest is the first instant that If-Modified-Since lets through: its own
// second counts in (CLIENT airbyte adds one to leave it out), or not.
func (o *Org) lowest(since time.Time) int64 {
	sec := since.Unix()
	if o.on(ExclusiveSince) {
		sec++
	}
	return sec * second
}

// key is what a row is ordered by, next to its id.
func (v *view) key(r rows.Row) int64 {
	if v.query.Order == rows.ByID {
		return r.ID
	}
	return r.At(v.query.Order)
}

// page reads perPage rows from a place of the view on, after skipping some of
// those that count.
func (v *view) page(place, skip int64, perPage int) page {
	var p page
	if v.keep == nil {
		place, skip = place+skip, 0
	}
	for {
		want := int64(perPage-len(p.rows)) + skip + 1
		if v.keep != nil {
			want += want/4 + 8
		}
		chunk, count := v.t.Select(v.query, nil, func(int64) (int64, int64) { return place, want })
		for k, r := range chunk {
			if v.keep != nil && !v.keep(r) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if len(p.rows) == perPage {
				p.more = true
				return p
			}
			p.rows = append(p.rows, r)
			p.end = place + int64(k) + 1
		}
		place += int64(len(chunk))
		if len(chunk) == 0 || place >= count {
			return p
		}
	}
}

// named are the rows that have one of the ids, in the order of the view.
func (v *view) named(ids []int64) []rows.Row {
	var out []rows.Row
	for _, id := range ids {
		r, ok := v.t.Get(id)
		if !ok || v.keep != nil && !v.keep(r) {
			continue
		}
		if len(v.query.Windows) > 0 && r.At(modified) < v.query.Windows[0].Lo {
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b rows.Row) int { return v.compare(v.key(a), a.ID, v.key(b), b.ID) })
	return out
}

func (v *view) compare(key1, id1, key2, id2 int64) int {
	c := cmp.Or(cmp.Compare(key1, key2), cmp.Compare(id1, id2))
	if v.query.Desc {
		return -c
	}
	return c
}

func (v *view) at(place int64) (rows.Row, int64, bool) {
	found, count := v.t.Select(v.query, nil, func(int64) (int64, int64) { return place, 1 })
	if len(found) == 0 {
		return rows.Row{}, count, false
	}
	return found[0], count, true
}

// after is the place where the rows that come after those of a token begin. A
// token names the last row (GUESS), so that rows that moved meanwhile do not
// shift the rest; or it counts.
func (v *view) after(t *token, byPlace bool) int64 {
	if byPlace || t.place == 0 {
		return t.place
	}
	last, count, ok := v.at(t.place - 1)
	if ok && last.ID == t.id && v.key(last) == t.at {
		return t.place
	}
	lo, hi := int64(0), count
	for lo < hi {
		mid := (lo + hi) / 2
		r, _, ok := v.at(mid)
		if ok && v.compare(v.key(r), r.ID, t.at, t.id) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
