package httpx

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// origin is the one place that may be asked: scheme, host, port and the paths
// below which requests lie. Credentials go there and nowhere else.
type origin struct {
	scheme, host string // lower case, without a default port
	root         string // escaped path of api_url, no slash at its end
	base         string // escaped root and base of the source, slashes at both ends
	rootSegments []string
	baseSegments []string
	keys         []string // config keys that make up the host
	pathKeys     []string // config keys that make up the base
}

// newOrigin checks where a source is asked. Its errors never show user-info or
// a query.
func newOrigin(src *stream.Source, cfg stream.Config, apiURL string) (origin, error) {
	if apiURL == "" {
		return originAt(src, cfg, src.Origin(cfg), hostKeys(src, cfg))
	}
	return parseOrigin(src, cfg, apiURL, true, []string{"api_url"})
}

// originAt is an origin that the source tells; keys are the settings behind it.
func originAt(src *stream.Source, cfg stream.Config, raw string, keys []string) (origin, error) {
	return parseOrigin(src, cfg, raw, false, keys)
}

func parseOrigin(src *stream.Source, cfg stream.Config, raw string, path bool, keys []string) (origin, error) {
	o := origin{keys: keys}
	bad := func(what string) (origin, error) {
		return origin{}, &fault.Error{
			Kind: fault.Config, Source: src.Name, Whole: true,
			Err:  errors.New("the base URL " + what),
			Hint: "check " + strings.Join(o.keys, ", ") + ": it is to look like https://host or https://host/path",
		}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return bad("cannot be read")
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "" || u.Hostname() == "":
		return bad("has no https:// and host")
	case u.User != nil:
		return bad("holds a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("holds a query or a fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return bad("is http, which is for this machine only")
	case !path && strings.Trim(u.Path, "/") != "":
		return bad("holds a path")
	}
	o.scheme, o.host = u.Scheme, hostPort(u)
	o.root = strings.TrimRight(u.EscapedPath(), "/")
	base := src.Base
	if !strings.HasPrefix(base, "/") {
		base = "/" + base
	}
	if !strings.HasSuffix(base, "/") {
		base += "/"
	}
	o.base = o.root + cfg.Expand(base, url.PathEscape)
	if o.rootSegments, err = segments(o.root); err != nil {
		return bad("has a path that " + err.Error())
	}
	if o.baseSegments, err = segments(strings.TrimSuffix(o.base, "/")); err != nil {
		return bad("has a path that " + err.Error())
	}
	for _, s := range src.Settings {
		if strings.Contains(src.Base, "{"+s.Key+"}") {
			o.pathKeys = append(o.pathKeys, s.Key)
		}
	}
	return o, nil
}

// hostKeys finds the settings that make up the host: those whose change
// changes it.
func hostKeys(src *stream.Source, cfg stream.Config) []string {
	values := map[string]string{}
	for _, s := range src.Settings {
		if s.Kind != stream.Secret {
			values[s.Key] = cfg.Text(s.Key)
		}
	}
	before := src.Origin(stream.NewConfig(values))
	var keys []string
	for _, s := range src.Settings {
		was, ok := values[s.Key]
		if !ok {
			continue
		}
		values[s.Key] = was + "-x"
		if src.Origin(stream.NewConfig(values)) != before {
			keys = append(keys, s.Key)
		}
		values[s.Key] = was
	}
	if keys == nil {
		return []string{"api_url"}
	}
	return keys
}

// settings names the config keys behind the base URL.
func (o origin) settings() string {
	return strings.Join(append(slices.Clone(o.keys), o.pathKeys...), ", ")
}

// String is the base URL, for messages.
func (o origin) String() string { return o.scheme + "://" + o.host + o.base }

// errLink is a URL that may not be asked.
type errLink struct{ what, hint string }

func (e errLink) Error() string { return e.what }

// resolve turns a request's URL into the one that is asked: relative ones are
// below the base, those with a slash below the root, absolute ones are taken
// as they are if they stay below the base.
func (o origin) resolve(ref string) (*url.URL, error) {
	address, below := o.scheme+"://"+o.host+o.base+ref, o.baseSegments
	foreign := false
	switch {
	case strings.HasPrefix(ref, "//"):
		address, foreign = o.scheme+":"+ref, true
	case strings.HasPrefix(ref, "/"):
		address, below = o.scheme+"://"+o.host+o.root+ref, o.rootSegments
	case absolute(ref):
		address, foreign = ref, true
	}
	path, _, _ := strings.Cut(address, "?")
	if strings.Contains(path, `\`) {
		return nil, errLink{"a link of the vendor holds a backslash", "such a link may lead elsewhere, tell the vendor"}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errLink{"a link of the vendor is no URL", "tell the vendor"}
	}
	if foreign {
		if err := o.home(u); err != nil {
			return nil, err
		}
	}
	got, err := segments(u.EscapedPath())
	if err != nil {
		return nil, errLink{"a link has a path that " + err.Error(), "such a link may lead elsewhere, tell the vendor"}
	}
	if len(got) < len(below) || !slices.Equal(got[:len(below)], below) {
		return nil, errLink{"the vendor's link leaves the API: " + u.EscapedPath(), "only what lies below " + o.String() + " is asked; check " + o.settings()}
	}
	return &url.URL{
		Scheme: o.scheme, Host: o.host,
		Path: u.Path, RawPath: u.RawPath, RawQuery: tidy(u.RawQuery),
	}, nil
}

// home refuses a link to any other place.
func (o origin) home(u *url.URL) error {
	switch {
	case u.User != nil:
		return errLink{"the vendor's link holds a user name", "such a link may lead elsewhere, tell the vendor"}
	case u.Opaque != "" || u.Hostname() == "":
		return errLink{"the vendor's link has no host", "tell the vendor"}
	case hostPort(u) != o.host:
		return errLink{
			"the vendor's link points to another host: " + u.Host,
			"only " + o.host + " is asked, credentials go nowhere else; if that host is right, check " + strings.Join(o.keys, ", "),
		}
	case u.Scheme != o.scheme:
		return errLink{"the vendor's link changes " + o.scheme + " to " + u.Scheme, "only " + o.scheme + " is asked; check " + strings.Join(o.keys, ", ")}
	}
	return nil
}

// absolute tells a URL with a scheme from a path.
func absolute(ref string) bool {
	i := strings.Index(ref, "://")
	return i > 0 && !strings.ContainsAny(ref[:i], "/?#")
}

// hostPort is the host in lower case, with its port unless that is the
// scheme's own.
func hostPort(u *url.URL) string {
	host := asciiLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return host
	}
	return host + ":" + port
}

// asciiLower leaves other letters alone: the Kelvin sign is no k.
func asciiLower(s string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

// loopback tells hosts that are this machine.
func loopback(host string) bool {
	if asciiLower(host) == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// segments splits an escaped path and refuses all that a server or a proxy
// could read as another one: dot segments and backslashes, however often they
// are encoded, and control characters.
func segments(escaped string) ([]string, error) {
	whole := escaped
	for range 4 {
		for seg := range strings.FieldsFuncSeq(whole, func(c rune) bool { return c == '/' || c == '\\' }) {
			name, _, _ := strings.Cut(seg, ";") // some servers drop what follows
			if name == "." || name == ".." {
				return nil, errors.New("holds dot segments")
			}
		}
		if strings.Contains(whole, `\`) {
			return nil, errors.New("holds a backslash")
		}
		if strings.ContainsFunc(whole, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return nil, errors.New("holds control characters")
		}
		next, err := url.PathUnescape(whole)
		if err != nil || next == whole {
			break
		}
		whole = next
	}
	parts := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, p := range parts {
		d, err := url.PathUnescape(p)
		if err != nil {
			return nil, errors.New("is not encoded rightly")
		}
		parts[i] = d
	}
	if len(parts) == 1 && parts[0] == "" {
		return nil, nil
	}
	return parts, nil
}
