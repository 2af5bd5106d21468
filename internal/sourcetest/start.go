package sourcetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// startCases are about what a run starts from: a bookmark, a date, another
// tap's state, an interrupted run.
var startCases = []conformance{
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
