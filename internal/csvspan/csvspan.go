// Package csvspan owns the reading of CSV files (RFC 4180) as spans of bytes:
// one pass, no allocation for a row, in bounded memory whatever the file says.
// It must know no vendor, give no meaning to a value, and never hand over a row
// that the file does not hold whole.
package csvspan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// Limits of what is taken for a row.
const (
	MaxRow     = 4 << 20 // bytes, of empty lines in a row too
	MaxColumns = 20_000
)

const firstBuffer = 256 << 10

// Error says where a file is no CSV.
type Error struct {
	Row int // from 1, the header included
	Msg string
}

// Error renders row and finding.
func (e *Error) Error() string { return fmt.Sprintf("csv: row %d: %s", e.Row, e.Msg) }

// Reader reads rows. The zero value is not ready: see NewReader.
type Reader struct {
	from   io.Reader
	buf    []byte
	at     int // the next row begins here
	filled int
	ended  bool // from has nothing more
	row    int
	fields [][]byte
	single []byte // the row's fields that had doubled quotes
}

// NewReader returns a Reader of a file with commas and double quotes. A byte
// order mark at its beginning is skipped.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: from, buf: make([]byte, firstBuffer)}
}

// Row is the number of the row that Read returned last, from 1.
func (r *Reader) Row() int { return r.row }

// Read returns the fields of the next row, io.EOF after the last one. They are
// valid until the next call. Empty lines are skipped. A line ends in LF or CRLF.
func (r *Reader) Read() ([][]byte, error) {
	if r.row == 0 {
		if err := r.skipMark(); err != nil {
			return nil, err
		}
	}
	blank := 0
	for {
		end, err := r.parse()
		switch {
		case errors.Is(err, errMore):
			if err := r.fill(); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		case end == r.at:
			return nil, io.EOF
		}
		length := end - r.at
		r.at = end
		if len(r.fields) == 1 && r.fields[0] != nil && len(r.fields[0]) == 0 {
			if blank += length; blank > MaxRow {
				return nil, &Error{r.row + 1, fmt.Sprintf("more than %d bytes of empty lines", MaxRow)}
			}
			continue // an empty line
		}
		r.row++
		return r.fields, nil
	}
}

var errMore = errors.New("more bytes are needed")

var mark = []byte("\xef\xbb\xbf")

func (r *Reader) skipMark() error {
	for r.filled < len(mark) && !r.ended {
		if err := r.fill(); err != nil {
			return err
		}
	}
	if bytes.HasPrefix(r.buf[r.at:r.filled], mark) {
		r.at += len(mark)
	}
	return nil
}

// fill reads more bytes behind those of the row at hand.
func (r *Reader) fill() error {
	if r.at > 0 {
		r.filled = copy(r.buf, r.buf[r.at:r.filled])
		r.at = 0
	}
	if r.filled == len(r.buf) {
		if len(r.buf) >= MaxRow {
			return &Error{r.row + 1, fmt.Sprintf("longer than %d bytes", MaxRow)}
		}
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	// As much as there is room for: who unpacks a file gives a little at a time,
	// and a row that is longer than what has come is read anew with each piece.
	for r.filled < len(r.buf) {
		n, err := r.from.Read(r.buf[r.filled:])
		r.filled += n
		if err == io.EOF {
			r.ended = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parse finds the fields of the row at r.at and returns where the next one
// begins; r.at itself at the end of the file.
func (r *Reader) parse() (end int, err error) {
	b := r.buf[:r.filled]
	i := r.at
	r.fields, r.single = r.fields[:0], r.single[:0]
	if i == len(b) {
		if r.ended {
			return i, nil
		}
		return 0, errMore
	}
	for {
		if len(r.fields) >= MaxColumns {
			return 0, &Error{r.row + 1, fmt.Sprintf("more than %d columns", MaxColumns)}
		}
		var field []byte
		if i < len(b) && b[i] == '"' {
			if field, i, err = r.quoted(b, i); err != nil {
				return 0, err
			}
		} else {
			start := i
			i = plain(b, i)
			field = b[start:i:i]
			if i == len(b) && !r.ended {
				return 0, errMore
			}
			if (i == len(b) || b[i] == '\n') && len(field) > 0 && field[len(field)-1] == '\r' {
				field = field[:len(field)-1]
			}
		}
		r.fields = append(r.fields, field)
		switch {
		case i == len(b):
			return i, nil // the last line may lack its end
		case b[i] == ',':
			i++
		default:
			return i + 1, nil
		}
	}
}

const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	commas = ',' * ones
	feeds  = '\n' * ones
)

// plain returns where a field without quotes ends that has come to b[i]: at a
// comma, a line feed or the end of b. It looks at eight bytes at a time.
func plain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		c, f := w^commas, w^feeds
		// A zero byte borrows from its high bit. What a borrow may mark wrongly
		// stands behind a byte that is marked rightly.
		if m := ((c-ones)&^c | (f-ones)&^f) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '\n' {
		i++
	}
	return i
}

// quoted reads the field in quotes at b[i] and returns where it ends: at a comma,
// a line feed or the end of the file.
func (r *Reader) quoted(b []byte, i int) (field []byte, end int, err error) {
	start := i + 1
	doubled := false
	for j := start; ; {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			if r.ended {
				return nil, 0, &Error{r.row + 1, "a quote is not closed: the file is cut off"}
			}
			return nil, 0, errMore
		}
		j += k + 1
		if j == len(b) && !r.ended {
			return nil, 0, errMore
		}
		if j < len(b) && b[j] == '"' {
			doubled = true
			j++
			continue
		}
		field, end = b[start:j-1:j-1], j
		break
	}
	if end < len(b) && b[end] == '\r' {
		if end+1 == len(b) && !r.ended {
			return nil, 0, errMore
		}
		end++
	}
	if end < len(b) && b[end] != ',' && b[end] != '\n' {
		return nil, 0, &Error{r.row + 1, "something follows a closing quote"}
	}
	if doubled {
		field = r.halve(field)
	}
	if field == nil {
		field = []byte{}
	}
	return field, end, nil
}

// halve makes doubled quotes single, in a copy: should more bytes be needed, the
// row is read anew from what is in the buffer. Room that runs out is left to the
// fields which are there already.
func (r *Reader) halve(field []byte) []byte {
	start := len(r.single)
	for {
		k := bytes.IndexByte(field, '"')
		if k < 0 {
			break
		}
		r.single = append(r.single, field[:k+1]...)
		field = field[k+2:]
	}
	r.single = append(r.single, field...)
	return r.single[start:len(r.single):len(r.single)]
}
