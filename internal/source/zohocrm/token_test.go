package zohocrm

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// another program asks for so many access tokens with the same refresh token.
func (a *account) another(n int) (refused int) {
	a.t.Helper()
	for range n {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {stand.RefreshToken}, "client_id": {stand.ClientID}, "client_secret": {stand.ClientSecret}}
		r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, "https://accounts.zoho.com/zoho_crm/oauth/v2/token", strings.NewReader(form.Encode()))
		require.NoError(a.t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := a.server.Transport().RoundTrip(r)
		require.NoError(a.t, err)
		require.NoError(a.t, rewrite(resp, func(body map[string]any) { refused-- }))
		refused++
	}
	return refused
}

// TestTokenErrors: they come with 200 or 400, in an envelope of their own.
func TestTokenErrors(t *testing.T) {
	for _, tc := range []struct {
		name, key, value string
		says, hint       string
	}{
		{"unknown client, or another data centre", "client_id", "1000.X", "invalid_client", "check client_id, and region or accounts_url"},
		{"wrong secret", "client_secret", "wr0ng", "invalid_client_secret", "check client_secret"},
		{"bad, revoked or foreign refresh token", "refresh_token", "1000.0.0", "invalid_code", "sign in again: tap-backoffice auth zoho_crm"},
	} {
		for _, faults := range []string{"", "token-status"} {
			t.Run(tc.name+" "+faults, func(t *testing.T) {
				visit(t, faults, func(t *testing.T, a *account) {
					a.config[tc.key] = tc.value
					c := a.client()
					f := a.refused(c, fault.Auth)
					require.ErrorContains(t, f, tc.says)
					require.Contains(t, f.Hint, tc.hint)
					require.Equal(t, map[string]int{"": 200, "token-status": 400}[faults], f.Status)
					_ = a.refused(c, fault.Auth)
					require.Equal(t, 1, a.made, "what is refused for good is asked once")
					require.Empty(t, a.asked)
				})
			})
		}
	}
}

func TestTokenThrottle(t *testing.T) {
	for _, faults := range []string{"", "token-status", "throttle-chinese", "token-status,throttle-chinese"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, faults, func(t *testing.T, a *account) {
				require.Zero(t, a.another(10))
				c := a.client()
				f := a.refused(c, fault.Quota)
				require.Equal(t, 30*time.Minute, f.RetryAfter)
				require.ErrorContains(t, f, "no more access tokens for now")
				_ = a.refused(c, fault.Quota)
				require.Equal(t, 1, a.made, "who throttles is left alone")
				time.Sleep(f.RetryAfter)
				require.NoError(t, a.read(a.client()))
			})
		})
	}
	t.Run("with a token that still lives", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			c := a.client()
			require.NoError(t, a.read(c))
			time.Sleep(59*time.Minute - time.Second)
			require.Zero(t, a.another(10))
			time.Sleep(time.Second)
			for range 11 {
				require.NoError(t, a.read(c))
				time.Sleep(5 * time.Second)
			}
			require.Equal(t, 2, a.made, "one try, then silence")
			time.Sleep(5 * time.Second)
			_ = a.refused(c, fault.Quota)
			require.Equal(t, 3, a.made)
		})
	})
}

// TestTokenLife: an hour, whatever expires_in counts; renewed 60 s before.
func TestTokenLife(t *testing.T) {
	for _, faults := range []string{"", "expires-ms"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, faults, func(t *testing.T, a *account) {
				c := a.client()
				began := time.Now()
				for _, step := range []struct {
					at   time.Duration
					made int
				}{
					{0, 1},
					{59*time.Minute - time.Millisecond, 1},
					{59 * time.Minute, 2},
					{118*time.Minute - time.Millisecond, 2},
					{118 * time.Minute, 3},
				} {
					time.Sleep(time.Until(began.Add(step.at)))
					require.NoError(t, a.read(a.client()), "the next run")
					require.NoError(t, a.read(c))
					require.Equal(t, step.made, a.made, "at %s", step.at)
				}
			})
		})
	}
}

func TestStaleToken(t *testing.T) {
	for _, tc := range []struct {
		faults      string
		asked, made int
		kind        fault.Kind // Internal: none
	}{
		{"stale-token=1", 2, 2, fault.Internal},
		{"stale-token", 2, 2, fault.Auth},
		{"noscope", 1, 1, fault.Permission},
	} {
		t.Run(tc.faults, func(t *testing.T) {
			visit(t, tc.faults, func(t *testing.T, a *account) {
				err := a.read(a.client())
				require.Len(t, a.asked, tc.asked)
				require.Equal(t, tc.made, a.made, "once per request")
				if tc.kind != fault.Internal {
					require.Equal(t, tc.kind, fault.KindOf(err), "%v", err)
					return
				}
				require.NoError(t, err)
			})
		})
	}
	t.Run("eight at once", func(t *testing.T) {
		visit(t, "stale-token=8", func(t *testing.T, a *account) {
			c := a.client(func(o *httpx.Options) { o.Budget = nil })
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := a.read(c); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.Equal(t, 2, a.made)
		})
	})
}

// TestRenewals: at most ten tokens in ten minutes, whichever process asks, and
// however long a request is on its way.
func TestRenewals(t *testing.T) {
	visit(t, "", func(t *testing.T, a *account) {
		a.delay = 300 * time.Millisecond
		began := time.Now()
		// run is one process, to whom the vendor refuses its own token.
		run := func() error {
			tokens, err := httpx.OAuth(a.options(), auth.OAuthOptions{Lookup: a.lookup, Store: a.store})
			require.NoError(t, err)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://www.zohoapis.com/", http.NoBody)
			require.NoError(t, err)
			require.NoError(t, tokens.Apply(t.Context(), r))
			_, err = tokens.Refresh(t.Context(), r, &stream.Response{Status: http.StatusUnauthorized})
			return err
		}
		for range 9 {
			require.NoError(t, run())
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 10, a.made)
		for range 2 {
			f := fault.As(run())
			require.NotNil(t, f)
			require.Equal(t, fault.Quota, f.Kind)
			require.True(t, f.Whole)
			require.ErrorContains(t, f, "10 access tokens were asked for within 10m0s")
			require.Equal(t, 10*time.Minute+a.delay-time.Since(began), f.RetryAfter)
		}
		require.Equal(t, 10, a.made, "the eleventh is not asked for")
		time.Sleep(time.Until(began.Add(10*time.Minute + a.delay)))
		require.NoError(t, run(), "the first is forgotten by the vendor, too")
		require.Equal(t, 11, a.made)
		require.Equal(t, 11, a.behind.Tokens())
	})
}
