package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// Children need every row of their parent: where some of them could not be read,
// none of the children are, and the others are not kept from it.
func TestParentsFailInAPartition(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		for _, kind := range []fault.Kind{fault.Permission, fault.Transient} {
			w := offspring(t, "7", "8", "9")
			w.Concurrency = concurrency
			w.table("d/8/orders", 5)
			w.v.before = func(c call) error {
				if c.path == "d/8/orders" && c.get("page") == "2" {
					return &fault.Error{Kind: kind, Err: errors.New("no")}
				}
				return nil
			}
			res := w.run("")
			require.Contains(t, res.at("orders"), "8/1.1", "its first page was read")
			require.Zero(t, w.v.pathsAsked()["d/8/orders/1/lines"])
			require.Empty(t, res.bookmark("lines", "partitions", "8"))
			if kind == fault.Transient {
				require.ErrorContains(t, res.result("lines").Err, "toy: lines: needs every row of orders: toy: orders: page 2: no")
			} else {
				require.NoError(t, res.result("lines").Err)
				require.Equal(t, []string{"7/1.1", "7/2.1", "9/1.1", "9/2.1"}, res.at("lines"))
				require.Equal(t, []string{"8"}, res.result("orders").Refused)
				require.Equal(t, []string{"8"}, res.result("lines").Refused)
				require.Equal(t, "2026-01-03", res.bookmark("lines", "partitions", "9", "modified"))
				require.Equal(t, "2026-01-03", res.bookmark("lines", "partitions", "9", parentsUntil))
			}
			w.v.before = nil
			rest := w.good(res.state())
			require.Subset(t, rest.at("lines"), []string{"8/1.1", "8/2.1"})
		}
	}
	t.Run("in one of two", func(t *testing.T) {
		w := offspring(t, "7", "8")
		w.refuses("d/8/", &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")})
		res := w.good("")
		require.Equal(t, []string{"7/1.1", "7/2.1"}, res.at("lines"))
		require.Equal(t, []string{"8"}, res.result("lines").Refused)
	})
	t.Run("in all of them", func(t *testing.T) {
		w := offspring(t, "7", "8")
		w.v.before = func(c call) error {
			if strings.HasSuffix(c.path, "/orders") {
				return &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}
			}
			return nil
		}
		res := w.run("")
		require.Equal(t, fault.Permission, fault.KindOf(res.result("lines").Err))
		require.True(t, res.result("lines").Skipped)
	})
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
