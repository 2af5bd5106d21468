// Package record owns the way from a vendor's row to a RECORD line: which of
// its members are emitted, in which order and form, and what becomes of the
// rest (contract.md §4). A [Plan] is compiled once per stream, a [Converter] of
// it turns rows into lines in one pass over their bytes, without maps, floats
// and allocations.
//
// It must never decode a number into a float, lose a value without a [Note],
// emit a record that its schema refuses, keep a row's bytes beyond the next
// row, do I/O, or know any vendor.
package record

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// RescuedData is the property that takes what the schema has no place for. It
// is an ordinary nullable string that the caller puts into [Options.Schema].
const RescuedData = "_rescued_data"

// Convert is a source's own conversion of one property: it appends the output
// literal for the vendor's raw value, which is never null, and reports false
// when the value does not fit. To append nothing means null.
type Convert func(dst, raw []byte) ([]byte, bool)

// Options say how the rows of one stream become records.
type Options struct {
	// Stream is the emitted name.
	Stream string
	// Schema is the stream's whole schema in emission order, including what is
	// deselected. Every property but the keys is nullable.
	Schema *singer.Schema
	// Selected tells whether a property is emitted; nil means all. Keys always are.
	Selected func(name string) bool
	// Key are the names of the key properties.
	Key []string
	// Cursor is the replication key property, or "". CursorSchema and CursorConvert
	// tell what its values are, where Schema and Convert may have made something
	// else of them for the output; nil: as there.
	Cursor        string
	CursorSchema  *singer.Schema
	CursorConvert Convert
	// Lift are object members whose own members come out one level higher: with
	// "auditentry", auditentry.modified is the property auditentry_modified, and
	// the object itself vanishes.
	Lift []string
	// Ignore are members that are neither emitted nor rescued. They are ignored
	// even if the schema has a property of that name.
	Ignore []string
	// IgnoreFunc is asked for every member that nothing else knows.
	IgnoreFunc func(name []byte) bool
	// IgnoreValue is asked for every member that nothing else knows, with its raw
	// value, and for objects of known ones, which it makes null: Exact's members
	// that only carry __deferred show by that.
	IgnoreValue func(name, raw []byte) bool
	// Trim are string properties that lose the blanks at both ends.
	Trim []string
	// Inject are properties whose value the tap may supply, see
	// [Converter.SetInject].
	Inject []string
	// Convert are conversions that replace those of the property's type.
	Convert map[string]Convert
	// Fill are the literals that stand for a property's null, or for an absent one.
	Fill map[string]string
	// Zone is where instants without a zone, and dates for instants, belong; nil
	// is UTC.
	Zone *time.Location
	// Capture are members of the vendor's row whose raw bytes are wanted,
	// whether they are emitted or not, see [Converter.Captured]. A lifted one is
	// called by its property's name.
	Capture []string
}

// CursorKind says what the integers of [Converter.Cursor] count.
type CursorKind uint8

// The kinds of a cursor.
const (
	NoCursor      CursorKind = iota
	CursorInstant            // microseconds since 1970-01-01T00:00:00Z
	CursorDate               // days since 1970-01-01
	CursorInteger            // the number itself
)

// Plan is a compiled [Options]. It is immutable and may be shared.
type Plan struct {
	schema     *singer.Schema // as emitted
	head       string         // of every line, up to the record's members
	properties []property     // as emitted, in order
	hidden     *property      // the cursor, if it is not emitted
	root       members
	slots      int
	room       int // for all prefixes, and null everywhere
	rescue     bool
	injects    []property
	captures   []int32 // slots
	cursor     CursorKind
	keyIsInt   bool
	ignore     func(name []byte) bool
	// ignoreValue is Options.IgnoreValue.
	ignoreValue func(name, raw []byte) bool
	zone        *time.Location
}

// form is the form a property's values take.
type form uint8

const (
	formString form = iota
	formTrimmed
	formNumber
	formInteger
	formBoolean
	formInstant
	formDate
	formNested
	formRescue
)

// property is one emitted property.
type property struct {
	prefix  []byte // comma, name and colon before the value, filled up to strides
	size    int    // of the prefix without the filling
	name    []byte
	asis    uint64 // bit per jsonspan.Info: values whose bytes fit as they are
	copies  uint64 // the same, 0 if every value goes another way first
	longest uint32 // a longer value is not copied unseen
	slot    int32
	inject  int32 // index into Converter.injected, -1 for none
	form    form
	key     bool
	cursor  bool
	watched bool   // key or cursor
	nested  *shape // what a nested value must be like
	convert Convert
	fill    []byte // stands for null, nil for none
}

// Schema returns the schema of the records: that of the options, reduced to
// what is selected.
func (p *Plan) Schema() *singer.Schema { return p.schema }

// CursorKind tells what the cursor of the records counts.
func (p *Plan) CursorKind() CursorKind { return p.cursor }

// builder holds what is needed while a plan is compiled.
type builder struct {
	Options
	*Plan
	lifts  []*members
	slotOf map[string]int32
}

// Compile prepares options for converting rows.
func Compile(o Options) (*Plan, error) {
	b := builder{Options: o, Plan: &Plan{}, slotOf: map[string]int32{}}
	if err := b.compile(); err != nil {
		return nil, err
	}
	return b.Plan, nil
}

func (b *builder) compile() error {
	if b.Options.Schema == nil || b.Options.Schema.Type != "object" {
		return errors.New("the schema is no object")
	}
	b.ignore, b.ignoreValue = b.IgnoreFunc, b.IgnoreValue
	if b.zone = b.Zone; b.zone == nil {
		b.zone = time.UTC
	}
	b.head = string(jsonspan.AppendQuoted([]byte(`{"type":"RECORD","stream":`), []byte(b.Stream))) + `,"record":{`
	b.Plan.schema = &singer.Schema{Type: "object", Nullable: b.Options.Schema.Nullable}

	// The members of the row come first: properties take their slots.
	b.root.rows = true
	for i, name := range b.Lift {
		if slices.Contains(b.Lift[:i], name) {
			return fmt.Errorf("%q is lifted twice", name)
		}
		b.lifts = append(b.lifts, &members{rows: true, prefix: name + "_"})
	}
	if err := b.addProperties(); err != nil {
		return err
	}
	if err := b.named(b.Key, "key"); err != nil {
		return err
	}
	if err := b.named(b.Inject, "injected property"); err != nil {
		return err
	}
	b.addIgnored()
	b.addLifted()
	b.addCaptures()
	for _, m := range append(b.lifts, &b.root) {
		if len(m.list) == 0 {
			// Nothing is known in there, but the scanner wants something to guess.
			b.know(m.prefix, member{stray: true})
		}
	}
	return nil
}

// slot returns the slot that keeps the member of a name.
func (b *builder) slot(name string) int32 {
	s, ok := b.slotOf[name]
	if !ok {
		s = int32(b.slots)
		b.slots++
		b.slotOf[name] = s
	}
	return s
}

// know makes a member known to the row, and to the lifted object that may hold it.
func (b *builder) know(name string, k member) {
	k.slot, k.accepts = b.slot(name), anything
	k.plain = k.shape == nil && !k.stray
	if b.root.find([]byte(name)) == nil {
		b.root.add(name, k)
	}
	for _, m := range b.lifts {
		if inner, ok := strings.CutPrefix(name, m.prefix); ok && m.find([]byte(inner)) == nil {
			m.add(inner, k)
		}
	}
}

// anything has the bits of all infos: what fits a member of a row is seen when
// it is emitted.
const anything = math.MaxUint64

func (b *builder) addIgnored() {
	for _, name := range b.Ignore {
		b.know(name, member{})
	}
}

// addLifted gives each lifted member a slot of its own: that of the property of
// the same name, if there is one, takes only what cannot be lifted.
func (b *builder) addLifted() {
	for i, name := range b.Lift {
		k := b.root.find([]byte(name))
		if k == nil {
			b.root.add(name, member{own: -1})
			k = b.root.find([]byte(name))
		} else {
			k.own = k.slot
		}
		k.slot, k.lift, k.plain, k.accepts = int32(b.slots), b.lifts[i], false, anything
		b.slotOf[name] = k.slot // from here on, for captures
		b.slots++
	}
}

func (b *builder) addCaptures() {
	for _, name := range b.Capture {
		if !slices.Contains(b.Lift, name) {
			b.know(name, member{stray: true})
		}
		b.captures = append(b.captures, b.slot(name))
	}
}

// named checks that names are those of properties.
func (b *builder) named(names []string, what string) error {
	for i, name := range names {
		if _, ok := b.slotOf[name]; !ok {
			return fmt.Errorf("%s %q is not in the schema", what, name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%s %q is given twice", what, name)
		}
	}
	return nil
}

func (b *builder) addProperties() error {
	b.injects = make([]property, len(b.Inject))
	for i := range b.Options.Schema.Properties {
		sp := &b.Options.Schema.Properties[i]
		if _, ok := b.slotOf[sp.Name]; ok {
			return fmt.Errorf("property %q is in the schema twice", sp.Name)
		}
		p, err := b.property(sp)
		if err != nil {
			return fmt.Errorf("property %q: %w", sp.Name, err)
		}
		selected := p.key || b.Selected == nil || b.Selected(sp.Name)
		k := member{}
		if (selected || p.cursor) && p.nested != nil {
			k.shape = p.nested
		}
		p.slot = b.slot(sp.Name)
		switch {
		case p.form == formRescue:
			// A vendor's member of this name is as unknown as any other.
			b.rescue = selected
		case slices.Contains(b.Ignore, sp.Name):
			p.slot = int32(b.slots) // one that nothing fills
			b.slots++
		default:
			b.know(sp.Name, k)
		}
		if p.inject >= 0 {
			b.injects[p.inject] = p
		}
		if p.cursor {
			if err := b.cursorApart(&p, selected); err != nil {
				return fmt.Errorf("replication key %q: %w", sp.Name, err)
			}
		}
		if !selected {
			continue
		}
		if len(b.properties) == 0 {
			p.prefix = p.prefix[1:]
		}
		p.size = len(p.prefix)
		p.prefix = append(p.prefix, make([]byte, (stride-p.size%stride)%stride)...)
		b.room += len(p.prefix) + len("null")
		b.properties = append(b.properties, p)
		b.Plan.schema.Properties = append(b.Plan.schema.Properties, *sp)
	}
	if b.Cursor != "" && b.Plan.cursor == NoCursor {
		return fmt.Errorf("replication key %q is not in the schema", b.Cursor)
	}
	return nil
}

// cursorApart has the replication key looked at beside the output where it is not
// in it, or in another form there.
func (b *builder) cursorApart(p *property, selected bool) error {
	own := *p
	var err error
	if b.CursorSchema != nil {
		if own, err = b.property(&singer.Property{Name: b.Cursor, Schema: b.CursorSchema}); err != nil {
			return err
		}
		own.slot, own.convert = p.slot, b.CursorConvert
	}
	if b.Plan.cursor, err = cursorKind(own.form); err != nil {
		return err
	}
	if selected && own.form == p.form {
		return nil
	}
	b.hidden = &own
	p.cursor, p.watched = false, p.key
	return nil
}

// property compiles one property of the schema.
func (b *builder) property(sp *singer.Property) (property, error) {
	p := property{
		prefix:  append(jsonspan.AppendQuoted([]byte{','}, []byte(sp.Name)), ':'),
		name:    []byte(sp.Name),
		longest: math.MaxUint32,
		inject:  int32(slices.Index(b.Inject, sp.Name)),
		key:     slices.Contains(b.Key, sp.Name),
		cursor:  b.Cursor != "" && sp.Name == b.Cursor,
		convert: b.Convert[sp.Name],
	}
	if text, ok := b.Fill[sp.Name]; ok {
		p.fill = []byte(text)
	}
	s := sp.Schema
	if s == nil {
		return p, errors.New("it has no schema")
	}
	if !s.Nullable && !p.key {
		return p, errors.New("only keys may be without null")
	}
	var err error
	p.form, err = formOf(s)
	if err != nil {
		return p, err
	}
	if sp.Name == RescuedData {
		if p.form != formString || p.key || p.cursor {
			return p, errors.New("it must be a plain string and no key")
		}
		p.form = formRescue
	}
	switch p.form {
	case formString:
		p.asis = fits(jsonspan.String, jsonspan.Escaped)
		if slices.Contains(b.Trim, sp.Name) {
			p.form = formTrimmed
		}
	case formNumber:
		p.asis = fits(jsonspan.Integer, 0) | fits(jsonspan.Number, 0)
	case formInteger:
		p.asis, p.longest = fits(jsonspan.Integer, 0), surelyInt64
	case formBoolean:
		p.asis = fits(jsonspan.Boolean, 0)
	case formNested:
		if p.key {
			return p, errors.New("a key must be a scalar")
		}
		p.asis = fits(jsonspan.Object, jsonspan.Escaped)
		if s.Type == "array" {
			p.asis = fits(jsonspan.Array, jsonspan.Escaped)
		}
		if p.nested, err = compileShape(s); err != nil {
			return p, err
		}
		if p.nested.any() {
			p.nested = nil
		}
	}
	p.watched = p.key || p.cursor
	if p.inject < 0 && p.form != formRescue && p.fill == nil {
		p.copies = fits(jsonspan.Null, 0)
		// An object may be one to ignore, so it is looked at.
		if p.convert == nil && p.form != formTrimmed && !(p.form == formNested && b.IgnoreValue != nil) {
			p.copies |= p.asis
		}
	}
	if p.key && len(b.Key) == 1 {
		b.keyIsInt = p.form == formInteger
	}
	return p, nil
}

// formOf translates type and format of a property.
func formOf(s *singer.Schema) (form, error) {
	if s.Format != "" && s.Type != "string" {
		return 0, fmt.Errorf("format %q does not go with type %q", s.Format, s.Type)
	}
	switch s.Type {
	case "string":
		switch s.Format {
		case "":
			return formString, nil
		case "date-time":
			return formInstant, nil
		case "date":
			return formDate, nil
		}
		return 0, fmt.Errorf("unknown format %q", s.Format)
	case "number":
		return formNumber, nil
	case "integer":
		return formInteger, nil
	case "boolean":
		return formBoolean, nil
	case "object", "array":
		return formNested, nil
	}
	return 0, fmt.Errorf("unknown type %q", s.Type)
}

// cursorKind tells how the values of a replication key compare. A catalog may
// have made a plain string or a number of it.
func cursorKind(f form) (CursorKind, error) {
	switch f {
	case formInstant, formString, formTrimmed:
		return CursorInstant, nil
	case formDate:
		return CursorDate, nil
	case formInteger, formNumber:
		return CursorInteger, nil
	}
	return NoCursor, errors.New("a replication key must be a date, an instant or an integer")
}

// fits returns the bits of the infos that have kind k and any of the flags, of
// those up to Exponent.
func fits(k, flags jsonspan.Info) uint64 {
	var bits uint64
	for f := range jsonspan.Info(64) {
		if f.Kind() == k && f&^7&^flags == 0 {
			bits |= 1 << f
		}
	}
	return bits
}
