package accountview_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestState: the journals have one bookmark for all book years, which tells them.
func TestState(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		out := s.run(ask{only: []string{"debtors", "journal_pages", "journal_lines", "ledger_transactions", "ledger_accounts"}}).complete()
		var state struct {
			Bookmarks map[string]struct {
				Partitions map[string]map[string]string
			}
		}
		require.NoError(t, json.Unmarshal(out.state, &state))
		require.Len(t, state.Bookmarks, 3, "what is read whole has none")
		for name, member := range map[string]string{"debtors": "CNG_DATE", "journal_pages": "CNG_DATE", "ledger_transactions": "TRN_DATE"} {
			parts := state.Bookmarks[name].Partitions
			require.Len(t, parts, 1, name)
			greatest := ""
			rows, _ := out.of(name)
			for _, row := range rows {
				greatest = max(greatest, strings.Trim(string(row[member]), `"`))
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
				out := s.run(ask{only: only}).complete()
				touched := s.change(emulator.Change{Stream: "debtors", Rows: 3, Insert: 2, At: time.Now().Add(time.Minute)})
				pages := s.change(emulator.Change{Stream: "journal_pages", Rows: 4, At: time.Now().Add(time.Minute)})
				time.Sleep(time.Hour)
				again := s.run(ask{only: only, state: out.state}).complete()
				rows, _ := again.of("debtors")
				for _, id := range append(touched.Touched, touched.Inserted...) {
					require.Contains(t, rows, `"`+string(id)+`"`)
				}
				low := out.bookmark("debtors", "CNG_DATE")
				for _, row := range rows {
					require.GreaterOrEqual(t, strings.Trim(string(row["CNG_DATE"]), `"`)+".", low[:19], "older than the bookmark")
				}
				changed, _ := again.of("journal_pages")
				require.Len(t, changed, len(pages.Touched)+1, "and the one of the bookmark")
				for _, e := range again.calls("debtors") {
					require.Contains(t, e.Query, "FilterValue1=%7B%5E"+low[:10]+"%7D", "a day, and no time")
					require.NotContains(t, e.Query, "FilterControlSource2")
				}
				require.Greater(t, again.bookmark("debtors", "CNG_DATE"), low)
			})
		})
	}
}

// TestLookback: entries that are dated back within 30 days of the last one come,
// unless the config says otherwise.
func TestLookback(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		only := []string{"ledger_transactions", "article_history", "debtors"}
		out := s.run(ask{only: only}).complete()
		mark, err := time.Parse(time.DateOnly, out.bookmark("ledger_transactions", "TRN_DATE"))
		require.NoError(t, err)
		back := s.change(emulator.Change{Stream: "ledger_transactions", Insert: 1, At: mark.Add(-29 * 24 * time.Hour)})
		asked := func(o *output, name string) string {
			q := o.calls(name)[0].Query
			_, after, _ := strings.Cut(q, "FilterValue1=%7B%5E")
			return after[:10]
		}
		again := s.run(ask{only: only, state: out.state}).complete()
		rows, _ := again.of("ledger_transactions")
		require.Contains(t, rows, strings.ReplaceAll(string(back.Inserted[0]), "|", " "))
		require.Equal(t, mark.AddDate(0, 0, -30).Format(time.DateOnly), asked(again, "ledger_transactions"))
		require.Equal(t, out.bookmark("debtors", "CNG_DATE")[:10], asked(again, "debtors"), "changes are stamped when they are made")
		shorter := s.run(ask{only: only, state: out.state, config: map[string]any{"lookback": "48h"}}).complete()
		require.Equal(t, mark.AddDate(0, 0, -2).Format(time.DateOnly), asked(shorter, "ledger_transactions"))
		none := s.run(ask{only: only, state: out.state, config: map[string]any{"lookback": "0"}}).complete()
		require.Equal(t, mark.Format(time.DateOnly), asked(none, "ledger_transactions"))
	})
}

// TestNewBookYear: a year that the bookmark does not cover is read from its
// beginning; the others from the bookmark on.
func TestNewBookYear(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		two := map[string]any{"book_dates": []string{"2025-06-30", "2026-06-30"}}
		out := s.run(ask{only: []string{"journal_pages"}, config: two}).complete()
		require.Equal(t, "2025,2026", out.bookmark("journal_pages", "_book_years"))
		rows, _ := out.of("journal_pages")
		before := len(rows)
		require.Equal(t, 60, before)
		all := s.run(ask{only: []string{"journal_pages"}, state: out.state}).complete()
		require.Equal(t, "2024,2025,2026", all.bookmark("journal_pages", "_book_years"))
		rows, _ = all.of("journal_pages")
		years := map[string]int{}
		for _, row := range rows {
			years[string(row["_book_year"])]++
		}
		require.Equal(t, 30, years["2024"], "read from its beginning")
		require.LessOrEqual(t, years["2025"]+years["2026"], 1, "the others are not")
		require.Equal(t, out.bookmark("journal_pages", "CNG_DATE"), all.bookmark("journal_pages", "CNG_DATE"))
		// A year that is left out is not covered any more.
		less := s.run(ask{only: []string{"journal_pages"}, state: all.state, config: two}).complete()
		require.Equal(t, "2025,2026", less.bookmark("journal_pages", "_book_years"))
		// A state that somebody wrote, without years, holds for all.
		plain := json.RawMessage(strings.Replace(string(all.state), `,"_book_years":"2024,2025,2026"`, "", 1))
		require.NotEqual(t, string(all.state), string(plain))
		_, n := s.run(ask{only: []string{"journal_pages"}, state: plain}).complete().of("journal_pages")
		require.LessOrEqual(t, n, 1)
		anew := s.run(ask{only: []string{"journal_pages"}, state: all.state, refresh: []string{"journal_pages"}}).complete()
		s.whole(anew, "journal_pages")
		require.Equal(t, string(all.state), string(anew.state))
	})
}

// TestYearThatFails: the bookmark of all years stays until each was read.
func TestYearThatFails(t *testing.T) {
	visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
		out := s.run(ask{only: []string{"journal_pages"}, network: between(func(r *http.Request) *http.Response {
			if q := r.URL.Query(); q.Get("BusinessObject") == "DJ2" && strings.HasPrefix(q.Get("BookDate"), "2025") {
				return answer(r, http.StatusOK, `{"ErrorType":"AccountViewError","ErrorNumbers":null,"ErrorMessage":"Er ging iets mis."}`)
			}
			return nil
		})})
		require.Error(t, out.result("journal_pages").Err)
		require.Empty(t, out.bookmark("journal_pages", "CNG_DATE"))
		healed := s.run(ask{only: []string{"journal_pages"}, state: out.state}).complete()
		s.whole(healed, "journal_pages")
	})
}
