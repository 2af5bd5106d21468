package data

import (
	"slices"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Options say what the sandbox's companies hold.
type Options struct {
	Records int // rows of each large set, in each company
	Seed    uint64
	Now     func() time.Time // time.Now if nil
	// Mandatory enforces the mandatory filtering of the single sets that have a
	// sync twin. It is a switch because the service does so for some client
	// ids only (REC 2026: crm/Accounts without a filter answered 200).
	Mandatory bool
}

// Store holds all companies. It is safe for concurrent use.
type Store struct {
	opts   Options
	start  time.Time // midnight UTC before the sandbox was opened: rows lie before it
	tables int64     // sync sets, among which the row versions are dealt out
	roots  map[string]int64

	mu        sync.Mutex // guards what follows; a company's lock is taken before it
	divisions []Division
	companies map[int]*company
	infos     map[string]*info
	mandatory bool
}

// company is the database of one division.
type company struct {
	code int
	seed uint64

	mu       sync.Mutex
	tables   map[string]*table
	base     int64            // where the row versions of the first rows begin
	shifted  map[string]int64 // tables whose row versions begin elsewhere
	version  int64            // the last row version given to a change
	moves    int
	links    int
	inserted int64
	picks    uint64
	tombs    []tomb // what sync/Deleted says, by row
}

// tomb is what a row of sync/Deleted tells.
type tomb struct {
	entity  int
	key, by guid
}

const (
	firstVersion = 7_000_000_000
	versionStep  = 3 // row versions between those of two tables
	spare        = 200
)

// Open makes a store. No rows are made yet.
func Open(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Records = max(o.Records, 0)
	s := &Store{opts: o, start: o.Now().UTC().Truncate(24 * time.Hour), roots: make(map[string]int64)}
	sets := edm.Sets()
	for i := range sets {
		if sets[i].Variant == edm.Sync {
			s.roots[sets[i].Name] = s.tables
			s.tables++
		}
	}
	s.infos = make(map[string]*info)
	s.Reset()
	return s
}

// Reset forgets every change.
func (s *Store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mandatory = s.opts.Mandatory
	s.divisions = s.makeDivisions()
	s.companies = map[int]*company{0: s.newCompany(0)}
	for _, d := range s.divisions {
		s.companies[d.Code] = s.newCompany(d.Code)
	}
}

// SetMandatory switches the mandatory filtering of [Options].
func (s *Store) SetMandatory(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mandatory = on
}

func (s *Store) newCompany(code int) *company {
	c := &company{code: code, seed: rows.Mix(s.opts.Seed, uint64(code)), tables: make(map[string]*table)}
	s.rebase(c, firstVersion)
	return c
}

// span is how many row versions the first rows of all tables take up.
func (s *Store) span(more int64) int64 {
	return (int64(s.opts.Records) + spare + more) * s.tables * versionStep
}

// rebase begins the row versions of a company anew.
func (s *Store) rebase(c *company, base int64) {
	c.base, c.shifted = max(base, 3*s.span(c.inserted)), make(map[string]int64)
	c.version = c.base + s.span(c.inserted)
}

// nextVersion is the row version of a change: greater than all before, with
// gaps, since the counter of a database serves other tables, too.
func (c *company) nextVersion() int64 {
	c.version += 1 + int64(rows.Mix(c.seed, uint64(c.version))%5)
	return c.version
}

// lock finds the company that holds a set for a division and locks it. Sets
// without a division, and those that list the divisions, are kept in one
// place: the number in their URL is not looked at (CLIENT picqer#470).
func (s *Store) lock(in *info, division int) (*company, *Error) {
	if in.central {
		division = 0
	}
	s.mu.Lock()
	c := s.companies[division]
	s.mu.Unlock()
	if c == nil || division == 0 && !in.central {
		return nil, &Error{Status: 403, Message: "Forbidden"}
	}
	c.mu.Lock()
	return c, nil
}

func (s *Store) now() int64 { return wall(s.opts.Now().UnixMilli()) }

// Count is how many rows there are now in the readable companies. Sets that
// are views of the same rows count once.
func (s *Store) Count() int64 {
	var n int64
	seen := make(map[*company]map[string]bool)
	sets := edm.Sets()
	for i := range sets {
		in := s.info(&sets[i])
		for _, d := range s.readable(in) {
			c, err := s.lock(in, d)
			if err != nil {
				continue
			}
			if seen[c] == nil {
				seen[c] = make(map[string]bool)
			}
			if !seen[c][in.table] {
				seen[c][in.table] = true
				if t := c.tables[in.table]; t != nil {
					n += int64(t.alive)
				} else {
					n += int64(s.size(in))
				}
			}
			c.mu.Unlock()
		}
	}
	return n
}

// readable are the divisions whose rows a client should have in the end.
func (s *Store) readable(in *info) []int {
	if !in.set.Scoped() {
		return []int{0}
	}
	var codes []int
	for _, d := range s.Divisions() {
		if d.Readable() {
			codes = append(codes, d.Code)
		}
	}
	return codes
}

// Divisions lists all companies of the licence; it is a copy.
func (s *Store) Divisions() []Division {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.divisions)
}
