// Package edm owns the entity data model of Exact Online's REST API: which
// entity sets there are, where, and of what type their properties are. It is
// data that the vendor publishes, so the tap's table, the schemas and the
// sandbox may all be made from it without sharing a mistake of ours.
//
// It does no I/O at run time and must hold no knowledge of how a set is read.
package edm

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Variant is the family of an entity set (DOC, the vendor's "API types").
type Variant int

// The families: 60 rows a page and writable; 1,000 a page; 1,000 a page by row
// version; computed lists, mostly in one answer.
const (
	Single Variant = iota
	Bulk
	Sync
	Read
)

// Type is an Edm type, as far as it matters on the wire.
type Type int

// The types. A List is a collection, which is a link unless it is expanded; Any
// is a complex type of unknown shape.
const (
	String Type = iota
	Guid
	Int16
	Int32
	Int64
	Byte
	Double
	Boolean
	DateTime
	Binary
	Complex
	List
	Any
)

var types = map[string]Type{
	"": String, "guid": Guid, "int16": Int16, "int32": Int32, "int64": Int64, "byte": Byte, "double": Double,
	"bool": Boolean, "time": DateTime, "binary": Binary, "list": List, "any": Any,
}

// Property is one property of a set.
type Property struct {
	Name    string
	Type    Type
	Members []Property // of a Complex
}

// Set is one entity set that is a stream.
type Set struct {
	Name       string // the stream's
	Path       string // below /api/v1/, {division} in it where it belongs to one
	Variant    Variant
	Key        []string // the vendor's key properties
	Cursor     string   // Timestamp, Modified, or "" where it has neither
	Scope      string   // what an app must have been granted, "" where unknown
	Selected   bool     // read unless the user chooses otherwise
	Twin       string   // the sync set that holds the same rows, "" for none
	EntityType int      // number in sync/Deleted, 0 for none
	NoStar     bool     // refuses $select=*
	Deprecated bool
	Client     bool // known from picqer/exact-php-client alone (CLIENT), else DOC

	text string // the properties as they are written
}

// Scoped tells whether the set belongs to a division.
func (s *Set) Scoped() bool { return strings.Contains(s.Path, "{division}") }

// Service is the first part of the path that tells what a set is about, with
// the family before it: "crm", "sync/CRM", "beta/payroll".
func (s *Set) Service() string {
	p := strings.Replace(s.Path, "{division}/", "", 1)
	parts := strings.Split(p, "/")
	if len(parts) > 1 {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts, "/")
}

// Properties returns the properties in the order of the reference, without the
// collections. They are read anew at each call.
func (s *Set) Properties() []Property {
	return slices.DeleteFunc(properties(s.text), func(p Property) bool { return p.Type == List })
}

// Deferred names the collections, which carry nothing but a link.
func (s *Set) Deferred() []string {
	var out []string
	for _, p := range properties(s.text) {
		if p.Type == List {
			out = append(out, p.Name)
		}
	}
	return out
}

//go:embed exact_online.txt
var text string

type model struct {
	sets   []Set
	byName map[string]*Set
	types  map[string]string // properties of the named complex types, as written
}

var load = sync.OnceValue(func() *model {
	m := &model{types: map[string]string{}, byName: map[string]*Set{}}
	for rest := text; rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		end := len(after) // the properties end where a line begins at the margin
		for i := 0; i < len(after); {
			if after[i] != ' ' {
				end = i
				break
			}
			n := strings.IndexByte(after[i:], '\n')
			i += n + 1
		}
		body := after[:end]
		rest = after[end:]
		switch {
		case line == "", line[0] == '#':
		case strings.HasPrefix(line, "type "):
			m.types[line[len("type "):]] = body
		default:
			s := set(line)
			s.text = body
			m.sets = append(m.sets, s)
		}
	}
	for i := range m.sets {
		m.byName[m.sets[i].Name] = &m.sets[i]
	}
	return m
})

// Sets returns all sets in the order of the reference. They must not be changed.
func Sets() []Set { return load().sets }

// Find returns the set of that name, nil for none.
func Find(name string) *Set { return load().byName[name] }

// set reads the line of a set.
func set(line string) Set {
	line, scope, _ := strings.Cut(line, ` scope="`)
	words := strings.Fields(line)
	s := Set{Name: words[0], Path: words[1], Scope: strings.TrimSuffix(scope, `"`)}
	for i, v := range []string{"sync/", "bulk/", "read/"} {
		if strings.Contains(s.Path, "}/"+v) {
			s.Variant = []Variant{Sync, Bulk, Read}[i]
		}
	}
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "key":
			s.Key = strings.Split(value, ",")
		case "cursor":
			s.Cursor = value
		case "selected":
			s.Selected = true
		case "twin":
			s.Twin = value
		case "nostar":
			s.NoStar = true
		case "deprecated":
			s.Deprecated = true
		case "by":
			s.Client = true
		case "deleted":
			s.EntityType, _ = strconv.Atoi(value)
		default:
			// invariant: the file is part of the program, and a test reads it
			panic(fmt.Sprintf("edm: %s: unknown word %q", s.Name, w))
		}
	}
	return s
}

func properties(body string) []Property {
	out := make([]Property, 0, strings.Count(body, ":"))
	for w := range strings.FieldsSeq(body) {
		name, kind, _ := strings.Cut(w, ":")
		p := Property{Name: name}
		if t, ok := types[kind]; ok {
			p.Type = t
		} else {
			inner, ok := load().types[kind]
			if !ok {
				// invariant: as above
				panic(fmt.Sprintf("edm: property %s: unknown type %q", name, kind))
			}
			p.Type, p.Members = Complex, properties(inner)
		}
		out = append(out, p)
	}
	return out
}
