package data

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Error is a refusal that the vendor words in JSON.
type Error struct {
	Status, Code int
	Message      string
}

// Error tells the refusal.
func (e *Error) Error() string {
	return strconv.Itoa(e.Status) + "/" + strconv.Itoa(e.Code) + " " + e.Message
}

// invalid follows the pattern of the vendor's texts (DOC).
func invalid(code int, name string) *Error {
	return &Error{400, code, "invalid " + name + " specified"}
}

// Params are the members of a request's body.
type Params struct {
	// Values are literals of JSON.
	Values map[string]json.RawMessage
	// Form says that the body was a form, where every value is text.
	Form bool
	// Lax lets members pass that an endpoint does not know; /receipts/get does
	// so in any case (CLIENT CK).
	Lax bool

	strict bool // not even in a form is a number taken as text
}

// get returns a literal; null counts as absent (GUESS: isset of PHP).
func (p Params) get(name string) (json.RawMessage, bool) {
	v := bytes.TrimSpace(p.Values[name])
	return v, len(v) > 0 && string(v) != "null"
}

func (p Params) text(name string) (s string, given, ok bool) {
	v, given := p.get(name)
	if !given {
		return "", false, true
	}
	return s, true, json.Unmarshal(v, &s) == nil
}

// integer reads a whole number. As text it is taken only from a form, and there
// not everywhere (CLIENT SI); from JSON never (GUESS).
func (p Params) integer(name string) (n int64, given, ok bool) {
	v, given := p.get(name)
	if !given {
		return 0, false, true
	}
	text := string(v)
	if v[0] == '"' {
		if !p.Form || p.strict || json.Unmarshal(v, &text) != nil {
			return 0, true, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, true, err == nil
}

// yes reads a boolean.
func (p Params) yes(name string) (v, ok bool) {
	raw, given := p.get(name)
	text := string(raw)
	if p.Form && !p.strict {
		_ = json.Unmarshal(raw, &text) // no text is no boolean either
	}
	switch {
	case !given || text == "false":
		return false, true
	case text == "true":
		return true, true
	}
	return false, false
}

// oneOf reads a word out of a list; "" if it is absent.
func (p Params) oneOf(name string, words ...string) (s string, ok bool) {
	s, given, ok := p.text(name)
	if !given {
		return "", ok
	}
	return s, ok && slices.Contains(words, s)
}

// date reads a plain date as days since 1970.
func (p Params) date(name string) (days int64, given, ok bool) {
	s, given, ok := p.text(name)
	if !given || !ok {
		return noDay, given, ok
	}
	at, err := time.Parse(time.DateOnly, s)
	return floorDay(at.UnixMicro()), true, err == nil
}

// period reads two dates, both included; what is absent is open.
func (p Params) period(from, to string, codeFrom, codeTo int, required bool) (lo, hi int64, err *Error) {
	lo, given, ok := p.date(from)
	if !ok || required && !given {
		return 0, 0, invalid(codeFrom, from)
	}
	if !given {
		lo = -1_000_000
	}
	hi, given, ok = p.date(to)
	if !ok || required && !given {
		return 0, 0, invalid(codeTo, to)
	}
	if !given {
		hi = rows.Days(9999, 12, 31)
	}
	return lo, hi, nil
}

// since reads date_since_last_modified as what the clock showed, in
// microseconds; the day alone means its last second, and "" is refused (DOC).
func (p Params) since(code int) (micros int64, given bool, err *Error) {
	const name = "date_since_last_modified"
	s, given, ok := p.text(name)
	if !given {
		if !ok {
			return 0, false, invalid(code, name)
		}
		return 0, false, nil
	}
	if at, err := time.Parse(time.DateTime, s); err == nil {
		return at.UnixMicro(), true, nil
	}
	if at, err := time.Parse(time.DateOnly, s); err == nil {
		return at.UnixMicro() + day - second, true, nil
	}
	return 0, true, invalid(code, name)
}

// window is the page that is asked for.
type window struct{ limit, offset int64 }

// page reads limit and offset. Too much is refused and never clipped (CLIENT);
// what is no positive number likewise, zero included (GUESS).
func (p Params) page(codeLimit, codeOffset int, standard, most int64) (window, *Error) {
	limit, given, ok := p.integer("limit")
	if !ok || given && (limit < 1 || limit > most) {
		return window{}, invalid(codeLimit, "limit")
	}
	if !given {
		limit = standard
	}
	offset, _, ok := p.integer("offset")
	if !ok || offset < 0 {
		return window{}, invalid(codeOffset, "offset")
	}
	return window{limit, offset}, nil
}

// orderKey is one key of the order of receipts.
type orderKey struct {
	name string
	desc bool
}

// order reads the object by which receipts are sorted; its members count in the
// order in which they stand.
func (p Params) order() ([]orderKey, *Error) {
	raw, given := p.get("order")
	if !given {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid(15, "field")
	}
	var out []orderKey
	for d.More() {
		name, err := d.Token()
		if err != nil || !slices.Contains([]string{"date", "amount", "invoicenumber", "invoicingparty"}, name.(string)) {
			return nil, invalid(15, "field")
		}
		value, err := d.Token()
		if err != nil || value != "ASC" && value != "DESC" {
			return nil, invalid(16, "value")
		}
		out = append(out, orderKey{name.(string), value == "DESC"})
	}
	return out, nil
}

// unknown tells the first member that an endpoint does not know, "" if it knows
// them all.
func (p Params) unknown(known []string) string {
	var found []string
	for name := range p.Values {
		if name != "api_key" && !slices.Contains(known, name) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}
