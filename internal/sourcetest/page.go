package sourcetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var pageCases = []conformance{
	{"page boundaries", pageBoundaries},
	{"empty tables", emptyTables},
}

// kind names the way in which a stream is read: streams of one kind go the same
// way through the engine, so that one of them stands for all where a case is
// dear.
func kind(st *stream.Stream) string {
	k := fmt.Sprintf("%T", st.Page)
	if c := st.Cursor; c != nil {
		k += fmt.Sprintf(" cursor filtered=%t bounded=%t sorted=%t sparse=%t", c.Filtered(), c.Bounded(), c.Sorted, c.Sparse)
	}
	if st.Chunked != nil {
		k += " chunked"
	}
	if st.Job != nil {
		k += " job"
	}
	if st.Scope != "" {
		k += " scope=" + st.Scope
	}
	if st.Needs() != "" {
		k += fmt.Sprintf(" parent=%t", st.Parent != nil)
	}
	return k
}

// representatives are one stream of each kind, the first one whose table grows
// with the stand-in's and whose rows can change, if there is one.
func (s *subject) representatives(t testing.TB) []*stream.Stream {
	t.Helper()
	s.onceReps.Do(func() { s.reps = s.findRepresentatives(t) })
	return s.reps
}

func (s *subject) findRepresentatives(t testing.TB) []*stream.Stream {
	t.Helper()
	few, more := s.open(t, emulator.Options{Records: 4}), s.open(t, emulator.Options{Records: 8})
	best := map[string]int{}
	order := []string{}
	live := map[string]bool{}
	all := s.all(t)
	for i := range all {
		st := &all[i]
		k := kind(st)
		_, err := few.Change(s.src.Name, emulator.Change{Stream: st.Name, Insert: 1, At: today})
		ok := err == nil && len(s.truth(t, more, st.Name)) > len(s.truth(t, few, st.Name))
		if _, known := best[k]; !known {
			order = append(order, k)
			best[k], live[k] = i, ok
		} else if ok && !live[k] {
			best[k], live[k] = i, true
		}
	}
	var out []*stream.Stream
	for _, k := range order {
		out = append(out, &all[best[k]])
	}
	return out
}

// keySchema is a stream's schema with the automatic properties alone.
func (s *subject) keySchema(t testing.TB, st *stream.Stream) json.RawMessage {
	t.Helper()
	full := s.fullSchema(t, st)
	keep := automatic(st, full)
	return full.Select(func(name string) bool { return slices.Contains(keep, name) }).AppendJSON(nil)
}

// changing are the streams whose rows can be touched so that a reader can see
// it: the touch moves the replication value. Others may be added to.
func (s *subject) changing(t testing.TB) []*stream.Stream {
	t.Helper()
	s.onceChg.Do(func() { s.chg = s.findChanging(t) })
	return s.chg
}

func (s *subject) findChanging(t testing.TB) []*stream.Stream {
	t.Helper()
	var out []*stream.Stream
	server := s.openSmall(t)
	for _, st := range s.plain(t) {
		reports, err := server.Change(s.src.Name, emulator.Change{Stream: st.Name, Rows: 1, At: today})
		if err != nil || len(reports[0].Touched) == 0 {
			continue
		}
		for _, r := range s.rows(t, server, st, s.keySchema(t, st)) {
			if r.key == string(reports[0].Touched[0]) && r.value.v == today.UnixMicro() {
				out = append(out, st)
			}
		}
	}
	return out
}

// pages gathers the pages of a run as they go out.
type pages struct {
	mu   sync.Mutex
	list []emulator.Page
}

func (p *pages) hook(page emulator.Page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, page)
}

// size is the greatest number of rows that a page of a stream held.
func (p *pages) size(name string) int {
	n := 0
	for _, page := range p.list {
		if page.Resource == name {
			n = max(n, len(page.IDs))
		}
	}
	return n
}

// pageSize is the vendor's page size, as far as a table of 260 rows tells it; 3
// where everything comes at once.
func (s *subject) pageSize(t testing.TB, st *stream.Stream) int {
	t.Helper()
	const many = 260
	var seen pages
	s.sync(t, s.open(t, emulator.Options{Records: many}), ask{config: wide, page: seen.hook, only: []*stream.Stream{st}, keys: true}).complete(t)
	if n := seen.size(st.Name); n > 0 && n < many {
		return n
	}
	return 3
}

// pageBoundaries: tables of 1, n-1, n, n+1 and 2n rows, n being the vendor's
// page, come whole and once, for each way in which streams are read.
func pageBoundaries(t *testing.T, s *subject) {
	for _, st := range s.representatives(t) {
		t.Run(st.Name, func(t *testing.T) {
			n := s.pageSize(t, st)
			for _, count := range []int{1, n - 1, n, n + 1, 2 * n} {
				s.boundary(t, st, n, count)
			}
		})
	}
}

func (s *subject) boundary(t *testing.T, st *stream.Stream, n, count int) {
	t.Helper()
	server := s.open(t, emulator.Options{Records: count + 1})
	exact := s.resize(t, server, st, count)
	var seen pages
	out := s.sync(t, server, ask{config: wide, page: seen.hook, only: []*stream.Stream{st}, keys: count > 1})
	out.complete(t)
	got := out.records(t, st.Name)
	m := out.schema(t, st.Name)
	s.whole(t, st, m, got)
	if st.Needs() == "" {
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
	}
	if !exact {
		return
	}
	found := false
	for _, p := range seen.list {
		found = found || p.Resource == st.Name && p.Number == int64((count+n-1)/n) && len(p.IDs) == count-(count-1)/n*n
	}
	require.True(t, found, "no list of %d rows was read", count)
}

// resize brings the rows that a stream's list holds to a number; false where
// they cannot be changed.
func (s *subject) resize(t testing.TB, server *emulator.Server, st *stream.Stream, count int) bool {
	t.Helper()
	if st.Needs() != "" || st.Scope != "" {
		return false // several lists
	}
	listed := 0
	for _, r := range s.rows(t, server, st, s.keySchema(t, st)) {
		if st.Cursor == nil || !st.Cursor.Filtered() || r.value.set {
			listed++
		}
	}
	c := emulator.Change{Stream: st.Name, At: today.Add(-time.Hour), Insert: max(count-listed, 0), Delete: max(listed-count, 0)}
	if c.Insert+c.Delete == 0 {
		return true
	}
	if _, err := server.Change(s.src.Name, c); err != nil {
		return false
	}
	if c.Delete > 0 { // a row without a replication value may have gone
		return false
	}
	return true
}

// emptyTables: every stream without a row has its SCHEMA, no record and no
// bookmark, and is complete.
func emptyTables(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: small, Faults: "norows"})
	out := s.sync(t, server, ask{only: pointers(s.all(t)), config: wide})
	out.complete(t)
	require.Len(t, out.streamNames(), len(s.all(t)))
	for i := range s.all(t) {
		st := &s.all(t)[i]
		require.Empty(t, out.records(t, st.Name), st.Name)
		require.Empty(t, s.marks(t, readState(t, out.final(t)), st), st.Name)
	}
	// Rows that come later are found from that state.
	server = s.openSmall(t)
	second := s.sync(t, server, ask{config: wide, only: pointers(s.all(t)), state: out.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	for i := range s.all(t) {
		st := &s.all(t)[i]
		want := s.everyRecord(t, st.Name)
		if st.Cursor != nil && st.Cursor.Filtered() && !st.Cursor.Sparse {
			// Rows that no filter returns are looked for on the first run only.
			want = withValue(t, st, want)
		}
		have := keys(second.records(t, st.Name))
		for k := range keys(want) {
			require.True(t, have[k], "%s: %s came after the first run", st.Name, k)
		}
	}
}

func pointers(list []stream.Stream) []*stream.Stream {
	out := make([]*stream.Stream, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
