package accountview_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// yearly are the streams of one book year, and one of the newest.
var yearly = []string{"ledger_transactions", "journal_pages", "journal_lines", "debtors"}

// TestBookYears: which book years are read, whatever BOOK_DATE means, whether or not
// ATS_YEAR and ADM_CODE tell; each row comes under its own year, and none is lost.
func TestBookYears(t *testing.T) {
	const all = "2024,2025,2026"
	from := func(day string) map[string]any { return map[string]any{"start_date": day} }
	days := func(list string) map[string]any { return map[string]any{"book_dates": list} }
	for _, c := range []struct {
		name, faults string
		config       map[string]any
		want         string
		asked        int // days that are asked for, at most
	}{
		{name: "all", want: all},
		{name: "from the start date", config: from("2025-03-01"), want: "2025,2026"},
		{name: "named", config: days("2026-02-01,2024-02-01"), want: "2024,2026"},
		{name: "other company", faults: "other-books", want: all},
		{name: "told, no booking", faults: "no-book-date", want: all},

		{name: "untold", faults: "no-book-year", want: all, asked: 3},
		{name: "untold, rows do not tell", faults: "no-book-year,no-adm-code", want: all, asked: 2 * 6},
		{name: "untold, other company", faults: "no-book-year,other-books", want: all, asked: 8},
		{name: "neither told", faults: "no-book-year,no-book-date", want: all, asked: 4},

		{name: "broken", faults: "broken-years", want: all, asked: 3},
		{name: "broken, rows do not tell", faults: "broken-years,no-adm-code", want: all, asked: 2 * 9},
		{name: "broken, untold", faults: "broken-years,no-book-year", want: all, asked: 4},
		{name: "broken, untold, rows do not tell", faults: "broken-years,no-book-year,no-adm-code", want: all, asked: 2 * 8},
		{name: "broken, from the start date", faults: "broken-years", config: from("2025-08-01"), want: "2025,2026", asked: 2},
		{name: "broken, named", faults: "broken-years", config: days("2025-03-01"), want: "2024", asked: 2},
		{name: "broken, untold, named", faults: "broken-years,no-book-year", config: days("2025-03-01,2025-08-01"), want: "2024,2025", asked: 6},
		{name: "broken, neither told", faults: "broken-years,no-book-year,no-book-date", want: all, asked: 5},

		{name: "late", faults: "late-books", want: all, asked: 3},
		{name: "late, rows do not tell", faults: "late-books,no-adm-code", want: all, asked: 2 * 9},
		{name: "late, untold", faults: "late-books,no-book-year", want: all, asked: 3},
		{name: "late, untold, rows do not tell", faults: "late-books,no-book-year,no-adm-code", want: all, asked: 2 * 8},
		{name: "late, named", faults: "late-books", config: days("2025-02-01,2026-02-01"), want: "2025,2026", asked: 3},
		{name: "late, other company", faults: "late-books,other-books", want: all, asked: 5},
		{name: "late, from the start date", faults: "late-books", config: from("2026-04-01"), want: "2026", asked: 1},
		{name: "late and broken", faults: "late-books,broken-years", want: all, asked: 3},
		{name: "late and broken, untold", faults: "late-books,broken-years,no-book-year", want: all, asked: 4},

		{name: "may not see them, named", faults: "noright@administrations", config: days("2025-03-01"), want: "2025"},
	} {
		t.Run(c.name, func(t *testing.T) {
			visit(t, emulator.Options{Records: 90, Faults: c.faults}, func(t *testing.T, s *site) {
				asked := 0
				out := s.run(ask{Only: yearly, Config: c.config, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
					if r.URL.Query().Get("PageSize") == "1" {
						asked++
					}
					return nil
				})}).Complete()
				require.LessOrEqual(t, asked, c.asked)
				years := strings.Split(c.want, ",")
				for _, name := range yearly[:3] {
					if name != "journal_lines" {
						require.Equal(t, c.want, bookmark(out, name, "_book_years"))
					}
					require.Len(t, out.ByKey(name), len(out.Rows(name)), name)
					rows, truth, wanted := out.ByKey(name), s.truth(name), 0
					for id, row := range truth {
						if len(years) == 3 || slices.Contains(years, row.Text("_book_year")) && c.config["start_date"] == nil {
							if _, came := rows[id]; !came {
								t.Errorf("%s lacks %s", name, id)
							}
							wanted++
						}
					}
					for id := range rows {
						if _, there := truth[id]; !there {
							t.Errorf("%s has %s, which is not there", name, id)
						}
					}
					if c.config["start_date"] == nil {
						require.Len(t, rows, wanted, name)
					}
				}
				if c.config["start_date"] == nil {
					s.whole(out, "debtors")
				}
			})
		})
	}
	t.Run("may not see them", func(t *testing.T) {
		visit(t, emulator.Options{Faults: "noright@administrations"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{"journal_pages", "debtors"}})
			require.NoError(t, out.Report.Err)
			require.True(t, out.Result("journal_pages").Skipped)
			require.Contains(t, fault.As(out.Result("journal_pages").Err).Hint, "book_dates")
			s.whole(out, "debtors")
		})
	})
}

// listed answers for the list of administrations.
func listed(rows string) func(http.RoundTripper) http.RoundTripper {
	return sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
		if r.URL.Query().Get("BusinessObject") != "ADL" {
			return nil
		}
		return sitetest.Answer(r, http.StatusOK, `{"ADM_LIST":[`+rows+`]}`)
	})
}

// TestUntoldYears: an administration whose year nothing tells is told of; where none
// is left, the streams of book years are refused, and the others come.
func TestUntoldYears(t *testing.T) {
	const told = `{"ADM_CODE":"VBBV25","ADM_PREV":"","ADM_MODEL":false,"ATS_YEAR":"2025","BOOK_DATE":"2025-12-31T00:00:00"},{"ADM_CODE":"VBBV26","ADM_PREV":"VBBV25","ADM_MODEL":false,"ATS_YEAR":"2026","BOOK_DATE":"2026-10-31T00:00:00"}`
	const fresh = `{"ADM_CODE":"VBBV27","ADM_PREV":"VBBV26","ADM_MODEL":false,"ATS_YEAR":"","BOOK_DATE":null}`
	const old = `{"ADM_CODE":"VBBV24","ADM_PREV":"","ADM_MODEL":false,"ATS_YEAR":"","BOOK_DATE":null}`
	const models = `{"ADM_CODE":"MODEL","ADM_PREV":"","ADM_MODEL":true,"ATS_YEAR":"","BOOK_DATE":null}`
	t.Run("a fresh one", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: yearly, Network: listed(models + "," + told + "," + fresh)}).Complete()
			require.Equal(t, "2025,2026", bookmark(out, "journal_pages", "_book_years"))
			warned := out.Warnings("book_dates")
			require.Len(t, warned, 1)
			require.Contains(t, warned[0], `"administrations":"VBBV27"`)
			require.Empty(t, out.Report.Left)
		})
	})
	t.Run("one that was found", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
			next := strings.ReplaceAll(told, "VBBV26", "VBBV24") // today is in its books
			next = strings.ReplaceAll(next, `"ATS_YEAR":"2026","BOOK_DATE":"2026-10-31T00:00:00"`, `"ATS_YEAR":"2024","BOOK_DATE":"2024-12-31T00:00:00"`)
			out := s.run(ask{Only: yearly, Network: listed(next + "," + strings.ReplaceAll(fresh, "VBBV27", "VBBV26"))}).Complete()
			s.whole(out, "journal_pages")
			s.whole(out, "ledger_transactions")
			require.Empty(t, out.Warnings("book_dates"))
		})
	})
	t.Run("rows do not tell either", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90, Faults: "no-adm-code"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: yearly, Network: listed(told + "," + old + "," + fresh), Config: map[string]any{"start_date": "2024-01-01"}}).Complete()
			require.Equal(t, "2025,2026", bookmark(out, "journal_pages", "_book_years"), "between those that are told there is none")
			require.Len(t, out.Warnings("book_dates"), 1)
			out = s.run(ask{Only: yearly, Network: listed(old + "," + fresh)}).Complete()
			require.Equal(t, "2024,2025,2026", bookmark(out, "journal_pages", "_book_years"))
			s.whole(out, "journal_pages")
			s.whole(out, "ledger_transactions")
		})
	})
	for name, rows := range map[string]string{"none is left": old + "," + fresh, "none is listed": ""} {
		t.Run(name, func(t *testing.T) {
			visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: yearly, Network: func(to http.RoundTripper) http.RoundTripper {
					return sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
						if r.URL.Query().Get("PageSize") != "1" {
							return nil
						}
						return sitetest.Answer(r, http.StatusOK, `{"TRANSACT":[],"DJ_PAGE":[],"DJ_LINE":[]}`)
					})(listed(rows)(to))
				}})
				require.NoError(t, out.Report.Err)
				for _, name := range yearly[:3] {
					res := out.Result(name)
					require.Equal(t, fault.Permission, fault.KindOf(res.Err), name)
					require.True(t, res.Skipped, name)
					require.Contains(t, fault.As(res.Err).Hint, "book_dates")
					if rows != "" {
						require.ErrorContains(t, res.Err, "VBBV24, VBBV27")
					}
				}
				s.whole(out, "debtors")
			})
		})
	}
}

// TestWrongYear: a year of which no day is found is left out, loudly, and rows of
// another year than was asked for are never written.
func TestWrongYear(t *testing.T) {
	// The years of the list are one ahead of their books.
	const ahead = `{"ADM_CODE":"VBBV24","ADM_PREV":"","ATS_YEAR":"2025","BOOK_DATE":"2025-12-31T00:00:00"},{"ADM_CODE":"VBBV25","ADM_PREV":"VBBV24","ATS_YEAR":"2026","BOOK_DATE":"2026-10-30T00:00:00"}`
	t.Run("rows tell", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: yearly, Network: listed(ahead)})
			require.NoError(t, out.Report.Err)
			for _, name := range []string{"ledger_transactions", "journal_lines"} {
				err := out.Result(name).Err
				require.Equal(t, fault.Contract, fault.KindOf(err), "%s: %v", name, err)
				require.ErrorContains(t, err, `is of 2026: its ADM_CODE is "VBBV25"`)
				require.Contains(t, fault.As(err).Hint, "book_dates")
				for _, row := range out.Rows(name) {
					require.NotEqual(t, "2025", row.Text("_book_year"))
				}
			}
		})
	})
	t.Run("two of one company in a year", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
			const two = `{"ADM_CODE":"VBBV25","ATS_YEAR":"2026","BOOK_DATE":"2025-12-31T00:00:00"},{"ADM_CODE":"VBBV26","ATS_YEAR":"2026","BOOK_DATE":"2026-10-30T00:00:00"}`
			out := s.run(ask{Only: []string{"journal_pages"}, Network: listed(two)})
			require.NoError(t, out.Result("journal_pages").Err)
			require.Len(t, out.Report.Left, 1, "it is not lost without a word")
			require.Len(t, out.Warnings("it is a second administration of book year 2026"), 1)
		})
	})
	t.Run("a service that shows today's books", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90, Faults: "no-book-year,no-adm-code"}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{"journal_pages"}, Config: map[string]any{"start_date": "2015-01-01"}, Network: sitetest.Between(func(r *http.Request, to http.RoundTripper) *http.Response {
				q := r.URL.Query()
				if day := q.Get("BookDate"); day == "" || day >= "2024" && day < "2027" {
					return nil
				}
				q.Set("BookDate", "2026-11-01")
				r.URL.RawQuery = q.Encode()
				resp, err := to.RoundTrip(r)
				require.NoError(t, err)
				return resp
			})}).Complete()
			s.whole(out, "journal_pages")
		})
	})
	t.Run("no day is found", func(t *testing.T) {
		visit(t, emulator.Options{Records: 90}, func(t *testing.T, s *site) {
			lost := `{"ADM_CODE":"KAFE25","ADM_PREV":"","ATS_YEAR":"2025","BOOK_DATE":"2025-12-31T00:00:00"},` +
				`{"ADM_CODE":"VBBV25","ADM_PREV":"","ATS_YEAR":"2024","BOOK_DATE":"2025-12-31T00:00:00"},{"ADM_CODE":"VBBV26","ADM_PREV":"","ATS_YEAR":"2026","BOOK_DATE":"2026-10-30T00:00:00"}`
			out := s.run(ask{Only: []string{"journal_pages"}, Network: listed(lost)})
			require.NoError(t, out.Report.Err)
			require.Len(t, out.Report.Left, 1)
			require.Contains(t, out.Report.Left[0], first+"/2025")
			require.Len(t, out.Warnings("book_dates"), 1)
			require.Equal(t, "2024,2026", bookmark(out, "journal_pages", "_book_years"))
		})
	})
}
