// Package zohocrm owns the table of Zoho CRM, REST API v8: its 45 streams of
// settings, users and children, the modules that discovery finds in an account,
// the types of their fields, its data centres and its ways of saying no. It must
// hold no loop over pages of rows, and no I/O beyond the requests of discovery and
// of what a job has to know before it begins.
//
// Marks: DOC is the vendor's page or specification, CLIENT was seen in a client
// that runs against the real service, GUESS is inferred. "OAS" is zoho/crm-oas,
// "SDK" zoho/zohocrm-python-sdk-8.0, "TAP" singer-io/tap-zoho-crm, "AB" Airbyte's
// source-zoho-crm, "AMP" amp-labs/connectors.
package zohocrm

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const doc = "https://www.zoho.com/crm/developer/docs/api/v8/"

// centre is one of the vendor's data centres. An account lives in one of them.
type centre struct {
	accounts string // host of the sign-in
	api      string // domain of the API
}

// centres by region. DOC (multi-dc), CLIENT (SDK, AMP); the API of uk is GUESS,
// by the pattern of the others.
var centres = map[string]centre{
	"us": {"accounts.zoho.com", "zohoapis.com"},
	"eu": {"accounts.zoho.eu", "zohoapis.eu"},
	"in": {"accounts.zoho.in", "zohoapis.in"},
	"au": {"accounts.zoho.com.au", "zohoapis.com.au"},
	"jp": {"accounts.zoho.jp", "zohoapis.jp"},
	"cn": {"accounts.zoho.com.cn", "zohoapis.com.cn"},
	"ca": {"accounts.zohocloud.ca", "zohoapis.ca"},
	"sa": {"accounts.zoho.sa", "zohoapis.sa"},
	"uk": {"accounts.zoho.uk", "zohoapis.uk"},
}

// environments and the first label of their API hosts. CLIENT (SDK, AB).
var environments = map[string]string{"production": "www", "sandbox": "sandbox", "developer": "developer"}

// The config keys.
const (
	keyClientID     = "client_id"
	keyClientSecret = "client_secret"
	keyRefreshToken = "refresh_token"
	keyRedirectURI  = "redirect_uri"
	keyRegion       = "region"
	keyEnvironment  = "environment"
	keyAccounts     = "accounts_url"
	keyReadMethod   = "read_method"
	keyReserve      = "quota_reserve"
)

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "zoho_crm",
		Title: "Zoho CRM",
		Doc:   doc,
		Settings: []stream.Setting{
			{Key: keyClientID, Required: true, Doc: "client ID of a client in Zoho's API console"},
			{Key: keyClientSecret, Kind: stream.Secret, Required: true, Doc: "client secret of that client"},
			{Key: keyRefreshToken, Kind: stream.Secret, Doc: "refresh token of a sign-in; not needed after tap-backoffice auth"},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "lower bound of every incremental stream"},
			{Key: keyRegion, Default: "us", Check: oneOf(centres), Doc: "data centre of the sign-in: us, eu, in, au, jp, cn, ca, sa or uk; the API is asked where the token answer says"},
			{Key: keyEnvironment, Default: "production", Check: oneOf(environments), Doc: "production, sandbox or developer"},
			{Key: keyAccounts, Doc: "base URL of the sign-in, in place of the region's"},
			{Key: keyReadMethod, Default: "auto", Check: oneOf(methods), Doc: "how modules are read: list, bulk, or auto for what costs fewer credits"},
			{Key: "include_deleted", Kind: stream.Boolean, Default: "false", Doc: "also write what was deleted, as _deleted_at on the modules' streams"},
			{Key: keyReserve, Kind: stream.Decimal, Default: "0", Check: share, Doc: "per cent of the day's credits that are left untouched"},
			{Key: keyRedirectURI, Doc: "redirect URI registered for the client, for tap-backoffice auth"},
		},
		Origin: func(c stream.Config) string {
			return "https://" + environments[c.Text(keyEnvironment)] + "." + centres[c.Text(keyRegion)].api
		},
		Base: "/crm/v8/",
		// DOC: without access_type and prompt there is no refresh token. The refresh
		// token stays; an access token lives an hour, and at most ten are made in
		// ten minutes.
		Auth: stream.OAuth{ //nolint:gosec // names of config keys
			Origin: accounts, Token: "/oauth/v2/token", Authorize: "/oauth/v2/auth",
			ClientID: keyClientID, ClientSecret: keyClientSecret, RefreshToken: keyRefreshToken, RedirectURI: keyRedirectURI,
			Prefix: "Zoho-oauthtoken ", Early: time.Minute, Lifetime: time.Hour,
			MaxRenewals: 10, RenewalPeriod: 10 * time.Minute, CodeLife: 3 * time.Minute,
			AuthorizeParams: []stream.Param{{Name: "access_type", Value: "offline"}, {Name: "prompt", Value: "consent"}, {Name: "scope", Value: scopes}},
			Keep:            []string{memberDomain},
			Home:            home,
			Judge:           judgeToken,
		},
		Limits: []stream.Limit{
			// DOC (api-limits): credits of any 24 hours. What remains is told from half
			// of their use on, how many there are never.
			{
				Kind: stream.Credits, Vendor: true, Per: 24 * time.Hour, RemainingHeader: "X-API-CREDITS-REMAINING", ToldFrom: 0.5, ReserveKey: keyReserve,
				Total: &stream.Total{Ask: stream.Request{URL: "org", Resource: "organization"}, Read: creditsOf},
			},
			// DOC (api-limits): calls under way by org and app, 5 in Free, 25 in Ultimate.
			// One too many is a 429 like any other, without a Retry-After.
			{Kind: stream.InFlight, Vendor: true, N: 5, Wait: 2 * time.Second},
			// DOC (bulk-read)
			{Kind: stream.Sliding, Vendor: true, N: 10, Per: time.Minute, Resource: bulkDownload},
		},
		Classify: classify,
		Probe:    "organization",
		Scopes: map[string]stream.Scope{
			scope:       {Noun: "module", Inject: []string{"_module"}, Expand: partitions},
			recordScope: {Noun: "module", Expand: recordParts},
		},
		Streams:  fixed(),
		Helpers:  helpers(),
		Discover: discover,
	}
}

// The scopes are the modules: scope adds which one to the rows, recordScope does
// not, for the ids of records are good in all of them.
const (
	scope       = "module"
	recordScope = "records"
)

// memberDomain is the member of the token answer that tells where the account's
// API lives.
const memberDomain = "api_domain"

// bulkDownload is the resource of the requests for the files of bulk jobs, of
// which the vendor gives so many a minute.
const bulkDownload = "bulk_download"

// home is where the account's API lives. The token answer tells it, and clients
// are to ask there whatever region they think of (DOC multi-dc). Whether that of
// a sandbox or a developer account names its own host is not known, so the
// config's environment wins unless it is production: who wants a sandbox never
// gets to read what is in production. An older entry of the token store has no
// api_domain; the next token brings it.
func home(c stream.Config, kept func(name string) string) (origin, note string, err error) {
	told := kept(memberDomain)
	if told == "" {
		return "", "", nil
	}
	host, region := vendorHost(told)
	if region == "" {
		return "", "", &fault.Error{
			Kind: fault.Contract, Whole: true, Op: "token request",
			Err:  fmt.Errorf("the vendor tells an address of the API that is none of its own (%s): %.200q, nothing is asked there", memberDomain, told),
			Hint: "sign in again: tap-backoffice auth zoho_crm --config FILE; if that address is right, set api_url to it",
		}
	}
	if env := c.Text(keyEnvironment); env != "" && env != "production" {
		host = environments[env] + "." + centres[region].api
	}
	if own := c.Text(keyRegion); own != region {
		note = "the account's API is at " + host + ", that is region " + region + " and not " + own + ": it is asked there"
	} else if at := environmentOf(host); at != cmp.Or(c.Text(keyEnvironment), "production") {
		note = "the account's API is at " + host + ", that is environment " + at + ": it is asked there"
	}
	return "https://" + host, note, nil
}

// vendorHost checks an address of the API: https, and one of the vendor's own
// domains or a host below it. region is "" for any other.
func vendorHost(address string) (host, region string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Port() != "" && u.Port() != "443" {
		return "", ""
	}
	host = strings.ToLower(u.Hostname())
	if !hostName.MatchString(host) {
		return "", ""
	}
	for name, c := range centres {
		if host == c.api || strings.HasSuffix(host, "."+c.api) {
			return host, name
		}
	}
	return "", ""
}

var hostName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// environmentOf tells the environment of an API host, production where its name
// tells none.
func environmentOf(host string) string {
	label, _, _ := strings.Cut(host, ".")
	for name, first := range environments {
		if first == label {
			return name
		}
	}
	return "production"
}

// scopes of the sign-in. Nothing is ever written; modules.ALL is what COQL wants
// (DOC OAS), and no narrower scope is documented for all of settings. A token with
// fewer works too: streams out of its reach are skipped. The last one is for counts.
const scopes = "ZohoCRM.modules.ALL,ZohoCRM.settings.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.bulk.READ,ZohoCRM.coql.READ,ZohoSearch.securesearch.READ"

var methods = map[string]bool{"auto": true, "list": true, "bulk": true}

// accounts is the sign-in's address.
func accounts(c stream.Config) string {
	if v := c.Text(keyAccounts); v != "" {
		return v
	}
	return "https://" + centres[c.Text(keyRegion)].accounts
}

// oneOf checks that a value is a key of m.
func oneOf[V any](m map[string]V) func(string) error {
	return func(v string) error {
		if _, ok := m[v]; !ok {
			return errors.New("one of those in tap-backoffice zoho_crm --about")
		}
		return nil
	}
}

var errShare = errors.New("a number from 0 to 99")
