package engine

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTurns: streams that come with one answer take turns in large chunks, not page
// by page.
func TestTurns(t *testing.T) {
	const pages = 60
	for _, size := range []int{10, turnBytes / 8} {
		carrier := whole("orders")
		carrier.Ignore = []string{"row"}
		w := newWorld(t, carrier, riding("row", "lines"))
		w.v.on["orders"] = func(c call) (string, error) {
			n := 1
			if page := c.get("page"); page != "" {
				n, _ = strconv.Atoi(page)
			}
			next := "null"
			if n < pages {
				next = fmt.Sprintf(`"toy://host/orders?page=%d"`, n+1)
			}
			return fmt.Sprintf(`{"rows":[{"id":%d,"row":0,"v":1,"more":%q}],"lines":[{"id":%d,"row":0,"v":1}],"next":%s}`, n, strings.Repeat("x", size), 100+n, next), nil
		}
		res := w.good("")
		require.Len(t, res.records("orders"), pages)
		require.Len(t, res.records("lines"), pages)
		turns, last := 0, ""
		for _, m := range res.lines {
			if m.Type == "RECORD" && m.Stream != last {
				turns, last = turns+1, m.Stream
			}
		}
		most := 2 * (1 + pages*(size+200)/turnBytes)
		require.LessOrEqual(t, turns, most, "%d bytes a row", size)
	}
}
