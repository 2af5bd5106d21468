package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// begin returns the span to read: that of the slice, or where nothing bounds it
// from below and a date does, from the value which the vendor gives for that
// date. Where the vendor cannot tell, all is read: more than was asked for, but
// nothing is missed.
func (l *lane) begin(ctx context.Context) (span, error) {
	sp := l.span
	c := l.rd.s.Cursor
	if c == nil || c.Begin == nil || !sp.openFrom || l.rd.hasKids() { // children need all rows
		return sp, nil
	}
	r := l.rd.run
	at := r.Start
	if !r.Since.IsZero() {
		at = r.Since
	}
	if at.IsZero() {
		return sp, nil
	}
	req := c.Begin.Ask(r.Config, l.part, at)
	req.Lane = l.part.Lane
	asked := l.part.ID + "\x00" + req.URL
	if r.untold.count(asked) >= maxUnknown {
		return sp, nil // refusals have a budget
	}
	resp, err := l.fetch(ctx, req)
	switch e := fault.As(err); {
	case err == nil:
		defer release(resp)
		if from, ok := c.Begin.Read(resp); ok {
			sp.from, sp.openFrom = from, false
		}
		return sp, nil
	case errors.Is(err, stream.NoRows), e != nil && !e.Whole && !e.Partition && (e.Kind == fault.Permission || e.Kind == fault.Refused):
		if !errors.Is(err, stream.NoRows) {
			r.untold.add(asked)
		}
		r.Log.Debug("where to start is not told, the stream is read from its beginning", "stream", l.rd.s.Name, "reason", err.Error())
		return sp, nil
	}
	return sp, err
}

// refusals counts, by what was asked.
type refusals struct {
	mu sync.Mutex
	n  map[string]int
}

func (f *refusals) add(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == nil {
		f.n = map[string]int{}
	}
	f.n[what]++
}

func (f *refusals) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n[what]
}
