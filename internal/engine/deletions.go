package engine

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
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
	// lacks is what the row does not tell, "" for nothing. The list holds the rows
	// of many streams: only whose it is minds.
	lacks string
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
// version than its deletion is there again, so the rows are waited for: lanes read
// side by side.
func (l *lane) deletions(ctx context.Context) error {
	all, mark, err := l.deletionList(ctx)
	if refused, ok := errors.AsType[errUnlisted](err); ok {
		l.rd.run.unlisted(l, refused)
		return nil
	}
	if err != nil {
		return err
	}
	if l.rd.watchesGraves() && !l.awaitTurn() {
		return errEnded
	}
	alive := l.of.buried.Load()
	for _, d := range all {
		if err := l.whole(d, mark); err != nil {
			return l.rd.wrap("deletions, "+l.rd.s.Deletions.Stream, err)
		}
	}
	st := pageState{span: l.span, chain: &pageChain{}}
	f := l.feeds[0]
	f.conv.SetTime(l.rd.run.Now().UTC().Format(stream.MicroLayout))
	var to peak
	var row, spare []byte
	for _, d := range all {
		if !d.unversioned(l) {
			to.raise(d.value)
		}
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
	if spec.Where != "" && !sameScalar(d.where, spec.Is) {
		return false
	}
	if d.unversioned(l) {
		return true
	}
	// More may have been deleted at the moment of the mark; a row version is
	// given once.
	return mark == nil || d.value > *mark || d.value == *mark && l.rd.deletionUnit() != stream.Int
}

// unversioned tells a row that does not say where in the list it stands.
func (d *deletion) unversioned(l *lane) bool {
	return d.lacks != "" && d.lacks == l.rd.run.Source.Stream(l.rd.s.Deletions.Stream).Cursor.Field
}

// whole refuses a deletion of the stream's that does not tell what it must: what
// was deleted would stay for good.
func (l *lane) whole(d deletion, mark *int64) error {
	if d.lacks == "" || !l.concerns(d, mark) {
		return nil
	}
	return &fault.Error{
		Kind: fault.Contract, Err: errors.New("a deletion without " + d.lacks),
		Hint: "report it to the vendor; without include_deleted the stream can be read",
	}
}

// sameScalar compares two JSON scalars, of a vendor who sends numbers as text in
// some places.
func sameScalar(a, b string) bool {
	a, b = strings.TrimSpace(plain(a)), strings.TrimSpace(plain(b))
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}

// awaitTurn waits until every earlier lane has been written; false when nobody
// wants the lane any more. It needs no slot meanwhile, and must ask nothing after.
func (l *lane) awaitTurn() bool {
	if l.leave != nil {
		l.leave()
	}
	l.heavy = true
	defer func() { l.heavy = false }()
	return l.rd.run.ahead.room(l)
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

// watchesGraves tells whether a row's version can be held against its deletion's.
func (rd *reader) watchesGraves() bool { return rd.deletes() && rd.deletionUnit() == rd.unit }

// watchGraves reads the list before the rows, so that rows which are there again
// are known. Where it cannot be read, whoever writes the deletions says so.
func (l *lane) watchGraves(ctx context.Context) {
	rd := l.rd
	if !rd.watchesGraves() {
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
			if d.lacks != "" || !l.concerns(d, mark) {
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
	rows, err := l.readDeletions(ctx, sp, func() bool { return true })
	untold := 0
	for _, d := range rows {
		if spec.Where != "" && (d.where == "" || d.where == "null") {
			untold++
		}
	}
	if untold > 0 {
		l.rd.run.Log.Warn("deletions that do not tell of which stream they are were left out", "list", spec.Stream, "partition", l.listPart().ID, "rows", untold)
	}
	return rows, err
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
	var all gathered
	var known []deletion
	for reread := 0; ; reread++ {
		rows, chain, err := list.readList(ctx, spec, sp, wanted)
		switch {
		case err != nil && !errors.Is(err, errMoved) && !errors.Is(err, errTwice):
			return nil, err
		case err == nil && all.covers(chain):
			return distinctly(append(known, rows...)), nil
		case reread >= maxRereads:
			return nil, list.restless(sp, cmp.Or(err, errMoved))
		case err == nil:
			if all.reads == 1 { // what earlier reads brought does not count
				known = nil
			}
			known = append(known, rows...)
		}
		r.Log.Debug("reading a list of deletions again", "stream", s.Name, "partition", list.part.ID, "reason", errMoved.Error())
	}
}

// distinctly drops what comes again.
func distinctly(rows []deletion) []deletion {
	seen := make(map[deletion]struct{}, len(rows))
	return slices.DeleteFunc(rows, func(d deletion) bool {
		_, again := seen[d]
		seen[d] = struct{}{}
		return again
	})
}

// readList reads the pages of a list of deletions once.
func (l *lane) readList(ctx context.Context, spec *stream.Deletions, sp span, wanted func() bool) ([]deletion, *pageChain, error) {
	s, u, pager := l.rd.s, l.rd.unit, l.rd.s.Page
	var rows []deletion
	chain := &pageChain{}
	came := 0 // on the page at hand
	o, numbered := pager.(stream.Offset)
	numbered = numbered && o.Numbered && o.Overlap
	read := func(_ int, b []byte, i int) (int, error) {
		d, end, err := readDeletion(spec, s.Cursor.Field, u, b, i)
		if err != nil {
			return end, err
		}
		came++
		key := maphash.Comparable(seamSeed, d)
		before := chain.seen.n
		chain.seen.addHash(key)
		if !numbered || !chain.sewn(key, o.Grows && chain.seen.n == before) {
			rows = append(rows, d)
		}
		return end, nil
	}
	req := paging.First(pager, l.request(sp))
	visited, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	promised := false
	for n := 1; req != nil; n++ {
		if !wanted() {
			return nil, nil, errEnded
		}
		shared := chain.overlaps(pager, req)
		req.MaxBody = 0
		resp, err := l.rd.run.Fetcher.Fetch(ctx, req)
		if errors.Is(err, stream.NoRows) {
			if n > 1 && paging.Led(pager, promised) {
				return nil, nil, errHollow
			}
			break
		}
		count := len(rows)
		came = 0
		var next *stream.Request
		if err == nil {
			next, err = l.listed(req, resp, read, func() paging.Head {
				chain.rows += came
				chain.turned(pager, req, came)
				return paging.Head{Rows: came, Seen: chain.rows - chain.shared, Shared: shared, Most: chain.most, Fullest: chain.full}
			}, &promised)
			release(resp)
		}
		if err == nil && next != nil {
			err = chain.progress(visited, requestHash(seed, next), n, came, len(rows) > count)
		}
		if errors.Is(err, errMoved) || errors.Is(err, errTwice) {
			return nil, nil, err
		}
		if err != nil {
			return nil, nil, pageFault(n, err)
		}
		req = next
	}
	if !countsRows(pager) { // a row that comes twice stands for no other
		chain.seen.n = int64(chain.rows)
	}
	return rows, chain, nil
}

// listed reads one page of the list and finds the next one. promised is whether
// the page was to have rows, and then whether the next one is.
func (l *lane) listed(req *stream.Request, resp *stream.Response, row func(int, []byte, int) (int, error), told func() paging.Head, promised *bool) (*stream.Request, error) {
	if err := l.rd.shape.Walk(resp.Body, &l.page, row); err != nil {
		return nil, l.shapeFault(err, resp)
	}
	if err := l.rd.holds(&l.page); err != nil {
		return nil, l.shapeFault(err, resp)
	}
	head := told()
	head.Capture = func(path string) []byte { return l.captured(&l.page, path) }
	next, err := paging.Next(l.rd.s.Page, req, head)
	if err == nil && next == nil && *promised && head.Rows == 0 {
		return nil, errHollow
	}
	*promised = paging.Promises(l.rd.s.Page, head)
	return next, err
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
	switch {
	case !ok:
		d.lacks = field
	case d.key == "" || d.key == "null":
		d.lacks = spec.Key
	}
	return d, m.End(), nil
}
