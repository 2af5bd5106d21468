package auth

import (
	"context"
	"errors"
	"net/url"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// AuthorizeURL is the page on which a person signs in. The vendor leads from
// there to redirect, with a code and this state.
func (o *OAuth) AuthorizeURL(redirect, state string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {o.clientID.Reveal()},
		"redirect_uri": {redirect}, "state": {state},
	}
	for _, p := range o.rules.AuthorizeParams {
		q.Set(p.Name, p.Value)
	}
	_, page := o.rules.Addresses(o.opt.Source, o.opt.Config, o.opt.APIURL)
	return page + "?" + q.Encode()
}

// SignIn turns a code into tokens and stores them. They take the place of those
// that the config's refresh token led to, for as long as it holds that one.
func (o *OAuth) SignIn(ctx context.Context, code, redirect string) error {
	o.opt.Known(secret.New(code))
	c, err := o.store.begin(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	d, err := c.document()
	if err != nil {
		return err
	}
	if _, _, err := d.find(o.key); err != nil {
		return o.store.broken(err)
	}
	if err := c.prepare(); err != nil {
		return err
	}
	next, err := o.request(ctx, entry{config: hashOf(o.configured)},
		form("grant_type", "authorization_code"), form("code", code), form("redirect_uri", redirect))
	if errors.Is(err, errRefused) {
		f := *fault.As(err)
		f.Hint = "a code is good once and for minutes only: sign in again, and check that " + o.redirectSetting() + " is the address that the vendor knows of"
		return &f
	}
	if err != nil {
		return unmarked(err)
	}
	if next.refresh.Empty() {
		return &fault.Error{
			Kind: fault.Auth, Source: o.key.source, Op: opToken, Whole: true,
			Err:  errors.New("the vendor gave no refresh token"),
			Hint: "give the app the right to work while you are away, then sign in again",
		}
	}
	return o.keep(c, d, next)
}

// redirectSetting names what makes up the redirect address.
func (o *OAuth) redirectSetting() string {
	if o.rules.RedirectURI == "" {
		return "the redirect address"
	}
	return o.rules.RedirectURI
}

// RedirectURI is the address of the config to which the vendor leads, "" for none.
func (o *OAuth) RedirectURI() string {
	if o.rules.RedirectURI == "" {
		return ""
	}
	return o.opt.Config.Text(o.rules.RedirectURI)
}
