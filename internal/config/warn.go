package config

import (
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/hint"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// warn collects what is odd but no fault.
func (c *check) warn(src *stream.Source, start time.Time) {
	known := map[string]bool{} // true for a secret in its plain form
	var names []string
	for _, s := range c.settings {
		names = append(names, s.Key)
		known[s.Key] = s.Kind == stream.Secret
		if s.Kind == stream.Secret {
			for _, f := range secretForms[1:] {
				names = append(names, s.Key+f)
				known[s.Key+f] = false
			}
		}
	}
	for _, l := range c.raw.doc.layers {
		secrets := false
		for _, key := range l.twice {
			c.warnings = append(c.warnings, l.name+": "+c.shown(key)+" is there more than once, the last one counts")
		}
		for _, key := range l.keys {
			plain, ok := known[key]
			secrets = secrets || plain && !l.members[key].unset()
			if ok {
				continue
			}
			w := l.name + ": " + c.shown(key) + " is not a setting and is ignored"
			if n := hint.Nearest(key, names); n != "" {
				w += ", did you mean " + n + "?"
			}
			c.warnings = append(c.warnings, w)
		}
		if secrets && l.open {
			c.warnings = append(c.warnings, l.name+" holds secrets and others than its owner may read it: chmod 600")
		}
	}
	if start.After(c.raw.doc.now()) {
		c.warnings = append(c.warnings, "start_date is in the future: incremental streams will be empty")
	}
	if v := c.values[keySource]; v != "" {
		if n, ok := SourceName([]string{src.Name}, v); !ok || n != src.Name {
			c.warnings = append(c.warnings, "source in the config is another one than "+src.Name+", which was chosen")
		}
	}
}

// shown is a key as a message may show it.
func (c *check) shown(key string) string {
	if c.holdsSecret(key) {
		return "a key of " + strconv.Itoa(len([]rune(key))) + " characters"
	}
	return strconv.Quote(shorten(key))
}
