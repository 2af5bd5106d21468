package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// watch follows a run: it counts requests, tells of streams in the log, and on
// a terminal redraws one line with the stream at hand (rows, rows a second, the
// window). Log lines pass through it, so that they do not tear that line.
type watch struct {
	requests atomic.Int64
	log      *slog.Logger
	metrics  bool // METRIC lines, for --log-format singer
	alone    bool // there is but one stream: the last line tells of its failure
	started  time.Time

	mu     sync.Mutex
	w      io.Writer
	show   bool
	drawn  bool
	name   string // the stream at hand, "" for none
	begun  time.Time
	rows   int64
	span   string
	stop   chan struct{}
	ended  sync.WaitGroup
	closed bool
}

const redraw = 200 * time.Millisecond

func newWatch(w io.Writer, log *slog.Logger, show bool) *watch {
	p := &watch{w: w, log: log, show: show, started: time.Now(), stop: make(chan struct{})}
	if show {
		p.ended.Go(func() {
			tick := time.NewTicker(redraw)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					p.mu.Lock()
					p.draw()
					p.mu.Unlock()
				case <-p.stop:
					return
				}
			}
		})
	}
	return p
}

// progressOn applies --progress.
func (a *app) progressOn() bool {
	if a.flags.progress == "auto" {
		f, ok := a.err.w.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	}
	return a.flags.progress == "on"
}

func (p *watch) elapsed() time.Duration { return time.Since(p.started) }

// Write passes a log line on, above the progress line.
func (p *watch) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	return p.w.Write(line)
}

func (p *watch) erase() {
	if p.drawn {
		io.WriteString(p.w, "\r\x1b[2K")
		p.drawn = false
	}
}

// draw needs mu.
func (p *watch) draw() {
	if p.name == "" || p.closed {
		return
	}
	p.erase()
	line := p.line(time.Now())
	io.WriteString(p.w, line)
	p.drawn = true
}

func (p *watch) line(now time.Time) string {
	var b strings.Builder
	took := now.Sub(p.begun).Seconds()
	fmt.Fprintf(&b, "%s  %s rows", p.name, thousands(p.rows))
	if took > 0.5 {
		fmt.Fprintf(&b, "  %s/s", thousands(int64(float64(p.rows)/took)))
	}
	if p.span != "" {
		b.WriteString("  " + p.span)
	}
	if b.Len() > 110 {
		return b.String()[:110]
	}
	return b.String()
}

// request counts an attempt and, for singer logs, writes its METRIC line.
func (p *watch) request(m httpx.Metric) {
	p.requests.Add(1)
	if p.metrics {
		p.log.Info(singer.RequestDuration(m.Endpoint, m.Status, m.Duration, m.Status >= 200 && m.Status < 300).String())
	}
}

// Begin implements engine.Observer.
func (p *watch) Begin(name string) {
	p.mu.Lock()
	p.name, p.begun, p.rows, p.span = name, time.Now(), 0, ""
	p.mu.Unlock()
	p.log.Debug("reading", "stream", name)
}

// Wrote implements engine.Observer.
func (p *watch) Wrote(_ string, records int64, window string) {
	p.mu.Lock()
	p.rows += records
	p.span = window
	p.mu.Unlock()
}

// End implements engine.Observer.
func (p *watch) End(r engine.Result) {
	if p.metrics {
		p.log.Info(singer.RecordCount(r.Stream, r.Records).String())
		p.log.Info(singer.SyncDuration(r.Stream, r.Took, r.Err == nil).String())
	}
	switch {
	case r.Skipped:
		p.log.Warn("skipped: "+r.Err.Error(), "stream", r.Stream)
	case r.Err != nil && !p.alone && !endsRun(r.Err): // else the last line tells it
		p.log.Error("failed: "+withHint(r.Err.Error(), hintOf(r.Err)), "stream", r.Stream, "records", r.Records)
	case r.Err != nil:
	default:
		attrs := []any{"stream", r.Stream, "records", r.Records, "took", r.Took.Round(time.Millisecond).String()}
		if r.Bookmark != "" {
			attrs = append(attrs, "bookmark", r.Bookmark)
		}
		p.log.Debug("read", attrs...)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.show && r.Err == nil {
		p.erase()
		rate := ""
		if s := r.Took.Seconds(); s > 0.5 {
			rate = fmt.Sprintf("  %s/s", thousands(int64(float64(r.Records)/s)))
		}
		fmt.Fprintf(p.w, "%-30s %12s rows%s\n", r.Stream, thousands(r.Records), rate)
	}
	if p.name == r.Stream {
		p.name = ""
	}
}

// endsRun tells a failure that ends the run, not only its stream.
func endsRun(err error) bool {
	e := fault.As(err)
	return e == nil || e.Whole || e.Kind == fault.Auth
}

// finish ends the redrawn line.
func (p *watch) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.closed = true
}

// close ends the redrawing.
func (p *watch) close() {
	p.finish()
	close(p.stop)
	p.ended.Wait()
}
