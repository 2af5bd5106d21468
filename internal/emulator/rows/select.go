package rows

import (
	"cmp"
	"slices"
	"sort"
)

// ByID is the order of the ids, for [Query.Order].
const ByID = -1

// Window keeps the rows whose instant on a clock lies between two instants,
// both included. A row that has no instant is in no window.
type Window struct {
	Clock  int
	Lo, Hi int64 // microseconds since 1970
}

// Query says which rows, in which order.
type Query struct {
	Windows []Window
	// First and Last restrict to the rows numbered [First, Last), and to the
	// added rows that Also lets pass. Both zero: no restriction.
	First, Last int64
	Also        func(index int64) bool
	Order       int // ByID or a clock; rows without an instant come last
	Desc        bool
}

// All is every row in order of the ids.
func All() Query { return Query{Order: ByID} }

// Select counts the rows of a query, lets place choose the offset and number
// of those wanted, and appends these to dst. All of it sees one state of the
// table. A negative number selects nothing.
//
// A window on one clock, with or without its order, costs the same whatever
// the size of the table. Windows on two clocks, or a window on one and the
// order of another, are read through one by one.
func (t *Table) Select(q Query, dst []Row, place func(count int64) (offset, n int64)) ([]Row, int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	windows := intersect(q.Windows)
	var v view
	if q.Last > 0 || len(windows) > 1 || len(windows) == 1 && q.Order != ByID && q.Order != windows[0].Clock {
		v = t.list(q, windows)
	} else {
		v = t.merge(q, windows)
	}
	count := v.count()
	offset, n := place(count)
	n = min(n, count-offset)
	if n <= 0 {
		return dst, count
	}
	if !q.Desc {
		return v.page(dst, offset, n), count
	}
	from := len(dst)
	dst = v.page(dst, count-offset-n, n)
	slices.Reverse(dst[from:])
	return dst, count
}

// view is an ordered selection of rows.
type view interface {
	count() int64
	page(dst []Row, offset, n int64) []Row
}

// intersect leaves one window per clock.
func intersect(in []Window) []Window {
	var out []Window
next:
	for _, w := range in {
		for k := range out {
			if out[k].Clock == w.Clock {
				out[k].Lo, out[k].Hi = max(out[k].Lo, w.Lo), min(out[k].Hi, w.Hi)
				continue next
			}
		}
		out = append(out, w)
	}
	return out
}

func matches(r Row, windows []Window) bool {
	for _, w := range windows {
		if at := r.At(w.Clock); at == Null || at < w.Lo || at > w.Hi {
			return false
		}
	}
	return true
}

// rowList is a view that was written out.
type rowList []Row

func (l rowList) count() int64 { return int64(len(l)) }

func (l rowList) page(dst []Row, offset, n int64) []Row { return append(dst, l[offset:offset+n]...) }

// list reads rows one by one: the named range, or the narrowest window.
func (t *Table) list(q Query, windows []Window) view {
	var l rowList
	take := func(index int64) bool {
		r := t.base(index)
		if _, over := t.find(r.ID); !over && matches(r, windows) {
			l = append(l, r)
		}
		return true
	}
	ranged := q.Last > 0
	if ranged {
		for i := max(q.First, 0); i < min(q.Last, t.n); i++ {
			take(i)
		}
	} else {
		best, span := windows[0].Clock, Span{}
		least := int64(-1)
		for _, w := range windows {
			s := t.clocks[w.Clock].Between(w.Lo, w.Hi)
			if count := t.clocks[w.Clock].Count(s); least < 0 || count < least {
				best, span, least = w.Clock, s, count
			}
		}
		t.clocks[best].Walk(span, false, 0, take)
	}
	for _, c := range t.over {
		r := t.row(c)
		if c.removed || !matches(r, windows) {
			continue
		}
		if !ranged || q.First <= c.index && c.index < q.Last && c.index < t.n || c.index >= t.n && q.Also != nil && q.Also(c.index) {
			l = append(l, r)
		}
	}
	slices.SortFunc(l, func(a, b Row) int { return rank(a, b, q.Order) })
	return l
}

// rank orders rows by id or by an instant, those without one last.
func rank(a, b Row, order int) int {
	if order != ByID {
		if c := cmp.Compare(instantKey(a, order), instantKey(b, order)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ID, b.ID)
}

func instantKey(r Row, clock int) int64 {
	if at := r.At(clock); at != Null {
		return at
	}
	return 1<<63 - 1
}

// merged is a view of the computed rows with the overlay laid over them:
// positions are found by counting, nothing is written out.
type merged struct {
	t      *Table
	clock  *Clock // nil: no window and order of ids
	span   Span
	order  int
	absent []int64 // computed rows that do not count, in order of the view
	extra  []Row   // rows of the overlay that do, in order of the view
}

func (t *Table) merge(q Query, windows []Window) view {
	m := &merged{t: t, order: q.Order}
	var blanks []int64
	switch {
	case len(windows) == 1:
		w := windows[0]
		m.clock, blanks = t.clocks[w.Clock], t.blanks[w.Clock]
		m.span = m.clock.Between(w.Lo, w.Hi)
	case q.Order != ByID:
		m.clock, blanks = t.clocks[q.Order], t.blanks[q.Order]
		m.span = m.clock.All()
	}
	if len(blanks)+len(t.over) == 0 {
		return m
	}
	inSpan := func(index int64) bool { return m.clock == nil || m.span.holds(m.clock.place(index)) }
	for _, index := range blanks {
		if inSpan(index) {
			m.absent = append(m.absent, index)
		}
		if len(windows) == 0 { // ordered by a clock this row is not on: it comes last
			if _, over := t.find(t.ids.ID(index)); !over {
				m.extra = append(m.extra, t.base(index))
			}
		}
	}
	for _, c := range t.over {
		if 0 <= c.index && c.index < t.n && inSpan(c.index) {
			m.absent = append(m.absent, c.index)
		}
		if r := t.row(c); !c.removed && matches(r, windows) {
			m.extra = append(m.extra, r)
		}
	}
	slices.Sort(m.absent)
	m.absent = slices.Compact(m.absent)
	if m.order != ByID {
		slices.SortFunc(m.absent, func(a, b int64) int { return cmp.Compare(m.clock.place(a), m.clock.place(b)) })
	}
	slices.SortFunc(m.extra, func(a, b Row) int { return rank(a, b, m.order) })
	return m
}

func (m *merged) computed() int64 {
	if m.clock == nil {
		return m.t.n
	}
	return m.clock.Count(m.span)
}

func (m *merged) count() int64 {
	return m.computed() - int64(len(m.absent)) + int64(len(m.extra))
}

// position is how many computed rows of the view come before one of them.
func (m *merged) position(index int64) int64 {
	switch {
	case m.clock == nil:
		return min(index, m.t.n)
	case m.order == ByID:
		return m.clock.Below(m.span, index)
	}
	return m.clock.Count(m.span.upTo(m.clock.place(index) - 1))
}

// extraPosition is how many computed rows of the view come before a row of
// the overlay, and how many of these do not count.
func (m *merged) extraPosition(r Row) (all, absent int64) {
	if m.order == ByID {
		index, _ := m.t.ids.Row(r.ID)
		k, _ := slices.BinarySearch(m.absent, index)
		return m.position(index), int64(k)
	}
	at := instantKey(r, m.order)
	before := m.clock.Between(Null, at-1)
	all = m.clock.Count(Span{m.span.lo, min(m.span.hi, before.hi)})
	k := sort.Search(len(m.absent), func(k int) bool { return m.clock.place(m.absent[k]) > before.hi })
	return all, int64(k)
}

// before tells whether a row of the overlay comes before a computed row.
func (m *merged) before(r Row, index int64) bool {
	if m.order == ByID {
		return r.ID <= m.t.ids.ID(index)
	}
	return instantKey(r, m.order) <= m.clock.At(index)
}

func (m *merged) page(dst []Row, offset, n int64) []Row {
	// The first row of the overlay on this page or after it.
	e := sort.Search(len(m.extra), func(k int) bool {
		all, absent := m.extraPosition(m.extra[k])
		return all-absent+int64(k) >= offset
	})
	// The computed row the page begins with, absent ones included.
	skip := offset - int64(e)
	a := sort.Search(len(m.absent), func(k int) bool {
		return m.position(m.absent[k])-int64(k) > skip
	})
	skip += int64(a)
	absent, extra := m.absent[a:], m.extra[e:]
	end := len(dst) + int(n)
	yield := func(index int64) bool {
		if len(absent) > 0 && absent[0] == index {
			absent = absent[1:]
			return true
		}
		for len(extra) > 0 && len(dst) < end && m.before(extra[0], index) {
			dst, extra = append(dst, extra[0]), extra[1:]
		}
		if len(dst) < end {
			dst = append(dst, m.t.base(index))
		}
		return len(dst) < end
	}
	if m.clock == nil {
		for index := skip; index < m.t.n; index++ {
			if !yield(index) {
				break
			}
		}
	} else {
		m.clock.Walk(m.span, m.order != ByID, skip, yield)
	}
	for len(extra) > 0 && len(dst) < end {
		dst, extra = append(dst, extra[0]), extra[1:]
	}
	return dst
}
