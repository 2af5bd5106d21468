package data

import (
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Division is a company of the licence.
type Division struct {
	Code           int
	Name           string
	CustomerName   string
	Country        string
	Status         int // 0 inactive, 1 active, 2 archived
	BlockingStatus int // 0 is not blocked
	// MoveDate is when its database was last moved, HRLinkDate when its HR was
	// last linked or unlinked; zero is never. Both are instants.
	MoveDate, HRLinkDate time.Time
	Granted              bool // chosen on the consent page
	Legislation          string
	HID                  int64
}

// Readable tells whether a client that asks as it should reads the division.
func (d *Division) Readable() bool { return d.Granted && d.Status == 1 && d.BlockingStatus == 0 }

// makeDivisions: one of each kind that a client must tell apart.
func (s *Store) makeDivisions() []Division {
	at := func(days int, clock time.Duration) time.Time { return s.start.AddDate(0, 0, -days).Add(clock) }
	list := []Division{
		{Name: "Bakkerij De Molen B.V.", Country: "NL ", Status: 1, Granted: true, Legislation: "Nederland"},
		{
			Name: "Brasserie L'Écluse \"Nord\" SA", Country: "BE ", Status: 1, Granted: true, Legislation: "België",
			MoveDate: at(400, 3*time.Hour+17*time.Second), HRLinkDate: at(210, 11*time.Hour),
		},
		{Name: "Oude Zaken B.V. (niet actief)", Country: "NL ", Granted: true, Legislation: "Nederland"},
		{Name: "Archief 2019", Country: "NL ", Status: 2, Granted: true, Legislation: "Nederland", MoveDate: at(900, 0)},
		{Name: "Geblokkeerd & Co", Country: "NL ", Status: 1, BlockingStatus: 1, Granted: true, Legislation: "Nederland"},
		{Name: "Holding zonder toestemming", Country: "DE ", Status: 1, Legislation: "Deutschland"},
	}
	for k := range list {
		d := &list[k]
		d.Code = 812345 + 1111*k
		d.CustomerName = "Administratiekantoor Zuid"
		d.HID = int64(k + 1)
	}
	return list
}

func (s *Store) division(code int) *Division {
	for k := range s.divisions {
		if s.divisions[k].Code == code {
			return &s.divisions[k]
		}
	}
	return nil
}

// MoveDivision moves a company to another database: all its row versions
// change, the first time to lower values than before, and DivisionMoveDate
// tells (DOC).
func (s *Store) MoveDivision(code int) {
	s.mu.Lock()
	c := s.companies[code]
	s.mu.Unlock()
	if c == nil || code == 0 {
		return
	}
	c.mu.Lock()
	c.moves++
	base := int64(firstVersion / 2)
	if c.moves%2 == 0 {
		base = firstVersion + int64(c.moves)*100_000_000
	}
	s.rebase(c, base)
	for name, t := range c.tables {
		s.renumber(c, name, t)
	}
	c.mu.Unlock()
	s.mu.Lock()
	s.division(code).MoveDate = s.opts.Now()
	s.mu.Unlock()
}

// linked are the sets that must be read anew when HR is linked or unlinked
// (DOC: the leave streams).
var linked = []string{
	"sync_hrm_leave_absence_hours_by_day", "sync_hrm_leave_build_up_registrations", "sync_hrm_leave_registrations",
}

// RelinkHR links the HR of a company to another: DivisionHRLinkUnlinkDate
// tells, and the leave sets get row versions that may be lower (GUESS: why
// else should they be read anew).
func (s *Store) RelinkHR(code int) {
	s.mu.Lock()
	c := s.companies[code]
	s.mu.Unlock()
	if c == nil || code == 0 {
		return
	}
	c.mu.Lock()
	c.links++
	for _, name := range linked {
		// Below every other row version of the company, and not where the
		// last relinking put them.
		c.shifted[name] = c.base - s.span(c.inserted)*int64(1+c.links%2)
		if t := c.tables[name]; t != nil {
			s.renumber(c, name, t)
		}
	}
	c.mu.Unlock()
	s.mu.Lock()
	s.division(code).HRLinkDate = s.opts.Now()
	s.mu.Unlock()
}

// versionAt is the row version of the row that came i-th into a table: unique
// in the company, growing in each table.
func (s *Store) versionAt(c *company, name string, i int64) int64 {
	base, ok := c.shifted[name]
	if !ok {
		base = c.base
	}
	slot := i*s.tables + s.roots[name]
	return base + slot*versionStep + int64(rows.Mix(c.seed^0x7157, uint64(slot+base))%versionStep)
}

// renumber gives the rows of a table new row versions in their order.
func (s *Store) renumber(c *company, name string, t *table) {
	if _, ok := s.roots[name]; !ok {
		return
	}
	log := t.log[:0]
	for _, e := range t.log {
		if t.current(e) {
			e.version = s.versionAt(c, name, int64(len(log)))
			t.rows[e.row].version = e.version
			log = append(log, e)
		}
	}
	t.log = log
	t.generation++
}
