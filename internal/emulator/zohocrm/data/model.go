package data

import (
	_ "embed" // the models
	"strconv"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

//go:embed modules.txt
var modulesText string

// field is one field of a module.
type field struct {
	api, dataType, jsonType string
	kind                    fieldKind
	seed                    uint64
	words                   []*word
	target                  *module // of a lookup
	targetName              string
	returns                 string // return_type of formula and rollup_summary
	child                   bool   // carried by the record alone, never by lists: subforms and such
	perRow                  bool   // differs from row to row, and not only by variant
	custom                  bool
	must                    bool // never null
	raw                     func(h uint64) string
}

// module is one module of the org.
type module struct {
	api, name, singular, plural string
	generated, status           string
	supported, viewable         bool
	forbidden, bare             bool // settings/fields: 403, 204
	static                      bool // one of the standard modules that are streams of their own
	index                       int
	id, n                       int64
	seed                        uint64
	fields                      []*field
	byName                      map[string]*field
	display                     *field  // what a lookup shows
	parent                      *module // of lines
	lines                       []*module

	mu    sync.Mutex // guards what follows
	table *rows.Table
	tombs []tomb
}

const (
	modified = 0 // clock of Modified_Time
	created  = 1
	hole     = 24 // rows between two ids that were deleted before the start
	variants = 32
)

// usual are the json_types of data_types.
var usual = map[string]string{
	"currency": "double", "double": "double", "percent": "double", "decimal": "double", "formula": "double", "rollup_summary": "double",
	"integer": "integer", "boolean": "boolean",
	"lookup": "jsonobject", "ownerlookup": "jsonobject", "userlookup": "jsonobject", "RRULE": "jsonobject", "ALARM": "jsonobject",
	"layout": "jsonobject", "consent_lookup": "jsonobject", "multi_module_lookup": "jsonobject",
	"subform": "jsonarray", "multiselectpicklist": "jsonarray", "multiuserlookup": "jsonarray", "multiselectlookup": "jsonarray",
	"linetax": "jsonarray", "time_range": "jsonarray", "multireminder": "jsonarray", "fileupload": "jsonarray", "imageupload": "jsonarray",
}

// parseField reads a line of the model: api_name data_type [json_type] [>target] [=return_type].
func parseField(line string) *field {
	words := strings.Fields(line)
	f := &field{api: words[0], dataType: words[1], jsonType: usual[words[1]]}
	if f.jsonType == "" {
		f.jsonType = "string"
	}
	for _, w := range words[2:] {
		switch w[0] {
		case '>':
			f.targetName = w[1:]
		case '=':
			f.returns = w[1:]
		case '-':
			f.jsonType = ""
		default:
			f.jsonType = w
		}
	}
	return f
}

// build makes the modules.
func (o *Org) build() {
	for line := range strings.Lines(modulesText) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == ' ':
			m := o.modules[len(o.modules)-1]
			m.fields = append(m.fields, parseField(line))
		default:
			words := strings.SplitN(line, " ", 4)
			num, den, _ := strings.Cut(words[1], "/")
			m := o.addModule(words[0], words[3], words[2], o.part(num, den))
			m.static = true
		}
	}
	// DOC: so it is in the official sample, and yet both are api_supported.
	o.byName["Notes"].status = "system_hidden"
	o.byName["DealHistory"].viewable = false
	contacts := o.byName["Contacts"]
	contacts.fields = append(contacts.fields, contactExtras(contacts.fields)...)
	o.customModules()
	o.systemModules()
	for _, m := range o.modules {
		o.finish(m)
	}
	for _, m := range o.modules {
		for _, f := range m.fields {
			f.target = o.byName[f.targetName]
			if f.api == "Parent_Id" && m.generated == "subform" {
				m.parent = f.target
				m.parent.lines = append(m.parent.lines, m)
			}
		}
	}
}

// part is a share of the rows of a large module, at least one.
func (o *Org) part(num, den string) int64 {
	a, _ := strconv.Atoi(num)
	b, _ := strconv.Atoi(den)
	if o.opts.Records == 0 || b == 0 {
		return 0
	}
	return max(int64(o.opts.Records)*int64(a)/int64(b), 1)
}

func (o *Org) addModule(api, singular, generated string, n int64) *module {
	m := &module{
		api: api, name: api, singular: singular, plural: singular + "s", generated: generated, status: "visible",
		supported: true, viewable: true, index: len(o.modules), n: n,
		id: idBase + 2_000 + int64(len(o.modules))*3, seed: rows.MixText(o.opts.Seed, api), byName: make(map[string]*field),
	}
	o.modules = append(o.modules, m)
	o.byName[api] = m
	return m
}

// finish settles what follows from all fields of a module.
func (o *Org) finish(m *module) {
	if m.bare || m.forbidden {
		m.fields = nil
	}
	for _, f := range m.fields {
		f.seed = rows.MixText(m.seed, f.api)
		f.bind(m)
		switch {
		case f.api == "Tag":
			f.raw = func(h uint64) string { return o.makeTags(m, h) }
		case f.dataType == "layout":
			f.raw = func(uint64) string { return o.makeLayout(m) }
		}
		if _, dup := m.byName[f.api]; !dup {
			m.byName[f.api] = f
		}
	}
	if len(m.fields) > 0 && m.byName["id"] == nil {
		// The metadata list lacks it in most modules (CLIENT), the rows do not.
		id := &field{api: "id", dataType: "bigint", jsonType: "string", kind: kindID, perRow: true, must: true}
		m.byName["id"] = id
		if m.index%5 == 0 {
			m.fields = append([]*field{id}, m.fields...)
		}
	}
	for _, f := range m.fields {
		if f.kind == kindFull || m.display == nil && f.kind == kindName {
			m.display = f
		}
	}
	if m.display == nil {
		m.display = &field{api: "", kind: kindName, words: subjectWords, seed: rows.MixText(m.seed, "name"), perRow: true, must: true}
	}
}

// byField finds a field before the names are settled.
func (m *module) byField(name string) *field {
	for _, f := range m.fields {
		if f.api == name {
			return f
		}
	}
	return nil
}

// hasTime tells whether the rows of a module carry Modified_Time.
func (m *module) hasTime() bool { return m.byName["Modified_Time"] != nil }

func (m *module) first() int64 { return idBase + int64(m.index+1)*100_000_000_000 + 451_001 }

// columns are the fields that lists give, id first.
func (m *module) columns() []*field {
	out := []*field{m.byName["id"]}
	for _, f := range m.fields {
		if !f.child && f.kind != kindID && m.byName[f.api] == f {
			out = append(out, f)
		}
	}
	return out
}

// open makes the table of a module when it is first read.
func (o *Org) open(m *module) *rows.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.table == nil {
		m.table = rows.NewTable(
			rows.IDs{First: m.first(), Stride: 1, Run: hole}, m.n,
			[]*rows.Clock{
				rows.NewClock(rows.Layout{Rows: m.n, From: o.start.AddDate(-3, 0, 0), To: o.start, Coarse: m.seed, Fine: m.seed + 1}),
				rows.NewClock(rows.Layout{Rows: m.n, From: o.start.AddDate(-7, 0, 0), To: o.start.AddDate(-3, 0, 0), InOrder: true}),
			}, nil)
		o.ties(m)
	}
	return m.table
}

// ties gives some rows one Modified_Time, as bulk edits do: one edit of more
// rows than a page has, if there are enough, and two small ones.
func (o *Org) ties(m *module) {
	if m.n < 20 {
		return
	}
	ids := m.table.IDs()
	at := o.start.AddDate(-1, 0, -3).Unix()
	for k, size := range []int64{min(230, m.n/4), min(12, m.n/8), min(5, m.n/10)} {
		for j := range size {
			index := (int64(k) + 1 + j*(m.n/size-1)) % m.n
			m.table.Touch(ids.ID(index), stored(at-int64(k)*40*daySec), modified)
		}
	}
}

// stored is how a whole second is kept: at its end, so that changed rows come
// after the computed ones of the same second, and never at one instant with them.
func stored(sec int64) int64 { return sec*second + second - 1 }

func (m *module) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.table, m.tombs = nil, nil
}
