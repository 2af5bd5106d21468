package accountview

import (
	"sort"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// lastReading is the latest reading of the clock in the data of the start.
var lastReading = date(2026, 11, 1) - 1

// options say what the sandbox holds and how it shows it.
type options struct {
	records int64
	seed    uint64
	on      func(fault, resource string) bool
	share   func(fault, resource string, standard float64) float64
	clock   func() int64 // the reading of the clock now
}

// company is an onderneming: an administration for each of its book years.
type company struct {
	id, code, name string
	number         int
	seed           uint64
	years          []*book
	inactive       map[string]bool // objects whose module is not in its licence
	addOns         bool            // has ProActive and columns of its own
	stores         map[string]*store
	tables         map[string]*table
}

// book is the administration of a book year.
type book struct {
	company     *company
	year        int // in which it begins
	first, last int64
	code        string
	stores      map[string]*store
}

func (b *book) newest() bool { return b == b.company.years[len(b.company.years)-1] }

// holds tells whether a day is in the book year.
func (b *book) holds(reading int64) bool { return b.first <= reading && reading < b.last+day }

// makeCompanies makes the two companies. The first is the one of the config;
// the second is small, lacks other modules and has no columns of its own.
// GUESS: the form of their Ids.
func makeCompanies(o options, tables map[string]*table) []*company {
	first := &company{
		id: "7d0c2f4e-6a51-4a0e-9a0e-2f9c1c0e4b11", code: "VBBV", name: "Voorbeeld B.V.", addOns: true,
		inactive: map[string]bool{"SBS": true, "SBSL": true, "EM2": true},
	}
	second := &company{
		id: "c41b7e90-03d2-4c7b-8f5e-d1a6e9b02f37", code: "KAFE", name: "Café Renée & Zn V.O.F.", number: 1,
		inactive: map[string]bool{"SO1": true, "ALH": true, "PJ1": true},
	}
	for k, c := range []*company{first, second} {
		c.seed, c.tables, c.stores = rows.Mix(o.seed, uint64(k)+11), tables, make(map[string]*store)
		records := o.records
		if k == 1 {
			records = min(o.records/4, 5000)
		}
		for year := 2024 + k; year <= 2026; year++ {
			b := &book{company: c, year: year, code: c.code + strconv.Itoa(year%100), stores: make(map[string]*store)}
			b.first, b.last = date(year, 1, 1), date(year, 12, 31)
			if o.on("broken-years", "administrations") {
				b.first, b.last = date(year, 7, 1), date(year+1, 6, 30)
			}
			c.years = append(c.years, b)
		}
		for _, name := range names(tables) {
			c.open(tables[name], records)
		}
	}
	list := []*company{first, second}
	fillLists(list, o)
	return list
}

// open makes the stores of a table.
func (c *company) open(t *table, records int64) {
	if t.belongs == perCompany {
		c.stores[t.name] = &store{t: t, company: c, size: t.size(records), seed: rows.MixText(c.seed, t.name), missing: -1}
		return
	}
	total := t.size(records)
	for k, b := range c.years {
		s := &store{t: t, company: c, year: b, size: total, seed: rows.MixText(c.seed, t.name), missing: -1}
		if t.belongs == perYear {
			n := int64(len(c.years))
			s.size = total / n
			if int64(k) < total%n {
				s.size++
			}
			s.seed = rows.Mix(s.seed, uint64(b.year))
		}
		s.older = t.belongs == master && !b.newest()
		b.stores[t.name] = s
	}
}

// store is a table as it is seen from a book year; nil means the newest.
func (c *company) store(name string, b *book) *store {
	if s := c.stores[name]; s != nil {
		return s
	}
	if b == nil {
		b = c.years[len(c.years)-1]
	}
	return b.stores[name]
}

// all are the stores of the company.
func (c *company) all() []*store {
	var out []*store
	take := func(stores map[string]*store) {
		for _, k := range names(stores) {
			out = append(out, stores[k])
		}
	}
	take(c.stores)
	for _, b := range c.years {
		take(b.stores)
	}
	return out
}

// bookOf is the administration that holds a day. GUESS: what is not asked for
// by a date is read from today's year; where there is none, from the newest.
func (c *company) bookOf(reading int64, asked bool) (*book, *problem) {
	for _, b := range c.years {
		if b.holds(reading) {
			return b, nil
		}
	}
	if asked {
		return nil, wrong(0, "Er is geen administratie voor boekjaar %d.", yearOf(reading))
	}
	return c.years[len(c.years)-1], nil
}

// fillLists makes the rows of the tables that are lists.
func fillLists(companies []*company, o options) {
	for _, c := range companies {
		d := dictionaryOf(c, o)
		books := administrations(c, o)
		for _, other := range companies {
			if other != c && o.on("other-books", "administrations") {
				books = append(books, administrations(other, o)...)
			}
		}
		for name, list := range map[string][]map[string][]byte{
			"DCT_FILE": d.files, "DCT_FLD": d.fields, "DCT_TAG": d.tags, "ADM_LIST": books,
		} {
			s := c.stores[name]
			key := s.t.key
			sort.SliceStable(list, func(a, b int) bool { return listKey(list[a], key) < listKey(list[b], key) })
			s.list, s.size = list, int64(len(list))
		}
	}
}

// listKey is the text of a row's key in a table that is a list.
func listKey(r map[string][]byte, key []string) string {
	var text strings.Builder
	for _, name := range key {
		text.WriteString(padRight(plainText(r[name]), 10))
	}
	return text.String()
}
