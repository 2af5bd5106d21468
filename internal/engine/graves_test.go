package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Deletions wait for the rows, however many lanes read side by side: until then
// nobody knows which rows are there again.
func TestRestoredWhileLanesRunAhead(t *testing.T) {
	for _, concurrency := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			w := mortal(t)
			w.Concurrency = concurrency
			for _, part := range []string{"7", "9"} {
				w.stamps("d/"+part+"/orders", 4, 600)
				w.deletion(part, 550, 1, 2)
				w.deletion(part, 700, 1, 3)
			}
			w.v.before = func(c call) error {
				if strings.HasSuffix(c.path, "/orders") {
					time.Sleep(20 * time.Millisecond) // the list of deletions is long there
				}
				return nil
			}
			res := w.good("")
			for _, part := range []string{"7", "9"} {
				require.NotContains(t, res.buried("orders"), part+"/2", "row 2 has version 601, its deletion 550")
				require.Contains(t, res.buried("orders"), part+"/3", "row 3 has version 602, its deletion 700")
				require.Equal(t, "700", res.bookmark("orders", "partitions", part, deletedUntil))
			}
		})
	}
}

// What a list says of other streams' rows is none of a stream's business, however
// odd it is; what it says of its own has to be whole.
func TestOddDeletions(t *testing.T) {
	world := func(t *testing.T, more string) *world {
		w := mortal(t)
		w.divisions(moved(`"a"`)[:1]...)
		tt := w.v.tables["d/7/gone"]
		tt.rows = append(tt.rows, trow{id: 4000, at: 510, more: more})
		return w
	}
	odd := func(t *testing.T, more string) *outcome { return world(t, more).run("") }
	for _, more := range []string{
		`,"kind":3,"entity":null,"when":"2026-05-01T00:00:00Z"`,
		`,"kind":3`,
		`,"kind":"x","entity":{"a":1},"when":[1]`,
		`,"kind":null,"entity":null`,
	} {
		res := odd(t, more)
		require.NoError(t, res.report.Err, more)
		for _, name := range []string{"orders", "more"} {
			require.NoError(t, res.result(name).Err, more)
			require.Equal(t, "510", res.bookmark(name, "partitions", "7", deletedUntil), more)
		}
		require.Equal(t, []string{"7/20", "7/22", "7/24"}, res.buried("orders"), more)
	}
	t.Run("without a version", func(t *testing.T) {
		w := mortal(t)
		w.divisions(moved(`"a"`)[:1]...)
		w.v.spoil = func(c call, body string) string {
			if strings.HasSuffix(c.path, "/gone") {
				return strings.ReplaceAll(body, `"stamp":501,`, `"stamp":null,`)
			}
			return body
		}
		res := w.run("")
		require.NoError(t, res.result("orders").Err)
		require.Equal(t, []string{"7/20", "7/22", "7/24"}, res.buried("orders"))
		require.Equal(t, fault.Contract, fault.KindOf(res.result("more").Err), "it was one of those")
		require.Empty(t, res.bookmark("more", "partitions", "7", deletedUntil))
	})
	t.Run("own, without a key", func(t *testing.T) {
		res := odd(t, `,"kind":1,"entity":null,"when":"2026-05-01T00:00:00Z"`)
		require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
		require.ErrorContains(t, res.result("orders").Err, "without entity")
		require.Empty(t, res.bookmark("orders", "partitions", "7", deletedUntil))
		require.NoError(t, res.result("more").Err)
		require.Equal(t, []string{"7/21", "7/23"}, res.buried("more"))
	})
	for _, kind := range []string{`"1"`, `1.0`, `" 1 "`} {
		t.Run("kind "+kind, func(t *testing.T) {
			res := odd(t, `,"kind":`+kind+`,"entity":77,"when":"2026-05-01T00:00:00Z"`)
			require.NoError(t, res.result("orders").Err)
			require.Equal(t, []string{"7/20", "7/22", "7/24", "7/77"}, res.buried("orders"))
			require.Equal(t, []string{"7/21", "7/23"}, res.buried("more"))
		})
	}
	t.Run("without a kind", func(t *testing.T) {
		w := world(t, `,"entity":77`)
		require.NotContains(t, w.good("").buried("orders"), "7/77")
		require.Equal(t, 1, strings.Count(w.log.String(), "do not tell of which stream"), "it is told, once")
	})
}

// A vendor whose lists are never null has none to give where one is.
func TestNullRows(t *testing.T) {
	for _, never := range []bool{false, true} {
		for _, body := range []string{`{"d":{"rows":null}}`, `{"d":null}`} {
			t.Run(fmt.Sprint(never, body), func(t *testing.T) {
				s := changing("orders")
				s.Records, s.Bare, s.NeverNull, s.Page = "d.rows", "d", never, stream.NextLink{Next: "d.next"}
				w := newWorld(t, s, changing("other"))
				w.table("other", 2)
				w.v.on["orders"] = func(call) (string, error) { return body, nil }
				res := w.run(`{"bookmarks":{"orders":{"modified":"2026-02-01T00:00:00Z"}}}`)
				require.NoError(t, res.result("other").Err)
				err := res.result("orders").Err
				if !never {
					require.NoError(t, err)
					return
				}
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.ErrorContains(t, err, "null")
				require.Equal(t, "2026-02-01T00:00:00Z", res.bookmark("orders", "modified"))
			})
		}
	}
}
