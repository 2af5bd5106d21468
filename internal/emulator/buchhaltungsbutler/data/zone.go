package data

import (
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	second = 1_000_000 // in microseconds, which the clocks of rows count in
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// noDay is the date of what has none.
const noDay = -1 << 62

// lastSunday is the last Sunday of a month of 31 days, in days since 1970.
func lastSunday(year, month int) int64 {
	d := rows.Days(year, month, 31)
	return d - ((d+4)%7+7)%7 // 1 January 1970 was a Thursday
}

// offset is how far the site's clock is ahead of UTC at an instant, in
// microseconds: Germany by the rule of the EU, computed so that no time zone
// database is needed, or UTC (the zone is a GUESS).
func (c *Company) offset(micros int64) int64 {
	if c.opts.Switches.UTC {
		return 0
	}
	year, _, _ := rows.Civil(floorDay(micros))
	from, to := lastSunday(year, 3)*day+hour, lastSunday(year, 10)*day+hour
	if micros >= from && micros < to {
		return 2 * hour
	}
	return hour
}

// wall is what the site's clock shows at an instant, in microseconds.
func (c *Company) wall(micros int64) int64 { return micros + c.offset(micros) }

// midnight is the instant at which a day begins at the site; the clock is
// never put forward or back then.
func (c *Company) midnight(days int64) int64 {
	at := days * day
	return at - c.offset(at-hour)
}

// Today is the date at the site.
func (c *Company) Today(now time.Time) int64 { return floorDay(c.wall(now.UnixMicro())) }

func floorDay(micros int64) int64 {
	if micros < 0 {
		micros -= day - 1
	}
	return micros / day
}
