package zohocrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// bulkPath is where bulk reads are made and asked for. DOC (BULK).
const bulkPath = "/crm/bulk/v8/read"

// pollAfter is the least wait between two questions, each of which costs a
// credit. A job takes seconds at least.
const pollAfter = 5 * time.Second

// semicolon stands between several choices, and between tags. GUESS: the
// vendor's convention in CSV.
const semicolon = ";"

// openFiles prepares the bulk reads of one read. Of leads there are two, first of
// the open ones: whether a job without a word on it gives the converted ones too
// is not documented, and a lead that is converted meanwhile changes and comes
// twice.
func (m road) openFiles(ctx context.Context, f stream.Fetcher, r stream.Read) (*stream.Job, error) {
	k, err := m.look(ctx, f, r)
	if err != nil {
		return nil, err
	}
	j := &files{road: m, read: r, known: k, parts: []*bool{nil}, page: 1}
	if m.module == leadModule {
		no, yes := false, true
		j.parts, j.converted = []*bool{&no, &yes}, -1
		resp, err := f.Fetch(ctx, m.counting(r, "true"))
		switch e := fault.As(err); {
		case err == nil:
			if n, ok := counted(resp); ok {
				j.converted = n
			}
			if resp.Release != nil {
				resp.Release()
			}
		case errors.Is(err, stream.NoRows):
			j.converted = 0
		case e != nil && !e.Whole && (e.Kind == fault.Refused || e.Kind == fault.Permission):
		default:
			return nil, settled(err, "count")
		}
	}
	return &stream.Job{
		Create: func(stream.Read) (*stream.Request, error) { return j.create() },
		Poll:   j.poll,
		Table:  &stream.Table{Columns: j.columns, More: j.more},
	}, nil
}

// files are the bulk reads of one read, one after the other.
type files struct {
	road  road
	read  stream.Read
	known *known
	// parts are the values of Converted__s that are still to be asked for, nil
	// where nobody asks. converted is how many leads are, -1 if that is not told.
	parts     []*bool
	converted int64
	page      int
}

// The query of a job.
type (
	bulkBody struct {
		Module   bulkName      `json:"module"`
		Fields   []string      `json:"fields"`
		Criteria *bulkCriteria `json:"criteria,omitempty"`
		Page     int           `json:"page"`
	}
	bulkName struct {
		APIName string `json:"api_name"`
	}
	bulkCriteria struct {
		Operator   string         `json:"group_operator,omitempty"`
		Group      []bulkCriteria `json:"group,omitempty"`
		Field      *bulkName      `json:"field,omitempty"`
		Comparator string         `json:"comparator,omitempty"`
		Value      any            `json:"value,omitempty"`
	}
)

// create asks for the next page of the part at hand.
func (j *files) create() (*stream.Request, error) {
	return j.job(bulkBody{Module: bulkName{j.road.module}, Fields: j.fields(), Criteria: j.criteria(), Page: j.page})
}

func (j *files) job(query any) (*stream.Request, error) {
	raw, err := json.Marshal(query)
	if err != nil {
		return nil, err
	}
	return &stream.Request{
		Method: post, URL: bulkPath, Resource: "bulk", Cost: jobCost,
		Params: []stream.Param{{Name: "query", Value: string(raw), Raw: true}},
	}, nil
}

// fields are the columns that are asked for; the order is kept (DOC, BULK
// download), and the id is added. What a lookup shows is a column of its own.
func (j *files) fields() []string {
	out := []string{}
	for _, p := range j.read.Fields {
		if p.Name == "id" {
			continue
		}
		out = append(out, p.Name)
		if h := hintOf(j.read, p.Name); h.word == hintLookup {
			out = append(out, p.Name+"."+h.shown())
		}
	}
	if len(out) == 0 {
		out = append(out, "id") // none would be all
	}
	return out
}

// criteria are the bounds, which belong to what is wanted. DOC: no fractions.
func (j *files) criteria() *bulkCriteria {
	var list []bulkCriteria
	add := func(field, comparator string, value any) {
		list = append(list, bulkCriteria{Field: &bulkName{field}, Comparator: comparator, Value: value})
	}
	switch r := j.read; {
	case r.From != "" && r.To != "":
		add("Modified_Time", "between", []string{r.From, r.To})
	case r.From != "":
		add("Modified_Time", "greater_equal", r.From)
	case r.To != "":
		add("Modified_Time", "less_equal", r.To)
	}
	if converted := j.parts[0]; converted != nil {
		add("Converted__s", "equal", *converted)
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return &list[0]
	}
	return &bulkCriteria{Operator: "and", Group: list}
}

// bulkAnswer is the answer of a job's creation, and of a question for it.
type bulkAnswer struct {
	Data []struct {
		ID      string
		State   string
		Code    string
		Details struct{ ID string }
		Result  struct {
			Count *int64
			URL   string `json:"download_url"`
			More  bool   `json:"more_records"`
			Token string `json:"next_page_token"`
			Error string `json:"error_message"`
		}
	}
}

func readBulk(r *stream.Response) (*bulkAnswer, error) {
	a := &bulkAnswer{}
	if stream.Unmarshal(r.Body, a) != nil || len(a.Data) != 1 {
		return nil, unlike(bulkPath)
	}
	return a, nil
}

func (j *files) poll(r *stream.Response) (stream.Step, error) {
	a, err := readBulk(r)
	if err != nil {
		return stream.Step{}, err
	}
	d := &a.Data[0]
	again := func(id string) (stream.Step, error) {
		if id == "" || strings.Trim(id, "0123456789") != "" {
			return stream.Step{}, unlike(bulkPath)
		}
		return stream.Step{Ask: &stream.Request{URL: bulkPath + "/" + id, Resource: "bulk"}, After: pollAfter}, nil
	}
	switch d.State {
	case "":
		return again(d.Details.ID)
	case "ADDED", "QUEUED", "IN PROGRESS", "IN_PROGRESS": // a result may be there already, DOC
		return again(d.ID)
	case "COMPLETED":
		if d.Result.Count == nil || *d.Result.Count < 0 {
			return stream.Step{}, unlike(bulkPath)
		}
		if *d.Result.Count == 0 {
			return j.nothing(d.Result.More)
		}
		if d.Result.URL == "" {
			return stream.Step{}, unlike(bulkPath)
		}
		return stream.Step{Download: &stream.Request{URL: d.Result.URL, Resource: bulkDownload}, Rows: *d.Result.Count}, nil
	case "FAILURE":
		return stream.Step{}, &fault.Error{
			Kind: fault.Transient, Op: "bulk read", Err: errors.New("the vendor gave the job up: " + fault.Clip(d.Result.Error, mostTold)),
			Hint: "run again later: the job is made anew",
		}
	}
	return stream.Step{}, &fault.Error{
		Kind: fault.Contract, Op: "bulk read", Err: fmt.Errorf("the job is in a state that is not documented: %q", fault.Clip(d.State, mostTold)), Hint: "run again, and report it if it stays",
	}
}

// nothing is the end of a job without rows. Of leads that are known to be
// converted none means that files leave them out. more: the job says that there are
// more; so did the one before any but the first.
func (j *files) nothing(more bool) (stream.Step, error) {
	if more || j.page > 1 {
		return stream.Step{}, &fault.Error{
			Kind: fault.Refused, Op: "bulk read", Err: errors.New("the vendor announced further rows, and the job for them has none"), Hint: "read_method list reads them",
		}
	}
	if converted := j.parts[0]; converted != nil && *converted && j.page == 1 && j.converted != 0 {
		return stream.Step{}, &fault.Error{Kind: fault.Refused, Op: "bulk read", Err: errors.New("the vendor's files leave out the converted leads"), Hint: "read_method list reads them"}
	}
	req, err := j.turn()
	if err != nil {
		return stream.Step{}, err
	}
	if req == nil {
		return stream.Step{}, stream.NoRows
	}
	return stream.Step{Ask: req}, nil
}

// turn goes on to the next part, nil after the last one.
func (j *files) turn() (*stream.Request, error) {
	if j.parts, j.page = j.parts[1:], 1; len(j.parts) == 0 {
		return nil, nil //nolint:nilnil // the end
	}
	return j.create()
}

// more is the job that goes on where a finished one ended. DOC: a token stands
// alone, and takes the place of page numbers beyond the first job.
func (j *files) more(r *stream.Response) (*stream.Request, error) {
	a, err := readBulk(r)
	if err != nil {
		return nil, err
	}
	switch result := &a.Data[0].Result; {
	case !result.More:
		return j.turn()
	case result.Token != "":
		j.page++
		return j.job(map[string]string{"page_token": result.Token})
	}
	j.page++
	return j.create()
}

// columns tells what a file's columns hold.
func (j *files) columns(header []string, fields []stream.Property) ([]stream.Column, error) {
	out := make([]stream.Column, len(header))
	for i, name := range header {
		if strings.EqualFold(name, "id") {
			out[i].Name = "id"
			continue
		}
		head, tail, dotted := strings.Cut(name, ".")
		if !slices.ContainsFunc(fields, func(p stream.Property) bool { return p.Name == head }) {
			continue
		}
		h := hintOf(j.read, head)
		if dotted && (h.word != hintLookup || tail != h.shown()) {
			continue
		}
		out[i] = j.column(head, h)
		if dotted {
			out[i].Inner = "name"
		}
	}
	return out, nil
}

// column is what the column of a field holds. The id of a lookup comes first: an
// object is null where its first column is empty, and what is shown may be.
func (j *files) column(name string, h hint) stream.Column {
	c := stream.Column{Name: name}
	switch h.word {
	case hintLookup:
		c.Inner = "id"
	case hintUser:
		c.Value = among(j.known.users)
	case hintLayout:
		c.Value = orObject(among(j.known.layouts))
	case hintTags:
		tags := joined(j.known.tags)
		c.Value = func(dst, text []byte) ([]byte, bool) {
			if len(text) == 0 {
				return append(dst, "[]"...), true
			}
			return tags(dst, text)
		}
	case hintList:
		c.Separator = semicolon
		if choices := h.choices(); choices != nil {
			literals := map[string][]byte{}
			for _, text := range choices {
				literals[text] = quoted(text)
			}
			c.Separator, c.Value = "", alone(joined(literals))
		}
	case hintJSON, hintImage:
		c.Value = orObject(nil)
	case hintAlarm:
		c.Value = orObject(func(dst, text []byte) ([]byte, bool) { return jsonspan.AppendQuoted(dst, text), true })
	}
	return c
}

// value appends the JSON literal that a text stands for.
type value = func(dst, text []byte) ([]byte, bool)

// among are texts that stand for literals.
func among(literals map[string][]byte) value {
	return func(dst, text []byte) ([]byte, bool) {
		if len(text) == 0 {
			return append(dst, "null"...), true
		}
		literal, ok := literals[string(text)]
		return append(dst, literal...), ok
	}
}

// orObject is an object or an array as it is; what is neither is for other, nil
// for none.
func orObject(other value) value {
	return func(dst, text []byte) ([]byte, bool) {
		if len(text) == 0 {
			return append(dst, "null"...), true
		}
		if text[0] == '{' || text[0] == '[' {
			if end, _, err := jsonspan.Scan(text, 0); err == nil && end == len(text) {
				return append(dst, text...), true
			}
		}
		if other == nil {
			return dst, false
		}
		return other(dst, text)
	}
}

// alone is a list of one text where nothing cuts it, else what of says.
func alone(of value) value {
	return func(dst, text []byte) ([]byte, bool) {
		switch {
		case len(text) == 0:
			return append(dst, "null"...), true
		case !bytes.Contains(text, []byte(semicolon)):
			return append(jsonspan.AppendQuoted(append(dst, '['), text), ']'), true
		}
		return of(dst, text)
	}
}

// maxChoices bounds the work on one text.
const maxChoices = 1000

// joined are several texts with semicolons between them, each of which stands for
// a literal and may hold semicolons itself: false unless they can be told apart
// in one way and no other.
func joined(literals map[string][]byte) value {
	return func(dst, text []byte) ([]byte, bool) {
		ends := []int{-1} // of what lies between semicolons, -1 the place before the first
		for i := range text {
			if text[i] == semicolon[0] {
				ends = append(ends, i)
			}
		}
		ends = append(ends, len(text))
		n := len(ends) - 1
		if n > maxChoices {
			return dst, false
		}
		ways, next := make([]int, n+1), make([]int, n)
		ways[n] = 1
		for i := n - 1; i >= 0; i-- {
			for k := i + 1; k <= n && ways[i] < 2; k++ {
				if _, ok := literals[string(text[ends[i]+1:ends[k]])]; ok && ways[k] > 0 {
					ways[i], next[i] = ways[i]+ways[k], k
				}
			}
		}
		if ways[0] != 1 {
			return dst, false
		}
		dst = append(dst, '[')
		for i := 0; i < n; i = next[i] {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, literals[string(text[ends[i]+1:ends[next[i]]])]...)
		}
		return append(dst, ']'), true
	}
}
