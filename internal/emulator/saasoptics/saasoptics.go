// Package saasoptics stands in for the REST API v1.0 of SaaSOptics (Maxio
// Core). It owns the streams of that service, computed from a seed, and the
// behaviour of its Django REST Framework: paths, token, envelope, page links,
// filters, refusals, the throttle.
//
// It must never answer what only the tap would like. Every rule is marked DOC
// (the vendor's pages), CLIENT (seen in a client that runs against the real
// service) or GUESS (inferred, mostly from the framework's source); where
// clients disagree the strictest reading is taken. Nothing but the sandbox and
// tests may import it.
package saasoptics

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// What a client needs to be let in. The account is the segment of the path
// after the host (CLIENT); a token is 40 hexadecimal digits (GUESS: the
// framework's form).
const (
	Account = "acme"
	Token   = "5a4db0c05a4db0c05a4db0c05a4db0c05a4db0c0" // fake: opens the sandbox only
)

// Plugin is the stand-in, for the list given to [emulator.New].
var Plugin = emulator.Plugin{Name: "saasoptics", Open: open}

// pageSize cannot be changed by any parameter (CLIENT, probed with seven
// values of page_size).
const pageSize = 100

// perSecond is the pace that running clients hold themselves to; a 429 with
// Retry-After beyond it is CLIENT, the number itself a GUESS.
const perSecond = 5

type service struct {
	env     emulator.Env
	streams []*stream // as the product page lists them
	byName  map[string]*stream
	byPath  map[string]*stream
	limit   *rate.Limiter
	papers  sync.Pool
}

func open(env emulator.Env) (emulator.Service, error) {
	s := &service{
		env: env, byName: make(map[string]*stream), byPath: make(map[string]*stream),
		limit: rate.NewLimiter(perSecond, perSecond),
	}
	s.papers.New = func() any { return new(paper) }
	err := s.open()
	return s, err
}

// Config is the config of the tap for this stand-in.
func (s *service) Config(string) map[string]any {
	return map[string]any{
		"token":            Token,
		"account_name":     Account,
		"server_subdomain": "s12",
		"start_date":       firstModified.Format(time.RFC3339),
	}
}

// Rows counts all streams.
func (s *service) Rows() int64 {
	var n int64
	for _, st := range s.streams {
		n += st.table.Live()
	}
	return n
}

// Admit holds the throttle. GUESS: the framework counts before it answers and
// a refused request does not count.
func (s *service) Admit(*http.Request, http.Header) *emulator.Answer {
	now := time.Now()
	r := s.limit.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	refusal := s.Refuse(http.StatusTooManyRequests, wait)
	return &refusal
}

// Refuse words what the framework words. Status and Retry-After of the 429 are
// CLIENT, all bodies GUESS (exceptions.py and authentication.py of Django REST
// Framework).
func (s *service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusUnauthorized:
		return unauthorized("Invalid token.")
	case http.StatusForbidden:
		return detail(status, "You do not have permission to perform this action.")
	case http.StatusTooManyRequests:
		seconds := int(math.Ceil(wait.Seconds()))
		unit := "seconds"
		if seconds == 1 {
			unit = "second"
		}
		a := detail(status, fmt.Sprintf("Request was throttled. Expected available in %d %s.", seconds, unit))
		a.Header.Set("Retry-After", strconv.Itoa(seconds))
		return a
	}
	return detail(status, "Not found.")
}

func unauthorized(text string) emulator.Answer {
	a := detail(http.StatusUnauthorized, text)
	a.Header.Set("WWW-Authenticate", "Token")
	return a
}

func detail(status int, text string) emulator.Answer {
	return answer(status, map[string]string{"detail": text})
}

func answer(status int, v any) emulator.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // invariant: only maps of texts come here
	}
	return emulator.Answer{Status: status, Header: header(), Body: body}
}

func header() http.Header {
	return http.Header{
		"Content-Type": {"application/json"},
		"Allow":        {"GET, HEAD, OPTIONS"},
		"Vary":         {"Accept"},
	}
}

// Truth writes every live row of a stream, one a line.
func (s *service) Truth(w io.Writer, name string) error {
	st, ok := s.byName[name]
	if !ok {
		return fmt.Errorf("no stream %q", name)
	}
	var list []rows.Row
	var text []byte
	for offset := int64(0); ; offset += 1000 {
		list, _ = st.table.Select(rows.All(), list[:0], func(int64) (int64, int64) { return offset, 1000 })
		if len(list) == 0 {
			return nil
		}
		text = append(st.row.AppendList(text[:0], list, "\n"), '\n')
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
}

// Reset forgets every change.
func (s *service) Reset() {
	for _, st := range s.streams {
		st.table.Reset()
	}
}
