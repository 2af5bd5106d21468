package rows

import (
	"math/bits"
	"time"
)

// Null is the instant of a row that has none.
const Null = -1 << 63

const (
	digitBits = 4 // every level of the tree but the top has 16 children
	fan       = 1 << digitBits
	topMax    = 255 // children of the root, at most
	shuffles  = 8   // orders of 16 children to choose from
)

// Layout says how a [Clock] spreads its rows over time.
type Layout struct {
	Rows     int64
	From, To time.Time // From is included, To is not
	// Coarse and Fine are the seeds of the shuffle: two clocks with the same
	// Coarse and another Fine give each row instants that lie near each other
	// but in another order.
	Coarse, Fine uint64
	// InOrder leaves the shuffle out: a later row has a later instant.
	InOrder bool
}

// Clock gives every row of a table its own instant, in closed form and both
// ways: from row to instant, and from a window of instants to its rows, in
// order of the rows or of the instants.
//
// The rows are the leaves of a tree whose nodes have 16 children (the root up
// to 255); every node hands its stretch of time to its children in a shuffled
// order. So the rows of a window lie scattered in id order, the very first row
// is the newest of all, and yet a window is cut out of the tree by following
// its two edges.
type Clock struct {
	n, start, step int64
	depth          uint    // levels below the top
	top, untop     []int64 // place in time of each child of the root, and back
	seed           uint64
	inOrder        bool
	perm, inverse  [shuffles][fan]int64
}

// Span is a stretch of places in time, both ends included. It is made by
// [Clock.Between] or [Clock.All] and means something to that clock only.
type Span struct{ lo, hi int64 }

func (s Span) empty() bool              { return s.hi < s.lo }
func (s Span) holds(place int64) bool   { return s.lo <= place && place <= s.hi }
func (s Span) upTo(place int64) Span    { return Span{s.lo, min(s.hi, place)} }
func (s Span) misses(lo, hi int64) bool { return hi < s.lo || s.hi < lo }

// NewClock lays the rows out.
func NewClock(l Layout) *Clock {
	c := &Clock{n: l.Rows, start: l.From.UnixMicro(), seed: l.Fine, inOrder: l.InOrder}
	blocks := l.Rows
	for blocks > topMax {
		c.depth++
		blocks = (l.Rows + c.size(c.depth) - 1) >> (digitBits * c.depth)
	}
	c.top, c.untop = make([]int64, blocks), make([]int64, blocks)
	shuffle(c.top, l.Coarse, l.InOrder)
	for b, place := range c.top {
		c.untop[place] = int64(b)
	}
	for k := range c.perm {
		shuffle(c.perm[k][:], Mix(l.Fine, uint64(k)), l.InOrder)
		for digit, place := range c.perm[k] {
			c.inverse[k][place] = int64(digit)
		}
	}
	if places := blocks * c.size(c.depth); places > 0 {
		c.step = max((l.To.UnixMicro()-c.start)/places, 1)
	}
	return c
}

// shuffle fills p with an order of its indices in which the first comes last.
func shuffle(p []int64, seed uint64, inOrder bool) {
	for i := range p {
		p[i] = int64(i)
	}
	if inOrder || len(p) == 0 {
		return
	}
	for i := len(p) - 1; i > 0; i-- {
		j := int(Mix(seed, uint64(i)) % uint64(i+1))
		p[i], p[j] = p[j], p[i]
	}
	for i, place := range p {
		if place == int64(len(p)-1) {
			p[0], p[i] = p[i], p[0]
		}
	}
}

func (c *Clock) size(level uint) int64 { return 1 << (digitBits * level) }

// order chooses how the node above a level hands time to its children.
func (c *Clock) order(level uint, node int64) uint64 {
	if node == 0 {
		return 0
	}
	return Mix(c.seed+uint64(level), uint64(node)) % shuffles
}

// place tells where in time a row stands.
func (c *Clock) place(row int64) int64 {
	if c.inOrder {
		return row
	}
	place := c.top[row>>(digitBits*c.depth)]
	for level := c.depth; level > 0; level-- {
		node := row >> (digitBits * level)
		digit := row >> (digitBits * (level - 1)) & (fan - 1)
		place = place<<digitBits | c.perm[c.order(level, node)][digit]
	}
	return place
}

// rowAt tells which row stands at a place in time; it may be past the last.
func (c *Clock) rowAt(place int64) int64 {
	row := c.untop[place>>(digitBits*c.depth)]
	for level := c.depth; level > 0; level-- {
		digit := place >> (digitBits * (level - 1)) & (fan - 1)
		row = row<<digitBits | c.inverse[c.order(level, row)][digit]
	}
	return row
}

// At is the instant of a row, in microseconds since 1970. One row in sixteen
// falls on a whole second, if the rows are not too dense for it.
func (c *Clock) At(row int64) int64 {
	slot := c.start + c.place(row)*c.step
	h := Mix(c.seed^0xa5a5, uint64(row))
	if h%16 == 0 && c.step > 1_000_000 {
		return slot + (1_000_000-slot%1_000_000)%1_000_000
	}
	part, _ := bits.Mul64(h, uint64(c.step))
	return slot + int64(part)
}

// All is the whole of time.
func (c *Clock) All() Span { return Span{0, int64(len(c.top))*c.size(c.depth) - 1} }

// Between is the window of instants from lo to hi, both included.
func (c *Clock) Between(lo, hi int64) Span {
	s := c.All()
	if s.empty() || lo > hi {
		return Span{0, -1}
	}
	if end := c.start + (s.hi+1)*c.step; lo >= end || hi < c.start {
		return Span{0, -1}
	} else if hi < end {
		s.hi = (hi - c.start) / c.step
		if row := c.rowAt(s.hi); row < c.n && c.At(row) > hi {
			s.hi--
		}
	}
	if lo > c.start {
		s.lo = (lo - c.start) / c.step
		if row := c.rowAt(s.lo); row >= c.n || c.At(row) < lo {
			s.lo++
		}
	}
	return s
}

// node is a subtree: the rows and the places from its first on.
type node struct {
	level      uint
	row, place int64
}

func (c *Clock) root(block int64) node {
	return node{c.depth, block << (digitBits * c.depth), c.top[block] << (digitBits * c.depth)}
}

func (c *Clock) child(n node, digit int64, order uint64) node {
	shift := digitBits * (n.level - 1)
	return node{n.level - 1, n.row + digit<<shift, n.place + c.perm[order][digit]<<shift}
}

// Count is the number of rows in a window.
func (c *Clock) Count(s Span) int64 {
	if s.empty() {
		return 0
	}
	var sum int64
	for place := s.lo >> (digitBits * c.depth); place <= s.hi>>(digitBits*c.depth); place++ {
		sum += c.count(c.root(c.untop[place]), s)
	}
	return sum
}

func (c *Clock) count(n node, s Span) int64 {
	size := c.size(n.level)
	if n.row >= c.n || s.misses(n.place, n.place+size-1) {
		return 0
	}
	if s.lo <= n.place && n.place+size-1 <= s.hi {
		return min(c.n-n.row, size)
	}
	order := c.order(n.level, n.row>>(digitBits*n.level))
	shift := digitBits * (n.level - 1)
	var sum int64
	for place := max(s.lo-n.place, 0) >> shift; place <= min(s.hi-n.place, size-1)>>shift; place++ {
		sum += c.count(c.child(n, c.inverse[order][place], order), s)
	}
	return sum
}

// Below is the number of rows of a window that come before a row.
func (c *Clock) Below(s Span, row int64) int64 {
	if row >= c.n {
		return c.Count(s)
	}
	var sum int64
	block := row >> (digitBits * c.depth)
	for b := range block {
		sum += c.count(c.root(b), s)
	}
	for n := c.root(block); n.level > 0; {
		order := c.order(n.level, n.row>>(digitBits*n.level))
		digit := row >> (digitBits * (n.level - 1)) & (fan - 1)
		for d := range digit {
			sum += c.count(c.child(n, d, order), s)
		}
		n = c.child(n, digit, order)
	}
	return sum
}

// Walk yields the rows of a window from the skip-th on, in order of the rows
// or of their instants, until yield returns false.
func (c *Clock) Walk(s Span, byTime bool, skip int64, yield func(row int64) bool) {
	if s.empty() {
		return
	}
	w := walk{c, s, byTime, skip, yield}
	for k := range int64(len(c.top)) {
		if byTime {
			k = c.untop[k]
		}
		if !w.visit(c.root(k)) {
			return
		}
	}
}

type walk struct {
	c      *Clock
	span   Span
	byTime bool
	skip   int64
	yield  func(int64) bool
}

func (w *walk) visit(n node) bool {
	c := w.c
	if n.row >= c.n || w.span.misses(n.place, n.place+c.size(n.level)-1) {
		return true
	}
	if w.skip > 0 {
		if count := c.count(n, w.span); count <= w.skip {
			w.skip -= count
			return true
		}
	}
	if n.level == 0 {
		return w.yield(n.row)
	}
	order := c.order(n.level, n.row>>(digitBits*n.level))
	for k := range int64(fan) {
		if w.byTime {
			k = c.inverse[order][k]
		}
		if !w.visit(c.child(n, k, order)) {
			return false
		}
	}
	return true
}
