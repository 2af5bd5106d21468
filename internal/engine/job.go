package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// job reads a window that the vendor prepares as files: create, poll, download,
// until no further job is needed.
func (l *lane) job(ctx context.Context, j *stream.Job, sp span) error {
	read := l.wanted(sp)
	if j.Open != nil {
		var err error
		if j, err = j.Open(ctx, turns{l}, read); err != nil {
			return err
		}
	}
	req, err := j.Create(read)
	if err != nil {
		return err
	}
	for _, f := range l.feeds {
		f.counted, f.inside = peak{}, peak{} // what was discarded does not count
	}
	l.came = 0
	c := pageChain{}
	visited := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	begins := map[uint64]int{}
	for n := 1; req != nil; n++ {
		visited[requestHash(seed, req)] = struct{}{}
		made, err := l.await(ctx, j, req)
		if errors.Is(err, stream.NoRows) && n > 1 && j.Poll == nil {
			err = errAnnounced
		}
		if errors.Is(err, stream.NoRows) {
			break
		}
		if err != nil {
			return pageFault(n, err)
		}
		made.begins = begins
		st := pageState{span: sp, chain: &c, within: true}
		req, err = l.file(ctx, j, made, &st)
		l.release(made.file)
		if err == nil && req == nil && st.rows == 0 && n > 1 && j.Poll == nil {
			err = errAnnounced
		}
		if err != nil {
			l.discard()
			return pageFault(n, err)
		}
		l.came += int64(st.rows)
		up := l.reached(j, &c)
		if up.ok {
			l.upTo = up
		}
		l.flush(item{covers: sp, upTo: up})
		if l.enough() {
			return nil
		}
		if req == nil {
			break
		}
		if _, again := visited[requestHash(seed, req)]; again {
			return pageFault(n, &fault.Error{Kind: fault.Contract, Err: errors.New("the files lead in a circle"), Hint: "report it to the vendor and run again"})
		}
	}
	l.push(l.complete(sp))
	return nil
}

// errAnnounced is an answer without rows where the one before it led on.
var errAnnounced = absent("the vendor announced further rows, and gives none")

// absent is the fault of a job that has no answer, no rows or no file, though it
// should. Another way may have them.
func absent(what string) error {
	return &fault.Error{Kind: fault.Refused, Err: errors.New(what), Hint: "run again, and report it to the vendor if it stays"}
}

// reached is how far a bookmark may move after one of a job's files.
func (l *lane) reached(j *stream.Job, c *pageChain) peak {
	counted := l.feeds[0].counted
	if !j.Sorted || c.moved || !c.under.ok || !counted.ok {
		return peak{}
	}
	return peak{min(c.under.v, counted.v), true}
}

// wanted tells a job what a window has to bring. Its bounds are asked for a
// Margin wider; what lies outside of the window is dropped.
func (l *lane) wanted(sp span) stream.Read {
	rd := l.rd
	read := stream.Read{Config: rd.run.Config, Hint: rd.task.hint, Start: rd.run.Start, End: rd.run.upper}
	if !rd.run.Since.IsZero() {
		read.Start = rd.run.Since
	}
	if c := rd.s.Cursor; c != nil {
		margin := int64(0)
		if rd.unit == stream.Instant {
			margin = c.Margin.Microseconds()
		}
		if !sp.openFrom {
			read.From = rd.unit.Format(sp.from-margin, c.Layout)
		}
		switch {
		case !sp.openTo:
			read.To = rd.unit.Format(sp.to+margin, c.Layout)
		case !rd.run.End.IsZero() && rd.unit != stream.Int:
			read.To = rd.unit.Format(rd.end()+margin, c.Layout)
		}
	}
	for _, p := range rd.task.Schema.Properties {
		if !strings.HasPrefix(p.Name, "_") && (rd.keeps(p.Name) || slices.Contains(rd.capture, p.Name)) {
			read.Fields = append(read.Fields, p)
		}
	}
	return read
}

// turns asks in a lane's turn what its job needs to know.
type turns struct{ l *lane }

// Fetch implements stream.Fetcher.
func (t turns) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	if req.Resource == "" {
		req.Resource = t.l.rd.s.Name
	}
	return t.l.fetch(ctx, req)
}

// made is what became of a job: its file, how many rows that has to hold, 0
// where nobody tells, and the request that makes the next one.
type made struct {
	file *stream.Response
	rows int64
	more *stream.Request
	// begins counts the files of the read that begin with a row, by its key.
	begins map[uint64]int
}

const (
	// firstPoll is the least wait before a job is asked for; it doubles up to
	// lastPoll, or to what the source wants.
	firstPoll = time.Second
	lastPoll  = 30 * time.Second
	// jobPatience bounds the waits for one job. Files are made in minutes; what
	// takes longer has been forgotten.
	jobPatience = 2 * time.Hour
)

// await creates a job, watches it and returns its file.
func (l *lane) await(ctx context.Context, j *stream.Job, req *stream.Request) (made, error) {
	var waited time.Duration
	for grown, polls := firstPoll, 0; ; grown, polls = min(2*grown, lastPoll), polls+1 {
		l.address(req)
		resp, err := l.fetch(ctx, req)
		// What became of it is not told; only a report may be refused as an empty one.
		if errors.Is(err, stream.NoRows) && j.Poll != nil && (polls > 0 || l.rd.s.Roads != nil) {
			err = absent("the answer about the job is empty")
		}
		if err != nil {
			return made{}, err
		}
		if j.Poll == nil {
			return made{file: resp}, nil
		}
		var out made
		step, err := j.Poll(resp)
		if err == nil && step.Download != nil && j.Table != nil && j.Table.More != nil {
			out.more, err = j.Table.More(resp)
		}
		if err == nil && step.Here {
			out.file, out.rows = resp, step.Rows
			return out, nil
		}
		release(resp)
		switch {
		case err != nil:
			return made{}, err
		case step.Download != nil:
			out.rows = step.Rows
			out.file, err = l.download(ctx, j, step.Download)
			if errors.Is(err, stream.NoRows) && step.Rows > 0 {
				err = absent(fmt.Sprintf("the job told of %d rows, and its file has none", step.Rows))
			}
			return out, err
		case step.Ask == nil:
			return made{}, &fault.Error{Kind: fault.Internal, Err: errors.New("the job has neither a next question nor a file")}
		}
		wait := max(step.After, grown)
		if waited += wait; waited > jobPatience {
			return made{}, &fault.Error{
				Kind: fault.Transient, Err: fmt.Errorf("the vendor has not made the file within %s", jobPatience),
				Hint: "run again later: the job is made anew",
			}
		}
		l.rd.run.Log.Debug("waiting for a bulk job", "stream", l.rd.s.Name, "partition", l.part.ID, "wait", wait, "waited", waited)
		if err := sleep(ctx, wait); err != nil {
			return made{}, err
		}
		req = step.Ask
	}
}

// download fetches a job's file, in the lane's turn.
func (l *lane) download(ctx context.Context, j *stream.Job, req *stream.Request) (*stream.Response, error) {
	l.address(req)
	req.File = j.Table != nil
	l.heavy = true
	defer func() { l.heavy = false }()
	return l.fetch(ctx, req)
}

// address fills the placeholders and budgets of a job's request.
func (l *lane) address(req *stream.Request) {
	req.URL = l.expand(req.URL, pathEscape)
	req.Lane = l.part.Lane
	if req.Resource == "" {
		req.Resource = l.rd.s.Name
	}
}

// file converts a downloaded file and returns the request that makes the next.
func (l *lane) file(ctx context.Context, j *stream.Job, m made, st *pageState) (more *stream.Request, err error) {
	switch {
	case j.Table != nil:
		return m.more, tableFault(l.table(ctx, j.Table, m, st), m.file)
	case j.Rows == nil:
		return nil, l.shapeFault(l.convert(ctx, m.file, st), m.file)
	}
	l.feeds[0].conv.SetTime(l.rd.run.Now().UTC().Format(stream.MicroLayout))
	more, err = j.Rows(m.file.Body, func(row []byte) error {
		_, err := l.row(l.feeds[0], row, 0, st)
		return err
	})
	return more, l.shapeFault(err, m.file)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errEnded
	}
}
