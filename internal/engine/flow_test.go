package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// slow is a stdout that takes its time for each write.
type slow struct {
	written atomic.Int64
	each    func()
}

func (s *slow) Write(p []byte) (int, error) {
	s.each()
	s.written.Add(int64(len(p)))
	return len(p), nil
}

// heavy is a table whose rows are of size bytes.
func heavy(w *world, name string, n, size int) *table {
	return w.table(name, n, func(tt *table) { tt.cursor = "" }, func(tt *table) {
		for i := range tt.rows {
			tt.rows[i].more = fmt.Sprintf(`,"pad":%q`, strings.Repeat("x", size))
		}
	})
}

func padded(name string) stream.Stream {
	s := whole(name)
	s.Schema.Properties = append(s.Schema.Properties, singer.Property{Name: "pad", Schema: nullable("string", "")})
	return s
}

// However slow stdout is, little is read ahead of it.
func TestSlowStdout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, padded("alpha"), padded("beta"), padded("gamma"), padded("delta"))
		const rows, page, rowBytes = 70, 3, 64 << 10
		for _, name := range []string{"alpha", "beta", "gamma", "delta"} {
			heavy(w, name, rows, rowBytes).size = page
		}
		w.Concurrency = 4
		var ahead int64
		out := &slow{}
		out.each = func() {
			// Virtual time: all that can be read meanwhile has been.
			time.Sleep(time.Second)
			w.v.mu.Lock()
			ahead = max(ahead, w.v.bytes-out.written.Load())
			w.v.mu.Unlock()
		}
		o := w.options("")
		o.Out = singer.NewWriter(out)
		rep := Run(t.Context(), o)
		require.NoError(t, rep.Err)
		require.Len(t, rep.Streams, 4)
		require.Zero(t, w.v.open)
		most := int64(aheadBytes + 5*page*rowBytes + 2*chunkBytes)
		require.Less(t, most, int64(4*rows*rowBytes), "the test is worth something")
		require.Less(t, ahead, most)
		require.Greater(t, ahead, int64(aheadBytes/2), "and some is read ahead")
		require.LessOrEqual(t, w.v.most, 5, "answers held at a time")
	})
}

// An answer that is too large to be read ahead of its turn is asked for again
// in its turn, and from then on the stream waits for it.
func TestLargeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, whole("alpha"), padded("beta"), padded("gamma"))
		w.table("alpha", 9, func(tt *table) { tt.cursor = "" })
		heavy(w, "beta", 12, 500<<10).size = 9
		heavy(w, "gamma", 2, 10).size = 10
		w.Concurrency = 3
		w.v.delay = func() time.Duration { return time.Second }
		res := w.good("")
		require.Equal(t, ids(12), res.records("beta"))
		require.Equal(t, ids(9), res.records("alpha"))
		refused, taken := 0, 0
		for _, c := range w.v.calls {
			switch {
			case c.path == "beta" && c.maxBody > 0:
				require.EqualValues(t, smallBody, c.maxBody)
				refused++
			case c.path == "beta":
				taken++
			}
		}
		require.Equal(t, 1, refused)
		require.Equal(t, 2, taken)
	})
	t.Run("of a batch of fields", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, whole("alpha"), wide(3))
			w.table("alpha", 9, func(tt *table) { tt.cursor = "" })
			tt := w.table("orders", 2)
			picky(w, tt)
			long := `"` + strings.Repeat("y", smallBody/2) + `"`
			w.v.spoil = func(c call, body string) string {
				if c.get("ids") != "" {
					return strings.NewReplacer(`"f2 of 1"`, long, `"f2 of 2"`, long).Replace(body)
				}
				return body
			}
			w.Concurrency = 3
			w.v.delay = func() time.Duration { return time.Second }
			require.Len(t, w.good("").values("orders", "f2")[0], smallBody/2)
		})
	})
	t.Run("too large even then", func(t *testing.T) {
		w := newWorld(t, whole("alpha"))
		w.v.on["alpha"] = func(call) (string, error) { return "", stream.TooLarge }
		res := w.run("")
		require.Equal(t, fault.Contract, fault.KindOf(res.result("alpha").Err))
		require.LessOrEqual(t, len(w.v.calls), 2)
	})
}

// A page larger than a chunk is handed over in pieces.
func TestHugePage(t *testing.T) {
	w := newWorld(t, padded("orders"))
	heavy(w, "orders", 50, 60<<10).size = 100
	seen := &watching{}
	w.Observe = seen
	require.Equal(t, ids(50), w.good("").records("orders"))
	require.EqualValues(t, 50, seen.wrote)
}

// testLane is a lane of a reader of its own.
func testLane() *lane { return &lane{rd: &reader{}} }

func lines(n int) item {
	b := make([]byte, 0, n)
	return item{blocks: []block{{lines: &b}}}
}

func TestAhead(t *testing.T) {
	// waits tells whether room is given at once.
	waits := func(a *ahead, l *lane) bool {
		got := make(chan bool, 1)
		go func() { got <- a.room(l) }()
		synctest.Wait()
		select {
		case ok := <-got:
			require.True(t, ok)
			return false
		default:
		}
		a.mu.Lock()
		l.dropped = true
		a.mu.Unlock()
		a.cond.Broadcast()
		require.False(t, <-got)
		a.mu.Lock()
		l.dropped = false
		a.mu.Unlock()
		return true
	}
	synctest.Test(t, func(t *testing.T) {
		a, stop := newAhead(t.Context())
		defer stop()
		head, next := testLane(), testLane()
		a.turn(head)
		require.True(t, a.isHead(head))
		require.False(t, a.isHead(next))
		for range headItems {
			require.False(t, waits(a, head))
			a.push(head, lines(1<<20))
		}
		require.True(t, waits(a, head), "the emitter does not keep up")
		require.False(t, waits(a, next))
		a.push(next, lines(aheadBytes))
		require.Equal(t, aheadBytes, a.held)
		require.True(t, waits(a, next))
		_, ok, err := a.pop(head)
		require.True(t, ok)
		require.NoError(t, err)
		require.False(t, waits(a, head), "the head reads on whatever the others hold")

		third := testLane()
		third.rd.large.Store(true)
		a.turn(next)
		require.Zero(t, a.held)
		require.False(t, waits(a, next))
		require.True(t, waits(a, third), "known for large answers")
		a.turn(third)
		require.False(t, waits(a, third))

		fourth := testLane()
		a.push(fourth, lines(100))
		a.push(fourth, lines(50))
		require.Equal(t, 150, a.held)
		a.drop(fourth)
		require.Zero(t, a.held)
		a.push(fourth, lines(100))
		require.Zero(t, a.held, "nothing is kept for a lane that was dropped")

		fifth := testLane()
		a.close(fifth, errors.New("no"))
		a.turn(fifth)
		_, ok, err = a.pop(fifth)
		require.False(t, ok)
		require.EqualError(t, err, "no")
		fifth.n = 2
		fifth.rd.gone.note(3)
		require.True(t, a.room(fifth), "a later lane failed")
		fifth.rd.gone.note(1)
		require.False(t, a.room(fifth), "an earlier lane failed")

		c := &chain{}
		first, second := testLane(), testLane()
		first.chain, second.chain, second.at = c, c, 1
		c.whole.note(0)
		require.False(t, a.room(second), "an earlier window reads everything")
		a.turn(first)
		require.True(t, a.room(first))
	})
	synctest.Test(t, func(t *testing.T) {
		a, stop := newAhead(t.Context())
		l := testLane()
		a.turn(l)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, ok, err := a.pop(l)
			require.False(t, ok)
			require.ErrorIs(t, err, errEnded)
		})
		synctest.Wait()
		stop()
		a.mu.Lock()
		a.ended = true
		a.mu.Unlock()
		a.cond.Broadcast()
		wg.Wait()
		require.False(t, a.room(l))
		a.push(l, lines(10))
		require.Empty(t, l.queue)
	})
}

func TestEarliest(t *testing.T) {
	var e earliest
	require.False(t, e.before(0))
	require.False(t, e.before(9))
	var wg sync.WaitGroup
	for _, n := range []int{5, 3, 7} {
		wg.Go(func() { e.note(n) })
	}
	wg.Wait()
	require.False(t, e.before(3))
	require.True(t, e.before(4))
	e.note(0)
	require.False(t, e.before(0))
	require.True(t, e.before(1))
}
