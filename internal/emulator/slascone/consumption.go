package slascone

import (
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// consumptionLimit is how much a license may consume of a limitation, in
// thousandths.
const consumptionLimit = 100_000

// beat is what a consumption heartbeat tells.
type beat struct {
	value      int64 // thousandths
	limitation int64
	event      ticks // when it happened: timestamp_utc of the sender
	arrived    ticks
	tx         int64 // its transaction
}

// beatOf reads a heartbeat. The computed ones arrived when they happened, but for
// every ninth, which is a day late.
func (w *world) beatOf(r row) beat {
	p := w.productOf(r)
	h := rows.Mix(w.seed^0xbe, uint64(r.index))
	limits := w.byKind[limitation].count(p)
	b := beat{event: r.created, arrived: r.created, tx: r.index}
	b.limitation = w.byKind[limitation].at(p, int64(h%uint64(limits)))
	if r.index >= firstAdded {
		c := r.change
		b.value, b.event, b.arrived, b.tx = c.value, c.event, c.created, c.tx
		if c.product > 0 {
			b.limitation = c.product
		}
		return b
	}
	b.value = int64(1+h>>8%500) * 100
	switch {
	case h%7 == 0:
		b.value += 25
	case h%31 == 1:
		b.value = -b.value // a correction
	}
	if h%9 == 0 {
		b.arrived = min(b.arrived+day, w.start-second)
	}
	return b
}

// shown is what created_date_utc tells of a heartbeat. GUESS: it follows a
// backdated timestamp_utc, see the switch created-on-arrival.
func (b beat) shown(l *look) ticks {
	if l.arrival {
		return b.arrived
	}
	return b.event
}

// beatsOf are the heartbeats of a license that lists show. With counter a
// rolled-back one stays, for its reverse follows.
func (w *world) beatsOf(l row, counter bool) []row {
	t := w.byKind[consumption]
	if !counter {
		out := w.children(t, l)
		kept := out[:0]
		for _, r := range out {
			if r.change == nil || !r.change.reverse {
				kept = append(kept, r)
			}
		}
		return kept
	}
	var out []row
	for slot := range w.slotsOf(t, l) {
		out = append(out, w.childAt(t, l, t.at(l.index, slot)))
	}
	for _, index := range w.added[place{kind: license, index: l.index, below: consumption}] {
		out = append(out, w.childAt(t, l, index))
	}
	return out
}

// balanceAt is what a license has consumed of a limitation up to a heartbeat.
func (w *world) balanceAt(r row, counter bool) int64 {
	l, ok := w.get(license, r.parent)
	if !ok {
		return 0
	}
	own := w.beatOf(r).limitation
	var sum int64
	for _, x := range w.beatsOf(l, counter) {
		if b := w.beatOf(x); b.limitation == own {
			sum += b.value
		}
		if x.index == r.index {
			break
		}
	}
	return sum
}

// roll takes a heartbeat back: it vanishes, or by switch its reverse is listed
// next to it.
func (w *world) roll(index int64, at ticks) {
	t := w.byKind[consumption]
	r, ok := w.getChild(t, index)
	if !ok {
		return
	}
	b := w.beatOf(r)
	w.remove(t, r, at)
	reverse := w.nextChild()
	c := w.changeOf(place{kind: consumption, index: reverse})
	c.created, c.event, c.gone, c.parent, c.value, c.tx, c.product, c.reverse = at, at, never, r.parent, -b.value, b.tx, b.limitation, true
	w.attach(license, consumption, r.parent, reverse)
}

func consumptionMakers() map[string]maker {
	decimal := func(of func(c *cell) int64) maker {
		return func(dst []byte, c *cell) []byte { return appendThousandths(dst, of(c)) }
	}
	limitationOf := func(c *cell) int64 { return c.w.beatOf(c.r).limitation }
	owed := func(c *cell) int64 { return c.w.balanceOf(c.outer, c.r.index, c.look.reverse) }
	return map[string]maker{
		"ConsumptionHeartbeatDto.value":            decimal(func(c *cell) int64 { return c.w.beatOf(c.r).value }),
		"ConsumptionHeartbeatDto.balance":          decimal(func(c *cell) int64 { return c.w.balanceAt(c.r, c.look.reverse) }),
		"ConsumptionHeartbeatDto.remaining":        decimal(func(c *cell) int64 { return consumptionLimit - c.w.balanceAt(c.r, c.look.reverse) }),
		"ConsumptionHeartbeatDto.created_date_utc": instant(func(c *cell) ticks { return c.w.beatOf(c.r).shown(c.look) }),
		"ConsumptionHeartbeatDto.license_id":       idOf(license, func(c *cell) int64 { return c.r.parent }),
		"ConsumptionHeartbeatDto.limitation_id":    idOf(limitation, limitationOf),
		"ConsumptionHeartbeatDto.limitation":       one(limitation, limitationOf),
		"ConsumptionHeartbeatDto.assignment_id":    idOf(assignment, sessionToken),
		"ConsumptionHeartbeatDto.client_id": text(func(c *cell) string {
			return c.w.clientOf(row{t: c.w.byKind[assignment], index: sessionToken(c)})
		}),
		"ConsumptionHeartbeatDto.user_id":      fixed(null),
		"ConsumptionHeartbeatDto.license_user": fixed(null),

		// The ids may be null (DOC): of every other limitation the license is, of
		// all but one the assignment.
		"ConsumptionBalanceDto.license_id": idOf(license, func(c *cell) int64 {
			if c.r.index%2 == 1 {
				return -1
			}
			return c.outer.index
		}),
		"ConsumptionBalanceDto.assignment_id": idOf(assignment, func(c *cell) int64 {
			if c.line != 0 {
				return -1
			}
			return c.w.byKind[assignment].at(c.outer.index, 0)
		}),
		"ConsumptionBalanceDto.limitation_id":       idOf(limitation, func(c *cell) int64 { return c.r.index }),
		"ConsumptionBalanceDto.limitation":          one(limitation, func(c *cell) int64 { return c.r.index }),
		"ConsumptionBalanceDto.limit":               decimal(func(*cell) int64 { return consumptionLimit }),
		"ConsumptionBalanceDto.balance":             decimal(owed),
		"ConsumptionBalanceDto.remaining":           decimal(func(c *cell) int64 { return consumptionLimit - owed(c) }),
		"ConsumptionBalanceDto.reset_mode":          fixed("3"),
		"ConsumptionBalanceDto.last_reset_date_utc": instant(func(c *cell) ticks { return c.w.start - 20*day }),
		"ConsumptionBalanceDto.next_reset_date_utc": instant(func(c *cell) ticks { return c.w.start + 11*day }),
	}
}

// balanceOf is what a license has consumed of a limitation.
func (w *world) balanceOf(l row, limitation int64, counter bool) int64 {
	var sum int64
	for _, r := range w.beatsOf(l, counter) {
		if b := w.beatOf(r); b.limitation == limitation {
			sum += b.value
		}
	}
	return sum
}
