package httpx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestForm(t *testing.T) {
	s := play(`{}`)
	c := client(t, s)
	_, err := c.Do(t.Context(), &stream.Request{Method: "POST", URL: "x", Params: []stream.Param{
		{Name: "grant_type", Value: "refresh_token", In: stream.InForm},
		{Name: "q", Value: "1", In: stream.InQuery},
		{Name: "refresh_token", Value: "a b!&=+ä/", In: stream.InForm},
	}}, Call{Anonymous: true})
	require.NoError(t, err)
	require.Equal(t, base+"x?q=1", s.asked[0].url)
	require.Equal(t, "grant_type=refresh_token&refresh_token=a+b%21%26%3D%2B%C3%A4%2F", s.asked[0].body)
	require.Equal(t, "application/x-www-form-urlencoded", s.asked[0].header.Get("Content-Type"))

	_, err = c.Fetch(t.Context(), &stream.Request{Method: "POST", URL: "x", Params: []stream.Param{{Name: "a", In: stream.InForm}, {Name: "b"}}})
	require.Equal(t, fault.Internal, fault.KindOf(err))
	require.Len(t, s.asked, 1)
}

func TestStale(t *testing.T) {
	const login = "<html><title>Login</title>"
	page := func(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return answer(status, body, headers...), nil }
	}
	stale := func(r *stream.Response) error {
		switch {
		case r.Status == 401 && strings.Contains(r.Header.Get("WWW-Authenticate"), "expired"),
			r.Status == 302, bytes.HasPrefix(r.Body, []byte("<html")), strings.HasPrefix(string(r.Body), `{"error":"cut`):
			return stream.Stale
		case r.Status == 401:
			return fault.New(fault.Permission, "no access", "deselect it")
		}
		return nil
	}
	for _, tc := range []struct {
		name  string
		steps []any
		asked int // renewals
		sent  int
		kind  fault.Kind // Internal: none
	}{
		{"401 that says so", []any{page(401, "", "WWW-Authenticate", `Bearer error_description="access%20token%20expired"`), good}, 1, 2, fault.Internal},
		{"401 that says something else", []any{page(401, ""), good}, 0, 1, fault.Permission},
		{"a redirect to the login", []any{page(302, "", "Location", "https://login.example/"), good}, 1, 2, fault.Internal},
		{"the login page", []any{page(200, login), good}, 1, 2, fault.Internal},
		{"twice", []any{page(200, login)}, 1, 2, fault.Auth},
		{"twice, as a redirect", []any{page(302, "")}, 1, 2, fault.Auth},
		{"half a body", []any{page(200, `{"error":"cut`), good}, 0, 2, fault.Internal},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &renewing{again: true}
				s := play(tc.steps...)
				c := client(t, s, func(o *Options) { o.Auth = a }, classify(stale))
				_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
				require.Equal(t, tc.asked, a.asked)
				require.Len(t, s.asked, tc.sent)
				if tc.kind == fault.Internal {
					require.NoError(t, err)
					return
				}
				require.Equal(t, tc.kind, fault.KindOf(err), "%v", err)
				require.Equal(t, tc.kind == fault.Auth, fault.As(err).Whole)
			})
		})
	}
	t.Run("credentials that cannot be renewed", func(t *testing.T) {
		f := refused(t, client(t, play(page(302, "")), classify(stale)), "x", fault.Auth)
		require.Contains(t, f.Hint, "check token")
	})
}

func TestUnknownField(t *testing.T) {
	c := client(t, play(400), classify(func(*stream.Response) error { return &stream.UnknownField{Names: []string{"Bic"}} }))
	_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
	u, ok := errors.AsType[*stream.UnknownField](err)
	require.True(t, ok)
	require.Equal(t, []string{"Bic"}, u.Names)
	require.Equal(t, fault.Refused, fault.KindOf(err))
	require.ErrorContains(t, err, "Nope.")
}

// signedIn is a table with OAuth; accounts is the host of its token endpoint, ""
// for the source's own.
func signedIn(accounts string) *stream.Source {
	src := source()
	a := stream.OAuth{
		Token: "/oauth/token", Authorize: "/oauth/auth", Prefix: "Bearer ", Rotates: true, Early: time.Minute,
		ClientID: "client_id", ClientSecret: "client_secret", RefreshToken: "refresh_token",
	}
	if accounts != "" {
		a.Origin = func(stream.Config) string { return accounts }
	}
	src.Auth = a
	return src
}

func TestOAuth(t *testing.T) {
	const granted = `{"access_token":"access-1","refresh_token":"refresh-1","expires_in":"600"}`
	for _, tc := range []struct {
		name, accounts, apiURL string
		token, rows            string
	}{
		{"the source's own host", "", "", "https://s12.acme.example/oauth/token", base + "x"},
		{"below api_url", "", "http://127.0.0.1:9/acme/", "http://127.0.0.1:9/acme/oauth/token", "http://127.0.0.1:9/acme/acme%20inc/api/v1.0/x"},
		{"a host of its own", "https://accounts.example", "", "https://accounts.example/oauth/token", base + "x"},
		{"with a path", "http://127.0.0.1:9/accounts/", "http://127.0.0.1:9/acme", "http://127.0.0.1:9/accounts/oauth/token", "http://127.0.0.1:9/acme/acme%20inc/api/v1.0/x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := play(granted, `[1]`)
			var log bytes.Buffer
			opt := Options{
				Source: signedIn(tc.accounts), Config: config.With([]stream.Param{{Name: "client_id", Value: "the-app"}}), APIURL: tc.apiURL, Transport: s,
				Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			var known []string
			a, err := Authenticator(opt, auth.OAuthOptions{
				Lookup: func(k string) secret.Text {
					return secret.New(map[string]string{"client_secret": "the-s3cret", "refresh_token": "refresh-0"}[k])
				},
				Store: filepath.Join(t.TempDir(), "tokens.json"),
				Known: func(s ...secret.Text) {
					for _, k := range s {
						known = append(known, k.Reveal())
					}
				},
			})
			require.NoError(t, err)
			opt.Auth = a
			c, err := New(opt)
			require.NoError(t, err)
			_, err = c.Fetch(t.Context(), &stream.Request{URL: "x"})
			require.NoError(t, err)
			require.Len(t, s.asked, 2)
			require.Equal(t, "POST", s.asked[0].method)
			require.Equal(t, tc.token, s.asked[0].url)
			form, err := url.ParseQuery(s.asked[0].body)
			require.NoError(t, err)
			require.Equal(t, url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {"refresh-0"}, "client_id": {"the-app"}, "client_secret": {"the-s3cret"},
			}, form)
			require.NotContains(t, s.asked[0].header, "Authorization")
			require.Equal(t, tc.rows, s.asked[1].url)
			require.Equal(t, "Bearer access-1", s.asked[1].header.Get("Authorization"))
			require.Subset(t, known, []string{"access-1", "refresh-1", "the-s3cret", "refresh-0"})
			for _, k := range known {
				if k != "" {
					require.NotContains(t, log.String(), k)
					require.NotContains(t, c.Redactor().Redact(k), k)
				}
			}
		})
	}
}

// TestOAuthFaults are the ends of a run whose tokens cannot be renewed.
func TestOAuthFaults(t *testing.T) {
	signIn := "tap-backoffice auth acme --config FILE"
	dead := func(*http.Request) (*http.Response, error) {
		return answer(401, `{"error":"unauthorized_client","error_description":"Old refresh token used: refresh-0"}`), nil
	}
	for _, tc := range []struct {
		name  string
		steps []any
		kind  fault.Kind
		sent  int
		hint  string
	}{
		{"the grant is dead", []any{dead}, fault.Auth, 1, signIn},
		{"no token endpoint", []any{404}, fault.Config, 1, "api_url"},
		{"nobody is there", []any{errors.New("reset")}, fault.Transient, 5, ""},
		{"the answer is empty", []any{""}, fault.Contract, 5, ""},
		{"new tokens are refused", []any{
			`{"access_token":"access-1","refresh_token":"refresh-1"}`, 401,
			`{"access_token":"access-2","refresh_token":"refresh-2"}`, 401,
		}, fault.Auth, 4, signIn},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(tc.steps...)
				opt := Options{Source: signedIn(""), Config: config, Transport: s}
				a, err := Authenticator(opt, auth.OAuthOptions{
					Lookup: func(k string) secret.Text {
						return secret.New(map[string]string{"client_id": "app", "client_secret": "the-s3cret", "refresh_token": "refresh-0"}[k])
					},
					Store: filepath.Join(t.TempDir(), "tokens.json"),
				})
				require.NoError(t, err)
				opt.Auth = a
				c, err := New(opt)
				require.NoError(t, err)
				_, err = c.Fetch(t.Context(), &stream.Request{URL: "x"})
				f := fault.As(err)
				require.NotNil(t, f, "%v", err)
				require.Equal(t, tc.kind, f.Kind, "%v", err)
				require.True(t, f.Whole, "%v", err)
				require.Len(t, s.asked, tc.sent)
				require.Contains(t, f.Hint, tc.hint)
				require.NotContains(t, f.Error(), "refresh-0")
			})
		})
	}
	t.Run("the context's cause stays what it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cause := errors.New("the user left")
			ctx, stop := context.WithCancelCause(t.Context())
			opt := Options{Source: signedIn(""), Config: config, Transport: wire(func(r *http.Request) (*http.Response, error) {
				stop(cause)
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}
			a, err := Authenticator(opt, auth.OAuthOptions{
				Lookup: func(k string) secret.Text { return secret.New("value-of-" + k) },
				Store:  filepath.Join(t.TempDir(), "tokens.json"),
			})
			require.NoError(t, err)
			opt.Auth = a
			c, err := New(opt)
			require.NoError(t, err)
			_, err = c.Fetch(ctx, &stream.Request{URL: "x"})
			require.Equal(t, cause, err)
		})
	})
	_, err := Authenticator(Options{Source: signedIn("http://elsewhere.example"), Config: config}, auth.OAuthOptions{Lookup: func(k string) secret.Text { return secret.New("v-" + k) }})
	require.Equal(t, fault.Config, fault.KindOf(err))
}
