package budget

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// ErrTotal is what Wait returns when the total of credits has to be asked for
// first: Question has it, Answer takes what came of it. Nothing was counted.
var ErrTotal = errors.New("the total of credits has to be asked for")

// credits are units that the vendor counts down in a header. A share of them
// is left to others.
type credits struct {
	limit stream.Limit
	total float64 // 0: not known
	asked bool    // the total has been asked for

	// remaining is as of the last answer that told it, without what has ended
	// since. What is under way may be in it or not, so it is counted once more.
	remaining float64
	known     bool
	told      time.Time
	reset     time.Time

	flying flights[mark]
	// lately are what answers told that overtook one which is still under way:
	// whichever the vendor counted last told the least.
	lately []word
	landed int
}

// mark is how many answers had landed when a request started, and its cost.
type mark struct {
	landed int
	cost   float64
}

// word is what the landed'th answer told.
type word struct {
	landed    int
	remaining float64
}

func newCredits(l stream.Limit) *credits { return &credits{limit: l, total: l.N} }

func costOf(req *stream.Request) float64 { return float64(max(req.Cost, 1)) }

func (c *credits) ready(now time.Time, req *stream.Request) (time.Time, error) {
	c.forget(now)
	if !c.known {
		return now, nil
	}
	ours := c.limit.Total != nil && req == &c.limit.Total.Ask
	reserve := 0.0
	if !ours {
		if c.wants() {
			return now, ErrTotal
		}
		reserve = c.reserve()
	}
	left := c.remaining
	for _, f := range c.flying {
		left -= f.mark.cost
	}
	if left-costOf(req) >= reserve {
		return now, nil
	}
	if c.reset.After(now) {
		return now, spent(c.text(left, reserve), c.reset, c.reset.Sub(now))
	}
	hint := "run again when the vendor has freed credits"
	if c.limit.Per > 0 {
		hint = "each credit is there again a " + period(c.limit.Per) + " after its use: run again later"
	}
	hint += ", the run resumes from its state"
	if reserve > 0 && c.limit.ReserveKey != "" {
		hint += "; a smaller " + c.limit.ReserveKey + " uses more of them"
	}
	return now, &fault.Error{
		Kind: fault.Quota, Whole: true, Hint: hint,
		Err: errors.New(c.text(left, reserve) + ", the request was not sent"),
	}
}

// wants tells that there is no reserve to compare with yet.
func (c *credits) wants() bool {
	return c.known && c.limit.Reserve > 0 && c.limit.Total != nil && !c.asked && c.limit.Total.Read != nil
}

func (c *credits) reserve() float64 { return c.limit.Reserve * c.total }

// answer takes the total; what an answer told already may call for a greater one.
func (c *credits) answer(total float64) {
	c.asked = true
	c.total = max(c.total, total)
}

// forget drops what was told when the vendor has reset it, or freed it all.
func (c *credits) forget(now time.Time) {
	freed := c.limit.Per > 0 && now.Sub(c.told) >= c.limit.Per
	if c.known && (!c.reset.IsZero() && !c.reset.After(now) || c.reset.IsZero() && freed) {
		c.known = false
	}
}

func (c *credits) text(left, reserve float64) string {
	text := "the account has " + strconv.FormatFloat(max(left, 0), 'f', -1, 64) + " API credits left"
	if reserve <= 0 {
		return text
	}
	return fmt.Sprintf("%s and %s of %s are kept in reserve", text,
		strconv.FormatFloat(reserve, 'f', 0, 64), strconv.FormatFloat(c.total, 'f', 0, 64))
}

func (c *credits) take(_ time.Time, req *stream.Request) {
	c.flying.start(req, mark{c.landed, costOf(req)})
}

func (c *credits) observe(now time.Time, req *stream.Request, _ int, h stream.Header) {
	since := mark{c.landed, 0}
	if m, ok := c.flying.end(req); ok {
		since = m
	}
	if v, ok := number(h, c.limit.LimitHeader); ok && v > 0 {
		c.total = v
	}
	v, ok := number(h, c.limit.RemainingHeader)
	if !ok {
		c.remaining -= since.cost // who knows
		c.prune()
		return
	}
	c.landed++
	c.lately = append(c.lately, word{c.landed, v})
	c.remaining, c.known, c.told = v, true, now
	for _, w := range c.lately {
		if w.landed > since.landed {
			c.remaining = min(c.remaining, w.remaining)
		}
	}
	c.prune()
	if c.limit.LimitHeader == "" && c.limit.ToldFrom > 0 && c.limit.ToldFrom < 1 {
		// It is told only from that share on, so the total is at least this.
		c.total = max(c.total, v/(1-c.limit.ToldFrom))
	}
	c.reset = time.Time{}
	if v, ok := number(h, c.limit.ResetHeader); ok {
		c.reset = instant(v)
	}
}

// prune drops words that no request under way was overtaken by.
func (c *credits) prune() {
	oldest := c.landed
	for _, f := range c.flying {
		oldest = min(oldest, f.mark.landed)
	}
	i := 0
	for i < len(c.lately) && c.lately[i].landed <= oldest {
		i++
	}
	c.lately = append(c.lately[:0], c.lately[i:]...)
}

func (*credits) done(*stream.Request) {}

func (c *credits) idle(time.Time) bool { return !c.known }
