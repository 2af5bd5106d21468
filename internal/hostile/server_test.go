package hostile

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	standins "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
)

// site is a vendor that means harm: a stand-in of the service that answers as it
// should, but for the requests that a case answers itself.
type site struct {
	target  target
	inner   http.Handler
	origin  string
	config  map[string]any
	attack  func(*wire)
	at      func(*http.Request) bool // what the attack answers
	foreign *foreign
	mb      int // max_response_mb

	mu      sync.Mutex
	hits    int
	header  string                     // of a bulk file with the fields that are asked for
	first   *httptest.ResponseRecorder // the good answer to the first request
	secrets []string
	refused []string // what no request may look like
}

// open starts one. Where secure is set it speaks TLS.
func open(t *testing.T, to target, at func(*http.Request) bool, attack func(*wire), secure *tls.Config) *site {
	t.Helper()
	s := &site{target: to, attack: attack, at: at, foreign: listenElsewhere(t)}
	stand, err := emulator.New(emulator.Options{Sources: []string{to.source}, Records: 1, Seed: 1, Limits: "off"}, standins.Plugins()...)
	require.NoError(t, err)
	s.inner = stand.Handler()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.origin = "http://" + listener.Addr().String()
	if secure != nil {
		listener, s.origin = tls.NewListener(listener, secure), "https://"+listener.Addr().String()
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	s.config, err = stand.Config(to.source, s.origin)
	require.NoError(t, err)
	for _, key := range []string{"token", "client_secret", "refresh_token", "admin_key", "api_secret", "api_key"} {
		if v, ok := s.config[key].(string); ok {
			s.secrets = append(s.secrets, v)
		}
	}
	maps.Copy(s.config, to.config)
	return s
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Cookie") != "" || r.Header.Get("Proxy-Authorization") != "" || r.Header.Get("Injected") != "" || r.Referer() != "" {
		s.complain("%s %s came with %v", r.Method, r.URL, r.Header)
	}
	if !s.at(r) {
		s.pass(w, r)
		return
	}
	s.mu.Lock()
	s.hits++
	n := s.hits
	s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.complain("hijack: %v", err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	wr := &wire{Writer: bufio.NewWriterSize(conn, 64<<10), conn: conn, in: buffered.Reader, r: r, n: n, site: s}
	s.attack(wr)
	_ = wr.Flush()
}

func (s *site) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, fmt.Sprintf(format, args...))
}

// pass lets the stand-in answer, and learns its tokens.
func (s *site) pass(w http.ResponseWriter, r *http.Request) {
	rec := s.ask(r)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (s *site) ask(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	s.inner.ServeHTTP(rec, r)
	if isToken(r) {
		var v map[string]any
		_ = json.Unmarshal(rec.Body.Bytes(), &v)
		for _, name := range []string{"access_token", "refresh_token"} {
			if token, ok := v[name].(string); ok {
				s.secret(token)
			}
		}
	}
	return rec
}

// secret tells of one that nobody may print.
func (s *site) secret(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, text)
}

// wire is the connection of one request that the case answers. What cannot be
// written, for the client has gone, is noticed by nobody.
type wire struct {
	*bufio.Writer
	conn net.Conn
	in   *bufio.Reader // what the client sends further
	r    *http.Request
	n    int // counts the requests that the case answers, from 1
	site *site
	rec  *httptest.ResponseRecorder // what the stand-in answered
}

// say writes text; false when the client has gone.
func (w *wire) say(format string, args ...any) bool {
	_, err := fmt.Fprintf(w, format, args...)
	return err == nil
}

// now sends what was written; false when the client has gone.
func (w *wire) now() bool { return w.Flush() == nil }

// head begins an answer that ends with the connection.
func (w *wire) head(status string, headers ...string) bool {
	return w.say("HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n", status, strings.Join(append(headers, ""), "\r\n"))
}

// ok begins a good answer of JSON.
func (w *wire) ok(headers ...string) bool {
	return w.head("200 OK", append(headers, "Content-Type: application/json")...)
}

// answer is a whole one.
func (w *wire) answer(status, body string, headers ...string) {
	w.head(status, append(headers, "Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body)))...)
	_, _ = w.WriteString(body)
}

// good is what the stand-in answers, once.
func (w *wire) good() *httptest.ResponseRecorder {
	if w.rec == nil {
		w.rec = w.site.ask(w.r)
	}
	return w.rec
}

// again answers as the stand-in does.
func (w *wire) again() {
	rec := w.good()
	var headers []string
	for name, values := range rec.Header() {
		if name != "Content-Length" && name != "Connection" {
			headers = append(headers, name+": "+values[0])
		}
	}
	w.head(fmt.Sprintf("%d %s", rec.Code, http.StatusText(rec.Code)), headers...)
	if rec.Code != http.StatusNoContent && rec.Code != http.StatusNotModified {
		_, _ = w.Write(rec.Body.Bytes())
	}
}

// limit is the largest body that is taken.
func (w *wire) limit() int { return w.site.mb << 20 }

// first makes the good answer that to the first request, whatever is asked now.
func (w *wire) first() *wire {
	w.site.mu.Lock()
	rec := w.site.first
	w.site.mu.Unlock()
	if rec == nil {
		rec = w.good()
		w.site.mu.Lock()
		w.site.first = rec
		w.site.mu.Unlock()
	}
	w.rec = rec
	return w
}

// parts cuts a good list: what comes before its rows, the first row, and what
// comes after them. A list without rows is not for the case: the good answer is
// given, and ok is false.
func (w *wire) parts() (before, row, after string, ok bool) {
	body := w.good().Body.String()
	at := strings.IndexByte(body, '[')
	d := json.NewDecoder(strings.NewReader(body[max(at, 0):]))
	var rows []json.RawMessage
	if d.Decode(&rows) != nil || len(rows) == 0 {
		w.again()
		return "", "", "", false
	}
	return body[:at+1], string(rows[0]), body[at+int(d.InputOffset())-1:], true
}

// with answers a list of one row that has one more member: name and value.
func (w *wire) with(member func()) {
	before, row, after, ok := w.parts()
	if !ok {
		return
	}
	w.ok()
	_, _ = w.WriteString(before + strings.TrimSuffix(row, "}") + ",")
	member()
	_, _ = w.WriteString("}" + after)
}

// drip says a text again and again, at intervals, until the client has gone.
func (w *wire) drip(text string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for w.say("%s", text) && w.now() {
		<-tick.C
	}
}

// repeat writes text n times; false when the client has gone.
func (w *wire) repeat(text string, n int) bool {
	const most = 64 << 10
	many := max(1, min(n, most/len(text)))
	block := strings.Repeat(text, many)
	for ; n >= many; n -= many {
		if _, err := w.WriteString(block); err != nil {
			return false
		}
	}
	_, err := w.WriteString(strings.Repeat(text, n))
	return err == nil
}

// gone waits for the client to go, or for so long.
func (w *wire) gone(most time.Duration) {
	_ = w.Flush()
	_ = w.conn.SetReadDeadline(time.Now().Add(most))
	_, _ = w.in.ReadByte()
}

// foreign is another host. Nobody may come.
type foreign struct {
	host string
	mu   sync.Mutex
	came []string
}

func listenElsewhere(t *testing.T) *foreign {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &foreign{host: listener.Addr().String()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			head := make([]byte, 4<<10)
			n, _ := conn.Read(head)
			f.mu.Lock()
			f.came = append(f.came, string(head[:n]))
			f.mu.Unlock()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return f
}
