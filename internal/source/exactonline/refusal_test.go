package exactonline_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestScope: the app lacks a scope. CLIENT (picqer#509).
func TestScope(t *testing.T) {
	for title, c := range map[string]struct {
		faults  string
		refused int
	}{
		"everywhere": {"noscope@vat_vat_codes", 2},
		"in one":     {"noscope@vat_vat_codes/" + second, 1},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{Faults: c.faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"vat_vat_codes", "cashflow_payment_conditions", "sync_crm_accounts"}})
				require.NoError(t, out.Report.Err)
				require.EqualValues(t, c.refused, out.Stats.ByStatus["403"])
				r := out.Result("vat_vat_codes")
				if c.refused == 2 {
					require.True(t, r.Skipped)
					require.Equal(t, fault.Permission, fault.KindOf(r.Err))
					require.ErrorContains(t, r.Err, "Cannot read 'financial.accounting' scope")
				} else {
					require.NoError(t, r.Err)
					require.Len(t, r.Refused, 1)
					require.Contains(t, r.Refused[0], second)
					require.Len(t, out.Warnings("Cannot read 'financial.accounting' scope"), 1)
					require.NotEmpty(t, of(out, "vat_vat_codes", first))
					require.NotEmpty(t, out.Bookmark("vat_vat_codes", first, "Modified"))
				}
				require.Empty(t, of(out, "vat_vat_codes", second))
				require.Empty(t, out.Bookmark("vat_vat_codes", second, "Modified"))
				for _, other := range []string{"cashflow_payment_conditions", "sync_crm_accounts"} {
					require.NoError(t, out.Result(other).Err)
					require.NotEmpty(t, of(out, other, second))
				}
			})
		})
	}
}

// TestDivisionCloses: a refusal of a whole division closes it for all streams.
// DOC (the header Reason, via picqer PR#451).
func TestDivisionCloses(t *testing.T) {
	for _, reason := range []string{"NoDivisionAccess", "LicenseExpired", "DivisionBlocked"} {
		t.Run(reason, func(t *testing.T) {
			visit(t, emulator.Options{Latency: 20 * time.Millisecond}, func(t *testing.T, s *site) {
				var mu sync.Mutex
				refused := 0
				closed := func(r *http.Request, _ http.RoundTripper) *http.Response {
					mu.Lock()
					defer mu.Unlock()
					if !strings.Contains(r.URL.Path, "/"+second+"/") {
						return nil
					}
					refused++
					return sitetest.Answer(r, http.StatusForbidden, `{"error":{"code":"","message":{"lang":"","value":"Forbidden"}}}`, "Reason", reason)
				}
				out := s.run(ask{Only: []string{"sync_*"}, Network: sitetest.Between(closed)})
				require.NoError(t, out.Report.Err)
				require.Len(t, out.Report.Streams, 60)
				for _, r := range out.Report.Streams {
					require.NoError(t, r.Err, r.Stream)
					require.LessOrEqual(t, len(r.Refused), 1)
				}
				require.LessOrEqual(t, refused, 4, "what was under way")
				require.Len(t, out.Warnings(reason), 1, "one warning")
				require.Empty(t, of(out, "sync_crm_accounts", second))
				s.coversDivision("sync_crm_accounts", first, out)
				s.coversDivision("sync_subscription_subscriptions", first, out)
				require.Empty(t, out.Bookmark("sync_crm_accounts", second, "Timestamp"))

				// It is open again: what was missed is read.
				two := s.run(ask{Only: []string{"sync_crm_accounts"}, State: out.State}).Complete()
				s.covers("sync_crm_accounts", "ID", out, two)
			})
		})
	}
}

// coversDivision is covers of one division.
func (s *site) coversDivision(stream, division string, o *output) {
	s.Helper()
	want := s.truth(stream, keyOf(stream))[division]
	require.NotEmpty(s, want)
	got := map[string]string{}
	for _, r := range of(o, stream, division) {
		row := r.Row
		got[row.Text(keyOf(stream))] = row.Text("Timestamp")
	}
	require.Equal(s, want, got)
}

// keyOf is the vendor's key of a stream of a division.
func keyOf(name string) string { return source.Stream(name).Key[1] }

// TestUserIsBlocked: nobody can read anything.
func TestUserIsBlocked(t *testing.T) {
	for _, reason := range []string{"BlockedUser", "InactiveUser", "BlockedCustomer"} {
		t.Run(reason, func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: syncs, Network: sitetest.Between(func(r *http.Request, _ http.RoundTripper) *http.Response {
					if !strings.Contains(r.URL.Path, "/sync/") {
						return nil
					}
					return sitetest.Answer(r, http.StatusForbidden, "", "Reason", reason)
				})})
				f := fault.As(out.Report.Err)
				require.NotNil(t, f)
				require.Equal(t, fault.Auth, f.Kind)
				require.Contains(t, f.Error(), reason)
				require.Contains(t, f.Hint, "tap-backoffice auth exact_online")
				require.Empty(t, out.Records)
			})
		})
	}
}

// TestNoRight: a 401 that does not say expired is a lack of rights. CLIENT (AB).
func TestNoRight(t *testing.T) {
	for title, headers := range map[string][]string{
		"bare":      nil,
		"challenge": {"WWW-Authenticate", "Bearer"},
		"words":     {"WWW-Authenticate", `Bearer error="insufficient_scope", error_description="no%20access%20to%20this%20resource"`},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				refused := 0
				out := s.run(ask{Only: []string{"vat_vat_codes", "sync_crm_accounts"}, Network: nth("/vat/VATCodes", func(_ int, r *http.Request) *http.Response {
					refused++
					return sitetest.Answer(r, http.StatusUnauthorized, "", headers...)
				})})
				require.NoError(t, out.Report.Err)
				require.True(t, out.Result("vat_vat_codes").Skipped)
				require.Equal(t, fault.Permission, fault.KindOf(out.Result("vat_vat_codes").Err))
				require.NoError(t, out.Result("sync_crm_accounts").Err)
				s.covers("sync_crm_accounts", "ID", out)
				require.Equal(t, 2, refused, "each division is asked once")
				require.Len(t, calls(out, "token", ""), 1, "no token is renewed")
			})
		})
	}
}

// TestTokenRunsOut: whatever says that the token is not taken, one new token is
// fetched and the run goes on. The answers are CLIENT (AB, NET).
func TestTokenRunsOut(t *testing.T) {
	page := func(status int, title string, headers ...string) func(*http.Request) *http.Response {
		return func(r *http.Request) *http.Response {
			return sitetest.Answer(r, status, "<html><head><title>"+title+"</title></head><body>\r\n<h2>"+title+"</h2>\r\n</body></html>", headers...)
		}
	}
	for title, refusal := range map[string]func(*http.Request) *http.Response{
		"expired": func(r *http.Request) *http.Response {
			return sitetest.Answer(r, http.StatusUnauthorized, "", "WWW-Authenticate", `Bearer error="invalid_token", error_description="access%20token%20expired"`)
		},
		"message expired": func(r *http.Request) *http.Response {
			return sitetest.Answer(r, http.StatusUnauthorized, "", "WWW-Authenticate", `Bearer realm="x", error_description="message+expired"`)
		},
		"object moved": page(http.StatusFound, "Object moved", "Location", "/docs/Login.aspx", "Content-Type", "text/html; charset=utf-8"),
		"login page":   page(http.StatusOK, "Exact Online - Log in", "Content-Type", "text/html; charset=utf-8"),
		"moved, 200":   page(http.StatusOK, "Object moved", "Content-Type", "text/html; charset=utf-8"),
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{Records: 1200, Limits: "off"}, func(t *testing.T, s *site) {
				var old string
				out := s.run(ask{Only: thin(syncs), Network: nth("/sync/", func(n int, r *http.Request) *http.Response {
					if n == 3 {
						old = r.Header.Get("Authorization")
					}
					if old != "" && r.Header.Get("Authorization") == old { // until there is another one
						return refusal(r)
					}
					return nil
				})}).Complete()
				require.Len(t, calls(out, "token", ""), 2, "the first token and the new one")
				for _, name := range syncs {
					s.covers(name, "ID", out)
				}
			})
		})
	}
}

// TestTokenEndpoint: a token that is refused although it is young cannot be
// replaced (CLIENT: TooEarlyToRefreshTokens) and is tried again; an empty answer
// is asked for again (CLIENT HG).
func TestTokenEndpoint(t *testing.T) {
	for faults, most := range map[string]int{"stale-token=1@" + accounts: 2, "empty=2@token": 3} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{accounts}}).Complete()
				require.Len(t, calls(out, "token", ""), most)
				s.covers(accounts, "ID", out)
			})
		})
	}
}

// TestTokenIsRenewedInTime: a run that is longer than a token's life (600 s, DOC)
// never shows an expired one, and never asks for the next too early (570 s, DOC).
func TestTokenIsRenewedInTime(t *testing.T) {
	visit(t, emulator.Options{Latency: 8 * time.Second}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"sync_*.Timestamp"}}).Complete()
		require.Greater(t, out.Took, 10*time.Minute)
		tokens := calls(out, "token", "")
		require.Len(t, tokens, int(out.Took/(570*time.Second))+1)
		for _, e := range tokens {
			require.Equal(t, http.StatusOK, e.Status)
		}
		require.Zero(t, out.Stats.ByStatus["401"])
		t.Logf("%s, %d tokens", out.Took, len(tokens))
	})
}

// TestTrouble: what another try mends, and what the account does not have.
func TestTrouble(t *testing.T) {
	visit(t, emulator.Options{Faults: "503=3@sync_crm_accounts,500=2@vat_vat_codes,cut=1@vat_vat_percentages,404@financial_journals"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"sync_crm_accounts", "vat_*", "financial_journals"}})
		require.NoError(t, out.Report.Err)
		for _, r := range out.Report.Streams {
			require.Equal(t, r.Stream == "financial_journals", r.Err != nil, "%s: %v", r.Stream, r.Err)
		}
		r := out.Result("financial_journals")
		require.True(t, r.Skipped && r.Absent)
		require.EqualValues(t, 2, out.Stats.ByStatus["404"], "each division is asked once")
		require.EqualValues(t, 3, out.Stats.ByStatus["503"])
		s.covers("sync_crm_accounts", "ID", out)
	})
}

// stale is the catalog of a stream with further fields, which the service does
// not know.
func stale(s *site, name string, fields ...string) []byte {
	s.Helper()
	c, err := engine.Catalog(source, source.Streams)
	require.NoError(s, err)
	for i := range c.Streams {
		e := &c.Streams[i]
		e.Root().Set("selected", json.RawMessage(map[bool]string{true: "true", false: "false"}[e.TapStreamID == name]))
		if e.TapStreamID == name {
			for _, f := range fields {
				e.Schema.Properties = append(e.Schema.Properties, singer.Property{Name: f, Schema: &singer.Schema{Type: "string", Nullable: true}})
				e.Metadata = append(e.Metadata, singer.Metadata{Breadcrumb: []string{"properties", f}})
				e.Field(f).Set("selected", json.RawMessage("true"))
			}
		}
	}
	return c.AppendJSON(nil)
}

// TestStaleField: a field of an older catalog costs one refusal, not the stream.
func TestStaleField(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			visit(t, emulator.Options{Latency: 20 * time.Millisecond}, func(t *testing.T, s *site) {
				out := s.run(ask{Catalog: stale(s, "sync_crm_accounts", "FaxNumber2"), Concurrency: concurrency}).Complete()
				require.LessOrEqual(t, out.Stats.ByStatus["400"], int64(min(concurrency, 2)), "one for each division that asks at the same time")
				require.GreaterOrEqual(t, out.Stats.ByStatus["400"], int64(1))
				require.Len(t, out.Warnings("FaxNumber2"), 1)
				s.covers("sync_crm_accounts", "ID", out)
				for _, r := range of(out, "sync_crm_accounts", "") {
					require.Equal(t, "null", string(r.Row["FaxNumber2"]))
					require.NotContains(t, r.Row, "FaxNumber3")
				}
				clean := 0
				for _, e := range calls(out, "sync_crm_accounts", "") {
					if !strings.Contains(e.Query, "FaxNumber2") {
						clean++
					}
				}
				require.Equal(t, 2, clean, "one good call in each division")
			})
		})
	}
}

// TestManyStaleFields: a catalog that is all wrong fails its stream before the
// vendor locks the key.
func TestManyStaleFields(t *testing.T) {
	visit(t, emulator.Options{Limits: "real"}, func(t *testing.T, s *site) {
		var names []string
		for k := range 20 {
			names = append(names, "Gone"+string(rune('A'+k)))
		}
		out := s.run(ask{Catalog: stale(s, "sync_crm_accounts", names...)})
		require.NoError(t, out.Report.Err)
		r := out.Result("sync_crm_accounts")
		t.Logf("%d refusals: %v", out.Stats.ByStatus["400"], r.Err)
		require.LessOrEqual(t, out.Stats.ByStatus["400"], int64(10))
		if r.Err != nil {
			require.Equal(t, fault.Refused, fault.KindOf(r.Err))
			require.Contains(t, r.Err.Error(), "Gone")
		}
	})
}
