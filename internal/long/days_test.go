package long

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

var hours = flag.Int("hours", 1, "hours that a run takes, in virtual time")

// chain is how many rows Zoho gives by one chain of pages: DOC.
const chain = 100_000

// TestDay reads for hours, page by page, across a midnight: each row comes once, a
// token is renewed when it has to be, nothing is refused or waited for in vain, and
// nothing grows.
func TestDay(t *testing.T) {
	for _, c := range []struct {
		source, stream string
		perPage        int
		latency        time.Duration // of a page
		config         map[string]any
		token          time.Duration // after which one is replaced
	}{
		// 600 s, not to be replaced before 570 s: DOC.
		{"exact_online", "crm_accounts.Modified", 60, time.Minute, map[string]any{"divisions": "812345", "start_date": "2010-01-01"}, 570 * time.Second},
		{"zoho_crm", "contacts.Last_Name", 200, 2 * time.Minute, map[string]any{"read_method": "list", "start_date": "2010-01-01"}, time.Hour},
		{"accountview", "debtors.CNG_DATE", 200, 2 * time.Minute, map[string]any{"start_date": "2010-01-01"}, 570 * time.Second},
	} {
		t.Run(c.source, func(t *testing.T) {
			n := int(time.Duration(*hours)*time.Hour/c.latency) * c.perPage
			visit(t, c.source, emulator.Options{Records: n}, c.config, func(s *site) {
				out := s.run(c.latency, nil, 1, c.stream)
				out.complete(s.T)
				most := int(out.took/c.token) + 2
				s.Logf("%d rows, %d calls, %d tokens in %s; the state has %d bytes at most", s.rows.records, out.calls, len(out.tokens), out.took, s.rows.largest)
				require.Len(s, s.rows.last, n)
				require.Equal(s, n, s.rows.records, "rows that came twice")
				require.LessOrEqual(s, out.refused, n/chain, "but for the end of a chain of pages")
				require.GreaterOrEqual(s, out.took, time.Duration(*hours)*time.Hour)
				require.LessOrEqual(s, len(out.tokens), most)
				require.GreaterOrEqual(s, len(out.tokens), int(out.took*10/(c.token*11)), "one is used for longer than it is good")
				asked := time.Duration(out.calls) * c.latency
				require.LessOrEqual(s, out.took, asked+asked/100, "waits that were not needed")
				out.flat(s.T, n)
			})
		})
	}
}

// TestPacedDay asks for each row of a list by itself, as fast as a limit by the
// minute allows: it is kept, and none of it is wasted.
func TestPacedDay(t *testing.T) {
	const perMinute = 100
	n := *hours*60*perMinute - 500
	visit(t, "buchhaltungsbutler", emulator.Options{Records: n}, map[string]any{"start_date": "2010-01-01"}, func(s *site) {
		out := s.run(0, nil, 4, "transaction_details.id_by_customer")
		out.complete(s.T)
		s.Logf("%d rows, %d calls in %s", s.rows.records, out.calls, out.took)
		require.Len(s, s.rows.last, s.rows.records, "rows that came twice")
		require.GreaterOrEqual(s, s.rows.records, n)
		require.Zero(s, out.refused, "calls over the limit")
		least := time.Duration(out.calls-perMinute) * time.Minute / perMinute
		require.LessOrEqual(s, out.took, least+least/100+time.Minute, "waits that were not needed")
		out.flat(s.T, n)
	})
}

// TestQuotaOfDays reads more than a day's quota allows: each run ends with the time
// to come back and goes on then, until all is there.
func TestQuotaOfDays(t *testing.T) {
	for _, c := range []struct {
		source, stream string
		faults         string
		records        int
		hours          int // from so many on: it takes many rows to ask so often
		config         map[string]any
	}{
		// 5,000 calls a day in each division: DOC.
		{"exact_online", "crm_accounts.Modified", "", 60 * 8_000, 24, map[string]any{"divisions": "812345", "start_date": "2010-01-01", "date_window_size": 30}},
		// Credits of any 24 hours, of which others have used the most.
		{"zoho_crm", "contacts.Last_Name", "edition-free,credits:0.01", 200 * 120, 0, map[string]any{"read_method": "list", "start_date": "2010-01-01"}},
		{"zoho_crm", "contacts.Last_Name", "edition-free", 200 * 12_000, 24, map[string]any{"read_method": "list", "start_date": "2010-01-01"}},
	} {
		if *hours < c.hours {
			continue
		}
		t.Run(c.source, func(t *testing.T) {
			n := c.records
			visit(t, c.source, emulator.Options{Records: n, Faults: c.faults}, c.config, func(s *site) {
				runs := 0
				for {
					out := s.run(0, s.rows.state, 4, c.stream)
					runs++
					s.Logf("run %d: %d calls in %s, %d rows so far, %d of them again: %v", runs, out.calls, out.took, s.rows.records, s.rows.records-len(s.rows.last), out.report.Err)
					if out.report.Err == nil {
						out.complete(s.T)
						break
					}
					f := fault.As(out.report.Err)
					require.NotNil(s, f)
					require.Equal(s, fault.Quota, f.Kind, "%v", f)
					require.Less(s, runs, 20)
					wait := f.RetryAfter
					if wait == 0 {
						wait = 24 * time.Hour
					}
					time.Sleep(wait + time.Second)
				}
				require.Len(s, s.rows.last, n, "nothing is lost from day to day")
			})
		})
	}
}
