package exactonline

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Zones of Exact's sites, and some that change in ways of their own: by half an
// hour, in the other half of the year, by a whole day, with offsets in seconds.
var zoneNames = []string{
	"Europe/Amsterdam", "Europe/Amsterdam", "Europe/Amsterdam", "Europe/London", "Europe/Berlin", "Europe/Madrid", "America/New_York",
	"Europe/Dublin", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Apia", "Africa/Monrovia",
}

// zoned is a clock and the zone data that it stands on.
type zoned struct {
	*clock
	loc *time.Location
}

func zonedClocks(t *testing.T) []zoned {
	t.Helper()
	byName := map[string]zoned{}
	var all []zoned
	for _, name := range zoneNames {
		if _, ok := byName[name]; !ok {
			loc := zone(t, name)
			byName[name] = zoned{newClock(loc), loc}
		}
		all = append(all, byName[name])
	}
	return all
}

// shown returns what the zone's clock shows at t.
func (z zoned) shown(t time.Time) time.Time {
	_, offset := t.In(z.loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// anytime draws an instant in whole microseconds, most of them near a change of
// the offset.
func (z zoned) anytime(t *rapid.T) time.Time {
	at := time.UnixMicro(rapid.Int64Range(-5_000_000_000, 50_000_000_000).Draw(t, "second")*1e6 + rapid.Int64Range(0, 999_999).Draw(t, "micros")).UTC()
	if rapid.IntRange(0, 4).Draw(t, "far") == 0 {
		return at
	}
	if _, change := at.In(z.loc).ZoneBounds(); !change.IsZero() {
		at = change.UTC().Add(time.Duration(rapid.Int64Range(-3*3600e6, 3*3600e6).Draw(t, "near")) * time.Microsecond)
	}
	return at
}

// later draws a span of time, most of them short.
func later(t *rapid.T) time.Duration {
	most := rapid.SampledFrom([]int64{0, 1, 1e3, 1e6, 3600e6, 3 * 3600e6, 72 * 3600e6, 40 * 365 * 24 * 3600e6}).Draw(t, "most")
	return time.Duration(rapid.Int64Range(0, most).Draw(t, "later")) * time.Microsecond
}

// reading returns the time within a literal.
func reading(t require.TestingT, literal string) time.Time {
	text, ok := strings.CutPrefix(literal, "datetime'")
	require.True(t, ok, literal)
	at, err := time.Parse("2006-01-02T15:04:05'", text)
	require.NoError(t, err)
	return at
}

// emittedFor returns the instant that is made of a row which was written at u.
func (z zoned) emittedFor(t *rapid.T, u time.Time) time.Time {
	raw := z.shown(u).AppendFormat(nil, `"2006-01-02T15:04:05.000000"`)
	if rapid.Bool().Draw(t, "ticks") {
		ms := z.shown(u).UnixMilli() // cuts down
		raw = time.UnixMilli(ms).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000"`)
	}
	out, ok := z.instant(nil, raw)
	require.True(t, ok, string(raw))
	at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(out))
	require.NoError(t, err)
	return at.UTC()
}

// No row is lost, whatever the clock did in between.
func TestBoundsLoseNothing(t *testing.T) {
	clocks := zonedClocks(t)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(clocks).Draw(t, "zone")
		at := z.anytime(t)
		after, before := at.Add(later(t)), at.Add(-later(t))
		require.False(t, z.shown(after).Before(reading(t, z.from(at))), "%s: from(%s) = %s, row of %s shows %s", z.loc, at, z.from(at), after, z.shown(after))
		require.False(t, z.shown(before).After(reading(t, z.to(at))), "%s: to(%s) = %s, row of %s shows %s", z.loc, at, z.to(at), before, z.shown(before))
		emitted := z.emittedFor(t, after)
		require.False(t, emitted.Before(z.floor(at)), "%s: floor(%s) = %s, row of %s is %s", z.loc, at, z.floor(at), after, emitted)
	})
}

// A bookmark is an emitted instant: the rows from the moment on at which its row
// was written lie at or above its bound.
func TestBookmarksLoseNothing(t *testing.T) {
	clocks := zonedClocks(t)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(clocks).Draw(t, "zone")
		written := z.anytime(t)
		bookmark, next := z.emittedFor(t, written), written.Add(later(t))
		require.False(t, bookmark.After(written), "bookmarks never run ahead")
		require.False(t, z.shown(next).Before(reading(t, z.from(bookmark))), "%s: row of %s, bookmark %s, from %s", z.loc, next, bookmark, z.from(bookmark))
	})
}

// Bounds are not wider than they have to be: there is a row at each.
func TestBoundsAreTight(t *testing.T) {
	z := zoned{dutch(t), zone(t, "Europe/Amsterdam")}
	rapid.Check(t, func(t *rapid.T) {
		second := rapid.Int64Range(300_000_000, 20_000_000_000).Draw(t, "second") // since 1979, when changes lie on full hours
		at := time.Unix(second, 0).UTC()
		if _, change := at.In(z.loc).ZoneBounds(); rapid.Bool().Draw(t, "near") {
			at = change.UTC().Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "seconds")) * time.Second)
		}
		low, high := z.shown(at), z.shown(at)
		for d := time.Hour; d <= 3*time.Hour; d += time.Hour {
			if change := at.Truncate(time.Hour).Add(d); z.shown(change).Before(low) {
				low = z.shown(change)
			}
			if change := at.Truncate(time.Hour).Add(time.Hour - d); z.shown(change.Add(-1)).Add(1).After(high) {
				high = z.shown(change.Add(-1)).Add(1)
			}
		}
		require.Equal(t, low, reading(t, z.from(at)), "from(%s)", at)
		require.Equal(t, high, reading(t, z.to(at)), "to(%s)", at)
	})
}

// A reading means the first instant at which the clock showed it, in every zone
// and century.
func TestReadingsMeanTheFirst(t *testing.T) {
	clocks := zonedClocks(t)
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(clocks).Draw(t, "zone")
		at := z.anytime(t).Truncate(time.Second)
		shown, first := z.shown(at), at
		for h := -48; h <= 48; h++ {
			_, offset := at.Add(time.Duration(h) * time.Hour).In(z.loc).Zone()
			if u := shown.Add(-time.Duration(offset) * time.Second); u.Before(first) && z.shown(u).Equal(shown) {
				first = u
			}
		}
		require.Equal(t, first.Unix(), z.instantOf(shown.Unix()), "%s: %s", z.loc, shown)
	})
}

// Before 1977 there is no table but the zone database's: local mean time, the
// changes between the wars and the German time of 1940.
func TestReadingsOfThePast(t *testing.T) {
	z := zoned{dutch(t), zone(t, "Europe/Amsterdam")}
	end, again := utc(t, "1977-01-01T00:00:00Z"), 0
	for at := utc(t, "1830-01-01T00:00:00Z"); at.Before(end); at = at.Add(47*time.Minute + 11*time.Second) {
		shown, first := z.shown(at), at
		if start, _ := at.In(z.loc).ZoneBounds(); !start.IsZero() {
			// What the clock showed up to the change, it shows again after.
			if until := z.shown(start.Add(-time.Second)); !shown.After(until) {
				first = shown.Add(-until.Sub(start.Add(-time.Second)))
				again++
			}
		}
		if got := z.instantOf(shown.Unix()); got != first.Unix() {
			require.Equal(t, first, time.Unix(got, 0).UTC(), "%s", shown)
		}
	}
	require.Positive(t, again)
}
