package data

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings answers everything that is no list of records, by the path below
// /crm/v8/.
func (o *Org) Settings(path string, q url.Values) (*Body, error) {
	body, err := o.settings(strings.Trim(path, "/"), q)
	if err != nil {
		return nil, err
	}
	return body, nil
}

func (o *Org) settings(path string, q url.Values) (*Body, *Error) {
	switch path {
	case "settings/modules":
		return o.modulesBody(), nil
	case "settings/fields":
		return o.fieldsBody(q)
	case "settings/recycle_bin":
		return o.recycleBin(q)
	case "contacts/roles": // the newest spec writes it so
		path = "Contacts/roles"
	case "settings/pipeline":
		id := q.Get("layout_id")
		if id == "" {
			return nil, errMissing("layout_id")
		}
		deals, layouts := o.byName["Deals"], o.setNamed("layouts")
		if id != o.entryID(layouts, deals, 0) && id != o.entryID(layouts, deals, 1) {
			return nil, errParam("layout_id")
		}
		return o.setBody(o.setNamed("pipelines"), nil, id, q)
	}
	if s := o.byPath[path]; s != nil && !strings.Contains(path, "{") {
		if isModuleSet(s) {
			m, err := o.moduleParam(q)
			if err != nil {
				return nil, err
			}
			return o.setBody(s, m, "", q)
		}
		return o.setBody(s, nil, "", q)
	}
	return o.settingsByID(path, q)
}

// settingsByID answers paths that end in an id, or have one inside.
func (o *Org) settingsByID(path string, q url.Values) (*Body, *Error) {
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 4 && parts[0] == "settings" && parts[1] == "territories" && parts[3] == "users":
		if !o.hasEntry("territories", parts[2]) {
			return nil, errID()
		}
		return o.setBody(o.setNamed("territory_users"), nil, parts[2], q)
	case len(parts) == 3 && parts[0] == "users" && parts[2] == "territories":
		if !o.hasEntry("users", parts[1]) {
			return nil, errID()
		}
		return o.setBody(o.setNamed("user_territories"), nil, parts[1], q)
	case len(parts) == 3 && parts[0] == "settings" && parts[1] == "modules":
		m := o.byName[parts[2]]
		if m == nil {
			return nil, errModule()
		}
		return &Body{JSON: fmt.Appendf(nil, `{"modules":[%s%s}]}`, strings.TrimSuffix(o.moduleJSON(m), "}"), displayed(m)), Rows: 1, IDs: []string{strconv.FormatInt(m.id, 10)}}, nil
	}
	cut := strings.LastIndexByte(path, '/')
	if cut < 0 {
		return nil, errPath()
	}
	s := o.byPath[path[:cut]]
	if s == nil || strings.Contains(s.path, "{") || isModuleSet(s) {
		return nil, errPath()
	}
	for row := range s.rows {
		if o.entryID(s, nil, row) == path[cut+1:] {
			text := o.appendEntry(nil, &entry{s: s, row: row})
			return &Body{JSON: fmt.Appendf(nil, `{"%s":[%s]}`, s.key, text), Rows: 1, IDs: []string{path[cut+1:]}}, nil
		}
	}
	return nil, errID()
}

// displayed is what only the answer for one module tells: the field that lookups
// to it show (DOC). The list of modules lacks it.
func displayed(m *module) string {
	if m.display == nil || m.display.api == "" {
		return `,"display_field":null`
	}
	return `,"display_field":` + quote(m.display.api)
}

func (o *Org) hasEntry(name, id string) bool {
	s := o.setNamed(name)
	for row := range s.rows {
		if o.entryID(s, nil, row) == id {
			return true
		}
	}
	return false
}

func isModuleSet(s *set) bool {
	return slices.Contains([]string{"layouts", "related_lists", "custom_views", "tags"}, s.name)
}

// moduleParam reads the parameter module of metadata calls.
func (o *Org) moduleParam(q url.Values) (*module, *Error) {
	name := q.Get("module")
	if name == "" {
		return nil, errMissing("module")
	}
	return o.module(name)
}

// paged are the lists with page and per_page (DOC).
var paged = []string{
	"users", "territories", "territory_users", "user_groups", "scoring_rules", "cadences", "workflow_rules", "webhooks", "field_updates", "workflow_tasks",
	"email_templates", "inventory_templates", "users_unavailability",
}

// members are the rows of a set, by number.
func (o *Org) members(s *set, m *module, parent string, q url.Values) ([]int, *Error) {
	n := s.rows
	switch s.name {
	case "layouts":
		n = 1 + int(b2i(m.api == "Deals"))
	case "related_lists":
		n = len(o.relatedOf(m))
	case "custom_views":
		n = 3
	case "tags":
		n = len(tagList) * int(b2i(m.byName["Tag"] != nil))
	case "territory_users":
		n = min(3, o.setNamed("users").rows)
	case "user_territories":
		n = int(hashOf(parent) % 3)
	case "users":
		return o.usersOf(q, n)
	}
	out := make([]int, n)
	for k := range out {
		out[k] = k
	}
	return out, nil
}

// userTypes are some of the 18 values of the parameter type (DOC).
var userTypes = []string{"AllUsers", "ActiveUsers", "DeactiveUsers", "ConfirmedUsers", "NotConfirmedUsers", "DeletedUsers", "ActiveConfirmedUsers", "AdminUsers", "ActiveConfirmedAdmins", "CurrentUser"}

// usersOf chooses users by the parameter type. The last two are deleted; they
// are not among all users (GUESS), unless a switch says so.
func (o *Org) usersOf(q url.Values, n int) ([]int, *Error) {
	kind := "AllUsers"
	if q.Has("type") {
		kind = q.Get("type")
	}
	if !slices.Contains(userTypes, kind) {
		return nil, errPattern("type")
	}
	all := o.on(AllDeleted)
	var out []int
	for k := range n {
		deleted := k >= n-2 && k >= owners
		active := k%4 != 2
		var in bool
		switch kind {
		case "AllUsers":
			in = !deleted || all
		case "DeletedUsers":
			in = deleted
		case "DeactiveUsers":
			in = !active && !deleted
		case "NotConfirmedUsers":
		case "AdminUsers", "ActiveConfirmedAdmins", "CurrentUser":
			in = k == 0
		default:
			in = active && !deleted
		}
		if in {
			out = append(out, k)
		}
	}
	return out, nil
}

// setBody makes the answer of a set: its rows under their member, with an
// info where the vendor sends one.
func (o *Org) setBody(s *set, m *module, parent string, q url.Values) (*Body, *Error) {
	members, err := o.members(s, m, parent, q)
	if err != nil {
		return nil, err
	}
	var info []byte
	if slices.Contains(paged, s.name) {
		limit := maxPerPage
		if s.name == "territories" {
			limit = 2000 // DOC, newest spec
		}
		perPage, err := number(q, "per_page", maxPerPage, 1, limit)
		if err != nil {
			return nil, err
		}
		page, err := number(q, "page", 1, 1, 1<<31)
		if err != nil {
			return nil, err
		}
		from := min((page-1)*perPage, len(members))
		to := min(from+perPage, len(members))
		info = plainInfo(perPage, to-from, page, to < len(members))
		members = members[from:to]
	} else if s.name == "profiles" {
		info = []byte(`{"license_limit":50}`)
	}
	if len(members) == 0 {
		return &Body{Empty: true}, nil
	}
	body := &Body{Rows: len(members)}
	var list []byte
	for k, row := range members {
		if k > 0 {
			list = append(list, ',')
		}
		e := &entry{s: s, m: m, row: row, parent: parent}
		list = o.appendEntry(list, e)
		body.IDs = append(body.IDs, e.id)
	}
	switch s.name {
	case "business_hours", "fiscal_year": // CLIENT: one object, not a list
		body.JSON = fmt.Appendf(nil, `{"%s":%s`, s.key, list)
	case "taxes": // CLIENT: nested
		body.JSON = fmt.Appendf(nil, `{"org_taxes":{"taxes":[%s],"preference":{"auto_populate_tax":false,"modify_tax_rates":true}}`, list)
	default:
		body.JSON = fmt.Appendf(nil, `{"%s":[%s]`, s.key, list)
	}
	if info != nil {
		body.JSON = fmt.Appendf(body.JSON, `,"info":%s`, info)
	}
	body.JSON = append(body.JSON, '}')
	return body, nil
}

// recycleBin answers GET /settings/recycle_bin: the deleted records of all
// modules that are not gone for good.
func (o *Org) recycleBin(q url.Values) (*Body, *Error) {
	perPage, err := number(q, "per_page", maxPerPage, 1, maxPerPage)
	if err != nil {
		return nil, err
	}
	page, err := number(q, "page", 1, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	list := o.bin()
	from := min((page-1)*perPage, len(list))
	to := min(from+perPage, len(list))
	if from == to {
		return &Body{Empty: true}, nil
	}
	body := &Body{Rows: to - from}
	dst := []byte(`{"recycle_bin":[`)
	for k, b := range list[from:to] {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = o.appendBinned(dst, b)
		body.IDs = append(body.IDs, strconv.FormatInt(b.id, 10))
	}
	body.JSON = fmt.Appendf(dst, `],"info":%s}`, plainInfo(perPage, to-from, page, to < len(list)))
	return body, nil
}

type binned struct {
	gone
	m *module
}

func (o *Org) bin() []binned {
	var out []binned
	for _, m := range o.modules {
		if m.readable() {
			for _, g := range o.graves(m) {
				if !g.permanent {
					out = append(out, binned{g, m})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b binned) int {
		if a.at != b.at {
			return int(b.at - a.at)
		}
		return int(b.id - a.id)
	})
	return out
}

func (o *Org) appendBinned(dst []byte, b binned) []byte {
	p := people[b.by].plain
	return fmt.Appendf(dst, `{"display_name":%s,"deleted_time":"%s","owner":%s,"module":{"api_name":%s,"id":"%d"},"deleted_by":%s,"id":"%d"}`,
		b.name, o.zone.text(b.at), p, quote(b.m.api), b.m.id, p, b.id)
}

// touchSet changes rows of a setting that has no parents.
func (o *Org) touchSet(s *set, at time.Time, n int, ids []string) ([]string, error) {
	if isModuleSet(s) || strings.ContainsAny(s.path, "{") {
		return nil, fmt.Errorf("stream %q does not change", s.name)
	}
	for _, id := range ids {
		if !o.hasEntry(s.name, id) {
			return nil, fmt.Errorf("no row %q in %s", id, s.name)
		}
	}
	for row := 0; row < s.rows && n > 0; row++ {
		if id := o.entryID(s, nil, row); !slices.Contains(ids, id) {
			ids = append(ids, id)
			n--
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.edited[s.name+"/"+id] = o.when(at)
	}
	return ids, nil
}

func (o *Org) touched(e *entry) (int64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at, ok := o.edited[e.s.name+"/"+e.id]
	return at, ok
}
