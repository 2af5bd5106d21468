package slascone_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestTable holds the table against the rules of the language it is written in.
func TestTable(t *testing.T) {
	require.Empty(t, source.Validate(func(s *stream.Stream) (*singer.Schema, error) { return engine.Schema(source, s) }))
	require.Len(t, source.Streams, 44)
}

// TestEverything reads every stream, and compares it with what the service has.
func TestEverything(t *testing.T) {
	visit(t, emulator.Options{}, func(_ *testing.T, s *site) {
		out := s.run(ask{Only: []string{"*"}}).Complete()
		s.whole(out, all()...)
	})
}
