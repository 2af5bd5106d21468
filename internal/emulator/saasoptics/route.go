package saasoptics

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// route is what a path leads to.
type route struct {
	stream  *stream // nil: no such resource
	id      string  // of one row, "" for a list
	nested  bool    // the revenue entries of transaction id
	foreign bool    // not this account, or not this API at all
}

// route takes paths with and without a slash at the end (CLIENT: a POST
// without one gets 201, so there is no redirect).
func (s *service) route(path string) route {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	if len(parts) < 3 || parts[0] != Account || parts[1] != "api" || parts[2] != "v1.0" {
		return route{foreign: true}
	}
	switch parts = parts[3:]; len(parts) {
	case 1:
		return route{stream: s.byPath[parts[0]]}
	case 2:
		if st := s.byPath[parts[0]+"/"+parts[1]]; st != nil {
			return route{stream: st}
		}
		return route{stream: s.byPath[parts[0]], id: parts[1]}
	case 3:
		if parts[0] == "transactions" && parts[2] == "revenue_entries" {
			return route{stream: s.byName["revenue_entries"], id: parts[1], nested: true}
		}
	}
	return route{}
}

// Resource names the stream of a path; "account" is a wrong account.
func (s *service) Resource(path string) string {
	switch r := s.route(path); {
	case r.foreign:
		return "account"
	case r.stream == nil:
		return "unknown"
	case r.nested:
		return "transactions/{id}/revenue_entries"
	case r.id != "":
		return r.stream.name + "/{id}"
	default:
		return r.stream.name
	}
}

// ServeHTTP answers as the service does: a wrong account gets a page and not
// JSON (CLIENT: 404), then the token is checked, then the method, then the
// resource is looked up (GUESS: the framework's order).
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := s.route(r.URL.Path)
	if to.foreign {
		emulator.NotFound().Send(w)
		return
	}
	if refusal := authenticate(r.Header.Get("Authorization")); refusal != nil {
		refusal.Send(w)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		detail(http.StatusMethodNotAllowed, `Method "`+r.Method+`" not allowed.`).Send(w)
		return
	}
	switch {
	case to.stream == nil:
		s.Refuse(http.StatusNotFound, 0).Send(w)
	case to.nested:
		s.entriesOf(w, r, to.stream, to.id)
	case to.id != "":
		s.one(w, to.stream, to.id)
	default:
		s.list(w, r, to.stream)
	}
}

// authenticate knows the scheme Token only (CLIENT); the texts are the
// framework's (GUESS).
func authenticate(header string) *emulator.Answer {
	words := strings.Fields(header)
	var refusal emulator.Answer
	switch {
	case len(words) == 0 || !strings.EqualFold(words[0], "Token"):
		refusal = unauthorized("Authentication credentials were not provided.")
	case len(words) == 1:
		refusal = unauthorized("Invalid token header. No credentials provided.")
	case len(words) > 2:
		refusal = unauthorized("Invalid token header. Token string should not contain spaces.")
	case words[1] != Token:
		refusal = unauthorized("Invalid token.")
	default:
		return nil
	}
	return &refusal
}

// one answers GET {resource}/{id}/. GUESS: currencies, which have no id, are
// asked for by code; deletions cannot be asked for one by one.
func (s *service) one(w http.ResponseWriter, st *stream, id string) {
	row, ok := st.byID(id)
	if !ok {
		s.Refuse(http.StatusNotFound, 0).Send(w)
		return
	}
	emulator.CountRows(w, 1)
	emulator.Answer{Status: http.StatusOK, Header: header(), Body: st.row.Append(nil, row)}.Send(w)
}

func (st *stream) byID(id string) (rows.Row, bool) {
	if st.name == "currency_codes" {
		for k, e := range currencies {
			if e.code == id {
				return st.table.Get(st.table.IDs().ID(int64(k)))
			}
		}
		return rows.Row{}, false
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return rows.Row{}, false
	}
	return st.table.Get(n)
}
