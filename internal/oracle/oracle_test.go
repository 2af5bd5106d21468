package oracle

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestOracle holds the oracle against the examples of contract.md §4: an oracle
// that says yes to everything proves nothing.
func TestOracle(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	o := &Oracle{Stream: &stream.Stream{Trim: []string{"trimmed"}, Lift: []string{"audit"}, Ignore: []string{"EXT"}}, Zone: berlin}
	for _, tc := range []struct{ typ, format, raw, want, rescued string }{
		{"string", "", `"a\u0000b"`, `"a` + "\uFFFD" + `b"`, ""},
		{"string", "", `1.50`, `"1.50"`, ""},
		{"string", "", `true`, `"true"`, ""},
		{"string", "", `{"a": 1}`, `"{\"a\":1}"`, ""},
		{"string", "", `""`, `""`, ""},
		{"string", "", `"[{\"is\": \"text\"}]"`, `"[{\"is\": \"text\"}]"`, ""},
		{"number", "", `1.50E1`, `15.0`, ""},
		{"number", "", `12345678901234567890.10`, `12345678901234567890.10`, ""},
		{"number", "", `"123.4500"`, `123.4500`, ""},
		{"number", "", `"1,234.50"`, `null`, `"1,234.50"`},
		{"number", "", `""`, `null`, ""},
		{"number", "", `true`, `null`, `true`},
		{"integer", "", `3.0`, `3`, ""},
		{"integer", "", `"3"`, `3`, ""},
		{"integer", "", `3.5`, `null`, `3.5`},
		{"integer", "", `9223372036854775808`, `null`, `9223372036854775808`},
		{"boolean", "", `""`, `null`, ""},
		{"boolean", "", `"yes"`, `null`, `"yes"`},
		{"boolean", "", `1`, `null`, `1`},
		{"string", "date-time", `"2026-07-01T10:00:00"`, `2026-07-01T08:00:00.000000Z`, ""},
		{"string", "date-time", `"2026-07-01T10:00:00.1234567-05:00"`, `2026-07-01T15:00:00.123456Z`, ""},
		{"string", "date-time", `"2025-10-26T02:30:00"`, `2025-10-26T00:30:00.000000Z`, ""}, // the first of two
		{"string", "date-time", `"2025-10-26T03:00:00"`, `2025-10-26T02:00:00.000000Z`, ""},
		{"string", "date-time", `"2025-10-26T01:59:59"`, `2025-10-25T23:59:59.000000Z`, ""},
		{"string", "date-time", `"0000-00-00"`, `null`, ""},
		{"string", "date-time", `"2026-02-30T00:00:00Z"`, `null`, `"2026-02-30T00:00:00Z"`},
		{"string", "date-time", `"9999-12-31T00:00:00Z"`, `null`, `"9999-12-31T00:00:00Z"`},
		{"string", "date", `"2026-07-01"`, `"2026-07-01"`, ""},
		{"string", "date", `"2026-07-01T00:00:00"`, `"2026-07-01"`, ""},
		{"string", "date", `""`, `null`, ""},
		{"string", "date", `20260701`, `null`, `20260701`},
	} {
		p := &singer.Schema{Type: tc.typ, Format: tc.format, Nullable: true}
		o.Full = &singer.Schema{Type: "object", Properties: []singer.Property{{Name: "p", Schema: p}, {Name: Rescued, Schema: &singer.Schema{Type: "string", Nullable: true}}}}
		o.Schema, o.known = o.Full, nil
		want, err := o.Expect([]byte(`{"p":` + tc.raw + `}`))
		require.NoError(t, err)
		require.Equal(t, tc.want, want.Values["p"], "%s %s %s", tc.typ, tc.format, tc.raw)
		require.Equal(t, tc.rescued, want.Rescued["p"], "%s %s %s", tc.typ, tc.format, tc.raw)
	}

	list := &singer.Schema{Type: "array", Nullable: true, Items: &singer.Schema{Type: "object", Nullable: true, Properties: []singer.Property{{Name: "n", Schema: &singer.Schema{Type: "integer", Nullable: true}}}}}
	o.Full.Properties = append([]singer.Property{{Name: "list", Schema: list}, {Name: "trimmed", Schema: &singer.Schema{Type: "string", Nullable: true}}, {Name: "audit_by", Schema: &singer.Schema{Type: "string", Nullable: true}}}, o.Full.Properties...)
	o.known = nil
	want, err := o.Expect([]byte(`{"list": [ {"n":1, "x": 2}, null ], "trimmed":" a ","audit":{"by":"me","at":"now"},"EXT":1,"c_new":{"a" :null}}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"list": `[{"n":1,"x":2},null]`, "trimmed": `"a"`, "audit_by": `"me"`, "p": "null"}, want.Values)
	require.Equal(t, map[string]string{"audit_at": `"now"`, "c_new": `{"a":null}`}, want.Rescued)
	want, err = o.Expect([]byte(`{"list": [{"n":"1"}], "audit":7}`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"list": `[{"n":"1"}]`, "audit": "7"}, want.Rescued)

	good := map[string]json.RawMessage{"list": []byte("null"), "trimmed": []byte("null"), "audit_by": []byte("null"), "p": []byte("null"), Rescued: []byte(`"{\"list\":[{\"n\":\"1\"}],\"audit\":7}"`)}
	require.NoError(t, o.Compare(want, good))
	for name, lit := range map[string]string{"list": `[]`, "trimmed": `"x"`, "p": ``, Rescued: `null`} {
		bad := maps.Clone(good)
		bad[name] = []byte(lit)
		require.Error(t, o.Compare(want, bad), name)
	}
	// Where members come in any order, nothing but their order may differ.
	want, err = o.Expect([]byte(`{"p":{"a":1,"b":[{"c":"x y","d":2}]}}`))
	require.NoError(t, err)
	o.Full.Property("p").Type, o.Full.Property("p").Format = "string", ""
	want.Values["p"] = Quote(`{"a":1,"b":[{"c":"x y","d":2}]}`)
	want.Rescued = nil
	good[Rescued] = []byte("null")
	o.Shuffled = true
	for lit, fine := range map[string]bool{
		`{"a":1,"b":[{"c":"x y","d":2}]}`:  true,
		`{"b":[{"d":2,"c":"x y"}],"a":1}`:  true,
		`{"a":1,"b":[{"c":"x  y","d":2}]}`: false,
		`{"a":2,"b":[{"c":"x y","d":1}]}`:  false,
		`{"a":1, "b":[{"c":"xy","d":2}]}`:  false,
	} {
		text, err := json.Marshal(lit)
		require.NoError(t, err)
		good["p"] = text
		require.Equal(t, fine, o.Compare(want, good) == nil, lit)
	}
	o.Shuffled = false
	good["p"] = []byte(`"{\"b\":[{\"d\":2,\"c\":\"x y\"}],\"a\":1}"`)
	require.Error(t, o.Compare(want, good))
}
