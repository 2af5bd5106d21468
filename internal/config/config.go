// Package config owns one run's config: it reads the files and variables that
// --config names, merges them, checks every value against the common settings
// and those of the source, fetches the secrets, and tells all faults at once.
//
// A setting has one table row, stream.Setting, whether it is common to all
// sources or one source's own; reading, checking, --about and the hint for a
// misspelt key all go by that table. A Text key that ends in _url is an
// address and is checked as one.
//
// No secret may ever be in an error, a warning or anything that prints a value
// of this package; a fault about a secret tells its type and its length. This
// package must not import the engine, a source, the Singer protocol or cobra,
// and asks nothing of the network.
package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Loaded is a checked config.
type Loaded struct {
	// Stream holds every setting but the secrets, defaults included, in the
	// text form that stream.Config reads.
	Stream stream.Config
	// Start and End bound what is read; the zero time where not set. A bare
	// date means the beginning of that day for Start and its last instant for
	// End, in UTC; EndIsDate tells that End was written as one.
	Start, End time.Time
	EndIsDate  bool

	UserAgent         string        // tap-backoffice/<version> unless set
	APIURL            string        // without slash at its end, "" when not set
	Timeout           time.Duration // of one request
	MaxRetries        int           // after the first try
	RequestsPerSecond float64       // 0 when not set
	WindowDays        int           // 0 when not set and the source has no default
	Lookback          time.Duration
	TokenStore        string // path, "" when not set
	MaxResponse       int64  // bytes

	SelectFieldsByDefault bool
	ExitZeroOnPartial     bool

	// Warnings are sentences for the log, in the order of the files.
	Warnings []string

	// secrets is a pointer so that no verb of fmt walks into it.
	secrets *vault
}

// vault keeps the credentials of a config in the order of the settings.
type vault struct {
	byKey map[string]secret.Text
	all   []secret.Text
}

// Secret returns the credential of that key, empty when it is not set.
func (l *Loaded) Secret(key string) secret.Text { return l.secrets.byKey[key] }

// Secrets returns every credential of the config, for redaction.
func (l *Loaded) Secrets() []secret.Text { return slices.Clone(l.secrets.all) }

// String tells nothing but how much there is.
func (l *Loaded) String() string {
	return fmt.Sprintf("config with %d secrets and %d warnings", len(l.secrets.all), len(l.Warnings))
}

// Check checks the config against the settings of src, fetches the secrets
// and fills in the defaults. Its error is one fault.Config that tells every
// fault, a line each.
func (r *Raw) Check(src *stream.Source) (*Loaded, error) {
	c := &check{
		raw:      r,
		settings: Settings(src),
		values:   map[string]string{},
		secrets:  &vault{byKey: map[string]secret.Text{}},
	}
	// Secrets come first: whether a value may be shown depends on them.
	for _, s := range c.settings {
		if s.Kind == stream.Secret {
			c.secret(s)
		}
	}
	endIsDate := false
	for _, s := range c.settings {
		if s.Kind != stream.Secret {
			bare := c.plain(s)
			endIsDate = endIsDate || bare && s.Key == keyEnd
		}
	}
	cfg := stream.NewConfig(c.values)
	start, end := cfg.Time(keyStart), cfg.Time(keyEnd)
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		v, _ := r.lookup(keyEnd)
		c.fault(keyEnd, "a time that is not before start_date", c.found(v, false))
	}
	c.warn(src, start)
	if len(c.faults) > 0 {
		return nil, c.err(src)
	}
	l := &Loaded{
		Stream: cfg, Start: start, End: end, EndIsDate: endIsDate,
		UserAgent:             cfg.Text(keyUserAgent),
		APIURL:                cfg.Text(keyAPIURL),
		Timeout:               cfg.Duration(keyTimeout),
		MaxRetries:            cfg.Int(keyMaxRetries),
		RequestsPerSecond:     cfg.Float(keyPace),
		WindowDays:            cfg.Int(keyWindow),
		Lookback:              cfg.Duration(keyLookback),
		TokenStore:            cfg.Text(keyTokenStore),
		MaxResponse:           int64(cfg.Int(keyMaxResponse)) << 20,
		SelectFieldsByDefault: cfg.Bool(keySelectFields),
		ExitZeroOnPartial:     cfg.Bool(keyExitZero),
		Warnings:              c.warnings,
		secrets:               c.secrets,
	}
	return l, nil
}

// check is the state of one Check.
type check struct {
	raw      *Raw
	settings []stream.Setting
	values   map[string]string
	secrets  *vault
	faults   []faultLine
	warnings []string
}

// faultLine is a fault and the key of its setting.
type faultLine struct{ key, text string }

func (c *check) fault(key, expected, found string) { c.faultIn(key, "", expected, found) }

// faultIn is a fault in another form of a secret: the key with a suffix.
func (c *check) faultIn(key, form, expected, found string) {
	c.faults = append(c.faults, faultLine{key, key + form + ": expected " + expected + ", found " + found})
}

// plain checks a setting that is no secret; bare tells that it was a date
// without a time of day.
func (c *check) plain(s stream.Setting) (bare bool) {
	v, _ := c.raw.lookup(s.Key)
	text, ok := "", true
	if !v.unset() {
		text, bare, ok = parse(s, v)
	}
	// The Python taps take a request_timeout of 0 for their default, and an
	// empty list says as little as none.
	if ok && (text == "" || s.Key == keyTimeout && text == "0s") {
		if s.Default == "" {
			if s.Required {
				c.missing(s)
			}
			return false
		}
		v = value{kind: textValue, text: s.Default}
		text, bare, ok = parse(s, v)
	}
	if !ok {
		c.fault(s.Key, expected(s.Kind), c.found(v, false))
		return false
	}
	if s.Check != nil {
		if err := s.Check(text); err != nil {
			c.fault(s.Key, phrase(err), c.found(v, false))
			return false
		}
	}
	c.values[s.Key] = text
	return bare
}

// missing tells that a required setting is absent.
func (c *check) missing(s stream.Setting) {
	want := expected(s.Kind)
	if s.Kind == stream.Secret {
		var forms []string
		for _, f := range secretForms[1:] {
			forms = append(forms, s.Key+f)
		}
		want += " (or " + strings.Join(forms, ", ") + ")"
	}
	found := "nothing"
	if c.raw.fromEnv() {
		found += " (variable " + envName(s.Key) + ")"
	}
	c.fault(s.Key, want, found)
}

// phrase is what a Check of the table says, made to follow "expected".
func phrase(err error) string {
	text := err.Error()
	for _, p := range []string{"expected ", "must be "} {
		text = strings.TrimPrefix(text, p)
	}
	return text
}

// found tells the type of a value and, unless it is a secret or holds one,
// the value.
func (c *check) found(v value, hidden bool) string {
	text := v.describe(hidden || c.holdsSecret(v.text))
	if len(c.raw.doc.layers) > 1 && v.layer != "" {
		text += " (" + v.layer + ")"
	}
	return text
}

// holdsSecret tells whether a text holds one of the credentials, or looks like
// one that went to the wrong key, or is an address that may hold one: what comes
// before @ or after ? often does.
func (c *check) holdsSecret(text string) bool {
	if secretLike(text) || strings.Contains(text, "://") && strings.ContainsAny(text, "@?#") {
		return true
	}
	for _, s := range c.secrets.all {
		if strings.Contains(text, s.Reveal()) {
			return true
		}
	}
	return false
}

// err makes one error of all faults, in the order of the settings.
func (c *check) err(src *stream.Source) error {
	rank := map[string]int{}
	for i, s := range c.settings {
		rank[s.Key] = i
	}
	slices.SortStableFunc(c.faults, func(a, b faultLine) int { return rank[a.key] - rank[b.key] })
	lines := make([]string, len(c.faults))
	for i, f := range c.faults {
		lines[i] = f.text
	}
	hint := "tap-backoffice " + src.Name + " --about lists the settings"
	if len(c.warnings) > 0 {
		hint = strings.Join(c.warnings, "; ")
	}
	e := configFault(lines, hint)
	e.Source = src.Name
	return e
}

// configFault is the error that carries the lines.
func configFault(lines []string, hint string) *fault.Error {
	msg := lines[0]
	if len(lines) > 1 {
		msg = fmt.Sprintf("%d faults\n  %s", len(lines), strings.Join(lines, "\n  "))
	}
	e := fault.New(fault.Config, msg, hint)
	e.Op = "config"
	return e
}
