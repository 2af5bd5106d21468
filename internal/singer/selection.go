package singer

import "slices"

// Chosen tells an explicit choice from none. The difference matters for exit
// codes: a stream that the account may not read is a failure only if the user
// asked for it.
type Chosen int

// The choices.
const (
	Unset Chosen = iota // nobody said anything: defaults decide
	On                  // selected: true
	Off                 // selected: false
)

// Chosen returns the explicit choice for the stream.
func (e *Entry) Chosen() Chosen { return e.Root().flag(keySelected) }

// Selected reports whether the stream is to be extracted: by explicit choice,
// else by its default, else not, as in singer-python.
func (e *Entry) Selected() bool { return e.Root().selected(false) }

// selected resolves in the order of the Meltano SDK: inclusion, explicit
// choice, default of the tap, fallback. It may be asked of nil.
func (m *Metadata) selected(fallback bool) bool {
	switch m.text(keyInclusion) {
	case inclusionAutomatic:
		return true
	case inclusionNever:
		return false
	}
	for _, key := range []string{keySelected, keyByDefault} {
		switch m.flag(key) {
		case On:
			return true
		case Off:
			return false
		}
	}
	return fallback
}

// FieldOptions says how properties are chosen.
type FieldOptions struct {
	// ExplicitOnly is select_fields_by_default=false: only automatic properties
	// and those with an explicit selected: true.
	ExplicitOnly bool
	// Always are properties that the source needs whatever the catalog says:
	// the key and the replication key. Those that the entry names itself need
	// not be repeated.
	Always []string
}

// SelectedSchema returns the schema reduced to the selected properties, in
// their order. Choices about members inside a property have no effect: a value
// is carried whole.
func (e *Entry) SelectedSchema(o FieldOptions) *Schema {
	selected := e.fields(o)
	return e.Schema.Select(func(name string) bool { return selected(name) })
}

// FieldSelected reports whether one property is extracted.
func (e *Entry) FieldSelected(name string, o FieldOptions) bool { return e.fields(o)(name) }

func (e *Entry) fields(o FieldOptions) func(name string) bool {
	items := make(map[string]*Metadata, len(e.Metadata))
	for i := range e.Metadata {
		if b := e.Metadata[i].Breadcrumb; len(b) == 2 && b[0] == "properties" {
			items[b[1]] = &e.Metadata[i]
		}
	}
	return func(name string) bool {
		m := items[name]
		switch {
		case slices.Contains(o.Always, name) || e.automatic(name):
			return true
		case o.ExplicitOnly && m.text(keyInclusion) != inclusionAutomatic:
			return m.text(keyInclusion) != inclusionNever && m.flag(keySelected) == On
		}
		return m.selected(true)
	}
}

// automatic reports the key and the replication key, with which a deselection
// would lose rows or incrementality.
func (e *Entry) automatic(name string) bool {
	return name == e.ReplicationKey || slices.Contains(e.KeyProperties, name)
}
