package jsonspan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		``: "", `abc`: "abc", `a\"b\\c\/d`: `a"b\c/d`, `\b\f\n\r\t`: "\b\f\n\r\t",
		`\u0041\u00e9\u20AC`: "Aé€", `\ud83d\ude00!`: "😀!", `x\u0000y`: "x\uFFFDy",
		`\ud83d`: "\uFFFD", `\ude00\ud83d`: "\uFFFD\uFFFD", `\ud83d\u0041`: "\uFFFDA", `\ud83d\ud83d\ude00`: "\uFFFD😀", `grüße`: "grüße",
	} {
		require.Equal(t, want, string(jsonspan.Unescape(nil, []byte(in))), in)
		require.Equal(t, "> "+want, string(jsonspan.Unescape([]byte("> "), []byte(`"`+in+`"`))), in)
	}
}

func TestAppendQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "abc": `"abc"`, "a\"b\\c/d": `"a\"b\\c/d"`, "\b\f\n\r\t\x01\x1f\x7f": `"\u0008\u000c\n\r\t\u0001\u001f` + "\x7f" + `"`,
		"grüße € 😀": `"grüße € 😀"`, "12345678\"90": `"12345678\"90"`, "ü2345678\"90ü": `"ü2345678\"90ü"`,
	} {
		require.Equal(t, want, string(jsonspan.AppendQuoted(nil, []byte(in))))
	}
}

func TestAppendCompactAndClean(t *testing.T) {
	for in, want := range map[string]string{
		`1`: `1`, `" a \" b "`: `" a \" b "`, "{ \"a b\" : [ 1 ,\n 2 ] ,\t\"c\\\\\" : { } }": `{"a b":[1,2],"c\\":{}}`,
	} {
		require.Equal(t, "x"+want, string(jsonspan.AppendCompact([]byte("x"), []byte(in))))
		require.Equal(t, in, string(jsonspan.AppendClean(nil, []byte(in))))
	}
	for in, want := range map[string]string{
		`"a\u0000b"`:             "\"a\uFFFDb\"",
		`{"\ud800":["\\u0000"]}`: "{\"\uFFFD\":[\"\\\\u0000\"]}",
		`"\ud83d\ude00\ude00"`:   "\"\\ud83d\\ude00\uFFFD\"",
		`"\n\u0041\u0000"`:       "\"\\n\\u0041\uFFFD\"",
	} {
		require.Equal(t, want, string(jsonspan.AppendClean(nil, []byte(in))), in)
	}
}

// checkText holds the text functions against encoding/json, for a valid document.
func checkText(t require.TestingT, doc []byte) {
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, doc))
	i := jsonspan.Space(doc, 0)
	end, info, err := jsonspan.Scan(doc, i)
	require.NoError(t, err)
	require.Equal(t, compact.String(), string(jsonspan.AppendCompact(nil, doc[i:end])))

	clean := jsonspan.AppendClean(nil, doc[i:end])
	require.Equal(t, decode(t, doc, true), decode(t, clean, false))
	_, again, err := jsonspan.Scan(clean, 0)
	require.NoError(t, err)
	require.Zero(t, again&jsonspan.Dirty)
	if info&jsonspan.Escaped == 0 {
		require.Equal(t, string(doc[i:end]), string(clean))
	}

	if info.Kind() == jsonspan.String {
		text := jsonspan.Unescape(nil, doc[i:end])
		require.Equal(t, decode(t, doc, true), any(string(text)))
		require.Equal(t, any(string(text)), decode(t, jsonspan.AppendQuoted(nil, text), false))
	}
}

// decode decodes with encoding/json, which already turns lone surrogates into
// U+FFFD; nul does the same for U+0000.
func decode(t require.TestingT, doc []byte, nul bool) any {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	if nul {
		v = withoutNul(v)
	}
	return v
}

func withoutNul(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "\uFFFD")
	case []any:
		for i := range v {
			v[i] = withoutNul(v[i])
		}
		return v
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[strings.ReplaceAll(k, "\x00", "\uFFFD")] = withoutNul(e)
		}
		return out
	}
	return v
}

func TestTextProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkText(t, []byte(document(t, 3))) })
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		require.Equal(t, any(text), decode(t, jsonspan.AppendQuoted(nil, []byte(text)), false))
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{`"\ud83d\ude00\u0000\n"`, `{"a" : [1, "\udead"]}`, `"\ud800\u0000"`, `"\ufffd"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// Names that are equal once repaired make encoding/json drop one of them.
		if valid(b) == nil && (b[0] == '"' || !bytes.Contains(b, []byte(`\u`))) {
			checkText(t, b)
		}
	})
}

// TestAppendText: what is told of a string is what the scanner says of it.
func TestAppendText(t *testing.T) {
	for _, text := range []string{
		"", "plain", `a "b" \c`, "ends\n", "\x00", "a\x00b", "Zoë 漢字 🙂", "\x1f", "\t", "seven b", "seven é", "eight by",
		strings.Repeat("x", 100) + `"`, strings.Repeat("x", 17) + "é", "\xff", "eight\xffby", `"` + "\xc3",
	} {
		b, info, err := jsonspan.AppendText([]byte("before"), []byte(text))
		if !utf8.ValidString(text) {
			require.ErrorContains(t, err, "invalid UTF-8", "%q", text)
			require.Equal(t, "before", string(b))
			continue
		}
		require.NoError(t, err)
		end, want, err := jsonspan.Scan(b, len("before"))
		require.NoError(t, err)
		require.Equal(t, len(b), end, "%q", text)
		require.Equal(t, want, info, "%q", text)
		require.Equal(t, string(b), string(jsonspan.AppendQuoted([]byte("before"), []byte(text))))
	}
}
