package singer

import (
	"bytes"
	"fmt"
	"time"
)

// checkRecord consumes the value of a record and checks it; false is a syntax
// error.
func (l *linter) checkRecord(st *lintStream) bool {
	s := &l.scan
	if s.next() != '{' {
		l.fail(ruleTypes, st.name, "a record is not an object")
		return s.skip(0)
	}
	st.record++
	expect := 0
	ok := s.members(func(name token) bool {
		var c *column
		if expect < len(st.root.cols) && !name.escaped && st.root.cols[expect].name == string(name.text) {
			c = st.root.cols[expect]
			expect++
		} else if c = l.outOfOrder(st, name, &expect); c == nil {
			return s.skip(1)
		}
		c.seen = st.record
		v, ok := l.value(st, c, c.name, true, 1)
		if ok && c == st.repl {
			l.replication(st, v)
		}
		if s.bad != 0 {
			l.textFaults("property " + c.name)
		}
		return ok
	})
	if ok {
		l.complete(st)
	}
	return ok
}

// outOfOrder finds the column of a member that is not the next one, nil when
// there is none.
func (l *linter) outOfOrder(st *lintStream, name token, expect *int) *column {
	text := name.value()
	i, ok := st.root.index[string(text)]
	if !ok {
		what := "undeclared " + string(text)
		l.report.add(SeverityError, ruleUndeclared, l.n, st.name, what, func() string { return fmt.Sprintf("member %s is not in the schema", sample(text)) })
		return nil
	}
	c := st.root.cols[i]
	switch {
	case c.seen == st.record:
		l.add(SeverityError, ruleOrder, st.name, "twice "+c.name, fmt.Sprintf("member %q is there twice", c.name))
	case i < *expect:
		l.add(SeverityError, ruleOrder, st.name, "order "+c.name, fmt.Sprintf("member %q does not come in the order of the schema", c.name))
	}
	*expect = max(*expect, i+1)
	return c
}

// complete checks that a record had every property.
func (l *linter) complete(st *lintStream) {
	for _, c := range st.root.cols {
		if c.seen == st.record {
			continue
		}
		if c.key {
			l.add(SeverityError, ruleKey, st.name, "absent "+c.name, fmt.Sprintf("key property %q is absent", c.name))
		}
		l.add(SeverityError, ruleOrder, st.name, "absent "+c.name, fmt.Sprintf("property %q is absent; null is written", c.name))
	}
}

// bad reports a property. The message is only built when the finding is new.
func (l *linter) bad(st *lintStream, sev Severity, rule int, path, what string, raw []byte) {
	l.report.add(sev, rule, l.n, st.name, path+what, func() string {
		text := fmt.Sprintf("property %q: %s", path, what)
		if raw != nil {
			text += ": " + sample(raw)
		}
		return text
	})
}

// value consumes a value and checks it against its column; top says that it is
// a member of the record itself. The mark is that of a date-time, date or integer.
func (l *linter) value(st *lintStream, c *column, path string, top bool, depth int) (mark, bool) {
	s := &l.scan
	switch first := s.next(); {
	case depth > maxDepth || c.kind == 0:
		return mark{}, s.skip(depth)
	case first == 'n':
		if c.key {
			l.bad(st, SeverityError, ruleKey, path, "the key is null", nil)
		} else if !c.nullable {
			l.bad(st, SeverityError, ruleTypes, path, "is null, but not declared so", nil)
		}
		return mark{}, s.word("null")
	case first == '"' && c.kind == 's':
		return l.text(st, c, path)
	case (first == '-' || first >= '0' && first <= '9') && (c.kind == 'i' || c.kind == 'n'):
		return l.numeric(st, c, path, top)
	case (first == 't' || first == 'f') && c.kind == 'b':
		return mark{}, s.skip(depth)
	case first == '{' && c.kind == 'o':
		return mark{}, l.object(st, c, path, depth)
	case first == '[' && c.kind == 'a' && c.items != nil:
		return mark{}, s.elements(func() bool {
			_, ok := l.value(st, c.items, c.itemPath(path), false, depth+1)
			return ok
		})
	case first == '[' && c.kind == 'a':
		return mark{}, s.skip(depth)
	}
	from := s.i
	ok := s.skip(depth)
	if ok {
		l.bad(st, SeverityError, ruleTypes, path, "is not of its declared type", s.b[from:s.i])
	}
	return mark{}, ok
}

// text consumes a string and checks its format.
func (l *linter) text(st *lintStream, c *column, path string) (m mark, ok bool) {
	t, ok := l.scan.str()
	if c.format == 0 || !ok {
		return mark{}, ok
	}
	var good bool
	if c.format == 't' {
		if m, good = parseInstant(t.value()); !good {
			l.bad(st, SeverityError, ruleInstants, path, "not YYYY-MM-DDThh:mm:ss[.ffffff]Z", t.text)
		}
	} else if m, good = parseDate(t.value()); !good {
		l.bad(st, SeverityError, ruleDates, path, "not YYYY-MM-DD", t.text)
	}
	return m, true
}

// numeric consumes a number. Inside a value the vendor's digits stay as they
// came, so that there the notation is only worth a warning.
func (l *linter) numeric(st *lintStream, c *column, path string, top bool) (m mark, ok bool) {
	text, fraction, exponent, ok := l.scan.num()
	if !ok {
		return mark{}, false
	}
	sev := SeverityError
	if c.kind == 'n' {
		if !top {
			sev = SeverityWarning
		}
		if exponent {
			l.bad(st, sev, ruleNumbers, path, "a number with an exponent", text)
		}
		return mark{}, true
	}
	if !fraction && !exponent {
		if m, ok = parseInteger(text); ok {
			return m, true
		}
	}
	if !top && integral(text, fraction, exponent) {
		sev = SeverityWarning
	}
	l.bad(st, sev, ruleNumbers, path, "not an integer of 64 bits without fraction and exponent", text)
	return mark{}, true
}

// itemPath names the elements of an array. It is built once, since elements are
// many.
func (c *column) itemPath(path string) string {
	if c.items.path == "" {
		c.items.path = path + "[]"
	}
	return c.items.path
}

// object checks the inside of a native object. Members that the schema does not
// know are the vendor's and stay.
func (l *linter) object(st *lintStream, c *column, path string, depth int) bool {
	s := &l.scan
	base := len(s.names)
	var many map[string]bool
	ok := s.members(func(name token) bool {
		many = s.once(base, name, many)
		i, known := c.index[string(name.text)]
		if !known || name.escaped {
			return s.skip(depth + 1)
		}
		_, ok := l.value(st, c.cols[i], c.cols[i].pathUnder(path), false, depth+1)
		return ok
	})
	s.names = s.names[:base]
	return ok
}

// pathUnder names a member of an object, built once like itemPath.
func (c *column) pathUnder(path string) string {
	if c.path == "" {
		c.path = path + "." + c.name
	}
	return c.path
}

// replication notes the replication value of a record and holds it against what
// a STATE has already covered.
func (l *linter) replication(st *lintStream, v mark) {
	if v.kind == 0 {
		return
	}
	if st.covered.kind == v.kind {
		switch d := v.compare(st.covered); {
		case d < 0:
			l.fail(ruleCovers, st.name, "a record comes after a STATE whose bookmark lies beyond it")
		case d == 0 && st.fresh:
			l.warn(ruleCovers, st.name, "a STATE stands between two records with the bookmark's value")
		}
	}
	st.fresh = false
	if st.most.kind != v.kind || v.compare(st.most) > 0 {
		st.most = v
	}
}

// A mark is a replication value that can be compared: whole part and, for
// instants, nanoseconds.
type mark struct {
	kind  byte // 't' instant, 'd' date, 'i' integer, 0 none
	whole int64
	nanos int32
}

// compare orders marks; a date is the instant of its midnight.
func (m mark) compare(o mark) int {
	switch {
	case m.whole < o.whole || m.whole == o.whole && m.nanos < o.nanos:
		return -1
	case m.whole == o.whole && m.nanos == o.nanos:
		return 0
	}
	return 1
}

func parseInteger(b []byte) (mark, bool) {
	digits := b
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return mark{}, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return mark{}, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case !negative && n < 1<<63:
		return mark{kind: 'i', whole: int64(n)}, true
	case negative && n <= 1<<63:
		return mark{kind: 'i', whole: -int64(n)}, true
	}
	return mark{}, false
}

// integral reports a literal that JSON Schema takes for an integer although it
// is not written as one. Exponents that could make a fraction do not count.
func integral(text []byte, fraction, exponent bool) bool {
	if exponent {
		return !fraction && !bytes.Contains(text, []byte("-"))
	}
	_, digits, _ := bytes.Cut(text, []byte("."))
	return len(bytes.Trim(digits, "0")) == 0
}

// number reads n digits of b at i, -1 when they are not all digits.
func number(b []byte, i, n int) int {
	v := 0
	for _, c := range b[i : i+n] {
		if c < '0' || c > '9' {
			return -1
		}
		v = v*10 + int(c-'0')
	}
	return v
}

// parseDate accepts YYYY-MM-DD of a day that exists, years 0001 to 9998.
func parseDate(b []byte) (mark, bool) {
	if len(b) != len("2006-01-02") || b[4] != '-' || b[7] != '-' {
		return mark{}, false
	}
	year, month, day := number(b, 0, 4), number(b, 5, 2), number(b, 8, 2)
	if year < 1 || year > 9998 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return mark{}, false
	}
	at := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return mark{kind: 'd', whole: at.Unix()}, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// parseInstant accepts the strict form of the profile: UTC with Z, upper-case T,
// at most 6 fraction digits.
func parseInstant(b []byte) (mark, bool) {
	const seconds = len("2006-01-02T15:04:05")
	if len(b) <= seconds || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return mark{}, false
	}
	m, ok := parseDate(b[:10])
	hour, minute, second := number(b, 11, 2), number(b, 14, 2), number(b, 17, 2)
	if !ok || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return mark{}, false
	}
	m.kind = 't'
	m.whole += int64(hour*3600 + minute*60 + second)
	fraction := b[seconds : len(b)-1]
	if len(fraction) == 0 {
		return m, true
	}
	if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 7 {
		return mark{}, false
	}
	n := number(fraction, 1, len(fraction)-1)
	if n < 0 {
		return mark{}, false
	}
	for range 10 - len(fraction) {
		n *= 10
	}
	m.nanos = int32(n)
	return m, true
}
