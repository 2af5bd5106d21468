package exactonline_test

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestAccounts reads 100,000 rows of one division: a page holds 1,000 (DOC), and
// the list of divisions and the empty page after a full one are calls too.
func TestAccounts(t *testing.T) {
	visit(t, emulator.Options{Records: 100_000}, func(t *testing.T, s *site) {
		a := ask{Only: []string{"sync_crm_accounts.Code"}, Config: map[string]any{"divisions": []string{first}}, Tally: true}
		full := s.run(a).Complete()
		require.Equal(t, 100_000, full.Count)
		t.Logf("%d records, %d calls of sync/CRM/Accounts, %d in all, %s", full.Count, len(calls(full, "sync_crm_accounts", "")), len(full.Asked), full.Took)
		require.LessOrEqual(t, len(calls(full, "sync_crm_accounts", "")), 101)
		require.LessOrEqual(t, len(calls(full, "", first)), 102)
		nothingTwice(t, full)

		a.State = full.State
		again := s.run(a).Complete()
		require.Zero(t, again.Count)
		require.Len(t, calls(again, "sync_crm_accounts", ""), 1)
		require.JSONEq(t, string(full.State), string(again.State))
	})
}

// nothingTwice wants no question to be asked again.
func nothingTwice(t *testing.T, o *output) {
	t.Helper()
	asked := map[string]int{}
	for _, e := range o.Asked {
		asked[e.Path+"?"+e.Query]++
	}
	for question, n := range asked {
		require.Equal(t, 1, n, question)
	}
}

// TestUnchanged reads the whole default selection twice: the second time each
// stream with a bookmark costs one call in each division.
func TestUnchanged(t *testing.T) {
	visit(t, emulator.Options{Records: 8}, func(t *testing.T, s *site) {
		one := s.run(ask{}).Complete()
		require.Len(t, one.Report.Streams, 242)
		nothingTwice(t, one)
		two := s.run(ask{State: one.State}).Complete()
		nothingTwice(t, two)

		incremental := 0
		for _, r := range two.Report.Streams {
			st := source.Stream(r.Stream)
			if st.Cursor == nil {
				continue
			}
			incremental++
			for _, division := range []string{first, second} {
				require.Len(t, calls(two, r.Stream, division), 1, "%s in %s", r.Stream, division)
			}
			if st.Cursor.Sorted { // a row version is exclusive
				require.Empty(t, of(two, r.Stream, ""), r.Stream)
			}
		}
		require.Greater(t, incremental, 150)
		t.Logf("%d incremental streams; calls: %d the first time, %d unchanged", incremental, len(one.Asked), len(two.Asked))
		require.JSONEq(t, withoutReadAt(t, one.State), withoutReadAt(t, two.State))
	})
}

// withoutReadAt leaves out the one member that every run moves.
func withoutReadAt(t *testing.T, state json.RawMessage) string {
	t.Helper()
	var v struct {
		Bookmarks map[string]struct {
			Partitions map[string]map[string]any `json:"partitions"`
		} `json:"bookmarks"`
	}
	require.NoError(t, json.Unmarshal(state, &v))
	for _, b := range v.Bookmarks {
		for _, members := range b.Partitions {
			delete(members, "_read_at")
		}
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// latency is the stand-in's where requests have to take time.
const latency = 150 * time.Millisecond

// withinLimits wants what the vendor does (DOC, API limits; Best practices): 60
// calls in a clock minute, one at a time, and no 429.
func withinLimits(s *site, o *output, minute int) {
	s.Helper()
	require.Zero(s, o.Stats.ByStatus["429"])
	most := 0
	for division, minutes := range s.behind.Minutes() {
		for at, n := range minutes {
			require.LessOrEqual(s, n, minute, "calls of %d in the minute of %s", division, at)
			most = max(most, n)
		}
	}
	require.Equal(s, minute, most, "all that there is was used")
	for division, n := range stand.Overlaps(o.Asked, latency) {
		require.Equal(s, 1, n, "requests under way in %d", division)
	}
	for division, n := range s.behind.InFlight() {
		require.Equal(s, 1, n, "answers made for %d at once", division)
	}
}

// TestPace reads everything with the limits real: as fast as they allow, and two
// divisions side by side.
func TestPace(t *testing.T) {
	visit(t, emulator.Options{Records: 8, Latency: latency}, func(t *testing.T, s *site) {
		one := s.run(ask{}).Complete()
		withinLimits(s, one, 60)

		beside, most := 0, 0
		for _, division := range []string{first, second} {
			most = max(most, len(calls(one, "", division)))
		}
		for i, e := range one.Asked[1:] {
			if before := one.Asked[i]; e.Time.Sub(before.Time) < latency && divisionOf(e) != divisionOf(before) {
				beside++
			}
		}
		require.Greater(t, beside, most/2, "two divisions side by side")

		// Sixty calls are let through in each clock minute, and the last of them
		// take their time.
		best := time.Duration((most-1)/60)*time.Minute + time.Duration((most-1)%60+1)*latency
		t.Logf("%d calls in %s, the limit allows %s: %.3f", len(one.Asked), one.Took, best, best.Seconds()/one.Took.Seconds())
		require.GreaterOrEqual(t, best.Seconds()/one.Took.Seconds(), 0.9)
		require.LessOrEqual(t, best, one.Took+time.Second, "the best that there is")
	})
}

// defaults are the streams that are read unless the user chooses.
func defaults() []string {
	var out []string
	for i := range source.Streams {
		if source.Streams[i].Selected {
			out = append(out, source.Streams[i].Name)
		}
	}
	return out
}

func divisionOf(e emulator.Entry) string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(e.Path, "/api/v1/"), "beta/"), "/")
	return parts[0]
}

// TestPaceBesideAnother: another program has the same app, and takes a third of
// each minute. The tap follows what the headers say is left.
func TestPaceBesideAnother(t *testing.T) {
	visit(t, emulator.Options{Records: 8, Latency: latency}, func(t *testing.T, s *site) {
		var mu sync.Mutex
		others := map[string]time.Time{} // the minute in which the other one was there
		var taken atomic.Int64
		out := s.run(ask{Only: thin(defaults()), Network: sitetest.Between(func(r *http.Request, inner http.RoundTripper) *http.Response {
			division := r.Header.Get("Authorization") // a token call has none
			for _, d := range []string{first, second} {
				if strings.Contains(r.URL.Path, "/"+d+"/") {
					division = d
				}
			}
			if division != first && division != second {
				return nil
			}
			minute := time.Now().Truncate(time.Minute)
			mu.Lock()
			comes := !others[division].Equal(minute)
			others[division] = minute
			mu.Unlock()
			for range 20 {
				if !comes {
					break
				}
				again := r.Clone(r.Context())
				again.URL.Path = r.URL.Path[:strings.Index(r.URL.Path, division)+len(division)] + "/vat/VATCodes"
				again.URL.RawQuery = "$select=ID"
				resp, err := inner.RoundTrip(again)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode)
				taken.Add(1)
			}
			return nil
		})}).Complete()
		require.GreaterOrEqual(t, taken.Load(), int64(2*5*20))
		require.Zero(t, out.Stats.ByStatus["429"])
		for division, minutes := range s.behind.Minutes() {
			most := 0
			for _, n := range minutes {
				most = max(most, n)
			}
			require.Equal(t, 60, most, "calls of %d in a minute", division)
		}
		most := max(len(calls(out, "", first)), len(calls(out, "", second)))
		best := time.Duration(math.Ceil(float64(most)/60)-1) * time.Minute
		t.Logf("%d calls of both in %s, of them %d the other's; the limit allows %s", len(out.Asked), out.Took, taken.Load(), best)
		require.GreaterOrEqual(t, best.Seconds()/out.Took.Seconds(), 0.9)
	})
}
