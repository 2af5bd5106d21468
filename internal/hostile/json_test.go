package hostile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// most is how many members that nothing knows a row may have.
const most = 100_000

func TestJSON(t *testing.T) {
	t.Parallel()
	// many writes a list of n rows, each as row makes it.
	many := func(n int, row func(w *wire, good string, i int)) func(*wire) {
		return func(w *wire) {
			before, good, after, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			for i := range n {
				if i > 0 && !w.say(",") {
					return
				}
				row(w, good, i)
			}
			w.say("%s", after)
		}
	}
	// member writes one more member into a row.
	member := func(text string, args ...any) func(*wire) {
		return func(w *wire) { w.with(func() { w.say(text, args...) }) }
	}
	spoiled := func(change func(body string) string) func(*wire) {
		return func(w *wire) { w.answer("200 OK", change(w.good().Body.String())) }
	}
	repeated := func(before, text string, n int, after string) func(*wire) {
		return func(w *wire) {
			w.with(func() {
				w.say("%s", before)
				w.repeat(text, n)
				w.say("%s", after)
			})
		}
	}
	// A hundred members are told of, each by a line.
	const chatty = 64 << 10
	// Much is sent, and the machine may be busy.
	patient := map[string]any{"request_timeout": 30}
	rowByRow := slices.DeleteFunc(slices.Clone(lists), func(to target) bool { return to.name == zohoList.name })
	run(t, []hostile{
		{name: "a million open arrays", to: lists, exit: broken, says: "nested too deep", sample: true, does: repeated(`"x":`, "[", 1e6, "")},
		{name: "a million arrays", to: lists, exit: broken, says: "nested too deep", does: repeated(`"x":`, "[", 1e6, strings.Repeat("]", 1e6))},
		{name: "a million objects", to: lists[:2], exit: broken, says: "nested too deep", does: repeated(`"x":`, `{"a":`, 5e5, "0"+strings.Repeat("}", 5e5))},
		{name: "depth in place of the list", to: lists, exit: broken, does: func(w *wire) {
			w.ok()
			w.repeat(`{"d":`, 5e5)
		}},
		{name: "arrays in place of the list", to: lists, exit: broken, does: func(w *wire) {
			w.ok()
			w.repeat(`[`, 1e6)
		}},
		{name: "string of 1 GB", to: lists, exit: broken, says: "over the limit of 4 MiB", does: repeated(`"x":"`, "x", 1<<30, `"`)},
		{name: "string of 60 MB", to: lists, mb: []int{64}, config: patient, exit: broken, says: "more than 16 MiB in row 1", does: repeated(`"x":"`, "x", 60e6, `"`)},
		{name: "string of 10^7 escapes", to: lists, mb: []int{64}, config: patient, exit: broken, says: "more than 16 MiB in row 1", sample: true, does: repeated(`"x":"`, `\u0000`, 1e7, `"`)},
		{name: "string of 3*10^7 quotes", to: lists, mb: []int{64}, config: patient, exit: broken, says: "more than 16 MiB in row 1", does: repeated(`"x":"`, `\"`, 3e7, `"`)},
		{name: "number of 10^7 digits", to: lists, mb: []int{64}, config: patient, exit: complete, long: true, does: repeated(`"x":`, "7", 1e7, "")},
		{name: "number of 10^7 digits and an exponent", to: lists, mb: []int{64}, config: patient, exit: complete, long: true, does: repeated(`"x":0.`, "7", 1e7, "e999999999999")},
		{name: "exponent of 10^7 digits", to: lists, mb: []int{64}, config: patient, exit: complete, long: true, does: repeated(`"x":1e`, "7", 1e7, "")},
		{name: "rows of just 16 MB", to: lists[:2], mb: []int{64}, config: patient, exit: complete, long: true, does: func(w *wire) {
			before, row, after, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			for i := range 3 {
				if i > 0 {
					w.say(",")
				}
				w.say(`%s,"x":"`, row[:len(row)-1])
				w.repeat(`\\`, (jsonspan.MaxRow-len(row)-20)/2)
				w.say(`"}`)
			}
			w.say("%s", after)
		}},
		{name: "10^7 empty objects as rows", to: rowByRow, mb: []int{4, 64}, config: patient, exit: broken, does: func(w *wire) {
			before, _, after, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			w.repeat("{},", min(1e7, w.limit()/3-100))
			w.say("{}%s", after)
		}},
		{name: "as many rows as fit", to: lists[:1], config: patient, exit: complete, waits: 10 * time.Second, does: func(w *wire) {
			before, row, after, ok := w.parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			for i := range w.limit()/len(`{"id":1000000},`) - 1000 {
				w.say(`{"id":%d},`, 1_000_000+i)
			}
			w.say("%s%s", row, after)
		}},
		{name: "10^7 empty objects in a row", to: lists, mb: []int{64}, config: patient, exit: broken, says: "more than 16 MiB in row 1", does: repeated(`"x":[`, "{},", 1e7, "{}]")},
		{name: "3*10^7 zeros in a row", to: lists, mb: []int{64}, config: patient, exit: broken, says: "more than 16 MiB in row 1", does: repeated(`"x":[`, "0,", 3e7, "0]")},
		{name: "half a million members in a row", to: lists, mb: []int{4, 64}, config: patient, exit: broken, says: fmt.Sprintf("more than %d members that nothing knows", most), sample: true, does: func(w *wire) {
			w.with(func() {
				for i := range min(int(5e5), w.limit()/20) {
					_, _ = w.WriteString(`"member` + strconv.Itoa(i) + `":0,`)
				}
				w.say(`"x":0`)
			})
		}},
		{name: "as many members as may be", to: lists, mb: []int{4, 64}, config: patient, exit: complete, long: true, talks: chatty, does: func(w *wire) {
			w.with(func() {
				for i := range most - 1000 {
					_, _ = w.WriteString(`"` + strconv.FormatInt(int64(i+1<<20), 16) + `":0,`)
				}
				w.say(`"x":0`)
			})
		}},
		{name: "a million times the same member", to: lists, mb: []int{64}, config: patient, exit: broken, says: "comes twice", does: repeated("", `"x":0,`, 1e6, `"y":0`)},
		{name: "a known member twice", to: lists, exit: broken, does: func(w *wire) {
			before, row, after, ok := w.parts()
			if !ok {
				return
			}
			w.answer("200 OK", before+row[:len(row)-1]+","+row[1:]+after)
		}},
		{name: "ten thousand new names", to: lists, mb: []int{64}, config: patient, exit: complete, talks: chatty, does: func(w *wire) {
			w.with(func() {
				for i := range 10_000 {
					w.say(`"name \u001b[31m %d":0,`, i)
				}
				w.say(`"x":0`)
			})
		}},
		{name: "names with control characters", to: lists, exit: complete, does: member(`"\u0000\r\n\u001b]0;title\u0007\u202e":0`)},
		{name: "invalid UTF-8", to: lists, exit: broken, says: "invalid UTF-8", does: member("\"x\":\"\xff\xfe\xc0\xaf\"")},
		{name: "invalid UTF-8 in a name", to: lists, exit: broken, says: "invalid UTF-8", does: member("\"\xed\xa0\x80\":0")},
		{name: "UTF-16", to: lists, exit: broken, does: spoiled(func(body string) string {
			var b strings.Builder
			b.WriteString("\xff\xfe")
			for _, c := range []byte(body) {
				b.Write([]byte{c, 0})
			}
			return b.String()
		})},
		{name: "byte order mark", to: lists, exit: complete, does: spoiled(func(body string) string { return "\xef\xbb\xbf" + body })},
		{name: "two byte order marks", to: lists, exit: broken, does: spoiled(func(body string) string { return "\xef\xbb\xbf\xef\xbb\xbf" + body })},
		{name: "garbage behind", to: lists, exit: broken, does: spoiled(func(body string) string { return body + "x" })},
		{name: "a second document", to: lists, exit: broken, does: spoiled(func(body string) string { return body + body })},
		{name: "NUL behind", to: lists, exit: broken, does: spoiled(func(body string) string { return body + "\x00" })},
		{name: "NaN", to: lists, exit: broken, does: member(`"x":NaN`)},
		{name: "Infinity", to: lists, exit: broken, does: member(`"x":-Infinity`)},
		{name: "hexadecimal", to: lists[:1], exit: broken, does: member(`"x":0x10`)},
		{name: "comment", to: lists[:1], exit: broken, does: member(`/* x */ "x":0`)},
		{name: "comma at the end", to: lists[:1], exit: broken, does: member(`"x":0,`)},
		{name: "single quotes", to: lists[:1], exit: broken, does: member(`'x':0`)},
		{name: "control character", to: lists[:1], exit: broken, does: member("\"x\":\"a\nb\"")},
		{name: "a number", to: lists, exit: broken, does: func(w *wire) { w.answer("200 OK", "42") }},
		{name: "null", to: lists, exit: broken, does: func(w *wire) { w.answer("200 OK", "null") }},
		{name: "a text", to: lists, exit: broken, does: func(w *wire) { w.answer("200 OK", `"[]"`) }},
		{name: "an empty object", to: lists, exit: broken, does: func(w *wire) { w.answer("200 OK", `{}`) }},
		{name: "rows that are texts", to: lists, exit: broken, does: many(3, func(w *wire, _ string, _ int) { w.say(`"row"`) })},
		{name: "rows in rows", to: lists, exit: broken, does: many(3, func(w *wire, good string, _ int) { w.say("[%s]", good) })},
		{name: "an error of 1 GB", to: lists, exit: failure, does: func(w *wire) {
			w.head("500 Oops")
			w.say(`{"message":"`)
			w.repeat("no ", 1<<28)
		}},
		{name: "an error in HTML", to: lists, exit: failure, says: "503", does: func(w *wire) {
			w.answer("503 Oops", fmt.Sprintf("<html><title>%s</title>", strings.Repeat("<title>", 1e5)))
		}},
		{name: "an error that is deep", to: lists, exit: failure, says: "400", does: func(w *wire) {
			w.answer("400 Oops", strings.Repeat(`{"error":`, 1e5)+`"x"`+strings.Repeat("}", 1e5))
		}},
	})
}
