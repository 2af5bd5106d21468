package config

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// secretForms are the suffixes of the keys in which a secret may be given: as
// it is, in a file, in a variable, as the output of a command.
var secretForms = [...]string{"", "_file", "_env", "_cmd"}

// secret finds a credential in the one form in which it is given. Forms in a
// later layer replace those of an earlier one.
func (c *check) secret(s stream.Setting) {
	var given []string
	var v value
	for _, form := range secretForms {
		w, ok := c.raw.lookup(s.Key + form)
		switch {
		case !ok || w.unset():
		case len(given) > 0 && w.depth == v.depth:
			given = append(given, form)
		case len(given) == 0 || w.depth > v.depth:
			given, v = []string{form}, w
		}
	}
	switch {
	case len(given) == 0 && s.Default != "":
		c.keep(s.Key, s.Default)
	case len(given) == 0:
		if s.Required {
			c.missing(s)
		}
	case len(given) > 1:
		c.fault(s.Key, "one form", s.Key+strings.Join(given, " and "+s.Key))
	case v.kind != textValue:
		c.faultIn(s.Key, given[0], "text", c.found(v, true))
	default:
		c.reveal(s, given[0], v)
	}
}

// reveal fetches the credential that v tells in the given form.
func (c *check) reveal(s stream.Setting, form string, v value) {
	text, expected, bad := v.text, "text", ""
	switch form {
	case "_file":
		expected = "a file that can be read"
		var open bool
		if text, open, bad = contentOf(v.text); open {
			c.open(v.text)
		}
	case "_env":
		expected = "the name of a variable"
		var ok bool
		if text, ok = c.raw.doc.env(v.text); !ok {
			bad = "one that is not set"
		}
	case "_cmd":
		expected = "a command that prints the secret"
		text, bad = outputOf(v.text, c.raw.doc.limit)
	}
	if bad == "" && strings.TrimSpace(text) == "" {
		bad = "an empty one"
	}
	if bad != "" {
		c.faultIn(s.Key, form, expected, bad)
		return
	}
	// It is kept whatever the checks say, so that no other fault shows it.
	c.keep(s.Key, text)
	got := value{kind: textValue, text: text, layer: v.layer}
	if strings.ContainsFunc(text, unicode.IsControl) {
		c.faultIn(s.Key, form, "text without line breaks and control characters", c.found(got, true))
		return
	}
	if s.Check == nil {
		return
	}
	if err := s.Check(text); err != nil {
		want := phrase(err)
		if strings.Contains(want, text) {
			want = "another text"
		}
		c.faultIn(s.Key, form, want, c.found(got, true))
	}
}

func (c *check) keep(key, text string) {
	t := secret.New(text)
	c.raw.doc.known(t)
	c.secrets.byKey[key] = t
	c.secrets.all = append(c.secrets.all, t)
}

// open warns of a file with a secret that others may read.
func (c *check) open(path string) {
	w := path + " holds a secret and others than its owner may read it: chmod 600"
	if !slices.Contains(c.warnings, w) {
		c.warnings = append(c.warnings, w)
	}
}

// contentOf reads a file without its last line break; open tells that others may
// read it too, bad what is wrong.
func contentOf(path string) (text string, open bool, bad string) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, cause(err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", false, cause(err)
	case len(body) > maxFile:
		return "", false, "more than 1 MB"
	}
	info, err := f.Stat()
	return cutNewline(string(body)), err == nil && forOthers(path, info), ""
}

// outputOf runs a command and returns what it prints without the last line
// break; bad tells how it failed, never what it said. What it says on stderr
// is dropped: it may repeat the secret.
func outputOf(command string, limit time.Duration) (text, bad string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // the user's own command, from the user's config
	var out bounded
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second // a grandchild may hold stdout open
	err := cmd.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case out.full:
		return "", "one that prints more than 1 MB"
	case err == nil:
		return cutNewline(string(out.body)), ""
	case ctx.Err() != nil:
		return "", "one that takes longer than " + limit.String()
	case ended:
		return "", exit.ProcessState.String()
	}
	return "", "one that cannot be run"
}

// bounded collects at most maxFile bytes.
type bounded struct {
	body []byte
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.body)+len(p) > maxFile {
		b.full = true
		return 0, errors.New("more than 1 MB")
	}
	b.body = append(b.body, p...)
	return len(p), nil
}

func cutNewline(s string) string {
	s, cut := strings.CutSuffix(s, "\n")
	if cut {
		s = strings.TrimSuffix(s, "\r")
	}
	return s
}
