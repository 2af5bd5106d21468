// Package jsonspan owns the strict reading of JSON as spans of the bytes it came
// in: where a value starts and ends, what kind it is, and whether its bytes may
// be copied as they are. Every byte it passes over is checked against RFC 8259,
// text must be valid UTF-8 (a wrong charset is a broken contract, not data), and
// nesting deeper than [MaxDepth] is refused. It allocates only to report an error.
//
// It must never decode into values, turn numbers into floats, guess at broken
// input, keep a reference to the bytes after a call returns, or know anything
// of records, schemas and vendors.
package jsonspan

import "strconv"

// MaxDepth is how many objects and arrays may lie inside one another, counted
// from where a scan starts.
const MaxDepth = 128

// MaxRow is the size in bytes of the largest row: it is copied several times on
// its way, and what is longer no consumer of its line reads.
const MaxRow = 16 << 20

// Info says what a scanned value is and how its bytes may be treated: a kind and
// the flags below. The highest bit is always clear and free for callers.
type Info uint8

// The kinds of a value. Integer is a number without fraction and exponent.
const (
	Null Info = iota
	Boolean
	Integer
	Number
	String
	Object
	Array

	kinds Info = 7
)

// Inside are the flags that objects and arrays take over from everything inside
// them, names included.
const Inside = Escaped | Dirty | Spaced

// The flags.
const (
	// Escaped: a backslash is in it, so its bytes are not its text.
	Escaped Info = 1 << (iota + 3)
	// Dirty: an escape denotes U+0000 or half of a surrogate pair, which most
	// loaders refuse.
	Dirty
	// Exponent: a number written with an exponent.
	Exponent
	// Spaced: white space, perhaps a line break, stands between the tokens of an
	// object or array.
	Spaced
)

// Kind returns the kind without the flags.
func (f Info) Kind() Info { return f & kinds }

var kindNames = [...]string{"null", "boolean", "integer", "number", "string", "object", "array"}

// String names the kind, for messages.
func (f Info) String() string {
	if k := f.Kind(); int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "nothing"
}

// SyntaxError says where bytes stop being JSON.
type SyntaxError struct {
	Offset int    // index of the first byte that does not fit
	Msg    string // what is wrong there
	// Truncated tells that everything up to the end was fine: a connection was
	// cut, and the same request may succeed.
	Truncated bool
}

// Error renders message and offset.
func (e *SyntaxError) Error() string {
	return "json: " + e.Msg + " at byte " + strconv.Itoa(e.Offset)
}

const msgTruncated = "input ended too early"

// Fault builds a [SyntaxError] for offset i of b; at the end of b it is a
// truncation, whatever msg says.
//
//go:noinline
func Fault(b []byte, i int, msg string) error {
	if i >= len(b) {
		return &SyntaxError{Offset: len(b), Msg: msgTruncated, Truncated: true}
	}
	return &SyntaxError{Offset: i, Msg: msg}
}
