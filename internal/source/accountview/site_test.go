package accountview_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const name = "accountview"

// The stand-in's companies: the first is that of its config.
const (
	first, second = "7d0c2f4e-6a51-4a0e-9a0e-2f9c1c0e4b11", "c41b7e90-03d2-4c7b-8f5e-d1a6e9b02f37"
)

// noon is when the first run of a test begins.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site is the stand-in, and the config and token store of the tap that reads it,
// run after run in virtual time.
type site struct {
	*testing.T
	server *emulator.Server
	behind *stand.Service
	store  string
}

// visit opens the stand-in in a bubble and does something there. Limits are real
// unless o says otherwise.
func visit(t *testing.T, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	visitAt(t, noon, o, do)
}

func visitAt(t *testing.T, at time.Time, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	t.Parallel()
	if o.Records == 0 {
		o.Records = 60
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	store := filepath.Join(t.TempDir(), "tokens.json")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		s := &site{T: t, store: store}
		var err error
		s.server, err = emulator.New(o, stand.Switched(&s.behind))
		require.NoError(t, err)
		do(t, s)
		// A goroutine of a run that stays fails the bubble.
		time.Sleep(time.Minute)
	})
}

// ask is one run. A nil only leaves the choice to the default.
type ask struct {
	only        []string // as --select, with the catalog of the schema files
	discover    bool     // without a catalog: the dictionary is read
	config      map[string]any
	state       json.RawMessage
	concurrency int
	refresh     []string
	page        func(emulator.Page)
	network     func(http.RoundTripper) http.RoundTripper
	rough       bool // calls may be made at once: it is what is tested
}

// load checks a config as the command does.
func (s *site) load(more map[string]any) *config.Loaded {
	s.Helper()
	values, err := s.server.Config(name, "http://127.0.0.1:1")
	require.NoError(s, err)
	values["token_store"] = s.store
	maps.Copy(values, more)
	for k, v := range more {
		if v == nil {
			delete(values, k)
		}
	}
	text, err := json.Marshal(values)
	require.NoError(s, err)
	path := filepath.Join(s.TempDir(), "config.json")
	require.NoError(s, os.WriteFile(path, text, 0o600))
	raw, err := config.Read([]string{path}, nil)
	require.NoError(s, err)
	loaded, err := raw.Check(accountview.Source())
	require.NoError(s, err)
	require.Empty(s, loaded.Warnings)
	return loaded
}

// connect makes the client as the command does.
func (s *site) connect(src *stream.Source, c *config.Loaded, network http.RoundTripper, log *slog.Logger) *httpx.Client {
	s.Helper()
	opt := httpx.Options{
		Source: src, Config: c.Stream, APIURL: c.APIURL,
		Budget:    budget.New(src.Limits, budget.Options{RequestsPerSecond: c.RequestsPerSecond, Config: c.Stream}),
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxRetries: c.MaxRetries, MaxResponse: c.MaxResponse,
		Log: log, Secrets: c.Secrets(), Transport: network, Rand: func() float64 { return 0.5 },
	}
	if opt.MaxRetries == 0 {
		opt.MaxRetries = httpx.NoRetries
	}
	var err error
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: c.Secret, Store: c.TokenStore})
	require.NoError(s, err)
	client, err := httpx.New(opt)
	require.NoError(s, err)
	return client
}

// run reads once and checks what holds for every run: what was written loads
// everywhere, no credential is told, and the company is asked for one thing at a
// time.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.start(a)
	if len(out.text) > 0 { // else nothing was begun
		report, err := singer.Lint(bytes.NewReader(out.text))
		require.NoError(s, err)
		require.True(s, report.OK(), "%s", report.AppendText(nil))
	}
	for _, secret := range []string{stand.ClientSecret, stand.RefreshToken} {
		require.NotContains(s, string(out.text), secret, "a credential is told")
		for _, l := range out.log {
			require.NotContains(s, l.text, secret, "a credential is told")
		}
	}
	if !a.rough {
		require.LessOrEqual(s, s.behind.AtOnce(first), 1, "calls of a company at once")
		require.LessOrEqual(s, s.behind.AtOnce(second), 1, "calls of a company at once")
	}
	return out
}

func (s *site) start(a ask) *output {
	s.Helper()
	out := &output{T: s.T}
	loaded := s.load(a.config)
	src := accountview.Source().For(loaded.Stream)
	network := s.server.Transport()
	if a.network != nil {
		network = a.network(network)
	}
	var logs lockedBuffer
	log := slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := s.connect(src, loaded, network, log)
	defer client.Close()
	state := singer.NewState()
	if len(a.state) > 0 {
		var err error
		state, err = singer.LoadState(a.state)
		require.NoError(s, err)
	}
	s.server.OnPage(a.page)
	require.NoError(s, s.server.Reset(name))
	var kept bytes.Buffer
	out.began = time.Now()
	if a.discover {
		more, err := src.Discover(s.Context(), client, loaded.Stream, nil)
		if err != nil {
			out.report = &engine.Report{Err: err}
			return out
		}
		if more != nil {
			found := *src
			found.Streams = more
			src = &found
		}
	}
	out.source = src
	o := engine.Options{
		Source: src, Config: loaded.Stream, Tasks: s.tasks(src, a), State: state, Fetcher: client,
		Out: singer.NewWriter(&kept), Log: log, Concurrency: max(a.concurrency, 1), Start: loaded.Start, End: loaded.End,
		Window: loaded.WindowDays, Lookback: loaded.Lookback, FullRefresh: a.refresh,
	}
	if a.concurrency == 0 {
		o.Concurrency = 4 // the command's
	}
	out.report = engine.Run(s.Context(), o)
	out.took = time.Since(out.began)
	out.text = kept.Bytes()
	out.read()
	for line := range strings.Lines(logs.String()) {
		var l struct{ Level string }
		require.NoError(s, json.Unmarshal([]byte(line), &l))
		out.log = append(out.log, logged{l.Level, line})
	}
	var err error
	out.asked, err = s.server.Log(name)
	require.NoError(s, err)
	return out
}

// tasks are what is chosen, found as the command does.
func (s *site) tasks(src *stream.Source, a ask) []engine.Task {
	s.Helper()
	c, err := engine.Catalog(src, src.Streams)
	require.NoError(s, err)
	if a.only != nil {
		patterns, err := singer.ParsePatterns(a.only)
		require.NoError(s, err)
		require.Empty(s, patterns.Apply(c))
	}
	return engine.Tasks(c, src.Streams, false)
}

// change disturbs the stand-in's rows.
func (s *site) change(c emulator.Change) emulator.Report {
	s.Helper()
	reports, err := s.server.Change(name, c)
	require.NoError(s, err)
	require.Len(s, reports, 1)
	return reports[0]
}

// truth are all rows that a stream should have, by the values of its key.
func (s *site) truth(stream string) map[string]map[string]json.RawMessage {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.server.Truth(&b, name, stream))
	key := keyOf(stream)
	out := map[string]map[string]json.RawMessage{}
	for line := range bytes.Lines(b.Bytes()) {
		var row map[string]json.RawMessage
		require.NoError(s, json.Unmarshal(line, &row))
		if slices.Contains(key, "_book_year") && row["_book_year"] == nil {
			row["_book_year"] = yearOfLine(row)
		}
		out[identity(row, key)] = row
	}
	return out
}

// yearOfLine is the book year of a journal line, of which the truth does not tell
// it: INV_NR begins with it.
func yearOfLine(row map[string]json.RawMessage) json.RawMessage {
	return row["INV_NR"][1:5]
}

func keyOf(name string) []string {
	src := accountview.Source()
	return src.Stream(name).Key
}

func identity(row map[string]json.RawMessage, key []string) string {
	var words []string
	for _, k := range key {
		words = append(words, string(row[k]))
	}
	return strings.Join(words, " ")
}

// output is what a run left behind.
type output struct {
	*testing.T
	source  *stream.Source
	report  *engine.Report
	text    []byte
	records []record
	states  []json.RawMessage
	state   json.RawMessage // the last one
	log     []logged
	asked   []emulator.Entry
	began   time.Time
	took    time.Duration
}

// record is a line of stdout.
type record struct {
	stream string
	row    map[string]json.RawMessage
}

// logged is a line of the log.
type logged struct {
	level, text string // the whole line as JSON
}

// read takes the messages apart.
func (o *output) read() {
	o.Helper()
	for line := range bytes.Lines(o.text) {
		if value, ok := bytes.CutPrefix(line, []byte(`{"type":"STATE","value":`)); ok {
			o.state = json.RawMessage(bytes.TrimSuffix(value, []byte("}\n")))
			o.states = append(o.states, o.state)
			continue
		}
		var m struct {
			Type, Stream string
			Record       map[string]json.RawMessage
		}
		require.NoError(o, json.Unmarshal(line, &m))
		if m.Type == "RECORD" {
			o.records = append(o.records, record{m.Stream, m.Record})
		}
	}
}

// of are the last records of a stream by their key, and how many there were.
func (o *output) of(stream string) (rows map[string]map[string]json.RawMessage, n int) {
	rows = map[string]map[string]json.RawMessage{}
	key := keyOf(stream)
	for _, r := range o.records {
		if r.stream == stream {
			rows[identity(r.row, key)] = r.row
			n++
		}
	}
	return rows, n
}

// result is what became of a stream.
func (o *output) result(stream string) engine.Result {
	o.Helper()
	for _, r := range o.report.Streams {
		if r.Stream == stream {
			return r
		}
	}
	require.Fail(o, "no result of "+stream)
	return engine.Result{}
}

// complete wants every stream to have come to its end.
func (o *output) complete() *output {
	o.Helper()
	require.NoError(o, o.report.Err)
	for _, r := range o.report.Streams {
		require.NoError(o, r.Err, r.Stream)
		require.Empty(o, r.Refused, r.Stream)
	}
	return o
}

// warnings are the lines at that level that hold a text.
func (o *output) warnings(text string) []string {
	var out []string
	for _, l := range o.log {
		if l.level == "WARN" && strings.Contains(l.text, text) {
			out = append(out, l.text)
		}
	}
	return out
}

// calls are the requests for the rows of a stream; "" is all.
func (o *output) calls(resource string) []emulator.Entry {
	var out []emulator.Entry
	for _, e := range o.asked {
		if resource == "" || e.Resource == resource {
			out = append(out, e)
		}
	}
	return out
}

// bookmark is a member of the company's state, "" for none.
func (o *output) bookmark(stream, member string) string {
	o.Helper()
	var s struct {
		Bookmarks map[string]struct {
			Partitions map[string]map[string]json.RawMessage
		}
	}
	require.NoError(o, json.Unmarshal(o.state, &s))
	return strings.Trim(string(s.Bookmarks[stream].Partitions[first][member]), `"`)
}

// whole wants a stream to have come as it is, each row once, with what it holds.
func (s *site) whole(out *output, stream string) {
	s.Helper()
	got, n := out.of(stream)
	require.Len(s, got, n, "%s: a row comes twice", stream)
	s.same(out, stream)
}

// same is whole but for rows that may come again.
func (s *site) same(out *output, stream string) {
	s.Helper()
	want := s.truth(stream)
	got, _ := out.of(stream)
	require.Equal(s, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), stream)
	for id, row := range got {
		for member, raw := range row {
			told, ok := want[id][member]
			if !ok || bytes.Contains(told, []byte("T")) && bytes.HasPrefix(told, []byte(`"20`)) {
				continue // a time, or what the truth does not have
			}
			if told[0] == '[' { // comes as text
				var text string
				require.NoError(s, json.Unmarshal(raw, &text), "%s %s: %s", stream, id, member)
				raw = json.RawMessage(text)
			}
			if string(told) != string(raw) {
				var a, b any
				require.NoError(s, json.Unmarshal(told, &a))
				require.NoError(s, json.Unmarshal(raw, &b))
				require.Equal(s, a, b, "%s %s: %s", stream, id, member)
			}
		}
	}
}

// lockedBuffer takes log lines of many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// between stands between the tap and the stand-in: answer may give an answer in
// the stand-in's place, nil passes the request on.
func between(answer func(*http.Request) *http.Response) func(http.RoundTripper) http.RoundTripper {
	return func(inner http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if resp := answer(r); resp != nil {
				return resp, nil
			}
			return inner.RoundTrip(r)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes one.
func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}

// wide is a config under which nothing is too old: history goes back to 2020.
var wide = map[string]any{"start_date": "2015-01-01"}
