package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A rider may have lists of its own, for what its carrier's answers do not hold:
// see With.Else. What befalls one of them is the rider's business alone: the carrier
// and those that ride with it are read on.

// apart is a list that an answer did not hold, to be asked by itself.
type apart struct {
	f      *feed
	step   int            // of the rider's path
	values []stream.Param // of the object that lacked it
	lent   []string       // what the carrier's row lends
}

// askApart asks for the lists that the answer at hand did not hold.
func (l *lane) askApart(ctx context.Context, st *pageState) error {
	for len(st.apart) > 0 {
		list := st.apart[0]
		st.apart = st.apart[1:]
		f := list.f
		if l.hasLost(f) {
			continue
		}
		err := l.listApart(ctx, list, st)
		switch {
		case err == nil:
			if list.step+1 == len(f.rd.s.With.Else) {
				f.told = true
				f.rd.heard.Store(true)
			}
		case l.refuses(err):
			l.leaveOut(f.rd, err)
			f.skipped = true
		case severable(err):
			f.lost = f.rd.wrap("", err)
			f.rd.gone.note(l.n)
		default:
			return err
		}
	}
	return nil
}

// listApart asks for one list, whose last step has the rows.
func (l *lane) listApart(ctx context.Context, list apart, st *pageState) error {
	f := list.f
	w := f.rd.s.With
	req := &stream.Request{Lane: l.laneName(), Resource: f.rd.s.Name}
	text, last := w.Else[list.step], list.step+1 == len(w.Else)
	req.URL = l.expand(stream.ExpandParams(text, list.values, pathEscape), pathEscape)
	resp, err := l.fetch(ctx, req)
	if errors.Is(err, stream.NoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release(resp)
	l.give(f, list.lent)
	var page jsonspan.Page // l.page must keep what the page itself told
	err = bareRows.Walk(resp.Body, &page, func(_ int, b []byte, i int) (int, error) {
		if last {
			return l.row(f, b, i, st)
		}
		end, err := jsonspan.Value(b, i)
		if err != nil {
			return 0, err
		}
		return end, l.inside(f, b, i, list.step+1, list.lent, st)
	})
	if err == nil && !page.Found(0) {
		err = &jsonspan.ShapeError{Found: "no array"}
	}
	if err != nil {
		return l.shapeFault(err, resp)
	}
	f.conv.Forget()
	return nil
}

// bareRows is the shape of an answer that is an array of rows.
var bareRows = func() *jsonspan.Shape {
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{""}})
	if err != nil {
		panic(err) // invariant: the one path is good
	}
	return s
}()

// severable tells whether what befell a rider's list leaves the others unharmed.
func severable(err error) bool {
	e := fault.As(err)
	return e != nil && !e.Whole && !e.Partition &&
		!slices.Contains([]fault.Kind{fault.Auth, fault.Quota, fault.Internal, fault.Output}, e.Kind)
}

// hasLost tells whether a rider is read no further: here, or since a lane before
// this one lost it.
func (l *lane) hasLost(f *feed) bool {
	return f.lost != nil || f != l.feeds[0] && f.rd.gone.before(l.n)
}

// loses notes, once what a lane holds has been written, that it lost a rider.
func (rd *reader) loses(err error) {
	if rd.lost == nil {
		rd.lost = err
	}
}

// heeds notes that something of a stream has come. Of a rider inside of the
// carrier's rows the carrier's answer says nothing: it may have no rows there.
func (rd *reader) heeds(b *block) {
	w := rd.s.With
	rd.answered = rd.answered || w == nil || w.Inside == "" || b.told || b.records > 0 || len(b.parents) > 0
}

// wanted tells whether a stream is to be read on, for its own sake or for that of
// a rider that has not been lost.
func (rd *reader) wanted() bool {
	return rd.selected || rd.hasKids() || slices.ContainsFunc(rd.riders, func(f *reader) bool { return f.selected && f.lost == nil })
}

// fate is how a stream of a family ends whose carrier ended with err: a rider that
// was lost, or whose own lists were refused for each parent, by itself.
func (rd *reader) fate(err error) error {
	e := fault.As(err)
	switch {
	case err != nil && (e == nil || e.Whole):
		return err
	case rd.lost != nil:
		return rd.lost
	case err == nil && rd.s.With != nil:
		return rd.refusedAll()
	}
	return err
}
