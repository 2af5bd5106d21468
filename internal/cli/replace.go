package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// replaceFile puts data in the place of path in one step: a reader, or a crash
// at any moment, finds the old content or the new one, whole.
func replaceFile(path string, data ...[]byte) error {
	path, mode, err := replaceable(path)
	if err != nil {
		return err
	}
	for again := range 2 {
		// Who sees other processes than we do, in another container, may take our
		// new file for a leftover.
		if err = replaceOnce(path, mode, data); again > 0 || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return plainPathError(err)
}

// replaceable follows links, also one to a file that is not there yet: the file
// is replaced and not the link to it. Something else than a file is left alone.
func replaceable(path string) (string, fs.FileMode, error) {
	given := path
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			info, err := os.Stat(path)
			switch {
			case err != nil: // what is wrong with the folder is told when it is written to
				return path, 0o600, nil //nolint:nilerr // most often it is just not there yet
			case !info.Mode().IsRegular():
				return "", 0, errors.New(given + ": expected a file")
			}
			return path, info.Mode().Perm(), nil
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(path) + string(filepath.Separator) + to // "..", seen from where the link is
		}
		path = to
	}
	return "", 0, errors.New(given + ": too many links")
}

func replaceOnce(path string, mode fs.FileMode, data [][]byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, fmt.Sprintf("%s%d.*%s", newPrefix(path), os.Getpid(), newSuffix))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	for _, part := range data {
		if _, err = tmp.Write(part); err != nil {
			return err
		}
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if d, derr := os.Open(dir); derr == nil {
		_ = d.Sync() // the rename itself; not every file system can
		_ = d.Close()
	}
	return nil
}

// The new content of a file is in .FILE.PID.RANDOM.new until it is whole. The
// name tells whose it is, so that what a killed process left can be removed.
const newSuffix = ".new"

func newPrefix(path string) string { return "." + filepath.Base(path) + "." }

// removeLeftovers removes the new contents of path that nobody will finish.
func removeLeftovers(path string) {
	path, _, err := replaceable(path)
	if err != nil {
		return
	}
	dir, prefix := filepath.Dir(path), newPrefix(path)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		name, ours := strings.CutPrefix(f.Name(), prefix)
		name, whole := strings.CutSuffix(name, newSuffix)
		writer, random, two := strings.Cut(name, ".")
		pid, err := strconv.ParseInt(writer, 10, 32)
		_, rerr := strconv.ParseUint(random, 10, 64)
		if err == nil && rerr == nil && ours && whole && two && f.Type().IsRegular() && pid > 0 && !alive(int(pid)) {
			os.Remove(filepath.Join(dir, f.Name()))
		}
	}
}

// alive tells whether a process of that number is there. Windows does not tell,
// and lets nobody remove a file that is open.
func alive(pid int) bool {
	if pid == os.Getpid() || runtime.GOOS == "windows" {
		return pid == os.Getpid()
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
