package buchhaltungsbutler

import (
	"sync"
	"time"
)

// perMinute is how many calls a tenant has, all its programs together (DOC).
const perMinute = 100

// limits are the calls of the last minute, by tenant.
type limits struct {
	mu     sync.Mutex
	calls  map[string][]time.Time // those that count, oldest first
	turned int
}

func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.turned = make(map[string][]time.Time), 0
}

// admit counts a call, or refuses it. GUESS: the window slides, and a refused
// call does not count; both have a fault that turns them round.
func (l *limits) admit(key string, limit int, onClock, refusedCount bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	list := l.calls[key]
	for len(list) > 0 && (now.Sub(list[0]) >= time.Minute || onClock && !list[0].Truncate(time.Minute).Equal(now.Truncate(time.Minute))) {
		list = list[1:]
	}
	good := len(list) < limit
	if good || refusedCount {
		list = append(list, now)
	}
	l.calls[key] = list
	if !good {
		l.turned++
	}
	return good
}

// TurnedAway is how many calls were over the limit.
func (s *Service) TurnedAway() int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.turned
}
