package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	// maxIdle bounds how often a survey is made again that brings nothing new.
	maxIdle = 3
	// maxSurveys bounds how often one is made in all.
	maxSurveys = 30
)

// once knows the rows of a lane that reads a list more than once: one that comes
// again as it was is not written again. Of two rows with the same two hashes, one
// of the key and one of its bytes, there is a chance of 2^-128.
type once struct {
	rows map[uint64]uint64
	seed maphash.Seed
}

func newOnce() *once { return &once{rows: map[uint64]uint64{}, seed: maphash.MakeSeed()} }

// again notes a row and tells whether it was the last that came under its key.
func (o *once) again(key uint64, row []byte) bool {
	h := maphash.Bytes(o.seed, row)
	old, ok := o.rows[key]
	o.rows[key] = h
	return ok && old == h
}

// surveyed tells whether the pages are asked by a Survey.
func (rd *reader) surveyed() (stream.Number, bool) {
	p, ok := rd.s.Page.(stream.Number)
	return p, ok && p.Survey != nil
}

// survey reads a list of pages of which little is told.
func (l *lane) survey(ctx context.Context, sp span, p stream.Number) error {
	passes := l.rd.s.Passes
	if len(passes) == 0 {
		passes = []stream.Pass{{}}
	}
	kept := newOnce()
	for i := range passes {
		if passes[i].If != "" && !l.rd.run.Config.Bool(passes[i].If) {
			continue
		}
		l.extra = passes[i].Params
		err := l.complement(ctx, sp, surveying{pager: p, req: l.request(sp), kept: kept})
		if l.skips(err) {
			break
		}
		if err != nil || l.enough() {
			return err
		}
	}
	l.push(l.complete(sp))
	return nil
}

// surveying is what the pages of one pass have in common.
type surveying struct {
	pager stream.Number
	req   *stream.Request
	kept  *once
	// out is how often the first page is asked for before the pages are: an order
	// that moves on with each call may keep in step with them.
	out int
}

// complement reads the list as often as it takes to have all rows.
func (l *lane) complement(ctx context.Context, sp span, s surveying) error {
	var union distinct
	total, idle := int64(-1), 0
	for n := 0; ; n++ {
		counted, c, err := l.readThrough(ctx, sp, s)
		if err != nil || l.enough() {
			return err
		}
		if counted != total { // what earlier reads brought may be gone
			union, total = distinct{}, counted
		}
		grew := union.merge(&c.seen)
		switch {
		case total < 0, c.seen.n >= total, union.n >= total:
			return nil
		case grew:
			idle = 0
		default:
			idle++
		}
		s.out = idle
		if idle == maxIdle || n == maxSurveys {
			return l.incomplete(union.n, total)
		}
		l.rd.run.Log.Debug("reading a list again", "stream", l.rd.s.Name, "rows", union.n, "counted", total)
	}
}

// incomplete is the fault of a list that does not give what the vendor counts.
func (l *lane) incomplete(rows, total int64) error {
	return &fault.Error{
		Kind: fault.Contract, Err: fmt.Errorf("the vendor counts %d rows, but the pages bring %d, however often they are asked for", total, rows),
		Hint: "the vendor seems to ignore which page is asked for, or does not let all rows be read; report it to the vendor",
	}
}

// readThrough asks all pages once, and returns what the vendor counts, -1 if it
// does not tell.
func (l *lane) readThrough(ctx context.Context, sp span, s surveying) (total int64, c *pageChain, err error) {
	total, c = -1, &pageChain{}
	if s.pager.Survey.From != "" {
		if total, err = l.countedBy(ctx, s); err != nil {
			return total, c, err
		}
	} else if s.pager.Total == "" {
		rows, _, err := l.page1(ctx, sp, s, c)
		if err != nil || l.enough() || l.holdsAll(rows, s.pager) {
			return total, c, err
		}
	}
	numbered, stale := &pageChain{}, 0 // an unnumbered page comes again
	first := s.pager.First
	if s.pager.Total == "" && l.rd.fromFirst.Load() {
		first++ // its rows are those of the unnumbered page
	}
	if s.pager.Total != "" {
		numbered = c
	}
	for range s.out {
		if _, _, err := l.numbered(ctx, sp, s, s.pager.First, numbered); err != nil {
			return total, c, pageFault(s.pager.First, err)
		}
	}
	for n := first; ; n++ {
		known := numbered.seen.n
		rows, told, err := l.numbered(ctx, sp, s, n, numbered)
		switch e := fault.As(err); {
		case e != nil && e.Kind == fault.Refused && n > s.pager.First:
			rows = 0 // there is no such page
		case err != nil:
			return total, c, pageFault(n, err)
		}
		if total < 0 {
			total = told
		}
		if n == s.pager.First && s.pager.Total == "" && rows > 0 && numbered.seen.n == c.seen.n && !c.seen.merge(&numbered.seen) {
			l.rd.fromFirst.Store(true)
		}
		if l.enough() || rows == 0 || total >= 0 && numbered.seen.n >= total {
			break
		}
		if numbered.seen.n > known {
			stale = 0
			continue
		}
		if stale++; stale >= maxStale {
			if total < 0 {
				return total, c, &fault.Error{Kind: fault.Contract, Err: fmt.Errorf("the last %d pages brought only rows that were there before", maxStale), Hint: "the vendor seems to ignore which page is asked for; report it"}
			}
			break
		}
	}
	if s.pager.Total == "" || total >= 0 && c.seen.n >= total || l.enough() {
		return total, c, nil
	}
	return total, c, l.pageZero(ctx, sp, s, c)
}

// holdsAll tells whether the answer without a page's number is the whole list: where
// another one had more rows, or as many were asked for, nothing cut it off.
func (l *lane) holdsAll(rows int, p stream.Number) bool {
	for {
		most := l.rd.fullest.Load()
		switch {
		case rows == 0:
			return true
		case rows < l.pageSize(p.Size) && (rows < p.Survey.Least || int64(rows) < most):
			return true
		case l.rd.fullest.CompareAndSwap(most, max(most, int64(rows))):
			return false
		}
	}
}

// pageZero asks for the page that is there where pages count from 0. What refuses
// it says that there is none.
func (l *lane) pageZero(ctx context.Context, sp span, s surveying, c *pageChain) error {
	if l.rd.noZero.Load() {
		return nil
	}
	_, _, err := l.numbered(ctx, sp, s, 0, c)
	if e := fault.As(err); e != nil && e.Status >= http.StatusBadRequest && (e.Kind == fault.Refused || e.Kind == fault.Transient) {
		l.rd.noZero.Store(true)
		return nil
	}
	return err
}

// page1 asks for the first page without saying so.
func (l *lane) page1(ctx context.Context, sp span, s surveying, c *pageChain) (rows int, total int64, err error) {
	return l.fitted(s.pager.Survey, func(size int) (int, int64, error) {
		return l.one(ctx, sp, s, paging.Sized(s.pager, s.req, size), c)
	}, s.pager.Size)
}

// numbered asks for a page.
func (l *lane) numbered(ctx context.Context, sp span, s surveying, n int, c *pageChain) (rows int, total int64, err error) {
	least := s.pager.Survey
	if n != s.pager.First {
		least = &stream.Survey{} // the size is settled
	}
	return l.fitted(least, func(size int) (int, int64, error) {
		return l.one(ctx, sp, s, paging.Numbered(s.pager, s.req, size, n), c)
	}, s.pager.Size)
}

// fitted asks with the size that the vendor takes: one that it refuses is halved,
// down to the least.
func (l *lane) fitted(survey *stream.Survey, ask func(size int) (int, int64, error), size int) (rows int, total int64, err error) {
	for {
		at := l.pageSize(size)
		rows, total, err = ask(at)
		e := fault.As(err)
		if e == nil || e.Status != http.StatusBadRequest || survey.Least <= 0 || at <= survey.Least {
			return rows, total, err
		}
		at = max(at/2, survey.Least)
		l.rd.run.Log.Info("the service refuses the page size, a smaller one is tried", "stream", l.rd.s.Name, "size", at)
		l.rd.size.Store(int64(at))
	}
}

func (l *lane) pageSize(size int) int {
	if n := int(l.rd.size.Load()); n > 0 {
		return n
	}
	return size
}

// one reads one page, and tells its rows and the vendor's count, -1 for none.
func (l *lane) one(ctx context.Context, sp span, s surveying, req *stream.Request, c *pageChain) (rows int, total int64, err error) {
	resp, err := l.fetch(ctx, req)
	if errors.Is(err, stream.NoRows) || errors.Is(err, stream.PastEnd) {
		return 0, -1, nil
	}
	if err != nil {
		return 0, -1, err
	}
	st := pageState{span: sp, chain: c, once: s.kept}
	if err := l.convert(ctx, resp, &st); err != nil {
		err = l.shapeFault(err, resp)
		l.discard()
		l.release(resp)
		return 0, -1, err
	}
	c.rows += st.rows
	total = -1
	if n, ok := l.total(&l.page); ok {
		total = n
	}
	l.release(resp)
	l.flush(item{covers: sp})
	return st.rows, total, nil
}

// countedBy asks the list that tells the count; -1 where it may not be read.
func (l *lane) countedBy(ctx context.Context, s surveying) (total int64, err error) {
	_, _, err = l.fitted(s.pager.Survey, func(size int) (int, int64, error) {
		total = -1
		req := paging.Numbered(s.pager, s.req, size, s.pager.First)
		req.URL = l.expand(s.pager.Survey.From, pathEscape)
		resp, err := l.fetch(ctx, req)
		if errors.Is(err, stream.NoRows) {
			total = 0
		}
		if err != nil {
			return 0, 0, err
		}
		defer release(resp)
		shape, err := jsonspan.CompileShape(jsonspan.Paths{Captures: []string{s.pager.Total}})
		if err != nil {
			return 0, 0, err
		}
		var page jsonspan.Page
		if err := shape.Walk(resp.Body, &page, skipRow); err != nil {
			return 0, 0, l.shapeFault(err, resp)
		}
		n, ok := integer(page.Capture(0))
		if !ok {
			return 0, 0, &fault.Error{Kind: fault.Contract, Err: errors.New("the answer does not tell its " + s.pager.Total)}
		}
		total = n
		return 0, 0, nil
	}, s.pager.Size)
	if e := fault.As(err); errors.Is(err, stream.NoRows) || e != nil && e.Kind == fault.Permission {
		return total, nil
	}
	return total, err
}

// wholeOrEach reads a list as a whole, or where that is refused, once for each row
// of another.
func (l *lane) wholeOrEach(ctx context.Context, sp span) error {
	c := &pageChain{}
	_, _, err := l.one(ctx, sp, surveying{}, l.request(sp), c)
	switch {
	case l.inParts(err):
		return l.each(ctx, sp)
	case err != nil:
		return pageFault(1, err)
	}
	l.tellAlike(c)
	l.push(l.complete(sp))
	return nil
}

// each reads a list that is refused as a whole, once for each row of another.
func (l *lane) each(ctx context.Context, sp span) error {
	by := l.rd.s.Each
	var values []string
	resp, err := l.fetch(ctx, &stream.Request{URL: l.expand(by.Path, pathEscape), Lane: l.laneName(), Resource: l.rd.s.Name})
	switch {
	case errors.Is(err, stream.NoRows):
	case err != nil:
		return err
	default:
		var page jsonspan.Page
		err := bareRows.Walk(resp.Body, &page, func(_ int, b []byte, i int) (int, error) {
			m := jsonspan.NewMembers(b, i)
			for m.Next() {
				if k := m.Info().Kind(); m.Named(by.Member) && (k == jsonspan.String || k == jsonspan.Integer) {
					values = append(values, plain(string(m.Value())))
				}
			}
			return m.End(), m.Err()
		})
		if err == nil && !page.Found(0) {
			err = &jsonspan.ShapeError{Found: "no array"}
		}
		if err != nil {
			err = l.shapeFault(err, resp)
			release(resp)
			return err
		}
		release(resp)
	}
	l.rd.run.Log.Info("the service refuses to give the list as a whole, it is asked in parts", "stream", l.rd.s.Name, "parts", len(values))
	kept := newOnce()
	for _, v := range values {
		req := l.request(sp)
		req.Params = append(slices.Clone(req.Params), stream.Param{Name: by.Param, Value: v})
		if _, _, err := l.one(ctx, sp, surveying{kept: kept}, req, &pageChain{}); err != nil {
			if e := fault.As(err); e == nil || e.Status != http.StatusNotFound { // it went
				return err
			}
		}
		if l.enough() {
			return nil
		}
	}
	l.push(l.complete(sp))
	return nil
}

// inParts tells whether a refusal leaves another way to a list.
func (l *lane) inParts(err error) bool {
	e := fault.As(err)
	return e != nil && l.rd.s.Each != nil && e.Kind == fault.Refused && e.Status == http.StatusBadRequest
}

// fills are the literals that stand for what the vendor leaves out.
func (rd *reader) fills() map[string]string {
	out := map[string]string{}
	for _, p := range rd.s.Fill {
		v := rd.run.Config.Expand(p.Value, func(v string) string { return v })
		if !p.Raw {
			v = string(jsonspan.AppendQuoted(nil, []byte(v)))
		}
		out[p.Name] = v
	}
	return out
}
