package sourcetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var resumeCases = []conformance{
	{"same run twice", sameTwice},
	{"concurrency", concurrency},
	{"resume from every state", resumeEverywhere},
	{"cancel mid page", cancelMidPage},
	{"stdout closed", stdoutClosed},
	{"time limit", timeLimit},
}

// sameTwice: the same data and clock give the same bytes.
func sameTwice(t *testing.T, s *subject) {
	a := s.sync(t, s.openSmall(t), ask{only: s.some(t), config: wide, fixed: true})
	b := s.sync(t, s.openSmall(t), ask{only: s.some(t), config: wide, fixed: true})
	a.complete(t)
	require.Equal(t, string(a.text), string(b.text))
}

// concurrency: one request at a time and eight give the same lines per stream,
// in the same order, and the same final state, whatever the latency.
func concurrency(t *testing.T, s *subject) {
	var outs []*output
	for _, n := range []int{1, 8} {
		server := s.open(t, emulator.Options{Records: 120, Seed: 5, Latency: time.Duration(n) * 30 * time.Millisecond})
		out := s.sync(t, server, ask{only: s.some(t), config: with(wide, "date_window_size", 200), fixed: true, concurrency: n})
		out.complete(t)
		outs = append(outs, out)
	}
	require.JSONEq(t, string(outs[0].final(t)), string(outs[1].final(t)))
	require.Equal(t, outs[0].streamNames(), outs[1].streamNames())
	for _, name := range outs[0].streamNames() {
		a, b := outs[0].records(t, name), outs[1].records(t, name)
		require.Len(t, b, len(a), name)
		for i := range a {
			if string(a[i].line) != string(b[i].line) && len(s.volatileIn(t, name)) == 0 {
				require.Equal(t, string(a[i].line), string(b[i].line), name)
			}
			require.Equal(t, a[i].key, b[i].key, name)
		}
	}
	require.Equal(t, outs[0].stats.ByResource, outs[1].stats.ByResource, "nothing is asked twice")
}

// several windows, so that there are states to resume from.
var windowed = map[string]any{"date_window_size": 500}

// resumeEverywhere: from any STATE of a run, what had been written before it
// and what the next run writes are all rows, in their last version; what comes
// twice is at or after the bookmark, has none, or belongs to the stream that
// was interrupted; the end is that of the whole run.
func resumeEverywhere(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 12, Seed: 2})
	list := s.representatives(t)
	whole := s.sync(t, server, ask{config: windowed, only: list})
	whole.complete(t)
	s.covered(t, whole, nil)
	tried := map[string]bool{}
	states := slices.DeleteFunc(whole.states(), func(state stateAt) bool {
		again := tried[string(state.value)]
		tried[string(state.value)] = true
		return again
	})
	require.Greater(t, len(states), len(list))
	for _, state := range few(4, states) {
		next := s.sync(t, server, ask{config: windowed, only: list, state: state.value})
		next.complete(t)
		s.covered(t, next, state.value)
		s.resumes(t, server, whole, state, next, list)
	}
}

// resumes checks a run that began from a STATE of another one.
func (s *subject) resumes(t testing.TB, server *emulator.Server, whole *output, state stateAt, next *output, list []*stream.Stream) {
	t.Helper()
	sameState(t, whole.final(t), next.final(t), "the end is the same")
	p := readState(t, state.value)
	for _, st := range list {
		before := whole.recordsBefore(t, st.Name, state.line)
		after := next.records(t, st.Name)
		union := keys(before)
		for k := range keys(after) {
			union[k] = true
		}
		require.Equal(t, keys(whole.records(t, st.Name)), union, "from line %d: %s", state.line+1, st.Name)
		if st.Cursor == nil || p.Syncing != nil && s.family(t, *p.Syncing) == s.family(t, st.Name) {
			continue
		}
		marks := s.reaching(t, st, s.marks(t, p, st))
		for _, r := range after {
			m := readMark(t, r.fields[st.Cursor.Field])
			mark := marks[s.partOfRecord(t, st, r)]
			require.True(t, !keys(before)[r.key] || !m.set || !mark.set || m.v >= mark.v,
				"from line %d: %s writes %s, %s, again though the bookmark is %s", state.line+1, st.Name, r.key, m.raw, mark.raw)
		}
	}
}

// family is the stream at whose root a stream hangs.
func (s *subject) family(t testing.TB, name string) string {
	t.Helper()
	for {
		up := s.table(t, name).Needs()
		if up == "" {
			return name
		}
		name = up
	}
}

// survives checks that a run which ended early, and the one after it, together
// delivered everything.
func (s *subject) survives(t testing.TB, server *emulator.Server, first *output, list []*stream.Stream) {
	t.Helper()
	states := first.states()
	var state stateAt
	if len(states) > 0 { // what a target saw last
		state = states[len(states)-1]
	}
	s.covered(t, first, nil)
	next := s.sync(t, server, ask{config: windowed, only: list, state: state.value})
	next.complete(t)
	for _, st := range list {
		union := keys(next.records(t, st.Name))
		if st.Cursor != nil || st.Needs() != "" {
			for k := range keys(first.recordsBefore(t, st.Name, state.line)) {
				union[k] = true
			}
		}
		if st.Needs() == "" {
			require.Len(t, union, len(certain(s.since(t, server, st, s.keySchema(t, st), nil))), "%s after %d lines", st.Name, len(first.lines))
		}
	}
}

// cancelMidPage: a signal while a page is on its way ends the run at once, with
// a STATE from which the next run loses nothing.
func cancelMidPage(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 12, Seed: 2, Latency: 100 * time.Millisecond})
	list := s.representatives(t)
	var total atomic.Int64
	s.sync(t, server, ask{config: windowed, only: list, page: func(emulator.Page) { total.Add(1) }}).complete(t)
	var moments []int64
	for k := int64(1); k <= total.Load(); k += max(total.Load()/8, 1) {
		moments = append(moments, k)
	}
	for _, k := range few(3, moments) {
		var signal chan struct{} // made in the run's own bubble
		var n atomic.Int64
		var at time.Time
		out := s.sync(t, server, ask{
			config: windowed, only: list, partial: true,
			signal: func() <-chan struct{} { signal = make(chan struct{}); return signal },
			page: func(emulator.Page) {
				if n.Add(1) == k {
					at = time.Now()
					close(signal)
					moment() // the signal is there before the page
				}
			},
		})
		require.ErrorIs(t, out.report.Err, errSignal)
		require.Less(t, out.ended.Sub(at), 2*time.Second, "a signal ends the run within two seconds")
		out.ends(t)
		s.survives(t, server, out, list)
	}
}

// errClosed is what a closed pipe says.
var errClosed = errors.New("broken pipe")

// closing passes on so many bytes, then fails.
type closing struct {
	w    io.Writer
	left int
}

func (c *closing) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.w.Write(p)
	}
	n, _ := c.w.Write(p[:c.left])
	c.left = 0
	return n, errClosed
}

// stdoutClosed: when the target goes away, at whatever byte, the run ends with
// a fault of the output, and from the last STATE that the target saw nothing is
// lost.
func stdoutClosed(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 12, Seed: 2})
	list := s.representatives(t)
	whole := s.sync(t, server, ask{config: windowed, only: list, fixed: true})
	size := len(whole.text)
	step := size/12 + 1
	places := []int{0, 1}
	for n := step; n < size; n += step {
		places = append(places, n)
	}
	for _, n := range few(3, append(places, size-1)) {
		s.closeAt(t, server, n, list)
	}
}

func (s *subject) closeAt(t testing.TB, server *emulator.Server, n int, list []*stream.Stream) {
	t.Helper()
	out := s.sync(t, server, ask{
		config: windowed, only: list, fixed: true, partial: true,
		stdout: func(w io.Writer) io.Writer { return &closing{w, n} },
	})
	require.ErrorIs(t, out.report.Err, errClosed)
	require.Equal(t, fault.Output, fault.KindOf(out.report.Err))
	require.True(t, fault.As(out.report.Err).Whole)
	require.NotEmpty(t, fault.As(out.report.Err).Hint)
	s.survives(t, server, out, list)
}

// timeLimit: the end of --timeout is a quota fault with a valid state.
func timeLimit(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 12, Seed: 2, Latency: 100 * time.Millisecond})
	list := s.representatives(t)
	out := s.sync(t, server, ask{config: windowed, only: list, partial: true, timeout: time.Second})
	require.Equal(t, fault.Quota, fault.KindOf(out.report.Err))
	require.LessOrEqual(t, out.took, 1100*time.Millisecond)
	s.survives(t, server, out, list)
}

var errLimit = &fault.Error{Kind: fault.Quota, Whole: true, Op: "time limit", Err: context.DeadlineExceeded, Hint: "run again"}
