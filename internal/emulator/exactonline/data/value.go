package data

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// guid is a GUID whose bytes stand in the order of its text, so that both sort
// alike. (SQL Server sorts them by other bytes first; a client that follows
// next links cannot tell. GUESS.)
type guid [16]byte

func makeGUID(a, b uint64) guid {
	var g guid
	x, y := rows.Mix(a, b), rows.Mix(b^0x5851f42d4c957f2d, a)
	for k := range 8 {
		g[k], g[8+k] = byte(x>>(56-8*k)), byte(y>>(56-8*k))
	}
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

func (g guid) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	text := dst[at:]
	hex.Encode(text[0:8], g[0:4])
	hex.Encode(text[9:13], g[4:6])
	hex.Encode(text[14:18], g[6:8])
	hex.Encode(text[19:23], g[8:10])
	hex.Encode(text[24:36], g[10:16])
	return dst
}

func readGUID(text string) (g guid, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return g, false
	}
	_, err := hex.Decode(g[:], []byte(strings.ReplaceAll(text, "-", "")))
	return g, err == nil
}

// class is what a value is compared as.
type class uint8

const (
	null class = iota
	text
	ident
	integer
	long // an integer that is a string in JSON
	float
	truth
	moment
	raw // JSON as it is: complex types and binaries, which are never compared
)

// value is one property of one row.
type value struct {
	class class
	s     string
	id    guid
	n     int64 // also a moment's milliseconds and a truth's 1
	f     float64
}

func textOf(s string) value     { return value{class: text, s: s} }
func identOf(g guid) value      { return value{class: ident, id: g} }
func integerOf(n int64) value   { return value{class: integer, n: n} }
func longOf(n int64) value      { return value{class: long, n: n} }
func momentOf(ms int64) value   { return value{class: moment, n: ms} }
func floatOf(f float64) value   { return value{class: float, f: f} }
func rawOf(json string) value   { return value{class: raw, s: json} }
func (v value) number() float64 { return cmp.Or(v.f, float64(v.n)) }

func truthOf(b bool) value {
	if b {
		return value{class: truth, n: 1}
	}
	return value{class: truth}
}

// numberOf makes a whole number of the property's type.
func numberOf(t edm.Type, n int64) value {
	switch t {
	case edm.Int64:
		return longOf(n)
	case edm.Double:
		return floatOf(float64(n))
	case edm.String:
		return textOf(strconv.FormatInt(n, 10))
	default:
		return integerOf(n)
	}
}

// appendJSON writes the value as the service does (REC): 64-bit integers are
// strings, a double without fraction has none.
func (v value) appendJSON(dst []byte) []byte {
	switch v.class {
	case text:
		return appendText(dst, v.s)
	case ident:
		return append(v.id.append(append(dst, '"')), '"')
	case integer:
		return strconv.AppendInt(dst, v.n, 10)
	case long:
		return append(strconv.AppendInt(append(dst, '"'), v.n, 10), '"')
	case float:
		return appendFloat(dst, v.f)
	case truth:
		return strconv.AppendBool(dst, v.n != 0)
	case moment:
		return appendDate(dst, v.n)
	case raw:
		return append(dst, v.s...)
	default:
		return append(dst, "null"...)
	}
}

// appendText copies what needs no escape in one go: most texts.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			return rows.AppendText(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendFloat writes a double as .NET does: very small and very large ones
// with an exponent (GUESS: no client recorded one).
func appendFloat(dst []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e15) {
		return strconv.AppendFloat(dst, f, 'E', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendLiteral writes the value as in a URL, before escaping.
func (v value) appendLiteral(dst []byte) []byte {
	switch v.class {
	case text:
		return append(append(append(dst, '\''), strings.ReplaceAll(v.s, "'", "''")...), '\'')
	case ident:
		return append(v.id.append(append(dst, "guid'"...)), '\'')
	case long:
		return append(strconv.AppendInt(dst, v.n, 10), 'L')
	case float:
		return append(strconv.AppendFloat(dst, v.f, 'g', -1, 64), 'D')
	case moment:
		return append(appendWall(append(dst, "datetime'"...), v.n), '\'')
	default:
		return v.appendJSON(dst)
	}
}

// plain is the value as the sandbox's reports and its requests for changes
// name it.
func (v value) plain() string {
	switch v.class {
	case text:
		return v.s
	case ident:
		return string(v.id.append(nil))
	default:
		return strconv.FormatInt(v.n, 10)
	}
}

// compare orders two values of one property; null comes first.
func (v value) compare(w value) int {
	switch {
	case v.class == null || w.class == null:
		return cmp.Compare(min(v.class, 1), min(w.class, 1))
	case v.class == text:
		return cmp.Compare(v.s, w.s)
	case v.class == ident:
		return bytes.Compare(v.id[:], w.id[:])
	case v.class == float || w.class == float:
		return cmp.Compare(v.number(), w.number())
	default:
		return cmp.Compare(v.n, w.n)
	}
}

func classOf(t edm.Type) class {
	switch t {
	case edm.String:
		return text
	case edm.Guid:
		return ident
	case edm.Int64:
		return long
	case edm.Double:
		return float
	case edm.Boolean:
		return truth
	case edm.DateTime:
		return moment
	case edm.Byte, edm.Int16, edm.Int32:
		return integer
	default:
		return raw
	}
}
