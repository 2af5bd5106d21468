package sourcetest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// catalogCases are about catalogs that say something else than discovery does.
var catalogCases = []conformance{
	{"only what is wanted is asked for", onlyWanted},
	{"field that is not there", unknownField},
	{"types of the catalog", catalogTypes},
}

// onlyWanted: where the vendor takes a list of fields, it holds those that are
// emitted, and none of the tap's own.
func onlyWanted(t *testing.T, s *subject) {
	chosen := map[string]string{}
	var list []*stream.Stream
	for _, st := range s.looked(t) {
		if st.Select == "" {
			continue
		}
		list = append(list, st)
		chosen[st.Name] = s.ordinary(t, st)
	}
	if len(list) == 0 {
		return
	}
	out := s.sync(t, s.openSmall(t), ask{config: wide, only: list, choose: func(c *singer.Catalog) {
		selectFields(c, nil, func(stream, name string) bool { return chosen[stream] == name })
	}})
	out.complete(t)
	for _, st := range list {
		want := slices.DeleteFunc(properties(t, out.schema(t, st.Name)), func(name string) bool { return strings.HasPrefix(name, "_") })
		asked := 0
		for _, e := range out.asked {
			if e.Resource != st.Name {
				continue
			}
			query, err := url.ParseQuery(e.Query)
			require.NoError(t, err)
			if query.Has(st.Select) || st.Scope != "" {
				asked++
				require.ElementsMatch(t, want, strings.Split(query.Get(st.Select), ","), "%s: %s", st.Name, e.Query)
			}
		}
		require.Positive(t, asked, st.Name)
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
			require.Equal(t, string(raw), string(r.fields[k]), "%s of %s", k, r.key)
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
