package rows

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	from = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	to   = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
)

func testClock(n int64, seed uint64) *Clock {
	return NewClock(Layout{Rows: n, From: from, To: to, Coarse: seed, Fine: seed + 1})
}

func TestClockIsAShuffle(t *testing.T) {
	for _, n := range []int64{0, 1, 2, 16, 255, 256, 1000, 5000, 70000} {
		c := testClock(n, 7)
		seen := make(map[int64]bool, n)
		newest := int64(Null)
		for i := range n {
			place, at := c.place(i), c.At(i)
			require.Equal(t, i, c.rowAt(place))
			require.False(t, seen[at], "two rows at one instant")
			seen[at] = true
			require.GreaterOrEqual(t, at, from.UnixMicro())
			require.Less(t, at, to.UnixMicro())
			newest = max(newest, at)
		}
		if n > 0 {
			require.Equal(t, newest, c.At(0), "the first row is the newest")
		}
	}
}

func TestClockInOrder(t *testing.T) {
	c := NewClock(Layout{Rows: 3000, From: from, To: to, InOrder: true})
	for i := range int64(2999) {
		require.Less(t, c.At(i), c.At(i+1))
	}
}

// TestClockIsNotInOrder makes sure that a reader who trusts the order of ids
// is caught: neighbours in id order go back in time about half of the time.
func TestClockIsNotInOrder(t *testing.T) {
	c := testClock(10000, 3)
	back := 0
	for i := range int64(9999) {
		if c.At(i+1) < c.At(i) {
			back++
		}
	}
	require.InDelta(t, 5000, back, 1500)
}

// TestClockWindows compares every closed form with reading all rows.
func TestClockWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int64{0, 1, 2, 5, 16, 17, 255, 256, 257, 1000, 4097} {
		c := testClock(n, uint64(n))
		for range 60 {
			lo, hi := randomWindow(rng, c, n)
			span := c.Between(lo, hi)
			byID := []int64{}
			for i := range n {
				if at := c.At(i); lo <= at && at <= hi {
					byID = append(byID, i)
				}
			}
			require.Equal(t, int64(len(byID)), c.Count(span), "n %d", n)
			byTime := slices.Clone(byID)
			slices.SortFunc(byTime, func(a, b int64) int { return compare(c.At(a), c.At(b)) })

			skip := int64(0)
			if len(byID) > 0 {
				skip = rng.Int64N(int64(len(byID)))
				row := byID[skip]
				require.Equal(t, skip, c.Below(span, row))
			}
			require.Equal(t, int64(len(byID)), c.Below(span, n+3))
			for order, want := range map[bool][]int64{false: byID, true: byTime} {
				got := []int64{}
				c.Walk(span, order, skip, func(row int64) bool {
					got = append(got, row)
					return true
				})
				require.Equal(t, want[skip:], got, "n %d byTime %v", n, order)
			}
		}
	}
}

// randomWindow likes the instants of rows themselves: both ends count in.
func randomWindow(rng *rand.Rand, c *Clock, n int64) (lo, hi int64) {
	end := func() int64 {
		switch draw := rng.IntN(16); {
		case n > 0 && draw < 8:
			return c.At(rng.Int64N(n)) + rng.Int64N(3) - 1
		case draw == 8:
			return from.UnixMicro() - rng.Int64N(1e12)
		case draw == 9:
			return to.UnixMicro() + rng.Int64N(1e12)
		}
		return from.UnixMicro() + rng.Int64N(to.UnixMicro()-from.UnixMicro())
	}
	lo, hi = end(), end()
	if lo > hi && rng.IntN(10) > 0 {
		lo, hi = hi, lo
	}
	return lo, hi
}

func BenchmarkClockWindow(b *testing.B) {
	c := testClock(5_000_000, 1)
	lo, hi := c.At(77), c.At(77)+60*day
	for b.Loop() {
		span := c.Between(lo, hi)
		n := 0
		c.Walk(span, false, c.Count(span)/2, func(int64) bool {
			n++
			return n < 100
		})
	}
}
