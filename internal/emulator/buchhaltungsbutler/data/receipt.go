package data

import (
	"fmt"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// receipt is one receipt with what no answer shows.
type receipt struct {
	id             int64
	kind           string // its type
	inbound        bool   // the list it stands in, which its type does not tell
	deleted, offer bool
	raw            bool // text recognition is unfinished: next to nothing is known

	day, delivery, uploaded, due, paid int64
	party, number, account             string // account "": none
	hasNumber, hasAmount               bool
	cents, linked                      int64 // linked 0: to none
	updated                            int64 // date_updated or [rows.Null]
	r                                  rows.Row
}

// gross is the amount of a receipt in cents as it was laid out; outbound and
// inbound ones alike are positive, credits are not.
func (c *Company) gross(inbound bool, index int64) int64 {
	kind := "out"
	if inbound {
		kind = "in"
	}
	h := c.hash(kind, twin(index))
	cents := int64(h%250_000) + 119
	if credit(h) {
		return -cents / 10
	}
	return cents
}

func credit(h uint64) bool { return h>>40%9 == 0 }

// partyOf is the debtor or creditor of a receipt by its number, -1 without any.
func (c *Company) partyOf(inbound bool, index int64) int64 {
	t := c.debtors
	if inbound {
		t = c.creditors
	}
	if t.Size() == 0 {
		return -1
	}
	return int64(c.hash("party", twin(index)) % uint64(t.Size()))
}

// receiptOf computes a receipt of one of the five tables.
func (c *Company) receiptOf(t *rows.Table, r rows.Row) receipt {
	n := c.note(t, r.ID)
	v := receipt{
		id: r.ID, r: r, day: noDay, delivery: noDay, due: noDay, paid: noDay, updated: rows.Null,
		inbound: t == c.in || t == c.deletedIn, deleted: t == c.deletedIn || t == c.deletedOut, offer: t == c.offers,
	}
	_, index, related := c.home(r.ID)
	if !related {
		index = r.ID * 7
	}
	source := v.inbound // whose numbers it has
	kind := "out"
	if source {
		kind = "in"
	}
	h := c.hash(kind, twin(index))
	if at := r.At(onDate); at != rows.Null {
		v.day = floorDay(at)
	}
	v.raw = v.day == noDay
	v.cents = c.gross(source, index)
	v.kind = c.kindOf(v, h)
	v.uploaded = v.day + int64(h>>8%6)
	if v.raw {
		v.uploaded = floorDay(First.UnixMicro()) + int64(h%1300)
	}
	if n.uploaded != 0 {
		v.uploaded = n.uploaded
	}
	v.party = c.partyName(source, c.partyOf(source, index))
	v.number, v.hasNumber = fmt.Sprintf("%s-%d", pick([]string{"PN", "RE 2025/", "77", "Ä", "0"}, h>>16), 1000+twin(index)), h>>20%17 != 0
	if n.edits > 0 {
		v.number, v.hasNumber = fmt.Sprintf("%s (%d)", v.number, n.edits), true
	}
	v.hasAmount = h>>24%29 != 0
	if !v.raw {
		if h>>28%3 == 0 {
			v.delivery = v.day - int64(h>>30%9)
		}
		if h>>32%5 != 0 {
			v.due = v.day + 14
		}
	}
	c.pay(&v, n, index, related, h)
	if h>>36%23 == 0 && index > 3 && related {
		v.linked = c.homeTable(v.inbound).IDs().ID(index - 3)
	}
	switch edited := h>>44%50 == 0; {
	case n.updated != 0:
		v.updated = n.updated
	case edited:
		v.updated = (v.uploaded+3)*day + 9*hour + int64(h>>50%3600)*second
	case c.opts.Switches.UploadsModified:
		v.updated = v.uploaded*day + 8*hour
	}
	return v
}

// kindOf is the type of a receipt. GUESS: that of offers; which list a credit
// stands in is unknown, so one in five stands in the other one than its type
// says.
func (c *Company) kindOf(v receipt, h uint64) string {
	side := "outbound"
	if v.inbound {
		side = "inbound"
	}
	if v.offer {
		return "offer outbound"
	}
	if !credit(h) {
		return "invoice " + side
	}
	if h>>48%5 == 0 {
		side = map[string]string{"inbound": "outbound", "outbound": "inbound"}[side]
	}
	return "credit " + side
}

// pay fills in when and from which account a receipt was paid: by the last of
// its transactions, or by nobody knows what.
func (c *Company) pay(v *receipt, n note, index int64, related bool, h uint64) {
	if related && !v.deleted {
		for _, l := range c.payments(v.inbound, index) {
			if !c.confirmed(l) {
				continue
			}
			if r, ok := c.transactions.Get(c.transactionID(l)); ok {
				t := c.transactionOf(r)
				v.paid, v.account = max(v.paid, t.booked), itoa(t.account)
			}
		}
	}
	if v.paid == noDay && !v.raw && h>>52%4 == 0 {
		v.paid = v.day + int64(h>>54%30)
	}
	if n.paid != 0 {
		v.paid = n.paid
	}
}

// direction is what list_direction says.
func (v receipt) direction() string {
	if v.inbound {
		return "inbound"
	}
	return "outbound"
}

func (v receipt) filename(h uint64) string {
	at, side := "ohne-Datum", "Ausgang"
	if v.inbound {
		side = "Eingang"
	}
	if !v.raw {
		at = string(rows.AppendDate(nil, v.day))
	}
	party, number := v.party, v.number
	if v.raw {
		party = "Scan"
	}
	if v.raw || !v.hasNumber {
		number = ""
	}
	return fmt.Sprintf("%s_%s(%s)_%s_%06x", at, party, side, number, h&0xffffff)
}

// appendReceipt writes a row of the list (CLIENT DM belege 3.5).
func (c *Company) appendReceipt(dst []byte, v receipt, told bool) []byte {
	w := writer{b: dst}
	w.open()
	w.text("filename", v.filename(c.hash("file", v.id)))
	w.id("id_by_customer", v.id)
	if told {
		w.text("list_direction", v.direction())
	}
	w.text("type", v.kind)
	w.date("date", v.day)
	w.date("delivery_date", v.delivery)
	w.date("date_uploaded", v.uploaded)
	w.maybe("counterparty", v.party, !v.raw)
	w.maybe("invoicenumber", v.number, v.hasNumber && !v.raw)
	w.cents("amount", v.cents, v.hasAmount && !v.raw)
	w.date("payment_date", v.paid)
	w.date("due_date", v.due)
	w.maybe("account", v.account, v.account != "")
	w.cents("amount_paid", 0, true) // CLIENT: in all measured rows
	w.cents("amount_paid_fixed", 0, true)
	w.flag("deleted", v.deleted)
	c.linkedTo(&w, v)
	w.more(c, v.id)
	w.done()
	return w.b
}

func (c *Company) linkedTo(w *writer, v receipt) {
	if v.linked == 0 {
		w.null("link_to_receipt_id_by_customer")
		return
	}
	w.id("link_to_receipt_id_by_customer", v.linked)
}

// appendReceiptDetail writes what /receipts/get/{id} gives (CLIENT DM L2: other
// names for two dates, no date_uploaded).
func (c *Company) appendReceiptDetail(dst []byte, v receipt, file bool) []byte {
	w := writer{b: dst}
	h := c.hash("detail", v.id)
	foreign := h%6 == 0 && v.hasAmount && !v.raw
	w.open()
	w.text("filename", v.filename(c.hash("file", v.id)))
	w.id("id_by_customer", v.id)
	w.date("date", v.day)
	w.maybe("counterparty", v.party, !v.raw)
	w.maybe("invoicenumber", v.number, v.hasNumber && !v.raw)
	w.cents("amount", v.cents, v.hasAmount && !v.raw)
	if foreign {
		w.cents("amount_original", v.cents*10873/10000, true)
	} else {
		w.null("amount_original")
	}
	w.text("currency", "EUR")
	w.maybe("currency_original", "USD", foreign)
	w.maybe("exchangerate", pick([]string{"1.0873", "1.087300", "1.09"}, h>>4), foreign)
	w.maybe("vat", pick([]string{"19.00", "7.00", "0.00"}, h>>8), !v.raw && h>>12%8 != 0)
	w.date("payment_date", v.paid)
	w.maybe("account", v.account, v.account != "")
	w.text("type", v.kind)
	w.either("e_invoice_type", int64(h>>16%3), c.otherTypes("receipt_details", v.id)) // DOC: text, CLIENT: number
	w.text("list_direction", v.direction())
	w.maybe("payment_reference", "RF18 5390 0754 7034", h>>20%4 == 0)
	w.date("date_delivery", v.delivery)
	w.date("date_payment_due", v.due)
	c.linkedTo(&w, v)
	w.flag("deleted", v.deleted)
	w.cents("amount_paid", 0, true)
	w.cents("amount_paid_fixed", 0, true)
	if file {
		w.text("file_content", "JVBERi0xLjQKJSBsZWVyCg==")
		w.text("file_type", "pdf")
	}
	w.more(c, v.id)
	w.done()
	return w.b
}

// receiptTables are the lists that receipts are looked for in.
func (c *Company) receiptTables() []*rows.Table {
	return []*rows.Table{c.in, c.out, c.deletedIn, c.deletedOut, c.offers}
}

// findReceipt finds a receipt by its id, deleted ones and offers included.
func (c *Company) findReceipt(id int64) (receipt, *rows.Table, bool) {
	for _, t := range c.receiptTables() {
		if r, ok := t.Get(id); ok {
			return c.receiptOf(t, r), t, true
		}
	}
	return receipt{}, nil, false
}
