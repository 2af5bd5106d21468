// Package exactonline stands in for Exact Online's REST API v1. It owns what
// surrounds the data: paths, OAuth with rotating tokens, the limits of each
// division, rights, refusals, functions and live changes. Rows and the queries
// over them belong to package data below it.
//
// It must never answer what only the tap would like. Rules are marked DOC (the
// vendor's pages), CLIENT (seen in a client that runs against the real
// service), REC (recorded exchanges) or GUESS; where sources disagree the
// strictest reading is taken. Nothing but the sandbox and tests may import it.
package exactonline

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
)

// What a client needs to be let in. Client ids are GUIDs (CLIENT); tokens begin
// with the name of a server and hold characters that a form or an address must
// escape (CLIENT: "!").
const (
	ClientID     = "7d1f4c0e-2b8a-4c56-9e3d-5a0b6c7d8e9f"
	ClientSecret = "Xq7bN2vR9tLz"                                                                         // fake: opens the sandbox only
	RefreshToken = "stampNL001.k2fD!IAAAAC7wq0d3Nn5kVhT1mZ8xQeJ4rUyB6aPsLgHc9oFi2WvXtEbYzRjKuMlGnDqS0p5O" // fake: opens the sandbox only
	RedirectURI  = "https://tap.example.org/exact/callback"
)

const source = "exact_online"

// Plugin is the stand-in, for the list given to [emulator.New].
var Plugin = emulator.Plugin{Name: source, Open: open}

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
	env    emulator.Env
	store  *data.Store
	sets   map[string]*edm.Set // by canonical path, see [canonical]
	tokens *tokens
	limits *limits
	pages  pageNumbers

	changing sync.Mutex // one change at a time
	turn     int        // the division that the next change begins with
}

func open(env emulator.Env) (emulator.Service, error) {
	s := &Service{env: env, sets: make(map[string]*edm.Set), tokens: newTokens(env), limits: newLimits()}
	list := edm.Sets()
	for k := range list {
		path := canonical(list[k].Path)
		if twice := s.sets[path]; twice != nil {
			return nil, fmt.Errorf("%s and %s have the same path", twice.Name, list[k].Name)
		}
		s.sets[path] = &list[k]
	}
	s.store = data.Open(data.Options{
		Records: env.Records, Seed: env.Seed, Mandatory: env.Share("mandatory", source, 1) > 0,
	})
	return s, nil
}

// Config is the config of the tap for this stand-in. It names no divisions:
// all that are granted are read.
func (s *Service) Config(string) map[string]any {
	return map[string]any{
		"client_id":     ClientID,
		"client_secret": ClientSecret,
		"refresh_token": RefreshToken,
		"redirect_uri":  RedirectURI,
		"start_date":    time.Now().UTC().AddDate(-3, 0, 0).Truncate(24 * time.Hour).Format(time.RFC3339),
	}
}

// Rows counts all sets of all divisions.
func (s *Service) Rows() int64 { return s.store.Count() }

// Truth writes every live row of a set over all readable divisions, one a line,
// with _division first; nothing of what app or user may not see. A fault that
// is aimed at one division alone is not looked at.
func (s *Service) Truth(w io.Writer, stream string) error {
	set := edm.Find(stream)
	if set == nil {
		return fmt.Errorf("no stream %q", stream)
	}
	if s.forbidden(set, 0) != nil || s.empty(set, 0) {
		return nil
	}
	return s.store.Truth(w, set)
}

// Reset brings back what was there at the start: the rows, the limits, and the
// refresh token of the config, which is good once more.
func (s *Service) Reset() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.turn = 0
	s.store.Reset()
	s.limits.reset()
	s.tokens.arm()
}

// Admit holds the limits: 60 calls a clock minute and 5,000 a UTC day for each
// division (DOC). GUESS: a call without a good token belongs to no app and is
// not counted, a refused one is not counted either.
func (s *Service) Admit(r *http.Request, h http.Header) *emulator.Answer {
	to := s.route(r.URL.Path)
	if !to.api {
		return nil
	}
	switch s.tokens.bearer(r.Header.Get("Authorization")) {
	case tokenMissing, tokenUnknown:
		return nil
	case tokenExpired, tokenGood:
	}
	if s.limits.isBlocked() {
		a := emulator.Answer{Status: http.StatusTooManyRequests}
		if s.env.Share("lockout-403", s.Resource(r.URL.Path), 1) > 0 {
			a = refusal(http.StatusForbidden, "Forbidden")
		}
		return &a
	}
	if !to.scoped {
		return nil // no division, no limit and no headers (DOC)
	}
	return s.limits.admit(to.division, to.function != userHasRights, h)
}
