package slascone_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

const heartbeats = "consumption_heartbeats"

// An answer with less consumption than it counts is no whole one: less is asked for at
// a time, and what a day keeps back is a failure. No bookmark passes it.
func TestConsumptionShort(t *testing.T) {
	since := map[string]any{"start_date": "2025-01-01"}
	for _, test := range []struct {
		faults string
		config map[string]any
	}{
		{"consumption-cap:0.006", nil},
		{"consumption-cap:0.006", since},
		{"consumption-cap:0.003,from-exclusive,to-exclusive", since},
		{"consumption-cap:0.006,created-on-arrival", since},
		{"consumption-cap:0.006,filter-by-event", since},
		{"count-all", since},
		{"count-all,filter-by-event", nil},
		{"uncounted", since},
	} {
		t.Run(test.faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: test.faults, Records: 12}, func(t *testing.T, s *site) {
				first := s.run(ask{Only: []string{heartbeats}, Config: test.config}).Complete()
				s.whole(first, heartbeats)
				seen := first.Keys(heartbeats)
				for range 4 {
					time.Sleep(31 * time.Hour)
					s.Change(emulator.Change{Stream: heartbeats, Insert: 3})
				}
				time.Sleep(time.Hour)
				next := s.run(ask{Only: []string{heartbeats}, Config: test.config, State: first.State}).Complete()
				require.Subset(t, append(seen, next.Keys(heartbeats)...), s.truth(heartbeats))
				require.Less(t, len(next.Rows(heartbeats)), 40, "only what is new")
				keys := next.Keys(heartbeats)
				slices.Sort(keys)
				require.Len(t, slices.Compact(keys), len(next.Rows(heartbeats)), "each once")
				t.Logf("%d calls, then %d", len(first.Calls(heartbeats)), len(next.Calls(heartbeats)))
			})
		})
	}
	visit(t, emulator.Options{Records: 12}, func(t *testing.T, s *site) {
		first := s.run(ask{Only: []string{heartbeats}}).Complete()
		time.Sleep(72 * time.Hour)
		s.Change(emulator.Change{Stream: heartbeats, Insert: 60})
		require.NoError(t, s.behind.Switch("consumption-cap", 0.001))
		out := s.run(ask{Only: []string{heartbeats, "license_overview"}, State: first.State})
		require.NoError(t, out.Report.Err)
		broken(out, heartbeats)
		require.NoError(t, out.Result("license_overview").Err)
		require.JSONEq(t, string(first.State), string(out.State), "the bookmark stays")
	})
	// What tells of rows and has none is no empty list.
	for _, body := range []string{`{"consumption_heartbeats":null,"max_count":3}`, `{"consumption_heartbeats":[],"max_count":3,"aggregate_value":9.0}`} {
		t.Run(body, func(t *testing.T) {
			visit(t, emulator.Options{Records: 12}, func(t *testing.T, s *site) {
				broken(s.run(ask{Only: []string{heartbeats}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
					if strings.HasSuffix(r.URL.Path, "/consumption/heartbeats") {
						return sitetest.Answer(r, http.StatusOK, body)
					}
					return nil
				})}), heartbeats)
			})
		})
	}
}
