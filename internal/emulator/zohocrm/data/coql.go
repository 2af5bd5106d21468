package data

import (
	"slices"
	"strconv"
	"strings"
)

// COQL is a small SQL: the parser makes a statement of a text or says where it
// no longer understands it.

type statement struct {
	columns []string
	from    string
	where   *parsed
	order   []ordering
	offset  int
	limit   int // 200 if the query has none (DOC)
}

type ordering struct {
	name string
	desc bool
}

// parsed is a condition whose columns were not looked up yet.
type parsed struct {
	any, not bool
	group    []*parsed
	column   string
	op       string
	values   []literal
}

type literal struct {
	text   string
	number float64
	bare   bool // not in quotes
}

// lexeme is a piece of a query.
type lexeme struct {
	text   string
	quoted bool
	column int // from 1
}

func lex(query string) ([]lexeme, *Error) {
	var out []lexeme
	for k := 0; k < len(query); {
		switch ch := query[k]; {
		case ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == ';':
			k++
		case ch == '\'' || ch == '"':
			var text strings.Builder
			j := k + 1
			for ; j < len(query) && query[j] != ch; j++ {
				if query[j] == '\\' && j+1 < len(query) {
					j++
				}
				text.WriteByte(query[j])
			}
			if j == len(query) {
				return nil, errSyntax(query[k:], k+1)
			}
			out = append(out, lexeme{text.String(), true, k + 1})
			k = j + 1
		case strings.IndexByte("(),", ch) >= 0:
			out = append(out, lexeme{query[k : k+1], false, k + 1})
			k++
		case strings.IndexByte("=<>!", ch) >= 0:
			j := k + 1
			if j < len(query) && strings.IndexByte("=>", query[j]) >= 0 {
				j++
			}
			out = append(out, lexeme{query[k:j], false, k + 1})
			k = j
		default:
			j := k
			for j < len(query) && strings.IndexByte(" \t\r\n;'\"(),=<>!", query[j]) < 0 {
				j++
			}
			out = append(out, lexeme{query[k:j], false, k + 1})
			k = j
		}
	}
	return append(out, lexeme{column: len(query) + 1}), nil
}

func errSyntax(near string, column int) *Error {
	return &Error{
		Status: 400, Code: "SYNTAX_ERROR", Message: "error occurred while parsing the query",
		Details: map[string]any{"near": near, "line": 1, "column": column, "clause": ""},
	}
}

func errQuery(reason, column string) *Error {
	return &Error{Status: 400, Code: "INVALID_QUERY", Message: reason, Details: map[string]any{"column_name": column}}
}

type coqlParser struct {
	list []lexeme
	left int // comparisons still allowed
}

func (p *coqlParser) fail() *Error { return errSyntax(p.list[0].text, p.list[0].column) }

func (p *coqlParser) next() lexeme {
	t := p.list[0]
	if len(p.list) > 1 {
		p.list = p.list[1:]
	}
	return t
}

func (p *coqlParser) is(word string) bool {
	return !p.list[0].quoted && strings.EqualFold(p.list[0].text, word)
}

func (p *coqlParser) take(words ...string) bool {
	for k, w := range words {
		if k >= len(p.list) || p.list[k].quoted || !strings.EqualFold(p.list[k].text, w) {
			return false
		}
	}
	p.list = p.list[len(words):]
	return true
}

// keywords cannot be names.
var keywords = []string{"", "select", "from", "where", "and", "or", "not", "in", "like", "between", "is", "null", "order", "by", "limit", "offset", "(", ")", ",", "="}

func (p *coqlParser) name() (string, *Error) {
	if p.list[0].quoted || slices.Contains(keywords, strings.ToLower(p.list[0].text)) {
		return "", p.fail()
	}
	return p.next().text, nil
}

// parseCOQL reads select … from … where … order by … limit ….
func parseCOQL(query string, freeWhere bool) (*statement, *Error) {
	list, err := lex(query)
	if err != nil {
		return nil, err
	}
	p := &coqlParser{list: list, left: maxCriteria}
	s := &statement{limit: 200}
	if !p.take("select") {
		return nil, p.fail()
	}
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		s.columns = append(s.columns, name)
		if !p.take(",") {
			break
		}
	}
	if !p.take("from") {
		return nil, p.fail()
	}
	if s.from, err = p.name(); err != nil {
		return nil, err
	}
	switch {
	case p.take("where"):
		if s.where, err = p.either(); err != nil {
			return nil, err
		}
	case !freeWhere:
		return nil, p.fail() // GUESS: every sample of the docs has one
	}
	if err := p.tail(s); err != nil {
		return nil, err
	}
	return s, nil
}

// tail reads what follows the condition.
func (p *coqlParser) tail(s *statement) *Error {
	if p.take("order", "by") {
		for {
			name, err := p.name()
			if err != nil {
				return err
			}
			o := ordering{name: name}
			if p.take("desc") {
				o.desc = true
			} else {
				p.take("asc")
			}
			s.order = append(s.order, o)
			if !p.take(",") {
				break
			}
		}
	}
	var err *Error
	if p.take("limit") {
		if s.limit, err = p.count(); err != nil {
			return err
		}
		if p.take(",") { // limit OFFSET, COUNT
			s.offset = s.limit
			if s.limit, err = p.count(); err != nil {
				return err
			}
		}
	}
	if p.take("offset") {
		if s.offset, err = p.count(); err != nil {
			return err
		}
	}
	if len(p.list) != 1 {
		return p.fail()
	}
	return nil
}

func (p *coqlParser) count() (int, *Error) {
	n, err := strconv.Atoi(p.list[0].text)
	if err != nil || n < 0 || p.list[0].quoted {
		return 0, p.fail()
	}
	p.next()
	return n, nil
}

func (p *coqlParser) either() (*parsed, *Error) {
	return p.chain("or", func() (*parsed, *Error) { return p.chain("and", p.term) })
}

func (p *coqlParser) chain(word string, inner func() (*parsed, *Error)) (*parsed, *Error) {
	first, err := inner()
	if err != nil {
		return nil, err
	}
	if !p.is(word) {
		return first, nil
	}
	out := &parsed{any: word == "or", group: []*parsed{first}}
	for p.take(word) {
		c, err := inner()
		if err != nil {
			return nil, err
		}
		out.group = append(out.group, c)
	}
	return out, nil
}

func (p *coqlParser) term() (*parsed, *Error) {
	if p.take("(") {
		c, err := p.either()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail()
		}
		return c, nil
	}
	p.left--
	if p.left < 0 {
		return nil, errQuery("more than 25 criteria", "")
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &parsed{column: name}
	if p.take("is") {
		c.not = p.take("not")
		c.op = "null"
		if !p.take("null") {
			return nil, p.fail()
		}
		return c, nil
	}
	c.not = p.take("not")
	switch op := strings.ToLower(p.list[0].text); {
	case p.list[0].quoted:
		return nil, p.fail()
	case op == "between":
		return c, p.between(c)
	case op == "in":
		return c, p.in(c)
	case op == "like" || !c.not && slices.Contains([]string{"=", "!=", "<>", "<", "<=", ">", ">="}, op):
		p.next()
		c.op = op
		if op == "!=" || op == "<>" {
			c.op, c.not = "=", true
		}
		v, err := p.literal()
		c.values = []literal{v}
		return c, err
	}
	return nil, p.fail()
}

func (p *coqlParser) between(c *parsed) *Error {
	c.op = p.next().text
	c.op = strings.ToLower(c.op)
	low, err := p.literal()
	if err != nil {
		return err
	}
	if !p.take("and") {
		return p.fail()
	}
	high, err := p.literal()
	c.values = []literal{low, high}
	return err
}

func (p *coqlParser) in(c *parsed) *Error {
	c.op = strings.ToLower(p.next().text)
	if !p.take("(") {
		return p.fail()
	}
	for {
		v, err := p.literal()
		if err != nil {
			return err
		}
		c.values = append(c.values, v)
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return p.fail()
	}
	return nil
}

func (p *coqlParser) literal() (literal, *Error) {
	t := p.list[0]
	if t.quoted {
		p.next()
		return literal{text: t.text}, nil
	}
	n, err := strconv.ParseFloat(t.text, 64)
	if err != nil && !strings.EqualFold(t.text, "true") && !strings.EqualFold(t.text, "false") {
		return literal{}, p.fail()
	}
	p.next()
	return literal{text: strings.ToLower(t.text), number: n, bare: true}, nil
}
