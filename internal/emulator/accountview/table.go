package accountview

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// columnsText says which columns each table has.
//
//go:embed columns.txt
var columnsText string

// column is one column of a table.
type column struct {
	table  string
	name   string
	head   []byte // its name in JSON, with the colon
	letter byte   // of the data dictionary: C M L N Y B I T D
	width  int
	must   bool // has to be filled in
	system bool // is kept by the system
	custom bool // was made by the customer
	key    bool
	// make appends the value of a row as JSON.
	make func(dst []byte, r *row) []byte
}

// belonging tells to what a table belongs.
type belonging int

const (
	perYear belonging = iota // the journals of one book year
	master                   // copied to each new book year (DICT: SETUP_DATA)
	perCompany
)

// table is a base table of the system.
type table struct {
	name    string
	columns []*column
	byName  map[string]*column
	key     []string
	belongs belonging
	size    func(records int64) int64
	// text is the key of a row, in whose order rows are read. Rows from size on
	// were added later. "" means that no more rows can be added.
	text func(s *store, i int64) string
	// lines makes the rows of the line tables of a row.
	lines map[string]func(r *row) []*row
	fixed bool // the rows are a list: the dictionary and the like
}

func (t *table) stamped() bool { return t.byName["CNG_DATE"] != nil }

// readColumns parses the list of columns.
func readColumns(text string) (map[string][]*column, error) {
	out := make(map[string][]*column)
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if !strings.HasPrefix(line, " ") && len(words) > 0 {
			name, words = words[0], words[1:]
		}
		for _, word := range words {
			c, err := readColumn(word)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
			c.table = name
			out[name] = append(out[name], c)
		}
	}
	return out, nil
}

func readColumn(word string) (*column, error) {
	name, rest, _ := strings.Cut(word, ":")
	digits := strings.TrimRight(rest, "!~*+")
	if name == "" || digits == "" {
		return nil, fmt.Errorf("column %q: the form is NAME:C10", word)
	}
	width, err := strconv.Atoi(digits[1:])
	if err != nil || strings.IndexByte("CMLNYBITD", digits[0]) < 0 {
		return nil, fmt.Errorf("column %q: the form is NAME:C10", word)
	}
	flags := rest[len(digits):]
	return &column{
		name: name, head: []byte(`"` + name + `":`), letter: digits[0], width: width,
		must: strings.Contains(flags, "!"), system: strings.Contains(flags, "~"), custom: strings.Contains(flags, "+"),
	}, nil
}

// makeTables puts the tables together: columns from the list, the rest from
// the specifications of this package.
func makeTables(o options) (map[string]*table, error) {
	columns, err := readColumns(columnsText)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*table)
	for k := range tableSpecs {
		spec := &tableSpecs[k]
		t := &table{
			name: spec.name, columns: columns[spec.name], byName: make(map[string]*column), key: strings.Fields(spec.key),
			belongs: spec.belongs, size: spec.size, text: spec.text, fixed: spec.fixed,
		}
		if len(t.columns) == 0 {
			return nil, fmt.Errorf("table %s has no columns", spec.name)
		}
		for _, c := range t.columns {
			t.byName[c.name] = c
		}
		for _, name := range t.key {
			if t.byName[name] == nil {
				return nil, fmt.Errorf("table %s has no column %s", spec.name, name)
			}
			t.byName[name].key = true
		}
		for _, c := range t.columns {
			c.make = maker(c, t, o)
		}
		out[t.name] = t
	}
	for name, lines := range lineTables {
		out[name].lines = lines
	}
	return out, nil
}

// row is one row: what it holds follows from its number, and from what became
// of it since.
type row struct {
	s *store
	i int64
	h uint64
	change
	parent *row // of a line
	line   int64
}

// change is what became of a row since the start.
type change struct {
	rev   int   // how often it was edited
	moves int   // how often its balances moved, without a trace
	at    int64 // the reading of the clock at the last edit, 0 if there was none
	gone  bool
}

// key is the text in whose order rows are read.
func (r *row) key() string { return r.s.t.text(r.s, r.i) }

// value is a column of the row as JSON.
func (r *row) value(name string) []byte { return r.s.t.byName[name].make(nil, r) }

// ref is the key of a row of another table, one that every book year has.
func (r *row) ref(name string, h uint64) string {
	s := r.s.company.store(name, r.s.year)
	if s == nil || s.size == 0 {
		return ""
	}
	i := int64(h % uint64(s.size))
	for range s.size {
		if !s.fresh(i) {
			break
		}
		i = (i + 1) % s.size
	}
	return s.t.text(s, i)
}
