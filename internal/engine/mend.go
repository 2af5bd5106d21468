package engine

import (
	"context"
	"errors"
	"hash/maphash"

	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// maxJoins is how often rows are put together by their ids before each is asked
// for by itself.
const maxJoins = 3

// mend reads what may have been skipped: at the edges that are in doubt, and the
// rows that changed while they were put together. Those that are found may have
// left another place before, which throws doubt on more edges.
func (l *lane) mend(ctx context.Context, c *pageChain, sp span) (mended bool, err error) {
	d := l.drift
	for {
		e, n := d.worst()
		if n == 0 {
			break
		}
		if c.moved || l.loose { // the list is not what its edges take it for
			return false, errMoved
		}
		mended = true
		if err := l.readEdge(ctx, sp, e); err != nil {
			return false, err
		}
		c.slack = d.before + d.longest
	}
	for attempt := 0; len(d.torn) > 0; attempt++ {
		if attempt > maxRereads {
			return false, l.restless(sp, errLive)
		}
		mended = true
		if err := l.join(ctx, sp, attempt < maxJoins || l.rd.s.Chunked.One == ""); err != nil {
			return false, err
		}
	}
	return mended, nil
}

// readEdge reads what lies at an edge. One page is of one moment. Several are
// read until all rows of those but the last stood still from one read to the
// next: then none was skipped in the former.
func (l *lane) readEdge(ctx context.Context, sp span, e edge) error {
	sp.from, sp.openFrom = e.from, false
	var earlier map[uint64]int64
	for attempt := 0; ; attempt++ {
		r := &reread{to: e.to, end: e.first, cap: l.feeds[0].cap, page: map[uint64]int64{}, turned: map[uint64]int64{}}
		pages, err := l.readFrom(ctx, sp, r)
		if err != nil || pages <= 1 || earlier != nil && r.holds(earlier) {
			return err
		}
		if attempt > maxRereads {
			return l.restless(sp, errLive)
		}
		earlier = r.turned
	}
}

// readFrom reads a chain of pages until it is beyond the edge.
func (l *lane) readFrom(ctx context.Context, sp span, r *reread) (pages int, err error) {
	st := pageState{span: l.span, chain: &pageChain{}, drift: l.drift, reread: r}
	visited, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	req := paging.First(l.rd.s.Page, l.request(sp))
	for n := 1; req != nil; n++ {
		resp, err := l.fetchFields(ctx, req, 0, n == 1)
		switch {
		case errors.Is(err, stream.NoRows) && n > 1: // the page before led here
			return n, errHollow
		case errors.Is(err, stream.NoRows):
			return n, nil
		case errors.Is(err, stream.Restart):
			return n, l.tooMany()
		case err != nil:
			return n, pageFault(n, err)
		}
		known := len(r.turned)
		r.turn()
		next, err := l.readPage(ctx, n, req, resp, &st)
		if err == nil && next != nil {
			err = st.chain.progress(visited, requestHash(seed, next), n, len(r.page), n == 1 || len(r.turned) > known)
		}
		switch {
		case err != nil:
			return n, pageFault(n, err)
		case n > 1 && st.rows == 0 && next == nil:
			return n, errHollow
		case st.chain.moved:
			return n, errMoved
		case r.done:
			return n, nil
		}
		pages, req = n, next
	}
	return pages, nil
}

// readPage emits the rows of an answer that are new, and finds the next page.
func (l *lane) readPage(ctx context.Context, n int, req *stream.Request, resp *stream.Response, st *pageState) (*stream.Request, error) {
	defer l.release(resp)
	l.drift.longest = max(l.drift.longest, n)
	st.rows = 0
	if err := l.convert(ctx, resp, st); err != nil {
		l.discard()
		return nil, l.shapeFault(err, resp)
	}
	next, err := paging.Next(l.rd.s.Page, req, paging.Head{Rows: st.rows, Capture: func(path string) []byte { return l.captured(&l.page, path) }})
	l.flush(item{covers: l.span, ignored: l.ignored})
	return next, err
}
