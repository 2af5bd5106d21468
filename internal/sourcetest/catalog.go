package sourcetest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// catalogCases are about catalogs that say something else than discovery does.
var catalogCases = []conformance{
	{"only what is wanted is asked for", onlyWanted},
	{"field that is not there", unknownField},
	{"types of the catalog", catalogTypes},
	{"type of the replication key", replicationKeyTypes},
	{"what the catalog knows is not asked for", knownNotAsked},
}

// onlyWanted: where the vendor takes a list of fields, it holds those that are
// emitted, and none of the tap's own.
func onlyWanted(t *testing.T, s *subject) {
	// Not both at once: children that name their fields may need rows of lists.
	s.onlyWanted(t, func(st *stream.Stream) bool { return st.Select != "" })
	s.onlyWanted(t, func(st *stream.Stream) bool { return st.Chunked != nil })
}

func (s *subject) onlyWanted(t *testing.T, of func(*stream.Stream) bool) {
	t.Helper()
	chosen := map[string]string{}
	var list []*stream.Stream
	for _, st := range s.looked(t) {
		if of(st) {
			list = append(list, st)
			chosen[st.Name] = s.ordinary(t, st)
		}
	}
	if len(list) == 0 {
		return
	}
	out := s.sync(t, s.openSmall(t), ask{config: wide, only: list, choose: func(c *singer.Catalog) {
		selectFields(c, nil, func(stream, name string) bool { return chosen[stream] == name })
	}})
	out.complete(t)
	first := s.ahead(t)
	for _, st := range list {
		if out.skipped(st.Name) {
			continue
		}
		want := slices.DeleteFunc(properties(t, out.schema(t, st.Name)), func(name string) bool { return strings.HasPrefix(name, "_") })
		asked := 0
		for _, e := range out.asked {
			if e.Resource != st.Name || first[e.Path+"?"+e.Query] {
				continue
			}
			query, err := url.ParseQuery(e.Query)
			require.NoError(t, err)
			if c := st.Chunked; c != nil {
				asked++ // what there is room for, in one call
				require.ElementsMatch(t, compact(append(slices.Clone(c.Always), want...)), strings.Split(query.Get(c.Param), ","), "%s: %s", st.Name, e.Query)
				continue
			}
			if query.Has(st.Select) || st.Scope != "" {
				asked++
				tells := s.src.Scopes[st.Scope].Tells // of each row, whoever wants it
				got := slices.DeleteFunc(strings.Split(query.Get(st.Select), ","), func(name string) bool { return name == tells && !slices.Contains(want, name) })
				require.ElementsMatch(t, want, got, "%s: %s", st.Name, e.Query)
			}
		}
		require.True(t, asked > 0 || s.otherwise(st), st.Name)
	}
}

// compact leaves out what comes again.
func compact(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// knownNotAsked: with a catalog, discovery asks no more for one stream than for
// all, and less than without; a run asks for nothing of a stream that is neither
// selected nor needed but for what discovery asks.
func knownNotAsked(t *testing.T, s *subject) {
	if s.src.Discover == nil {
		return
	}
	static := func(st *stream.Stream) bool { return s.src.Stream(st.Name) != nil }
	var list []*stream.Stream // found ones, in place of a static one too
	for _, st := range s.incremental(t) {
		if !static(st) || s.src.Stream(st.Name).Schema != st.Schema || len(st.Added) > 0 {
			list = append(list, st)
		}
	}
	require.NotEmpty(t, list)
	whole := s.catalog(t, s.src, ask{})
	requests := func(asked []emulator.Entry) []string {
		var out []string
		for _, e := range asked {
			out = append(out, e.Method+" "+e.Path+"?"+e.Query)
		}
		slices.Sort(out)
		return out
	}
	_, without := s.discover(t, nil)
	_, still := s.discover(t, known(whole))
	require.Less(t, len(still), len(without))
	for _, request := range requests(still) {
		require.Contains(t, requests(without), request)
	}
	for _, st := range []*stream.Stream{list[0], list[len(list)-1]} {
		a := ask{config: wide, only: []*stream.Stream{st}}
		found, one := s.discover(t, known(s.catalog(t, s.src, a)))
		require.Equal(t, requests(still), requests(one), "what is asked does not grow with the catalog")
		require.Len(t, slices.DeleteFunc(found, func(f stream.Stream) bool { return static(&f) && f.Name != st.Name }), 1, "what the catalog lacks is not read")
		out := s.sync(t, s.openSmall(t), a)
		out.complete(t)
		require.Equal(t, len(one), out.finding, "a run finds as discovery does")
		require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(out.records(t, st.Name)), st.Name)
		for _, request := range requests(out.asked) {
			require.True(t, slices.Contains(requests(still), request) || !slices.Contains(requests(without), request), "%s alone: %s", st.Name, request)
		}
		if s.otherwise(st) {
			continue // what a way needs to know is asked for when it is taken
		}
		var first map[string]bool
		if len(still) == 0 { // else discovery knows it
			first = s.ahead(t)
		}
		others := slices.DeleteFunc(s.calls(out), func(e emulator.Entry) bool {
			return first[e.Path+"?"+e.Query] || !slices.ContainsFunc(s.all(t), func(o stream.Stream) bool { return o.Name == e.Resource && o.Name != st.Name })
		})
		require.LessOrEqual(t, len(others), len(one), "%s alone", st.Name)
		for _, request := range requests(others) {
			require.Contains(t, requests(one), request, "%s alone", st.Name)
		}
	}
}

// unknownField: a property of the catalog that the vendor does not know, or knows
// no more, is null in every record, and nothing else is lost for it.
func unknownField(t *testing.T, s *subject) {
	st := s.largest(t)
	const name = "NoLongerThere"
	out := s.sync(t, s.openSmall(t), ask{config: wide, only: []*stream.Stream{st}, choose: func(c *singer.Catalog) {
		e := c.Entry(st.Name)
		e.Schema.Properties = append(e.Schema.Properties, singer.Property{Name: name, Schema: &singer.Schema{Type: "string", Nullable: true}})
	}})
	out.complete(t)
	got := out.records(t, st.Name)
	require.Equal(t, keys(s.everyRecord(t, st.Name)), keys(got))
	full := map[string]record{}
	for _, r := range s.everyRecord(t, st.Name) {
		full[r.key] = r
	}
	for _, r := range got {
		require.Equal(t, "null", string(r.fields[name]))
		for k, raw := range full[r.key].fields {
			s.same(t, st, raw, r.fields[k], k, r.key)
		}
	}
}

// catalogTypes: a catalog that wants text in place of a number or a truth value
// gets it.
func catalogTypes(t *testing.T, s *subject) {
	st := s.largest(t)
	full := s.fullSchema(t, st)
	changed := map[string]bool{}
	for _, p := range full.Properties {
		switch p.Schema.Type {
		case "number", "integer", "boolean":
			if !slices.Contains(automatic(st, full), p.Name) && st.Convert[p.Name] == nil {
				changed[p.Name] = true
			}
		}
	}
	out := s.sync(t, s.openSmall(t), ask{config: wide, only: []*stream.Stream{st}, choose: func(c *singer.Catalog) {
		e := c.Entry(st.Name)
		for i := range e.Schema.Properties {
			if p := &e.Schema.Properties[i]; changed[p.Name] {
				p.Schema = &singer.Schema{Type: "string", Nullable: true}
			}
		}
	}})
	out.complete(t)
	plain := map[string]record{}
	for _, r := range s.everyRecord(t, st.Name) {
		plain[r.key] = r
	}
	got := out.records(t, st.Name)
	require.Len(t, got, len(plain))
	for _, r := range got {
		for name := range changed {
			want := string(plain[r.key].fields[name])
			var text string
			if want == "null" {
				continue // or what did not fit, which text holds
			}
			require.NoError(t, json.Unmarshal(r.fields[name], &text), "%s of %s is text", name, r.key)
		}
	}
}

// replicationKeyTypes: a catalog that makes text of the replication keys changes
// what is written, and neither what is asked nor the bookmarks.
func replicationKeyTypes(t *testing.T, s *subject) {
	state := s.stateOf(t, s.middling(t, s.usual(t)), "")
	list := slices.DeleteFunc(slices.Clone(s.incremental(t)), func(st *stream.Stream) bool {
		return slices.Contains(st.Key, st.Cursor.Field) || !slices.Contains(s.usual(t).streamNames(), st.Name)
	})
	if len(list) == 0 {
		return
	}
	run := func(choose func(*singer.Catalog)) *output {
		out := s.sync(t, s.openSmall(t), ask{config: wide, only: list, state: state, choose: choose})
		out.complete(t)
		return out
	}
	plain := run(nil)
	text := run(func(c *singer.Catalog) {
		for _, st := range list {
			props := c.Entry(st.Name).Schema.Properties
			k := slices.IndexFunc(props, func(p singer.Property) bool { return p.Name == st.Cursor.Field })
			props[k].Schema = &singer.Schema{Type: "string", Nullable: true}
		}
	})
	require.Equal(t, asked(plain), asked(text))
	a, b := readState(t, plain.final(t)), readState(t, text.final(t))
	for _, st := range list {
		require.Equal(t, keys(plain.records(t, st.Name)), keys(text.records(t, st.Name)), st.Name)
		require.Equal(t, s.marks(t, a, st), s.marks(t, b, st), st.Name)
		for _, r := range text.records(t, st.Name) {
			require.Contains(t, []byte(`"n`), r.fields[st.Cursor.Field][0], "%s of %s is text or null", st.Cursor.Field, r.key)
		}
	}
}

// asked are the calls of a run, whatever their order.
func asked(out *output) []string {
	var list []string
	for _, e := range out.asked {
		list = append(list, e.Method+" "+e.Resource+"?"+e.Query) // a path may hold the id of a job
	}
	slices.Sort(list)
	return list
}
