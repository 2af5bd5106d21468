package paging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestOverlap: each page begins with the last row of the one before, and only one
// without a further row is the last.
func TestOverlap(t *testing.T) {
	p := stream.Offset{Param: "offset", SizeParam: "limit", Size: 3, UntilEmpty: true, Overlap: true}
	for _, tc := range []struct {
		at           string
		rows, shared int
		want         string
	}{
		{"0", 0, 0, "end"},
		{"0", 1, 0, "POST u offset=(1)"}, // a page that begins with this row would be this one again
		{"0", 3, 0, "POST u offset=(2)"},
		{"0", 2, 0, "POST u offset=(1)"},
		{"2", 3, 1, "POST u offset=(4)"},
		{"2", 2, 1, "POST u offset=(3)"},
		{"2", 1, 1, "end"},
		{"2", 0, 1, "end"},
		{"1", 0, 0, "end"},
		{"1", 1, 0, "POST u offset=(2)"},
	} {
		req := post(stream.Param{Name: "offset", Value: tc.at, Raw: true})
		next, err := Next(p, req, Head{Rows: tc.rows, Shared: tc.shared, Capture: func(string) []byte { return nil }})
		require.NoError(t, err)
		require.Equal(t, tc.want, render(next), "%d rows at %s", tc.rows, tc.at)
	}
}

// TestKeysAreNumbers: a number is sent as one whatever the row shows it as.
func TestKeysAreNumbers(t *testing.T) {
	p := stream.Keyset{Param: "after", Field: "id", Size: 1, Number: true}
	for literal, want := range map[string]string{`7`: "(7)", `"7"`: "(7)", `"x"`: "x"} {
		next, err := Next(p, post(), Head{Rows: 1, Last: []byte(literal)})
		require.NoError(t, err)
		require.Equal(t, "POST u after="+want, render(next))
	}
}

func TestSizes(t *testing.T) {
	for _, p := range []stream.Pager{
		stream.Offset{Param: "o", SizeParam: "n", Size: 9},
		stream.Number{Param: "p", SizeParam: "n", Size: 9},
		stream.Token{Param: "t", SizeParam: "n", Size: 9},
		stream.Keyset{Param: "k", SizeParam: "n", Size: 9},
	} {
		req := First(p, post())
		require.Equal(t, 9, Asked(p, req, 0))
		less := Resize(p, req, 4)
		require.Equal(t, 4, Asked(p, less, 0))
		require.Equal(t, 9, Asked(p, req, 0), "the request itself stays")
	}
	require.Equal(t, 5, Asked(stream.Single{}, post(), 5))
	require.Equal(t, "POST u", render(Resize(stream.Single{}, post(), 4)))
	require.Equal(t, 6, Position(stream.Offset{Param: "o"}, post(stream.Param{Name: "o", Value: "6"})))
	require.Zero(t, Position(stream.Number{Param: "o"}, post(stream.Param{Name: "o", Value: "6"})))
}
