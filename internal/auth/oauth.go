package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// DefaultTries is how often a token request is sent whose answer is lost. CLIENT
// (hotgluexyz/tap-exact: empty bodies, 5 tries).
const DefaultTries = 5

// OAuthOptions are what an OAuth authenticator is made of. Source, whose Auth is
// a stream.OAuth, Lookup and Ask are required.
type OAuthOptions struct {
	Source *stream.Source
	Config stream.Config
	APIURL string // replaces the source's origin
	// Lookup returns the credential under a config key.
	Lookup func(key string) secret.Text
	// Store is the path of the token store; "" keeps tokens in memory only, which
	// loses the grant of a vendor who rotates them.
	Store string
	// Ask sends a request to the token endpoint, once and without credentials
	// of its own, and returns every answer as it is. Its URL is a path below
	// what stream.OAuth.Endpoint says. Its error is a *fault.Error or the
	// context's cause.
	Ask func(context.Context, *stream.Request) (*stream.Response, error)
	// Tries is how often a token request is sent whose answer is lost. 0:
	// DefaultTries.
	Tries int
	// SignIn: there need be no refresh token yet, one is about to be fetched.
	SignIn bool

	Log *slog.Logger // nil: silent
	// Known is told of every credential before it is used or could be printed;
	// Mask takes them out of a text. nil: nobody.
	Known func(...secret.Text)
	Mask  func(string) string
}

// OAuth is the authenticator of stream.OAuth: a Refresher whose tokens live in
// the store. Within the process one goroutine at a time renews them, and under
// the lock of the store one process.
type OAuth struct {
	opt        OAuthOptions
	rules      stream.OAuth
	key        entryKey
	clientID   secret.Text
	secret     secret.Text
	configured secret.Text // the refresh token of the config
	store      *store
	turn       chan struct{} // holds one: whoever put it there renews

	mu    sync.Mutex
	now   entry
	later time.Time // the vendor will not renew now, the token at hand does
	dead  error     // no token can be had any more
}

// Format keeps package fmt, which sees into unexported fields, from printing
// the credentials.
func (o *OAuth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "OAuth credentials ***") }

// SignInCommand is the command by which a person signs in.
func SignInCommand(source string) string {
	return "tap-backoffice auth " + source + " --config FILE"
}

// NewOAuth makes the authenticator and reads the store. It asks nobody.
func NewOAuth(opt OAuthOptions) (*OAuth, error) {
	rules, ok := opt.Source.Auth.(stream.OAuth)
	if !ok {
		return nil, fault.New(fault.Internal, "no authenticator for this kind of credentials", "")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Known == nil {
		opt.Known = func(...secret.Text) {}
	}
	if opt.Mask == nil {
		opt.Mask = func(s string) string { return s }
	}
	if opt.Tries <= 0 {
		opt.Tries = DefaultTries
	}
	o := &OAuth{opt: opt, rules: rules, turn: make(chan struct{}, 1)}
	var err error
	if o.clientID, err = credential(rules.ClientID, o.value); err != nil {
		return nil, err
	}
	if o.secret, err = credential(rules.ClientSecret, o.value); err != nil {
		return nil, err
	}
	if o.configured = o.value(rules.RefreshToken); !o.configured.Empty() {
		if _, err = credential(rules.RefreshToken, o.value); err != nil {
			return nil, err
		}
	}
	opt.Known(o.secret, o.configured)
	token, _ := rules.Addresses(opt.Source, opt.Config, opt.APIURL)
	o.key = entryKey{opt.Source.Name, token, o.clientID.Reveal()}
	if o.store, err = newStore(opt.Store, opt.Source.Name, opt.Log); err != nil {
		return nil, err
	}
	// Without the lock: what is here may be about to be replaced, but it is
	// whole, and a token that still lives needs no lock.
	d, _, err := o.store.read()
	if err != nil {
		return nil, err
	}
	e, err := o.choose(d)
	if err != nil && !opt.SignIn {
		return nil, err
	}
	if err == nil {
		o.adopt(e)
	}
	return o, nil
}

// value is a config value, secret or not.
func (o *OAuth) value(key string) secret.Text {
	if v := o.opt.Lookup(key); !v.Empty() {
		return v
	}
	return secret.New(o.opt.Config.Text(key))
}

// choose finds the entry to go on with. The store wins while the config still
// holds the refresh token that the entry came from, or none; then what this
// process has, should the entry have vanished under it; then the config.
func (o *OAuth) choose(d *document) (entry, error) {
	e, at, err := d.find(o.key)
	stored := at >= 0 && !e.refresh.Empty()
	switch {
	case err != nil:
		return entry{}, o.store.broken(err)
	case stored && (o.configured.Empty() || e.config == hashOf(o.configured)):
		return e, nil
	case stored && !o.now.access.Empty():
		// To write over it would burn what that sign-in lives on.
		return entry{}, &fault.Error{
			Kind: fault.Auth, Source: o.key.source, Op: "token store", Whole: true,
			Err: errors.New("another sign-in of the same " + o.rules.ClientID + " has taken this one's place in " + o.store.path),
			Hint: "give two configs with one " + o.rules.ClientID + " a token_store each, then sign in again: " +
				SignInCommand(o.key.source),
		}
	case !o.now.refresh.Empty():
		return o.now, nil
	case !o.configured.Empty():
		if stored {
			o.opt.Log.Info("the config holds another "+o.rules.RefreshToken+" than the one that the token store goes back to: the config's is used", "source", o.key.source)
		}
		return entry{refresh: o.configured, config: hashOf(o.configured)}, nil
	}
	key := o.rules.RefreshToken
	return entry{}, &fault.Error{
		Kind: fault.Config, Source: o.key.source, Whole: true,
		Err:  errors.New(key + " is not set, and the token store has no entry for " + o.rules.ClientID),
		Hint: "sign in: " + SignInCommand(o.key.source) + ", or set " + key,
	}
}

// adopt makes e what is used from now on.
func (o *OAuth) adopt(e entry) {
	o.opt.Known(e.access, e.refresh)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now, o.later = e, time.Time{}
}

// postpone goes on with e although it is due, for a while, or for as long as the
// vendor asks: one who throttles wants silence (Zoho: 10 to 30 minutes of it,
// CLIENT).
func (o *OAuth) postpone(e entry, after time.Duration) {
	o.adopt(e)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.later = time.Now().Add(max(after, postponed))
}

// postponed is how long a token that still lives is used before the next try
// to replace it: short beside Exact's window of 30 s.
const postponed = 5 * time.Second

// due is when e is to be replaced: Early before its end, but never before the
// vendor's MinAge. The zero time: when it is refused.
func (o *OAuth) due(e entry) time.Time {
	if e.expires.IsZero() {
		return e.expires
	}
	early := min(o.rules.Early, e.expires.Sub(e.obtained)/2)
	at := e.expires.Add(-max(early, 0))
	if ripe := e.obtained.Add(o.rules.MinAge); at.Before(ripe) {
		return ripe
	}
	return at
}

// alive tells whether the vendor should still take e.
func alive(e entry) bool {
	return !e.access.Empty() && (e.expires.IsZero() || time.Now().Before(e.expires))
}

// fresh tells whether e is to be used as it is.
func (o *OAuth) fresh(e entry) bool {
	due := o.due(e)
	return alive(e) && (due.IsZero() || time.Now().Before(due))
}

// usable returns the token at hand if it is to be used; refused is one that the
// vendor does not take.
func (o *OAuth) usable(refused string) (token secret.Text, ok bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := o.now; {
	case o.dead != nil:
		return secret.Text{}, false, o.dead
	case refused != "" && e.access.Reveal() == refused:
		return secret.Text{}, false, nil
	case o.fresh(e), alive(e) && time.Now().Before(o.later):
		return e.access, true, nil
	}
	return secret.Text{}, false, nil
}

// token returns an access token that may be used, after renewing it if need be.
func (o *OAuth) token(ctx context.Context, refused string) (secret.Text, error) {
	if t, ok, err := o.usable(refused); ok || err != nil {
		return t, err
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return secret.Text{}, context.Cause(ctx)
	}
	// Whoever had the turn before has most likely done it.
	if t, ok, err := o.usable(refused); ok || err != nil {
		return t, err
	}
	err := o.renew(ctx, refused)
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := fault.As(err); f != nil && f.Kind != fault.Transient {
		o.dead = err // asking again would not help, and may do harm
	}
	return o.now.access, err
}

// Apply implements Authenticator.
func (o *OAuth) Apply(ctx context.Context, req *http.Request) error {
	t, err := o.token(ctx, "")
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", o.rules.Prefix+t.Reveal())
	return nil
}

// Refresh implements Refresher.
func (o *OAuth) Refresh(ctx context.Context, stale *http.Request, _ *stream.Response) (bool, error) {
	refused := strings.TrimPrefix(stale.Header.Get("Authorization"), o.rules.Prefix)
	_, err := o.token(ctx, refused)
	return err == nil, err
}

// BodyParam implements Authenticator.
func (*OAuth) BodyParam() (string, secret.Text) { return "", secret.Text{} }

// Secrets implements Authenticator.
func (o *OAuth) Secrets() []secret.Text {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc([]secret.Text{o.now.access, o.now.refresh, o.secret, o.configured}, secret.Text.Empty)
}

// Kept returns a member of the token answer that the table keeps, after getting
// a token if there is none.
func (o *OAuth) Kept(ctx context.Context, name string) (string, error) {
	if _, err := o.token(ctx, ""); err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now.kept[name], nil
}
