package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/saasoptics"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprint("tap-backoffice-", os.Getpid()))
}

// built is the command without the race detector, whose processes are many here.
var built = sync.OnceValues(func() (string, error) {
	tap := filepath.Join(buildDir(), "tap-backoffice")
	out, err := exec.Command("go", "build", "-o", tap, "../../cmd/tap-backoffice").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return tap, err
})

// process is the built command at work, its stdout read line by line.
type process struct {
	*exec.Cmd
	lines  *bufio.Reader
	pipe   *os.File
	stderr bytes.Buffer
	ended  chan struct{} // closed at the end, when code and at are set
	code   int
	at     time.Time
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, func(*exec.Cmd) {}, args...)
}

// startWith starts it once prepare has had a look.
func startWith(t *testing.T, prepare func(*exec.Cmd), args ...string) *process {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	p := &process{Cmd: exec.CommandContext(t.Context(), tap, args...), ended: make(chan struct{})}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = read.Close() })
	p.pipe, p.lines = read, bufio.NewReaderSize(read, 4096) // small: what is not read is in the pipe
	p.Stdout, p.Stderr = write, &p.stderr
	prepare(p.Cmd)
	require.NoError(t, p.Start())
	require.NoError(t, write.Close())
	go func() {
		_ = p.Wait()
		p.at, p.code = time.Now(), p.ProcessState.ExitCode()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process for certain and waits for its end.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.ended
}

// read returns the next n lines, fewer at the end. The last one may be cut.
func (p *process) read(n int) (lines []string) {
	if n == rest {
		var all strings.Builder
		_, _ = p.lines.WriteTo(&all)
		return slices.Collect(strings.Lines(all.String()))
	}
	for len(lines) < n {
		line, err := p.lines.ReadString('\n')
		if line != "" {
			lines = append(lines, line)
		}
		if err != nil {
			break
		}
	}
	return lines
}

const rest = 1 << 30

// exit waits for the end and returns the exit code. Whatever happened, neither
// a stack nor the token may have been printed.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	<-p.ended
	require.NotContains(t, p.stderr.String(), saasoptics.Token)
	require.NotContains(t, p.stderr.String(), "goroutine ")
	return p.code
}

// standIn is a sandbox in a process of its own.
type standIn struct {
	config string // path
	origin string
	once   sync.Once
	truth  map[string][]string // keys by stream
}

func stand(t *testing.T, args ...string) *standIn {
	t.Helper()
	dir := t.TempDir()
	p := start(t, append([]string{"sandbox", "--limits", "off", "--records", "300", "--write-config", dir}, args...)...)
	require.Equal(t, []string{"ready\n"}, p.read(1))
	text, err := os.ReadFile(filepath.Join(dir, "saasoptics.json"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(text, &config))
	maps.Copy(config, quick)
	s := &standIn{config: filepath.Join(dir, "c.json"), origin: strings.TrimSuffix(fmt.Sprint(config["api_url"]), "/saasoptics")}
	require.NoError(t, writeJSON(s.config, config))
	return s
}

// keys asks the stand-in, once, for the rows that there are.
func (s *standIn) keys(t *testing.T) map[string][]string {
	t.Helper()
	s.once.Do(func() {
		s.truth = map[string][]string{}
		for _, st := range all.Sources()[0].Streams {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.origin+"/_sandbox/saasoptics/truth?stream="+st.Name, nil)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			rows, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			for line := range bytes.Lines(rows) {
				s.truth[st.Name] = append(s.truth[st.Name], keyOf(line))
			}
			require.NotEmpty(t, s.truth[st.Name], st.Name)
		}
	})
	return s.truth
}

// resume goes on from the last STATE among the lines that a target has seen.
// What it stored up to there and what the second run gives hold every row.
func (s *standIn) resume(t *testing.T, seen []string) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-c", s.config, "--log-level", "error"}
	stored := len(seen)
	for ; stored > 0; stored-- {
		line, isState := strings.CutPrefix(seen[stored-1], `{"type":"STATE","value":`)
		if state, whole := strings.CutSuffix(line, "}\n"); isState && whole {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600))
			args = append(args, "-s", filepath.Join(dir, "state.json"))
			break
		}
	}
	first, second := filepath.Join(dir, "first.jsonl"), filepath.Join(dir, "second.jsonl")
	if stored > 0 {
		// A run that was cut short may end within a stream.
		last := interrupted.ReplaceAllString(seen[stored-1], `"currently_syncing":null}}`+"\n")
		require.NoError(t, os.WriteFile(first, []byte(strings.Join(seen[:stored-1], "")+last), 0o600))
		execute(t, os.DevNull, "conform", first)
	}
	execute(t, second, args...)
	execute(t, os.DevNull, "conform", second)

	have := map[string]bool{}
	for _, file := range []string{first, second} {
		text, err := os.ReadFile(file)
		require.True(t, err == nil || file == first && stored == 0, err)
		for line := range bytes.Lines(text) {
			if rest, ok := bytes.CutPrefix(line, []byte(`{"type":"RECORD","stream":"`)); ok {
				stream, record, _ := bytes.Cut(rest, []byte(`","record":`))
				have[string(stream)+" "+keyOf(record)] = true
			}
		}
	}
	for stream, keys := range s.keys(t) {
		for _, key := range keys {
			require.True(t, have[stream+" "+key], "row %s of %s is lost", key, stream)
		}
	}
}

// interrupted is what the state of a run that was cut short ends with.
var interrupted = regexp.MustCompile(`"currently_syncing":"\w+"\}\}\n$`)

// execute runs the built command, its stdout in a file, and wants exit code 0.
func execute(t *testing.T, stdout string, args ...string) {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	out, err := os.Create(stdout)
	require.NoError(t, err)
	defer out.Close()
	c := exec.CommandContext(t.Context(), tap, args...)
	var stderr bytes.Buffer
	c.Stdout, c.Stderr = out, &stderr
	require.NoError(t, c.Run(), "%v: %s", args, stderr.String())
}

// TestKill kills a first run behind its n-th line, for many n.
func TestKill(t *testing.T) {
	t.Parallel()
	s := stand(t)
	whole := start(t, "-c", s.config)
	lines := len(whole.read(rest))
	require.Zero(t, whole.exit(t))
	require.Greater(t, lines, 2500)

	const points = 40
	cuts := []int{0, 1, 2, 3, 4, 5, 103, 104, lines - 3, lines - 2, lines - 1}
	for i := len(cuts); i < points; i++ {
		// Spread unevenly, so that pages, ends of streams and STATEs are hit.
		cuts = append(cuts, i*lines/points+i*i%17)
	}
	for _, n := range cuts {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := start(t, "-c", s.config, "--log-level", "error")
			seen := p.read(n)
			p.kill()
			s.resume(t, seen)
		})
	}
}

// TestSignal stops a run: its final STATE is the last line, within 2 s, also
// while it waits for an answer or for its reader, and the next run goes on.
func TestSignal(t *testing.T) {
	t.Parallel()
	quick, slow := stand(t), stand(t, "--latency", "30s")
	for name, c := range map[string]struct {
		s      *standIn
		lines  int
		signal syscall.Signal
		pause  time.Duration // of the reader, before each line that follows
	}{
		"at the first line":        {quick, 1, syscall.SIGTERM, 0},
		"at the second line":       {quick, 2, syscall.SIGINT, 0},
		"within a page":            {quick, 50, syscall.SIGTERM, 0},
		"within a stream":          {quick, 1500, syscall.SIGINT, 0},
		"during a slow answer":     {slow, 2, syscall.SIGTERM, 0},
		"during a slow answer too": {slow, 2, syscall.SIGINT, 0},
		"with a slow reader":       {quick, 5, syscall.SIGTERM, 40 * time.Millisecond},
		"with a slow reader later": {quick, 700, syscall.SIGINT, 40 * time.Millisecond},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := start(t, "-c", c.s.config)
			seen := p.read(c.lines)
			sent := time.Now()
			require.NoError(t, p.Process.Signal(c.signal))
			for {
				line := p.read(1)
				if line == nil {
					break
				}
				seen = append(seen, line...)
				<-time.After(c.pause)
			}
			require.Equal(t, 128+int(c.signal), p.exit(t))
			require.Less(t, p.at.Sub(sent), 2*time.Second)
			require.Regexp(t, `^\{"type":"STATE".*\}\}\n$`, seen[len(seen)-1])
			require.Regexp(t, `error stopped by SIG(TERM|INT) \(hint: run again with the last STATE to go on\) exit_code=1(43|30) kind=signal\n$`, p.stderr.String())
			if c.s == quick {
				c.s.resume(t, seen)
			}
		})
	}
}

// TestSignalUnread: a reader that takes nothing at all cannot keep the process.
func TestSignalUnread(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := start(t, "-c", s.config)
	seen := p.read(5)
	sent := time.Now()
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 143, p.exit(t))
	require.Less(t, p.at.Sub(sent), 2*time.Second)
	require.Contains(t, p.stderr.String(), "exit_code=143")
	s.resume(t, append(seen, p.read(rest)...))
}

// TestSignalTwice: the second signal ends the process at once.
func TestSignalTwice(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := start(t, "-c", s.config)
	p.read(5)
	sent := time.Now()
	for !errors.Is(p.Process.Signal(syscall.SIGINT), os.ErrProcessDone) {
		select {
		case <-p.ended:
		case <-time.After(10 * time.Millisecond):
		}
	}
	require.Equal(t, 130, p.exit(t))
	require.Less(t, p.at.Sub(sent), time.Second)
}

// TestSignalElsewhere: commands that wait for input end at once.
func TestSignalElsewhere(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"conform"}, {"select", "contracts"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			read, write, err := os.Pipe()
			require.NoError(t, err)
			defer write.Close()
			tap, err := built()
			require.NoError(t, err)
			c := exec.CommandContext(t.Context(), tap, args...)
			c.Stdin = read
			var stderr bytes.Buffer
			c.Stderr = &stderr
			require.NoError(t, c.Start())
			// More than a pipe holds: when it is written, the command reads.
			_, err = write.WriteString(strings.Repeat("\n", 256<<10))
			require.NoError(t, err)
			require.NoError(t, c.Process.Signal(syscall.SIGTERM))
			_ = c.Wait()
			require.Equal(t, 143, c.ProcessState.ExitCode(), stderr.String())
		})
	}
}

// TestSandboxEnds: to be told to end is no failure, though somebody is connected who
// has not asked anything yet.
func TestSandboxEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, "sandbox", "saasoptics", "--write-config", dir)
	require.Equal(t, []string{"ready\n"}, p.read(1))
	text, err := os.ReadFile(filepath.Join(dir, "saasoptics.json"))
	require.NoError(t, err)
	origin := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(string(text))
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", origin)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, p.Process.Signal(syscall.SIGINT))
	require.Zero(t, p.exit(t), p.stderr.String())
}

// TestClosed closes stdout after n lines.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := stand(t)
	for _, n := range []int{0, 1, 2, 60, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p := start(t, "-c", s.config)
			require.Len(t, p.read(n), n)
			require.NoError(t, p.pipe.Close())
			require.Equal(t, 7, p.exit(t))
			require.Regexp(t, `error .*write stdout: .*broken pipe \(hint: .*\) exit_code=7 kind=output\n$`, p.stderr.String())
		})
	}
}
