package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A run of the suite takes apart some hundred thousand objects. This scanner expects JSON
// that has been found valid and leaps from quote to quote; encoding/json is
// asked for the rest.

// Member is one member of an object.
type Member struct {
	Name string
	Raw  json.RawMessage
}

var errNoObject = errors.New("no object")

// Flat reads an object in order; a member twice is kept twice.
func Flat(raw json.RawMessage) ([]Member, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '{' || raw[len(raw)-1] != '}' {
		return nil, errNoObject
	}
	var out []Member
	i := blanks(raw, 1)
	for i < len(raw) && raw[i] == '"' {
		end := stringEnd(raw, i)
		if end < 0 {
			return nil, fmt.Errorf("no end of a name: %s", raw)
		}
		name := string(raw[i+1 : end-1])
		if strings.IndexByte(name, '\\') >= 0 {
			if err := json.Unmarshal(raw[i:end], &name); err != nil {
				return nil, err
			}
		}
		if i = blanks(raw, end); i >= len(raw) || raw[i] != ':' {
			return nil, fmt.Errorf("no value of %q: %s", name, raw)
		}
		i = blanks(raw, i+1)
		if end = valueEnd(raw, i); end <= i {
			return nil, fmt.Errorf("no end of %q: %s", name, raw)
		}
		out = append(out, Member{name, raw[i:end:end]})
		if i = blanks(raw, end); i < len(raw) && raw[i] == ',' {
			i = blanks(raw, i+1)
		}
	}
	if i != len(raw)-1 {
		return nil, fmt.Errorf("something behind the last member: %s", raw)
	}
	return out, nil
}

func blanks(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// stringEnd is the place behind a string that begins at i, -1 for none.
func stringEnd(raw []byte, i int) int {
	for from := i + 1; ; {
		k := bytes.IndexByte(raw[from:], '"')
		if k < 0 {
			return -1
		}
		k += from
		slashes := 0
		for k-1-slashes > i && raw[k-1-slashes] == '\\' {
			slashes++
		}
		if from = k + 1; slashes%2 == 0 {
			return from
		}
	}
}

// valueEnd is the place behind a value that begins at i, -1 for none.
func valueEnd(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			if i = stringEnd(raw, i); i < 0 || depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

// Quote writes text so that no two texts, and no text and no number, are alike.
func Quote(text string) string {
	if strings.IndexByte(text, '"') < 0 && strings.IndexByte(text, '\\') < 0 {
		return `"` + text + `"`
	}
	return strconv.Quote(text)
}

// TextOf is the text of a JSON string, with what loaders refuse replaced.
func TextOf(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), true
	}
	var text string
	if json.Unmarshal(raw, &text) != nil { // lone surrogates become U+FFFD here
		return "", false
	}
	return strings.ReplaceAll(text, "\x00", "\uFFFD"), true
}

// Tidy is a JSON value without white space. Text that loaders refuse is
// replaced, as it is in what the tap writes; nothing else of the bytes changes.
func Tidy(raw json.RawMessage) string {
	if c := raw[0]; c != '{' && c != '[' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return refused.ReplaceAllStringFunc(b.String(), func(s string) string {
		var text string
		if json.Unmarshal([]byte(`"`+s+`"`), &text) != nil || !utf8.ValidString(text) {
			return s
		}
		return strings.ReplaceAll(text, "\x00", "\uFFFD")
	})
}

// SameJSON tells whether two objects or arrays, or texts that are one, hold the
// same, in whatever order and form.
func SameJSON(a, b string) bool {
	return canonical(a) == canonical(b)
}

func canonical(text string) string {
	if inner, ok := TextOf(json.RawMessage(text)); ok && inner != "" && (inner[0] == '{' || inner[0] == '[') {
		text = inner
	}
	if text == "" || text[0] != '{' && text[0] != '[' {
		return text
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return text
	}
	out, err := json.Marshal(value) // with the members in order
	if err != nil {
		return text
	}
	return string(out)
}

// refused finds the escapes of U+0000 and of surrogates, pairs included.
var refused = regexp.MustCompile(`(?i:\\u(0000|d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|d[89a-f][0-9a-f]{2}))`)

// Reordered tells whether two values differ in nothing but the order of members.
func Reordered(a, b string) bool { return len(a) == len(b) && SameJSON(a, b) }

// Longer tells whether a text is what pages would have cut to another one.
func Longer(st *stream.Stream, short, long string) bool {
	if st.Roads == nil || st.Roads.Cut == 0 {
		return false
	}
	a, one := TextOf(json.RawMessage(short))
	b, two := TextOf(json.RawMessage(long))
	return one && two && len(b) > len(a) && utf8.RuneCountInString(a) == st.Roads.Cut && strings.HasPrefix(b, a)
}
