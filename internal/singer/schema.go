package singer

// Schema is the JSON Schema of a record or of a value inside it, reduced to the
// keywords that every known consumer loads: type, format, properties, items.
// Properties keep their order: records are written in it.
type Schema struct {
	// Type is object, array, string, number, integer or boolean.
	Type string
	// Nullable adds "null" to the type. Every property but the key is nullable.
	Nullable bool
	// Format is "date-time", "date" or "".
	Format string
	// Properties are the members of an object, in order.
	Properties []Property
	// Items is the schema of an array's elements.
	Items *Schema
}

// Property is one named member of an object schema.
type Property struct {
	Name   string
	Schema *Schema
}

// Property returns the schema of the named property, or nil.
func (s *Schema) Property(name string) *Schema {
	for i := range s.Properties {
		if s.Properties[i].Name == name {
			return s.Properties[i].Schema
		}
	}
	return nil
}
