package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// within is a rider whose rows lie inside of the orders.
func within(name, path string) stream.Stream {
	s := whole(name)
	s.Path, s.Records, s.Page = "", "", nil
	s.With = &stream.With{Stream: "orders", Inside: path, Inject: []stream.Bind{{From: "id", Inject: "up"}}}
	return s
}

// answers gives a path a bare array.
func (w *world) answers(path, body string) {
	w.v.on[path] = func(call) (string, error) { return body, nil }
}

func TestInside(t *testing.T) {
	nest := func(t tb) *world {
		w := newWorld(t, whole("orders"), within("lines", "lines"), within("taxes", "lines.taxes"), within("head", "head"))
		w.table("orders", 7, func(tt *table) {
			tt.cursor = ""
			for i := range tt.rows {
				id := i + 1
				tt.rows[i].more = fmt.Sprintf(`,"head":{"id":%d,"v":1},"lines":[{"taxes":[{"id":%d,"v":1}],"id":%d,"v":1},{"id":%d,"v":1,"taxes":[]}]`, id, 100+id, 10*id, 10*id+1)
			}
			tt.rows[2].more, tt.rows[3].more = `,"lines":[],"head":null`, ``
		})
		return w
	}
	for _, chosen := range [][]string{{"orders", "lines", "taxes", "head"}, {"taxes"}, {"lines", "head"}} {
		w := nest(t).unselect("orders", "lines", "taxes", "head")
		for _, name := range chosen {
			w.src.Stream(name).Selected = true
		}
		res := w.good("")
		want := map[string][]string{
			"orders": ids(7),
			"lines":  {"10.1", "11.1", "20.1", "21.1", "50.1", "51.1", "60.1", "61.1", "70.1", "71.1"},
			"taxes":  {"101.1", "102.1", "105.1", "106.1", "107.1"},
			"head":   {"1.1", "2.1", "5.1", "6.1", "7.1"},
		}
		for _, name := range chosen {
			require.Equal(t, want[name], res.records(name), name)
		}
		require.Len(t, w.v.asked(), 3, "the orders alone are asked for")
		for _, m := range res.lines {
			if m.Type == "RECORD" && m.Stream == "taxes" {
				require.InDelta(t, m.Record["id"], m.Record["up"].(float64)+100, 0)
			}
		}
	}
	t.Run("what holds no rows", func(t *testing.T) {
		for _, more := range []string{`"none"`, `7`, `[7]`, `[null]`, `[{"id":null}]`, `{"id":"x"`} {
			w := nest(t)
			w.v.tables["orders"].rows[5].more = `,"lines":` + more
			require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("lines").Err), more)
		}
	})
	t.Run("asked for where it is not told", func(t *testing.T) {
		w := nest(t)
		lines, taxes := w.src.Stream("lines"), w.src.Stream("taxes")
		lines.With.Else = []string{"orders/{id}/lines"}
		taxes.With.Else = []string{"orders/{id}/lines", "lines/{id}/taxes"}
		rows := w.v.tables["orders"].rows
		rows[0].more = `,"lines":[{"id":10,"v":1,"taxes":null},{"id":11,"v":1,"taxes":[{"id":101,"v":1}]},{"id":12,"v":1}]`
		w.answers("lines/10/taxes", `[{"id":110,"v":1}]`)
		w.v.on["lines/12/taxes"] = func(call) (string, error) { return "", stream.NoRows }
		w.answers("orders/4/lines", `[{"id":40,"v":1},{"id":41,"v":1,"taxes":[{"id":104,"v":1}]}]`)
		w.answers("lines/40/taxes", `[]`)
		res := w.good("")
		require.Equal(t, []string{"10.1", "11.1", "12.1", "20.1", "21.1", "50.1", "51.1", "60.1", "61.1", "40.1", "41.1", "70.1", "71.1"}, res.records("lines"))
		require.Equal(t, []any{4.0, 4.0}, res.values("lines", "up")[9:11])
		require.Equal(t, []string{"101.1", "102.1", "110.1", "105.1", "106.1", "104.1", "107.1"}, res.records("taxes"))
		require.Equal(t, []any{1.0, 2.0, 1.0, 5.0, 6.0, 4.0, 7.0}, res.values("taxes", "up"))
		require.Equal(t, []string{
			"orders", "lines/10/taxes", "lines/12/taxes", "orders page=2", "orders/4/lines", "orders/4/lines", "lines/40/taxes", "orders page=3",
		}, w.v.asked())
	})
	t.Run("asked for where rows are not whole", func(t *testing.T) {
		w := nest(t)
		lines := w.src.Stream("lines")
		lines.Schema.Properties = append(lines.Schema.Properties, singer.Property{Name: "note", Schema: nullable("string", "")})
		lines.With.Else, lines.With.Whole = []string{"orders/{id}/lines"}, []string{"note"}
		rows := w.v.tables["orders"].rows[:4]
		w.v.tables["orders"].rows = rows
		rows[0].more = `,"lines":[{"id":10,"v":1,"note":""},{"id":11,"v":1,"note":"x"}]`
		rows[1].more = `,"lines":[{"id":20,"v":1,"note":"x"},{"id":21,"v":1,"note":null}]`
		rows[2].more, rows[3].more = `,"lines":[]`, `,"lines":[{"id":40,"v":1}]`
		w.answers("orders/2/lines", `[{"id":20,"v":1,"note":"x"},{"id":21,"v":1,"note":"y"}]`)
		w.answers("orders/4/lines", `[{"id":40,"v":1,"note":null}]`)
		res := w.good("")
		require.Equal(t, []string{"10.1", "11.1", "20.1", "21.1", "40.1"}, res.records("lines"))
		require.Equal(t, []any{"", "x", "x", "y", nil}, res.values("lines", "note"))
		require.Equal(t, []string{"orders", "orders/2/lines", "orders page=2", "orders/4/lines"}, w.v.asked())
	})
	t.Run("refused where it is not told", func(t *testing.T) {
		w := nest(t)
		w.src.Stream("lines").With.Else = []string{"orders/{id}/lines"}
		w.answers("orders/4/lines", `{"id":40}`)
		require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("lines").Err))
	})
}

// A rider that is wanted adds its parameters to the carrier's requests, and gets
// what the carrier's own parent gives it.
func TestInsideChild(t *testing.T) {
	lines := whole("lines")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}}
	taxes := within("taxes", "taxes")
	taxes.With.Stream, taxes.With.Inject[0].From = "lines", "up"
	taxes.With.Params = []stream.Param{{Name: "taxes", Value: "of {order}"}}
	w := newWorld(t, whole("orders"), lines, taxes)
	w.table("orders", 2, func(tt *table) { tt.cursor = "" })
	w.v.on["orders/1/lines"] = func(call) (string, error) {
		return `{"count":2,"rows":[{"id":10,"v":1,"taxes":[{"id":5,"v":1}]},{"id":11,"v":1,"up":1,"taxes":{"id":6,"v":1}}]}`, nil
	}
	w.v.on["orders/2/lines"] = func(call) (string, error) { return `{"count":0,"rows":[]}`, nil }
	require.Equal(t, []any{1.0, 1.0}, w.good("").values("taxes", "up"))
	require.Equal(t, []string{"orders", "orders/1/lines taxes=of 1", "orders/2/lines taxes=of 2"}, w.v.asked())
	w.unselect("taxes")
	require.Equal(t, []string{"10.1", "11.1"}, w.good("").records("lines"))
	require.Equal(t, []string{"orders", "orders/1/lines", "orders/2/lines"}, w.v.asked())
	// The records of the carrier are the same whatever rides on it.
	w.src.Stream("lines").Schema.Properties = append(w.src.Stream("lines").Schema.Properties, singer.Property{Name: "taxes", Schema: nullable("string", "")})
	w.good("")
	require.Equal(t, []string{"orders", "orders/1/lines taxes=of 1", "orders/2/lines taxes=of 2"}, w.v.asked())
}

// An answer that is a bare number is a row with one member.
func TestScalar(t *testing.T) {
	seats := whole("seats")
	seats.Path, seats.Records, seats.Page, seats.Scalar = "orders/{order}/seats", "", stream.Single{}, "v"
	seats.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "id"}}}
	w := newWorld(t, whole("orders"), seats)
	w.table("orders", 3, func(tt *table) { tt.cursor = "" })
	w.answers("orders/1/seats", `12`)
	w.answers("orders/2/seats", ` 0 `)
	w.v.on["orders/3/seats"] = func(call) (string, error) { return "", stream.NoRows }
	require.Equal(t, []string{"1.12", "2.0"}, w.good("").records("seats"))
	for _, body := range []string{`null`, `{"v":1}`, `[1]`, `1 2`, `x`, ``} {
		w.answers("orders/2/seats", body)
		require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("seats").Err), body)
	}
}

// What the vendor leaves null or out has a value of the table's.
func TestFill(t *testing.T) {
	s := whole("orders")
	s.Key = []string{"id", "name", "up"}
	s.Fill = []stream.Param{{Name: "name", Value: `the "{account}"`}, {Name: "up", Value: "-1", Raw: true}}
	s.Schema.Properties[2].Schema.Nullable = false
	w := newWorld(t, s)
	w.Config = stream.NewConfig(map[string]string{"account": "ours"})
	w.answers("orders", `{"rows":[{"id":1,"name":null},{"id":2,"up":2},{"up":null,"name":"n","id":3},{"id":4,"name":"","up":0}]}`)
	res := w.good("")
	require.Equal(t, []any{`the "ours"`, `the "ours"`, "n", ""}, res.values("orders", "name"))
	require.Equal(t, []any{-1.0, 2.0, -1.0, 0.0}, res.values("orders", "up"))
}

// What the row of a parent tells prunes, and nothing else.
func TestPrune(t *testing.T) {
	w := family(t)
	w.src.Stream("lines").Parent.Prune = []stream.Prune{{Member: "flag", Is: []string{"false"}}, {Member: "list", Is: []string{"[]", "0"}}}
	for i, more := range []string{`,"flag":false`, `,"flag":null,"list":null`, `,"list":[ ]`, `,"flag":true,"list":[` + strings.Repeat("1,", 40) + `1]`} {
		w.v.tables["orders"].rows[i].more = more
	}
	w.v.calls = nil
	w.good("")
	asked := strings.Join(w.v.asked(), " ")
	for id, want := range map[string]bool{"1": false, "2": true, "3": false, "4": true} {
		require.Equal(t, want, strings.Contains(asked, "orders/"+id+"/lines"), id)
	}
}

// A refusal of one parent's children leaves them out; no bookmark moves past what
// they may have, on any level below.
func TestRefusals(t *testing.T) {
	lines := changing("lines")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}, Refusals: []int{404, 409}}
	w := newWorld(t, whole("orders"), lines)
	w.table("orders", 9, func(tt *table) { tt.cursor = "" })
	tt := w.table("lines", 9)
	for i := range tt.rows {
		tt.rows[i].up = int64(i + 1)
	}
	const mark = `{"bookmarks":{"lines":{"modified":"2026-01-03T00:00:00Z"}}}`
	w.v.before = func(c call) error {
		if strings.HasPrefix(c.path, "orders/4/") {
			return &fault.Error{Kind: fault.Refused, Status: 409, Err: errors.New("in conflict")}
		}
		return nil
	}
	res := w.good(mark)
	require.Equal(t, []string{"2.1", "3.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, res.records("lines"))
	require.Equal(t, "2026-01-03T00:00:00Z", res.bookmark("lines", "modified"))
	require.Equal(t, 1, w.warnings())
	require.Contains(t, w.log.String(), "in conflict")

	w.log.Reset()
	w.v.before = func(c call) error {
		if strings.Contains(c.path, "/lines") {
			return &fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("gone")}
		}
		return nil
	}
	res = w.run(mark)
	require.Equal(t, fault.Refused, fault.KindOf(res.result("lines").Err), "all are refused")
	require.Equal(t, "2026-01-03T00:00:00Z", res.bookmark("lines", "modified"))
	require.Equal(t, toldRefusals+1, w.warnings(), w.log.String())
	w.src.Stream("lines").Parent.None = []int{404}
	require.Empty(t, w.good(mark).records("lines"))

	w.FullRefresh = []string{"lines"}
	require.Equal(t, "2026-01-03T00:00:00Z", w.good(mark).bookmark("lines", "modified"))
	w.FullRefresh = nil
	for _, status := range []int{400, 401, 429} {
		kind := map[int]fault.Kind{400: fault.Refused, 401: fault.Auth, 429: fault.Quota}[status]
		w.v.before = func(c call) error {
			if strings.Contains(c.path, "/lines") {
				return &fault.Error{Kind: kind, Status: status, Err: errors.New("no"), Whole: status != 400}
			}
			return nil
		}
		rep := w.run(mark).report
		if status != 400 {
			require.Equal(t, kind, fault.KindOf(rep.Err))
			continue
		}
		require.Equal(t, kind, fault.KindOf(rep.Streams[len(rep.Streams)-1].Err))
	}
	w.v.before = nil
	require.Equal(t, "2026-01-10", w.good(mark).bookmark("lines", "modified"))
}

// Requests of a source without partitions may be wanted one at a time.
func TestLane(t *testing.T) {
	w := family(t)
	w.src.Lane = "account"
	w.v.calls = nil
	w.good("")
	require.NotEmpty(t, w.v.calls)
	for _, c := range w.v.calls {
		require.Equal(t, "account", c.lane, c.path)
	}
}
