package sourcetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
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

// middles are, by partition, replication values with about half of the records
// below them; nothing where a partition has but a few.
func (s *subject) middles(t testing.TB, st *stream.Stream, rs []record) parts {
	t.Helper()
	all := map[string][]mark{}
	if stamped(st) { // its first read shows none
		for _, r := range s.rows(t, s.openSmall(t), st, s.keySchema(t, st)) {
			all[r.part] = append(all[r.part], r.value)
		}
	}
	for _, r := range rs {
		if m := readMark(t, r.fields[st.Cursor.Field]); m.set {
			part := s.partOfRecord(t, st, r)
			all[part] = append(all[part], m)
		}
	}
	out := parts{}
	for part, list := range all {
		slices.SortFunc(list, func(a, b mark) int { return cmp.Compare(a.v, b.v) })
		if len(list) >= 3 {
			out[part] = list[len(list)/2]
		}
	}
	return out
}

// stateOf writes a state by hand.
func (s *subject) stateOf(t testing.TB, bookmarks map[string]parts, syncing string) json.RawMessage {
	t.Helper()
	entries := map[string]any{}
	out := map[string]any{"bookmarks": entries, "currently_syncing": nil}
	for name, marks := range bookmarks {
		st := s.table(t, name)
		byPart := map[string]any{}
		for part, m := range marks {
			byPart[part] = map[string]any{st.Cursor.Field: json.RawMessage(m.raw)}
		}
		entries[name] = byPart[""]
		if st.Scope != "" {
			entries[name] = map[string]any{"partitions": byPart}
		}
	}
	if syncing != "" {
		out["currently_syncing"] = syncing
	}
	text, err := json.Marshal(out)
	require.NoError(t, err)
	return text
}

// middling is a state in the middle of a run's records.
func (s *subject) middling(t testing.TB, out *output) map[string]parts {
	t.Helper()
	older := map[string]parts{}
	for _, st := range s.incremental(t) {
		if !s.ours(t, st) {
			continue
		}
		if m := s.middles(t, st, out.records(t, st.Name)); len(m) > 0 {
			older[st.Name] = m
		}
	}
	require.NotEmpty(t, older)
	return older
}

// olderBookmark: from a bookmark in the middle, exactly the rows at or after it
// come, and the final state is that of a whole run.
func olderBookmark(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.usual(t)
	from := s.middling(t, out)
	second := s.sync(t, server, ask{only: s.some(t), state: s.stateOf(t, from, "")})
	second.complete(t)
	for name, m := range from {
		st := s.table(t, name)
		schema := second.schema(t, name)
		got := second.records(t, name)
		s.whole(t, st, schema, unique(got))
		s.matches(t, st, schema.Schema, s.again(s.since(t, server, st, schema.Schema, m), m, got), got)
		// Where edits are told, who knows not since when asks for all there were.
		require.True(t, len(got) < len(out.records(t, name)) || st.Cursor.Edits != nil && len(got) == len(out.records(t, name)), name)
		sameMarks(t, s.endMarks(t, st, s.marks(t, readState(t, out.final(t)), st), m, got), s.marks(t, readState(t, second.final(t)), st), name)
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
// one all of them; streams without a time in their cursor do not mind, unless the
// vendor tells where to begin.
func startDate(t *testing.T, s *subject) {
	server := s.openSmall(t)
	begin := s.start(t, server)
	if begin.IsZero() {
		return // the source has no such setting
	}
	later := begin.Add(today.Sub(begin) / 2).Truncate(time.Second)
	run := func(start time.Time) *output {
		out := s.sync(t, server, ask{only: s.some(t), config: with(wide, "start_date", start.Format(time.RFC3339))})
		out.complete(t)
		return out
	}
	early := begin.AddDate(-1, 0, 0)
	all, half := run(early), run(later)
	covers := s.periods(t, server, all, later)
	fewer := 0
	for _, name := range all.streamNames() {
		st := s.table(t, name)
		schema := all.schema(t, name)
		more, less := all.records(t, name), half.records(t, name)
		if st.Cursor == nil || !s.instants(t, st, schema.Schema) && st.Cursor.Begin == nil {
			want := slices.DeleteFunc(slices.Clone(more), func(r record) bool {
				p := s.partition(t, st, func(name string) string { return string(r.fields[name]) })
				return p.Within != "" && !covers[st.Scope][p.ID]
			})
			require.Equal(t, keys(want), keys(less), name)
			continue
		}
		s.matches(t, st, schema.Schema, s.sinceStart(t, server, st, schema.Schema, nil, later), less)
		s.matches(t, st, schema.Schema, s.sinceStart(t, server, st, schema.Schema, nil, early), more)
		for k := range keys(less) {
			require.True(t, keys(more)[k], "%s: an earlier start has every row of a later one", name)
		}
		if len(less) < len(more) {
			fewer++
		}
	}
	minds := slices.ContainsFunc(all.streamNames(), func(name string) bool {
		st := s.table(t, name)
		return st.Cursor != nil && !stamped(st) && (s.instants(t, st, nil) || st.Cursor.Begin != nil)
	})
	require.Equal(t, minds, fewer > 0, "a stream that minds has fewer rows")
}

// periods are, by scope, the parts in which some stream has a row at or after a
// start: of the parts of something larger, which are periods, these have to be read.
func (s *subject) periods(t testing.TB, server *emulator.Server, out *output, start time.Time) map[string]map[string]bool {
	t.Helper()
	found := map[string]map[string]bool{}
	for _, name := range out.streamNames() {
		st := s.table(t, name)
		emitted := out.schema(t, name).Schema
		if st.Scope == "" || st.Cursor == nil || !s.instants(t, st, emitted) {
			continue
		}
		for _, r := range s.sinceStart(t, server, st, emitted, nil, start) {
			if found[st.Scope] == nil {
				found[st.Scope] = map[string]bool{}
			}
			found[st.Scope][s.partition(t, st, func(name string) string { return r.Values[name] }).ID] = true
		}
	}
	return found
}

// endDate: rows after it are not written, and no bookmark passes it.
func endDate(t *testing.T, s *subject) {
	server := s.openSmall(t)
	begin := s.start(t, server)
	if begin.IsZero() {
		return
	}
	end := begin.Add(today.Sub(begin) / 2).Truncate(time.Second)
	out := s.sync(t, server, ask{only: s.some(t), config: with(wide, "end_date", end.Format(time.RFC3339))})
	out.complete(t)
	for _, st := range s.incremental(t) {
		if !s.ours(t, st) || !s.instants(t, st, out.schema(t, st.Name).Schema) {
			continue
		}
		schema := out.schema(t, st.Name).Schema
		want := slices.DeleteFunc(s.since(t, server, st, schema, nil), func(r row) bool { return r.value.set && r.value.v > end.UnixMicro() })
		got := out.records(t, st.Name)
		s.matches(t, st, schema, want, got)
		sameMarks(t, s.firstMarks(t, st, got, end), s.marks(t, readState(t, out.final(t)), st), st.Name)
	}
}

// lookback: that much before the bookmark is read again, and the bookmark does
// not go back; counts do not look back.
func lookback(t *testing.T, s *subject) {
	server := s.openSmall(t)
	out := s.usual(t)
	const back = 200 * 24 * time.Hour
	second := s.sync(t, server, ask{only: s.some(t), config: with(wide, "lookback", back.String()), state: out.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	for _, st := range s.incremental(t) {
		if !s.ours(t, st) {
			continue
		}
		marks := s.marks(t, readState(t, out.final(t)), st)
		schema := second.schema(t, st.Name).Schema
		from := parts{}
		for part, m := range marks {
			if from[part] = m; s.instants(t, st, schema) {
				from[part] = mark{set: true, v: m.v - back.Microseconds()}
			}
		}
		got := withValue(t, st, second.records(t, st.Name))
		if len(from) > 0 && s.instants(t, st, schema) {
			want := slices.DeleteFunc(s.sinceStart(t, server, st, schema, from, s.start(t, server)), func(r row) bool { return !r.value.set })
			s.matches(t, st, schema, want, got)
		} else if len(from) > 0 && exclusive(st) {
			require.Empty(t, got, st.Name)
		}
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
	out := s.usual(t)
	st := s.largest(t)
	second := s.sync(t, server, ask{only: s.some(t), config: wide, state: out.final(t), fullRefresh: []string{st.Name}, at: today.Add(time.Hour)})
	second.complete(t)
	require.Equal(t, keys(out.records(t, st.Name)), keys(second.records(t, st.Name)))
	sameMarks(t, s.marks(t, readState(t, out.final(t)), st), s.marks(t, readState(t, second.final(t)), st), st.Name)
	for _, other := range s.incremental(t) {
		if s.ours(t, other) && other.Name != st.Name {
			marks := s.reaching(t, other, s.marks(t, readState(t, out.final(t)), other))
			below := 0 // a row at the bookmark may come again, and in some partitions there is no other
			for _, r := range withValue(t, other, out.records(t, other.Name)) {
				if readMark(t, r.fields[other.Cursor.Field]).v < marks[s.partOfRecord(t, other, r)].v {
					below++
				}
			}
			n := len(withValue(t, other, out.records(t, other.Name)))
			require.True(t, below < 3 || len(withValue(t, other, second.records(t, other.Name))) < n, other.Name)
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
	out := s.usual(t)
	given := out.final(t)
	since := today.AddDate(-1, 0, 0)
	for name, a := range map[string]ask{
		"max records": {config: wide, maxRecords: 2},
		"one record":  {config: wide, maxRecords: 1, state: given},
		"since":       {config: wide, since: since, state: given},
		"until":       {config: wide, until: since},
	} {
		a.only = s.some(t)
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
			st, got := s.table(t, stream), part.records(t, stream)
			if a.maxRecords > 0 {
				n := len(out.records(t, stream))
				if a.state == nil {
					require.Len(t, got, min(n, int(a.maxRecords)), "%s: %s", name, stream)
				}
				require.LessOrEqual(t, len(got), int(a.maxRecords), "%s: %s", name, stream)
				continue
			}
			schema := part.schema(t, stream).Schema
			if st.Cursor == nil || !s.instants(t, st, schema) && (a.since.IsZero() || st.Cursor.Begin == nil) {
				continue
			}
			rows := s.since(t, server, st, schema, nil)
			if !a.since.IsZero() {
				rows = s.sinceStart(t, server, st, schema, nil, a.since)
				if stamped(st) { // it is asked for by days, as after a first read
					rows = s.sinceStart(t, server, st, schema, parts{"": s.dayAt(a.since)}, a.since)
				}
			}
			wanted := slices.DeleteFunc(rows, func(r row) bool {
				return !r.value.set || !a.until.IsZero() && r.value.v > a.until.UnixMicro()
			})
			s.matches(t, st, schema, wanted, withValue(t, st, got))
		}
	}
}

// foreignStates: a bare value for each stream, as the Python taps write it, and
// the form of the SDK, resume as our own does.
func foreignStates(t *testing.T, s *subject) {
	server := s.openSmall(t)
	from := s.middling(t, s.usual(t))
	own, bare, sdk := map[string]any{}, map[string]any{}, map[string]any{}
	for name, marks := range from {
		st := s.table(t, name)
		if st.Scope != "" {
			own[name] = json.RawMessage(partitionsOf(t, st, marks))
			bare[name], sdk[name] = own[name], own[name] // no other tap has these
			continue
		}
		raw := json.RawMessage(marks[""].raw)
		own[name] = map[string]any{st.Cursor.Field: raw}
		bare[name] = raw
		sdk[name] = map[string]any{"replication_key": st.Cursor.Field, "replication_key_value": raw, "starting_replication_value": raw}
	}
	var want *output
	for _, bookmarks := range []map[string]any{own, bare, sdk} {
		state, err := json.Marshal(map[string]any{"bookmarks": bookmarks})
		require.NoError(t, err)
		got := s.sync(t, server, ask{only: s.some(t), config: wide, state: state, fixed: true})
		got.complete(t)
		if want == nil {
			want = got
			continue
		}
		require.JSONEq(t, string(want.final(t)), string(got.final(t)))
		require.Equal(t, recordLines(want), recordLines(got))
	}
}

func partitionsOf(t testing.TB, st *stream.Stream, marks parts) []byte {
	t.Helper()
	byPart := map[string]any{}
	for part, m := range marks {
		byPart[part] = map[string]any{st.Cursor.Field: json.RawMessage(m.raw)}
	}
	text, err := json.Marshal(map[string]any{"partitions": byPart})
	require.NoError(t, err)
	return text
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
	out := s.usual(t)
	final := readState(t, out.final(t))
	order := out.streamNames()
	last := 0 // of those that can be under way: they keep a bookmark
	for i, name := range order {
		if st := s.table(t, name); st.Cursor != nil && st.With == nil && len(s.middles(t, st, out.records(t, name))) > 0 {
			last = i
		}
	}
	done, under := map[string]bool{}, ""
	for _, name := range order[:min(len(order)/2, last)] {
		done[name] = true
	}
	marks := map[string]parts{}
	for _, st := range s.incremental(t) {
		if !s.ours(t, st) {
			continue
		}
		if done[st.Name] {
			if m := s.marks(t, final, st); len(m) > 0 {
				marks[st.Name] = m
			}
		} else if m := s.middles(t, st, out.records(t, st.Name)); len(m) > 0 && under == "" {
			under = st.Name
			marks[st.Name] = m
		}
	}
	require.NotEmpty(t, under)
	second := s.sync(t, server, ask{only: s.some(t), config: wide, state: s.stateOf(t, marks, under)})
	second.complete(t)
	require.Equal(t, s.family(t, under), s.family(t, s.firstRoot(t, second)), "the interrupted stream goes first")
	p := readState(t, second.final(t))
	require.Nil(t, p.Syncing)
	for _, name := range order {
		st := s.table(t, name)
		got := second.records(t, name)
		sameMarks(t, s.endMarks(t, st, s.marks(t, final, st), marks[name], got), s.marks(t, p, st), name)
		if from, ok := marks[name]; ok {
			schema := second.schema(t, name).Schema
			s.matches(t, st, schema, s.since(t, server, st, schema, from), got)
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
	for _, st := range s.incremental(t) {
		if rs := s.everyRecord(t, st.Name); len(withValue(t, st, rs)) > 3 || stamped(st) && len(rs) > 3 {
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
