package record

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// stride is how many bytes one step copies. Where there is room for it behind
// both ends, short values are copied in two steps of fixed size, which beats a
// call that has to look at the size.
const stride = 16

// emit appends the line of the row whose members have been found, and whose
// bytes are n.
func (c *Converter) emit(dst, b []byte, n int) ([]byte, error) {
	p := c.plan
	// All prefixes and everything that is copied from the row, with a margin.
	room := p.room + n + 2*stride
	dst = append(slices.Grow(dst, room+len(p.head)), p.head...)
	var (
		line = dst[:cap(dst)]
		at   = len(dst)
	)
	for i := range p.properties {
		q := &p.properties[i]
		for k := 0; k < len(q.prefix); k += stride {
			*(*[stride]byte)(line[at+k:]) = *(*[stride]byte)(q.prefix[k:])
		}
		at += q.size
		start := at
		s := &c.spans[q.slot]
		switch {
		case s.row == c.row && q.copies>>s.info&1 != 0 && s.end-s.start <= q.longest:
			from, size := int(s.start), int(s.end-s.start)
			if size <= 2*stride && from+2*stride <= len(b) {
				*(*[stride]byte)(line[at:]) = *(*[stride]byte)(b[from:])
				*(*[stride]byte)(line[at+stride:]) = *(*[stride]byte)(b[from+stride:])
			} else {
				copy(line[at:], b[from:from+size])
			}
			at += size
		case s.row != c.row && q.copies != 0:
			at += copy(line[at:], "null")
		default:
			dst = slices.Grow(c.value(line[:at], b, q, s), room)
			line, at = dst[:cap(dst)], len(dst)
		}
		if q.watched {
			if err := c.observe(line[start:at], b, q); err != nil {
				return nil, err
			}
		}
	}
	dst = line[:at]
	if p.hidden != nil {
		c.observeHidden(b, p.hidden)
	}
	c.rescueStrays(b)
	return append(c.insertRescued(dst), c.tail...), nil
}

// value appends the literal of a property whose value is not copied as it is.
func (c *Converter) value(dst, b []byte, q *property, s *span) []byte {
	switch {
	case q.form == formRescue:
		c.at = len(dst)
	case q.fill != nil && (s.row != c.row || s.info == jsonspan.Null):
		return append(dst, q.fill...)
	case q.inject >= 0 && c.injected[q.inject].given:
		return c.supplied(dst, b, q, s)
	case s.row == c.row:
		raw, info := b[s.start:s.end], s.info
		if info.Kind() == jsonspan.Object && c.plan.ignoreValue != nil && c.plan.ignoreValue(q.name, raw) {
			break
		}
		if q.form == formInstant && info == jsonspan.String && q.convert == nil && isCanonical(raw[1:len(raw)-1]) {
			return append(dst, raw...)
		}
		if info&jsonspan.Dirty != 0 {
			raw = c.cleaned(q.name, raw)
		}
		out, ok := c.literal(dst, raw, info, q)
		if ok {
			return out
		}
		c.rescue(q.name, raw, RescuedUnfit)
	}
	return append(dst, "null"...)
}

// supplied appends the value that the tap supplies. What the vendor says
// instead is rescued, unless it says nothing or the same.
func (c *Converter) supplied(dst, b []byte, q *property, s *span) []byte {
	in := &c.injected[q.inject]
	if s.row == c.row && s.info != jsonspan.Null {
		raw := b[s.start:s.end]
		out, ok := c.literal(c.spare[:0], raw, s.info, q)
		c.spare = out
		if !ok || !in.fits || !bytes.Equal(out, in.output) {
			if s.info&jsonspan.Dirty != 0 {
				raw = c.cleaned(q.name, raw)
			}
			c.rescue(q.name, raw, RescuedConflict)
		}
	} else if !in.fits {
		c.rescue(q.name, in.literal, RescuedUnfit)
	}
	if !in.fits {
		return append(dst, "null"...)
	}
	return append(dst, in.output...)
}

// literal appends the output literal of a clean value; false, and nothing
// appended, if it does not fit.
func (c *Converter) literal(dst, raw []byte, info jsonspan.Info, q *property) ([]byte, bool) {
	if info == jsonspan.Null {
		return append(dst, "null"...), true
	}
	from := len(dst)
	var ok bool
	if q.convert == nil {
		dst, ok = c.convert(dst, raw, info, q)
	} else if dst, ok = q.convert(dst, raw); ok {
		if len(dst) == from {
			return append(dst, "null"...), true
		}
		ok = c.admits(dst[from:], q)
	}
	if !ok {
		return dst[:from], false
	}
	return dst, true
}

// convert appends the output literal of a value that is not null.
func (c *Converter) convert(dst, raw []byte, info jsonspan.Info, q *property) ([]byte, bool) {
	kind := info.Kind()
	switch q.form {
	case formNested:
		const harmless = jsonspan.Dirty | jsonspan.Spaced
		if q.asis>>(info&^harmless)&1 == 0 {
			return dst, false
		}
		if info&jsonspan.Spaced != 0 && bytes.ContainsAny(raw, "\r\n") {
			return jsonspan.AppendCompact(dst, raw), true // a line must not break
		}
		return append(dst, raw...), true
	case formString, formTrimmed:
		switch kind {
		case jsonspan.Object, jsonspan.Array:
			return jsonspan.AppendQuoted(dst, raw), true
		case jsonspan.String:
			if q.form == formTrimmed {
				return c.appendTrimmed(dst, raw, info), true
			}
			return append(dst, raw...), true
		}
		dst = append(dst, '"')
		dst = append(dst, raw...)
		return append(dst, '"'), true
	}
	if kind != jsonspan.String {
		switch {
		case q.form == formBoolean && kind == jsonspan.Boolean:
			return append(dst, raw...), true
		case q.form == formNumber && (kind == jsonspan.Integer || kind == jsonspan.Number):
			return appendNumber(dst, raw, info)
		case q.form == formInteger && (kind == jsonspan.Integer || kind == jsonspan.Number):
			return appendInteger(dst, raw, info)
		}
		return dst, false
	}
	return c.convertText(dst, c.content(raw, info), q.form)
}

// convertText appends the output literal of a text for a property that is no
// plain string.
func (c *Converter) convertText(dst, text []byte, f form) (out []byte, ok bool) {
	out = dst
	switch f {
	case formInstant:
		if isCanonical(text) {
			dst = append(dst, '"')
			dst = append(dst, text...)
			return append(dst, '"'), true
		}
		out, ok = c.appendInstant(dst, text)
	case formDate:
		out, ok = appendDate(dst, text)
	case formNumber, formInteger:
		var info jsonspan.Info
		if info, ok = jsonspan.IsNumber(text); !ok {
			break
		}
		if f == formNumber {
			return appendNumber(dst, text, info)
		}
		return appendInteger(dst, text, info)
	}
	if !ok && (len(text) == 0 || isZeroDate(text)) {
		return append(dst, "null"...), true
	}
	return out, ok
}

// content returns the text of a string. It is valid until the next call.
func (c *Converter) content(raw []byte, info jsonspan.Info) []byte {
	return c.nameText(raw[1:len(raw)-1], info)
}

// appendTrimmed appends a string without the blanks at both ends.
func (c *Converter) appendTrimmed(dst, raw []byte, info jsonspan.Info) []byte {
	text := c.content(raw, info)
	trimmed := bytes.Trim(text, " ")
	if len(trimmed) == len(text) {
		return append(dst, raw...)
	}
	return jsonspan.AppendQuoted(dst, trimmed)
}

// admits tells whether the literal of a foreign conversion is one that the
// schema admits.
func (c *Converter) admits(lit []byte, q *property) bool {
	end, info, err := c.scanAs(lit, q)
	if err != nil || end != len(lit) {
		return false
	}
	if info == jsonspan.Null {
		return true
	}
	switch q.form {
	case formInstant:
		return info == jsonspan.String && isCanonical(lit[1:end-1])
	case formDate:
		return info == jsonspan.String && isDate(lit[1:end-1])
	case formInteger:
		return info == jsonspan.Integer && isInt64(lit)
	}
	return q.asis>>(info&^jsonspan.Spaced)&1 != 0 && !bytes.ContainsAny(lit, "\r\n")
}

// maxFound bounds the vendor's bytes in an error.
const maxFound = 40

// observe looks at the literal of a key or cursor.
func (c *Converter) observe(lit, b []byte, q *property) error {
	if q.cursor {
		c.cursor, c.cursorOK = c.cursorOf(lit, q.form)
	}
	if !q.key {
		return nil
	}
	if string(lit) == "null" {
		found := "absent"
		if s := &c.spans[q.slot]; s.row == c.row {
			found = strings.ToValidUTF8(string(b[s.start:min(s.end, s.start+maxFound)]), "")
		}
		return &KeyError{string(q.name), found}
	}
	if c.plan.keyIsInt {
		c.keyInt, c.keyIntOK = parseInt(lit)
	}
	if lit[0] == '"' && bytes.IndexByte(lit, '\\') >= 0 {
		c.text = jsonspan.Unescape(c.text[:0], lit)
		lit = jsonspan.AppendQuoted(c.spare[:0], c.text)
		c.spare = lit
	}
	c.keyHash = hash(c.keyHash, lit)
	return nil
}

// observeHidden works out a cursor that is not emitted, or not as what it is.
func (c *Converter) observeHidden(b []byte, q *property) {
	s := &c.spans[q.slot]
	switch {
	case q.inject >= 0 && c.injected[q.inject].given:
		in := &c.injected[q.inject]
		if _, info, err := jsonspan.Scan(in.literal, 0); err == nil {
			c.observeAs(in.literal, info, q)
		}
	case s.row == c.row:
		c.observeAs(b[s.start:s.end], s.info, q)
	}
}

func (c *Converter) observeAs(raw []byte, info jsonspan.Info, q *property) {
	out, ok := c.literal(c.clean[:0], raw, info, q)
	c.clean = out
	if ok {
		c.cursor, c.cursorOK = c.cursorOf(out, q.form)
	}
}

// cursorOf returns the value of an output literal as an integer.
func (c *Converter) cursorOf(lit []byte, f form) (int64, bool) {
	if string(lit) == "null" {
		return 0, false
	}
	switch f {
	case formInstant:
		return micros(lit[1 : len(lit)-1])
	case formDate:
		var day clock
		ok := parseDate(lit[1:len(lit)-1], &day)
		return day.days(), ok
	case formInteger:
		return parseInt(lit)
	case formNumber:
		info, _ := jsonspan.IsNumber(lit)
		out, ok := appendInteger(c.spare[:0], lit, info)
		c.spare = out
		if !ok {
			return 0, false
		}
		return parseInt(out)
	}
	// A plain string by the will of a catalog, an instant all the same.
	c.text = jsonspan.Unescape(c.text[:0], lit)
	out, ok := c.appendInstant(c.spare[:0], c.text)
	c.spare = out
	if !ok {
		return 0, false
	}
	return micros(out[1 : len(out)-1])
}

// Cursor returns the replication value of the last row as an integer that
// compares as the value does, see [Plan.CursorKind]. Fractions beyond
// microseconds are cut. It reports false when the value is null or absent.
func (c *Converter) Cursor() (int64, bool) { return c.cursor, c.cursorOK }

// KeyHash returns a hash of the last row's key values as they are emitted, the
// same in every run.
func (c *Converter) KeyHash() uint64 { return c.keyHash }

// KeyInt returns the key of the last row if it is a single integer.
func (c *Converter) KeyInt() (int64, bool) { return c.keyInt, c.keyIntOK }

// Captured returns the raw value of the member Options.Capture[i] of the last
// row, nil if the row lacks it. It is part of the body that was given to Append.
func (c *Converter) Captured(i int) []byte {
	s := &c.spans[c.plan.captures[i]]
	if s.row != c.row || c.row == 0 {
		return nil
	}
	return c.body[s.start:s.end]
}
