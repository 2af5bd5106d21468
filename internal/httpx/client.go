// Package httpx owns the one way to a vendor: building and checking the URL,
// lanes and budgets, credentials, attempts and retries, reading the body,
// judging the answer, and masking credentials in everything it says. It
// implements stream.Fetcher.
//
// It must never ask another place than the configured one, follow a redirect,
// print a query, a credential or more than 512 bytes of a body, or know a
// vendor: what is special about one is in its stream.Source.
package httpx

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Defaults of Options.
const (
	DefaultTimeout       = 300 * time.Second
	DefaultMaxRetries    = 5
	DefaultMaxResponse   = 64 << 20
	DefaultRetryAfterCap = 10 * time.Minute
)

// NoRetries is the MaxRetries that sends each request once.
const NoRetries = -1

// Options are what a Client is made of. Source is required.
type Options struct {
	Source *stream.Source
	Config stream.Config
	APIURL string             // replaces the source's origin, may hold a path
	Auth   auth.Authenticator // nil: nothing proves who asks
	Budget *budget.Set        // nil: no limits

	UserAgent string
	// Timeout bounds one attempt with its whole body, without the time it
	// waits for its turn. 0: the source's, or DefaultTimeout.
	Timeout time.Duration
	// MaxRetries is how often a request is sent again. 0: DefaultMaxRetries;
	// NoRetries for none.
	MaxRetries int
	// MaxResponse bounds a body in bytes, after decompression. 0:
	// DefaultMaxResponse.
	MaxResponse int64
	// RetryAfterCap is the longest Retry-After that is waited for. 0:
	// DefaultRetryAfterCap.
	RetryAfterCap time.Duration
	// ThrottleWait is the least wait after a first 429 that does not say for
	// how long; it doubles from one to the next. 0: derived from the vendor's
	// window, if the budget has one.
	ThrottleWait time.Duration

	Transport http.RoundTripper // nil: our own
	Log       *slog.Logger      // nil: silent
	Rand      func() float64    // jitter, in [0,1); nil: random
	Secrets   []secret.Text     // masked in all that is said, beside those of Auth
	Metrics   func(Metric)      // called after each attempt, by its goroutine; nil: nobody
	// Waiting is called before a wait for another attempt, with the status of
	// the last one, 0 where there was no answer; nil: nobody.
	Waiting func(wait time.Duration, status int)
}

// Metric is one attempt.
type Metric struct {
	Method   string
	Endpoint string        // path without query, credentials masked
	Attempt  int           // 1 for the first
	Status   int           // 0: no answer
	Bytes    int           // of the body
	Duration time.Duration // from sending to the last byte
	Wait     time.Duration // for lane and budget
	Failed   bool          // this attempt gave no usable answer
}

// Call changes how one request is made.
type Call struct {
	// Once sends it a single time: what it asks for must not happen twice.
	Once bool
	// Anonymous sends no credentials: it is about to fetch some.
	Anonymous bool
}

// Client asks one vendor. It may be used from any goroutine.
type Client struct {
	opt    Options
	origin origin                 // by the config
	moved  atomic.Pointer[origin] // where the account's API lives, once that is told
	asking chan struct{}          // holds one: whoever put it there asks for the total of credits
	red    *Redactor
	http   *http.Client
}

// New makes a Client. Its error is a *fault.Error of kind Config.
func New(opt Options) (*Client, error) {
	o, err := newOrigin(opt.Source, opt.Config, opt.APIURL)
	if err != nil {
		return nil, err
	}
	opt.fill()
	c := &Client{opt: opt, origin: o, asking: make(chan struct{}, 1), red: NewRedactor(opt.Secrets...)}
	c.red.Add(opt.Auth.Secrets()...)
	c.http = &http.Client{
		Transport:     attempts{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// fill sets the defaults.
func (o *Options) fill() {
	if o.Auth == nil {
		o.Auth, _ = auth.New(nil, nil)
	}
	if o.Budget == nil {
		o.Budget = budget.New(nil, budget.Options{})
	}
	o.UserAgent = cmp.Or(o.UserAgent, "tap-backoffice")
	o.Timeout = cmp.Or(max(o.Timeout, 0), o.Source.Timeout, DefaultTimeout)
	o.MaxRetries = max(cmp.Or(o.MaxRetries, DefaultMaxRetries), 0)
	o.MaxResponse = cmp.Or(max(o.MaxResponse, 0), DefaultMaxResponse)
	o.RetryAfterCap = cmp.Or(max(o.RetryAfterCap, 0), DefaultRetryAfterCap)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Transport == nil {
		o.Transport = newTransport()
		mind(o.MaxResponse) // this process is the program
	}
}

// Redactor returns what masks this client's credentials.
func (c *Client) Redactor() *Redactor { return c.red }

// BaseURL is the address below which requests lie, for messages.
func (c *Client) BaseURL() string { return c.red.Redact(c.place().String()) }

// Close gives up idle connections.
func (c *Client) Close() {
	if t, ok := c.opt.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Fetch implements stream.Fetcher: it asks until there is an answer or no use
// in asking. Its error is the context's cause, a sentinel of package stream, or
// a *fault.Error without any credential; then there is no response.
func (c *Client) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	return c.Do(ctx, req, Call{})
}

// Do is Fetch with options.
func (c *Client) Do(ctx context.Context, req *stream.Request, how Call) (*stream.Response, error) {
	k := &call{Client: c, req: req, how: how, method: cmp.Or(strings.ToUpper(req.Method), http.MethodGet)}
	if err := k.settle(ctx); err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, callKey{}, k)
	var body any // an untyped nil is no body
	if k.body != nil {
		body = k.body
	}
	r, err := retryablehttp.NewRequestWithContext(ctx, k.method, k.url.String(), body)
	if err != nil {
		return nil, k.fault(fault.Internal, "the request cannot be built", "")
	}
	r.URL = k.url
	if err := setHeaders(r.Header, req.Params, c.opt.UserAgent, k.body != nil); err != nil {
		return nil, k.redact(err, maxMessage)
	}
	// retryablehttp owns the loop; what an attempt is, which are repeated and
	// after how long, is ours. Its logger prints queries, hence none.
	loop := retryablehttp.Client{
		HTTPClient:   c.http,
		RetryMax:     c.opt.MaxRetries + 1, // one more for a refresh; check counts
		CheckRetry:   k.check,
		Backoff:      k.backoff,
		PrepareRetry: k.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	resp, err := loop.Do(r)
	if resp != nil {
		_ = resp.Body.Close()
	}
	if k.err == nil && k.answer == nil {
		k.err = err // nothing was sent
	}
	answer, err := k.outcome()
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return answer, err
}

// settle settles what is asked and where.
func (k *call) settle(ctx context.Context) error {
	k.at = k.place()
	k.url = &url.URL{Scheme: k.at.scheme, Host: k.at.host, Path: "/"}
	if !k.how.Anonymous {
		if err := k.home(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return k.redact(err, maxMessage)
		}
	}
	u, err := k.at.resolve(k.req.URL)
	if err != nil {
		k.url = &url.URL{Scheme: k.at.scheme, Host: k.at.host, Path: "/"}
		f := k.fault(fault.Contract, err.Error(), "")
		if link, ok := errors.AsType[errLink](err); ok {
			f.Hint = k.red.text(link.hint, maxText)
		}
		return f
	}
	addQuery(u, k.method, k.req.Params)
	k.url = u
	k.address = k.red.text(u.Scheme+"://"+u.Host+u.EscapedPath(), maxText)
	name, value := "", secret.Text{}
	if !k.how.Anonymous {
		name, value = k.opt.Auth.BodyParam()
	}
	if k.body, err = encodeBody(k.method, k.req.Params, name, value); err != nil {
		return k.redact(err, maxMessage)
	}
	return nil
}
