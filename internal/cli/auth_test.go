package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// signInSite is a vendor's sign-in page and token endpoint.
type signInSite struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
}

func newSignInSite(t *testing.T) *signInSite {
	t.Helper()
	s := &signInSite{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /acme/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		s.mu.Lock()
		s.forms = append(s.forms, r.PostForm)
		s.mu.Unlock()
		if r.PostForm.Get("grant_type") == "authorization_code" && r.PostForm.Get("code") != "stamp+NL!a/b" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"The code is not known."}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"acc3ss-token","refresh_token":"r3fresh-token","expires_in":"600"}`)
	})
	mux.HandleFunc("GET /acme/api/rows", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer acc3ss-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `[]`)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// signInSource is a table that wants a person to sign in, and one that does not.
func signInSources() []*stream.Source {
	return []*stream.Source{
		{
			Name: "acme", Title: "Acme", Base: "/api/",
			Origin: func(stream.Config) string { return "https://acme.example" },
			Settings: []stream.Setting{
				{Key: "client_id", Kind: stream.Secret, Required: true},
				{Key: "client_secret", Kind: stream.Secret, Required: true},
				{Key: "refresh_token", Kind: stream.Secret},
				{Key: "redirect_uri"},
			},
			Auth: stream.OAuth{
				Token: "/token", Authorize: "/authorize", Prefix: "Bearer ", Rotates: true,
				ClientID: "client_id", ClientSecret: "client_secret", RefreshToken: "refresh_token", RedirectURI: "redirect_uri",
				AuthorizeParams: []stream.Param{{Name: "scope", Value: "read all"}},
			},
			Streams: []stream.Stream{{Name: "rows", Path: "rows", Selected: true, Key: []string{"id"}, Page: stream.Single{}, Schema: &stream.Schema{}}},
			Probe:   "rows",
		},
		{
			Name: "plain", Title: "Plain", Base: "/",
			Origin:   func(stream.Config) string { return "https://plain.example" },
			Settings: []stream.Setting{{Key: "token", Kind: stream.Secret, Required: true}},
			Auth:     stream.HeaderAuth{Header: "Authorization", Key: "token"},
		},
	}
}

// console is a command at work: what it says can be waited for.
type console struct {
	mu    sync.Mutex
	said  bytes.Buffer
	heard chan struct{} // closed when more was said
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.heard)
	c.heard = make(chan struct{})
	return c.said.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// until waits for a text and returns what its group matches.
func (c *console) until(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		c.mu.Lock()
		m, more := re.FindStringSubmatch(c.said.String()), c.heard
		c.mu.Unlock()
		if m != nil {
			return m[1]
		}
		select {
		case <-more:
		case <-t.Context().Done():
			return ""
		}
	}
}

// session runs one command.
type session struct {
	console
	in   *io.PipeWriter
	code chan int
}

func startSession(t *testing.T, config map[string]string, args ...string) *session {
	t.Helper()
	return startWith(t, signInSources(), config, nil, io.Discard, args...)
}

// startWith runs a command of some sources with a config and what goes into it
// besides.
func startWith[V any](t *testing.T, sources []*stream.Source, config, more map[string]V, out io.Writer, args ...string) *session {
	t.Helper()
	values := maps.Clone(config)
	maps.Copy(values, more)
	text, err := json.Marshal(values)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "c.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	s := &session{console: console{heard: make(chan struct{})}, in: w, code: make(chan int, 1)}
	a := &app{
		sources: sources, program: "tap-backoffice", in: r, out: &stdout{w: out}, err: &stderr{w: s},
		env: func(string) (string, bool) { return "", false },
	}
	a.log = newLog(a.err)
	go func() { s.code <- a.run(t.Context(), append(args, "--config", file)) }()
	return s
}

const addressLine = `(?m)^(http\S+authorize\?\S+)$`

func (s *session) address(t *testing.T) (*url.URL, url.Values) {
	t.Helper()
	u, err := url.Parse(s.until(t, addressLine))
	require.NoError(t, err)
	query := u.Query()
	return u, query
}

// nothingSecret wants none of the credentials in what was said.
func (s *session) nothingSecret(t *testing.T) {
	t.Helper()
	for _, secret := range []string{"cl1ent-s3cret", "acc3ss", "r3fresh", "stamp+NL", "stamp%2BNL"} {
		require.NotContains(t, s.String(), secret)
	}
}

func acmeConfig(t *testing.T, site *signInSite) map[string]string {
	return map[string]string{
		"api_url": site.URL + "/acme", "client_id": "the-app", "client_secret": "cl1ent-s3cret",
		"redirect_uri": "https://back.example/here?tenant=1", "token_store": filepath.Join(t.TempDir(), "tokens.json"),
	}
}

// TestAuthByPasting is the way of a redirect address that is not this machine.
func TestAuthByPasting(t *testing.T) {
	for _, tc := range []struct {
		name   string
		paste  string // {state} is replaced; "" ends stdin
		code   int
		says   string
		tokens bool
	}{
		{"whole", "https://back.example/here?tenant=1&code=stamp+NL%21a%2Fb&state={state}\n", 0, "signed in: the tokens are in", true},
		{"without a line end, with a fragment", "https://back.example/here?state={state}&code=stamp%2BNL!a/b#_", 0, "signed in", true},
		{"a code that is not known", "https://back.example/here?code=stale&state={state}\n", 3, "The code is not known", false},
		{"another state", "https://back.example/here?code=stamp+NL%21a%2Fb&state=x{state}\n", 3, "belongs to another sign-in", false},
		{"no state", "stamp+NL%21a%2Fb\n", 3, "belongs to another sign-in", false},
		{"refused", "https://back.example/here?error=access_denied&error_description=The+user+said+no&state={state}\n", 3, `access_denied: The user said no`, false},
		{"no code", "https://back.example/here?state={state}\n", 3, "holds no code", false},
		{"end of stdin", "", 2, "stdin has ended", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := newSignInSite(t)
			config := acmeConfig(t, site)
			s := startSession(t, config, "auth", "acme")
			u, q := s.address(t)
			require.Equal(t, site.URL+"/acme/authorize", u.Scheme+"://"+u.Host+u.Path)
			require.Equal(t, "the-app", q.Get("client_id"), "though the config calls it a secret")
			require.Equal(t, config["redirect_uri"], q.Get("redirect_uri"))
			require.Equal(t, "code", q.Get("response_type"))
			require.Equal(t, "read all", q.Get("scope"))
			require.GreaterOrEqual(t, len(q.Get("state")), 20)
			_, _ = io.WriteString(s.in, strings.ReplaceAll(tc.paste, "{state}", q.Get("state")))
			_ = s.in.Close()
			require.Equal(t, tc.code, <-s.code, s.String())
			require.Contains(t, s.String(), tc.says)
			s.nothingSecret(t)
			if !tc.tokens {
				require.NoFileExists(t, config["token_store"])
				return
			}
			require.Equal(t, url.Values{
				"grant_type": {"authorization_code"}, "code": {"stamp+NL!a/b"}, "redirect_uri": {config["redirect_uri"]},
				"client_id": {"the-app"}, "client_secret": {"cl1ent-s3cret"},
			}, site.forms[0])
			data, err := os.ReadFile(config["token_store"])
			require.NoError(t, err)
			require.Contains(t, string(data), "r3fresh-token")

			// The config needs no refresh token now, and the run asks for none.
			run := startSession(t, config, "check", "acme")
			require.Zero(t, <-run.code, run.String())
			require.Len(t, site.forms, 1)
		})
	}
}

// TestAuthOnLoopback has the browser come back by itself.
func TestAuthOnLoopback(t *testing.T) {
	get := func(t *testing.T, address string) (int, string) {
		t.Helper()
		resp, err := http.Get(address)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	for _, tc := range []struct{ name, redirect string }{
		{"an address of the config", "http://127.0.0.1:{port}/back"},
		{"localhost", "http://localhost:{port}"},
		{"none", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := newSignInSite(t)
			config := acmeConfig(t, site)
			free := httptest.NewServer(nil)
			port := free.URL[strings.LastIndexByte(free.URL, ':')+1:]
			free.Close()
			config["redirect_uri"] = strings.ReplaceAll(tc.redirect, "{port}", port)
			s := startSession(t, config, "auth", "acme")
			_ = s.in.Close() // no terminal
			_, q := s.address(t)
			s.until(t, `(Waiting for the browser)`)
			back := q.Get("redirect_uri")
			if tc.redirect != "" {
				require.Equal(t, config["redirect_uri"], back)
			}
			other, err := url.Parse(back)
			require.NoError(t, err)
			other.Path = "/favicon.ico"
			status, _ := get(t, other.String())
			require.Equal(t, 404, status)
			status, page := get(t, back+"?code=evil&state=guessed")
			require.Equal(t, 400, status, page)
			status, page = get(t, back+"?code=stamp%2BNL%21a%2Fb&state="+q.Get("state"))
			require.Equal(t, 200, status, page)
			require.Contains(t, page, "Signed in")
			require.Zero(t, <-s.code, s.String())
			require.FileExists(t, config["token_store"])
			require.Len(t, site.forms, 1)
			s.nothingSecret(t)
		})
	}
	t.Run("what did not work", func(t *testing.T) {
		site := newSignInSite(t)
		config := acmeConfig(t, site)
		config["redirect_uri"] = ""
		s := startSession(t, config, "auth", "acme")
		_, q := s.address(t)
		status, page := get(t, q.Get("redirect_uri")+"?code=stale&state="+q.Get("state"))
		require.Equal(t, 502, status, page)
		require.Equal(t, 3, <-s.code)
		require.Contains(t, s.String(), "The code is not known")
	})
	t.Run("a port in use", func(t *testing.T) {
		site := newSignInSite(t)
		config := acmeConfig(t, site)
		config["redirect_uri"] = site.URL + "/back"
		s := startSession(t, config, "auth", "acme")
		require.Equal(t, 2, <-s.code, s.String())
		require.Contains(t, s.String(), "choose another redirect_uri")
	})
}

// TestAuthRefuses is all that is wrong before anybody is asked.
func TestAuthRefuses(t *testing.T) {
	site := newSignInSite(t)
	config := acmeConfig(t, site)
	broken := acmeConfig(t, site)
	require.NoError(t, os.WriteFile(broken["token_store"], []byte("{"), 0o600))
	odd := acmeConfig(t, site)
	odd["redirect_uri"] = "urn:ietf:wg:oauth:2.0:oob"
	for _, tc := range []struct {
		config map[string]string
		args   []string
		says   string
	}{
		{map[string]string{"token": "t"}, []string{"auth", "plain"}, "this source has no sign-in"},
		{config, []string{"auth", "acmee"}, "did you mean acme"},
		{config, []string{"auth", "acme", "plain"}, "at most one SOURCE"},
		{map[string]string{"client_id": "a"}, []string{"auth", "acme"}, "client_secret: expected text"},
		{broken, []string{"auth", "acme"}, "is no token store"},
		{odd, []string{"auth", "acme"}, "redirect_uri: expected an absolute http or https URL"},
		{config, []string{"check", "acme"}, "sign in: tap-backoffice auth acme --config FILE, or set refresh_token"},
	} {
		s := startSession(t, tc.config, tc.args...)
		require.Equal(t, 2, <-s.code, s.String())
		require.Contains(t, s.String(), tc.says, fmt.Sprint(tc.args))
	}
	require.Empty(t, site.forms)
}
