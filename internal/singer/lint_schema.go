package singer

import (
	"fmt"
	"slices"
	"strings"
)

const maxName = 63

// A column is a property of a declared schema, made ready for checking values.
type column struct {
	name     string
	path     string // name inside its parents, once a message needed it
	kind     byte   // 'o' object, 'a' array, 's', 'i', 'n', 'b'; 0 when the schema was no good
	nullable bool
	format   byte // 't' date-time, 'd' date
	key      bool
	cols     []*column
	index    map[string]int
	items    *column
	seen     int64 // number of the last record that held it
}

func (l *linter) schemaMessage() {
	m := &l.msg
	if !m.hasStream || m.stream == "" || m.schema == nil {
		l.fail(ruleMessages, m.stream, "SCHEMA needs stream and schema")
		return
	}
	st := l.stream(m.stream)
	if st.declared {
		l.fail(ruleSchemaOnce, m.stream, "a second SCHEMA for the stream")
	} else {
		l.streamName(m.stream)
	}
	st.declared = true
	n, err := parseTree(m.schema)
	if err != nil {
		l.fail(ruleSchema, m.stream, fmt.Sprintf("schema: %v", err))
		return
	}
	st.root, st.key, st.repl = l.rootColumn(n), nil, nil
	l.keyProperties(st)
	l.bookmarkProperties(st)
}

func (l *linter) streamName(name string) {
	odd := strings.IndexFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	switch {
	case odd >= 0 || name[0] == '_' || name[0] <= '9':
		l.fail(ruleNames, name, "stream names are [a-z_]+ and begin with a letter")
	case strings.ContainsAny(name, "0123456789"):
		l.warn(ruleNames, name, "a digit in a stream name fails tap-tester")
	}
	if len(name) > maxName {
		l.fail(ruleNames, name, fmt.Sprintf("the stream name is longer than %d characters", maxName))
	}
}

// rootColumn checks the schema of a record.
func (l *linter) rootColumn(n *node) *column {
	stream := l.msg.stream
	if t := n.get("type"); !t.is(kindString) || t.text != "object" {
		l.fail(ruleSchema, stream, `the schema's type is not "object"`)
	}
	root := &column{kind: 'o'}
	for _, m := range n.members {
		if m.name != "type" && m.name != "properties" {
			l.fail(ruleSchema, stream, fmt.Sprintf("keyword %q in the schema", m.name))
		}
	}
	props := n.get("properties")
	if !props.is(kindObject) || len(props.members) == 0 {
		l.fail(ruleSchema, stream, "the schema has no properties")
		return root
	}
	l.propertyNames(props.names())
	l.columns(root, props, "", false)
	return root
}

func (l *linter) columns(into *column, props *node, path string, nullable bool) {
	into.index = make(map[string]int, len(props.members))
	for i, m := range props.members {
		c := l.column(m.value, join(path, m.name), path != "", nullable)
		c.name = m.name
		into.cols = append(into.cols, c)
		into.index[m.name] = i
	}
}

// column checks the schema of a property. inObject says that it is inside of
// another one, underNull that one of those may be null.
func (l *linter) column(n *node, path string, inObject, underNull bool) *column {
	stream, c := l.msg.stream, &column{}
	fail := func(rule int, format string, args ...any) {
		l.fail(rule, stream, fmt.Sprintf("property %q: ", path)+fmt.Sprintf(format, args...))
	}
	if !n.is(kindObject) {
		fail(ruleTypes, "its schema is %s", n.what())
		return c
	}
	for _, m := range n.members {
		switch m.name {
		case "type", "format", "properties", "items":
		case "anyOf", "oneOf", "allOf":
			fail(ruleTypes, "keyword %q", m.name)
		default:
			fail(ruleSchema, "keyword %q", m.name)
		}
	}
	kind := l.columnType(c, n.get("type"), fail)
	if f := n.get("format"); f != nil {
		switch {
		case kind == "string" && f.is(kindString) && f.text == "date-time":
			c.format = 't'
			if inObject && underNull {
				fail(ruleNested, "a date-time inside of an object that may be null")
			}
		case kind == "string" && f.is(kindString) && f.text == "date":
			c.format = 'd'
		default:
			fail(ruleDates, "format %s; only date-time and date of strings load everywhere", sample([]byte(f.text)))
		}
	}
	props, items := n.get("properties"), n.get("items")
	switch {
	case kind == "object" && (!props.is(kindObject) || len(props.members) == 0):
		fail(ruleStructures, "an object without properties")
	case kind == "object":
		l.columns(c, props, path, underNull || c.nullable)
	case kind == "array" && !items.is(kindObject):
		fail(ruleStructures, "an array without items")
	case kind == "array":
		c.items = l.column(items, join(path, "items"), inObject, underNull)
	case props != nil || items != nil:
		fail(ruleStructures, "properties and items belong to objects and arrays")
	}
	return c
}

var columnKinds = map[string]byte{"object": 'o', "array": 'a', "string": 's', "integer": 'i', "number": 'n', "boolean": 'b'}

func (l *linter) columnType(c *column, t *node, fail func(rule int, format string, args ...any)) string {
	types, ok := t.strings()
	if t.is(kindString) {
		types, ok = []string{t.text}, true
	}
	if !ok || len(types) == 0 {
		fail(ruleTypes, "has no type")
		return ""
	}
	rest := slices.DeleteFunc(slices.Clone(types), func(s string) bool { return s == "null" })
	c.nullable = len(rest) < len(types)
	if len(rest) != 1 {
		fail(ruleTypes, "has not exactly one type besides null")
		return ""
	}
	if len(types) > 2 || c.nullable && types[0] != "null" {
		l.add(SeverityWarning, ruleTypes, l.msg.stream, "null first", `nullable types are written ["null", T]`)
	}
	if c.kind, ok = columnKinds[rest[0]]; !ok {
		fail(ruleTypes, "%s is no type", sample([]byte(rest[0])))
	}
	return rest[0]
}

func (l *linter) propertyNames(names []string) {
	stream := l.msg.stream
	folded := make(map[string]string, 3*len(names))
	for _, name := range names {
		// A vendor's own $-names stay as they are: consumers rename them, but
		// nothing is lost.
		plain, dollar := strings.CutPrefix(name, "$")
		odd := strings.IndexFunc(plain, func(r rune) bool {
			return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		})
		switch {
		case plain == "" || odd >= 0 || plain[0] >= '0' && plain[0] <= '9':
			l.fail(ruleNames, stream, fmt.Sprintf("property %q: names are ASCII word characters and do not begin with a digit", name))
		case dollar:
			l.warn(ruleNames, stream, fmt.Sprintf("property %q: consumers rename it", name))
		}
		if len(name) > maxName {
			l.fail(ruleNames, stream, fmt.Sprintf("property %q: is longer than %d characters", name, maxName))
		}
		if strings.HasPrefix(name, "_sdc_") {
			l.fail(ruleUndeclared, stream, fmt.Sprintf("property %q: _sdc_ names belong to targets", name))
		}
		for _, form := range []string{strings.ToLower(name), wordsOnly(strings.ToLower(name)), wordsOnly(snake(name))} {
			if other, ok := folded[form]; ok && other != name {
				l.fail(ruleNames, stream, fmt.Sprintf("properties %q and %q become the same column", other, name))
				break
			}
			folded[form] = name
		}
	}
}

func wordsOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// snake folds a name as the SQL targets of the SDK do: AccountID and account_id
// are one column.
func snake(s string) string {
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' }
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if i > 0 && upper(c) && (lower(s[i-1]) || s[i-1] >= '0' && s[i-1] <= '9' || upper(s[i-1]) && i+1 < len(s) && lower(s[i+1])) {
			b.WriteByte('_')
		}
		if upper(c) {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (l *linter) keyProperties(st *lintStream) {
	names, ok := l.nameList(l.msg.keyProps)
	if !ok || len(names) == 0 {
		l.fail(ruleKey, st.name, "key_properties is not a list of names, or an empty one")
		return
	}
	for i, name := range names {
		at, ok := st.root.index[name]
		if !ok || slices.Contains(names[:i], name) {
			l.fail(ruleKey, st.name, fmt.Sprintf("key property %q: is not in the schema, or named twice", name))
			continue
		}
		c := st.root.cols[at]
		c.key = true
		st.key = append(st.key, c)
		switch {
		case c.kind == 'o' || c.kind == 'a':
			l.fail(ruleKey, st.name, fmt.Sprintf("key property %q: is not a scalar", name))
		case c.nullable:
			l.warn(ruleKey, st.name, fmt.Sprintf("key property %q: is declared nullable", name))
		}
	}
}

func (l *linter) bookmarkProperties(st *lintStream) {
	if l.msg.bookmarkKeys == nil {
		return
	}
	names, ok := l.nameList(l.msg.bookmarkKeys)
	if !ok {
		l.fail(ruleUndeclared, st.name, "bookmark_properties is not a list of names")
		return
	}
	for _, name := range names {
		at, ok := st.root.index[name]
		if !ok {
			l.fail(ruleUndeclared, st.name, fmt.Sprintf("bookmark property %q: is not in the schema", name))
		} else if st.repl == nil {
			st.repl = st.root.cols[at]
		}
	}
}

func (l *linter) nameList(raw []byte) ([]string, bool) {
	n, err := parseTree(raw)
	if err != nil {
		return nil, false
	}
	return n.strings()
}
