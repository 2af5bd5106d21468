package accountview

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// largeStreams are those that a change of everything disturbs.
var largeStreams = []string{
	"debtors", "ledger_accounts", "ledger_transactions", "journal_pages", "open_items", "articles", "article_history",
	"article_history_years", "sales_orders", "sales_invoices", "delivery_addresses", "projects",
}

// moving are the streams whose rows move without a stamp when they are touched:
// balances and stock (GUESS: computed columns).
var movingStreams = []string{"ledger_accounts", short, "open_items", "reminders", "payment_proposals", "direct_debits"}

// Change touches, deletes and adds rows of the first company, in the newest book
// year where its tables are copied to each. Pages of all book years share the
// wish, entries are those of the newest; stream/2025 means one year alone. Another company is named by its
// code: debtors/KAFE. Deletions leave no trace. Administrations are only touched.
func (s *Service) Change(c emulator.Change) ([]emulator.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := largeStreams
	if c.Stream != "" {
		list = []string{c.Stream}
	}
	var reports []emulator.Report
	for _, stream := range list {
		r, err := s.change(stream, c)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func (s *Service) change(stream string, c emulator.Change) (emulator.Report, error) {
	report := emulator.Report{At: c.At, Touched: []emulator.ID{}, Deleted: []emulator.ID{}, Inserted: []emulator.ID{}}
	name, only, _ := strings.Cut(stream, "/")
	report.Stream = name
	p, ok := streamPart(name)
	if !ok {
		return report, fmt.Errorf("no stream %q that changes", name)
	}
	stores, err := s.storesOf(p, only)
	switch {
	case err != nil:
		return report, err
	case p.child:
		return report, fmt.Errorf("stream %s has no rows of its own: change %s", name, p.stream)
	case p.system && name != "administrations":
		return report, fmt.Errorf("stream %s does not change", name)
	case p.system && c.Insert+c.Delete+len(c.Gone) > 0: // the books of its year would come and go with it
		return report, fmt.Errorf("stream %s neither loses nor takes rows", name)
	}
	dealt := stores
	if p.table == "TRANSACT" && only == "" { // the date of an entry stays in its book year
		dealt = stores[len(stores)-1:]
	}
	at := wall(c.At)
	quiet := slices.Contains(movingStreams, name)
	if quiet {
		report.Note = "balances and stock move without a change of CNG_DATE"
	}
	stamped := s.on("stamped-balances", name)
	deal := func(done *[]emulator.ID, named []emulator.ID, n int, do func(st *store, i int64)) error {
		for _, id := range named {
			st, i, ok := locate(p, stores, string(id))
			if !ok {
				return fmt.Errorf("stream %s has no row %q", name, id)
			}
			do(st, i)
			*done = append(*done, id)
		}
		for k := range dealt {
			share := n / len(dealt)
			if k < n%len(dealt) {
				share++
			}
			st := dealt[(s.picked+k)%len(dealt)]
			for _, i := range st.some(share, p.keep) {
				var r row
				st.row(&r, i)
				*done = append(*done, idOf(p.object, &r))
				do(st, i)
			}
		}
		s.picked += n % len(dealt)
		return nil
	}
	if err := deal(&report.Deleted, c.Gone, c.Delete, func(st *store, i int64) { st.remove(i) }); err != nil {
		return report, err
	}
	err = deal(&report.Touched, c.IDs, c.Rows, func(st *store, i int64) {
		switch {
		case !quiet:
			touch(st, i, at, false)
		case stamped:
			touch(st, i, at, true)
		default:
			st.edit(i, func(c *change) { c.moves++ })
		}
	})
	if err != nil {
		return report, err
	}
	for k := range c.Insert {
		st := dealt[(s.picked+k)%len(dealt)]
		r, ok := st.insert(bounded(st, at), p.keep)
		if !ok {
			return report, fmt.Errorf("stream %s takes no more rows", name)
		}
		report.Inserted = append(report.Inserted, idOf(p.object, &r))
	}
	s.picked += c.Insert
	return report, nil
}

// touch edits a row: its stamp and a value that shows.
func touch(st *store, i, at int64, moves bool) {
	at = bounded(st, at)
	st.edit(i, func(c *change) {
		c.rev++
		c.at = at
		if moves {
			c.moves++
		}
	})
}

// bounded keeps what is booked within its book year.
func bounded(st *store, at int64) int64 {
	if st.t.name != "TRANSACT" {
		return at
	}
	return min(max(at, st.year.first), st.year.last)
}

// storesOf are the tables that a stream reads.
func (s *Service) storesOf(p part, only string) ([]*store, error) {
	c := s.companies[0]
	for _, other := range s.companies {
		if only != "" && (other.code == only || other.id == only) {
			c, only = other, ""
		}
	}
	if c.inactive[p.code] {
		return nil, fmt.Errorf("stream %s cannot be read: its module is not active", p.stream)
	}
	newest := []*store{c.store(p.table, nil)}
	if !p.yearly() {
		if only != "" {
			return nil, fmt.Errorf("stream %s has no part %q", p.stream, only)
		}
		return newest, nil
	}
	var out []*store
	for _, b := range c.years {
		if only == "" || only == strconv.Itoa(b.year) {
			out = append(out, b.stores[p.table])
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("stream %s has no book year %q", p.stream, only)
	}
	return out, nil
}

// idOf names a row: by its key, or where that is not enough by the values of the
// key with | between them, the book year first.
func idOf(o *object, r *row) emulator.ID {
	yearly := part{object: o}.yearly()
	if len(r.s.t.key) == 1 && !yearly {
		return emulator.ID(plain(r.value(r.s.t.key[0])))
	}
	var words []string
	if yearly {
		words = append(words, strconv.Itoa(r.s.year.year))
	}
	for _, name := range r.s.t.key {
		words = append(words, string(r.value(name)))
	}
	return emulator.ID(strings.Join(words, "|"))
}

// plain is the text of a string, or a number as it is.
func plain(raw []byte) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// locate finds the row of an id.
func locate(p part, stores []*store, id string) (*store, int64, bool) {
	if p.yearly() {
		year, rest, _ := strings.Cut(id, "|")
		stores = slices.DeleteFunc(slices.Clone(stores), func(st *store) bool { return strconv.Itoa(st.year.year) != year })
		id = rest
	}
	if len(stores) == 0 {
		return nil, 0, false
	}
	st := stores[0]
	key := ""
	for k, word := range strings.Split(id, "|") {
		if k >= len(st.t.key) {
			return nil, 0, false
		}
		text := plain([]byte(word))
		if c := st.t.byName[st.t.key[k]]; len(st.t.key) > 1 {
			text = padRight(text, c.width)
		} else if c.letter == 'I' {
			n, _ := strconv.ParseInt(text, 10, 64)
			text = pad0(n, 2)
		}
		key += text
	}
	if st.t.fixed {
		key = padRight(strings.TrimRight(key, " "), 10)
	}
	r, ok := st.find(key)
	return st, r.i, ok && (p.keep == nil || p.keep(&r))
}
