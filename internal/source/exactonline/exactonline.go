// Package exactonline owns the table of Exact Online, REST API v1: its 375
// streams, how they are filtered by row version or by the site's wall clock, its
// divisions, its sign-in and its ways of saying no. It must hold no loop and no
// I/O; which sets and properties there are is package edm's.
//
// Marks: DOC is the vendor's page (kept by paddynatte/exact-online-python, "PN"),
// CLIENT was seen in a client that runs against the real service, REC was
// recorded there, GUESS is inferred. "PQ" is picqer/exact-php-client, "DEMO" the
// vendor's own sync sample, "AB" Airbyte's source that was never merged.
package exactonline

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// hosts are the sites by region; app, tokens and divisions belong to one of
// them. CLIENT (SageData-OOD/tap-exact; fr is REC).
var hosts = map[string]string{
	"nl": "start.exactonline.nl", "be": "start.exactonline.be", "de": "start.exactonline.de", "fr": "start.exactonline.fr",
	"es": "start.exactonline.es", "uk": "start.exactonline.co.uk", "us": "start.exactonline.com",
}

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "exact_online",
		Title: "Exact Online",
		Doc:   "https://start.exactonline.nl/docs/HlpRestAPIResources.aspx",
		Settings: []stream.Setting{
			{Key: keyClientID, Required: true, Doc: "client ID of an app in Exact's app centre"},
			{Key: keyClientSecret, Kind: stream.Secret, Required: true, Doc: "client secret of that app"},
			{Key: keyRefreshToken, Kind: stream.Secret, Doc: "refresh token of a sign-in; not needed after tap-backoffice auth"},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "lower bound of the streams that know a date; row versions start there where the service can tell them, and no end_date bounds them"},
			{Key: keyRegion, Default: "nl", Check: region, Doc: "site of the account: nl, be, de, fr, es, uk or us"},
			{Key: keyDivisions, Kind: stream.List, Default: allDivisions, Check: divisionNumbers, Doc: `numbers of the divisions to read, or "all"`},
			{Key: "include_deleted", Kind: stream.Boolean, Default: "false", Doc: "also write what was deleted, as _deleted_at on the sync streams"},
			{Key: keyRedirectURI, Doc: "redirect URI registered for the app, for tap-backoffice auth"},
		},
		Origin: func(c stream.Config) string { return "https://" + hosts[c.Text(keyRegion)] },
		Base:   "/api/v1/",
		// DOC (API limits): an access token lives 600 s and may be replaced from
		// 570 s on; each refresh burns the refresh token.
		Auth: stream.OAuth{ //nolint:gosec // names of config keys
			Token: "/api/oauth2/token", Authorize: "/api/oauth2/auth",
			ClientID: keyClientID, ClientSecret: keyClientSecret, RefreshToken: keyRefreshToken, RedirectURI: keyRedirectURI,
			Prefix: "Bearer ", Rotates: true, MinAge: 570 * time.Second, Early: 30 * time.Second, Lifetime: 600 * time.Second,
		},
		// DOC (API limits): per app and division; the clock's minute, not any 60
		// seconds. Calls without a division do not count.
		Limits: []stream.Limit{
			{
				Kind: stream.Clock, N: 60, Per: time.Minute, PerLane: true, Vendor: true,
				LimitHeader: "X-RateLimit-Minutely-Limit", RemainingHeader: "X-RateLimit-Minutely-Remaining", ResetHeader: "X-RateLimit-Minutely-Reset",
				// Of a 429 without these headers (CLIENT, picqer#255; AB waits as long).
				Wait: 61 * time.Second,
			},
			{
				Kind: stream.Clock, N: 5000, Per: 24 * time.Hour, PerLane: true, Vendor: true,
				LimitHeader: "X-RateLimit-Limit", RemainingHeader: "X-RateLimit-Remaining", ResetHeader: "X-RateLimit-Reset",
			},
			// DOC: an eleventh refusal within an hour locks the key for that endpoint.
			{Kind: stream.Errors, N: 10, Per: time.Hour, PerLane: true, PerResource: true, Vendor: true},
		},
		Instant:  conversion,
		Ignore:   deferred,
		Classify: classify,
		Rights:   rights,
		Granted:  granted,
		Open:     open,
		Probe:    "current_me",
		Scopes:   map[string]stream.Scope{scope: {Noun: "division", Inject: []string{edm.Division}, Expand: divisions}},
		Streams:  streams(),
		Schema:   schema,
	}
}

// The config keys, and the values that the service tells of itself.
const (
	keyClientID     = "client_id"
	keyClientSecret = "client_secret"
	keyRefreshToken = "refresh_token"
	keyRedirectURI  = "redirect_uri"
	keyRegion       = "region"
	keyDivisions    = "divisions"
	keyZone         = "_zone"
	keyDivision     = "_current_division"

	allDivisions = "all"
	scope        = "division"
)

// kept is for how long sync/Deleted lists a row: two months (DOC), of which the
// shortest have 59 days.
const kept = 59 * 24 * time.Hour

func streams() []stream.Stream {
	sets := edm.Sets()
	out := make([]stream.Stream, len(sets))
	for i := range sets {
		out[i] = table(&sets[i])
	}
	return out
}

// table is the stream of an entity set.
func table(set *edm.Set) stream.Stream {
	s := stream.Stream{
		Name: set.Name, Doc: document(set), Group: set.Service(), Selected: set.Selected,
		Path: set.Path, Records: "d.results", Key: set.Key,
		// A list of at most a page that was asked for with $top, and some computed
		// lists, are a bare array. REC, CLIENT (mgsrood/greit_exact_online).
		Bare: "d",
		// A list without rows is [] (DOC, REC). Null would be an empty success.
		NeverNull: true,
		// Absolute, and followed verbatim: its $skiptoken breaks when encoded anew.
		Page: stream.NextLink{Next: "d.__next"},
		// Which sets there are depends on licence and package.
		Optional: true,
		Ignore:   []string{"__metadata"},
		Select:   "$select",
	}
	if set.Scoped() {
		s.Scope = scope
		s.Key = append([]string{edm.Division}, set.Key...)
	}
	if set.Variant == edm.Read {
		// Computed, not stored: whether they take $select is not known. Some
		// answer one object. CLIENT (mgsrood/greit_exact_online).
		s.Select, s.OneRow = "", true
	}
	switch set.Cursor {
	case "Timestamp":
		s.Cursor = version(set)
	case "Modified":
		// DOC (Tips): ge; Modified is set on create too.
		s.Cursor = &stream.Cursor{Field: set.Cursor, Filter: modified, Unended: true, Floor: floor}
	default:
		if set.Twin != "" && set.Variant == edm.Single && isGUID(set, set.Key[0]) {
			// Since 2021 a set with a sync twin may demand a filter on one of a few
			// fields, ID among them (CLIENT, picqer#591), or where the key is called
			// otherwise, that one (GUESS): one that all rows pass.
			s.Params = []stream.Param{{Name: "$filter", Value: set.Key[0] + " ne guid'00000000-0000-0000-0000-000000000000'"}}
		}
	}
	if set.EntityType > 0 && set.Variant == edm.Sync {
		s.Deletions = &stream.Deletions{Stream: deletedStream, Key: "EntityKey", At: "DeletedDate", Where: "EntityType", Is: strconv.Itoa(set.EntityType)}
	}
	return s
}

// schema is made from the model: there is nothing to write by hand.
func schema(name string) ([]byte, error) {
	set := edm.Find(name)
	if set == nil {
		return nil, fmt.Errorf("the model has no set %q", name)
	}
	return set.Schema(), nil
}

func isGUID(set *edm.Set, property string) bool {
	return slices.ContainsFunc(set.Properties(), func(p edm.Property) bool { return p.Name == property && p.Type == edm.Guid })
}

const deletedStream = "sync_deleted"

// document is the page of a set, or the client that alone knows it.
func document(set *edm.Set) string {
	if set.Client {
		return "https://github.com/picqer/exact-php-client"
	}
	return "https://start.exactonline.nl/docs/HlpRestAPIResourcesDetails.aspx?name=" + strings.NewReplacer("{division}/", "", "/", "").Replace(set.Path)
}

// version is the cursor of a sync set: a row version that grows with every
// change, unrelated to time. DOC (PN, Tips): only gt is described.
func version(set *edm.Set) *stream.Cursor {
	c := &stream.Cursor{
		Field: set.Cursor, Filter: newer, Open: true,
		// A moved division has other row versions. DOC (PN, Best practices).
		Epochs: []string{moveDate},
		// Pages come ascending, as the paging of WCF services by key goes (GUESS).
		Sorted: true, Proof: proof,
	}
	name := set.Path[strings.LastIndexByte(set.Path, '/')+1:]
	if slices.Contains(beginnings, name) {
		c.Begin = &stream.Begin{Ask: func(c stream.Config, p *stream.Partition, t time.Time) *stream.Request {
			return &stream.Request{
				URL: p.ID + "/read/sync/Sync/SyncTimestamp", Resource: "SyncTimestamp",
				Params: []stream.Param{{Name: "modified", Value: clockOf(c).from(t)}, {Name: "endPoint", Value: "'" + name + "'"}},
			}
		}, Read: beginning}
	}
	switch {
	case set.Name == deletedStream:
		c.Kept = kept
	case strings.Contains(set.Path, "/HRM/Leave"):
		// DOC: the leave sets, after a link of the HR division has changed.
		c.Epochs = append(c.Epochs, linkDate)
	}
	return c
}

// beginnings are the sets whose row version of a date the service tells. DOC (PN,
// SyncTimestamp).
var beginnings = []string{
	"QuotationHeaders", "QuotationLines", "TransactionLines", "ItemStorageLocations", "ShopOrders", "ShopOrderMaterialPlans",
	"ShopOrderRoutingStepPlans", "ShopOrderPurchasePlanning", "ShopOrderSubOrders", "MaterialIssues", "BillOfMaterialVersions",
	"BillOfMaterialMaterials", "PurchaseOrders", "Projects", "ProjectPlanning", "ProjectWBS", "TimeCostTransactions",
	"SalesInvoices", "GoodsDeliveries", "GoodsDeliveryLines", "SalesOrderHeaders", "SalesOrderLines", "Subscriptions", "SubscriptionLines",
}

// beginning reads the answer of SyncTimestamp. The row that it names is wanted
// too, and gt leaves out its bound (GUESS).
func beginning(r *stream.Response) (int64, bool) {
	m := firstBigInt.FindSubmatch(r.Body)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	return max(n-1, 1), err == nil
}

var firstBigInt = regexp.MustCompile(`"TimeStampAsBigInt"\s*:\s*"?(\d+)"?`)

// newer filters by row version. A first read begins above 1, as in DOC (PN).
func newer(_ stream.Config, from, _ string) []stream.Param {
	if from == "" {
		from = "1"
	}
	return []stream.Param{{Name: "$filter", Value: "Timestamp gt " + from + "L"}}
}

// proof tells that the next page holds what comes after the row version last:
// its $skiptoken, the key of the last row, is that version. DOC tells the form of
// an Int64 key (ReportingBalance), that a sync set has this key is GUESS: where
// it is otherwise, the bookmark waits for the last page.
func proof(next string, last int64) bool {
	m := skipToken.FindStringSubmatch(next)
	return len(m) > 1 && m[1] == strconv.FormatInt(last, 10)
}

var skipToken = regexp.MustCompile(`[?&](?:\$|%24)skiptoken=(\d+)L?(?:&|$)`)

// oldest is a wall clock before any row: a set that demands a filter gets it
// where nothing bounds the read.
const oldest = "datetime'1753-01-01T00:00:00'"

// modified filters by the site's wall clock. lt and le in one filter with ge is
// plain OData (GUESS), so an upper bound is sent only where the user wants one.
func modified(c stream.Config, from, to string) []stream.Param {
	filter := "Modified ge " + oldest
	if t, err := time.Parse(time.RFC3339Nano, from); err == nil {
		filter = "Modified ge " + clockOf(c).from(t)
	}
	if t, err := time.Parse(time.RFC3339Nano, to); err == nil {
		filter += " and Modified le " + clockOf(c).to(t)
	}
	return []stream.Param{{Name: "$filter", Value: filter}}
}

// floor: an hour that comes twice is read as its first occurrence.
func floor(c stream.Config, t time.Time) time.Time { return clockOf(c).floor(t) }

// rights asks whether the user may read a set that answered an empty list. DOC
// (PN, Tips): lists are empty where rights are missing. The call is not counted.
func rights(s *stream.Stream, p *stream.Partition) *stream.Request {
	if p.ID == "" {
		return nil
	}
	path := strings.TrimPrefix(strings.TrimPrefix(s.Path, "beta/"), "{division}/")
	return &stream.Request{
		URL: p.ID + "/users/UserHasRights", Lane: p.Lane, Resource: "UserHasRights",
		Params: []stream.Param{{Name: "endpoint", Value: "'" + path + "'"}, {Name: "action", Value: "'GET'"}},
	}
}

// granted reads the answer, a boolean whose envelope is not told: only a plain
// false counts as a refusal.
func granted(r *stream.Response) bool { return !refusal.Match(r.Body) }

var refusal = regexp.MustCompile(`(?i)[:\s>]"?false\b|^\s*false`)

func region(v string) error {
	if hosts[v] == "" {
		return errors.New("nl, be, de, fr, es, uk or us")
	}
	return nil
}

// isAll: a word in capitals means the same.
func isAll(v string) bool { return strings.EqualFold(v, allDivisions) }

var number = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

// divisionNumbers checks the list, which comes comma-separated.
func divisionNumbers(list string) error {
	for v := range strings.SplitSeq(list, ",") {
		if !isAll(v) && !number.MatchString(v) {
			return errors.New(`numbers of divisions, or "all"`)
		}
	}
	return nil
}
