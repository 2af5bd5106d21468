package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// weighedBytes is the longest value of a member that is kept of a parent's row
// only to see whether it may be pruned.
const weighedBytes = 32

// weigh captures a member for a child's Prune.
func (rd *reader) weigh(member string) {
	if slices.Contains(rd.capture, member) {
		return // somebody needs it whole
	}
	rd.need(member)
	if rd.weighed == nil {
		rd.weighed = map[string]bool{}
	}
	rd.weighed[member] = true
}

// kept is a captured value as the row of a parent keeps it.
func (rd *reader) kept(member string, raw []byte) []byte {
	if len(raw) > weighedBytes && rd.weighed[member] {
		return nil // as good as absent: no literal of a Prune is so long
	}
	return raw
}

// pruned tells whether a parent, given its captured values, has no children.
func (rd *reader) pruned(captured []string) bool {
	for _, p := range rd.s.Parent.Prune {
		i := slices.Index(rd.up.capture, p.Member)
		if i < 0 || captured[i] == "" {
			continue
		}
		if slices.Contains(p.Is, string(jsonspan.AppendCompact(nil, []byte(captured[i])))) {
			return true
		}
	}
	return false
}

// toldRefusals is how many refused parents are named, one by one.
const toldRefusals = 3

// skips tells whether an error refuses the children of one parent, and notes that
// it is left out.
func (l *lane) skips(err error) bool {
	if !l.refuses(err) {
		return false
	}
	l.leaveOut(l.rd, err)
	l.push(item{skipped: true})
	return true
}

// refuses tells whether an error refuses the children of one parent.
func (l *lane) refuses(err error) bool {
	if err == nil || l.parent == nil {
		return false
	}
	e := fault.As(err)
	told := e != nil && !e.Whole && e.Kind != fault.Auth && e.Kind != fault.Quota && slices.Contains(l.rd.s.Parent.Refusals, e.Status)
	return told || errors.Is(err, stream.SkipParent)
}

// leaveOut tells of a parent whose children a stream, the lane's or one that rides
// on it, leaves out.
func (l *lane) leaveOut(rd *reader, err error) {
	if n := rd.refused.Add(1); n <= toldRefusals {
		l.rd.run.Log.Warn("the children of one row cannot be read, it is skipped", "stream", rd.s.Name, "parent", l.parentName(), "reason", err.Error())
	}
	if e := fault.As(err); e == nil || !slices.Contains(l.rd.s.Parent.None, e.Status) {
		rd.refusal.CompareAndSwap(nil, &err)
	}
}

// refusedAll is the fault of a stream of which every parent's children were
// refused: that is no trouble with some of them.
func (rd *reader) refusedAll() error {
	first := rd.refusal.Load()
	if first == nil || rd.heard.Load() {
		return nil
	}
	out := &fault.Error{Kind: fault.Refused, Err: fmt.Errorf("all are refused, for every row of %s: %w", rd.parentStream(), *first), Hint: "deselect the stream, if the account does not have it"}
	if e := fault.As(*first); e != nil {
		out.Kind, out.Status = e.Kind, e.Status
	}
	return rd.wrap("", out)
}

// parentStream is the stream whose rows the children belong to.
func (rd *reader) parentStream() string {
	up := rd.up
	if rd.s.With != nil && up.up != nil { // the carrier is their list, not their parent
		up = up.up
	}
	return up.s.Name
}

func (l *lane) parentName() string {
	var words []string
	for i, b := range l.rd.s.Parent.Bind {
		if b.To != "" {
			words = append(words, plain(l.parent[i]))
		}
	}
	return strings.Join(words, " ")
}

// skip notes that the children of one parent were left out.
func (rd *reader) skip(part string) {
	if rd.skipped == nil {
		rd.skipped = map[string]bool{}
	}
	rd.skipped[part] = true
}

// lacking tells whether parents were left out, on the way to a stream's rows:
// then no bookmark may move.
func (rd *reader) lacking(part string) bool {
	for up := rd; up != nil; up = up.up {
		if up.skipped[part] {
			return true
		}
	}
	return false
}

// tellRefused tells at the end of a stream how many parents were left out.
func (r *run) tellRefused(rd *reader) {
	if n := rd.refused.Swap(0); n > toldRefusals {
		r.Log.Warn("the children of some rows could not be read, they were skipped", "stream", rd.s.Name, "parents", n)
	}
}

// wrapped is an answer that is nothing but a scalar, as a row.
func (s scalar) wrapped(body []byte) ([]byte, error) {
	if s == "" {
		return body, nil
	}
	at := jsonspan.Space(body, 0)
	end, info, err := jsonspan.Scan(body, at)
	switch {
	case err != nil:
		return nil, err
	case jsonspan.Space(body, end) < len(body):
		return nil, jsonspan.Fault(body, end, "something after the document")
	case info.Kind() == jsonspan.Null || info.Kind() == jsonspan.Object || info.Kind() == jsonspan.Array:
		return nil, &jsonspan.ShapeError{Found: info.String() + " in place of a number or a text"}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	b.Write(jsonspan.AppendQuoted(nil, []byte(s)))
	b.WriteByte(':')
	b.Write(body[at:end])
	b.WriteByte('}')
	return b.Bytes(), nil
}

// scalar is the member of a Stream's Scalar.
type scalar string
