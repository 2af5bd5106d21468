package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// The oracle says from the rules of contract.md §4 what must become of a row.
// It shares no code with the package: it decodes with encoding/json, counts
// with math/big and reads time with package time.

// node is a decoded JSON value that keeps order and repeated members.
type node struct {
	kind    string // null boolean number string object array
	text    string // of a string, repaired; of a number or boolean, as written
	raw     string
	members []member
	items   []node
}

type member struct {
	name string
	node
}

// repair does to decoded text what the contract says; encoding/json has turned
// lone surrogates into U+FFFD already.
func repair(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// parse decodes one value; false if encoding/json finds a fault.
func parse(raw string) (node, bool) {
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	n, err := decode(d, raw)
	if err != nil {
		return node{}, false
	}
	_, err = d.Token()
	return n, errors.Is(err, io.EOF)
}

func decode(d *json.Decoder, doc string) (n node, err error) {
	t, err := d.Token()
	if err != nil {
		return n, err
	}
	end := int(d.InputOffset())
	switch t := t.(type) {
	case nil:
		n = node{kind: "null", raw: "null"}
	case bool:
		n = node{kind: "boolean", text: strconv.FormatBool(t), raw: strconv.FormatBool(t)}
	case json.Number:
		n = node{kind: "number", text: t.String(), raw: t.String()}
	case string:
		// The offset before a token is that of the comma or colon before it.
		n = node{kind: "string", text: repair(t), raw: lastString(doc[:end])}
	case json.Delim:
		n.kind = map[json.Delim]string{'{': "object", '[': "array"}[t]
		for d.More() {
			var m member
			if n.kind == "object" {
				name, err := d.Token()
				if err != nil {
					return n, err
				}
				m.name = repair(name.(string))
			}
			if m.node, err = decode(d, doc); err != nil {
				return n, err
			}
			if n.kind == "object" {
				n.members = append(n.members, m)
			} else {
				n.items = append(n.items, m.node)
			}
		}
		if _, err = d.Token(); err != nil {
			return n, err
		}
		n.raw = doc[end-1 : d.InputOffset()]
	}
	return n, nil
}

// lastString returns the string literal at the end of s.
func lastString(s string) string {
	for i := len(s) - 2; i >= 0; i-- {
		if s[i] != '"' {
			continue
		}
		slashes := 0
		for i-slashes-1 >= 0 && s[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return s[i:]
		}
	}
	return s
}

// same compares decoded values, numbers as they are written.
func same(a, b node) bool {
	if a.kind != b.kind || a.text != b.text || len(a.members) != len(b.members) || len(a.items) != len(b.items) {
		return false
	}
	for i := range a.members {
		if a.members[i].name != b.members[i].name || !same(a.members[i].node, b.members[i].node) {
			return false
		}
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	return true
}

// dirtyText tells whether something in a value may have been repaired.
func dirtyText(raw string) bool {
	n, ok := parse(raw)
	return !ok || n.dirty()
}

func (n node) dirty() bool {
	dirty := strings.ContainsRune(n.text, '\uFFFD')
	for _, m := range n.members {
		dirty = dirty || strings.ContainsRune(m.name, '\uFFFD') || m.dirty()
	}
	for _, e := range n.items {
		dirty = dirty || e.dirty()
	}
	return dirty
}

// verdict is what becomes of one value.
type verdict int

const (
	emitted verdict = iota
	nulled          // null by rule, not rescued
	misfit          // null and rescued
)

var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE]([+-]?[0-9]+))?$`)

// rational returns the value of a number literal whose exponent is allowed.
func rational(s string) (*big.Rat, bool) {
	m := numberForm.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	if m[4] != "" {
		if e, err := strconv.Atoi(m[4]); err != nil || e > 308 || e < -308 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

var stampForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$`)

// moment is a parsed date or date-time.
type moment struct {
	time     time.Time
	fraction string
	zone     string
	timed    bool
}

func parseMoment(s string, zone *time.Location) (moment, bool) {
	m := stampForm.FindStringSubmatch(s)
	if m == nil {
		return moment{}, false
	}
	clock, seconds := m[2], m[3]
	if clock == "" {
		clock = "00:00"
	}
	if seconds == "" {
		seconds = ":00"
	}
	text := m[1] + "T" + clock + seconds
	out := moment{fraction: m[4], zone: m[5], timed: m[2] != ""}
	var err error
	switch z := strings.ReplaceAll(m[5], ":", ""); z {
	case "":
		out.time, err = inZone(text, zone)
	case "Z", "z":
		out.time, err = time.Parse("2006-01-02T15:04:05", text)
	default:
		if len(z) == 3 {
			z += "00"
		}
		if z[1:3] > "23" || z[3:] > "59" {
			return moment{}, false
		}
		out.time, err = time.Parse("2006-01-02T15:04:05-0700", text+z)
	}
	return out, err == nil
}

// inZone searches the instants at which a clock of the zone shows the text, and
// takes the first; if there is none, the one of a clock not yet put forward.
func inZone(text string, zone *time.Location) (time.Time, error) {
	const layout = "2006-01-02T15:04:05"
	t, err := time.Parse(layout, text)
	if err != nil || zone == nil {
		return t, err
	}
	var offsets []int
	for _, days := range []int{-2, 2} {
		_, o := t.AddDate(0, 0, days).In(zone).Zone()
		offsets = append(offsets, o)
	}
	var found []time.Time
	for _, o := range offsets {
		if u := t.Add(-time.Duration(o) * time.Second); u.In(zone).Format(layout) == text {
			found = append(found, u)
		}
	}
	if len(found) == 0 {
		return t.Add(-time.Duration(offsets[0]) * time.Second), nil
	}
	if len(found) == 2 && found[1].Before(found[0]) {
		return found[1], nil
	}
	return found[0], nil
}

func yearsFit(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9998
}

var zeroDate = regexp.MustCompile(`^0000-00-00([Tt ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?([Zz]|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?$`)

// judge says what becomes of a value, and checks the emitted literal against it
// when there is one.
func judge(s *singer.Schema, v node, trim bool, zone *time.Location) (verdict, func(t require.TestingT, out node)) {
	if v.kind == "null" {
		return nulled, nil
	}
	if s.Type == "object" || s.Type == "array" {
		if !inside(s, v) {
			return misfit, nil
		}
		return emitted, func(t require.TestingT, out node) {
			require.True(t, same(v, out), "%s became %s", v.raw, out.raw)
			want := v.raw
			if strings.ContainsAny(want, "\r\n") { // a line must not break
				var compact bytes.Buffer
				require.NoError(t, json.Compact(&compact, []byte(want)))
				want = compact.String()
			}
			if !dirtyText(v.raw) {
				require.Equal(t, want, out.raw)
			}
		}
	}
	if s.Type == "string" && s.Format == "" {
		return emitted, func(t require.TestingT, out node) {
			want := v.text
			switch {
			case v.kind == "object" || v.kind == "array":
				inner, ok := parse(out.text)
				require.True(t, ok && same(v, inner), "%s became %s", v.raw, out.text)
				if want = v.raw; dirtyText(v.raw) {
					return
				}
			case trim && v.kind == "string":
				want = strings.Trim(want, " ")
			}
			require.Equal(t, "string", out.kind)
			require.Equal(t, want, out.text)
		}
	}
	if v.kind == "string" && (v.text == "" || zeroDate.MatchString(v.text)) {
		return nulled, nil
	}
	switch {
	case s.Type == "boolean" && v.kind == "boolean":
		return emitted, func(t require.TestingT, out node) { require.Equal(t, v.raw, out.raw) }
	case s.Type == "number" || s.Type == "integer":
		return judgeNumber(s.Type, v)
	case s.Format != "" && v.kind == "string":
		return judgeTime(s.Format, v, zone)
	}
	return misfit, nil
}

func judgeNumber(typ string, v node) (verdict, func(t require.TestingT, out node)) {
	r, ok := rational(v.text)
	if !ok || v.kind != "number" && v.kind != "string" {
		return misfit, nil
	}
	if typ == "integer" && (!r.IsInt() || !r.Num().IsInt64()) {
		return misfit, nil
	}
	return emitted, func(t require.TestingT, out node) {
		require.Equal(t, "number", out.kind)
		require.NotContains(t, strings.ToLower(out.raw), "e")
		got, ok := new(big.Rat).SetString(out.raw)
		require.True(t, ok && got.Cmp(r) == 0, "%s became %s", v.raw, out.raw)
		switch {
		case typ == "integer":
			require.NotContains(t, out.raw, ".")
		case !strings.ContainsAny(v.text, "eE"):
			require.Equal(t, v.text, out.raw) // the vendor's digits
		default: // all significant digits stay, zeros at the end included
			digits := func(s string) string {
				s, _, _ = strings.Cut(strings.ToLower(s), "e")
				return strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(s), "0")
			}
			require.True(t, strings.HasPrefix(digits(out.raw), digits(v.text)), "%s became %s", v.raw, out.raw)
		}
	}
}

func judgeTime(format string, v node, zone *time.Location) (verdict, func(t require.TestingT, out node)) {
	m, ok := parseMoment(v.text, zone)
	if !ok {
		return misfit, nil
	}
	if format == "date" {
		if m.timed && m.zone != "" && m.zone != "z" && m.zone != "Z" {
			return misfit, nil
		}
		day, err := time.Parse(time.DateOnly, v.text[:10])
		if err != nil || !yearsFit(day) {
			return misfit, nil
		}
		if m.timed { // the wall clock, whatever the zone
			wall, _ := parseMoment(strings.TrimRight(v.text, "zZ"), nil)
			if wall.time.Hour()+wall.time.Minute()+wall.time.Second() != 0 || strings.Trim(m.fraction, "0") != "" {
				return misfit, nil
			}
		}
		return emitted, func(t require.TestingT, out node) { require.Equal(t, `"`+v.text[:10]+`"`, out.raw) }
	}
	if !yearsFit(m.time) {
		return misfit, nil
	}
	fraction := m.fraction
	if len(fraction) > 6 {
		fraction = fraction[:6]
	}
	want := m.time.UTC().Format("2006-01-02T15:04:05")
	if fraction != "" {
		want += "." + fraction
	}
	return emitted, func(t require.TestingT, out node) { require.Equal(t, `"`+want+`Z"`, out.raw, v.raw) }
}

var (
	plainInteger = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	strictStamp  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
)

// inside tells whether a nested value has its declared shape.
func inside(s *singer.Schema, v node) bool {
	if v.kind == "null" {
		return s.Nullable
	}
	switch s.Type {
	case "object":
		for _, m := range v.members {
			if p := s.Property(m.name); p != nil && !inside(p, m.node) {
				return false
			}
		}
		return v.kind == "object"
	case "array":
		for _, e := range v.items {
			if s.Items != nil && !inside(s.Items, e) {
				return false
			}
		}
		return v.kind == "array"
	case "integer":
		r, ok := new(big.Int).SetString(v.text, 10)
		return v.kind == "number" && plainInteger.MatchString(v.text) && ok && r.IsInt64()
	case "string":
		if v.kind != "string" || s.Format == "" {
			return v.kind == "string"
		}
		if s.Format == "date" {
			day, err := time.Parse(time.DateOnly, v.text)
			return err == nil && yearsFit(day)
		}
		m, ok := parseMoment(v.text, nil)
		return ok && strictStamp.MatchString(v.text) && yearsFit(m.time)
	}
	return v.kind == s.Type
}

func TestOracleReadsRaw(t *testing.T) {
	n, ok := parse(`{"a" : "x\"y" , "b":[1.50,"\\"]}`)
	require.True(t, ok)
	require.Equal(t, `"x\"y"`, n.members[0].raw)
	require.Equal(t, `[1.50,"\\"]`, n.members[1].raw)
	require.Equal(t, `"\\"`, n.members[1].items[1].raw)
}
