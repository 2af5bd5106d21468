package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// shortage is an answer with fewer rows than it tells, of a vendor who gives all at
// once: some were kept back. It asks the caller to read less at a time.
type shortage struct{ rows, told int64 }

// Error tells both numbers.
func (s *shortage) Error() string {
	return fmt.Sprintf("the vendor counts %d rows, but its answer has %d", s.told, s.rows)
}

// unsound tells why the answer at hand must not pass for what was asked for, nil
// where it may.
func (l *lane) unsound(sp span, rows int) error {
	if l.loose && !l.ignored && !l.endsChain(sp) {
		l.discard()
		return errLoose
	}
	p, ok := l.rd.s.Page.(stream.Single)
	if !ok || p.Total == "" || l.enough() {
		return nil
	}
	n, told := integer(l.captured(&l.page, p.Total))
	if !told || n <= int64(rows) {
		return nil
	}
	if l.kept == nil {
		l.discard()
	} else { // they have been noted, and will not be written again
		l.flush(item{covers: sp})
	}
	return &shortage{int64(rows), n}
}

// narrow reads in halves what an answer did not give whole, down to a day. Where it
// is not told that the count heeds the bounds, all is asked for first: an answer that
// has as many rows as it tells then holds those that were wanted.
func (l *lane) narrow(ctx context.Context, sp span, s *shortage) error {
	if !l.narrowed {
		l.narrowed = true
		kept := l.kept
		l.kept = nil
		if whole, err := l.unbounded(ctx, sp); whole || err != nil {
			return err
		}
		if l.kept = kept; kept == nil {
			l.kept = newOnce()
		}
	}
	a, b, ok := l.cut(sp)
	if !ok || !l.beyondDay(sp) {
		return &fault.Error{
			Kind: fault.Contract, Op: "read " + l.label(sp), Err: s,
			Hint: "the rows that are kept back cannot be asked for; nothing was lost, the bookmark stays: report it to the vendor",
		}
	}
	l.rd.run.Log.Debug("an answer has fewer rows than it tells, less is asked for at a time", "stream", l.rd.s.Name, "window", l.label(sp), "rows", s.rows, "counted", s.told)
	if err := l.window(ctx, a); err != nil {
		return err
	}
	return l.window(ctx, b)
}

// unbounded asks for a span without its bounds, and tells whether that gave all. What
// comes before the span is dropped: earlier windows held it.
func (l *lane) unbounded(ctx context.Context, sp span) (whole bool, err error) {
	if c := l.rd.s.Cursor; c == nil || sp.openFrom && (sp.openTo || l.unended(sp)) || l.rd.capped.Load() {
		return false, nil
	}
	on := span{from: sp.from, openFrom: sp.openFrom, openTo: true}
	err = l.pages(ctx, l.request(span{openFrom: true, openTo: true}), on, pass{within: true})
	if _, short := errors.AsType[*shortage](err); short {
		l.rd.capped.Store(true)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l.ignore()
	l.push(l.complete(on))
	return true, nil
}

// beyondDay tells whether a span is wider than a day.
func (l *lane) beyondDay(sp span) bool {
	from, to, day := sp.from, sp.to, int64(0)
	if sp.openFrom {
		from = 0
	}
	if sp.openTo {
		to = l.rd.cap()
	}
	if l.rd.unit == stream.Instant {
		day = dayMicros
	}
	return to-from > day
}
