package sourcetest

import (
	"encoding/json"
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

// marks returns what a state holds of a stream's replication key, by
// partition; "" is the stream itself, or the only partition that there is.
func (s *subject) marks(t testing.TB, p position, st *stream.Stream) map[string]mark {
	t.Helper()
	out := map[string]mark{}
	if st.Cursor == nil {
		return out
	}
	entry := p.Bookmarks[st.Name]
	if m := readMark(t, entry[st.Cursor.Field]); m.set {
		out[""] = m
	}
	raw, ok := entry["partitions"]
	if !ok {
		return out
	}
	var parts map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &parts))
	for id, part := range parts {
		if m := readMark(t, part[st.Cursor.Field]); m.set {
			out[s.partition(t, st, id)] = m
		}
	}
	return out
}

// partition is the name under which the suite knows a partition.
func (s *subject) partition(t testing.TB, st *stream.Stream, id string) string {
	t.Helper()
	if len(s.partitions(t, st)) == 1 {
		return ""
	}
	return id
}

// partitions are the ids that a whole sync leaves in the state.
func (s *subject) partitions(t testing.TB, st *stream.Stream) map[string]json.RawMessage {
	t.Helper()
	var parts map[string]json.RawMessage
	if raw, ok := readState(t, s.everything(t).final(t)).Bookmarks[st.Name]["partitions"]; ok {
		require.NoError(t, json.Unmarshal(raw, &parts))
	}
	return parts
}

// partOf is the partition that a record belongs to, "" where its stream has
// none or only one.
func (s *subject) partOf(t testing.TB, st *stream.Stream, r record) string {
	t.Helper()
	if st.Scope == "" {
		return ""
	}
	parts := s.partitions(t, st)
	for _, name := range injected(s.src, st) {
		text, isText := textOf(r.fields[name])
		if !isText {
			text = string(r.fields[name])
		}
		if _, ok := parts[text]; ok && len(parts) > 1 {
			return text
		}
	}
	return ""
}

// greatest is, by partition, the greatest replication value among records, of
// those up to a limit.
func (s *subject) greatest(t testing.TB, st *stream.Stream, rs []record, limit time.Time) map[string]mark {
	t.Helper()
	out := map[string]mark{}
	for _, r := range rs {
		m := readMark(t, r.fields[st.Cursor.Field])
		if !m.set || m.raw[0] == '"' && m.v > limit.UnixMicro() {
			continue
		}
		part := s.partOf(t, st, r)
		if old := out[part]; !old.set || m.v > old.v {
			out[part] = m
		}
	}
	return out
}

// sameMarks compares bookmarks by their instants.
func sameMarks(t testing.TB, want, got map[string]mark, name string) {
	t.Helper()
	for part, m := range want {
		require.True(t, got[part].set, "%s: partition %q has no bookmark", name, part)
		require.Equal(t, m.v, got[part].v, "%s: the bookmark of %q is %s, the greatest value written is %s", name, part, got[part].raw, m.raw)
	}
	require.Len(t, got, len(want), "%s: bookmarks without a record", name)
}

// bookmarkValue: after a run the bookmark is the greatest replication value
// that was written, up to the start of the run; streams without a cursor have
// none; nothing but what was read is in the state.
func bookmarkValue(t *testing.T, s *subject) {
	out := s.base(t)
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
		sameMarks(t, s.greatest(t, st, out.records(t, name), today), got, name)
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
	before := map[string]map[string]mark{}
	if given != nil {
		p := readState(t, given)
		for i := range s.all(t) {
			st := &s.all(t)[i]
			before[st.Name] = s.marks(t, p, st)
		}
	}
	written := map[string][]record{}
	states := out.states()
	line := 0
	for _, at := range states {
		for ; line < at.line; line++ {
			if m := out.lines[line]; m.Type == "RECORD" {
				written[m.Stream] = append(written[m.Stream], record{message: m, fields: fields(t, m.Record)})
			}
		}
		p := readState(t, at.value)
		for name := range p.Bookmarks {
			st := s.table(t, name)
			most := map[string]mark{}
			if st.Cursor != nil {
				most = s.greatest(t, st, written[name], out.began)
			}
			now := s.marks(t, p, st)
			for part, m := range now {
				old := before[name][part]
				if m.v == old.v && old.set {
					continue
				}
				require.True(t, most[part].set && m.v <= most[part].v, "line %d: the bookmark of %s %q, %s, covers what was not written", at.line+1, name, part, m.raw)
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
	first := s.sync(t, server, ask{config: wide})
	first.complete(t)
	state := first.final(t)
	second := s.sync(t, server, ask{config: wide, state: state, at: today.Add(time.Hour)})
	second.complete(t)
	require.JSONEq(t, string(state), string(second.final(t)), "the state stays")
	s.covered(t, second, state)
	for _, name := range second.streamNames() {
		st := s.table(t, name)
		got := second.records(t, name)
		old := first.records(t, name)
		asked := second.stats.ByResource[name]
		if st.Cursor == nil {
			require.Equal(t, keys(old), keys(got), "%s: a whole table is read again", name)
			require.Equal(t, first.stats.ByResource[name], asked, name)
			continue
		}
		marks := s.marks(t, readState(t, state), st)
		ties, nulls := map[string]bool{}, map[string]bool{}
		for _, r := range old {
			m := readMark(t, r.fields[st.Cursor.Field])
			switch {
			case !m.set:
				nulls[r.key] = true
			case m.v == marks[s.partOf(t, st, r)].v:
				ties[r.key] = true
			}
		}
		have := keys(got)
		for k := range ties {
			require.True(t, have[k], "%s: %s is at the bookmark", name, k)
		}
		for k := range nulls {
			require.True(t, have[k] || st.Cursor.Filtered(), "%s: %s has no replication value and was seen again", name, k)
		}
		for k := range have {
			require.True(t, ties[k] || nulls[k], "%s: %s had come already", name, k)
		}
		switch {
		case st.Scope != "" || st.Needs() != "" || st.Job != nil:
			require.LessOrEqual(t, asked, first.stats.ByResource[name], name)
		case !st.Cursor.Filtered():
			require.Equal(t, first.stats.ByResource[name], asked, "%s is read whole each time", name)
		case st.Cursor.Sparse:
			// The window; the count of all rows, of those with a value, and of
			// all again.
			require.LessOrEqual(t, asked, int64(4), name)
		default:
			require.Equal(t, int64(1), asked, "%s: one window of one page", name)
		}
	}
}

// changedRows: what was touched or added since comes, in its last version, and
// nothing else but ties; deletions are listed where the vendor lists them.
func changedRows(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 60, Seed: 3})
	config := with(wide, "date_window_size", 400)
	first := s.sync(t, server, ask{config: config})
	first.complete(t)
	at := today.Add(30 * time.Minute)
	var reports []emulator.Report
	for _, st := range s.changing(t) {
		r, err := server.Change(s.src.Name, emulator.Change{Stream: st.Name, Rows: 4, Delete: 2, Insert: 3, At: at})
		require.NoError(t, err)
		reports = append(reports, r...)
	}
	require.NotEmpty(t, reports)
	second := s.sync(t, server, ask{config: config, state: first.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	s.covered(t, second, first.final(t))
	s.delivered(t, server, second, first, second)
	for _, report := range reports {
		st := s.table(t, report.Stream)
		if !st.Selected {
			continue
		}
		marks := s.marks(t, readState(t, first.final(t)), st)
		fresh := map[string]bool{}
		for _, r := range second.records(t, report.Stream) {
			if m := readMark(t, r.fields[st.Cursor.Field]); m.set && m.v > marks[""].v {
				fresh[r.key] = true
			}
		}
		require.Len(t, fresh, len(report.Touched)+len(report.Inserted), "%s: rows touched and added", report.Stream)
	}
}

// delivered checks that of every live row that a run's final bookmarks cover
// the last version has been written by one of the runs, the later the better.
func (s *subject) delivered(t testing.TB, server *emulator.Server, end *output, runs ...*output) {
	t.Helper()
	final := readState(t, end.final(t))
	for _, name := range end.streamNames() {
		st := s.table(t, name)
		if st.Needs() != "" {
			continue
		}
		m := end.schema(t, name)
		o := s.oracle(t, st, m.Schema)
		last := map[string]map[string]record{} // by the vendor's key, by the whole key
		for _, run := range runs {
			for _, r := range run.records(t, name) {
				k := o.keyOf(st, func(k string) string { return string(r.fields[k]) })
				if last[k] == nil {
					last[k] = map[string]record{}
				}
				last[k][r.key] = r
			}
		}
		// What all partitions cover: which one a row of the truth is in, only the
		// vendor knows.
		low := mark{}
		for _, m := range s.marks(t, final, st) {
			if !low.set || m.v < low.v {
				low = m
			}
		}
		problems := newProblems(name)
		for _, w := range s.rows(t, server, st, m.Schema) {
			if w.value.set && (!low.set || w.value.v > low.v) {
				continue // the next run reads it
			}
			if !w.value.set && end.failed(name) {
				continue // so does it here: the stream is not complete
			}
			var wrong error
			came := false
			for _, r := range last[w.key] {
				err := o.compare(w.expected, r.fields)
				came = came || err == nil
				wrong = err
			}
			switch {
			case len(last[w.key]) == 0:
				problems.add("the row %s did not come, %s", w.key, w.value.raw)
			case !came:
				problems.add("the last version of %s did not come: %v", w.key, wrong)
			}
		}
		problems.report(t)
	}
}
