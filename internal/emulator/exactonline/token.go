package exactonline

import (
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// DOC: how long tokens and codes are good, and how soon after the last success
// the next token may be asked for.
const (
	accessLife  = 600 * time.Second
	refreshRest = 570 * time.Second
	refreshLife = 30 * 24 * time.Hour
	codeLife    = 3 * time.Minute
)

// tokens are the authorization server of one country's site.
type tokens struct {
	env emulator.Env

	mu      sync.Mutex
	made    int // so that each token differs
	refresh map[string]*grant
	access  map[string]time.Time // until when it is good
	codes   map[string]consent
}

// grant is what a user has agreed to, kept alive by one refresh token after
// the other.
type grant struct {
	current string
	issued  time.Time // when current was made
	success time.Time // of the last token; zero before the first
	dead    bool
}

// consent is an authorization code that was not used yet.
type consent struct {
	redirect string
	issued   time.Time
}

func newTokens(env emulator.Env) *tokens {
	t := &tokens{
		env: env, refresh: make(map[string]*grant), access: make(map[string]time.Time), codes: make(map[string]consent),
	}
	t.arm()
	return t
}

// arm makes the refresh token of the config good, as after a sign-in.
func (t *tokens) arm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh[RefreshToken] = &grant{current: RefreshToken, issued: time.Now()}
}

// make returns a token that was never given before.
func (t *tokens) make(kind string, length int) string {
	t.made++
	text := ""
	for k := 0; len(text) < length; k++ {
		sum := sha256.Sum256([]byte(strings.Join([]string{
			kind, strconv.FormatUint(t.env.Seed, 10), strconv.Itoa(t.made), strconv.Itoa(k),
		}, " ")))
		text += base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return "stampNL001." + text[:4] + "!IAAAA" + text[4:length]
}

// serve answers POST /api/oauth2/token. DOC: a form; credentials in the body,
// Basic too (CLIENT).
func (t *tokens) serve(r *http.Request) emulator.Answer {
	if r.Method != http.MethodPost {
		return oauthError(http.StatusMethodNotAllowed, "invalid_request", "The request must be a POST.")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "The request must be a form.")
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 §2.3.1: each half is form-encoded first
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if !strings.EqualFold(id, ClientID) || secret != ClientSecret {
		status := http.StatusBadRequest
		if basic {
			status = http.StatusUnauthorized // RFC 6749 §5.2
		}
		a := oauthError(status, "invalid_client", "Client authentication failed.")
		if basic {
			a.Header.Set("WWW-Authenticate", "Basic")
		}
		return a
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		return t.redeem(r.PostForm)
	case "refresh_token":
		return t.renew(r.PostForm.Get("refresh_token"))
	case "":
		return oauthError(http.StatusBadRequest, "invalid_request", "The grant_type is missing.")
	}
	return oauthError(http.StatusBadRequest, "unsupported_grant_type", "The grant_type is not supported.")
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// redeem gives tokens for a code: once, within three minutes, to the address
// that it was sent to (DOC). What it says otherwise is GUESS.
func (t *tokens) redeem(form url.Values) emulator.Answer {
	c, ok := t.codes[form.Get("code")]
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_grant", "The code is not known or was used before.")
	}
	if form.Get("redirect_uri") != c.redirect {
		return oauthError(http.StatusBadRequest, "invalid_grant", "The redirect_uri is not that of the code.")
	}
	delete(t.codes, form.Get("code"))
	if time.Since(c.issued) > codeLife {
		return oauthError(http.StatusBadRequest, "invalid_grant", "The code has expired.")
	}
	return t.give(&grant{})
}

// renew gives tokens for a refresh token, which is then burnt. A burnt one
// kills the grant (CLIENT picqer#300, #640, #644); GUESS: that is looked at
// before the age of the last token, for parallel runs end that way. Without
// limits old ones are good and no age is asked.
func (t *tokens) renew(token string) emulator.Answer {
	now := time.Now()
	g, ok := t.refresh[token]
	reusable := !t.env.Limited || t.env.Share("reusable", "token", 1) > 0
	switch {
	case token == "":
		return oauthError(http.StatusBadRequest, "invalid_request", "The refresh_token is missing.")
	case !ok:
		return oauthError(http.StatusBadRequest, "invalid_grant", "The refresh token is not known.")
	case g.dead || token != g.current && !reusable:
		g.dead = true
		return oauthError(http.StatusUnauthorized, "unauthorized_client", "Old refresh token used.")
	case now.Sub(g.issued) > refreshLife: // CLIENT websmurf#22, #23
		const form = "1/2/2006 3:04:05 PM"
		return oauthError(http.StatusBadRequest, "invalid_request",
			"The refresh token expired at "+g.issued.Add(refreshLife).UTC().Format(form)+" and it is now "+now.UTC().Format(form)+".")
	case t.env.Limited && now.Sub(g.success) < refreshRest: // CLIENT; no rotation
		const text = "Rate limit exceeded: access_token not expired"
		a := oauthError(http.StatusBadRequest, "access_denied", text)
		a.Header.Set("Reason", "TooEarlyToRefreshTokens: "+text)
		return a
	}
	return t.give(g)
}

// give answers new tokens: expires_in is text (DOC).
func (t *tokens) give(g *grant) emulator.Answer {
	now := time.Now()
	access := t.make("access", 560)
	g.current, g.issued, g.success = t.make("refresh", 120), now, now
	t.refresh[g.current], t.access[access] = g, now.Add(accessLife)
	return oauthAnswer(http.StatusOK,
		"access_token", access, "token_type", "Bearer", "expires_in", strconv.Itoa(int(accessLife.Seconds())), "refresh_token", g.current)
}

func oauthError(status int, code, text string) emulator.Answer {
	return oauthAnswer(status, "error", code, "error_description", text)
}

// oauthAnswer is an object of members given in pairs, all of them text.
func oauthAnswer(status int, members ...string) emulator.Answer {
	body := []byte("{")
	for k, text := range members {
		if k > 0 {
			body = append(body, ",:"[k%2])
		}
		body = rows.AppendText(body, text)
	}
	body = append(body, '}')
	return emulator.Answer{Status: status, Body: body, Header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
	}}
}

// authorize answers GET /api/oauth2/auth: whoever comes is signed in and agrees
// to the granted divisions. With force_login=1 a page is shown first.
func (t *tokens) authorize(r *http.Request) emulator.Answer {
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet:
		return emulator.Answer{Status: http.StatusMethodNotAllowed}
	case !strings.EqualFold(q.Get("client_id"), ClientID):
		return page(http.StatusBadRequest, "Error", "The client_id is not known.")
	case q.Get("redirect_uri") != RedirectURI: // DOC: the one that the app is registered with
		return page(http.StatusBadRequest, "Error", "The redirect_uri is not that of the app.")
	case q.Get("force_login") == "1":
		q.Del("force_login")
		return page(http.StatusOK, "Sign in", `<a href="?`+strings.ReplaceAll(q.Encode(), "&", "&amp;")+`">Allow</a>`)
	}
	back := url.Values{}
	if state, given := q["state"]; given {
		back["state"] = state
	}
	if q.Get("response_type") == "code" {
		t.mu.Lock()
		defer t.mu.Unlock()
		code := t.make("code", 60)
		t.codes[code] = consent{q.Get("redirect_uri"), time.Now()}
		back.Set("code", code)
	} else {
		back.Set("error", "unsupported_response_type")
	}
	a := page(http.StatusFound, "Object moved", "")
	a.Header.Set("Location", RedirectURI+"?"+back.Encode())
	return a
}

// validity is what an Authorization header is worth.
type validity int

const (
	tokenMissing validity = iota
	tokenUnknown
	tokenExpired
	tokenGood
)

func (t *tokens) bearer(header string) validity {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return tokenMissing
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.access[strings.TrimSpace(token)]
	switch {
	case !ok:
		return tokenUnknown
	case !time.Now().Before(until):
		return tokenExpired
	}
	return tokenGood
}
