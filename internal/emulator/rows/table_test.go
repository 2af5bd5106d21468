package rows

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func testTable(n int64, seed uint64) *Table {
	clocks := []*Clock{
		testClock(n, seed),
		NewClock(Layout{Rows: n, From: from, To: to, Coarse: seed, Fine: seed + 99}),
		NewClock(Layout{Rows: n, From: from.AddDate(-3, 0, 0), To: from, InOrder: true}),
	}
	blanks := [][]int64{{}, {}, {}}
	for i := int64(3); i < n; i += 41 {
		blanks[1] = append(blanks[1], i)
	}
	if n > 10 {
		blanks[0] = []int64{n / 2}
	}
	return NewTable(IDs{First: 500, Stride: 1, Run: 20}, n, clocks, blanks)
}

// everything reads a table without any of the closed forms.
func everything(t *Table) []Row {
	var out []Row
	for i := range t.n + t.added {
		if r, ok := t.Get(t.ids.ID(i)); ok {
			out = append(out, r)
		}
	}
	return out
}

// oracle answers a query by filtering and sorting all rows.
func oracle(t *Table, q Query) []int64 {
	var rows []Row
	for _, r := range everything(t) {
		ok := q.Last == 0 || q.First <= r.Index && r.Index < q.Last && r.Index < t.n || r.Index >= t.n && q.Also(r.Index)
		for _, w := range q.Windows {
			at := r.At(w.Clock)
			ok = ok && at != Null && w.Lo <= at && at <= w.Hi
		}
		if ok {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if q.Order != ByID {
			x, y := a.At(q.Order), b.At(q.Order)
			switch {
			case x == Null && y != Null:
				return 1
			case x != Null && y == Null:
				return -1
			}
			if c := cmp.Compare(x, y); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	if q.Desc {
		slices.Reverse(rows)
	}
	ids := []int64{}
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func selectAll(t *Table, q Query, page int64) (ids []int64, count int64) {
	ids = []int64{}
	for off := int64(0); ; off += page {
		var rows []Row
		rows, count = t.Select(q, nil, func(int64) (int64, int64) { return off, page })
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		if int64(len(rows)) < page {
			return ids, count
		}
	}
}

func TestSelectAgainstOracle(t *testing.T) {
	for _, n := range []int64{0, 1, 7, 40, 300, 1100} {
		for _, changes := range []int{0, 1, 12, 60} {
			t.Run(fmt.Sprintf("%d rows %d changes", n, changes), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(changes)))
				table := testTable(n, uint64(n)+5)
				for range changes {
					disturb(table, rng)
				}
				require.Equal(t, int64(len(everything(table))), table.Live())
				for range 40 {
					q := randomQuery(rng, table)
					want := oracle(table, q)
					got, count := selectAll(table, q, 1+rng.Int64N(50))
					require.Equal(t, want, got, "%+v", q)
					require.Equal(t, int64(len(want)), count)
				}
			})
		}
	}
}

func disturb(table *Table, rng *rand.Rand) {
	at := from.UnixMicro() + rng.Int64N(to.UnixMicro()-from.UnixMicro())
	switch rng.IntN(4) {
	case 0:
		table.Append(at)
	case 1:
		for _, id := range table.Pick(1, 3) {
			table.Remove(id)
		}
	default:
		for _, id := range table.Pick(2, 4) {
			table.Touch(id, at, 0, rng.IntN(2))
		}
	}
}

func randomQuery(rng *rand.Rand, table *Table) Query {
	q := Query{Order: rng.IntN(4) - 1, Desc: rng.IntN(3) == 0}
	for range rng.IntN(3) {
		clock := rng.IntN(3)
		lo, hi := randomWindow(rng, table.clocks[clock], table.n)
		q.Windows = append(q.Windows, Window{clock, lo, hi})
	}
	if rng.IntN(6) == 0 {
		q.First = rng.Int64N(table.n + 1)
		q.Last = q.First + 1 + rng.Int64N(9)
		first, last := q.First, q.Last
		q.Also = func(index int64) bool { return first <= index%10 && index%10 < last }
	}
	return q
}

func TestTableChanges(t *testing.T) {
	table := testTable(100, 1)
	_, ok := table.Get(520)
	require.False(t, ok, "a hole")
	r, ok := table.Get(521)
	require.True(t, ok)
	require.Equal(t, int64(20), r.Index)
	require.False(t, r.Changed())

	touched, ok := table.Touch(521, 42, 0)
	require.True(t, ok)
	require.Equal(t, int64(42), touched.At(0))
	require.Equal(t, r.At(2), touched.At(2), "the other clocks stay")
	require.Equal(t, 1, touched.Rev)
	require.Zero(t, r.Rev, "a row that was handed out does not change")

	require.True(t, table.Remove(521))
	require.False(t, table.Remove(521))
	_, ok = table.Touch(521, 43, 0)
	require.False(t, ok)

	added := table.Append(7)
	require.Equal(t, int64(100), added.Index)
	require.Equal(t, int64(605), added.ID)
	require.Equal(t, int64(100), table.Live())

	table.Reset()
	require.Equal(t, int64(100), table.Live())
	r, _ = table.Get(521)
	require.Zero(t, r.Rev)
}

func TestPutBetweenComputedRows(t *testing.T) {
	live := IDs{First: 500, Stride: 1, Run: 20}
	table := NewTable(live.Holes(), 5, []*Clock{testClock(5, 1)}, nil)
	table.Put(530, 9)
	table.Put(501, 8)
	table.Put(900, 7)
	ids, count := selectAll(table, All(), 3)
	require.Equal(t, []int64{501, 520, 530, 541, 562, 583, 604, 900}, ids)
	require.Equal(t, int64(8), count)
}

// What is removed and comes back is there once, in its place.
func TestPutBack(t *testing.T) {
	table := testTable(5, 1)
	all, _ := selectAll(table, All(), 3)
	was, ok := table.Get(all[2])
	require.True(t, ok)
	for range 2 {
		require.True(t, table.Remove(all[2]))
		table.Put(all[2], 9)
		again, _ := selectAll(table, All(), 3)
		require.Equal(t, all, again)
		require.EqualValues(t, 5, table.Live())
		back, ok := table.Get(all[2])
		require.True(t, ok)
		require.Equal(t, was.Index, back.Index)
	}
}

func TestPick(t *testing.T) {
	table := testTable(50, 1)
	a, b := table.Pick(10, 1), table.Pick(10, 1)
	require.Len(t, a, 10)
	require.NotEqual(t, a, b)
	require.Equal(t, a, testTable(50, 1).Pick(10, 1), "the same seed picks the same")
	require.Len(t, table.Pick(80, 1), 50, "no more than there are")
}

func TestTableIsSafeTogether(t *testing.T) {
	table := testTable(500, 1)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 50 {
				disturb(table, rng)
				selectAll(table, randomQuery(rng, table), 100)
			}
		})
	}
	wg.Wait()
}
