package stream

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter reads Retry-After: seconds, or a date, which is taken against the
// vendor's own clock where the answer tells it. Told is false for none, or for one
// that is neither.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, told bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		switch {
		case !(s >= 0): // NaN too
			return 0, false
		case s >= math.MaxInt64/float64(time.Second):
			return math.MaxInt64, true
		}
		return time.Duration(s * float64(time.Second)), true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}
