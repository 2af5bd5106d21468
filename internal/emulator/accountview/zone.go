package accountview

import (
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	minute = 60
	hour   = 3600
	day    = 86400
)

// summers holds, per year from 1970, the first and the last second of summer
// time in the EU: the last Sundays of March and October, 01:00 UTC. The rule is
// computed so that no time zone database is needed.
var summers = sync.OnceValue(func() [200][2]int64 {
	var out [200][2]int64
	for k := range out {
		for side, month := range []time.Month{time.March, time.October} {
			last := time.Date(1970+k, month, 31, 1, 0, 0, 0, time.UTC)
			out[k][side] = last.AddDate(0, 0, -int(last.Weekday())).Unix()
		}
	}
	return out
})

// wall is what a clock in the Netherlands shows at an instant, in seconds since
// 1970 as if it showed UTC. GUESS: the zone; rows carry none.
func wall(at time.Time) int64 {
	seconds := at.Unix()
	return seconds + offset(seconds)*minute
}

// offset is that of Dutch time at an instant, in minutes.
func offset(seconds int64) int64 {
	year := time.Unix(seconds, 0).UTC().Year() - 1970
	table := summers()
	if year >= 0 && year < len(table) && seconds >= table[year][0] && seconds < table[year][1] {
		return 120
	}
	return 60
}

// shown puts a reading that no clock ever showed, in the hour that was left out
// in March, an hour ahead.
func shown(reading int64) int64 {
	year := time.Unix(reading, 0).UTC().Year() - 1970
	table := summers()
	if year >= 0 && year < len(table) && reading >= table[year][0]+hour && reading < table[year][0]+2*hour {
		return reading + hour
	}
	return reading
}

// date is the first second of a day.
func date(year, month, dayOfMonth int) int64 { return rows.Days(year, month, dayOfMonth) * day }

// appendTime writes a reading of the clock as answers have it, without a zone
// (REAL); zoned adds the offset that Dutch time has then.
func appendTime(dst []byte, reading int64, zoned bool) []byte {
	days := reading / day
	rest := reading % day
	dst = rows.AppendDate(append(dst, '"'), days)
	dst = append(dst, 'T')
	dst = append(append2(dst, rest/hour), ':')
	dst = append(append2(dst, rest/minute%60), ':')
	dst = append2(dst, rest%60)
	if zoned {
		if offset(reading-2*hour) == 120 {
			dst = append(dst, "+02:00"...)
		} else {
			dst = append(dst, "+01:00"...)
		}
	}
	return append(dst, '"')
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// yearOf is the year of a reading of the clock.
func yearOf(reading int64) int {
	y, _, _ := rows.Civil(reading / day)
	return y
}
