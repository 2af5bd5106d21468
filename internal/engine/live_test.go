package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// covered checks that no STATE passes a row: what the table holds at or below a
// bookmark, as it is at the end, was written before that STATE or by an earlier
// run.
func covered(t tb, res *outcome, name string, tt *table, earlier ...string) {
	t.Helper()
	have := map[string]bool{}
	for _, r := range earlier {
		have[r] = true
	}
	for _, m := range res.lines {
		switch {
		case m.Type == "RECORD" && m.Stream == name:
			have[fmt.Sprintf("%v.%v", m.Record["id"], m.Record["v"])] = true
		case m.Type == "STATE":
			text := dig(t, string(m.Value), "bookmarks", name, tt.cursor)
			if text == "" {
				continue
			}
			mark := tt.bound(text)
			for _, r := range tt.rows {
				if r.at != null && r.at <= mark && r.at >= tt.from {
					require.True(t, have[fmt.Sprintf("%d.%d", r.id, r.v)], "row %d.%d of %s lies below the bookmark %s, but was not written", r.id, r.v, stream.Instant.Time(r.at), text)
				}
			}
		}
	}
}

// A live table: between any two calls rows are touched, deleted and inserted.
// Whatever the run sees of that, no bookmark passes what was not written, and
// the next run delivers the rest.
func TestLiveTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := changing("orders")
		bounded := rapid.Bool().Draw(t, "bounded")
		if !bounded {
			s.Cursor.To = ""
		}
		w := newWorld(t, s)
		tt := w.table("orders", 0, func(tt *table) {
			tt.size = rapid.IntRange(1, 4).Draw(t, "size")
			tt.pastEnd = rapid.Bool().Draw(t, "past end")
		})
		if bounded {
			tt.sorted = rapid.Bool().Draw(t, "sorted")
			s.Cursor.Sorted = tt.sorted
			s.Cursor.MaxRows = rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "max rows")
		}
		s.Page = rapid.SampledFrom([]stream.Pager{
			link,
			stream.Number{Param: "page", First: 1, Size: tt.size, Total: "count"},
			stream.Offset{Param: "offset", Size: tt.size, Total: "count"},
		}).Draw(t, "pager")
		w.src.Streams[0] = s
		w.src.Streams[0].Selected = true
		w.Window = rapid.SampledFrom([]int{0, 10, 60}).Draw(t, "window")
		w.Concurrency = rapid.SampledFrom([]int{1, 3}).Draw(t, "concurrency")
		id := int64(0)
		for range rapid.IntRange(0, 14).Draw(t, "rows") {
			id++
			tt.rows = append(tt.rows, trow{id: id, v: 1, at: day(1, rapid.IntRange(2, 320).Draw(t, "at"))})
		}
		clock := stream.Instant.FromTime(epoch)
		type move struct{ calls, kind, row int }
		moves := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
			kinds := 2
			if !bounded {
				// A list without an end in which as many rows come as go looks
				// as if it stood still: nobody can see that.
				kinds = 1
			}
			return move{rapid.IntRange(0, 2).Draw(t, "calls"), rapid.IntRange(0, kinds).Draw(t, "kind"), rapid.IntRange(1, 16).Draw(t, "row")}
		}), 0, 9).Draw(t, "moves")
		w.v.before = func(call) error {
			for len(moves) > 0 {
				m := &moves[0]
				if m.calls--; m.calls >= 0 {
					break
				}
				moves = moves[1:]
				clock += 1e6
				switch m.kind {
				case 0:
					tt.touch(int64(m.row), clock)
				case 1:
					id++
					tt.rows = append(tt.rows, trow{id: id, v: 1, at: clock})
				case 2:
					tt.drop(int64(m.row))
				}
			}
			return nil
		}
		first := w.run("")
		require.NoError(t, first.report.Err)
		if err := first.result("orders").Err; err != nil {
			require.Equal(t, fault.Transient, fault.KindOf(err), err)
		}
		covered(t, first, "orders", tt)

		w.v.before = nil
		w.Now = func() time.Time { return epoch.Add(time.Hour) }
		second := w.good(first.state())
		covered(t, second, "orders", tt, first.records("orders")...)
		all := append(first.records("orders"), second.records("orders")...)
		for _, r := range tt.rows {
			require.Contains(t, all, fmt.Sprintf("%d.%d", r.id, r.v))
		}
		third := w.good(second.state())
		for _, v := range third.values("orders", "modified") {
			require.Equal(t, second.bookmark("orders", "modified"), strings.TrimSuffix(v.(string), "T00:00:00.000000Z"), "only what ties with the bookmark")
		}
	})
}

// moving is a stream of seven rows in pages of three whose table changes ahead
// of chosen calls.
func moving(t *testing.T, change func(tt *table, n int) error) (*world, *table) {
	w := newWorld(t, changing("orders"))
	tt := w.table("orders", 7)
	w.v.before = func(c call) error { return change(tt, c.n) }
	return w, tt
}

const known = `{"bookmarks":{"orders":{"_without_key":0}}}`

func TestMovedRows(t *testing.T) {
	t.Run("the count drops", func(t *testing.T) {
		w, _ := moving(t, func(tt *table, n int) error {
			if n == 2 {
				tt.touch(1, day(12, 1))
			}
			return nil
		})
		res := w.good(known)
		// 4.1 moved to the page that was read already.
		require.Equal(t, []string{"1.1", "2.1", "3.1", "5.1", "6.1", "7.1", "2.1", "3.1", "4.1", "5.1", "6.1", "7.1"}, res.records("orders"))
		require.Len(t, w.v.calls, 2+2)
	})
	t.Run("the last page is gone", func(t *testing.T) {
		w, tt := moving(t, func(tt *table, n int) error {
			if n == 3 {
				tt.drop(1)
			}
			return nil
		})
		tt.pastEnd = true
		res := w.good(known)
		require.Equal(t, append(ids(6), "2.1", "3.1", "4.1", "5.1", "6.1", "7.1"), res.records("orders"))
	})
	t.Run("the last page is gone, but all were seen", func(t *testing.T) {
		w, tt := moving(t, func(tt *table, n int) error { return nil })
		w.src.Streams[0].Page = stream.Number{Param: "page", First: 1, Size: 3, More: "more", Total: "count"}
		w.v.spoil = func(_ call, body string) string { return strings.Replace(body, `"more":false`, `"more":true`, 1) }
		tt.pastEnd = true
		tt.drop(7)
		require.Equal(t, ids(6), w.good(known).records("orders"))
		require.Len(t, w.v.calls, 3)
	})
	t.Run("without a count a refused page is the end", func(t *testing.T) {
		w, tt := moving(t, func(*table, int) error { return nil })
		w.src.Streams[0].Page = stream.Number{Param: "page", First: 1, Size: 3}
		tt.pastEnd = true
		tt.drop(7)
		require.Equal(t, ids(6), w.good(known).records("orders"))
	})
	t.Run("the first page refused", func(t *testing.T) {
		w, _ := moving(t, func(*table, int) error { return stream.PastEnd })
		require.Equal(t, fault.Contract, fault.KindOf(w.run(known).result("orders").Err))
	})
	t.Run("fewer rows than counted", func(t *testing.T) {
		w, _ := moving(t, func(*table, int) error { return nil })
		w.v.spoil = func(c call, body string) string {
			if c.n < 3 {
				return strings.Replace(body, `"count":7`, `"count":8`, 1)
			}
			return strings.Replace(body, `"count":7`, `"count":8`, 1)
		}
		res := w.run(known)
		require.EqualError(t, res.result("orders").Err, "toy: orders: read 2026-01-01 00:00:00 to 2026-11-21 10:00:00: rows moved while the pages were read, 6 times over")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
		require.Len(t, w.v.calls, 6*3)
		require.Empty(t, res.bookmark("orders", "modified"))
	})
	t.Run("rows on two pages at once", func(t *testing.T) {
		w, _ := moving(t, func(*table, int) error { return nil })
		w.v.spoil = func(c call, body string) string {
			if c.n == 2 {
				return strings.Replace(body, `{"id":4,`, `{"id":3,`, 1)
			}
			return body
		}
		res := w.good(known)
		require.Equal(t, ids(7), res.records("orders")[7:])
		require.Len(t, w.v.calls, 6)
	})
	t.Run("a list that only grows is read once more", func(t *testing.T) {
		w, _ := moving(t, func(tt *table, n int) error {
			if n > 1 {
				tt.rows = append([]trow{{id: int64(100 + n), v: 1, at: day(1, 2)}}, tt.rows...)
			}
			return nil
		})
		res := w.good(known)
		require.Subset(t, res.records("orders"), ids(7))
		require.Less(t, len(w.v.calls), 10)
		require.Equal(t, "2026-01-08", res.bookmark("orders", "modified"))
	})
	t.Run("a list that grows at its end", func(t *testing.T) {
		w, _ := moving(t, func(tt *table, n int) error {
			if n == 2 {
				tt.rows = append(tt.rows, trow{id: 8, v: 1, at: day(1, 9)})
			}
			return nil
		})
		require.Equal(t, append(ids(8), ids(8)...), w.good(known).records("orders"))
	})
	t.Run("no rows any more on the next page", func(t *testing.T) {
		w, tt := moving(t, func(tt *table, n int) error {
			if n == 2 {
				tt.rows = nil
			}
			return nil
		})
		tt.empty = true
		require.Equal(t, ids(3), w.good(known).records("orders"))
		require.Len(t, w.v.calls, 3, "the window is read again")
	})
	t.Run("sorted rows hold the bookmark back once they moved", func(t *testing.T) {
		s := changing("orders")
		s.Cursor.Sorted = true
		w := newWorld(t, s)
		tt := w.table("orders", 10, func(tt *table) { tt.sorted = true })
		w.v.before = func(c call) error {
			switch c.n {
			case 2:
				tt.touch(1, day(12, 1))
			case 3:
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run(known)
		require.Equal(t, []string{"1.1", "2.1", "3.1", "5.1", "6.1", "7.1"}, res.records("orders"))
		require.Equal(t, "2026-01-03", res.bookmark("orders", "modified"), "4.1 was not seen")
		w.v.before = nil
		require.Contains(t, w.good(res.state()).records("orders"), "4.1")
	})
	t.Run("rows that do not come sorted after all", func(t *testing.T) {
		s := changing("orders")
		s.Cursor.Sorted = true
		w := newWorld(t, s)
		tt := w.table("orders", 10)
		tt.rows[1].at = day(2, 1)
		w.v.before = func(c call) error {
			if c.n == 3 {
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		require.Empty(t, w.run(known).bookmark("orders", "modified"))
	})
}

// Sorted rows move the bookmark page by page, so that little is read again.
func TestSortedRows(t *testing.T) {
	s := changing("orders")
	s.Cursor.Sorted = true
	w := newWorld(t, s)
	tt := w.table("orders", 10, func(tt *table) { tt.sorted = true })
	tt.rows[3].at = tt.rows[2].at // a tie across the pages
	w.v.before = func(c call) error {
		if c.n == 3 {
			return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
		}
		return nil
	}
	res := w.run(known)
	require.Equal(t, "2026-01-06", res.bookmark("orders", "modified"), "more rows of January 7 may follow")
	covered(t, res, "orders", tt)
	w.v.before = nil
	require.Equal(t, []string{"5.1", "6.1", "7.1", "8.1", "9.1", "10.1"}, w.good(res.state()).records("orders"))
	w.v.before = func(c call) error {
		if c.get("page") == "2" {
			return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
		}
		return nil
	}
	res = w.run(known)
	require.Equal(t, "2026-01-03", res.bookmark("orders", "modified"), "a tie is not cut")
}

// Where no count is told, rows that come twice show that rows moved: the list is
// read until as many rows are known as it is long.
func TestRepeatedRows(t *testing.T) {
	unstable := func(t *testing.T, last int) *world {
		s := whole("orders")
		s.Page = stream.Offset{Param: "offset", Size: 3}
		w := newWorld(t, s)
		tt := w.table("orders", 8, func(tt *table) { tt.cursor = "" })
		w.v.before = func(c call) error {
			if c.n > 1 && c.n <= last {
				// The order is another one for each call.
				tt.rows = append(tt.rows[1:], tt.rows[0])
			}
			return nil
		}
		return w
	}
	w := unstable(t, 5)
	require.Subset(t, w.good("").records("orders"), ids(8))
	require.LessOrEqual(t, len(w.v.calls), 12)

	res := unstable(t, 1000).run("")
	if err := res.result("orders").Err; err != nil {
		require.ErrorContains(t, err, "rows came twice")
		require.Equal(t, fault.Contract, fault.KindOf(err))
	} else {
		require.Subset(t, res.records("orders"), ids(8))
	}

	t.Run("twice in every read", func(t *testing.T) {
		w := unstable(t, 0)
		w.v.tables["orders"].rows[4].id = 1
		// The list may be one row short each time: that nothing new comes is no proof.
		err := w.run("").result("orders").Err
		require.ErrorContains(t, err, "rows came twice")
		require.Equal(t, fault.Contract, fault.KindOf(err))
	})
}
