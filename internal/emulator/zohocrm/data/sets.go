package data

import (
	_ "embed" // the shapes
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

//go:embed settings.txt
var settingsText string

// set is a list that holds no records: users, currencies, rules, templates.
type set struct {
	name, path, key string
	rows            int
	index           int
	shape           *shape
	seed            uint64
}

// shape is the form of a JSON value.
type shape struct {
	name    string
	kind    byte // s i n b t d, or { and [
	members []*shape
}

func (o *Org) buildSets() {
	for line := range strings.Lines(settingsText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.SplitN(strings.TrimSpace(line), " ", 5)
		n, _ := strconv.Atoi(words[3])
		s := &set{name: words[0], path: words[1], key: words[2], rows: n, index: len(o.sets), seed: rows.MixText(o.opts.Seed, words[0])}
		s.shape, _ = parseShape(words[4])
		switch s.name {
		case "users":
			s.rows = owners + min(o.opts.Records/4, 230) // with the standard records more than a page
		case "territories", "user_groups":
			s.rows += min(o.opts.Records/100, 200)
		}
		if s.name == "deal_contact_roles" || s.name == "record_attachments" {
			continue // children of records: see related.go
		}
		o.sets = append(o.sets, s)
		o.byPath[s.path] = s
	}
}

// parseShape reads one shape and returns what follows it.
func parseShape(text string) (*shape, string) {
	s := &shape{kind: text[0]}
	text = text[1:]
	switch s.kind {
	case '[':
		if text[0] == ']' {
			return s, text[1:]
		}
		var inner *shape
		inner, text = parseShape(text)
		s.members = []*shape{inner}
		return s, text[1:]
	case '{':
		for text[0] != '}' {
			name, rest, _ := strings.Cut(strings.TrimPrefix(text, " "), ":")
			var inner *shape
			inner, text = parseShape(rest)
			inner.name = name
			s.members = append(s.members, inner)
		}
		return s, text[1:]
	}
	return s, text
}

// entry is a row of a set that is being made.
type entry struct {
	s      *set
	m      *module // of a list of a module
	row    int
	id     string
	h      uint64
	parent string
}

// entryID is the id of a row of a set.
func (o *Org) entryID(s *set, m *module, row int) string {
	switch {
	case s.name == "users":
		return strconv.Itoa(userBase + row)
	case s.name == "user_territories":
		return o.entryID(o.setNamed("territories"), nil, row)
	case s.name == "portals":
		return strconv.Itoa(900_000 + row)
	case m != nil:
		return strconv.Itoa(idBase + 40_000_000 + m.index*4000 + s.index*100 + row)
	}
	return strconv.Itoa(idBase + 300_000 + s.index*1000 + row)
}

// appendEntry writes one row of a set.
func (o *Org) appendEntry(dst []byte, e *entry) []byte {
	e.id = o.entryID(e.s, e.m, e.row)
	if e.s.name == "pipelines" { // each layout has its own
		e.id = strconv.Itoa(idBase + 600_000 + int(hashOf(e.parent)%9000)*10 + e.row)
	}
	e.h = rows.MixText(e.s.seed, e.id)
	dst = append(dst, '{')
	for k, member := range e.s.shape.members {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(rows.AppendText(dst, member.name), ':')
		if text, ok := o.special(e, member.name); ok {
			dst = append(dst, text...)
			continue
		}
		dst = o.appendShape(dst, e, member, rows.MixText(e.h, member.name), true)
	}
	return append(dst, '}')
}

func (o *Org) appendShape(dst []byte, e *entry, s *shape, h uint64, top bool) []byte {
	if s.name == "id" || s.name == "zaid" && top {
		id := e.id
		if !top {
			id = strconv.FormatUint(idBase+500_000+h%90_000, 10)
		}
		return append(append(append(dst, '"'), id...), '"')
	}
	if rows.Mix(h, 3)%7 == 0 && !strings.Contains(s.name, "name") && !strings.Contains(s.name, "time") {
		return append(dst, "null"...)
	}
	switch s.kind {
	case 's':
		return rows.AppendText(dst, leafText(s.name, h))
	case 'i':
		return strconv.AppendUint(dst, h%1000, 10)
	case 'n':
		return appendNumber(dst, value{kind: kindCents, n: int64(h % 100_000)})
	case 'b':
		return strconv.AppendBool(dst, h>>9&1 == 0)
	case 'd':
		return append(rows.AppendDate(append(dst, '"'), rows.Days(2021, 1, 1)+int64(h%2400)), '"')
	case 't':
		return o.appendSetTime(dst, e, o.entryTime(h))
	case '[':
		return o.appendItems(dst, e, s, h)
	}
	return o.appendObject(dst, e, s, h)
}

// entryTime is an instant of the three years before the start.
func (o *Org) entryTime(h uint64) int64 { return o.start.Unix() - 1 - int64(h%(1090*daySec)) }

// appendSetTime writes an instant of a setting; some of the newer lists show
// it in UTC (DOC).
func (o *Org) appendSetTime(dst []byte, e *entry, sec int64) []byte {
	dst = append(dst, '"')
	if strings.HasPrefix(e.s.path, "settings/automation/") {
		dst = rows.AppendInstant(dst, sec*second, 0)
	} else {
		dst = o.zone.append(dst, sec)
	}
	return append(dst, '"')
}

func (o *Org) appendItems(dst []byte, e *entry, s *shape, h uint64) []byte {
	dst = append(dst, '[')
	if len(s.members) > 0 {
		for k := range h % 3 {
			if k > 0 {
				dst = append(dst, ',')
			}
			item := s.members[0]
			if item.kind == '{' {
				dst = o.appendObject(dst, e, item, rows.Mix(h, k))
			} else {
				dst = o.appendShape(dst, e, &shape{kind: item.kind, name: "name"}, rows.Mix(h, k), false)
			}
		}
	}
	return append(dst, ']')
}

func (o *Org) appendObject(dst []byte, e *entry, s *shape, h uint64) []byte {
	if len(s.members) == 0 {
		return append(dst, "null"...)
	}
	if isPerson(s) {
		return append(dst, people[h%owners].plain...)
	}
	dst = append(dst, '{')
	m := e.m
	if m == nil {
		m = o.modules[h%20]
	}
	for k, member := range s.members {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(rows.AppendText(dst, member.name), ':')
		switch {
		case s.name == "module" && member.name == "api_name":
			dst = rows.AppendText(dst, m.api)
		case s.name == "module" && member.name == "id":
			dst = append(strconv.AppendInt(append(dst, '"'), m.id, 10), '"')
		default:
			dst = o.appendShape(dst, e, member, rows.MixText(h, member.name), false)
		}
	}
	return append(dst, '}')
}

// isPerson tells whether an object is a user, by its name and its members.
func isPerson(s *shape) bool {
	if len(s.members) != 2 {
		return false
	}
	if s.members[0].name != "name" && s.members[1].name != "name" {
		return false
	}
	lower := strings.ToLower(strings.TrimSuffix(s.name, "__s"))
	return strings.HasSuffix(lower, "_by") || lower == "owner" || lower == "user" || lower == "forecast_manager" || lower == "done_by"
}

func leafText(name string, h uint64) string {
	lower := strings.ToLower(name)
	switch {
	case strings.Contains(lower, "email"):
		return people[h%owners].email
	case strings.Contains(lower, "url"), strings.Contains(lower, "website"), strings.Contains(lower, "link"):
		return pickWord(urlWords, h)
	case strings.Contains(lower, "zone"):
		return "Europe/Amsterdam"
	case strings.Contains(lower, "phone"), lower == "fax", lower == "mobile":
		return pickWord(phoneWords, h)
	case strings.Contains(lower, "color"), strings.Contains(lower, "colour"):
		return "#57B1FD"
	case strings.Contains(lower, "content"), strings.Contains(lower, "description"):
		return pickWord(sentenceWords, h)
	case strings.Contains(lower, "date"):
		return "2026-05-04"
	case lower == "city":
		return pickWord(cityWords, h)
	case lower == "country":
		return pickWord(countryWords, h)
	}
	return pickWord(plainWords, h)
}

func pickWord(list []*word, h uint64) string { return list[h%uint64(len(list))].plain }
