// Package budget owns what may be asked of a vendor and when: paces, sliding
// and clock windows, credits, calls under way, refused requests, pauses, and
// lanes that take one request at a time. A Set keeps the state of all budgets
// of one source.
//
// It must never start a goroutine, send a request or read an answer's body, and
// it must never sleep past its caller's context. It counts starts; whoever sends
// tells it each answer by Observe, and by Done that its body was read.
package budget

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// DefaultMaxWait is the longest that a request waits for a window, unless
// Options say otherwise.
const DefaultMaxWait = 10 * time.Minute

// Options change how a source's limits are kept.
type Options struct {
	// RequestsPerSecond replaces our own pace, never a vendor's limit; 0 keeps
	// the source's.
	RequestsPerSecond float64
	// Config has the settings that limits name.
	Config stream.Config
	// MaxWait is the longest wait for a window or a pause; what would take
	// longer is refused at once. 0 means DefaultMaxWait.
	MaxWait time.Duration
}

// Set is all budgets of one source. Its methods may be called from any
// goroutine.
type Set struct {
	maxWait              time.Duration
	perLane, perResource bool
	adapts               bool // has a limit of calls under way
	gates, lanes         turnstiles

	mu       sync.Mutex
	families []*family
	paused   time.Time
	// changed is closed and replaced when waiters have to look again.
	changed chan struct{}
}

// New makes the budgets of limits.
func New(limits []stream.Limit, opt Options) *Set {
	s := &Set{maxWait: opt.MaxWait, changed: make(chan struct{})}
	if s.maxWait <= 0 {
		s.maxWait = DefaultMaxWait
	}
	own := stream.Limit{Kind: stream.Pace, N: opt.RequestsPerSecond, Per: time.Second}
	for _, l := range limits {
		if l.Kind == stream.Pace && !l.Vendor && opt.RequestsPerSecond > 0 {
			continue
		}
		if l.ReserveKey != "" {
			l.Reserve = opt.Config.Float(l.ReserveKey) / 100
		}
		s.add(l)
	}
	if opt.RequestsPerSecond > 0 {
		s.add(own)
	}
	return s
}

func (s *Set) add(l stream.Limit) {
	f := newFamily(l, s.maxWait)
	if f == nil {
		return
	}
	s.families = append(s.families, f)
	s.adapts = s.adapts || l.Kind == stream.InFlight
	s.perLane = s.perLane || l.PerLane
	s.perResource = s.perResource || l.PerResource || l.Resource != ""
}

// Wait holds the caller back until req may start within every budget that
// counts it, and counts it. Whoever asks for the same budgets is served first
// come, first served. Its error is the context's cause, or a *fault.Error of
// kind Quota when waiting is no use, or ErrTotal; then nothing was counted.
//
// Each Wait without error is to be followed by one Observe and then one Done.
func (s *Set) Wait(ctx context.Context, req *stream.Request) (time.Duration, error) {
	began := time.Now()
	leave, err := s.gates.enter(ctx, s.gate(req))
	if err != nil {
		return time.Since(began), err
	}
	defer leave()
	for {
		at, changed, err := s.try(req)
		if err != nil || at.IsZero() {
			return time.Since(began), err
		}
		if err := sleep(ctx, time.Until(at), changed); err != nil {
			return time.Since(began), err
		}
	}
}

// gate names the queue in which req stands.
func (s *Set) gate(req *stream.Request) string {
	var lane, resource string
	if s.perLane {
		lane = req.Lane
	}
	if s.perResource {
		resource = req.Resource
	}
	return lane + "\x00" + resource
}

// try counts req if it may start now; else it tells when to try again.
func (s *Set) try(req *stream.Request) (time.Time, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	at := now
	if s.paused.After(now) {
		if wait := s.paused.Sub(now); wait > s.maxWait {
			return at, nil, spent("the vendor asked to stay away", s.paused, wait)
		}
		at = s.paused
	}
	var counters [8]counter
	due := counters[:0]
	for _, f := range s.families {
		c := f.of(req, now)
		if c == nil {
			continue
		}
		ready, err := c.ready(now, req)
		if err != nil {
			return at, nil, err
		}
		if ready.After(at) {
			at = ready
		}
		due = append(due, c)
	}
	if at.After(now) {
		return at, s.changed, nil
	}
	for _, c := range due {
		c.take(now, req)
	}
	return time.Time{}, nil, nil
}

// Observe tells the budgets how a request ended, as early as its answer's
// header is known. Status 0 means that no answer came.
func (s *Set) Observe(req *stream.Request, status int, h stream.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, f := range s.families {
		if c := f.of(req, now); c != nil {
			c.observe(now, req, status, h)
		}
	}
	s.wake()
}

// Done tells the budgets that nothing more comes of a request.
func (s *Set) Done(req *stream.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, f := range s.families {
		if c := f.of(req, now); c != nil {
			c.done(req)
		}
	}
	if s.adapts {
		s.wake()
	}
}

// Question is what has to be asked before requests may go on after an ErrTotal,
// nil where somebody has asked it meanwhile.
func (s *Set) Question() *stream.Total {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		if c, ok := f.all.(*credits); ok && c.wants() {
			return f.limit.Total
		}
	}
	return nil
}

// Answer takes the total that a Question was about.
func (s *Set) Answer(q *stream.Total, total float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.families {
		if c, ok := f.all.(*credits); ok && f.limit.Total == q {
			c.answer(total)
		}
	}
	s.wake()
}

// Adapts tells that the number of calls under way follows what the vendor turns
// away, so that a 429 need not hold everyone back.
func (s *Set) Adapts() bool { return s.adapts }

// Throttle is the least wait after a first 429 that tells no other, 0 where no
// limit has one.
func (s *Set) Throttle() time.Duration {
	return s.longest(func(*stream.Limit) bool { return true })
}

// LeastWait is the wait after a 429 that tells a shorter one, 0 where no limit has
// one.
func (s *Set) LeastWait() time.Duration {
	return s.longest(func(l *stream.Limit) bool { return l.Firm })
}

// longest is the longest Wait of some limits.
func (s *Set) longest(of func(*stream.Limit) bool) time.Duration {
	var wait time.Duration
	for _, f := range s.families {
		if of(&f.limit) {
			wait = max(wait, f.limit.Wait)
		}
	}
	return wait
}

// Tells is whether the headers of an answer to req, which has been observed, say
// that a limit is used up and until when: it holds requests back by itself then.
func (s *Set) Tells(req *stream.Request, h stream.Header) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, f := range s.families {
		if c, ok := f.of(req, now).(*clock); ok && c.tells(now, h) {
			return true
		}
	}
	return false
}

// Pause holds everyone back until then; a pause is never shortened.
func (s *Set) Pause(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.paused) {
		s.paused = until
		s.wake()
	}
}

// wake makes waiters look again; the caller holds mu.
func (s *Set) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Acquire waits until no other request is in flight on lane; release, which
// may be called more than once, lets the next one in. The empty lane is free.
func (s *Set) Acquire(ctx context.Context, lane string) (release func(), err error) {
	if lane == "" {
		return func() {}, nil
	}
	return s.lanes.enter(ctx, lane)
}

// Window is the longest period over which the vendor counts requests, as far as
// waiting for its end is worth while; 0 where it has none. A throttled caller
// who was not told when to come back should try for that long.
func (s *Set) Window() time.Duration {
	var longest time.Duration
	for _, f := range s.families {
		if l := f.limit; l.Resource == "" && (l.Kind == stream.Sliding || l.Kind == stream.Clock) && l.Per <= s.maxWait {
			longest = max(longest, l.Per)
		}
	}
	return longest
}

// sleep waits for d, for a change or for the end of ctx.
func sleep(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	case <-changed:
	}
	return nil
}

// spent is the local refusal of a request that could not start for long.
func spent(what string, until time.Time, wait time.Duration) *fault.Error {
	at := until.UTC().Round(time.Second).Format(time.RFC3339)
	return &fault.Error{
		Kind:       fault.Quota,
		RetryAfter: wait,
		Whole:      true,
		Err:        fmt.Errorf("%s until %s, the request was not sent", what, at),
		Hint:       "run again after " + at + ", the run resumes from its state",
	}
}

// period names d in an error.
func period(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	case 24 * time.Hour:
		return "day"
	}
	return d.String()
}
