package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testing.TB of rapid and of go test.
type tb interface {
	require.TestingT
	Helper()
}

// null is the replication value of a row that has none.
const null = math.MinInt64

// trow is a row of the toy vendor.
type trow struct {
	id   int64
	at   int64 // replication value in the table's unit
	v    int   // counts its changes
	up   int64 // id of the parent's row
	more string
}

// table is one resource of the toy vendor. Rows come in the order of the slice
// unless sorted says by replication value.
type table struct {
	rows   []trow
	unit   stream.Unit
	cursor string // member of the replication value, "" for none
	size   int    // rows a page unless the request says so
	from   int64  // rows below it are none of the test's

	noFilter bool // the bounds are ignored
	noCount  bool // count is left out
	days     bool // instants are compared by their day
	sorted   bool
	pastEnd  bool // a page beyond the last one is refused
	empty    bool // no rows are told by stream.NoRows
	samePage bool // every request is answered with the first page
	spare    bool // rows hold nothing but id, replication value and more
}

func (tt *table) json(r trow) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%d`, r.id)
	if !tt.spare {
		fmt.Fprintf(&b, `,"v":%d,"name":"row %d.%d"`, r.v, r.id, r.v)
	}
	if r.up != 0 {
		fmt.Fprintf(&b, `,"up":%d`, r.up)
	}
	switch {
	case tt.cursor == "":
	case r.at == null:
		fmt.Fprintf(&b, `,%q:null`, tt.cursor)
	case tt.unit == stream.Int:
		fmt.Fprintf(&b, `,%q:%d`, tt.cursor, r.at)
	default:
		fmt.Fprintf(&b, `,%q:%q`, tt.cursor, tt.unit.Format(r.at, ""))
	}
	b.WriteString(r.more)
	b.WriteByte('}')
	return b.String()
}

func (tt *table) row(id int64) *trow {
	for i := range tt.rows {
		if tt.rows[i].id == id {
			return &tt.rows[i]
		}
	}
	return nil
}

func (tt *table) drop(id int64) {
	tt.rows = slices.DeleteFunc(tt.rows, func(r trow) bool { return r.id == id })
}

// touch changes a row at a moment.
func (tt *table) touch(id, at int64) {
	if r := tt.row(id); r != nil {
		r.v++
		r.at = at
	}
}

func (tt *table) bound(text string) int64 {
	if tt.unit == stream.Int {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		panic(err)
	}
	return tt.unit.FromTime(t)
}

// match tells whether the filter of a call returns a row.
func (tt *table) match(r trow, c call) bool {
	since, until := c.get("since"), c.get("until")
	if since == "" && until == "" || tt.noFilter {
		return true
	}
	if r.at == null {
		return false
	}
	at := r.at
	day := func(v int64) int64 {
		if tt.days && tt.unit == stream.Instant {
			return stream.Day.FromTime(tt.unit.Time(v))
		}
		return v
	}
	return (since == "" || day(at) >= day(tt.bound(since))) && (until == "" || day(at) <= day(tt.bound(until)))
}

// answer is one page of a table.
func (tt *table) answer(c call, up int64) (string, error) {
	var rows []trow
	ids := strings.Split(c.get("ids"), ",")
	for _, r := range tt.rows {
		if (up == 0 || r.up == up) && tt.match(r, c) && (c.get("ids") == "" || slices.Contains(ids, strconv.FormatInt(r.id, 10))) {
			rows = append(rows, r)
		}
	}
	if tt.sorted {
		slices.SortStableFunc(rows, func(a, b trow) int { return int(min(max(a.at-b.at, -1), 1)) })
	}
	if tt.empty && len(rows) == 0 {
		return "", stream.NoRows
	}
	size := max(tt.size, 1)
	for _, name := range []string{"size", "limit"} {
		if n, err := strconv.Atoi(c.get(name)); err == nil {
			size = n
		}
	}
	if c.get("ids") != "" {
		size = len(rows) + 1
	}
	start, page := 0, 1
	switch {
	case tt.samePage:
	case c.get("after") != "":
		after, err := strconv.ParseInt(c.get("after"), 10, 64)
		if err != nil {
			panic(err)
		}
		for start < len(rows) && rows[start].id <= after {
			start++
		}
	case c.get("offset") != "":
		start, _ = strconv.Atoi(c.get("offset"))
	case c.get("token") != "":
		start, _ = strconv.Atoi(strings.TrimPrefix(c.get("token"), "t"))
	case c.get("page") != "":
		page, _ = strconv.Atoi(c.get("page"))
		start = (page - 1) * size
	}
	if tt.pastEnd && page > 1 && start >= len(rows) {
		return "", stream.PastEnd
	}
	start = min(start, len(rows))
	end := min(start+size, len(rows))
	var b strings.Builder
	b.WriteByte('{')
	if !tt.noCount {
		fmt.Fprintf(&b, `"count":%d,`, len(rows))
	}
	next, token := "null", "null"
	if end < len(rows) {
		next = strconv.Quote(c.link(page + 1))
		token = fmt.Sprintf(`"t%d"`, end)
	}
	fmt.Fprintf(&b, `"next":%s,"more":%t,"page":{"token":%s},"rows":[`, next, end < len(rows), token)
	for i, r := range rows[start:end] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(tt.json(r))
	}
	b.WriteString("]}")
	return b.String(), nil
}

// call is one request as the toy vendor understood it.
type call struct {
	n        int // counts from 1
	method   string
	path     string
	params   []stream.Param // query and body, in their order
	header   map[string]string
	maxBody  int64
	lane     string
	resource string
}

func (c call) get(name string) string {
	for _, p := range c.params {
		if p.Name == name {
			return p.Value
		}
	}
	return c.header[name]
}

func (c call) link(page int) string {
	q := url.Values{}
	for _, p := range c.params {
		q.Set(p.Name, p.Value)
	}
	q.Set("page", strconv.Itoa(page))
	return "toy://host/" + c.path + "?" + q.Encode()
}

// String is the call in one line: path, then name=value, the bounds shortened.
func (c call) String() string {
	var b strings.Builder
	b.WriteString(c.path)
	for _, p := range c.params {
		v := p.Value
		if p.Raw {
			v = "(" + v + ")"
		}
		fmt.Fprintf(&b, " %s=%s", p.Name, strings.TrimSuffix(v, "T00:00:00.000000Z"))
	}
	return b.String()
}

// vendor is the toy vendor: an in-memory service that is asked as one.
type vendor struct {
	mu     sync.Mutex
	tables map[string]*table
	on     map[string]func(c call) (string, error) // answers by path, before the tables
	calls  []call
	// before is called ahead of each answer; rows may move there, and an error is
	// the answer.
	before func(c call) error
	// spoil replaces the body of an answer.
	spoil func(c call, body string) string
	delay func() time.Duration
	date  func() time.Time // the vendor's clock

	open, most   int // bodies handed out and not given back; the greatest number of them
	bytes        int64
	flying, busy int // requests in flight; the greatest number of them
}

// Fetch implements stream.Fetcher.
func (v *vendor) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	v.mu.Lock()
	v.flying++
	v.busy = max(v.busy, v.flying)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.flying--
		v.mu.Unlock()
	}()
	if v.delay != nil {
		v.mu.Lock()
		wait := v.delay()
		v.mu.Unlock()
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.understand(req)
	v.calls = append(v.calls, c)
	if v.before != nil {
		if err := v.before(c); err != nil {
			return nil, err
		}
	}
	text, err := v.answer(c)
	if err != nil {
		return nil, err
	}
	if v.spoil != nil {
		text = v.spoil(c, text)
	}
	if c.maxBody > 0 && int64(len(text)) > c.maxBody {
		return nil, stream.TooLarge
	}
	h := stream.Header{}
	if v.date != nil {
		h.Set("Date", v.date().UTC().Format(http.TimeFormat))
	}
	body := []byte(text)
	v.open++
	v.bytes += int64(len(body))
	v.most = max(v.most, v.open)
	return &stream.Response{Status: 200, Header: h, Body: body, URL: "toy://host/" + c.path, Release: sync.OnceFunc(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.open--
		for i := range min(len(body), 4096) { // whoever looks at it now finds that out
			body[i] = '#'
		}
	})}, nil
}

func (v *vendor) understand(req *stream.Request) call {
	c := call{
		n: len(v.calls) + 1, method: req.Method, header: map[string]string{},
		maxBody: req.MaxBody, lane: req.Lane, resource: req.Resource,
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	u, err := url.Parse(strings.TrimPrefix(req.URL, "toy://host/"))
	if err != nil {
		panic(err)
	}
	c.path = strings.Trim(u.Path, "/")
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			value, err := url.QueryUnescape(value)
			if err != nil {
				panic(err)
			}
			c.params = append(c.params, stream.Param{Name: name, Value: value})
		}
	}
	for _, p := range req.Params {
		if p.In == stream.InHeader {
			c.header[p.Name] = p.Value
			continue
		}
		c.params = append(c.params, p)
	}
	return c
}

// answer finds the table of orders, d/7/orders (a partition) or orders/3/lines
// (a parent).
func (v *vendor) answer(c call) (string, error) {
	if f := v.on[c.path]; f != nil {
		return f(c)
	}
	segs := strings.Split(c.path, "/")
	name, up := segs[0], int64(0)
	if name == "d" {
		name = strings.Join(segs[:3], "/")
		segs = segs[2:]
	}
	if len(segs) == 3 {
		up, _ = strconv.ParseInt(segs[1], 10, 64)
		name = strings.TrimSuffix(name, segs[0]) + segs[2]
	}
	tt := v.tables[name]
	if tt == nil {
		return "", &fault.Error{Kind: fault.Refused, Status: 404, Err: fmt.Errorf("no table %s", name)}
	}
	return tt.answer(c, up)
}

// asked lists the calls since the last time.
func (v *vendor) asked() []string {
	out := []string{}
	for _, c := range v.calls {
		out = append(out, c.String())
	}
	v.calls = nil
	return out
}

// epoch is when the tests' runs begin.
var epoch = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// day returns the instant of a date of 2026, in microseconds.
func day(month time.Month, d int) int64 {
	return stream.Instant.FromTime(time.Date(2026, month, d, 0, 0, 0, 0, time.UTC))
}

// nullable and the rest build the streams' schemas.
func nullable(typ, format string) *singer.Schema {
	return &singer.Schema{Type: typ, Format: format, Nullable: true}
}

func schemaOf(extra ...singer.Property) *singer.Schema {
	s := &singer.Schema{Type: "object", Properties: []singer.Property{
		{Name: "id", Schema: &singer.Schema{Type: "integer"}},
		{Name: "v", Schema: nullable("integer", "")},
		{Name: "name", Schema: nullable("string", "")},
	}}
	s.Properties = append(s.Properties, extra...)
	return s
}

var (
	modified = singer.Property{Name: "modified", Schema: nullable("string", "date-time")}
	dated    = singer.Property{Name: "day", Schema: nullable("string", "date")}
	stamped  = singer.Property{Name: "stamp", Schema: nullable("integer", "")}
	upward   = singer.Property{Name: "up", Schema: nullable("integer", "")}
)

// link is the pager that most streams here have.
var link = stream.NextLink{Next: "next", Total: "count"}

// whole is a stream without a cursor.
func whole(name string) stream.Stream {
	return stream.Stream{
		Name: name, Doc: "toy", Path: name, Records: "rows", Key: []string{"id"},
		Page: link, Schema: schemaOf(upward),
	}
}

// changing is a stream that filters on modified, both bounds inclusive.
func changing(name string) stream.Stream {
	s := whole(name)
	s.Schema = schemaOf(upward, modified)
	s.Cursor = &stream.Cursor{Field: "modified", From: "since", To: "until"}
	return s
}

// world is a source over the toy vendor.
type world struct {
	t   tb
	v   *vendor
	src *stream.Source
	Options
	log     bytes.Buffer
	mu      sync.Mutex
	repeats bool // as outcome.repeats
}

// newWorld selects all streams; those named in without are only in the table.
func newWorld(t tb, streams ...stream.Stream) *world {
	w := &world{
		t:   t,
		v:   &vendor{tables: map[string]*table{}, on: map[string]func(call) (string, error){}},
		src: &stream.Source{Name: "toy", Streams: streams, Scopes: map[string]stream.Scope{}},
	}
	for i := range streams {
		streams[i].Selected = true
	}
	w.Options = Options{
		Now: func() time.Time { return epoch }, Concurrency: 1, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	return w
}

func (w *world) unselect(names ...string) *world {
	for _, name := range names {
		w.src.Stream(name).Selected = false
	}
	return w
}

// table adds a table with n rows, ids from 1, changed a day apart from January 2.
func (w *world) table(name string, n int, change ...func(*table)) *table {
	tt := &table{unit: stream.Instant, cursor: "modified", size: 3, from: day(1, 1)}
	for i := range n {
		tt.rows = append(tt.rows, trow{id: int64(i + 1), at: day(1, i+2), v: 1})
	}
	for _, f := range change {
		f(tt)
	}
	w.v.tables[name] = tt
	return tt
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) warnings() int { return strings.Count(w.log.String(), "level=WARN") }

// outcome is what a run wrote and told.
type outcome struct {
	t      tb
	report *Report
	out    []byte
	lines  []message
	// repeats: rows come twice, so that some lie on both sides of a STATE.
	repeats bool
}

type message struct {
	Type, Stream string
	Record       map[string]any
	Value        json.RawMessage
	Key          []string `json:"key_properties"`
	raw          string
}

// options completes the options of a run.
func (w *world) options(state string) Options {
	w.t.Helper()
	st, err := singer.LoadState([]byte(state))
	require.NoError(w.t, err)
	for i := range w.src.Streams {
		if s := &w.src.Streams[i]; s.Cursor != nil {
			require.NoError(w.t, st.Normalize(s.Name, s.Cursor.Field))
		}
	}
	c, err := Catalog(w.src, w.src.Streams)
	require.NoError(w.t, err)
	o := w.Options
	o.Source, o.Fetcher, o.State = w.src, w.v, st
	o.Tasks = Tasks(c, w.src.Streams, false)
	o.Log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return o
}

// run makes a run from a state and checks what every run has to keep.
func (w *world) run(state string) *outcome {
	w.t.Helper()
	return w.runCtx(context.Background(), state)
}

func (w *world) runCtx(ctx context.Context, state string) *outcome {
	w.t.Helper()
	var out bytes.Buffer
	o := w.options(state)
	o.Out = singer.NewWriter(&out)
	rep := Run(ctx, o)
	if fault.KindOf(rep.Err) != fault.Internal || rep.Err == nil {
		w.v.mu.Lock()
		require.Zero(w.t, w.v.open, "bodies that were not given back")
		w.v.mu.Unlock()
	}
	res := read(w.t, out.Bytes())
	res.report, res.repeats = rep, w.repeats
	if len(res.lines) > 0 && (rep.Err == nil || fault.KindOf(rep.Err) != fault.Output) {
		res.lint(rep.Err != nil || o.HoldState || o.MaxRecords > 0 || !o.Since.IsZero())
	}
	return res
}

// good is run for a run in which nothing fails.
func (w *world) good(state string) *outcome {
	w.t.Helper()
	res := w.run(state)
	require.NoError(w.t, res.report.Err)
	for _, s := range res.report.Streams {
		require.NoError(w.t, s.Err)
	}
	return res
}

func read(t tb, out []byte) *outcome {
	t.Helper()
	res := &outcome{t: t, out: out}
	for line := range strings.Lines(string(out)) {
		m := message{raw: line}
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		res.lines = append(res.lines, m)
	}
	return res
}

// lint holds the output against the profile that loads everywhere. A run that
// ended early says where.
func (o *outcome) lint(ended bool) {
	o.t.Helper()
	rep, err := singer.Lint(bytes.NewReader(o.out))
	require.NoError(o.t, err)
	for _, f := range rep.Findings {
		tie := !o.repeats && strings.Contains(f.Text, "stands between two records with the bookmark's value")
		if tie || f.Severity == singer.SeverityError && !(ended && strings.Contains(f.Text, "currently_syncing")) {
			require.Fail(o.t, "the output breaks the profile", "%s\n%s", f, o.out[:min(len(o.out), 8000)])
		}
	}
}

// records lists the records of a stream as id.v, in order.
func (o *outcome) records(name string) []string {
	out := []string{}
	for _, m := range o.lines {
		if m.Type == "RECORD" && m.Stream == name {
			out = append(out, fmt.Sprintf("%v.%v", m.Record["id"], m.Record["v"]))
		}
	}
	return out
}

// values lists one member of the records of a stream.
func (o *outcome) values(name, member string) []any {
	out := []any{}
	for _, m := range o.lines {
		if m.Type == "RECORD" && m.Stream == name {
			out = append(out, m.Record[member])
		}
	}
	return out
}

// state is the value of the last STATE.
func (o *outcome) state() string {
	for _, m := range slices.Backward(o.lines) {
		if m.Type == "STATE" {
			return string(m.Value)
		}
	}
	return ""
}

// bookmark digs in the last state: stream, then the members.
func (o *outcome) bookmark(path ...string) string {
	return dig(o.t, o.state(), append([]string{"bookmarks"}, path...)...)
}

func dig(t tb, text string, path ...string) string {
	raw := json.RawMessage(text)
	for _, name := range path {
		var m map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(raw, &m))
		if raw = m[name]; raw == nil {
			return ""
		}
	}
	return strings.TrimSuffix(plain(string(raw)), "T00:00:00.000000Z")
}

func (o *outcome) result(name string) Result {
	for _, r := range o.report.Streams {
		if r.Stream == name {
			return r
		}
	}
	require.Fail(o.t, "no result of "+name)
	return Result{}
}

// ids makes 1.1 … n.1.
func ids(n int) []string {
	out := []string{}
	for i := range n {
		out = append(out, fmt.Sprintf("%d.1", i+1))
	}
	return out
}
