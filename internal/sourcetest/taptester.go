package sourcetest

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The nine cases of tap-tester (singer.md §2.7). Six are cases of their own
// here: discovery, all_fields, automatic_fields, start_date, interrupted_sync,
// add_stream_remove_stream.
var tapTesterCases = []conformance{
	{"bookmark", tapTesterBookmark},
	{"pagination", pagination},
	{"parent_child_independent", parentChildIndependent},
}

// tapTesterBookmark: a second sync from an older bookmark writes only values at
// or after it, fewer or as many records, and ends at or after the first one's
// bookmark; a FULL_TABLE stream repeats its count and has no bookmark; nothing
// but selected streams is in the state.
func tapTesterBookmark(t *testing.T, s *subject) {
	first := s.usual(t)
	final := readState(t, first.final(t))
	from := s.middling(t, first)
	second := s.sync(t, s.openSmall(t), ask{only: s.some(t), config: wide, state: s.stateOf(t, from, "")})
	second.complete(t)
	end := readState(t, second.final(t))
	for name := range end.Bookmarks {
		require.Contains(t, second.streamNames(), name)
	}
	for _, name := range second.streamNames() {
		st := s.table(t, name)
		a, b := first.records(t, name), second.records(t, name)
		require.LessOrEqual(t, len(b), len(a), name)
		if st.Cursor == nil {
			require.Len(t, b, len(a), name)
			require.Empty(t, end.Bookmarks[name], "%s is read whole and has no bookmark", name)
			continue
		}
		now := s.marks(t, end, st)
		for part, m := range s.endMarks(t, st, s.marks(t, final, st), from[name], b) {
			require.True(t, now[part].set && now[part].v >= m.v, "%s %q", name, part)
		}
		lowest := s.reaching(t, st, from[name])
		for _, r := range b {
			low := lowest[s.partOfRecord(t, st, r)]
			if m := readMark(t, r.fields[st.Cursor.Field]); m.set && low.set {
				require.GreaterOrEqual(t, m.v, low.v, name)
			}
		}
	}
}

// pagination: more records than one page holds, and no row on two pages.
func pagination(t *testing.T, s *subject) {
	const many = 230
	var seen pages
	out := s.sync(t, s.open(t, emulator.Options{Records: many, Seed: 1}), ask{config: wide, only: s.some(t), keys: true, page: seen.hook})
	out.complete(t)
	paged := 0
	for _, name := range out.streamNames() {
		st := s.table(t, name)
		s.whole(t, st, out.schema(t, name), out.records(t, name))
		lists := map[string]map[emulator.ID]int64{}
		pagesOf := map[string]int{}
		for _, p := range seen.list {
			if p.Resource != name || st.Needs() != "" {
				continue
			}
			if st.Scope != "" { // a page does not tell whose it is
				if p.Number > 1 {
					paged++
				}
				continue
			}
			query := maps.Clone(p.Query)
			for _, name := range pageParams(st.Page) {
				query.Del(name)
			}
			list := query.Encode()
			if lists[list] == nil || p.Number == 1 && st.Cursor != nil && st.Cursor.Drift != nil { // an edge is looked at
				lists[list] = map[emulator.ID]int64{}
			}
			pagesOf[list]++
			for _, id := range p.IDs {
				before := lists[list][id]
				require.True(t, before == 0 || before == p.Number, "%s: %s is on the pages %d and %d", name, id, before, p.Number)
				lists[list][id] = p.Number
			}
		}
		for list, n := range pagesOf {
			if n > 1 {
				paged++
				require.GreaterOrEqual(t, len(out.records(t, name)), len(lists[list])-1, name)
			}
		}
	}
	require.Positive(t, paged, "no stream has more than one page")
}

// pageParams are the parameters by which a page differs from the next one.
func pageParams(p stream.Pager) []string {
	switch p := p.(type) {
	case stream.NextLink:
		return []string{"page", "offset", "cursor", "$skiptoken"}
	case stream.Number:
		return []string{p.Param}
	case stream.Offset:
		if p.Overlap {
			return []string{p.Param, p.SizeParam} // the sizes of its pages differ
		}
		return []string{p.Param}
	case stream.Token:
		return []string{p.Param}
	case stream.Keyset:
		return []string{p.Param}
	}
	return nil
}

// parentChildIndependent: children selected without their parents give their
// own records, all of them, and nothing of the parents.
func parentChildIndependent(t *testing.T, s *subject) {
	for i := range s.all(t) {
		st := &s.all(t)[i]
		if st.Needs() == "" {
			continue
		}
		out := s.sync(t, s.openSmall(t), ask{config: wide, only: []*stream.Stream{st}, at: today.Add(time.Hour)})
		out.complete(t)
		require.Equal(t, []string{st.Name}, out.streamNames())
		require.NotEmpty(t, out.records(t, st.Name), st.Name)
		require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
		for name := range readState(t, out.final(t)).Bookmarks {
			require.Equal(t, st.Name, name)
		}
	}
}
