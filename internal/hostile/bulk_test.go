package hostile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// isBulk is what has to do with bulk files.
func isBulk(r *http.Request) bool { return strings.Contains(r.URL.Path, "/crm/bulk/") }

// files answers a job at once with a result, and gives the file that make writes.
// header is a good one, row a good row beneath it.
func files(result string, give func(w *wire, header, row string)) func(*wire) {
	return func(w *wire) {
		s := w.site
		if !isFile(w.r) {
			var asked struct {
				Query struct{ Fields []string }
			}
			text, _ := io.ReadAll(w.r.Body)
			_ = json.Unmarshal(text, &asked)
			if asked.Query.Fields != nil {
				s.mu.Lock()
				s.header = "Id," + strings.Join(asked.Query.Fields, ",")
				s.mu.Unlock()
			}
			w.answer("201 Created", fmt.Sprintf(`{"data":[{"id":"77","state":"COMPLETED","result":%s}]}`, strings.ReplaceAll(result, "#", fmt.Sprint(w.n))))
			return
		}
		s.mu.Lock()
		header := s.header
		s.mu.Unlock()
		give(w, header+"\n", "7301700000451001"+strings.Repeat(",", strings.Count(header, ","))+"\n")
	}
}

const result = `{"page":1,"count":1,"per_page":200000,"more_records":false,"download_url":"/crm/bulk/v8/read/77/result"}`

// zipped gives one file within an archive.
func zipped(give func(w io.Writer, header, row string)) func(*wire, string, string) {
	return func(w *wire, header, row string) {
		w.head("200 OK", "Content-Type: application/zip")
		z := zip.NewWriter(w)
		f, err := z.Create("contacts.csv")
		if err == nil {
			give(f, header, row)
		}
		_ = z.Close()
	}
}

// text is the archive of a CSV file, which change changes.
func text(change func(header, row string) string) func(*wire) {
	return files(result, zipped(func(w io.Writer, header, row string) { _, _ = io.WriteString(w, change(header, row)) }))
}

// archive gives what is made of a good archive's bytes.
func archive(change func(b []byte) []byte, entry ...zip.FileHeader) func(*wire) {
	return files(result, func(w *wire, header, row string) {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, h := range entry {
			if f, err := z.CreateHeader(&h); err == nil && !strings.HasSuffix(h.Name, "/") {
				_, _ = io.WriteString(f, header+row)
			}
		}
		_ = z.Close()
		w.head("200 OK", "Content-Type: application/zip")
		_, _ = w.Write(change(b.Bytes()))
	})
}

func same(b []byte) []byte { return b }

// times writes text again and again, until the client has gone or it is enough.
func times(w io.Writer, text string, n int) {
	const most = 1 << 20
	many := max(1, min(n, most/len(text)))
	block := []byte(strings.Repeat(text, many))
	for ; n > 0; n -= many {
		if _, err := w.Write(block[:min(many, n)*len(text)]); err != nil {
			return
		}
	}
}

// unlike is a MiB that packs a hundred to one at most.
func unlike() string {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		b.WriteString(strings.Repeat(fmt.Sprint(i), 50))
	}
	return b.String()[:1<<20]
}

func named(name string) zip.FileHeader { return zip.FileHeader{Name: name, Method: zip.Deflate} }

func linkNamed(name string, mode os.FileMode) zip.FileHeader {
	h := named(name)
	h.SetMode(mode)
	return h
}

// raw gives an archive of one entry whose bytes and whose sizes are made up.
func raw(h zip.FileHeader, give func(w io.Writer)) func(*wire) {
	return files(result, func(w *wire, _, _ string) {
		w.head("200 OK", "Content-Type: application/zip")
		z := zip.NewWriter(w)
		if f, err := z.CreateRaw(&h); err == nil {
			give(f)
		}
		_ = z.Close()
	})
}

func TestBulk(t *testing.T) {
	t.Parallel()
	flag := func(at int, bit byte) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at] |= bit
			if i := bytes.Index(b, []byte("PK\x01\x02")); i >= 0 {
				b[i+at+2] |= bit
			}
			return b
		}
	}
	const zeroMiB = 10 << 10 // 10 GiB
	zeroSize := uint64(len(zeroPiece())*zeroMiB + 5)
	patient := map[string]any{"request_timeout": 30}
	cases := []hostile{
		{name: "good file", exit: complete, sample: true, does: text(func(header, row string) string { return header + row })},
		{name: "zip64 that holds nothing", exit: broken, does: raw(zip.FileHeader{Name: "x.csv", Method: zip.Deflate, UncompressedSize64: 1 << 33, CompressedSize64: 1 << 33}, func(io.Writer) {})},
		{name: "zip bomb of 10 GB", exit: broken, sample: true, says: "expands to", mb: []int{4, 64}, config: patient, does: raw(zip.FileHeader{Name: "x.csv", Method: zip.Deflate, UncompressedSize64: zeroMiB << 20, CompressedSize64: zeroSize}, func(w io.Writer) { zeros(w, zeroMiB) })},
		{name: "zip bomb that says it is small", exit: broken, does: raw(zip.FileHeader{Name: "x.csv", Method: zip.Deflate, UncompressedSize64: 100, CompressedSize64: zeroSize}, func(w io.Writer) { zeros(w, zeroMiB) })},
		{name: "zip bomb of just the ratio", exit: broken, does: raw(zip.FileHeader{Name: "x.csv", Method: zip.Deflate, UncompressedSize64: zeroSize * 400, CompressedSize64: zeroSize}, func(w io.Writer) { zeros(w, zeroMiB) })},
		{name: "many entries", exit: broken, says: "entries", does: archive(same, named("a.csv"), named("b.csv"), named("c.csv"))},
		{name: "10^5 entries", exit: broken, sample: true, does: files(result, func(w *wire, _, _ string) {
			w.head("200 OK")
			z := zip.NewWriter(w)
			for i := range int(1e5) {
				if _, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i, ".csv")}); err != nil {
					return
				}
			}
			_ = z.Close()
		})},
		{name: "entries that say they are 2^60", exit: broken, does: archive(func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("PK\x05\x06"))
			binary.LittleEndian.PutUint16(b[i+8:], 0xfffe)
			binary.LittleEndian.PutUint16(b[i+10:], 0xfffe)
			return b
		}, named("a.csv"))},
		{name: "overlapping entries", exit: broken, does: archive(func(b []byte) []byte {
			// Both entries of the directory point to the first one's bytes.
			i := bytes.LastIndex(b, []byte("PK\x01\x02"))
			binary.LittleEndian.PutUint32(b[i+42:], 0)
			return b
		}, named("a.csv"), named("a.csv"))},
		{name: "entry above", exit: broken, sample: true, says: "no plain CSV file", does: archive(same, named("../../../../tmp/hostile.csv"))},
		{name: "entry with a root", exit: broken, says: "no plain CSV file", does: archive(same, named("/tmp/hostile.csv"))},
		{name: "entry with a drive", exit: broken, says: "no plain CSV file", does: archive(same, named(`C:\hostile.csv`))},
		{name: "entry with NUL", exit: broken, does: archive(same, named("a.csv\x00.exe"))},
		{name: "entry with line ends", exit: broken, does: archive(same, named("a\r\n\x1b[31mb.exe"))},
		{name: "entry with a name of 60 kB", exit: broken, does: archive(same, named(strings.Repeat("x", 60<<10)+".exe"))},
		{name: "entry that is a link", exit: broken, says: "no plain CSV file", does: archive(same, linkNamed("a.csv", 0o777|os.ModeSymlink))},
		{name: "entry that is a device", exit: broken, says: "no plain CSV file", does: archive(same, linkNamed("a.csv", 0o666|os.ModeDevice|os.ModeCharDevice))},
		{name: "entry that is a folder", exit: broken, says: "no plain CSV file", does: archive(same, named("a.csv/"))},
		{name: "no CSV in it", exit: broken, says: "no plain CSV file", does: archive(same, named("readme.txt"))},
		{name: "nothing in it", exit: broken, says: "0 entries", does: archive(same)},
		{name: "wrong sum", exit: broken, says: "checksum", does: archive(func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("PK\x01\x02"))
			b[i+16] ^= 1
			if j := bytes.Index(b, []byte("PK\x07\x08")); j >= 0 {
				b[j+4] ^= 1
			}
			return b
		}, named("a.csv"))},
		{name: "encrypted", exit: broken, says: "is encrypted", does: archive(flag(6, 1), named("a.csv"))},
		{name: "packed in an unknown way", exit: broken, does: archive(flag(8, 0x60), named("a.csv"))},
		{name: "truncated", exit: broken, does: archive(func(b []byte) []byte { return b[:len(b)/2] }, named("a.csv"))},
		{name: "truncated by a byte", exit: broken, does: archive(func(b []byte) []byte { return b[:len(b)-1] }, named("a.csv"))},
		{name: "no archive", exit: broken, does: files(result, func(w *wire, header, row string) { w.answer("200 OK", header+row) })},
		{name: "a page", exit: broken, does: files(result, func(w *wire, _, _ string) { w.answer("200 OK", "<html><title>Sign in</title>") })},
		{name: "an empty file", exit: broken, does: files(result, func(w *wire, _, _ string) { w.answer("200 OK", "") })},
		{name: "a part of the file", exit: broken, says: "206", does: func(w *wire) {
			files(result, func(w *wire, header, row string) {
				var b bytes.Buffer
				z := zip.NewWriter(&b)
				f, _ := z.Create("a.csv")
				_, _ = io.WriteString(f, header+row)
				_ = z.Close()
				w.answer("206 Partial Content", b.String())
			})(w)
		}},
		{name: "garbage before the archive", exit: complete, does: archive(func(b []byte) []byte { return append(bytes.Repeat([]byte{0}, 1<<20), b...) }, named("a.csv"))},
		{name: "two archives", exit: complete, does: archive(func(b []byte) []byte { return append(b, b...) }, named("a.csv"))},
		{name: "an archive in gzip", exit: complete, does: files(result, func(w *wire, header, row string) {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			f, _ := z.Create("a.csv")
			_, _ = io.WriteString(f, header+row)
			_ = z.Close()
			w.head("200 OK", "Content-Encoding: gzip")
			_, _ = w.Write(packed(b.Bytes()))
		})},
		{name: "a gzip bomb as archive", exit: broken, says: "over the limit of", mb: []int{4, 64}, config: patient, does: files(result, func(w *wire, _, _ string) {
			w.head("200 OK", "Content-Encoding: gzip")
			w.say(gzipHead)
			zeros(w, 2<<10)
		})},
		{name: "an endless archive", exit: broken, says: "over the limit of 64 MiB", sample: true, does: files(result, func(w *wire, _, _ string) {
			w.head("200 OK")
			w.repeat("x", 1<<30)
		})},
		{name: "an archive told as 10^18 bytes", exit: broken, says: "over the limit of", does: files(result, func(w *wire, _, _ string) { w.head("200 OK", "Content-Length: 1000000000000000000") })},
		{name: "an archive longer than told", exit: broken, does: files(result, func(w *wire, _, _ string) { w.head("200 OK", "Content-Length: 5"); w.say("0123456789") })},
		{name: "an archive shorter than told", exit: failure, does: files(result, func(w *wire, _, _ string) { w.head("200 OK", "Content-Length: 50"); w.say("0123456789") })},
		{name: "a slow archive", exit: failure, waits: 2 * timeout * time.Second, does: files(result, func(w *wire, _, _ string) {
			w.head("200 OK")
			w.drip("P")
		})},
		{name: "a redirect to the file", exit: broken, does: files(result, func(w *wire, _, _ string) {
			w.answer("302 Found", "", "Location: http://"+w.site.foreign.host+"/x.zip")
		})},

		{name: "a million columns", exit: broken, sample: true, says: "columns", does: text(func(header, row string) string {
			return header[:len(header)-1] + strings.Repeat(",x", 1e6) + "\n" + row
		})},
		{name: "a million columns in a row", exit: broken, says: "columns", does: text(func(header, row string) string { return header + strings.Repeat(",", 1e6) + "\n" })},
		{name: "a cell of 200 MB", exit: broken, sample: true, says: "longer than", config: patient, does: files(result, zipped(func(w io.Writer, header, row string) {
			_, _ = io.WriteString(w, header+"1,")
			times(w, unlike(), 200)
		}))},
		{name: "a cell of 3 MB", exit: complete, long: true, config: patient, mb: []int{4, 64}, does: files(result, zipped(func(w io.Writer, header, row string) {
			_, _ = io.WriteString(w, header+row[:strings.IndexByte(row, ',')+1])
			times(w, "x", 3<<20)
			_, _ = io.WriteString(w, row[strings.IndexByte(row, ',')+1:])
		}))},
		{name: "a cell of 3 MB of quotes", exit: complete, long: true, config: patient, mb: []int{4, 64}, does: files(result, zipped(func(w io.Writer, header, row string) {
			_, _ = io.WriteString(w, header+row[:strings.IndexByte(row, ',')+1]+`"`)
			times(w, `""`, 3<<19)
			_, _ = io.WriteString(w, `"`+row[strings.IndexByte(row, ',')+1:])
		}))},
		{name: "a header of 60 MB", exit: broken, says: "longer than", config: patient, does: files(result, zipped(func(w io.Writer, _, _ string) { times(w, "x", 60<<20) }))},
		{name: "a header of 100 MB", exit: broken, says: "expands to", config: patient, does: files(result, zipped(func(w io.Writer, _, _ string) { times(w, "x", 100<<20) }))},
		{name: "a quote that is never closed", exit: broken, says: "longer than", config: patient, mb: []int{4, 64}, does: files(result, zipped(func(w io.Writer, header, _ string) {
			_, _ = io.WriteString(w, header+`1,"`)
			times(w, "a,b\n", 60<<18)
		}))},
		{name: "quotes that are never closed", exit: broken, config: patient, does: files(result, zipped(func(w io.Writer, header, _ string) {
			_, _ = io.WriteString(w, header+`1,"`)
			times(w, `""`, 60<<19)
		}))},
		{name: "a quote to the end", exit: broken, says: "not closed", does: text(func(header, row string) string { return header + `"` + row })},
		{name: "NUL in the key", exit: complete, does: text(func(header, row string) string { return header + "\x00" + row })},
		{name: "lone carriage returns", exit: broken, does: text(func(header, row string) string { return strings.ReplaceAll(header+row+row, "\n", "\r") })},
		{name: "rows with a column less", exit: broken, says: "fields", does: text(func(header, row string) string { return header + strings.Replace(row, ",", "", 1) })},
		{name: "rows with a column more", exit: broken, says: "fields", does: text(func(header, row string) string { return header + "," + row })},
		{name: "columns twice", exit: broken, does: text(func(header, row string) string { return "Id," + header + "1," + row })},
		{name: "columns that are not known", exit: complete, does: text(func(header, row string) string { return "Strange," + header + "x," + row })},
		{name: "no header", exit: broken, does: text(func(_, row string) string { return row })},
		{name: "nothing", exit: broken, says: "no header", does: text(func(_, _ string) string { return "" })},
		{name: "no rows where one is told", exit: broken, says: "the job told of 1", does: text(func(header, _ string) string { return header })},
		{name: "two rows where one is told", exit: broken, says: "more rows than the 1 that", does: text(func(header, row string) string { return header + row + row })},
		{name: "rows for ever where one is told", exit: broken, sample: true, says: "more rows than the 1 that", config: patient, does: files(result, zipped(func(w io.Writer, header, row string) {
			_, _ = io.WriteString(w, header)
			times(w, row, 2e5)
		}))},
		{name: "empty lines for ever", exit: broken, says: "empty lines", config: patient, does: files(result, zipped(func(w io.Writer, header, _ string) {
			_, _ = io.WriteString(w, header)
			times(w, "\n\r\n", 20<<20)
		}))},
		{name: "no key", exit: broken, says: "key", does: text(func(header, row string) string { return header + row[strings.IndexByte(row, ','):] })},
		{name: "invalid UTF-8", exit: broken, says: "UTF-8", does: text(func(header, row string) string { return header + strings.Replace(row, ",", ",\xff\xfe", 1) })},
		{name: "UTF-16", exit: broken, does: text(func(header, row string) string { return "\xff\xfe" + strings.ReplaceAll(header+row, "", "\x00") })},
		{name: "byte order mark", exit: complete, does: text(func(header, row string) string { return "\xef\xbb\xbf" + header + row })},

		{name: "a file at another host", exit: broken, sample: true, says: "another host", does: files(`{"count":1,"download_url":"http://169.254.169.254/x"}`, nil)},
		{name: "a file at a path above", exit: broken, does: files(`{"count":1,"download_url":"/crm/../../../x"}`, nil)},
		{name: "a file of the disk", exit: broken, does: files(`{"count":1,"download_url":"file:///etc/passwd"}`, nil)},
		{name: "a count below nothing", does: files(strings.Replace(result, `"count":1`, `"count":-1`, 1), nil), exit: broken},
		{name: "a count of 10^18", exit: broken, says: "the job told of", does: files(strings.Replace(result, `"count":1`, `"count":1000000000000000000`, 1), zipped(func(w io.Writer, header, row string) { _, _ = io.WriteString(w, header+row) }))},
		{name: "a count of 10^30", exit: broken, does: files(strings.Replace(result, `"count":1`, `"count":1000000000000000000000000000000`, 1), nil)},
		{name: "files for ever with the same row", exit: broken, sample: true, says: "circle", does: files(strings.Replace(result, `"more_records":false`, `"more_records":true,"next_page_token":"t#"`, 1), zipped(func(w io.Writer, header, row string) { _, _ = io.WriteString(w, header+row) }))},
		{name: "files by the same token for ever", exit: broken, says: "circle", does: files(strings.Replace(result, `"more_records":false`, `"more_records":true,"next_page_token":"t"`, 1), zipped(func(w io.Writer, header, row string) { _, _ = io.WriteString(w, header+row) }))},
		{name: "a job with a path as id", exit: broken, does: func(w *wire) {
			w.answer("201 Created", `{"data":[{"status":"success","details":{"id":"../../../x"}}]}`)
		}},
		{name: "a job with an id of 1 MB", exit: broken, does: func(w *wire) {
			w.answer("201 Created", `{"data":[{"status":"success","details":{"id":"`+strings.Repeat("7x", 1<<19)+`"}}]}`)
		}},
		{name: "a job in a strange state", exit: broken, says: "not documented", does: func(w *wire) {
			w.answer("201 Created", `{"data":[{"id":"77","state":"`+strings.Repeat(`\u001b[31m`, 1000)+`"}]}`)
		}},
		{name: "a job that is given up", exit: failure, does: func(w *wire) {
			w.answer("201 Created", `{"data":[{"id":"77","state":"FAILURE","result":{"error_message":"`+strings.Repeat("x", 1<<20)+`"}}]}`)
		}},
		{name: "a deep job", exit: broken, does: func(w *wire) {
			w.answer("201 Created", strings.Repeat(`{"data":[`, 1e5)+strings.Repeat(`]}`, 1e5))
		}},
	}
	for i := range cases {
		cases[i].to, cases[i].at = []target{zohoBulk}, isBulk
	}
	run(t, cases)
}
