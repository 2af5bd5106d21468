package hostile

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// The exit codes of the contract that servers bring about.
const (
	complete = 0
	failure  = 1
	usageBad = 2
	noAuth   = 3
	partial  = 4
	later    = 5
	broken   = 6
)

// A hostile case: what the server does, to whom, and how it has to end.
type hostile struct {
	name   string
	to     []target                 // the readers that it is done to
	at     func(*http.Request) bool // which requests; nil: those for the list
	does   func(*wire)
	exit   int
	except map[string]int // other exit codes, by the target's name
	says   string         // what stderr has to tell
	mb     []int          // max_response_mb; none: 4
	waits  time.Duration  // what is waited for on purpose
	config map[string]any // laid over the target's
	stream string         // in place of the target's
	tls    *tls.Config    // the server's
	secure bool           // it is asked by https, whatever it speaks
	env    []string
	args   []string
	sample bool // is run in brief, too
	states bool // the bookmark may move: what was read of the list counts
	long   bool // gives lines that few consumers take
	talks  int  // how many bytes are told, at most; 0: mostStderr
}

// Bounds of every case.
const (
	timeout    = 2                // request_timeout, s
	retries    = 1                // max_retries
	soon       = 30 * time.Second // most of it for a busy machine
	busy       = 10 * time.Second // of a processor
	hung       = 60 * time.Second
	base       = 64 << 20
	perBody    = 3
	mostStderr = 6 << 10
)

// readers are those to whom a case is done: the first and another one in turn, in
// brief the first alone.
func (c hostile) readers(n int) []target {
	switch {
	case *every || len(c.to) == 1:
		return c.to
	case testing.Short():
		return c.to[:1]
	}
	return []target{c.to[0], c.to[1+n%(len(c.to)-1)]}
}

// run runs the cases.
func run(t *testing.T, cases []hostile) {
	t.Helper()
	for n, c := range cases {
		if testing.Short() && !c.sample {
			continue
		}
		for _, to := range c.readers(n) {
			sizes := c.mb
			if sizes == nil {
				sizes = []int{4}
			}
			for _, mb := range sizes {
				t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s/%d", c.name, to.name, mb), " ", "_"), func(t *testing.T) {
					t.Parallel()
					c.run(t, to, mb)
				})
			}
		}
	}
}

func (c hostile) run(t *testing.T, to target, mb int) {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	at := c.at
	if at == nil {
		at = to.atList
	}
	s := open(t, to, at, c.does, c.tls)
	s.mb = mb
	dir := t.TempDir()
	config := map[string]any{"max_response_mb": mb, "request_timeout": timeout, "max_retries": retries, "requests_per_second": 10_000}
	maps.Copy(config, s.config)
	maps.Copy(config, c.config)
	if c.secure {
		config["api_url"] = strings.Replace(fmt.Sprint(config["api_url"]), "http://", "https://", 1)
	}
	path := filepath.Join(dir, "config.json")
	require.NoError(t, writeJSON(path, config))
	args := []string{measuring, filepath.Join(dir, "usage.json"), hung.String(), tap, to.source, "--config", path, "--log-format", "json", "--log-level", "debug"}
	if to.catalog {
		catalog := filepath.Join(dir, "catalog.json")
		require.NoError(t, os.WriteFile(catalog, catalogOf(t, to), 0o600))
		args = append(args, "--catalog", catalog)
	}
	args = append(args, "--select", cmp.Or(c.stream, to.stream))
	args = append(args, c.args...)

	out, err := os.Create(filepath.Join(dir, "stdout"))
	require.NoError(t, err)
	defer out.Close()
	errs, err := os.Create(filepath.Join(dir, "stderr"))
	require.NoError(t, err)
	defer errs.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(self, args...)
	// Whoever is asked but this machine is asked by way of the other host.
	proxy := "http://" + s.foreign.host
	command.Env = append(os.Environ(), "XDG_STATE_HOME="+dir, "TMPDIR="+dir, "HTTP_PROXY="+proxy, "HTTPS_PROXY="+proxy, "http_proxy="+proxy, "https_proxy="+proxy, "NO_PROXY=", "no_proxy=", "GOTRACEBACK=single", "GOMAXPROCS=2")
	command.Env = append(command.Env, c.env...)
	command.Stdout, command.Stderr = out, errs
	require.NoError(t, command.Run())
	var u usage
	text, err := os.ReadFile(filepath.Join(dir, "usage.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &u))
	require.Empty(t, u.Error)
	note(t.Name(), u)

	stderr, err := os.ReadFile(errs.Name())
	require.NoError(t, err)
	want := c.exit
	if other, ok := c.except[to.name]; ok {
		want = other
	}
	told := c.told(t, stderr, want)
	require.Equal(t, want, u.Code, "%.4000s", stderr)
	require.Contains(t, told, c.says)
	require.Less(t, u.Took, soon+c.waits, "%.4000s", stderr)
	require.Less(t, u.CPU, busy)
	require.LessOrEqual(t, u.Peak, int64(base+perBody*mb<<20), "MiB: %d", u.Peak>>20)
	s.kept(t)
	c.messages(t, s, out, cmp.Or(c.stream, to.stream), u.Code)
	s.quiet(t, out, errs)
}

// told checks what is said to people, and returns the part above debug.
func (c hostile) told(t *testing.T, stderr []byte, code int) string {
	t.Helper()
	require.NotContains(t, string(stderr), "goroutine ")
	var told strings.Builder
	for line := range bytes.Lines(stderr) {
		var l struct {
			Level string
			Code  *int `json:"exit_code"`
		}
		require.NoError(t, json.Unmarshal(line, &l), "stderr holds what is no line of the log: %.2000q", line)
		if !strings.EqualFold(l.Level, "debug") {
			told.Write(line)
		}
		require.Less(t, len(line), mostStderr, "%.200s", line)
	}
	require.Less(t, told.Len(), cmp.Or(c.talks, mostStderr), "%.8000s", told.String())
	if code != complete {
		require.Contains(t, told.String(), fmt.Sprintf(`"exit_code":%d`, code), "%.4000s", stderr)
		require.Contains(t, told.String(), "(hint: ")
	}
	return told.String()
}

// kept wants nobody else to have been asked, and nothing odd to have been sent.
func (s *site) kept(t *testing.T) {
	t.Helper()
	s.foreign.mu.Lock()
	defer s.foreign.mu.Unlock()
	require.Empty(t, s.foreign.came, "another host was asked")
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.refused)
}

// messages checks stdout: whole messages that load everywhere, and a state at the
// end that covers nothing which was not read.
func (c hostile) messages(t *testing.T, s *site, out *os.File, stream string, code int) {
	t.Helper()
	_, err := out.Seek(0, io.SeekStart)
	require.NoError(t, err)
	if !c.long {
		report, err := singer.Lint(out)
		require.NoError(t, err)
		require.True(t, report.OK(), "%.2000s", report.AppendText(nil))
	}
	state := lastState(t, out)
	if state == nil {
		require.Contains(t, []int{usageBad, noAuth, later}, code, "there is no STATE")
		return
	}
	_, err = singer.LoadState(state)
	require.NoError(t, err, "%s", state)
	if code != complete && !c.states {
		var v struct{ Bookmarks map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(state, &v))
		require.NotContains(t, v.Bookmarks, stream, "the bookmark of a stream that failed has moved")
	}
}

// lastState is the value of the STATE at the end, nil where there is none.
func lastState(t *testing.T, out *os.File) []byte {
	t.Helper()
	info, err := out.Stat()
	require.NoError(t, err)
	tail := make([]byte, min(info.Size(), 64<<10))
	_, err = out.ReadAt(tail, info.Size()-int64(len(tail)))
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSuffix(tail, []byte("\n")), []byte("\n"))
	value, ok := bytes.CutPrefix(lines[len(lines)-1], []byte(`{"type":"STATE","value":`))
	if !ok {
		require.Empty(t, tail, "the last line is no STATE")
		return nil
	}
	return bytes.TrimSuffix(value, []byte("}"))
}

// quiet wants no secret in any file.
func (s *site) quiet(t *testing.T, files ...*os.File) {
	t.Helper()
	for _, f := range files {
		_, err := f.Seek(0, io.SeekStart)
		require.NoError(t, err)
		// Pieces that overlap by more than a secret has.
		const overlap = 8 << 10
		buf := make([]byte, 1<<20)
		held := 0
		for {
			n, err := f.Read(buf[held:])
			piece := buf[:held+n]
			for _, secret := range s.secrets {
				require.False(t, secret != "" && bytes.Contains(piece, []byte(secret)), "%s tells a secret", filepath.Base(f.Name()))
			}
			if err != nil {
				break
			}
			held = copy(buf, piece[max(0, len(piece)-overlap):])
		}
	}
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	return err
}

// notes are what the cases took, for the table at the end.
var notes struct {
	sync.Mutex
	list []noted
}

type noted struct {
	name string
	usage
}

// printTable prints the cases, those that took the most memory first.
func printTable() {
	slices.SortFunc(notes.list, func(a, b noted) int { return cmp.Compare(b.Peak, a.Peak) })
	fmt.Printf("%-72s %5s %9s %7s %7s\n", "case/reader/max_response_mb", "exit", "peak MiB", "s", "CPU s")
	for _, n := range notes.list {
		fmt.Printf("%-72s %5d %9.1f %7.2f %7.2f\n", n.name, n.Code, float64(n.Peak)/(1<<20), n.Took.Seconds(), n.CPU.Seconds())
	}
}

func note(name string, u usage) {
	notes.Lock()
	defer notes.Unlock()
	notes.list = append(notes.list, noted{name, u})
}
