package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// surveyed is a table with what is for lists of which little is told, and for rows
// that come from elsewhere than a list.
func surveyed() *stream.Source {
	src := good()
	orders := &src.Streams[0]
	orders.Cursor = nil
	orders.Page = stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 50, SizeKey: "size", Total: "count", Survey: &stream.Survey{From: "totals", Least: 10}}
	lines := &src.Streams[1]
	lines.Parent.Changed = false
	lines.Parent.Prune = []stream.Prune{{Member: "lines", Is: []string{"[]", "false", `"none"`}}}
	lines.Parent.Refusals = []int{400, 403, 404, 409}
	lines.Scalar, lines.Records = "name", ""
	lines.Fill = []stream.Param{{Name: "name", Value: "of {account}"}, {Name: "extra", Value: "{}", Raw: true}}
	extras := &src.Streams[2]
	extras.Records = ""
	extras.With = &stream.With{
		Stream: "orders", Inside: "head.lines", Inject: []stream.Bind{{From: "id", Inject: "order_id"}},
		Else: []string{"orders/{id}/head", "heads/{id}/lines"}, Params: []stream.Param{{Name: "with", Value: "lines"}},
	}
	files := &src.Streams[4]
	files.Job, files.Page, files.Path = nil, stream.Single{}, "files"
	files.Each = &stream.Each{Path: "customers", Member: "id", Param: "of"}
	return src
}

func TestValidateRows(t *testing.T) {
	require.Empty(t, surveyed().Validate(schemaOf))
	const orders, lines, extras, files = 0, 1, 2, 4
	at := func(i int, change func(s *stream.Stream)) func(*stream.Source) {
		return func(src *stream.Source) { change(&src.Streams[i]) }
	}
	page := func(change func(*stream.Number)) func(*stream.Source) {
		return at(orders, func(s *stream.Stream) {
			n := s.Page.(stream.Number)
			change(&n)
			s.Page = n
		})
	}
	const (
		incomplete = "toy: orders: Survey needs Param, SizeParam, a Size of Least or more, First above 0, and no More"
		whole      = "toy: orders: Survey reads whole lists: no Cursor, no Chunked, no Roads"
		each       = "toy: files: Each needs Path, Member and Param, Single, and neither Cursor nor Parent"
		scalar     = "toy: lines: Scalar is for an answer that is all there is"
		beside     = "toy: extras: Inside tells where the rows are; On, Records and Bare do not go with it"
	)
	for _, test := range []struct {
		finding string
		spoil   func(*stream.Source)
	}{
		{"toy: orders: SizeKey pages is no setting", page(func(n *stream.Number) { n.SizeKey = "pages" })},
		{"toy: orders: From of Survey needs Total", page(func(n *stream.Number) { n.Total = "" })},
		{incomplete, page(func(n *stream.Number) { n.SizeParam = "" })},
		{incomplete, page(func(n *stream.Number) { n.First = 0 })},
		{incomplete, page(func(n *stream.Number) { n.More = "more" })},
		{incomplete, page(func(n *stream.Number) { n.Survey = &stream.Survey{Least: 51} })},
		{whole, at(orders, func(s *stream.Stream) { s.Cursor = &stream.Cursor{Field: "modified"} })},

		{"toy: lines: Prune 1 needs Member and Is", at(lines, func(s *stream.Stream) { s.Parent.Prune[0].Is = nil })},
		{"toy: lines: Prune 1: null is no short JSON literal that tells something", at(lines, func(s *stream.Stream) { s.Parent.Prune[0].Is[0] = "null" })},
		{"toy: lines: Prune 1: [ ] is no short JSON literal that tells something", at(lines, func(s *stream.Stream) { s.Parent.Prune[0].Is[0] = "[ ]" })},
		{"toy: lines: Prune 1: none is no short JSON literal that tells something", at(lines, func(s *stream.Stream) { s.Parent.Prune[0].Is[0] = "none" })},
		{"toy: lines: status 401 is no refusal of one parent's children", at(lines, func(s *stream.Stream) { s.Parent.Refusals[0] = 401 })},
		{"toy: lines: status 429 is no refusal of one parent's children", at(lines, func(s *stream.Stream) { s.Parent.Refusals[0] = 429 })},
		{"toy: lines: status 500 is no refusal of one parent's children", at(lines, func(s *stream.Stream) { s.Parent.Refusals[0] = 500 })},

		{"toy: lines: status 410 of None is not among Refusals", at(lines, func(s *stream.Stream) { s.Parent.None = []int{404, 410} })},

		{`toy: lines: filled "no" is no property`, at(lines, func(s *stream.Stream) { s.Fill[0].Name = "no" })},
		{`toy: lines: "extra" is filled twice`, at(lines, func(s *stream.Stream) { s.Fill[0].Name = "extra" })},
		{`toy: lines: "extra" is filled with what is no JSON literal`, at(lines, func(s *stream.Stream) { s.Fill[1].Value = "{" })},
		{"toy: lines: {token} of a Fill is no setting", at(lines, func(s *stream.Stream) { s.Fill[0].Value = "{token}" })},
		{`toy: lines: scalar "no" is no property`, at(lines, func(s *stream.Stream) { s.Scalar = "no" })},
		{scalar, at(lines, func(s *stream.Stream) { s.Records = "rows" })},
		{scalar, at(lines, func(s *stream.Stream) { s.Page = stream.NextLink{Next: "next"} })},

		{each, at(files, func(s *stream.Stream) { s.Each.Member = "" })},
		{each, at(files, func(s *stream.Stream) { s.Page = stream.NextLink{Next: "next"} })},

		{beside, at(extras, func(s *stream.Stream) { s.Records = "extras" })},
		{beside, at(extras, func(s *stream.Stream) { s.With.On, s.With.From = "row", "row" })},
		{`toy: extras: Inside "head..lines" has an empty name`, at(extras, func(s *stream.Stream) { s.With.Inside, s.With.Else = "head..lines", nil })},
		{"toy: extras: Else needs a path for each name of Inside", at(extras, func(s *stream.Stream) { s.With.Else = s.With.Else[:1] })},
		{"toy: extras: Whole needs Else", at(extras, func(s *stream.Stream) { s.With.Whole, s.With.Else = []string{"id"}, nil })},
		{`toy: extras: whole "gone" is no property`, at(extras, func(s *stream.Stream) { s.With.Whole = []string{"gone"} })},
		{"toy: extras: Else needs a carrier without Scope: a rider is lost for good, not for a partition", func(src *stream.Source) {
			src.Scopes["part"] = stream.Scope{}
			for i := range src.Streams[:3] {
				src.Streams[i].Scope = "part"
			}
		}},
		{"toy: extras: is Below gone, which is no other stream", at(extras, func(s *stream.Stream) { s.Below = "gone" })},
		{"toy: extras: is Below extras, which is no other stream", at(extras, func(s *stream.Stream) { s.Below = "extras" })},
		{"toy: extras: Else needs Inside", at(extras, func(s *stream.Stream) { s.With.Inside, s.With.Inject, s.Records = "", nil, "extras" })},
	} {
		t.Run(test.finding, func(t *testing.T) {
			src := surveyed()
			test.spoil(src)
			require.Equal(t, []string{test.finding}, src.Validate(schemaOf))
		})
	}
}

// A config may say how many rows a page holds.
func TestPageSize(t *testing.T) {
	src := surveyed()
	size := func(s *stream.Source) int { return s.Stream("orders").Page.(stream.Number).Size }
	for _, same := range []string{"", "0", "50"} {
		require.Same(t, src, src.For(stream.NewConfig(map[string]string{"size": same})))
	}
	other := src.For(stream.NewConfig(map[string]string{"size": "20", "include_deleted": "true"}))
	require.Equal(t, 20, size(other))
	require.True(t, other.Deletions)
	require.Equal(t, 50, size(src), "the table is as it was")
}
