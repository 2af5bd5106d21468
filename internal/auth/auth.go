// Package auth owns how requests prove who asks. It turns a source's Auth into
// an Authenticator that puts the credentials on each request.
//
// It also owns the tokens of OAuth: when they are renewed, by whom of several
// goroutines and processes, and the store that keeps them between runs.
//
// It must never log or print a credential, never put one into an error or a
// URL, and never send a request itself: token requests go out through a function
// that is handed in. A rotated token must never be used before it is stored.
package auth

import (
	"context"
	"net/http"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Authenticator puts credentials on requests. Its methods may be called from
// any goroutine.
type Authenticator interface {
	// Apply sets the headers that prove who asks. It is called once per
	// attempt, right before the request is sent, and may wait for a fresh
	// token. The body is not its business: see BodyParam. Its error is the
	// context's cause or a *fault.Error.
	Apply(ctx context.Context, req *http.Request) error
	// BodyParam is the member that every JSON body gets, name "" for none.
	BodyParam() (name string, value secret.Text)
	// Secrets are the credentials that may be on the wire now, in every form
	// in which they are sent. They are masked in whatever is printed.
	Secrets() []secret.Text
}

// Refresher is an Authenticator whose credentials expire. Refresh is asked at
// most once per request, after an answer that refuses the credentials because
// they ran out (stream.Stale, or a 401). stale is the request that was refused,
// with the headers that Apply set: if the credentials have been replaced since,
// there is nothing left to do. answer is the refusal; some of them no refresh
// can mend. again asks for one more try; an error ends the request.
type Refresher interface {
	Authenticator
	Refresh(ctx context.Context, stale *http.Request, answer *stream.Response) (again bool, err error)
}

// New makes the authenticator of a; lookup returns the credential under a
// config key. A nil a means that the vendor asks for none. Credentials of
// stream.OAuth need more than that: see NewOAuth.
func New(a stream.Auth, lookup func(key string) secret.Text) (Authenticator, error) {
	switch a := a.(type) {
	case nil:
		return none{}, nil
	case stream.HeaderAuth:
		return newHeader(a, lookup)
	case stream.BasicAuth:
		return newBasic(a, lookup)
	}
	return nil, fault.New(fault.Internal, "no authenticator for this kind of credentials", "")
}

type none struct{}

func (none) Apply(context.Context, *http.Request) error { return nil }
func (none) BodyParam() (string, secret.Text)           { return "", secret.Text{} }
func (none) Secrets() []secret.Text                     { return nil }
