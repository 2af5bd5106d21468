package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// library is a vendor whose streams, its shelves, are found at run time.
type library struct {
	*httptest.Server
	shelves int
	// instead answers a request in place of the vendor, if it returns true.
	instead func(http.ResponseWriter, *http.Request) bool

	asked, flying, most atomic.Int64
	mu                  sync.Mutex
	paths               []string
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	l := &library{shelves: 3}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.asked.Add(1)
	l.mu.Lock()
	l.paths = append(l.paths, r.URL.Path)
	l.mu.Unlock()
	now := l.flying.Add(1)
	defer l.flying.Add(-1)
	for most := l.most.Load(); now > most && !l.most.CompareAndSwap(most, now); most = l.most.Load() {
		continue
	}
	if l.instead != nil && l.instead(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/shelves":
		var names []string
		for i := range l.shelves {
			names = append(names, fmt.Sprintf("shelf%d", i))
		}
		_ = json.NewEncoder(w).Encode(names)
	case strings.HasSuffix(r.URL.Path, "/members"):
		_, _ = io.WriteString(w, `["id","title"]`)
	default:
		_, _ = io.WriteString(w, `[{"id":1,"title":"Momo"}]`)
	}
}

func librarySource() *stream.Source {
	text := &stream.Schema{Type: "string", Nullable: true}
	shelf := func(name string) stream.Stream {
		return stream.Stream{Name: name, Path: name, Selected: true, Key: []string{"id"}, Page: stream.Single{}}
	}
	fetch := func(ctx context.Context, f stream.Fetcher, path string) (names []string, err error) {
		resp, err := f.Fetch(ctx, &stream.Request{URL: path})
		if err == nil {
			err = json.Unmarshal(resp.Body, &names)
		}
		return names, err
	}
	return &stream.Source{
		Name: "library", Title: "Library", Base: "/",
		Origin:   func(stream.Config) string { return "https://library.example" },
		Settings: []stream.Setting{{Key: "token", Kind: stream.Secret, Required: true}},
		Auth:     stream.HeaderAuth{Header: "Authorization", Key: "token"},
		Discover: func(ctx context.Context, f stream.Fetcher, _ stream.Config, known stream.Known) ([]stream.Stream, error) {
			names, err := fetch(ctx, f, "shelves")
			if err != nil {
				return nil, err
			}
			out := make([]stream.Stream, len(names))
			faults := make([]error, len(names))
			var g sync.WaitGroup
			for i, name := range names {
				out[i] = shelf(name)
				if known != nil {
					continue
				}
				g.Go(func() {
					members, err := fetch(ctx, f, name+"/members")
					faults[i] = err
					out[i].Schema = &stream.Schema{Type: "object"}
					for _, m := range members {
						s := *text
						s.Nullable = m != "id"
						out[i].Schema.Properties = append(out[i].Schema.Properties, stream.Property{Name: m, Schema: &s})
					}
				})
			}
			g.Wait()
			for _, err := range faults {
				if err != nil {
					return nil, err
				}
			}
			return out, nil
		},
	}
}

// ended is what a run of the command left behind.
type ended struct {
	code           int
	stdout, stderr string
}

// tap runs the command. before is called with the context's end at hand.
func (l *library) tap(t *testing.T, before func(stop context.CancelCauseFunc), args ...string) ended {
	t.Helper()
	config := filepath.Join(t.TempDir(), "c.json")
	text, err := json.Marshal(map[string]any{"api_url": l.URL, "token": "t0ken-of-it", "max_retries": 0, "requests_per_second": 100000})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, text, 0o600))
	var out, said bytes.Buffer
	a := &app{
		sources: []*stream.Source{librarySource()}, program: "tap-library", in: strings.NewReader(""),
		out: &stdout{w: &out}, err: &stderr{w: &said}, env: func(string) (string, bool) { return "", false },
	}
	a.log = newLog(a.err)
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	if before != nil {
		before(stop)
	}
	code := a.run(ctx, append([]string{"--config", config}, args...))
	require.NotContains(t, out.String()+said.String(), "t0ken-of-it")
	return ended{code, out.String(), said.String()}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const (
	givenState = `{"bookmarks":{"shelf1":{"id":"5"}},"currently_syncing":"shelf1"}`
	givenLine  = `{"type":"STATE","value":` + givenState + "}\n"
)

// instead answers every request in one way.
func instead(status int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// TestNothingFound: what goes wrong before the streams are known has its own exit
// code, and the given state is all that is on stdout.
func TestNothingFound(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	for name, tc := range map[string]struct {
		instead func(http.ResponseWriter, *http.Request) bool
		down    bool
		signal  syscall.Signal
		args    []string
		code    int
		says    string
	}{
		"credentials":  {instead: instead(401, "application/json", `{}`), code: 3, says: "kind=auth"},
		"network":      {down: true, code: 1, says: "kind=transient"},
		"no such path": {instead: instead(404, "application/json", `{}`), code: 1, says: "kind=refused"},
		"throttled":    {instead: instead(429, "application/json", `{}`), code: 5, says: "kind=quota"},
		"HTML":         {instead: instead(200, "text/html", "<html>Sign in</html>"), code: 6, says: "HTML"},
		"time limit":   {instead: hang, args: []string{"--timeout", "50ms"}, code: 5, says: "the time limit of 50ms is reached"},
		"interrupted":  {instead: hang, signal: syscall.SIGINT, code: 130, says: "stopped by SIGINT"},
		"ended":        {instead: hang, signal: syscall.SIGTERM, code: 143, says: "stopped by SIGTERM"},
		"later":        {instead: laterOnly(instead(500, "text/plain", "")), code: 1, says: "members"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t)
			var before func(context.CancelCauseFunc)
			l.instead = tc.instead
			if tc.signal != 0 {
				before = func(stop context.CancelCauseFunc) {
					l.instead = func(w http.ResponseWriter, r *http.Request) bool {
						stop(&signalError{tc.signal})
						return tc.instead(w, r)
					}
				}
			}
			if tc.down {
				l.Close()
			}
			state := writeFile(t, "s.json", givenState)
			end := l.tap(t, before, append(tc.args, "--state", state)...)
			require.Equal(t, tc.code, end.code, end.stderr)
			require.Equal(t, givenLine, end.stdout)
			require.Contains(t, end.stderr, tc.says)
			require.Contains(t, end.stderr, fmt.Sprintf("exit_code=%d", tc.code))

			// A first run has a state too, and --discover none.
			first := l.tap(t, before, tc.args...)
			require.Equal(t, tc.code, first.code, first.stderr)
			require.JSONEq(t, `{"type":"STATE","value":{"bookmarks":{},"currently_syncing":null}}`, first.stdout)
			found := l.tap(t, before, append(tc.args, "--discover")...)
			require.Equal(t, tc.code, found.code, found.stderr)
			require.Empty(t, found.stdout)
		})
	}
}

// laterOnly leaves the first request to the vendor.
func laterOnly(answer func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path != "/shelves" && answer(w, r) }
}

// TestFilesBeforeRequests: nobody is asked for a run whose files cannot be used.
func TestFilesBeforeRequests(t *testing.T) {
	l := newLibrary(t)
	for _, args := range [][]string{
		{"--state", writeFile(t, "s.json", `{"bookmarks":7}`)},
		{"--state", writeFile(t, "s.json", `{`)},
		{"--catalog", writeFile(t, "c.json", `{"streams":7}`)},
		{"--catalog", filepath.Join(t.TempDir(), "missing.json")},
	} {
		end := l.tap(t, nil, args...)
		require.Equal(t, 2, end.code, end.stderr)
		require.Empty(t, end.stdout)
	}
	require.Zero(t, l.asked.Load())
}

// TestFound: the catalog of many found streams is all that --discover prints, and
// no more is asked at once than --concurrency allows; a run with that catalog asks
// for no members.
func TestFound(t *testing.T) {
	l := newLibrary(t)
	l.shelves = 60
	end := l.tap(t, nil, "--discover", "--concurrency", "3")
	require.Zero(t, end.code, end.stderr)
	require.True(t, json.Valid([]byte(end.stdout)))
	require.Equal(t, 60, strings.Count(end.stdout, `"tap_stream_id"`))
	require.LessOrEqual(t, l.most.Load(), int64(3))
	require.Equal(t, int64(61), l.asked.Load())

	l.paths = nil
	run := l.tap(t, nil, "--catalog", writeFile(t, "catalog.json", end.stdout), "--select", "shelf7", "--state", writeFile(t, "s.json", ""))
	require.Zero(t, run.code, run.stderr)
	require.Equal(t, []string{"/shelves", "/shelf7"}, l.paths)
	require.Contains(t, run.stdout, `"title":"Momo"`)

	// A state of streams that nobody knows is another source's.
	alien := l.tap(t, nil, "--state", writeFile(t, "s.json", `{"bookmarks":{"leads":"2026-01-01T00:00:00Z"}}`))
	require.Equal(t, 2, alien.code, alien.stderr)
	require.Contains(t, alien.stderr, "it is of another source")
}
