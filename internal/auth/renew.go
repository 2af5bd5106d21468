package auth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// renewal is what one renewal remembers from one turn at the store to the next.
type renewal struct {
	refused string // the access token that the vendor does not take, "" for none
	early   bool   // the vendor has said once that it is too early
	reread  int    // how often another refresh token was found after a refusal
	last    bool   // the config's own refresh token is tried, as the last resort
}

// renew gets a token that may be used: from the store, where another process
// may have put it, or from the vendor. It has the turn of this process.
func (o *OAuth) renew(ctx context.Context, refused string) error {
	r := &renewal{refused: refused}
	for {
		wait, err := o.attempt(ctx, r)
		if err != nil || wait == 0 {
			return err
		}
		o.opt.Log.Info("waiting until the vendor replaces the access token", "source", o.key.source, "wait", wait.Round(time.Second).String())
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// attempt is one turn at the store. It returns how long to wait before the next,
// 0 when o has its token. The lock is not held while it waits.
func (o *OAuth) attempt(ctx context.Context, r *renewal) (wait time.Duration, err error) {
	c, err := o.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer c.end()
	for {
		d, err := c.document()
		if err != nil {
			return 0, err
		}
		e, err := o.choose(d)
		if err != nil {
			return 0, err
		}
		if r.last {
			e = entry{refresh: o.configured, config: hashOf(o.configured)}
		}
		if o.fresh(e) && e.access.Reveal() != r.refused {
			o.adopt(e) // another process was here
			return 0, nil
		}
		// A token that was refused has run out whatever our clock says. Of any
		// other the vendor's rule is kept.
		if wait := o.ripeIn(e); wait > 0 && r.refused == "" && !e.access.Empty() {
			return wait, nil
		}
		if err := o.allowed(&e); err != nil {
			if alive(e) && e.access.Reveal() != r.refused {
				o.postpone(e, err.RetryAfter)
				return 0, nil
			}
			return 0, err
		}
		if err := o.prepare(c); err != nil {
			return 0, err
		}
		next, err := o.ask(ctx, e)
		if err == nil {
			return 0, o.keep(c, d, next)
		}
		switch {
		case errors.Is(err, stream.TooEarly):
			return o.tooEarly(e, r)
		case errors.Is(err, errRefused):
			// Another process may have rotated the token without our lock, from
			// a place where locks do not reach.
			if again := o.changed(c, e); again && r.reread < 2 && !r.last {
				r.reread++
				continue
			}
			// The stored sign-in is over, so nothing can be lost any more. The
			// config's token may be of another one: of a service that was set up
			// anew, or of one who signed in elsewhere.
			if !r.last && !o.configured.Empty() && o.configured.Reveal() != e.refresh.Reveal() {
				r.last = true
				o.opt.Log.Warn("the stored refresh token is refused, the config's is tried", "source", o.key.source)
				continue
			}
		case alive(e) && e.access.Reveal() != r.refused && unanswered(err):
			o.opt.Log.Warn("the access token could not be replaced, the old one is still good: "+err.Error(), "source", o.key.source)
			o.postpone(e, fault.As(err).RetryAfter)
			return 0, nil
		}
		return 0, unmarked(err)
	}
}

// unanswered tells a vendor who has trouble from one who refuses.
func unanswered(err error) bool {
	f := fault.As(err)
	return f != nil && slices.Contains([]fault.Kind{fault.Transient, fault.Contract, fault.Quota}, f.Kind)
}

// begin takes the lock. Where nothing can be lost, a store that cannot be
// written is done without.
func (o *OAuth) begin(ctx context.Context) (*change, error) {
	c, err := o.store.begin(ctx)
	if err != nil && !o.rules.Rotates && fault.KindOf(err) == fault.Config && ctx.Err() == nil {
		o.without(err)
		return o.store.begin(ctx)
	}
	return c, err
}

func (o *OAuth) prepare(c *change) error {
	err := c.prepare()
	if err != nil && !o.rules.Rotates {
		o.without(err)
		c.end()
		c.lock, err = nil, nil
	}
	return err
}

// without goes on in memory.
func (o *OAuth) without(err error) {
	o.opt.Log.Warn("the access token is not kept for the next run: "+err.Error(), "source", o.key.source)
	o.store.path = ""
}

// ripeIn is how long the vendor will not yet replace e. A clock that was set
// back makes it no longer than the rule itself.
func (o *OAuth) ripeIn(e entry) time.Duration {
	return min(time.Until(e.obtained.Add(o.rules.MinAge)), o.rules.MinAge)
}

// tooEarly keeps the token at hand, or waits once for the vendor's rule.
func (o *OAuth) tooEarly(e entry, r *renewal) (time.Duration, error) {
	if alive(e) {
		o.postpone(e, 0)
		return 0, nil
	}
	if r.early {
		return 0, &fault.Error{
			Kind: fault.Auth, Source: o.key.source, Whole: true,
			Err:  fmt.Errorf("the vendor still says that an access token is not expired, %s after one was asked for", o.rules.MinAge),
			Hint: "another program uses this sign-in: give the tap one of its own: " + SignInCommand(o.key.source),
		}
	}
	r.early = true
	// Somebody else has got a token; when, only the vendor knows.
	wait := o.rules.MinAge
	if ripe := o.ripeIn(e); ripe > 0 && !e.access.Empty() {
		wait = ripe
	}
	return max(wait, time.Second), nil
}

// changed tells whether the store holds another refresh token than e.
func (o *OAuth) changed(c *change, e entry) bool {
	d, err := c.document()
	if err != nil {
		return false
	}
	now, err := o.choose(d)
	return err == nil && now.refresh.Reveal() != e.refresh.Reveal()
}

// allowed tells whether the vendor grants one more renewal, where it counts them.
func (o *OAuth) allowed(e *entry) *fault.Error {
	if o.rules.MaxRenewals == 0 {
		return nil
	}
	now := time.Now()
	e.renewals = slices.DeleteFunc(slices.Clone(e.renewals), func(t time.Time) bool {
		return now.Sub(t) >= o.rules.RenewalPeriod || t.After(now)
	})
	if len(e.renewals) < o.rules.MaxRenewals {
		return nil
	}
	after := o.rules.RenewalPeriod - now.Sub(slices.MinFunc(e.renewals, time.Time.Compare))
	return &fault.Error{
		Kind: fault.Quota, Source: o.key.source, Whole: true, RetryAfter: after,
		Err: fmt.Errorf("%d access tokens were asked for within %s, all that the vendor grants", len(e.renewals), o.rules.RenewalPeriod),
		Hint: "run again after " + now.Add(after).UTC().Format(time.RFC3339) +
			", the run resumes from its state; if it stays, see why the vendor refuses its own tokens",
	}
}

// keep stores next and then uses it, in this order.
func (o *OAuth) keep(c *change, d *document, next entry) error {
	if c.path != "" {
		data, err := d.with(o.key, next)
		if err != nil {
			return o.store.broken(err)
		}
		if err := c.commit(data); err != nil {
			return err
		}
	}
	o.adopt(next)
	o.opt.Log.Debug("a new access token", "source", o.key.source, "expires", next.expires.UTC().Format(time.RFC3339))
	return nil
}

// StorePath is where the tokens are kept, for messages.
func (o *OAuth) StorePath() string { return filepath.Clean(o.store.path) }
