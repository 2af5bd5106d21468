package zohocrm

import (
	"context"
	"encoding/json"
	"errors"
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
}

// describe asks for a module's fields and makes its stream; nil where there are
// no metadata. type=all brings unused fields too, which may hold values (CLIENT
// AMP).
func describe(ctx context.Context, f stream.Fetcher, m *metaModule) (*stream.Stream, error) {
	resp, err := f.Fetch(ctx, &stream.Request{
		URL: "settings/fields", Resource: "fields",
		Params: []stream.Param{{Name: "module", Value: m.APIName}, {Name: "type", Value: "all"}},
	})
	if err != nil {
		if errors.Is(err, stream.NoRows) || errors.Is(err, stream.SkipParent) {
			return nil, nil //nolint:nilnil // no metadata, no stream
		}
		return nil, err
	}
	var a struct{ Fields []metaField }
	err = json.Unmarshal(resp.Body, &a)
	if resp.Release != nil {
		resp.Release()
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Contract, Whole: true, Op: "settings/fields of " + m.APIName, Err: errors.New("the answer has another shape than documented"), Hint: "run again, and report it if it stays"}
	}
	return m.shaped(a.Fields), nil
}

// shaped is the stream of a module with these fields. The filter by view_type of
// TAP is not ours: it loses First_Name of Leads.
func (m *metaModule) shaped(fields []metaField) *stream.Stream {
	schema := &stream.Schema{Type: "object"}
	add := func(name string, s *stream.Schema) {
		for _, p := range schema.Properties {
			if strings.EqualFold(p.Name, name) {
				return // targets do not tell cases apart
			}
		}
		schema.Properties = append(schema.Properties, stream.Property{Name: name, Schema: s})
	}
	add("id", &stream.Schema{Type: "string"}) // in many modules the list lacks it
	m.timeless = true
	for i := range fields {
		x := &fields[i]
		if x.APIName == "" || x.Visible != nil && !*x.Visible || x.elsewhere() {
			continue
		}
		if x.APIName == "Modified_Time" {
			m.timeless = false
			add(x.APIName, instant())
			continue
		}
		add(x.APIName, x.schema())
	}
	s := module(*m, false)
	s.Schema = schema
	return &s
}

// elsewhere tells fields that list calls do not carry. DOC.
func (x *metaField) elsewhere() bool {
	switch x.DataType {
	case "subform", "multiselectlookup", "multiuserlookup":
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
