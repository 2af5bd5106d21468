package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// divided is a source whose streams are all cut into divisions.
func divided(t tb, parts []stream.Partition, streams ...stream.Stream) *world {
	for i := range streams {
		s := &streams[i]
		if s.With == nil {
			s.Path = "d/{partition}/" + s.Path
		}
		s.Scope = "division"
		s.Key = append([]string{"_division"}, s.Key...)
		own := *s.Schema
		own.Properties = append([]singer.Property{{Name: "_division", Schema: &singer.Schema{Type: "integer"}}}, own.Properties...)
		s.Schema = &own
	}
	w := newWorld(t, streams...)
	w.divisions(parts...)
	return w
}

// divisions replaces the source's partitions.
func (w *world) divisions(parts ...stream.Partition) {
	w.src.Scopes["division"] = stream.Scope{
		Inject: []string{"_division"}, Noun: "division",
		Expand: func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) { return parts, nil },
	}
}

// numbers are partitions without anything special.
func numbers(ids ...string) []stream.Partition {
	var out []stream.Partition
	for _, id := range ids {
		out = append(out, stream.Partition{ID: id, Inject: []string{id}})
	}
	return out
}

// told is run with the whole log.
func (w *world) told(state string) *outcome {
	w.t.Helper()
	var out bytes.Buffer
	o := w.options(state)
	o.Out = singer.NewWriter(&out)
	o.Log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	rep := Run(context.Background(), o)
	res := read(w.t, out.Bytes())
	res.report = rep
	return res
}

// refuses answers the calls whose path has a prefix with err.
func (w *world) refuses(prefix string, err error) {
	w.v.before = func(c call) error {
		if strings.HasPrefix(c.path, prefix) {
			return err
		}
		return nil
	}
}

// at lists the records of a stream as division/id.v.
func (o *outcome) at(name string) []string {
	out := []string{}
	for i, r := range o.records(name) {
		out = append(out, fmt.Sprintf("%v/%s", o.values(name, "_division")[i], r))
	}
	return out
}

// pathsAsked counts the calls by path.
func (v *vendor) pathsAsked() map[string]int {
	out := map[string]int{}
	for _, c := range v.calls {
		out[c.path]++
	}
	return out
}

// A partition that fails does not keep the others from being read.
func TestPartitionFails(t *testing.T) {
	const before = `{"bookmarks":{"orders":{"partitions":{"7":{"modified":"2026-01-02T00:00:00Z","_without_key":0},"8":{"modified":"2026-01-03T00:00:00Z","_without_key":0}}}},"currently_syncing":null}`
	for name, test := range map[string]struct {
		err     *fault.Error
		refusal bool
	}{
		"transient":     {&fault.Error{Kind: fault.Transient, Status: 503, Err: errors.New("no")}, false},
		"contract":      {&fault.Error{Kind: fault.Contract, Err: errors.New("no")}, false},
		"refused":       {&fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no")}, false},
		"quota of it":   {&fault.Error{Kind: fault.Quota, Status: 429, Err: errors.New("no")}, false},
		"not permitted": {&fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}, true},
		"absent":        {&fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("no")}, true},
	} {
		for _, concurrency := range []int{1, 4} {
			for _, page := range []string{"", "2"} {
				t.Run(fmt.Sprintf("%s, concurrency %d, page %q", name, concurrency, page), func(t *testing.T) {
					orders := changing("orders")
					orders.Optional = true
					w := divided(t, numbers("7", "8", "9"), orders)
					w.Concurrency = concurrency
					for i, part := range []string{"7", "8", "9"} {
						w.table("d/"+part+"/orders", 5+i)
					}
					w.v.before = func(c call) error {
						if c.path == "d/8/orders" && c.get("page") == page {
							return test.err
						}
						return nil
					}
					res := w.run(before)
					require.NoError(t, res.report.Err)
					got := res.at("orders")
					require.Subset(t, got, []string{"7/1.1", "7/5.1", "9/1.1", "9/7.1"})
					require.Equal(t, "2026-01-06", res.bookmark("orders", "partitions", "7", "modified"))
					require.Equal(t, "2026-01-03T00:00:00Z", res.bookmark("orders", "partitions", "8", "modified"), "as it was")
					require.Equal(t, "2026-01-08", res.bookmark("orders", "partitions", "9", "modified"))
					require.Contains(t, res.state(), `"currently_syncing":null`)
					r := res.result("orders")
					if test.refusal {
						require.NoError(t, r.Err)
						require.Equal(t, []string{"8"}, r.Refused)
						require.Equal(t, 1, w.warnings())
						require.Contains(t, w.log.String(), "a division refuses this stream")
						require.Contains(t, w.log.String(), "division=8")
					} else {
						require.Equal(t, test.err.Kind, fault.KindOf(r.Err))
						require.ErrorContains(t, r.Err, "toy: orders: page ")
						require.Empty(t, r.Refused)
						require.Zero(t, w.warnings())
					}
					require.False(t, r.Skipped)
					require.False(t, r.Absent)

					w.v.before = nil
					rest := w.good(res.state())
					require.Equal(t, []string{"7/5.1", "8/2.1", "8/3.1", "8/4.1", "8/5.1", "8/6.1", "9/7.1"}, rest.at("orders"))
				})
			}
		}
	}
}

// The first failure is told, also after a refusal; a failure outweighs it.
func TestFirstRealFailureIsTold(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		w := divided(t, numbers("6", "7", "8", "9"), changing("orders"))
		w.Concurrency = concurrency
		w.table("d/9/orders", 2)
		answers := map[string]error{
			"d/6/orders": &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("not yours")},
			"d/7/orders": &fault.Error{Kind: fault.Contract, Err: errors.New("first")},
			"d/8/orders": &fault.Error{Kind: fault.Transient, Err: errors.New("second")},
		}
		w.v.before = func(c call) error { return answers[c.path] }
		res := w.run("")
		require.EqualError(t, res.result("orders").Err, "toy: orders: page 1: first")
		require.Equal(t, []string{"9/1.1", "9/2.1"}, res.at("orders"))
	}
}

// Where all partitions refuse, the stream is skipped.
func TestAllPartitionsRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		err    *fault.Error
		absent bool
	}{
		"not permitted": {&fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}, false},
		"absent":        {&fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("no")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			orders := changing("orders")
			orders.Optional = true
			w := divided(t, numbers("7", "9"), orders, changing("more"))
			w.table("d/7/more", 1)
			w.table("d/9/more", 2)
			w.v.before = func(c call) error {
				if strings.HasSuffix(c.path, "orders") {
					return test.err
				}
				return nil
			}
			res := w.run("")
			r := res.result("orders")
			require.Equal(t, test.err.Kind, fault.KindOf(r.Err))
			require.True(t, r.Skipped)
			require.Equal(t, test.absent, r.Absent)
			require.Empty(t, r.Refused)
			require.Zero(t, w.warnings(), "the refusal is told with the result")
			require.NotContains(t, string(res.out), `"stream":"orders"`)
			require.Equal(t, []string{"7/1.1", "9/1.1", "9/2.1"}, res.at("more"))
		})
	}
}

// What is left of a partition is not asked once it failed; the other partitions
// are read in all their windows.
func TestRestOfAFailedPartitionIsNotAsked(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		orders := changing("orders")
		orders.Page = stream.NextLink{Next: "next"}
		w := divided(t, numbers("7", "9"), orders)
		w.Concurrency, w.Window = concurrency, 7
		w.table("d/7/orders", 3)
		w.table("d/9/orders", 30)
		failed := 0
		w.v.before = func(c call) error {
			if c.path == "d/7/orders" && c.get("since") > "2026-02" {
				failed++
				return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run("")
		if concurrency == 1 {
			require.Equal(t, 1, failed, "of 42 windows")
		} else {
			require.LessOrEqual(t, failed, 3*concurrency, "of 42 windows")
		}
		require.ErrorContains(t, res.result("orders").Err, "no")
		require.Equal(t, "2026-01-04", res.bookmark("orders", "partitions", "7", "modified"), "as far as its windows were complete")
		require.Equal(t, "2026-01-31", res.bookmark("orders", "partitions", "9", "modified"))
	}
}

// Causes that concern the run end it, in whatever partition they come.
func TestWholeFailureInAPartition(t *testing.T) {
	for _, err := range []*fault.Error{
		{Kind: fault.Auth, Err: errors.New("no")},
		{Kind: fault.Quota, Whole: true, Err: errors.New("no")},
		{Kind: fault.Permission, Whole: true, Err: errors.New("no")},
	} {
		w := divided(t, numbers("7", "8", "9"), changing("orders"), changing("more"))
		for _, part := range []string{"7", "8", "9"} {
			w.table("d/"+part+"/orders", 2)
			w.table("d/"+part+"/more", 2)
		}
		w.refuses("d/8/", err)
		res := w.run("")
		require.EqualError(t, res.report.Err, "toy: orders: page 1: no")
		require.Equal(t, []string{"7/1.1", "7/2.1"}, res.at("orders"))
		require.Equal(t, "2026-01-03", res.bookmark("orders", "partitions", "7", "modified"))
		require.Zero(t, w.v.pathsAsked()["d/9/orders"])
		require.Contains(t, res.state(), `"currently_syncing":"orders"`)
	}
}

// Riders share the fate of their carrier's partition.
func TestRidersOfAFailedPartition(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		rider := whole("lines")
		rider.Path, rider.Page, rider.Records = "", nil, "extra"
		rider.With = &stream.With{Stream: "orders"}
		rider.Schema = schemaOf(modified)
		rider.Cursor = &stream.Cursor{Field: "modified"}
		w := divided(t, numbers("7", "8", "9"), changing("orders"), rider)
		w.Concurrency = concurrency
		for i, part := range []string{"7", "8", "9"} {
			tt := w.table("d/"+part+"/orders", 4)
			w.v.on["d/"+part+"/orders"] = func(c call) (string, error) {
				text, err := tt.answer(c, 0)
				return fmt.Sprintf(`{"extra":[{"id":%d,"v":1,"modified":"2026-03-0%dT00:00:00Z"}],`, 10+len(c.get("page")), i+1) + text[1:], err
			}
		}
		w.v.before = func(c call) error {
			if c.path == "d/8/orders" && c.get("page") == "2" {
				return &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}
			}
			return nil
		}
		res := w.good("")
		require.Equal(t, []string{"8"}, res.result("orders").Refused)
		require.Equal(t, []string{"8"}, res.result("lines").Refused)
		require.Subset(t, res.at("lines"), []string{"7/10.1", "7/11.1", "9/10.1", "9/11.1"})
		require.Equal(t, "2026-03-01", res.bookmark("lines", "partitions", "7", "modified"))
		require.Empty(t, res.bookmark("lines", "partitions", "8"))
		require.Empty(t, res.bookmark("orders", "partitions", "8", "modified"))
		require.Equal(t, "2026-03-03", res.bookmark("lines", "partitions", "9", "modified"))
	}
}

// offspring are lines, read for each order, in divisions.
func offspring(t tb, parts ...string) *world {
	lines := changing("lines")
	lines.Path = "orders/{order}/lines"
	lines.Cursor = &stream.Cursor{Field: "modified"}
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}, Changed: true}
	w := divided(t, numbers(parts...), changing("orders"), lines)
	for _, part := range parts {
		w.table("d/"+part+"/orders", 2)
		w.table("d/"+part+"/lines", 2, func(tt *table) {
			for i := range tt.rows {
				tt.rows[i].up = int64(i + 1)
			}
		})
	}
	return w
}

// Children that fail in one partition are read in the others.
func TestChildrenFailInAPartition(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		for _, kind := range []fault.Kind{fault.Transient, fault.Permission} {
			w := offspring(t, "7", "8", "9")
			w.Concurrency = concurrency
			w.refuses("d/8/orders/2/lines", &fault.Error{Kind: kind, Err: errors.New("no")})
			res := w.run("")
			require.NoError(t, res.result("orders").Err)
			require.Subset(t, res.at("lines"), []string{"7/1.1", "7/2.1", "9/1.1", "9/2.1"})
			require.Equal(t, "2026-01-03", res.bookmark("lines", "partitions", "7", "modified"))
			require.Empty(t, res.bookmark("lines", "partitions", "8"))
			require.Equal(t, "2026-01-03", res.bookmark("lines", "partitions", "9", "modified"))
			if kind == fault.Permission {
				require.NoError(t, res.result("lines").Err)
				require.Equal(t, []string{"8"}, res.result("lines").Refused)
			} else {
				require.ErrorContains(t, res.result("lines").Err, "no")
			}
			w.v.before = nil
			rest := w.good(res.state())
			require.Subset(t, rest.at("lines"), []string{"8/1.1", "8/2.1"})
		}
	}
}

// A partition that is closed to the account is not asked by later streams.
func TestClosedPartition(t *testing.T) {
	shut := &fault.Error{Kind: fault.Permission, Status: 403, Partition: true, Err: errors.New("no access")}
	for _, concurrency := range []int{1, 4} {
		w := divided(t, numbers("7", "8", "9"), changing("alpha"), changing("beta"), changing("gamma"))
		w.Concurrency = concurrency
		for _, name := range []string{"alpha", "beta", "gamma"} {
			for _, part := range []string{"7", "8", "9"} {
				w.table("d/"+part+"/"+name, 4)
			}
		}
		w.refuses("d/7/", shut)
		res := w.good("")
		for _, name := range []string{"alpha", "beta", "gamma"} {
			require.Equal(t, []string{"8/1.1", "8/2.1", "8/3.1", "8/4.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at(name))
			require.Empty(t, res.bookmark(name, "partitions", "7"))
		}
		require.Equal(t, []string{"7"}, res.result("alpha").Refused)
		asked := 0
		for path, n := range w.v.pathsAsked() {
			if strings.HasPrefix(path, "d/7/") {
				asked += n
			}
		}
		if concurrency == 1 {
			require.Equal(t, 1, asked)
		}
	}
	t.Run("all of them", func(t *testing.T) {
		w := divided(t, numbers("7", "9"), changing("alpha"), changing("beta"), changing("gamma"))
		w.refuses("d/", shut)
		res := w.run("")
		require.NoError(t, res.report.Err)
		for _, name := range []string{"alpha", "beta", "gamma"} {
			require.Equal(t, fault.Permission, fault.KindOf(res.result(name).Err))
			require.True(t, res.result(name).Skipped)
		}
		require.EqualError(t, res.result("gamma").Err, "toy: gamma: no division can be read any more")
		require.Zero(t, w.v.pathsAsked()["d/7/gamma"]+w.v.pathsAsked()["d/9/gamma"])
	})
}

// Partitions that cannot be read are left out, and told of.
func TestSkippedPartitions(t *testing.T) {
	parts := []stream.Partition{
		{ID: "6", Name: "Old", Skip: "it is archived"},
		{ID: "7", Name: "Main", Inject: []string{"7"}},
		{ID: "8", Name: "Closed", Skip: "it is inactive", Chosen: true},
		{ID: "9", Inject: []string{"9"}, Chosen: true},
	}
	w := divided(t, parts, changing("orders"), changing("more"))
	for _, part := range []string{"6", "7", "8", "9"} {
		w.table("d/"+part+"/orders", 1)
		w.table("d/"+part+"/more", 1)
	}
	const before = `{"bookmarks":{"orders":{"partitions":{"8":{"modified":"2026-01-01T00:00:00Z"}}}},"currently_syncing":null}`
	res := w.told(before)
	require.Equal(t, []string{"7/1.1", "9/1.1"}, res.at("orders"))
	require.Equal(t, []string{"7/1.1", "9/1.1"}, res.at("more"))
	require.Equal(t, map[string]int{"d/7/orders": 2, "d/9/orders": 2, "d/7/more": 2, "d/9/more": 2}, w.v.pathsAsked(), "rows, and those without a key")
	require.Equal(t, []string{"8 (Closed)"}, res.report.Left)
	require.Equal(t, "2026-01-01T00:00:00Z", res.bookmark("orders", "partitions", "8", "modified"))
	require.Equal(t, 1, w.warnings())
	require.Contains(t, w.log.String(), `level=WARN msg="a division is skipped" division="8 (Closed)" reason="it is inactive"`)
	require.Equal(t, 1, strings.Count(w.log.String(), "reading divisions"))
	require.Contains(t, w.log.String(), `msg="reading divisions" count=2 divisions="7 (Main), 9" skipped="6 (Old): it is archived"`)

	t.Run("none is left", func(t *testing.T) {
		w := divided(t, []stream.Partition{{ID: "6", Name: "Old", Skip: "it is archived"}, {ID: "8", Skip: "no access", Chosen: true}}, changing("orders"), changing("more"))
		res := w.run(before)
		require.EqualError(t, res.report.Err, "toy: orders: list division: no division can be read: 6 (Old): it is archived; 8: no access")
		e := fault.As(res.report.Err)
		require.Equal(t, fault.Permission, e.Kind)
		require.True(t, e.Whole)
		require.Empty(t, w.v.calls)
		require.Equal(t, "2026-01-01T00:00:00Z", res.bookmark("orders", "partitions", "8", "modified"))
	})
	t.Run("without a noun", func(t *testing.T) {
		w := divided(t, []stream.Partition{{ID: "6", Skip: "it is archived"}}, changing("orders"))
		scope := w.src.Scopes["division"]
		scope.Noun = ""
		w.src.Scopes["division"] = scope
		require.ErrorContains(t, w.run("").report.Err, "no partition can be read: 6: it is archived")
	})
}

// versions is a stream that is read by row version, sorted, with a proof in the
// link to the next page.
func versions(name string) stream.Stream {
	s := whole(name)
	s.Schema = schemaOf(stamped)
	s.Page = stream.NextLink{Next: "next"}
	s.Cursor = &stream.Cursor{Field: "stamp", From: "since", Sorted: true, Epochs: []string{"_moved"}}
	return s
}

// stamps is a table of n rows with row versions from first on.
func (w *world) stamps(name string, n int, first int64) *table {
	return w.table(name, n, func(tt *table) {
		tt.unit, tt.cursor, tt.sorted, tt.from = stream.Int, "stamp", true, 0
		for i := range tt.rows {
			tt.rows[i].at = first + int64(i)
		}
	})
}

// moved are the partitions 7 and 9 with the value of 7's epoch.
func moved(when string) []stream.Partition {
	parts := numbers("7", "9")
	parts[0].Epochs = []stream.Param{{Name: "_moved", Value: when}}
	parts[1].Epochs = []stream.Param{{Name: "_moved", Value: `""`}}
	return parts
}

func TestEpochs(t *testing.T) {
	begin := func(t *testing.T) (*world, string) {
		w := divided(t, moved(`"a"`), versions("orders"))
		w.stamps("d/7/orders", 7, 101)
		w.stamps("d/9/orders", 4, 201)
		res := w.good("")
		require.Equal(t, `{"bookmarks":{"orders":{"partitions":{"7":{"_moved":"a","stamp":107},"9":{"_moved":"","stamp":204}}}},"currently_syncing":null}`, res.state())
		return w, res.state()
	}
	t.Run("unchanged", func(t *testing.T) {
		w, state := begin(t)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, state, res.state())
	})
	t.Run("escaped by another program", func(t *testing.T) {
		w, _ := begin(t)
		w.divisions(moved(`"/Date(1)/"`)...)
		res := w.good(`{"bookmarks":{"orders":{"partitions":{"7":{"_moved":"/Date(1)/","stamp":107}}}}}`)
		require.Equal(t, []string{"7/7.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"))
	})
	t.Run("changed", func(t *testing.T) {
		for _, concurrency := range []int{1, 4} {
			w, state := begin(t)
			w.Concurrency = concurrency
			w.divisions(moved(`"b"`)...)
			w.stamps("d/7/orders", 7, 11)
			res := w.told(strings.Replace(state, `"_moved":"a"`, `"_deleted":90,"_moved":"a"`, 1))
			require.Equal(t, append([]string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/5.1", "7/6.1", "7/7.1"}, "9/4.1"), res.at("orders"))
			require.Equal(t, "17", res.bookmark("orders", "partitions", "7", "stamp"), "lower than it was")
			require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
			require.Equal(t, "null", res.bookmark("orders", "partitions", "7", "_deleted"), "nothing of the old entry is left")
			require.Equal(t, "204", res.bookmark("orders", "partitions", "9", "stamp"))
			require.Zero(t, w.warnings())
			require.Equal(t, 1, strings.Count(w.log.String(), "the bookmark means nothing any more"))
			require.Contains(t, w.log.String(), "division=7 because=_moved was=a is=b")
			require.Equal(t, []string{"7/7.1", "9/4.1"}, w.good(res.state()).at("orders"))
		}
	})
	t.Run("first set", func(t *testing.T) {
		w, state := begin(t)
		parts := moved(`"a"`)
		parts[1].Epochs[0].Value = `"2026-01-01"`
		w.divisions(parts...)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"), "what was empty has changed")
	})
	t.Run("changed, and no row comes", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.v.tables["d/7/orders"].rows = nil
		res := w.good(state)
		require.Equal(t, "null", res.bookmark("orders", "partitions", "7", "stamp"))
		require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
		w.stamps("d/7/orders", 1, 3)
		require.Equal(t, []string{"7/1.1", "9/4.1"}, w.good(res.state()).at("orders"))
	})
	t.Run("interrupted before the first checkpoint", func(t *testing.T) {
		for _, page := range []string{"", "2"} {
			w, state := begin(t)
			w.divisions(moved(`"b"`)...)
			w.stamps("d/7/orders", 7, 11)
			w.v.before = func(c call) error {
				if c.path == "d/7/orders" && c.get("page") == page {
					return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
				}
				return nil
			}
			res := w.run(state)
			if page == "" {
				require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"))
				require.Equal(t, "107", res.bookmark("orders", "partitions", "7", "stamp"))
			} else {
				require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
				require.Equal(t, "12", res.bookmark("orders", "partitions", "7", "stamp"), "the first page but one row")
			}
			for _, m := range res.lines { // never the old bookmark with the new epoch, nor the new one with the old
				if m.Type == "STATE" {
					epoch, stamp := dig(t, string(m.Value), "bookmarks", "orders", "partitions", "7", "_moved"), dig(t, string(m.Value), "bookmarks", "orders", "partitions", "7", "stamp")
					require.Equal(t, epoch == "a", stamp == "107", "%s", m.raw)
				}
			}
			w.v.before = nil
			rest := w.good(res.state())
			require.Subset(t, append(rest.at("orders"), res.at("orders")...), []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/5.1", "7/6.1", "7/7.1"})
			if page == "" {
				require.Contains(t, rest.at("orders"), "7/1.1")
			}
			require.Equal(t, "17", rest.bookmark("orders", "partitions", "7", "stamp"))
		}
	})
	t.Run("absent in the state", func(t *testing.T) {
		w, _ := begin(t)
		res := w.good(`{"bookmarks":{"orders":{"partitions":{"7":{"stamp":106},"9":{"stamp":204,"_moved":null}}}}}`)
		require.Equal(t, []string{"7/6.1", "7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"), "taken over")
		require.Zero(t, w.warnings())
	})
	t.Run("not told by the vendor", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(numbers("7", "9")...)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"))
	})
	t.Run("the state is held", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.Since = epoch.AddDate(0, -1, 0)
		res := w.good(state)
		for _, m := range res.lines {
			if m.Type == "STATE" {
				require.JSONEq(t, state, string(m.Value))
			}
		}
	})
	t.Run("read anew in full", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.stamps("d/7/orders", 7, 11)
		w.FullRefresh = []string{"orders"}
		res := w.good(state)
		require.Equal(t, "17", res.bookmark("orders", "partitions", "7", "stamp"))
		require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
	})
}

// Killed at any line of a run in which a partition was moved, nothing is lost.
func TestKilledAfterAMove(t *testing.T) {
	begin := func() (*world, string) {
		w := divided(t, moved(`"a"`), versions("orders"), versions("more"))
		for _, name := range []string{"orders", "more"} {
			w.stamps("d/7/"+name, 8, 101)
			w.stamps("d/9/"+name, 3, 201)
		}
		state := w.good("").state()
		w.divisions(moved(`"b"`)...)
		for _, name := range []string{"orders", "more"} {
			tt := w.stamps("d/7/"+name, 8, 98)
			tt.touch(2, 120) // missed if the old bookmark were held against the new values
		}
		return w, state
	}
	w, state := begin()
	full := w.good(state)
	lines := slices.Collect(strings.Lines(string(full.out)))
	for cut := range lines {
		prefix := read(t, []byte(strings.Join(lines[:cut], "")))
		w, state := begin()
		if s := prefix.state(); s != "" {
			state = s
		}
		rest := w.good(state)
		for _, name := range []string{"orders", "more"} {
			require.Subset(t, append(prefix.at(name), rest.at(name)...), full.at(name), "cut after %d lines", cut)
		}
		require.Equal(t, full.bookmark(), rest.bookmark())
	}
}
