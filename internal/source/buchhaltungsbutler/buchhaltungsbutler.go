// Package buchhaltungsbutler owns the table of BuchhaltungsButler, API v1: its 15
// streams, the reports that have to be made first, and its ways of saying no. It
// must hold no loop and no I/O.
//
// Marks: DOC is the vendor's specification and its page, CLIENT was seen or
// measured by a client of the real service, GUESS is inferred. "DM" is
// dennismenken/buchhaltungsbutler-mcp, "SI" si0nDE/mcp-buchhaltungsbutler, "OB"
// ohneben/Buchhaltungsbutler-MCP, "CK" ckesselh/butler.
package buchhaltungsbutler

import (
	"cmp"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	doc = "https://app.buchhaltungsbutler.de/docs/api/v1/"
	// post is the method of every call, those that read included (DOC).
	post = "POST"
)

// The config keys, and names that many streams share.
const (
	keyClient   = "api_client"
	keySecret   = "api_secret" // name of a config key
	keyTenant   = "api_key"    // name of a config key, and of a body member
	keyZone     = "timezone"
	keyDeleted  = "include_deleted"
	keyOffers   = "include_offers"
	id          = "id_by_customer"
	accountID   = "postingaccount_number"
	data        = "data"
	direction   = "direction"
	byDirection = "list_direction"
)

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "buchhaltungsbutler",
		Title: "BuchhaltungsButler",
		Doc:   doc,
		Settings: []stream.Setting{
			{Key: keyClient, Kind: stream.Secret, Required: true, Doc: "API client, from Einstellungen > Schnittstellen"},
			{Key: keySecret, Kind: stream.Secret, Required: true, Doc: "API secret that belongs to it"},
			{Key: keyTenant, Kind: stream.Secret, Required: true, Doc: "API key of the company to read"},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "first day of account_ledger, report_sums and report_bwa; the others are read from their beginning, since rows are dated back"},
			{Key: keyZone, Kind: stream.Location, Default: germany, Doc: "time zone of the service's dates and times"},
			{Key: keyDeleted, Kind: stream.Boolean, Default: "true", Doc: "also read receipts that were deleted; deleted tells them"},
			{Key: keyOffers, Kind: stream.Boolean, Default: "false", Doc: "also read offers, among the receipts"},
		},
		Origin: func(stream.Config) string { return "https://webapp.buchhaltungsbutler.de" },
		Base:   "/api/v1/",
		// DOC: both layers on each call. The key picks the tenant.
		Auth: stream.BasicAuth{User: keyClient, Password: keySecret, BodyParam: keyTenant, BodyKey: keyTenant},
		// DOC ("API limits"): of a tenant, all its programs together. No header
		// tells of it (CLIENT DM 3.3). That the window slides is GUESS: a client
		// that keeps to it keeps to one of the clock too.
		Limits: []stream.Limit{{Kind: stream.Sliding, N: perMinute, Per: time.Minute, Vendor: true}},
		// CLIENT (OB): 25 to 45 s for large answers.
		Timeout:  90 * time.Second,
		Zone:     zone,
		Classify: classify,
		Probe:    "accounts",
		// CLIENT (DM): the list of receipts is asked by direction, which its rows
		// do not show.
		Scopes: map[string]stream.Scope{direction: {
			Noun: "direction", Inject: []string{byDirection},
			Expand: stream.Fixed(way("inbound"), way("outbound")),
		}},
		Streams: streams(),
	}
}

const (
	perMinute = 100
	germany   = "Europe/Berlin"
)

// zone is the one of all dates and times, which come without. GUESS: it is that
// of the vendor's country, hence the setting.
func zone(c stream.Config) *time.Location {
	loc, err := time.LoadLocation(cmp.Or(c.Text(keyZone), germany))
	if err != nil {
		return time.UTC // invariant: the config was checked, and the program holds the zones
	}
	return loc
}

// way is a direction of receipts. Whether the type of a credit tells it is not
// known (dossier 8.11).
func way(name string) stream.Partition {
	return stream.Partition{
		ID: name, Values: []stream.Param{{Name: byDirection, Value: name}}, Inject: []string{`"` + name + `"`},
	}
}

func streams() []stream.Stream {
	return []stream.Stream{
		receipts(),
		scoped(one("receipt_details", "receipts", "receipts/get/{receipt}", "receipt")),
		transactions(),
		details(one("transaction_details", "transactions", "transactions/get/{transaction}", "transaction")),
		scoped(assigned("receipt_transactions", "receipts", "receipts/assigned-transactions/get", "receipt")),
		assigned("transaction_receipts", "transactions", "transactions/assigned-receipts/get", "transaction"),
		postings(),
		selected(list("accounts", "accounts/get", "name", stream.Single{})),
		// DOC: 1,000 unless asked for less; more is known of nobody. The order by
		// number leaves nothing open.
		selected(list("posting_accounts", "settings/get/postingaccounts", accountID, pages(1000,
			text("order", "postingaccount_number ASC"), text("order", "postingaccount_number DESC")))),
		// DOC: 25 unless asked for more. CLIENT (CK): 500 works. There is no order
		// to ask for.
		selected(list("debtors", "settings/get/debtors", accountID, pages(500))),
		selected(list("creditors", "settings/get/creditors", accountID, pages(500))),
		selected(list("cost_locations", "cost-locations/get", "code", pages(1000))), // DOC: the most
		ledger(),
		sums(),
		bwa(),
	}
}

// list is a stream whose path answers rows.
func list(name, path, key string, page stream.Pager) stream.Stream {
	return stream.Stream{
		Name: name, Doc: doc, Method: post, Path: path, Records: data, Key: []string{key}, Page: page,
	}
}

func selected(s stream.Stream) stream.Stream {
	s.Selected = true
	return s
}

func scoped(s stream.Stream) stream.Stream {
	s.Scope = direction
	return s
}

// pages are pages by offset. CLIENT: no total is told, a short page need not be
// the last, for a hidden cap would look like the end (CK); pages of a list were
// seen to repeat rows while others were missing (OB).
func pages(size int, orders ...stream.Param) stream.Offset {
	return stream.Offset{
		Param: "offset", SizeParam: "limit", Size: size, Least: least, UntilEmpty: true, Overlap: true, Orders: orders,
	}
}

// least is the size of a page below which time is not what is lacking.
const least = 25

func text(name, value string) stream.Param { return stream.Param{Name: name, Value: value} }

func literal(name, value string) stream.Param {
	return stream.Param{Name: name, Value: value, Raw: true}
}

// receipts are read whole: what changes them is only told of edits in the web
// app, and not of payments and uploads (CLIENT SI). A window of dates would leave
// out those without one (GUESS). DOC: deleted is a switch, not an addition, and
// a receipt can be restored. One that goes from one list to the other meanwhile
// is in the deleted ones before or after.
func receipts() stream.Stream {
	s := scoped(selected(list("receipts", "receipts/get", id, pages(500, // DOC: the most
		literal("order", `{"date":"ASC","amount":"ASC","invoicenumber":"ASC","invoicingparty":"ASC"}`),
		literal("order", `{"date":"DESC","amount":"DESC","invoicenumber":"DESC","invoicingparty":"DESC"}`)))))
	s.Params = []stream.Param{text(byDirection, "{list_direction}"), literal(keyOffers, "{include_offers}")}
	gone := stream.Pass{Params: []stream.Param{literal("deleted", "true")}, If: keyDeleted}
	s.Passes = []stream.Pass{gone, {Params: []stream.Param{literal("deleted", "false")}}, gone}
	s.Convert = flags("deleted")
	return s
}

// transactions are read by their number, which grows with each import, whatever
// the booking date; it is exclusive, and sorts (DOC; CLIENT OB, CK). What is
// edited keeps its number. account stays null: the rows do not tell it, and to
// list them by account would ask as often as there are accounts and lose the rows
// of one that /accounts/get shows without a number (CLIENT OB);
// transaction_details have it.
func transactions() stream.Stream {
	s := selected(list("transactions", "transactions/get", id, stream.Keyset{
		Param: after, Field: id, First: "0", Number: true, SizeParam: "limit", Size: 500, Least: least, UntilEmpty: true, // DOC: the most
	}))
	s.Cursor = &stream.Cursor{
		Field: id, From: after, Raw: true, Sorted: true,
		// DOC: strictly later, and a date alone would mean its last second. The zone
		// is GUESS: a day is more than two can be apart.
		Edits: &stream.Edits{Since: "date_since_last_modified", Layout: time.DateTime, Margin: 24 * time.Hour},
	}
	return s
}

const after = id + "_from"

// one is a single row for each row of a list. CLIENT (DM L1): the number stands
// in the path.
func one(name, parent, path, bind string) stream.Stream {
	s := list(name, path, id, stream.Single{})
	s.OneRow = true
	s.Parent = &stream.Parent{Stream: parent, Bind: []stream.Bind{{From: id, To: bind}}}
	if parent == "receipts" {
		s.Convert = flags("deleted")
	}
	return s
}

// details change with their transaction alone.
func details(s stream.Stream) stream.Stream {
	s.Parent.Changed = true
	return s
}

// assigned is one end of the relation of receipts and transactions. It changes
// without either of them. DOC: the number is an integer.
func assigned(name, parent, path, bind string) stream.Stream {
	up := bind + "_" + id
	s := list(name, path, id, stream.Single{})
	s.Key = []string{up, id}
	s.Params = []stream.Param{literal(up, "{"+bind+"}")}
	s.Parent = &stream.Parent{Stream: parent, Bind: []stream.Bind{{From: id, To: bind, Inject: up}}}
	return s
}

// postings are asked for by the days of their last actions: creation, and the
// change to confirmed or fixed (DOC), which rows do not show. Posting dates are
// required (DOC): a span wide enough for any, for they are dated back, and ahead.
func postings() stream.Stream {
	s := selected(list("postings", "postings/get", id, pages(1000, // CLIENT: the most
		text("order", "id_by_customer ASC"), text("order", "id_by_customer DESC"))))
	s.Params = []stream.Param{text(from, "1970-01-01"), text(to, "2099-12-31")}
	s.Cursor = &stream.Cursor{
		Field: "date_last_action", From: "date_last_action_from", To: "date_last_action_to",
		// GUESS: the zone. Where it is UTC, a first read that began in the first two
		// hours of a day began on the day before there.
		Stamp: &stream.Stamp{Margin: 2 * time.Hour},
	}
	s.Convert = flags("fixed")
	return s
}

const (
	from = "date_from"
	to   = "date_to"
)

// ledger is what was posted to an account. It has no pages; DOC: the account is
// an integer, the dates are included. An account that was never posted to is one
// call of many months.
func ledger() stream.Stream {
	s := list("account_ledger", "reports/get/sums/ledger", accountID, stream.Single{})
	s.Records = "report_sums_postingaccount_ledger.postingaccountLedger"
	s.Key = []string{accountID, id, "record_side"}
	s.Params = []stream.Param{literal(accountID, "{account}")}
	s.Parent = &stream.Parent{Stream: "posting_accounts", Bind: []stream.Bind{{From: accountID, To: "account", Inject: accountID}}}
	s.Cursor = &stream.Cursor{Field: "date", Filter: period, Floor: midnight, Anew: true, Halve: true}
	return s
}

// period bounds a ledger by the days of the service's zone.
func period(c stream.Config, lower, upper string) []stream.Param {
	var out []stream.Param
	for _, b := range []struct{ name, at, open string }{{from, lower, "1970-01-01"}, {to, upper, "2099-12-31"}} {
		date := b.open
		if t, err := time.Parse(time.RFC3339Nano, b.at); err == nil {
			date = t.In(zone(c)).Format(time.DateOnly)
		}
		out = append(out, text(b.name, date))
	}
	return out
}

// midnight is the first instant of a day of the ledger.
func midnight(c stream.Config, t time.Time) time.Time {
	y, m, d := t.In(zone(c)).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone(c))
}

// flags converts properties that are "0" and "1" (CLIENT).
func flags(names ...string) map[string]func(dst, raw []byte) ([]byte, bool) {
	out := map[string]func(dst, raw []byte) ([]byte, bool){}
	for _, name := range names {
		out[name] = flag
	}
	return out
}

func flag(dst, raw []byte) ([]byte, bool) {
	switch string(raw) {
	case `"0"`, "0", "false":
		return append(dst, "false"...), true
	case `"1"`, "1", "true":
		return append(dst, "true"...), true
	case `""`:
		return append(dst, "null"...), true
	}
	return dst, false
}
