package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// gone is the list of deleted rows: kind tells of which stream.
func gone() stream.Stream {
	s := versions("gone")
	s.Schema = &singer.Schema{Type: "object", Properties: []singer.Property{
		{Name: "id", Schema: &singer.Schema{Type: "integer"}},
		stamped,
		{Name: "kind", Schema: nullable("integer", "")},
		{Name: "entity", Schema: nullable("integer", "")},
		{Name: "when", Schema: nullable("string", "date-time")},
	}}
	s.Cursor.Kept = 59 * 24 * time.Hour
	return s
}

// deletion adds a row to the list of a partition.
func (w *world) deletion(part string, stamp, kind, entity int64) {
	tt := w.v.tables["d/"+part+"/gone"]
	tt.rows = append(tt.rows, trow{id: 1000 + stamp, at: stamp, more: fmt.Sprintf(`,"kind":%d,"entity":%d,"when":"2026-05-%02dT00:00:00+02:00"`, kind, entity, entity)})
}

// mortal is orders and more, whose deletions gone lists as kinds 1 and 2, in the
// partitions 7 and 9.
func mortal(t tb) *world {
	orders, more := versions("orders"), versions("more")
	orders.Deletions = &stream.Deletions{Stream: "gone", Key: "entity", At: "when", Where: "kind", Is: "1"}
	more.Deletions = &stream.Deletions{Stream: "gone", Key: "entity", At: "when", Where: "kind", Is: "2"}
	w := divided(t, moved(`"a"`), orders, more, gone())
	w.src.Deletions = true
	w.src.Streams[2].Selected = false
	for _, part := range []string{"7", "9"} {
		for _, name := range []string{"orders", "more"} {
			w.stamps("d/"+part+"/"+name, 4, 100)
		}
		w.table("d/"+part+"/gone", 0, func(tt *table) { tt.unit, tt.cursor, tt.sorted, tt.spare = stream.Int, "stamp", true, true })
		for i := range int64(5) { // two pages
			w.deletion(part, 500+i, i%2+1, 20+i)
		}
	}
	return w
}

// buried lists the deletions among the records of a stream as division/id.
func (o *outcome) buried(name string) []string {
	out := []string{}
	for i, at := range o.values(name, stream.DeletedAt) {
		if at != nil {
			out = append(out, fmt.Sprintf("%v/%v", o.values(name, "_division")[i], o.values(name, "id")[i]))
		}
	}
	return out
}

func TestDeletions(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		w := mortal(t)
		w.Concurrency = concurrency
		res := w.good("")
		require.Equal(t, []string{
			"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/20.<nil>", "7/22.<nil>", "7/24.<nil>",
			"9/1.1", "9/2.1", "9/3.1", "9/4.1", "9/20.<nil>", "9/22.<nil>", "9/24.<nil>",
		}, res.at("orders"), "after the rows of each partition")
		require.Equal(t, []string{"7/21", "7/23", "9/21", "9/23"}, res.buried("more"))
		require.Contains(t, string(res.out), `"record":{"_division":7,"id":20,"v":null,"name":null,"stamp":null,"_deleted_at":"2026-05-19T22:00:00`)
		for _, m := range res.lines {
			if m.Type == "RECORD" {
				require.Regexp(t, `,"_deleted_at":(null|"2026-05-\d\dT22:00:00(\.000000)?Z"),"_rescued_data":null}`, m.raw)
			}
		}
		n := w.v.pathsAsked()
		require.Equal(t, 2, n["d/7/gone"], "two pages, once for both streams")
		require.Equal(t, 2, n["d/9/gone"])
		for _, name := range []string{"orders", "more"} {
			for _, part := range []string{"7", "9"} {
				require.Equal(t, "103", res.bookmark(name, "partitions", part, "stamp"), "deletions do not move it")
				require.Equal(t, "504", res.bookmark(name, "partitions", part, deletedUntil))
				require.Equal(t, "2026-11-21T10:00:00.000000Z", res.bookmark(name, "partitions", part, deletedReadAt))
			}
		}

		again := w.good(res.state())
		require.Empty(t, again.buried("orders"))
		require.Equal(t, "504", again.bookmark("orders", "partitions", "7", deletedUntil))
		w.deletion("7", 510, 1, 3)
		w.deletion("7", 511, 2, 4)
		w.v.tables["d/7/orders"].drop(3)
		w.v.calls = nil
		next := w.good(res.state())
		require.Equal(t, []string{"7/3"}, next.buried("orders"))
		require.Equal(t, []string{"7/4"}, next.buried("more"))
		require.Equal(t, "511", next.bookmark("orders", "partitions", "7", deletedUntil))
		require.Equal(t, "504", next.bookmark("orders", "partitions", "9", deletedUntil))
		for _, c := range w.v.calls {
			if strings.HasSuffix(c.path, "/gone") {
				require.Equal(t, "504", c.get("since"), "only what is new is asked for")
			}
		}
	}
}

// The list is read from the lowest mark of those who want it; each writes what it
// lacks.
func TestDeletionsFromTheLowestMark(t *testing.T) {
	w := mortal(t)
	mark := func(orders, more string) string {
		return fmt.Sprintf(`{"bookmarks":{"orders":{"partitions":{"7":{"stamp":103%s}}},"more":{"partitions":{"7":{"stamp":103%s}}}}}`, orders, more)
	}
	for _, test := range []struct {
		orders, more, since string
		buried, buriedMore  []string
	}{
		{`,"_deleted":502`, `,"_deleted":501`, "501", []string{"7/24"}, []string{"7/23"}},
		{`,"_deleted":500`, `,"_deleted":503`, "500", []string{"7/22", "7/24"}, nil},
		{`,"_deleted":504`, ``, "", nil, []string{"7/21", "7/23"}},
		{`,"_deleted":null`, `,"_deleted":502`, "", []string{"7/20", "7/22", "7/24"}, []string{"7/23"}},
	} {
		w.divisions(moved(`"a"`)[:1]...)
		w.v.calls = nil
		res := w.good(mark(test.orders, test.more))
		require.ElementsMatch(t, test.buried, res.buried("orders"))
		require.ElementsMatch(t, test.buriedMore, res.buried("more"))
		i := slices.IndexFunc(w.v.calls, func(c call) bool { return c.path == "d/7/gone" })
		require.Equal(t, test.since, w.v.calls[i].get("since"))
	}
	t.Run("a stream that is not selected has no say", func(t *testing.T) {
		w := mortal(t).unselect("more")
		res := w.good(mark(`,"_deleted":502`, ``))
		require.Equal(t, "502", w.v.calls[slices.IndexFunc(w.v.calls, func(c call) bool { return c.path == "d/7/gone" })].get("since"))
		require.Equal(t, []string{"7/24", "9/20", "9/22", "9/24"}, res.buried("orders"))
	})
	t.Run("a mark that is none", func(t *testing.T) {
		res := mortal(t).run(mark(`,"_deleted":"x"`, ``))
		require.Equal(t, fault.State, fault.KindOf(res.result("orders").Err))
		require.ErrorContains(t, res.result("orders").Err, "_deleted")
	})
}

// A list without rows leaves the mark, and is told as read.
func TestNoDeletions(t *testing.T) {
	w := mortal(t)
	w.v.tables["d/7/gone"].rows, w.v.tables["d/9/gone"].rows = nil, nil
	w.v.tables["d/9/gone"].empty = true
	res := w.good(`{"bookmarks":{"orders":{"partitions":{"7":{"stamp":100,"_deleted":300}}}}}`)
	require.Empty(t, res.buried("orders"))
	require.Equal(t, "300", res.bookmark("orders", "partitions", "7", deletedUntil))
	require.Empty(t, res.bookmark("orders", "partitions", "9", deletedUntil))
	require.Equal(t, "2026-11-21T10:00:00.000000Z", res.bookmark("orders", "partitions", "9", deletedReadAt))
}

// Deletions are written where the user wants them, and the catalog has a place
// for them.
func TestDeletionsOfNobody(t *testing.T) {
	t.Run("not wanted", func(t *testing.T) {
		w := mortal(t)
		w.src.Deletions = false
		res := w.good("")
		require.NotContains(t, string(res.out), stream.DeletedAt)
		require.NotContains(t, res.state(), deletedUntil)
		require.Zero(t, w.v.pathsAsked()["d/7/gone"])
	})
	t.Run("the catalog lacks it", func(t *testing.T) {
		w := mortal(t)
		o := w.options("")
		for i := range o.Tasks {
			full := o.Tasks[i].Schema
			o.Tasks[i].Schema = full.Select(func(name string) bool { return name != stream.DeletedAt })
		}
		var out strings.Builder
		o.Out = singer.NewWriter(&out)
		require.NoError(t, Run(t.Context(), o).Err)
		require.NotContains(t, out.String(), stream.DeletedAt)
		require.Contains(t, out.String(), `"stream":"more"`)
		require.Zero(t, w.v.pathsAsked()["d/7/gone"])
	})
	t.Run("deselected", func(t *testing.T) {
		w := mortal(t)
		w.src.Streams[0].Hidden = []string{stream.DeletedAt}
		res := w.good("")
		require.Equal(t, []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, []string{"7/21", "7/23", "9/21", "9/23"}, res.buried("more"))
		require.Empty(t, res.bookmark("orders", "partitions", "7", deletedUntil), "they are written should it be selected later")
	})
	t.Run("a stream without a list", func(t *testing.T) {
		w := mortal(t)
		w.src.Streams[0].Deletions = nil
		res := w.good("")
		for _, m := range res.lines {
			if m.Stream == "orders" {
				require.NotContains(t, m.raw, stream.DeletedAt)
			}
		}
		require.Equal(t, []string{"7/21", "7/23", "9/21", "9/23"}, res.buried("more"))
	})
	t.Run("the schema has it before what is rescued", func(t *testing.T) {
		w := mortal(t)
		full, err := Schema(w.src, &w.src.Streams[0])
		require.NoError(t, err)
		last := full.Properties[len(full.Properties)-2:]
		require.Equal(t, stream.DeletedAt, last[0].Name)
		require.Equal(t, "date-time", last[0].Schema.Format)
		require.True(t, last[0].Schema.Nullable)
		require.Equal(t, "_rescued_data", last[1].Name)
	})
}

// A list that cannot be read fails the streams in that partition; their rows are
// written and stay so, and the deletions come with the next run.
func TestDeletionsFail(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		for _, page := range []string{"", "2"} {
			w := mortal(t)
			w.Concurrency = concurrency
			const before = `{"bookmarks":{"orders":{"partitions":{"7":{"stamp":101,"_deleted":501}}}}}`
			w.v.before = func(c call) error {
				if c.path == "d/7/gone" && c.get("page") == page {
					return &fault.Error{Kind: fault.Transient, Status: 503, Err: errors.New("no list")}
				}
				return nil
			}
			res := w.run(before)
			require.ErrorContains(t, res.result("orders").Err, "no list")
			require.ErrorContains(t, res.result("more").Err, "no list")
			require.Equal(t, []string{"9/20", "9/22", "9/24"}, res.buried("orders"))
			require.Equal(t, "103", res.bookmark("orders", "partitions", "7", "stamp"), "all rows up to there are written")
			require.Equal(t, "501", res.bookmark("orders", "partitions", "7", deletedUntil))
			require.Empty(t, res.bookmark("orders", "partitions", "7", deletedReadAt))
			require.Equal(t, "504", res.bookmark("orders", "partitions", "9", deletedUntil))
			asked := w.v.pathsAsked()["d/7/gone"]
			require.Equal(t, 1+len(page), asked, "a list that failed is not asked for again")
			w.v.before = nil
			rest := w.good(res.state())
			require.Equal(t, []string{"7/22", "7/24"}, rest.buried("orders"))
			require.Equal(t, []string{"7/21", "7/23"}, rest.buried("more"))
		}
	}
	for name, body := range map[string]string{
		"no rows":       `{"error":1}`,
		"no key":        `{"rows":[{"id":1,"stamp":5,"kind":1,"when":null}]}`,
		"null key":      `{"rows":[{"id":1,"stamp":5,"kind":1,"entity":null,"when":null}]}`,
		"no value":      `{"rows":[{"id":1,"kind":1,"entity":5,"when":null}]}`,
		"a broken list": `{"rows":[{"id":1,"kind":1,"ent`,
	} {
		t.Run(name, func(t *testing.T) {
			w := mortal(t)
			w.v.on["d/7/gone"] = func(call) (string, error) { return body, nil }
			res := w.told("")
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
			require.Equal(t, []string{"9/20", "9/22", "9/24"}, res.buried("orders"))
			require.Empty(t, res.bookmark("orders", "partitions", "7", deletedUntil))
		})
	}
	t.Run("no moment is told", func(t *testing.T) {
		w := mortal(t)
		w.v.on["d/7/gone"] = func(call) (string, error) { return `{"rows":[{"stamp":5,"kind":1,"entity":50}]}`, nil }
		require.Contains(t, w.good("").at("orders"), "7/50.<nil>")
	})
	t.Run("the rows fail", func(t *testing.T) {
		w := mortal(t)
		w.refuses("d/7/orders", &fault.Error{Kind: fault.Transient, Err: errors.New("no")})
		res := w.run("")
		require.Equal(t, []string{"9/20", "9/22", "9/24"}, res.buried("orders"))
		require.Empty(t, res.bookmark("orders", "partitions", "7", deletedUntil))
		require.Equal(t, []string{"7/21", "7/23", "9/21", "9/23"}, res.buried("more"))
	})
	t.Run("a link to itself", func(t *testing.T) {
		w := mortal(t)
		w.v.on["d/7/gone"] = func(call) (string, error) { return `{"rows":[],"next":"toy://host/d/7/gone?page=2"}`, nil }
		require.ErrorContains(t, w.run("").result("orders").Err, "points to the page itself")
	})
}

// A division that was moved has other versions in its list too.
func TestDeletionsAfterAMove(t *testing.T) {
	w := mortal(t)
	state := w.good("").state()
	w.divisions(moved(`"b"`)...)
	w.v.tables["d/7/gone"].rows = nil
	w.deletion("7", 40, 1, 27)
	res := w.good(state)
	require.Equal(t, []string{"7/27"}, res.buried("orders"))
	require.Equal(t, "40", res.bookmark("orders", "partitions", "7", deletedUntil))
	require.Equal(t, "504", res.bookmark("orders", "partitions", "9", deletedUntil))

	t.Run("and nothing is listed", func(t *testing.T) {
		w.v.tables["d/7/gone"].rows = nil
		res := w.good(state)
		require.Equal(t, "null", res.bookmark("orders", "partitions", "7", deletedUntil))
	})
	t.Run("read anew in full", func(t *testing.T) {
		w := mortal(t)
		w.FullRefresh = []string{"orders"}
		res := w.good(state)
		require.Equal(t, []string{"7/20", "7/22", "7/24", "9/20", "9/22", "9/24"}, res.buried("orders"))
		require.Empty(t, res.buried("more"))
		require.Equal(t, "504", res.bookmark("orders", "partitions", "7", deletedUntil))
		require.Equal(t, "103", res.bookmark("orders", "partitions", "7", "stamp"))
	})
}

// What the vendor has forgotten meanwhile is warned of.
func TestForgottenDeletions(t *testing.T) {
	state := func(at time.Time) string {
		text := at.Format(time.RFC3339)
		return fmt.Sprintf(`{"bookmarks":{"orders":{"partitions":{"7":{"stamp":103,"_moved":"a","_deleted":504,"_deleted_read_at":%q}}},"gone":{"partitions":{"7":{"stamp":504,"_moved":"a","_read_at":%q}}}}}`, text, text)
	}
	told := func(w *world) []string {
		var out []string
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, "forgets deletions after 59 days") {
				out = append(out, line[strings.Index(line, "stream="):strings.Index(line, " last_read")])
			}
		}
		return out
	}
	for days, want := range map[int][]string{
		59: nil, 60: {"stream=orders partition=7", "stream=gone partition=7"},
	} {
		w := mortal(t)
		w.src.Streams[2].Selected = true
		res := w.good(state(epoch.AddDate(0, 0, -days)))
		require.Equal(t, want, told(w))
		require.Equal(t, len(want), w.warnings())
		require.Equal(t, "2026-11-21T10:00:00.000000Z", res.bookmark("gone", "partitions", "7", readAt))
		require.Equal(t, "2026-11-21T10:00:00.000000Z", res.bookmark("orders", "partitions", "7", deletedReadAt))
	}
	t.Run("the list that fails was not read", func(t *testing.T) {
		w := mortal(t)
		w.src.Streams[2].Selected = true
		w.refuses("d/7/gone", &fault.Error{Kind: fault.Transient, Err: errors.New("no")})
		res := w.run(state(epoch.AddDate(0, 0, -1)))
		require.Equal(t, "2026-11-20T10:00:00Z", res.bookmark("gone", "partitions", "7", readAt))
		require.Equal(t, "2026-11-20T10:00:00Z", res.bookmark("orders", "partitions", "7", deletedReadAt))
	})
	t.Run("not after a move", func(t *testing.T) {
		w := mortal(t)
		w.src.Streams[2].Selected = true
		w.divisions(moved(`"b"`)...)
		w.good(state(epoch.AddDate(0, 0, -90)))
		require.Empty(t, told(w))
	})
	t.Run("not where none are written", func(t *testing.T) {
		w := mortal(t)
		w.src.Deletions = false
		w.good(state(epoch.AddDate(0, 0, -90)))
		require.Empty(t, told(w))
	})
}

// Whatever runs beside it, the lines are the same.
func TestDeletionsAtAnyConcurrency(t *testing.T) {
	want := mortal(t).good("")
	for concurrency := 2; concurrency <= 8; concurrency++ {
		w := mortal(t)
		w.Concurrency = concurrency
		require.Equal(t, string(want.out), string(w.good("").out))
	}
}

// Killed at any line, with a move and new deletions between the runs: every row
// and every deletion comes, and no mark passes one that was not written.
func TestKilledBetweenDeletions(t *testing.T) {
	begin := func() (*world, string) {
		w := mortal(t)
		w.src.Streams[2].Selected = true
		state := w.good("").state()
		w.divisions(moved(`"b"`)...)
		for _, name := range []string{"orders", "more"} {
			w.stamps("d/7/"+name, 5, 60)
			w.v.tables["d/9/"+name].touch(2, 130)
		}
		w.v.tables["d/7/gone"].rows = nil
		w.deletion("7", 50, 1, 28)
		w.deletion("7", 51, 2, 29)
		w.deletion("9", 520, 1, 30)
		w.deletion("9", 521, 2, 31)
		return w, state
	}
	w, state := begin()
	full := w.good(state)
	require.Equal(t, []string{"7/28", "9/30"}, full.buried("orders"))
	lines := slices.Collect(strings.Lines(string(full.out)))
	for cut := range lines {
		prefix := read(t, []byte(strings.Join(lines[:cut], "")))
		w, state := begin()
		if s := prefix.state(); s != "" {
			state = s
		}
		for _, name := range []string{"orders", "more"} {
			for _, part := range []string{"7", "9"} {
				mark := dig(t, state, "bookmarks", name, "partitions", part, deletedUntil)
				fresh := mark == "51" || mark == "521"
				for _, id := range full.buried(name) {
					if fresh && strings.HasPrefix(id, part+"/") {
						require.Contains(t, prefix.buried(name), id, "the mark passes it")
					}
				}
			}
		}
		rest := w.good(state)
		for _, name := range []string{"orders", "more", "gone"} {
			require.Subset(t, append(prefix.at(name), rest.at(name)...), full.at(name), "cut after %d lines", cut)
		}
		require.Equal(t, full.bookmark(), rest.bookmark(), "cut after %d lines", cut)
	}
}

// A row that is there again, in a later version than its deletion, is not
// overwritten by it.
func TestRestored(t *testing.T) {
	w := mortal(t)
	w.divisions(moved(`"a"`)[:1]...)
	w.stamps("d/7/orders", 4, 600)
	w.deletion("7", 550, 1, 2)
	w.deletion("7", 700, 1, 3)
	res := w.good("")
	require.NotContains(t, res.buried("orders"), "7/2", "row 2 has version 601, its deletion 550")
	require.Contains(t, res.buried("orders"), "7/3", "row 3 has version 602, its deletion 700")
}

// Who may not see the list gets the rows all the same, and is told once.
func TestListRefused(t *testing.T) {
	w := mortal(t)
	w.divisions(moved(`"a"`)[:1]...)
	w.stamps("d/7/orders", 4, 600)
	w.v.before = func(c call) error {
		if strings.HasSuffix(c.path, "/gone") {
			return &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("forbidden")}
		}
		return nil
	}
	res := w.good("")
	require.Len(t, res.at("orders"), 4)
	require.Empty(t, res.buried("orders"))
	require.Len(t, res.report.Left, 1)
	require.Contains(t, res.report.Left[0], "deletions of 7")
	require.Equal(t, 1, strings.Count(w.log.String(), "may not read which rows were deleted"))
	require.Empty(t, res.bookmark("orders", "partitions", "7", deletedUntil))
}
