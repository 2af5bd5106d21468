package schema

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/schemas"
)

// cursors of the streams of SaaSOptics, as its documentation tells them.
var cursors = map[string]string{
	"customers": "modified", "contracts": "modified", "items": "modified", "transactions": "modified",
	"registers": "modified", "revenue_entries": "modified", "payments": "modified",
	"invoices": "auditentry_modified", "sales_orders": "created",
}

// TestFiles lints every file and compiles it. Keys and cursors of the other
// sources are checked against their tables where those are.
func TestFiles(t *testing.T) {
	files, err := fs.Glob(schemas.FS, "*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		source, stream := path.Dir(file), strings.TrimSuffix(path.Base(file), ".json")
		body, err := schemas.File(source, stream)
		require.NoError(t, err)
		_, err = Compile(body)
		require.NoError(t, err, file)
		root, err := parse(body)
		require.NoError(t, err, file)
		var key []string
		for _, p := range root.properties {
			if !p.schema.nullable {
				key = append(key, p.name)
			}
		}
		cursor := ""
		if source == "saasoptics" {
			cursor = cursors[stream]
			if strings.HasPrefix(stream, "deleted_") {
				cursor = "deleted"
			}
			want := "id"
			if stream == "currency_codes" {
				want = "code"
			}
			require.Equal(t, []string{want}, key, file)
			require.Equal(t, want, root.properties[0].name, "the key comes first")
		}
		require.Empty(t, Lint(source, stream, body, key, cursor))
	}
	_, err = schemas.File("saasoptics", "../absent")
	require.Error(t, err)
}

func TestLintRules(t *testing.T) {
	const id = `"id": {"type": "integer"}`
	null := func(rest string) string { return `{"type": ["null", ` + rest + `}` }
	object := func(properties string) string {
		return `{"type": "object", "properties": {` + id + `, ` + properties + `}}`
	}
	require.Empty(t, Lint("s", "t", []byte(object(`"at": `+null(`"string"], "format": "date"`)+
		`, "o": `+null(`"object"], "properties": {"a": `+null(`"string"]`)+`}`)+`, "l": `+null(`"array"], "items": {"type": "string"}`))), []string{"id"}, "at"))
	for want, body := range map[string]string{
		"s/t: not a JSON object":                    `[`,
		"s/t: a: not a JSON object":                 ``,
		"the type is not object":                    `{"type": ["null", "object"], "properties": {` + id + `}}`,
		"an object without properties":              `{"type": "object"}`,
		"the keyword $schema":                       `{"$schema": "x", "type": "object", "properties": {` + id + `}}`,
		"a: the keyword multipleOf":                 object(`"a": ` + null(`"number"], "multipleOf": 1`)),
		"a: the type is not one of":                 object(`"a": {}`),
		"b: the type is not one of":                 object(`"b": ` + null(`"string", "integer"]`)),
		"a: properties or items do not go":          object(`"a": ` + null(`"string"], "properties": {"b": `+null(`"string"]`)+`}`)),
		"a: an array without items":                 object(`"a": ` + null(`"array"]`)),
		"a: the format is not date or date-time":    object(`"a": ` + null(`"string"], "format": "uuid"`)),
		"b: the format is not date or date-time":    object(`"b": ` + null(`"integer"], "format": "date"`)),
		"a: the format is not text":                 object(`"a": ` + null(`"string"], "format": 1`)),
		"a.b: a format inside":                      object(`"a": ` + null(`"object"], "properties": {"b": `+null(`"string"], "format": "date"`)+`}`)),
		"a[].b: not nullable":                       object(`"a": ` + null(`"array"], "items": {"type": "object", "properties": {"b": {"type": "string"}}}`)),
		"a%: the name has other":                    object(`"a%": ` + null(`"string"]`)),
		"9a: the name has other":                    object(`"9a": ` + null(`"string"]`)),
		"longer than 63":                            object(`"` + strings.Repeat("a", 64) + `": ` + null(`"string"]`)),
		"fooBar and foo_bar are the same":           object(`"fooBar": ` + null(`"string"]`) + `, "foo_bar": ` + null(`"string"]`)),
		"FooBAR and foobar are the same":            object(`"FooBAR": ` + null(`"string"]`) + `, "foobar": ` + null(`"string"]`)),
		"a and a are the same":                      object(`"a": ` + null(`"string"]`) + `, "a": ` + null(`"string"]`)),
		"a: not nullable":                           object(`"a": {"type": "string"}`),
		"id: a key is not nullable":                 `{"type": "object", "properties": {"id": ` + null(`"integer"]`) + `}}`,
		"id: the key is not a property":             `{"type": "object", "properties": {"a": ` + null(`"integer"]`) + `}}`,
		"id: the key is not scalar":                 `{"type": "object", "properties": {"id": {"type": "array", "items": {"type": "string"}}}}`,
		"_rescued_data: the tap or the target":      object(`"_rescued_data": ` + null(`"string"]`)),
		"_sdc_x: the tap or the target":             object(`"_sdc_x": ` + null(`"string"]`)),
		"at: the cursor is not a property":          object(`"a": ` + null(`"string"]`)),
		"at: the cursor is not a date-time, a date": object(`"at": ` + null(`"string"]`)),
	} {
		if body == "" {
			body = object(`"a": 1`)
		}
		require.Contains(t, strings.Join(Lint("s", "t", []byte(body), []string{"id"}, "at"), "\n"), want)
	}
	require.Contains(t, strings.Join(Lint("s", "T-x", []byte(object(`"a": `+null(`"string"]`))), nil, ""), "\n"), "stream name")
	require.Contains(t, strings.Join(Lint("s", "t", []byte(object(`"a": `+null(`"string"]`))), nil, ""), "\n"), "no key")
}

func TestValidate(t *testing.T) {
	v, err := Compile([]byte(`{"type": "object", "properties": {"id": {"type": "integer"}, "n": {"type": ["null", "number"]}, "at": {"type": ["null", "string"], "format": "date-time"}, "d": {"type": "string", "format": "date"}}}`))
	require.NoError(t, err)
	for record, want := range map[string]string{
		`{"id": 9223372036854775807, "n": 12345678901234567890.123456789, "at": "2024-01-01T00:00:00.123456Z", "d": "2024-02-29"}`: "",
		`{"id": 1, "at": null}`: "",
		`{"id": null}`:          "/id: expected integer, but got null",
		`{"id": 1.5}`:           "/id: expected integer",
		`{"at": "2024-01-01"}`:  "/at: ",
		`{"d": "2023-02-29"}`:   "/d: ",
		`{"id": "a", "n": "b"}`: "\n",
		`[]`:                    "/: expected object",
		`{"id": 1} {}`:          "more than one value",
		`{`:                     "read record",
		`{"d": "` + strings.Repeat("x", 999) + `"}`: "…",
	} {
		err := v.Validate([]byte(record))
		if want == "" {
			require.NoError(t, err, record)
			continue
		}
		require.ErrorContains(t, err, want, record)
	}
	for _, bad := range []string{`{"type": 1}`, `{`, `{"$ref": "http://example.com/x.json"}`, `{"$ref": "file:///etc/passwd"}`} {
		_, err := Compile([]byte(bad))
		require.Error(t, err, bad)
	}
}
