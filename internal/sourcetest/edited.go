package sourcetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// editedCases are about rows whose replication value stays when they change.
var editedCases = []conformance{{"edited rows", editedRows}}

// edited are the streams of which the vendor tells what was edited.
func (s *subject) edited(t testing.TB) []*stream.Stream {
	t.Helper()
	var out []*stream.Stream
	for _, st := range s.incremental(t) {
		if st.Cursor.Edits != nil {
			out = append(out, st)
		}
	}
	return out
}

// editedRows: what was edited or added since comes with the next run, in its last
// version, and nothing else; so it does after a run that came to nothing.
func editedRows(t *testing.T, s *subject) {
	for _, st := range s.edited(t) {
		server := s.open(t, emulator.Options{Records: 60, Seed: 3, Latency: 50 * time.Millisecond})
		a := ask{config: wide, only: []*stream.Stream{st}}
		first := s.sync(t, server, a)
		first.complete(t)
		reports := s.disturb(t, server, st, midnight)
		want := map[string]bool{}
		for _, list := range [][]emulator.ID{reports[0].Touched, reports[0].Inserted} {
			for _, id := range list {
				want[string(id)] = true
			}
		}
		a.state, a.at, a.partial, a.timeout = first.final(t), midnight.Add(time.Hour), true, time.Millisecond
		broken := s.sync(t, server, a)
		require.Empty(t, broken.records(t, st.Name))
		a.state, a.at, a.partial, a.timeout = broken.final(t), midnight.Add(time.Hour+time.Minute), false, 0
		second := s.sync(t, server, a)
		second.complete(t)
		s.covered(t, second, a.state)
		s.delivered(t, server, second, first, second)
		require.Equal(t, want, keys(second.records(t, st.Name)), "%s: rows touched and added", st.Name)
	}
}
