package data

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTouch(t *testing.T) {
	o, c := testOrg(300)
	before := make(map[string]row)
	for _, r := range truth(t, o, "deals") {
		before[r["id"].(string)] = r
	}
	at := c.now.Add(-time.Hour)
	touched, err := o.Touch("Deals", at, 4)
	require.NoError(t, err)
	require.Len(t, touched, 4)
	rows, _ := list(t, o, "Deals", at, "fields=Modified_Time,Description,Created_Time,Deal_Name,Stage,Next_Step", "sort_by=Modified_Time", "sort_order=asc")
	require.ElementsMatch(t, touched, ids(rows))
	for _, r := range rows {
		old := before[r["id"].(string)]
		require.Equal(t, "2026-11-20T10:30:05+01:00", r["Modified_Time"])
		require.Equal(t, old["Created_Time"], r["Created_Time"])
		require.Equal(t, old["Deal_Name"], r["Deal_Name"])
		require.NotEqual(t, []any{old["Description"], old["Stage"], old["Next_Step"]}, []any{r["Description"], r["Stage"], r["Next_Step"]})
	}
	again, err := o.Touch("deals", time.Time{}, 0, touched[0])
	require.NoError(t, err)
	require.Equal(t, touched[:1], again)
	b, err := o.Record("Deals", touched[0])
	require.NoError(t, err)
	rows, _ = parse(t, b, "data")
	require.Equal(t, "2026-11-20T11:30:05+01:00", rows[0]["Modified_Time"])

	_, err = o.Touch("Deals", at, 0, "12")
	require.Error(t, err)
	_, err = o.Touch("nothing", at, 1)
	require.Error(t, err)

	o.Reset()
	for _, r := range truth(t, o, "deals") {
		require.Equal(t, before[r["id"].(string)], r)
	}
}

func TestTouchSettings(t *testing.T) {
	o, c := testOrg(100)
	for stream, member := range map[string]string{"users": "Modified_Time", "currencies": "modified_time", "territories": "modified_time"} {
		got, err := o.Touch(stream, c.now, 2)
		require.NoError(t, err)
		require.Len(t, got, 2)
		n := 0
		for _, r := range truth(t, o, stream) {
			if r[member] == "2026-11-20T11:30:05+01:00" {
				n++
			}
		}
		require.Equal(t, 2, n, stream)
	}
	_, err := o.Touch("users", c.now, 0, "1")
	require.Error(t, err)
	_, err = o.Touch("territory_users", c.now, 1)
	require.Error(t, err)
	o.Reset()
	for _, r := range truth(t, o, "users") {
		require.NotEqual(t, "2026-11-20T11:30:05+01:00", r["Modified_Time"])
	}
}

func TestInsertAndDelete(t *testing.T) {
	o, c := testOrg(100)
	start := o.Count()
	added, err := o.Insert("Quotes", c.now, 3)
	require.NoError(t, err)
	require.Len(t, added, 3)
	require.Equal(t, start+3, o.Count())
	rows, _ := list(t, o, "Quotes", time.Time{}, "fields=Created_Time,Modified_Time,Subject", "per_page=3")
	require.Equal(t, []string{added[2], added[1], added[0]}, ids(rows))
	require.Equal(t, "2026-11-20T11:30:05+01:00", rows[0]["Created_Time"])

	// A document takes its lines with it, and they are listed nowhere.
	lines := len(truth(t, o, "quoted_items"))
	victim := ids(rows[:1])[0]
	old, _ := list(t, o, "Quotes", time.Time{}, "fields=id", "sort_order=asc", "per_page=1")
	gone, err := o.Delete("Quotes", c.now, 0, victim, ids(old)[0])
	require.NoError(t, err)
	require.Len(t, gone, 2)
	require.Len(t, truth(t, o, "quoted_items"), lines-2)
	b, err := o.Deleted("Quotes", params(), c.now)
	require.NoError(t, err)
	found, _ := parse(t, b, "data")
	require.ElementsMatch(t, gone, ids(found))
	_, err = o.Record("Quotes", victim)
	require.Equal(t, "INVALID_DATA", refused(t, err).Code)
	b, err = o.Deleted("Quoted_Items", params(), time.Time{})
	require.NoError(t, err)
	require.True(t, b.Empty)

	_, err = o.Delete("Quotes", c.now, 0, victim)
	require.Error(t, err)
	_, err = o.Insert("Home", c.now, 1)
	require.Error(t, err)
}

func TestSameSeedSameData(t *testing.T) {
	a, _ := testOrg(80)
	b, _ := testOrg(80)
	other := Open(Options{Records: 80, Seed: 8, Now: newClock().read})
	require.Equal(t, truth(t, a, "leads"), truth(t, b, "leads"))
	require.NotEqual(t, truth(t, a, "leads"), truth(t, other, "leads"))
}

func TestNoRecords(t *testing.T) {
	o := Open(Options{Seed: 1, Now: newClock().read})
	require.Zero(t, o.Count())
	for _, m := range o.Modules() {
		b, err := o.List(m, params("fields=id"), time.Time{})
		require.NoError(t, err)
		require.True(t, b.Empty, m)
	}
}
