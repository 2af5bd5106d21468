package sourcetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// unsureCases are about what a vendor's papers leave open and the rows do not
// show: its limits, and whether it keeps to its own pages.
var unsureCases = []conformance{
	{"however it throttles", however},
	{"loud failure", loudFailure},
}

// however: whatever the vendor answers at its limits, and however it counts, a sync
// is complete and right, and never asks more than the table allows; where the vendor
// counts as the table says, it never has to throttle, and no time is wasted.
func however(t *testing.T, s *subject) {
	i := slices.IndexFunc(s.src.Limits, func(l stream.Limit) bool {
		return l.Kind == stream.Sliding && l.Vendor && !l.PerLane && !l.PerResource && l.Resource == ""
	})
	positions := s.plugin.Throttles
	if i >= 0 {
		positions = append([]string{""}, positions...)
	}
	usual := slices.DeleteFunc(pointers(s.all(t)), func(st *stream.Stream) bool { return !s.ours(t, st) })
	for _, faults := range positions {
		t.Run(cmp.Or(faults, "as the table says"), func(t *testing.T) {
			// Pages of many rows, and calls of many streams.
			s.throttled(t, faults, 130, usual)
			out := s.throttled(t, faults, s.small(), s.looked(t))
			if i < 0 {
				return
			}
			l, calls := s.src.Limits[i], s.calls(out)
			require.Greater(t, len(calls), int(l.N), "enough to tell")
			if faults == "" {
				require.Zero(t, out.stats.ByStatus["429"], "the vendor had to throttle")
				require.LessOrEqual(t, out.took, time.Duration(len(calls)/int(l.N)+1)*l.Per, "%d requests", len(calls))
			}
		})
	}
}

// throttled is a sync of some streams against the vendor's limits.
func (s *subject) throttled(t *testing.T, faults string, records int, list []*stream.Stream) *output {
	t.Helper()
	server := s.open(t, emulator.Options{Records: records, Seed: 1, Limits: "real", Latency: 20 * time.Millisecond, Faults: faults})
	out := s.sync(t, server, ask{config: wide, only: list})
	out.complete(t)
	for _, st := range list {
		m := out.schema(t, st.Name)
		s.whole(t, st, m, out.records(t, st.Name))
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), out.records(t, st.Name))
	}
	for _, l := range s.src.Limits {
		if l.Kind == stream.Sliding && l.Vendor && !l.PerLane && !l.PerResource && l.Resource == "" {
			require.LessOrEqual(t, busiest(s.calls(out), l.Per), int(l.N), "requests in %s", l.Per)
		}
	}
	return out
}

// loudFailure: a stream that cannot be read right of a vendor who does not keep to
// its pages fails as a breach of the contract, and keeps its bookmark; the others
// are complete and right.
func loudFailure(t *testing.T, s *subject) {
	for faults, broken := range s.plugin.Broken {
		for _, records := range few(1, []int{s.small(), 1300}) {
			server := s.open(t, emulator.Options{Records: records, Seed: 1, Faults: faults})
			list := slices.DeleteFunc(pointers(s.all(t)), func(st *stream.Stream) bool { return st.Parent != nil && records > s.small() })
			out := s.sync(t, server, ask{config: wide, only: list, keys: records > s.small(), partial: true})
			require.NoError(t, out.report.Err)
			for _, st := range list {
				err, skipped, _ := out.result(t, st.Name)
				if skipped && out.truthless(st.Name) {
					continue
				}
				if slices.Contains(broken, st.Name) && !s.oneAnswer(t, server, st) {
					require.NotNil(t, err, "%s with %s, %d rows", st.Name, faults, records)
					s.telling(t, err, fault.Contract)
					require.False(t, skipped)
					require.Empty(t, s.marks(t, readState(t, out.final(t)), st), st.Name)
					continue
				}
				require.Nil(t, err, "%s: %v", st.Name, err)
				m := out.schema(t, st.Name)
				s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), out.records(t, st.Name))
			}
		}
	}
}

// oneAnswer tells whether the lists of a stream are so short that one answer is known
// to hold all of each: it is asked for no further page then, which might be wrong.
func (s *subject) oneAnswer(t testing.TB, server *emulator.Server, st *stream.Stream) bool {
	t.Helper()
	carrier := s.carrier(t, st)
	least := 0
	switch p := carrier.Page.(type) {
	case stream.Keyset:
		if p.Capped {
			least = p.Least
		}
	case stream.Offset:
		if p.Numbered {
			least = p.Least
		}
	}
	lists := map[string]int{}
	for _, r := range s.since(t, server, carrier, s.keySchema(t, carrier), nil) {
		lists[s.partition(t, carrier, func(name string) string { return r.Values[name] }).ID]++
	}
	for _, n := range lists {
		if n >= least {
			return false
		}
	}
	return true
}
