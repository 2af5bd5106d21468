package sourcetest

import (
	"encoding/json"
	"fmt"
	"slices"
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
	{"older bookmark", olderBookmark},
	{"start_date", startDate},
	{"end date", endDate},
	{"lookback", lookback},
	{"full refresh", fullRefresh},
	{"part of a run", partOfRun},
	{"states of other taps", foreignStates},
	{"interrupted_sync", interruptedSync},
	{"add_stream_remove_stream", addRemove},
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

// middle is a replication value with about half of the records below it.
func middle(t testing.TB, st *stream.Stream, rs []record) (mark, bool) {
	t.Helper()
	var all []mark
	for _, r := range rs {
		if m := readMark(t, r.fields[st.Cursor.Field]); m.set {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b mark) int { return int(min(max(a.v-b.v, -1), 1)) })
	if len(all) < 3 {
		return mark{}, false
	}
	return all[len(all)/2], true
}

// plain are the incremental streams whose bookmark is a single value.
func (s *subject) plain(t testing.TB) []*stream.Stream {
	t.Helper()
	var out []*stream.Stream
	for i := range s.all(t) {
		if st := &s.all(t)[i]; st.Cursor != nil && st.Scope == "" && st.Needs() == "" {
			out = append(out, st)
		}
	}
	return out
}

// stateOf writes a state by hand.
func stateOf(bookmarks map[string]map[string]string, syncing string) json.RawMessage {
	out := map[string]any{"bookmarks": map[string]any{}, "currently_syncing": nil}
	for name, values := range bookmarks {
		entry := map[string]json.RawMessage{}
		for k, v := range values {
			entry[k] = json.RawMessage(v)
		}
		out["bookmarks"].(map[string]any)[name] = entry
	}
	if syncing != "" {
		out["currently_syncing"] = syncing
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // maps of texts
	}
	return text
}

// olderBookmark: from a bookmark in the middle, exactly the rows at or after it
// come, and the final state is that of a whole run.
func olderBookmark(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	older := map[string]map[string]string{}
	from := map[string]mark{}
	for _, st := range s.plain(t) {
		if m, ok := middle(t, st, out.records(t, st.Name)); ok {
			older[st.Name], from[st.Name] = map[string]string{st.Cursor.Field: m.raw}, m
		}
	}
	require.NotEmpty(t, from)
	second := s.sync(t, server, ask{state: stateOf(older, ""), at: today})
	second.complete(t)
	for name, m := range from {
		st := s.table(t, name)
		if !st.Selected {
			continue
		}
		schema := second.schema(t, name)
		got := second.records(t, name)
		s.whole(t, st, schema, unique(got))
		s.matches(t, st, schema.Schema, s.since(t, server, st, schema.Schema, &m), got)
		require.Less(t, len(got), len(out.records(t, name)), name)
		sameMarks(t, s.marks(t, readState(t, out.final(t)), st), s.marks(t, readState(t, second.final(t)), st), name)
	}
}

// unique keeps the last record of each key.
func unique(rs []record) []record {
	last := map[string]int{}
	for i, r := range rs {
		last[r.key] = i
	}
	var out []record
	for i, r := range rs {
		if last[r.key] == i {
			out = append(out, r)
		}
	}
	return out
}

// startDate: a later start gives exactly the rows at or after it, an earlier
// one all of them; streams without a time in their cursor do not mind.
func startDate(t *testing.T, s *subject) {
	server := s.openSmall(t)
	if s.start(t, server).IsZero() {
		return // the source has no such setting
	}
	begin := s.start(t, server)
	later := begin.Add(today.Sub(begin) / 2).Truncate(time.Second)
	run := func(start time.Time) *output {
		out := s.sync(t, server, ask{config: with(wide, "start_date", start.Format(time.RFC3339))})
		out.complete(t)
		return out
	}
	all, half := run(begin.AddDate(-1, 0, 0)), run(later)
	fewer := 0
	for _, name := range all.streamNames() {
		st := s.table(t, name)
		schema := all.schema(t, name)
		more, less := all.records(t, name), half.records(t, name)
		if st.Cursor == nil || !s.instants(t, st, schema.Schema) {
			require.Equal(t, keys(more), keys(less), name)
			continue
		}
		if st.Needs() != "" {
			continue
		}
		m := mark{set: true, v: later.UnixMicro()}
		s.matches(t, st, schema.Schema, s.since(t, server, st, schema.Schema, &m), less)
		low := mark{set: true, v: begin.AddDate(-1, 0, 0).UnixMicro()}
		s.matches(t, st, schema.Schema, s.since(t, server, st, schema.Schema, &low), more)
		for k := range keys(less) {
			require.True(t, keys(more)[k], "%s: an earlier start has every row of a later one", name)
		}
		if len(less) < len(more) {
			fewer++
		}
	}
	require.Positive(t, fewer)
}

// endDate: rows after it are not written, and no bookmark passes it.
func endDate(t *testing.T, s *subject) {
	server := s.openSmall(t)
	begin := s.start(t, server)
	if begin.IsZero() {
		return
	}
	end := begin.Add(today.Sub(begin) / 2).Truncate(time.Second)
	out := s.sync(t, server, ask{config: with(wide, "end_date", end.Format(time.RFC3339))})
	out.complete(t)
	for _, st := range s.plain(t) {
		if !st.Selected || !s.instants(t, st, out.schema(t, st.Name).Schema) {
			continue
		}
		schema := out.schema(t, st.Name).Schema
		want := slices.DeleteFunc(s.since(t, server, st, schema, nil), func(r row) bool { return r.value.set && r.value.v > end.UnixMicro() })
		got := out.records(t, st.Name)
		s.matches(t, st, schema, want, got)
		sameMarks(t, s.greatest(t, st, got, end), s.marks(t, readState(t, out.final(t)), st), st.Name)
	}
}

// lookback: that much before the bookmark is read again, and the bookmark does
// not go back.
func lookback(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	const back = 200 * 24 * time.Hour
	second := s.sync(t, server, ask{config: with(wide, "lookback", back.String()), state: out.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	for _, st := range s.plain(t) {
		marks := s.marks(t, readState(t, out.final(t)), st)
		if !st.Selected || !marks[""].set || !s.instants(t, st, second.schema(t, st.Name).Schema) {
			continue
		}
		schema := second.schema(t, st.Name).Schema
		from := mark{set: true, v: marks[""].v - back.Microseconds()}
		got := withValue(t, st, second.records(t, st.Name))
		want := slices.DeleteFunc(s.since(t, server, st, schema, &from), func(r row) bool { return !r.value.set })
		s.matches(t, st, schema, want, got)
		sameMarks(t, marks, s.marks(t, readState(t, second.final(t)), st), st.Name)
	}
}

// withValue leaves out records without a replication value.
func withValue(t testing.TB, st *stream.Stream, rs []record) []record {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(rs), func(r record) bool { return !readMark(t, r.fields[st.Cursor.Field]).set })
}

// fullRefresh: the bookmark of a named stream is ignored, and replaced at the
// end; the others go on from theirs.
func fullRefresh(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	st := s.largest(t)
	second := s.sync(t, server, ask{config: wide, state: out.final(t), fullRefresh: []string{st.Name}, at: today.Add(time.Hour)})
	second.complete(t)
	require.Equal(t, keys(out.records(t, st.Name)), keys(second.records(t, st.Name)))
	sameMarks(t, s.marks(t, readState(t, out.final(t)), st), s.marks(t, readState(t, second.final(t)), st), st.Name)
	for _, other := range s.plain(t) {
		if other.Selected && other.Name != st.Name {
			n := len(withValue(t, other, out.records(t, other.Name)))
			require.True(t, n < 3 || len(withValue(t, other, second.records(t, other.Name))) < n, other.Name)
		}
	}
	// Until it is complete, its old bookmark stands.
	for _, state := range second.states() {
		p := readState(t, state.value)
		sameMarks(t, s.marks(t, readState(t, out.final(t)), st), s.marks(t, p, st), st.Name)
	}
}

// partOfRun: a run that reads only a part leaves the given state as it is.
func partOfRun(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	given := out.final(t)
	since := today.AddDate(-1, 0, 0)
	for name, a := range map[string]ask{
		"max records": {config: wide, maxRecords: 2},
		"one record":  {config: wide, maxRecords: 1, state: given},
		"since":       {config: wide, since: since, state: given},
	} {
		part := s.sync(t, server, a)
		part.complete(t)
		want := a.state
		if want == nil {
			want = json.RawMessage(`{"bookmarks":{},"currently_syncing":null}`)
		}
		for _, state := range part.states() {
			require.JSONEq(t, string(want), string(state.value), name)
		}
		for _, stream := range part.streamNames() {
			got := part.records(t, stream)
			if a.maxRecords > 0 {
				n := len(out.records(t, stream))
				if a.state == nil {
					require.Len(t, got, min(n, int(a.maxRecords)), "%s: %s", name, stream)
				}
				require.LessOrEqual(t, len(got), int(a.maxRecords), "%s: %s", name, stream)
			}
			if st := s.table(t, stream); !a.since.IsZero() && st.Cursor != nil && st.Needs() == "" && s.instants(t, st, part.schema(t, stream).Schema) {
				schema := part.schema(t, stream).Schema
				from := mark{set: true, v: since.UnixMicro()}
				want := slices.DeleteFunc(s.since(t, server, st, schema, &from), func(r row) bool { return !r.value.set })
				s.matches(t, st, schema, want, withValue(t, st, got))
			}
		}
	}
}

// foreignStates: a bare value for each stream, as the Python taps write it, and
// the form of the SDK, resume as our own does.
func foreignStates(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	own, bare, sdk := map[string]any{}, map[string]any{}, map[string]any{}
	for _, st := range s.plain(t) {
		if !st.Selected {
			continue
		}
		if m, ok := middle(t, st, out.records(t, st.Name)); ok {
			raw := json.RawMessage(m.raw)
			own[st.Name] = map[string]any{st.Cursor.Field: raw}
			bare[st.Name] = raw
			sdk[st.Name] = map[string]any{"replication_key": st.Cursor.Field, "replication_key_value": raw, "starting_replication_value": raw}
		}
	}
	var want *output
	for _, bookmarks := range []map[string]any{own, bare, sdk} {
		state, err := json.Marshal(map[string]any{"bookmarks": bookmarks})
		require.NoError(t, err)
		got := s.sync(t, server, ask{config: wide, state: state, fixed: true})
		got.complete(t)
		if want == nil {
			want = got
			continue
		}
		require.JSONEq(t, string(want.final(t)), string(got.final(t)))
		require.Equal(t, recordLines(want), recordLines(got))
	}
}

// recordLines are all RECORD lines of a run.
func recordLines(o *output) []string {
	var out []string
	for _, m := range o.lines {
		if m.Type == "RECORD" {
			out = append(out, string(m.line))
		}
	}
	return out
}

// interruptedSync: a state by hand, as a killed run leaves it: some streams
// done, one under way, the rest not begun. The interrupted one goes first, the
// end is that of an uninterrupted run.
func interruptedSync(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.base(t)
	final := readState(t, out.final(t))
	order := out.streamNames()
	done, under := map[string]bool{}, ""
	plain := s.plain(t)
	for _, name := range order[:len(order)/2] {
		done[name] = true
	}
	marks := map[string]map[string]string{}
	for _, st := range plain {
		if !st.Selected {
			continue
		}
		if done[st.Name] {
			if m := s.marks(t, final, st)[""]; m.set {
				marks[st.Name] = map[string]string{st.Cursor.Field: m.raw}
			}
		} else if m, ok := middle(t, st, out.records(t, st.Name)); ok && under == "" {
			under = st.Name
			marks[st.Name] = map[string]string{st.Cursor.Field: m.raw}
		}
	}
	require.NotEmpty(t, under)
	second := s.sync(t, server, ask{config: wide, state: stateOf(marks, under)})
	second.complete(t)
	require.Equal(t, under, s.firstRoot(t, second), "the interrupted stream goes first")
	p := readState(t, second.final(t))
	require.Nil(t, p.Syncing)
	for _, name := range order {
		st := s.table(t, name)
		sameMarks(t, s.marks(t, final, st), s.marks(t, p, st), name)
		got := second.records(t, name)
		if st.Needs() != "" {
			continue
		}
		if v, ok := marks[name]; ok {
			from := readMark(t, json.RawMessage(v[st.Cursor.Field]))
			schema := second.schema(t, name).Schema
			s.matches(t, st, schema, s.since(t, server, st, schema, &from), got)
			continue
		}
		require.Equal(t, keys(out.records(t, name)), keys(got), name)
	}
}

// firstRoot is the first stream with a SCHEMA.
func (s *subject) firstRoot(t testing.TB, o *output) string {
	t.Helper()
	require.NotEmpty(t, o.streamNames())
	return o.streamNames()[0]
}

// addRemove: a stream that is selected later starts at the beginning; one that
// is no longer selected writes nothing and keeps its bookmark.
func addRemove(t *testing.T, s *subject) {
	server := s.openSmall(t)
	var list []*stream.Stream
	for _, st := range s.plain(t) {
		if len(withValue(t, st, s.everyRecord(t, st.Name))) > 3 {
			list = append(list, st)
		}
	}
	require.GreaterOrEqual(t, len(list), 2)
	a, b := list[0], list[1]
	first := s.sync(t, server, ask{config: wide, only: []*stream.Stream{a}})
	first.complete(t)
	require.Equal(t, []string{a.Name}, first.streamNames())
	second := s.sync(t, server, ask{config: wide, only: []*stream.Stream{b}, state: first.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	require.Equal(t, []string{b.Name}, second.streamNames(), "a deselected stream emits nothing")
	require.Equal(t, keys(s.everyRecord(t, b.Name)), keys(second.records(t, b.Name)), "an added stream starts at the beginning")
	p, before := readState(t, second.final(t)), readState(t, first.final(t))
	require.Equal(t, fmt.Sprint(before.Bookmarks[a.Name]), fmt.Sprint(p.Bookmarks[a.Name]), "its bookmark does not move")
	require.NotEmpty(t, s.marks(t, p, b))
}
