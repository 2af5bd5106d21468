package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/oracle"
)

// An output is what a run wrote, taken apart.
type output struct {
	records  []record
	states   []stateAt
	streams  []string
	findings []finding
}

type stateAt struct {
	line  int
	value json.RawMessage
}

// read takes the lines of a run apart, and finds what no target could take.
func (w *world) read(lines [][]byte) (*output, error) {
	out := &output{}
	wrong := problems{}
	for i, line := range lines {
		if !json.Valid(line) {
			wrong.add("line %d is no JSON: %.200q", i+1, line)
			continue
		}
		m, err := members(line)
		if err != nil {
			wrong.add("line %d: %v", i+1, err)
			continue
		}
		kind, _ := oracle.TextOf(m["type"])
		name, _ := oracle.TextOf(m["stream"])
		switch kind {
		case "STATE":
			out.states = append(out.states, stateAt{i, m["value"]})
		case "SCHEMA":
			if !slices.Contains(out.streams, name) {
				out.streams = append(out.streams, name)
			}
			if _, err := w.learn(name, m["schema"]); err != nil {
				return nil, err
			}
		case "RECORD":
			t := w.tables[name]
			if t == nil || !slices.Contains(out.streams, name) {
				wrong.add("line %d: a record of %s before its schema", i+1, name)
				continue
			}
			list, err := oracle.Flat(m["record"])
			if err != nil {
				wrong.add("line %d: %v", i+1, err)
				continue
			}
			r := record{stream: name, raw: m["record"], fields: make(map[string]json.RawMessage, len(list)), at: i}
			names := make([]string, len(list))
			for k, f := range list {
				names[k], r.fields[f.Name] = f.Name, f.Raw
			}
			if !slices.Equal(names, t.order) {
				wrong.add("line %d: the record of %s has the members %v, its schema %v", i+1, name, names, t.order)
			}
			for _, k := range t.st.Key {
				if raw := string(r.fields[k]); raw == "" || raw == "null" {
					wrong.add("line %d: a record of %s without %s", i+1, name, k)
				}
			}
			out.records = append(out.records, r)
		default:
			wrong.add("line %d is no message: %.200s", i+1, line)
		}
	}
	out.findings = wrong.findings(broken)
	return out, nil
}

// before are the records above a line.
func (o *output) before(line int) []record {
	n := 0
	for n < len(o.records) && o.records[n].at < line {
		n++
	}
	return o.records[:n]
}

// monotone finds bookmarks that pass what was written before them, in this run, and
// those that go back.
func (w *world) monotone(o *output, given json.RawMessage, anew []string) ([]finding, error) {
	wrong := problems{}
	before := map[string]map[string]mark{}
	for name, t := range w.tables {
		var err error
		if before[name], err = w.marks(given, t.st); err != nil {
			return nil, err
		}
	}
	most := map[string]map[string]mark{}
	seen := map[string]string{}
	next := 0
	for _, at := range o.states {
		for ; next < len(o.records) && o.records[next].at < at.line; next++ {
			if err := w.raise(most, o.records[next]); err != nil {
				return nil, err
			}
		}
		var s struct {
			Bookmarks map[string]json.RawMessage `json:"bookmarks"`
		}
		if err := json.Unmarshal(at.value, &s); err != nil {
			return nil, fmt.Errorf("line %d: %w", at.line+1, err)
		}
		for name, raw := range s.Bookmarks {
			t := w.tables[name]
			if t == nil || seen[name] == string(raw) || oracle.Stamped(t.st) || slices.Contains(anew, name) {
				continue
			}
			seen[name] = string(raw)
			now, err := w.marks(at.value, t.st)
			if err != nil {
				return nil, err
			}
			for part, m := range now {
				old := before[name][part]
				switch top := most[name][part]; {
				case m.v == old.v && old.set:
				case !top.set && w.anyPart(most[name], m): // the record does not tell where it is
				case !top.set || m.v > top.v:
					wrong.add("line %d: the bookmark of %s %q, %s, passes what was written", at.line+1, name, part, m.raw)
				case old.set && m.v < old.v && len(t.st.Cursor.Epochs) == 0:
					wrong.add("line %d: the bookmark of %s %q goes back from %s to %s", at.line+1, name, part, old.raw, m.raw)
				}
			}
			before[name] = now
		}
	}
	return wrong.findings(ahead), nil
}

// anyPart tells whether a record without a partition reaches a bookmark.
func (w *world) anyPart(most map[string]mark, m mark) bool {
	top := most[""]
	return top.set && m.v <= top.v
}

// raise takes a record into the greatest values so far.
func (w *world) raise(most map[string]map[string]mark, r record) error {
	t := w.tables[r.stream]
	if t.st.Cursor == nil {
		return nil
	}
	m, err := readMark(r.fields[t.st.Cursor.Field])
	if err != nil || !m.set {
		return err
	}
	part := w.partition(t.st, func(k string) string { return string(r.fields[k]) })
	if most[r.stream] == nil {
		most[r.stream] = map[string]mark{}
	}
	if old := most[r.stream][part]; !old.set || m.v > old.v {
		most[r.stream][part] = m
	}
	return nil
}
