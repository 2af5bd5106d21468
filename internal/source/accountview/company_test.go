package accountview_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestCompany: the company is named by its Id or its code; where neither tells
// one of several, the run ends with the list of them.
func TestCompany(t *testing.T) {
	const list = "VBBV (7d0c2f4e-6a51-4a0e-9a0e-2f9c1c0e4b11, Voorbeeld B.V.); KAFE (c41b7e90-03d2-4c7b-8f5e-d1a6e9b02f37, Café Renée & Zn V.O.F.)"
	for _, c := range []struct {
		name   string
		config map[string]any
		faults string
		is     string // the company
		says   string
	}{
		{name: "id", is: first},
		{name: "code", config: map[string]any{"company_id": nil, "company_code": "kafe"}, is: second},
		{name: "id before code", config: map[string]any{"company_code": "KAFE"}, is: first},
		{name: "several", config: map[string]any{"company_id": nil}, says: "there are several companies; the user may see " + list},
		{name: "no such id", config: map[string]any{"company_id": "c0ffee"}, says: "there is no company with the Id c0ffee; the user may see " + list},
		{name: "no such id, 200", config: map[string]any{"company_id": "c0ffee"}, faults: "company-200", says: "there is no company with the Id c0ffee"},
		{name: "no such code", config: map[string]any{"company_id": nil, "company_code": "NIET"}, says: "there is no company with the code NIET; the user may see " + list},
	} {
		for _, discover := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: " discover"}[discover], func(t *testing.T) {
				visit(t, emulator.Options{Faults: c.faults}, func(t *testing.T, s *site) {
					out := s.Run(ask{Only: []string{"debtors"}, Config: c.config, Discover: discover})
					if c.says != "" {
						require.ErrorContains(t, out.Report.Err, c.says)
						require.Equal(t, fault.Config, fault.KindOf(out.Report.Err))
						require.True(t, fault.As(out.Report.Err).Whole)
						return
					}
					out.Complete()
					require.Contains(t, string(out.State), c.is)
				})
			})
		}
	}
}

// TestOnlyCompany needs no name.
func TestOnlyCompany(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"debtors"}, Config: map[string]any{"company_id": nil}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
			if strings.HasSuffix(r.URL.Path, "/companies") {
				return sitetest.Answer(r, http.StatusOK, `[{"Id":"`+first+`","Description":"Voorbeeld B.V.","Code":"VBBV"}]`)
			}
			return nil
		})}).Complete()
		s.whole(out, "debtors")
	})
}

// TestBookYears: which book years are read.
func TestBookYears(t *testing.T) {
	for _, c := range []struct {
		name, faults string
		config       map[string]any
		want         string
	}{
		{name: "all", want: "2024,2025,2026"},
		{name: "from the start date", config: map[string]any{"start_date": "2025-03-01"}, want: "2025,2026"},
		{name: "named", config: map[string]any{"book_dates": "2026-02-01,2024-02-01"}, want: "2024,2026"},
		{name: "broken", faults: "broken-years", want: "2024,2025,2026"},
		{name: "broken, untold", faults: "broken-years,no-book-year", want: "2024,2025,2026"},
		{name: "untold", faults: "no-book-year", want: "2024,2025,2026"},
		{name: "broken, from the start date", faults: "broken-years", config: map[string]any{"start_date": "2025-08-01"}, want: "2025,2026"},
		{name: "broken, named", faults: "broken-years", config: map[string]any{"book_dates": []string{"2025-03-01"}}, want: "2024"},
		{name: "may not see them, named", faults: "noright@administrations", config: map[string]any{"book_dates": []string{"2025-03-01"}}, want: "2025"},
	} {
		t.Run(c.name, func(t *testing.T) {
			visit(t, emulator.Options{Records: 90, Faults: c.faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"journal_pages", "debtors"}, Config: c.config}).Complete()
				require.Equal(t, c.want, bookmark(out, "journal_pages", "_book_years"))
				rows := out.ByKey("journal_pages")
				truth := s.truth("journal_pages")
				for id := range rows {
					require.Contains(t, truth, id)
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
