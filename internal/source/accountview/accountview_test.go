package accountview

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
	"github.com/tap-backoffice/tap-backoffice/schemas"
)

func TestTable(t *testing.T) {
	src := Source()
	require.Empty(t, src.Validate(func(s *stream.Stream) (*singer.Schema, error) {
		raw, err := schemas.File(src.Name, s.Name)
		if err != nil {
			return nil, err
		}
		return singer.ParseSchema(raw)
	}))
	require.Len(t, src.Streams, 65)
}
