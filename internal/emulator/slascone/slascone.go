// Package slascone stands in for the API v2 of SLASCONE. It owns the rows of a
// vendor's account (products, editions, licenses, customers, resellers and what
// hangs on them), computed from a seed, and the behaviour of the service around
// them: keys, paths, pages, filters, refusals, limits, writes.
//
// It must never answer what only the tap would like. Rules are marked DOC (the
// vendor's pages and the specification that its generated clients carry), CLIENT
// (seen in the vendor's samples, which run against the real service) or GUESS;
// a guess that could hurt a client is one of the [Switches], so that tests run it
// both ways. Nothing but the sandbox and tests may import it.
package slascone

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// What a client needs to be let in. The keys are opaque texts (GUESS: their
// form); the account is a UUID (DOC).
const (
	ISV             = "3b7f4c1e-9d25-4e86-a1c0-5f2d8e6b7a94"
	AdminKey        = "Nq7vR2xT9bLk4ZsW8mYc1HdJ6pGf3aUe" // fake: opens the sandbox only
	ProvisioningKey = "pK5wD8nB1yVr6CtQ3xMj9LzS2hFg7eAo" // fake: opens the sandbox only
	BearerToken     = "eyJhbGciOiJSUzI1NiJ9.c2FuZGJveA.c2lnbmF0dXJl"
)

const source = "slascone"

// Plugin is the stand-in, for the list given to [emulator.New].
var Plugin = emulator.Plugin{Name: source, Open: open, Guesses: guesses}

// Watched is the plugin for a test that looks behind the answers: into is set
// to what is opened.
func Watched(into **Service) emulator.Plugin {
	return emulator.Plugin{Name: source, Open: func(env emulator.Env) (emulator.Service, error) {
		s, err := open(env)
		if opened, ok := s.(*Service); ok {
			*into = opened
		}
		return s, err
	}}
}

// Service is the open stand-in.
type Service struct {
	env      emulator.Env
	world    *world
	limits   limits
	switches switches
	shifts   shifts

	sideEffects, secrets atomic.Int64
}

func open(env emulator.Env) (emulator.Service, error) {
	w, err := newWorld(env.Records, env.Seed, time.Now())
	if err != nil {
		return nil, err
	}
	s := &Service{env: env, world: w}
	s.Reset()
	return s, nil
}

// Config is the config of the tap for this stand-in.
func (s *Service) Config(string) map[string]any {
	return map[string]any{
		"isv_id":     ISV,
		"admin_key":  AdminKey,
		"start_date": time.Now().UTC().AddDate(-4, 0, 0).Truncate(24 * time.Hour).Format(time.RFC3339),
	}
}

// Rows counts the rows of all tables; streams that show the same ones count once.
func (s *Service) Rows() int64 {
	s.world.mu.RLock()
	defer s.world.mu.RUnlock()
	var n int64
	for _, t := range s.world.tables {
		n += s.world.live(t)
	}
	return n
}

// Reset brings back what was there at the start: the rows, the limits and the
// counters. Switches that a test has set stay.
func (s *Service) Reset() {
	s.world.reset()
	s.limits.reset()
	s.shifts.reset()
	s.sideEffects.Store(0)
	s.secrets.Store(0)
}

// SideEffects is how many requests have had an effect that a reader must not
// cause: GETs that send mail, assign a token, migrate or send a heartbeat (DOC).
func (s *Service) SideEffects() int64 { return s.sideEffects.Load() }

// Secrets is how many requests have read a password, a key or a token (DOC).
func (s *Service) Secrets() int64 { return s.secrets.Load() }

// Admit holds the limits: what makes persistent data counts (DOC). A call
// without a good key belongs to nobody and is not counted (GUESS).
func (s *Service) Admit(r *http.Request, _ http.Header) *emulator.Answer {
	e, _ := find(r.Method, r.URL.Path)
	if who := whoIs(r.Header); who == nobody || e == nil {
		return nil
	}
	counts := e.writes || s.on("reads-limited", e.resource)
	wait := s.limits.admit(time.Now(), s.plan(), counts, s.on("throttle-window", e.resource))
	if wait == 0 {
		return nil
	}
	a := tooMany(wait)
	if s.on("retry-zero", e.resource) {
		a.Header.Set("Retry-After", "0")
	}
	return &a
}

// Refuse words a refusal. A 429 begins a block that only waiting ends, as far as
// limits are real.
func (s *Service) Refuse(status int, wait time.Duration) emulator.Answer {
	switch status {
	case http.StatusTooManyRequests:
		s.limits.block(time.Now(), wait)
		return tooMany(wait)
	case http.StatusUnauthorized, http.StatusForbidden:
		return s.denied(status, source)
	}
	return problem(status, "")
}

// tooMany is a 429: whole seconds to wait (DOC), no body (GUESS).
func tooMany(wait time.Duration) emulator.Answer {
	seconds := int((wait + time.Second - 1) / time.Second)
	return emulator.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}}}
}

// Truth writes every live row of a stream as the service gives it, one a line,
// in the order of its lists. What a list leaves to its address comes first:
// customer_id, license_id and so on; of a balance the members of its key that are
// null in the answer are filled in as the dossier of the source has it. What the
// key may not read is left out.
func (s *Service) Truth(out io.Writer, stream string) error {
	v := streams[stream]
	if v == nil {
		return fmt.Errorf("no stream %q", stream)
	}
	return s.truth(out, v)
}
