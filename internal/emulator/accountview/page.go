package accountview

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// rowsOfPage selects the rows of a page. What it does with LastKey and
// PageNumber can be spoilt by faults.
func (s *Service) rowsOfPage(q *query, st *store, stream string) ([]*row, *problem) {
	if len(q.sort) > 0 {
		number := max(q.number, 1)
		if s.on("pagenumber-ignored", stream) {
			number = 1
		}
		return s.sorted(q, st, number), nil
	}
	switch {
	case q.after:
		return s.behind(q, st, stream)
	case q.number > 1 && s.on("pagenumber-ignored", stream):
		return collect(q, st, place{}, q.size), nil
	case q.number%2 == 0 && q.number > 0 && s.on("shifting-order", stream):
		list := collect(q, st, place{}, -1)
		slices.Reverse(list)
		return window(list, (q.number-1)*q.size, q.size), nil
	case q.number > 1:
		return s.numbered(q, st), nil
	}
	return collect(q, st, place{}, q.size), nil
}

// behind are the rows after LastKey.
func (s *Service) behind(q *query, st *store, stream string) ([]*row, *problem) {
	last := q.last
	switch {
	case s.on("lastkey-ignored", stream):
		return collect(q, st, place{}, q.size), nil
	case q.table == "DCT_FLD":
		// CLIENT fxl sends DCT_FLD_Id, which begins anew on each page (REAL): the
		// second page comes again and again.
		n, err := strconv.Atoi(last)
		if err != nil || n < 0 {
			return nil, wrong(1, "De sleutel %s is ongeldig.", last)
		}
		return window(collect(q, st, place{}, n+1+q.size), n+1, q.size), nil
	case len(st.t.key) > 1: // GUESS: nobody knows how such a key would be written
		return nil, wrong(1, "Tabel %s heeft een samengestelde sleutel.", q.table)
	case st.t.byName[st.t.key[0]].letter == 'I':
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			return nil, wrong(1, "De sleutel %s is ongeldig.", last)
		}
		last = pad0(n, 2)
	case st.t.fixed:
		last = padRight(last, 10)
	}
	if s.fires("lastkey-repeats", stream) {
		var list []*row
		st.scan(place{}, func(r *row, _ place) bool {
			if r.key() > last {
				return false
			}
			if q.wants(r) {
				list = append(list, r.clone())
			}
			return true
		})
		return list[max(len(list)-q.size, 0):], nil
	}
	return collect(q, st, st.after(last), q.size), nil
}

// collect are the wanted rows from a place on; negative: all.
func collect(q *query, st *store, from place, n int) []*row {
	var list []*row
	if n == 0 {
		return nil
	}
	st.scan(from, func(r *row, _ place) bool {
		if q.wants(r) {
			list = append(list, r.clone())
		}
		return len(list) != n
	})
	return list
}

func window(list []*row, from, n int) []*row {
	from = min(from, len(list))
	return list[from:min(from+n, len(list))]
}

// numbered are the rows of a page by its number. Where the last page ended is
// remembered, so that reading all of them is one walk through the table.
func (s *Service) numbered(q *query, st *store) []*row {
	skip := (q.number - 1) * q.size
	if q.free() && st.plain() {
		return collect(q, st, place{i: int64(skip)}, q.size)
	}
	key := q.identity(st)
	from := place{}
	if p, ok := s.places.get(key); ok && p.version == st.version && p.number < q.number {
		from, skip = p.at, (q.number-1-p.number)*q.size
	}
	var list []*row
	last := from
	st.scan(from, func(r *row, next place) bool {
		if !q.wants(r) {
			return true
		}
		last = next
		if skip > 0 {
			skip--
			return true
		}
		list = append(list, r.clone())
		return len(list) < q.size
	})
	if len(list) == q.size {
		s.places.put(key, spot{st.version, q.number, last})
	}
	return list
}

// identity names what is asked for but for the place in it.
func (q *query) identity(st *store) string {
	words := []string{st.company.code, q.code, strconv.Itoa(q.size), strconv.FormatBool(q.any), q.words.Get("filter"), q.words.Get("fields")}
	if st.year != nil {
		words = append(words, st.year.code)
	}
	for _, c := range q.conds {
		words = append(words, c.text)
	}
	return strings.Join(words, "\x01")
}

// spot is where a page ended.
type spot struct {
	version uint64
	number  int
	at      place
}

// memory keeps what a stand-in remembers of its pages; old entries are
// forgotten together.
type memory[V any] struct {
	mu   sync.Mutex
	kept map[string]V
}

const memories = 4096

func (m *memory[V]) get(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.kept[key]
	return v, ok
}

func (m *memory[V]) put(key string, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= memories {
		m.kept = make(map[string]V)
	}
	m.kept[key] = v
}

// sorted is a page in the order of other columns. It is the only way of reading
// that holds all rows.
func (s *Service) sorted(q *query, st *store, number int) []*row {
	type entry struct {
		keys []string
		r    *row
	}
	var list []entry
	st.scan(place{}, func(r *row, _ place) bool {
		if !q.wants(r) {
			return true
		}
		e := entry{r: r.clone()}
		for _, c := range q.sort {
			e.keys = append(e.keys, sortKey(c, r))
		}
		list = append(list, e)
		return true
	})
	slices.SortStableFunc(list, func(a, b entry) int {
		order := slices.Compare(a.keys, b.keys)
		if q.desc {
			return -order
		}
		return order
	})
	var out []*row
	for _, e := range list {
		out = append(out, e.r)
	}
	return window(out, (number-1)*q.size, q.size)
}

// sortKey is a value as text whose order is that of the values.
func sortKey(c *column, r *row) string {
	if c.table != r.s.t.name {
		r = joinedRow(r, c.table)
	}
	text := strings.Trim(string(c.make(nil, r)), `"`)
	if strings.IndexByte("NYBI", c.letter) >= 0 {
		n, _ := strconv.ParseFloat(text, 64)
		return padLeft(strconv.FormatFloat(n+1e12, 'f', 4, 64), 24)
	}
	if text == "null" {
		return ""
	}
	return text
}

// joinedRow is the header of a line of history.
func joinedRow(r *row, table string) *row {
	st := r.s.company.store(table, r.s.year)
	out := new(row)
	if st.size > 0 {
		st.row(out, r.i%st.size)
	} else {
		out.s = st
	}
	return out
}
