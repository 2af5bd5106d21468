package engine

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// emit takes the lanes in order and writes what they hold. It alone touches
// stdout, the state and what readers have come to. Its error ends the run.
func (r *run) emit(ctx context.Context, lanes <-chan *lane) error {
	for {
		var l *lane
		select {
		case l = <-lanes:
		case <-ctx.Done():
			return errEnded
		}
		if l == nil {
			if ctx.Err() != nil {
				return errEnded
			}
			return nil
		}
		if err := r.emitLane(l); err != nil {
			return err
		}
	}
}

func (r *run) emitLane(l *lane) error {
	rd := l.rd
	if !rd.begun {
		if err := r.beginStream(rd); err != nil {
			return err
		}
	}
	switch {
	case rd.over, l.kind != mark && rd.hasFailed(l.part.ID):
		r.ahead.drop(l)
		return nil
	case l.chain != nil && l.chain.skipped: // an earlier window held everything
		r.ahead.drop(l)
		return r.endSlice(l)
	}
	if l.kind != mark {
		for _, f := range rd.family() {
			f.met[l.part.ID] = l.part
		}
	}
	r.ahead.turn(l)
	for {
		it, ok, err := r.ahead.pop(l)
		if !ok {
			switch {
			case errors.Is(err, errEnded):
				return errEnded
			case err != nil && l.kind != mark && rd.survives(err):
				rd.fails(l.part, err)
				return nil
			case err != nil, l.kind == mark:
				return r.endStream(rd, err)
			}
			return r.endSlice(l)
		}
		err = r.emitItem(l, &it)
		it.recycle()
		if err != nil || rd.over {
			r.ahead.drop(l)
			return err
		}
	}
}

// family is a reader with those that ride on it.
func (rd *reader) family() []*reader { return append([]*reader{rd}, rd.riders...) }

func (r *run) beginStream(rd *reader) error {
	for _, f := range rd.family() {
		f.begun, f.begin = true, r.Now()
		if !f.selected {
			continue
		}
		if f.incremental() && f.s.Scope == "" {
			if v, err := f.bookmark(""); err == nil && v != nil {
				f.resumed = f.unit.Format(*v, "")
			}
		}
		r.Observe.Begin(f.s.Name)
	}
	for _, f := range rd.family() {
		if f.selected {
			r.State.SetCurrentlySyncing(f.s.Name)
			return r.saveState()
		}
	}
	return nil
}

// saveState writes a STATE unless the given one has to stay.
func (r *run) saveState() error {
	if r.HoldState {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	return r.Out.State(r.State)
}

// announce writes the SCHEMA before the first record of a stream.
func (r *run) announce(rd *reader) error {
	if rd.schemaUp || !rd.selected {
		return nil
	}
	rd.schemaUp = true
	var marks []string
	if rd.incremental() {
		marks = []string{rd.s.Cursor.Field}
	}
	return r.Out.Schema(rd.s.Name, rd.schema, rd.s.Key, marks)
}

func (r *run) emitItem(l *lane, it *item) error {
	rd := l.rd
	for _, n := range it.notes {
		n.rd.count(n.Note)
	}
	for i := range it.blocks {
		f, b := l.feeds[i].rd, &it.blocks[i]
		if f.lost != nil {
			continue // what lanes after the one that lost it brought
		}
		f.heeds(b)
		if b.lost != nil && b.records == 0 {
			f.loses(b.lost)
			continue
		}
		if err := r.announce(f); err != nil {
			return err
		}
		if b.lines != nil && b.records > 0 {
			lines, records := r.within(f, *b.lines, b.records)
			if err := r.write(rd, f, lines); err != nil {
				return err
			}
			f.written += records
			f.bytes += int64(len(lines))
			r.Observe.Wrote(f.s.Name, records, l.label(it.covers))
		}
		for _, row := range b.parents {
			f.rows.add(l.part.ID, row)
		}
		if b.max.ok {
			p := f.pending[l.part.ID]
			p.raise(b.max.v)
			f.pending[l.part.ID] = p
		}
		if b.skipped {
			f.skip(l.part.ID)
		}
		if b.lost != nil {
			f.loses(b.lost)
		}
	}
	if !rd.wanted() {
		return r.endStream(rd, nil)
	}
	if it.skipped {
		rd.skip(l.part.ID)
	}
	if it.ignored {
		if l.chain != nil {
			l.chain.skipped = true
		}
		if !rd.ignored {
			rd.ignored = true
			r.Log.Warn("the service ignores the date filter: everything was read, older rows were dropped here", "stream", rd.s.Name)
		}
	}
	family := rd.family()
	if rd.enough(func(i int) int64 { return family[i].written }) {
		return r.endStream(rd, nil)
	}
	if it.unkeyed != nil && rd.selected {
		rd.renew(l.part.ID)
		r.State.SetMember(rd.s.Name, l.part.ID, withoutKey, []byte(strconv.FormatInt(*it.unkeyed, 10)))
	}
	if it.stamp.ok {
		p := rd.pending[l.part.ID]
		p.raise(it.stamp.v)
		rd.pending[l.part.ID] = p
	}
	if it.deleted != nil && rd.selected {
		rd.deletedUpTo(l.part.ID, *it.deleted)
	}
	switch {
	case rd.up != nil, rd.part(l.part.ID) != nil: // a child's bookmark moves when every parent was read
	case it.settled:
		rd.ties[l.part.ID] = it.ties
		return r.checkpoint(rd, l.part.ID, rd.pending[l.part.ID])
	case it.upTo.ok:
		return r.checkpoint(rd, l.part.ID, it.upTo)
	}
	return nil
}

// endSlice moves what only the end of a partition moves: the bookmarks of
// children, which need every parent, and those of riders, whose values do not
// follow the carrier's windows.
func (r *run) endSlice(l *lane) error {
	if !l.endsPart {
		return nil
	}
	for _, f := range l.rd.family() {
		if f.lost != nil {
			continue
		}
		if done, err := r.ends(f, l.part.ID); err != nil {
			return err
		} else if done {
			continue
		}
		f.followed(l.part.ID)
		if !f.refreshing() {
			f.renew(l.part.ID)
			f.remember(l.part.ID, true)
			f.noteEdits(l.part.ID, true)
		}
		if err := r.checkpoint(f, l.part.ID, f.pending[l.part.ID]); err != nil {
			return err
		}
	}
	return nil
}

// deletedUpTo keeps up to where deletions have been written.
func (rd *reader) deletedUpTo(part string, to peak) {
	rd.renew(part)
	if to.ok {
		rd.keep(part, deletedUntil, to.v, unitOf(rd.run.Source, rd.run.Source.Stream(rd.s.Deletions.Stream)))
	}
	if rd.s.Scope == "" {
		part = ""
	}
	rd.run.State.SetMember(rd.s.Name, part, deletedReadAt, quotedTime(rd.run.started))
}

// renew takes away, once, what the state holds of a partition that is read anew:
// the new bookmark may be lower, or there may be none.
func (rd *reader) renew(part string) {
	if rd.isReset(part) && !rd.cleared[part] {
		rd.cleared[part] = true
		rd.run.State.ClearPartition(rd.s.Name, part)
	}
}

// followed notes up to which of its parents' values a child has been read.
func (rd *reader) followed(part string) {
	base := rd
	if rd.s.With != nil {
		base = rd.up
	}
	if !rd.selected || !base.follows() {
		return
	}
	if rd.lacking(part) {
		return
	}
	defer rd.noteParents(part)
	p := base.up.pending[part]
	if !p.ok {
		return
	}
	if old, err := rd.stored(part, parentsUntil, base.up.unit); err == nil && old != nil && *old > p.v {
		return
	}
	rd.keep(part, parentsUntil, p.v, base.up.unit)
}

// keep writes a value of unit u into the state.
func (rd *reader) keep(part, member string, v int64, u stream.Unit) {
	literal := []byte(u.Format(v, ""))
	if u != stream.Int {
		literal = []byte(strconv.Quote(string(literal)))
	}
	if rd.s.Scope == "" {
		part = ""
	}
	rd.run.State.SetMember(rd.s.Name, part, member, literal)
}

// within cuts lines to what MaxRecords leaves.
func (r *run) within(rd *reader, lines []byte, records int64) ([]byte, int64) {
	if r.MaxRecords <= 0 || rd.written+records <= r.MaxRecords {
		return lines, records
	}
	left := r.MaxRecords - rd.written
	end := 0
	for range left {
		for lines[end] != '\n' {
			end++
		}
		end++
	}
	return lines[:end], left
}

// checkpoint moves the bookmark of a partition to a value up to which all has
// been written.
func (r *run) checkpoint(rd *reader, part string, to peak) error {
	if err := r.announce(rd); err != nil { // its state is no stranger's
		return err
	}
	if !rd.refreshing() { // else it is replaced at the end of the stream
		rd.advance(part, to)
	}
	return r.saveState()
}

// refreshing tells whether the bookmark is replaced at the end of the stream.
func (rd *reader) refreshing() bool { return slices.Contains(rd.run.FullRefresh, rd.s.Name) }

// advance moves the bookmark, never back but for a full refresh.
func (rd *reader) advance(part string, to peak) {
	if !to.ok || !rd.selected || !rd.incremental() || rd.lacking(part) {
		return
	}
	if old, err := rd.bookmark(part); err == nil && old != nil && *old > to.v && !rd.refreshing() {
		return
	}
	rd.renew(part)
	rd.remember(part, false)
	p := rd.reached[part]
	p.raise(to.v)
	rd.reached[part] = p
	rd.keep(part, rd.s.Cursor.Field, p.v, rd.unit)
	rd.keepTies(part, rd.ties[part])
	rd.noteEdits(part, false)
	rd.noteFirst(part)
}

// endStream closes a stream and its riders. Only a failure that concerns the
// whole run is returned.
func (r *run) endStream(rd *reader, err error) error {
	var refused []string
	if err == nil {
		refused, err = r.outcome(rd)
	}
	if err == nil {
		err = rd.refusedAll()
	}
	rd.bequeath()
	for _, f := range rd.family() {
		err := f.fate(err)
		f.over, f.err = true, err
		f.gone.note(0)
		close(f.closed)
		if err == nil {
			r.settle(f)
		}
		if !f.selected {
			continue
		}
		r.warn(f)
		res := r.result(f, err)
		res.Refused = refused
		if err == nil {
			if serr := r.announce(f); serr != nil {
				return serr
			}
		}
		r.report.Streams = append(r.report.Streams, res)
		r.Observe.End(res)
	}
	if e := fault.As(err); e != nil && (e.Whole || e.Kind == fault.Auth) || err != nil && fault.As(err) == nil {
		return err
	}
	if err == nil && r.HoldState {
		return nil
	}
	return r.saveState()
}

// settle moves the bookmarks of a complete stream that had to wait for its end.
func (r *run) settle(rd *reader) {
	if rd.s.Parent != nil {
		// Parents without children to read end no partition.
		for _, part := range slices.Sorted(maps.Keys(rd.up.pending)) {
			if rd.hasFailed(part) {
				continue
			}
			for _, f := range rd.family() {
				f.followed(part)
			}
		}
	}
	if rd.refreshing() {
		rd.renewParts()
		for _, part := range slices.Sorted(maps.Keys(rd.met)) {
			if !rd.hasFailed(part) && rd.part(part) == nil {
				rd.advance(part, rd.pending[part])
				rd.remember(part, true)
				rd.noteEdits(part, true)
			}
		}
	}
}

// result tells what became of a stream so far.
func (r *run) result(rd *reader, err error) Result {
	res := Result{
		Stream: rd.s.Name, Records: rd.written, Bytes: rd.bytes, Resumed: rd.resumed,
		Took: r.Now().Sub(rd.begin), Err: err, Chosen: rd.task.Chosen,
	}
	if rd.incremental() && rd.s.Scope == "" {
		state := r.State
		if r.HoldState {
			state = r.initial
		}
		if raw, ok := state.Bookmark(rd.s.Name, rd.s.Cursor.Field); ok {
			res.Bookmark = plain(string(raw))
		}
	}
	if e := fault.As(err); e != nil && !e.Whole {
		res.Absent = e.Status == http.StatusNotFound && rd.optional()
		res.Skipped = res.Absent || e.Kind == fault.Permission
		if rd.readable() { // what ends it is a failure
			res.Skipped, res.Absent = false, false
		}
	}
	return res
}

// readable tells whether the stream, or the one whose failure ended it, has been
// read in part.
func (rd *reader) readable() bool {
	return rd.answered || rd.up != nil && rd.up.err != nil && rd.up.readable()
}

// optional tells whether a stream, or one that it needs and that failed, may be
// absent.
func (rd *reader) optional() bool {
	return rd.s.Optional || rd.up != nil && (rd.up.err != nil || len(rd.up.failed) > 0) && rd.up.optional()
}

// tally is what a converter had to do with a member, over a whole stream.
type tally struct {
	member string
	reason record.Reason
	count  int
}

// count adds what a converter noted.
func (rd *reader) count(n record.Note) {
	for i := range rd.tallies {
		if t := &rd.tallies[i]; t.reason == n.Reason && t.member == n.Member {
			t.count += n.Count
			return
		}
	}
	rd.tallies = append(rd.tallies, tally{n.Member, n.Reason, n.Count})
}

// warn tells, once per stream and member, what could not be emitted as it came.
func (r *run) warn(rd *reader) {
	for _, t := range rd.tallies {
		r.Log.Warn(t.reason.String(), "stream", rd.s.Name, "member", t.member, "rows", t.count)
	}
	rd.tallies = nil
	r.tellRefused(rd)
}
