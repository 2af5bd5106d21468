package zohocrm

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const freeOrg = `{"org":[{"license_details":{"paid":false,"paid_type":"free","users_license_purchased":3,"trial_type":null}}]}`

// drain reads from several goroutines until each is refused, and returns how
// often it was not.
func (a *account) drain(c *httpx.Client, workers int, req stream.Request) (good int, faults []*fault.Error) {
	a.t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	for range workers {
		all.Go(func() {
			for {
				own := req
				resp, err := c.Fetch(a.t.Context(), &own)
				mu.Lock()
				if err != nil {
					faults = append(faults, fault.As(err))
					mu.Unlock()
					return
				}
				good++
				mu.Unlock()
				resp.Release()
			}
		})
	}
	all.Wait()
	for _, f := range faults {
		require.NotNil(a.t, f)
		require.Equal(a.t, fault.Quota, f.Kind, "%v", f)
		require.True(a.t, f.Whole)
	}
	return good, faults
}

func (a *account) spent() int {
	n := 0
	for _, c := range a.behind.Credits() {
		n += c
	}
	return n
}

// TestReserve: what is to be left is left, to the credit, and asked for once.
func TestReserve(t *testing.T) {
	for _, tc := range []struct {
		name    string
		reserve string
		org     string
		faults  string
		workers int
		left    int // of 600
		says    string
	}{
		{"none", "0", "", "", 4, 0, "0 API credits left"},
		{"ten per cent", "10", freeOrg, "", 1, 500, "500 API credits left and 500 of 5000 are kept in reserve"},
		{"of several at once", "10", freeOrg, "", 8, 500, "500 API credits left"},
		{"slow answers", "10", freeOrg, "busy", 5, 500, "500 API credits left"},
		{"a fraction", "9.5", freeOrg, "", 4, 475, "475 of 5000"},
		{"spent already", "50", freeOrg, "", 4, 598, "2500 of 5000"},
		{"unknown edition", "1", `{"org":[{"license_details":{"paid_type":"gold","users_license_purchased":3}}]}`, "", 4, 560, "560 of 56000"},
		{"the org may not be read", "10", "", "noscope@organization", 4, 598, "500000 of 5000000"},
		{"the org is odd", "10", `{"org":[]}`, "", 4, 598, "500000 of 5000000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			visit(t, strings.Trim("credits:0.12,edition-free,"+tc.faults, ","), func(t *testing.T, a *account) {
				a.config["quota_reserve"], a.org = tc.reserve, tc.org
				c := a.client()
				good, faults := a.drain(c, tc.workers, leads)
				left := 600 - a.spent()
				t.Logf("%d left after %d answers", left, good)
				require.LessOrEqual(t, left, tc.left)
				if good > 2*tc.workers {
					require.Equal(t, tc.left, left)
				}
				require.GreaterOrEqual(t, left, tc.left-tc.workers, "what was under way when the first answer told what remains")
				probes := 0
				if tc.workers > 5 { // as many at once as this edition takes; one more may be tried
					probes = 1
				}
				require.LessOrEqual(t, a.behind.TurnedAway(), probes, "the vendor has nothing to refuse")
				told := ""
				for _, f := range faults {
					told += f.Error() + "\n"
					require.Contains(t, f.Hint, "a day after its use")
					require.Equal(t, tc.reserve != "0", strings.Contains(f.Hint, "a smaller quota_reserve"))
				}
				require.Contains(t, told, tc.says)
				orgs := strings.Count(strings.Join(a.asked, " "), "/crm/v8/org")
				require.Equal(t, tc.reserve != "0", orgs == 1, "asked %d times", orgs)
				require.Equal(t, tc.reserve != "0" && tc.org != freeOrg, strings.Contains(a.log.String(), "level=WARN"), a.log.String())
				require.LessOrEqual(t, strings.Count(a.log.String(), "level=WARN"), 1)
				before := len(a.asked)
				_ = a.refused(c, fault.Quota)
				require.Len(t, a.asked, before, "nothing is sent any more")
			})
		})
	}
	t.Run("what costs more stops earlier", func(t *testing.T) {
		visit(t, "credits:0.12,edition-free", func(t *testing.T, a *account) {
			a.config["quota_reserve"], a.org = "10", freeOrg
			c := a.client()
			require.NoError(t, a.read(c))
			job := leads
			job.Cost = 98 // one was spent on the page, one on the org's answer
			_, err := c.Fetch(t.Context(), &job)
			require.NoError(t, err, "exactly the reserve would be left")
			job.Cost = 99
			_, err = c.Fetch(t.Context(), &job)
			require.ErrorContains(t, err, "597 API credits left")
			require.NoError(t, a.read(c), "a page still may")
		})
	})
	t.Run("below half of the use nothing is asked", func(t *testing.T) {
		visit(t, "credits:0.9,edition-free", func(t *testing.T, a *account) {
			a.config["quota_reserve"] = "49"
			c := a.client()
			for range 10 {
				require.NoError(t, a.read(c))
			}
			require.Len(t, a.asked, 10)
		})
	})
	t.Run("free again a day later", func(t *testing.T) {
		visit(t, "credits:0.001,edition-free", func(t *testing.T, a *account) {
			c := a.client()
			good, _ := a.drain(c, 1, leads)
			require.Equal(t, 5, good)
			time.Sleep(24*time.Hour - time.Second)
			_ = a.refused(c, fault.Quota)
			time.Sleep(time.Second)
			require.NoError(t, a.read(c))
		})
	})
}

// TestCreditsOf are the formulas of the editions.
func TestCreditsOf(t *testing.T) {
	license := func(text string) *stream.Response {
		return &stream.Response{Status: 200, Body: []byte(`{"org":[{"license_details":{` + text + `}}]}`)}
	}
	for text, want := range map[string]float64{
		`"paid":false,"paid_type":"free","users_license_purchased":3`:                             5_000,
		`"paid_type":"standard","users_license_purchased":10`:                                     52_500,
		`"paid_type":"standard","users_license_purchased":500`:                                    100_000,
		`"paid_type":"Professional","users_license_purchased":10`:                                 55_000,
		`"paid_type":"professional","users_license_purchased":10000`:                              3_000_000,
		`"paid_type":"enterprise","users_license_purchased":38`:                                   88_000,
		`"paid_type":"enterprise","users_license_purchased":9999`:                                 5_000_000,
		`"paid_type":"zoho_one","users_license_purchased":5`:                                      55_000,
		`"paid_type":"ultimate","users_license_purchased":4000`:                                   8_050_000,
		`"paid":false,"paid_type":"free","trial_type":"enterprise","users_license_purchased":3`:   53_000,
		`"paid_type":"standard","trial_type":"ultimate","users_license_purchased":3`:              56_000,
		`"paid":true,"paid_type":"ultimate","trial_type":null,"users_license_purchased":3,"x":[]`: 56_000,
	} {
		total, doubt := creditsOf(license(text))
		require.InDelta(t, want, total, 0, text)
		require.Empty(t, doubt, text)
	}
	for text, want := range map[string]float64{
		`"paid_type":"gold","users_license_purchased":10`: 70_000,
		`"paid_type":"gold"`:                              5_000_000,
		`"paid_type":"standard"`:                          100_000,
		`"paid_type":"ultimate"`:                          5_000_000,
		`"paid_type":7`:                                   5_000_000,
		``:                                                5_000_000,
	} {
		total, doubt := creditsOf(license(text))
		require.InDelta(t, want, total, 0, text)
		require.NotEmpty(t, doubt, text)
	}
	total, doubt := creditsOf(nil)
	require.InDelta(t, 5_000_000, total, 0)
	require.Contains(t, doubt, "ZohoCRM.org.READ")
}

// TestConcurrency: more calls at once than the edition takes still end well.
func TestConcurrency(t *testing.T) {
	for _, tc := range []struct {
		faults        string
		workers, each int
		most          int // in flight
		turned        int // away, at most
	}{
		{"edition-free,busy", 4, 20, 4, 0},
		{"edition-free,busy", 25, 20, 5, 40},
		{"edition-ultimate,busy", 25, 60, 25, 0},
		{"edition-standard,busy,rate-limit-exceeded", 25, 20, 10, 40},
		{"edition-free,busy,limit-reached,retry-after", 25, 20, 5, 40},
	} {
		t.Run(fmt.Sprint(tc.faults, " ", tc.workers), func(t *testing.T) {
			visit(t, tc.faults, func(t *testing.T, a *account) {
				c := a.client()
				began := time.Now()
				var all sync.WaitGroup
				for range tc.workers {
					all.Go(func() {
						for range tc.each {
							if err := a.read(c); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				t.Logf("%d calls in %s, %d turned away, %d in flight", tc.workers*tc.each, time.Since(began), a.behind.TurnedAway(), a.behind.InFlight())
				require.LessOrEqual(t, a.behind.InFlight(), tc.most)
				require.LessOrEqual(t, a.behind.TurnedAway(), tc.turned)
				require.GreaterOrEqual(t, a.behind.InFlight(), tc.most-2, "what is allowed is used")
			})
		})
	}
}

// TestThrottledForGood: about six tries, then the run ends with its state.
func TestThrottledForGood(t *testing.T) {
	visit(t, "429-bare@leads", func(t *testing.T, a *account) {
		began := time.Now()
		f := a.refused(a.client(), fault.Quota)
		require.Len(t, a.asked, 6)
		require.Equal(t, 62*time.Second*5/4, time.Since(began), "2, 4, 8, 16, 32 s, and up to a half more at random")
		require.Equal(t, 429, f.Status)
	})
	visit(t, "credits:0.0000001,retry-after", func(t *testing.T, a *account) {
		began := time.Now()
		f := a.refused(a.client(), fault.Quota)
		require.Len(t, a.asked, 1, "the header tells that nothing is left")
		require.Equal(t, 7*time.Second, time.Since(began), "retry_after of the details")
		require.ErrorContains(t, f, "0 API credits left")
	})
}

// TestDownloads: ten a minute, and nobody else waits for them.
func TestDownloads(t *testing.T) {
	visit(t, "", func(t *testing.T, a *account) {
		c := a.client()
		began := time.Now()
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				req := leads
				req.Resource = bulkDownload
				if _, err := c.Fetch(t.Context(), &req); err != nil {
					t.Error(err)
				}
			})
		}
		for range 20 {
			require.NoError(t, a.read(c))
		}
		require.Less(t, time.Since(began), time.Second)
		all.Wait()
		require.InDelta(t, 60, time.Since(began).Seconds(), 1)
	})
}

func TestThrottles(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`{"code":"TOO_MANY_REQUESTS","details":{},"message":"m","status":"error"}`: 0,
		`{"code":"TOO_MANY_REQUESTS","details":{"retry_after":7}}`:                 7 * time.Second,
		`{"code":"RATE_LIMIT_EXCEEDED","details":{"retry_after":"1.5"}}`:           1500 * time.Millisecond,
		`{"code":"LIMIT_REACHED","details":[]}`:                                    0,
		`{"code":"LIMIT_REACHED","details":{"retry_after":"soon"}}`:                0,
		`{"code":"LIMIT_REACHED","details":{"retry_after":-1}}`:                    0,
		`{"code":"LIMIT_REACHED","details":{"retry_after":1e300}}`:                 240 * time.Hour,
		`{"data":[{"code":"LIMIT_REACHED","message":"m"}]}`:                        0,
	} {
		for _, status := range []int{400, 429} {
			var throttled *stream.Throttled
			require.ErrorAs(t, classify(&stream.Response{Status: status, URL: "https://host/crm/v8/Leads", Body: []byte(body)}), &throttled, body)
			require.Equal(t, want, throttled.After, body)
		}
	}
	require.NoError(t, classify(&stream.Response{Status: 429, Body: []byte("<html>")}), "a proxy's, by its status")
}
