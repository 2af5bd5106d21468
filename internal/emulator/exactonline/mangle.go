package exactonline

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Mangle spoils a page: deep and dup in its first row, next-self and
// next-foreign in its link to the next page, the last page included. What is
// not a page stays as it is.
func (s *Service) Mangle(fault string, r *http.Request, body []byte) []byte {
	switch fault {
	case "deep":
		nest := `"c_deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + ","
		return intoFirstRow(body, nest)
	case "dup":
		return intoFirstRow(body, `"ID":"00000000-0000-0000-0000-000000000000","Timestamp":"1","Modified":"/Date(631152000000)/",`)
	case "next-self":
		address := s.self(r)
		if r.URL.RawQuery != "" {
			address += "?" + r.URL.RawQuery
		}
		return withNext(body, address)
	case "next-foreign":
		return withNext(body, "http://start.exactonline.example.net"+s.env.Mount+r.URL.EscapedPath()+"?$skiptoken=1L")
	}
	return body
}

func intoFirstRow(body []byte, members string) []byte {
	for _, start := range []string{`{"d":{"results":[{`, `{"d":[{`} {
		if bytes.HasPrefix(body, []byte(start)) {
			return slices.Insert(slices.Clone(body), len(start), []byte(members)...)
		}
	}
	return body
}

func withNext(body []byte, address string) []byte {
	const start, end = `{"d":{"results":[`, `}}`
	if !bytes.HasPrefix(body, []byte(start)) || !bytes.HasSuffix(body, []byte(end)) {
		return body
	}
	if k := bytes.LastIndex(body, []byte(`],"__next":"`)); k > 0 {
		body = body[:k+1]
	} else {
		body = body[:len(body)-len(end)]
	}
	out := append(slices.Clone(body), `,"__next":`...)
	return append(rows.AppendText(out, address), end...)
}

// atom is an Atom feed, which the service answers unless it is asked for JSON
// (DOC). It holds no entries: who reads it has asked wrongly.
func atom(self string, set *edm.Set) emulator.Answer {
	var address bytes.Buffer
	_ = xml.EscapeText(&address, []byte(self)) // a buffer takes everything
	name := set.Path[strings.LastIndexByte(set.Path, '/')+1:]
	body := `<?xml version="1.0" encoding="utf-8" standalone="yes"?>` + "\r\n" +
		`<feed xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" ` +
		`xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">` + "\r\n" +
		`  <title type="text">` + name + `</title>` + "\r\n" +
		`  <id>` + address.String() + `</id>` + "\r\n" +
		`  <updated>` + time.Now().UTC().Format(time.RFC3339) + `</updated>` + "\r\n" +
		`  <link rel="self" title="` + name + `" href="` + name + `" />` + "\r\n" +
		`</feed>`
	h := jsonHeader()
	h.Set("Content-Type", "application/atom+xml;type=feed;charset=utf-8")
	return emulator.Answer{Status: http.StatusOK, Header: h, Body: []byte(body)}
}
