package jsonspan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// Unescape appends the text of a scanned string, given with or without its
// quotes. U+0000 and halves of surrogate pairs become U+FFFD.
func Unescape(dst, raw []byte) []byte {
	raw = unquote(raw)
	for {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 || n+1 >= len(raw) {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		switch c := raw[1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n := runeOf(raw)
			dst = utf8.AppendRune(dst, r)
			raw = raw[n:]
			continue
		default: // quote, backslash, slash
			dst = append(dst, c)
		}
		raw = raw[2:]
	}
}

// unquote cuts the quotes of a string that still has them.
func unquote(raw []byte) []byte {
	if len(raw) >= 2 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

// runeOf decodes the \u escape or pair of them that raw starts with, and its
// length. What may not be stored is U+FFFD.
func runeOf(raw []byte) (r rune, n int) {
	r, good := hex4(raw, 2)
	if good < 4 {
		return utf8.RuneError, len(raw)
	}
	if r >= 0xD800 && r <= 0xDBFF {
		if low, ok := lowHalf(raw, 6); ok {
			return (r-0xD800)<<10 | (low - 0xDC00) + 0x10000, 12
		}
	}
	if r == 0 || r >= 0xD800 && r <= 0xDFFF {
		r = utf8.RuneError
	}
	return r, 6
}

// equalText compares a scanned name, without its quotes, with text.
func equalText(raw []byte, info Info, text string) bool {
	if info&Escaped == 0 {
		return string(raw) == text
	}
	var room [64]byte
	return string(Unescape(room[:0], raw)) == text
}

// AppendClean appends a scanned value with each escape that makes it [Dirty]
// replaced by U+FFFD, and everything else as it is.
func AppendClean(dst, raw []byte) []byte {
	for {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 || n+1 >= len(raw) {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		size, dirty := 2, false
		if raw[1] == 'u' {
			var r rune
			r, size = runeOf(raw)
			// An escaped U+FFFD proper comes out as its character: the same text.
			dirty = r == utf8.RuneError
		}
		if dirty {
			dst = utf8.AppendRune(dst, utf8.RuneError)
		} else {
			dst = append(dst, raw[:size]...)
		}
		raw = raw[size:]
	}
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends text as a JSON string and escapes only what must be:
// quotes, backslashes and control characters. The text must be valid UTF-8.
func AppendQuoted(dst, text []byte) []byte {
	dst, _, _ = appendQuoted(dst, text)
	return dst
}

// AppendText is [AppendQuoted] for any text: it returns what [Scan] would tell of
// the string, and an error for a text that is not UTF-8.
func AppendText(dst, text []byte) ([]byte, Info, error) {
	start := len(dst)
	dst, info, ascii := appendQuoted(dst, text)
	if !ascii && !utf8.Valid(text) {
		return dst[:start], 0, Fault(text, 0, "invalid UTF-8")
	}
	return dst, info, nil
}

// appendQuoted also tells whether all of the text is ASCII.
func appendQuoted(dst, text []byte) (out []byte, info Info, ascii bool) {
	// Most of what is quoted is JSON, where every few bytes need an escape: room
	// for two bytes each, and for whole words beyond the end, spares the append.
	n := len(dst)
	out = slices.Grow(dst, 2*len(text)+2+8)
	out = out[:cap(out)]
	out[n] = '"'
	n++
	info = String
	var seen uint64 // the high bits of all that was copied
	for i := 0; i < len(text); {
		if i+8 <= len(text) {
			w := binary.LittleEndian.Uint64(text[i:])
			binary.LittleEndian.PutUint64(out[n:], w)
			seen |= w
			// As special, but non-ASCII bytes pass.
			m := ((w - blanks) | ((w ^ quotes) - ones) | ((w ^ slashes) - ones)) &^ w & highs
			if m == 0 {
				i, n = i+8, n+8
				continue
			}
			plain := bits.TrailingZeros64(m) >> 3
			i, n = i+plain, n+plain
		}
		switch c := text[i]; {
		case c == '"' || c == '\\':
			out[n], out[n+1] = '\\', c
			n += 2
			info |= Escaped
		case c < ' ':
			info |= Escaped
			if c == 0 {
				info |= Dirty
			}
			// Up to six bytes: they may take the room of what follows.
			head := appendControl(out[:n], c)
			n = len(head)
			out = slices.Grow(head, 2*(len(text)-i)+8)
			out = out[:cap(out)]
		default:
			seen |= uint64(c)
			out[n] = c
			n++
		}
		i++
	}
	out[n] = '"'
	return out[:n+1], info, seen&highs == 0
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// AppendCompact appends a scanned value without the white space between its
// tokens.
func AppendCompact(dst, raw []byte) []byte {
	from := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			i = closingQuote(raw, i)
		case c <= ' ':
			dst = append(dst, raw[from:i]...)
			from = i + 1
		}
	}
	return append(dst, raw[from:]...)
}

// closingQuote returns the index of the quote that ends the scanned string at
// raw[i].
func closingQuote(raw []byte, i int) int {
	for i++; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i
}
