package singer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/hint"
)

// LoadCatalog reads a catalog, ours or another tap's, as users and runners have
// edited it. All faults are told in one error; those of streams that are not
// selected are only warnings, and such streams are left out.
func LoadCatalog(data []byte) (*Catalog, []string, error) {
	if blank(data) {
		return nil, nil, catalogFault(errors.New("is empty"))
	}
	root, err := parseTree(data)
	if err != nil {
		return nil, nil, catalogFault(err)
	}
	if root.kind != kindObject {
		return nil, nil, catalogFault(fmt.Errorf(`is %s, must be an object {"streams": […]}`, root.what()))
	}
	list := root.get("streams")
	if !list.is(kindArray) {
		return nil, nil, catalogFault(fmt.Errorf("streams is %s, must be a list", list.what()))
	}
	c := &Catalog{Streams: make([]Entry, 0, len(list.members))}
	var faults, warnings []string
	seen := make(map[string]bool, len(list.members))
	for i, m := range list.members {
		r := entryReader{where: fmt.Sprintf("streams[%d]", i)}
		r.read(m.value)
		id := r.entry.TapStreamID
		if id != "" && seen[id] {
			r.fault("is there twice")
		}
		seen[id] = true
		switch {
		case len(r.faults) == 0:
			c.Streams = append(c.Streams, r.entry)
		case r.blind || r.entry.Selected():
			faults = append(faults, r.faults...)
		default:
			for _, f := range r.faults {
				warnings = append(warnings, f+"; the stream is not selected and is left out")
			}
		}
	}
	if len(faults) > 0 {
		return nil, warnings, catalogFault(errors.New(strings.Join(faults, "; ")))
	}
	return c, warnings, nil
}

func catalogFault(err error) error {
	return &fault.Error{
		Kind: fault.Config, Op: "catalog", Err: err,
		Hint: "write a fresh one with --discover, or choose with the select command",
	}
}

// An entryReader reads one entry and gathers all its faults.
type entryReader struct {
	entry  Entry
	where  string
	faults []string
	blind  bool // whether the stream is selected cannot be told
}

func (r *entryReader) fault(format string, args ...any) {
	r.faults = append(r.faults, r.where+": "+fmt.Sprintf(format, args...))
}

func (r *entryReader) read(n *node) {
	if n.kind != kindObject {
		r.blind = true
		r.fault("is %s, must be an object", n.what())
		return
	}
	e := &r.entry
	e.TapStreamID, e.Stream = r.text(n, "tap_stream_id"), r.text(n, "stream")
	if e.TapStreamID == "" {
		e.TapStreamID = e.Stream
	}
	if e.Stream == "" {
		e.Stream = e.TapStreamID
	}
	if e.TapStreamID == "" {
		r.fault("has neither tap_stream_id nor stream")
	} else {
		r.where += " (" + e.TapStreamID + ")"
	}
	r.metadata(n.get("metadata"))
	r.legacy(n)
	e.ReplicationMethod = r.text(n, "replication_method")
	e.ReplicationKey = r.text(n, "replication_key")
	if list := n.get("key_properties"); !list.absent() {
		r.list(list, "key_properties", &e.KeyProperties)
	}
	r.fill()
	schema := n.get("schema")
	if schema.absent() {
		r.fault("has no schema")
		return
	}
	var err error
	if e.Schema, err = recordSchema(schema); err != nil {
		r.fault("schema: %v", err)
		return
	}
	for _, key := range e.KeyProperties {
		if e.Schema.Property(key) == nil {
			r.fault("key property %q is not in the schema", key)
		}
	}
}

func (r *entryReader) text(n *node, name string) string {
	v := n.get(name)
	switch {
	case v.absent():
		return ""
	case v.kind != kindString:
		r.fault("%s is %s, must be a string", name, v.what())
		return ""
	}
	return v.text
}

func (r *entryReader) list(n *node, name string, into *[]string) {
	list, ok := n.strings()
	if !ok {
		r.fault("%s is %s, must be a list of names", name, n.what())
		return
	}
	*into = list
}

func (r *entryReader) metadata(list *node) {
	if list.absent() {
		return
	}
	if list.kind != kindArray {
		r.blind = true
		r.fault("metadata is %s, must be a list", list.what())
		return
	}
	for i, m := range list.members {
		where := fmt.Sprintf("metadata[%d]", i)
		values, breadcrumb := m.value.get("metadata"), m.value.get("breadcrumb")
		crumbs, ok := breadcrumb.strings()
		if !ok && !breadcrumb.absent() || !values.is(kindObject) {
			r.blind = true
			r.fault(`%s must be {"breadcrumb": [names], "metadata": {…}}`, where)
			continue
		}
		item := r.item(crumbs)
		for _, v := range values.members {
			r.keyword(where, v, len(crumbs) == 0)
			item.Set(v.name, v.value.append(nil))
		}
	}
}

// keyword checks the keywords that decide what is extracted.
func (r *entryReader) keyword(where string, m member, root bool) {
	switch m.name {
	case keySelected, keyByDefault:
		probe := Metadata{Values: []Value{{m.name, m.value.append(nil)}}}
		if m.value.kind != kindNull && probe.flag(m.name) == Unset {
			r.blind = r.blind || root
			r.fault("%s: %s is %s, must be true or false", where, m.name, probe.Values[0].Raw)
		}
	case keyInclusion:
		if !m.value.is(kindString) && !m.value.is(kindNull) {
			r.fault("%s: %s is %s, must be a string", where, m.name, m.value.what())
		}
	}
}

// item returns the metadata of a breadcrumb, created when it is not there; that
// of the stream always comes first.
func (r *entryReader) item(breadcrumb []string) *Metadata {
	e := &r.entry
	for i := range e.Metadata {
		if slices.Equal(e.Metadata[i].Breadcrumb, breadcrumb) {
			return &e.Metadata[i]
		}
	}
	if len(breadcrumb) == 0 {
		e.Metadata = slices.Insert(e.Metadata, 0, Metadata{})
		return &e.Metadata[0]
	}
	e.Metadata = append(e.Metadata, Metadata{Breadcrumb: breadcrumb})
	return &e.Metadata[len(e.Metadata)-1]
}

// legacy takes over the selection of catalogs older than metadata: in the entry
// and inside its schema. Where metadata says something, metadata wins.
func (r *entryReader) legacy(n *node) {
	schema := n.get("schema")
	r.inherit(n, nil, keySelected)
	r.inherit(schema, nil, keySelected)
	props := schema.get("properties")
	if !props.is(kindObject) {
		return
	}
	for _, p := range props.members {
		crumbs := []string{"properties", p.name}
		r.inherit(p.value, crumbs, keyInclusion)
		r.inherit(p.value, crumbs, keySelected)
	}
}

func (r *entryReader) inherit(n *node, breadcrumb []string, key string) {
	v := n.get(key)
	if v.absent() {
		return
	}
	item := r.item(breadcrumb)
	if raw, ok := item.Get(key); ok && string(raw) != "null" {
		return
	}
	r.keyword(strings.Join(append([]string{"schema"}, breadcrumb...), "."), member{key, v}, len(breadcrumb) == 0)
	item.Set(key, v.append(nil))
}

// fill completes the entry from the metadata of the stream.
func (r *entryReader) fill() {
	e, root := &r.entry, r.entry.Root()
	if len(e.KeyProperties) == 0 {
		e.KeyProperties = root.list(keyTableKey)
	}
	for _, key := range []string{keyForcedMethod, keyMethod} {
		if e.ReplicationMethod == "" {
			e.ReplicationMethod = root.text(key)
		}
	}
	if e.ReplicationKey == "" {
		e.ReplicationKey = root.text(keyReplicationKey)
	}
	if valid := root.list(keyValidKeys); e.ReplicationKey == "" && len(valid) == 1 {
		e.ReplicationKey = valid[0]
	}
}

// list returns a keyword whose value is a list of strings, or nil.
func (m *Metadata) list(key string) []string {
	raw, _ := m.Get(key)
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	return list
}

// CheckStreams compares the streams of a catalog with those that the source
// has. A selected one that it has not is an error; others are only warned of.
func (c *Catalog) CheckStreams(known []string) ([]string, error) {
	var faults, warnings []string
	for i := range c.Streams {
		e := &c.Streams[i]
		if slices.Contains(known, e.TapStreamID) {
			continue
		}
		text := fmt.Sprintf("no stream is called %q", e.TapStreamID)
		if near := hint.Nearest(e.TapStreamID, known); near != "" {
			text += fmt.Sprintf(" (nearest: %s)", near)
		}
		if e.Selected() {
			faults = append(faults, text)
		} else {
			warnings = append(warnings, text+"; it is not selected and is left out")
		}
	}
	if len(faults) > 0 {
		return warnings, catalogFault(errors.New(strings.Join(faults, "; ")))
	}
	return warnings, nil
}

// RequireSelection refuses a catalog in which no stream is selected: a run that
// extracts nothing and succeeds helps nobody.
func (c *Catalog) RequireSelection() error {
	for i := range c.Streams {
		if c.Streams[i].Selected() {
			return nil
		}
	}
	return &fault.Error{
		Kind: fault.Config, Op: "catalog", Err: errors.New("no stream is selected"),
		Hint: `set "selected": true in the metadata of a stream, or use --select`,
	}
}
