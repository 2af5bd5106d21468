package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

const (
	// lockPoll is how soon a lock that another process holds is tried again, at
	// first and at most: a renewal takes milliseconds, or as long as the vendor.
	lockPoll, lockPollMost = 2 * time.Millisecond, 50 * time.Millisecond
	// lockSay is after how long a wait for it is told of.
	lockSay = 5 * time.Second
	// spareRoom is how much the file may grow by one answer without asking the
	// disk for more: the longest tokens are a few kB.
	spareRoom = 32 << 10
	maxStore  = 16 << 20
)

// store is the file that keeps tokens between runs. Whoever changes it holds
// the lock file beside it and goes this way:
//
//	lock, finish what a crash left, read, write blanks to the new file and sync
//	it (a full disk is found before a grant is burnt), ask the vendor, write
//	the answer over the blanks, sync, rename, sync the folder, unlock
//
// A crash after the write leaves the answer in the new file, and the next one
// under the lock finishes the rename. What no order can save is an answer that
// was on its way, or not yet in the new file, when the process died.
type store struct {
	path   string // "": tokens are kept in memory only
	source string
	log    *slog.Logger
	loose  bool // told of
	// at is called at each step, by tests that crash there.
	at func(step string)
}

// The steps of a change, as tests name them.
const (
	stepReady    = "ready"    // the request is about to be sent
	stepAnswered = "answered" // the vendor has burnt the old token
	stepWritten  = "written"
	stepSynced   = "synced"
	stepRenamed  = "renamed"
	stepStored   = "stored" // the new token may be used
)

func newStore(path, source string, log *slog.Logger) (*store, error) {
	s := &store{source: source, log: log, at: func(string) {}}
	if path == "" {
		return s, nil
	}
	var err error
	if s.path, err = resolve(path); err != nil {
		return nil, s.fault(plain(err), "check token_store")
	}
	return s, nil
}

// resolve follows links, also one to a file that is not there yet: the file is
// replaced and not the link to it, and all links to a file share its lock.
func resolve(path string) (string, error) {
	for range 16 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil //nolint:nilerr // what is wrong with the file is told when it is read
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", errors.New(path + ": too many links")
}

// read returns the file as it is now, an empty one where there is none.
func (s *store) read() (*document, int64, error) {
	if s.path == "" {
		return &document{}, 0, nil
	}
	data, mode, err := readWhole(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &document{}, 0, nil
	}
	if err != nil {
		return nil, 0, s.fault(plain(err), "check token_store and who may read it")
	}
	if mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" && !s.loose {
		s.loose = true
		s.log.Warn(fmt.Sprintf("%s holds tokens and may be read by others (%#o): run chmod 600", s.path, mode.Perm()))
	}
	d, err := parseDocument(data)
	if err != nil {
		return nil, 0, s.broken(err)
	}
	return d, int64(len(data)), nil
}

func readWhole(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, 0, errors.New(path + ": expected a file")
	case info.Size() > maxStore:
		return nil, 0, errors.New(path + ": larger than any token store")
	}
	data, err := os.ReadFile(path)
	return data, info.Mode(), err
}

func (s *store) broken(err error) error {
	return s.fault(fmt.Errorf("%s is no token store: %w", s.path, err),
		"it is left as it is: mend it, or move it away and sign in: "+SignInCommand(s.source))
}

func (s *store) fault(err error, hint string) *fault.Error {
	return &fault.Error{Kind: fault.Config, Source: s.source, Op: "token store", Whole: true, Err: err, Hint: hint}
}

// plain is an error without the name of the system call.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", l.New, l.Err)
	}
	return err
}

// change is one turn at the file, from lock to unlock.
type change struct {
	*store
	lock *flock.Flock
	next *os.File // the new file, once it is prepared
	size int64    // of the file as it was read
}

func (s *store) newPath() string { return s.path + ".new" }

// begin takes the lock and finishes what a crash left.
func (s *store) begin(ctx context.Context) (*change, error) {
	c := &change{store: s}
	if s.path == "" {
		return c, nil
	}
	lock := flock.New(s.path+".lock", flock.SetPermissions(0o600))
	said := false
	began := time.Now()
	for poll := lockPoll; ; poll = min(2*poll, lockPollMost) {
		ok, err := lock.TryLock()
		if err != nil {
			return nil, s.fault(plain(err), "the folder "+filepath.Dir(s.path)+" must be writable, or set token_store to a path in one that is")
		}
		if ok {
			break
		}
		if !said && time.Since(began) > lockSay {
			said = true
			s.log.Info("waiting for another process that renews a token", "lock", s.path+".lock")
		}
		if err := sleep(ctx, poll); err != nil {
			return nil, err
		}
	}
	c.lock = lock
	if err := c.recover(); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// recover finishes the change of a process that died with a whole new file:
// that holds the only token which the vendor still takes.
func (c *change) recover() error {
	data, _, err := readWhole(c.newPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = parseDocument(data)
	}
	if err != nil {
		// Blanks, or half of an answer: the file itself is what there is.
		if err := os.Remove(c.newPath()); err != nil {
			return c.fault(plain(err), "remove it")
		}
		return nil
	}
	if err := rename(c.newPath(), c.path); err != nil {
		return c.fault(plain(err), "it holds the newest tokens: make it "+c.path)
	}
	return nil
}

// document is the file as it is under the lock.
func (c *change) document() (*document, error) {
	d, size, err := c.read()
	c.size = size
	return d, err
}

// prepare makes the new file with room for what is to come. Until this has
// worked, nothing is asked that cannot be asked twice.
func (c *change) prepare() error {
	if c.path == "" || c.next != nil {
		return nil
	}
	f, err := os.OpenFile(c.newPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		c.next = f
		blanks := make([]byte, c.size+spareRoom)
		for i := range blanks {
			blanks[i] = ' '
		}
		if _, err = f.Write(blanks); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		return c.fault(plain(err), "tokens are not asked for before there is a place for them: make room, and see that "+
			filepath.Dir(c.path)+" is writable, or set token_store to another path")
	}
	return nil
}

// commit puts data in the place of the file. When it returns nil, a crash at any
// later moment finds data.
func (c *change) commit(data []byte) error {
	if c.path == "" {
		return nil
	}
	err := c.write(data)
	switch {
	case err != nil && c.next == nil:
		return c.fault(fmt.Errorf("the new tokens could not be put into their place: %w", plain(err)),
			"they are in "+c.newPath()+", keep it: see that "+c.path+" can be replaced, then run again")
	case err != nil:
		return c.fault(fmt.Errorf("the new tokens could not be stored, and the old ones are used up: %w", plain(err)),
			"make room for "+c.path+", then sign in: "+SignInCommand(c.source))
	}
	c.at(stepStored)
	return nil
}

func (c *change) write(data []byte) error {
	f := c.next
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	// From here on the new file is whole, blanks at its end do no harm: it
	// stays, whatever happens.
	c.next = nil
	defer f.Close()
	if err := f.Truncate(int64(len(data))); err != nil {
		return err
	}
	c.at(stepWritten)
	if err := f.Sync(); err != nil {
		return err
	}
	c.at(stepSynced)
	if err := f.Close(); err != nil {
		return err
	}
	return rename(c.newPath(), c.path, c.at)
}

// rename puts a synced file in its place for good.
func rename(from, to string, at ...func(string)) error {
	err := os.Rename(from, to)
	if errors.Is(err, syscall.EBUSY) {
		err = overwrite(from, to) // a container's mount of the one file
	}
	if err != nil {
		return err
	}
	for _, at := range at {
		at(stepRenamed)
	}
	if d, err := os.Open(filepath.Dir(to)); err == nil {
		_ = d.Sync() // not every file system can
		_ = d.Close()
	}
	return nil
}

// overwrite copies a synced file over one that cannot be replaced. A crash half
// way leaves the first, and the copy is made again.
func overwrite(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Remove(from)
}

// end gives the lock back. A new file that was not filled goes away.
func (c *change) end() {
	if c.next != nil {
		c.next.Close()
		os.Remove(c.newPath())
		c.next = nil
	}
	if c.lock != nil {
		_ = c.lock.Unlock()
	}
}

// sleep waits and returns the cause of a context that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
