package singer

import (
	"encoding/json"
	"fmt"
	"slices"
)

// A State holds the bookmarks of all streams, in the order in which they came.
// It is written as
//
//	{"bookmarks":{"<stream>":{"<replication key>":v,"partitions":{"<id>":{…}}}},"currently_syncing":null}
//
// Nothing is ever removed from it: a runner that merges states would not see a
// removal, so values become null instead. Values are kept as the JSON they came
// as; comparing them is the engine's work. A State is not safe for concurrent use.
type State struct {
	bookmarks *node
	current   string
	warnings  []string
}

const (
	keyBookmarks  = "bookmarks"
	keyCurrent    = "currently_syncing"
	keyPartitions = "partitions"
)

// NewState returns the state of a first run.
func NewState() *State { return &State{bookmarks: newObject()} }

// Empty reports a state without any bookmark, that of a first run.
func (s *State) Empty() bool { return len(s.bookmarks.members) == 0 }

// Warnings lists what the loader left out of the state that it was given.
func (s *State) Warnings() []string { return s.warnings }

// Streams returns the names of all streams that have an entry.
func (s *State) Streams() []string { return s.bookmarks.names() }

// Unknown returns the streams that known does not accept: the state is that of
// another source, or of an older version. Their entries are written back as they
// came.
func (s *State) Unknown(known func(stream string) bool) []string {
	return slices.DeleteFunc(s.Streams(), known)
}

// Partitions returns the ids of a stream's partitions, in their order.
func (s *State) Partitions(stream string) []string {
	return s.bookmarks.get(stream).get(keyPartitions).names()
}

func (n *node) names() []string {
	if n == nil || n.kind != kindObject {
		return nil
	}
	names := make([]string, len(n.members))
	for i, m := range n.members {
		names[i] = m.name
	}
	return names
}

// Bookmark returns the value of the replication key of a stream; ok is false
// when there is none or it is null. Call Normalize first.
func (s *State) Bookmark(stream, key string) (raw json.RawMessage, ok bool) {
	return s.Member(stream, "", key)
}

// Partition is Bookmark for one partition of a stream.
func (s *State) Partition(stream, id, key string) (raw json.RawMessage, ok bool) {
	return s.Member(stream, id, key)
}

// Set writes the bookmark of a stream. raw is a JSON scalar or null; anything
// else is a defect of the caller and panics, because it would spoil stdout.
func (s *State) Set(stream, key string, raw json.RawMessage) { s.SetMember(stream, "", key, raw) }

// SetPartition is Set for one partition of a stream.
func (s *State) SetPartition(stream, id, key string, raw json.RawMessage) {
	s.SetMember(stream, id, key, raw)
}

// Member returns a member of a stream's entry, or of one of its partitions when
// id is not empty: the bookmark, or one of the tap's own, which begin with "_".
func (s *State) Member(stream, id, name string) (raw json.RawMessage, ok bool) {
	n := s.bookmarks.get(stream)
	if id != "" {
		n = n.get(keyPartitions).get(id)
	}
	if n = n.get(name); n.absent() {
		return nil, false
	}
	return n.append(nil), true
}

// SetMember writes what Member reads, under the conditions of Set.
func (s *State) SetMember(stream, id, name string, raw json.RawMessage) {
	n, err := parseTree(raw)
	if err != nil || !n.scalar() && n.kind != kindNull {
		// invariant: the engine writes dates and integers only.
		panic(fmt.Sprintf("singer: state of %s: %s is no JSON scalar: %q", stream, name, raw))
	}
	s.entry(stream, id).set(name, n)
}

// entry returns the object of a stream or partition, created or put in our form
// when it is not yet.
func (s *State) entry(stream, id string) *node {
	e := child(s.bookmarks, stream)
	if id == "" {
		return e
	}
	return child(child(e, keyPartitions), id)
}

func child(n *node, name string) *node {
	c := n.get(name)
	if !c.is(kindObject) {
		c = newObject()
		n.set(name, c)
	}
	return c
}

// Clear forgets a stream: every value of its entry and of its partitions
// becomes null.
func (s *State) Clear(stream string) {
	if e := s.bookmarks.get(stream); e != nil {
		e.clear()
	}
}

// ClearPartition forgets one partition of a stream.
func (s *State) ClearPartition(stream, id string) {
	if e := s.bookmarks.get(stream).get(keyPartitions).get(id); e != nil {
		e.clear()
	}
}

func (n *node) clear() {
	if n.kind != kindObject {
		*n = *newNull()
		return
	}
	for _, m := range n.members {
		m.value.clear()
	}
}

// CurrentlySyncing returns the stream at which the last run was interrupted, or "".
func (s *State) CurrentlySyncing() string { return s.current }

// SetCurrentlySyncing names the stream that is being written, "" for none.
func (s *State) SetCurrentlySyncing(stream string) { s.current = stream }

// Clone returns an independent copy.
func (s *State) Clone() *State {
	return &State{bookmarks: s.bookmarks.clone(), current: s.current, warnings: s.warnings}
}

// Merge takes over everything that o says, member by member; what o does not
// say stays. It is what runners do with a partial state.
func (s *State) Merge(o *State) {
	merge(s.bookmarks, o.bookmarks)
	if o.current != "" {
		s.current = o.current
	}
	s.warnings = append(slices.Clip(s.warnings), o.warnings...)
}

func merge(into, from *node) {
	for _, m := range from.members {
		if old := into.get(m.name); old.is(kindObject) && m.value.kind == kindObject {
			merge(old, m.value)
		} else {
			into.set(m.name, m.value.clone())
		}
	}
}

// AppendJSON writes the state in our form, compactly. The same state always
// gives the same bytes.
func (s *State) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"bookmarks":`...)
	dst = s.bookmarks.append(dst)
	dst = append(dst, `,"currently_syncing":`...)
	if s.current == "" {
		return append(dst, "null}"...)
	}
	return append(appendString(dst, s.current), '}')
}
