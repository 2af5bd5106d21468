package sourcetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// found returns a source with the streams that it finds at run time, as the
// command does: found ones replace static ones of the same name.
func found(ctx context.Context, src *stream.Source, f stream.Fetcher, c stream.Config, known stream.Known) (*stream.Source, error) {
	if src.Discover == nil {
		return src, nil
	}
	more, err := src.Discover(ctx, f, c, known)
	if err != nil {
		return nil, err
	}
	whole := *src
	whole.Streams = slices.Clone(src.Streams)
	for _, st := range more {
		if old := whole.Stream(st.Name); old != nil {
			*old = st
		} else {
			whole.Streams = append(whole.Streams, st)
		}
	}
	return &whole, nil
}

// known tells what a catalog has of a stream; nil where there is none.
func known(c *singer.Catalog) stream.Known {
	if c == nil {
		return nil
	}
	return func(name string) *stream.Schema {
		if e := c.Entry(name); e != nil {
			return e.Schema
		}
		return nil
	}
}

// counting counts what is asked through it.
type counting struct {
	stream.Fetcher
	n atomic.Int64
}

// Fetch asks.
func (c *counting) Fetch(ctx context.Context, r *stream.Request) (*stream.Response, error) {
	c.n.Add(1)
	return c.Fetcher.Fetch(ctx, r)
}

// asking runs do with a client of the stand-in, in virtual time, and returns the
// requests that it made of the API, tokens left out.
func (s *subject) asking(t testing.TB, server *emulator.Server, do func(context.Context, *httpx.Client, stream.Config)) []emulator.Entry {
	t.Helper()
	loaded := s.load(t, server, map[string]any{"token_store": filepath.Join(t.TempDir(), "tokens.json")})
	require.NoError(t, server.Reset(s.src.Name))
	synctest.Test(t.(*testing.T), func(t *testing.T) {
		time.Sleep(time.Until(today))
		client, err := s.connect(server.Transport(), loaded, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		defer client.Close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		do(ctx, client, loaded.Stream)
		time.Sleep(time.Minute) // answers that nobody waits for
	})
	asked, err := server.Log(s.src.Name)
	require.NoError(t, err)
	return s.calls(&output{asked: asked})
}

// discover asks the stand-in which streams there are, and returns them with what
// was asked for.
func (s *subject) discover(t testing.TB, known stream.Known) ([]stream.Stream, []emulator.Entry) {
	t.Helper()
	var whole *stream.Source
	asked := s.asking(t, s.openSmall(t), func(ctx context.Context, client *httpx.Client, c stream.Config) {
		var err error
		whole, err = found(ctx, s.src, client, c, known)
		require.NoError(t, err)
	})
	return whole.Streams, asked
}

// all are the streams that there are, static and found.
func (s *subject) all(t testing.TB) []stream.Stream {
	t.Helper()
	if s.src.Discover == nil {
		return s.src.Streams
	}
	s.onceFound.Do(func() { s.streams, _ = s.discover(t, nil) })
	require.NotEmpty(t, s.streams, "discovery has failed in another case")
	return s.streams
}

// expanded are the partitions of a scope that can be read.
func (s *subject) expanded(t testing.TB, scope string) []stream.Partition {
	t.Helper()
	s.onceParts.Do(func() {
		parts := map[string][]stream.Partition{}
		s.asking(t, s.openSmall(t), func(ctx context.Context, client *httpx.Client, c stream.Config) {
			if s.src.Open != nil {
				more, err := s.src.Open(ctx, client, c)
				require.NoError(t, err)
				c = c.With(more)
			}
			for name, scope := range s.src.Scopes {
				list, err := scope.Expand(ctx, client, c)
				require.NoError(t, err)
				parts[name] = slices.DeleteFunc(list, func(p stream.Partition) bool { return p.Skip != "" })
			}
		})
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts = parts
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(t, s.parts, "the partitions could not be listed in another case")
	return s.parts[scope]
}

// askedFirst are the resources that discovery asks for although there is a
// catalog: without them no stream can be read.
func (s *subject) askedFirst(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	if s.src.Discover == nil {
		return out
	}
	_, asked := s.discover(t, known(s.catalog(t, s.src, ask{})))
	for _, e := range asked {
		out[e.Resource] = true
	}
	return out
}

// nothingRead checks a run that ended before its first stream: it says why, and
// all that it wrote is the state that it was given.
func (s *subject) nothingRead(t testing.TB, out *output, kinds ...fault.Kind) {
	t.Helper()
	err := fault.As(out.report.Err)
	require.NotNil(t, err, "%v", out.report.Err)
	require.Contains(t, kinds, err.Kind, "%v", err)
	s.telling(t, err, err.Kind)
	require.Empty(t, out.report.Streams)
	require.Len(t, out.lines, 1)
	out.ends(t)
}
