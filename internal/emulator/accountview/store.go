package accountview

import (
	"maps"
	"slices"
	"sort"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// store is a table of one administration, or of a company. Rows that were never
// changed are computed; all that costs memory is what became of the others.
// Whoever looks at it holds the service's lock.
type store struct {
	t       *table
	company *company
	year    *book // nil: the table belongs to the company
	size    int64 // rows at the start
	older   bool  // a copy of a master table in a book year that is not the newest
	seed    uint64
	list    []map[string][]byte // rows of a table that is a list

	changed map[int64]change
	added   []added // in the order of their keys
	next    int64   // how many rows were ever added, or left out in doing so
	gone    int64
	version uint64
	turn    uint64
	missing int64 // rows that this book year does not have, -1: not counted yet
}

// added is a row that was not there at the start.
type added struct {
	i      int64
	key    string
	before int64 // the row of the start that it comes before
}

func (s *store) reset() {
	s.changed, s.added, s.next, s.gone, s.turn = nil, nil, 0, 0, 0
	s.version++
}

// fresh tells the rows of a master table that only the newest book year has:
// one in twenty.
func (s *store) fresh(i int64) bool {
	return s.t.belongs == master && !s.t.fixed && s.size > 20 && rows.Mix(s.company.seed^0xf7e5, uint64(i))%20 == 0
}

// lacks tells the rows of the start that are not in this book year.
func (s *store) lacks(i int64) bool { return s.older && s.fresh(i) }

// row fills r with a row; false if there is none.
func (s *store) row(r *row, i int64) bool {
	r.s, r.i, r.h, r.change = s, i, rows.Mix(s.seed, uint64(i)), change{}
	if len(s.changed) > 0 {
		r.change = s.changed[i]
	}
	if i >= s.size {
		return !r.gone
	}
	return !r.gone && !s.lacks(i)
}

// count is how many rows there are now.
func (s *store) count() int64 {
	if !s.older || s.size <= 20 {
		return s.size + int64(len(s.added)) - s.gone
	}
	if s.missing < 0 {
		s.missing = 0
		for i := range s.size {
			if s.lacks(i) {
				s.missing++
			}
		}
	}
	return s.size - s.missing + int64(len(s.added)) - s.gone
}

// place is where a scan stands: before a row of the start and before an added
// one.
type place struct {
	i int64
	a int
}

// after is the place behind a key, whether there is such a row or not.
func (s *store) after(key string) place {
	i := sort.Search(int(s.size), func(i int) bool { return s.t.text(s, int64(i)) > key })
	a := sort.Search(len(s.added), func(k int) bool { return s.added[k].key > key })
	return place{int64(i), a}
}

// scan yields the rows from a place on, in the order of their keys, with the
// place behind each, until yield returns false. The row is the same one each
// time: who keeps it copies it.
func (s *store) scan(from place, yield func(r *row, next place) bool) {
	var r row
	for at := from; at.i < s.size || at.a < len(s.added); {
		i := at.i
		if at.a < len(s.added) && s.added[at.a].before <= at.i {
			i = s.added[at.a].i
			at.a++
		} else {
			at.i++
		}
		if s.row(&r, i) && !yield(&r, at) {
			return
		}
	}
}

// plain tells whether the n-th row is row number n.
func (s *store) plain() bool { return !s.older && len(s.added) == 0 && s.gone == 0 }

// find returns the live row that has a key.
func (s *store) find(key string) (row, bool) {
	var r row
	if k, ok := slices.BinarySearchFunc(s.added, key, func(a added, key string) int { return compare(a.key, key) }); ok {
		ok := s.row(&r, s.added[k].i)
		return r, ok
	}
	i := int64(sort.Search(int(s.size), func(i int) bool { return s.t.text(s, int64(i)) >= key }))
	if i >= s.size || s.t.text(s, i) != key {
		return r, false
	}
	ok := s.row(&r, i)
	return r, ok
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// edit changes what is told of a row.
func (s *store) edit(i int64, alter func(*change)) {
	c := s.changed[i]
	alter(&c)
	if s.changed == nil {
		s.changed = make(map[int64]change)
	}
	s.changed[i] = c
	s.version++
}

// remove takes a row away. Nothing tells of it.
func (s *store) remove(i int64) {
	s.edit(i, func(c *change) { c.gone = true })
	if i < s.size {
		s.gone++
		return
	}
	s.added = slices.DeleteFunc(s.added, func(a added) bool { return a.i == i })
}

// insert adds a row that a view shows; false if the table takes no more.
func (s *store) insert(at int64, view func(*row) bool) (row, bool) {
	var r row
	for range 100 {
		i := s.size + s.next
		s.next++
		key := s.t.text(s, i)
		if key == "" || s.t.fixed {
			return r, false
		}
		s.row(&r, i)
		r.at = at
		if view != nil && !view(&r) {
			continue
		}
		s.edit(i, func(c *change) { c.at = at })
		before := int64(sort.Search(int(s.size), func(i int) bool { return s.t.text(s, int64(i)) > key }))
		k := sort.Search(len(s.added), func(k int) bool { return s.added[k].key > key })
		s.added = slices.Insert(s.added, k, added{i, key, before})
		return r, true
	}
	return r, false
}

// some names up to n live rows that a view shows, each once, chosen by the seed
// and by how often it was asked before.
func (s *store) some(n int, view func(*row) bool) []int64 {
	s.turn++
	total := s.size + s.next
	var out []int64
	seen := make(map[int64]bool)
	var r row
	take := func(i int64) {
		if !seen[i] && (i < s.size || slices.ContainsFunc(s.added, func(a added) bool { return a.i == i })) &&
			s.row(&r, i) && (view == nil || view(&r)) {
			seen[i] = true
			out = append(out, i)
		}
	}
	for draw := uint64(0); draw < uint64(20*n) && len(out) < n && total > 0; draw++ {
		take(int64(rows.Mix(rows.Mix(s.seed, s.turn), draw) % uint64(total)))
	}
	for i := int64(0); i < total && len(out) < n; i++ {
		take(i)
	}
	return out
}

// clone is a copy of a row that stays as it is.
func (r *row) clone() *row {
	c := *r
	return &c
}

// names are the sorted keys of a map.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
