package stream

import "time"

// Auth says how requests prove who asks. Values are config keys, never the
// credentials themselves.
type Auth interface{ auth() }

// HeaderAuth sends a static credential in a header.
type HeaderAuth struct {
	Header, Prefix string
	Key            string // config key of the credential
}

// BasicAuth sends HTTP Basic and, where the vendor wants one, a key in the
// JSON body.
type BasicAuth struct {
	User, Password string
	BodyParam      string // body member, "" for none
	BodyKey        string // config key of its value
}

func (HeaderAuth) auth() {}
func (BasicAuth) auth()  {}

// Limit is one budget. Vendors differ in what they count, hence the kinds.
type Limit struct {
	Kind LimitKind
	// N per Per. For Pace, N per second is smoothed, without bursts.
	N   float64
	Per time.Duration
	// PerLane and PerResource make one budget for each.
	PerLane, PerResource bool
	// Vendor marks a limit of the vendor's; requests_per_second replaces only
	// our own pace.
	Vendor bool
	// Headers of the answers that tell the true state, "" where unknown.
	LimitHeader, RemainingHeader, ResetHeader string
	// Reserve is the share, 0 to 1, that is left untouched.
	Reserve float64
}

// LimitKind is what a budget counts.
type LimitKind int

// The kinds of budget.
const (
	Pace    LimitKind = iota // requests, evenly spread
	Sliding                  // requests in any period of length Per
	Clock                    // requests in each period that starts on the clock (UTC minute, day)
	Credits                  // units that the vendor counts down in a header
	Errors                   // refused requests, which must not repeat
)
