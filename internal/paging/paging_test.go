package paging

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// render writes a request as METHOD url name=value, a literal in brackets, with
// its place where that is not the method's own.
func render(r *stream.Request) string {
	if r == nil {
		return "end"
	}
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL)
	for _, p := range r.Params {
		v := p.Value
		if p.Raw {
			v = "(" + v + ")"
		}
		fmt.Fprintf(&b, " %s=%s", p.Name, v)
		b.WriteString([]string{"", "@query", "@body", "@header"}[p.In])
	}
	return b.String()
}

func asked(params ...stream.Param) *stream.Request {
	return &stream.Request{Method: "GET", URL: "u", Params: params}
}

func post(params ...stream.Param) *stream.Request {
	return &stream.Request{Method: "POST", URL: "u", Params: params}
}

func TestFirst(t *testing.T) {
	filter := stream.Param{Name: "since", Value: "x"}
	for _, test := range []struct {
		name  string
		pager stream.Pager
		req   *stream.Request
		want  string
	}{
		{"none", nil, asked(filter), "GET u since=x"},
		{"single", stream.Single{}, asked(filter), "GET u since=x"},
		{"next link", stream.NextLink{Next: "next"}, asked(filter), "GET u since=x"},
		{"number", stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 50}, asked(filter), "GET u since=x size=(50) page=(1)"},
		{"number from 0", stream.Number{Param: "page", Size: 50}, asked(), "GET u page=(0)"},
		{"number in a body", stream.Number{Param: "page", SizeParam: "page_size", First: 1, Size: 50}, post(filter), "POST u since=x page_size=(50) page=(1)"},
		{"offset", stream.Offset{Param: "offset", SizeParam: "limit", Size: 500}, post(), "POST u limit=(500) offset=(0)"},
		{"token", stream.Token{Param: "page_token", Token: "t", SizeParam: "per_page", Size: 200}, asked(filter), "GET u since=x per_page=(200)"},
		{"keyset", stream.Keyset{Param: "LastKey", Field: "REC_ID", SizeParam: "PageSize", Size: 200}, asked(), "GET u PageSize=(200)"},
		{"keyset from a text", stream.Keyset{Param: "after", Field: "id", First: "a"}, asked(), "GET u after=a"},
		{"keyset from a number", stream.Keyset{Param: "after", Field: "id", First: "0"}, post(), "POST u after=(0)"},
		{"keyset from a bound", stream.Keyset{Param: "after", Field: "id", First: "0"}, post(stream.Param{Name: "after", Value: "17", Raw: true}), "POST u after=(17)"},
		{"a parameter that is there already", stream.Number{Param: "page", First: 1}, asked(stream.Param{Name: "page", Value: "9", In: stream.InQuery}), "GET u page=(1)@query"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := render(test.req)
			require.Equal(t, test.want, render(First(test.pager, test.req)))
			require.Equal(t, before, render(test.req), "the request given is left alone")
		})
	}
}

func TestNext(t *testing.T) {
	filter := stream.Param{Name: "since", Value: "x"}
	header := stream.Param{Name: "If-Modified-Since", Value: "y", In: stream.InHeader}
	inBody := stream.Param{Name: "scope", Value: "z", In: stream.InBody}
	number := stream.Number{Param: "page", Size: 3}
	offset := stream.Offset{Param: "offset", Size: 3}
	token := stream.Token{Param: "token", Token: "info.next"}
	keyset := stream.Keyset{Param: "after", Field: "id", Size: 3}
	at := func(name, value string) stream.Param { return stream.Param{Name: name, Value: value, Raw: true} }
	for _, test := range []struct {
		name   string
		pager  stream.Pager
		req    *stream.Request
		head   Head
		told   map[string]string
		want   string
		refuse string
	}{
		{name: "no pager", req: asked(), head: Head{Rows: 3}, want: "end"},
		{name: "single", pager: stream.Single{}, req: asked(), head: Head{Rows: 3}, want: "end"},

		{name: "link", pager: stream.NextLink{Next: "next"}, req: asked(filter, header), told: map[string]string{"next": `"https://h/u?since=x&page=2"`}, want: "GET https://h/u?since=x&page=2 If-Modified-Since=y@header"},
		{name: "link with escapes", pager: stream.NextLink{Next: "d.__next"}, req: asked(), told: map[string]string{"d.__next": `"https:\/\/h\/u?a=\u0026"`}, want: "GET https://h/u?a=&"},
		{name: "link of a POST", pager: stream.NextLink{Next: "next"}, req: post(filter, inBody, stream.Param{Name: "q", Value: "1", In: stream.InQuery}), told: map[string]string{"next": `"v"`}, want: "POST v since=x scope=z@body"},
		{name: "link that is a query", pager: stream.NextLink{Next: "next"}, req: asked(filter), told: map[string]string{"next": `"?page=2"`}, want: "GET u?page=2"},
		{name: "link null", pager: stream.NextLink{Next: "next"}, req: asked(), told: map[string]string{"next": "null"}, want: "end"},
		{name: "link absent", pager: stream.NextLink{Next: "next"}, req: asked(), want: "end"},
		{name: "link empty", pager: stream.NextLink{Next: "next"}, req: asked(), told: map[string]string{"next": `""`}, want: "end"},
		{name: "link to itself", pager: stream.NextLink{Next: "next"}, req: asked(), told: map[string]string{"next": `"u"`}, refuse: "points to the page itself"},
		{name: "link of another kind", pager: stream.NextLink{Next: "next"}, req: asked(), told: map[string]string{"next": `{"href":"u"}`}, refuse: "next is neither text nor a number"},
		{name: "link that is true", pager: stream.NextLink{Next: "next"}, req: asked(), told: map[string]string{"next": "true"}, refuse: "neither"},

		{name: "number", pager: number, req: asked(filter, at("page", "4")), head: Head{Rows: 3}, want: "GET u since=x page=(5)"},
		{name: "number on a short page", pager: number, req: asked(at("page", "4")), head: Head{Rows: 2}, want: "end"},
		{name: "number on an empty page", pager: number, req: asked(at("page", "4")), want: "end"},
		{name: "number, more than asked for", pager: number, req: asked(at("page", "4")), head: Head{Rows: 9}, want: "GET u page=(5)"},
		{name: "number without a size", pager: stream.Number{Param: "page"}, req: asked(at("page", "4")), head: Head{Rows: 1}, want: "GET u page=(5)"},
		{name: "number, more", pager: stream.Number{Param: "page", Size: 3, More: "more"}, req: asked(at("page", "4")), head: Head{Rows: 1}, told: map[string]string{"more": "true"}, want: "GET u page=(5)"},
		{name: "number, no more", pager: stream.Number{Param: "page", Size: 3, More: "more"}, req: asked(at("page", "4")), head: Head{Rows: 3}, told: map[string]string{"more": "false"}, want: "end"},
		{name: "number, more but no rows", pager: stream.Number{Param: "page", Size: 3, More: "more"}, req: asked(at("page", "4")), told: map[string]string{"more": "true"}, want: "end"},
		{name: "number, more is not told", pager: stream.Number{Param: "page", Size: 3, More: "more"}, req: asked(at("page", "4")), head: Head{Rows: 3}, want: "GET u page=(5)"},
		{name: "number keeps its place", pager: number, req: post(stream.Param{Name: "page", Value: "1", In: stream.InQuery}), head: Head{Rows: 3}, want: "POST u page=(2)@query"},

		{name: "number, all that are counted", pager: stream.Number{Param: "page", Size: 3, Total: "count"}, req: asked(at("page", "4")), head: Head{Rows: 3, Seen: 12}, told: map[string]string{"count": "12"}, want: "end"},
		{name: "number, more are counted", pager: stream.Number{Param: "page", Size: 3, Total: "count"}, req: asked(at("page", "4")), head: Head{Rows: 3, Seen: 12}, told: map[string]string{"count": `"13"`}, want: "GET u page=(5)"},
		{name: "number, the count is none", pager: stream.Number{Param: "page", Size: 3, Total: "count"}, req: asked(at("page", "4")), head: Head{Rows: 3, Seen: 12}, told: map[string]string{"count": "null"}, want: "GET u page=(5)"},
		{name: "number, more whatever is counted", pager: stream.Number{Param: "page", Size: 3, More: "more", Total: "count"}, req: asked(at("page", "4")), head: Head{Rows: 3, Seen: 12}, told: map[string]string{"count": "12", "more": "true"}, want: "GET u page=(5)"},

		{name: "offset, all that are counted", pager: stream.Offset{Param: "offset", Size: 3, UntilEmpty: true, Total: "count"}, req: post(at("offset", "3")), head: Head{Rows: 3, Seen: 6}, told: map[string]string{"count": "6"}, want: "end"},
		{name: "offset", pager: offset, req: post(at("offset", "3")), head: Head{Rows: 3, Seen: 6}, want: "POST u offset=(6)"},
		{name: "offset on a short page", pager: offset, req: post(at("offset", "3")), head: Head{Rows: 2, Seen: 5}, want: "end"},
		{name: "offset until empty, short", pager: stream.Offset{Param: "offset", Size: 3, UntilEmpty: true}, req: post(at("offset", "3")), head: Head{Rows: 2, Seen: 5}, want: "POST u offset=(5)"},
		{name: "offset until empty, empty", pager: stream.Offset{Param: "offset", Size: 3, UntilEmpty: true}, req: post(at("offset", "3")), head: Head{Seen: 3}, want: "end"},

		{name: "token", pager: token, req: asked(filter), head: Head{Rows: 3}, told: map[string]string{"info.next": `"abc"`}, want: "GET u since=x token=abc"},
		{name: "token again", pager: token, req: asked(stream.Param{Name: "token", Value: "abc"}), told: map[string]string{"info.next": `"def"`}, want: "GET u token=def"},
		{name: "token that is a number", pager: token, req: post(), told: map[string]string{"info.next": "17"}, want: "POST u token=(17)"},
		{name: "token drops", pager: stream.Token{Param: "token", Token: "info.next", Drop: []string{"page", "since"}}, req: asked(filter, at("page", "1"), header), told: map[string]string{"info.next": `"abc"`}, want: "GET u If-Modified-Since=y@header token=abc"},
		{name: "token null", pager: token, req: asked(), told: map[string]string{"info.next": "null"}, want: "end"},
		{name: "token absent", pager: token, req: asked(), want: "end"},
		{name: "token, no more", pager: stream.Token{Param: "token", Token: "info.next", More: "info.more"}, req: asked(), told: map[string]string{"info.next": `"abc"`, "info.more": "false"}, want: "end"},
		{name: "token, more", pager: stream.Token{Param: "token", Token: "info.next", More: "info.more"}, req: asked(), told: map[string]string{"info.next": `"abc"`, "info.more": "true"}, want: "GET u token=abc"},
		{name: "token, more without one", pager: stream.Token{Param: "token", Token: "info.next", More: "info.more"}, req: asked(), told: map[string]string{"info.next": "null", "info.more": "true"}, refuse: "info.more is true, but there is no info.next"},
		{name: "token that was sent", pager: token, req: asked(stream.Param{Name: "token", Value: "abc"}), told: map[string]string{"info.next": `"abc"`}, refuse: "is the one that was sent"},
		{name: "token of another kind", pager: token, req: asked(), told: map[string]string{"info.next": "[1]"}, refuse: "neither"},

		{name: "keyset", pager: keyset, req: asked(filter), head: Head{Rows: 3, Last: []byte(`"K 12"`)}, want: "GET u since=x after=K 12"},
		{name: "keyset of a number", pager: keyset, req: post(at("after", "9")), head: Head{Rows: 3, Last: []byte("12")}, want: "POST u after=(12)"},
		{name: "keyset of text after a number", pager: keyset, req: post(at("after", "0")), head: Head{Rows: 3, Last: []byte(`"12"`)}, want: "POST u after=12"},
		{name: "keyset, short", pager: keyset, req: asked(), head: Head{Rows: 2, Last: []byte("12")}, want: "end"},
		{name: "keyset until empty, short", pager: stream.Keyset{Param: "after", Field: "id", Size: 3, UntilEmpty: true}, req: asked(), head: Head{Rows: 2, Last: []byte("12")}, want: "GET u after=(12)"},
		{name: "keyset until empty, empty", pager: stream.Keyset{Param: "after", Field: "id", Size: 3, UntilEmpty: true}, req: asked(), want: "end"},
		{name: "keyset without a key", pager: keyset, req: asked(), head: Head{Rows: 3}, refuse: "the last row has no id"},
		{name: "keyset, a null key", pager: keyset, req: asked(), head: Head{Rows: 3, Last: []byte("null")}, refuse: "the last row has no id"},
		{name: "keyset that stands still", pager: keyset, req: asked(at("after", "12")), head: Head{Rows: 3, Last: []byte("12")}, refuse: "ends with the key that it was to start after"},
		{name: "keyset of another kind", pager: keyset, req: asked(), head: Head{Rows: 3, Last: []byte(`{}`)}, refuse: "neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.head.Capture = func(path string) []byte {
				require.True(t, path == "" || slices.Contains(Captures(test.pager), path), "%q is not among the captures", path)
				if v, ok := test.told[path]; ok {
					return []byte(v)
				}
				return nil
			}
			before := render(test.req)
			next, err := Next(test.pager, test.req, test.head)
			require.Equal(t, before, render(test.req), "the request given is left alone")
			if test.refuse != "" {
				require.ErrorContains(t, err, test.refuse)
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.Nil(t, next)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, render(next))
		})
	}
}

func TestCaptures(t *testing.T) {
	for _, test := range []struct {
		pager stream.Pager
		want  []string
	}{
		{nil, nil},
		{stream.Single{}, nil},
		{stream.NextLink{Next: "next"}, []string{"next"}},
		{stream.NextLink{Next: "d.__next", Total: "d.__count"}, []string{"d.__next", "d.__count"}},
		{stream.Number{Param: "page", More: "info.more", Total: "count"}, []string{"info.more", "count"}},
		{stream.Offset{Param: "offset", Total: "count"}, []string{"count"}},
		{stream.Token{Param: "t", Token: "info.t", More: "info.t"}, []string{"info.t"}},
		{stream.Keyset{Param: "after", Field: "id"}, nil},
	} {
		require.Equal(t, test.want, Captures(test.pager))
		if total := stream.TotalPath(test.pager); total != "" {
			require.Contains(t, test.want, total)
		}
	}
}

// Pages of any size, of a list that stands still, bring every row once and end.
func TestPagesBringEveryRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "rows")
		size := rapid.IntRange(1, 7).Draw(t, "size")
		until := rapid.Bool().Draw(t, "until empty")
		pagers := map[string]stream.Pager{
			"number": stream.Number{Param: "page", First: 1, Size: size}, "more": stream.Number{Param: "page", First: 1, Size: size, More: "more"},
			"offset": stream.Offset{Param: "offset", Size: size, UntilEmpty: until}, "keyset": stream.Keyset{Param: "after", Field: "id", Size: size, UntilEmpty: until},
			"token": stream.Token{Param: "token", Token: "token"}, "link": stream.NextLink{Next: "link"},
		}
		kind := rapid.SampledFrom(slices.Sorted(maps.Keys(pagers))).Draw(t, "pager")
		p := pagers[kind]
		req := First(p, asked())
		seen, calls := 0, 0
		for req != nil {
			calls++
			require.LessOrEqual(t, calls, n/size+2)
			start := 0
			for _, q := range append(req.Params, stream.Param{Name: "link", Value: strings.TrimPrefix(req.URL, "u")}) {
				var v int
				_, _ = fmt.Sscan(q.Value, &v)
				switch {
				case q.Name == "page":
					start = (v - 1) * size
				case q.Value != "":
					start = v
				}
			}
			require.Equal(t, seen, start, "nothing is skipped or repeated")
			rows := max(min(size, n-start), 0)
			seen += rows
			last := []byte(fmt.Sprint(seen))
			if rows == 0 {
				last = nil
			}
			var err error
			req, err = Next(p, req, Head{Rows: rows, Seen: seen, Last: last, Capture: func(path string) []byte {
				switch {
				case path == "more":
					return []byte(fmt.Sprint(seen < n))
				case seen == n || path == "":
					return nil
				case path == "link":
					return []byte(fmt.Sprintf(`"u%d"`, seen))
				}
				return last
			}})
			require.NoError(t, err)
		}
		require.Equal(t, n, seen)
	})
}

// Whatever an answer holds where a link, token or key should be, the next
// request is one that differs, or there is a fault or an end.
func FuzzNext(f *testing.F) {
	for _, seed := range []string{`"a"`, `1`, `-1.5e3`, `null`, `true`, `""`, `"\ud800"`, `{}`, `[`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, p := range []stream.Pager{
			stream.NextLink{Next: "x"}, stream.Token{Param: "t", Token: "x"}, stream.Keyset{Param: "t", Field: "x", Size: 1}, stream.Number{Param: "t", More: "x", Size: 1},
		} {
			req := First(p, post())
			next, err := Next(p, req, Head{Rows: 1, Seen: 1, Last: raw, Capture: func(string) []byte { return raw }})
			if err != nil {
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.Nil(t, next)
				continue
			}
			if next == nil {
				continue
			}
			require.NotEqual(t, render(req), render(next))
			for _, q := range next.Params {
				if q.Raw {
					require.True(t, json.Valid([]byte(q.Value)))
				}
			}
		}
	})
}
