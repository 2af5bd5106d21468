package accountview

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-cache"}}
}

// failure words an error as AccountView does (CLIENT omni): ErrorNumbers is null
// or a list.
func failure(status int, kind, numbers, text string) emulator.Answer {
	if numbers == "" {
		numbers = "null"
	}
	body := rows.AppendText([]byte(`{"ErrorType":`), kind)
	body = append(append(body, `,"ErrorNumbers":`...), numbers...)
	body = rows.AppendText(append(body, `,"ErrorMessage":`...), text)
	return emulator.Answer{Status: status, Header: jsonHeader(), Body: append(body, '}')}
}

// message words an error of the web server in front (GUESS: the default of
// ASP.NET Web API).
func message(status int, text string) emulator.Answer {
	body := rows.AppendText([]byte(`{"Message":`), text)
	return emulator.Answer{Status: status, Header: jsonHeader(), Body: append(body, '}')}
}

func unauthorized() emulator.Answer {
	return message(http.StatusUnauthorized, "Authorization has been denied for this request.")
}

func unknownPath(path string) emulator.Answer {
	return message(http.StatusNotFound, "No HTTP resource was found that matches the request URI '"+path+"'.")
}

// refused answers what cannot be done. GUESS by what clients defend against: it
// comes with status 200; by the fault errors-4xx with 400.
func (s *Service) refused(p *problem, stream string) emulator.Answer {
	status := http.StatusOK
	if p.strange || s.on("errors-4xx", stream) {
		status = http.StatusBadRequest
	}
	return failure(status, "AccountViewError", p.numbers, p.text)
}

// barred answers that a right or a module is lacking (GUESS: 200, or 403).
func (s *Service) barred(text, stream string) emulator.Answer {
	status := http.StatusOK
	if s.on("errors-4xx", stream) {
		status = http.StatusForbidden
	}
	return failure(status, "AccountViewError", "", text)
}

// noCompany answers that x-company is missing or wrong (GUESS: 400, or 200).
func (s *Service) noCompany(text, stream string) emulator.Answer {
	status := http.StatusBadRequest
	if s.on("company-200", stream) {
		status = http.StatusOK
	}
	return failure(status, "AccountViewError", "", text)
}

const (
	offlineText = "De communicatieservice is niet bereikbaar."
	blockedText = "De administratie is geblokkeerd door een andere gebruiker."
	busyText    = "De administratie is in gebruik."
	tooManyText = "Te veel aanvragen."
	noRightText = "U hebt geen rechten om deze gegevens te lezen."
	noLicence   = "De module voor dit business object is niet actief in de licentie."
)

// Refuse words a refusal. A 429 was never seen.
func (*Service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusUnauthorized:
		return unauthorized()
	case http.StatusForbidden:
		return failure(status, "AccountViewError", "", noRightText)
	case http.StatusTooManyRequests:
		a := failure(status, "ServiceError", "", tooManyText)
		a.Header.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		return a
	}
	return unknownPath("/")
}

// page is a short HTML page of a gateway or of the sign-in.
func page(status int, title, text string) emulator.Answer {
	body := "<html><head><title>" + title + "</title></head><body><h2>" + title + "</h2>" + text + "</body></html>\r\n"
	return emulator.Answer{Status: status, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: []byte(body)}
}
