package hostile

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// zeros are n bytes of nothing, n in MiB, as a deflate stream without an end that
// is made of one piece again and again: nobody holds the whole.
func zeros(w io.Writer, n int) {
	piece := zeroPiece()
	for range n {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte{1, 0, 0, 0xff, 0xff}) // the last block, empty
}

// zeroPiece is a MiB of zeros, deflated, that ends at a byte.
var zeroPiece = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	f, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = f.Write(make([]byte, 1<<20))
	_ = f.Flush()
	return b.Bytes()
})

const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

func packed(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body)
	_ = z.Close()
	return b.Bytes()
}

func TestBody(t *testing.T) {
	t.Parallel()
	encoded := func(encoding string, pack func([]byte) []byte) func(*wire) {
		return func(w *wire) {
			w.ok("Content-Encoding: " + encoding)
			_, _ = w.Write(pack(w.good().Body.Bytes()))
		}
	}
	endless := func(text string) func(*wire) {
		return func(w *wire) {
			before, row, _, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			for w.say("%s%s", row, text) {
			}
		}
	}
	run(t, []hostile{
		{name: "good", to: lists, exit: complete, sample: true, does: func(w *wire) { w.again() }},
		{name: "gzip", to: lists, exit: complete, does: encoded("gzip", packed)},

		{name: "gzip bomb of 1 GB", to: lists, mb: []int{4, 64}, exit: broken, says: "over the limit of", sample: true, does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			w.say(gzipHead)
			zeros(w, 1<<10)
		}},
		{name: "gzip bomb of a good list", to: lists, mb: []int{4, 64}, exit: broken, says: "over the limit of", does: func(w *wire) {
			before, row, _, ok := w.parts()
			if !ok {
				return
			}
			w.ok("Content-Encoding: gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			_, _ = io.WriteString(z, before)
			block := []byte(strings.Repeat(row+",", 1<<20/len(row)))
			for {
				if _, err := z.Write(block); err != nil {
					return
				}
			}
		}},
		{name: "gzip in gzip", to: lists, exit: broken, does: encoded("gzip", func(b []byte) []byte { return packed(packed(b)) })},
		{name: "gzip of many members", to: lists[:1], exit: broken, says: "over the limit", does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			member := packed(make([]byte, 1<<20))
			for {
				if _, err := w.Write(member); err != nil {
					return
				}
			}
		}},
		{name: "gzip of endless empty members", to: lists[:1], exit: failure, waits: 2 * timeout * time.Second, says: "no whole answer within", does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			member := packed(nil)
			for {
				if _, err := w.Write(bytes.Repeat(member, 1000)); err != nil {
					return
				}
			}
		}},
		{name: "gzip with a head of 1 GB", to: lists[:1], exit: broken, waits: 2 * timeout * time.Second, does: func(w *wire) {
			w.ok("Content-Encoding: gzip")
			w.say("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff") // a file name follows, to the first NUL
			w.repeat("x", 1<<30)
		}},
		{name: "gzip twice", to: lists, exit: broken, does: encoded("gzip, gzip", func(b []byte) []byte { return packed(packed(b)) })},
		{name: "gzip told in two headers", to: lists[:1], exit: broken, does: encoded("gzip\r\nContent-Encoding: gzip", func(b []byte) []byte { return packed(packed(b)) })},
		{name: "gzip that is none", to: lists, exit: broken, does: encoded("gzip", func(b []byte) []byte { return b })},
		{name: "gzip cut", to: lists, exit: failure, does: encoded("gzip", func(b []byte) []byte { return packed(b)[:40] })},
		{name: "gzip with a wrong sum", to: lists, exit: broken, does: encoded("gzip", func(b []byte) []byte {
			p := packed(b)
			p[len(p)-7] ^= 1
			return p
		})},
		{name: "gzip told in vain", to: lists[:1], exit: broken, does: encoded("identity", packed)},
		{name: "deflate", to: lists, exit: broken, does: encoded("deflate", func(b []byte) []byte {
			var out bytes.Buffer
			z := zlib.NewWriter(&out)
			_, _ = z.Write(b)
			_ = z.Close()
			return out.Bytes()
		})},
		{name: "br", to: lists, exit: broken, does: encoded("br", func([]byte) []byte { return []byte("\x8b\x02\x80{\"count\":0}\x03") })},
		{name: "zstd", to: lists[:1], exit: broken, does: encoded("zstd", func([]byte) []byte { return []byte("\x28\xb5\x2f\xfd\x04\x00\x00\x00") })},

		{name: "endless", to: lists, mb: []int{4, 64}, exit: broken, says: "over the limit of", sample: true, does: endless(",")},
		{name: "endless blanks", to: lists, exit: broken, says: "over the limit of", does: func(w *wire) {
			w.ok()
			w.repeat(" ", 1<<30)
		}},
		{name: "endless and slow", to: lists, exit: failure, waits: 2 * timeout * time.Second, says: "no whole answer within 2s", does: func(w *wire) {
			w.ok()
			w.drip("[")
		}},
		{name: "endless chunks of one byte", to: lists[:1], exit: broken, waits: 2 * timeout * time.Second, does: func(w *wire) {
			w.ok("Transfer-Encoding: chunked")
			for w.say("1;x=%0100d\r\n \r\n", 1) {
			}
		}},
		{name: "a chunk of 2^62 bytes", to: lists[:1], exit: broken, says: "over the limit", does: func(w *wire) {
			w.ok("Transfer-Encoding: chunked")
			w.say("4000000000000000\r\n")
			w.repeat(" ", 1<<30)
		}},
		{name: "a chunk of -1 bytes", to: lists[:1], exit: broken, does: func(w *wire) {
			w.ok("Transfer-Encoding: chunked")
			w.say("-1\r\n[]\r\n0\r\n\r\n")
		}},
		{name: "trailers of 1 GB", to: lists[:1], exit: broken, waits: 2 * timeout * time.Second, does: func(w *wire) {
			body := w.good().Body.String()
			w.ok("Transfer-Encoding: chunked", "Trailer: X")
			w.say("%x\r\n%s\r\n0\r\n", len(body), body)
			w.say("X: ")
			w.repeat("x", 1<<30)
		}},

		{name: "told shorter than it is", to: lists, exit: broken, does: func(w *wire) {
			body := w.good().Body.String()
			w.ok(fmt.Sprint("Content-Length: ", len(body)/2))
			w.say("%s", body)
		}},
		{name: "told longer than it is", to: lists, exit: failure, does: func(w *wire) {
			body := w.good().Body.String()
			w.ok(fmt.Sprint("Content-Length: ", len(body)+10))
			w.say("%s", body)
		}},
		{name: "told as 10^18 bytes", to: lists, exit: broken, says: "over the limit", does: func(w *wire) {
			w.ok("Content-Length: 1000000000000000000")
			w.say("[]")
		}},
		{name: "told as just the limit", to: lists, mb: []int{64}, exit: failure, waits: 2 * timeout * time.Second, does: func(w *wire) {
			w.ok(fmt.Sprint("Content-Length: ", 64<<20))
			w.say("[]")
			w.gone(time.Minute)
		}},
		{name: "told as less than nothing", to: lists[:1], exit: broken, does: func(w *wire) {
			w.ok("Content-Length: -5")
			w.say("[]")
		}},
		{name: "told as two lengths", to: lists[:1], exit: broken, does: func(w *wire) {
			w.ok("Content-Length: 2", "Content-Length: 3")
			w.say("[]")
		}},
		{name: "told as a word", to: lists[:1], exit: broken, does: func(w *wire) {
			w.ok("Content-Length: many")
			w.say("[]")
		}},
		{name: "told as 10^30 bytes", to: lists[:1], exit: broken, does: func(w *wire) {
			w.ok("Content-Length: 1000000000000000000000000000000")
			w.say("[]")
		}},
		{name: "as large as it may be", to: lists, mb: []int{4, 64}, exit: complete, does: func(w *wire) {
			before, row, after, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s%s", before, row)
			w.repeat(" ", w.limit()-len(before)-len(row)-len(after))
			w.say("%s", after)
		}},
	})
}
