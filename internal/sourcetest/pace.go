package sourcetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var paceCases = []conformance{
	{"pace", pace},
	{"asked pace", askedPace},
}

// pace: a default sync against real limits and 200 ms of latency is never
// throttled, never asks more than the table allows, and wastes none of it: the
// wall time is within 5 per cent of what the requests take at full pace.
func pace(t *testing.T, s *subject) {
	const latency = 200 * time.Millisecond
	server := s.open(t, emulator.Options{Records: 400, Seed: 1, Limits: "real", Latency: latency})
	out := s.sync(t, server, ask{only: s.some(t), keys: true})
	out.complete(t)
	require.Zero(t, out.stats.ByStatus["429"], "the vendor had to throttle")
	for _, l := range s.src.Limits {
		if (l.Kind != stream.Pace && l.Kind != stream.Sliding) || l.PerLane || l.PerResource {
			continue
		}
		counted := slices.DeleteFunc(slices.Clone(out.asked), func(e emulator.Entry) bool { return l.Resource != "" && e.Resource != l.Resource })
		require.LessOrEqual(t, busiest(counted, l.Per), int(l.N), "requests in %s", l.Per)
		if l.Kind == stream.Pace {
			least := time.Duration(float64(len(counted)) / l.N * float64(l.Per))
			if l.N*latency.Seconds() > l.Per.Seconds() {
				continue // pages that follow each other cannot keep up with it
			}
			t.Logf("%d requests in %s: %.3f of the least", len(counted), out.took, out.took.Seconds()/least.Seconds())
			require.LessOrEqual(t, out.took, least+least/20, "%d requests at %g in %s", len(counted), l.N, l.Per)
		}
	}
}

// calls are the requests that a run sent to the API; tokens are had elsewhere.
func (s *subject) calls(out *output) []emulator.Entry {
	return slices.DeleteFunc(slices.Clone(out.asked), func(e emulator.Entry) bool { return !s.ofAPI(e.Path) })
}

// ofAPI tells whether a path is the API's; the token endpoint may lie among them.
func (s *subject) ofAPI(path string) bool {
	root, _, _ := strings.Cut(s.src.Base, "{")
	rules, _ := s.src.Auth.(stream.OAuth)
	return strings.HasPrefix(path, root) && path != rules.Token
}

// busiest is the greatest number of arrivals in any stretch of time.
func busiest(list []emulator.Entry, width time.Duration) int {
	most, from := 0, 0
	for i, e := range list {
		for e.Time.Sub(list[from].Time) >= width {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// askedPace: requests_per_second replaces the source's own pace.
func askedPace(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1})
	out := s.sync(t, server, ask{only: s.some(t), config: with(wide, "requests_per_second", 2)})
	out.complete(t)
	require.LessOrEqual(t, busiest(s.calls(out), time.Second), 2)
	faster := s.sync(t, server, ask{only: s.some(t), config: with(wide, "requests_per_second", 50)})
	for _, l := range s.src.Limits {
		if l.Vendor {
			return
		}
	}
	require.Less(t, faster.took, out.took/10)
}
