package stream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// TestValidateShared: what a table may say of shared bookmarks, of pages that are
// counted, and of rows and fields that go by other names.
func TestValidateShared(t *testing.T) {
	schema := &singer.Schema{Type: "object", Properties: []singer.Property{{Name: "id", Schema: &singer.Schema{Type: "string"}}}}
	good := Stream{Name: "rows", Doc: "d", Path: "rows", Key: []string{"id"}, Page: Single{}, Records: "rows"}
	for finding, change := range map[string]func(*Source, *Stream){
		"":                            func(*Source, *Stream) {},
		"toy: rows: All needs Select": func(_ *Source, s *Stream) { s.All = true },
		"toy: rows: Elsewhere needs Records, a single member, of a list that is read by its pages alone": func(_ *Source, s *Stream) { s.Elsewhere, s.Records = true, "" },
		"toy: rows: Parts needs a leading _, and a stream without Parent, Deletions, Epochs and Kept": func(src *Source, s *Stream) {
			s.Scope = "year"
			src.Scopes = map[string]Scope{"year": {Parts: "years"}}
		},
		"toy: rows: Numbered pages Overlap, and their size is a parameter": func(_ *Source, s *Stream) {
			s.Page = Offset{Param: "page", SizeParam: "size", Size: 5, Numbered: true}
		},
		"toy: rows: SizeKey size is no setting": func(_ *Source, s *Stream) {
			s.Page = Keyset{Param: "after", Field: "id", SizeParam: "size", Size: 5, SizeKey: "size"}
		},
	} {
		src := &Source{Name: "toy", Doc: "d", Base: "/", Origin: func(Config) string { return "" }}
		s := good
		change(src, &s)
		src.Streams = []Stream{s}
		found := src.Validate(func(*Stream) (*singer.Schema, error) { return schema, nil })
		if finding == "" {
			require.Empty(t, found)
			continue
		}
		require.Equal(t, []string{finding}, found)
	}
}

// TestSizeOfPages: the config's is that of every pager which names the key.
func TestSizeOfPages(t *testing.T) {
	src := &Source{Streams: []Stream{
		{Name: "a", Page: Keyset{Size: 5, SizeKey: "size"}},
		{Name: "b", Page: Offset{Size: 5, SizeKey: "size"}},
		{Name: "c", Page: Number{Size: 5, SizeKey: "size"}},
		{Name: "d", Page: Keyset{Size: 5}},
	}}
	out := src.For(NewConfig(map[string]string{"size": "9"}))
	require.Equal(t, []Stream{
		{Name: "a", Page: Keyset{Size: 9, SizeKey: "size"}},
		{Name: "b", Page: Offset{Size: 9, SizeKey: "size"}},
		{Name: "c", Page: Number{Size: 9, SizeKey: "size"}},
		{Name: "d", Page: Keyset{Size: 5}},
	}, out.Streams)
	require.Equal(t, 5, src.Streams[0].Page.(Keyset).Size, "the table stays as it is")
	require.Same(t, src, src.For(NewConfig(map[string]string{"size": "5"})))
}
