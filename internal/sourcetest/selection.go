package sourcetest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var selectionCases = []conformance{
	{"automatic_fields", automaticFields},
	{"all_fields", allFields},
	{"one property", oneProperty},
	{"fields by choice only", fieldsByChoice},
	{"rescued data deselected", rescuedDeselected},
	{"older catalog", olderCatalog},
	{"streams alone", streamsAlone},
}

// wide reads every range at once: cases that are not about windows save the
// requests.
var wide = map[string]any{"date_window_size": 3650}

// with lays more settings over some.
func with(config map[string]any, key string, value any) map[string]any {
	out := map[string]any{key: value}
	for k, v := range config {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func literal(on bool) json.RawMessage {
	if on {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

// selectFields writes an explicit choice for every stream and every property.
func selectFields(c *singer.Catalog, stream func(string) bool, field func(stream, name string) bool) {
	for i := range c.Streams {
		e := &c.Streams[i]
		e.Root().Set("selected", literal(stream == nil || stream(e.TapStreamID)))
		for _, p := range e.Schema.Properties {
			e.Field(p.Name).Set("selected", literal(field(e.TapStreamID, p.Name)))
		}
	}
}

// automatic are the properties that cannot be deselected, in schema order.
func automatic(st *stream.Stream, c *singer.Schema) []string {
	var out []string
	for _, p := range c.Properties {
		if slices.Contains(st.Key, p.Name) || st.Cursor != nil && st.Cursor.Field == p.Name {
			out = append(out, p.Name)
		}
	}
	return out
}

// fullSchema is what the catalog says of a stream.
func (s *subject) fullSchema(t testing.TB, st *stream.Stream) *singer.Schema {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if full := s.schemas[st.Name]; full != nil {
		return full
	}
	full, err := engine.Schema(s.src, st)
	require.NoError(t, err)
	if s.schemas == nil {
		s.schemas = map[string]*singer.Schema{}
	}
	s.schemas[st.Name] = full
	return full
}

// properties are those of a SCHEMA message, in order.
func properties(t testing.TB, m message) []string {
	t.Helper()
	return names(t, fields(t, m.Schema)["properties"])
}

// automaticFields: with everything deselected a record has exactly the key and
// the replication key.
func automaticFields(t *testing.T, s *subject) {
	out := s.sync(t, s.openSmall(t), ask{only: s.looked(t), config: wide, choose: func(c *singer.Catalog) {
		selectFields(c, nil, func(string, string) bool { return false })
	}})
	out.complete(t)
	for _, st := range s.lookedAt(t, out) {
		m := out.schema(t, st.Name)
		require.Equal(t, automatic(st, s.fullSchema(t, st)), properties(t, m), st.Name)
		got := out.records(t, st.Name)
		require.True(t, len(got) > 0 || s.barren(t, st), st.Name)
		s.whole(t, st, m, got)
		require.Equal(t, keys(got), keys(s.everyRecord(t, st.Name)), "%s: the same rows as with all fields", st.Name)
	}
}

// everyRecord are a stream's records with every stream and field selected.
func (s *subject) everyRecord(t testing.TB, name string) []record {
	t.Helper()
	return s.everything(t).records(t, name)
}

// everything is a whole sync of all streams with all fields.
func (s *subject) everything(t testing.TB) *output {
	t.Helper()
	s.onceAll.Do(func() {
		s.share(&s.complete, s.sync(t, s.openSmall(t), ask{config: wide, choose: func(c *singer.Catalog) {
			selectFields(c, nil, func(string, string) bool { return true })
		}}))
	})
	require.NotNil(t, s.complete, "the shared sync of everything has failed in another case")
	return s.complete
}

// allFields: with everything selected the records have every property of the
// catalog, hidden ones too, and every stream comes.
func allFields(t *testing.T, s *subject) {
	out := s.everything(t)
	out.complete(t)
	server := s.openSmall(t)
	for i := range s.all(t) {
		st := &s.all(t)[i]
		if out.skipped(st.Name) {
			continue
		}
		m := out.schema(t, st.Name)
		var want []string
		for _, p := range s.fullSchema(t, st).Properties {
			want = append(want, p.Name)
		}
		require.Equal(t, want, properties(t, m), st.Name)
		require.Greater(t, len(want), len(automatic(st, s.fullSchema(t, st))), "%s: more than the automatic fields", st.Name)
		got := out.records(t, st.Name)
		s.whole(t, st, m, got)
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
	}
}

// oneProperty: one selected property comes beside the automatic ones, with the
// same values as when all are selected; what is deselected is neither emitted
// nor rescued.
func oneProperty(t *testing.T, s *subject) {
	chosen := map[string]string{}
	for i, st := range s.looked(t) {
		props := s.fullSchema(t, st).Properties
		auto := automatic(st, s.fullSchema(t, st))
		var rest []string
		for _, p := range props {
			if !slices.Contains(auto, p.Name) {
				rest = append(rest, p.Name)
			}
		}
		chosen[st.Name] = rest[i%len(rest)]
	}
	out := s.sync(t, s.openSmall(t), ask{only: s.looked(t), config: wide, choose: func(c *singer.Catalog) {
		selectFields(c, nil, func(stream, name string) bool { return chosen[stream] == name })
	}})
	out.complete(t)
	for _, st := range s.lookedAt(t, out) {
		var want []string
		for _, p := range s.fullSchema(t, st).Properties {
			if p.Name == chosen[st.Name] || slices.Contains(automatic(st, s.fullSchema(t, st)), p.Name) {
				want = append(want, p.Name)
			}
		}
		m := out.schema(t, st.Name)
		require.Equal(t, want, properties(t, m), st.Name)
		got := out.records(t, st.Name)
		s.whole(t, st, m, got)
		if chosen[st.Name] == rescuedData {
			continue // what is deselected is not rescued, so it differs
		}
		full := map[string]record{}
		for _, r := range s.everyRecord(t, st.Name) {
			full[r.key] = r
		}
		require.Len(t, keys(got), len(full), st.Name)
		for _, r := range got {
			for _, name := range want {
				s.same(t, st, full[r.key].fields[name], r.fields[name], name, r.key)
			}
		}
	}
}

// fieldsByChoice: with select_fields_by_default off, only automatic properties
// and those chosen one by one come.
func fieldsByChoice(t *testing.T, s *subject) {
	st := s.largest(t)
	extra := s.ordinary(t, st)
	out := s.sync(t, s.openSmall(t), ask{config: with(wide, "select_fields_by_default", false), choose: func(c *singer.Catalog) {
		for i := range c.Streams {
			e := &c.Streams[i]
			e.Root().Set("selected", literal(e.TapStreamID == st.Name))
			if e.TapStreamID == st.Name {
				e.Field(extra).Set("selected", literal(true))
			}
		}
	}})
	out.complete(t)
	require.Equal(t, []string{st.Name}, out.streamNames())
	require.ElementsMatch(t, append(automatic(st, s.fullSchema(t, st)), extra), properties(t, out.schema(t, st.Name)))
}

// largest is the stream with the most records, rather one that needs no other.
func (s *subject) largest(t testing.TB) *stream.Stream {
	t.Helper()
	var best *stream.Stream
	most := -1
	for _, st := range rather(s.incremental(t), 1) {
		if n := len(s.everyRecord(t, st.Name)); n > most {
			best, most = st, n
		}
	}
	require.NotNil(t, best)
	return best
}

// ordinary is a property that is neither automatic nor the tap's own.
func (s *subject) ordinary(t testing.TB, st *stream.Stream) string {
	t.Helper()
	auto := automatic(st, s.fullSchema(t, st))
	for _, p := range s.fullSchema(t, st).Properties {
		if !slices.Contains(auto, p.Name) && p.Name[0] != '_' {
			return p.Name
		}
	}
	require.Fail(t, "no ordinary property", st.Name)
	return ""
}

// rescuedDeselected: without _rescued_data the records have everything else,
// and what is dropped is warned of once per stream and member.
func rescuedDeselected(t *testing.T, s *subject) {
	out := s.sync(t, s.openSmall(t), ask{only: s.looked(t), config: wide, choose: func(c *singer.Catalog) {
		selectFields(c, nil, func(_, name string) bool { return name != rescuedData })
	}})
	out.complete(t)
	dropped := s.withoutRescued(t, out)
	s.dropWarnings(t, out, dropped)
}

// withoutRescued checks that a run lacks _rescued_data and nothing else, and
// returns the members that the full run rescued.
func (s *subject) withoutRescued(t *testing.T, out *output) map[[2]string]bool {
	t.Helper()
	dropped := map[[2]string]bool{}
	for _, st := range s.lookedAt(t, out) {
		require.NotContains(t, properties(t, out.schema(t, st.Name)), rescuedData)
		full := map[string]record{}
		for _, r := range s.everyRecord(t, st.Name) {
			full[r.key] = r
			rescued, err := readRescued(r.fields[rescuedData])
			require.NoError(t, err)
			for name := range rescued {
				dropped[[2]string{st.Name, name}] = true
			}
		}
		got := out.records(t, st.Name)
		require.Len(t, got, len(full), st.Name)
		for _, r := range got {
			want := full[r.key].fields
			require.Len(t, r.fields, len(want)-1, st.Name)
			for name, raw := range r.fields {
				s.same(t, st, want[name], raw, name, r.key)
			}
		}
	}
	return dropped
}

// dropWarnings checks that there is one warning for each dropped member.
func (s *subject) dropWarnings(t *testing.T, out *output, dropped map[[2]string]bool) {
	t.Helper()
	warned := map[[2]string]int{}
	for _, line := range out.logLines(t) {
		if line["level"] == "WARN" && line["member"] != nil {
			warned[[2]string{line["stream"].(string), line["member"].(string)}]++
		}
	}
	for d := range dropped {
		require.Equal(t, 1, warned[d], "one warning that %s of %s is dropped", d[1], d[0])
	}
}

// logLines are the log's lines as objects.
func (o *output) logLines(t testing.TB) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range lines(o.log) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		out = append(out, m)
	}
	return out
}

// olderCatalog: a catalog without _rescued_data, and without properties that
// have come since, is honoured; what it lacks is dropped and warned of.
func olderCatalog(t *testing.T, s *subject) {
	out := s.sync(t, s.openSmall(t), ask{only: s.looked(t), config: wide, choose: func(c *singer.Catalog) {
		for i := range c.Streams {
			e := &c.Streams[i]
			e.Root().Set("selected", literal(true))
			e.Schema = e.Schema.Select(func(name string) bool { return name != rescuedData })
			e.Metadata = slices.DeleteFunc(e.Metadata, func(m singer.Metadata) bool {
				return len(m.Breadcrumb) == 2 && m.Breadcrumb[1] == rescuedData
			})
			for _, p := range e.Schema.Properties {
				e.Field(p.Name).Set("selected", literal(true))
			}
		}
	}})
	out.complete(t)
	s.dropWarnings(t, out, s.withoutRescued(t, out))

	st := s.largest(t)
	gone := s.ordinary(t, st)
	out = s.sync(t, s.openSmall(t), ask{config: wide, choose: func(c *singer.Catalog) {
		selectFields(c, func(name string) bool { return name == st.Name }, func(string, string) bool { return true })
		e := c.Entry(st.Name)
		e.Schema = e.Schema.Select(func(name string) bool { return name != gone })
	}})
	out.complete(t)
	require.NotContains(t, properties(t, out.schema(t, st.Name)), gone)
	for _, r := range out.records(t, st.Name) {
		rescued, err := readRescued(r.fields[rescuedData])
		require.NoError(t, err)
		if st.Select != "" || st.Chunked != nil { // what is not wanted is not asked for
			require.NotContains(t, rescued, gone)
			continue
		}
		for _, full := range s.everyRecord(t, st.Name) {
			if full.key == r.key && string(full.fields[gone]) != "null" {
				require.Contains(t, rescued, gone, "a member that the catalog lacks is kept")
			}
		}
	}
}

// streamsAlone: any stream alone gives the same records as beside all others,
// children without their parents too.
func streamsAlone(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1})
	for _, st := range s.looked(t) {
		out := s.sync(t, server, ask{config: wide, fixed: true, only: []*stream.Stream{st}})
		out.complete(t)
		if out.skipped(st.Name) {
			continue
		}
		require.Equal(t, []string{st.Name}, out.streamNames())
		got, want := out.records(t, st.Name), s.everyRecord(t, st.Name)
		require.Len(t, got, len(want), st.Name)
		byKey := map[string]record{}
		for _, r := range want {
			byKey[r.key] = r
		}
		for _, r := range got {
			require.Equal(t, names(t, byKey[r.key].Record), names(t, r.Record), st.Name)
			for name, raw := range r.fields {
				s.same(t, st, byKey[r.key].fields[name], raw, name, r.key)
			}
		}
	}
}
