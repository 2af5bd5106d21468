// Package slascone owns the table of SLASCONE, API v2: its 44 streams, how each
// is asked for, and what of it hangs on what. It must hold no loop and no I/O.
//
// Marks: DOC is the vendor's documentation, or the specification as the official
// generated clients carry it (SLASCONE-demo-java V26.1, SLASCONE-demo-cpp V26.2),
// CLIENT was seen in an official sample that runs, GUESS is inferred. Where only
// guesses exist, the table is such that rows come whichever of them is right, or
// that the stream fails and says so.
//
// Never asked for, DOC: GETs that do something (customers/{id}/contacts/email,
// resellers/{id}/contacts/email, notifications/configurations/tests,
// provisioning/activations/offline, administration/healthcheck, and
// slasconelicenseinfo with forceSendHeartbeat) and those that return secrets
// (notifications/configurations, administration/backupstorage).
package slascone

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// doc is the generated client that shows every path and model. DOC.
const doc = "https://github.com/SLASCONE/SLASCONE-demo-java"

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "slascone",
		Title: "SLASCONE",
		Doc:   "https://support.slascone.com/hc/en-us/articles/360016153358", // API fundamentals, DOC
		Settings: []stream.Setting{
			{Key: keyISV, Required: true, Check: uuid, Doc: "id of the account, on the Info page of the portal"},
			{Key: "admin_key", Kind: stream.Secret, Required: true, Doc: "admin API key: Administration > API Keys in the portal"},
			{Key: "start_date", Kind: stream.Date, Doc: "lower bound of the histories and of consumption_heartbeats"},
			{Key: keyPageSize, Kind: stream.Integer, Default: strconv.Itoa(pageSize), Check: size, Doc: "licenses and assignments in an answer; halved where the service refuses it"},
		},
		// The SaaS environment; the portal's Info page shows the one of a dedicated
		// installation, for api_url. CLIENT.
		Origin: func(stream.Config) string { return "https://api365.slascone.com" },
		Base:   "/api/v2/isv/{isv_id}/",
		// The only key that opens all reads; a wrong account looks as a wrong key does.
		// DOC.
		Auth: stream.HeaderAuth{Header: "AdminKey", Key: "admin_key", Account: []string{keyISV}},
		// DOC (rate limiting): who asks at once after a 429 keeps the block alive; the
		// least wait is 20 s, whatever Retry-After tells (0 was seen elsewhere: GUESS).
		// Reads are not said to count: the pace is our own.
		Limits: []stream.Limit{{Kind: stream.Pace, N: 10, Per: time.Second, Wait: 20 * time.Second, Firm: true}},
		// DOC: a batch asks one thing at a time.
		Lane: "account",
		// Consumption and histories may be dated back. DOC: senders set timestamp_utc.
		Lookback: 24 * time.Hour,
		Probe:    "products",
		Streams:  streams(),
		Helpers:  []stream.Stream{detail()},
	}
}

// The config keys.
const (
	keyISV      = "isv_id"
	keyPageSize = "page_size"
	pageSize    = 100
)

func streams() []stream.Stream {
	products := whole("products", "products")
	templates := whole("templates", "templates")
	customers := whole("customers", "customers")
	resellers := whole("resellers", "resellers")
	return []stream.Stream{
		products,
		detailed("product_features", "features"),
		detailed("product_limitations", "limitations"),
		detailed("product_variables", "variables"),
		detailed("product_constrained_variables", "constrained_variables"),
		detailed("product_analytical_fields", "analytical_fields"),
		detailed("product_usage_features", "usage_features"),
		detailed("product_usage_modules", "usage_modules"),
		detailed("software_release_limitations", "software_release_limitations"),
		shipments(),
		detailed("software_shipment_properties", "software_shipment_properties"),
		detailed("product_email_templates", "email_templates"),
		history("product_history", "products", "product_id"),
		templates,
		history("template_history", "templates", "template_id"),
		customers,
		whole("customers_light", "customers/light"),
		whole("customer_types", "customers/types"),
		child("customer_contacts", "customers", "customers/{customer_id}/contacts", ""),
		without(inject(child("customer_tags", "customers", "customers/{customer_id}/tags", "customer_id"), "tag_id"), "tag_assignments", none),
		licenses(),
		overview(),
		whole("license_types", "licenses/types"),
		assignments(),
		inside("assignment_heartbeats", "heartbeat_info", "device_license_assignment_id"),
		analytical(),
		licenseUsers(),
		personal(child("license_user_groups", "license_overview", "licenses/{license_id}/usergroups", "license_id")),
		without(inject(child("license_tags", "license_overview", "licenses/{license_id}/tags", "license_id"), "tag_id"), "tag_assignments", none),
		history("license_history", "license_overview", "license_id"),
		without(child("license_open_sessions", "license_overview", "licenses/{license_id}/opensessions", ""), "provisioning_mode", notFloating),
		balances(),
		consumption(),
		scalar("license_floating_tokens", "license_overview", "provisioning/licenses/{license_id}/tokens/floating/active/count", "license_id", "active_floating_tokens"),
		bundles(),
		history("license_bundle_history", "license_bundles", "license_bundle_id"),
		resellers,
		whole("reseller_types", "resellers/types"),
		child("reseller_contacts", "resellers", "resellers/{reseller_id}/contacts", ""),
		keyed(child("reseller_templates", "resellers", "resellers/{reseller_id}/templates", "reseller_id"), "reseller_id", "template_id"),
		whole("custom_lists", "administration/customlist"),
		whole("user_email_templates", "notifications/useremailtemplates"),
		info(),
		seats(),
	}
}

// What a parent's row says of one without children, as a JSON literal. Only what
// is said counts: null and absent members say nothing.
const (
	none        = "[]"
	notFloating = "0" // 0 Named, 1 Floating; DOC
	never       = "false"
)

// whole is a list that one answer holds: a bare array, or 204 for none. DOC.
func whole(name, path string) stream.Stream {
	return stream.Stream{Name: name, Doc: doc, Selected: true, Path: path, Key: []string{"id"}, Page: stream.Single{}}
}

// child is a list for each row of another one. The parent's id fills the
// placeholder of the path; injected, "" for none, is the property that gets it.
// An id that is not known, or what is forbidden for one parent alone, comes as 409
// (DOC: the service's conflicts) or 404.
func child(name, parent, path, injected string) stream.Stream {
	s := whole(name, path)
	s.Selected = false
	m := placeholder.FindStringSubmatch(path)
	s.Parent = &stream.Parent{
		Stream: parent, Bind: []stream.Bind{{From: "id", To: m[1], Inject: injected}},
		Refusals: []int{http.StatusNotFound, http.StatusConflict},
	}
	if parent == "license_overview" { // which has the same rows, and tells more of their children
		s.Below = "licenses"
	}
	return s
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

func keyed(s stream.Stream, key ...string) stream.Stream {
	s.Key = key
	return s
}

// inject keys rows that have no id of their own by their parent's and a member.
func inject(s stream.Stream, member string) stream.Stream {
	return keyed(s, s.Parent.Bind[0].Inject, member)
}

// without leaves out parents whose row says that they have no children.
func without(s stream.Stream, member, is string) stream.Stream {
	s.Parent.Prune = []stream.Prune{{Member: member, Is: []string{is}}}
	return s
}

// personal is a list of which the specification declares 400 and 404 and does not
// say when (DOC): a license without users may be why.
func personal(s stream.Stream) stream.Stream {
	s.Parent.Refusals = append(s.Parent.Refusals, http.StatusBadRequest)
	s.Parent.None = []int{http.StatusBadRequest, http.StatusNotFound}
	return s
}

// history lists every change of a row, whole each time; older ones are dropped
// here. DOC: rows are only added.
func history(name, parent, injected string) stream.Stream {
	path := parent
	switch parent {
	case "license_overview":
		path = "licenses"
	case "license_bundles":
		path = "licensebundles"
	}
	s := child(name, parent, path+"/{"+injected+"}/history", injected)
	s.Cursor = &stream.Cursor{Field: "created_date_utc"}
	return s
}

const detailStream = "product_details"

// detail is one answer with the ten lists of a product. DOC.
func detail() stream.Stream {
	s := keyed(child(detailStream, "products", "products/{product_id}/detail", "product_id"), "product_id")
	s.OneRow = true
	s.Schema = &stream.Schema{Type: "object", Properties: []stream.Property{{Name: "product_id", Schema: &stream.Schema{Type: "string"}}}}
	return s
}

// detailed is a list of a product's detail. Its members may be null (DOC), which
// need not mean that there are no rows (GUESS): then the list is asked for.
func detailed(name, member string) stream.Stream {
	return stream.Stream{
		Name: name, Doc: doc, Selected: true, Key: []string{"id"}, Below: "products",
		With: &stream.With{Stream: detailStream, Inside: member, Else: []string{"products/{product_id}/" + member}},
	}
}

// shipments lie in the releases of a product's detail. DOC. How deep the detail
// goes is not told (GUESS: maybe not down to the properties of a shipment).
func shipments() stream.Stream {
	const releases = "software_release_limitations"
	s := detailed("software_shipments", releases)
	s.With.Inside += ".software_shipments"
	s.With.Else = append(s.With.Else, "products/{product_id}/"+releases+"/{id}/software_shipments")
	s.With.Whole, s.Below = []string{"properties"}, releases
	return s
}

// filtered is a list of licenses, asked by POST (DOC). Not told: whether pages
// count from 0 or 1, how large one may be, in which order rows come, and whether
// inactive licenses are there if nothing is said. So both kinds are asked for, and
// the inactive ones once more, for one that changes in between is in neither.
func filtered(name, path string) stream.Stream {
	s := whole(name, path)
	s.Method = "POST"
	active := func(is string) stream.Pass {
		return stream.Pass{Params: []stream.Param{{Name: "is_active", Value: is, Raw: true}}}
	}
	s.Passes = []stream.Pass{active("false"), active("true"), active("false")}
	s.Page = stream.Number{Param: "page", SizeParam: "page_size", First: 1, Size: pageSize, SizeKey: keyPageSize, Total: "max_count", Survey: &stream.Survey{Least: leastPage}}
	return s
}

// leastPage is a page than which no service gives less, and the smallest that is
// asked for where larger ones are refused. GUESS.
const leastPage = 2

const filteredPath = "licenses/filtered"

func overview() stream.Stream {
	s := filtered("license_overview", filteredPath)
	s.Records = "licenses"
	return s
}

// licenses is a bare array: the same filter's overview tells how many there are.
// DOC.
func licenses() stream.Stream {
	s := filtered("licenses", filteredPath+"/detailed")
	p := s.Page.(stream.Number)
	p.Survey = &stream.Survey{From: filteredPath, Least: leastPage}
	s.Page = p
	return s
}

// assignments: pages are optional (DOC), that all come without is GUESS: pages are
// asked for too, but where another license had more without.
func assignments() stream.Stream {
	s := child(assignmentStream, "license_overview", "licenses/{license_id}/assignments", "license_id")
	s.Page = stream.Number{Param: "page", SizeParam: "page_size", First: 1, Size: pageSize, SizeKey: keyPageSize, Survey: &stream.Survey{Least: leastPage}}
	return s
}

const assignmentStream = "license_assignments"

// inside are rows that lie within those of the assignments. DOC.
func inside(name, member string, key ...string) stream.Stream {
	return stream.Stream{
		Name: name, Doc: doc, Key: key, Below: "licenses",
		With: &stream.With{Stream: assignmentStream, Inside: member, Inject: []stream.Bind{{From: "license_id", Inject: "license_id"}}},
	}
}

// analytical heartbeats come only if they are asked for. DOC.
func analytical() stream.Stream {
	s := inside("analytical_heartbeats", "device_analytical_heartbeats", "license_assignment_id", "analytical_field_id", "transaction_id")
	s.With.Params = []stream.Param{{Name: "include_analytical_heartbeats", Value: "true"}}
	return s
}

// licenseUsers: licenses show their users, so that those of one without need not
// be asked for. DOC.
func licenseUsers() stream.Stream {
	s := keyed(child("license_users", "licenses", "licenses/{license_id}/users", "license_id"), "license_id", "user_id")
	return personal(without(s, "license_users", none))
}

// balances: both ids may be null (DOC); nobody's stands for no assignment, as
// elsewhere (GUESS: .NET's empty Guid).
func balances() stream.Stream {
	s := keyed(child("consumption_balances", "license_overview", "licenses/{license_id}/consumption/balance", "license_id"), "license_id", "limitation_id", "assignment_id")
	s.Fill = []stream.Param{{Name: "assignment_id", Value: "00000000-0000-0000-0000-000000000000"}}
	return without(s, "has_consumption_heartbeats", never)
}

// consumption has the only filter by date (DOC); whether its bounds count in, and
// whether it looks at when something happened or at when it was told, is not known.
// The lookback covers what comes late, by either. It has no pages, and tells how many
// rows there are (DOC); whether an answer may have fewer, and whether the dates bound
// that number, is not told (GUESS: as the sample shows, they do).
func consumption() stream.Stream {
	s := child("consumption_heartbeats", "license_overview", "licenses/{license_id}/consumption/heartbeats", "")
	s.Records = "consumption_heartbeats"
	s.Page = stream.Single{Total: "max_count"}
	s.Cursor = &stream.Cursor{Field: "created_date_utc", From: "date_from", To: "date_to", Margin: time.Second, Unended: true}
	return without(s, "has_consumption_heartbeats", never)
}

// bundles: that a customer must be named is possible (GUESS). No content means that
// there are none (DOC), and asking for each customer after it would cost a call each.
func bundles() stream.Stream {
	s := whole("license_bundles", "licensebundles")
	s.Each = &stream.Each{Path: "customers/light", Member: "id", Param: "customer_id"}
	return s
}

// scalar is an answer that is a bare number (DOC), for each row of a parent.
func scalar(name, parent, path, injected, member string) stream.Stream {
	s := keyed(child(name, parent, path, injected), injected)
	s.Scalar = member
	return s
}

func seats() stream.Stream {
	const id = "product_id"
	s := scalar("license_seats", "products", "{"+id+"}", id, "license_seats")
	s.Path = "administration/licenseseats"
	s.Params = []stream.Param{{Name: id, Value: "{" + id + "}"}}
	return s
}

// info is one object about the account's own license.
func info() stream.Stream {
	s := keyed(whole("slascone_license_info", "administration/slasconelicenseinfo"), keyISV)
	s.OneRow = true
	s.Fill = []stream.Param{{Name: keyISV, Value: "{" + keyISV + "}"}}
	return s
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func uuid(v string) error {
	if !uuidForm.MatchString(v) {
		return errors.New("a UUID such as 3b7f4c1e-9d25-4e86-a1c0-5f2d8e6b7a94")
	}
	return nil
}

func size(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 10_000 {
		return errors.New("a whole number from 1 to 10000")
	}
	return nil
}
