package emulator

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	hugeBytes = 300 << 20
	drips     = 20
	dripEvery = 100 * time.Millisecond
)

// answer lets the service answer, or a fault in its place.
func (m *mount) answer(w *loggedWriter, r *http.Request) {
	if r.URL.Path == "/login/" && m.faults.has("redirect") {
		loginPage().Send(w)
		return
	}
	main, number, top := m.faults.choose(w.entry.Resource)
	if main != "" || len(top) > 0 {
		m.log.fault(w.entry, strings.TrimPrefix(strings.Join(append([]string{main}, top...), ","), ","))
	}
	if slices.Contains(top, "slash") && !strings.HasSuffix(r.URL.Path, "/") {
		location := m.prefix + r.URL.EscapedPath() + "/"
		if r.URL.RawQuery != "" {
			location += "?" + r.URL.RawQuery
		}
		page(http.StatusMovedPermanently, "Moved Permanently", http.Header{"Location": {location}}).Send(w)
		return
	}
	if main == "" && (len(top) == 0 || len(top) == 1 && top[0] == "slash") {
		m.service.ServeHTTP(w, r)
		return
	}
	if main != "" && knownFaults[main] == replaces {
		m.send(w, r, m.instead(main, number, r), "", top)
		return
	}
	c := capture{header: w.Header().Clone()}
	m.service.ServeHTTP(&c, r)
	a := Answer{c.status, c.header, c.body.Bytes()}
	if a.Status != http.StatusOK {
		main = ""
	}
	switch main {
	case "deep", "dup", "next-self", "next-foreign":
		a.Body = m.service.Mangle(main, r, a.Body)
	case "truncated":
		a.Body = a.Body[:len(a.Body)/2]
	case "garbage":
		a.Body = garble(a.Body)
	}
	if main != "cut" && main != "truncated" && main != "garbage" && main != "huge" {
		w.addRows(c.rows)
	}
	m.send(w, r, a, main, top)
}

// instead words the answer of a fault that takes the place of the service's.
func (m *mount) instead(fault string, number int64, r *http.Request) Answer {
	wait := time.Duration(1+number%3) * time.Second
	switch fault {
	case "401", "403", "404":
		status, _ := strconv.Atoi(fault)
		return m.service.Refuse(status, 0)
	case "429", "429-date":
		a := m.service.Refuse(http.StatusTooManyRequests, wait)
		if fault == "429-date" {
			a.Header.Set("Retry-After", time.Now().Add(wait).UTC().Format(http.TimeFormat))
		}
		return a
	case "429-bare":
		return Answer{Status: http.StatusTooManyRequests}
	case "500":
		return page(http.StatusInternalServerError, "Server Error (500)", nil)
	case "502":
		return page(http.StatusBadGateway, "502 Bad Gateway", nil)
	case "503":
		return page(http.StatusServiceUnavailable, "503 Service Temporarily Unavailable", nil)
	case "html":
		return loginPage()
	case "redirect":
		return page(http.StatusFound, "Found", http.Header{
			"Location": {m.prefix + "/login/?next=" + url.QueryEscape(m.prefix+r.URL.Path)},
		})
	}
	return Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}} // empty
}

// send delivers an answer, badly if asked to.
func (m *mount) send(w http.ResponseWriter, r *http.Request, a Answer, fault string, top []string) {
	if slices.Contains(top, "gzip") && len(a.Body) > 0 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		_, _ = zw.Write(a.Body) // a buffer takes everything
		_ = zw.Close()
		a.Body = z.Bytes()
		if a.Header == nil {
			a.Header = make(http.Header)
		}
		a.Header.Set("Content-Encoding", "gzip")
	}
	switch {
	case fault == "huge":
		sendHuge(w, a)
	case fault == "cut":
		a.head(w, len(a.Body))
		_, _ = w.Write(a.Body[:len(a.Body)/2])
		_ = http.NewResponseController(w).Flush() // a writer that cannot flush is cut all the same
		panic(http.ErrAbortHandler)
	case slices.Contains(top, "slow"):
		a.head(w, len(a.Body))
		size := len(a.Body)/drips + 1
		for piece := range slices.Chunk(a.Body, size) {
			if _, err := w.Write(piece); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			if !pause(r.Context(), dripEvery) {
				panic(http.ErrAbortHandler)
			}
		}
	default:
		a.Send(w)
	}
}

// sendHuge blows an answer up with white space before its last brace, and does
// not say how long it is.
func sendHuge(w http.ResponseWriter, a Answer) {
	body, last := a.Body, []byte(nil)
	if n := len(body); n > 0 {
		body, last = body[:n-1], body[n-1:]
	}
	a.head(w, -1)
	blank := bytes.Repeat([]byte(" "), 64<<10)
	if _, err := w.Write(body); err != nil {
		return
	}
	for range hugeBytes / len(blank) {
		if _, err := w.Write(blank); err != nil {
			return
		}
	}
	_, _ = w.Write(last)
}

// page is a short HTML page, as servers and proxies show.
func page(status int, title string, h http.Header) Answer {
	if h == nil {
		h = make(http.Header)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	body := fmt.Sprintf("<!doctype html>\n<html lang=\"en\">\n<head><title>%s</title></head>\n<body>\n<h1>%s</h1>\n</body>\n</html>\n", title, title)
	return Answer{status, h, []byte(body)}
}

// NotFound is the page that a server shows for a path it does not know.
func NotFound() Answer { return page(http.StatusNotFound, "Not Found", nil) }

func loginPage() Answer {
	a := page(http.StatusOK, "Sign in", nil)
	form := `<form method="post" action="/login/"><input name="username"><input name="password" type="password"><button>Sign in</button></form>`
	a.Body = bytes.Replace(a.Body, []byte("</body>"), []byte(form+"\n</body>"), 1)
	return a
}

// garble puts bytes that are no UTF-8 into the last string value.
func garble(body []byte) []byte {
	if k := bytes.LastIndex(body, []byte(`:"`)); k >= 0 {
		return slices.Insert(slices.Clone(body), k+2, 0xff, 0xfe, 0xc3)
	}
	return append(slices.Clone(body), 0xff)
}

// capture keeps an answer.
type capture struct {
	header http.Header
	status int
	body   bytes.Buffer
	rows   int
}

func (c *capture) Header() http.Header { return c.header }

func (c *capture) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *capture) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(p)
}

func (c *capture) addRows(n int) { c.rows += n }
