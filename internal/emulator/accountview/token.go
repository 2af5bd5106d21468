package accountview

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// How long tokens and codes are good. GUESS: "limited" is all that is told; a
// short life makes that tokens are renewed.
const (
	accessLife = 600 * time.Second
	codeLife   = 5 * time.Minute
)

// The scopes of the service (CLIENT js, ng, apic).
const (
	readScope   = "readaccountviewdata"
	updateScope = "updateaccountviewdata"
	deleteScope = "deleteaccountviewdata"
)

// tokens are the authorization server.
type tokens struct {
	env emulator.Env
	on  func(fault, resource string) bool

	mu      sync.Mutex
	made    int // so that each token differs
	refresh map[string]*grant
	access  map[string]permit
	codes   map[string]consent
}

// grant is what a user has agreed to; current is the one refresh token that is
// good.
type grant struct {
	current string
	scope   string
}

// permit is what an access token is good for.
type permit struct {
	until time.Time
	scope string
}

// consent is a code that was not used yet.
type consent struct {
	redirect, scope string
	issued          time.Time
}

func newTokens(env emulator.Env, on func(fault, resource string) bool) *tokens {
	t := &tokens{
		env: env, on: on, refresh: make(map[string]*grant), access: make(map[string]permit), codes: make(map[string]consent),
	}
	t.arm()
	return t
}

// arm makes the refresh token of the config good, as after a sign-in.
func (t *tokens) arm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh[RefreshToken] = &grant{current: RefreshToken, scope: readScope}
}

// make returns a text that was never given before. It holds signs that forms and
// addresses must escape.
func (t *tokens) make(kind string) string {
	t.made++
	sum := sha256.Sum256([]byte(kind + " " + strconv.FormatUint(t.env.Seed, 10) + " " + strconv.Itoa(t.made)))
	text := base64.StdEncoding.EncodeToString(sum[:])
	return kind + "-" + text[:10] + "+/" + text[10:]
}

// serve answers POST /api/v3/token: a form with the client's credentials in it,
// not in a header (CLIENT omni).
func (t *tokens) serve(r *http.Request) emulator.Answer {
	if r.Method != http.MethodPost {
		return message(http.StatusMethodNotAllowed, "The requested resource does not support http method '"+r.Method+"'.")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		return oauthError("invalid_request")
	}
	form := r.PostForm
	if form.Get("client_id") != ClientID || form.Get("client_secret") != ClientSecret {
		return oauthError("invalid_client")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch form.Get("grant_type") {
	case "authorization_code":
		return t.redeem(form)
	case "refresh_token":
		return t.renew(form.Get("refresh_token"))
	case "":
		return oauthError("invalid_request")
	}
	return oauthError("unsupported_grant_type")
}

// redeem gives tokens for a code, once.
func (t *tokens) redeem(form url.Values) emulator.Answer {
	c, ok := t.codes[form.Get("code")]
	if !ok || form.Get("redirect_uri") != c.redirect {
		return oauthError("invalid_grant")
	}
	delete(t.codes, form.Get("code"))
	if time.Since(c.issued) > codeLife {
		return oauthError("invalid_grant")
	}
	return t.give(&grant{scope: c.scope})
}

// renew gives tokens for a refresh token, which is dead from then on (CLIENT
// apic stores the new one each time). Without limits, and by the fault
// reusable, old ones stay good.
func (t *tokens) renew(token string) emulator.Answer {
	g, ok := t.refresh[token]
	if !ok || token != g.current && t.env.Limited && !t.on("reusable", "token") {
		return oauthError("invalid_grant")
	}
	return t.give(g)
}

func (t *tokens) give(g *grant) emulator.Answer {
	access := t.make("AT")
	g.current = t.make("RT")
	t.refresh[g.current], t.access[access] = g, permit{time.Now().Add(accessLife), g.scope}
	answer := struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int    `json:"expires_in,omitempty"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
	}{access, "bearer", int(accessLife.Seconds()), g.current, g.scope}
	if t.on("no-expires-in", "token") {
		answer.ExpiresIn = 0
	}
	body, _ := json.Marshal(answer) //nolint:gosec // a token is what is asked for
	return emulator.Answer{Status: http.StatusOK, Header: tokenHeader(), Body: body}
}

func tokenHeader() http.Header {
	h := jsonHeader()
	h.Set("Cache-Control", "no-store")
	return h
}

// oauthError is a refusal of the token endpoint (GUESS: 400, and the code alone).
func oauthError(code string) emulator.Answer {
	return emulator.Answer{Status: http.StatusBadRequest, Header: tokenHeader(), Body: []byte(`{"error":"` + code + `"}`)}
}

// authorize answers the page of the sign-in: whoever comes is signed in and
// agrees to what the app asks for.
func (t *tokens) authorize(r *http.Request) emulator.Answer {
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet:
		return page(http.StatusMethodNotAllowed, "Error", "")
	case q.Get("client_id") != ClientID:
		return page(http.StatusBadRequest, "Error", "client_id")
	case q.Get("redirect_uri") != RedirectURI: // must be the one that the app is registered with
		return page(http.StatusBadRequest, "Error", "redirect_uri")
	}
	back := url.Values{}
	if state, given := q["state"]; given {
		back["state"] = state
	}
	separator := "?"
	scope := strings.Fields(q.Get("scope"))
	unknown := slices.ContainsFunc(scope, func(word string) bool {
		return word != readScope && word != updateScope && word != deleteScope
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(scope) == 0 || unknown:
		back.Set("error", "invalid_scope")
	case q.Get("response_type") == "code":
		code := t.make("C")
		t.codes[code] = consent{q.Get("redirect_uri"), strings.Join(scope, " "), time.Now()}
		back.Set("code", code)
	case q.Get("response_type") == "token": // CLIENT ng
		access := t.make("AT")
		t.access[access] = permit{time.Now().Add(accessLife), strings.Join(scope, " ")}
		back.Set("access_token", access)
		back.Set("token_type", "bearer")
		back.Set("expires_in", strconv.Itoa(int(accessLife.Seconds())))
		separator = "#"
	default:
		back.Set("error", "unsupported_response_type")
	}
	a := page(http.StatusFound, "Object moved", "")
	a.Header.Set("Location", RedirectURI+separator+back.Encode())
	return a
}

// bearer tells what an Authorization header allows; false if nothing.
func (t *tokens) bearer(header string) (scope string, ok bool) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.access[strings.TrimSpace(token)]
	return p.scope, ok && time.Now().Before(p.until)
}
