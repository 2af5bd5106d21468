//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	emulators "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var every = flag.Bool("every", false, "look for secrets in every place, at every log level in every format, and not in a sample of them")

// suspect is a place to run the command in with credentials of its own. Whatever
// it prints and leaves behind is searched for them.
type suspect struct {
	*testing.T
	src    *stream.Source
	known  *needles
	dir    string
	values map[string]any    // the config
	secret map[string]string // its credentials by key
	env    []string
	n      int
}

func newSuspect(t *testing.T, src *stream.Source, origin string, odd bool) *suspect {
	t.Helper()
	server, err := emulator.New(emulator.Options{Sources: []string{src.Name}, Records: 1}, emulators.Plugins()...)
	require.NoError(t, err)
	values, err := server.Config(src.Name, origin)
	require.NoError(t, err)
	s := &suspect{T: t, src: src, known: &needles{}, dir: t.TempDir(), values: values, secret: map[string]string{}}
	maps.Copy(s.values, map[string]any{"max_retries": 0, "request_timeout": 5, "requests_per_second": 500})
	for _, dir := range []string{"in", "work", "kept", "tmp", "home"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	for _, key := range secretKeys(src) {
		s.secret[key] = s.known.add(key, credential(odd))
		s.values[key] = s.secret[key]
	}
	return s
}

// secretKeys are the settings of a source that hold credentials.
func secretKeys(src *stream.Source) (keys []string) {
	for _, s := range config.Settings(src) {
		if s.Kind == stream.Secret {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// file writes what is given to the command, which may hold credentials.
func (s *suspect) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.dir, "in", name)
	require.NoError(s, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *suspect) config(more map[string]any) string {
	s.Helper()
	values := maps.Clone(s.values)
	maps.Copy(values, more)
	maps.DeleteFunc(values, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(values)
	require.NoError(s, err)
	s.n++
	return s.file(fmt.Sprintf("c%d.json", s.n), string(text))
}

// given are the forms in which the credentials can be handed over.
var given = []string{"", "_file", "_env", "_cmd", "ENV"}

// as hands the credentials over in that form and returns the arguments for it.
func (s *suspect) as(form string) []string {
	s.Helper()
	s.env = nil
	more := map[string]any{}
	for key, v := range s.secret {
		if form != "" {
			more[key] = nil
		}
		switch form {
		case "_file":
			more[key+form] = s.file(key, v+"\n")
		case "_env":
			more[key+form] = "KEPT_" + strings.ToUpper(key)
			s.env = append(s.env, "KEPT_"+strings.ToUpper(key)+"="+v)
		case "_cmd":
			more[key+form] = "cat '" + s.file(key, v) + "'; echo; cat '" + s.file(key, v) + "' >&2"
		case "ENV":
			s.env = append(s.env, "TAP_BACKOFFICE_"+strings.ToUpper(key)+"="+v)
		}
	}
	args := []string{"-c", s.config(more)}
	if form == "ENV" {
		args = append(args, "-c", "ENV")
	}
	return args
}

// running is a command whose traces are still to be searched.
type running struct {
	*exec.Cmd
	s              *suspect
	stdout, stderr bytes.Buffer
	kept           string
	ended          chan error
}

func (s *suspect) start(program string, env []string, args ...string) *running {
	s.Helper()
	s.n++
	r := &running{s: s, ended: make(chan error, 1)}
	place := func(name string) string {
		dir := filepath.Join(s.dir, name, fmt.Sprint(s.n))
		require.NoError(s, os.Mkdir(dir, 0o700))
		return dir
	}
	r.kept = place("kept")
	r.Cmd = exec.CommandContext(s.Context(), program, args...)
	r.Dir = place("work")
	r.Env = append([]string{"PATH=" + os.Getenv("PATH"), "XDG_STATE_HOME=" + r.kept, "TMPDIR=" + place("tmp"), "HOME=" + place("home"), "GORACE=" + race}, env...)
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	require.NoError(s, r.Start())
	go func() { r.ended <- r.Wait() }()
	return r
}

// search waits for the end, and brings it about after a while, and wants no
// credential anywhere. It returns the exit code.
func (r *running) search(patience time.Duration) int {
	r.s.Helper()
	var err error
	select {
	case err = <-r.ended:
	case <-time.After(patience):
		_ = r.Process.Signal(syscall.SIGTERM)
		err = <-r.ended
	}
	exit, ended := errors.AsType[*exec.ExitError](err)
	require.True(r.s, err == nil || ended && exit.Exited(), "%v: %v", r.Args, err)
	what := strings.Join(r.Args[1:], " ")
	r.s.known.absent(r.s.T, what+": stdout", withoutRows(r.stdout.Bytes()))
	r.s.known.absent(r.s.T, what+": stderr", r.stderr.Bytes())
	r.s.store(r.kept)
	code := r.ProcessState.ExitCode()
	require.True(r.s, code == 70 || !strings.Contains(r.stderr.String(), "goroutine "), "%s: %s", what, r.stderr.String())
	return code
}

// withoutRows is what of an output is ours: a row is what the service says it is,
// and a service may call an error one, with all that it tells.
func withoutRows(stdout []byte) (out []byte) {
	for line := range bytes.Lines(stdout) {
		if !bytes.HasPrefix(line, []byte(`{"type":"RECORD"`)) {
			out = append(out, line...)
		}
	}
	return out
}

// store looks at the token store, where tokens belong and nothing else.
func (s *suspect) store(kept string) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(kept, "tap-backoffice", "tokens.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	require.NoError(s, err)
	info, err := os.Stat(filepath.Join(kept, "tap-backoffice", "tokens.json"))
	require.NoError(s, err)
	require.Equal(s, fs.FileMode(0o600), info.Mode().Perm())
	for key, v := range s.secret {
		for _, end := range []string{v[:part], v[len(v)-part:]} { // which are spelt but in one way
			require.NotContains(s, string(text), end, "%s in the token store", key)
		}
	}
}

// searchFiles wants no credential in a file that the runs left, but in those
// that they were given and the token stores.
func (s *suspect) searchFiles() {
	s.Helper()
	stores, err := filepath.Glob(filepath.Join(s.dir, "kept", "*", "tap-backoffice", "tokens.json"))
	require.NoError(s, err)
	for _, dir := range []string{"work", "kept", "tmp", "home"} {
		s.known.absentBelow(s.T, filepath.Join(s.dir, dir), stores...)
	}
}

// said are the ways in which the i-th run is told of: one that says most and one
// that says less, or all.
func said(i int) (ways [][]string) {
	levels, formats := []string{"debug", "info", "warn", "error"}, []string{"text", "json", "singer"}
	for n, level := range levels {
		for m, format := range formats {
			if *every || n == 0 && m == i%3 || n == 1+i/3%3 && m == (i+1)%3 {
				ways = append(ways, []string{"--log-level", level, "--log-format", format})
			}
		}
	}
	return ways
}

// talk is a way in which a service tells what it was told.
type talk struct {
	name  string
	once  bool // it is put into a form of its own
	api   func(http.ResponseWriter, *http.Request, string)
	token func(*leaky) func(http.ResponseWriter, *http.Request, string)
}

func talks() []talk {
	var out []talk
	for _, code := range []int{204, 304, 400, 401, 402, 403, 404, 407, 409, 418, 429, 500, 503} {
		out = append(out, talk{name: fmt.Sprint(code), api: status(code)})
	}
	same := func(echo string) string { return echo }
	apis := map[string]func(http.ResponseWriter, *http.Request, string){
		"page":           body(func(echo string) string { return "<!doctype html><title>" + echo + "</title>" + echo }),
		"error with 200": body(object),
		"text":           body(same),
		"half an object": body(func(echo string) string { return `{"results":[{"id":"` + echo }),
		"a list of text": body(func(echo string) string { q, _ := json.Marshal(echo); return "[" + string(q) + "]" }),
		"a wrong next link": body(func(echo string) string {
			q, _ := json.Marshal("https://" + echo)
			return `{"count":9,"results":[],"next":` + string(q) + `,"d":{"results":[],"__next":` + string(q) + `}}`
		}),
		"elsewhere":         location(func(echo string) string { return "https://elsewhere.example/?" + echo }),
		"elsewhere as user": location(func(echo string) string { return "https://me:" + echo + "@elsewhere.example/" }),
		"elsewhere as host": location(func(echo string) string { return "https://" + echo }),
		"no HTTP":           raw(same),
		"a bad header":      raw(func(echo string) string { return "HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n{}" }),
		"a bad length":      raw(func(echo string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + echo + "\r\n\r\n{}" }),
		"a bad encoding":    raw(func(echo string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + echo + "\r\n\r\n{}" }),
		"a bad status":      raw(func(echo string) string { return "HTTP/1.1 " + echo + " no\r\n\r\n" }),
		"a bad zip":         raw(func(echo string) string { return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + echo }),
		"a cut body":        raw(func(echo string) string { return "HTTP/1.1 500 " + echo + "\r\nContent-Length: 100000\r\n\r\n" + echo }),
	}
	for _, name := range slices.Sorted(maps.Keys(apis)) {
		// Of an address only the host is told, and what is told of HTTP is quoted.
		once := strings.Contains(name, "elsewhere") || strings.Contains(name, "link") || strings.Contains(name, "a bad") || strings.Contains(name, "HTTP")
		out = append(out, talk{name: name, api: apis[name], once: once})
	}
	for _, code := range []int{200, 302, 400, 401, 403, 404, 429, 500} {
		out = append(out, talk{name: fmt.Sprint("token ", code), token: func(*leaky) func(http.ResponseWriter, *http.Request, string) { return status(code) }})
	}
	tokens := map[string]func(access string) map[string]any{
		"a token that breaks a header": func(access string) map[string]any { return map[string]any{"access_token": access + "\n" + access} },
		"a token and an error": func(access string) map[string]any {
			return map[string]any{"error": access, "error_description": access}
		},
		"a token for a life": func(access string) map[string]any {
			return map[string]any{"expires_in": access, "expires_in_sec": access}
		},
		"a token for a domain": func(access string) map[string]any {
			return map[string]any{"api_domain": "https://" + access + "/" + access}
		},
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		out = append(out, talk{name: name, token: func(l *leaky) func(http.ResponseWriter, *http.Request, string) { return l.granting(tokens[name]) }})
	}
	return out
}

// echoing are runs with a service that echoes what it was told.
type echoing struct {
	*suspect
	talk
	service *leaky
	runs    []*running
}

// begin starts them, the i-th talk of the n-th source.
func (k talk) begin(t *testing.T, tap string, src *stream.Source, i, n int) *echoing {
	t.Helper()
	odd := (i+n)%2 == 1
	e := &echoing{talk: k, service: newLeaky(t, nil, odd)}
	e.suspect = newSuspect(t, src, e.service.URL, odd)
	e.service.known, e.service.once = e.known, k.once
	if k.api != nil {
		e.service.answers(k.api)
	}
	if k.token != nil {
		e.service.token = k.token(e.service)
	}
	args := append([]string{src.Name}, e.as(given[i%len(given)])...)
	for _, way := range said(i) {
		e.runs = append(e.runs, e.start(tap, e.env, slices.Concat(args, []string{"--timeout", "1s"}, way)...))
	}
	e.runs = append(e.runs, e.start(tap, e.env, slices.Concat([]string{"check"}, args, []string{"--log-level", "debug"})...))
	if src.Discover != nil {
		e.runs = append(e.runs, e.start(tap, e.env, slices.Concat(args, []string{"--discover", "--log-level", "debug"})...))
	}
	return e
}

// end searches all that they said and left, and tells what was not sent at all.
func (e *echoing) end() (unheard []string) {
	e.Helper()
	for _, r := range e.runs {
		code := r.search(1500 * time.Millisecond)
		require.NotEqual(e, 70, code, "%s: %s", e.name, r.stderr.String())
	}
	e.searchFiles()
	for key, v := range e.secret {
		if !e.service.heard(v) {
			unheard = append(unheard, e.name+" "+key)
		}
	}
	e.service.CloseClientConnections()
	e.service.Close()
	return unheard
}

// TestSecretsEchoed has each source told by its service all that it sent, in
// every way in which a service can tell.
func TestSecretsEchoed(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	for number, src := range all.Sources() {
		t.Run(src.Name, func(t *testing.T) {
			t.Parallel()
			_, oauth := src.Auth.(stream.OAuth)
			runs, unheard := 0, []string{}
			var begun []*echoing
			for i, talk := range talks() {
				if wanted := *every || i%3 == number%3; wanted && (talk.token == nil || oauth) {
					begun = append(begun, talk.begin(t, tap, src, i, number))
				}
				if len(begun) < 6 && i < len(talks())-1 { // some at once, for many wait most of the time
					continue
				}
				for _, e := range begun {
					runs += len(e.runs)
					unheard = append(unheard, e.end()...)
				}
				begun = nil
			}
			t.Logf("%d runs, no credential found; not sent: %d %v", runs, len(unheard), unheard)
		})
	}
}
