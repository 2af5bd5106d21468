package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// statuses asks n times and tells what came, "!" for a broken body.
func statuses(t *testing.T, s *Server, path string, n int) string {
	t.Helper()
	var out []string
	for range n {
		response, _, err := get(t, s, http.MethodGet, path)
		word := response.Status[:3]
		if err != nil {
			word += "!"
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func TestFaultCounts(t *testing.T) {
	for list, want := range map[string]string{
		"":                        "200 200 200 200 200",
		"500":                     "500 500 500 500 500",
		"500=2":                   "500 500 200 200 200",
		"500:2":                   "500 500 200 200 200",
		"500=2,503=1":             "500 500 503 200 200",
		"500=1@things":            "500 200 200 200 200",
		"500=1@toy":               "500 200 200 200 200",
		"500=1@toy/things":        "500 200 200 200 200",
		"500=1@other":             "200 200 200 200 200",
		"500:0.0":                 "200 200 200 200 200",
		"500:1.0":                 "500 500 500 500 500",
		"cut=1,401=1,403=1,404=1": "200! 401 403 404 200",
		"redirect=1,html=1":       "302 200 200 200 200",
	} {
		require.Equal(t, want, statuses(t, newToy(t, Options{Faults: list}), "/toy/things/", 5), "%q", list)
		spaced := " " + strings.ReplaceAll(list, ",", " , ") + ","
		require.Equal(t, want, statuses(t, newToy(t, Options{Faults: spaced}), "/toy/things/", 5), "%q", spaced)
	}
}

func TestFaultShares(t *testing.T) {
	one := statuses(t, newToy(t, Options{Faults: "503:0.3", Seed: 4}), "/toy/things/", 200)
	require.InDelta(t, 60, strings.Count(one, "503"), 25)
	require.Equal(t, one, statuses(t, newToy(t, Options{Faults: "503:0.3", Seed: 4}), "/toy/things/", 200), "the same seed, the same faults")
	require.NotEqual(t, one, statuses(t, newToy(t, Options{Faults: "503:0.3", Seed: 5}), "/toy/things/", 200))
}

func TestFaultAnswers(t *testing.T) {
	ask := func(fault string) (*http.Response, string) {
		response, body, err := get(t, newToy(t, Options{Faults: fault}), http.MethodGet, "/toy/things/")
		require.NoError(t, err)
		return response, body
	}
	t.Run("429", func(t *testing.T) {
		response, body := ask("429")
		require.Equal(t, 429, response.StatusCode)
		require.Regexp(t, `^[123]$`, response.Header.Get("Retry-After"))
		require.JSONEq(t, `{"refused":true}`, body)
	})
	t.Run("429-date", func(t *testing.T) {
		response, _ := ask("429-date")
		at, err := http.ParseTime(response.Header.Get("Retry-After"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, 5*time.Second)
	})
	t.Run("429-bare", func(t *testing.T) {
		response, body := ask("429-bare")
		require.Equal(t, 429, response.StatusCode)
		require.Empty(t, response.Header.Get("Retry-After"))
		require.Empty(t, body)
	})
	t.Run("pages", func(t *testing.T) {
		for fault, title := range map[string]string{
			"500": "Server Error (500)", "502": "502 Bad Gateway", "503": "503 Service Temporarily Unavailable", "html": "Sign in",
		} {
			response, body := ask(fault)
			require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
			require.Contains(t, body, "<h1>"+title+"</h1>")
		}
	})
	t.Run("empty", func(t *testing.T) {
		response, body := ask("empty")
		require.Equal(t, 200, response.StatusCode)
		require.Equal(t, "application/json", response.Header.Get("Content-Type"))
		require.Empty(t, body)
	})
	t.Run("redirect", func(t *testing.T) {
		response, _ := ask("redirect")
		require.Equal(t, "/toy/login/?next=%2Ftoy%2Fthings%2F", response.Header.Get("Location"))
	})
	t.Run("truncated", func(t *testing.T) {
		response, body := ask("truncated")
		require.Equal(t, toyBody[:len(toyBody)/2], body)
		require.Equal(t, int64(len(body)), response.ContentLength)
	})
	t.Run("garbage", func(t *testing.T) {
		_, body := ask("garbage")
		require.False(t, utf8.ValidString(body))
		require.True(t, strings.HasPrefix(body, `{"rows":[`))
	})
	t.Run("of the service", func(t *testing.T) {
		for _, fault := range []string{"deep", "dup", "next-self", "next-foreign"} {
			_, body := ask(fault)
			require.Equal(t, fault, body)
		}
	})
	t.Run("slash", func(t *testing.T) {
		response, _, err := get(t, newToy(t, Options{Faults: "slash"}), http.MethodGet, "/toy/a%20b?x=1")
		require.NoError(t, err)
		require.Equal(t, 301, response.StatusCode)
		require.Equal(t, "/toy/a%20b/?x=1", response.Header.Get("Location"))
	})
}

func TestCut(t *testing.T) {
	response, body, err := get(t, newToy(t, Options{Faults: "cut"}), http.MethodGet, "/toy/things/")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, int64(len(toyBody)), response.ContentLength)
	require.Equal(t, toyBody[:len(toyBody)/2], body)
}

func TestGzip(t *testing.T) {
	s := newToy(t, Options{Faults: "gzip"})
	_, body, err := get(t, s, http.MethodGet, "/toy/things/")
	require.NoError(t, err)
	require.Equal(t, toyBody, body, "a client that does not accept it")
	response, body, err := get(t, s, http.MethodGet, "/toy/things/", "Accept-Encoding", "gzip, br")
	require.NoError(t, err)
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	z, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, toyBody, string(plain))
}

func TestHuge(t *testing.T) {
	s := newToy(t, Options{Faults: "huge"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/toy/things/", nil)
	require.NoError(t, err)
	response, err := s.Transport().RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, int64(-1), response.ContentLength)
	// A client that has enough closes the body, and the answer ends.
	start := make([]byte, 1<<20)
	_, err = io.ReadFull(response.Body, start)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	response, err = s.Transport().RoundTrip(r)
	require.NoError(t, err)
	var rest unblanked
	n, err := io.Copy(&rest, response.Body)
	require.NoError(t, err)
	require.Equal(t, int64(300<<20+len(toyBody)), n)
	require.Equal(t, toyBody, string(rest), "JSON, but for the white space")
}

// unblanked keeps what is not a space.
type unblanked []byte

func (u *unblanked) Write(p []byte) (int, error) {
	*u = append(*u, bytes.TrimSpace(p)...) // the toy has no blanks of its own
	return len(p), nil
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newToy(t, Options{Faults: "slow"})
		start := time.Now()
		_, body, err := get(t, s, http.MethodGet, "/toy/things/")
		require.NoError(t, err)
		require.Equal(t, toyBody, body)
		require.InDelta(t, 2, time.Since(start).Seconds(), 0.3)
	})
}

// TestClientGoesAway leaves nothing behind: the bubble ends only when the
// goroutine that answers has ended.
func TestClientGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newToy(t, Options{Latency: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/toy/things/", nil)
		require.NoError(t, err)
		_, err = s.Transport().RoundTrip(r)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		slow := newToy(t, Options{Faults: "slow"})
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		response, err := slow.Transport().RoundTrip(r.WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(response.Body)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
