package data

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// capped is what the hidden limit of a list leaves of a page.
func (c *Company) capped(stream string, w window) window {
	if c.opts.Capped(stream) {
		w.limit = min(w.limit, 100)
	}
	return w
}

func (c *Company) listPaymentAccounts(Params) (*Page, *Error) {
	page := &Page{}
	for _, a := range c.payment {
		page.add(a.name, func(dst []byte) []byte { return c.appendPayment(dst, a) })
	}
	return page, nil
}

func (c *Company) listDebtors(p Params) (*Page, *Error) {
	return c.parties("debtors", c.debtors, p)
}

func (c *Company) listCreditors(p Params) (*Page, *Error) {
	return c.parties("creditors", c.creditors, p)
}

// parties answers debtors and creditors: 25 rows unless asked for more (DOC).
// GUESS: the codes of a bad limit or offset, for which none are defined; that
// more than 500 is refused, which is the most that a client asks for (CLIENT
// CK); the order.
func (c *Company) parties(stream string, t *rows.Table, p Params) (*Page, *Error) {
	w, err := p.page(6, 7, 25, 500)
	if err != nil {
		return nil, err
	}
	page := &Page{Before: w.offset, More: true}
	given := c.capped(stream, w)
	list := c.cut(stream, ordered(t, nil, rows.ByID, false), given, false, false)
	for _, r := range list {
		page.add(itoa(r.ID), func(dst []byte) []byte { return c.appendParty(dst, r, t == c.creditors) })
	}
	page.More = int64(len(list)) == given.limit
	return page, nil
}

// listCentres answers /cost-locations/get. GUESS: the default.
func (c *Company) listCentres(p Params) (*Page, *Error) {
	standard := int64(1000)
	if c.opts.Short("cost_locations") {
		standard = 25
	}
	w, err := p.page(5, 6, standard, 1000)
	if err != nil {
		return nil, err
	}
	code, given, ok := p.text("code")
	if !ok {
		return nil, invalid(7, "code")
	}
	from := ordered(c.centres, nil, rows.ByID, false)
	if given {
		from = listed(every(c.centres, nil, func(r rows.Row) bool { return centreCode(r.ID) == code }))
	}
	page := &Page{Before: w.offset}
	list := c.cut("cost_locations", from, w, false, false)
	for _, r := range list {
		page.add(centreCode(r.ID), func(dst []byte) []byte { return c.appendCentre(dst, r) })
	}
	page.More = int64(len(list)) == w.limit
	return page, nil
}

// section is a run of accounts in order of their numbers.
type section struct {
	count int64
	page  func(offset, n int64) []account
}

func fixedSection(list []account) section {
	return section{int64(len(list)), func(offset, n int64) []account {
		offset = min(offset, int64(len(list)))
		return list[offset:min(offset+n, int64(len(list)))]
	}}
}

func (c *Company) partySection(t *rows.Table, creditor bool) section {
	return section{t.Live(), func(offset, n int64) []account {
		var out []account
		for _, r := range ordered(t, nil, rows.ByID, false)(offset, n) {
			out = append(out, c.partyAccount(r, creditor))
		}
		return out
	}}
}

// sections are all accounts by number: the chart with the payment accounts in
// it, then debtors and creditors, each behind its collective account.
func (c *Company) sections(ledger, payment, creditors, debtors bool) []section {
	var out []section
	if len(c.chart) == 0 {
		return out
	}
	out = append(out, fixedSection(slices.DeleteFunc(slices.Clone(c.chart), func(a account) bool {
		return !ledger && a.kind == "postingaccount" || !payment && a.kind == "account"
	})))
	for _, party := range []struct {
		wanted, creditor bool
		number           int64
		table            *rows.Table
	}{{debtors, false, allDebtors, c.debtors}, {creditors, true, allCreditors, c.creditors}} {
		if party.wanted {
			collective, _ := c.findAccount(party.number)
			out = append(out, fixedSection([]account{collective}), c.partySection(party.table, party.creditor))
		}
	}
	return out
}

func through(list []section, offset, n int64) []account {
	var out []account
	for _, s := range list {
		if n <= 0 {
			break
		}
		if offset >= s.count {
			offset -= s.count
			continue
		}
		got := s.page(offset, n)
		out = append(out, got...)
		offset, n = 0, n-int64(len(got))
	}
	return out
}

var accountOrders = []string{
	"postingaccount_number ASC", "postingaccount_number DESC", "name ASC", "name DESC", "type ASC", "type DESC",
}

// listAccounts answers /settings/get/postingaccounts. GUESS: that more than
// 1,000 is refused. From a form it takes neither numbers nor booleans (CLIENT
// SI).
func (c *Company) listAccounts(p Params) (*Page, *Error) {
	p.strict = true
	w, err := p.page(6, 7, 1000, 1000)
	if err != nil {
		return nil, err
	}
	order, given, ok := p.text("order")
	if !ok || given && !slices.Contains(accountOrders, order) {
		return nil, invalid(8, "order")
	}
	var without [4]bool
	for k, name := range []string{"exclude_accounts", "exclude_postingaccounts", "exclude_creditors", "exclude_debtors"} {
		if without[k], ok = p.yes(name); !ok {
			return nil, invalid([]int{9, 10, 12, 13}[k], name)
		}
	}
	list := c.sections(!without[1], !without[0], !without[2], !without[3])
	if given && order != accountOrders[0] {
		list = []section{fixedSection(sortAccounts(through(list, 0, 1<<40), order))}
	}
	page := &Page{Before: w.offset}
	w = c.capped("posting_accounts", w)
	if c.opts.Same("posting_accounts") {
		w.offset = 0
	}
	got := through(list, w.offset, w.limit)
	if len(got) > 0 && c.slips(w.offset, strings.HasPrefix(order, "postingaccount_number"), false) {
		got = slices.Clone(got)
		got[0] = through(list, w.offset-1, 1)[0]
	}
	for _, a := range got {
		page.add(itoa(a.number), func(dst []byte) []byte { return c.appendAccount(dst, a) })
	}
	page.More = int64(len(got)) == w.limit
	return page, nil
}

func sortAccounts(list []account, order string) []account {
	key, direction, _ := strings.Cut(order, " ")
	slices.SortStableFunc(list, func(a, b account) int {
		n := cmp.Compare(a.number, b.number)
		switch key {
		case "name":
			n = cmp.Compare(a.name, b.name)
		case "type":
			n = cmp.Compare(a.kind, b.kind)
		}
		if direction == "DESC" {
			n = -n
		}
		return n
	})
	return list
}
