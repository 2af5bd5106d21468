package record

import (
	"errors"
	"fmt"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// unfit marks the info of a nested value whose inside is not of its declared
// types. jsonspan leaves this bit to callers.
const unfit jsonspan.Info = 1 << 7

// shape is the declared type of a value inside a nested property. Values are
// held against it while they are scanned and stay as they are.
type shape struct {
	accepts uint64 // bit per jsonspan.Info
	form    form
	second  bool // an integer, instant or date: kind and flags do not tell all
	object  *members
	items   *shape
}

// anyFlag has the flags of scalars that do not matter inside.
const anyFlag = jsonspan.Escaped | jsonspan.Dirty | jsonspan.Exponent

// any tells whether every value of the right kind fits, whatever is inside.
func (n *shape) any() bool { return n.object == nil && n.items == nil }

func compileShape(s *singer.Schema) (*shape, error) {
	if s == nil {
		return nil, errors.New("a nested value has no schema")
	}
	f, err := formOf(s)
	if err != nil {
		return nil, err
	}
	n := &shape{form: f}
	switch f {
	case formInstant, formDate:
		n.second = true
		n.accepts = fits(jsonspan.String, anyFlag)
	case formInteger:
		n.second = true
		n.accepts = fits(jsonspan.Integer, 0)
	case formNumber:
		n.accepts = fits(jsonspan.Integer, 0) | fits(jsonspan.Number, anyFlag)
	case formBoolean:
		n.accepts = fits(jsonspan.Boolean, 0)
	case formNested:
		err = n.compileNested(s)
	default:
		n.accepts = fits(jsonspan.String, anyFlag)
	}
	if s.Nullable {
		n.accepts |= fits(jsonspan.Null, 0)
	}
	return n, err
}

func (n *shape) compileNested(s *singer.Schema) error {
	if s.Type == "array" {
		n.accepts = fits(jsonspan.Array, anyFlag)
		if s.Items == nil {
			return nil
		}
		var err error
		n.items, err = compileShape(s.Items)
		return err
	}
	n.accepts = fits(jsonspan.Object, anyFlag)
	if len(s.Properties) == 0 {
		return nil
	}
	n.object = &members{}
	for i := range s.Properties {
		p := &s.Properties[i]
		if n.object.find([]byte(p.Name)) != nil {
			return fmt.Errorf("member %q is in the schema twice", p.Name)
		}
		inner, err := compileShape(p.Schema)
		if err != nil {
			return fmt.Errorf("member %q: %w", p.Name, err)
		}
		n.object.add(p.Name, member{accepts: inner.accepts, slot: -1, plain: inner.any() && !inner.second, shape: inner})
	}
	return nil
}

// learner returns a copy that may learn.
func (n *shape) learner() *shape {
	c := *n
	if n.items != nil {
		c.items = n.items.learner()
	}
	if n.object != nil {
		c.object = n.object.learner()
	}
	return &c
}

// check scans the value at b[i] and marks it unfit if it is not of shape n.
func (c *Converter) check(b []byte, i int, n *shape) (end int, info jsonspan.Info, err error) {
	if i < len(b) {
		if n.object != nil && b[i] == '{' {
			return c.object(b, i, n.object)
		}
		if n.items != nil && b[i] == '[' {
			return c.checkArray(b, i, n.items)
		}
	}
	end, info, err = jsonspan.Scan(b, i)
	if err != nil {
		return 0, 0, err
	}
	if n.accepts>>(info&63)&1 == 0 || n.second && !c.secondLook(b[i:end], info, n.form) {
		info |= unfit
	}
	return end, info, nil
}

// secondLook tells whether a literal of the right kind is in range, or has the
// format.
func (c *Converter) secondLook(raw []byte, info jsonspan.Info, f form) bool {
	switch {
	case info == jsonspan.Null:
		return true
	case f == formInteger:
		return len(raw) <= surelyInt64 || isInt64(raw)
	case info&jsonspan.Escaped != 0:
		c.text = jsonspan.Unescape(c.text[:0], raw)
		raw = c.text
	default:
		raw = raw[1 : len(raw)-1]
	}
	if f == formDate {
		return isDate(raw)
	}
	s, ok := parseStamp(raw)
	if !ok || !s.strict {
		return false
	}
	_, ok = s.seconds(nil)
	return ok
}

// checkArray scans the array at b[i].
func (c *Converter) checkArray(b []byte, i int, items *shape) (end int, all jsonspan.Info, err error) {
	i, all = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, jsonspan.Array | all, nil
	}
	for {
		var info, spaced jsonspan.Info
		i, info, err = c.check(b, i, items)
		if err != nil {
			return 0, 0, err
		}
		i, spaced = space(b, i)
		all |= info | spaced
		switch {
		case i < len(b) && b[i] == ',':
			i, spaced = space(b, i+1)
			all |= spaced
		case i < len(b) && b[i] == ']':
			return i + 1, all&insides | jsonspan.Array, nil
		default:
			return 0, 0, jsonspan.Fault(b, i, "comma or closing bracket expected")
		}
	}
}

// space passes over white space, and tells whether there is any.
func space(b []byte, i int) (end int, spaced jsonspan.Info) {
	if end = jsonspan.Space(b, i); end > i {
		spaced = jsonspan.Spaced
	}
	return end, spaced
}

// nameText returns the text of a scanned name without its quotes. It is valid
// until the next call that unescapes.
func (c *Converter) nameText(raw []byte, info jsonspan.Info) []byte {
	if info&jsonspan.Escaped == 0 {
		return raw
	}
	c.text = jsonspan.Unescape(c.text[:0], raw)
	return c.text
}
