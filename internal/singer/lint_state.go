package singer

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lintStates follows the state through a message stream.
type lintStates struct {
	first, last *node // bookmarks of the first and of the last STATE
	raw         []byte
	syncing     string // currently_syncing of the last STATE
	line        int64  // of the last STATE
	// Whether an entry may look as it does depends on whether its stream is
	// announced, which may come later: judged at the end.
	shapes, moves map[string]verdict
}

type verdict struct {
	line int64
	text string
}

func (l *linter) stateMessage(raw []byte) {
	s := &l.states
	s.line = l.n
	if s.first != nil && bytes.Equal(raw, s.raw) {
		return
	}
	s.raw = append(s.raw[:0], raw...)
	n, err := parseTree(raw)
	switch {
	case err != nil:
		l.fail(ruleStateEnds, "", fmt.Sprintf("STATE: %v", err))
		return
	case n.kind != kindObject:
		l.fail(ruleStateEnds, "", "the value of a STATE is not an object")
		return
	}
	bookmarks := newObject()
	if b := n.get(keyBookmarks); b.is(kindObject) {
		bookmarks = b
	} else {
		l.fail(ruleStateEnds, "", fmt.Sprintf("bookmarks is %s, must be an object", b.what()))
	}
	s.syncing = ""
	if c := n.get(keyCurrent); c.is(kindString) {
		s.syncing = c.text
	} else if !c.absent() {
		l.fail(ruleStateEnds, "", fmt.Sprintf("currently_syncing is %s, must be a stream name or null", c.what()))
	}
	for _, m := range n.members {
		if m.name != keyBookmarks && m.name != keyCurrent {
			l.warn(ruleStateEnds, "", fmt.Sprintf("member %q of the state is outside of bookmarks, where targets may lose it", m.name))
		}
	}
	if s.first == nil {
		s.first, s.last = bookmarks, bookmarks
		s.shapes, s.moves = make(map[string]verdict), make(map[string]verdict)
	}
	for _, m := range bookmarks.members {
		l.stateEntry(m.name, m.value)
	}
	for _, m := range s.last.members {
		if bookmarks.get(m.name) == nil {
			l.fail(ruleStateEnds, m.name, "has left the state; null is written instead")
		}
	}
	s.last = bookmarks
}

// stateEntry checks the entry of one stream.
func (l *linter) stateEntry(name string, e *node) {
	s := &l.states
	if text := shapeFault(e, 0); text != "" {
		note(s.shapes, name, verdict{l.n, text})
	}
	if original := s.first.get(name); original == nil || !bytes.Equal(e.append(nil), original.append(nil)) {
		note(s.moves, name, verdict{l.n, "its state moves, but it has no SCHEMA"})
	}
	st := l.streams[name]
	if st == nil || !st.declared {
		return
	}
	if st.repl == nil {
		for _, m := range e.members {
			if m.name != keyPartitions && !strings.HasPrefix(m.name, "_") && s.first.get(name).get(m.name) == nil {
				l.warn(ruleCovers, name, fmt.Sprintf("bookmark %q of a stream without bookmark_properties", m.name))
			}
		}
		return
	}
	l.bookmark(st, e, s.first.get(name), s.last.get(name), "")
	for _, p := range e.get(keyPartitions).names() {
		part := func(n *node) *node { return n.get(keyPartitions).get(p) }
		l.bookmark(st, part(e), part(s.first.get(name)), part(s.last.get(name)), p)
	}
}

// note keeps the first verdict on a stream.
func note(m map[string]verdict, name string, v verdict) {
	if _, ok := m[name]; !ok {
		m[name] = v
	}
}

// shapeFault says what makes an entry not ours: scalars at stream level, lists
// anywhere, objects other than partitions.
func shapeFault(e *node, level int) string {
	if e.absent() {
		return ""
	}
	if e.kind != kindObject {
		return fmt.Sprintf("its bookmark is %s, must be an object", e.what())
	}
	for _, m := range e.members {
		switch {
		case m.value.kind == kindArray:
			return fmt.Sprintf("%q is a list, which merging runners replace as a whole", m.name)
		case m.name == keyPartitions && m.value.kind == kindObject && level == 0:
			for _, p := range m.value.members {
				if text := shapeFault(p.value, 1); text != "" {
					return "partition " + p.name + ": " + text
				}
			}
		case m.value.kind == kindObject:
			return fmt.Sprintf("%q is an object, must be a string, a number or null", m.name)
		}
	}
	return ""
}

// bookmark compares one bookmark with the first STATE, the last one, and the
// records written so far.
func (l *linter) bookmark(st *lintStream, e, first, last *node, id string) {
	now := e.get(st.repl.name)
	if now.absent() {
		return
	}
	where := "the bookmark"
	if id != "" {
		where = "the bookmark of partition " + id
	}
	m, ok := st.repl.mark(now)
	original, _ := st.repl.mark(first.get(st.repl.name))
	if old := first.get(st.repl.name); !old.absent() && (old.text == now.text || ok && original.kind != 0 && m.compare(original) == 0) {
		return // still what the run was given
	}
	if !ok {
		l.add(SeverityError, ruleStateEnds, st.name, "form "+id, fmt.Sprintf("%s is %s, which is not in the form of %q", where, sample([]byte(now.text)), st.repl.name))
		return
	}
	if m.kind == 0 {
		return
	}
	before, ok := st.repl.mark(last.get(st.repl.name))
	back := ok && before.kind != 0 && m.compare(before) < 0
	if back {
		l.add(SeverityWarning, ruleCovers, st.name, "back "+id, where+" goes back")
	}
	switch {
	case st.most.kind == 0 && st.repl.format == 'd':
		// A tap that stamps the day itself may begin with rows that have none.
		l.add(SeverityWarning, ruleCovers, st.name, "unstamped "+id, where+" moves, but no record had a value")
	case st.most.kind == 0:
		l.add(SeverityError, ruleCovers, st.name, "nothing "+id, where+" moves, but no record had a value")
	case m.compare(st.most) > 0:
		l.add(SeverityError, ruleCovers, st.name, "beyond "+id, where+" lies beyond every record written")
	}
	if id == "" && (before.kind == 0 || m.compare(before) != 0) {
		st.covered, st.fresh = m, true
	}
}

// mark reads a bookmark in the form of its replication key; ok is false when it
// has another form. A key whose values have no order known to us gives no mark.
func (c *column) mark(n *node) (m mark, ok bool) {
	switch {
	case n.absent():
		return mark{}, false
	case c.kind == 'i':
		if n.kind != kindNumber {
			return mark{}, false
		}
		return parseInteger([]byte(n.text))
	case c.format == 't' && n.kind == kindString:
		return parseInstant([]byte(n.text))
	case c.format == 'd' && n.kind == kindString:
		return parseDate([]byte(n.text))
	}
	return mark{}, c.format == 0 && n.scalar()
}

// finish judges what had to wait for the end.
func (s *lintStates) finish(l *linter) {
	if s.syncing != "" { // right for a run that was cut short, and lint cannot tell
		l.report.add(SeverityWarning, ruleStateEnds, s.line, "", "syncing", func() string {
			return fmt.Sprintf("currently_syncing is %s at the end, must be null unless the run was cut short", sample([]byte(s.syncing)))
		})
	}
	declared := func(name string) bool { return l.streams[name] != nil && l.streams[name].declared }
	for _, name := range slices.Sorted(maps.Keys(s.moves)) {
		if v := s.moves[name]; !declared(name) {
			l.report.add(SeverityError, ruleStateEnds, v.line, name, v.text, func() string { return v.text })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.shapes)) {
		// An entry that came with the state and whose stream is not ours goes
		// back as it came.
		if v := s.shapes[name]; declared(name) || s.first.get(name) == nil {
			l.report.add(SeverityError, ruleStateEnds, v.line, name, v.text, func() string { return v.text })
		}
	}
}
