package sourcetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A vendor may give rows that share their key, where which members make a key is a
// guess: all are written, and it is told. A list that the tap had to read again, as
// its pages did not fit together, brings rows again.

// sharing tells whether rows of a stream's truth share all that makes its key.
func (s *subject) sharing(t testing.TB, st *stream.Stream) bool {
	t.Helper()
	if s.guess == "" {
		return false
	}
	s.mu.Lock()
	twins, ok := s.twins[st.Name]
	s.mu.Unlock()
	if ok {
		return twins
	}
	seen := map[string]bool{}
	for _, raw := range s.truth(t, s.openSmall(t), st.Name) {
		row := fields(t, raw)
		if slices.ContainsFunc(st.Key, func(k string) bool { return row[k] == nil }) {
			break // the tap fills in a part of it
		}
		key := keyOf(row, st.Key)
		twins = twins || seen[key]
		seen[key] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.twins == nil {
		s.twins = map[string]bool{}
	}
	s.twins[st.Name] = twins
	return twins
}

// identity is by what a record is told from others: its key, or all of it where
// keys are shared.
func (s *subject) identity(t testing.TB, st *stream.Stream, r record) string {
	t.Helper()
	if s.sharing(t, st) {
		return string(r.Record)
	}
	return r.key
}

// sharingTold checks that a run warns of rows that share a key, once.
func (s *subject) sharingTold(t testing.TB, st *stream.Stream, out *output) {
	t.Helper()
	if !s.sharing(t, st) {
		return
	}
	warned := 0
	for _, line := range out.logLines(t) {
		if line["level"] == "WARN" && line["stream"] == st.Name {
			warned++
		}
	}
	require.Equal(t, 1, warned, "%s: rows that share a key are warned of", st.Name)
}

// settled are a stream's records, or the last ones of each key where the run says
// that it had to read the list again on which they come, the stream's or its carrier's.
func (o *output) settled(t testing.TB, name, carrier string) []record {
	t.Helper()
	for _, line := range o.logLines(t) {
		if line["msg"] == "reading a window again" && (line["stream"] == name || line["stream"] == carrier) {
			return unique(o.records(t, name))
		}
	}
	return o.records(t, name)
}
