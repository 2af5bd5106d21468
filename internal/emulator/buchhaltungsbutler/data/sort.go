package data

import (
	"slices"
	"sort"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// source gives rows of a list in its order, from an offset on.
type source func(offset, n int64) []rows.Row

// ordered is a table by id.
func ordered(t *rows.Table, windows []rows.Window, order int, desc bool) source {
	return func(offset, n int64) []rows.Row {
		list, _ := t.Select(rows.Query{Windows: windows, Order: order, Desc: desc}, nil, func(int64) (int64, int64) { return offset, n })
		return list
	}
}

// listed is a list that was written out.
func listed(list []rows.Row) source {
	return func(offset, n int64) []rows.Row {
		offset = min(offset, int64(len(list)))
		return list[offset:min(offset+n, int64(len(list)))]
	}
}

// every gathers the rows of a table that lie in the windows and pass a test.
func every(t *rows.Table, windows []rows.Window, pass func(rows.Row) bool) []rows.Row {
	var out, chunk []rows.Row
	const step = 4096
	for offset := int64(0); ; offset += step {
		chunk, _ = t.Select(rows.Query{Windows: windows, Order: rows.ByID}, chunk[:0], func(int64) (int64, int64) { return offset, step })
		for _, r := range chunk {
			if pass(r) {
				out = append(out, r)
			}
		}
		if len(chunk) < step {
			return out
		}
	}
}

// dateWindow keeps what is dated within two days, both included.
func dateWindow(from, to int64) rows.Window {
	from, to = max(from, -100_000), min(to, 4_000_000)
	return rows.Window{Clock: onDate, Lo: from * day, Hi: to*day + day - 1}
}

// The days that a date can have, for the search below.
var earliest, latest = rows.Days(1900, 1, 1), rows.Days(2200, 1, 1)

// byDay sorts a table by date without writing it out: the days are counted
// until the page is found, and only the rows of its days are compared. Rows
// without a date come first when dates go up (as MySQL has it), last when they
// go down, and nowhere if there is a window.
func byDay(t *rows.Table, windows []rows.Window, desc bool, compare func(a, b rows.Row) int) source {
	count := func(from, to int64) int64 {
		if from > to {
			return 0
		}
		_, n := t.Select(rows.Query{Windows: append(slices.Clone(windows), dateWindow(from, to)), Order: rows.ByID}, nil, none)
		return n
	}
	undated := func() []rows.Row {
		if len(windows) > 0 {
			return nil
		}
		dated := count(earliest, latest)
		list, _ := t.Select(rows.Query{Order: onDate}, nil, func(total int64) (int64, int64) { return dated, total - dated })
		slices.SortStableFunc(list, compare)
		return list
	}
	days := latest - earliest + 1
	// nth is a day by its place in the order, before the rows on days before it.
	nth := func(k int64) int64 {
		if desc {
			return latest - k
		}
		return earliest + k
	}
	before := func(k int64) int64 {
		if desc {
			return count(nth(k)+1, latest)
		}
		return count(earliest, nth(k)-1)
	}
	dated := func(offset, n int64) []rows.Row {
		if n <= 0 || offset >= count(earliest, latest) {
			return nil
		}
		first := int64(sort.Search(int(days), func(k int) bool { return before(int64(k)+1) > offset }))
		final := int64(sort.Search(int(days-1), func(k int) bool { return before(int64(k)+1) >= offset+n }))
		from, to := nth(first), nth(final)
		if desc {
			from, to = to, from
		}
		list, _ := t.Select(rows.Query{
			Windows: append(slices.Clone(windows), dateWindow(from, to)), Order: rows.ByID,
		}, nil, func(total int64) (int64, int64) { return 0, total })
		slices.SortStableFunc(list, compare)
		return listed(list)(offset-before(first), n)
	}
	return func(offset, n int64) []rows.Row {
		blank := undated()
		if !desc {
			out := slices.Clone(listed(blank)(offset, n))
			return append(out, dated(max(offset-int64(len(blank)), 0), n-int64(len(out)))...)
		}
		out := dated(offset, n)
		if int64(len(out)) < n && len(blank) > 0 {
			behind := max(offset-count(earliest, latest), 0)
			out = append(out, listed(blank)(behind, n-int64(len(out)))...)
		}
		return out
	}
}

func none(int64) (int64, int64) { return 0, 0 }

// cut takes a page out of a list. Where offsets are not consistent, a page that
// is not the first begins with the last row of the page before, and what should
// be there is on no page.
func (c *Company) cut(stream string, from source, w window, unique bool, measured bool) []rows.Row {
	if c.opts.Same(stream) {
		w.offset = 0
	}
	list := from(w.offset, w.limit)
	slips := len(list) > 0 && c.slips(w.offset, unique, measured)
	if slips {
		list = slices.Clone(list)
		list[0] = from(w.offset-1, 1)[0]
	}
	return list
}

// slips tells whether a page does not fit to the one before. unique is a list
// whose order leaves nothing open, measured one where it was seen to happen.
func (c *Company) slips(offset int64, unique, measured bool) bool {
	s := c.opts.Switches
	switch {
	case offset == 0 || unique:
		return false
	case s.UnstableFixed, measured && !s.StableOffset && !s.Unstable:
		return true
	case s.Unstable:
		c.asked.Lock()
		defer c.asked.Unlock()
		c.calls++
		return rows.Mix(c.seed, c.calls)%2 == 0
	}
	return false
}
