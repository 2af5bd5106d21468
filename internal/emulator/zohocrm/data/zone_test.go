package data

import (
	"testing"
	"time"
	_ "time/tzdata" // the judge of the computed rule

	"github.com/stretchr/testify/require"
)

func TestZoneIsAmsterdam(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Amsterdam")
	require.NoError(t, err)
	z := newZone(nil)
	for sec := time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); sec < time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC).Unix(); sec += 7211 {
		require.Equal(t, time.Unix(sec, 0).In(loc).Format("2006-01-02T15:04:05-07:00"), z.text(sec))
	}
	for _, edge := range []string{"2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z"} {
		at, err := time.Parse(time.RFC3339, edge)
		require.NoError(t, err)
		require.Equal(t, at.In(loc).Format("2006-01-02T15:04:05-07:00"), z.text(at.Unix()))
	}
}

func TestOtherZones(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	require.Equal(t, "2026-07-01T08:00:00-04:00", newZone(ny).text(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Unix()))
	require.Equal(t, "2026-07-01T12:00:00+00:00", newZone(time.UTC).text(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Unix()))
}

func TestBothOffsetsInOneList(t *testing.T) {
	o, _ := testOrg(200)
	seen := make(map[string]bool)
	for _, r := range truth(t, o, "leads") {
		at := r["Modified_Time"].(string)
		seen[at[19:]] = true
		require.False(t, parsedTime(t, r["Created_Time"]).After(parsedTime(t, at)))
	}
	require.Equal(t, map[string]bool{"+01:00": true, "+02:00": true}, seen)
}

func TestParseTime(t *testing.T) {
	sec, ok := parseTime("2024-05-01T00:00:00+02:00")
	require.True(t, ok)
	require.Equal(t, time.Date(2024, 4, 30, 22, 0, 0, 0, time.UTC).Unix(), sec)
	for _, bad := range []string{"2024-05-01", "2024-05-01T00:00:00.000+00:00", "2024-05-01T00:00:00", ""} {
		_, ok := parseTime(bad)
		require.False(t, ok, bad)
	}
}
