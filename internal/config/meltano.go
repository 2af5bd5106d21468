package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// AboutMeltano is --about as the plugin definition of one source for Meltano:
// a meltano.yml that holds nothing else, to copy from. The binary is looked up
// on the PATH. Keys: https://docs.meltano.com/reference/plugin-definition-syntax.
func AboutMeltano(src *stream.Source) []byte {
	name := strings.ReplaceAll(src.Name, "_", "-")
	var b bytes.Buffer
	fmt.Fprintf(&b, `plugins:
  extractors:
  - name: tap-%s
    namespace: tap_%s
    label: %s
    executable: tap-backoffice
    capabilities: [catalog, discover, properties, state, about, test]
`, name, src.Name, quote(src.Title))
	if src.Doc != "" {
		fmt.Fprintf(&b, "    docs: %s\n", quote(src.Doc))
	}
	fmt.Fprintf(&b, "    settings:\n    - name: %s\n      value: %s\n      description: %s\n", keySource, src.Name, quote("The system that this plugin reads; leave it."))
	needed := []string{} // a secret may come in another form
	for _, d := range Describe(src) {
		if d.Key == keySource {
			continue
		}
		if d.Required && !d.Secret {
			needed = append(needed, d.Key)
		}
		fmt.Fprintf(&b, "    - name: %s\n      kind: %s\n", d.Key, meltanoKind(d.Kind))
		if d.Secret {
			b.WriteString("      sensitive: true\n")
		}
		fmt.Fprintf(&b, "      description: %s\n", quote(d.described()))
		if d.Secret {
			for i, from := range secretPlaces {
				fmt.Fprintf(&b, "    - name: %s%s\n      kind: string\n      description: %s\n", d.Key, secretForms[i+1], quote("In place of "+d.Key+": "+from+" it."))
			}
		}
	}
	fmt.Fprintf(&b, "    settings_group_validation:\n    - [%s]\n", strings.Join(needed, ", "))
	return b.Bytes()
}

// described is the sentence of a setting with its default. The default is no
// value of the plugin: what Meltano does not hand over, the tap knows.
func (d Doc) described() string {
	text := strings.ToUpper(d.Doc[:1]) + strings.TrimSuffix(d.Doc[1:], ".")
	if d.Default != "" && d.Key != keyUserAgent { // whose default changes with each version
		text += " (default " + d.Default + ")"
	}
	return text + "."
}

// quote writes text as a YAML string, of which JSON's are a kind.
func quote(text string) string { return strconv.Quote(text) }

// meltanoKind is what Meltano calls a kind of setting. It has decimals too, but
// cannot write them into the config that it hands over (4.4.1).
func meltanoKind(k stream.SettingKind) string {
	switch k {
	case stream.Integer:
		return "integer"
	case stream.Boolean:
		return "boolean"
	case stream.Date:
		return "date_iso8601"
	}
	return "string"
}
