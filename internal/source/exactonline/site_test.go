package exactonline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const name = "exact_online"

// source is the table under test.
var source = exactonline.Source()

// The stand-in's divisions: the first two can be read.
const (
	first, second               = "812345", "813456"
	inactive, archived, blocked = "814567", "815678", "816789"
	ungranted                   = "817900"
)

// noon is when the first run of a test begins: a minute and an hour begin too.
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
		o.Records = 12
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	store := filepath.Join(t.TempDir(), "tokens.json")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		s := &site{T: t, store: store}
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
	only        []string       // as --select
	catalog     []byte         // as --catalog
	config      map[string]any // laid over the stand-in's own
	state       json.RawMessage
	concurrency int
	refresh     []string // as --full-refresh
	since       time.Time
	network     func(http.RoundTripper) http.RoundTripper
	out         func(io.Writer) io.Writer
	stop        <-chan struct{}
	rough       bool // the output ends early, or is not looked at
}

// load checks a config as the command does.
func (s *site) load(more map[string]any) *config.Loaded {
	s.Helper()
	loaded, err := s.check(more)
	require.NoError(s, err)
	require.Empty(s, loaded.Warnings)
	return loaded
}

func (s *site) check(more map[string]any) (*config.Loaded, error) {
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
	return raw.Check(source)
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
// everywhere, no credential is told, the key is not locked, and no endpoint of a
// division refuses more than the vendor bears.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.start(a)
	if !a.rough {
		report, err := singer.Lint(bytes.NewReader(out.text))
		require.NoError(s, err)
		require.True(s, report.OK(), "%s", report.AppendText(nil))
	}
	for _, secret := range []string{stand.ClientSecret, stand.RefreshToken, "stampNL001"} {
		require.NotContains(s, string(out.text), secret, "a credential is told")
		for _, l := range out.log {
			require.NotContains(s, l.text, secret, "a credential is told")
		}
	}
	require.False(s, s.behind.Blocked(), "the key is locked")
	for at, n := range refusals(out.asked) {
		require.LessOrEqual(s, n, 10, "refusals of %s", at)
	}
	return out
}

func (s *site) start(a ask) *output {
	s.Helper()
	out := &output{T: s.T}
	loaded := s.load(a.config)
	src := exactonline.Source().For(loaded.Stream)
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
	var kept bytes.Buffer
	var to io.Writer = &kept
	if a.out != nil {
		to = a.out(to)
	}
	require.NoError(s, s.server.Reset(name))
	ctx, stop := context.WithCancelCause(s.Context())
	defer stop(nil)
	if a.stop != nil {
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-a.stop:
				stop(&fault.Error{Kind: fault.Transient, Whole: true, Op: "signal"})
			case <-gone:
			}
		}()
	}
	o := engine.Options{
		Source: src, Config: loaded.Stream, Tasks: s.tasks(src, a), State: state, Fetcher: client,
		Out: singer.NewWriter(to), Log: log, Concurrency: a.concurrency, Start: loaded.Start, End: loaded.End,
		Since: a.since, HoldState: !a.since.IsZero(), Window: loaded.WindowDays, Lookback: loaded.Lookback, FullRefresh: a.refresh,
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4 // the command's
	}
	out.began = time.Now()
	out.report = engine.Run(ctx, o)
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
	out.stats, err = s.server.Stats(name)
	require.NoError(s, err)
	return out
}

// tasks are what is chosen, found as the command does.
func (s *site) tasks(src *stream.Source, a ask) []engine.Task {
	s.Helper()
	streams := src.Streams
	if len(a.only) > 0 && !strings.Contains(strings.Join(a.only, " "), "*") {
		// A catalog of all 375 takes its time.
		streams = slices.DeleteFunc(slices.Clone(streams), func(st stream.Stream) bool {
			return !slices.ContainsFunc(a.only, func(o string) bool { n, _, _ := strings.Cut(o, "."); return n == st.Name })
		})
	}
	c, err := engine.Catalog(src, streams)
	require.NoError(s, err)
	if a.catalog != nil {
		c, _, err = singer.LoadCatalog(a.catalog)
		require.NoError(s, err)
	}
	if a.only != nil {
		patterns, err := singer.ParsePatterns(a.only)
		require.NoError(s, err)
		require.Empty(s, patterns.Apply(c))
	}
	return engine.Tasks(c, streams, false)
}

// change disturbs the stand-in's rows.
func (s *site) change(c emulator.Change) emulator.Report {
	s.Helper()
	reports, err := s.server.Change(name, c)
	require.NoError(s, err)
	require.Len(s, reports, 1)
	return reports[0]
}

// truth are the keys of all rows that a stream should have, by division.
func (s *site) truth(stream, key string) map[string]map[string]string {
	s.Helper()
	var b bytes.Buffer
	require.NoError(s, s.server.Truth(&b, name, stream))
	out := map[string]map[string]string{}
	for line := range bytes.Lines(b.Bytes()) {
		var row map[string]json.RawMessage
		require.NoError(s, json.Unmarshal(line, &row))
		division := string(row["_division"])
		if out[division] == nil {
			out[division] = map[string]string{}
		}
		out[division][text(row, key)] = text(row, "Timestamp")
	}
	return out
}
