package exactonline

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// summers are the first and last days of summer time in the Netherlands. The
// clock changes at 01:00 UTC on each: from 02:00 to 03:00, from 03:00 to 02:00.
// Since 1996 these are the last Sundays of March and October (directive
// 2000/84/EC and the ones before it). Written down, so that what is tested is
// not compared with itself.
var summers = [][2]string{
	{"1977-04-03", "1977-09-25"},
	{"1978-04-02", "1978-10-01"},
	{"1979-04-01", "1979-09-30"},
	{"1980-04-06", "1980-09-28"},
	{"1981-03-29", "1981-09-27"},
	{"1982-03-28", "1982-09-26"},
	{"1983-03-27", "1983-09-25"},
	{"1984-03-25", "1984-09-30"},
	{"1985-03-31", "1985-09-29"},
	{"1986-03-30", "1986-09-28"},
	{"1987-03-29", "1987-09-27"},
	{"1988-03-27", "1988-09-25"},
	{"1989-03-26", "1989-09-24"},
	{"1990-03-25", "1990-09-30"},
	{"1991-03-31", "1991-09-29"},
	{"1992-03-29", "1992-09-27"},
	{"1993-03-28", "1993-09-26"},
	{"1994-03-27", "1994-09-25"},
	{"1995-03-26", "1995-09-24"},
	{"1996-03-31", "1996-10-27"},
	{"1997-03-30", "1997-10-26"},
	{"1998-03-29", "1998-10-25"},
	{"1999-03-28", "1999-10-31"},
	{"2000-03-26", "2000-10-29"},
	{"2001-03-25", "2001-10-28"},
	{"2002-03-31", "2002-10-27"},
	{"2003-03-30", "2003-10-26"},
	{"2004-03-28", "2004-10-31"},
	{"2005-03-27", "2005-10-30"},
	{"2006-03-26", "2006-10-29"},
	{"2007-03-25", "2007-10-28"},
	{"2008-03-30", "2008-10-26"},
	{"2009-03-29", "2009-10-25"},
	{"2010-03-28", "2010-10-31"},
	{"2011-03-27", "2011-10-30"},
	{"2012-03-25", "2012-10-28"},
	{"2013-03-31", "2013-10-27"},
	{"2014-03-30", "2014-10-26"},
	{"2015-03-29", "2015-10-25"},
	{"2016-03-27", "2016-10-30"},
	{"2017-03-26", "2017-10-29"},
	{"2018-03-25", "2018-10-28"},
	{"2019-03-31", "2019-10-27"},
	{"2020-03-29", "2020-10-25"},
	{"2021-03-28", "2021-10-31"},
	{"2022-03-27", "2022-10-30"},
	{"2023-03-26", "2023-10-29"},
	{"2024-03-31", "2024-10-27"},
	{"2025-03-30", "2025-10-26"},
	{"2026-03-29", "2026-10-25"},
	{"2027-03-28", "2027-10-31"},
	{"2028-03-26", "2028-10-29"},
	{"2029-03-25", "2029-10-28"},
	{"2030-03-31", "2030-10-27"},
	{"2031-03-30", "2031-10-26"},
	{"2032-03-28", "2032-10-31"},
	{"2033-03-27", "2033-10-30"},
	{"2034-03-26", "2034-10-29"},
	{"2035-03-25", "2035-10-28"},
	{"2036-03-30", "2036-10-26"},
	{"2037-03-29", "2037-10-25"},
}

// summer is a span of summer time, in instants.
type summer struct{ from, to int64 }

func summersByTable(t testing.TB) map[int]summer {
	t.Helper()
	byYear := map[int]summer{}
	for _, s := range summers {
		from, err := time.Parse(time.DateOnly, s[0])
		require.NoError(t, err)
		to, err := time.Parse(time.DateOnly, s[1])
		require.NoError(t, err)
		require.Equal(t, time.Sunday, from.Weekday(), s[0])
		require.Equal(t, time.Sunday, to.Weekday(), s[1])
		require.Equal(t, from.Year(), to.Year())
		byYear[from.Year()] = summer{from.Unix() + 3600, to.Unix() + 3600}
	}
	require.Len(t, byYear, 2037-1977+1)
	return byYear
}

// summerByRule is for the years since 1996.
func summerByRule(year int) summer {
	lastSunday := func(month time.Month) int64 {
		last := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
		return last.AddDate(0, 0, -int(last.Weekday())).Unix()
	}
	return summer{lastSunday(time.March), lastSunday(time.October)}
}

// shown returns what a Dutch clock shows at an instant, and the instant that
// such a reading means: an hour less the second time that an hour comes.
func (s summer) shown(instant int64) (reading, meant int64) {
	switch {
	case instant >= s.from && instant < s.to:
		return instant + 7200, instant
	case instant >= s.to && instant < s.to+3600:
		return instant + 3600, instant - 3600
	}
	return instant + 3600, instant
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func dutch(t testing.TB) *clock {
	t.Helper()
	return newClock(zone(t, "Europe/Amsterdam"))
}

func utc(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at
}

// audit counts the instants that come back wrong.
type audit struct {
	c            *clock
	seen, wrong  int
	example      string
	raw, out, ok []byte
}

func (a *audit) check(instant int64, ms int, s summer) {
	reading, meant := s.shown(instant)
	a.raw = append(strconv.AppendInt(append(a.raw[:0], `"/Date(`...), reading*1000+int64(ms), 10), `)/"`...)
	out, ok := a.c.instant(a.out[:0], a.raw)
	layout := `"2006-01-02T15:04:05Z"`
	if ms != 0 {
		layout = `"2006-01-02T15:04:05.000Z"`
	}
	a.ok = time.Unix(meant, int64(ms)*1e6).UTC().AppendFormat(a.ok[:0], layout)
	a.seen++
	if a.out = out; !ok || string(out) != string(a.ok) {
		if a.wrong++; a.example == "" {
			a.example = fmt.Sprintf("%s: %s, not %s", a.raw, out, a.ok)
		}
	}
}

func (a *audit) done(t *testing.T) {
	t.Helper()
	require.Zero(t, a.wrong, "of %d: %s", a.seen, a.example)
	t.Logf("%d instants", a.seen)
}

func TestInstantWholeYears(t *testing.T) {
	byYear, random := summersByTable(t), rand.New(rand.NewPCG(1, 2))
	a := &audit{c: dutch(t)}
	for year := 2024; year <= 2026; year++ {
		end := time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		for at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); at < end; at += 97 {
			a.check(at, random.IntN(1000), byYear[year])
		}
	}
	a.done(t)
}

func TestInstantAroundChanges(t *testing.T) {
	a := &audit{c: dutch(t)}
	for year, s := range summersByTable(t) {
		span, step := int64(26*3600), int64(61)
		if year >= 2023 && year <= 2027 {
			span, step = 3*3600, 1
		}
		for _, change := range []int64{s.from, s.to} {
			for at := change - span; at <= change+span; at += step {
				a.check(at, int(at&1)*999, s)
			}
		}
	}
	a.done(t)
}

func TestInstantFarFuture(t *testing.T) {
	a := &audit{c: dutch(t)}
	table := summersByTable(t)
	for year := 1996; year <= 9998; year++ {
		s := summerByRule(year)
		if given, ok := table[year]; ok {
			require.Equal(t, given, s)
		}
		for _, at := range []int64{
			s.from - 3600, s.from - 1, s.from, s.from + 1, s.from + 3600, (s.from + s.to) / 2,
			s.to - 3600, s.to - 1, s.to, s.to + 1, s.to + 3599, s.to + 3600,
			time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(year, 12, 30, 23, 59, 59, 0, time.UTC).Unix(),
		} {
			a.check(at, 0, s)
		}
	}
	a.done(t)
}

func TestInstant(t *testing.T) {
	c := dutch(t)
	for _, tc := range []struct{ name, raw, instant, date string }{
		{"the dossier's proof, REC", `"/Date(1782404890063)/"`, `"2026-06-25T14:28:10.063Z"`, ""},
		{"slashes escaped", `"\/Date(1782404890063)\/"`, `"2026-06-25T14:28:10.063Z"`, ""},
		{"escapes without need", `"\u002fDate(1782404890063)\u002F"`, `"2026-06-25T14:28:10.063Z"`, ""},
		{"Modified of the dossier", `"/Date(1717158896173)/"`, `"2024-05-31T10:34:56.173Z"`, ""},
		{"OrderDate of the dossier", `"/Date(1717113600000)/"`, `"2024-05-30T22:00:00Z"`, `"2024-05-31T00:00:00Z"`},
		{"DeletedDate of the dossier", `"/Date(1717160000000)/"`, `"2024-05-31T10:53:20Z"`, ""},
		{"the type of DateTime in the dossier", `"/Date(1382667872203)/"`, `"2013-10-25T00:24:32.203Z"`, ""},
		{"a date in winter", `"/Date(1735689600000)/"`, `"2024-12-31T23:00:00Z"`, `"2025-01-01T00:00:00Z"`},
		{"just not midnight", `"/Date(1735689600001)/"`, `"2024-12-31T23:00:00.001Z"`, ""},
		{"zeros at the end of the fraction", `"/Date(1735689601100)/"`, `"2024-12-31T23:00:01.100Z"`, ""},
		{"1970", `"/Date(0)/"`, `"1969-12-31T23:00:00Z"`, `"1970-01-01T00:00:00Z"`},
		{"before 1970", `"/Date(-1)/"`, `"1969-12-31T22:59:59.999Z"`, ""},
		{"a date before 1970", `"/Date(-86400000)/"`, `"1969-12-30T23:00:00Z"`, `"1969-12-31T00:00:00Z"`},
		{"minus zero", `"/Date(-0)/"`, `"1969-12-31T23:00:00Z"`, `"1970-01-01T00:00:00Z"`},
		{"with an offset it is UTC", `"/Date(1717158896173+0200)/"`, `"2024-05-31T12:34:56.173Z"`, ""},
		{"whatever the offset", `"/Date(1717158896173-0930)/"`, `"2024-05-31T12:34:56.173Z"`, ""},
		{"midnight by that offset", `"/Date(1717106400000+0200)/"`, `"2024-05-30T22:00:00Z"`, `"2024-05-31T00:00:00Z"`},
		{"a literal", `"datetime'2024-05-31T12:34:56.173'"`, `"2024-05-31T10:34:56.173Z"`, ""},
		{"a literal at midnight", `"datetime'2024-05-31T00:00:00'"`, `"2024-05-30T22:00:00Z"`, `"2024-05-31T00:00:00Z"`},
		{"ServerTime", `"2026-06-25T16:56:08"`, `"2026-06-25T14:56:08Z"`, ""},
		{"ServerTime with a fraction", `"2026-06-25T16:56:08.0630000"`, `"2026-06-25T14:56:08.063000Z"`, ""},
		{"a fraction is cut", `"2026-06-25T16:56:08.1234569"`, `"2026-06-25T14:56:08.123456Z"`, ""},
		{"midnight with a fraction that is zero", `"2024-05-31T00:00:00.00"`, `"2024-05-30T22:00:00.00Z"`, `"2024-05-31T00:00:00.00Z"`},
		{"Z", `"2026-06-25T16:56:08.5Z"`, `"2026-06-25T16:56:08.5Z"`, ""},
		{"midnight Z", `"2026-06-25T00:00:00Z"`, `"2026-06-25T00:00:00Z"`, ""},
		{"an offset", `"2026-06-25T16:56:08+02:00"`, `"2026-06-25T14:56:08Z"`, ""},
		{"an offset without colon", `"2026-06-25T16:56:08-0230"`, `"2026-06-25T19:26:08Z"`, ""},
		{"midnight by its offset", `"2026-06-25T00:00:00+02:00"`, `"2026-06-24T22:00:00Z"`, `"2026-06-25T00:00:00Z"`},
		{"last second before spring's gap", `"2026-03-29T01:59:59"`, `"2026-03-29T00:59:59Z"`, ""},
		{"in spring's gap", `"2026-03-29T02:30:00"`, `"2026-03-29T01:30:00Z"`, ""},
		{"after spring's gap", `"2026-03-29T03:00:00"`, `"2026-03-29T01:00:00Z"`, ""},
		{"before the hour that comes twice", `"2026-10-25T01:59:59"`, `"2026-10-24T23:59:59Z"`, ""},
		{"the hour that comes twice is summer time", `"2026-10-25T02:30:00"`, `"2026-10-25T00:30:00Z"`, ""},
		{"after the hour that comes twice", `"2026-10-25T03:00:00"`, `"2026-10-25T02:00:00Z"`, ""},
		{"Amsterdam time, 19 min 32 s", `"1930-01-15T12:00:00"`, `"1930-01-15T11:40:28Z"`, ""},
		{"Amsterdam summer time", `"1930-07-15T12:00:00"`, `"1930-07-15T10:40:28Z"`, ""},
		{"20 minutes", `"1938-01-15T12:00:00"`, `"1938-01-15T11:40:00Z"`, ""},
		{"the last day of a leap year of the rule", `"2444-12-31T12:00:00"`, `"2444-12-31T11:00:00Z"`, ""},
		{"the first date", `"/Date(-62135596800000)/"`, "", `"0001-01-01T00:00:00Z"`},
		{"the first instant", `"0001-01-01T00:18:00"`, "", ""},
		{"the first instants", `"0001-01-02T00:00:00"`, `"0001-01-01T23:40:28Z"`, `"0001-01-02T00:00:00Z"`},
		{"the last instant", `"9999-01-01T00:59:59.999999"`, `"9998-12-31T23:59:59.999999Z"`, ""},
		{"past the last instant", `"9999-01-01T01:00:00"`, "", ""},
		{"the last date", `"9998-12-31T00:00:00"`, `"9998-12-30T23:00:00Z"`, `"9998-12-31T00:00:00Z"`},
		{"past the last date, not past the last instant", `"9999-01-01T00:00:00"`, `"9998-12-31T23:00:00Z"`, "-"},
		{".NET's greatest", `"/Date(253402300799997)/"`, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			switch tc.date {
			case "":
				tc.date = tc.instant
			case "-":
				tc.date = ""
			}
			for want, convert := range map[*string]func(dst, raw []byte) ([]byte, bool){&tc.instant: c.instant, &tc.date: c.date} {
				got, ok := convert([]byte("x"), []byte(tc.raw))
				require.Equal(t, "x"+*want, string(got))
				require.Equal(t, *want != "", ok)
			}
		})
	}
}

func TestInstantEmpty(t *testing.T) {
	c := dutch(t)
	for _, convert := range []func(dst, raw []byte) ([]byte, bool){c.instant, c.date} {
		got, ok := convert([]byte("x"), []byte(`""`))
		require.True(t, ok)
		require.Equal(t, "x", string(got))
	}
}

func TestInstantRefuses(t *testing.T) {
	c := dutch(t)
	for _, raw := range []string{
		`"` + strings.Repeat("1", 100) + `"`, `"\/` + strings.Repeat("1", 1000) + `"`, // no matter how long
		``, `"`, `null`, `true`, `0`, `1717158896173`, `{}`, `[]`, `" "`, `"\`, `"\"`, `"\\"`,
		`/Date(0)/`, `"Date(0)"`, `"/Date()/"`, `"/Date(-)/"`, `"/Date(+1)/"`, `"/Date( 1)/"`, `"/Date(1 )/"`, `"/Date(1.5)/"`, `"/Date(0x1)/"`, `"/Date(1)"`, `"/Date(1)/ "`, `" /Date(1)/"`, `"/date(1)/"`, `"/Date(--1)/"`, `"/Date(1"`,
		`"/Date(9223372036854775808)/"`, `"/Date(-9223372036854775808)/"`, `"/Date(1000000000000000)/"`, `"/Date(999999999999999)/"`, `"/Date(-999999999999999)/"`, `"/Date(-62135596800001)/"`,
		`"/Date(1+02:00)/"`, `"/Date(1+02)/"`, `"/Date(1+2400)/"`, `"/Date(1+0260)/"`, `"/Date(1Z)/"`, `"/Date(1+-200)/"`, `"/Date(1++200)/"`,
		`"datetime'"`, `"datetime''"`, `"datetime'2024-05-31T12:34:56.173"`, `"datetime'2024-05-31'"`, `"datetime'/Date(0)/'"`, `"datetime2024-05-31T12:34:56.173'"`,
		`"2024-05-31"`, `"2024-05-31T12:34"`, `"2024-05-31 12:34:56"`, `"2024-05-31t12:34:56"`, `"2024-05-31T12:34:56z"`, `"2024-05-31T12:34:56."`, `"2024-05-31T12:34:56.Z"`, `"2024-05-31T12:34:56,5"`, `"2024-05-31T12:34:56+02"`, `"2024-05-31T12:34:56+2:00"`, `"2024-05-31T12:34:56+24:00"`, `"2024-05-31T12:34:56+02:60"`, `"2024-05-31T12:34:56 +02:00"`, `"2024-05-31T12:34:56+0 :00"`, `"2024-05-31T12:34:56ZZ"`,
		`"2024-02-30T00:00:00"`, `"2023-02-29T00:00:00"`, `"1900-02-29T00:00:00"`, `"2024-00-01T00:00:00"`, `"2024-13-01T00:00:00"`, `"2024-01-00T00:00:00"`, `"2024-04-31T00:00:00"`, `"2024-05-31T24:00:00"`, `"2024-05-31T23:60:00"`, `"2024-05-31T23:59:60"`, `"0000-00-00T00:00:00"`, `"0000-12-31T00:00:00"`, `"9999-12-31T00:00:00"`, `"10000-01-01T00:00:00"`, `"202a-01-01T00:00:00"`, `"a024-01-01T00:00:00"`, `"2024/01/01T00:00:00"`, `"-024-01-01T00:00:00"`,
		`"0001-01-01T00:00:00+00:01"`, `"9998-12-31T23:59:59-00:01"`,
	} {
		got, ok := c.instant([]byte("x"), []byte(raw))
		require.False(t, ok, raw)
		require.Equal(t, "x", string(got), raw)
		if raw == `"0001-01-01T00:00:00+00:01"` {
			continue // a pure date
		}
		got, ok = c.date([]byte("x"), []byte(raw))
		require.False(t, ok, raw)
		require.Equal(t, "x", string(got), raw)
	}
}

func TestBounds(t *testing.T) {
	c := dutch(t)
	for _, tc := range []struct{ name, at, from, to, floor string }{
		{"summer", "2024-05-31T10:34:56.173Z", "2024-05-31T12:34:56.173", "2024-05-31T12:34:56.173", ""},
		{"winter", "2025-01-01T00:00:00Z", "2025-01-01T01:00:00", "2025-01-01T01:00:00", ""},
		{"microseconds", "2024-05-31T10:34:56.173456Z", "2024-05-31T12:34:56.173", "2024-05-31T12:34:56.174", "2024-05-31T10:34:56.173Z"},
		{"the last microsecond of a second", "2024-05-31T10:59:59.999999Z", "2024-05-31T12:59:59.999", "2024-05-31T13:00:00", "2024-05-31T10:59:59.999Z"},
		{"another zone than UTC", "2024-05-31T10:34:56+05:00", "2024-05-31T07:34:56", "2024-05-31T07:34:56", "2024-05-31T05:34:56Z"},
		{"before 1970", "1969-12-31T22:59:59.9995Z", "1969-12-31T23:59:59.999", "1970-01-01T00:00:00", "1969-12-31T22:59:59.999Z"},
		{"spring: before", "2026-03-29T00:59:59.999Z", "2026-03-29T01:59:59.999", "2026-03-29T01:59:59.999", ""},
		{"spring: the change", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00", "2026-03-29T03:00:00", ""},
		{"autumn: an hour ahead", "2026-10-24T23:59:59.999Z", "2026-10-25T01:59:59.999", "2026-10-25T01:59:59.999", ""},
		{"autumn: 02:00 the first time", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00", "2026-10-25T02:00:00", ""},
		{"autumn: 02:30 the first time", "2026-10-25T00:30:00.5Z", "2026-10-25T02:00:00", "2026-10-25T02:30:00.500", "2026-10-25T00:00:00Z"},
		{"autumn: the end of the first time", "2026-10-25T00:59:59.9999Z", "2026-10-25T02:00:00", "2026-10-25T03:00:00", "2026-10-25T00:00:00Z"},
		{"autumn: 02:00 the second time", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00", "2026-10-25T03:00:00", "2026-10-25T00:00:00Z"},
		{"autumn: 02:30 the second time", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00", "2026-10-25T03:00:00", "2026-10-25T00:30:00Z"},
		{"autumn: after", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00", "2026-10-25T03:00:00", ""},
		{"far ahead", "7026-10-25T12:00:00Z", "7026-10-25T14:00:00", "7026-10-25T14:00:00", ""},
		{"the last", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999", "9999-12-31T23:59:59.999", "-"},
		{"the first", "0001-01-01T00:00:00Z", "0001-01-01T00:19:32", "0001-01-01T00:19:32", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := utc(t, tc.at)
			require.Equal(t, "datetime'"+tc.from+"'", c.from(at))
			require.Equal(t, "datetime'"+tc.to+"'", c.to(at))
			switch tc.floor {
			case "":
				require.Equal(t, at, c.floor(at))
			case "-":
			default:
				require.Equal(t, utc(t, tc.floor), c.floor(at))
			}
		})
	}
	for _, at := range []time.Time{time.Unix(1<<62, 0), time.Unix(-1<<62, 0), {}} {
		require.Regexp(t, `^datetime'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?'$`, c.from(at))
		require.Regexp(t, `^datetime'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?'$`, c.to(at))
	}
}

// Zones without changes, and one that is nothing but UTC.
func TestFixedZones(t *testing.T) {
	for loc, want := range map[*time.Location]string{
		time.UTC:                       `"2024-05-31T12:34:56.173Z"`,
		time.FixedZone("east", 5*3600): `"2024-05-31T07:34:56.173Z"`,
	} {
		got, ok := newClock(loc).instant(nil, []byte(`"/Date(1717158896173)/"`))
		require.True(t, ok)
		require.Equal(t, want, string(got))
	}
}

func TestInstantAllocatesNothing(t *testing.T) {
	c, dst := dutch(t), make([]byte, 0, 64)
	for _, raw := range []string{
		`"/Date(1717158896173)/"`, `"\/Date(1717158896173)\/"`, `"/Date(1717158896173+0200)/"`, `"/Date(1729994400000)/"`, `"/Date(1717113600000)/"`, `"/Date(16999999999999)/"`,
		`"datetime'2024-05-31T12:34:56.173'"`, `"2026-06-25T16:56:08"`, `"2026-06-25T16:56:08.063+02:00"`, `"no time at all"`, `""`,
	} {
		b := []byte(raw)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			dst, _ = c.instant(dst[:0], b)
			dst, _ = c.date(dst[:0], b)
		}), raw)
	}
}

var emitted = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"$`)

// FuzzInstant: nothing panics, and what is taken is written as RFC 3339.
func FuzzInstant(f *testing.F) {
	for _, seed := range []string{
		`"/Date(1717158896173)/"`, `"\/Date(-62135596800000)\/"`, `"/Date(253402300799999+0200)/"`, `"/Date(1717113600000)/"`, `"/Date(1-0930)/"`,
		`"datetime'2024-05-31T12:34:56.173'"`, `"2026-06-25T16:56:08"`, `"2026-10-25T02:30:00.1234567"`, `"2026-03-29T02:30:00"`, `"2024-02-29T23:59:59Z"`,
		`"9999-01-01T00:59:59.999999"`, `"0001-01-01T00:00:00-23:59"`, `"2026-06-25T16:56:08+0200"`, `""`, `"`, `"\`, `"\u002fDate(0)\u002`, `"\/Date("`, `null`, `12`,
	} {
		f.Add([]byte(seed))
	}
	c := dutch(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		instant, ok := c.instant(nil, raw)
		date, dated := c.date(nil, raw)
		if string(raw) == `""` {
			require.True(t, ok && dated)
			require.Empty(t, string(instant)+string(date))
			return
		}
		for _, out := range [][]byte{instant, date} {
			if len(out) == 0 {
				continue
			}
			require.Regexp(t, emitted, string(out))
			require.True(t, json.Valid(out))
			_, err := time.Parse(time.RFC3339Nano, string(out[1:len(out)-1]))
			require.NoError(t, err)
		}
		require.Equal(t, ok, len(instant) > 0)
		require.Equal(t, dated, len(date) > 0)
		if string(date) != string(instant) && dated {
			require.Contains(t, string(date), "T00:00:00")
		}
	})
}

func BenchmarkInstant(b *testing.B) {
	c, random := dutch(b), rand.New(rand.NewPCG(1, 2))
	inputs := []struct {
		name   string
		format string
	}{
		{"ticks", `"/Date(%d)/"`},
		{"escaped", `"\/Date(%d)\/"`},
		{"text", ""},
	}
	for _, in := range inputs {
		raws := make([][]byte, 4096)
		for i := range raws {
			ms := 1_400_000_000_000 + random.Int64N(400_000_000_000) // twelve years
			if in.format == "" {
				raws[i] = time.UnixMilli(ms).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000"`)
			} else {
				raws[i] = fmt.Appendf(nil, in.format, ms)
			}
		}
		b.Run(in.name, func(b *testing.B) {
			b.ReportAllocs()
			dst, i, ok := make([]byte, 0, 64), 0, true
			for b.Loop() {
				dst, ok = c.instant(dst[:0], raws[i%len(raws)])
				i++
			}
			require.True(b, ok)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

func BenchmarkNewClock(b *testing.B) {
	loc := zone(b, "Europe/Amsterdam")
	b.ReportAllocs()
	for b.Loop() {
		newClock(loc)
	}
}
