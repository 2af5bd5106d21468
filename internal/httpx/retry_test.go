package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const good = `{"results":[1]}`

func TestRetried(t *testing.T) {
	for _, tc := range []struct {
		name string
		step any
		want int // requests sent
	}{
		{"reset", syscall.ECONNRESET, 3},
		{"refused", syscall.ECONNREFUSED, 3},
		{"unexpected end", io.ErrUnexpectedEOF, 3},
		{"408", 408, 3},
		{"429", 429, 3},
		{"500", 500, 3},
		{"502", 502, 3},
		{"503", 503, 3},
		{"507", 507, 3},
		{"cut body", func() *http.Response { return cut(200, `{"results":[1,`) }, 3},
		{"cut error body", func() *http.Response { return cut(400, `{"det`) }, 3},
		{"body longer than announced", func() *http.Response { r := answer(200, good); r.ContentLength = 3; return r }, 3},
		{"empty 200", "", 3},
		{"blank 200", " \n", 3},
		{"truncated object", `{"results":[1]`, 3},
		{"truncated array", ` [{"a":1}`, 3},
		{"400", 400, 1},
		{"401", 401, 1},
		{"402", 402, 1},
		{"403", 403, 1},
		{"404", 404, 1},
		{"409", 409, 1},
		{"501", 501, 1},
		{"204", 204, 1},
		{"304", 304, 1},
		{"302", 302, 1},
		{"html", "<html></html>", 1},
		{"certificate", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, 1},
		{"host name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, 1},
		{"plain http on a tls port", http.ErrSchemeMismatch, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(tc.step, tc.step, good)
				resp, err := client(t, s).Fetch(t.Context(), &stream.Request{URL: "x"})
				require.Len(t, s.asked, tc.want)
				if tc.want == 3 {
					require.NoError(t, err)
					require.Equal(t, good, string(resp.Body), "delivered once, whole")
					// Full jitter, half of 0.5 s and half of 1 s.
					require.Equal(t, []time.Duration{0, 250 * time.Millisecond, 750 * time.Millisecond}, []time.Duration{s.asked[0].at, s.asked[1].at, s.asked[2].at})
				}
			})
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	for _, tc := range []struct {
		max, want int
	}{{0, 6}, {2, 3}, {NoRetries, 1}} {
		synctest.Test(t, func(t *testing.T) {
			s := play(503)
			f := refused(t, client(t, s, func(o *Options) { o.MaxRetries = tc.max }), "x", fault.Transient)
			require.Len(t, s.asked, tc.want)
			require.Equal(t, 503, f.Status)
			if tc.want > 1 {
				require.ErrorContains(t, f, fmt.Sprintf("(%d attempts)", tc.want))
			}
			s = play(503)
			_, err := client(t, s).Do(t.Context(), &stream.Request{URL: "x"}, Call{Once: true})
			require.Equal(t, fault.Transient, fault.KindOf(err))
			require.Len(t, s.asked, 1)
		})
	}
}

func TestBackoffIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(500)
		_ = refused(t, client(t, s, func(o *Options) { o.MaxRetries, o.Rand = 10, func() float64 { return 1 } }), "x", fault.Transient)
		want := []float64{0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60}
		for i, w := range want {
			require.InDelta(t, w, (s.asked[i+1].at - s.asked[i].at).Seconds(), 0.001)
		}
	})
}

func TestRetryAfterIsRead(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tc := range []struct {
		name, value, date string
		want              time.Duration
		told              bool
	}{
		{"seconds", "12", "", 12 * time.Second, true},
		{"blanks", " 12 ", "", 12 * time.Second, true},
		{"fraction", "1.5", "", 1500 * time.Millisecond, true},
		{"nothing", "", "", 0, false},
		{"negative", "-5", "", 0, false},
		{"not a number", "NaN", "", 0, false},
		{"word", "soon", "", 0, false},
		{"endless", "1e400", "", 1<<63 - 1, true},
		{"huge", "99999999999999999999", "", 1<<63 - 1, true},
		{"date", date(90 * time.Second), "", 90 * time.Second, true},
		{"past date", date(-time.Hour), "", 0, true},
		{"by the vendor's clock", date(time.Hour + 30*time.Second), date(time.Hour), 30 * time.Second, true},
		{"rfc 850", now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT"), "", time.Minute, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{"Retry-After": {tc.value}}
			if tc.date != "" {
				h.Set("Date", tc.date)
			}
			got, told := stream.RetryAfter(h, now)
			require.Equal(t, tc.told, told)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for _, status := range []int{408, 429, 500, 502, 503} {
		synctest.Test(t, func(t *testing.T) {
			s := play(
				func() *http.Response { return answer(status, "", "Retry-After", "12") },
				func() *http.Response {
					return answer(status, "", "Retry-After", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat))
				},
				good)
			_, err := client(t, s).Fetch(t.Context(), &stream.Request{URL: "x"})
			require.NoError(t, err)
			require.InDelta(t, 12, s.asked[1].at.Seconds(), 0.001)
			require.InDelta(t, 42, s.asked[2].at.Seconds(), 1)
		})
	}
}

func TestRetryAfterBeyondTheCap(t *testing.T) {
	for _, status := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := play(func() *http.Response { return answer(status, `{"detail":"Daily quota."}`, "Retry-After", "86400") })
			c := client(t, s)
			f := refused(t, c, "x", fault.Quota)
			require.Zero(t, time.Since(began), "a day is not waited for")
			require.Len(t, s.asked, 1)
			require.True(t, f.Whole)
			require.Equal(t, 24*time.Hour, f.RetryAfter)
			require.Equal(t, status, f.Status)
			require.ErrorContains(t, f, "Daily quota.")
			require.ErrorContains(t, f, "2000-01-02T00:00:00Z")
			require.Contains(t, f.Hint, "2000-01-02T00:00:00Z")
			if status == 429 {
				_ = refused(t, c, "y", fault.Quota)
				require.Len(t, s.asked, 1, "what is known to be spent is refused here")
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := play(func() *http.Response { return answer(429, "", "Retry-After", "99999999999999999999") })
		f := refused(t, client(t, s), "x", fault.Quota)
		require.ErrorContains(t, f, "more than a hundred years")
	})
}

func TestThrottlingHoldsEveryoneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts []time.Duration
		began := time.Now()
		c := client(t, wire(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			starts = append(starts, time.Since(began))
			if len(starts) == 1 {
				return answer(429, "", "Retry-After", "20"), nil
			}
			return answer(200, good), nil
		}))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := c.Fetch(t.Context(), &stream.Request{URL: "x"}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		require.Len(t, starts, 5)
		for _, at := range starts[1:] {
			require.GreaterOrEqual(t, at, 20*time.Second)
		}
	})
}

func TestThrottledWithoutRetryAfter(t *testing.T) {
	window := []stream.Limit{{Kind: stream.Sliding, N: 100, Per: time.Minute, Vendor: true}}
	for _, tc := range []struct {
		name   string
		change func(*Options)
		waits  []float64
	}{
		{"no window", func(*Options) {}, []float64{0.25, 0.5, 1, 2, 4}},
		{"a window is outlasted", func(o *Options) { o.Budget = budget.New(window, budget.Options{}) }, []float64{2, 4, 8, 16, 32}},
		{"told by the source", func(o *Options) { o.ThrottleWait = 20 * time.Second }, []float64{20, 40, 80, 160, 320}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(429)
				f := refused(t, client(t, s, tc.change), "x", fault.Quota)
				require.True(t, f.Whole)
				require.Equal(t, 429, f.Status)
				require.Len(t, s.asked, 6)
				for i, w := range tc.waits {
					require.InDelta(t, w, (s.asked[i+1].at - s.asked[i].at).Seconds(), 0.001)
				}
			})
		})
	}
}

// A limit's headers tell when to come back: nothing else is waited for then.
func TestThrottledByAClock(t *testing.T) {
	minute := []stream.Limit{{
		Kind: stream.Clock, N: 60, Per: time.Minute, Vendor: true, Wait: 61 * time.Second,
		RemainingHeader: "Remaining", ResetHeader: "Reset",
	}}
	for name, tc := range map[string]struct {
		told     bool
		from, to float64
	}{"told": {true, 40, 43}, "bare": {false, 61, 92}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(20 * time.Second) // a bubble begins at midnight
				limited := func() *http.Response {
					resp := answer(429, "")
					if tc.told {
						resp.Header.Set("Remaining", "0")
						resp.Header.Set("Reset", strconv.FormatInt(time.Now().Truncate(time.Minute).Add(time.Minute).UnixMilli(), 10))
					}
					return resp
				}
				s := play(limited, good)
				_, err := client(t, s, func(o *Options) { o.Budget = budget.New(minute, budget.Options{}) }).Fetch(t.Context(), &stream.Request{URL: "x"})
				require.NoError(t, err)
				require.Len(t, s.asked, 2)
				waited := (s.asked[1].at - s.asked[0].at).Seconds()
				require.GreaterOrEqual(t, waited, tc.from)
				require.LessOrEqual(t, waited, tc.to)
			})
		})
	}
}

func TestSlowBodyTimesOutAndIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			resp := answer(200, good)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(good[:5]), hang{r.Context()}))
			return resp, nil
		}
		s := play(slow, good)
		c := client(t, s, func(o *Options) { o.Timeout = 90 * time.Second })
		resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Equal(t, good, string(resp.Body))
		require.Equal(t, 90*time.Second+250*time.Millisecond, s.asked[1].at)

		s = play(slow)
		f := refused(t, client(t, s, func(o *Options) { o.MaxRetries = 1 }), "x", fault.Transient)
		require.ErrorContains(t, f, "no whole answer within 5m0s (2 attempts)")
		require.Contains(t, f.Hint, "request_timeout")
		require.Equal(t, 300*time.Second+250*time.Millisecond, s.asked[1].at)
	})
}

// hang is a body that stops coming.
type hang struct{ ctx context.Context } //nolint:containedctx // a reader has no other way

func (h hang) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

// The turn in the budget is not part of an attempt's time.
func TestTimeoutIsWithoutTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := budget.New([]stream.Limit{{Kind: stream.Sliding, N: 1, Per: time.Minute}}, budget.Options{})
		var waits []time.Duration
		c := client(t, play(good), func(o *Options) {
			o.Budget, o.Timeout = set, time.Second
			o.Metrics = func(m Metric) { waits = append(waits, m.Wait) }
		})
		for range 2 {
			_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
			require.NoError(t, err)
		}
		require.Zero(t, waits[0])
		require.Greater(t, waits[1], 59*time.Second)
	})
}

func TestPostIsRetriedWithTheSameBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(500, func() *http.Response { return cut(200, "{") }, good)
		_, err := client(t, s).Fetch(t.Context(), &stream.Request{Method: "POST", URL: "x", Params: []stream.Param{{Name: "limit", Value: "5", Raw: true}}})
		require.NoError(t, err)
		for _, a := range s.asked {
			require.Equal(t, "POST", a.method)
			require.Equal(t, `{"limit":5}`, a.body)
		}
		require.Len(t, s.asked, 3)
	})
}

func TestLaneTakesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flying, most atomic.Int32
		c := client(t, wire(func(r *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), flying.Add(1)))
			time.Sleep(time.Second)
			flying.Add(-1)
			return answer(200, good), nil
		}))
		began := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := c.Fetch(t.Context(), &stream.Request{URL: "x", Lane: "7"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, most.Load())
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func TestEveryAttemptCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := budget.New([]stream.Limit{{Kind: stream.Pace, N: 1, Per: 10 * time.Second}}, budget.Options{})
		s := play(500, syscall.ECONNRESET, good)
		_, err := client(t, s, func(o *Options) { o.Budget = set }).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.InDelta(t, 20, s.asked[2].at.Seconds(), 0.01)
	})
}

func TestLocalRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := budget.New([]stream.Limit{
			{Kind: stream.Clock, N: 1, Per: 24 * time.Hour, Vendor: true},
			{Kind: stream.Errors, N: 2, Per: time.Hour, PerResource: true, Vendor: true},
		}, budget.Options{})
		s := play(good)
		c := client(t, s, func(o *Options) { o.Budget = set })
		_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		f := refused(t, c, "x", fault.Quota)
		require.True(t, f.Whole)
		require.Len(t, s.asked, 1, "refused here, and not tried again")
	})
	synctest.Test(t, func(t *testing.T) {
		set := budget.New([]stream.Limit{{Kind: stream.Errors, N: 2, Per: time.Hour, PerResource: true}}, budget.Options{})
		s := play(403)
		c := client(t, s, func(o *Options) { o.Budget = set })
		_ = refused(t, c, "x", fault.Permission)
		_ = refused(t, c, "x", fault.Permission)
		_ = refused(t, c, "x", fault.Quota)
		require.Len(t, s.asked, 2)
	})
}

func TestCancelEndsAnyWait(t *testing.T) {
	cause := errors.New("the user left")
	for _, tc := range []struct {
		name string
		step any
		set  []stream.Limit
	}{
		{"backoff", func() *http.Response { return answer(503, "", "Retry-After", "300") }, nil},
		{"budget", 503, []stream.Limit{{Kind: stream.Sliding, N: 1, Per: time.Minute}}},
		{"answer", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, nil},
		{"body", func(r *http.Request) (*http.Response, error) {
			resp := answer(200, good)
			resp.Body = io.NopCloser(hang{r.Context()})
			return resp, nil
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer time.AfterFunc(7*time.Second, func() { cancel(cause) }).Stop()
				began := time.Now()
				s := play(tc.step)
				_, err := client(t, s, func(o *Options) { o.Budget = budget.New(tc.set, budget.Options{}) }).Fetch(ctx, &stream.Request{URL: "x"})
				require.Equal(t, cause, err, "the cause, unwrapped")
				require.Equal(t, 7*time.Second, time.Since(began))
				require.Len(t, s.asked, 1)
			})
		})
	}
}

// Half a body may look to a source like anything.
func TestCutBodyIsRetriedWhateverClassifySays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(`{"success":tr`, good)
		_, err := client(t, s, classify(func(r *stream.Response) error {
			if !json.Valid(r.Body) {
				return fault.New(fault.Contract, "no JSON", "h")
			}
			return nil
		})).Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Len(t, s.asked, 2)
	})
}

// A vendor may say with a 200 or a 4xx of its own that it is not able now.
func TestTransientByClassify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(`{"success":false}`, 403, good)
		c := client(t, s, classify(func(r *stream.Response) error {
			switch {
			case r.Status == 403:
				return &fault.Error{Kind: fault.Transient, RetryAfter: time.Minute, Err: errors.New("busy")}
			case strings.Contains(string(r.Body), "false"):
				return &fault.Error{Kind: fault.Transient, Err: errors.New("busy")}
			}
			return nil
		}))
		resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		require.Equal(t, good, string(resp.Body))
		require.InDelta(t, 60.25, s.asked[2].at.Seconds(), 0.001)
	})
}
