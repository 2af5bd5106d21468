package engine

import (
	"context"
	"math"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// parentsReadAt is the state member that tells, for a child that is read only
// for changed parents, since when changes of its parents are still to be read.
const parentsReadAt = "_parents_read_at"

// edits tells whether the stream's Edits have to be asked for in a partition,
// and since when: the zero time for always, where nobody knows when it was read.
// What is read for the first time needs none.
func (rd *reader) edits(part string) (since time.Time, ok bool) {
	c := rd.s.Cursor
	if c == nil || c.Edits == nil || !rd.run.Since.IsZero() {
		return since, false
	}
	need := func(f *reader, mark *int64, err error, member string) {
		if err != nil || mark == nil || f.refreshing() || !f.selected {
			return
		}
		at := f.told(part, member)
		if !ok || at.Before(since) {
			since = at
		}
		ok = true
	}
	mark, err := rd.bookmark(part)
	need(rd, mark, err, readAt)
	for _, kid := range rd.kids {
		if kid.follows() {
			mark, err := kid.stored(part, parentsUntil, rd.unit)
			need(kid, mark, err, parentsReadAt)
		}
	}
	return since, ok
}

// told reads a moment from the state that the run began with, the zero time for
// none.
func (rd *reader) told(part, member string) time.Time {
	if rd.s.Scope == "" {
		part = ""
	}
	raw, ok := rd.run.initial.Member(rd.s.Name, part, member)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, plain(string(raw)))
	if err != nil || at.After(rd.run.started) {
		return time.Time{}
	}
	return at
}

// edited reads what changed since the run before. The rows are written whatever
// their replication value, and move no bookmark: what is new comes in its turn.
func (l *lane) edited(ctx context.Context) error {
	e := l.rd.s.Cursor.Edits
	since, _ := l.rd.edits(l.part.ID)
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	at := since.Add(-e.Margin).In(l.rd.zone()).Format(e.Layout)
	l.extra = []stream.Param{{Name: e.Since, Value: at}}
	return l.window(ctx, span{openFrom: true, openTo: true})
}

// unbound makes a lane of edits write all that comes, but for what is new: a window
// brings that.
func (l *lane) unbound() {
	if l.kind != edits {
		return
	}
	for _, f := range l.feeds {
		f.cut, f.cap, f.edited = false, math.MinInt64, true
		if mark, err := f.rd.bookmark(l.part.ID); err != nil || mark == nil || f.rd.refreshing() {
			f.end = math.MinInt64
		} else {
			f.end = min(f.end, *mark)
		}
		for i := range f.kids {
			f.kids[i].all = true
		}
	}
}

// noteEdits keeps from when on changes are to be asked for in the next run: from
// the start of this one if all has been read, or if its first rows were.
func (rd *reader) noteEdits(part string, whole bool) {
	if rd.s.Cursor == nil || rd.s.Cursor.Edits == nil || !rd.selected {
		return
	}
	if rd.s.Scope == "" {
		part = ""
	}
	if _, ok := rd.run.State.Member(rd.s.Name, part, rd.s.Cursor.Field); !ok {
		return // nothing is bookmarked: the next run is a first one too
	}
	if !whole {
		mark, err := rd.bookmark(part)
		_, noted := rd.run.State.Member(rd.s.Name, part, readAt)
		if err == nil && mark != nil || noted {
			return
		}
	}
	rd.run.State.SetMember(rd.s.Name, part, readAt, quotedTime(rd.run.started))
}

// noteParents is noteEdits for a child that was read for the parents that
// changed.
func (rd *reader) noteParents(part string) {
	if c := rd.up.s.Cursor; c == nil || c.Edits == nil || !rd.follows() {
		return
	}
	if rd.s.Scope == "" {
		part = ""
	}
	if _, ok := rd.run.State.Member(rd.s.Name, part, parentsUntil); ok {
		rd.run.State.SetMember(rd.s.Name, part, parentsReadAt, quotedTime(rd.run.started))
	}
}
