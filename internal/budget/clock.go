package budget

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// clock allows n starts in each period of the UTC clock. Where answers tell
// limit, remaining and reset, those are followed: other programs may use the
// same account. The remaining count is as of the moment in which the vendor
// counted that answer's request; others may be on the way then, and answers
// may overtake each other.
type clock struct {
	undone

	limit   stream.Limit
	name    string
	maxWait time.Duration

	n    int       // requests a period; 0 until known: anything goes
	end  time.Time // end of the period, by the vendor's clock
	told bool      // end is the vendor's word, not our guess
	left int       // starts that are left in the period

	lowest int // least remaining count told in this period, -1 for none
	flying int // started in this period and not yet observed
	lost   int // ended without an answer: counted or not, who knows

	// skew is the vendor's clock minus ours, as far as it is worth minding.
	skew time.Duration
}

func newClock(l stream.Limit, name string, maxWait time.Duration) *clock {
	return &clock{limit: l, name: name, maxWait: maxWait, n: int(l.N), lowest: -1}
}

// roll begins a new period when the old one is over.
func (c *clock) roll(now time.Time) {
	if v := now.Add(c.skew); !v.Before(c.end) {
		c.flying = 0
		c.begin(v.UTC().Truncate(c.limit.Per).Add(c.limit.Per), false)
	}
}

func (c *clock) begin(end time.Time, told bool) {
	c.end, c.told = end, told
	c.left, c.lowest, c.lost = c.n, -1, 0
}

func (c *clock) ready(now time.Time, _ *stream.Request) (time.Time, error) {
	c.roll(now)
	if c.left > 0 || c.n <= 0 && c.lowest < 0 {
		return now, nil
	}
	at := c.end.Add(margin(c.limit.Per) - c.skew)
	if wait := at.Sub(now); wait > c.maxWait {
		return at, spent(limitText(c.n, c.limit.Per, c.name), c.end, wait)
	}
	return at, nil
}

func (c *clock) take(now time.Time, _ *stream.Request) {
	c.roll(now)
	c.left--
	c.flying++
}

func (c *clock) observe(now time.Time, _ *stream.Request, status int, h stream.Header) {
	c.mind(now, h)
	c.roll(now)
	c.flying = max(c.flying-1, 0)
	if status == 0 {
		c.lost++
		return
	}
	if n, ok := number(h, c.limit.LimitHeader); ok && n >= 0 {
		c.left += int(n) - c.n
		c.n = int(n)
	}
	remaining, ok := number(h, c.limit.RemainingHeader)
	if !c.follow(now, h, ok && remaining <= 0 && status == http.StatusTooManyRequests) {
		return // a word about a period that is over
	}
	if !ok {
		return
	}
	r := int(max(remaining, 0))
	if c.lowest < 0 || r <= c.lowest {
		c.lowest = r
		if c.flying == 0 {
			c.lost = 0
		}
	}
	c.left = min(c.left, c.lowest-c.flying-c.lost)
	if c.flying == 0 {
		c.left = c.lowest - c.lost // all have been counted, so this is exact
	}
}

// follow takes over the vendor's end of the period. Of one that is earlier than was
// told before a refusal alone is believed; an answer may be late.
func (c *clock) follow(now time.Time, h stream.Header, refused bool) bool {
	reset, ok := number(h, c.limit.ResetHeader)
	if !ok {
		return true
	}
	end := instant(reset)
	switch v := now.Add(c.skew); {
	case !end.After(v), end.After(v.Add(2 * c.limit.Per)):
		return false
	case end.After(c.end):
		c.begin(end, true)
	case end.Before(c.end) && c.told && !refused:
		return false
	default:
		c.end, c.told = end, true
	}
	return true
}

// mind notes how far the vendor's clock is off. Date has whole seconds and the
// answer took its time, so little differences say nothing.
func (c *clock) mind(now time.Time, h stream.Header) {
	if c.limit.ResetHeader == "" {
		return
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.skew = date.Sub(now)
	if c.skew.Abs() <= 2*time.Second {
		c.skew = 0
	}
	// An end that was guessed by another clock may be days away by this one.
	if end := now.Add(c.skew).UTC().Truncate(c.limit.Per).Add(c.limit.Per); !c.told && end.Before(c.end) {
		c.end = end
	}
}

// tells is whether an answer says that the period is used up, and when it ends.
func (c *clock) tells(now time.Time, h stream.Header) bool {
	remaining, ok := number(h, c.limit.RemainingHeader)
	reset, told := number(h, c.limit.ResetHeader)
	return ok && told && remaining <= 0 && instant(reset).After(now.Add(c.skew))
}

func (c *clock) idle(now time.Time) bool {
	return c.flying == 0 && !now.Add(c.skew).Before(c.end)
}

// number reads a header that holds a number.
func number(h stream.Header, name string) (float64, bool) {
	if name == "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(h.Get(name)), 64)
	return v, err == nil && v > -1e15 && v < 1e15
}

// instant reads an epoch: milliseconds (Exact Online) or seconds.
func instant(v float64) time.Time {
	if v > 1e11 {
		return time.UnixMilli(int64(v))
	}
	return time.Unix(int64(v), 0)
}
