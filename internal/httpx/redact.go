package httpx

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// mask stands for a credential.
const mask = "***"

// Redactor masks known credentials in any text: as they are, and as URLs,
// JSON, HTML, quoted strings and base64 spell them. It never forgets one, for
// a vendor may echo a token that has been replaced. Its methods may be called
// from any goroutine.
type Redactor struct {
	mu     sync.RWMutex
	known  map[string]bool
	forms  []string
	short  []string // too short to be masked inside of words
	swap   *strings.Replacer
	widest int // length of the longest form
}

// shortest is the length from which a credential is masked wherever it occurs.
const shortest = 4

// NewRedactor makes a Redactor that knows secrets.
func NewRedactor(secrets ...secret.Text) *Redactor {
	r := &Redactor{known: map[string]bool{}}
	r.Add(secrets...)
	return r
}

// Format keeps package fmt, which sees into unexported fields, from printing
// what is to be masked.
func (r *Redactor) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redactor "+mask) }

// Add makes further credentials known.
func (r *Redactor) Add(secrets ...secret.Text) {
	r.mu.RLock()
	fresh := slices.ContainsFunc(secrets, func(t secret.Text) bool { return !t.Empty() && !r.known[t.Reveal()] })
	r.mu.RUnlock()
	if !fresh {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range secrets {
		if t.Empty() || r.known[t.Reveal()] {
			continue
		}
		r.known[t.Reveal()] = true
		for _, f := range spellings(t.Reveal()) {
			if len(f) >= shortest {
				r.forms = append(r.forms, f)
			} else {
				r.short = append(r.short, f)
			}
			r.widest = max(r.widest, len(f))
		}
	}
	// The longest first: a form may be part of another.
	slices.SortFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	r.forms = slices.Compact(r.forms)
	pairs := make([]string, 0, 2*len(r.forms))
	for _, f := range r.forms {
		pairs = append(pairs, f, mask)
	}
	r.swap = strings.NewReplacer(pairs...)
}

// userinfo is what stands before the host in a URL that holds a password, as
// that of a proxy does.
var userinfo = regexp.MustCompile(`://[^/?#@\s"]*@`)

// Redact returns s without any known credential.
func (r *Redactor) Redact(s string) string {
	r.mu.RLock()
	swap, short := r.swap, r.short
	r.mu.RUnlock()
	if swap != nil {
		s = swap.Replace(s)
	}
	for _, f := range short {
		s = maskWord(s, f)
	}
	if strings.Contains(s, "@") {
		s = userinfo.ReplaceAllString(s, "://"+mask+"@")
	}
	return s
}

// text makes a message of foreign text: no credentials, no control characters,
// at most limit bytes.
func (r *Redactor) text(s string, limit int) string {
	const enough = 64 << 10
	cut := len(s) > enough
	if cut {
		s = s[:enough]
	}
	// Twice: what is dropped in between could join the halves of a credential.
	s = r.Redact(printable(r.Redact(s)))
	if cut {
		// The end may be the first half of one.
		r.mu.RLock()
		s = s[:max(len(s)-r.widest, 0)]
		r.mu.RUnlock()
	}
	return fault.Clip(s, limit)
}

// printable makes one line of s.
func printable(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := false
	for _, c := range s {
		switch {
		case unicode.IsSpace(c):
			blank = b.Len() > 0
			continue
		case c == utf8.RuneError || !unicode.IsPrint(c):
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(c)
	}
	return b.String()
}

// maskWord masks f where it stands alone.
func maskWord(s, f string) string {
	var b strings.Builder
	for from := 0; ; {
		i := strings.Index(s[from:], f)
		if i < 0 {
			b.WriteString(s[from:])
			return b.String()
		}
		i += from
		end := i + len(f)
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[end:])
		b.WriteString(s[from:i])
		if i > 0 && isLetter(before) || end < len(s) && isLetter(after) {
			b.WriteString(f)
		} else {
			b.WriteString(mask)
		}
		from = end
	}
}

func isLetter(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' }

// spellings lists the forms in which s may turn up.
func spellings(s string) []string {
	var out []string
	add := func(f string) {
		if f != "" && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, v := range []string{s, strings.TrimSpace(s)} {
		add(v)
		for _, enc := range []string{url.QueryEscape(v), url.PathEscape(v), escape(v), escapeAll(v)} {
			add(enc)
			add(lowerHex(enc))
		}
		add(html.EscapeString(v))
		for _, quoted := range []string{jsonText(v), strconv.Quote(v), strconv.QuoteToASCII(v), asciiJSON(v)} {
			inner := quoted[1 : len(quoted)-1]
			add(inner)
			add(strings.ReplaceAll(inner, "/", `\/`))
		}
		if q, err := json.Marshal(v); err == nil {
			add(string(q[1 : len(q)-1]))
		}
		for _, f := range base64Forms(v) {
			add(f)
		}
	}
	return out
}

// base64Forms lists how v looks in base64, alone and, for each of the three
// alignments, amid other bytes: the digits that are v's alone.
func base64Forms(v string) []string {
	const least = 6
	var out []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		out = append(out, enc.EncodeToString([]byte(v)), enc.WithPadding(base64.NoPadding).EncodeToString([]byte(v)))
		for before := range 3 {
			n := before + len(v)
			digits := enc.WithPadding(base64.NoPadding).EncodeToString(append(make([]byte, before), v...))
			digits = digits[(8*before+5)/6 : 8*n/6]
			if len(digits) >= least {
				out = append(out, digits)
			}
		}
	}
	return slices.DeleteFunc(out, func(f string) bool { return len(f) < least })
}

var hexPair = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerHex(s string) string { return hexPair.ReplaceAllStringFunc(s, strings.ToLower) }

// escapeAll encodes all that is neither letter nor digit.
func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if isLetter(rune(s[i])) && s[i] < utf8.RuneSelf && s[i] != '_' {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// asciiJSON quotes s as encoders do that write ASCII only.
func asciiJSON(s string) string {
	var b strings.Builder
	for _, c := range jsonText(s) {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(c)
		case c > 0xFFFF:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}
