package budget

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	plain  = &stream.Request{}
	lane1  = &stream.Request{Lane: "1", Resource: "items"}
	lane2  = &stream.Request{Lane: "2", Resource: "items"}
	orders = &stream.Request{Lane: "1", Resource: "orders"}
)

// pass waits and returns how long that took.
func pass(t *testing.T, s *Set, req *stream.Request) time.Duration {
	t.Helper()
	began := time.Now()
	waited, err := s.Wait(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, time.Since(began), waited)
	return waited
}

// refusal waits and returns the local refusal.
func refusal(t *testing.T, s *Set, req *stream.Request) *fault.Error {
	t.Helper()
	began := time.Now()
	_, err := s.Wait(t.Context(), req)
	require.Error(t, err)
	require.Zero(t, time.Since(began), "a refusal takes no time")
	f := fault.As(err)
	require.NotNil(t, f)
	require.Equal(t, fault.Quota, f.Kind)
	return f
}

// storm sends n requests from several waiters and returns the starts since the
// beginning, in order.
func storm(t *testing.T, s *Set, waiters, n int, req *stream.Request) []time.Duration {
	began := time.Now()
	var mu sync.Mutex
	var starts []time.Duration
	var wg sync.WaitGroup
	for w := range waiters {
		wg.Go(func() {
			for range n / waiters {
				if _, err := s.Wait(t.Context(), req); err != nil {
					t.Errorf("waiter %d: %v", w, err)
					return
				}
				mu.Lock()
				starts = append(starts, time.Since(began))
				mu.Unlock()
				s.Observe(req, 200, nil)
			}
		})
	}
	wg.Wait()
	slices.Sort(starts)
	return starts
}

func TestPace(t *testing.T) {
	limits := []stream.Limit{{Kind: stream.Pace, N: 5, Per: time.Second}}
	for _, waiters := range []int{1, 4, 10} {
		t.Run(fmt.Sprint(waiters), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := storm(t, New(limits, Options{}), waiters, 100, plain)
				require.InDelta(t, 19.8, starts[99].Seconds(), 0.01)
				for i := 1; i < len(starts); i++ {
					require.InDelta(t, 0.2, (starts[i] - starts[i-1]).Seconds(), 0.001, "spacing %d", i)
				}
			})
		})
	}
}

func TestPaceIsReplaced(t *testing.T) {
	minute := stream.Limit{Kind: stream.Sliding, N: 3, Per: time.Minute, Vendor: true}
	for _, tc := range []struct {
		name   string
		limits []stream.Limit
		rps    float64
		want   time.Duration // of the third start
	}{
		{"own pace", []stream.Limit{{Kind: stream.Pace, N: 1, Per: time.Second}}, 0, 2 * time.Second},
		{"replaced", []stream.Limit{{Kind: stream.Pace, N: 1, Per: time.Second}}, 0.5, 4 * time.Second},
		{"added", []stream.Limit{minute}, 0.1, 20 * time.Second},
		{"vendor's pace stays", []stream.Limit{{Kind: stream.Pace, N: 1, Per: time.Second, Vendor: true}}, 100, 2 * time.Second},
		{"vendor's window stays", []stream.Limit{{Kind: stream.Sliding, N: 2, Per: time.Minute, Vendor: true}}, 100, time.Minute + margin(time.Minute)},
		{"per minute", []stream.Limit{{Kind: stream.Pace, N: 6, Per: time.Minute}}, 0, 20 * time.Second},
		{"nothing", nil, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := storm(t, New(tc.limits, Options{RequestsPerSecond: tc.rps}), 1, 3, plain)
				require.InDelta(t, tc.want.Seconds(), starts[2].Seconds(), 0.01)
			})
		})
	}
}

// The token bucket of x/time/rate lets 119 of 60 a minute through in the first
// minute (measured, shared/libraries.md); a window must not.
func TestSlidingIsNoTokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Sliding, N: 60, Per: time.Minute, Vendor: true}}, Options{})
		starts := storm(t, s, 6, 180, plain)
		require.Zero(t, starts[59], "a burst within the window is allowed")
		require.GreaterOrEqual(t, starts[60], time.Minute)
		require.GreaterOrEqual(t, starts[120], 2*time.Minute)
		require.Less(t, starts[179], 2*time.Minute+time.Second)
	})
}

// arrivals draws random arrivals, some of which give up, and returns the starts
// that the limit let through.
func arrivals(t *testing.T, rt *rapid.T, l stream.Limit) []time.Time {
	gaps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(l.Per)).Draw(rt, "ns")) / 4
	}), 1, 60).Draw(rt, "gaps")
	cancel := rapid.SliceOfN(rapid.Bool(), len(gaps), len(gaps)).Draw(rt, "cancel")

	var starts []time.Time
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{l}, Options{})
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, gap := range gaps {
			time.Sleep(gap)
			wg.Go(func() {
				ctx := t.Context()
				if cancel[i] {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, l.Per/3)
					defer stop()
				}
				if _, err := s.Wait(ctx, plain); err == nil {
					mu.Lock()
					starts = append(starts, time.Now())
					mu.Unlock()
					s.Observe(plain, 200, nil)
				}
			})
		}
		wg.Wait()
	})
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

func TestSlidingNeverExceeds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(rt, "n")
		per := time.Duration(rapid.IntRange(1, 90).Draw(rt, "per")) * time.Second
		starts := arrivals(t, rt, stream.Limit{Kind: stream.Sliding, N: float64(n), Per: per})
		for i := n; i < len(starts); i++ {
			if d := starts[i].Sub(starts[i-n]); d < per {
				rt.Fatalf("%d starts within %v, allowed are %d in %v", n+1, d, n, per)
			}
		}
	})
}

func TestClockNeverExceeds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(rt, "n")
		per := time.Duration(rapid.IntRange(1, 5).Draw(rt, "per")) * time.Minute
		counts := map[time.Time]int{}
		for _, at := range arrivals(t, rt, stream.Limit{Kind: stream.Clock, N: float64(n), Per: per}) {
			if p := at.UTC().Truncate(per); counts[p] < n {
				counts[p]++
			} else {
				rt.Fatalf("more than %d starts in the period from %v", n, p)
			}
		}
	})
}

func TestMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := []stream.Limit{{Kind: stream.Sliding, N: 1, Per: time.Minute}}
		s := New(limits, Options{MaxWait: 30 * time.Second})
		pass(t, s, plain)
		require.Contains(t, refusal(t, s, plain).Hint, "run again after 2000-01-01T00:01:00Z")
		time.Sleep(40 * time.Second)
		require.Equal(t, 20*time.Second+margin(time.Minute), pass(t, s, plain))
	})
}

func TestCredits(t *testing.T) {
	limit := stream.Limit{Kind: stream.Credits, N: 1000, RemainingHeader: "Remaining", LimitHeader: "Limit"}
	left := func(n string) http.Header { return http.Header{"Remaining": {n}} }
	for _, tc := range []struct {
		name    string
		reserve float64
		h       http.Header
		refused bool
	}{
		{"no header yet", 0.5, nil, false},
		{"enough", 0, left("1"), false},
		{"none", 0, left("0"), true},
		{"above the reserve", 0.1, left("101"), false},
		{"at the reserve", 0.1, left("100"), true},
		{"limit told", 0.1, http.Header{"Remaining": {"150"}, "Limit": {"2000"}}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			limit.Reserve = tc.reserve
			s := New([]stream.Limit{limit}, Options{})
			s.Observe(plain, 200, tc.h)
			_, err := s.Wait(t.Context(), plain)
			require.Equal(t, tc.refused, err != nil, "%v", err)
			if err != nil {
				f := fault.As(err)
				require.True(t, f.Kind == fault.Quota && f.Whole)
				require.NotEmpty(t, f.Hint)
			}
		})
	}
}

func TestErrorBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Errors, N: 3, Per: time.Hour, PerLane: true, PerResource: true}}, Options{})
		for _, status := range []int{200, 0, 401, 408, 429, 500, 503, 304, 400, 403} {
			pass(t, s, lane1)
			s.Observe(lane1, status, nil)
		}
		time.Sleep(10 * time.Minute)
		pass(t, s, lane1)
		s.Observe(lane1, 404, nil)
		f := refusal(t, s, lane1)
		require.False(t, f.Whole, "other resources can be read on")
		require.ErrorContains(t, f, "items")
		require.InDelta(t, 50*60, f.RetryAfter.Seconds(), 10)
		pass(t, s, lane2)
		pass(t, s, orders)
		time.Sleep(51 * time.Minute)
		pass(t, s, lane1)
	})
}

func TestBudgetsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Sliding, N: 2, Per: time.Minute, PerLane: true}}, Options{})
		lane := func(i int) *stream.Request { return &stream.Request{Lane: strconv.Itoa(i)} }
		for i := range 2 * maxKeys {
			if i == maxKeys+2 {
				require.Equal(t, time.Minute+margin(time.Minute), pass(t, s, lane(i)), "those for which there is no room share one")
				break
			}
			require.Zero(t, pass(t, s, lane(i)))
		}
		require.LessOrEqual(t, len(s.families[0].each), maxKeys+1)
		time.Sleep(5 * time.Minute)
		require.Zero(t, pass(t, s, lane(-1)))
		require.Less(t, len(s.families[0].each), 5, "idle ones made room")
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(nil, Options{})
		s.Pause(time.Now().Add(12 * time.Second))
		s.Pause(time.Now().Add(time.Second)) // never shortens one
		starts := storm(t, s, 3, 3, plain)
		require.Equal(t, []time.Duration{12 * time.Second, 12 * time.Second, 12 * time.Second}, starts)
		s.Pause(time.Now().Add(24 * time.Hour))
		f := refusal(t, s, plain)
		require.True(t, f.Whole)
		require.Equal(t, 24*time.Hour, f.RetryAfter)
	})
}

func TestPauseReachesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Sliding, N: 1, Per: 10 * time.Second}}, Options{})
		pass(t, s, plain)
		go func() {
			time.Sleep(5 * time.Second)
			s.Pause(time.Now().Add(time.Minute))
		}()
		require.Equal(t, 65*time.Second, pass(t, s, plain))
	})
}

func TestCancelledWaiterGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Pace, N: 1, Per: 10 * time.Second}}, Options{})
		pass(t, s, plain)
		cause := errors.New("the user left")
		for i := range 3 { // one heads the queue, two stand behind and leave first
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				_, err := s.Wait(ctx, plain)
				if !errors.Is(err, cause) {
					t.Errorf("want the cause, got %v", err)
				}
			}()
			time.AfterFunc(time.Duration(7-i)*time.Second, func() { cancel(cause) })
			synctest.Wait()
		}
		require.InDelta(t, 10, pass(t, s, plain).Seconds(), 0.01)
		require.Empty(t, s.gates.m)
	})
}

func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{{Kind: stream.Pace, N: 1, Per: time.Second}}, Options{})
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := s.Wait(t.Context(), plain)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					order = append(order, i)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		require.True(t, slices.IsSorted(order), "%v", order)
		require.Len(t, order, 20)
	})
}

func TestExhaustedLaneDoesNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New([]stream.Limit{
			{Kind: stream.Clock, N: 1, Per: time.Minute, PerLane: true},
			{Kind: stream.Pace, N: 10, Per: time.Second},
		}, Options{})
		pass(t, s, lane1)
		done := make(chan struct{})
		go func() { _, _ = s.Wait(t.Context(), lane1); close(done) }()
		synctest.Wait()
		require.Less(t, pass(t, s, lane2), time.Second)
		<-done
	})
}

func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(nil, Options{})
		var wg sync.WaitGroup
		began := time.Now()
		for range 3 {
			for _, lane := range []string{"1", "2", ""} {
				wg.Go(func() {
					release, err := s.Acquire(t.Context(), lane)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Second)
					release()
					release() // twice does no harm
				})
			}
		}
		wg.Wait()
		require.Equal(t, 3*time.Second, time.Since(began), "one at a time per lane, lanes side by side")
		require.Empty(t, s.lanes.m)

		release, err := s.Acquire(t.Context(), "1")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Acquire(ctx, "1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		release()
		_, err = s.Acquire(ctx, "1")
		require.ErrorIs(t, err, context.DeadlineExceeded, "a cancelled context enters nowhere")
	})
}

func TestWindow(t *testing.T) {
	require.Zero(t, New([]stream.Limit{{Kind: stream.Pace, N: 5, Per: time.Second}}, Options{}).Window())
	require.Equal(t, time.Minute, New([]stream.Limit{
		{Kind: stream.Clock, N: 60, Per: time.Minute},
		{Kind: stream.Clock, N: 5000, Per: 24 * time.Hour},
	}, Options{}).Window())
}

// A request that starts a little late must not move those after it.
func TestPaceKeepsItsSchedule(t *testing.T) {
	p := newPace(stream.Limit{Kind: stream.Pace, N: 5, Per: time.Second})
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := began
	p.take(now, nil)
	for range 99 {
		at, err := p.ready(now, nil)
		require.NoError(t, err)
		require.Greater(t, at.Sub(now), 170*time.Millisecond, "never two at once")
		now = at.Add(7 * time.Millisecond)
		p.take(now, nil)
	}
	require.Equal(t, 99*200*time.Millisecond+7*time.Millisecond, now.Sub(began).Round(time.Millisecond))

	late := now.Add(10 * time.Second)
	p.take(late, nil)
	at, err := p.ready(late, nil)
	require.NoError(t, err)
	require.Equal(t, 200*time.Millisecond, at.Sub(late).Round(time.Millisecond), "time that was not used is gone")
}
