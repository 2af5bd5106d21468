package engine

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// bare are the ids of a stream's records, first those of the first n rows.
func bare(o *outcome, name string) []string {
	out := []string{}
	for _, r := range o.records(name) {
		id, _, _ := strings.Cut(r, ".")
		out = append(out, id)
	}
	return out
}

func first(n int) []string {
	out := []string{}
	for id := range n {
		out = append(out, strconv.Itoa(id+1))
	}
	return out
}

// untold is a list in pages of three by offset, of which no total is told.
func untold(t *testing.T, n int, p stream.Offset) (*world, *table) {
	s := whole("orders")
	p.Param, p.SizeParam, p.UntilEmpty = "offset", "limit", true
	if p.Size == 0 {
		p.Size = 3
	}
	s.Page = p
	w := newWorld(t, s)
	tt := w.table("orders", n, func(tt *table) { tt.cursor, tt.noCount = "", true })
	return w, tt
}

func TestOverlap(t *testing.T) {
	for n, calls := range []int{1, 2, 2, 2, 3, 3, 4, 4} {
		t.Run(fmt.Sprint(n, " rows"), func(t *testing.T) {
			w, _ := untold(t, n, stream.Offset{Overlap: true})
			require.Equal(t, first(n), bare(w.good(""), "orders"), "none twice")
			require.Len(t, w.v.asked(), calls)
		})
	}
	t.Run("a row goes before a page", func(t *testing.T) {
		for at := 1; at <= 6; at++ {
			for gone := int64(1); gone <= 10; gone++ {
				w, tt := untold(t, 10, stream.Offset{Overlap: true})
				w.v.before = func(c call) error {
					if c.n == at {
						tt.drop(gone)
					}
					return nil
				}
				got := bare(w.good(""), "orders")
				for _, id := range first(10) {
					require.True(t, slices.Contains(got, id) || id == strconv.FormatInt(gone, 10), "%s is missing, %d went before call %d", id, gone, at)
				}
			}
		}
	})
	t.Run("a row comes first", func(t *testing.T) {
		w, tt := untold(t, 10, stream.Offset{Overlap: true})
		w.v.before = func(c call) error {
			if c.n == 3 {
				tt.rows = slices.Insert(tt.rows, 0, trow{id: 11, v: 1})
			}
			return nil
		}
		require.Subset(t, bare(w.good(""), "orders"), first(11))
	})
	t.Run("a last page goes", func(t *testing.T) {
		w, tt := untold(t, 3, stream.Offset{Overlap: true})
		w.v.before = func(c call) error {
			if c.n == 2 {
				tt.drop(3)
			}
			return nil
		}
		require.Subset(t, bare(w.good(""), "orders"), first(2))
	})
	t.Run("a row comes before each page", func(t *testing.T) {
		w, tt := untold(t, 10, stream.Offset{Overlap: true, Size: 16})
		w.v.before = func(c call) error {
			if c.n > 1 && c.n < 6 {
				tt.rows = slices.Insert(tt.rows, 0, trow{id: int64(100 + c.n), v: 1})
			}
			return nil
		}
		require.Subset(t, bare(w.good(""), "orders"), append(first(10), "102", "103", "104", "105"))
	})
	t.Run("the offset is ignored", func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 8} {
			w, tt := untold(t, n, stream.Offset{Overlap: true})
			tt.samePage = true
			require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
		}
	})
}

// slipping answers as a service whose order leaves something open: each page but
// the first begins with the row before it, in place of its own.
func slipping(w *world, tt *table, slips func(c call, start int) bool) {
	w.v.on["orders"] = func(c call) (string, error) {
		start, _ := strconv.Atoi(c.get("offset"))
		size, _ := strconv.Atoi(c.get("limit"))
		rows := slices.Clone(tt.rows)
		if strings.Contains(c.get("order"), "DESC") {
			slices.Reverse(rows)
		}
		start = min(start, len(rows))
		page := slices.Clone(rows[start:min(start+size, len(rows))])
		if start > 0 && len(page) > 0 && slips(c, start) {
			page[0] = rows[start-1]
		}
		var list []string
		for _, r := range page {
			list = append(list, tt.json(r))
		}
		return `{"rows":[` + strings.Join(list, ",") + `]}`, nil
	}
}

func TestRowsThatAreRepeatedAndOmitted(t *testing.T) {
	always := func(call, int) bool { return true }
	random := func(c call, start int) bool { return (c.n*7+start)%3 == 0 }
	orders := []stream.Param{{Name: "order", Value: "id ASC"}, {Name: "order", Value: "id DESC"}}
	for _, tc := range []struct {
		name  string
		slips func(call, int) bool
		page  stream.Offset
		fails bool
	}{
		{"the same each time, cut in the same way", always, stream.Offset{}, true},
		{"the same each time, cut in another way", always, stream.Offset{Size: 16}, false},
		{"the same each time, in another order", always, stream.Offset{Orders: orders}, false},
		{"the same each time, overlapping", always, stream.Offset{Overlap: true}, false},
		{"the same each time, with all", always, stream.Offset{Overlap: true, Orders: orders, Size: 16}, false},
		{"another each time", random, stream.Offset{Size: 16}, false},
		{"another each time, with all", random, stream.Offset{Overlap: true, Orders: orders, Size: 16}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, tt := untold(t, 41, tc.page)
			slipping(w, tt, tc.slips)
			res := w.run("")
			if err := res.result("orders").Err; tc.fails {
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.ErrorContains(t, err, "rows came twice")
				return
			}
			require.NoError(t, res.result("orders").Err)
			require.Subset(t, bare(res, "orders"), first(41))
			require.LessOrEqual(t, len(w.v.calls), 6*42)
		})
	}
}

func late() error {
	return &fault.Error{Kind: fault.Transient, Status: http.StatusGatewayTimeout, Err: errors.New("a timeout occurred")}
}

func TestSmallerPages(t *testing.T) {
	keyset := stream.Keyset{Param: "after", Field: "id", SizeParam: "limit", Size: 16, First: "0", UntilEmpty: true, Number: true, Least: 4}
	for _, page := range []stream.Pager{stream.Offset{Size: 16, Least: 4, Overlap: true}, keyset} {
		for most, want := range map[int]bool{3: false, 4: true, 7: true, 8: true, 40: true} {
			t.Run(fmt.Sprintf("%T of %d", page, most), func(t *testing.T) {
				w, _ := untold(t, 30, stream.Offset{})
				if p, ok := page.(stream.Offset); ok {
					p.Param, p.SizeParam, p.UntilEmpty = "offset", "limit", true
					page = p
				}
				w.src.Streams[0].Page = page
				w.v.before = func(c call) error {
					if n, _ := strconv.Atoi(c.get("limit")); n > most {
						return late()
					}
					return nil
				}
				res := w.run("")
				if !want {
					require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
					return
				}
				require.NoError(t, res.result("orders").Err)
				require.Equal(t, first(30), bare(res, "orders"))
			})
		}
	}
}

func TestKeysHaveToAscend(t *testing.T) {
	s := whole("orders")
	s.Page = stream.Keyset{Param: "after", Field: "id", SizeParam: "limit", Size: 3, First: "0", UntilEmpty: true, Number: true}
	w := newWorld(t, s)
	tt := w.table("orders", 8, func(tt *table) { tt.cursor = "" })
	w.v.spoil = func(_ call, body string) string { return strings.ReplaceAll(body, `"id":3`, `"id":"3"`) }
	require.Equal(t, first(8), bare(w.good(""), "orders"))
	require.Equal(t, "orders limit=(3) after=(3)", w.v.asked()[1], "a number, however it was shown")
	tt.rows[1], tt.rows[2] = tt.rows[2], tt.rows[1]
	require.ErrorContains(t, w.run("").result("orders").Err, "the rows do not come by their keys: 2 after 3")
}

func TestSlowWindows(t *testing.T) {
	s := changing("orders")
	s.Page, s.Cursor.Halve = stream.Single{}, true
	w := newWorld(t, s)
	w.table("orders", 30, func(tt *table) { tt.size, tt.noCount = 1000, true })
	w.v.before = func(c call) error {
		from, _ := time.Parse(time.RFC3339Nano, c.get("since"))
		to, _ := time.Parse(time.RFC3339Nano, c.get("until"))
		if to.Sub(from) > 40*24*time.Hour {
			return late()
		}
		return nil
	}
	res := w.good("")
	require.Subset(t, bare(res, "orders"), first(30))
	wide := 0
	for _, c := range w.v.asked() {
		if strings.Contains(c, "since=2026-01-01 ") {
			wide++
		}
	}
	require.Equal(t, 5, wide, "each width is tried once")
	require.Less(t, len(w.v.calls), 25)

	// A vendor who counts days is asked for each of them once.
	w.src.Stream("orders").Cursor.Floor = func(_ stream.Config, at time.Time) time.Time { return at.Truncate(24 * time.Hour) }
	w.v.calls = nil
	require.Subset(t, bare(w.good(""), "orders"), first(30))
	days := map[string]bool{}
	for _, c := range w.v.calls {
		from, until := c.get("since"), c.get("until")
		if a, _ := time.Parse(time.RFC3339Nano, from); a.IsZero() || w.v.before(c) != nil {
			continue
		}
		require.False(t, days[from[:10]] || days[until[:10]], "%s to %s", from, until)
		days[from[:10]], days[until[:10]] = true, true
	}
	require.Greater(t, len(days), 10)

	w.v.before = func(call) error { return late() }
	require.Equal(t, fault.Transient, fault.KindOf(w.run("").result("orders").Err), "not below a day")
}

// lists is a stream whose rows lie in two lists; the second is read between two
// reads of the first.
func lists(t *testing.T) (w *world, live, gone *table) {
	s := whole("orders")
	s.Page = stream.Offset{Param: "offset", SizeParam: "limit", Size: 3, UntilEmpty: true, Overlap: true}
	archive := stream.Pass{Params: []stream.Param{{Name: "deleted", Value: "true", Raw: true}}, If: "all"}
	s.Passes = []stream.Pass{archive, {Params: []stream.Param{{Name: "deleted", Value: "false", Raw: true}}}, archive}
	w = newWorld(t, s)
	w.Config = stream.NewConfig(map[string]string{"all": "true"})
	live = w.table("live", 8, func(tt *table) { tt.cursor = "" })
	gone = w.table("gone", 0, func(tt *table) { tt.cursor = "" })
	for id := range int64(5) {
		gone.rows = append(gone.rows, trow{id: 101 + id, v: 1})
	}
	w.v.on["orders"] = func(c call) (string, error) {
		if c.get("deleted") == "true" {
			return gone.answer(c, 0)
		}
		return live.answer(c, 0)
	}
	return w, live, gone
}

func TestPasses(t *testing.T) {
	w, _, _ := lists(t)
	res := w.good("")
	require.Len(t, bare(res, "orders"), 13, "what did not change comes once")
	require.JSONEq(t, `{"bookmarks":{},"currently_syncing":null}`, res.state())
	w.Config = stream.NewConfig(nil)
	require.Equal(t, first(8), bare(w.good(""), "orders"))

	for at := 1; at < 16; at++ {
		for _, id := range []int64{1, 3, 4, 8, 101, 103, 105} {
			w, live, gone := lists(t)
			w.v.before = func(c call) error {
				from, to := live, gone
				if id > 100 {
					from, to = gone, live
				}
				if r := from.row(id); c.n == at && r != nil {
					to.rows = append(to.rows, *r)
					from.drop(id)
				}
				return nil
			}
			require.Subset(t, bare(w.good(""), "orders"), append(first(8), "101", "102", "103", "104", "105"), "%d goes before call %d", id, at)
		}
	}
}

// actions is a stream that is asked for by days which its rows do not show.
func actions(t *testing.T) (*world, *table) {
	s := whole("orders")
	s.Schema = schemaOf(dated)
	s.Page = stream.Offset{Param: "offset", SizeParam: "limit", Size: 100, UntilEmpty: true, Overlap: true}
	s.Cursor = &stream.Cursor{Field: "day", From: "since", To: "until", Stamp: &stream.Stamp{Margin: 2 * time.Hour}}
	w := newWorld(t, s)
	w.src.Zone = func(stream.Config) *time.Location { return time.FixedZone("east", 3*3600) }
	tt := w.table("orders", 0, func(tt *table) { tt.cursor, tt.unit = "", stream.Day })
	return w, tt
}

func days(month time.Month, d int) int64 {
	return stream.Day.FromTime(time.Date(2026, month, d, 0, 0, 0, 0, time.UTC))
}

func TestStamp(t *testing.T) {
	w, tt := actions(t)
	now := time.Date(2026, 11, 20, 22, 30, 0, 0, time.UTC) // the 21st there
	w.Now = func() time.Time { return now }
	tt.rows = []trow{{id: 1, at: days(1, 5)}, {id: 2, at: days(11, 20)}, {id: 3, at: days(11, 21)}, {id: 4, at: null}}
	res := w.good("")
	require.Equal(t, first(4), bare(res, "orders"))
	require.Equal(t, []any{nil, nil, nil, nil}, res.values("orders", "day"), "a first read stamps nothing")
	require.NotContains(t, w.v.asked()[0], "since")
	require.Equal(t, "2026-11-21", res.bookmark("orders", "day"))
	state := res.state()

	// Of a vendor whose day ended later, some of the 20th's rows came after it.
	tt.rows = append(tt.rows, trow{id: 5, at: days(11, 20)}, trow{id: 6, at: days(11, 23)})
	now = now.AddDate(0, 0, 4)
	w.v.calls = nil
	res = w.good(state)
	require.Equal(t, []string{"2", "5", "3", "6"}, bare(res, "orders"))
	require.Equal(t, []any{"2026-11-20", "2026-11-20", "2026-11-21", "2026-11-23"}, res.values("orders", "day"))
	require.Equal(t, "2026-11-23", res.bookmark("orders", "day"))
	asked := w.v.asked()
	require.Equal(t, "orders since=2026-11-20 until=2026-11-20 limit=(100) offset=(0)", asked[0])
	require.Contains(t, asked[len(asked)-1], "since=2026-11-25 until=2026-11-25")

	// Of a state that does not tell when the first read began, and of one that began
	// at noon, the bookmark is the first day.
	noon := `{"bookmarks":{"orders":{"day":"2026-11-21","_read_at":"2026-11-21T09:00:00Z"}}}`
	for _, told := range []string{noon, strings.Replace(noon, `"_read_at"`, `"_other"`, 1)} {
		require.Equal(t, []string{"3", "6"}, bare(w.good(told), "orders"))
	}

	quiet := w.good(strings.ReplaceAll(res.state(), "2026-11-23", "2026-11-25"))
	require.Empty(t, bare(quiet, "orders"))
	require.Equal(t, "2026-11-25", quiet.bookmark("orders", "day"))

	w.FullRefresh = []string{"orders"}
	res = w.good(res.state())
	require.Equal(t, first(6), bare(res, "orders"))
	require.Equal(t, "2026-11-25", res.bookmark("orders", "day"))

	w.FullRefresh, w.Since = nil, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	require.Equal(t, []string{"6"}, bare(w.good(res.state()), "orders"))

	w.Since, w.End = time.Time{}, time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
	require.Equal(t, "2026-11-10", w.good("").bookmark("orders", "day"))

	w.End = time.Time{}
	w.v.before = func(c call) error {
		if c.get("offset") != "0" {
			return late()
		}
		return nil
	}
	require.Empty(t, w.run("").bookmark("orders"), "half a read is none")
}

// numbered is a stream whose key tells what is new and not what changed, and a
// child of it.
func numbered(t *testing.T, parts bool) (w *world, tt *table, edit func(id int64, at time.Time)) {
	s := whole("orders")
	s.Schema = schemaOf(upward)
	s.Page = stream.Keyset{Param: "after", Field: "id", SizeParam: "limit", Size: 3, First: "0", UntilEmpty: true, Number: true}
	s.Cursor = &stream.Cursor{Field: "id", From: "after", Raw: true, Sorted: true, Edits: &stream.Edits{Since: "edited", Layout: time.DateTime, Margin: time.Hour}}
	list := []stream.Stream{s}
	if parts {
		kid := whole("parts")
		kid.Path, kid.Page, kid.OneRow = "orders/{order}", stream.Single{}, true
		kid.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}, Changed: true}
		list = append(list, kid)
	}
	w = newWorld(t, list...)
	w.src.Zone = func(stream.Config) *time.Location { return time.FixedZone("east", 3*3600) }
	tt = w.table("orders", 8, func(tt *table) { tt.cursor = "" })
	edited := map[int64]string{}
	answer := func(c call) (string, error) {
		since := c.get("edited")
		if since == "" {
			return tt.answer(c, 0)
		}
		some := *tt
		some.rows = slices.DeleteFunc(slices.Clone(tt.rows), func(r trow) bool { return edited[r.id] <= since })
		return some.answer(c, 0)
	}
	w.v.on["orders"] = answer
	for id := range int64(20) {
		w.v.says(fmt.Sprintf("orders/%d", id+1), fmt.Sprintf(`{"rows":{"id":%d}}`, id+1))
	}
	w.Now = func() time.Time { return epoch.Add(time.Duration(len(edited)) * time.Hour) }
	return w, tt, func(id int64, at time.Time) { edited[id] = at.In(time.FixedZone("east", 3*3600)).Format(time.DateTime) }
}

func TestEdits(t *testing.T) {
	w, tt, edit := numbered(t, true)
	before := w.good("")
	require.Equal(t, first(8), bare(before, "orders"))
	require.Equal(t, first(8), bare(before, "parts"))
	require.Equal(t, "2026-11-21T10:00:00.000000Z", before.bookmark("orders", "_read_at"))
	require.Equal(t, "2026-11-21T10:00:00.000000Z", before.bookmark("parts", "_parents_read_at"))

	edit(3, epoch.Add(time.Minute))
	edit(5, epoch.Add(-3*time.Hour)) // long ago
	tt.rows = append(tt.rows, trow{id: 9, v: 1})
	w.v.calls = nil
	next := w.good(before.state())
	require.Equal(t, "orders edited=2026-11-21 12:00:00 limit=(3) after=(0)", w.v.asked()[0], "three hours east, an hour before")
	require.Equal(t, []string{"3", "9"}, bare(next, "orders"))
	require.Equal(t, []string{"3", "9"}, sorted(bare(next, "parts")))
	require.Equal(t, "9", next.bookmark("orders", "id"))
	require.Equal(t, "2026-11-21T12:00:00.000000Z", next.bookmark("orders", "_read_at"))

	t.Run("the children failed", func(t *testing.T) {
		w.v.before = func(c call) error {
			if c.path == "orders/3" {
				return errors.New("no")
			}
			return nil
		}
		broken := w.run(before.state())
		require.Error(t, broken.report.Streams[1].Err)
		w.v.before = nil
		require.Contains(t, bare(w.good(broken.state()), "parts"), "3")
	})
	t.Run("a bookmark of unknown age", func(t *testing.T) {
		edit(8, epoch.Add(time.Minute)) // which is new, and comes once
		got := w.good(`{"bookmarks":{"orders":{"id":7}}}`)
		require.Equal(t, []string{"3", "5", "7", "8", "9"}, sorted(bare(got, "orders")))
	})
	t.Run("a first read that broke", func(t *testing.T) {
		w, _, edit := numbered(t, false)
		w.v.before = func(c call) error {
			if c.get("after") == "6" {
				return errors.New("no")
			}
			return nil
		}
		broken := w.run("")
		require.Error(t, broken.report.Streams[0].Err)
		require.Equal(t, "2026-11-21T10:00:00.000000Z", broken.bookmark("orders", "_read_at"))
		w.v.before = nil
		edit(1, epoch.Add(time.Second))
		require.Contains(t, bare(w.good(broken.state()), "orders"), "1")
	})
	t.Run("read anew", func(t *testing.T) {
		w.FullRefresh, w.v.calls = []string{"orders", "parts"}, nil
		require.Len(t, bare(w.good(next.state()), "orders"), 9)
		require.NotContains(t, strings.Join(w.v.asked(), " "), "edited")
	})
}

func TestAnew(t *testing.T) {
	s := changing("orders")
	s.Cursor.Anew = true
	w := newWorld(t, s)
	tt := w.table("orders", 5)
	before := w.good("")
	tt.rows = append(tt.rows, trow{id: 6, at: day(1, 3), v: 1})
	w.repeats = true
	next := w.good(before.state())
	require.Equal(t, first(6), sorted(bare(next, "orders")), "what was dated back comes too")
	require.Equal(t, before.bookmark("orders", "modified"), next.bookmark("orders", "modified"))
}

// A child needs not have what the scope injects into its parent.
func TestScopeOfAChild(t *testing.T) {
	up := whole("orders")
	up.Schema, up.Scope = schemaOf(upward), "units"
	up.Page = stream.Single{}
	kid := whole("parts")
	kid.Schema, kid.Scope, kid.Page = schemaOf(), "units", stream.Single{}
	kid.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
	kid.Path = "orders/{order}"
	w := newWorld(t, up, kid)
	w.src.Scopes["units"] = stream.Scope{Inject: []string{"up"}, Expand: stream.Fixed(stream.Partition{ID: "a", Inject: []string{"7"}})}
	w.table("orders", 1, func(tt *table) { tt.cursor, tt.size = "", 10 })
	w.v.says("orders/1", `{"rows":[{"id":5}]}`)
	res := w.good("")
	require.Equal(t, []any{7.0}, res.values("orders", "up"))
	require.Equal(t, []string{"5"}, bare(res, "parts"))
}

// A job whose poll is answered with the file, and what it is told of the run.
func TestJobThatAnswersItself(t *testing.T) {
	s := whole("orders")
	s.Page = nil
	var read stream.Read
	s.Job = &stream.Job{
		Create: func(r stream.Read) (*stream.Request, error) { read = r; return &stream.Request{URL: "jobs"}, nil },
		Poll:   func(*stream.Response) (stream.Step, error) { return stream.Step{Here: true}, nil },
	}
	w := newWorld(t, s)
	w.v.says("jobs", `{"rows":[{"id":1},{"id":2}]}`)
	require.Equal(t, first(2), bare(w.good(""), "orders"))
	require.Len(t, w.v.calls, 1)
	require.Equal(t, w.Start, read.Start)
	require.Equal(t, epoch, read.End)
	w.Since, w.End = epoch.Add(-time.Hour), epoch.Add(-time.Minute)
	w.good("")
	require.Equal(t, w.Since, read.Start)
	require.Equal(t, w.End, read.End)
}

func TestRowsThatShareAKey(t *testing.T) {
	s := whole("orders")
	s.Page = stream.Single{}
	w := newWorld(t, s)
	tt := w.table("orders", 4, func(tt *table) { tt.cursor, tt.size = "", 10 })
	w.good("")
	require.Zero(t, w.warnings())
	tt.rows[2].id = 1
	require.Len(t, bare(w.good(""), "orders"), 4, "both are written")
	require.Equal(t, 1, w.warnings())
	require.Contains(t, w.log.String(), "share a key")
}
