package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxName is the longest identifier of the most common target database.
const maxName = 63

var (
	propertyName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`) // $: Zoho has such members
	streamName   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	humpAfter    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	humpBefore   = regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`)
)

// Lint tells how a schema file breaks the rules of the house, a sentence each
// that begins with source, stream and property. An empty cursor stands for a
// stream without one.
//
// The rules: only the keywords type, format, properties and items; one type,
// with null before it on every property but the key, inside of objects too;
// formats date and date-time at top level only; objects with properties and
// arrays with items; names that every target takes and tells apart; the key
// scalar; the cursor a time, a date or an integer; nothing that the tap or a
// target adds itself. Names inside of objects are the vendor's: only their
// distinctness is asked for.
func Lint(source, stream string, schemaJSON []byte, key []string, cursor string) []string {
	l := &linter{place: source + "/" + stream}
	if !streamName.MatchString(stream) || len(stream) > maxName {
		l.add("", "the stream name is not lower case with underscores, or is longer than %d", maxName)
	}
	root, err := parse(schemaJSON)
	if err != nil {
		l.add("", "%v", err)
		return l.problems
	}
	if root.typ != "object" || root.nullable {
		l.add("", "the type is not object")
	}
	l.node("", root)
	for _, p := range root.properties {
		l.top(p, slices.Contains(key, p.name))
	}
	l.keys(root, key)
	if cursor != "" {
		l.cursor(root.find(cursor), cursor)
	}
	return l.problems
}

type linter struct {
	place    string
	problems []string
}

func (l *linter) add(at, format string, args ...any) {
	if at != "" {
		at = ": " + at
	}
	l.problems = append(l.problems, l.place+at+": "+fmt.Sprintf(format, args...))
}

// node judges what holds for a schema at any depth.
func (l *linter) node(at string, n *node) {
	for _, p := range n.problems {
		l.add(at, "%s", p)
	}
	switch n.typ {
	case "object":
		if len(n.properties) == 0 {
			l.add(at, "an object without properties: declare it a nullable string")
		}
	case "array":
		if n.items == nil {
			l.add(at, "an array without items: declare it a nullable string")
		}
	case "string", "number", "integer", "boolean":
	default:
		l.add(at, "the type is not one of object, array, string, number, integer, boolean")
	}
	if n.typ != "object" && n.properties != nil || n.typ != "array" && n.items != nil {
		l.add(at, "properties or items do not go with the type")
	}
	if n.format != "" && (n.typ != "string" || n.format != "date" && n.format != "date-time") {
		l.add(at, "the format is not date or date-time of a string")
	}
	l.distinct(at, n.properties)
	if n.items != nil {
		l.inside(at+"[]", n.items)
	}
	for _, p := range n.properties {
		if at == "" {
			l.node(p.name, p.schema)
			continue
		}
		if !p.schema.nullable {
			l.add(at+"."+p.name, "not nullable")
		}
		l.inside(at+"."+p.name, p.schema)
	}
}

// inside judges a schema inside of an array or object.
func (l *linter) inside(at string, n *node) {
	if n.format != "" {
		l.add(at, "a format inside of an object or array: its dates are plain strings")
	}
	l.node(at, n)
}

// distinct tells which names a target that folds them cannot tell apart.
func (l *linter) distinct(at string, ps []property) {
	seen := map[string]string{}
	for _, p := range ps {
		lower := strings.ToLower(p.name)
		for _, folded := range slices.Compact([]string{lower, snake(p.name)}) {
			if other, ok := seen[folded]; ok {
				l.add(at, "%s and %s are the same after folding", other, p.name)
				break
			}
		}
		seen[lower], seen[snake(p.name)] = p.name, p.name
	}
}

// snake folds a name as Meltano's SDK and pipelinewise do.
func snake(name string) string {
	name = humpBefore.ReplaceAllString(name, "${1}_$2")
	return strings.ToLower(humpAfter.ReplaceAllString(name, "${1}_$2"))
}

// top judges what holds for a property of the record.
func (l *linter) top(p property, isKey bool) {
	if !propertyName.MatchString(p.name) || len(p.name) > maxName {
		l.add(p.name, "the name has other characters than letters, digits, _ and $, or is longer than %d", maxName)
	}
	if lower := strings.ToLower(p.name); lower == "_rescued_data" || strings.HasPrefix(lower, "_sdc_") {
		l.add(p.name, "the tap or the target adds this one")
	}
	if p.schema.nullable == isKey {
		l.add(p.name, "%s", map[bool]string{true: "a key is not nullable", false: "not nullable"}[isKey])
	}
}

func (l *linter) keys(root *node, key []string) {
	if len(key) == 0 {
		l.add("", "no key")
	}
	for _, k := range key {
		switch n := root.find(k); {
		case n == nil:
			l.add(k, "the key is not a property")
		case n.typ == "object" || n.typ == "array":
			l.add(k, "the key is not scalar")
		}
	}
}

func (l *linter) cursor(n *node, name string) {
	switch {
	case n == nil:
		l.add(name, "the cursor is not a property")
	case n.typ != "integer" && (n.typ != "string" || n.format == ""):
		l.add(name, "the cursor is not a date-time, a date or an integer")
	}
}

// node is a schema as a file holds it, with what cannot be put into it.
type node struct {
	typ        string
	nullable   bool
	format     string
	properties []property
	items      *node
	problems   []string
}

type property struct {
	name   string
	schema *node
}

func (n *node) find(name string) *node {
	for _, p := range n.properties {
		if p.name == name {
			return p.schema
		}
	}
	return nil
}

// parse reads a schema and keeps the order of its properties.
func parse(raw []byte) (*node, error) {
	members, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	n := &node{}
	for _, m := range members {
		switch m.name {
		case "type":
			n.setType(m.raw)
		case "format":
			if json.Unmarshal(m.raw, &n.format) != nil || n.format == "" {
				n.problems = append(n.problems, "the format is not text")
			}
		case "items":
			if n.items, err = parse(m.raw); err != nil {
				return nil, fmt.Errorf("items: %w", err)
			}
		case "properties":
			inner, err := membersOf(m.raw)
			if err != nil {
				return nil, fmt.Errorf("properties: %w", err)
			}
			for _, p := range inner {
				s, err := parse(p.raw)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", p.name, err)
				}
				n.properties = append(n.properties, property{p.name, s})
			}
		default:
			n.problems = append(n.problems, "the keyword "+m.name+" does not load everywhere")
		}
	}
	return n, nil
}

// setType reads T and ["null", T]; any other form leaves the type empty.
func (n *node) setType(raw []byte) {
	if json.Unmarshal(raw, &n.typ) == nil {
		return
	}
	var two []string
	if json.Unmarshal(raw, &two) == nil && len(two) == 2 && two[0] == "null" {
		n.typ, n.nullable = two[1], true
	}
}

type member struct {
	name string
	raw  json.RawMessage
}

// membersOf lists the members of a JSON object in order, repeated ones too.
func membersOf(raw []byte) ([]member, error) {
	if !json.Valid(raw) || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nil, errors.New("not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	var members []member
	_, err := dec.Token()
	for err == nil && dec.More() {
		var t json.Token
		if t, err = dec.Token(); err == nil {
			m := member{name: t.(string)}
			err = dec.Decode(&m.raw)
			members = append(members, m)
		}
	}
	return members, err
}
