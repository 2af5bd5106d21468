package singer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// LoadState reads a state in any of the dialects in use: ours, bare scalars
// (singer-io), the Meltano SDK's, the wrappers in which Meltano stores it, a
// whole STATE message. An absent state (nothing, {} or null) is that of a first
// run. Entries keep their dialect until Normalize is told their replication key.
func LoadState(data []byte) (*State, error) {
	if blank(data) {
		return NewState(), nil
	}
	root, err := parseTree(data)
	if errors.Is(err, errSeveral) {
		return nil, &fault.Error{
			Kind: fault.State, Op: "state", Err: err,
			Hint: "keep only the last line; `target | tap-backoffice state save FILE` does so as the lines come",
		}
	}
	if err != nil {
		return nil, stateFault(err)
	}
	s, err := unwrap(root, 0)
	if err != nil {
		return nil, stateFault(err)
	}
	return s, nil
}

func stateFault(err error) error {
	return &fault.Error{
		Kind: fault.State, Op: "state", Err: err,
		Hint: "give the last line that the target printed, or no state for a first run",
	}
}

// wrappers are the envelopes of Meltano, outermost first; a partial state is
// laid over the complete one.
var wrappers = [][]string{{"singer_state"}, {"completed", "completed_state", "partial", "partial_state"}}

func unwrap(n *node, depth int) (*State, error) {
	const maxWraps = 4
	switch {
	case n.kind == kindNull || n.kind == kindObject && len(n.members) == 0:
		return NewState(), nil
	case n.kind != kindObject:
		return nil, fmt.Errorf(`is %s, must be an object {"bookmarks": {…}}`, n.what())
	case n.get(keyBookmarks) != nil || n.get(keyCurrent) != nil || depth == maxWraps:
		return readState(n)
	}
	if t := n.get("type"); t.is(kindString) && t.text == "STATE" && n.get("value") != nil {
		return unwrap(n.get("value"), depth+1)
	}
	for _, names := range wrappers {
		var whole *State
		for _, name := range names {
			inner := n.get(name)
			if inner == nil {
				continue
			}
			s, err := unwrap(inner, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if whole == nil {
				whole = s
			} else {
				whole.Merge(s)
			}
		}
		if whole != nil {
			return whole, nil
		}
	}
	return readState(n)
}

func readState(n *node) (*State, error) {
	s := NewState()
	for _, m := range n.members {
		switch m.name {
		case keyBookmarks:
			if m.value.kind == kindNull {
				continue
			}
			if m.value.kind != kindObject {
				return nil, fmt.Errorf("bookmarks is %s, must be an object", m.value.what())
			}
			s.bookmarks = m.value
		case keyCurrent:
			if !m.value.is(kindString) && m.value.kind != kindNull {
				return nil, fmt.Errorf("currently_syncing is %s, must be a stream name or null", m.value.what())
			}
			if m.value.kind == kindString {
				s.current = m.value.text
			}
		default:
			s.warnings = append(s.warnings, fmt.Sprintf("member %q is not part of a state of ours and is left out", m.name))
		}
	}
	if n.get(keyBookmarks) == nil && n.get(keyCurrent) == nil {
		return nil, errors.New("has no bookmarks")
	}
	for _, m := range s.bookmarks.members {
		if err := twiceInList(m.value.get(keyPartitions)); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return s, nil
}

// twiceInList finds a context that an SDK partition list holds twice: which of
// the two bookmarks holds cannot be known.
func twiceInList(list *node) error {
	if !list.is(kindArray) {
		return nil
	}
	seen := make(map[string]bool, len(list.members))
	for _, m := range list.members {
		context := m.value.get("context")
		if !context.is(kindObject) {
			continue
		}
		sorted := &node{kind: kindObject, members: slices.Clone(context.members)}
		slices.SortFunc(sorted.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
		text := string(sorted.append(nil))
		if seen[text] {
			return fmt.Errorf("partitions: context %s is there twice", text)
		}
		seen[text] = true
	}
	return nil
}

// Members of an SDK bookmark. All but the first two only mean something within
// the run that wrote them.
const (
	sdkKey   = "replication_key"
	sdkValue = "replication_key_value"
)

var sdkInRun = []string{"starting_replication_value", "replication_key_signpost", "progress_markers"}

// Normalize puts the entry of a stream into our form, now that the name of its
// replication key is known ("" for a stream without one). It refuses values that
// a bookmark cannot have. It may be called again at any time.
func (s *State) Normalize(stream, key string) error {
	e := s.bookmarks.get(stream)
	if e == nil {
		return nil
	}
	n, err := normalize(e, key)
	if err == nil {
		err = normalizePartitions(n, key)
	}
	if err != nil {
		return &fault.Error{
			Kind: fault.State, Stream: stream, Op: "state", Err: err,
			Hint: "correct the entry, or read the stream again with --full-refresh",
		}
	}
	s.bookmarks.set(stream, n)
	return nil
}

// normalize turns a scalar or an SDK bookmark into {key: value}. A value that is
// already under its own name wins: merging runners leave both behind.
func normalize(e *node, key string) (*node, error) {
	switch {
	case e.kind == kindNull:
		return e, nil
	case e.kind == kindString || e.kind == kindNumber:
		if key == "" {
			return newNull(), nil // without a key a value means nothing to us
		}
		n := newObject()
		n.set(key, e)
		return n, nil
	case e.kind != kindObject:
		return nil, fmt.Errorf("is %s, must be an object or a bookmark value", e.what())
	}
	n := newObject()
	for _, m := range e.members {
		foreign := slices.Contains(sdkInRun, m.name) || (m.name == sdkKey || m.name == sdkValue) && m.name != key
		if foreign {
			continue
		}
		composite := m.value.kind == kindObject || m.value.kind == kindArray
		if m.name != keyPartitions && composite && (m.name == key || strings.HasPrefix(m.name, "_")) {
			return nil, fmt.Errorf("%s is %s, must be a string, a number or null", m.name, m.value.what())
		}
		if m.name != keyPartitions && composite {
			n.set(m.name, newNull()) // not a thing of ours, and no scalar
			continue
		}
		n.set(m.name, m.value)
	}
	if value := e.get(sdkValue); !value.absent() && key != sdkValue {
		if !value.scalar() {
			return nil, fmt.Errorf("%s is %s, must be a string or a number", sdkValue, value.what())
		}
		name := key
		if k := e.get(sdkKey); k.is(kindString) && k.text != "" {
			name = k.text
		}
		if name != "" && n.get(name).absent() {
			n.set(name, value)
		}
	}
	return n, nil
}

// normalizePartitions turns the partitions of a stream into a map from id to
// bookmark.
func normalizePartitions(e *node, key string) error {
	list := e.get(keyPartitions)
	if list.absent() || e.kind != kindObject {
		return nil
	}
	if list.scalar() {
		return fmt.Errorf("partitions is %s, must be an object", list.what())
	}
	byID := newObject()
	for _, m := range list.members {
		id, bookmark := m.name, m.value
		if list.kind == kindArray {
			var err error
			if id, err = partitionID(bookmark.get("context")); err != nil {
				return err
			}
			if byID.get(id) != nil {
				return fmt.Errorf("partitions: two contexts stand for %q", id)
			}
		}
		n, err := normalize(bookmark, key)
		if err != nil {
			return fmt.Errorf("partitions: %s: %w", id, err)
		}
		if list.kind == kindArray {
			n = n.without("context")
		}
		byID.set(id, n)
	}
	e.set(keyPartitions, byID)
	return nil
}

// partitionID is the value of an SDK context, or its values if it has several.
func partitionID(context *node) (string, error) {
	if !context.is(kindObject) || len(context.members) == 0 {
		return "", errors.New("partitions: an element has no context")
	}
	parts := make([]string, 0, len(context.members))
	for _, m := range context.members {
		if !m.value.scalar() {
			return "", fmt.Errorf("partitions: context member %q is %s", m.name, m.value.what())
		}
		parts = append(parts, m.value.text)
	}
	return strings.Join(parts, "/"), nil
}

func (n *node) without(name string) *node {
	c := newObject()
	for _, m := range n.members {
		if m.name != name {
			c.set(m.name, m.value)
		}
	}
	return c
}
