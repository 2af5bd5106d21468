package zohocrm

import "strings"

// Where the API is rooted (DOC).
const (
	apiRoot  = "/crm/v8/"
	oldRoot  = "/crm/v2/" // still there (DOC), and what Airbyte's source asks
	bulkRoot = "/crm/bulk/v8/"
)

const unknown = "unknown" // the resource of a path that leads nowhere

// kind is what a path leads to.
type kind int

const (
	nowhere kind = iota
	toToken
	toRevoke
	toAuthorize
	toSettings // whatever is no list of records
	toList
	toRecord
	toDeleted
	toRelated
	toCount
	toCOQL
	toBulk
	toJob
	toDownload
)

// route is a path taken apart.
type route struct {
	kind             kind
	resource         string
	target           string // of faults: the resource, with its module where it has several
	path             string // below the root
	old              bool   // below oldRoot
	module, id, list string // of records
	job              string // of a bulk job
}

// api tells whether a path takes an access token and costs credits.
func (to route) api() bool { return to.kind >= toSettings }

// settings are the paths that are no lists of records, # for an id and * for a
// name, and the streams that they belong to (DOC).
var settings = map[string]string{
	"org":              "organization",
	"org/currencies":   "currencies",
	"org/currencies/#": "currencies/record",
	"org/currencies/actions/available_currencies": "available_currencies",
	"org/taxes":                              "taxes",
	"users":                                  "users",
	"users/#":                                "users/record",
	"users/#/territories":                    "user_territories",
	"settings/profiles":                      "profiles",
	"settings/profiles/#":                    "profiles/record",
	"settings/roles":                         "roles",
	"settings/roles/#":                       "roles/record",
	"settings/territories":                   "territories",
	"settings/territories/#":                 "territories/record",
	"settings/territories/#/users":           "territory_users",
	"settings/modules":                       "modules",
	"settings/modules/*":                     "modules/record",
	"settings/fields":                        "fields",
	"settings/fields/#":                      "fields/record",
	"settings/layouts":                       "layouts",
	"settings/layouts/#":                     "layouts/record",
	"settings/related_lists":                 "related_lists",
	"settings/custom_views":                  "custom_views",
	"settings/custom_views/#":                "custom_views/record",
	"settings/pipeline":                      "pipelines",
	"settings/tags":                          "tags",
	"settings/variables":                     "variables",
	"settings/variable_groups":               "variable_groups",
	"settings/user_groups":                   "user_groups",
	"settings/automation/scoring_rules":      "scoring_rules",
	"settings/automation/assignment_rules":   "assignment_rules",
	"settings/automation/cadences":           "cadences",
	"settings/automation/workflow_rules":     "workflow_rules",
	"settings/automation/webhooks":           "webhooks",
	"settings/automation/field_updates":      "field_updates",
	"settings/automation/tasks":              "workflow_tasks",
	"settings/email_templates":               "email_templates",
	"settings/inventory_templates":           "inventory_templates",
	"settings/business_hours":                "business_hours",
	"settings/business_hours/shift_hours":    "shift_hours",
	"settings/holidays":                      "holidays",
	"settings/fiscal_year":                   "fiscal_year",
	"settings/global_picklists":              "global_picklists",
	"settings/portals":                       "portals",
	"settings/wizards":                       "wizards",
	"settings/recycle_bin":                   "recycle_bin",
	"settings/users_unavailability":          "users_unavailability",
	"settings/emails/actions/from_addresses": "from_addresses",
	"Contacts/roles":                         "contact_roles",
	"contacts/roles":                         "contact_roles", // the newest specification writes it so
}

// related are the lists below a record that are streams of their own; others
// are below the stream of the module.
var related = map[string]string{
	"__timeline":          "timelines",
	"Attachments":         "record_attachments",
	"Emails":              "record_emails",
	"Deals/Contact_Roles": "deal_contact_roles",
	"Campaigns/Leads":     "campaign_leads",
	"Campaigns/Contacts":  "campaign_contacts",
}

// route finds a path.
func (s *Service) route(path string) route {
	to := s.find(path)
	if to.target == "" {
		to.target = to.resource
	}
	return to
}

func (s *Service) find(path string) route {
	switch path {
	case "/oauth/v2/token":
		return route{kind: toToken, resource: "token"}
	case "/oauth/v2/token/revoke":
		return route{kind: toRevoke, resource: "revoke"}
	case "/oauth/v2/auth":
		return route{kind: toAuthorize, resource: "authorize"}
	}
	to := route{resource: unknown}
	if rest, ok := strings.CutPrefix(path, bulkRoot); ok {
		to.bulk(strings.Split(rest, "/"))
		return to
	}
	rest, ok := strings.CutPrefix(path, apiRoot)
	if !ok {
		rest, to.old = strings.CutPrefix(path, oldRoot)
	}
	if rest == "" || !ok && !to.old {
		return to
	}
	to.path = rest
	parts := strings.Split(rest, "/")
	if stream, ok := settings[pattern(parts)]; ok {
		to.kind, to.resource = toSettings, stream
		return to
	}
	s.records(&to, parts)
	return to
}

func (to *route) bulk(parts []string) {
	switch {
	case parts[0] != "read" || len(parts) > 3:
	case len(parts) == 1:
		to.kind, to.resource = toBulk, "bulk"
	case len(parts) == 2 && isID(parts[1]):
		to.kind, to.resource, to.job = toJob, "bulk/job", parts[1]
	case len(parts) == 3 && isID(parts[1]) && parts[2] == "result":
		to.kind, to.resource, to.job = toDownload, "bulk_download", parts[1]
	}
}

// records finds what is below a module. A single word is taken for a module,
// whether there is one or not.
func (s *Service) records(to *route, parts []string) {
	to.module = parts[0]
	stream, known := s.modules.stream[parts[0]]
	if !known {
		stream = unknown
	}
	switch {
	case parts[0] == "" || parts[0] == "settings" || len(parts) > 3:
	case len(parts) == 1 && parts[0] == "coql":
		to.kind, to.resource, to.module = toCOQL, "coql", ""
	case len(parts) == 1:
		to.kind, to.resource = toList, stream
	case len(parts) == 2 && parts[1] == "deleted":
		to.kind, to.resource = toDeleted, "deleted_records"
		to.target = to.resource + "/" + parts[0]
	case len(parts) == 3 && parts[1] == "actions" && parts[2] == "count":
		to.kind, to.resource, to.target = toCount, "count", stream+"/count"
	case len(parts) == 2 && isID(parts[1]):
		to.kind, to.resource, to.id = toRecord, stream+"/record", parts[1]
	case len(parts) == 3 && isID(parts[1]) && parts[2] != "":
		to.kind, to.id, to.list = toRelated, parts[1], parts[2]
		to.resource = stream + "/" + parts[2]
		if name, ok := related[parts[2]]; ok {
			to.resource, to.target = name, name+"/"+parts[0]
		} else if name, ok := related[parts[0]+"/"+parts[2]]; ok {
			to.resource = name
		}
	}
}

// pattern is a path with # for its ids. The word after settings/modules is a
// name, not a path.
func pattern(parts []string) string {
	out := make([]string, len(parts))
	for k, word := range parts {
		switch {
		case k == 2 && word != "" && parts[0] == "settings" && parts[1] == "modules":
			word = "*"
		case isID(word):
			word = "#"
		}
		out[k] = word
	}
	return strings.Join(out, "/")
}

// isID tells whether a word is a record's id: digits alone.
func isID(word string) bool {
	return word != "" && strings.Trim(word, "0123456789") == ""
}

// aim adds the module that a call for metadata names to what faults are aimed
// at: noscope@fields/Leads.
func (to *route) aim(module string) {
	if to.kind == toSettings && module != "" {
		to.target += "/" + module
	}
}

// Resource names the stream of a path. What has no stream of its own has a
// name for faults: token, authorize, coql, bulk, bulk/job, bulk_download.
func (s *Service) Resource(path string) string { return s.route(path).resource }
