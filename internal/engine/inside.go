package engine

import (
	"errors"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// outer is how many riders have their rows beside those of the carrier: they come
// first among the riders.
func (rd *reader) outer() int {
	n := slices.IndexFunc(rd.riders, func(f *reader) bool { return f.s.With.Inside != "" })
	if n < 0 {
		n = len(rd.riders)
	}
	return n
}

// ride makes f ride on rd.
func (rd *reader) ride(f *reader) {
	if f.s.With.Inside != "" {
		rd.riders = append(rd.riders, f)
		return
	}
	rd.riders = slices.Insert(rd.riders, rd.outer(), f)
}

// insides reads what lies inside of the carrier's row at b[i], which was converted
// last, for the riders.
func (l *lane) insides(b []byte, i int, st *pageState) error {
	for _, f := range l.feeds[1+l.rd.outer():] {
		if l.hasLost(f) {
			continue
		}
		lent := l.borrowed(f)
		l.give(f, lent)
		if err := l.inside(f, b, i, 0, lent, st); err != nil {
			return err
		}
	}
	return nil
}

// borrowed are the values of a rider's Inject: members of the carrier's row, or
// what the carrier's own parent gives it.
func (l *lane) borrowed(f *feed) []string {
	var lent []string
	for _, b := range f.rd.s.With.Inject {
		literal := string(l.feeds[0].captured(b.From))
		if literal == "" || literal == "null" {
			literal = "null"
			if p := l.rd.s.Parent; p != nil {
				for k, up := range p.Bind {
					if (up.Inject == b.From || up.To == b.From) && l.parent[k] != "" {
						literal = l.parent[k]
					}
				}
			}
		}
		lent = append(lent, literal)
	}
	return lent
}

// give sets what the rows of a rider get from the carrier's row.
func (l *lane) give(f *feed, lent []string) {
	for k, literal := range lent {
		f.conv.SetInject(len(f.rd.scoped)+k, []byte(literal))
	}
}

// inside follows the path to a rider's rows, from a step of it on, into the object
// at b[i].
func (l *lane) inside(f *feed, b []byte, i, step int, lent []string, st *pageState) error {
	w := f.rd.s.With
	path := strings.Split(w.Inside, ".")
	var found []byte
	m := jsonspan.NewMembers(b, i)
	for m.Next() {
		if m.Named(path[step]) {
			found = m.Value()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if found == nil || string(found) == "null" || step+1 == len(path) && f.rd.partial(found) {
		if len(w.Else) > 0 {
			values, err := scalars(b, i)
			st.apart = append(st.apart, apart{f, step, values, lent})
			return err
		}
		return nil
	}
	return l.elements(f, found, path[step], func(b []byte, i int) error {
		if step+1 < len(path) {
			return l.inside(f, b, i, step+1, lent, st)
		}
		_, err := l.row(f, b, i, st)
		f.rd.heard.Store(true) // there are rows, whatever refuses others
		return err
	})
}

// partial tells whether rows that lie inside lack what their own list may tell.
func (rd *reader) partial(found []byte) bool {
	wanted := slices.DeleteFunc(slices.Clone(rd.s.With.Whole), func(name string) bool { return !rd.keeps(name) })
	if len(wanted) == 0 || found[0] != '[' {
		return false
	}
	e := jsonspan.NewElements(found, 0)
	for e.Next() {
		told := 0
		m := jsonspan.NewMembers(found, e.Start())
		for m.Next() {
			if slices.ContainsFunc(wanted, m.Named) && m.Info().Kind() != jsonspan.Null {
				told++
			}
		}
		if told < len(wanted) {
			return true
		}
	}
	return false
}

// elements hands over the objects of an array, or the one that stands in its place.
func (l *lane) elements(f *feed, b []byte, name string, take func([]byte, int) error) error {
	wrong := func(info jsonspan.Info) error {
		return &jsonspan.ShapeError{Path: f.rd.s.With.Inside, Found: info.String() + " in place of rows at " + name}
	}
	switch b[0] {
	case '{':
		return take(b, 0)
	case '[':
	default:
		_, info, err := jsonspan.Scan(b, 0)
		return errors.Join(err, wrong(info))
	}
	e := jsonspan.NewElements(b, 0)
	for e.Next() {
		if e.Info().Kind() != jsonspan.Object {
			return wrong(e.Info())
		}
		if err := take(b, e.Start()); err != nil {
			return err
		}
	}
	return e.Err()
}

// scalars are the members of the object at b[i] that can fill a placeholder.
func scalars(b []byte, i int) ([]stream.Param, error) {
	var out []stream.Param
	m := jsonspan.NewMembers(b, i)
	for m.Next() {
		if k := m.Info().Kind(); k == jsonspan.String || k == jsonspan.Integer {
			out = append(out, stream.Param{Name: string(m.Name()), Value: plain(string(m.Value()))})
		}
	}
	return out, m.Err()
}

// laneName is the queue of the requests that the vendor wants one at a time.
func (l *lane) laneName() string {
	if src := l.rd.run.Source; l.part.Lane == "" && src != nil {
		return src.Lane
	}
	return l.part.Lane
}

// riderParams are what riders add to the carrier's requests: those that are
// wanted, and those whose rows the carrier's own records show, which must not
// depend on what else is wanted.
func (l *lane) riderParams() []stream.Param {
	var out []stream.Param
	add := func(w *stream.With) {
		for _, p := range w.Params {
			p.Value = l.expand(p.Value, func(v string) string { return v })
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	for _, f := range l.rd.riders {
		add(f.s.With)
	}
	if src := l.rd.run.Source; src != nil && l.rd.selected {
		for i := range src.Streams {
			w := src.Streams[i].With
			if w == nil || w.Stream != l.rd.s.Name || w.Inside == "" {
				continue
			}
			if name, _, _ := strings.Cut(w.Inside, "."); l.rd.keeps(name) {
				add(w)
			}
		}
	}
	return out
}
