package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// vendor is a token endpoint that rotates as Exact Online does: one refresh
// token is good at a time, reuse is refused, and so is what comes too early.
type vendor struct {
	minAge, life time.Duration
	keeps        bool // refresh tokens are not rotated
	strange      func(n int, form url.Values) *stream.Response
	committed    func() // a new token is made, nobody has seen it

	mu       sync.Mutex
	asked    []time.Time
	forms    []url.Values
	n        int    // tokens made
	good     string // the one refresh token
	made     time.Time
	refusals []string
}

func newVendor() *vendor {
	return &vendor{minAge: 570 * time.Second, life: 600 * time.Second, good: "refresh-token-0"}
}

const clientSecret = "client-s3cret"

func reply(status int, v any, headers ...string) *stream.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	body, ok := v.(string)
	if !ok {
		b, _ := json.Marshal(v)
		body = string(b)
	}
	return &stream.Response{Status: status, Header: h, Body: []byte(body)}
}

func oauthError(status int, code, text string, headers ...string) *stream.Response {
	return reply(status, map[string]string{"error": code, "error_description": text}, headers...)
}

func (v *vendor) answer(f url.Values) *stream.Response {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, time.Now())
	v.forms = append(v.forms, f)
	if v.strange != nil {
		if r := v.strange(len(v.asked), f); r != nil {
			return r
		}
	}
	return v.grant(f)
}

// grant needs mu.
func (v *vendor) grant(f url.Values) *stream.Response {
	refuse := func(r *stream.Response) *stream.Response {
		v.refusals = append(v.refusals, string(r.Body))
		return r
	}
	switch {
	case f.Get("client_id") != "app" || f.Get("client_secret") != clientSecret:
		return refuse(oauthError(400, "invalid_client", "The client is unknown."))
	case f.Get("grant_type") == "authorization_code":
		if f.Get("code") != "c!ode" {
			return refuse(oauthError(400, "invalid_grant", "The code is not known."))
		}
	case f.Get("refresh_token") != v.good:
		return refuse(oauthError(401, "unauthorized_client", "Old refresh token used."))
	case v.minAge > 0 && time.Since(v.made) < v.minAge:
		return refuse(oauthError(400, "access_denied", "Rate limit exceeded: access_token not expired",
			"Reason", "TooEarlyToRefreshTokens: Rate limit exceeded: access_token not expired"))
	}
	v.n++
	v.made = time.Now()
	out := map[string]any{"access_token": v.access(), "token_type": "Bearer", "expires_in": strconv.FormatFloat(v.life.Seconds(), 'f', -1, 64)}
	if !v.keeps {
		v.good = fmt.Sprintf("refresh-token-%d", v.n)
		out["refresh_token"] = v.good
	}
	if v.committed != nil {
		v.committed()
	}
	return reply(200, out)
}

func (v *vendor) access() string { return fmt.Sprintf("access-token-%d", v.n) }

// ServeHTTP implements http.Handler.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	a := v.answer(r.PostForm)
	for k := range a.Header {
		w.Header().Set(k, a.Header.Get(k))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

func (v *vendor) requests() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.asked)
}

// formOf reads the form that a request would send.
func formOf(req *stream.Request) url.Values {
	f := url.Values{}
	for _, p := range req.Params {
		if p.In == stream.InForm {
			f.Add(p.Name, p.Value)
		}
	}
	return f
}

// exact is the table of Exact Online as far as this package looks at it.
func exact() *stream.Source {
	return &stream.Source{
		Name:   "exact_online",
		Origin: func(stream.Config) string { return "https://start.exactonline.nl" },
		Base:   "/api/v1/",
		Auth: stream.OAuth{
			Token: "/api/oauth2/token", Authorize: "/api/oauth2/auth",
			ClientID: "client_id", ClientSecret: "client_secret", RefreshToken: "refresh_token", RedirectURI: "redirect_uri",
			Prefix: "Bearer ", Rotates: true, MinAge: 570 * time.Second, Early: 30 * time.Second,
		},
	}
}

// rig is a vendor, a table and a config.
type rig struct {
	*vendor
	src    *stream.Source
	config map[string]string
	opt    OAuthOptions
	known  []secret.Text
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{vendor: newVendor(), src: exact(), config: map[string]string{
		"client_id": "app", "client_secret": clientSecret, "refresh_token": "refresh-token-0",
	}}
	r.opt = OAuthOptions{
		Source: r.src, Store: filepath.Join(t.TempDir(), "tokens.json"),
		Lookup: func(k string) secret.Text { return secret.New(r.config[k]) },
		Ask: func(_ context.Context, req *stream.Request) (*stream.Response, error) {
			return r.answer(formOf(req)), nil
		},
		Known: func(s ...secret.Text) { r.known = append(r.known, s...) },
		Mask: func(s string) string {
			for _, k := range r.known {
				if !k.Empty() {
					s = strings.ReplaceAll(s, k.Reveal(), "***")
				}
			}
			return s
		},
	}
	return r
}

// rules changes the table.
func (r *rig) rules(change func(*stream.OAuth)) {
	a := r.src.Auth.(stream.OAuth)
	change(&a)
	r.src.Auth = a
}

func (r *rig) start(t *testing.T) *OAuth {
	t.Helper()
	o, err := NewOAuth(r.opt)
	require.NoError(t, err)
	return o
}

// apply is what a request would send, "" where it is refused.
func apply(ctx context.Context, o *OAuth) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://host/", http.NoBody)
	if err != nil {
		return "", err
	}
	err = o.Apply(ctx, req)
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), err
}

// refresh is what follows the refusal of a token.
func refresh(ctx context.Context, o *OAuth, token string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://host/", http.NoBody)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return o.Refresh(ctx, req, reply(401, ""))
}

// stored reads the entry that the store has.
func (r *rig) stored(t *testing.T) entryJSON {
	t.Helper()
	data, _, err := readWhole(r.opt.Store)
	require.NoError(t, err)
	var file struct{ Tokens []entryJSON }
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Tokens)
	return file.Tokens[0]
}
