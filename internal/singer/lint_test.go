package singer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"
)

const (
	firstState = `{"type":"STATE","value":{"bookmarks":{},"currently_syncing":null}}`
	modified   = `{"type":["null","string"],"format":"date-time"}`
)

// schemaLine announces a stream with key id and one property p.
func schemaLine(stream, p string) string {
	return `{"type":"SCHEMA","stream":"` + stream + `","schema":{"type":"object","properties":{"id":{"type":"integer"},"p":` + p + `}},"key_properties":["id"]}`
}

// tracked is schemaLine with p as replication key.
func tracked(stream, p string) string {
	return strings.TrimSuffix(schemaLine(stream, p), "}") + `,"bookmark_properties":["p"]}`
}

// recordLine is a record of schemaLine's.
func recordLine(stream, id, p string) string {
	return `{"type":"RECORD","stream":"` + stream + `","record":{"id":` + id + `,"p":` + p + `}}`
}

func stateLine(bookmarks string) string {
	return `{"type":"STATE","value":{"bookmarks":` + bookmarks + `,"currently_syncing":null}}`
}

// typed is a whole stream with one record whose p has the given schema and value.
func typed(schema, value string) string {
	return lines(firstState, schemaLine("s", schema), recordLine("s", "1", value), firstState)
}

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func lint(t testing.TB, in string) *Report {
	t.Helper()
	r, err := Lint(strings.NewReader(in))
	require.NoError(t, err)
	return r
}

// a, b are records of two streams; m(t) is a bookmark of stream s.
func m(t string) string { return stateLine(`{"s":{"p":"` + t + `"}}`) }

func rec(t string) string { return recordLine("s", "1", `"`+t+`"`) }

const (
	t1 = "2026-01-01T00:00:00Z"
	t2 = "2026-01-02T00:00:00Z"
	t3 = "2026-01-03T00:00:00.5Z"
)

func TestLintRules(t *testing.T) {
	announced := schemaLine("s", `{"type":["null","string"]}`)
	one := recordLine("s", "1", `"x"`)
	props := func(list string) string {
		return `{"type":"SCHEMA","stream":"s","schema":{"type":"object","properties":{"id":{"type":"integer"},` + list + `}},"key_properties":["id"]}`
	}
	str := `{"type":["null","string"]}`
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		rule int
		text string // "" for a stream without findings
		in   string
	}{
		{1, "", lines(firstState, announced, one, one, firstState)},
		{1, "RECORD before the SCHEMA", lines(firstState, one, announced, one, firstState)},
		{1, "RECORD before the SCHEMA", lines(firstState, one, firstState)},
		{1, "a second SCHEMA", lines(firstState, announced, one, announced, one, firstState)},

		{2, "", typed(str, `null`)},
		{2, "key_properties is not a list", lines(firstState, strings.Replace(announced, `["id"]`, `[]`, 1), firstState)},
		{2, "key_properties is not a list", lines(firstState, strings.Replace(announced, `,"key_properties":["id"]`, ``, 1), firstState)},
		{2, "key_properties is not a list", lines(firstState, strings.Replace(announced, `["id"]`, `[1]`, 1), firstState)},
		{2, `"no": is not in the schema`, lines(firstState, strings.Replace(announced, `["id"]`, `["id","no"]`, 1), firstState)},
		{2, `"id": is not in the schema, or named twice`, lines(firstState, strings.Replace(announced, `["id"]`, `["id","id"]`, 1), firstState)},
		{2, `"p": is not a scalar`, lines(firstState, strings.Replace(schemaLine("s", `{"type":"array","items":{"type":"string"}}`), `["id"]`, `["p"]`, 1), firstState)},
		{2, `"p": is declared nullable`, lines(firstState, strings.Replace(announced, `["id"]`, `["p"]`, 1), firstState)},
		{2, "the key is null", lines(firstState, announced, recordLine("s", "null", `"x"`), firstState)},
		{2, `key property "id" is absent`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"p":"x"}}`, firstState)},

		{3, "", typed(`{"type":["null","object"],"properties":{"a":`+str+`}}`, `null`)},
		{3, `keyword "$schema"`, lines(firstState, strings.Replace(announced, `"schema":{`, `"schema":{"$schema":"x",`, 1), firstState)},
		{3, `keyword "additionalProperties"`, lines(firstState, strings.Replace(announced, `"schema":{`, `"schema":{"additionalProperties":false,`, 1), firstState)},
		{3, `"p": keyword "multipleOf"`, typed(`{"type":"number","multipleOf":1}`, `1`)},
		{3, `"p.a": keyword "enum"`, typed(`{"type":["null","object"],"properties":{"a":{"type":"string","enum":["x"]}}}`, `null`)},
		{3, `type is not "object"`, lines(firstState, strings.Replace(announced, `"type":"object"`, `"type":["null","object"]`, 1), firstState)},
		{3, "has no properties", lines(firstState, `{"type":"SCHEMA","stream":"s","schema":{"type":"object","properties":{}},"key_properties":["id"]}`, firstState)},

		{4, "", typed(`{"type":["null","boolean"]}`, `true`)},
		{4, "has no type", typed(`{}`, `1`)},
		{4, "its schema is a boolean", typed(`true`, `1`)},
		{4, `keyword "anyOf"`, typed(`{"anyOf":[{"type":"string"}]}`, `"x"`)},
		{4, "has not exactly one type besides null", typed(`{"type":["null","string","integer"]}`, `1`)},
		{4, "has not exactly one type besides null", typed(`{"type":["null"]}`, `null`)},
		{4, `"datetime" is no type`, typed(`{"type":"datetime"}`, `1`)},
		{4, `written ["null", T]`, typed(`{"type":["string","null"]}`, `"x"`)},
		{4, "is not of its declared type", typed(`{"type":"number"}`, `"1.5"`)},
		{4, "is not of its declared type", typed(`{"type":"boolean"}`, `"true"`)},
		{4, "is not of its declared type", typed(`{"type":"string"}`, `1`)},
		{4, "is not of its declared type", typed(`{"type":"string"}`, `{"a":1}`)},
		{4, "is not of its declared type", typed(`{"type":"integer"}`, `true`)},
		{4, "is null, but not declared so", typed(`{"type":"string"}`, `null`)},
		{4, "a record is not an object", lines(firstState, announced, `{"type":"RECORD","stream":"s","record":[1]}`, firstState)},
		{4, `"p.a": is not of its declared type`, typed(`{"type":"object","properties":{"a":`+str+`}}`, `{"b":1,"a":1}`)},
		{4, `"p[]": is not of its declared type`, typed(`{"type":"array","items":`+str+`}`, `["x",1]`)},
		{4, `"p[].a": is null`, typed(`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}}`, `[{"a":null}]`)},

		{5, "", typed(`{"type":["null","array"],"items":{"type":"object","properties":{"a":`+str+`}}}`, `[{"a":"x","b":[{}]}]`)},
		{5, "an object without properties", typed(`{"type":["null","object"]}`, `{"a":1}`)},
		{5, "an object without properties", typed(`{"type":["null","object"],"properties":{}}`, `{}`)},
		{5, "an array without items", typed(`{"type":["null","array"]}`, `[1,{"a":2}]`)},
		{5, "properties and items belong to", typed(`{"type":"string","items":{"type":"string"}}`, `"x"`)},

		{6, "", typed(`{"type":"integer"}`, `9223372036854775807`)},
		{6, "", typed(`{"type":"integer"}`, `-9223372036854775808`)},
		{6, "", typed(`{"type":"number"}`, `12345678901234567890.123456789`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `9223372036854775808`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `-9223372036854775809`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `99999999999999999999999`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `-3.5`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `3.0`)},
		{6, "not an integer of 64 bits", typed(`{"type":"integer"}`, `1E3`)},
		{6, "a number with an exponent", typed(`{"type":"number"}`, `1e3`)},
		{6, `warning: line 3: s: property "p[]": a number with an exponent`, typed(`{"type":"array","items":{"type":"number"}}`, `[1e3]`)},
		{6, `warning: line 3: s: property "p[]": not an integer`, typed(`{"type":"array","items":{"type":"integer"}}`, `[1.0]`)},
		{6, `warning: line 3: s: property "p[]": not an integer`, typed(`{"type":"array","items":{"type":"integer"}}`, `[1e3]`)},
		{6, `error: line 3: s: property "p[]": not an integer`, typed(`{"type":"array","items":{"type":"integer"}}`, `[1e-3]`)},
		{6, "NaN is no JSON", typed(`{"type":"number"}`, `NaN`)},
		{6, "Infinity is no JSON", typed(`{"type":"number"}`, `-Infinity`)},

		{7, "", typed(modified, `"2026-02-28T23:59:59.123456Z"`)},
		{7, "", typed(modified, `"2024-02-29T00:00:00\u005a"`)},
		{7, "", strings.Replace(typed(modified, `null`), `"record":{`, `"time_extracted":"2026-01-01T00:00:00.000000Z","record":{`, 1)},
		{7, "time_extracted", strings.Replace(typed(modified, `null`), `"record":{`, `"time_extracted":"2026-01-01T00:00:00","record":{`, 1)},
		{7, "time_extracted is not a string", strings.Replace(typed(modified, `null`), `"record":{`, `"time_extracted":1,"record":{`, 1)},

		{8, "", typed(`{"type":"string","format":"date"}`, `"2024-02-29"`)},
		{8, "format \"time\"", typed(`{"type":"string","format":"time"}`, `"x"`)},
		{8, "format \"uuid\"", typed(`{"type":"string","format":"uuid"}`, `"x"`)},
		{8, "format \"date\"", typed(`{"type":"integer","format":"date"}`, `1`)},

		{9, "", typed(str, `"\\u0000 \ud83d\ude00 é 😀 \u00e9"`)},
		{9, "U+0000 in property p", typed(str, `"a\u0000"`)},
		{9, "a lone surrogate in property p", typed(str, `"\ud83d"`)},
		{9, "a lone surrogate in property p", typed(str, `"\ude00"`)},
		{9, "a lone surrogate in property p", typed(str, `"\ud83d\u0041"`)},
		{9, "invalid UTF-8 in property p", typed(str, "\"\xff\"")},
		{9, "invalid UTF-8 in property p", typed(str, "\"\xed\xa0\x80\"")},
		{9, "U+0000 in message", lines(firstState, `{"type":"RECORD","record":{"id":1,"p":"\u0000"},"stream":"s"}`, announced, firstState)},
		{9, "U+0000 in property p", typed(`{"type":"array","items":`+str+`}`, `["\u0000"]`)},

		{10, "", lines(firstState, announced, `{"record":{"id":1,"p":"x"},"stream":"s","type":"RECORD"}`, firstState)},
		{10, "order of the schema", lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"p":"x","id":1}}`, firstState)},
		{10, `property "p" is absent`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"id":1}}`, firstState)},
		{10, `property "p" is absent`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{}}`, firstState)},
		{10, `member "id" is there twice`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"id":1,"p":"x","id":1}}`, firstState)},
		{10, `member "p" is there twice`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"id":1,"p":"x","\u0070":1}}`, firstState)},
		{10, `member "a" is there twice`, typed(`{"type":"array","items":{"type":"object","properties":{"a":`+str+`}}}`, `[{"a":"x","a":"y"}]`)},
		{10, `member "b" is there twice`, typed(`{"type":"object","properties":{"a":`+str+`}}`, `{"x":{"b":1,"b":2}}`)},
		{10, `message key "stream" is there twice`, lines(firstState, announced, strings.Replace(one, `"stream":"s"`, `"stream":"s","stream":"s"`, 1), firstState)},
		{10, `message key "type" is there twice`, lines(firstState, announced, strings.Replace(one, `"stream":"s"`, `"type":"RECORD","stream":"s"`, 1), firstState)},
		{10, `message key "schema" is there twice`, lines(firstState, strings.Replace(announced, `"schema":`, `"schema":{},"schema":`, 1), firstState)},

		{11, "", typed(`{"type":["null","object"],"properties":{"a":`+str+`}}`, `{"unknown":1}`)},
		{11, `member "x" is not in the schema`, lines(firstState, announced, `{"type":"RECORD","stream":"s","record":{"id":1,"x":[1],"p":"x"}}`, firstState)},
		{11, `_sdc_ names belong to targets`, lines(firstState, props(`"_sdc_batched_at":`+str), firstState)},
		{11, `bookmark property "no"`, lines(firstState, strings.Replace(tracked("s", str), `["p"]`, `["no"]`, 1), firstState)},
		{11, `bookmark_properties is not a list`, lines(firstState, strings.Replace(tracked("s", str), `["p"]`, `"p"`, 1), firstState)},

		{12, "", lines(firstState, schemaLine("a_stream", str), firstState)},
		{12, "", lines(firstState, props(`"`+long+`":`+str+`,"_x1":`+str+`,"CamelCase":`+str+`,"order":`+str), firstState)},
		{12, "stream names are", lines(firstState, schemaLine("my-stream", str), firstState)},
		{12, "stream names are", lines(firstState, schemaLine("_s", str), firstState)},
		{12, "stream names are", lines(firstState, schemaLine("S", str), firstState)},
		{12, "stream names are", lines(firstState, schemaLine("1s", str), firstState)},
		{12, "longer than 63", lines(firstState, schemaLine(long+"a", str), firstState)},
		{12, "a digit in a stream name", lines(firstState, schemaLine("deals_123456", str), firstState)},
		{12, "become the same column", lines(firstState, props(`"Name":`+str+`,"name":`+str), firstState)},
		{12, "become the same column", lines(firstState, props(`"AccountID":`+str+`,"account_id":`+str), firstState)},
		{12, "become the same column", lines(firstState, props(`"a-b":`+str+`,"a.b":`+str), firstState)},
		{12, "ASCII word characters", lines(firstState, props(`"größe":`+str), firstState)},
		{12, "ASCII word characters", lines(firstState, props(`"1st":`+str), firstState)},
		{12, "ASCII word characters", lines(firstState, props(`"":`+str), firstState)},
		{12, "consumers rename it", lines(firstState, props(`"$state":`+str), firstState)},
		{12, "longer than 63", lines(firstState, props(`"`+long+`a":`+str), firstState)},

		{13, "", lines(firstState)},
		{13, "", lines(firstState, firstState)},
		{13, "there is no message", ""},
		{13, "the first message is not STATE", lines(announced, one, firstState)},
		{13, "the last message is not STATE", lines(firstState, announced, one)},
		{13, "its bookmark is a boolean", lines(stateLine(`{"s":null}`), announced, stateLine(`{"s":true}`))},
		{13, "STATE without value", lines(firstState, `{"type":"STATE"}`)},
		{13, "is not an object", lines(firstState, `{"type":"STATE","value":[]}`)},
		{13, "bookmarks is missing", lines(`{"type":"STATE","value":{}}`)},
		{13, "bookmarks is a list", lines(firstState, stateLine(`[]`))},
		{13, "currently_syncing is a number", lines(`{"type":"STATE","value":{"bookmarks":{},"currently_syncing":1}}`)},
		{13, `currently_syncing is "s" at the end`, lines(firstState, `{"type":"STATE","value":{"bookmarks":{},"currently_syncing":"s"}}`)},
		{13, "outside of bookmarks", lines(`{"type":"STATE","value":{"bookmarks":{},"version":1}}`)},
		{13, "must be an object", lines(firstState, announced, stateLine(`{"s":"x"}`))},
		{13, `"partitions" is a list`, lines(firstState, announced, stateLine(`{"s":{"partitions":[]}}`))},
		{13, `partition 1: "_k" is a list`, lines(firstState, announced, stateLine(`{"s":{"partitions":{"1":{"_k":[]}}}}`))},
		{13, `"_k" is an object`, lines(firstState, announced, stateLine(`{"s":{"_k":{}}}`))},
		{13, `"_k" is an object`, lines(stateLine(`{"s":{"_k":{}}}`), announced, stateLine(`{"s":{"_k":{}}}`))},
		{13, "", lines(stateLine(`{"u":{"partitions":[1]},"v":"x"}`), announced, stateLine(`{"u":{"partitions":[1]},"v":"x"}`))},
		{13, "its state moves, but it has no SCHEMA", lines(firstState, stateLine(`{"u":{"k":1}}`))},
		{13, "its state moves, but it has no SCHEMA", lines(stateLine(`{"u":{"k":1}}`), stateLine(`{"u":{"k":2}}`))},
		{13, "has left the state", lines(stateLine(`{"u":{"k":1}}`), firstState)},
		{13, `not in the form of "p"`, lines(firstState, tracked("s", modified), rec(t2), m("2026-01-01"))},
		{13, `not in the form of "p"`, lines(firstState, tracked("s", `{"type":["null","integer"]}`), recordLine("s", "1", "5"), m("5"))},

		{14, "", lines(firstState, tracked("s", modified), rec(t1), rec(t2), m(t2), rec(t3), m(t3))},
		{14, "", lines(m(t2), tracked("s", modified), rec(t1), recordLine("s", "2", "null"), m(t2))},
		{14, "", lines(m("2026-01-02"), tracked("s", modified), rec(t1), m("2026-01-02"))},
		{14, "", lines(firstState, tracked("s", `{"type":["null","integer"]}`), recordLine("s", "1", "7"), stateLine(`{"s":{"p":7}}`))},
		{14, "", lines(firstState, tracked("s", modified), rec(t2), rec(t1), stateLine(`{"s":{"partitions":{"1":{"p":"`+t2+`"},"2":{"p":"`+t1+`"}}}}`))},
		{14, "", lines(firstState, tracked("s", str), recordLine("s", "1", `"b"`), m("c"))},
		{14, "", lines(m(t2), tracked("s", modified), rec(t3), stateLine(`{"s":{"p":null}}`))},
		{14, "", lines(stateLine(`{"s":{"p":"2026-01-02"}}`), tracked("s", modified), schemaLine("r", str), rec(t1), stateLine(`{"s":{"p":"2026-01-02"},"r":{"_a":1}}`))},
		{14, "", lines(stateLine(`{"s":{"p":"2026-01-02T00:00:00.0Z"}}`), tracked("s", modified), rec(t1), m(t2))},
		{14, "", lines(firstState, tracked("s", modified), rec(t2), stateLine(`{"s":null}`), m(t2))},
		{14, "lies beyond every record written", lines(firstState, tracked("s", modified), rec(t1), m(t2), rec(t2), m(t2))},
		{14, "lies beyond every record written", lines(firstState, tracked("s", modified), rec("2026-01-03T00:00:00.4Z"), m(t3))},
		{14, "partition 1 lies beyond every record", lines(firstState, tracked("s", modified), rec(t1), stateLine(`{"s":{"partitions":{"1":{"p":"`+t2+`"}}}}`))},
		{14, "moves, but no record had a value", lines(firstState, tracked("s", modified), recordLine("s", "1", "null"), m(t1))},
		{14, "moves, but no record had a value", lines(firstState, tracked("s", `{"type":["null","string"],"format":"date"}`), recordLine("s", "1", "null"), m("2026-01-01"))},
		{14, "goes back", lines(m(t3), tracked("s", modified), rec(t1), m(t1))},
		{14, "a record comes after a STATE whose bookmark lies beyond it", lines(firstState, tracked("s", modified), rec(t2), m(t2), rec(t1), m(t2))},
		{14, "between two records with the bookmark's value", lines(firstState, tracked("s", modified), rec(t2), m(t2), rec(t2), m(t2))},
		{14, "without bookmark_properties", lines(firstState, announced, one, m("x"))},

		{15, "", lines(firstState, announced, schemaLine("r", str), one, one, recordLine("r", "1", "null"), firstState)},
		{15, "comes back", lines(firstState, announced, schemaLine("r", str), one, recordLine("r", "1", "null"), one, firstState)},

		{16, "", lines(firstState, announced, strings.Replace(one, `"stream"`, `"\u0073tream"`, 1), firstState)},
		{16, `type "BATCH"`, lines(firstState, `{"type":"BATCH","stream":"s"}`, firstState)},
		{16, `type "ACTIVATE_VERSION"`, lines(firstState, `{"type":"ACTIVATE_VERSION","stream":"s","version":1}`, firstState)},
		{16, `type "record"`, lines(firstState, announced, strings.Replace(one, "RECORD", "record", 1), firstState)},
		{16, "without type", lines(firstState, `{"stream":"s"}`, firstState)},
		{16, "without type", lines(firstState, `{"type":1}`, firstState)},
		{16, `key "x" does not belong`, lines(firstState, announced, strings.Replace(one, `"record":`, `"x":{"y":1},"record":`, 1), firstState)},
		{16, `key "schema" does not belong into a RECORD`, lines(firstState, announced, strings.Replace(one, `"record":`, `"schema":{},"record":`, 1), firstState)},
		{16, `key "stream" does not belong into a STATE`, lines(strings.Replace(firstState, `"value"`, `"stream":"s","value"`, 1))},
		{16, `key "record" does not belong into a SCHEMA`, lines(firstState, strings.Replace(announced, `"schema":`, `"record":{},"schema":`, 1), firstState)},
		{16, "version is an extension", lines(firstState, announced, strings.Replace(one, `"record":`, `"version":1,"record":`, 1), firstState)},
		{16, "RECORD without stream", lines(firstState, `{"type":"RECORD","record":{}}`, firstState)},
		{16, "stream that is not a string", lines(firstState, `{"type":"RECORD","stream":1,"record":{}}`, firstState)},
		{16, "RECORD without record", lines(firstState, announced, `{"type":"RECORD","stream":"s"}`, firstState)},
		{16, "SCHEMA needs stream and schema", lines(firstState, `{"type":"SCHEMA","stream":"s"}`, firstState)},
		{16, "SCHEMA needs stream and schema", lines(firstState, strings.Replace(announced, `"s"`, `""`, 1), firstState)},
		{16, "is not one JSON object", lines(firstState, `INFO hello`, firstState)},
		{16, "is not one JSON object", lines(firstState, `[]`, firstState)},
		{16, "is not one JSON object", lines(firstState, firstState+firstState)},
		{16, "is not one JSON object: trouble at byte 9 near \"\"", firstState + "\n" + `{"type":`},
		{16, "nests deeper than 100 levels", lines(firstState, `{"type":"STATE","value":`+nest(200)+`}`, firstState)},

		{17, "", strings.ReplaceAll(lines(firstState, announced, one, firstState), "\n", "\r\n")},
		{17, "", strings.TrimSuffix(lines(firstState, announced, one, firstState), "\n")},
		{17, "is blank", lines(firstState, "", firstState)},
		{17, "is blank", lines(firstState, " \r", firstState)},
		{17, "", typed(str, `"`+strings.Repeat("x", longLine-200)+`"`)},
		{17, "is longer than 4 MB", typed(str, `"`+strings.Repeat("x", longLine)+`"`)},
		{17, "is longer than 16 MB and was not read", typed(str, `"`+strings.Repeat("x", maxLine)+`"`)},

		{18, "", typed(`{"type":["null","object"],"properties":{"at":`+str+`}}`, `null`)},
		{18, "", typed(`{"type":"object","properties":{"at":`+modified+`}}`, `{"at":null}`)},
		{18, `"p.at": a date-time inside`, typed(`{"type":["null","object"],"properties":{"at":`+modified+`}}`, `null`)},
		{18, `"p.a.at": a date-time inside`, typed(`{"type":["null","object"],"properties":{"a":{"type":"object","properties":{"at":`+modified+`}}}}`, `null`)},
	} {
		name := c.text
		if name == "" {
			name = "good"
		}
		t.Run(fmt.Sprintf("%d %s", c.rule, name), func(t *testing.T) {
			r := lint(t, c.in)
			if c.text == "" {
				require.Empty(t, r.Findings, "%s", r.AppendText(nil))
				require.True(t, r.OK())
				return
			}
			found := false
			for _, f := range r.Findings {
				found = found || f.Rule == c.rule && strings.Contains(f.String(), c.text)
			}
			require.True(t, found, "%s", r.AppendText(nil))
			require.Equal(t, r.Errors == 0, r.OK())
			require.NotZero(t, r.Errors+r.Warnings)
		})
	}
}

func TestLintDateTimes(t *testing.T) {
	for _, bad := range []string{
		"", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01t00:00:00Z", "2026-01-01T00:00:00z",
		"2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,1Z",
		"2026-01-01T00:00:00.1x3Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-04-31T00:00:00Z", "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-01-00T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
		"+026-01-01T00:00:00Z", "2026-01-01T00:00Z", "2026-01-01T0x:00:00Z",
	} {
		r := lint(t, typed(modified, `"`+bad+`"`))
		require.Len(t, r.Findings, 1, bad)
		require.Equal(t, ruleInstants, r.Findings[0].Rule, bad)
		require.False(t, r.OK())
	}
	for _, bad := range []string{"", "2026-1-01", "2026-01-01T00:00:00Z", "20260101", "2026-02-30", "9999-12-31", "0000-01-01", "2026/01/01", "2026-ab-01"} {
		r := lint(t, typed(`{"type":"string","format":"date"}`, `"`+bad+`"`))
		require.Len(t, r.Findings, 1, bad)
		require.Equal(t, ruleDates, r.Findings[0].Rule, bad)
	}
}

// TestLintNeverMilder holds the linter against a validator of JSON Schema:
// what that refuses must be an error here too.
func TestLintNeverMilder(t *testing.T) {
	kinds := []string{
		`{"type":"string"}`, `{"type":["null","string"]}`, `{"type":"integer"}`, `{"type":["null","number"]}`, `{"type":"boolean"}`, modified,
		`{"type":"string","format":"date"}`, `{"type":["null","array"],"items":{"type":"integer"}}`, `{"type":"object","properties":{"a":{"type":["null","string"]}}}`,
		`{"type":"array","items":{"type":["null","object"],"properties":{"a":{"type":"array","items":{"type":"boolean"}}}}}`,
	}
	values := []string{
		`null`, `true`, `1`, `-0`, `1.5`, `3.0`, `1e400`, `""`, `"x"`, `"` + t1 + `"`, `"2026-02-30"`, `"2026-02-28"`, `"2026-02-28T25:00:00Z"`,
		`[]`, `[1]`, `[1.5]`, `[15e-1]`, `[1.55e1]`, `[1.0]`, `[null]`, `{}`, `{"a":null}`, `{"a":1}`, `{"a":"x","b":1}`, `[{"a":[true]}]`, `[{"a":[1]}]`, `[{"a":{}}]`, `[[]]`,
	}
	for _, kind := range kinds {
		compiler := jsonschema.NewCompiler()
		compiler.Draft, compiler.AssertFormat = jsonschema.Draft7, true
		require.NoError(t, compiler.AddResource("s.json", strings.NewReader(kind)))
		schema, err := compiler.Compile("s.json")
		require.NoError(t, err)
		for _, value := range values {
			dec := json.NewDecoder(strings.NewReader(value))
			dec.UseNumber()
			var v any
			require.NoError(t, dec.Decode(&v))
			if schema.Validate(v) != nil {
				require.False(t, lint(t, typed(kind, value)).OK(), "%s %s", kind, value)
			}
		}
	}
}

func TestLintSeverities(t *testing.T) {
	for _, in := range []string{
		lines(m(t3), tracked("s", modified), rec(t1), m(t1)),
		lines(firstState, schemaLine("deals_1", modified), firstState),
	} {
		r := lint(t, in)
		require.True(t, r.OK(), "%s", r.AppendText(nil))
		require.NotZero(t, r.Warnings)
	}
}

func TestLintReport(t *testing.T) {
	in := lines(firstState, schemaLine("s", `{"type":"string"}`), recordLine("s", "1", "1"), recordLine("s", "2", "2"), recordLine("s", "3", `"x"`), `x`, firstState)
	r := lint(t, in)
	require.Equal(t, `error: line 3: s: property "p": is not of its declared type: "1" (rule 4, types, 2 times)
error: line 6: is not one JSON object: trouble at byte 1 near "x" (rule 16, message types and keys)
7 lines, 1 streams, 3 records, 2 states: 3 errors, 0 warnings
`, string(r.AppendText(nil)))
	require.Equal(t, []StreamCount{{"s", 3}}, r.Streams)
	require.EqualValues(t, len(in), r.Bytes)
	require.Equal(t, "warning", SeverityWarning.String())

	var many strings.Builder
	many.WriteString(lines(firstState))
	for i := range maxFindings + 100 {
		fmt.Fprintf(&many, "{\"type\":\"T%d\"}\n", i)
	}
	many.WriteString(lines(firstState))
	r = lint(t, many.String())
	require.Len(t, r.Findings, maxFindings)
	require.EqualValues(t, 100, r.More)
	require.EqualValues(t, maxFindings+100, r.Errors)
	require.Contains(t, string(r.AppendText(nil)), "and 100 more\n")
}

func TestLintCorpus(t *testing.T) {
	r := lint(t, string(corpus(t, "lint/good.singer")))
	require.Empty(t, r.Findings, "%s", r.AppendText(nil))
	require.False(t, lint(t, string(corpus(t, "lint/bad.singer"))).OK())
}

func TestLintReadError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Lint(io.MultiReader(strings.NewReader(lines(firstState)), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "read messages: line 2")
	r, err := Lint(iotest.OneByteReader(strings.NewReader(lines(firstState, firstState))))
	require.NoError(t, err)
	require.True(t, r.OK())
}

// TestLintWriter feeds the linter what the Writer makes.
func TestLintWriter(t *testing.T) {
	var out bytes.Buffer
	w, s := NewWriter(&out), NewState()
	require.NoError(t, w.State(s))
	e := example().Streams[0]
	require.NoError(t, w.Schema(e.Stream, e.Schema, e.KeyProperties, []string{e.ReplicationKey}))
	require.NoError(t, w.Records([]byte(`{"type":"RECORD","stream":"contracts","record":{"id":1,"number":"a","email":null,"modified":"`+t1+`","lines":[null,{"amount":1.5}],"_rescued_data":null}}`+"\n")))
	s.Set("contracts", "modified", quoted(t1))
	require.NoError(t, w.Final(s))
	r := lint(t, out.String())
	require.Empty(t, r.Findings, "%s", r.AppendText(nil))
}

// benchmarkStream is a run of n records of 30 properties, about 940 bytes each.
func benchmarkStream(n int) []byte {
	var b bytes.Buffer
	b.WriteString(firstState + "\n" + `{"type":"SCHEMA","stream":"s","schema":{"type":"object","properties":{"id":{"type":"integer"},"modified":` + modified)
	for i := range 28 {
		fmt.Fprintf(&b, `,"property_%d":{"type":["null","%s"]}`, i, []string{"string", "number"}[i%2])
	}
	b.WriteString(`}},"key_properties":["id"],"bookmark_properties":["modified"]}` + "\n")
	for i := range n {
		fmt.Fprintf(&b, `{"type":"RECORD","stream":"s","record":{"id":%d,"modified":"2026-01-02T03:04:05.678901Z"`, i)
		for j := range 28 {
			fmt.Fprintf(&b, `,"property_%d":%s`, j, []string{`"a text of é some \n length, 30"`, `12345.6789`}[j%2])
		}
		b.WriteString(`},"time_extracted":"2026-01-02T03:04:05.678901Z"}` + "\n")
	}
	b.WriteString(stateLine(`{"s":{"modified":"2026-01-02T03:04:05.678901Z"}}`) + "\n")
	return b.Bytes()
}

func TestLintAllocates(t *testing.T) {
	cost := func(n int) float64 {
		in := benchmarkStream(n)
		return testing.AllocsPerRun(3, func() {
			r, err := Lint(bytes.NewReader(in))
			require.NoError(t, err)
			require.True(t, r.OK())
		})
	}
	small, large := cost(10), cost(1010)
	require.Less(t, (large-small)/1000, 0.1, "allocations per record")
}

func BenchmarkLint(b *testing.B) {
	const n = 2000
	in := benchmarkStream(n)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if r, err := Lint(bytes.NewReader(in)); err != nil || !r.OK() {
			b.Fatal(err, string(r.AppendText(nil)))
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
}

func FuzzLint(f *testing.F) {
	seed(f, "lint")
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Lint(bytes.NewReader(data))
		require.NoError(t, err)
		require.LessOrEqual(t, len(r.Findings), maxFindings)
		require.NotEmpty(t, r.AppendText(nil))
	})
}
