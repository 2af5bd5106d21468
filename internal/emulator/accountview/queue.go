package accountview

import (
	"context"
	"sync"
	"time"
)

// A company is one desktop database behind one service, which answers calls one
// after another (GUESS from the architecture). Callers that come at once wait,
// and pay for it: parallel clients are slower than patient ones.
const (
	callTime    = 5 * time.Millisecond
	switchTime  = 250 * time.Millisecond // what a call costs that had to wait
	gatewayTime = 100 * time.Second      // after which the gateway gives up
)

// queue serves the calls of each company in turn.
type queue struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	inside int       // calls that wait or are served
	most   int       // the most there ever were at once
	until  time.Time // when the last of them is done
}

// enter waits for the company's turn. alone tells that nobody was there; ok is
// false if the caller went away. leave ends the call.
func (q *queue) enter(ctx context.Context, company string, cost time.Duration) (alone, ok bool, leave func()) {
	q.mu.Lock()
	if q.lines == nil {
		q.lines = make(map[string]*line)
	}
	l := q.lines[company]
	if l == nil {
		l = &line{}
		q.lines[company] = l
	}
	now := time.Now()
	if l.inside == 0 {
		l.until = now
	} else if cost > 0 {
		cost += switchTime
	}
	alone = l.inside == 0
	l.inside++
	l.most = max(l.most, l.inside)
	if cost > 0 {
		l.until = l.until.Add(cost)
	}
	wait := l.until.Sub(now)
	q.mu.Unlock()
	leave = func() {
		q.mu.Lock()
		l.inside--
		q.mu.Unlock()
	}
	return alone, pause(ctx, wait), leave
}

// most is how many calls of a company there ever were at once.
func (q *queue) most(company string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lines[company]; l != nil {
		return l.most
	}
	return 0
}

func (q *queue) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		l.most = l.inside
	}
}

// pause sleeps, unless the client goes away meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
