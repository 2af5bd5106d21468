package budget

import (
	"fmt"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// sliding allows n starts in any period. It remembers the last n of them: a
// token bucket of that size would allow almost twice as many in its first
// period.
type sliding struct {
	undone

	n       int
	per     time.Duration
	name    string
	maxWait time.Duration
	starts  []time.Time // a ring once it holds n
	oldest  int
}

func newSliding(l stream.Limit, name string, maxWait time.Duration) *sliding {
	return &sliding{n: int(l.N), per: l.Per, name: name, maxWait: maxWait}
}

func (s *sliding) ready(now time.Time, _ *stream.Request) (time.Time, error) {
	if len(s.starts) < s.n {
		return now, nil
	}
	at := s.starts[s.oldest].Add(s.per + margin(s.per))
	if wait := at.Sub(now); wait > s.maxWait {
		return at, spent(limitText(s.n, s.per, s.name), at, wait)
	}
	return at, nil
}

func (s *sliding) take(now time.Time, _ *stream.Request) {
	if len(s.starts) < s.n {
		s.starts = append(s.starts, now)
		return
	}
	s.starts[s.oldest] = now
	s.oldest = (s.oldest + 1) % s.n
}

func (s *sliding) observe(time.Time, *stream.Request, int, stream.Header) {}

func (s *sliding) idle(now time.Time) bool {
	if len(s.starts) == 0 {
		return true
	}
	newest := s.starts[(s.oldest+len(s.starts)-1)%len(s.starts)]
	return now.Sub(newest) >= s.per+margin(s.per)
}

// limitText says which limit is spent.
func limitText(n int, per time.Duration, name string) string {
	if name != "" {
		name = " for " + name
	}
	return fmt.Sprintf("the vendor's limit of %d requests per %s%s is spent", n, period(per), name)
}
