// Package oracle says what a record should be, from the vendor's row and
// contract.md §4 alone: with encoding/json, math/big and time. It is slow and plain
// on purpose. It must never ask the tap's own conversions, whose mistakes it would
// share; of the tap it takes the tables and the type of a schema.
package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Rescued is the property that holds what a schema cannot.
const Rescued = "_rescued_data"

// Oracle knows the records of one stream.
type Oracle struct {
	Stream *stream.Stream
	Schema *singer.Schema // as emitted, in order
	Full   *singer.Schema // deselected properties included
	Zone   *time.Location
	Wall   bool // times are as the clock at the site shows them, see wallclock.go
	// Made: objects and arrays may be made by the tap, and not the vendor's bytes.
	Made     bool
	Shuffled bool     // members come in another order in each answer
	Inject   []string // properties that the tap fills in and the truth does not tell
	// Unlisted: what is read is not what was asked for by name, so that there may
	// be members which the truth, as a reference, does not list.
	Unlisted bool

	known, emitted map[string]*singer.Schema // Full and Schema by name, see Index

	mu   sync.Mutex
	memo map[string]Expected // by row: the same rows come in many runs
}

// remembered bounds the memo of each oracle: there are a hundred of them.
const remembered = 500

// Remember is Expect, worked out once for each row as a rule.
func (o *Oracle) Remember(row json.RawMessage) (Expected, error) {
	o.mu.Lock()
	want, ok := o.memo[string(row)]
	o.mu.Unlock()
	if ok {
		return want, nil
	}
	want, err := o.Expect(row)
	if err != nil {
		return want, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.memo == nil || len(o.memo) >= remembered {
		o.memo = map[string]Expected{}
	}
	o.memo[string(row)] = want
	return want, nil
}

// Index prepares look-ups by name.
func (o *Oracle) Index() {
	if o.known != nil {
		return
	}
	o.known, o.emitted = map[string]*singer.Schema{}, map[string]*singer.Schema{}
	for _, p := range o.Full.Properties {
		o.known[p.Name] = p.Schema
	}
	for _, p := range o.Schema.Properties {
		o.emitted[p.Name] = p.Schema
	}
}

// Expected is a record as canonical texts, see [Canon].
type Expected struct {
	Values  map[string]string
	Rescued map[string]string
	Loose   map[string]bool // tell the time of the answer
}

// Expect derives the record of a row.
func (o *Oracle) Expect(row json.RawMessage) (Expected, error) {
	o.Index()
	out := Expected{Values: map[string]string{}, Rescued: map[string]string{}}
	list, err := Flat(row)
	if err != nil {
		return out, err
	}
	seen := map[string]bool{}
	take := func(name string, raw json.RawMessage) error {
		if slices.Contains(o.Stream.Ignore, name) || o.Wall && onlyLinks(raw) {
			return nil
		}
		if seen[name] {
			return fmt.Errorf("member %q twice", name)
		}
		seen[name] = true
		p := o.known[name]
		if p == nil || name == Rescued {
			out.Rescued[name] = Tidy(raw)
			return nil
		}
		if o.emitted[name] == nil {
			return nil // deselected: neither emitted nor rescued
		}
		lit, fits := o.value(name, p, raw)
		if !fits {
			out.Rescued[name] = Tidy(raw)
		}
		out.Values[name] = lit
		return nil
	}
	for _, m := range list {
		if !slices.Contains(o.Stream.Lift, m.Name) {
			if err := take(m.Name, m.Raw); err != nil {
				return out, err
			}
			continue
		}
		if string(m.Raw) == "null" {
			continue
		}
		inner, err := Flat(m.Raw)
		if err != nil {
			out.Rescued[m.Name] = Tidy(m.Raw) // no object: not to be lifted
			continue
		}
		for _, i := range inner {
			if err := take(m.Name+"_"+i.Name, i.Raw); err != nil {
				return out, err
			}
		}
	}
	for _, p := range o.Schema.Properties {
		if _, ok := out.Values[p.Name]; !ok && p.Name != Rescued {
			out.Values[p.Name] = "null"
		}
	}
	return out, nil
}

// Compare holds a record against what it should be.
func (o *Oracle) Compare(want Expected, got map[string]json.RawMessage) error {
	var wrong []string
	for _, p := range o.Schema.Properties {
		if p.Name == Rescued || slices.Contains(o.Inject, p.Name) {
			continue
		}
		if want.Loose[p.Name] {
			continue
		}
		have, err := Canon(p.Schema, got[p.Name])
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", p.Name, err))
		} else if have != want.Values[p.Name] && !(o.Made && (SameJSON(have, want.Values[p.Name]) || Longer(o.Stream, want.Values[p.Name], have))) &&
			!(o.Shuffled && Reordered(have, want.Values[p.Name])) {
			wrong = append(wrong, fmt.Sprintf("%s: is %s, should be %s", p.Name, have, want.Values[p.Name]))
		}
	}
	if o.Schema.Property(Rescued) != nil {
		have, err := ReadRescued(got[Rescued])
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for name, raw := range want.Rescued {
			if have[name] != raw {
				wrong = append(wrong, fmt.Sprintf("rescued %s: is %q, should be %q", name, have[name], raw))
			}
		}
		for name := range have {
			if _, ok := want.Rescued[name]; !ok && !slices.Contains(o.Inject, name) && !(o.Unlisted && o.known[name] == nil) {
				wrong = append(wrong, "rescued without need: "+name)
			}
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	return nil
}

// ReadRescued reads _rescued_data: null, or compact JSON of an object in text.
func ReadRescued(raw json.RawMessage) (map[string]string, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf("%s is no text: %w", Rescued, err)
	}
	list, err := Flat([]byte(text))
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%s holds no object: %s", Rescued, text)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || compact.String() != text {
		return nil, fmt.Errorf("%s is not compact: %s", Rescued, text)
	}
	out := map[string]string{}
	for _, m := range list {
		if _, twice := out[m.Name]; twice {
			return nil, fmt.Errorf("%s has %s twice", Rescued, m.Name)
		}
		out[m.Name] = Tidy(m.Raw)
	}
	return out, nil
}

// value converts a vendor's value for a property: its canonical text, and
// whether it fits.
func (o *Oracle) value(name string, p *singer.Schema, raw json.RawMessage) (string, bool) {
	if string(raw) == "null" {
		return "null", true
	}
	if f := o.Stream.Convert[name]; f != nil { // the table's own words
		lit, ok := f(nil, raw)
		if !ok {
			return "null", false
		}
		if len(lit) == 0 {
			return "null", true
		}
		text, err := Canon(p, lit)
		return text, err == nil
	}
	text, isText := TextOf(raw)
	kind := raw[0]
	switch p.Type {
	case "string":
		switch {
		case p.Format != "" && !isText:
			return "null", false
		case p.Format == "date-time" && o.Wall:
			return wallTime(name, text)
		case p.Format == "date-time":
			return o.instant(text)
		case p.Format == "date":
			return date(text)
		case !isText && (kind == '{' || kind == '['):
			return Quote(Tidy(raw)), true
		case !isText:
			return Quote(string(raw)), true
		case slices.Contains(o.Stream.Trim, name):
			text = strings.Trim(text, " ")
		}
		return Quote(text), true
	case "number", "integer":
		lit := string(raw)
		if isText {
			if lit = text; emptyDate(text) {
				return "null", true
			}
		}
		if !numberForm.MatchString(lit) {
			return "null", false
		}
		if p.Type == "number" {
			return writtenOut(lit)
		}
		return whole(lit)
	case "boolean":
		if isText && emptyDate(text) {
			return "null", true
		}
		if kind != 't' && kind != 'f' {
			return "null", false
		}
		return string(raw), true
	}
	if !nested(p, raw) {
		return "null", false
	}
	return Tidy(raw), true
}

var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// writtenOut is a number without its exponent, all digits kept.
func writtenOut(lit string) (string, bool) {
	at := strings.IndexAny(lit, "eE")
	if at < 0 {
		return lit, true
	}
	exponent, err := strconv.Atoi(lit[at+1:])
	if err != nil || exponent < -400 || exponent > 400 {
		return "null", false
	}
	digits := 0
	if dot := strings.IndexByte(lit[:at], '.'); dot >= 0 {
		digits = at - dot - 1
	}
	r, _ := new(big.Rat).SetString(lit)
	return r.FloatString(max(digits-exponent, 0)), true
}

// whole is an integer within int64; 3.0 is one.
func whole(lit string) (string, bool) {
	r, ok := new(big.Rat).SetString(lit)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return "null", false
	}
	return r.Num().String(), true
}

// emptyDate tells the texts that stand for nothing in a typed property.
func emptyDate(text string) bool {
	return text == "" || zeroDate.MatchString(text)
}

var zeroDate = regexp.MustCompile(`^0000-00-00([T ]00:00(:00(\.0+)?)?Z?)?$`)

var instantForms = []string{
	"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z07:00",
}

var localForms = []string{
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
}

func (o *Oracle) instant(text string) (string, bool) {
	if emptyDate(text) {
		return "null", true
	}
	zone := o.Zone
	if zone == nil {
		zone = time.UTC
	}
	for _, form := range instantForms {
		if at, err := time.Parse(form, text); err == nil {
			return inRange(at)
		}
	}
	for _, form := range localForms {
		if at, err := time.ParseInLocation(form, text, zone); err == nil {
			return inRange(firstShown(at))
		}
	}
	return "null", false
}

// firstShown is the first instant at which a clock showed what it shows at at: an
// hour that comes twice is read as summer time (contract.md §4).
func firstShown(at time.Time) time.Time {
	_, now := at.Zone()
	_, before := at.Add(-3 * time.Hour).Zone()
	first := at.Add(-time.Duration(before-now) * time.Second)
	if first.Before(at) && first.Format(localForms[0]) == at.Format(localForms[0]) {
		return first
	}
	return at
}

// inRange refuses the years that loaders fail at; fractions are cut.
func inRange(at time.Time) (string, bool) {
	at = at.UTC()
	if at.Year() < 1 || at.Year() > 9998 {
		return "null", false
	}
	return at.Truncate(time.Microsecond).Format(stream.MicroLayout), true
}

func date(text string) (string, bool) {
	if emptyDate(text) {
		return "null", true
	}
	for _, form := range localForms {
		at, err := time.Parse(form, strings.TrimSuffix(text, "Z"))
		if err == nil && at.Equal(at.Truncate(24*time.Hour)) {
			if at.Year() < 1 || at.Year() > 9998 {
				return "null", false
			}
			return Quote(at.Format(time.DateOnly)), true
		}
	}
	return "null", false
}

// nested tells whether a value fits a declared object or array, its inside too.
func nested(p *singer.Schema, raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return p.Nullable
	}
	text, isText := TextOf(raw)
	switch p.Type {
	case "object":
		list, err := Flat(raw)
		for _, m := range list {
			if inner := p.Property(m.Name); inner != nil && !nested(inner, m.Raw) {
				return false
			}
		}
		return err == nil
	case "array":
		var list []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
			return false
		}
		for _, item := range list {
			if p.Items != nil && !nested(p.Items, item) {
				return false
			}
		}
		return true
	case "string":
		switch p.Format {
		case "date-time":
			_, err := time.Parse(time.RFC3339Nano, text)
			return isText && err == nil
		case "date":
			_, err := time.Parse(time.DateOnly, text)
			return isText && err == nil
		}
		return isText
	case "boolean":
		return raw[0] == 't' || raw[0] == 'f'
	case "integer":
		n, ok := new(big.Int).SetString(string(raw), 10)
		return ok && n.IsInt64()
	}
	return !isText && numberForm.Match(raw)
}

// Canon renders an emitted literal so that what means the same is the same.
// It is strict about the form that contract.md asks for.
func Canon(p *singer.Schema, lit json.RawMessage) (string, error) {
	if len(lit) == 0 {
		return "", errors.New("absent")
	}
	if string(lit) == "null" {
		return "null", nil
	}
	text, isText := TextOf(lit)
	bad := fmt.Errorf("%s is no %s %s", lit, p.Type, p.Format)
	switch p.Type {
	case "string":
		switch {
		case !isText:
			return "", bad
		case p.Format == "date-time":
			if !InstantOut.MatchString(text) {
				return "", bad
			}
			at, err := time.Parse(time.RFC3339Nano, text)
			return at.Format(stream.MicroLayout), err
		case p.Format == "date":
			_, err := time.Parse(time.DateOnly, text)
			return Quote(text), err
		}
		return Quote(text), nil
	case "number":
		if !NumberOut.Match(lit) {
			return "", bad
		}
		return string(lit), nil
	case "integer":
		n, err := strconv.ParseInt(string(lit), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(lit) {
			return "", bad
		}
		return string(lit), nil
	case "boolean":
		if s := string(lit); s != "true" && s != "false" {
			return "", bad
		}
		return string(lit), nil
	}
	if p.Type == "object" && lit[0] != '{' || p.Type == "array" && lit[0] != '[' {
		return "", bad
	}
	return Tidy(lit), nil
}

// InstantOut and NumberOut are the forms of instants and numbers in records.
var (
	InstantOut = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$`)
	NumberOut  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)
