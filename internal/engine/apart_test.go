package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// severed are orders below accounts, one for each; with each come lines and taxes,
// both of which have a list of their own, and a head that has none.
func severed(t tb) *world {
	orders := whole("orders")
	orders.Path, orders.Records, orders.Page = "accounts/{account}/orders", "", stream.Single{}
	orders.Parent = &stream.Parent{Stream: "accounts", Bind: []stream.Bind{{From: "id", To: "account"}}, Refusals: []int{404, 409}}
	lines, taxes, head := within("lines", "lines"), within("taxes", "taxes.rows"), within("head", "head")
	lines.With.Else = []string{"orders/{id}/lines"}
	taxes.With.Else = []string{"orders/{id}/taxes", "orders/{order}/taxes/{id}"}
	lines.Schema, lines.Cursor = schemaOf(upward, modified), &stream.Cursor{Field: "modified"}
	w := newWorld(t, whole("accounts"), orders, lines, taxes, head)
	w.table("accounts", 4, func(tt *table) { tt.cursor = "" })
	for i := range 4 {
		id := i + 1
		w.answers(fmt.Sprintf("accounts/%d/orders", id), fmt.Sprintf(`[{"id":%d,"v":1,"head":{"id":%d,"v":1},"lines":null,"taxes":[{"id":%d,"order":%d,"rows":[]}]}]`, id, 50+id, 70+id, id))
		w.answers(fmt.Sprintf("orders/%d/lines", id), fmt.Sprintf(`[{"id":%d,"v":1,"modified":"2026-01-0%dT00:00:00Z"}]`, 10*id, id+1))
		w.answers(fmt.Sprintf("orders/%d/taxes/%d", id, 70+id), fmt.Sprintf(`[{"id":%d,"v":1}]`, 100+id))
	}
	return w
}

// refuse answers what is asked below a path with a fault.
func (w *world) refuse(path string, kind fault.Kind, status int) {
	w.v.before = func(c call) error {
		if strings.HasPrefix(c.path, path) && strings.Contains(c.path, "/lines") {
			return &fault.Error{Kind: kind, Status: status, Whole: kind == fault.Auth, Err: errors.New("refused")}
		}
		return nil
	}
}

const markOfLines = `{"bookmarks":{"lines":{"modified":"2026-01-01T00:00:00Z"}}}`

// What befalls a rider's own list concerns that rider alone.
func TestApartAlone(t *testing.T) {
	others := func(t *testing.T, res *outcome) {
		t.Helper()
		require.NoError(t, res.report.Err)
		require.Equal(t, ids(4), res.records("accounts"))
		require.Equal(t, ids(4), res.records("orders"))
		require.Equal(t, []string{"51.1", "52.1", "53.1", "54.1"}, res.records("head"))
		for _, name := range []string{"accounts", "orders", "head", "taxes"} {
			require.NoError(t, res.result(name).Err, name)
		}
	}
	for _, concurrency := range []int{1, 8} {
		w := severed(t)
		w.Concurrency = concurrency
		require.Equal(t, []string{"10.1", "20.1", "30.1", "40.1"}, w.good(markOfLines).records("lines"))

		w.v.calls = nil
		w.refuse("orders/", fault.Permission, 403)
		res := w.run(markOfLines)
		others(t, res)
		require.True(t, res.result("lines").Skipped)
		require.Equal(t, "toy: lines: refused", res.result("lines").Err.Error())
		require.NotContains(t, string(res.out), `"SCHEMA","stream":"lines"`)
		require.Equal(t, "2026-01-01T00:00:00Z", res.bookmark("lines", "modified"))
		if concurrency == 1 {
			require.Equal(t, 1, strings.Count(strings.Join(w.v.asked(), "\n"), "/lines"), "it is not asked for again")
		}

		// What fails after rows came is no matter of rights.
		for kind, status := range map[fault.Kind]int{fault.Permission: 403, fault.Transient: 500, fault.Refused: 400, fault.Contract: 200} {
			w.refuse("orders/3/", kind, status)
			res = w.run(markOfLines)
			others(t, res)
			require.Equal(t, kind, fault.KindOf(res.result("lines").Err))
			require.False(t, res.result("lines").Skipped)
			require.Equal(t, []string{"10.1", "20.1"}, res.records("lines"))
			require.Equal(t, "2026-01-01T00:00:00Z", res.bookmark("lines", "modified"))
		}
		w.v.before = nil
		w.answers("orders/2/lines", `[{"id":20,"v":1},{"id":null}]`)
		res = w.run(markOfLines)
		others(t, res)
		require.Equal(t, fault.Contract, fault.KindOf(res.result("lines").Err))
		require.Equal(t, []string{"10.1", "20.1"}, res.records("lines"))
	}
	t.Run("left out by one parent", func(t *testing.T) {
		w := severed(t)
		w.refuse("orders/3/", fault.Refused, 404)
		res := w.good(markOfLines)
		others(t, res)
		require.Equal(t, []string{"10.1", "20.1", "40.1"}, res.records("lines"))
		require.Equal(t, "2026-01-01T00:00:00Z", res.bookmark("lines", "modified"), "no bookmark passes what it may have")
		require.Equal(t, 1, strings.Count(w.log.String(), "cannot be read"), w.log.String())
		w.refuse("orders/", fault.Refused, 409)
		res = w.run(markOfLines)
		others(t, res)
		require.Equal(t, fault.Refused, fault.KindOf(res.result("lines").Err), "all are refused")
		require.ErrorContains(t, res.result("lines").Err, "for every row of accounts")
	})
	t.Run("what ends the run", func(t *testing.T) {
		w := severed(t)
		w.refuse("orders/2/", fault.Auth, 401)
		require.Equal(t, fault.Auth, fault.KindOf(w.run(markOfLines).report.Err))
	})
	t.Run("nobody else wants it", func(t *testing.T) {
		w := severed(t).unselect("accounts", "orders", "taxes", "head")
		w.Concurrency = 1
		w.table("accounts", 40, func(tt *table) { tt.cursor = "" })
		for i := range 40 {
			w.answers(fmt.Sprintf("accounts/%d/orders", i+1), fmt.Sprintf(`[{"id":%d,"v":1,"lines":null}]`, i+1))
		}
		w.refuse("orders/", fault.Permission, 403)
		require.True(t, w.run("").result("lines").Skipped)
		asked := strings.Join(w.v.asked(), "\n")
		require.Equal(t, 1, strings.Count(asked, "/lines"))
		require.Less(t, strings.Count(asked, "accounts/"), 10, "nor is the carrier read on, but for what was asked ahead: %s", asked)
	})
	t.Run("a step on the way", func(t *testing.T) {
		w := severed(t)
		for i := range 4 {
			w.answers(fmt.Sprintf("accounts/%d/orders", i+1), fmt.Sprintf(`[{"id":%d,"v":1,"head":{"id":%d,"v":1},"lines":[]}]`, i+1, 51+i))
			w.answers(fmt.Sprintf("orders/%d/taxes", i+1), fmt.Sprintf(`[{"id":%d,"order":%d,"rows":[{"id":%d,"v":1}]}]`, 71+i, i+1, 101+i))
		}
		require.Equal(t, []string{"101.1", "102.1", "103.1", "104.1"}, w.good("").records("taxes"))
		w.v.before = func(c call) error {
			if strings.HasSuffix(c.path, "/taxes") {
				return &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("refused")}
			}
			return nil
		}
		res := w.run("")
		require.True(t, res.result("taxes").Skipped)
		require.Equal(t, ids(4), res.records("orders"))
	})
}
