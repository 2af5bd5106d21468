package buchhaltungsbutler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Reports have to be made first, which takes the place of the last one that the
// API made for the tenant (CLIENT DM): nothing but the two streams asks for it.

func sums() stream.Stream {
	return report("report_sums", "sums", []string{from, to, "base", accountID}, []stream.Param{text("base", "date")}, (*made).sums)
}

func bwa() stream.Stream {
	return report("report_bwa", "bwa", []string{from, to, "level", "group_key", "class_key", accountID}, nil, (*made).groups)
}

func report(name, kind string, key []string, more []stream.Param, rows func(*made, []byte, func([]byte) error) error) stream.Stream {
	return stream.Stream{
		Name: name, Doc: doc, Method: post, Path: "reports/get/" + kind, Key: key,
		Job: &stream.Job{Open: func(_ context.Context, _ stream.Fetcher, r stream.Read) (*stream.Job, error) {
			m := &made{kind: kind, params: append([]stream.Param{text(from, day(r, r.Start)), text(to, day(r, r.End))}, more...)}
			return &stream.Job{
				Create: func(stream.Read) (*stream.Request, error) { return m.create(), nil },
				Poll:   m.poll,
				Rows:   func(body []byte, row func([]byte) error) (*stream.Request, error) { return nil, rows(m, body, row) },
			}, nil
		}},
	}
}

// day is the date at an instant.
func day(r stream.Read, t time.Time) string { return t.In(zone(r.Config)).Format(time.DateOnly) }

// made is a report under way.
type made struct {
	kind   string
	params []stream.Param // what it is about
	id     string         // a whole number, "" before it is known
}

func (m *made) create() *stream.Request {
	return &stream.Request{Method: post, URL: "reports/create/" + m.kind, Params: m.params}
}

func (m *made) get() *stream.Request {
	return &stream.Request{Method: post, URL: "reports/get/" + m.kind, Params: []stream.Param{literal("report_"+id, m.id)}}
}

// patience is the wait between two questions (CLIENT DM: from 2 s on).
const patience = 2 * time.Second

// poll reads what making or fetching a report answered. CLIENT (DM L7): its
// number comes as text and is asked for as a number.
func (m *made) poll(r *stream.Response) (stream.Step, error) {
	code, words, failed := refusal(bytes.TrimSpace(r.Body))
	switch {
	case failed && code == codeBusy && m.id == "":
		return stream.Step{Ask: m.create(), After: patience}, nil
	case failed && code == codeUnfinished && m.id != "":
		return stream.Step{Ask: m.get(), After: patience}, nil
	case failed:
		return stream.Step{}, &fault.Error{Kind: fault.Contract, Status: r.Status, Err: fmt.Errorf("code %d out of place: %s", code, words), Hint: "report it"}
	case m.id != "":
		return stream.Step{Here: true}, nil
	}
	var told struct {
		ID json.RawMessage `json:"id_by_customer"`
	}
	if err := stream.Unmarshal(r.Body, &told); err == nil {
		if n, err := strconv.ParseInt(string(bytes.Trim(told.ID, `"`)), 10, 64); err == nil {
			m.id = strconv.FormatInt(n, 10)
			return stream.Step{Ask: m.get(), After: patience}, nil
		}
	}
	return stream.Step{}, &fault.Error{Kind: fault.Contract, Status: r.Status, Err: errors.New("the report that was made has no number"), Hint: "the answer has another shape than documented; report it"}
}

// row begins a row: what the report is about, and its number.
func (m *made) row() []byte {
	b := []byte(`{"report_` + id + `":` + m.id)
	for _, p := range m.params {
		b = member(b, p.Name, quoted(p.Value))
	}
	return b
}

func member(b []byte, name string, raw []byte) []byte {
	b = append(append(append(b, ','), quoted(name)...), ':')
	return append(b, raw...)
}

func quoted(text string) []byte { return jsonspan.AppendQuoted(nil, []byte(text)) }

// sums makes a row of each account: sums is an object by their numbers, or an
// empty array (CLIENT: PHP).
func (m *made) sums(body []byte, row func([]byte) error) error {
	found, err := inside(bytes.TrimSpace(body), "report", "sums")
	if err != nil {
		return err
	}
	return each(found, func(number string, account []byte) error {
		b := member(m.row(), accountID, quoted(number))
		b, err := m.named(b, "", account, accountID)
		if err != nil {
			return err
		}
		return row(append(b, '}'))
	})
}

// groups makes a row of each group, class, account and total.
func (m *made) groups(body []byte, row func([]byte) error) error {
	whole, err := inside(bytes.TrimSpace(body), "report")
	if err != nil {
		return err
	}
	var header []byte
	for _, name := range []string{"standardChart", "integrityError", "postingsRecordsCount", "uncompletedPostingsCount"} {
		if raw, err := inside(whole, name); err == nil {
			header = member(header, name, raw)
		}
	}
	emit := func(level, group, class, number string, node []byte, skip ...string) error {
		b := append(m.row(), header...)
		for _, p := range []struct{ name, value string }{{"level", level}, {"group_key", group}, {"class_key", class}, {accountID, number}} {
			b, skip = member(b, p.name, quoted(p.value)), append(skip, p.name)
		}
		b, err := m.named(b, level, node, skip...)
		if err != nil {
			return err
		}
		return row(append(b, '}'))
	}
	groups, err := inside(whole, "groups")
	if err != nil {
		return err
	}
	err = each(groups, func(group string, node []byte) error {
		if err := emit("group", group, "", "", node, "classes"); err != nil {
			return err
		}
		return each(part(node, "classes"), func(class string, node []byte) error {
			if err := emit("class", group, class, "", node, "postingaccounts"); err != nil {
				return err
			}
			return each(part(node, "postingaccounts"), func(number string, node []byte) error {
				return emit("account", group, class, number, node)
			})
		})
	})
	if err != nil {
		return err
	}
	totals, err := inside(whole, "totals")
	if err != nil {
		return err
	}
	return each(totals, func(total string, node []byte) error { return emit("total", total, "", "", node) })
}

// named appends the members of a node, its display name as name. <level>Name is
// the key once more; what the row tells already, the key above all, is not told
// by the node.
func (m *made) named(b []byte, level string, node []byte, skip ...string) ([]byte, error) {
	skip = append(skip, "report_"+id)
	for _, p := range m.params {
		skip = append(skip, p.Name)
	}
	members := jsonspan.NewMembers(node, 0)
	for members.Next() {
		name := string(members.Name())
		switch {
		case name == level+"DisplayName":
			name = "name"
		case name == level+"Name", slices.Contains(skip, name):
			continue
		}
		b = append(append(append(b, `,"`...), name...), `":`...) // as it is written: it may hold escapes
		b = append(b, members.Value()...)
	}
	return b, members.Err()
}

// part is a member of a node, nil where there is none.
func part(node []byte, name string) []byte {
	raw, err := inside(node, name)
	if err != nil {
		return nil
	}
	return raw
}

// inside finds a member of a member.
func inside(object []byte, path ...string) ([]byte, error) {
	for _, name := range path {
		var found []byte
		m := jsonspan.NewMembers(object, 0)
		for m.Next() {
			if m.Named(name) {
				found = m.Value()
			}
		}
		if m.Err() != nil {
			return nil, m.Err()
		}
		if found == nil {
			return nil, &jsonspan.ShapeError{Path: name, Found: "nothing"}
		}
		object = found
	}
	return object, nil
}

// each visits the members of an object; an empty array, or none, has none.
func each(object []byte, visit func(name string, value []byte) error) error {
	if len(object) == 0 || string(object) == "null" {
		return nil
	}
	if object[0] == '[' {
		if len(bytes.TrimSpace(object[1:len(object)-1])) > 0 {
			return &jsonspan.ShapeError{Path: "report", Found: "an array with something in it"}
		}
		return nil
	}
	m := jsonspan.NewMembers(object, 0)
	for m.Next() {
		var name string
		if err := json.Unmarshal(append(append([]byte{'"'}, m.Name()...), '"'), &name); err != nil {
			return err
		}
		if err := visit(name, m.Value()); err != nil {
			return err
		}
	}
	return m.Err()
}
