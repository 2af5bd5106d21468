package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// job reads a slice that the vendor prepares as files: create, poll, download,
// until no further job is needed.
func (l *lane) job(ctx context.Context) error {
	l.watchGraves(ctx)
	s := l.rd.s
	read := stream.Read{Config: l.rd.run.Config, Hint: l.rd.task.hint}
	if c := s.Cursor; c != nil {
		if !l.span.openFrom {
			read.From = l.rd.unit.Format(l.span.from, c.Layout)
		}
		if !l.span.openTo {
			read.To = l.rd.unit.Format(l.span.to, c.Layout)
		}
	}
	for _, p := range l.rd.task.Schema.Properties {
		if l.rd.keeps(p.Name) && !strings.HasPrefix(p.Name, "_") {
			read.Fields = append(read.Fields, p)
		}
	}
	req, err := s.Job.Create(read)
	if err != nil {
		return err
	}
	pages := pageChain{}
	visited := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	for n := 1; req != nil; n++ {
		visited[requestHash(seed, req)] = struct{}{}
		made, err := l.await(ctx, req)
		if errors.Is(err, stream.NoRows) {
			break
		}
		if err != nil {
			return pageFault(n, err)
		}
		st := pageState{span: l.span, chain: &pages}
		req, err = l.file(ctx, made, &st)
		l.release(made.file)
		if err != nil {
			l.discard()
			return pageFault(n, err)
		}
		l.flush(item{covers: l.span, ignored: l.ignored, upTo: l.sorted(&pages)})
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
	l.push(l.complete(l.span))
	return nil
}

// made is what became of a job: its file, how many rows that has to hold, 0
// where nobody tells, and the request that makes the next one.
type made struct {
	file *stream.Response
	rows int64
	more *stream.Request
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
func (l *lane) await(ctx context.Context, req *stream.Request) (made, error) {
	j := l.rd.s.Job
	var waited time.Duration
	for grown := firstPoll; ; grown = min(2*grown, lastPoll) {
		l.address(req)
		resp, err := l.fetch(ctx, req)
		if err != nil {
			return made{}, err
		}
		var out made
		step, err := j.Poll(resp)
		if err == nil && step.Download != nil && j.Table != nil && j.Table.More != nil {
			out.more, err = j.Table.More(resp)
		}
		release(resp)
		switch {
		case err != nil:
			return made{}, err
		case step.Download != nil:
			out.rows = step.Rows
			out.file, err = l.download(ctx, step.Download)
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
func (l *lane) download(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	l.address(req)
	req.File = l.rd.s.Job.Table != nil
	l.heavy = true
	defer func() { l.heavy = false }()
	return l.fetch(ctx, req)
}

// address fills the placeholders and budgets of a job's request.
func (l *lane) address(req *stream.Request) {
	req.URL = l.expand(req.URL, pathEscape)
	req.Lane, req.Resource = l.part.Lane, l.rd.s.Name
}

// file converts a downloaded file and returns the request that makes the next.
func (l *lane) file(ctx context.Context, m made, st *pageState) (more *stream.Request, err error) {
	j := l.rd.s.Job
	switch {
	case j.Table != nil:
		return m.more, tableFault(l.table(ctx, m, st), m.file)
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
