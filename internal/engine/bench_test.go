package engine

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// canned answers with pages that are there already, over and over.
type canned struct {
	pages [][]byte
	asked int
}

func (c *canned) Fetch(context.Context, *stream.Request) (*stream.Response, error) {
	c.asked++
	return &stream.Response{Body: c.pages[(c.asked-1)%len(c.pages)]}, nil
}

const perPage = 1000

// cannedRun makes a run over pages of rows.
func cannedRun(tb testing.TB, pages int) func() {
	s := changing("orders")
	s.Cursor.From, s.Cursor.To = "", ""
	s.Page = stream.Number{Param: "page", First: 1, Size: perPage, More: "more"}
	w := newWorld(tb, s)
	tt := w.table("orders", pages*perPage, func(tt *table) { tt.size = perPage })
	c := &canned{}
	for i := range pages {
		text, err := tt.answer(call{params: []stream.Param{{Name: "page", Value: fmt.Sprint(i + 1)}}}, 0)
		require.NoError(tb, err)
		c.pages = append(c.pages, []byte(text))
	}
	o := w.options("")
	o.Fetcher = c
	return func() {
		o.State = singer.NewState()
		o.Out = singer.NewWriter(io.Discard)
		rep := Run(tb.Context(), o)
		if rep.Err != nil || rep.Streams[0].Err != nil || rep.Streams[0].Records != int64(pages*perPage) {
			tb.Fatal(rep.Err, fmt.Sprintf("%+v", rep.Streams))
		}
	}
}

// A record costs the engine no allocation; a page and a run cost a few.
func TestAllocations(t *testing.T) {
	run := cannedRun(t, 2)
	run()
	require.Less(t, testing.AllocsPerRun(10, run), 0.2*2*perPage)
}

func BenchmarkRun(b *testing.B) {
	const pages = 3
	run := cannedRun(b, pages)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		run()
		n += pages * perPage
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
