package slascone_test

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
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/slascone"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/slascone"
)

const name = "slascone"

// source is the table under test.
var source = slascone.Source()

// noon is when the first run of a test begins.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site is the stand-in, and the config of the tap that reads it, run after run in
// virtual time.
type site struct {
	*testing.T
	server *emulator.Server
	behind *stand.Service
}

// visit opens the stand-in in a bubble and does something there. Limits are real
// unless o says otherwise.
func visit(t *testing.T, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	t.Parallel()
	if o.Records == 0 {
		o.Records = 30
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		s := &site{T: t}
		var err error
		s.server, err = emulator.New(o, stand.Watched(&s.behind))
		require.NoError(t, err)
		do(t, s)
		// A goroutine of a run that stays fails the bubble.
		time.Sleep(time.Minute)
	})
}

// ask is one run. A nil only leaves the choice to the default.
type ask struct {
	only        []string       // as --select; "*" is every stream
	config      map[string]any // laid over the stand-in's own
	state       json.RawMessage
	concurrency int
	refresh     []string
	since, end  time.Time
	network     func(http.RoundTripper) http.RoundTripper
}

// load checks a config as the command does.
func (s *site) check(more map[string]any) (*config.Loaded, error) {
	s.Helper()
	values, err := s.server.Config(name, "http://127.0.0.1:1")
	require.NoError(s, err)
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
	return raw.Check(source)
}

// output is what a run left behind.
type output struct {
	*testing.T
	report *engine.Report
	text   []byte
	rows   map[string][]record
	state  json.RawMessage // the last one
	log    string
	asked  []emulator.Entry
	took   time.Duration
}

// run reads once and checks what holds for every run: what was written loads
// everywhere, the key is not told, and nothing was asked that does something or
// returns a secret.
func (s *site) run(a ask) *output {
	s.Helper()
	out := &output{T: s.T, rows: map[string][]record{}}
	loaded, err := s.check(a.config)
	require.NoError(s, err)
	require.Empty(s, loaded.Warnings)
	src := slascone.Source().For(loaded.Stream)
	var logs lockedBuffer
	log := slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	network := s.server.Transport()
	if a.network != nil {
		network = a.network(network)
	}
	opt := httpx.Options{
		Source: src, Config: loaded.Stream, APIURL: loaded.APIURL,
		Budget:    budget.New(src.Limits, budget.Options{RequestsPerSecond: loaded.RequestsPerSecond, Config: loaded.Stream}),
		UserAgent: loaded.UserAgent, Timeout: loaded.Timeout, MaxRetries: loaded.MaxRetries, MaxResponse: loaded.MaxResponse,
		Log: log, Secrets: loaded.Secrets(), Transport: network, Rand: func() float64 { return 0.5 },
	}
	if opt.MaxRetries == 0 {
		opt.MaxRetries = httpx.NoRetries
	}
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: loaded.Secret, Store: loaded.TokenStore})
	require.NoError(s, err)
	client, err := httpx.New(opt)
	require.NoError(s, err)
	defer client.Close()
	state := singer.NewState()
	if len(a.state) > 0 {
		state, err = singer.LoadState(a.state)
		require.NoError(s, err)
	}
	require.NoError(s, s.server.Reset(name))
	catalog, err := engine.Catalog(src, src.Streams)
	require.NoError(s, err)
	if a.only != nil {
		patterns, err := singer.ParsePatterns(a.only)
		require.NoError(s, err)
		require.Empty(s, patterns.Apply(catalog))
	}
	var kept bytes.Buffer
	o := engine.Options{
		Source: src, Config: loaded.Stream, Tasks: engine.Tasks(catalog, src.Streams, false), State: state, Fetcher: client,
		Out: singer.NewWriter(&kept), Log: log, Concurrency: a.concurrency, Start: loaded.Start, End: loaded.End,
		Since: a.since, HoldState: !a.since.IsZero(), Window: loaded.WindowDays, Lookback: loaded.Lookback, FullRefresh: a.refresh,
	}
	if !a.end.IsZero() {
		o.End = a.end
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4 // the command's
	}
	began := time.Now()
	out.report = engine.Run(s.Context(), o)
	out.took = time.Since(began)
	out.text, out.log = kept.Bytes(), logs.String()
	out.read()
	out.asked, err = s.server.Log(name)
	require.NoError(s, err)

	report, err := singer.Lint(bytes.NewReader(out.text))
	require.NoError(s, err)
	for _, f := range report.Findings {
		// A run that ended early says where.
		ended := out.report.Err != nil && strings.Contains(f.Text, "currently_syncing")
		require.True(s, f.Severity != singer.SeverityError || ended, "%s", f)
	}
	for _, secret := range []string{stand.AdminKey, stand.ProvisioningKey} {
		require.NotContains(s, string(out.text)+out.log, secret, "a credential is told")
	}
	require.Zero(s, s.behind.SideEffects(), "something was done")
	require.Zero(s, s.behind.Secrets(), "a secret was read")
	return out
}

// record is a row as it came, which is read member by member: there are many.
type record []byte

// get is the raw value of a member, nil where it is absent.
func (r record) get(member string) string {
	m := jsonspan.NewMembers(r, 0)
	for m.Next() {
		if m.Named(member) {
			return string(m.Value())
		}
	}
	return ""
}

// text is a member without its quotes.
func (r record) text(member string) string { return strings.Trim(r.get(member), `"`) }

// read takes the messages apart.
func (o *output) read() {
	o.Helper()
	for line := range bytes.Lines(o.text) {
		m := record(line)
		switch m.text("type") {
		case "RECORD":
			o.rows[m.text("stream")] = append(o.rows[m.text("stream")], record(m.get("record")))
		case "STATE":
			o.state = json.RawMessage(m.get("value"))
		}
	}
}

// complete wants every stream to have been read whole, none left out.
func (o *output) complete() *output {
	o.Helper()
	require.NoError(o, o.report.Err)
	for _, r := range o.report.Streams {
		require.NoError(o, r.Err, r.Stream)
		require.False(o, r.Skipped, r.Stream)
	}
	return o
}

// result is what became of a stream.
func (o *output) result(stream string) engine.Result {
	o.Helper()
	i := slices.IndexFunc(o.report.Streams, func(r engine.Result) bool { return r.Stream == stream })
	require.GreaterOrEqual(o, i, 0, stream)
	return o.report.Streams[i]
}

// broken wants a stream to have failed in a way that nobody can overlook.
func (o *output) broken(stream string) {
	o.Helper()
	require.Equal(o, fault.Contract, fault.KindOf(o.result(stream).Err), "%v", o.result(stream).Err)
}

// warnings are the lines of the log that a user sees.
func (o *output) warnings() []string {
	var out []string
	for line := range strings.Lines(o.log) {
		if strings.Contains(line, `"level":"WARN"`) {
			out = append(out, line)
		}
	}
	return out
}

// calls are the requests for a resource of the stand-in.
func (o *output) calls(resource string) []emulator.Entry {
	return slices.DeleteFunc(slices.Clone(o.asked), func(e emulator.Entry) bool { return e.Resource != resource })
}

// keys are the keys of a stream's records, in their order.
func (o *output) keys(stream string) []string {
	out := []string{}
	for _, row := range o.rows[stream] {
		out = append(out, key(stream, row))
	}
	return out
}

func key(stream string, row record) string {
	var parts []string
	for _, k := range source.Stream(stream).Key {
		parts = append(parts, row.text(k))
	}
	return strings.Join(parts, "/")
}

// truth are the keys of all rows that a stream should have.
func (s *site) truth(stream string) []string {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.server.Truth(&b, name, stream))
	out := []string{}
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, key(stream, record(line)))
	}
	return out
}

// whole wants the records of streams to be those that the service has, each once.
func (s *site) whole(o *output, streams ...string) {
	s.Helper()
	for _, name := range streams {
		want, have := s.truth(name), o.keys(name)
		slices.Sort(want)
		slices.Sort(have)
		require.Equal(s, want, have, name)
	}
}

// all are the names of every stream.
func all() []string {
	var out []string
	for i := range source.Streams {
		out = append(out, source.Streams[i].Name)
	}
	return out
}

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var _ io.Writer = (*lockedBuffer)(nil)
