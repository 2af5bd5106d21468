package budget

import (
	"context"
	"sync"
)

// turnstiles are named locks that exist only while someone is at them. They
// let their callers in first come, first served.
type turnstiles struct {
	mu sync.Mutex
	m  map[string]*turnstile
}

// turnstile is held by whoever put a value into ch. The runtime queues blocked
// senders in order and hands a freed place to the first of them.
type turnstile struct {
	ch   chan struct{}
	refs int
}

// enter waits for the turnstile of that name. leave may be called repeatedly.
func (t *turnstiles) enter(ctx context.Context, name string) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.mu.Lock()
	if t.m == nil {
		t.m = map[string]*turnstile{}
	}
	s := t.m[name]
	if s == nil {
		s = &turnstile{ch: make(chan struct{}, 1)}
		t.m[name] = s
	}
	s.refs++
	t.mu.Unlock()

	select {
	case s.ch <- struct{}{}:
		return sync.OnceFunc(func() {
			<-s.ch
			t.forget(name, s)
		}), nil
	case <-ctx.Done():
		t.forget(name, s)
		return nil, context.Cause(ctx)
	}
}

func (t *turnstiles) forget(name string, s *turnstile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.refs--; s.refs == 0 {
		delete(t.m, name)
	}
}
