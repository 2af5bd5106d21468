package slascone

import (
	"sync"
	"time"
)

// plan is a limit (DOC).
type plan struct {
	calls  int
	window time.Duration
}

// plan is the one of the account: Gold, or by switch a smaller one.
func (s *Service) plan() plan {
	switch {
	case s.on("plan-dev", source):
		return plan{300, time.Minute}
	case s.on("plan-basic", source):
		return plan{125, 5 * time.Minute}
	case s.on("plan-silver", source):
		return plan{500, 5 * time.Minute}
	}
	return plan{2000, 5 * time.Minute}
}

// penalty is how long a client has to be quiet after a 429, at the least (DOC).
const penalty = 20 * time.Second

// limits count the calls of the account. GUESS: the window begins with its first
// call and is the same for all keys.
type limits struct {
	mu      sync.Mutex
	begin   time.Time
	calls   int
	blocked time.Time     // until when
	wait    time.Duration // what the block was made with
}

func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin, l.calls, l.blocked, l.wait = time.Time{}, 0, time.Time{}, 0
}

// admit counts a call, or tells how long to wait. Whoever asks again at once
// keeps the block alive (DOC); it ends with a window of its own (GUESS).
func (l *limits) admit(now time.Time, p plan, counts, whole bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.blocked) {
		l.blocked = now.Add(l.wait)
		return l.wait
	}
	if !counts {
		return 0
	}
	if l.wait > 0 || now.Sub(l.begin) >= p.window {
		l.begin, l.calls, l.wait = now, 0, 0
	}
	if l.calls < p.calls {
		l.calls++
		return 0
	}
	l.wait = penalty
	if whole {
		l.wait = max(penalty, l.begin.Add(p.window).Sub(now))
	}
	l.blocked = now.Add(l.wait)
	return l.wait
}

// block begins a block.
func (l *limits) block(now time.Time, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked, l.wait = now.Add(wait), wait
}
