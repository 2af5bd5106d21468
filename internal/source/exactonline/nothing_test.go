package exactonline_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestNothingIsNoEmptyList: a list without rows is [] (DOC, REC). What holds no list
// at all must not pass for one: its rows would be missed for good.
func TestNothingIsNoEmptyList(t *testing.T) {
	for title, c := range map[string]struct {
		status int
		body   string
	}{
		"204":             {http.StatusNoContent, ""},
		"d is null":       {http.StatusOK, `{"d":null}`},
		"results is null": {http.StatusOK, `{"d":{"results":null}}`},
		"no results":      {http.StatusOK, `{"d":{}}`},
	} {
		for name, path := range map[string]string{accounts: "/sync/CRM/Accounts", conditions: "/cashflow/PaymentConditions", "general_currencies": "/general/Currencies"} {
			t.Run(title+" "+name, func(t *testing.T) {
				visit(t, emulator.Options{}, func(t *testing.T, s *site) {
					a := ask{Only: []string{name, banks}}
					one := s.run(a).Complete()
					a.State = one.State
					a.Network = nth(first+path, func(_ int, r *http.Request) *http.Response { return sitetest.Answer(r, c.status, c.body) })
					two := s.run(a)
					require.NoError(t, two.Report.Err)
					require.Equal(t, fault.Contract, fault.KindOf(two.Result(name).Err))
					require.NoError(t, two.Result(banks).Err)
					require.Empty(t, of(two, name, first))
					for _, field := range []string{"Timestamp", "Modified"} {
						require.Equal(t, one.Bookmark(name, first, field), two.Bookmark(name, first, field))
					}
					require.Empty(t, calls(two, "token", ""), "nothing is tried for it")
				})
			})
		}
	}
	t.Run("bare and empty", func(t *testing.T) {
		visit(t, emulator.Options{}, func(t *testing.T, s *site) {
			out := s.run(ask{Only: []string{accounts}, Network: nth("/sync/CRM/Accounts", func(_ int, r *http.Request) *http.Response {
				return sitetest.Answer(r, http.StatusOK, `{"d":[]}`)
			})}).Complete()
			require.Empty(t, out.Records)
		})
	})
}

// TestRedirects: only the way to the login page says that a token is not accepted
// (CLIENT, NET); what else is a 3xx is a fault of that stream, and nobody follows.
func TestRedirects(t *testing.T) {
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				var mu sync.Mutex // lanes ask side by side
				asked := map[string]int{}
				out := s.run(ask{Only: []string{conditions, accounts}, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
					mu.Lock()
					asked[r.URL.Path]++
					mu.Unlock()
					if r.URL.Path != "/exact_online/api/v1/"+first+"/cashflow/PaymentConditions" {
						return nil
					}
					return sitetest.Answer(r, status, "", "Location", "/exact_online/api/v2/elsewhere")
				})})
				require.NoError(t, out.Report.Err, "the run goes on")
				require.Equal(t, fault.Contract, fault.KindOf(out.Result(conditions).Err))
				require.NoError(t, out.Result(accounts).Err)
				s.covers(accounts, "ID", out)
				require.Empty(t, out.Bookmark(conditions, first, "Modified"))
				require.NotEmpty(t, of(out, conditions, second))
				require.Len(t, calls(out, "token", ""), 1, "no token is renewed for it")
				require.Zero(t, asked["/exact_online/api/v2/elsewhere"])
				require.Equal(t, 1, asked["/exact_online/api/v1/"+first+"/cashflow/PaymentConditions"])
			})
		})
		t.Run(fmt.Sprint(status, " of who one is"), func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				for _, path := range []string{"/current/Me", "/system/Divisions"} {
					out := s.run(ask{Only: []string{accounts}, Network: nth(path, func(_ int, r *http.Request) *http.Response {
						return sitetest.Answer(r, status, "", "Location", "/exact_online/api/v2/elsewhere")
					})})
					require.Equal(t, fault.Contract, fault.KindOf(out.Report.Err), path)
				}
			})
		})
	}
}
