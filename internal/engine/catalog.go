package engine

import (
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
	"github.com/tap-backoffice/tap-backoffice/schemas"
)

// SchemaText returns the schema of a static stream as it is written.
func SchemaText(src *stream.Source, s *stream.Stream) ([]byte, error) {
	if src.Schema != nil {
		return src.Schema(s.Name)
	}
	return schemas.File(src.Name, s.Name)
}

// Schema returns the whole schema of a stream: the tap's own members, the
// vendor's, and the one that keeps what the schema cannot hold.
func Schema(src *stream.Source, s *stream.Stream) (*singer.Schema, error) {
	own := s.Schema
	if own == nil {
		raw, err := SchemaText(src, s)
		if err != nil {
			return nil, err
		}
		if own, err = singer.ParseSchema(raw); err != nil {
			return nil, &fault.Error{Kind: fault.Internal, Source: src.Name, Stream: s.Name, Op: "schema", Err: err}
		}
	}
	out := own.Clone()
	for _, p := range s.Added {
		if out.Property(p.Name) == nil {
			out.Properties = append(out.Properties, p)
		}
	}
	if src.Deletes(s) {
		out.Properties = append(out.Properties, singer.Property{Name: stream.DeletedAt, Schema: &singer.Schema{Type: "string", Format: "date-time", Nullable: true}})
	}
	out.Properties = append(out.Properties, singer.Property{Name: record.RescuedData, Schema: &singer.Schema{Type: "string", Nullable: true}})
	return out, nil
}

// Catalog returns the catalog of a source's streams, static and found.
func Catalog(src *stream.Source, streams []stream.Stream) (*singer.Catalog, error) {
	c := &singer.Catalog{}
	for i := range streams {
		s := &streams[i]
		full, err := Schema(src, s)
		if err != nil {
			return nil, err
		}
		d := singer.Discovered{
			Stream: s.Name, Schema: full, Key: s.Key, Method: "FULL_TABLE", SelectedByDefault: s.Selected,
			Unselected: func(name string) bool { return slices.Contains(s.Hidden, name) },
			Hints:      s.Hints,
		}
		if s.Cursor != nil {
			d.Method, d.ReplicationKey = "INCREMENTAL", s.Cursor.Field
		}
		if d.Parent = s.Below; s.Parent != nil && s.Below == "" {
			d.Parent = s.Parent.Stream
		}
		c.Streams = append(c.Streams, singer.NewEntry(d))
	}
	return c, nil
}

// Tasks turns the selected entries of a catalog into tasks, in its order.
// Entries of streams that are not among streams are left to the caller's check.
func Tasks(c *singer.Catalog, streams []stream.Stream, explicitOnly bool) []Task {
	var tasks []Task
	for i := range c.Streams {
		e := &c.Streams[i]
		j := slices.IndexFunc(streams, func(s stream.Stream) bool { return s.Name == e.TapStreamID })
		if j < 0 || !e.Selected() {
			continue
		}
		s := &streams[j]
		always := slices.Clone(s.Key)
		if s.Cursor != nil {
			always = append(always, s.Cursor.Field)
		}
		full := e.Schema.WithKey(s.Key)
		keep := map[string]bool{}
		for _, p := range e.SelectedSchema(singer.FieldOptions{ExplicitOnly: explicitOnly, Always: always}).Properties {
			keep[p.Name] = true
		}
		tasks = append(tasks, Task{
			Stream: s, Schema: full, Chosen: e.Chosen() == singer.On,
			Selected: func(name string) bool { return keep[name] },
			Hint:     e.Hint,
		})
	}
	return tasks
}
