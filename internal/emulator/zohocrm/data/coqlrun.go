package data

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	coqlRows    = 2000    // DOC on v8; 200 in another official text
	coqlOffset  = 100_000 // DOC on v8
	coqlColumns = 200     // CLIENT CData, unverified; 50 up to v7
	coqlOrders  = 10      // DOC
	coqlIn      = 50      // DOC
)

// COQL answers POST /coql and tells what the call costs: 1, 2 or 3 credits for
// a LIMIT up to 200, 1000 or 2000 (DOC).
func (o *Org) COQL(query string) (*Body, int, error) {
	credits := 1
	s, err := parseCOQL(query, o.on(FreeCOQL))
	if err != nil {
		return nil, credits, err
	}
	switch {
	case s.limit > 1000:
		credits = 3
	case s.limit > 200:
		credits = 2
	}
	m, cols, order, where, err := o.resolve(s)
	if err != nil {
		return nil, credits, err
	}
	if o.on(CappedCOQL) {
		s.limit = min(s.limit, maxPerPage)
	}
	v := o.filtered(m, where)
	if o.on(NoIDOrder) && len(order) > 0 {
		order = order[:1]
	}
	found, more := o.ordered(m, v, order, s.offset, s.limit)
	if len(found) == 0 {
		return &Body{Empty: true}, credits, nil
	}
	plan := o.planOf(m, cols, coqlForm)
	dst := []byte(`{"data":[`)
	for k, r := range found {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = plan.row(dst, r)
	}
	dst = strconv.AppendInt(append(dst, `],"info":{"count":`...), int64(len(found)), 10)
	dst = append(strconv.AppendBool(append(dst, `,"more_records":`...), more), `}}`...)
	return &Body{JSON: dst, Rows: len(found), IDs: idsOf(found)}, credits, nil
}

// order is a column to order by.
type order struct {
	col  column
	desc bool
}

// resolve looks the names of a statement up.
func (o *Org) resolve(s *statement) (*module, []column, []order, *condition, *Error) {
	fail := func(err *Error) (*module, []column, []order, *condition, *Error) { return nil, nil, nil, nil, err }
	m := o.byName[s.from]
	if m == nil || !m.readable() {
		return fail(errQuery("the given module is not supported", s.from))
	}
	limit := coqlColumns
	if o.on(NarrowCOQL) {
		limit = maxFields
	}
	switch {
	case len(s.columns) > limit:
		return fail(errQuery(fmt.Sprintf("more than %d columns", limit), ""))
	case s.limit > coqlRows || s.limit == 0:
		return fail(errQuery("the limit is out of range", "limit"))
	case s.offset+s.limit > coqlOffset:
		return fail(errQuery("the offset is out of range", "offset"))
	case len(s.order) > coqlOrders:
		return fail(errQuery("more than 10 columns to order by", ""))
	}
	var cols []column
	seen := make(map[string]bool)
	for _, name := range s.columns {
		c, ok := m.column(name)
		if !ok || c.f.child {
			return fail(errQuery("column given seems to be invalid", name))
		}
		if !seen[name] {
			seen[name] = true
			cols = append(cols, c)
		}
	}
	if !seen["id"] { // GUESS: as in lists
		cols = append(cols, column{name: "id", f: m.byName["id"]})
	}
	var orders []order
	for _, by := range s.order {
		c, ok := m.column(by.name)
		if !ok || c.f.child {
			return fail(errQuery("column given seems to be invalid", by.name))
		}
		orders = append(orders, order{c, by.desc})
	}
	var where *condition
	if s.where != nil {
		var err *Error
		if where, err = m.resolveWhere(s.where); err != nil {
			return fail(err)
		}
	}
	return m, cols, orders, where, nil
}

func (m *module) resolveWhere(p *parsed) (*condition, *Error) {
	c := &condition{any: p.any, not: p.not, op: p.op}
	if p.group != nil {
		for _, g := range p.group {
			inner, err := m.resolveWhere(g)
			if err != nil {
				return nil, err
			}
			c.group = append(c.group, inner)
		}
		return c, nil
	}
	col, ok := m.column(p.column)
	if !ok || col.f.child {
		return nil, errQuery("column given seems to be invalid", p.column)
	}
	f := col.f
	if col.sub != nil {
		f = col.sub
	}
	switch f.dataType {
	case "textarea", "mediumtext", "richtextarea": // DOC: multi-line text is no criterion
		return nil, errQuery("column type is not supported in criteria", p.column)
	}
	if len(p.values) > coqlIn {
		return nil, errQuery("more than 50 values", p.column)
	}
	c.col = col
	for _, v := range p.values {
		value, ok := operandFor(col, v.text, v.bare, v.number)
		if !ok {
			return nil, errQuery("value given seems to be invalid for the column", p.column)
		}
		c.values = append(c.values, value)
	}
	return c, nil
}

// ordered reads the rows of a view in an order, the id the last criterion.
func (o *Org) ordered(m *module, v *view, by []order, offset, limit int) (found []rows.Row, more bool) {
	collect := func(skip, n int) {
		more, _ = v.each(int64(skip), n, func(r rows.Row) error { // the callback never fails
			found = append(found, r)
			return nil
		})
	}
	clock, simple := rows.ByID, len(by) == 0
	if len(by) > 0 && by[0].col.sub == nil {
		switch by[0].col.f.kind {
		case kindID:
			simple = true
		case kindModified:
			clock, simple = modified, len(by) == 1
		case kindCreated:
			clock, simple = created, len(by) == 1
		default:
		}
	}
	if o.on(NoIDOrder) && clock != rows.ByID {
		simple = false
	}
	if len(v.query.Windows) > 0 && clock != rows.ByID && v.query.Windows[0].Clock != clock {
		simple = false
	}
	if simple {
		v.query.Order, v.query.Desc = clock, len(by) > 0 && by[0].desc
		collect(offset, limit)
		return found, more
	}
	collect(0, 1<<62)
	type keyed struct {
		r    rows.Row
		keys []key
	}
	list := make([]keyed, len(found))
	for k, r := range found {
		x := m.cell(r)
		list[k].r = r
		for _, b := range by {
			f, value := o.columnValue(b.col, &x)
			numeric, n, text := o.comparable(f, value)
			list[k].keys = append(list[k].keys, key{value.null, numeric, n, strings.ToLower(text)})
		}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		for k := range by {
			c := a.keys[k].compare(b.keys[k])
			if by[k].desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		if o.on(NoIDOrder) { // as good as any
			return cmp.Compare(rows.Mix(7, uint64(a.r.ID)), rows.Mix(7, uint64(b.r.ID)))
		}
		return cmp.Compare(a.r.ID, b.r.ID)
	})
	found = nil
	for k := offset; k < min(offset+limit, len(list)); k++ {
		found = append(found, list[k].r)
	}
	return found, offset+limit < len(list)
}

// key is what a row is ordered by; null comes first.
type key struct {
	null, numeric bool
	n             float64
	text          string
}

func (k key) compare(other key) int {
	if k.null || other.null {
		return int(b2i(other.null) - b2i(k.null))
	}
	if k.numeric {
		return cmp.Compare(k.n, other.n)
	}
	return strings.Compare(k.text, other.text)
}
