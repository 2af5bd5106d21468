package sourcetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// kind names the way in which a stream is read: streams of one kind go the same
// way through the engine, so that one of them stands for all where a case is
// dear.
func kind(st *stream.Stream) string {
	k := fmt.Sprintf("%T", st.Page)
	if c := st.Cursor; c != nil {
		k += fmt.Sprintf(" cursor filtered=%t bounded=%t sorted=%t sparse=%t begin=%t", c.Filtered(), c.Bounded(), c.Sorted, c.Sparse, c.Begin != nil)
		k += fmt.Sprintf(" stamp=%t edits=%t anew=%t", c.Stamp != nil, c.Edits != nil, c.Anew)
	}
	if st.Chunked != nil {
		k += " chunked"
	}
	if st.Job != nil {
		k += " job"
	}
	if st.OneRow {
		k += " one row"
	}
	if st.Scope != "" {
		k += " scope=" + st.Scope
	}
	if st.Needs() != "" {
		k += fmt.Sprintf(" parent=%t", st.Parent != nil)
	}
	return k
}

// looks is kind with all else that the table tells of a stream: what is asked
// for, what is kept in the state, and of what types the key is.
func (s *subject) looks(t testing.TB, st *stream.Stream) string {
	t.Helper()
	k := kind(st) + fmt.Sprintf(" select=%t deletions=%t params=%d bare=%t optional=%t selected=%t hidden=%t lift=%t trim=%t",
		st.Select != "", st.Deletions != nil, len(st.Params), st.Bare != "", st.Optional, st.Selected, len(st.Hidden) > 0, len(st.Lift) > 0, len(st.Trim) > 0)
	if c := st.Cursor; c != nil {
		k += fmt.Sprintf(" epochs=%d kept=%t", len(c.Epochs), c.Kept > 0)
	}
	full := s.fullSchema(t, st)
	types := []string{k}
	for _, name := range st.Key {
		p := full.Property(name)
		types = append(types, p.Type+p.Format)
	}
	return strings.Join(types, " ")
}

// large tells whether a source has so many streams that no case but the shared
// runs can afford to read them all.
func (s *subject) large(t testing.TB) bool {
	t.Helper()
	return len(s.all(t)) > 100
}

// some are the streams that cases read of a large source, one of each look; of one
// whose default selection keeps no bookmark, that and what keeps one; nil, which is
// the default selection, of any other.
func (s *subject) some(t testing.TB) []*stream.Stream {
	t.Helper()
	if s.plain != nil {
		return s.plain.some(t)
	}
	s.onceSome.Do(func() {
		all := pointers(s.all(t))
		switch {
		case s.large(t):
			s.few = s.oneOfEach(t, func(st *stream.Stream) string { return s.looks(t, st) }, nil)
			require.NotEmpty(t, s.few)
		case !slices.ContainsFunc(all, func(st *stream.Stream) bool { return st.Selected && st.Cursor != nil }):
			s.few = slices.DeleteFunc(all, func(st *stream.Stream) bool { return !st.Selected && st.Cursor == nil })
		}
	})
	require.False(t, s.large(t) && s.few == nil, "the streams could not be chosen in another case")
	return s.few
}

// looked are the streams that a case looks at which wants them all: every one, or
// some of a large source.
func (s *subject) looked(t testing.TB) []*stream.Stream {
	t.Helper()
	if s.large(t) {
		return s.some(t)
	}
	return pointers(s.all(t))
}

// answers is how many calls it takes to read a page of a stream whole: more than
// one where an answer does not hold all fields.
func (s *subject) answers(t testing.TB, st *stream.Stream) int64 {
	t.Helper()
	c := st.Chunked
	if c == nil {
		return 1
	}
	rest := 0
	for _, p := range s.fullSchema(t, st).Properties {
		if !slices.Contains(c.Always, p.Name) && !strings.HasPrefix(p.Name, "_") {
			rest++
		}
	}
	each := c.Max - len(c.Always)
	return max(int64((rest+each-1)/each), 1)
}

// incremental are those of looked that have a bookmark of their own, children too.
func (s *subject) incremental(t testing.TB) []*stream.Stream {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(s.looked(t)), func(st *stream.Stream) bool { return st.Cursor == nil || st.With != nil })
}

// rather are the streams of a list that need no other, or all where there are fewer
// than so many: what goes wrong with a child may be one parent's matter alone.
func rather(list []*stream.Stream, least int) []*stream.Stream {
	own := slices.DeleteFunc(slices.Clone(list), func(st *stream.Stream) bool { return st.Needs() != "" })
	if len(own) < least {
		return list
	}
	return own
}

// ours tells whether a run of some read a stream.
func (s *subject) ours(t testing.TB, st *stream.Stream) bool {
	t.Helper()
	if list := s.some(t); list != nil {
		return slices.Contains(list, st)
	}
	return st.Selected
}

// representatives are one stream of each kind, the first one whose table grows
// with the stand-in's and whose rows can change, if there is one.
func (s *subject) representatives(t testing.TB) []*stream.Stream {
	t.Helper()
	if s.plain != nil {
		return s.plain.representatives(t)
	}
	s.onceReps.Do(func() { s.reps = s.oneOfEach(t, kind, s.shortPages) })
	require.NotEmpty(t, s.reps)
	return s.reps
}

// shortPages picks one of several streams of which all would do: one with several
// pages of a hundred rows, lest tables have to be long.
func (s *subject) shortPages(t testing.TB, list []*stream.Stream) *stream.Stream {
	t.Helper()
	for _, at := range []int{0, len(list) / 2, len(list) - 1} {
		var seen pages
		s.sync(t, s.open(t, emulator.Options{Records: 130}), ask{config: wide, page: seen.hook, only: list[at : at+1], keys: true}).complete(t)
		if seen.several(list[at]) {
			return list[at]
		}
	}
	return list[0]
}

// patience bounds how many streams of one sort are tried.
const patience = 60

// oneOfEach are one stream of each sort: one that grows and changes if there is
// one, else one that has rows. prefer picks among several of the former; nil is
// the first one.
func (s *subject) oneOfEach(t testing.TB, sort func(*stream.Stream) string, prefer func(testing.TB, []*stream.Stream) *stream.Stream) []*stream.Stream {
	t.Helper()
	few, more := s.open(t, emulator.Options{Records: 4}), s.open(t, emulator.Options{Records: 8})
	type found struct {
		tries int
		first *stream.Stream // with rows
		lives []*stream.Stream
	}
	sorts := map[string]*found{}
	all := s.all(t)
	for i := range all {
		st := &all[i]
		f := sorts[sort(st)]
		if f == nil {
			f = &found{}
			sorts[sort(st)] = f
		}
		if f.tries == patience || len(f.lives) > 0 && prefer == nil {
			continue
		}
		f.tries++
		_, err := s.change(t, few, emulator.Change{Stream: st.Name, Insert: 1})
		small, big := len(s.truth(t, few, st.Name)), len(s.truth(t, more, st.Name))
		if f.first == nil && (small > 0 || !s.large(t)) {
			f.first = st
		}
		if err == nil && big > small {
			f.lives = append(f.lives, st)
		}
	}
	chosen := map[*stream.Stream]bool{}
	for _, f := range sorts {
		switch {
		case len(f.lives) > 1 && prefer != nil:
			chosen[prefer(t, f.lives)] = true
		case len(f.lives) > 0:
			chosen[f.lives[0]] = true
		case f.first != nil:
			chosen[f.first] = true
		}
	}
	return slices.DeleteFunc(pointers(all), func(st *stream.Stream) bool { return !chosen[st] })
}

// changing are the streams whose rows can be touched so that a reader can see
// it: the touch moves the replication value. Others may be added to.
func (s *subject) changing(t testing.TB) []*stream.Stream {
	t.Helper()
	s.onceChg.Do(func() {
		if s.plain == nil {
			s.chg = s.findChanging(t, 1)
			return
		}
		// A guess may hide some touches of a stream, which nobody can see then.
		always := s.findChanging(t, 6)
		s.chg = slices.DeleteFunc(slices.Clone(s.plain.changing(t)), func(st *stream.Stream) bool { return !slices.Contains(always, st) })
	})
	return s.chg
}

// findChanging finds them by touching so many rows, all of which have to show it.
func (s *subject) findChanging(t testing.TB, touches int) []*stream.Stream {
	t.Helper()
	var out []*stream.Stream
	server := s.openSmall(t)
	for _, st := range s.incremental(t) {
		before := map[string]int64{}
		for _, r := range s.rows(t, server, st, s.keySchema(t, st)) {
			before[r.key] = r.value.v
		}
		reports, err := s.change(t, server, emulator.Change{Stream: st.Name, Rows: touches})
		if err != nil || len(reports[0].Touched) == 0 {
			continue
		}
		after := s.rows(t, server, st, s.keySchema(t, st))
		seen := func(id emulator.ID) bool {
			return slices.ContainsFunc(after, func(r row) bool {
				return names(t, r.raw) != nil && strings.Contains(r.key, string(id)) && r.value.v > before[r.key]
			})
		}
		if !slices.ContainsFunc(reports[0].Touched, func(id emulator.ID) bool { return !seen(id) }) {
			out = append(out, st)
		}
	}
	return out
}
