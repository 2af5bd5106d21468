package stream

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// Setting is one config key of a source.
type Setting struct {
	Key      string
	Kind     SettingKind
	Required bool
	Default  string // as a user would write it
	Doc      string // one sentence
	// Check refuses a value; its error never repeats the value.
	Check func(string) error
}

// SettingKind is the type of a config value.
type SettingKind int

// The kinds of setting. Numbers, booleans and lists may come as text.
const (
	Text     SettingKind = iota
	Secret               // text that is shown as ***; also as <key>_file, _env, _cmd
	Integer              // whole number
	Decimal              // number
	Boolean              // true or false
	Date                 // RFC 3339, YYYY-MM-DD or MM/DD/YYYY
	List                 // JSON array or comma-separated text
	Duration             // seconds, or a Go duration
	Location             // IANA time zone
)

// Config is a checked config as a source may see it: no secrets.
type Config struct{ values map[string]string }

// NewConfig wraps checked values in their text form; lists are comma-separated.
func NewConfig(values map[string]string) Config { return Config{values} }

// With returns a Config that has these values too.
func (c Config) With(more []Param) Config {
	out := Config{maps.Clone(c.values)}
	if out.values == nil {
		out.values = map[string]string{}
	}
	for _, p := range more {
		out.values[p.Name] = p.Value
	}
	return out
}

// Text returns a value, "" when it is not set.
func (c Config) Text(key string) string { return c.values[key] }

// Int returns a whole number, 0 when it is not set.
func (c Config) Int(key string) int {
	n, _ := strconv.Atoi(c.values[key])
	return n
}

// Float returns a number, 0 when it is not set.
func (c Config) Float(key string) float64 {
	f, _ := strconv.ParseFloat(c.values[key], 64)
	return f
}

// Bool returns a boolean, false when it is not set.
func (c Config) Bool(key string) bool { return c.values[key] == "true" }

// List returns the members of a list.
func (c Config) List(key string) []string {
	v := c.values[key]
	if v == "" {
		return nil
	}
	return strings.Split(v, ",")
}

// Duration returns a duration, 0 when it is not set.
func (c Config) Duration(key string) time.Duration {
	d, _ := time.ParseDuration(c.values[key])
	return d
}

// Time returns an instant, the zero time when it is not set.
func (c Config) Time(key string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, c.values[key])
	return t
}

// Expand replaces each {key} of s by esc(value of key). Unknown keys stay.
func (c Config) Expand(s string, esc func(string) string) string {
	return expand(s, esc, func(k string) (string, bool) { v, ok := c.values[k]; return v, ok })
}

// ExpandParams replaces each {name} of s by esc(value) of the parameter with
// that name; the first one wins, unknown names stay.
func ExpandParams(s string, ps []Param, esc func(string) string) string {
	return expand(s, esc, func(k string) (string, bool) {
		for i := range ps {
			if ps[i].Name == k {
				return ps[i].Value, true
			}
		}
		return "", false
	})
}

func expand(s string, esc func(string) string, find func(string) (string, bool)) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		j := i + strings.IndexByte(s[i:], '}')
		if j < i {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		if v, ok := find(s[i+1 : j]); ok {
			b.WriteString(esc(v))
		} else {
			b.WriteString(s[i : j+1])
		}
		s = s[j+1:]
	}
}
