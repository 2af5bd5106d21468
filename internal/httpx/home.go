package httpx

import (
	"context"
	"log/slog"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// keeper is an authenticator that keeps what a token answer tells.
type keeper interface {
	Kept(ctx context.Context, name string) (string, error)
}

// place is where requests go, as far as it is known.
func (c *Client) place() origin {
	if o := c.moved.Load(); o != nil {
		return *o
	}
	return c.origin
}

// home finds where the account's API lives, if the token answer tells that and
// no api_url settles it. From the first request that learns it on it stays the
// same; as long as nothing is told, the config's place is asked.
func (k *call) home(ctx context.Context) error {
	rules, ok := k.opt.Source.Auth.(stream.OAuth)
	if !ok || rules.Home == nil || k.opt.APIURL != "" {
		return nil
	}
	if k.moved.Load() != nil {
		k.at = k.place() // another request may have learnt it since this one began
		return nil
	}
	tokens, ok := k.opt.Auth.(keeper)
	if !ok {
		return nil
	}
	kept := map[string]string{}
	for _, name := range rules.Keep {
		v, err := tokens.Kept(ctx, name)
		k.red.Add(k.opt.Auth.Secrets()...)
		if err != nil {
			return err
		}
		kept[name] = v
	}
	address, note, err := rules.Home(k.opt.Config, func(name string) string { return kept[name] })
	if err != nil {
		if f := fault.As(err); f != nil {
			whole := *f
			whole.Whole = true // of no stream can anything be asked
			return &whole
		}
		return err
	}
	if address == "" {
		return nil
	}
	o, err := originAt(k.opt.Source, k.opt.Config, address, append(hostKeys(k.opt.Source, k.opt.Config), "api_url"))
	if err != nil {
		return err
	}
	if k.moved.CompareAndSwap(nil, &o) && note != "" {
		k.opt.Log.LogAttrs(ctx, slog.LevelInfo, k.red.text(note, maxText), slog.String("source", k.opt.Source.Name))
	}
	k.at = k.place()
	return nil
}

// total asks how many credits the account has in all. Others wait for that.
func (k *call) total(ctx context.Context) error {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	q := k.opt.Budget.Question()
	if q == nil {
		return nil // somebody has asked meanwhile
	}
	resp, err := k.Do(ctx, &q.Ask, Call{})
	if f := fault.As(err); ctx.Err() != nil || f != nil && f.Whole {
		return err
	}
	total, doubt := q.Read(resp) // of nothing, where it was refused
	if resp != nil && resp.Release != nil {
		resp.Release()
	}
	k.opt.Budget.Answer(q, total)
	if doubt != "" {
		k.opt.Log.LogAttrs(ctx, slog.LevelWarn, "the reserve may be larger than it need be: "+k.red.text(doubt, maxText),
			slog.String("source", k.opt.Source.Name), slog.Int64("credits", int64(total)))
	}
	return nil
}
