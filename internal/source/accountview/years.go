package accountview

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// nameThem is what to do where the book years are not told.
const nameThem = "name a date in each book year in " + keyBookDates

// years are the book years of the company: each is an administration of its own
// (DICT), with one bookmark for all.
func years(_ context.Context, _ stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
	list := c.List(keyYears)
	if why := c.Text(keyUntold); why != "" && len(list) == 0 {
		return nil, &fault.Error{
			Kind: fault.Permission, Err: errors.New("the book years are not known: " + why),
			Hint: "give the user the right to see the administrations, or " + nameThem,
		}
	}
	var codes map[string]int
	var lost []missed
	_ = json.Unmarshal([]byte(c.Text(keyCodes)), &codes) // own words, or none
	_ = json.Unmarshal([]byte(c.Text(keyLost)), &lost)
	var out []stream.Partition
	for _, word := range list {
		number, day, _ := strings.Cut(word, "=")
		p := partition(c, day)
		p.Within, p.Part, p.ID = p.ID, number, p.ID+"/"+number
		p.Inject = []string{number}
		for code, of := range codes {
			if other := strconv.Itoa(of); other != number {
				if p.Others == nil {
					p.Others = map[string]string{}
				}
				p.Others[code] = other
			}
		}
		out = append(out, p)
	}
	for _, m := range lost {
		p := partition(c, "")
		p.ID, p.Skip, p.Chosen = p.ID+"/"+m.Name, m.Why, true // nobody left it out
		out = append(out, p)
	}
	return out, nil
}

// year is a book year and a day in it.
type year struct {
	number int
	day    string
}

// byNumber sorts years, and takes one of each.
func byNumber(list []year) []year {
	slices.SortStableFunc(list, func(a, b year) int { return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.day, b.day)) })
	return slices.CompactFunc(list, func(a, b year) bool { return a.number == b.number })
}

// missed is a book year that cannot be read, though it should.
type missed struct{ Name, Why string }

// encode writes years as the Config keeps them.
func encode(list []year) string {
	var words []string
	for _, y := range list {
		words = append(words, strconv.Itoa(y.number)+"="+y.day)
	}
	return strings.Join(words, ",")
}

// administration is a row of ADL: the books of a year. DICT. The list is one of the
// system, and may have those of other companies.
type administration struct {
	code, previous string
	year           int // 0 where nothing tells it
	told           bool
	// last is BOOK_DATE, the "date of last booking" (DICT), zero for none. Whether it
	// is a day of the book year or the clock of who booked, which may be after the
	// year, nobody tells.
	last time.Time
}

// plain tells of an administration that leaves no doubt where book years are
// calendar years: ATS_YEAR tells its year, and its last booking lies there.
func (a *administration) plain() bool { return a.told && (a.last.IsZero() || a.last.Year() == a.year) }

// since tells whether it may have what is dated from a day on.
func (a *administration) since(start time.Time) bool {
	return a.told && a.year >= start.Year() || a.last.Format(time.DateOnly) >= start.Format(time.DateOnly)
}

// administrations lists those of a company in the order of their years.
func administrations(ctx context.Context, f stream.Fetcher, company string) ([]administration, error) {
	rows, err := list{
		object: "ADL", table: "ADM_LIST", key: []string{"ADM_CODE"}, columns: []string{"ADM_CODE", "ADM_PREV", "ADM_MODEL", "ATS_YEAR", "BOOK_DATE"}, size: listSize,
	}.read(ctx, f, company)
	if err != nil {
		return nil, err
	}
	var all []administration
	for _, r := range rows {
		if r.text("ADM_MODEL") == "true" {
			continue // has no bookings
		}
		a := administration{code: strings.TrimSpace(r.text("ADM_CODE")), previous: strings.TrimSpace(r.text("ADM_PREV"))}
		if day := r.text("BOOK_DATE"); len(day) >= len(time.DateOnly) {
			if t, err := time.Parse(time.DateOnly, day[:len(time.DateOnly)]); err == nil && possible(t.Year()) {
				a.last, a.year = t, t.Year()
			}
		}
		if n, err := strconv.Atoi(strings.TrimSpace(r.text("ATS_YEAR"))); err == nil && possible(n) {
			a.year, a.told = n, true
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b administration) int {
		return cmp.Or(cmp.Compare(a.year, b.year), a.last.Compare(b.last), strings.Compare(a.code, b.code))
	})
	// Where the year is not told, that of the last booking stands for it. Book years
	// that are no calendar years may then seem to be one; that they follow each
	// other is told by ADM_PREV.
	for i := len(all) - 2; i >= 0; i-- {
		next := &all[i+1]
		if a := &all[i]; !a.told && a.year > 0 && a.year >= next.year && next.previous == a.code && a.code != "" {
			a.year = next.year - 1
		}
	}
	return all, nil
}

func possible(year int) bool { return year > 1900 && year < 3000 }

// first and end are the days of a calendar year by which a book year is looked for:
// each book year of twelve months has one of each, or is that calendar year.
func first(number int) string { return strconv.Itoa(number) + "-01-01" }
func end(number int) string   { return strconv.Itoa(number) + "-12-31" }

// byDate are the calendar years of the config's dates.
func byDate(c stream.Config) []year {
	var out []year
	for _, t := range days(c) {
		out = append(out, year{t.Year(), t.Format(time.DateOnly)})
	}
	return byNumber(out)
}

// days are the config's dates.
func days(c stream.Config) []time.Time {
	var out []time.Time
	for _, day := range c.List(keyBookDates) {
		if t, err := time.Parse(time.DateOnly, strings.TrimSpace(day)); err == nil {
			out = append(out, t)
		}
	}
	return out
}

// bookDates checks the list, which comes comma-separated.
func bookDates(list string) error {
	for day := range strings.SplitSeq(list, ",") {
		if t, err := time.Parse(time.DateOnly, strings.TrimSpace(day)); err != nil || !possible(t.Year()) {
			return errors.New("dates as 2026-12-31, one in each book year")
		}
	}
	return nil
}
