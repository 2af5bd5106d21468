package sourcetest

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// This file is about streams whose replication value no row shows: the vendor
// filters by a day, and the tap stamps what it gets with the day that it asked for
// (contract.md §5). The stand-in tells that day in a truth of its own, which is
// called by the stream and the property.

// midnightOf is when the day of an instant begins in the source's zone.
func (s *subject) midnightOf(at time.Time) time.Time {
	y, m, d := at.In(zoneOf(s.src)).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zoneOf(s.src))
}

// wholeDays tells whether all replication values of rows are midnights there: the
// vendor counts days.
func (s *subject) wholeDays(all []row) bool {
	return !slices.ContainsFunc(all, func(r row) bool {
		at := time.UnixMicro(r.value.v)
		return r.value.set && !at.Equal(s.midnightOf(at))
	})
}

// dayAt is the day at an instant in the source's zone.
func (s *subject) dayAt(at time.Time) mark {
	day := at.In(zoneOf(s.src)).Format(time.DateOnly)
	of, _ := time.Parse(time.DateOnly, day)
	return mark{set: true, v: of.UnixMicro(), raw: quote(day)}
}

// latest is the greatest replication value, in microseconds, of what was up to an
// instant.
func (s *subject) latest(st *stream.Stream, at time.Time) int64 {
	if stamped(st) {
		return s.dayAt(at).v
	}
	return at.UnixMicro()
}

// unshown are rows as a first read has them, of which nobody knows the day.
func unshown(st *stream.Stream, rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		r.Values = maps.Clone(r.Values)
		r.Values[st.Cursor.Field], r.value = "null", mark{}
		out[i] = r
	}
	return out
}

// asRead is what is expected of a row whose day a first read could not know, where
// that is how it came last.
func asRead(st *stream.Stream, want expected, got map[string]json.RawMessage) expected {
	if !stamped(st) || string(got[st.Cursor.Field]) != "null" {
		return want
	}
	want.Loose = maps.Clone(want.Loose)
	if want.Loose == nil {
		want.Loose = map[string]bool{}
	}
	want.Loose[st.Cursor.Field] = true
	return want
}

// firstMarks are the bookmarks of a first read up to an instant that wrote these
// records: of a stamped stream the day itself, whatever came.
func (s *subject) firstMarks(t testing.TB, st *stream.Stream, rs []record, limit time.Time) parts {
	t.Helper()
	if stamped(st) {
		return parts{"": s.dayAt(limit)}
	}
	return s.greatest(t, st, rs, limit)
}

// endMarks are the bookmarks of a run that began at some, where those of a whole
// run are known: the same, but that of a stamped stream is then a day of its rows.
func (s *subject) endMarks(t testing.TB, st *stream.Stream, whole, from parts, got []record) parts {
	t.Helper()
	if !stamped(st) || len(from) == 0 {
		return whole
	}
	out := s.greatest(t, st, got, today)
	for part, m := range from {
		if old := out[part]; !old.set || old.v < m.v {
			out[part] = m
		}
	}
	return out
}

// firstDay checks that the bookmark of a first read of a stamped stream is the day
// on which the run began, and stands behind all its rows.
func (s *subject) firstDay(t testing.TB, st *stream.Stream, out *output, line int, m mark) {
	t.Helper()
	require.Equal(t, s.dayAt(out.began).v, m.v, "line %d: a first read of %s ends with the day on which it began, not %s", line+1, st.Name, m.raw)
	require.Len(t, out.recordsBefore(t, st.Name, line), len(out.records(t, st.Name)), "line %d: the bookmark of %s covers what was not written", line+1, st.Name)
	for _, r := range out.records(t, st.Name) {
		require.Equal(t, "null", string(r.fields[st.Cursor.Field]), "%s: nobody knows the day of %s", st.Name, r.key)
	}
}

// atRest is how many calls it takes, beyond those of its page, to find that there is
// nothing new in a stream: one for what was edited, and one for the end of a list
// that only an empty page tells.
func atRest(st *stream.Stream, rows int) (calls int64) {
	if st.Cursor.Edits != nil {
		calls++
	}
	end := false
	switch p := st.Page.(type) {
	case stream.Offset:
		end = p.UntilEmpty
	case stream.Keyset:
		end = p.UntilEmpty
	}
	if end && rows > 0 {
		calls++
	}
	return calls
}
