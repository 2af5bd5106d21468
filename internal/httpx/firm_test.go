package httpx

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A vendor may tell a shorter wait than the one it wants.
func TestFirmWait(t *testing.T) {
	for told, least := range map[string]float64{"0": 20, "1": 20, "19": 20, "21": 21} {
		synctest.Test(t, func(t *testing.T) {
			throttled := func() *http.Response {
				r := answer(429, "")
				r.Header.Set("Retry-After", told)
				return r
			}
			for _, firm := range []bool{true, false} {
				s := play(throttled, good)
				limits := []stream.Limit{{Kind: stream.Pace, N: 10, Per: time.Second, Wait: 20 * time.Second, Firm: firm}}
				c := client(t, s, func(o *Options) { o.Budget = budget.New(limits, budget.Options{}) })
				_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
				require.NoError(t, err)
				require.Len(t, s.asked, 2)
				waited := (s.asked[1].at - s.asked[0].at).Seconds()
				if firm {
					require.InDelta(t, least, waited, 0.3, told)
				} else if told == "0" {
					require.Less(t, waited, 1.0)
				}
			}
		})
	}
}

// A wrong account is refused as a wrong credential is.
func TestAccountInHint(t *testing.T) {
	c := client(t, play(401), func(o *Options) {
		src := *o.Source
		src.Auth = stream.HeaderAuth{Header: "X-Key", Key: "token", Account: []string{"account"}}
		o.Source = &src
	})
	require.Contains(t, refused(t, c, "x", fault.Auth).Hint, "check token, account: ")
}
