package record

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// Column is one column of a table file, whose values are text.
type Column struct {
	// Name is the member of a row that the column holds; "" is none: skipped.
	Name string
	// Inner is a member of that member, which is an object then. Columns of one
	// object stand next to each other. An object whose first column is empty is
	// null.
	Inner string
	// Separator cuts the text into an array of texts; "" where it is one value.
	Separator string
	// Value appends the JSON literal that a text stands for; nil is the rules of
	// the property's type. false: the text is none of the forms that are known.
	Value func(dst, text []byte) ([]byte, bool)
}

// FormError is a value of a column that is none of the forms known of it.
type FormError struct{ Column string }

// Error names the column. The value may be private.
func (e *FormError) Error() string {
	return fmt.Sprintf("column %q holds a value of a form that is not known", e.Column)
}

// Columns is a compiled list of columns. It is immutable and may be shared.
type Columns struct {
	plan *Plan
	list []column
}

type column struct {
	Column
	slot   int32
	bare   bool   // a number or a boolean: its text is the literal
	member []byte // of Inner: name in quotes and colon
	last   bool   // of its object
}

// Columns prepares the columns of a table file. A name that no property has is
// an error: what is not wanted must not be asked for.
func (p *Plan) Columns(list []Column) (*Columns, error) {
	out := &Columns{plan: p}
	seen := map[string]bool{}
	for i, col := range list {
		c := column{Column: col, slot: -1}
		if col.Name == "" {
			out.list = append(out.list, c)
			continue
		}
		k := p.root.find([]byte(col.Name))
		if k == nil || k.slot < 0 {
			return nil, fmt.Errorf("column %q is no property", col.Name)
		}
		first := i == 0 || list[i-1].Name != col.Name
		if col.Inner == "" || first {
			if seen[col.Name] {
				return nil, fmt.Errorf("column %q is there twice", col.Name)
			}
			seen[col.Name] = true
		}
		c.slot = k.slot
		for j := range p.properties {
			if q := &p.properties[j]; q.slot == k.slot {
				c.bare = q.form == formNumber || q.form == formInteger || q.form == formBoolean
			}
		}
		if col.Inner != "" {
			c.member = append(jsonspan.AppendQuoted(nil, []byte(col.Inner)), ':')
			c.last = i+1 == len(list) || list[i+1].Name != col.Name
		}
		out.list = append(out.list, c)
	}
	return out, nil
}

// AppendColumns is Append for a row of a table file: fields are its values, in
// the order of the columns. Empty text is null. Its errors are those of Append,
// and one for a row with another number of fields.
func (c *Converter) AppendColumns(dst []byte, cols *Columns, fields [][]byte) ([]byte, error) {
	if len(fields) != len(cols.list) {
		return dst, fmt.Errorf("record: a row of %d fields under %d columns", len(fields), len(cols.list))
	}
	size := 2 * stride
	for _, f := range fields {
		size += len(f) + 16
	}
	b := slices.Grow(c.table[:0], size)
	c.begin(nil)
	var inside jsonspan.Info // the flags of what is in that object
	object := -1             // where the object at hand begins, -1 outside of one
	skip := false
	for i := range cols.list {
		k, text := &cols.list[i], fields[i]
		if k.slot < 0 {
			continue
		}
		if k.member == nil {
			if len(text) == 0 && k.Value == nil {
				continue
			}
			start := len(b)
			var info jsonspan.Info
			var err error
			if b, info, err = appendField(b, k, text); err != nil {
				return dst, err
			}
			c.spans[k.slot] = span{start: uint32(start), end: uint32(len(b)), row: c.row, info: info}
			continue
		}
		if object < 0 && !skip {
			if skip = len(text) == 0; !skip {
				object, inside = len(b), 0
				b = append(b, '{')
			}
		} else if object >= 0 {
			b = append(b, ',')
		}
		if object >= 0 {
			b = append(b, k.member...)
			var info jsonspan.Info
			var err error
			if b, info, err = appendField(b, k, text); err != nil {
				return dst, err
			}
			inside |= info & jsonspan.Inside
		}
		if k.last {
			if object >= 0 {
				b = append(b, '}')
				c.spans[k.slot] = span{start: uint32(object), end: uint32(len(b)), row: c.row, info: jsonspan.Object | inside}
			}
			object, skip = -1, false
		}
	}
	if len(b) > math.MaxUint32 {
		return dst, errors.New("record: a row beyond 4 GiB")
	}
	c.table, c.body = b, b
	return c.emit(dst, b, len(b))
}

// appendField appends a field as a JSON literal.
func appendField(b []byte, k *column, text []byte) ([]byte, jsonspan.Info, error) {
	switch {
	case k.Value != nil:
		start := len(b)
		b, ok := k.Value(b, text)
		if !ok {
			return b, 0, &FormError{k.Name}
		}
		_, info, err := jsonspan.Scan(b, start)
		return b, info, err
	case len(text) == 0:
		return append(b, "null"...), jsonspan.Null, nil
	case k.bare:
		if info, ok := jsonspan.IsNumber(text); ok {
			return append(b, text...), info, nil
		}
		if string(text) == "true" || string(text) == "false" {
			return append(b, text...), jsonspan.Boolean, nil
		}
	case k.Separator != "":
		return appendList(b, text, k.Separator)
	}
	return jsonspan.AppendText(b, text)
}

func appendList(b, text []byte, separator string) ([]byte, jsonspan.Info, error) {
	b = append(b, '[')
	var err error
	for i := 0; ; i++ {
		part, rest, more := cut(text, separator)
		if i > 0 {
			b = append(b, ',')
		}
		if b, _, err = jsonspan.AppendText(b, part); err != nil || !more {
			return append(b, ']'), jsonspan.Array, err
		}
		text = rest
	}
}

func cut(text []byte, separator string) (before, after []byte, found bool) {
	for i := 0; i+len(separator) <= len(text); i++ {
		if string(text[i:i+len(separator)]) == separator {
			return text[:i], text[i+len(separator):], true
		}
	}
	return text, nil, false
}
