package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A child whose parents are rows of all partitions, which no stream has: a
// helper reads them, and is in no catalog.
func TestHelper(t *testing.T) {
	lines := whole("lines")
	lines.Parent = &stream.Parent{Stream: "everything", Bind: []stream.Bind{{From: "id", To: "row", Inject: "up"}}}
	w := divided(t, numbers("7", "8"), whole("everything"), lines)
	w.src.Stream("lines").Path = "d/{partition}/orders/{row}/lines"
	w.src.Stream("everything").Path = "d/{partition}/orders"
	w.src.Helpers, w.src.Streams = w.src.Streams[:1:1], w.src.Streams[1:]
	for _, part := range []string{"d/7", "d/8"} {
		w.table(part+"/orders", 2, func(tt *table) { tt.cursor = "" })
		kids := w.table(part+"/lines", 0, func(tt *table) { tt.cursor = "" })
		for id := range int64(2) {
			kids.rows = append(kids.rows, trow{id: 10 + id, v: 1, up: id + 1})
		}
	}
	res := w.good("")
	require.Equal(t, []string{"7/10.1", "7/11.1", "8/10.1", "8/11.1"}, res.at("lines"))
	require.Empty(t, res.records("everything"))
	require.Len(t, res.report.Streams, 1)
	require.Len(t, w.v.asked(), 6, "the rows of two partitions, then the lines of each row")
	c, err := Catalog(w.src, w.src.Streams)
	require.NoError(t, err)
	require.Len(t, c.Streams, 1)
}
