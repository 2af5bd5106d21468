package accountview_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestState: the journals have one bookmark for all book years, which tells them.
func TestState(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"debtors", "journal_pages", "journal_lines", "ledger_transactions", "ledger_accounts"}}).Complete()
		var state struct {
			Bookmarks map[string]struct {
				Partitions map[string]map[string]string
			}
		}
		require.NoError(t, json.Unmarshal(out.State, &state))
		require.Len(t, state.Bookmarks, 3, "what is read whole has none")
		for name, member := range map[string]string{"debtors": "CNG_DATE", "journal_pages": "CNG_DATE", "ledger_transactions": "TRN_DATE"} {
			parts := state.Bookmarks[name].Partitions
			require.Len(t, parts, 1, name)
			greatest := ""
			rows := out.ByKey(name)
			for _, row := range rows {
				greatest = max(greatest, row.Text(member))
			}
			if member == "CNG_DATE" {
				greatest = strings.Replace(greatest, "Z", ".000000Z", 1)
			}
			require.Equal(t, greatest, parts[first][member], name)
			if name == "debtors" {
				require.Len(t, parts[first], 1)
				continue
			}
			require.Equal(t, "2024,2025,2026", parts[first]["_book_years"], name)
		}
	})
}

// TestSecondRun: what changed comes, and of the bookmark's day nothing that is
// older than it.
func TestSecondRun(t *testing.T) {
	for _, faults := range []string{"", "instant-since", "no-upper-bound"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Records: 90, Faults: faults}, func(t *testing.T, s *site) {
				only := []string{"debtors", "journal_pages"}
				out := s.run(ask{Only: only}).Complete()
				touched := s.Change(emulator.Change{Stream: "debtors", Rows: 3, Insert: 2, At: time.Now().Add(time.Minute)})
				pages := s.Change(emulator.Change{Stream: "journal_pages", Rows: 4, At: time.Now().Add(time.Minute)})
				time.Sleep(time.Hour)
				again := s.run(ask{Only: only, State: out.State}).Complete()
				rows := again.ByKey("debtors")
				for _, id := range append(touched.Touched, touched.Inserted...) {
					require.Contains(t, rows, string(id))
				}
				low := bookmark(out, "debtors", "CNG_DATE")
				for _, row := range rows {
					require.GreaterOrEqual(t, row.Text("CNG_DATE")+".", low[:19], "older than the bookmark")
				}
				changed := again.ByKey("journal_pages")
				require.Len(t, changed, len(pages.Touched)+1, "and the one of the bookmark")
				for _, e := range again.Calls("debtors") {
					require.Contains(t, e.Query, "FilterValue1=%7B%5E"+low[:10]+"%7D", "a day, and no time")
					require.NotContains(t, e.Query, "FilterControlSource2")
				}
				require.Greater(t, bookmark(again, "debtors", "CNG_DATE"), low)
			})
		})
	}
}

// TestLookback: entries that are dated back within 30 days of the last one come,
// unless the config says otherwise.
func TestLookback(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		only := []string{"ledger_transactions", "article_history", "debtors"}
		out := s.run(ask{Only: only}).Complete()
		mark, err := time.Parse(time.DateOnly, bookmark(out, "ledger_transactions", "TRN_DATE"))
		require.NoError(t, err)
		back := s.Change(emulator.Change{Stream: "ledger_transactions", Insert: 1, At: mark.Add(-29 * 24 * time.Hour)})
		asked := func(o *output, name string) string {
			q := o.Calls(name)[0].Query
			_, after, _ := strings.Cut(q, "FilterValue1=%7B%5E")
			return after[:10]
		}
		again := s.run(ask{Only: only, State: out.State}).Complete()
		rows := again.ByKey("ledger_transactions")
		require.Contains(t, rows, strings.ReplaceAll(string(back.Inserted[0]), `"`, ""))
		require.Equal(t, mark.AddDate(0, 0, -30).Format(time.DateOnly), asked(again, "ledger_transactions"))
		require.Equal(t, bookmark(out, "debtors", "CNG_DATE")[:10], asked(again, "debtors"), "changes are stamped when they are made")
		shorter := s.run(ask{Only: only, State: out.State, Config: map[string]any{"lookback": "48h"}}).Complete()
		require.Equal(t, mark.AddDate(0, 0, -2).Format(time.DateOnly), asked(shorter, "ledger_transactions"))
		none := s.run(ask{Only: only, State: out.State, Config: map[string]any{"lookback": "0"}}).Complete()
		require.Equal(t, mark.Format(time.DateOnly), asked(none, "ledger_transactions"))
	})
}

// TestNewBookYear: a year that the bookmark does not cover is read from its
// beginning; the others from the bookmark on.
func TestNewBookYear(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		two := map[string]any{"book_dates": []string{"2025-06-30", "2026-06-30"}}
		out := s.run(ask{Only: []string{"journal_pages"}, Config: two}).Complete()
		require.Equal(t, "2025,2026", bookmark(out, "journal_pages", "_book_years"))
		rows := out.ByKey("journal_pages")
		before := len(rows)
		require.Equal(t, 60, before)
		all := s.run(ask{Only: []string{"journal_pages"}, State: out.State}).Complete()
		require.Equal(t, "2024,2025,2026", bookmark(all, "journal_pages", "_book_years"))
		rows = all.ByKey("journal_pages")
		years := map[string]int{}
		for _, row := range rows {
			years[string(row["_book_year"])]++
		}
		require.Equal(t, 30, years["2024"], "read from its beginning")
		require.LessOrEqual(t, years["2025"]+years["2026"], 1, "the others are not")
		require.Equal(t, bookmark(out, "journal_pages", "CNG_DATE"), bookmark(all, "journal_pages", "CNG_DATE"))
		// A year that is left out is not covered any more.
		less := s.run(ask{Only: []string{"journal_pages"}, State: all.State, Config: two}).Complete()
		require.Equal(t, "2025,2026", bookmark(less, "journal_pages", "_book_years"))
		// A state that somebody wrote, without years, holds for all.
		plain := json.RawMessage(strings.Replace(string(all.State), `,"_book_years":"2024,2025,2026"`, "", 1))
		require.NotEqual(t, string(all.State), string(plain))
		require.LessOrEqual(t, len(s.run(ask{Only: []string{"journal_pages"}, State: plain}).Complete().Rows("journal_pages")), 1)
		anew := s.run(ask{Only: []string{"journal_pages"}, State: all.State, FullRefresh: []string{"journal_pages"}}).Complete()
		s.whole(anew, "journal_pages")
		require.Equal(t, string(all.State), string(anew.State))
	})
}

// TestYearThatFails: the bookmark of all years stays until each was read.
func TestYearThatFails(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"journal_pages"}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
			if q := r.URL.Query(); q.Get("BusinessObject") == "DJ2" && strings.HasPrefix(q.Get("BookDate"), "2025") {
				return sitetest.Answer(r, http.StatusOK, `{"ErrorType":"AccountViewError","ErrorNumbers":null,"ErrorMessage":"Er ging iets mis."}`)
			}
			return nil
		})})
		require.Error(t, out.Result("journal_pages").Err)
		require.Empty(t, bookmark(out, "journal_pages", "CNG_DATE"))
		healed := s.run(ask{Only: []string{"journal_pages"}, State: out.State}).Complete()
		s.whole(healed, "journal_pages")
	})
}
