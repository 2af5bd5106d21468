package singer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

const (
	maxSchemaDepth = 40
	// maxSchemaNodes stops definitions that multiply by referring to each other.
	maxSchemaNodes = 200_000
)

// ParseSchema reads the JSON Schema of a stream as other taps and their runners
// write it, and reduces it: a null branch or type makes a property nullable,
// several types become string, local references are resolved, and every keyword
// that [Schema] does not hold is dropped. The order of the properties is kept.
func ParseSchema(data []byte) (*Schema, error) {
	n, err := parseTree(data)
	if err != nil {
		return nil, schemaFault(err)
	}
	s, err := recordSchema(n)
	if err != nil {
		return nil, schemaFault(err)
	}
	return s, nil
}

func schemaFault(err error) error {
	return &fault.Error{
		Kind: fault.Config, Op: "schema", Err: err,
		Hint: "take the schema from the output of --discover",
	}
}

// recordSchema reads the schema of a whole record: an object with properties,
// never null itself.
func recordSchema(n *node) (*Schema, error) {
	r := schemaReader{root: n}
	s, err := r.read(n, "", 0)
	if err != nil {
		return nil, err
	}
	if s.Type != "object" {
		return nil, fmt.Errorf("the root is of type %s, must be an object", s.Type)
	}
	if len(s.Properties) == 0 {
		return nil, errors.New("has no properties")
	}
	s.Nullable = false
	return s, nil
}

type schemaReader struct {
	root  *node
	refs  []string // references being resolved, outermost first
	nodes int
}

// anything is what an unconstrained schema becomes: text holds every value.
func anything() *Schema { return &Schema{Type: "string", Nullable: true} }

func at(path, format string, args ...any) error {
	if path == "" {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (r *schemaReader) read(n *node, path string, depth int) (*Schema, error) {
	r.nodes++
	switch {
	case depth > maxSchemaDepth:
		return nil, at(path, "nests deeper than %d levels", maxSchemaDepth)
	case r.nodes > maxSchemaNodes:
		return nil, at(path, "more than %d schemas once references are resolved", maxSchemaNodes)
	case n.is(kindBool) && n.text == "true":
		return anything(), nil
	case !n.is(kindObject):
		return nil, at(path, "is %s, must be a schema object", n.what())
	}
	if ref := n.get("$ref"); ref != nil {
		return r.follow(ref, path, depth)
	}
	types, nullable, err := typesOf(n.get("type"), path)
	if err != nil {
		return nil, err
	}
	switch {
	case len(types) == 1:
		return r.typed(n, types[0], nullable, path, depth)
	case len(types) > 1:
		return &Schema{Type: "string", Nullable: nullable}, nil
	}
	return r.untyped(n, nullable, path, depth)
}

// typesOf returns the types but null, and whether null was among them. Integer
// beside number is number, which holds both.
func typesOf(n *node, path string) (types []string, nullable bool, err error) {
	if n.absent() {
		return nil, false, nil
	}
	list, ok := n.strings()
	if n.kind == kindString {
		list, ok = []string{n.text}, true
	}
	if !ok {
		return nil, false, at(path, "type is %s, must be a name or a list of names", n.what())
	}
	for _, t := range list {
		switch t {
		case "null":
			nullable = true
		case "object", "array", "string", "number", "integer", "boolean":
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		default:
			return nil, false, at(path, "%q is no type of JSON Schema", t)
		}
	}
	return widen(types), nullable, nil
}

func widen(types []string) []string {
	if len(types) == 2 && slices.Contains(types, "number") && slices.Contains(types, "integer") {
		return []string{"number"}
	}
	return types
}

func (r *schemaReader) typed(n *node, kind string, nullable bool, path string, depth int) (*Schema, error) {
	s := &Schema{Type: kind, Nullable: nullable}
	switch kind {
	case "string":
		if f := n.get("format"); f.is(kindString) && (f.text == "date-time" || f.text == "date") {
			s.Format = f.text
		}
	case "object":
		props := n.get("properties")
		if props.absent() {
			return s, nil
		}
		if props.kind != kindObject {
			return nil, at(path, "properties is %s, must be an object", props.what())
		}
		for _, m := range props.members {
			p, err := r.read(m.value, join(path, m.name), depth+1)
			if err != nil {
				return nil, err
			}
			s.Properties = append(s.Properties, Property{m.name, p})
		}
	case "array":
		items := n.get("items")
		// A list of schemas and an empty one say nothing that one schema could
		// hold: the elements stay open, so that no value is refused.
		if items.absent() || items.kind != kindObject || len(items.members) == 0 {
			return s, nil
		}
		var err error
		if s.Items, err = r.read(items, join(path, "items"), depth+1); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// untyped reads a schema that names no type but null.
func (r *schemaReader) untyped(n *node, nullable bool, path string, depth int) (*Schema, error) {
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		list := n.get(keyword)
		if list.absent() {
			continue
		}
		if list.kind != kindArray {
			return nil, at(path, "%s is %s, must be a list", keyword, list.what())
		}
		if keyword == "allOf" && len(list.members) != 1 || len(list.members) == 0 {
			continue
		}
		s, err := r.branches(list, path, depth)
		if err != nil {
			return nil, err
		}
		s.Nullable = s.Nullable || nullable
		return s, nil
	}
	switch {
	case !n.get("properties").absent():
		return r.typed(n, "object", true, path, depth)
	case !n.get("items").absent():
		return r.typed(n, "array", true, path, depth)
	}
	return anything(), nil
}

// branches folds alternatives into one schema: the only branch that is not
// null, or what all of them have in common, or text.
func (r *schemaReader) branches(list *node, path string, depth int) (*Schema, error) {
	var one *Schema
	nullable := false
	for _, m := range list.members {
		if onlyNull(m.value) {
			nullable = true
			continue
		}
		s, err := r.read(m.value, path, depth+1)
		if err != nil {
			return nil, err
		}
		nullable = nullable || s.Nullable
		s.Nullable = false
		one = common(one, s)
	}
	if one == nil {
		return anything(), nil
	}
	one.Nullable = nullable
	return one, nil
}

// onlyNull reports a branch that holds null and nothing else.
func onlyNull(n *node) bool {
	switch t := n.get("type"); {
	case t.is(kindString):
		return t.text == "null"
	case t.is(kindArray):
		return len(t.members) == 1 && t.members[0].value.text == "null"
	}
	if e := n.get("enum"); e.is(kindArray) {
		return len(e.members) == 1 && e.members[0].value.kind == kindNull
	}
	return n.get("const").is(kindNull)
}

func common(a, b *Schema) *Schema {
	switch {
	case a == nil || a.Equal(b):
		return b
	case len(widen([]string{a.Type, b.Type})) == 1:
		return &Schema{Type: "number"}
	}
	return &Schema{Type: "string"}
}

// follow resolves a reference into the same document.
func (r *schemaReader) follow(ref *node, path string, depth int) (*Schema, error) {
	if ref.kind != kindString {
		return nil, at(path, "$ref is %s, must be a string", ref.what())
	}
	pointer, local := strings.CutPrefix(ref.text, "#")
	if !local {
		return nil, at(path, "$ref %q points outside the schema; only references of the form #/definitions/x are resolved", ref.text)
	}
	if slices.Contains(r.refs, ref.text) {
		return nil, at(path, "$ref %q leads back to itself", ref.text)
	}
	target, ok := r.lookup(pointer)
	if !ok {
		return nil, at(path, "$ref %q points nowhere", ref.text)
	}
	r.refs = append(r.refs, ref.text)
	s, err := r.read(target, path, depth+1)
	r.refs = r.refs[:len(r.refs)-1]
	return s, err
}

// lookup follows a JSON pointer (RFC 6901) in its URI fragment form.
func (r *schemaReader) lookup(pointer string) (*node, bool) {
	n := r.root
	if pointer == "" {
		return n, true
	}
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		if decoded, err := url.PathUnescape(part); err == nil {
			part = decoded
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		if n.kind == kindArray {
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(n.members) {
				return nil, false
			}
			n = n.members[i].value
		} else if n = n.get(part); n == nil {
			return nil, false
		}
	}
	return n, true
}

// AppendJSON writes the schema compactly, properties in their order.
func (s *Schema) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	if s.Nullable {
		dst = append(dst, `["null",`...)
	}
	dst = appendString(dst, s.Type)
	if s.Nullable {
		dst = append(dst, ']')
	}
	if s.Format != "" {
		dst = appendString(append(dst, `,"format":`...), s.Format)
	}
	if len(s.Properties) > 0 {
		dst = append(dst, `,"properties":{`...)
		for i, p := range s.Properties {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, p.Name), ':')
			dst = p.Schema.AppendJSON(dst)
		}
		dst = append(dst, '}')
	}
	if s.Items != nil {
		dst = s.Items.AppendJSON(append(dst, `,"items":`...))
	}
	return append(dst, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (s *Schema) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// UnmarshalJSON reads any schema, not only that of a record, as [ParseSchema] does.
func (s *Schema) UnmarshalJSON(data []byte) error {
	n, err := parseTree(data)
	if err != nil {
		return schemaFault(err)
	}
	r := schemaReader{root: n}
	read, err := r.read(n, "", 0)
	if err != nil {
		return schemaFault(err)
	}
	*s = *read
	return nil
}

// Equal reports whether both schemas say the same, the order of properties included.
func (s *Schema) Equal(o *Schema) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Type == o.Type && s.Nullable == o.Nullable && s.Format == o.Format && s.Items.Equal(o.Items) &&
		slices.EqualFunc(s.Properties, o.Properties, func(a, b Property) bool {
			return a.Name == b.Name && a.Schema.Equal(b.Schema)
		})
}

// Select returns the schema with only those properties that keep accepts, in
// the same order. The schemas of the properties are shared, not copied.
func (s *Schema) Select(keep func(name string) bool) *Schema {
	reduced := *s
	reduced.Properties = nil
	for _, p := range s.Properties {
		if keep(p.Name) {
			reduced.Properties = append(reduced.Properties, p)
		}
	}
	return &reduced
}

// Clone returns a deep copy.
func (s *Schema) Clone() *Schema {
	if s == nil {
		return nil
	}
	c := *s
	c.Items = s.Items.Clone()
	c.Properties = slices.Clone(s.Properties)
	for i := range c.Properties {
		c.Properties[i].Schema = c.Properties[i].Schema.Clone()
	}
	return &c
}

// WithKey returns a copy in which the key properties are not nullable and every
// other property is, at any depth: a vendor's null must never break a record,
// whatever the document said that the schema came from.
func (s *Schema) WithKey(key []string) *Schema {
	c := s.Clone()
	c.loosen()
	for _, name := range key {
		if p := c.Property(name); p != nil {
			p.Nullable = false
		}
	}
	return c
}

func (s *Schema) loosen() {
	for _, p := range s.Properties {
		p.Schema.Nullable = true
		p.Schema.loosen()
	}
	if s.Items != nil {
		s.Items.loosen()
	}
}
