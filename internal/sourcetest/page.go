package sourcetest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
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

// keySchema is a stream's schema with the automatic properties alone.
func (s *subject) keySchema(t testing.TB, st *stream.Stream) json.RawMessage {
	t.Helper()
	full := s.fullSchema(t, st)
	keep := automatic(st, full)
	return full.Select(func(name string) bool { return slices.Contains(keep, name) }).AppendJSON(nil)
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

// allAtOnce stands for the size of a page that holds everything.
const allAtOnce = 3

// several tells whether there was more than one page of a list. One that only shows
// again what the page before ended with is none.
func (p *pages) several(st *stream.Stream) bool {
	least := 1
	if overlaps(st.Page) {
		least = 2
	}
	return slices.ContainsFunc(p.list, func(page emulator.Page) bool {
		return page.Resource == st.Name && page.Number > 1 && len(page.IDs) >= least
	})
}

// overlaps tells whether each page begins with the last row of the one before.
func overlaps(p stream.Pager) bool {
	o, ok := p.(stream.Offset)
	return ok && o.Overlap
}

// pageSize is the vendor's page size, as far as tables of some hundred rows, or
// of a little more than a thousand, tell it; allAtOnce where there is but one.
func (s *subject) pageSize(t testing.TB, st *stream.Stream) int {
	t.Helper()
	s.mu.Lock()
	n, ok := s.sizes[st.Name]
	s.mu.Unlock()
	if ok {
		return n
	}
	for _, many := range []int{130, 1100} {
		if _, one := st.Page.(stream.Single); one || st.Parent != nil && many > 130 {
			break // no more rows of one parent come with more parents
		}
		var seen pages
		s.sync(t, s.open(t, emulator.Options{Records: many}), ask{config: wide, page: seen.hook, only: []*stream.Stream{st}, keys: true}).complete(t)
		n = seen.size(st.Name)
		if seen.several(st) {
			break
		}
		n = 0
	}
	if n == 0 {
		n = allAtOnce
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sizes == nil {
		s.sizes = map[string]int{}
	}
	s.sizes[st.Name] = n
	return n
}

// pageBoundaries: tables of 1, n-1, n, n+1 and 2n rows, n being the vendor's
// page, come whole and once, for each way in which streams are read.
func pageBoundaries(t *testing.T, s *subject) {
	for _, st := range s.representatives(t) {
		t.Run(st.Name, func(t *testing.T) {
			n := s.pageSize(t, st)
			counts := []int{1, n - 1, n, 2 * n, n + 1}
			if s.longPages(t, st) {
				counts = []int{1, n, n + 1}
			}
			for _, count := range few(2, counts) {
				s.boundary(t, st, n, count)
			}
		})
	}
}

func (s *subject) boundary(t *testing.T, st *stream.Stream, n, count int) {
	t.Helper()
	records := count + 1
	if st.Scope != "" {
		records = count // in each partition
	}
	server := s.open(t, emulator.Options{Records: records})
	exact := s.resize(t, server, st, count)
	if st.Scope != "" && !exact && s.expanded(t, st.Scope)[0].Within != "" { // or in all parts together
		split := s.open(t, emulator.Options{Records: count * len(s.expanded(t, st.Scope))})
		if exact = s.resize(t, split, st, count); exact {
			server = split
		}
	}
	var seen pages
	out := s.sync(t, server, ask{config: wide, page: seen.hook, only: []*stream.Stream{st}, keys: count > 1})
	out.complete(t)
	got := out.records(t, st.Name)
	m := out.schema(t, st.Name)
	s.whole(t, st, m, got)
	s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
	if !exact {
		return
	}
	number, last := int64((count+n-1)/n), count-(count-1)/n*n
	if n == allAtOnce {
		number, last = 1, count
	}
	found := overlaps(st.Page) && seen.holds(st, count)
	for _, p := range seen.list {
		found = found || !overlaps(st.Page) && p.Resource == st.Name && p.Number == number && len(p.IDs) == last
	}
	require.True(t, found, "no list of %d rows was read", count)
}

// carrier is the stream on whose pages the rows of a stream come: another one for one
// that rides, else itself.
func (s *subject) carrier(t testing.TB, st *stream.Stream) *stream.Stream {
	t.Helper()
	if st.With != nil {
		return s.table(t, st.With.Stream)
	}
	return st
}

// holds tells whether the pages of a list, of whatever sizes, had so many rows.
func (p *pages) holds(st *stream.Stream, count int) bool {
	lists := map[string]map[emulator.ID]bool{}
	for _, page := range p.list {
		if page.Resource != st.Name {
			continue
		}
		query := maps.Clone(page.Query)
		for name := range query {
			if slices.ContainsFunc(pageParams(st.Page), func(param string) bool { return strings.EqualFold(param, name) }) {
				delete(query, name)
			}
		}
		list := query.Encode()
		if lists[list] == nil {
			lists[list] = map[emulator.ID]bool{}
		}
		for _, id := range page.IDs {
			lists[list][id] = true
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(lists)), func(ids map[emulator.ID]bool) bool { return len(ids) == count })
}

// resize brings the rows that a stream's list holds to a number; false where
// they cannot be changed.
func (s *subject) resize(t testing.TB, server *emulator.Server, st *stream.Stream, count int) bool {
	t.Helper()
	if st.Needs() != "" {
		return false // several lists
	}
	if st.Scope != "" {
		lists := map[string]int{}
		for _, r := range s.since(t, server, st, s.keySchema(t, st), nil) {
			lists[s.partition(t, st, func(name string) string { return r.Values[name] }).ID]++
		}
		for part, n := range lists {
			if part == "" || n != count {
				return false
			}
		}
		return len(lists) > 0
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
	reports, err := s.change(t, server, c)
	if err != nil || len(reports[0].Inserted) < c.Insert || len(reports[0].Deleted) < c.Delete {
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
	server := s.open(t, emulator.Options{Records: s.small(), Faults: "norows"})
	list := s.looked(t)
	out := s.sync(t, server, ask{only: list, config: wide})
	out.complete(t)
	list = slices.DeleteFunc(slices.Clone(list), func(st *stream.Stream) bool { return out.skipped(st.Name) })
	require.Len(t, out.streamNames(), len(list))
	for _, st := range list {
		if len(s.truth(t, server, st.Name)) > 0 {
			continue // what the service cannot do without
		}
		require.Empty(t, out.records(t, st.Name), st.Name)
		require.Equal(t, stamped(st), len(s.marks(t, readState(t, out.final(t)), st)) > 0, st.Name)
	}
	// Rows that come later are found from that state.
	server = s.openSmall(t)
	second := s.sync(t, server, ask{config: wide, only: list, state: out.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	for _, st := range list {
		want := s.everyRecord(t, st.Name)
		if len(out.records(t, st.Name)) > 0 {
			continue // what the service cannot do without was there before
		}
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
