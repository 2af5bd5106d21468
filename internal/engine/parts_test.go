package engine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// yearly is a source whose stream is cut into the years of one company.
func yearly(t *testing.T, years ...string) (*world, func(...string)) {
	s := changing("orders")
	s.Cursor.Open, s.Cursor.To = false, ""
	w := divided(t, nil, s)
	list := func(years ...string) {
		var parts []stream.Partition
		for _, y := range years {
			parts = append(parts, stream.Partition{ID: "acme-" + y, Within: "acme", Part: y, Inject: []string{y}})
		}
		w.divisions(parts...)
		sc := w.src.Scopes["division"]
		sc.Parts = "_years"
		w.src.Scopes["division"] = sc
	}
	list(years...)
	for i, y := range []string{"2024", "2025", "2026"} {
		w.table("d/acme-"+y+"/orders", 4+i)
	}
	return w, list
}

func TestPartsShareABookmark(t *testing.T) {
	w, list := yearly(t, "2024", "2025")
	first := w.good("")
	require.Equal(t, "2026-01-06", first.bookmark("orders", "partitions", "acme", "modified"))
	require.Equal(t, "2024,2025", first.bookmark("orders", "partitions", "acme", "_years"))
	require.Len(t, first.records("orders"), 9)

	t.Run("what is not covered is read from its beginning", func(t *testing.T) {
		list("2024", "2025", "2026")
		second := w.good(first.state())
		require.Equal(t, []string{"2025/5.1", "2026/1.1", "2026/2.1", "2026/3.1", "2026/4.1", "2026/5.1", "2026/6.1"}, second.at("orders"))
		require.Equal(t, "2024,2025,2026", second.bookmark("orders", "partitions", "acme", "_years"))
		require.Equal(t, "2026-01-07", second.bookmark("orders", "partitions", "acme", "modified"))
	})
	t.Run("it waits for all of them", func(t *testing.T) {
		list("2024", "2025", "2026")
		w.v.on["d/acme-2026/orders"] = func(call) (string, error) {
			return "", &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("not now")}
		}
		failed := w.run(first.state())
		require.Error(t, failed.result("orders").Err)
		require.Equal(t, first.bookmark("orders", "partitions", "acme"), failed.bookmark("orders", "partitions", "acme"))
		delete(w.v.on, "d/acme-2026/orders")
	})
	t.Run("what is left out is covered no more", func(t *testing.T) {
		list("2025")
		require.Equal(t, "2025", w.good(first.state()).bookmark("orders", "partitions", "acme", "_years"))
	})
	t.Run("a state without them holds for all", func(t *testing.T) {
		list("2024", "2025", "2026")
		state := strings.Replace(first.state(), `,"_years":"2024,2025"`, "", 1)
		require.Equal(t, []string{"2025/5.1", "2026/5.1", "2026/6.1"}, w.good(state).at("orders"))
	})
	t.Run("full refresh", func(t *testing.T) {
		list("2024")
		w.FullRefresh = []string{"orders"}
		res := w.good(first.state())
		require.Len(t, res.records("orders"), 4)
		require.Equal(t, "2026-01-05", res.bookmark("orders", "partitions", "acme", "modified"))
		require.Equal(t, "2024", res.bookmark("orders", "partitions", "acme", "_years"))
		w.FullRefresh = nil
	})
}

// byNumbers is a list of n rows that is read by the numbers of its pages.
func byNumbers(t *testing.T, n, size int) (*world, *table) {
	s := whole("orders")
	s.Page = stream.Offset{Param: "page", SizeParam: "size", Size: size, Overlap: true, Numbered: true, UntilEmpty: true, Least: 2}
	w := newWorld(t, s)
	tt := w.table("orders", n, func(tt *table) { tt.noCount = true })
	return w, tt
}

func TestNumberedPages(t *testing.T) {
	for _, size := range []int{2, 3, 7, 10, 40} {
		for n := range 45 {
			w, _ := byNumbers(t, n, size)
			require.Equal(t, ids(n), w.good("").records("orders"), "%d rows, pages of %d", n, size)
		}
	}
	t.Run("the vendor gives fewer rows than are asked for", func(t *testing.T) {
		for n := range 45 {
			w, tt := byNumbers(t, n, 20)
			w.v.on["orders"] = func(c call) (string, error) {
				for i := range c.params {
					if size, _ := strconv.Atoi(c.params[i].Value); c.params[i].Name == "size" && size > 6 {
						c.params[i].Value = "6"
					}
				}
				return tt.answer(c, 0)
			}
			require.Equal(t, ids(n), w.good("").records("orders"), "%d rows", n)
		}
	})
	t.Run("a row goes between two pages", func(t *testing.T) {
		for gone := range 20 {
			for at := 2; at < 5; at++ {
				w, tt := byNumbers(t, 20, 6)
				w.v.before = func(c call) error {
					if c.n == at {
						tt.drop(int64(gone + 1))
					}
					return nil
				}
				w.repeats = true
				got := w.good("").records("orders")
				for i, id := range ids(20) {
					require.True(t, i == gone || slices.Contains(got, id), "row %d goes before call %d: %s is lost", gone+1, at, id)
				}
			}
		}
	})
	t.Run("every second page has another order", func(t *testing.T) {
		w, tt := byNumbers(t, 20, 6)
		w.v.on["orders"] = func(c call) (string, error) {
			if c.get("page") == "2" {
				back := *tt
				back.rows = slices.Clone(tt.rows)
				slices.Reverse(back.rows)
				return back.answer(c, 0)
			}
			return tt.answer(c, 0)
		}
		w.repeats = true
		res := w.run("")
		require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err), "%v", res.result("orders").Err)
	})
	t.Run("pages that are not made in time", func(t *testing.T) {
		for _, late := range []error{&fault.Error{Kind: fault.Transient, Status: 504, Err: errors.New("late")}, &fault.Error{Kind: fault.Transient, Err: stream.Late}} {
			w, tt := byNumbers(t, 43, 16)
			var sizes []int
			w.v.on["orders"] = func(c call) (string, error) {
				size, _ := strconv.Atoi(c.get("size"))
				sizes = append(sizes, size)
				if size > 5 && len(sizes) > 1 {
					return "", late
				}
				return tt.answer(c, 0)
			}
			require.Equal(t, ids(43), w.good("").records("orders"))
			require.Equal(t, 16, sizes[0])
			require.LessOrEqual(t, slices.Max(sizes[4:]), 5)
		}
	})
}

func TestCappedKeyset(t *testing.T) {
	for n := range 30 {
		s := whole("orders")
		s.Page = stream.Keyset{Param: "after", Field: "id", SizeParam: "size", Size: 10, Least: 3, Capped: true}
		w := newWorld(t, s)
		tt := w.table("orders", n, func(tt *table) { tt.noCount = true })
		calls := 0
		w.v.on["orders"] = func(c call) (string, error) {
			calls++
			for i := range c.params {
				if size, _ := strconv.Atoi(c.params[i].Value); c.params[i].Name == "size" && size > 4 {
					c.params[i].Value = "4"
				}
			}
			return tt.answer(c, 0)
		}
		require.Equal(t, ids(n), w.good("").records("orders"), "%d rows", n)
		if n < 3 {
			require.Equal(t, 1, calls, "no vendor's pages are so short")
		}
	}
}

func TestRowsElsewhere(t *testing.T) {
	lines := whole("lines")
	lines.Path, lines.Page = "", nil
	lines.Records, lines.With = "sub", &stream.With{Stream: "orders"}
	s := whole("orders")
	s.Records, s.Elsewhere, s.OneRow, s.Page = "rows", true, true, stream.Single{}
	for _, body := range []string{
		`{"rows":[%s],"sub":[%s]}`, `{"sub":[%[2]s],"rows":[%[1]s]}`, `{"other":[%s],"sub":[%s]}`, `{"sub":[%[2]s],"n":1,"other":[%[1]s],"more":[]}`,
		`{"other":%s,"sub":[%s]}`,
	} {
		w := newWorld(t, s, lines)
		tt := w.table("orders", 1)
		w.v.on["orders"] = func(call) (string, error) { return fmt.Sprintf(body, tt.json(tt.rows[0]), tt.json(tt.rows[0])), nil }
		res := w.good("")
		require.Equal(t, []string{"1.1"}, res.records("orders"), body)
		require.Equal(t, []string{"1.1"}, res.records("lines"), body)
	}
}

func TestAllFields(t *testing.T) {
	w := choosy(t, "v", "name", "up", "modified")
	w.src.Streams[0].All = true
	w.v.calls = nil
	for _, part := range []string{"7", "9"} {
		tt, refuse := w.v.tables["d/"+part+"/orders"], w.v.on["d/"+part+"/orders"]
		w.v.on["d/"+part+"/orders"] = func(c call) (string, error) {
			if c.get("fields") == "" {
				return tt.answer(c, 0)
			}
			return refuse(c)
		}
	}
	res := w.good("")
	require.Equal(t, []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"))
}

func TestLookbackOfAStream(t *testing.T) {
	run := func(all time.Duration) []string {
		s := changing("orders")
		s.Cursor.Lookback = 48 * time.Hour
		w := newWorld(t, s)
		w.table("orders", 6)
		w.Lookback = all
		return w.good(`{"bookmarks":{"orders":{"modified":"2026-01-06T00:00:00Z"}}}`).records("orders")
	}
	require.Equal(t, []string{"3.1", "4.1", "5.1", "6.1"}, run(0))
	require.Equal(t, []string{"4.1", "5.1", "6.1"}, run(24*time.Hour))
}
