package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A mark is a replication value: an instant or day in microseconds, or a number.
type mark struct {
	set bool
	v   int64
	raw string
}

func readMark(raw json.RawMessage) (mark, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return mark{}, nil
	}
	if raw[0] != '"' {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return mark{true, n, string(raw)}, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return mark{}, err
	}
	layout := time.RFC3339Nano
	if len(text) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	at, err := time.Parse(layout, text)
	return mark{true, at.UnixMicro(), string(raw)}, err
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

// stamped tells whether a stream's replication value is shown by no row, and made by
// the tap of the day that it asked for.
func stamped(st *stream.Stream) bool { return st.Cursor != nil && st.Cursor.Stamp != nil }

// truthName is what the stand-in calls the truth that has all replication values.
func truthName(st *stream.Stream) string {
	if stamped(st) {
		return st.Name + "/" + st.Cursor.Field
	}
	return st.Name
}

// exclusive tells whether the vendor leaves out the lower bound itself.
func exclusive(st *stream.Stream) bool {
	if st.Cursor == nil {
		return false
	}
	if p, ok := st.Page.(stream.Keyset); ok && p.Param == st.Cursor.From {
		return true // it asks for what follows a key
	}
	return slices.ContainsFunc(st.Cursor.Bounds(stream.NewConfig(nil), "5", ""), func(p stream.Param) bool {
		return strings.Contains(p.Value, " gt ")
	})
}

// injected are the properties that the tap fills in by itself.
func injected(src *stream.Source, st *stream.Stream) []string {
	var out []string
	if st.Scope != "" {
		out = append(out, src.Scopes[st.Scope].Inject...)
	}
	var binds []stream.Bind
	switch {
	case st.Parent != nil:
		binds = st.Parent.Bind
	case st.With != nil:
		binds = st.With.Inject
	}
	for _, b := range binds {
		if b.Inject != "" {
			out = append(out, b.Inject)
		}
	}
	return out
}

// newTable makes the judge of a stream's records, by the SCHEMA that was written.
func (w *world) newTable(st *stream.Stream, emitted json.RawMessage, truth []json.RawMessage) (*table, error) {
	src := w.place.src
	full, err := w.place.schema(st.Name, w.deletions)
	if err != nil {
		return nil, err
	}
	o := &oracle.Oracle{
		Stream: st, Schema: &singer.Schema{}, Full: full, Inject: injected(src, st), Wall: src.Instant != nil,
		// Whether nested bytes are the vendor's own, the conformance suite sees.
		Made: st.Roads != nil, Shuffled: true,
		Unlisted: st.Select == "" && slices.ContainsFunc(src.Streams, func(o stream.Stream) bool { return o.Select != "" }),
	}
	if err := json.Unmarshal(emitted, o.Schema); err != nil {
		return nil, err
	}
	if len(truth) > 0 {
		told, err := members(truth[0])
		if err != nil {
			return nil, err
		}
		o.Inject = slices.DeleteFunc(o.Inject, func(name string) bool { return told[name] != nil })
	}
	o.Zone = w.zone()
	o.Index()
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

func (w *world) zone() *time.Location {
	if w.place.src.Zone == nil {
		return time.UTC
	}
	return w.place.src.Zone(stream.NewConfig(map[string]string{}))
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
			if r.value, err = w.markOf(t, want.Values[t.st.Cursor.Field]); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// markOf reads a canonical replication value.
func (w *world) markOf(t *table, text string) (mark, error) {
	p := t.judge.Schema.Property(t.st.Cursor.Field)
	if p.Type == "string" && p.Format == "date-time" && text != "null" {
		at, err := time.Parse(time.RFC3339Nano, text)
		return mark{true, at.UnixMicro(), text}, err
	}
	return readMark(json.RawMessage(text))
}

// reachable are the rows that a read from the config's start_date has to deliver.
func (w *world) reachable(t *table, all []row) []row {
	all = w.wanted(t.st, all)
	c := t.st.Cursor
	if c == nil || stamped(t.st) {
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
	y, m, d := at.In(w.zone()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, w.zone())
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
