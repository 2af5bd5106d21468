package long

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mostMemory is what a run may take at its peak.
const mostMemory = 64 << 20

// built is the command, as users have it but for its symbols.
var built = sync.OnceValues(func() (string, error) {
	tap := place()
	out, err := exec.Command("go", "build", "-o", tap, "../../cmd/tap-backoffice").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return tap, err
})

// place is where it is built, if a test needs it.
func place() string {
	return filepath.Join(os.TempDir(), fmt.Sprint("tap-backoffice-long-", os.Getpid()))
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(place())
	os.Exit(code)
}

// process is the built command at work.
type process struct {
	*exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
	began  time.Time
	stop   chan struct{}
	done   chan struct{}
	samples
}

// samples are what a process held, over its run.
type samples struct {
	memory []int64 // resident, bytes
	files  []int
	peak   int64 // resident
}

// start starts the command; its stdout is to be read.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	p := &process{Cmd: exec.CommandContext(t.Context(), tap, args...), stop: make(chan struct{}), done: make(chan struct{})}
	p.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.Cmd.Stderr, p.stdout = &p.stderr, bufio.NewReaderSize(out, 1<<20)
	p.began = time.Now()
	require.NoError(t, p.Start())
	go p.watch()
	return p
}

// watch takes a sample every now and then. Where there is no /proc there are none,
// and the peak at the end has to do.
func (p *process) watch() {
	defer close(p.done)
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	dir := "/proc/" + strconv.Itoa(p.Process.Pid)
	for {
		select {
		case <-p.stop:
			return
		case <-every.C:
		}
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if resident := kib(status, "VmRSS:"); resident > 0 && err == nil {
			p.memory = append(p.memory, resident)
			p.files = append(p.files, len(files))
			p.peak = max(p.peak, kib(status, "VmHWM:"))
		}
	}
}

// kib is a line of a process's status in bytes, 0 where there is none.
func kib(status []byte, name string) (bytes int64) {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			_, _ = fmt.Sscan(rest, &bytes)
		}
	}
	return bytes << 10
}

// end waits for a good end, and tells what the run took.
func (p *process) end(t *testing.T, rows int) {
	t.Helper()
	close(p.stop) // the last line was read
	<-p.done
	require.NoError(t, p.Wait(), "%s", p.stderr.String())
	took := time.Since(p.began)
	peak := p.peak
	if peak == 0 {
		// What this process held when it started that one counts here too.
		peak = p.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	cpu := p.ProcessState.UserTime() + p.ProcessState.SystemTime()
	t.Logf("%d rows in %.1f s: %.0f rows/s, %.0f rows per CPU second, peak %.1f MiB", rows, took.Seconds(), float64(rows)/took.Seconds(), float64(rows)/cpu.Seconds(), mib(peak))
	require.LessOrEqual(t, peak, int64(mostMemory))
	const enough = 400 // eight seconds
	if len(p.memory) < enough {
		return // too brief to have quarters
	}
	quarter := len(p.memory) / 4
	second, last := slices.Max(p.memory[quarter:2*quarter]), slices.Max(p.memory[3*quarter:])
	t.Logf("resident: at most %.1f MiB in the second quarter of the run, %.1f MiB in the last; files: %d and %d",
		mib(second), mib(last), slices.Max(p.files[quarter:2*quarter]), slices.Max(p.files[3*quarter:]))
	require.LessOrEqual(t, last, second+second/10, "memory grows")
	require.LessOrEqual(t, slices.Max(p.files[3*quarter:]), slices.Max(p.files[quarter:2*quarter])+1, "open files grow")
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// write makes a config file.
func write(t *testing.T, values map[string]any) string {
	t.Helper()
	text, err := json.Marshal(values)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// ids are the numbers from 0 on that were seen.
type ids []uint64

// add notes a number and tells whether it is new.
func (s ids) add(n int) bool {
	bit := uint64(1) << (n & 63)
	if s[n>>6]&bit != 0 {
		return false
	}
	s[n>>6] |= bit
	return true
}

func newIDs(n int) ids { return make(ids, n/64+1) }

// sandbox starts the stand-in of a source and returns its config.
func sandbox(t *testing.T, source string, flags ...string) map[string]any {
	t.Helper()
	tap, err := built()
	require.NoError(t, err)
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, tap, append([]string{"sandbox", source, "--write-config", dir}, flags...)...)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		stop()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	text, err := os.ReadFile(filepath.Join(dir, source+".json"))
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, json.Unmarshal(text, &values))
	return values
}
