package exactonline

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// jsonHeader is that of every good answer and of most refusals. GUESS: the
// parameters; WCF Data Services tells the protocol's version.
func jsonHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Dataserviceversion": {"2.0;"}, "Cache-Control": {"no-cache"},
	}
}

// refusal words an error in the envelope of the service, its line ends
// included (CLIENT); code and lang are empty.
func refusal(status int, text string) emulator.Answer {
	body := []byte("{\r\n\"error\": {\r\n\"code\": \"\", \"message\": {\r\n\"lang\": \"\", \"value\": ")
	body = rows.AppendText(body, text)
	body = append(body, "\r\n}\r\n}\r\n}"...)
	return emulator.Answer{Status: status, Header: jsonHeader(), Body: body}
}

// withReason adds the header that carries more (DOC via picqer PR#451).
func withReason(a emulator.Answer, reason string) emulator.Answer {
	a.Header.Set("Reason", reason)
	return a
}

// Refuse words what the service words. GUESS: the body of a 401 is empty; a
// 403 without a stream names no scope. The wait of a 429 is told as Exact
// tells it, by the reset of the minute, and as a proxy would, by Retry-After,
// which nobody documents.
func (*Service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusUnauthorized:
		return unauthorized("invalid_token", "access token not valid")
	case http.StatusForbidden:
		return refusal(status, "Forbidden")
	case http.StatusTooManyRequests:
		a := over("X-RateLimit-Minutely-", perMinute, time.Now().Add(wait))
		a.Header.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		return *a
	}
	return emulator.NotFound()
}

// unauthorized is a 401, whose header tells why in escaped words (CLIENT [AB];
// the layout is GUESS).
func unauthorized(code, text string) emulator.Answer {
	challenge := "Bearer"
	if code != "" {
		challenge += ` error="` + code + `", error_description="` + url.PathEscape(text) + `"`
	}
	return emulator.Answer{Status: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {challenge}}}
}

// authenticate checks the bearer token. A bad one can lead to the page for
// signing in (CLIENT [NET]): fault object-moved.
func (s *Service) authenticate(r *http.Request) *emulator.Answer {
	state := s.tokens.bearer(r.Header.Get("Authorization"))
	resource := s.Resource(r.URL.Path)
	if state == tokenGood && s.env.Fires("stale-token", resource) {
		state = tokenExpired
	}
	var a emulator.Answer
	switch {
	case state == tokenGood:
		return nil
	case s.env.Share("object-moved", resource, 1) > 0:
		a = s.moved(r)
	case state == tokenExpired:
		a = unauthorized("invalid_token", "access token expired")
	case state == tokenUnknown:
		a = unauthorized("invalid_token", "access token not valid")
	default:
		a = unauthorized("", "")
	}
	return &a
}

// moved is what ASP.NET answers to who is not signed in.
func (s *Service) moved(r *http.Request) emulator.Answer {
	location := s.env.Mount + "/docs/login.aspx?ReturnUrl=" + url.QueryEscape(r.URL.Path)
	a := page(http.StatusFound, "Object moved", `to <a href="`+location+`">here</a>.`)
	a.Header.Set("Location", location)
	return a
}

// company refuses a division that is not there, was not granted, or is closed.
// The number in the URL of system/Divisions is not looked at (CLIENT
// picqer#470). DOC: the reasons; GUESS: that all are 403 and say Forbidden.
func (s *Service) company(to route) *emulator.Answer {
	if !to.scoped || to.set != nil && to.set.Name == "system_divisions" {
		return nil
	}
	a := withReason(refusal(http.StatusForbidden, "Forbidden"), "NoDivisionAccess")
	for _, d := range s.store.Divisions() {
		if d.Code != to.division {
			continue
		}
		if d.Readable() {
			return nil
		}
		if d.Granted {
			a.Header.Set("Reason", "DivisionBlocked")
		}
	}
	return &a
}

// lacking is the scope that the app was not granted: six sets, none of which
// is read by default.
const lacking = "Communication mailboxes"

// unseen is the set that the user has no right to see: it is empty, and
// nothing else tells (DOC Tips).
const unseen = "webhooks_webhook_subscriptions"

// forbidden is the refusal of a set whose scope the app lacks (CLIENT
// picqer#509), by the fault noscope also in one division only.
func (s *Service) forbidden(set *edm.Set, division int) *emulator.Answer {
	if set.Scope != lacking && s.env.Share("noscope", target(set, division), 1) == 0 {
		return nil
	}
	a := refusal(http.StatusForbidden, "Forbidden - Application Scope Violated. Cannot read '"+scopeOf(set)+"' scope.")
	return &a
}

// scopeOf is a scope as refusals write it: area.subarea (CLIENT). GUESS: where
// it is unknown, the parts of the path.
func scopeOf(set *edm.Set) string {
	words := strings.Fields(set.Scope)
	if len(words) < 2 {
		words = strings.Split(set.Path, "/")
		words = words[len(words)-2:]
	}
	return strings.ToLower(words[0] + "." + words[1])
}

// empty tells whether a set shows no rows: for want of a right, or by the
// fault norows. The user himself and the companies are always there, for
// without them nothing could be asked.
func (s *Service) empty(set *edm.Set, division int) bool {
	if set.Name == unseen || s.env.Share("noright", target(set, division), 1) > 0 {
		return true
	}
	return set.Name != "current_me" && set.Name != "system_divisions" && s.env.Share("norows", set.Name, 1) > 0
}

// page is a short HTML page.
func page(status int, title, text string) emulator.Answer {
	body := "<html><head><title>" + title + "</title></head><body>\r\n<h2>" + title + "</h2> " + text + "\r\n</body></html>\r\n"
	return emulator.Answer{Status: status, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: []byte(body)}
}
