package zohocrm

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// DOC: how long tokens and codes are good, how many access tokens a refresh
// token keeps alive, how many new ones it gives in ten minutes, and how many
// refresh tokens a user has with a client.
const (
	accessLife    = time.Hour
	codeLife      = 3 * time.Minute
	activeTokens  = 15
	newTokens10   = 10
	throttleSpan  = 10 * time.Minute
	refreshTokens = 20
)

// tokens are the accounts server of a data centre.
type tokens struct {
	env emulator.Env

	mu     sync.Mutex
	made   int // so that each token differs
	given  int // access tokens since the last reset
	grants []*grant
	access map[string]*access
	codes  map[string]consent
}

// grant is what a user has agreed to: a refresh token, which never changes.
type grant struct {
	refresh   string
	scopes    []string
	active    []string    // access tokens, oldest first
	recent    []time.Time // when the last ones were given
	throttled time.Time   // until when no more are
}

type access struct {
	grant *grant
	until time.Time
}

// consent is an authorization code that was not used yet.
type consent struct {
	redirect string
	scopes   []string
	offline  bool // a refresh token was asked for
	issued   time.Time
}

func newTokens(env emulator.Env) *tokens {
	t := &tokens{env: env, access: make(map[string]*access), codes: make(map[string]consent)}
	t.arm()
	return t
}

// arm makes the refresh token of the config good, as after a sign-in, and
// forgets how often it was used. Access tokens stay good.
func (t *tokens) arm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = 0
	if g := t.find(RefreshToken); g != nil {
		g.recent, g.throttled = nil, time.Time{}
		return
	}
	t.add(&grant{refresh: RefreshToken, scopes: strings.Fields(granted)})
}

func (t *tokens) find(refresh string) *grant {
	for _, g := range t.grants {
		if g.refresh == refresh {
			return g
		}
	}
	return nil
}

// add keeps a grant; one too many ends the oldest, with its access tokens (DOC).
func (t *tokens) add(g *grant) {
	if len(t.grants) >= refreshTokens {
		t.end(t.grants[0])
	}
	t.grants = append(t.grants, g)
}

func (t *tokens) end(g *grant) {
	for _, token := range g.active {
		delete(t.access, token)
	}
	t.grants = slices.DeleteFunc(t.grants, func(other *grant) bool { return other == g })
}

// make returns a token that was never given before.
func (t *tokens) make(kind string) string {
	t.made++
	sum := sha256.Sum256([]byte(kind + " " + strconv.FormatUint(t.env.Seed, 10) + " " + strconv.Itoa(t.made)))
	text := hex.EncodeToString(sum[:])
	return "1000." + text[:32] + "." + text[32:]
}

// serve answers POST /oauth/v2/token. Parameters come as a form or in the query
// (CLIENT: both work). domain is what the answer calls the API's address.
func (t *tokens) serve(r *http.Request, domain string) emulator.Answer {
	if r.Method != http.MethodPost {
		return emulator.Answer{Status: http.StatusMethodNotAllowed} // GUESS
	}
	if r.ParseForm() != nil {
		return t.refuse("invalid_request")
	}
	switch {
	case r.Form.Get("client_id") != ClientID:
		return t.refuse("invalid_client")
	case r.Form.Get("client_secret") != ClientSecret:
		return t.refuse("invalid_client_secret")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.Form.Get("grant_type") {
	case "refresh_token":
		g := t.find(r.Form.Get("refresh_token"))
		if g == nil {
			return t.refuse("invalid_code")
		}
		return t.give(g, false, domain)
	case "authorization_code":
		return t.redeem(r.Form, domain)
	}
	return t.refuse("unsupported_grant_type") // GUESS: the word
}

// refuse is an error of the accounts server: HTTP 200 (CLIENT), or 400 by the
// fault token-status.
func (t *tokens) refuse(code string) emulator.Answer {
	return asJSON(t.status(http.StatusOK), object{"error": code})
}

// status turns the HTTP status of an error round, if the fault token-status
// asks for it: sources tell both.
func (t *tokens) status(standard int) int {
	if t.env.Share("token-status", source, 1) > 0 {
		return http.StatusOK + http.StatusBadRequest - standard
	}
	return standard
}

// redeem gives tokens for a code: once, within three minutes, to the address
// that it was sent to (DOC). The words of refusals are GUESS but for invalid_code.
func (t *tokens) redeem(form url.Values, domain string) emulator.Answer {
	c, ok := t.codes[form.Get("code")]
	delete(t.codes, form.Get("code"))
	switch {
	case !ok || time.Since(c.issued) > codeLife:
		return t.refuse("invalid_code")
	case form.Get("redirect_uri") != c.redirect:
		return t.refuse("invalid_redirect_uri")
	}
	g := &grant{refresh: t.make("refresh"), scopes: c.scopes}
	t.add(g)
	return t.give(g, c.offline, domain)
}

// give answers a new access token; the refresh token stays as it is and is told
// only after a sign-in (CLIENT).
func (t *tokens) give(g *grant, tell bool, domain string) emulator.Answer {
	now := time.Now()
	if t.env.Limited && !g.admit(now) {
		return t.throttle()
	}
	g.active = slices.DeleteFunc(g.active, func(token string) bool {
		dead := !now.Before(t.access[token].until)
		if dead {
			delete(t.access, token)
		}
		return dead
	})
	if len(g.active) >= activeTokens {
		delete(t.access, g.active[0])
		g.active = g.active[1:]
	}
	token := t.make("access")
	g.active = append(g.active, token)
	t.access[token] = &access{g, now.Add(accessLife)}
	t.given++
	body := struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token,omitempty"`
		Scope        string `json:"scope"`
		APIDomain    string `json:"api_domain"`
		TokenType    string `json:"token_type"`
		ExpiresSec   int    `json:"expires_in_sec,omitempty"`
		ExpiresIn    int    `json:"expires_in"`
	}{
		AccessToken: token, Scope: strings.Join(g.scopes, " "), APIDomain: domain,
		TokenType: "Bearer", ExpiresIn: int(accessLife.Seconds()),
	}
	if tell {
		body.RefreshToken = g.refresh
	}
	if t.env.Share("expires-ms", source, 1) > 0 { // CLIENT [SDK]: the legacy form
		body.ExpiresSec, body.ExpiresIn = body.ExpiresIn, body.ExpiresIn*1000
	}
	return asJSON(http.StatusOK, body)
}

// admit counts a new token: ten in ten minutes (DOC). Who asks on is throttled
// on: it takes ten minutes of silence (CLIENT).
func (g *grant) admit(now time.Time) bool {
	for len(g.recent) > 0 && now.Sub(g.recent[0]) >= throttleSpan {
		g.recent = g.recent[1:]
	}
	if now.Before(g.throttled) || len(g.recent) >= newTokens10 {
		g.throttled = now.Add(throttleSpan)
		return false
	}
	g.recent = append(g.recent, now)
	return true
}

// throttle is the refusal of one token too many: 400 (CLIENT [TAP]), or 200
// (DOC) by the fault token-status. In the Chinese data centre the text is
// Chinese (CLIENT).
func (t *tokens) throttle() emulator.Answer {
	text := "You have made too many requests continuously. Please try again after some time."
	if t.env.Share("throttle-chinese", source, 1) > 0 {
		text = "您的请求过于频繁，请稍后再试。"
	}
	return asJSON(t.status(http.StatusBadRequest), object{"error_description": text, "error": "Access Denied", "status": "failure"})
}

// revoke answers POST /oauth/v2/token/revoke?token= (CLIENT [SDK]).
func (t *tokens) revoke(r *http.Request) emulator.Answer {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		return emulator.Answer{Status: http.StatusMethodNotAllowed}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.find(r.Form.Get("token"))
	if g == nil {
		return asJSON(http.StatusBadRequest, object{"error": "invalid_token"}) // GUESS
	}
	t.end(g)
	return asJSON(http.StatusOK, object{"status": "success"})
}

// authorize answers GET /oauth/v2/auth: whoever comes is signed in and agrees.
// Without access_type=offline and prompt=consent no refresh token follows
// (CLIENT). Next to the code the address tells the data centre (DOC).
func (t *tokens) authorize(r *http.Request, accounts string) emulator.Answer {
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	scopes := strings.FieldsFunc(q.Get("scope"), func(c rune) bool { return c == ',' || c == ' ' })
	switch {
	case r.Method != http.MethodGet:
		return emulator.Answer{Status: http.StatusMethodNotAllowed}
	case q.Get("client_id") != ClientID:
		return page(http.StatusBadRequest, "Invalid Client", "Client ID passed does not exist")
	case err != nil || redirect.Host == "" || redirect.Scheme != "http" && redirect.Scheme != "https":
		return page(http.StatusBadRequest, "Invalid Redirect Uri", "Redirect URI passed does not match with the one configured")
	case q.Get("response_type") != "code":
		return page(http.StatusBadRequest, "Invalid Response Type", "The response type is not valid")
	case len(scopes) == 0 || slices.ContainsFunc(scopes, unknownScope):
		return page(http.StatusBadRequest, "Invalid OAuth Scope", "Scope does not exist")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	code := t.make("code")
	t.codes[code] = consent{
		redirect: q.Get("redirect_uri"), scopes: scopes, issued: time.Now(),
		offline: q.Get("access_type") == "offline" && q.Get("prompt") == "consent",
	}
	back := redirect.Query()
	back.Set("code", code)
	back.Set("location", "us")
	back.Set("accounts-server", accounts)
	if state, given := q["state"]; given {
		back["state"] = state
	}
	redirect.RawQuery = back.Encode()
	a := page(http.StatusFound, "Signed in", "")
	a.Header.Set("Location", redirect.String())
	return a
}

// unknownScope tells scopes that no client of this service asks for: besides its
// own there is that of the search, which belongs to all services (CLIENT).
func unknownScope(scope string) bool {
	return !strings.HasPrefix(scope, "ZohoCRM.") && scope != searchScope
}

// page is a short HTML page of the accounts server.
func page(status int, title, text string) emulator.Answer {
	body := "<!doctype html>\n<html><head><title>" + title + "</title></head><body><h2>" + title + "</h2><p>" + text + "</p></body></html>\n"
	return emulator.Answer{Status: status, Header: http.Header{"Content-Type": {"text/html;charset=UTF-8"}}, Body: []byte(body)}
}

// validity is what an Authorization header is worth.
type validity int

const (
	tokenMissing validity = iota
	tokenUnknown
	tokenExpired
	tokenGood
)

// session is who asks.
type session struct {
	validity validity
	scopes   []string
}

// look finds the token of a header: Zoho-oauthtoken (DOC), or Bearer (CLIENT).
func (t *tokens) look(header string) session {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Zoho-oauthtoken") && !strings.EqualFold(scheme, "Bearer") {
		return session{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.access[strings.TrimSpace(token)]
	switch {
	case a == nil:
		return session{validity: tokenUnknown}
	case !time.Now().Before(a.until):
		return session{validity: tokenExpired}
	}
	return session{tokenGood, a.grant.scopes}
}
