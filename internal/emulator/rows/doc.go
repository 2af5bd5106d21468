// Package rows computes the rows of a stand-in service from a seed and a row
// number. It owns the closed-form instants ([Clock]), the small overlay of
// changed, removed and added rows ([Table]), the selection of any page of any
// date window in time that does not grow with the number of rows
// ([Table.Select]), and the rendering of a row from prepared pieces
// ([Template]).
//
// It must never store a row that was not changed, know a vendor, read the
// clock, or start a goroutine: what a row holds follows from its arguments
// alone, so that the same seed gives the same bytes.
package rows

// Mix hashes two words into one (the finaliser of splitmix64). It is the only
// source of variety here: cheap, and the same on every machine.
func Mix(a, b uint64) uint64 {
	x := a + 0x9e3779b97f4a7c15*(b+1)
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// MixText hashes a name into a seed (FNV-1a, then [Mix]).
func MixText(seed uint64, s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h ^= uint64(s[i])
		h *= 1099511628211
	}
	return Mix(seed, h)
}
