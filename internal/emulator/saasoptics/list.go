package saasoptics

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// paper is what a page is made on, for use again.
type paper struct {
	list [pageSize]rows.Row
	body []byte
}

// list answers GET {resource}/.
func (s *service) list(w http.ResponseWriter, r *http.Request, st *stream) {
	values := r.URL.Query()
	q, faults := st.query(values)
	if faults != nil {
		answer(http.StatusBadRequest, faults).Send(w)
		return
	}
	s.page(w, r, st, st.row, values, q)
}

// entriesOf answers GET transactions/{id}/revenue_entries/ (CLIENT): rows
// without transaction.
func (s *service) entriesOf(w http.ResponseWriter, r *http.Request, st *stream, id string) {
	transaction, ok := s.byName["transactions"].byID(id)
	if !ok {
		s.Refuse(http.StatusNotFound, 0).Send(w)
		return
	}
	values := r.URL.Query()
	q, faults := st.query(values)
	if faults != nil {
		answer(http.StatusBadRequest, faults).Send(w)
		return
	}
	st.restrict(&q, "transaction", transaction.ID, st.refs["transaction"])
	s.page(w, r, st, st.nested, values, q)
}

// page answers one page of 100 in the envelope count, next, previous, results
// (CLIENT). A page that is not there is 404 "Invalid page.", page=last is
// taken, an empty list has one empty page (GUESS: the framework's).
func (s *service) page(w http.ResponseWriter, r *http.Request, st *stream, row *rows.Template, values url.Values, q rows.Query) {
	var number, pages int64
	p := s.papers.Get().(*paper)
	defer s.papers.Put(p)
	list, count := st.table.Select(q, p.list[:0], func(count int64) (offset, n int64) {
		pages = max((count+pageSize-1)/pageSize, 1)
		number = pageNumber(values, pages)
		return (number - 1) * pageSize, min(pageSize, number*pageSize)
	})
	if number < 1 || number > pages {
		detail(http.StatusNotFound, "Invalid page.").Send(w)
		return
	}
	body := p.body[:0]
	body = append(body, `{"count":`...)
	body = strconv.AppendInt(body, count, 10)
	body = append(body, `,"next":`...)
	body = s.link(body, r, values, number+1, number < pages)
	body = append(body, `,"previous":`...)
	body = s.link(body, r, values, number-1, number > 1)
	body = append(body, `,"results":[`...)
	body = row.AppendList(body, list, ",")
	body = append(body, ']', '}')
	p.body = body

	s.disturb(st, values, q, number, pages, count, list)
	emulator.CountRows(w, len(list))
	emulator.Answer{Status: http.StatusOK, Header: header(), Body: body}.Send(w)
}

// pageNumber reads the parameter page, 0 if it is none.
func pageNumber(values url.Values, pages int64) int64 {
	list := values["page"]
	if len(list) == 0 || list[len(list)-1] == "" {
		return 1
	}
	text := list[len(list)-1]
	if text == "last" {
		return pages
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 1 || n > pages {
		return 0
	}
	return n
}

// link is the absolute address of another page: every parameter of the
// request, known or not (CLIENT), sorted by name and percent-encoded; page 1
// has no page (GUESS: replace_query_param and remove_query_param of the
// framework).
func (s *service) link(dst []byte, r *http.Request, values url.Values, number int64, there bool) []byte {
	if !there {
		return append(dst, "null"...)
	}
	with := make(url.Values, len(values)+1)
	maps.Copy(with, values)
	if number == 1 {
		delete(with, "page")
	} else {
		with["page"] = []string{strconv.FormatInt(number, 10)}
	}
	address := s.self(r)
	if query := with.Encode(); query != "" {
		address += "?" + query
	}
	return rows.AppendText(dst, address)
}

// self is the absolute address of a request, without its parameters.
func (s *service) self(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + s.env.Mount + r.URL.EscapedPath()
}

// disturb moves rows between two requests, if a test or the fault moving asks
// for it. The page is made already, and not yet sent.
func (s *service) disturb(st *stream, values url.Values, q rows.Query, number, pages, count int64, list []rows.Row) {
	if hook := s.env.PageHook(); hook != nil {
		page := emulator.Page{Source: Plugin.Name, Resource: st.name, Number: number, Count: count, Query: values}
		for _, r := range list {
			page.IDs = append(page.IDs, idOf(r.ID))
		}
		hook(page)
	}
	if number < pages && len(q.Windows) > 0 && len(st.touch) > 0 && s.env.Fires("moving", st.name) {
		r := list[rows.Mix(st.seed, uint64(number+count))%uint64(len(list))]
		st.table.Touch(r.ID, time.Now().UnixMicro(), st.touch...)
	}
}
