package singer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// corpus reads one of the files that the fuzz targets start from.
func corpus(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "corpus", "singer", filepath.FromSlash(name)))
	require.NoError(t, err)
	return data
}

// seed adds all files of a corpus folder.
func seed(f *testing.F, folder string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "corpus", "singer", folder, "*"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		f.Add(corpus(f, folder+"/"+filepath.Base(file)))
	}
}

func nullable(kind, format string) *Schema {
	return &Schema{Type: kind, Nullable: true, Format: format}
}

// example is the catalog of two small streams.
func example() *Catalog {
	contracts := &Schema{Type: "object", Properties: []Property{
		{"id", &Schema{Type: "integer"}},
		{"number", nullable("string", "")},
		{"email", nullable("string", "")},
		{"modified", nullable("string", "date-time")},
		{"lines", &Schema{Type: "array", Nullable: true, Items: &Schema{Type: "object", Nullable: true, Properties: []Property{{"amount", nullable("number", "")}}}}},
		{"_rescued_data", nullable("string", "")},
	}}
	notes := &Schema{Type: "object", Properties: []Property{
		{"contract", &Schema{Type: "integer"}},
		{"no", &Schema{Type: "integer"}},
		{"email", nullable("string", "")},
	}}
	return &Catalog{Streams: []Entry{
		NewEntry(Discovered{Stream: "contracts", Schema: contracts, Key: []string{"id"}, Method: "INCREMENTAL", ReplicationKey: "modified", SelectedByDefault: true}),
		NewEntry(Discovered{
			Stream: "contract_notes", Schema: notes, Key: []string{"contract", "no"}, Method: "FULL_TABLE", Parent: "contracts",
			Unselected: func(name string) bool { return name == "email" },
		}),
	}}
}

const exampleJSON = `{
  "streams": [
    {
      "tap_stream_id": "contracts",
      "stream": "contracts",
      "replication_method": "INCREMENTAL",
      "replication_key": "modified",
      "key_properties": ["id"],
      "schema": {
        "type": "object",
        "properties": {
          "id": {"type":"integer"},
          "number": {"type":["null","string"]},
          "email": {"type":["null","string"]},
          "modified": {"type":["null","string"],"format":"date-time"},
          "lines": {"type":["null","array"],"items":{"type":["null","object"],"properties":{"amount":{"type":["null","number"]}}}},
          "_rescued_data": {"type":["null","string"]}
        }
      },
      "metadata": [
        {"breadcrumb": [], "metadata": {"inclusion": "available", "selected-by-default": true, "table-key-properties": ["id"], "forced-replication-method": "INCREMENTAL", "valid-replication-keys": ["modified"]}},
        {"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}},
        {"breadcrumb": ["properties", "number"], "metadata": {"inclusion": "available", "selected-by-default": true}},
        {"breadcrumb": ["properties", "email"], "metadata": {"inclusion": "available", "selected-by-default": true}},
        {"breadcrumb": ["properties", "modified"], "metadata": {"inclusion": "automatic"}},
        {"breadcrumb": ["properties", "lines"], "metadata": {"inclusion": "available", "selected-by-default": true}},
        {"breadcrumb": ["properties", "_rescued_data"], "metadata": {"inclusion": "available", "selected-by-default": true}}
      ]
    },
    {
      "tap_stream_id": "contract_notes",
      "stream": "contract_notes",
      "replication_method": "FULL_TABLE",
      "key_properties": ["contract", "no"],
      "schema": {
        "type": "object",
        "properties": {
          "contract": {"type":"integer"},
          "no": {"type":"integer"},
          "email": {"type":["null","string"]}
        }
      },
      "metadata": [
        {"breadcrumb": [], "metadata": {"inclusion": "available", "selected-by-default": false, "table-key-properties": ["contract","no"], "forced-replication-method": "FULL_TABLE", "parent-tap-stream-id": "contracts"}},
        {"breadcrumb": ["properties", "contract"], "metadata": {"inclusion": "automatic"}},
        {"breadcrumb": ["properties", "no"], "metadata": {"inclusion": "automatic"}},
        {"breadcrumb": ["properties", "email"], "metadata": {"inclusion": "available", "selected-by-default": false}}
      ]
    }
  ]
}
`

func TestCatalogGolden(t *testing.T) {
	text := example().AppendJSON(nil)
	require.Empty(t, cmp.Diff(exampleJSON, string(text)))
	back, warnings, err := LoadCatalog(text)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Empty(t, cmp.Diff(example(), back))
	entry := back.Entry("contracts")
	raw, ok := entry.Field("modified").Get("inclusion")
	require.True(t, ok)
	require.Equal(t, `"automatic"`, string(raw))
	require.Nil(t, entry.Field("absent"))
	require.Equal(t, "{\n  \"streams\": []\n}\n", string((&Catalog{}).AppendJSON(nil)))
}

// pieces keeps what it is written and takes the first few writes alone.
type pieces struct {
	takes int
	all   []string
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.takes--; p.takes < 0 {
		return 0, errFull
	}
	p.all = append(p.all, string(b))
	return len(b), nil
}

var errFull = errors.New("full")

func TestCatalogWriteTo(t *testing.T) {
	two := example()
	two.Streams = append(two.Streams, two.Streams...)
	for _, c := range []*Catalog{{}, example(), two} {
		want := string(c.AppendJSON(nil))
		out := &pieces{takes: 99}
		n, err := c.WriteTo(out)
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(out.all, ""))
		require.Len(t, want, int(n))
		require.Len(t, out.all, max(len(c.Streams), 1), "one stream at a time")
		for _, lines := range out.all {
			require.True(t, strings.HasSuffix(lines, "\n"), "whole lines")
		}
		for takes := range out.all {
			full := &pieces{takes: takes}
			n, err := c.WriteTo(full)
			require.ErrorIs(t, err, errFull)
			require.Len(t, strings.Join(full.all, ""), int(n))
		}
	}
}

// names returns the properties that an entry extracts.
func names(e *Entry, o FieldOptions) string {
	var list []string
	for _, p := range e.SelectedSchema(o).Properties {
		list = append(list, p.Name)
	}
	return strings.Join(list, " ")
}

func TestCatalogDialects(t *testing.T) {
	t.Run("classic", func(t *testing.T) {
		c, _, err := LoadCatalog(corpus(t, "catalog/classic.json"))
		require.NoError(t, err)
		e := c.Entry("contracts")
		require.Equal(t, On, e.Chosen())
		require.Equal(t, "modified", e.ReplicationKey)
		require.Equal(t, "id modified any both owner", names(e, FieldOptions{}))
		require.Nil(t, c.Entry("absent"))
	})
	t.Run("legacy", func(t *testing.T) {
		c, _, err := LoadCatalog(corpus(t, "catalog/legacy.json"))
		require.NoError(t, err)
		require.Equal(t, On, c.Entry("a").Chosen())
		require.Equal(t, "id", names(c.Entry("a"), FieldOptions{}))
		require.Equal(t, "id", names(c.Entry("a"), FieldOptions{ExplicitOnly: true}))
		require.Equal(t, Off, c.Entry("b").Chosen())
		require.Equal(t, "b", c.Entry("b").Stream)
	})
	t.Run("metadata wins over the schema", func(t *testing.T) {
		c, _, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","selected":true,"schema":{"selected":true,"type":"object","properties":{"id":{"type":"integer","selected":false}}},
			"metadata":[{"breadcrumb":["properties","id"],"metadata":{"selected":true}},{"breadcrumb":[],"metadata":{"selected":false}}]}]}`))
		require.NoError(t, err)
		require.Equal(t, Off, c.Entry("a").Chosen())
		require.Equal(t, "id", names(c.Entry("a"), FieldOptions{}))
	})
	t.Run("unknown keywords are carried along", func(t *testing.T) {
		c, _, err := LoadCatalog([]byte(`{"version":1,"streams":[{"stream":"a","is_view":false,"schema":{"type":"object","properties":{"id":{"type":"integer"}}},
			"metadata":[{"breadcrumb":[],"metadata":{"schema-name":"x","selected":null,"row-count":1e3}}]}]}`))
		require.NoError(t, err)
		require.Contains(t, string(c.AppendJSON(nil)), `{"schema-name": "x", "selected": null, "row-count": 1e3}`)
	})
}

func TestStreamSelection(t *testing.T) {
	for name, c := range map[string]struct {
		root     string
		selected bool
		chosen   Chosen
	}{
		"nothing said":             {`{}`, false, Unset},
		"by default":               {`{"selected-by-default":true}`, true, Unset},
		"by default, not":          {`{"selected-by-default":false}`, false, Unset},
		"by default, text":         {`{"selected-by-default":"true"}`, true, Unset},
		"selected":                 {`{"selected":true,"selected-by-default":false}`, true, On},
		"selected, text":           {`{"selected":"True"}`, true, On},
		"deselected":               {`{"selected":false,"selected-by-default":true}`, false, Off},
		"null is nothing":          {`{"selected":null,"selected-by-default":true}`, true, Unset},
		"automatic":                {`{"inclusion":"automatic","selected":false}`, true, Off},
		"unsupported":              {`{"inclusion":"unsupported","selected":true}`, false, On},
		"available says nothing":   {`{"inclusion":"available"}`, false, Unset},
		"another inclusion":        {`{"inclusion":"x","selected":true}`, true, On},
		"inclusion null, selected": {`{"inclusion":null,"selected":true}`, true, On},
	} {
		t.Run(name, func(t *testing.T) {
			cat, _, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","schema":` + record(`{"type":"string"}`) + `,"metadata":[{"breadcrumb":[],"metadata":` + c.root + `}]}]}`))
			require.NoError(t, err)
			require.Equal(t, c.selected, cat.Streams[0].Selected())
			require.Equal(t, c.chosen, cat.Streams[0].Chosen())
			require.Equal(t, !c.selected, cat.RequireSelection() != nil)
		})
	}
	none, _, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","schema":` + record(`{}`) + `}]}`))
	require.NoError(t, err)
	require.False(t, none.Streams[0].Selected(), "a stream without metadata")
	require.Equal(t, fault.Config, fault.KindOf(none.RequireSelection()))
}

func TestFieldSelection(t *testing.T) {
	for name, c := range map[string]struct {
		meta               string
		selected, explicit bool
	}{
		"nothing said":            {`{}`, true, false},
		"available":               {`{"inclusion":"available"}`, true, false},
		"by default, not":         {`{"selected-by-default":false}`, false, false},
		"by default":              {`{"selected-by-default":"true"}`, true, false},
		"selected":                {`{"selected":"true","selected-by-default":false}`, true, true},
		"deselected":              {`{"selected":false,"selected-by-default":true}`, false, false},
		"automatic":               {`{"inclusion":"automatic","selected":false}`, true, true},
		"unsupported":             {`{"inclusion":"unsupported","selected":true}`, false, false},
		"unsupported by default":  {`{"inclusion":"unsupported","selected-by-default":true}`, false, false},
		"available, but not said": {`{"inclusion":"available","selected":null}`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cat, _, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","schema":` + record(`{"type":"string"}`) + `,"metadata":[{"breadcrumb":["properties","p"],"metadata":` + c.meta + `}]}]}`))
			require.NoError(t, err)
			e := &cat.Streams[0]
			require.Equal(t, c.selected, e.FieldSelected("p", FieldOptions{}))
			require.Equal(t, c.explicit, e.FieldSelected("p", FieldOptions{ExplicitOnly: true}))
			require.True(t, e.FieldSelected("p", FieldOptions{ExplicitOnly: true, Always: []string{"p"}}))
			e.KeyProperties = []string{"p"}
			require.True(t, e.FieldSelected("p", FieldOptions{ExplicitOnly: true}), "a key is always kept")
			e.KeyProperties, e.ReplicationKey = nil, "p"
			require.True(t, e.FieldSelected("p", FieldOptions{ExplicitOnly: true}), "a replication key is always kept")
		})
	}
}

func TestCatalogFaults(t *testing.T) {
	good := `"schema":` + record(`{"type":"integer"}`)
	for name, c := range map[string]struct{ in, want string }{
		"empty":             {" \n", "catalog: is empty"},
		"not JSON":          {`{"streams":[}`, "catalog: line 1: invalid character '}'"},
		"a list":            {`[]`, `catalog: is a list, must be an object {"streams": […]}`},
		"no streams":        {`{}`, "streams is missing, must be a list"},
		"streams an object": {`{"streams":{}}`, "streams is an object, must be a list"},
		"a stream a string": {`{"streams":["a"]}`, "streams[0]: is a string, must be an object"},
		"nameless":          {`{"streams":[{"selected":true,` + good + `}]}`, "streams[0]: has neither tap_stream_id nor stream"},
		"name a number":     {`{"streams":[{"selected":true,"stream":1,` + good + `}]}`, "streams[0]: stream is a number, must be a string"},
		"no schema":         {`{"streams":[{"selected":true,"stream":"a"}]}`, "streams[0] (a): has no schema"},
		"bad schema":        {`{"streams":[{"selected":true,"stream":"a","schema":{"type":"object","properties":{"x":{"type":"y"}}}}]}`, `streams[0] (a): schema: x: "y" is no type`},
		"schema a string":   {`{"streams":[{"selected":true,"stream":"a","schema":"x"}]}`, "streams[0] (a): schema: is a string"},
		"key a string":      {`{"streams":[{"selected":true,"stream":"a","key_properties":"p",` + good + `}]}`, "key_properties is a string, must be a list of names"},
		"key not there":     {`{"streams":[{"selected":true,"stream":"a","key_properties":["q"],` + good + `}]}`, `key property "q" is not in the schema`},
		"metadata object":   {`{"streams":[{"stream":"a","metadata":{},` + good + `}]}`, "metadata is an object, must be a list"},
		"metadata item":     {`{"streams":[{"stream":"a","metadata":[{"breadcrumb":"x"}],` + good + `}]}`, "metadata[0] must be"},
		"metadata nothing":  {`{"streams":[{"stream":"a","metadata":[7],` + good + `}]}`, "metadata[0] must be"},
		"selected a number": {`{"streams":[{"stream":"a","metadata":[{"breadcrumb":[],"metadata":{"selected":1}}],` + good + `}]}`, "metadata[0]: selected is 1, must be true or false"},
		"selected yes":      {`{"streams":[{"stream":"a","selected":"yes",` + good + `}]}`, `selected is "yes", must be true or false`},
		"inclusion":         {`{"streams":[{"stream":"a","selected":true,"metadata":[{"breadcrumb":[],"metadata":{"inclusion":true}}],` + good + `}]}`, "inclusion is a boolean, must be a string"},
		"twice":             {`{"streams":[{"stream":"a",` + good + `},{"stream":"a","selected":true,` + good + `}]}`, "streams[1] (a): is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := LoadCatalog([]byte(c.in))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Config, fault.KindOf(err))
			require.NotEmpty(t, fault.As(err).Hint)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, warnings, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","selected":true},{"selected":true,` + good + `},{"stream":"c"},{"stream":"d",` + good + `}]}`))
		require.ErrorContains(t, err, "streams[0] (a): has no schema; streams[1]: has neither")
		require.Equal(t, []string{"streams[2] (c): has no schema; the stream is not selected and is left out"}, warnings)
	})
	t.Run("broken but not selected", func(t *testing.T) {
		c, warnings, err := LoadCatalog([]byte(`{"streams":[{"stream":"a","selected":false,"schema":7},{"stream":"d","selected":true,` + good + `}]}`))
		require.NoError(t, err)
		require.Len(t, warnings, 1)
		require.Len(t, c.Streams, 1)
	})
}

func TestCheckStreams(t *testing.T) {
	good := `"schema":` + record(`{"type":"integer"}`)
	c, _, err := LoadCatalog([]byte(`{"streams":[{"stream":"contract","selected":true,` + good + `},{"stream":"zzzzzzzz","selected":true,` + good + `},{"stream":"invoice",` + good + `},{"stream":"items","selected":true,` + good + `}]}`))
	require.NoError(t, err)
	warnings, err := c.CheckStreams([]string{"contracts", "invoices", "items"})
	require.EqualError(t, err, `catalog: no stream is called "contract" (nearest: contracts); no stream is called "zzzzzzzz"`)
	require.Equal(t, []string{`no stream is called "invoice" (nearest: invoices); it is not selected and is left out`}, warnings)
	_, err = c.CheckStreams([]string{"contract", "zzzzzzzz", "items"})
	require.NoError(t, err)
}

func FuzzLoadCatalog(f *testing.F) {
	seed(f, "catalog")
	f.Add(example().AppendJSON(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := LoadCatalog(data)
		if err != nil {
			require.Equal(t, fault.Config, fault.KindOf(err))
			return
		}
		for i := range c.Streams {
			c.Streams[i].SelectedSchema(FieldOptions{})
		}
		text := c.AppendJSON(nil)
		again, warnings, err := LoadCatalog(text)
		require.NoError(t, err)
		require.Empty(t, warnings)
		require.Equal(t, string(text), string(again.AppendJSON(nil)))
		for i := range c.Streams {
			require.Equal(t, c.Streams[i].Chosen(), again.Streams[i].Chosen())
			require.Equal(t, c.Streams[i].Selected(), again.Streams[i].Selected())
		}
	})
}

// BenchmarkCatalog writes and reads the catalog of the largest source.
func BenchmarkCatalog(b *testing.B) {
	schema := &Schema{Type: "object"}
	for i := range 50 {
		schema.Properties = append(schema.Properties, Property{fmt.Sprintf("SomeProperty%d", i), nullable("string", "")})
	}
	c := &Catalog{}
	for i := range 375 {
		c.Streams = append(c.Streams, NewEntry(Discovered{Stream: fmt.Sprintf("stream_%d", i), Schema: schema, Key: []string{"SomeProperty0"}, Method: "FULL_TABLE"}))
	}
	data := c.AppendJSON(nil)
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			data = c.AppendJSON(data[:0])
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := LoadCatalog(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
