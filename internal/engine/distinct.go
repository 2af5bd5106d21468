package engine

import (
	"encoding/binary"

	"github.com/tap-backoffice/tap-backoffice/internal/record"
)

// distinct counts the distinct keys of a read in little memory. Rows nearly
// always come in ascending order of an integer key; as long as they do, no key
// can repeat and the keys are kept as differences, a byte or two each. The
// first key out of order turns the list into a set of 64-bit hashes: two keys
// with one hash (one chance in 10^7 for a million rows) make a read look short by
// one row, which is told as rows that moved and never loses one. Integers do not
// collide.
type distinct struct {
	n     int64
	last  int64
	diffs []byte
	set   map[uint64]struct{}
}

// add adds the key of the row that was converted last.
func (d *distinct) add(c *record.Converter) {
	if v, ok := c.KeyInt(); ok {
		d.addInt(v)
		return
	}
	d.addHash(c.KeyHash())
}

// addInt adds an integer key.
func (d *distinct) addInt(v int64) {
	if d.set == nil && (d.n == 0 || v > d.last) {
		// The difference of two int64 always fits an uint64.
		d.diffs = binary.AppendUvarint(d.diffs, uint64(v)-uint64(d.last))
		d.last = v
		d.n++
		return
	}
	d.addHash(mix(uint64(v)))
}

// addHash adds the hash of a key. A read uses either addInt or addHash.
func (d *distinct) addHash(h uint64) {
	if d.set == nil {
		d.unfold()
	}
	d.set[h] = struct{}{}
	d.n = int64(len(d.set))
}

// merge adds the keys of o and tells whether one of them was new.
func (d *distinct) merge(o *distinct) (grown bool) {
	before := d.n
	d.addAll(o)
	return d.n > before
}

func (d *distinct) addAll(o *distinct) {
	if o.set == nil {
		o.unfold()
	}
	for h := range o.set {
		d.addHash(h)
	}
}

// unfold turns the list of differences into the set.
func (d *distinct) unfold() {
	d.set = make(map[uint64]struct{}, d.n+1)
	var v uint64
	for b := d.diffs; len(b) > 0; {
		diff, k := binary.Uvarint(b)
		v += diff
		d.set[mix(v)] = struct{}{}
		b = b[k:]
	}
	d.diffs = nil
}

// mix spreads an integer over 64 bits (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
