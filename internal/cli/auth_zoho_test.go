package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/source/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// zohoSite is the sandbox, and a config without a refresh token.
type zohoSite struct {
	*httptest.Server
	behind *stand.Service
	config map[string]any
}

func newZohoSite(t *testing.T, faults string) *zohoSite {
	t.Helper()
	s := &zohoSite{}
	server, err := emulator.New(emulator.Options{Records: 5, Faults: faults}, stand.Watched(&s.behind))
	require.NoError(t, err)
	s.Server = httptest.NewServer(server.Handler())
	t.Cleanup(s.Close)
	s.config, err = server.Config("zoho_crm", s.URL)
	require.NoError(t, err)
	delete(s.config, "refresh_token")
	s.config["token_store"] = filepath.Join(t.TempDir(), "tokens.json")
	return s
}

// start runs a command.
func (z *zohoSite) start(t *testing.T, more map[string]any, out io.Writer, args ...string) *session {
	t.Helper()
	return startWith(t, []*stream.Source{zohocrm.Source()}, z.config, more, out, args...)
}

// consent signs in at the address and returns where the browser is led.
func consent(t *testing.T, address string) *url.URL {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusFound, resp.StatusCode)
	u, err := resp.Location()
	require.NoError(t, err)
	return u
}

const zohoAddress = `(?m)^(http\S+/oauth/v2/auth\?\S+)$`

// TestAuthZoho signs in at the sandbox, by a browser and by pasting, and reads
// with what the store holds then.
func TestAuthZoho(t *testing.T) {
	for _, tc := range []struct{ name, redirect string }{
		{"by a browser on this machine", ""},
		{"by pasting", "https://back.example/zoho?x=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			z := newZohoSite(t, "")
			more := map[string]any{"redirect_uri": tc.redirect}
			s := z.start(t, more, io.Discard, "auth", "zoho_crm")
			address := s.until(t, zohoAddress)
			u, err := url.Parse(address)
			require.NoError(t, err)
			q := u.Query()
			require.Equal(t, "offline consent", q.Get("access_type")+" "+q.Get("prompt"), "else there is no refresh token")
			back := consent(t, address)
			if tc.redirect == "" {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), http.NoBody)
				require.NoError(t, err)
				resp, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode)
			} else {
				require.Equal(t, "3 minutes", s.until(t, `paste the whole address of that page here within (\d+ \w+)`))
				_, err := io.WriteString(s.in, back.String()+"\n")
				require.NoError(t, err)
			}
			require.Zero(t, <-s.code, s.String())
			require.NotContains(t, s.String(), stand.ClientSecret)
			require.NotContains(t, s.String(), back.Query().Get("code"))
			stored, err := os.ReadFile(z.config["token_store"].(string))
			require.NoError(t, err)
			require.Contains(t, string(stored), `"api_domain": "`+z.URL+`/zoho_crm"`)

			var out bytes.Buffer
			s = z.start(t, nil, &out, "zoho_crm", "--select", "organization")
			require.Zero(t, <-s.code, s.String())
			require.Contains(t, out.String(), `"type":"RECORD","stream":"organization"`)
			require.Equal(t, 1, z.behind.Tokens(), "the run needs no token of its own")
		})
	}
	t.Run("a code that is known no more", func(t *testing.T) {
		z := newZohoSite(t, "token-status")
		s := z.start(t, map[string]any{"redirect_uri": "https://back.example/"}, io.Discard, "auth", "zoho_crm")
		back := consent(t, s.until(t, zohoAddress))
		q := back.Query()
		q.Set("code", "1000.old.code")
		back.RawQuery = q.Encode()
		_, err := io.WriteString(s.in, back.String()+"\n")
		require.NoError(t, err)
		require.Equal(t, 3, <-s.code)
		require.Contains(t, s.String(), "invalid_code")
		require.Contains(t, s.String(), "a code is good once and for minutes only")
		require.NoFileExists(t, z.config["token_store"].(string))
	})
	t.Run("an address that is none of the vendor's", func(t *testing.T) {
		z := newZohoSite(t, "")
		z.config["refresh_token"] = stand.RefreshToken
		delete(z.config, "api_url")
		s := z.start(t, nil, io.Discard, "zoho_crm", "--select", "organization")
		require.Equal(t, 6, <-s.code, s.String())
		require.Contains(t, s.String(), z.URL+"/zoho_crm", "what was told is named")
		require.Contains(t, s.String(), "none of its own (api_domain)")
		require.Empty(t, z.behind.Credits(), "nothing was asked there")
	})
}
