package httpx

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// fileTimes is how much larger than a body in memory, which max_response_mb
// bounds, one on disk may be.
const fileTimes = 16

// tempFile is a body on disk. It implements stream.File.
type tempFile struct {
	file  *os.File
	size  int64
	close func()
}

// ReadAt implements io.ReaderAt.
func (t *tempFile) ReadAt(p []byte, off int64) (int, error) { return t.file.ReadAt(p, off) }

// Size is the length of the body.
func (t *tempFile) Size() int64 { return t.size }

// newTempFile makes an empty file that only this user may read and that has no
// name any more: whatever becomes of the run, nothing of it is left.
func newTempFile() (*tempFile, error) {
	f, err := os.CreateTemp("", "tap-backoffice-*") // 0600
	if err != nil {
		return nil, err
	}
	named := os.Remove(f.Name()) != nil // Windows keeps the name of an open file
	return &tempFile{file: f, close: sync.OnceFunc(func() {
		_ = f.Close()
		if named {
			_ = os.Remove(f.Name())
		}
	})}, nil
}

// wantsFile tells whether a body is to be saved: that of an error, or of an
// answer without one, never is.
func (k *call) wantsFile(resp *http.Response) bool {
	return k.req.File && resp.StatusCode >= 200 && resp.StatusCode < 300 && resp.StatusCode != http.StatusNoContent
}

// save reads a body into a file.
func (k *call) save(resp *http.Response) (*stream.Response, error) {
	limit := k.opt.MaxResponse * fileTimes
	small := k.req.MaxBody > 0 && k.req.MaxBody < limit
	if small {
		limit = k.req.MaxBody
	}
	t, err := newTempFile()
	if err != nil {
		return nil, k.noRoom(err)
	}
	err = k.copyBody(t, resp, limit)
	if err != nil {
		t.close()
		switch {
		case errors.Is(err, errTooLarge) && small:
			return nil, stream.TooLarge
		case errors.Is(err, errTooLarge):
			return nil, k.tooLarge(resp, limit)
		}
		return nil, err
	}
	return &stream.Response{Status: resp.StatusCode, Header: resp.Header, File: t, URL: k.address, Release: t.close}, nil
}

// copyBody fills t. A body that is shorter or longer than was announced is a
// broken attempt.
func (k *call) copyBody(t *tempFile, resp *http.Response, limit int64) error {
	if resp.ContentLength > limit {
		return errTooLarge
	}
	b := take(blockSize)
	defer give(b)
	b = b[:blockSize]
	for {
		n, err := fill(resp.Body, b)
		if t.size += int64(n); t.size > limit {
			return errTooLarge
		}
		if _, werr := t.file.Write(b[:n]); werr != nil {
			return k.noRoom(werr)
		}
		switch {
		case err == io.EOF: //nolint:errorlint // readers return it bare
		case err != nil:
			return err
		default:
			continue
		}
		switch {
		case resp.ContentLength >= 0 && t.size < resp.ContentLength:
			return io.ErrUnexpectedEOF
		case resp.ContentLength >= 0 && t.size > resp.ContentLength:
			return errTooLong
		}
		return nil
	}
}

// noRoom is the fault of a disk that does not take the file: asking again would
// not mend it.
func (k *call) noRoom(err error) error {
	return k.fault(fault.Transient, "a download cannot be kept in a temporary file: "+err.Error(),
		"make room in "+os.TempDir()+", or name another folder in TMPDIR, and run again")
}
