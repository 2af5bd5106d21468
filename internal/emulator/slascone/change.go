package slascone

import (
	"fmt"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Change touches, deletes and adds rows. A row that is touched gets At as its
// modified_date_utc, shows it in one text, and in its history. A stream that
// shows the rows of another changes that one; a history grows by changing what it
// is of. Of the consumption heartbeats that are added every second one happened
// 20 hours before At; those that are deleted were rolled back. No stream means
// licenses, customers and consumption heartbeats.
func (s *Service) Change(c emulator.Change) ([]emulator.Report, error) {
	names := []string{c.Stream}
	if c.Stream == "" {
		names = []string{"licenses", "customers", "consumption_heartbeats"}
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	var out []emulator.Report
	for _, name := range names {
		v := streams[name]
		if v == nil {
			return nil, fmt.Errorf("no stream %q", name)
		}
		r, err := s.world.disturb(v, c)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (w *world) disturb(v *view, c emulator.Change) (emulator.Report, error) {
	report := emulator.Report{Stream: v.name, At: c.At, Touched: []emulator.ID{}, Deleted: []emulator.ID{}, Inserted: []emulator.ID{}}
	if v.kind == none || v.derived {
		return report, fmt.Errorf("stream %s is made of others: its rows do not change", v.name)
	}
	t, at := w.byKind[v.kind], ticksOf(c.At)
	if t.history {
		if c.Rows+c.Delete+len(c.IDs)+len(c.Gone) > 0 {
			return report, fmt.Errorf("stream %s only grows", v.name)
		}
		err := w.chronicle(&report, t, at, c.Insert)
		return report, err
	}
	gone, err := w.choose(t, c.Gone, c.Delete)
	if err != nil {
		return report, err
	}
	if len(gone) > 0 && !t.mortal {
		report.Note = "rows of this stream are not deleted: others stand on them"
		gone = nil
	}
	for _, r := range gone {
		report.Deleted = append(report.Deleted, emulator.ID(w.keyOf(r)))
		w.end(t, r, at, &report)
	}
	touched, err := w.choose(t, c.IDs, c.Rows)
	if err != nil {
		return report, err
	}
	if t.kind == consumption && len(touched) > 0 {
		report.Note, touched = "consumption never changes: it is added and rolled back", nil
	}
	for _, r := range touched {
		w.touch(t, r, at)
		report.Touched = append(report.Touched, emulator.ID(w.keyOf(r)))
	}
	for k := range c.Insert {
		r, ok := w.insert(t, at, k)
		if !ok {
			return report, fmt.Errorf("stream %s has no parent to add a row to", v.name)
		}
		report.Inserted = append(report.Inserted, emulator.ID(w.keyOf(r)))
	}
	if t.kind == consumption && c.Insert > 1 {
		report.Note = "every second one happened 20 hours before"
	}
	return report, nil
}

// chronicle makes a history grow.
func (w *world) chronicle(report *emulator.Report, t *table, at ticks, n int) error {
	parents, err := w.choose(t.parent, nil, n)
	if err != nil {
		return err
	}
	for _, p := range parents {
		w.touch(t.parent, p, at)
		p, _ = w.get(t.parent.kind, p.index)
		report.Inserted = append(report.Inserted, emulator.ID(w.id(t.kind, t.at(p.index, w.slotsOf(t, p)-1)).String()))
	}
	return nil
}

// choose finds the rows that are named, and picks n others.
func (w *world) choose(t *table, ids []emulator.ID, n int) ([]row, error) {
	var out []row
	for _, id := range ids {
		u, _ := readUUID(string(id))
		k, index, ok := w.locate(u)
		if !ok || k != t.kind {
			return nil, fmt.Errorf("stream %s has no row %q", t.name, id)
		}
		r, live := w.get(k, index)
		if !live {
			return nil, fmt.Errorf("stream %s has no row %q", t.name, id)
		}
		out = append(out, r)
	}
	if n == 0 {
		return out, nil
	}
	if t.roots != nil {
		most := len(out) + n
		for _, index := range t.roots.Pick(most, w.seed) {
			r, ok := w.get(t.kind, index)
			if ok && len(out) < most && !slices.ContainsFunc(out, func(o row) bool { return o.index == index }) {
				out = append(out, r)
			}
		}
		return out, nil
	}
	// Of a child table: rows of picked parents, then whatever there is.
	w.turn++
	take := func(r row) bool {
		if !slices.ContainsFunc(out, func(o row) bool { return o.index == r.index }) {
			out = append(out, r)
			n--
		}
		return n > 0
	}
	if t.parent.roots != nil {
		for k, index := range t.parent.roots.Pick(4*n, w.seed) {
			p, ok := w.get(t.parent.kind, index)
			if !ok {
				continue
			}
			if list := w.children(t, p); len(list) > 0 && !take(list[rows.Mix(w.turn, uint64(k))%uint64(len(list))]) {
				return out, nil
			}
		}
	}
	for r := range w.all(t) {
		if !take(r) {
			break
		}
	}
	return out, nil
}

func (w *world) changeOf(p place) *change {
	old := w.changes[p]
	c := &change{gone: never}
	if old != nil {
		*c = *old
		c.touches = slices.Clone(old.touches)
	}
	w.changes[p] = c
	return c
}

func (w *world) touch(t *table, r row, at ticks) {
	c := w.changeOf(place{kind: t.kind, index: r.index})
	c.touches = append(c.touches, at)
	c.by = ""
	if t.roots != nil {
		t.roots.Touch(r.index, int64(at/10), 1)
	}
}

// remove takes a row away; what hangs on it is not to be found any more.
func (w *world) remove(t *table, r row, at ticks) {
	c := w.changeOf(place{kind: t.kind, index: r.index})
	c.gone, c.created = at, r.created
	if t.roots != nil {
		t.roots.Remove(r.index)
		return
	}
	w.shrunk[place{kind: t.parent.kind, index: r.parent, below: t.kind}] = true
}

// end deletes a row and what cannot be without it: with a customer go licenses
// and bundles, consumption is rolled back.
func (w *world) end(t *table, r row, at ticks, report *emulator.Report) {
	switch t.kind {
	case consumption:
		w.roll(r.index, at)
		return
	case customer:
		licenses := w.licensesOf(r.index)
		for _, l := range licenses {
			w.remove(w.byKind[license], l, at)
		}
		for b := range w.all(w.byKind[bundle]) {
			if w.bundleOwner(b) == r.index {
				w.remove(w.byKind[bundle], b, at)
			}
		}
		if len(licenses) > 0 {
			report.Note = "their licenses are gone, too"
		}
	}
	w.remove(t, r, at)
}

// nextChild is the number of the next added child.
func (w *world) nextChild() int64 {
	w.serial++
	return firstAdded + w.serial
}

func (w *world) attach(parent, child kind, of, index int64) {
	below := place{kind: parent, index: of, below: child}
	w.added[below] = append(w.added[below], index)
}

// backdated is how long before it is sent every second added heartbeat happened.
const backdated = 20 * hour

// insert adds the k-th row of a change.
func (w *world) insert(t *table, at ticks, k int) (row, bool) {
	if t.roots != nil {
		owner := int64(-1)
		if t.kind == license || t.kind == bundle {
			list, err := w.choose(w.byKind[customer], nil, 1)
			if err != nil || len(list) == 0 {
				return row{}, false
			}
			owner = list[0].index
		}
		return w.append(t, at, func(c *change, index int64) {
			c.parent, c.product = owner, index%w.products
			c.edition = 2 * c.product
		}), true
	}
	w.turn++
	parents := t.parent.roots
	if parents == nil {
		for p := range w.all(t.parent) {
			return w.addChild(t, p, at, nil), true
		}
		return row{}, false
	}
	for _, index := range parents.Pick(8, w.seed) {
		if p, ok := w.get(t.parent.kind, index); ok && w.fits(t, p) {
			return w.hang(t, p, at, k), true
		}
	}
	for p := range w.all(t.parent) {
		if w.fits(t, p) {
			return w.hang(t, p, at, k), true
		}
	}
	return row{}, false
}

// fits tells whether a parent can have rows of a table: the overview says so, and
// a reader goes by it.
func (w *world) fits(t *table, p row) bool {
	switch t.kind {
	case user, group:
		return named(p.index)
	case session:
		return floating(p.index)
	case consumption:
		return consumes(p.index)
	}
	return true
}

func (w *world) hang(t *table, p row, at ticks, k int) row {
	return w.addChild(t, p, at, func(c *change) {
		c.event, c.value = at, int64(1000*(1+k))
		if k%2 == 1 {
			c.event -= backdated
		}
	})
}

// append adds a row to a root table.
func (w *world) append(t *table, at ticks, set func(c *change, index int64)) row {
	r := t.roots.Append(int64(at / 10))
	c := w.changeOf(place{kind: t.kind, index: r.Index})
	c.created, c.gone, c.parent = at, never, -1
	set(c, r.Index)
	if t.kind == license {
		w.attach(customer, license, c.parent, r.Index)
	}
	return w.fromRoot(t, r)
}

// addChild adds a row below a parent.
func (w *world) addChild(t *table, p row, at ticks, set func(c *change)) row {
	index := w.nextChild()
	c := w.changeOf(place{kind: t.kind, index: index})
	c.created, c.gone, c.parent, c.tx, c.event = at, never, p.index, index, at
	if set != nil {
		set(c)
	}
	w.attach(p.t.kind, t.kind, p.index, index)
	return w.childAt(t, p, index)
}

// atNow is when a write happens.
func atNow() ticks { return ticksOf(time.Now().UTC().Truncate(time.Microsecond)) }
