package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// choosy is a source whose vendor wants to be told the fields, and refuses what
// it does not know. What is not asked for is not answered.
func choosy(t *testing.T, unknown ...string) *world {
	s := versions("orders")
	s.Schema = schemaOf(upward, stamped, modified)
	s.Select = "fields"
	w := divided(t, numbers("7", "9"), s)
	for _, part := range []string{"7", "9"} {
		tt := w.stamps("d/"+part+"/orders", 4, 100)
		w.v.on["d/"+part+"/orders"] = func(c call) (string, error) {
			asked := strings.Split(c.get("fields"), ",")
			for _, name := range unknown {
				if slices.Contains(asked, name) {
					return "", &stream.UnknownField{Names: []string{"orders", name}, Err: &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no such field: " + name)}}
				}
			}
			return tt.answer(c, 0)
		}
	}
	return w
}

// fieldsAsked lists what was asked for, call by call.
func fieldsAsked(w *world) []string {
	out := []string{}
	for _, c := range w.v.calls {
		out = append(out, c.path+" "+c.get("fields"))
	}
	return out
}

func TestSelect(t *testing.T) {
	t.Run("what is emitted, and nothing of our own", func(t *testing.T) {
		w := choosy(t)
		res := w.good("")
		require.Equal(t, []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"))
		for _, c := range w.v.calls {
			require.Equal(t, "id,v,name,up,stamp,modified", c.get("fields"))
		}
	})
	t.Run("without what is deselected", func(t *testing.T) {
		w := choosy(t)
		w.src.Streams[0].Hidden = []string{"name", "up", "modified"}
		w.good("")
		require.Equal(t, "d/7/orders id,v,stamp", fieldsAsked(w)[0])
	})
	t.Run("with what others need of a row", func(t *testing.T) {
		w := offspring(t, "7")
		w.src.Streams[0].Select = "fields"
		w.src.Streams[0].Hidden = []string{"name", "v"}
		w.src.Streams[1].Parent.Bind = append(w.src.Streams[1].Parent.Bind, stream.Bind{From: "name", Inject: "name"}, stream.Bind{From: "secret", To: "secret"})
		w.src.Streams[1].Path = "d/{partition}/orders/{order}/lines"
		w.src.Streams[1].Params = []stream.Param{{Name: "secret", Value: "{secret}"}}
		for i := range w.v.tables["d/7/orders"].rows {
			w.v.tables["d/7/orders"].rows[i].more = `,"secret":5`
		}
		res := w.good("")
		require.Equal(t, "id,name,up,modified,secret", w.v.calls[0].get("fields"))
		require.Equal(t, []any{"row 1.1", "row 2.1"}, res.values("lines", "name"))
		require.Equal(t, "5", w.v.calls[len(w.v.calls)-1].get("secret"))
	})
	t.Run("a link is followed as it came", func(t *testing.T) {
		w := choosy(t)
		const next = "toy://host/d/7/orders?page=2&token=a%3Ab%2cc'd'"
		var urls []string
		w.v.on["d/7/orders"] = func(c call) (string, error) {
			urls = append(urls, c.String())
			if c.get("page") == "" {
				return fmt.Sprintf(`{"rows":[{"id":1,"v":1,"stamp":100}],"next":%q}`, next), nil
			}
			return `{"rows":[{"id":2,"v":1,"stamp":101}],"next":null}`, nil
		}
		w.good("")
		require.Equal(t, []string{"d/7/orders fields=id,v,name,up,stamp,modified", "d/7/orders page=2 token=a:b,c'd'"}, urls, "nothing is added")
	})
}

func TestUnknownFields(t *testing.T) {
	t.Run("left out and null", func(t *testing.T) {
		for _, concurrency := range []int{1, 4} {
			w := choosy(t, "name")
			w.Concurrency = concurrency
			w.v.spoil = func(_ call, body string) string { return strings.ReplaceAll(body, `"name"`, `"other"`) }
			w.src.Streams[0].Ignore = []string{"other"}
			res := w.good("")
			require.Len(t, res.records("orders"), 8)
			for _, m := range res.lines {
				if m.Type == "RECORD" {
					require.Contains(t, m.raw, `"name":null,`)
				}
			}
			require.Equal(t, 1, w.warnings())
			require.Contains(t, w.log.String(), `the service does not know a field of the catalog, it is left out and stays null" stream=orders field=name`)
			if concurrency == 1 {
				require.Equal(t, []string{
					"d/7/orders id,v,name,up,stamp,modified", "d/7/orders id,v,up,stamp,modified", "d/7/orders id,v,up,stamp,modified",
					"d/9/orders id,v,up,stamp,modified", "d/9/orders id,v,up,stamp,modified",
				}, fieldsAsked(w), "the other partition does not ask for it")
			}
		}
	})
	t.Run("three of them", func(t *testing.T) {
		w := choosy(t, "v", "name", "up")
		res := w.good("")
		require.Len(t, res.records("orders"), 8)
		require.Equal(t, 3, w.warnings())
		require.Equal(t, "d/9/orders id,stamp,modified", fieldsAsked(w)[5])
	})
	t.Run("four of them", func(t *testing.T) {
		w := choosy(t, "v", "name", "up", "modified")
		res := w.run("")
		require.EqualError(t, res.result("orders").Err, "toy: orders: page 1: no such field: modified")
		require.Equal(t, fault.Refused, fault.KindOf(res.result("orders").Err))
		require.Equal(t, 3, w.warnings())
		require.Equal(t, map[string]int{"d/7/orders": 4, "d/9/orders": 1}, w.v.pathsAsked(), "refusals have a budget")
	})
	for _, name := range []string{"id", "stamp"} {
		t.Run("one that cannot be done without: "+name, func(t *testing.T) {
			w := choosy(t, name)
			res := w.run("")
			require.ErrorContains(t, res.result("orders").Err, "no such field: "+name)
			require.Equal(t, map[string]int{"d/7/orders": 1, "d/9/orders": 1}, w.v.pathsAsked())
			require.Zero(t, w.warnings())
			require.Empty(t, res.records("orders"))
		})
	}
	t.Run("one that was not asked for", func(t *testing.T) {
		w := choosy(t)
		w.refuses("d/", &stream.UnknownField{Names: []string{"color"}, Err: &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no such field: color")}})
		require.ErrorContains(t, w.run("").result("orders").Err, "no such field: color")
		require.Equal(t, map[string]int{"d/7/orders": 1, "d/9/orders": 1}, w.v.pathsAsked())
	})
	t.Run("a stream without a Select", func(t *testing.T) {
		w := choosy(t)
		w.src.Streams[0].Select = ""
		w.refuses("d/", &stream.UnknownField{Names: []string{"name"}, Err: &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no such field: name")}})
		require.ErrorContains(t, w.run("").result("orders").Err, "no such field: name")
		require.Equal(t, map[string]int{"d/7/orders": 1, "d/9/orders": 1}, w.v.pathsAsked())
	})
	t.Run("two lanes learn it at once", func(t *testing.T) {
		w := choosy(t)
		w.Concurrency = 2
		stale := 0
		for _, part := range []string{"7", "9"} {
			tt := w.v.tables["d/"+part+"/orders"]
			w.v.on["d/"+part+"/orders"] = func(c call) (string, error) {
				if strings.Contains(c.get("fields"), "name") {
					stale++
					return "", &stream.UnknownField{Names: []string{"name"}, Err: &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no such field: name")}}
				}
				return tt.answer(c, 0)
			}
		}
		require.Len(t, w.good("").records("orders"), 8)
		require.LessOrEqual(t, stale, 2)
		require.Equal(t, 1, w.warnings())
	})
}

// Rows at one of two places, or one row alone.
func TestBareAndOneRow(t *testing.T) {
	const row1, row2 = `{"id":1,"v":1,"name":"a"}`, `{"id":2,"v":1,"name":"b"}`
	for name, test := range map[string]struct {
		body string
		one  bool
		want []string
		kind fault.Kind // where nothing is wanted
	}{
		"results":                 {`{"d":{"results":[` + row1 + `,` + row2 + `]}}`, false, ids(2), 0},
		"results after a link":    {`{"d":{"__next":null,"results":[` + row1 + `]}}`, false, ids(1), 0},
		"no results":              {`{"d":{"results":[]}}`, false, ids(0), 0},
		"no results, one allowed": {`{"d":{"results":[]}}`, true, ids(0), 0},
		"bare":                    {`{"d":[` + row1 + `,` + row2 + `]}`, false, ids(2), 0},
		"bare and empty":          {`{"d":[]}`, true, ids(0), 0},
		"results, one allowed":    {`{"d":{"results":[` + row1 + `,` + row2 + `]}}`, true, ids(2), 0},
		"bare, one allowed":       {`{"d":[` + row1 + `,` + row2 + `]}`, true, ids(2), 0},
		"one row":                 {`{"d":` + row1 + `}`, true, ids(1), 0},
		"one row in results":      {`{"d":{"results":` + row1 + `}}`, true, ids(1), 0},
		"one row, not allowed":    {`{"d":` + row1 + `}`, false, nil, fault.Contract},
		"nothing":                 {`{"e":[]}`, true, nil, fault.Contract},
		"text":                    {`{"d":"no"}`, true, nil, fault.Contract},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole("orders")
			s.Records, s.Bare, s.OneRow, s.Page = "d.results", "d", test.one, stream.NextLink{Next: "d.__next"}
			w := newWorld(t, s)
			w.v.on["orders"] = func(call) (string, error) { return test.body, nil }
			res := w.run("")
			if test.want == nil {
				require.Equal(t, test.kind, fault.KindOf(res.result("orders").Err))
				return
			}
			require.NoError(t, res.result("orders").Err)
			require.Equal(t, test.want, res.records("orders"))
			require.Zero(t, w.warnings())
		})
	}
	t.Run("pages of both forms", func(t *testing.T) {
		s := whole("orders")
		s.Records, s.Bare, s.Page = "d.results", "d", stream.NextLink{Next: "d.__next"}
		w := newWorld(t, s)
		w.v.on["orders"] = func(c call) (string, error) {
			if c.get("page") == "" {
				return `{"d":{"results":[` + row1 + `],"__next":"toy://host/orders?page=2"}}`, nil
			}
			return `{"d":[` + row2 + `]}`, nil
		}
		require.Equal(t, ids(2), w.good("").records("orders"))
	})
	t.Run("beside a rider", func(t *testing.T) {
		s := whole("orders")
		s.Records, s.Bare = "d.results", "d"
		s.Page = stream.Single{}
		rider := riding("", "extra")
		w := newWorld(t, s, rider)
		w.v.on["orders"] = func(c call) (string, error) { return `{"extra":[{"id":11,"v":1}],"d":[` + row1 + `]}`, nil }
		res := w.good("")
		require.Equal(t, ids(1), res.records("orders"))
		require.Equal(t, []string{"11.1"}, res.records("lines"))
	})
}
