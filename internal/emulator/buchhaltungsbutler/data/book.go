package data

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// number reads an id of a path.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0
}

// postingQuery is what a list of postings is restricted to.
type postingQuery struct {
	windows []rows.Window
	pass    []func(posting) bool
	order   string
	page    window
}

var postingOrders = []string{
	"default", "date ASC", "date DESC", "date_last_action ASC", "date_last_action DESC", "id_by_customer ASC", "id_by_customer DESC",
}

// readPostings reads the body; the order comes before the limit (CLIENT DM).
func (c *Company) readPostings(p Params) (q postingQuery, err *Error) {
	from, to, err := p.period("date_from", "date_to", 5, 6, true)
	if err != nil {
		return q, err
	}
	q.windows = []rows.Window{dateWindow(from, to)}
	if err := c.readPostingFilters(p, &q); err != nil {
		return q, err
	}
	order, given, ok := p.text("order")
	if !ok || given && !slices.Contains(postingOrders, order) {
		return q, invalid(17, "order")
	}
	q.order = order
	standard := int64(1000) // CLIENT: one takes a thousand for a full page
	if c.opts.Short("postings") {
		standard = 25
	}
	if q.page, err = p.page(10, 12, standard, 1000); err != nil {
		return q, err
	}
	centre, given, ok := p.text("cost_location")
	if !ok {
		return q, invalid(13, "cost_location")
	}
	if given {
		q.pass = append(q.pass, func(v posting) bool { return v.centre == centre })
	}
	from, to, err = p.period("date_last_action_from", "date_last_action_to", 14, 16, false)
	if err != nil {
		return q, err
	}
	w := rows.Window{Clock: acted, Lo: rows.Null + 1, Hi: 1<<63 - 1}
	_, low := p.get("date_last_action_from")
	_, high := p.get("date_last_action_to")
	if low {
		w.Lo = c.midnight(from)
	}
	if high {
		w.Hi = c.midnight(to+1) - 1
	}
	if low || high {
		q.windows = append(q.windows, w)
	}
	return q, nil
}

func (c *Company) readPostingFilters(p Params, q *postingQuery) *Error {
	if err := c.readAccountFilter(p, q, "account", 7, map[string]func(posting) bool{
		"all": nil,
		"all financial accounts": func(v posting) bool {
			return slices.Contains(accountNumbers, v.debit) || slices.Contains(accountNumbers, v.credit)
		},
		"free booking": func(v posting) bool { return v.transaction == 0 && v.receipt == 0 },
	}); err != nil {
		return err
	}
	party := func(from, to int64) func(posting) bool {
		return func(v posting) bool { return from <= v.debit && v.debit <= to || from <= v.credit && v.credit <= to }
	}
	if err := c.readAccountFilter(p, q, "postingaccount", 8, map[string]func(posting) bool{
		"all": nil, "all postingaccounts": party(1, allDebtors-1), "all debtors": party(allDebtors, allCreditors-1),
		"all creditors": party(allCreditors, 1<<40),
	}); err != nil {
		return err
	}
	status, ok := p.oneOf("posting_status", "all", "fixed", "unfixed")
	if !ok {
		return invalid(9, "posting_status")
	}
	if status == "fixed" || status == "unfixed" {
		q.pass = append(q.pass, func(v posting) bool { return v.fixed == (status == "fixed") })
	}
	return nil
}

// readAccountFilter reads a word or a list of numbers.
func (*Company) readAccountFilter(p Params, q *postingQuery, name string, code int, words map[string]func(posting) bool) *Error {
	s, given, ok := p.text(name)
	if !given && ok {
		return nil
	}
	if pass, known := words[s]; ok && known {
		if pass != nil {
			q.pass = append(q.pass, pass)
		}
		return nil
	}
	var wanted []int64
	for word := range strings.SplitSeq(s, ",") {
		n, good := number(strings.TrimSpace(word))
		if !good {
			return invalid(code, name)
		}
		wanted = append(wanted, n)
	}
	q.pass = append(q.pass, func(v posting) bool { return slices.Contains(wanted, v.debit) || slices.Contains(wanted, v.credit) })
	return nil
}

// listPostings answers /postings/get: confirmed ones only, whatever is asked
// (CLIENT CK).
func (c *Company) listPostings(p Params) (*Page, *Error) {
	q, err := c.readPostings(p)
	if err != nil {
		return nil, err
	}
	compare := comparePostings(q.order)
	desc := strings.HasSuffix(q.order, " DESC")
	byID := strings.HasPrefix(q.order, "id_by_customer ")
	var from source
	switch {
	case len(q.pass) > 0 || len(q.windows) > 1:
		found := every(c.postings, q.windows, func(r rows.Row) bool {
			if len(q.pass) == 0 {
				return true
			}
			v := c.postingOf(r)
			return !slices.ContainsFunc(q.pass, func(pass func(posting) bool) bool { return !pass(v) })
		})
		slices.SortStableFunc(found, compare)
		from = listed(found)
	case byID:
		from = ordered(c.postings, q.windows, rows.ByID, desc)
	case strings.HasPrefix(q.order, "date_last_action "):
		from = ordered(c.postings, q.windows, acted, desc)
	default:
		from = byDay(c.postings, q.windows, desc, compare)
	}
	page := &Page{Before: q.page.offset}
	list := c.cut("postings", from, q.page, byID, false)
	for _, r := range list {
		page.add(itoa(r.ID), func(dst []byte) []byte { return c.appendPosting(dst, c.postingOf(r)) })
	}
	page.More = int64(len(list)) == q.page.limit
	return page, nil
}

// comparePostings is an order: by date, then by the last action unless another
// one is asked for (DOC).
func comparePostings(order string) func(a, b rows.Row) int {
	byDate := func(a, b rows.Row) int { return cmp.Compare(floorDay(a.At(onDate)), floorDay(b.At(onDate))) }
	byAction := func(a, b rows.Row) int { return cmp.Compare(a.At(acted), b.At(acted)) }
	byID := func(a, b rows.Row) int { return cmp.Compare(a.ID, b.ID) }
	switch order {
	case "date ASC":
		return byDate
	case "date DESC":
		return func(a, b rows.Row) int { return byDate(b, a) }
	case "date_last_action ASC":
		return byAction
	case "date_last_action DESC":
		return func(a, b rows.Row) int { return byAction(b, a) }
	case "id_by_customer ASC":
		return byID
	case "id_by_customer DESC":
		return func(a, b rows.Row) int { return byID(b, a) }
	}
	return func(a, b rows.Row) int { return cmp.Or(byDate(a, b), byAction(a, b)) }
}
