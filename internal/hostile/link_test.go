package hostile

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// linked are the readers that follow the links of their vendor.
var linked = []target{saasoptics, exactOnline}

// next answers a list of one row, or of none, that goes on at a link.
func (w *wire) next(link string, rows bool) {
	_, row, _, ok := w.first().parts()
	if !ok {
		return
	}
	if !rows {
		row = ""
	}
	quoted, _ := json.Marshal(link)
	if w.site.target.source == saasoptics.source {
		w.answer("200 OK", fmt.Sprintf(`{"count":1,"next":%s,"previous":null,"results":[%s]}`, quoted, row))
		return
	}
	w.answer("200 OK", fmt.Sprintf(`{"d":{"results":[%s],"__next":%s}}`, row, quoted))
}

// page is the page that is asked for.
func (w *wire) page() int {
	n, _ := strconv.Atoi(w.r.URL.Query().Get("page"))
	return n
}

func TestLinks(t *testing.T) {
	t.Parallel()
	// to is a list that goes on at a link, made of the one that was asked for.
	to := func(link func(w *wire, self, path string) string) func(*wire) {
		return func(w *wire) {
			w.next(link(w, w.site.origin+w.r.URL.String(), w.r.URL.Path), true)
		}
	}
	host := func(before, after string) func(*wire) {
		return to(func(w *wire, _, path string) string { return before + w.site.foreign.host + after + path })
	}
	own := func(before, after string) func(*wire) {
		return to(func(w *wire, _, path string) string {
			return before + strings.TrimPrefix(w.site.origin, "http://") + after + path
		})
	}
	text := func(link string) func(*wire) { return to(func(*wire, string, string) string { return link }) }
	run(t, []hostile{
		{name: "link to another host", to: linked, exit: broken, says: "another host", sample: true, does: host("http://", "")},
		{name: "link to another host by scheme alone", to: linked, exit: broken, does: host("//", "")},
		{name: "link to another scheme", to: linked, exit: broken, does: own("https://", "")},
		{name: "link to another host and scheme", to: linked, exit: broken, does: host("https://", "")},
		{name: "link with a user", to: linked, exit: broken, says: "user name", does: own("http://user:secret@", "")},
		{name: "link with the host as user", to: linked, exit: broken, does: to(func(w *wire, _, path string) string {
			return w.site.origin + "@" + w.site.foreign.host + path
		})},
		{name: "link with the host as another's name", to: linked, exit: broken, does: own("http://", ".example.org")},
		{name: "link to another port", to: linked, exit: broken, does: own("http://", "0")},
		{name: "link with a backslash", to: linked, exit: broken, does: host(`http:\\`, "")},
		{name: "link with backslashes before the host", to: linked, exit: broken, does: to(func(w *wire, _, path string) string {
			return w.site.origin + `\@` + w.site.foreign.host + path
		})},
		{name: "link with a slash and a backslash", to: linked, exit: broken, does: host(`/\`, "")},
		{name: "link to a file", to: linked, exit: broken, does: text("file:///etc/passwd")},
		// These are names of resources, which the configured host does not have.
		{name: "link to a script", to: linked, exit: failure, says: "404", does: text("javascript:alert(1)")},
		{name: "link of data", to: linked, exit: failure, says: "404", does: text("data:application/json,[]")},
		{name: "link to the link-local address", to: linked, exit: broken, does: text("http://169.254.169.254/latest/meta-data/")},
		{name: "link to it as one number", to: linked, exit: broken, does: text("http://2852039166/latest/meta-data/")},
		{name: "link to loopback by name", to: linked, exit: broken, does: text("http://localhost:1/")},
		{name: "link above the root", to: linked, exit: broken, does: to(func(_ *wire, _, path string) string { return path + "/../../../../../../admin" })},
		{name: "link above the root, encoded", to: linked, exit: broken, does: to(func(_ *wire, _, path string) string { return path + "/%252e%252e/%2e%2e/admin" })},
		{name: "link to another account", to: linked[:1], exit: broken, does: to(func(w *wire, _, _ string) string { return w.site.origin + "/saasoptics/other/api/v1.0/customers/" })},
		{name: "link with line ends", to: linked, exit: broken, does: to(func(_ *wire, _, path string) string {
			return path + "/\r\nInjected: yes\r\n\r\nGET /x HTTP/1.1"
		})},
		{name: "link with line ends in its query", to: linked, exit: broken, does: to(func(_ *wire, _, path string) string { return path + "?page=2\r\nInjected: yes" })},
		{name: "link with NUL", to: linked, exit: broken, does: to(func(_ *wire, _, path string) string { return path + "/\x00" })},
		{name: "link with a broken escape", to: linked, exit: broken, does: to(func(w *wire, _, path string) string { return w.site.origin + path + "%zz" })},
		{name: "link with dots as the host", to: linked, exit: broken, does: text("http://..../")},
		{name: "link with another form of the digits", to: linked, exit: broken, does: to(func(w *wire, _, path string) string {
			return "http://127。0。0。1:" + w.site.origin[strings.LastIndex(w.site.origin, ":")+1:] + path
		})},
		{name: "link of 1 MB", to: linked, exit: broken, does: to(func(*wire, string, string) string { return "http://" + strings.Repeat("a.", 1<<19) })},
		{name: "link that is a list", to: linked, exit: broken, does: func(w *wire) {
			body := `{"count":1,"next":[],"results":[]}`
			if w.site.target.source == exactOnline.source {
				body = `{"d":{"results":[],"__next":{}}}`
			}
			w.answer("200 OK", body)
		}},
		{name: "link to itself", to: linked, exit: broken, sample: true, does: func(w *wire) { w.next(w.site.origin+w.r.URL.String(), false) }},
		{name: "a ring of links", to: linked, exit: broken, says: "circle", does: func(w *wire) {
			w.next(fmt.Sprintf("%s%s?page=%d", w.site.origin, w.r.URL.Path, (w.page()+1)%7), false)
		}},
		{name: "a ring of links with the same row", to: linked, exit: broken, does: func(w *wire) {
			w.next(fmt.Sprintf("%s%s?page=%d", w.site.origin, w.r.URL.Path, (w.page()+1)%7), true)
		}},
		// That is data: there is no end but the one that the user sets.
		{name: "a link for ever with new rows", to: linked, exit: later, states: true, args: []string{"--timeout", "4s"}, waits: 4 * time.Second, does: func(w *wire) {
			_, row, _, ok := w.first().parts()
			if !ok {
				return
			}
			var v map[string]json.RawMessage
			_ = json.Unmarshal([]byte(row), &v)
			link, _ := json.Marshal(fmt.Sprintf("%s%s?page=%d", w.site.origin, w.r.URL.Path, w.page()+1))
			before, after := fmt.Sprintf(`{"count":1000000000,"next":%s,"previous":null,"results":[`, link), `]}`
			if w.site.target.source == exactOnline.source {
				before, after = fmt.Sprintf(`{"d":{"__next":%s,"results":[`, link), `]}}`
			}
			w.ok()
			w.say("%s", before)
			for i := range 100 {
				if i > 0 {
					w.say(",")
				}
				n := w.page()*100 + i
				v["id"], v["ID"] = json.RawMessage(strconv.Itoa(n)), json.RawMessage(fmt.Sprintf(`"%08x-0000-0000-0000-000000000000"`, n))
				text, _ := json.Marshal(v)
				_, _ = w.Write(text)
			}
			w.say("%s", after)
		}},
		{name: "a link for ever with the same row", to: linked, exit: broken, says: "there before", sample: true, does: func(w *wire) {
			w.next(fmt.Sprintf("%s%s?page=%d", w.site.origin, w.r.URL.Path, w.page()+1), true)
		}},
		{name: "pages for ever with the same row", to: []target{zohoList, accountView, butler}, exit: broken, does: func(w *wire) {
			// As many times as a page may hold: the list never ends.
			_, row, _, ok := w.first().parts()
			if !ok {
				return
			}
			rows := strings.TrimSuffix(strings.Repeat(row+",", 500), ",")
			body := w.rec.Body.String()
			body = strings.Replace(body, row, rows, 1)
			body = strings.Replace(body, `"more_records":false`, `"more_records":true,"next_page_token":"`+fmt.Sprint(w.n)+`"`, 1)
			w.answer("200 OK", body)
		}},
	})
}
