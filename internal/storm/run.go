package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// An ending is how a run is to end.
type ending struct {
	kind  string         // one of endings
	lines int            // happens after so many lines
	calls int64          // or at this request
	after time.Duration  // or after this time
	limit string         // of ulimit -f, for a full disk
	pause time.Duration  // of a slow reader, before some lines
	args  []string       // further flags
	sig   syscall.Signal // for a signal
}

// A result is what became of a run.
type result struct {
	lines  [][]byte // whole ones, without their ends
	rest   []byte   // what came behind the last one
	stderr []byte
	code   int
	died   syscall.Signal // that ended it, 0 for none
	rows   int
	pid    int
	took   time.Duration
	struck bool          // its ending happened before its own end
	late   time.Duration // from a signal to its end
	hung   bool
	idle   bool  // it was ended since the storm is over
	failed error // of the storm itself
}

// A process is a run under way.
type process struct {
	cmd     *exec.Cmd
	out     *os.File
	end     ending
	silence time.Duration
	began   time.Time
	enough  func() bool // tells that the storm is over

	lastSeen atomic.Int64 // of a line or a request, in microseconds
	patience atomic.Int64 // until when the service has asked it to wait
	struck   atomic.Bool
	hung     atomic.Bool
	idle     atomic.Bool
	at       atomic.Int64 // of the signal
	once     sync.Once
	over     chan struct{}
	stderr   bytes.Buffer
}

// start begins a run.
func start(tap string, args, env []string, e ending, silence time.Duration, enough func() bool) (*process, error) {
	p := &process{end: e, silence: silence, enough: enough, began: time.Now(), over: make(chan struct{})}
	if e.limit != "" {
		// A file size limit does without rights what a full disk does: writes fail.
		args = append([]string{"-c", `ulimit -f ` + e.limit + `; exec "$0" "$@"`, tap}, args...)
		tap = "/bin/sh"
	}
	p.cmd = exec.CommandContext(context.Background(), tap, args...)
	p.cmd.Env = env
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.out, p.cmd.Stdout = read, write
	p.cmd.Stderr = &watched{&p.stderr, p}
	p.cmd.WaitDelay = 5 * time.Second
	p.active()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	if err := write.Close(); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

// watched notes that something was written.
type watched struct {
	b *bytes.Buffer
	p *process
}

// Write keeps what is written.
func (w *watched) Write(b []byte) (int, error) {
	w.p.active()
	for _, m := range waiting.FindAllSubmatch(b, -1) {
		if d, err := time.ParseDuration(string(m[1])); err == nil {
			w.p.waits(d)
		}
	}
	return w.b.Write(b)
}

// waiting is a wait that a log line states.
var waiting = regexp.MustCompile(`waiting.*\bwait"?[=:]"?([0-9][0-9a-zµ.]*)`)

func (p *process) active() { p.lastSeen.Store(time.Now().UnixMicro()) }

func (p *process) waits(d time.Duration) {
	until := time.Now().Add(d).UnixMicro()
	for {
		old := p.patience.Load()
		if old >= until || p.patience.CompareAndSwap(old, until) {
			return
		}
	}
}

// asked is called as one of its requests arrives.
func (p *process) asked(n int64) {
	p.active()
	if p.end.calls > 0 && n >= p.end.calls {
		p.strike()
	}
}

// strike lets the ending happen.
func (p *process) strike() {
	p.once.Do(func() {
		select {
		case <-p.over:
			return
		default:
		}
		p.struck.Store(true)
		p.at.Store(time.Now().UnixMicro())
		switch {
		case p.end.kind == endClosed:
			_ = p.out.Close()
		case p.end.sig != 0:
			_ = p.cmd.Process.Signal(p.end.sig)
		}
	})
}

// watch strikes in time, and ends a run that hangs.
func (p *process) watch() {
	if p.end.after > 0 {
		t := time.AfterFunc(p.end.after, p.strike)
		defer t.Stop()
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-tick.C:
		}
		if p.enough() && time.Since(p.began) > patience {
			p.idle.Store(true) // nothing but a vendor's limits takes so long
			_ = p.cmd.Process.Kill()
			return
		}
		last := max(p.lastSeen.Load(), p.patience.Load())
		if time.Since(time.UnixMicro(last)) > p.silence {
			p.hung.Store(true)
			_ = p.cmd.Process.Signal(syscall.SIGABRT) // tells where it stands
			select {
			case <-p.over:
			case <-time.After(3 * time.Second):
				_ = p.cmd.Process.Kill()
			}
			return
		}
	}
}

// patience is how long a run may take once the storm is over.
const patience = 15 * time.Second

// finish reads the run to its end.
func (p *process) finish() *result {
	r := &result{pid: p.cmd.Process.Pid}
	in := bufio.NewReaderSize(p.out, 4096)
	if p.end.calls == 0 && p.end.after == 0 && p.end.lines == 0 {
		p.strike()
	}
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			p.active()
		}
		if err != nil {
			r.rest = line
			break
		}
		r.lines = append(r.lines, line[:len(line)-1])
		if bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			r.rows++
		}
		if len(r.lines) == p.end.lines {
			p.strike()
		}
		if p.end.pause > 0 && len(r.lines)%7 == 0 {
			<-time.After(p.end.pause)
		}
	}
	_ = p.out.Close()
	err := p.cmd.Wait()
	close(p.over)
	r.took = time.Since(p.began)
	r.struck, r.hung, r.idle = p.struck.Load(), p.hung.Load(), p.idle.Load()
	r.stderr = p.stderr.Bytes()
	if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		r.failed = fmt.Errorf("wait: %w", err)
	} else if failed {
		r.code = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			r.died = status.Signal()
		}
	}
	if r.struck && (p.end.kind == endTerm || p.end.kind == endInt) {
		r.late = time.Since(time.UnixMicro(p.at.Load()))
	}
	return r
}

// tail is the end of what the run told people.
func (r *result) tail() string {
	lines := strings.Split(strings.TrimSpace(string(r.stderr)), "\n")
	return strings.Join(lines[max(len(lines)-12, 0):], "\n")
}

// save feeds states to tap-backoffice state save, which may be killed on the way, and
// returns how it ended.
func save(tap, file string, states [][]byte, limit string, killAfter int) (code int, err error) {
	args := []string{"state", "save", file}
	if limit != "" {
		args = append([]string{"-c", `ulimit -f ` + limit + `; exec "$0" "$@"`, tap}, args...)
		tap = "/bin/sh"
	}
	c := exec.CommandContext(context.Background(), tap, args...)
	c.Stdout = io.Discard
	in, err := c.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	for i, s := range states {
		if killAfter > 0 && i == killAfter {
			_ = c.Process.Kill()
		}
		if _, err := in.Write(append(s, '\n')); err != nil {
			break
		}
	}
	_ = in.Close()
	err = c.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}
