package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHTTP(t *testing.T) {
	t.Parallel()
	const slow = 2 * timeout * time.Second
	one := lists[:1]
	status := func(line, body string, headers ...string) func(*wire) {
		return func(w *wire) {
			w.head(line, headers...)
			w.say("%s", body)
		}
	}
	redirect := func(code string, to func(w *wire) string) func(*wire) {
		return func(w *wire) { w.answer(code, "{}", "Location: "+to(w), "Set-Cookie: a=b") }
	}
	always := func(to string) func(*wire) string { return func(*wire) string { return to } }
	// adorned is a good answer with headers of the case's own.
	adorned := func(headers ...string) func(*wire) {
		return func(w *wire) {
			body := w.good().Body.String()
			w.ok(append(headers, fmt.Sprint("Content-Length: ", len(body)))...)
			w.say("%s", body)
		}
	}
	// Of a redirect the table of SaaSOptics says that the account is not there.
	led := map[string]int{saasoptics.name: usageBad}
	// Zoho is asked for what changed since, and says so that nothing did.
	kept := map[string]int{zohoList.name: complete}
	// Where no rows is an empty list, nothing at all is none.
	never := map[string]int{saasoptics.name: broken, exactOnline.name: broken}

	run(t, []hostile{
		{name: "204 with a body", to: lists, exit: complete, except: never, does: status("204 No Content", `{"count":1}`, "Content-Length: 11")},
		{name: "204 with a secret on the way", to: one, exit: complete, except: never, does: func(w *wire) {
			// The connection stays, and more comes on it than was asked for.
			w.say("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nX: %s\r\n\r\n", w.r.Header.Get("Authorization"))
			w.gone(time.Second)
		}},
		{name: "205 with a body", to: lists, exit: complete, does: func(w *wire) { w.answer("205 Reset Content", w.good().Body.String()) }},
		{name: "205", to: lists, exit: broken, does: status("205 Reset Content", "", "Content-Length: 0")},
		{name: "206 with half of it", to: lists, exit: broken, does: func(w *wire) {
			body := w.good().Body.String()
			w.answer("206 Partial Content", body[:len(body)/2], fmt.Sprintf("Content-Range: bytes 0-%d/%d", len(body)/2-1, len(body)))
		}},
		{name: "206 with all of it", to: lists, exit: broken, says: "206 Partial Content", does: func(w *wire) { w.answer("206 Partial Content", w.good().Body.String()) }},
		{name: "304 with a body", to: lists, exit: broken, except: kept, does: status("304 Not Modified", "[]")},
		{name: "200 without a body", to: lists, exit: broken, says: "an empty body", sample: true, does: status("200 OK", "")},
		{name: "101", to: lists, exit: broken, does: status("101 Switching Protocols", "", "Upgrade: websocket", "Connection: Upgrade")},
		{name: "100 for ever", to: lists, exit: broken, waits: slow, sample: true, does: func(w *wire) {
			for w.say("HTTP/1.1 100 Continue\r\n\r\n") {
			}
		}},
		{name: "103 for ever", to: one, exit: broken, waits: slow, does: func(w *wire) {
			for w.say("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n") {
			}
		}},
		{name: "103 with much", to: one, exit: broken, waits: slow, does: func(w *wire) {
			for w.say("HTTP/1.1 103 Early Hints\r\nLink: %0100000d\r\n\r\n", 1) {
			}
		}},
		{name: "100 for ever and slow", to: one, exit: failure, waits: slow, does: func(w *wire) {
			w.drip("HTTP/1.1 100 Continue\r\n\r\n")
		}},
		{name: "HTTP 0.9", to: lists, exit: broken, does: func(w *wire) { w.say("%s", w.good().Body.String()) }},
		{name: "HTTP 1.0", to: lists, exit: complete, does: func(w *wire) { w.say("HTTP/1.0 200 OK\r\n\r\n%s", w.good().Body.String()) }},
		{name: "HTTP 9.9", to: one, exit: broken, does: func(w *wire) { w.say("HTTP/9.9 200 OK\r\n\r\n[]") }},
		{name: "HTTP 2 on a plain connection", to: one, exit: broken, does: func(w *wire) { w.say("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64") }},
		{name: "status in words", to: one, exit: broken, does: status("OK", "[]")},
		{name: "status 99", to: one, exit: broken, does: status("099 Low", "[]")},
		{name: "status 999", to: lists, exit: failure, does: status("999 High", "[]")},
		{name: "status 1000", to: one, exit: broken, does: status("1000 Higher", "[]")},
		{name: "status line of 1 GB", to: lists, exit: broken, does: func(w *wire) {
			w.say("HTTP/1.1 200 ")
			w.repeat("O", 1<<30)
		}},
		{name: "garbage", to: one, exit: broken, does: func(w *wire) { w.repeat("\x00\xff\r\n", 1<<20) }},
		{name: "nothing", to: lists, exit: failure, does: func(*wire) {}},
		{name: "silence", to: lists, exit: failure, waits: slow, says: "no whole answer within 2s", does: func(w *wire) { w.gone(time.Minute) }},
		{name: "silence after the head", to: lists, exit: failure, waits: slow, does: func(w *wire) {
			w.ok()
			w.gone(time.Minute)
		}},
		{name: "silence within the head", to: one, exit: failure, waits: slow, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\nX: ")
			w.gone(time.Minute)
		}},

		{name: "a header of 10 MB", to: lists, exit: broken, sample: true, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\nX: ")
			w.repeat("x", 10<<20)
			w.say("\r\n\r\n[]")
		}},
		{name: "a header of 1 GB", to: lists, exit: broken, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\nX: ")
			w.repeat("x", 1<<30)
		}},
		{name: "a million headers", to: lists, mb: []int{4, 64}, exit: broken, sample: true, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\n")
			for i := range int(1e6) {
				if !w.say("X%d: x\r\n", i) {
					return
				}
			}
			w.say("\r\n[]")
		}},
		{name: "a million times the same header", to: one, exit: broken, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\n")
			w.repeat("X: x\r\n", 1e6)
			w.say("\r\n[]")
		}},
		{name: "as many headers as are taken", to: lists, exit: complete, does: func(w *wire) {
			body := w.good().Body.String()
			w.say("HTTP/1.1 200 OK\r\nConnection: close\r\n")
			for i := range 20_000 {
				w.say("X%d: x\r\n", i)
			}
			w.say("\r\n%s", body)
		}},
		{name: "headers with control characters", to: one, exit: broken, does: adorned("X\x01: x", "Y: \x00")},
		{name: "headers folded", to: one, exit: complete, does: adorned("X: a\r\n b\r\n\tc")},
		{name: "a header without a colon", to: one, exit: broken, does: adorned("Injected")},
		{name: "cookies", to: lists, exit: complete, does: adorned("Set-Cookie: session=1; Domain=127.0.0.1; Path=/", "Set-Cookie2: x", "Refresh: 0; url=http://169.254.169.254/", "Alt-Svc: h2=\"169.254.169.254:80\"", "Link: <http://169.254.169.254/>; rel=preload", "Content-Location: http://169.254.169.254/", "Strict-Transport-Security: max-age=1", "Clear-Site-Data: \"*\"", "Proxy-Authenticate: Basic", "Authentication-Info: x")},
		{name: "a date that is none", to: lists, exit: complete, does: adorned("Date: Tue, 99 Foo 99999 99:99:99 GMT")},
		{name: "a date in year 9999", to: lists, exit: complete, does: adorned("Date: Fri, 31 Dec 9999 23:59:59 GMT")},
		{name: "a date in year 1", to: lists, exit: complete, does: adorned("Date: Mon, 01 Jan 0001 00:00:00 GMT")},

		{name: "401 for ever", to: lists, exit: noAuth, sample: true, does: status("401 Unauthorized", `{"detail":"no"}`)},
		{name: "401 with Basic", to: lists, exit: noAuth, does: status("401 Unauthorized", `{}`, `WWW-Authenticate: Basic realm="x"`)},
		{name: "401 with a realm of 500 kB", to: one, exit: noAuth, does: status("401 Unauthorized", `{}`, `WWW-Authenticate: Basic realm="`+strings.Repeat("x", 500<<10)+`"`)},
		{name: "407", to: lists, exit: failure, says: "407", does: status("407 Proxy Authentication Required", `{}`, `Proxy-Authenticate: Basic realm="x"`)},
		{name: "511", to: one, exit: failure, does: status("511 Network Authentication Required", `<html>sign in`)},
		{name: "a sign-in page", to: lists, exit: broken, says: "HTML", does: status("200 OK", `<!doctype html><form action="http://169.254.169.254/">`, "Content-Type: text/html")},

		{name: "redirect to another host", to: lists, exit: broken, except: led, sample: true, does: redirect("302 Found", func(w *wire) string { return "http://" + w.site.foreign.host + "/x" })},
		{name: "redirect to a host by name", to: lists, exit: broken, except: led, does: redirect("307 Temporary Redirect", always("https://tap.example.org/x"))},
		{name: "redirect to the link-local address", to: lists, exit: broken, except: led, does: redirect("302 Found", always("http://169.254.169.254/latest/meta-data/iam/security-credentials/"))},
		{name: "redirect to loopback", to: one, exit: broken, except: led, does: redirect("301 Moved", always("http://[::1]:1/"))},
		{name: "redirect to itself for ever", to: lists, exit: broken, except: led, does: redirect("308 Permanent Redirect", func(w *wire) string { return w.r.URL.String() })},
		{name: "redirect to a file", to: lists, exit: broken, except: led, does: redirect("302 Found", always("file:///etc/passwd"))},
		{name: "redirect to nowhere", to: one, exit: broken, except: led, does: redirect("302 Found", always("::::"))},
		{name: "redirect with a secret", to: lists, exit: broken, except: led, does: redirect("302 Found", func(w *wire) string {
			return "http://" + w.r.Header.Get("Authorization") + "@" + w.site.foreign.host + "/?token=" + w.site.secrets[0]
		})},
		{name: "redirect by 303", to: one, exit: broken, except: led, does: redirect("303 See Other", func(w *wire) string { return "http://" + w.site.foreign.host })},
		{name: "redirect by 300", to: one, exit: broken, except: led, does: redirect("300 Multiple Choices", func(w *wire) string { return "http://" + w.site.foreign.host })},

		{name: "Retry-After of 10^9 s", to: lists, exit: later, says: "is not waited for", sample: true, does: status("429 Too Many Requests", `{}`, "Retry-After: 1000000000")},
		{name: "Retry-After of 10^400 s", to: lists, exit: later, does: status("429 Too Many Requests", `{}`, "Retry-After: 1"+strings.Repeat("0", 400))},
		{name: "Retry-After of -5 s", to: one, exit: later, waits: 30 * time.Second, does: status("429 Too Many Requests", `{}`, "Retry-After: -5")},
		{name: "Retry-After of NaN", to: one, exit: later, does: status("429 Too Many Requests", `{}`, "Retry-After: NaN")},
		{name: "Retry-After in year 9999", to: lists, exit: later, does: status("429 Too Many Requests", `{}`, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT")},
		{name: "Retry-After long ago", to: one, exit: later, does: status("429 Too Many Requests", `{}`, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT")},
		{name: "Retry-After in year 9999 by a clock of year 9999", to: lists, exit: later, does: status("429 Too Many Requests", `{}`, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "Date: Fri, 31 Dec 9999 23:59:58 GMT")},
		{name: "503 with Retry-After of 10^9 s", to: lists, exit: later, does: status("503 Oops", `{}`, "Retry-After: 1000000000")},
		{name: "500 for ever", to: lists, exit: failure, does: status("500 Oops", `{"detail":"\u001b[31m`+strings.Repeat("x", 1<<16)+`"}`)},
		{name: "echo of what was sent", to: lists, exit: failure, sample: true, does: func(w *wire) {
			body := fmt.Sprintf(`{"message":"%s %s %s"}`, w.r.Header.Get("Authorization"), w.r.Header.Get("AdminKey"), strings.Join(w.site.secrets, " "))
			w.head("400 "+w.r.Header.Get("Authorization"), "X: "+w.r.Header.Get("Authorization"))
			w.say("%s", body)
		}},
		{name: "echo in place of a list", to: lists, exit: broken, does: func(w *wire) {
			w.ok()
			w.say(`{"%s":"%s"}`, w.r.Header.Get("Authorization"), strings.Join(w.site.secrets, " "))
		}},
		{name: "an answer before the question", to: one, at: isAny, exit: failure, does: func(w *wire) {
			w.say("HTTP/1.1 408 Request Timeout\r\n\r\n")
		}},
	})
}

// isAny is every request.
func isAny(*http.Request) bool { return true }
