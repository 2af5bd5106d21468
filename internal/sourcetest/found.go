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
// command does.
func found(ctx context.Context, src *stream.Source, f stream.Fetcher, c stream.Config, known stream.Known) (*stream.Source, error) {
	if src.Discover == nil {
		return src, nil
	}
	more, err := src.Discover(ctx, f, c, known)
	if err != nil {
		return nil, err
	}
	return src.Finding(more), nil
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

// opened is what a run asks once before its streams, for what the account says of
// itself.
func (s *subject) opened(t testing.TB) []emulator.Entry {
	t.Helper()
	if s.src.Open == nil {
		return nil
	}
	return s.asking(t, s.openSmall(t), func(ctx context.Context, client *httpx.Client, c stream.Config) {
		_, err := s.src.Open(ctx, client, c)
		require.NoError(t, err)
	})
}

// ahead is what a run asks before the rows of its streams, by path and query: of the
// account, and of the partitions that there are.
func (s *subject) ahead(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	if s.src.Open == nil && len(s.src.Scopes) == 0 {
		return out
	}
	_, asked := s.partitions(t)
	for _, e := range asked {
		out[e.Path+"?"+e.Query] = true
	}
	return out
}

// all are the streams that there are, static and found.
func (s *subject) all(t testing.TB) []stream.Stream {
	t.Helper()
	if s.src.Discover == nil {
		return s.src.Streams
	}
	if s.plain != nil {
		return s.plain.all(t)
	}
	s.onceFound.Do(func() { s.streams, _ = s.discover(t, nil) })
	require.NotEmpty(t, s.streams, "discovery has failed in another case")
	return s.streams
}

// expanded are the partitions of a scope that can be read.
func (s *subject) expanded(t testing.TB, scope string) []stream.Partition {
	t.Helper()
	s.onceParts.Do(func() {
		parts, _ := s.partitions(t)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts = parts
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(t, s.parts, "the partitions could not be listed in another case")
	return s.parts[scope]
}

// partitions are those that can be read, by their scope, with what was asked for
// them.
func (s *subject) partitions(t testing.TB) (parts map[string][]stream.Partition, asked []emulator.Entry) {
	t.Helper()
	parts = map[string][]stream.Partition{}
	asked = s.asking(t, s.openSmall(t), func(ctx context.Context, client *httpx.Client, c stream.Config) {
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
	return parts, asked
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
	require.LessOrEqual(t, len(out.lines), 2, "at its beginning and at its end")
	for _, m := range out.lines {
		require.Equal(t, "STATE", m.Type)
		require.JSONEq(t, string(out.lines[0].Value), string(m.Value))
	}
	out.ends(t)
}
