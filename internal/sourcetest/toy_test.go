package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestToySource registers a source that exists nowhere else: the whole suite
// runs over it without a change to any other file. It has the shapes that the
// first real source lacks: offsets, a keyset in order, partitions, children, a
// stream that is found at run time.
func TestToySource(t *testing.T) {
	root := t.TempDir()
	sources, plugins := []*stream.Source{toySource()}, []emulator.Plugin{toyPlugin}
	written := slices.Concat(goldenCases, []conformance{{"discovery", discovery}})
	t.Run("update", func(t *testing.T) { run(t, root, true, written, nil, sources, plugins) })
	run(t, root, false, cases(), insistedCases(), sources, plugins)
}

// toySchema builds a schema from name:type pairs; the first of them is the key.
func toySchema(keys int, fields ...string) *singer.Schema {
	s := &singer.Schema{Type: "object"}
	for i, f := range fields {
		name, typ, _ := strings.Cut(f, ":")
		p := &singer.Schema{Type: typ, Nullable: i >= keys}
		if typ == "date" || typ == "date-time" {
			p.Type, p.Format = "string", typ
		}
		s.Properties = append(s.Properties, singer.Property{Name: name, Schema: p})
	}
	return s
}

const toyDoc = "https://toy.example/doc"

func toySource() *stream.Source {
	return &stream.Source{
		Name: "toy", Title: "Toy", Doc: toyDoc, Base: "/api/", Probe: "tags", Window: 90,
		Settings: []stream.Setting{
			{Key: "key", Kind: stream.Secret, Required: true, Doc: "The key."},
			{Key: "start_date", Kind: stream.Date, Required: true, Doc: "Lower bound."},
		},
		Origin: func(stream.Config) string { return "https://toy.example" },
		Auth:   stream.HeaderAuth{Header: "X-Key", Key: "key"},
		Limits: []stream.Limit{{Kind: stream.Pace, N: 4, Per: time.Second}},
		Classify: func(r *stream.Response) error {
			if r.Status == http.StatusNotFound && strings.Contains(string(r.Body), "no such note") {
				return stream.SkipParent
			}
			return nil
		},
		Scopes: map[string]stream.Scope{"units": {
			Inject: []string{"_unit"},
			Expand: func(ctx context.Context, f stream.Fetcher, _ stream.Config) ([]stream.Partition, error) {
				return toyUnits(ctx, f)
			},
		}},
		Streams: []stream.Stream{
			{
				Name: "tags", Doc: toyDoc, Selected: true, Path: "tags", Key: []string{"code"}, Page: stream.Single{},
				Schema: toySchema(1, "code:string", "label:string"),
			},
			{
				Name: "notes", Doc: toyDoc, Selected: true, Path: "notes", Records: "data.items", Key: []string{"id"},
				Page:   stream.Offset{Param: "offset", SizeParam: "limit", Size: 7, Total: "data.total"},
				Cursor: &stream.Cursor{Field: "changed", From: "since", To: "until"},
				Schema: toySchema(1, "id:integer", "changed:date-time", "text:string", "amount:number", "done:boolean", "due:date"),
			},
			{
				Name: "events", Doc: toyDoc, Selected: true, Path: "events", Records: "items", Key: []string{"seq"},
				Page:   stream.Keyset{Param: "after", Field: "seq", SizeParam: "limit", Size: 5},
				Cursor: &stream.Cursor{Field: "seq", From: "from", Sorted: true},
				Schema: toySchema(1, "seq:integer", "what:string"),
			},
			{
				Name: "entries", Doc: toyDoc, Selected: true, Path: "units/{partition}/entries", Records: "items", Key: []string{"_unit", "id"},
				Page: stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 4, More: "more"}, Scope: "units",
				Cursor: &stream.Cursor{Field: "day", From: "from", To: "to"},
				Schema: toySchema(2, "_unit:integer", "id:integer", "day:date", "value:number"),
			},
			{
				Name: "lines", Doc: toyDoc, Selected: false, Path: "notes/{note}/lines", Records: "items", Key: []string{"note", "n"}, Page: stream.Single{},
				Parent: &stream.Parent{Stream: "notes", Bind: []stream.Bind{{From: "id", To: "note", Inject: "note"}}},
				Schema: toySchema(2, "note:integer", "n:integer", "text:string"),
			},
			{
				Name: "archive", Doc: toyDoc, Selected: true, Optional: true, Path: "archive", Records: "items", Key: []string{"id"},
				Page:   stream.Token{Param: "token", Token: "next", SizeParam: "limit", Size: 6},
				Schema: toySchema(1, "id:integer", "text:string"),
			},
		},
		Discover: toyDiscover,
	}
}

// toyDiscover finds the kinds of the account, and their fields where no catalog
// knows them.
func toyDiscover(ctx context.Context, f stream.Fetcher, _ stream.Config, known stream.Known) ([]stream.Stream, error) {
	ask := func(into any, url string, params ...stream.Param) error {
		resp, err := f.Fetch(ctx, &stream.Request{URL: url, Resource: url, Params: params})
		if err != nil {
			return err
		}
		return json.Unmarshal(resp.Body, into)
	}
	var kinds []string
	if err := ask(&kinds, "kinds"); err != nil {
		return nil, err
	}
	var out []stream.Stream
	for _, name := range kinds {
		st := stream.Stream{
			Name: name, Doc: toyDoc, Selected: true, Path: name, Records: "items", Key: []string{"id"},
			Page:   stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 6, More: "more", Total: "total"},
			Cursor: &stream.Cursor{Field: "changed", From: "since", To: "until"},
		}
		if known == nil {
			var fields []string
			if err := ask(&fields, "fields", stream.Param{Name: "of", Value: name}); err != nil {
				return nil, err
			}
			st.Schema = toySchema(1, fields...)
		} else if known(name) == nil {
			continue
		}
		out = append(out, st)
	}
	return out, nil
}

func toyUnits(ctx context.Context, f stream.Fetcher) ([]stream.Partition, error) {
	resp, err := f.Fetch(ctx, &stream.Request{URL: "units", Resource: "units"})
	if err != nil {
		return nil, err
	}
	var ids []int
	if err := json.Unmarshal(resp.Body, &ids); err != nil {
		return nil, err
	}
	var out []stream.Partition
	for _, id := range ids {
		text := strconv.Itoa(id)
		out = append(out, stream.Partition{ID: text, Name: "unit " + text, Inject: []string{text}, Lane: "unit " + text})
	}
	return out, nil
}

var toyPlugin = emulator.Plugin{Name: "toy", Open: func(env emulator.Env) (emulator.Service, error) {
	s := &toyService{env: env}
	s.Reset()
	return s, nil
}}

const toyKey = "toy-key-7f3a9c"

// toyRow is a row of any stream; at is its cursor.
type toyRow struct {
	id, unit, rev int
	at            time.Time
}

type toyService struct {
	env   emulator.Env
	mu    sync.Mutex
	table map[string][]toyRow
	next  int
}

var toyFirst = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Reset lays the tables out.
func (s *toyService) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table, s.next = map[string][]toyRow{}, 100_000
	n := s.env.Records
	spread := today.AddDate(0, 0, -20).Sub(toyFirst)
	for _, name := range []string{"tags", "notes", "events", "entries", "lines", "archive", "parts9"} {
		if s.env.Share("norows", name, 1) > 0 {
			continue
		}
		count := n
		if name == "tags" {
			count = 4
		}
		for i := range count {
			r := toyRow{id: i + 1, unit: 1 + i%2}
			if name == "entries" {
				r.id = 1 + i/2 // each unit numbers its own
			}
			k := (i*7 + 3) % max(count, 1) // not in the order of the ids
			r.at = toyFirst.Add(spread / time.Duration(max(count, 1)) * time.Duration(k)).Truncate(time.Microsecond)
			if name == "notes" && n >= 10 && i == n/2 {
				r.at = time.Time{}
			}
			s.table[name] = append(s.table[name], r)
		}
	}
}

func (s *toyService) Config(string) map[string]any {
	return map[string]any{"key": toyKey, "start_date": toyFirst.Format(time.RFC3339)}
}

func (s *toyService) Rows() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for rows := range maps.Values(s.table) {
		n += len(rows)
	}
	return int64(n)
}

func (*toyService) Resource(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	return parts[len(parts)-1]
}

func (*toyService) Admit(*http.Request, http.Header) *emulator.Answer { return nil }

func (*toyService) Refuse(status int, wait time.Duration) emulator.Answer {
	h := http.Header{"Content-Type": {"application/json"}}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	}
	return emulator.Answer{Status: status, Header: h, Body: fmt.Appendf(nil, `{"error":"refused with %d"}`, status)}
}

func (*toyService) Mangle(fault string, _ *http.Request, body []byte) []byte {
	text := string(body)
	at := strings.Index(text, "[{") + 2
	if at < 2 {
		return body
	}
	switch fault {
	case "deep":
		text = text[:at] + `"deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "," + text[at:]
	case "dup":
		text = text[:at] + `"id":-1,"seq":-1,` + text[at:]
	}
	return []byte(text)
}

func (r toyRow) json(name string) string {
	at := "null"
	if !r.at.IsZero() {
		at = strconv.Quote(r.at.Format("2006-01-02T15:04:05.999999-07:00"))
	}
	switch name {
	case "tags":
		return fmt.Sprintf(`{"code":"t%d","label":"Tag %d"}`, r.id, r.id)
	case "notes":
		return fmt.Sprintf(`{"id":%d,"text":"note %d.%d","changed":%s,"amount":"%d.50","done":%t,"due":"","extra":{"a": %d}}`, r.id, r.id, r.rev, at, r.id, r.id%2 == 0, r.id)
	case "parts9":
		return fmt.Sprintf(`{"id":%d,"text":"part %d.%d","changed":%s}`, r.id, r.id, r.rev, at)
	case "events":
		return fmt.Sprintf(`{"seq":%d,"what":"happened %d"}`, r.id, r.rev)
	case "entries":
		return fmt.Sprintf(`{"id":%d,"day":%q,"value":%d.25}`, r.id, r.at.Format(time.DateOnly), r.unit*1000+r.id)
	case "lines":
		return fmt.Sprintf(`{"n":%d,"text":"line"}`, r.id)
	}
	return fmt.Sprintf(`{"id":%d,"text":"old"}`, r.id)
}

func (s *toyService) Truth(w io.Writer, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if toySource().Stream(name) == nil && name != "parts9" {
		return errors.New("no such stream")
	}
	if name == "lines" { // each note has its own
		for _, note := range s.table["notes"] {
			for _, r := range s.table[name][:min(1+note.id%2, len(s.table[name]))] {
				if _, err := fmt.Fprintf(w, "{\"note\":%d,%s\n", note.id, r.json(name)[1:]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, r := range s.table[name] {
		row := r.json(name)
		if name == "entries" {
			row = fmt.Sprintf(`{"_unit":%d,%s`, r.unit, row[1:])
		}
		if _, err := fmt.Fprintln(w, row); err != nil {
			return err
		}
	}
	return nil
}

func (s *toyService) Change(c emulator.Change) ([]emulator.Report, error) {
	if c.Stream != "notes" && c.Stream != "parts9" && c.Stream != "events" || c.Stream == "events" && c.Rows+len(c.IDs) > 0 {
		return nil, errors.New("does not change")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	report := emulator.Report{Stream: c.Stream, At: c.At}
	rows := s.table[c.Stream]
	find := func(id emulator.ID) int {
		return slices.IndexFunc(rows, func(r toyRow) bool { return strconv.Itoa(r.id) == string(id) })
	}
	pick := func(n int) (out []emulator.ID) {
		for i := range min(n, len(rows)) {
			out = append(out, emulator.ID(strconv.Itoa(rows[(i*3+s.next)%len(rows)].id)))
		}
		return out
	}
	for _, id := range append(c.Gone, pick(c.Delete)...) {
		if i := find(id); i >= 0 {
			rows = slices.Delete(slices.Clone(rows), i, i+1)
			report.Deleted = append(report.Deleted, id)
		}
	}
	for _, id := range append(c.IDs, pick(c.Rows)...) {
		if i := find(id); i >= 0 {
			rows[i].at, rows[i].rev = c.At, rows[i].rev+1
			report.Touched = append(report.Touched, id)
		}
	}
	for range c.Insert {
		s.next++
		rows = append(rows, toyRow{id: s.next, at: c.At})
		report.Inserted = append(report.Inserted, emulator.ID(strconv.Itoa(s.next)))
	}
	s.table[c.Stream] = rows
	return []emulator.Report{report}, nil
}

func (s *toyService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, status := s.answer(r)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (s *toyService) answer(r *http.Request) (body string, status int) {
	path, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		return "<html>404</html>", http.StatusNotFound
	}
	if r.Header.Get("X-Key") != toyKey {
		return `{"error":"bad key"}`, http.StatusUnauthorized
	}
	switch path {
	case "units":
		return `[1,2]`, http.StatusOK
	case "kinds":
		return `["parts9"]`, http.StatusOK
	case "fields":
		return `["id:integer","text:string","changed:date-time"]`, http.StatusOK
	}
	q := r.URL.Query()
	name := s.Resource(path)
	parts := strings.Split(path, "/")
	limit, _ := strconv.Atoi(q.Get("limit"))

	s.mu.Lock()
	rows := slices.Clone(s.table[name])
	notes := slices.Clone(s.table["notes"])
	s.mu.Unlock()
	keep := func(ok func(toyRow) bool) {
		rows = slices.DeleteFunc(rows, func(r toyRow) bool { return !ok(r) })
	}
	total, number, more := 0, int64(1), ""
	cut := func(from, n int) {
		total = len(rows)
		rows = rows[min(from, total):min(from+n, total)]
	}
	switch name {
	case "tags":
	case "notes", "parts9":
		for param, ok := range map[string]func(a, b time.Time) bool{
			"since": func(a, b time.Time) bool { return !a.Before(b) }, "until": func(a, b time.Time) bool { return !a.After(b) },
		} {
			if text := q.Get(param); text != "" {
				bound, err := time.Parse(time.RFC3339Nano, text)
				if err != nil {
					return `{"error":"bad bound"}`, http.StatusBadRequest
				}
				keep(func(r toyRow) bool { return !r.at.IsZero() && ok(r.at, bound) })
			}
		}
		if name == "parts9" {
			page, _ := strconv.Atoi(q.Get("page"))
			size, _ := strconv.Atoi(q.Get("size"))
			number = int64(max(page, 1))
			cut(size*(max(page, 1)-1), size)
			more = fmt.Sprintf(`,"more":%t,"total":%d`, size*max(page, 1) < total, total)
			break
		}
		offset, _ := strconv.Atoi(q.Get("offset"))
		number = int64(offset/7) + 1
		cut(offset, limit)
	case "events":
		from, _ := strconv.Atoi(q.Get("from"))
		after, _ := strconv.Atoi(q.Get("after"))
		keep(func(r toyRow) bool { return r.id >= from && r.id > after })
		cut(0, limit)
		number = int64(after/5) + 1
	case "entries":
		keep(func(r toyRow) bool {
			day := r.at.Format(time.DateOnly)
			return strconv.Itoa(r.unit) == parts[1] && (q.Get("from") == "" || day >= q.Get("from")) && (q.Get("to") == "" || day <= q.Get("to"))
		})
		number, _ = strconv.ParseInt(q.Get("page"), 10, 64)
		cut(4*int(number-1), 4)
		more = fmt.Sprintf(`,"more":%t`, 4*int(number) < total)
	case "lines":
		i := slices.IndexFunc(notes, func(n toyRow) bool { return strconv.Itoa(n.id) == parts[1] })
		if i < 0 {
			return `{"error":"no such note"}`, http.StatusNotFound
		}
		cut(0, min(1+notes[i].id%2, len(rows)))
	case "archive":
		token, _ := strconv.Atoi(strings.TrimPrefix(q.Get("token"), "t"))
		cut(token, limit)
		number = int64(token/6) + 1
		more = `,"next":null`
		if token+limit < total {
			more = fmt.Sprintf(`,"next":"t%d"`, token+limit)
		}
	default:
		return `{"error":"no such resource"}`, http.StatusNotFound
	}
	var items []string
	page := emulator.Page{Source: "toy", Resource: name, Number: number, Count: int64(total), Query: q}
	for _, r := range rows {
		items = append(items, r.json(name))
		page.IDs = append(page.IDs, emulator.ID(strconv.Itoa(r.id)))
	}
	list := "[" + strings.Join(items, ",") + "]"
	if hook := s.env.PageHook(); hook != nil {
		hook(page)
	}
	switch name {
	case "tags":
		return list, http.StatusOK
	case "notes":
		return fmt.Sprintf(`{"data":{"items":%s,"total":%d}}`, list, total), http.StatusOK
	}
	return `{"items":` + list + more + `}`, http.StatusOK
}
