package record

import (
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// Reason says what happened to a member.
type Reason uint8

// The reasons of a [Note].
const (
	// RescuedUnknown: the schema does not know it; it is in _rescued_data.
	RescuedUnknown Reason = iota
	// RescuedUnfit: its type cannot hold the value; that is in _rescued_data.
	RescuedUnfit
	// RescuedConflict: it differs from what the tap supplies; it is in
	// _rescued_data.
	RescuedConflict
	// Replaced: U+0000 or a lone surrogate in it became U+FFFD.
	Replaced
	// Dropped: it would be in _rescued_data, but the catalog lacks that.
	Dropped
)

var reasonNames = [...]string{"unknown member rescued", "value that does not fit rescued", "value that differs from the supplied one rescued", "U+0000 or lone surrogate replaced", "dropped for want of " + RescuedData}

// String renders the reason for a log line.
func (r Reason) String() string { return reasonNames[r] }

// Note counts what happened to one member for one reason.
type Note struct {
	Member string // "" stands for all members beyond the first 100
	Reason Reason
	Count  int
}

const maxNotes = 100

// notes are few, so they are searched from front to back.
type notes struct {
	list   []Note
	hashes []uint64
}

func (n *notes) add(member []byte, why Reason) {
	h := hash(uint64(why), member)
	for i, other := range n.hashes {
		if other == h && n.list[i].Reason == why && n.list[i].Member == string(member) {
			n.list[i].Count++
			return
		}
	}
	if len(n.list) >= maxNotes && len(member) > 0 {
		n.add(nil, why)
		return
	}
	n.list = append(n.list, Note{string(member), why, 1})
	n.hashes = append(n.hashes, h)
}

// Notes returns what happened since the last call, in the order of the first
// occurrence, and starts anew.
func (c *Converter) Notes() []Note {
	list := c.notes.list
	c.notes = notes{}
	return list
}

// strays are the members of the current row that go to _rescued_data whole.
type strays struct {
	list  []stray
	names []byte
	index []int32 // open addressing by hash, once the list is long: position + 1
}

type stray struct {
	hash     uint64
	from, to uint32 // in strays.names
	span     span
	why      Reason
	ignored  bool
}

// shortList is the length up to which searching the list beats an index.
const shortList = 16

func (s *strays) reset() {
	if len(s.list) > shortList {
		clear(s.index)
	}
	s.list, s.names = s.list[:0], s.names[:0]
}

func (s *strays) name(i int) []byte { return s.names[s.list[i].from:s.list[i].to] }

// add appends a member whose name the plan knows.
func (s *strays) add(prefix, name string, at span, why Reason) {
	from := len(s.names)
	s.names = append(append(s.names, prefix...), name...)
	s.push(stray{hash: hash(0, s.names[from:]), from: uint32(from), to: uint32(len(s.names)), why: why})
	s.list[len(s.list)-1].span = at
}

// claim appends a member by its name, false if it is there already.
func (s *strays) claim(prefix string, name []byte) bool {
	from := len(s.names)
	s.names = append(append(s.names, prefix...), name...)
	h := hash(0, s.names[from:])
	if s.has(h, s.names[from:]) {
		return false
	}
	s.push(stray{hash: h, from: uint32(from), to: uint32(len(s.names))})
	return true
}

// last returns the member that was added or claimed last.
func (s *strays) last() (m *stray, name []byte) {
	i := len(s.list) - 1
	return &s.list[i], s.name(i)
}

func (s *strays) has(h uint64, name []byte) bool {
	if len(s.list) <= shortList {
		for i := range s.list {
			if s.list[i].hash == h && string(s.name(i)) == string(name) {
				return true
			}
		}
		return false
	}
	mask := uint64(len(s.index) - 1)
	for at := h & mask; s.index[at] != 0; at = (at + 1) & mask {
		if i := int(s.index[at] - 1); s.list[i].hash == h && string(s.name(i)) == string(name) {
			return true
		}
	}
	return false
}

func (s *strays) push(m stray) {
	s.list = append(s.list, m)
	switch n := len(s.list); {
	case n <= shortList:
	case n == shortList+1 || 2*n > len(s.index):
		if 2*n > len(s.index) {
			s.index = make([]int32, max(4*shortList, 2*len(s.index)))
		}
		for i := range s.list {
			s.put(i)
		}
	default:
		s.put(n - 1)
	}
}

func (s *strays) put(i int) {
	mask := uint64(len(s.index) - 1)
	at := s.list[i].hash & mask
	for s.index[at] != 0 {
		at = (at + 1) & mask
	}
	s.index[at] = int32(i + 1)
}

// rescuer collects the text of _rescued_data.
type rescuer struct {
	rescued []byte // the object, without its closing brace
	at      int    // where in the line its literal stands
	count   int
}

func (r *rescuer) reset() { r.rescued, r.count = r.rescued[:0], 0 }

// Rescued returns how many members of the last row went to _rescued_data.
func (c *Converter) Rescued() int { return c.count }

// rescue puts a clean value into _rescued_data.
func (c *Converter) rescue(name, raw []byte, why Reason) {
	if !c.plan.rescue {
		c.notes.add(name, Dropped)
		return
	}
	c.notes.add(name, why)
	opening := byte(',')
	if c.count == 0 {
		opening = '{'
	}
	c.count++
	c.rescued = append(c.rescued, opening)
	c.rescued = jsonspan.AppendQuoted(c.rescued, name)
	c.rescued = append(c.rescued, ':')
	c.rescued = jsonspan.AppendCompact(c.rescued, raw)
}

// rescueStrays rescues what was found besides the properties.
func (c *Converter) rescueStrays(b []byte) {
	for i := range c.strays.list {
		s := &c.strays.list[i]
		if s.ignored {
			continue
		}
		raw := b[s.span.start:s.span.end]
		if s.span.info&jsonspan.Dirty != 0 && c.plan.rescue {
			raw = c.cleaned(c.strays.name(i), raw)
		}
		c.rescue(c.strays.name(i), raw, s.why)
	}
}

// cleaned returns raw without what makes it dirty, and notes it.
func (c *Converter) cleaned(name, raw []byte) []byte {
	c.notes.add(name, Replaced)
	c.clean = jsonspan.AppendClean(c.clean[:0], raw)
	return c.clean
}

// insertRescued writes the literal of _rescued_data over the null that holds
// its place.
func (c *Converter) insertRescued(dst []byte) []byte {
	if c.count == 0 {
		return dst
	}
	c.rescued = append(c.rescued, '}')
	c.spare = jsonspan.AppendQuoted(c.spare[:0], c.rescued)
	return slices.Replace(dst, c.at, c.at+len("null"), c.spare...)
}
