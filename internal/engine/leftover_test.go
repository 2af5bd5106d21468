package engine

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// keyless is a world whose rows 2 and 5 have no replication value.
func keyless(t *testing.T, sparse bool) (*world, *table) {
	s := changing("invoices")
	s.Cursor.Sparse = sparse
	w := newWorld(t, s)
	tt := w.table("invoices", 7)
	tt.rows[1].at, tt.rows[4].at = null, null
	return w, tt
}

func TestRowsWithoutReplicationValue(t *testing.T) {
	w, tt := keyless(t, false)
	first := w.good("")
	require.Equal(t, []string{"1.1", "3.1", "4.1", "6.1", "7.1", "2.1", "5.1"}, first.records("invoices"))
	require.Equal(t, "2", first.bookmark("invoices", "_without_key"))
	require.Equal(t, "2026-01-08", first.bookmark("invoices", "modified"))
	require.Equal(t, []string{
		"invoices since=2026-01-01 until=2026-11-21T10:00:00.000000Z",
		"invoices page=2 since=2026-01-01 until=2026-11-21T10:00:00.000000Z",
		"invoices",
		"invoices since=1970-01-01",
		"invoices", "invoices since=1970-01-01", // the counts again: nothing came or went
		"invoices page=2",
	}, w.v.asked(), "once both are found, nothing is left to ask for")

	t.Run("once", func(t *testing.T) {
		tt.rows = append(tt.rows, trow{id: 8, v: 1, at: null})
		second := w.good(first.state())
		require.Equal(t, []string{"7.1"}, second.records("invoices"))
		require.Len(t, w.v.asked(), 1)
		require.Equal(t, first.state(), second.state())
		tt.drop(8)
	})
	t.Run("none", func(t *testing.T) {
		w, tt := keyless(t, false)
		tt.rows[1].at, tt.rows[4].at = day(2, 1), day(2, 2)
		res := w.good("")
		require.Equal(t, "0", res.bookmark("invoices", "_without_key"))
		require.Len(t, res.records("invoices"), 7)
		require.Len(t, w.v.asked(), 3+4)
	})
	t.Run("a small table is one call more", func(t *testing.T) {
		w, tt := keyless(t, false)
		tt.size = 7
		res := w.good("")
		require.Equal(t, []string{"1.1", "3.1", "4.1", "6.1", "7.1", "2.1", "5.1"}, res.records("invoices"))
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
		require.Len(t, w.v.asked(), 2)
	})
	t.Run("no rows at all", func(t *testing.T) {
		w, tt := keyless(t, false)
		tt.rows = nil
		require.Equal(t, "0", w.good("").bookmark("invoices", "_without_key"))
		require.Len(t, w.v.asked(), 2)
		tt.empty = true
		require.Equal(t, "0", w.good("").bookmark("invoices", "_without_key"))
	})
	t.Run("all rows", func(t *testing.T) {
		w, tt := keyless(t, false)
		for i := range tt.rows {
			tt.rows[i].at = null
		}
		tt.empty = true // the count of none is told by no rows
		res := w.good("")
		require.Equal(t, ids(7), res.records("invoices"))
		require.Equal(t, "7", res.bookmark("invoices", "_without_key"))
		require.Empty(t, res.bookmark("invoices", "modified"))
	})
	t.Run("where no count is told they are not looked for", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.src.Streams[0].Page = stream.NextLink{Next: "next"}
		res := w.good("")
		require.Len(t, w.v.asked(), 2)
		require.Empty(t, res.bookmark("invoices", "_without_key"))
	})
	t.Run("the count that should be told is not", func(t *testing.T) {
		w, tt := keyless(t, false)
		tt.noCount = true
		require.ErrorContains(t, w.run("").result("invoices").Err, "the answer does not tell its count")
	})
	t.Run("without any bound they come along", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.Start = time.Time{}
		w.src.Streams[0].Cursor.To = ""
		res := w.good("")
		require.Equal(t, ids(7), res.records("invoices"))
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
		require.Len(t, w.v.asked(), 3)
		w.good(res.state())
		require.Len(t, w.v.asked(), 1)
	})
	t.Run("with only an upper bound", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.Start = time.Time{}
		require.Equal(t, []string{"1.1", "3.1", "4.1", "6.1", "7.1", "2.1", "5.1"}, w.good("").records("invoices"))
	})
	t.Run("a partial read does not look", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.HoldState = true
		w.good("")
		require.Len(t, w.v.asked(), 2)
	})
	t.Run("they move", func(t *testing.T) {
		w, tt := keyless(t, false)
		w.v.before = func(c call) error {
			if c.n == 5 { // between the first and the second page of all rows
				tt.drop(1)
			}
			return nil
		}
		res := w.good("")
		require.Contains(t, res.records("invoices"), "5.1")
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
	})
	t.Run("one comes before they are counted, one goes after", func(t *testing.T) {
		w, tt := keyless(t, false)
		w.Concurrency = 1
		w.src.Streams[0].Cursor.Front = []stream.Param{{Name: "sort", Value: "modified"}}
		for i := range 20 { // the first page shows none
			tt.rows = append([]trow{{id: int64(i + 10), v: 1, at: day(1, 1)}}, tt.rows...)
		}
		counts := 0
		w.v.before = func(c call) error {
			if strings.HasPrefix(c.get("since"), "1970") {
				if counts++; counts == 1 {
					tt.rows = append(tt.rows, trow{id: 90, v: 1, at: day(1, 1)}, trow{id: 91, v: 1, at: day(1, 1)})
				}
			} else if counts == 1 && c.String() == "invoices" {
				counts++
				tt.drop(90)
				tt.drop(91)
			}
			return nil
		}
		res := w.good("")
		require.Subset(t, res.records("invoices"), []string{"2.1", "5.1"})
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
	})
	t.Run("they move for ever", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.v.spoil = func(c call, body string) string { return strings.Replace(body, `"count":7`, `"count":8`, 1) }
		res := w.run("")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("invoices").Err))
		require.ErrorContains(t, res.result("invoices").Err, "read rows without modified")
		require.Equal(t, "2026-01-08", res.bookmark("invoices", "modified"), "the windows are complete")
		require.Empty(t, res.bookmark("invoices", "_without_key"))
	})
	t.Run("an order that brings them to the front", func(t *testing.T) {
		w, tt := keyless(t, false)
		w.src.Streams[0].Cursor.Front = []stream.Param{{Name: "sort", Value: "-modified"}, {Name: "sort", Value: "modified"}}
		for i := range 40 {
			tt.rows = append([]trow{{id: int64(i + 10), v: 1, at: day(2, i)}}, tt.rows...)
		}
		plain := slices.Clone(tt.rows)
		w.v.before = func(c call) error {
			tt.rows = slices.Clone(plain)
			if c.get("sort") == "modified" {
				slices.SortStableFunc(tt.rows, func(a, b trow) int { return cmp.Compare(a.at, b.at) })
			}
			return nil
		}
		res := w.good(`{"bookmarks":{"invoices":{"modified":"2026-03-01T00:00:00Z"}}}`)
		require.Equal(t, []string{"2.1", "5.1"}, res.records("invoices")[len(res.records("invoices"))-2:])
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
		asked := w.v.asked()
		require.Equal(t, []string{"invoices sort=-modified", "invoices since=1970-01-01", "invoices", "invoices since=1970-01-01", "invoices sort=modified"}, asked[len(asked)-5:])

		t.Run("none does", func(t *testing.T) {
			w.v.before = func(call) error { tt.rows = slices.Clone(plain); return nil }
			res := w.good("")
			require.Subset(t, res.records("invoices"), []string{"2.1", "5.1"})
			require.Equal(t, "2", res.bookmark("invoices", "_without_key"))
		})
	})
	t.Run("no two counts agree", func(t *testing.T) {
		w, _ := keyless(t, false)
		n := 0
		w.v.spoil = func(c call, body string) string {
			if c.String() == "invoices" {
				if n++; n%2 == 0 && n <= 12 {
					return strings.Replace(body, `"count":7`, `"count":6`, 1)
				}
			}
			return body
		}
		res := w.good("")
		require.Subset(t, res.records("invoices"), []string{"2.1", "5.1"})
		require.Equal(t, "2", res.bookmark("invoices", "_without_key"), "all is read instead")
	})
	t.Run("counting fails", func(t *testing.T) {
		w, _ := keyless(t, false)
		w.v.before = func(c call) error {
			if strings.HasPrefix(c.get("since"), "1970") {
				return &fault.Error{Kind: fault.Refused, Err: errors.New("no")}
			}
			return nil
		}
		require.Equal(t, fault.Refused, fault.KindOf(w.run("").result("invoices").Err))
	})
}

func TestSparseRows(t *testing.T) {
	w, tt := keyless(t, true)
	first := w.good("")
	w.v.asked()

	t.Run("the counts are the same", func(t *testing.T) {
		second := w.good(first.state())
		require.Equal(t, []string{"7.1"}, second.records("invoices"))
		require.Equal(t, []string{"invoices since=2026-01-08 until=2026-11-21T10:00:00.000000Z", "invoices", "invoices since=1970-01-01", "invoices"}, w.v.asked())
		require.Equal(t, first.state(), second.state())
	})
	t.Run("the counts differ", func(t *testing.T) {
		tt.rows = append(tt.rows, trow{id: 8, v: 1, at: null})
		second := w.good(first.state())
		require.Equal(t, []string{"7.1", "2.1", "5.1", "8.1"}, second.records("invoices"))
		require.Equal(t, "3", second.bookmark("invoices", "_without_key"))
		w.v.asked()
		third := w.good(second.state())
		require.Equal(t, []string{"7.1"}, third.records("invoices"))
		require.Len(t, w.v.asked(), 4)
	})
	t.Run("none left", func(t *testing.T) {
		for i := range tt.rows {
			tt.rows[i].at = day(1, i+2)
		}
		res := w.good(first.state())
		require.Equal(t, "0", res.bookmark("invoices", "_without_key"))
	})
	t.Run("a small table", func(t *testing.T) {
		w, tt := keyless(t, true)
		tt.size = 10
		first := w.good("")
		second := w.good(first.state())
		require.Equal(t, []string{"7.1"}, second.records("invoices"), "nothing repeats but the tie")
		require.Equal(t, first.state(), second.state())
	})
}

// Each partition has its own.
func TestRowsWithoutReplicationValueInPartitions(t *testing.T) {
	w := scoped(t, changing("orders"))
	w.table("d/7/orders", 2).rows[0].at = null
	w.table("d/9/orders", 2)
	res := w.good("")
	require.Equal(t, []string{"2.1", "1.1", "1.1", "2.1"}, res.records("orders"))
	require.Equal(t, "1", res.bookmark("orders", "partitions", "7", "_without_key"))
	require.Equal(t, "0", res.bookmark("orders", "partitions", "9", "_without_key"))
}

// A vendor that ignores the filter: one window reads everything, once.
func TestIgnoredFilter(t *testing.T) {
	for _, concurrency := range []int{1, 6} {
		w := newWorld(t, changing("orders"))
		w.Concurrency = concurrency
		w.Window = 20
		w.Start = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
		tt := w.table("orders", 0, func(tt *table) { tt.noFilter = true })
		for i := range 20 {
			tt.rows = append(tt.rows, trow{id: int64(i + 1), v: 1, at: day(1, 2+i*15)})
		}
		tt.rows[3].at = null
		tt.rows[19].at = day(11, 20)
		first := w.good("")
		want := []string{"4.1"}
		for i, r := range ids(20) {
			if i >= 8 { // from May 2 on
				want = append(want, r)
			}
		}
		require.Equal(t, want, first.records("orders"))
		require.Equal(t, "2026-11-20", first.bookmark("orders", "modified"))
		require.Equal(t, 1, w.warnings(), w.log.String())
		if concurrency == 1 {
			// The first page shows it, then 7 pages once; the first page for rows
			// without a date, and the counts.
			require.Len(t, w.v.asked(), 1+7+4)
		}
		second := w.good(first.state())
		require.Equal(t, []string{"4.1", "20.1"}, second.records("orders"))
		require.Equal(t, first.state(), second.state())
	}

	t.Run("seen late", func(t *testing.T) {
		// All rows lie in the first window: only the second one shows it.
		w := newWorld(t, changing("orders"))
		w.Window = 20
		tt := w.table("orders", 7, func(tt *table) { tt.noFilter = true })
		res := w.good("")
		require.Equal(t, ids(7), res.records("orders")[:7])
		require.Equal(t, "2026-01-08", res.bookmark("orders", "modified"))
		require.Less(t, len(w.v.calls), 3*3+3)
		require.Len(t, res.records("orders"), 7, "what an earlier window held is not repeated")
		tt.touch(2, day(9, 1))
		require.Equal(t, []string{"2.2", "7.1"}, w.good(res.state()).records("orders"))
	})
	t.Run("seen on the second page", func(t *testing.T) {
		for value, want := range map[int64][]string{
			day(3, 1):                 {"1.1", "2.1", "3.1", "4.1", "5.1", "6.1"},
			day(1, 1) - 3*24*3600*1e6: {"1.1", "2.1", "3.1", "1.1", "2.1", "3.1", "4.1", "6.1"},
		} {
			w := newWorld(t, changing("orders"))
			w.Window = 20
			tt := w.table("orders", 6, func(tt *table) { tt.noFilter = true })
			tt.rows[0].at = day(1, 22) // beyond the window, but not by far
			tt.rows[4].at = value
			res := w.good("")
			require.Equal(t, want, res.records("orders"))
			require.Equal(t, stream.Instant.Format(max(value, day(1, 22)), time.DateOnly), res.bookmark("orders", "modified"))
		}
	})
	t.Run("days are no sign", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.Window, w.repeats = 1, true
		w.Start = epoch.AddDate(0, 0, -4)
		tt := w.table("orders", 0, func(tt *table) { tt.days, tt.from = true, stream.Instant.FromTime(w.Start) })
		for i := range int64(8) {
			tt.rows = append(tt.rows, trow{id: i + 1, v: 1, at: stream.Instant.FromTime(w.Start) + i*12*3600*1e6 - 1})
		}
		res := w.good("")
		require.Zero(t, w.warnings())
		require.Subset(t, res.records("orders"), ids(8)[1:])
		require.Equal(t, "2026-11-20T21:59:59.999999Z", res.bookmark("orders", "modified"))
		covered(t, res, "orders", tt)
	})
	t.Run("only the lower bound", func(t *testing.T) {
		for _, maxRows := range []int{0, 4} {
			w := newWorld(t, changing("orders"))
			w.src.Streams[0].Cursor.MaxRows = maxRows
			w.Window = 20
			w.Start = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
			tt := w.table("orders", 0)
			for i := range 20 {
				tt.rows = append(tt.rows, trow{id: int64(i + 1), v: 1, at: day(1, 2+i*15)})
			}
			w.v.before = func(c call) error {
				for i, p := range c.params {
					if p.Name == "since" && !strings.HasPrefix(p.Value, "1970") {
						c.params[i].Value = "2020-01-01"
					}
				}
				return nil
			}
			res := w.good("")
			require.Subset(t, res.records("orders"), ids(20)[3:])
			require.NotContains(t, res.records("orders"), "2.1")
			require.Equal(t, "2026-10-14", res.bookmark("orders", "modified"))
			require.Less(t, len(w.v.calls), 25, "not all of it for each window")
			require.Equal(t, 1, w.warnings())
			require.Equal(t, []string{"20.1"}, w.good(res.state()).records("orders"))
		}
	})
	t.Run("in one partition of two", func(t *testing.T) {
		w := scoped(t, changing("orders"))
		w.Window = 20
		w.table("d/7/orders", 25, func(tt *table) { tt.noFilter, tt.size = true, 100 })
		w.table("d/9/orders", 19, func(tt *table) { tt.size = 100 })
		res := w.good("")
		require.Len(t, res.records("orders"), 25+19)
		require.Equal(t, 1, w.warnings())
		require.Equal(t, "2026-01-26", res.bookmark("orders", "partitions", "7", "modified"))
	})
	t.Run("it fails midway", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.Window = 20
		w.table("orders", 30, func(tt *table) { tt.noFilter = true })
		w.v.before = func(c call) error {
			if c.get("page") == "9" {
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run("")
		require.Error(t, res.result("orders").Err)
		require.Empty(t, res.bookmark("orders", "modified"))
	})
}
