package config

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// value is one JSON value of a config.
type value struct {
	kind  valueKind
	text  string  // the text itself; the literal of a number or boolean
	items []value // of an array
	layer string  // where it was written
	depth int     // position of that layer
}

type valueKind int

const (
	nullValue valueKind = iota
	textValue
	numberValue
	booleanValue
	arrayValue
	objectValue
)

// toValue takes valid JSON apart, one level deep: nothing in a config is nested.
func toValue(raw []byte) value {
	v := scalar(raw)
	if v.kind == arrayValue {
		var members []json.RawMessage
		_ = json.Unmarshal(raw, &members) // valid, as the caller knows
		for _, m := range members {
			v.items = append(v.items, scalar(m))
		}
	}
	return v
}

func scalar(raw []byte) value {
	raw = bytes.TrimSpace(raw)
	switch raw[0] {
	case '{':
		return value{kind: objectValue}
	case '[':
		return value{kind: arrayValue}
	case '"':
		v := value{kind: textValue}
		_ = json.Unmarshal(raw, &v.text)
		return v
	case 't', 'f':
		return value{kind: booleanValue, text: string(raw)}
	case 'n':
		return value{}
	}
	return value{kind: numberValue, text: string(raw)}
}

// unset tells whether the value stands for none: null and blank text.
func (v value) unset() bool {
	return v.kind == nullValue || v.kind == textValue && strings.TrimSpace(v.text) == ""
}

// describe tells the type of a value and, unless hidden, the value.
func (v value) describe(hidden bool) string {
	switch v.kind {
	case textValue:
		if hidden {
			return "text of " + strconv.Itoa(utf8.RuneCountInString(v.text)) + " characters"
		}
		return "text " + strconv.Quote(fault.Clip(v.text, mostTold))
	case numberValue:
		if hidden {
			return "a number"
		}
		return "number " + fault.Clip(v.text, mostTold)
	case booleanValue:
		if hidden {
			return "a boolean"
		}
		return "boolean " + v.text
	case arrayValue:
		return "an array"
	case objectValue:
		return "an object"
	}
	return "nothing"
}

// mostTold is how much of a value a message repeats.
const mostTold = 42

// expected names what a kind of setting takes.
func expected(k stream.SettingKind) string {
	return [...]string{
		stream.Text:     "text",
		stream.Secret:   "text",
		stream.Integer:  "a whole number",
		stream.Decimal:  "a number",
		stream.Boolean:  "true or false",
		stream.Date:     "a time in RFC 3339, YYYY-MM-DD or MM/DD/YYYY",
		stream.List:     "a list or comma-separated text",
		stream.Duration: "seconds or a duration such as 24h",
		stream.Location: "an IANA time zone such as Europe/Berlin",
	}[k]
}

// parse turns a value into the text form of its setting; bare tells that it
// is a date without a time of day.
func parse(s stream.Setting, v value) (text string, bare, ok bool) {
	trimmed := strings.TrimSpace(v.text)
	if v.kind == arrayValue && s.Kind != stream.List || v.kind == objectValue {
		return "", false, false
	}
	switch s.Kind {
	case stream.Text:
		ok = v.kind == textValue && !strings.ContainsFunc(trimmed, unicode.IsControl)
		if isAddress(s) {
			trimmed = strings.TrimRight(trimmed, "/")
		}
		return trimmed, false, ok
	case stream.Integer:
		text, ok = whole(trimmed)
	case stream.Decimal:
		text, ok = decimal(trimmed)
	case stream.Boolean:
		text, ok = boolean(trimmed)
	case stream.List:
		text, ok = list(v)
	case stream.Duration:
		text, ok = duration(trimmed)
	case stream.Location:
		_, err := time.LoadLocation(trimmed)
		text, ok = trimmed, err == nil && trimmed != "" && trimmed != "Local" && v.kind == textValue
	case stream.Date:
		var t time.Time
		t, bare, ok = Instant(trimmed)
		if bare && s.Key == keyEnd {
			t = t.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		text, ok = t.Format(time.RFC3339Nano), ok && v.kind == textValue
	}
	return text, bare, ok
}

// Instant reads RFC 3339, YYYY-MM-DD or MM/DD/YYYY. The result is in UTC; bare
// tells that the text was a date, which means its beginning.
func Instant(s string) (t time.Time, bare, ok bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "01/02/2006"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		t = t.UTC()
		return t, layout != time.RFC3339Nano, 1 <= t.Year() && t.Year() <= 9999
	}
	return time.Time{}, false, false
}

// number tells whether s is a JSON number.
func number(s string) bool {
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && json.Valid([]byte(s))
}

func whole(s string) (string, bool) {
	if !number(s) {
		return "", false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	f, err := strconv.ParseFloat(s, 64) // 60.0, 6e1
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

func decimal(s string) (string, bool) {
	if !number(s) {
		return "", false
	}
	f, err := strconv.ParseFloat(s, 64)
	return strconv.FormatFloat(f, 'f', -1, 64), err == nil
}

func boolean(s string) (string, bool) {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return "true", true
	case "false", "0", "no", "off":
		return "false", true
	}
	return "", false
}

// longest is the greatest duration that a setting takes: ten years.
const longest = 87600 * time.Hour

func duration(s string) (string, bool) {
	d, err := time.ParseDuration(s)
	if number(s) {
		var f float64
		if f, err = strconv.ParseFloat(s, 64); f < 0 || f > longest.Seconds() {
			return "", false
		}
		d = time.Duration(f * float64(time.Second))
	}
	return d.String(), err == nil && 0 <= d && d <= longest
}

// list joins the members with commas. Text may be a JSON array too, as
// variables of the environment hold them.
func list(v value) (string, bool) {
	if v.kind == textValue {
		text := strings.TrimSpace(v.text)
		if strings.HasPrefix(text, "[") && json.Valid([]byte(text)) {
			return list(toValue([]byte(text)))
		}
		for m := range strings.SplitSeq(text, ",") {
			v.items = append(v.items, value{kind: textValue, text: m})
		}
	} else if v.kind != arrayValue {
		return "", false
	}
	var members []string
	for _, m := range v.items {
		text := strings.TrimSpace(m.text)
		if m.kind != textValue && m.kind != numberValue || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, ",") {
			return "", false
		}
		if text != "" {
			members = append(members, text)
		}
	}
	return strings.Join(members, ","), true
}
