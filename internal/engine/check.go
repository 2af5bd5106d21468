package engine

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Checked is what one stream answered to a check.
type Checked struct {
	Stream string
	Rows   int64 // as the vendor counts them, -1 where it does not tell
	Err    error // nil when the stream can be read
}

// ErrAbsent is the finding for a resource that not every account has.
var ErrAbsent = errors.New("the account has no such resource")

// Check asks each stream for its first page, the source's probe first; where the
// vendor tells no count, from start on: a failure of the connection or of the credentials is returned as the
// error. A stream that needs another one's rows is left out, and so is one that
// is cut into partitions beyond its first. Of an empty list the vendor is asked
// whether it is so for lack of rights, where it tells.
func Check(ctx context.Context, src *stream.Source, c stream.Config, f stream.Fetcher, start time.Time, streams []stream.Stream) ([]Checked, error) {
	if src.Open != nil {
		more, err := src.Open(ctx, f, c)
		if err != nil {
			return nil, err
		}
		c = c.With(more)
	}
	order := slices.Clone(streams)
	slices.SortStableFunc(order, func(a, b stream.Stream) int {
		switch src.Probe {
		case a.Name:
			return -1
		case b.Name:
			return 1
		}
		return 0
	})
	found, scopes := map[string]Checked{}, expanded{}
	for i := range order {
		s := &order[i]
		if s.Needs() != "" || s.Job != nil {
			continue
		}
		rows, err := probe(ctx, src, c, f, start, s, scopes)
		e := fault.As(err)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if e != nil && (e.Whole || e.Kind == fault.Auth || s.Name == src.Probe && e.Kind != fault.Permission) {
			out := *e
			out.Source = src.Name
			return nil, &out
		}
		if e != nil && s.Optional && e.Status == http.StatusNotFound {
			err = ErrAbsent
		}
		found[s.Name] = Checked{Stream: s.Name, Rows: rows, Err: err}
	}
	var out []Checked
	for i := range streams {
		if r, ok := found[streams[i].Name]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

func probe(ctx context.Context, src *stream.Source, c stream.Config, f stream.Fetcher, start time.Time, s *stream.Stream, scopes expanded) (int64, error) {
	part := stream.Partition{}
	if s.Scope != "" {
		x, _ := scopes.expand(ctx, src, s.Scope, f, c)
		if x.err != nil {
			return -1, x.err
		}
		if len(x.parts) == 0 {
			return 0, nil // nothing to read is no fault
		}
		part = x.parts[0]
	}
	l := &lane{rd: &reader{s: s, run: &run{Options: Options{Config: c}}, fields: &fields{names: ownKey(s)}}, slice: slice{part: &part}}
	if s.Chunked != nil {
		l.rd.batches = []string{s.Chunked.Always[0]}
	}
	sp := span{openFrom: true, openTo: true}
	// Where the vendor counts, all rows are counted.
	if l.rd.unit = unitOf(src, s); s.Cursor != nil && l.rd.unit != stream.Int && !start.IsZero() && stream.TotalPath(s.Page) == "" {
		sp.from, sp.openFrom = l.rd.unit.FromTime(start), false
	}
	resp, err := f.Fetch(ctx, paging.First(s.Page, l.request(sp)))
	if errors.Is(err, stream.NoRows) {
		return 0, l.entitled(ctx, src, f)
	}
	if l.inParts(err) {
		return -1, nil
	}
	if err != nil {
		return -1, appealed(ctx, src, f, c, s, err)
	}
	defer release(resp)
	if err := l.rd.compileShape(); err != nil {
		return -1, err
	}
	held := 0
	count := func(which int, b []byte, i int) (int, error) {
		held++
		return skipRow(which, b, i)
	}
	body, err := scalar(s.Scalar).wrapped(resp.Body)
	if err == nil {
		var shape *jsonspan.Shape
		if shape, err = l.rd.shapeOf(body); err == nil {
			err = shape.Walk(body, &l.page, count)
		}
	}
	if err != nil {
		return -1, l.shapeFault(err, resp)
	}
	if err := l.rd.holds(&l.page); err != nil {
		return -1, l.shapeFault(err, resp)
	}
	n, ok := l.total(&l.page)
	if !ok {
		n = -1
	}
	if held == 0 {
		return n, l.entitled(ctx, src, f)
	}
	return n, nil
}

// entitled asks whether a list is empty for lack of rights.
func (l *lane) entitled(ctx context.Context, src *stream.Source, f stream.Fetcher) error {
	if src.Rights == nil {
		return nil
	}
	req := src.Rights(l.rd.s, l.part)
	if req == nil {
		return nil
	}
	resp, err := f.Fetch(ctx, req)
	if err != nil {
		if e := fault.As(err); e != nil && (e.Whole || e.Kind == fault.Auth) || ctx.Err() != nil {
			return err
		}
		return nil // who may read is not told
	}
	defer release(resp)
	if src.Granted(resp) {
		return nil
	}
	return &fault.Error{
		Kind: fault.Permission, Source: src.Name, Stream: l.rd.s.Name, Err: errors.New("the list is empty since the user has no right to read it"),
		Hint: "give the user the right, or deselect the stream",
	}
}

// Schemas writes the SCHEMA of every task between two STATE messages, and asks
// the vendor nothing.
func Schemas(o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &run{Options: o, started: o.Now().UTC()}
	r.initial = o.State.Clone()
	if err := r.plan(); err != nil {
		return err
	}
	if err := o.Out.State(o.State); err != nil {
		return err
	}
	for _, rd := range r.readers {
		if err := r.announce(rd); err != nil {
			return err
		}
	}
	return o.Out.Final(o.State)
}

// ownKey are the vendor's members of a stream's key.
func ownKey(s *stream.Stream) []string {
	var names []string
	for _, name := range s.Key {
		if !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	return names
}
