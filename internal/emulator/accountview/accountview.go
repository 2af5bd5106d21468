// Package accountview stands in for the Web API v3 of AccountView.Net. It owns
// all of it: OAuth with rotating tokens, companies with an administration per
// book year, the data dictionary, questions with LastKey, PageNumber, FoxPro
// literals and columns, the queue of each company, errors that come with status
// 200, and live changes.
//
// It must never answer what only the tap would like. Rules are marked DOC,
// DICT (the dictionary of a live system), REAL (seen in a live answer), CLIENT
// (done by a client that presumably works) or GUESS; a guess that could hurt a
// client is a fault, so that tests run it both ways. Nothing but the sandbox and
// tests may import it.
package accountview

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// What a client needs to be let in. Tokens hold signs that a form must escape.
const (
	ClientID     = "8d2f6a11-tap-sandbox"
	ClientSecret = "s3Kx+Qm/9vT="       // fake: opens the sandbox only
	RefreshToken = "RT-77ab93e1+/c0d27" // fake: opens the sandbox only
	RedirectURI  = "https://tap.example.org/accountview/callback"
)

const source = "accountview"

// startDate is before the first change of the data.
const startDate = "2023-12-31T00:00:00Z"

// Plugin is the stand-in, for the list given to [emulator.New].
var Plugin = Switched(nil)

// Service is the open stand-in.
type Service struct {
	env       emulator.Env
	switches  *switches
	tables    map[string]*table
	companies []*company
	tokens    *tokens
	queue     queue
	places    memory[spot]
	numbers   memory[int64]
	turn      atomic.Int64 // answers given, by which columns are shuffled

	mu     sync.RWMutex // guards the rows
	picked int          // the book year that the next change begins with
}

func open(env emulator.Env, faults []string) (*Service, error) {
	s := &Service{env: env}
	var err error
	if s.switches, err = newSwitches(faults); err != nil {
		return nil, err
	}
	o := options{records: int64(env.Records), seed: env.Seed, on: s.on, share: s.share, clock: s.clock}
	if s.tables, err = makeTables(o); err != nil {
		return nil, err
	}
	s.companies = makeCompanies(o, s.tables)
	s.tokens = newTokens(env, s.on)
	return s, nil
}

// clock is what the clock shows at the site.
func (*Service) clock() int64 { return wall(time.Now()) }

// Config is the config of the tap for this stand-in: one of two companies.
func (s *Service) Config(string) map[string]any {
	return map[string]any{
		"client_id":     ClientID,
		"client_secret": ClientSecret,
		"refresh_token": RefreshToken,
		"redirect_uri":  RedirectURI,
		"company_id":    s.companies[0].id,
		"start_date":    startDate,
	}
}

// Rows counts the tables of all companies and book years. Lines, which follow
// from their pages, are not counted.
func (s *Service) Rows() int64 {
	s.mu.Lock() // stores remember what they have counted
	defer s.mu.Unlock()
	var n int64
	for _, c := range s.companies {
		for _, st := range c.all() {
			n += st.count()
		}
	}
	return n
}

// Reset brings back what was there at the start, the refresh token of the config
// included.
func (s *Service) Reset() {
	s.mu.Lock()
	for _, c := range s.companies {
		for _, st := range c.all() {
			st.reset()
		}
	}
	s.picked = 0
	s.mu.Unlock()
	s.tokens.arm()
	s.queue.reset()
}

// Admit knows no limits: none are published, none was seen. What slows a client
// down is the queue of its company.
func (*Service) Admit(*http.Request, http.Header) *emulator.Answer { return nil }

// AtOnce is the most calls of a company that there ever were at the same time.
func (s *Service) AtOnce(company string) int { return s.queue.most(company) }
