package emulator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Transport is a client's way to the sandbox without a network: it works in
// virtual time, where a real connection would hang. Bodies are streamed, a cut
// connection is an unexpected end. The goroutine that answers a request ends
// with its answer, or when the client closes the body or its context ends.
func (s *Server) Transport() http.RoundTripper { return transport{s.Handler()} }

type transport struct{ handler http.Handler }

// RoundTrip answers a request in process.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := r.Clone(r.Context())
	inner.RequestURI = r.URL.RequestURI()
	inner.RemoteAddr = "127.0.0.1:1"
	if inner.Host == "" {
		inner.Host = r.URL.Host
	}
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	body, out := io.Pipe()
	w := &pipeWriter{header: make(http.Header), out: out, begun: make(chan struct{}), head: r.Method == http.MethodHead}
	go func() {
		defer func() {
			p := recover()
			err, _ := p.(error)
			switch {
			case p == nil:
				w.WriteHeader(http.StatusOK)
				_ = out.Close()
			case errors.Is(err, http.ErrAbortHandler):
				w.end(io.ErrUnexpectedEOF)
			default:
				w.end(fmt.Errorf("sandbox: the handler panicked: %v", p))
			}
			_ = inner.Body.Close()
		}()
		t.handler.ServeHTTP(w, inner)
	}()
	select {
	case <-w.begun:
	case <-r.Context().Done():
		_ = body.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	if w.failure != nil {
		return nil, w.failure
	}
	length := int64(-1)
	if text := w.sent.Get("Content-Length"); text != "" {
		length, _ = strconv.ParseInt(text, 10, 64)
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: contextBody{body, r}, ContentLength: length, Request: r,
	}, nil
}

// contextBody ends with its request's context, as a body from the network does.
type contextBody struct {
	*io.PipeReader
	r *http.Request
}

func (b contextBody) Read(p []byte) (int, error) {
	if err := b.r.Context().Err(); err != nil {
		return 0, errors.Join(err, b.CloseWithError(err))
	}
	n, err := b.PipeReader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && b.r.Context().Err() != nil {
		err = b.r.Context().Err()
	}
	return n, err
}

// pipeWriter is the response of one request.
type pipeWriter struct {
	header  http.Header
	out     *io.PipeWriter
	head    bool
	once    sync.Once
	begun   chan struct{} // closed when status, sent and failure stand
	status  int
	sent    http.Header
	failure error
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		if w.sent.Get("Date") == "" { // as a server does
			w.sent.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		}
		close(w.begun)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head || len(p) == 0 {
		return len(p), nil
	}
	return w.out.Write(p)
}

// end breaks the response off, before its head or in its body.
func (w *pipeWriter) end(err error) {
	w.once.Do(func() {
		w.failure = err
		close(w.begun)
	})
	_ = w.out.CloseWithError(err)
}
