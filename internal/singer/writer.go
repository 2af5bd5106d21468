package singer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// writeSize is how much is gathered before a write: system calls on small
// pieces cost more than copying them.
const writeSize = 64 << 10

// A Writer is the only owner of stdout. Every message passes through it whole
// and in order, so that whatever a consumer has read is a valid run so far. It
// is not safe for concurrent use: one goroutine writes.
type Writer struct {
	w       io.Writer
	buf     []byte
	line    []byte // scratch for STATE
	state   []byte // the last STATE value written
	schemas map[string][]byte
	counts  Counts
	err     error
}

// Counts is what a Writer has handed to stdout.
type Counts struct {
	Bytes, Schemas, Records, States int64
}

// Messages returns the number of lines.
func (c Counts) Messages() int64 { return c.Schemas + c.Records + c.States }

// NewWriter returns a Writer over w.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: make([]byte, 0, 2*writeSize), schemas: make(map[string][]byte)}
}

// Schema announces a stream. bookmark is empty for a stream without replication
// key. The same announcement again is not written; another one for the same
// stream is a defect, since consumers flush or fail at it.
func (w *Writer) Schema(stream string, s *Schema, key, bookmark []string) error {
	if w.err != nil {
		return w.err
	}
	line := appendString([]byte(`{"type":"SCHEMA","stream":`), stream)
	line = s.AppendJSON(append(line, `,"schema":`...))
	line = appendStrings(append(line, `,"key_properties":`...), key, ",")
	if len(bookmark) > 0 {
		line = appendStrings(append(line, `,"bookmark_properties":`...), bookmark, ",")
	}
	line = append(line, '}', '\n')
	if old, ok := w.schemas[stream]; ok {
		if bytes.Equal(old, line) {
			return nil
		}
		return &fault.Error{Kind: fault.Internal, Stream: stream, Op: "write schema", Err: errors.New("a different one has been written")}
	}
	w.schemas[stream] = slices.Clone(line)
	w.counts.Schemas++
	return w.gather(line)
}

// Records writes RECORD lines, any number of them, each whole with its line
// end. lines may be reused as soon as Records returns.
func (w *Writer) Records(lines []byte) error {
	if w.err != nil || len(lines) == 0 {
		return w.err
	}
	if lines[len(lines)-1] != '\n' {
		return &fault.Error{Kind: fault.Internal, Op: "write records", Err: errors.New("the last line has no end")}
	}
	w.counts.Records += int64(bytes.Count(lines, []byte{'\n'}))
	return w.gather(lines)
}

// State writes a STATE and flushes, so that a target can store what has come so
// far. A value equal to the last one is not repeated.
func (w *Writer) State(s *State) error { return w.writeState(s, false) }

// Final writes the last STATE of a run, also when it repeats the one before:
// some targets forget a STATE that is followed by a RECORD.
func (w *Writer) Final(s *State) error { return w.writeState(s, true) }

func (w *Writer) writeState(s *State, always bool) error {
	if w.err != nil {
		return w.err
	}
	const head = `{"type":"STATE","value":`
	w.line = s.AppendJSON(append(w.line[:0], head...))
	if value := w.line[len(head):]; always || !bytes.Equal(value, w.state) {
		w.state = append(w.state[:0], value...)
		w.counts.States++
		if err := w.gather(append(w.line, '}', '\n')); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Text writes what is no message, such as a catalog, and flushes.
func (w *Writer) Text(p []byte) error {
	if err := w.gather(p); err != nil {
		return err
	}
	return w.Flush()
}

// Flush hands everything gathered to stdout.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		w.write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

// Counts returns what has been accepted so far; Bytes counts only what has left.
func (w *Writer) Counts() Counts { return w.counts }

// Err returns the error that stopped the Writer, or nil.
func (w *Writer) Err() error { return w.err }

// gather collects small pieces and writes big ones straight through.
func (w *Writer) gather(p []byte) error {
	if w.err != nil {
		return w.err
	}
	if len(p) >= writeSize {
		if w.Flush() == nil {
			w.write(p)
		}
		return w.err
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) >= writeSize {
		return w.Flush()
	}
	return nil
}

// write keeps the first error: what follows a lost piece must never be written.
func (w *Writer) write(p []byte) {
	n, err := w.w.Write(p)
	w.counts.Bytes += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = &fault.Error{
			Kind: fault.Output, Op: "write stdout", Whole: true, Err: fmt.Errorf("after %d bytes: %w", w.counts.Bytes, err),
			Hint: "see why the target stopped; the next run resumes from its last state",
		}
	}
}
