package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Of lists without a total, however few rows a page has, all come; one with fewer
// than another had at once is whole.
func TestSurveyCapped(t *testing.T) {
	many := []int{3, 8, 2, 7, 0, 1, 8, 5, 20, 3}
	for _, base := range []int{0, 1} {
		for _, most := range []int{2, 3, 4, 7, 8, 99} {
			for _, concurrency := range []int{1, 8} {
				lines := whole("lines")
				lines.Path, lines.Records = "orders/{order}/lines", "rows"
				lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
				lines.Page = stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 50, Survey: &stream.Survey{Least: 2}}
				w := newWorld(t, whole("orders"), lines)
				w.Concurrency = concurrency
				w.table("orders", len(many), func(tt *table) { tt.cursor = "" })
				var want []string
				for i, n := range many {
					p := &pages{base: base, most: most, silent: true}
					for k := range n {
						p.rows = append(p.rows, int64(100*(i+1)+k))
						want = append(want, fmt.Sprintf("%d.1", 100*(i+1)+k))
					}
					w.v.on[fmt.Sprintf("orders/%d/lines", i+1)] = p.answer
				}
				require.ElementsMatch(t, want, w.good("").records("lines"), "from %d, %d a page", base, most)
				if most == 99 && concurrency == 1 {
					// 3, 8, 8 and 20 had no more before them.
					require.LessOrEqual(t, strings.Count(strings.Join(w.v.asked(), "\n"), "/lines"), len(many)+2+3)
				}
			}
		}
	}
}

// The catalog tells the vendor's parent, which is not always the one that is read.
func TestCatalogParent(t *testing.T) {
	lines, taxes, notes := whole("lines"), within("taxes", "taxes"), whole("notes")
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
	notes.Parent, notes.Below = lines.Parent, "taxes"
	taxes.Below = "lines"
	w := newWorld(t, whole("orders"), lines, taxes, notes)
	c, err := Catalog(w.src, w.src.Streams)
	require.NoError(t, err)
	for name, parent := range map[string]string{"orders": "", "lines": `"orders"`, "taxes": `"lines"`, "notes": `"taxes"`} {
		root := &c.Entry(name).Metadata[0]
		raw, _ := root.Get("parent-tap-stream-id")
		require.Equal(t, parent, string(raw), name)
	}
}
