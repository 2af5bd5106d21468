package accountview

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// row is one of a small table.
type row map[string]json.RawMessage

// text is a value as text.
func (r row) text(column string) string {
	raw := r[column]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimRight(s, " ")
	}
	return string(raw)
}

// The sizes of pages: as FXL's, and of the columns, of which there are thousands,
// the largest that is known to work. CLIENT (OMNI, NG).
const (
	listSize = pageSize
	longSize = 1000
)

// maxPages bounds what a dictionary may fill.
const maxPages = 1000

// list is a table of the system that is read before the streams are.
type list struct {
	object, table string
	key           []string
	columns       []string
	filter        []stream.Param
	size          int
}

// read reads a table whole. Its pages are asked for by the last key, or where the
// key has two columns, by their number; smaller ones where the service does not
// make them in time.
func (l list) read(ctx context.Context, f stream.Fetcher, company string) ([]row, error) {
	for size := l.size; ; size = max(size/4, pageLeast) {
		rows, err := l.pages(ctx, f, company, size)
		if e := fault.As(err); size > pageLeast && e != nil && (e.Status == http.StatusGatewayTimeout || errors.Is(err, stream.Late)) {
			continue
		}
		return rows, err
	}
}

func (l list) pages(ctx context.Context, f stream.Fetcher, company string, size int) ([]row, error) {
	var out []row
	seen := map[string]bool{}
	columns := strings.Join(l.columns, ",")
	last, fullest := "", 0
	for page := 1; page <= maxPages; page++ {
		req := &stream.Request{URL: pathSystem, Lane: company, Resource: "dictionary", Brief: size > pageLeast, Params: []stream.Param{
			inCompany(company), {Name: "BusinessObject", Value: l.object}, {Name: "PageSize", Value: strconv.Itoa(size)},
		}}
		req.Params = append(req.Params, l.filter...)
		if columns != "" {
			req.Params = append(req.Params, stream.Param{Name: "Fields", Value: columns})
		}
		switch {
		case len(l.key) > 1:
			req.Params = append(req.Params, stream.Param{Name: "PageNumber", Value: strconv.Itoa(page)})
		case last != "":
			req.Params = append(req.Params, stream.Param{Name: "LastKey", Value: last})
		}
		rows, err := ask(ctx, f, req, l.table)
		if _, ok := errors.AsType[*stream.UnknownField](err); ok && columns != "" {
			columns = "" // another version has other columns: all of them come
			page--
			continue
		}
		if errors.Is(err, stream.NoRows) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		fresh := 0
		for _, r := range rows {
			var words []string
			for _, k := range l.key {
				words = append(words, r.text(k))
			}
			if id := strings.Join(words, "\x00"); !seen[id] {
				seen[id] = true
				out = append(out, r)
				fresh++
			}
			last = r.text(l.key[0])
		}
		if len(rows) < max(fullest, pageLeast) {
			return out, nil
		}
		fullest = max(fullest, len(rows))
		if fresh < len(rows) { // a page that brings rows again lacks others
			return nil, errUnfit
		}
	}
	return nil, errUnfit
}

// errUnfit stands for pages that do not fit together.
var errUnfit = &fault.Error{Kind: fault.Contract, Err: errors.New("the pages of the data dictionary do not fit together"), Hint: "run again, and report it if it stays"}

// ask reads the rows of one answer: an array, or an object for a single one (CLIENT
// APIC).
func ask(ctx context.Context, f stream.Fetcher, req *stream.Request, name string) ([]row, error) {
	resp, err := f.Fetch(ctx, req)
	if err != nil {
		return nil, err
	}
	defer release(resp)
	var answer map[string]json.RawMessage
	if stream.Unmarshal(resp.Body, &answer) != nil || answer[name] == nil {
		return nil, shape(resp)
	}
	var rows []row
	if stream.Unmarshal(answer[name], &rows) == nil {
		return rows, nil
	}
	var one row
	if stream.Unmarshal(answer[name], &one) != nil {
		return nil, shape(resp)
	}
	return []row{one}, nil
}

// discover adds to the streams what columns the company's dictionary tells that
// no schema file has. Where it cannot be read, the files are all that is known;
// with a catalog, nothing is asked.
func discover(ctx context.Context, f stream.Fetcher, c stream.Config, known stream.Known) ([]stream.Stream, error) {
	if known != nil {
		return nil, nil
	}
	e, listed, err := chosen(ctx, f, c)
	if err != nil {
		return nil, err
	}
	tables, err := files(nil).read(ctx, f, e.Id)
	if err != nil && mayGoOn(err) && listed == nil {
		if e, err := member(ctx, f, c); e == nil {
			return nil, err // the refusal was of the company
		}
	}
	if unlessSmall(err) != nil {
		return nil, err
	}
	columns, cerr := columnsOf(ctx, f, e.Id)
	if unlessSmall(cerr) != nil {
		return nil, cerr
	}
	switch {
	case cerr != nil:
		stream.Warn(ctx, "the data dictionary cannot be read: columns of the company's own are not in the catalog, and come in _rescued_data where none is given; "+mayRead, "reason", cerr.Error())
	case err != nil:
		stream.Warn(ctx, "the list of tables in the data dictionary cannot be read: which modules are active is not known; "+mayRead, "reason", err.Error())
	}
	d := dictionary{tables: tables, columns: columns, untold: cerr != nil}
	return d.streams(c), nil
}

const mayRead = "give the user the right to read it, and discover again"

// unlessSmall lets pass what only keeps the dictionary from being read.
func unlessSmall(err error) error {
	if mayGoOn(err) || errors.Is(err, errUnfit) {
		return nil
	}
	return err
}

// files is the list of tables and objects. DICT.
func files(filter []stream.Param) list {
	return list{object: "DBF", table: "DCT_FILE", key: []string{"DBF_NAME"}, columns: []string{"DBF_NAME", "OBJ_CODE", "OBJ_ACTIVE", "TBL_ACTIVE"}, filter: filter, size: listSize}
}

// fields is the list of columns. DICT.
func fields(filter []stream.Param) list {
	return list{
		object: "FLD", table: "DCT_FLD", key: []string{"DBF_NAME", "FIELD_NAME"}, columns: []string{"DBF_NAME", "FIELD_NAME", "FIELD_TYPE"},
		filter: filter, size: longSize,
	}
}

// columnsOf reads the columns of all tables by the numbers of the pages, and
// where these do not fit together, table by table: none has as many columns as a
// page has rows (DICT), and the rows of FLD cannot be paged by their key (REAL).
func columnsOf(ctx context.Context, f stream.Fetcher, company string) ([]row, error) {
	rows, err := fields(nil).read(ctx, f, company)
	if !errors.Is(err, errUnfit) {
		return rows, err
	}
	var all []row
	done := map[string]bool{}
	for i := range objects {
		for _, o := range []*object{&objects[i], objects[i].lines} {
			if o == nil || done[o.table] {
				continue
			}
			done[o.table] = true
			// Text is compared as padded (CLIENT OMNI): what is asked for too much is not
			// looked at.
			some, err := fields(filter("DBF_NAME", "Contains", "C", o.table)).read(ctx, f, company)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// dictionary is what a company tells of its tables.
type dictionary struct {
	tables, columns []row
	untold          bool // the columns
}

// streams are the streams as the dictionary has them.
func (d *dictionary) streams(c stream.Config) []stream.Stream {
	active := map[string]bool{}
	for _, r := range d.tables {
		if code := r.text("OBJ_CODE"); code != "" {
			active[code] = active[code] || r.text("OBJ_ACTIVE") == "true"
			active["table "+r.text("DBF_NAME")] = active[code]
		}
	}
	byTable := map[string][]stream.Property{}
	for _, r := range d.columns {
		name, column := r.text("DBF_NAME"), r.text("FIELD_NAME")
		if columnForm.MatchString(column) && column != "EXT_KEY" {
			byTable[name] = append(byTable[name], stream.Property{Name: column, Schema: typed(r.text("FIELD_TYPE"))})
		}
	}
	out := (&stream.Source{Streams: streams()}).For(c).Streams
	for i := range out {
		s := &out[i]
		o, header := objectOf(s.Name)
		if o == nil {
			continue
		}
		code := cmp.Or(header.code, o.code)
		is, told := active[code]
		if !told && strings.HasPrefix(code, "{") {
			is, told = active["table "+o.table], true
		}
		s.Selected = s.Selected && (is || !told && len(d.tables) == 0)
		if s.Name == stock {
			continue // few columns are what makes it
		}
		if d.untold {
			everything(s)
			continue
		}
		s.Added = slices.Clone(byTable[o.table])
		slices.SortFunc(s.Added, func(a, b stream.Property) int { return strings.Compare(a.Name, b.Name) })
		for _, p := range s.Added {
			if secret.MatchString(p.Name) && !slices.Contains(s.Hidden, p.Name) && !slices.Contains(s.Key, p.Name) {
				s.Hidden = append(s.Hidden, p.Name)
			}
		}
	}
	return out
}

// everything asks for all columns, where nobody tells which there are: those that no
// schema knows are rescued. Where files may be among them, pages are small.
func everything(s *stream.Stream) {
	s.Select, s.All = "", false
	if page, ok := s.Page.(stream.Keyset); ok && len(s.Hidden) > 0 {
		page.Size = min(page.Size, pageLeast)
		s.Page = page
	}
}

// objectOf finds the object of a stream, and that in whose answers it comes.
func objectOf(name string) (o, header *object) {
	for i := range objects {
		switch o := &objects[i]; {
		case o.stream == name:
			return o, o
		case o.lines != nil && o.lines.stream == name:
			return o.lines, o
		}
	}
	return nil, nil
}

var (
	columnForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	// GUESS: names of columns with keys and secrets of other services, and with
	// files.
	secret = regexp.MustCompile(`(?i)(^|_)(C?SEC|CKEY|API|PWD|PASSW?|TOKEN|[A-Z]?_?DATA|FILE|BLOB)$`)
)

// typed is the schema of a column by its letter in the dictionary. DICT.
func typed(letter string) *stream.Schema {
	s := &stream.Schema{Type: "string", Nullable: true}
	switch strings.ToUpper(letter) {
	case "L":
		s.Type = "boolean"
	case "N", "Y", "B", "F":
		s.Type = "number"
	case "I":
		s.Type = "integer"
	case "T":
		s.Format = "date-time"
	case "D":
		s.Format = "date"
	}
	return s
}

// itemsCode is the placeholder of the code of open items.
const itemsCode = "open_items"

// openItems finds the code by which open items are asked for, which nobody has
// seen (GUESS: OI1), in the dictionary: that of the table itself, not of its
// views. It is asked for only where they are read.
func openItems(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
	p := partition(c, lastDay(c))
	code := "OI1"
	rows, err := files(filter("DBF_NAME", "Contains", "C", "OPENITEM")).read(ctx, f, p.ID)
	if unlessSmall(err) != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.text("DBF_NAME") == "OPENITEM" && r.text("OBJ_CODE") != "" {
			code = r.text("OBJ_CODE")
		}
	}
	p.Values = append(p.Values, stream.Param{Name: itemsCode, Value: code})
	return []stream.Partition{p}, nil
}

// inactive judges the refusal of a stream, whose words are not known: where the
// dictionary says that the module is not active, it is one of rights. DICT.
func inactive(ctx context.Context, f stream.Fetcher, c stream.Config, s *stream.Stream, refusal error) error {
	_, o := objectOf(s.Name)
	e := fault.As(refusal)
	if o == nil || o.system || e == nil {
		return refusal
	}
	column, value := "OBJ_CODE", o.code
	if strings.HasPrefix(o.code, "{") {
		column, value = "DBF_NAME", o.table
	}
	company := c.Text(keyCompany)
	rows, err := files(filter(column, "Contains", "C", value)).read(ctx, f, company)
	if err != nil && mayGoOn(err) {
		rows, err = files(nil).read(ctx, f, company)
	}
	if e := fault.As(err); e != nil && (e.Whole || e.Kind == fault.Auth) || ctx.Err() != nil {
		return err
	}
	told := false
	for _, r := range rows {
		if r.text(column) != value {
			continue
		}
		if r.text("OBJ_ACTIVE") != "false" && r.text("TBL_ACTIVE") != "false" {
			return refusal
		}
		told = true
	}
	if !told {
		return refusal
	}
	out := *e
	out.Kind, out.Err = fault.Permission, fmt.Errorf("%w (the data dictionary says that %s is not active)", e.Err, value)
	out.Hint = "give the licence the module, or deselect the stream"
	return &out
}
