package sourcetest

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var bookmarkCases = []conformance{
	{"bookmark is the greatest value", bookmarkValue},
	{"second run", secondRun},
	{"changed rows", changedRows},
}

// parts are marks by partition, "" being a stream without partitions.
type parts map[string]mark

// marks returns what a state holds of a stream's replication key.
func (s *subject) marks(t testing.TB, p position, st *stream.Stream) parts {
	t.Helper()
	out := parts{}
	if st.Cursor == nil {
		return out
	}
	entry := p.Bookmarks[st.Name]
	if st.Scope == "" {
		if m := readMark(t, entry[st.Cursor.Field]); m.set {
			out[""] = m
		}
		return out
	}
	require.NotContains(t, entry, st.Cursor.Field, "%s: a stream with partitions keeps its bookmarks there", st.Name)
	for id, part := range partEntries(t, entry) {
		if m := readMark(t, part[st.Cursor.Field]); m.set {
			out[id] = m
		}
	}
	return out
}

func partEntries(t testing.TB, entry map[string]json.RawMessage) map[string]map[string]json.RawMessage {
	t.Helper()
	var parts map[string]map[string]json.RawMessage
	if raw, ok := entry["partitions"]; ok {
		require.NoError(t, json.Unmarshal(raw, &parts))
	}
	return parts
}

// partOf is the partition whose bookmark covers a row, "" where its stream has none
// or the row does not tell. Parts of something larger share its bookmark.
func (s *subject) partOf(t testing.TB, st *stream.Stream, value func(string) string) string {
	t.Helper()
	p := s.partition(t, st, value)
	return cmp.Or(p.Within, p.ID)
}

// partition is the one that a row belongs to, by the values that the tap fills in;
// one without a name where its stream has none or the row does not tell.
func (s *subject) partition(t testing.TB, st *stream.Stream, value func(string) string) stream.Partition {
	t.Helper()
	if st.Scope == "" {
		return stream.Partition{}
	}
	list := s.expanded(t, st.Scope)
	inject := s.src.Scopes[st.Scope].Inject
	for i := range list {
		same := len(inject) > 0
		for k, name := range inject {
			same = same && unquoted(value(name)) == unquoted(list[i].Inject[k])
		}
		if same {
			return list[i]
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return stream.Partition{}
}

// unquoted is a JSON scalar as text.
func unquoted(literal string) string {
	if text, ok := textOf(json.RawMessage(literal)); ok {
		return text
	}
	return literal
}

// partOfRecord is partOf of what was written.
func (s *subject) partOfRecord(t testing.TB, st *stream.Stream, r record) string {
	t.Helper()
	return s.partOf(t, st, func(name string) string { return string(r.fields[name]) })
}

// greatest is, by partition, the greatest replication value among records, of
// those up to a limit.
func (s *subject) greatest(t testing.TB, st *stream.Stream, rs []record, limit time.Time) parts {
	t.Helper()
	out := parts{}
	for _, r := range rs {
		s.raise(t, out, st, r.fields, limit)
	}
	return out
}

// raise takes a record into the greatest values so far.
func (s *subject) raise(t testing.TB, out parts, st *stream.Stream, row map[string]json.RawMessage, limit time.Time) {
	t.Helper()
	m := readMark(t, row[st.Cursor.Field])
	if !m.set || m.raw[0] == '"' && m.v > s.latest(st, limit) {
		return
	}
	part := s.partOf(t, st, func(name string) string { return string(row[name]) })
	if old := out[part]; !old.set || m.v > old.v {
		out[part] = m
	}
}

// sameMarks compares bookmarks by their instants.
func sameMarks(t testing.TB, want, got parts, name string) {
	t.Helper()
	for part, m := range want {
		require.True(t, got[part].set, "%s: partition %q has no bookmark", name, part)
		require.Equal(t, m.v, got[part].v, "%s: the bookmark of %q is %s, the greatest value written is %s", name, part, got[part].raw, m.raw)
	}
	require.Len(t, got, len(want), "%s: bookmarks without a record", name)
}

// sameState compares states but for the tap's own members that tell when a list
// was read.
func sameState(t testing.TB, want, got json.RawMessage, words string) {
	t.Helper()
	require.JSONEq(t, readAt.ReplaceAllString(string(want), ""), readAt.ReplaceAllString(string(got), ""), words)
}

var readAt = regexp.MustCompile(`,?"_[a-z_]*read_at":"[^"]*"`)

// bookmarkValue: after a run the bookmark is the greatest replication value
// that was written, up to the start of the run; streams without a cursor have
// none; nothing but what was read is in the state.
func bookmarkValue(t *testing.T, s *subject) {
	out := s.base(t)
	if !s.large(t) {
		out = s.usual(t) // more, where the default selection keeps no bookmark
	}
	final := readState(t, out.final(t))
	require.Nil(t, final.Syncing)
	for name := range final.Bookmarks {
		require.Contains(t, out.streamNames(), name)
	}
	for _, name := range out.streamNames() {
		st := s.table(t, name)
		got := s.marks(t, final, st)
		if st.Cursor == nil {
			require.Empty(t, got, name)
			continue
		}
		sameMarks(t, s.firstMarks(t, st, out.records(t, name), today), got, name)
		for _, m := range got {
			switch p := s.fullSchema(t, st).Property(st.Cursor.Field); p.Format {
			case "date-time":
				require.Regexp(t, instantOut, m.raw[1:len(m.raw)-1], name)
			case "date":
				require.Len(t, m.raw, len(`"2006-01-02"`), name)
			}
		}
	}
	// Only what was written is covered, at every STATE.
	s.covered(t, out, nil)
}

// covered checks every STATE of a run: no bookmark lies beyond what was written
// before it (or what the run was given) or beyond the start of the run, and
// none goes back.
func (s *subject) covered(t testing.TB, out *output, given json.RawMessage) {
	t.Helper()
	before, entries := map[string]parts{}, map[string]string{}
	if given != nil {
		p := readState(t, given)
		for i := range s.all(t) {
			st := &s.all(t)[i]
			before[st.Name] = s.marks(t, p, st)
		}
	}
	most := map[string]parts{}
	line := 0
	for _, at := range out.states() {
		for ; line < at.line; line++ {
			m := out.lines[line]
			if m.Type != "RECORD" {
				continue
			}
			if st := s.table(t, m.Stream); st.Cursor != nil {
				if most[m.Stream] == nil {
					most[m.Stream] = parts{}
				}
				s.raise(t, most[m.Stream], st, fields(t, m.Record), out.began)
			}
		}
		for _, entry := range members(t, fields(t, at.value)["bookmarks"]) {
			name := entry.Name
			if entries[name] == string(entry.Raw) {
				continue
			}
			entries[name] = string(entry.Raw)
			st := s.table(t, name)
			now := s.marks(t, position{Bookmarks: map[string]map[string]json.RawMessage{name: fields(t, entry.Raw)}}, st)
			for part, m := range now {
				old := before[name][part]
				if m.v == old.v && old.set {
					continue
				}
				if stamped(st) && !old.set {
					s.firstDay(t, st, out, at.line, m)
					continue
				}
				top := most[name][part]
				require.True(t, top.set && m.v <= top.v, "line %d: the bookmark of %s %q, %s, covers what was not written", at.line+1, name, part, m.raw)
				require.True(t, !old.set || m.v > old.v, "line %d: the bookmark of %s %q goes back", at.line+1, name, part)
			}
			before[name] = now
		}
	}
}

// secondRun: nothing changed, so the next run writes only rows at the bookmark
// itself and those that have no replication value, asks no more than it must,
// and leaves the state as it was.
func secondRun(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 230, Seed: 1})
	first := s.sync(t, server, ask{config: wide, only: s.some(t)})
	first.complete(t)
	state := first.final(t)
	second := s.sync(t, server, ask{config: wide, only: s.some(t), state: state, at: today.Add(time.Hour)})
	second.complete(t)
	sameState(t, state, second.final(t), "the state stays")
	s.covered(t, second, state)
	for _, name := range second.streamNames() {
		st := s.table(t, name)
		got := second.records(t, name)
		old := first.records(t, name)
		asked := second.stats.ByResource[name]
		if st.Cursor == nil {
			require.Equal(t, keys(old), keys(got), "%s: a whole table is read again", name)
			require.True(t, first.stats.ByResource[name] == asked || s.guess != "", name)
			continue
		}
		marks := s.marks(t, readState(t, state), st)
		lowest := s.reaching(t, st, marks)
		ties, nulls, back := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, r := range old {
			m := readMark(t, r.fields[st.Cursor.Field])
			switch {
			case !m.set:
				nulls[r.key] = true
			case m.v == marks[s.partOfRecord(t, st, r)].v:
				ties[r.key] = true
			case m.v >= lowest[s.partOfRecord(t, st, r)].v && m.v < marks[s.partOfRecord(t, st, r)].v:
				// What is looked back at comes too; by another time, see again, it may.
				if back[r.key] = true; s.guess == "" {
					ties[r.key] = true
				}
			}
		}
		if stamped(st) { // what the first run could not know
			nulls = map[string]bool{}
			for _, r := range s.since(t, server, st, s.keySchema(t, st), marks) {
				ties[r.key] = true
			}
		}
		have := keys(got)
		// Rows that cost more calls than that of their page, and are known.
		known := st.Chunked != nil && len(have) == 0 && strings.Contains(string(fields(t, fields(t, state)["bookmarks"])[name]), `"_ties":"`)
		for k := range ties {
			require.True(t, have[k] || exclusive(st) || known, "%s: %s is at the bookmark", name, k)
		}
		for k := range nulls {
			require.True(t, have[k] || st.Cursor.Filtered(), "%s: %s has no replication value and was seen again", name, k)
		}
		for k := range have {
			require.True(t, ties[k] || back[k] || nulls[k], "%s: %s had come already", name, k)
		}
		switch {
		case s.guess != "": // what it costs is not the matter then
		case st.Scope != "" || st.Needs() != "" || st.Job != nil:
			require.LessOrEqual(t, asked, first.stats.ByResource[name], name)
		case !st.Cursor.Filtered():
			require.Equal(t, first.stats.ByResource[name], asked, "%s is read whole each time", name)
		case st.Cursor.Sparse:
			// The window; the count of all rows, of those with a value, and of
			// all again.
			require.LessOrEqual(t, asked, int64(4), name)
		case known && len(ties) > 0:
			require.Equal(t, int64(1), asked, "%s: the page alone", name)
		case s.otherwise(st):
			require.LessOrEqual(t, asked, s.answers(t, st), "%s: one window of one page, or none", name)
		default:
			require.Equal(t, s.answers(t, st)+atRest(st, len(have)), asked, "%s: one window of one page", name)
		}
	}
}

// changedRows: what was touched or added since comes, in its last version, and
// nothing else but ties; deletions are listed where the vendor lists them.
func changedRows(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 60, Seed: 3})
	a := ask{config: with(wide, "date_window_size", 400), only: s.some(t)}
	first := s.sync(t, server, a)
	first.complete(t)
	var reports []emulator.Report
	at := midnight
	if slices.ContainsFunc(s.changing(t), stamped) {
		at = at.Add(24 * time.Hour) // a later day wherever the vendor is
	}
	for _, st := range s.changing(t) {
		r := s.disturb(t, server, st, at)
		reports = append(reports, r...)
	}
	for _, st := range s.growing(t) {
		r, err := s.change(t, server, emulator.Change{Stream: st.Name, Insert: 3, At: at})
		require.NoError(t, err)
		reports = append(reports, r...)
	}
	require.NotEmpty(t, reports)
	a.state, a.at = first.final(t), at.Add(time.Hour)
	second := s.sync(t, server, a)
	second.complete(t)
	s.covered(t, second, first.final(t))
	s.delivered(t, server, second, first, second)
	for _, report := range reports {
		st := s.table(t, report.Stream)
		if a.only == nil && !st.Selected {
			continue
		}
		marks := s.marks(t, readState(t, first.final(t)), st)
		want, fresh := map[string]bool{}, map[string]bool{}
		for _, r := range s.rows(t, server, st, second.schema(t, st.Name).Schema) {
			if r.value.set && r.value.v > marks[r.part].v {
				want[r.key] = true
			}
		}
		for _, r := range second.records(t, report.Stream) {
			if m := readMark(t, r.fields[st.Cursor.Field]); m.set && m.v > marks[s.partOfRecord(t, st, r)].v {
				fresh[r.key] = true
			}
		}
		require.Equal(t, want, fresh, "%s: rows touched and added", report.Stream)
		// What was dated back is looked back at, or not to be seen; delivered knows.
		early := s.shows(t, server, st, report.Inserted, marks[""].v)
		require.GreaterOrEqual(t, len(fresh), len(report.Touched)+len(report.Inserted)-len(early), report.Stream)
	}
	s.datedBack(t, server, a, at, first, second)
}

// disturb touches rows of a stream, deletes some and adds some; where its table
// takes no more or gives none away, what else can be done with it.
func (s *subject) disturb(t testing.TB, server *emulator.Server, st *stream.Stream, at time.Time) []emulator.Report {
	t.Helper()
	reports, err := s.change(t, server, emulator.Change{Stream: st.Name, Rows: 4, Delete: 2, Insert: 3, At: at})
	if err != nil {
		reports, err = s.change(t, server, emulator.Change{Stream: st.Name, Rows: 4, At: at})
	}
	require.NoError(t, err)
	return reports
}

// own is what is expected of a row without what its references say of other rows:
// these may change while the row itself, and its replication value, do not. daily are
// members that tell of the day of the answer.
func own(want expected, got map[string]json.RawMessage, daily map[string]bool) expected {
	loose := maps.Clone(want.Loose)
	if loose == nil {
		loose = map[string]bool{}
	}
	maps.Copy(loose, daily)
	for name, text := range want.Values {
		if id := reference(text); id != "" && id == reference(string(got[name])) {
			loose[name] = true
		}
	}
	want.Loose = loose
	return want
}

// reference is the id in an object that refers to another row, "" where a value is
// none.
func reference(text string) string {
	if inner, ok := textOf(json.RawMessage(text)); ok {
		text = inner
	}
	list, err := flat([]byte(text))
	if err != nil {
		return ""
	}
	for _, m := range list {
		if m.Name == "id" && string(m.Raw) != "null" {
			return string(m.Raw)
		}
	}
	return ""
}

// delivered checks that of every live row that a run's final bookmarks cover
// the last version has been written by one of the runs, the later the better.
func (s *subject) delivered(t testing.TB, server *emulator.Server, end *output, runs ...*output) {
	t.Helper()
	final := readState(t, end.final(t))
	disturbed := slices.ContainsFunc(runs, func(o *output) bool { return o.watched })
	for _, name := range end.streamNames() {
		st := s.table(t, name)
		if st.Cursor == nil && end.watched {
			continue // its rows may have moved after they were read
		}
		m := end.schema(t, name)
		o := s.truthOracle(t, st, m.Schema, s.truth(t, server, truthName(st)))
		last := map[string]map[string]record{} // by the vendor's key, by the whole key
		for _, run := range runs {
			for _, r := range run.records(t, name) {
				k := o.KeyOf(func(k string) string { return string(r.fields[k]) })
				if last[k] == nil {
					last[k] = map[string]record{}
				}
				last[k][s.identity(t, st, r)] = r
			}
		}
		marks := s.marks(t, final, st)
		// What all partitions cover, for rows of which the truth does not tell
		// where they are.
		low := mark{}
		for _, m := range marks {
			if !low.set || m.v < low.v {
				low = m
			}
		}
		problems := newProblems(name)
		list := s.since(t, server, st, m.Schema, nil)
		if stamped(st) {
			list = s.rows(t, server, st, m.Schema) // with their days
		}
		var daily map[string]bool // what a table that is read whole tells of the day
		if st.Cursor == nil && !end.began.Before(midnight) {
			daily = s.differing(t, server, name, end.began)
		}
		for _, w := range list {
			covered := low
			if w.part != "" || st.Scope == "" {
				covered = marks[w.part]
			}
			if w.value.set && (!covered.set || w.value.v > covered.v || w.value.v == covered.v && end.watched && !exclusive(st)) {
				continue // the next run reads it
			}
			if !w.value.set && end.failed(name) {
				continue // so does it here: the stream is not complete
			}
			var wrong error
			came := false
			for _, r := range last[w.key] {
				err := o.Compare(asRead(st, own(w.expected, r.fields, daily), r.fields), r.fields)
				if st.Cursor != nil && st.Cursor.Edits != nil && end.watched {
					err = nil // the next run brings what was edited meanwhile
				}
				came = came || err == nil
				wrong = err
			}
			switch {
			case len(last[w.key]) == 0:
				problems.add("the row %s did not come, %s", w.key, w.value.raw)
			case !came && w.value.set && disturbed && w.value.v < covered.v-looksBack(s.src, st).Microseconds() && looksBack(s.src, st) > 0:
				// It changed after it was read, in this run or in one before, and is dated
				// further back than any read looks: where rows tell when something was,
				// nobody can know.
			case !came:
				problems.add("the last version of %s did not come: %v", w.key, wrong)
			}
		}
		problems.report(t)
	}
}
