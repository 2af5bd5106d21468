package slascone

import (
	"encoding/hex"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// uuid is an id. Those of rows hold the kind and the number of the row, folded
// so that nobody sees it: a row is found by its id without a table of ids.
type uuid [16]byte

// nobodysID is .NET's empty Guid, which stands for "none" (GUESS).
var nobodysID uuid

// The first 60 bits that are free hold kind and number, the rest a check.
const (
	indexBits = 52
	halfBits  = 30
	halfMask  = 1<<halfBits - 1
	rounds    = 4
)

func fold(seed, x uint64) uint64 {
	left, right := x>>halfBits, x&halfMask
	for k := range uint64(rounds) {
		left, right = right, left^rows.Mix(seed+k, right)&halfMask
	}
	return left<<halfBits | right
}

func unfold(seed, x uint64) uint64 {
	left, right := x>>halfBits, x&halfMask
	for k := uint64(rounds); k > 0; k-- {
		left, right = right^rows.Mix(seed+k-1, left)&halfMask, left
	}
	return left<<halfBits | right
}

// makeUUID makes a version 4 UUID of 60 and 62 bits.
func makeUUID(head, tail uint64) uuid {
	high := head>>12<<16 | 0x4000 | head&0xfff
	low := tail&(1<<62-1) | 1<<63
	var u uuid
	for k := range 8 {
		u[k], u[8+k] = byte(high>>(56-8*k)), byte(low>>(56-8*k))
	}
	return u
}

// id is the id of a row.
func (w *world) id(k kind, index int64) uuid {
	plain := uint64(k)<<indexBits | uint64(index)
	return makeUUID(fold(w.seed, plain), rows.Mix(w.seed^0x1d, plain))
}

// locate tells whose id it is, if it is one of ours.
func (w *world) locate(u uuid) (kind, int64, bool) {
	var high uint64
	for k := range 8 {
		high = high<<8 | uint64(u[k])
	}
	plain := unfold(w.seed, high>>16<<12|high&0xfff)
	k, index := kind(plain>>indexBits), int64(plain&(1<<indexBits-1))
	return k, index, u == w.id(k, index)
}

func (u uuid) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	text := dst[at:]
	hex.Encode(text[0:8], u[0:4])
	hex.Encode(text[9:13], u[4:6])
	hex.Encode(text[14:18], u[6:8])
	hex.Encode(text[19:23], u[8:10])
	hex.Encode(text[24:36], u[10:16])
	return dst
}

func (u uuid) String() string { return string(u.append(nil)) }

// readUUID reads an id in either case.
func readUUID(text string) (u uuid, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(text[:8]+text[9:13]+text[14:18]+text[19:23]+text[24:]))
	return u, err == nil
}
