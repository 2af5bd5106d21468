package data

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// row is what is stored of a row; everything else follows from it.
type row struct {
	id       guid
	version  int64 // Timestamp, 0 where the table has none
	modified int64 // wall clocks
	created  int64
	document int32 // header and lines of one document share it
	line     int32 // 0 is the header
	edits    int32
	dead     bool
}

// entry says that a row was changed; only a row's last entry is current.
type entry struct {
	version int64
	row     int32
}

// table holds the rows that a sync set and its twins show, or those of a set
// without one, in one company.
type table struct {
	rows       []row
	alive      int
	log        []entry // in order of version
	documents  int32
	generation int // changes so far
	orders     map[string]ordering
}

// ordering is a remembered order of the rows, dead ones included.
type ordering struct {
	generation int
	rows       []int32
	keys       [][]value // of each row, by place; nil for the order of the GUIDs
}

func (t *table) current(e entry) bool {
	r := &t.rows[e.row]
	return !r.dead && r.version == e.version
}

// mixed are the sets whose rows are headers and lines of documents (DOC), with
// the property that links them and the number they share. The two deprecated
// ones mix as well (CLIENT fretje#5).
var mixed = map[string]struct{ link, number string }{
	"sync_financial_transaction_lines":   {"EntryID", "EntryNumber"},
	"sync_salesinvoice_sales_invoices":   {"InvoiceID", "InvoiceNumber"},
	"sync_purchaseorder_purchase_orders": {"PurchaseOrderID", "OrderNumber"},
	"sync_crm_quotations":                {"QuotationID", "QuotationNumber"},
	"sync_salesorder_sales_orders":       {"OrderID", "OrderNumber"},
}

const deletions = "sync_deleted"

// pastDeletions lie in the ten weeks before the start, so that some are older
// than the two months for which the service keeps them.
const pastDeletions = 90

// size is how many rows a table begins with.
func (s *Store) size(in *info) int {
	switch {
	case in.table == deletions:
		return pastDeletions
	case in.fixed > 0:
		return in.fixed
	case in.large:
		return s.opts.Records
	}
	h := rows.MixText(s.opts.Seed^0x512e, in.table)
	if h%16 == 0 {
		return 0
	}
	return 5 + int(h>>8%36)
}

// open returns the table of a set; the company is locked.
func (s *Store) open(c *company, in *info) *table {
	if t := c.tables[in.table]; t != nil {
		return t
	}
	n := s.size(in)
	t := &table{rows: make([]row, n), alive: n, orders: make(map[string]ordering)}
	seed := rows.MixText(c.seed, in.table)
	_, versioned := s.roots[in.table]
	changes := s.instants(in, n, seed)
	_, documents := mixed[in.table]
	for i := range t.rows {
		r := &t.rows[i]
		h := rows.Mix(seed, uint64(i))
		r.id = makeGUID(seed, uint64(i))
		r.document = int32(i)
		at := changes[i]
		if documents {
			if left := int(h % 4); i > 0 && (t.rows[i-1].line == 0 || left > 0) && i < n {
				r.document, r.line = t.rows[i-1].document, t.rows[i-1].line+1
				at = changes[i-int(r.line)]
			}
			t.documents = r.document + 1
		}
		r.modified, r.created = wall(at), wall(at)
		if h>>8%4 != 0 && r.line == 0 {
			r.created = wall(at - int64(h>>16%uint64(500*day)))
		}
		if r.line > 0 {
			r.created = t.rows[i-1].created
		}
		if versioned {
			r.version = s.versionAt(c, in.table, int64(i))
			t.log = append(t.log, entry{r.version, int32(i)})
		}
	}
	if in.table == deletions {
		s.bury(c, seed)
	}
	c.tables[in.table] = t
	return t
}

// bury makes up what was deleted before the start.
func (s *Store) bury(c *company, seed uint64) {
	var kinds []int
	sets := edm.Sets()
	for i := range sets {
		if sets[i].EntityType > 0 {
			kinds = append(kinds, sets[i].EntityType)
		}
	}
	c.tombs = make([]tomb, pastDeletions)
	for i := range c.tombs {
		h := rows.Mix(seed, uint64(i)+1<<32)
		c.tombs[i] = tomb{entity: kinds[h%uint64(len(kinds))], key: makeGUID(h, seed), by: users[h>>32%uint64(len(users))].id}
		if h%3 == 0 {
			c.tombs[i].entity = 2 // accounts: the filter on EntityType should find some
		}
	}
}

// instants are when the rows were last changed, in the order of their first
// row versions: two years before the start up to it, ends of summer time
// included, stamps that bulk imports gave to many rows, equal stamps on the
// borders of pages, and a few rows out of order, since a row version has
// nothing to do with time (DOC).
func (s *Store) instants(in *info, n int, seed uint64) []int64 {
	end := s.start.UnixMilli()
	begin := s.start.AddDate(-2, 0, 0).UnixMilli()
	if in.table == deletions {
		begin = end - 70*day
	}
	out := make([]int64, n)
	turns := turns(begin, end)
	for i := range out {
		h := rows.Mix(seed^0x11, uint64(i))
		// The fractions are those of SQL Server's datetime.
		out[i] = begin + int64(h%uint64((end-begin)/10))*10 + [3]int64{0, 3, 7}[h>>56%3]
		if len(turns) > 0 && i%13 == 5 && in.table != deletions {
			out[i] = turns[i/13%len(turns)] - 70*60*second + int64(h>>8%(140*60))*second
		}
		if i%11 == 7 {
			out[i] -= out[i] % second
		}
	}
	slices.Sort(out)
	for i := 1; i < n; i++ {
		if h := rows.Mix(seed^0x22, uint64(i/9)); h%4 == 0 || i%60 == 0 && i/60%3 != 2 || i%1000 == 0 {
			out[i] = out[i-1]
		}
	}
	if n >= 300 {
		for i := n / 2; i < n/2+min(n/4, 150); i++ {
			out[i] = out[n/2]
		}
	}
	if in.table != deletions {
		for i := 0; i+40 < n; i += 41 {
			out[i], out[i+40] = out[i+40], out[i]
		}
	}
	return out
}

// turns are the changes to and from summer time between two instants.
func turns(begin, end int64) []int64 {
	var out []int64
	for year := time.UnixMilli(begin).UTC().Year(); year <= time.UnixMilli(end).UTC().Year(); year++ {
		if k := year - 1970; k >= 0 && k < len(summers()) {
			for _, at := range summers()[k] {
				if at-2*hour > begin && at+2*hour < end {
					out = append(out, at)
				}
			}
		}
	}
	return out
}

// after finds the first entry of the log above a row version.
func (t *table) after(version int64) int {
	return sort.Search(len(t.log), func(i int) bool { return t.log[i].version > version })
}

// order returns the rows in the order of some columns. name is what the order
// is remembered by; the empty one is that of the row's GUIDs.
func (t *table) order(name string, by []sortBy, get func(row int32, c *column) value) ordering {
	if o, ok := t.orders[name]; ok && (o.generation == t.generation || name == "" && len(o.rows) == len(t.rows)) {
		return o
	}
	o := ordering{generation: t.generation, rows: make([]int32, len(t.rows))}
	for i := range o.rows {
		o.rows[i] = int32(i)
	}
	if name == "" {
		slices.SortFunc(o.rows, func(a, b int32) int { return bytes.Compare(t.rows[a].id[:], t.rows[b].id[:]) })
		t.orders[name] = o
		return o
	}
	type line struct {
		row  int32
		keys []value
	}
	lines := make([]line, len(t.rows))
	for i := range lines {
		keys := make([]value, len(by))
		for k := range by {
			keys[k] = get(int32(i), by[k].column)
		}
		lines[i] = line{int32(i), keys}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(compareKeys(by, a.keys, b.keys), cmp.Compare(a.row, b.row)) })
	o.keys = make([][]value, len(lines))
	for i, l := range lines {
		o.rows[i], o.keys[i] = l.row, l.keys
	}
	for other, old := range t.orders { // an order of before a change is of no use
		if other != "" && old.generation != t.generation {
			delete(t.orders, other)
		}
	}
	t.orders[name] = o
	return o
}

// sortBy is one part of an order.
type sortBy struct {
	column *column
	desc   bool
}

func compareKeys(by []sortBy, a, b []value) int {
	for k := range by {
		if c := a[k].compare(b[k]); c != 0 {
			if by[k].desc {
				return -c
			}
			return c
		}
	}
	return 0
}
