package engine

import (
	"context"
	"errors"
	"net/http"
	"slices"
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

// Check asks each stream for its first page, the source's probe first: a
// failure of the connection or of the credentials is returned as the error. A
// stream that needs another one's rows is left out, and so is one that is cut
// into partitions beyond its first.
func Check(ctx context.Context, src *stream.Source, c stream.Config, f stream.Fetcher, streams []stream.Stream) ([]Checked, error) {
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
		rows, err := probe(ctx, src, c, f, s, scopes)
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

func probe(ctx context.Context, src *stream.Source, c stream.Config, f stream.Fetcher, s *stream.Stream, scopes expanded) (int64, error) {
	part := stream.Partition{}
	if s.Scope != "" {
		parts, err := scopes.expand(ctx, src, s.Scope, f, c)
		if err != nil || len(parts) == 0 {
			return -1, err
		}
		part = parts[0]
	}
	l := &lane{rd: &reader{s: s, run: &run{Options: Options{Config: c}}}, slice: slice{part: &part}}
	if s.Chunked != nil {
		l.rd.batches = []string{s.Chunked.Always[0]}
	}
	resp, err := f.Fetch(ctx, paging.First(s.Page, l.request(span{openFrom: true, openTo: true})))
	if errors.Is(err, stream.NoRows) {
		return 0, nil
	}
	if err != nil {
		return -1, err
	}
	defer release(resp)
	l.rd.captures = paging.Captures(s.Page)
	l.rd.shape, err = jsonspan.CompileShape(jsonspan.Paths{Rows: []string{s.Records}, Captures: l.rd.captures, ObjectAsRow: s.OneRow})
	if err != nil {
		return -1, err
	}
	if err := l.rd.shape.Walk(resp.Body, &l.page, skipRow); err != nil {
		return -1, l.shapeFault(err, resp)
	}
	if !l.page.Found(0) {
		return -1, l.shapeFault(&jsonspan.ShapeError{Path: s.Records, Found: "nothing"}, resp)
	}
	n, ok := l.total(&l.page)
	if !ok {
		n = -1
	}
	return n, nil
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
