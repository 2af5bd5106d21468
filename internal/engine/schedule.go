package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// slice is what one lane reads: a window of a partition, for one parent row.
type slice struct {
	part   *stream.Partition
	of     *partRun
	parent []string // raw values of the parent's Bind, nil without a parent
	span   span
	kind   sliceKind
	// chain holds the windows of one partition and parent, at counts them; nil
	// for what is no window.
	chain *chain
	at    int
	// endsPart: the partition is complete after this slice.
	endsPart bool
}

type sliceKind int

const (
	window   sliceKind = iota
	leftover           // the rows that a date filter cannot return
	edits              // what changed, of a replication key that does not tell
	deleted            // what was deleted from the stream
	mark               // reads nothing, ends the stream
)

// partRun is one partition of one stream in this run.
type partRun struct {
	gone earliest // the lane that failed: what is left of the partition is not read
	// buried are the rows whose deletions are to be written.
	buried atomic.Pointer[graves]
}

// chain is what the windows of one partition and parent share: once one of them
// finds that the vendor ignores the filter, it reads everything and the later
// ones have nothing left to read.
type chain struct {
	to      int64    // the end of the last window
	whole   earliest // the window that found it
	skipped bool     // the emitter's: an earlier window held everything
}

// earliest is the least of the numbers noted, by several goroutines.
type earliest struct{ plusOne atomic.Int64 } // 0 for none

func (e *earliest) note(n int) {
	for {
		old := e.plusOne.Load()
		if old != 0 && old <= int64(n)+1 || e.plusOne.CompareAndSwap(old, int64(n)+1) {
			return
		}
	}
}

// before tells whether a number below n was noted.
func (e *earliest) before(n int) bool {
	least := e.plusOne.Load()
	return least != 0 && least <= int64(n)
}

// schedule cuts the streams into slices and starts a lane for each, in order.
// It runs ahead of the emitter by the capacity of lanes.
func (r *run) schedule(ctx context.Context, g *sync.WaitGroup, lanes chan<- *lane) {
	defer close(lanes)
	start := func(rd *reader, s slice, err error) error {
		rd.lanes++
		switch {
		case s.kind == mark:
		case rd.gone.before(rd.lanes):
			return errGone
		case s.of.gone.before(rd.lanes):
			return nil
		}
		l := newLane(rd, s)
		l.n = rd.lanes
		if s.kind == mark {
			r.ahead.close(l, err)
		} else {
			// Slots are taken in order, so the lane whose turn it is has one.
			select {
			case r.reading <- struct{}{}:
			case <-ctx.Done():
				return errEnded
			}
			l.leave = sync.OnceFunc(func() { <-r.reading })
			g.Go(func() {
				defer l.leave()
				l.run(ctx)
			})
		}
		select {
		case lanes <- l:
		case <-ctx.Done():
			return errEnded
		}
		return nil
	}
	for _, rd := range r.readers {
		if rd.s.With != nil {
			continue // fed by its carrier
		}
		err := rd.slices(ctx, func(s slice) error { return start(rd, s, nil) })
		switch {
		case errors.Is(err, errEnded):
			return
		case errors.Is(err, errGone):
			err = nil
		}
		if start(rd, slice{kind: mark, part: &stream.Partition{}}, err) != nil {
			return
		}
	}
}

// errGone stands for a stream that is over: what is left of it is not read.
var errGone = errors.New("the stream is over")

// slices hands over the slices of a stream in their order.
func (rd *reader) slices(ctx context.Context, yield func(slice) error) (err error) {
	defer caught(&err)
	if rd.up != nil { // a child: the parent's rows must be known
		select {
		case <-rd.up.closed:
		case <-ctx.Done():
			return errEnded
		}
		if rd.up.err != nil && len(rd.up.failed) == 0 { // else see bequeath
			return rd.lacks(rd.up, rd.up.err)
		}
	}
	parts, err := rd.partitions(ctx)
	if err != nil {
		return rd.wrap("list "+rd.s.Scope, err)
	}
	all := len(parts)
	if parts = slices.DeleteFunc(slices.Clone(parts), func(p stream.Partition) bool { return rd.run.closed.err(p.ID) != nil }); len(parts) == 0 && all > 0 {
		return rd.wrap("", &fault.Error{
			Kind: fault.Permission, Err: errors.New("no " + rd.run.Source.Scopes[rd.s.Scope].Called() + " can be read any more"),
			Hint: "see the refusals before this one",
		})
	}
	for i := range parts {
		part := &parts[i]
		if rd.up != nil && rd.up.hasFailed(part.ID) {
			continue // see bequeath
		}
		rd.compareEpochs(part)
		of := &partRun{}
		spans := []span{{openFrom: true, openTo: true}}
		if rd.incremental() {
			sp := rd.span(part.ID)
			spans = []span{sp}
			if rd.s.Cursor.Filtered() && !sp.openFrom && !sp.openTo {
				spans = rd.apart(windows(rd.unit, sp.from, sp.to, rd.days())...)
			}
		}
		rows := []parentRow{{}}
		low, follows := int64(0), false
		if rd.up != nil {
			rows = rd.up.rows.byPart[part.ID]
			low, follows = rd.since(part.ID)
		}
		// Each slice waits for the next one, so that the last is known.
		var held *slice
		next := func(s slice) error {
			prev := held
			held = &s
			if prev == nil {
				return nil
			}
			return yield(*prev)
		}
		// What changed comes first: a bookmark that has moved covers it.
		if _, ok := rd.edits(part.ID); ok {
			if err := next(slice{part: part, of: of, span: span{openFrom: true, openTo: true}, kind: edits}); err != nil {
				return err
			}
		}
		for _, row := range rows {
			var parent []string
			if rd.up != nil {
				if follows && row.keyed && row.value < low {
					continue
				}
				if parent = rd.values(row.text); parent == nil {
					continue
				}
			}
			c := &chain{}
			if len(spans) > 0 {
				c.to = spans[len(spans)-1].to
			}
			for at, sp := range spans {
				if err := next(slice{part: part, of: of, parent: parent, span: sp, chain: c, at: at}); err != nil {
					return err
				}
			}
		}
		if rd.leftovers(part.ID, spans) {
			if err := next(slice{part: part, of: of, span: span{openFrom: true, openTo: true}, kind: leftover}); err != nil {
				return err
			}
		}
		if rd.deletes() {
			if err := next(slice{part: part, of: of, span: span{openFrom: true, openTo: true}, kind: deleted}); err != nil {
				return err
			}
		}
		if held != nil {
			held.endsPart = true
			if err := yield(*held); err != nil {
				return err
			}
		}
	}
	return nil
}

// values returns a child's view of a parent's row, nil where the parent is
// known to have no children or lacks what the child's path needs.
func (rd *reader) values(row string) []string {
	all := strings.Split(row, "\x00")
	bind := rd.s.Parent.Bind
	out := make([]string, len(bind))
	for i, b := range bind {
		for j, name := range rd.up.capture {
			if name == b.From {
				out[i] = all[j]
			}
		}
		if b.To != "" && (out[i] == "" || out[i] == "null") {
			return nil
		}
	}
	if rd.pruned(all) {
		return nil
	}
	return out
}

// withoutKey is the state member that holds how many rows of a stream have no
// replication value, as far as the vendor's counts tell.
const withoutKey = "_without_key"

// leftovers tells whether rows that the date filter cannot return have to be
// looked for: on the first read, and always where they are known to occur.
func (rd *reader) leftovers(part string, spans []span) bool {
	if !rd.countsKeyless() || slices.ContainsFunc(spans, func(sp span) bool { return sp.openFrom && sp.openTo }) {
		return false // or nothing was filtered
	}
	return rd.s.Cursor.Sparse || rd.refreshing() || rd.known(part) == nil
}

// countsKeyless tells whether a filter keeps rows without replication value
// back, and the vendor's counts can tell how many.
func (rd *reader) countsKeyless() bool {
	c := rd.s.Cursor
	return c != nil && c.Filtered() && rd.up == nil && stream.TotalPath(rd.s.Page) != "" && !rd.run.HoldState
}

// known returns what the state says of rows without replication value.
func (rd *reader) known(part string) *int64 {
	raw, ok := rd.run.initial.Member(rd.s.Name, part, withoutKey)
	var n int64
	if !ok || rd.isReset(part) || json.Unmarshal(raw, &n) != nil {
		return nil
	}
	return &n
}

// wrap puts the stream's name and the operation on an error.
func (rd *reader) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	out := &fault.Error{Kind: fault.KindOf(err), Source: rd.run.Source.Name, Stream: rd.s.Name, Op: op, Err: err}
	if e := fault.As(err); e != nil {
		c := *e
		c.Source, c.Stream = out.Source, out.Stream
		if op != "" && c.Op != "" {
			op += ": " + c.Op
		}
		if op != "" {
			c.Op = op
		}
		return &c
	}
	return out
}
