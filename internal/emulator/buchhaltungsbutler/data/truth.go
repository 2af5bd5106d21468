package data

import (
	"fmt"
	"io"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Offers names the truth about offers, which only include_offers shows.
const Offers = "receipts/offers"

// LastActions names the truth about postings with the day of the last action,
// which a filter tells and no row does.
const LastActions = "postings/" + lastAction

const lastAction = "date_last_action"

// Truth writes every live row of a stream as lists give it, one a line, with
// the members that a reader adds from what it asked for, where those are sure.
// Reports are about a period and have a number, which v and id tell.
func (c *Company) Truth(out io.Writer, stream string, v Period, id int64) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := printer{out: out}
	switch stream {
	case "receipts":
		for _, t := range c.receiptTables()[:4] {
			c.eachReceipt(t, func(v receipt) { p.line(c.appendReceipt(p.buffer(), v, true)) })
		}
	case Offers:
		c.eachReceipt(c.offers, func(v receipt) { p.line(c.appendReceipt(p.buffer(), v, true)) })
	case "receipt_details":
		if c.opts.Empty(stream) {
			return nil
		}
		for _, t := range c.receiptTables()[:4] {
			c.eachReceipt(t, func(v receipt) { p.line(c.appendReceiptDetail(p.buffer(), v, false)) })
		}
	case "receipt_transactions":
		for _, t := range c.receiptTables()[:4] {
			c.eachReceipt(t, func(v receipt) {
				for _, paid := range c.paymentsOf(v, false) {
					p.line(c.appendTransaction(p.buffer(), paid, stream, v.id))
				}
			})
		}
	case "transactions":
		c.eachTransaction(0, func(v transaction) bool { p.line(c.appendTransaction(p.buffer(), v, stream, 0)); return true })
	case "transaction_details":
		if c.opts.Empty(stream) {
			return nil
		}
		c.eachTransaction(0, func(v transaction) bool { p.line(c.appendTransactionDetail(p.buffer(), v)); return true })
	case "transaction_receipts":
		every(c.transactions, nil, func(r rows.Row) bool {
			for _, v := range c.assignedTo(r.Index, false) {
				p.line(c.appendAssigned(p.buffer(), v, r.ID))
			}
			return false
		})
	case "postings", LastActions:
		every(c.postings, nil, func(r rows.Row) bool {
			row := c.appendPosting(p.buffer(), c.postingOf(r))
			if stream == LastActions {
				w := writer{b: row[:len(row)-1], inner: true}
				w.date(lastAction, floorDay(c.wall(r.At(acted))))
				w.done()
				row = w.b
			}
			p.line(row)
			return false
		})
	case "debtors":
		every(c.debtors, nil, func(r rows.Row) bool { p.line(c.appendParty(p.buffer(), r, false)); return false })
	case "creditors":
		every(c.creditors, nil, func(r rows.Row) bool { p.line(c.appendParty(p.buffer(), r, true)); return false })
	case "cost_locations":
		every(c.centres, nil, func(r rows.Row) bool { p.line(c.appendCentre(p.buffer(), r)); return false })
	case "accounts":
		for _, a := range c.payment {
			p.line(c.appendPayment(p.buffer(), a))
		}
	case "posting_accounts":
		for _, a := range through(c.sections(true, true, true, true), 0, 1<<40) {
			p.line(c.appendAccount(p.buffer(), a))
		}
	case "account_ledger":
		c.ledgers(&p)
	case "report_sums", "report_bwa":
		c.reports(&p, stream, v, id)
	default:
		return fmt.Errorf("no stream %q", stream)
	}
	return p.err
}

// printer writes lines and keeps the first error.
type printer struct {
	out  io.Writer
	text []byte
	err  error
}

func (p *printer) buffer() []byte { return p.text[:0] }

func (p *printer) line(row []byte) {
	row = append(row, '\n')
	p.text = row // for the next one
	if p.err == nil {
		_, p.err = p.out.Write(p.text)
	}
}

func (c *Company) eachReceipt(t *rows.Table, visit func(receipt)) {
	every(t, nil, func(r rows.Row) bool { visit(c.receiptOf(t, r)); return false })
}

// ledgers writes the ledgers of all accounts that occur, over all time.
func (c *Company) ledgers(p *printer) {
	if c.opts.Empty("account_ledger") || len(c.chart) == 0 {
		return
	}
	lines := make(map[int64][]line)
	c.eachLine(false, func(n int64, l line) { lines[n] = append(lines[n], l) })
	for _, n := range c.used() {
		c.ledger(lines[n], func(l line, balance float64) { p.line(c.appendLine(p.buffer(), n, l, balance)) })
	}
}

// reports writes what a reader makes of a report: rows of its own.
func (c *Company) reports(p *printer, stream string, v Period, id int64) {
	if c.opts.Empty(stream) {
		return
	}
	t := c.count(v)
	begin := func() writer {
		w := writer{b: p.buffer()}
		w.open()
		w.date("date_from", v.From)
		w.date("date_to", v.To)
		return w
	}
	if stream == "report_sums" {
		for _, n := range t.numbers {
			w := begin()
			w.text("base", v.Base)
			w.number("report_id_by_customer", id)
			w.id("postingaccount_number", n)
			c.writeSum(&w, n, *t.totals[n])
			w.done()
			p.line(w.b)
		}
		return
	}
	for _, r := range c.flatten(t) {
		w := begin()
		w.number("report_id_by_customer", id)
		w.text("level", r.level)
		w.text("group_key", r.group)
		w.text("class_key", r.class)
		w.text("postingaccount_number", r.number)
		w.text("name", r.name)
		w.amount("amountsSum", euro(r.cents))
		if r.level == "total" {
			w.text("after", r.after)
		}
		if r.level != "account" {
			w.raw("empty", strconv.FormatBool(r.empty))
		}
		w.text("standardChart", chartName)
		w.raw("integrityError", "false")
		w.number("postingsRecordsCount", t.postings)
		w.number("uncompletedPostingsCount", c.uncompleted())
		w.done()
		p.line(w.b)
	}
}
