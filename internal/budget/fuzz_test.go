package budget

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// FuzzHeaders tells the budgets anything of what is left: a request starts at once,
// after a wait that is worth while, or is refused with the time to come back; and
// however wrong the headers were, the budgets follow the next true ones.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"60|59|1795168800000|Fri, 20 Nov 2026 12:00:00 GMT", "60|0|1795168860|", "0|0|0|", "-1|-1|-1|Mon, 01 Jan 0001 00:00:00 GMT",
		"1e15|1e14|9e14|Fri, 31 Dec 9999 23:59:59 GMT", "NaN|Inf|-Inf|x", "5000|4999|32503680000000|", " 7 | 3 | 946684920 |Sat, 01 Jan 2000 00:01:00 GMT", "0x10|1_0|1e3|",
		"60|1|946684860000|Sat, 01 Jan 2000 00:00:30 GMT\n60|0|946684860000|\n60|59|946684920000|",
	} {
		f.Add(seed)
	}
	day := minuteClock
	day.N, day.Per = 5000, 24*time.Hour
	count := stream.Limit{Kind: stream.Credits, Per: 24 * time.Hour, Vendor: true, LimitHeader: "Limit", RemainingHeader: "Remaining", ResetHeader: "Reset", Reserve: 0.2}
	f.Fuzz(func(t *testing.T, told string) {
		if len(told) > 1<<10 {
			return
		}
		for _, limits := range [][]stream.Limit{{minuteClock}, {day}, {count}, {minuteClock, day}} {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(50 * time.Hour) // a vendor's clock may be behind
				s := New(limits, Options{})
				for line := range strings.SplitSeq(told, "\n") {
					took, err := s.Wait(t.Context(), plain)
					require.LessOrEqual(t, took, DefaultMaxWait+time.Second, "%q", line)
					if err != nil {
						e := fault.As(err)
						require.NotNil(t, e)
						require.Equal(t, fault.Quota, e.Kind)
						require.True(t, e.Whole && e.Hint != "" && e.RetryAfter >= 0, "%+v", e)
						require.NotErrorIs(t, err, ErrTotal)
						break
					}
					h := http.Header{}
					for i, value := range strings.SplitN(line, "|", 4) {
						h.Set([]string{"Limit", "Remaining", "Reset", "Date"}[i], value)
					}
					s.Observe(plain, 200, h)
					s.Done(plain)
				}
				if limits[0].Kind == stream.Credits {
					return // without a reset nobody knows when there are more
				}
				// A period later at most, what the vendor tells counts again.
				time.Sleep(2*24*time.Hour + time.Minute)
				for range 3 {
					took, err := s.Wait(t.Context(), plain)
					require.NoError(t, err)
					require.LessOrEqual(t, took, 2*time.Minute+time.Second)
					now := time.Now().UTC()
					h := headers(60, 50, now.Truncate(limits[0].Per).Add(limits[0].Per))
					h.Set("Date", now.Format(http.TimeFormat))
					s.Observe(plain, 200, h)
					s.Done(plain)
				}
			})
		}
	})
}
