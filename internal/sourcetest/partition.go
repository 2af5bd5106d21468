package sourcetest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// partitionCases are about streams that are read in parts, each with a bookmark.
var partitionCases = []conformance{
	{"one request at a time", oneAtATime},
	{"pace of each partition", partitionPace},
	{"partition refused", partitionRefused},
	{"list without rights", noRights},
	{"moved partition", movedPartition},
}

// lanes are the partitions of which the vendor wants to be asked one thing at a
// time.
func (s *subject) lanes(t testing.TB) []string {
	t.Helper()
	var ids []string
	for scope := range s.src.Scopes {
		for _, p := range s.expanded(t, scope) {
			if p.Lane != "" {
				ids = append(ids, cmp.Or(p.Within, p.ID))
			}
		}
	}
	return ids
}

// lane is the one of them in whose name a request was made, "" for none.
func lane(ids []string, e emulator.Entry) string {
	for segment := range strings.SplitSeq(e.Path, "/") {
		if slices.Contains(ids, segment) {
			return segment
		}
	}
	return ""
}

// laned calls do for each request that is made in the name of such a partition, which
// stands in its path or in a header.
type laned struct {
	http.RoundTripper
	ids []string
	do  func(id string)
}

// RoundTrip asks.
func (l laned) RoundTrip(r *http.Request) (*http.Response, error) {
	id := lane(l.ids, emulator.Entry{Path: r.URL.Path})
	for _, values := range r.Header {
		if id == "" && slices.Contains(l.ids, values[0]) {
			id = values[0]
		}
	}
	if id != "" {
		l.do(id)
	}
	return l.RoundTripper.RoundTrip(r)
}

// oneAtATime: whatever the concurrency, no partition is asked for two things at
// once.
func oneAtATime(t *testing.T, s *subject) {
	ids := s.lanes(t)
	if len(ids) == 0 {
		return
	}
	const latency = 100 * time.Millisecond
	server := s.open(t, emulator.Options{Records: 70, Seed: 1, Latency: latency})
	var mu sync.Mutex
	asked := map[string][]time.Time{}
	watch := func(n http.RoundTripper) http.RoundTripper {
		return laned{n, ids, func(id string) {
			mu.Lock()
			defer mu.Unlock()
			asked[id] = append(asked[id], time.Now())
		}}
	}
	out := s.sync(t, server, ask{config: wide, only: s.some(t), concurrency: 8, keys: true, network: watch})
	out.complete(t)
	require.NotEmpty(t, asked)
	for id, times := range asked {
		require.Greater(t, len(times), 1, id)
		for k := 1; k < len(times); k++ {
			require.GreaterOrEqual(t, times[k].Sub(times[k-1]), latency, "%s: request %d", id, k+1)
		}
	}
}

// partitionPace: a vendor's budget of each partition is never exceeded, and not
// left unused while there is something to ask.
func partitionPace(t *testing.T, s *subject) {
	for _, l := range s.src.Limits {
		if l.Kind != stream.Clock || !l.PerLane || l.Per > time.Hour {
			continue
		}
		list := slices.DeleteFunc(s.readable(t, s.everything(t)), func(st *stream.Stream) bool { return st.Scope == "" })
		list = list[:min(len(list), int(l.N)*3/2)]
		server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Limits: "real", Latency: 50 * time.Millisecond})
		out := s.sync(t, server, ask{only: list, keys: true, config: wide})
		out.complete(t)
		require.Zero(t, out.stats.ByStatus["429"], "the vendor had to throttle")
		counts, most := map[string]map[time.Time]int{}, 0
		total := map[string]int{}
		ids := s.lanes(t)
		for _, e := range s.calls(out) {
			id := lane(ids, e)
			if id == "" {
				continue
			}
			if counts[id] == nil {
				counts[id] = map[time.Time]int{}
			}
			at := e.Time.Truncate(l.Per)
			counts[id][at]++
			require.LessOrEqual(t, counts[id][at], int(l.N), "%s in the period from %s", id, at)
			total[id]++
			most = max(most, total[id])
		}
		require.Greater(t, most, int(l.N), "enough requests to tell")
		// Streams take turns, so that one partition may wait for the other's.
		periods := 0
		for _, n := range total {
			periods += (n + int(l.N) - 1) / int(l.N)
		}
		require.LessOrEqual(t, out.took, time.Duration(periods)*l.Per)
	}
}

// partitionRefused: a stream that one partition refuses is read in the others,
// and said so.
func partitionRefused(t *testing.T, s *subject) {
	st, other := s.pair(t)
	if st.Scope == "" {
		return
	}
	var ids []string // those that have rows
	for id := range s.marks(t, readState(t, s.everything(t).final(t)), st) {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: "noscope@" + st.Name + "/" + ids[0]})
	out := s.sync(t, server, ask{config: wide, only: []*stream.Stream{st, other}})
	if out.stats.ByStatus["403"] == 0 {
		return // the stand-in knows no such refusal
	}
	require.NoError(t, out.report.Err)
	for _, r := range out.report.Streams {
		require.NoError(t, r.Err, r.Stream)
		if r.Stream == st.Name {
			require.Len(t, r.Refused, 1)
			require.Contains(t, r.Refused[0], ids[0])
		}
	}
	require.LessOrEqual(t, out.attempts(st.Name), 1, "a refusal is not asked again")
	want := map[string]bool{}
	for _, r := range s.everyRecord(t, st.Name) {
		if s.partOfRecord(t, st, r) != ids[0] {
			want[r.key] = true
		}
	}
	require.Equal(t, want, keys(out.records(t, st.Name)))
	marks := s.marks(t, readState(t, out.final(t)), st)
	require.NotContains(t, marks, ids[0])
	require.Len(t, marks, len(ids)-1)
	require.Equal(t, keys(s.everyRecord(t, other.Name)), keys(out.records(t, other.Name)), other.Name)
	warned := false
	for _, line := range out.logLines(t) {
		warned = warned || line["level"] == "WARN" && line["stream"] == st.Name
	}
	require.True(t, warned, "a refusal is warned of")

	// Once it is allowed, the partition is read from its beginning.
	healed := s.sync(t, s.openSmall(t), ask{config: wide, only: []*stream.Stream{st}, state: out.final(t), at: today.Add(time.Hour)})
	healed.complete(t)
	require.Equal(t, keys(s.everyRecord(t, st.Name)), union(out.records(t, st.Name), healed.records(t, st.Name)))
}

// noRights: where a vendor shows an empty list to who has no right to see it, the
// bookmark stays, the others are complete, and check asks and tells.
func noRights(t *testing.T, s *subject) {
	if s.src.Rights == nil {
		return
	}
	st, other := s.pair(t)
	given := s.stateOf(t, map[string]parts{st.Name: s.middles(t, st, s.everyRecord(t, st.Name))}, "")
	server := s.open(t, emulator.Options{Records: s.small(), Seed: 1, Faults: "noright@" + st.Name})
	out := s.sync(t, server, ask{config: wide, only: []*stream.Stream{st, other}, state: given})
	require.NoError(t, out.report.Err)
	require.Empty(t, out.records(t, st.Name))
	sameMarks(t, s.marks(t, readState(t, given), st), s.marks(t, readState(t, out.final(t)), st), st.Name)
	require.Equal(t, keys(s.everyRecord(t, other.Name)), keys(out.records(t, other.Name)), other.Name)
	found := s.check(t, server, []stream.Stream{*st, *other})
	require.Len(t, found, 2)
	for _, c := range found {
		if c.Stream == st.Name {
			s.telling(t, fault.As(c.Err), fault.Permission)
		} else {
			require.NoError(t, c.Err)
		}
	}
}

// movedPartition: where a stand-in can give the rows of a partition other
// replication values, and the vendor tells that they mean something else now,
// these are read anew and nothing else is. The bookmark may go back.
func movedPartition(t *testing.T, s *subject) {
	list := slices.DeleteFunc(slices.Clone(s.looked(t)), func(st *stream.Stream) bool { return st.Cursor == nil || len(st.Cursor.Epochs) == 0 })
	if len(list) == 0 {
		return
	}
	moved := 0
	server := s.openSmall(t)
	for i := range s.all(t) {
		mover := s.table(t, s.all(t)[i].Name)
		if mover.Cursor != nil {
			continue
		}
		reports, err := s.change(t, server, emulator.Change{Stream: mover.Name, Rows: 1})
		s.reset(t, server)
		if err != nil || reports[0].Note == "" {
			continue
		}
		moved++
		t.Run(mover.Name, func(t *testing.T) { s.moved(t, server, mover, list) })
	}
	require.Positive(t, moved, "the stand-in moves a partition")
}

func (s *subject) moved(t *testing.T, server *emulator.Server, mover *stream.Stream, list []*stream.Stream) {
	t.Helper()
	s.reset(t, server)
	first := s.sync(t, server, ask{config: wide, only: list, keys: true})
	first.complete(t)
	before := map[string]map[string]int64{}
	for _, st := range list {
		before[st.Name] = map[string]int64{}
		for _, r := range s.rows(t, server, st, s.keySchema(t, st)) {
			before[st.Name][r.key] = r.value.v
		}
	}
	_, err := s.change(t, server, emulator.Change{Stream: mover.Name, Rows: 1, At: today.Add(30 * time.Minute)})
	require.NoError(t, err)
	second := s.sync(t, server, ask{config: wide, only: list, keys: true, state: first.final(t), at: today.Add(time.Hour)})
	second.complete(t)
	anew := 0
	for _, st := range list {
		want, marks := map[string]bool{}, parts{}
		for _, r := range s.since(t, server, st, s.keySchema(t, st), nil) {
			if before[st.Name][r.key] != r.value.v {
				want[r.key] = true
			}
			if m := marks[r.part]; !m.set || r.value.v > m.v {
				marks[r.part] = r.value
			}
		}
		require.Equal(t, want, keys(second.records(t, st.Name)), "%s: what has other values is read anew", st.Name)
		sameMarks(t, marks, s.marks(t, readState(t, second.final(t)), st), st.Name)
		if len(want) > 0 {
			anew++
		}
	}
	require.Positive(t, anew)
	third := s.sync(t, server, ask{config: wide, only: list, keys: true, state: second.final(t), at: today.Add(2 * time.Hour)})
	third.complete(t)
	sameState(t, second.final(t), third.final(t), "once is enough")
	require.Empty(t, slices.DeleteFunc(recordLines(third), func(string) bool { return !exclusive(list[0]) }))
}
