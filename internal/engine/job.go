package engine

import (
	"context"
	"errors"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// job reads a slice that the vendor prepares as files: create, poll, download,
// until no further job is needed.
func (l *lane) job(ctx context.Context) error {
	s := l.rd.s
	read := stream.Read{}
	if c := s.Cursor; c != nil {
		if !l.span.openFrom {
			read.From = l.rd.unit.Format(l.span.from, c.Layout)
		}
		if !l.span.openTo {
			read.To = l.rd.unit.Format(l.span.to, c.Layout)
		}
	}
	for _, p := range l.rd.task.Schema.Properties {
		if l.rd.keeps(p.Name) {
			read.Fields = append(read.Fields, p.Name)
		}
	}
	req, err := s.Job.Create(read)
	if err != nil {
		return err
	}
	pages := pageChain{}
	for n := 1; req != nil; n++ {
		file, err := l.await(ctx, req)
		if errors.Is(err, stream.NoRows) {
			break
		}
		if err != nil {
			return pageFault(n, err)
		}
		st := pageState{span: l.span, chain: &pages}
		req, err = l.file(ctx, file, &st)
		if err != nil {
			err = pageFault(n, l.shapeFault(err, file))
		}
		l.release(file)
		if err != nil {
			return err
		}
		l.flush(item{covers: l.span, ignored: l.ignored, upTo: l.sorted(&pages)})
	}
	l.push(l.complete(l.span))
	return nil
}

// await creates a job, watches it and returns its file.
func (l *lane) await(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	l.address(req)
	resp, err := l.fetch(ctx, req)
	for {
		if err != nil {
			return nil, err
		}
		step, err := l.rd.s.Job.Poll(resp)
		release(resp)
		if err != nil {
			return nil, err
		}
		if step.Download != nil {
			l.address(step.Download)
			l.heavy = true
			file, err := l.fetch(ctx, step.Download)
			l.heavy = false
			return file, err
		}
		if step.Ask == nil {
			return nil, &fault.Error{Kind: fault.Internal, Err: errors.New("the job has neither a next question nor a file")}
		}
		if err := sleep(ctx, step.After); err != nil {
			return nil, err
		}
		l.address(step.Ask)
		if resp, err = l.fetch(ctx, step.Ask); err != nil {
			return nil, err
		}
	}
}

// address fills the placeholders and budgets of a job's request.
func (l *lane) address(req *stream.Request) {
	req.URL = l.expand(req.URL, pathEscape)
	req.Lane, req.Resource = l.part.Lane, l.rd.s.Name
}

// file converts a downloaded file.
func (l *lane) file(ctx context.Context, file *stream.Response, st *pageState) (more *stream.Request, err error) {
	if l.rd.s.Job.Rows == nil {
		return nil, l.convert(ctx, file, st)
	}
	extracted := l.rd.run.Now().UTC().Format(stream.MicroLayout)
	l.feeds[0].conv.SetTime(extracted)
	return l.rd.s.Job.Rows(file.Body, func(row []byte) error {
		_, err := l.row(l.feeds[0], row, 0, st)
		return err
	})
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
