package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// lane reads one slice and turns it into finished lines.
type lane struct {
	rd *reader
	n  int // counts the lanes of rd from 1
	slice
	feeds []*feed // the reader's, then each rider's
	page  jsonspan.Page

	clocked bool // the vendor's clock was compared with ours
	// upTo is how far a bookmark may move within the window at hand.
	upTo  peak
	first *answer // to the next request, which has been sent already
	ties  ties    // the rows at the greatest value so far
	// heavy: what is asked for next is a file, to be read in the lane's turn.
	heavy bool
	leave func() // gives the lane's slot back, once; nil where it has none
	tallied
	drift *drift // what the proofs of a list whose rows move need
	spare []byte // for a row that is only looked at
	// extra are the parameters of the list at hand, see lists and edited; turn
	// counts the reads of it that did not bring all.
	extra []stream.Param
	turn  int
	kept  *once // what its lists brought, nil for one list
	// ignored: the vendor ignores the upper bound, so one window holds
	// everything; loose: at least the lower one.
	ignored, loose bool
	narrowed       bool // answers had fewer rows than they tell

	// Guarded by ahead.mu.
	queue   []item
	done    bool
	dropped bool
	err     error
}

// feed is one stream that a lane produces records for.
type feed struct {
	rd   *reader
	conv *record.Converter
	low  int64
	cut  bool  // rows below low are dropped
	cap  int64 // the greatest value that counts for a bookmark
	end  int64 // rows above it are dropped
	kids []kidBound
	block
	// join holds, for a rider, what its carrier's rows lend it in this page.
	join map[string][]string
	wait []int // a rider's rows that were met before they could be joined
	// counted is the greatest value of the window so far that may become a
	// bookmark, inside the greatest that the next window does not share.
	counted, inside peak
	given           int64   // records so far
	edited          bool    // its rows changed, whatever their values
	graves          *graves // of the stream's deletions, nil for none
	lost            error   // what ended a rider alone, see askApart
}

// kidBound is what a kid of a feed's stream wants of its rows: those from low
// on, or all.
type kidBound struct {
	low int64
	all bool
}

// block is what an item holds for one stream.
type block struct {
	lines   *[]byte // RECORD lines, nil for none
	records int64
	parents []parentRow // rows for the kids of this stream
	max     peak        // greatest value that may become a bookmark
	// Of a rider's own lists: one was answered, one was left out, one ended it.
	told, skipped bool
	lost          error
}

// item is what a lane hands to the emitter.
type item struct {
	blocks []block
	// settled: a window is read whole, the bookmark may move to what has come.
	settled bool
	// upTo is how far it may move within a window of rows that come sorted.
	upTo    peak
	covers  span
	ties    ties   // the rows at the greatest value
	unkeyed *int64 // rows without replication value, as counted
	deleted *peak  // the list of deletions has been written up to there
	stamp   peak   // the bookmark of rows that tell none
	ignored bool   // as lane.ignored, once a page showed it
	skipped bool   // the children of the parent were refused
	notes   []note
}

type note struct {
	rd *reader
	record.Note
}

func (it *item) size() int {
	n := 0
	for i := range it.blocks {
		if it.blocks[i].lines != nil {
			n += cap(*it.blocks[i].lines)
		}
	}
	return n
}

// recycle gives the buffers back.
func (it *item) recycle() {
	for i := range it.blocks {
		putLines(it.blocks[i].lines)
		it.blocks[i].lines = nil
	}
}

// chunkBytes is how much a block holds before it is handed over within a page:
// a huge answer must not be held twice.
const chunkBytes = 1 << 20

var linesPool = sync.Pool{New: func() any { b := make([]byte, 0, 256<<10); return &b }}

func getLines() *[]byte { return linesPool.Get().(*[]byte) }

func putLines(b *[]byte) {
	if b != nil && cap(*b) <= 2*chunkBytes {
		*b = (*b)[:0]
		linesPool.Put(b)
	}
}

func newLane(rd *reader, s slice) *lane {
	l := &lane{rd: rd, slice: s}
	if s.kind == mark {
		return l
	}
	for _, f := range rd.family() {
		fd := &feed{rd: f, conv: f.plan.NewConverter(), cap: f.cap(), end: f.end()}
		fd.low, fd.cut = f.floor(f.low(s.part.ID))
		for _, kid := range f.kids {
			v, ok := kid.since(s.part.ID)
			fd.kids = append(fd.kids, kidBound{v, !ok})
		}
		l.feeds = append(l.feeds, fd)
	}
	l.injectAll()
	return l
}

// injectAll sets the values that are the same for all rows of the slice.
func (l *lane) injectAll() {
	rd := l.rd
	n := len(rd.scoped)
	for _, f := range l.feeds {
		for i, at := range f.rd.scoped {
			f.conv.SetInject(i, []byte(l.part.Inject[at]))
		}
	}
	l.stamp()
	l.unbound()
	if rd.s.Parent == nil {
		return
	}
	for i, b := range rd.s.Parent.Bind {
		if b.Inject != "" {
			literal := l.parent[i]
			if literal == "" {
				literal = "null"
			}
			l.feeds[0].conv.SetInject(n, []byte(literal))
			n++
		}
	}
}

// run reads the slice. Its error goes to the emitter, which decides what it
// means.
func (l *lane) run(ctx context.Context) {
	err := l.read(ctx)
	switch {
	case ctx.Err() != nil:
		err = errEnded
	case err != nil && !errors.Is(err, errEnded): // else nobody wants the lane any more
		err = l.rd.wrap("", l.appeal(ctx, err))
		if l.rd.survives(err) {
			l.of.gone.note(l.n)
			if e := fault.As(err); e.Partition {
				l.rd.run.close(l.rd, l.part, err)
			}
		} else {
			l.rd.gone.note(l.n)
		}
	}
	l.rd.run.ahead.close(l, err)
}

// caught turns a panic, in a source's hook or in the engine, into an error that
// ends the run.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = &fault.Error{
			Kind: fault.Internal, Whole: true, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
			Hint: "this is a defect of tap-backoffice, please report it",
		}
	}
}

func (l *lane) read(ctx context.Context) (err error) {
	defer caught(&err)
	switch l.kind {
	case leftover:
		return l.leftover(ctx)
	case deleted:
		return l.deletions(ctx)
	case edits:
		return l.edited(ctx)
	case window, mark:
	}
	l.watchGraves(ctx)
	if l.rd.s.Job != nil {
		return l.job(ctx, l.rd.s.Job, l.span)
	}
	sp, err := l.begin(ctx)
	if err != nil {
		return err
	}
	if p, ok := l.rd.surveyed(); ok {
		return l.survey(ctx, sp, p)
	}
	if l.rd.s.Each != nil {
		return l.wholeOrEach(ctx, sp)
	}
	return l.travel(ctx, sp)
}

const (
	// maxRereads bounds how often a window whose rows move is read again.
	maxRereads = 5
	// maxGrown bounds how often a list that only grew while it was read is
	// read again: rows added meanwhile belong to the next run.
	maxGrown = 1
)

var (
	errMoved = errors.New("rows moved while the pages were read")
	errGrown = errors.New("rows were added while the pages were read")
	errTwice = errors.New("rows came twice while the pages were read")
	errWide  = errors.New("the window holds too many rows")
	errLoose = errors.New("the window holds all that come before it")
)

// window reads one window, again where rows moved, in halves where it is wide,
// to the end of the last one where the vendor ignores its lower bound.
func (l *lane) window(ctx context.Context, sp span) error {
	grown := 0
	var all gathered
	var nulls int64
	var short *shortage
	for reread := 0; ; reread++ {
		err := errWide
		if !l.tooWide(sp) {
			err = l.pages(ctx, l.request(sp), sp, pass{all: &all, nulls: &nulls})
		}
		switch {
		case errors.Is(err, errWide):
			a, b, _ := sp.halves(l.rd.unit)
			cut := l.rd.apart(a, b)
			a, b = cut[0], cut[1]
			if err := l.window(ctx, a); err != nil || l.ignored {
				return err
			}
			return l.window(ctx, b)
		case errors.As(err, &short):
			return l.narrow(ctx, sp, short)
		case errors.Is(err, errLoose):
			sp.to = l.chain.to
			l.chain.whole.note(l.at)
			continue
		case errors.Is(err, errGrown) && grown >= maxGrown:
			l.rd.run.Log.Debug("rows were added while a list was read; they come with the next run", "stream", l.rd.s.Name)
		case errors.Is(err, errTwice) && reread >= maxRereads:
			return l.unfit(sp)
		case errors.Is(err, errMoved) && reread >= maxRereads:
			return l.restless(sp, err)
		case errors.Is(err, errMoved), errors.Is(err, errTwice), errors.Is(err, errGrown):
			if errors.Is(err, errGrown) {
				grown++
			}
			l.turn++
			l.rd.run.Log.Debug("reading a window again", "stream", l.rd.s.Name, "window", l.label(sp), "reason", err.Error())
			sp = l.uncovered(sp)
			continue
		case err != nil:
			return err
		}
		if l.loose {
			l.ignore()
		}
		done := l.complete(sp)
		if sp.openFrom && sp.openTo && l.rd.countsKeyless() {
			done.unkeyed = &nulls // nothing was filtered, they are delivered
		}
		l.push(done)
		return nil
	}
}

// complete is the item that ends a window.
func (l *lane) complete(sp span) item {
	if l.endsChain(sp) || l.ignored {
		return item{settled: true, covers: sp, ignored: l.ignored, stamp: l.stamped(sp), ties: l.settled()}
	}
	// The next window begins with rows of the moment at which this one ends: a
	// STATE must not stand between them.
	return item{upTo: l.feeds[0].inside, covers: sp}
}

// endsChain tells whether there is no window after a span.
func (l *lane) endsChain(sp span) bool {
	return sp.openTo || l.chain == nil || sp.to >= l.chain.to
}

// ignore notes that the window at hand holds everything.
func (l *lane) ignore() {
	l.ignored = true
	if l.chain != nil {
		l.chain.whole.note(l.at)
	}
}

// restless is the fault of rows that do not stand still for one read.
func (l *lane) restless(sp span, err error) error {
	return &fault.Error{
		Kind: fault.Transient, Op: "read " + l.label(sp), Err: fmt.Errorf("%w, %d times over", err, maxRereads+1),
		Hint: "run again at a quieter hour or with a smaller date_window_size",
	}
}

// label names a span for people.
func (l *lane) label(sp span) string {
	u := l.rd.unit
	switch {
	case l.kind == leftover:
		return "rows without " + l.rd.s.Cursor.Field
	case l.kind == deleted:
		return "deleted rows"
	case l.kind == edits:
		return "changes"
	case sp.openFrom && sp.openTo || u == stream.Int:
		return "everything"
	}
	layout := time.DateTime
	if u == stream.Day {
		layout = time.DateOnly
	}
	from, to := "the beginning", "now"
	if !sp.openFrom {
		from = u.Format(sp.from, layout)
	}
	if !sp.openTo {
		to = u.Format(sp.to, layout)
	}
	return from + " to " + to
}

// request builds the first request of a window.
func (l *lane) request(sp span) *stream.Request {
	s := l.rd.s
	req := &stream.Request{Method: s.Method, Lane: l.laneName(), Resource: s.Name}
	req.URL = l.expand(s.Path, pathEscape)
	for _, p := range s.Params {
		if l.unsaid(p.Value) {
			continue
		}
		p.Value = l.expand(p.Value, func(v string) string { return v })
		req.Params = append(req.Params, p)
	}
	req.Params = append(req.Params, l.riderParams()...)
	l.another(req)
	if s.Chunked != nil {
		req.Params = append(req.Params, stream.Param{Name: s.Chunked.Param, Value: l.rd.batch(0)})
	}
	if c := s.Cursor; c != nil {
		from, to := "", ""
		if !sp.openFrom {
			from = l.rd.unit.Format(l.earlier(sp.from), c.Layout)
		}
		if !sp.openTo && !l.unended(sp) {
			to = l.rd.unit.Format(l.later(sp), c.Layout)
		}
		req.Params = append(req.Params, c.Bounds(l.rd.run.Config, from, to)...)
	}
	if s.Select != "" {
		if text := l.rd.fields.text(); text != "" {
			req.Params = append(req.Params, stream.Param{Name: s.Select, Value: text})
		}
	}
	return req
}

// earlier is the lower bound that is asked for where a value is wanted.
func (l *lane) earlier(v int64) int64 {
	c := l.rd.s.Cursor
	if c.Margin <= 0 || l.rd.unit == stream.Int {
		return v
	}
	return l.rd.unit.FromTime(l.rd.unit.Time(v).Add(-c.Margin))
}

// later is the upper bound that is asked for where a span is wanted: beyond the
// last one nothing comes that would have the rows of its end.
func (l *lane) later(sp span) int64 {
	c := l.rd.s.Cursor
	if c.Margin <= 0 || l.rd.unit == stream.Int || !l.endsChain(sp) {
		return sp.to
	}
	return l.rd.unit.FromTime(l.rd.unit.Time(sp.to).Add(c.Margin))
}

// unended tells whether a window is asked for without its upper bound.
func (l *lane) unended(sp span) bool {
	return l.rd.s.Cursor.Unended && l.rd.run.End.IsZero() && sp.to >= l.rd.cap()
}

// expand fills the placeholders of the config, the partition and the parent.
func (l *lane) expand(text string, esc func(string) string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return stream.ExpandParams(l.rd.run.Config.Expand(text, esc), l.values(), esc)
}

// values are the placeholders of the partition and the parent.
func (l *lane) values() []stream.Param {
	values := append([]stream.Param{{Name: "partition", Value: l.part.ID}}, l.part.Values...)
	if p := l.rd.s.Parent; p != nil {
		for i, b := range p.Bind {
			if b.To != "" {
				values = append(values, stream.Param{Name: b.To, Value: plain(l.parent[i])})
			}
		}
	}
	return values
}

// plain gives the text of a raw scalar.
func plain(raw string) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal([]byte(raw), &s) == nil {
		return s
	}
	return raw
}

func pathEscape(v string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(v) {
		c := v[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '~' || c == '.' && v != "." && v != ".." {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// smallBody is the largest answer that is read ahead.
const smallBody = 4 << 20

// fetch asks for one page, once there is room for it.
func (l *lane) fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	if a := l.first; a != nil {
		l.first = nil
		return a.resp, a.err
	}
	for {
		if !l.rd.run.ahead.room(l) {
			return nil, errEnded
		}
		resp, err := l.ask(ctx, req)
		switch {
		case !errors.Is(err, stream.TooLarge):
			return resp, err
		case req.MaxBody == 0:
			return nil, &fault.Error{Kind: fault.Contract, Err: err, Hint: "a smaller page or window may help; see max_response_mb"}
		}
		l.rd.large.Store(true)
	}
}

// ask sends one request.
func (l *lane) ask(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	r := l.rd.run
	if err := r.closed.err(l.part.ID); err != nil {
		return nil, err // it was closed since the lane was started
	}
	// What is read before its turn must be small; the head alone may read a
	// large answer, and a stream known for them waits for its turn.
	req.MaxBody = 0
	if !r.ahead.isHead(l) {
		req.MaxBody = smallBody
	}
	asked := r.Now()
	resp, err := r.Fetcher.Fetch(ctx, req)
	for l.without(req, err) {
		resp, err = r.Fetcher.Fetch(ctx, req)
	}
	if err == nil || errors.Is(err, stream.NoRows) {
		l.rd.heard.Store(true)
	}
	if err == nil && !l.clocked {
		l.clocked = true
		l.skew(asked, resp.Header)
	}
	return resp, err
}

// skew lowers the caps where the vendor's clock is behind ours: rows that change
// while we read are stamped by that clock, and a bookmark must not pass them. Its
// Date has whole seconds, so less than a second behind cannot be told.
func (l *lane) skew(asked time.Time, h http.Header) {
	server, err := http.ParseTime(h.Get("Date"))
	if err != nil || !server.Add(time.Second).Before(asked) {
		return
	}
	for _, f := range l.feeds {
		if f.rd.unit == stream.Instant {
			f.cap = min(f.cap, f.rd.unit.FromTime(l.rd.run.started.Add(server.Sub(asked))))
		}
	}
}

// unwanted tells whether an earlier lane of its stream or partition failed.
func (l *lane) unwanted() bool {
	return l.rd.gone.before(l.n) || l.of != nil && l.of.gone.before(l.n)
}

// push hands an item to the emitter.
func (l *lane) push(it item) { l.rd.run.ahead.push(l, it) }

// flush hands over what the feeds hold.
func (l *lane) flush(it item) {
	for _, f := range l.feeds {
		f.block.lost = f.lost
		it.blocks = append(it.blocks, f.block)
		for _, n := range f.conv.Notes() {
			it.notes = append(it.notes, note{f.rd, n})
		}
		f.block = block{}
	}
	l.push(it)
}

func (l *lane) captured(page *jsonspan.Page, path string) []byte {
	for i, p := range l.rd.captures {
		if p == path {
			return page.Capture(i)
		}
	}
	return nil
}

// release gives a page back, once nothing points into it any more.
func (l *lane) release(r *stream.Response) {
	l.page.Forget()
	for _, f := range l.feeds {
		f.conv.Forget()
	}
	release(r)
}

func release(r *stream.Response) {
	if r.Release != nil {
		r.Release()
	}
}
