package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What lies beyond the reading of bytes: what is kept of rows, of names and of
// answers that are decoded.
func TestBeyond(t *testing.T) {
	t.Parallel()
	patient := map[string]any{"request_timeout": 30}
	names := func(n int) func(*wire) {
		return func(w *wire) {
			w.with(func() {
				for i := range n {
					w.say(`"%d`, i)
					w.repeat("n", 1<<20)
					w.say(`":0,`)
				}
				w.say(`"x":0`)
			})
		}
	}
	rows := func(text string) func(*wire) {
		return func(w *wire) {
			before, _, after, ok := w.first().parts()
			if !ok {
				return
			}
			w.ok()
			w.say("%s", before)
			for i := range w.limit()/(len(text)+8) - 1000 {
				if !w.say(text+",", i) {
					return
				}
			}
			w.say(text+"%s", 0, after)
		}
	}
	cases := []hostile{
		{name: "a name of 1 MB", to: lists, exit: complete, sample: true, talks: 12 << 10, does: names(1)},
		{name: "ten names of 1 MB", to: lists, mb: []int{64}, config: patient, exit: complete, long: true, talks: 64 << 10, does: names(10)},
		{name: "empty rows to be put together", to: []target{zohoList}, mb: []int{4, 64}, config: patient, exit: broken, sample: true, says: "is absent", does: rows(`{"x":%d}`)},
		{name: "rows to be put together", to: []target{zohoList}, mb: []int{4, 64}, config: patient, exit: broken, says: "more than 10000 rows", does: rows(`{"id":"%d"}`)},
		{name: "links for ever without a row", to: linked, exit: broken, says: "had no rows", waits: 20 * time.Second, does: func(w *wire) {
			w.next(fmt.Sprintf("%s%s?page=%d", w.site.origin, w.r.URL.Path, w.page()+1), false)
		}, config: map[string]any{"divisions": "812345"}},
		{name: "NUL bytes in a file", at: isBulk, to: []target{zohoBulk}, exit: complete, does: text(func(header, row string) string {
			return header + strings.Replace(row, ",", ",\x00\x00", 1)
		})},
		{name: "a job of half a million members", at: isBulk, to: []target{zohoBulk}, mb: []int{4, 64}, config: patient, exit: broken, does: func(w *wire) {
			w.ok()
			w.say(`{"data":[`)
			w.repeat("{},", w.limit()/3-100)
			w.say(`{}]}`)
		}},
	}
	for _, m := range metas() {
		for _, text := range []string{`{}`, `[]`, `0`, `{"id":"1"}`} {
			c := hostile{name: m.name + " of " + text, at: m.at(), to: []target{m.to}, mb: []int{4, 64}, config: patient, exit: broken, sample: text == "{}"}
			c.does = func(w *wire) {
				before, row, after, ok := w.parts()
				if !ok {
					return
				}
				w.ok()
				w.say("%s", before)
				w.repeat(text+",", (w.limit()-len(before)-len(row)-len(after))/(len(text)+1)-1)
				w.say("%s%s", row, after)
			}
			cases = append(cases, c)
		}
	}
	for i := range cases {
		cases[i].waits += 10 * time.Second
	}
	run(t, cases)
}
