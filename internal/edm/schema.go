package edm

import (
	"fmt"
	"slices"
	"strings"
)

// Division is the property that the tap adds to the rows of a division.
const Division = "_division"

// Schema returns the JSON Schema of the set's stream: the key first, the
// division's number at its head, then the properties in their order.
func (s *Set) Schema() []byte {
	all := s.Properties()
	b := make([]byte, 0, 128+96*len(all))
	b = append(b, "{\n  \"type\": \"object\",\n  \"properties\": {\n"...)
	first := true
	add := func(name, schema string) {
		if !first {
			b = append(b, ",\n"...)
		}
		first = false
		b = append(append(append(append(b, `    "`...), name...), `": `...), schema...)
	}
	if s.Scoped() {
		add(Division, `{"type": "integer"}`)
	}
	for _, key := range s.Key {
		i := slices.IndexFunc(all, func(p Property) bool { return p.Name == key })
		add(key, `{"type": "`+all[i].Type.json()+`"}`)
	}
	for _, p := range all {
		if !slices.Contains(s.Key, p.Name) {
			add(p.Name, p.schema(true))
		}
	}
	return append(b, "\n  }\n}\n"...)
}

// schema is the nullable schema of a property; formats belong to the top level.
func (p *Property) schema(top bool) string {
	switch {
	case p.Type == DateTime && top:
		return `{"type": ["null", "string"], "format": "date-time"}`
	case p.Type == Complex:
		var inner []string
		for i := range p.Members {
			inner = append(inner, fmt.Sprintf("%q: %s", p.Members[i].Name, p.Members[i].schema(false)))
		}
		return `{"type": ["null", "object"], "properties": {` + strings.Join(inner, ", ") + `}}`
	}
	return `{"type": ["null", "` + p.Type.json() + `"]}`
}

// json is the JSON type of a scalar. What is of unknown shape is kept as text.
func (t Type) json() string {
	switch t {
	case Int16, Int32, Int64, Byte:
		return "integer"
	case Double:
		return "number"
	case Boolean:
		return "boolean"
	}
	return "string"
}
