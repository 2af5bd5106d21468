package data

import (
	"bytes"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

// Result is the answer to a query.
type Result struct {
	Body []byte
	Rows int
	IDs  []string // keys of the rows, the parts of a composite one joined by commas
	Next bool     // there is a next link
}

// Query answers a GET of a set: query holds the decoded parameters, self is
// the absolute URL of the set, of which links are made. The error is an
// [*Error].
func (s *Store) Query(set *edm.Set, division int, query url.Values, self string) (*Result, error) {
	in := s.info(set)
	q, err := s.newRequest(in, query, self)
	if err != nil {
		return nil, err
	}
	c, err := s.lock(in, division)
	if err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	p := &page{request: q, x: cell{s: s, c: c, in: in, t: s.open(c, in)}}
	return p.make(), nil
}

// page is one answer in the making.
type page struct {
	*request

	x    cell
	body []byte
	out  Result
}

func (p *page) make() *Result {
	capped := p.capped() && !p.counted
	single := p.in.shape == object
	isBare := capped || p.in.shape == bare && p.in.page == 0 && !p.counted
	switch {
	case single:
		p.size = 1
		p.body = append(p.body, `{"d":`...)
	case isBare:
		p.body = append(p.body, `{"d":[`...)
	default:
		p.body = append(p.body, `{"d":{"results":[`...)
	}
	var last []value
	p.walk(p.token, func() bool {
		if p.size >= 0 && p.out.Rows >= p.size {
			return false
		}
		if p.out.Rows == 1 && p.size > 1 { // the first row tells how large the page will be
			p.body = append(make([]byte, 0, len(p.body)*min(p.size, p.x.t.alive+1)*5/4+4096), p.body...)
		}
		p.write()
		if p.out.Rows == p.size {
			last = p.keys()
		}
		return true
	})
	switch {
	case single && p.out.Rows == 0:
		p.body = append(p.body, "null}"...)
	case single:
		p.body = append(p.body, '}')
	case isBare:
		p.body = append(p.body, "]}"...)
	default:
		p.body = append(p.body, ']')
		if p.counted {
			p.body = append(p.body, `,"__count":"`...)
			p.body = append(strconv.AppendInt(p.body, p.count(), 10), '"')
		}
		// A full page has a next link, whether or not there are more rows
		// (CLIENT).
		if last != nil && p.in.page > 0 && !p.capped() {
			p.out.Next = true
			p.body = appendText(append(p.body, `,"__next":`...), p.next(last))
		}
		p.body = append(p.body, "}}"...)
	}
	p.out.Body = p.body
	return &p.out
}

// point aims the cell at a row and tells whether the query wants it.
func (p *page) point(i int32) bool {
	r := &p.x.t.rows[i]
	p.x.row, p.x.index = r, int64(i)
	if r.dead || p.in.shows != nil && !p.in.shows(r) {
		return false
	}
	return p.filter == nil || p.filter.test(&p.x)
}

func (p *page) count() (n int64) {
	p.walk(nil, func() bool {
		n++
		return true
	})
	return n
}

// walk aims the cell at the wanted rows after a token, in order.
func (p *page) walk(token []value, yield func() bool) {
	t := p.x.t
	if p.in.set.Variant == edm.Sync {
		var from int64
		for _, c := range p.filter.comparisons {
			if c.field == "Timestamp" {
				from = int64(c.value.number())
				if c.value.class != float {
					from = c.value.n
				}
			}
		}
		if token != nil {
			from = max(from, token[0].n)
		}
		for _, e := range t.log[t.after(from):] {
			if t.current(e) && p.point(e.row) && !yield() {
				return
			}
		}
		return
	}
	o := t.order(p.name, p.by, func(row int32, c *column) value {
		p.x.row, p.x.index = &t.rows[row], int64(row)
		return p.x.get(c)
	})
	from := 0
	if token != nil {
		from = sort.Search(len(o.rows), func(i int) bool {
			if o.keys == nil {
				return bytes.Compare(t.rows[o.rows[i]].id[:], token[0].id[:]) > 0
			}
			return compareKeys(p.by, o.keys[i], token) > 0
		})
	}
	for _, i := range o.rows[from:] {
		if p.point(i) && !yield() {
			return
		}
	}
}

// keys are the values that a token names the row by.
func (p *page) keys() []value {
	out := make([]value, len(p.by))
	for i, b := range p.by {
		out[i] = p.x.get(b.column)
	}
	return out
}

// write adds the row to the body.
func (p *page) write() {
	if p.out.Rows > 0 {
		p.body = append(p.body, ',')
	}
	p.out.Rows++
	p.out.IDs = append(p.out.IDs, p.x.key())
	b := p.body
	b = append(b, `{"__metadata":{"uri":"`...)
	b = p.appendURI(b)
	b = append(append(append(b, `","type":"`...), p.in.typeName...), `"}`...)
	b = p.x.appendColumns(b, p.columns, false)
	for _, name := range p.links {
		if !slices.Contains(p.expand, name) {
			b = append(append(append(b, `,"`...), name...), `":{"__deferred":{"uri":"`...)
			b = append(append(p.appendURI(b), '/'), name...)
			b = append(b, `"}}`...)
		}
	}
	for _, name := range p.expand {
		b = append(append(append(b, `,"`...), name...), `":{"results":[]}`...)
	}
	b = append(b, '}')
	p.body = b
}

// appendURI writes the address of the row. That of a sync row is made of its
// Timestamp (GUESS, from the documented key).
func (p *page) appendURI(b []byte) []byte {
	b = append(append(b, p.self...), '(')
	if p.in.set.Variant == edm.Sync {
		b = append(strconv.AppendInt(b, p.x.row.version, 10), 'L')
		return append(b, ')')
	}
	for i, k := range p.in.key {
		if i > 0 {
			b = append(b, ',')
		}
		if len(p.in.key) > 1 {
			b = append(append(b, k.name...), '=')
		}
		v := p.x.get(k)
		if v.class == text {
			b = append(escape(append(b, '\''), v.s), '\'')
			continue
		}
		b = v.appendLiteral(b)
	}
	return append(b, ')')
}

// appendColumns writes members with a comma before each.
func (x *cell) appendColumns(b []byte, columns []*column, documented bool) []byte {
	for _, c := range columns {
		if documented && c.hidden {
			continue
		}
		b = append(append(b, ','), c.head...)
		b = x.get(c).appendJSON(b)
	}
	return b
}

// key is the text of the row's key.
func (x *cell) key() string {
	if len(x.in.key) == 1 {
		return x.get(x.in.key[0]).plain()
	}
	parts := make([]string, len(x.in.key))
	for i, k := range x.in.key {
		parts[i] = x.get(k).plain()
	}
	return strings.Join(parts, ",")
}
