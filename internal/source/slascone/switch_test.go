package slascone_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// A guess must not lose rows, whichever way it turns out: with each switch of the
// stand-in on, all rows come that it tells of.
func TestSwitches(t *testing.T) {
	paged := []string{"licenses", "license_overview"}
	tokens := []string{"license_assignments", "assignment_heartbeats", "analytical_heartbeats"}
	consumption := []string{"consumption_heartbeats", "consumption_balances"}
	for n, test := range []struct {
		faults  string
		streams []string // nil: all
		records int
		config  map[string]any
		again   bool // what changes meanwhile comes again
	}{
		{faults: "page-zero"},
		{faults: "page-zero", streams: paged, records: 20}, // less than a page
		{faults: "page-zero", streams: paged, records: 200},
		{faults: "page-zero,page-cap", streams: append(tokens, paged...), records: 230},
		{faults: "page-zero,order-shifts", streams: paged, records: 330},
		{faults: "page-zero,page-cap:0.007,order-shifts", streams: paged, records: 110},
		{faults: "page-zero-ok", streams: paged, records: 230},
		{faults: "page-zero-ok,order-shifts", streams: paged, records: 330},
		{faults: "page-cap", streams: append(tokens, paged...), records: 230},
		{faults: "page-cap:0.001", streams: paged, records: 30},
		{faults: "page-cap:0.006", streams: tokens, records: 200},
		{faults: "page-cap:0.006,page-zero", streams: tokens, records: 200},
		{faults: "page-cap:0.003,assignments-paged", streams: tokens, records: 200},
		{faults: "page-cap:0.004", streams: append(tokens, paged...), records: 60, config: map[string]any{"page_size": 7}},
		{faults: "page-refused:0.003", streams: append(tokens, paged...), records: 60},
		{streams: append(tokens, paged...), records: 40, config: map[string]any{"page_size": 1}},
		{faults: "page-refused", streams: append(tokens, paged...), records: 230},
		{faults: "page-refused:0.012,page-zero", streams: append(tokens, paged...), records: 230},
		{faults: "page-refused:0.012", streams: paged, records: 40, config: map[string]any{"page_size": 15}},
		{faults: "page-refused:0.002", streams: paged, records: 40, config: map[string]any{"page_size": 3}}, // half is too few
		{faults: "page-size-empty", streams: paged},
		{faults: "order-shifts", streams: paged, records: 330},
		{faults: "order-shifts=3", streams: paged, records: 330},
		{faults: "order-shifts", streams: paged, records: 330, config: map[string]any{"page_size": 10}},
		{faults: "newest-first,moving", streams: paged, records: 330, again: true},
		{faults: "moving", again: true},
		{faults: "newest-first", streams: paged, records: 330},
		{faults: "active-only", records: 120},
		{faults: "active-only,page-zero,order-shifts", streams: paged, records: 230},
		{faults: "detail-bare"},
		{faults: "shallow"},
		{faults: "empty-list"},
		{faults: "empty-list,norows"},
		{faults: "empty-204"},
		{faults: "empty-204,norows"},
		{faults: "norows"},
		{faults: "bundles-by-customer"},
		{faults: "detail-null"},
		{faults: "detail-null,shallow"},
		{faults: "unknown-409"},
		{faults: "users-404"},
		{faults: "users-400"},
		{faults: "users-400,detail-bare"},
		{faults: "assignments-paged", streams: tokens, records: 200},
		{faults: "assignments-paged", streams: tokens, records: 200, config: map[string]any{"page_size": 10}},
		{faults: "assignments-paged,page-zero,page-cap:0.012", streams: tokens, records: 200},
		{faults: "assigned-only", streams: tokens},
		{faults: "from-exclusive", streams: consumption},
		{faults: "to-exclusive", streams: consumption},
		{faults: "from-exclusive,to-exclusive", streams: []string{"consumption_heartbeats"}, config: map[string]any{"date_window_size": 7}},
		{faults: "created-on-arrival", streams: consumption},
		{faults: "filter-by-event", streams: consumption},
		{faults: "rollback-counter", streams: consumption},
		{faults: "conflict"},
		{faults: "conflict:0.3"},
		{faults: "503-wait=3"},
		{faults: "504-wait=3"},
		{faults: "v25"},
		{faults: "next-release"},
		{faults: "signed", streams: paged},
		{faults: "disputed"},
		{faults: "offset-times"},
		{faults: "reads-limited"},
		{faults: "reads-limited,plan-dev", records: 30},
		{faults: "reads-limited,plan-basic"},
		{faults: "reads-limited,plan-silver,throttle-window", records: 30},
		{faults: "reads-limited,plan-basic,throttle-window"},
		{faults: "patch-keeps-active,patch-null-keeps", streams: paged}, // of writes
	} {
		if sitetest.Brief() && n%6 > 0 {
			continue
		}
		t.Run(test.faults, func(t *testing.T) {
			if test.records == 0 {
				test.records = 12 // a license of every kind is among them
			}
			visit(t, emulator.Options{Faults: test.faults, Records: test.records}, func(_ *testing.T, s *site) {
				streams := test.streams
				if streams == nil {
					streams = all()
				}
				out := s.run(ask{Only: streams, Config: test.config}).Complete()
				if test.again {
					for _, name := range streams {
						require.Subset(t, out.Keys(name), s.truth(name), name)
					}
				} else {
					s.whole(out, streams...)
				}
				t.Logf("%d calls, %d warnings, %s", len(out.Asked), len(out.Warnings("")), out.Took)
			})
		})
	}
}
