package zohocrm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// metaField is a row of settings/fields.
type metaField struct {
	APIName  string `json:"api_name"`
	DataType string `json:"data_type"`
	JSONType string `json:"json_type"`
	Visible  *bool
	Formula  struct {
		ReturnType string `json:"return_type"`
	}
	Rollup struct {
		ReturnType string `json:"return_type"`
	} `json:"rollup_summary"`
	Lookup struct {
		Module struct {
			APIName string `json:"api_name"`
		}
	}
	// Shown: lookups to the module show this field. DOC: the list of modules does
	// not tell it, only the metadata of fields and of a single module do.
	Shown  bool `json:"display_field"`
	Values []struct {
		Display string `json:"display_value"`
		Actual  string `json:"actual_value"`
	} `json:"pick_list_values"`
}

// mostFields bounds what is told of one module: several are asked at once, and a
// module has some hundred fields.
const mostFields = 16 << 20

// mostTold is how much of a vendor's text a message repeats.
const mostTold = 200

// describe asks for a module's fields; none where there are no metadata. type=all
// brings unused fields too, which may hold values (CLIENT AMP).
func describe(ctx context.Context, f stream.Fetcher, m *metaModule) ([]metaField, error) {
	op := "settings/fields of " + fault.Clip(m.APIName, mostTold)
	resp, err := f.Fetch(ctx, &stream.Request{
		URL: "settings/fields", Resource: "fields", MaxBody: mostFields,
		Params: []stream.Param{{Name: "module", Value: m.APIName}, {Name: "type", Value: "all"}},
	})
	if err != nil {
		if errors.Is(err, stream.NoRows) || errors.Is(err, stream.SkipParent) {
			return nil, nil
		}
		return nil, settled(err, op)
	}
	var a struct{ Fields []metaField }
	err = stream.Unmarshal(resp.Body, &a)
	if resp.Release != nil {
		resp.Release()
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Contract, Whole: true, Op: op, Err: errors.New("the answer has another shape than documented"), Hint: "run again, and report it if it stays"}
	}
	return a.Fields, nil
}

// shown are the fields by which modules show their rows, where their metadata
// tell.
func shown(modules []metaModule, fields [][]metaField) map[string]string {
	out := map[string]string{}
	for i := range modules {
		for k := range fields[i] {
			if x := &fields[i][k]; x.Shown && x.APIName != "" && out[modules[i].APIName] == "" {
				out[modules[i].APIName] = x.APIName
			}
		}
	}
	return out
}

// shaped is the stream of a module with these fields. The filter by view_type of
// TAP is not ours: it loses First_Name of Leads. display has the fields that
// lookups to other modules show.
func (m *metaModule) shaped(fields []metaField, display map[string]string) *stream.Stream {
	schema := &stream.Schema{Type: "object"}
	hints := map[string]string{"id": whole}
	add := func(name string, s *stream.Schema) bool {
		for _, p := range schema.Properties {
			if strings.EqualFold(p.Name, name) {
				return false // targets do not tell cases apart
			}
		}
		schema.Properties = append(schema.Properties, stream.Property{Name: name, Schema: s})
		return true
	}
	add("id", &stream.Schema{Type: "string"}) // in many modules the list lacks it
	exact := slices.ContainsFunc(fields, func(x metaField) bool { return x.APIName == modifiedTime && !x.hidden() && !x.elsewhere() })
	m.timeless, m.stamp = !exact, ""
	for i := range fields {
		x := &fields[i]
		if x.APIName == "" || x.hidden() || x.elsewhere() {
			continue
		}
		if x.APIName == modifiedTime {
			add(x.APIName, instant())
			continue
		}
		if strings.EqualFold(x.APIName, modifiedTime) { // CLIENT (TAP)
			if !exact && add(x.APIName, instant()) {
				m.stamp = x.APIName
			}
			continue
		}
		if hint := x.hint(display); add(x.APIName, x.schema()) && hint != "" {
			hints[x.APIName] = hint
		}
	}
	s := module(*m, false)
	s.Schema, s.Hints = schema, hints
	return &s
}

// hidden tells fields that the API does not show.
func (x *metaField) hidden() bool { return x.Visible != nil && !*x.Visible }

// elsewhere tells fields that list calls do not carry. DOC. Those that hold an
// address have no values of their own, the fields of its parts have them.
func (x *metaField) elsewhere() bool {
	switch x.DataType {
	case "subform", "multiselectlookup", "multiuserlookup", "address":
		return true
	}
	return false
}

func scalar(kind string) *stream.Schema { return &stream.Schema{Type: kind, Nullable: true} }

func text() *stream.Schema { return scalar("string") }

func formatted(format string) *stream.Schema {
	s := text()
	s.Format = format
	return s
}

func instant() *stream.Schema { return formatted("date-time") }

// lookup is a reference to a row or a user: {"id","name"} and perhaps "email".
func lookup(members ...string) *stream.Schema {
	s := &stream.Schema{Type: "object", Nullable: true}
	for _, name := range members {
		s.Properties = append(s.Properties, stream.Property{Name: name, Schema: text()})
	}
	return s
}

// schema is what a field's values are like, by the type table of the dossier.
// What metadata do not describe is JSON text.
func (x *metaField) schema() *stream.Schema {
	kind := x.DataType
	switch kind {
	case "formula":
		kind = x.Formula.ReturnType
	case "rollup_summary":
		kind = x.Rollup.ReturnType
	}
	if x.JSONType == "jsonarray" && kind != "multiselectpicklist" || x.JSONType == "jsonobject" && !isLookup(kind) {
		return text()
	}
	switch kind {
	case "integer":
		return scalar("integer")
	case "double", "percent", "decimal", "currency":
		return scalar("number")
	case "boolean":
		return scalar("boolean")
	case "date":
		return formatted("date")
	case "datetime", "event_reminder":
		return instant()
	case "multiselectpicklist":
		if x.APIName == "Tax" {
			return text() // of products: objects {id, value}, not texts. CLIENT (AB)
		}
		return &stream.Schema{Type: "array", Nullable: true, Items: text()}
	}
	if isLookup(kind) && x.JSONType != "string" {
		if kind == "ownerlookup" || kind == "userlookup" {
			return lookup("id", "name", "email")
		}
		return lookup("id", "name")
	}
	return text()
}

func isLookup(kind string) bool {
	switch kind {
	case "lookup", "multi_module_lookup", "ownerlookup", "userlookup", "profilelookup":
		return true
	}
	return false
}
