package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Wish is what a change should do to a stream.
type Wish struct {
	IDs, Gone            []string // touch these, delete these
	Rows, Delete, Insert int      // so many more, picked
	At                   time.Time
}

// Done is what became of it.
type Done struct {
	Touched, Deleted, Inserted []string
	Notes                      []string
}

// Large are the streams that a change without a stream is meant for.
var Large = []string{"receipts", "transactions", "postings"}

// changer changes one stream, under the lock.
type changer struct {
	touch, remove func(c *Company, d *Done, id string, at int64, k int) error
	pick          func(c *Company, n int) []string
	add           func(c *Company, d *Done, at int64)
}

// changers are the streams that change by themselves. Parties, ledger accounts
// and payment accounts are never deleted (DOC: the API has no such call for the
// former).
var changers = map[string]changer{
	"receipts":       {touchReceipt, removeReceipt, (*Company).pickReceipts, addReceipt},
	"transactions":   {touchTransaction, removeTransaction, (*Company).pickTransactions, addTransaction},
	"postings":       {touchPosting, removePosting, (*Company).pickPostings, addPosting},
	"debtors":        partyChanger(func(c *Company) *rows.Table { return c.debtors }),
	"creditors":      partyChanger(func(c *Company) *rows.Table { return c.creditors }),
	"cost_locations": {touchCentre, removeCentre, (*Company).pickCentres, addCentre},
}

// Change touches, deletes and adds rows of a stream.
func (c *Company) Change(stream string, w Wish) (Done, error) {
	var d Done
	change, ok := changers[stream]
	switch {
	case !ok:
		return d, fmt.Errorf("stream %q does not change by itself", stream)
	case change.remove == nil && len(w.Gone)+w.Delete > 0:
		return d, fmt.Errorf("rows of stream %q are never deleted", stream)
	case c.opts.Empty(stream):
		return d, fmt.Errorf("stream %q was opened without rows", stream)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := w.At.UnixMicro()
	gone := w.Gone
	if w.Delete > 0 {
		gone = append(slices.Clip(gone), change.pick(c, w.Delete)...)
	}
	for k, id := range gone {
		if err := change.remove(c, &d, id, at, k); err != nil {
			return d, err
		}
	}
	touched := w.IDs
	if w.Rows > 0 {
		touched = append(slices.Clip(touched), change.pick(c, w.Rows)...)
	}
	for _, id := range touched {
		c.turn++
		if err := change.touch(c, &d, id, at, int(c.turn)); err != nil {
			return d, err
		}
	}
	for range w.Insert {
		c.turn++
		change.add(c, &d, at)
	}
	return d, nil
}

func (d *Done) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// Note is what a reader should know, in one line.
func (d Done) Note() string { return strings.Join(d.Notes, "; ") }

func ids(list []int64) []string {
	out := make([]string, len(list))
	for k, id := range list {
		out[k] = itoa(id)
	}
	return out
}

func missing(stream, id, what string) error {
	return fmt.Errorf("stream %s has no row %q to %s", stream, id, what)
}

// pickReceipts takes from both lists; what one lacks the other gives.
func (c *Company) pickReceipts(n int) []string {
	list := c.in.Pick((n+1)/2, c.seed)
	list = append(list, c.out.Pick(n-len(list), c.seed+1)...)
	seen := make(map[int64]bool)
	for _, id := range list {
		seen[id] = true
	}
	for _, id := range c.in.Pick(2*n, c.seed+2) {
		if len(list) < n && !seen[id] {
			list = append(list, id)
		}
	}
	return ids(list)
}

// touchReceipt edits a receipt in the web app, which is all that moves
// date_updated (CLIENT SI); every second time a payment is booked instead, which
// does not. A deleted receipt is restored, one whose recognition was unfinished
// is recognised: neither is an edit (GUESS).
func touchReceipt(c *Company, d *Done, id string, at int64, k int) error {
	n, _ := number(id)
	v, t, ok := c.findReceipt(n)
	if !ok {
		return missing("receipts", id, "touch")
	}
	note := c.edit(t, n)
	switch {
	case v.deleted:
		c.move(v, t, c.homeOf(v))
		d.note("%s was restored", id)
	case v.raw:
		t.Touch(n, floorDay(c.wall(at))*day, onDate)
		d.note("%s was recognised", id)
	case k%2 == 0:
		paid := c.Today(time.UnixMicro(at))
		if v.paid == paid {
			paid = noDay
		}
		note.paid = paid
		t.Touch(n, 0)
		d.note("%s was paid, without date_updated", id)
	default:
		note.edits++
		note.updated = at
		t.Touch(n, 0)
	}
	d.Touched = append(d.Touched, id)
	return nil
}

// homeOf is the list of live receipts that a deleted one goes back to.
func (c *Company) homeOf(v receipt) *rows.Table { return c.homeTable(v.inbound) }

// move puts a receipt into another list, with its date and its notes.
func (c *Company) move(v receipt, from, to *rows.Table) {
	from.Remove(v.id)
	to.Put(v.id, v.r.At(onDate))
	if n := c.notes[noteKey{from, v.id}]; n != nil {
		delete(c.notes, noteKey{from, v.id})
		c.notes[noteKey{to, v.id}] = n
	}
}

// removeReceipt deletes softly: the receipt goes to the list of deleted ones
// (DOC).
func removeReceipt(c *Company, d *Done, id string, _ int64, _ int) error {
	n, _ := number(id)
	v, t, ok := c.findReceipt(n)
	if !ok || v.deleted || v.offer {
		return missing("receipts", id, "delete")
	}
	to := c.deletedOut
	if v.inbound {
		to = c.deletedIn
	}
	c.move(v, t, to)
	d.Deleted = append(d.Deleted, id)
	return nil
}

// addReceipt uploads a receipt: dated today, or weeks back, or not yet
// recognised, as one in five is.
func addReceipt(c *Company, d *Done, at int64) {
	t := c.in
	if c.turn%2 == 0 {
		t = c.out
	}
	r := t.Append(at)
	issued := floorDay(c.wall(at)) * day
	switch {
	case c.turn%5 == 0:
		issued = rows.Null
	case c.turn%3 == 0:
		issued -= 40 * day
	}
	t.Touch(r.ID, issued, onDate)
	n := c.edit(t, r.ID)
	n.uploaded = floorDay(c.wall(at))
	if c.opts.Switches.UploadsModified {
		n.updated = at
	}
	d.Inserted = append(d.Inserted, itoa(r.ID))
}

func (c *Company) pickTransactions(n int) []string { return ids(c.transactions.Pick(n, c.seed+3)) }

func touchTransaction(c *Company, d *Done, id string, at int64, _ int) error {
	n, _ := number(id)
	if _, ok := c.transactions.Touch(n, 0); !ok {
		return missing("transactions", id, "touch")
	}
	note := c.edit(c.transactions, n)
	note.edits++
	note.updated = at
	d.Touched = append(d.Touched, id)
	return nil
}

// removeTransaction deletes a transaction without a trace. One of a revision-safe
// account, or with a fixed posting, is taken back by another one (CLIENT SI); an
// unfixed posting goes with its transaction (GUESS).
func removeTransaction(c *Company, d *Done, id string, at int64, _ int) error {
	n, _ := number(id)
	r, ok := c.transactions.Get(n)
	if !ok {
		return missing("transactions", id, "delete")
	}
	booking := c.postings.IDs().ID(2 * r.Index)
	_, posted := c.postings.Get(booking)
	posted = posted && 2*r.Index < c.postings.Size()
	if c.transactionOf(r).account == cash || posted && c.isFixed(booking) {
		t := c.transactions.Append(at)
		note := c.edit(c.transactions, t.ID)
		note.reverses, note.booked = n, floorDay(c.wall(at))
		d.Inserted = append(d.Inserted, itoa(t.ID))
		d.note("%s stays, %d takes it back", id, t.ID)
		return nil
	}
	c.transactions.Remove(n)
	d.Deleted = append(d.Deleted, id)
	if posted {
		c.postings.Remove(booking)
		d.note("posting %d went with %s", booking, id)
	}
	return nil
}

func addTransaction(c *Company, d *Done, at int64) {
	r := c.transactions.Append(at)
	n := c.edit(c.transactions, r.ID)
	if n.booked = floorDay(c.wall(at)); c.turn%3 == 0 {
		n.booked -= 40
	}
	if c.opts.Switches.UploadsModified {
		n.updated = at
	}
	d.Inserted = append(d.Inserted, itoa(r.ID))
}

// pickPostings takes one unconfirmed posting among four.
func (c *Company) pickPostings(n int) []string {
	list := c.unconfirmed.Pick(n/4, c.seed+4)
	return ids(append(list, c.postings.Pick(n-len(list), c.seed+5)...))
}

// touchPosting confirms an unconfirmed posting, fixes an unfixed one, and writes
// a comment to a fixed one; all are last actions. GUESS: that the last one is.
func touchPosting(c *Company, d *Done, id string, at int64, _ int) error {
	n, _ := number(id)
	if r, ok := c.unconfirmed.Get(n); ok {
		date := r.At(onDate)
		c.unconfirmed.Remove(n)
		c.postings.Put(n, at)
		c.postings.Touch(n, date, onDate)
		d.note("%s was confirmed", id)
		d.Touched = append(d.Touched, id)
		return nil
	}
	if _, ok := c.postings.Get(n); !ok {
		return missing("postings", id, "touch")
	}
	note := c.edit(c.postings, n)
	fixed := c.isFixed(n)
	note.edits++
	note.fixed = true
	if fixed && c.opts.Switches.SilentComments {
		c.postings.Touch(n, 0)
		d.note("%s was commented, without a last action", id)
	} else {
		c.postings.Touch(n, at, acted)
	}
	d.Touched = append(d.Touched, id)
	return nil
}

// removePosting cancels a posting: an unfixed one is gone, a fixed one is taken
// back by a reversal (DOC).
func removePosting(c *Company, d *Done, id string, at int64, _ int) error {
	n, _ := number(id)
	r, ok := c.postings.Get(n)
	if !ok {
		if c.unconfirmed.Remove(n) {
			d.Deleted = append(d.Deleted, id)
			d.note("%s was never confirmed", id)
			return nil
		}
		return missing("postings", id, "delete")
	}
	if !c.isFixed(n) {
		c.postings.Remove(n)
		d.Deleted = append(d.Deleted, id)
		return nil
	}
	reversal := c.postings.Append(at)
	c.postings.Touch(reversal.ID, r.At(onDate), onDate)
	c.edit(c.postings, reversal.ID).reverses = n
	c.edit(c.postings, n).reversed = reversal.ID
	d.Inserted = append(d.Inserted, itoa(reversal.ID))
	d.note("%s stays, %d reverses it", id, reversal.ID)
	return nil
}

// addPosting adds a confirmed posting, one in three dated back more than a year.
func addPosting(c *Company, d *Done, at int64) {
	r := c.postings.Append(at)
	date := floorDay(c.wall(at))
	if c.turn%3 == 0 {
		date -= 400
	}
	c.postings.Touch(r.ID, date*day, onDate)
	d.Inserted = append(d.Inserted, itoa(r.ID))
}

func partyChanger(table func(c *Company) *rows.Table) changer {
	return changer{
		touch: func(c *Company, d *Done, id string, _ int64, _ int) error {
			n, _ := number(id)
			if _, ok := table(c).Touch(n, 0); !ok {
				return missing("of parties", id, "touch")
			}
			c.edit(table(c), n).edits++
			d.Touched = append(d.Touched, id)
			return nil
		},
		pick: func(c *Company, n int) []string { return ids(table(c).Pick(n, c.seed+6)) },
		add: func(c *Company, d *Done, at int64) {
			d.Inserted = append(d.Inserted, itoa(table(c).Append(at).ID))
		},
	}
}

func (c *Company) pickCentres(n int) []string {
	list := c.centres.Pick(n, c.seed+7)
	out := make([]string, len(list))
	for k, id := range list {
		out[k] = centreCode(id)
	}
	return out
}

// centreID finds a cost centre by its code: the digits in it are its id.
func centreID(code string) (int64, bool) {
	digits := strings.TrimLeft(code, "KST-BÜRO/p.0")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && centreCode(n) == code
}

func touchCentre(c *Company, d *Done, code string, _ int64, _ int) error {
	n, ok := centreID(code)
	if ok {
		_, ok = c.centres.Touch(n, 0)
	}
	if !ok {
		return missing("cost_locations", code, "touch")
	}
	c.edit(c.centres, n).edits++
	d.Touched = append(d.Touched, code)
	return nil
}

func removeCentre(c *Company, d *Done, code string, _ int64, _ int) error {
	if n, ok := centreID(code); !ok || !c.centres.Remove(n) {
		return missing("cost_locations", code, "delete")
	}
	d.Deleted = append(d.Deleted, code)
	return nil
}

func addCentre(c *Company, d *Done, at int64) {
	d.Inserted = append(d.Inserted, centreCode(c.centres.Append(at).ID))
}
