package oracle

import (
	"slices"
	"strings"
)

// KeyOf joins the key values that the vendor sends, in canonical form.
func (o *Oracle) KeyOf(value func(string) string) string {
	var parts []string
	for _, k := range o.Stream.Key {
		if !slices.Contains(o.Inject, k) {
			parts = append(parts, value(k))
		}
	}
	return strings.Join(parts, "|")
}
