package sourcetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var deletionCases = []conformance{
	{"deleted rows", deletedRows},
	{"deleted rows, older catalog", deletedOlderCatalog},
}

// deleting are the streams whose deleted rows can be written with them.
func (s *subject) deleting(t testing.TB) []*stream.Stream {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(s.looked(t)), func(st *stream.Stream) bool { return st.Deletions == nil })
}

// gone are the records of deleted rows, by key, and whether they come last in
// their partition.
func (s *subject) gone(t testing.TB, st *stream.Stream, out *output) map[string]record {
	t.Helper()
	found := map[string]record{}
	ended := map[string]bool{}
	for _, r := range out.records(t, st.Name) {
		part := s.partOfRecord(t, st, r)
		if string(r.fields[stream.DeletedAt]) == "null" {
			require.False(t, ended[part], "%s: a row after the deletions", st.Name)
			continue
		}
		ended[part] = true
		found[r.key] = r
		for name, raw := range r.fields {
			if !slices.Contains(st.Key, name) && name != stream.DeletedAt {
				require.Equal(t, "null", string(raw), "%s.%s of a deleted row", st.Name, name)
			}
		}
	}
	return found
}

// listed are the keys that the vendor lists as deleted from a stream.
func (s *subject) listed(t testing.TB, server *emulator.Server, st *stream.Stream) map[string]bool {
	t.Helper()
	d := st.Deletions
	out := map[string]bool{}
	for _, raw := range s.truth(t, server, d.Stream) {
		row := fields(t, raw)
		if d.Where != "" && string(row[d.Where]) != d.Is {
			continue
		}
		if d.Partition != "" && s.partOf(t, s.table(t, d.Stream), func(name string) string { return string(row[name]) }) != d.Partition {
			continue
		}
		key := make([]string, len(st.Key))
		for i, name := range st.Key {
			if key[i] = string(row[d.Key]); strings.HasPrefix(name, "_") {
				key[i] = string(row[name])
			}
		}
		out[strings.Join(key, "|")] = true
	}
	return out
}

// buried are the keys of the deletions that a run wrote, without those at the
// latest moment of the runs before: where a list is asked for from a moment on,
// what was deleted at that moment comes again.
func (s *subject) buried(t testing.TB, st *stream.Stream, out *output, before ...*output) map[string]bool {
	t.Helper()
	latest := map[string]int64{}
	for _, old := range before {
		for _, r := range s.gone(t, st, old) {
			part := s.partOfRecord(t, st, r)
			latest[part] = max(latest[part], readMark(t, r.fields[stream.DeletedAt]).v)
		}
	}
	again := !exclusive(s.table(t, st.Deletions.Stream))
	keys := map[string]bool{}
	for k, r := range s.gone(t, st, out) {
		if !again || readMark(t, r.fields[stream.DeletedAt]).v != latest[s.partOfRecord(t, st, r)] {
			keys[k] = true
		}
	}
	return keys
}

// deletedRows: with include_deleted, streams whose vendor lists deletions have
// _deleted_at, null for rows that live, and after these a record for each
// deletion since the last run.
func deletedRows(t *testing.T, s *subject) {
	list := s.deleting(t)
	if len(list) == 0 {
		return
	}
	server := s.openSmall(t)
	a := ask{config: with(wide, "include_deleted", true), only: list}
	first := s.sync(t, server, a)
	first.complete(t)
	for _, st := range list {
		props := properties(t, first.schema(t, st.Name))
		require.Equal(t, []string{stream.DeletedAt, rescuedData}, props[len(props)-2:], st.Name)
		require.Equal(t, s.listed(t, server, st), s.buried(t, st, first), "%s: what was deleted before the first run", st.Name)
		require.Empty(t, slices.DeleteFunc(properties(t, s.everything(t).schema(t, st.Name)), func(p string) bool { return p != stream.DeletedAt }), "only if asked for")
	}
	at := midnight
	deleted := map[string]map[string]bool{}
	for _, st := range list {
		before := s.listed(t, server, st)
		if _, err := s.change(t, server, emulator.Change{Stream: st.Name, Delete: 3, At: at}); err != nil {
			continue
		}
		now := s.listed(t, server, st)
		for k := range before {
			delete(now, k)
		}
		deleted[st.Name] = now
	}
	require.NotEmpty(t, deleted)
	a.state, a.at = first.final(t), midnight.Add(time.Hour)
	second := s.sync(t, server, a)
	second.complete(t)
	for _, st := range list {
		for k, r := range s.gone(t, st, second) {
			if deleted[st.Name][k] {
				m := readMark(t, r.fields[stream.DeletedAt])
				require.Equal(t, at.UnixMicro(), m.v, "%s: %s was deleted", st.Name, k)
			}
		}
		have := s.buried(t, st, second, first)
		if deleted[st.Name] == nil {
			require.Empty(t, have, st.Name)
			continue
		}
		require.Equal(t, deleted[st.Name], have, st.Name)
	}
	a.state, a.at = second.final(t), midnight.Add(2*time.Hour)
	third := s.sync(t, server, a)
	third.complete(t)
	for _, st := range list {
		require.Empty(t, s.buried(t, st, third, first, second), "%s: a deletion is told once", st.Name)
	}
	// A deletion is told to who is killed before its STATE once more.
	a.state, a.at = first.final(t), midnight.Add(3*time.Hour)
	again := s.sync(t, server, a)
	again.complete(t)
	for _, st := range list {
		require.Len(t, s.buried(t, st, again, first), len(deleted[st.Name]), st.Name)
	}
}

// deletedOlderCatalog: a catalog that lacks _deleted_at gets no deletions.
func deletedOlderCatalog(t *testing.T, s *subject) {
	list := s.deleting(t)
	if len(list) == 0 {
		return
	}
	out := s.sync(t, s.openSmall(t), ask{config: with(wide, "include_deleted", true), only: list, choose: func(c *singer.Catalog) {
		for i := range c.Streams {
			e := &c.Streams[i]
			e.Schema = e.Schema.Select(func(name string) bool { return name != stream.DeletedAt })
		}
	}})
	out.complete(t)
	for _, st := range list {
		require.NotContains(t, properties(t, out.schema(t, st.Name)), stream.DeletedAt)
		require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
	}
}
