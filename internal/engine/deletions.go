package engine

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// deletedUntil is the state member up to which a stream's deletions have been
// written, in the unit of their own cursor.
const deletedUntil = "_deleted"

// deletes tells whether deletions are written after the stream's rows.
func (rd *reader) deletes() bool {
	return rd.run.Source.Deletes(rd.s) && rd.selected && rd.keeps(stream.DeletedAt) && rd.task.Schema.Property(stream.DeletedAt) != nil
}

// deletionLists holds the lists of deleted rows, each read once per run for all
// streams that are in it.
type deletionLists struct {
	mu    sync.Mutex
	lists map[string]*deletionList
}

type deletionList struct {
	// turn is held while the list is read: a mutex could not be left when the run
	// ends.
	turn chan struct{}
	read bool
	err  error
	rows []deletion
}

// get returns the list, read at most once.
func (d *deletionList) get(ctx context.Context, read func() ([]deletion, error)) ([]deletion, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, errEnded
	}
	if !d.read {
		// Not through l.fetch: whoever waits for the list must not wait for room
		// that only its own turn makes.
		d.rows, d.err = read()
		d.read = true
	}
	return d.rows, d.err
}

// deletion is one deleted row, its members as raw JSON.
type deletion struct {
	where, key, at string
	value          int64 // of the list's cursor
}

func (d *deletionLists) of(list, part string) *deletionList {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lists == nil {
		d.lists = map[string]*deletionList{}
	}
	id := list + "\x00" + part
	if d.lists[id] == nil {
		d.lists[id] = &deletionList{turn: make(chan struct{}, 1)}
	}
	return d.lists[id]
}

// deletions writes a record for each row that was deleted from the stream since
// the last run: its key, and when. A row that has come in this run with a later
// version than its deletion is there again.
func (l *lane) deletions(ctx context.Context) error {
	all, mark, err := l.deletionList(ctx)
	if refused, ok := errors.AsType[errUnlisted](err); ok {
		l.rd.run.unlisted(l, refused)
		return nil
	}
	if err != nil {
		return err
	}
	alive := l.of.buried.Load()
	st := pageState{span: l.span, chain: &pageChain{}}
	f := l.feeds[0]
	f.conv.SetTime(l.rd.run.Now().UTC().Format(stream.MicroLayout))
	var to peak
	var row, spare []byte
	for _, d := range all {
		to.raise(d.value)
		if !l.concerns(d, mark) {
			continue
		}
		row = l.tombstone(row[:0], d)
		if alive != nil {
			if spare, _, err = f.conv.Append(spare[:0], row, 0); err == nil && alive.after(f.conv.KeyHash(), d.value) {
				continue
			}
		}
		if _, err := l.row(f, row, 0, &st); err != nil {
			return l.shapeFault(err, &stream.Response{URL: l.rd.s.Deletions.Stream})
		}
	}
	if mark != nil {
		to.raise(*mark)
	}
	l.flush(item{covers: l.span, deleted: &to})
	return nil
}

// deletionList returns the list that holds the stream's deletions, and up to
// where they have been written.
func (l *lane) deletionList(ctx context.Context) ([]deletion, *int64, error) {
	rd, spec := l.rd, l.rd.s.Deletions
	list := rd.run.deletions.of(spec.Stream, l.listPart().ID)
	all, err := list.get(ctx, func() ([]deletion, error) { return l.listDeletions(ctx, spec) })
	if e := fault.As(err); e != nil && e.Kind == fault.Permission && !e.Whole && !e.Partition {
		return nil, nil, errUnlisted{err}
	}
	if err != nil {
		return nil, nil, rd.wrap("deletions, "+spec.Stream, err)
	}
	mark, err := rd.deletedMark(l.part)
	return all, mark, err
}

// errUnlisted is a list that the account may not read: the rows of the streams
// that are in it are no worse for that.
type errUnlisted struct{ error }

// unlisted tells, once for each partition, that deletions stay unknown. The user
// asked for them.
func (r *run) unlisted(l *lane, refused errUnlisted) {
	list := l.rd.s.Deletions.Stream
	if part := l.listPart(); r.closed.add(list+"\x00"+part.ID, refused) {
		r.Log.Warn("the account may not read which rows were deleted, "+stream.DeletedAt+" stays null", "list", list, "partition", part.ID, "reason", refused.Error())
		r.closed.leave("the deletions of " + title(part))
	}
}

// concerns tells whether a deletion is one of the stream's that is not written.
func (l *lane) concerns(d deletion, mark *int64) bool {
	spec := l.rd.s.Deletions
	if spec.Where != "" && d.where != spec.Is {
		return false
	}
	// More may have been deleted at the moment of the mark; a row version is
	// given once.
	return mark == nil || d.value > *mark || d.value == *mark && l.rd.deletionUnit() != stream.Int
}

// deletionUnit is what the list's cursor counts.
func (rd *reader) deletionUnit() stream.Unit {
	return unitOf(rd.run.Source, rd.run.Source.Stream(rd.s.Deletions.Stream))
}

// listPart is the partition in which the list is asked for.
func (l *lane) listPart() *stream.Partition {
	if id := l.rd.s.Deletions.Partition; id != "" {
		return &stream.Partition{ID: id}
	}
	return l.part
}

// tombstone appends a deletion as a row of the stream.
func (l *lane) tombstone(dst []byte, d deletion) []byte {
	key := ""
	for _, name := range l.rd.s.Key {
		if name[0] != '_' {
			key = name
		}
	}
	dst = append(append(append(dst, `{"`...), key...), `":`...)
	dst = append(append(dst, d.key...), `,"`+stream.DeletedAt+`":`...)
	return append(append(dst, d.at...), '}')
}

// graves are the keys of deletions that are about to be written, by hash, with
// the greatest version in which this run has seen their rows.
type graves struct {
	versions map[uint64]*peak // which keys it has never changes
	mu       sync.Mutex       // guards the peaks
}

// saw notes a row.
func (g *graves) saw(key uint64, version int64) {
	p := g.versions[key]
	if p == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p.raise(version)
}

// after tells whether the row has been seen in a later version than its deletion.
func (g *graves) after(key uint64, deleted int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.versions[key]
	return p != nil && p.ok && p.v > deleted
}

// watchGraves reads the list before the rows, so that rows which are there again
// are known. Where it cannot be read, whoever writes the deletions says so.
func (l *lane) watchGraves(ctx context.Context) {
	rd := l.rd
	if !rd.deletes() || rd.deletionUnit() != rd.unit {
		return
	}
	if l.of.buried.Load() == nil {
		all, mark, err := l.deletionList(ctx)
		if err != nil {
			return
		}
		g := &graves{versions: map[uint64]*peak{}}
		var row, line []byte
		for _, d := range all {
			if !l.concerns(d, mark) {
				continue
			}
			row = l.tombstone(row[:0], d)
			if line, _, err = l.feeds[0].conv.Append(line[:0], row, 0); err == nil {
				g.versions[l.feeds[0].conv.KeyHash()] = &peak{}
			}
		}
		l.feeds[0].conv.Notes() // told when they are written
		l.of.buried.CompareAndSwap(nil, g)
	}
	l.feeds[0].graves = l.of.buried.Load()
}

// deletedMark is up to where deletions have been written, nil for nowhere.
func (rd *reader) deletedMark(part *stream.Partition) (*int64, error) {
	// A later stream's epochs may not have been told of yet.
	if rd.moved(part) != "" || rd.refreshing() {
		return nil, nil
	}
	list := rd.run.Source.Stream(rd.s.Deletions.Stream)
	return rd.stored(part.ID, deletedUntil, unitOf(rd.run.Source, list))
}

// unitOf returns the unit of a stream's cursor.
func unitOf(src *stream.Source, s *stream.Stream) stream.Unit {
	full, err := Schema(src, s)
	if err != nil || s.Cursor == nil {
		return stream.Instant
	}
	return unit(full.Property(s.Cursor.Field))
}

// listDeletions reads the list from the lowest mark of all streams that want it.
func (l *lane) listDeletions(ctx context.Context, spec *stream.Deletions) ([]deletion, error) {
	sp := span{openFrom: true, openTo: true}
	first := true
	for _, rd := range l.rd.run.readers {
		if d := rd.s.Deletions; d == nil || d.Stream != spec.Stream || d.Partition != spec.Partition || !rd.deletes() {
			continue
		}
		mark, err := rd.deletedMark(l.part)
		if err != nil {
			return nil, err
		}
		switch {
		case mark == nil:
			sp.openFrom = true
		case first:
			sp.from, sp.openFrom = *mark, false
		case !sp.openFrom:
			sp.from = min(sp.from, *mark)
		}
		first = false
		if sp.openFrom {
			break
		}
	}
	return l.readDeletions(ctx, sp, func() bool { return true })
}

// readDeletions reads the stream's list of deletions over a span; wanted is asked
// before each page.
func (l *lane) readDeletions(ctx context.Context, sp span, wanted func() bool) ([]deletion, error) {
	r, spec := l.rd.run, l.rd.s.Deletions
	s := r.Source.Stream(spec.Stream)
	u := unitOf(r.Source, s)
	reader := &reader{run: r, s: s, unit: u, fields: &fields{names: []string{s.Cursor.Field, spec.Key, spec.At}}}
	if spec.Where != "" {
		reader.fields.names = append(reader.fields.names, spec.Where)
	}
	reader.fields.needed = func(string) bool { return true }
	if err := reader.compileShape(); err != nil {
		return nil, err
	}
	list := &lane{rd: reader, slice: slice{part: l.listPart()}}
	var rows []deletion
	read := func(_ int, b []byte, i int) (int, error) {
		d, end, err := readDeletion(spec, s.Cursor.Field, u, b, i)
		if err == nil {
			rows = append(rows, d)
		}
		return end, err
	}
	req := paging.First(s.Page, list.request(sp))
	visited, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	chain := &pageChain{}
	for n := 1; req != nil; n++ {
		if !wanted() {
			return nil, errEnded
		}
		req.MaxBody = 0
		resp, err := r.Fetcher.Fetch(ctx, req)
		if errors.Is(err, stream.NoRows) {
			break
		}
		count := len(rows)
		var next *stream.Request
		if err == nil {
			next, err = list.listed(req, resp, read, func() (int, int) { return len(rows) - count, len(rows) })
			release(resp)
		}
		if err == nil && next != nil {
			err = chain.progress(visited, requestHash(seed, next), n, len(rows)-count, len(rows) > count)
		}
		if err != nil {
			return nil, pageFault(n, err)
		}
		req = next
	}
	return rows, nil
}

// listed reads one page of the list and finds the next one.
func (l *lane) listed(req *stream.Request, resp *stream.Response, row func(int, []byte, int) (int, error), rows func() (page, all int)) (*stream.Request, error) {
	if err := l.rd.shape.Walk(resp.Body, &l.page, row); err != nil {
		return nil, l.shapeFault(err, resp)
	}
	if !l.rd.found(&l.page, 0) {
		return nil, l.shapeFault(&jsonspan.ShapeError{Path: l.rd.s.Records, Found: "nothing"}, resp)
	}
	page, all := rows()
	return paging.Next(l.rd.s.Page, req, paging.Head{Rows: page, Seen: all, Capture: func(path string) []byte { return l.captured(&l.page, path) }})
}

// readDeletion takes what is wanted of one row of the list.
func readDeletion(spec *stream.Deletions, field string, u stream.Unit, b []byte, i int) (deletion, int, error) {
	var d deletion
	ok := false
	m := jsonspan.NewMembers(b, i)
	for m.Next() {
		switch {
		case m.Named(spec.Key):
			d.key = string(m.Value())
		case m.Named(spec.At):
			d.at = string(m.Value())
		case spec.Where != "" && m.Named(spec.Where):
			d.where = string(m.Value())
		}
		switch { // the cursor may be one of them
		case !m.Named(field):
		case u == stream.Int:
			d.value, ok = integer(m.Value())
		default:
			v, err := parseBookmark(u, m.Value())
			d.value, ok = v, err == nil
		}
	}
	if err := m.Err(); err != nil {
		return d, 0, err
	}
	if d.at == "" {
		d.at = "null"
	}
	if !ok || d.key == "" || d.key == "null" {
		return d, 0, &fault.Error{Kind: fault.Contract, Err: errors.New("a deletion without " + spec.Key + " or " + field)}
	}
	return d, m.End(), nil
}
