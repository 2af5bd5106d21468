package sourcetest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var liveCases = []conformance{
	{"one move anywhere", oneMove},
	{"live table", liveTable},
	{"live table, slow clock", liveSlowClock},
	{"slow clock", slowClock},
	{"never quiet", neverQuiet},
}

// disturber moves rows while pages are read.
type disturber struct {
	server *emulator.Server
	source string
	touch  map[string]bool // streams whose rows may be touched
	skew   time.Duration   // how far the vendor's clock is behind

	mu    sync.Mutex
	rng   *rand.Rand
	moves int // left
	done  int
}

func (d *disturber) hook(p emulator.Page) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.moves == 0 || d.rng.IntN(3) == 0 {
		return
	}
	c := emulator.Change{Stream: p.Resource, At: time.Now().Add(-d.skew)}
	switch d.rng.IntN(4) {
	case 0:
		c.Insert = 1
	case 1:
		c.Delete = 1
		if len(p.IDs) > 0 && d.rng.IntN(2) == 0 { // of this very page: the rest shifts
			c.Delete, c.Gone = 0, p.IDs[:1]
		}
	default:
		if !d.touch[p.Resource] {
			c.Insert = 1
			break
		}
		c.Rows = 1
		if len(p.IDs) > 0 && d.rng.IntN(2) == 0 {
			c.Rows, c.IDs = 0, p.IDs[len(p.IDs)-1:]
		}
	}
	if _, err := d.server.Change(d.source, c); err == nil {
		d.moves--
		d.done++
	}
}

// oneMove: one row is added, deleted or touched right after any one of the
// answers of a run. Two runs deliver everything.
func oneMove(t *testing.T, s *subject) {
	touch := map[string]bool{}
	for _, st := range s.changing(t) {
		touch[st.Name] = true
	}
	for _, st := range s.representatives(t) {
		if st.Cursor == nil || st.Scope != "" && !s.told(t, s.openSmall(t), st) {
			continue
		}
		for _, name := range few(2, []string{"insert", "delete", "touch"}) {
			change := map[string]emulator.Change{"insert": {Insert: 1}, "delete": {Delete: 1}, "touch": {Rows: 1}}[name]
			change.Stream = st.Name
			if _, err := s.change(t, s.openSmall(t), change); err != nil || name == "touch" && !touch[st.Name] {
				continue
			}
			if name == "insert" && st.Cursor.Sorted && s.longPages(t, st) {
				continue // a row that was touched goes to the end too
			}
			t.Run(st.Name+" "+name, func(t *testing.T) {
				server := s.open(t, emulator.Options{Records: s.severalPages(t, st), Seed: 3, Latency: 50 * time.Millisecond})
				for _, k := range few(1, counted(100)) {
					require.Less(t, k, 100)
					if !s.moveAt(t, server, st, change, k) || s.longPages(t, st) {
						break // or a move behind the first of two pages is all that we can afford
					}
				}
			})
		}
	}
}

// told tells whether the truth says in which partition a row is.
func (s *subject) told(t testing.TB, server *emulator.Server, st *stream.Stream) bool {
	t.Helper()
	rows := s.rows(t, server, st, s.keySchema(t, st))
	return len(rows) > 0 && rows[0].part != ""
}

// severalPages is how many rows fill more than two pages, or more than one where
// pages are very long.
func (s *subject) severalPages(t testing.TB, st *stream.Stream) int {
	t.Helper()
	n := s.pageSize(t, st)
	if s.longPages(t, st) {
		return n + 5
	}
	return 2*n + 5
}

// longPages tells whether pages hold so many rows that several of them are dear.
func (s *subject) longPages(t testing.TB, st *stream.Stream) bool {
	t.Helper()
	return s.pageSize(t, st) >= 500
}

// moveAt makes the change at the k-th page of a run; false where the run had
// fewer.
func (s *subject) moveAt(t *testing.T, server *emulator.Server, st *stream.Stream, change emulator.Change, k int) bool {
	t.Helper()
	s.reset(t, server)
	var mu sync.Mutex
	n := 0
	hook := func(p emulator.Page) {
		if p.Resource != st.Name {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if n++; n == k {
			change.At = time.Now()
			if _, err := server.Change(s.src.Name, change); err != nil {
				panic(err) // it worked on another table
			}
		}
	}
	first := s.sync(t, server, ask{config: wide, only: []*stream.Stream{st}, keys: true, page: hook, concurrency: 1})
	first.complete(t)
	s.delivered(t, server, first, first)
	second := s.sync(t, server, ask{config: wide, only: []*stream.Stream{st}, keys: true, state: first.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	s.delivered(t, server, second, first, second)
	have := union(first.records(t, st.Name), second.records(t, st.Name))
	for _, r := range certain(s.since(t, server, st, s.keySchema(t, st), nil)) {
		require.True(t, have[r.key], "a move after page %d: the row %s never came", k, r.key)
	}
	return n >= k
}

// liveTable: rows are touched, deleted and added between the pages of a run.
// Whatever the final bookmark covers has come in its last version; after a
// quiet run everything has.
func liveTable(t *testing.T, s *subject) {
	for _, seed := range few(1, s.seeds(t, 3)) {
		s.live(t, seed, 0)
	}
}

// liveSlowClock is the same with a vendor whose clock, which stamps the rows,
// is behind ours.
func liveSlowClock(t *testing.T, s *subject) {
	for _, seed := range few(1, s.seeds(t, 2)) {
		s.live(t, 100+seed, 90*time.Second)
	}
}

// seeds are so many, or one for a large source and where a position is looked at.
func (s *subject) seeds(t testing.TB, n int) []uint64 {
	t.Helper()
	all := []uint64{0, 1, 2}[:n]
	if s.large(t) || s.guess != "" {
		return all[:1]
	}
	return all
}

// slowClock: the vendor's clock is behind ours. A row that was read changes, a
// row that was not yet read changes later; both are stamped before the start of
// the run. The bookmark must not pass the first one.
func slowClock(t *testing.T, s *subject) {
	for _, behind := range few(1, []time.Duration{1500 * time.Millisecond, 90 * time.Second}) {
		t.Run(behind.String(), func(t *testing.T) { s.slowClock(t, behind) })
	}
}

func (s *subject) slowClock(t *testing.T, behind time.Duration) {
	t.Helper()
	list := slices.DeleteFunc(slices.Clone(s.changing(t)), func(st *stream.Stream) bool {
		// Counts know no clock.
		return !s.instants(t, st, nil) || s.large(t) && !slices.Contains(s.representatives(t), st)
	})
	for _, st := range few(3, list) {
		server := s.open(t, emulator.Options{Records: s.severalPages(t, st), Seed: 3, Latency: 50 * time.Millisecond})
		a := ask{config: wide, only: []*stream.Stream{st}, keys: true, concurrency: 1}
		var dry pages
		a.page = dry.hook
		s.sync(t, server, a).complete(t)
		last := dry.list[0]
		for _, p := range dry.list {
			if p.Number > last.Number && len(p.IDs) > 0 {
				last = p
			}
		}
		if last.Number == 1 {
			continue // all comes at once
		}
		var mu sync.Mutex
		done := false
		a.skew = behind
		a.page = func(p emulator.Page) {
			mu.Lock()
			defer mu.Unlock()
			if done {
				return
			}
			done = true
			for k, id := range []emulator.ID{p.IDs[0], last.IDs[len(last.IDs)-1]} {
				at := time.Now().Add(-behind + time.Duration(k)*10*time.Millisecond)
				if _, err := server.Change(s.src.Name, emulator.Change{Stream: st.Name, IDs: []emulator.ID{id}, At: at}); err != nil {
					panic(err) // the dry run has seen the row
				}
			}
		}
		first := s.sync(t, server, a)
		first.complete(t)
		s.delivered(t, server, first, first)
		second := s.sync(t, server, ask{config: wide, only: a.only, keys: true, state: first.final(t), at: today.Add(time.Hour)})
		second.complete(t)
		s.delivered(t, server, second, first, second)
	}
}

func (s *subject) live(t *testing.T, seed uint64, skew time.Duration) {
	t.Helper()
	server := s.open(t, emulator.Options{Records: fewer(230), Seed: int64(seed), Latency: 50 * time.Millisecond})
	d := &disturber{
		server: server, source: s.src.Name, touch: map[string]bool{}, skew: skew,
		rng: rand.New(rand.NewPCG(seed, 1)), moves: 15,
	}
	for _, st := range s.changing(t) {
		d.touch[st.Name] = true
	}
	list := s.representatives(t)
	a := ask{config: with(wide, "date_window_size", 900), only: list, keys: true, page: d.hook, skew: skew}
	a.network = s.disturbing(d, list)
	first := s.sync(t, server, a)
	require.NoError(t, first.report.Err)
	require.Positive(t, d.done)
	for _, r := range first.report.Streams {
		if r.Err != nil {
			// Of a vendor whose pages do not fit together either, nobody can tell why.
			kinds := []fault.Kind{fault.Transient, fault.Contract}
			require.Contains(t, kinds[:1+min(len(s.guess), 1)], fault.KindOf(r.Err), "seed %d: %s: %v", seed, r.Stream, r.Err)
		}
	}
	s.covered(t, first, nil)
	s.delivered(t, server, first, first)

	// Again, from that state, with more rows on the move.
	d.moves = 15
	a.state, a.at = first.final(t), today.Add(time.Hour)
	second := s.sync(t, server, a)
	require.NoError(t, second.report.Err)
	s.delivered(t, server, second, first, second)

	quiet := s.sync(t, server, ask{config: a.config, only: list, keys: true, state: second.final(t), at: today.Add(2 * time.Hour)})
	quiet.complete(t)
	s.delivered(t, server, quiet, first, second, quiet)
	for _, st := range list {
		if st.Scope != "" && !s.told(t, server, st) {
			continue
		}
		union := keys(first.records(t, st.Name))
		for _, out := range []*output{second, quiet} {
			for k := range keys(out.records(t, st.Name)) {
				union[k] = true
			}
		}
		for _, r := range certain(s.since(t, server, st, s.keySchema(t, st), nil)) {
			require.True(t, union[r.key], "seed %d: %s: the row %s never came", seed, st.Name, r.key)
		}
	}
}

// neverQuiet: where rows move at every page, a stream may give up; then its
// bookmark stays, the others are complete, and nothing is lost.
func neverQuiet(t *testing.T, s *subject) {
	list := s.changing(t)
	if len(list) == 0 {
		return
	}
	st := list[0]
	server := s.open(t, emulator.Options{Records: 230, Seed: 9, Latency: 20 * time.Millisecond})
	hook := func(p emulator.Page) {
		if p.Resource == st.Name && len(p.IDs) > 0 {
			_, err := server.Change(s.src.Name, emulator.Change{Stream: st.Name, IDs: p.IDs[:1], At: time.Now()})
			if err != nil {
				panic(err) // the row has just been listed
			}
		}
	}
	both := []*stream.Stream{st, list[len(list)-1]}
	first := s.sync(t, server, ask{config: wide, only: both, keys: true, page: hook})
	require.NoError(t, first.report.Err)
	for _, r := range first.report.Streams {
		if r.Err == nil {
			continue
		}
		require.Equal(t, st.Name, r.Stream)
		require.Equal(t, fault.Transient, fault.KindOf(r.Err))
		require.NotEmpty(t, fault.As(r.Err).Hint)
		require.Empty(t, s.marks(t, readState(t, first.final(t)), st), "the bookmark of a stream that failed stays")
	}
	s.delivered(t, server, first, first)
	quiet := s.sync(t, server, ask{config: wide, only: both, keys: true, state: first.final(t), at: today.Add(time.Hour)})
	quiet.complete(t)
	s.delivered(t, server, quiet, first, quiet)
	require.GreaterOrEqual(t, len(union(first.records(t, st.Name), quiet.records(t, st.Name))), len(s.since(t, server, st, s.keySchema(t, st), nil)))
}

func union(lists ...[]record) map[string]bool {
	out := map[string]bool{}
	for _, rs := range lists {
		for _, r := range rs {
			out[r.key] = true
		}
	}
	return out
}

// skewed puts the vendor's clock into every answer.
type skewed struct {
	http.RoundTripper
	behind time.Duration
}

// RoundTrip asks and adds the header Date.
func (s skewed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Set("Date", time.Now().Add(-s.behind).UTC().Format(http.TimeFormat))
	}
	return resp, err
}
