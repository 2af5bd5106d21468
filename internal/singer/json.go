package singer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep a document of a user may nest, so that a hostile
// one ends in an error instead of a spent stack.
const maxDepth = 100

// A node is a JSON value that keeps the order of its members and the digits of
// its numbers, which maps and float64 would lose.
type node struct {
	kind    byte   // one of the kind constants
	text    string // the decoded string, or the literal of any other scalar
	members []member
	index   map[string]int // name to position, only once members are many
}

// A member is a named value of an object, or a nameless one of an array.
type member struct {
	name  string
	value *node
}

const (
	kindObject = '{'
	kindArray  = '['
	kindString = '"'
	kindNumber = '0'
	kindBool   = 't'
	kindNull   = 'n'
)

// manyMembers is where looking a name up in a map begins to pay.
const manyMembers = 16

// errSeveral reports whole JSON values behind the first one, which is how a log
// of a target's states looks.
var errSeveral = errors.New("several JSON documents in one file")

// parseTree reads one JSON document. A byte order mark is dropped, because
// editors on Windows write one.
func parseTree(data []byte) (*node, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, errors.New("is UTF-16 text, JSON files are UTF-8")
	}
	s := scanner{b: trimBOM(data)}
	n, ok := s.tree(0)
	switch {
	case s.bad&textUTF8 != 0:
		return nil, errors.New("is not UTF-8 text")
	case s.deep:
		return nil, fmt.Errorf("nests deeper than %d levels", maxDepth)
	case !ok:
		return nil, syntaxError(s.b)
	}
	switch s.next() {
	case '{', '[':
		return nil, errSeveral
	case 0:
		if s.i == len(s.b) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("line %d: text after the end of the JSON document", lineAt(s.b, s.i))
}

func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// blank reports a document without content: nothing, or only white space.
func blank(data []byte) bool { return len(bytes.TrimSpace(trimBOM(data))) == 0 }

// syntaxError lets encoding/json say what is wrong: it finds the same faults as
// our scanner, and words for them.
func syntaxError(data []byte) error {
	err := json.Unmarshal(data, new(json.RawMessage))
	s, ok := errors.AsType[*json.SyntaxError](err)
	if !ok || int(s.Offset) >= len(data) && strings.Contains(s.Error(), "end of JSON") {
		return fmt.Errorf("line %d: the JSON document ends in the middle", lineAt(data, len(data)))
	}
	return fmt.Errorf("line %d: %w", lineAt(data, int(s.Offset)), err)
}

func lineAt(data []byte, at int) int {
	return 1 + bytes.Count(data[:min(at, len(data))], []byte("\n"))
}

// tree reads any value, where skip only checks it. Of members with one name the
// last one counts.
func (s *scanner) tree(depth int) (*node, bool) {
	if depth > maxDepth {
		s.deep = true
		return nil, false
	}
	n := &node{kind: kindNumber}
	switch c := s.next(); c {
	case kindObject:
		n.kind = c
		return n, s.members(func(name token) bool {
			v, ok := s.tree(depth + 1)
			n.set(string(name.value()), v)
			return ok
		})
	case kindArray:
		n.kind = c
		return n, s.elements(func() bool {
			v, ok := s.tree(depth + 1)
			n.members = append(n.members, member{value: v})
			return ok
		})
	case kindString:
		n.kind = c
		t, ok := s.str()
		n.text = string(t.value())
		return n, ok
	case 't', 'f':
		n.kind = kindBool
	case 'n':
		n.kind = kindNull
	}
	from := s.i
	ok := s.skip(depth)
	n.text = string(s.b[from:s.i])
	return n, ok
}

func newObject() *node { return &node{kind: kindObject} }

func newNull() *node { return &node{kind: kindNull, text: "null"} }

// find returns the position of the named member, or -1.
func (n *node) find(name string) int {
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.members {
		if n.members[i].name == name {
			return i
		}
	}
	return -1
}

// get returns the named member, or nil. It may be asked of nil.
func (n *node) get(name string) *node {
	if n == nil || n.kind != kindObject {
		return nil
	}
	if i := n.find(name); i >= 0 {
		return n.members[i].value
	}
	return nil
}

// set replaces the named member in its place, or appends it.
func (n *node) set(name string, v *node) {
	if i := n.find(name); i >= 0 {
		n.members[i].value = v
		return
	}
	n.members = append(n.members, member{name, v})
	switch {
	case n.index != nil:
		n.index[name] = len(n.members) - 1
	case len(n.members) > manyMembers:
		n.index = make(map[string]int, 2*len(n.members))
		for i := range n.members {
			n.index[n.members[i].name] = i
		}
	}
}

// is reports the kind of a node that may be missing.
func (n *node) is(kind byte) bool { return n != nil && n.kind == kind }

// absent reports a member that is missing or null.
func (n *node) absent() bool { return n == nil || n.kind == kindNull }

// scalar reports a string, a number or a boolean.
func (n *node) scalar() bool {
	return n.is(kindString) || n.is(kindNumber) || n.is(kindBool)
}

// what names a node's kind in a message.
func (n *node) what() string {
	switch {
	case n == nil:
		return "missing"
	case n.kind == kindObject:
		return "an object"
	case n.kind == kindArray:
		return "a list"
	case n.kind == kindString:
		return "a string"
	case n.kind == kindNumber:
		return "a number"
	case n.kind == kindBool:
		return "a boolean"
	}
	return "null"
}

// strings returns the elements of a list of strings.
func (n *node) strings() ([]string, bool) {
	if !n.is(kindArray) {
		return nil, false
	}
	list := make([]string, 0, len(n.members))
	for _, m := range n.members {
		if m.value.kind != kindString {
			return nil, false
		}
		list = append(list, m.value.text)
	}
	return list, true
}

// clone copies a tree.
func (n *node) clone() *node {
	c := &node{kind: n.kind, text: n.text}
	for _, m := range n.members {
		if n.kind == kindObject {
			c.set(m.name, m.value.clone())
		} else {
			c.members = append(c.members, member{value: m.value.clone()})
		}
	}
	return c
}

// append writes a tree compactly.
func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case kindObject:
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case kindArray:
		dst = append(dst, '[')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.value.append(dst)
		}
		return append(dst, ']')
	case kindString:
		return appendString(dst, n.text)
	}
	return append(dst, n.text...)
}

// appendString writes a JSON string. Only what JSON demands is escaped: the
// HTML escapes of encoding/json would make names unreadable.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}

// appendStrings writes a list of strings; sep goes between the elements.
func appendStrings(dst []byte, list []string, sep string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, sep...)
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}
