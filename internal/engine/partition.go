package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// expanded holds the partitions of scopes. A list that failed is not asked for
// again: some vendors punish refused requests that repeat.
type expanded map[string]expansion

type expansion struct {
	parts []stream.Partition // those that can be read
	left  []stream.Partition // those that cannot
	err   error
}

func (e expanded) expand(ctx context.Context, src *stream.Source, scope string, f stream.Fetcher, c stream.Config) (x expansion, first bool) {
	x, ok := e[scope]
	if ok {
		return x, false
	}
	all, err := src.Scopes[scope].Expand(ctx, f, c)
	x.err = err
	for _, p := range all {
		if p.Skip == "" {
			x.parts = append(x.parts, p)
		} else {
			x.left = append(x.left, p)
		}
	}
	if err == nil && len(x.parts) == 0 && len(x.left) > 0 {
		noun := src.Scopes[scope].Called()
		var why []string
		for i := range x.left {
			why = append(why, title(&x.left[i])+": "+x.left[i].Skip)
		}
		x.err = &fault.Error{
			Kind: fault.Permission, Source: src.Name, Whole: true, Err: errors.New("no " + noun + " can be read: " + strings.Join(why, "; ")),
			Hint: "sign in as a user who may read one, and allow it there",
		}
	}
	e[scope] = x
	return x, true
}

// partitions lists the parts of the stream that can be read; one without a name
// where it has no scope.
func (rd *reader) partitions(ctx context.Context) ([]stream.Partition, error) {
	if rd.s.Scope == "" {
		return []stream.Partition{{}}, nil
	}
	r := rd.run
	x, first := r.scopes.expand(ctx, r.Source, rd.s.Scope, r.Fetcher, r.Config)
	if first && x.err == nil {
		r.partsMu.Lock()
		r.parts.takes(x.parts)
		r.partsMu.Unlock()
		r.introduce(rd.s.Scope, x)
	}
	return x.parts, x.err
}

// introduce tells, once per run, which partitions are read and which are not.
func (r *run) introduce(scope string, x expansion) {
	noun := r.Source.Scopes[scope].Called()
	const most = 30 // names in a line
	var names []string
	for i := range x.parts {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(x.parts)-most))
			break
		}
		names = append(names, title(&x.parts[i]))
	}
	var skipped []string
	for i := range x.left {
		p := &x.left[i]
		if p.Chosen {
			r.Log.Warn("a "+noun+" is skipped", noun, title(p), "reason", p.Skip)
			r.closed.leave(title(p))
			continue
		}
		skipped = append(skipped, title(p)+": "+p.Skip)
	}
	attrs := []any{"count", len(x.parts), plural(noun), strings.Join(names, ", ")}
	if len(skipped) > 0 {
		attrs = append(attrs, "skipped", strings.Join(skipped, "; "))
	}
	r.Log.Info("reading "+plural(noun), attrs...)
}

// plural is a noun for several.
func plural(noun string) string {
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return stem + "ies"
	}
	return noun + "s"
}

func title(p *stream.Partition) string {
	if p.Name == "" {
		return p.ID
	}
	return p.ID + " (" + p.Name + ")"
}

// closed are the partitions that turned out to be closed to the account, and
// those that the user named and that cannot be read.
type closed struct {
	mu   sync.Mutex
	errs map[string]error
	left []string
}

// add notes what closed a partition, and tells whether that is news.
func (c *closed) add(id string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errs == nil {
		c.errs = map[string]error{}
	}
	if c.errs[id] != nil {
		return false
	}
	c.errs[id] = err
	return true
}

// err is what closed a partition, nil for one that is open.
func (c *closed) err(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errs[id]
}

// close notes that a partition is closed to the account, and tells it once.
func (r *run) close(rd *reader, part *stream.Partition, err error) {
	if !r.closed.add(part.ID, err) {
		return
	}
	noun := r.Source.Scopes[rd.s.Scope].Called()
	r.Log.Warn("a "+noun+" is closed to the account, it is read no further", noun, title(part), "reason", err.Error())
	if part.Chosen {
		r.closed.leave(title(part))
	}
}

func (c *closed) leave(title string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(c.left, title)
}

// survives tells whether a stream goes on with its other partitions after a
// failure in one of them.
func (rd *reader) survives(err error) bool {
	e := fault.As(err)
	return rd.s.Scope != "" && e != nil && !e.Whole && e.Kind != fault.Auth && e.Kind != fault.Internal && e.Kind != fault.Output
}

// partFailure is a partition of a stream that could not be read.
type partFailure struct {
	part *stream.Partition
	err  error
}

// fails notes that the rest of a partition is not read.
func (rd *reader) fails(part *stream.Partition, err error) {
	for _, f := range rd.family() {
		f.failed = append(f.failed, partFailure{part, err})
	}
}

// bequeath hands the partitions of a stream that were not read whole on to its
// children: they need every row there.
func (rd *reader) bequeath() {
	for _, f := range rd.family() {
		for _, kid := range f.kids {
			for _, failed := range rd.failed {
				kid.met[failed.part.ID] = failed.part
				kid.failed = append(kid.failed, partFailure{failed.part, kid.lacks(f, failed.err)})
			}
		}
	}
}

// lacks is the error of a child whose parents could not all be read.
func (rd *reader) lacks(up *reader, err error) error {
	out := &fault.Error{
		Kind: fault.KindOf(err), Op: "needs every row of " + up.s.Name, Err: err,
		Hint: "mend " + up.s.Name + " first, then run again",
	}
	if e := fault.As(err); e != nil {
		out.Status, out.Partition = e.Status, e.Partition // tells an absent resource
	}
	return rd.wrap("", out)
}

// hasFailed tells whether a partition has failed.
func (rd *reader) hasFailed(part string) bool {
	for _, f := range rd.failed {
		if f.part.ID == part {
			return true
		}
	}
	return false
}

// verdict is the error of a stream whose partitions had their turn: that of a
// partition which failed, or the refusal where none could be read. refused are
// the partitions that it could do without.
func (rd *reader) verdict() (refused []partFailure, err error) {
	for _, f := range rd.failed {
		e := fault.As(f.err)
		if e.Kind != fault.Permission && !(rd.optional() && e.Status == 404) {
			return nil, f.err
		}
		refused = append(refused, f)
	}
	if len(refused) > 0 && len(refused) >= len(rd.met) {
		return nil, refused[0].err
	}
	return refused, nil
}

// outcome is verdict, with the partitions that were done without told of.
func (r *run) outcome(rd *reader) (refused []string, err error) {
	parts, err := rd.verdict()
	noun := r.Source.Scopes[rd.s.Scope].Called()
	for _, p := range parts {
		refused = append(refused, title(p.part))
		if e := fault.As(p.err); !e.Partition {
			r.Log.Warn("a "+noun+" refuses this stream, the others were read", "stream", rd.s.Name, noun, title(p.part), "reason", p.err.Error())
		}
	}
	return refused, err
}

// compareEpochs notes, before anything of a partition is read, whether its
// bookmarks mean nothing any more, or have a gap behind them.
func (rd *reader) compareEpochs(part *stream.Partition) {
	for _, f := range rd.family() {
		c := f.s.Cursor
		if c == nil {
			continue
		}
		if name := f.moved(part); name != "" {
			was, _ := f.run.initial.Member(f.s.Name, part.ID, name)
			f.reset.Store(part.ID, true)
			f.run.Log.Info("the bookmark means nothing any more, the stream is read anew", "stream", f.s.Name, f.run.Source.Scopes[f.s.Scope].Called(), title(part), "because", name, "was", plain(string(was)), "is", plain(epochOf(part, name)))
		}
		f.gap(part.ID, readAt, f.s.Cursor)
	}
	if d := rd.s.Deletions; d != nil && rd.deletes() {
		if s := rd.run.Source.Stream(d.Stream); s != nil && s.Cursor != nil {
			rd.gap(part.ID, deletedReadAt, s.Cursor)
		}
	}
}

// moved names the first epoch of a partition that has changed, "" for none.
func (rd *reader) moved(part *stream.Partition) string {
	if rd.s.Cursor == nil {
		return ""
	}
	for _, name := range rd.s.Cursor.Epochs {
		was, ok := rd.run.initial.Member(rd.s.Name, part.ID, name)
		if is := epochOf(part, name); ok && is != "" && string(was) != is {
			return name
		}
	}
	return ""
}

// The state's members that tell when a list was last read whole which a vendor
// keeps for a while only.
const (
	readAt        = "_read_at"
	deletedReadAt = "_deleted_read_at"
)

// gap warns of what a vendor has forgotten since a list was last read.
func (rd *reader) gap(part, member string, c *stream.Cursor) {
	if c.Kept <= 0 || rd.isReset(part) || rd.refreshing() {
		return
	}
	raw, ok := rd.run.initial.Member(rd.s.Name, part, member)
	at, err := time.Parse(time.RFC3339Nano, plain(string(raw)))
	if !ok || err != nil || rd.run.started.Sub(at) <= c.Kept {
		return
	}
	rd.run.Log.Warn(fmt.Sprintf("the vendor forgets deletions after %d days: those before are lost; read the streams that they concern anew, with --full-refresh",
		int(c.Kept.Hours()/24)), "stream", rd.s.Name, "partition", part, "last_read", at.Format(time.RFC3339))
}

// epochOf is the partition's value of a member, "" where it is not known.
func epochOf(part *stream.Partition, member string) string {
	for _, e := range part.Epochs {
		if e.Name == member {
			return e.Value
		}
	}
	return ""
}

func (rd *reader) isReset(part string) bool {
	_, ok := rd.reset.Load(part)
	return ok
}

// remember keeps beside a bookmark what it depends on. whole tells that all of
// the partition has been read.
func (rd *reader) remember(part string, whole bool) {
	c := rd.s.Cursor
	if c == nil || !rd.selected || rd.s.Scope == "" || rd.met[part] == nil {
		return
	}
	for _, name := range c.Epochs {
		if is := epochOf(rd.met[part], name); is != "" && json.Valid([]byte(is)) {
			rd.run.State.SetMember(rd.s.Name, part, name, []byte(is))
		}
	}
	if whole && c.Kept > 0 {
		rd.run.State.SetMember(rd.s.Name, part, readAt, quotedTime(rd.run.started))
	}
}

func quotedTime(t time.Time) []byte { return []byte(`"` + t.UTC().Format(stream.MicroLayout) + `"`) }
