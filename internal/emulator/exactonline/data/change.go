package data

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// changeable opens the table of a set for a change; the company is locked.
func (s *Store) changeable(set *edm.Set, division int) (*cell, error) {
	in := s.info(set)
	if in.central || in.table == deletions || in.fixed > 0 {
		return nil, fmt.Errorf("stream %q does not change", set.Name)
	}
	c, err := s.lock(in, division)
	if err != nil {
		return nil, fmt.Errorf("no division %d", division)
	}
	return &cell{s: s, c: c, in: in, t: s.open(c, in)}, nil
}

// Touch changes rows of a set: those named, and n others. They get the instant
// at (zero: now) as Modified, another value here and there and, in a set with
// row versions or a twin of one, new ones. With a header or line its whole
// document gets new row versions (DOC). The keys of all changed rows that the
// set shows are returned.
func (s *Store) Touch(set *edm.Set, division int, at time.Time, n int, ids ...string) ([]string, error) {
	x, err := s.changeable(set, division)
	if err != nil {
		return nil, err
	}
	defer x.c.mu.Unlock()
	chosen, err := x.choose(n, ids)
	if err != nil {
		return nil, err
	}
	touched := x.documents(chosen)
	for _, i := range touched {
		x.touch(i, s.wallOf(at))
	}
	return x.keysOf(touched), nil
}

// Delete takes rows of a set away: those named, and n others, the lines of a
// header with it. Each leaves a row in sync/Deleted, if the vendor lists
// deletions of the set (DOC). Lines and headers that stay get new row versions.
func (s *Store) Delete(set *edm.Set, division int, at time.Time, n int, ids ...string) ([]string, error) {
	x, err := s.changeable(set, division)
	if err != nil {
		return nil, err
	}
	defer x.c.mu.Unlock()
	chosen, err := x.choose(n, ids)
	if err != nil {
		return nil, err
	}
	gone := make(map[int32]bool, len(chosen))
	for _, i := range chosen {
		gone[i] = true
	}
	var removed []int32
	deleted := s.info(edm.Find(deletions))
	entity := s.entity(x.in)
	family := x.documents(chosen)
	keys := make(map[int32]string, len(family))
	for _, i := range family {
		keys[i] = x.at(i).key()
	}
	for _, i := range family {
		r := &x.t.rows[i]
		header := i - r.line
		if !gone[i] && !(x.isMixed() && gone[header]) {
			x.touch(i, s.wallOf(at))
			continue
		}
		r.dead = true
		x.t.alive--
		x.t.generation++
		removed = append(removed, i)
		if entity > 0 {
			s.bereave(x.c, deleted, tomb{entity, r.id, users[int(r.id[1])%len(users)].id}, s.wallOf(at))
		}
	}
	var out []string
	for _, i := range removed {
		if x.in.shows == nil || x.in.shows(&x.t.rows[i]) {
			out = append(out, keys[i])
		}
	}
	return out, nil
}

// bereave adds a row to sync/Deleted.
func (s *Store) bereave(c *company, deleted *info, d tomb, at int64) {
	t := s.open(c, deleted)
	c.tombs = append(c.tombs, d)
	c.inserted++
	i := int32(len(t.rows))
	t.rows = append(t.rows, row{
		id: makeGUID(rows.MixText(c.seed, deletions), uint64(i)), version: c.nextVersion(),
		modified: at, created: at, document: i,
	})
	t.alive++
	t.generation++
	t.log = append(t.log, entry{t.rows[i].version, i})
}

// Insert adds n rows, in a set of documents with headers and lines: a header
// with up to three lines, and so on, until there are n rows or more that the
// set shows.
func (s *Store) Insert(set *edm.Set, division int, at time.Time, n int) ([]string, error) {
	x, err := s.changeable(set, division)
	if err != nil {
		return nil, err
	}
	defer x.c.mu.Unlock()
	seed := rows.MixText(x.c.seed, x.in.table)
	var added []int32
	for shown := 0; shown < n; {
		i := int32(len(x.t.rows))
		r := row{id: makeGUID(seed, uint64(i)), modified: s.wallOf(at), created: s.wallOf(at), document: i}
		if x.isMixed() {
			r.document, r.line = x.t.documents, 0
			if len(added)%4 > 0 {
				r.document, r.line = x.t.rows[i-1].document, x.t.rows[i-1].line+1
			} else {
				x.t.documents++
			}
		}
		x.t.rows = append(x.t.rows, r)
		x.t.alive++
		x.c.inserted++
		x.record(i)
		added = append(added, i)
		if x.in.shows == nil || x.in.shows(&r) {
			shown++
		}
	}
	return x.keysOf(added), nil
}

func (s *Store) wallOf(at time.Time) int64 {
	if at.IsZero() {
		return s.now()
	}
	return wall(at.UnixMilli())
}

// entity is the number by which sync/Deleted calls the rows of a table.
func (s *Store) entity(in *info) int {
	if root := edm.Find(in.table); root != nil {
		return root.EntityType
	}
	return 0
}

func (x *cell) isMixed() bool {
	_, ok := mixed[x.in.table]
	return ok
}

func (x *cell) at(i int32) *cell {
	x.row, x.index = &x.t.rows[i], int64(i)
	return x
}

// touch changes one row.
func (x *cell) touch(i int32, at int64) {
	r := &x.t.rows[i]
	r.modified = at
	r.edits++
	x.record(i)
}

// record gives a row a new row version, if its table has them.
func (x *cell) record(i int32) {
	x.t.generation++
	if _, ok := x.s.roots[x.in.table]; !ok {
		return
	}
	x.t.rows[i].version = x.c.nextVersion()
	x.t.log = append(x.t.log, entry{x.t.rows[i].version, i})
}

// choose finds the named rows and draws n others from those that the set shows.
func (x *cell) choose(n int, ids []string) ([]int32, error) {
	var live []int32
	byKey := make(map[string]int32)
	for i := range x.t.rows {
		if r := &x.t.rows[i]; !r.dead && (x.in.shows == nil || x.in.shows(r)) {
			live = append(live, int32(i))
			if len(ids) > 0 {
				byKey[x.at(int32(i)).key()] = int32(i)
			}
		}
	}
	var out []int32
	named := make(map[int32]bool)
	for _, id := range ids {
		i, ok := byKey[id]
		if !ok {
			return nil, fmt.Errorf("stream %s has no row %q in division %d", x.in.set.Name, id, x.c.code)
		}
		if !named[i] {
			named[i] = true
			out = append(out, i)
		}
	}
	live = slices.DeleteFunc(live, func(i int32) bool { return named[i] })
	for range min(n, len(live)) {
		x.c.picks++
		k := rows.Mix(x.c.seed^0x9c, x.c.picks) % uint64(len(live))
		out = append(out, live[k])
		live[k] = live[len(live)-1]
		live = live[:len(live)-1]
	}
	return out, nil
}

// documents adds the rows that share a document with the given ones; all in
// order of the table.
func (x *cell) documents(chosen []int32) []int32 {
	out := slices.Clone(chosen)
	if x.isMixed() {
		for _, i := range chosen {
			doc := x.t.rows[i].document
			for k := i - x.t.rows[i].line; int(k) < len(x.t.rows) && x.t.rows[k].document == doc; k++ {
				if !x.t.rows[k].dead {
					out = append(out, k)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keysOf are the keys of the rows that the set shows.
func (x *cell) keysOf(list []int32) []string {
	out := []string{}
	for _, i := range list {
		if r := &x.t.rows[i]; x.in.shows == nil || x.in.shows(r) {
			out = append(out, x.at(i).key())
		}
	}
	return out
}

// truthChunk rows are written between two looks at the data, so that a slow
// reader does not hold up the service.
const truthChunk = 1000

// Truth writes every live row of a set in all readable divisions as one JSON
// object a line, with the documented properties in their order, without
// __metadata and deferred members. Sets of a division have the number of the
// division first, as _division.
func (s *Store) Truth(w io.Writer, set *edm.Set) error {
	in := s.info(set)
	for _, code := range s.readable(in) {
		for from := 0; ; from += truthChunk {
			b, more, err := s.truth(in, code, from)
			if err != nil {
				return err
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

func (s *Store) truth(in *info, code, from int) (b []byte, more bool, err error) {
	c, refused := s.lock(in, code)
	if refused != nil {
		return nil, false, refused
	}
	defer c.mu.Unlock()
	x := &cell{s: s, c: c, in: in, t: s.open(c, in)}
	to := min(from+truthChunk, len(x.t.rows))
	for i := from; i < to; i++ {
		if r := &x.t.rows[i]; r.dead || in.shows != nil && !in.shows(r) {
			continue
		}
		at := len(b)
		if in.set.Scoped() {
			b = fmt.Appendf(b, `,"_division":%d`, code)
		}
		b = x.at(int32(i)).appendColumns(b, in.columns, true)
		b[at] = '{'
		b = append(b, '}', '\n')
	}
	return b, to < len(x.t.rows), nil
}

// FirstSince is the lowest row version among the rows whose Modified is not
// before a wall clock of Amsterdam, for the function SyncTimestamp; ok is
// false if there is none.
func (s *Store) FirstSince(set *edm.Set, division int, modified time.Time) (timestamp int64, ok bool) {
	in := s.info(set)
	clock := time.Date(modified.Year(), modified.Month(), modified.Day(), modified.Hour(), modified.Minute(), modified.Second(),
		modified.Nanosecond(), time.UTC).UnixMilli()
	c, err := s.lock(in, division)
	if err != nil {
		return 0, false
	}
	defer c.mu.Unlock()
	t := s.open(c, in)
	for _, e := range t.log {
		if r := &t.rows[e.row]; t.current(e) && r.modified >= clock && (in.shows == nil || in.shows(r)) {
			return e.version, true
		}
	}
	return 0, false
}
