package slascone_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/slascone"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/slascone"
)

// source is the table under test.
var source = slascone.Source()

// site is the stand-in and what only this one has.
type site struct {
	*sitetest.Site
	behind *stand.Service
}

type (
	ask    = sitetest.Ask
	output = sitetest.Output
)

// visit opens the stand-in and does something there. Limits are real unless o says
// otherwise.
func visit(t *testing.T, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	t.Parallel()
	o.Records = cmp.Or(o.Records, 30)
	s := &site{}
	p := sitetest.Place{Source: source, Plugin: stand.Watched(&s.behind), Options: o, Secrets: []string{stand.AdminKey, stand.ProvisioningKey}}
	sitetest.Visit(t, p, func(at *sitetest.Site) {
		s.Site = at
		do(at.T, s)
	})
}

// run reads once and checks what holds for every run: nothing was asked that does
// something or returns a secret.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.Run(a)
	require.Zero(s, s.behind.SideEffects(), "something was done")
	require.Zero(s, s.behind.Secrets(), "a secret was read")
	return out
}

// broken wants a stream to have failed in a way that nobody can overlook.
func broken(o *output, stream string) {
	o.Helper()
	require.Equal(o, fault.Contract, fault.KindOf(o.Result(stream).Err), "%v", o.Result(stream).Err)
}

// truth are the keys of all rows that a stream should have.
func (s *site) truth(stream string) []string {
	s.Helper()
	out := []string{}
	for _, row := range s.Truth(stream) {
		out = append(out, key(stream, row))
	}
	return out
}

func key(stream string, row sitetest.Row) string { return row.Key(source.Stream(stream).Key...) }

// whole wants the records of streams to be those that the service has, each once.
func (s *site) whole(o *output, streams ...string) {
	s.Helper()
	for _, name := range streams {
		want, have := s.truth(name), o.Keys(name)
		slices.Sort(want)
		slices.Sort(have)
		require.Equal(s, want, have, name)
	}
}

// all are the names of every stream.
func all() []string {
	var out []string
	for i := range source.Streams {
		out = append(out, source.Streams[i].Name)
	}
	return out
}
