package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// aheadOf finds the rows that a state covers and that the reader does not have in
// their last version.
func (w *world) aheadOf(state json.RawMessage, now snapshot) ([]finding, error) {
	var out []finding
	for _, name := range slices.Sorted(maps.Keys(w.tables)) {
		t := w.tables[name]
		if t.st.Cursor == nil || t.st.Cursor.Anew { // what is read from its beginning each time has nothing covered
			continue
		}
		marks, err := w.marks(state, t.st)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := w.outdated(state, t.st, marks); err != nil {
			return nil, err
		}
		low := w.lowest(t.st, marks)
		wrong := problems{}
		for _, r := range w.reachable(t, now[name]) {
			covered := low
			if r.part != "" || t.st.Scope == "" {
				covered = marks[r.part]
			}
			if r.may || w.back[name+r.key] || !w.stood(w.then[name], r) || !r.value.set || !covered.set || r.value.v > covered.v || r.value.v == covered.v && !oracle.Exclusive(t.st) {
				continue // the next run reads it
			}
			got := w.joined[name][r.key]
			switch err := w.differ(t, r, got, w.loose[name]); {
			case len(got) == 0:
				wrong.add("%s: the bookmark %s covers the row %s, %s, which did not come", name, covered.raw, r.key, r.value.raw)
			case err != nil && t.st.Cursor.Edits == nil: // else the next run brings what was edited
				wrong.add("%s: the bookmark %s covers the row %s, %s, whose last version did not come: %v", name, covered.raw, r.key, r.value.raw, err)
			}
		}
		out = append(out, wrong.findings(ahead)...)
	}
	return out, nil
}

// covering notes what the bookmarks that moved can cover: what was there. A stream
// that looks back may be given rows of earlier while it is read, which the next run
// brings.
func (w *world) covering(old, now json.RawMessage, before, after snapshot) error {
	var marks [2]struct {
		Bookmarks map[string]json.RawMessage `json:"bookmarks"`
	}
	for i, state := range []json.RawMessage{old, now} {
		if len(state) == 0 {
			continue
		}
		if err := json.Unmarshal(state, &marks[i]); err != nil {
			return err
		}
	}
	for name, t := range w.tables {
		if t.st.Cursor == nil || string(marks[0].Bookmarks[name]) == string(marks[1].Bookmarks[name]) {
			continue
		}
		w.then[name] = after[name]
		if oracle.LooksBack(w.place.src, t.st) > 0 {
			w.then[name] = before[name]
		}
	}
	return nil
}

// outdated takes away the bookmarks of partitions that tell by an epoch of their own
// that these mean nothing any more.
func (w *world) outdated(state json.RawMessage, st *stream.Stream, marks map[string]mark) error {
	if len(st.Cursor.Epochs) == 0 || len(state) == 0 {
		return nil
	}
	var s struct {
		Bookmarks map[string]struct {
			Partitions map[string]map[string]json.RawMessage `json:"partitions"`
		} `json:"bookmarks"`
	}
	if err := json.Unmarshal(state, &s); err != nil {
		return err
	}
	for _, p := range w.parts[st.Scope] {
		for _, epoch := range p.Epochs {
			if slices.Contains(st.Cursor.Epochs, epoch.Name) && string(s.Bookmarks[st.Name].Partitions[p.ID][epoch.Name]) != epoch.Value {
				delete(marks, p.ID)
			}
		}
	}
	return nil
}

// lowest is what all bookmarks of a stream cover, for rows that do not tell where
// they are; nothing where one is missing.
func (w *world) lowest(st *stream.Stream, marks map[string]mark) mark {
	low := mark{}
	for _, id := range w.ids(st) {
		m := marks[id]
		if !m.set {
			return mark{}
		}
		if !low.set || m.v < low.v {
			low = m
		}
	}
	return low
}

// complete finds what a run that says that it was complete did not bring, of the
// rows that stood still meanwhile.
func (w *world) complete(before, after snapshot, got []record, began time.Time, moved bool) []finding {
	var out []finding
	own := &world{place: w.place, shared: w.shared, parts: w.parts, tables: w.tables, was: w.was, joined: map[string]map[string]map[string]record{}}
	own.take(got)
	for _, name := range slices.Sorted(maps.Keys(w.tables)) {
		t := w.tables[name]
		// Rows that come and go may shift a list that has no order under its reader, as
		// many as before. The next run reads it whole again.
		if _, ok := before[name]; !ok || moved && t.whole() {
			continue
		}
		still := map[string]bool{}
		for _, r := range before[name] {
			still[r.key+string(r.raw)] = true
		}
		wrong := problems{}
		for _, r := range w.reachable(t, after[name]) {
			if t.later(r, began) || w.back[name+r.key] || !still[r.key+string(r.raw)] && t.st.Cursor == nil || t.st.Cursor != nil && !w.stood(before[name], r) {
				continue
			}
			have := own.joined[name][r.key]
			if !t.whole() && len(have) == 0 {
				have = w.joined[name][r.key]
			}
			if len(have) == 0 {
				wrong.add("%s: the run says that it is complete, and lacks the row %s", name, r.key)
			}
		}
		out = append(out, wrong.findings(lost)...)
	}
	return out
}

// stood tells whether a row was there before with the same replication value.
func (w *world) stood(before []row, r row) bool {
	return slices.ContainsFunc(before, func(o row) bool { return o.key == r.key && o.value.v == r.value.v && o.part == r.part })
}

// rest finds what the reader lacks, or has and should not, after a last quiet run.
// Before and after are the truth around it, between which only clocks moved.
func (w *world) rest(before, after snapshot, began time.Time) []finding {
	var out []finding
	for _, name := range slices.Sorted(maps.Keys(w.tables)) {
		t := w.tables[name]
		loose := w.loose[name]
		if t.whole() {
			clocks := &world{loose: map[string]map[string]bool{}}
			clocks.note(name, before[name], after[name])
			loose = clocks.loose[name]
		}
		wrong := problems{}
		for _, r := range w.reachable(t, after[name]) {
			if t.later(r, began) || w.back[name+r.key] {
				continue
			}
			got := w.joined[name][r.key]
			if len(got) == 0 {
				wrong.add("%s: the row %s never came", name, r.key)
			} else if err := w.differ(t, r, got, loose); err != nil {
				wrong.add("%s: the last version of the row %s never came: %v", name, r.key, err)
			}
		}
		w.mu.Lock()
		inserted, gone := slices.Clone(w.inserted), slices.Clone(w.gone)
		w.mu.Unlock()
		also := w.offered(t.st)
		for key, got := range w.joined[name] {
			if also[unquoted(key)] || w.ever[name][key] || slices.ContainsFunc(inserted, func(id string) bool { return strings.Contains(key, id) }) {
				continue
			}
			for _, r := range got {
				// Who has listed a row may ask for what belongs to it when it is gone.
				if slices.ContainsFunc(gone, func(id string) bool { return strings.Contains(string(r.raw), id) }) {
					continue
				}
				if raw, ok := r.fields[stream.DeletedAt]; !ok || string(raw) == "null" {
					wrong.add("%s: the row %s was never true: %.300s", name, key, r.raw)
				}
			}
		}
		out = append(out, wrong.findings(lost)...)
	}
	return out
}

// whole tells whether each run reads a stream whole. Of children that are read for
// parents which changed nobody can know what changed without their parent.
func (t *table) whole() bool {
	return t.st.Cursor == nil && (t.st.Parent == nil || !t.st.Parent.Changed)
}

// later tells whether a run that began at a moment may leave a row to a later one:
// only the vendor knows, or its clock is ahead of ours and has stamped the row with a
// time that is still to come, which a run does not read beyond.
func (t *table) later(r row, began time.Time) bool {
	if r.may || t.st.Cursor == nil || !r.value.set {
		return r.may
	}
	return r.value.raw != "" && !isNumber(r.value.raw) && r.value.v > began.UnixMicro()
}

func isNumber(raw string) bool {
	return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' && !strings.Contains(raw, ":")
}

// offered are the parents of a stream's rows that only the config asks for: the truth
// does not know their children.
func (w *world) offered(st *stream.Stream) map[string]bool {
	if !w.offers || st.Parent == nil || len(st.Parent.Bind) == 0 {
		return nil
	}
	rows, err := w.shared.rows(st.Parent.Stream + "/offers")
	if err != nil {
		return nil
	}
	out := map[string]bool{}
	for _, raw := range rows {
		if fields, err := members(raw); err == nil {
			out[unquoted(string(fields[st.Parent.Bind[0].From]))] = true
		}
	}
	return out
}

// problems gathers what is wrong with a stream: three examples say enough.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) == 3 {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *problems) findings(kind string) []finding {
	var out []finding
	for i, text := range p.list {
		if i == len(p.list)-1 && p.more > 0 {
			text += fmt.Sprintf("\nand %d more", p.more)
		}
		out = append(out, finding{kind, text})
	}
	return out
}
