package engine

import (
	"errors"
	"maps"
	"math"
	"time"
)

// errLive is errMoved where the whole window need not be read again for it.
var errLive = errors.New(errMoved.Error())

// slack is how far a row's value may lie before what Date said at that moment:
// both have whole seconds, and the vendor's machines may disagree by two.
const slack = 3 * time.Second

// drift is what a read keeps of a sorted list whose page tokens may count rows.
// By a count, a row that leaves its place among those that were read, since it
// changed or was deleted, makes the next page begin one row too late: the row
// that is skipped lies at the edge between the two pages which were asked for
// before and after that moment. Whatever is not known for sure is taken for the
// worse, which costs a call.
type drift struct {
	// read holds the version of each row that was read, by the hash of its key;
	// two keys with one hash are as rare as in distinct.
	read map[uint64]int64
	// away are rows of read that are known to have left their place: they come
	// again at the end, or went.
	away map[uint64]struct{}
	// torn are rows that changed while they were put together.
	torn map[uint64]torn

	// Since the last proof:
	edges []edge
	pages int
	begun bool
	since peak // the vendor's clock before the first edge came about
	// strange is when, at the latest, a row left its place of which nobody knows
	// whether that was among those that were read: it may have been skipped.
	strange peak

	// low is the least value that a row had which left its place, late is when
	// the last one did, at the latest: what edges to come are held against.
	low, late peak
	next      bool // something may have left its place since the last page

	last     peak // the greatest value of the chain
	open     peak // that of the page before, until a row of this one is known
	asked    peak // the vendor's clock before the last page was made
	count    int  // pages of all chains
	before   int  // those of earlier ones
	longest  int  // pages of a repair, which may have read ahead
	anew     peak // where the last chain began that went on after another
	unlisted bool // the account may not read what was deleted
}

// edge is where a page ended and another began.
type edge struct {
	from, to int64
	at       int64  // the vendor's clock before the page was made that ends there
	first    uint64 // the row with which the other page began
	doubt    bool   // rows may have been skipped
	mended   bool   // they have been read
}

type torn struct {
	id string
	at int64
}

// reread is a read of what lies at an edge.
type reread struct {
	to  int64  // rows beyond are none of its
	end uint64 // the row before which it lies
	cap int64  // rows beyond may move: so do only those after them, which no bookmark covers
	// done: the end was seen, or what lies beyond.
	done bool
	// page holds the versions of the last page, turned those of the pages before.
	page, turned map[uint64]int64
	// came are the ids of all rows, nil where nobody asks.
	came map[string]struct{}
}

func (r *reread) saw(key uint64, v int64) {
	r.done = r.done || v > r.to || v == r.to && key == r.end
	r.page[key] = v
}

func (r *reread) turn() {
	maps.Copy(r.turned, r.page)
	clear(r.page)
}

// holds tells whether all rows are where an earlier read found them.
func (r *reread) holds(rows map[uint64]int64) bool {
	for key, v := range rows {
		if v > r.cap {
			continue
		}
		a, turned := r.turned[key]
		b, last := r.page[key]
		if !(turned && a == v || last && b == v) {
			return false
		}
	}
	return true
}

// guard returns what a read of the rows keeps for its proofs, nil where a
// stream needs none. What earlier reads of the lane brought is not forgotten.
func (l *lane) guard(p pass) *drift {
	if c := l.rd.s.Cursor; c == nil || c.Drift == nil || l.kind != window || p.onlyNull || p.first != nil {
		return nil
	}
	d := l.drift
	if d == nil {
		d = &drift{read: map[uint64]int64{}, away: map[uint64]struct{}{}, torn: map[uint64]torn{}}
		l.drift = d
	}
	clear(d.torn)
	*d = drift{read: d.read, away: d.away, torn: d.torn, count: d.count, before: d.count, longest: d.longest, unlisted: d.unlisted}
	return d
}

// knows tells whether a version was read already, or a later one.
func (d *drift) knows(key uint64, v int64) bool {
	old, ok := d.read[key]
	return ok && v <= old
}

// takes notes a row and tells whether this version is a new one.
func (d *drift) takes(st *pageState, key uint64, v int64, keyed bool) bool {
	if !keyed {
		v = math.MinInt64
	}
	if r := st.reread; r != nil {
		if r.saw(key, v); v > r.to {
			return false
		}
	}
	if st.reread == nil && keyed {
		d.passes(key, v)
	}
	if d.knows(key, v) {
		return false
	}
	d.left(key, v)
	delete(d.away, key)
	delete(d.torn, key)
	d.read[key] = v
	return true
}

// passes notes where a row lies in the pages. One before the last page's end
// begins a page that overlaps it.
func (d *drift) passes(key uint64, v int64) {
	if d.open.ok && v >= d.open.v {
		d.cut(edge{to: v, first: key})
	}
	d.open = peak{}
	d.last.raise(v)
}

// left notes that a row has left its place, if it had one, at a moment or before.
func (d *drift) left(key uint64, at int64) {
	old, known := d.read[key]
	_, away := d.away[key]
	switch {
	case known && !away:
		d.away[key] = struct{}{}
		d.doubt(old, at)
		if !d.low.ok || old < d.low.v {
			d.low = peak{old, true}
		}
		d.late.raise(at)
	case d.since.ok && at >= d.since.v:
		d.strange.raise(at)
	}
}

// doubt marks the edges behind a value of pages that were asked for up to a
// moment.
func (d *drift) doubt(from, at int64) {
	for i := range d.edges {
		e := &d.edges[i]
		e.doubt = e.doubt || e.from >= from && e.at <= at
	}
}

// cut adds an edge.
func (d *drift) cut(e edge) {
	e.from, e.at = d.open.v, math.MinInt64
	if d.asked.ok { // of the page before: the one at hand is not turned yet
		e.at = d.asked.v
	}
	e.doubt = d.next || d.low.ok && e.from >= d.low.v && e.at <= d.late.v
	d.next = false
	d.edges = append(d.edges, e)
}

// changed notes a row that changed while the pages were read.
func (d *drift) changed(key uint64, v int64) {
	if t, ok := d.torn[key]; ok && v > t.at {
		delete(d.torn, key) // it comes again
	}
	if !d.knows(key, v) {
		d.left(key, v)
	}
}

// deleted notes a row that was deleted while the pages were read.
func (d *drift) deleted(key uint64, at int64) {
	delete(d.torn, key)
	d.left(key, at)
}

// tear notes a row of a page that changed, or went, while it was put together:
// since the page was made.
func (d *drift) tear(st *pageState, key uint64, t torn) {
	d.torn[key] = t
	if _, known := d.read[key]; known {
		d.left(key, t.at)
	}
	if st.reread == nil {
		d.passes(key, t.at)
	}
	d.next = true
}

// turn notes the end of a page.
func (d *drift) turn(asked peak, more bool) {
	d.asked = asked
	if !d.begun {
		d.begun, d.since = true, asked
	}
	d.pages++
	d.count++
	if d.open = (peak{}); more {
		d.open = d.last
	}
}

// proven begins what comes after a proof, which began after the last page.
func (d *drift) proven(mended bool) {
	d.edges, d.pages, d.strange, d.since = d.edges[:0], 0, peak{}, d.asked
	if d.since.ok && d.late.v < d.since.v {
		d.low, d.late = peak{}, peak{}
	}
	// What had been skipped could move before it was found.
	d.next = d.next || mended
}

// worst returns the first edge in doubt as mended, with those that overlap it,
// and how many they are.
func (d *drift) worst() (e edge, n int) {
	least := int64(math.MaxInt64)
	for i := range d.edges {
		if d.edges[i].doubt {
			least = min(least, d.edges[i].from)
		}
	}
	if d.strange.ok { // what was skipped there may have moved since
		d.doubt(least, d.strange.v)
	}
	for i := range d.edges {
		x := &d.edges[i]
		open := x.doubt && !x.mended
		switch {
		case n == 0 && open:
			e = *x
		case n > 0 && open && x.from >= e.from && x.from <= e.to:
			if x.to >= e.to {
				e.to, e.first = x.to, x.first
			}
		case n > 0:
			return e, n
		default:
			continue
		}
		x.mended = true
		n++
	}
	return e, n
}
