package exactonline

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// me is what current/Me tells. ServerTime is the site's wall clock, the offset
// is in seconds. REC. Both only check what is documented, so whatever they hold
// is read.
type me struct {
	CurrentDivision json.Number
	ServerTime      json.RawMessage
	ServerUtcOffset json.RawMessage
}

// open asks who signed in: the list of divisions is found below the division
// that is open in the user's browser, and the site's clock by its offset. The
// call is not counted (DOC, API limits).
func open(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Param, error) {
	resp, err := f.Fetch(ctx, &stream.Request{URL: "current/Me", Resource: "current_me"})
	if err != nil {
		return nil, whole(err)
	}
	defer release(resp)
	rows, _, err := list[me](resp)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].CurrentDivision == "" {
		return nil, shape(resp, "does not tell the current division")
	}
	zone, doubt := zoneOf(c.Text(keyRegion), rows[0])
	if doubt != "" {
		stream.Warn(ctx, doubt)
	}
	return []stream.Param{{Name: keyDivision, Value: rows[0].CurrentDivision.String()}, {Name: keyZone, Value: zone}}, nil
}

// centralEurope is the zone of the service's times: "in CET, not GMT" (DOC, FAQ),
// an hour more in summer (REC, recorded on .fr).
const centralEurope = "Europe/Amsterdam"

// unverified are the sites of which nobody has shown that, with the zones that
// their clock may be in instead (GUESS): there the offset that the service tells
// decides. Elsewhere it can only cast doubt.
var unverified = map[string][]string{
	"uk": {"Europe/London", "UTC"},
	"es": {"Europe/London", "UTC"},
	"us": {"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "UTC"},
}

// zoneOf names the zone of the site's clock, and tells in a sentence what speaks
// against it, or against the documented one; "" for nothing.
func zoneOf(region string, m me) (zone, doubt string) {
	others, open := unverified[region]
	at, offset, told := m.clock()
	switch {
	case !told && open:
		return centralEurope, "current/Me does not tell the site's clock: the times of the " + region + " site are read as " + centralEurope + ", which is documented for others"
	case !told || offsetIn(centralEurope, at) == offset:
		return centralEurope, ""
	}
	says := fmt.Sprintf("current/Me tells that the site's clock is %s from UTC at %s, and %s, the documented zone, is at %s: the times of the %s site are read as ",
		east(offset), at.Format(time.RFC3339), centralEurope, east(offsetIn(centralEurope, at)), region)
	for _, name := range others {
		if offsetIn(name, at) == offset {
			return name, says + name
		}
	}
	return centralEurope, says + centralEurope + " all the same; compare some with the browser, and region with its address"
}

// clock reads the moment that current/Me tells, and how far the site's clock is
// from UTC; ok is false where it does not tell both. The offset may be text.
func (m *me) clock() (at time.Time, offset int, ok bool) {
	const most = 26 * 60 * 60 // offsets in use lie that far apart
	var text string
	if json.Unmarshal(m.ServerTime, &text) != nil {
		return at, 0, false
	}
	at, err := time.Parse("2006-01-02T15:04:05.999999999", strings.TrimSpace(text))
	if err != nil {
		return at, 0, false
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(strings.Trim(string(m.ServerUtcOffset), `"`)), 64)
	if err != nil || seconds != math.Trunc(seconds) || math.Abs(seconds) > most {
		return at, 0, false
	}
	offset = int(seconds)
	return at.Add(-time.Duration(offset) * time.Second), offset, true
}

// offsetIn is how many seconds east of UTC a zone is at a moment.
func offsetIn(name string, at time.Time) int {
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC // invariant: the program holds the zones
	}
	_, offset := at.In(loc).Zone()
	return offset
}

// east writes an offset as +02:00.
func east(offset int) string {
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	text := fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset/60%60)
	if s := offset % 60; s != 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text
}

// clockOf returns the site's clock. Making one takes a millisecond, so it is kept.
func clockOf(c stream.Config) *clock {
	name := c.Text(keyZone)
	if name == "" {
		name = centralEurope
	}
	if k, ok := clocks.Load(name); ok {
		return k.(*clock)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC // invariant: zoneOf has loaded it, and the program holds the zones
	}
	k, _ := clocks.LoadOrStore(name, newClock(loc))
	return k.(*clock)
}

var clocks sync.Map

// conversion returns how a DateTime is read: three of them, and the tap's own
// time of a deletion, are instants, the others may be plain dates.
func conversion(c stream.Config, property string) func(dst, raw []byte) ([]byte, bool) {
	k := clockOf(c)
	switch property {
	case "Created", "Modified", "DeletedDate", stream.DeletedAt:
		return k.instant
	}
	return k.date
}
