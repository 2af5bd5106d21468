package sitetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Ask is one run of the tap, with the command's defaults.
type Ask struct {
	Only        []string       // as --select
	Catalog     []byte         // as --catalog, a file that discovery wrote
	Discover    bool           // the streams are found first, those of the site otherwise
	Config      map[string]any // laid over that of the site; nil takes a setting away
	State       json.RawMessage
	Concurrency int
	FullRefresh []string
	Since       time.Time
	Network     func(http.RoundTripper) http.RoundTripper // between the client and the stand-in
	Stop        <-chan struct{}                           // a signal
	Tally       bool                                      // records are counted and not kept: there are many
}

// Run runs the tap once and checks what holds for every run: what was written
// loads everywhere, and no secret is told.
func (s *Site) Run(a Ask) *Output {
	s.Helper()
	out := &Output{T: s.T, Source: s.Source}
	var kept bytes.Buffer
	var logs Log
	var to io.Writer = &kept
	if a.Tally {
		to = tally{to, &out.Count}
	}
	require.NoError(s, s.Server.Reset(s.Source.Name))
	began := time.Now()
	out.Report = s.run(a, out, to, slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	out.Took = time.Since(began)
	out.Text, out.Log = kept.Bytes(), logs.String()
	out.read()
	var err error
	out.Asked, err = s.Server.Log(s.Source.Name)
	require.NoError(s, err)
	out.Stats, err = s.Server.Stats(s.Source.Name)
	require.NoError(s, err)
	if !a.Tally {
		report, err := singer.Lint(bytes.NewReader(out.Text))
		require.NoError(s, err)
		require.True(s, report.OK(), "%s", report.AppendText(nil))
	}
	for _, secret := range s.place.Secrets {
		require.NotContains(s, string(out.Text), secret, "a credential is told")
		require.NotContains(s, out.Log, secret, "a credential is told")
	}
	return out
}

func (s *Site) run(a Ask, out *Output, to io.Writer, log *slog.Logger) *engine.Report {
	s.Helper()
	network := s.Server.Transport()
	if a.Network != nil {
		network = a.Network(network)
	}
	client, c := s.connect(a.Config, network, log)
	defer client.Close()
	ctx, stop := context.WithCancelCause(s.Context())
	defer stop(nil)
	if a.Stop != nil {
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-a.Stop:
				stop(&fault.Error{Kind: fault.Transient, Whole: true, Op: "signal"})
			case <-gone:
			}
		}()
	}
	state, err := singer.LoadState(a.State)
	require.NoError(s, err)
	writer := singer.NewWriter(to)
	var given *singer.Catalog
	if a.Catalog != nil {
		given, _, err = singer.LoadCatalog(a.Catalog)
		require.NoError(s, err)
	}
	src := s.Source.For(c.Stream)
	if a.Discover {
		if src, err = found(stream.Telling(ctx, log.Warn), src, client, c.Stream, given); err != nil {
			require.NoError(s, writer.Final(state))
			return &engine.Report{Err: err}
		}
	}
	out.Source = src
	return engine.Run(ctx, engine.Options{
		Source: src, Config: c.Stream, Tasks: s.tasks(src, given, a.Only), State: state, Fetcher: client, Out: writer, Log: log,
		Concurrency: cmp.Or(a.Concurrency, 4), Start: c.Start, End: c.End, Since: a.Since, HoldState: !a.Since.IsZero(),
		Window: c.WindowDays, Lookback: c.Lookback, FullRefresh: a.FullRefresh,
	})
}

// connect makes the client as the command does.
func (s *Site) connect(more map[string]any, network http.RoundTripper, log *slog.Logger) (*httpx.Client, *config.Loaded) {
	s.Helper()
	c, err := s.Check(more)
	require.NoError(s, err)
	require.Empty(s, c.Warnings)
	opt := httpx.Options{
		Source: s.Source, Config: c.Stream, APIURL: c.APIURL,
		Budget:    budget.New(s.Source.Limits, budget.Options{RequestsPerSecond: c.RequestsPerSecond, Config: c.Stream}),
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxRetries: cmp.Or(c.MaxRetries, httpx.NoRetries), MaxResponse: c.MaxResponse,
		Log: log, Secrets: c.Secrets(), Transport: network, Rand: func() float64 { return 0.5 },
	}
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: c.Secret, Store: c.TokenStore})
	require.NoError(s, err)
	client, err := httpx.New(opt)
	require.NoError(s, err)
	return client, c
}

// found returns a source with the streams that it finds at run time, as the
// command does; of what the catalog has, it need not ask.
func found(ctx context.Context, src *stream.Source, f stream.Fetcher, c stream.Config, catalog *singer.Catalog) (*stream.Source, error) {
	var known stream.Known
	if catalog != nil {
		known = func(name string) *stream.Schema {
			if e := catalog.Entry(name); e != nil {
				return e.Schema
			}
			return nil
		}
	}
	more, err := src.Discover(ctx, f, c, known)
	if err != nil {
		return nil, err
	}
	return src.Finding(more), nil
}

// tasks are what is chosen, found as the command does.
func (s *Site) tasks(src *stream.Source, c *singer.Catalog, only []string) []engine.Task {
	s.Helper()
	if c == nil {
		var err error
		c, err = engine.Catalog(src, mentioned(src.Streams, only))
		require.NoError(s, err)
	}
	if only != nil {
		patterns, err := singer.ParsePatterns(only)
		require.NoError(s, err)
		require.Empty(s, patterns.Apply(c))
	}
	return engine.Tasks(c, src.Streams, false)
}

// mentioned are the streams that patterns without wildcards may select: a catalog
// of hundreds takes its time.
func mentioned(streams []stream.Stream, only []string) []stream.Stream {
	if len(only) == 0 || strings.ContainsAny(strings.Join(only, ""), "*?[") {
		return streams
	}
	return slices.DeleteFunc(slices.Clone(streams), func(st stream.Stream) bool {
		return !slices.ContainsFunc(only, func(o string) bool {
			name, _, _ := strings.Cut(strings.TrimPrefix(o, "!"), ".")
			return name == st.Name
		})
	})
}

// tally counts records, and lets the other lines pass.
type tally struct {
	to io.Writer
	n  *int
}

func (c tally) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			*c.n++
		} else if _, err := c.to.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
