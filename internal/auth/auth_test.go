package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func keys(m map[string]string) func(string) secret.Text {
	return func(k string) secret.Text { return secret.New(m[k]) }
}

func TestApply(t *testing.T) {
	basic := stream.BasicAuth{User: "u", Password: "p", BodyParam: "api_key", BodyKey: "k"}
	for _, tc := range []struct {
		name   string
		auth   stream.Auth
		config map[string]string
		header string
		want   string
	}{
		{"token", stream.HeaderAuth{Header: "Authorization", Prefix: "Token ", Key: "token"}, map[string]string{"token": "s3cret"}, "Authorization", "Token s3cret"},
		{"a scheme is a word", stream.HeaderAuth{Header: "Authorization", Prefix: "Bearer", Key: "token"}, map[string]string{"token": "s3cret"}, "Authorization", "Bearer s3cret"},
		{"bare", stream.HeaderAuth{Header: "X-Key", Key: "token"}, map[string]string{"token": "s3cret"}, "X-Key", "s3cret"},
		{"basic", basic, map[string]string{"u": "klient", "p": "pä:ss", "k": "tenant"}, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("klient:pä:ss"))},
		{"none", nil, nil, "Authorization", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := New(tc.auth, keys(tc.config))
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://host/", http.NoBody)
			require.NoError(t, err)
			require.NoError(t, a.Apply(t.Context(), req))
			require.Equal(t, tc.want, req.Header.Get(tc.header))
			for _, s := range []string{"s3cret", "pä:ss", "tenant"} {
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", a, a, a), s)
			}
		})
	}
	a, err := New(basic, keys(map[string]string{"u": "klient", "p": "pass", "k": "tenant"}))
	require.NoError(t, err)
	name, value := a.BodyParam()
	require.Equal(t, "api_key", name)
	require.Equal(t, "tenant", value.Reveal())
	var known []string
	for _, s := range a.Secrets() {
		known = append(known, s.Reveal())
	}
	require.ElementsMatch(t, []string{"klient", "pass", "tenant", base64.StdEncoding.EncodeToString([]byte("klient:pass"))}, known)
	_, refreshes := a.(Refresher)
	require.False(t, refreshes, "static credentials have nothing to refresh")
}

func TestNewRefuses(t *testing.T) {
	basic := stream.BasicAuth{User: "u", Password: "p", BodyParam: "api_key", BodyKey: "k"}
	for _, tc := range []struct {
		name   string
		auth   stream.Auth
		config map[string]string
		want   string
	}{
		{"no token", stream.HeaderAuth{Header: "Authorization", Key: "token"}, nil, "token is not set"},
		{"line break", stream.HeaderAuth{Header: "Authorization", Key: "token"}, map[string]string{"token": "s3cret\nX: y"}, "token holds a line break"},
		{"no user", basic, nil, "u is not set"},
		{"colon", basic, map[string]string{"u": "s3:cret", "p": "p", "k": "k"}, "u holds a colon"},
		{"no password", basic, map[string]string{"u": "s3cret"}, "p is not set"},
		{"no body key", basic, map[string]string{"u": "s3cret", "p": "s3cret"}, "k is not set"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.auth, keys(tc.config))
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, fault.Config, fault.KindOf(err))
			require.NotContains(t, err.Error(), "s3")
			require.NotEmpty(t, fault.As(err).Hint)
		})
	}
}
