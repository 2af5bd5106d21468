package jsonspan

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Paths say what [Shape.Walk] looks for in a document. A path is a list of
// member names with dots between them; "" is the document itself.
type Paths struct {
	// Rows are the paths of the arrays whose elements are rows. A path may lead
	// on from another one ("d" and "d.results"): then an array at "d" holds the
	// rows, and an object at "d" is looked into.
	Rows []string
	// Captures are the paths of values of any kind that are wanted as spans.
	Captures []string
	// ObjectAsRow takes an object in place of an array of rows as the only row.
	// Where another rows path leads on from there ("d" and "d.results"), an
	// object that has that member is looked into instead.
	ObjectAsRow bool
}

// Shape is a set of compiled [Paths]. It is immutable.
type Shape struct {
	root     *node
	rows     []string
	captures []string
	one      bool // ObjectAsRow
}

// node is one member that leads to something wanted.
type node struct {
	name     string
	children []*node
	rows     int // index into Shape.rows, -1 for none
	capture  int // index into Shape.captures, -1 for none
	id       int // bit in walker.seen; the root's is never asked for
}

// maxNodes bounds the members of a shape: which of them a document has shown
// is kept in one word.
const maxNodes = 64

// CompileShape prepares paths for walking.
func CompileShape(p Paths) (*Shape, error) {
	s := &Shape{
		root: &node{rows: -1, capture: -1},
		rows: p.Rows, captures: p.Captures, one: p.ObjectAsRow,
	}
	nodes := 0
	for i, path := range p.Rows {
		n, err := s.root.add(path, &nodes)
		if err != nil {
			return nil, err
		}
		if n.rows >= 0 {
			return nil, errors.New("json shape: rows path " + strconv.Quote(path) + " is given twice")
		}
		n.rows = i
	}
	for i, path := range p.Captures {
		n, err := s.root.add(path, &nodes)
		if err != nil {
			return nil, err
		}
		if n.capture >= 0 {
			return nil, errors.New("json shape: capture " + strconv.Quote(path) + " is given twice")
		}
		n.capture = i
	}
	if p.ObjectAsRow {
		for i, path := range p.Rows {
			if n, _ := s.root.add(path, &nodes); len(n.children) > 0 && !n.leadsOn() {
				return nil, errors.New("json shape: an object at " + strconv.Quote(p.Rows[i]) +
					" cannot be both a row and looked into")
			}
		}
	}
	return s, nil
}

// add returns the node of a path, made if it is new.
func (n *node) add(path string, nodes *int) (*node, error) {
	if path == "" {
		return n, nil
	}
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			return nil, errors.New("json shape: empty name in path " + strconv.Quote(path))
		}
		child := n.child(name)
		if child == nil {
			if *nodes++; *nodes >= maxNodes {
				return nil, errors.New("json shape: too many paths")
			}
			child = &node{name: name, rows: -1, capture: -1, id: *nodes}
			n.children = append(n.children, child)
		}
		n = child
	}
	return n, nil
}

// leadsOn tells whether there are rows in a member right below.
func (n *node) leadsOn() bool {
	return slices.ContainsFunc(n.children, func(c *node) bool { return c.rows >= 0 })
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// ShapeError says that a document is JSON but not of the shape that was asked for.
type ShapeError struct {
	Path  string // the path, as it was given to [CompileShape]
	Found string // what was there instead, in words
}

// Error renders path and finding.
func (e *ShapeError) Error() string {
	path := e.Path
	if path == "" {
		path = "the document"
	}
	return "json: " + path + ": found " + e.Found
}

// RowFunc reads the object that starts at b[i], a row of the rows path with the
// given index, and returns its end. It must check every byte between: [Shape.Walk]
// goes on at end and does not look back. An error ends the walk.
type RowFunc func(rows int, b []byte, i int) (end int, err error)

// Page is what [Shape.Walk] found in one document. The zero Page is ready; one
// that is used again does not allocate.
type Page struct {
	rows     []rowsFound
	captures [][]byte
}

type rowsFound struct {
	found, null bool
	n           int
}

// Found tells whether the rows path with index i was there, as an array, as an
// object taken for a row, or as null.
func (p *Page) Found(i int) bool { return p.rows[i].found }

// Null tells whether the rows path with index i was there and null.
func (p *Page) Null(i int) bool { return p.rows[i].null }

// Rows returns how many rows the rows path with index i held.
func (p *Page) Rows(i int) int { return p.rows[i].n }

// Capture returns the bytes of the capture with index i, nil if it was not
// there. They are part of the walked document.
func (p *Page) Capture(i int) []byte { return p.captures[i] }

// Forget lets go of the walked document, so that its memory can be given back.
func (p *Page) Forget() { clear(p.captures) }

func (p *Page) reset(s *Shape) {
	if len(p.rows) != len(s.rows) || len(p.captures) != len(s.captures) {
		p.rows, p.captures = make([]rowsFound, len(s.rows)), make([][]byte, len(s.captures))
	}
	clear(p.rows)
	clear(p.captures)
}

// walker is one pass over one document.
type walker struct {
	*Shape
	page *Page
	row  RowFunc
	seen uint64 // nodes whose member has been met, by id
}

// Walk reads a whole document in one pass, calls row for each row in the order
// of the document, and leaves what else it found in page. It checks every byte
// that row does not. Anything but objects among the rows, a row beyond [MaxRow],
// something else than an array or null where rows should be, a document that is
// null itself, and a member of a path that comes twice are a [ShapeError].
func (s *Shape) Walk(body []byte, page *Page, row RowFunc) error {
	page.reset(s)
	w := walker{Shape: s, page: page, row: row}
	i, err := w.value(body, Space(body, 0), s.root)
	if err != nil {
		return err
	}
	if i = Space(body, i); i < len(body) {
		return Fault(body, i, "something after the document")
	}
	return nil
}

// value reads the value of a node's member.
func (w *walker) value(b []byte, i int, n *node) (end int, err error) {
	if i >= len(b) {
		return 0, Fault(b, i, "")
	}
	switch c := b[i]; {
	case n.rows >= 0 && c == '[':
		end, err = w.array(b, i, n.rows)
	case n.rows >= 0 && c == '{' && w.one && !n.envelope(b, i):
		w.page.rows[n.rows].found = true
		end, err = w.call(b, i, n.rows)
	case c == '{' && len(n.children) > 0:
		end, err = w.object(b, i, n)
	default:
		var info Info
		end, info, err = Scan(b, i)
		if err != nil || n.rows < 0 {
			break
		}
		if info != Null || n == w.root {
			return 0, &ShapeError{w.rows[n.rows], article(info) + " in place of an array"}
		}
		w.page.rows[n.rows] = rowsFound{found: true, null: true}
	}
	if err == nil && n.capture >= 0 {
		w.page.captures[n.capture] = b[i:end]
	}
	return end, err
}

// envelope tells whether the object at b[i] has a member in which there are
// rows. One that cannot be read has none: whoever reads it next says so.
func (n *node) envelope(b []byte, i int) bool {
	if len(n.children) == 0 {
		return false
	}
	m := NewMembers(b, i)
	for m.Next() {
		if slices.ContainsFunc(n.children, func(c *node) bool { return c.rows >= 0 && m.Named(c.name) }) {
			return true
		}
	}
	return false
}

// article renders a kind as it stands in a sentence.
func article(info Info) string {
	switch k := info.Kind(); k {
	case Null:
		return "null"
	case Integer, Object, Array:
		return "an " + k.String()
	default:
		return "a " + k.String()
	}
}

// object looks for the children of n among the members of the object at b[i].
func (w *walker) object(b []byte, i int, n *node) (end int, err error) {
	i = Space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		end, value, info, err := Name(b, i)
		if err != nil {
			return 0, err
		}
		if child := n.match(b[i+1:end-1], info); child == nil {
			i, err = Value(b, value)
		} else if bit := uint64(1) << child.id; w.seen&bit != 0 {
			return 0, &ShapeError{w.path(child), "a second one"}
		} else {
			w.seen |= bit
			i, err = w.value(b, value, child)
		}
		if err != nil {
			return 0, err
		}
		i = Space(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = Space(b, i+1)
		case i < len(b) && b[i] == '}':
			return i + 1, nil
		default:
			return 0, Fault(b, i, "comma or closing bracket expected")
		}
	}
}

// match returns the child that a member's name leads to.
func (n *node) match(name []byte, info Info) *node {
	for _, c := range n.children {
		if equalText(name, info, c.name) {
			return c
		}
	}
	return nil
}

// path returns the path of the first thing wanted at or below n.
func (w *walker) path(n *node) string {
	switch {
	case n.rows >= 0:
		return w.rows[n.rows]
	case n.capture >= 0:
		return w.captures[n.capture]
	}
	return w.path(n.children[0])
}

// array calls back for each element of the array at b[i].
func (w *walker) array(b []byte, i, rows int) (end int, err error) {
	w.page.rows[rows].found = true
	i = Space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		if i, err = w.call(b, i, rows); err != nil {
			return 0, err
		}
		i = Space(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = Space(b, i+1)
		case i < len(b) && b[i] == ']':
			return i + 1, nil
		default:
			return 0, Fault(b, i, "comma or closing bracket expected")
		}
	}
}

// call hands the row at b[i] to the caller.
func (w *walker) call(b []byte, i, rows int) (end int, err error) {
	found := &w.page.rows[rows]
	if i >= len(b) || b[i] != '{' {
		_, info, err := Scan(b, i)
		if err != nil {
			return 0, err
		}
		return 0, &ShapeError{w.rows[rows], article(info) + " in place of row " + strconv.Itoa(found.n+1)}
	}
	found.n++
	seen := b[:min(len(b), i+MaxRow)]
	end, err = w.row(rows, seen, i)
	if err != nil && len(seen) < len(b) {
		// It may have failed at the end of what it saw.
		if whole, scanned := Value(b, i); scanned == nil && whole > len(seen) {
			err = &ShapeError{w.rows[rows], "more than " + strconv.Itoa(MaxRow>>20) + " MiB in row " + strconv.Itoa(found.n)}
		}
	}
	if err == nil && (end <= i || end > len(b)) {
		err = errors.New("json shape: the end of row " + strconv.Itoa(found.n) + " lies outside of the document")
	}
	return end, err
}
