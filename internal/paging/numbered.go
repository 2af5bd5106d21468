package paging

import (
	"slices"
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// At returns a request like r for the page, of at most so many rows, that brings
// most of those after the first end ones of the list, and begins with the last
// of these. Where pages are counted and not rows, a page begins at a multiple of
// its size, so that each has another size: one by which few rows come again.
func At(p stream.Offset, r *stream.Request, end, most int) *stream.Request {
	size, from := max(most, 1), 0
	if end > 0 {
		size, from = place(end, size)
	}
	out := *r
	out.Params = slices.Clone(r.Params)
	set(&out, p.SizeParam, strconv.Itoa(size), true)
	set(&out, p.Param, strconv.Itoa(from/size+1), true)
	return &out
}

// place finds size and first row of a page.
func place(end, most int) (size, from int) {
	best := 0
	for s := most; s >= max(most/2, 1); s-- {
		start := (end - 1) / s * s
		if gain := start + s - end; gain > best {
			best, size, from = gain, s, start
		}
	}
	if best == 0 { // such small pages cannot overlap
		size, from = most, end/most*most
	}
	return size, from
}

// numberedNext is Next of an Offset that is Numbered.
func numberedNext(p stream.Offset, r *stream.Request, h Head) *stream.Request {
	from, asked := Position(p, r), Asked(p, r, p.Size)
	more, told := boolean(h.Capture(p.More))
	if h.Rows <= h.Shared || told && !more || !told && h.Rows < asked && (from > 0 || h.Rows < p.Least) {
		return nil
	}
	return At(p, r, from+h.Rows, h.Most)
}
