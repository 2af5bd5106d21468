package zohocrm

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// foreign is where the fault next-foreign leads.
const foreign = "http://www.zohoapis.example.net"

// Mangle spoils an answer: deep and dup in its first row, next-self and
// next-foreign in what leads on. That is the page token of a list, which only
// can lead back; the address of a bulk result; and the API's address in the
// answer with a token. What leads nowhere stays as it is.
func (s *Service) Mangle(fault string, r *http.Request, body []byte) []byte {
	to := s.route(r.URL.Path)
	switch {
	case fault == "deep":
		return intoFirstRow(body, `"Deep__c":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+",")
	case fault == "dup":
		return intoFirstRow(body, `"id":"1","Modified_Time":"1990-01-01T00:00:00Z",`)
	case fault == "next-self" && to.kind == toJob:
		return bytes.Replace(body, []byte(bulkRoot+"read/"+to.job+"/result"), []byte(bulkRoot+"read/"+to.job), 1)
	case fault == "next-self":
		return s.leadingBack(r, body)
	case fault == "next-foreign" && to.kind == toJob:
		return bytes.Replace(body, []byte(`"`+bulkRoot), []byte(`"`+foreign+bulkRoot), 1)
	case fault == "next-foreign" && to.kind == toToken:
		return bytes.Replace(body, []byte(s.domain(r)), []byte(foreign), 1)
	}
	return body
}

// intoFirstRow puts members in front of those of the first row, or of the
// single object of an answer that is no list.
func intoFirstRow(body []byte, members string) []byte {
	if !bytes.HasPrefix(body, []byte(`{"`)) {
		return body
	}
	for _, start := range []string{`[{`, `:{`} {
		if k := bytes.Index(body, []byte(start)); k >= 0 {
			return slices.Insert(slices.Clone(body), k+len(start), []byte(members)...)
		}
	}
	return body
}

// leadingBack gives a list a page token that leads to itself, the last page
// included.
func (s *Service) leadingBack(r *http.Request, body []byte) []byte {
	info := infoOf(body)
	at := bytes.Index(info, []byte(nextToken))
	if at < 0 {
		return bytes.Replace(body, []byte(moreRecords+"false"), []byte(moreRecords+"true"), 1)
	}
	out := slices.Clone(body[:len(body)-len(info)+at+len(nextToken)])
	out = rows.AppendText(out, s.pages.returning(r.URL.Query()))
	after := info[at+len(nextToken):]
	k := bytes.IndexAny(after[1:], `,}`) + 1
	return append(out, bytes.Replace(after[k:], []byte(moreRecords+"false"), []byte(moreRecords+"true"), 1)...)
}
