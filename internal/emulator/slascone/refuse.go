package slascone

import (
	"encoding/json"
	"net/http"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}}
}

// problem is a refusal in the form of RFC 7807 (CLIENT: its properties; GUESS:
// its content type).
func problem(status int, detail string) emulator.Answer {
	body := map[string]any{
		"type": "https://tools.ietf.org/html/rfc9110", "title": http.StatusText(status), "status": status, "detail": nil, "instance": nil,
	}
	if detail != "" {
		body["detail"] = detail
	}
	return emulator.Answer{Status: status, Header: http.Header{"Content-Type": {"application/problem+json; charset=utf-8"}}, Body: asJSON(body)}
}

// conflict is a 409 with a number of the vendor's list (DOC).
func conflict(id int, message string) emulator.Answer {
	return emulator.Answer{Status: http.StatusConflict, Header: jsonHeader(), Body: asJSON(map[string]any{"id": id, "message": message, "help": nil})}
}

func asJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // invariant: only plain values are answered
	}
	return body
}

// unknownIDs are the conflicts of ids that are not known (DOC: numbers).
var unknownIDs = map[kind]struct {
	id   int
	text string
}{
	license:    {1000, "License key is not valid."},
	customer:   {4000, "Customer is not known."},
	product:    {3000, "Product is not known."},
	template:   {8001, "Template name is not known."},
	assignment: {2002, "Token is not assigned."},
}

// missing is the answer for an unknown id: 404, or by switch a conflict. Which
// of them comes is not published.
func (s *Service) missing(k kind, resource string) emulator.Answer {
	if s.on("unknown-409", resource) {
		known, ok := unknownIDs[k]
		if !ok {
			known.id, known.text = 4000, "Not known."
		}
		return conflict(known.id, known.text)
	}
	return problem(http.StatusNotFound, "")
}
