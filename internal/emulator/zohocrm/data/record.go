package data

import (
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// maxLines is how many lines of a subform a record carries before $has_more
// tells of the rest.
const maxLines = 200

// Record answers GET /{Module}/{id}: every field, subforms and multi-select
// lookups too (DOC).
func (o *Org) Record(module, id string) (*Body, error) {
	m, r, err := o.find(module, id)
	if err != nil {
		return nil, err
	}
	dst := append([]byte(`{"data":[`), o.plainRow(m, r)...)
	dst = dst[:len(dst)-1] // the closing }
	for _, f := range m.fields {
		if f.child {
			dst = append(append(append(dst, `,"`...), f.api...), `":`...)
			dst = o.appendChildren(dst, m, f, r)
		}
	}
	return &Body{JSON: append(dst, `}]}`...), Rows: 1, IDs: []string{id}}, nil
}

func (o *Org) find(module, id string) (*module, rows.Row, *Error) {
	m, err := o.module(module)
	if err != nil {
		return nil, rows.Row{}, err
	}
	n, bad := strconv.ParseInt(id, 10, 64)
	r, ok := o.open(m).Get(n)
	if bad != nil || !ok {
		return nil, rows.Row{}, errID()
	}
	return m, r, nil
}

// plainRow is a record with all the fields that lists give, rich text whole.
func (o *Org) plainRow(m *module, r rows.Row) []byte {
	return o.planOf(m, o.allColumns(m), fullForm).row(nil, r)
}

func (o *Org) allColumns(m *module) []column {
	var cols []column
	for _, f := range m.columns() {
		cols = append(cols, column{name: f.api, f: f})
	}
	return cols
}

// appendChildren writes what only a record carries.
func (o *Org) appendChildren(dst []byte, m *module, f *field, r rows.Row) []byte {
	dst = append(dst, '[')
	switch {
	case f.dataType == "subform" && f.target != nil:
		if f.target.parent != m { // a subform of another module's: nothing here
			break
		}
		for k, line := range o.linesOf(f.target, r.Index) {
			if k > 0 {
				dst = append(dst, ',')
			}
			if k == maxLines {
				break
			}
			dst = append(dst, o.plainRow(f.target, line)...)
		}
	case f.dataType == "multiselectlookup" && f.target != nil && f.target.n > 0:
		for k := range int64(2) {
			if k > 0 {
				dst = append(dst, ',')
			}
			index := int64(rows.Mix(f.seed, uint64(r.ID)+uint64(k)) % uint64(f.target.n))
			dst = strconv.AppendInt(append(dst, `{"id":"`...), r.ID*10+k, 10)
			dst = append(append(append(dst, `","`...), f.api...), `":`...)
			dst = append(o.appendLookup(dst, f, value{m: f.target, n: index}, fullForm), '}')
		}
	case f.dataType == "multiuserlookup":
		u := people[uint64(r.ID)%owners]
		dst = strconv.AppendInt(append(dst, `{"id":"`...), r.ID*10+5, 10)
		dst = append(append(append(append(append(dst, `","`...), f.api...), `":`...), u.json...), '}')
	}
	return append(dst, ']')
}
