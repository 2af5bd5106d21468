package slascone

import (
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// plain are the makers of members that mean nothing to a client, by type. What
// is nullable is null now and then, and texts are empty now and then.
var plain = map[valueType]maker{
	textType:   plainText,
	uuidType:   plainUUID,
	timeType:   plainTime,
	intType:    plainInt,
	numberType: plainNumber,
	boolType:   func(dst []byte, c *cell) []byte { return strconv.AppendBool(dst, c.h&64 == 0) },
	objectType: plainObject,
	arrayType:  plainArray,
}

const null = "null"

// blank decides about null: one nullable value in five.
func (c *cell) blank() bool { return c.m.nullable && rows.Mix(c.h, 1)%5 == 0 }

func (c *cell) pick(pool string) string {
	if words[pool] == nil {
		pool = "description"
	}
	return words[pool][rows.Mix(c.h, 2)%uint64(len(words[pool]))]
}

func plainText(dst []byte, c *cell) []byte {
	pool := c.m.name
	if other := pools[pool]; other != "" {
		pool = other
	}
	// A touch shows in one text, which is never null from then on.
	rev := c.r.rev()
	if rev > 0 && c.w.models[c.r.t.model].visible == c.m.name {
		return rows.AppendText(dst, c.pick(pool)+" #"+strconv.Itoa(rev))
	}
	switch {
	case c.blank():
		return append(dst, null...)
	case c.m.nullable && rows.Mix(c.h, 3)%8 == 0:
		return append(dst, `""`...)
	}
	return rows.AppendText(dst, c.pick(pool))
}

func plainUUID(dst []byte, c *cell) []byte {
	if c.blank() {
		return append(dst, null...)
	}
	return c.appendUUID(dst, makeUUID(c.h&(1<<60-1), rows.Mix(c.h, 4)))
}

func (c *cell) appendUUID(dst []byte, u uuid) []byte { return append(u.append(append(dst, '"')), '"') }

// appendTime writes an instant, by the fault offset-times with an offset in a
// share of the rows.
func (c *cell) appendTime(dst []byte, t ticks) []byte {
	if t == never {
		return append(dst, null...)
	}
	offset := 0
	if c.look.offsets > 0 && float64(rows.Mix(c.seed, 5)%1000) < 1000*c.look.offsets && t < forever-day {
		offset = [...]int{120, -300, 345}[c.seed%3]
	}
	return t.append(dst, offset)
}

func plainTime(dst []byte, c *cell) []byte {
	if c.blank() {
		return append(dst, null...)
	}
	return c.appendTime(dst, rough(c.w.start-ticks(c.h%900)*day-second, c.h>>9))
}

func plainInt(dst []byte, c *cell) []byte {
	switch {
	case c.blank():
		return append(dst, null...)
	case c.m.values != nil:
		return append(dst, c.m.values[rows.Mix(c.h, 6)%uint64(len(c.m.values))]...)
	}
	return strconv.AppendInt(dst, int64(c.h>>7%90), 10)
}

func plainNumber(dst []byte, c *cell) []byte {
	if c.blank() {
		return append(dst, null...)
	}
	return append(dst, [...]string{"0.0", "12.5", "100.0", "0.1", "7"}[c.h%5]...)
}

// plainObject embeds a part of the row itself. A row of another table is embedded
// by who knows which one, see [one].
func plainObject(dst []byte, c *cell) []byte {
	if c.m.nullable && (c.depth > 1 || c.h%2 == 0 || c.w.tableOf(c.m.of)) {
		return append(dst, null...)
	}
	return c.w.object(dst, c.m.of, c.r, c.outer, c.line, c.depth+1, c.look)
}

func plainArray(dst []byte, c *cell) []byte {
	if c.m.nullable && c.h%2 == 0 {
		return append(dst, null...)
	}
	return append(dst, "[]"...)
}

// appendThousandths writes a decimal as .NET does: at least one digit after the
// point, as in 3.0, and none that is zero at the end beyond it.
func appendThousandths(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = append(strconv.AppendInt(dst, n/1000, 10), '.')
	fraction := strings.TrimRight(strconv.FormatInt(1000+n%1000, 10)[1:], "0")
	if fraction == "" {
		fraction = "0"
	}
	return append(dst, fraction...)
}

// degrees makes latitude or longitude: numbers on customers and resellers, texts
// on heartbeats (DOC), by the fault disputed the other way round.
func degrees(most int64) maker {
	return func(dst []byte, c *cell) []byte {
		if c.blank() {
			return append(dst, null...)
		}
		text := c.m.kind == textType
		if c.look.disputed > 0 && float64(rows.Mix(c.seed, 7)%1000) < 1000*c.look.disputed {
			text = !text
		}
		n := int64(c.h%uint64(2*most*1000)) - most*1000
		if !text {
			return appendThousandths(dst, n)
		}
		return append(appendThousandths(append(dst, '"'), n), '"')
	}
}
