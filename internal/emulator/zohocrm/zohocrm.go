// Package zohocrm stands in for Zoho CRM's REST API v8. It owns what surrounds
// the data: paths, OAuth, scopes and rights, the credits and the calls in
// flight of an edition, bulk jobs, refusals and live changes. Rows, metadata
// and the queries over them belong to package data below it.
//
// It must never answer what only the tap would like. Rules are marked DOC (the
// vendor's pages and its published specifications), CLIENT (seen in a client
// that runs against the real service) or GUESS; a guess that could hurt a
// client is a fault, so that tests run it both ways. Nothing but the sandbox
// and tests may import it.
package zohocrm

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// What a client needs to be let in. Tokens are 1000, a point, 32 hexadecimal
// digits, a point, 32 more (CLIENT).
const (
	ClientID     = "1000.7K2QZ4N8V1XJ5T0R9YB3WMEC6HDLPA"
	ClientSecret = "5e0f1b7c9a3d48266f1c0d9e8b7a65432100ffeedd"                             // fake: opens the sandbox only
	RefreshToken = "1000.3f9a1c5e7b2d4860a9c8e7f6d5b4a392.8d7c6b5a493827160f1e2d3c4b5a6978" // fake: opens the sandbox only
)

const source = "zoho_crm"

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
	env     emulator.Env
	org     *data.Org
	modules modules
	tokens  *tokens
	limits  *limits
	jobs    *jobs
	pages   pages
}

// customModules are those of the org besides the standard ones.
const customModules = 8

// What the shares of faults take a part of. DOC: rows that can be read by page
// number, rows that can be read by page token, rows of a bulk job.
const (
	discreteRows = 2000
	ceilingRows  = 100_000
	bulkRows     = 200_000
)

func open(env emulator.Env) (emulator.Service, error) {
	s := &Service{env: env, tokens: newTokens(env)}
	s.org = data.Open(data.Options{
		Records: env.Records, Seed: env.Seed, Now: time.Now, Modules: customModules,
		Edition: editionName(env), Licences: licences,
		Discrete: part(env, "discrete", discreteRows), Ceiling: part(env, "ceiling", ceilingRows),
	})
	for _, name := range data.Switches() {
		if err := s.org.Switch(name, env.Share(name, source, 1) > 0); err != nil {
			return nil, err
		}
	}
	s.limits = newLimits(env)
	s.jobs = newJobs(part(env, "bulk-part", bulkRows))
	var err error
	if s.modules, err = readModules(s.org); err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	return s, nil
}

// part is a number of the vendor's, or the share of it that a fault leaves.
func part(env emulator.Env, fault string, whole int) int {
	share := env.Share(fault, source, 0.01)
	if share == 0 {
		return whole
	}
	return max(1, int(share*float64(whole)+0.5))
}

// Config is the config of the tap for this stand-in.
func (s *Service) Config(base string) map[string]any {
	return map[string]any{
		"client_id":     ClientID,
		"client_secret": ClientSecret,
		"refresh_token": RefreshToken,
		"accounts_url":  base,
		"start_date":    time.Now().UTC().AddDate(-3, 0, 0).Truncate(24 * time.Hour).Format(time.RFC3339),
	}
}

// Switch turns one of the guesses of the data round, as a fault of its name does.
func (s *Service) Switch(name string, on bool) error { return s.org.Switch(name, on) }

// Rows counts all streams.
func (s *Service) Rows() int64 { return s.org.Count() }

// Truth writes every live row of a stream, one a line; nothing of what app or
// user may not see. A fault that is aimed at one module's share of a stream is
// not looked at.
func (s *Service) Truth(w io.Writer, stream string) error {
	if s.barred(stream, "") != nil || s.switchedOff(stream) != nil || s.empty(stream) {
		return nil
	}
	return s.org.Truth(w, stream)
}

// Reset brings back what was there at the start: the rows, the credits, the
// refresh token of the config, and no jobs.
func (s *Service) Reset() {
	s.org.Reset()
	s.limits.reset()
	s.tokens.arm()
	s.jobs.reset()
	s.pages.reset()
}

// Admit holds the day's credits and the bulk downloads of a minute. GUESS: a
// call without a good token belongs to no org and costs nothing, nor does a
// refused one; what fails for another reason costs what it would have.
func (s *Service) Admit(r *http.Request, h http.Header) *emulator.Answer {
	to := s.route(r.URL.Path)
	if !to.api() || s.tokens.look(r.Header.Get("Authorization")).validity != tokenGood {
		return nil
	}
	if !s.limits.admit(to, r.Method, h) {
		a := s.tooMany(to.target)
		return &a
	}
	return nil
}
