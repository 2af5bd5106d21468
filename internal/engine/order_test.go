package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// everything is a source with a stream of each kind.
func everything(t tb) *world {
	carrier := changing("invoices")
	carrier.Ignore = []string{"row"}
	rider := riding("row", "extra")
	rider.Name, rider.With.Stream = "invoice_lines", "invoices"

	lines := whole("lines")
	lines.Path = "orders/{order}/lines"
	lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}}
	taxes := changing("taxes")
	taxes.Path = "orders/{order}/taxes"
	taxes.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order", Inject: "up"}}, Changed: true}
	sorted := changing("events")
	sorted.Cursor.Sorted = true
	local := whole("entries")
	local.Path, local.Scope, local.Key = "d/{partition}/entries", "division", []string{"_division", "id"}
	division := singer.Property{Name: "_division", Schema: &singer.Schema{Type: "integer"}}
	local.Schema = schemaOf(stamped)
	local.Schema.Properties = append([]singer.Property{division}, local.Schema.Properties...)
	local.Cursor = &stream.Cursor{Field: "stamp", From: "since"}

	w := newWorld(t, changing("orders"), whole("countries"), lines, sorted, local, carrier, rider, taxes)
	w.Window = 60
	w.src.Scopes["division"] = stream.Scope{Inject: []string{"_division"}, Expand: func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) {
		return []stream.Partition{{ID: "7", Inject: []string{"7"}}, {ID: "9", Inject: []string{"9"}}}, nil
	}}
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(name string, n int, up int64, change ...func(*table)) {
		tt := w.table(name, n, change...)
		for i := range tt.rows {
			tt.rows[i].at = day(1, 2+r.IntN(300)) + 5
			if up > 0 {
				tt.rows[i].up = r.Int64N(up) + 1
			}
		}
	}
	fill("orders", 12, 0)
	fill("countries", 8, 0, func(tt *table) { tt.cursor = "" })
	fill("lines", 20, 12, func(tt *table) { tt.cursor = "" })
	fill("events", 15, 0, func(tt *table) { tt.sorted = true })
	fill("taxes", 15, 12)
	fill("d/7/entries", 5, 0, func(tt *table) { tt.unit, tt.cursor = stream.Int, "stamp" })
	fill("d/9/entries", 7, 0, func(tt *table) { tt.unit, tt.cursor = stream.Int, "stamp" })
	fill("invoices", 9, 0)
	w.v.tables["invoices"].rows[4].at = null
	for i := range w.v.tables["invoices"].rows {
		w.v.tables["invoices"].rows[i].more = fmt.Sprintf(`,"row":%d`, i)
	}
	w.v.on["invoices"] = func(c call) (string, error) {
		text, err := w.v.tables["invoices"].answer(c, 0)
		var extra []string
		for _, r := range w.v.tables["invoices"].rows {
			if strings.Contains(text, fmt.Sprintf(`{"id":%d,`, r.id)) {
				extra = append(extra, fmt.Sprintf(`{"id":%d,"v":%d%s}`, 100+r.id, r.v, r.more))
			}
		}
		return `{"extra":[` + strings.Join(extra, ",") + `],` + text[1:], err
	}
	return w
}

// streams are the records of a run by stream.
func (o *outcome) streams() map[string][]string {
	out := map[string][]string{}
	for _, m := range o.lines {
		if m.Type != "STATE" {
			out[m.Stream] = append(out[m.Stream], m.raw)
		}
	}
	return out
}

// The lines are the same whatever runs beside them, and so is their order.
func TestSameLinesAtAnyConcurrency(t *testing.T) {
	want := everything(t).good("")
	require.Len(t, want.streams(), 8)
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			w := everything(t)
			w.Concurrency = 1 + int(seed%8)
			r := rand.New(rand.NewPCG(seed, 0))
			w.v.delay = func() time.Duration { return time.Duration(1 + r.IntN(1000)*int(time.Millisecond)) }
			res := w.good("")
			require.Equal(t, string(want.out), string(res.out))
			require.LessOrEqual(t, w.v.busy, w.Concurrency)
			if w.Concurrency > 4 {
				require.Greater(t, w.v.busy, 2)
			}
		})
	}
}

// At a concurrency of one the calls come in the order of the records.
func TestOneRequestAtATime(t *testing.T) {
	a, b := everything(t), everything(t)
	a.good("")
	b.good("")
	require.Equal(t, a.v.asked(), b.v.asked())
	require.Equal(t, 1, a.v.busy)
}

// Eight requests in flight take an eighth of the time.
func TestConcurrency(t *testing.T) {
	took := func(concurrency int) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			lines := whole("lines")
			lines.Path = "orders/{order}/lines"
			lines.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
			w := newWorld(t, whole("orders"), lines)
			w.table("orders", 80, func(tt *table) { tt.size = 100 })
			w.table("lines", 0)
			w.Concurrency = concurrency
			w.v.delay = func() time.Duration { return 100 * time.Millisecond }
			began := time.Now()
			w.good("")
			d = time.Since(began)
		})
		return d
	}
	require.Equal(t, 81*100*time.Millisecond, took(1))
	require.Equal(t, 11*100*time.Millisecond, took(8))
}

func TestBookmarkIsTheGreatestValueWritten(t *testing.T) {
	t.Run("never beyond the start of the run", func(t *testing.T) {
		for _, bounded := range []bool{true, false} {
			w := newWorld(t, changing("orders"))
			if !bounded {
				w.src.Streams[0].Cursor.To = ""
			}
			tt := w.table("orders", 3)
			tt.rows[1].at = stream.Instant.FromTime(epoch)
			tt.rows[2].at = stream.Instant.FromTime(epoch) + 1
			res := w.good("")
			require.Equal(t, "2026-11-21T10:00:00.000000Z", res.bookmark("orders", "modified"))
			if !bounded {
				require.Equal(t, ids(3), res.records("orders"))
			}
			w.Now = func() time.Time { return epoch.Add(time.Second) }
			require.Equal(t, []string{"2.1", "3.1"}, w.good(res.state()).records("orders"))
		}
	})
	t.Run("far in the future", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.src.Streams[0].Cursor.To = ""
		tt := w.table("orders", 3)
		tt.rows[0].at = stream.Instant.FromTime(epoch.AddDate(50, 0, 0))
		first := w.good("")
		require.Equal(t, "2026-01-04", first.bookmark("orders", "modified"))
		require.Equal(t, []string{"1.1", "3.1"}, w.good(first.state()).records("orders"))
	})
	t.Run("beyond microseconds it is cut", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.table("orders", 1)
		w.v.spoil = func(c call, body string) string { return strings.ReplaceAll(body, "00.000000Z", "00.1234569Z") }
		require.Equal(t, "2026-01-02T00:00:00.123456Z", w.good(known).bookmark("orders", "modified"))
	})
	t.Run("the vendor's clock is behind ours", func(t *testing.T) {
		for behind, want := range map[time.Duration]string{
			0: "2026-11-21T09:59:59.000000Z", time.Second: "2026-11-21T09:59:59.000000Z",
			time.Minute: "2026-11-21T09:58:30.000000Z", time.Hour: "2026-01-02",
		} {
			w := newWorld(t, changing("orders"))
			w.v.date = func() time.Time { return epoch.Add(-behind) }
			tt := w.table("orders", 3)
			tt.rows[1].at = stream.Instant.FromTime(epoch.Add(-90 * time.Second))
			tt.rows[2].at = stream.Instant.FromTime(epoch.Add(-time.Second))
			res := w.good("")
			require.Equal(t, ids(3), res.records("orders"))
			require.Equal(t, want, res.bookmark("orders", "modified"), behind)
		}
	})
	t.Run("the vendor's clock is ahead", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.v.date = func() time.Time { return epoch.Add(time.Hour) }
		w.table("orders", 3)
		require.Equal(t, "2026-01-04", w.good("").bookmark("orders", "modified"))
	})
	t.Run("nulls never move it", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		tt := w.table("orders", 2)
		tt.rows[0].at, tt.rows[1].at = null, null
		res := w.good(`{"bookmarks":{"orders":{"modified":"2026-01-05T00:00:00+01:00"}}}`)
		require.Equal(t, "2026-01-05T00:00:00+01:00", res.bookmark("orders", "modified"), "it stays as it was given")
	})
	t.Run("older rows do not move it back", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.Lookback = 24 * 100 * time.Hour
		w.table("orders", 2)
		res := w.good(`{"bookmarks":{"orders":{"modified":"2026-02-05T00:00:00Z"}}}`)
		require.Equal(t, ids(2), res.records("orders"))
		require.Equal(t, "2026-02-05T00:00:00Z", res.bookmark("orders", "modified"))
	})
}

// checked holds every STATE of a run against the rows as they are at the end.
func checked(t tb, w *world, res *outcome, earlier *outcome) {
	t.Helper()
	for _, name := range []string{"orders", "events", "invoices"} {
		var have []string
		if earlier != nil {
			have = earlier.records(name)
		}
		covered(t, res, name, w.v.tables[name], have...)
	}
}

// delivered tells which row versions the outcomes hold, by stream.
func delivered(os ...*outcome) map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, o := range os {
		for _, m := range o.lines {
			if m.Type != "RECORD" {
				continue
			}
			if out[m.Stream] == nil {
				out[m.Stream] = map[string]bool{}
			}
			key := fmt.Sprintf("%v.%v", m.Record["id"], m.Record["v"])
			if d := m.Record["_division"]; d != nil {
				key = fmt.Sprintf("%v/%s", d, key)
			}
			out[m.Stream][key] = true
		}
	}
	return out
}

// complete checks that the last version of every row has come.
func complete(t tb, w *world, os ...*outcome) {
	t.Helper()
	have := delivered(os...)
	for name, tt := range w.v.tables {
		prefix := ""
		if part, ok := strings.CutPrefix(name, "d/"); ok {
			prefix, name = part[:2], part[2:]
		}
		for _, r := range tt.rows {
			key := fmt.Sprintf("%s%d.%d", prefix, r.id, r.v)
			require.True(t, have[name][key], "%s lacks row %s", name, key)
			if name == "invoices" {
				require.True(t, have["invoice_lines"][fmt.Sprintf("%d.%d", 100+r.id, r.v)], "the line of invoice %d", r.id)
			}
		}
	}
}

// Killed at any line and started again from the last STATE that was seen,
// nothing is lost.
func TestKilledAtAnyLine(t *testing.T) {
	w := everything(t)
	w.v.tables["orders"].size, w.v.tables["events"].size = 2, 2
	full := w.good("")
	complete(t, w, full)
	checked(t, w, full, nil)
	lines := slices.Collect(strings.Lines(string(full.out)))
	require.Greater(t, len(lines), 100)
	for cut := range lines {
		prefix := read(t, []byte(strings.Join(lines[:cut], "")))
		w := everything(t)
		w.Now = func() time.Time { return epoch.Add(time.Hour) }
		rest := w.good(prefix.state())
		complete(t, w, prefix, rest)
		require.Equal(t, full.bookmark(), rest.bookmark(), "both ways end in the same state")
	}
}

// The same while rows change between the runs, and killed more than once.
func TestKilledAgainAndAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := everything(t)
		w.Concurrency = rapid.SampledFrom([]int{1, 4}).Draw(t, "concurrency")
		w.Window = rapid.SampledFrom([]int{0, 40, 100}).Draw(t, "window")
		now := epoch
		w.Now = func() time.Time { return now }
		var seen []*outcome
		state := ""
		for range rapid.IntRange(1, 4).Draw(t, "kills") {
			res := w.good(state)
			lines := slices.Collect(strings.Lines(string(res.out)))
			part := read(t, []byte(strings.Join(lines[:rapid.IntRange(0, len(lines)).Draw(t, "cut")], "")))
			if part.state() != "" {
				state = part.state()
			}
			seen = append(seen, part)
			for _, name := range []string{"orders", "events", "invoices", "taxes"} {
				now = now.Add(time.Minute)
				id := int64(rapid.IntRange(1, 15).Draw(t, "touched"))
				w.v.tables[name].touch(id, stream.Instant.FromTime(now))
				// A tax that changes without its order is not seen before that does.
				if r := w.v.tables[name].row(id); name == "taxes" && r != nil {
					w.v.tables["orders"].touch(r.up, stream.Instant.FromTime(now))
				}
			}
			now = now.Add(time.Hour)
		}
		seen = append(seen, w.good(state))
		complete(t, w, seen...)
	})
}

// Cancelled at any call: the output ends with a valid STATE, the cause is told,
// and nothing is left running.
func TestCancelled(t *testing.T) {
	calls := func() int {
		w := everything(t)
		w.good("")
		return len(w.v.calls)
	}()
	for at := 1; at <= calls; at += 3 {
		for _, concurrency := range []int{1, 5} {
			w := everything(t)
			w.Concurrency = concurrency
			ctx, cancel := context.WithCancelCause(t.Context())
			w.v.before = func(c call) error {
				if c.n == at {
					cancel(errStop)
				}
				return nil
			}
			res := w.runCtx(ctx, "")
			cancel(nil)
			require.ErrorIs(t, res.report.Err, errStop)
			require.Equal(t, "STATE", res.lines[len(res.lines)-1].Type)
			for _, s := range res.report.Streams {
				if s.Err != nil {
					require.ErrorIs(t, s.Err, errStop)
				}
			}
			checked(t, w, res, nil)
			w.v.before = nil
			complete(t, w, res, w.good(res.state()))
		}
	}
	t.Run("before it begins", func(t *testing.T) {
		w := everything(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		res := w.runCtx(ctx, `{"bookmarks":{"orders":{"modified":"2026-02-01T00:00:00Z"}}}`)
		require.ErrorIs(t, res.report.Err, errStop)
		require.Equal(t, "2026-02-01T00:00:00Z", res.bookmark("orders", "modified"))
	})
	t.Run("a time limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := everything(t)
			w.v.delay = func() time.Duration { return time.Second }
			limit := &fault.Error{Kind: fault.Quota, Whole: true, Err: errors.New("time is up")}
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, limit)
			defer cancel()
			res := w.runCtx(ctx, "")
			require.Equal(t, limit, res.report.Err)
			require.Contains(t, res.state(), `"currently_syncing":"`)
		})
	})
}
