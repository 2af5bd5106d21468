package cli

import (
	"bytes"
	"io"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/source/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestAuthAccountView signs in at the sandbox by pasting the address, and reads
// with what the store holds then, again and again: each token is good once.
func TestAuthAccountView(t *testing.T) {
	server, err := emulator.New(emulator.Options{Records: 5}, stand.Plugin)
	require.NoError(t, err)
	site := httptest.NewServer(server.Handler())
	t.Cleanup(site.Close)
	config, err := server.Config("accountview", site.URL)
	require.NoError(t, err)
	delete(config, "refresh_token")
	config["token_store"] = filepath.Join(t.TempDir(), "tokens.json")
	start := func(more map[string]any, out io.Writer, args ...string) *session {
		return startWith(t, []*stream.Source{accountview.Source()}, config, more, out, args...)
	}
	s := start(nil, io.Discard, "accountview", "--select", "debtors")
	require.Equal(t, 2, <-s.code, "nobody has signed in yet")
	require.Contains(t, s.String(), "auth")

	s = start(nil, io.Discard, "auth", "accountview")
	address := s.until(t, `(?m)^(http\S+/ams/authorize\.aspx\?\S+)$`)
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Equal(t, "readaccountviewdata", u.Query().Get("scope"))
	require.Equal(t, "code", u.Query().Get("response_type"))
	back := consent(t, address)
	_, err = io.WriteString(s.in, back.String()+"\n")
	require.NoError(t, err)
	require.Zero(t, <-s.code, s.String())
	require.NotContains(t, s.String(), stand.ClientSecret)
	require.NotContains(t, s.String(), back.Query().Get("code"))

	for range 2 {
		var out bytes.Buffer
		s = start(nil, &out, "accountview", "--select", "debtors")
		require.Zero(t, <-s.code, s.String())
		require.Contains(t, out.String(), `"type":"RECORD","stream":"debtors"`)
	}
	var catalog bytes.Buffer
	s = start(nil, &catalog, "accountview", "--discover")
	require.Zero(t, <-s.code, s.String())
	require.Contains(t, catalog.String(), "L5_BRANCH", "a column of the company's own")
	s = start(map[string]any{"company_id": ""}, io.Discard, "accountview", "--select", "debtors")
	require.Equal(t, 2, <-s.code, "one of two companies has to be named")
	require.Contains(t, s.String(), "VBBV")
}
