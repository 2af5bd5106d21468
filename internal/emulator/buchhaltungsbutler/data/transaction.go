package data

import "github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"

// transaction is one bank transaction with what lists do not show.
type transaction struct {
	id, account    int64
	party, purpose string
	hasPurpose     bool
	cents          int64
	booked, valued int64 // days
	seconds        int64 // of the booking
	updated        int64 // date_updated or [rows.Null]
}

// cash is the account that is kept revision-safe: what is deleted there is
// taken back by another transaction (CLIENT SI).
const cash = 1000

// transactionOf computes a transaction. Ids go up with the time of the import,
// mostly: one in 33 was dated back.
func (c *Company) transactionOf(r rows.Row) transaction {
	n := c.note(c.transactions, r.ID)
	h := c.hash("transaction", r.ID)
	v := transaction{id: r.ID, updated: rows.Null}
	span := floorDay(last.UnixMicro()) - floorDay(First.UnixMicro())
	v.booked = floorDay(First.UnixMicro()) + r.Index*span/max(c.transactions.Size(), 1)
	if h%33 == 0 {
		v.booked = max(v.booked-int64(h>>8%60), floorDay(First.UnixMicro()))
	}
	if n.booked != 0 {
		v.booked = n.booked
	}
	if h>>12%10 == 0 {
		v.seconds = int64(h >> 16 % 86400)
	}
	v.valued = v.booked + int64(h>>20%3)
	if h>>24%20 == 0 {
		v.valued = noDay
	}
	v.account = c.accountOf(r.Index)
	v.cents = c.moved(r.Index)
	v.party = pick(companies, h>>28)
	if list := planned(r.Index); len(list) > 0 {
		v.party = c.partyName(list[0].inbound, c.partyOf(list[0].inbound, list[0].receipt))
	}
	v.purpose, v.hasPurpose = pick(purposes, h>>32), h>>36%12 != 0
	if n.reverses != 0 {
		v.cents, v.account = c.reversedTransaction(n.reverses)
		v.purpose, v.hasPurpose = "STORNO "+itoa(n.reverses), true
	}
	if n.edits > 0 {
		v.purpose, v.hasPurpose = v.purpose+" #"+itoa(int64(n.edits)), true
	}
	switch {
	case n.updated != 0:
		v.updated = n.updated
	case h>>40%40 == 0:
		v.updated = (v.booked+5)*day + 11*hour + int64(h>>44%3600)*second
	case c.opts.Switches.UploadsModified:
		v.updated = v.booked*day + 7*hour
	}
	return v
}

// accountOf is the payment account of a transaction by its number.
func (c *Company) accountOf(index int64) int64 {
	list := accountNumbers
	return list[c.hash("account", index)%uint64(len(list))]
}

func (c *Company) reversedTransaction(id int64) (cents, account int64) {
	index, _ := c.transactions.IDs().Row(id)
	return -c.moved(index), c.accountOf(index)
}

func (c *Company) shared(w *writer, v transaction) {
	w.stamp("booking_date", v.booked, v.seconds)
	w.stamp("value_date", v.valued, 0)
}

// appendTransaction writes a row of the list: six members, the id a number, the
// amount text (CLIENT DM transaktionen 3.5). parent is the receipt of an
// assigned list whose number is told, 0 for none.
func (c *Company) appendTransaction(dst []byte, v transaction, stream string, parent int64) []byte {
	w := writer{b: dst}
	w.open()
	if parent != 0 {
		w.number("receipt_id_by_customer", parent)
	}
	w.either("id_by_customer", v.id, c.otherTypes(stream, v.id)) // DOC: text, CLIENT: number
	w.text("to_from", v.party)
	w.cents("amount", v.cents, true)
	c.shared(&w, v)
	w.maybe("purpose", v.purpose, v.hasPurpose)
	w.more(c, v.id)
	w.done()
	return w.b
}

// appendTransactionDetail writes what /transactions/get/{id} gives.
func (c *Company) appendTransactionDetail(dst []byte, v transaction) []byte {
	w := writer{b: dst}
	h := c.hash("bank", v.id)
	bank := pick(banks, h)
	w.open()
	w.either("id_by_customer", v.id, c.otherTypes("transaction_details", v.id))
	w.number("account", v.account)
	w.text("to_from", v.party)
	c.shared(&w, v)
	w.cents("amount", v.cents, true)
	w.text("currency", pick([]string{"EUR", "EUR", "EUR", "CHF"}, h>>8))
	w.text("account_number", bank.number)
	w.text("bank_code", bank.code)
	w.maybe("bank_name", bank.name, bank.name != "")
	w.maybe("purpose", v.purpose, v.hasPurpose)
	w.maybe("type", pick([]string{"Lastschrift", "Überweisung", "51"}, h>>12), h>>16%2 == 0)
	w.maybe("booking_text", "SEPA-ÜBERWEISUNG", h>>20%2 == 0)
	w.more(c, v.id)
	w.done()
	return w.b
}

// appendAssigned writes a row of the receipts of a transaction; parent is the
// transaction where that is told, 0 for none.
func (c *Company) appendAssigned(dst []byte, v receipt, parent int64) []byte {
	w := writer{b: dst}
	w.open()
	if parent != 0 {
		w.number("transaction_id_by_customer", parent)
	}
	w.either("id_by_customer", v.id, c.otherTypes("transaction_receipts", v.id)) // DOC: text, CLIENT: number
	w.text("filename", v.filename(c.hash("file", v.id)))
	w.done()
	return w.b
}
