package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Rows at the bookmark come with every run. Where each costs more calls, those
// that were written are not asked for again.
func TestTies(t *testing.T) {
	start := func(t *testing.T, last int64) (*crm, *outcome) {
		v := newCRM(t, chunky(drifting(125)), 5, 10)
		v.world.repeats = true
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(1, i+2)
		}
		v.tt.rows[3].at, v.tt.rows[4].at = last, last
		first := v.good("")
		require.Equal(t, ids(5), first.records("orders"))
		v.counts()
		v.clock.Add(3600e6)
		return v, first
	}
	now := epoch.UnixMicro() / 1e6 * 1e6
	t.Run("the same ones", func(t *testing.T) {
		v, first := start(t, day(3, 1))
		for range 2 {
			again := v.good(first.state())
			require.Empty(t, again.records("orders"))
			require.Equal(t, "1 pages, 0 others, 0 of deletions", v.counts())
			require.JSONEq(t, first.state(), again.state())
			first = again
		}
		v.touch(1)
		next := v.good(first.state())
		require.Equal(t, []string{"1.2"}, next.records("orders"))
		require.Equal(t, "1 pages, 1 others, 0 of deletions", v.counts())
		require.Equal(t, []string{"1.2"}, v.good(next.state()).records("orders"), "not an hour old")
	})
	t.Run("one more", func(t *testing.T) {
		v, first := start(t, day(3, 1))
		v.tt.rows = append(v.tt.rows, trow{id: 9, v: 1, at: day(3, 1)})
		again := v.good(first.state())
		require.Equal(t, []string{"4.1", "5.1", "9.1"}, again.records("orders"))
		v.counts()
		require.Empty(t, v.good(again.state()).records("orders"))
		require.Equal(t, "1 pages, 0 others, 0 of deletions", v.counts())
	})
	t.Run("too young to stay as they are", func(t *testing.T) {
		v, first := start(t, now-300e6)
		require.Equal(t, []string{"4.1", "5.1"}, v.good(first.state()).records("orders"))
	})
	t.Run("whoever wants them gets them", func(t *testing.T) {
		v, first := start(t, day(3, 1))
		v.MaxRecords = 1
		require.Equal(t, []string{"4.1"}, v.good(first.state()).records("orders"))
		v.MaxRecords, v.FullRefresh = 0, []string{"orders"}
		require.Equal(t, ids(5), v.good(first.state()).records("orders"))
	})
	t.Run("a row that was read and moves is known", func(t *testing.T) {
		v, first := start(t, day(3, 1))
		for i := range 20 {
			v.tt.rows = append(v.tt.rows, trow{id: int64(20 + i), v: 1, at: day(4, 1+i)})
		}
		v.offset = true
		n := 0
		v.ahead = func(c call) {
			if n++; c.get("token") != "" && n < 6 {
				v.touch(4)
			}
		}
		again := v.good(first.state())
		v.once(t, again, first.records("orders")...)
		for i := range 20 {
			require.Contains(t, again.records("orders"), v.versions()[5+i])
		}
	})
}
