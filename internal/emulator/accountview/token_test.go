package accountview

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// signIn asks for a code as a browser does.
func (a *api) signIn(pairs ...string) (reply, *url.URL) {
	a.Helper()
	given := map[string]string{
		"response_type": "code", "client_id": ClientID, "redirect_uri": RedirectURI, "scope": readScope, "state": "x y&1",
	}
	for k := 0; k < len(pairs); k += 2 {
		given[pairs[k]] = pairs[k+1]
	}
	values := url.Values{}
	for name, text := range given {
		values.Set(name, text)
	}
	r := a.Ask(http.MethodGet, mount+"/ams/Authorize.aspx?"+values.Encode(), "")
	to, err := url.Parse(r.Header.Get("Location"))
	require.NoError(a, err)
	return r, to
}

func (a *api) redeem(code string, pairs ...string) reply {
	a.Helper()
	return a.form(append([]string{
		"grant_type", "authorization_code", "code", code, "client_id", ClientID, "client_secret", ClientSecret,
	}, pairs...)...)
}

// TestSignIn: a code comes with the state, and is good once, for the address
// that it was sent to.
func TestSignIn(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"})
	r, to := a.signIn()
	require.Equal(t, http.StatusFound, r.Status)
	require.True(t, strings.HasPrefix(to.String(), RedirectURI+"?"))
	require.Equal(t, "x y&1", to.Query().Get("state"))
	code := to.Query().Get("code")
	require.NotEqual(t, code, url.QueryEscape(code), "a code has to be decoded")
	require.JSONEq(t, `{"error":"invalid_grant"}`, a.redeem(code).Body, "no redirect_uri")
	require.JSONEq(t, `{"error":"invalid_grant"}`, a.redeem(code, "redirect_uri", RedirectURI+"/").Body)
	got := a.issued(a.redeem(code, "redirect_uri", RedirectURI))
	require.Equal(t, "bearer", got.TokenType)
	require.Equal(t, readScope, got.Scope)
	require.Equal(t, http.StatusBadRequest, a.redeem(code, "redirect_uri", RedirectURI).Status)
	a.token = got.AccessToken
	require.Equal(t, http.StatusOK, a.get("companies").Status)

	for name, pairs := range map[string][]string{
		"client_id": {"client_id", "x"}, "redirect_uri": {"redirect_uri", "https://tap.example.org/"},
	} {
		r, _ := a.signIn(pairs...)
		require.Equal(t, http.StatusBadRequest, r.Status, name)
		require.Contains(t, r.Header.Get("Content-Type"), "text/html", name)
	}
	_, to = a.signIn("scope", "salesinvoice")
	require.Equal(t, "invalid_scope", to.Query().Get("error"))
	_, to = a.signIn("response_type", "x")
	require.Equal(t, "unsupported_response_type", to.Query().Get("error"))
	_, to = a.signIn("response_type", "token")
	fragment, err := url.ParseQuery(to.EscapedFragment())
	require.NoError(t, err)
	a.token = fragment.Get("access_token")
	require.Equal(t, http.StatusOK, a.get("companies").Status)
}

func TestCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{})
		_, to := a.signIn()
		time.Sleep(codeLife + time.Second)
		require.Equal(t, http.StatusBadRequest, a.redeem(to.Query().Get("code"), "redirect_uri", RedirectURI).Status)
	})
}

// TestRotation: each refresh gives a new refresh token, and the old one is dead;
// the new one is not.
func TestRotation(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"})
	require.JSONEq(t, `{"error":"invalid_grant"}`, a.tryRefresh(RefreshToken).Body, "newAPI has used it")
	a.service.Reset()
	one := a.refresh(RefreshToken)
	require.NotEqual(t, RefreshToken, one.RefreshToken)
	two := a.refresh(one.RefreshToken)
	require.NotEqual(t, one.RefreshToken, two.RefreshToken)
	r := a.tryRefresh(one.RefreshToken)
	require.Equal(t, http.StatusBadRequest, r.Status)
	a.refresh(two.RefreshToken)

	for name, o := range map[string]*api{
		"reusable":   newAPI(t, emulator.Options{Limits: "real"}, "reusable"),
		"limits off": newAPI(t, emulator.Options{}),
	} {
		require.Equal(t, http.StatusOK, o.tryRefresh(RefreshToken).Status, name)
	}
}

func TestTokenRefusals(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	for want, r := range map[string]reply{
		"invalid_grant":          a.tryRefresh("RT-1"),
		"invalid_client":         a.form("grant_type", "refresh_token", "refresh_token", RefreshToken, "client_id", ClientID, "client_secret", "x"),
		"unsupported_grant_type": a.form("grant_type", "client_credentials", "client_id", ClientID, "client_secret", ClientSecret),
		"invalid_request":        a.form("client_id", ClientID, "client_secret", ClientSecret),
	} {
		require.Equal(t, http.StatusBadRequest, r.Status)
		require.JSONEq(t, `{"error":"`+want+`"}`, r.Body)
	}
	basic := a.Ask(http.MethodPost, mount+"/api/v3/token", encode("grant_type", "refresh_token", "refresh_token", RefreshToken),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic eDp5")
	require.JSONEq(t, `{"error":"invalid_client"}`, basic.Body, "credentials are in the body")
	other := a.Ask(http.MethodPost, mount+"/api/v3/token", `{"grant_type":"refresh_token"}`, "Content-Type", "application/json")
	require.JSONEq(t, `{"error":"invalid_request"}`, other.Body)
	require.Equal(t, http.StatusMethodNotAllowed, a.get("token").Status)
}

// TestTokenLife: access tokens live ten minutes, and it is told, or not.
func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{})
		require.Equal(t, 600, a.refresh(RefreshToken).ExpiresIn)
		time.Sleep(accessLife - time.Second)
		require.Equal(t, http.StatusOK, a.get("companies").Status)
		time.Sleep(time.Second)
		require.Equal(t, http.StatusUnauthorized, a.get("companies").Status)
	})
	a := newAPI(t, emulator.Options{}, "no-expires-in")
	require.NotContains(t, a.tryRefresh(RefreshToken).Body, "expires_in")
}

// TestScope: a token that may not read reads nothing but the companies.
func TestScope(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	_, to := a.signIn("scope", updateScope+" "+deleteScope)
	a.token = a.issued(a.redeem(to.Query().Get("code"), "redirect_uri", RedirectURI)).AccessToken
	require.Equal(t, http.StatusOK, a.get("companies").Status)
	a.fails(http.StatusForbidden, a.data("AR1"))
	a.fails(http.StatusForbidden, a.get("accountviewsystembusinessobjects"))
	a.fails(http.StatusForbidden, newAPI(t, emulator.Options{}, "noscope").data("AR1"))
}
