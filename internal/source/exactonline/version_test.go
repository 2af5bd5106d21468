package exactonline_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

const (
	invoices = "sync_salesinvoice_sales_invoices"
	accounts = "sync_crm_accounts"
)

// TestTouched: rows that change come again, with their new row version; also
// while the pages are read, where the last record of a row counts.
func TestTouched(t *testing.T) {
	visit(t, emulator.Options{Records: 2100}, func(t *testing.T, s *site) {
		var early, late emulator.ID
		s.Server.OnPage(func(p emulator.Page) {
			if p.Resource != banks {
				return
			}
			switch p.Number {
			case 1:
				early = p.IDs[17]
			case 2:
				late = p.IDs[0]
				// One that was written already, and one of this page.
				require.Len(t, s.Change(emulator.Change{Stream: banks + "/" + first, IDs: []emulator.ID{early, late}}).Touched, 2)
			}
		})
		one := s.run(ask{Only: thin([]string{banks}), Config: map[string]any{"divisions": first}}).Complete()
		s.Server.OnPage(nil)
		s.coversDivision(banks, first, one)
		times := map[string]int{}
		last := int64(0)
		for _, r := range of(one, banks, first) {
			row := r.Row
			times[row.Text("ID")]++
			at := number(t, row.Text("Timestamp"))
			require.GreaterOrEqual(t, at, last, "ascending")
			last = at
		}
		require.Equal(t, 2, times[string(early)])
		require.Equal(t, 2, times[string(late)])
		require.Equal(t, last, number(t, one.Bookmark(banks, first, "Timestamp")))

		two := s.run(ask{Only: thin([]string{banks}), State: one.State}).Complete()
		require.Empty(t, of(two, banks, first))
		report := s.Change(emulator.Change{Stream: banks + "/" + first, Rows: 3, Insert: 2})
		three := s.run(ask{Only: thin([]string{banks}), State: two.State}).Complete()
		var got []emulator.ID
		for _, r := range of(three, banks, first) {
			got = append(got, emulator.ID(r.Text("ID")))
		}
		require.ElementsMatch(t, slices.Concat(report.Touched, report.Inserted), got)
		s.covers(banks, "ID", one, two, three)
	})
}

// TestMoving: rows keep changing while the whole selection is read.
func TestMoving(t *testing.T) {
	visit(t, emulator.Options{Records: 1100, Faults: "moving:1.0"}, func(t *testing.T, s *site) {
		only := thin([]string{banks, batches, "sync_payroll_employments"})
		one := s.run(ask{Only: only}).Complete()
		for _, name := range []string{banks, batches, "sync_payroll_employments"} {
			s.covers(name, "ID", one)
		}
	})
}

// TestDocuments: a change of a line gives the whole document new row versions
// (DOC), and all of it comes.
func TestDocuments(t *testing.T) {
	visit(t, emulator.Options{Records: 60}, func(t *testing.T, s *site) {
		only := []string{invoices + ".InvoiceID", invoices + ".LineNumber", "sync_purchaseorder_purchase_orders.LineNumber"}
		one := s.run(ask{Only: only}).Complete()
		for _, name := range []string{invoices, "sync_purchaseorder_purchase_orders"} {
			report := s.Change(emulator.Change{Stream: name, Rows: 2})
			require.Greater(t, len(report.Touched), 2)
			two := s.run(ask{Only: only, State: one.State}).Complete()
			var got []emulator.ID
			headers := 0
			for _, r := range of(two, name, "") {
				got = append(got, emulator.ID(r.Text("ID")))
				if r.Text("LineNumber") == "0" {
					headers++
				}
			}
			require.ElementsMatch(t, report.Touched, got)
			require.GreaterOrEqual(t, headers, 1)
			one.State = two.State
		}
	})
}

// from are the rows of a division that were changed at a wall clock or later.
func (s *site) from(stream, division string, wall time.Time) (late, all []string) {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.Server.Truth(&b, source.Name, stream))
	for line := range bytes.Lines(b.Bytes()) {
		var row struct {
			Division     json.Number `json:"_division"`
			ID, Modified string
		}
		require.NoError(s, json.Unmarshal(line, &row))
		if row.Division.String() != division {
			continue
		}
		all = append(all, row.ID)
		ms := number(s.T, strings.TrimSuffix(strings.TrimPrefix(row.Modified, "/Date("), ")/"))
		if ms >= wall.UnixMilli() {
			late = append(late, row.ID)
		}
	}
	return late, all
}

// TestStartDate: where the service can tell the row version of a date (DOC), a
// first read begins there, by the site's wall clock; never again after it.
func TestStartDate(t *testing.T) {
	for start, wall := range map[string]string{
		"2026-05-01":                "2026-05-01T02:00:00",
		"2026-01-15":                "2026-01-15T01:00:00",
		"2026-06-30T22:15:30+02:00": "2026-06-30T22:15:30",
	} {
		t.Run(wall, func(t *testing.T) {
			visit(t, emulator.Options{Records: 120}, func(t *testing.T, s *site) {
				a := ask{Only: []string{invoices + ".Modified", accounts + ".Modified"}, Config: map[string]any{"start_date": start}}
				one := s.run(a).Complete()
				asked := calls(one, "sync_timestamp", "")
				require.Len(t, asked, 2, "once in each division, and only of a set that it knows")
				for _, e := range asked {
					q, err := url.ParseQuery(e.Query)
					require.NoError(t, err)
					require.Equal(t, "datetime'"+wall+"'", q.Get("modified"))
					require.Equal(t, "'SalesInvoices'", q.Get("endPoint"))
				}
				clock, err := time.Parse("2006-01-02T15:04:05", wall)
				require.NoError(t, err)
				for _, division := range []string{first, second} {
					late, all := s.from(invoices, division, clock)
					var got []string
					for _, r := range of(one, invoices, division) {
						got = append(got, r.Text("ID"))
					}
					require.Subset(t, got, late)
					require.NotEmpty(t, late)
					require.Less(t, len(got), len(all))
					s.coversDivision(accounts, division, one)
				}
				a.State = one.State
				two := s.run(a).Complete()
				require.Empty(t, calls(two, "sync_timestamp", ""))
				require.Empty(t, of(two, invoices, ""))
			})
		})
	}
}

// TestStartDateIsNotTold: then everything is read; nothing is missed, and the
// function is no place to waste the error budget on (DOC: 10 an hour and
// endpoint): 24 streams share it.
func TestStartDateIsNotTold(t *testing.T) {
	for title, refuse := range map[string]func(*http.Request) *http.Response{
		"scope": func(r *http.Request) *http.Response {
			return sitetest.Answer(r, http.StatusForbidden, `{"error":{"code":"","message":{"lang":"","value":"Forbidden - Application Scope Violated. Cannot read 'organization.administration' scope."}}}`)
		},
		"404":   func(r *http.Request) *http.Response { return sitetest.Answer(r, http.StatusNotFound, "<html></html>") },
		"empty": func(r *http.Request) *http.Response { return sitetest.Answer(r, http.StatusOK, `{"d":{"results":[]}}`) },
		"204":   func(r *http.Request) *http.Response { return sitetest.Answer(r, http.StatusNoContent, "") },
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{Records: 40}, func(t *testing.T, s *site) {
				refused := map[string]int{}
				out := s.run(ask{Only: []string{"sync_*.Modified"}, Concurrency: 1, Network: nth("/SyncTimestamp", func(_ int, r *http.Request) *http.Response {
					refused[r.URL.Path]++
					return refuse(r)
				})})
				require.NotEmpty(t, refused)
				out.Complete()
				s.covers(invoices, "ID", out)
				s.covers("sync_subscription_subscription_lines", "ID", out)
				if title != "empty" && title != "204" {
					for path, n := range refused {
						require.LessOrEqual(t, n, 10, path)
					}
				}
			})
		})
	}
}

// TestKilled: broken off after any page, a run goes on from the row version that
// the link to the next page has proven.
func TestKilled(t *testing.T) {
	visit(t, emulator.Options{Records: 3100}, func(t *testing.T, s *site) {
		a := ask{Only: thin([]string{banks}), Config: map[string]any{"divisions": first}, Concurrency: 1}
		want := s.truth(banks, "ID")[first]
		for page := 1; page <= 5; page++ {
			b := a
			stop := make(chan struct{})
			b.Stop = stop
			b.Network = nth("/sync/Payroll/BankAccounts", func(n int, r *http.Request) *http.Response {
				if n == page {
					time.Sleep(time.Millisecond) // what has come is written
					close(stop)
					<-r.Context().Done()
					return sitetest.Answer(r, http.StatusServiceUnavailable, "") // nobody hears it
				}
				return nil
			})
			one := s.run(b)
			if page == 5 { // there are four pages
				one.Complete()
				break
			}
			require.Error(t, one.Report.Err)
			require.Len(t, of(one, banks, ""), (page-1)*1000)
			c := a
			c.State = one.State
			two := s.run(c).Complete()
			got := map[string]string{}
			for _, r := range slices.Concat(one.Records, two.Records) {
				row := r.Row
				got[row.Text("ID")] = row.Text("Timestamp")
			}
			require.Equal(t, want, got)
			q, err := url.ParseQuery(calls(two, banks, "")[0].Query)
			require.NoError(t, err)
			if page == 1 {
				require.Equal(t, "Timestamp gt 1L", q.Get("$filter"))
				continue
			}
			// The last row of a page but one is what is sure.
			before := of(one, banks, "")
			require.Equal(t, "Timestamp gt "+before[len(before)-2].Text("Timestamp")+"L", q.Get("$filter"))
			require.Len(t, of(two, banks, ""), 3100-(page-1)*1000+1)
		}
	})
}

// TestDeleted: with include_deleted the rows that were deleted come after the
// stream's own, and each division's list is read once.
func TestDeleted(t *testing.T) {
	visit(t, emulator.Options{Records: 8}, func(t *testing.T, s *site) {
		a := ask{Only: []string{"sync_*"}, Config: map[string]any{"include_deleted": true}}
		one := s.run(a).Complete()
		for _, division := range []string{first, second} {
			require.Len(t, calls(one, "sync_deleted", division), 2, "for the stream itself, and for all others")
		}
		with := 0
		for i := range source.Streams {
			st := &source.Streams[i]
			if st.Deletions == nil || !strings.HasPrefix(st.Name, "sync_") || !st.Selected {
				continue
			}
			with++
			for _, division := range []string{first, second} {
				ended := false
				for _, r := range of(one, st.Name, division) {
					gone := string(r.Row["_deleted_at"])
					require.NotEmpty(t, gone, "%s has the member", st.Name)
					require.False(t, ended && gone == "null", "a row after a deletion in %s", st.Name)
					ended = ended || gone != "null"
				}
			}
		}
		require.Greater(t, with, 50)
		require.Greater(t, len(gone(one, accounts)), 5, "what was deleted before the first run")

		at := time.Date(2026, 11, 20, 11, 58, 7, 0, time.UTC)
		want := map[string]bool{}
		for _, name := range []string{accounts, banks, batches} {
			report := s.Change(emulator.Change{Stream: name, Delete: 2, At: at})
			for _, id := range report.Deleted {
				want[name+string(id)] = true
			}
		}
		a.State = one.State
		two := s.run(a).Complete()
		got := map[string]bool{}
		for _, r := range two.Records {
			if d := r.Text("_deleted_at"); d != "null" && d != "" {
				require.Equal(t, "2026-11-20T11:58:07Z", d)
				got[r.Stream+r.Text("ID")] = true
				for member, value := range r.Row {
					if member != "_division" && member != "ID" && member != "_deleted_at" {
						require.Equal(t, "null", string(value), member)
					}
				}
			}
		}
		require.Equal(t, want, got)
		require.Len(t, of(two, "sync_deleted", ""), 6)
		require.Len(t, calls(two, "sync_deleted", ""), 4)
		s.covers(banks, "ID", &output{T: t, Records: without(slices.Concat(one.Records, two.Records), want)})

		a.State = two.State
		three := s.run(a).Complete()
		require.Empty(t, versioned(three.Records))
		require.Empty(t, gone(three, accounts))

		// Not asked for: neither the member nor the list.
		four := s.run(ask{Only: []string{accounts}}).Complete()
		require.Empty(t, calls(four, "sync_deleted", ""))
		require.NotContains(t, string(four.Text), "_deleted_at")
	})
}

// gone are the records of deletions.
func gone(o *output, stream string) []record {
	return slices.DeleteFunc(of(o, stream, ""), func(r record) bool { return r.Text("_deleted_at") == "null" })
}

// without leaves out the rows that were deleted.
func without(records []record, deleted map[string]bool) []record {
	return slices.DeleteFunc(slices.Clone(records), func(r record) bool { return deleted[r.Stream+r.Text("ID")] })
}

// TestForgotten: deletions are kept for two months (DOC); a bookmark that is
// older has a gap behind it, which is told.
func TestForgotten(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		a := ask{Only: []string{"sync_deleted", banks}, Config: map[string]any{"include_deleted": true}}
		one := s.run(a).Complete()
		require.Empty(t, one.Warnings(""))
		for range 3 { // a refresh token that nobody uses lives for 30 days (DOC)
			time.Sleep(19 * 24 * time.Hour)
			s.run(ask{Only: []string{"vat_vat_codes"}}).Complete()
		}
		a.State = one.State
		two := s.run(a).Complete()
		require.Empty(t, two.Warnings("forgets"), "57 days are no gap")
		time.Sleep(5 * 24 * time.Hour)
		three := s.run(a).Complete()
		require.Len(t, three.Warnings("forgets"), 4, "the list and the stream that uses it, in two divisions")
		a.State = three.State
		require.Empty(t, s.run(a).Complete().Warnings("forgets"), "told once")
	})
}
