package config

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
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
			_, ok := known[key]
			c.warnings = append(c.warnings, l.name+": "+c.shown(key, ok)+" is there more than once, the last one counts")
		}
		for _, key := range l.keys {
			plain, ok := known[key]
			secrets = secrets || plain && !l.members[key].unset()
			if ok {
				continue
			}
			n := hint.Nearest(key, names)
			w := l.name + ": " + c.shown(key, n != "") + " is not a setting and is ignored"
			if n != "" {
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

// shown is a key as a message may show it: one that is, or is near, that of a
// setting, or that looks like a name. Another may be a secret with its key as
// its value.
func (c *check) shown(key string, near bool) string {
	if c.holdsSecret(key) || !near && !nameLike(key) {
		return "a key of " + strconv.Itoa(utf8.RuneCountInString(key)) + " characters"
	}
	return strconv.Quote(fault.Clip(key, mostTold))
}

// nameLike tells a name, of words and perhaps a number, from the letters and
// digits of a secret.
func nameLike(key string) bool {
	digits, capitals := 0, 0
	for _, c := range key {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'A' <= c && c <= 'Z':
			capitals++
		case 'a' <= c && c <= 'z', c == '_', c == '-', c == '.', c == ' ':
		default:
			return false
		}
	}
	return key != "" && len(key) <= 40 && digits <= 2 && capitals <= 3
}

// secretLike tells letters and digits without order, as vendors make secrets,
// from what else a setting may hold: dates have colons, zones and names few
// digits and capitals.
func secretLike(text string) bool {
	digits, capitals, small := 0, 0, 0
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'A' <= c && c <= 'Z':
			capitals++
		case 'a' <= c && c <= 'z':
			small++
		case !strings.ContainsRune("+/=_-.~", c):
			return false
		}
	}
	return len(text) >= 16 && capitals+small > 2 && (digits > 2 || capitals > 5 && small > 5)
}
