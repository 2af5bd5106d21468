package sourcetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// movingCases are about pages that lead on by a token, which may stand for a place
// in the list or for a row in it.
var movingCases = []conformance{{"rows move under a token", movingUnderToken}}

// movingSeeds is how often rows are moved in another way.
const movingSeeds = 100

// movingUnderToken: rows are touched between the pages of a list that leads on by
// a token, whatever the token stands for. No row is missed, none comes twice with
// one replication value, and the last version of what a bookmark covers has come
// before it.
func movingUnderToken(t *testing.T, s *subject) {
	changing := s.changing(t)
	for _, st := range s.representatives(t) {
		if _, token := st.Page.(stream.Token); !token || !slices.Contains(changing, st) || st.Scope != "" {
			continue
		}
		for _, faults := range []string{"", "offset-token"} { // a stand-in that does not know it leaves it alone
			t.Run(fmt.Sprint(st.Name, " ", faults), func(t *testing.T) {
				server := s.open(t, emulator.Options{Records: s.severalPages(t, st), Seed: 3, Latency: 50 * time.Millisecond, Faults: faults})
				for _, seed := range few(3, counted(movingSeeds)) {
					s.moving(t, server, st, uint64(seed))
				}
			})
		}
	}
}

func (s *subject) moving(t *testing.T, server *emulator.Server, st *stream.Stream, seed uint64) {
	t.Helper()
	s.reset(t, server)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 11))
	moves := 1 + rng.IntN(4)
	hook := func(p emulator.Page) {
		mu.Lock()
		defer mu.Unlock()
		if p.Resource != st.Name || moves == 0 || rng.IntN(3) == 0 || len(p.IDs) == 0 {
			return
		}
		moves--
		c := emulator.Change{Stream: st.Name, At: time.Now()}
		if n := rng.IntN(6); n == 0 { // any rows, read or not
			c.Rows = 1 + rng.IntN(3)
		} else { // of this page, which all that follow take the place of
			for range n {
				c.IDs = append(c.IDs, p.IDs[rng.IntN(len(p.IDs))])
			}
		}
		if _, err := server.Change(s.src.Name, c); err != nil {
			panic(err) // the stream's rows change
		}
	}
	a := ask{config: wide, only: []*stream.Stream{st}, keys: true, concurrency: 1, page: hook}
	first := s.sync(t, server, a)
	first.complete(t)
	s.covered(t, first, nil)
	s.once(t, st, first, seed)
	s.delivered(t, server, first, first)
	a.page, a.state, a.at = nil, first.final(t), today.Add(time.Hour)
	second := s.sync(t, server, a)
	second.complete(t)
	s.once(t, st, second, seed)
	s.delivered(t, server, second, first, second)
	have := union(first.records(t, st.Name), second.records(t, st.Name))
	for _, r := range s.since(t, server, st, s.keySchema(t, st), nil) {
		require.True(t, have[r.key], "seed %d: the row %s never came", seed, r.key)
	}
}

// once checks that no row comes twice with one replication value.
func (s *subject) once(t testing.TB, st *stream.Stream, out *output, seed uint64) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range out.records(t, st.Name) {
		version := r.key + " " + string(r.fields[st.Cursor.Field])
		require.False(t, seen[version], "seed %d: %s comes twice", seed, version)
		seen[version] = true
	}
}
