package long

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	standins "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// noon is when the visits begin: half a day before a midnight, after the last
// instant of every stand-in's data.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// site is a stand-in in virtual time and the tap's config for it. Unlike what the
// tests of sources have, it keeps nothing of a run but numbers: what grows is the
// tap's.
type site struct {
	*testing.T
	src    *stream.Source
	server *emulator.Server
	config *config.Loaded
	rows   *tally
}

// visit opens a stand-in and does something there.
func visit(t *testing.T, source string, o emulator.Options, more map[string]any, do func(*site)) {
	t.Helper()
	src := all.Sources()[slices.IndexFunc(all.Sources(), func(s *stream.Source) bool { return s.Name == source })]
	plugins := standins.Plugins()
	dir := t.TempDir()
	o.Seed = 1
	others := goleak.IgnoreCurrent()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		server, err := emulator.New(o, plugins[slices.IndexFunc(plugins, func(p emulator.Plugin) bool { return p.Name == source })])
		require.NoError(t, err)
		values, err := server.Config(source, "http://127.0.0.1:1")
		require.NoError(t, err)
		values["token_store"] = filepath.Join(dir, "tokens.json")
		maps.Copy(values, more)
		text, err := json.Marshal(values)
		require.NoError(t, err)
		path := filepath.Join(dir, "config.json")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		raw, err := config.Read([]string{path}, nil)
		require.NoError(t, err)
		c, err := raw.Check(src)
		require.NoError(t, err)
		do(&site{T: t, src: src.For(c.Stream), server: server, config: c, rows: newTally(o.Records)})
		time.Sleep(2 * time.Minute) // a goroutine that stays fails the bubble
	})
	goleak.VerifyNone(t, others)
}

// tally counts what is written. It knows rows by a hash of their keys.
type tally struct {
	seed    maphash.Seed
	last    map[uint64]struct{}
	records int
	states  int
	state   json.RawMessage
	largest int // state
	keys    []string
}

func newTally(rows int) *tally {
	return &tally{seed: maphash.MakeSeed(), last: make(map[uint64]struct{}, rows)}
}

// Write implements io.Writer for whole lines.
func (c *tally) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			c.records++
			var m struct{ Record map[string]json.RawMessage }
			if err := json.Unmarshal(line, &m); err != nil {
				return 0, err
			}
			var h maphash.Hash
			h.SetSeed(c.seed)
			for _, k := range c.keys {
				_, _ = h.Write(m.Record[k])
			}
			c.last[h.Sum64()] = struct{}{}
		}
		if value, ok := bytes.CutPrefix(line, []byte(`{"type":"STATE","value":`)); ok {
			c.states++
			c.state = append(c.state[:0], bytes.TrimSuffix(value, []byte("}\n"))...)
			c.largest = max(c.largest, len(c.state))
		}
	}
	return len(p), nil
}

// network stands between the tap and the stand-in: it takes its time for each call
// of the API, counts, and looks at the memory every hour.
type network struct {
	http.RoundTripper
	latency time.Duration
	token   string // path of the token endpoint

	mu      sync.Mutex
	calls   int
	refused int
	tokens  []time.Time
	looked  time.Time
	heap    []uint64
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	if n.token != "" && strings.HasSuffix(r.URL.Path, n.token) {
		n.tokens = append(n.tokens, time.Now())
		n.mu.Unlock()
		return n.RoundTripper.RoundTrip(r)
	}
	n.calls++
	if time.Since(n.looked) >= time.Hour {
		n.looked = time.Now()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		n.heap = append(n.heap, m.HeapAlloc)
	}
	n.mu.Unlock()
	resp, err := n.RoundTripper.RoundTrip(r)
	time.Sleep(n.latency) // it answers slowly what it took at once
	if err == nil && resp.StatusCode >= 400 {
		n.mu.Lock()
		n.refused++
		n.mu.Unlock()
	}
	return resp, err
}

// outcome is what a run left behind.
type outcome struct {
	*network
	report *engine.Report
	took   time.Duration
}

// run reads streams, with the calls of the API as slow as latency says.
func (s *site) run(latency time.Duration, state json.RawMessage, concurrency int, select_ ...string) *outcome {
	s.Helper()
	n := &network{RoundTripper: s.server.Transport(), latency: latency}
	if rules, ok := s.src.Auth.(stream.OAuth); ok {
		n.token = rules.Token
	}
	opt := httpx.Options{
		Source: s.src, Config: s.config.Stream, APIURL: s.config.APIURL, Timeout: s.config.Timeout, MaxRetries: cmp.Or(s.config.MaxRetries, httpx.NoRetries),
		Budget:    budget.New(s.src.Limits, budget.Options{Config: s.config.Stream}),
		Transport: n, Secrets: s.config.Secrets(), Rand: func() float64 { return 0.5 },
	}
	var err error
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: s.config.Secret, Store: s.config.TokenStore})
	require.NoError(s, err)
	client, err := httpx.New(opt)
	require.NoError(s, err)
	defer client.Close()
	began := time.Now()
	src := s.src
	if src.Discover != nil {
		more, err := src.Discover(s.Context(), client, s.config.Stream, nil)
		require.NoError(s, err)
		src = src.Finding(more)
	}
	names := map[string]bool{}
	for _, pattern := range select_ {
		name, _, _ := strings.Cut(pattern, ".")
		names[name] = true
		s.rows.keys = src.Stream(name).Key
	}
	catalog, err := engine.Catalog(src, slices.DeleteFunc(slices.Clone(src.Streams), func(st stream.Stream) bool { return !names[st.Name] }))
	require.NoError(s, err)
	patterns, err := singer.ParsePatterns(select_)
	require.NoError(s, err)
	require.Empty(s, patterns.Apply(catalog))
	loaded, err := singer.LoadState(state)
	require.NoError(s, err)
	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	report := engine.Run(ctx, engine.Options{
		Source: src, Config: s.config.Stream, Tasks: engine.Tasks(catalog, src.Streams, false), State: loaded, Fetcher: client,
		Out: singer.NewWriter(s.rows), Log: slog.New(slog.DiscardHandler), Concurrency: concurrency,
		Start: s.config.Start, End: s.config.End, Window: s.config.WindowDays, Lookback: s.config.Lookback,
	})
	return &outcome{network: n, report: report, took: time.Since(began)}
}

// complete wants every stream to have come to its end.
func (o *outcome) complete(t *testing.T) {
	t.Helper()
	require.NoError(t, o.report.Err)
	for _, r := range o.report.Streams {
		require.NoError(t, r.Err, r.Stream)
		require.False(t, r.Skipped, r.Stream)
		require.Empty(t, r.Refused, r.Stream)
	}
}

// flat wants the heap of the last quarter of a run to be no larger than that of its
// second quarter, but for what is kept of each row: its key, as a number.
func (o *outcome) flat(t *testing.T, rows int) {
	t.Helper()
	if len(o.heap) < 8 {
		return
	}
	quarter := len(o.heap) / 4
	second, last := slices.Max(o.heap[quarter:2*quarter]), slices.Max(o.heap[3*quarter:])
	t.Logf("heap after a collection: at most %.1f MiB in the second quarter, %.1f MiB in the last", mib(int64(second)), mib(int64(last)))
	const ofRow = 64
	require.LessOrEqual(t, last, second+second/10+uint64(rows*ofRow), "memory grows")
}
