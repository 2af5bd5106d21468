package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// bounding are the settings common to all sources that tell what is read.
var bounding = []string{"api_url", "start_date", "end_date"}

// lockRun takes the lock of a config for the whole run. The file is named after
// what the config says, not where it lies: runners write it anew for each run.
// The kernel frees the lock when its holder dies, however it dies.
func lockRun(src *stream.Source, c *config.Loaded, env func(string) (string, bool)) (unlock func(), err error) {
	dir, err := stateDir(env)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, s := range config.Settings(src) {
		own := slices.ContainsFunc(src.Settings, func(o stream.Setting) bool { return o.Key == s.Key })
		if own || slices.Contains(bounding, s.Key) {
			fmt.Fprintf(sum, "%s\x00%s\x00%s\x00", s.Key, c.Stream.Text(s.Key), c.Secret(s.Key).Reveal())
		}
	}
	path := filepath.Join(dir, src.Name+"-"+hex.EncodeToString(sum.Sum(nil)[:8])+".lock")
	lock := flock.New(path, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Config, Op: "--lock", Err: plainPathError(err),
			Hint: "the folder and the file must be this user's and writable, or set XDG_STATE_HOME to a folder that is",
		}
	}
	if !ok {
		return nil, &fault.Error{
			Kind: fault.Quota, Source: src.Name, Op: "--lock", Whole: true,
			Err: fmt.Errorf("%s is running this config", holder(path+pidSuffix)), Hint: "wait for it to end, then run again",
		}
	}
	_ = os.WriteFile(path+pidSuffix, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600)
	return func() {
		_ = os.Remove(path + pidSuffix)
		_ = lock.Unlock()
	}, nil
}

// pidSuffix is that of the file that tells who holds a lock: not every system
// lets others read a file that is locked.
const pidSuffix = ".pid"

// holder tells who holds a lock. For a moment after it was taken the file is of
// the holder before, who may have been killed, or not there yet.
func holder(pidFile string) string {
	for range 20 {
		text, _ := os.ReadFile(pidFile)
		pid, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
		if err == nil && pid > 0 && (runtime.GOOS == "windows" || alive(int(pid))) {
			return "process " + strconv.FormatInt(pid, 10)
		}
		<-time.After(10 * time.Millisecond)
	}
	return "another process"
}

// stateDir is the user's folder for what the tap keeps between runs.
func stateDir(env func(string) (string, bool)) (string, error) {
	base, ok := env("XDG_STATE_HOME")
	if !ok || base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", &fault.Error{Kind: fault.Config, Op: "state folder", Err: err, Hint: "set XDG_STATE_HOME"}
		}
		base = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(base, "tap-backoffice")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", &fault.Error{Kind: fault.Config, Op: "state folder", Err: plainPathError(err), Hint: "set XDG_STATE_HOME to a writable folder"}
	}
	return dir, nil
}
