package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// leaky is a service that answers with all that it was told, in every spelling,
// and a token endpoint that does the same or gives tokens.
type leaky struct {
	*httptest.Server
	known *needles
	odd   bool // the tokens that it gives hold what needs to be escaped
	// once: what it says is spelt as it came, for it is put into a form that
	// spells it anew.
	once  bool
	token answer // set before it is asked

	mu    sync.Mutex
	api   answer
	asked int
	got   []string // what came with requests, decoded as far as it is encoded
}

// answer answers a request whose echo it is handed.
type answer = func(w http.ResponseWriter, r *http.Request, echo string)

func newLeaky(t *testing.T, known *needles, odd bool) *leaky {
	t.Helper()
	l := &leaky{known: known, odd: odd}
	l.api, l.token = status(http.StatusBadRequest), l.grant
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

// ServeHTTP implements http.Handler.
func (l *leaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	all := r.Method + " " + r.URL.Path
	for name, values := range r.Header {
		all += " " + name + ": " + strings.Join(values, ", ")
	}
	if !l.odd { // it is spelt in there already
		all += " " + string(body)
	}
	var form url.Values
	if strings.Contains(r.Header.Get("Content-Type"), "form") {
		form, _ = url.ParseQuery(string(body))
	}
	for name, values := range form {
		all += " " + name + "=" + strings.Join(values, ", ")
	}
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		for name, value := range object {
			all += fmt.Sprint(" ", name, "=", value)
		}
	}
	if user, password, ok := r.BasicAuth(); ok {
		all += " " + user + ":" + password
	}
	l.mu.Lock()
	l.got = append(l.got, all)
	n := l.asked
	l.asked++
	api := l.api
	l.mu.Unlock()
	echo := all
	if !l.once {
		echo = echoes[n%len(echoes)](all)
	}
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/token") {
		l.token(w, r, echo)
		return
	}
	api(w, r, echo)
}

// answers has it answer otherwise from now on. A request of somebody who has gone
// may still be at work.
func (l *leaky) answers(api answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.api = api
}

// heard tells whether that text came with a request.
func (l *leaky) heard(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.got, func(s string) bool { return strings.Contains(s, text) })
}

// echoes are spellings of all that was told.
var echoes = []func(string) string{
	func(s string) string { return s },
	url.QueryEscape,
	url.PathEscape,
	func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	func(s string) string { return base64.URLEncoding.EncodeToString([]byte("x" + s)) },
	func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte("xy" + s)) },
	html.EscapeString,
	strconv.Quote,
	strconv.QuoteToASCII,
	func(s string) string { // what is dropped when it is shown
		var b strings.Builder
		for i, c := range s {
			if b.WriteRune(c); i%7 == 6 {
				b.WriteString("\u200b")
			}
		}
		return b.String()
	},
	func(s string) string { return strings.Repeat("a long answer ", 25) + s + s },
}

// object is an error in every shape that a client looks for.
func object(echo string) string {
	q, _ := json.Marshal(echo)
	return strings.NewReplacer("ECHO", string(q)).Replace(`{"error":{"code":"x","message":{"lang":"","value":ECHO}},"code":ECHO,"message":ECHO,"Message":ECHO,` +
		`"error_description":ECHO,"detail":ECHO,"ErrorMessage":ECHO,"errors":[{"message":ECHO}],"status":ECHO,"success":false,"data":[]}`)
}

// status answers with that status, and the echo in bodies of all kinds.
func status(code int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, echo string) {
		w.Header().Set("Www-Authenticate", `Bearer error="`+headerText(echo)+`"`)
		w.Header().Set("Reason", headerText(echo))
		w.Header().Set("X-Request-Id", headerText(echo))
		w.WriteHeader(code)
		switch len(echo) % 4 {
		case 0:
			_, _ = io.WriteString(w, echo)
		case 1:
			_, _ = io.WriteString(w, "<html><title>"+echo+"</title><body>"+echo+"</body></html>")
		default:
			_, _ = io.WriteString(w, object(echo))
		}
	}
}

func headerText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= utf8.RuneSelf {
			return -1
		}
		return c
	}, s)
}

// body answers 200 with what text makes of the echo.
func body(text func(echo string) string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, echo string) { _, _ = io.WriteString(w, text(echo)) }
}

// location sends elsewhere, to an address that text makes of the echo.
func location(text func(echo string) string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, echo string) {
		w.Header().Set("Location", headerText(text(echo)))
		w.WriteHeader(http.StatusFound)
	}
}

// raw answers with bytes that need be no HTTP, then hangs up.
func raw(text func(echo string) string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, echo string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text(echo))
		_ = conn.Close()
	}
}

// grant gives new tokens.
func (l *leaky) grant(w http.ResponseWriter, r *http.Request, _ string) {
	l.mu.Lock()
	n := l.asked
	l.mu.Unlock()
	access := l.known.add(fmt.Sprint("access token ", n), credential(false))
	refresh := l.known.add(fmt.Sprint("refresh token ", n), credential(l.odd))
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": access, "refresh_token": refresh, "expires_in": 600, "token_type": "Bearer",
		"api_domain": "http://" + r.Host, "scope": "read",
	})
}

// granting gives tokens and says more of them than it should.
func (l *leaky) granting(more func(access string) map[string]any) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		access := l.known.add("a token that is told", credential(false))
		answer := map[string]any{"access_token": access, "refresh_token": l.known.add("its refresh token", credential(l.odd)), "expires_in": "600"}
		maps.Copy(answer, more(access))
		_ = json.NewEncoder(w).Encode(answer)
	}
}
