package oracle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A source whose table converts times by itself is judged by this file alone:
// contract.md §4 on times that a service writes as the clock at its site shows
// them, "/Date(ms)/" with the reading taken for UTC. No time zone database and
// none of the tap's conversions are asked.

// wallInstants are instants even at midnight; any other property at midnight is
// a plain date (contract.md §4).
var wallInstants = []string{"Created", "Modified", "DeletedDate", stream.DeletedAt}

// ChangedAt is the one of them that tells when a row changed last.
const ChangedAt = "Modified"

// dutchSummers are the days on which the clocks of the Netherlands were put
// forward and back, from the first year in which they were. Both changes are at
// three o'clock as summer time counts.
var dutchSummers = map[int][2]string{
	1977: {"04-03", "09-25"}, 1978: {"04-02", "10-01"}, 1979: {"04-01", "09-30"}, 1980: {"04-06", "09-28"},
	1981: {"03-29", "09-27"}, 1982: {"03-28", "09-26"}, 1983: {"03-27", "09-25"}, 1984: {"03-25", "09-30"},
	1985: {"03-31", "09-29"}, 1986: {"03-30", "09-28"}, 1987: {"03-29", "09-27"}, 1988: {"03-27", "09-25"},
	1989: {"03-26", "09-24"}, 1990: {"03-25", "09-30"}, 1991: {"03-31", "09-29"}, 1992: {"03-29", "09-27"},
	1993: {"03-28", "09-26"}, 1994: {"03-27", "09-25"}, 1995: {"03-26", "09-24"}, 1996: {"03-31", "10-27"},
	1997: {"03-30", "10-26"}, 1998: {"03-29", "10-25"}, 1999: {"03-28", "10-31"}, 2000: {"03-26", "10-29"},
	2001: {"03-25", "10-28"}, 2002: {"03-31", "10-27"}, 2003: {"03-30", "10-26"}, 2004: {"03-28", "10-31"},
	2005: {"03-27", "10-30"}, 2006: {"03-26", "10-29"}, 2007: {"03-25", "10-28"}, 2008: {"03-30", "10-26"},
	2009: {"03-29", "10-25"}, 2010: {"03-28", "10-31"}, 2011: {"03-27", "10-30"}, 2012: {"03-25", "10-28"},
	2013: {"03-31", "10-27"}, 2014: {"03-30", "10-26"}, 2015: {"03-29", "10-25"}, 2016: {"03-27", "10-30"},
	2017: {"03-26", "10-29"}, 2018: {"03-25", "10-28"}, 2019: {"03-31", "10-27"}, 2020: {"03-29", "10-25"},
	2021: {"03-28", "10-31"}, 2022: {"03-27", "10-30"}, 2023: {"03-26", "10-29"}, 2024: {"03-31", "10-27"},
	2025: {"03-30", "10-26"}, 2026: {"03-29", "10-25"}, 2027: {"03-28", "10-31"}, 2028: {"03-26", "10-29"},
	2029: {"03-25", "10-28"}, 2030: {"03-31", "10-27"}, 2031: {"03-30", "10-26"}, 2032: {"03-28", "10-31"},
	2033: {"03-27", "10-30"}, 2034: {"03-26", "10-29"}, 2035: {"03-25", "10-28"},
}

var dateForm = regexp.MustCompile(`^/Date\((-?[0-9]+)\)/$`)

// wallTime turns a value into its canonical text; false where it is no time.
func wallTime(name, text string) (string, bool) {
	if text == "" {
		return "null", true
	}
	reading, ok := WallReading(text)
	if !ok {
		return "null", false
	}
	if !slices.Contains(wallInstants, name) && reading.Equal(reading.Truncate(24*time.Hour)) {
		return inRange(reading)
	}
	return inRange(FromWall(reading))
}

// WallReading is what the clock showed, as if it showed UTC.
func WallReading(text string) (time.Time, bool) {
	if m := dateForm.FindStringSubmatch(text); m != nil {
		ms, err := strconv.ParseInt(m[1], 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	}
	for _, form := range localForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// FromWall is the instant of a reading. One that comes twice is read as summer
// time; one that is left out, by the clock that was not put forward yet.
func FromWall(reading time.Time) time.Time {
	offset := time.Hour
	if days, ok := dutchSummers[reading.Year()]; ok {
		shown := reading.Format("01-02 15:04:05")
		if strings.Compare(shown, days[0]+" 03:00:00") >= 0 && strings.Compare(shown, days[1]+" 03:00:00") < 0 {
			offset = 2 * time.Hour
		}
	}
	return reading.Add(-offset)
}

// onlyLinks tells a member that carries nothing but a link (contract.md §4).
func onlyLinks(raw json.RawMessage) bool {
	if raw[0] != '{' {
		return false
	}
	list, err := Flat(raw)
	return err == nil && len(list) == 1 && list[0].Name == "__deferred"
}
