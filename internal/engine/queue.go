package engine

import (
	"context"
	"sync"
)

// aheadBytes bounds what the lanes behind the head may hold: pages that were
// read before their turn to be written.
const aheadBytes = 8 << 20

// headItems bounds what the head lane may hold.
const headItems = 2

// ahead is the one gate between the lanes that read and the emitter that
// writes. Lanes are served in order: the one whose turn it is, the head, may
// always read on while the emitter keeps up; the others share aheadBytes.
type ahead struct {
	mu    sync.Mutex
	cond  sync.Cond
	held  int   // bytes in the queues of lanes that are not the head
	head  *lane // nil between two lanes
	ended bool  // the run is over: nobody waits any more
}

func newAhead(ctx context.Context) (a *ahead, stop func() bool) {
	a = &ahead{}
	a.cond.L = &a.mu
	return a, context.AfterFunc(ctx, func() {
		a.mu.Lock()
		a.ended = true
		a.mu.Unlock()
		a.cond.Broadcast()
	})
}

// room waits until the lane may fetch another page; false when nobody wants it:
// the run, the stream or the lane is over.
func (a *ahead) room(l *lane) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.ended && !l.dropped && !l.unwanted() && (l.chain == nil || !l.chain.whole.before(l.at)) {
		if a.head == l && len(l.queue) < headItems || a.head != l && a.held < aheadBytes && !l.heavy && !l.rd.large.Load() {
			return true
		}
		a.cond.Wait()
	}
	return false
}

// isHead tells whether it is the lane's turn.
func (a *ahead) isHead(l *lane) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.head == l
}

// push hands an item to the emitter. It does not wait: room did.
func (a *ahead) push(l *lane, it item) {
	a.mu.Lock()
	if a.ended || l.dropped {
		a.mu.Unlock()
		it.recycle()
		return
	}
	l.queue = append(l.queue, it)
	if a.head != l {
		a.held += it.size()
	}
	a.mu.Unlock()
	a.cond.Broadcast()
}

// close marks the end of a lane, with the error that ended it.
func (a *ahead) close(l *lane, err error) {
	a.mu.Lock()
	l.done, l.err = true, err
	a.mu.Unlock()
	a.cond.Broadcast()
}

// turn makes l the head.
func (a *ahead) turn(l *lane) {
	a.mu.Lock()
	a.head = l
	for i := range l.queue {
		a.held -= l.queue[i].size()
	}
	a.mu.Unlock()
	a.cond.Broadcast()
}

// pop returns the head's next item; ok is false at its end, when err tells how
// it ended, and when the run is over.
func (a *ahead) pop(l *lane) (it item, ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		if a.ended { // leave at once: what is queued is read again next time
			return item{}, false, errEnded
		}
		if len(l.queue) > 0 {
			it = l.queue[0]
			l.queue[0] = item{}
			l.queue = l.queue[1:]
			a.cond.Broadcast()
			return it, true, nil
		}
		if l.done {
			return item{}, false, l.err
		}
		a.cond.Wait()
	}
}

// drop ends a lane that nobody wants any more.
func (a *ahead) drop(l *lane) {
	a.mu.Lock()
	l.dropped = true
	for i := range l.queue {
		if a.head != l {
			a.held -= l.queue[i].size()
		}
		l.queue[i].recycle()
	}
	l.queue = nil
	a.mu.Unlock()
	a.cond.Broadcast()
}
