package budget

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// refusals are requests that the vendor turned down. Too many of them and it
// locks the key (Exact Online), so asking stops before.
type refusals struct {
	undone

	limit stream.Limit
	name  string
	at    []time.Time
}

func (r *refusals) ready(now time.Time, _ *stream.Request) (time.Time, error) {
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

func (r *refusals) take(time.Time, *stream.Request) {}

func (r *refusals) observe(now time.Time, _ *stream.Request, status int, _ stream.Header) {
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
