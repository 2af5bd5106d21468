package slascone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// maxBody is how much of a request's body is read.
const maxBody = 1 << 20

// call is a request on its way through the service.
type call struct {
	s     *Service
	w     *world
	e     *endpoint
	r     *http.Request
	query url.Values
	raw   []byte // the body, and read if it is an object
	body  map[string]json.RawMessage
	ids   map[kind]int64 // of the path
	texts []string       // parts of the path that are no ids
	who   holder
	look  look
}

// reply is an answer, and what the sandbox wants to know of it.
type reply struct {
	emulator.Answer
	rows   int
	page   emulator.Page
	listed kind                                       // of the rows in page.IDs; none: nothing to disturb
	more   func(dst []byte) (chunk []byte, more bool) // the rest of a list too long for memory
}

func refused(a emulator.Answer) *reply { return &reply{Answer: a} }

func good(body []byte) *reply {
	return &reply{Answer: emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: body}}
}

// ServeHTTP answers as the service does. GUESS: the order in which path, verb,
// key, parameters and body are looked at.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := s.answer(r)
	if a.more != nil {
		s.stream(w, a)
		return
	}
	s.disturb(a)
	s.sign(r, &a.Answer)
	emulator.CountRows(w, a.rows)
	if a.Status == http.StatusNoContent {
		w.WriteHeader(a.Status) // not even a length
		return
	}
	a.Send(w)
}

func (s *Service) answer(r *http.Request) *reply {
	e, verbs := find(r.Method, r.URL.Path)
	if e == nil {
		if len(verbs) == 0 {
			return refused(emulator.Answer{Status: http.StatusNotFound})
		}
		return refused(emulator.Answer{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {strings.Join(verbs, ", ")}}})
	}
	c := &call{s: s, w: s.world, e: e, r: r, query: r.URL.Query(), ids: make(map[kind]int64), who: whoIs(r.Header)}
	if a := c.admitted(); a != nil {
		return refused(*a)
	}
	for name, status := range map[string]int{"503-wait": http.StatusServiceUnavailable, "504-wait": http.StatusGatewayTimeout} {
		if s.fires(name, e.resource) {
			return refused(emulator.Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}})
		}
	}
	if a := c.read(); a != nil {
		return refused(*a)
	}
	c.look = s.lookOf(e.resource)
	if e.writes {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
	} else {
		c.w.mu.RLock()
		defer c.w.mu.RUnlock()
	}
	if a := c.locate(); a != nil {
		return refused(*a)
	}
	return e.serve(c)
}

// admitted looks at account, key and rights.
func (c *call) admitted() *emulator.Answer {
	isv, _, _ := strings.Cut(strings.TrimPrefix(c.r.URL.Path, root), "/")
	var a emulator.Answer
	switch {
	case c.who == nobody || !strings.EqualFold(isv, ISV):
		a = c.s.denied(http.StatusUnauthorized, c.e.resource)
	case c.who == provisioning && !c.e.both, c.s.on("noright", c.e.resource):
		a = c.s.denied(http.StatusForbidden, c.e.resource)
	default:
		return nil
	}
	return &a
}

// read checks parameters and body. GUESS: what is not known is refused, as the
// strictest reading.
func (c *call) read() *emulator.Answer {
	if _, err := url.ParseQuery(c.r.URL.RawQuery); err != nil {
		a := problem(http.StatusBadRequest, "The query is not valid.")
		return &a
	}
	for name := range c.query {
		if !slices.Contains(c.e.params, name) {
			a := problem(http.StatusBadRequest, "The parameter "+name+" is not known.")
			return &a
		}
	}
	if c.e.body == noBody || c.e.body == fileBody {
		return nil
	}
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		a := problem(http.StatusUnsupportedMediaType, "")
		return &a
	}
	c.raw, err = io.ReadAll(io.LimitReader(c.r.Body, maxBody))
	if err != nil || c.e.body == objectBody && (json.Unmarshal(c.raw, &c.body) != nil || c.body == nil) {
		a := problem(http.StatusBadRequest, "The body is not valid.")
		return &a
	}
	return nil
}

// locate reads the ids of the path. That of a deleted license is found where its
// history is asked for: it still answers (DOC).
func (c *call) locate() *emulator.Answer {
	parts := partsOf(strings.TrimPrefix(c.r.URL.Path, root))
	for k, p := range c.e.parts {
		if p[0] != '{' {
			continue
		}
		want := kindsByName[p]
		if want == none {
			c.texts = append(c.texts, parts[k])
			continue
		}
		u, ok := readUUID(parts[k])
		if !ok { // as ASP.NET answers what does not fit a route (GUESS)
			a := problem(http.StatusBadRequest, "The value '"+parts[k]+"' is not valid.")
			return &a
		}
		found, index, ok := c.w.locate(u)
		if ok = ok && found == want; ok && !(want == license && c.e.resource == "license_history") {
			_, ok = c.w.get(want, index)
		}
		if ok && want == license {
			_, ok = c.licenseEver(index)
		}
		if !ok {
			a := c.s.missing(want, c.e.resource)
			return &a
		}
		c.ids[want] = index
	}
	return nil
}

// licenseEver is a license that lives, or did.
func (c *call) licenseEver(index int64) (row, bool) {
	if r, ok := c.w.get(license, index); ok {
		return r, true
	}
	if ch := c.w.changes[place{kind: license, index: index}]; ch != nil && ch.gone != never {
		return c.w.ghost(c.w.byKind[license], index), true
	}
	return row{}, false
}

// lookOf is how the rows of a stream are shown.
func (s *Service) lookOf(resource string) look {
	return look{
		v25: s.on("v25", resource), next: s.on("next-release", resource),
		offsets: s.share("offset-times", resource, 0.25), disputed: s.share("disputed", resource, 0.04),
		bare:    resource == "licenses" && s.on("detail-bare", resource),
		shallow: s.on("shallow", resource),
		arrival: s.on("created-on-arrival", resource), reverse: s.on("rollback-counter", resource),
		now: ticksOf(time.Now()),
	}
}

// empty tells whether a stream shows no rows, by the fault norows.
func (s *Service) empty(resource string) bool { return s.on("norows", resource) }

// stream sends a long list piece by piece.
func (s *Service) stream(w http.ResponseWriter, a *reply) {
	chunk, more := a.more(nil)
	w.Header().Set("Content-Type", a.Header.Get("Content-Type"))
	w.WriteHeader(a.Status)
	for more {
		if _, err := w.Write(chunk); err != nil {
			return
		}
		chunk, more = a.more(chunk[:0])
	}
	s.disturb(a)
	emulator.CountRows(w, a.rows)
	_, _ = w.Write(chunk) // a client that went away is no fault of ours
}

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, its last byte not yet sent.
func (s *Service) disturb(a *reply) {
	if a.Status != http.StatusOK || a.page.Resource == "" {
		return
	}
	if hook := s.env.PageHook(); hook != nil {
		a.page.Source = source
		hook(a.page)
	}
	if a.listed == none || len(a.page.IDs) == 0 || !s.fires("moving", a.page.Resource) {
		return
	}
	k := rows.Mix(s.env.Seed, uint64(a.page.Number)) % uint64(len(a.page.IDs))
	// A row that the hook has deleted: nothing moves.
	_, _ = s.Change(emulator.Change{Stream: s.world.byKind[a.listed].name, IDs: a.page.IDs[k : k+1], At: time.Now().UTC().Truncate(time.Microsecond)})
}

// sign adds the signature of the symmetric mode (DOC: HMAC-SHA256 in hexadecimal
// over the exact bytes of the body), and of the nonce if there is one. GUESS: the
// key is that of the call.
func (s *Service) sign(r *http.Request, a *emulator.Answer) {
	if a.Status != http.StatusOK || !s.on("signed", s.Resource(r.URL.Path)) {
		return
	}
	sum := func(text []byte) string {
		m := hmac.New(sha256.New, []byte(AdminKey))
		m.Write(text)
		return hex.EncodeToString(m.Sum(nil))
	}
	a.Header.Set("x-slascone-signature", sum(a.Body))
	if nonce := r.Header.Get("X-Nonce"); nonce != "" {
		a.Header.Set("X-Nonce-Signature", sum([]byte(nonce)))
	}
}

// numberParam reads a whole number of the query.
func (c *call) numberParam(name string) (n int64, given, ok bool) {
	text := c.query.Get(name)
	if text == "" {
		return 0, false, true
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return n, true, err == nil
}
