package buchhaltungsbutler_test

import (
	"bytes"
	"encoding/json"
	"errors"
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
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const name = "buchhaltungsbutler"

var source = buchhaltungsbutler.Source()

// noon is when the first run of a test begins: an hour later in Germany.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site is the stand-in, run after run in virtual time.
type site struct {
	*testing.T
	server *emulator.Server
	behind *stand.Service
}

// visit opens the stand-in in a bubble and does something there. Limits are real.
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
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		s := &site{T: t}
		var err error
		s.server, err = emulator.New(o, stand.Watched(&s.behind))
		require.NoError(t, err)
		do(t, s)
		// A goroutine of a run that stays fails the bubble.
		time.Sleep(2 * time.Minute)
	})
}

// ask is one run.
type ask struct {
	only    []string       // streams; nil: the default
	config  map[string]any // laid over the stand-in's own
	state   json.RawMessage
	refresh []string
	since   time.Time
	network func(http.RoundTripper) http.RoundTripper
	lanes   int
}

func (s *site) load(more map[string]any) *config.Loaded {
	s.Helper()
	values, err := s.server.Config(name, "http://127.0.0.1:1")
	require.NoError(s, err)
	maps.Copy(values, more)
	text, err := json.Marshal(values)
	require.NoError(s, err)
	path := filepath.Join(s.TempDir(), "config.json")
	require.NoError(s, os.WriteFile(path, text, 0o600))
	raw, err := config.Read([]string{path}, nil)
	require.NoError(s, err)
	loaded, err := raw.Check(source)
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
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: c.Secret})
	require.NoError(s, err)
	client, err := httpx.New(opt)
	require.NoError(s, err)
	return client
}

// run reads once and checks what holds for every run: what was written loads
// everywhere, no credential is told, and the limit is kept.
func (s *site) run(a ask) *output {
	s.Helper()
	out := &output{T: s.T}
	loaded := s.load(a.config)
	src := buchhaltungsbutler.Source().For(loaded.Stream)
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
	c, err := engine.Catalog(src, src.Streams)
	require.NoError(s, err)
	if a.only != nil {
		patterns, err := singer.ParsePatterns(a.only)
		require.NoError(s, err)
		require.Empty(s, patterns.Apply(c))
	}
	require.NoError(s, s.server.Reset(name))
	var kept bytes.Buffer
	o := engine.Options{
		Source: src, Config: loaded.Stream, Tasks: engine.Tasks(c, src.Streams, false), State: state, Fetcher: client,
		Out: singer.NewWriter(&kept), Log: log, Concurrency: 4, Start: loaded.Start, End: loaded.End,
		Since: a.since, Window: loaded.WindowDays, Lookback: loaded.Lookback, FullRefresh: a.refresh,
	}
	if a.lanes > 0 {
		o.Concurrency = a.lanes
	}
	began := time.Now()
	out.report = engine.Run(s.Context(), o)
	out.took = time.Since(began)
	out.text = kept.Bytes()
	out.read()
	out.log = logs.String()
	report, err := singer.Lint(bytes.NewReader(out.text))
	require.NoError(s, err)
	require.True(s, report.OK(), "%s", report.AppendText(nil))
	for _, secret := range []string{stand.Secret, stand.Key} {
		require.NotContains(s, string(out.text), secret, "a credential is told")
		require.NotContains(s, out.log, secret, "a credential is told")
	}
	out.asked, err = s.server.Log(name)
	require.NoError(s, err)
	out.stats, err = s.server.Stats(name)
	require.NoError(s, err)
	require.LessOrEqual(s, out.stats.MaxPerMinute, 100, "calls in any 60 seconds")
	return out
}

// change disturbs the stand-in's rows.
func (s *site) change(c emulator.Change) emulator.Report {
	s.Helper()
	if c.At.IsZero() {
		c.At = time.Now()
	}
	reports, err := s.server.Change(name, c)
	require.NoError(s, err)
	require.Len(s, reports, 1)
	return reports[0]
}

// truth are the rows that a stream should have, by key.
func (s *site) truth(stream string) map[string]map[string]json.RawMessage {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.server.Truth(&b, name, stream))
	table := source.Stream(strings.TrimSuffix(stream, "/offers"))
	out := map[string]map[string]json.RawMessage{}
	for line := range bytes.Lines(b.Bytes()) {
		var row map[string]json.RawMessage
		require.NoError(s, json.Unmarshal(line, &row))
		out[keyOf(table, row)] = row
	}
	return out
}

func keyOf(s *stream.Stream, row map[string]json.RawMessage) string {
	parts := make([]string, len(s.Key))
	for i, k := range s.Key {
		parts[i] = strings.Trim(string(row[k]), `"`)
	}
	return strings.Join(parts, "|")
}

// whole wants a stream to have written the truth and nothing else, in the last
// version of each row.
func (s *site) whole(out *output, names ...string) {
	s.Helper()
	for _, stream := range names {
		s.holds(out.of(stream), s.truth(stream), stream)
	}
}

// holds compares records with rows.
func (s *site) holds(records []map[string]json.RawMessage, want map[string]map[string]json.RawMessage, name string) {
	s.Helper()
	table := source.Stream(name)
	schema, err := engine.Schema(source, table)
	require.NoError(s, err)
	got := map[string]map[string]json.RawMessage{}
	for _, r := range records {
		got[keyOf(table, r)] = r
	}
	require.Equal(s, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), "%s: rows", name)
	for key, row := range want {
		for member, raw := range row {
			p := schema.Property(member)
			if p == nil {
				require.Contains(s, string(got[key]["_rescued_data"]), member, "%s: %s", name, key)
				continue
			}
			require.Equal(s, expected(p, raw), string(got[key][member]), "%s: %s of %s", name, member, key)
		}
	}
}

var berlin, _ = time.LoadLocation("Europe/Berlin")

// expected is the literal that a value of the vendor becomes.
func expected(p *singer.Schema, raw json.RawMessage) string {
	text := string(raw)
	quoted := raw[0] == '"'
	var inner string
	_ = json.Unmarshal(raw, &inner)
	switch {
	case text == "null" || p.Type != "string" && quoted && inner == "" || p.Format != "" && inner == "":
		return "null"
	case p.Format == "date":
		return `"` + inner[:10] + `"`
	case p.Format == "date-time":
		at, err := time.ParseInLocation(time.DateTime, inner, berlin)
		if err != nil {
			return err.Error()
		}
		return at.UTC().Format(`"2006-01-02T15:04:05Z"`)
	case p.Type == "string" && !quoted:
		return `"` + text + `"`
	case p.Type == "boolean" && quoted:
		return map[string]string{"0": "false", "1": "true"}[inner]
	case (p.Type == "integer" || p.Type == "number") && quoted:
		return inner
	}
	return text
}

// output is what a run left behind.
type output struct {
	*testing.T
	report  *engine.Report
	text    []byte
	records map[string][]map[string]json.RawMessage
	state   json.RawMessage // the last one
	log     string
	asked   []emulator.Entry
	stats   emulator.Stats
	took    time.Duration
}

func (o *output) read() {
	o.Helper()
	o.records = map[string][]map[string]json.RawMessage{}
	for line := range bytes.Lines(o.text) {
		var m struct {
			Type, Stream string
			Record       map[string]json.RawMessage
			Value        json.RawMessage
		}
		require.NoError(o, json.Unmarshal(line, &m))
		switch m.Type {
		case "RECORD":
			o.records[m.Stream] = append(o.records[m.Stream], m.Record)
		case "STATE":
			o.state = m.Value
		}
	}
}

func (o *output) of(stream string) []map[string]json.RawMessage { return o.records[stream] }

// ids are the values of a member of a stream's records, in order.
func (o *output) values(stream, member string) []string {
	var out []string
	for _, r := range o.of(stream) {
		out = append(out, strings.Trim(string(r[member]), `"`))
	}
	return out
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

// bookmark is a member of a stream's state, "" for none.
func (o *output) bookmark(stream, member string) string {
	o.Helper()
	var s struct {
		Bookmarks map[string]map[string]json.RawMessage
	}
	require.NoError(o, json.Unmarshal(o.state, &s))
	return strings.Trim(string(s.Bookmarks[stream][member]), `"`)
}

// calls are the requests of a resource.
func (o *output) calls(resource string) int {
	n := 0
	for _, e := range o.asked {
		if e.Resource == resource {
			n++
		}
	}
	return n
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

// failing lets so many calls through and breaks the next ones.
func failing(after int) func(http.RoundTripper) http.RoundTripper {
	return func(inner http.RoundTripper) http.RoundTripper {
		n := 0
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n > after-1 {
				return nil, errors.New("the line is dead")
			}
			return inner.RoundTrip(r)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
