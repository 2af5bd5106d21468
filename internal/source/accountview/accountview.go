// Package accountview owns the table of AccountView, the Web API v3 of
// AccountView.Net: its 65 streams, its companies and book years, its data
// dictionary, its filters in FoxPro's words and its ways of saying no. It must
// hold no loop over the rows of a stream and no I/O of its own.
//
// Marks: DOC is the vendor's own text or sample, DICT the dictionary of a live
// system, REAL was seen in a live answer, CLIENT is done by a public client, GUESS
// is inferred. "OMNI" is omniboost/go-accountview.net, "FXL"
// ForecastXL/accountview-ruby, "APIC" the code of APIcenter, "NG" a stock viewer,
// "PAS" ulcsAccountViewUtility.
package accountview

import (
	"errors"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The config keys, and the values that the account tells of itself.
const (
	keyClientID     = "client_id"
	keyClientSecret = "client_secret"
	keyRefreshToken = "refresh_token"
	keyRedirectURI  = "redirect_uri"
	keyCompanyID    = "company_id"
	keyCompanyCode  = "company_code"
	keyBookDates    = "book_dates"
	keyPageSize     = "page_size"
	keyTimezone     = "timezone"

	keyCompany = "_company"
	keyName    = "_company_name"
	keyYears   = "_book_years"
	keyNewest  = "_newest_book_date"
	keyUntold  = "_book_years_untold"
	keyCodes   = "_book_year_codes"
	keyLost    = "_book_years_lost"
)

// The scopes: everything is read of one company, the journals of each of its
// book years.
const (
	scopeCompany = "company"
	scopeYear    = "book_year"
	scopeItems   = "open_items"

	bookYear = "_book_year"
)

const (
	// pageSize is what FXL asks for; REAL answers hold as many rows. The least is
	// the size at which clients still work.
	pageSize  = 200
	pageLeast = 25
	// datedBack is how far entries are dated back that are booked today (GUESS: a
	// period of a month is kept open).
	datedBack = 720 * time.Hour
)

// Source returns the table.
func Source() *stream.Source {
	return &stream.Source{
		Name:  "accountview",
		Title: "AccountView",
		Doc:   "https://www.accountview.net", // the documentation is behind its sign-in
		Settings: []stream.Setting{
			{Key: keyClientID, Required: true, Doc: "API key of the application (Ontwikkelaar)"},
			{Key: keyClientSecret, Kind: stream.Secret, Required: true, Doc: "API secret of that application"},
			{Key: keyRefreshToken, Kind: stream.Secret, Doc: "refresh token of a sign-in; not needed after tap-backoffice auth"},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "lower bound of the incremental streams, and of the book years that are read"},
			{Key: keyCompanyID, Doc: "Id of the company; the only one by default"},
			{Key: keyCompanyCode, Doc: "code of the company, in place of its Id"},
			{Key: keyBookDates, Kind: stream.List, Check: bookDates, Doc: "a date in each book year whose journals are read; by default every year from start_date on"},
			{Key: keyPageSize, Kind: stream.Integer, Default: strconv.Itoa(pageSize), Check: positive, Doc: "rows a page"},
			{Key: keyTimezone, Kind: stream.Location, Default: amsterdam, Doc: "time zone of the computers on which AccountView runs"},
			{Key: "lookback", Kind: stream.Duration, Doc: "subtracted from the bookmark when reading; by default 720h from the dates of entries, nothing from the times of changes"},
			{Key: keyRedirectURI, Doc: "redirect URI registered for the application, for tap-backoffice auth"},
		},
		Origin: func(stream.Config) string { return "https://www.accountview.net" }, // CLIENT (OMNI, APIC)
		Base:   "/api/v3/",
		// CLIENT (OMNI, APIC): client credentials in the body; each answer brings a
		// new refresh token, so the old one is taken for dead. expires_in is GUESS:
		// without it a token is used until it is refused.
		Auth: stream.OAuth{ //nolint:gosec // names of config keys
			Token: "/api/v3/token", Authorize: "/ams/authorize.aspx",
			ClientID: keyClientID, ClientSecret: keyClientSecret, RefreshToken: keyRefreshToken, RedirectURI: keyRedirectURI,
			Prefix: "Bearer ", Rotates: true, Early: 30 * time.Second,
			AuthorizeParams: []stream.Param{{Name: "scope", Value: "readaccountviewdata"}},
		},
		Zone:     zone,
		Open:     open,
		Classify: classify,
		Discover: discover,
		Appeal:   inactive,
		Probe:    "companies",
		Scopes: map[string]stream.Scope{
			scopeCompany: {Noun: "company", Expand: company},
			scopeYear: {
				Noun: "book year", Inject: []string{bookYear}, Parts: "_book_years", Expand: years,
				// The code of the administration, in the ledger and in lines. DICT.
				Tells: "ADM_CODE", Instead: "the list of administrations tells other dates than the service goes by: " + nameThem,
			},
			scopeItems: {Noun: "company", Expand: openItems},
		},
		Streams: streams(),
	}
}

func positive(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 {
		return errors.New("a whole number from 1 on")
	}
	return nil
}
