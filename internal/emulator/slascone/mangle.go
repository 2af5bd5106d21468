package slascone

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Mangle spoils an answer: deep and dup in its first row. There are no links to a
// next page (DOC), so that next-self and next-foreign find nothing; page-ignored
// is what comes nearest.
func (s *Service) Mangle(fault string, _ *http.Request, body []byte) []byte {
	switch fault {
	case "deep":
		return intoFirstRow(body, `"deep":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+",")
	case "dup":
		return intoFirstRow(body, `"id":"`+nobodysID.String()+`","created_date_utc":"1990-01-01T00:00:00Z",`)
	}
	return body
}

// intoFirstRow puts members in front of those of the first row of a list, or of
// a list's object, or of the one object that there is.
func intoFirstRow(body []byte, members string) []byte {
	for _, start := range []string{`[{`, `:[{`, `{`} {
		k := bytes.Index(body, []byte(start))
		if k < 0 || start == `[{` && k != 0 {
			continue
		}
		return slices.Insert(slices.Clone(body), k+len(start), []byte(members)...)
	}
	return body
}
