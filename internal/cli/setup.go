package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/hint"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func (a *app) names() []string {
	var names []string
	for _, s := range a.sources {
		names = append(names, s.Name)
	}
	return names
}

func (a *app) source(name string) *stream.Source {
	i := slices.IndexFunc(a.sources, func(s *stream.Source) bool { return s.Name == name })
	return a.sources[i]
}

// named returns the source that the command line names, or the program's own
// file name as tap-<source>; nil where neither does.
func (a *app) named(args []string) (*stream.Source, error) {
	if len(args) > 0 {
		name, ok := config.SourceName(a.names(), args[0])
		if !ok {
			help := a.sourcesHint()
			if near := hint.Nearest(args[0], slices.Concat(a.names(), commands)); near != "" {
				help = "did you mean " + near + "? " + help
			}
			return nil, usage(fmt.Sprintf("no source or command is called %q", args[0]), help)
		}
		return a.source(name), nil
	}
	if own, ok := strings.CutPrefix(strings.ReplaceAll(a.program, "_", "-"), "tap-"); ok {
		if name, ok := config.SourceName(a.names(), own); ok {
			return a.source(name), nil
		}
	}
	return nil, nil
}

var commands = []string{"check", "streams", "select", "conform", "state", "auth", "sandbox"}

func (a *app) sourcesHint() string { return "the sources are " + strings.Join(a.names(), ", ") }

// words takes the words of a run apart: SOURCE, and the patterns that follow
// the first of a --select, as in --select contracts 'invoices.*'.
func (a *app) words(args []string) (source []string, err error) {
	for _, w := range args {
		_, known := config.SourceName(a.names(), w)
		if len(a.flags.selected) > 0 && (!known || len(source) > 0) {
			a.flags.selected = append(a.flags.selected, w)
			continue
		}
		source = append(source, w)
	}
	if len(source) > 1 {
		return nil, usage(fmt.Sprintf("expected at most one SOURCE, found %q", source), "see tap-backoffice --help; "+a.sourcesHint())
	}
	return source, nil
}

// choose returns the source of this invocation and its config as written; the
// config may be missing where a command can do without.
func (a *app) choose(args []string) (*stream.Source, *config.Raw, error) {
	src, err := a.named(args)
	if err != nil {
		return nil, nil, err
	}
	raw, rerr := config.Read(a.flags.config, a.env)
	if src != nil {
		return src, raw, rerr
	}
	if rerr != nil {
		return nil, nil, rerr
	}
	name, err := raw.Source(a.names())
	if err != nil {
		return nil, nil, err
	}
	if name == "" {
		return nil, nil, usage("no source is chosen", "name one of "+strings.Join(a.names(), ", ")+`, on the command line or as "source" in the config; see tap-backoffice --help`)
	}
	return a.source(name), raw, nil
}

// checked loads the config for a run that asks the vendor.
func (a *app) checked(src *stream.Source, raw *config.Raw) (*config.Loaded, error) {
	if len(a.flags.config) == 0 {
		var keys []string
		for _, s := range config.Settings(src) {
			if s.Required {
				keys = append(keys, s.Key)
			}
		}
		return nil, usage("no config is given", "pass --config FILE with "+strings.Join(keys, ", "))
	}
	raw.Known(a.err.red.Load().Add)
	loaded, err := raw.Check(src)
	if err != nil {
		return nil, err
	}
	for _, w := range loaded.Warnings {
		a.log.Warn(w)
	}
	return loaded, nil
}

// proxySecrets are the credentials of the proxies that the environment names.
func (a *app) proxySecrets() (all []secret.Text) {
	for _, key := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		proxy, _ := a.env(key)
		if _, rest, ok := strings.Cut(proxy, "://"); ok {
			proxy = rest
		}
		user := proxy[:max(strings.LastIndex(proxy, "@"), 0)]
		// As it is written, and as it is sent: in one piece, in base64.
		for _, text := range []string{user, unescaped(user)} {
			_, password, _ := strings.Cut(text, ":")
			all = append(all, secret.New(text), secret.New(password))
		}
		// Where it is not escaped as it should be, a part of it is taken for the host.
		for part := range strings.FieldsFuncSeq(user, func(c rune) bool { return strings.ContainsRune(`/\\?#@:`, c) }) {
			if len(part) >= 8 {
				all = append(all, secret.New(part))
			}
		}
	}
	return slices.DeleteFunc(all, secret.Text.Empty)
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// connect makes the client that asks the vendor.
func (a *app) connect(src *stream.Source, c *config.Loaded, metrics func(httpx.Metric)) (*httpx.Client, error) {
	opt := a.client(src, c, metrics)
	credentials, err := a.credentials(src, c)
	if err != nil {
		return nil, err
	}
	if opt.Auth, err = httpx.Authenticator(opt, credentials); err != nil {
		return nil, err
	}
	return httpx.New(opt)
}

// client is what a client is made of, without what proves who asks.
func (a *app) client(src *stream.Source, c *config.Loaded, metrics func(httpx.Metric)) httpx.Options {
	retries := c.MaxRetries
	if retries == 0 {
		retries = httpx.NoRetries // its 0 stands for the default
	}
	return httpx.Options{
		Source: src, Config: c.Stream, APIURL: c.APIURL,
		Budget:    budget.New(src.Limits, budget.Options{RequestsPerSecond: c.RequestsPerSecond, Config: c.Stream}),
		UserAgent: c.UserAgent, Timeout: c.Timeout, MaxRetries: retries, MaxResponse: c.MaxResponse,
		Log: a.log, Secrets: slices.Concat(c.Secrets(), a.proxySecrets()), Metrics: metrics,
	}
}

// credentials are where those of the source come from, and where those live that
// a vendor replaces.
func (a *app) credentials(src *stream.Source, c *config.Loaded) (auth.OAuthOptions, error) {
	o := auth.OAuthOptions{Lookup: c.Secret, Known: a.err.red.Load().Add}
	rules, ok := src.Auth.(stream.OAuth)
	if !ok {
		return o, nil
	}
	o.Store = c.TokenStore
	if o.Store == "" {
		dir, err := stateDir(a.env)
		switch {
		case err == nil:
			o.Store = filepath.Join(dir, "tokens.json")
		case rules.Rotates:
			return o, err
		default:
			a.log.Warn("the access token is not kept for the next run: " + err.Error())
		}
	}
	return o, nil
}

// found returns the source with the streams that it finds at run time beside its
// static ones. What ended ctx is the reason of whatever it broke.
func (a *app) found(ctx context.Context, src *stream.Source, f stream.Fetcher, c stream.Config, known stream.Known) (*stream.Source, error) {
	if src.Discover == nil {
		return src, nil
	}
	more, err := src.Discover(stream.Telling(ctx, a.log.Warn), bounded{f, make(chan struct{}, a.flags.concurrency)}, c, known)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // what was found until then is not all
	}
	if err != nil {
		return nil, err
	}
	return src.Finding(more), nil
}

// bounded lets as many requests be in flight as its slots hold, however many are
// wanted at once.
type bounded struct {
	stream.Fetcher
	slots chan struct{}
}

// Fetch asks when there is room. A defect in a hook on the way is an error here,
// for whoever asks may do so in a goroutine where nobody would recover.
func (b bounded) Fetch(ctx context.Context, r *stream.Request) (answer *stream.Response, err error) {
	select {
	case b.slots <- struct{}{}:
		defer func() {
			<-b.slots
			if p := recover(); p != nil {
				answer, err = nil, defect(p)
			}
		}()
		return b.Fetcher.Fetch(ctx, r)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// maxInput bounds a catalog or a state: far beyond any, and short of memory.
const maxInput = 256 << 20

// readFile reads a catalog or state file whole.
func readFile(kind fault.Kind, what, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = readAll(f); err == nil {
			return data, nil
		}
	}
	return nil, &fault.Error{Kind: kind, Op: what, Err: plainPathError(err), Hint: "check the path given with --" + what}
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("expected at most %d MiB, found more", maxInput>>20)
	}
	return data, err
}

// plainPathError says "FILE: no such file or directory", without the system call.
func plainPathError(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return fmt.Errorf("%s: %w", le.New, le.Err)
	}
	return err
}
