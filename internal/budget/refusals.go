package budget

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// credits are units that the vendor counts down in a header. A share of them
// is left to others.
type credits struct {
	limit     stream.Limit
	total     float64
	remaining float64
	known     bool
	reset     time.Time
}

func (c *credits) ready(now time.Time) (time.Time, error) {
	if !c.known || c.remaining > c.limit.Reserve*c.total {
		return now, nil
	}
	if c.reset.After(now) {
		return now, spent(c.text(), c.reset, c.reset.Sub(now))
	}
	if !c.reset.IsZero() {
		c.known = false // they are there again
		return now, nil
	}
	return now, &fault.Error{
		Kind: fault.Quota, Whole: true,
		Err:  fmt.Errorf("%s, the request was not sent", c.text()),
		Hint: "run again when the vendor has freed credits, the run resumes from its state; a smaller reserve uses more of them",
	}
}

func (c *credits) text() string {
	left := strconv.FormatFloat(c.remaining, 'f', -1, 64)
	if c.limit.Reserve <= 0 || c.total <= 0 {
		return "the account has " + left + " API credits left"
	}
	return fmt.Sprintf("the account has %s API credits left and %s are kept in reserve", left,
		strconv.FormatFloat(c.limit.Reserve*c.total, 'f', 0, 64))
}

func (c *credits) take(time.Time) {}

func (c *credits) observe(_ time.Time, _ int, h stream.Header) {
	if v, ok := number(h, c.limit.LimitHeader); ok && v > 0 {
		c.total = v
	}
	if v, ok := number(h, c.limit.RemainingHeader); ok {
		c.remaining, c.known = v, true
		c.reset = time.Time{}
		if v, ok := number(h, c.limit.ResetHeader); ok {
			c.reset = instant(v)
		}
	}
}

func (c *credits) idle(time.Time) bool { return !c.known }

// refusals are requests that the vendor turned down. Too many of them and it
// locks the key (Exact Online), so asking stops before.
type refusals struct {
	limit stream.Limit
	name  string
	at    []time.Time
}

func (r *refusals) ready(now time.Time) (time.Time, error) {
	r.prune(now)
	n := int(r.limit.N)
	if len(r.at) < n {
		return now, nil
	}
	until := r.at[len(r.at)-n].Add(r.limit.Per + margin(r.limit.Per))
	name := r.name
	if name == "" {
		name = "this account"
	}
	e := spent(fmt.Sprintf("the vendor refused %d requests for %s within a %s, more of them would lock the key: nothing is asked there",
		len(r.at), name, period(r.limit.Per)), until, until.Sub(now))
	e.Whole = false // other resources can be read on
	e.Hint = "mend what the refusals before this one name, or deselect the stream; then run again after " + until.UTC().Round(time.Second).Format(time.RFC3339)
	return now, e
}

func (r *refusals) take(time.Time) {}

func (r *refusals) observe(now time.Time, status int, _ stream.Header) {
	if refused(status) {
		r.prune(now)
		r.at = append(r.at, now)
	}
}

// refused tells answers that say the request itself is wrong. 401 is for the
// authenticator, 408 and 429 are for the retries.
func refused(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

func (r *refusals) prune(now time.Time) {
	i := 0
	for i < len(r.at) && now.Sub(r.at[i]) >= r.limit.Per+margin(r.limit.Per) {
		i++
	}
	r.at = r.at[i:]
}

func (r *refusals) idle(now time.Time) bool {
	r.prune(now)
	return len(r.at) == 0
}
