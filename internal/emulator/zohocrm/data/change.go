package data

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// tomb is what is left of a record that was deleted since the start.
type tomb struct {
	id, at    int64 // at in seconds
	permanent bool
	name      string // JSON
}

func (o *Org) changeable(module string) (*module, *rows.Table, error) {
	m := o.byName[module]
	if m == nil {
		m = o.moduleOf(module)
	}
	if m == nil || !m.readable() {
		return nil, nil, fmt.Errorf("no module %q that can change", module)
	}
	return m, o.open(m), nil
}

func (o *Org) when(at time.Time) int64 {
	if at.IsZero() {
		at = o.opts.Now()
	}
	return at.Unix()
}

// choose names rows: those given, and n others.
func (o *Org) choose(t *rows.Table, m *module, n int, ids []string) ([]int64, error) {
	var out []int64
	for _, text := range ids {
		id, err := strconv.ParseInt(text, 10, 64)
		if _, ok := t.Get(id); err != nil || !ok {
			return nil, fmt.Errorf("no record %q in %s", text, m.api)
		}
		out = append(out, id)
	}
	if n > 0 {
		for _, id := range t.Pick(n+len(out), m.seed) {
			if n > 0 && !slices.Contains(out, id) {
				out = append(out, id)
				n--
			}
		}
	}
	return out, nil
}

func texts(ids []int64) []string {
	out := make([]string, len(ids))
	for k, id := range ids {
		out[k] = strconv.FormatInt(id, 10)
	}
	return out
}

// Touch changes records of a module, named by its api_name or as a stream:
// those with the given ids and n others. Their Modified_Time becomes at (zero:
// now), so that they go to the end of that order, and other values change, too.
// Rows of settings, such as users, can be changed, too: all that shows is the
// time.
func (o *Org) Touch(module string, at time.Time, n int, ids ...string) ([]string, error) {
	if s := o.setNamed(module); s != nil {
		return o.touchSet(s, at, n, ids)
	}
	m, t, err := o.changeable(module)
	if err != nil {
		return nil, err
	}
	chosen, err := o.choose(t, m, n, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range chosen {
		t.Touch(id, stored(o.when(at)), modified)
	}
	return texts(chosen), nil
}

// Delete takes records away, those with the given ids and n others. They show
// up in the module's deleted records, in the recycle bin or, one in three, as
// deleted for good; the lines of a document go with it and show up nowhere.
func (o *Org) Delete(module string, at time.Time, n int, ids ...string) ([]string, error) {
	m, t, err := o.changeable(module)
	if err != nil {
		return nil, err
	}
	chosen, err := o.choose(t, m, n, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range chosen {
		r, ok := t.Get(id)
		if !ok || !t.Remove(id) {
			continue
		}
		for _, line := range m.lines {
			for _, r := range o.linesOf(line, r.Index) {
				o.open(line).Remove(r.ID)
			}
		}
		if m.generated == "subform" {
			continue
		}
		name := o.append(nil, m.display, o.displayName(m, r.Index), fullForm)
		m.mu.Lock()
		m.tombs = append(m.tombs, tomb{id, o.when(at), rows.Mix(m.seed, uint64(id))%3 == 0, string(name)})
		m.mu.Unlock()
	}
	return texts(chosen), nil
}

// Insert adds n records.
func (o *Org) Insert(module string, at time.Time, n int) ([]string, error) {
	_, t, err := o.changeable(module)
	if err != nil {
		return nil, err
	}
	var out []int64
	for range n {
		out = append(out, t.Append(stored(o.when(at))).ID)
	}
	return texts(out), nil
}

// linesOf are the rows of a subform module that belong to a record.
func (o *Org) linesOf(line *module, index int64) []rows.Row {
	return o.referring(line, line.byName["Parent_Id"], index)
}

// referring are the rows of a module whose lookup f points to a row of its
// target: the other way round of [targetIndex].
func (o *Org) referring(m *module, f *field, index int64) []rows.Row {
	t := f.target
	if t == nil || t.n == 0 || index >= t.n {
		return nil
	}
	table := o.open(m)
	total := table.Live() + m.n // an upper bound of all numbers that rows have
	var out []rows.Row
	take := func(k int64) {
		if r, ok := table.Get(m.rowID(k)); ok {
			c := m.cell(r)
			if v := o.value(f, &c); !v.null && v.n == index {
				out = append(out, r)
			}
		}
	}
	if m.parent == t {
		width := max(m.n/t.n, 1)
		for start := index * width; start < total; start += width * t.n {
			for k := range width {
				take(start + k)
			}
		}
		return out
	}
	shift := int64(f.seed % uint64(t.n))
	for k := (index - shift + t.n) % t.n; k < total; k += t.n {
		take(k)
	}
	return out
}
