package data

import (
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// cell is a row that values are made for.
type cell struct {
	m       *module
	r       rows.Row
	index   int64
	variant int
}

func (m *module) cell(r rows.Row) cell { return cell{m, r, r.Index, m.variant(r)} }

// value is what a field of a row holds, not yet written.
type value struct {
	kind fieldKind
	null bool
	w    *word // the text, the list or the JSON value
	w2   *word
	n    int64 // number, days, seconds, id, number of the row
	m    *module
}

// value computes a field of a row.
func (o *Org) value(f *field, c *cell) value {
	v := value{kind: f.kind}
	h := rows.Mix(f.seed, uint64(c.variant))
	if f.perRow {
		h = rows.Mix(f.seed, uint64(c.r.ID))
	}
	if !f.must && f.kind != kindRaw && rows.Mix(h, 5)%6 == 0 {
		switch f.kind {
		case kindID, kindCreated, kindModified, kindName, kindConverted, kindConvertedTime, kindConvertedLookup, kindBool:
		default:
			v.null = true
			return v
		}
	}
	switch f.kind {
	case kindText, kindMulti:
		v.w = f.words0()[h%uint64(len(f.words0()))]
		if f.kind == kindMulti {
			v.w2 = listWords[(h>>20)%uint64(len(listWords))]
		}
	case kindID:
		v.n = c.r.ID
	case kindCreated:
		at := c.r.At(created)
		v.n = floorSec(at)
	case kindModified:
		v.n = floorSec(c.r.At(modified))
	case kindName:
		v.w, v.n = f.words[h%uint64(len(f.words))], c.index+1
	case kindFirst:
		v.w = c.m.firstName(c.r.ID)
	case kindFull:
		last := c.m.byName["Last_Name"]
		v.w = c.m.firstName(c.r.ID)
		v.w2, v.n = last.words[rows.Mix(last.seed, uint64(c.r.ID))%uint64(len(last.words))], c.index+1
	case kindEmail:
		v.w, v.w2, v.n = localWords[h%uint64(len(localWords))], domainWords[(h>>20)%uint64(len(domainWords))], c.index+1
	case kindAuto:
		v.n = c.index + 1
	case kindBig:
		v.n = int64(h >> 2)
		if h&1 == 0 {
			v.n %= 1_000_000
		}
	case kindInt:
		v.n = int64(h % 5000)
	case kindCents:
		v.n = int64(h%2_000_000) - 20_000
	case kindDecimal:
		v.n = int64(h % 9_000_000)
	case kindBool:
		v.n = int64(h >> 7 & 1)
	case kindDate:
		v.n = rows.Days(2021, 1, 1) + int64(h%2400)
	case kindInstant:
		v.n = (rows.Days(2021, 1, 1)+int64(h%2000))*daySec + int64(h>>30%daySec)
	case kindLookup:
		return o.lookup(f, c, v)
	case kindOwner:
		v.n = int64(h % owners)
	case kindRaw:
		v.w = makeWord(f.raw(h))
		v.null = v.w.plain == "null"
	case kindConverted:
		v.n = b2i(c.m.converted(c.r.ID))
	case kindConvertedTime:
		v.null, v.n = !c.m.converted(c.r.ID), floorSec(c.r.At(created))+3*daySec
	case kindConvertedLookup:
		v.null = !c.m.converted(c.r.ID)
		return o.lookup(f, c, v)
	}
	return v
}

func (f *field) words0() []*word {
	if f.kind == kindMulti {
		return listWords
	}
	return f.words
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func floorSec(micros int64) int64 {
	if micros < 0 {
		micros -= second - 1
	}
	return micros / second
}

func (m *module) firstName(id int64) *word {
	return firstWords[rows.Mix(m.seed+11, uint64(id))%uint64(len(firstWords))]
}

// converted tells whether a lead was converted: one in ten.
func (m *module) converted(id int64) bool {
	return m.byName["Converted__s"] != nil && rows.Mix(m.seed+12, uint64(id))%10 == 0
}

// lookup refers to a row of the target. Which one follows from the number of
// the row, so that related lists can be computed the other way round.
func (o *Org) lookup(f *field, c *cell, v value) value {
	v.kind = kindLookup
	t := f.target
	if t == nil || t.n == 0 || v.null {
		v.null = true
		return v
	}
	v.m, v.n = t, targetIndex(f, c.m, c.index)
	return v
}

// targetIndex is the row that a row refers to. The lines of a document are
// neighbours.
func targetIndex(f *field, m *module, index int64) int64 {
	t := f.target
	if m.parent == t {
		return index / max(m.n/t.n, 1) % t.n
	}
	return (index + int64(f.seed%uint64(t.n))) % t.n
}

// displayName is what a lookup shows of a row.
func (o *Org) displayName(m *module, index int64) value {
	id := rows.IDs{First: m.first(), Stride: 1, Run: hole}.ID(index)
	c := cell{m: m, index: index}
	c.r.ID = id
	f := *m.display
	f.must = true
	return o.value(&f, &c)
}

// form is how values are written.
type form uint8

const (
	listForm form = iota // JSON, rich text cut
	fullForm             // JSON
	coqlForm             // JSON, lookups as their id alone
	csvForm
)

// cut is how many characters of rich text lists give (DOC).
const cut = 500

func (o *Org) append(dst []byte, f *field, v value, as form) []byte {
	if as == csvForm {
		return o.appendCSV(dst, f, v)
	}
	if v.null {
		return append(dst, "null"...)
	}
	switch v.kind {
	case kindText:
		text := v.w.json
		if as == listForm && f.dataType == "richtextarea" && len(v.w.plain) > cut {
			short := makeWord(cutRunes(v.w.plain, cut))
			text = short.json
		}
		dst = append(append(append(dst, '"'), text...), '"')
	case kindName, kindFirst, kindFull, kindEmail, kindAuto:
		dst = append(dst, '"')
		dst = appendPhrase(dst, v, true)
		dst = append(dst, '"')
	case kindID, kindBig:
		dst = append(strconv.AppendInt(append(dst, '"'), v.n, 10), '"')
	case kindInt:
		dst = strconv.AppendInt(dst, v.n, 10)
	case kindCents, kindDecimal:
		dst = appendNumber(dst, v)
	case kindBool, kindConverted:
		dst = strconv.AppendBool(dst, v.n != 0)
	case kindDate:
		dst = append(rows.AppendDate(append(dst, '"'), v.n), '"')
	case kindCreated, kindModified, kindInstant, kindConvertedTime:
		dst = append(o.zone.append(append(dst, '"'), v.n), '"')
	case kindLookup, kindConvertedLookup:
		dst = o.appendLookup(dst, f, v, as)
	case kindOwner:
		if as == coqlForm {
			dst = append(strconv.AppendInt(append(dst, `{"id":"`...), people[v.n].id, 10), `"}`...)
		} else {
			dst = append(dst, people[v.n].json...)
		}
	case kindMulti:
		dst = append(append(append(dst, `["`...), v.w.json...), '"')
		if v.w2 != v.w {
			dst = append(append(append(dst, `,"`...), v.w2.json...), '"')
		}
		dst = append(dst, ']')
	case kindRaw:
		dst = append(dst, v.w.plain...)
	}
	return dst
}

// appendPhrase writes a made up text, in its JSON or its plain form.
func appendPhrase(dst []byte, v value, escaped bool) []byte {
	text := func(w *word) string {
		if escaped {
			return w.json
		}
		return w.plain
	}
	switch v.kind {
	case kindAuto:
		dst = append(dst, "No-"...)
		for limit := int64(100_000); limit > v.n && limit > 1; limit /= 10 {
			dst = append(dst, '0')
		}
		return strconv.AppendInt(dst, v.n, 10)
	case kindEmail:
		dst = append(dst, text(v.w)...)
		dst = strconv.AppendInt(append(dst, '.'), v.n, 10)
		return append(append(dst, '@'), text(v.w2)...)
	case kindFirst:
		return append(dst, text(v.w)...)
	case kindFull:
		dst = append(append(append(dst, text(v.w)...), ' '), text(v.w2)...)
	default:
		dst = append(dst, text(v.w)...)
	}
	return strconv.AppendInt(append(dst, ' '), v.n, 10)
}

func appendNumber(dst []byte, v value) []byte {
	digits, scale := 2, int64(100)
	if v.kind == kindDecimal {
		digits, scale = 4, 10_000
	}
	n := v.n
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/scale, 10)
	rest := n % scale
	if rest == 0 { // the vendor's numbers are doubles: 120000.0 is written with one digit or none
		if n%3 == 0 {
			return append(dst, ".0"...)
		}
		return dst
	}
	dst = append(dst, '.')
	for ; digits > 0 && rest > 0; digits-- {
		scale /= 10
		dst = append(dst, byte('0'+rest/scale))
		rest %= scale
	}
	return dst
}

func (o *Org) appendLookup(dst []byte, f *field, v value, as form) []byte {
	id := rows.IDs{First: v.m.first(), Stride: 1, Run: hole}.ID(v.n)
	if as == coqlForm {
		return append(strconv.AppendInt(append(dst, `{"id":"`...), id, 10), `"}`...)
	}
	switch f.api {
	case "Product_Name":
		dst = append(dst, `{"Product_Code":`...)
		code, is := o.columnOf(v, "Product_Code")
		dst = append(o.append(dst, code, is, fullForm), `,"name":`...)
	case "Parent_Id", "What_Id":
		dst = append(append(dst, `{"module":{"api_name":"`...), v.m.api...)
		dst = append(strconv.AppendInt(append(dst, `","id":"`...), v.m.id, 10), `"},"name":`...)
	default:
		dst = append(dst, `{"name":`...)
	}
	if f.api == "Parent_Id" && v.n%5 == 0 {
		dst = append(dst, "null"...) // CLIENT: the name of a Parent_Id can be null
	} else {
		dst = o.append(dst, v.m.display, o.displayName(v.m, v.n), fullForm)
	}
	return append(strconv.AppendInt(append(dst, `,"id":"`...), id, 10), `"}`...)
}

// columnOf is a field of the row that a lookup refers to, null if there is none.
func (o *Org) columnOf(v value, name string) (*field, value) {
	f := v.m.byName[name]
	r, ok := o.open(v.m).Get(v.m.rowID(v.n))
	if f == nil || !ok {
		return f, value{null: true}
	}
	x := v.m.cell(r)
	return f, o.value(f, &x)
}

// appendCSV writes a cell of a bulk read: null is empty, a lookup its bare id,
// a list joined by semicolons (GUESS: the vendor's CSV convention), and what
// has a shape of its own compact JSON (GUESS).
func (o *Org) appendCSV(dst []byte, f *field, v value) []byte {
	if v.null {
		return dst
	}
	switch v.kind {
	case kindText:
		return appendWord(dst, v.w)
	case kindName, kindFirst, kindFull, kindEmail, kindAuto:
		if v.w != nil && v.w.quoted || v.w2 != nil && v.w2.quoted {
			dst = append(dst, '"')
			from := len(dst)
			dst = appendPhrase(dst, v, false)
			text := strings.ReplaceAll(string(dst[from:]), `"`, `""`)
			return append(append(dst[:from], text...), '"')
		}
		return appendPhrase(dst, v, false)
	case kindID, kindBig, kindInt:
		return strconv.AppendInt(dst, v.n, 10)
	case kindCents, kindDecimal:
		return appendNumber(dst, v)
	case kindBool, kindConverted:
		return strconv.AppendBool(dst, v.n != 0)
	case kindDate:
		return rows.AppendDate(dst, v.n)
	case kindCreated, kindModified, kindInstant, kindConvertedTime:
		return o.zone.append(dst, v.n)
	case kindLookup, kindConvertedLookup:
		return strconv.AppendInt(dst, rows.IDs{First: v.m.first(), Stride: 1, Run: hole}.ID(v.n), 10)
	case kindOwner:
		return strconv.AppendInt(dst, people[v.n].id, 10)
	case kindMulti:
		text := v.w.plain
		if v.w2 != v.w {
			text += ";" + v.w2.plain
		}
		return appendCSVText(dst, text)
	case kindRaw:
		if f.api == "Tag" && !o.on(TagObjects) {
			return appendCSVText(dst, tagNames(v.w.plain))
		}
		if id := idOf(v.w.plain); id != "" && o.on(BareObjects) {
			return append(dst, id...)
		}
		if text, err := strconv.Unquote(v.w.plain); err == nil {
			return appendCSVText(dst, text)
		}
		return appendCSVText(dst, v.w.plain)
	}
	return dst
}

func appendWord(dst []byte, w *word) []byte {
	if !w.quoted {
		return append(dst, w.plain...)
	}
	return append(append(append(dst, '"'), w.csv...), '"')
}
