package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Dates that bound nothing are told of, in a line for all streams.
func TestUnbounded(t *testing.T) {
	build := func() *world {
		begun := versions("begun")
		begun.Cursor.Begin = &stream.Begin{
			Ask: func(stream.Config, *stream.Partition, time.Time) *stream.Request {
				return &stream.Request{URL: "where"}
			},
			Read: func(*stream.Response) (int64, bool) { return 101, true },
		}
		w := newWorld(t, versions("orders"), begun, versions("more"), changing("dated"), versions("unselected"))
		w.unselect("unselected")
		for _, name := range []string{"orders", "begun", "more", "unselected"} {
			w.stamps(name, 3, 100)
		}
		w.table("dated", 3)
		w.v.on["where"] = func(call) (string, error) { return "{}", nil }
		return w
	}
	w := build()
	w.good("")
	require.Zero(t, w.warnings(), "a start is no matter: what it cannot do is documented")
	w = build()
	w.End = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	res := w.good("")
	require.Equal(t, 1, w.warnings())
	require.Contains(t, w.log.String(), "orders, begun, more\"")
	require.Contains(t, w.log.String(), "end_date and --until")
	require.Len(t, res.records("orders"), 3)
	require.Len(t, res.records("dated"), 2)
	w = build()
	w.Since, w.HoldState = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), true
	w.run("")
	require.Equal(t, 1, w.warnings())
	require.Contains(t, w.log.String(), "orders, more\"")
	require.Equal(t, 1, strings.Count(w.log.String(), "--since"))
}
