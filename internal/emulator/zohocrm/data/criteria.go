package data

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// condition is a tree of comparisons over the columns of a module.
type condition struct {
	any   bool // or
	not   bool
	group []*condition

	col    column // of a leaf
	op     string // = != > >= < <= in between like null
	values []operand
}

// operand is a constant of a condition: a text, and what it is as a number or
// an instant.
type operand struct {
	text   string
	number float64
	ok     bool // number holds
}

// holds tells whether a row passes.
func (o *Org) holds(c *condition, x *cell) bool {
	if c.group == nil {
		return o.compare(c, x) != c.not
	}
	for _, g := range c.group {
		if o.holds(g, x) == c.any {
			return c.any != c.not
		}
	}
	return c.any == c.not
}

// compare judges one comparison; null passes no other than the test for null.
func (o *Org) compare(c *condition, x *cell) bool {
	f, v := o.columnValue(c.col, x)
	if c.op == "null" {
		return v.null
	}
	if v.null {
		return c.not // a null is neither in a set nor out of it
	}
	numeric, n, text := o.comparable(f, v)
	sign := func(k int) int {
		if numeric && c.values[k].ok {
			switch {
			case n < c.values[k].number:
				return -1
			case n > c.values[k].number:
				return 1
			}
			return 0
		}
		return strings.Compare(strings.ToLower(text), strings.ToLower(c.values[k].text))
	}
	switch c.op {
	case "=":
		return sign(0) == 0
	case "!=":
		return sign(0) != 0
	case ">":
		return sign(0) > 0
	case ">=":
		return sign(0) >= 0
	case "<":
		return sign(0) < 0
	case "<=":
		return sign(0) <= 0
	case "between":
		return sign(0) >= 0 && sign(1) <= 0
	case "in":
		for k := range c.values {
			if sign(k) == 0 {
				return true
			}
		}
		return false
	}
	return like(strings.ToLower(text), strings.ToLower(c.values[0].text))
}

// comparable is a value as conditions see it.
func (o *Org) comparable(f *field, v value) (numeric bool, n float64, text string) {
	switch v.kind {
	case kindInt:
		return true, float64(v.n), ""
	case kindCents:
		return true, float64(v.n) / 100, ""
	case kindDecimal:
		return true, float64(v.n) / 10_000, ""
	case kindBool, kindConverted:
		return true, float64(v.n), ""
	case kindCreated, kindModified, kindInstant, kindConvertedTime:
		return true, float64(v.n), ""
	default:
		// Ids and large numbers are compared as text of equal length or, when
		// they differ in length, as numbers would be.
		raw := o.appendCSV(nil, f, v)
		if v.kind == kindID || v.kind == kindBig || v.kind == kindLookup || v.kind == kindOwner {
			return false, 0, fmt.Sprintf("%20s", raw)
		}
		return false, 0, plainText(raw)
	}
}

func plainText(csv []byte) string {
	s := string(csv)
	if len(s) > 1 && s[0] == '"' {
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}

// like matches with % for anything.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return text == pattern
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		k := strings.Index(text, p)
		if k < 0 {
			return false
		}
		text = text[k+len(p):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// operandFor reads a constant the way its column wants it.
func operandFor(col column, text string, isNumber bool, number float64) (operand, bool) {
	f := col.f
	if col.sub != nil {
		f = col.sub
	}
	switch f.kind {
	case kindCreated, kindModified, kindInstant, kindConvertedTime:
		sec, ok := parseTime(text)
		return operand{text: text, number: float64(sec), ok: ok}, ok
	case kindDate:
		return operand{text: text}, len(text) == len("2006-01-02")
	case kindBool, kindConverted:
		return operand{text: text, number: float64(b2i(text == "true")), ok: true}, text == "true" || text == "false"
	case kindID, kindBig, kindLookup, kindOwner, kindConvertedLookup:
		if col.part == "" {
			return operand{text: fmt.Sprintf("%20s", text)}, true
		}
	case kindInt, kindCents, kindDecimal:
		if !isNumber {
			n, err := json.Number(text).Float64()
			return operand{text: text, number: n, ok: err == nil}, err == nil
		}
		return operand{text: text, number: number, ok: true}, true
	default:
	}
	return operand{text: text}, true
}

// maxCriteria is how many comparisons a query may have (DOC).
const maxCriteria = 25

// operators are the comparators of a bulk read, as operator and negation.
var operators = map[string]struct {
	op  string
	not bool
}{
	"equal": {"=", false}, "not_equal": {"=", true}, "in": {"in", false}, "not_in": {"in", true}, "between": {"between", false}, "not_between": {"between", true},
	"greater_than": {">", false}, "greater_equal": {">=", false}, "less_than": {"<", false}, "less_equal": {"<=", false},
	"starts_with": {"like", false}, "contains": {"like", false}, "ends_with": {"like", false},
}

type rawCriteria struct {
	GroupOperator string        `json:"group_operator"`
	Group         []rawCriteria `json:"group"`
	APIName       string        `json:"api_name"`
	Field         *struct {
		APIName string `json:"api_name"`
	} `json:"field"`
	Comparator string `json:"comparator"`
	Value      any    `json:"value"`
}

func errCriteria(what string) *Error {
	return &Error{Status: 400, Code: "INVALID_DATA", Message: "the criteria are invalid: " + what, Details: map[string]any{"api_name": "criteria"}}
}

// criteria reads the criteria of a bulk read.
func (o *Org) criteria(m *module, text json.RawMessage) (*condition, *Error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var raw rawCriteria
	if json.Unmarshal(text, &raw) != nil {
		return nil, errCriteria("no such shape")
	}
	left := maxCriteria
	return m.readCriteria(raw, &left)
}

func (m *module) readCriteria(raw rawCriteria, left *int) (*condition, *Error) {
	if raw.Group != nil {
		op := strings.ToLower(raw.GroupOperator)
		if op != "and" && op != "or" {
			return nil, errCriteria("group_operator")
		}
		c := &condition{any: op == "or"}
		for _, g := range raw.Group {
			inner, err := m.readCriteria(g, left)
			if err != nil {
				return nil, err
			}
			c.group = append(c.group, inner)
		}
		return c, nil
	}
	*left--
	if *left < 0 {
		return nil, errLimit("criteria", maxCriteria)
	}
	name := raw.APIName
	if raw.Field != nil {
		name = raw.Field.APIName
	}
	col, ok := m.column(name)
	if !ok || col.f.child {
		return nil, errCriteria("field " + name)
	}
	op, ok := operators[raw.Comparator]
	if !ok {
		return nil, errCriteria("comparator")
	}
	c := &condition{col: col, op: op.op, not: op.not}
	list, ok := raw.Value.([]any)
	if !ok {
		list = []any{raw.Value}
	}
	if op.op == "between" && len(list) != 2 || len(list) == 0 {
		return nil, errCriteria("value")
	}
	for _, v := range list {
		if v == nil || v == "${EMPTY}" {
			c.op, c.values = "null", nil
			return c, nil
		}
		text := fmt.Sprint(v)
		switch raw.Comparator {
		case "starts_with":
			text += "%"
		case "ends_with":
			text = "%" + text
		case "contains":
			text = "%" + text + "%"
		}
		n, isNumber := v.(float64)
		value, ok := operandFor(col, text, isNumber, n)
		if !ok {
			return nil, errCriteria("value of " + name) // DOC: no fractions of a second
		}
		c.values = append(c.values, value)
	}
	return c, nil
}

// filtered is the view of a condition, in order of the ids: what it says at its
// top of one of the clocks is cut out, the rest is tried row by row.
func (o *Org) filtered(m *module, c *condition) *view {
	v := &view{t: o.open(m), query: rows.All()}
	if c == nil {
		return v
	}
	rest := c.narrow(&v.query)
	var others []rows.Window // on a second clock, which would be slow to cut out
	all := v.query.Windows
	v.query.Windows = nil
	for _, w := range all {
		if w.Clock == all[0].Clock {
			v.query.Windows = append(v.query.Windows, w)
		} else {
			others = append(others, w)
		}
	}
	if rest != nil || others != nil {
		v.keep = func(r rows.Row) bool {
			for _, w := range others {
				if at := r.At(w.Clock); at < w.Lo || at > w.Hi {
					return false
				}
			}
			x := m.cell(r)
			return rest == nil || o.holds(rest, &x)
		}
	}
	return v
}

// narrow moves comparisons with the clocks into the windows of a query and
// returns what is left.
func (c *condition) narrow(q *rows.Query) *condition {
	if c.group == nil {
		if w, ok := c.window(); ok {
			q.Windows = append(q.Windows, w)
			return nil
		}
		return c
	}
	if c.any || c.not {
		return c
	}
	rest := &condition{}
	for _, g := range c.group {
		if left := g.narrow(q); left != nil {
			rest.group = append(rest.group, left)
		}
	}
	if rest.group == nil {
		return nil
	}
	return rest
}

func (c *condition) window() (rows.Window, bool) {
	w := rows.Window{Clock: modified, Lo: -1 << 62, Hi: 1<<63 - 1}
	if c.col.f.kind == kindCreated {
		w.Clock = created
	}
	if c.not || c.col.sub != nil || c.col.f.kind != kindModified && c.col.f.kind != kindCreated {
		return w, false
	}
	if !slices.Contains([]string{"=", ">", ">=", "<", "<=", "between"}, c.op) {
		return w, false
	}
	at := func(k int) int64 { return int64(c.values[k].number) * second }
	switch c.op {
	case "=":
		w.Lo, w.Hi = at(0), at(0)+second-1
	case ">":
		w.Lo = at(0) + second
	case ">=":
		w.Lo = at(0)
	case "<":
		w.Hi = at(0) - 1
	case "<=":
		w.Hi = at(0) + second - 1
	case "between":
		w.Lo, w.Hi = at(0), at(1)+second-1
	}
	return w, true
}
