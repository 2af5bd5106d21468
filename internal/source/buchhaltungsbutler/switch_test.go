package buchhaltungsbutler_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestSwitches reads all rows whichever way a guess turns out.
func TestSwitches(t *testing.T) {
	for n, faults := range []string{
		"uploads-modified", "undated-match", "stable-offset", "hidden-cap", "small-default", "lax-body", "more-columns",
		"silent-comments", "zone-utc", "disputed", "disputed:1.0", "throttle-403", "throttle-500", "throttle-counts", "clock-minute",
		"unstable", "unstable-fixed", "timeout-large", "timeout-504:3", "restricted:3", "sluggish:3", "internal-error:3",
		"unstable-fixed,hidden-cap,timeout-large,disputed:1.0", "unstable,hidden-cap,crowded",
		"crowded", "crowded,throttle-403", "crowded,throttle-500", "crowded,throttle-counts", "crowded,clock-minute",
		"crowded:0.9", "crowded:0.9,clock-minute",
		"crowded:0.9,throttle-counts,throttle-403",
		"429:2", "500:3", "502:2", "empty:2", "cut:2",
	} {
		if sitetest.Brief() && n%6 > 0 {
			continue
		}
		t.Run(faults, func(t *testing.T) {
			records := 60
			if slices.ContainsFunc([]string{"stable", "cap", "large", "ow", "throttle", "504"}, func(s string) bool { return strings.Contains(faults, s) }) {
				records = 1300 // several pages of each list
			}
			visit(t, emulator.Options{Records: records, Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{}).Complete()
				s.whole(out, usual...)
				t.Logf("%d calls, %d in a minute, %s, turned away %d", out.Stats.Requests, out.Stats.MaxPerMinute, out.Took, s.behind.TurnedAway())
			})
		})
	}
}

// TestThrottledAsAFailure: a 500 that means too many calls cannot be told from any
// other (GUESS). Where other programs take the calls, a stream may fail for it:
// loudly, and the next run reads it.
func TestThrottledAsAFailure(t *testing.T) {
	visit(t, emulator.Options{Records: 1300, Faults: "crowded:0.9,throttle-500"}, func(t *testing.T, s *site) {
		out := s.run(ask{})
		failed := 0
		for _, r := range out.Report.Streams {
			if r.Err == nil {
				s.whole(out, r.Stream)
				continue
			}
			failed++
			require.Equal(t, fault.Transient, fault.KindOf(r.Err), "%v", r.Err)
		}
		t.Logf("%d streams failed", failed)
	})
}

// TestIgnoredOffset: a list whose every page is the first cannot be read, and
// says so.
func TestIgnoredOffset(t *testing.T) {
	for _, stream := range []string{"receipts", "postings", "posting_accounts", "debtors", "creditors", "cost_locations"} {
		for _, n := range []int{60, 1300} {
			t.Run(stream, func(t *testing.T) {
				visit(t, emulator.Options{Records: n, Faults: "offset-ignored@" + stream}, func(t *testing.T, s *site) {
					out := s.run(ask{})
					require.Equal(t, fault.Contract, fault.KindOf(out.Result(stream).Err), "%v", out.Result(stream).Err)
					for _, other := range usual {
						if other != stream {
							require.NoError(t, out.Result(other).Err)
							s.whole(out, other)
						}
					}
				})
			})
		}
	}
}

// TestRows: what is asked for row by row.
func TestRows(t *testing.T) {
	for _, faults := range []string{"", "disputed:1.0", "zone-utc,more-columns", "lax-body", "throttle-403,crowded"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Records: 60, Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: all}).Complete()
				s.whole(out, all...)
				t.Logf("%d calls, %d in a minute, %s", out.Stats.Requests, out.Stats.MaxPerMinute, out.Took)
			})
		})
	}
}

// TestReports: the two streams alone make reports, and wait for them.
func TestReports(t *testing.T) {
	for _, faults := range []string{"", "report-busy:3", "sluggish:2", "throttle-403,crowded", "lax-body"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Records: 230, Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"report_sums", "report_bwa"}}).Complete()
				s.whole(out, "report_sums", "report_bwa")
				require.NotEmpty(t, out.Rows("report_sums"))
				require.NotEmpty(t, out.Rows("report_bwa"))
			})
		})
	}
	t.Run("replaced", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "report-replaced=1@report_sums"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{"report_sums", "report_bwa"}})
			require.ErrorContains(t, out.Result("report_sums").Err, "was replaced by another one")
			require.NoError(t, out.Result("report_bwa").Err)
			require.Empty(t, out.Rows("report_sums"))
		})
	})
	t.Run("stuck", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "report-stuck@report_sums"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{"report_sums", "report_bwa"}})
			require.Equal(t, fault.Transient, fault.KindOf(out.Result("report_sums").Err))
			require.Less(t, out.Took, 3*time.Hour)
		})
	})
	t.Run("empty", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "norows"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: append([]string{"report_sums", "report_bwa", "account_ledger"}, all...)}).Complete()
			for _, stream := range append([]string{"report_sums", "report_bwa"}, usual[0:3]...) {
				require.Empty(t, out.Rows(stream), stream)
			}
		})
	})
}

// TestNothingIsMade: whatever else is read, no report is made.
func TestNothingIsMade(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: all}).Complete()
		for _, e := range out.Asked {
			require.NotContains(t, e.Path, "reports/")
			require.Equal(t, "POST", e.Method)
		}
	})
}

// TestLedger: from start_date to today, however much a call may hold.
func TestLedger(t *testing.T) {
	for _, faults := range []string{"", "timeout-large", "lax-body", "disputed:1.0"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Records: 20, Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"account_ledger"}}).Complete()
				want := s.truth("account_ledger")
				for key, row := range want {
					if at, _ := time.Parse(time.DateTime, row.Text("date")); at.After(sitetest.Noon) {
						delete(want, key) // after today
					}
				}
				require.NotEmpty(t, want)
				s.holds(out.Rows("account_ledger"), want, "account_ledger")
				t.Logf("%d calls, %d in a minute, %s", out.Stats.Requests, out.Stats.MaxPerMinute, out.Took)
			})
		})
	}
}
