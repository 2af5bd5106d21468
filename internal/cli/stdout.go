package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
)

// stdout writes whole lines in small pieces. A reader that is slow holds up the
// process in the middle of a write; when a signal comes, only the piece at hand
// has to be taken before the final STATE can follow, not a page of megabytes.
type stdout struct {
	w io.Writer
	// ended is closed when the run is over; nil while no run is on.
	ended <-chan struct{}
	state []byte // the last STATE line written
	slow  bool   // the last piece had to wait
	err   error  // the first failure: what follows a lost piece is not written
}

const (
	// pieceSize is a fraction of what a pipe holds (64 KiB), so that the end
	// of a piece is never far. Larger ones are no faster that matters.
	pieceSize = 16 << 10
	// slowWrite is how long a piece takes only if the reader does not read.
	slowWrite = 50 * time.Millisecond
)

// errCutShort ends the output of a run that is over while its reader is slow.
var errCutShort = errors.New("the run is over and stdout is slow")

// Write implements io.Writer for whole lines. A STATE has to be the last line
// of what it is given, as singer.Writer does.
func (o *stdout) Write(p []byte) (n int, err error) {
	for n < len(p) && o.err == nil {
		if o.slow && o.over() {
			// The last STATE covers nothing but what has been written.
			if _, o.err = o.w.Write(o.state); o.err == nil {
				o.err = errCutShort
			}
			break
		}
		began := time.Now()
		var m int
		m, o.err = o.w.Write(o.piece(p[n:]))
		n += m
		o.slow = time.Since(began) > slowWrite
	}
	if o.err != nil {
		return n, o.err
	}
	if line := lastLine(p); bytes.HasPrefix(line, []byte(`{"type":"STATE"`)) {
		o.state = append(o.state[:0], line...)
	}
	return n, nil
}

func (o *stdout) over() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// piece is the beginning of p that is written next: whole lines, one alone
// while the reader is slow.
func (o *stdout) piece(p []byte) []byte {
	most := pieceSize
	if o.slow {
		most = 0
	}
	if len(p) <= most {
		return p
	}
	if i := bytes.LastIndexByte(p[:most], '\n'); i >= 0 {
		return p[:i+1]
	}
	if i := bytes.IndexByte(p[most:], '\n'); i >= 0 {
		return p[:most+i+1]
	}
	return p
}

func lastLine(p []byte) []byte {
	return p[bytes.LastIndexByte(p[:max(len(p)-1, 0)], '\n')+1:]
}

// fault is what a command returns that could not write.
func (o *stdout) fault() error {
	if o.err == nil {
		return nil
	}
	return &fault.Error{
		Kind: fault.Output, Op: "write stdout", Whole: true, Err: plainPathError(o.err),
		Hint: "see why the reader of stdout stopped",
	}
}

// stderr masks credentials in all that is said, whoever says it: the parts that
// know them mask them first, this is the last line of defence.
type stderr struct {
	w   io.Writer
	red atomic.Pointer[httpx.Redactor]
}

// Write implements io.Writer for whole lines.
func (e *stderr) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.w, e.masked(string(p))); err != nil {
		return 0, fmt.Errorf("stderr: %w", err)
	}
	return len(p), nil
}

// masked is s without any credential that is known by now.
func (e *stderr) masked(s string) string {
	if red := e.red.Load(); red != nil {
		return red.Redact(s)
	}
	return s
}
