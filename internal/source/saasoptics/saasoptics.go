// Package saasoptics owns the table of SaaSOptics (now Maxio Core), REST API
// v1.0: its 23 streams, their filters and its way of saying no. It must hold
// no loop and no I/O.
//
// Marks: DOC is the vendor's page, CLIENT was seen in a client that runs
// against the real service, GUESS is inferred. "TAP" is singer-io/tap-saasoptics,
// "LAKE" the Databricks Lakeflow connector "maxio", "FORK-A" and "FORK-S" are
// the forks of anelendata and splitio.
package saasoptics

import (
	"bytes"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const doc = "https://saasoptics.zendesk.com/hc/en-us/articles/"

// windowRows is the size beyond which a date window is cut in two: at 5
// requests a second it bounds what an interrupted run repeats to 100 s.
const windowRows = 50_000

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "saasoptics",
		Title: "SaaSOptics (Maxio Core)",
		Doc:   doc + "115003595913", // URLs and REST Info, DOC
		Settings: []stream.Setting{
			{Key: "token", Kind: stream.Secret, Required: true, Doc: "API token of a user: Admin > Settings > API Tokens"},
			{Key: "account_name", Kind: stream.Text, Required: true, Check: accountName, Doc: "the first part of the path in the browser's address"},
			{Key: "server_subdomain", Kind: stream.Text, Required: true, Check: subdomain, Doc: "the host's first label in the browser's address, e.g. s12"},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "lower bound of every incremental stream"},
		},
		Origin: func(c stream.Config) string {
			return "https://" + strings.ToLower(c.Text("server_subdomain")) + ".saasoptics.com"
		},
		Base: "/{account_name}/api/v1.0/",
		// Not Bearer, not Basic. CLIENT (all).
		Auth: stream.HeaderAuth{Header: "Authorization", Prefix: "Token ", Key: "token"},
		// No limit is published; LAKE holds itself to five a second. CLIENT.
		Limits:   []stream.Limit{{Kind: stream.Pace, N: 5, Per: time.Second}},
		Window:   60, // as TAP
		Classify: classify,
		Probe:    "billing_descriptions", // tiny; TAP's own check
		Streams: []stream.Stream{
			changed("customers", "115013751587"),
			changed("contracts", "115013751607"),
			audited(lifted(changed("invoices", "115013918148"))),
			changed("items", "115013751567"),
			// TAP filters transactions on the audit entry but bookmarks
			// modified: two clocks, which lose rows (singer-io/tap-saasoptics#5).
			// FORK-S reads them by modified. Should a tenant ignore that
			// filter, the engine sees older rows come and reads everything.
			lifted(changed("transactions", "360000066333")),
			whole("billing_descriptions", "115013751807"),
			whole("accounts", "115013751507"),
			whole("auto_renewal_profiles", "115013918268"),
			whole("billing_methods", "115003604433"),
			whole("country_codes", "115003604453"),
			keyed(whole("currency_codes", "115003604473"), "code"), // has no id, CLIENT (TAP)
			whole("payment_terms", "115003642673"),
			changed("registers", "115013751707"),
			changed("revenue_entries", "115003674273"),
			whole("revenue_recognition_methods", "115003617774"),
			// No server filter is known: read whole, older rows dropped here.
			since(whole("sales_orders", "360000738813"), "created"),
			deleted("contracts"),
			deleted("transactions"),
			deleted("invoices"),
			deleted("revenue_entries"),
			// Only FORK-A and FORK-S read these three; not every tenant has them.
			optional(changed("payments", "")),
			optional(deleted("customers")),
			optional(deleted("payments")),
		},
	}
}

// whole is a resource without a cursor: 100 rows a page, not to be changed
// (LAKE tried seven values), the next page as an absolute link. CLIENT (all).
func whole(name, article string) stream.Stream {
	s := stream.Stream{
		Name: name, Doc: doc + article, Selected: true,
		Path: name + "/", Records: "results", Key: []string{"id"},
		Page: stream.NextLink{Next: "next", Total: "count"}, NeverNull: true,
	}
	if article == "" {
		s.Doc = "https://github.com/anelendata/tap-saasoptics"
	}
	return s
}

// changed is a resource that filters on modified, both bounds inclusive. CLIENT.
func changed(name, article string) stream.Stream {
	s := since(whole(name, article), "modified")
	s.Cursor.From, s.Cursor.To = "modified__gte", "modified__lte"
	s.Cursor.MaxRows = windowRows
	s.Cursor.Front = sorted("modified")
	return s
}

// audited filters on the audit entry, which some rows lack: the filter, a join,
// cannot return those. CLIENT (SDK runs invoices FULL_TABLE for it).
func audited(s stream.Stream) stream.Stream {
	s.Cursor = &stream.Cursor{
		Field: "auditentry_modified",
		From:  "auditentry__modified__gte", To: "auditentry__modified__lte",
		MaxRows: windowRows, Sparse: true, Front: sorted("auditentry__modified"),
	}
	return s
}

// sorted orders a list by a column. sort=modified is CLIENT; that a minus
// reverses it and that empty values stand at one end are GUESS (Django REST
// framework over a database), and what the service does not know it ignores.
func sorted(column string) []stream.Param {
	return []stream.Param{{Name: "sort", Value: column}, {Name: "sort", Value: "-" + column}}
}

// lifted puts auditentry.X at top level as auditentry_X, as TAP does.
func lifted(s stream.Stream) stream.Stream {
	s.Lift = []string{"auditentry"}
	return s
}

// deleted is the list of a resource's deleted rows. No filter is known to work
// there: read whole, older rows dropped here. CLIENT (TAP).
func deleted(resource string) stream.Stream {
	s := since(whole("deleted_"+resource, ""), "deleted")
	s.Path = resource + "/deleted/"
	s.Doc = "https://github.com/singer-io/tap-saasoptics"
	return s
}

func since(s stream.Stream, field string) stream.Stream {
	s.Cursor = &stream.Cursor{Field: field}
	return s
}

func keyed(s stream.Stream, key string) stream.Stream {
	s.Key = []string{key}
	return s
}

func optional(s stream.Stream) stream.Stream {
	s.Optional = true
	return s
}

// classify tells the vendor's 404s apart: a page past the end (Django REST
// framework's text, GUESS), an unknown resource (JSON), a wrong account or
// server (an HTML page, or a redirect to a login page; CLIENT LAKE).
func classify(r *stream.Response) error {
	html := !bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("{"))
	switch {
	case r.Status == http.StatusNotFound && bytes.Contains(r.Body, []byte("Invalid page")):
		return stream.PastEnd
	case r.Status == http.StatusNoContent, r.Status == http.StatusNotModified:
		// No rows is a list with count 0 (CLIENT); this would pass for one.
		return &fault.Error{
			Kind: fault.Contract, Status: r.Status, Err: errors.New("the answer holds nothing, not even an empty list: " + r.URL),
			Hint: "run again; report it if it stays",
		}
	case r.Status == http.StatusNotFound && html, r.Status >= 300 && r.Status < 400:
		return &fault.Error{
			Kind: fault.Config, Status: r.Status, Whole: true,
			Err:  errors.New("the service knows no such account: " + r.URL),
			Hint: "compare account_name and server_subdomain with the address in the browser",
		}
	}
	return nil
}

var (
	label   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	account = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
)

func subdomain(v string) error {
	if !label.MatchString(v) {
		return errors.New("one host label such as s12: letters, digits and inner hyphens, without dots")
	}
	return nil
}

func accountName(v string) error {
	if !account.MatchString(v) || strings.Contains(v, "..") {
		return errors.New("up to 128 letters, digits, _ - and . that start with a letter or digit")
	}
	return nil
}
