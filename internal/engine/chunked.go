package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
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
	rd.fields = &fields{names: rest, needed: func(name string) bool {
		return slices.Contains(c.Always, name) || slices.Contains(rd.s.Key, name) || slices.Contains(rd.capture, name)
	}}
	out := []string{}
	for len(out) == 0 || len(rest) > 0 {
		n := min(len(rest), c.Max-len(c.Always))
		out = append(out, strings.Join(slices.Concat(c.Always, rest[:n]), ","))
		rest = rest[n:]
	}
	return out
}

// batch is the text of a batch of fields, without those that the vendor turned
// out not to know.
func (rd *reader) batch(i int) string {
	c := rd.s.Chunked
	if rd.fields == nil {
		return rd.batches[i]
	}
	rd.fields.mu.Lock()
	defer rd.fields.mu.Unlock()
	if rd.fields.unknown == 0 {
		return rd.batches[i]
	}
	names := slices.DeleteFunc(strings.Split(rd.batches[i], ","), func(n string) bool {
		return !slices.Contains(c.Always, n) && !slices.Contains(rd.fields.names, n)
	})
	return strings.Join(names, ",")
}

// fetchFields asks for one page with a batch of fields, if fewer will do again
// without those that the vendor does not know.
func (l *lane) fetchFields(ctx context.Context, req *stream.Request, batch int, fewer bool) (*stream.Response, error) {
	resp, err := l.fetch(ctx, req)
	for fewer && l.lessFields(req, batch, err) {
		resp, err = l.fetch(ctx, req)
	}
	return resp, err
}

// lessFields changes a request for a batch of fields that the vendor does not
// all know, and tells whether to ask again.
func (l *lane) lessFields(req *stream.Request, batch int, err error) bool {
	unknown, ok := errors.AsType[*stream.UnknownField](err)
	c := l.rd.s.Chunked
	if !ok || c == nil {
		return false
	}
	if gone := l.rd.fields.drop(unknown.Names); len(gone) > 0 {
		l.rd.run.Log.Warn("the service does not know a field of the catalog, it is left out and stays null", "stream", l.rd.s.Name, "field", strings.Join(gone, ", "))
	}
	return setParam(req, c.Param, l.rd.batch(batch)) // another lane may have learned it first
}

// setParam replaces the value of a parameter and tells whether it was another.
func setParam(req *stream.Request, name, value string) bool {
	i := slices.IndexFunc(req.Params, func(p stream.Param) bool { return p.Name == name })
	if i < 0 || req.Params[i].Value == value {
		return false
	}
	req.Params = slices.Clone(req.Params)
	req.Params[i].Value = value
	return true
}

// byIDs builds the request for a batch of fields of some rows.
func (l *lane) byIDs(batch int, ids []string) *stream.Request {
	c := l.rd.s.Chunked
	req := l.request(span{openFrom: true, openTo: true})
	setParam(req, c.Param, l.rd.batch(batch))
	req.Params = append(req.Params, stream.Param{Name: c.IDs, Value: strings.Join(ids, ",")})
	return req
}

// maxPartials bounds the rows of a page that are put together: vendors give some
// hundreds at once.
const maxPartials = 10_000

// partial is a row of which the parts come one by one.
type partial struct {
	id    string
	at    []byte // the raw replication value of the first part
	parts [][]byte
	// Where rows may leave their place: the key, the version, whether nothing of
	// the row is to be emitted, and whether its parts are of several versions.
	key    uint64
	v      int64
	idle   bool
	broken bool
	// written: an earlier run has written the row.
	written bool
}

// joint reads what joins a part of a row: its id and its replication value.
func (l *lane) joint(b []byte, i int) (id string, at []byte, end int, err error) {
	cursor := l.rd.s.Cursor
	m := jsonspan.NewMembers(b, i)
	for m.Next() {
		if m.Named(l.rd.s.Chunked.Key) {
			id = plain(string(m.Value()))
		}
		if cursor != nil && m.Named(cursor.Field) {
			at = m.Value()
		}
	}
	return id, at, m.End(), m.Err()
}

// chunked converts the rows of a page whose other fields are asked by the ids
// of the page and merged by key.
func (l *lane) chunked(ctx context.Context, c *stream.Chunked, resp *stream.Response, st *pageState) error {
	var rows []partial
	err := l.rd.shape.Walk(resp.Body, &l.page, func(_ int, b []byte, i int) (int, error) {
		id, at, end, err := l.joint(b, i)
		switch {
		case err != nil:
		case id == "":
			err = &record.KeyError{Property: c.Key, Found: "absent"}
		case len(rows) == maxPartials:
			err = &jsonspan.ShapeError{Path: l.rd.s.Records, Found: fmt.Sprintf("more than %d rows in a page", maxPartials)}
		default:
			rows = append(rows, partial{id: id, at: at, parts: [][]byte{b[i:end]}})
		}
		return end, err
	})
	if err != nil {
		return err
	}
	if err := l.rd.holds(&l.page); err != nil {
		return err
	}
	if st.reread != nil && st.reread.came != nil {
		for i := range rows {
			st.reread.came[rows[i].id] = struct{}{}
		}
	}
	if st.drift != nil && len(l.rd.batches) > 1 {
		if err := l.idle(rows, st); err != nil {
			return err
		}
		l.written(rows)
	}
	var held []*stream.Response
	defer func() { // the parts point into them until the page is converted
		for _, more := range held {
			release(more)
		}
	}()
	at := make(map[string]int, len(rows))
	var ids []string
	for i := range rows {
		at[rows[i].id] = i
		if !rows[i].idle {
			ids = append(ids, rows[i].id)
		}
	}
	var aside jsonspan.Page // l.page must keep what the page itself told
	for batch := 1; batch < len(l.rd.batches); batch++ {
		err := l.askIDs(ctx, batch, ids, func(_ *stream.Request, more *stream.Response) (map[string]struct{}, error) {
			held = append(held, more)
			came := map[string]struct{}{}
			err := l.rd.shape.Walk(more.Body, &aside, func(_ int, b []byte, i int) (int, error) {
				id, raw, end, err := l.joint(b, i)
				if k, ok := at[id]; ok && err == nil && !rows[k].idle {
					came[id] = struct{}{}
					rows[k].parts = append(rows[k].parts, b[i:end])
					rows[k].broken = rows[k].broken || !l.sameVersion(rows[k].at, raw)
				}
				return end, err
			})
			return came, err
		})
		if err != nil {
			return err
		}
	}
	var merged []byte
	for i := range rows {
		r := &rows[i]
		switch {
		case r.idle:
		case len(r.parts) != len(l.rd.batches) && st.drift == nil:
			return errMoved // the row went, or came twice, between two calls
		case (len(r.parts) != len(l.rd.batches) || r.broken) && st.drift != nil:
			st.rows++
			st.drift.tear(st, r.key, torn{r.id, r.v})
			continue
		}
		if merged, err = mergeObjects(merged[:0], r.parts, c.Always); err != nil {
			return err
		}
		st.written = r.written
		_, err = l.row(l.feeds[0], merged, 0, st)
		if st.written = false; err != nil {
			return err
		}
	}
	return nil
}

// idle marks the rows of which nothing is to be emitted: no more of them needs
// to be asked for.
func (l *lane) idle(rows []partial, st *pageState) error {
	f := l.feeds[0]
	for i := range rows {
		r := &rows[i]
		key, v, keyed, _, err := l.peek(r.parts[0], 0)
		if err != nil {
			return err
		}
		if !keyed {
			v = math.MinInt64
		}
		r.key, r.v = key, v
		r.idle = st.drift.knows(key, v) || st.reread != nil && v > st.reread.to ||
			keyed && !l.rd.hasKids() && (f.cut && v < f.low || v > f.end)
	}
	f.conv.Notes() // told when the rows are converted
	return nil
}

// sameVersion compares two raw replication values, of which one may be missing.
func (l *lane) sameVersion(a, b []byte) bool {
	if a == nil || b == nil || bytes.Equal(a, b) {
		return true
	}
	x, err := parseBookmark(l.rd.unit, a)
	if err != nil {
		return false
	}
	y, err := parseBookmark(l.rd.unit, b)
	return err == nil && x == y
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
