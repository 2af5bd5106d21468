package zohocrm

import (
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

const accessDenied = `{"error_description":"You have made too many requests continuously. Please try again after some time.","error":"Access Denied","status":"failure"}`

func TestTokenAnswer(t *testing.T) {
	a := newAPI(t, emulator.Options{Limits: "real"})
	r := a.form(refreshForm(RefreshToken)...)
	got := a.issued(r)
	require.Regexp(t, `^1000\.[0-9a-f]{32}\.[0-9a-f]{32}$`, got.AccessToken)
	require.NotEqual(t, a.token, got.AccessToken)
	require.Equal(t, issued{AccessToken: got.AccessToken, Scope: granted, APIDomain: mount, TokenType: "Bearer", ExpiresIn: 3600}, got)
	require.NotContains(t, r.Body, "refresh_token", "it never rotates")
	require.Equal(t, 2, a.service.Tokens())

	byQuery := a.Ask(http.MethodPost, mount+"/oauth/v2/token?"+standintest.Values(refreshForm(RefreshToken)...).Encode(), "")
	require.NotEmpty(t, a.issued(byQuery).AccessToken)
	require.Equal(t, http.StatusMethodNotAllowed, a.Ask(http.MethodGet, mount+"/oauth/v2/token", "").Status)
}

func TestTokenErrors(t *testing.T) {
	form := func(change ...string) []string {
		out := refreshForm(RefreshToken)
		for k := 0; k < len(out); k += 2 {
			if out[k] == change[0] {
				out[k+1] = change[1]
			}
		}
		return out
	}
	for fault, status := range map[string]int{"": http.StatusOK, "token-status": http.StatusBadRequest} {
		a := faulty(t, fault)
		for _, c := range []struct{ field, value, want string }{
			{"refresh_token", "1000.gone.gone", "invalid_code"},
			{"refresh_token", "", "invalid_code"},
			{"client_id", "1000.OTHER", "invalid_client"},
			{"client_secret", "wrong", "invalid_client_secret"},
			{"grant_type", "password", "unsupported_grant_type"},
			{"grant_type", "authorization_code", "invalid_code"},
		} {
			r := a.form(form(c.field, c.value)...)
			require.Equal(t, status, r.Status, c)
			require.Equal(t, `{"error":"`+c.want+`"}`, r.Body)
		}
	}
}

func TestExpiresInMilliseconds(t *testing.T) {
	a := faulty(t, "expires-ms")
	got := a.issued(a.form(refreshForm(RefreshToken)...))
	require.Equal(t, 3_600_000, got.ExpiresIn)
	require.Equal(t, 3600, got.ExpiresSec)
}

// TestThrottle: ten new tokens in ten minutes, then silence.
func TestThrottle(t *testing.T) {
	for fault, want := range map[string]struct {
		status int
		body   string
	}{
		"":                              {400, accessDenied},
		"token-status":                  {200, accessDenied},
		"throttle-chinese,token-status": {200, strings.Replace(accessDenied, "You have made too many requests continuously. Please try again after some time.", "您的请求过于频繁，请稍后再试。", 1)},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAPI(t, emulator.Options{Limits: "real", Faults: fault})
			for range 9 {
				time.Sleep(time.Second)
				a.refresh()
			}
			try := func() reply { return a.form(refreshForm(RefreshToken)...) }
			r := try()
			require.Equal(t, want.status, r.Status)
			require.JSONEq(t, want.body, r.Body)
			require.Equal(t, http.StatusOK, a.get(leads).Status, "tokens that are there stay good")

			time.Sleep(9 * time.Minute)
			require.JSONEq(t, want.body, try().Body)
			time.Sleep(9 * time.Minute)
			require.JSONEq(t, want.body, try().Body, "asking makes it last")
			time.Sleep(10 * time.Minute)
			a.refresh()
		})
	}
	a := newAPI(t, emulator.Options{})
	for range 30 {
		a.refresh()
	}
}

// TestTokenLife: an hour, and fifteen at once.
func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, emulator.Options{Limits: "real"})
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, http.StatusOK, a.get(leads).Status)
		time.Sleep(time.Second)
		r := a.get(leads)
		require.Equal(t, http.StatusUnauthorized, r.Status)
		require.Equal(t, `{"code":"INVALID_TOKEN","details":{},"message":"invalid oauth token","status":"error"}`, r.Body)

		var made []string
		for range activeTokens {
			made = append(made, a.refresh())
			time.Sleep(time.Minute + time.Second)
		}
		a.token = made[0]
		require.Equal(t, http.StatusOK, a.get(leads).Status)
		a.refresh()
		require.Equal(t, http.StatusUnauthorized, a.get(leads).Status, "the sixteenth ends the oldest")
		a.token = made[1]
		require.Equal(t, http.StatusOK, a.get(leads).Status)
	})
}

func TestRevoke(t *testing.T) {
	a := faulty(t, "")
	revoke := func() reply {
		return a.Ask(http.MethodPost, mount+"/oauth/v2/token/revoke?token="+RefreshToken, "")
	}
	require.Equal(t, `{"status":"success"}`, revoke().Body)
	require.Equal(t, http.StatusUnauthorized, a.get(leads).Status)
	require.Equal(t, `{"error":"invalid_code"}`, a.form(refreshForm(RefreshToken)...).Body)
	require.Equal(t, http.StatusBadRequest, revoke().Status)
	a.service.Reset()
	a.token = a.refresh()
	require.Equal(t, http.StatusOK, a.get(leads).Status)
}

// signIn asks for a code and returns where the browser is led.
func (a *api) signIn(change ...string) (reply, url.Values) {
	a.Helper()
	q := standintest.Values(
		"response_type", "code", "client_id", ClientID, "scope", "ZohoCRM.modules.READ,ZohoCRM.settings.modules.READ",
		"redirect_uri", "http://127.0.0.1:4711/?x=1", "access_type", "offline", "prompt", "consent", "state", "s t",
	)
	for k := 0; k < len(change); k += 2 {
		q.Set(change[k], change[k+1])
	}
	r := a.Ask(http.MethodGet, mount+"/oauth/v2/auth?"+q.Encode(), "")
	to, err := url.Parse(r.Header.Get("Location"))
	require.NoError(a, err)
	return r, to.Query()
}

func (a *api) redeem(code, redirect string) reply {
	a.Helper()
	return a.form("grant_type", "authorization_code", "client_id", ClientID, "client_secret", ClientSecret, "code", code, "redirect_uri", redirect)
}

func TestSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const redirect = "http://127.0.0.1:4711/?x=1"
		a := faulty(t, "")
		r, back := a.signIn()
		require.Equal(t, http.StatusFound, r.Status)
		require.Equal(t, "s t", back.Get("state"))
		require.Equal(t, "1", back.Get("x"))
		require.Equal(t, "us", back.Get("location"))
		require.Equal(t, mount, back.Get("accounts-server"))

		got := a.issued(a.redeem(back.Get("code"), redirect))
		require.NotEmpty(t, got.RefreshToken)
		require.Equal(t, "ZohoCRM.modules.READ ZohoCRM.settings.modules.READ", got.Scope)
		require.Equal(t, `{"error":"invalid_code"}`, a.redeem(back.Get("code"), redirect).Body, "once")
		again := a.issued(a.form(refreshForm(got.RefreshToken)...))
		require.Empty(t, again.RefreshToken)

		a.token = again.AccessToken
		require.Equal(t, http.StatusOK, a.get(leads).Status)
		require.Equal(t, http.StatusOK, a.get("settings/modules").Status)
		for _, path := range []string{"settings/fields?module=Leads", "users", "org", "/crm/bulk/v8/read/1"} {
			r := a.get(path)
			require.Equal(t, http.StatusUnauthorized, r.Status, path)
			require.Equal(t, "OAUTH_SCOPE_MISMATCH", code(t, r), path)
		}
		require.Equal(t, "OAUTH_SCOPE_MISMATCH", code(t, a.post("/crm/v8/coql", "{}")))

		_, back = a.signIn("prompt", "")
		require.Empty(t, a.issued(a.redeem(back.Get("code"), redirect)).RefreshToken, "no consent, no refresh token")
		_, back = a.signIn()
		require.Equal(t, `{"error":"invalid_redirect_uri"}`, a.redeem(back.Get("code"), "http://127.0.0.1:1/").Body)
		_, back = a.signIn()
		time.Sleep(codeLife + time.Second)
		require.Equal(t, `{"error":"invalid_code"}`, a.redeem(back.Get("code"), redirect).Body)
	})
}

func TestSignInErrors(t *testing.T) {
	a := faulty(t, "")
	for _, change := range [][]string{
		{"client_id", "other"},
		{"redirect_uri", "nowhere"},
		{"redirect_uri", "ftp://host/"},
		{"response_type", "token"},
		{"scope", ""},
		{"scope", "ZohoCRM.modules.READ,Aaa.bbb.READ"},
	} {
		r, _ := a.signIn(change...)
		require.Equal(t, http.StatusBadRequest, r.Status, change)
		require.Contains(t, r.Body, "<html", change)
	}
	require.Equal(t, http.StatusMethodNotAllowed, a.Ask(http.MethodPost, mount+"/oauth/v2/auth", "").Status)
}

// TestManySignIns: a user has twenty refresh tokens with a client.
func TestManySignIns(t *testing.T) {
	a := faulty(t, "")
	for range refreshTokens {
		require.Equal(t, http.StatusOK, a.get(leads).Status)
		_, back := a.signIn()
		a.issued(a.redeem(back.Get("code"), "http://127.0.0.1:4711/?x=1"))
	}
	require.Equal(t, http.StatusUnauthorized, a.get(leads).Status, "the oldest one is gone, with its access tokens")
	require.Equal(t, `{"error":"invalid_code"}`, a.form(refreshForm(RefreshToken)...).Body)
}
