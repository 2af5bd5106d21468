package zohocrm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// busyTime is how long a call lasts by the fault busy.
const busyTime = 250 * time.Millisecond

// maxBody is how much of a request's body is read.
const maxBody = 1 << 20

// call is a request on its way through the service.
type call struct {
	route
	r     *http.Request
	h     http.Header // of the coming answer
	query url.Values
}

// ServeHTTP answers as the service does. GUESS: the order in which path, calls
// in flight, token, verb, scope and rights are looked at.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := s.route(r.URL.Path)
	switch to.kind {
	case toToken:
		s.tokens.serve(r, s.domain(r)).Send(w)
		return
	case toRevoke:
		s.tokens.revoke(r).Send(w)
		return
	case toAuthorize:
		s.tokens.authorize(r, s.domain(r)).Send(w)
		return
	case nowhere:
		noSuchPath().Send(w)
		return
	case toSettings, toList, toRecord, toDeleted, toRelated, toCount, toCOQL, toBulk, toJob, toDownload:
	}
	c := &call{route: to, r: r, h: w.Header(), query: r.URL.Query()}
	c.aim(c.query.Get("module"))
	who := s.tokens.look(r.Header.Get("Authorization"))
	leave, ok := s.limits.enter(to)
	defer leave()
	if !ok {
		if who.validity == tokenGood { // paid for already
			s.limits.more(to.resource, -costOf(to, r.Method), w.Header())
		}
		leave()
		s.tooMany(c.target).Send(w)
		return
	}
	if s.env.Fires("busy", c.target) && !pause(r.Context(), busyTime) {
		panic(http.ErrAbortHandler) // the client is gone
	}
	refused := s.refused(c, who)
	if refused == nil && to.kind == toDownload {
		s.download(w, c, leave)
		return
	}
	var a emulator.Answer
	n := 0
	if refused != nil {
		a = *refused
	} else {
		a, n = s.answer(c)
	}
	leave()
	emulator.CountRows(w, n)
	if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
		w.WriteHeader(a.Status) // not even a length
		return
	}
	a.Send(w)
}

// pause waits, unless the client goes away meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// domain is the address of the mount, which is accounts server and API in one.
func (s *Service) domain(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + s.env.Mount
}

// refused tells why a call is not answered at all.
func (s *Service) refused(c *call, who session) *emulator.Answer {
	if a := s.authenticate(c.target, who); a != nil {
		return a
	}
	verb := http.MethodGet
	if c.kind == toCOQL || c.kind == toBulk {
		verb = http.MethodPost
	}
	if c.r.Method != verb {
		a := wrongVerb()
		return &a
	}
	if a := outOfScope(who, needs(c.route)); a != nil {
		return a
	}
	if a := s.barred(c.target, c.module); a != nil {
		return a
	}
	if a := s.switchedOff(c.resource); a != nil {
		return a
	}
	if s.env.Fires("internal-error", c.target) {
		a := refusal(http.StatusInternalServerError, "INTERNAL_ERROR", "Internal Server Error", nil)
		return &a
	}
	if _, err := url.ParseQuery(c.r.URL.RawQuery); err != nil {
		a := refusal(http.StatusBadRequest, "INVALID_DATA", "the query of the URL is not valid", nil)
		return &a
	}
	return nil
}

// answer returns the answer and how many rows are in it.
func (s *Service) answer(c *call) (emulator.Answer, int) {
	switch c.kind {
	case toBulk:
		return s.createJob(c), 0
	case toJob:
		return s.pollJob(c), 0
	case toSettings, toList, toRecord, toDeleted, toRelated, toCount, toCOQL, toDownload, nowhere, toToken, toRevoke, toAuthorize:
	}
	since, err := sinceOf(c.r.Header)
	if err != nil {
		return refusal(http.StatusBadRequest, "INVALID_DATA", "the header If-Modified-Since is not valid", object{"header_name": "If-Modified-Since"}), 0
	}
	number := s.pages.enter(c)
	body, err := s.ask(c, since)
	if err != nil {
		if known, ok := errors.AsType[*data.Error](err); ok {
			return worded(known), 0
		}
		return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", err.Error(), nil), 0
	}
	if body.Empty || c.kind != toCount && s.empty(c.target) {
		return s.nothing(c, since), 0
	}
	s.disturb(c, number, body)
	return emulator.Answer{Status: http.StatusOK, Header: jsonHeader(), Body: body.JSON}, body.Rows
}

// ask puts the question to the data.
func (s *Service) ask(c *call, since time.Time) (*data.Body, error) {
	switch c.kind {
	case toList:
		if c.old {
			return s.org.ListV2(c.module, c.query, since)
		}
		return s.org.List(c.module, c.query, since)
	case toDeleted:
		return s.org.Deleted(c.module, c.query, since)
	case toRelated:
		return s.org.Related(c.module, c.id, c.list, c.query, since)
	case toRecord:
		return s.org.Record(c.module, c.id)
	case toCount:
		if s.empty(c.target) {
			return &data.Body{JSON: []byte(`{"count":0}`)}, nil
		}
		return s.org.RecordCount(c.module, c.query)
	case toCOQL:
		return s.coql(c)
	case toSettings, toBulk, toJob, toDownload, nowhere, toToken, toRevoke, toAuthorize:
	}
	return s.org.Settings(c.path, c.query)
}

// coql answers a query, which costs one to three credits (DOC): the first is
// paid for already.
func (s *Service) coql(c *call) (*data.Body, error) {
	var question struct {
		Query *string `json:"select_query"`
	}
	if err := readJSON(c.r, &question); err != nil {
		return nil, err
	}
	if question.Query == nil {
		return nil, &data.Error{ // GUESS: the code
			Status: http.StatusBadRequest, Code: "MANDATORY_NOT_FOUND", Message: "required field not found", Details: object{"api_name": "select_query"},
		}
	}
	body, credits, err := s.org.COQL(*question.Query)
	if err == nil {
		s.limits.more(c.resource, credits-callCost, c.h)
	}
	return body, err
}

// readJSON reads the body of a POST. DOC: 415 unless it says that it is JSON.
func readJSON(r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &data.Error{Status: http.StatusUnsupportedMediaType, Code: "MEDIA_TYPE_NOT_SUPPORTED", Message: "Media type is not supported"}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return err
	}
	if json.Unmarshal(text, into) != nil {
		return &data.Error{Status: http.StatusBadRequest, Code: "INVALID_DATA", Message: "the request body is not valid JSON"}
	}
	return nil
}

// sinceForm is ISO 8601 with an offset and without fractions (DOC).
const sinceForm = "2006-01-02T15:04:05Z07:00"

// sinceOf reads If-Modified-Since; zero means that it was not sent. GUESS: what
// cannot be read is refused, and not left out of account.
func sinceOf(h http.Header) (time.Time, error) {
	text := h.Get("If-Modified-Since")
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(sinceForm, text)
	if err == nil && strings.ContainsAny(text, ".,") {
		err = errors.New("a fraction")
	}
	return at, err
}

// nothing is the answer without rows: 304 to whoever named a time, else 204,
// neither with a body (DOC). CLIENT: 204 also came where a time was named, the
// fault not-modified-204.
func (s *Service) nothing(c *call, since time.Time) emulator.Answer {
	if c.kind != toList && c.kind != toDeleted && c.kind != toRelated || since.IsZero() || s.env.Share("not-modified-204", c.target, 1) > 0 {
		return emulator.Answer{Status: http.StatusNoContent}
	}
	return emulator.Answer{Status: http.StatusNotModified}
}
