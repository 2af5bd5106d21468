package budget

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// pace spreads requests evenly.
type pace struct{ *rate.Limiter }

func newPace(l stream.Limit) pace {
	return pace{rate.NewLimiter(rate.Limit(l.N/l.Per.Seconds()), 1)}
}

func (p pace) ready(now time.Time) (time.Time, error) {
	missing := 1 - p.TokensAt(now)
	if missing <= 0 {
		return now, nil
	}
	// Rounded up: half a nanosecond early is a token that is not there.
	ns := math.Ceil(missing / float64(p.Limit()) * float64(time.Second))
	return now.Add(max(time.Duration(min(ns, math.MaxInt64/2)), 1)), nil
}

func (p pace) take(now time.Time) { p.AllowN(now, 1) }

func (p pace) observe(time.Time, int, stream.Header) {}

func (p pace) idle(now time.Time) bool { return p.TokensAt(now) >= 1 }
