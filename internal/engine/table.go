package engine

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/tap-backoffice/tap-backoffice/internal/csvspan"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	// maxDirectory bounds what is read of an archive before its entry is known:
	// a directory of one entry and both comments are less than 300 KiB.
	maxDirectory = 1 << 20
	// maxRatio bounds what an archive may expand to, once that is more than
	// anyExpanded: rows of nothing but commas come to a hundred to one.
	maxRatio    = 400
	anyExpanded = 64 << 20
	// packedBuffer is what is read of the file at once.
	packedBuffer = 64 << 10
)

// table turns the rows of a table file into lines, block by block. What has
// been handed over moves no bookmark before the file was read to its end, where
// its checksum is compared, and has as many rows as the job told.
func (l *lane) table(ctx context.Context, t *stream.Table, m made, st *pageState) error {
	f := l.feeds[0]
	f.conv.SetTime(l.rd.run.Now().UTC().Format(stream.MicroLayout))
	entry, err := openTable(m.file.File)
	if err != nil {
		return err
	}
	defer entry.Close()
	rows := csvspan.NewReader(entry)
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file has no header")
	}
	if err != nil {
		return err
	}
	width := len(header)
	cols, err := l.columns(t, header)
	if err != nil {
		return err
	}
	for {
		if ctx.Err() != nil { // rows that are not written would not find out
			return errEnded
		}
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(fields) != width {
			return fmt.Errorf("row %d has %d fields, the header has %d", rows.Row(), len(fields), width)
		}
		if f.lines == nil {
			f.lines = getLines()
		}
		start := len(*f.lines)
		line, err := f.conv.AppendColumns(*f.lines, cols, fields)
		if err != nil {
			return fmt.Errorf("row %d: %w", rows.Row(), err)
		}
		*f.lines = line
		if st.rows++; m.rows > 0 && int64(st.rows) > m.rows {
			return fmt.Errorf("the file has more rows than the %d that the job told of", m.rows)
		}
		if st.rows == 1 {
			if m.begins[f.conv.KeyHash()]++; m.begins[f.conv.KeyHash()] > maxStale { // once it may have moved
				return &fault.Error{Kind: fault.Contract, Err: errors.New("the files lead in a circle: they begin with the same row"), Hint: "report it to the vendor and run again"}
			}
		}
		if err := l.took(f, start, st); err != nil {
			return err
		}
		if l.rd.run.MaxRecords > 0 && l.enough() {
			return nil
		}
	}
	if m.rows > 0 && int64(st.rows) != m.rows {
		return fmt.Errorf("the file has %d rows, the job told of %d", st.rows, m.rows)
	}
	return nil
}

// columns settles what the columns under a header hold.
func (l *lane) columns(t *stream.Table, header [][]byte) (*record.Columns, error) {
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = string(h)
	}
	var fields []stream.Property
	for _, p := range l.rd.task.Schema.Properties {
		if l.rd.keeps(p.Name) || slices.Contains(l.rd.capture, p.Name) {
			fields = append(fields, p)
		}
	}
	told, err := t.Columns(names, fields)
	if err != nil {
		return nil, err
	}
	if len(told) != len(names) {
		return nil, &fault.Error{Kind: fault.Internal, Err: fmt.Errorf("%d columns are described of %d", len(told), len(names))}
	}
	list := make([]record.Column, len(told))
	for i, c := range told {
		list[i] = record.Column(c)
	}
	for _, p := range fields {
		switch {
		case strings.HasPrefix(p.Name, "_") || slices.ContainsFunc(list, func(c record.Column) bool { return c.Name == p.Name }):
		case l.rd.needs(p.Name), l.rd.s.Roads != nil: // or the pages would give what the file lacks
			return nil, fmt.Errorf("the header has no column for %s", p.Name)
		default:
			l.rd.run.Log.Warn("the file lacks a column that was asked for, it stays null", "stream", l.rd.s.Name, "field", p.Name)
		}
	}
	cols, err := l.rd.plan.Columns(list)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return cols, nil
}

// needs tells whether rows without a property mean nothing: its key and what
// moves its bookmark. A table without them may have lost its header.
func (rd *reader) needs(name string) bool {
	return slices.Contains(rd.s.Key, name) || rd.s.Cursor != nil && rd.s.Cursor.Field == name
}

// openTable opens the one CSV file of an archive.
func openTable(file stream.File) (io.ReadCloser, error) {
	if file == nil {
		return nil, errors.New("the answer came without a file")
	}
	// An archive may list millions of entries, whatever it says of their number.
	from := &bounded{from: file, left: maxDirectory}
	archive, err := zip.NewReader(from, file.Size())
	if err != nil {
		return nil, err
	}
	from.left = -1
	if len(archive.File) != 1 {
		return nil, fmt.Errorf("the archive has %d entries where one is expected", len(archive.File))
	}
	entry := archive.File[0]
	if entry.Flags&1 != 0 {
		return nil, fmt.Errorf("the archive's entry %s is encrypted", told(entry.Name))
	}
	if !entry.Mode().IsRegular() || strings.ContainsAny(entry.Name, `/\:`) || !strings.HasSuffix(strings.ToLower(entry.Name), ".csv") {
		return nil, fmt.Errorf("the archive's entry %s is no plain CSV file", told(entry.Name))
	}
	// The reader refuses what expands to more than the entry says.
	if size := entry.UncompressedSize64; size > anyExpanded && size/maxRatio > uint64(file.Size()) {
		return nil, fmt.Errorf("the archive of %d bytes expands to %d", file.Size(), size)
	}
	archive.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser {
		return flate.NewReader(bufio.NewReaderSize(r, packedBuffer))
	})
	return entry.Open()
}

// bounded is a file of which only so much is read; a negative left is no bound.
// One goroutine reads it.
type bounded struct {
	from io.ReaderAt
	left int
}

// ReadAt implements io.ReaderAt.
func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if b.left >= 0 {
		if b.left -= len(p); b.left < 0 {
			b.left = 0
			return 0, errors.New("the directory of the archive is too large")
		}
	}
	return b.from.ReadAt(p, off)
}

// tableFault turns what is wrong with a table file into a fault that names the
// address and the next step.
func tableFault(err error, resp *stream.Response) error {
	if err == nil || errors.Is(err, errEnded) || fault.As(err) != nil {
		return err
	}
	hint := "the file is not what the vendor documents; run again, and report it to the vendor if it stays"
	if _, ok := errors.AsType[*record.KeyError](err); ok {
		hint = "the bookmark stays where it was; ask the vendor about rows without a key"
	}
	return &fault.Error{Kind: fault.Contract, Status: resp.Status, Err: fmt.Errorf("%w (%s)", err, resp.URL), Hint: hint}
}
