package data

import (
	"encoding/json"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// column is one column of an answer: a field, or one of what its lookup points
// to (Account_Name.Industry).
type column struct {
	name string
	f    *field
	sub  *field // in the target
	part string // of a user: email, first_name, last_name, full_name, id
}

// column finds a column by its name.
func (m *module) column(name string) (column, bool) {
	if f := m.byName[name]; f != nil {
		return column{name: name, f: f}, true
	}
	head, tail, dotted := strings.Cut(name, ".")
	f := m.byName[head]
	if !dotted || f == nil {
		return column{}, false
	}
	switch f.kind {
	case kindLookup, kindConvertedLookup:
		if f.target != nil && f.target.byName[tail] != nil && !f.target.byName[tail].child {
			return column{name: name, f: f, sub: f.target.byName[tail]}, true
		}
	case kindOwner:
		switch tail {
		case "id", "email", "first_name", "last_name", "full_name":
			return column{name: name, f: f, part: tail}, true
		}
	default:
	}
	return column{}, false
}

func (c column) perRow() bool { return c.f.perRow }

// value computes a column of a row, and the field to write it by.
func (o *Org) columnValue(col column, c *cell) (*field, value) {
	v := o.value(col.f, c)
	if v.null || col.sub == nil && col.part == "" {
		return col.f, v
	}
	if col.part != "" {
		u := &people[v.n]
		out := value{kind: kindText, w: u.mailTo}
		switch col.part {
		case "id":
			out = value{kind: kindID, n: u.id}
		case "first_name":
			out.w = u.firstWord
		case "last_name":
			out.w = makeWord(u.last)
		case "full_name":
			out.w = u.phrase
		}
		return col.f, out
	}
	if col.sub == v.m.display { // as lists show it, whatever became of the row
		return col.sub, o.displayName(v.m, v.n)
	}
	r, ok := o.open(v.m).Get(v.m.rowID(v.n))
	if !ok {
		return col.sub, value{kind: col.sub.kind, null: true}
	}
	other := v.m.cell(r)
	return col.sub, o.value(col.sub, &other)
}

func (m *module) rowID(index int64) int64 {
	return rows.IDs{First: m.first(), Stride: 1, Run: hole}.ID(index)
}

// plan renders rows of a module: for each variant, texts that are ready with
// the columns between them that differ from row to row.
type plan struct {
	org      *Org
	m        *module
	as       form
	variants [variants][]segment
}

type segment struct {
	text []byte
	col  column // none after the last text
	more bool
}

// maxPlans is how many plans are kept: a client asks for the same few columns
// again and again.
const maxPlans = 200

// planOf prepares columns of a module for a form.
func (o *Org) planOf(m *module, cols []column, as form) *plan {
	var key strings.Builder
	key.WriteString(m.api)
	key.WriteByte(byte('0' + as))
	for _, c := range cols {
		key.WriteByte(',')
		key.WriteString(c.name)
	}
	o.mu.Lock()
	p := o.plans[key.String()]
	o.mu.Unlock()
	if p != nil {
		return p
	}
	p = &plan{org: o, m: m, as: as}
	for v := range p.variants {
		p.variants[v] = p.compile(cols, v)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.plans) >= maxPlans {
		clear(o.plans)
	}
	o.plans[key.String()] = p
	return p
}

func (p *plan) compile(cols []column, variant int) []segment {
	var out []segment
	var text []byte
	c := cell{m: p.m, variant: variant}
	for k, col := range cols {
		if k > 0 {
			text = append(text, ',')
		}
		if p.as != csvForm {
			text = append(append(append(text, '"'), col.name...), `":`...)
		}
		if col.perRow() {
			out = append(out, segment{text, col, true})
			text = nil
			continue
		}
		f, v := p.org.columnValue(col, &c)
		text = p.org.append(text, f, v, p.as)
	}
	return append(out, segment{text: text})
}

// row renders one row.
func (p *plan) row(dst []byte, r rows.Row) []byte {
	c := p.m.cell(r)
	if p.as != csvForm {
		dst = append(dst, '{')
	}
	segments := p.variants[c.variant]
	for k := range segments {
		s := &segments[k]
		dst = append(dst, s.text...)
		if s.more {
			f, v := p.org.columnValue(s.col, &c)
			dst = p.org.append(dst, f, v, p.as)
		}
	}
	if p.as == csvForm {
		return append(dst, '\n')
	}
	return append(dst, '}')
}

// idOf is the id of an object, "" for what has none.
func idOf(raw string) string {
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal([]byte(raw), &object) != nil {
		return ""
	}
	return object.ID
}

func tagNames(raw string) string {
	var tags []struct {
		Name string `json:"name"`
	}
	if json.Unmarshal([]byte(raw), &tags) != nil {
		return ""
	}
	names := make([]string, len(tags))
	for k := range tags {
		names[k] = tags[k].Name
	}
	return strings.Join(names, ";")
}
