package saasoptics

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Mangle spoils a page: deep and dup in its first row, next-self and
// next-foreign in its link to the next page, the last page included. What is
// not a page stays as it is.
func (s *service) Mangle(fault string, r *http.Request, body []byte) []byte {
	switch fault {
	case "deep":
		nest := `"c_deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + ","
		return intoFirstRow(body, nest)
	case "dup":
		return intoFirstRow(body, `"id":-1,"modified":"1990-01-01T00:00:00Z",`)
	case "next-self":
		address := s.self(r)
		if r.URL.RawQuery != "" {
			address += "?" + r.URL.RawQuery
		}
		return withNext(body, address)
	case "next-foreign":
		return withNext(body, "http://saasoptics.example.net"+s.env.Mount+r.URL.EscapedPath()+"?page=2")
	}
	return body
}

func intoFirstRow(body []byte, members string) []byte {
	const start = `"results":[{`
	if k := bytes.Index(body, []byte(start)); k >= 0 {
		return slices.Insert(slices.Clone(body), k+len(start), []byte(members)...)
	}
	return body
}

func withNext(body []byte, address string) []byte {
	const start, end = `,"next":`, `,"previous":`
	a := bytes.Index(body, []byte(start))
	b := bytes.Index(body, []byte(end))
	if a < 0 || b < a {
		return body
	}
	return slices.Replace(slices.Clone(body), a+len(start), b, rows.AppendText(nil, address)...)
}
