// Package buchhaltungsbutler stands in for the API v1 of BuchhaltungsButler. It
// owns what surrounds the data: paths, HTTP Basic and the key in the body, the
// envelope, refusals, the limit of each tenant, reports under way and live
// changes. Rows and the lists over them belong to package data below it.
//
// It must never answer what only the tap would like. Rules are marked DOC (the
// vendor's specification and pages), CLIENT (seen or measured by a client of
// the real service) or GUESS; a guess that could hurt a client is a fault, so
// that tests run it both ways. Nothing but the sandbox and tests may import it.
package buchhaltungsbutler

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
)

// What a client needs to be let in: the pair of the program, and the key of the
// tenant (DOC). GUESS: their forms.
const (
	Client = "tap-sandbox"
	Secret = "Grün:7f3c9a1e5b2d4860" // fake: opens the sandbox only
	Key    = "b1946ac92492d2347c6235b4d2611184"
)

// Other tenants. The pair may serve many, each with a limit of its own.
const (
	NewKey       = "591785b794601e212b260e25925636fd" // has just been opened: next to no rows
	ForeignKey   = "6f5902ac237024bdd0c176cb93063dc4" // is not served by this pair
	SuspendedKey = "e2fc714c4727ee9395f324cd2e7f331f" // is not active any more
)

const source = "buchhaltungsbutler"

// Plugin is the stand-in, for the list given to [emulator.New].
var Plugin = emulator.Plugin{
	Name: source, Open: func(env emulator.Env) (emulator.Service, error) { return open(env, env), nil },
	Guesses: guesses, Throttles: throttles, Broken: deaf,
}

// Watched is the plugin for a test that looks behind the answers: into is set
// to what is opened.
func Watched(into **Service) emulator.Plugin {
	return emulator.Plugin{Name: source, Open: func(env emulator.Env) (emulator.Service, error) {
		*into = open(env, env)
		return *into, nil
	}}
}

// Service is the open stand-in.
type Service struct {
	env     emulator.Env
	faults  decider
	company *data.Company // of Key
	fresh   *data.Company // of NewKey
	limits  *limits
	reports *reports
	pages   pageNumbers
}

func open(env emulator.Env, faults decider) *Service {
	s := &Service{env: env, faults: faults, limits: &limits{}, reports: newReports()}
	s.limits.reset()
	for name, company := range map[string]**data.Company{Key: &s.company, NewKey: &s.fresh} {
		o := data.Options{
			Records: env.Records, Seed: env.Seed,
			Switches: data.Switches{
				UploadsModified: s.on(uploadsModified, source),
				UTC:             s.on(zoneUTC, source),
				UndatedMatch:    s.on(undatedMatch, source),
				StableOffset:    s.on(stableOffset, source),
				Unstable:        s.on(unstable, source),
				UnstableFixed:   s.on(unstableFixed, source),
				MoreColumns:     s.on(moreColumns, source),
				LedgerTwice:     s.on(ledgerTwice, source),
				SilentComments:  s.on(silentComments, source),
			},
			Empty:    func(stream string) bool { return s.on("norows", stream) },
			Disputed: func(stream string) float64 { return faults.Share("disputed", stream, 0.04) },
			Same:     func(stream string) bool { return s.on(offsetIgnored, stream) },
			Capped:   func(stream string) bool { return s.on(hiddenCap, stream) },
			Short:    func(stream string) bool { return s.on(smallDefault, stream) },
		}
		if name == NewKey {
			o.Records = 0
		}
		*company = data.Open(o)
	}
	return s
}

// Config is the config of the tap for this stand-in.
func (*Service) Config(string) map[string]any {
	return map[string]any{
		"api_client": Client,
		"api_secret": Secret,
		"api_key":    Key,
		"start_date": data.First.Format(time.RFC3339),
	}
}

// Rows counts all lists.
func (s *Service) Rows() int64 { return s.company.Count() }

// streams are all that there are, in the order of the documentation.
var streams = []string{
	"receipts", "receipt_details", "transactions", "transaction_details", "receipt_transactions", "transaction_receipts",
	"postings", "accounts", "posting_accounts", "debtors", "creditors", "cost_locations", "account_ledger",
	"report_sums", "report_bwa",
}

// Truth writes every live row of a stream, one a line, with list_direction and
// the ids of parents. What a reader may stamp in more than one way is left out:
// account of transactions, date_last_action of postings, which
// postings/date_last_action has. Deleted receipts are rows of receipts, offers are
// those of receipts/offers. Reports are about the
// time from start_date until today, and have the number of the last that was
// made, or of the first. Nothing of what the user may not see is written.
func (s *Service) Truth(w io.Writer, stream string) error {
	if s.on("noright", stream) {
		return nil
	}
	today := s.company.Today(time.Now())
	v := data.Period{From: data.First.Unix() / 86400, To: today, Base: "date"}
	if err := s.company.Truth(w, stream, v, s.reports.number(stream)); err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	return nil
}

// Reset brings back what was there at the start: the rows, the limits, and no
// reports.
func (s *Service) Reset() {
	s.company.Reset()
	s.fresh.Reset()
	s.limits.reset()
	s.reports.reset()
	s.pages.reset()
}

// Admit holds the limit: 100 calls of a tenant in 60 seconds (DOC). GUESS: a
// call that is not let in belongs to no tenant and does not count.
func (s *Service) Admit(r *http.Request, _ http.Header) *emulator.Answer {
	to := route(r.URL.Path)
	if to.stream == "" || r.Method != http.MethodPost {
		return nil
	}
	body, failed := readBody(r)
	if failed != nil || !letIn(r) {
		return nil
	}
	key, active := keyOf(body)
	if !active {
		return nil
	}
	limit := perMinute - int(perMinute*s.faults.Share(crowded, source, 0.5)+0.5)
	if s.limits.admit(key, limit, s.on(clockMinute, source), s.on(throttleCounts, source)) {
		return nil
	}
	a := s.throttled()
	return &a
}
