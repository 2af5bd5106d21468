package house

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
)

// What a user downloads, and what a runner pays on every start. The times are those
// of a machine on which a program that does nothing takes usualStart; on a slower
// one they are longer by as much.
const (
	usualStart  = time.Millisecond
	maxBinary   = 15 << 20
	maxModules  = 20
	maxVersion  = 10 * time.Millisecond // --version: the process itself
	maxDiscover = 50 * time.Millisecond // --discover of a source without network
	patience    = 20 * time.Second      // how long a busy machine may spoil a measurement
)

const command = "./cmd/tap-backoffice"

// build builds a program as make build does.
func build(t *testing.T, into, program string, env ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", into, program)
	c.Dir = root
	c.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestBinary builds the command as make build does and looks at it. Starts are
// measured in wall time, the best of many: other tests run beside this one, and
// what they take is not the tap's.
func TestBinary(t *testing.T) {
	dir := t.TempDir()
	tap := filepath.Join(dir, "tap-backoffice"+exe())
	build(t, tap, command)

	t.Run("size", func(t *testing.T) {
		info, err := os.Stat(tap)
		require.NoError(t, err)
		t.Logf("%.1f MiB", float64(info.Size())/(1<<20))
		require.LessOrEqual(t, info.Size(), int64(maxBinary), "the binary grew beyond its budget: what came in?")
	})
	t.Run("static", func(t *testing.T) {
		onLinux := tap
		if runtime.GOOS != "linux" { // the promise is one for Linux
			onLinux = filepath.Join(dir, "linux")
			build(t, onLinux, command, "GOOS=linux")
		}
		f, err := elf.Open(onLinux)
		require.NoError(t, err)
		defer f.Close()
		for _, p := range f.Progs {
			require.NotContains(t, []elf.ProgType{elf.PT_INTERP, elf.PT_DYNAMIC}, p.Type, "the binary runs on any Linux, in an empty container too")
		}
	})
	t.Run("modules", func(t *testing.T) {
		info, err := buildinfo.ReadFile(tap)
		require.NoError(t, err)
		var names []string
		for _, m := range info.Deps {
			names = append(names, m.Path)
			require.Nil(t, m.Replace, "%s is replaced", m.Path)
		}
		t.Logf("%d modules: %s", len(names), strings.Join(names, " "))
		require.LessOrEqual(t, len(names), maxModules, "each module is somebody to trust")
		for _, lib := range libraries {
			if lib.owner == nil {
				require.False(t, slices.ContainsFunc(names, func(m string) bool { return strings.HasPrefix(lib.path, m) }), "%s is for tests only", lib.path)
			}
		}
	})
	t.Run("paths", func(t *testing.T) {
		here, err := filepath.Abs(root)
		require.NoError(t, err)
		b, err := os.ReadFile(tap)
		require.NoError(t, err)
		require.False(t, bytes.Contains(b, []byte(here+string(filepath.Separator))), "the binary holds the path of its sources: two machines build two binaries")
	})
	nothing := filepath.Join(dir, "nothing")
	require.NoError(t, os.WriteFile(nothing+".go", []byte("package main\n\nfunc main() {}\n"), 0o600))
	build(t, nothing, nothing+".go")
	t.Run("version", func(t *testing.T) {
		fastest(t, maxVersion, 20, nothing, tap, "--version")
	})
	for _, source := range all.Sources() {
		if source.Discover == nil {
			t.Run("discover "+source.Name, func(t *testing.T) {
				fastest(t, maxDiscover, 10, nothing, tap, source.Name, "--discover")
			})
		}
	}
}

// fastest runs a command at least n times, and on, while patience lasts, until
// one run stays within the limit. In turns with it runs the program that does
// nothing, which tells how fast the machine is.
func fastest(t *testing.T, limit time.Duration, n int, nothing string, command ...string) {
	t.Helper()
	best, bare, most := time.Hour, time.Hour, limit
	begun := time.Now()
	for i := 0; i < n || best > most && time.Since(begun) < patience; i++ {
		bare, best = min(bare, took(t, nothing)), min(best, took(t, command...))
		most = time.Duration(float64(limit) * max(1, float64(bare)/float64(usualStart)))
	}
	t.Logf("%s: %v, nothing: %v", strings.Join(command[1:], " "), best.Round(10*time.Microsecond), bare.Round(10*time.Microsecond))
	require.LessOrEqual(t, best, most, "a start costs more than its budget: what is done before it is needed?")
}

// took is the wall time of one run.
func took(t *testing.T, command ...string) time.Duration {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	var errs bytes.Buffer
	c.Stderr = &errs
	start := time.Now()
	require.NoError(t, c.Run(), "%s: %s", strings.Join(command[1:], " "), &errs)
	return time.Since(start)
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
