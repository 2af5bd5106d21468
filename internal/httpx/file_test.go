package httpx

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var wanted = &stream.Request{URL: "files/7", File: true}

// temps makes a folder of its own for temporary files and lists it.
func temps(t *testing.T) func() []fs.DirEntry {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() []fs.DirEntry {
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		return list
	}
}

// requireOpen counts the files that this process has open in a folder, where the
// operating system tells.
func requireOpen(t *testing.T, dir string, n int) {
	t.Helper()
	const fds = "/proc/self/fd"
	list, err := os.ReadDir(fds)
	if err != nil {
		return
	}
	open := []string{}
	for _, e := range list {
		if to, err := os.Readlink(fds + "/" + e.Name()); err == nil && strings.HasPrefix(to, dir) {
			open = append(open, to)
		}
	}
	require.Len(t, open, n)
}

func TestFile(t *testing.T) {
	list := temps(t)
	body := strings.Repeat("PK\x03\x04{", 100_000)
	for _, length := range []int64{-1, int64(len(body))} {
		var m Metric
		c := client(t, play(func() *http.Response {
			r := answer(200, body)
			r.ContentLength = length
			return r
		}), func(o *Options) { o.MaxResponse, o.Metrics = 1<<15, func(got Metric) { m = got } })
		resp, err := c.Fetch(t.Context(), wanted)
		require.NoError(t, err)
		require.Nil(t, resp.Body)
		require.Equal(t, int64(len(body)), resp.File.Size())
		got, err := io.ReadAll(io.NewSectionReader(resp.File, 0, resp.File.Size()))
		require.NoError(t, err)
		require.Equal(t, body, string(got))
		require.Equal(t, len(body), m.Bytes)
		require.Empty(t, list(), "it has no name")
		requireOpen(t, os.TempDir(), 1)
		file := resp.File
		resp.Release()
		resp.Release()
		_, err = file.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, os.ErrClosed)
		requireOpen(t, os.TempDir(), 0)
	}
}

// A body that broke off is asked for anew, into another file.
func TestFileInAttempts(t *testing.T) {
	list := temps(t)
	dir := os.TempDir()
	synctest.Test(t, func(t *testing.T) {
		short := func() *http.Response {
			r := answer(200, "PK1")
			r.ContentLength = 4
			return r
		}
		s := play(
			func() *http.Response { return cut(200, "PK0") }, short,
			func() *http.Response { r := answer(200, "PK12345"); r.ContentLength = 4; return r },
			503, func() *http.Response { return answer(200, "") }, func() *http.Response { return answer(200, "PK!") },
		)
		resp, err := client(t, s).Fetch(t.Context(), wanted)
		require.NoError(t, err)
		require.Len(t, s.asked, 6)
		require.Equal(t, int64(3), resp.File.Size())
		requireOpen(t, dir, 1)
		resp.Release()

		_, err = client(t, play(short)).Fetch(t.Context(), wanted)
		require.Equal(t, fault.Transient, fault.KindOf(err))
		_, err = client(t, play("")).Fetch(t.Context(), wanted)
		require.ErrorContains(t, err, "an empty body in place of a file")
		requireOpen(t, dir, 0)
	})
	require.Empty(t, list())
}

func TestFileOfAnError(t *testing.T) {
	temps(t)
	dir := os.TempDir()
	seen := ""
	c := client(t, play(404), classify(func(r *stream.Response) error {
		seen = string(r.Body)
		require.Nil(t, r.File)
		return nil
	}))
	_, err := c.Fetch(t.Context(), wanted)
	require.Equal(t, fault.Refused, fault.KindOf(err))
	require.Contains(t, seen, "Nope.")
	_, err = client(t, play(204)).Fetch(t.Context(), wanted)
	require.ErrorIs(t, err, stream.NoRows)
	// What the source refuses is closed.
	_, err = client(t, play("PK"), classify(func(*stream.Response) error { return stream.NoRows })).Fetch(t.Context(), wanted)
	require.ErrorIs(t, err, stream.NoRows)
	requireOpen(t, dir, 0)
}

func TestFileLimit(t *testing.T) {
	temps(t)
	dir := os.TempDir()
	limit := func(o *Options) { o.MaxResponse = 1000 }
	for name, tc := range map[string]struct {
		body   io.Reader
		length int64
		ok     bool
	}{
		"at the limit": {strings.NewReader(strings.Repeat("x", 16_000)), -1, true},
		"above":        {strings.NewReader(strings.Repeat("x", 16_001)), -1, false},
		"announced":    {iotest.ErrReader(errors.New("read")), 16_001, false},
		"endless":      {zeros{}, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, play(func() *http.Response {
				r := answer(200, "")
				r.Body, r.ContentLength = io.NopCloser(tc.body), tc.length
				return r
			}), limit)
			resp, err := c.Fetch(t.Context(), wanted)
			if tc.ok {
				require.NoError(t, err)
				resp.Release()
			} else {
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.ErrorContains(t, err, "limit of 16000 bytes")
			}
			requireOpen(t, dir, 0)
		})
	}
	_, err := client(t, play("12345")).Fetch(t.Context(), &stream.Request{URL: "x", File: true, MaxBody: 4})
	require.Equal(t, stream.TooLarge, err)
}

func TestFileWithoutRoom(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	s := play("PK")
	_, err := client(t, s).Fetch(t.Context(), wanted)
	require.Equal(t, fault.Transient, fault.KindOf(err))
	require.Len(t, s.asked, 1, "the disk would be as full")
	require.Contains(t, fault.As(err).Hint, "TMPDIR")
}
