package zohocrm

import (
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// fixed are the streams that every account has, in the catalog's order: first
// the six of the product page.
func fixed() []stream.Stream {
	out := []stream.Stream{
		changing(optional(list("currencies", "org/currencies")), "modified_time"),
		list("organization", "org", "org"),
		list("profiles", "settings/profiles"),
		list("roles", "settings/roles"),
		changing(optional(paged(list("territories", "settings/territories"))), "modified_time"),
		changing(with(paged(list("users", "users")), "type", "AllUsers"), "Modified_Time"),
	}
	for i := range out {
		out[i].Selected = true
	}
	for _, m := range standard {
		out = append(out, module(m, true))
	}
	deleted := list("deleted_records", "{partition}/deleted", "data")
	// DOC: no tokens, page and per_page alone. A row that is restored or purged
	// leaves the list, and others move up to where they were read past.
	deleted.Page = stream.Offset{
		Param: "page", SizeParam: "per_page", Size: pageRows, UntilEmpty: true, Overlap: true, Numbered: true, Grows: true, More: moreRecords,
	}
	deleted.Key, deleted.Scope, deleted.Selected = []string{"_module", "id"}, scope, true
	deleted.Params = []stream.Param{{Name: "type", Value: "all"}}
	deleted.Cursor = &stream.Cursor{Field: "deleted_time", From: since, In: stream.InHeader, Layout: layout}
	out = append(out, deleted,
		list("modules", "settings/modules"),
		perModule(with(list("fields", "settings/fields"), "type", "all")),
		perModule(list("layouts", "settings/layouts")),
		perModule(list("related_lists", "settings/related_lists")),
		perModule(paged(list("custom_views", "settings/custom_views"))),
	)
	pipelines := child(list("pipelines", "settings/pipeline", "pipeline"), "layouts", stream.Bind{From: "id", To: "layout"})
	pipelines.Params = []stream.Param{{Name: "layout_id", Value: "{layout}"}}
	out = append(out, pipelines,
		perModule(list("tags", "settings/tags")),
		list("taxes", "org/taxes", "org_taxes.taxes"),
		keyed(list("available_currencies", "org/currencies/actions/available_currencies"), "iso_code"),
		list("variables", "settings/variables"),
		list("variable_groups", "settings/variable_groups"),
		paged(list("user_groups", "settings/user_groups")),
		keyed(child(paged(list("territory_users", "settings/territories/{territory}/users", "users")), "territories",
			stream.Bind{From: "id", To: "territory", Inject: "_territory_id"}), "_territory_id", "id"),
		keyed(child(paged(list("user_territories", "users/{user}/territories", "territories")), "users",
			stream.Bind{From: "id", To: "user", Inject: "_user_id"}), "_user_id", "id"),
		list("contact_roles", "Contacts/roles"),
		chosen(keyed(child(paged(list("deal_contact_roles", "Deals/{deal}/Contact_Roles", "data")), "deals",
			stream.Bind{From: "id", To: "deal", Inject: "_deal_id"}), "_deal_id", "id")),
		list("scoring_rules", "settings/automation/scoring_rules"),
		list("assignment_rules", "settings/automation/assignment_rules"),
		paged(list("cadences", "settings/automation/cadences")),
		paged(list("workflow_rules", "settings/automation/workflow_rules")),
		paged(list("webhooks", "settings/automation/webhooks")),
		paged(list("field_updates", "settings/automation/field_updates")),
		paged(list("workflow_tasks", "settings/automation/tasks", "tasks")),
		paged(list("email_templates", "settings/email_templates")),
		paged(list("inventory_templates", "settings/inventory_templates")),
		single(list("business_hours", "settings/business_hours")),
		list("holidays", "settings/holidays"),
		list("shift_hours", "settings/business_hours/shift_hours"),
		single(list("fiscal_year", "settings/fiscal_year")),
		list("global_picklists", "settings/global_picklists"),
		keyed(list("portals", "settings/portals"), "zaid"),
		list("wizards", "settings/wizards"),
		changing(paged(list("recycle_bin", "settings/recycle_bin")), "deleted_time"),
		paged(list("users_unavailability", "settings/users_unavailability")),
		keyed(list("from_addresses", "settings/emails/actions/from_addresses"), "email"),
	)
	timelines := ofRecord(list("timelines", "{partition}/{record}/__timeline", "__timeline"))
	timelines.Page = tokens() // DOC
	emails := keyed(ofRecord(list("record_emails", "{partition}/{record}/Emails", "Emails")), "message_id")
	//nolint:gosec // names of parameters
	emails.Page = stream.Token{Param: "index", Token: "info.next_index", More: moreRecords} // DOC
	return append(out, timelines, chosen(ofRecord(paged(list("record_attachments", "{partition}/{record}/Attachments", "data")))), emails)
}

// helpers are the rows of every module, of which children of any record are. They
// come in the order of their ids, the newest first, which no change moves. DOC.
func helpers() []stream.Stream {
	s := list("records", "{partition}", "data")
	s.Scope, s.Page = recordScope, tokens()
	s.Schema = &stream.Schema{Type: "object", Properties: []stream.Property{{Name: "id", Schema: &stream.Schema{Type: "string"}}}}
	s.Params = []stream.Param{{Name: "fields", Value: "id"}, {Name: "converted", Value: "{converted}"}}
	return []stream.Stream{s}
}

// ofRecord is what hangs on each record of each module.
func ofRecord(s stream.Stream) stream.Stream {
	s = child(s, "records", stream.Bind{From: "id", To: "record"})
	s.Scope = recordScope
	return s
}

// chosen names the fields that are wanted: nothing comes without. DOC.
func chosen(s stream.Stream) stream.Stream {
	s.Select = "fields"
	return s
}

// moreRecords tells whether pages follow; pageRows is how many rows one has. DOC.
const (
	moreRecords = "info.more_records"
	pageRows    = 200
)

// tokens are the pages of lists of records.
func tokens() stream.Token {
	//nolint:gosec // names of parameters
	return stream.Token{Param: "page_token", Token: "info.next_page_token", SizeParam: "per_page", Size: pageRows, More: moreRecords, Drop: []string{"page"}}
}

// since is the header that filters by the replication key, both bounds meant
// inclusive (CLIENT AB). There is no parameter for it. layout has no fraction.
const (
	since  = "If-Modified-Since"
	layout = "2006-01-02T15:04:05-07:00"
)

// list is a resource in one answer; records lie under its name, or where told.
func list(name, path string, records ...string) stream.Stream {
	s := stream.Stream{
		Name: name, Doc: doc, Path: path, Records: name, Key: []string{"id"},
		// Which resources there are depends on edition and features.
		Page: stream.Single{}, Optional: true,
	}
	if len(records) > 0 {
		s.Records = records[0]
	}
	s.NeverNull = s.Records == "data" // of records none are no answer at all, DOC
	return s
}

// paged comes in pages of up to 200 rows.
func paged(s stream.Stream) stream.Stream {
	s.Page = stream.Number{Param: "page", SizeParam: "per_page", First: 1, Size: pageRows, More: moreRecords}
	return s
}

// changing has a replication key that nothing filters by: read whole, older rows
// dropped here. Its key may be null. DOC.
func changing(s stream.Stream, field string) stream.Stream {
	s.Cursor = &stream.Cursor{Field: field}
	return s
}

func optional(s stream.Stream) stream.Stream {
	s.Optional = true
	return s
}

// single answers one object in place of a list. CLIENT (SDK).
func single(s stream.Stream) stream.Stream {
	s.OneRow = true
	return s
}

func keyed(s stream.Stream, key ...string) stream.Stream {
	s.Key = key
	return s
}

func with(s stream.Stream, name, value string) stream.Stream {
	s.Params = append(s.Params, stream.Param{Name: name, Value: value})
	return s
}

func child(s stream.Stream, parent string, bind stream.Bind) stream.Stream {
	s.Parent = &stream.Parent{Stream: parent, Bind: []stream.Bind{bind}}
	return s
}

// perModule is metadata of each module.
func perModule(s stream.Stream) stream.Stream {
	s = child(s, "modules", stream.Bind{From: "api_name", To: "module"})
	return with(s, "module", "{module}")
}
