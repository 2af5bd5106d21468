package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// signInTime is how long a person has to sign in.
const signInTime = 15 * time.Minute

func (a *app) authCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "auth SOURCE --config FILE",
		Short: "Signs in where a vendor wants a person to (OAuth), and keeps the tokens",
		Long: "Signs in where a vendor wants a person to (OAuth): prints the address to open in a browser. If redirect_uri is\n" +
			"http on this machine, or is not set, the browser comes back by itself; else paste the address at which it ends.\n" +
			"The tokens go to the token store, from where runs take and renew them; the config needs no refresh_token then.",
		Args: atMostOne("SOURCE"),
		RunE: a.signIn,
	}
	a.flags.bindConfig(c)
	a.flags.bindLog(c)
	return c
}

func (a *app) signIn(cmd *cobra.Command, args []string) error {
	a.heeds.Store(true)
	if err := a.setLog(a.err); err != nil {
		return err
	}
	src, raw, err := a.choose(args)
	if src != nil {
		if _, ok := src.Auth.(stream.OAuth); !ok {
			return &fault.Error{
				Kind: fault.Config, Source: src.Name, Op: "auth", Err: errors.New("this source has no sign-in"),
				Hint: "its credentials are in the config: see tap-backoffice " + src.Name + " --about",
			}
		}
	}
	if err != nil {
		return err
	}
	loaded, err := a.checked(src, raw)
	if err != nil {
		return err
	}
	credentials, err := a.credentials(src, loaded)
	if err != nil {
		return err
	}
	if credentials.Store == "" {
		return usage("auth: there is no place for the tokens", "set token_store")
	}
	credentials.SignIn = true
	tokens, err := httpx.OAuth(a.client(src, loaded, nil), credentials)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(cmd.Context(), signInTime, &fault.Error{
		Kind: fault.Auth, Source: src.Name, Op: "auth", Err: fmt.Errorf("nobody signed in within %s", signInTime), Hint: "start again",
	})
	defer stop()
	redirect, back, done, err := a.callback(ctx, tokens)
	if err != nil {
		return err
	}
	defer done()
	state := rand.Text()
	// Not through the masks: this address is to be opened as it is. It holds no
	// secret: client_id is what the vendor calls the app.
	fmt.Fprintf(a.err.w, "Open this address in a browser and sign in:\n\n%s\n\n", tokens.AuthorizeURL(redirect, state))
	code, answer, err := a.awaitCode(ctx, src, state, redirect, back)
	if err != nil {
		return err
	}
	err = tokens.SignIn(ctx, code, redirect)
	answer(err)
	if err != nil {
		return err
	}
	a.log.Info("signed in: the tokens are in "+tokens.StorePath(), "source", src.Name)
	return nil
}

// visit is the browser's return to this machine.
type visit struct {
	query  string
	answer chan error // what came of it; closed without one for a visit that is none
}

// callback settles where the vendor leads to. On a loopback address over http
// the tap itself listens: back gets what the browser brings.
func (a *app) callback(ctx context.Context, tokens *auth.OAuth) (redirect string, back chan visit, done func(), err error) {
	redirect = tokens.RedirectURI()
	host, path := "127.0.0.1:0", "/"
	if redirect != "" {
		u, err := url.Parse(redirect)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return "", nil, nil, usage("redirect_uri: expected an absolute http or https URL", "take the address that the vendor has on record for the app")
		case u.Scheme == "https" || !isLoopback(u.Hostname()):
			return redirect, nil, func() {}, nil
		}
		host, path = u.Host, u.EscapedPath()
		if u.Port() == "" {
			host = net.JoinHostPort(u.Hostname(), "80")
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host)
	if err != nil {
		return "", nil, nil, &fault.Error{Kind: fault.Config, Op: "auth", Err: fmt.Errorf("listen for the browser's return: %w", err), Hint: "free that port, or choose another redirect_uri"}
	}
	if redirect == "" {
		redirect = "http://" + listener.Addr().String() + path
		fmt.Fprintf(a.err, "redirect_uri is not set: the browser is to come back to %s.\n"+
			"If the vendor does not take that, set redirect_uri to the address on record for the app.\n\n", redirect)
	}
	back = make(chan visit)
	server := &http.Server{Handler: returns(ctx, path, back), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until done closes it
	return redirect, back, func() {
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer stop()
		_ = server.Shutdown(last) // the browser's page is to be whole
	}, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// returns serves the page to which the vendor leads.
func returns(ctx context.Context, path string, back chan<- visit) http.Handler {
	if path == "" {
		path = "/"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer") // the code is in this page's address
		if r.URL.EscapedPath() != path || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		v := visit{r.URL.RawQuery, make(chan error, 1)}
		select {
		case back <- v:
		case <-ctx.Done():
			return
		case <-r.Context().Done():
			return
		}
		var err error
		ours := false
		select {
		case err, ours = <-v.answer:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "The sign-in did not work. The terminal tells why.\n")
		case !ours:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "This is not the sign-in that was asked for. Open the address in the terminal.\n")
		default:
			_, _ = io.WriteString(w, "Signed in. You may close this page.\n")
		}
	})
}

// awaitCode waits for the browser, or for a line with the address at which it
// ended. answer tells the browser what came of it.
func (a *app) awaitCode(ctx context.Context, src *stream.Source, state, redirect string, back chan visit) (code string, answer func(error), err error) {
	source := src.Name
	pasted := make(chan string)
	ended := make(chan struct{})
	if back == nil {
		fmt.Fprintf(a.err, "It ends at %s: paste the whole address of that page here%s, then press Enter:\n", redirect, within(src))
	} else {
		fmt.Fprint(a.err, "Waiting for the browser; the address at which it ends can be pasted here too.\n")
	}
	go func() { // ends with stdin, or with the process
		r := bufio.NewReader(a.in)
		for {
			line, err := r.ReadString('\n')
			if line = strings.TrimSpace(line); line != "" {
				select {
				case pasted <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				close(ended)
				return
			}
		}
	}()
	for {
		select {
		case line := <-pasted:
			_, query, _ := strings.Cut(line, "?")
			query, _, _ = strings.Cut(query, "#")
			a.hide(query)
			code, err := codeOf(query, source, state)
			return code, func(error) {}, err
		case v := <-back:
			a.hide(v.query)
			code, err := codeOf(v.query, source, state)
			if errors.Is(err, errOtherSignIn) {
				close(v.answer) // somebody else's must not end ours
				continue
			}
			if err != nil {
				v.answer <- err
				return "", nil, err
			}
			return code, func(err error) { v.answer <- err }, nil
		case <-ended:
			if back == nil {
				return "", nil, usage("auth: no address was pasted: stdin has ended", "run it in a terminal, or pass the address on stdin")
			}
			ended = nil // the browser can still come
		case <-ctx.Done():
			return "", nil, context.Cause(ctx)
		}
	}
}

// hide makes the code known that a query holds: whatever else is in it may be
// told, and repeat it.
func (a *app) hide(query string) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "code" || strings.HasSuffix(name, "token") {
			a.err.red.Load().Add(secret.New(value), secret.New(unescaped(value)))
		}
	}
}

// within tells how soon the code has to be used, where the vendor tells it.
func within(src *stream.Source) string {
	rules, ok := src.Auth.(stream.OAuth)
	if !ok || rules.CodeLife <= 0 {
		return ""
	}
	return fmt.Sprintf(" within %s (the code in it is good for no longer)", plural(int64(rules.CodeLife.Minutes()), "minute"))
}

// errOtherSignIn is an address that was not made for this one.
var errOtherSignIn = errors.New("the address belongs to another sign-in, or is not whole: its state is not the one that was asked for")

// codeOf finds the code in the query to which the vendor led. It is decoded,
// but a plus stays one: codes hold no blanks.
func codeOf(query, source, state string) (string, error) {
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if v, err := url.PathUnescape(value); err == nil {
			values[name] = v
		}
	}
	refuse := func(err error, hint string) error {
		return &fault.Error{Kind: fault.Auth, Source: source, Op: "auth", Err: err, Hint: hint}
	}
	const again = "start again and paste the whole address at which the browser ends"
	switch {
	case subtle.ConstantTimeCompare([]byte(values["state"]), []byte(state)) != 1:
		return "", refuse(errOtherSignIn, again)
	case values["error"] != "":
		said := strings.TrimSpace(values["error"] + ": " + strings.ReplaceAll(values["error_description"], "+", " "))
		return "", refuse(fmt.Errorf("the vendor did not let you in: %.300q", strings.TrimSuffix(said, ":")), "start again, and allow the app what it asks for")
	case values["code"] == "":
		return "", refuse(errors.New("the address holds no code"), again)
	}
	return values["code"], nil
}
