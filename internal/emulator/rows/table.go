package rows

import (
	"slices"
	"sync"
)

// MaxClocks is how many instants a row can have of its own.
const MaxClocks = 3

// IDs maps row numbers to ids and back. With a Run, every Run rows are
// followed by one id that no row has: an id that was deleted before.
type IDs struct {
	First  int64
	Stride int64 // distance between two ids, 1 if Run is set
	Run    int64 // rows between two holes, 0 for no holes
}

// ID is the id of a row.
func (d IDs) ID(row int64) int64 {
	if d.Run > 0 {
		return d.First + row + row/d.Run
	}
	return d.First + row*d.Stride
}

// Holes are the ids that these IDs leave out.
func (d IDs) Holes() IDs { return IDs{First: d.First + d.Run, Stride: d.Run + 1} }

// Row tells how many rows have a smaller id, and whether a row can have this
// very id.
func (d IDs) Row(id int64) (below int64, exact bool) {
	x := id - d.First
	if x < 0 {
		return 0, false
	}
	if d.Run > 0 {
		rest := x % (d.Run + 1)
		return x/(d.Run+1)*d.Run + rest, rest < d.Run
	}
	return (x + d.Stride - 1) / d.Stride, x%d.Stride == 0
}

// Row is one row as it was when it was selected: a copy, safe to keep.
type Row struct {
	Index int64 // its number, from 0; -1 in a table of foreign ids
	ID    int64
	Rev   int // how often it was touched
	at    *[MaxClocks]int64
	t     *Table
}

// At is an instant of the row in microseconds since 1970, or [Null].
func (r Row) At(clock int) int64 {
	if r.at != nil {
		return r.at[clock]
	}
	return r.t.baseAt(clock, r.Index)
}

// Changed tells whether the row was touched or added since the start.
func (r Row) Changed() bool { return r.at != nil }

// Table is a stream of computed rows and the overlay of what happened to them
// since: all that costs memory is the overlay. It is safe for concurrent use.
type Table struct {
	ids    IDs
	n      int64 // computed rows
	clocks []*Clock
	blanks [][]int64 // per clock: the rows that have no instant, ascending

	mu    sync.RWMutex
	over  []change // ascending by id
	added int64    // rows appended after the computed ones
	gone  int64    // rows removed
	turn  uint64   // how often Pick was asked
}

// change is what became of a row. It is replaced, never altered: rows that
// were handed out point into it.
type change struct {
	id, index int64
	rev       int
	removed   bool
	at        *[MaxClocks]int64
}

// NewTable makes a table of n computed rows. blanks[k] lists, ascending, the
// rows that have no instant on clock k.
func NewTable(ids IDs, n int64, clocks []*Clock, blanks [][]int64) *Table {
	if len(clocks) > MaxClocks {
		panic("rows: too many clocks") // invariant: a table's clocks are written down in its package
	}
	t := &Table{ids: ids, n: n, clocks: clocks, blanks: make([][]int64, len(clocks))}
	copy(t.blanks, blanks)
	return t
}

// IDs tells how rows are numbered.
func (t *Table) IDs() IDs { return t.ids }

// Size is the number of computed rows, removed ones included.
func (t *Table) Size() int64 { return t.n }

// Live is the number of rows there are now.
func (t *Table) Live() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.n + t.added - t.gone
}

func (t *Table) baseAt(clock int, index int64) int64 {
	if _, blank := slices.BinarySearch(t.blanks[clock], index); blank {
		return Null
	}
	return t.clocks[clock].At(index)
}

func (t *Table) base(index int64) Row { return Row{Index: index, ID: t.ids.ID(index), t: t} }

func (t *Table) row(c change) Row {
	return Row{Index: c.index, ID: c.id, Rev: c.rev, at: c.at, t: t}
}

func (t *Table) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(t.over, id, func(c change, id int64) int { return compare(c.id, id) })
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Get returns the live row that has an id.
func (t *Table) Get(id int64) (Row, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.get(id)
}

func (t *Table) get(id int64) (Row, bool) {
	if k, ok := t.find(id); ok {
		return t.row(t.over[k]), !t.over[k].removed
	}
	index, exact := t.ids.Row(id)
	if !exact || index >= t.n {
		return Row{}, false
	}
	return t.base(index), true
}

// Touch changes a live row: its revision goes up and the named clocks are set.
func (t *Table) Touch(id, at int64, clocks ...int) (Row, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.get(id)
	if !ok {
		return Row{}, false
	}
	c := change{id: id, index: old.Index, rev: old.Rev + 1, at: new([MaxClocks]int64)}
	for k := range t.clocks {
		c.at[k] = old.At(k)
	}
	for _, k := range clocks {
		c.at[k] = at
	}
	t.put(c)
	return t.row(c), true
}

// Remove takes a live row away.
func (t *Table) Remove(id int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.get(id)
	if !ok {
		return false
	}
	t.gone++
	t.put(change{id: id, index: old.Index, removed: true})
	return true
}

// Append adds a row after the last; all its clocks show at.
func (t *Table) Append(at int64) Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	index := t.n + t.added
	t.added++
	return t.insert(change{id: t.ids.ID(index), index: index}, at)
}

// Put adds a row under a foreign id: what was deleted elsewhere. One that was
// removed here comes back.
func (t *Table) Put(id, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := change{id: id, index: -1}
	if k, ok := t.find(id); ok && t.over[k].removed {
		c.index = t.over[k].index
		t.gone--
	} else {
		t.added++
	}
	t.insert(c, at)
}

func (t *Table) insert(c change, at int64) Row {
	c.at = new([MaxClocks]int64)
	for k := range c.at {
		c.at[k] = at
	}
	t.put(c)
	return t.row(c)
}

func (t *Table) put(c change) {
	k, ok := t.find(c.id)
	if ok {
		t.over[k] = c
		return
	}
	t.over = slices.Insert(t.over, k, c)
}

// Reset forgets every change.
func (t *Table) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over, t.added, t.gone, t.turn = nil, 0, 0, 0
}

// Pick names up to n live rows, each once, chosen by the seed and by how often
// it was asked before.
func (t *Table) Pick(n int, seed uint64) []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn++
	total := t.n + t.added
	live := total - t.gone
	var ids []int64
	seen := make(map[int64]bool)
	take := func(index int64) {
		id := t.ids.ID(index)
		if _, ok := t.get(id); ok && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	// Draw while the rows are many, walk when nearly all of them are wanted.
	if int64(n) <= live/2 {
		for draw := uint64(0); len(ids) < n; draw++ {
			take(int64(Mix(Mix(seed, t.turn), draw) % uint64(total)))
		}
	}
	for index := int64(0); index < total && len(ids) < n; index++ {
		take(index)
	}
	return ids
}
