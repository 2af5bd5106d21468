package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Every pager reads 0, 1, n-1, n, n+1 and 2n+1 rows of pages of n, with no
// call more than the pager needs to know that it is at the end.
func TestPagers(t *testing.T) {
	post := func(s *stream.Stream) { s.Method = "POST" }
	for _, test := range []struct {
		name  string
		pager stream.Pager
		with  func(*stream.Stream)
		// calls for 0, 1, 2, 3, 4 and 7 rows in pages of 3
		calls [6]int
		last  string // the last call for 7 rows
	}{
		{"next link", link, nil, [6]int{1, 1, 1, 1, 2, 3}, "orders page=3"},
		{"number", stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 3}, nil, [6]int{1, 1, 1, 2, 2, 3}, "orders size=(3) page=(3)"},
		{"number that tells more", stream.Number{Param: "page", First: 1, Size: 3, More: "more"}, nil, [6]int{1, 1, 1, 1, 2, 3}, "orders page=(3)"},
		{"offset", stream.Offset{Param: "offset", SizeParam: "limit", Size: 3}, nil, [6]int{1, 1, 1, 2, 2, 3}, "orders limit=(3) offset=(6)"},
		{"offset until empty", stream.Offset{Param: "offset", SizeParam: "limit", Size: 3, UntilEmpty: true}, nil, [6]int{1, 2, 2, 2, 3, 4}, "orders limit=(3) offset=(7)"},
		{"offset in a body", stream.Offset{Param: "offset", SizeParam: "limit", Size: 3, Total: "count"}, post, [6]int{1, 1, 1, 1, 2, 3}, "orders limit=(3) offset=(6)"},
		{
			"token",
			stream.Token{Param: "token", Token: "page.token", SizeParam: "size", Size: 3, Drop: []string{"sort"}},
			func(s *stream.Stream) {
				s.Params = []stream.Param{{Name: "sort", Value: "id"}, {Name: "all", Value: "true"}}
			},
			[6]int{1, 1, 1, 1, 2, 3},
			"orders all=true size=(3) token=t6",
		},
		{"token that tells more", stream.Token{Param: "token", Token: "page.token", More: "more"}, nil, [6]int{1, 1, 1, 1, 2, 3}, "orders token=t6"},
		{"keyset", stream.Keyset{Param: "after", Field: "id", SizeParam: "limit", Size: 3, First: "0"}, nil, [6]int{1, 1, 1, 2, 2, 3}, "orders limit=(3) after=(6)"},
		{"keyset until empty", stream.Keyset{Param: "after", Field: "id", Size: 3, UntilEmpty: true}, post, [6]int{1, 2, 2, 2, 3, 4}, "orders after=(7)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i, n := range []int{0, 1, 2, 3, 4, 7} {
				s := whole("orders")
				s.Page = test.pager
				if test.with != nil {
					test.with(&s)
				}
				w := newWorld(t, s)
				w.table("orders", n)
				res := w.good("")
				require.Equal(t, ids(n), res.records("orders"))
				for _, c := range w.v.calls {
					require.Equal(t, "orders", c.resource)
					if s.Method != "" {
						require.Equal(t, s.Method, c.method)
					}
				}
				asked := w.v.asked()
				require.Len(t, asked, test.calls[i], "%d rows: %q", n, asked)
				if n == 7 {
					require.Equal(t, test.last, asked[len(asked)-1])
				}
				require.Empty(t, res.bookmark("orders"))
			}
		})
	}
}

func TestSingleAndOneRow(t *testing.T) {
	all, one, bare := whole("orders"), whole("company"), whole("plain")
	all.Page, one.Page, bare.Page = stream.Single{}, nil, nil
	one.OneRow = true
	bare.Records = ""
	w := newWorld(t, all, one, bare)
	w.table("orders", 5, func(tt *table) { tt.size = 9 })
	w.v.on["company"] = func(call) (string, error) { return `{"rows":{"id":1,"v":7}}`, nil }
	w.v.on["plain"] = func(call) (string, error) { return `[{"id":1,"v":2},{"id":2,"v":2}]`, nil }
	res := w.good("")
	require.Equal(t, ids(5), res.records("orders"))
	require.Equal(t, []string{"1.7"}, res.records("company"))
	require.Equal(t, []string{"1.2", "2.2"}, res.records("plain"))
	require.Len(t, w.v.calls, 3)

	w.v.on["company"] = func(call) (string, error) { return `{"rows":null}`, nil }
	require.Empty(t, w.good("").records("company"))
}

func TestNoRowsIsAnEmptyStream(t *testing.T) {
	w := newWorld(t, whole("orders"), changing("items"))
	w.table("orders", 0, func(tt *table) { tt.empty = true })
	w.table("items", 0, func(tt *table) { tt.empty = true })
	res := w.good("")
	require.Empty(t, res.records("orders"))
	require.Equal(t, `{"bookmarks":{"items":{"_without_key":0}},"currently_syncing":null}`, res.state())
}

// What the catalog deselects is neither written nor lost to bookmarks.
func TestDeselectedProperties(t *testing.T) {
	w := newWorld(t, changing("orders"))
	w.src.Streams[0].Hidden = []string{"name", "up", "v"}
	w.table("orders", 2)
	res := w.good("")
	require.Equal(t, []any{"2026-01-02T00:00:00.000000Z", "2026-01-03T00:00:00.000000Z"}, res.values("orders", "modified"))
	require.NotContains(t, string(res.out), `"name"`)
	require.Equal(t, "2026-01-03", res.bookmark("orders", "modified"))
}

// family is orders, their lines, and the lines' taxes.
func family(t *testing.T) *world {
	lines, taxes := whole("lines"), whole("taxes")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}}
	taxes.Path = "lines/{line}/taxes"
	taxes.Parent = &stream.Parent{Stream: "lines", Bind: []stream.Bind{{From: "id", To: "line"}}}
	w := newWorld(t, changing("orders"), lines, taxes)
	w.table("orders", 4)
	kids := w.table("lines", 0, func(tt *table) { tt.cursor = "" })
	taxed := w.table("taxes", 0, func(tt *table) { tt.cursor = "" })
	for order := int64(1); order <= 4; order++ {
		for i := range order {
			kids.rows = append(kids.rows, trow{id: 10*order + i, v: 1, up: order})
		}
		taxed.rows = append(taxed.rows, trow{id: 100 * order, v: 1, up: 10 * order})
	}
	return w
}

func TestChildren(t *testing.T) {
	lines := []string{"10.1", "20.1", "21.1", "30.1", "31.1", "32.1", "40.1", "41.1", "42.1", "43.1"}
	taxes := []string{"100.1", "200.1", "300.1", "400.1"}

	t.Run("two levels", func(t *testing.T) {
		w := family(t)
		res := w.good("")
		require.Equal(t, ids(4), res.records("orders"))
		require.Equal(t, lines, res.records("lines"))
		require.Equal(t, taxes, res.records("taxes"))
		require.Equal(t, []any{1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0}, res.values("lines", "up"))
		// 2 of orders, one for each order of up to 3 lines, 2 for that of 4, one for
		// each line.
		require.Len(t, w.v.calls, 2+5+10)
	})
	t.Run("the parents unselected", func(t *testing.T) {
		w := family(t).unselect("orders", "lines")
		res := w.good("")
		require.Empty(t, res.records("orders"))
		require.Empty(t, res.records("lines"))
		require.Equal(t, taxes, res.records("taxes"))
		require.Equal(t, `{"bookmarks":{},"currently_syncing":null}`, res.state())
		require.NotContains(t, string(res.out), `"stream":"orders"`)
	})
	t.Run("all parents, not only the new ones", func(t *testing.T) {
		w := family(t)
		res := w.good(w.good("").state())
		require.Equal(t, []string{"4.1"}, res.records("orders"))
		require.Equal(t, lines, res.records("lines"))
	})
	t.Run("the child comes first in the catalog", func(t *testing.T) {
		w := family(t)
		w.src.Streams[0], w.src.Streams[2] = w.src.Streams[2], w.src.Streams[0]
		res := w.good("")
		require.Equal(t, lines, res.records("lines"))
		require.Equal(t, taxes, res.records("taxes"))
	})
	t.Run("pruned", func(t *testing.T) {
		w := family(t)
		w.src.Stream("lines").Parent.Prune = []stream.Prune{{Member: "id", Is: []string{"2"}}}
		w.v.calls = nil
		res := w.good("")
		require.Equal(t, []string{"10.1", "30.1", "31.1", "32.1", "40.1", "41.1", "42.1", "43.1"}, res.records("lines"))
		for _, c := range w.v.asked() {
			require.NotContains(t, c, "orders/2/")
		}
	})
	t.Run("a parent without what the path needs", func(t *testing.T) {
		w := family(t)
		w.src.Stream("lines").Parent.Bind[0].From = "ref"
		w.src.Stream("lines").Parent.Bind[0].Inject = ""
		for i, ref := range []string{`,"ref":"1"`, `,"ref":null`, ``, `,"ref":4`} {
			w.v.tables["orders"].rows[i].more = ref
		}
		require.Equal(t, []string{"10.1", "40.1", "41.1", "42.1", "43.1"}, w.good("").records("lines"))
	})
	t.Run("a parent whose children cannot be read", func(t *testing.T) {
		w := family(t)
		w.v.on["orders/3/lines"] = func(call) (string, error) { return "", stream.SkipParent }
		res := w.good("")
		require.Equal(t, []string{"10.1", "20.1", "21.1", "40.1", "41.1", "42.1", "43.1"}, res.records("lines"))
		require.Equal(t, 1, w.warnings())
	})
	t.Run("a key that has to be escaped", func(t *testing.T) {
		w := family(t)
		w.src.Stream("lines").Parent.Bind = []stream.Bind{{From: "code", To: "order"}}
		w.v.tables["orders"].rows = w.v.tables["orders"].rows[:1]
		w.v.tables["orders"].rows[0].more = `,"code":"a/b ..?\u00e9"`
		w.v.on["orders/a/b ..?é/lines"] = func(call) (string, error) { return `{"rows":[{"id":5,"v":1}],"next":null}`, nil }
		require.Equal(t, []string{"5.1"}, w.good("").records("lines"))
	})
}

func TestChildrenOfFailedParents(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Contract, fault.Refused, fault.Transient, fault.Permission} {
		w := family(t)
		w.v.before = func(c call) error {
			if c.path == "orders" && c.get("page") == "2" {
				return &fault.Error{Kind: kind, Status: 418, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run("")
		require.NoError(t, res.report.Err)
		for _, name := range []string{"orders", "lines", "taxes"} {
			r := res.result(name)
			require.Equal(t, kind, fault.KindOf(r.Err), "%s: %v", name, r.Err)
			require.False(t, r.Skipped, "its parent was read in part")
		}
		require.Contains(t, res.result("taxes").Err.Error(), "toy: taxes: needs every row of lines: toy: lines: needs every row of orders")
		require.Empty(t, res.records("lines"))
	}
	t.Run("an absent parent", func(t *testing.T) {
		w := family(t)
		w.src.Stream("orders").Optional = true
		delete(w.v.tables, "orders")
		res := w.run("")
		for _, name := range []string{"orders", "lines", "taxes"} {
			require.True(t, res.result(name).Absent, name)
		}
	})
}

// A child that is read only for changed parents follows them by a mark of its
// own: the parents' bookmark moves before the children are read.
func TestChangedParents(t *testing.T) {
	changed := func(t *testing.T) *world {
		w := family(t)
		w.src.Streams = w.src.Streams[:2]
		w.src.Stream("lines").Parent.Changed = true
		return w
	}
	lines := []string{"10.1", "20.1", "21.1", "30.1", "31.1", "32.1", "40.1", "41.1", "42.1", "43.1"}
	ofLast := []string{"40.1", "41.1", "42.1", "43.1"}

	t.Run("only theirs", func(t *testing.T) {
		w := changed(t)
		first := w.good("")
		require.Equal(t, lines, first.records("lines"))
		require.Equal(t, "2026-01-05", first.bookmark("lines", parentsUntil))
		w.v.tables["orders"].touch(2, day(3, 1))
		res := w.good(first.state())
		require.Equal(t, []string{"2.2", "4.1"}, res.records("orders"))
		require.Equal(t, []string{"20.1", "21.1", "40.1", "41.1", "42.1", "43.1"}, res.records("lines"))
		require.Equal(t, "2026-03-01", res.bookmark("lines", parentsUntil))
	})
	t.Run("killed between the parents and the children", func(t *testing.T) {
		w := changed(t)
		first := w.good("").state()
		w.v.tables["orders"].touch(1, day(2, 1))
		w.v.before = func(c call) error {
			if strings.HasSuffix(c.path, "/lines") {
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run(first)
		require.Equal(t, []string{"1.2", "4.1"}, res.records("orders"))
		require.Equal(t, "2026-02-01", res.bookmark("orders", "modified"))
		require.Equal(t, "2026-01-05", res.bookmark("lines", parentsUntil))
		w.v.before = nil
		res = w.good(res.state())
		require.Equal(t, []string{"1.2"}, res.records("orders"))
		require.Equal(t, []string{"10.1", "40.1", "41.1", "42.1", "43.1"}, res.records("lines"))
	})
	t.Run("selected later", func(t *testing.T) {
		w := changed(t)
		w.unselect("lines")
		state := w.good("").state()
		w.src.Stream("lines").Selected = true
		res := w.good(state)
		require.Equal(t, []string{"4.1"}, res.records("orders"))
		require.Equal(t, lines, res.records("lines"))
		require.Equal(t, ofLast, w.good(res.state()).records("lines"))
	})
	t.Run("the parent unselected", func(t *testing.T) {
		w := changed(t).unselect("orders")
		first := w.good("")
		require.Equal(t, lines, first.records("lines"))
		require.Empty(t, first.bookmark("orders"))
		w.v.tables["orders"].touch(1, day(2, 1))
		require.Equal(t, []string{"10.1", "40.1", "41.1", "42.1", "43.1"}, w.good(first.state()).records("lines"))
	})
	t.Run("read anew", func(t *testing.T) {
		w := changed(t)
		state := w.good("").state()
		w.FullRefresh = []string{"lines"}
		res := w.good(state)
		require.Equal(t, []string{"4.1"}, res.records("orders"))
		require.Equal(t, lines, res.records("lines"))
	})
	t.Run("with children of its own all are read", func(t *testing.T) {
		w := family(t)
		w.src.Stream("lines").Parent.Changed = true
		state := w.good("").state()
		require.Equal(t, []string{"100.1", "200.1", "300.1", "400.1"}, w.good(state).records("taxes"))
	})
	t.Run("a parent without bookmark", func(t *testing.T) {
		w := changed(t)
		w.src.Stream("orders").Cursor = nil
		state := w.good("").state()
		require.Equal(t, lines, w.good(state).records("lines"))
	})
	t.Run("parents without a date always count", func(t *testing.T) {
		w := changed(t)
		w.src.Stream("orders").Cursor = &stream.Cursor{Field: "modified"}
		w.v.tables["orders"].rows[0].at = null
		state := w.good("").state()
		require.Equal(t, append([]string{"10.1"}, ofLast...), w.good(state).records("lines"))
	})
	t.Run("parents that are read twice", func(t *testing.T) {
		w := changed(t)
		w.Window = 1 // every order lies on an edge
		first := w.good("")
		require.Len(t, first.records("orders"), 8)
		require.Equal(t, lines, first.records("lines"), "their children are read once")
		w.v.tables["orders"].touch(1, day(1, 6))
		w.v.before = func(c call) error {
			if c.path == "orders" && c.get("since") > "2026-01-06" {
				w.v.tables["orders"].touch(2, day(1, 8)) // comes once more, and later
				w.v.before = nil
			}
			return nil
		}
		w.v.tables["orders"].rows[1].at = day(1, 5)
		second := w.good(first.state())
		require.Equal(t, []string{"10.1", "20.1", "21.1", "40.1", "41.1", "42.1", "43.1"}, second.records("lines"))
		require.Equal(t, "2026-01-08", second.bookmark("lines", parentsUntil))
	})
	t.Run("its mark never goes back", func(t *testing.T) {
		w := changed(t)
		w.Lookback = 24 * 300 * time.Hour
		w.Start = time.Time{}
		const mark = `{"bookmarks":{"orders":{"modified":"2026-05-01T00:00:00Z"},"lines":{"_parents_until":"2026-05-01T00:00:00Z"}}}`
		res := w.good(mark)
		require.Equal(t, lines, res.records("lines"))
		require.Equal(t, "2026-05-01T00:00:00Z", res.bookmark("lines", parentsUntil))
	})
	t.Run("no parents with children", func(t *testing.T) {
		w := changed(t)
		w.src.Stream("lines").Parent.Prune = []stream.Prune{{Member: "id", Is: []string{"1", "2", "3", "4", "5"}}}
		require.Equal(t, "2026-01-05", w.good("").bookmark("lines", parentsUntil))
	})
	t.Run("garbage", func(t *testing.T) {
		res := changed(t).run(`{"bookmarks":{"lines":{"_parents_until":"yesterday"}}}`)
		require.Equal(t, fault.State, fault.KindOf(res.report.Err))
	})
}

// A child's bookmark is one for all parents, and moves when all were read.
func TestIncrementalChildren(t *testing.T) {
	lines := changing("lines")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}}
	w := newWorld(t, whole("orders"), lines)
	w.Window = 30
	w.table("orders", 3, func(tt *table) { tt.cursor = "" })
	kids := w.table("lines", 0)
	for i := range int64(9) {
		kids.rows = append(kids.rows, trow{id: i + 1, v: 1, up: i%3 + 1, at: day(time.Month(i+1), 3)})
	}
	w.v.before = func(c call) error {
		if c.path == "orders/3/lines" && c.get("since") > "2026-08" {
			return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
		}
		return nil
	}
	failed := w.run("")
	require.Error(t, failed.result("lines").Err)
	require.Equal(t, []string{"1.1", "4.1", "7.1", "2.1", "5.1", "8.1", "3.1", "6.1"}, failed.records("lines"))
	require.Empty(t, failed.bookmark("lines", "modified"))
	w.v.before = nil
	res := w.good(failed.state())
	require.Equal(t, "2026-09-03", res.bookmark("lines", "modified"))
	require.Len(t, res.records("lines"), 9)
	require.Equal(t, []string{"9.1"}, w.good(res.state()).records("lines"))

	t.Run("the filter ignored", func(t *testing.T) {
		kids.noFilter = true
		w.v.calls = nil
		res := w.good(res.state())
		require.Equal(t, []string{"9.1"}, res.records("lines"))
		kids.touch(1, day(10, 1))
		kids.touch(2, day(10, 2))
		res = w.good(res.state())
		require.Equal(t, []string{"1.2", "2.2", "9.1"}, res.records("lines"))
		require.Equal(t, "2026-10-02", res.bookmark("lines", "modified"))
		require.Equal(t, 2, strings.Count(w.log.String(), "ignores the date filter"), "one warning a run")
	})
}

func riding(on string, records string) stream.Stream {
	s := whole("lines")
	s.Path, s.Page, s.Records = "", nil, records
	s.With = &stream.With{Stream: "orders"}
	if on != "" {
		s.With.On, s.With.From = on, "row"
		s.With.Inject = []stream.Bind{{From: "id", Inject: "up"}}
		s.Ignore = []string{"row"}
	}
	return s
}

func TestRiders(t *testing.T) {
	carrier := func() stream.Stream {
		s := whole("orders")
		s.Ignore = []string{"row"}
		return s
	}
	pages := func(before bool) func(c call) (string, error) {
		return func(c call) (string, error) {
			first := c.get("page") == ""
			rows, lines, next := `[{"id":1,"row":0,"v":1},{"id":2,"row":1,"v":1}]`, `[{"id":11,"row":1,"v":1},{"row":0,"id":12,"v":1}]`, `"toy://host/orders?page=2"`
			if !first {
				rows, lines, next = `[{"id":3,"row":0,"v":1}]`, `[{"id":13,"row":0,"v":1}]`, "null"
			}
			if before {
				return fmt.Sprintf(`{"lines":%s,"rows":%s,"next":%s}`, lines, rows, next), nil
			}
			return fmt.Sprintf(`{"rows":%s,"next":%s,"lines":%s}`, rows, next, lines), nil
		}
	}
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprint("joined, rider first: ", before), func(t *testing.T) {
			w := newWorld(t, carrier(), riding("row", "lines"))
			w.v.on["orders"] = pages(before)
			res := w.good("")
			require.Equal(t, ids(3), res.records("orders"))
			require.Equal(t, []string{"11.1", "12.1", "13.1"}, res.records("lines"))
			require.Equal(t, []any{2.0, 1.0, 3.0}, res.values("lines", "up"))
			require.Len(t, w.v.calls, 2)
			require.Zero(t, w.warnings(), w.log.String())
		})
	}
	t.Run("not joined", func(t *testing.T) {
		rider := riding("", "lines")
		rider.Ignore = []string{"row"}
		w := newWorld(t, carrier(), rider)
		w.v.on["orders"] = pages(true)
		res := w.good("")
		require.Equal(t, []string{"11.1", "12.1", "13.1"}, res.records("lines"))
		require.Equal(t, []any{nil, nil, nil}, res.values("lines", "up"))
	})
	t.Run("only the rider is selected", func(t *testing.T) {
		w := newWorld(t, carrier(), riding("row", "lines")).unselect("orders")
		w.v.on["orders"] = pages(false)
		res := w.good("")
		require.NotContains(t, string(res.out), `"stream":"orders"`)
		require.Equal(t, []any{2.0, 1.0, 3.0}, res.values("lines", "up"))
		require.Contains(t, string(res.out), `"currently_syncing":"lines"`)
	})
	t.Run("a row that belongs to none", func(t *testing.T) {
		for _, lines := range []string{`[{"id":11,"row":7,"v":1}]`, `[{"id":11,"v":1}]`} {
			w := newWorld(t, carrier(), riding("row", "lines"))
			w.v.on["orders"] = func(call) (string, error) {
				return `{"rows":[{"id":1,"row":0},{"id":2}],"lines":` + lines + `}`, nil
			}
			res := w.run("")
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
			require.ErrorContains(t, res.result("lines").Err, "belongs to no row of orders")
		}
	})
	t.Run("the rider's rows are not there", func(t *testing.T) {
		w := newWorld(t, carrier(), riding("", "lines"))
		w.v.on["orders"] = func(call) (string, error) { return `{"rows":[{"id":1,"row":0}]}`, nil }
		require.ErrorContains(t, w.run("").result("lines").Err, "json: lines: found nothing")
		w.src.Stream("lines").Optional = true
		require.Empty(t, w.good("").records("lines"))
		w.src.Stream("lines").Optional = false
		w.v.on["orders"] = func(call) (string, error) { return `{"rows":[]}`, nil }
		require.Empty(t, w.good("").records("lines"), "where the carrier has no rows, none are missed")
		w.v.on["orders"] = func(call) (string, error) { return `{"rows":[{"id":1}],"lines":null}`, nil }
		require.Empty(t, w.good("").records("lines"))
	})
	t.Run("children of a rider", func(t *testing.T) {
		taxes := whole("taxes")
		taxes.Path = "lines/{line}/taxes"
		taxes.Parent = &stream.Parent{Stream: "lines", Bind: []stream.Bind{{From: "id", To: "line"}}}
		w := newWorld(t, carrier(), riding("row", "lines"), taxes)
		w.v.on["orders"] = pages(false)
		w.table("taxes", 0, func(tt *table) {
			tt.cursor, tt.rows = "", []trow{{id: 1, v: 1, up: 11}, {id: 2, v: 1, up: 13}}
		})
		require.Equal(t, []string{"1.1", "2.1"}, w.good("").records("taxes"))
	})
}

// A rider's bookmark does not follow the carrier's windows.
func TestIncrementalRiders(t *testing.T) {
	rider := changing("lines")
	rider.Path, rider.Page, rider.Records = "", nil, "lines"
	rider.Cursor = &stream.Cursor{Field: "modified"}
	rider.With = &stream.With{Stream: "orders"}
	w := newWorld(t, changing("orders"), rider)
	w.Window = 30
	fail := true
	w.v.on["orders"] = func(c call) (string, error) {
		switch since := c.get("since"); {
		case since == "1970-01-01T00:00:00.000000Z", since == "":
			return `{"count":1,"rows":[],"lines":[],"next":null}`, nil
		case since < "2026-01-31" && c.get("until") >= "2026-01-31":
			return `{"count":1,"rows":[{"id":1,"v":1,"modified":"2026-01-05T00:00:00Z"}],"lines":[{"id":11,"v":1,"modified":"2026-08-01T00:00:00Z"}],"next":null}`, nil
		case since < "2026-06-01" && c.get("until") >= "2026-06-01":
			if fail {
				return "", &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return `{"count":1,"rows":[{"id":2,"v":1,"modified":"2026-06-01T00:00:00Z"}],"lines":[{"id":12,"v":1,"modified":"2026-04-01T00:00:00Z"}],"next":null}`, nil
		}
		return `{"count":0,"rows":[],"lines":[],"next":null}`, nil
	}
	first := w.run("")
	require.Equal(t, "2026-01-05", first.bookmark("orders", "modified"))
	require.Empty(t, first.bookmark("lines", "modified"), "a later window holds rows with lower values")
	fail = false
	second := w.good(first.state())
	require.Contains(t, second.records("lines"), "12.1")
	require.Equal(t, "2026-06-01", second.bookmark("orders", "modified"))
	require.Equal(t, "2026-08-01", second.bookmark("lines", "modified"))
}

func wide(n int) stream.Stream {
	s := changing("orders")
	for i := range n {
		s.Schema.Properties = append(s.Schema.Properties, singer.Property{Name: fmt.Sprintf("f%d", i), Schema: nullable("string", "")})
	}
	s.Hidden = []string{"v", "name", "up"}
	s.Chunked = &stream.Chunked{Param: "fields", Max: 4, Always: []string{"id", "modified"}, Key: "id", IDs: "ids", MaxIDs: 2}
	return s
}

// picky answers with the fields that are asked for, and the last of all twice.
func picky(w *world, tt *table) {
	tt.spare = true
	w.v.on["orders"] = func(c call) (string, error) {
		if c.get("fields") == "" {
			return "", errors.New("no fields")
		}
		fields := strings.Split(c.get("fields"), ",")
		for i := range tt.rows {
			r := &tt.rows[i]
			r.more = ""
			for _, f := range fields {
				if strings.HasPrefix(f, "f") {
					r.more += fmt.Sprintf(`,%q:"%s of %d"`, f, f, r.id)
				}
			}
		}
		return tt.answer(c, 0)
	}
}

func TestChunked(t *testing.T) {
	w := newWorld(t, wide(5))
	tt := w.table("orders", 4)
	picky(w, tt)
	res := w.good("")
	require.Equal(t, []any{1.0, 2.0, 3.0, 4.0}, res.values("orders", "id"))
	for i := range 5 {
		require.Equal(t, fmt.Sprintf("f%d of 4", i), res.values("orders", fmt.Sprintf("f%d", i))[3])
	}
	require.Equal(t, "2026-01-05", res.bookmark("orders", "modified"))
	window := []string{}
	for _, c := range w.v.asked() {
		if strings.Contains(c, "until=2026-11-21T10") || strings.Contains(c, "ids=4") {
			window = append(window, c)
		}
	}
	require.Equal(t, []string{
		"orders fields=id,modified,f0,f1 since=2026-01-01 until=2026-11-21T10:00:00.000000Z",
		"orders fields=id,modified,f0,f1 page=2 since=2026-01-01 until=2026-11-21T10:00:00.000000Z",
		"orders fields=id,modified,f2,f3 ids=4",
		"orders fields=id,modified,f4 ids=4",
	}, window)

	t.Run("few fields are one call", func(t *testing.T) {
		w := newWorld(t, wide(2))
		tt := w.table("orders", 2)
		picky(w, tt)
		require.Equal(t, []any{"f1 of 1", "f1 of 2"}, w.good("").values("orders", "f1"))
		require.Len(t, w.v.calls, 2)
	})
	t.Run("a row goes between two calls", func(t *testing.T) {
		w := newWorld(t, wide(5))
		tt := w.table("orders", 3)
		picky(w, tt)
		w.v.before = func(c call) error {
			if c.n == 2 {
				tt.drop(2)
			}
			return nil
		}
		require.Equal(t, []any{1.0, 3.0}, w.good("").values("orders", "id"))
	})
	t.Run("all rows go", func(t *testing.T) {
		w := newWorld(t, wide(5))
		tt := w.table("orders", 1, func(tt *table) { tt.empty = true })
		picky(w, tt)
		w.v.before = func(c call) error {
			if c.n == 2 {
				tt.drop(1)
			}
			return nil
		}
		require.Empty(t, w.good("").values("orders", "id"))
	})
	t.Run("rows go for ever", func(t *testing.T) {
		w := newWorld(t, wide(5))
		tt := w.table("orders", 3)
		picky(w, tt)
		w.v.before = func(c call) error {
			if c.get("ids") != "" && len(tt.rows) > 0 {
				tt.rows[0].id += 100
			}
			return nil
		}
		res := w.run("")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
		require.Empty(t, res.bookmark("orders", "modified"))
	})
	t.Run("a broken batch", func(t *testing.T) {
		for body, message := range map[string]string{
			`{"rows":[{"id":1,"f2"]}`:       "toy: orders: page 1: json:",
			`{"rows":[{"id":1,"id":1},3]}`:  "in place of row 2",
			`{"rows":{}}`:                   "an object in place of an array",
			`{"rows":[{"id":1,"f2":"\x"}]}`: "toy: orders: page 1: json:",
		} {
			w := newWorld(t, wide(3))
			tt := w.table("orders", 1)
			picky(w, tt)
			w.v.spoil = func(c call, b string) string {
				if c.get("ids") != "" {
					return body
				}
				return b
			}
			res := w.run("")
			require.ErrorContains(t, res.result("orders").Err, message)
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
		}
	})
	t.Run("a failing batch names its page", func(t *testing.T) {
		w := newWorld(t, wide(5))
		tt := w.table("orders", 3)
		picky(w, tt)
		w.v.before = func(c call) error {
			if c.get("ids") != "" {
				return &fault.Error{Kind: fault.Refused, Err: errors.New("no ids today")}
			}
			return nil
		}
		require.EqualError(t, w.run("").result("orders").Err, "toy: orders: page 1: no ids today")
	})
}

func namesOf(fields []stream.Property) []string {
	var names []string
	for _, p := range fields {
		names = append(names, p.Name)
	}
	return names
}

// bulk is a stream read by jobs; states says how often its job is not ready.
func bulk(waits int, own bool) stream.Stream {
	s := changing("orders")
	s.Page, s.Path = nil, ""
	polls := map[string]int{}
	s.Job = &stream.Job{
		Create: func(r stream.Read) (*stream.Request, error) {
			return &stream.Request{Method: "POST", URL: "jobs", Params: []stream.Param{
				{Name: "since", Value: r.From},
				{Name: "until", Value: r.To},
				{Name: "fields", Value: strings.Join(namesOf(r.Fields), ",")},
			}}, nil
		},
		Poll: func(r *stream.Response) (stream.Step, error) {
			id := string(r.Body)
			if polls[id]++; polls[id] <= waits+1 {
				return stream.Step{Ask: &stream.Request{URL: "jobs/" + id}, After: time.Minute}, nil
			}
			return stream.Step{Download: &stream.Request{URL: "files/" + id}}, nil
		},
	}
	if own {
		s.Job.Rows = func(body []byte, row func([]byte) error) (*stream.Request, error) {
			lines := strings.Split(string(body), "\n")
			for _, l := range lines[1:] {
				var id, v int
				var at string
				if _, err := fmt.Sscanf(l, "%d;%d;%s", &id, &v, &at); err != nil {
					return nil, err
				}
				if err := row(fmt.Appendf(nil, `{"id":%d,"v":%d,"modified":%q}`, id, v, at)); err != nil {
					return nil, err
				}
			}
			if lines[0] == "" {
				return nil, nil
			}
			return &stream.Request{Method: "POST", URL: "jobs", Params: []stream.Param{{Name: "token", Value: lines[0]}}}, nil
		}
	}
	return s
}

func TestJobs(t *testing.T) {
	t.Run("JSON", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, bulk(1, false))
			tt := w.table("orders", 3)
			w.v.on["jobs"] = func(call) (string, error) { return "7", nil }
			w.v.on["jobs/7"] = w.v.on["jobs"]
			w.v.on["files/7"] = func(call) (string, error) { return tt.answer(call{}, 0) }
			began := time.Now()
			res := w.good("")
			require.Equal(t, ids(3), res.records("orders"))
			require.Equal(t, "2026-01-04", res.bookmark("orders", "modified"))
			require.Equal(t, 2*time.Minute, time.Since(began))
			require.Equal(t, []string{
				"jobs since=2026-01-01 until=2026-11-21T10:00:00.000000Z fields=id,v,name,up,modified",
				"jobs/7", "jobs/7", "files/7",
			}, w.v.asked())
		})
	})
	t.Run("two files in a form of their own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, bulk(0, true))
			w.v.on["jobs"] = func(c call) (string, error) { return "7" + c.get("token"), nil }
			w.v.on["jobs/7"] = func(call) (string, error) { return "7", nil }
			w.v.on["jobs/7b"] = func(call) (string, error) { return "7b", nil }
			w.v.on["files/7"] = func(call) (string, error) { return "b\n1;1;2026-01-05T00:00:00Z\n2;1;2026-01-09T00:00:00Z", nil }
			w.v.on["files/7b"] = func(call) (string, error) { return "\n3;1;2026-01-07T00:00:00Z", nil }
			res := w.good("")
			require.Equal(t, ids(3), res.records("orders"))
			require.Equal(t, "2026-01-09", res.bookmark("orders", "modified"))
			require.Len(t, w.v.calls, 6)
		})
	})
	t.Run("side by side", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := bulk(9, false), bulk(9, false)
			b.Name = "items"
			w := newWorld(t, a, b)
			w.Concurrency = 2
			tt := w.table("orders", 3)
			for _, id := range []string{"orders", "items"} {
				w.v.on["jobs/"+id] = func(call) (string, error) { return id, nil }
				w.v.on["files/"+id] = func(c call) (string, error) {
					require.Zero(t, c.maxBody, "files are read in turn")
					return tt.answer(call{}, 0)
				}
			}
			w.v.on["jobs"] = func(c call) (string, error) { return c.resource, nil }
			began := time.Now()
			res := w.good("")
			require.Equal(t, ids(3), res.records("items"))
			require.Equal(t, 10*time.Minute, time.Since(began), "the second does not wait for the first to be made")
		})
	})
	t.Run("nothing to read", func(t *testing.T) {
		w := newWorld(t, bulk(0, true))
		w.v.on["jobs"] = func(c call) (string, error) { return "", stream.NoRows }
		require.Empty(t, w.good("").records("orders"))
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, bulk(0, false))
			w.v.on["jobs"] = func(c call) (string, error) { return "7", nil }
			w.v.on["jobs/7"] = w.v.on["jobs"]
			w.v.on["files/7"] = func(call) (string, error) { return "<html>", nil }
			res := w.run("")
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
			require.ErrorContains(t, res.result("orders").Err, "toy: orders: page 1: json:")
		})
	})
	t.Run("cancelled while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, bulk(1000000, false))
			w.v.on["jobs"] = func(c call) (string, error) { return "7", nil }
			w.v.on["jobs/7"] = w.v.on["jobs"]
			ctx, stop := context.WithTimeoutCause(t.Context(), time.Hour, errStop)
			defer stop()
			require.ErrorIs(t, w.runCtx(ctx, "").report.Err, errStop)
		})
	})
	t.Run("a poll that leads nowhere", func(t *testing.T) {
		s := bulk(0, false)
		s.Job.Poll = func(*stream.Response) (stream.Step, error) { return stream.Step{}, nil }
		w := newWorld(t, s)
		w.v.on["jobs"] = func(c call) (string, error) { return "7", nil }
		require.Equal(t, fault.Internal, fault.KindOf(w.run("").result("orders").Err))
	})
}

var errStop = errors.New("enough")

// scoped is a source cut into the partitions 7 and 9.
func scoped(t *testing.T, s stream.Stream) *world {
	s.Path = "d/{partition}/" + s.Path
	s.Scope = "division"
	s.Key = append([]string{"_division"}, s.Key...)
	s.Schema.Properties = append([]singer.Property{{Name: "_division", Schema: &singer.Schema{Type: "integer"}}}, s.Schema.Properties...)
	w := newWorld(t, s)
	w.src.Scopes["division"] = stream.Scope{
		Inject: []string{"_division"},
		Expand: func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) {
			return []stream.Partition{
				{ID: "7", Inject: []string{"7"}, Lane: "seven"},
				{ID: "9", Inject: []string{"9"}},
			}, nil
		},
	}
	return w
}

func TestPartitions(t *testing.T) {
	w := scoped(t, changing("orders"))
	w.table("d/7/orders", 2)
	w.table("d/9/orders", 4)
	res := w.good("")
	require.Equal(t, []string{"1.1", "2.1", "1.1", "2.1", "3.1", "4.1"}, res.records("orders"))
	require.Equal(t, []any{7.0, 7.0, 9.0, 9.0, 9.0, 9.0}, res.values("orders", "_division"))
	require.Equal(t, "2026-01-03", res.bookmark("orders", "partitions", "7", "modified"))
	require.Equal(t, "2026-01-05", res.bookmark("orders", "partitions", "9", "modified"))
	require.Empty(t, res.bookmark("orders", "modified"))
	for _, m := range res.lines {
		if m.Type == "SCHEMA" {
			require.Equal(t, []string{"_division", "id"}, m.Key)
		}
		if m.Type == "RECORD" {
			require.Contains(t, m.raw, `"record":{"_division":`)
		}
	}
	for _, c := range w.v.calls {
		require.Equal(t, strings.HasPrefix(c.path, "d/7/"), c.lane == "seven")
	}

	t.Run("each goes on from its own bookmark", func(t *testing.T) {
		w.v.tables["d/7/orders"].touch(1, day(2, 1))
		res := w.good(res.state())
		require.Equal(t, []string{"1.2", "2.1", "4.1"}, res.records("orders"))
		require.Equal(t, "2026-02-01", res.bookmark("orders", "partitions", "7", "modified"))
	})
	t.Run("one fails", func(t *testing.T) {
		w.v.before = func(c call) error {
			if strings.HasPrefix(c.path, "d/9/") && c.get("page") == "2" {
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		defer func() { w.v.before = nil }()
		res := w.run("")
		require.Error(t, res.result("orders").Err)
		require.Equal(t, "2026-02-01", res.bookmark("orders", "partitions", "7", "modified"))
		require.Empty(t, res.bookmark("orders", "partitions", "9", "modified"))
	})
	t.Run("the list of partitions fails", func(t *testing.T) {
		scope := w.src.Scopes["division"]
		expand := scope.Expand
		asked := 0
		scope.Expand = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) {
			asked++
			return nil, &fault.Error{Kind: fault.Transient, Op: "divisions", Err: errors.New("no")}
		}
		w.src.Scopes["division"] = scope
		defer func() { scope.Expand = expand; w.src.Scopes["division"] = scope }()
		more := w.src.Streams[0]
		more.Name = "more"
		w.src.Streams = append(w.src.Streams, more)
		defer func() { w.src.Streams = w.src.Streams[:1] }()
		res := w.run("")
		require.EqualError(t, res.result("orders").Err, "toy: orders: list division: divisions: no")
		require.EqualError(t, res.result("more").Err, "toy: more: list division: divisions: no")
		require.Equal(t, 1, asked, "it is asked for once")
	})
	t.Run("a panic in a hook ends the run", func(t *testing.T) {
		scope := w.src.Scopes["division"]
		expand := scope.Expand
		scope.Expand = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) { panic("oops") }
		w.src.Scopes["division"] = scope
		defer func() { scope.Expand = expand; w.src.Scopes["division"] = scope }()
		res := w.run("")
		require.Equal(t, fault.Internal, fault.KindOf(res.report.Err))
		require.ErrorContains(t, res.report.Err, "oops")
	})
	t.Run("none at all", func(t *testing.T) {
		scope := w.src.Scopes["division"]
		expand := scope.Expand
		scope.Expand = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) { return nil, nil }
		w.src.Scopes["division"] = scope
		defer func() { scope.Expand = expand; w.src.Scopes["division"] = scope }()
		require.Empty(t, w.good("").records("orders"))
	})
	t.Run("read anew, the new ones in order", func(t *testing.T) {
		w.FullRefresh = []string{"orders"}
		defer func() { w.FullRefresh = nil }()
		require.Equal(t, `{"bookmarks":{"orders":{"partitions":{"7":{"_without_key":0,"modified":"2026-02-01T00:00:00.000000Z"},"9":{"_without_key":0,"modified":"2026-01-05T00:00:00.000000Z"}}}},"currently_syncing":null}`, w.good("").state())
	})
}

// Children of a partition's rows are asked there, and have a bookmark there.
func TestChildrenInPartitions(t *testing.T) {
	w := scoped(t, changing("orders"))
	lines := changing("lines")
	lines.Path, lines.Scope, lines.Key = "d/{partition}/orders/{order}/lines", "division", []string{"_division", "id"}
	lines.Schema.Properties = append([]singer.Property{{Name: "_division", Schema: &singer.Schema{Type: "integer"}}}, lines.Schema.Properties...)
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}, Changed: true}
	lines.Selected = true
	w.src.Streams = append(w.src.Streams, lines)
	for part, n := range map[string]int{"7": 1, "9": 2} {
		w.table("d/"+part+"/orders", n)
		w.v.tables["d/"+part+"/lines"] = &table{unit: stream.Instant, cursor: "modified", size: 3, rows: []trow{
			{id: 1, v: 1, up: 1, at: day(3, n)}, {id: 2, v: 1, up: 2, at: day(4, n)},
		}}
	}
	res := w.good("")
	require.Equal(t, []string{"1.1", "1.1", "2.1"}, res.records("lines"))
	require.Equal(t, []any{7.0, 9.0, 9.0}, res.values("lines", "_division"))
	require.Equal(t, []any{1.0, 1.0, 2.0}, res.values("lines", "up"))
	require.Equal(t, "2026-03-01", res.bookmark("lines", "partitions", "7", "modified"))
	require.Equal(t, "2026-04-02", res.bookmark("lines", "partitions", "9", "modified"))
	require.Equal(t, "2026-01-03", res.bookmark("lines", "partitions", "9", parentsUntil))
}

// Placeholders of the config are filled in paths and parameters; what else has
// braces stays.
func TestPlaceholders(t *testing.T) {
	s := whole("orders")
	s.Path = "shop/{shop}/orders"
	s.Params = []stream.Param{{Name: "zone", Value: "{zone}"}, {Name: "filter", Value: "{^2026-01-31}"}, {Name: "order", Value: `{"date":"ASC"}`, Raw: true}}
	w := newWorld(t, s)
	w.Config = stream.NewConfig(map[string]string{"shop": "a b/c", "zone": "Europe/Berlin"})
	w.v.on["shop/a b/c/orders"] = func(c call) (string, error) { return `{"rows":[],"next":null}`, nil }
	w.good("")
	require.Equal(t, []string{`shop/a b/c/orders zone=Europe/Berlin filter={^2026-01-31} order=({"date":"ASC"})`}, w.v.asked())
}
