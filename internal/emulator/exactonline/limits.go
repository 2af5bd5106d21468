package exactonline

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// DOC: calls of an app in one division, and refusals of one endpoint in an
// hour that are still borne.
const (
	perMinute   = 60
	perDay      = 5000
	errorBudget = 10
	blockade    = time.Hour
)

// limits are the counters of the app.
type limits struct {
	mu      sync.Mutex
	windows map[int]*window
	minutes map[int]map[time.Time]int
	refused map[endpoint][]time.Time // of the last hour
	blocked time.Time                // until when the key is; zero: never was
	flying  map[int]int
	most    map[int]int
}

// window is what a division has used of its clock minute and its UTC day.
type window struct {
	minute, day     time.Time
	inMinute, inDay int
}

// endpoint is what the error budget is kept for.
type endpoint struct {
	division int
	resource string
}

func newLimits() *limits {
	l := &limits{}
	l.reset()
	return l
}

func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.windows, l.minutes = make(map[int]*window), make(map[int]map[time.Time]int)
	l.refused, l.blocked = make(map[endpoint][]time.Time), time.Time{}
	if l.flying == nil { // requests under way are counted on
		l.flying = make(map[int]int)
	}
	l.most = make(map[int]int)
}

// admit counts a call of a division, or refuses it: 429 without a body and
// with the headers of the limit that is used up alone (CLIENT picqer#646).
// GUESS: of both the day's; a refused call does not count against the windows.
func (l *limits) admit(division int, counted bool, h http.Header) *emulator.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UTC()
	minute, day := now.Truncate(time.Minute), now.Truncate(24*time.Hour)
	w := l.windows[division]
	if w == nil {
		w = &window{}
		l.windows[division] = w
	}
	if !w.minute.Equal(minute) {
		w.minute, w.inMinute = minute, 0
	}
	if !w.day.Equal(day) {
		w.day, w.inDay = day, 0
	}
	if counted {
		l.count(division, minute)
		switch {
		case w.inDay >= perDay:
			return over("X-RateLimit-", perDay, day.Add(24*time.Hour))
		case w.inMinute >= perMinute:
			return over("X-RateLimit-Minutely-", perMinute, minute.Add(time.Minute))
		}
		w.inMinute++
		w.inDay++
	}
	setLimit(h, "X-RateLimit-", perDay, perDay-w.inDay, day.Add(24*time.Hour))
	setLimit(h, "X-RateLimit-Minutely-", perMinute, perMinute-w.inMinute, minute.Add(time.Minute))
	return nil
}

// count notes an attempt, for whoever looks at [Service.Minutes].
func (l *limits) count(division int, minute time.Time) {
	if l.minutes[division] == nil {
		l.minutes[division] = make(map[time.Time]int)
	}
	l.minutes[division][minute]++
}

// setLimit writes the three headers of a limit: the reset is in epoch
// milliseconds (DOC; of the minute CLIENT).
func setLimit(h http.Header, prefix string, limit, remaining int, reset time.Time) {
	h.Set(prefix+"Limit", strconv.Itoa(limit))
	h.Set(prefix+"Remaining", strconv.Itoa(remaining))
	h.Set(prefix+"Reset", strconv.FormatInt(reset.UnixMilli(), 10))
}

func over(prefix string, limit int, reset time.Time) *emulator.Answer {
	a := emulator.Answer{Status: http.StatusTooManyRequests, Header: make(http.Header)}
	setLimit(a.Header, prefix, limit, 0, reset)
	return &a
}

// unlimited writes the headers of a service whose limits are off: so many
// calls that no client waits, and all of them left.
func unlimited(h http.Header) {
	const plenty = 1_000_000_000
	now := time.Now().UTC()
	setLimit(h, "X-RateLimit-", plenty, plenty, now.Truncate(24*time.Hour).Add(24*time.Hour))
	setLimit(h, "X-RateLimit-Minutely-", plenty, plenty, now.Truncate(time.Minute).Add(time.Minute))
}

// note keeps the error budget (DOC): after more than 10 answers of 400, 401,
// 403 or 404 by an endpoint of a division in an hour the key is blocked for an
// hour. GUESS: for everything, and the hour slides.
func (l *limits) note(at endpoint, status int) {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
	default:
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	list := l.refused[at]
	for len(list) > 0 && now.Sub(list[0]) >= time.Hour {
		list = list[1:]
	}
	l.refused[at] = append(list, now)
	if len(list)+1 > errorBudget {
		l.blocked = now.Add(blockade)
	}
}

// isBlocked tells whether the key is blocked; asking on makes it last (DOC:
// "longer if you go on"; GUESS: an hour from the last call).
func (l *limits) isBlocked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !now.Before(l.blocked) {
		return false
	}
	l.blocked = now.Add(blockade)
	return true
}

// enter counts a request of a division that is being answered; the function
// it returns says that the answer stands. What is sent does not count: a
// client may have all of it before the sender knows.
func (l *limits) enter(division int) (leave func()) {
	if division == 0 {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying[division]++
	l.most[division] = max(l.most[division], l.flying[division])
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flying[division]--
	}
}

// Minutes are the calls that came in each clock minute, by division, the
// refused ones included; without limits nothing is counted.
func (s *Service) Minutes() map[int]map[time.Time]int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	out := make(map[int]map[time.Time]int)
	for division, minutes := range s.limits.minutes {
		out[division] = maps.Clone(minutes)
	}
	return out
}

// InFlight is how many answers to one division were worked out at once, at
// most, by division. The sandbox's latency lies before that and does not count;
// see [Overlaps] for a measure that knows it.
func (s *Service) InFlight() map[int]int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return maps.Clone(s.limits.most)
}

// Blocked tells whether the key is blocked for its many errors.
func (s *Service) Blocked() bool {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return time.Now().Before(s.limits.blocked)
}

// Overlaps is how many requests of one division were under way at once, at
// most, by division, read from the sandbox's log: an answer takes the latency
// and no time of its own, as in virtual time.
func Overlaps(log []emulator.Entry, latency time.Duration) map[int]int {
	var none Service
	arrivals, out := make(map[int][]time.Time), make(map[int]int)
	for _, e := range log { // in order of arrival
		division := none.route(e.Path).division
		if division == 0 {
			continue
		}
		list := arrivals[division]
		for len(list) > 0 && e.Time.Sub(list[0]) >= latency {
			list = list[1:]
		}
		arrivals[division] = append(list, e.Time)
		out[division] = max(out[division], len(list)+1)
	}
	return out
}
