package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// crossroads is a stream that pages, bulk jobs and a query language give. A job
// costs 5 and holds 20 rows at most, a query 3 for any number.
func crossroads(only string) stream.Stream {
	s := changing("orders")
	s.Page = stream.Token{Param: "token", Token: "page.token", More: "more", Size: 3}
	s.Cursor.To, s.Cursor.Sorted = "", true
	bounds := func(r stream.Read) []stream.Param {
		ps := []stream.Param{{Name: "since", Value: r.From}}
		if r.To != "" {
			ps = append(ps, stream.Param{Name: "until", Value: r.To})
		}
		return ps
	}
	read := func(body []byte, row func([]byte) error) (*stream.Request, error) {
		if string(body) == "form" {
			return nil, &record.FormError{Column: "name"}
		}
		for line := range strings.Lines(string(body)) {
			if err := row([]byte(line)); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	s.Roads = &stream.Roads{
		Only:  func(stream.Config) string { return only },
		Count: func(r stream.Read) *stream.Request { return &stream.Request{URL: "count", Params: bounds(r)} },
		Counted: func(r *stream.Response) (int64, bool) {
			n, err := strconv.ParseInt(string(r.Body), 10, 64)
			return n, err == nil
		},
		Ways: []stream.Road{
			{
				Name: "bulk", MaxRows: 20,
				Suits: func(r stream.Read) string {
					if r.Hint("id") == "none" {
						return "no hints"
					}
					return ""
				},
				Cost: func(_ stream.Read, rows int64) float64 { return 5 * float64((rows+19)/20) },
				Job: &stream.Job{
					Create: func(r stream.Read) (*stream.Request, error) {
						return &stream.Request{Method: "POST", URL: "jobs", Params: bounds(r)}, nil
					},
					Poll: func(r *stream.Response) (stream.Step, error) {
						if string(r.Body) == "refused" {
							return stream.Step{}, &fault.Error{Kind: fault.Transient, Err: errors.New("the vendor gave up")}
						}
						of, rows, _ := strings.Cut(string(r.Body), "#")
						n, _ := strconv.ParseInt(rows, 10, 64)
						return stream.Step{Download: &stream.Request{URL: "file", Params: []stream.Param{{Name: "of", Value: of}}}, Rows: n}, nil
					},
					Rows: read,
				},
			},
			{
				Name: "query",
				Suits: func(r stream.Read) string {
					if r.To == "" {
						return "nothing bounds it"
					}
					return ""
				},
				Cost: func(stream.Read, int64) float64 { return 3 },
				Job: &stream.Job{
					Sorted: true,
					Create: func(r stream.Read) (*stream.Request, error) {
						return &stream.Request{Method: "POST", URL: "query", Params: bounds(r)}, nil
					},
					Rows: read,
				},
			},
		},
	}
	return s
}

// serve answers count, jobs, file and query from a table; wider is by how much
// the vendor's bounds are off.
func (w *world) serve(tt *table) {
	rows := func(c call) []string {
		var out []string
		for _, r := range tt.rows {
			if tt.match(r, c) {
				out = append(out, tt.json(r))
			}
		}
		return out
	}
	w.v.on["count"] = func(c call) (string, error) { return strconv.Itoa(len(rows(c))), nil }
	w.v.on["jobs"] = func(c call) (string, error) {
		return fmt.Sprintf("%s %s#%d", c.get("since"), c.get("until"), len(rows(c))), nil
	}
	w.v.on["file"] = func(c call) (string, error) {
		since, until, _ := strings.Cut(c.get("of"), " ")
		of := rows(call{params: []stream.Param{{Name: "since", Value: since}, {Name: "until", Value: until}}})
		slices.Reverse(of) // in no order that means anything
		return strings.Join(of, "\n"), nil
	}
	w.v.on["query"] = func(c call) (string, error) { return strings.Join(rows(c), "\n"), nil }
}

func paths(calls []string) string {
	var out []string
	for _, c := range calls {
		name, _, _ := strings.Cut(c, " ")
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func sorted(list []string) []string {
	slices.SortFunc(list, func(a, b string) int {
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		return cmp.Compare(x, y)
	})
	return list
}

func TestRoads(t *testing.T) {
	start := func(t *testing.T, only string, n int) (*world, *table) {
		w := newWorld(t, crossroads(only))
		tt := w.table("orders", n, func(tt *table) { tt.sorted = true })
		w.serve(tt)
		return w, tt
	}
	t.Run("one page is all: nothing else is asked", func(t *testing.T) {
		w, _ := start(t, "", 3)
		res := w.good("")
		require.Equal(t, ids(3), res.records("orders"))
		require.Equal(t, []string{"orders since=2026-01-01"}, w.v.asked())
	})
	t.Run("few pages cost less than a job", func(t *testing.T) {
		w, _ := start(t, "", 12)
		res := w.good("")
		require.Equal(t, ids(12), res.records("orders"))
		require.Equal(t, "orders count orders orders orders", paths(w.v.asked()), "the first page is not asked for twice")
	})
	t.Run("many pages cost more", func(t *testing.T) {
		w, _ := start(t, "", 20)
		res := w.good("")
		require.Equal(t, ids(20), sorted(res.records("orders")))
		require.Equal(t, "2026-01-21", res.bookmark("orders", "modified"))
		require.Equal(t, []string{"orders since=2026-01-01", "count since=2026-01-01", "jobs since=2026-01-01", "file of=2026-01-01T00:00:00.000000Z "}, w.v.asked())
		res = w.good(res.state())
		require.Equal(t, []string{"20.1"}, res.records("orders"))
		require.Len(t, w.v.asked(), 1, "an unchanged run asks one page")
	})
	t.Run("an upper bound brings the query in", func(t *testing.T) {
		w, _ := start(t, "", 20)
		w.End = time.Date(2026, 1, 16, 0, 0, 0, 0, time.UTC)
		res := w.good("")
		require.Equal(t, ids(15), res.records("orders"))
		require.Equal(t, "orders count query", paths(w.v.asked()))
		require.Equal(t, "2026-01-16", res.bookmark("orders", "modified"))
	})
	t.Run("the config insists", func(t *testing.T) {
		for only, want := range map[string]string{"list": "orders orders orders orders orders orders orders", "bulk": "count jobs file"} {
			w, _ := start(t, only, 20)
			require.Equal(t, ids(20), sorted(w.good("").records("orders")))
			require.Equal(t, want, paths(w.v.asked()))
		}
		w, _ := start(t, "bulk", 0)
		require.Empty(t, w.good("").records("orders"))
		require.Equal(t, "count orders", paths(w.v.asked()), "no job for nothing, but a count may lag behind")
	})
	t.Run("a window that a job cannot hold is cut", func(t *testing.T) {
		for _, margin := range []time.Duration{0, time.Second} {
			w, tt := start(t, "bulk", 300)
			w.src.Streams[0].Cursor.Margin = margin
			for i := range tt.rows {
				tt.rows[i].at = day(1, 2) + int64(i)*3_600_000_000
			}
			res := w.good("")
			require.Equal(t, ids(300), sorted(res.records("orders")), "none missing, none twice")
			files := 0
			for _, c := range w.v.asked() {
				if strings.HasPrefix(c, "file") {
					files++
				}
			}
			require.GreaterOrEqual(t, files, 15)
			last := ""
			moves := map[string]bool{}
			for _, m := range res.lines {
				if m.Type == "STATE" {
					if at := dig(t, string(m.Value), "bookmarks", "orders", "modified"); at != "" {
						require.GreaterOrEqual(t, at, last)
						last, moves[at] = at, true
					}
				}
			}
			require.Greater(t, len(moves), 10, "each part is a point to go on from")
		}
	})
	t.Run("rows that move into a later part are not lost", func(t *testing.T) {
		w, tt := start(t, "bulk", 60)
		n := 0
		w.v.before = func(c call) error {
			if c.path == "jobs" {
				n++
				now := epoch.UnixMicro() + int64(n)
				tt.touch(int64(n*7), now) // one of an early part, one of a late one
				tt.touch(int64(60-n), now)
			}
			return nil
		}
		res := w.good("")
		seen := map[string]bool{}
		for _, id := range res.records("orders") {
			require.False(t, seen[id], id)
			seen[id] = true
		}
		for _, r := range tt.rows {
			require.True(t, seen[fmt.Sprintf("%d.%d", r.id, r.v)], "the last version of %d", r.id)
		}
	})
	t.Run("a way that does not lead there is left", func(t *testing.T) {
		denied := &fault.Error{Kind: fault.Permission, Err: errors.New("no scope")}
		for name, broken := range map[string]struct {
			only string
			on   func(w *world)
			want string
		}{
			"no right to count":  {"", func(w *world) { w.v.on["count"] = func(call) (string, error) { return "", denied } }, ""},
			"no right to a job":  {"", func(w *world) { w.v.on["jobs"] = func(call) (string, error) { return "", denied } }, "no scope"},
			"nor if insisted on": {"bulk", func(w *world) { w.v.on["jobs"] = func(call) (string, error) { return "", denied } }, "no scope"},
			"the job fails":      {"", func(w *world) { w.v.on["jobs"] = func(call) (string, error) { return "refused", nil } }, "gave up"},
			"another form":       {"bulk", func(w *world) { w.v.on["file"] = func(call) (string, error) { return "form", nil } }, "form that is not known"},
			"no file":            {"bulk", func(w *world) { w.v.on["file"] = func(call) (string, error) { return "", stream.NoRows } }, "the job told of 20 rows, and its file has none"},
			"no word of it":      {"bulk", func(w *world) { w.v.on["jobs"] = func(call) (string, error) { return "", stream.NoRows } }, "the answer about the job is empty"},
			"a broken file":      {"", func(w *world) { w.v.on["file"] = func(call) (string, error) { return "{", nil } }, "json"},
		} {
			t.Run(name, func(t *testing.T) {
				w, _ := start(t, broken.only, 20)
				broken.on(w)
				res := w.good("")
				require.Equal(t, ids(20), res.records("orders"))
				if broken.want == "" {
					require.Zero(t, w.warnings())
				} else {
					require.Contains(t, w.log.String(), broken.want)
					require.Equal(t, 1, w.warnings())
				}
			})
		}
	})
	t.Run("a query that leads on to nothing", func(t *testing.T) {
		for what, err := range map[string]error{"no rows": stream.NoRows, "an empty list": nil} {
			w, _ := start(t, "query", 20)
			w.End = time.Date(2026, 1, 26, 0, 0, 0, 0, time.UTC)
			job := w.src.Streams[0].Roads.Ways[1].Job
			read := job.Rows
			job.Rows = func(body []byte, row func([]byte) error) (*stream.Request, error) {
				if _, err := read(body, row); err != nil || len(body) == 0 {
					return nil, err
				}
				return &stream.Request{Method: "POST", URL: "rest"}, nil
			}
			w.v.on["rest"] = func(call) (string, error) { return "", err }
			require.Subset(t, w.good("").records("orders"), ids(20), what)
			require.Contains(t, paths(w.v.asked()), "query rest orders", what)
			require.Contains(t, w.log.String(), "announced further rows")
		}
	})
	t.Run("what goes wrong on the way that is insisted on is told", func(t *testing.T) {
		w, _ := start(t, "bulk", 20)
		w.v.on["jobs"] = func(call) (string, error) { return "refused", nil }
		res := w.run("")
		require.ErrorContains(t, res.result("orders").Err, "the vendor gave up")
		require.Empty(t, res.bookmark("orders", "modified"))
	})
	t.Run("counts that lie", func(t *testing.T) {
		for what, count := range map[string]func(honest int64) int64{
			"always the same":     func(int64) int64 { return 500_000 },
			"a thousand times it": func(n int64) int64 { return 1000 * n },
		} {
			w, _ := start(t, "bulk", 60)
			honest := w.v.on["count"]
			w.v.on["count"] = func(c call) (string, error) {
				text, err := honest(c)
				return strconv.FormatInt(count(number(text)), 10), err
			}
			require.ElementsMatch(t, ids(60), w.good("").records("orders"), what)
			n := w.v.pathsAsked()
			require.LessOrEqual(t, n["jobs"], 60, what)
			if what == "always the same" {
				require.Equal(t, 1, n["jobs"])
				require.Equal(t, 3, n["count"])
			}
			require.Equal(t, 1, strings.Count(w.log.String(), "counts rows wrongly"), what)
		}
	})
	t.Run("what ends the run is not walked round", func(t *testing.T) {
		w, _ := start(t, "", 20)
		w.v.on["jobs"] = func(call) (string, error) {
			return "", &fault.Error{Kind: fault.Quota, Whole: true, Err: errors.New("no credits")}
		}
		require.ErrorContains(t, w.run("").report.Err, "no credits")
	})
	t.Run("a sample is read by the page", func(t *testing.T) {
		w, _ := start(t, "", 300)
		w.MaxRecords = 2
		require.Equal(t, []string{"1.1", "2.1"}, w.good("").records("orders"))
		require.Equal(t, "orders count", paths(w.v.asked()))
	})
}
