package emulator

import (
	"maps"
	"strconv"
	"sync"
	"time"
)

// kept is how many requests of a source are remembered.
const kept = 16384

// Entry is one request.
type Entry struct {
	Time     time.Time `json:"time"` // of its arrival
	Method   string    `json:"method"`
	Path     string    `json:"path"` // below the mount
	Query    string    `json:"query"`
	Resource string    `json:"resource"`
	Status   int       `json:"status"`
	Bytes    int64     `json:"bytes"` // of the body, as far as it was sent
	// Wait is how many seconds after the request before it this one came.
	Wait       float64 `json:"wait"`
	RetryAfter string  `json:"retry_after,omitempty"`
	Fault      string  `json:"fault,omitempty"`
}

// Stats are the counters of a source since the start or the last reset.
type Stats struct {
	Source       string           `json:"source"`
	Requests     int64            `json:"requests"`
	ByResource   map[string]int64 `json:"by_resource"`
	ByStatus     map[string]int64 `json:"by_status"`
	MaxPerSecond int              `json:"max_per_second"` // arrivals in any sliding second
	MaxPerMinute int              `json:"max_per_minute"` // arrivals in any sliding 60 s
	Rows         int64            `json:"rows"`           // served in good answers
	Bytes        int64            `json:"bytes"`
	First        *time.Time       `json:"first"`
	Last         *time.Time       `json:"last"`
}

// requestLog is what a source remembers of its requests. An entry is in it
// from the arrival on, and status and bytes are written before they are sent:
// who has the answer finds it in the log.
type requestLog struct {
	mu         sync.Mutex
	ring       []*Entry
	next       int // place of the oldest entry, once the ring is full
	total      Stats
	byStatus   map[int]int64
	byResource map[string]int64
	second     slider
	minute     slider
}

func newLog() *requestLog {
	l := &requestLog{}
	l.reset()
	return l
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.next, l.total = nil, 0, Stats{}
	l.byStatus, l.byResource = make(map[int]int64), make(map[string]int64)
	l.second, l.minute = slider{width: time.Second}, slider{width: time.Minute}
}

// arrive notes a request.
func (l *requestLog) arrive(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Time = time.Now() // under the lock, so that the log is in order of time
	if l.total.Last != nil {
		e.Wait = e.Time.Sub(*l.total.Last).Seconds()
	}
	if len(l.ring) < kept {
		l.ring = append(l.ring, e)
	} else {
		l.ring[l.next] = e
		l.next = (l.next + 1) % kept
	}
	l.total.Requests++
	l.byResource[e.Resource]++
	if l.total.First == nil {
		l.total.First = &e.Time
	}
	l.total.Last = &e.Time
	l.second.add(e.Time)
	l.minute.add(e.Time)
}

func (l *requestLog) head(e *Entry, status int, retryAfter string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Status, e.RetryAfter = status, retryAfter
	l.byStatus[status]++
}

func (l *requestLog) body(e *Entry, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Bytes += int64(n)
	l.total.Bytes += int64(n)
}

func (l *requestLog) fault(e *Entry, names string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Fault = names
}

func (l *requestLog) rows(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Rows += int64(n)
}

func (l *requestLog) entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Entry, 0, len(l.ring))
	for k := range l.ring {
		out = append(out, *l.ring[(l.next+k)%len(l.ring)])
	}
	return out
}

func (l *requestLog) stats(source string) Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.total
	s.Source = source
	s.ByResource = maps.Clone(l.byResource)
	s.ByStatus = make(map[string]int64)
	for status, n := range l.byStatus {
		s.ByStatus[strconv.Itoa(status)] = n
	}
	s.MaxPerSecond, s.MaxPerMinute = l.second.most, l.minute.most
	return s
}

// slider counts the most events in any stretch of time of one width, the far
// end left out: two events exactly a width apart are not in one stretch.
type slider struct {
	width time.Duration
	times []time.Time // a queue: head is the oldest still inside
	head  int
	most  int
}

func (s *slider) add(at time.Time) {
	for s.head < len(s.times) && at.Sub(s.times[s.head]) >= s.width {
		s.head++
	}
	if s.head > 1024 && s.head > len(s.times)/2 {
		s.times = s.times[:copy(s.times, s.times[s.head:])]
		s.head = 0
	}
	s.times = append(s.times, at)
	s.most = max(s.most, len(s.times)-s.head)
}
