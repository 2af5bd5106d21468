package buchhaltungsbutler

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// header is that of every answer in JSON (CLIENT DM 3.3). No answer tells of the
// limit.
func header() http.Header {
	return http.Header{
		"Content-Type":  {"application/json; charset=utf-8"},
		"Cache-Control": {"no-store, no-cache, must-revalidate"},
		"Expires":       {"Thu, 19 Nov 1981 08:52:00 GMT"},
		"Pragma":        {"no-cache"},
		"Server":        {"nginx"},
	}
}

// failure words a refusal: no rows and no data (DOC).
func failure(status, code int, message string) emulator.Answer {
	body := []byte(`{"success":false,"error_code":` + strconv.Itoa(code) + `,"message":`)
	body = append(rows.AppendText(body, message), '}')
	return emulator.Answer{Status: status, Header: header(), Body: body}
}

func failed(e *data.Error) emulator.Answer { return failure(e.Status, e.Code, e.Message) }

// The refusals that are the same everywhere (DOC).
func wrongPair() emulator.Answer {
	return failure(http.StatusUnauthorized, 3, "API credentials unknown or invalid")
}

func noTenant(to target) emulator.Answer {
	if to.long {
		return failure(http.StatusUnauthorized, 4, "customer not found or invalid api client for customer or insufficient privileges")
	}
	return failure(http.StatusUnauthorized, 4, "customer not found or insufficient privileges")
}

func notActive() emulator.Answer {
	return failure(http.StatusForbidden, 11, "customer has no active status")
}

func noContent() emulator.Answer {
	return failure(http.StatusBadRequest, 23, "no post and files content received or declined")
}

func timedOut() emulator.Answer {
	return failure(http.StatusGatewayTimeout, 30, "a timeout occurred while processing the request")
}

func broken() emulator.Answer {
	return failure(http.StatusInternalServerError, 0, "error while processing the request")
}

func restrictedNow() emulator.Answer {
	return failure(http.StatusForbidden, 15, "adding temporarily restricted")
}

// throttled is the answer to one call too many. GUESS: 429 by the web server,
// without a header that tells more; nobody has seen it. The faults stand for
// what clients guard against.
func (s *Service) throttled() emulator.Answer {
	switch {
	case s.on(throttle403, source):
		return restrictedNow()
	case s.on(throttle500, source):
		return broken()
	}
	return page(http.StatusTooManyRequests, "429 Too Many Requests", "")
}

// Refuse words what the service words. GUESS: a 403 that is about one resource
// alone; the wait of a 429, which the vendor never tells, as a proxy would.
func (*Service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusUnauthorized:
		return wrongPair()
	case http.StatusForbidden:
		return failure(status, 4, "customer not found or insufficient privileges")
	case http.StatusTooManyRequests:
		a := page(status, "429 Too Many Requests", "")
		if wait > 0 {
			a.Header.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		}
		return a
	}
	return notFound()
}

// page is an HTML page.
func page(status int, title, text string) emulator.Answer {
	body := fmt.Sprintf("<!DOCTYPE html>\n<html lang=\"de\">\n<head><meta charset=\"UTF-8\"><title>%s</title></head>\n<body>\n<h1>%s</h1>\n%s</body>\n</html>\n",
		title, title, text)
	return emulator.Answer{
		Status: status, Header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}, "Server": {"nginx"}}, Body: []byte(body),
	}
}

// notFound is the page of the web app for a path that leads nowhere: HTML of
// some six kilobytes (CLIENT).
func notFound() emulator.Answer {
	return page(http.StatusNotFound, "BuchhaltungsButler – Seite nicht gefunden", strings.Repeat("<div class=\"row\"><span>Größe &amp; Übersicht</span></div>\n", 100))
}
