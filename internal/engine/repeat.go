package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// gathered are the rows of a list, without a total, that several reads of it
// brought.
type gathered struct {
	keys  distinct
	rows  int64
	reads int // with as many rows as the last one
}

// covers takes in a read and tells whether it, or it and those before, brought
// all rows. One whose pages fit together did. Otherwise some rows may have come
// twice in place of others: by an order that leaves something open a service may
// repeat and omit the same rows each time, so that no new one is no proof. While
// the list stands still, however, the rows received are as many as it has: once
// two reads have the same number, and as many keys are known, nothing is missing.
func (k *gathered) covers(c *pageChain) bool {
	rows := int64(c.rows - c.shared)
	if !c.torn && c.seen.n == rows {
		return true
	}
	if k.reads == 0 || rows != k.rows {
		*k = gathered{rows: rows}
	}
	k.reads++
	k.keys.addAll(&c.seen)
	if k.keys.n > rows { // what went is among them: only this read counts
		*k = gathered{rows: rows, reads: 1}
		k.keys.addAll(&c.seen)
	}
	return k.reads > 1 && k.keys.n == rows
}

// seam is where pages overlap.
type seam struct {
	end  int // rows of the list up to the end of the last page
	most int // rows that a page of a Numbered list may have
	full int // rows of the fullest page, of one size
	// Of a Numbered list: the keys of the page at hand and of the one before, and
	// those of them that the page at hand still has to begin with.
	here, tail, due []uint64
	shared          int    // rows that came before, for the overlap
	open            bool   // the next row is the one that came last
	torn            bool   // it was another one: rows moved
	key             uint64 // of the last row
	raw             uint64
}

// overlaps prepares for a page and returns how many rows of it came before.
func (c *pageChain) overlaps(p stream.Pager, req *stream.Request) int {
	if o, ok := p.(stream.Offset); !ok || !o.Overlap {
		return 0
	}
	n := c.end - paging.Position(p, req)
	c.open = n > 0
	if c.due = nil; n > 0 && n <= len(c.tail) {
		c.due = c.tail[len(c.tail)-n:]
	}
	c.here = nil
	c.shared += n
	return n
}

// turned notes the end of a page.
func (c *pageChain) turned(p stream.Pager, req *stream.Request, rows int) {
	c.torn = c.torn || c.open || len(c.due) > 0 // it had no row at all
	c.tail = c.here
	asked := paging.Asked(p, req, rows)
	if c.full = max(c.full, rows); c.end == 0 {
		c.most = min(asked, rows)
	}
	c.end = paging.Position(p, req) + rows
}

// stitched tells whether a row that was just converted is the one that the page
// before ended with, as it was.
func (c *pageChain) stitched(f *feed, raw []byte, known bool) bool {
	o, ok := f.rd.s.Page.(stream.Offset)
	switch {
	case !ok || !o.Overlap:
		return false
	case o.Numbered:
		return c.sewn(f.conv.KeyHash(), o.Grows && known)
	}
	key, hash := f.conv.KeyHash(), maphash.Bytes(seamSeed, raw)
	same := c.open && key == c.key && hash == c.raw
	c.torn = c.torn || c.open && key != c.key
	c.open, c.key, c.raw = false, key, hash
	return same
}

// sewn is stitched for pages that may begin with several rows of the one before.
// What it holds beside its key need not be the same: a row that changed meanwhile
// is stamped later than the bookmark.
//
// known: the row came before, in a list that Grows in front. Then the page begins
// earlier than it was to: nothing was skipped as long as the last row of the page
// before follows.
func (c *pageChain) sewn(key uint64, known bool) bool {
	c.here, c.open = append(c.here, key), false
	if len(c.due) == 0 {
		return false
	}
	last := c.due[len(c.due)-1]
	same := c.due[0] == key
	if !same && known {
		if c.shared++; key == last {
			c.due = nil
		}
		return true
	}
	c.due = c.due[1:]
	if !same {
		c.torn, c.due = true, nil
	}
	return same
}

var seamSeed = maphash.MakeSeed()

// uncovered is what is to be read again of a span: a bookmark covers what comes
// before.
func (l *lane) uncovered(sp span) span {
	if l.upTo.ok && (sp.openFrom || l.upTo.v > sp.from) {
		sp.from, sp.openFrom = l.upTo.v, false
		l.feeds[0].low, l.feeds[0].cut = l.upTo.v+1, true
	}
	return sp
}

// lists reads a span of each of the stream's lists.
func (l *lane) lists(ctx context.Context, sp span) error {
	s := l.rd.s
	if len(s.Passes) == 0 {
		return l.window(ctx, sp)
	}
	l.kept = newOnce()
	for i := range s.Passes {
		p := &s.Passes[i]
		if p.If != "" && !l.rd.run.Config.Bool(p.If) {
			continue
		}
		l.extra, l.turn = p.Params, 0
		if err := l.window(ctx, sp); err != nil {
			return err
		}
	}
	return nil
}

// unsaid tells a parameter that is nothing but a value of the partition's which
// this one does not have: it is left out.
func (l *lane) unsaid(value string) bool {
	return slices.ContainsFunc(l.part.Values, func(v stream.Param) bool { return v.Value == "" && value == "{"+v.Name+"}" })
}

// another adds what a list is asked for by: the pass, and the order of a read
// that has to be another one than those before.
func (l *lane) another(req *stream.Request) {
	req.Params = append(req.Params, l.extra...)
	if o, ok := l.rd.s.Page.(stream.Offset); ok && len(o.Orders) > 0 {
		if order := o.Orders[l.turn%len(o.Orders)]; order.Name != "" {
			req.Params = append(req.Params, order)
		}
	}
}

// fitting gives the pages of a request the size that the vendor makes in time. A
// read that is to find what others did not see is cut elsewhere.
func (l *lane) fitting(req *stream.Request) *stream.Request {
	size := int(l.rd.sizeLeft.Load())
	if o, ok := l.rd.s.Page.(stream.Offset); ok && l.turn > 0 && o.UntilEmpty && o.Size >= 16 {
		if size == 0 {
			size = o.Size
		}
		size -= l.turn * size / 16
	}
	return paging.Resize(l.rd.s.Page, req, size)
}

// smaller tells whether to ask again for a page that the vendor did not make in
// time, and changes the request.
func (l *lane) smaller(req *stream.Request, err error) (*stream.Request, bool) {
	least, size := shrinks(l.rd.s.Page)
	if least <= 0 || !timedOut(err) {
		return req, false
	}
	asked := paging.Asked(l.rd.s.Page, req, size)
	if now := int(l.rd.sizeLeft.Load()); now > 0 && now < asked { // another lane has learned it
		return paging.Resize(l.rd.s.Page, req, now), true
	}
	if asked <= least {
		return req, false
	}
	size = max(asked/2, least)
	l.rd.sizeLeft.Store(int64(size))
	l.rd.run.Log.Info("the service does not make pages of this size in time, smaller ones are asked for", "stream", l.rd.s.Name, "rows", size)
	return paging.Resize(l.rd.s.Page, req, size), true
}

// shrinks tells down to which size pages are halved, 0 for never, and what
// theirs is.
func shrinks(p stream.Pager) (least, size int) {
	switch p := p.(type) {
	case stream.Offset:
		return p.Least, p.Size
	case stream.Keyset:
		return p.Least, p.Size
	}
	return 0, 0
}

// brief notes that less can be asked for where an answer does not come in time.
func (l *lane) brief(req *stream.Request) {
	least, size := shrinks(l.rd.s.Page)
	req.Brief = least > 0 && paging.Asked(l.rd.s.Page, req, size) > least
}

// shrunk is the request for a page again, in smaller ones.
func (c *pageChain) shrunk(p stream.Pager, req *stream.Request) *stream.Request {
	c.full = 0
	o, ok := p.(stream.Offset)
	if !ok || !o.Numbered || c.end == 0 {
		return req
	}
	c.most = min(c.most, paging.Asked(p, req, c.most))
	return paging.At(o, req, c.end, c.most)
}

// timedOut tells the answer of a service that did not come to an end.
func timedOut(err error) bool {
	e := fault.As(err)
	return e != nil && e.Kind == fault.Transient && (e.Status == http.StatusGatewayTimeout || errors.Is(err, stream.Late))
}

// dayMicros is the narrowest window that is left of one cut for its slowness.
const dayMicros = int64(24 * time.Hour / time.Microsecond)

// tooSlow tells whether a window is to be cut that the vendor did not read in
// time.
func (l *lane) tooSlow(sp span, err error) bool {
	c := l.rd.s.Cursor
	if c == nil || !c.Halve || sp.openFrom || sp.openTo || !timedOut(err) {
		return false
	}
	least := int64(1)
	if l.rd.unit == stream.Instant {
		least = dayMicros
	}
	width := sp.to - sp.from
	if width < 2*least {
		return false
	}
	l.rd.tooLong.Store(width)
	return true
}

// apart moves the edges of neighbouring windows to where a day of the vendor begins,
// of one who counts days: each belongs to one of them.
func (rd *reader) apart(list ...span) []span {
	c := rd.s.Cursor
	if !c.Halve || c.Floor == nil || rd.unit != stream.Instant {
		return list
	}
	for i := 1; i < len(list); i++ {
		at := rd.unit.FromTime(c.Floor(rd.run.Config, rd.unit.Time(list[i].from)))
		if at > list[i-1].from {
			list[i-1].to, list[i].from = at-1, at
		}
	}
	return list
}

// known to be wide: a window as wide was not read in time.
func (l *lane) tooWide(sp span) bool {
	w := l.rd.tooLong.Load()
	return w > 0 && !sp.openFrom && !sp.openTo && sp.to-sp.from >= w
}

// ascends refuses a list whose keys do not ascend though each page is asked for
// by the last one's.
func (c *pageChain) ascends(ks stream.Keyset, st *pageState) error {
	if !ks.Number || st.reread != nil {
		return nil
	}
	v, err := strconv.ParseInt(plain(string(st.last)), 10, 64)
	if err != nil {
		return nil //nolint:nilerr // asking for the next page tells it
	}
	if c.lastKey.ok && v < c.lastKey.v {
		return &fault.Error{
			Kind: fault.Contract, Err: fmt.Errorf("the rows do not come by their keys: %d after %d", v, c.lastKey.v),
			Hint: "pages are asked for by the last key, so that rows would be missed; report it to the vendor",
		}
	}
	c.lastKey = peak{v, true}
	return nil
}

// unfit is the fault of a list whose pages never fit together.
func (l *lane) unfit(sp span) error {
	return &fault.Error{
		Kind: fault.Contract, Op: "read " + l.label(sp), Err: fmt.Errorf("%w, %d times over, and some are missing", errTwice, maxRereads+1),
		Hint: "the order of the rows changes from page to page; run again at a quieter hour, and report it to the vendor if it stays",
	}
}

// errHeld stands for a rider's row whose carrier's row came before.
var errHeld = errors.New("the row came with the page before")

// hold notes that a carrier's row came before, and those that ride on it did too.
func (l *lane) hold(carrier *feed) {
	for _, f := range l.feeds[1:] {
		if w := f.rd.s.With; w.On != "" {
			if f.join == nil {
				f.join = map[string][]string{}
			}
			f.join[string(carrier.captured(w.From))] = nil
		}
	}
}

// tellAlike warns, once for each stream, of rows of one answer that share a key:
// a target that replaces rows by their keys keeps one of them.
func (l *lane) tellAlike(c *pageChain) {
	if _, one := l.rd.s.Page.(stream.Single); !one || int64(c.rows) <= c.seen.n || l.rd.alike.Swap(true) {
		return
	}
	l.rd.run.Log.Warn("several rows share a key: all are written, but a target that replaces rows by key keeps the last of them",
		"stream", l.rd.s.Name, "key", strings.Join(l.rd.s.Key, ", "))
}
