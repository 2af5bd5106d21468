//go:build unix

package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// saver is state save at work: states go in, and what it has stored comes out.
type saver struct {
	*process
	in *os.File
}

func startSaver(t *testing.T, file string) *saver {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	s := &saver{in: write}
	s.process = startWith(t, func(c *exec.Cmd) { c.Stdin = read }, "state", "save", file)
	require.NoError(t, read.Close())
	t.Cleanup(func() { _ = write.Close() })
	return s
}

// stateLine is the n-th state, some longer than a pipe and than any buffer.
func stateLine(n int) string {
	length := []int{0, 1, 37, 511, 4096, 70_000}[n%6]
	if n%331 == 330 {
		length = 3 << 20
	}
	return fmt.Sprintf(`{"n":%d,"of":%d,"rest":%q}`, n, length, strings.Repeat("x", length))
}

// savedIn returns the number of the state in a file, which has to be whole.
func savedIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return numberOf(t, string(text))
}

func numberOf(t *testing.T, line string) int {
	t.Helper()
	var s struct{ N int }
	require.NoError(t, json.Unmarshal([]byte(line), &s), "%.100q", line)
	require.True(t, line == stateLine(s.N)+"\n", "%.100q of %d bytes is no whole state", line, len(line)) //nolint:testifylint // not megabytes in a message
	return s.N
}

// TestSaveKilled kills state save at any moment. Each time the file holds one
// whole state: the one before, or a later one, and none that is older than
// what has been passed on. What the killed ones left is gone with the next.
func TestSaveKilled(t *testing.T) {
	t.Parallel()
	const groups = 4
	var left atomic.Int64
	t.Run("kills", func(t *testing.T) {
		for i := range groups {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				left.Add(killSavers(t, 50))
			})
		}
	})
	require.GreaterOrEqual(t, left.Load(), int64(groups), "too few were killed while they wrote")
}

// killSavers returns how many were killed while they wrote.
func killSavers(t *testing.T, kills int) int64 {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	require.NoError(t, os.WriteFile(file, []byte(stateLine(0)+"\n"), 0o600))
	next, last, left, moved := 1, 0, 0, 0
	for k := range kills {
		s := startSaver(t, file)
		fed := make(chan int)
		go func() {
			n := next
			for _, err := io.WriteString(s.in, stateLine(n)+"\n"); err == nil; {
				n++
				_, err = io.WriteString(s.in, stateLine(n)+"\n")
			}
			fed <- n
		}()
		lines := s.read(k % 7)
		// It writes the next one now, until nobody takes what it passes on.
		<-time.After(rand.N([]time.Duration{200 * time.Microsecond, 2 * time.Millisecond}[k%2]))
		s.kill()
		next = <-fed
		passed := last
		for _, line := range append(lines, s.read(rest)...) {
			if strings.HasSuffix(line, "\n") {
				passed = numberOf(t, line)
			}
		}
		now := savedIn(t, file)
		require.GreaterOrEqual(t, now, passed, "kill %d: a state was passed on that is not stored", k)
		if now > last {
			moved++
		}
		last = now
		names := namesIn(t, dir)
		require.LessOrEqual(t, len(names), 2, "the file, and what this one left")
		left += len(names) - 1
	}
	execute(t, os.DevNull, "state", "save", file) // nothing comes in
	require.Equal(t, last, savedIn(t, file), "it stays")
	require.Equal(t, []string{"state.json"}, namesIn(t, dir))
	require.Greater(t, moved, kills/2)
	t.Logf("%d killed, %d of them while they wrote; %d states offered", kills, left, next)
	return int64(left)
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// TestSaveLeftovers: only what a dead process left of this very file goes.
func TestSaveLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead := exec.CommandContext(t.Context(), "true")
	require.NoError(t, dead.Run())
	gone, here := dead.Process.Pid, os.Getpid()
	kept := []string{
		".other.json.1.1.new", fmt.Sprintf(".s*.json.%d.12.new", here), fmt.Sprintf(".s*.json.%d.12.newer", gone),
		fmt.Sprintf(".s*.json.%d.x.new", gone), ".s*.json.new", ".s*.json.swp", fmt.Sprintf("s*.json.%d.12.new", gone),
	}
	for _, name := range append(kept, fmt.Sprintf(".s*.json.%d.12.new", gone), fmt.Sprintf(".s*.json.%d.345.new", gone)) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, fmt.Sprintf(".s*.json.%d.9.new", gone)), 0o700))
	execute(t, os.DevNull, "state", "save", filepath.Join(dir, "s*.json"))
	require.ElementsMatch(t, append(kept, fmt.Sprintf(".s*.json.%d.9.new", gone)), namesIn(t, dir))
}

// save runs state save on a text and returns the exit code and what it says.
func save(t *testing.T, prepare func(*exec.Cmd), input, file string) (code int, stderr string) {
	t.Helper()
	p := startWith(t, func(c *exec.Cmd) {
		c.Stdin = strings.NewReader(input)
		prepare(c)
	}, "state", "save", file)
	_ = p.read(rest)
	return p.exit(t), p.stderr.String()
}

func asIs(*exec.Cmd) {}

// TestSaveFullDisk: the old file is intact, and nothing else is left.
func TestSaveFullDisk(t *testing.T) {
	t.Parallel()
	for name, limit := range fullDisks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "state.json")
			old := `{"old":1}` + "\n"
			require.NoError(t, os.WriteFile(file, []byte(old), 0o600))
			fits, large := `{"new":2}`+"\n", `{"new":"`+strings.Repeat("3", 200_000)+`"}`+"\n"
			code, said := save(t, limit(dir), large+fits, file)
			require.Equal(t, 2, code, said)
			require.Regexp(t, `error state save: .*\.new: (file too large|no space left on device) \(hint: the file holds the last state that could be stored; free space.*\) exit_code=2 kind=state\n$`, said)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, old, string(text))
			require.Equal(t, []string{"state.json"}, namesIn(t, dir))
			code, said = save(t, limit(dir), fits+large, file)
			require.Equal(t, 2, code, said)
			text, err = os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, fits, string(text), "the one before the one that did not fit")
		})
	}
}

// fullDisks are ways to a disk that takes no more below a folder. A limit on
// the size of files needs no rights and is met at the same place.
func fullDisks(t *testing.T) map[string]func(dir string) func(*exec.Cmd) {
	t.Helper()
	disks := map[string]func(string) func(*exec.Cmd){
		"limit": func(string) func(*exec.Cmd) {
			return through("sh", "-c", `trap "" XFSZ; ulimit -f 100; exec "$0" "$@"`)
		},
	}
	// A disk of its own that only this process sees. The old files go there and back.
	const small = `set -e; d=$1; shift; mkdir "$d.was"; cp -a "$d/." "$d.was/"; mount -t tmpfs -o size=64k,nr_inodes=64 small "$d"
		cp -a "$d.was/." "$d/"; code=0; "$@" || code=$?; rm -rf "$d.was"/* "$d.was"/.[!.]*; cp -a "$d/." "$d.was/"; umount "$d"
		rm -rf "$d"/* "$d"/.[!.]*; cp -a "$d.was/." "$d/"; rm -rf "$d.was"; exit $code`
	if exec.CommandContext(t.Context(), "unshare", "-m", "mount", "-t", "tmpfs", "none", t.TempDir()).Run() == nil {
		disks["disk"] = func(dir string) func(*exec.Cmd) {
			return through("unshare", "-m", "sh", "-c", small, "sh", dir)
		}
	}
	return disks
}

// through starts a command by another one.
func through(first string, args ...string) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		path, err := exec.LookPath(first)
		if err != nil {
			c.Err = err
			return
		}
		c.Args = append(append([]string{first}, args...), c.Args...)
		c.Args[len(args)+1] = c.Path
		c.Path = path
	}
}

// TestSaveNoPlace: what cannot be replaced is told, and left as it is.
func TestSaveNoPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(dir string) error // makes dir/state.json something odd
		says    string
	}{
		"a folder":          {func(dir string) error { return os.Mkdir(filepath.Join(dir, "state.json"), 0o700) }, `state\.json: expected a file`},
		"a pipe":            {func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "state.json"), 0o600) }, `state\.json: expected a file`},
		"a device":          {func(dir string) error { return os.Symlink(os.DevNull, filepath.Join(dir, "state.json")) }, `state\.json: expected a file`},
		"links in a circle": {func(dir string) error { return os.Symlink("state.json", filepath.Join(dir, "state.json")) }, `state\.json: too many links`},
		"a read-only folder": {func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "state.json"), []byte("{}\n"), 0o666), os.Chmod(dir, 0o555))
		}, `permission denied`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			require.NoError(t, c.prepare(dir))
			before, err := os.Lstat(filepath.Join(dir, "state.json"))
			require.NoError(t, err)
			code, said := save(t, nobody, "{\"a\":1}\n", filepath.Join(dir, "state.json"))
			require.Equal(t, 2, code, said)
			require.Regexp(t, `error state save: .*`+c.says+` \(hint: .*exit_code=2 kind=state\n$`, said)
			require.Equal(t, 1, strings.Count(said, "\n"))
			after, err := os.Lstat(filepath.Join(dir, "state.json"))
			require.NoError(t, err)
			require.True(t, os.SameFile(before, after))
			require.Equal(t, before.Mode(), after.Mode())
			require.Equal(t, []string{"state.json"}, namesIn(t, dir))
			require.NoError(t, os.Chmod(dir, 0o777)) // for whoever cleans up
		})
	}
}

// openDir is a folder that anybody may write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "open-") //nolint:usetesting // t.TempDir is below a folder of its owner's alone
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	return dir
}

// nobody runs a command without root's rights, whose owner may do all.
func nobody(c *exec.Cmd) {
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

// TestSaveClosed: whoever reads stdout goes away, and states are stored all the same.
func TestSaveClosed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	s := startSaver(t, file)
	for n := 1; n < 40; n++ {
		_, err := io.WriteString(s.in, stateLine(n)+"\n")
		require.NoError(t, err)
		if n < 8 {
			require.Equal(t, n, numberOf(t, s.read(1)[0]))
			require.Equal(t, n, savedIn(t, file), "what is passed on is stored")
		}
		if n == 8 {
			require.NoError(t, s.pipe.Close())
		}
	}
	require.NoError(t, s.in.Close())
	require.Equal(t, 7, s.exit(t))
	require.Equal(t, 39, savedIn(t, file))
	require.Regexp(t, `error write stdout: .*broken pipe \(hint: .*\) exit_code=7 kind=output\n$`, s.stderr.String())
}

// TestSaveLinks: all links to a file stay links, also those to nothing yet.
func TestSaveLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "far", "away"), 0o700))
	require.NoError(t, os.Symlink("far/away", filepath.Join(dir, "kept")))
	require.NoError(t, os.Symlink("../there.json", filepath.Join(dir, "far", "away", "one.json")))
	require.NoError(t, os.Symlink("kept/one.json", filepath.Join(dir, "two.json")))
	for _, line := range []string{`{"a":1}`, `{"a":2}`} {
		code, said := save(t, asIs, line, filepath.Join(dir, "two.json"))
		require.Zero(t, code, said)
		text, err := os.ReadFile(filepath.Join(dir, "far", "there.json"))
		require.NoError(t, err)
		require.Equal(t, line+"\n", string(text))
		require.Equal(t, []string{"far", "kept", "two.json"}, namesIn(t, dir))
		require.Equal(t, []string{"one.json"}, namesIn(t, filepath.Join(dir, "far", "away")))
	}
}

// TestSaveLongLine: 100 MB are a state; what could not be read again is passed
// on, and the state before it stays.
func TestSaveLongLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size int
		kept bool
	}{{100_000_000, true}, {257 << 20, false}} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			parts := []io.Reader{strings.NewReader("{\"small\":1}\n{\"large\":\""), io.LimitReader(letters{}, int64(c.size)), strings.NewReader("\"}\nend")}
			var want int64
			p := startWith(t, func(cmd *exec.Cmd) { cmd.Stdin = io.MultiReader(parts...) }, "state", "save", file)
			n, err := io.Copy(io.Discard, p.lines)
			require.NoError(t, err)
			code := p.exit(t)
			require.Equal(t, int64(12+10+c.size+3+3), n, "all is passed on")
			info, err := os.Stat(file)
			require.NoError(t, err)
			if want = 12; c.kept {
				want = int64(10 + c.size + 3)
				require.Zero(t, code, p.stderr.String())
			} else {
				require.Equal(t, 2, code)
				require.Contains(t, p.stderr.String(), "error state save: a line of more than 256 MiB was passed on and is not kept (hint: ")
			}
			require.Equal(t, want, info.Size())
		})
	}
}

// letters never end.
type letters struct{}

// Read implements io.Reader.
func (letters) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}
