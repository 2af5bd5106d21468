package slascone_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestCalls is the bar: of an account with 1,000 licenses and 20 products, the
// default selection in 100 calls.
func TestCalls(t *testing.T) {
	visit(t, emulator.Options{Records: 1000}, func(t *testing.T, s *site) {
		out := s.run(ask{}).Complete()
		require.Len(t, out.Rows("products"), 20)
		chosen := 0
		for i := range source.Streams {
			if st := &source.Streams[i]; st.Selected {
				chosen++
				require.NotEmpty(t, out.Rows(st.Name))
				if st.With != nil {
					s.whole(out, st.Name)
				}
			}
		}
		for _, name := range []string{"licenses", "license_overview"} {
			keys := out.Keys(name)
			slices.Sort(keys)
			require.Len(t, slices.Compact(keys), 1000)
			require.Len(t, out.Rows(name), 1000)
		}
		require.Len(t, out.Report.Streams, chosen)
		t.Logf("default selection: %d streams, %d calls", chosen, len(out.Asked))
		require.LessOrEqual(t, len(out.Asked), 100)
		count := map[string]int{}
		for _, e := range out.Asked {
			count[e.Resource]++
		}
		for _, resource := range slices.Sorted(maps.Keys(count)) {
			t.Logf("  %-32s %5d", resource, count[resource])
		}
		require.Equal(t, 20, count["products/detail"])
	})
}

// Each stream with a parent costs a call for each of those that may have rows.
func TestChildCalls(t *testing.T) {
	visit(t, emulator.Options{Records: 200}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"*"}}).Complete()
		for _, name := range all() {
			st := source.Stream(name)
			if st.Parent == nil {
				continue
			}
			n, parents := len(out.Calls(name)), len(out.Rows(st.Parent.Stream))
			t.Logf("%-32s %5d rows, %4d of %4d parents asked", name, len(out.Rows(name)), n, parents)
			more := 2
			if name == "license_assignments" { // those of which no other license had more are asked for again
				more = parents / 10
			}
			require.LessOrEqual(t, n, parents+more, name)
			if len(st.Parent.Prune) > 0 {
				require.LessOrEqual(t, n, 3*parents/4, name)
			}
		}
	})
}

// One answer gives the assignments and what lies inside of them; the analytical
// heartbeats are asked for only if some record shows them.
func TestRiders(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		const carrier, beats, analytical = "license_assignments", "assignment_heartbeats", "analytical_heartbeats"
		for _, test := range []struct {
			only []string
			with bool
		}{
			{[]string{carrier, beats, analytical}, true},
			{[]string{carrier, beats}, true},
			{[]string{carrier, beats, "!" + carrier + ".device_analytical_heartbeats"}, false},
			{[]string{carrier}, true},
			{[]string{beats}, false},
			{[]string{analytical}, true},
		} {
			out := s.run(ask{Only: test.only}).Complete()
			calls := out.Calls(carrier)
			// Those of which no other license had more before are asked for again: which
			// they are depends on which comes first.
			require.LessOrEqual(t, len(calls), 30+2*3+30/10, "one for each license, more for the few with many tokens")
			for _, e := range calls {
				require.Equal(t, test.with, strings.Contains(e.Query, "include_analytical_heartbeats=true"), "%s: %s", test.only, e.Query)
			}
			for _, name := range all() {
				if slices.Contains(test.only, name) {
					s.whole(out, name)
				} else {
					require.Empty(t, out.Rows(name), name)
				}
			}
		}
	})
}

// Only what a row says prunes: of a null nothing is known.
func TestPrune(t *testing.T) {
	visit(t, emulator.Options{Faults: "v25"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"license_tags", "consumption_balances", "license_overview"}}).Complete()
		told := map[string]string{"license_tags": "tag_assignments", "consumption_balances": "has_consumption_heartbeats"}
		no := map[string]string{"license_tags": "[]", "consumption_balances": "false"}
		for name, member := range told {
			asked := map[string]bool{}
			for _, e := range out.Calls(name) {
				asked[regexp.MustCompile(`licenses/([^/]+)/`).FindStringSubmatch(e.Path)[1]] = true
			}
			for _, row := range out.Rows("license_overview") {
				id := row.Text("id")
				require.Equal(t, string(row[member]) != no[name], asked[id], "%s: %s is %s", name, member, string(row[member]))
			}
		}
	})
}

// TestNever: GETs that do something, and reads of secrets, are in no table. DOC.
func TestNever(t *testing.T) {
	never := []string{"email", "tests", "offline", "healthcheck", "configurations", "backupstorage", "access_token", "xml", "export"}
	for _, list := range [][]stream.Stream{source.Streams, source.Helpers} {
		for i := range list {
			st := &list[i]
			paths := []string{st.Path}
			if st.With != nil {
				paths = append(paths, st.With.Else...)
			}
			if st.Each != nil {
				paths = append(paths, st.Each.Path)
			}
			if p, ok := st.Page.(stream.Number); ok && p.Survey != nil {
				paths = append(paths, p.Survey.From)
			}
			for _, path := range paths {
				for part := range strings.SplitSeq(path, "/") {
					require.NotContains(t, never, strings.ToLower(part), st.Name)
				}
			}
			if st.Method != "" {
				require.True(t, st.Method == http.MethodPost && strings.HasPrefix(st.Path, "licenses/filtered"), "%s writes", st.Name)
			}
			for _, p := range st.Params {
				require.NotEqual(t, "forcesendheartbeat", strings.ToLower(p.Name), st.Name)
			}
		}
	}
}

// flying counts requests under way.
type flying struct {
	to        http.RoundTripper
	now, most atomic.Int64
}

func (f *flying) RoundTrip(r *http.Request) (*http.Response, error) {
	f.most.Store(max(f.most.Load(), f.now.Add(1)))
	defer f.now.Add(-1)
	time.Sleep(50 * time.Millisecond)
	return f.to.RoundTrip(r)
}

// One request at a time, whatever else is allowed; DOC.
func TestOneAtATime(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		var f *flying
		out := s.run(ask{Only: []string{"*"}, Concurrency: 8, Network: func(to http.RoundTripper) http.RoundTripper {
			f = &flying{to: to}
			return f
		}}).Complete()
		require.EqualValues(t, 1, f.most.Load())
		one := s.run(ask{Only: []string{"*"}, Concurrency: 1}).Complete()
		for _, name := range all() {
			require.Equal(t, one.Keys(name), out.Keys(name), name)
		}
	})
}

// A 429 is waited out, for as long as it says and 20 s at least, and nobody asks
// meanwhile.
func TestThrottled(t *testing.T) {
	for _, faults := range []string{"429:3", "429-bare:3", "429-date:2", "reads-limited,plan-basic", "reads-limited,plan-basic,retry-zero"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults, Records: 16}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"*"}}).Complete()
				s.whole(out, all()...)
				refused := 0
				for i, e := range out.Asked[:len(out.Asked)-1] {
					if e.Status != http.StatusTooManyRequests {
						continue
					}
					refused++
					least := 20 * time.Second
					if told, err := time.ParseDuration(e.RetryAfter + "s"); err == nil {
						least = max(least, told)
					}
					require.GreaterOrEqual(t, out.Asked[i+1].Time.Sub(e.Time), least)
				}
				require.Positive(t, refused)
				require.LessOrEqual(t, refused, 5)
			})
		})
	}
}
