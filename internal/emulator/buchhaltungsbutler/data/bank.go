package data

import (
	"slices"
	"sort"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// transactionQuery is what a list of transactions is restricted to.
type transactionQuery struct {
	pass        []func(transaction) bool
	after, upTo int64 // ids, both left out; upTo 0: no bound
	byID        bool
	page        window
}

// readTransactions reads the body in the order of the error codes (CLIENT DM:
// the dates before the limit).
func (c *Company) readTransactions(p Params) (q transactionQuery, err *Error) {
	from, to, err := p.period("date_from", "date_to", 5, 6, false)
	if err != nil {
		return q, err
	}
	_, low := p.get("date_from")
	_, high := p.get("date_to")
	if low || high {
		q.pass = append(q.pass, func(v transaction) bool { return from <= v.booked && v.booked <= to })
	}
	account, given, ok := p.integer("account")
	if !ok || given && !slices.Contains(accountNumbers, account) && account != 1201 {
		return q, invalid(7, "account")
	}
	if given {
		q.pass = append(q.pass, func(v transaction) bool { return v.account == account })
	}
	party, given, ok := p.text("to_from")
	if !ok || given && !c.pays(party) {
		return q, invalid(8, "to_from") // CLIENT SI: part of a name is refused
	}
	if given {
		q.pass = append(q.pass, func(v transaction) bool { return v.party == party })
	}
	if q.page, err = p.page(9, 10, 500, 500); err != nil {
		return q, err
	}
	err = c.readTransactionIDs(p, &q)
	return q, err
}

func (c *Company) readTransactionIDs(p Params, q *transactionQuery) *Error {
	after, low, ok := p.integer("id_by_customer_from")
	if !ok || after < 0 {
		return invalid(12, "id_by_customer_from")
	}
	upTo, high, ok := p.integer("id_by_customer_to")
	if !ok || upTo < 0 {
		return invalid(13, "id_by_customer_to")
	}
	q.after, q.byID = after, low || high
	if high {
		q.pass = append(q.pass, func(v transaction) bool { return v.id < upTo })
		q.upTo = upTo
	}
	since, given, err := p.since(14)
	if given {
		q.pass = append(q.pass, func(v transaction) bool { return c.later(v.updated, since) })
	}
	return err
}

// pays tells whether somebody of this name has a transaction.
func (c *Company) pays(party string) bool {
	found := false
	c.eachTransaction(0, func(v transaction) bool {
		found = v.party == party
		return !found
	})
	return found
}

// eachTransaction walks by id, from behind one on.
func (c *Company) eachTransaction(after int64, visit func(transaction) bool) {
	var chunk []rows.Row
	const step = 1024
	for offset := c.rank(after); ; offset += step {
		chunk, _ = c.transactions.Select(rows.All(), chunk[:0], func(int64) (int64, int64) { return offset, step })
		for _, r := range chunk {
			if !visit(c.transactionOf(r)) {
				return
			}
		}
		if len(chunk) < step {
			return
		}
	}
}

// rank is how many transactions have an id up to one.
func (c *Company) rank(id int64) int64 {
	return int64(sort.Search(int(c.transactions.Live()), func(k int) bool {
		list, _ := c.transactions.Select(rows.All(), nil, func(int64) (int64, int64) { return int64(k), 1 })
		return len(list) == 0 || list[0].ID > id
	}))
}

func (q transactionQuery) passes(v transaction) bool {
	return !slices.ContainsFunc(q.pass, func(pass func(transaction) bool) bool { return !pass(v) })
}

// listTransactions answers /transactions/get. Bounds of the id are exclusive and
// sort by it (DOC, CLIENT); else the newest come first (CLIENT, observed once),
// and offset pages of a filtered list do not fit together (CLIENT OB).
func (c *Company) listTransactions(p Params) (*Page, *Error) {
	q, err := c.readTransactions(p)
	if err != nil {
		return nil, err
	}
	page := &Page{Before: q.page.offset, Keyset: q.byID, From: q.after}
	var list []transaction
	switch {
	case q.byID:
		skip := q.page.offset
		c.eachTransaction(q.after, func(v transaction) bool {
			if q.upTo != 0 && v.id >= q.upTo {
				return false
			}
			if q.passes(v) {
				if skip--; skip < 0 {
					list = append(list, v)
				}
			}
			return int64(len(list)) < q.page.limit
		})
	default:
		from := ordered(c.transactions, nil, rows.ByID, true)
		if len(q.pass) > 0 {
			found := every(c.transactions, nil, func(r rows.Row) bool { return q.passes(c.transactionOf(r)) })
			slices.Reverse(found)
			from = listed(found)
		}
		for _, r := range c.cut("transactions", from, q.page, false, len(q.pass) > 0) {
			list = append(list, c.transactionOf(r))
		}
	}
	for _, v := range list {
		page.add(itoa(v.id), func(dst []byte) []byte { return c.appendTransaction(dst, v, "transactions", 0) })
	}
	page.More = int64(len(list)) == q.page.limit
	return page, nil
}

// Receipt answers /receipts/get/{id}: bad and unknown ids have one code (DOC).
func (c *Company) Receipt(id string, p Params) ([]byte, *Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, _ := number(id)
	v, _, found := c.findReceipt(n)
	if !found || c.opts.Empty("receipt_details") {
		return nil, invalid(5, "id_by_customer")
	}
	file, ok := p.yes("get_file")
	if !ok {
		return nil, invalid(6, "get_file")
	}
	if err := strange(p, []string{"get_file"}); err != nil {
		return nil, err
	}
	return c.appendReceiptDetail(nil, v, file), nil
}

// Transaction answers /transactions/get/{id}.
func (c *Company) Transaction(id string, p Params) ([]byte, *Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := strange(p, nil); err != nil {
		return nil, err
	}
	n, ok := number(id)
	if !ok {
		return nil, invalid(5, "id_by_customer")
	}
	r, ok := c.transactions.Get(n)
	if !ok || c.opts.Empty("transaction_details") {
		return nil, &Error{400, 6, "transaction not found"}
	}
	return c.appendTransactionDetail(nil, c.transactionOf(r)), nil
}

// listPayments answers /receipts/assigned-transactions/get. GUESS: without
// confirmed_only the unconfirmed ones are there, too.
func (c *Company) listPayments(p Params) (*Page, *Error) {
	id, given, ok := p.integer("receipt_id_by_customer")
	if !ok || !given {
		return nil, invalid(5, "receipt_id_by_customer")
	}
	v, _, found := c.findReceipt(id)
	if !found {
		return nil, &Error{400, 6, "no receipt found"}
	}
	only, ok := p.yes("confirmed_only")
	if !ok {
		return nil, invalid(7, "confirmed_only")
	}
	page := &Page{}
	for _, t := range c.paymentsOf(v, only) {
		page.add(itoa(t.id), func(dst []byte) []byte { return c.appendTransaction(dst, t, "receipt_transactions", 0) })
	}
	return page, nil
}

// paymentsOf are the transactions of a receipt.
func (c *Company) paymentsOf(v receipt, confirmed bool) []transaction {
	inbound, index, ok := c.home(v.id)
	if !ok || v.deleted || v.offer || c.opts.Empty("receipt_transactions") {
		return nil
	}
	var out []transaction
	for _, l := range c.payments(inbound, index) {
		if r, ok := c.transactions.Get(c.transactionID(l)); ok && (!confirmed || c.confirmed(l)) {
			out = append(out, c.transactionOf(r))
		}
	}
	return out
}

// listAssigned answers /transactions/assigned-receipts/get.
func (c *Company) listAssigned(p Params) (*Page, *Error) {
	id, given, ok := p.integer("transaction_id_by_customer")
	if !ok || !given {
		return nil, invalid(5, "transaction_id_by_customer")
	}
	r, found := c.transactions.Get(id)
	if !found {
		return nil, &Error{400, 6, "no transaction found"}
	}
	only, ok := p.yes("confirmed_only")
	if !ok {
		return nil, invalid(7, "confirmed_only")
	}
	page := &Page{}
	for _, v := range c.assignedTo(r.Index, only) {
		page.add(itoa(v.id), func(dst []byte) []byte { return c.appendAssigned(dst, v, 0) })
	}
	return page, nil
}

// assignedTo are the receipts of a transaction.
func (c *Company) assignedTo(index int64, confirmed bool) []receipt {
	if c.opts.Empty("transaction_receipts") {
		return nil
	}
	var out []receipt
	for _, l := range c.linksOf(index) {
		if confirmed && !c.confirmed(l) {
			continue
		}
		t := c.homeTable(l.inbound)
		if r, ok := t.Get(c.receiptID(l)); ok {
			out = append(out, c.receiptOf(t, r))
		}
	}
	return out
}
