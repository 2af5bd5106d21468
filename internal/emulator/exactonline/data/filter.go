package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is a refusal in the words of the service; the caller puts it into the
// OData envelope.
type Error struct {
	Status  int
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func bad(format string, args ...any) *Error {
	return &Error{Status: 400, Message: fmt.Sprintf(format, args...)}
}

func (in *info) unknown(name string) *Error {
	// The words are those of WCF Data Services for a path in $select; that all
	// parameters get them is a GUESS.
	return bad("Could not find a property named '%s' on type '%s'.", name, in.typeName)
}

// filter is a parsed $filter.
type filter struct {
	test        func(x *cell) bool
	fields      []string // in order of appearance
	comparisons []comparison
	onlyAnd     bool // nothing but comparisons joined by and
}

// comparison is Field op literal.
type comparison struct {
	field, op string
	value     value
}

// parser reads an OData 2 expression by recursive descent.
type parser struct {
	in   *info
	text string
	at   int
	out  filter
}

// operand is a property, a function of one, or a literal.
type operand struct {
	get     func(x *cell) value
	class   class
	field   string
	literal bool
	value   value
	kind    string // Edm type, for messages
}

func (in *info) parseFilter(text string) (*filter, *Error) {
	p := &parser{in: in, text: text}
	p.out.onlyAnd = true
	test, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.text) {
		return nil, p.syntax()
	}
	p.out.test = test
	return &p.out, nil
}

func (p *parser) syntax() *Error { return bad("Syntax error at position %d.", p.at) }

func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

// keyword takes a word if it comes next.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.text[p.at:], word)
	if !ok || rest != "" && isName(rest[0]) {
		return false
	}
	p.at += len(word)
	return true
}

func (p *parser) symbol(c byte) bool {
	p.space()
	if p.at >= len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func isName(c byte) bool {
	return c == '_' || c == '/' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

type predicate = func(x *cell) bool

func (p *parser) or() (predicate, *Error) {
	left, err := p.and()
	for err == nil && p.keyword("or") {
		p.out.onlyAnd = false
		var right predicate
		if right, err = p.and(); err == nil {
			a := left
			left = func(x *cell) bool { return a(x) || right(x) }
		}
	}
	return left, err
}

func (p *parser) and() (predicate, *Error) {
	left, err := p.not()
	for err == nil && p.keyword("and") {
		var right predicate
		if right, err = p.not(); err == nil {
			a := left
			left = func(x *cell) bool { return a(x) && right(x) }
		}
	}
	return left, err
}

func (p *parser) not() (predicate, *Error) {
	if p.keyword("not") {
		p.out.onlyAnd = false
		inner, err := p.not()
		if err != nil {
			return nil, err
		}
		return func(x *cell) bool { return !inner(x) }, nil
	}
	if p.symbol('(') {
		inner, err := p.or()
		if err == nil && !p.symbol(')') {
			err = p.syntax()
		}
		return inner, err
	}
	return p.comparison()
}

var operators = map[string]func(c int) bool{
	"eq": func(c int) bool { return c == 0 },
	"ne": func(c int) bool { return c != 0 },
	"gt": func(c int) bool { return c > 0 },
	"ge": func(c int) bool { return c >= 0 },
	"lt": func(c int) bool { return c < 0 },
	"le": func(c int) bool { return c <= 0 },
}

func (p *parser) comparison() (predicate, *Error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	p.space()
	start := p.at
	op := ""
	for name := range operators {
		if p.keyword(name) {
			op = name
			break
		}
	}
	if op == "" {
		if left.class != truth || left.literal {
			return nil, p.syntax()
		}
		p.out.onlyAnd = false
		return func(x *cell) bool { return left.get(x).n != 0 }, nil
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	if left.literal == right.literal || left.literal {
		return nil, bad("Operator '%s' is supported between a property and a value only.", op) // CLIENT [CD]: no field-to-field filters
	}
	if !alike(left.class, right.class) {
		return nil, bad("Operator '%s' incompatible with operand types '%s' and '%s' at position %d.", op, left.kind, right.kind, start)
	}
	p.out.comparisons = append(p.out.comparisons, comparison{left.field, op, right.value})
	holds, want := operators[op], right.value
	if want.class == null {
		return func(x *cell) bool {
			is := left.get(x).class == null
			return op == "eq" && is || op == "ne" && !is
		}, nil
	}
	return func(x *cell) bool {
		v := left.get(x)
		if v.class == null {
			return op == "ne"
		}
		return holds(v.compare(want))
	}, nil
}

// alike tells whether two classes can be compared.
func alike(a, b class) bool {
	number := func(c class) bool { return c == integer || c == long || c == float }
	return b == null || a == b || number(a) && number(b)
}

func (p *parser) operand() (operand, *Error) {
	p.space()
	if p.at >= len(p.text) {
		return operand{}, p.syntax()
	}
	v, n, err := readLiteral(p.text[p.at:])
	if err != nil {
		return operand{}, err
	}
	if n > 0 {
		p.at += n
		return operand{literal: true, value: v, class: v.class, kind: classNames[v.class]}, nil
	}
	start := p.at
	for p.at < len(p.text) && isName(p.text[p.at]) {
		p.at++
	}
	name := p.text[start:p.at]
	if name == "" {
		return operand{}, p.syntax()
	}
	if p.symbol('(') {
		return p.function(name)
	}
	c := p.in.byName[name]
	if c == nil {
		return operand{}, p.in.unknown(name)
	}
	if !slices.Contains(p.out.fields, name) {
		p.out.fields = append(p.out.fields, name)
	}
	o := operand{class: classOf(c.kind), field: name, get: func(x *cell) value { return x.get(c) }}
	o.kind = classNames[o.class]
	return o, nil
}

// function reads the functions that the service is known to take (DOC, CLIENT).
func (p *parser) function(name string) (operand, *Error) {
	var args []operand
	for !p.symbol(')') {
		if len(args) > 0 && !p.symbol(',') {
			return operand{}, p.syntax()
		}
		a, err := p.operand()
		if err != nil {
			return operand{}, err
		}
		if a.class != text {
			return operand{}, bad("No applicable function found for '%s' at position %d with the specified arguments.", name, p.at)
		}
		if a.literal {
			v := a.value
			a.get = func(*cell) value { return v }
		}
		args = append(args, a)
	}
	p.out.onlyAnd = false
	test := map[string]func(a, b string) bool{
		"startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
		"substringof": func(a, b string) bool { return strings.Contains(b, a) },
	}[name]
	change := map[string]func(string) string{"trim": strings.TrimSpace, "tolower": strings.ToLower, "toupper": strings.ToUpper}[name]
	switch {
	case test != nil && len(args) == 2:
		return operand{class: truth, kind: "Edm.Boolean", get: func(x *cell) value {
			return truthOf(test(args[0].get(x).s, args[1].get(x).s))
		}}, nil
	case change != nil && len(args) == 1:
		return operand{class: text, kind: "Edm.String", get: func(x *cell) value {
			v := args[0].get(x)
			v.s = change(v.s)
			return v
		}}, nil
	}
	return operand{}, bad("Unknown function '%s' at position %d.", name, p.at)
}

var classNames = map[class]string{
	null: "null", text: "Edm.String", ident: "Edm.Guid", integer: "Edm.Int32", long: "Edm.Int64", float: "Edm.Double",
	truth: "Edm.Boolean", moment: "Edm.DateTime", raw: "a complex type",
}

// readLiteral reads a literal at the beginning of a text and tells its length,
// 0 if there is none.
func readLiteral(s string) (value, int, *Error) {
	end := 0
	for end < len(s) && (isName(s[end]) || s[end] == '.' || s[end] == '-' || s[end] == '+') {
		end++
	}
	word := s[:end]
	if end < len(s) && s[end] == '\'' {
		inner, n, ok := quoted(s[end:])
		if !ok {
			return value{}, 0, bad("Unterminated string literal at position %d in '%s'.", end, s)
		}
		return prefixed(word, inner, s[:end+n], end+n)
	}
	switch word {
	case "":
		return value{}, 0, nil
	case "true", "false":
		return truthOf(word == "true"), end, nil
	case "null":
		return value{}, end, nil
	}
	if c := word[0]; c != '-' && (c < '0' || c > '9') {
		return value{}, 0, nil
	}
	digits, suffix := word, byte(0)
	if c := word[len(word)-1]; c > '9' {
		digits, suffix = word[:len(word)-1], c
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && (suffix == 0 || suffix == 'L' || suffix == 'l') {
		if suffix == 0 && n == int64(int32(n)) {
			return integerOf(n), end, nil
		}
		return longOf(n), end, nil
	}
	if f, err := strconv.ParseFloat(digits, 64); err == nil && strings.IndexByte("\x00DdMmFf", suffix) >= 0 {
		return floatOf(f), end, nil
	}
	return value{}, 0, bad("Unrecognized literal '%s'.", word)
}

// quoted reads 'text' with its quotes doubled inside.
func quoted(s string) (inner string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == '\'' {
			if i+1 == len(s) || s[i+1] != '\'' {
				return b.String(), i + 1, true
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

func prefixed(prefix, inner, whole string, n int) (value, int, *Error) {
	switch prefix {
	case "":
		return textOf(inner), n, nil
	case "guid":
		if g, ok := readGUID(inner); ok {
			return identOf(g), n, nil
		}
		return value{}, 0, bad("Unrecognized 'Edm.Guid' literal '%s' in '0'.", whole)
	case "datetime":
		if ms, ok := readWall(inner); ok {
			return momentOf(ms), n, nil
		}
		return value{}, 0, bad("Unrecognized 'Edm.DateTime' literal '%s' in '0'.", whole)
	}
	return value{}, 0, bad("Unrecognized literal '%s'.", whole)
}
