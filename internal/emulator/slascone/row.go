package slascone

import (
	"iter"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// row is one row as it is now.
type row struct {
	t                 *table
	index, parent     int64
	created, modified ticks // modified: never if nobody changed it
	change            *change
}

func (r row) kind() kind {
	if r.t == nil {
		return none
	}
	return r.t.kind
}

// rev is how often the row was touched.
func (r row) rev() int {
	if r.change == nil {
		return 0
	}
	return len(r.change.touches)
}

// last is when the row was last changed, or made.
func (r row) last() ticks {
	if r.modified == never {
		return r.created
	}
	return r.modified
}

// fromRoot completes a row of a root table.
func (w *world) fromRoot(t *table, r rows.Row) row {
	out := row{t: t, index: r.Index, parent: -1, modified: never}
	h := rows.Mix(rows.Mix(w.seed, uint64(t.kind)), uint64(r.Index))
	out.change = w.changes[place{kind: t.kind, index: r.Index}]
	switch {
	case r.Index >= t.roots.Size():
		out.created = out.change.created
	default:
		out.created = rough(ticks(r.At(0))*10-second, h)
		if h%3 != 0 {
			out.modified = rough(ticks(r.At(1))*10-second, h>>8)
		}
	}
	if n := out.rev(); n > 0 {
		out.modified = out.change.touches[n-1]
	}
	return out
}

// get finds a live row of a root table.
func (w *world) get(k kind, index int64) (row, bool) {
	t := w.byKind[k]
	if index < 0 {
		return row{}, false
	}
	if t.roots == nil {
		return w.getChild(t, index)
	}
	r, ok := t.roots.Get(index)
	if !ok {
		return row{}, false
	}
	return w.fromRoot(t, r), true
}

// getChild finds a live row below a live parent.
func (w *world) getChild(t *table, index int64) (row, bool) {
	c := w.changes[place{kind: t.kind, index: index}]
	parent, slot := index/t.slots, index%t.slots
	switch {
	case c != nil && c.gone != never:
		return row{}, false
	case index >= firstAdded && c == nil:
		return row{}, false
	case index >= firstAdded:
		parent = c.parent
	}
	p, ok := w.get(t.parent.kind, parent)
	if !ok || index < firstAdded && slot >= w.slotsOf(t, p) {
		return row{}, false
	}
	return w.childAt(t, p, index), true
}

// base is how many computed rows a parent began with in a child table: one that
// was added has none but the first of its history.
func (w *world) base(t *table, p row) int64 {
	switch {
	case p.t.parent == nil && p.index < p.t.roots.Size(), p.t.parent != nil && p.index < firstAdded:
		return t.count(p.index)
	case t.history:
		return 1
	}
	return 0
}

// slotsOf is base with what a history has grown by: a row for each touch of the
// parent, and one for its end.
func (w *world) slotsOf(t *table, p row) int64 {
	n := w.base(t, p)
	if t.history {
		n += int64(p.rev())
		if p.change != nil && p.change.gone != never {
			n++
		}
	}
	return n
}

// childAt makes a row that there is.
func (w *world) childAt(t *table, p row, index int64) row {
	out := row{t: t, index: index, parent: p.index, modified: never, change: w.changes[place{kind: t.kind, index: index}]}
	h := rows.Mix(rows.Mix(w.seed, uint64(t.kind)), uint64(index))
	switch {
	case t.history:
		out.created = w.historyAt(t, p, index%t.slots)
	case index >= firstAdded:
		out.created = out.change.created
	case t.kind == consumption:
		// In the order of the slots, over the 400 days before the start.
		step := 400 * day / ticks(t.count(p.index))
		out.created = rough(w.start-400*day+ticks(index%t.slots)*step+ticks(h%uint64(step))-second, h)
	default:
		out.created = rough(w.start-ticks(2+h%1000)*day+ticks(h>>10)%day-second, h>>3)
		if h%2 == 0 {
			out.modified = rough(out.created+(w.start-out.created)/2, h>>5)
		}
	}
	if n := out.rev(); n > 0 {
		out.modified = out.change.touches[n-1]
	}
	return out
}

// historyAt is when a row of a history was written: the first when the parent
// was, the computed ones up to its last computed change, then one for each touch
// and one for the end.
func (w *world) historyAt(t *table, p row, slot int64) ticks {
	base := w.base(t, p)
	touches := int64(p.rev())
	switch {
	case slot >= base+touches:
		return p.change.gone
	case slot >= base:
		return p.change.touches[slot-base]
	case slot == 0:
		return p.created
	}
	h := rows.Mix(rows.Mix(w.seed, uint64(t.kind)), uint64(p.index)<<20+uint64(slot))
	end := max(p.created, w.start-day)
	return rough(p.created+(end-p.created)/ticks(base)*ticks(slot), h)
}

// children are the live rows of a child table below a parent, in order.
func (w *world) children(t *table, p row) []row {
	n := w.slotsOf(t, p)
	below := place{kind: p.t.kind, index: p.index, below: t.kind}
	shrunk := w.shrunk[below]
	if n == 0 && len(w.added[below]) == 0 {
		return nil
	}
	out := make([]row, 0, n+int64(len(w.added[below])))
	for slot := range n {
		index := t.at(p.index, slot)
		if shrunk {
			if c := w.changes[place{kind: t.kind, index: index}]; c != nil && c.gone != never {
				continue
			}
		}
		out = append(out, w.childAt(t, p, index))
	}
	for _, index := range w.added[below] {
		if c := w.changes[place{kind: t.kind, index: index}]; c.gone == never {
			out = append(out, w.childAt(t, p, index))
		}
	}
	return out
}

// walk returns up to n live rows of a root table from a number on, and the number
// to go on with; below 0 there are no more.
func (w *world) walk(t *table, from int64, n int) (list []row, next int64) {
	for index := from; ; index++ {
		if len(list) == n {
			return list, index
		}
		// Every added row has an entry, a deleted one too.
		if index >= t.roots.Size() && w.changes[place{kind: t.kind, index: index}] == nil {
			return list, -1
		}
		if r, ok := w.get(t.kind, index); ok {
			list = append(list, r)
		}
	}
}

// all walks the live rows of a table: of a root in order, of a child parent by
// parent.
func (w *world) all(t *table) iter.Seq[row] {
	return func(yield func(row) bool) {
		if t.roots == nil {
			for p := range w.all(t.parent) {
				for _, r := range w.children(t, p) {
					if !yield(r) {
						return
					}
				}
			}
			return
		}
		for from := int64(0); from >= 0; {
			var list []row
			list, from = w.walk(t, from, 512)
			for _, r := range list {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// above is the row that a child hangs on.
func (w *world) above(r row) row {
	p, ok := w.get(r.t.parent.kind, r.parent)
	if !ok {
		p = w.ghost(r.t.parent, r.parent)
	}
	return p
}

// ghost is a deleted row of a root as it was last.
func (w *world) ghost(t *table, index int64) row {
	out := row{t: t, index: index, parent: -1, modified: never, change: w.changes[place{kind: t.kind, index: index}]}
	if out.change != nil {
		out.created = out.change.created
	}
	if n := out.rev(); n > 0 {
		out.modified = out.change.touches[n-1]
	}
	return out
}

// keyOf is a row's key as text, by which the sandbox's reports name it.
func (w *world) keyOf(r row) string { return w.id(r.t.kind, r.index).String() }
