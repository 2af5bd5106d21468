package data

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestZone compares the rule with the time zone database, around every change
// of the clock.
func TestZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	c, utc := Open(Options{Records: 1}), Open(Options{Records: 1, Switches: Switches{UTC: true}})
	for at := time.Date(2022, 12, 31, 0, 30, 0, 0, time.UTC); at.Year() < 2031; at = at.Add(time.Hour) {
		_, seconds := at.In(berlin).Zone()
		require.Equal(t, int64(seconds)*second, c.offset(at.UnixMicro()), at)
		require.Zero(t, utc.offset(at.UnixMicro()))
		local := at.In(berlin)
		midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, berlin)
		require.Equal(t, midnight.UnixMicro(), c.midnight(c.Today(at)), at)
		require.Equal(t, at.Truncate(24*time.Hour).UnixMicro(), utc.midnight(utc.Today(at)))
	}
}

// TestSizes: small tables have one row of each sort, no table has more than
// account numbers allow.
func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 8, 12, 100, 1000, 3_000_000} {
		c := Open(Options{Records: n})
		var receipts int64
		for _, table := range c.receiptTables() {
			receipts += table.Live()
			require.Equal(t, n >= 8, table.Live() > 0 && n >= 8)
		}
		require.Equal(t, int64(n), receipts)
		require.Equal(t, int64(n), c.transactions.Live())
		require.Equal(t, int64(n), c.postings.Live())
		require.Less(t, c.debtors.IDs().ID(c.debtors.Live()), int64(allCreditors))
		require.Less(t, c.creditors.IDs().ID(c.creditors.Live()), int64(100_000))
		require.LessOrEqual(t, len(c.chart), 1180)
	}
	require.Len(t, Open(Options{Records: 1000}).chart, 1180, "more than a thousand")
}

// TestLinks: both ends of every link agree, and what a receipt was paid with is
// its amount.
func TestLinks(t *testing.T) {
	c := Open(Options{Records: 600})
	for _, inbound := range []bool{true, false} {
		table := c.homeTable(inbound)
		for r := range table.Size() {
			var paid int64
			list := c.payments(inbound, r)
			for _, l := range list {
				require.Contains(t, c.linksOf(l.transaction), l)
				paid += c.share(l)
			}
			if inbound && len(list) > 0 && !(partial(r) && len(list) == 1) {
				require.Equal(t, -c.gross(inbound, r), paid)
			}
			if !inbound && len(list) == map[bool]int{true: 2, false: 1}[shared(r)] {
				require.Equal(t, c.gross(inbound, r), paid)
			}
		}
	}
	for k := range c.transactions.Size() {
		for _, l := range c.linksOf(k) {
			require.Contains(t, c.payments(l.inbound, l.receipt), l)
		}
	}
}

// TestCentreCodes: codes are unique, short, and lead back to their rows.
func TestCentreCodes(t *testing.T) {
	seen := map[string]bool{}
	for id := int64(1); id < 3000; id++ {
		code := centreCode(id)
		require.False(t, seen[code], code)
		seen[code] = true
		require.LessOrEqual(t, len([]rune(code)), 10)
		back, ok := centreID(code)
		require.True(t, ok, code)
		require.Equal(t, id, back)
	}
	_, ok := centreID("KST-0001")
	require.False(t, ok)
}
