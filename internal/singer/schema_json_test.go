package singer

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// record wraps the schema of one property "p" into that of a record.
func record(property string) string {
	return `{"type":"object","properties":{"p":` + property + `}}`
}

func TestParseSchemaReduces(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":                {`{"type":"integer"}`, `{"type":"integer"}`},
		"nullable":             {`{"type":["null","integer"]}`, `{"type":["null","integer"]}`},
		"null last":            {`{"type":["integer","null"]}`, `{"type":["null","integer"]}`},
		"list of one":          {`{"type":["boolean"]}`, `{"type":"boolean"}`},
		"same type twice":      {`{"type":["string","string"]}`, `{"type":"string"}`},
		"date-time":            {`{"type":"string","format":"date-time"}`, `{"type":"string","format":"date-time"}`},
		"date":                 {`{"type":["null","string"],"format":"date"}`, `{"type":["null","string"],"format":"date"}`},
		"other formats":        {`{"type":"string","format":"uuid"}`, `{"type":"string"}`},
		"decimal string":       {`{"type":["null","string"],"format":"singer.decimal"}`, `{"type":["null","string"]}`},
		"format of a number":   {`{"type":"number","format":"date"}`, `{"type":"number"}`},
		"other keywords":       {`{"type":"number","multipleOf":1e-10,"title":"x","enum":[1]}`, `{"type":"number"}`},
		"several types":        {`{"type":["integer","string"]}`, `{"type":"string"}`},
		"several and null":     {`{"type":["null","object","array","string"]}`, `{"type":["null","string"]}`},
		"integer in number":    {`{"type":["null","integer","number"]}`, `{"type":["null","number"]}`},
		"format of several":    {`{"type":["integer","string"],"format":"date"}`, `{"type":"string"}`},
		"empty":                {`{}`, `{"type":["null","string"]}`},
		"true":                 {`true`, `{"type":["null","string"]}`},
		"only null":            {`{"type":"null"}`, `{"type":["null","string"]}`},
		"no types":             {`{"type":[]}`, `{"type":["null","string"]}`},
		"enum without type":    {`{"enum":["a","b"]}`, `{"type":["null","string"]}`},
		"anyOf null first":     {`{"anyOf":[{"type":"null"},{"type":"string","format":"date-time"}]}`, `{"type":["null","string"],"format":"date-time"}`},
		"anyOf null last":      {`{"anyOf":[{"type":"integer"},{"type":"null"}]}`, `{"type":["null","integer"]}`},
		"anyOf null list":      {`{"anyOf":[{"type":["null"]},{"type":"integer"}]}`, `{"type":["null","integer"]}`},
		"anyOf null enum":      {`{"anyOf":[{"enum":[null]},{"type":"integer"}]}`, `{"type":["null","integer"]}`},
		"oneOf null const":     {`{"oneOf":[{"const":null},{"type":"boolean"}]}`, `{"type":["null","boolean"]}`},
		"oneOf":                {`{"oneOf":[{"type":"null"},{"type":"boolean"}]}`, `{"type":["null","boolean"]}`},
		"anyOf nullable":       {`{"anyOf":[{"type":["null","string"]}]}`, `{"type":["null","string"]}`},
		"anyOf two types":      {`{"anyOf":[{"type":"integer"},{"type":"string"}]}`, `{"type":"string"}`},
		"anyOf numbers":        {`{"anyOf":[{"type":"integer"},{"type":"number"}]}`, `{"type":"number"}`},
		"anyOf two formats":    {`{"anyOf":[{"type":"string","format":"date-time"},{"type":["null","string"]}]}`, `{"type":["null","string"]}`},
		"anyOf equal":          {`{"anyOf":[{"type":"string","format":"date"},{"type":["string","null"],"format":"date"}]}`, `{"type":["null","string"],"format":"date"}`},
		"anyOf empty":          {`{"anyOf":[]}`, `{"type":["null","string"]}`},
		"anyOf structures":     {`{"anyOf":[{"type":"array","items":{"type":"string"}},{"type":"object"}]}`, `{"type":"string"}`},
		"anyOf with an object": {`{"anyOf":[{"type":"null"},{"type":"object","properties":{"a":{"type":"string"}}}]}`, `{"type":["null","object"],"properties":{"a":{"type":"string"}}}`},
		"allOf of one":         {`{"allOf":[{"type":"integer"}]}`, `{"type":"integer"}`},
		"allOf of two":         {`{"allOf":[{"type":"integer"},{"minimum":1}]}`, `{"type":["null","string"]}`},
		"type beside anyOf":    {`{"type":"integer","anyOf":[{"type":"string"}]}`, `{"type":"integer"}`},
		"object without type":  {`{"properties":{"a":{"type":"string"}}}`, `{"type":["null","object"],"properties":{"a":{"type":"string"}}}`},
		"array without type":   {`{"items":{"type":"string"}}`, `{"type":["null","array"],"items":{"type":"string"}}`},
		"free object":          {`{"type":"object"}`, `{"type":"object"}`},
		"array, items open":    {`{"type":"array","items":{}}`, `{"type":"array"}`},
		"array, items a list":  {`{"type":"array","items":[{"type":"string"}]}`, `{"type":"array"}`},
		"array, items true":    {`{"type":"array","items":true}`, `{"type":"array"}`},
		"nested":               {`{"type":"array","items":{"type":["object","null"],"properties":{"z":{"type":"string","format":"date"},"a":{}}}}`, `{"type":"array","items":{"type":["null","object"],"properties":{"z":{"type":"string","format":"date"},"a":{"type":["null","string"]}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseSchema([]byte(record(c.in)))
			require.NoError(t, err)
			require.Equal(t, record(c.want), string(s.AppendJSON(nil)))
			require.Equal(t, c.want, string(s.Property("p").AppendJSON(nil)))
		})
	}
}

func TestParseSchemaReferences(t *testing.T) {
	s, err := ParseSchema([]byte("\xef\xbb\xbf" + `{"type":["null","object"],"$schema":"x","required":["b"],"properties":{
		"b":{"$ref":"#/definitions/who~1~0%20is"},"a":{"$ref":"#/$defs/list/0"},"c":{"anyOf":[{"type":"null"},{"$ref":"#/properties/b"}]}},
		"definitions":{"who/~ is":{"type":"object","properties":{"n":{"type":"string"}}}},"$defs":{"list":[{"type":"integer"}]}}`))
	require.NoError(t, err)
	require.Equal(t, `{"type":"object","properties":{"b":{"type":"object","properties":{"n":{"type":"string"}}},"a":{"type":"integer"},"c":{"type":["null","object"],"properties":{"n":{"type":"string"}}}}}`,
		string(s.AppendJSON(nil)))
}

func TestParseSchemaFaults(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 60) + `{}` + strings.Repeat(`}`, 60)
	bomb := `{"type":"object","properties":{"p":{"$ref":"#/d/0"}},"d":{`
	for i := range 15 {
		next := `{"$ref":"#/d/` + strconv.Itoa(i+1) + `"}`
		bomb += `"` + strconv.Itoa(i) + `":{"type":"object","properties":{"x":` + next + `,"y":` + next + `,"z":` + next + `}},`
	}
	bomb += `"15":{}}}`
	for name, c := range map[string]struct{ in, want string }{
		"not JSON":            {`{"type":`, "line 1: the JSON document ends in the middle"},
		"syntax":              {"{\n\"a\" 1}", "line 2: invalid character '1' after object key"},
		"text behind":         {`{} x`, "line 1: text after the end"},
		"array":               {`[]`, "is a list, must be a schema object"},
		"root string":         {`{"type":"string"}`, "the root is of type string, must be an object"},
		"no properties":       {`{"type":"object"}`, "has no properties"},
		"empty properties":    {`{"type":"object","properties":{}}`, "has no properties"},
		"properties a list":   {`{"type":"object","properties":[]}`, "properties is a list, must be an object"},
		"false":               {record(`false`), "p: is a boolean, must be a schema object"},
		"null":                {record(`null`), "p: is null, must be a schema object"},
		"type a number":       {record(`{"type":1}`), "p: type is a number"},
		"type unknown":        {record(`{"type":["null","datetime"]}`), `p: "datetime" is no type of JSON Schema`},
		"anyOf no list":       {record(`{"anyOf":{}}`), "p: anyOf is an object, must be a list"},
		"nested":              {record(`{"type":"object","properties":{"q":{"type":"array","items":{"type":"x"}}}}`), `p.q.items: "x" is no type`},
		"dangling":            {record(`{"$ref":"#/definitions/x"}`), `p: $ref "#/definitions/x" points nowhere`},
		"dangling index":      {record(`{"$ref":"#/type/7"}`), `points nowhere`},
		"remote":              {record(`{"$ref":"http://x/y"}`), "points outside the schema"},
		"no pointer":          {record(`{"$ref":"#x"}`), "points nowhere"},
		"ref no string":       {record(`{"$ref":1}`), "p: $ref is a number, must be a string"},
		"cyclic":              {record(`{"type":"object","properties":{"q":{"$ref":"#/properties/p"}}}`), `p.q.q: $ref "#/properties/p" leads back to itself`},
		"cyclic root":         {record(`{"$ref":"#"}`), `leads back to itself`},
		"deep":                {record(deep), "nests deeper than"},
		"deeper than JSON":    {strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200), "nests deeper than"},
		"multiplying":         {bomb, "schemas once references are resolved"},
		"UTF-16":              {"\xff\xfe{\x00}\x00", "is UTF-16 text"},
		"Latin-1":             {"{\"\xe9\":1}", "is not UTF-8 text"},
		"several documents":   {`{} {}`, "several JSON documents"},
		"nothing, no schemas": {``, "ends in the middle"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSchema([]byte(c.in))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Config, fault.KindOf(err))
		})
	}
}

func TestSchemaHelpers(t *testing.T) {
	s, err := ParseSchema([]byte(`{"type":"object","properties":{"id":{"type":["null","integer"]},"b":{"type":"object","properties":{"x":{"type":"string"}}},"c":{"type":"array","items":{"type":"object","properties":{"y":{"type":"integer"}}}}}}`))
	require.NoError(t, err)
	before := string(s.AppendJSON(nil))

	require.Equal(t, `{"type":"object","properties":{"id":{"type":["null","integer"]},"c":{"type":"array","items":{"type":"object","properties":{"y":{"type":"integer"}}}}}}`,
		string(s.Select(func(name string) bool { return name != "b" }).AppendJSON(nil)))
	require.Equal(t, `{"type":"object","properties":{"id":{"type":"integer"},"b":{"type":["null","object"],"properties":{"x":{"type":["null","string"]}}},"c":{"type":["null","array"],"items":{"type":"object","properties":{"y":{"type":["null","integer"]}}}}}}`,
		string(s.WithKey([]string{"id", "absent"}).AppendJSON(nil)))
	require.Equal(t, before, string(s.AppendJSON(nil)), "the original is not touched")

	require.True(t, s.Equal(s.Clone()))
	require.False(t, s.Equal(s.WithKey(nil)))
	require.False(t, s.Equal(nil))
	require.True(t, (*Schema)(nil).Equal(nil))

	text, err := json.Marshal(map[string]*Schema{"s": s})
	require.NoError(t, err)
	require.Equal(t, `{"s":`+before+`}`, string(text))
	var back map[string]*Schema
	require.NoError(t, json.Unmarshal(text, &back))
	require.True(t, s.Equal(back["s"]))
	require.Error(t, json.Unmarshal([]byte(`{"type":"x"}`), &Schema{}))
	require.Error(t, (&Schema{}).UnmarshalJSON([]byte(`{`)))
}

// schemas draws schemas of records.
func schemas() *rapid.Generator[*Schema] {
	return rapid.Custom(func(t *rapid.T) *Schema {
		return &Schema{Type: "object", Properties: drawProperties(t, 2)}
	})
}

func drawProperties(t *rapid.T, depth int) []Property {
	names := rapid.SliceOfNDistinct(rapid.String(), 1, 4, rapid.ID[string]).Draw(t, "names")
	list := make([]Property, len(names))
	for i, name := range names {
		list[i] = Property{name, drawSchema(t, depth)}
	}
	return list
}

func drawSchema(t *rapid.T, depth int) *Schema {
	kinds := []string{"string", "number", "integer", "boolean", "array", "object"}
	if depth == 0 {
		kinds = kinds[:4]
	}
	s := &Schema{Type: rapid.SampledFrom(kinds).Draw(t, "type"), Nullable: rapid.Bool().Draw(t, "nullable")}
	switch s.Type {
	case "string":
		s.Format = rapid.SampledFrom([]string{"", "date", "date-time"}).Draw(t, "format")
	case "array":
		s.Items = drawSchema(t, depth-1)
	case "object":
		s.Properties = drawProperties(t, depth-1)
	}
	return s
}

func TestSchemaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schemas().Draw(t, "schema")
		text := s.AppendJSON(nil)
		back, err := ParseSchema(text)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s, back))
		require.Equal(t, string(text), string(back.AppendJSON(nil)))
		compiler := jsonschema.NewCompiler()
		compiler.Draft = jsonschema.Draft7
		require.NoError(t, compiler.AddResource("s.json", strings.NewReader(string(text))))
		_, err = compiler.Compile("s.json")
		require.NoError(t, err)
	})
}
