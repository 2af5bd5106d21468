package httpx

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestReadBody(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }
	for _, n := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, doubled - 1, doubled, doubled + 1, doubled + blockSize, doubled + blockSize + 1, keptBytes + 5} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d %v", n, known), func(t *testing.T) {
				want := text(n)
				length := int64(-1)
				if known {
					length = int64(n)
				}
				for _, reader := range []func(io.Reader) io.Reader{
					func(r io.Reader) io.Reader { return r }, iotest.DataErrReader, iotest.HalfReader,
				} {
					got, err := readBody(reader(bytes.NewReader(want)), length, int64(n))
					require.NoError(t, err, "exactly the limit")
					require.True(t, bytes.Equal(want, got))
					give(got)

					broken := errors.New("reset")
					_, err = readBody(reader(io.MultiReader(bytes.NewReader(want[:n/2]), iotest.ErrReader(broken))), length, int64(n))
					require.ErrorIs(t, err, broken)
					_, err = readBody(reader(io.MultiReader(bytes.NewReader(want[:n/2]), iotest.ErrReader(io.ErrUnexpectedEOF))), length, int64(n))
					require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a cut amid a block is no end")
					if n > 0 {
						_, err = readBody(reader(bytes.NewReader(want)), length, int64(n)-1)
						require.ErrorIs(t, err, errTooLarge)
					}
				}
			})
		}
	}
}

func TestReadBodyKnowsItsLength(t *testing.T) {
	_, err := readBody(strings.NewReader("abc"), 4, 100)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = readBody(strings.NewReader(""), 4, 100)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = readBody(strings.NewReader("abcd"), 3, 100)
	require.ErrorIs(t, err, errTooLong)
	b, err := readBody(bytes.NewReader(make([]byte, keptBytes+1)), keptBytes+1, 1<<30)
	require.NoError(t, err)
	require.Equal(t, keptBytes+1, cap(b), "allocated as announced")
	// Beyond the limit nothing is read, nor allocated.
	_, err = readBody(iotest.ErrReader(errors.New("read")), 1<<40, 100)
	require.ErrorIs(t, err, errTooLarge)
}

// A body of unknown length holds its blocks and what they are joined into, and
// never the two halves of a doubling.
func TestUnknownLengthHoldsAtMostTwice(t *testing.T) {
	const size = 24 << 20
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	old := debug.SetGCPercent(-1)
	defer debug.SetGCPercent(old)
	b, err := readBody(io.LimitReader(zeros{}, size), -1, 1<<30)
	require.NoError(t, err)
	require.Len(t, b, size)
	require.Equal(t, size, cap(b))
	runtime.ReadMemStats(&after)
	require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(2*size+4*doubled), "all that was ever allocated")
	runtime.KeepAlive(b)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestReleaseReuses(t *testing.T) {
	const size = 400 << 10
	page := "[" + strings.Repeat("1,", size/2) + "1]"
	c := client(t, wire(func(*http.Request) (*http.Response, error) { return answer(200, page), nil }))
	fetch := func() {
		resp, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
		require.NoError(t, err)
		resp.Release()
	}
	fetch()
	old := debug.SetGCPercent(-1) // it empties the pool
	defer debug.SetGCPercent(old)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		fetch()
	}
	runtime.ReadMemStats(&after)
	// Under the race detector a pool forgets one of four.
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20*size*4/5))
}

func TestSizeLimit(t *testing.T) {
	limit := func(o *Options) { o.MaxResponse = 1000 }
	body := "[" + strings.Repeat("1,", 499) + "1]" // 1001 bytes
	for _, tc := range []struct {
		name string
		step func() *http.Response
		ok   bool
	}{
		{"known", func() *http.Response { return answer(200, body) }, false},
		{"unknown", func() *http.Response { r := answer(200, body); r.ContentLength = -1; return r }, false},
		{"endless", func() *http.Response {
			r := answer(200, "")
			r.ContentLength, r.Body = -1, io.NopCloser(zeros{})
			return r
		}, false},
		{"at the limit", func() *http.Response { return answer(200, body[:999]+"]") }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := play(tc.step)
			c := client(t, s, limit)
			if tc.ok {
				_, err := c.Fetch(t.Context(), &stream.Request{URL: "x"})
				require.NoError(t, err)
				return
			}
			f := refused(t, c, "x", fault.Contract)
			require.Len(t, s.asked, 1, "it would be as large again")
			require.Equal(t, 200, f.Status)
			require.ErrorContains(t, f, "limit of 1000 bytes")
			require.Contains(t, f.Hint, "max_response_mb")
		})
	}
	t.Run("an error is an error, however long", func(t *testing.T) {
		r := answer(403, "")
		r.ContentLength, r.Body = -1, io.NopCloser(zeros{})
		_ = refused(t, client(t, play(func() *http.Response { return r }), limit), "x", fault.Permission)
	})
}

func gzipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestSmallBodyOnly(t *testing.T) {
	asked := 0
	c := client(t, wire(func(*http.Request) (*http.Response, error) {
		asked++
		return answer(200, strings.Repeat(" ", 100)+"[]"), nil
	}))
	_, err := c.Fetch(t.Context(), &stream.Request{URL: "things/", MaxBody: 50})
	require.Equal(t, stream.TooLarge, err)
	require.Equal(t, 1, asked, "asking again is up to the caller")
	_, err = c.Fetch(t.Context(), &stream.Request{URL: "things/", MaxBody: 200})
	require.NoError(t, err)
}
