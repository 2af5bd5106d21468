package hostile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	t.Parallel()
	const (
		backoff = 2 * time.Second
		slow    = 2 * timeout * time.Second
	)
	// changed is the good answer with other members; nil takes one away.
	changed := func(members map[string]any) func(*wire) {
		return func(w *wire) {
			var v map[string]any
			_ = json.Unmarshal(w.good().Body.Bytes(), &v)
			for name, value := range members {
				if v[name] = value; value == nil {
					delete(v, name)
				}
			}
			text, _ := json.Marshal(v)
			w.answer("200 OK", string(text))
		}
	}
	// raw is the good answer with a literal in place of expires_in.
	life := func(literal string) func(*wire) {
		return func(w *wire) {
			var v map[string]json.RawMessage
			_ = json.Unmarshal(w.good().Body.Bytes(), &v)
			v["expires_in"] = json.RawMessage(literal)
			delete(v, "expires_in_sec")
			text, _ := json.Marshal(v)
			w.answer("200 OK", string(text))
		}
	}
	body := func(status, text string, headers ...string) func(*wire) {
		return func(w *wire) { w.answer(status, text, headers...) }
	}
	const evil = "HOSTILE-TOKEN-0123456789"
	run(t, []hostile{
		{name: "token of 1 GB", at: isToken, to: signedIn, exit: broken, waits: backoff, sample: true, does: func(w *wire) {
			w.ok()
			w.say(`{"access_token":"`)
			w.repeat("x", 1<<30)
		}},
		{name: "token of 10 MB", at: isToken, to: signedIn, mb: []int{4, 64}, exit: broken, waits: backoff, does: func(w *wire) {
			w.ok()
			w.say(`{"expires_in":600,"access_token":"`)
			w.repeat("x", 10<<20)
			w.say(`"}`)
		}},
		{name: "token of 900 kB", at: isToken, to: signedIn, exit: noAuth, waits: backoff, does: changed(map[string]any{"access_token": strings.Repeat("x", 900<<10)})},
		{name: "token answer of a million members", at: isToken, to: signedIn, mb: []int{4, 64}, exit: broken, waits: backoff, does: func(w *wire) {
			w.ok()
			w.say(`{"access_token":"%s"`, evil)
			for i := range int(1e6) {
				if !w.say(`,"%x":{}`, i) {
					return
				}
			}
			w.say("}")
		}},
		{name: "token answer that is deep", at: isToken, to: signedIn, exit: broken, waits: backoff, does: func(w *wire) {
			w.answer("200 OK", strings.Repeat(`{"error":`, 1e5)+"0"+strings.Repeat("}", 1e5))
		}},
		{name: "token answer of open arrays", at: isToken, to: signedIn, exit: broken, waits: backoff, does: func(w *wire) { w.answer("200 OK", strings.Repeat("[", 1e6)) }},
		{name: "token bomb", at: isToken, to: signedIn, mb: []int{4, 64}, exit: broken, waits: backoff, sample: true, does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			w.say(gzipHead)
			zeros(w, 1<<10)
		}},
		{name: "token as HTML", at: isToken, to: signedIn, exit: broken, waits: backoff, does: body("200 OK", "<html><title>Sign in</title>", "Content-Type: text/html")},
		{name: "token as nothing", at: isToken, to: signedIn, exit: broken, waits: backoff, does: body("200 OK", "")},
		{name: "token with 204", at: isToken, to: signedIn, exit: broken, waits: backoff, does: body("204 No Content", "")},
		{name: "token as null", at: isToken, to: signedIn, exit: broken, waits: backoff, does: body("200 OK", "null")},
		{name: "token with an error", at: isToken, to: signedIn, exit: noAuth, waits: backoff, sample: true, does: body("200 OK", `{"error":"invalid_grant","error_description":"\u001b[31m`+strings.Repeat("x", 1<<16)+`"}`)},
		{name: "token with an error that is a list", at: isToken, to: signedIn, exit: broken, waits: backoff, does: body("200 OK", `{"error":["x"],"access_token":{}}`)},
		{name: "token refused with its own words", at: isToken, to: signedIn, exit: noAuth, does: func(w *wire) {
			text, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": strings.Join(w.site.secrets, " ")})
			w.answer("400 Bad", string(text))
		}},
		{name: "token that is empty", at: isToken, to: signedIn, exit: broken, waits: backoff, does: changed(map[string]any{"access_token": ""})},
		{name: "token that is a number", at: isToken, to: signedIn, exit: broken, waits: backoff, does: changed(map[string]any{"access_token": 12345})},
		{name: "token with line ends", at: isToken, to: signedIn, exit: broken, waits: backoff, sample: true, does: changed(map[string]any{"access_token": evil + "\r\nInjected: yes\r\n"})},
		{name: "token with NUL", at: isToken, to: signedIn, exit: broken, waits: backoff, does: changed(map[string]any{"access_token": evil + "\x00"})},
		{name: "token with other letters", at: isToken, to: signedIn, exit: broken, waits: backoff, does: changed(map[string]any{"access_token": evil + "ü"})},
		{name: "token that lives -1 s", at: isToken, to: signedIn, exit: complete, does: life("-1")},
		{name: "token that lives 0 s", at: isToken, to: signedIn, exit: complete, does: life("0")},
		{name: "token that lives 10^300 s", at: isToken, to: signedIn, exit: complete, does: life("1e300")},
		{name: "token that lives 10^400 s", at: isToken, to: signedIn, exit: complete, does: life("1e400")},
		{name: "token that lives abc", at: isToken, to: signedIn, exit: complete, does: life(`"abc"`)},
		{name: "token that lives NaN", at: isToken, to: signedIn, exit: complete, does: life(`"NaN"`)},
		{name: "token that lives a list", at: isToken, to: signedIn, exit: complete, does: life(`[1]`)},
		{name: "no new refresh token", at: isToken, to: signedIn, exit: complete, does: changed(map[string]any{"refresh_token": nil})},
		{name: "a refresh token that is empty", at: isToken, to: signedIn, exit: complete, does: changed(map[string]any{"refresh_token": ""})},
		{name: "a refresh token with line ends", at: isToken, to: signedIn, exit: complete, does: changed(map[string]any{"refresh_token": evil + "\r\nInjected: yes"})},
		{name: "a token of another kind", at: isToken, to: signedIn, exit: complete, does: changed(map[string]any{"token_type": "mac"})},

		{name: "token redirected to another host", at: isToken, to: signedIn, exit: usageBad, sample: true, does: func(w *wire) {
			w.answer("307 Temporary Redirect", "{}", "Location: http://"+w.site.foreign.host+"/token")
		}},
		{name: "token redirected by 302", at: isToken, to: signedIn, exit: usageBad, does: func(w *wire) {
			w.answer("302 Found", "{}", "Location: //"+w.site.foreign.host+"/token")
		}},
		{name: "token redirected to a file", at: isToken, to: signedIn, exit: usageBad, does: body("302 Found", "{}", "Location: file:///etc/passwd")},
		{name: "another host's API", at: isToken, to: signedIn[1:2], exit: complete, sample: true, does: func(w *wire) {
			changed(map[string]any{"api_domain": "http://" + w.site.foreign.host, "location": "us"})(w)
		}},
		{name: "an API with a user", at: isToken, to: signedIn[1:2], exit: complete, does: func(w *wire) {
			changed(map[string]any{"api_domain": w.site.origin + "@" + w.site.foreign.host})(w)
		}},
		{name: "token in silence", at: isToken, to: signedIn, exit: failure, waits: slow + backoff, does: func(w *wire) { w.gone(time.Minute) }},
		{name: "token throttled for 10^9 s", at: isToken, to: signedIn, exit: later, does: body("429 Slow", "{}", "Retry-After: 1000000000")},
		{name: "token throttled until year 9999", at: isToken, to: signedIn, exit: later, does: body("429 Slow", "{}", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT")},
		{name: "token with 500 for ever", at: isToken, to: signedIn, exit: failure, waits: backoff, does: body("500 Oops", `{"error":"x"}`)},
		{name: "token with 401", at: isToken, to: signedIn, exit: noAuth, does: body("401 No", `{"error":"invalid_client"}`, `WWW-Authenticate: Basic realm="x"`)},
		{name: "a token that nobody takes", at: isList, to: signedIn, exit: noAuth, sample: true, does: func(w *wire) {
			w.answer("401 No", `{}`, `WWW-Authenticate: Bearer error="invalid_token"`)
		}},
		{name: "a token with a million headers", at: isToken, to: signedIn, exit: broken, waits: backoff, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\n")
			for i := range int(1e6) {
				if !w.say("X%d: x\r\n", i) {
					return
				}
			}
			w.say("\r\n{}")
		}},
		{name: "tokens without number", at: isToken, to: signedIn, exit: noAuth, does: func(w *wire) {
			// The API knows none of them.
			token := fmt.Sprint(evil, w.n)
			w.site.secret(token)
			w.site.secret("REFRESH-" + token)
			w.answer("200 OK", fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":600,"token_type":"Bearer"}`, token, "REFRESH-"+token))
		}},
	})
}

// isList is every request but that for a token.
func isList(r *http.Request) bool { return !isToken(r) }
