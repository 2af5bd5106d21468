package exactonline_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// conditions is a stream by Modified.
const conditions = "cashflow_payment_conditions"

// TestTurnOfTheClock: what is changed around both ends of summer time comes out
// as the UTC that it was; the hour that comes twice is read as summer time.
func TestTurnOfTheClock(t *testing.T) {
	table := []struct{ changed, written string }{
		// 2026-03-29: 02:00 becomes 03:00, at 01:00 UTC.
		{"2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"},
		{"2026-03-29T00:59:59.987Z", "2026-03-29T00:59:59.987Z"},
		{"2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
		{"2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"},
		{"2026-03-29T02:00:00Z", "2026-03-29T02:00:00Z"},
		// 2025-10-26: 03:00 becomes 02:00, at 01:00 UTC.
		{"2025-10-25T23:59:59Z", "2025-10-25T23:59:59Z"},
		{"2025-10-26T00:00:00Z", "2025-10-26T00:00:00Z"},
		{"2025-10-26T00:59:59Z", "2025-10-26T00:59:59Z"},
		{"2025-10-26T01:00:00Z", "2025-10-26T00:00:00Z"}, // 02:00 for the second time
		{"2025-10-26T01:59:59Z", "2025-10-26T00:59:59Z"},
		{"2025-10-26T02:00:00Z", "2025-10-26T02:00:00Z"},
		// Winter, summer, and a midnight at the site: an instant all the same.
		{"2026-01-31T23:00:00Z", "2026-01-31T23:00:00Z"},
		{"2026-06-30T22:00:00Z", "2026-06-30T22:00:00Z"},
		{"2026-06-30T22:00:01Z", "2026-06-30T22:00:01Z"},
	}
	for _, stream := range []string{conditions, accounts} {
		t.Run(stream, func(t *testing.T) {
			visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
				want := map[string]string{}
				for _, row := range table {
					at, err := time.Parse(time.RFC3339Nano, row.changed)
					require.NoError(t, err)
					report := s.Change(emulator.Change{Stream: stream, Insert: 1, At: at})
					require.Len(t, report.Inserted, 1)
					want[string(report.Inserted[0])] = row.written
				}
				out := s.run(ask{Only: []string{stream + ".Modified", stream + ".Created"}, Config: map[string]any{"start_date": "2020-01-01"}}).Complete()
				found := 0
				for _, r := range of(out, stream, "") {
					if written, ok := want[r.Text("ID")]; ok {
						found++
						require.Equal(t, written, r.Text("Modified"))
					}
				}
				require.Equal(t, len(want), found)
			})
		})
	}
}

// TestBookmarkInTheHourThatComesTwice: a row that was changed when the clock
// showed the hour for the second time has a lower Modified than one of the first;
// a run whose bookmark lies in it reads it all the same.
func TestBookmarkInTheHourThatComesTwice(t *testing.T) {
	clock := func(hour, minute int) time.Time { return time.Date(2026, 10, 25, hour, minute, 0, 0, time.UTC) }
	visitAt(t, clock(0, 20), emulator.Options{}, func(t *testing.T, s *site) {
		a := ask{Only: []string{conditions}}
		change := func(at time.Time) string {
			time.Sleep(time.Until(at))
			report := s.Change(emulator.Change{Stream: conditions + "/" + first, Insert: 1})
			require.Len(t, report.Inserted, 1)
			return string(report.Inserted[0])
		}
		change(clock(0, 50)) // 02:50 for the first time
		time.Sleep(time.Until(clock(0, 55)))
		out := s.run(a).Complete()
		require.Equal(t, "2026-10-25T00:50:00.000000Z", out.Bookmark(conditions, first, "Modified"))

		for _, at := range []time.Time{clock(1, 10), clock(1, 49), clock(1, 59), clock(2, 5), clock(2, 6)} {
			id := change(at)
			time.Sleep(time.Minute)
			a.State = out.State
			before := out.Bookmark(conditions, first, "Modified")
			out = s.run(a).Complete()
			found := false
			for _, r := range of(out, conditions, first) {
				found = found || r.Text("ID") == id
			}
			require.True(t, found, "changed at %s, bookmark %s", at, before)
			q, err := url.ParseQuery(calls(out, conditions, first)[0].Query)
			require.NoError(t, err)
			if at.Before(clock(2, 6)) {
				require.Equal(t, "Modified ge datetime'2026-10-25T02:00:00'", q.Get("$filter"))
			} else {
				require.Equal(t, "Modified ge datetime'2026-10-25T03:05:00'", q.Get("$filter"))
			}
		}
		require.Equal(t, "2026-10-25T02:06:00.000000Z", out.Bookmark(conditions, first, "Modified"))
	})
}

// TestPureDates: a midnight is a date and is not shifted, in any stream; what
// has a time is.
func TestPureDates(t *testing.T) {
	visit(t, emulator.Options{Records: 40, Limits: "off"}, func(t *testing.T, s *site) {
		only := []string{invoices, accounts, "sync_project_projects", "salesentry_sales_entries", "sync_hrm_leave_registrations", "purchaseentry_purchase_entries"}
		out := s.run(ask{Only: only, Config: map[string]any{"start_date": "2001-01-01"}}).Complete()
		dates, moments := 0, 0
		for _, stream := range only {
			key := keyOf(stream)
			rows := map[string]map[string]json.RawMessage{}
			var b bytes.Buffer
			require.NoError(t, s.Server.Truth(&b, source.Name, stream))
			for line := range bytes.Lines(b.Bytes()) {
				var row map[string]json.RawMessage
				require.NoError(t, json.Unmarshal(line, &row))
				rows[string(row["_division"])+string(row[key])] = row
			}
			require.Len(t, of(out, stream, ""), len(rows))
			for _, r := range of(out, stream, "") {
				got := r.Row
				for member, raw := range rows[string(got["_division"])+string(got[key])] {
					text, ok := strings.CutPrefix(string(raw), `"/Date(`)
					if !ok {
						continue
					}
					ms := number(t, strings.TrimSuffix(text, `)/"`))
					instant := member == "Created" || member == "Modified"
					switch {
					case ms%86_400_000 == 0 && !instant:
						dates++
						require.Equal(t, time.UnixMilli(ms).UTC().Format(`"2006-01-02T15:04:05Z"`), string(got[member]), "%s.%s", stream, member)
					case winter(ms):
						moments++
						at, err := time.Parse(`"2006-01-02T15:04:05Z"`, string(got[member]))
						require.NoError(t, err)
						require.Equal(t, time.UnixMilli(ms).UTC().Add(-time.Hour), at, "%s.%s", stream, member)
					}
				}
			}
		}
		t.Logf("%d dates, %d moments of winter", dates, moments)
		require.Greater(t, dates, 500)
		require.Greater(t, moments, 100)
	})
}

// winter tells whether a wall clock is surely one of winter: December to
// February.
func winter(ms int64) bool {
	m := time.UnixMilli(ms).UTC().Month()
	return m == time.December || m <= time.February
}

// TestDatesThatBoundNothing: streams by row version have no end, and most no
// beginning either; who bounds them is told so, once.
func TestDatesThatBoundNothing(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		only := []string{accounts, invoices, banks, conditions}
		out := s.run(ask{Only: only, Config: map[string]any{"end_date": "2026-06-01"}}).Complete()
		warned := out.Warnings("row version")
		require.Len(t, warned, 1)
		require.Contains(t, warned[0], accounts+", "+banks+", "+invoices)
		require.NotContains(t, warned[0], conditions)
		s.covers(accounts, "ID", out)
		for _, r := range of(out, conditions, "") {
			require.Less(t, r.Text("Modified"), "2026-06-02")
		}

		out = s.run(ask{Only: only, Since: sitetest.Noon.AddDate(0, -1, 0)})
		require.NoError(t, out.Report.Err)
		warned = out.Warnings("row version")
		require.Len(t, warned, 1)
		require.Contains(t, warned[0], "--since")
		require.Contains(t, warned[0], accounts+", "+banks+"\"", "of the invoices the service tells where to begin")
		require.Empty(t, s.run(ask{Only: only}).Complete().Warnings("row version"))
	})
}
