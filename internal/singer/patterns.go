package singer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/hint"
)

// Patterns choose streams and properties: "contracts" or "contracts.*" (all of
// a stream), "*.email", "deleted_*", "!customers.email". Later ones win. As soon
// as one of them selects, what none of them selects is deselected; if all of
// them deselect, they cut from what the catalog has selected.
type Patterns []pattern

type pattern struct {
	text          string
	not           bool
	stream, field string
	inner         bool // names a member inside a property
}

// Unmatched is a pattern that chose nothing.
type Unmatched struct {
	Pattern string
	Nearest string // the nearest name there is, "" when nothing is near
}

// String says so in one line.
func (u Unmatched) String() string {
	if u.Nearest == "" {
		return fmt.Sprintf("pattern %q matches nothing", u.Pattern)
	}
	return fmt.Sprintf("pattern %q matches nothing (nearest: %s)", u.Pattern, u.Nearest)
}

// ParsePatterns reads patterns; one text may hold several, separated by commas.
func ParsePatterns(texts []string) (Patterns, error) {
	var list Patterns
	for _, text := range texts {
		for one := range strings.SplitSeq(text, ",") {
			p := pattern{text: strings.TrimSpace(one)}
			rest, not := strings.CutPrefix(p.text, "!")
			p.not = not
			p.stream, p.field, _ = strings.Cut(rest, ".")
			if p.stream == "" || strings.HasSuffix(rest, ".") || strings.ContainsAny(rest, "! \t") {
				return nil, fault.New(fault.Config, fmt.Sprintf("select: %q is no pattern", p.text),
					"patterns are stream, stream.property or *.property, with ! in front to deselect")
			}
			if p.field == "" {
				p.field = "*"
			}
			p.field, _, p.inner = strings.Cut(p.field, ".")
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Config, "select: no pattern", "name at least one stream")
	}
	return list, nil
}

// Apply writes the choice into the catalog, as explicit selected: true or false,
// and returns the patterns that matched nothing. Everything else in the catalog
// stays as it is.
func (p Patterns) Apply(c *Catalog) []Unmatched {
	used := make([]bool, len(p))
	replace := slices.ContainsFunc(p, func(one pattern) bool { return !one.not })
	for i := range c.Streams {
		p.apply(&c.Streams[i], replace, used)
	}
	var unmatched []Unmatched
	for i, one := range p {
		if !used[i] {
			unmatched = append(unmatched, Unmatched{one.text, one.nearest(c)})
		}
	}
	return unmatched
}

// apply runs the patterns over one stream. With replace the base is nothing,
// else it is what the entry has selected.
func (p Patterns) apply(e *Entry, replace bool, used []bool) {
	fields := e.Schema.Properties
	on := make([]bool, len(fields))
	stream := !replace && e.Selected()
	if !replace {
		selected := e.fields(FieldOptions{})
		for i := range fields {
			on[i] = selected(fields[i].Name)
		}
	}
	touched := false
	for i, one := range p {
		if !glob(one.stream, e.TapStreamID) {
			continue
		}
		hit := false
		for j := range fields {
			if !glob(one.field, fields[j].Name) {
				continue
			}
			hit = true
			if !one.inner || !one.not { // inner members cannot be cut out
				on[j] = !one.not
			}
		}
		if !hit {
			continue
		}
		used[i], touched = true, true
		if !one.not {
			stream = true
		} else if one.field == "*" && !one.inner {
			stream = false
		}
	}
	if touched || replace {
		e.choose(stream, on, replace)
	}
}

// choose writes a choice. An untouched default of the stream stays a default
// when patterns only deselect: nobody asked for that stream by name.
func (e *Entry) choose(stream bool, on []bool, replace bool) {
	r := entryReader{entry: *e}
	if root := r.item(nil); replace || root.selected(false) != stream {
		root.Set(keySelected, boolean(stream))
	}
	items := make(map[string]int, len(r.entry.Metadata))
	for i := range r.entry.Metadata {
		if b := r.entry.Metadata[i].Breadcrumb; len(b) == 2 && b[0] == "properties" {
			items[b[1]] = i
		}
	}
	for j, p := range r.entry.Schema.Properties {
		i, ok := items[p.Name]
		if !ok {
			i = len(r.entry.Metadata)
			r.entry.Metadata = append(r.entry.Metadata, Metadata{Breadcrumb: []string{"properties", p.Name}})
		}
		m := &r.entry.Metadata[i]
		m.Set(keySelected, boolean(on[j] || e.automatic(p.Name) || m.text(keyInclusion) == inclusionAutomatic))
	}
	*e = r.entry
}

// nearest looks for the name that the pattern may have meant.
func (p pattern) nearest(c *Catalog) string {
	var streams, fields []string
	for i := range c.Streams {
		e := &c.Streams[i]
		streams = append(streams, e.TapStreamID)
		if glob(p.stream, e.TapStreamID) {
			for _, f := range e.Schema.Properties {
				fields = append(fields, f.Name)
			}
		}
	}
	if len(fields) == 0 {
		return hint.Nearest(p.stream, streams)
	}
	if field := hint.Nearest(p.field, fields); field != "" {
		return p.stream + "." + field
	}
	return ""
}

// glob matches a name against a pattern in which * stands for any text and ?
// for one character.
func glob(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
