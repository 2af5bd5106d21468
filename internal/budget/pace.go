package budget

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// pace spreads requests evenly.
type pace struct {
	undone

	*rate.Limiter
	due   time.Time // when the next request may start, as last told
	slack time.Duration
}

// lateness is the share of the interval by which a request may start late
// without moving those after it: timers are late by a little each time, and the
// rate that is allowed should be used.
const lateness = 0.1

func newPace(l stream.Limit) *pace {
	interval := l.Per.Seconds() / l.N
	return &pace{Limiter: rate.NewLimiter(rate.Limit(1/interval), 1), slack: time.Duration(lateness * interval * float64(time.Second))}
}

func (p *pace) ready(now time.Time, _ *stream.Request) (time.Time, error) {
	missing := 1 - p.TokensAt(now)
	if missing <= 0 {
		return now, nil
	}
	// Rounded up: half a nanosecond early is a token that is not there.
	ns := math.Ceil(missing / float64(p.Limit()) * float64(time.Second))
	p.due = now.Add(max(time.Duration(min(ns, math.MaxInt64/2)), 1))
	return p.due, nil
}

func (p *pace) take(now time.Time, _ *stream.Request) {
	if late := now.Sub(p.due); late > 0 && late <= p.slack {
		now = p.due
	}
	p.AllowN(now, 1)
}

func (p *pace) observe(time.Time, *stream.Request, int, stream.Header) {}

func (p *pace) idle(now time.Time) bool { return p.TokensAt(now) >= 1 }
