package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// pass is how a read treats the rows it sees.
type pass struct {
	// onlyNull drops rows that have a replication value.
	onlyNull bool
	// first is asked after the first page whether its rows are wanted and the
	// pages after it; it gets the vendor's count (-1 for none), the rows without
	// replication value, and whether there are no further pages.
	first func(total, nulls int64, last bool) (bool, error)
	// more is asked after each page whether to read on, with the rows without
	// replication value so far; nil reads to the end.
	more func(nulls int64) bool
	// all holds the keys of earlier reads of the same window, in which rows
	// came twice; nil where that does not matter.
	all *gathered
	// nulls gets the number of rows without replication value; nil for nobody.
	nulls *int64
	// within drops rows outside of the span.
	within bool
}

// pageChain is what the pages of one read have in common.
type pageChain struct {
	seen  distinct
	rows  int
	nulls int64
	// prev is the greatest replication value so far, under the greatest below
	// it; moved tells that rows do not come sorted by it, or moved, so that no
	// bookmark may rely on them.
	prev, under peak
	moved       bool
	unproven    bool // a link to the next page did not tell that the rows are sorted
	stale       int  // pages in a row that brought no new key
	empty       int  // pages in a row without rows
	slack       int  // how many more of them are no wonder
	seam
	lastKey peak // of a Keyset that counts
}

// pages reads one chain of pages. The rows are handed over page by page; an
// error of errMoved, errGrown, errTwice, errLoose, errWide or a shortage asks the caller to
// read again.
func (l *lane) pages(ctx context.Context, req *stream.Request, sp span, p pass) error {
	rd := l.rd
	pager := rd.s.Page
	req = l.fitting(paging.First(pager, req))
	c := &pageChain{}
	for _, f := range l.feeds {
		f.counted, f.inside = peak{}, peak{} // what was discarded does not count
	}
	d := l.guard(p)
	if d != nil {
		c.slack = d.before + d.longest
	}
	visited := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	counted, total, shrunk := int64(-1), int64(-1), false // by the first page and by the last
	ended, promised := true, false                        // the list, not the read; the page at hand is to have rows
	for n := 1; req != nil; n++ {
		asked := l.asking()
		shared := c.overlaps(pager, req)
		l.brief(req)
		resp, err := l.fetchFields(ctx, req, 0, n == 1)
		if less := l.lessFields(req, 0, err); less || errors.Is(err, stream.Restart) {
			if less && d == nil {
				return errMoved // the token is of another request
			}
			if req, err = l.begins(c, sp, !less); err != nil {
				return pageFault(n, err)
			}
			continue
		}
		if less, ok := l.smaller(req, err); ok {
			c.shared -= shared
			req = c.shrunk(pager, less)
			continue
		}
		if n == 1 && l.tooSlow(sp, err) {
			return errWide
		}
		if errors.Is(err, stream.NoRows) {
			if n > 1 && paging.Led(pager, promised) {
				if req, err = l.resumes(c, sp); err != nil {
					return err
				}
				continue
			}
			ended = true
			break
		}
		if errors.Is(err, stream.PastEnd) && n > 1 {
			// Without a count, a refused page is how a list of full pages ends.
			if total < 0 && countsRows(pager) && !promised || total >= 0 && c.seen.n >= total {
				break
			}
			return errMoved
		}
		switch {
		case n == 1 && l.skips(err), errors.Is(err, stream.SkipParent) && l.skips(err):
			return nil
		case err != nil:
			return pageFault(n, err)
		}
		st := pageState{span: sp, pass: p, chain: c, drift: d, once: l.kept, within: p.within}
		known, high := c.seen.n, c.prev
		if err := l.convert(ctx, resp, &st); err != nil {
			err = pageFault(n, l.shapeFault(err, resp))
			l.discard()
			l.release(resp)
			return err
		}
		if err := l.unsound(sp, st.rows); err != nil {
			l.release(resp)
			return err
		}
		c.rows += st.rows
		if t, ok := l.total(&l.page); ok {
			if n == 1 && p.first == nil && l.wide(sp, t) {
				l.discard()
				l.release(resp)
				return errWide
			}
			shrunk = shrunk || total >= 0 && t < total
			if total = t; counted < 0 {
				counted = t
			}
		}
		c.turned(pager, req, st.rows)
		head := paging.Head{
			Rows: st.rows, Seen: c.rows - c.shared, Shared: shared, Last: st.last, Most: c.most, Fullest: c.full,
			Capture: func(path string) []byte { return l.captured(&l.page, path) },
		}
		next, err := paging.Next(pager, req, head)
		if err == nil && next == nil && promised && st.rows == 0 {
			l.release(resp)
			if req, err = l.resumes(c, sp); err != nil {
				return err
			}
			continue
		}
		promised = paging.Promises(pager, head)
		if d != nil {
			if ended = next == nil; l.beyondEnd(c) {
				next = nil
			}
			d.turn(l.clock(asked, resp.Header), next != nil)
		}
		l.release(resp)
		if err == nil && next != nil {
			err = c.progress(visited, requestHash(seed, next), n, st.rows, c.seen.n > known || c.prev.ok && (!high.ok || c.prev.v > high.v))
			if cur := rd.s.Cursor; cur != nil && cur.Proof != nil && !(c.prev.ok && cur.Proof(next.URL, c.prev.v)) {
				c.unproven = true
			}
		}
		if err != nil {
			return pageFault(n, err)
		}
		if n == 1 && p.first != nil {
			if goOn, err := p.first(total, c.nulls, next == nil); err != nil || !goOn {
				l.discard()
				return err
			}
		}
		c.moved = c.moved || shrunk
		done := item{covers: sp, ignored: l.ignored}
		if d == nil {
			done.upTo = l.sorted(c)
		}
		if done.upTo.ok {
			l.upTo = done.upTo
		}
		l.flush(done)
		if l.enough() || p.more != nil && !p.more(c.nulls) {
			return nil
		}
		if d != nil && next != nil && d.pages >= rd.s.Cursor.Drift.Pages && !c.moved && !l.loose {
			if err := l.prove(ctx, c, sp, false); err != nil {
				return err
			}
			if up := l.sorted(c); up.ok {
				l.upTo = up
				l.push(item{covers: sp, upTo: up})
			}
		}
		req = next
	}
	if d != nil {
		if err := l.prove(ctx, c, sp, ended); err != nil {
			return err
		}
	}
	if p.nulls != nil {
		*p.nulls = c.nulls
	}
	l.tellAlike(c)
	switch {
	case shrunk, c.seen.n < counted:
		return errMoved
	case total > counted:
		return errGrown // what is missing is no more than what was added
	case total < 0 && p.all != nil && countsRows(pager) && !p.all.covers(c):
		return errTwice
	}
	return nil
}

// countsRows tells pagers under which rows that move are missed or come twice.
func countsRows(p stream.Pager) bool {
	switch p.(type) {
	case stream.Number, stream.Offset:
		return true
	}
	return false
}

// wide tells whether a window of so many rows is to be cut before it is read.
func (l *lane) wide(sp span, total int64) bool {
	c := l.rd.s.Cursor
	if c == nil || c.MaxRows <= 0 || total <= int64(c.MaxRows) || l.ignored || l.loose {
		return false
	}
	_, _, can := sp.halves(l.rd.unit)
	return can
}

// enough tells whether the lane gave as many records as the user wants.
func (l *lane) enough() bool {
	return l.rd.enough(func(i int) int64 { return l.feeds[i].given })
}

// enough tells whether a stream has as many records as the user wants, or where
// it is not selected itself, those that ride on it; given counts them in the
// order of the family. One with children is read on for their sake.
func (rd *reader) enough(given func(i int) int64) bool {
	most := rd.run.MaxRecords
	if most <= 0 || rd.hasKids() {
		return false
	}
	if rd.selected {
		return given(0) >= most
	}
	for i, f := range rd.family() {
		if f.selected && given(i) < most {
			return false
		}
	}
	return true
}

// pageState is what one page adds to a read.
type pageState struct {
	span  span
	pass  pass
	chain *pageChain
	rows  int
	last  []byte // a keyset's field in the last row
	// drift is what proofs need of the rows, nil for nothing; reread what lies at
	// an edge, nil for the pages themselves.
	drift  *drift
	reread *reread
	// within: rows outside of the span are none of its own.
	within bool
	// written: an earlier run has written the row at hand.
	written bool
	// once knows the rows that were read before, nil where all are written.
	once *once
	// apart are lists that the page did not hold.
	apart []apart
	// ours is the last value of the scope's Tells that is no other partition's.
	ours string
}

// convert turns the rows of an answer into lines, in one pass over its bytes.
func (l *lane) convert(ctx context.Context, resp *stream.Response, st *pageState) error {
	extracted := l.rd.run.Now().UTC().Format(stream.MicroLayout)
	for _, f := range l.feeds {
		f.conv.SetTime(extracted)
		clear(f.join)
		f.wait = f.wait[:0]
	}
	if c := l.rd.s.Chunked; c != nil {
		return l.chunked(ctx, c, resp, st)
	}
	body, err := scalar(l.rd.s.Scalar).wrapped(resp.Body)
	if err != nil {
		return err
	}
	shape, err := l.rd.shapeOf(body)
	if err != nil {
		return err
	}
	err = shape.Walk(body, &l.page, func(which int, b []byte, i int) (int, error) {
		which = l.rd.feedAt(which)
		f := l.feeds[which]
		if which > 0 && f.rd.s.With.On != "" {
			f.wait = append(f.wait, i) // the carrier's row may come later
			return jsonspan.Value(b, i)
		}
		return l.row(f, b, i, st)
	})
	if err != nil {
		return err
	}
	if err := l.rd.holds(&l.page); err != nil {
		return err
	}
	for which, f := range l.feeds[:1+l.rd.outer()] {
		// Where the carrier has no rows, that of a rider may be left out too.
		if !l.rd.found(&l.page, which) && st.rows > 0 && !f.rd.s.Optional {
			return &jsonspan.ShapeError{Path: f.rd.s.Records, Found: "nothing"}
		}
		for _, i := range f.wait {
			if _, err := l.row(f, body, i, st); err != nil {
				return err
			}
		}
	}
	return l.askApart(ctx, st)
}

// row converts one row and decides whether it is emitted.
func (l *lane) row(f *feed, b []byte, i int, st *pageState) (end int, err error) {
	if f.lines == nil {
		f.lines = getLines()
	}
	if f != l.feeds[0] && f.rd.s.With.On != "" {
		if err := l.lend(f, b, i); errors.Is(err, errHeld) {
			return jsonspan.Value(b, i)
		} else if err != nil {
			return 0, err
		}
	}
	buf := *f.lines
	start := len(buf)
	buf, end, err = f.conv.Append(buf, b, i)
	*f.lines = buf
	if err != nil {
		*f.lines = buf[:start]
		return 0, err
	}
	if err := l.foreign(f, st); err != nil {
		*f.lines = buf[:start]
		return 0, err
	}
	own := f == l.feeds[0]
	distinct := st.chain.seen.n
	if own {
		st.rows++
		if st.drift == nil { // which keeps the keys itself
			st.chain.seen.add(f.conv)
		}
		if ks, ok := f.rd.s.Page.(stream.Keyset); ok {
			st.last = f.captured(ks.Field)
			if err := st.chain.ascends(ks, st); err != nil {
				*f.lines = buf[:start]
				return 0, err
			}
		}
	}
	if _, keyed := f.conv.Cursor(); own && !keyed && st.chain.seen.n > distinct {
		st.chain.nulls++
	}
	if own && st.chain.stitched(f, b[i:end], st.chain.seen.n == distinct) {
		*f.lines = buf[:start]
		l.hold(f)
		return end, nil
	}
	if own && st.once != nil && st.once.again(f.conv.KeyHash(), b[i:end]) {
		*f.lines = buf[:start]
		return end, nil
	}
	if err := l.took(f, start, st); err != nil || !own {
		return end, err
	}
	return end, l.insides(b, i, st)
}

// took decides whether the row that was just converted, whose line begins at
// start, is emitted.
func (l *lane) took(f *feed, start int, st *pageState) error {
	v, keyed := f.conv.Cursor()
	if st.drift != nil && f == l.feeds[0] {
		if !st.drift.takes(st, f.conv.KeyHash(), v, keyed) {
			*f.lines = (*f.lines)[:start]
			return nil
		}
		st.chain.seen.n++
	}
	emit, keep := l.judge(f, st, v, keyed)
	if keep && len(f.kids) > 0 && l.kind != deleted { // what is gone has no children
		f.keepParent(v, keyed)
	}
	if f == l.feeds[0] && len(l.rd.riders) > 0 {
		l.offer(f)
	}
	if f.graves != nil && keyed {
		f.graves.saw(f.conv.KeyHash(), v)
	}
	if !emit || st.written || !f.rd.selected {
		*f.lines = (*f.lines)[:start]
		return nil
	}
	f.records++
	f.given++
	if len(*f.lines) >= chunkBytes {
		l.flush(item{covers: st.span, ignored: l.ignored})
		if !l.rd.run.ahead.room(l) {
			return errEnded
		}
	}
	return nil
}

// judge decides whether a row is emitted and kept for the kids of its stream,
// and what it means for the bookmark.
func (l *lane) judge(f *feed, st *pageState, v int64, keyed bool) (emit, keep bool) {
	own := f == l.feeds[0]
	if !keyed {
		return true, true
	}
	if own {
		if st.pass.onlyNull || st.within && st.span.outside(v) {
			return false, false
		}
		c := st.chain
		c.moved = c.moved || c.prev.ok && v < c.prev.v
		if v != c.prev.v {
			c.under = c.prev
		}
		c.prev.raise(v)
		below, above := l.beyond(v, st.span)
		if l.loose = l.loose || below; above && !l.ignored {
			l.ignore()
		}
		if below && l.at > 0 {
			return false, false // an earlier window held it
		}
	}
	emit = !(f.cut && v < f.low) && v <= f.end
	// What is not written is no bookmark.
	if emit && v <= f.cap && (!own || l.ignored || st.span.openTo || v <= st.span.to) {
		f.counted.raise(v)
		if own {
			l.ties.add(v, f.conv.KeyHash())
		}
		if v < st.span.to || l.rd.unit != stream.Instant {
			f.inside.raise(v)
		}
	}
	f.max = f.counted
	return emit, true
}

// beyond tells whether a row lies so far outside of the window that was asked
// for that the filter must have been ignored: some vendors compare whole days.
func (l *lane) beyond(v int64, sp span) (below, above bool) {
	slack := int64(2)
	switch l.rd.unit {
	case stream.Int:
		return false, false
	case stream.Instant:
		slack *= 24 * 3600 * 1e6
	}
	if p, ok := l.rd.s.Page.(stream.Single); !l.rd.s.Cursor.Filtered() || ok && p.Total != "" {
		return false, false
	}
	return !sp.openFrom && v < sp.from-slack, !sp.openTo && !l.unended(sp) && v > sp.to+slack
}

// peak is the greatest of the values seen; not ok before the first.
type peak struct {
	v  int64
	ok bool
}

func (p *peak) raise(v int64) {
	if !p.ok || v > p.v {
		*p = peak{v, true}
	}
}

func (f *feed) captured(member string) []byte {
	for i, name := range f.rd.capture {
		if name == member {
			return f.conv.Captured(i)
		}
	}
	return nil
}

// keepParent notes what the kids of this row need, if one of them wants it.
func (f *feed) keepParent(v int64, keyed bool) {
	if keyed && !slices.ContainsFunc(f.kids, func(k kidBound) bool { return k.all || v >= k.low }) {
		return
	}
	var b strings.Builder
	for i := range f.rd.capture {
		if i > 0 {
			b.WriteByte(0)
		}
		b.Write(f.rd.kept(f.rd.capture[i], f.conv.Captured(i)))
	}
	f.parents = append(f.parents, parentRow{b.String(), v, keyed && !f.edited})
}

// offer notes what a carrier's row lends to the riders that join on it.
func (l *lane) offer(carrier *feed) {
	for _, f := range l.feeds[1:] {
		w := f.rd.s.With
		if w.On == "" {
			continue
		}
		if f.join == nil {
			f.join = map[string][]string{}
		}
		lent := make([]string, 0, len(w.Inject))
		for _, b := range w.Inject {
			lent = append(lent, string(carrier.captured(b.From)))
		}
		f.join[string(carrier.captured(w.From))] = lent
	}
}

// lend sets what a rider's row gets from its carrier's row.
func (l *lane) lend(f *feed, b []byte, i int) error {
	w := f.rd.s.With
	m := jsonspan.NewMembers(b, i)
	on := ""
	for m.Next() {
		if m.Named(w.On) {
			on = string(m.Value())
		}
	}
	lent, ok := f.join[on]
	if m.Err() != nil {
		return m.Err()
	}
	if !ok || on == "" {
		return &fault.Error{Kind: fault.Contract, Err: fmt.Errorf("a row of %s belongs to no row of %s: its %s is %s", f.rd.s.Name, l.rd.s.Name, w.On, told(on))}
	}
	if lent == nil {
		return errHeld
	}
	n := len(f.rd.scoped)
	for j, bind := range w.Inject {
		if bind.Inject == "" {
			continue
		}
		literal := lent[j]
		if literal == "" {
			literal = "null"
		}
		f.conv.SetInject(n, []byte(literal))
		n++
	}
	return nil
}

// discard forgets what the page at hand produced.
func (l *lane) discard() {
	for _, f := range l.feeds {
		putLines(f.lines)
		f.block = block{}
	}
}
