package data

import (
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// posting is one confirmed posting; what it is made from is in its links.
type posting struct {
	id            int64
	day, delivery int64
	cents         int64 // never negative
	debit, credit int64
	fixed         bool
	transaction   int64 // id, 0 for none
	receipt       int64 // id of the receipt that caused it, 0 for none
	links         []link
	reverses      int64
	reversed      int64
	edits         int
	vat, taxKey   string
	centre        string
}

// The postings, by number: one in two comes from a transaction, one in four from
// a receipt, the rest are free. What stands under the id of an unconfirmed one
// is free, too, and so is what is added.
const (
	byTransaction = iota
	byReceipt
	free
)

// causeOf tells what a posting comes from, and the number of that row.
func (c *Company) causeOf(id int64) (kind int, inbound bool, index int64) {
	i, ordinary := c.postings.IDs().Row(id)
	switch {
	case !ordinary || i >= c.postings.Size() || i%4 == 3:
		return free, false, 0
	case i%2 == 0:
		if r, ok := c.transactions.Get(c.transactions.IDs().ID(i / 2)); ok && r.Index == i/2 {
			return byTransaction, false, i / 2
		}
		return free, false, 0
	}
	q := i / 4
	return byReceipt, q%2 == 0, q / 2
}

// sides are the accounts and the amount of a posting: all that ledgers need.
func (c *Company) sides(id int64) (debit, credit, cents int64) {
	if n := c.note(c.postings, id); n.reverses != 0 {
		credit, debit, cents = c.sides(n.reverses)
		return debit, credit, cents
	}
	h := c.hash("posting", id)
	kind, inbound, index := c.causeOf(id)
	switch kind {
	case byTransaction:
		cents = c.moved(index)
		bank := c.accountOf(index)
		other := int64(4970)
		if list := planned(index); len(list) > 0 {
			other = c.partyNumber(list[0].inbound, c.partyOf(list[0].inbound, list[0].receipt))
		}
		if cents < 0 {
			return other, bank, -cents
		}
		return bank, other, cents
	case byReceipt:
		cents = c.gross(inbound, index)
		party := c.partyNumber(inbound, c.partyOf(inbound, index))
		if inbound {
			debit, credit = pick(expenses, h), party
		} else {
			debit, credit = party, pick(earnings, h)
		}
		if cents < 0 {
			return credit, debit, -cents
		}
		return debit, credit, cents
	}
	cents = int64(h%400_000) + 1
	if h>>32%2 == 0 {
		return 4830, 410, cents
	}
	return 4120, 1200, cents
}

// partyNumber is the account of a party, the collective one where there is none.
func (c *Company) partyNumber(inbound bool, index int64) int64 {
	switch {
	case index < 0 && inbound:
		return allCreditors
	case index < 0:
		return allDebtors
	case inbound:
		return c.creditors.IDs().ID(index)
	}
	return c.debtors.IDs().ID(index)
}

// isFixed tells whether a posting is locked (festgeschrieben).
func (c *Company) isFixed(id int64) bool {
	n := c.note(c.postings, id)
	return n.fixed || c.hash("fixed", id)%3 != 0 && n.reverses == 0
}

func (c *Company) postingOf(r rows.Row) posting {
	n := c.note(c.postings, r.ID)
	v := posting{id: r.ID, day: floorDay(r.At(onDate)), delivery: noDay, fixed: c.isFixed(r.ID), edits: n.edits}
	v.reverses, v.reversed = n.reverses, n.reversed
	v.debit, v.credit, v.cents = c.sides(r.ID)
	origin := r.ID
	if n.reverses != 0 {
		origin = n.reverses
	}
	h := c.hash("posting", origin)
	if h>>36%9 == 0 {
		v.delivery = v.day - int64(h>>40%20)
	}
	switch kind, inbound, index := c.causeOf(origin); kind {
	case byTransaction:
		v.transaction = c.transactions.IDs().ID(index)
		v.links = c.linksOf(index)
	case byReceipt:
		l := link{inbound: inbound, receipt: index}
		if _, _, ok := c.findReceipt(c.receiptID(l)); ok {
			v.receipt, v.links = c.receiptID(l), []link{l}
		}
	}
	v.vat, v.taxKey = "0.00", "0"
	if v.receipt != 0 {
		v.vat, v.taxKey = pick([]string{"19.00", "7.00", "0.00"}, h>>44), pick([]string{"9", "8", "94", "401"}, h>>44)
	}
	if h>>48%5 == 0 && c.centres.Size() > 0 {
		v.centre = centreCode(c.centres.IDs().ID(int64(h >> 52 % uint64(c.centres.Size()))))
	}
	return v
}

// reason is why the reports leave the unconfirmed ones out: they are none.
func (c *Company) uncompleted() int64 { return c.unconfirmed.Live() }

// joined are the values of the assigned receipts in one text, blank after comma
// (DOC, CLIENT): values may hold commas themselves.
func (c *Company) joined(list []receipt, value func(receipt) string) string {
	parts := make([]string, len(list))
	for k, r := range list {
		parts[k] = value(r)
	}
	return strings.Join(parts, ", ")
}

// appendPosting writes a row of the list (CLIENT DM buchungen 9.2). Members that
// were told as "empty" are "" or null.
func (c *Company) appendPosting(dst []byte, v posting) []byte {
	w := writer{b: dst}
	h := c.hash("posting text", v.id)
	other := c.otherTypes("postings", v.id)
	empty := func(name, s string) { w.maybe(name, s, s != "" || !other) }
	w.open()
	w.id("id_by_customer", v.id)
	w.stamp("date", v.day, 0)
	w.date("date_delivery", v.delivery)
	w.date("date_vat_effective", v.day)
	text := pick(texts, h)
	if v.reverses != 0 {
		text = "Storno zu " + itoa(v.reverses)
	}
	w.text("postingtext", text)
	w.cents("amount", v.cents, true)
	w.text("currency", "EUR")
	w.text("vat", v.vat)
	w.text("credit_type", pick([]string{"S", "H"}, h>>8))
	w.id("debit_postingaccount_number", v.debit)
	w.id("credit_postingaccount_number", v.credit)
	w.text("tax_key", v.taxKey)
	w.either("booking_number", v.id, other) // DOC: text, CLIENT: number
	empty("cost_location", v.centre)
	empty("cost_location_two", pick([]string{"", "", "Projekt „Dach“"}, h>>12))
	empty("circumstances_ll", pick([]string{"", "", "", "1"}, h>>16))
	c.ofTransaction(&w, v)
	c.ofReceipts(&w, v)
	w.flag("fixed", v.fixed)
	comment := pick(comments, h>>20)
	if v.edits > 0 {
		comment = "geändert " + itoa(int64(v.edits))
	}
	empty("comment", comment)
	c.ofCauses(&w, v, empty)
	w.more(c, v.id)
	w.done()
	return w.b
}

func (c *Company) ofTransaction(w *writer, v posting) {
	if v.transaction == 0 {
		w.null("transaction_amount")
		w.text("transaction_purpose", "")
		return
	}
	r, _ := c.transactions.Get(v.transaction)
	t := c.transactionOf(r)
	w.cents("transaction_amount", t.cents, true)
	w.maybe("transaction_purpose", t.purpose, t.hasPurpose)
}

// assigned are the receipts of a posting as they are now.
func (c *Company) assigned(v posting) []receipt {
	var out []receipt
	for _, l := range v.links {
		if r, _, ok := c.findReceipt(c.receiptID(l)); ok {
			out = append(out, r)
		}
	}
	return out
}

func centsText(r receipt) string {
	if !r.hasAmount || r.raw {
		return ""
	}
	return string(rows.AppendCents(nil, r.cents, 2))
}

func stampText(r receipt) string {
	if r.raw {
		return ""
	}
	return string(appendStamp(nil, r.day, 0))
}

func linkText(r receipt) string {
	return "https://webapp.buchhaltungsbutler.de/receipts/view-pdf/" + itoa(r.id) + ".pdf"
}

func (c *Company) ofReceipts(w *writer, v posting) {
	list := c.assigned(v)
	for _, m := range []struct {
		name  string
		value func(receipt) string
	}{
		{"receipts_assigned_ids_by_customer", func(r receipt) string { return itoa(r.id) }},
		{"receipts_assigned_types", func(r receipt) string { return r.kind }},
		{"receipts_assigned_invoice_numbers", func(r receipt) string {
			if r.raw || !r.hasNumber {
				return ""
			}
			return r.number
		}},
		{"receipts_assigned_counterparties", func(r receipt) string {
			if r.raw {
				return ""
			}
			return r.party
		}},
		{"receipts_assigned_vat_rates", func(receipt) string { return "19.00" }},
		{"receipts_assigned_amounts", centsText},
		{"receipts_assigned_dates", stampText},
		{"receipts_assigned_links", linkText},
	} {
		w.text(m.name, c.joined(list, m.value))
	}
}

// ofCauses writes the members behind the comment: most are other names of what
// was there already (CLIENT, not in the specification).
func (c *Company) ofCauses(w *writer, v posting, empty func(name, s string)) {
	list := c.assigned(v)
	id := func(name string, n int64) {
		if n == 0 {
			w.null(name)
			return
		}
		w.id(name, n)
	}
	zero := func(receipt) string { return "0.00" }
	id("receipt_id_by_customer", v.receipt)
	id("transaction_id_by_customer", v.transaction)
	w.text("receipts_assigned_amounts_paid", c.joined(list, zero))
	w.text("receipts_assigned_amounts_paid_fixed", c.joined(list, zero))
	w.text("receipts_assigned_assigned_amounts", c.joined(list, centsText))
	w.text("receipts_assigned_assigned_dates", c.joined(list, stampText))
	id("receipts_id_by_customer", v.receipt)
	w.text("receipts_links", c.joined(list, linkText))
	id("transactions_id_by_customer", v.transaction)
	purpose := ""
	if v.transaction != 0 {
		r, _ := c.transactions.Get(v.transaction)
		purpose = c.transactionOf(r).purpose
	}
	empty("transactions_purpose", purpose)
	// GUESS: the names that the write side has for them.
	oss := c.hash("oss", v.id)%15 == 0
	for k, name := range []string{"oss_origin_country", "oss_destination_country", "oss_vat_rate"} {
		text := ""
		if oss {
			text = []string{"DE", "AT", "20.00"}[k]
		}
		empty(name, text)
	}
}
