package sourcetest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// Stand-ins lay their data out by the clock and look at it again later: what
// the suite asks of them outside of a run is asked in virtual time too, so that
// the day on which the suite runs does not matter.

// atTime runs do at a virtual instant.
func atTime(t testing.TB, at time.Time, do func()) {
	t.Helper()
	synctest.Test(t.(*testing.T), func(*testing.T) {
		time.Sleep(time.Until(at))
		do()
	})
}

// reset undoes every change of a stand-in's data, its faults, limits and tokens.
func (s *subject) reset(t testing.TB, server *emulator.Server) {
	t.Helper()
	atTime(t, today, func() {
		r := httptest.NewRequest(http.MethodPost, "/_sandbox/"+s.src.Name+"/reset?with=data,faults", http.NoBody)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
	})
}

// config is the stand-in's own config of the tap.
func (s *subject) config(t testing.TB, server *emulator.Server) map[string]any {
	t.Helper()
	var values map[string]any
	atTime(t, today, func() {
		var err error
		values, err = server.Config(s.src.Name, origin)
		require.NoError(t, err)
	})
	maps.Copy(values, s.settings)
	return values
}

// change disturbs the data between two runs, at c.At or today.
func (s *subject) change(t testing.TB, server *emulator.Server, c emulator.Change) (reports []emulator.Report, err error) {
	t.Helper()
	if c.At.IsZero() {
		c.At = today
	}
	atTime(t, c.At, func() { reports, err = server.Change(s.src.Name, c) })
	return reports, err
}

// truth are the live rows of a stream as the stand-in has them.
func (s *subject) truth(t testing.TB, server *emulator.Server, name string) []json.RawMessage {
	t.Helper()
	return s.truthAt(t, server, name, today)
}

func (s *subject) truthAt(t testing.TB, server *emulator.Server, name string, at time.Time) []json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	atTime(t, at, func() { require.NoError(t, server.Truth(&b, s.src.Name, name)) })
	var out []json.RawMessage
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, bytes.TrimSpace(line))
	}
	return out
}

// clockMembers of a stream are those in which the service tells its clock:
// they differ from one look at a table at rest to the next.
func (s *subject) clockMembers(t testing.TB, server *emulator.Server, name string) map[string]bool {
	t.Helper()
	s.mu.Lock()
	out, ok := s.volatile[name]
	s.mu.Unlock()
	if ok {
		return out
	}
	out = s.differing(t, server, name, today.Add(3*time.Hour+5*time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.volatile == nil {
		s.volatile = map[string]map[string]bool{}
	}
	s.volatile[name] = out
	return out
}

// volatileIn is clockMembers, asked of a stand-in of its own where they are not
// known: opening one is dear, so ask where records do differ.
func (s *subject) volatileIn(t testing.TB, name string) map[string]bool {
	t.Helper()
	s.mu.Lock()
	out, ok := s.volatile[name]
	s.mu.Unlock()
	if ok {
		return out
	}
	return s.clockMembers(t, s.openSmall(t), name)
}

// differing are the members that differ between two looks at a table at rest, today
// and at another time.
func (s *subject) differing(t testing.TB, server *emulator.Server, name string, at time.Time) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	now, later := s.truthAt(t, server, name, today), s.truthAt(t, server, name, at)
	for i := range min(len(now), len(later)) {
		if string(now[i]) == string(later[i]) {
			continue
		}
		a, b := fields(t, now[i]), fields(t, later[i])
		for k := range a {
			if string(a[k]) != string(b[k]) {
				out[k] = true
			}
		}
	}
	return out
}
