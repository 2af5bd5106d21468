package rows

import "strconv"

const (
	second = 1_000_000
	day    = 86400 * second
)

// pairs are the numbers 00 to 99.
var pairs = func() (p [200]byte) {
	for k := range 100 {
		p[2*k], p[2*k+1] = byte('0'+k/10), byte('0'+k%10)
	}
	return p
}()

func put2(dst []byte, n uint32) {
	dst[0], dst[1] = pairs[2*n], pairs[2*n+1]
}

// AppendInstant writes microseconds since 1970 as RFC 3339, shifted to an
// offset in minutes (0 is written Z). Six digits of fraction, or none on a
// whole second, as Python's isoformat has it.
func AppendInstant(dst []byte, micros int64, offset int) []byte {
	micros += int64(offset) * 60 * second
	days := micros / day
	rest := micros - days*day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	var text [32]byte
	n := putDate(text[:], days)
	sec := uint32(rest / second)
	frac := uint32(rest - int64(sec)*second)
	text[n], text[n+3], text[n+6] = 'T', ':', ':'
	put2(text[n+1:], sec/3600)
	put2(text[n+4:], sec/60%60)
	put2(text[n+7:], sec%60)
	n += 9
	if frac > 0 {
		text[n] = '.'
		put2(text[n+1:], frac/10000)
		put2(text[n+3:], frac/100%100)
		put2(text[n+5:], frac%100)
		n += 7
	}
	if offset == 0 {
		text[n] = 'Z'
		return append(dst, text[:n+1]...)
	}
	text[n], text[n+3] = '+', ':'
	if offset < 0 {
		text[n], offset = '-', -offset
	}
	put2(text[n+1:], uint32(offset)/60)
	put2(text[n+4:], uint32(offset)%60)
	return append(dst, text[:n+6]...)
}

// AppendDate writes days since 1970 as YYYY-MM-DD.
func AppendDate(dst []byte, days int64) []byte {
	var text [10]byte
	putDate(text[:], days)
	return append(dst, text[:]...)
}

func putDate(dst []byte, days int64) int {
	y, m, d := Civil(days)
	put2(dst, uint32(y)/100)
	put2(dst[2:], uint32(y)%100)
	put2(dst[5:], uint32(m))
	put2(dst[8:], uint32(d))
	dst[4], dst[7] = '-', '-'
	return 10
}

// Civil turns days since 1970 into a date of the years 0 to 9999. The years
// are counted from March, the divisions are those of Neri and Schneider
// ("Euclidean affine functions and their application to calendar
// algorithms").
func Civil(days int64) (y, m, d int) {
	n := 4*uint32(days+719468) + 3
	century := n / 146097
	n = n%146097 | 3
	p := 2939745 * uint64(n)
	yearOfCentury := uint32(p >> 32)
	dayOfYear := uint32(p) / 2939745 / 4
	n = 2141*dayOfYear + 197913
	y, m, d = int(100*century+yearOfCentury), int(n>>16), int(n&0xffff/2141)+1
	if m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

// Days turns a date into days since 1970.
func Days(y, m, d int) int64 {
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := int64(y) / 400
	yoe := int64(y) - era*400
	doy := (153*int64(m-3)+2)/5 + int64(d) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// AppendText writes a JSON string the way Python's json module does with
// ensure_ascii off, as Django REST Framework uses it: UTF-8 stays, control
// characters and U+2028/9 are escaped.
func AppendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}

// AppendCents writes an amount of hundredths as a decimal with the given
// number of digits after the point, at least two.
func AppendCents(dst []byte, cents int64, digits int) []byte {
	if cents < 0 {
		dst, cents = append(dst, '-'), -cents
	}
	dst = strconv.AppendInt(dst, cents/100, 10)
	dst = append(dst, '.', byte('0'+cents/10%10), byte('0'+cents%10))
	for range digits - 2 {
		dst = append(dst, '0')
	}
	return dst
}
