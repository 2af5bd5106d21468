package jsonspan_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

func TestScan(t *testing.T) {
	const (
		esc   = jsonspan.Escaped
		dirty = jsonspan.Escaped | jsonspan.Dirty
		exp   = jsonspan.Number | jsonspan.Exponent

		spaced = jsonspan.Spaced
	)
	deep := strings.Repeat("[", jsonspan.MaxDepth) + strings.Repeat("]", jsonspan.MaxDepth)
	mixed := strings.Repeat(`{"a":[`, jsonspan.MaxDepth/2) + strings.Repeat("]}", jsonspan.MaxDepth/2)
	for in, want := range map[string]jsonspan.Info{
		`null`: jsonspan.Null, `true`: jsonspan.Boolean, `false`: jsonspan.Boolean,
		`0`: jsonspan.Integer, `-0`: jsonspan.Integer, `41207`: jsonspan.Integer,
		`123456789012345678901234567890`: jsonspan.Integer,
		`0.5`:                            jsonspan.Number, `-12.50`: jsonspan.Number,
		`1E3`: exp, `1e+3`: exp, `1.5e-7`: exp, `0e0`: exp,
		`""`: jsonspan.String, `"a"`: jsonspan.String, `"1234567"`: jsonspan.String, `"12345678"`: jsonspan.String,
		`"123456789"`: jsonspan.String, `"grüße, € 😀"`: jsonspan.String, "\"\u007f\"": jsonspan.String,
		`"a\"b\\c\/d\b\f\n\r\t"`: jsonspan.String | esc, `"\u0041"`: jsonspan.String | esc,
		`"\ud83d\ude00"`: jsonspan.String | esc, `"\uD83D\uDE00x"`: jsonspan.String | esc,
		`"\u0000"`: jsonspan.String | dirty, `"\ud83d"`: jsonspan.String | dirty, `"\ude00"`: jsonspan.String | dirty,
		`"\ud83d\ud83d\ude00"`: jsonspan.String | dirty, `"\ud83dx"`: jsonspan.String | dirty,
		`"\ud83d\n"`: jsonspan.String | dirty, `"\ud83d\u0041"`: jsonspan.String | dirty,
		`{}`: jsonspan.Object, `{ }`: jsonspan.Object | spaced, `[]`: jsonspan.Array, "[ \n]": jsonspan.Array | spaced,
		`{"a":1,"b":[{},[1,2]]}`:             jsonspan.Object,
		" {\"a\" : 1 , \"b\" :\t[ 1 , 2 ] }": jsonspan.Object | spaced,
		`{"a" :1}`:                           jsonspan.Object | spaced, `{"a": 1}`: jsonspan.Object | spaced, `{"a":1 }`: jsonspan.Object | spaced, `[{"a":1, "b":2}]`: jsonspan.Array | spaced,
		`[1, 2]`: jsonspan.Array | spaced, `[1 ,2]`: jsonspan.Array | spaced, `[[ 1]]`: jsonspan.Array | spaced, `["a b"]`: jsonspan.Array, `[{"a b":""}]`: jsonspan.Array,
		`{"a":"\n"}`: jsonspan.Object | esc, `[["\u0000"]]`: jsonspan.Array | dirty,
		`{"\udead":1}`: jsonspan.Object | dirty, `[1e5,"a"]`: jsonspan.Array,
		deep: jsonspan.Array, mixed: jsonspan.Object,
	} {
		t.Run(in, func(t *testing.T) {
			b := []byte(in + ",\"")
			i := jsonspan.Space(b, 0)
			end, info, err := jsonspan.Scan(b, i)
			require.NoError(t, err)
			require.Equal(t, len(in), end)
			require.Equal(t, want, info)
			require.True(t, json.Valid([]byte(in)))

			end, err = jsonspan.Value([]byte(in), i)
			require.NoError(t, err)
			require.Equal(t, len(in), end)
		})
	}
}

func TestScanRefuses(t *testing.T) {
	tests := []struct {
		in     string
		offset int
		msg    string
	}{
		{`nul!`, 3, "invalid value"},
		{`True`, 0, "invalid value"},
		{`trux`, 3, "invalid value"},
		{`falsy`, 4, "invalid value"},
		{`nan`, 1, "invalid value"},
		{`+1`, 0, "invalid value"},
		{`.5`, 0, "invalid value"},
		{`-x`, 1, "invalid value"},
		{`007`, 1, "invalid value"},
		{`-01`, 2, "invalid value"},
		{`1.x`, 2, "invalid value"},
		{`1ex`, 2, "invalid value"},
		{`1e+x`, 3, "invalid value"},
		{`'a'`, 0, "invalid value"},
		{`]`, 0, "invalid value"},
		{"\ufeff1", 0, "invalid value"},
		{"\"a\x00b\"", 2, "control"},
		{"\"a\nb\"", 2, "control"},
		{"\"12345678\x1f\"", 9, "control"},
		{"\"\xff\"", 1, "UTF-8"},
		{"\"gr\xfc\xdfe\"", 3, "UTF-8"},
		{"\"\xc0\x80\"", 1, "UTF-8"},
		{"\"\xed\xa0\x80\"", 1, "UTF-8"},
		{"\"\xf4\x90\x80\x80\"", 1, "UTF-8"},
		{"\"\xc3(\"", 1, "UTF-8"},
		{"\"\xe2\x82(\"", 1, "UTF-8"},
		{`"\x"`, 2, "escape"},
		{`"\u12g4"`, 5, "escape"},
		{`"\ud83d\u12"`, 11, "escape"},
		{`"\U0041"`, 2, "escape"},
		{`{"a" 1}`, 5, "colon"},
		{`{"a":1 "b":2}`, 7, "comma"},
		{`{a:1}`, 1, "string"},
		{`{"a":1,}`, 7, "string"},
		{`{,}`, 1, "string"},
		{`{"a":}`, 5, "invalid value"},
		{`[1,]`, 3, "invalid value"},
		{`[,1]`, 1, "invalid value"},
		{`[1 2]`, 3, "comma"},
		{`[1}`, 2, "comma"},
		{`{"a":1]`, 6, "comma"},
		{`{1:2}`, 1, "string"},
		{"[1,\v2]", 3, "invalid value"},
		{strings.Repeat("[", jsonspan.MaxDepth+1) + strings.Repeat("]", jsonspan.MaxDepth+1), jsonspan.MaxDepth, "deep"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			_, err := jsonspan.Value([]byte(tt.in), 0)
			var se *jsonspan.SyntaxError
			require.ErrorAs(t, err, &se)
			require.Equal(t, tt.offset, se.Offset, se.Msg)
			require.Contains(t, se.Error(), tt.msg)
			require.False(t, se.Truncated)
		})
	}
}

// TestTruncated cuts a document at every byte: each cut must be told from a
// broken document, because only the former is worth another try.
func TestTruncated(t *testing.T) {
	const doc = `{"a":[1.5e+3,-2,null,true,false,"x\n\u00e9\ud83d\ude00","grüße €😀"],"b" : {"c":{}} , "d":[] }`
	for n := range len(doc) {
		_, err := jsonspan.Value([]byte(doc[:n]), 0)
		var se *jsonspan.SyntaxError
		require.ErrorAs(t, err, &se, doc[:n])
		require.True(t, se.Truncated, doc[:n])
		require.Equal(t, n, se.Offset)
	}
	_, err := jsonspan.Value([]byte(doc), 0)
	require.NoError(t, err)
}

func TestIsNumber(t *testing.T) {
	for in, want := range map[string]jsonspan.Info{
		"0": jsonspan.Integer, "-1": jsonspan.Integer, "1.50": jsonspan.Number, "1e9": jsonspan.Number | jsonspan.Exponent,
	} {
		info, ok := jsonspan.IsNumber([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, want, info, in)
	}
	for _, in := range []string{"", "-", "+1", " 1", "1 ", ".5", "1.", "007", "1,234.50", "0x1", "1e", "NaN", "--1"} {
		_, ok := jsonspan.IsNumber([]byte(in))
		require.False(t, ok, in)
	}
}

func TestIterators(t *testing.T) {
	b := []byte(`[{"a":1,"i\u0064" : "x", "c":[1, {"z":null}]},{},  []]`)
	var got []string
	e := jsonspan.NewElements(b, 0)
	for e.Next() {
		got = append(got, e.Info().String()+" "+string(e.Value()))
		if e.Info().Kind() != jsonspan.Object {
			continue
		}
		m := jsonspan.NewMembers(b, e.Start())
		for m.Next() {
			got = append(got, string(m.Name())+"="+string(m.Value()))
			require.Equal(t, m.NameInfo()&jsonspan.Escaped != 0, m.Named("id"))
		}
		require.NoError(t, m.Err())
		require.Equal(t, e.Start()+len(e.Value()), m.End())
	}
	require.NoError(t, e.Err())
	require.Equal(t, len(b), e.End())
	require.Equal(t, []string{
		`object {"a":1,"i\u0064" : "x", "c":[1, {"z":null}]}`, `a=1`, `i\u0064="x"`, `c=[1, {"z":null}]`, `object {}`, `array []`,
	}, got)

	for _, in := range []string{`[1`, `[1,`, `[1 2]`, `[x]`, ``, `1`, `[1,]`} {
		e := jsonspan.NewElements([]byte(in), 0)
		for e.Next() {
		}
		require.Error(t, e.Err(), in)
	}
	for _, in := range []string{`{"a"`, `{"a":1`, `{"a":1,}`, `{"a":x}`, `{a:1}`, ``, `[]`, `{"a":1 "b":2}`} {
		m := jsonspan.NewMembers([]byte(in), 0)
		for m.Next() {
		}
		require.Error(t, m.Err(), in)
	}
}

func TestNoAllocations(t *testing.T) {
	b := []byte(`{"a":1,"b":["x\n\u0041","grüße"],"c":{"d":null,"e":-1.5e3}}`)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = jsonspan.Value(b, 0)
		m := jsonspan.NewMembers(b, 0)
		for m.Next() {
		}
	}))
}

// depth counts the levels of a valid document the slow way.
func depth(doc []byte) int {
	level, deepest, inText := 0, 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// valid is the verdict of this package on a whole document.
func valid(b []byte) error {
	end, err := jsonspan.Value(b, jsonspan.Space(b, 0))
	if err == nil {
		if end = jsonspan.Space(b, end); end < len(b) {
			err = jsonspan.Fault(b, end, "trailing")
		}
	}
	return err
}

// checkAgainstStdlib holds the scanner against encoding/json. They differ by
// design in two things only: invalid UTF-8, which encoding/json repairs, and the
// depth limit.
func checkAgainstStdlib(t require.TestingT, b []byte) {
	err := valid(b)
	want := json.Valid(b) && utf8.Valid(b) && depth(b) <= jsonspan.MaxDepth
	require.Equal(t, want, err == nil, "%q: %v", b, err)
	if err != nil {
		var se *jsonspan.SyntaxError
		require.ErrorAs(t, err, &se)
		require.LessOrEqual(t, se.Offset, len(b))
		// What stands before the fault can always be continued, so it never ends
		// in a fault that lies before its end.
		var cut *jsonspan.SyntaxError
		if err := valid(b[:se.Offset]); err != nil {
			require.ErrorAs(t, err, &cut)
			require.True(t, cut.Truncated, "%q at %d", b, se.Offset)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1.5e+3,-2,null,true,false,"x\n\u00e9\ud83d\ude00","grüße €😀"],"b" : {"c":{}} , "d":[] }`,
		`[]`, `"\ud83d\ud83d"`, "\"\xff\"", `[1,2`, `{"a":1,}`, ` 1 `, `-0.0e-0`, `[[[[]]]]`, "\"\xe2\x82\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkAgainstStdlib(t, b) })
}

// document draws JSON text, sometimes broken by one changed byte.
func document(t *rapid.T, maxDepth int) string {
	ws := rapid.SampledFrom([]string{"", "", "", " ", "\n\t "})
	scalar := rapid.SampledFrom([]string{
		"null", "true", "false", "0", "-1", "12.50", "1e3", "-1.5E-7", `""`, `"abc"`, `"a\"b\\"`, `"\u0000"`, `"\ud800"`,
		`"\ud83d\ude00"`, `"grüße"`, `"12345678"`, `"😀😀😀"`, `"\u12Fe\n"`,
	})
	var value func(level int) string
	value = func(level int) string {
		kind := 0
		if level > 0 {
			kind = rapid.IntRange(0, 2).Draw(t, "kind")
		}
		if kind == 0 {
			return scalar.Draw(t, "scalar")
		}
		var sb strings.Builder
		sb.WriteString([]string{"", "[", "{"}[kind])
		for i := range rapid.IntRange(0, 4).Draw(t, "n") {
			if i > 0 {
				sb.WriteString("," + ws.Draw(t, "ws"))
			}
			if kind == 2 {
				sb.WriteString(rapid.SampledFrom([]string{`"a"`, `"b"`, `"\u0061"`, `"long name of it"`}).Draw(t, "name") + ws.Draw(t, "ws") + ":")
			}
			sb.WriteString(ws.Draw(t, "ws") + value(level-1) + ws.Draw(t, "ws"))
		}
		sb.WriteString([]string{"", "]", "}"}[kind])
		return sb.String()
	}
	return value(maxDepth)
}

func TestScanProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := []byte(document(t, 4))
		checkAgainstStdlib(t, doc)
		require.NoError(t, valid(doc))
		at := rapid.IntRange(0, len(doc)-1).Draw(t, "at")
		doc[at] = rapid.Byte().Draw(t, "byte")
		checkAgainstStdlib(t, doc)
	})
}
