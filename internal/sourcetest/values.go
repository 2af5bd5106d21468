package sourcetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/schema"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var valueCases = []conformance{
	{"default sync", defaultSync},
	{"odd forms", oddForms},
}

// truth are the live rows of a stream as the stand-in has them.
func (s *subject) truth(t testing.TB, server *emulator.Server, name string) []json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, server.Truth(&b, s.src.Name, name))
	var out []json.RawMessage
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out
}

// oracle makes the judge of a stream's records, by the SCHEMA that was written.
func (s *subject) oracle(t testing.TB, st *stream.Stream, emitted json.RawMessage) *oracle {
	t.Helper()
	id := st.Name + string(emitted)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.oracles[id]; o != nil {
		return o
	}
	o := &oracle{s: st, schema: &singer.Schema{}, inject: injected(s.src, st)}
	require.NoError(t, json.Unmarshal(emitted, o.schema))
	var err error
	o.full, err = engine.Schema(s.src, st)
	require.NoError(t, err)
	if s.src.Zone != nil {
		o.zone = s.src.Zone(stream.NewConfig(map[string]string{}))
	}
	o.index()
	if s.oracles == nil {
		s.oracles = map[string]*oracle{}
	}
	s.oracles[id] = o
	return o
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

// row is what a live row should become.
type row struct {
	expected
	raw   json.RawMessage
	key   string // as a record of it would have; without what the tap fills in
	value mark   // of the replication key
}

// rows derives what should come of a stream's truth.
func (s *subject) rows(t testing.TB, server *emulator.Server, st *stream.Stream, emitted json.RawMessage) []row {
	t.Helper()
	o := s.oracle(t, st, emitted)
	var out []row
	for _, raw := range s.truth(t, server, st.Name) {
		want, err := o.remember(raw)
		require.NoError(t, err, "%s", raw)
		r := row{expected: want, raw: raw, key: o.keyOf(st, func(k string) string { return want.values[k] })}
		if st.Cursor != nil {
			r.value = o.mark(t, want.values[st.Cursor.Field])
		}
		out = append(out, r)
	}
	return out
}

// keyOf joins the key values that the vendor sends, in canonical form.
func (o *oracle) keyOf(st *stream.Stream, value func(string) string) string {
	var parts []string
	for _, k := range st.Key {
		if !slices.Contains(o.inject, k) {
			parts = append(parts, value(k))
		}
	}
	return strings.Join(parts, "|")
}

// mark reads a canonical replication value.
func (o *oracle) mark(t testing.TB, text string) mark {
	t.Helper()
	if p := o.schema.Property(o.s.Cursor.Field); p.Type == "string" && p.Format == "date-time" && text != "null" {
		at, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return mark{true, at.UnixMicro(), text}
	}
	return readMark(t, json.RawMessage(text))
}

// matches holds records against the rows they should be: the same keys, each
// as often as the truth has it (the tap may fill in a part of the key), the
// same values. Order does not count. Of several records of one key the last
// one does where repeats are allowed.
func (s *subject) matches(t testing.TB, st *stream.Stream, emitted json.RawMessage, want []row, got []record) {
	t.Helper()
	o := s.oracle(t, st, emitted)
	byKey := map[string][]row{}
	for _, r := range want {
		byKey[r.key] = append(byKey[r.key], r)
	}
	last := map[string]record{}
	for _, r := range got {
		last[r.key] = r
	}
	problems := newProblems(st.Name)
	matched := map[string][]bool{}
	for _, r := range last {
		key := o.keyOf(st, func(k string) string {
			text, err := canon(o.schema.Property(k), r.fields[k])
			require.NoError(t, err)
			return text
		})
		rows := byKey[key]
		if len(rows) == 0 {
			problems.add("no row has the key %s", key)
			continue
		}
		if matched[key] == nil {
			matched[key] = make([]bool, len(rows))
		}
		var wrong error
		found := false
		for i, w := range rows {
			if !matched[key][i] {
				if err := o.compare(w.expected, r.fields); err == nil {
					matched[key][i], found = true, true
					break
				} else if wrong == nil {
					wrong = err
				}
			}
		}
		if !found {
			problems.add("key %s: %v", key, wrong)
		}
	}
	for key, rows := range byKey {
		n := 0
		for _, ok := range matched[key] {
			if ok {
				n++
			}
		}
		if n < len(rows) {
			problems.add("%d of %d rows with the key %s did not come", len(rows)-n, len(rows), key)
		}
	}
	problems.report(t)
}

// problems gathers what is wrong with a stream: a broken rule breaks in every
// row, and three examples say enough.
type problems struct {
	stream string
	list   []string
	more   int
}

func newProblems(name string) *problems { return &problems{stream: name} }

func (p *problems) add(format string, args ...any) {
	if len(p.list) == 3 {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *problems) report(t testing.TB) {
	t.Helper()
	if len(p.list) > 0 {
		require.Fail(t, p.stream+" is not what it should be", "%s\nand %d more", strings.Join(p.list, "\n"), p.more)
	}
}

// defaultSync: a first run without a catalog reads the streams that are
// selected by default, every row and nothing else, by key and by value.
func defaultSync(t *testing.T, s *subject) {
	out := s.base(t)
	server := s.openSmall(t)
	out.complete(t)
	var want []string
	for _, st := range s.all(t) {
		if st.Selected {
			want = append(want, st.Name)
		}
	}
	require.ElementsMatch(t, want, out.streamNames())
	require.JSONEq(t, `{"bookmarks":{},"currently_syncing":null}`, string(out.lines[0].Value), "the first message is the given state")
	for _, name := range want {
		t.Run(name, func(t *testing.T) {
			st := s.table(t, name)
			m := out.schema(t, name)
			require.Equal(t, st.Key, m.Key)
			got := out.records(t, name)
			s.whole(t, st, m, got)
			if st.Parent == nil && st.With == nil {
				s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
			}
		})
	}
}

// since are the rows of the truth that a read from the given bookmark, or from
// the config's start_date, has to deliver: those at or after it, and those
// without a replication value.
func (s *subject) since(t testing.TB, server *emulator.Server, st *stream.Stream, emitted json.RawMessage, from *mark) []row {
	t.Helper()
	all := s.rows(t, server, st, emitted)
	if st.Cursor == nil {
		return all
	}
	low := mark{}
	if from != nil {
		low = *from
	} else if p := s.start(t, server); !p.IsZero() && s.instants(t, st, emitted) {
		low = mark{set: true, v: p.UnixMicro()}
	}
	if low.set && s.fullSchema(t, st).Property(st.Cursor.Field).Format == "date" {
		low.v = time.UnixMicro(low.v).UTC().Truncate(24 * time.Hour).UnixMicro()
	}
	return slices.DeleteFunc(all, func(r row) bool { return r.value.set && low.set && r.value.v < low.v })
}

// instants tells whether the replication key is a time.
func (s *subject) instants(t testing.TB, st *stream.Stream, emitted json.RawMessage) bool {
	t.Helper()
	o := s.oracle(t, st, emitted)
	return o.schema.Property(st.Cursor.Field).Type == "string"
}

// start is the start_date of the stand-in's config.
func (s *subject) start(t testing.TB, server *emulator.Server) time.Time {
	t.Helper()
	values, err := server.Config(s.src.Name, origin)
	require.NoError(t, err)
	text, _ := values["start_date"].(string)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	require.NoError(t, err)
	return at
}

// whole checks what holds for the records of any stream: every selected
// property in the schema's order, valid under the schema, keys there and
// unique, the time of extraction told.
func (s *subject) whole(t testing.TB, st *stream.Stream, m message, got []record) {
	t.Helper()
	v, err := schema.Compile(m.Schema)
	require.NoError(t, err)
	var props struct {
		Properties json.RawMessage `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(m.Schema, &props))
	order := names(t, props.Properties)
	problems := newProblems(st.Name)
	seen := map[string]bool{}
	for _, r := range got {
		if have := names(t, r.Record); !slices.Equal(have, order) {
			problems.add("key %s: the members are %v, the schema has %v", r.key, have, order)
		}
		if err := v.Validate(r.Record); err != nil {
			problems.add("key %s: %v", r.key, err)
		}
		for _, k := range st.Key {
			if raw := string(r.fields[k]); raw == "" || raw == "null" {
				problems.add("a record without %s: %s", k, r.Record)
			}
		}
		if seen[r.key] {
			problems.add("key %s comes twice", r.key)
		}
		seen[r.key] = true
		if at, err := time.Parse(time.RFC3339Nano, r.TimeExtracted); err != nil || at.Location() != time.UTC {
			problems.add("key %s: time_extracted is %q", r.key, r.TimeExtracted)
		}
		if r.fields[rescuedData] != nil && order[len(order)-1] != rescuedData {
			problems.add("%s is not the last member", rescuedData)
		}
	}
	problems.report(t)
}

// oddForms: another seed, and whatever odd forms the stand-in can be told to
// send, make other records but never invalid or wrong ones.
func oddForms(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 64, Seed: 7, Faults: "offset-times:0.5,disputed:0.2,gzip"})
	out := s.sync(t, server, ask{config: map[string]any{"date_window_size": 3650}})
	out.complete(t)
	for _, name := range out.streamNames() {
		st := s.table(t, name)
		if st.Parent != nil || st.With != nil {
			continue
		}
		m := out.schema(t, name)
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), out.records(t, name))
	}
}
