package exactonline

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const classes = "812345/crm/AccountClasses"

func TestTokenAnswer(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"})
	a.service.Reset()
	r := a.tryRefresh(RefreshToken)
	require.Regexp(t, `^\{"access_token":"stampNL001\.[\w!-]{500,}","token_type":"Bearer","expires_in":"600","refresh_token":"stampNL001\.[\w!-]{100,}"\}$`, r.Body)
	require.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
	require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
}

// TestRotation: each refresh burns its token and may come 570 s after the last.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		a.service.Reset()
		one := a.refresh(RefreshToken)
		a.token = one.AccessToken
		require.Equal(t, http.StatusOK, a.get(classes).Status)

		time.Sleep(569 * time.Second)
		for range 3 {
			early := a.tryRefresh(one.RefreshToken)
			require.Equal(t, http.StatusBadRequest, early.Status)
			require.Equal(t, "TooEarlyToRefreshTokens: Rate limit exceeded: access_token not expired", early.Header.Get("Reason"))
			require.JSONEq(t, `{"error":"access_denied","error_description":"Rate limit exceeded: access_token not expired"}`, early.Body)
		}
		time.Sleep(time.Second)
		two := a.refresh(one.RefreshToken) // too early has not rotated it
		require.NotEqual(t, one, two)
		require.Equal(t, http.StatusOK, a.get(classes).Status, "the old access token lives its 600 s")

		time.Sleep(30 * time.Second)
		expired := a.get(classes)
		require.Equal(t, http.StatusUnauthorized, expired.Status)
		require.Equal(t, `Bearer error="invalid_token", error_description="access%20token%20expired"`, expired.Header.Get("WWW-Authenticate"))
		a.token = two.AccessToken
		require.Equal(t, http.StatusOK, a.get(classes).Status)

		// An old one kills the grant, whatever its age.
		time.Sleep(10 * time.Minute)
		for _, token := range []string{one.RefreshToken, two.RefreshToken} {
			r := a.tryRefresh(token)
			require.Equal(t, http.StatusUnauthorized, r.Status)
			require.JSONEq(t, `{"error":"unauthorized_client","error_description":"Old refresh token used."}`, r.Body)
		}
		a.service.Reset()
		a.token = a.refresh(RefreshToken).AccessToken
		require.Equal(t, http.StatusOK, a.get(classes).Status)
	})
}

func TestReuseComesBeforeTooEarly(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"}) // has used the token of the config
	require.Equal(t, http.StatusUnauthorized, a.tryRefresh(RefreshToken).Status)
}

func TestReusable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := newAPI(t, emulator.Options{})
		for range 3 {
			require.NotEqual(t, RefreshToken, off.refresh(RefreshToken).RefreshToken)
		}
		a := newAPI(t, emulator.Options{Limits: "real", Faults: "reusable"})
		require.Equal(t, http.StatusBadRequest, a.tryRefresh(RefreshToken).Status, "the 570 s hold")
		time.Sleep(570 * time.Second)
		next := a.refresh(RefreshToken)
		time.Sleep(570 * time.Second)
		a.refresh(next.RefreshToken)
		time.Sleep(570 * time.Second)
		a.refresh(RefreshToken)
	})
}

func TestUnusedRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		a.service.Reset()
		time.Sleep(30 * 24 * time.Hour)
		kept := a.refresh(RefreshToken)
		time.Sleep(30*24*time.Hour + time.Second)
		r := a.tryRefresh(kept.RefreshToken)
		require.Equal(t, http.StatusBadRequest, r.Status)
		require.JSONEq(t, `{"error":"invalid_request","error_description":"The refresh token expired at 3/1/2000 12:00:00 AM and it is now 3/1/2000 12:00:01 AM."}`, r.Body)
	})
}

func TestTokenRefusals(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"})
	client := []string{"client_id", ClientID, "client_secret", ClientSecret}
	for _, c := range []struct {
		fields []string
		status int
		word   string
	}{
		{append([]string{"grant_type", "refresh_token", "refresh_token", "no"}, client...), 400, "invalid_grant"},
		{append([]string{"grant_type", "refresh_token"}, client...), 400, "invalid_request"},
		{append([]string{"grant_type", "authorization_code", "code", "no"}, client...), 400, "invalid_grant"},
		{append([]string{"grant_type", "password"}, client...), 400, "unsupported_grant_type"},
		{client, 400, "invalid_request"},
		{[]string{"grant_type", "refresh_token", "client_id", ClientID, "client_secret", "no"}, 400, "invalid_client"},
		{[]string{"grant_type", "refresh_token", "client_id", "no", "client_secret", ClientSecret}, 400, "invalid_client"},
		{nil, 400, "invalid_client"},
	} {
		r := a.form(c.fields...)
		require.Equal(t, c.status, r.Status, c.fields)
		require.Contains(t, r.Body, `"error":"`+c.word+`"`, c.fields)
	}
	address := mount + "/api/oauth2/token"
	require.Equal(t, http.StatusMethodNotAllowed, a.Ask(http.MethodGet, address, "").Status)
	require.Contains(t, a.Ask(http.MethodPost, address, `{}`, "Content-Type", "application/json").Body, `"invalid_request"`)
}

func TestBasicCredentials(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	ask := func(id, secret string) reply {
		return a.Ask(http.MethodPost, mount+"/api/oauth2/token", "grant_type=refresh_token&refresh_token="+url.QueryEscape(RefreshToken),
			"Content-Type", "application/x-www-form-urlencoded; charset=utf-8",
			"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	}
	require.Equal(t, "Bearer", a.issued(ask(ClientID, ClientSecret)).TokenType)
	r := ask(ClientID, "wrong")
	require.Equal(t, http.StatusUnauthorized, r.Status)
	require.Contains(t, r.Body, `"invalid_client"`)
	require.Equal(t, "Basic", r.Header.Get("WWW-Authenticate"))
}

func TestEmptyTokenAnswer(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	require.NotEmpty(t, a.token)
	s, err := emulator.New(emulator.Options{Faults: "empty=2@token"}, Plugin)
	require.NoError(t, err)
	a.Client.Transport = s.Transport()
	for range 2 {
		r := a.tryRefresh(RefreshToken)
		require.Equal(t, http.StatusOK, r.Status)
		require.Empty(t, r.Body)
	}
	a.refresh(RefreshToken)
}

// consentCode goes through the sign-in as a browser does.
func (a *api) consentCode(state string) string {
	a.Helper()
	query := url.Values{"client_id": {ClientID}, "redirect_uri": {RedirectURI}, "response_type": {"code"}, "state": {state}}
	r := a.Ask(http.MethodGet, mount+"/api/oauth2/auth?"+query.Encode(), "")
	require.Equal(a, http.StatusFound, r.Status, r.Body)
	location := r.Header.Get("Location")
	require.True(a, strings.HasPrefix(location, RedirectURI+"?"), location)
	require.Contains(a, location, "%21", "a code must be decoded before it is used")
	u, err := url.Parse(location)
	require.NoError(a, err)
	require.Equal(a, state, u.Query().Get("state"))
	return u.Query().Get("code")
}

func TestAuthorizationCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		redeem := func(code, redirect string) reply {
			return a.form("grant_type", "authorization_code", "code", code, "redirect_uri", redirect,
				"client_id", ClientID, "client_secret", ClientSecret)
		}
		code := a.consentCode("a/b c")
		require.Contains(t, redeem(code, "https://tap.example.org/other").Body, `"invalid_grant"`)
		require.Contains(t, redeem(url.QueryEscape(code), RedirectURI).Body, `"invalid_grant"`)
		out := a.issued(redeem(code, RedirectURI))
		require.Contains(t, redeem(code, RedirectURI).Body, `"invalid_grant"`, "a code is good once")
		a.token = out.AccessToken
		require.Equal(t, http.StatusOK, a.get(classes).Status)
		require.Equal(t, http.StatusBadRequest, a.tryRefresh(out.RefreshToken).Status, "too early after the exchange, too")

		code = a.consentCode("")
		time.Sleep(3 * time.Minute)
		a.issued(redeem(code, RedirectURI))
		code = a.consentCode("")
		time.Sleep(3*time.Minute + time.Second)
		require.Contains(t, redeem(code, RedirectURI).Body, `"invalid_grant"`)
	})
}

func TestAuthorizePages(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	good := url.Values{"client_id": {ClientID}, "redirect_uri": {RedirectURI}, "response_type": {"code"}}
	ask := func(name, value string) reply {
		query := url.Values{name: {value}}
		for k, v := range good {
			if k != name {
				query[k] = v
			}
		}
		return a.Ask(http.MethodGet, mount+"/api/oauth2/auth?"+query.Encode(), "")
	}
	require.Equal(t, http.StatusBadRequest, ask("client_id", "no").Status)
	require.Equal(t, http.StatusBadRequest, ask("redirect_uri", "https://elsewhere.example.org").Status)
	require.Equal(t, RedirectURI+"?error=unsupported_response_type", ask("response_type", "token").Header.Get("Location"))
	shown := ask("force_login", "1")
	require.Equal(t, http.StatusOK, shown.Status)
	require.Contains(t, shown.Body, `<a href="?client_id=`)
	require.Equal(t, http.StatusFound, ask("force_login", "0").Status)
	require.Equal(t, http.StatusMethodNotAllowed, a.Ask(http.MethodPost, mount+"/api/oauth2/auth", "").Status)
}

func TestBearer(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	ask := func(authorization string) reply {
		return a.Ask(http.MethodGet, mount+"/api/v1/"+classes, "", "Authorization", authorization, "Accept", "application/json")
	}
	require.Equal(t, http.StatusOK, ask("bearer "+a.token).Status, "any case")
	for header, challenge := range map[string]string{
		"":                    "Bearer",
		"Basic eDp5":          "Bearer",
		"Bearer":              `Bearer error="invalid_token", error_description="access%20token%20not%20valid"`,
		"Bearer stampNL001.x": `Bearer error="invalid_token", error_description="access%20token%20not%20valid"`,
	} {
		r := ask(header)
		require.Equal(t, http.StatusUnauthorized, r.Status, header)
		require.Equal(t, challenge, r.Header.Get("WWW-Authenticate"), header)
		require.Empty(t, r.Body)
	}
}

func TestExpiredOnDemand(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "stale-token=1@crm_account_classes"})
	r := a.get(classes)
	require.Equal(t, http.StatusUnauthorized, r.Status)
	require.Contains(t, r.Header.Get("WWW-Authenticate"), "access%20token%20expired")
	require.Equal(t, http.StatusOK, a.get(classes).Status)
}

func TestObjectMoved(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "object-moved"})
	require.Equal(t, http.StatusOK, a.get(classes).Status)
	a.token = "unknown"
	r := a.get(classes)
	require.Equal(t, http.StatusFound, r.Status)
	require.Contains(t, r.Body, "Object moved")
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(r.Header.Get("Location"), "/exact_online/docs/login"))
	require.Contains(t, a.Ask(http.MethodGet, standintest.Origin+r.Header.Get("Location"), "").Body, "<form")
}
