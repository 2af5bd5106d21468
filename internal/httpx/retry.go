package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = time.Minute
	// longWait is a wait that a person watching should hear of.
	longWait = 30 * time.Second
	// throttleShare of the vendor's window is the wait after a first 429
	// without Retry-After. Doubled five times the waits outlast the window,
	// whoever used it up.
	throttleShare = 30
)

// check implements retryablehttp.CheckRetry: does another attempt follow?
func (k *call) check(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	return ctx.Err() == nil && k.again(ctx), nil
}

// backoff implements retryablehttp.Backoff: check has settled the wait.
func (k *call) backoff(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return k.wait }

// prepare implements retryablehttp.PrepareRetry.
func (k *call) prepare(*http.Request) error {
	k.drop()
	return nil
}

func (k *call) again(ctx context.Context) bool {
	if k.err != nil {
		return retryable(k.err) && !(k.req.Brief && errors.Is(k.err, errTimeout)) && k.repeat(ctx, k.jitter())
	}
	status := k.answer.Status
	if k.req.Brief && status == http.StatusGatewayTimeout {
		return false
	}
	if k.stale() && k.refresh(ctx) {
		k.wait = 0
		return true
	}
	switch {
	case k.err != nil: // of the refresh
		return false
	case repeatable(status), k.throttled() != nil:
		return k.stand(ctx)
	}
	verdict := k.judge()
	if what := broken(k.answer); what != "" {
		// What a source thinks of half a body says little, unless it takes it.
		if verdict == nil || what == cutOff && !errors.Is(verdict, stream.Accept) {
			return k.repeat(ctx, k.jitter())
		}
	}
	// A vendor may say in its own way that it is not able now.
	f := fault.As(verdict)
	return f != nil && f.Kind == fault.Transient && f.RetryAfter <= k.opt.RetryAfterCap &&
		k.repeat(ctx, max(f.RetryAfter, k.jitter()))
}

// stand waits out an answer of a service that cannot serve now.
func (k *call) stand(ctx context.Context) bool {
	now := time.Now()
	verdict := k.throttled()
	throttled := k.answer.Status == http.StatusTooManyRequests || verdict != nil
	wait := k.jitter()
	after, told := stream.RetryAfter(k.answer.Header, now)
	if verdict != nil && verdict.After > 0 {
		after, told = max(after, verdict.After), true
	}
	switch {
	case told && after > k.opt.RetryAfterCap:
		k.stayAway = after
		if throttled {
			k.opt.Budget.Pause(now.Add(after))
		}
		return false
	case told:
		if wait = max(wait, after); throttled {
			wait = max(wait, k.opt.Budget.LeastWait())
		}
	case throttled:
		wait = max(wait, k.throttle())
	}
	if throttled && (told || !k.opt.Budget.Adapts()) {
		k.opt.Budget.Pause(now.Add(wait))
	}
	return k.repeat(ctx, wait)
}

// repeat allows one more attempt after wait, if any is left.
func (k *call) repeat(ctx context.Context, wait time.Duration) bool {
	if k.how.Once || k.retries >= k.opt.MaxRetries {
		return false
	}
	k.retries++
	k.wait = wait
	level := slog.LevelDebug
	if wait >= longWait {
		level = slog.LevelInfo
	}
	status := 0
	if k.answer != nil {
		status = k.answer.Status
	}
	if k.opt.Waiting != nil {
		k.opt.Waiting(wait, status)
	}
	k.opt.Log.LogAttrs(ctx, level, "waiting before the next attempt", slog.String("url", k.address),
		slog.Int("status", status), slog.Duration("wait", wait), slog.Int("retry", k.retries))
	return true
}

// stale tells whether the answer refuses the credentials because they ran out:
// what the source says, or else a 401. What a source says of half a body counts
// for nothing, and 5xx, 408 and 429 are waited out first.
func (k *call) stale() bool {
	if repeatable(k.answer.Status) {
		return false
	}
	verdict := k.judge()
	if verdict == nil {
		return k.answer.Status == http.StatusUnauthorized
	}
	return errors.Is(verdict, stream.Stale) && broken(k.answer) != cutOff
}

// refresh asks the authenticator, once per request, whether another attempt is
// of use after the credentials were refused.
func (k *call) refresh(ctx context.Context) bool {
	r, ok := k.opt.Auth.(auth.Refresher)
	if !ok || k.refreshed || k.how.Once || k.how.Anonymous {
		return false
	}
	k.refreshed = true
	again, err := r.Refresh(ctx, k.sent, k.answer)
	k.red.Add(k.opt.Auth.Secrets()...)
	if err != nil {
		k.drop()
		k.err = err
		return false
	}
	return again
}

// jitter is a random part of a wait that doubles with each retry (full jitter).
func (k *call) jitter() time.Duration {
	return time.Duration(k.opt.Rand() * float64(doubling(firstBackoff, k.retries, lastBackoff)))
}

// throttled is what the source says of an answer that asks for fewer requests,
// nil where it says nothing of that kind.
func (k *call) throttled() *stream.Throttled {
	if k.answer.Status < 400 || k.answer.Status >= 500 {
		return nil
	}
	t, _ := errors.AsType[*stream.Throttled](k.judge())
	return t
}

// throttle is the least wait after a 429 without Retry-After.
func (k *call) throttle() time.Duration {
	first := k.opt.ThrottleWait
	if first <= 0 {
		first = k.opt.Budget.Window() / throttleShare
		if own := k.opt.Budget.Throttle(); own > 0 && !k.opt.Budget.Tells(k.req, k.answer.Header) {
			// Not all at once again: what was too much may have been the number.
			first = own + time.Duration(k.opt.Rand()*float64(own)/2)
		}
	}
	return doubling(first, k.retries, k.opt.RetryAfterCap)
}

func doubling(first time.Duration, times int, most time.Duration) time.Duration {
	d := first
	for ; times > 0 && d < most; times-- {
		d *= 2
	}
	return min(d, most)
}

// repeatable tells statuses that another attempt may mend.
func repeatable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return status >= 500
}

// retryable tells errors that another attempt may mend: those of the way to
// the vendor. Our own refusals and untrusted certificates stay what they are.
func retryable(err error) bool {
	return fault.As(err) == nil && !errors.Is(err, stream.TooLarge) && !untrusted(err)
}

// untrusted tells that the other side could not be made sure of.
func untrusted(err error) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}
