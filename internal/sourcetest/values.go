package sourcetest

import (
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
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var valueCases = []conformance{
	{"default sync", defaultSync},
	{"odd forms", oddForms},
}

// oracle makes the judge of a stream's records, by the SCHEMA that was written.
// told are the members of a row of the truth, which may hold what the tap fills
// in; nil for the vendor's own rows.
func (s *subject) oracle(t testing.TB, st *stream.Stream, emitted json.RawMessage, told map[string]json.RawMessage) *oracle {
	t.Helper()
	id := fmt.Sprint(st.Name, len(told) > 0, string(emitted))
	shuffled := s.shuffles(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.oracles[id]; o != nil {
		return o
	}
	full, err := engine.Schema(s.src, st)
	require.NoError(t, err)
	o, err := newOracle(s.src, st, emitted, full, told)
	require.NoError(t, err)
	o.Made, o.Shuffled = s.otherwise(st), shuffled
	if s.oracles == nil {
		s.oracles = map[string]*oracle{}
	}
	s.oracles[id] = o
	return o
}

// row is what a live row should become.
type row struct {
	expected
	raw   json.RawMessage
	key   string // as a record of it would have; without what only the tap tells
	value mark   // of the replication key
	part  string // where the truth tells it
	may   bool   // it may come or not, see uncertain
}

// rows derives what should come of a stream's truth.
func (s *subject) rows(t testing.TB, server *emulator.Server, st *stream.Stream, emitted json.RawMessage) []row {
	t.Helper()
	truth := s.truth(t, server, truthName(st))
	o := s.truthOracle(t, st, emitted, truth)
	var out []row
	for _, raw := range truth {
		want, err := o.Remember(raw)
		require.NoError(t, err, "%s", raw)
		r := row{expected: want, raw: raw, key: o.KeyOf(func(k string) string { return want.Values[k] })}
		r.Loose = s.clockMembers(t, server, st.Name)
		r.part = s.partOf(t, st, func(name string) string { return want.Values[name] })
		if st.Cursor != nil {
			var err error
			r.value.raw = want.Values[st.Cursor.Field]
			r.value.v, r.value.set, err = o.MarkOf(want)
			require.NoError(t, err, "%s", raw)
		}
		out = append(out, r)
	}
	return out
}

// truthOracle judges records by the rows of the truth.
func (s *subject) truthOracle(t testing.TB, st *stream.Stream, emitted json.RawMessage, truth []json.RawMessage) *oracle {
	t.Helper()
	if len(truth) == 0 {
		return s.oracle(t, st, emitted, nil)
	}
	return s.oracle(t, st, emitted, fields(t, truth[0]))
}

// matches holds records against the rows they should be: the same keys, each
// as often as the truth has it (the tap may fill in a part of the key), the
// same values. Order does not count. Of several records of one key the last
// one does where repeats are allowed.
func (s *subject) matches(t testing.TB, st *stream.Stream, emitted json.RawMessage, want []row, got []record) {
	t.Helper()
	var truth []json.RawMessage
	if len(want) > 0 {
		truth = append(truth, want[0].raw)
	}
	o := s.truthOracle(t, st, emitted, truth)
	byKey := map[string][]row{}
	for _, r := range want {
		byKey[r.key] = append(byKey[r.key], r)
	}
	last := map[string]record{}
	for _, r := range got {
		last[s.identity(t, st, r)] = r
	}
	problems := newProblems(st.Name)
	matched := map[string][]bool{}
	for _, r := range last {
		key := o.KeyOf(func(k string) string {
			text, err := canon(o.Schema.Property(k), r.fields[k])
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
				if err := o.Compare(w.expected, r.fields); err == nil {
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
		for i, w := range rows {
			if w.may && (i >= len(matched[key]) || !matched[key][i]) {
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
		if st.Selected && !out.skipped(st.Name) {
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
			if s.large(t) { // all of them are held against the truth in another case
				s.alike(t, st, s.everyRecord(t, name), got)
				return
			}
			s.whole(t, st, m, got)
			s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
		})
	}
}

// alike checks that two runs wrote the same records of a stream, hidden
// properties and what tells the time apart.
func (s *subject) alike(t testing.TB, st *stream.Stream, want, got []record) {
	t.Helper()
	require.Len(t, got, len(want), st.Name)
	byKey := map[string]record{}
	for _, r := range want {
		byKey[r.key] = r
	}
	for _, r := range got {
		if string(r.Record) == string(byKey[r.key].Record) {
			continue
		}
		loose := s.volatileIn(t, st.Name)
		for name, raw := range r.fields {
			if !loose[name] {
				s.same(t, st, byKey[r.key].fields[name], raw, name, r.key)
			}
		}
	}
}

// since are the rows of the truth that a read from the given bookmarks, or from
// the config's start_date, has to deliver: those at or after it, or after what is
// looked back to, and those without a replication value.
func (s *subject) since(t testing.TB, server *emulator.Server, st *stream.Stream, emitted json.RawMessage, from parts) []row {
	t.Helper()
	return s.sinceStart(t, server, st, emitted, s.reaching(t, st, from), s.start(t, server))
}

// reaching are the bookmarks less what the tap looks back by default (contract.md
// §5): dates and instants only.
func (s *subject) reaching(t testing.TB, st *stream.Stream, from parts) parts {
	t.Helper()
	back := looksBack(s.src, st)
	if st.Cursor != nil && st.Cursor.Anew {
		return parts{} // it is read from its beginning each time
	}
	if back == 0 || st.Cursor == nil || !s.instants(t, st, nil) {
		return from
	}
	out := parts{}
	for part, m := range from {
		if m.set {
			m.v -= back.Microseconds()
		}
		out[part] = m
	}
	return out
}

func (s *subject) sinceStart(t testing.TB, server *emulator.Server, st *stream.Stream, emitted json.RawMessage, from parts, start time.Time) []row {
	t.Helper()
	all := s.rows(t, server, st, emitted)
	switch {
	case st.Cursor == nil:
		return all
	case stamped(st) && len(from) == 0:
		return unshown(st, all)
	case st.Cursor.Anew:
		from = nil // it is read from its beginning each time
	}
	begin := parts{}
	switch {
	case start.IsZero():
	case s.instants(t, st, emitted):
		low := start.UnixMicro()
		if st.Cursor.Floor != nil && s.wholeDays(all) {
			low = s.midnightOf(start).UnixMicro() // the first day is read from its beginning
		}
		for _, r := range all {
			begin[r.part] = mark{set: true, v: low}
		}
	case st.Cursor.Begin != nil:
		begin = s.beginnings(t, all, start)
	}
	days := s.fullSchema(t, st).Property(st.Cursor.Field).Format == "date"
	all = s.uncertain(t, st, all, from)
	return slices.DeleteFunc(all, func(r row) bool {
		low, given := from[r.part]
		if !given {
			low = begin[r.part]
		}
		if days {
			low.v = time.UnixMicro(low.v).UTC().Truncate(24 * time.Hour).UnixMicro()
		}
		return !r.may && r.value.set && low.set && (r.value.v < low.v || given && r.value.v == low.v && exclusive(st))
	})
}

// beginnings are, by partition, the least replication values among the rows that
// changed at a date or later: where the service lets a count begin for it. Where
// there is none all is read.
func (s *subject) beginnings(t testing.TB, all []row, start time.Time) parts {
	t.Helper()
	out := parts{}
	for _, r := range all {
		var text string
		if raw, ok := fields(t, r.raw)[changedAt]; !ok || json.Unmarshal(raw, &text) != nil {
			continue
		}
		reading, ok := wallReading(text)
		if old := out[r.part]; ok && !fromWall(reading).Before(start) && (!old.set || r.value.v < old.v) {
			out[r.part] = r.value
		}
	}
	return out
}

// uncertain marks the rows of which only the vendor knows whether they come: those
// up to a bookmark that may have been edited since it was set, where the vendor
// tells what was, and those that are dated ahead in a list that ends with the day.
func (s *subject) uncertain(t testing.TB, st *stream.Stream, all []row, from parts) []row {
	t.Helper()
	for i := range all {
		r := &all[i]
		low, given := from[r.part]
		r.may = st.Cursor.Edits != nil && given && r.value.v <= low.v || st.Cursor.Anew && r.value.set && r.value.v > today.UnixMicro()
	}
	return all
}

// certain are the rows that have to come.
func certain(all []row) []row {
	return slices.DeleteFunc(all, func(r row) bool { return r.may })
}

// instants tells whether the replication key is a time.
func (s *subject) instants(t testing.TB, st *stream.Stream, emitted json.RawMessage) bool {
	t.Helper()
	return s.fullSchema(t, st).Property(st.Cursor.Field).Type == "string"
}

// start is the start_date of the stand-in's config.
func (s *subject) start(t testing.TB, server *emulator.Server) time.Time {
	t.Helper()
	values := s.config(t, server)
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
	if len(got) > 0 && !s.firstLook(st.Name, got) {
		return // another case has looked at the same shared run
	}
	v := s.validator(t, m.Schema)
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
		if id := s.identity(t, st, r); seen[id] {
			problems.add("key %s comes twice", r.key)
		} else {
			seen[id] = true
		}
		if at, err := time.Parse(time.RFC3339Nano, r.TimeExtracted); err != nil || at.Location() != time.UTC {
			problems.add("key %s: time_extracted is %q", r.key, r.TimeExtracted)
		}
		if r.fields[rescuedData] != nil && order[len(order)-1] != rescuedData {
			problems.add("%s is not the last member", rescuedData)
		}
	}
	problems.report(t)
}

// validator compiles a schema, once for each text.
func (s *subject) validator(t testing.TB, text []byte) *schema.Validator {
	t.Helper()
	s.mu.Lock()
	v := s.validators[string(text)]
	s.mu.Unlock()
	if v != nil {
		return v
	}
	v, err := schema.Compile(text)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.validators == nil {
		s.validators = map[string]*schema.Validator{}
	}
	s.validators[string(text)] = v
	return v
}

// oddForms: another seed, and whatever odd forms the stand-in can be told to
// send, make other records but never invalid or wrong ones.
func oddForms(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 64, Seed: 7, Faults: "offset-times:0.5,disputed:0.2,gzip,mandatory"})
	out := s.sync(t, server, ask{only: s.some(t), config: wide})
	out.complete(t)
	for _, name := range out.streamNames() {
		st := s.table(t, name)
		m := out.schema(t, name)
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), out.records(t, name))
	}
}

// firstLook tells whether records were not checked yet, as those of the shared
// runs may have been.
func (s *subject) firstLook(name string, got []record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, out := range []*output{s.basic, s.complete, s.sampled} {
		if out == nil {
			continue
		}
		out.mu.Lock()
		list := out.byStream[name]
		out.mu.Unlock()
		if len(list) > 0 && &list[0] == &got[0] {
			if s.checked == nil {
				s.checked = map[*record]bool{}
			}
			first := !s.checked[&got[0]]
			s.checked[&got[0]] = true
			return first
		}
	}
	return true
}
