package paging

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestPromises: whether the vendor said that rows follow.
func TestPromises(t *testing.T) {
	for name, tt := range map[string]struct {
		pager stream.Pager
		told  map[string]string
		want  bool
	}{
		"token":                   {stream.Token{Param: "t", Token: "token", More: "more"}, map[string]string{"token": `"x"`, "more": "true"}, true},
		"number, more":            {stream.Number{Param: "p", Size: 3, More: "more"}, map[string]string{"more": "true"}, true},
		"number, no more":         {stream.Number{Param: "p", Size: 3, More: "more"}, map[string]string{"more": "false"}, false},
		"number, not told":        {stream.Number{Param: "p", Size: 3, More: "more"}, nil, false},
		"number, total":           {stream.Number{Param: "p", Size: 3, Total: "count"}, map[string]string{"count": "4"}, true},
		"number, total reached":   {stream.Number{Param: "p", Size: 3, Total: "count"}, map[string]string{"count": "3"}, false},
		"number, total elsewhere": {stream.Number{Param: "p", Size: 3, Total: "count", Survey: &stream.Survey{From: "other"}}, map[string]string{"count": "4"}, false},
		"offset":                  {stream.Offset{Param: "o", Size: 3, UntilEmpty: true}, map[string]string{"count": "4"}, false},
		"offset, total":           {stream.Offset{Param: "o", Size: 3, Total: "count"}, map[string]string{"count": `"4"`}, true},
		"numbered, more":          {stream.Offset{Param: "o", Size: 3, Numbered: true, Overlap: true, UntilEmpty: true, More: "more"}, map[string]string{"more": "true"}, true},
		"link":                    {stream.NextLink{Next: "next"}, map[string]string{"next": `"x"`}, false},
		"link, total":             {stream.NextLink{Next: "next", Total: "count"}, map[string]string{"next": `"x"`, "count": "4"}, true},
		"keyset":                  {stream.Keyset{Param: "k", Field: "id", Size: 3}, nil, false},
		"single":                  {stream.Single{}, nil, false},
	} {
		h := Head{Rows: 3, Seen: 3, Capture: func(path string) []byte { return []byte(tt.told[path]) }}
		require.Equal(t, tt.want, Promises(tt.pager, h), name)
	}
	require.True(t, Led(stream.NextLink{}, false))
	require.True(t, Led(stream.Number{}, true))
	require.False(t, Led(stream.Number{}, false))
}

// TestFullPageTellsNothing: where a vendor tells whether pages follow, a full page
// that does not is not the last one; a short one is.
func TestFullPageTellsNothing(t *testing.T) {
	p := stream.Token{Param: "t", Token: "token", SizeParam: "size", Size: 3, More: "more"}
	silent := func(string) []byte { return nil }
	next, err := Next(p, First(p, post()), Head{Rows: 3, Seen: 3, Capture: silent})
	require.Nil(t, next)
	require.Equal(t, fault.Contract, fault.KindOf(err))
	next, err = Next(p, First(p, post()), Head{Rows: 2, Seen: 2, Capture: silent})
	require.NoError(t, err)
	require.Nil(t, next)
	p.More = ""
	_, err = Next(p, First(p, post()), Head{Rows: 3, Seen: 3, Capture: silent})
	require.NoError(t, err, "an absent token is how it ends")
}

// TestNumberedTold: pages of a Numbered list follow as long as the vendor says so.
func TestNumberedTold(t *testing.T) {
	p := stream.Offset{Param: "page", SizeParam: "size", Size: 5, UntilEmpty: true, Overlap: true, Numbered: true, More: "more"}
	told := func(text string) func(string) []byte {
		return func(path string) []byte {
			if path != "more" {
				return nil
			}
			return []byte(text)
		}
	}
	r := First(p, post())
	next, err := Next(p, r, Head{Rows: 5, Seen: 5, Most: 5, Capture: told("true")})
	require.NoError(t, err)
	require.Equal(t, "2", get(next, "page"))
	require.Equal(t, "4", get(next, "size"))
	for text, end := range map[string]bool{"false": true, "": false} {
		next, err = Next(p, r, Head{Rows: 5, Seen: 5, Most: 5, Capture: told(text)})
		require.NoError(t, err)
		require.Equal(t, end, next == nil, text)
	}
	next, err = Next(p, next0(t, p, r), Head{Rows: 3, Seen: 7, Shared: 1, Most: 5, Capture: told("true")})
	require.NoError(t, err)
	require.NotNil(t, next, "a short page that is not the last")
}

func next0(t *testing.T, p stream.Offset, r *stream.Request) *stream.Request {
	t.Helper()
	next, err := Next(p, r, Head{Rows: 5, Seen: 5, Most: 5, Capture: func(string) []byte { return nil }})
	require.NoError(t, err)
	return next
}
