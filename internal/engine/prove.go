package engine

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// asking is a moment before the next answer is asked for.
func (l *lane) asking() time.Time {
	if l.first != nil { // it was some time ago
		return l.rd.run.started
	}
	return l.rd.run.Now()
}

// clock is what the values of rows are not below that change once an answer has
// been made; not ok where the vendor's clock is not told.
func (l *lane) clock(asked time.Time, h http.Header) peak {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return peak{}
	}
	took := max(l.rd.run.Now().Sub(asked), 0)
	return peak{l.rd.unit.FromTime(at.Add(-took - slack)), true}
}

// beyondEnd tells whether all rows that follow in a sorted list lie behind the
// end of the run.
func (l *lane) beyondEnd(c *pageChain) bool {
	return !c.moved && l.drift.last.ok && l.drift.last.v > l.feeds[0].end && !l.rd.hasKids()
}

// begins builds the first request of a chain that goes on after another one,
// whose tokens lead no further. That is no proof of what was read before.
func (l *lane) begins(c *pageChain, sp span, led bool) (*stream.Request, error) {
	d := l.drift
	if d == nil || c.moved || !d.last.ok && !d.anew.ok {
		return nil, stream.Restart
	}
	if led && (!d.last.ok || d.anew.ok && d.last.v <= d.anew.v) {
		return nil, l.tooMany()
	}
	if d.last.ok {
		d.anew = d.last
	}
	d.open, d.last = peak{}, peak{}
	c.prev, c.under = peak{}, peak{}
	d.before = d.count
	c.slack = d.before + d.longest
	sp.from, sp.openFrom = d.anew.v, false
	return paging.First(l.rd.s.Page, l.request(sp)), nil
}

func (l *lane) tooMany() error {
	return &fault.Error{
		Kind: fault.Contract, Err: errors.New("more rows share one " + l.rd.s.Cursor.Field + " than pages can be asked for"),
		Hint: "another way to read the stream may hold them, if the source has one",
	}
}

// sorted returns how far a bookmark may move within a window of rows that come
// sorted: to the greatest value but one, for the last may come again on the next
// page. Not ok where it may not move.
func (l *lane) sorted(c *pageChain) peak {
	counted := l.feeds[0].counted
	if l.rd.s.Cursor == nil || !l.rd.s.Cursor.Sorted || c.moved || c.unproven || !c.under.ok || !counted.ok {
		return peak{}
	}
	return peak{min(c.under.v, counted.v), true}
}

// prove makes sure that nothing was skipped since the last proof. ended: the end of the list was seen, and with it every row that
// changed meanwhile, the last one at least.
func (l *lane) prove(ctx context.Context, c *pageChain, sp span, ended bool) error {
	d := l.drift
	if d.open.ok && ended {
		d.cut(edge{to: math.MaxInt64}) // the page after it was empty
		d.open = peak{}
	}
	if len(d.edges) > 0 {
		// To look at one edge costs no more than to ask what was deleted.
		one := len(d.edges) == 1 && d.edges[0].from < d.edges[0].to
		told := !one && !d.unlisted && d.since.ok && l.tellsDeleted()
		var begun peak
		var err error
		if told && !ended {
			if begun, told, err = l.changes(ctx); err != nil {
				return err
			}
		}
		if told {
			if told, err = l.vanished(ctx, begun); err != nil {
				return err
			}
		}
		if !told {
			d.doubt(math.MinInt64, math.MaxInt64)
		}
	}
	mended, err := l.mend(ctx, c, sp)
	d.proven(mended)
	return err
}

// tellsDeleted tells whether the vendor lists what was deleted, by time.
func (l *lane) tellsDeleted() bool {
	return l.rd.s.Deletions != nil && !l.rd.s.Cursor.Drift.Silent && l.rd.deletionUnit() == l.rd.unit
}

// changes asks which rows changed while the pages were read; told is false where
// that cannot be relied on. begun is the vendor's clock before the first of
// several pages, in which rows may have been skipped themselves.
func (l *lane) changes(ctx context.Context) (begun peak, told bool, err error) {
	d := l.drift
	req := l.request(span{from: d.since.v, openTo: true})
	if c := l.rd.s.Chunked; c != nil && slices.Contains(c.Always, l.rd.s.Cursor.Field) {
		setParam(req, c.Param, strings.Join(c.Always, ","))
	}
	req = paging.First(l.rd.s.Page, req)
	var first, top peak
	for n := 1; req != nil; n++ {
		if n > len(d.edges) { // it costs no more to look at them all
			return peak{}, false, nil
		}
		asked := l.rd.run.Now()
		resp, err := l.fetch(ctx, req)
		switch {
		case errors.Is(err, stream.NoRows):
			return peak{}, n == 1, nil
		case errors.Is(err, stream.Restart):
			return peak{}, false, nil
		case err != nil:
			return peak{}, false, pageFault(n, err)
		}
		if n == 1 {
			first = l.clock(asked, resp.Header)
		} else {
			begun = first
		}
		rows := 0
		err = l.rd.shape.Walk(resp.Body, &l.page, func(_ int, b []byte, i int) (int, error) {
			rows++
			key, v, keyed, end, err := l.peek(b, i)
			if err == nil && keyed {
				top.raise(v)
				d.changed(key, v)
			}
			return end, err
		})
		var next *stream.Request
		if err == nil {
			next, err = paging.Next(l.rd.s.Page, req, paging.Head{Rows: rows, Capture: func(path string) []byte { return l.captured(&l.page, path) }})
		}
		if err != nil {
			err = pageFault(n, l.shapeFault(err, resp))
		}
		l.release(resp)
		if err != nil {
			return peak{}, false, err
		}
		if n > 1 && (!first.ok || rows == 0) {
			return peak{}, false, nil
		}
		req = next
	}
	l.feeds[0].conv.Notes() // told when the rows are written
	return begun, !begun.ok || top.v < begun.v, nil
}

// peek reads the key and the version of a row.
func (l *lane) peek(b []byte, i int) (key uint64, v int64, keyed bool, end int, err error) {
	f := l.feeds[0]
	l.spare, end, err = f.conv.Append(l.spare[:0], b, i)
	v, keyed = f.conv.Cursor()
	return f.conv.KeyHash(), v, keyed, end, err
}

// vanished asks which rows were deleted while the pages were read, or since
// begun, when it was asked which rows changed.
func (l *lane) vanished(ctx context.Context, begun peak) (told bool, err error) {
	d := l.drift
	gone, err := l.deletedSince(ctx, d.since.v)
	if e := fault.As(err); e != nil && !e.Whole && !e.Partition && (e.Kind == fault.Permission || e.Kind == fault.Refused && e.Status == http.StatusNotFound) {
		l.rd.run.Log.Debug("what was deleted is not told, the edges of all pages are read again", "stream", l.rd.s.Name, "reason", err.Error())
		d.unlisted = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	told = true
	var row []byte
	for _, x := range gone {
		if err := l.whole(x, nil); err != nil {
			return false, l.rd.wrap("deletions, "+l.rd.s.Deletions.Stream, err)
		}
		if !l.concerns(x, nil) {
			continue
		}
		row = l.tombstone(row[:0], x)
		key, _, _, _, err := l.peek(row, 0)
		if err != nil {
			return false, l.shapeFault(err, &stream.Response{URL: l.rd.s.Deletions.Stream})
		}
		d.deleted(key, x.value)
		told = told && (!begun.ok || x.value < begun.v)
	}
	l.feeds[0].conv.Notes() // such rows are written elsewhere
	return told, nil
}

// deletedSince reads the list of deletions from a moment on.
func (l *lane) deletedSince(ctx context.Context, from int64) ([]deletion, error) {
	// The list takes its bound as the rows' own does.
	sp := span{from: l.earlier(from), openTo: !l.rd.run.Source.Stream(l.rd.s.Deletions.Stream).Cursor.Bounded(), to: math.MaxInt64}
	if !sp.openTo {
		sp.to = l.rd.cap() + int64(24*time.Hour/time.Microsecond)
	}
	gone, err := l.readDeletions(ctx, sp, func() bool { return l.rd.run.ahead.room(l) })
	if err != nil && !errors.Is(err, errEnded) {
		err = l.rd.wrap("deletions, "+l.rd.s.Deletions.Stream, err)
	}
	return gone, err
}
