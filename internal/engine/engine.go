// Package engine owns every loop of a sync: streams, partitions, parents,
// windows, pages, bookmarks, checkpoints and the order in which records are
// written. A source's table tells it what to read; it asks through a
// stream.Fetcher and writes through a singer.Writer. It must know no source, no
// HTTP client and no command line, and never hold more than a few pages.
//
// How data flows: the scheduler cuts the selected streams into slices (a
// partition, a parent row, a window) in a fixed order and starts a lane for
// each. Lanes read their pages side by side, within the fetcher's budgets, and
// turn them into finished RECORD lines. The emitter takes the lanes in the
// order of the slices, writes what they hold, and moves a bookmark when what it
// covers has been written. So the records of a stream are the same, in the same
// order, whatever runs beside them.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Task is one selected stream.
type Task struct {
	Stream *stream.Stream
	// Schema is the stream's whole schema as the catalog gives it, with what
	// the tap adds, deselected properties included.
	Schema *singer.Schema
	// Selected tells whether a property is emitted; keys and the replication
	// key always are.
	Selected func(property string) bool
	// Chosen: the user selected this stream, not only the default.
	Chosen bool
	// Hint returns the vendor's type of a property; nil where nobody knows any.
	Hint func(property string) string
}

// hint is Hint, "" where nobody knows.
func (t *Task) hint(property string) string {
	if t.Hint == nil {
		return ""
	}
	return t.Hint(property)
}

// Options are all that a sync needs.
type Options struct {
	Source  *stream.Source
	Config  stream.Config
	Tasks   []Task // in the catalog's order
	State   *singer.State
	Fetcher stream.Fetcher
	Out     *singer.Writer
	Log     *slog.Logger
	Observe Observer         // nil: nobody looks
	Now     func() time.Time // nil: time.Now

	Concurrency int // requests in flight over the whole run, at least 1

	Start    time.Time     // lower bound of streams without a bookmark
	End      time.Time     // upper bound of reads and bookmarks; zero: the start of the run
	Since    time.Time     // replaces every lower bound
	Window   int           // days of a date window, 0: the whole range at once
	Lookback time.Duration // subtracted from bookmarks when reading
	// HoldState emits the given state unchanged: a run that reads only a part
	// must not move bookmarks.
	HoldState   bool
	FullRefresh []string // streams whose bookmark is ignored and replaced at the end
	MaxRecords  int64    // per stream, 0: no bound
}

// Observer is told how a run goes on. Its methods are called from one goroutine.
type Observer interface {
	// Begin is called when a stream's turn to be written comes.
	Begin(name string)
	// Wrote is called after records were written; window tells what they cover.
	Wrote(name string, records int64, window string)
	// End is called when a stream is over.
	End(Result)
}

// Result is what became of one stream.
type Result struct {
	Stream  string
	Records int64
	Bytes   int64
	// Bookmark is the final bookmark, "" where there is none.
	Bookmark string
	Resumed  string // the bookmark that the run began with
	Took     time.Duration
	// Err is nil for a complete stream.
	Err error
	// Skipped: the account may not read the stream, or does not have it; Err
	// says why.
	Skipped bool
	// Refused are the partitions that could not be read of a stream whose others
	// could.
	Refused []string
	// Absent: skipped since the account has no such resource.
	Absent bool
	Chosen bool
}

// Report is what became of a run.
type Report struct {
	Streams []Result
	// Err is what ended the whole run early, nil when every stream had its turn.
	Err error
	// Left are the partitions that the user named and that cannot be read.
	Left []string
}

// errEnded stands for a run that is over; the cause is in the context.
var errEnded = errors.New("the run is over")

// Run reads every task and writes it. The report is never nil; its Err and
// those of its streams decide the exit code.
func Run(ctx context.Context, o Options) *Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = nobody{}
	}
	o.Concurrency = max(o.Concurrency, 1)
	// A run that reads only a part must not move bookmarks.
	o.HoldState = o.HoldState || o.MaxRecords > 0 || !o.Since.IsZero()
	r := &run{Options: o, started: o.Now().UTC(), reading: make(chan struct{}, o.Concurrency), scopes: expanded{}}
	r.upper = r.started
	if !o.End.IsZero() && o.End.Before(r.upper) {
		r.upper = o.End
	}
	return r.do(stream.Telling(ctx, o.Log.Warn))
}

type nobody struct{}

func (nobody) Begin(string)                {}
func (nobody) Wrote(string, int64, string) {}
func (nobody) End(Result)                  {}

// run is one sync.
type run struct {
	Options
	started time.Time
	initial *singer.State // as given; State moves on as the run writes
	upper   time.Time     // what is read and bookmarked lies at or before this
	readers []*reader     // in the order of reading
	ahead   *ahead
	reading chan struct{} // slots for lanes that read, each a request at a time
	scopes  expanded
	partsMu sync.Mutex
	parts   parts
	closed  closed
	report  Report
	holding *reader // the one with its family whose records are gathered
	held    int     // their bytes

	deletions deletionLists
	untold    refusals // where to start was not told
}

func (r *run) do(ctx context.Context) *Report {
	r.initial = r.State.Clone()
	err := r.plan()
	if err == nil {
		// The echo: a target that copies its first STATE must find the old one.
		err = r.Out.State(r.State)
	}
	if err != nil {
		r.report.Err = err
		return &r.report
	}
	r.tellUnbounded()
	if err = r.open(ctx); err == nil {
		err = r.sync(ctx)
	}
	if errors.Is(err, errEnded) {
		if err = context.Cause(ctx); err == nil { // invariant: only the context ends a run
			err = fault.New(fault.Internal, "the run ended without a cause", "this is a defect of tap-backoffice, please report it")
		}
	}
	r.report.Err, r.report.Left = err, r.closed.left
	for _, rd := range r.readers {
		if rd.begun && !rd.over && rd.selected {
			r.warn(rd)
			r.report.Streams = append(r.report.Streams, r.result(rd, err))
		}
	}
	last := r.State
	if r.HoldState {
		last = r.initial
	} else if err == nil {
		last.SetCurrentlySyncing("")
	}
	if fault.KindOf(err) != fault.Output || err == nil {
		err := r.flush()
		if err == nil {
			err = r.Out.Final(last)
		}
		if err != nil {
			r.report.Err = err
		}
	}
	return &r.report
}

// open asks what the account says of itself; the plans may depend on it.
func (r *run) open(ctx context.Context) (err error) {
	defer caught(&err)
	if r.Source.Open == nil {
		return nil
	}
	more, err := r.Source.Open(ctx, r.Fetcher, r.Config)
	if err != nil {
		return err
	}
	r.Config = r.Config.With(more)
	for _, rd := range r.readers {
		if err := rd.prepare(); err != nil {
			return err
		}
	}
	return nil
}

// sync runs scheduler, lanes and emitter; whichever ends takes the others with
// it.
func (r *run) sync(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var stop func() bool
	r.ahead, stop = newAhead(ctx)
	defer stop()
	lanes := make(chan *lane, 2*r.Concurrency)
	var g sync.WaitGroup
	g.Go(func() { r.schedule(ctx, &g, lanes) })
	err := r.emit(ctx, lanes)
	cancel()
	g.Wait()
	return err
}

// plan makes a reader for each task and for each stream that a task needs, and
// puts them in the order of reading.
func (r *run) plan() error {
	byName := map[string]*reader{}
	var all []*reader
	var need func(name string) (*reader, error)
	add := func(s *stream.Stream, t *Task) (*reader, error) {
		rd, err := newReader(r, s, t)
		if err != nil {
			return nil, err
		}
		byName[s.Name] = rd
		if up := s.Needs(); up != "" {
			parent, err := need(up)
			if err != nil {
				return nil, err
			}
			rd.attach(parent)
		}
		all = append(all, rd)
		return rd, nil
	}
	need = func(name string) (*reader, error) {
		if rd := byName[name]; rd != nil {
			return rd, nil
		}
		for i := range r.Tasks {
			if r.Tasks[i].Stream.Name == name {
				return add(r.Tasks[i].Stream, &r.Tasks[i])
			}
		}
		s := r.Source.Stream(name)
		if s == nil {
			return nil, fmt.Errorf("engine: no stream %q in the table of %s", name, r.Source.Name)
		}
		return add(s, nil)
	}
	for i := range r.Tasks {
		if byName[r.Tasks[i].Stream.Name] == nil {
			if _, err := add(r.Tasks[i].Stream, &r.Tasks[i]); err != nil {
				return err
			}
		}
	}
	for _, rd := range all {
		if err := rd.prepare(); err != nil {
			return err
		}
		if err := rd.checkBookmarks(); err != nil {
			return err
		}
	}
	r.readers = rotate(all, r.State.CurrentlySyncing())
	return nil
}

// rotate puts the family of the interrupted stream first and keeps the rest in
// a circle, as singer-python does. A family, a stream with those that need its
// rows or answers, stays together and in order.
func rotate(all []*reader, interrupted string) []*reader {
	var families [][]*reader
	index := map[*reader]int{}
	first := 0
	for _, rd := range all {
		root := rd.root()
		if _, ok := index[root]; !ok {
			index[root] = len(families)
			families = append(families, nil)
		}
		families[index[root]] = append(families[index[root]], rd)
		if rd.s.Name == interrupted {
			first = index[root]
		}
	}
	return slices.Concat(slices.Concat(families[first:], families[:first])...)
}
