package budget

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// crowd asks through workers, each after the last of its own, of a vendor who
// takes so many calls at once, a second each. It returns how many were turned
// away and how many were under way at most.
func crowd(t *testing.T, s *Set, workers, each int, takes func() int) (turned, most int) {
	t.Helper()
	var mu sync.Mutex
	flying := 0
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for done := 0; done < each; {
				req := &stream.Request{}
				if _, err := s.Wait(t.Context(), req); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				flying++
				ok := flying <= takes()
				if ok {
					most = max(most, flying)
				} else {
					turned++
				}
				mu.Unlock()
				if ok {
					time.Sleep(time.Second)
				}
				mu.Lock()
				flying--
				mu.Unlock()
				status := http.StatusOK
				if !ok {
					status = http.StatusTooManyRequests
				}
				s.Observe(req, status, nil)
				s.Done(req)
				if ok {
					done++
				} else {
					time.Sleep(2 * time.Second)
				}
			}
		})
	}
	all.Wait()
	return turned, most
}

func TestInFlight(t *testing.T) {
	for _, tc := range []struct {
		name                 string
		start, workers, each int
		takes                int
		most, turned         int
		within               time.Duration // 0: not looked at
	}{
		{"below what all have", 5, 4, 25, 5, 4, 0, 26 * time.Second},
		{"as many as there are", 5, 5, 20, 5, 5, 0, 21 * time.Second},
		{"more", 5, 25, 20, 5, 5, 4, 115 * time.Second},
		{"a large account", 5, 25, 100, 25, 25, 0, 125 * time.Second},
		{"nothing known", 0, 25, 20, 5, 5, 10, 130 * time.Second},
		{"too much assumed", 25, 25, 20, 5, 5, 40, 140 * time.Second},
		{"one at a time", 5, 8, 5, 1, 1, 8, 80 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New([]stream.Limit{{Kind: stream.InFlight, N: float64(tc.start)}}, Options{})
				require.True(t, s.Adapts())
				began := time.Now()
				turned, most := crowd(t, s, tc.workers, tc.each, func() int { return tc.takes })
				t.Logf("%d calls in %s, %d turned away", tc.workers*tc.each, time.Since(began), turned)
				require.Equal(t, tc.most, most)
				require.LessOrEqual(t, turned, tc.turned)
				require.LessOrEqual(t, time.Since(began), tc.within)
			})
		})
	}
	t.Run("when others leave", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{{Kind: stream.InFlight, N: 5}}, Options{})
			began := time.Now()
			_, most := crowd(t, s, 20, 60, func() int {
				if time.Since(began) < 2*time.Minute {
					return 2
				}
				return 15
			})
			require.Equal(t, 15, most, "what has been refused is tried again")
		})
	})
}

// TestInFlightCountsToTheEnd: an answer's body is under way, too.
func TestInFlightCountsToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.InFlight, N: 1}}, Options{})
		pass(t, s, plain)
		s.Observe(plain, 500, nil)
		go func() {
			time.Sleep(5 * time.Minute)
			s.Done(plain)
		}()
		require.Equal(t, 5*time.Minute, pass(t, s, plain))
	})
}

// TestOneResource: a limit of one resource holds nobody else back.
func TestOneResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Sliding, N: 1, Per: time.Minute, Resource: "items"}}, Options{})
		require.Zero(t, s.Window(), "it is not that of the others")
		pass(t, s, lane1)
		require.Zero(t, pass(t, s, orders))
		require.Zero(t, pass(t, s, plain))
		require.Equal(t, time.Minute+margin(time.Minute), pass(t, s, lane2))
		f := New([]stream.Limit{{Kind: stream.Sliding, N: 1, Per: time.Hour, Resource: "items"}}, Options{})
		pass(t, f, lane1)
		require.ErrorContains(t, refusal(t, f, lane1), "1 requests per hour for items is spent")
	})
}

func TestThrottle(t *testing.T) {
	require.Zero(t, New(nil, Options{}).Throttle())
	require.Equal(t, 2*time.Second, New([]stream.Limit{{Kind: stream.InFlight, Wait: 2 * time.Second}}, Options{}).Throttle())
	require.False(t, New(nil, Options{}).Adapts())
}
