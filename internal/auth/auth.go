// Package auth owns how requests prove who asks. It turns a source's Auth into
// an Authenticator that puts the credentials on each request.
//
// It must never log, never put a credential into an error or a URL, and never
// send the requests that it signs. Credentials with a life of their own (OAuth)
// come in as a Refresher.
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
// most once per request, after a 401. stale is the request that was refused,
// with the headers that Apply set: if the credentials have been replaced since,
// there is nothing left to do. answer is the refusal; some of them no refresh
// can mend. again asks for one more try; an error ends the request.
type Refresher interface {
	Authenticator
	Refresh(ctx context.Context, stale *http.Request, answer *stream.Response) (again bool, err error)
}

// New makes the authenticator of a; lookup returns the credential under a
// config key. A nil a means that the vendor asks for none.
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
