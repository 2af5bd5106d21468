package accountview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Truth writes every live row of a stream as the first company has it: of the
// newest book year, those of a stream per book year with _book_year first. What
// means nothing outside of an answer, EXT_KEY and the numbers of rows, is left
// out. A stream that cannot be read has no rows.
func (s *Service) Truth(w io.Writer, stream string) error {
	c := s.companies[0]
	switch stream {
	case "companies":
		_, err := w.Write(lines(s.companyList().Body))
		return err
	case "business_objects":
		body, _ := json.Marshal(s.objectItems(c))
		_, err := w.Write(lines(body))
		return err
	}
	p, ok := streamPart(stream)
	if !ok {
		return fmt.Errorf("no stream %q", stream)
	}
	if c.inactive[p.code] || s.on("noright", p.stream) || s.on("noscope", p.stream) || !p.system && (s.on("norows", stream) || s.on("norows", p.stream)) {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	stores, err := s.storesOf(p, "")
	if err != nil {
		return err
	}
	h := sheet{table: s.tables[p.table], every: true}
	if p.child {
		h.table = s.tables[p.lines]
	}
	if p.nested != "" {
		h.nested = &sheet{table: s.tables[p.nested]}
		for _, col := range h.nested.table.columns {
			h.nested.fields = append(h.nested.fields, field{col, col.name})
		}
	}
	for _, col := range c.shown(h.table) {
		if !p.short || slices.Contains(shortColumns, col.name) {
			h.fields = append(h.fields, field{col, col.name})
		}
	}
	for _, st := range stores {
		if err := h.truth(w, p, st); err != nil {
			return err
		}
	}
	return nil
}

func (h *sheet) truth(w io.Writer, p part, st *store) (err error) {
	var line []byte
	write := func(r *row) bool {
		line = append(line[:0], '{')
		if p.yearly() {
			line = append(line, `"_book_year":`...)
			line = append(strconv.AppendInt(line, int64(st.year.year), 10), ',')
		}
		line = h.columns(line, r)
		line[len(line)-1] = '}'
		_, err = w.Write(append(line, '\n'))
		return err == nil
	}
	st.scan(place{}, func(r *row, _ place) bool {
		if p.keep != nil && !p.keep(r) {
			return true
		}
		if !p.child {
			return write(r)
		}
		for _, child := range st.t.lines[p.lines](r) {
			if !write(child) {
				return false
			}
		}
		return true
	})
	return err
}

// lines writes the items of a JSON array one a line.
func lines(body []byte) []byte {
	var list []json.RawMessage
	_ = json.Unmarshal(body, &list) // made here
	var out []byte
	for _, item := range list {
		out = append(append(out, item...), '\n')
	}
	return out
}

// Mangle spoils a page: deep and dup in its first row. There are no links.
func (s *Service) Mangle(fault string, _ *http.Request, body []byte) []byte {
	name, _, ok := bytes.Cut(bytes.TrimPrefix(body, []byte(`{"`)), []byte(`":`))
	start := bytes.IndexByte(body[1:], '{') + 2
	if !ok || start < 2 || body[0] != '{' {
		return body
	}
	switch fault {
	case "deep":
		nest := `"U_DEEP":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + ","
		return slices.Insert(slices.Clone(body), start, []byte(nest)...)
	case "dup":
		t := s.tables[string(name)]
		if t == nil {
			return body
		}
		row, _, _ := bytes.Cut(body[start:], []byte(`_Id":`))
		var twice []byte
		for _, column := range append(slices.Clone(t.key), "CNG_DATE") {
			if c := t.byName[column]; c != nil && bytes.Contains(row, c.head) {
				twice = append(append(twice, c.head...), `"1990-01-01T00:00:00",`...)
			}
		}
		return slices.Insert(slices.Clone(body), start, twice...)
	}
	return body
}
