package budget

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func remaining(n int) http.Header { return http.Header{"Remaining": {strconv.Itoa(n)}} }

// counted is a limit whose total has to be asked for, and a set of it.
func counted(reserve string) (*Set, *stream.Total) {
	q := &stream.Total{Ask: stream.Request{URL: "org"}, Read: func(*stream.Response) (float64, string) { return 0, "" }}
	return New([]stream.Limit{{Kind: stream.Credits, RemainingHeader: "Remaining", ToldFrom: 0.5, Per: 24 * time.Hour, ReserveKey: "quota_reserve", Total: q}},
		Options{Config: stream.NewConfig(map[string]string{"quota_reserve": reserve})}), q
}

// TestTotalIsAskedFor: when a reserve is to be kept, and something remains.
func TestTotalIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := counted("10")
		pass(t, s, plain)
		require.Nil(t, s.Question(), "no answer has told anything")
		s.Observe(plain, 200, remaining(400))
		_, err := s.Wait(t.Context(), plain)
		require.ErrorIs(t, err, ErrTotal)
		require.Same(t, q, s.Question())
		pass(t, s, &q.Ask)
		s.Observe(&q.Ask, 200, remaining(399))
		s.Answer(q, 3980)
		require.Nil(t, s.Question())
		pass(t, s, plain)
		f := refusal(t, s, lane1)
		require.ErrorContains(t, f, "the account has 398 API credits left and 398 of 3980 are kept in reserve")
		require.Contains(t, f.Hint, "a smaller quota_reserve uses more")

		s, _ = counted("0")
		s.Observe(plain, 200, remaining(1))
		pass(t, s, plain)
		require.NotContains(t, refusal(t, s, plain).Hint, "quota_reserve")

		s, q = counted("10")
		s.Observe(plain, 200, remaining(0))
		_ = refusal(t, s, &q.Ask)
	})
}

// TestTotalFitsTheHeader: what remains after half of the use is half at most.
func TestTotalFitsTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, q := counted("10")
		s.Observe(plain, 200, remaining(3000))
		s.Answer(q, 5000) // the account has bought more than its edition has
		s.Observe(plain, 200, remaining(600))
		require.ErrorContains(t, refusal(t, s, plain), "600 of 6000 are kept")
	})
}

// TestCreditsUnderWay: what is under way may not have been counted yet, and
// answers overtake each other.
func TestCreditsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := counted("0")
		dear := &stream.Request{Cost: 50}
		first, second, third := &stream.Request{}, &stream.Request{}, &stream.Request{}
		s.Observe(plain, 200, remaining(53))
		pass(t, s, dear)
		pass(t, s, first)
		pass(t, s, second)
		pass(t, s, third)
		require.ErrorContains(t, refusal(t, s, plain), "0 API credits left")
		s.Observe(second, 200, remaining(50)) // counted last
		require.ErrorContains(t, refusal(t, s, plain), "0 API credits left", "the dear one is not in it for sure")
		s.Observe(dear, 200, remaining(103)) // it was counted first, by another clock
		s.Observe(first, 200, remaining(52))
		s.Observe(third, 200, remaining(51))
		f := refusal(t, s, &stream.Request{Cost: 51})
		require.ErrorContains(t, f, "50 API credits left", "the least of those that overtook each other")
		pass(t, s, dear)
		s.Observe(dear, 200, remaining(90))
		pass(t, s, dear) // some are free again, and nothing else was under way
		s.Observe(dear, 0, nil)
		require.ErrorContains(t, refusal(t, s, dear), "40 API credits left", "a lost answer is counted")
	})
}

// TestCreditsAreNeverOverdrawn: any order of answers, with a vendor who counts
// at any moment between start and answer.
func TestCreditsAreNeverOverdrawn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		reserve := rapid.IntRange(0, 40).Draw(rt, "reserve")
		s, q := counted(strconv.Itoa(reserve))
		left := 50
		s.Observe(plain, 200, remaining(left))
		s.Answer(q, 100)
		type call struct {
			req   *stream.Request
			told  int
			count bool
		}
		var calls []*call
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			switch i := rapid.IntRange(0, max(len(calls)-1, 0)).Draw(rt, "which"); rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				c := &call{req: &stream.Request{Cost: rapid.IntRange(0, 7).Draw(rt, "cost")}}
				if _, err := s.Wait(t.Context(), c.req); err == nil {
					calls = append(calls, c)
				}
			case 1:
				if len(calls) > 0 && !calls[i].count {
					left -= max(calls[i].req.Cost, 1)
					calls[i].count, calls[i].told = true, left
					if left < reserve {
						rt.Fatalf("%d left of a reserve of %d", left, reserve)
					}
				}
			case 2:
				if len(calls) > 0 && calls[i].count {
					s.Observe(calls[i].req, 200, remaining(calls[i].told))
					s.Done(calls[i].req)
					calls = append(calls[:i], calls[i+1:]...)
				}
			}
		}
	})
}

func TestCreditsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := counted("0")
		s.Observe(plain, 200, remaining(0))
		time.Sleep(24*time.Hour - time.Nanosecond)
		f := refusal(t, s, plain)
		require.True(t, f.Whole && f.Kind == fault.Quota)
		time.Sleep(time.Nanosecond)
		pass(t, s, plain)

		s = New([]stream.Limit{{Kind: stream.Credits, RemainingHeader: "Remaining", ResetHeader: "Reset"}}, Options{})
		h := remaining(0)
		h.Set("Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
		s.Observe(plain, 200, h)
		require.Equal(t, time.Hour, refusal(t, s, plain).RetryAfter)
		time.Sleep(time.Hour)
		pass(t, s, plain)
	})
}
