package accountview

import (
	"bytes"
	"slices"
	"strconv"
)

// sheet says how the rows of one table are written.
type sheet struct {
	table   *table
	fields  []field
	nested  *sheet // of the rows inside of these, or nil
	every   bool   // EXT_KEY is there
	turn    int    // with which column the rows begin
	extKeys int64
}

// sheet chooses the columns of a table in an answer. Their order differs from
// call to call (REAL).
func (s *Service) sheet(q *query, c *company, name string, turn int) sheet {
	out := sheet{table: s.tables[name], every: q.every, turn: turn, extKeys: int64(turn)}
	if name != q.table && s.on("whole-lines", q.stream) {
		out.every = true
	}
	if out.every {
		for _, col := range c.shown(out.table) {
			out.fields = append(out.fields, field{col, col.name})
		}
	}
	for _, f := range q.fields {
		ours := f.table == name || name == q.table && f.table == q.joined
		if ours && !slices.ContainsFunc(out.fields, func(o field) bool { return o.label == f.label }) {
			out.fields = append(out.fields, f)
		}
	}
	if name == q.table && q.nested != "" {
		if inner := s.sheet(q, c, q.nested, turn); len(inner.fields) > 0 {
			out.nested = &inner
		}
	}
	return out
}

// append writes a row: its columns, and numbers that mean nothing outside of
// this answer: one in no order, and that of the row or its parent.
func (h *sheet) append(dst []byte, r *row, parent string, n, ordinal int64) []byte {
	dst = append(dst, '{')
	dst = h.columns(dst, r)
	if h.every {
		dst = append(dst, `"EXT_KEY":`...)
		dst = strconv.AppendInt(dst, 47+(ordinal*389+h.extKeys*31)%1009+ordinal/1009*1009, 10)
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), parent...), `_Id":`...)
	return append(strconv.AppendInt(dst, n, 10), '}')
}

// columns writes the members of a row, each with a comma behind it.
func (h *sheet) columns(dst []byte, r *row) []byte {
	for k := range h.fields {
		f := &h.fields[(k+h.turn)%len(h.fields)]
		if f.label == f.name {
			dst = append(dst, f.head...)
		} else {
			dst = append(append(append(dst, '"'), f.label...), `":`...)
		}
		of := r
		if f.table != r.s.t.name {
			of = joinedRow(r, f.table)
		}
		dst = append(f.make(dst, of), ',')
	}
	if h.nested == nil {
		return dst
	}
	// The administrations are inside of the company's settings (CLIENT omni).
	name := h.nested.table.name
	dst = append(append(append(dst, '"'), name...), `":[`...)
	for k, line := range r.s.t.lines[name](r) {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = h.nested.columns(append(dst, '{'), line)
		dst[len(dst)-1] = '}'
	}
	return append(dst, `],`...)
}

// answerOf writes an answer: an object with an array for each table, the one
// that was asked for first.
func (s *Service) answerOf(q *query, c *company, list []*row, stream string) []byte {
	turn := int(s.turn.Add(1) * 7)
	name := s.arrayName(q, stream)
	single := s.on("single-object", stream)
	main := s.sheet(q, c, q.table, turn)
	dst := make([]byte, 0, 256+len(list)*(64+20*len(main.fields)))
	dst = append(append(append(dst, `{"`...), name...), `":`...)
	a := array{dst: append(dst, '['), start: len(dst)}
	for n, r := range list {
		a.next()
		a.dst = main.append(a.dst, r, q.table, int64(n), int64(n))
	}
	dst = a.end(single)
	for _, side := range q.side {
		if side == "AP_CONT" && !c.addOns {
			continue
		}
		h := s.sheet(q, c, side, turn)
		if q.system && !q.every && len(h.fields) == 0 {
			continue
		}
		dst = append(append(append(dst, `,"`...), side...), `":`...)
		a := array{dst: append(dst, '['), start: len(dst)}
		if len(h.fields) > 0 {
			s.sideRows(q, list, side, func(r *row, parent int64) {
				a.next()
				a.dst = h.append(a.dst, r, q.table, parent, a.n-1)
			})
		}
		dst = a.end(single)
	}
	return append(dst, '}')
}

// array is a list of rows that is being written.
type array struct {
	dst   []byte
	start int // where its bracket stands
	n     int64
}

// next begins a row.
func (a *array) next() {
	if a.n++; a.n > 1 {
		a.dst = append(a.dst, ',')
	}
}

// end closes the array. One row may come without it (CLIENT apic), by the fault
// single-object.
func (a *array) end(single bool) []byte {
	if single && a.n == 1 {
		return slices.Delete(a.dst, a.start, a.start+1)
	}
	return append(a.dst, ']')
}

// arrayName is the key of the array: the base table (REAL), by the fault
// view-keys the view.
func (s *Service) arrayName(q *query, stream string) string {
	switch {
	case s.on("view-keys", stream):
		return q.name()
	case q.table == "PERIOD" && s.on("other-codes", stream):
		return "ADM_PER" // GUESS: nobody knows the table of this object
	}
	return q.table
}

// sideRows yields the rows of a table beside the main one, each with the number
// of its parent.
func (s *Service) sideRows(q *query, list []*row, side string, yield func(r *row, parent int64)) {
	if side == "TRN_HDR" {
		seen := make(map[int64]bool)
		for n, r := range list {
			pages := r.s.company.store("DJ_PAGE", r.s.year)
			if pages.size == 0 || seen[min(r.i, pages.size-1)] {
				continue
			}
			p := new(row)
			pages.row(p, min(r.i, pages.size-1))
			seen[p.i] = true
			yield(&row{s: r.s.company.store(side, r.s.year), i: p.i, h: p.h, parent: p}, int64(n))
		}
		return
	}
	lines := s.tables[q.table].lines[side]
	if lines == nil || side == q.lines && s.on("norows", q.child) {
		return
	}
	for n, r := range list {
		for _, line := range lines(r) {
			yield(line, int64(n))
		}
	}
}

// plainText is a JSON string without its quotes, for keys, which need no escapes.
func plainText(raw []byte) string { return string(bytes.Trim(raw, `"`)) }
