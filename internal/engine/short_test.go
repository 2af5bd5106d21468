package engine

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// counted is a stream of which one answer holds all, and tells how many rows that is:
// the toy vendor gives three at most.
func counted(name string) stream.Stream {
	s := changing(name)
	s.Page = stream.Single{Total: "count"}
	s.Cursor.Margin, s.Cursor.Unended = time.Second, true
	return s
}

// An answer that has fewer rows than it tells is no whole one: halves bring the rest.
func TestShort(t *testing.T) {
	w := newWorld(t, counted("orders"))
	tt := w.table("orders", 40)
	for _, test := range []struct {
		state  string
		window int
		end    time.Time
		from   int // of the ids
		to     int
	}{
		{"", 0, time.Time{}, 1, 40},
		{"", 17, time.Time{}, 1, 40},
		{`{"bookmarks":{"orders":{"modified":"2026-01-21T00:00:00Z"}}}`, 0, time.Time{}, 20, 40},
		{"", 0, time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC), 1, 19},
		{"", 3, time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC), 1, 19},
	} {
		for _, concurrency := range []int{1, 8} {
			w.Window, w.End, w.Concurrency = test.window, test.end, concurrency
			res := w.good(test.state)
			want := ids(40)[test.from-1 : test.to]
			if test.window > 0 { // neighbours share their edge
				require.ElementsMatch(t, want, slices.Compact(slices.Sorted(slices.Values(res.records("orders")))))
			} else {
				require.ElementsMatch(t, want, res.records("orders"), "each once")
			}
			require.Equal(t, tt.unit.Format(tt.rows[test.to-1].at, time.DateOnly), res.bookmark("orders", "modified"))
			require.Less(t, len(w.v.asked()), 90)
		}
	}
	w.Window, w.End, w.Concurrency = 0, time.Time{}, 1
	t.Run("from the beginning of time", func(t *testing.T) {
		w.Start = time.Time{}
		require.ElementsMatch(t, ids(40), w.good("").records("orders"))
		require.Less(t, len(w.v.asked()), 90)
		w.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	t.Run("more in a day than an answer has", func(t *testing.T) {
		for i := 20; i < 24; i++ {
			tt.rows[i].at = day(1, 21) + int64(i)*60e6
		}
		res := w.run("")
		err := res.result("orders").Err
		require.Equal(t, fault.Contract, fault.KindOf(err))
		require.ErrorContains(t, err, "rows, but its answer has 3")
		require.Less(t, res.bookmark("orders", "modified"), "2026-01-22", "what came before is whole")
		require.NotEmpty(t, res.bookmark("orders", "modified"))
	})
	for name, body := range map[string]string{"null": "null", "none": "[]"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, counted("orders"))
			w.answers("orders", `{"count":3,"rows":`+body+`}`)
			require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
			w.answers("orders", `{"count":0,"rows":`+body+`}`)
			require.Empty(t, w.good("").records("orders"))
		})
	}
	t.Run("without a bound", func(t *testing.T) {
		s := whole("orders")
		s.Page = stream.Single{Total: "count"}
		w := newWorld(t, s)
		w.table("orders", 4, func(tt *table) { tt.cursor = "" })
		require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
		require.Len(t, w.v.asked(), 1)
		w.v.tables["orders"].size = 4
		require.Equal(t, ids(4), w.good("").records("orders"))
		w.v.tables["orders"].size, w.MaxRecords = 3, 2
		require.Equal(t, ids(2), w.good("").records("orders"), "more are not wanted")
	})
}

// The bounds may look at another date than the one that rows show: rows that seem to
// lie outside of a span do not tell that its bounds are ignored, and no half grows to
// the whole again.
func TestShortByAnotherDate(t *testing.T) {
	shown := regexp.MustCompile(`20\d\d-\d\d-\d\dT`)
	for _, days := range []int{-400, -9, -1, 1, 9} {
		for _, set := range []struct{ window, size int }{{0, 3}, {17, 3}, {17, 100}} {
			lines := counted("lines")
			lines.Path = "orders/{order}/lines"
			lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
			w := newWorld(t, whole("orders"), lines)
			w.Window, w.Start = set.window, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
			w.table("orders", 1, func(tt *table) { tt.cursor = "" })
			w.table("lines", 40, func(tt *table) {
				tt.size = set.size
				for i := range tt.rows {
					tt.rows[i].up = 1
				}
			})
			w.v.spoil = func(_ call, body string) string {
				return shown.ReplaceAllStringFunc(body, func(at string) string {
					day, err := time.Parse("2006-01-02T", at)
					require.NoError(t, err)
					return day.AddDate(0, 0, days).Format("2006-01-02T")
				})
			}
			require.Subset(t, w.good("").records("lines"), ids(40), "%d days off: %+v", days, set)
			require.Less(t, len(w.v.asked()), 120)
		}
	}
}

// A count that is too low, or is none, tells nothing.
func TestCountTooLow(t *testing.T) {
	for _, count := range []string{`"count":2`, `"count":0`, `"count":-1`, `"count":null`, `"count":"many"`, `"other":9`} {
		w := newWorld(t, counted("orders"))
		w.table("orders", 7, func(tt *table) { tt.size = 100 })
		w.v.spoil = func(_ call, body string) string { return strings.Replace(body, `"count":7`, count, 1) }
		require.Equal(t, ids(7), w.good("").records("orders"))
		require.Len(t, w.v.asked(), 1)
	}
}

// A count may take no heed of the bounds: all is asked for, what is older is dropped.
func TestCountOfAll(t *testing.T) {
	lines := counted("lines")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
	w := newWorld(t, whole("orders"), lines)
	w.table("orders", 2, func(tt *table) { tt.cursor = "" })
	tt := w.table("lines", 20, func(tt *table) { tt.size = 100 })
	for i := range tt.rows {
		tt.rows[i].up = int64(1 + i%2)
	}
	w.v.spoil = func(c call, body string) string {
		if !strings.HasSuffix(c.path, "lines") {
			return body
		}
		_, rest, _ := strings.Cut(body, ",")
		return `{"count":10,` + rest
	}
	for _, window := range []int{0, 4} {
		w.Window, w.v.calls = window, nil
		res := w.good(`{"bookmarks":{"lines":{"modified":"2026-01-15T00:00:00Z"}}}`)
		require.ElementsMatch(t, ids(20)[13:], res.records("lines"))
		require.Equal(t, "2026-01-21", res.bookmark("lines", "modified"))
		asked := w.v.asked()
		require.Equal(t, 2, strings.Count(fmt.Sprintf("%q", asked), `lines"`), "%q", asked)
		require.Len(t, asked, 1+2*2)
		w.End = time.Date(2026, 1, 18, 0, 0, 0, 0, time.UTC)
		require.ElementsMatch(t, ids(17)[13:], w.good(`{"bookmarks":{"lines":{"modified":"2026-01-15T00:00:00Z"}}}`).records("lines"))
		w.End = time.Time{}
	}
}
