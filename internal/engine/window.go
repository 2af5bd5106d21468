package engine

import (
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// span is a range of replication values, both ends included; an open end has
// no bound.
type span struct {
	from, to         int64
	openFrom, openTo bool
}

// windows cuts from..to into spans of at most days. Neighbours share their edge
// for instants, since the vendor may cut fractions of a bound in either
// direction; days need no such care, their ends belong to them. A from beyond
// to gives none.
func windows(u stream.Unit, from, to int64, days int) []span {
	if from > to {
		return nil
	}
	step := int64(days)
	if u == stream.Instant {
		step *= 24 * 3600 * 1e6
	}
	if days <= 0 || u == stream.Int {
		return []span{{from: from, to: to}}
	}
	var out []span
	if u == stream.Day {
		step--
	}
	for {
		end := min(from+step, to)
		out = append(out, span{from: from, to: end})
		if end >= to {
			return out
		}
		from = end
		if u == stream.Day {
			from++
		}
	}
}

// halves cuts a span in two; ok is false where it is too narrow: below a
// second or a day, or open at an end.
func (s span) halves(u stream.Unit) (a, b span, ok bool) {
	least := int64(1)
	if u == stream.Instant {
		least = 1e6
	}
	if s.openFrom || s.openTo || s.to-s.from < least {
		return s, s, false
	}
	mid := s.from + (s.to-s.from)/2
	a, b = span{from: s.from, to: mid}, span{from: mid, to: s.to}
	if u != stream.Instant {
		b.from++
	}
	return a, b, true
}
