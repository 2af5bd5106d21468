package slascone

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// modelText lists the objects of the API, V26.1 (CLIENT: the generated clients).
// An object is a line, its members follow, indented by one:
//
//	name type[?] [value|value…]
//
// ? is nullable. Types are text, uuid, time, int, number, bool, {Object and
// [Object or [text for an array. + in front of the name: V26.0 brought it.
//
//go:embed models.txt
var modelText string

type valueType int

const (
	textType valueType = iota
	uuidType
	timeType
	intType
	numberType
	boolType
	objectType
	arrayType
)

var valueTypes = map[string]valueType{
	"text": textType, "uuid": uuidType, "time": timeType, "int": intType, "number": numberType, "bool": boolType,
}

// model is an object of the API.
type model struct {
	name    string
	members []member
	visible string // the member in which a touch shows
}

type member struct {
	name     string
	head     []byte // "name":
	kind     valueType
	of       string // object, or item of an array
	nullable bool
	newer    bool
	values   []string // of an enumeration
	seed     uint64
	make     maker
}

// maker appends the value of a member.
type maker func(dst []byte, c *cell) []byte

// cell is the place that a maker writes for.
type cell struct {
	w     *world
	look  *look
	m     *member
	r     row    // what the object shows
	outer row    // what it is listed in
	line  int64  // place in an array that no table has
	seed  uint64 // of the object
	h     uint64 // of the member
	depth int
}

// look is how objects are shown.
type look struct {
	v25, next         bool
	offsets, disputed float64
	bare              bool // embedded objects are null
	shallow           bool // lists of embedded objects are null
	analytics         bool // assignments show their analytical heartbeats
	arrival, reverse  bool // see the switches created-on-arrival, rollback-counter
	now               ticks
}

// models are all objects by name.
var models = sync.OnceValues(readModels)

func readModels() (map[string]*model, error) {
	out := make(map[string]*model)
	var m *model
	for line := range strings.Lines(modelText) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && line[0] != ' ':
			m = &model{name: words[0]}
			out[m.name] = m
			continue
		case len(words) < 2 || m == nil:
			return nil, fmt.Errorf("models: line %q", line)
		}
		x := member{seed: rows.MixText(rows.MixText(0x51a5, m.name), words[0])}
		x.name, x.newer = strings.CutPrefix(words[0], "+")
		x.head = append(rows.AppendText(nil, x.name), ':')
		text, nullable := strings.CutSuffix(words[1], "?")
		x.nullable = nullable
		switch text[0] {
		case '{':
			x.kind, x.of = objectType, text[1:]
		case '[':
			x.kind, x.of = arrayType, text[1:]
		default:
			kind, ok := valueTypes[text]
			if !ok {
				return nil, fmt.Errorf("models: %s.%s: type %q", m.name, x.name, text)
			}
			x.kind = kind
		}
		if len(words) > 2 {
			x.values = strings.Split(words[2], "|")
		}
		m.members = append(m.members, x)
	}
	special := makers()
	for _, m := range out {
		m.visible = visibleOf(m)
		for k := range m.members {
			x := &m.members[k]
			if x.of != "" && x.of != "text" && out[x.of] == nil {
				return nil, fmt.Errorf("models: %s.%s: no object %q", m.name, x.name, x.of)
			}
			if x.make = special[m.name+"."+x.name]; x.make == nil {
				x.make = special["."+x.name]
			}
			if x.make == nil {
				x.make = plain[x.kind]
			}
		}
	}
	return out, nil
}

// visibleOf chooses the text in which a touch shows.
func visibleOf(m *model) string {
	for _, name := range []string{"description", "device_description", "street", "phone", "name", "custom_list_name", "customer_type_name", "external_id", "subject"} {
		for _, x := range m.members {
			if x.name == name {
				return name
			}
		}
	}
	return ""
}

// object appends an object that shows a row. depth counts from the outside.
func (w *world) object(dst []byte, name string, r, outer row, line int64, depth int, l *look) []byte {
	m := w.models[name]
	c := cell{w: w, look: l, r: r, outer: outer, line: line, depth: depth}
	c.seed = rows.MixText(rows.Mix(w.seed, uint64(r.index)), name)
	if r.t == nil || r.t.model != name { // else it is the same wherever it is shown
		c.seed = rows.Mix(c.seed, uint64(outer.index)<<8+uint64(line))
	}
	dst = append(dst, '{')
	from := len(dst)
	for k := range m.members {
		x := &m.members[k]
		if x.newer && l.v25 {
			continue
		}
		if len(dst) > from {
			dst = append(dst, ',')
		}
		c.m, c.h = x, rows.Mix(c.seed, x.seed)
		dst = append(dst, x.head...)
		if raw, ok := c.patched(); ok {
			dst = append(dst, raw...)
			continue
		}
		dst = x.make(dst, &c)
	}
	if l.next {
		dst = append(dst, `,"x_release_next":{"since":"V27.0","flags":[1,"two",null]},"customMark":12.50`...)
	}
	return append(dst, '}')
}

// patched is the value that a write has put in the place of the computed one.
func (c *cell) patched() (json.RawMessage, bool) {
	if c.r.change == nil || c.r.change.patch == nil {
		return nil, false
	}
	name := c.m.name
	if alias := aliases[c.r.t.kind][name]; alias != "" {
		name = alias
	}
	raw, ok := c.r.change.patch[name]
	return raw, ok
}

// aliases are members that show another object's member under a name of their own.
var aliases = map[kind]map[string]string{
	license: {"license_name": "name"},
}

// shown is a text of a row, as an object would have it; "" for null.
func (w *world) shown(r row, name string) string {
	raw := w.member(r, name)
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// member is one member of a row's own object.
func (w *world) member(r row, name string) []byte {
	m := w.models[r.t.model]
	for k := range m.members {
		if x := &m.members[k]; x.name == name {
			c := cell{w: w, look: &look{now: w.start}, m: x, r: r}
			c.seed = rows.MixText(rows.Mix(w.seed, uint64(r.index)), m.name)
			c.h = rows.Mix(c.seed, x.seed)
			if raw, ok := c.patched(); ok {
				return raw
			}
			return x.make(nil, &c)
		}
	}
	return []byte("null")
}
