package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Doc is one row of the settings table as --about shows it.
type Doc struct {
	Key  string
	Kind stream.SettingKind
	// Required by every source that has it, but for those of Spared.
	Required bool
	Spared   []string
	Secret   bool
	Default  string
	Doc      string
	// Sources have this setting; nil means all that were asked for.
	Sources []string
}

// Describe lists the settings of the given sources, the common ones once;
// without a source, the common ones alone.
func Describe(srcs ...*stream.Source) []Doc {
	if len(srcs) == 0 {
		srcs = []*stream.Source{nil}
	}
	var docs []Doc
	at := map[string]int{}
	for _, src := range srcs {
		for _, s := range Settings(src) {
			i, seen := at[s.Key]
			if !seen {
				i, at[s.Key] = len(docs), len(docs)
				docs = append(docs, Doc{Key: s.Key, Kind: s.Kind, Secret: s.Kind == stream.Secret, Default: s.Default, Doc: s.Doc})
			}
			d := &docs[i]
			d.Required = d.Required || s.Required
			if src != nil && !s.Required {
				d.Spared = append(d.Spared, src.Name)
			}
			if d.Default != s.Default {
				d.Default = "" // the sources differ
			}
			if src != nil {
				d.Sources = append(d.Sources, src.Name)
			}
		}
	}
	for i := range docs {
		if !docs[i].Required {
			docs[i].Spared = nil
		}
		if len(docs[i].Sources) == len(srcs) {
			docs[i].Sources = nil
		}
	}
	// What only some sources have comes first, as their own settings do.
	slices.SortStableFunc(docs, func(a, b Doc) int { return min(len(b.Sources), 1) - min(len(a.Sources), 1) })
	return docs
}

// formsNote tells the other forms of a secret.
const formsNote = "A secret may also come from a file, a variable or a command: <key>_file, <key>_env, <key>_cmd."

// envNote tells how variables are named.
const envNote = "With --config ENV a setting is read from the variable " + envPrefix + "<KEY>, in upper case."

// AboutText is --about for people.
func AboutText(srcs ...*stream.Source) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tap-backoffice %s\n%s\n\n", Version(), summary(srcs))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, d := range Describe(srcs...) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", d.Key, strings.Join(d.marks(), ", "), d.Doc)
	}
	_ = w.Flush() // into memory
	fmt.Fprintf(&b, "\n%s\n%s\n", formsNote, envNote)
	return b.String()
}

// AboutMarkdown is --about as a page with a table.
func AboutMarkdown(srcs ...*stream.Source) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# tap-backoffice\n\n%s\n\nVersion %s\n\n## Settings\n\n", summary(srcs), Version())
	b.WriteString("| Setting | Kind | Required | Default | Description |\n| --- | --- | --- | --- | --- |\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for _, d := range Describe(srcs...) {
		required, def, doc := "", "", d.Doc
		if d.Required {
			required = "yes" + d.spared()
		}
		if d.Default != "" {
			def = "`" + d.Default + "`"
		}
		if d.Sources != nil {
			doc += " (" + strings.Join(d.Sources, ", ") + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Key, kindName(d.Kind), required, cell.Replace(def), cell.Replace(doc))
	}
	fmt.Fprintf(&b, "\n%s\n%s\n", formsNote, envNote)
	return b.String()
}

// AboutJSON is --about for programs: the members that Meltano's SDK prints,
// with the config's JSON Schema as settings.
func AboutJSON(srcs ...*stream.Source) ([]byte, error) {
	about := struct {
		Name         string         `json:"name"`
		Description  string         `json:"description"`
		Version      string         `json:"version"`
		Capabilities []string       `json:"capabilities"`
		Settings     map[string]any `json:"settings"`
	}{
		"tap-backoffice", summary(srcs), Version(),
		[]string{"about", "catalog", "discover", "properties", "state", "test"},
		settingsSchema(Describe(srcs...)),
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(about)
	return b.Bytes(), err
}

// settingsSchema is a JSON Schema that takes every form of a value that Check
// takes. A required secret is listed as required; its other forms stand beside.
func settingsSchema(docs []Doc) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, d := range docs {
		types := append(jsonTypes(d.Kind), "null")
		if d.Required && d.Sources == nil && d.Spared == nil {
			required = append(required, d.Key)
			types = types[:len(types)-1]
		}
		p := map[string]any{"type": types, "title": d.Key, "description": d.Doc}
		if d.Sources != nil {
			p["description"] = d.Doc + " (" + strings.Join(d.Sources, ", ") + ")"
		}
		if d.Default != "" {
			p["default"] = defaultOf(d)
		}
		if d.Kind == stream.List {
			p["items"] = map[string]any{"type": []string{"string", "number"}}
		}
		if d.Secret {
			p["secret"], p["writeOnly"] = true, true
			for i, from := range secretPlaces {
				properties[d.Key+secretForms[i+1]] = map[string]any{
					"type": []string{"string", "null"}, "description": "In place of " + d.Key + ": " + from + " it.",
				}
			}
		}
		properties[d.Key] = p
	}
	return map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"type":    "object", "properties": properties, "required": required,
	}
}

// secretPlaces say what the forms of a secret behind the first one name.
var secretPlaces = []string{"a file that holds", "a variable that holds", "a command that prints"}

// jsonTypes are the JSON types of a kind, its own first.
func jsonTypes(k stream.SettingKind) []string {
	switch k {
	case stream.Integer:
		return []string{"integer", "string"}
	case stream.Decimal, stream.Duration:
		return []string{"number", "string"}
	case stream.Boolean:
		return []string{"boolean", "string", "integer"}
	case stream.List:
		return []string{"array", "string"}
	}
	return []string{"string"}
}

// defaultOf is a default as JSON.
func defaultOf(d Doc) any {
	types := jsonTypes(d.Kind)
	if types[0] == "boolean" {
		return d.Default == "true"
	}
	if f, err := strconv.ParseFloat(d.Default, 64); err == nil && types[0] != "string" && types[0] != "array" {
		return f
	}
	return d.Default
}

// summary names the systems that are read.
func summary(srcs []*stream.Source) string {
	var names []string
	for _, s := range srcs {
		name := s.Title + " (" + s.Name + ")"
		if s.Doc != "" && len(srcs) == 1 {
			name += ", documented at " + s.Doc
		}
		names = append(names, name)
	}
	if names == nil {
		return "A Singer tap for back-office systems."
	}
	return "A Singer tap for " + strings.Join(names, ", ") + "."
}

// marks are the short facts about a setting.
func (d Doc) marks() []string {
	m := []string{kindName(d.Kind)}
	if d.Required {
		m = append(m, "required"+d.spared())
	}
	if d.Default != "" {
		m = append(m, "default "+d.Default)
	}
	if d.Sources != nil {
		m = append(m, "only "+strings.Join(d.Sources, " "))
	}
	return m
}

// spared names the sources that do without a required setting.
func (d Doc) spared() string {
	if d.Spared == nil {
		return ""
	}
	return " but for " + strings.Join(d.Spared, " ")
}

func kindName(k stream.SettingKind) string {
	return [...]string{
		stream.Text: "text", stream.Secret: "secret", stream.Integer: "integer", stream.Decimal: "number",
		stream.Boolean: "boolean", stream.Date: "date", stream.List: "list", stream.Duration: "duration",
		stream.Location: "time zone",
	}[k]
}
