package httpx

import (
	"errors"
	"io"
	"math"
	"runtime/debug"
	"sync"
)

const (
	firstRead = 64 << 10 // what a body of unknown length starts with
	doubled   = 1 << 20  // up to here a buffer grows by doubling
	keptBytes = 4 << 20  // larger buffers are not kept for reuse
	blockSize = 64 << 10
)

// errTooLarge is a body beyond the limit.
var errTooLarge = errors.New("response over the size limit")

// errTooLong is a body that goes on after its announced length.
var errTooLong = errors.New("body longer than its Content-Length")

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// settle gives the memory of a large body back at once. The collector would let
// the next one be read beside it first.
func settle(size int) {
	if size > keptBytes {
		debug.FreeOSMemory()
	}
}

// A process takes no more than alone and times as much as the largest body, so that
// who starts it knows how much to give it: the body while it is joined, and the
// lines made of it.
const (
	alone    = 64 << 20
	times    = 3
	unheaped = 16 << 20 // of it, what the collector does not count
)

// mind tells the collector of that bound: left alone it lets the memory double
// before it looks. One that the user has set is kept.
func mind(maxResponse int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(alone - unheaped + times*min(maxResponse, math.MaxInt64/times-alone))
	}
}

// take returns an empty buffer with room for n bytes.
func take(n int) []byte {
	if n > keptBytes {
		return make([]byte, 0, n)
	}
	if b := *buffers.Get().(*[]byte); cap(b) >= n {
		return b[:0]
	}
	return make([]byte, 0, n) // and the smaller one goes, lest it come up again
}

// give takes a buffer back.
func give(b []byte) {
	if cap(b) == 0 || cap(b) > keptBytes {
		return
	}
	b = b[:0]
	buffers.Put(&b)
}

// readBody reads a body whole. length is that which was announced, -1 for
// none; a body over limit is errTooLarge, after at most limit+1 bytes.
func readBody(r io.Reader, length, limit int64) ([]byte, error) {
	if length > limit {
		return nil, errTooLarge
	}
	if length < 0 {
		return readAll(r, limit)
	}
	b := take(int(length))[:length]
	if _, err := io.ReadFull(r, b); err != nil {
		give(b)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		give(b)
		return nil, errTooLong
	case err != io.EOF:
		give(b)
		return nil, err
	}
	return b, nil
}

// readAll reads a body of unknown length: into one buffer as long as that is
// small, then into blocks that are joined once, so that at most twice the body
// is held.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	r = io.LimitReader(r, limit+1)
	b := take(firstRead)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			if int64(len(b)) > limit {
				give(b)
				return nil, errTooLarge
			}
			return b, nil
		case err != nil:
			give(b)
			return nil, err
		case len(b) < cap(b):
		case cap(b) >= doubled:
			return readBlocks(r, b, limit)
		default:
			wider := append(take(2*cap(b)), b...)
			give(b)
			b = wider
		}
	}
}

// readBlocks reads what follows head, which is full.
func readBlocks(r io.Reader, head []byte, limit int64) (body []byte, err error) {
	var full []*[blockSize]byte
	defer give(head)
	size := len(head)
	for err == nil {
		p := new([blockSize]byte)
		full = append(full, p)
		var n int
		n, err = fill(r, p[:])
		size += n
	}
	if err != io.EOF { //nolint:errorlint // readers return it bare
		return nil, err
	}
	if int64(size) > limit {
		clear(full)
		settle(size)
		return nil, errTooLarge
	}
	body = append(take(size), head...)
	for i, p := range full {
		body = append(body, p[:min(blockSize, size-len(body))]...)
		full[i] = nil
	}
	settle(size)
	return body, nil
}

// fill is io.ReadFull that leaves the reader's error as it is: a body that is
// cut amid a block must not look like one that ends there.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}
