package data

import (
	"strconv"
	"sync"
	"time"
)

const (
	second = 1000
	hour   = 3600 * second
	day    = 24 * hour
)

// summers holds, per year from 1970, the first and the last millisecond of
// summer time in the EU: the last Sundays of March and October, 01:00 UTC. The
// rule is computed so that no time zone database is needed, and it is applied
// to years before it was law, too: made up values do not care.
var summers = sync.OnceValue(func() [200][2]int64 {
	var out [200][2]int64
	for k := range out {
		for side, month := range []time.Month{time.March, time.October} {
			last := time.Date(1970+k, month, 31, 1, 0, 0, 0, time.UTC)
			out[k][side] = last.AddDate(0, 0, -int(last.Weekday())).UnixMilli()
		}
	}
	return out
})

// wall turns milliseconds since 1970 into the wall clock of Amsterdam written
// as if it were UTC, which is what the service stores, sends and filters by
// (REC: an order of 14:28:10 GMT came back as 16:28:10).
func wall(ms int64) int64 {
	year := time.UnixMilli(ms).UTC().Year() - 1970
	table := summers()
	if year >= 0 && year < len(table) && ms >= table[year][0] && ms < table[year][1] {
		return ms + 2*hour
	}
	return ms + hour
}

// appendWall writes a wall clock as the literals of OData 2 do, without zeros
// at the end of the fraction.
func appendWall(dst []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999")
}

// readWall reads the inside of a datetime literal. A Z is accepted and shifted
// into the wall clock (CLIENT field note); no other zone is.
func readWall(text string) (ms int64, ok bool) {
	for _, form := range []string{"2006-01-02T15:04:05Z", "2006-01-02T15:04Z"} {
		if t, err := time.Parse(form, text); err == nil {
			return wall(t.UnixMilli()), true
		}
	}
	for _, form := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// appendDate writes the form of JSON: milliseconds since 1970, maybe negative.
func appendDate(dst []byte, ms int64) []byte {
	dst = append(dst, `"/Date(`...)
	dst = strconv.AppendInt(dst, ms, 10)
	return append(dst, `)/"`...)
}
