package engine

import (
	"context"
	"errors"

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
	if c == nil || c.Begin == nil || !sp.openFrom {
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
	resp, err := l.fetch(ctx, req)
	switch e := fault.As(err); {
	case err == nil:
		defer release(resp)
		if from, ok := c.Begin.Read(resp); ok {
			sp.from, sp.openFrom = from, false
		}
		return sp, nil
	case errors.Is(err, stream.NoRows), e != nil && !e.Whole && !e.Partition && (e.Kind == fault.Permission || e.Kind == fault.Refused):
		r.Log.Debug("where to start is not told, the stream is read from its beginning", "stream", l.rd.s.Name, "reason", err.Error())
		return sp, nil
	}
	return sp, err
}
