package accountview

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// predicate tells whether a row is wanted.
type predicate = func(r *row) bool

// condition is one filter.
type condition struct {
	test predicate
	text string // for the memory of places
}

// operators are the known names; 42 and 43 are numbers that were tried as lower
// and upper bound of dates (CLIENT fxl). GUESS: DateOnOrBeforeDate.
var operators = map[string]string{
	"equal": "equal", "notequal": "notequal", "contains": "contains",
	"dateonorafterdate": "after", "dateonorbeforedate": "before", "42": "after", "43": "before",
}

// filters reads the numbered filters, and the raw one.
func (s *Service) filters(q *query, words url.Values) *problem {
	numbers := map[int]bool{}
	for name := range words {
		stem := strings.TrimRight(name, "0123456789")
		if slices.Contains(filterParameters, stem) {
			n, err := strconv.Atoi(name[len(stem):])
			if err != nil || n < 1 {
				return wrong(0, "Het filter %s is ongeldig.", name)
			}
			numbers[n] = true
		}
	}
	for n := 1; n <= len(numbers); n++ {
		if !numbers[n] {
			return wrong(0, "Filter %d ontbreekt.", n)
		}
		c, p := s.condition(q, words, strconv.Itoa(n))
		if p != nil {
			return p
		}
		q.conds = append(q.conds, c)
	}
	switch strings.ToLower(words.Get("matchanyfilter")) {
	case "", "false":
	case "true":
		q.any = true
	default:
		return wrong(0, "De waarde %s van matchAnyFilter is ongeldig.", words.Get("matchanyfilter"))
	}
	if text := words.Get("filter"); text != "" {
		test, p := s.expression(q, text)
		if p != nil {
			return p
		}
		q.raw = test
	}
	return nil
}

func (s *Service) condition(q *query, words url.Values, n string) (condition, *problem) {
	source, operator := words.Get("filtercontrolsource"+n), words.Get("filteroperator"+n)
	kind, value := strings.ToUpper(words.Get("filtervaluetype"+n)), words.Get("filtervalue"+n)
	if source == "" || operator == "" || kind == "" || !words.Has("filtervalue"+n) {
		return condition{}, wrong(0, "Filter %s is niet volledig.", n)
	}
	switch list := words.Get("filterislistofvalues" + n); strings.ToLower(list) {
	case "false":
	case "": // CLIENT: omni stopped leaving it out
		if s.on("list-flag", s.streamOf(q)) {
			return condition{}, wrong(0, "FilterIsListOfValues%s ontbreekt.", n)
		}
	default: // GUESS: nobody knows how a list is written
		return condition{}, wrong(0, "De lijst met waarden van filter %s is ongeldig.", n)
	}
	f, p := s.field(q, source)
	if p != nil {
		return condition{}, p
	}
	op := operators[strings.ToLower(operator)]
	if op == "" || op == "before" && s.on("no-upper-bound", s.streamOf(q)) {
		return condition{}, wrong(0, "De operator %s is onbekend.", operator)
	}
	if f.table != q.table {
		return condition{}, wrong(12, "Op de kolom %s kan niet worden gefilterd.", strings.ToUpper(source))
	}
	test, p := s.compare(f.column, op, kind, value, s.on("instant-since", s.streamOf(q)))
	return condition{test, strings.Join([]string{source, op, kind, value}, "\x00")}, p
}

// compare makes a test of a column. exact: dates are compared to the second,
// where a literal tells it.
func (*Service) compare(c *column, op, kind, value string, exact bool) (predicate, *problem) {
	mismatch := wrong(107, "De gegevenstypen van kolom %s en waarde komen niet overeen.", c.name)
	if op == "after" || op == "before" {
		if c.letter != 'D' && c.letter != 'T' {
			return nil, mismatch
		}
	}
	switch {
	case (kind == "D" || kind == "T") && (c.letter == 'D' || c.letter == 'T'):
		at, p := literal(value)
		if p != nil {
			return nil, p
		}
		return dateTest(c, op, at, exact && kind == "T"), nil
	case kind == "C" && (c.letter == 'C' || c.letter == 'M'):
		return textTest(c, op, value), nil
	case (kind == "N" || kind == "I") && strings.IndexByte("NYBI", c.letter) >= 0:
		want, err := strconv.ParseFloat(value, 64)
		if err != nil || op == "contains" {
			return nil, mismatch
		}
		return func(r *row) bool {
			have, err := strconv.ParseFloat(string(bytes.Trim(c.make(nil, r), `"`)), 64)
			return err == nil && (have == want) == (op == "equal")
		}, nil
	case kind == "L" && c.letter == 'L':
		want, ok := map[string]bool{"true": true, ".t.": true, "false": false, ".f.": false}[strings.ToLower(value)]
		if !ok || op == "contains" {
			return nil, mismatch
		}
		return func(r *row) bool { return (string(c.make(nil, r)) == strconv.FormatBool(want)) == (op == "equal") }, nil
	}
	return nil, mismatch
}

// literal reads a strict date of FoxPro, {^2024-01-31} or {^2024-01-31 10:20:30};
// anything else is refused (CLIENT: a plain date was tried and given up).
func literal(text string) (time.Time, *problem) {
	inner, begins := strings.CutPrefix(text, "{^")
	inner, ends := strings.CutSuffix(inner, "}")
	if begins && ends {
		for _, form := range []string{time.DateOnly, time.DateTime} {
			if at, err := time.Parse(form, inner); err == nil {
				return at, nil
			}
		}
	}
	return time.Time{}, wrong(2034, "De datum %s is ongeldig.", text)
}

// dateTest compares days, both ends included (GUESS by the name of the
// operator). An empty date is before every other, as FoxPro has it.
func dateTest(c *column, op string, at time.Time, exact bool) predicate {
	size := len(time.DateOnly)
	form := time.DateOnly
	if exact {
		size, form = len("2006-01-02T15:04:05"), "2006-01-02T15:04:05"
	}
	want := at.Format(form)
	var buffer []byte
	return func(r *row) bool {
		buffer = c.make(buffer[:0], r)
		if len(buffer) < size+1 { // null
			return op == "before" || op == "notequal"
		}
		have := string(buffer[1 : size+1])
		switch op {
		case "after":
			return have >= want
		case "before":
			return have <= want
		case "notequal":
			return have != want
		}
		return have == want
	}
}

// textTest compares columns padded to their width (CLIENT omni): what is equal
// begins with the value, as FoxPro compares unless told otherwise.
func textTest(c *column, op, want string) predicate {
	return func(r *row) bool {
		var have string
		if json.Unmarshal(c.make(nil, r), &have) != nil {
			return false
		}
		if c.letter == 'C' {
			have = padRight(have, c.width)
		}
		switch op {
		case "contains":
			return strings.Contains(have, want)
		case "notequal":
			return !strings.HasPrefix(have, want)
		case "equal":
			return strings.HasPrefix(have, want)
		}
		return false
	}
}

// wants tells whether a row is in the answer.
func (q *query) wants(r *row) bool {
	if q.keep != nil && !q.keep(r) {
		return false
	}
	if q.raw != nil && !q.raw(r) {
		return false
	}
	if len(q.conds) == 0 {
		return true
	}
	for _, c := range q.conds {
		if c.test(r) == q.any {
			return q.any
		}
	}
	return !q.any
}

// free tells whether every row of the table is wanted.
func (q *query) free() bool { return q.keep == nil && q.raw == nil && len(q.conds) == 0 }
