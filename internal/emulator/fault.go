package emulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const faultGrammar = "name[:share|:count|=count][@resource]"

type faultKind int

const (
	replaces faultKind = iota
	spoils
	adorns
	alters
	owned // altered by the stand-ins that know of it, and by no other
)

var knownFaults = map[string]faultKind{
	"401": replaces, "403": replaces, "404": replaces, "429": replaces, "429-date": replaces, "429-bare": replaces,
	"500": replaces, "502": replaces, "503": replaces, "html": replaces, "redirect": replaces, "empty": replaces,
	"cut": spoils, "truncated": spoils, "garbage": spoils, "deep": spoils, "dup": spoils, "huge": spoils,
	"next-self": spoils, "next-foreign": spoils,
	"slow": adorns, "gzip": adorns, "slash": adorns,
	"moving": alters, "offset-times": alters, "disputed": alters, "norows": alters,

	"noscope": owned, "noright": owned, "stale-token": owned,
	// exact_online
	"mandatory": owned, "reusable": owned, "object-moved": owned, "lockout-403": owned,
	// zoho_crm
	"noright-400": owned, "not-admin": owned, "territories-off": owned, "currencies-off": owned,
	"edition-free": owned, "edition-standard": owned, "edition-professional": owned, "edition-enterprise": owned,
	"edition-ultimate": owned, "credits": owned, "busy": owned, "internal-error": owned,
	"rate-limit-exceeded": owned, "limit-reached": owned, "retry-after": owned,
	"token-status": owned, "throttle-chinese": owned, "expires-ms": owned,
	"not-modified-204": owned, "empty-list": owned, "exclusive-since": owned, "unbound-since": owned,
	"offset-token": owned, "strict-fields": owned, "flat-deleted": owned, "allusers-deleted": owned,
	"discrete": owned, "ceiling": owned, "coql-200": owned, "coql-50-columns": owned, "coql-no-where": owned,
	"bulk-part": owned, "bulk-fails": owned, "bulk-stuck": owned, "bulk-token-only": owned,
	"csv-no-token": owned, "csv-lower-id": owned,
	"bulk-tags-json": owned, "bulk-json-id": owned, "bulk-open-leads": owned, "coql-no-id-order": owned, "no-count": owned,
	// slascone
	"page-zero": owned, "page-zero-ok": owned, "page-ignored": owned, "page-cap": owned, "page-refused": owned,
	"page-size-empty": owned, "order-shifts": owned, "newest-first": owned, "active-only": owned, "detail-bare": owned, "shallow": owned,
	"detail-null": owned, "product-gone": owned, "consumption-cap": owned, "count-all": owned, "uncounted": owned,
	"empty-204": owned, "bundles-by-customer": owned, "unknown-409": owned, "denied-403": owned, "denied-html": owned,
	"users-404": owned, "users-400": owned, "assignments-paged": owned, "assigned-only": owned,
	"from-exclusive": owned, "to-exclusive": owned, "created-on-arrival": owned, "filter-by-event": owned, "rollback-counter": owned,
	"reads-limited": owned, "throttle-window": owned, "retry-zero": owned, "plan-dev": owned, "plan-basic": owned, "plan-silver": owned,
	"conflict": owned, "503-wait": owned, "504-wait": owned, "v25": owned, "next-release": owned,
	"patch-keeps-active": owned, "patch-null-keeps": owned, "signed": owned,
	// accountview
	"errors-4xx": owned, "company-200": owned, "error-200": owned, "single-object": owned, "empty-404": owned,
	"view-keys": owned, "lastkey-repeats": owned, "lastkey-ignored": owned, "pagenumber-ignored": owned,
	"shifting-order": owned, "offline": owned, "admin-blocked": owned, "stall": owned, "gateway": owned, "exclusive": owned,
	"list-flag": owned, "no-upper-bound": owned, "instant-since": owned, "joined-dot": owned, "other-codes": owned,
	"late-books": owned, "no-book-date": owned, "no-adm-code": owned, "other-books": owned, "inactive-unknown": owned,
	"no-book-year": owned, "broken-years": owned, "no-expires-in": owned, "ageing": owned, "stamped-balances": owned,
	"stale-dictionary": owned, "whole-lines": owned,
	// buchhaltungsbutler
	"throttle-403": owned, "throttle-500": owned, "throttle-counts": owned, "clock-minute": owned, "crowded": owned,
	"restricted": owned, "timeout-504": owned, "timeout-large": owned, "sluggish": owned,
	"uploads-modified": owned, "zone-utc": owned, "undated-match": owned, "stable-offset": owned,
	"unstable": owned, "unstable-fixed": owned, "offset-ignored": owned, "hidden-cap": owned, "small-default": owned,
	"lax-body": owned, "more-columns": owned, "ledger-twice": owned, "silent-comments": owned,
	"report-busy": owned, "report-stuck": owned, "report-replaced": owned,
}

// counted are the faults of the stand-ins' own that happen at requests, so that
// they can have a count.
var counted = []string{
	"moving", "stale-token", "busy", "internal-error", "bulk-fails", "bulk-stuck",
	"restricted", "timeout-504", "sluggish", "report-busy", "report-replaced",
	"503-wait", "504-wait", "order-shifts",
	"lastkey-repeats", "offline", "admin-blocked", "stall", "error-200",
}

// KnownFaults are the names a fault list can hold: those of every stand-in,
// then those that only some know.
//
// The list is a comma-separated list of
//
//	name[:share | :count | =count][@resource]
//
// Without a number the fault happens at every request it concerns. A share is
// written with a point (500:0.1 is one request in ten, drawn from the seed and
// the number of the request); a count is written without (500:3 and 500=3 are
// the first three requests, then none). @ names a stream as the catalog does
// (403@contracts, what is below it included), a source, or source/stream.
// saasoptics also has @account, a wrong account in the path. Of the faults
// that take the place of an answer the first in the list that fires wins and
// the others do not count that request: 500=2,429=1 is 500, 500, 429, good.
//
// What takes the place of the answer:
//
//	401 403 404   the vendor's own refusal
//	429           throttled, Retry-After in seconds
//	429-date      throttled, Retry-After as an HTTP date
//	429-bare      throttled, no header and no body
//	500 502 503   an HTML page of the server or its proxy
//	html          200 with an HTML login page
//	redirect      302 to a login page
//	empty         200 without a body
//
// What spoils a good answer:
//
//	cut           the connection ends in mid-body
//	truncated     half of the JSON in a complete response
//	garbage       bytes that are not UTF-8 in a string
//	deep          a member of 200 levels in a row
//	dup           members twice in a row, the true value last
//	huge          300 MB of white space inside the JSON
//	next-self     the link to the next page leads to this page
//	next-foreign  the link to the next page leads to another host
//
// What comes on top of any answer:
//
//	slow          the body drips, two seconds in all
//	gzip          compressed, if the client accepts it
//	slash         301 to the form with a slash at the end
//
// What is done to the data (shares only):
//
//	moving        after a page of a window was read, one of its rows changes
//	offset-times  part of the rows (0.25) have date-times with an offset
//	disputed      part of the members whose type clients disagree about (0.04)
//	              have the other one
//	norows        the stream is empty
//
// What exact_online does on top (switches; stale-token also takes a count):
//
//	noscope       the app lacks the scope: 403; @stream/division is in one
//	              company alone
//	noright       the user lacks the right: an empty list
//	mandatory     single sets with a sync twin want a filter
//	reusable      a refresh token that was used stays good
//	stale-token   the access token has just expired
//	object-moved  302 to the sign-in page in place of a 401
//	lockout-403   403 in place of 429 while the key is blocked for its errors
//
// What zoho_crm does on top, mostly what sources tell in two ways (switches;
// stale-token, busy, internal-error, bulk-fails and bulk-stuck also take a
// count, the latter two @bulk/stream; resources next to the streams: token,
// authorize, coql, bulk, bulk/job for polls, bulk_download):
//
//	noscope              the app lacks the scope: 401
//	noright              the user lacks the right: 403; noright-400: 400
//	not-admin            the user may not read notes: 403
//	territories-off      territories are not enabled: 400, below them 403
//	currencies-off       currencies are not enabled: 403
//	edition-free         limits of another edition than enterprise; also
//	                     -standard, -professional, -ultimate
//	credits              other apps have used the day's credits but for a share
//	                     (0.01)
//	busy                 a call lasts a quarter of a second, in flight
//	stale-token          the access token has just expired
//	internal-error       500 with the vendor's own JSON
//	rate-limit-exceeded  the code of a 429; also limit-reached
//	retry-after          a 429 tells seconds in its details
//	token-status         errors of the token endpoint have the other status: 400
//	                     for 200, throttling 200 for 400
//	throttle-chinese     the text of throttling is Chinese
//	expires-ms           expires_in in milliseconds, next to expires_in_sec
//	not-modified-204     204 in place of 304
//	empty-list           200 with an empty list in place of 204
//	exclusive-since      If-Modified-Since leaves out its own second
//	unbound-since        page tokens do not bind If-Modified-Since
//	offset-token         page tokens count rows, which may move meanwhile
//	strict-fields        unknown names in fields are refused
//	flat-deleted         errors of deleted records come in the flat envelope
//	allusers-deleted     AllUsers holds the deleted users, too
//	discrete             rows that page numbers reach, a share (0.01) of 2,000
//	ceiling              rows that page tokens reach, a share (0.01) of 100,000
//	coql-200             COQL gives 200 rows at most
//	coql-50-columns      COQL takes 50 columns at most
//	coql-no-where        COQL does without WHERE
//	bulk-part            rows of a bulk job, a share (0.01) of 200,000
//	bulk-fails           a bulk job fails
//	bulk-stuck           a bulk job never ends
//	bulk-token-only      bulk jobs go on by page token alone
//	csv-no-token         bulk jobs go on by page number alone
//	csv-lower-id         the column that is added to a CSV is id, not Id
//	bulk-tags-json       a file holds tags as JSON; bulk-json-id: the ids of what
//	                     has a shape of its own
//	bulk-open-leads      bulk jobs leave converted leads out
//	coql-no-id-order     COQL does not order by ids
//	no-count             rows are not counted
//
// What slascone does on top (503-wait, 504-wait and order-shifts also take a
// count):
//
//	page-zero            pages count from 0; page-zero-ok: from 1, page 0 is the first
//	page-ignored         every page is the first one
//	page-cap             a share (0.05) of 1,000 rows a page at most;
//	                     page-refused: a larger page_size is a 400
//	page-size-empty      without a page_size the page is empty, not refused
//	order-shifts         the order of a list moves on after each page;
//	                     newest-first: what changed last comes first
//	active-only          inactive licenses are left out unless asked for
//	detail-bare          embedded objects are null; shallow: their lists are;
//	                     detail-null: those of a product's detail
//	product-gone         the lists below one product are a 404
//	empty-204            204 in place of every empty list
//	bundles-by-customer  bundles are given by customer alone, else refused
//	unknown-409          an unknown id is a 409, not a 404
//	denied-403           a wrong key is a 403; denied-html: with an HTML body
//	users-404 users-400  the users of a license without any are refused
//	assignments-paged    25 rows unless asked; assigned-only: without free tokens
//	from-exclusive       a date bound leaves out its instant; also to-exclusive
//	created-on-arrival   consumption is stamped when it arrives; filter-by-event:
//	                     and filtered by when it was
//	consumption-cap      a share (0.05) of 1,000 rows of consumption at most
//	count-all            consumption is counted whatever the dates;
//	                     uncounted: not at all
//	rollback-counter     what was rolled back is countered, not removed
//	reads-limited        reads count; plan-dev, -basic, -silver: the limits of a plan
//	throttle-window      Retry-After is what is left of the window; retry-zero: 0
//	conflict             the children of a license are a 409
//	503-wait 504-wait    with Retry-After
//	v25                  members of newer releases are absent; next-release: and
//	                     others are there
//	patch-keeps-active patch-null-keeps signed
//	                     how writes are read, and answers signed
//
// What accountview does on top (lastkey-repeats, offline, admin-blocked, stall
// and error-200 also take a count; page-cap is 100 rows there):
//
//	errors-4xx         its errors come with 400 and 403, not with 200;
//	                   company-200: that of a wrong company with 200
//	error-200          200 with an error in place of rows
//	single-object      one row comes as an object, not in a list
//	empty-404          404 where there are no rows
//	view-keys          rows lie under the name of the view
//	lastkey-repeats    LastKey gives the page that ends with it;
//	                   lastkey-ignored, pagenumber-ignored: not looked at
//	shifting-order     every second page by number has another order
//	offline            503 of the service; admin-blocked: 500
//	stall              an answer takes ten minutes; gateway: HTML 504 above 100 rows
//	exclusive          503 to a second call of a company at once
//	list-flag          FilterIsListOfValues is mandatory
//	no-upper-bound     no operator for an upper bound is known
//	instant-since      filters compare seconds, not days
//	joined-dot         joined columns have a point in their names
//	other-codes        other object codes for open items and periods
//	no-book-year       administrations do not tell their year;
//	                   broken-years: book years begin in July
//	no-expires-in      tokens do not tell their end
//	ageing             ages follow the clock; stamped-balances: balances move CNG_DATE
//	stale-dictionary   a column is called otherwise in dictionary and rows
//	whole-lines        line tables come whole, Fields does not name them
//
// What buchhaltungsbutler does on top, each a guess or a measurement that may
// not hold for all (restricted, timeout-504, sluggish, report-busy and
// report-replaced also take a count; switches of the company take no @):
//
//	throttle-403      over the limit: 403 with code 15; throttle-500: 500
//	throttle-counts   refused calls count against the limit too
//	clock-minute      the limit is of a clock minute, not of any 60 seconds
//	crowded           other programs use a share of the calls (0.5)
//	restricted        403 with code 15, whatever the limit
//	timeout-504       504 with code 30; timeout-large: for large questions alone
//	sluggish          an answer takes half a minute
//	uploads-modified  uploads and imports set the date of the last change
//	zone-utc          the days of the service are UTC's, not Berlin's
//	undated-match     receipts without a date lie in every window
//	unstable          offsets without a unique order repeat and lose rows,
//	                  differently each time; unstable-fixed: the same each time
//	stable-offset     not even those of filtered transactions, which do else
//	offset-ignored    every page is the first one
//	hidden-cap        some lists give 100 rows at most; small-default: 25 unless asked
//	lax-body          unknown members of the body are ignored
//	more-columns      columns that no document has
//	ledger-twice      a posting can have two lines on one side of a ledger
//	silent-comments   a comment to a fixed posting is no last action
//	report-busy       a report is being made; report-stuck: for ever
//	report-replaced   another program's report took its place
func KnownFaults() []string {
	var names []string
	for name := range knownFaults {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		first, second := knownFaults[a], knownFaults[b]
		switch {
		case first == owned && second != owned:
			return 1
		case first != owned && second == owned:
			return -1
		}
		return strings.Compare(a, b)
	})
	return names
}

// spec is one parsed entry of a fault list.
type spec struct {
	name   string
	target string
	share  float64 // below 0: not given
	count  int64   // below 0: not given
}

func parseFaults(list string) ([]spec, error) {
	var out []spec
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		s, err := parseFault(word)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func parseFault(word string) (spec, error) {
	s := spec{share: -1, count: -1}
	rest, target, aimed := strings.Cut(word, "@")
	if aimed && target == "" {
		return s, fmt.Errorf("fault %q: no resource after @; the form is %s", word, faultGrammar)
	}
	if strings.ContainsAny(target, ":=") {
		return s, fmt.Errorf("fault %q: the number goes in front of the @; the form is %s", word, faultGrammar)
	}
	s.target = target
	name, number, given := strings.Cut(rest, "=")
	if !given {
		name, number, given = strings.Cut(rest, ":")
	}
	s.name = name
	kind, ok := knownFaults[name]
	if !ok {
		return s, fmt.Errorf("unknown fault %q, known are %s", name, strings.Join(KnownFaults(), " "))
	}
	if !given {
		return s, nil
	}
	if strings.Contains(number, ".") {
		share, err := strconv.ParseFloat(number, 64)
		if err != nil || share < 0 || share > 1 {
			return s, fmt.Errorf("fault %q: %q is no share between 0.0 and 1.0", word, number)
		}
		s.share = share
	} else {
		count, err := strconv.ParseInt(number, 10, 64)
		if err != nil || count < 0 {
			return s, fmt.Errorf("fault %q: %q is neither a count nor a share such as 0.5", word, number)
		}
		s.count = count
	}
	if kind >= alters && s.count >= 0 && !slices.Contains(counted, name) {
		return s, fmt.Errorf("fault %q: takes a share such as 0.5, not a count", word)
	}
	return s, nil
}

// faults decides for one source what goes wrong.
type faults struct {
	source string
	seed   uint64
	list   []spec

	mu   sync.Mutex
	seen []int64 // per entry: the requests it concerned
}

func newFaults(list []spec, source string, seed uint64) *faults {
	return &faults{source: source, seed: seed, list: list, seen: make([]int64, len(list))}
}

func (f *faults) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.seen)
}

// concerns tells whether an entry is aimed at a resource.
func (f *faults) concerns(s spec, resource string) bool {
	target := strings.TrimPrefix(s.target, f.source+"/")
	return target == "" || target == f.source || target == resource || strings.HasPrefix(resource, target+"/")
}

// fire counts a request for an entry and tells whether the fault happens.
func (f *faults) fire(k int) bool {
	s := f.list[k]
	f.seen[k]++
	switch {
	case s.count >= 0:
		return f.seen[k] <= s.count
	case s.share >= 0:
		return rand.New(rand.NewPCG(f.seed+uint64(k), uint64(f.seen[k]))).Float64() < s.share
	}
	return true
}

// choose decides about a request: what takes the place of its answer or
// spoils it (or ""), a number to vary that with, and what comes on top.
func (f *faults) choose(resource string) (main string, number int64, top []string) {
	if len(f.list) == 0 {
		return "", 0, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.list {
		kind := knownFaults[s.name]
		if kind >= alters || !f.concerns(s, resource) || kind != adorns && main != "" || !f.fire(k) {
			continue
		}
		if kind == adorns {
			top = append(top, s.name)
		} else {
			main, number = s.name, f.seen[k]
		}
	}
	return main, number, top
}

// fires decides about a fault that the stand-in carries out itself.
func (f *faults) fires(name, resource string) bool {
	if len(f.list) == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	fired := false
	for k, s := range f.list {
		if s.name == name && f.concerns(s, resource) {
			fired = f.fire(k) || fired
		}
	}
	return fired
}

func (f *faults) has(name string) bool {
	return slices.ContainsFunc(f.list, func(s spec) bool { return s.name == name })
}

func (f *faults) share(name, resource string, standard float64) float64 {
	for _, s := range f.list {
		if s.name != name || !f.concerns(s, resource) {
			continue
		}
		if s.share >= 0 {
			return s.share
		}
		return standard
	}
	return 0
}
