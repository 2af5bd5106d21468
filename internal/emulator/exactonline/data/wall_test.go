package data

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // the judge must be there wherever the tests run

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

// The wall clock is that of the time zone database, hour by hour.
func TestWall(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	require.NoError(t, err)
	for at := time.Date(1999, 1, 1, 0, 30, 0, 0, time.UTC); at.Year() < 2031; at = at.Add(time.Hour) {
		_, offset := at.In(zone).Zone()
		if want := at.UnixMilli() + int64(offset)*1000; wall(at.UnixMilli()) != want {
			require.Equal(t, want, wall(at.UnixMilli()), at)
		}
	}
}

func TestWallLiterals(t *testing.T) {
	for text, want := range map[string]string{
		"2018-09-21T04:18:55.617": "2018-09-21T04:18:55.617", "2024-05-31T00:00:00": "2024-05-31T00:00:00",
		"2024-05-31": "2024-05-31T00:00:00", "2024-05-31T10:20": "2024-05-31T10:20:00", "2024-05-31T10:20:30.5": "2024-05-31T10:20:30.5",
		"2024-07-01T10:00:00Z": "2024-07-01T12:00:00", "2024-01-01T10:00:00.250Z": "2024-01-01T11:00:00.25",
	} {
		ms, ok := readWall(text)
		require.True(t, ok, text)
		require.Equal(t, want, string(appendWall(nil, ms)))
	}
	for _, text := range []string{"", "2024", "2024-13-01", "2024-05-31T10:20:30+02:00", "2024-05-31 10:20:30"} {
		_, ok := readWall(text)
		require.False(t, ok, text)
	}
	require.Equal(t, `"/Date(-62135596800000)/"`, string(appendDate(nil, -62135596800000)))
}

// Created and Modified never fall into the hour that spring leaves out, and
// the hour that autumn has twice is there in both passes, in each year.
func TestSummerTime(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	s := Open(Options{Records: 2000, Seed: 1, Now: func() time.Time { return now }})
	in := s.info(edm.Find("sync_crm_accounts"))
	passes := map[string]int{}
	for _, at := range s.instants(in, 2000, 99) {
		for _, turn := range turns(now.AddDate(-2, 0, 0).UnixMilli(), now.UnixMilli()) {
			if d := (at - turn) / hour; at-turn >= -hour && at-turn < hour {
				passes[fmt.Sprint(time.UnixMilli(turn).UTC().Format("2006-01"), at >= turn, d)]++
			}
		}
	}
	require.Len(t, passes, 8, "four changes of the clock, an hour before and after: %v", passes)

	c, refused := s.lock(in, 812345)
	require.Nil(t, refused)
	defer c.mu.Unlock()
	autumn := 0
	for _, r := range s.open(c, in).rows {
		require.GreaterOrEqual(t, r.modified, r.created)
		for _, ms := range []int64{r.created, r.modified} {
			for _, turn := range turns(now.AddDate(-6, 0, 0).UnixMilli(), now.UnixMilli()) {
				switch month := time.UnixMilli(turn).UTC().Month(); {
				case month == time.March:
					require.False(t, ms >= turn+hour && ms < turn+2*hour, "%d does not exist", ms)
				case ms >= turn+hour && ms < turn+2*hour:
					autumn++
				}
			}
		}
	}
	require.Positive(t, autumn)
}

func TestLiterals(t *testing.T) {
	for _, v := range []value{
		textOf("O'Neil, \"x\""), textOf(""), identOf(makeGUID(1, 2)), integerOf(-5), longOf(493115), longOf(7_300_112_233),
		floatOf(1.5), floatOf(-2e-7), truthOf(true), momentOf(1537503535617),
		{},
	} {
		text := string(v.appendLiteral(nil))
		got, n, err := readLiteral(text + ",x")
		require.Nil(t, err)
		require.Len(t, text, n)
		require.Zero(t, got.compare(v), text)
	}
	require.Equal(t, "datetime'2018-09-21T04:18:55.617'", string(momentOf(1537503535617).appendLiteral(nil)))
	require.Equal(t, "493115L", string(longOf(493115).appendLiteral(nil)))
	for f, want := range map[float64]string{100: "100", 0.21: "0.21", -12.5: "-12.5", 0.00001: "1E-05", 2e16: "2E+16"} {
		require.Equal(t, want, string(floatOf(f).appendJSON(nil)))
	}
}
