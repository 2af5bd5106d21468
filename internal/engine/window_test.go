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

func TestWindows(t *testing.T) {
	day := int64(24 * 3600 * 1e6)
	for _, test := range []struct {
		name     string
		unit     stream.Unit
		from, to int64
		days     int
		want     []span
	}{
		{"instants share an edge", stream.Instant, 0, 5 * day, 2, []span{{from: 0, to: 2 * day}, {from: 2 * day, to: 4 * day}, {from: 4 * day, to: 5 * day}}},
		{"an exact fit", stream.Instant, 0, 4 * day, 2, []span{{from: 0, to: 2 * day}, {from: 2 * day, to: 4 * day}}},
		{"days do not", stream.Day, 0, 5, 2, []span{{from: 0, to: 1}, {from: 2, to: 3}, {from: 4, to: 5}}},
		{"one day at a time", stream.Day, 7, 9, 1, []span{{from: 7, to: 7}, {from: 8, to: 8}, {from: 9, to: 9}}},
		{"no size", stream.Instant, 3, 9 * day, 0, []span{{from: 3, to: 9 * day}}},
		{"one moment", stream.Instant, 3, 3, 1, []span{{from: 3, to: 3}}},
		{"integers", stream.Int, 3, 1 << 40, 1, []span{{from: 3, to: 1 << 40}}},
		{"nothing", stream.Instant, 4, 3, 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, windows(test.unit, test.from, test.to, test.days))
		})
	}
}

// Windows cover every value, in order, without a gap and none larger than asked.
func TestWindowsCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]stream.Unit{stream.Instant, stream.Day}).Draw(t, "unit")
		size := int64(24 * 3600 * 1e6)
		if unit == stream.Day {
			size = 1
		}
		from := rapid.Int64Range(-1000*size, 1000*size).Draw(t, "from")
		to := from + rapid.Int64Range(0, 900*size).Draw(t, "length")
		days := rapid.IntRange(0, 70).Draw(t, "days")
		spans := windows(unit, from, to, days)
		require.Equal(t, from, spans[0].from)
		require.Equal(t, to, spans[len(spans)-1].to)
		for i, s := range spans {
			require.LessOrEqual(t, s.from, s.to)
			if i > 0 && unit == stream.Instant {
				require.Equal(t, spans[i-1].to, s.from)
			} else if i > 0 {
				require.Equal(t, spans[i-1].to+1, s.from)
			}
			if days > 0 && unit == stream.Day {
				require.LessOrEqual(t, s.to-s.from+1, int64(days))
			} else if days > 0 {
				require.LessOrEqual(t, s.to-s.from, int64(days)*size)
			}
		}
	})
}

// Halves cover what they came from, are smaller, and end.
func TestHalves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]stream.Unit{stream.Instant, stream.Day}).Draw(t, "unit")
		s := span{from: rapid.Int64Range(-1e15, 1e15).Draw(t, "from")}
		s.to = s.from + rapid.Int64Range(0, 5e6).Draw(t, "length")
		a, b, ok := s.halves(unit)
		if unit == stream.Instant && s.to-s.from < 1e6 || s.to == s.from {
			require.False(t, ok, "below a second or a day")
			return
		}
		require.True(t, ok)
		require.Equal(t, s.from, a.from)
		require.Equal(t, s.to, b.to)
		gap := int64(0)
		if unit == stream.Day {
			gap = 1
		}
		require.Equal(t, a.to+gap, b.from)
		require.Less(t, a.to-a.from, s.to-s.from)
		require.Less(t, b.to-b.from, s.to-s.from)
	})
	for _, s := range []span{{openFrom: true, to: 1 << 50}, {openTo: true}} {
		_, _, ok := s.halves(stream.Instant)
		require.False(t, ok)
	}
}

// bounds lists the windows that were asked for, with what was asked beside.
func bounds(w *world) []string {
	out := []string{}
	for _, c := range w.v.asked() {
		_, c, _ = strings.Cut(c, " ")
		if !strings.Contains(c, "page=") {
			out = append(out, strings.NewReplacer("since=", "", "until=", "", "T10:00:00.000000Z", "").Replace(c))
		}
	}
	return out
}

func TestWindowedRead(t *testing.T) {
	w := newWorld(t, changing("orders"))
	w.Start = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	w.Window = 20
	tt := w.table("orders", 0)
	for i, d := range []int{2, 21, 30, 45} { // the second lies on an edge
		tt.rows = append(tt.rows, trow{id: int64(i + 1), v: 1, at: day(10, d)})
	}
	res := w.good("")
	require.Equal(t, []string{"1.1", "2.1", "2.1", "3.1", "4.1"}, res.records("orders"))
	require.Equal(t, []string{"2026-10-01 2026-10-21", "2026-10-21 2026-11-10", "2026-11-10 2026-11-21", "", "1970-01-01", "", "1970-01-01"}, bounds(w))
	require.Equal(t, "2026-11-14", res.bookmark("orders", "modified"), "the greatest value written, not the end of a window")

	states := []string{}
	for _, m := range res.lines {
		if m.Type == "STATE" {
			states = append(states, dig(t, string(m.Value), "bookmarks", "orders", "modified"))
		}
	}
	require.Equal(t, []string{"", "", "2026-10-02", "2026-10-30", "2026-11-14", "2026-11-14", "2026-11-14"}, states, "one after each window, none between rows of one moment")

	t.Run("the next run goes on at the bookmark", func(t *testing.T) {
		next := w.good(res.state())
		require.Equal(t, []string{"4.1"}, next.records("orders"))
		require.Equal(t, []string{"2026-11-14 2026-11-21"}, bounds(w))
		require.Equal(t, res.state(), next.state())
	})
	t.Run("a failing window keeps what was complete", func(t *testing.T) {
		w.v.before = func(c call) error {
			if c.get("since") > "2026-11" {
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		failed := w.run("")
		require.EqualError(t, failed.result("orders").Err, "toy: orders: page 1: no")
		require.Equal(t, "2026-10-30", failed.bookmark("orders", "modified"))
		w.v.before = nil
		w.v.calls = nil
		require.Equal(t, []string{"3.1", "4.1"}, w.good(failed.state()).records("orders"))
		require.Equal(t, []string{"2026-10-30 2026-11-19", "2026-11-19 2026-11-21", "", "1970-01-01", "", "1970-01-01"}, bounds(w), "rows without a date are looked for still")
	})
	t.Run("a start in the future", func(t *testing.T) {
		w.Start = epoch.AddDate(0, 0, 1)
		defer func() { w.Start = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC) }()
		future := w.good(`{"bookmarks":{"orders":{"_without_key":0}}}`)
		require.Empty(t, future.records("orders"))
		require.Empty(t, w.v.asked())
	})
}

func TestWideWindows(t *testing.T) {
	s := changing("orders")
	s.Cursor.MaxRows = 4
	w := newWorld(t, s)
	w.Start = time.Date(2026, 11, 13, 10, 0, 0, 0, time.UTC)
	tt := w.table("orders", 0)
	for i := range int64(9) {
		tt.rows = append(tt.rows, trow{id: i + 1, v: 1, at: day(11, 20) + i*1e6})
	}
	res := w.good(`{"bookmarks":{"orders":{"_without_key":0}}}`)
	require.Equal(t, ids(9), res.records("orders"))
	require.Equal(t, "2026-11-20T00:00:08.000000Z", res.bookmark("orders", "modified"))
	require.Equal(t, "2026-11-13T10:00:00.000000Z 2026-11-21T10:00:00.000000Z", w.v.calls[0].get("since")+" "+w.v.calls[0].get("until"))

	t.Run("too many at one moment", func(t *testing.T) {
		w.v.calls = nil
		for i := range tt.rows {
			tt.rows[i].at = day(11, 20) + 12345
		}
		res := w.good(`{"bookmarks":{"orders":{"_without_key":0}}}`)
		require.Subset(t, res.records("orders"), ids(9))
		require.Less(t, len(w.v.calls), 50, "halving ends at a second")
	})
	t.Run("of days", func(t *testing.T) {
		s := whole("orders")
		s.Schema = schemaOf(dated)
		s.Cursor = &stream.Cursor{Field: "day", From: "since", To: "until", MaxRows: 4}
		w := newWorld(t, s)
		w.table("orders", 0, func(tt *table) {
			tt.unit, tt.cursor, tt.size = stream.Day, "day", 10
			for i := range int64(9) {
				tt.rows = append(tt.rows, trow{id: i + 1, v: 1, at: 20760 + i/4})
			}
		})
		require.Equal(t, ids(9), w.good(`{"bookmarks":{"orders":{"day":"2026-11-03","_without_key":0}}}`).records("orders"))
		require.Equal(t, []string{
			"2026-11-03 2026-11-21", "2026-11-03 2026-11-12", "2026-11-03 2026-11-07", "2026-11-03 2026-11-05", "2026-11-03 2026-11-04",
			"2026-11-03 2026-11-03", "2026-11-04 2026-11-04", "2026-11-05 2026-11-05", "2026-11-06 2026-11-07", "2026-11-08 2026-11-12", "2026-11-13 2026-11-21",
		}, bounds(w))
	})
}

func TestDayCursor(t *testing.T) {
	s := whole("orders")
	s.Schema = schemaOf(dated)
	s.Cursor = &stream.Cursor{Field: "day", From: "since", To: "until", Layout: "20060102"}
	w := newWorld(t, s)
	w.Start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	w.Window = 10
	tt := w.table("orders", 0, func(tt *table) { tt.unit, tt.cursor = stream.Day, "day" })
	for i := range int64(21) {
		tt.rows = append(tt.rows, trow{id: i + 1, v: 1, at: stream.Day.FromTime(w.Start) + i})
	}
	w.v.before = func(c call) error { // the layout is the vendor's
		for i, p := range c.params {
			if (p.Name == "since" || p.Name == "until") && len(p.Value) == 8 {
				c.params[i].Value = p.Value[:4] + "-" + p.Value[4:6] + "-" + p.Value[6:]
			}
		}
		return nil
	}
	res := w.good("")
	require.Equal(t, ids(21), res.records("orders"))
	require.Equal(t, "2026-11-21", res.bookmark("orders", "day"))
	w.v.calls = nil
	w.Lookback = 24 * time.Hour
	require.Equal(t, []string{"20.1", "21.1"}, w.good(res.state()).records("orders"))
	require.Equal(t, []string{"2026-11-20 2026-11-21"}, bounds(w))

	t.Run("whose day has begun before that of UTC", func(t *testing.T) {
		w.Now = func() time.Time { return time.Date(2026, 11, 20, 22, 30, 0, 0, time.UTC) }
		require.Equal(t, "2026-11-21", w.good(`{"bookmarks":{"orders":{"day":"2026-11-21","_without_key":0}}}`).bookmark("orders", "day"))
		require.Equal(t, fault.State, fault.KindOf(w.run(`{"bookmarks":{"orders":{"day":"2026-11-22"}}}`).report.Err))
	})
}

func TestIntegerCursor(t *testing.T) {
	s := whole("orders")
	s.Schema = schemaOf(stamped)
	s.Cursor = &stream.Cursor{Field: "stamp", From: "since"}
	w := newWorld(t, s)
	w.Window, w.Lookback = 5, time.Hour // mean nothing here
	tt := w.table("orders", 0, func(tt *table) { tt.unit, tt.cursor = stream.Int, "stamp" })
	for i := range int64(5) {
		tt.rows = append(tt.rows, trow{id: i + 1, v: 1, at: 1<<53 + 100 - i})
	}
	res := w.good("")
	require.Equal(t, ids(5), res.records("orders"))
	require.Equal(t, "9007199254741092", res.bookmark("orders", "stamp"))
	require.Contains(t, res.state(), `"stamp":9007199254741092`)
	require.Equal(t, []string{""}, bounds(w))
	tt.rows = append(tt.rows, trow{id: 6, v: 1, at: 1<<53 + 101})
	next := w.good(res.state())
	require.Equal(t, []string{"1.1", "6.1"}, next.records("orders"))
	require.Equal(t, []string{"9007199254741092"}, bounds(w))
	require.Equal(t, "9007199254741093", next.bookmark("orders", "stamp"))
}

// Streams whose vendor has no filter are read whole and cut here.
func TestUnfilteredCursor(t *testing.T) {
	s := changing("orders")
	s.Cursor = &stream.Cursor{Field: "modified"}
	w := newWorld(t, s)
	w.Window = 3
	tt := w.table("orders", 5)
	tt.rows[1].at = null
	res := w.good(`{"bookmarks":{"orders":{"modified":"2026-01-04T00:00:00Z"}}}`)
	require.Equal(t, []string{"2.1", "3.1", "4.1", "5.1"}, res.records("orders"), "those without a value are always there")
	require.Equal(t, "2026-01-06", res.bookmark("orders", "modified"))
	require.Equal(t, []string{"orders", "orders page=2"}, w.v.asked())
}

func TestLowerBoundOnly(t *testing.T) {
	s := changing("orders")
	s.Cursor.To = ""
	s.Cursor.In = stream.InHeader
	s.Cursor.Layout = time.RFC3339
	w := newWorld(t, s)
	w.Window = 3
	tt := w.table("orders", 7)
	res := w.good("")
	require.Equal(t, ids(7), res.records("orders"))
	tt.touch(2, day(2, 1)+1500000)
	w.v.calls = nil
	res = w.good(res.state())
	require.Equal(t, []string{"2.2", "7.1"}, res.records("orders"))
	require.Len(t, w.v.calls, 1)
	require.Equal(t, "2026-01-08T00:00:00Z", w.v.calls[0].header["since"])
	require.Equal(t, "2026-02-01T00:00:01.500000Z", res.bookmark("orders", "modified"))
}

// Options that read only a part leave the state as it came.
func TestPartialReads(t *testing.T) {
	const state = `{"bookmarks":{"orders":{"modified":"2026-01-05T00:00:00Z"},"other":"kept"},"currently_syncing":null}`
	for _, test := range []struct {
		name string
		set  func(*Options)
		want []string
		hold bool
	}{
		{"nothing", func(*Options) {}, []string{"4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, false},
		{"since", func(o *Options) { o.Since = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC) }, []string{"2.1", "3.1", "4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, true},
		{"until", func(o *Options) { o.End = time.Date(2026, 1, 7, 0, 0, 0, 0, time.UTC); o.HoldState = true }, []string{"4.1", "5.1", "6.1"}, true},
		{"end_date", func(o *Options) { o.End = time.Date(2026, 1, 7, 0, 0, 0, 0, time.UTC) }, []string{"4.1", "5.1", "6.1"}, false},
		{"end_date in the future", func(o *Options) { o.End = epoch.AddDate(1, 0, 0) }, []string{"4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, false},
		{"lookback", func(o *Options) { o.Lookback = 36 * time.Hour }, []string{"3.1", "4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, false},
		{"lookback not below the start", func(o *Options) { o.Lookback = 3000 * time.Hour; o.Start = time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC) }, []string{"3.1", "4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, false},
		{"a bookmark below the start", func(o *Options) { o.Start = time.Date(2026, 1, 8, 0, 0, 0, 0, time.UTC) }, []string{"4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, false},
		{"max records", func(o *Options) { o.MaxRecords = 2 }, []string{"4.1", "5.1"}, true},
		{"max records over two pages", func(o *Options) { o.MaxRecords = 4 }, []string{"4.1", "5.1", "6.1", "7.1"}, true},
		{"held", func(o *Options) { o.HoldState = true }, []string{"4.1", "5.1", "6.1", "7.1", "8.1", "9.1"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, filtered := range []bool{true, false} {
				s := changing("orders")
				if !filtered {
					s.Cursor = &stream.Cursor{Field: "modified"}
				}
				w := newWorld(t, s)
				w.table("orders", 9)
				test.set(&w.Options)
				res := w.good(state)
				require.Equal(t, test.want, res.records("orders"))
				if test.hold {
					require.Equal(t, state, res.state())
					require.Contains(t, res.lines[0].raw, state)
				} else {
					last := test.want[len(test.want)-1]
					require.Equal(t, fmt.Sprintf("2026-01-%02d", last[0]-'0'+1), res.bookmark("orders", "modified"))
				}
			}
		})
	}
	t.Run("max records asks no more than it needs", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.table("orders", 9)
		w.MaxRecords = 4
		w.good("")
		require.Len(t, w.v.calls, 2)
	})
	t.Run("max records of children", func(t *testing.T) {
		w := family(t)
		w.MaxRecords = 1
		res := w.good("")
		require.Equal(t, ids(1), res.records("orders"))
		require.Equal(t, []string{"10.1"}, res.records("lines"))
		require.Equal(t, []string{"100.1"}, res.records("taxes"))
	})
	t.Run("max records of a rider", func(t *testing.T) {
		w := newWorld(t, whole("orders"), riding("", "lines"))
		w.MaxRecords = 1
		w.v.on["orders"] = func(c call) (string, error) {
			return fmt.Sprintf(`{"rows":[{"id":%d}],"next":%q,"lines":[{"id":%d}]}`, c.n, c.link(c.n+1), c.n+10), nil
		}
		for _, only := range []bool{false, true} {
			if only {
				w.unselect("orders")
			}
			w.v.calls = nil
			require.Len(t, w.good("").records("lines"), 1)
			require.Len(t, w.v.calls, 1)
		}
	})
}

// A full refresh replaces the bookmark, but only once all is read.
func TestFullRefresh(t *testing.T) {
	const state = `{"bookmarks":{"orders":{"modified":"2026-08-01T00:00:00Z","_without_key":0}}}`
	w := newWorld(t, changing("orders"))
	w.FullRefresh = []string{"orders"}
	w.Window = 5
	tt := w.table("orders", 9)
	tt.rows[3].at = null
	fail := true
	w.v.before = func(c call) error {
		if fail && c.get("since") > "2026-03" {
			return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
		}
		return nil
	}
	res := w.run(state)
	require.Error(t, res.result("orders").Err)
	require.Subset(t, res.records("orders"), []string{"1.1", "9.1"})
	require.Equal(t, "2026-08-01T00:00:00Z", res.bookmark("orders", "modified"))
	fail = false
	res = w.good(res.state())
	require.Subset(t, res.records("orders"), ids(9), "those without a date too")
	require.Equal(t, "2026-01-10", res.bookmark("orders", "modified"), "it may go back")
	require.Equal(t, "1", res.bookmark("orders", "_without_key"))
	for _, m := range res.lines[:len(res.lines)-3] {
		if m.Type == "STATE" {
			require.Equal(t, "2026-08-01T00:00:00Z", dig(t, string(m.Value), "bookmarks", "orders", "modified"))
		}
	}

	t.Run("nothing there", func(t *testing.T) {
		tt.rows = nil
		require.Equal(t, "2026-08-01T00:00:00Z", w.good(state).bookmark("orders", "modified"))
	})
	t.Run("an unreadable bookmark", func(t *testing.T) {
		w.good(`{"bookmarks":{"orders":{"modified":"soon"}}}`)
	})
}
