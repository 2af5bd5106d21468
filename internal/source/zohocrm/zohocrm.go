// Package zohocrm owns the table of Zoho CRM, REST API v8: its 46 streams of
// settings, users and children, the modules that discovery finds in an account,
// the types of their fields, its data centres and its ways of saying no. It must
// hold no loop over pages and no I/O beyond the requests of discovery.
//
// Marks: DOC is the vendor's page or specification, CLIENT was seen in a client
// that runs against the real service, GUESS is inferred. "OAS" is zoho/crm-oas,
// "SDK" zoho/zohocrm-python-sdk-8.0, "TAP" singer-io/tap-zoho-crm, "AB" Airbyte's
// source-zoho-crm, "AMP" amp-labs/connectors.
package zohocrm

import (
	"errors"
	"time"

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
			{Key: keyRegion, Default: "us", Check: oneOf(centres), Doc: "data centre: us, eu, in, au, jp, cn, ca, sa or uk"},
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
			MaxRenewals: 10, RenewalPeriod: 10 * time.Minute,
			AuthorizeParams: []stream.Param{{Name: "access_type", Value: "offline"}, {Name: "prompt", Value: "consent"}, {Name: "scope", Value: scopes}},
			Keep:            []string{"api_domain"},
			Judge:           judgeToken,
		},
		// Sent from half of the day's use on only. DOC (api-limits).
		Limits:   []stream.Limit{{Kind: stream.Credits, Vendor: true, RemainingHeader: "X-API-CREDITS-REMAINING"}},
		Classify: classify,
		Probe:    "organization",
		Scopes:   map[string]stream.Scope{scope: {Noun: "module", Inject: []string{"_module"}, Expand: partitions}},
		Streams:  fixed(),
		Discover: discover,
	}
}

const scope = "module"

// scopes of the sign-in: reading alone. DOC (OAS).
const scopes = "ZohoCRM.modules.ALL,ZohoCRM.settings.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.bulk.READ,ZohoCRM.coql.READ"

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
