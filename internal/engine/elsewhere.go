package engine

import (
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
)

// shapeOf is where the rows are looked for in an answer: where they lie is settled
// by the first one that has them under either name.
func (rd *reader) shapeOf(body []byte) (*jsonspan.Shape, error) {
	if !rd.s.Elsewhere {
		return rd.shape, nil
	}
	if known := rd.lying.Load(); known != nil {
		return known, nil
	}
	name := rd.firstList(body)
	if name == "" {
		return rd.shape, nil
	}
	if name == rd.s.Records {
		rd.lying.Store(rd.shape)
		return rd.shape, nil
	}
	paths := []string{name}
	for _, rider := range rd.riders {
		paths = append(paths, rider.s.Records)
	}
	found, err := jsonspan.CompileShape(jsonspan.Paths{Rows: paths, Captures: rd.captures, ObjectAsRow: rd.s.OneRow})
	if err != nil {
		return nil, err
	}
	rd.lying.Store(found)
	return found, nil
}

// firstList names the member in which the rows are: the one that is expected, or
// else the first that holds rows and is no rider's; "" where there is none.
func (rd *reader) firstList(body []byte) string {
	first := ""
	m := jsonspan.NewMembers(body, jsonspan.Space(body, 0))
	for m.Next() {
		if m.Named(rd.s.Records) {
			return rd.s.Records
		}
		kind := m.Info().Kind()
		rider := slices.ContainsFunc(rd.riders, func(r *reader) bool { return m.Named(r.s.Records) })
		if first == "" && !rider && (kind == jsonspan.Array || kind == jsonspan.Object) && m.NameInfo().Kind() == jsonspan.String {
			first = string(m.Name())
		}
	}
	return first
}
