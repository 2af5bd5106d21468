package slascone

import (
	"maps"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// makers are those of the members that have a meaning, by object and member, or
// by member alone.
func makers() map[string]maker {
	return gather(commonMakers(), editorMakers(), licenseMakers(), overviewMakers(), deviceMakers(), consumptionMakers(), peopleMakers())
}

func gather(groups ...map[string]maker) map[string]maker {
	out := make(map[string]maker)
	for _, g := range groups {
		maps.Copy(out, g)
	}
	return out
}

// The forms that makers have.

func fixed(text string) maker {
	return func(dst []byte, _ *cell) []byte { return append(dst, text...) }
}

func number(of func(c *cell) int64) maker {
	return func(dst []byte, c *cell) []byte { return strconv.AppendInt(dst, of(c), 10) }
}

func truth(of func(c *cell) bool) maker {
	return func(dst []byte, c *cell) []byte { return strconv.AppendBool(dst, of(c)) }
}

// text makes a text; "" is null.
func text(of func(c *cell) string) maker {
	return func(dst []byte, c *cell) []byte {
		if s := of(c); s != "" {
			return rows.AppendText(dst, s)
		}
		return append(dst, null...)
	}
}

func instant(of func(c *cell) ticks) maker {
	return func(dst []byte, c *cell) []byte { return c.appendTime(dst, of(c)) }
}

// idOf makes the id of a row; a number below 0 is null.
func idOf(k kind, of func(c *cell) int64) maker {
	return func(dst []byte, c *cell) []byte {
		index := of(c)
		if index < 0 {
			return append(dst, null...)
		}
		return c.appendUUID(dst, c.w.id(k, index))
	}
}

// looseID makes an id that belongs to no table, the same whenever it is asked.
func looseID(salt uint64) maker {
	return func(dst []byte, c *cell) []byte {
		return c.appendUUID(dst, makeUUID(rows.Mix(c.seed, salt)&(1<<60-1), rows.Mix(c.seed, salt+1)))
	}
}

// one embeds a row, not deeper than two levels.
func one(k kind, of func(c *cell) int64) maker {
	return func(dst []byte, c *cell) []byte {
		if c.depth > 1 || c.look.bare && c.depth == 0 {
			return append(dst, null...)
		}
		index := of(c)
		if index < 0 {
			return append(dst, null...)
		}
		r, ok := c.w.get(k, index)
		if !ok {
			return append(dst, null...)
		}
		return c.w.object(dst, c.m.of, r, row{}, 0, c.depth+1, c.look)
	}
}

// many lists rows, in the outermost object alone. Those of a list are shown with
// the row around them.
func many(of func(c *cell) []row) maker { return manyTo(0, of) }

// manyTo lists rows also in objects that are so deep, unless a switch forbids it.
func manyTo(depth int, of func(c *cell) []row) maker {
	return func(dst []byte, c *cell) []byte {
		if c.depth > depth || c.depth > 0 && c.look.shallow || c.look.bare && c.m.name == "mail_logs" {
			return append(dst, null...)
		}
		list := of(c)
		if list == nil && c.m.nullable && c.r.index%2 == 1 {
			return append(dst, null...)
		}
		dst = append(dst, '[')
		for k, r := range list {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = c.w.object(dst, c.m.of, r, c.r, int64(k), c.depth+1, c.look)
		}
		return append(dst, ']')
	}
}

// times lists n objects that no table holds.
func times(of func(c *cell) int64) maker {
	return func(dst []byte, c *cell) []byte {
		n := of(c)
		if n < 0 || c.depth > 1 {
			return append(dst, null...)
		}
		dst = append(dst, '[')
		for k := range n {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = c.w.object(dst, c.m.of, c.r, c.outer, k, c.depth+1, c.look)
		}
		return append(dst, ']')
	}
}

// tags lists the assignments of tags, whose ids are the only integers (DOC).
func tags(dst []byte, c *cell) []byte {
	list := c.w.tagsOf(c.r)
	if list == nil && c.r.index%5 == 4 {
		return append(dst, null...) // as good as none (GUESS)
	}
	dst = append(dst, '[')
	for k, tag := range list {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = c.w.object(dst, "TagAssignmentDto", c.r, row{}, tag, c.depth+1, c.look)
	}
	return append(dst, ']')
}

// tagsOf are the tags of a customer, a license or an assignment.
func (w *world) tagsOf(r row) []int64 {
	if r.change != nil && r.change.tags != nil {
		return r.change.tags
	}
	switch r.index % 5 {
	case 0:
		return []int64{3}
	case 2:
		return []int64{1, 7, 12}
	}
	return nil
}

func commonMakers() map[string]maker {
	own := func(c *cell) int64 { return c.r.index }
	return map[string]maker{
		".id": func(dst []byte, c *cell) []byte { return c.appendUUID(dst, c.w.id(c.r.kind(), own(c))) },
		".created_date_utc": instant(func(c *cell) ticks {
			// Types and lists made by the vendor's own set-up have no times.
			if c.m.nullable && c.r.rev() == 0 && c.r.t.parent == nil && c.r.index == 0 && c.r.kind() != license && c.r.kind() != customer {
				return never
			}
			return c.r.created
		}),
		".modified_date_utc": instant(func(c *cell) ticks { return c.r.modified }),
		".last_modified_by": text(func(c *cell) string {
			switch {
			case c.r.change != nil && c.r.change.by != "":
				return c.r.change.by
			case c.r.modified == never:
				return ""
			}
			return c.pick("user")
		}),
		".product_id":                    idOf(product, func(c *cell) int64 { return c.w.productOf(c.r) }),
		".tag_assignments":               tags,
		".latitude":                      degrees(85),
		".longitude":                     degrees(180),
		"TagAssignmentDto.id":            number(func(c *cell) int64 { return 1 + int64(rows.Mix(c.seed, 9)>>34) }),
		"ItemTagAssignmentDto.tag_id":    number(func(c *cell) int64 { return c.line }),
		"TagAssignmentDto.tag_id":        number(func(c *cell) int64 { return c.line }),
		"TagAssignmentDto.customer_id":   tagged(customer),
		"TagAssignmentDto.license_id":    tagged(license),
		"TagAssignmentDto.assignment_id": tagged(assignment),
	}
}

func tagged(k kind) maker {
	return idOf(k, func(c *cell) int64 {
		if c.r.kind() == k {
			return c.r.index
		}
		return -1
	})
}

// nameOf is the name of a row of the editor, with a number where several rows
// of one list would have the same.
func (w *world) nameOf(r row) string {
	list := namesOf[r.t.kind]
	slot, size := r.index, int64(len(list))
	if r.t.parent != nil {
		slot = r.index % r.t.slots
	}
	if r.t.kind == template {
		slot = r.index % 2
	}
	name := list[slot%size]
	if slot >= size {
		name += " " + strconv.FormatInt(slot/size+1, 10)
	}
	if rev := r.rev(); rev > 0 && strings.HasSuffix(w.models[r.t.model].visible, "name") {
		name += " #" + strconv.Itoa(rev)
	}
	return name
}

// productOf is the product that a row belongs to.
func (w *world) productOf(r row) int64 {
	switch r.kind() {
	case product:
		return r.index
	case template:
		if r.index >= 2*w.products {
			return r.index % w.products
		}
		return r.index / 2
	case license:
		if r.change != nil && r.index >= w.licenses {
			return r.change.product
		}
		return r.index % w.products
	case feature, limitation, variable, constrained, analyticalField, usageFeature, usageModule, release, shipmentProperty, mail:
		return r.parent
	case none:
		return -1
	}
	if r.t.parent == nil {
		return -1
	}
	return w.productOf(w.above(r))
}
