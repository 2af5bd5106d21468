package data

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDeleted(t *testing.T) {
	o, c := testOrg(1000)
	gone, err := o.Delete("Leads", c.now, 6)
	require.NoError(t, err)
	read := func(kind string, since time.Time) []row {
		var out []row
		for page := 1; ; page++ {
			b, err := o.Deleted("Leads", params("type="+kind, "per_page=10", "page="+string(rune('0'+page))), since)
			require.NoError(t, err)
			if b.Empty {
				return out
			}
			rows, info := parse(t, b, "data")
			out = append(out, rows...)
			if !more(info) {
				return out
			}
		}
	}
	all, recycle, permanent := read("all", time.Time{}), read("recycle", time.Time{}), read("permanent", time.Time{})
	require.Len(t, all, 1000/24+6)
	require.Len(t, all, len(recycle)+len(permanent))
	require.NotEmpty(t, permanent)
	require.Subset(t, ids(all), gone)
	live := ids(truth(t, o, "leads"))
	for _, r := range all {
		require.NotContains(t, live, r["id"])
		old := parsedTime(t, r["deleted_time"]).Before(c.now.AddDate(0, 0, -60))
		switch r["type"] {
		case "permanent":
			require.Nil(t, r["display_name"])
			require.Nil(t, r["deleted_by"])
			require.Nil(t, r["created_by"])
		case "recycle":
			require.False(t, old, "the bin keeps 60 days")
			require.NotNil(t, r["display_name"])
			require.Contains(t, r["deleted_by"], "id")
		default:
			require.Fail(t, "type", r["type"])
		}
	}
	since := parsedTime(t, all[20]["deleted_time"])
	got := read("all", since)
	require.Len(t, got, len(slices.DeleteFunc(slices.Clone(all), func(r row) bool { return parsedTime(t, r["deleted_time"]).Before(since) })))

	// What was in the bin is gone for good 60 days later.
	c.now = c.now.AddDate(0, 0, 61)
	require.Empty(t, read("recycle", time.Time{}))
	require.Len(t, read("permanent", time.Time{}), len(all))
}

func TestDeletedRefuses(t *testing.T) {
	o, _ := testOrg(60)
	for _, tt := range []struct{ module, query, code string }{
		{"Leads", "type=some", "PATTERN_NOT_MATCHED"},
		{"Nothing", "type=all", "INVALID_MODULE"},
		{"Leads", "per_page=500", "INVALID_DATA"},
		{"Leads", "page=x", "INVALID_DATA"},
	} {
		for _, flat := range []bool{false, true} {
			require.NoError(t, o.Switch(FlatDeleted, flat))
			_, err := o.Deleted(tt.module, params(tt.query), time.Time{})
			e := refused(t, err)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, !flat, e.Wrapped)
			require.Equal(t, !flat, string(e.JSON()[:9]) == `{"data":[`)
		}
	}
}

func TestRecycleBin(t *testing.T) {
	o, c := testOrg(300)
	gone, err := o.Delete("Tasks", c.now, 9)
	require.NoError(t, err)
	b, err := o.Settings("settings/recycle_bin", params("per_page=100"))
	require.NoError(t, err)
	rows, info := parse(t, b, "recycle_bin")
	require.Equal(t, true, info["more_records"])
	binned := 0
	for _, r := range rows {
		if slices.Contains(gone, r["id"].(string)) {
			binned++
			require.Equal(t, "Tasks", r["module"].(row)["api_name"])
		}
	}
	require.Positive(t, binned)
	require.Less(t, binned, 10)
	require.Equal(t, rows, truth(t, o, "recycle_bin")[:100])
}
