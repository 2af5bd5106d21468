package stream

import (
	"errors"
	"net/url"
	"strings"
	"time"
)

// Auth says how requests prove who asks. Values are config keys, never the
// credentials themselves.
type Auth interface{ auth() }

// HeaderAuth sends a static credential in a header.
type HeaderAuth struct {
	Header, Prefix string
	Key            string // config key of the credential
	// Account names config keys that are refused as the credential is, if wrong.
	Account []string
}

// BasicAuth sends HTTP Basic and, where the vendor wants one, a key in the
// JSON body.
type BasicAuth struct {
	User, Password string
	BodyParam      string // body member, "" for none
	BodyKey        string // config key of its value
}

// OAuth is the authorization code grant of OAuth 2.0 with refresh tokens. A
// person signs in once (tap-backoffice auth); from then on the refresh token
// gets access tokens.
type OAuth struct {
	// Origin returns the base address of Token and Authorize where that is
	// another one than the source's, with or without a path. nil: the source's
	// own, or api_url.
	Origin func(Config) string
	// Token and Authorize are paths below it, a slash first: the token endpoint
	// and the page on which a person signs in.
	Token, Authorize string

	// Config keys. RefreshToken may be missing in a config when the token store
	// has an entry, so its setting is not Required. RedirectURI may be "".
	ClientID, ClientSecret, RefreshToken, RedirectURI string

	// Prefix goes before the token in the header Authorization: "Bearer ".
	Prefix string
	// Rotates: every answer brings a new refresh token and burns the old one.
	Rotates bool

	// MinAge is the age before which the vendor refuses to replace an access
	// token; 0: at any time.
	MinAge time.Duration
	// Early is how long before its end an access token is replaced.
	Early time.Duration
	// Lifetime is that of an access token whose answer does not tell; 0: it is
	// used until it is refused.
	Lifetime time.Duration
	// MaxRenewals in any RenewalPeriod are all that the vendor grants; 0: as
	// many as are needed.
	MaxRenewals   int
	RenewalPeriod time.Duration

	// TokenParams go with every token request, AuthorizeParams with the
	// address of the sign-in page (scope, access_type).
	TokenParams, AuthorizeParams []Param
	// Keep names text members of the token answer that are stored beside the
	// tokens.
	Keep []string
	// Home tells where the account's API lives, for a vendor whose token answer
	// says so: kept returns what of it was kept, "" for nothing. origin takes the
	// place of the source's, "" leaves it; note is a line for people, "" for none.
	// An error keeps the token from going anywhere. It is not asked where api_url
	// is set. nil: the API is at the source's origin.
	Home func(c Config, kept func(name string) string) (origin, note string, err error)
	// CodeLife is how long the code of a sign-in is good; 0: not told.
	CodeLife time.Duration
	// Judge judges an answer of the token endpoint before the default rules of
	// RFC 6749 do: nil leaves it to them, TooEarly keeps the token at hand, a
	// *fault.Error of kind Transient is tried again, any other ends the run.
	Judge func(*Response) error
}

// TooEarly is what OAuth.Judge says of a vendor that will not yet replace the
// access token.
var TooEarly = errors.New("the access token is too young to be replaced")

func (HeaderAuth) auth() {}
func (BasicAuth) auth()  {}
func (OAuth) auth()      {}

// Addresses returns the whole addresses of the token endpoint and of the
// sign-in page; apiURL replaces the source's origin.
func (o OAuth) Addresses(s *Source, c Config, apiURL string) (token, authorize string) {
	base := apiURL
	switch {
	case o.Origin != nil:
		base = o.Origin(c)
	case base == "":
		base = s.Origin(c)
	}
	base = strings.TrimRight(base, "/")
	return base + o.Token, base + o.Authorize
}

// Endpoint returns s as its token endpoint is asked: nothing but where it is,
// and every answer is taken as it comes, for there a refusal is an answer too.
// The path to ask is Token without its slash, below api.
func (o OAuth) Endpoint(s *Source, c Config, apiURL string) (endpoint *Source, api string) {
	e := &Source{
		Name: s.Name, Title: s.Title, Doc: s.Doc, Settings: s.Settings, Timeout: s.Timeout,
		Origin: s.Origin, Base: "/",
		Classify: func(*Response) error { return Accept },
	}
	if o.Origin == nil {
		return e, apiURL
	}
	e.Origin = func(c Config) string {
		host, _ := splitPath(o.Origin(c))
		return host
	}
	_, e.Base = splitPath(o.Origin(c))
	return e, ""
}

// splitPath parts an address into scheme with host, and its path with slashes
// at both ends.
func splitPath(address string) (host, path string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address, "/" // whoever asks there tells what is wrong with it
	}
	path = strings.Trim(u.EscapedPath(), "/")
	if path != "" {
		path += "/"
	}
	u.Path, u.RawPath = "", ""
	return u.String(), "/" + path
}

// Limit is one budget. Vendors differ in what they count, hence the kinds.
type Limit struct {
	Kind LimitKind
	// N per Per. For Pace, N per second is smoothed, without bursts. For
	// InFlight, N is what every account may have at once, 0 where nobody knows.
	// For Credits, N is the total where no header tells, and Per is after how
	// long one that was used is there again.
	N   float64
	Per time.Duration
	// PerLane and PerResource make one budget for each.
	PerLane, PerResource bool
	// Resource: only the requests of that resource count.
	Resource string
	// Vendor marks a limit of the vendor's; requests_per_second replaces only
	// our own pace.
	Vendor bool
	// Headers of the answers that tell the true state, "" where unknown.
	LimitHeader, RemainingHeader, ResetHeader string
	// ToldFrom is the share of the credits, 0 to 1, that is used before any
	// answer tells what remains.
	ToldFrom float64
	// Reserve is the share, 0 to 1, that is left untouched; ReserveKey is the
	// config key of it in per cent, "" for none.
	Reserve    float64
	ReserveKey string
	// Total finds the total for the reserve, where no header tells it.
	Total *Total
	// Wait is the least wait after a first 429 that tells no other; it doubles
	// from one to the next. 0 leaves it to the client.
	Wait time.Duration
	// Firm: the vendor wants Wait after a 429 that tells a shorter one, too.
	Firm bool
}

// Total tells how many credits an account has in all. It is asked once, when an
// answer first tells what remains and a reserve is to be kept.
type Total struct {
	Ask Request
	// Read reads the answer, nil where it was refused: the greatest total that
	// the account can have, so that a reserve is rather too large, and in words
	// why it may be less, "" where it is known.
	Read func(*Response) (total float64, doubt string)
}

// LimitKind is what a budget counts.
type LimitKind int

// The kinds of budget.
const (
	Pace     LimitKind = iota // requests, evenly spread
	Sliding                   // requests in any period of length Per
	Clock                     // requests in each period that starts on the clock (UTC minute, day)
	Credits                   // units that the vendor counts down in a header; see Request.Cost
	Errors                    // refused requests, which must not repeat
	InFlight                  // requests under way at once: more of them until a 429, then half
)

// Throttled is what Classify says of an answer that refuses a request because
// too much was asked, whatever its status: it is sent again after a wait, and
// out of retries it ends the run as a quota does.
type Throttled struct {
	// After is how long the vendor asks to stay away, 0 where it does not say.
	After time.Duration
	// Err says in words what may be spent.
	Err error
}

// Error tells the cause.
func (t *Throttled) Error() string {
	if t.Err == nil {
		return "the vendor asks for fewer requests"
	}
	return t.Err.Error()
}

// Unwrap returns the cause.
func (t *Throttled) Unwrap() error { return t.Err }
