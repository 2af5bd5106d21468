package record

import (
	"encoding/binary"
	"time"
)

// stamp is a date, or a date and a time, as it is written.
type stamp struct {
	clock
	fraction []byte // digits after the point, as many as there are
	zone     zoneMark
	offset   int  // seconds east of UTC, for zoneOffset
	timed    bool // a time is there
	strict   bool // it is written as RFC 3339 wants it
}

// clock is a reading of calendar and clock, without a zone.
type clock struct{ year, month, day, hour, minute, second int }

type zoneMark uint8

const (
	zoneNone zoneMark = iota
	zoneUTC
	zoneOffset
)

// Instants lie within the years 0001 to 9998: loaders add and subtract zones
// and fail at the edges of what they can hold.
const (
	lastYear    = 9998         // the first one is 1
	firstSecond = -62135596800 // 0001-01-01T00:00:00Z
	lastSecond  = 253370764799 // 9998-12-31T23:59:59Z
	daySeconds  = 24 * 60 * 60
	maxFraction = 6
)

// Eight characters are read in one step. After the xor with a template, digits
// are their values and separators zero; the sum then carries into the high bit
// of every byte that is neither.
const (
	dateTemplate = "0000-00-"
	dateCheck    = 0x7f76767f76767676
	timeTemplate = "00:00:00"
	timeCheck    = 0x76767f76767f7676
	highBits     = 0x8080808080808080
)

var dateWord, timeWord = word(dateTemplate), word(timeTemplate)

func word(s string) uint64 { return binary.LittleEndian.Uint64([]byte(s)) }

// parseDate reads YYYY-MM-DD at the start of s, which has at least 10 bytes. It
// must be a day of the calendar, in whatever year.
func parseDate(s []byte, c *clock) bool {
	w := binary.LittleEndian.Uint64(s) ^ dateWord
	d1, d2 := uint(s[8])-'0', uint(s[9])-'0'
	if (w+dateCheck|w)&highBits != 0 || d1 > 9 || d2 > 9 {
		return false
	}
	w = w*10 + w>>8
	c.year, c.month, c.day = int(w&0xff*100+w>>16&0xff), int(w>>40&0xff), int(d1*10+d2)
	if uint(c.month-1) >= 12 || c.day < 1 {
		return false
	}
	return c.day <= 28 || c.day <= daysIn(c.year, c.month)
}

// parseTime reads HH:MM:SS at the start of s, which has at least 8 bytes.
func parseTime(s []byte, c *clock) bool {
	w := binary.LittleEndian.Uint64(s) ^ timeWord
	if (w+timeCheck|w)&highBits != 0 {
		return false
	}
	w = w*10 + w>>8
	c.hour, c.minute, c.second = int(w&0xff), int(w>>24&0xff), int(w>>48&0xff)
	return c.hour < 24 && c.minute < 60 && c.second < 60
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

// isCanonical tells whether text is an instant in the form that is emitted:
// UTC with Z, at most six digits of fraction.
func isCanonical(text []byte) bool {
	var c clock
	return parseCanonical(text, &c)
}

func parseCanonical(text []byte, c *clock) bool {
	last := len(text) - 1
	if last < 19 || last > 20+maxFraction || text[10] != 'T' || text[last] != 'Z' {
		return false
	}
	if !parseDate(text, c) || !parseTime(text[11:], c) || !c.inRange() {
		return false
	}
	if last == 19 {
		return true
	}
	return text[19] == '.' && last > 20 && allDigits(text[20:last])
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// parseStamp reads a date or a date with a time: RFC 3339 and its relatives.
// The separator may be T, t or a blank; seconds, fraction (after a point or a
// comma) and zone (Z, z, ±HH:MM, ±HHMM, ±HH) may be missing.
func parseStamp(s []byte) (t stamp, ok bool) {
	if len(s) < 10 || !parseDate(s, &t.clock) {
		return t, false
	}
	ok = t.parseRest(s[10:])
	return t, ok
}

// parseRest reads what comes after the date.
func (t *stamp) parseRest(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	if len(s) < 6 || s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return false
	}
	t.timed, t.strict = true, s[0] == 'T'
	s = s[1:]
	if len(s) >= 8 && s[5] == ':' {
		if !parseTime(s, &t.clock) {
			return false
		}
		s = s[8:]
		if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
			t.strict = t.strict && s[0] == '.'
			n := 1
			for n < len(s) && s[n]-'0' <= 9 {
				n++
			}
			if n == 1 {
				return false
			}
			t.fraction, s = s[1:n], s[n:]
		}
	} else {
		t.strict = false
		var h, m bool
		t.hour, h = twoDigits(s)
		t.minute, m = twoDigits(s[3:])
		if !h || !m || s[2] != ':' || t.hour > 23 || t.minute > 59 {
			return false
		}
		s = s[5:]
	}
	return t.parseZone(s)
}

func (t *stamp) parseZone(s []byte) bool {
	if len(s) == 0 {
		t.strict = false
		return true
	}
	if len(s) == 1 && s[0]|0x20 == 'z' {
		t.zone, t.strict = zoneUTC, t.strict && s[0] == 'Z'
		return true
	}
	if s[0] != '+' && s[0] != '-' {
		return false
	}
	t.strict = t.strict && len(s) == 6
	hours, ok := twoDigits(s[1:])
	minutes := 0
	switch {
	case !ok:
		return false
	case len(s) == 3:
	case len(s) == 5:
		minutes, ok = twoDigits(s[3:])
	case len(s) == 6 && s[3] == ':':
		minutes, ok = twoDigits(s[4:])
	default:
		return false
	}
	if !ok || hours > 23 || minutes > 59 {
		return false
	}
	t.zone, t.offset = zoneOffset, hours*3600+minutes*60
	if s[0] == '-' {
		t.offset = -t.offset
	}
	return true
}

// twoDigits reads the number in the first two bytes of s.
func twoDigits(s []byte) (int, bool) {
	if len(s) < 2 || s[0]-'0' > 9 || s[1]-'0' > 9 {
		return 0, false
	}
	return int(s[0]-'0')*10 + int(s[1]-'0'), true
}

// seconds returns the seconds since 1970 UTC; z gives the zone if none is
// written, nil is UTC. It reports false for instants outside of the years that
// are allowed.
func (t *stamp) seconds(z *zoneCache) (int64, bool) {
	s := t.clock.unix()
	switch {
	case t.zone == zoneOffset:
		s -= int64(t.offset)
	case t.zone == zoneNone && z != nil:
		s = z.toUTC(s)
	}
	return s, s >= firstSecond && s <= lastSecond
}

// unix returns the seconds since 1970 of a clock that shows UTC.
func (c *clock) unix() int64 {
	return c.days()*daySeconds + int64(c.hour*3600+c.minute*60+c.second)
}

// inRange tells whether the year is one that is emitted.
func (c *clock) inRange() bool { return c.year >= 1 && c.year <= lastYear }

// fourCenturies is the period of the calendar in days, sinceMarch0 the day of
// 1970-01-01 counted from 0000-03-01.
const (
	fourCenturies = 146097
	sinceMarch0   = 719468
)

// days returns the days since 1970-01-01. Years are taken to start in March, so
// that the leap day is the last, and 400 years later, so that none is negative.
func (c *clock) days() int64 {
	y, m := c.year+400, c.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	return int64(y*365 + y/4 - y/100 + y/400 + (153*m+2)/5 + c.day - 1 - sinceMarch0 - fourCenturies)
}

// clockOf is the inverse of unix, for the years that are emitted.
func clockOf(sec int64) (c clock) {
	days, rest := sec/daySeconds, sec%daySeconds
	if rest < 0 {
		days, rest = days-1, rest+daySeconds
	}
	c.hour, c.minute, c.second = int(rest/3600), int(rest/60%60), int(rest%60)
	d := int(days) + sinceMarch0
	era := d / fourCenturies
	d -= era * fourCenturies
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= y*365 + y/4 - y/100
	m := (5*d + 2) / 153
	c.day = d - (153*m+2)/5 + 1
	c.year = y + era*400
	if c.month = m + 3; c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// appendInstant appends text, an instant or a date, as a JSON string in UTC.
func (c *Converter) appendInstant(dst, text []byte) ([]byte, bool) {
	t, ok := parseStamp(text)
	if !ok {
		return dst, false
	}
	sec, ok := t.seconds(&c.zone)
	if !ok {
		return dst, false
	}
	if t.zone != zoneUTC {
		t.clock = clockOf(sec)
	}
	out := [...]byte{'"', 0, 0, 0, 0, '-', 0, 0, '-', 0, 0, 'T', 0, 0, ':', 0, 0, ':', 0, 0}
	putTwo(out[1:], t.year/100)
	putTwo(out[3:], t.year%100)
	putTwo(out[6:], t.month)
	putTwo(out[9:], t.day)
	putTwo(out[12:], t.hour)
	putTwo(out[15:], t.minute)
	putTwo(out[18:], t.second)
	dst = append(dst, out[:]...)
	if n := min(len(t.fraction), maxFraction); n > 0 {
		dst = append(dst, '.')
		dst = append(dst, t.fraction[:n]...)
	}
	return append(dst, 'Z', '"'), true
}

func putTwo(b []byte, n int) {
	b[0], b[1] = byte('0'+n/10), byte('0'+n%10)
}

// appendDate appends text as a JSON string if it is a date, or a date with
// midnight and no zone but UTC.
func appendDate(dst, text []byte) ([]byte, bool) {
	t, ok := parseStamp(text)
	if !ok || t.zone == zoneOffset || !t.inRange() || t.hour|t.minute|t.second != 0 {
		return dst, false
	}
	for _, c := range t.fraction {
		if c != '0' {
			return dst, false
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text[:10]...)
	return append(dst, '"'), true
}

// isDate tells whether text is a date and nothing else.
func isDate(text []byte) bool {
	var c clock
	return len(text) == 10 && parseDate(text, &c) && c.inRange()
}

// isZeroDate tells whether text is a vendor's way to say that there is no date.
func isZeroDate(text []byte) bool {
	if len(text) < 10 || string(text[:10]) != "0000-00-00" {
		return false
	}
	var t stamp
	return t.parseRest(text[10:])
}

// micros returns the microseconds since 1970 of an emitted instant.
func micros(text []byte) (int64, bool) {
	var c clock
	if !parseCanonical(text, &c) {
		return 0, false
	}
	fraction := 0
	if len(text) > 20 {
		digits := text[20 : len(text)-1]
		for i := range maxFraction {
			fraction *= 10
			if i < len(digits) {
				fraction += int(digits[i] - '0')
			}
		}
	}
	return c.unix()*1e6 + int64(fraction), true
}

// zoneCache turns the clock readings of one zone into UTC. The offset of a zone
// changes twice a year, so it is kept per span of time.
type zoneCache struct {
	zone  *time.Location
	spans [64]zoneSpan
}

// zoneSpan is 2^spanBits seconds of clock readings, about twelve days.
type zoneSpan struct {
	number  int64 // readings >> spanBits, plus 1: the zero span is none
	offset  int64
	uniform bool // no change of the offset anywhere near
}

const spanBits = 20

func (z *zoneCache) toUTC(reading int64) int64 {
	if z.zone == time.UTC {
		return reading
	}
	number := reading>>spanBits + 1
	s := &z.spans[uint64(number)%uint64(len(z.spans))]
	if s.number != number {
		start := (number - 1) << spanBits
		before, after := z.offset(start-2*daySeconds), z.offset(start+1<<spanBits+2*daySeconds)
		_, until := time.Unix(start-2*daySeconds, 0).In(z.zone).ZoneBounds()
		*s = zoneSpan{
			number: number, offset: before,
			uniform: before == after && (until.IsZero() || until.Unix() > start+1<<spanBits+2*daySeconds),
		}
	}
	if s.uniform {
		return reading - s.offset
	}
	return z.ambiguous(reading)
}

// ambiguous turns a reading near a change of the offset into UTC. One that
// comes twice means the first time (summer time); one that is left out is taken
// by the clock that has not been put forward.
func (z *zoneCache) ambiguous(reading int64) int64 {
	before, after := z.offset(reading-daySeconds), z.offset(reading+daySeconds)
	early, late := reading-before, reading-after
	if z.offset(early) == before || z.offset(late) != after {
		return early
	}
	return late
}

// offset returns the seconds east of UTC at an instant.
func (z *zoneCache) offset(sec int64) int64 {
	_, offset := time.Unix(sec, 0).In(z.zone).Zone()
	return int64(offset)
}
