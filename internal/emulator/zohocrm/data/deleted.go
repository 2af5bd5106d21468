package data

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const (
	binDays  = 60   // CLIENT: then a record is gone for good
	maxTombs = 5000 // of those from before the start
)

// gone is a row of a deleted list.
type gone struct {
	id, at    int64
	permanent bool
	name      string
	by        int
}

// graves are the deleted records of a module, the latest first (GUESS), ids
// descending within a second.
func (o *Org) graves(m *module) []gone {
	var out []gone
	if m.generated == "subform" {
		return nil // lines have no such list
	}
	holes := rows.IDs{First: m.first(), Stride: 1, Run: hole}.Holes()
	for k := range min(m.n/hole, maxTombs) {
		h := rows.Mix(m.seed+13, uint64(k))
		// From 80 days before the start on: what is older than the bin keeps is gone for good.
		at := o.start.Unix() - int64(h%(80*daySec)) - 1
		g := gone{id: holes.ID(k), at: at, by: int(h >> 40 % owners), permanent: h>>50%4 == 0}
		index := k * hole
		g.name = string(o.append(nil, m.display, o.displayName(m, index), fullForm))
		out = append(out, g)
	}
	m.mu.Lock()
	for _, t := range m.tombs {
		out = append(out, gone{t.id, t.at, t.permanent, t.name, int(uint64(t.id) % owners)})
	}
	m.mu.Unlock()
	limit := o.opts.Now().Unix() - binDays*daySec
	for k := range out {
		out[k].permanent = out[k].permanent || out[k].at < limit
	}
	slices.SortFunc(out, func(a, b gone) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) })
	return out
}

func (o *Org) appendGone(dst []byte, g gone) []byte {
	dst = append(append(dst, `{"deleted_by":`...), actor(g)...)
	dst = append(strconv.AppendInt(append(dst, `,"id":"`...), g.id, 10), `","display_name":`...)
	kind := "recycle"
	if g.permanent {
		dst, kind = append(dst, "null"...), "permanent"
	} else {
		dst = append(dst, g.name...)
	}
	dst = append(append(append(dst, `,"type":"`...), kind...), `","created_by":`...)
	dst = append(append(dst, actor(g)...), `,"deleted_time":"`...)
	return append(o.zone.append(dst, g.at), `"}`...)
}

// actor is who deleted or created a record; nobody knows once it is gone for good (DOC).
func actor(g gone) string {
	if g.permanent {
		return "null"
	}
	return people[g.by].plain
}

// Deleted answers GET /{Module}/deleted.
func (o *Org) Deleted(module string, q url.Values, since time.Time) (*Body, error) {
	fail := func(err *Error) (*Body, error) {
		err.Wrapped = err.Status == 400 && !o.on(FlatDeleted)
		return nil, err
	}
	m, err := o.module(module)
	if err != nil {
		return fail(err)
	}
	kind := "all"
	if q.Has("type") {
		kind = q.Get("type")
	}
	if kind != "all" && kind != "recycle" && kind != "permanent" {
		return fail(errPattern("type"))
	}
	perPage, err := number(q, "per_page", maxPerPage, 1, maxPerPage)
	if err != nil {
		return fail(err)
	}
	number, err := number(q, "page", 1, 1, 1<<31)
	if err != nil {
		return fail(err)
	}
	list := slices.DeleteFunc(o.graves(m), func(g gone) bool {
		return kind == "recycle" && g.permanent || kind == "permanent" && !g.permanent || !since.IsZero() && g.at*second < o.lowest(since)
	})
	from := min((number-1)*perPage, len(list))
	to := min(from+perPage, len(list))
	if from == to && !o.on(EmptyList) {
		return &Body{Empty: true}, nil
	}
	body := &Body{Rows: to - from}
	dst := []byte(`{"data":[`)
	for k, g := range list[from:to] {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = o.appendGone(dst, g)
		body.IDs = append(body.IDs, strconv.FormatInt(g.id, 10))
	}
	dst = append(append(dst, `],"info":`...), plainInfo(perPage, to-from, number, to < len(list))...)
	dst = append(dst, '}')
	body.JSON = dst
	return body, nil
}

// plainInfo is the info of lists without tokens.
func plainInfo(perPage, count, page int, more bool) []byte {
	dst := strconv.AppendInt([]byte(`{"per_page":`), int64(perPage), 10)
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(count), 10)
	dst = strconv.AppendInt(append(dst, `,"page":`...), int64(page), 10)
	return append(strconv.AppendBool(append(dst, `,"more_records":`...), more), '}')
}
