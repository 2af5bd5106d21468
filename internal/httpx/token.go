package httpx

import (
	"context"
	"errors"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Authenticator makes what proves who asks, of whatever kind the source wants.
// The token endpoint of OAuth is asked by a client of its own, made of opt: no
// credentials, no limits of the API, one place. Of o, the caller gives Lookup,
// Store, SignIn and, if it masks texts itself, Known.
func Authenticator(opt Options, o auth.OAuthOptions) (auth.Authenticator, error) {
	if _, ok := opt.Source.Auth.(stream.OAuth); !ok {
		return auth.New(opt.Source.Auth, o.Lookup)
	}
	return OAuth(opt, o)
}

// OAuth is Authenticator for a source whose Auth is a stream.OAuth.
func OAuth(opt Options, o auth.OAuthOptions) (*auth.OAuth, error) {
	rules, ok := opt.Source.Auth.(stream.OAuth)
	if !ok {
		return auth.NewOAuth(auth.OAuthOptions{Source: opt.Source})
	}
	o.Source, o.Config, o.APIURL, o.Log = opt.Source, opt.Config, opt.APIURL, opt.Log
	o.Tries = auth.DefaultTries
	if opt.MaxRetries != 0 { // the default
		o.Tries = min(o.Tries, max(opt.MaxRetries, 0)+1)
	}
	own := opt.Transport == nil
	opt.Source, opt.APIURL = rules.Endpoint(opt.Source, opt.Config, opt.APIURL)
	opt.Auth, opt.Budget = nil, nil
	c, err := New(opt)
	if err != nil {
		return nil, err
	}
	known := o.Known
	o.Known = func(s ...secret.Text) {
		c.red.Add(s...)
		if known != nil {
			known(s...)
		}
	}
	o.Mask = c.red.Redact
	o.Ask = func(ctx context.Context, req *stream.Request) (*stream.Response, error) {
		if own {
			defer c.Close() // the next token is needed when the connection is long gone
		}
		resp, err := c.Do(ctx, req, Call{Once: true, Anonymous: true})
		if errors.Is(err, stream.TooLarge) {
			err = fault.New(fault.Contract, "the token endpoint's answer is larger than any token", "check api_url and the settings that make up the vendor's host")
		}
		return resp, err
	}
	return auth.NewOAuth(o)
}
