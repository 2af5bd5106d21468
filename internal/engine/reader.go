package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/paging"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// reader is one stream of a run: what is asked, how its rows become records,
// and how far it has come.
type reader struct {
	run  *run
	s    *stream.Stream
	task *Task
	// selected: the records are written. Otherwise the stream is read only
	// since another one needs its rows or answers.
	selected bool
	plan     *record.Plan
	// schema is what is emitted: the selected properties.
	schema *singer.Schema
	unit   stream.Unit
	inject []string // properties the tap fills in: the scope's, the parent's, the carrier's
	// capture lists members that others need from each row.
	capture []string

	up     *reader   // parent or carrier
	kids   []*reader // read once per row of this one
	riders []*reader // fed by the answers of this one
	// shape finds the rows (this reader's, then each rider's) and the captures.
	shape    *jsonspan.Shape
	captures []string
	lying    atomic.Pointer[jsonspan.Shape] // shape, once it is known where the rows lie
	batches  []string                       // of a Chunked stream: the fields of each call
	large    atomic.Bool                    // an answer was too large to be read ahead
	sizeLeft atomic.Int64                   // of the pages that the vendor makes in time, 0: as the table has it
	tooLong  atomic.Int64                   // the least window that it did not read in time, 0 for none
	scoped   []int                          // what the scope injects, by its place there
	alike    atomic.Bool                    // rows of one answer that share a key have been told of
	lanes    int                            // the scheduler's: lanes started
	gone     earliest                       // the lane that failed, 0 for the end of the stream: later ones ask no more
	fields   *fields                        // of a stream with a Select
	reset    sync.Map                       // partitions whose bookmark means nothing any more
	tells    string                         // the scope's Tells, of a stream whose rows have it

	weighed map[string]bool // captured members that are only compared
	refused atomic.Int64    // parents whose children were refused
	refusal atomic.Pointer[error]
	heard   atomic.Bool  // something was not refused
	size    atomic.Int64 // of the pages that a Survey asks, once one was refused
	noZero  atomic.Bool  // there is no page 0
	fullest atomic.Int64 // rows of the fullest answer without a page's number
	// fromFirst: the page of that number has the rows that come without a number.
	fromFirst atomic.Bool
	capped    atomic.Bool // answers have fewer rows than they tell, whatever the bounds

	own    *singer.Schema // what the values of the replication key are
	rows   *parentRows    // of a parent: its rows, as its kids need them
	closed chan struct{}  // closed when the stream is over
	// The rest belongs to the emitter.
	begun    bool
	begin    time.Time
	written  int64
	held     []byte // records that are gathered
	bytes    int64
	answered bool // a page has come
	schemaUp bool // SCHEMA is written
	tallies  []tally
	resumed  string
	pending  map[string]peak              // greatest value read, by partition, not yet a bookmark
	reached  map[string]peak              // the bookmarks that this run has written
	met      map[string]*stream.Partition // those whose turn has come
	ties     map[string]ties              // the rows at the bookmark, by partition
	failed   []partFailure
	cleared  map[string]bool // partitions whose old bookmark was taken away
	skipped  map[string]bool // those in which parents were left out
	whole    map[string]bool // those within something that were read whole
	united   map[string]peak // what those are within that were, of a full refresh
	over     bool
	lost     error // what ended a rider before its carrier
	err      error
	ignored  bool // told that the vendor ignores the filter
}

func newReader(r *run, s *stream.Stream, t *Task) (*reader, error) {
	rd := &reader{
		run: r, s: s, task: t, selected: t != nil, closed: make(chan struct{}),
		pending: map[string]peak{}, reached: map[string]peak{}, met: map[string]*stream.Partition{}, ties: map[string]ties{}, cleared: map[string]bool{},
	}
	if t == nil {
		full, err := Schema(r.Source, s)
		if err != nil {
			return nil, err
		}
		rd.task = &Task{Stream: s, Schema: full, Selected: func(string) bool { return false }}
	}
	if s.Cursor != nil {
		p := rd.task.Schema.Property(s.Cursor.Field)
		if p == nil {
			return nil, &fault.Error{Kind: fault.Config, Stream: s.Name, Err: errors.New("the catalog lacks the replication key " + s.Cursor.Field), Hint: "run --discover again and use its catalog"}
		}
		// A catalog may have made something else of it for the output; of a stream
		// that was found nobody else knows what it is.
		rd.own = p
		if own, err := Schema(r.Source, s); err == nil {
			rd.own = cmp.Or(own.Property(s.Cursor.Field), p)
		}
		rd.unit = unit(rd.own)
	}
	if s.Scope != "" {
		for i, name := range r.Source.Scopes[s.Scope].Inject {
			if s.Parent == nil || rd.task.Schema.Property(name) != nil {
				rd.inject, rd.scoped = append(rd.inject, name), append(rd.scoped, i)
			}
		}
	}
	for _, b := range upBinds(s) {
		if b.Inject != "" {
			rd.inject = append(rd.inject, b.Inject)
		}
	}
	if rd.stamps() {
		rd.inject = append(rd.inject, s.Cursor.Field)
	}
	if ks, ok := s.Page.(stream.Keyset); ok {
		rd.need(ks.Field)
	}
	rd.telltale()
	if s.With != nil && s.With.On != "" {
		rd.need(s.With.On)
	}
	return rd, nil
}

// unit is what a replication key of that schema counts.
func unit(p *singer.Schema) stream.Unit {
	switch {
	case p.Type == "integer":
		return stream.Int
	case p.Format == "date":
		return stream.Day
	}
	return stream.Instant
}

func upBinds(s *stream.Stream) []stream.Bind {
	switch {
	case s.Parent != nil:
		return s.Parent.Bind
	case s.With != nil:
		return s.With.Inject
	}
	return nil
}

// need makes sure that a member is captured from each row.
func (rd *reader) need(member string) {
	delete(rd.weighed, member)
	if !slices.Contains(rd.capture, member) {
		rd.capture = append(rd.capture, member)
	}
}

// attach makes rd a child or a rider of up.
func (rd *reader) attach(up *reader) {
	rd.up = up
	for _, b := range upBinds(rd.s) {
		up.need(b.From)
	}
	if rd.s.Parent != nil {
		for _, p := range rd.s.Parent.Prune {
			up.weigh(p.Member)
		}
		up.kids = append(up.kids, rd)
		if up.rows == nil {
			up.rows = &parentRows{seed: maphash.MakeSeed(), byPart: map[string][]parentRow{}, seen: map[uint64]int{}}
		}
		return
	}
	if rd.s.With.From != "" {
		up.need(rd.s.With.From)
	}
	up.ride(rd)
}

func (rd *reader) root() *reader {
	for rd.up != nil {
		rd = rd.up
	}
	return rd
}

// keeps tells whether a property is emitted.
func (rd *reader) keeps(name string) bool {
	s := rd.s
	return slices.Contains(s.Key, name) || s.Cursor != nil && s.Cursor.Field == name || rd.task.Selected(name)
}

// prepare compiles what a row needs, once everybody is attached.
func (rd *reader) prepare() error {
	s := rd.s
	cursor := ""
	if s.Cursor != nil {
		cursor = s.Cursor.Field
	}
	var zone *time.Location
	if rd.run.Source.Zone != nil {
		zone = rd.run.Source.Zone(rd.run.Config)
	}
	plan, err := record.Compile(record.Options{
		Stream: s.Name, Schema: rd.task.Schema, Selected: rd.keeps,
		Key: s.Key, Cursor: cursor, CursorSchema: rd.own, CursorConvert: rd.conversion(cursor, rd.own), Lift: s.Lift, Ignore: s.Ignore, Trim: s.Trim,
		Inject: rd.inject, Fill: rd.fills(), Convert: rd.conversions(), Zone: zone, Capture: rd.capture, IgnoreValue: rd.run.Source.Ignore,
	})
	if err != nil {
		return &fault.Error{Kind: fault.Config, Source: rd.run.Source.Name, Stream: s.Name, Err: err, Hint: "run --discover again and use its catalog"}
	}
	rd.plan = plan
	if rd.selected {
		rd.schema = rd.task.Schema.Select(rd.keeps)
	}
	if s.Chunked != nil {
		rd.batches = rd.fieldBatches()
	}
	if s.Select != "" {
		rd.fields = rd.selection()
	}
	return rd.compileShape()
}

// compileShape prepares where the rows are looked for: this stream's, those of
// its riders, and last the other place of this stream's.
func (rd *reader) compileShape() (err error) {
	s := rd.s
	if s.With != nil {
		return nil
	}
	paths := []string{s.Records}
	for _, rider := range rd.riders[:rd.outer()] {
		paths = append(paths, rider.s.Records)
	}
	if s.Bare != "" {
		paths = append(paths, s.Bare)
	}
	rd.captures = paging.Captures(s.Page)
	rd.shape, err = jsonspan.CompileShape(jsonspan.Paths{Rows: paths, Captures: rd.captures, ObjectAsRow: s.OneRow || s.Scalar != ""})
	return err
}

// feedAt tells whose rows lie at a path of the shape.
func (rd *reader) feedAt(path int) int {
	if path > rd.outer() {
		return 0
	}
	return path
}

// found tells whether a feed's rows were there.
func (rd *reader) found(p *jsonspan.Page, feed int) bool {
	return p.Found(feed) || feed == 0 && rd.s.Bare != "" && p.Found(rd.outer()+1)
}

// incremental tells whether a bookmark is kept.
func (rd *reader) incremental() bool { return rd.s.Cursor != nil }

// low returns the lower bound of a partition: rows below it are not emitted.
// ok is false where there is none.
func (rd *reader) low(part string) (v int64, ok bool) {
	if !rd.incremental() {
		return 0, false
	}
	mark, err := rd.bookmark(part)
	if err != nil || rd.refreshing() || rd.s.Cursor.Anew || rd.unit == stream.Int && !rd.run.Since.IsZero() {
		mark = nil
	}
	if v, ok = rd.from(mark); mark != nil && rd.run.Since.IsZero() {
		v = min(v, rd.eve(part, *mark))
	}
	return v, ok
}

// floor is the least value that a row at or after v may show.
func (rd *reader) floor(v int64, ok bool) (int64, bool) {
	if !ok || rd.unit != stream.Instant || rd.s.Cursor.Floor == nil {
		return v, ok
	}
	return rd.unit.FromTime(rd.s.Cursor.Floor(rd.run.Config, rd.unit.Time(v))), true
}

// from returns where a read goes on after a mark, nil for none.
func (rd *reader) from(mark *int64) (v int64, ok bool) {
	r := rd.run
	if !r.Since.IsZero() && rd.unit != stream.Int {
		since := r.Since
		if rd.stamps() {
			since = since.Add(-rd.s.Cursor.Stamp.Margin)
		}
		return rd.valueOf(since), true
	}
	start, hasStart := int64(0), false
	if !r.Start.IsZero() && rd.unit != stream.Int {
		start, hasStart = rd.valueOf(r.Start), true
	}
	if mark == nil {
		return start, hasStart
	}
	v = min(*mark, rd.cap())
	if lookback := rd.lookback(); rd.unit != stream.Int && lookback > 0 {
		back := rd.unit.FromTime(rd.unit.Time(v).Add(-lookback))
		if hasStart && v >= start {
			back = max(back, start)
		}
		v = back
	}
	return v, true
}

// cap is the greatest value that a bookmark may take in this run.
func (rd *reader) cap() int64 {
	if rd.unit == stream.Int {
		return 1<<63 - 1
	}
	return rd.valueOf(rd.run.upper)
}

// end is the greatest value that is emitted.
func (rd *reader) end() int64 {
	if rd.unit == stream.Int || rd.run.End.IsZero() {
		return 1<<63 - 1
	}
	return rd.valueOf(rd.run.End)
}

// futureTolerance is how far a bookmark may lie ahead of our clock: machines
// disagree by minutes, never by an hour. A day may begin up to 14 hours before
// that of UTC does.
func futureTolerance(u stream.Unit) time.Duration {
	if u == stream.Day {
		return 24 * time.Hour
	}
	return time.Hour
}

// bookmark returns the bookmark that the run began with, nil for none.
func (rd *reader) bookmark(part string) (*int64, error) {
	if rd.isReset(part) || !rd.covered(part) {
		return nil, nil
	}
	return rd.stored(rd.place(part), rd.s.Cursor.Field, rd.unit)
}

// stored reads a value of unit u from the state that the run began with.
func (rd *reader) stored(part, member string, u stream.Unit) (*int64, error) {
	if rd.s.Scope == "" {
		part = ""
	}
	raw, ok := rd.run.initial.Member(rd.s.Name, part, member)
	if !ok || len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	v, err := parseBookmark(u, raw)
	if err == nil && u != stream.Int && u.Time(v).After(rd.run.started.Add(futureTolerance(u))) {
		err = errors.New("lies in the future: " + u.Format(v, "") + " is after " + rd.run.started.Format(time.RFC3339))
	}
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.State, Source: rd.run.Source.Name, Stream: rd.s.Name, Op: "bookmark " + member, Err: err,
			Hint: "correct the state, or read the stream anew with --full-refresh " + rd.s.Name,
		}
	}
	return &v, nil
}

// parentsUntil is the state member that holds, for a child that is read only
// for changed parents, the parents' greatest replication value up to which it
// has been read whole. The parent's own bookmark cannot stand for it: it moves
// before the children are read, and a child may be selected later.
const parentsUntil = "_parents_until"

// follows tells whether a child is read only for the parents that changed since
// it was last read whole. One that has children of its own needs all parents,
// since theirs may be any of its rows.
func (rd *reader) follows() bool {
	p := rd.s.Parent
	return p != nil && p.Changed && rd.up.incremental() && !rd.hasKids()
}

// hasKids tells whether a stream, or one that rides on it, has children.
func (rd *reader) hasKids() bool {
	return slices.ContainsFunc(rd.family(), func(f *reader) bool { return len(f.kids) > 0 })
}

// since returns the parents' replication value from which on a child reads
// them; ok is false where it reads all.
func (rd *reader) since(part string) (v int64, ok bool) {
	if !rd.follows() {
		return 0, false
	}
	v = 1<<63 - 1
	for _, f := range rd.family() {
		if !f.selected {
			continue
		}
		mark, err := f.stored(part, parentsUntil, rd.up.unit)
		if err != nil || f.refreshing() {
			mark = nil
		}
		from, ok := rd.up.from(mark)
		if !ok {
			return 0, false
		}
		v = min(v, from)
	}
	return v, true
}

// checkBookmarks refuses a state that this stream cannot go on from.
func (rd *reader) checkBookmarks() error {
	if rd.refreshing() {
		return nil
	}
	parts := []string{""}
	if rd.s.Scope != "" {
		parts = rd.run.initial.Partitions(rd.s.Name)
	}
	for _, part := range parts {
		if rd.incremental() {
			if _, err := rd.bookmark(part); err != nil {
				return err
			}
		}
		if rd.follows() {
			if _, err := rd.stored(part, parentsUntil, rd.up.unit); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseBookmark reads a bookmark in any form that we or other taps write:
// RFC 3339 with any offset, a date, an integer.
func parseBookmark(u stream.Unit, raw json.RawMessage) (int64, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return 0, errors.New("is not JSON")
	}
	if u == stream.Int {
		var n json.Number
		if err := json.Unmarshal(raw, &n); err == nil {
			if i, err := n.Int64(); err == nil {
				return i, nil
			}
		}
		return 0, fmt.Errorf("expected an integer, found %s", told(string(raw)))
	}
	text, ok := v.(string)
	if !ok {
		return 0, fmt.Errorf("expected a date, found %s", told(string(raw)))
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return u.FromTime(t.UTC()), nil
		}
	}
	return 0, fmt.Errorf("expected a date, found %s", told(text))
}

// told is a text of the vendor's as a message shows it.
func told(text string) string { return strconv.Quote(fault.Clip(text, 40)) }

// span returns what a read of this stream and of those that ride on it has to
// cover: the lowest of their bounds.
func (rd *reader) span(part string) span {
	if rd.unstamped(part) {
		return span{openFrom: true, openTo: true}
	}
	sp := span{to: rd.cap(), openTo: rd.unit == stream.Int || !rd.s.Cursor.Bounded()}
	v, ok := rd.low(part)
	sp.from, sp.openFrom = v, !ok
	if !rd.selected && len(rd.riders)+len(rd.kids) > 0 {
		sp.from, sp.openFrom = 1<<63-1, false
	}
	for _, rider := range rd.riders {
		v, ok := rider.low(part)
		if !ok || rider.unit != rd.unit {
			sp.openFrom = true
		} else {
			sp.from = min(sp.from, v)
		}
	}
	for _, f := range rd.family() {
		for _, kid := range f.kids {
			v, ok := kid.since(part)
			if !ok || f != rd {
				// All parents are wanted, not only the changed ones: without
				// bounds those without a replication value come along.
				sp.openFrom, sp.openTo = true, sp.openTo || rd.run.End.IsZero()
			} else {
				sp.from = min(sp.from, v)
			}
		}
	}
	return sp
}

// parentRows are the rows of a parent as its kids need them.
type parentRows struct {
	seed   maphash.Seed
	byPart map[string][]parentRow
	seen   map[uint64]int // a row read twice has its children read once
}

// parentRow holds the raw values of the captured members, joined by a NUL,
// which no JSON value holds, and the row's replication value.
type parentRow struct {
	text  string
	value int64
	keyed bool
}

func (p *parentRows) add(part string, row parentRow) {
	h := maphash.String(p.seed, part+"\x00"+row.text)
	rows := p.byPart[part]
	if at, ok := p.seen[h]; ok {
		rows[at].keyed = rows[at].keyed && row.keyed
		rows[at].value = max(rows[at].value, row.value)
		return
	}
	p.seen[h] = len(rows)
	p.byPart[part] = append(rows, row)
}

// conversions are the source's own, by property.
func (rd *reader) conversions() map[string]record.Convert {
	out := make(map[string]record.Convert, len(rd.s.Convert))
	for _, p := range rd.task.Schema.Properties {
		if f := rd.conversion(p.Name, p.Schema); f != nil {
			out[p.Name] = f
		}
	}
	return out
}

// conversion is that of one property, nil for none.
func (rd *reader) conversion(name string, p *singer.Schema) record.Convert {
	if f, ok := rd.s.Convert[name]; ok {
		return f
	}
	if instant := rd.run.Source.Instant; instant != nil && p != nil && p.Format == "date-time" {
		return instant(rd.run.Config, name)
	}
	return nil
}
