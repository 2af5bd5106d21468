package sourcetest

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// unfoundCases are about runs that end before their streams are known.
var unfoundCases = []conformance{
	{"discovery fails", discoveryFails},
	{"discovery is interrupted", discoveryInterrupted},
}

// discoveryFails: what goes wrong while streams are being found is the run's own
// fault, of its kind; nothing is read, and the given state is told again.
func discoveryFails(t *testing.T, s *subject) {
	if s.src.Discover == nil {
		return
	}
	target, _ := s.pair(t)
	given := s.stateOf(t, map[string]parts{target.Name: s.middles(t, target, s.everyRecord(t, target.Name))}, target.Name)
	_, without := s.discover(t, nil)
	_, still := s.discover(t, known(s.catalog(t, s.src, ask{})))
	still = append(still, s.opened(t)...) // a source may find nothing with a catalog
	for _, tc := range []struct {
		fault    string
		kinds    []fault.Kind
		attempts int // 0: a source may know better
	}{
		{"401", []fault.Kind{fault.Auth}, 0},
		{"429", []fault.Kind{fault.Quota}, 1 + retries},
		{"500", []fault.Kind{fault.Transient}, 1 + retries},
		{"cut", []fault.Kind{fault.Transient}, 1 + retries},
		{"truncated", []fault.Kind{fault.Contract}, 1 + retries},
		{"html", []fault.Kind{fault.Contract}, 1},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			for _, a := range []ask{
				{only: []*stream.Stream{target}, config: map[string]any{"max_retries": retries}},
				{config: wide}, // by what is asked without a catalog
			} {
				first := still[0].Resource
				if a.only == nil {
					first = without[len(without)-1].Resource
				}
				a.partial, a.state = true, given
				server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: tc.fault + "@" + first})
				out := s.sync(t, server, a)
				s.nothingRead(t, out, tc.kinds...)
				require.JSONEq(t, string(given), string(out.final(t)))
				if tc.attempts > 0 {
					require.Equal(t, tc.attempts, out.attempts(first))
				}
			}
		})
	}
}

// discoveryInterrupted: a signal or the time limit while streams are being found
// ends the run at once, with the given state.
func discoveryInterrupted(t *testing.T, s *subject) {
	if s.src.Discover == nil {
		return
	}
	target, other := s.pair(t)
	given := s.stateOf(t, map[string]parts{target.Name: s.middles(t, target, s.everyRecord(t, target.Name))}, "")
	var once sync.Once
	var signal chan struct{} // made in the run's own bubble
	hangs := func(n http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if !s.ofAPI(strings.TrimPrefix(r.URL.Path, "/"+s.src.Name)) {
				return n.RoundTrip(r)
			}
			if signal != nil {
				once.Do(func() { close(signal) })
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
	}
	list := []*stream.Stream{target, other}
	out := s.sync(t, s.openSmall(t), ask{only: list, state: given, partial: true, network: hangs, timeout: 10 * time.Second})
	require.ErrorIs(t, out.report.Err, errLimit)
	require.Empty(t, out.report.Streams)
	require.JSONEq(t, string(given), string(out.final(t)))
	require.Less(t, out.took, 11*time.Second)
	out = s.sync(t, s.openSmall(t), ask{
		only: list, state: given, partial: true, network: hangs,
		signal: func() <-chan struct{} { signal = make(chan struct{}); return signal },
	})
	require.ErrorIs(t, out.report.Err, errSignal)
	require.Empty(t, out.report.Streams)
	require.JSONEq(t, string(given), string(out.final(t)))
	require.Less(t, out.took, 2*time.Second, "a signal ends the run within two seconds")
}
