package exactonline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestTable(t *testing.T) {
	src := Source()
	require.Empty(t, src.Validate(func(s *stream.Stream) (*singer.Schema, error) {
		raw, err := src.Schema(s.Name)
		if err != nil {
			return nil, err
		}
		return singer.ParseSchema(raw)
	}))
	_, err := src.Schema("nothing")
	require.ErrorContains(t, err, `no set "nothing"`)
}
