package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/schema"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// today is when runs begin: after the last instant of every stand-in's data.
var today = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// midnight is the first one after today at the sites of most vendors, where an
// instant may look like a plain date.
var midnight = time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)

// origin is where the stand-in would listen.
const origin = "http://127.0.0.1:1"

// subject is one source under test.
type subject struct {
	src    *stream.Source
	plugin emulator.Plugin
	root   string // of the repository, for the golden files
	update bool   // write them instead of comparing
	// way is the one to the rows that settings insist on, "" for none.
	way      string
	settings map[string]any
	// guess are the faults of the position that the stand-in is in, "" for its own;
	// plain is the subject there, of which streams are chosen.
	guess string
	plain *subject

	// Syncs of small tables, see base, everything and usual.
	onceBase, onceAll, onceUsual sync.Once
	basic, complete, sampled     *output

	// What discovery found, see all.
	onceFound sync.Once
	streams   []stream.Stream

	// What is worked out again and again.
	mu         sync.Mutex
	oracles    map[string]*oracle // by stream and schema
	free       []standIn          // see open
	onceReps   sync.Once
	reps       []*stream.Stream // see representatives
	onceChg    sync.Once
	chg        []*stream.Stream // see changing
	onceSome   sync.Once
	few        []*stream.Stream // see some
	onceParts  sync.Once
	onceOrders sync.Once
	shuffled   bool                          // see shuffles
	parts      map[string][]stream.Partition // see expanded
	schemas    map[string]*singer.Schema
	sizes      map[string]int   // of pages, see pageSize
	checked    map[*record]bool // see firstLook
	twins      map[string]bool  // by stream, see sharing
	byName     map[string]*stream.Stream
	validators map[string]*schema.Validator
	volatile   map[string]map[string]bool
}

// standIn is one that no test uses now, and the options that it was opened with.
type standIn struct {
	kind   string
	server *emulator.Server
}

// spare is how many of these are kept, those that were used last: each holds its
// tables.
const spare = 6

// open opens the stand-in. Limits are off unless asked for. Stand-ins that a
// test is done with are used again, as they were at first: opening one costs
// more than many a run.
func (s *subject) open(t testing.TB, o emulator.Options) *emulator.Server {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	o.Faults = strings.Trim(s.guess+","+o.Faults, ",")
	kind := fmt.Sprint(o)
	s.mu.Lock()
	var server *emulator.Server
	if i := slices.IndexFunc(s.free, func(f standIn) bool { return f.kind == kind }); i >= 0 {
		server = s.free[i].server // before the call, which moves what is behind
		s.free = slices.Delete(s.free, i, i+1)
	}
	s.mu.Unlock()
	if server == nil {
		atTime(t, today, func() {
			var err error
			server, err = emulator.New(o, s.plugin)
			require.NoError(t, err)
		})
	} else {
		s.reset(t, server)
	}
	used := server
	t.Cleanup(func() {
		done := used
		used = nil // a test keeps its clean-ups for as long as the whole suite runs
		if t.Failed() {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.free) == spare {
			s.free = slices.Delete(s.free, 0, 1)
		}
		s.free = append(s.free, standIn{kind, done})
	})
	return server
}

// small is the size of the large streams where nothing else is asked for.
func (s *subject) small() int {
	if len(s.src.Streams) > 100 {
		return 12
	}
	return 30
}

func (s *subject) openSmall(t testing.TB) *emulator.Server {
	t.Helper()
	return s.open(t, emulator.Options{Records: s.small(), Seed: 1})
}

// base is a complete first sync of small tables, shared by the cases that only
// look at it.
func (s *subject) base(t testing.TB) *output {
	t.Helper()
	s.onceBase.Do(func() { s.share(&s.basic, s.sync(t, s.openSmall(t), ask{})) })
	require.NotNil(t, s.basic, "the shared sync has failed in another case")
	return s.basic
}

func (s *subject) share(where **output, out *output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*where = out
}

// usual is base, or where the cases read some streams a sync of these with all
// fields.
func (s *subject) usual(t testing.TB) *output {
	t.Helper()
	list := s.some(t)
	if list == nil {
		return s.base(t)
	}
	s.onceUsual.Do(func() { s.share(&s.sampled, s.sync(t, s.openSmall(t), ask{only: list})) })
	require.NotNil(t, s.sampled, "the shared sync of some streams has failed in another case")
	return s.sampled
}

// ask is one run of the tap.
type ask struct {
	config map[string]any // laid over the stand-in's own
	// only selects these streams with all their fields, by a catalog that has
	// no others; keys deselects every field that can be. choose edits the
	// catalog that discovery gave.
	only   []*stream.Stream
	keys   bool
	choose func(*singer.Catalog)
	state  json.RawMessage // nil: a first run

	// store is the file of tokens that replace themselves; "" is a new one.
	store string

	concurrency  int       // 0: the command's default
	at           time.Time // when it begins; zero: today
	fixed        bool      // the engine's clock stands still
	fullRefresh  []string
	maxRecords   int64
	since, until time.Time

	skew time.Duration // how far the vendor's clock, told in Date, is behind
	// page is called as each page is about to go out.
	page func(emulator.Page)
	// signal is called once the run begins and returns what ends it when closed.
	signal  func() <-chan struct{}
	timeout time.Duration
	// network stands between the client and the stand-in.
	network func(http.RoundTripper) http.RoundTripper
	// stdout stands between the writer and what is kept.
	stdout func(io.Writer) io.Writer
	// partial says that the output of the run may end early.
	partial bool
}

// output is what a run left behind.
type output struct {
	text   []byte
	lines  []message
	report *engine.Report
	log    string
	store  string // the file of tokens
	// watched: a hook saw its pages, and may have moved rows.
	watched bool
	// truthless tells whether the stand-in has no rows of a stream.
	truthless func(name string) bool
	took      time.Duration
	began     time.Time
	ended     time.Time
	asked     []emulator.Entry // requests, oldest first
	// finding is how many of them, but for those for tokens, discovery made.
	finding int
	stats   emulator.Stats

	mu       sync.Mutex
	byStream map[string][]record
}

// defaultConcurrency is that of the command.
const defaultConcurrency = 4

// sync runs the tap once, in virtual time, and checks what holds for every run:
// no secret is told, and what was written loads everywhere.
func (s *subject) sync(t testing.TB, server *emulator.Server, a ask) *output {
	t.Helper()
	if a.store == "" {
		a.store = filepath.Join(t.TempDir(), "tokens.json")
	}
	loaded := s.load(t, server, with(a.config, "token_store", a.store))
	var given *singer.Catalog
	if a.chooses() {
		given = s.catalog(t, s.src.For(loaded.Stream), a)
	}
	require.NoError(t, server.Reset(s.src.Name))
	if a.page != nil {
		server.OnPage(a.page)
		defer server.OnPage(nil)
	}
	out := &output{}
	var logged sitetest.Log
	var hosts strays
	var err error
	ran := false
	synctest.Test(t.(*testing.T), func(t *testing.T) {
		begin := a.at
		if begin.IsZero() {
			begin = today
		}
		time.Sleep(time.Until(begin))
		began := time.Now()
		log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		err = s.run(t.Context(), server, loaded, given, log, a, &hosts, out)
		out.ended = time.Now()
		out.began, out.took = began, out.ended.Sub(began)
		// Answers that nobody waits for any more come to their end; a goroutine
		// that stays fails the bubble.
		time.Sleep(time.Minute)
		ran = true
	})
	require.True(t, ran, "the run did not come to its end")
	require.Empty(t, hosts.all(), "another host than the configured one was asked")
	out.log = logged.String()
	out.store, out.watched = a.store, a.page != nil
	out.truthless = func(name string) bool { return len(s.truth(t, server, name)) == 0 }
	s.discreet(t, loaded, out, err)
	require.NoError(t, err)
	out.lines = parse(t, out.text)
	out.asked, err = server.Log(s.src.Name)
	require.NoError(t, err)
	out.stats, err = server.Stats(s.src.Name)
	require.NoError(t, err)
	if !a.partial {
		s.loads(t, out)
	}
	return out
}

// load checks a config as the command does.
func (s *subject) load(t testing.TB, server *emulator.Server, more map[string]any) *config.Loaded {
	t.Helper()
	values := s.config(t, server)
	maps.Copy(values, more)
	text, err := json.Marshal(values)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	raw, err := config.Read([]string{path}, nil)
	require.NoError(t, err)
	loaded, err := raw.Check(s.src)
	require.NoError(t, err)
	require.Empty(t, loaded.Warnings, "the stand-in's own config is fine")
	return loaded
}

// connect makes the client as the command does, with the stand-in as its
// network.
func (s *subject) connect(network http.RoundTripper, c *config.Loaded, log *slog.Logger) (*httpx.Client, error) {
	retries := c.MaxRetries
	if retries == 0 {
		retries = httpx.NoRetries
	}
	opt := httpx.Options{
		Source: s.src, Config: c.Stream, APIURL: c.APIURL,
		Budget:    budget.New(s.src.Limits, budget.Options{RequestsPerSecond: c.RequestsPerSecond, Config: c.Stream}),
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxRetries: retries, MaxResponse: c.MaxResponse,
		Transport: network, Log: log, Secrets: c.Secrets(),
		Rand: func() float64 { return 0.5 },
	}
	var err error
	if opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: c.Secret, Store: c.TokenStore}); err != nil {
		return nil, err
	}
	return httpx.New(opt)
}

// run does what the command does from a checked config on, and leaves in out what
// was written and reported.
func (s *subject) run(ctx context.Context, server *emulator.Server, c *config.Loaded, given *singer.Catalog, log *slog.Logger, a ask, hosts *strays, out *output) error {
	started := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if a.timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, a.timeout, errLimit)
		defer end()
	}
	if a.signal != nil {
		signal, gone := a.signal(), make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-signal:
				stop(errSignal)
			case <-gone:
			}
		}()
	}
	var network http.RoundTripper = foreign{server.Transport(), hosts}
	if a.network != nil {
		network = a.network(network)
	}
	if a.skew > 0 {
		network = skewed{network, a.skew}
	}
	client, err := s.connect(network, c, log)
	if err != nil {
		return err
	}
	defer client.Close()
	state, err := singer.LoadState(a.state)
	if err != nil {
		return err
	}
	var kept bytes.Buffer
	defer func() {
		out.text = bytes.Clone(kept.Bytes())
		kept = bytes.Buffer{} // it has room to spare, and may be held for as long as the output
	}()
	var to io.Writer = &kept
	if a.stdout != nil {
		to = a.stdout(to)
	}
	writer := singer.NewWriter(to)
	asking := &counting{Fetcher: client}
	src, err := found(ctx, s.src.For(c.Stream), asking, c.Stream, known(given))
	out.finding = int(asking.n.Load())
	if err != nil {
		// Nothing was read, so what was given still holds.
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if werr := writer.Final(state); werr != nil {
			err = werr
		}
		out.report = &engine.Report{Err: err}
		return nil
	}
	catalog := given
	if catalog == nil {
		if catalog, err = engine.Catalog(src, src.Streams); err != nil {
			return err
		}
	}
	for i := range src.Streams {
		if cursor := src.Streams[i].Cursor; cursor != nil {
			if err := state.Normalize(src.Streams[i].Name, cursor.Field); err != nil {
				return err
			}
		}
	}
	o := engine.Options{
		Source: src, Config: c.Stream, Tasks: engine.Tasks(catalog, src.Streams, !c.SelectFieldsByDefault),
		State: state, Fetcher: client, Out: writer, Log: log,
		Concurrency: a.concurrency, Start: c.Start, End: c.End, Since: a.since,
		Window: c.WindowDays, Lookback: c.Lookback,
		HoldState:   a.maxRecords > 0 || !a.since.IsZero() || !a.until.IsZero(),
		FullRefresh: a.fullRefresh, MaxRecords: a.maxRecords,
	}
	if !a.until.IsZero() && (o.End.IsZero() || a.until.Before(o.End)) {
		o.End = a.until
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	if a.fixed {
		o.Now = func() time.Time { return started }
	}
	out.report = engine.Run(ctx, o)
	return nil
}

// chooses tells whether the run is given a catalog.
func (a *ask) chooses() bool { return len(a.only) > 0 || a.keys || a.choose != nil }

// catalog is what the user hands in: the file that discovery wrote, edited.
func (s *subject) catalog(t testing.TB, src *stream.Source, a ask) *singer.Catalog {
	t.Helper()
	streams := s.all(t)
	if len(a.only) > 0 {
		streams = slices.DeleteFunc(slices.Clone(streams), func(st stream.Stream) bool {
			return !slices.ContainsFunc(a.only, func(o *stream.Stream) bool { return o.Name == st.Name })
		})
	}
	c, err := engine.Catalog(src, streams)
	require.NoError(t, err)
	c, _, err = singer.LoadCatalog(c.AppendJSON(nil))
	require.NoError(t, err)
	for i := range c.Streams {
		e := &c.Streams[i]
		if len(a.only) > 0 {
			e.Root().Set("selected", literal(true))
		}
		for k := range e.Metadata {
			if m := &e.Metadata[k]; len(m.Breadcrumb) > 0 && (a.keys || len(a.only) > 0) {
				m.Set("selected", literal(!a.keys))
			}
		}
	}
	if a.choose != nil {
		a.choose(c)
	}
	return c
}

// moment lets everything in the run's virtual time come as far as it can.
func moment() { time.Sleep(time.Millisecond) }

// errSignal stands for a signal.
var errSignal = &fault.Error{Kind: fault.Transient, Whole: true, Op: "signal"}
