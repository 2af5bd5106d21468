package emulator

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// mount is one stand-in under its path.
type mount struct {
	name, prefix string
	service      Service
	latency      time.Duration
	limited      bool
	faults       *faults
	log          *requestLog
}

// Handler serves every open stand-in under its name, the control under
// /_sandbox/, and a plain 404 page elsewhere, so that a wrongly built URL
// shows.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first, rest, below := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch m := s.mounts[first]; {
		case first == "_sandbox":
			s.control(w, r, rest)
		case m != nil && below && strings.HasPrefix(r.URL.Path, "/"):
			m.serve(w, r)
		default:
			NotFound().Send(w)
		}
	})
}

func (m *mount) serve(w http.ResponseWriter, r *http.Request) {
	url := *r.URL
	url.Path = strings.TrimPrefix(url.Path, m.prefix)
	url.RawPath = strings.TrimPrefix(url.RawPath, m.prefix)
	inner := *r
	inner.URL = &url
	r = &inner

	e := &Entry{Method: r.Method, Path: url.Path, Query: url.RawQuery, Resource: m.service.Resource(url.Path)}
	if s, ok := m.service.(requestNamer); ok {
		e.Resource = s.ResourceOf(r)
	}
	m.log.arrive(e)
	cw := &loggedWriter{ResponseWriter: w, log: m.log, entry: e}
	if !pause(r.Context(), m.latency) {
		panic(http.ErrAbortHandler) // the client is gone
	}
	if m.limited {
		if refusal := m.service.Admit(r, cw.Header()); refusal != nil {
			refusal.Send(cw)
			return
		}
	}
	m.answer(cw, r)
}

// pause sleeps, unless the client goes away meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// change disturbs the data; a wish without numbers asks for a few rows.
func (m *mount) change(c Change) ([]Report, error) {
	if c.Rows+c.Delete+c.Insert+len(c.IDs)+len(c.Gone) == 0 {
		c.Rows, c.Delete, c.Insert = 5, 1, 2
	}
	if c.At.IsZero() {
		c.At = time.Now()
	}
	c.At = c.At.UTC().Truncate(time.Microsecond)
	return m.service.Change(c)
}

// loggedWriter writes down what is sent, before it is sent.
type loggedWriter struct {
	http.ResponseWriter
	log   *requestLog
	entry *Entry
	sent  bool
}

func (w *loggedWriter) WriteHeader(status int) {
	if !w.sent {
		w.sent = true
		w.log.head(w.entry, status, w.Header().Get("Retry-After"))
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *loggedWriter) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	w.log.body(w.entry, len(p))
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *loggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *loggedWriter) addRows(n int) { w.log.rows(n) }

// CountRows tells the statistics how many rows an answer holds.
func CountRows(w http.ResponseWriter, n int) {
	if c, ok := w.(interface{ addRows(int) }); ok {
		c.addRows(n)
	}
}

// requestNamer is a service all of whose tables lie under one path: what is asked
// for follows from the whole request.
type requestNamer interface {
	ResourceOf(r *http.Request) string
}
