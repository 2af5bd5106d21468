package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestWarn(t *testing.T) {
	stream.Warn(t.Context(), "nobody listens")
	var heard []any
	ctx := stream.Telling(t.Context(), func(text string, args ...any) { heard = append(append(heard, text), args...) })
	stream.Warn(ctx, "a list is refused", "reason", "no right")
	require.Equal(t, []any{"a list is refused", "reason", "no right"}, heard)
}
