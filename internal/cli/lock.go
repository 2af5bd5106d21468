package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

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
		if s.Required || s.Key == "api_url" {
			fmt.Fprintf(sum, "%s\x00%s\x00%s\x00", s.Key, c.Stream.Text(s.Key), c.Secret(s.Key).Reveal())
		}
	}
	path := filepath.Join(dir, src.Name+"-"+hex.EncodeToString(sum.Sum(nil)[:8])+".lock")
	lock := flock.New(path, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, &fault.Error{Kind: fault.Config, Op: "--lock", Err: err, Hint: "the folder " + dir + " must be writable"}
	}
	if !ok {
		holder := "another process"
		if pid, err := os.ReadFile(path + ".pid"); err == nil {
			holder = "process " + strings.TrimSpace(string(pid))
		}
		return nil, &fault.Error{
			Kind: fault.Quota, Source: src.Name, Op: "--lock", Whole: true,
			Err: fmt.Errorf("%s is running this config", holder), Hint: "wait for it to end, then run again",
		}
	}
	_ = os.WriteFile(path+".pid", fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600)
	return func() {
		_ = os.Remove(path + ".pid")
		_ = lock.Unlock()
	}, nil
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
