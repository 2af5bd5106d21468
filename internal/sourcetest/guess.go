package sourcetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// A stand-in tells what its vendor's papers leave open, see [emulator.Plugin]. For
// each position the rows have to come as ever, at first and later. How many calls
// that takes, and what refusals look like, is the business of the source's own
// tests.

// guessCases are run once more in each position.
func guessCases() []conformance {
	return []conformance{
		{"every row", everyRow},
		{"older bookmark", olderBookmark},
		{"second run", secondRun},
		{"changed rows", changedRows},
		{"live table", liveTable},
		{"resume from every state", resumeEverywhere},
	}
}

// guessing is the subject in a position.
func (s *subject) guessing(faults string) *subject {
	return &subject{src: s.src, plugin: s.plugin, root: s.root, guess: faults, plain: s}
}

// again leaves out of what should come the rows below a bookmark that did not: in
// some position the service filters by another time than it shows, and these, which
// are looked back at, have been read before.
func (s *subject) again(want []row, from parts, got []record) []row {
	if s.guess == "" {
		return want
	}
	have := keys(got)
	return slices.DeleteFunc(want, func(r row) bool { return r.value.set && r.value.v < from[r.part].v && !have[r.key] })
}

// everyRow: all streams with all fields, over more than a page, come whole and
// once.
func everyRow(t *testing.T, s *subject) {
	server := s.open(t, emulator.Options{Records: 130, Seed: 6})
	list := s.looked(t)
	out := s.sync(t, server, ask{only: list, config: wide})
	out.complete(t)
	list = s.lookedAt(t, out)
	require.Len(t, out.streamNames(), len(list))
	for _, st := range list {
		m := out.schema(t, st.Name)
		got := out.records(t, st.Name)
		s.whole(t, st, m, out.settled(t, st.Name, s.carrier(t, st).Name))
		s.sharingTold(t, st, out)
		s.matches(t, st, m.Schema, s.since(t, server, st, m.Schema, nil), got)
	}
}
