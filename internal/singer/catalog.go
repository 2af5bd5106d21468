package singer

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

// A Catalog lists what can be extracted and what the user chose of it.
type Catalog struct {
	Streams []Entry
}

// An Entry is one stream of a catalog. TapStreamID is its identity: the name in
// messages and in the state.
type Entry struct {
	TapStreamID       string
	Stream            string
	KeyProperties     []string
	Schema            *Schema
	ReplicationMethod string // FULL_TABLE or INCREMENTAL
	ReplicationKey    string // "" when there is none
	Metadata          []Metadata
}

// Metadata is what a catalog says about a stream (empty breadcrumb) or about
// one property ("properties", name). Values keep their order, and those that we
// do not know are carried along.
type Metadata struct {
	Breadcrumb []string
	Values     []Value
}

// A Value is one keyword of a metadata item with its JSON.
type Value struct {
	Key string
	Raw json.RawMessage
}

// Metadata keywords of the Singer specification and of the Meltano SDK.
const (
	keySelected        = "selected"
	keyByDefault       = "selected-by-default"
	keyInclusion       = "inclusion"
	keyTableKey        = "table-key-properties"
	keyForcedMethod    = "forced-replication-method"
	keyValidKeys       = "valid-replication-keys"
	keyMethod          = "replication-method"
	keyReplicationKey  = "replication-key"
	keyParent          = "parent-tap-stream-id"
	keyHint            = "vendor-type" // our own
	inclusionAutomatic = "automatic"
	inclusionAvailable = "available"
	inclusionNever     = "unsupported"
)

// Discovered is what discovery knows of a stream.
type Discovered struct {
	Stream            string
	Schema            *Schema
	Key               []string
	Method            string // FULL_TABLE or INCREMENTAL
	ReplicationKey    string // "" when there is none
	SelectedByDefault bool
	Parent            string // tap_stream_id of the parent, "" when there is none
	// Unselected names the properties that are not selected by default; nil
	// means that all are.
	Unselected func(name string) bool
	// Hints are the vendor's types of properties, where schemas do not tell.
	Hints map[string]string
}

// NewEntry writes the catalog entry of a discovered stream, with one metadata
// item for the stream and one for each of its properties.
func NewEntry(d Discovered) Entry {
	e := Entry{
		TapStreamID: d.Stream, Stream: d.Stream, KeyProperties: d.Key, Schema: d.Schema,
		ReplicationMethod: d.Method, ReplicationKey: d.ReplicationKey,
	}
	e.Metadata = make([]Metadata, 0, len(d.Schema.Properties)+1)
	root := Metadata{Values: make([]Value, 0, 6)}
	root.Set(keyInclusion, quoted(inclusionAvailable))
	root.Set(keyByDefault, boolean(d.SelectedByDefault))
	root.Set(keyTableKey, appendStrings(nil, d.Key, ","))
	root.Set(keyForcedMethod, quoted(d.Method))
	if d.ReplicationKey != "" {
		root.Set(keyValidKeys, appendStrings(nil, []string{d.ReplicationKey}, ","))
	}
	if d.Parent != "" {
		root.Set(keyParent, quoted(d.Parent))
	}
	e.Metadata = append(e.Metadata, root)
	for _, p := range d.Schema.Properties {
		m := Metadata{Breadcrumb: []string{"properties", p.Name}}
		if p.Name == d.ReplicationKey || slices.Contains(d.Key, p.Name) {
			m.Values = []Value{{keyInclusion, rawAutomatic}}
		} else {
			byDefault := d.Unselected == nil || !d.Unselected(p.Name)
			m.Values = []Value{{keyInclusion, rawAvailable}, {keyByDefault, boolean(byDefault)}}
		}
		if hint := d.Hints[p.Name]; hint != "" {
			m.Set(keyHint, quoted(hint))
		}
		e.Metadata = append(e.Metadata, m)
	}
	return e
}

// These are shared by all entries and never written to: a catalog holds tens of
// thousands of them.
var (
	rawTrue      = json.RawMessage("true")
	rawFalse     = json.RawMessage("false")
	rawAutomatic = quoted(inclusionAutomatic)
	rawAvailable = quoted(inclusionAvailable)
)

func boolean(b bool) json.RawMessage {
	if b {
		return rawTrue
	}
	return rawFalse
}

func quoted(s string) json.RawMessage { return appendString(nil, s) }

// Get returns the JSON of a keyword.
func (m *Metadata) Get(key string) (json.RawMessage, bool) {
	if m == nil {
		return nil, false
	}
	for i := range m.Values {
		if m.Values[i].Key == key {
			return m.Values[i].Raw, true
		}
	}
	return nil, false
}

// Set writes a keyword in its place, or appends it.
func (m *Metadata) Set(key string, raw json.RawMessage) {
	for i := range m.Values {
		if m.Values[i].Key == key {
			m.Values[i].Raw = raw
			return
		}
	}
	m.Values = append(m.Values, Value{key, raw})
}

// text returns a keyword whose value is a string, or "".
func (m *Metadata) text(key string) string {
	raw, _ := m.Get(key)
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// flag returns a keyword whose value is a boolean or the text of one: the
// specification's own example writes strings.
func (m *Metadata) flag(key string) Chosen {
	raw, _ := m.Get(key)
	text := string(raw)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	switch text {
	case "true", "True", "TRUE":
		return On
	case "false", "False", "FALSE":
		return Off
	}
	return Unset
}

// Root returns the metadata of the stream itself, or nil.
func (e *Entry) Root() *Metadata { return e.item(0, "") }

// Field returns the metadata of a property, or nil.
func (e *Entry) Field(name string) *Metadata { return e.item(2, name) }

func (e *Entry) item(depth int, name string) *Metadata {
	for i := range e.Metadata {
		b := e.Metadata[i].Breadcrumb
		if len(b) == depth && (depth == 0 || b[0] == "properties" && b[1] == name) {
			return &e.Metadata[i]
		}
	}
	return nil
}

// Hint returns the vendor's type of a property, "" where the catalog has none.
func (e *Entry) Hint(name string) string { return e.Field(name).text(keyHint) }

// Entry returns the entry of a stream, or nil.
func (c *Catalog) Entry(stream string) *Entry {
	for i := range c.Streams {
		if c.Streams[i].TapStreamID == stream {
			return &c.Streams[i]
		}
	}
	return nil
}

// AppendJSON writes the catalog for people to edit: indented by two blanks, one
// line for each property and each metadata item. The same catalog always gives
// the same bytes.
func (c *Catalog) AppendJSON(dst []byte) []byte {
	if len(c.Streams) == 0 {
		return append(dst, "{\n  \"streams\": []\n}\n"...)
	}
	for i := range c.Streams {
		dst = c.append(dst, i)
	}
	return dst
}

// WriteTo implements io.WriterTo: it writes what AppendJSON does, the lines of
// one stream at a time, for some catalogs have megabytes.
func (c *Catalog) WriteTo(w io.Writer) (n int64, err error) {
	if len(c.Streams) == 0 {
		m, err := w.Write(c.AppendJSON(nil))
		return int64(m), err
	}
	var lines []byte
	for i := range c.Streams {
		lines = c.append(lines[:0], i)
		m, err := w.Write(lines)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// append writes the lines of the i-th stream, and with the first and the last one
// those around.
func (c *Catalog) append(dst []byte, i int) []byte {
	if i == 0 {
		dst = append(dst, "{\n  \"streams\": [\n"...)
	}
	dst = c.Streams[i].append(append(dst, "    "...))
	if i < len(c.Streams)-1 {
		return append(dst, ",\n"...)
	}
	return append(dst, "\n  ]\n}\n"...)
}

func (e *Entry) append(dst []byte) []byte {
	key := func(name string) {
		dst = append(dst, ",\n      \""...)
		dst = append(append(dst, name...), "\": "...)
	}
	dst = appendString(append(dst, "{\n      \"tap_stream_id\": "...), e.TapStreamID)
	key("stream")
	dst = appendString(dst, e.Stream)
	if e.ReplicationMethod != "" {
		key("replication_method")
		dst = appendString(dst, e.ReplicationMethod)
	}
	if e.ReplicationKey != "" {
		key("replication_key")
		dst = appendString(dst, e.ReplicationKey)
	}
	key("key_properties")
	dst = appendStrings(dst, e.KeyProperties, ", ")
	key("schema")
	dst = append(dst, "{\n        \"type\": \"object\",\n        \"properties\": {"...)
	for i, p := range e.Schema.Properties {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(append(dst, "\n          "...), p.Name), ": "...)
		dst = p.Schema.AppendJSON(dst)
	}
	dst = append(dst, "\n        }\n      }"...)
	key("metadata")
	dst = append(dst, '[')
	for i := range e.Metadata {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.Metadata[i].append(append(dst, "\n        "...))
	}
	if len(e.Metadata) > 0 {
		dst = append(dst, "\n      "...)
	}
	return append(dst, "]\n    }"...)
}

func (m *Metadata) append(dst []byte) []byte {
	dst = appendStrings(append(dst, `{"breadcrumb": `...), m.Breadcrumb, ", ")
	dst = append(dst, `, "metadata": {`...)
	for i, v := range m.Values {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendString(dst, v.Key), ": "...)
		dst = append(dst, v.Raw...)
	}
	return append(dst, "}}"...)
}
