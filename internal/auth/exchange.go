package auth

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 8 * time.Second
	// longestAfter is the longest Retry-After that is waited for: others wait
	// for the lock meanwhile.
	longestAfter = 2 * time.Minute
	// longWait is a wait that a person watching should hear of.
	longWait = 30 * time.Second
	// lastWords is how long a request that the vendor may have answered is let
	// go on when the run is over: its answer may be the only key to the grant.
	// A run has 2 s to end.
	lastWords = time.Second
	maxAnswer = 1 << 20
)

// errRefused marks a fault that says that the vendor does not take the refresh
// token or the code.
var errRefused = errors.New("grant refused")

// refusal is a fault with that mark.
type refusal struct{ fault *fault.Error }

// Error implements error.
func (r refusal) Error() string { return r.fault.Error() }

// Is makes the mark found.
func (refusal) Is(target error) bool { return target == errRefused }

// Unwrap returns the fault.
func (r refusal) Unwrap() error { return r.fault }

// unmarked is the fault without the mark.
func unmarked(err error) error {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.fault
	}
	return err
}

// ask turns the refresh token of e into the next entry.
func (o *OAuth) ask(ctx context.Context, e entry) (entry, error) {
	return o.request(ctx, e,
		form("grant_type", "refresh_token"), form("refresh_token", e.refresh.Reveal()))
}

func form(name, value string) stream.Param {
	return stream.Param{Name: name, Value: value, In: stream.InForm}
}

// request asks the token endpoint until there is an answer.
//
// A try whose answer is lost (no connection, 5xx, an empty body, something else
// than JSON) may have reached the vendor. If it did and the vendor rotates
// tokens, the one that we have is burnt and a next try is refused; if it did
// not, a next try brings the new one. Not to try again would lose the grant in
// the first case too, for the answer is gone either way, and an Exact site has
// been seen to take the old token until the new one is used (forums.invantive.com
// topic 1419), so a next try can only help.
func (o *OAuth) request(ctx context.Context, e entry, grant ...stream.Param) (entry, error) {
	params := slices.Concat(grant, []stream.Param{form("client_id", o.clientID.Reveal()), form("client_secret", o.secret.Reveal())})
	for _, p := range o.rules.TokenParams {
		params = append(params, form(p.Name, p.Value))
	}
	req := &stream.Request{
		Method: "POST", URL: strings.TrimPrefix(o.rules.Token, "/"), MaxBody: maxAnswer,
		Params: append(params, stream.Param{Name: "Accept", Value: "application/json", In: stream.InHeader}),
	}
	lost := false
	for try := 1; ; try++ {
		next, err := o.once(ctx, req, e)
		f := fault.As(err)
		if err == nil || f == nil || f.Kind != fault.Transient && f.Kind != fault.Contract || f.Whole {
			return next, told(err, lost)
		}
		lost = true
		if ctx.Err() != nil {
			return entry{}, context.Cause(ctx)
		}
		if try >= o.opt.Tries || f.RetryAfter > longestAfter {
			return entry{}, o.spent(f, try)
		}
		wait := max(f.RetryAfter, backoff(try))
		level := slog.LevelDebug
		if wait >= longWait {
			level = slog.LevelInfo
		}
		o.opt.Log.Log(ctx, level, "waiting before the next token request", "source", o.key.source, "wait", wait.String(), "status", f.Status)
		if err := sleep(ctx, wait); err != nil {
			return entry{}, err
		}
	}
}

// told adds to a refusal what may have led to it.
func told(err error, lost bool) error {
	if r, ok := errors.AsType[refusal](err); ok && lost {
		c := *r.fault
		c.Err = errors.New(c.Err.Error() + "; the answer to an earlier try was lost, and may have held the new one")
		return refusal{&c}
	}
	return err
}

// spent is the end of all tries. What is throttling stays a matter of time.
func (o *OAuth) spent(f *fault.Error, tries int) error {
	c := *f
	c.Whole = true
	if f.Status == statusThrottled {
		c.Kind = fault.Quota
	}
	if tries > 1 {
		c.Err = errors.New(f.Err.Error() + " (" + plural(tries) + ")")
	}
	return &c
}

// backoff doubles from try to try, the later half of it at random.
func backoff(try int) time.Duration {
	d := min(firstBackoff<<(try-1), lastBackoff)
	return d/2 + rand.N(d/2) //nolint:gosec // spreads retries, is no secret
}

// once is one try.
func (o *OAuth) once(ctx context.Context, req *stream.Request, e entry) (entry, error) {
	if ctx.Err() != nil {
		return entry{}, context.Cause(ctx)
	}
	o.store.at(stepReady)
	longer, stop := outlive(ctx)
	defer stop()
	sent := time.Now()
	resp, err := o.opt.Ask(longer, req)
	if err != nil {
		if f := fault.As(err); f != nil {
			return entry{}, f
		}
		if ctx.Err() != nil {
			return entry{}, context.Cause(ctx)
		}
		return entry{}, &fault.Error{Kind: fault.Transient, Source: o.key.source, Op: opToken, Err: errors.New(o.opt.Mask(err.Error()))}
	}
	o.store.at(stepAnswered)
	if resp.Release != nil {
		defer resp.Release()
	}
	a, err := o.judge(resp)
	if err != nil {
		return entry{}, err
	}
	return o.entryOf(e, a, sent, time.Now()), nil
}

// outlive returns a context that ends a while after ctx does.
func outlive(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	over := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-over:
		case <-ctx.Done():
			select {
			case <-over:
			case <-time.After(lastWords):
				cancel(context.Cause(ctx))
			}
		}
	}()
	return longer, func() {
		close(over)
		<-ended
		cancel(nil)
	}
}

// entryOf is what an answer makes of e. Its life is counted from when it was
// asked for, its age from when it was here: so it is neither used too long nor
// replaced too early.
func (o *OAuth) entryOf(e entry, a *answer, sent, here time.Time) entry {
	next := entry{
		access: a.access, refresh: e.refresh, obtained: here, config: e.config, renewals: e.renewals,
	}
	if o.rules.MaxRenewals > 0 {
		// The vendor counted it before this moment, so its period is over first.
		next.renewals = append(slices.Clone(next.renewals), here.UTC().Round(0))
	}
	if !a.refresh.Empty() {
		next.refresh = a.refresh
	}
	life := a.lifetime
	if life <= 0 {
		life = o.rules.Lifetime
	}
	if life > 0 {
		next.expires = sent.Add(life)
	}
	for _, name := range o.rules.Keep {
		if v, ok := a.members[name].(string); ok {
			if next.kept == nil {
				next.kept = map[string]string{}
			}
			next.kept[name] = v
		}
	}
	o.opt.Known(next.access, next.refresh)
	return next
}
