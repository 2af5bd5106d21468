package record

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// members are the known members of one kind of object: the rows themselves, a
// lifted object, or an object inside a nested property. Objects of one source
// come with their members in one order, so each member remembers which one
// followed it last, and that one's bytes are compared first; the index is for
// when the guess is wrong.
type members struct {
	list  []member
	index []int32 // open addressing by hash: position in list + 1, or 0
	start member  // stands before the first one
	// rows tells that members have slots, and that unknown ones are strays.
	rows   bool
	prefix string // before the names of a lifted object's members
}

// member is one known member. What the inner loop needs comes first, in 64 bytes.
type member struct {
	// The token, as nearly all vendors write it, is the name in quotes and the
	// colon. It is compared by its first and its last eight bytes, and what is
	// between them; with fewer than eight, both words are the same.
	first, last, mask uint64
	size, tail        int32 // of the token; where the last word starts

	next    *member // the guess for what follows
	accepts uint64  // bit per jsonspan.Info: values that fit
	slot    int32   // in Converter.spans, -1 for none
	plain   bool    // nothing below matters
	stray   bool    // known only because it is captured: rescued all the same
	shape   *shape  // the value is looked into

	lift *members // the members of the object come out one level higher
	own  int32    // of a lifted one: slot of the property of its own name, or -1

	name  string
	token string
}

// at tells whether b goes on with the token at i. Close to the end of b it may
// say no too often: then the name is looked up.
func (m *member) at(b []byte, i int) bool {
	last := i + int(m.tail)
	if last+8 > len(b) {
		return false
	}
	return ((binary.LittleEndian.Uint64(b[i:])^m.first)|(binary.LittleEndian.Uint64(b[last:])^m.last))&m.mask == 0 &&
		(m.size <= 16 || string(b[i+8:last]) == m.token[8:m.tail])
}

// add makes a member known under a name.
func (m *members) add(name string, k member) {
	k.name = name
	k.token = string(jsonspan.AppendQuoted(nil, []byte(name))) + ":"
	k.size, k.tail, k.mask = int32(len(k.token)), int32(max(len(k.token)-8, 0)), ^uint64(0)
	if k.size < 8 {
		k.mask >>= 8 * (8 - k.size)
	}
	padded := append([]byte(k.token), make([]byte, 8)...)
	k.first = binary.LittleEndian.Uint64(padded)
	k.last = binary.LittleEndian.Uint64(padded[k.tail:])
	m.list = append(m.list, k)
	if 2*len(m.list) <= len(m.index) {
		m.put(len(m.list) - 1)
		return
	}
	m.index = make([]int32, max(16, 2*len(m.index)))
	for i := range m.list {
		m.put(i)
	}
}

func (m *members) put(i int) {
	mask := uint64(len(m.index) - 1)
	h := hash(0, []byte(m.list[i].name)) & mask
	for m.index[h] != 0 {
		h = (h + 1) & mask
	}
	m.index[h] = int32(i + 1)
}

// find returns the member with a name, nil if it is not known.
func (m *members) find(name []byte) *member {
	if len(m.index) == 0 {
		return nil
	}
	mask := uint64(len(m.index) - 1)
	for h := hash(0, name) & mask; m.index[h] != 0; h = (h + 1) & mask {
		if k := &m.list[m.index[h]-1]; k.name == string(name) {
			return k
		}
	}
	return nil
}

// learner returns a copy that may learn, with everything below it. The first
// guess is the order in which the members were added.
func (m *members) learner() *members {
	c := *m
	c.list = slices.Clone(m.list)
	prev := &c.start
	for i := range c.list {
		k := &c.list[i]
		if k.shape != nil {
			k.shape = k.shape.learner()
		}
		if k.lift != nil {
			k.lift = k.lift.learner()
		}
		prev.next, prev = k, k
	}
	prev.next = &c.list[0]
	return &c
}

// object scans the object at b[i]. The info has the flags of everything inside,
// and tells whether it fits.
func (c *Converter) object(b []byte, i int, m *members) (end int, all jsonspan.Info, err error) {
	if i++; i < len(b) && b[i] <= ' ' {
		i = jsonspan.Space(b, i)
		all = jsonspan.Spaced
	}
	if i < len(b) && b[i] == '}' {
		return i + 1, jsonspan.Object | all, nil
	}
	prev := &m.start
	for {
		var info jsonspan.Info
		k := prev.next
		if k.at(b, i) {
			i += int(k.size)
		} else {
			if next := jsonspan.Space(b, i); next > i {
				i = next
				all |= jsonspan.Spaced
				continue
			}
			if k, i, info, err = c.unguessed(b, i, m); err != nil {
				return 0, 0, err
			}
			all |= info
			if k != nil {
				prev.next = k
			}
		}
		if k != nil {
			prev = k
			if i < len(b) && b[i] <= ' ' {
				i = jsonspan.Space(b, i)
				all |= jsonspan.Spaced
			}
			start := i
			if k.plain {
				if i, info, err = jsonspan.Scan(b, i); k.accepts>>(info&63)&1 == 0 {
					info |= unfit
				}
			} else {
				i, info, err = c.intricate(b, i, m, k)
			}
			if err != nil {
				return 0, 0, err
			}
			if k.slot >= 0 {
				s := &c.spans[k.slot]
				if s.row == c.row {
					return 0, 0, &DuplicateError{m.prefix + k.name}
				}
				*s = span{start: uint32(start), end: uint32(i), row: c.row, info: info}
			}
			all |= info
		}
		if i < len(b) && b[i] == ',' {
			i++
			continue
		}
		if next := jsonspan.Space(b, i); next > i {
			i = next
			all |= jsonspan.Spaced
		}
		switch {
		case i < len(b) && b[i] == ',':
			i++
		case i < len(b) && b[i] == '}':
			return i + 1, all&insides | jsonspan.Object, nil
		default:
			return 0, 0, jsonspan.Fault(b, i, "comma or closing bracket expected")
		}
	}
}

// insides are the flags that an object or array takes over from its inside.
const insides = jsonspan.Inside | unfit

// unguessed reads the name at b[i] that is not the guessed one. It returns the
// member and where its value starts; or nil and where the value ends, if the
// name is not known.
func (c *Converter) unguessed(b []byte, i int, m *members) (k *member, at int, info jsonspan.Info, err error) {
	end, at, info, err := jsonspan.Name(b, i)
	if err != nil {
		return nil, 0, 0, err
	}
	name := c.nameText(b[i+1:end-1], info)
	if k = m.find(name); k != nil {
		return k, at, info, nil
	}
	if m.rows {
		at, err = c.stray(b, at, m.prefix, name, info)
		return nil, at, 0, err
	}
	at, inside, err := jsonspan.Scan(b, at)
	return nil, at, info | inside, err
}

// hash is a 64-bit hash of b, the same in every run.
func hash(seed uint64, b []byte) uint64 {
	h := mix(seed^0xa0761d6478bd642f, uint64(len(b))^0xe7037ed1a0b428db)
	for len(b) > 8 {
		h = mix(h^binary.LittleEndian.Uint64(b), 0x8ebc6af09c88c6e3)
		b = b[8:]
	}
	var w uint64
	switch n := len(b); {
	case n == 8:
		w = binary.LittleEndian.Uint64(b)
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		w = uint64(b[0]) | uint64(b[n>>1])<<8 | uint64(b[n-1])<<16
	}
	return mix(h^w, 0x589965cc75374cc3)
}

// mix folds the 128-bit product of its operands.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
