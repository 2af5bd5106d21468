package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A mark is a replication value: an instant or day in microseconds, or a number.
type mark struct {
	set bool
	v   int64
	raw string
}

func readMark(raw json.RawMessage) (mark, error) {
	v, set, err := oracle.ReadMark(raw)
	return mark{set, v, string(raw)}, err
}

// A table is a stream that the tap has written a SCHEMA of.
type table struct {
	st      *stream.Stream
	emitted string
	told    bool // the truth has rows, and what the tap fills in may be in them
	judge   *oracle.Oracle
	order   []string // properties
}

// A row is what a live row should become.
type row struct {
	oracle.Expected
	raw   json.RawMessage
	key   string // without what only the tap tells
	value mark
	part  string
	may   bool // only the vendor knows whether it comes
}

// newTable makes the judge of a stream's records, by the SCHEMA that was written.
func (w *world) newTable(st *stream.Stream, emitted json.RawMessage, truth []json.RawMessage) (*table, error) {
	src := w.place.src
	full, err := w.place.schema(st.Name, w.deletions)
	if err != nil {
		return nil, err
	}
	var told map[string]json.RawMessage
	if len(truth) > 0 {
		if told, err = members(truth[0]); err != nil {
			return nil, err
		}
	}
	o, err := oracle.New(src, st, emitted, full, told)
	if err != nil {
		return nil, err
	}
	// Whether nested bytes are the vendor's own, the conformance suite sees.
	o.Made, o.Shuffled = st.Roads != nil, true
	t := &table{st: st, emitted: string(emitted), told: len(truth) > 0, judge: o}
	for _, p := range o.Schema.Properties {
		t.order = append(t.order, p.Name)
	}
	return t, nil
}

// members reads an object without touching its values.
func members(raw []byte) (map[string]json.RawMessage, error) {
	list, err := oracle.Flat(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %.200s", err, raw)
	}
	m := make(map[string]json.RawMessage, len(list))
	for _, f := range list {
		m[f.Name] = f.Raw
	}
	return m, nil
}

// partition is the one whose bookmark covers a row, by what the tap fills in; one
// without a name where the stream has none or the row does not tell.
func (w *world) partition(st *stream.Stream, value func(string) string) string {
	if st.Scope == "" {
		return ""
	}
	list := w.parts[st.Scope]
	inject := w.place.src.Scopes[st.Scope].Inject
	for i := range list {
		same := len(inject) > 0
		for k, name := range inject {
			same = same && unquoted(value(name)) == unquoted(list[i].Inject[k])
		}
		if same {
			return cmp.Or(list[i].Within, list[i].ID)
		}
	}
	if len(list) == 1 {
		return cmp.Or(list[0].Within, list[0].ID)
	}
	return ""
}

// ids are the bookmarks that a stream keeps.
func (w *world) ids(st *stream.Stream) []string {
	out := map[string]bool{}
	for _, p := range w.parts[st.Scope] {
		out[cmp.Or(p.Within, p.ID)] = true
	}
	var list []string
	for id := range out {
		list = append(list, id)
	}
	return list
}

// unquoted is a JSON scalar as text.
func unquoted(literal string) string {
	if text, ok := oracle.TextOf(json.RawMessage(literal)); ok {
		return text
	}
	return literal
}

// rows derives what should come of a stream's truth.
func (w *world) rows(t *table, truth []json.RawMessage) ([]row, error) {
	out := make([]row, 0, len(truth))
	for _, raw := range truth {
		want, err := t.judge.Remember(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %.300s", err, raw)
		}
		value := func(k string) string { return want.Values[k] }
		r := row{Expected: want, raw: raw, key: t.judge.KeyOf(value), part: w.partition(t.st, value)}
		if t.st.Cursor != nil {
			r.value.raw = want.Values[t.st.Cursor.Field]
			if r.value.v, r.value.set, err = t.judge.MarkOf(want); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// reachable are the rows that a read from the config's start_date has to deliver.
func (w *world) reachable(t *table, all []row) []row {
	all = w.wanted(t.st, all)
	c := t.st.Cursor
	if c == nil || oracle.Stamped(t.st) {
		return all
	}
	field := t.judge.Schema.Property(c.Field)
	low := map[string]mark{}
	switch {
	case w.start.IsZero():
	case field.Type == "string":
		from := w.start
		if c.Floor != nil && w.wholeDays(all) {
			from = w.midnight(from) // the first day is read from its beginning
		}
		if field.Format == "date" {
			from = from.UTC().Truncate(24 * time.Hour)
		}
		for _, r := range all {
			low[r.part] = mark{set: true, v: from.UnixMicro()}
		}
	case c.Begin != nil:
		low = w.beginnings(all)
	}
	var out []row
	for _, r := range all {
		r.may = c.Anew && r.value.set && r.value.v > time.Now().UnixMicro()
		if bound := low[r.part]; r.value.set && bound.set && r.value.v < bound.v {
			continue
		}
		out = append(out, r)
	}
	return out
}

func (w *world) midnight(at time.Time) time.Time {
	y, m, d := at.In(oracle.Zone(w.place.src)).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, oracle.Zone(w.place.src))
}

// wholeDays tells whether the vendor counts days.
func (w *world) wholeDays(all []row) bool {
	return !slices.ContainsFunc(all, func(r row) bool {
		at := time.UnixMicro(r.value.v)
		return r.value.set && !at.Equal(w.midnight(at))
	})
}

// beginnings are, by partition, the least replication values among the rows that
// changed at start_date or later: where the service lets a count begin for it.
func (w *world) beginnings(all []row) map[string]mark {
	out := map[string]mark{}
	for _, r := range all {
		fields, err := members(r.raw)
		var text string
		if err != nil || json.Unmarshal(fields[oracle.ChangedAt], &text) != nil {
			continue
		}
		reading, ok := oracle.WallReading(text)
		if old := out[r.part]; ok && !oracle.FromWall(reading).Before(w.start) && (!old.set || r.value.v < old.v) {
			out[r.part] = r.value
		}
	}
	return out
}

// wanted leaves out the rows of lists that the config does not ask for, which are
// those of deleted rows, and what belongs to these.
func (w *world) wanted(st *stream.Stream, all []row) []row {
	owner, from, inject := st, "", ""
	if st.Parent != nil && len(st.Parent.Bind) > 0 {
		owner, from, inject = w.place.src.Stream(st.Parent.Stream), st.Parent.Bind[0].From, st.Parent.Bind[0].Inject
	}
	if owner == nil || !slices.ContainsFunc(owner.Passes, func(p stream.Pass) bool { return p.If == includeDeleted }) || w.deletions {
		return all
	}
	gone := func(raw json.RawMessage) (map[string]json.RawMessage, bool) {
		fields, err := members(raw)
		text := unquoted(string(fields["deleted"]))
		return fields, err == nil && (text == "true" || text == "1")
	}
	hidden := map[string]bool{}
	if owner != st {
		rows, err := w.shared.rows(owner.Name)
		if err != nil {
			return all
		}
		for _, raw := range rows {
			if fields, yes := gone(raw); yes {
				hidden[unquoted(string(fields[from]))] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(r row) bool {
		_, yes := gone(r.raw)
		fields, err := members(r.raw)
		return yes && owner == st || err == nil && owner != st && hidden[unquoted(string(fields[cmp.Or(inject, from)]))]
	})
}

const includeDeleted = "include_deleted"
