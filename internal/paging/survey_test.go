package paging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Pages that are asked for out of turn; numbers stay numbers in a body.
func TestNumbered(t *testing.T) {
	p := stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 50, Total: "count", Survey: &stream.Survey{From: "totals"}}
	req := post(stream.Param{Name: "filter", Value: "x"})
	require.Equal(t, "POST u filter=x size=(20)", render(Sized(p, req, 20)))
	require.Equal(t, "POST u filter=x size=(20) page=(0)", render(Numbered(p, req, 20, 0)))
	require.Equal(t, "POST u filter=x size=(9) page=(3)", render(Numbered(p, Numbered(p, req, 20, 0), 9, 3)))
	require.Equal(t, "POST u filter=x", render(req), "the request is as it was")
	p.SizeParam = ""
	require.Equal(t, "POST u filter=x", render(Sized(p, req, 20)))
	require.Empty(t, Captures(p), "another list's answers have the total")
	p.Survey.From = ""
	require.Equal(t, []string{"count"}, Captures(p))
}
