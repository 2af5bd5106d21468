package accountview

import (
	"regexp"
	"strconv"
	"strings"
)

// expression reads Filter, a raw expression of FoxPro (CLIENT fxl, for tables of
// the dictionary): comparisons of a column with a literal, joined by AND, OR
// and parentheses. GUESS: that there is nothing else; the rest is refused.
func (s *Service) expression(q *query, text string) (predicate, *problem) {
	p := &parser{s: s, q: q, words: expressionWords.FindAllString(text, -1)}
	if strings.Join(p.words, "") != expressionBlanks.ReplaceAllString(text, "$1") {
		return nil, wrong(10, "Het filter bevat een syntaxisfout.")
	}
	test := p.either()
	if p.failed == nil && len(p.words) > 0 {
		p.fail()
	}
	return test, p.failed
}

const wordForm = `'[^']*'|"[^"]*"|\{[^}]*\}|\.\w+\.|[\w]+(?:\.[\w]+)?|<=|>=|<>|[=<>()]`

var (
	expressionWords  = regexp.MustCompile(wordForm)
	expressionBlanks = regexp.MustCompile(`(` + wordForm + `)|\s+`)
)

type parser struct {
	s      *Service
	q      *query
	words  []string
	failed *problem
}

func (p *parser) fail() predicate {
	if p.failed == nil {
		p.failed = wrong(10, "Het filter bevat een syntaxisfout.")
	}
	return func(*row) bool { return false }
}

// take returns the next word, "" at the end.
func (p *parser) take() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// follows takes a word if it is the next one, with or without points around it.
func (p *parser) follows(word string) bool {
	if len(p.words) > 0 && strings.EqualFold(strings.Trim(p.words[0], "."), word) {
		p.take()
		return true
	}
	return false
}

func (p *parser) either() predicate {
	left := p.both()
	for p.follows("or") {
		a, b := left, p.both()
		left = func(r *row) bool { return a(r) || b(r) }
	}
	return left
}

func (p *parser) both() predicate {
	left := p.one()
	for p.follows("and") {
		a, b := left, p.one()
		left = func(r *row) bool { return a(r) && b(r) }
	}
	return left
}

func (p *parser) one() predicate {
	if p.follows("(") {
		inner := p.either()
		if !p.follows(")") {
			return p.fail()
		}
		return inner
	}
	name, sign, value := p.take(), p.take(), p.take()
	if value == "" {
		return p.fail()
	}
	f, wrongColumn := p.s.field(p.q, name)
	if wrongColumn != nil || f.table != p.q.table {
		if p.failed == nil {
			p.failed = wrong(12, "De variabele %s is niet gevonden.", strings.ToUpper(name))
		}
		return p.fail()
	}
	kind, text := "C", strings.Trim(value, `'"`)
	switch {
	case value[0] == '{':
		kind = "T"
	case value[0] == '.':
		kind = "L"
	case strings.Trim(value, "0123456789.") == "":
		kind = "N"
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return p.fail()
		}
	case value[0] != '\'' && value[0] != '"':
		return p.fail()
	}
	test, mismatch := p.sign(f.column, sign, kind, text)
	if mismatch != nil {
		p.failed = mismatch
		return p.fail()
	}
	return test
}

func (p *parser) sign(c *column, sign, kind, text string) (predicate, *problem) {
	not := func(test predicate, wrong *problem) (predicate, *problem) {
		return func(r *row) bool { return !test(r) }, wrong
	}
	compare := func(op string) (predicate, *problem) { return p.s.compare(c, op, kind, text, false) }
	switch sign {
	case "=":
		return compare("equal")
	case "<>":
		return compare("notequal")
	case ">=":
		return compare("after")
	case "<=":
		return compare("before")
	case "<":
		return not(compare("after"))
	case ">":
		return not(compare("before"))
	}
	return nil, wrong(10, "Het filter bevat een syntaxisfout.")
}
