package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// call is one Fetch with the state of its attempts. One goroutine has it.
type call struct {
	*Client
	req     *stream.Request
	how     Call
	method  string
	at      origin // where it is asked
	url     *url.URL
	address string // url as it is shown
	body    []byte

	// Of the last attempt: an answer, or an error.
	answer *stream.Response
	err    error
	sent   *http.Request // with its credentials

	attempts  int           // sent so far
	retries   int           // of them, repeats of a failed one
	refreshed bool          // the authenticator has been asked
	wait      time.Duration // before the next attempt
	judged    bool          // verdict is what Classify says to answer
	verdict   error
	stayAway  time.Duration // a Retry-After beyond the cap
}

type callKey struct{}

// errTimeout is the end of an attempt's time.
var errTimeout = errors.New("attempt timed out")

// maxErrorBody is how much is read of an answer that is an error anyway.
const maxErrorBody = 1 << 20

// attempts is the transport below retryablehttp: a round trip of it is a turn
// on the lane and in the budget, credentials, the request, and the whole body.
type attempts struct{ *Client }

// RoundTrip implements http.RoundTripper. The answer is kept in the call; what
// goes up is its status alone, so that net/http finds no redirect to look at.
func (a attempts) RoundTrip(r *http.Request) (*http.Response, error) {
	k := r.Context().Value(callKey{}).(*call)
	m := Metric{Method: k.method, Endpoint: k.red.text(k.url.EscapedPath(), maxText)}
	k.answer, k.sent = nil, nil
	k.judged, k.verdict = false, nil
	k.err = k.attempt(r, &m)
	if k.answer != nil {
		m.Bytes = len(k.answer.Body)
		if k.answer.File != nil {
			m.Bytes = int(k.answer.File.Size())
		}
	}
	m.Failed = k.err != nil || m.Status >= 400
	if k.sent != nil {
		k.log(r.Context(), m)
		if a.opt.Metrics != nil {
			a.opt.Metrics(m)
		}
	}
	if k.err != nil {
		return nil, k.err
	}
	return &http.Response{
		StatusCode: k.answer.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}, nil
}

// log tells of an attempt at Debug.
func (k *call) log(ctx context.Context, m Metric) {
	if !k.opt.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", m.Method), slog.String("url", k.address), slog.Int("attempt", m.Attempt),
		slog.Int("status", m.Status), slog.Int("bytes", m.Bytes),
		slog.Duration("took", m.Duration), slog.Duration("wait", m.Wait),
	}
	if k.err != nil {
		attrs = append(attrs, slog.String("error", k.red.text(k.err.Error(), maxText)))
	}
	k.opt.Log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
}

// attempt sends r once and reads the answer whole.
func (k *call) attempt(r *http.Request, m *Metric) error {
	ctx := r.Context()
	began := time.Now()
	leave, err := k.opt.Budget.Acquire(ctx, k.req.Lane)
	if err != nil {
		return err
	}
	defer leave()
	for {
		if _, err = k.opt.Budget.Wait(ctx, k.req); !errors.Is(err, budget.ErrTotal) {
			break
		}
		if err = k.total(ctx); err != nil {
			break
		}
	}
	m.Wait = time.Since(began)
	if err != nil {
		return err
	}
	defer k.opt.Budget.Done(k.req)
	observed := false
	observe := func(status int, h http.Header) {
		if !observed {
			k.opt.Budget.Observe(k.req, status, h)
			observed = true
		}
	}
	defer func() { observe(0, nil) }()

	r = r.Clone(ctx)
	if !k.how.Anonymous {
		if err := k.opt.Auth.Apply(ctx, r); err != nil {
			return err
		}
		k.red.Add(k.opt.Auth.Secrets()...)
	}
	timed, cancel := context.WithTimeoutCause(ctx, k.opt.Timeout, errTimeout)
	defer cancel()
	k.sent = r.WithContext(timed)
	k.attempts++
	m.Attempt = k.attempts
	began = time.Now()
	defer func() { m.Duration = time.Since(began) }()

	resp, err := k.opt.Transport.RoundTrip(k.sent)
	if err != nil {
		return timeoutOr(timed, err)
	}
	defer resp.Body.Close()
	m.Status = resp.StatusCode
	observe(resp.StatusCode, resp.Header)

	if k.wantsFile(resp) {
		if k.answer, err = k.save(resp); err != nil {
			err = timeoutOr(timed, err)
		}
		return err
	}
	body, err := k.read(resp)
	if err != nil {
		return timeoutOr(timed, err)
	}
	k.answer = &stream.Response{Status: resp.StatusCode, Header: resp.Header, Body: trimBOM(body), URL: k.address}
	answer := k.answer
	var given atomic.Bool
	answer.Release = func() {
		if !given.Swap(true) {
			size := cap(body)
			give(body)
			body, answer.Body = nil, nil
			settle(size)
		}
	}
	return nil
}

// read reads a body within the limit. Of an error's only the beginning counts.
func (k *call) read(resp *http.Response) ([]byte, error) {
	if resp.StatusCode < 300 {
		limit := k.opt.MaxResponse
		small := k.req.MaxBody > 0 && k.req.MaxBody < limit
		if small {
			limit = k.req.MaxBody
		}
		b, err := readBody(resp.Body, resp.ContentLength, limit)
		switch {
		case errors.Is(err, errTooLarge) && small:
			return nil, stream.TooLarge
		case errors.Is(err, errTooLarge):
			return nil, k.tooLarge(resp, limit)
		}
		return b, err
	}
	if resp.StatusCode == http.StatusNotModified {
		return nil, nil
	}
	limit := min(k.opt.MaxResponse, maxErrorBody)
	return readBody(io.LimitReader(resp.Body, limit), -1, limit)
}

// drop gives the last answer's buffer back.
func (k *call) drop() {
	if k.answer != nil {
		k.answer.Release()
		k.answer = nil
	}
}

// timeoutOr names the cause where an attempt ran out of time.
func timeoutOr(timed context.Context, err error) error {
	if context.Cause(timed) == errTimeout { //nolint:errorlint // it is that very value
		return errTimeout
	}
	return err
}

// trimBOM drops the byte order mark that some .NET services send.
func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) }
