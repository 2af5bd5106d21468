package record

import (
	"errors"
	"math"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// Converter turns the rows of one stream into lines. It learns the order of
// their members and keeps its buffers, so each goroutine needs its own.
type Converter struct {
	plan *Plan

	// The members of the current row. A span counts only if it is of this row.
	spans []span
	row   uint32
	body  []byte
	root  *members

	// Shapes for values that do not come from a row, by that of the plan.
	shapes map[*shape]*shape

	strays strays
	rescuer
	notes notes

	zone     zoneCache
	tail     []byte // of every line, from the end of the record's members
	text     []byte // an unescaped string
	clean    []byte // a value without what makes it dirty
	spare    []byte // an output literal that is not emitted
	injected []injected
	table    []byte // the values of a row of a table file

	// What the caller asks after a row.
	cursor   int64
	cursorOK bool
	keyHash  uint64
	keyInt   int64
	keyIntOK bool
}

// span is where a member's value lies in the body.
type span struct {
	start, end uint32
	row        uint32 // Converter.row when it was set
	info       jsonspan.Info
}

// injected is a value that the tap supplies.
type injected struct {
	given   bool
	literal []byte // as the tap gave it
	output  []byte // as it is emitted
	fits    bool
}

// KeyError says that a row lacks a key.
type KeyError struct {
	Property string
	Found    string // absent, null, or the beginning of the value
}

// Error renders property and finding.
func (e *KeyError) Error() string {
	return "key " + strconv.Quote(e.Property) + " is " + e.Found
}

// DuplicateError says that a row has a member twice.
type DuplicateError struct{ Member string }

// Error renders the member.
func (e *DuplicateError) Error() string {
	return "member " + strconv.Quote(e.Member) + " comes twice in one row"
}

// NewConverter returns a converter for one goroutine.
func (p *Plan) NewConverter() *Converter {
	c := &Converter{
		plan:     p,
		spans:    make([]span, p.slots),
		root:     p.root.learner(),
		injected: make([]injected, len(p.injects)),
		shapes:   map[*shape]*shape{},
		zone:     zoneCache{zone: p.zone},
	}
	c.SetTime("")
	return c
}

// SetTime sets time_extracted of the lines that follow, an instant in UTC with
// Z; "" leaves it out.
func (c *Converter) SetTime(extracted string) {
	c.tail = append(c.tail[:0], '}')
	if extracted != "" {
		c.tail = append(c.tail, `,"time_extracted":`...)
		c.tail = jsonspan.AppendQuoted(c.tail, []byte(extracted))
	}
	c.tail = append(c.tail, "}\n"...)
}

// SetInject supplies the value of the property Options.Inject[i] for the rows
// that follow: a JSON literal, converted as if the vendor had sent it. With nil
// the vendor's own member counts again.
func (c *Converter) SetInject(i int, literal []byte) {
	in := &c.injected[i]
	in.given = literal != nil
	in.literal = append(in.literal[:0], literal...)
	in.output, in.fits = in.output[:0], false
	if !in.given {
		return
	}
	q := &c.plan.injects[i]
	end, info, err := c.scanAs(in.literal, q)
	if err != nil || end < len(in.literal) {
		panic("record: an injected value is no JSON") // invariant: the tap makes it
	}
	if info&jsonspan.Dirty != 0 {
		in.literal = jsonspan.AppendClean(nil, in.literal)
	}
	in.output, in.fits = c.literal(in.output, in.literal, info, q)
}

// scanAs scans a literal that does not come from a row, as a value of q.
func (c *Converter) scanAs(lit []byte, q *property) (end int, info jsonspan.Info, err error) {
	if q.nested == nil {
		return jsonspan.Scan(lit, 0)
	}
	s := c.shapes[q.nested]
	if s == nil {
		s = q.nested.learner()
		c.shapes[q.nested] = s
	}
	return c.check(lit, 0, s)
}

// Append appends the line of the row that starts at b[i], newline included, and
// returns where the row ends. On an error dst is returned as it was. The errors
// are *[jsonspan.SyntaxError], *[jsonspan.ShapeError], *[KeyError] and
// *[DuplicateError].
func (c *Converter) Append(dst, b []byte, i int) (out []byte, end int, err error) {
	if len(b) > math.MaxUint32 {
		return dst, 0, errors.New("record: a body beyond 4 GiB")
	}
	if i >= len(b) || b[i] != '{' {
		return dst, 0, jsonspan.Fault(b, i, "a row should start here")
	}
	c.begin(b)
	end, _, err = c.object(b, i, c.root)
	if err != nil {
		return dst, 0, err
	}
	out, err = c.emit(dst, b, end-i)
	if err != nil {
		return dst, end, err
	}
	return out, end, nil
}

// Forget lets go of the body of the last row, so that its memory can be given
// back; what Captured returned is gone with it.
func (c *Converter) Forget() { c.body = nil }

// begin forgets the row before.
func (c *Converter) begin(b []byte) {
	c.body = b
	if c.row++; c.row == 0 { // after 2^32 rows the old spans would count again
		clear(c.spans)
		c.row = 1
	}
	c.strays.reset()
	c.rescuer.reset()
	c.cursorOK, c.keyIntOK, c.keyHash = false, false, 0
}

// intricate scans the value at b[i] of a member that is more than a span.
func (c *Converter) intricate(b []byte, i int, m *members, k *member) (end int, info jsonspan.Info, err error) {
	switch {
	case k.lift != nil:
		return c.lifted(b, i, k)
	case k.shape != nil:
		end, info, err = c.check(b, i, k.shape)
	default:
		end, info, err = jsonspan.Scan(b, i)
	}
	if err == nil && k.stray {
		c.strays.add(m.prefix, k.name, span{start: uint32(i), end: uint32(end), info: info}, RescuedUnknown)
		c.ignoreLast(b)
	}
	return end, info, err
}

// lifted takes apart the object at b[i] whose members come out one level
// higher. What cannot be lifted is an ordinary member.
func (c *Converter) lifted(b []byte, i int, k *member) (end int, info jsonspan.Info, err error) {
	switch {
	case i < len(b) && b[i] == '{':
		return c.object(b, i, k.lift)
	case k.shape != nil:
		end, info, err = c.check(b, i, k.shape)
	default:
		end, info, err = jsonspan.Scan(b, i)
	}
	if err != nil || info == jsonspan.Null {
		return end, info, err
	}
	s := span{start: uint32(i), end: uint32(end), row: c.row, info: info}
	if k.own >= 0 {
		c.spans[k.own] = s
	} else {
		c.strays.add("", k.name, s, RescuedUnfit)
	}
	return end, info, nil
}

// maxStrays bounds what is kept of a row beside its own members.
const maxStrays = 100_000

// stray scans the value at b[i] of a member that nothing knows.
func (c *Converter) stray(b []byte, i int, prefix string, name []byte, nameInfo jsonspan.Info) (end int, err error) {
	if !c.strays.claim(prefix, name) {
		return 0, &DuplicateError{prefix + string(name)}
	}
	if len(c.strays.list) > maxStrays {
		return 0, &jsonspan.ShapeError{Path: "a row", Found: "more than " + strconv.Itoa(maxStrays) + " members that nothing knows"}
	}
	end, info, err := jsonspan.Scan(b, i)
	if err != nil {
		return 0, err
	}
	last, _ := c.strays.last()
	last.span = span{start: uint32(i), end: uint32(end), info: info | nameInfo&jsonspan.Dirty}
	c.ignoreLast(b)
	return end, nil
}

// ignoreLast asks the options whether the last stray is one to ignore.
func (c *Converter) ignoreLast(b []byte) {
	p := c.plan
	if p.ignore == nil && p.ignoreValue == nil {
		return
	}
	s, name := c.strays.last()
	s.ignored = p.ignore != nil && p.ignore(name) ||
		p.ignoreValue != nil && p.ignoreValue(name, b[s.span.start:s.span.end])
}
