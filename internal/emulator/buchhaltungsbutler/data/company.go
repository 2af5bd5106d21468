package data

import (
	"strconv"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Where the dates of the rows lie. They are constants, so that the same seed
// gives the same data on any day.
var (
	First = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC) // nothing is older
	last  = time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)
)

// Switches are guesses, and traps that a test wants to meet.
type Switches struct {
	UploadsModified bool // uploads and imports set date_updated, too
	UTC             bool // the server's clock shows UTC, not German time
	UndatedMatch    bool // a date window lets receipts without a date pass
	StableOffset    bool // offset pages of a filtered transaction list are consistent
	Unstable        bool // offset pages of lists without a unique order are not, in another way each time
	UnstableFixed   bool // they are not, in the same way each time
	MoreColumns     bool // columns that nobody has seen yet
	LedgerTwice     bool // a posting can have two lines on one side of a ledger
	SilentComments  bool // a comment to a fixed posting is no last action
}

// Options say what the company holds.
type Options struct {
	Records  int // rows of each large stream
	Seed     uint64
	Switches Switches
	// Empty tells whether a stream has no rows, Disputed which part of its rows
	// has the other types where documents and measurements disagree, Same
	// whether its list ignores the offset, Capped whether it silently gives a
	// hundred rows at most, Short whether 25 are its undocumented default. nil:
	// never.
	Empty, Same, Capped, Short func(stream string) bool
	Disputed                   func(stream string) float64
}

// The clocks of tables. Dates are kept as if they were UTC.
const (
	onDate = 0 // the issue date of receipts, the posting date of postings
	acted  = 1 // date_last_action of postings, a true instant
)

// Company is one tenant. It is safe for concurrent use.
type Company struct {
	opts Options
	seed uint64

	// Receipts by list; the rows of a table are the same in date_from, type
	// and so on, which keeps every list a matter of counting.
	in, out, deletedIn, deletedOut, offers *rows.Table
	transactions                           *rows.Table
	postings, unconfirmed                  *rows.Table
	debtors, creditors, centres            *rows.Table
	chart                                  []account // ledger and payment accounts by number
	payment                                []account // as /accounts/get has them

	mu    sync.RWMutex
	notes map[noteKey]*note
	turn  uint64 // of changes

	asked sync.Mutex
	calls uint64 // of lists, for Unstable
}

// noteKey names a changed row.
type noteKey struct {
	table *rows.Table
	id    int64
}

// note is what a change left behind at a row, next to the row's own overlay.
type note struct {
	edits    int
	updated  int64 // date_updated, 0: as computed
	uploaded int64 // day, 0: as computed
	paid     int64 // day or noDay, 0: as computed
	booked   int64 // day, 0: as computed
	fixed    bool
	reverses int64 // the posting or transaction that this one takes back
	reversed int64 // the posting that takes this one back
}

// Open lays out a company.
func Open(o Options) *Company {
	c := &Company{opts: o, seed: o.Seed, notes: make(map[noteKey]*note)}
	for _, f := range []*func(string) bool{&c.opts.Empty, &c.opts.Same, &c.opts.Capped, &c.opts.Short} {
		if *f == nil {
			*f = func(string) bool { return false }
		}
	}
	if c.opts.Disputed == nil {
		c.opts.Disputed = func(string) float64 { return 0 }
	}
	n := c.size("receipts")
	offers, deletedIn, deletedOut := some(n, 25), some(n, 40), some(n, 50)
	rest := n - offers - deletedIn - deletedOut
	outbound := rest * 2 / 5
	c.in = c.receiptTable(301, 4, rest-outbound, 1)
	c.out = c.receiptTable(302, 4, outbound, 2)
	c.deletedIn = c.receiptTable(303, 80, deletedIn, 3)
	c.deletedOut = c.receiptTable(323, 80, deletedOut, 4)
	c.offers = c.receiptTable(304, 40, offers, 5)

	c.transactions = rows.NewTable(rows.IDs{First: 1001, Stride: 1, Run: 30}, c.size("transactions"), nil, nil)

	n = c.size("postings")
	ids := rows.IDs{First: 901, Stride: 1, Run: 25}
	c.postings = c.postingTable(ids, n, 6)
	c.unconfirmed = c.postingTable(ids.Holes(), some(n, ids.Run), 7)

	c.debtors = rows.NewTable(rows.IDs{First: 10001, Stride: 1, Run: 40}, min((c.size("debtors")+1)/2, 50_000), nil, nil)
	c.creditors = rows.NewTable(rows.IDs{First: 70001, Stride: 1, Run: 40}, min((c.size("creditors")+1)/2, 28_000), nil, nil)
	c.centres = rows.NewTable(rows.IDs{First: 1, Stride: 1, Run: 12}, c.part("cost_locations", 40, 3, 2500), nil, nil)
	c.openAccounts()
	c.twins()
	return c
}

// size is the number of rows of a large stream.
func (c *Company) size(stream string) int64 {
	if c.opts.Empty(stream) {
		return 0
	}
	return int64(c.opts.Records)
}

// some is one row in so many, and one in a small table, too.
func some(n, of int64) int64 {
	if n >= 8 {
		return max(n/of, 1)
	}
	return n / of
}

// part is a share of the rows of a large stream, within bounds.
func (c *Company) part(stream string, of, least, most int64) int64 {
	if c.size(stream) == 0 {
		return 0
	}
	return min(max(c.size(stream)/of, least), most)
}

// maxBlank is how many receipts at most have no date: they are listed.
const maxBlank = 600

func (c *Company) receiptTable(first, stride, n int64, salt uint64) *rows.Table {
	clock := rows.NewClock(rows.Layout{Rows: n, From: First, To: last, Coarse: rows.Mix(c.seed, salt), Fine: rows.Mix(c.seed, salt+90)})
	var blank []int64
	for i := int64(2); i < n && len(blank) < maxBlank; i += 13 {
		blank = append(blank, i)
	}
	return rows.NewTable(rows.IDs{First: first, Stride: stride}, n, []*rows.Clock{clock}, [][]int64{blank})
}

func (c *Company) postingTable(ids rows.IDs, n int64, salt uint64) *rows.Table {
	layout := func(salt uint64, to time.Time) *rows.Clock {
		return rows.NewClock(rows.Layout{Rows: n, From: First, To: to, Coarse: rows.Mix(c.seed, salt), Fine: rows.Mix(c.seed, salt+90)})
	}
	// Some are dated in the future, as depreciations are.
	return rows.NewTable(ids, n, []*rows.Clock{layout(salt, last.AddDate(0, 2, 0)), layout(salt+10, last)}, nil)
}

// twins are receipts that were uploaded twice: no order tells them apart.
func (c *Company) twins() {
	for _, t := range []*rows.Table{c.in, c.out} {
		for i := int64(3); i < min(t.Size(), 20); i += 13 {
			first, ok := t.Get(t.IDs().ID(i))
			if ok && i+1 < t.Size() && first.At(onDate) != rows.Null {
				t.Touch(t.IDs().ID(i+1), first.At(onDate), onDate)
			}
		}
	}
}

// twin is the index of the receipt whose values a receipt repeats.
func twin(index int64) int64 {
	if index == 4 || index == 17 {
		return index - 1
	}
	return index
}

func (c *Company) tables() []*rows.Table {
	return []*rows.Table{
		c.in, c.out, c.deletedIn, c.deletedOut, c.offers, c.transactions, c.postings, c.unconfirmed, c.debtors, c.creditors, c.centres,
	}
}

// Count is the number of rows that lists give, offers included.
func (c *Company) Count() int64 {
	n := int64(len(c.chart) + len(c.payment))
	for _, t := range c.tables() {
		n += t.Live()
	}
	return n + 2 + c.debtors.Live() + c.creditors.Live() - c.unconfirmed.Live()
}

// Reset forgets every change.
func (c *Company) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tables() {
		t.Reset()
	}
	clear(c.notes)
	c.turn = 0
	c.asked.Lock()
	c.calls = 0
	c.asked.Unlock()
	c.twins()
}

// note returns what was noted at a row; the zero note if nothing was.
func (c *Company) note(t *rows.Table, id int64) note {
	if n := c.notes[noteKey{t, id}]; n != nil {
		return *n
	}
	return note{}
}

// edit returns the note of a row to write into.
func (c *Company) edit(t *rows.Table, id int64) *note {
	k := noteKey{t, id}
	if c.notes[k] == nil {
		c.notes[k] = &note{}
	}
	return c.notes[k]
}

// hash is the variety of one member of a row.
func (c *Company) hash(kind string, id int64) uint64 {
	return rows.Mix(rows.MixText(c.seed, kind), uint64(id))
}

// otherTypes tells whether the disputed members of a row have the other type.
func (c *Company) otherTypes(stream string, id int64) bool {
	share := c.opts.Disputed(stream)
	return share > 0 && float64(rows.Mix(c.seed^0xd15, uint64(id))%1000) < 1000*share
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
