package data

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Truth writes every row of a stream as the service gives it, one a line. The
// rows of a module have all fields that its lists give, ids descending, leads
// whether converted or not. Rows of children have the key of their parent
// first: _module, _territory_id, _user_id or _deal_id. Timelines, attachments
// and mails are those of all records of all modules but lines.
func (o *Org) Truth(w io.Writer, stream string) error {
	if m := o.moduleOf(stream); m != nil {
		plan := o.planOf(m, o.allColumns(m), listForm)
		return o.eachRow(m, func(r rows.Row) error { return line(w, plan.row(nil, r)) })
	}
	switch stream {
	case "modules":
		for _, m := range o.modules {
			if err := line(w, []byte(o.moduleJSON(m))); err != nil {
				return err
			}
		}
		return nil
	case "fields":
		return o.truthFields(w)
	case "deleted_records":
		return o.truthDeleted(w)
	case "recycle_bin":
		for _, b := range o.bin() {
			if err := line(w, o.appendBinned(nil, b)); err != nil {
				return err
			}
		}
		return nil
	case "deal_contact_roles":
		return o.eachRow(o.byName["Deals"], func(r rows.Row) error {
			return o.items(w, o.contactRoles(r), fmt.Sprintf(`{"_deal_id":"%d",`, r.ID))
		})
	case "timelines", "record_attachments", "record_emails":
		return o.truthOfRecords(w, stream)
	}
	s := o.setNamed(stream)
	if s == nil {
		return fmt.Errorf("no stream %q", stream)
	}
	return o.truthSet(w, s)
}

func line(w io.Writer, text []byte) error {
	_, err := w.Write(append(text, '\n'))
	return err
}

// eachRow hands all rows of a module on, ids descending.
func (o *Org) eachRow(m *module, yield func(rows.Row) error) error {
	v := &view{t: o.open(m), query: rows.All()}
	v.query.Desc = true
	_, err := v.each(0, 1<<62, yield)
	return err
}

func (o *Org) items(w io.Writer, items []item, head string) error {
	for _, x := range items {
		text := writeMembers(x.members, all)
		if err := line(w, append([]byte(head), text[1:]...)); err != nil {
			return err
		}
	}
	return nil
}

func (o *Org) truthFields(w io.Writer) error {
	for _, m := range o.modules {
		if !m.supported {
			continue
		}
		for k, f := range m.fields {
			if err := line(w, []byte(o.fieldJSON(m, f, k))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *Org) truthDeleted(w io.Writer) error {
	for _, m := range o.modules {
		if !m.readable() {
			continue
		}
		for _, g := range o.graves(m) {
			text := o.appendGone(nil, g)
			if err := line(w, append([]byte(`{"_module":"`+m.api+`",`), text[1:]...)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *Org) truthOfRecords(w io.Writer, stream string) error {
	children := map[string]func(*module, rows.Row) []item{"timelines": o.timeline, "record_attachments": o.attachments, "record_emails": o.mails}[stream]
	for _, m := range o.modules {
		if !m.readable() || m.generated == "subform" {
			continue
		}
		err := o.eachRow(m, func(r rows.Row) error { return o.items(w, children(m, r), "{") })
		if err != nil {
			return err
		}
	}
	return nil
}

// truthSet writes a set, those of modules and of parents one after the other.
func (o *Org) truthSet(w io.Writer, s *set) error {
	one := func(m *module, parent, head string) error {
		members, bad := o.members(s, m, parent, url.Values{})
		if bad != nil {
			return bad
		}
		for _, row := range members {
			text := o.appendEntry(nil, &entry{s: s, m: m, row: row, parent: parent})
			if err := line(w, append([]byte(head), text[1:]...)); err != nil {
				return err
			}
		}
		return nil
	}
	each := func(parents, key string) error {
		p := o.setNamed(parents)
		ids, bad := o.members(p, nil, "", url.Values{})
		if bad != nil {
			return bad
		}
		for _, row := range ids {
			id := o.entryID(p, nil, row)
			if err := one(nil, id, fmt.Sprintf(`{%q:%q,`, key, id)); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case s.name == "territory_users":
		return each("territories", "_territory_id")
	case s.name == "user_territories":
		return each("users", "_user_id")
	case s.name == "pipelines":
		layouts := o.setNamed("layouts")
		for row := range 2 {
			if err := one(nil, o.entryID(layouts, o.byName["Deals"], row), "{"); err != nil {
				return err
			}
		}
		return nil
	case isModuleSet(s):
		for _, m := range o.modules {
			if !m.supported || m.forbidden {
				continue
			}
			if err := one(m, "", "{"); err != nil {
				return err
			}
		}
		return nil
	case strings.Contains(s.path, "{"):
		return fmt.Errorf("stream %q has parents", s.name)
	}
	return one(nil, "", "{")
}
