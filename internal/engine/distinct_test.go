package engine

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// distinct counts as a map does, whatever the order and range of the keys.
func TestDistinct(t *testing.T) {
	key := rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(0, 9), rapid.Int64Range(-3, 3),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, -1, 0, 1, math.MinInt64 + 1}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var d, all distinct
		seen, union := map[int64]bool{}, map[int64]bool{}
		for _, keys := range rapid.SliceOfN(rapid.SliceOf(key), 1, 3).Draw(t, "reads") {
			d = distinct{}
			clear(seen)
			for _, k := range keys {
				d.addInt(k)
				seen[k] = true
				require.EqualValues(t, len(seen), d.n)
			}
			before := len(union)
			for k := range seen {
				union[k] = true
			}
			require.Equal(t, len(union) > before, all.merge(&d))
			require.EqualValues(t, len(union), all.n)
		}
	})
}

func TestDistinctHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d distinct
		seen := map[uint64]bool{}
		for _, h := range rapid.SliceOf(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5))).Draw(t, "hashes") {
			d.addHash(h)
			seen[h] = true
			require.EqualValues(t, len(seen), d.n)
		}
	})
}

// Ascending keys cost a byte or two each.
func TestDistinctIsSmall(t *testing.T) {
	var d distinct
	for i := range int64(100_000) {
		d.addInt(1e12 + 17*i)
	}
	require.EqualValues(t, 100_000, d.n)
	require.Less(t, len(d.diffs), 100_020)
	require.Nil(t, d.set)
}
