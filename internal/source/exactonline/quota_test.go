package exactonline_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// syncs are two streams by row version, with few properties: many rows are cheap.
var syncs = []string{batches, banks}

const (
	batches = "sync_inventory_serial_batch_numbers"
	banks   = "sync_payroll_bank_accounts"
)

// thin selects streams with little but their keys.
func thin(streams []string) []string {
	var out []string
	for _, name := range streams {
		field := source.Stream(name).Key[len(source.Stream(name).Key)-1]
		if slices.ContainsFunc(edm.Find(name).Properties(), func(p edm.Property) bool { return p.Name == "Modified" }) {
			field = "Modified"
		}
		out = append(out, name+"."+field)
	}
	return out
}

// covers wants the last record of each row, over these runs, to be the row as
// it is now. Keys are the vendor's own.
func (s *site) covers(stream, key string, runs ...*output) {
	s.Helper()
	last := map[string]map[string]string{}
	for _, o := range runs {
		for _, r := range of(o, stream, "") {
			row := r.Row
			if deleted := string(row["_deleted_at"]); deleted != "" && deleted != "null" {
				continue
			}
			division := string(row["_division"])
			if last[division] == nil {
				last[division] = map[string]string{}
			}
			last[division][row.Text(key)] = row.Text("Timestamp")
		}
	}
	want := s.truth(stream, key)
	require.NotEmpty(s, want, stream)
	require.Equal(s, want, last, stream)
}

// nth calls do for the n-th request of a resource's path, counted from 1.
func nth(path string, do func(n int, r *http.Request) *http.Response) func(http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	n := 0
	return sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
		if !strings.Contains(r.URL.Path, path) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		return do(n, r)
	})
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// TestThrottled: a 429 in the middle of a stream is waited out. On a minute's
// 429 only the minute's headers are there (CLIENT, picqer#646), in 2019 there
// were none at all, and blocks lasted two minutes (CLIENT, picqer#255).
func TestThrottled(t *testing.T) {
	reset := sitetest.Noon.Add(time.Minute)
	for title, c := range map[string]struct {
		headers []string
		until   time.Time // as long as it lasts
		most    int       // refusals of both divisions
		late    time.Duration
	}{
		"minute": {[]string{"X-RateLimit-Minutely-Limit", "60", "X-RateLimit-Minutely-Remaining", "0", "X-RateLimit-Minutely-Reset", millis(reset)}, reset, 2, time.Second},
		"bare":   {nil, reset, 2, 32 * time.Second}, // 61 s at once (CLIENT, AB)
		"told":   {[]string{"Retry-After", "75"}, sitetest.Noon.Add(75 * time.Second), 2, time.Second},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{Records: 1200}, func(t *testing.T, s *site) {
				refused, next := 0, time.Time{}
				out := s.run(ask{Only: thin(syncs), Network: nth("/sync/Inventory/SerialBatchNumbers", func(n int, r *http.Request) *http.Response {
					switch {
					case n < 2:
						return nil
					case time.Now().Before(c.until):
						refused++
						return sitetest.Answer(r, http.StatusTooManyRequests, "", c.headers...)
					case next.IsZero():
						next = time.Now()
					}
					return nil
				})}).Complete()
				t.Logf("%d refusals, on after %s", refused, next.Sub(sitetest.Noon))
				require.LessOrEqual(t, refused, c.most)
				require.GreaterOrEqual(t, refused, 1)
				require.GreaterOrEqual(t, next.Sub(c.until), time.Duration(0))
				require.LessOrEqual(t, next.Sub(c.until), c.late)
				for _, name := range syncs {
					s.covers(name, "ID", out)
				}
			})
		})
	}
}

// TestDayIsSpent: the run ends and tells when to come back; the next one, after
// midnight UTC, goes on.
func TestDayIsSpent(t *testing.T) {
	midnight := sitetest.Noon.Truncate(24 * time.Hour).Add(24 * time.Hour)
	day := func(remaining string) []string {
		return []string{"X-RateLimit-Limit", "5000", "X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", millis(midnight)}
	}
	for _, told := range []bool{false, true} {
		t.Run(fmt.Sprintf("told before=%t", told), func(t *testing.T) {
			visit(t, emulator.Options{Records: 1200}, func(t *testing.T, s *site) {
				var last []string // what was asked after the day's end was told
				one := s.run(ask{Only: thin(syncs), Concurrency: 1, Network: func(inner http.RoundTripper) http.RoundTripper {
					var mu sync.Mutex
					n := 0
					return sitetest.RoundTripper(func(r *http.Request) (*http.Response, error) {
						mu.Lock()
						defer mu.Unlock()
						if strings.Contains(r.URL.Path, "/"+first+"/") {
							n++
						}
						switch {
						case n < 4:
							return inner.RoundTrip(r)
						case n > 4 || !told:
							last = append(last, r.URL.Path)
							return sitetest.Answer(r, http.StatusTooManyRequests, "", day("0")...), nil
						}
						resp, err := inner.RoundTrip(r)
						if err == nil {
							for k, v := range map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": millis(midnight)} {
								resp.Header.Set(k, v)
							}
						}
						return resp, err
					})
				}})
				f := fault.As(one.Report.Err)
				require.NotNil(t, f)
				require.Equal(t, fault.Quota, f.Kind)
				require.True(t, f.Whole)
				require.Contains(t, f.Error()+f.Hint, "2026-11-21T00:00:0")
				require.Less(t, one.Took, 2*time.Minute, "the day is not waited for")
				require.LessOrEqual(t, len(last), 1, "asked although the day is over: %q", last)
				require.NotEmpty(t, one.State)

				time.Sleep(time.Until(midnight.Add(time.Second)))
				two := s.run(ask{Only: thin(syncs), State: one.State}).Complete()
				for _, name := range syncs {
					s.covers(name, "ID", one, two)
				}
				require.Equal(t, batches, one.Report.Streams[0].Stream)
				require.NoError(t, one.Report.Streams[0].Err)
				require.Empty(t, of(two, batches, first), "what was complete is not read again")
				seen, again := map[string]bool{}, 0
				for _, r := range slices.Concat(one.Records, two.Records) {
					text := fmt.Sprint(r.Stream, r.Row)
					if seen[text] {
						again++
					}
					seen[text] = true
				}
				// The last row of a page may come again on the next one.
				require.LessOrEqual(t, again, 1, "what was proven comes once")
			})
		})
	}
}

// TestDayEndsEarlier: the refusal of a spent day is believed, whatever end of the day
// was told before.
func TestDayEndsEarlier(t *testing.T) {
	visit(t, emulator.Options{Records: 1200}, func(t *testing.T, s *site) {
		refused := 0
		out := s.run(ask{Only: thin(syncs), Config: map[string]any{"divisions": first}, Network: nth("/sync/Payroll/BankAccounts", func(_ int, r *http.Request) *http.Response {
			refused++
			return sitetest.Answer(r, http.StatusTooManyRequests, "", "X-RateLimit-Limit", "5000", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", millis(sitetest.Noon.Add(2*time.Hour)))
		})})
		f := fault.As(out.Report.Err)
		require.NotNil(t, f)
		require.Equal(t, fault.Quota, f.Kind)
		require.Contains(t, f.Error()+f.Hint, sitetest.Noon.Add(2*time.Hour).Format("2006-01-02T15:04:0"))
		require.Equal(t, 1, refused)
		require.Less(t, out.Took, 2*time.Minute)
	})
}

// TestStateOfAnEarlyEnd: whatever state an ended run leaves, its bookmarks are of
// rows that were written before it.
func TestStateOfAnEarlyEnd(t *testing.T) {
	visit(t, emulator.Options{Records: 1200}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: thin(syncs), Network: nth("/sync/Payroll/BankAccounts", func(n int, r *http.Request) *http.Response {
			if n < 3 {
				return nil
			}
			return sitetest.Answer(r, http.StatusForbidden, "", "Reason", "BlockedUser")
		})})
		require.Equal(t, fault.Auth, fault.KindOf(out.Report.Err))
		greatest := map[string]int64{}
		k := 0
		check := func(state json.RawMessage) {
			for _, name := range syncs {
				for _, division := range []string{first, second} {
					if text := sitetest.Bookmark(t, state, name, division, "Timestamp"); text != "" {
						n, err := strconv.ParseInt(text, 10, 64)
						require.NoError(t, err)
						require.LessOrEqual(t, n, greatest[name+division])
					}
				}
			}
		}
		for at, state := range out.States {
			for ; k < len(out.Records) && out.Records[k].At <= at; k++ {
				r := &out.Records[k]
				n, err := strconv.ParseInt(r.Text("Timestamp"), 10, 64)
				require.NoError(t, err)
				id := r.Stream + string(r.Row["_division"])
				greatest[id] = max(greatest[id], n)
			}
			check(state)
		}
		require.Greater(t, len(out.States), 5)
	})
}
