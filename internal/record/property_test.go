package record_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// Names that are short and long, equal in their first and last bytes, and not
// all made for JSON.
var nameGen = rapid.SampledFrom([]string{
	"a", "b", "id", "name", "modified", "number_field1", "number_field2", "default_credit_memo_template",
	"default_debit__memo_template", "aud", "aud_x", "aud_y", "aud_", "", "exactly8", "exactly_sixteen_", "é", `q"uote`, `back\slash`, "with space",
	"1234", "12345", "sub_item", "_deleted", "line\nbreak", "Ümlaut", "_rescued_data",
})

var valueGen = rapid.SampledFrom([]string{
	`null`, `null`, `true`, `false`, `0`, `-0`, `1`, `41207`, `-12`, `12.50`, `3.0`, `3.5`, `-0.0`, `1E3`, `1.50e1`, `1.5e-7`, `100e-2`, `123e-2`, `0.001E2`, `0e5`, `1e308`, `1e309`, `1e-309`, `-1e-308`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `922337203685477580.7e1`, `123456789012345678901234567890.10`, `1e18`, `1e19`, `1000000000000000000`,
	`""`, `" "`, `"12.50"`, `"1,234.50"`, `" 1"`, `"+1"`, `".5"`, `"007"`, `"1E3"`, `"41207"`, `"3.0"`, `"-0"`, `"\u0031"`, `"-"`, `"true"`, `"null"`,
	`"2026-10-19T08:41:07.553201Z"`, `"2026-10-19T08:41:07Z"`, `"2026-10-19t08:41:07z"`, `"2026-10-19 08:41:07,5532019+02:00"`, `"2026-10-19T08:41"`, `"2026-10-25T02:30:00"`, `"2026-03-29T02:30:00.1"`,
	`"2026-10-19"`, `"2026-02-30"`, `"2024-02-29"`, `"2023-02-29"`, `"0000-00-00"`, `"0000-00-00 00:00:00"`, `"0001-01-01T00:00:00"`, `"0001-01-01T00:00:00+01:00"`, `"9998-12-31T23:59:59.9999999Z"`, `"9998-12-31T23:59:59-0100"`,
	`"9999-12-31"`, `"2026-10-19T24:00:00Z"`, `"2026-10-19T23:59:60Z"`, `"2026-10-19T00:00:00.000"`, `"2026-10-19T00:00:00Z"`, `"2026-10-19T00:00:00+00:00"`, `"2026-10-19T08:41:07.Z"`, `"2026-10-19T08:41:07-05"`, `"2026-1\u0030-19T08:41:07Z"`,
	`"plain"`, `"  padded "`, `"\u0020x"`, `"line\nbreak \"quoted\" \\ \/ tab\t"`, `"grüße € 😀"`, `"\ud83d\ude00"`, `"\ud83d"`, `"a\u0000b"`, `"\uDE00\ud83d"`, `"twelve bytes and more than thirty-two of them, in fact"`,
	`{}`, `[]`, `{"a":1,"b":"x"}`, `{ "a" : null , "id":[1, 2] }`, `{"a":1.5}`, `{"a":"\u0000","\ud800":1}`, `{"b":"x","a":2,"zzz":{"deep":[]}}`, `{"\u0061":"x"}`, `{"a":1,"a":"x"}`,
	`[1,2,3]`, `[1,null]`, `["x","\u0000"]`, `[{"a":1},{"a":"no"}]`, `[[1],[]]`, `[9223372036854775808]`, `{"modified":"2026-10-19"}`, `{"modified":"2026-10-19T08:41:07+02:00","id":1e3}`,
})

func schemaGen(t *rapid.T, depth int, null bool) *singer.Schema {
	types := []string{"string", "string", "date-time", "date", "number", "integer", "boolean"}
	if depth > 0 {
		types = append(types, "object", "array")
	}
	s := &singer.Schema{Type: rapid.SampledFrom(types).Draw(t, "type"), Nullable: null}
	if strings.HasPrefix(s.Type, "date") {
		s.Type, s.Format = "string", s.Type
	}
	switch s.Type {
	case "object":
		for _, name := range rapid.SliceOfNDistinct(nameGen, 0, 4, rapid.ID).Draw(t, "inner") {
			s.Properties = append(s.Properties, singer.Property{Name: name, Schema: schemaGen(t, depth-1, rapid.Bool().Draw(t, "null"))})
		}
	case "array":
		if rapid.Bool().Draw(t, "items") {
			s.Items = schemaGen(t, depth-1, rapid.Bool().Draw(t, "null"))
		}
	}
	return s
}

func optionsGen(t *rapid.T) record.Options {
	o := record.Options{Stream: "things", Schema: &singer.Schema{Type: "object"}}
	for _, name := range rapid.SliceOfNDistinct(nameGen, 1, 8, rapid.ID).Draw(t, "properties") {
		if name != record.RescuedData {
			o.Schema.Properties = append(o.Schema.Properties, singer.Property{Name: name, Schema: schemaGen(t, 2, true)})
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "deselect") == 0 {
		out := rapid.SliceOfN(nameGen, 0, 4).Draw(t, "deselected")
		o.Selected = func(name string) bool { return !slices.Contains(out, name) || name == record.RescuedData }
	}
	at := rapid.IntRange(0, len(o.Schema.Properties)).Draw(t, "rescued at")
	o.Schema.Properties = append(o.Schema.Properties[:at:at], append([]singer.Property{rescued()}, o.Schema.Properties[at:]...)...)
	if p := o.Schema.Properties[0]; rapid.Bool().Draw(t, "keyed") && p.Name != record.RescuedData && p.Schema.Type != "object" && p.Schema.Type != "array" {
		o.Key = []string{p.Name}
	}
	if rapid.Bool().Draw(t, "lift") {
		o.Lift = []string{"aud"}
	}
	o.Ignore = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"zzz", "aud_y", "é"}), 0, 2, rapid.ID).Draw(t, "ignore")
	o.Ignore = without(o.Ignore, o.Schema) // what becomes of a property that is ignored has its own test
	o.Trim = rapid.SliceOfN(nameGen, 0, 3).Draw(t, "trim")
	if rapid.Bool().Draw(t, "zone") {
		o.Zone = amsterdam
	}
	return o
}

func without(names []string, s *singer.Schema) (out []string) {
	for _, name := range names {
		if s.Property(name) == nil {
			out = append(out, name)
		}
	}
	return out
}

var amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err)
	}
	return l
}()

// spell writes a name as a JSON string, some characters escaped for no reason.
func spell(t *rapid.T, name string) string {
	if rapid.IntRange(0, 5).Draw(t, "plain") > 0 {
		return quote(name)
	}
	var sb strings.Builder
	for _, r := range name {
		if r < 0x10000 && rapid.Bool().Draw(t, "escaped") {
			fmt.Fprintf(&sb, `\u%04x`, r)
		} else {
			q := quote(string(r))
			sb.WriteString(q[1 : len(q)-1])
		}
	}
	return `"` + sb.String() + `"`
}

func quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
	return `"` + s + `"`
}

// objectGen draws an object of members whose names and values mostly come from
// the schema.
func objectGen(t *rapid.T, names []string, depth int, distinct bool) string {
	ws := rapid.SampledFrom([]string{"", "", "", "", " ", "\n  "})
	id := func(s string) string { return s }
	n := rapid.IntRange(0, 10)
	list := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(names), nameGen, rapid.Just("unknown")), 0, n.Draw(t, "n")).Draw(t, "names")
	if distinct {
		list = rapid.SliceOfNDistinct(rapid.OneOf(rapid.SampledFrom(names), nameGen, rapid.SampledFrom([]string{"u1", "u2", "zzz"})), 0, 12, id).Draw(t, "names")
	}
	var sb strings.Builder
	sb.WriteString("{" + ws.Draw(t, "ws"))
	for i, name := range list {
		if i > 0 {
			sb.WriteString("," + ws.Draw(t, "ws"))
		}
		v := valueGen.Draw(t, "value")
		if depth > 0 && (name == "aud" || rapid.IntRange(0, 9).Draw(t, "object") == 0) {
			v = objectGen(t, []string{"x", "y", "a", "id"}, depth-1, distinct)
		}
		sb.WriteString(spell(t, name) + ws.Draw(t, "ws") + ":" + ws.Draw(t, "ws") + v + ws.Draw(t, "ws"))
	}
	sb.WriteString("}")
	return sb.String()
}

// TestProperty: whatever the schema and the rows, each line is valid, holds the
// selected properties in order, and every source value can be found in it.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSubject(t, optionsGen(t))
		var names []string
		for _, p := range s.Schema.Properties {
			names = append(names, p.Name)
		}
		c := s.plan.NewConverter()
		c.SetTime(extracted)
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			row := []byte(objectGen(t, names, 2, rapid.IntRange(0, 5).Draw(t, "distinct") > 0))
			s.check(t, c, row)

			// What a converter has learned must not show.
			fresh := s.plan.NewConverter()
			fresh.SetTime(extracted)
			a, _, aErr := c.Append(nil, row, 0)
			b, _, bErr := fresh.Append(nil, row, 0)
			require.Equal(t, string(b), string(a))
			require.Equal(t, bErr, aErr)
			require.Equal(t, fresh.Rescued(), c.Rescued())
			require.Equal(t, fresh.KeyHash(), c.KeyHash())
		}
	})
}

// TestBrokenRows changes one byte: an error or a good line, never a panic.
func TestBrokenRows(t *testing.T) {
	s := newSubject(t, richOptions())
	c := s.plan.NewConverter()
	rapid.Check(t, func(t *rapid.T) {
		row := []byte(objectGen(t, []string{"id", "n", "i", "t", "d", "s", "o", "l"}, 2, true))
		row[rapid.IntRange(0, len(row)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		s.check(t, c, row)
	})
}

// richOptions have a property of every form, and every option that does not
// need a conversion of its own.
func richOptions() record.Options {
	address := nullable("object")
	address.Properties = []singer.Property{
		{Name: "street", Schema: nullable("string")},
		{Name: "no", Schema: nullable("integer")},
		{Name: "lat", Schema: nullable("number")},
		{Name: "main", Schema: &singer.Schema{Type: "boolean"}},
		{Name: "since", Schema: formatted("date")},
		{Name: "seen", Schema: formatted("date-time")},
		{Name: "tags", Schema: &singer.Schema{Type: "array", Items: &singer.Schema{Type: "string"}}},
	}
	list := nullable("array")
	list.Items = address
	s := &singer.Schema{Type: "object", Properties: []singer.Property{
		{Name: "id", Schema: &singer.Schema{Type: "integer"}},
		{Name: "n", Schema: nullable("number")},
		{Name: "i", Schema: nullable("integer")},
		{Name: "y", Schema: nullable("boolean")},
		{Name: "t", Schema: formatted("date-time")},
		{Name: "d", Schema: formatted("date")},
		{Name: "s", Schema: nullable("string")},
		{Name: "trimmed", Schema: nullable("string")},
		{Name: "o", Schema: address},
		{Name: "l", Schema: list},
		{Name: "any", Schema: nullable("object")},
		{Name: "aud_at", Schema: formatted("date-time")},
		{Name: "aud_by", Schema: nullable("integer")},
		{Name: "off", Schema: nullable("string")},
		rescued(),
	}}
	return record.Options{
		Stream: "rich", Schema: s, Key: []string{"id"}, Cursor: "t", Lift: []string{"aud"}, Ignore: []string{"__metadata"}, Trim: []string{"trimmed"},
		Selected: func(name string) bool { return name != "off" }, Zone: amsterdam, Capture: []string{"s", "unknown", "off"},
	}
}

// FuzzAppend holds arbitrary rows against the oracle.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"n":"12.50","i":3.0,"y":true,"t":"2026-10-19T08:41:07.553201Z","d":"2026-10-19","s":"x","trimmed":" x ","o":{"street":"Kade","no":12,"lat":1e3,"main":true,"since":"2026-01-01","seen":"2026-10-19T08:41:07+02:00","tags":["a"]},"l":[{"no":1}],"any":{"x":[]},"aud":{"at":"2026-10-19 08:41","by":7},"off":1}`,
		`{"i\u0064":"7","n":1.5e-7,"i":"41207","unknown":"\u0000","__metadata":{},"aud":null,"t":"","d":"0000-00-00"}`,
		`{ "id" : 1 , "o" : {"no":1.5} , "o\u0000":"\ud800", "l":[null] }`,
		`{"id":1,"id":2}`, `{"id":null}`, `{}`, `{"id":1`, "{\"id\":1,\"s\":\"\xff\"}", `{"id":1,"":0,"aud":{"":1,"at":"2026-10-25T02:30:00"}}`,
	} {
		f.Add([]byte(seed))
	}
	s := newSubject(f, richOptions())
	c := s.plan.NewConverter()
	f.Fuzz(func(t *testing.T, row []byte) { s.check(t, c, row) })
}
