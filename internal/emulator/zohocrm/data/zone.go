package data

import (
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	second = 1_000_000 // in microseconds, which the clocks of rows count in
	daySec = 86400
)

// summers holds, per year from 1970, the first and the last second of summer
// time in the EU: the last Sundays of March and October, 01:00 UTC. It is
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

// zone is the time zone of the user who authorised the client; every instant
// is written in it (CLIENT).
type zone struct {
	loc    *time.Location // nil: Europe/Amsterdam by the rule of the EU
	summer *[200][2]int64
}

func newZone(loc *time.Location) zone {
	table := summers()
	return zone{loc, &table}
}

// offset is how many minutes the zone is ahead of UTC.
func (z zone) offset(sec int64) int {
	if z.loc != nil {
		_, seconds := time.Unix(sec, 0).In(z.loc).Zone()
		return seconds / 60
	}
	year := int(sec / daySec * 400 / 146097) // of 365.2425 days: a day off at New Year does not matter
	if sec < 0 || year >= len(z.summer) {
		return 60
	}
	if s := z.summer[year]; sec >= s[0] && sec < s[1] {
		return 120
	}
	return 60
}

// append writes an instant as YYYY-MM-DDTHH:MM:SS+HH:MM, whole seconds and a
// numeric offset even in UTC.
func (z zone) append(dst []byte, sec int64) []byte {
	offset := z.offset(sec)
	dst = rows.AppendInstant(dst, sec*second, offset)
	if offset == 0 {
		dst = append(dst[:len(dst)-1], "+00:00"...)
	}
	return dst
}

func (z zone) text(sec int64) string { return string(z.append(nil, sec)) }

// parseTime reads an instant with an offset and without a fraction.
func parseTime(s string) (sec int64, ok bool) {
	t, err := time.Parse("2006-01-02T15:04:05Z07:00", s)
	if err != nil || strings.ContainsAny(s, ".,") {
		return 0, false // GUESS: a fraction is refused here as in a bulk read (DOC)
	}
	return t.Unix(), true
}
