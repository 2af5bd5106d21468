package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// beginning is a vendor of rows by version, below and from which on, who tells
// the version of a date at d/7/begin.
func beginning(t *testing.T, exclusive bool) *world {
	s := versions("orders")
	s.Cursor.From, s.Cursor.Open = "", true
	s.Cursor.Filter = func(_ stream.Config, from, _ string) []stream.Param {
		if exclusive {
			if from == "" {
				from = "1"
			}
			return []stream.Param{{Name: "filter", Value: "gt " + from}}
		}
		if from == "" {
			return nil
		}
		return []stream.Param{{Name: "since", Value: from}}
	}
	s.Cursor.Begin = &stream.Begin{
		Ask: func(c stream.Config, p *stream.Partition, at time.Time) *stream.Request {
			return &stream.Request{URL: "d/" + p.ID + "/begin", Params: []stream.Param{{Name: "at", Value: at.Format(time.DateOnly)}, {Name: "zone", Value: c.Text("zone")}}}
		},
		Read: func(r *stream.Response) (int64, bool) {
			var n int64
			_, err := fmt.Sscanf(string(r.Body), "from %d", &n)
			return n, err == nil
		},
	}
	parts := numbers("7", "9")
	parts[0].Lane = "seven"
	w := divided(t, parts, s)
	w.Config = stream.NewConfig(map[string]string{"zone": "here"})
	for _, part := range []string{"7", "9"} {
		tt := w.stamps("d/"+part+"/orders", 5, 101)
		w.v.on["d/"+part+"/begin"] = func(call) (string, error) { return "from 103", nil }
		w.v.on["d/"+part+"/orders"] = func(c call) (string, error) {
			if over, ok := strings.CutPrefix(c.get("filter"), "gt "); ok {
				c.params = append(c.params, stream.Param{Name: "since", Value: fmt.Sprint(tt.bound(over) + 1)})
			}
			return tt.answer(c, 0)
		}
	}
	return w
}

func TestBegin(t *testing.T) {
	const marked = `{"bookmarks":{"orders":{"partitions":{"7":{"stamp":104}}}}}`
	first := func(w *world) []string {
		out := []string{}
		for _, c := range w.v.calls {
			if c.get("page") == "" {
				out = append(out, c.String())
			}
		}
		return out
	}
	t.Run("inclusive", func(t *testing.T) {
		w := beginning(t, false)
		res := w.good("")
		require.Equal(t, []string{"d/7/begin at=2026-01-01 zone=here", "d/7/orders since=103", "d/9/begin at=2026-01-01 zone=here", "d/9/orders since=103"}, first(w))
		require.Equal(t, "seven", w.v.calls[0].lane)
		require.Equal(t, []string{"7/3.1", "7/4.1", "7/5.1", "9/3.1", "9/4.1", "9/5.1"}, res.at("orders"))
		require.Equal(t, "105", res.bookmark("orders", "partitions", "7", "stamp"))
	})
	t.Run("exclusive", func(t *testing.T) {
		w := beginning(t, true)
		res := w.good("")
		require.Equal(t, "d/7/orders filter=gt 103", first(w)[1])
		require.Equal(t, []string{"7/4.1", "7/5.1", "9/4.1", "9/5.1"}, res.at("orders"))
	})
	t.Run("a bookmark goes first", func(t *testing.T) {
		w := beginning(t, false)
		res := w.good(marked)
		require.Equal(t, []string{"d/7/orders since=104", "d/9/begin at=2026-01-01 zone=here", "d/9/orders since=103"}, first(w))
		require.Equal(t, []string{"7/4.1", "7/5.1", "9/3.1", "9/4.1", "9/5.1"}, res.at("orders"))
	})
	t.Run("a bookmark that means nothing any more", func(t *testing.T) {
		w := beginning(t, false)
		w.divisions(moved(`"b"`)[:1]...)
		w.good(strings.Replace(marked, `"stamp"`, `"_moved":"a","stamp"`, 1))
		require.Equal(t, "d/7/begin at=2026-01-01 zone=here", first(w)[0])
	})
	t.Run("no date", func(t *testing.T) {
		w := beginning(t, true)
		w.Start = time.Time{}
		res := w.good("")
		require.Equal(t, []string{"d/7/orders filter=gt 1", "d/9/orders filter=gt 1"}, first(w))
		require.Len(t, res.records("orders"), 10)
	})
	t.Run("since replaces the bookmark", func(t *testing.T) {
		w := beginning(t, false)
		w.Since = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		res := w.good(marked)
		require.Equal(t, []string{"d/7/begin at=2026-06-01 zone=here", "d/7/orders since=103", "d/9/begin at=2026-06-01 zone=here", "d/9/orders since=103"}, first(w))
		require.Equal(t, []string{"7/3.1", "7/4.1", "7/5.1", "9/3.1", "9/4.1", "9/5.1"}, res.at("orders"), "rows below the bookmark too")
		require.Equal(t, "104", res.bookmark("orders", "partitions", "7", "stamp"), "the state is held")
		require.Empty(t, res.bookmark("orders", "partitions", "9"))
	})
	t.Run("since without a Begin", func(t *testing.T) {
		w := beginning(t, false)
		w.src.Streams[0].Cursor.Begin = nil
		w.Since = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		require.Len(t, w.good(marked).records("orders"), 10, "all is read, for nobody tells where that is")
	})
	t.Run("read anew in full", func(t *testing.T) {
		w := beginning(t, false)
		w.FullRefresh = []string{"orders"}
		w.good(marked)
		require.Equal(t, "d/7/begin at=2026-01-01 zone=here", first(w)[0])
	})
	for name, answer := range map[string]error{
		"not told":      nil,
		"no rows":       stream.NoRows,
		"not permitted": &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")},
		"absent":        &fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("no")},
	} {
		t.Run(name+": from the beginning", func(t *testing.T) {
			w := beginning(t, false)
			w.v.on["d/7/begin"] = func(call) (string, error) { return "nothing", answer }
			res := w.good("")
			require.Equal(t, []string{"d/7/begin at=2026-01-01 zone=here", "d/7/orders", "d/9/begin at=2026-01-01 zone=here", "d/9/orders since=103"}, first(w))
			require.Equal(t, []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/5.1", "9/3.1", "9/4.1", "9/5.1"}, res.at("orders"))
			require.Zero(t, w.warnings())
		})
	}
	for name, err := range map[string]*fault.Error{
		"down":                  {Kind: fault.Transient, Status: 503, Err: errors.New("no")},
		"broken":                {Kind: fault.Contract, Err: errors.New("no")},
		"the partition is shut": {Kind: fault.Permission, Status: 403, Partition: true, Err: errors.New("no")},
	} {
		t.Run(name+": the partition fails", func(t *testing.T) {
			w := beginning(t, false)
			w.refuses("d/7/begin", err)
			res := w.run("")
			require.Zero(t, w.v.pathsAsked()["d/7/orders"])
			require.Equal(t, []string{"9/3.1", "9/4.1", "9/5.1"}, res.at("orders"))
			if err.Partition {
				require.NoError(t, res.result("orders").Err)
				require.Equal(t, []string{"7"}, res.result("orders").Refused)
			} else {
				require.Equal(t, err.Kind, fault.KindOf(res.result("orders").Err))
			}
		})
	}
	t.Run("the credentials ran out: the run ends", func(t *testing.T) {
		w := beginning(t, false)
		w.refuses("d/7/begin", &fault.Error{Kind: fault.Auth, Err: errors.New("no")})
		require.Equal(t, fault.Auth, fault.KindOf(w.run("").report.Err))
	})
}

// Without an end the last window has no upper bound; what changed after the
// start of the run is written, but is no bookmark.
func TestUnended(t *testing.T) {
	ranged := func(end time.Time, window int) (*world, *table) {
		s := changing("orders")
		s.Page = stream.NextLink{Next: "next"}
		s.Cursor.Unended = true
		w := newWorld(t, s)
		w.End, w.Window = end, window
		w.Start = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
		tt := w.table("orders", 3, func(tt *table) { tt.from = day(10, 1) })
		tt.rows[0].at, tt.rows[1].at, tt.rows[2].at = day(10, 5), day(11, 15), stream.Instant.FromTime(epoch)+5e6
		return w, tt
	}
	t.Run("one window", func(t *testing.T) {
		w, _ := ranged(time.Time{}, 0)
		res := w.good("")
		require.Equal(t, []string{"orders since=2026-10-01"}, w.v.asked())
		require.Equal(t, ids(3), res.records("orders"))
		require.Equal(t, "2026-11-15", res.bookmark("orders", "modified"))
		w.Now = func() time.Time { return epoch.Add(time.Minute) }
		next := w.good(res.state())
		require.Equal(t, []string{"2.1", "3.1"}, next.records("orders"))
		require.Equal(t, "2026-11-21T10:00:05.000000Z", next.bookmark("orders", "modified"))
	})
	t.Run("inner windows", func(t *testing.T) {
		w, _ := ranged(time.Time{}, 30)
		res := w.good("")
		require.Equal(t, []string{"orders since=2026-10-01 until=2026-10-31", "orders since=2026-10-31"}, w.v.asked())
		require.Equal(t, ids(3), res.records("orders"))
		require.Equal(t, "2026-11-15", res.bookmark("orders", "modified"))
	})
	t.Run("with an end", func(t *testing.T) {
		w, _ := ranged(time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC), 0)
		res := w.good("")
		require.Equal(t, []string{"orders since=2026-10-01 until=2026-11-10"}, w.v.asked())
		require.Equal(t, ids(1), res.records("orders"))
		require.Equal(t, "2026-10-05", res.bookmark("orders", "modified"))
	})
	t.Run("with an end to come", func(t *testing.T) {
		w, _ := ranged(epoch.AddDate(0, 1, 0), 0)
		res := w.good("")
		require.Equal(t, []string{"orders since=2026-10-01 until=2026-11-21T10:00:00.000000Z"}, w.v.asked())
		require.Equal(t, ids(2), res.records("orders"))
	})
	t.Run("not unended", func(t *testing.T) {
		w, _ := ranged(time.Time{}, 0)
		w.src.Streams[0].Cursor.Unended = false
		require.Equal(t, ids(2), w.good("").records("orders"))
		require.Equal(t, []string{"orders since=2026-10-01 until=2026-11-21T10:00:00.000000Z"}, w.v.asked())
	})
}

// Rows between the floor and the lower bound are emitted: a vendor's clock may
// show them one hour early.
func TestFloor(t *testing.T) {
	hour := int64(time.Hour / time.Microsecond)
	for _, floored := range []bool{true, false} {
		s := changing("orders")
		s.Page = stream.NextLink{Next: "next"}
		if floored {
			s.Cursor.Floor = func(c stream.Config, at time.Time) time.Time {
				require.Equal(t, "here", c.Text("zone"))
				return at.Add(-time.Hour)
			}
		}
		w := newWorld(t, s)
		w.Config = stream.NewConfig(map[string]string{"zone": "here"})
		tt := w.table("orders", 4, func(tt *table) { tt.noFilter = true }) // the vendor steps back on its own
		mark := day(10, 25)
		tt.rows[0].at, tt.rows[1].at, tt.rows[2].at, tt.rows[3].at = mark-hour-1, mark-hour, mark-1, mark
		res := w.good(`{"bookmarks":{"orders":{"modified":"2026-10-25T00:00:00Z"}}}`)
		if floored {
			require.Equal(t, []string{"2.1", "3.1", "4.1"}, res.records("orders"))
		} else {
			require.Equal(t, []string{"4.1"}, res.records("orders"))
		}
		require.Equal(t, "2026-10-25", strings.TrimSuffix(res.bookmark("orders", "modified"), "T00:00:00Z"), "it does not go back")
		require.Equal(t, "orders since=2026-10-25 until=2026-11-21T10:00:00.000000Z", w.v.asked()[0], "the filter's own step is the source's")
	}
}

// What the account says of itself reaches the requests and the hooks.
func TestOpen(t *testing.T) {
	s := changing("orders")
	s.Path, s.Params = "{tenant}/orders", []stream.Param{{Name: "of", Value: "{tenant}"}, {Name: "also", Value: "{shop}"}}
	s.Page = stream.NextLink{Next: "next"}
	build := func() *world {
		w := newWorld(t, s)
		w.Config = stream.NewConfig(map[string]string{"shop": "s1"})
		w.src.Open = func(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Param, error) {
			resp, err := f.Fetch(ctx, &stream.Request{URL: "me", Params: []stream.Param{{Name: "shop", Value: c.Text("shop")}}})
			if err != nil {
				return nil, err
			}
			defer release(resp)
			return []stream.Param{{Name: "tenant", Value: string(resp.Body)}, {Name: "zone", Value: "Europe/Berlin"}}, nil
		}
		w.v.on["me"] = func(call) (string, error) { return "t9", nil }
		tt := w.table("orders", 2)
		w.v.on["t9/orders"] = func(c call) (string, error) { return tt.answer(c, 0) }
		return w
	}
	t.Run("placeholders", func(t *testing.T) {
		w := build()
		res := w.good("")
		require.Equal(t, ids(2), res.records("orders"))
		require.Equal(t, []string{"me shop=s1", "t9/orders of=t9 also=s1 since=2026-01-01 until=2026-11-21T10:00:00.000000Z"}, w.v.asked(), "once, before all else")
	})
	t.Run("hooks", func(t *testing.T) {
		w := build()
		seen := map[string]string{}
		note := func(hook string, c stream.Config) { seen[hook] = c.Text("tenant") + c.Text("shop") }
		w.src.Zone = func(c stream.Config) *time.Location {
			note("zone", c)
			if zone, err := time.LoadLocation(c.Text("zone")); err == nil {
				return zone
			}
			return nil
		}
		w.src.Instant = func(c stream.Config, _ string) func(dst, raw []byte) ([]byte, bool) {
			note("instant", c)
			return nil
		}
		w.src.Streams[0].Cursor = &stream.Cursor{Field: "modified", Filter: func(c stream.Config, _, _ string) []stream.Param {
			note("filter", c)
			return nil
		}}
		w.v.spoil = func(_ call, body string) string { return strings.ReplaceAll(body, ".000000Z", "") }
		res := w.good("")
		require.Equal(t, map[string]string{"zone": "t9s1", "instant": "t9s1", "filter": "t9s1"}, seen)
		require.Equal(t, "2026-01-01T23:00:00Z", res.values("orders", "modified")[0], "the zone that it told")
	})
	t.Run("partitions", func(t *testing.T) {
		w := build()
		w.src.Streams[0].Scope = "shop"
		w.src.Scopes["shop"] = stream.Scope{Expand: func(_ context.Context, _ stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
			return []stream.Partition{{ID: c.Text("tenant")}}, nil
		}}
		require.Equal(t, "2026-01-03", w.good("").bookmark("orders", "partitions", "t9", "modified"))
	})
	t.Run("refused", func(t *testing.T) {
		w := build()
		w.refuses("me", &fault.Error{Kind: fault.Auth, Err: errors.New("who are you")})
		res := w.run(`{"bookmarks":{"orders":{"modified":"2026-01-02T00:00:00Z"}},"currently_syncing":null}`)
		require.ErrorContains(t, res.report.Err, "who are you")
		require.Equal(t, fault.Auth, fault.KindOf(res.report.Err))
		require.Empty(t, res.report.Streams)
		require.Len(t, w.v.calls, 1)
		for _, m := range res.lines {
			require.Equal(t, "STATE", m.Type)
			require.JSONEq(t, `{"bookmarks":{"orders":{"modified":"2026-01-02T00:00:00Z"}},"currently_syncing":null}`, string(m.Value))
		}
	})
}

// A source's own form of a date, and members that are nobody's business.
func TestInstantAndIgnore(t *testing.T) {
	s := changing("orders")
	s.Page = stream.NextLink{Next: "next"}
	s.Schema = schemaOf(upward, modified, dated)
	w := newWorld(t, s)
	var asked []string
	w.src.Instant = func(_ stream.Config, property string) func(dst, raw []byte) ([]byte, bool) {
		asked = append(asked, property)
		return func(dst, raw []byte) ([]byte, bool) {
			var ms int64
			if _, err := fmt.Sscanf(string(raw), `"/Date(%d)/"`, &ms); err != nil {
				return dst, false
			}
			return append(dst, time.UnixMilli(ms).UTC().Format(`"`+stream.MicroLayout+`"`)...), true
		}
	}
	w.src.Ignore = func(name, raw []byte) bool {
		return string(name) == "__metadata" || bytes.HasPrefix(raw, []byte(`{"__deferred"`))
	}
	rows := `{"id":1,"v":1,"modified":"/Date(1767398400000)/","day":"2026-01-05","__metadata":{"uri":"x"},"lines":{"__deferred":{"uri":"y"}}}`
	rows += `,{"id":2,"v":1,"modified":"/Date(1767484800000)/","day":null,"color":"red"}`
	w.v.on["orders"] = func(call) (string, error) { return `{"rows":[` + rows + `],"next":null}`, nil }
	res := w.good("")
	require.NotContains(t, asked, "day", "a date is no instant")
	require.Contains(t, asked, "modified")
	require.Equal(t, []any{"2026-01-03T00:00:00.000000Z", "2026-01-04T00:00:00.000000Z"}, res.values("orders", "modified"))
	require.Equal(t, []any{"2026-01-05", nil}, res.values("orders", "day"))
	require.Equal(t, []any{nil, `{"color":"red"}`}, res.values("orders", "_rescued_data"))
	require.Equal(t, "2026-01-04", res.bookmark("orders", "modified"))
	require.Equal(t, 1, w.warnings(), "of the color alone")

	t.Run("a stream's own conversion goes first", func(t *testing.T) {
		w.src.Streams[0].Convert = map[string]func(dst, raw []byte) ([]byte, bool){"modified": func(dst, _ []byte) ([]byte, bool) {
			return append(dst, `"2026-02-02T00:00:00.000000Z"`...), true
		}}
		require.Equal(t, []any{"2026-02-02T00:00:00.000000Z", "2026-02-02T00:00:00.000000Z"}, w.good("").values("orders", "modified"))
	})
}

// A check opens the source, asks from the start on, and of an empty list whether
// that is for lack of rights.
func TestCheckRights(t *testing.T) {
	build := func() *world {
		orders, stamps := changing("orders"), versions("stamps")
		orders.Select, orders.Page = "fields", stream.NextLink{Next: "next"}
		w := divided(t, []stream.Partition{{ID: "6", Skip: "closed"}, {ID: "7", Inject: []string{"7"}}, {ID: "9", Inject: []string{"9"}}}, orders, stamps)
		w.src.Open = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Param, error) {
			return []stream.Param{{Name: "tenant", Value: "t9"}}, nil
		}
		w.src.Streams[0].Params = []stream.Param{{Name: "of", Value: "{tenant}"}}
		w.src.Rights = func(s *stream.Stream, p *stream.Partition) *stream.Request {
			return &stream.Request{URL: "rights", Params: []stream.Param{{Name: "may", Value: p.ID + " " + s.Name}}}
		}
		w.src.Granted = func(r *stream.Response) bool { return string(r.Body) == "true" }
		w.v.on["rights"] = func(call) (string, error) { return "false", nil }
		w.table("d/7/orders", 0)
		w.stamps("d/7/stamps", 4, 100)
		return w
	}
	check := func(w *world, start time.Time) ([]Checked, error) {
		got, err := Check(t.Context(), w.src, w.Config, w.v, start, w.src.Streams)
		require.Zero(t, w.v.open, "bodies that were not given back")
		return got, err
	}
	t.Run("no right", func(t *testing.T) {
		for _, empty := range []bool{false, true} {
			w := build()
			w.v.tables["d/7/orders"].empty = empty
			got, err := check(w, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
			require.NoError(t, err)
			require.Equal(t, fault.Permission, fault.KindOf(got[0].Err))
			require.ErrorContains(t, got[0].Err, "toy: orders: the list is empty since the user has no right to read it")
			require.NoError(t, got[1].Err)
			require.Equal(t, []string{"d/7/orders of=t9 since=2026-03-01 fields=id", "rights may=7 orders", "d/7/stamps"}, w.v.asked(), "a list with rows needs no question, a version no date")
		}
	})
	t.Run("no start", func(t *testing.T) {
		w := build()
		_, err := check(w, time.Time{})
		require.NoError(t, err)
		require.Equal(t, "d/7/orders of=t9 fields=id", w.v.asked()[0])
	})
	t.Run("all are counted where the vendor counts", func(t *testing.T) {
		w := build()
		w.src.Streams[0].Page = link
		got, err := check(w, epoch)
		require.NoError(t, err)
		require.Error(t, got[0].Err)
		require.Zero(t, got[0].Rows)
		require.Equal(t, "d/7/orders of=t9 fields=id", w.v.asked()[0])
	})
	t.Run("granted", func(t *testing.T) {
		w := build()
		w.v.on["rights"] = func(call) (string, error) { return "true", nil }
		got, err := check(w, epoch)
		require.NoError(t, err)
		require.NoError(t, got[0].Err)
		require.Equal(t, int64(-1), got[0].Rows, "nobody counts")
	})
	t.Run("not told", func(t *testing.T) {
		w := build()
		w.refuses("rights", &fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("no")})
		got, err := check(w, epoch)
		require.NoError(t, err)
		require.NoError(t, got[0].Err)
		w.src.Rights = func(*stream.Stream, *stream.Partition) *stream.Request { return nil }
		got, err = check(w, epoch)
		require.NoError(t, err)
		require.NoError(t, got[0].Err)
	})
	t.Run("the credentials ran out", func(t *testing.T) {
		w := build()
		w.refuses("rights", &fault.Error{Kind: fault.Auth, Err: errors.New("no")})
		_, err := check(w, epoch)
		require.EqualError(t, err, "toy: no")
	})
	t.Run("open fails", func(t *testing.T) {
		w := build()
		w.src.Open = func(context.Context, stream.Fetcher, stream.Config) ([]stream.Param, error) {
			return nil, &fault.Error{Kind: fault.Auth, Err: errors.New("who are you")}
		}
		_, err := check(w, epoch)
		require.EqualError(t, err, "who are you")
		require.Empty(t, w.v.calls)
	})
	t.Run("no partition is left", func(t *testing.T) {
		w := build()
		w.divisions(stream.Partition{ID: "6", Skip: "closed"})
		_, err := check(w, epoch)
		require.Equal(t, fault.Permission, fault.KindOf(err))
		require.ErrorContains(t, err, "no division can be read: 6: closed")
	})
}
