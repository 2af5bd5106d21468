package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// FuzzAnswer reads any answer of a token endpoint: what is granted can be sent and
// lives no longer than can be counted, what is refused tells why in a short line,
// and no token that came is shown.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		status int
		header string
		body   string
	}{
		{200, "", `{"access_token":"a1b2c3d4e5f6","refresh_token":"r1s2t3u4v5w6","expires_in":"600"}`},
		{200, "", "\ufeff" + `{"access_token":"a1b2c3d4e5f6","expires_in":3600000,"expires_in_sec":3600,"api_domain":"https://x"}`},
		{200, "", `{"access_token":"a1b2\r\nX: y","expires_in":1e300}`},
		{200, "", `{"access_token":"","expires_in":-1}`},
		{200, "", `{"error":"Access Denied","status":"failure"}`},
		{400, "Reason: TooEarlyToRefreshTokens", `{"error":"access_denied"}`},
		{400, "", `{"error":"invalid_grant","error_description":"r1s2t3u4v5w6 is not known"}`},
		{400, "", `{"fault":{"faultstring":"x"},"ErrorMessage":["y"],"Message":7}`},
		{401, "", `{"error":"invalid_client"}`},
		{404, "", `<html>`},
		{429, "Retry-After: 1e300", ``},
		{503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", ``},
		{200, "", `[]`},
		{200, "", `{"access_token":"6","a":7e600}`},
		{200, "", `{"expires_in":"NaN"} x`},
	} {
		f.Add(seed.status, seed.header, []byte(seed.body))
	}
	src := &stream.Source{Name: "acme", Origin: func(stream.Config) string { return "https://acme.example" }, Auth: stream.OAuth{
		Token: "/token", ClientID: "id", ClientSecret: "secret", RefreshToken: "refresh_token", Keep: []string{"api_domain"}, MinAge: time.Minute, Rotates: true,
	}}
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		var known []string
		o, err := NewOAuth(OAuthOptions{
			Source: src,
			Lookup: func(key string) secret.Text {
				return secret.New(map[string]string{"id": "app", "secret": "s", "refresh_token": "r"}[key])
			},
			Known: func(list ...secret.Text) {
				for _, s := range list {
					known = append(known, s.Reveal())
				}
			},
			Mask: func(s string) string {
				for _, k := range known {
					if len(k) >= 4 { // as the one that runs have: what is shorter stands in any text
						s = strings.ReplaceAll(s, k, "***")
					}
				}
				return s
			},
		})
		require.NoError(t, err)
		h := http.Header{}
		if name, value, ok := strings.Cut(header, ":"); ok {
			h.Set(name, strings.TrimSpace(value))
		}
		a, err := o.judge(&stream.Response{Status: status, Header: h, Body: body})
		if err == nil {
			require.True(t, status >= 200 && status < 300)
			var plain map[string]any
			d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff")))
			d.UseNumber() // of any size
			require.NoError(t, d.Decode(&plain))
			require.Equal(t, plain["access_token"], a.access.Reveal())
			if r, ok := plain["refresh_token"].(string); ok {
				require.Equal(t, r, a.refresh.Reveal())
			}
			require.NotEmpty(t, a.access.Reveal())
			require.False(t, strings.ContainsFunc(a.access.Reveal(), unicode.IsControl))
			require.True(t, a.lifetime >= 0 && a.lifetime <= longestLife)
			now := time.Unix(1_700_000_000, 0)
			e := o.entryOf(entry{refresh: secret.New("r")}, a, now, now)
			require.False(t, e.refresh.Empty(), "the token at hand stays")
			require.False(t, !e.expires.IsZero() && e.expires.Before(now))
			return
		}
		require.Nil(t, a)
		if errors.Is(err, stream.TooEarly) {
			return
		}
		e := fault.As(err)
		require.NotNil(t, e, "%v", err)
		require.NotEqual(t, fault.Internal, e.Kind)
		require.NotEmpty(t, e.Hint)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
		said := e.Error()
		require.Less(t, len(said), 12<<10)
		require.False(t, strings.ContainsFunc(said, unicode.IsControl), "%q", said)
		var m map[string]any
		if json.Unmarshal(body, &m) == nil {
			for _, name := range []string{"access_token", "refresh_token"} {
				if s, ok := m[name].(string); ok && len(s) >= 8 && !strings.Contains(s, "***") {
					require.NotContains(t, said, s)
				}
			}
		}
	})
}
