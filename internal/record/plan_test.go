package record_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

func except(names ...string) func(string) bool {
	return func(name string) bool { return !slices.Contains(names, name) }
}

func TestMembers(t *testing.T) {
	audited := object(property("id", "integer"), property("auditentry_modified", "date-time"), property("auditentry_by", "integer"), rescued())
	tests := []struct {
		name string
		o    record.Options
		row  string
		want string
	}{
		{"schema order, null if absent", record.Options{Schema: object(property("a", "string"), property("b", "string"), property("c", "number"))}, `{"c":1,"a":"x"}`, `{"a":"x","b":null,"c":1}`},
		{"empty row", record.Options{Schema: object(property("a", "string"), rescued())}, `{}`, `{"a":null,"_rescued_data":null}`},
		{"white space", record.Options{Schema: object(property("a", "string"), property("b", "number"), rescued())}, "{ \"a\" : \"x\" ,\r\n\t\"z\" : [ 1 ] , \"b\":2 }", `{"a":"x","b":2,"_rescued_data":"{\"z\":[1]}"}`},
		{"unknown", record.Options{Schema: object(property("a", "string"), rescued())}, `{"x":null,"a":"1","y":{"b" : "\"q\""},"é":"\u00e9"}`, `{"a":"1","_rescued_data":"{\"x\":null,\"y\":{\"b\":\"\\\"q\\\"\"},\"é\":\"\\u00e9\"}"}`},
		{"unknown, no rescue", record.Options{Schema: object(property("a", "string"))}, `{"x":1,"a":"1"}`, `{"a":"1"}`},
		{"unknown, rescue deselected", record.Options{Schema: object(property("a", "string"), rescued()), Selected: except("_rescued_data")}, `{"x":1,"a":"1"}`, `{"a":"1"}`},
		{"rescue first", record.Options{Schema: object(rescued(), property("a", "number"), property("b", "string"))}, `{"b":"2","a":"x","x":1}`, `{"_rescued_data":"{\"a\":\"x\",\"x\":1}","a":null,"b":"2"}`},
		{"member called as the rescue", record.Options{Schema: object(property("a", "string"), rescued())}, `{"_rescued_data":"mine"}`, `{"a":null,"_rescued_data":"{\"_rescued_data\":\"mine\"}"}`},
		{"deselected", record.Options{Schema: object(property("a", "integer"), property("b", "string"), rescued()), Selected: except("a")}, `{"a":"not checked","b":"2"}`, `{"b":"2","_rescued_data":null}`},
		{"key cannot be deselected", record.Options{Schema: object(property("a", "integer"), property("b", "string")), Key: []string{"a"}, Selected: except("a", "b")}, `{"a":1,"b":"2"}`, `{"a":1}`},
		{"escaped names", record.Options{Schema: object(property("id", "integer"), property("longer_than_eight", "string"), property(`q"`, "string"), rescued())}, `{"i\u0064":1,"\u006conger_than_eigh\u0074":"x","q\u0022":"y","\u0078":2}`, `{"id":1,"longer_than_eight":"x","q\"":"y","_rescued_data":"{\"x\":2}"}`},
		{"dirty names", record.Options{Schema: object(property("a", "integer"), rescued())}, `{"x\u0000":1,"\ud83d":2}`, "{\"a\":null,\"_rescued_data\":\"{\\\"x\uFFFD\\\":1,\\\"\uFFFD\\\":2}\"}"},
		{"names alike", record.Options{Schema: object(property("number_field1", "number"), property("number_field2", "number"), property("numbXr_field1", "number"), rescued())}, `{"number_field2":2,"numbXr_field1":3,"number_field1":1,"numbYr_field1":4}`, `{"number_field1":1,"number_field2":2,"numbXr_field1":3,"_rescued_data":"{\"numbYr_field1\":4}"}`},
		{"ignored", record.Options{Schema: object(property("a", "string"), property("n", "string"), rescued()), Ignore: []string{"__metadata", "n"}, IgnoreFunc: func(name []byte) bool { return strings.HasSuffix(string(name), "_Id") }}, `{"__metadata":{"x":1},"a":"1","DJ_PAGE_Id":7,"n":"x"}`, `{"a":"1","n":null,"_rescued_data":null}`},
		{"ignored by value", record.Options{Schema: object(property("a", "object"), rescued()), Capture: []string{"c"}, IgnoreValue: func(_, raw []byte) bool { return strings.HasPrefix(string(raw), `{"__deferred":`) }}, `{"a":{"__deferred":1},"b":{"__deferred":1},"c":{"__deferred":1},"d":{}}`, `{"a":null,"_rescued_data":"{\"d\":{}}"}`},
		{"lifted", record.Options{Schema: audited, Lift: []string{"auditentry"}}, `{"id":1,"auditentry":{"modified":"2026-11-02 09:15","by":"7","new":[ 1 ]}}`, `{"id":1,"auditentry_modified":"2026-11-02T09:15:00Z","auditentry_by":7,"_rescued_data":"{\"auditentry_new\":[1]}"}`},
		{"lifted, null", record.Options{Schema: audited, Lift: []string{"auditentry"}}, `{"id":1,"auditentry":null}`, `{"id":1,"auditentry_modified":null,"auditentry_by":null,"_rescued_data":null}`},
		{"lifted, empty", record.Options{Schema: audited, Lift: []string{"auditentry"}}, `{"id":1,"auditentry":{ }}`, `{"id":1,"auditentry_modified":null,"auditentry_by":null,"_rescued_data":null}`},
		{"lifted, no object", record.Options{Schema: audited, Lift: []string{"auditentry"}}, `{"id":1,"auditentry":[{"by":1}]}`, `{"id":1,"auditentry_modified":null,"auditentry_by":null,"_rescued_data":"{\"auditentry\":[{\"by\":1}]}"}`},
		{"lifted, unfit", record.Options{Schema: audited, Lift: []string{"auditentry"}}, `{"id":1,"auditentry":{"by":"x","\u006dodified":""}}`, `{"id":1,"auditentry_modified":null,"auditentry_by":null,"_rescued_data":"{\"auditentry_by\":\"x\"}"}`},
		{"lifted, inner ignored", record.Options{Schema: audited, Lift: []string{"auditentry"}, Ignore: []string{"auditentry_by"}, IgnoreFunc: func(name []byte) bool { return string(name) == "auditentry_x" }}, `{"auditentry":{"by":"x","x":1,"y":2}}`, `{"id":null,"auditentry_modified":null,"auditentry_by":null,"_rescued_data":"{\"auditentry_y\":2}"}`},
		{"lifted, nothing known", record.Options{Schema: object(property("a", "string"), rescued()), Lift: []string{"b"}}, `{"b":{"":1,"x":2},"a":"y"}`, `{"a":"y","_rescued_data":"{\"b_\":1,\"b_x\":2}"}`},
		{"lifted and a property", record.Options{Schema: object(property("b", "integer"), property("b_x", "integer"), rescued()), Lift: []string{"b"}}, `{"b":7}`, `{"b":7,"b_x":null,"_rescued_data":null}`},
		{"lifted and a property, object", record.Options{Schema: object(property("b", "object"), property("b_x", "integer"), rescued()), Lift: []string{"b"}}, `{"b":{"x":7}}`, `{"b":null,"b_x":7,"_rescued_data":null}`},
		{"trimmed", record.Options{Schema: object(property("a", "string"), property("b", "string"), property("c", "string"), property("d", "string"), property("e", "string")), Trim: []string{"a", "b", "c", "d"}}, `{"a":"  x y ","b":"\u0020\"q\" ","c":"    ","d":7,"e":" z "}`, `{"a":"x y","b":"\"q\"","c":"","d":"7","e":" z "}`},
		{"trimmed nothing", record.Options{Schema: object(property("a", "string")), Trim: []string{"a"}}, `{"a":"x\ty\u0041"}`, `{"a":"x\ty\u0041"}`},
		{"dirty and unfit", record.Options{Schema: object(property("n", "number"), rescued())}, `{"n":"\u0000"}`, "{\"n\":null,\"_rescued_data\":\"{\\\"n\\\":\\\"\uFFFD\\\"}\"}"},
		{"only the rescue", record.Options{Schema: object(rescued())}, `{"":1,"a":2}`, `{"_rescued_data":"{\"\":1,\"a\":2}"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := convert(t, tt.o, tt.row)
			require.Equal(t, tt.want, got)
			s := newSubject(t, withStream(tt.o))
			if s.IgnoreFunc == nil && s.IgnoreValue == nil && !slices.Contains(s.Ignore, "n") {
				c := s.plan.NewConverter()
				s.check(t, c, []byte(tt.row))
				s.check(t, c, []byte(tt.row))
			}
		})
	}
}

func TestLine(t *testing.T) {
	c := compile(t, record.Options{Stream: `q"s`, Schema: object(property("a", "string"))})
	row := []byte(`[{"a":"x"} ]`)
	out, end, err := c.Append([]byte("before\n"), row, 1)
	require.NoError(t, err)
	require.Equal(t, 10, end)
	require.Equal(t, "before\n"+`{"type":"RECORD","stream":"q\"s","record":{"a":"x"}}`+"\n", string(out))
	c.SetTime("2026-11-21T10:00:00.000000Z")
	out, _, err = c.Append(nil, row, 1)
	require.NoError(t, err)
	require.Equal(t, `{"type":"RECORD","stream":"q\"s","record":{"a":"x"},"time_extracted":"2026-11-21T10:00:00.000000Z"}`+"\n", string(out))
}

func TestDuplicates(t *testing.T) {
	o := record.Options{Schema: object(property("a", "string"), property("off", "string"), property("aud_x", "string"), rescued()), Selected: except("off"), Lift: []string{"aud"}, Ignore: []string{"i"}, Capture: []string{"c"}}
	for row, name := range map[string]string{
		`{"a":"1","a":"1"}`: "a", `{"a":"1","b":1,"\u0061":2}`: "a", `{"u":1,"u":1}`: "u", `{"u":1,"a":"x","\u0075":1}`: "u",
		`{"off":1,"off":1}`: "off", `{"i":1,"i":1}`: "i", `{"c":1,"c":1}`: "c", `{"aud":{"x":"1"},"aud_x":"1"}`: "aud_x", `{"aud_x":"1","aud":{"\u0078":"1"}}`: "aud_x",
		`{"aud":{"n":1},"aud_n":1}`: "aud_n", `{"aud":{"n":1,"n":2}}`: "aud_n", `{"aud":null,"aud":null}`: "aud", `{"aud":{},"aud":{}}`: "aud", `{"u\u0000":1,"u\ud800":1}`: "u\uFFFD",
		`{"":1,"":1}`: "", `{"_rescued_data":1,"_rescued_data":1}`: "_rescued_data",
	} {
		c := compile(t, o)
		out, _, err := c.Append([]byte("before"), []byte(row), 0)
		var dup *record.DuplicateError
		require.ErrorAs(t, err, &dup, row)
		require.Equal(t, name, dup.Member)
		require.Contains(t, err.Error(), "twice")
		require.Equal(t, "before", string(out))
		_, _, err = c.Append(nil, []byte(`{"a":"next row"}`), 0)
		require.NoError(t, err)
	}
	// Inside a nested value repeated members are the vendor's business.
	got, _ := convert(t, record.Options{Schema: object(property("a", "object"))}, `{"a":{"x":1,"x":2}}`)
	require.JSONEq(t, `{"a":{"x":2}}`, got)
}

// TestManyStrays: a row with many unknown members is neither slow nor confused.
func TestManyStrays(t *testing.T) {
	c := compile(t, record.Options{Stream: "s", Schema: object(property("a", "string"), rescued())})
	for _, n := range []int{5, 16, 17, 18, 40, 3000, 17, 3} {
		var sb strings.Builder
		for i := range n {
			fmt.Fprintf(&sb, `,"m%d":%d`, i, i)
		}
		row := `{"a":"x"` + sb.String()
		_, _, err := c.Append(nil, []byte(row+"}"), 0)
		require.NoError(t, err)
		require.Equal(t, n, c.Rescued())
		_, _, err = c.Append(nil, []byte(row+fmt.Sprintf(`,"m%d":0}`, n-1)), 0)
		var dup *record.DuplicateError
		require.ErrorAs(t, err, &dup, n)
	}
}

func TestKeys(t *testing.T) {
	schema := object(property("a", "integer"), property("b", "string"), property("c", "date-time"))
	o := record.Options{Stream: "s", Schema: schema, Key: []string{"b", "a"}}
	for row, want := range map[string]*record.KeyError{
		`{"b":"x"}`: {"a", "absent"}, `{"a":null,"b":"x"}`: {"a", "null"}, `{"a":"x","b":"y"}`: {"a", `"x"`}, `{"a":"","b":"y"}`: {"a", `""`}, `{"a":1}`: {"b", "absent"},
		`{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17],"b":"x"}`: {"a", `[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,`},
	} {
		c := compile(t, o)
		out, _, err := c.Append([]byte("before"), []byte(row), 0)
		var got *record.KeyError
		require.ErrorAs(t, err, &got)
		require.Empty(t, cmp.Diff(want, got))
		require.Contains(t, err.Error(), want.Found)
		require.Equal(t, "before", string(out))
	}

	hash := func(o record.Options, row string) uint64 {
		_, c := convert(t, o, row)
		return c.KeyHash()
	}
	base := hash(o, `{"a":1,"b":"x"}`)
	require.Equal(t, base, hash(o, `{"b":"\u0078","c":"2026-01-01","a":1.0}`))
	require.NotEqual(t, base, hash(o, `{"a":1,"b":"y"}`))
	require.NotEqual(t, base, hash(o, `{"a":2,"b":"x"}`))
	two := record.Options{Schema: object(property("a", "string"), property("b", "string")), Key: []string{"a", "b"}}
	require.NotEqual(t, hash(two, `{"a":"1","b":"23"}`), hash(two, `{"a":"12","b":"3"}`))

	seen := map[uint64]bool{}
	one := compile(t, record.Options{Stream: "s", Schema: object(property("a", "integer")), Key: []string{"a"}})
	for i := range 20000 {
		_, _, err := one.Append(nil, fmt.Appendf(nil, `{"a":%d}`, i), 0)
		require.NoError(t, err)
		n, ok := one.KeyInt()
		require.True(t, ok)
		require.Equal(t, int64(i), n)
		seen[one.KeyHash()] = true
	}
	require.Len(t, seen, 20000)
	for _, n := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		_, c := convert(t, record.Options{Schema: object(property("a", "integer")), Key: []string{"a"}}, fmt.Sprintf(`{"a":"%d"}`, n))
		got, ok := c.KeyInt()
		require.True(t, ok)
		require.Equal(t, n, got)
	}
	_, c := convert(t, two, `{"a":"1","b":"2"}`)
	_, ok := c.KeyInt()
	require.False(t, ok)
}

// TestCursorApart: what a catalog makes of the replication key is written, and
// what it is counts.
func TestCursorApart(t *testing.T) {
	for _, tt := range []struct {
		own, typ, raw, out string
		kind               record.CursorKind
		want               int64
	}{
		{"integer", "string", `41207`, `"41207"`, record.CursorInteger, 41207},
		{"integer", "date-time", `41207`, `null`, record.CursorInteger, 41207},
		{"date-time", "date", `"1970-01-01T00:00:01Z"`, `null`, record.CursorInstant, 1e6},
		{"date-time", "string", `"1970-01-01T00:00:01Z"`, `"1970-01-01T00:00:01Z"`, record.CursorInstant, 1e6},
		{"date", "boolean", `"1970-01-02"`, `null`, record.CursorDate, 1},
	} {
		o := record.Options{
			Schema: object(property("v", tt.typ), rescued()), Cursor: "v", CursorSchema: property("v", tt.own).Schema,
		}
		line, c := convert(t, o, `{"v":`+tt.raw+`}`)
		require.Contains(t, line, `{"v":`+tt.out+`,`)
		got, ok := c.Cursor()
		require.True(t, ok)
		require.Equal(t, tt.want, got)

		o.Inject = []string{"v"} // as a scope or a stamp gives it
		p, err := record.Compile(o)
		require.NoError(t, err)
		require.Equal(t, tt.kind, p.CursorKind())
		c = p.NewConverter()
		c.SetInject(0, []byte(tt.raw))
		_, _, err = c.Append(nil, []byte(`{}`), 0)
		require.NoError(t, err)
		got, ok = c.Cursor()
		require.True(t, ok)
		require.Equal(t, tt.want, got)
	}
}

func TestCursor(t *testing.T) {
	instant := func(s string) int64 {
		at, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return at.UnixMicro()
	}
	tests := []struct {
		typ, raw string
		kind     record.CursorKind
		want     int64
		ok       bool
	}{
		{"date-time", `"2026-10-19T08:41:07.5532019Z"`, record.CursorInstant, instant("2026-10-19T08:41:07.553201Z"), true},
		{"date-time", `"2026-10-19T08:41:07.55+02:00"`, record.CursorInstant, instant("2026-10-19T06:41:07.55Z"), true},
		{"date-time", `"1969-12-31T23:59:59.999999Z"`, record.CursorInstant, -1, true},
		{"date-time", `"0001-01-01T00:00:00Z"`, record.CursorInstant, instant("0001-01-01T00:00:00Z"), true},
		{"date-time", `"9998-12-31T23:59:59.1Z"`, record.CursorInstant, instant("9998-12-31T23:59:59.1Z"), true},
		{"date-time", `null`, record.CursorInstant, 0, false},
		{"date-time", `"x"`, record.CursorInstant, 0, false},
		{"date", `"1970-01-02"`, record.CursorDate, 1, true},
		{"date", `"1969-12-31T00:00:00"`, record.CursorDate, -1, true},
		{"date", `"2026-10-19"`, record.CursorDate, instant("2026-10-19T00:00:00Z") / 86400e6, true},
		{"date", `""`, record.CursorDate, 0, false},
		{"integer", `"41207"`, record.CursorInteger, 41207, true},
		{"integer", `-9223372036854775808`, record.CursorInteger, math.MinInt64, true},
		{"integer", `9223372036854775808`, record.CursorInteger, 0, false},
		{"number", `41207.0`, record.CursorInteger, 41207, true},
		{"number", `1.5`, record.CursorInteger, 0, false},
		{"string", `"2026-10-19 08:41:07"`, record.CursorInstant, instant("2026-10-19T08:41:07Z"), true},
		{"string", `"2026-10-19T08:41:07\u005a"`, record.CursorInstant, instant("2026-10-19T08:41:07Z"), true},
		{"string", `"x"`, record.CursorInstant, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.typ+" "+tt.raw, func(t *testing.T) {
			for _, selected := range []func(string) bool{nil, except("v")} {
				o := record.Options{Schema: object(property("a", "string"), property("v", tt.typ), rescued()), Cursor: "v", Selected: selected}
				p, err := record.Compile(o)
				require.NoError(t, err)
				require.Equal(t, tt.kind, p.CursorKind())
				c := p.NewConverter()
				_, _, err = c.Append(nil, []byte(`{"v":`+tt.raw+`}`), 0)
				require.NoError(t, err)
				got, ok := c.Cursor()
				require.Equal(t, tt.ok, ok)
				if ok {
					require.Equal(t, tt.want, got)
				}
				if selected != nil {
					require.Zero(t, c.Rescued())
				}
				_, _, err = c.Append(nil, []byte(`{}`), 0)
				require.NoError(t, err)
				_, ok = c.Cursor()
				require.False(t, ok)
			}
		})
	}
	_, c := convert(t, record.Options{Schema: object(property("aud_at", "date-time")), Cursor: "aud_at", Lift: []string{"aud"}}, `{"aud":{"at":"1970-01-01T00:00:01Z"}}`)
	got, ok := c.Cursor()
	require.True(t, ok)
	require.Equal(t, int64(1e6), got)
}

func TestInject(t *testing.T) {
	o := record.Options{Stream: "s", Schema: object(property("_division", "integer"), property("at", "date-time"), property("a", "string"), rescued()), Key: []string{"_division"}, Cursor: "at", Inject: []string{"_division", "at"}, Zone: amsterdam}
	c := compile(t, o)
	one := func(row string) string {
		out, _, err := c.Append(nil, []byte(row), 0)
		require.NoError(t, err)
		_, rec, _ := strings.Cut(string(out), `"record":`)
		return strings.TrimSuffix(rec, "}\n")
	}
	c.SetInject(0, []byte(`123`))
	c.SetInject(1, []byte(`"2026-10-19"`))
	require.Equal(t, `{"_division":123,"at":"2026-10-18T22:00:00Z","a":"x","_rescued_data":null}`, one(`{"a":"x"}`))
	n, ok := c.KeyInt()
	require.True(t, ok)
	require.Equal(t, int64(123), n)
	n, ok = c.Cursor()
	require.True(t, ok)
	require.Equal(t, time.Date(2026, 10, 18, 22, 0, 0, 0, time.UTC).UnixMicro(), n)
	require.Equal(t, `{"_division":123,"at":"2026-10-18T22:00:00Z","a":null,"_rescued_data":null}`, one(`{"_division":"123","at":null}`), "the same and nothing are not rescued")
	require.Equal(t, `{"_division":123,"at":"2026-10-18T22:00:00Z","a":null,"_rescued_data":"{\"_division\":7,\"at\":\"x\"}"}`, one(`{"_division":7,"at":"x"}`))
	c.SetInject(1, nil)
	require.Equal(t, `{"_division":123,"at":"2026-01-01T00:00:00Z","a":null,"_rescued_data":null}`, one(`{"at":"2026-01-01T00:00:00Z"}`))
	c.SetInject(1, []byte(`"never"`))
	require.Equal(t, `{"_division":123,"at":null,"a":null,"_rescued_data":"{\"at\":\"never\"}"}`, one(`{}`))
	require.Equal(t, "{\"_division\":123,\"at\":null,\"a\":null,\"_rescued_data\":\"{\\\"at\\\":\\\"\uFFFD\\\"}\"}", one(`{"at":"\u0000"}`))
	c.SetInject(0, []byte(`null`))
	_, _, err := c.Append(nil, []byte(`{}`), 0)
	var key *record.KeyError
	require.ErrorAs(t, err, &key)

	// A catalog may have made a string of it.
	o.Schema = object(property("_division", "string"), property("at", "date-time"), property("a", "string"), rescued())
	o.Selected = except("at")
	c = compile(t, o)
	c.SetInject(0, []byte(`123`))
	c.SetInject(1, []byte(`"1970-01-01T00:00:01Z"`))
	require.Equal(t, `{"_division":"123","a":null,"_rescued_data":null}`, one(`{"at":"2026-01-01"}`))
	n, ok = c.Cursor()
	require.True(t, ok)
	require.Equal(t, int64(1e6), n)

	nested := nullable("object")
	nested.Properties = []singer.Property{property("i", "integer")}
	c = compile(t, record.Options{Stream: "s", Schema: object(singer.Property{Name: "o", Schema: nested}, rescued()), Inject: []string{"o"}})
	c.SetInject(0, []byte(`{"i":1}`))
	require.Equal(t, `{"o":{"i":1},"_rescued_data":null}`, one(`{}`))
	c.SetInject(0, []byte(`{"i":2,"d":"\u0000"}`))
	require.Equal(t, "{\"o\":{\"i\":2,\"d\":\"\uFFFD\"},\"_rescued_data\":null}", one(`{}`))
	c.SetInject(0, []byte(`{"i":"x"}`))
	require.Equal(t, `{"o":null,"_rescued_data":"{\"o\":{\"i\":\"x\"}}"}`, one(`{}`))
}

func TestConvert(t *testing.T) {
	ticks := func(dst, raw []byte) ([]byte, bool) {
		switch string(raw) {
		case `"none"`:
			return dst, true
		case `"bad"`:
			return append(dst, `"2026-01-01"`...), true
		case `"broken"`:
			return append(dst, `"2026-01-01T00:00:00Z`...), true
		case `"/Date(0)/"`:
			return append(dst, `"1970-01-01T00:00:00Z"`...), true
		}
		return append(dst, "half"...), false
	}
	o := record.Options{Schema: object(property("t", "date-time"), rescued()), Cursor: "t", Convert: map[string]record.Convert{"t": ticks}}
	for raw, want := range map[string]string{
		`"/Date(0)/"`: `{"t":"1970-01-01T00:00:00Z","_rescued_data":null}`, `null`: `{"t":null,"_rescued_data":null}`, `"none"`: `{"t":null,"_rescued_data":null}`,
		`7`: `{"t":null,"_rescued_data":"{\"t\":7}"}`, `"bad"`: `{"t":null,"_rescued_data":"{\"t\":\"bad\"}"}`, `"broken"`: `{"t":null,"_rescued_data":"{\"t\":\"broken\"}"}`,
		`"\u0000"`: "{\"t\":null,\"_rescued_data\":\"{\\\"t\\\":\\\"\uFFFD\\\"}\"}",
	} {
		got, c := convert(t, o, `{"t":`+raw+`}`)
		require.Equal(t, want, got)
		n, ok := c.Cursor()
		require.Equal(t, raw == `"/Date(0)/"`, ok)
		require.Zero(t, n)
	}

	// What a conversion returns must be of the property's type.
	echo := func(dst, raw []byte) ([]byte, bool) { return append(dst, raw[1:len(raw)-1]...), true }
	for typ, outputs := range map[string]map[string]bool{
		"string": {`\"x\"`: false}, "integer": {`7`: true, `7.0`: false, `99999999999999999999`: false, `null`: true}, "number": {`7.5`: true, `7e5`: false, `7,`: false},
		"boolean": {`true`: true, `1`: false}, "array": {`[]`: true, `[ 1 ]`: true, `{}`: false, `[`: false}, "object": {`{}`: true},
	} {
		o := record.Options{Schema: object(property("v", typ), rescued()), Convert: map[string]record.Convert{"v": echo}}
		for text, fits := range outputs {
			_, c := convert(t, o, `{"v":"`+text+`"}`)
			require.Equal(t, fits, c.Rescued() == 0, text)
		}
	}
	inner := nullable("object")
	inner.Properties = []singer.Property{property("i", "integer")}
	o = record.Options{Schema: object(singer.Property{Name: "v", Schema: inner}, rescued()), Convert: map[string]record.Convert{"v": func(dst, raw []byte) ([]byte, bool) {
		return jsonspan.Unescape(dst, raw), true
	}}}
	for text, fits := range map[string]bool{`{\"i\":1}`: true, `{\"i\":\"x\"}`: false, `{\"i\":\n1}`: false, `{\"i\": 1}`: true} {
		_, c := convert(t, o, `{"v":"`+text+`"}`)
		require.Equal(t, fits, c.Rescued() == 0, text)
	}
}

func TestCapture(t *testing.T) {
	o := record.Options{Stream: "s", Schema: object(property("id", "integer"), property("off", "string"), property("aud_x", "string"), rescued()), Selected: except("off"), Lift: []string{"aud"}, Ignore: []string{"gone"}, Capture: []string{"id", "off", "new", "gone", "aud_x", "aud", "aud_new", "absent"}}
	c := compile(t, o)
	require.Nil(t, c.Captured(0))
	row := []byte(`{"id": 7 ,"off":"\u0000","new":[ 1 ],"gone":null,"aud":{"x":"y","new":1}}`)
	out, _, err := c.Append(nil, row, 0)
	require.NoError(t, err)
	var got []string
	for i := range o.Capture {
		got = append(got, string(c.Captured(i)))
	}
	require.Equal(t, []string{`7`, `"\u0000"`, `[ 1 ]`, `null`, `"y"`, `{"x":"y","new":1}`, `1`, ``}, got)
	require.Contains(t, string(out), `"_rescued_data":"{\"new\":[1],\"aud_new\":1}"`)
	_, _, err = c.Append(nil, []byte(`{}`), 0)
	require.NoError(t, err)
	for i := range o.Capture {
		require.Nil(t, c.Captured(i))
	}
}

func TestNotes(t *testing.T) {
	o := record.Options{Stream: "s", Schema: object(property("n", "number"), property("s", "string"), property("i", "integer"), rescued()), Inject: []string{"i"}}
	c := compile(t, o)
	c.SetInject(0, []byte("1"))
	require.Empty(t, c.Notes())
	for range 3 {
		_, _, err := c.Append(nil, []byte(`{"n":"x","s":"\u0000","new":1,"i":2}`), 0)
		require.NoError(t, err)
	}
	_, _, err := c.Append(nil, []byte(`{"n":1,"new\u0000":"\ud800"}`), 0)
	require.NoError(t, err)
	require.Equal(t, []record.Note{
		{"n", record.RescuedUnfit, 3},
		{"s", record.Replaced, 3},
		{"i", record.RescuedConflict, 3},
		{"new", record.RescuedUnknown, 3},
		{"new\uFFFD", record.Replaced, 1},
		{"new\uFFFD", record.RescuedUnknown, 1},
	}, c.Notes())
	require.Empty(t, c.Notes())

	o.Schema = object(property("n", "number"), property("s", "string"), property("i", "integer"))
	c = compile(t, o)
	_, _, err = c.Append(nil, []byte(`{"n":"x","new":"\u0000"}`), 0)
	require.NoError(t, err)
	require.Zero(t, c.Rescued())
	require.Equal(t, []record.Note{{"n", record.Dropped, 1}, {"new", record.Dropped, 1}}, c.Notes())

	for i := range 300 {
		_, _, err := c.Append(nil, fmt.Appendf(nil, `{"m%d":1}`, i), 0)
		require.NoError(t, err)
	}
	notes := c.Notes()
	require.Len(t, notes, 101)
	require.Equal(t, record.Note{"", record.Dropped, 200}, notes[100])
	for r := record.RescuedUnknown; r <= record.Dropped; r++ {
		require.NotEmpty(t, r.String())
	}
}

func TestAppendRefuses(t *testing.T) {
	schema := object(property("id", "integer"), singer.Property{Name: "o", Schema: &singer.Schema{Type: "object", Nullable: true, Properties: []singer.Property{{Name: "l", Schema: &singer.Schema{Type: "array", Nullable: true, Items: nullable("string")}}}}}, rescued())
	c := compile(t, record.Options{Stream: "s", Schema: schema, Lift: []string{"aud"}})
	for _, row := range []string{
		``, `[]`, `null`, `{`, `{"id"`, `{"id":`, `{"id":1`, `{"id":1,`, `{"id":1,}`, `{"id":1 "o":{}}`, `{id:1}`, `{"id" 1}`, `{"x":}`, `{"o":{`, `{"o":{"l"`, `{"o":{"l":`, `{"o":{"l":[`, `{"o":{"l":["a"`,
		`{"o":{"l":["a",]}}`, `{"o":{"l":["a" "b"]}}`, `{"o":{"l":[]`, `{"o":{"l":[] "x"}}`, `{"o":{x}}`, `{"aud":{"x":1}`, `{"aud":{x}}`, `{"aud":tru}`, `{"aud":`, `{"x":"\x"}`, "{\"x\":\"\xff\"}", `{"o":{"x":nul}}`,
	} {
		out, _, err := c.Append([]byte("before"), []byte(row), 0)
		var syntax *jsonspan.SyntaxError
		require.ErrorAs(t, err, &syntax, row)
		require.Equal(t, "before", string(out))
	}
}

func TestCompileRefuses(t *testing.T) {
	strict := &singer.Schema{Type: "string"}
	for name, o := range map[string]record.Options{
		"no schema":          {},
		"no object":          {Schema: nullable("string")},
		"no property schema": {Schema: object(singer.Property{Name: "a"})},
		"twice":              {Schema: object(property("a", "string"), property("a", "string"))},
		"not nullable":       {Schema: object(singer.Property{Name: "a", Schema: strict})},
		"type":               {Schema: object(property("a", "text"))},
		"format":             {Schema: object(singer.Property{Name: "a", Schema: formatted("uuid")})},
		"format of a number": {Schema: object(singer.Property{Name: "a", Schema: &singer.Schema{Type: "number", Nullable: true, Format: "date"}})},
		"inner type":         {Schema: object(singer.Property{Name: "a", Schema: &singer.Schema{Type: "object", Nullable: true, Properties: []singer.Property{property("b", "x")}}})},
		"inner twice":        {Schema: object(singer.Property{Name: "a", Schema: &singer.Schema{Type: "object", Nullable: true, Properties: []singer.Property{property("b", "string"), property("b", "string")}}})},
		"items":              {Schema: object(singer.Property{Name: "a", Schema: &singer.Schema{Type: "array", Nullable: true, Items: &singer.Schema{}}})},
		"inner without":      {Schema: object(singer.Property{Name: "a", Schema: &singer.Schema{Type: "object", Nullable: true, Properties: []singer.Property{{Name: "b"}}}})},
		"key unknown":        {Schema: object(property("a", "string")), Key: []string{"b"}},
		"key twice":          {Schema: object(property("a", "string")), Key: []string{"a", "a"}},
		"key nested":         {Schema: object(property("a", "object")), Key: []string{"a"}},
		"cursor unknown":     {Schema: object(property("a", "string")), Cursor: "b"},
		"cursor boolean":     {Schema: object(property("a", "boolean")), Cursor: "a"},
		"inject unknown":     {Schema: object(property("a", "string")), Inject: []string{"b"}},
		"lift twice":         {Schema: object(property("a", "string")), Lift: []string{"b", "b"}},
		"rescue no string":   {Schema: object(property(record.RescuedData, "object"))},
		"rescue as key":      {Schema: object(rescued()), Key: []string{record.RescuedData}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := record.Compile(o)
			require.Error(t, err)
		})
	}
}

func TestEmittedSchema(t *testing.T) {
	s := object(property("a", "integer"), property("b", "string"), rescued())
	p, err := record.Compile(record.Options{Stream: "s", Schema: s, Key: []string{"a"}, Selected: except("a", "b")})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(object(property("a", "integer"), rescued()), p.Schema()))
	require.Len(t, s.Properties, 3)
}
