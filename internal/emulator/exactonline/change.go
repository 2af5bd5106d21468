package exactonline

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// What a touch of the lists of companies does to a company.
const (
	moves   = "system_divisions" // moves it to another database (DOC): all its row versions change
	relinks = "hrm_divisions"    // links its HR anew (DOC)
)

// Change touches, deletes and adds rows. A stream is named as the catalog does,
// or with /division for one company alone; else the companies that can be read
// share the wish, each change beginning with another one. No stream means each
// sync set that is read by default: those hold what changes most, and their
// twins show the same rows. To touch system_divisions is to move companies, to
// touch hrm_divisions to link their HR anew.
func (s *Service) Change(c emulator.Change) ([]emulator.Report, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	if c.Stream != "" {
		name, only, _ := strings.Cut(c.Stream, "/")
		set := edm.Find(name)
		if set == nil {
			return nil, fmt.Errorf("no stream %q", c.Stream)
		}
		r, err := s.change(set, only, c)
		return []emulator.Report{r}, err
	}
	var reports []emulator.Report
	sets := edm.Sets()
	for k := range sets {
		if set := &sets[k]; set.Variant == edm.Sync && set.Selected && set.Name != "sync_deleted" {
			r, err := s.change(set, "", c)
			if err != nil {
				return nil, err
			}
			reports = append(reports, r)
		}
	}
	return reports, nil
}

func (s *Service) change(set *edm.Set, only string, c emulator.Change) (emulator.Report, error) {
	report := emulator.Report{
		Stream: set.Name, At: c.At, Touched: []emulator.ID{}, Deleted: []emulator.ID{}, Inserted: []emulator.ID{},
	}
	divisions := s.readable(set, only)
	if len(divisions) == 0 {
		return report, fmt.Errorf("stream %s has no division %q that can be read", set.Name, only)
	}
	if set.Name == moves || set.Name == relinks {
		err := s.rearrange(&report, set.Name, divisions, c)
		return report, err
	}
	err := s.apply(&report.Deleted, divisions, c.Gone, c.Delete, func(division, n int, ids ...string) ([]string, error) {
		return s.store.Delete(set, division, c.At, n, ids...)
	})
	if err == nil {
		err = s.apply(&report.Touched, divisions, c.IDs, c.Rows, func(division, n int, ids ...string) ([]string, error) {
			return s.store.Touch(set, division, c.At, n, ids...)
		})
	}
	if err == nil {
		err = s.apply(&report.Inserted, divisions, nil, c.Insert, func(division, n int, _ ...string) ([]string, error) {
			return s.store.Insert(set, division, c.At, n)
		})
	}
	return report, err
}

// readable are the divisions whose rows of a set can be read, 0 for a set that
// belongs to none; only is a number, or "" for all.
func (s *Service) readable(set *edm.Set, only string) []int {
	if !set.Scoped() {
		return []int{0}
	}
	var out []int
	for _, d := range s.store.Divisions() {
		if d.Readable() && (only == "" || only == strconv.Itoa(d.Code)) {
			out = append(out, d.Code)
		}
	}
	return out
}

// apply does one kind of change to named rows, wherever they are, and to n
// picked ones, dealt out to the divisions in turn.
func (s *Service) apply(
	done *[]emulator.ID, divisions []int, named []emulator.ID, n int, do func(division, n int, ids ...string) ([]string, error),
) error {
	add := func(ids []string) {
		for _, id := range ids {
			*done = append(*done, emulator.ID(id))
		}
	}
	for _, id := range named {
		var found bool
		var failure error
		for _, division := range divisions {
			ids, err := do(division, 0, string(id))
			if err != nil {
				failure = err
				continue
			}
			found = true
			add(ids)
		}
		if !found {
			return failure
		}
	}
	if n == 0 {
		return nil
	}
	for k := range divisions {
		share := n / len(divisions)
		if k < n%len(divisions) {
			share++
		}
		if share == 0 {
			break
		}
		ids, err := do(divisions[(s.turn+k)%len(divisions)], share)
		if err != nil {
			return err
		}
		add(ids)
	}
	s.turn += n % len(divisions)
	return nil
}

// rearrange moves companies, or links their HR anew. Companies are neither
// added nor deleted.
func (s *Service) rearrange(report *emulator.Report, stream string, divisions []int, c emulator.Change) error {
	chosen := divisions[:min(c.Rows, len(divisions))]
	if len(c.IDs) > 0 {
		chosen = nil
	}
	for _, id := range c.IDs {
		code, err := strconv.Atoi(string(id))
		if err != nil || !s.isDivision(code) {
			return fmt.Errorf("stream %s has no row %q", stream, id)
		}
		chosen = append(chosen, code)
	}
	for _, code := range chosen {
		if stream == moves {
			s.store.MoveDivision(code)
		} else {
			s.store.RelinkHR(code)
		}
		report.Touched = append(report.Touched, emulator.ID(strconv.Itoa(code)))
	}
	report.At = time.Now().UTC()
	report.Note = "moved to another database: all row versions of these companies are new"
	if stream == relinks {
		report.Note = "HR linked anew: the row versions of the leave sets of these companies are new"
	}
	return nil
}

func (s *Service) isDivision(code int) bool {
	for _, d := range s.store.Divisions() {
		if d.Code == code {
			return true
		}
	}
	return false
}
