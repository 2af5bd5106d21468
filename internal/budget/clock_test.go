package budget

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func headers(limit, remaining int, reset time.Time) http.Header {
	h := http.Header{}
	h.Set("Limit", strconv.Itoa(limit))
	h.Set("Remaining", strconv.Itoa(remaining))
	h.Set("Reset", strconv.FormatInt(reset.UnixMilli(), 10))
	return h
}

var minuteClock = stream.Limit{
	Kind: stream.Clock, N: 60, Per: time.Minute, Vendor: true,
	LimitHeader: "Limit", RemainingHeader: "Remaining", ResetHeader: "Reset",
}

// next is the end of the clock period.
func next(per time.Duration) time.Time { return time.Now().UTC().Truncate(per).Add(per) }

func TestClockWithoutHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(40 * time.Second) // a bubble begins at midnight
		s := New([]stream.Limit{{Kind: stream.Clock, N: 60, Per: time.Minute}}, Options{})
		starts := storm(t, s, 4, 180, plain)
		m := margin(time.Minute)
		require.Zero(t, starts[59])
		require.Equal(t, 20*time.Second+m, starts[60], "the next clock minute, not a minute later")
		require.Equal(t, 20*time.Second+m, starts[119])
		require.Equal(t, 80*time.Second+m, starts[120])
	})
}

func TestClockFollowsHeaders(t *testing.T) {
	m := margin(time.Minute)
	t.Run("another program uses the account", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			require.Zero(t, pass(t, s, plain))
			s.Observe(plain, 200, headers(60, 1, next(time.Minute)))
			require.Zero(t, pass(t, s, plain))
			s.Observe(plain, 200, headers(60, 0, next(time.Minute)))
			require.Equal(t, time.Minute+m, pass(t, s, plain))
		})
	})
	t.Run("a higher limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			s.Observe(plain, 200, headers(300, 299, next(time.Minute)))
			starts := storm(t, s, 1, 300, plain)
			require.Zero(t, starts[298])
			require.Equal(t, time.Minute+m, starts[299])
		})
	})
	t.Run("answers overtake each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			for range 3 {
				pass(t, s, plain)
			}
			end := next(time.Minute)
			for _, left := range []int{2, 4, 3} { // counted in another order
				s.Observe(plain, 200, headers(60, left, end))
			}
			starts := storm(t, s, 1, 3, plain)
			require.Zero(t, starts[1])
			require.Equal(t, time.Minute+m, starts[2])
		})
	})
	t.Run("those on the way are minded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			pass(t, s, plain)
			s.Observe(plain, 200, headers(60, 1, next(time.Minute))) // the other may still have to be counted
			require.Equal(t, time.Minute+m, pass(t, s, plain))
		})
	})
	t.Run("reset in seconds, two minutes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			h := headers(60, 0, time.Now())
			h.Set("Reset", strconv.FormatInt(time.Now().Add(2*time.Minute).Unix(), 10))
			s.Observe(plain, 429, h)
			require.Equal(t, 2*time.Minute+m, pass(t, s, plain))
		})
	})
	t.Run("a late answer of the last period", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			h := headers(60, 0, next(time.Minute))
			time.Sleep(70 * time.Second)
			pass(t, s, plain)
			s.Observe(plain, 200, h)
			starts := storm(t, s, 1, 60, plain)
			require.Zero(t, starts[58], "it says nothing of this period")
			require.Equal(t, 50*time.Second+m, starts[59], "nor does it begin another")
		})
	})
	t.Run("the vendor's clock is ahead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			ahead := time.Now().Add(50 * time.Second)
			h := headers(60, 0, ahead.Add(10*time.Second))
			h.Set("Date", ahead.UTC().Format(http.TimeFormat))
			s.Observe(plain, 200, h)
			require.Equal(t, 10*time.Second+m, pass(t, s, plain))
		})
	})
	t.Run("headers that are no numbers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			s.Observe(plain, 200, http.Header{"Limit": {"many"}, "Remaining": {"NaN"}, "Reset": {"1e300"}})
			require.Zero(t, pass(t, s, plain))
		})
	})
	t.Run("lost requests count", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New([]stream.Limit{minuteClock}, Options{})
			pass(t, s, plain)
			s.Observe(plain, 200, headers(60, 2, next(time.Minute)))
			pass(t, s, plain)
			s.Observe(plain, 0, nil)
			require.Zero(t, pass(t, s, plain))
			require.Equal(t, time.Minute+m, pass(t, s, plain))
		})
	})
}

func TestDayBudgetIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := minuteClock
		day.N, day.Per, day.PerLane = 5000, 24*time.Hour, true
		s := New([]stream.Limit{day}, Options{})
		pass(t, s, lane1)
		s.Observe(lane1, 200, headers(5000, 0, next(24*time.Hour)))
		f := refusal(t, s, lane1)
		require.True(t, f.Whole)
		require.InDelta(t, 24*3600, f.RetryAfter.Seconds(), 2)
		require.ErrorContains(t, f, "5000 requests per day for 1")
		require.ErrorContains(t, f, next(24*time.Hour).Format(time.RFC3339))
		require.Zero(t, pass(t, s, lane2), "another lane has its own")
		require.Zero(t, pass(t, s, plain), "outside of lanes nothing is counted")
	})
}

// A refusal that tells an earlier end than was told before is believed: asked until
// the later one, the vendor would refuse again and again.
func TestRefusalThatEndsEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := minuteClock
		day.N, day.Per, day.PerLane = 5000, 24*time.Hour, true
		s := New([]stream.Limit{day}, Options{})
		pass(t, s, lane1)
		s.Observe(lane1, 200, headers(5000, 4000, next(24*time.Hour)))
		pass(t, s, lane1)
		s.Observe(lane1, 200, headers(5000, 0, time.Now().Add(time.Hour)))
		require.Zero(t, pass(t, s, lane1), "an answer may be late")
		s.Observe(lane1, 429, headers(5000, 10, time.Now().Add(time.Hour)))
		require.Zero(t, pass(t, s, lane1), "it does not say that nothing is left")
		s.Observe(lane1, 429, headers(5000, 0, time.Now().Add(time.Hour)))
		f := refusal(t, s, lane1)
		require.InDelta(t, 3600, f.RetryAfter.Seconds(), 2)
		time.Sleep(time.Hour + 2*time.Second)
		require.Zero(t, pass(t, s, lane1))
	})
}

func TestTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute := minuteClock
		minute.PerLane = true
		s := New([]stream.Limit{minute, {Kind: stream.Pace, N: 1}}, Options{})
		require.True(t, s.Tells(lane1, headers(60, 0, next(time.Minute))))
		require.False(t, s.Tells(lane1, headers(60, 1, next(time.Minute))))
		require.False(t, s.Tells(lane1, headers(60, 0, time.Now().Add(-time.Second))), "it is over")
		require.False(t, s.Tells(plain, headers(60, 0, next(time.Minute))), "it is not counted there")
		require.False(t, s.Tells(lane1, nil))
	})
}
