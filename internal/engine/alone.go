package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// maxAlone is how many rows of one proof are asked for one by one: a row rarely
// goes while it is put together, and a vendor who gives none by their ids is not to
// cost a call for each.
const maxAlone = 100

// askIDs asks for a batch of fields of rows by their ids and hands each answer to
// take, which returns the ids that came. Where only some did, the rest is asked
// for again: the vendor may give fewer at once than are asked for.
func (l *lane) askIDs(ctx context.Context, batch int, ids []string, take func(*stream.Request, *stream.Response) (map[string]struct{}, error)) error {
	for len(ids) > 0 {
		n := min(len(ids), l.rd.s.Chunked.MaxIDs)
		if told := int(l.rd.fields.ids.Load()); told > 0 {
			n = min(n, told)
		}
		some, rest := ids[:n], ids[n:]
		req := l.byIDs(batch, some)
		resp, err := l.fetchFields(ctx, req, batch, true)
		came := map[string]struct{}{}
		if many, ok := errors.AsType[*stream.TooMany](err); ok && many.Limit > 0 && many.Limit < n {
			l.rd.fields.ids.Store(int64(many.Limit))
			continue
		}
		switch {
		case errors.Is(err, stream.NoRows):
		case err != nil:
			return err
		default:
			if came, err = take(req, resp); err != nil {
				return err
			}
		}
		if ids = rest; len(came) > 0 {
			ids = slices.Concat(without(some, came), rest)
		}
	}
	return nil
}

// without are the ids that did not come.
func without(ids []string, came map[string]struct{}) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		_, ok := came[id]
		return ok
	})
}

// join asks for the torn rows by their ids, whatever they are like by now. One
// that was listed and does not come is asked for by itself; so are all where the
// ids alone did not help.
func (l *lane) join(ctx context.Context, sp span, helps bool) error {
	d := l.drift
	todo := maps.Clone(d.torn)
	clear(d.torn)
	came := map[string]struct{}{}
	if helps {
		err := l.askIDs(ctx, 0, idsOf(todo), func(req *stream.Request, resp *stream.Response) (map[string]struct{}, error) {
			r := &reread{to: math.MaxInt64, page: map[uint64]int64{}, turned: map[uint64]int64{}, came: map[string]struct{}{}}
			st := pageState{span: sp, chain: &pageChain{}, drift: d, reread: r}
			_, err := l.readPage(ctx, 1, req, resp, &st)
			maps.Copy(came, r.came)
			return r.came, err
		})
		if err != nil {
			return err
		}
	}
	maps.DeleteFunc(todo, func(_ uint64, t torn) bool {
		_, ok := came[t.id]
		return ok
	})
	if l.rd.s.Chunked.One == "" {
		return nil
	}
	return l.alone(ctx, sp, todo)
}

// idsOf are the ids of torn rows, in order.
func idsOf(rows map[uint64]torn) []string {
	ids := make([]string, 0, len(rows))
	for _, t := range rows {
		ids = append(ids, t.id)
	}
	slices.Sort(ids)
	return ids
}

// alone asks for rows one by one, with every field: which are not there have gone.
func (l *lane) alone(ctx context.Context, sp span, todo map[uint64]torn) error {
	d := l.drift
	if len(todo) > maxAlone && l.tellsDeleted() && d.since.ok && !d.unlisted {
		maps.Copy(d.torn, todo)
		if _, err := l.vanished(ctx, peak{}); err != nil {
			return err
		}
		maps.DeleteFunc(todo, func(key uint64, _ torn) bool {
			_, open := d.torn[key]
			delete(d.torn, key)
			return !open
		})
	}
	if len(todo) > maxAlone {
		return &fault.Error{
			Kind: fault.Contract, Err: fmt.Errorf("%d rows that the list holds are not given when their other fields are asked for by %s", len(todo), l.rd.s.Chunked.IDs),
			Hint: fmt.Sprintf("the bookmark stays; select at most %d fields, so that one call holds them, or read the stream in another way, if the source has one", l.rd.s.Chunked.Max),
		}
	}
	for _, id := range idsOf(todo) {
		if err := l.single(ctx, sp, id); err != nil {
			return err
		}
	}
	return nil
}

// single asks for one row and writes it, if it is there and this version is new.
func (l *lane) single(ctx context.Context, sp span, id string) error {
	c, f := l.rd.s.Chunked, l.feeds[0]
	values := append(l.values(), stream.Param{Name: "id", Value: id})
	req := &stream.Request{
		URL:  stream.ExpandParams(l.rd.run.Config.Expand(c.One, pathEscape), values, pathEscape),
		Lane: l.laneName(), Resource: l.rd.s.Name,
	}
	resp, err := l.fetch(ctx, req)
	if errors.Is(err, stream.NoRows) {
		l.rd.run.Log.Debug("a row went while it was put together", "stream", l.rd.s.Name, "id", id)
		return nil
	}
	if e := fault.As(err); e != nil && e.Kind == fault.Refused && !e.Whole {
		return &fault.Error{
			Kind: fault.Contract, Status: e.Status, Err: fmt.Errorf("row %s is in the list, does not come by %s, and cannot be asked for by itself: %w", id, c.IDs, err),
			Hint: "the bookmark stays; report it to the vendor if it stays",
		}
	}
	if err != nil {
		return err
	}
	defer l.release(resp)
	asked := map[string]struct{}{}
	for batch := range l.rd.batches {
		for name := range strings.SplitSeq(l.rd.batch(batch), ",") {
			asked[name] = struct{}{}
		}
	}
	f.conv.SetTime(l.rd.run.Now().UTC().Format(stream.MicroLayout))
	r := &reread{to: math.MaxInt64, page: map[uint64]int64{}, turned: map[uint64]int64{}}
	st := pageState{span: sp, chain: &pageChain{}, drift: l.drift, reread: r}
	found := false
	var row []byte
	err = l.rd.shape.Walk(resp.Body, &l.page, func(_ int, b []byte, i int) (int, error) {
		came, _, end, err := l.joint(b, i)
		if err != nil || came != id {
			return end, err
		}
		found = true
		if row, err = only(row[:0], b[i:end], asked); err != nil {
			return end, err
		}
		_, err = l.row(f, row, 0, &st)
		return end, err
	})
	if err == nil && !found {
		err = &jsonspan.ShapeError{Path: l.rd.s.Records, Found: "another row than " + id}
	}
	if err != nil {
		l.discard()
		return l.shapeFault(err, resp)
	}
	l.flush(item{covers: l.span, ignored: l.ignored})
	return nil
}

// only appends an object with those of its members that a list was asked for: what
// lists do not carry is not the stream's.
func only(dst, row []byte, asked map[string]struct{}) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	m := jsonspan.NewMembers(row, 0)
	for m.Next() {
		if _, ok := asked[string(m.Name())]; !ok {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(append(append(dst, '"'), m.Name()...), '"', ':'), m.Value()...)
	}
	return append(dst, '}'), m.Err()
}
