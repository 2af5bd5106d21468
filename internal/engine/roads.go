package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// byPages is the name of the way that every stream with Roads has.
const byPages = "list"

// travel reads a span by the way that costs least, or the one that the config
// insists on. What a way cannot give in the end is read page by page.
func (l *lane) travel(ctx context.Context, sp span) error {
	roads := l.rd.s.Roads
	if roads == nil {
		return l.lists(ctx, sp)
	}
	only := ""
	if roads.Only != nil {
		only = roads.Only(l.rd.run.Config)
	}
	ways := l.suitable(only, l.wanted(sp))
	if len(ways) == 0 {
		return l.window(ctx, sp)
	}
	if only == "" {
		more, err := l.glance(ctx, sp)
		if err != nil || !more {
			return l.windowAfter(ctx, sp, err)
		}
	}
	rows, told, err := l.countRows(ctx, sp)
	if err != nil {
		return err
	}
	way := ways[0]
	if only == "" {
		if way = l.cheapest(ways, sp, rows, told); way == nil {
			return l.window(ctx, sp)
		}
		l.drop()
	}
	left, err := l.by(ctx, way, sp, rows, told)
	if err != nil && l.canDoWithout(err, only) {
		l.rd.run.Log.Warn("a faster way to this stream cannot be taken, it is read page by page", "stream", l.rd.s.Name, "way", way.Name, "reason", err.Error())
		l.discard()
		return l.window(ctx, l.uncovered(left))
	}
	return err
}

// suitable are the ways that can give what is wanted.
func (l *lane) suitable(only string, read stream.Read) []*stream.Road {
	var out []*stream.Road
	ways := l.rd.s.Roads.Ways
	for i := range ways {
		if only != "" && only != ways[i].Name {
			continue
		}
		why := ""
		if ways[i].Suits != nil {
			why = ways[i].Suits(read)
		}
		if why == "" {
			out = append(out, &ways[i])
			continue
		}
		level := slog.LevelDebug
		if only != "" {
			level = slog.LevelInfo
		}
		l.rd.run.Log.Log(context.Background(), level, "a way to this stream cannot give what is selected", "stream", l.rd.s.Name, "way", ways[i].Name, "reason", why)
	}
	return out
}

// glance asks for the first page, which is kept for whoever reads the pages,
// and tells whether there are more.
func (l *lane) glance(ctx context.Context, sp span) (more bool, err error) {
	req := paging.First(l.rd.s.Page, l.request(sp))
	resp, err := l.fetch(ctx, req)
	if err != nil {
		if errors.Is(err, errEnded) || ctx.Err() != nil {
			return false, err
		}
		l.first = &answer{err: err}
		return false, nil
	}
	l.first = &answer{resp: resp}
	rows := 0
	count := func(which int, b []byte, i int) (int, error) {
		rows++
		return skipRow(which, b, i)
	}
	var page jsonspan.Page
	if l.rd.shape.Walk(resp.Body, &page, count) != nil {
		return false, nil //nolint:nilerr // whoever reads the page says what is wrong with it
	}
	next, err := paging.Next(l.rd.s.Page, req, paging.Head{
		Rows: rows, Seen: rows, Capture: func(path string) []byte { return l.captured(&page, path) },
	})
	return err == nil && next != nil, nil
}

// answer is one that was asked for before it is read.
type answer struct {
	resp *stream.Response
	err  error
}

// windowAfter reads a window whose first page has been asked for, unless that
// ended the run.
func (l *lane) windowAfter(ctx context.Context, sp span, err error) error {
	if err != nil {
		return err
	}
	return l.window(ctx, sp)
}

// drop forgets the first page.
func (l *lane) drop() {
	if l.first != nil && l.first.resp != nil {
		release(l.first.resp)
	}
	l.first = nil
}

// countRows asks how many rows a span holds; told is false where nobody says.
func (l *lane) countRows(ctx context.Context, sp span) (rows int64, told bool, err error) {
	roads := l.rd.s.Roads
	if roads.Count == nil {
		return 0, false, nil
	}
	req := roads.Count(l.wanted(sp))
	l.address(req)
	// Not through l.fetch: the first page waits there to be read.
	if !l.rd.run.ahead.room(l) {
		return 0, false, errEnded
	}
	resp, err := l.ask(ctx, req)
	switch {
	case errors.Is(err, stream.NoRows):
		return 0, true, nil
	case err == nil:
		defer release(resp)
		rows, told = roads.Counted(resp)
		return rows, told, nil
	case l.canDoWithout(err, ""):
		l.rd.run.Log.Debug("how many rows there are is not told", "stream", l.rd.s.Name, "reason", err.Error())
		return 0, false, nil
	}
	return 0, false, err
}

// canDoWithout tells whether a failure on a way leaves the others open. A way
// that the config insists on may be closed to the account or to the stream, but
// what goes wrong on it is told.
func (l *lane) canDoWithout(err error, only string) bool {
	if errors.Is(err, errEnded) || errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*record.FormError](err); ok {
		return true
	}
	e := fault.As(err)
	if e == nil || e.Whole || e.Partition {
		return false
	}
	switch e.Kind {
	case fault.Permission, fault.Refused:
		return true
	case fault.Transient, fault.Contract:
		return only == ""
	}
	return false
}

// cheapest is the way that costs least, nil for the pages. Where the number of
// rows is not known, nothing can be said for the others.
func (l *lane) cheapest(ways []*stream.Road, sp span, rows int64, told bool) *stream.Road {
	if !told {
		return nil
	}
	if most := l.rd.run.MaxRecords; most > 0 {
		rows = min(rows, most)
	}
	read := l.wanted(sp)
	least := l.costOfPages(rows)
	costs := []string{fmt.Sprintf("%s %.0f", byPages, least)}
	var best *stream.Road
	for _, w := range ways {
		cost := w.Cost(read, rows)
		costs = append(costs, fmt.Sprintf("%s %.0f", w.Name, cost))
		if cost < least {
			best, least = w, cost
		}
	}
	name := byPages
	if best != nil {
		name = best.Name
	}
	l.rd.run.Log.Debug("the ways to a stream, by what they cost", "stream", l.rd.s.Name, "rows", rows, "costs", strings.Join(costs, ", "), "taken", name)
	return best
}

// costOfPages counts the calls that so many rows take.
func (l *lane) costOfPages(rows int64) float64 {
	size := max(paging.Size(l.rd.s.Page), 1)
	pages := math.Ceil(float64(rows) / float64(size))
	if c := l.rd.s.Chunked; c != nil {
		more := math.Ceil(float64(size)/float64(c.MaxIDs)) * float64(len(l.rd.batches)-1)
		pages += pages * more
	}
	return pages
}

// by reads a span by one way, in halves where a job could not hold it: files
// that go on in another one may lose rows which move between the two. left is
// what has not been read should it fail.
func (l *lane) by(ctx context.Context, way *stream.Road, sp span, rows int64, told bool) (left span, err error) {
	if told && rows == 0 {
		// A count may lag behind the rows. The pages know.
		if none, err := l.holdsNothing(ctx, sp); err != nil {
			return sp, err
		} else if none {
			l.push(l.complete(sp))
			return span{}, nil
		}
	}
	a, b, ok := l.cut(sp)
	if !told || way.MaxRows <= 0 || rows <= way.MaxRows || !ok || l.miscounted {
		err := l.job(ctx, way.Job, sp)
		if err == nil && told && !l.enough() && rows > 4*l.came+way.MaxRows/4 {
			l.miscount(fmt.Sprintf("%d were counted of %d", rows, l.came))
		}
		return sp, err
	}
	halves := [2]struct {
		span
		rows int64
		told bool
	}{{span: a}, {span: b}}
	for i := range halves {
		h := &halves[i]
		if h.rows, h.told, err = l.countRows(ctx, h.span); err != nil {
			return sp, err
		}
	}
	if h := halves; h[0].told && h[1].told && h[0].rows+h[1].rows > rows+rows/2 {
		l.miscount(fmt.Sprintf("%d were counted of a whole, %d of its halves", rows, h[0].rows+h[1].rows))
		return l.by(ctx, way, sp, rows, false)
	}
	for _, half := range halves {
		rest, err := l.by(ctx, way, half.span, half.rows, half.told)
		if err != nil {
			rest.to, rest.openTo = sp.to, sp.openTo
			return rest, err
		}
		if l.enough() {
			break
		}
	}
	return span{}, nil
}

// tallied is what became of the vendor's counts.
type tallied struct {
	came       int64 // rows of the last job
	miscounted bool  // the counts are wrong
}

// miscount notes that the vendor's counts are wrong: by them a window would be cut
// down to seconds, each of which costs a job. What is left is read in one.
func (l *lane) miscount(how string) {
	if !l.miscounted {
		l.rd.run.Log.Warn("the service counts rows wrongly, its counts are not used any more", "stream", l.rd.s.Name, "reason", how)
	}
	l.miscounted = true
}

// holdsNothing asks for the first page from a span's beginning on: where rows come
// sorted, the first of them tells.
func (l *lane) holdsNothing(ctx context.Context, sp span) (bool, error) {
	cur := l.rd.s.Cursor
	if cur == nil || !cur.Sorted {
		return false, nil
	}
	if !l.rd.run.ahead.room(l) {
		return false, errEnded
	}
	req := paging.First(l.rd.s.Page, l.request(sp))
	resp, err := l.ask(ctx, req)
	if errors.Is(err, stream.NoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer release(resp)
	none, passed, rows := true, false, 0
	var page jsonspan.Page
	err = l.rd.shape.Walk(resp.Body, &page, func(_ int, b []byte, i int) (int, error) {
		rows++
		inside := true // a row without a value is nobody's
		m := jsonspan.NewMembers(b, i)
		for m.Next() {
			if m.Named(cur.Field) {
				v, err := parseBookmark(l.rd.unit, m.Value())
				inside = err != nil || !sp.outside(v)
				passed = passed || err == nil && !sp.openTo && v > sp.to
			}
		}
		none = none && !inside
		return m.End(), m.Err()
	})
	if err != nil {
		return false, l.shapeFault(err, resp)
	}
	next, err := paging.Next(l.rd.s.Page, req, paging.Head{
		Rows: rows, Seen: rows, Capture: func(path string) []byte { return l.captured(&page, path) },
	})
	return none && (passed || err == nil && next == nil), nil
}

// cut parts a span between two moments. Its open ends stand for the beginning
// of time and for the end of what may be bookmarked.
func (l *lane) cut(sp span) (a, b span, ok bool) {
	closed := sp
	if l.rd.s.Cursor == nil || l.rd.unit == stream.Int {
		return sp, sp, false
	}
	if closed.openFrom {
		closed.from, closed.openFrom = 0, false
	}
	if closed.openTo {
		closed.to, closed.openTo = l.rd.cap(), false
	}
	a, b, ok = closed.halves(l.rd.unit)
	if l.rd.unit == stream.Instant {
		b.from++ // what lies at the cut belongs to the first half
	}
	a.openFrom, b.to, b.openTo = sp.openFrom, sp.to, sp.openTo
	return a, b, ok
}

// outside tells whether a value lies outside of a span.
func (s span) outside(v int64) bool {
	return !s.openFrom && v < s.from || !s.openTo && v > s.to
}
