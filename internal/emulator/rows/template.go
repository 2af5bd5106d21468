package rows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Cell is the row a [Patch] writes for, and where in it.
type Cell struct {
	Row     Row
	Variant int // which of the prepared variants the row is made of
	Line    int // place in the array around the patch, from 0
}

// Patch appends the varying part of a row. It must not allocate, nor keep or
// change its cell.
type Patch func(dst []byte, c *Cell) []byte

// Spec is the source of a [Template]. Fields has one line for each member:
//
//	name kind arguments…         a member; several names are joined by commas
//	name? kind arguments…        a member that only one variant in three has
//	slot{1..20} kind arguments…  slot1 to slot20
//	name {                       an object, until }
//	name [count {                an array of objects; count is a number or a key of Counts
//	* kind arguments…            a patch that writes its own members, comma first
//	# comment
//
// The kinds of package rows give each variant one fixed text (see [kinds]); any other
// is looked up in Patches and may differ from row to row. A kind followed by
// ~string, ~integer or ~truth (a boolean as text) has the other type in the share
// Disputed of variants: it is what the vendor's clients disagree about.
type Spec struct {
	Name     string // seeds the texts, together with Seed
	Seed     uint64
	Fields   string
	Variants int
	Patches  map[string]func(args []string) (Patch, error)
	Counts   map[string]func(variant int) int
	Without  string // a member of the top level to leave out
	Disputed float64
}

// Template renders rows: every variant is a list of prepared texts with a
// patch after each.
type Template struct {
	seed     uint64
	variants [][]segment
}

type segment struct {
	text  []byte
	patch Patch // nil after the last text
	line  int
}

// Compile prepares a template.
func Compile(s Spec) (*Template, error) {
	p := parser{strings.Split(s.Fields, "\n")}
	members, err := p.members(false)
	if err != nil {
		return nil, fmt.Errorf("rows: template %s: %w", s.Name, err)
	}
	t := &Template{seed: MixText(s.Seed, s.Name)}
	for v := range s.Variants {
		b := builder{spec: s, seed: t.seed, variant: v}
		if err := b.object(members, "", true); err != nil {
			return nil, fmt.Errorf("rows: template %s: %w", s.Name, err)
		}
		t.variants = append(t.variants, append(b.done, segment{text: b.text}))
	}
	return t, nil
}

// Append renders one row.
func (t *Template) Append(dst []byte, r Row) []byte { return t.AppendList(dst, []Row{r}, "") }

// AppendList renders rows, with a separator between each two.
func (t *Template) AppendList(dst []byte, list []Row, separator string) []byte {
	cell := new(Cell) // once: every patch sees the same one
	for k := range list {
		if k > 0 {
			dst = append(dst, separator...)
		}
		cell.Row = list[k]
		cell.Variant = int(Mix(t.seed, uint64(cell.Row.ID)) % uint64(len(t.variants)))
		segments := t.variants[cell.Variant]
		for k := range segments {
			s := &segments[k]
			dst = append(dst, s.text...)
			if s.patch != nil {
				cell.Line = s.line
				dst = s.patch(dst, cell)
			}
		}
	}
	return dst
}

// member is one parsed line, with what stands in its braces.
type member struct {
	name     string
	optional bool
	kind     string
	args     []string
	count    string // of an array of objects
	inner    []member
}

// parser reads the lines of a [Spec] from the first on.
type parser struct{ lines []string }

// members reads up to the } of an object, or to the end of the text.
func (p *parser) members(inner bool) ([]member, error) {
	var out []member
	for len(p.lines) > 0 {
		words := strings.Fields(p.lines[0])
		p.lines = p.lines[1:]
		switch {
		case len(words) == 0 || words[0] == "#":
			continue
		case words[0] == "}" && inner:
			return out, nil
		case len(words) < 2:
			return nil, fmt.Errorf("line %q: no kind", words[0])
		}
		m := member{kind: words[1], args: words[2:]}
		if words[len(words)-1] == "{" {
			if len(words) == 3 {
				m.count = strings.TrimPrefix(words[1], "[")
			}
			m.kind, m.args = "{", nil
			var err error
			if m.inner, err = p.members(true); err != nil {
				return nil, err
			}
		}
		for name := range strings.SplitSeq(words[0], ",") {
			for _, name := range expand(name) {
				m.name, m.optional = strings.CutSuffix(name, "?")
				out = append(out, m)
			}
		}
	}
	if inner {
		return nil, errors.New("no closing }")
	}
	return out, nil
}

// expand turns slot{1..3} into slot1, slot2, slot3.
func expand(name string) []string {
	head, rest, ok := strings.Cut(name, "{")
	if !ok {
		return []string{name}
	}
	span, tail, _ := strings.Cut(rest, "}")
	from, to, _ := strings.Cut(span, "..")
	a, _ := strconv.Atoi(from)
	b, _ := strconv.Atoi(to)
	var out []string
	for k := a; k <= b; k++ {
		out = append(out, head+strconv.Itoa(k)+tail)
	}
	return out
}

// builder writes one variant.
type builder struct {
	spec    Spec
	seed    uint64
	variant int
	line    int
	text    []byte
	done    []segment
}

func (b *builder) object(members []member, path string, top bool) error {
	b.text = append(b.text, '{')
	first := true
	for _, m := range members {
		at := path + "." + m.name + "#" + strconv.Itoa(b.line)
		if top && m.name == b.spec.Without || m.optional && b.hash(at+"?")%3 != 0 {
			continue
		}
		if m.name != "*" {
			if !first {
				b.text = append(b.text, ',')
			}
			first = false
			b.text = append(AppendText(b.text, m.name), ':')
		}
		if err := b.value(m, at); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(path+"."+m.name, "."), err)
		}
	}
	b.text = append(b.text, '}')
	return nil
}

func (b *builder) value(m member, at string) error {
	if m.kind == "{" {
		if m.count == "" {
			return b.object(m.inner, at, false)
		}
		return b.array(m, at)
	}
	if prepare, ok := b.spec.Patches[m.kind]; ok {
		patch, err := prepare(m.args)
		if err != nil {
			return err
		}
		b.done = append(b.done, segment{b.text, patch, b.line})
		b.text = nil
		return nil
	}
	kind, other, _ := strings.Cut(m.kind, "~")
	generate, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("unknown kind %q", m.kind)
	}
	h := b.hash(at)
	if other != "" && float64(Mix(h, 24)%1000) < 1000*b.spec.Disputed {
		if generate = kinds[other]; generate == nil {
			return fmt.Errorf("unknown type %q", other)
		}
	}
	var err error
	b.text, err = generate(b.text, fixed{h: h, persona: Mix(b.seed, uint64(b.variant)), args: m.args})
	return err
}

func (b *builder) array(m member, at string) error {
	n, err := strconv.Atoi(m.count)
	if count, ok := b.spec.Counts[m.count]; ok {
		n = count(b.variant)
	} else if err != nil {
		return fmt.Errorf("unknown count %q", m.count)
	}
	b.text = append(b.text, '[')
	for b.line = range n {
		if b.line > 0 {
			b.text = append(b.text, ',')
		}
		if err := b.object(m.inner, at, false); err != nil {
			return err
		}
	}
	b.line = 0
	b.text = append(b.text, ']')
	return nil
}

func (b *builder) hash(path string) uint64 {
	return MixText(Mix(b.seed, uint64(b.variant)), path)
}
