package exactonline

import (
	"bytes"
	"math"
	"sort"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// Exact's times are what the clock at the site shows, written as if that were
// UTC, in values and in filters. DOC (FAQ: "in CET, not GMT"), REC: an order
// created at 14:28:10 GMT came back as 16:28:10. In this file a reading is what
// a clock shows, in seconds since 1970 as if it showed UTC, and an instant is
// truly UTC.

// clock converts between readings of a site's clock and instants. It is
// immutable: one serves all streams of a run at once.
type clock struct {
	eras []era // in order; the first reaches back without end
}

// era is a span of time in which a zone keeps one offset.
type era struct {
	at     int64 // the instant it begins
	first  int64 // the first reading that is taken to lie in it
	offset int64 // seconds east of UTC
}

// Years outside of 0001 to 9998 are not emitted: loaders add and subtract zones
// and fail at the edges of what they can hold.
const (
	daySeconds  = 24 * 60 * 60
	firstSecond = -62135596800 // 0001-01-01T00:00:00Z
	lastSecond  = 253370764799 // 9998-12-31T23:59:59Z
	finalSecond = 253402300799 // 9999-12-31T23:59:59Z, the last that a literal can hold
)

// The calendar, weekdays included, repeats after 400 years. From tableEnd on
// nothing but the zone's yearly rule is in force and has been for more than
// that, so later times are looked up in an earlier cycle.
const (
	cycle    = 146097 * daySeconds
	tableEnd = 16725225600 // 2500-01-01T00:00:00Z
)

// reach bounds how far from a change of the offset readings are out of order:
// the offsets in use lie 26 hours apart.
const reach = 2 * daySeconds

// newClock works out the changes of the zone's offset once. A reading that
// comes twice is taken the first time, as summer time; one that is left out in
// spring, by the clock that has not been put forward yet: 02:30 is what 03:30
// would have been called. Both change their era at the later of the two
// readings that a change has.
func newClock(loc *time.Location) *clock {
	_, offset := time.Unix(firstSecond, 0).In(loc).Zone()
	c := &clock{eras: []era{{at: math.MinInt64, first: math.MinInt64, offset: int64(offset)}}}
	for t := time.Unix(firstSecond, 0).In(loc); t.Unix() < tableEnd+reach; {
		_, end := t.ZoneBounds()
		if end.IsZero() {
			break
		}
		// Where a rule is in force the end may be that of the year, and on the
		// last day of a leap year it is past: neither is a change.
		if !end.After(t) {
			end = t.Add(time.Hour)
		}
		t = end
		_, o := t.Zone()
		last, offset := c.eras[len(c.eras)-1], int64(o)
		if offset != last.offset {
			c.eras = append(c.eras, era{at: t.Unix(), first: t.Unix() + max(last.offset, offset), offset: offset})
		}
	}
	return c
}

// instant appends a raw JSON value as the JSON string of an instant. Values are
//   - "/Date(1717158896173)/": milliseconds, a reading of the site's clock. REC.
//   - "/Date(1717158896173+0200)/": milliseconds of UTC, whatever the offset
//     says, by Microsoft's rule (DOC, "Stand-Alone JSON Serialization"). Never
//     seen from Exact.
//   - "2026-06-25T16:56:08.063", alone or within datetime'…': a reading. REC.
//   - the same with Z, +02:00 or +0200: an instant. Never seen from Exact.
//
// An empty text appends nothing, which is null. false is for everything else,
// years outside of 0001 to 9998 included. Milliseconds become no or three
// digits; a fraction that is written keeps its digits, at most six of them.
func (c *clock) instant(dst, raw []byte) ([]byte, bool) {
	if len(raw) == 2 && raw[0] == '"' && raw[1] == '"' {
		return dst, true
	}
	var v value
	if !v.parse(raw) {
		return dst, false
	}
	if v.zoned {
		return v.appendTo(dst, v.reading-v.offset)
	}
	return v.appendTo(dst, c.instantOf(v.reading))
}

// date is [clock.instant] for properties other than Created, Modified and
// DeletedDate: midnight, on the clock by which the value is written, is a pure
// date and is not shifted, lest it land on the day before. GUESS.
func (c *clock) date(dst, raw []byte) ([]byte, bool) {
	var v value
	if v.parse(raw) && v.micros == 0 && v.reading%daySeconds == 0 {
		return v.appendTo(dst, v.reading)
	}
	return c.instant(dst, raw)
}

// from returns the OData literal of t as a lower bound (ge): no row whose true
// instant is t or later has a lower reading. The first time in the hour that
// comes twice, that is the beginning of the second.
func (c *clock) from(t time.Time) string { return literal(c.lowest(t)) }

// to returns the OData literal of t as an upper bound (le): no row whose true
// instant is t or earlier has a higher reading. The second time in the hour
// that comes twice, and for as long as the clock then shows no more, that is
// the end of the first.
func (c *clock) to(t time.Time) string { return literal(c.highest(t)) }

// floor returns the least instant that [clock.instant] may have made of a row
// whose true instant is t or later. What is below it may be dropped.
func (c *clock) floor(t time.Time) time.Time {
	sec, ms := split(c.lowest(t))
	return time.Unix(c.instantOf(sec), ms*1e6).UTC()
}

// instantOf returns the instant of a reading.
func (c *clock) instantOf(reading int64) int64 {
	back := cycles(reading)
	reading -= back
	low, high := 0, len(c.eras)
	for high-low > 1 {
		if mid := int(uint(low+high) >> 1); c.eras[mid].first <= reading {
			low = mid
		} else {
			high = mid
		}
	}
	return reading - c.eras[low].offset + back
}

// lowest returns the lowest reading, in milliseconds, at t or any time after.
func (c *clock) lowest(t time.Time) int64 {
	sec := min(max(t.Unix(), firstSecond), finalSecond)
	back := cycles(sec)
	sec -= back
	i := c.eraAt(sec)
	low := (sec+c.eras[i].offset)*1000 + int64(t.Nanosecond()/1e6)
	for _, next := range c.eras[i+1:] {
		if next.at > sec+reach {
			break
		}
		low = min(low, (next.at+next.offset)*1000)
	}
	return low + back*1000
}

// highest returns the highest reading, in milliseconds, at t or any time before.
func (c *clock) highest(t time.Time) int64 {
	sec := min(max(t.Unix(), firstSecond), finalSecond)
	back := cycles(sec)
	sec -= back
	i := c.eraAt(sec)
	high := (sec+c.eras[i].offset)*1000 + int64((t.Nanosecond()+1e6-1)/1e6)
	for ; i > 0 && c.eras[i].at > sec-reach; i-- {
		high = max(high, (c.eras[i].at+c.eras[i-1].offset)*1000)
	}
	return high + back*1000
}

// eraAt returns the index of the era in which an instant lies.
func (c *clock) eraAt(sec int64) int {
	return sort.Search(len(c.eras), func(i int) bool { return c.eras[i].at > sec }) - 1
}

// cycles returns by how much a time is put back to be looked up.
func cycles(sec int64) int64 {
	if sec < tableEnd {
		return 0
	}
	return ((sec-tableEnd)/cycle + 1) * cycle
}

// literal writes a reading in milliseconds as Exact's filters want it: with its
// time (CLIENT: a date alone fails on some), without a zone, and without a
// fraction that is zero, as DOC has it; .617 is REC.
func literal(ms int64) string {
	sec, ms := split(min(max(ms, firstSecond*1000), finalSecond*1000+999))
	b := append(make([]byte, 0, 40), "datetime'"...)
	b = appendSeconds(b, sec)
	if ms != 0 {
		b = appendFraction(b, int(ms)*1000, 3)
	}
	return string(append(b, '\''))
}

// split cuts milliseconds into seconds and what is left, which is not negative.
func split(ms int64) (sec, rest int64) {
	sec, rest = ms/1000, ms%1000
	if rest < 0 {
		sec, rest = sec-1, rest+1000
	}
	return sec, rest
}

// value is a time as it is written.
type value struct {
	reading int64 // by the clock that it is written by
	micros  int   // the fraction
	digits  int   // how many of it to write
	zoned   bool  // it says how far that clock is from UTC
	offset  int64 // that far
}

// longest bounds a text: datetime'…' around nine digits of fraction and an
// offset, and some more.
const longest = 64

// parse reads a JSON string. What else raw may be is no time.
func (v *value) parse(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		// Microsoft's writers escape the slash: \/Date(…)\/.
		if len(text) > 6*longest {
			return false
		}
		var room [longest]byte
		return v.parseText(jsonspan.Unescape(room[:0], text))
	}
	return v.parseText(text)
}

func (v *value) parseText(s []byte) bool {
	const ticks, quoted = "/Date(", "datetime'"
	switch {
	case len(s) > longest:
		return false
	case len(s) > len(ticks)+2 && string(s[:len(ticks)]) == ticks && s[len(s)-2] == ')' && s[len(s)-1] == '/':
		return v.parseTicks(s[len(ticks) : len(s)-2])
	case len(s) > len(quoted) && string(s[:len(quoted)]) == quoted && s[len(s)-1] == '\'':
		s = s[len(quoted) : len(s)-1]
	}
	return v.parseStamp(s)
}

// parseTicks reads the milliseconds within /Date(…)/.
func (v *value) parseTicks(s []byte) bool {
	negative := s[0] == '-'
	if negative {
		s = s[1:]
	}
	n, ms := 0, int64(0)
	for n < len(s) && s[n]-'0' <= 9 {
		ms = ms*10 + int64(s[n]-'0')
		n++
	}
	if n == 0 || n > 15 { // the last of the year 9999 has 15
		return false
	}
	if negative {
		ms = -ms
	}
	v.reading, ms = split(ms)
	if ms != 0 {
		v.micros, v.digits = int(ms)*1000, 3
	}
	if n == len(s) {
		return true
	}
	if len(s) != n+5 || !v.parseZone(s[n:]) {
		return false
	}
	v.reading += v.offset
	return true
}

// parseStamp reads YYYY-MM-DDTHH:MM:SS, and a fraction and a zone if they are
// there.
func (v *value) parseStamp(s []byte) bool {
	const shape = "YYYY-MM-DDTHH:MM:SS"
	if len(s) < len(shape) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return false
	}
	century, year := two(s), two(s[2:])
	month, day := two(s[5:]), two(s[8:])
	hour, minute, second := two(s[11:]), two(s[14:]), two(s[17:])
	if century > 99 || year > 99 || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	year += century * 100
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return false
	}
	v.reading = daysOf(year, month, day)*daySeconds + int64(hour*3600+minute*60+second)
	s = s[len(shape):]
	if len(s) > 0 && s[0] == '.' {
		n, place := 1, 100_000
		for ; n < len(s) && s[n]-'0' <= 9; n++ {
			v.micros += int(s[n]-'0') * place
			place /= 10
		}
		if n == 1 {
			return false
		}
		v.digits = min(n-1, 6)
		s = s[n:]
	}
	return len(s) == 0 || v.parseZone(s)
}

// parseZone reads Z, ±HH:MM or ±HHMM.
func (v *value) parseZone(s []byte) bool {
	v.zoned = true
	if len(s) == 1 {
		return s[0] == 'Z'
	}
	if len(s) == 6 && s[3] == ':' {
		s = []byte{s[0], s[1], s[2], s[4], s[5]}
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return false
	}
	hours, minutes := two(s[1:]), two(s[3:])
	if hours > 23 || minutes > 59 {
		return false
	}
	v.offset = int64(hours*3600 + minutes*60)
	if s[0] == '-' {
		v.offset = -v.offset
	}
	return true
}

// two reads two digits; more than 99 if they are none.
func two(s []byte) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return int(tens)*10 + int(ones)
}

// appendTo appends the instant with the value's fraction, as a JSON string.
func (v *value) appendTo(dst []byte, instant int64) ([]byte, bool) {
	if instant < firstSecond || instant > lastSecond {
		return dst, false
	}
	dst = appendSeconds(append(dst, '"'), instant)
	if v.digits > 0 {
		dst = appendFraction(dst, v.micros, v.digits)
	}
	return append(dst, 'Z', '"'), true
}

// appendSeconds appends YYYY-MM-DDTHH:MM:SS, for the years 0000 to 9999.
func appendSeconds(dst []byte, sec int64) []byte {
	days, rest := sec/daySeconds, int(sec%daySeconds)
	if rest < 0 {
		days, rest = days-1, rest+daySeconds
	}
	year, month, day := calendar(days)
	out := [...]byte{0, 0, 0, 0, '-', 0, 0, '-', 0, 0, 'T', 0, 0, ':', 0, 0, ':', 0, 0}
	putTwo(out[0:], year/100)
	putTwo(out[2:], year%100)
	putTwo(out[5:], month)
	putTwo(out[8:], day)
	putTwo(out[11:], rest/3600)
	putTwo(out[14:], rest/60%60)
	putTwo(out[17:], rest%60)
	return append(dst, out[:]...)
}

// appendFraction appends a point and the first digits of six.
func appendFraction(dst []byte, micros, digits int) []byte {
	out := [7]byte{'.'}
	putTwo(out[1:], micros/10_000)
	putTwo(out[3:], micros/100%100)
	putTwo(out[5:], micros%100)
	return append(dst, out[:1+digits]...)
}

func putTwo(b []byte, n int) { b[0], b[1] = byte('0'+n/10), byte('0'+n%10) }

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

// epoch is the day of 1970-01-01 counted from 0000-03-01. Years that start in
// March have their leap day last.
const (
	epoch      = 719468
	cycleDays  = cycle / daySeconds
	cycleYears = 400
)

// daysOf returns the days since 1970-01-01.
func daysOf(year, month, day int) int64 {
	y, m := year+cycleYears, month-3 // a cycle more, so that none is negative
	if m < 0 {
		y, m = y-1, m+12
	}
	return int64(y*365 + y/4 - y/100 + y/400 + (153*m+2)/5 + day - 1 - epoch - cycleDays)
}

// calendar is the inverse of daysOf.
func calendar(days int64) (year, month, day int) {
	d := int(days) + epoch + cycleDays
	cycles := d / cycleDays
	d -= cycles * cycleDays
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= y*365 + y/4 - y/100
	m := (5*d + 2) / 153
	day = d - (153*m+2)/5 + 1
	year = y + (cycles-1)*cycleYears
	if month = m + 3; month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}
