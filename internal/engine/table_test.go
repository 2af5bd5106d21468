package engine

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// filed gives the toy vendor's answers as files where files are wanted.
type filed struct{ v *vendor }

func (f filed) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	resp, err := f.v.Fetch(ctx, req)
	if err == nil && req.File {
		resp.File, resp.Body = bytes.NewReader(resp.Body), nil
	}
	return resp, err
}

// runFiled is run for streams whose jobs make files.
func (w *world) runFiled(state string) *outcome {
	w.t.Helper()
	return w.runFiledCtx(context.Background(), state)
}

func (w *world) runFiledCtx(ctx context.Context, state string) *outcome {
	w.t.Helper()
	var out bytes.Buffer
	o := w.options(state)
	o.Fetcher, o.Out = filed{w.v}, singer.NewWriter(&out)
	rep := Run(ctx, o)
	require.Zero(w.t, w.v.open, "bodies that were not given back")
	res := read(w.t, out.Bytes())
	res.report = rep
	res.lint(rep.Err != nil || o.HoldState || o.MaxRecords > 0)
	return res
}

// tabled is a stream whose jobs are done at once: the answer to their creation
// tells file, rows and the token of the next job.
func tabled(name string) stream.Stream {
	s := changing(name)
	s.Page, s.Path = nil, ""
	part := func(r *stream.Response, i int) string {
		parts := strings.Fields(string(r.Body))
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	create := func(token string) *stream.Request {
		return &stream.Request{Method: "POST", URL: "jobs", Params: []stream.Param{{Name: "token", Value: token}}}
	}
	s.Job = &stream.Job{
		Create: func(stream.Read) (*stream.Request, error) { return create(""), nil },
		Poll: func(r *stream.Response) (stream.Step, error) {
			n, _ := strconv.ParseInt(part(r, 1), 10, 64)
			return stream.Step{Download: &stream.Request{URL: "files/" + part(r, 0)}, Rows: n}, nil
		},
		Table: &stream.Table{
			Columns: func(header []string, fields []stream.Property) ([]stream.Column, error) {
				out := make([]stream.Column, len(header))
				for i, h := range header {
					h = strings.ToLower(h)
					if slices.ContainsFunc(fields, func(p stream.Property) bool { return p.Name == h }) {
						out[i].Name = h
					}
				}
				return out, nil
			},
			More: func(r *stream.Response) (*stream.Request, error) {
				if token := part(r, 2); token != "" {
					return create(token), nil
				}
				return nil, nil
			},
		},
	}
	return s
}

// entry is a file of an archive; what is zero is made to fit.
type entry struct {
	name, text string
	mode       fs.FileMode
	size       uint64
	crc        uint32
}

func archive(t testing.TB, entries ...entry) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		var packed bytes.Buffer
		if e.text != "" {
			f, err := flate.NewWriter(&packed, flate.BestSpeed)
			require.NoError(t, err)
			_, err = io.WriteString(f, e.text)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: e.size, CRC32: e.crc}
		if e.text == "" {
			h.Method = zip.Store
		}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		if e.size == 0 {
			h.UncompressedSize64 = uint64(len(e.text))
		}
		if e.crc == 0 {
			h.CRC32 = crc32.ChecksumIEEE([]byte(e.text))
		}
		w, err := z.CreateRaw(h)
		require.NoError(t, err)
		_, err = w.Write(packed.Bytes())
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return out.String()
}

const threeRows = "Id,V,Other,Name,Up,Modified\n1,1,x,\"a \"\"b\"\", c\",,2026-01-05T01:00:00+01:00\n2,1,x,,7,2026-01-09T00:00:00Z\r\n3,1,x,é,,2026-01-07T00:00:00Z"

// says answers a path with a text.
func (v *vendor) says(path, text string) {
	v.on[path] = func(call) (string, error) { return text, nil }
}

func TestTable(t *testing.T) {
	t.Run("rows", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.v.says("jobs", "7 3")
		w.v.says("files/7", archive(t, entry{name: "7.csv", text: "\xef\xbb\xbf" + threeRows}))
		res := w.runFiled("")
		require.NoError(t, res.result("orders").Err)
		require.Equal(t, ids(3), res.records("orders"))
		require.Equal(t, []any{`a "b", c`, nil, "é"}, res.values("orders", "name"))
		require.Equal(t, []any{nil, 7.0, nil}, res.values("orders", "up"))
		require.Equal(t, []any{"2026-01-05T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-07T00:00:00Z"}, res.values("orders", "modified"))
		require.Equal(t, "2026-01-09", res.bookmark("orders", "modified"))
		require.Zero(t, w.warnings())
	})
	t.Run("from a bookmark", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.v.says("jobs", "7 3")
		w.v.says("files/7", archive(t, entry{name: "7.CSV", text: threeRows}))
		res := w.runFiled(`{"bookmarks":{"orders":{"modified":"2026-01-07T00:00:00Z"}}}`)
		require.Equal(t, []string{"2.1", "3.1"}, res.records("orders"), "the job gave more than was asked for")
	})
	t.Run("files after one another", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.v.on["jobs"] = func(c call) (string, error) {
			return map[string]string{"": "7 3 b", "b": "8 0 c", "c": "9 1"}[c.get("token")], nil
		}
		w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
		w.v.says("files/8", archive(t, entry{name: "8.csv", text: "Modified,Id\n"}))
		w.v.says("files/9", archive(t, entry{name: "9.csv", text: "Modified,Id,V\n2026-01-08T00:00:00Z,4,1\n"}))
		res := w.runFiled("")
		require.NoError(t, res.result("orders").Err)
		require.Equal(t, ids(4), res.records("orders"))
		require.Equal(t, "2026-01-09", res.bookmark("orders", "modified"))
		require.Contains(t, w.log.String(), "lacks a column that was asked for")
	})
	t.Run("a circle of files", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.v.says("jobs", "7 3 b")
		w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
		res := w.runFiled("")
		require.EqualError(t, res.result("orders").Err, "toy: orders: page 2: the files lead in a circle")
		require.Empty(t, res.bookmark("orders"))
	})
	t.Run("no more than wanted", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.MaxRecords = 2
		w.v.says("jobs", "7 3 b")
		w.v.says("files/7", archive(t, entry{name: "7.csv", text: threeRows}))
		res := w.runFiled("")
		require.NoError(t, res.report.Err)
		require.Equal(t, ids(2), res.records("orders"))
		require.Len(t, w.v.calls, 2)
	})
	t.Run("an answer without a file", func(t *testing.T) {
		w := newWorld(t, tabled("orders"))
		w.v.says("jobs", "7")
		w.v.says("files/7", "{}")
		require.ErrorContains(t, w.run("").result("orders").Err, "the answer came without a file")
	})
}

// Whatever a file does, no bookmark moves and nobody has to guess what it was.
func TestHostileTables(t *testing.T) {
	good := archive(t, entry{name: "7.csv", text: threeRows})
	csv := func(text string) string { return archive(t, entry{name: "7.csv", text: text}) }
	var many []entry
	for i := range 30_000 {
		many = append(many, entry{name: strconv.Itoa(i) + ".csv"})
	}
	flipped := []byte(good)
	flipped[len("PK..")+40] ^= 0xff
	for name, tc := range map[string]struct{ file, rows, want string }{
		"no archive":                {file: "<html>Sign in</html>", want: "zip: not a valid zip file"},
		"empty":                     {file: "", want: "zip: not a valid zip file"},
		"no entry":                  {file: archive(t), want: "the archive has 0 entries"},
		"two entries":               {file: archive(t, entry{name: "7.csv", text: threeRows}, entry{name: "8.csv", text: threeRows}), want: "the archive has 2 entries"},
		"a million entries":         {file: archive(t, many...), want: "the directory of the archive is too large"},
		"a path":                    {file: archive(t, entry{name: "../7.csv", text: threeRows}), want: `entry "../7.csv" is no plain CSV file`},
		"a path of another system":  {file: archive(t, entry{name: `a\7.csv`, text: threeRows}), want: "is no plain CSV file"},
		"a drive":                   {file: archive(t, entry{name: "c:7.csv", text: threeRows}), want: "is no plain CSV file"},
		"a folder":                  {file: archive(t, entry{name: "7.csv", mode: fs.ModeDir | 0o755}), want: "is no plain CSV file"},
		"a link":                    {file: archive(t, entry{name: "7.csv", text: "/etc/passwd", mode: fs.ModeSymlink | 0o777}), want: "is no plain CSV file"},
		"no CSV":                    {file: archive(t, entry{name: "7.exe", text: threeRows}), want: "is no plain CSV file"},
		"a bomb":                    {file: archive(t, entry{name: "7.csv", text: threeRows, size: 1 << 40}), want: "expands to 1099511627776"},
		"a bomb that hides":         {file: archive(t, entry{name: "7.csv", text: strings.Repeat(threeRows, 9), size: 99}), want: "zip: not a valid zip file"},
		"a bomb without a line end": {file: csv(strings.Repeat("x", 17<<20)), want: "csv: row 1: longer than"},
		"cut":                       {file: good[:len(good)/2], want: "zip: not a valid zip file"},
		"fewer bytes than told":     {file: archive(t, entry{name: "7.csv", text: threeRows, size: uint64(len(threeRows)) + 1}), want: "unexpected EOF"},
		"a wrong checksum":          {file: archive(t, entry{name: "7.csv", text: threeRows, crc: 1}), want: "zip: checksum error"},
		"a flipped byte":            {file: string(flipped), want: ""},
		"no header":                 {file: csv(""), want: "the file has no header"},
		"a row for a header":        {file: csv("1,1,x,a,,2026-01-05T00:00:00Z\n"), want: "the header has no column for id"},
		"no replication key":        {file: csv("Id,V\n1,1\n"), want: "the header has no column for modified"},
		"a column twice":            {file: csv("Id,Modified,id\n"), want: `column "id" is there twice`},
		"a million columns":         {file: csv(strings.Repeat("a,", 1_000_000)), want: "csv: row 1: more than 20000 columns"},
		"a short row":               {file: csv(threeRows + "\n4,1\n"), want: "row 5 has 2 fields, the header has 6"},
		"a long row":                {file: csv(threeRows + ",,"), want: "row 4 has 8 fields, the header has 6"},
		"an open quote":             {file: csv(threeRows + "\n4,\""), want: "csv: row 5: a quote is not closed"},
		"no UTF-8":                  {file: csv(threeRows + "\n4,1,x,\xff,,\n"), want: "row 5: "},
		"a row without a key":       {file: csv(threeRows + "\n,1,x,,,\n"), want: "row 5: "},
		"fewer rows than told":      {file: good, rows: "4", want: "the file has 3 rows, the job told of 4"},
		"more rows than told":       {file: good, rows: "2", want: "the file has more rows than the 2 that the job told of"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tabled("orders"))
			w.v.says("jobs", "7 "+tc.rows)
			w.v.says("files/7", tc.file)
			res := w.runFiled(`{"bookmarks":{"orders":{"modified":"2026-01-04T00:00:00Z"}}}`)
			f := fault.As(res.result("orders").Err)
			require.NotNil(t, f)
			require.Equal(t, fault.Contract, f.Kind)
			require.NotEmpty(t, f.Hint)
			require.ErrorContains(t, f, tc.want)
			require.ErrorContains(t, f, "(toy://host/files/7)")
			require.Equal(t, "2026-01-04T00:00:00Z", res.bookmark("orders", "modified"))
		})
	}
}

// bigTable is a file of about so many bytes, of 120 columns.
func bigTable(size int) (text []byte, rows int) {
	var b bytes.Buffer
	b.WriteString("id,modified")
	for i := range 17 {
		for _, name := range []string{"ref", "last", "text", "at", "none", "flag", "sum"} {
			fmt.Fprintf(&b, ",%s%d", name, i)
		}
	}
	b.WriteByte('\n')
	seed := uint64(1)
	for ; b.Len() < size; rows++ {
		fmt.Fprintf(&b, "%d,2026-01-%02dT10:00:00+01:00", 4876876000000000000+rows, rows%28+1)
		for range 17 {
			seed = seed*6364136223846793005 + 1442695040888963407
			fmt.Fprintf(&b, ",48768760%011d,Smith-%x,\"Some, text of %d\",2024-05-%02dT12:%02d:00+02:00,,true,%d.50",
				seed>>30, seed>>44, seed>>58, seed>>60+1, seed>>59, seed>>50)
		}
		b.WriteByte('\n')
	}
	return b.Bytes(), rows
}

func wideStream() stream.Stream {
	s := tabled("orders")
	p := []singer.Property{{Name: "id", Schema: &singer.Schema{Type: "string"}}, modified}
	for i := range 17 {
		n := strconv.Itoa(i)
		p = append(
			p, singer.Property{Name: "ref" + n, Schema: nullable("string", "")},
			singer.Property{Name: "last" + n, Schema: nullable("string", "")},
			singer.Property{Name: "text" + n, Schema: nullable("string", "")},
			singer.Property{Name: "at" + n, Schema: nullable("string", "date-time")},
			singer.Property{Name: "none" + n, Schema: nullable("string", "")},
			singer.Property{Name: "flag" + n, Schema: nullable("boolean", "")},
			singer.Property{Name: "sum" + n, Schema: nullable("number", "")},
		)
	}
	s.Schema = &singer.Schema{Type: "object", Properties: p}
	return s
}

// watched calls look whenever it is read.
type watched struct {
	stream.File
	reads int
	look  func()
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	w.reads++
	w.look()
	return w.File.ReadAt(p, off)
}

// one answers the creation of a job, then with its file.
type one struct {
	rows int
	file stream.File
}

func (o one) Fetch(_ context.Context, req *stream.Request) (*stream.Response, error) {
	if req.File {
		return &stream.Response{Status: 200, File: o.file, URL: "toy://host/file"}, nil
	}
	return &stream.Response{Status: 200, Body: fmt.Appendf(nil, "7 %d", o.rows)}, nil
}

// tableRun makes a run over a file.
func tableRun(tb testing.TB, rows int, file stream.File, out io.Writer) *Report {
	w := newWorld(tb, wideStream())
	o := w.options("")
	o.Fetcher, o.Out = one{rows, file}, singer.NewWriter(out)
	rep := Run(tb.Context(), o)
	require.NoError(tb, rep.Err)
	return rep
}

func TestTableMemory(t *testing.T) {
	packed, rows := func() (string, int) {
		text, rows := bigTable(24 << 20)
		return archive(t, entry{name: "7.csv", text: string(text)}), rows
	}()
	file := &watched{File: strings.NewReader(packed)}
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // little but what is live
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, uint64(0)
	file.look = func() {
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	rep := tableRun(t, rows, file, io.Discard)
	require.NoError(t, rep.Streams[0].Err)
	require.Equal(t, int64(rows), rep.Streams[0].Records)
	require.Greater(t, file.reads, 50)
	require.Less(t, most-min(before, most), uint64(12<<20), "of 24 MiB")
}

// What was handed over of a file that turns out to be damaged moves no bookmark.
func TestDamagedAtItsEnd(t *testing.T) {
	text, rows := bigTable(4 << 20)
	var out bytes.Buffer
	rep := tableRun(t, rows, strings.NewReader(archive(t, entry{name: "7.csv", text: string(text), crc: 1})), &out)
	require.Equal(t, fault.Contract, fault.KindOf(rep.Streams[0].Err))
	require.ErrorIs(t, rep.Streams[0].Err, zip.ErrChecksum)
	require.Positive(t, rep.Streams[0].Records)
	require.Less(t, rep.Streams[0].Records, int64(rows))
	require.NotContains(t, read(t, out.Bytes()).state(), "modified")
}

// A run that ends does not read a file to its end, even where nothing of it is
// written.
func TestTableEndsWithItsRun(t *testing.T) {
	text, rows := bigTable(8 << 20)
	ctx, stop := context.WithCancelCause(t.Context())
	file := &watched{File: strings.NewReader(archive(t, entry{name: "7.csv", text: string(text)})), look: func() { stop(errStop) }}
	w := newWorld(t, wideStream())
	w.Start = epoch // above all rows
	o := w.options("")
	o.Fetcher, o.Out = one{rows, file}, singer.NewWriter(io.Discard)
	require.ErrorIs(t, Run(ctx, o).Err, errStop)
	require.Less(t, file.reads, 100)
}
