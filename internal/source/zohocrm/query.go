package zohocrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// openQuery prepares the COQL queries of one read.
func (m road) openQuery(ctx context.Context, f stream.Fetcher, r stream.Read) (*stream.Job, error) {
	k, err := m.look(ctx, f, r)
	if err != nil {
		return nil, err
	}
	q := &query{road: m, read: r, known: k, limit: queryRows}
	return &stream.Job{
		Create: func(stream.Read) (*stream.Request, error) { return q.ask(q.between(r.From)), nil },
		Rows:   q.rows,
		Sorted: true,
	}, nil
}

// query are the queries of one read. There is no offset in them: rows that move
// away while they are read would let others be skipped.
type query struct {
	road  road
	read  stream.Read
	known *known
	limit int
	// last is the id of the row up to which those of one second were read, where
	// that second has more rows than an answer; 0 elsewhere.
	last int64
	at   time.Time // that second
}

// queried are the columns of a read.
func queried(r stream.Read) []string {
	var out []string
	for _, p := range r.Fields {
		out = append(out, p.Name)
		if h := hintOf(r, p.Name); h.word == hintLookup {
			out = append(out, p.Name+"."+h.shown())
		}
	}
	for _, name := range []string{"id", "Modified_Time"} {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// between is the condition for rows from an instant on, "" for all.
func (q *query) between(from string) string {
	if from == "" {
		return "Modified_Time <= '" + q.read.To + "'"
	}
	return "Modified_Time between '" + from + "' and '" + q.read.To + "'"
}

// ask builds a query. DOC (COQL): two columns to order by are few, each condition
// wants its brackets.
func (q *query) ask(where string) *stream.Request {
	cost := queryCost
	if q.limit <= cappedRows {
		cost = 1
	}
	return &stream.Request{
		Method: post, URL: "coql", Resource: "coql", Cost: cost,
		Params: []stream.Param{{Name: "select_query", Value: fmt.Sprintf(
			"select %s from %s where (%s) order by Modified_Time asc, id asc limit 0, %d",
			strings.Join(queried(q.read), ", "), q.road.module, where, q.limit,
		)}},
	}
}

// answer is a row of a query.
type answer struct {
	members map[string]json.RawMessage
	id      int64
	at      time.Time
}

// rows hands over the rows of an answer. Those of its last second come with the
// next one, which begins there: nobody tells in what order they are.
func (q *query) rows(body []byte, row func([]byte) error) (*stream.Request, error) {
	var a struct {
		Data []map[string]json.RawMessage
		Info struct {
			More *bool `json:"more_records"`
		}
	}
	if stream.Unmarshal(body, &a) != nil || a.Info.More == nil {
		return nil, unlike("coql")
	}
	list := make([]answer, len(a.Data))
	for i, members := range a.Data {
		var err error
		if list[i], err = q.read1(members); err != nil {
			return nil, err
		}
		if i > 0 && list[i].at.Before(list[i-1].at) {
			return nil, q.unsorted()
		}
	}
	var next *stream.Request
	if *a.Info.More {
		if len(list) == 0 {
			return nil, unlike("coql")
		}
		if n := len(list); n < q.limit && n <= cappedRows {
			q.limit = cappedRows // GUESS: that is all it gives at once, so ask for no more
		}
		var err error
		if list, next, err = q.goOn(list); err != nil {
			return nil, err
		}
	}
	for i := range list {
		text, err := q.listed(list[i].members)
		if err != nil {
			return nil, err
		}
		if err := row(text); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// goOn cuts off what is read again, and tells how to go on. Within a second that
// fills an answer by itself the order of the ids has to do.
func (q *query) goOn(list []answer) ([]answer, *stream.Request, error) {
	last := list[len(list)-1]
	if !list[0].at.Equal(last.at) {
		q.last, q.at = 0, time.Time{}
		end := slices.IndexFunc(list, func(a answer) bool { return a.at.Equal(last.at) })
		return list[:end], q.ask(q.between(q.text(last.at))), nil
	}
	for i := range list {
		if i > 0 && list[i].id <= list[i-1].id || list[i].at.Equal(q.at) && list[i].id <= q.last {
			return nil, nil, q.unsorted()
		}
	}
	q.last, q.at = last.id, last.at
	where := "Modified_Time = '" + q.text(last.at) + "' and id > " + strconv.FormatInt(last.id, 10)
	if after := last.at.Add(time.Second); !after.After(q.until()) {
		where = "(" + where + ") or (" + q.between(q.text(after)) + ")"
	}
	return list, q.ask(where), nil
}

func (q *query) text(at time.Time) string { return at.UTC().Format(layout) }

// until is the upper bound, far away if it cannot be read.
func (q *query) until() time.Time {
	at, err := time.Parse(time.RFC3339, q.read.To)
	if err != nil {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return at
}

func (q *query) unsorted() error {
	return &fault.Error{Kind: fault.Contract, Op: "coql", Err: errors.New("the rows are not in the order that was asked for"), Hint: "read_method list reads them"}
}

func (q *query) read1(members map[string]json.RawMessage) (a answer, err error) {
	var id, at string
	a.members = members
	if json.Unmarshal(members["id"], &id) != nil || json.Unmarshal(members["Modified_Time"], &at) != nil {
		return a, unlike("coql")
	}
	if a.id, err = strconv.ParseInt(id, 10, 64); err != nil {
		return a, unlike("coql")
	}
	if a.at, err = time.Parse(time.RFC3339, at); err != nil {
		return a, unlike("coql")
	}
	return a, nil
}

// listed is a row as lists have it.
func (q *query) listed(members map[string]json.RawMessage) ([]byte, error) {
	var out []member
	for _, p := range q.read.Fields {
		raw, ok := members[p.Name]
		if !ok {
			return nil, q.unknown(p.Name)
		}
		value, ok := q.value(p.Name, raw, members)
		if !ok {
			return nil, q.unknown(p.Name)
		}
		out = append(out, member{p.Name, value})
	}
	if !slices.ContainsFunc(out, func(m member) bool { return m.name == "id" }) {
		out = append(out, member{"id", members["id"]})
	}
	return object(out...), nil
}

func (q *query) unknown(name string) error {
	return &fault.Error{Kind: fault.Refused, Op: "coql", Err: fmt.Errorf("column %q holds a value of a form that is not known", name), Hint: "read_method list reads it"}
}

// value is a value as lists have it; false where its form is not known.
func (q *query) value(name string, raw json.RawMessage, members map[string]json.RawMessage) (json.RawMessage, bool) {
	h, null := hintOf(q.read, name), bytes.Equal(raw, []byte("null"))
	if h.word == hintTags {
		return tagged(raw, null)
	}
	if null {
		return raw, true
	}
	var ref struct{ ID string }
	switch h.word {
	case hintUser, hintLayout, hintLookup:
		if json.Unmarshal(raw, &ref) != nil || ref.ID == "" {
			return nil, false
		}
	}
	switch h.word {
	case hintUser:
		literal, ok := q.known.users[ref.ID]
		return literal, ok
	case hintLayout:
		literal, ok := q.known.layouts[ref.ID]
		return literal, ok
	case hintLookup:
		shown, ok := members[name+"."+h.shown()]
		return object(member{"name", shown}, member{"id", quoted(ref.ID)}), ok
	case hintList:
		var list []string
		return raw, json.Unmarshal(raw, &list) == nil
	case hintJSON:
		return raw, raw[0] == '{' || raw[0] == '['
	}
	return raw, true
}

// tagged are tags, each of which has to be an object.
func tagged(raw json.RawMessage, null bool) (json.RawMessage, bool) {
	if null {
		return json.RawMessage("[]"), true
	}
	var tags []struct{ Name, ID string }
	if json.Unmarshal(raw, &tags) != nil {
		return nil, false
	}
	for _, t := range tags {
		if t.Name == "" || t.ID == "" {
			return nil, false
		}
	}
	return raw, true
}
