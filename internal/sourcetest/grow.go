package sourcetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// growing are the streams whose rows nobody can touch so that a reader sees it,
// histories for example, and to which rows can be added.
func (s *subject) growing(t testing.TB) []*stream.Stream {
	t.Helper()
	changing := s.changing(t)
	server := s.openSmall(t)
	var out []*stream.Stream
	for _, st := range s.incremental(t) {
		if slices.Contains(changing, st) || st.Cursor.Edits != nil || !s.ours(t, st) {
			continue
		}
		reports, err := s.change(t, server, emulator.Change{Stream: st.Name, Insert: 1})
		if err == nil && len(s.shows(t, server, st, reports[0].Inserted, 0)) == 1 {
			out = append(out, st)
		}
	}
	return out
}

// shows are the rows among some whose replication value is not above a bound; 0
// is none.
func (s *subject) shows(t testing.TB, server *emulator.Server, st *stream.Stream, ids []emulator.ID, most int64) []row {
	t.Helper()
	return slices.DeleteFunc(s.rows(t, server, st, s.keySchema(t, st)), func(r row) bool {
		among := slices.ContainsFunc(ids, func(id emulator.ID) bool { return strings.Contains(r.key, string(id)) })
		return !among || !r.value.set || most > 0 && r.value.v > most
	})
}

// datedBack: rows are added once more below the bookmarks that the second of two
// runs left, as far as the service dates them back. The tap has to look back for
// them.
func (s *subject) datedBack(t *testing.T, server *emulator.Server, a ask, at time.Time, first, second *output) {
	t.Helper()
	list := s.growing(t)
	if len(list) == 0 {
		return
	}
	at = at.Add(2 * time.Hour)
	for _, st := range list {
		_, err := s.change(t, server, emulator.Change{Stream: st.Name, Insert: 3, At: at})
		require.NoError(t, err)
	}
	a.state, a.at = second.final(t), at.Add(time.Hour)
	third := s.sync(t, server, a)
	third.complete(t)
	s.covered(t, third, second.final(t))
	s.delivered(t, server, third, first, second, third)
}
