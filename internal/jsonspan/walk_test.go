package jsonspan_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// walk collects rows as "path: bytes".
func walk(s *jsonspan.Shape, doc string, page *jsonspan.Page) (rows []string, err error) {
	err = s.Walk([]byte(doc), page, func(n int, b []byte, i int) (int, error) {
		end, err := jsonspan.Value(b, i)
		if err == nil {
			rows = append(rows, strconv.Itoa(n)+": "+string(b[i:end]))
		}
		return end, err
	})
	return rows, err
}

func TestWalk(t *testing.T) {
	results := jsonspan.Paths{Rows: []string{"results"}, Captures: []string{"count", "next"}}
	exact := jsonspan.Paths{Rows: []string{"d", "d.results"}, Captures: []string{"d.__next"}}
	tests := []struct {
		name     string
		paths    jsonspan.Paths
		doc      string
		rows     []string
		found    string // per rows path: - absent, 0 null, + there
		captures []string
	}{
		{"envelope", results, `{"count":2,"next":null,"previous":1,"results":[{"a":1}, {"a":{"results":[]}}]}`, []string{`0: {"a":1}`, `0: {"a":{"results":[]}}`}, "+", []string{"2", "null"}},
		{"rows first", results, ` { "results" : [ ] , "next" : "x" } ` + "\n", nil, "+", []string{"", `"x"`}},
		{"null rows", results, `{"results":null}`, nil, "0", []string{"", ""}},
		{"absent rows", results, `{"detail":"Invalid page."}`, nil, "-", []string{"", ""}},
		{"empty", results, `{}`, nil, "-", []string{"", ""}},
		{"array instead", results, `[1,2]`, nil, "-", []string{"", ""}},
		{"scalar instead", results, `"x"`, nil, "-", []string{"", ""}},
		{"escaped name", results, `{"r\u0065sults":[{}],"c\u006funt":[1]}`, []string{"0: {}"}, "+", []string{"[1]", ""}},
		{"capture of an object", results, `{"next":{"count":7}}`, nil, "-", []string{"", `{"count":7}`}},
		{"verbose", exact, `{"d":{"results":[{"x":1}],"__next":"u"}}`, []string{`1: {"x":1}`}, "-+", []string{`"u"`}},
		{"plain", exact, `{"d":[{"x":1}]}`, []string{`0: {"x":1}`}, "+-", []string{""}},
		{"null parent", exact, `{"d":null}`, nil, "0-", []string{""}},
		{"document", jsonspan.Paths{Rows: []string{""}}, ` [ {"a":1} , {} ] `, []string{`0: {"a":1}`, `0: {}`}, "+", nil},
		{"object as row", jsonspan.Paths{Rows: []string{""}, ObjectAsRow: true}, `{"a":1}`, []string{`0: {"a":1}`}, "+", nil},
		{"object as row or envelope: row", jsonspan.Paths{Rows: []string{"d", "d.results"}, Captures: []string{"d.__next"}, ObjectAsRow: true}, `{"d":{"a":1}}`, []string{`0: {"a":1}`}, "+-", []string{""}},
		{"object as row or envelope: envelope", jsonspan.Paths{Rows: []string{"d", "d.results"}, Captures: []string{"d.__next"}, ObjectAsRow: true}, `{"d":{"results":[{"a":1}],"__next":"x"}}`, []string{`1: {"a":1}`}, "-+", []string{`"x"`}},
		{"object as row or envelope: array", jsonspan.Paths{Rows: []string{"d", "d.results"}, ObjectAsRow: true}, `{"d":[{"a":1},{"a":2}]}`, []string{`0: {"a":1}`, `0: {"a":2}`}, "+-", nil},
		{"object as inner row", jsonspan.Paths{Rows: []string{"a.b"}, Captures: []string{"a.c"}, ObjectAsRow: true}, `{"a":{"c":1,"b":{"x":2}}}`, []string{`0: {"x":2}`}, "+", []string{"1"}},
		{
			"two lists and nested captures",
			jsonspan.Paths{Rows: []string{"org_taxes.taxes", "data"}, Captures: []string{"info.more_records", "info", ""}},
			`{"data":[{"i":1}],"info":{"more_records":true},"org_taxes":{"x":1,"taxes":[{"t":1}]}}`,
			[]string{`1: {"i":1}`, `0: {"t":1}`},
			"++",
			[]string{"true", `{"more_records":true}`, `{"data":[{"i":1}],"info":{"more_records":true},"org_taxes":{"x":1,"taxes":[{"t":1}]}}`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := jsonspan.CompileShape(tt.paths)
			require.NoError(t, err)
			var page jsonspan.Page
			_, _ = walk(s, `{"results":[{}],"d":[{}],"next":3}`, &page) // a used page must not shine through
			rows, err := walk(s, tt.doc, &page)
			require.NoError(t, err)
			require.Equal(t, tt.rows, rows)
			var found strings.Builder
			n := 0
			for i := range tt.paths.Rows {
				n += page.Rows(i)
				switch {
				case page.Null(i):
					require.True(t, page.Found(i))
					found.WriteByte('0')
				case page.Found(i):
					found.WriteByte('+')
				default:
					found.WriteByte('-')
				}
			}
			require.Equal(t, tt.found, found.String())
			require.Equal(t, len(rows), n)
			for i, want := range tt.captures {
				if want == "" {
					require.Nil(t, page.Capture(i))
				} else {
					require.Equal(t, want, string(page.Capture(i)))
				}
			}
		})
	}
}

func TestWalkRefuses(t *testing.T) {
	tests := []struct {
		name  string
		paths jsonspan.Paths
		doc   string
		want  any
	}{
		{"null document", jsonspan.Paths{Rows: []string{""}}, `null`, &jsonspan.ShapeError{Path: "", Found: "null in place of an array"}},
		{"row beyond the limit", jsonspan.Paths{Rows: []string{"results"}}, `{"results":[{},{"a":"` + strings.Repeat("x", jsonspan.MaxRow) + `"}]}`, &jsonspan.ShapeError{Path: "results", Found: "more than 16 MiB in row 2"}},
		{"object for array", jsonspan.Paths{Rows: []string{"results"}}, `{"results":{"a":1}}`, &jsonspan.ShapeError{Path: "results", Found: "an object in place of an array"}},
		{"text for array", jsonspan.Paths{Rows: []string{"results"}}, `{"results":"x"}`, &jsonspan.ShapeError{Path: "results", Found: "a string in place of an array"}},
		{"object document", jsonspan.Paths{Rows: []string{""}}, `{}`, &jsonspan.ShapeError{Path: "", Found: "an object in place of an array"}},
		{"number row", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[{},1]}`, &jsonspan.ShapeError{Path: "r", Found: "an integer in place of row 2"}},
		{"null row", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[null]}`, &jsonspan.ShapeError{Path: "r", Found: "null in place of row 1"}},
		{"array row", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[[]]}`, &jsonspan.ShapeError{Path: "r", Found: "an array in place of row 1"}},
		{"rows twice", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[],"r":[]}`, &jsonspan.ShapeError{Path: "r", Found: "a second one"}},
		{"rows twice, escaped", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[],"\u0072":null}`, &jsonspan.ShapeError{Path: "r", Found: "a second one"}},
		{"parent twice", jsonspan.Paths{Rows: []string{"d.r"}}, `{"d":{"r":[]},"d":{"r":[]}}`, &jsonspan.ShapeError{Path: "d.r", Found: "a second one"}},
		{"capture twice", jsonspan.Paths{Captures: []string{"c"}}, `{"c":1,"c":2}`, &jsonspan.ShapeError{Path: "c", Found: "a second one"}},
		{"empty body", jsonspan.Paths{}, ``, &jsonspan.SyntaxError{Offset: 0, Msg: "input ended too early", Truncated: true}},
		{"cut", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[{},`, &jsonspan.SyntaxError{Offset: 9, Msg: "input ended too early", Truncated: true}},
		{"html", jsonspan.Paths{Rows: []string{"r"}}, `<html>`, &jsonspan.SyntaxError{Offset: 0, Msg: "invalid value"}},
		{"two documents", jsonspan.Paths{Rows: []string{"r"}}, `{} {}`, &jsonspan.SyntaxError{Offset: 3, Msg: "something after the document"}},
		{"no comma", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[{} {}]}`, &jsonspan.SyntaxError{Offset: 9, Msg: "comma or closing bracket expected"}},
		{"no comma between members", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[] "x":1}`, &jsonspan.SyntaxError{Offset: 8, Msg: "comma or closing bracket expected"}},
		{"trailing comma", jsonspan.Paths{Rows: []string{"r"}}, `{"r":[{},]}`, &jsonspan.SyntaxError{Offset: 9, Msg: "invalid value"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := jsonspan.CompileShape(tt.paths)
			require.NoError(t, err)
			var page jsonspan.Page
			_, err = walk(s, tt.doc, &page)
			require.Equal(t, tt.want, err)
			require.NotEmpty(t, err.Error())
		})
	}
}

func TestWalkRowErrors(t *testing.T) {
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{""}})
	require.NoError(t, err)
	stop := errors.New("stop")
	var page jsonspan.Page
	err = s.Walk([]byte(`[{},{}]`), &page, func(_ int, _ []byte, _ int) (int, error) { return 0, stop })
	require.ErrorIs(t, err, stop)
	err = s.Walk([]byte(`[{},{}]`), &page, func(_ int, _ []byte, _ int) (int, error) { return 99, nil })
	require.ErrorContains(t, err, "row 1")
}

func TestCompileShapeRefuses(t *testing.T) {
	for name, p := range map[string]jsonspan.Paths{
		"rows twice":     {Rows: []string{"a", "a"}},
		"capture twice":  {Captures: []string{"a", "a"}},
		"empty name":     {Rows: []string{"a..b"}},
		"row and parent": {Rows: []string{"a"}, Captures: []string{"a.b"}, ObjectAsRow: true},
		"many":           {Rows: []string{strings.Repeat("a.", 70) + "a"}},
		"many captures":  {Captures: []string{strings.Repeat("a.", 70) + "a"}},
	} {
		_, err := jsonspan.CompileShape(p)
		require.Error(t, err, name)
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{"results"}, Captures: []string{"next"}})
	require.NoError(t, err)
	doc := []byte(`{"next":"x","results":[{"a":1},{"a":2}]}`)
	var page jsonspan.Page
	row := func(_ int, b []byte, i int) (int, error) { return jsonspan.Value(b, i) }
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.Walk(doc, &page, row) }))
}

// TestWalkProperty: a walk accepts exactly the documents that are valid and of
// the shape, and finds the rows that encoding/json finds.
func TestWalkProperty(t *testing.T) {
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{"a"}, Captures: []string{"b"}})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		doc := document(t, 3)
		var page jsonspan.Page
		rows, err := walk(s, doc, &page)
		if _, ok := errors.AsType[*jsonspan.ShapeError](err); ok {
			return
		}
		require.NoError(t, err)
		var top map[string]json.RawMessage
		if json.Unmarshal([]byte(doc), &top) != nil {
			require.Empty(t, rows)
			return
		}
		var want []json.RawMessage
		if a, ok := top["a"]; ok {
			require.NoError(t, json.Unmarshal(a, &want))
		}
		require.Len(t, rows, len(want))
		for i := range want {
			require.Equal(t, "0: "+string(want[i]), rows[i])
		}
		require.Equal(t, string(top["b"]), string(page.Capture(0)))
	})
}

func FuzzWalk(f *testing.F) {
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{"d", "d.results"}, Captures: []string{"d.__next"}})
	require.NoError(f, err)
	for _, seed := range []string{`{"d":{"results":[{"x":1}],"__next":"u"}}`, `{"d":[{}]}`, `{"d":null} `, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var page jsonspan.Page
		_, err := walk(s, string(b), &page)
		if _, ok := errors.AsType[*jsonspan.ShapeError](err); ok {
			return
		}
		// The walk starts the depth anew at each value, so only it may accept more.
		if valid(b) == nil {
			require.NoError(t, err)
		} else if depth(b) <= jsonspan.MaxDepth {
			require.Error(t, err)
		}
	})
}
