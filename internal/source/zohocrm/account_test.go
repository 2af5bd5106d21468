package zohocrm

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const name = "zoho_crm"

// account is the stand-in as the vendor's hosts, and the config and token store
// of the tap that reads it, client after client.
type account struct {
	t      *testing.T
	behind *stand.Service
	server *emulator.Server
	config map[string]string
	store  string
	log    bytes.Buffer // no two clients log at a time
	// told takes the place of the answered api_domain; "-" leaves it out. org takes
	// that of the answer about the org.
	told, org string

	mu    sync.Mutex
	asked []string      // "host path", of the API
	made  int           // token requests
	delay time.Duration // of a token request, on its way
}

// visit opens the stand-in and does something there.
func visit(t *testing.T, faults string, do func(*testing.T, *account)) {
	t.Helper()
	a := &account{store: filepath.Join(t.TempDir(), "tokens.json"), told: "https://www.zohoapis.com", config: map[string]string{
		"client_id": stand.ClientID, "client_secret": stand.ClientSecret, "refresh_token": stand.RefreshToken,
		"region": "us", "environment": "production", "quota_reserve": "0",
	}}
	p := sitetest.Place{Source: Source(), Plugin: stand.Watched(&a.behind), Options: emulator.Options{Records: 10, Faults: faults}}
	sitetest.Visit(t, p, func(s *sitetest.Site) {
		a.t, a.server = s.T, s.Server
		do(s.T, a)
	})
}

// RoundTrip leads every host of the vendor's to the stand-in.
func (a *account) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	token := strings.HasPrefix(r.URL.Path, "/oauth/")
	a.mu.Lock()
	if token {
		a.made++
	} else {
		a.asked = append(a.asked, r.URL.Host+" "+r.URL.Path)
	}
	a.mu.Unlock()
	if token {
		time.Sleep(a.delay)
	}
	inner.URL.Path = "/" + name + r.URL.Path
	resp, err := a.server.Transport().RoundTrip(inner)
	if err != nil {
		return nil, err
	}
	switch {
	case token:
		err = rewrite(resp, func(body map[string]any) {
			if body["api_domain"] = a.told; a.told == "-" {
				delete(body, "api_domain")
			}
		})
	case strings.HasSuffix(r.URL.Path, "/org") && resp.StatusCode == http.StatusOK && a.org != "":
		_ = resp.Body.Close()
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(a.org)), int64(len(a.org))
	}
	return resp, err
}

func rewrite(resp *http.Response, change func(map[string]any)) error {
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	body := map[string]any{}
	if json.Unmarshal(text, &body) == nil && body["access_token"] != nil {
		change(body)
		text, err = json.Marshal(body)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return err
}

func (a *account) lookup(key string) secret.Text { return secret.New(a.config[key]) }

func (a *account) options() httpx.Options {
	src, c := Source(), stream.NewConfig(a.config)
	return httpx.Options{
		Source: src, Config: c, Transport: a, Budget: budget.New(src.Limits, budget.Options{Config: c}),
		Rand: func() float64 { return 0.5 }, Log: slog.New(slog.NewTextHandler(&a.log, nil)),
	}
}

// client is that of a run, or of another process.
func (a *account) client(change ...func(*httpx.Options)) *httpx.Client {
	a.t.Helper()
	opt := a.options()
	for _, f := range change {
		f(&opt)
	}
	var err error
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: a.lookup, Store: a.store})
	require.NoError(a.t, err)
	c, err := httpx.New(opt)
	require.NoError(a.t, err)
	return c
}

var leads = stream.Request{URL: "Leads", Resource: "leads", Params: []stream.Param{{Name: "fields", Value: "Last_Name,Modified_Time"}}}

// read asks for a page of leads.
func (a *account) read(c *httpx.Client) error {
	req := leads
	resp, err := c.Fetch(a.t.Context(), &req)
	if err == nil {
		resp.Release()
	}
	return err
}

// refused reads and expects a fault that shows no credential.
func (a *account) refused(c *httpx.Client, kind fault.Kind) *fault.Error {
	a.t.Helper()
	err := a.read(c)
	f := fault.As(err)
	require.NotNil(a.t, f, "%v", err)
	require.Equal(a.t, kind, f.Kind, "%v", err)
	require.True(a.t, f.Whole)
	require.Equal(a.t, name, f.Source)
	require.NotEmpty(a.t, f.Hint)
	for _, s := range []string{stand.ClientSecret, stand.RefreshToken} {
		require.NotContains(a.t, f.Error()+f.Hint+a.log.String(), s)
	}
	return f
}

func TestDataCentres(t *testing.T) {
	for region, domains := range map[string][2]string{
		"us": {"zoho.com", "zohoapis.com"},
		"eu": {"zoho.eu", "zohoapis.eu"},
		"in": {"zoho.in", "zohoapis.in"},
		"au": {"zoho.com.au", "zohoapis.com.au"},
		"jp": {"zoho.jp", "zohoapis.jp"},
		"cn": {"zoho.com.cn", "zohoapis.com.cn"},
		"ca": {"zohocloud.ca", "zohoapis.ca"},
		"sa": {"zoho.sa", "zohoapis.sa"},
		"uk": {"zoho.uk", "zohoapis.uk"},
	} {
		for env, label := range map[string]string{"production": "www", "sandbox": "sandbox", "developer": "developer"} {
			t.Run(region+" "+env, func(t *testing.T) {
				visit(t, "", func(t *testing.T, a *account) {
					a.config["region"], a.config["environment"] = region, env
					a.told = "https://www." + domains[1]
					require.Equal(t, "https://"+label+"."+domains[1], Source().Origin(stream.NewConfig(a.config)))
					tokens, err := httpx.OAuth(a.options(), auth.OAuthOptions{Lookup: a.lookup, Store: a.store})
					require.NoError(t, err)
					require.Regexp(t, `^https://accounts\.`+domains[0]+`/oauth/v2/auth\?access_type=offline&client_id=1000\.\w+&prompt=consent&redirect_uri=x&response_type=code&scope=ZohoCRM\.modules\.ALL%2C`,
						tokens.AuthorizeURL("x", "state"))
					require.NoError(t, a.read(a.client()))
					require.Equal(t, []string{label + "." + domains[1] + " /crm/v8/Leads"}, a.asked)
					require.Empty(t, a.log.String(), "what is as the config says is no news")
				})
			})
		}
	}
	require.Len(t, centres, 9)
}

func TestHome(t *testing.T) {
	for _, tc := range []struct {
		region, env, told string
		host, note        string // host "" for a refusal
	}{
		{"us", "production", "https://www.zohoapis.com", "www.zohoapis.com", ""},
		{"us", "production", "https://zohoapis.com/", "zohoapis.com", ""},
		{"us", "production", "HTTPS://WWW.ZohoAPIs.com:443", "www.zohoapis.com", ""},
		{"us", "production", "https://www.zohoapis.com.au", "www.zohoapis.com.au", "region au and not us"},
		{"us", "production", "https://www.zohoapis.eu", "www.zohoapis.eu", "region eu and not us"},
		{"us", "production", "https://crm.eu1.zohoapis.com", "crm.eu1.zohoapis.com", ""},
		{"us", "production", "https://sandbox.zohoapis.com", "sandbox.zohoapis.com", "environment sandbox"},
		{"eu", "production", "https://developer.zohoapis.com", "developer.zohoapis.com", "region us and not eu"},
		{"us", "sandbox", "https://www.zohoapis.com", "sandbox.zohoapis.com", ""},
		{"us", "sandbox", "https://zohoapis.com", "sandbox.zohoapis.com", ""},
		{"us", "sandbox", "https://sandbox.zohoapis.com", "sandbox.zohoapis.com", ""},
		{"us", "sandbox", "https://developer.zohoapis.com", "sandbox.zohoapis.com", ""},
		{"us", "sandbox", "https://crm.zohoapis.com", "sandbox.zohoapis.com", ""},
		{"us", "developer", "https://www.zohoapis.in", "developer.zohoapis.in", "region in and not us"},
		{"us", "production", "http://www.zohoapis.com", "", ""},
		{"us", "production", "https://www.zohoapis.com.evil.example", "", ""},
		{"us", "production", "https://evilzohoapis.com", "", ""},
		{"us", "production", "https://www.zohoapis.com@evil.example", "", ""},
		{"us", "production", "https://evil.example/www.zohoapis.com", "", ""},
		{"us", "production", `https://evil.example\.zohoapis.com`, "", ""},
		{"us", "production", "https://www.zohoapis.com:8443", "", ""},
		{"us", "production", "https://www.zohoapis.com/crm", "", ""},
		{"us", "production", "https://www.zohoapis.com?x", "", ""},
		{"us", "production", "https://.zohoapis.com", "", ""},
		{"us", "production", "https://www.zohoapis.com.", "", ""},
		{"us", "production", "www.zohoapis.com", "", ""},
		{"us", "sandbox", "https://accounts.zoho.com", "", ""},
	} {
		c := stream.NewConfig(map[string]string{"region": tc.region, "environment": tc.env})
		origin, note, err := home(c, func(n string) string { return map[string]string{"api_domain": tc.told}[n] })
		if tc.host == "" {
			require.Equal(t, fault.Contract, fault.KindOf(err), tc.told)
			require.ErrorContains(t, err, strconv.Quote(tc.told))
			require.Empty(t, origin)
			continue
		}
		require.NoError(t, err, tc.told)
		require.Equal(t, "https://"+tc.host, origin)
		require.Contains(t, note, tc.note)
		require.Equal(t, tc.note == "", note == "", "%s: %s", tc.told, note)
	}
	origin, note, err := home(stream.Config{}, func(string) string { return "" })
	require.NoError(t, err)
	require.Empty(t, origin+note, "an older entry of the store")
}

// TestAPIDomain: requests go where the token answer says.
func TestAPIDomain(t *testing.T) {
	t.Run("another region", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.told = "https://www.zohoapis.eu"
			c := a.client()
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := a.read(c); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.Len(t, a.asked, 8)
			require.Equal(t, strings.Repeat("www.zohoapis.eu /crm/v8/Leads\n", 8), strings.Join(a.asked, "\n")+"\n")
			require.Equal(t, 1, a.made)
			require.Equal(t, 1, strings.Count(a.log.String(), "region eu and not us"), "said once: %s", a.log.String())

			// The next run has it from the store.
			require.NoError(t, a.read(a.client()))
			require.Equal(t, "www.zohoapis.eu /crm/v8/Leads", a.asked[8])
			require.Equal(t, 1, a.made)
		})
	})
	t.Run("none of the vendor's", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.told = "https://www.zohoapis.com.evil.example"
			c := a.client()
			f := a.refused(c, fault.Contract)
			require.ErrorContains(t, f, a.told)
			_ = a.refused(c, fault.Contract)
			_ = a.refused(a.client(), fault.Contract)
			require.Empty(t, a.asked, "the token goes nowhere")
			a.told = "https://www.zohoapis.com"
			time.Sleep(time.Hour)
			require.NoError(t, a.read(c), "the next token brought a good one")
		})
	})
	t.Run("api_url wins", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.told = "https://www.zohoapis.com.evil.example"
			require.NoError(t, a.read(a.client(func(o *httpx.Options) { o.APIURL = "https://proxy.example" })))
			require.Equal(t, []string{"proxy.example /crm/v8/Leads"}, a.asked)
		})
	})
	t.Run("an older entry of the store", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.told = "-"
			c := a.client()
			require.NoError(t, a.read(c))
			a.told = "https://www.zohoapis.eu"
			require.NoError(t, a.read(c))
			require.Equal(t, "www.zohoapis.com /crm/v8/Leads", a.asked[1], "nothing is renewed for it")
			time.Sleep(time.Hour)
			require.NoError(t, a.read(c))
			require.Equal(t, "www.zohoapis.eu /crm/v8/Leads", a.asked[2])
			stored, err := os.ReadFile(a.store)
			require.NoError(t, err)
			require.Contains(t, string(stored), `"api_domain": "https://www.zohoapis.eu"`)
		})
	})
	t.Run("no production for a sandbox", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.config["environment"], a.told = "sandbox", "https://www.zohoapis.jp"
			c := a.client()
			require.NoError(t, a.read(c))
			resp, err := c.Fetch(t.Context(), &stream.Request{URL: "/crm/bulk/v8/read/1"})
			require.Error(t, err)
			require.Nil(t, resp)
			require.Equal(t, []string{"sandbox.zohoapis.jp /crm/v8/Leads", "sandbox.zohoapis.jp /crm/bulk/v8/read/1"}, a.asked)
		})
	})
	t.Run("no token, no place", func(t *testing.T) {
		visit(t, "", func(t *testing.T, a *account) {
			a.config["refresh_token"] = "1000.0.0"
			f := a.refused(a.client(), fault.Auth)
			require.Contains(t, f.Hint, "tap-backoffice auth zoho_crm")
			require.Empty(t, a.asked)
		})
	})
}
