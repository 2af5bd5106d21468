package record

import "github.com/tap-backoffice/tap-backoffice/internal/jsonspan"

// surelyInt64 is the length up to which every integer literal is within int64.
const surelyInt64 = 18

// maxExponent bounds the exponents that are written out: those of a double.
const maxExponent = 308

// appendNumber appends a JSON number literal with the vendor's digits, an
// exponent written out.
func appendNumber(dst, lit []byte, info jsonspan.Info) ([]byte, bool) {
	if info&jsonspan.Exponent == 0 {
		return append(dst, lit...), true
	}
	return appendWrittenOut(dst, lit)
}

// appendInteger appends the integer that a JSON number literal denotes, false
// if it denotes none or one beyond int64.
func appendInteger(dst, lit []byte, info jsonspan.Info) ([]byte, bool) {
	from := len(dst)
	dst, ok := appendNumber(dst, lit, info)
	if !ok {
		return dst, false
	}
	n := dst[from:]
	for i, c := range n {
		if c == '.' {
			for _, c := range n[i+1:] {
				if c != '0' {
					return dst, false
				}
			}
			n = n[:i]
			break
		}
	}
	if string(n) == "-0" {
		return append(dst[:from], '0'), true
	}
	return dst[:from+len(n)], isInt64(n)
}

// isInt64 tells whether an integer literal is within int64.
func isInt64(lit []byte) bool {
	limit := "9223372036854775807"
	if lit[0] == '-' {
		lit, limit = lit[1:], "9223372036854775808"
	}
	return len(lit) < len(limit) || len(lit) == len(limit) && string(lit) <= limit
}

// parseInt returns the value of an integer literal, false if it is none or
// beyond int64.
func parseInt(lit []byte) (int64, bool) {
	if info, ok := jsonspan.IsNumber(lit); !ok || info != jsonspan.Integer || !isInt64(lit) {
		return 0, false
	}
	negative := lit[0] == '-'
	if negative {
		lit = lit[1:]
	}
	// Sums run downward: the least int64 has no positive counterpart.
	var v int64
	for _, c := range lit {
		v = v*10 - int64(c-'0')
	}
	if negative {
		return v, true
	}
	return -v, true
}

// appendWrittenOut appends a number literal that has an exponent without it,
// all its digits kept: 1.50E1 is 15.0.
func appendWrittenOut(dst, lit []byte) ([]byte, bool) {
	if lit[0] == '-' {
		dst, lit = append(dst, '-'), lit[1:]
	}
	mantissa, point, e := len(lit), -1, 0
	for i, c := range lit {
		if c == '.' {
			point = i
		} else if c|0x20 == 'e' {
			mantissa = i
			break
		}
	}
	negative := false
	for _, c := range lit[mantissa+1:] {
		switch {
		case c == '-':
			negative = true
		case c != '+':
			e = min(e*10+int(c-'0'), maxExponent+1)
		}
	}
	if e > maxExponent {
		return dst, false
	}
	if negative {
		e = -e
	}
	whole, fraction := lit[:mantissa], lit[mantissa:mantissa]
	if point >= 0 {
		whole, fraction = lit[:point], lit[point+1:mantissa]
	}

	// Both halves are the digits; the point moves by e.
	at := len(whole) + e
	from := len(dst)
	if at <= 0 {
		dst = append(dst, '0', '.')
		dst = appendZeros(dst, -at)
		dst = append(dst, whole...)
		return append(dst, fraction...), true
	}
	dst = append(dst, whole...)
	dst = append(dst, fraction...)
	digits := len(whole) + len(fraction)
	if at >= digits {
		dst = appendZeros(dst, at-digits)
	} else {
		dst = append(dst, '.')
		copy(dst[from+at+1:], dst[from+at:])
		dst[from+at] = '.'
	}
	// 0.001E2 is 000.1 now.
	zeros := 0
	for zeros < at-1 && dst[from+zeros] == '0' {
		zeros++
	}
	return append(dst[:from], dst[from+zeros:]...), true
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}
