package jsonspan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Eight bytes are looked at in one step; these spread one byte over a word.
const (
	ones    = 0x0101010101010101
	highs   = 0x80 * ones
	quotes  = '"' * ones
	slashes = '\\' * ones
	blanks  = ' ' * ones
)

// special sets the high bit of each byte of w that a plain run of text cannot
// hold: quote, backslash, control character, non-ASCII. Bytes above the first
// marked one may be marked falsely (a borrow runs upward), so only the lowest
// mark counts.
func special(w uint64) uint64 {
	return ((w - blanks) | ((w ^ quotes) - ones) | ((w ^ slashes) - ones) | w) & highs
}

// Space returns the index of the first byte at or after i that is not white
// space, len(b) if there is none.
func Space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// Value returns the end of the value that starts at b[i].
func Value(b []byte, i int) (end int, err error) {
	end, _, err = Scan(b, i)
	return end, err
}

// Scan returns the end of the value that starts at b[i], and what it is.
func Scan(b []byte, i int) (end int, info Info, err error) {
	if uint(i) >= uint(len(b)) {
		return 0, 0, Fault(b, len(b), "")
	}
	c := b[i]
	if c == '"' {
		// Most strings are plain ASCII: no call for them.
		for i++; i+8 <= len(b); i += 8 {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				if i += bits.TrailingZeros64(m) >> 3; b[i] == '"' {
					return i + 1, String, nil
				}
				break
			}
		}
		return text(b, i)
	}
	if c == 'n' {
		if i+4 <= len(b) && string(b[i:i+4]) == "null" {
			return i + 4, Null, nil
		}
		return 0, 0, badWord(b, i, "null")
	}
	switch c {
	case 't':
		if i+4 <= len(b) && string(b[i:i+4]) == "true" {
			return i + 4, Boolean, nil
		}
		return 0, 0, badWord(b, i, "true")
	case 'f':
		if i+5 <= len(b) && string(b[i:i+5]) == "false" {
			return i + 5, Boolean, nil
		}
		return 0, 0, badWord(b, i, "false")
	case '{', '[':
		return nested(b, i)
	}
	if end, info = number(b, i); end < 0 {
		return 0, 0, Fault(b, ^end, "invalid value")
	}
	return end, info, nil
}

func badWord(b []byte, i int, word string) error {
	for n := 1; n < len(word); n++ {
		if i+n >= len(b) || b[i+n] != word[n] {
			return Fault(b, i+n, "invalid value")
		}
	}
	return Fault(b, i, "invalid value")
}

// Text returns the end of the string that starts at b[i], which must be a quote.
func Text(b []byte, i int) (end int, info Info, err error) {
	if uint(i) >= uint(len(b)) || b[i] != '"' {
		return 0, 0, Fault(b, i, "a string should start here")
	}
	return text(b, i+1)
}

// text returns the end of the string whose inside goes on at b[i].
func text(b []byte, i int) (end int, info Info, err error) {
	info = String
	for {
		for i+8 <= len(b) {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) {
			return 0, 0, Fault(b, i, "")
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, info, nil
		case c == '\\':
			n, dirty, err := escape(b, i)
			if err != nil {
				return 0, 0, err
			}
			info |= Escaped | dirty
			i += n
		case c < ' ':
			return 0, 0, Fault(b, i, "control character in a string")
		default:
			if n := wide(b, i); n > 0 {
				i += n
			} else if !utf8.FullRune(b[i:]) {
				return 0, 0, Fault(b, len(b), "")
			} else {
				return 0, 0, Fault(b, i, "invalid UTF-8")
			}
		}
	}
}

// wide returns the length of the non-ASCII character at b[i], 0 if it is not
// valid UTF-8.
func wide(b []byte, i int) int {
	if c := b[i]; c >= 0xC2 && c <= 0xDF && i+1 < len(b) && b[i+1]&0xC0 == 0x80 {
		return 2
	}
	if r, n := utf8.DecodeRune(b[i:]); r != utf8.RuneError || n > 1 {
		return n
	}
	return 0
}

// escape returns the length of the escape at b[i], a whole surrogate pair
// included, and Dirty if it denotes no character that may be stored.
func escape(b []byte, i int) (n int, dirty Info, err error) {
	if i+1 >= len(b) {
		return 0, 0, Fault(b, len(b), "")
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, 0, nil
	case 'u':
	default:
		return 0, 0, Fault(b, i+1, "invalid escape")
	}
	r, good := hex4(b, i+2)
	if good < 4 {
		return 0, 0, Fault(b, i+2+good, "invalid escape")
	}
	switch {
	case r == 0 || r >= 0xDC00 && r <= 0xDFFF:
		return 6, Dirty, nil
	case r < 0xD800 || r > 0xDFFF:
		return 6, 0, nil
	}
	if _, ok := lowHalf(b, i+6); ok {
		return 12, 0, nil
	}
	return 6, Dirty, nil
}

// lowHalf reads the escape of a low surrogate at b[i].
func lowHalf(b []byte, i int) (r rune, ok bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	r, good := hex4(b, i+2)
	return r, good == 4 && r >= 0xDC00 && r <= 0xDFFF
}

// hex4 reads four hexadecimal digits at b[i]; good tells how many there are.
func hex4(b []byte, i int) (r rune, good int) {
	for good < 4 && i+good < len(b) {
		d := rune(b[i+good])
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		default:
			return r, good
		}
		r = r<<4 | d
		good++
	}
	return r, good
}

// IsNumber tells whether text is exactly a JSON number literal, and of what kind.
func IsNumber(text []byte) (Info, bool) {
	if len(text) == 0 {
		return 0, false
	}
	end, info := number(text, 0)
	return info, end == len(text)
}

// number returns the end of the number that starts at b[i]; the complement of
// the offset of the first bad byte if there is none.
func number(b []byte, i int) (end int, info Info) {
	info = Integer
	if b[i] == '-' {
		i++
	}
	first := i
	i = digits(b, i)
	if i == first || b[first] == '0' && i > first+1 {
		return ^min(i, first+1), 0
	}
	if i < len(b) && b[i] == '.' {
		info = Number
		first = i + 1
		if i = digits(b, first); i == first {
			return ^i, 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		info = Number | Exponent
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = digits(b, first); i == first {
			return ^i, 0
		}
	}
	return i, info
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// Name scans the name of an object's member, which starts at b[i] with a quote,
// and the colon after it: end is where the name ends, value where its value
// should start. The info has the flags of the name, and Spaced.
func Name(b []byte, i int) (end, value int, info Info, err error) {
	end, info, err = Text(b, i)
	if err != nil {
		return 0, 0, 0, err
	}
	i = Space(b, end)
	if i >= len(b) || b[i] != ':' {
		return 0, 0, 0, Fault(b, i, "colon expected")
	}
	if value = Space(b, i+1); value > end+1 {
		info |= Spaced
	}
	return end, value, info, nil
}

// nested scans an object or array without recursion: one bit per open level
// tells whether it is an object.
func nested(b []byte, i int) (end int, info Info, err error) {
	var (
		open  [MaxDepth / 64]uint64
		depth int
		f     Info
		kind  = Array

		isObject bool // the innermost open level
	)
	if b[i] == '{' {
		kind = Object
	}

value:
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		if depth == MaxDepth {
			return 0, 0, Fault(b, i, "nested too deep")
		}
		isObject = b[i] == '{'
		word, bit := &open[depth>>6], uint64(1)<<(depth&63)
		depth++
		if i++; i < len(b) && b[i] <= ' ' {
			i = Space(b, i)
			info |= Spaced
		}
		if isObject {
			*word |= bit
			if i < len(b) && b[i] == '}' {
				goto closed
			}
			goto member
		}
		*word &^= bit
		if i < len(b) && b[i] == ']' {
			goto closed
		}
		goto value
	}
	i, f, err = Scan(b, i)
	if err != nil {
		return 0, 0, err
	}
	info |= f
	goto after

member:
	_, i, f, err = Name(b, i)
	if err != nil {
		return 0, 0, err
	}
	info |= f
	goto value

closed:
	i++
	depth--
	if depth == 0 {
		return i, info&Inside | kind, nil
	}

after:
	if i < len(b) && b[i] <= ' ' {
		i = Space(b, i)
		info |= Spaced
	}
	isObject = open[(depth-1)>>6]>>((depth-1)&63)&1 != 0
	switch {
	case i >= len(b):
		return 0, 0, Fault(b, i, "")
	case b[i] == ',':
		if i++; i < len(b) && b[i] <= ' ' {
			i = Space(b, i)
			info |= Spaced
		}
		if isObject {
			goto member
		}
		goto value
	case isObject && b[i] == '}', !isObject && b[i] == ']':
		goto closed
	}
	return 0, 0, Fault(b, i, "comma or closing bracket expected")
}
