package budget

import (
	"net/http"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	// probeAfter is how long a number of calls that was too high is not tried
	// again.
	probeAfter = time.Minute
	// noted is when a waiter looks again by itself; a call that ends wakes it
	// before.
	noted = time.Minute
)

// inFlight bounds the calls under way where the vendor turns away one too many
// and does not tell how many it takes: one more after as many good answers as
// are allowed, half of them after a 429. A number that was refused is come back
// to only after a while.
type inFlight struct {
	allowed int
	refused int       // the least number that was too high, 0 for none
	cut     time.Time // when it was met
	good    int       // answers since the last change
	wanted  bool      // somebody had to wait since then
	round   int       // counts the cuts: what was sent before one says nothing new
	flying  flights[int]
}

func newInFlight(l stream.Limit) *inFlight { return &inFlight{allowed: max(int(l.N), 1)} }

func (c *inFlight) ready(now time.Time, _ *stream.Request) (time.Time, error) {
	if len(c.flying) < c.allowed {
		return now, nil
	}
	c.wanted = true
	return now.Add(noted), nil
}

func (c *inFlight) take(_ time.Time, req *stream.Request) { c.flying.start(req, c.round) }

func (c *inFlight) observe(now time.Time, req *stream.Request, status int, _ stream.Header) {
	i := c.flying.find(req)
	switch {
	case i < 0 || status == 0 || status >= http.StatusInternalServerError: // says nothing of the number
	case status == http.StatusTooManyRequests:
		if c.flying[i].mark == c.round {
			c.halve(now)
		}
	default:
		if c.good++; c.good >= c.allowed && c.wanted {
			c.raise(now)
		}
	}
}

func (c *inFlight) halve(now time.Time) {
	c.refused = max(len(c.flying), 2)
	c.allowed = max(len(c.flying)/2, 1)
	c.good, c.wanted, c.cut = 0, false, now
	c.round++
}

func (c *inFlight) raise(now time.Time) {
	c.good, c.wanted = 0, false
	if c.refused > 0 && c.allowed+1 >= c.refused {
		if now.Sub(c.cut) < probeAfter {
			return
		}
		c.refused = 0 // others may take less by now
	}
	c.allowed++
}

func (c *inFlight) done(req *stream.Request) { c.flying.end(req) }

func (c *inFlight) idle(time.Time) bool { return false }
