package data

import (
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// bulkPage is how many rows a bulk read job gives (DOC).
const bulkPage = 200_000

// Query is the query of a bulk read job.
type Query struct {
	Module   string
	Fields   []string // api names, dotted for fields of a lookup's target; none: all
	Criteria json.RawMessage
	Page     int    // from 1
	Token    string // instead of all the others: goes on where a job ended
	PerPage  int    // 200,000 if 0
}

// bulkToken holds what a page_token of a bulk read stands for (DOC: it is sent
// alone, without the query).
type bulkToken struct {
	Module   string          `json:"m"`
	Fields   []string        `json:"f,omitempty"`
	Criteria json.RawMessage `json:"c,omitempty"`
	Page     int             `json:"p"`
	Expiry   int64           `json:"e"`
}

// bulkModules are standard modules that bulk reads do not take (GUESS from the
// documented list of those that they do).
var notInBulk = map[string]bool{"Notes": true, "Attachments": true, "Entity_Scores__s": true}

// job is a bulk read whose query was checked.
type job struct {
	m     *module
	cols  []column
	view  *view
	query Query
}

// Check tells what is wrong with the query of a bulk read job, before it runs.
func (o *Org) Check(q Query) error {
	if _, err := o.job(q); err != nil {
		return err
	}
	return nil
}

func (o *Org) job(q Query) (*job, *Error) {
	if q.Token != "" {
		t, err := o.readBulkToken(q.Token)
		if err != nil {
			return nil, err
		}
		q.Module, q.Fields, q.Criteria, q.Page = t.Module, t.Fields, t.Criteria, t.Page
	}
	m := o.byName[q.Module]
	if m == nil || !m.supported || m.forbidden {
		return nil, &Error{Status: 400, Code: "INVALID_MODULE", Message: "the module name given seems to be invalid", Details: map[string]any{"api_name": "module"}}
	}
	if notInBulk[m.api] || !m.readable() {
		return nil, &Error{Status: 400, Code: "MODULE_NOT_SUPPORTED", Message: "the module is not supported for bulk read", Details: map[string]any{"api_name": m.api}}
	}
	if q.Page == 0 {
		q.Page = 1
	}
	if q.Page < 1 || q.Page > 50 && q.Token == "" {
		return nil, &Error{Status: 400, Code: "PAGE_RANGE_EXCEEDED", Message: "the page is out of range", Details: map[string]any{"api_name": "page"}}
	}
	if q.PerPage <= 0 {
		q.PerPage = bulkPage
	}
	cols, err := o.bulkColumns(m, q.Fields)
	if err != nil {
		return nil, err
	}
	filter, err := o.criteria(m, q.Criteria)
	if err != nil {
		return nil, err
	}
	j := &job{m, cols, o.filtered(m, filter), q}
	if o.on(OpenLeads) && m.byName["Converted__s"] != nil {
		rest := j.view.keep
		j.view.keep = func(r rows.Row) bool { return !m.converted(r.ID) && (rest == nil || rest(r)) }
	}
	return j, nil
}

func (o *Org) bulkColumns(m *module, names []string) ([]column, *Error) {
	id := column{name: "Id", f: m.byName["id"]}
	if o.on(LowerID) {
		id.name = "id"
	}
	cols := []column{id}
	if len(names) == 0 {
		for _, f := range m.columns()[1:] {
			cols = append(cols, column{name: f.api, f: f})
		}
		return cols, nil
	}
	for _, name := range names {
		if name == "id" || name == "Id" {
			continue
		}
		c, ok := m.column(name)
		if !ok || c.f.child {
			return nil, &Error{Status: 400, Code: "INVALID_DATA", Message: "the field name given seems to be invalid", Details: map[string]any{"api_name": "fields", "value": name}}
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// File is what a bulk read job made: the rows of that moment, whatever becomes of
// them before the file is fetched.
type File struct {
	org  *Org
	job  *job
	rows []rows.Row
	// More tells whether there are more rows, Token how to go on.
	More  bool
	Token string
}

// Len is the number of rows.
func (f *File) Len() int { return len(f.rows) }

// File runs a bulk read job.
func (o *Org) File(q Query) (*File, error) {
	j, bad := o.job(q)
	if bad != nil {
		return nil, bad
	}
	f := &File{org: o, job: j}
	skip := (j.query.Page - 1) * j.query.PerPage
	var err error
	f.More, err = j.view.each(int64(skip), j.query.PerPage, func(r rows.Row) error {
		f.rows = append(f.rows, r)
		return nil
	})
	if f.More && !o.on(NoBulkToken) {
		t := bulkToken{j.query.Module, j.query.Fields, j.query.Criteria, j.query.Page + 1, o.opts.Now().Add(tokenLife).Unix()}
		f.Token = t.String()
	}
	return f, err
}

// CSV writes a file: a header of api names, the column Id added first, and the
// rows in order of the ids; without rows the header alone.
func (f *File) CSV(w io.Writer, rows bool) error {
	buf := make([]byte, 0, 96<<10)
	for k, c := range f.job.cols {
		if k > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, c.name...)
	}
	buf = append(buf, '\n')
	plan := f.org.planOf(f.job.m, f.job.cols, csvForm)
	for k := range f.rows {
		if !rows {
			break
		}
		if buf = plan.row(buf, f.rows[k]); len(buf) < 64<<10 {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		buf = buf[:0]
	}
	_, err := w.Write(buf)
	return err
}

// CSV runs a bulk read job and writes its file. It tells how many rows are in it,
// whether there are more, and the token of the next page.
func (o *Org) CSV(w io.Writer, q Query) (count int, more bool, token string, err error) {
	f, err := o.File(q)
	if err != nil {
		return 0, false, "", err
	}
	return f.Len(), f.More, f.Token, f.CSV(w, true)
}

// each hands rows of a view on, by the thousand.
func (v *view) each(skip int64, n int, yield func(rows.Row) error) (more bool, err error) {
	const block = 4096
	var place int64
	if v.keep == nil {
		place, skip = skip, 0
	}
	buf := make([]rows.Row, 0, block)
	for {
		chunk, count := v.t.Select(v.query, buf[:0], func(int64) (int64, int64) { return place, block })
		for _, r := range chunk {
			switch {
			case v.keep != nil && !v.keep(r):
			case skip > 0:
				skip--
			case n == 0:
				return true, nil
			default:
				n--
				if err := yield(r); err != nil {
					return false, err
				}
			}
		}
		place += int64(len(chunk))
		if len(chunk) == 0 || place >= count {
			return false, nil
		}
	}
}

// String is the token as it is sent.
func (t bulkToken) String() string {
	raw, err := json.Marshal(t)
	if err != nil {
		panic(err) // invariant: names, numbers and JSON that was read before
	}
	sum := rows.MixText(tokenSeed, string(raw))
	return strconv.FormatUint(sum, 36) + "-" + hexText(raw)
}

func (o *Org) readBulkToken(text string) (bulkToken, *Error) {
	var t bulkToken
	sum, raw := splitHex(text)
	if raw == nil || strconv.FormatUint(rows.MixText(tokenSeed, string(raw)), 36) != sum || json.Unmarshal(raw, &t) != nil {
		return t, &Error{Status: 400, Code: "INVALID_DATA", Message: "the page_token is invalid", Details: map[string]any{"api_name": "page_token"}}
	}
	if o.opts.Now().Unix() >= t.Expiry {
		return t, &Error{Status: 400, Code: "EXPIRED_VALUE", Message: "the page_token has expired", Details: map[string]any{"api_name": "page_token", "json_path": "$.query.page_token"}}
	}
	return t, nil
}

// Until is when a page token made now expires.
func (o *Org) Until() time.Time { return o.opts.Now().Add(tokenLife) }
