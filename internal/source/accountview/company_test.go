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
		{name: "id and code", config: map[string]any{"company_code": " vbbv"}, is: first},
		{name: "id and another's code", config: map[string]any{"company_code": "KAFE"}, says: "company_code: the company with the Id " + first + " has not the code KAFE; the user may see " + list},
		{name: "several", config: map[string]any{"company_id": nil}, says: "there are several companies; the user may see " + list},
		{name: "no such id", config: map[string]any{"company_id": "c0ffee"}, says: "there is no company with the Id c0ffee; the user may see " + list},
		{name: "no such id, 200", config: map[string]any{"company_id": "c0ffee"}, faults: "company-200", says: "there is no company with the Id c0ffee"},
		{name: "no such code", config: map[string]any{"company_id": nil, "company_code": "NIET"}, says: "company_code: there is no company with the code NIET; the user may see " + list},
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
