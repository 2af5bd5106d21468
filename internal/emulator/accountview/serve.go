package accountview

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// ServeHTTP answers as the service does.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, n := s.answer(r)
	emulator.CountRows(w, n)
	a.Send(w)
}

// answer returns the answer and how many rows are in it. GUESS: the order in
// which token, method, Accept, scope and company are looked at.
func (s *Service) answer(r *http.Request) (emulator.Answer, int) {
	endpoint, api := route(r.URL.Path)
	switch {
	case endpoint == endpointToken:
		return s.tokens.serve(r), 0
	case endpoint == endpointAuthorize:
		return s.tokens.authorize(r), 0
	case !api:
		return emulator.NotFound(), 0
	}
	resource := s.ResourceOf(r)
	scope, ok := s.tokens.bearer(r.Header.Get("Authorization"))
	switch {
	case !ok || s.fires("stale-token", resource):
		return unauthorized(), 0
	case endpoint == endpointUnknown:
		return unknownPath(r.URL.Path), 0
	case r.Method != http.MethodGet: // the sandbox is read only
		return message(http.StatusMethodNotAllowed, "The requested resource does not support http method '"+r.Method+"'."), 0
	case !acceptsJSON(r.Header):
		return message(http.StatusNotAcceptable, "Not Acceptable"), 0
	}
	words, wrong := fold(r.URL.RawQuery)
	if wrong != nil {
		return s.refused(wrong, resource), 0
	}
	if endpoint == endpointCompanies {
		if a := s.onlyKnown(words); a != nil {
			return *a, 0
		}
		var ids []emulator.ID
		for _, c := range s.companies {
			ids = append(ids, emulator.ID(c.id))
		}
		s.show(resource, ids)
		return s.companyList(), len(s.companies)
	}
	if !slices.Contains(strings.Fields(scope), readScope) || s.on("noscope", resource) {
		return failure(http.StatusForbidden, "AuthorizationError", "", noRightText), 0
	}
	c, text := s.company(r.Header.Get("X-Company"))
	if c == nil {
		return s.noCompany(text, resource), 0
	}
	cost := time.Duration(0)
	if s.env.Limited || s.on("exclusive", resource) {
		cost = callTime
	}
	alone, there, leave := s.queue.enter(r.Context(), c.id, cost)
	defer leave()
	if !there {
		panic(http.ErrAbortHandler) // the client is gone
	}
	if !alone && s.on("exclusive", resource) {
		return failure(http.StatusServiceUnavailable, "ServiceError", "", busyText), 0
	}
	switch {
	case s.fires("offline", resource):
		return failure(http.StatusServiceUnavailable, "ServiceError", "", offlineText), 0
	case s.fires("admin-blocked", resource):
		return failure(http.StatusInternalServerError, "AccountViewError", "[1705]", blockedText), 0
	case s.fires("stall", resource) && !pause(r.Context(), 10*time.Minute):
		panic(http.ErrAbortHandler)
	}
	switch endpoint {
	case endpointObjects:
		if a := s.onlyKnown(words); a != nil {
			return *a, 0
		}
		return s.objectList(c)
	case endpointFields:
		return s.fieldList(c, words)
	}
	return s.rows(r, c, words, endpoint == endpointSystem)
}

// rows answers a question for the rows of a business object.
func (s *Service) rows(r *http.Request, c *company, words map[string][]string, system bool) (emulator.Answer, int) {
	resource := s.ResourceOf(r)
	q, wrong := s.ask(c, words, system)
	if wrong != nil {
		return s.refused(wrong, resource), 0
	}
	switch {
	case c.inactive[q.code] && s.on("inactive-unknown", resource):
		return s.refused(unknownObject(q.code), resource), 0
	case c.inactive[q.code]:
		return s.barred(noLicence, resource), 0
	case s.fires("error-200", resource):
		return failure(http.StatusOK, "AccountViewError", "[108]", "Het bestand is in gebruik."), 0
	case s.on("noright", resource):
		return s.barred(noRightText, resource), 0
	case q.asked > pageSlow && s.on("gateway", resource):
		if !pause(r.Context(), gatewayTime) {
			panic(http.ErrAbortHandler)
		}
		return page(http.StatusGatewayTimeout, "504 Gateway Timeout", ""), 0
	}
	list, body, wrong := s.read(q, c, resource)
	if wrong != nil {
		return s.refused(wrong, resource), 0
	}
	s.disturb(q, list, resource)
	if len(list) == 0 && s.on("empty-404", resource) {
		return message(http.StatusNotFound, "Er zijn geen gegevens gevonden."), 0
	}
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: body}, len(list)
}

// read makes a page, of one state of the rows.
func (s *Service) read(q *query, c *company, resource string) ([]*row, []byte, *problem) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var b *book
	if !q.system {
		var p *problem
		if b, p = c.bookOf(q.day, q.dated); p != nil {
			return nil, nil, p
		}
	}
	st := c.store(q.table, b)
	list, p := s.rowsOfPage(q, st, resource)
	if p != nil {
		return nil, nil, p
	}
	if s.empty(q, resource) {
		list = nil
	}
	return list, s.answerOf(q, c, list, resource), nil
}

// empty tells whether a stream shows no rows, by the fault norows. What leads to
// the rows of others is always there.
func (s *Service) empty(q *query, resource string) bool {
	return !q.system && s.on("norows", resource)
}

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, and not yet sent.
func (s *Service) disturb(q *query, list []*row, resource string) {
	number := int64(max(q.number, 1))
	chain := resource + "\x00" + q.words.Get("bookdate") + "\x00" + strconv.Itoa(q.size)
	if q.after {
		number, _ = s.numbers.get(chain + "\x00" + q.last)
		number = max(number, 2)
	}
	if len(list) > 0 {
		s.numbers.put(chain+"\x00"+list[len(list)-1].key(), number+1)
	}
	if q.asked == 1 {
		return // a look at one row, whichever it is, and no page of a list
	}
	if hook := s.env.PageHook(); hook != nil {
		ids := make([]emulator.ID, len(list))
		for k, r := range list {
			ids[k] = idOf(q.object, r)
		}
		hook(emulator.Page{Source: source, Resource: resource, Number: number, Query: q.words, IDs: ids})
	}
	if len(list) == q.size && s.env.Fires("moving", resource) {
		k := rows.Mix(s.env.Seed, uint64(number)) % uint64(len(list))
		s.mu.Lock()
		defer s.mu.Unlock()
		touch(list[k].s, list[k].i, s.clock(), false)
	}
}

// company finds a company by its Id. text says why there is none.
func (s *Service) company(id string) (c *company, text string) {
	for _, c := range s.companies {
		if strings.EqualFold(c.id, id) {
			return c, ""
		}
	}
	if id == "" {
		return nil, "De header x-company ontbreekt."
	}
	return nil, "De onderneming " + id + " is niet gevonden."
}

// onlyKnown refuses parameters where there are none.
func (s *Service) onlyKnown(words map[string][]string, allowed ...string) *emulator.Answer {
	for name := range words {
		if !slices.Contains(allowed, name) {
			a := s.refused(&problem{text: "Onbekende parameter " + name + ".", strange: true}, endpointUnknown)
			return &a
		}
	}
	return nil
}

func (s *Service) companyList() emulator.Answer {
	type item struct{ Id, Description, Code string }
	var list []item
	for _, c := range s.companies {
		list = append(list, item{c.id, c.name, c.code})
	}
	return jsonAnswer(list)
}

// objectItem is a business object as it is listed.
type objectItem struct {
	Code, Description                           string
	InsertAllowed, UpdateAllowed, DeleteAllowed bool
}

// objectItems are the objects that user and licence can reach (CLIENT omni).
// GUESS: that both paths list the same.
func (s *Service) objectItems(c *company) []objectItem {
	var list []objectItem
	for k := range objects {
		o := &objects[k]
		if c.inactive[o.code] {
			continue
		}
		code := o.code
		if code == openItems && s.on("other-codes", "open_items") {
			code = openItemsOther
		}
		writes := !o.system && o.view == "" && o.table != "TRANSACT"
		list = append(list, objectItem{code, o.label, writes, writes, false})
	}
	return list
}

func (s *Service) objectList(c *company) (emulator.Answer, int) {
	list := s.objectItems(c)
	var ids []emulator.ID
	for _, o := range list {
		ids = append(ids, emulator.ID(o.Code))
	}
	s.show(endpointObjects, ids)
	return jsonAnswer(list), len(list)
}

// show tells a test of a list that comes in one answer.
func (s *Service) show(resource string, ids []emulator.ID) {
	if hook := s.env.PageHook(); hook != nil {
		hook(emulator.Page{Source: source, Resource: resource, Number: 1, IDs: ids})
	}
}

// fieldList answers /accountviewfields, whose form nobody has told (GUESS).
func (s *Service) fieldList(c *company, words map[string][]string) (emulator.Answer, int) {
	if a := s.onlyKnown(words, "businessobject", "pagesize"); a != nil {
		return *a, 0
	}
	code := strings.Join(words["businessobject"], "")
	o := s.objectByCode(code)
	if o == nil {
		return s.refused(unknownObject(code), endpointFields), 0
	}
	type item struct {
		Name, FieldType string
		FieldLength     int
	}
	var list []item
	for _, col := range c.shown(s.tables[o.table]) {
		list = append(list, item{col.name, string(col.letter), col.width})
	}
	return jsonAnswer(list), len(list)
}

func jsonAnswer(v any) emulator.Answer {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // a builder takes everything
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: []byte(strings.TrimSuffix(b.String(), "\n"))}
}

// acceptsJSON tells whether JSON may be answered; it is what comes if nothing is
// asked for (CLIENT apic).
func acceptsJSON(h http.Header) bool {
	list := strings.Join(h.Values("Accept"), ",")
	if strings.TrimSpace(list) == "" {
		return true
	}
	for item := range strings.SplitSeq(list, ",") {
		kind, _, err := mime.ParseMediaType(item)
		if err == nil && slices.Contains([]string{"application/json", "text/json", "application/*", "*/*"}, kind) {
			return true
		}
	}
	return false
}
