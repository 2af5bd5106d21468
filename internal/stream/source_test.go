package stream_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// listed is good with a list of deletions.
func listed() *stream.Source {
	src := good()
	src.Streams = append(src.Streams, stream.Stream{
		Name: "gone", Doc: "d", Schema: properties("_division", "integer", "id", "integer", "key", "integer", "when", "date-time", "kind", "integer"),
		Path: "{partition}/gone", Records: "rows", Key: []string{"_division", "id"}, Scope: "division", Page: stream.Single{},
		Cursor: &stream.Cursor{Field: "id", From: "since"},
	})
	src.Streams[3].Deletions = &stream.Deletions{Stream: "gone", Key: "key", At: "when", Where: "kind", Is: "1"}
	return src
}

func TestValidateRowVersions(t *testing.T) {
	require.Empty(t, listed().Validate(schemaOf))
	const orders, entries, gone = 0, 3, 5
	begin := &stream.Begin{Read: func(*stream.Response) (int64, bool) { return 0, false }}
	for finding, spoil := range map[string]func(s []stream.Stream){
		"toy: entries: Unended needs an upper bound that can be left out": func(s []stream.Stream) { s[entries].Cursor.Unended = true },
		"toy: orders: Proof is for a Cursor that is Sorted": func(s []stream.Stream) {
			s[orders].Cursor.Proof = func(string, int64) bool { return true }
		},
		`toy: entries: epoch "moved" needs a leading _, a Scope, and a stream without Parent`: func(s []stream.Stream) { s[entries].Cursor.Epochs = []string{"_ok", "moved"} },
		`toy: orders: epoch "_moved" needs a leading _, a Scope, and a stream without Parent`: func(s []stream.Stream) { s[orders].Cursor.Epochs = []string{"_moved"} },
		"toy: entries: Begin needs Ask and Read":                                              func(s []stream.Stream) { s[entries].Cursor.Begin = begin },

		"toy: entries: Deletions names no stream: went":                                                   func(s []stream.Stream) { s[entries].Deletions.Stream = "went" },
		"toy: entries: Deletions needs a list with a Cursor, of no other stream and no other scope: gone": func(s []stream.Stream) { s[gone].Cursor = nil },
		`toy: entries: Deletions: "no" is no property of gone`:                                            func(s []stream.Stream) { s[entries].Deletions.Key = "no" },
		`toy: entries: Deletions: "at" is no property of gone`:                                            func(s []stream.Stream) { s[entries].Deletions.At = "at" },
		`toy: entries: Deletions: "type" is no property of gone`:                                          func(s []stream.Stream) { s[entries].Deletions.Where = "type" },
		"toy: entries: Deletions needs both Where and Is, or neither":                                     func(s []stream.Stream) { s[entries].Deletions.Is = "" },
		"toy: entries: Deletions needs a key of one member of the vendor's":                               func(s []stream.Stream) { s[entries].Key = append(s[entries].Key, "order_id") },
	} {
		t.Run(finding, func(t *testing.T) {
			src := listed()
			spoil(src.Streams)
			require.Equal(t, []string{finding}, src.Validate(schemaOf))
		})
	}
	t.Run("a list of another scope", func(t *testing.T) {
		src := listed()
		src.Streams[orders].Deletions = &stream.Deletions{Stream: "gone", Key: "key", At: "when"}
		require.Equal(t, []string{"toy: orders: Deletions needs a list with a Cursor, of no other stream and no other scope: gone"}, src.Validate(schemaOf))
	})
}

func TestSourceFor(t *testing.T) {
	src := listed()
	entries, orders := src.Stream("entries"), src.Stream("orders")
	require.False(t, src.Deletes(entries))
	for _, no := range []map[string]string{nil, {"include_deleted": "false"}, {"include_deleted": ""}} {
		require.Same(t, src, src.For(stream.NewConfig(no)))
	}
	with := src.For(stream.NewConfig(map[string]string{"include_deleted": "true"}))
	require.True(t, with.Deletes(entries))
	require.False(t, with.Deletes(orders), "nobody lists them")
	require.False(t, src.Deletes(entries), "the table is as it was")
}

func TestCalled(t *testing.T) {
	require.Equal(t, "partition", stream.Scope{}.Called())
	require.Equal(t, "division", stream.Scope{Noun: "division"}.Called())
}

func TestConfigWith(t *testing.T) {
	c := stream.NewConfig(map[string]string{"a": "1", "b": "2"})
	d := c.With([]stream.Param{{Name: "b", Value: "3"}, {Name: "c", Value: "4"}})
	require.Equal(t, "1 3 4", d.Text("a")+" "+d.Text("b")+" "+d.Text("c"))
	require.Equal(t, "2", c.Text("b"))
	require.Empty(t, c.Text("c"))
	require.Equal(t, "4", stream.Config{}.With([]stream.Param{{Name: "c", Value: "4"}}).Text("c"))
}

func TestUnknownField(t *testing.T) {
	cause := errors.New("no such field")
	err := error(&stream.UnknownField{Names: []string{"a"}, Err: cause})
	require.EqualError(t, err, "no such field")
	require.ErrorIs(t, err, cause)
	require.EqualError(t, &stream.UnknownField{}, "the vendor does not know a field that was asked for")
}
