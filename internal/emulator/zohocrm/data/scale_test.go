package data

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestScale reads parts of a million rows: nothing may be stored for them.
func TestScale(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	o := Open(Options{Records: 1_000_000, Seed: 1, Now: newClock().read, Ceiling: 2_000_000})
	fields := "fields=" + firstFields(o, "Contacts", 50)
	rows, _ := list(t, o, "Contacts", o.start.AddDate(0, -6, 0), fields, "sort_by=Modified_Time", "sort_order=asc", "page=10")
	require.Len(t, rows, 200)
	found, _ := coql(t, o, "select id from Deals where Modified_Time > '2026-06-01T00:00:00+00:00' order by Modified_Time limit 90000, 2000")
	require.Len(t, found, 2000)
	var n counter
	count, more, _, err := o.CSV(&n, Query{Module: "Accounts", Fields: []string{"Account_Name"}, Page: 5})
	require.NoError(t, err)
	require.Equal(t, 200_000, count)
	require.False(t, more)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(24<<20))
	runtime.KeepAlive(o)
}

// TestTogether changes and reads at once, for the race detector.
func TestTogether(t *testing.T) {
	o, _ := testOrg(200)
	var wg sync.WaitGroup
	for _, work := range []func() error{
		func() error { _, err := o.Touch("Deals", time.Time{}, 3); return err },
		func() error { _, err := o.Insert("Deals", time.Time{}, 2); return err },
		func() error { _, err := o.Delete("Deals", time.Time{}, 1); return err },
		func() error { _, err := o.Touch("users", time.Time{}, 2); return err },
		func() error { _, err := o.List("Deals", params("fields=Deal_Name"), time.Time{}); return err },
		func() error { _, err := o.Deleted("Deals", params(), time.Time{}); return err },
		func() error { _, err := o.Settings("users", params()); return err },
		func() error {
			_, _, err := o.COQL("select Amount from Deals where Amount > 5 order by Stage")
			return err
		},
		func() error { _, _, _, err := o.CSV(new(counter), Query{Module: "Deals"}); return err },
		func() error { return o.Switch(OffsetToken, true) },
	} {
		wg.Go(func() {
			for range 10 {
				if err := work(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	o.Reset()
	require.Len(t, truth(t, o, "deals"), 200)
}
