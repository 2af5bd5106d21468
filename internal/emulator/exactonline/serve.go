package exactonline

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// maxURL is how long an address may be after encoding (DOC).
const maxURL = 6000

// ServeHTTP answers as the service does. GUESS: the order in which token,
// Accept, path, division and scope are looked at.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := s.route(r.URL.Path)
	leave := s.limits.enter(to.division)
	a, n := s.answer(to, r)
	leave()
	if to.api && s.env.Limited && s.tokens.bearer(r.Header.Get("Authorization")) >= tokenExpired {
		name := s.Resource(r.URL.Path)
		if name == unknown {
			name = r.URL.Path
		}
		s.limits.note(endpoint{to.division, name}, a.Status)
	}
	if to.scoped && !s.env.Limited {
		unlimited(w.Header())
	}
	emulator.CountRows(w, n)
	a.Send(w)
}

// answer returns the answer and how many rows are in it.
func (s *Service) answer(to route, r *http.Request) (emulator.Answer, int) {
	switch to.name {
	case "token":
		return s.tokens.serve(r), 0
	case "authorize":
		return s.tokens.authorize(r), 0
	case "login":
		return page(http.StatusOK, "Sign in", `<form method="post"><input name="UserName"></form>`), 0
	}
	if !to.api {
		return emulator.NotFound(), 0
	}
	if refused := s.authenticate(r); refused != nil {
		return *refused, 0
	}
	wanted := formOf(r.Header)
	switch {
	case len(s.self(r))+1+len(r.URL.RawQuery) > maxURL:
		return emulator.NotFound(), 0 // GUESS: the web server's 404.15
	case r.Method != http.MethodGet:
		return refusal(http.StatusMethodNotAllowed, "Method not allowed"), 0 // GUESS: the sandbox is read only
	case wanted == formNone:
		return refusal(http.StatusUnsupportedMediaType, "Unsupported media type requested."), 0
	case to.set == nil && to.function == "":
		return emulator.NotFound(), 0
	}
	if refused := s.company(to); refused != nil {
		return *refused, 0
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refusal(http.StatusBadRequest, "Bad Request - Error in query syntax."), 0
	}
	switch to.function {
	case syncTimestamp:
		return s.syncTimestamp(to, query), 1
	case userHasRights:
		return s.userHasRights(to, query), 1
	}
	if refused := s.forbidden(to.set, to.division); refused != nil {
		return *refused, 0
	}
	a, n := s.list(to, r, query)
	if wanted == formAtom && a.Status == http.StatusOK {
		a = atom(s.self(r), to.set)
	}
	return a, n
}

// list answers GET of an entity set.
func (s *Service) list(to route, r *http.Request, query url.Values) (emulator.Answer, int) {
	number := s.pages.number(r.URL.Path, query)
	result, err := s.store.Query(to.set, to.division, query, s.self(r))
	if err != nil {
		if known, ok := errors.AsType[*data.Error](err); ok {
			return refusal(known.Status, known.Message), 0
		}
		return refusal(http.StatusInternalServerError, err.Error()), 0
	}
	if s.empty(to.set, to.division) {
		result = &data.Result{Body: blank(result.Body)}
	}
	if result.Next {
		s.pages.expect(r.URL.Path, nextOf(result.Body), number+1)
	}
	s.disturb(to, query, number, result)
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: result.Body}, result.Rows
}

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, and not yet sent.
func (s *Service) disturb(to route, query url.Values, number int64, result *data.Result) {
	if hook := s.env.PageHook(); hook != nil {
		p := emulator.Page{Source: source, Resource: to.set.Name, Number: number, Query: query}
		for _, id := range result.IDs {
			p.IDs = append(p.IDs, emulator.ID(id))
		}
		hook(p)
	}
	if result.Next && to.set.Cursor != "" && s.env.Fires("moving", to.set.Name) {
		k := rows.Mix(s.env.Seed, uint64(number)) % uint64(len(result.IDs))
		// A set that does not change, or a row that the hook has deleted: nothing moves.
		_, _ = s.store.Touch(to.set, to.division, time.Time{}, 0, result.IDs[k])
	}
}

// self is the absolute address of a request, without its parameters.
func (s *Service) self(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + s.env.Mount + r.URL.EscapedPath()
}

// The forms in which rows can be asked for.
type form int

const (
	formAtom form = iota // the default (DOC)
	formJSON
	formNone // application/xml and the like are refused (DOC [CD])
)

// formOf reads Accept: JSON wherever it is named, Atom for want of anything.
func formOf(h http.Header) form {
	list := strings.Join(h.Values("Accept"), ",")
	if strings.TrimSpace(list) == "" {
		return formAtom
	}
	wanted := formNone
	for item := range strings.SplitSeq(list, ",") {
		kind, _, err := mime.ParseMediaType(item)
		switch {
		case err != nil:
		case kind == "application/json":
			return formJSON
		case kind == "*/*" || kind == "application/*" || kind == "application/atom+xml":
			wanted = formAtom
		}
	}
	return wanted
}

// blank is a list without its rows, in the form that it had.
func blank(body []byte) []byte {
	if _, bare := bytes.CutPrefix(body, []byte(`{"d":[`)); bare {
		return []byte(`{"d":[]}`)
	}
	return []byte(`{"d":{"results":[]}}`)
}

// nextOf is the query of a page's link to the next one.
func nextOf(body []byte) url.Values {
	const start = `"__next":"`
	k := bytes.LastIndex(body, []byte(start))
	if k < 0 {
		return nil
	}
	link, _, _ := bytes.Cut(body[k+len(start):], []byte(`"`))
	_, raw, _ := strings.Cut(string(link), "?")
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil
	}
	return query
}

// pageNumbers knows which page a link leads to: the address does not tell.
type pageNumbers struct {
	mu   sync.Mutex
	next map[string]int64
}

// maxLinks is how many links are remembered; older ones lead to page 0.
const maxLinks = 1 << 14

func (p *pageNumbers) number(path string, query url.Values) int64 {
	if !query.Has("$skiptoken") {
		return 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[path+"?"+query.Encode()]
}

func (p *pageNumbers) expect(path string, query url.Values, number int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil || len(p.next) >= maxLinks {
		p.next = make(map[string]int64)
	}
	p.next[path+"?"+query.Encode()] = number
}
