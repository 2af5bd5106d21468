package data

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Page is the answer to a list: its rows with commas between them.
type Page struct {
	Rows []byte
	IDs  []string
	// Before is how many rows of the list came on earlier pages, as far as the
	// request tells; More whether the page is full.
	Before int64
	More   bool
	// Keyset says that the list goes on from the last id, not by offset; From
	// is where it began.
	Keyset bool
	From   int64
}

func (p *Page) add(id string, row func(dst []byte) []byte) {
	if len(p.Rows) > 0 {
		p.Rows = append(p.Rows, ',')
	}
	p.Rows = row(p.Rows)
	p.IDs = append(p.IDs, id)
}

// endpoint is how a list is asked for.
type endpoint struct {
	members []string // of the body (DOC)
	serve   func(c *Company, p Params) (*Page, *Error)
}

var endpoints = map[string]endpoint{
	"receipts": {nil, (*Company).listReceipts},
	"transactions": {strings.Fields("id_by_customer_from id_by_customer_to account limit offset date_from date_to " +
		"date_since_last_modified to_from"), (*Company).listTransactions},
	"postings": {strings.Fields("date_from date_to date_last_action_from date_last_action_to account postingaccount " +
		"posting_status cost_location order limit offset"), (*Company).listPostings},
	"receipt_transactions": {strings.Fields("receipt_id_by_customer confirmed_only"), (*Company).listPayments},
	"transaction_receipts": {strings.Fields("transaction_id_by_customer confirmed_only"), (*Company).listAssigned},
	"accounts":             {nil, (*Company).listPaymentAccounts},
	"posting_accounts": {strings.Fields("limit offset order exclude_postingaccounts exclude_accounts exclude_creditors " +
		"exclude_debtors"), (*Company).listAccounts},
	"debtors":        {strings.Fields("limit offset"), (*Company).listDebtors},
	"creditors":      {strings.Fields("limit offset"), (*Company).listCreditors},
	"cost_locations": {strings.Fields("code limit offset"), (*Company).listCentres},
}

// strange refuses a member of the body that an endpoint does not know. GUESS:
// with the code that write paths have for it; only of /receipts/get it is known
// that it ignores them.
func strange(p Params, known []string) *Error {
	if p.Lax {
		return nil
	}
	if p.unknown(known) != "" {
		return invalid(46, "field")
	}
	return nil
}

// List answers a list.
func (c *Company) List(stream string, p Params) (*Page, *Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e := endpoints[stream]
	if stream != "receipts" {
		if err := strange(p, e.members); err != nil {
			return nil, err
		}
	}
	return e.serve(c, p)
}

// receiptQuery is what a list of receipts is restricted to.
type receiptQuery struct {
	tables  []*rows.Table
	windows []rows.Window
	pass    []func(receipt) bool
	keys    []orderKey
	page    window
}

// readReceipts reads the body in the order of the error codes.
func (c *Company) readReceipts(p Params) (q receiptQuery, err *Error) {
	direction, ok := p.oneOf("list_direction", "inbound", "outbound")
	if !ok || direction == "" {
		return q, invalid(5, "list_direction")
	}
	status, ok := p.oneOf("payment_status", "paid", "unpaid")
	if !ok {
		return q, invalid(6, "payment_status")
	}
	if status != "" {
		q.pass = append(q.pass, func(v receipt) bool { return (v.paid != noDay) == (status == "paid") })
	}
	from, to, err := p.period("date_from", "date_to", 7, 8, false)
	if err != nil {
		return q, err
	}
	_, low := p.get("date_from")
	_, high := p.get("date_to")
	switch {
	case !low && !high:
	case c.opts.Switches.UndatedMatch:
		q.pass = append(q.pass, func(v receipt) bool { return v.day == noDay || from <= v.day && v.day <= to })
	default: // GUESS: a null is in no window
		q.windows = []rows.Window{dateWindow(from, to)}
	}
	if err := c.readReceiptTexts(p, &q); err != nil {
		return q, err
	}
	if q.page, err = p.page(10, 12, 500, 500); err != nil {
		return q, err
	}
	offers, ok := p.yes("include_offers")
	if !ok {
		return q, invalid(13, "include_offers")
	}
	deleted, ok := p.yes("deleted")
	if !ok {
		return q, invalid(14, "deleted")
	}
	q.tables = []*rows.Table{map[string]*rows.Table{
		"inbound": c.in, "outbound": c.out, "inbound deleted": c.deletedIn, "outbound deleted": c.deletedOut,
	}[direction+map[bool]string{true: " deleted"}[deleted]]}
	if offers && direction == "outbound" && !deleted {
		q.tables = append(q.tables, c.offers)
	}
	if q.keys, err = p.order(); err != nil {
		return q, err
	}
	err = c.readReceiptLast(p, &q)
	return q, err
}

func (*Company) readReceiptTexts(p Params, q *receiptQuery) *Error {
	party, given, ok := p.text("counterparty")
	if !ok {
		return invalid(9, "counterparty")
	}
	if given { // the whole name and nothing else (CLIENT SI)
		q.pass = append(q.pass, func(v receipt) bool { return !v.raw && v.party == party })
	}
	return nil
}

func (c *Company) readReceiptLast(p Params, q *receiptQuery) *Error {
	number, given, ok := p.text("invoicenumber")
	if !ok {
		return invalid(17, "invoicenumber")
	}
	if given {
		q.pass = append(q.pass, func(v receipt) bool { return !v.raw && v.hasNumber && v.number == number })
	}
	due, given, ok := p.date("due_date")
	if !ok {
		return invalid(18, "due_date")
	}
	if given {
		q.pass = append(q.pass, func(v receipt) bool { return v.due == due })
	}
	since, given, err := p.since(19)
	if given {
		q.pass = append(q.pass, func(v receipt) bool { return c.later(v.updated, since) })
	}
	return err
}

// later tells whether a row was modified strictly after what the clock showed,
// to the second.
func (c *Company) later(updated, since int64) bool {
	return updated != rows.Null && c.wall(updated)/second > since/second
}

// listReceipts answers /receipts/get. GUESS: without an order they come by id.
func (c *Company) listReceipts(p Params) (*Page, *Error) {
	q, err := c.readReceipts(p)
	if err != nil {
		return nil, err
	}
	t := q.tables[0]
	var from source
	switch {
	case len(q.pass) > 0 || len(q.tables) > 1 || len(q.keys) > 0 && q.keys[0].name != "date":
		from = listed(c.gather(q))
	case len(q.keys) == 0:
		from = ordered(t, q.windows, rows.ByID, false)
	default:
		from = byDay(t, q.windows, q.keys[0].desc, func(a, b rows.Row) int {
			return compareReceipts(c.receiptOf(t, a), c.receiptOf(t, b), q.keys)
		})
	}
	page := &Page{Before: q.page.offset}
	list := c.cut("receipts", from, q.page, false, false)
	for _, r := range list {
		v := c.receiptOf(c.tableOf(q.tables, r.ID), r)
		page.add(itoa(v.id), func(dst []byte) []byte { return c.appendReceipt(dst, v, false) })
	}
	page.More = int64(len(list)) == q.page.limit
	return page, nil
}

// tableOf finds where a row is from.
func (*Company) tableOf(tables []*rows.Table, id int64) *rows.Table {
	for _, t := range tables[1:] {
		if _, ok := t.Get(id); ok {
			return t
		}
	}
	return tables[0]
}

// gather reads receipts one by one.
func (c *Company) gather(q receiptQuery) []rows.Row {
	var list []receipt
	for _, t := range q.tables {
		every(t, q.windows, func(r rows.Row) bool {
			v := c.receiptOf(t, r)
			if !slices.ContainsFunc(q.pass, func(pass func(receipt) bool) bool { return !pass(v) }) {
				list = append(list, v)
			}
			return false
		})
	}
	slices.SortStableFunc(list, func(a, b receipt) int {
		return cmp.Or(compareReceipts(a, b, q.keys), cmp.Compare(a.id, b.id))
	})
	out := make([]rows.Row, len(list))
	for k := range list {
		out[k] = list[k].r
	}
	return out
}

// compareReceipts compares by the keys of an order; nulls are the least.
func compareReceipts(a, b receipt, keys []orderKey) int {
	for _, k := range keys {
		var n int
		switch k.name {
		case "date":
			n = cmp.Compare(a.day, b.day)
		case "amount":
			n = compareKnown(a.cents, a.hasAmount && !a.raw, b.cents, b.hasAmount && !b.raw)
		case "invoicenumber":
			n = compareKnown(a.number, a.hasNumber && !a.raw, b.number, b.hasNumber && !b.raw)
		default:
			n = compareKnown(a.party, !a.raw, b.party, !b.raw)
		}
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func compareKnown[T cmp.Ordered](a T, known bool, b T, knownB bool) int {
	switch {
	case known && knownB:
		return cmp.Compare(a, b)
	case known:
		return 1
	case knownB:
		return -1
	}
	return 0
}
