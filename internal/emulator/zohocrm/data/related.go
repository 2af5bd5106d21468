package data

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// relation is a related list of a module.
type relation struct {
	api   string
	child *module // nil: a list of another kind
	by    *field  // the child's lookup to the module; nil: a loose many-to-many
}

// relatedOf are the related lists of a module: the modules with a lookup to
// it, and those of a kind of their own.
func (o *Org) relatedOf(m *module) []relation {
	var out []relation
	if !m.readable() {
		return nil
	}
	for _, child := range o.modules {
		if !child.readable() || child.generated == "subform" {
			continue
		}
		for _, f := range child.fields {
			if f.kind == kindLookup && f.target == m && child != m && child.api != "Attachments" {
				out = append(out, relation{child.api, child, f})
				break
			}
		}
	}
	switch m.api {
	case "Deals":
		out = slices.DeleteFunc(out, func(r relation) bool { return r.api == "DealHistory" })
		out = append(out, relation{"Stage_History", o.byName["DealHistory"], o.byName["DealHistory"].byName["Parent_Id"]}, relation{api: "Contact_Roles"})
	case "Campaigns":
		out = append(out, relation{"Leads", o.byName["Leads"], nil}, relation{"Contacts", o.byName["Contacts"], nil})
	}
	return append(out, relation{api: "Attachments"}, relation{api: "Emails"})
}

func (o *Org) specialRelated(e *entry, member string) (string, bool) {
	r := o.relatedOf(e.m)[e.row]
	switch member {
	case "api_name", "name", "display_label":
		return quote(r.api), true
	case "module":
		if r.child == nil {
			return "null", true
		}
		return fmt.Sprintf(`{"api_name":%q,"id":"%d"}`, r.child.api, r.child.id), true
	case "href":
		return quote(e.m.api + "/{ENTITYID}/" + r.api), true
	case "type":
		return quote("default"), true
	case "sequence_number":
		return quote(strconv.Itoa(e.row + 1)), true
	}
	return "", false
}

// Related answers GET /{Module}/{id}/{list}: related records, __timeline,
// Attachments, Emails, Contact_Roles, Stage_History.
func (o *Org) Related(module, id, list string, q url.Values, since time.Time) (*Body, error) {
	m, r, err := o.find(module, id)
	if err != nil {
		return nil, err
	}
	body, err := o.related(m, r, list, q, since)
	if err != nil {
		return nil, err
	}
	return body, nil
}

func (o *Org) related(m *module, r rows.Row, list string, q url.Values, since time.Time) (*Body, *Error) {
	if q.Has("perPage") && !q.Has("per_page") { // DOC: the newest spec spells it so
		q = url.Values{"fields": q["fields"], "page": q["page"], "per_page": q["perPage"]}
		if q["page"] == nil {
			q.Del("page")
		}
	}
	perPage, err := number(q, "per_page", maxPerPage, 1, maxPerPage)
	if err != nil {
		return nil, err
	}
	page, err := number(q, "page", 1, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	switch list {
	case "__timeline":
		return o.list("__timeline", o.timeline(m, r), perPage, page), nil
	case "Emails":
		return o.emails(m, r, q)
	}
	relations := o.relatedOf(m)
	k := slices.IndexFunc(relations, func(x relation) bool { return x.api == list })
	if k < 0 {
		return nil, &Error{Status: 400, Code: "INVALID_DATA", Message: "the relation name given seems to be invalid", Details: map[string]any{"resource_path_index": 2}}
	}
	if q.Get("fields") == "" {
		return nil, errMissing("fields")
	}
	if len(strings.Split(q.Get("fields"), ",")) > maxFields {
		return nil, errLimit("fields", maxFields)
	}
	rel := relations[k]
	if rel.child == nil {
		items := o.attachments(m, r)
		if list == "Contact_Roles" {
			items = o.contactRoles(r)
		}
		return o.list("data", chosen(items, q.Get("fields")), perPage, page), nil
	}
	cols, err := o.fieldList(rel.child, q)
	if err != nil {
		return nil, err
	}
	plan := o.planOf(rel.child, cols, listForm)
	var items []item
	for _, row := range o.relatedRows(rel, r) {
		if since.IsZero() || !rel.child.hasTime() || row.At(modified) >= o.lowest(since) {
			items = append(items, item{id: strconv.FormatInt(row.ID, 10), text: plan.row(nil, row)})
		}
	}
	return o.list("data", items, perPage, page), nil
}

func (o *Org) relatedRows(rel relation, r rows.Row) []rows.Row {
	if rel.by != nil {
		return o.referring(rel.child, rel.by, r.Index)
	}
	var out []rows.Row
	if rel.child.n == 0 {
		return nil
	}
	for k := range int64(3) {
		index := (r.Index*3 + k*7) % rel.child.n
		if row, ok := o.open(rel.child).Get(rel.child.rowID(index)); ok && !slices.ContainsFunc(out, func(x rows.Row) bool { return x.ID == row.ID }) {
			out = append(out, row)
		}
	}
	return out
}

// item is a row that was written already; members are kept where the caller
// chooses among them.
type item struct {
	id      string
	text    []byte
	members []member
}

type member struct{ name, json string }

// chosen writes the members that a list of fields names, and the id.
func chosen(items []item, fields string) []item {
	names := strings.Split(fields, ",")
	for k := range items {
		items[k].text = writeMembers(items[k].members, func(name string) bool { return name == "id" || slices.Contains(names, name) })
	}
	return items
}

func writeMembers(members []member, keep func(name string) bool) []byte {
	dst := []byte{'{'}
	for _, m := range members {
		if keep(m.name) {
			if len(dst) > 1 {
				dst = append(dst, ',')
			}
			dst = append(append(append(append(append(dst, '"'), m.name...), '"'), ':'), m.json...)
		}
	}
	return append(dst, '}')
}

func all(string) bool { return true }

func (o *Org) list(key string, items []item, perPage, page int) *Body {
	from := min((page-1)*perPage, len(items))
	to := min(from+perPage, len(items))
	if from == to && !o.on(EmptyList) {
		return &Body{Empty: true}
	}
	body := &Body{Rows: to - from}
	dst := fmt.Appendf(nil, `{%q:[`, key)
	for k, x := range items[from:to] {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, x.text...)
		body.IDs = append(body.IDs, x.id)
	}
	body.JSON = fmt.Appendf(dst, `],"info":%s}`, plainInfo(perPage, to-from, page, to < len(items)))
	return body
}

func (o *Org) person(h uint64) string { return people[h%owners].plain }

func (o *Org) instantJSON(sec int64) string { return quote(o.zone.text(sec)) }

// timeline is what happened to a record, the latest first.
func (o *Org) timeline(m *module, r rows.Row) []item {
	c := m.cell(r)
	name := string(o.append(nil, m.display, o.displayName(m, c.index), fullForm))
	var out []item
	for k := range int64(1) + int64(min(r.Rev, 5)) {
		action, at, history := "added", floorSec(r.At(created)), "null"
		if k < int64(min(r.Rev, 5)) {
			action, at = "updated", floorSec(r.At(modified))-k*60
			history = `[{"api_name":"Description","field_label":"Description","data_type":"textarea","id":` + rawID(uint64(r.ID), 1) + `,"enable_colour_code":false,"pick_list_values":[],"_value":{"new":"b","old":"a"}}]`
		}
		id := strconv.FormatInt(r.ID*10+k, 10)
		x := item{id: id, members: []member{
			{"audited_time", o.instantJSON(at)},
			{"action", quote(action)},
			{"id", quote(id)},
			{"done_by", o.person(uint64(r.ID))},
			{"source", quote("crm_ui")},
			{"type", "null"},
			{"extension", "null"},
			{"related_record", "null"},
			{"automation_details", "null"},
			{"converted_record", "null"},
			{"record", fmt.Sprintf(`{"module":{"api_name":%q,"id":"%d"},"name":%s,"id":"%d"}`, m.api, m.id, name, r.ID)},
			{"field_history", history},
		}}
		x.text = writeMembers(x.members, all)
		out = append(out, x)
	}
	return out
}

// attachments are those of one record: the rows of the module Attachments that
// refer to it, or one of its own in a module that these do not refer to.
func (o *Org) attachments(m *module, r rows.Row) []item {
	h := rows.Mix(m.seed+14, uint64(r.ID))
	if h%4 != 0 {
		return nil
	}
	id := strconv.FormatInt(r.ID*10+7, 10)
	at := floorSec(r.At(created))
	return []item{{id: id, members: []member{
		{"Owner", o.person(h)},
		{"Created_Time", o.instantJSON(at)},
		{"File_Name", quote(pickWord(fileWords, h))},
		{"$editable", "true"},
		{"$field_states", "null"},
		{"$se_module", quote(m.api)},
		{"$type", quote("Attachment")},
		{"Created_By", o.person(h)},
		{"File_Id__s", quote(strconv.FormatUint(h, 16))},
		{"$zia_visions", "null"},
		{"Modified_Time", o.instantJSON(at)},
		{"Size", quote(strconv.FormatUint(h%900_000, 10))}, // CLIENT: a number as text
		{"$sharing_permission", quote("full_access")},
		{"$attachment_type", "1"},
		{"Parent_Id", fmt.Sprintf(`{"name":null,"id":"%d"}`, r.ID)},
		{"$file_id", quote(strconv.FormatUint(h, 16))},
		{"Modified_By", o.person(h)},
		{"$link_url", "null"},
		{"Attachment_Source__s", quote("Uploaded")},
		{"Record_Status__s", quote("Available")},
		{"id", quote(id)},
		{"$state", quote("save")},
	}}}
}

// contactRoles are the contacts of a deal.
func (o *Org) contactRoles(r rows.Row) []item {
	contacts, roles := o.byName["Contacts"], o.setNamed("contact_roles")
	var out []item
	for k := range int64(rows.Mix(uint64(r.ID), 15) % 3) {
		if contacts.n == 0 {
			break
		}
		index := (r.Index + k*11) % contacts.n
		row, ok := o.open(contacts).Get(contacts.rowID(index))
		if !ok || k > 0 && out[0].id == strconv.FormatInt(row.ID, 10) {
			continue
		}
		id := strconv.FormatInt(row.ID, 10)
		name := string(o.append(nil, contacts.display, o.displayName(contacts, index), fullForm))
		out = append(out, item{id: id, members: []member{
			{"Contact_Role", fmt.Sprintf(`{"name":"Decision Maker","id":%q}`, o.entryID(roles, nil, int(k)))},
			{"Created_By", o.person(uint64(row.ID))},
			{"Created_Time", o.instantJSON(floorSec(row.At(created)))},
			{"Department", "null"},
			{"Modified_By", o.person(uint64(row.ID))},
			{"Modified_Time", o.instantJSON(floorSec(row.At(modified)))},
			{"name", name},
			{"Owner", people[uint64(row.ID)%owners].json},
			{"Tag", "[]"},
			{"id", quote(id)},
		}})
	}
	return out
}

// emailPage is how many mails a call gives; the next one is asked for by index (DOC).
const emailPage = 10

// mails are those of a record.
func (o *Org) mails(m *module, r rows.Row) []item {
	h := rows.Mix(m.seed+16, uint64(r.ID))
	if h%5 != 0 {
		return nil
	}
	var out []item
	for k := range int64(1 + h>>8%14) {
		id := fmt.Sprintf("<%d.%d@mail.example>", r.ID, k)
		at := o.instantJSON(floorSec(r.At(created)) + k*3600)
		x := item{id: id, members: []member{
			{"attachments", "null"},
			{"thread_id", quote(strconv.FormatUint(h, 36))},
			{"cc", "null"},
			{"summary", quote("Line one\nLine two")},
			{"owner", o.person(h)},
			{"read", "true"},
			{"sent", strconv.FormatBool(k%2 == 0)},
			{"subject", quote(pickWord(subjectWords, h+uint64(k)))},
			{"source", quote("crm")},
			{"has_attachment", "false"},
			{"editable", "true"},
			{"emotion", "null"},
			{"intent", "null"},
			{"message_id", quote(id)},
			{"sentiment_info", "null"},
			{"from", `{"user_name":"Ida Falk","email":"user1@org.example"}`},
			{"to", `[{"user_name":"Zoë, O'Neil","email":"zoe@samp.example"}]`},
			{"linked_record", fmt.Sprintf(`{"module":{"api_name":%q,"id":"%d"},"name":null,"id":"%d"}`, m.api, m.id, r.ID)},
			{"status", `[{"type":"sent"}]`},
			{"time", at},
			{"sent_time", at},
			{"has_thread_attachment", "false"},
		}}
		x.text = writeMembers(x.members, all)
		out = append(out, x)
	}
	return out
}

// emails answers the related list Emails, whose pages go by index.
func (o *Org) emails(m *module, r rows.Row, q url.Values) (*Body, *Error) {
	list := o.mails(m, r)
	from, err := number(q, "index", 0, 0, 1<<31)
	if err != nil {
		return nil, err
	}
	from = min(from, len(list))
	to := min(from+emailPage, len(list))
	if from == to {
		return &Body{Empty: true}, nil
	}
	body := &Body{Rows: to - from}
	dst := []byte(`{"Emails":[`)
	for k, x := range list[from:to] {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, x.text...)
		body.IDs = append(body.IDs, x.id)
	}
	next, prev := "null", "null"
	if to < len(list) {
		next = quote(strconv.Itoa(to))
	}
	if from > 0 {
		prev = quote(strconv.Itoa(max(from-emailPage, 0)))
	}
	body.JSON = fmt.Appendf(dst, `],"info":{"count":%d,"next_index":%s,"prev_index":%s,"per_page":%d,"more_records":%t}}`, to-from, next, prev, emailPage, to < len(list))
	return body, nil
}
