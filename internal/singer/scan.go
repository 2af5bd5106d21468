package singer

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// textFault says what is wrong with the text of a string that JSON's grammar
// lets pass.
type textFault uint8

const (
	textNUL       textFault = 1 << iota // U+0000
	textSurrogate                       // half of a surrogate pair
	textUTF8                            // bytes that are not UTF-8
)

func (f textFault) String() string {
	switch {
	case f&textUTF8 != 0:
		return "invalid UTF-8"
	case f&textSurrogate != 0:
		return "a lone surrogate"
	}
	return "U+0000"
}

// A scanner walks over one JSON line in place. Its methods return false at a
// syntax error, with i at the offending byte. Text faults are gathered in bad,
// since consumers die of them although the grammar allows them.
type scanner struct {
	b     []byte
	i     int
	bad   textFault
	deep  bool     // the syntax error is nesting beyond maxDepth
	twice string   // the first member name that an object held twice
	names [][]byte // names of the objects being skipped, innermost last
}

func (s *scanner) reset(b []byte) {
	*s = scanner{b: b, names: s.names[:0]}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// next skips white space and returns the byte there, 0 at the end.
func (s *scanner) next() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// take consumes c after white space.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.i++
	return true
}

// A token is the place of a string's inside or of a literal.
type token struct {
	text    []byte
	escaped bool
}

// value returns the text of a string token.
func (t token) value() []byte {
	if !t.escaped {
		return t.text
	}
	var s string
	if json.Unmarshal(append(append([]byte{'"'}, t.text...), '"'), &s) != nil {
		return t.text
	}
	return []byte(s)
}

// plain marks the bytes of a string that need no look at all.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// str consumes a string whose opening quote is next.
func (s *scanner) str() (token, bool) {
	b, i := s.b, s.i+1
	t := token{}
	from := i
	for {
		for i < len(b) && plain[b[i]] {
			i++
		}
		if i >= len(b) {
			s.i = len(b)
			return t, false
		}
		switch c := b[i]; {
		case c == '"':
			t.text = b[from:i]
			s.i = i + 1
			return t, true
		case c == '\\':
			t.escaped = true
			n := s.escape(b[i:])
			if n == 0 {
				s.i = i
				return t, false
			}
			i += n
		case c < ' ':
			s.i = i
			return t, false
		default:
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				s.bad |= textUTF8
			}
			i += size
		}
	}
}

// escape returns the length of the escape sequence at the start of b, 0 when it
// is none. A surrogate pair counts as one.
func (s *scanner) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	r := hex4(b)
	switch {
	case r < 0:
		return 0
	case r == 0:
		s.bad |= textNUL
	case r >= 0xd800 && r < 0xdc00:
		if low := hex4(b[6:]); low >= 0xdc00 && low < 0xe000 {
			return 12
		}
		s.bad |= textSurrogate
	case r >= 0xdc00 && r < 0xe000:
		s.bad |= textSurrogate
	}
	return 6
}

// hex4 reads \uXXXX at the start of b, -1 when it is not there.
func hex4(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	r := 0
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | int(c)
	}
	return r
}

// num consumes a number and tells its form.
func (s *scanner) num() (text []byte, fraction, exponent, ok bool) {
	b, i := s.b, s.i
	from := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := func() bool {
		first := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > first
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		s.i = i
		return nil, false, false, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		fraction = true
		if !digits() {
			s.i = i
			return nil, false, false, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		exponent = true
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			s.i = i
			return nil, false, false, false
		}
	}
	s.i = i
	return b[from:i], fraction, exponent, true
}

// word consumes true, false or null.
func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		return false
	}
	s.i += len(w)
	return true
}

// members walks an object whose opening brace is next and calls each with the
// name of every member; each consumes the value.
func (s *scanner) members(each func(name token) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		if s.next() != '"' {
			return false
		}
		name, ok := s.str()
		if !ok || !s.take(':') || !each(name) {
			return false
		}
		switch s.next() {
		case ',':
			s.i++
		case '}':
			s.i++
			return true
		default:
			return false
		}
	}
}

// elements is members for an array.
func (s *scanner) elements(each func() bool) bool {
	if !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	for {
		if !each() {
			return false
		}
		switch s.next() {
		case ',':
			s.i++
		case ']':
			s.i++
			return true
		default:
			return false
		}
	}
}

// skip consumes any value.
func (s *scanner) skip(depth int) bool {
	if depth > maxDepth {
		s.deep = true
		return false
	}
	switch s.next() {
	case '"':
		_, ok := s.str()
		return ok
	case '{':
		base := len(s.names)
		var many map[string]bool
		ok := s.members(func(name token) bool {
			many = s.once(base, name, many)
			return s.skip(depth + 1)
		})
		s.names = s.names[:base]
		return ok
	case '[':
		return s.elements(func() bool { return s.skip(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	_, _, _, ok := s.num()
	return ok
}

// once notes a member name of the innermost object and remembers one that comes
// twice. Small objects are compared by hand, large ones through a map, so that
// an object of a million members does not take hours.
func (s *scanner) once(base int, name token, many map[string]bool) map[string]bool {
	text := name.value()
	if many != nil {
		if many[string(text)] {
			s.twice = string(text)
		}
		many[string(text)] = true
		return many
	}
	for _, old := range s.names[base:] {
		if bytes.Equal(old, text) {
			s.twice = string(text)
			return nil
		}
	}
	s.names = append(s.names, text)
	if len(s.names)-base <= manyMembers {
		return nil
	}
	many = make(map[string]bool, 4*manyMembers)
	for _, old := range s.names[base:] {
		many[string(old)] = true
	}
	return many
}
