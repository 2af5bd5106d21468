package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// fieldBatches cuts the fields that are emitted into as few calls as possible.
// Members that the tap adds, all beginning with "_", are not asked for.
func (rd *reader) fieldBatches() []string {
	c := rd.s.Chunked
	var rest []string
	for _, p := range rd.task.Schema.Properties {
		if !strings.HasPrefix(p.Name, "_") && !slices.Contains(c.Always, p.Name) && rd.keeps(p.Name) {
			rest = append(rest, p.Name)
		}
	}
	out := []string{}
	for len(out) == 0 || len(rest) > 0 {
		n := min(len(rest), c.Max-len(c.Always))
		out = append(out, strings.Join(slices.Concat(c.Always, rest[:n]), ","))
		rest = rest[n:]
	}
	return out
}

// chunked converts the rows of a page whose other fields are asked by the ids
// of the page and merged by key.
func (l *lane) chunked(ctx context.Context, c *stream.Chunked, resp *stream.Response, st *pageState) error {
	type row struct {
		id    string
		parts [][]byte
	}
	var rows []row
	collect := func(each func(id string, raw []byte)) func(int, []byte, int) (int, error) {
		return func(_ int, b []byte, i int) (int, error) {
			id := ""
			m := jsonspan.NewMembers(b, i)
			for m.Next() {
				if m.Named(c.Key) {
					id = plain(string(m.Value()))
				}
			}
			if m.Err() == nil {
				each(id, b[i:m.End()])
			}
			return m.End(), m.Err()
		}
	}
	err := l.rd.shape.Walk(resp.Body, &l.page, collect(func(id string, raw []byte) {
		rows = append(rows, row{id, [][]byte{raw}})
	}))
	if err != nil {
		return err
	}
	if !l.rd.found(&l.page, 0) {
		return &jsonspan.ShapeError{Path: l.rd.s.Records, Found: "nothing"}
	}
	at := make(map[string]int, len(rows))
	for i := range rows {
		at[rows[i].id] = i
	}
	var aside jsonspan.Page // l.page must keep what the page itself told
	var held []*stream.Response
	defer func() { // the parts point into them until the page is converted
		for _, more := range held {
			release(more)
		}
	}()
	for _, fields := range l.rd.batches[1:] {
		for some := range slices.Chunk(rows, c.MaxIDs) {
			req := l.request(span{openFrom: true, openTo: true})
			ids := make([]string, len(some))
			for i := range some {
				ids[i] = some[i].id
			}
			for i := range req.Params {
				if req.Params[i].Name == c.Param {
					req.Params[i].Value = fields
				}
			}
			req.Params = append(req.Params, stream.Param{Name: c.IDs, Value: strings.Join(ids, ",")})
			more, err := l.fetch(ctx, req)
			if errors.Is(err, stream.NoRows) {
				continue // all of them went
			}
			if err != nil {
				return err
			}
			held = append(held, more)
			err = l.rd.shape.Walk(more.Body, &aside, collect(func(id string, raw []byte) {
				if i, ok := at[id]; ok {
					rows[i].parts = append(rows[i].parts, raw)
				}
			}))
			if err != nil {
				return err
			}
		}
	}
	var merged []byte
	for i := range rows {
		if len(rows[i].parts) != len(l.rd.batches) {
			return errMoved // the row went, or came twice, between two calls
		}
		if merged, err = mergeObjects(merged[:0], rows[i].parts, c.Always); err != nil {
			return err
		}
		if _, err := l.row(l.feeds[0], merged, 0, st); err != nil {
			return err
		}
	}
	return nil
}

// mergeObjects appends one object with the members of all parts; those of
// always come from the first part alone.
func mergeObjects(dst []byte, parts [][]byte, always []string) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for i, part := range parts {
		m := jsonspan.NewMembers(part, 0)
		for m.Next() {
			if i > 0 && slices.ContainsFunc(always, m.Named) {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(append(append(append(dst, '"'), m.Name()...), '"', ':'), m.Value()...)
		}
		if m.Err() != nil {
			return nil, m.Err()
		}
	}
	return append(dst, '}'), nil
}
