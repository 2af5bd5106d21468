package accountview

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// appendNumber writes a number of units of the given decimals as answers have
// it: without zeros at its end (REAL: whole amounts are whole).
func appendNumber(dst []byte, units int64, decimals int) []byte {
	if units < 0 {
		dst, units = append(dst, '-'), -units
	}
	for decimals > 0 && units%10 == 0 {
		units, decimals = units/10, decimals-1
	}
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	dst = strconv.AppendInt(dst, units/scale, 10)
	if decimals == 0 {
		return dst
	}
	dst = append(dst, '.')
	fraction := strconv.FormatInt(units%scale, 10)
	for range decimals - len(fraction) {
		dst = append(dst, '0')
	}
	return append(dst, fraction...)
}

// appendText writes a JSON string. Most texts have nothing to escape.
func appendText(dst []byte, text string) []byte {
	for k := range len(text) {
		if b := text[k]; b < ' ' || b == '"' || b == '\\' || b == 0xe2 { // U+2028 begins with 0xe2
			return rows.AppendText(dst, text)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

// fit cuts a text to the width of its column and trims its end, as the columns
// of the system are (REAL: right-trimmed).
func fit(text string, width int) string {
	n := 0
	if len(text) <= width {
		return strings.TrimRight(text, " ")
	}
	for k := range text {
		if n == width {
			text = text[:k]
			break
		}
		n++
	}
	return strings.TrimRight(text, " ")
}

// pad0 writes a number with zeros in front.
func pad0(n int64, width int) string {
	text := strconv.FormatInt(n, 10)
	return strings.Repeat("0", max(width-len(text), 0)) + text
}

// padLeft right-aligns a text, as PAGE_NR is (REAL).
func padLeft(text string, width int) string {
	return strings.Repeat(" ", max(width-len(text), 0)) + text
}

// padRight fills a text up to a width.
func padRight(text string, width int) string {
	return text + strings.Repeat(" ", max(width-len([]rune(text)), 0))
}

// lexical is the k-th, from 0, of the numbers 1 to n in the order of their
// texts: 1, 10, 100, 11, …
func lexical(n, k int64) int64 {
	number := int64(1)
	for k > 0 {
		// How many numbers up to n begin as number does.
		var count int64
		for first, next := number, number+1; first <= n; first, next = first*10, next*10 {
			count += min(n+1, next) - first
		}
		if count <= k {
			number++
			k -= count
		} else {
			number *= 10
			k--
		}
	}
	return number
}

// binary is what a picture may be: base64 of a few hundred to thousand bytes.
func binary(h uint64) string {
	raw := make([]byte, 300+h%2700)
	for k := range raw {
		raw[k] = byte(rows.Mix(h, uint64(k)))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
