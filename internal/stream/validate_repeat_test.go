package stream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// again is a table whose streams are read more than once.
func again() *stream.Source {
	src := good()
	rows := func() *singer.Schema { return properties("id", "integer", "day", "date", "at", "date-time") }
	pages := stream.Offset{Param: "offset", SizeParam: "limit", Size: 100, UntilEmpty: true, Overlap: true, Orders: []stream.Param{{Name: "order"}}, Least: 10}
	list := func(name string) stream.Stream {
		return stream.Stream{Name: name, Doc: "d", Schema: rows(), Path: name, Records: "rows", Key: []string{"id"}, Page: pages}
	}
	src.Settings = append(src.Settings, stream.Setting{Key: "all", Kind: stream.Boolean})
	passes, stamped, edited, anew := list("passes"), list("stamped"), list("edited"), list("anew")
	passes.Passes = []stream.Pass{{If: "all"}, {}}
	stamped.Cursor = &stream.Cursor{Field: "day", From: "from", To: "to", Stamp: &stream.Stamp{Margin: time.Hour}}
	edited.Page = stream.Keyset{Param: "after", Field: "id", SizeParam: "limit", Size: 100, UntilEmpty: true, Number: true, Least: 10}
	edited.Cursor = &stream.Cursor{Field: "id", From: "after", Sorted: true, Edits: &stream.Edits{Since: "since", Layout: time.DateTime, Margin: time.Hour}}
	anew.Cursor = &stream.Cursor{Field: "at", From: "from", To: "to", Anew: true, Halve: true}
	src.Streams = append(src.Streams, passes, stamped, edited, anew)
	return src
}

func TestValidateAgain(t *testing.T) {
	schemaOf := func(s *stream.Stream) (*singer.Schema, error) {
		if s.Schema == nil {
			return nil, errors.New("no such file")
		}
		return s.Schema, nil
	}
	require.Empty(t, again().Validate(schemaOf))
	const (
		stamp   = "toy: stamped: Stamp needs a replication key of type date, both bounds, and pages of a stream that is read by itself"
		edits   = "toy: edited: Edits needs Since and Layout, of a stream that is read by itself, by its pages"
		anew    = "toy: anew: Anew needs a filter, of a list that is not Sorted"
		least   = "Least is at most Size, of pages that end with an empty one and whose size is a parameter"
		overlap = "Overlap is for a list that ends with an empty page and tells no total"
	)
	sized := func(change func(*stream.Offset)) func(*stream.Source) {
		return func(src *stream.Source) {
			p := src.Stream("passes").Page.(stream.Offset)
			change(&p)
			src.Stream("passes").Page = p
		}
	}
	for _, tc := range []struct {
		want  []string
		spoil func(*stream.Source)
	}{
		{[]string{"toy: passes: Pass 1 depends on no, which is no setting"}, func(s *stream.Source) { s.Stream("passes").Passes[0].If = "no" }},
		{[]string{"toy: passes: Passes are lists of a stream that is read whole, by its pages"}, func(s *stream.Source) {
			s.Stream("passes").Cursor = &stream.Cursor{Field: "at"}
		}},
		{[]string{stamp}, func(s *stream.Source) { s.Stream("stamped").Cursor.Field = "at" }},
		{[]string{stamp}, func(s *stream.Source) { s.Stream("stamped").Cursor.To = "" }},
		{[]string{stamp}, func(s *stream.Source) { s.Stream("stamped").Cursor.Sorted = true }},
		{[]string{stamp}, func(s *stream.Source) { s.Stream("stamped").Cursor.Stamp.Margin = -1 }},
		{[]string{edits}, func(s *stream.Source) { s.Stream("edited").Cursor.Edits.Since = "" }},
		{[]string{edits}, func(s *stream.Source) { s.Stream("edited").Cursor.Edits.Layout = "" }},
		{[]string{"toy: edited: Layout of Edits is none: now"}, func(s *stream.Source) { s.Stream("edited").Cursor.Edits.Layout = "now" }},
		{[]string{anew}, func(s *stream.Source) { s.Stream("anew").Cursor.Sorted = true }},
		{[]string{"toy: anew: Halve needs both bounds"}, func(s *stream.Source) { s.Stream("anew").Cursor.To = "" }},
		{[]string{"toy: passes: " + least}, sized(func(p *stream.Offset) { p.Least = 101 })},
		{[]string{"toy: passes: " + least}, sized(func(p *stream.Offset) { p.SizeParam = "" })},
		{[]string{"toy: passes: " + least, "toy: passes: " + overlap}, sized(func(p *stream.Offset) { p.UntilEmpty = false })},
		{[]string{"toy: passes: " + overlap, "toy: passes: Orders are for a list that tells no total"}, sized(func(p *stream.Offset) { p.Total = "count" })},
	} {
		t.Run(tc.want[0], func(t *testing.T) {
			src := again()
			tc.spoil(src)
			require.Equal(t, tc.want, src.Validate(schemaOf))
		})
	}
}
