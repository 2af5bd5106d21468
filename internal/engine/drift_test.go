package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// crm is a vendor of one list, orders, sorted by whole seconds and paged by
// tokens, and of the list of what was deleted from it, gone.
type crm struct {
	*world
	tt    *table
	clock atomic.Int64 // microseconds
	gone  []trow
	next  int64 // id of the next row

	offset    bool // a token counts rows, in place of naming the last one
	exclusive bool // the bound's own second is left out
	ceiling   int  // rows that tokens lead to, 0 for all
	life      int  // calls that a token lives, 0 for ever
	unlisted  bool // the account may not read gone
	// ahead is called before each answer, behind after it was made and before it
	// is sent.
	ahead, behind func(c call)
	unknown       []string // fields that are refused
}

// drifting is orders with a proof every so many pages.
func drifting(pages int) stream.Stream {
	s := changing("orders")
	s.Schema.Properties = slices.DeleteFunc(s.Schema.Properties, func(p singer.Property) bool { return p.Name == "up" })
	s.Page = stream.Token{Param: "token", Token: "page.token", More: "more"}
	s.Cursor = &stream.Cursor{
		Field: "modified", From: "since", In: stream.InHeader, Layout: "2006-01-02T15:04:05-07:00",
		Sorted: true, Margin: time.Second, Drift: &stream.Drift{Pages: pages},
	}
	s.Deletions = &stream.Deletions{Stream: "gone", Key: "id", At: "deleted"}
	return s
}

func newCRM(t tb, s stream.Stream, rows, size int) *crm {
	list := whole("gone")
	list.Schema = &singer.Schema{Type: "object", Properties: []singer.Property{
		{Name: "id", Schema: &singer.Schema{Type: "integer"}},
		{Name: "deleted", Schema: nullable("string", "date-time")},
	}}
	list.Cursor = &stream.Cursor{Field: "deleted", From: "since", In: stream.InHeader, Layout: s.Cursor.Layout}
	list.Page = stream.Number{Param: "page", First: 1, Size: 3, More: "more"}
	v := &crm{world: newWorld(t, s, list).unselect("gone")}
	v.tt = v.table("orders", rows, func(tt *table) { tt.size = size })
	v.next = int64(rows) + 1
	v.clock.Store(stream.Instant.FromTime(epoch))
	v.Now = func() time.Time { return stream.Instant.Time(v.clock.Load()) }
	v.v.date = v.Now
	v.v.on["orders"], v.v.on["gone"] = v.list, v.deleted
	v.v.before = func(c call) error {
		v.clock.Add(1e6)
		if v.ahead != nil {
			v.ahead(c)
		}
		return nil
	}
	v.v.spoil = func(c call, body string) string {
		if v.behind != nil {
			v.behind(c)
		}
		return body
	}
	return v
}

// second is the vendor's clock as rows show it.
func (v *crm) second() int64 { return v.clock.Load() / 1e6 * 1e6 }

func (v *crm) touch(id int64) { v.tt.touch(id, v.second()) }

func (v *crm) insert() {
	v.tt.rows = append(v.tt.rows, trow{id: v.next, v: 1, at: v.second()})
	v.next++
}

func (v *crm) remove(id int64) {
	if v.tt.row(id) != nil {
		v.tt.drop(id)
		v.gone = append(v.gone, trow{id: id, at: v.second()})
	}
}

func (v *crm) within(rows []trow, c call) []trow {
	since := c.get("since")
	if since == "" {
		return slices.Clone(rows)
	}
	at, err := time.Parse(time.RFC3339, since)
	if err != nil {
		panic(err)
	}
	low := stream.Instant.FromTime(at)
	if v.exclusive {
		low += 1e6
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r trow) bool { return r.at < low })
}

func (v *crm) list(c call) (string, error) {
	rows := v.within(v.tt.rows, c)
	slices.SortFunc(rows, func(a, b trow) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) })
	fields := strings.Split(c.get("fields"), ",")
	for _, f := range fields {
		if slices.Contains(v.unknown, f) {
			return "", &stream.UnknownField{Names: []string{f, "orders"}, Err: &fault.Error{Kind: fault.Refused, Err: errors.New("no field " + f)}}
		}
	}
	size, place, done := v.tt.size, 0, 0
	switch {
	case c.get("ids") != "":
		ids := strings.Split(c.get("ids"), ",")
		rows = slices.DeleteFunc(rows, func(r trow) bool { return !slices.Contains(ids, strconv.FormatInt(r.id, 10)) })
		size = len(rows)
	case c.get("token") != "":
		var made, at, id int64
		bound := c.get("since") + "|" + c.get("fields")
		rest, ok := strings.CutSuffix(c.get("token"), "|"+bound)
		if !ok {
			return "", &fault.Error{Kind: fault.Refused, Err: errors.New("a token of another request")}
		}
		if _, err := fmt.Sscanf(rest, "%d/%d/%d/%d/%d", &place, &done, &made, &at, &id); err != nil {
			panic(err)
		}
		if v.ceiling > 0 && done >= v.ceiling || v.life > 0 && int64(c.n)-made > int64(v.life) {
			return "", stream.Restart
		}
		if !v.offset {
			place = 0
			for place < len(rows) && (rows[place].at < at || rows[place].at == at && rows[place].id <= id) {
				place++
			}
		}
	}
	place = min(place, len(rows))
	end := min(place+size, len(rows))
	if end == place {
		return "", stream.NoRows
	}
	var b strings.Builder
	token := "null"
	if end < len(rows) {
		last := rows[end-1]
		token = fmt.Sprintf(`"%d/%d/%d/%d/%d|%s|%s"`, end, done+end-place, c.n, last.at, last.id, c.get("since"), c.get("fields"))
	}
	fmt.Fprintf(&b, `{"more":%t,"page":{"token":%s},"rows":[`, end < len(rows), token)
	for i, r := range rows[place:end] {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d`, r.id)
		for name, value := range map[string]string{
			"v": strconv.Itoa(r.v), "name": fmt.Sprintf(`"row %d.%d"`, r.id, r.v), "modified": strconv.Quote(stream.Instant.Time(r.at).Format(time.RFC3339)),
		} {
			if c.get("fields") == "" || slices.Contains(fields, name) {
				fmt.Fprintf(&b, `,%q:%s`, name, value)
			}
		}
		b.WriteByte('}')
	}
	return b.String() + "]}", nil
}

// deleted is the list of what went, the latest first.
func (v *crm) deleted(c call) (string, error) {
	if v.unlisted {
		return "", &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("not for you")}
	}
	rows := v.within(v.gone, c)
	slices.Reverse(rows)
	page, _ := strconv.Atoi(c.get("page"))
	from := min((page-1)*3, len(rows))
	to := min(from+3, len(rows))
	if from == to {
		return "", stream.NoRows
	}
	var parts []string
	for _, r := range rows[from:to] {
		parts = append(parts, fmt.Sprintf(`{"id":%d,"deleted":%q}`, r.id, stream.Instant.Time(r.at).Format(time.RFC3339)))
	}
	return fmt.Sprintf(`{"more":%t,"rows":[%s]}`, to < len(rows), strings.Join(parts, ",")), nil
}

// counts tells how many calls were made since the last time: pages of the read
// that begins at since, other calls to the list, and calls to gone.
func (v *crm) counts() string {
	pages, other, gone := 0, 0, 0
	first := ""
	for _, c := range v.v.calls {
		switch {
		case c.path == "gone":
			gone++
		case c.get("ids") != "":
			other++
		default:
			if first == "" {
				first = c.get("since")
			}
			if c.get("since") == first {
				pages++
			} else {
				other++
			}
		}
	}
	v.v.calls = nil
	return fmt.Sprintf("%d pages, %d others, %d of deletions", pages, other, gone)
}

// once checks what holds for each run: no version comes twice, none is put
// together from two, and no bookmark passes what was not written.
func (v *crm) once(t tb, res *outcome, earlier ...string) {
	t.Helper()
	got := res.records("orders")
	for _, r := range got {
		require.Equal(t, 1, count(got, r), "%s came twice", r)
	}
	names := res.values("orders", "name")
	for i, r := range got {
		require.Equal(t, "row "+r, names[i], "of two versions")
	}
	covered(t, res, "orders", v.tt, earlier...)
}

func count(list []string, what string) int {
	n := 0
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

func (v *crm) versions() []string {
	out := []string{}
	for _, r := range v.tt.rows {
		out = append(out, fmt.Sprintf("%d.%d", r.id, r.v))
	}
	return out
}

// chunky asks for the name in a second call.
func chunky(s stream.Stream) stream.Stream {
	s.Chunked = &stream.Chunked{Param: "fields", Max: 3, Always: []string{"id", "modified"}, Key: "id", IDs: "ids", MaxIDs: 100}
	return s
}

func TestDriftCostsLittle(t *testing.T) {
	for _, offset := range []bool{false, true} {
		v := newCRM(t, drifting(125), 1000, 2)
		v.offset = offset
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(1, 2) + int64(i)*1e6
		}
		res := v.good("")
		require.Equal(t, ids(1000), res.records("orders"))
		require.Equal(t, "500 pages, 3 others, 4 of deletions", v.counts())
		require.Len(t, res.marks("orders", "modified"), 5)

		again := v.good(res.state())
		require.Equal(t, []string{"1000.1"}, again.records("orders"))
		require.Equal(t, "1 pages, 0 others, 0 of deletions", v.counts())
	}
	t.Run("two pages", func(t *testing.T) {
		v := newCRM(t, drifting(125), 4, 2)
		require.Equal(t, ids(4), v.good("").records("orders"))
		require.Equal(t, "2 pages, 1 others, 0 of deletions", v.counts(), "the one edge is looked at")
	})
	t.Run("fields in batches", func(t *testing.T) {
		v := newCRM(t, chunky(drifting(3)), 12, 2)
		require.Equal(t, ids(12), v.good("").records("orders"))
		require.Equal(t, "6 pages, 7 others, 2 of deletions", v.counts(), "six are the names")
	})
}

// Rows that move while a list is read that counts.
func TestDriftRepairs(t *testing.T) {
	at := func(n int, f func(v *crm)) func(v *crm) {
		return func(v *crm) {
			pages := 0
			v.ahead = func(c call) {
				if c.path == "orders" && c.get("ids") == "" {
					if pages++; pages == n {
						f(v)
					}
				}
			}
		}
	}
	for name, test := range map[string]struct {
		pages int
		moves func(v *crm)
		want  []string
		calls string
	}{
		"one is touched":              {5, at(3, func(v *crm) { v.touch(1) }), []string{"1.2"}, ""},
		"one is touched, no segments": {50, at(3, func(v *crm) { v.touch(1) }), []string{"1.2"}, "10 pages, 7 others, 1 of deletions"},
		"late":                        {50, at(10, func(v *crm) { v.touch(26) }), []string{"26.2"}, "10 pages, 1 others, 1 of deletions"},
		"unread":                      {50, at(5, func(v *crm) { v.touch(20) }), []string{"20.2"}, "10 pages, 0 others, 1 of deletions"},
		"one is deleted":              {5, at(3, func(v *crm) { v.remove(1) }), nil, ""},
		"two of the last page":        {50, at(10, func(v *crm) { v.remove(1); v.remove(2) }), nil, ""},
		"one is deleted, unlisted":    {5, at(3, func(v *crm) { v.unlisted = true; v.remove(1) }), nil, ""},
		"without a clock":             {5, at(3, func(v *crm) { v.v.date = nil; v.remove(1) }), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, offset := range []bool{true, false} {
				v := newCRM(t, drifting(test.pages), 30, 3)
				v.offset = offset
				test.moves(v)
				res := v.good("")
				v.once(t, res)
				if offset && test.calls != "" {
					require.Equal(t, test.calls, v.counts())
				}
				require.Subset(t, res.records("orders"), v.versions())
				require.Subset(t, res.records("orders"), test.want)
			}
		})
	}
}

// changing touches rows while the list is read: what changed has two pages.
func (v *crm) changing(asked int) {
	switch asked {
	case 2:
		v.touch(15)
		v.touch(16)
	case 3:
		v.touch(1)
	case 4:
		v.touch(17)
	}
}

// What changed is asked for in pages too, in which rows may be skipped.
func TestDriftOfTheChanges(t *testing.T) {
	v := newCRM(t, drifting(5), 20, 2)
	v.offset = true
	v.ahead = func(c call) {
		v.changing(c.n)
		if c.n == 7 { // 15 and 16 were on the first page, 1 and 17 are on the second
			v.touch(15)
		}
	}
	res := v.good("")
	require.NotEmpty(t, v.v.calls[6].get("token"))
	require.NotEqual(t, v.v.calls[0].get("since"), v.v.calls[6].get("since"))
	v.once(t, res)
	require.Subset(t, res.records("orders"), v.versions())
}

// resumable wants a run that was killed after any STATE to be delivered by the next.
func (v *crm) resumable(t tb, res *outcome) {
	t.Helper()
	cuts := map[string]string{}
	var written []string
	for _, m := range res.lines {
		switch m.Type {
		case "RECORD":
			written = append(written, fmt.Sprintf("%v.%v", m.Record["id"], m.Record["v"]))
		case "STATE":
			cuts[string(m.Value)] = strings.Join(written, " ")
		}
	}
	for state, before := range cuts {
		rest := v.good(state)
		have := append(strings.Fields(before), rest.records("orders")...)
		require.Subset(t, have, v.versions(), "after %s", state)
		v.once(t, rest, strings.Fields(before)...)
	}
}

// A page of what changed that was announced and is empty proves nothing: once it is
// asked for again, always it is no proof.
func TestDriftOfHollowChanges(t *testing.T) {
	for what, answer := range map[string]string{"no rows": "", "an empty list": noMore} {
		for _, times := range []int{1, -1} {
			t.Run(fmt.Sprint(what, " ", times), func(t *testing.T) {
				v := newCRM(t, drifting(5), 20, 2)
				v.offset, v.repeats = true, true
				v.ahead = func(c call) { v.changing(c.n) }
				left, begun := times, ""
				v.through(func(c call) (string, error) {
					if c.n == 1 {
						begun = c.get("since")
					}
					if c.path != "orders" || c.get("token") == "" || c.get("since") == begun || left == 0 {
						return "", nil
					}
					if left--; answer == "" {
						return "", stream.NoRows
					}
					return answer, nil
				})
				res := v.run("")
				if res.result("orders").Err == nil {
					require.Subset(t, res.records("orders"), v.versions())
				}
				require.True(t, times < 0 || res.result("orders").Err == nil)
				require.NotEqual(t, times, left, "it was asked for")
				v.v.on["orders"], v.ahead = v.list, nil
				v.clock.Add(60e6)
				v.resumable(t, res)
			})
		}
	}
}

// A live list: between any two calls, and while an answer is made, rows are
// touched, deleted and added, and a page that was announced may be empty. Whatever
// tokens mean and the bound holds, no bookmark passes what was not written, nothing
// comes twice, and a run from any STATE delivers the rest.
func TestDriftOfALiveList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drifting(rapid.SampledFrom([]int{1, 2, 3, 5, 50}).Draw(t, "proof"))
		if rapid.Bool().Draw(t, "chunked") {
			s = chunky(s)
			s.Chunked.MaxIDs = rapid.IntRange(1, 4).Draw(t, "ids")
		}
		if rapid.IntRange(0, 5).Draw(t, "list") == 0 {
			s.Deletions = nil
		}
		rows := rapid.IntRange(0, 24).Draw(t, "rows")
		v := newCRM(t, s, rows, rapid.IntRange(1, 4).Draw(t, "size"))
		v.offset = rapid.Bool().Draw(t, "offset")
		v.exclusive = rapid.Bool().Draw(t, "exclusive")
		v.unlisted = rapid.IntRange(0, 5).Draw(t, "unlisted") == 0
		v.Concurrency = rapid.SampledFrom([]int{1, 3}).Draw(t, "concurrency")
		v.world.repeats = true
		last := day(1, 2)
		for i := range v.tt.rows {
			last += rapid.SampledFrom([]int64{0, 0, 1e6, 1e6, 5e6}).Draw(t, "gap")
			v.tt.rows[i].at = last
		}
		ties := 1
		for i := range v.tt.rows {
			n := 0
			for _, r := range v.tt.rows {
				if r.at >= v.tt.rows[i].at-1e6 && r.at <= v.tt.rows[i].at {
					n++
				}
			}
			ties = max(ties, n)
		}
		if rapid.IntRange(0, 2).Draw(t, "bounded") == 0 {
			v.ceiling = ties + 30 + v.tt.size
			if rapid.Bool().Draw(t, "low") {
				v.ceiling = ties + 8 + v.tt.size
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "short") == 0 {
			v.life = rapid.IntRange(12, 30).Draw(t, "life")
		}
		if n := rapid.IntRange(-6, 12).Draw(t, "hollow"); n > 0 { // one page that was announced is empty
			own, answer := v.v.on["orders"], rapid.SampledFrom([]string{"", noMore}).Draw(t, "answer")
			v.v.on["orders"] = func(c call) (string, error) {
				if c.get("token") != "" {
					n--
				}
				switch {
				case c.get("token") == "" || n != 0:
					return own(c)
				case answer == "":
					return "", stream.NoRows
				}
				return answer, nil
			}
		}
		type move struct {
			calls, kind, wait int
			row               int64
			late              bool
		}
		moves := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
			return move{
				rapid.IntRange(0, 3).Draw(t, "calls"), rapid.IntRange(0, 2).Draw(t, "kind"), rapid.IntRange(0, 2).Draw(t, "wait"),
				int64(rapid.IntRange(1, 30).Draw(t, "row")), rapid.Bool().Draw(t, "late"),
			}
		}), 0, 9).Draw(t, "moves")
		untouched := map[int64]bool{}
		for _, r := range v.tt.rows {
			untouched[r.id] = true
		}
		step := func(late bool) {
			for len(moves) > 0 && moves[0].late == late {
				m := &moves[0]
				if m.calls--; m.calls >= 0 {
					break
				}
				v.clock.Add(int64(m.wait) * 5e5)
				switch m.kind {
				case 0:
					v.touch(m.row)
					delete(untouched, m.row)
				case 1:
					v.insert()
				case 2:
					v.remove(m.row)
					delete(untouched, m.row)
				}
				moves = moves[1:]
			}
		}
		v.ahead, v.behind = func(call) { step(false) }, func(call) { step(true) }
		res := v.run("")
		v.once(t, res)
		complete := res.report.Err == nil && res.report.Streams[0].Err == nil
		if !complete {
			require.True(t, v.ceiling > 0 || v.life > 0 || s.Deletions == nil || v.unlisted, "%v", res.report.Streams[0].Err)
		} else {
			for id := range untouched {
				require.Contains(t, res.records("orders"), fmt.Sprintf("%d.1", id))
			}
		}
		v.ahead, v.behind, v.ceiling, v.life = nil, nil, 0, 0
		v.clock.Add(60e6)
		v.resumable(t, res)
	})
}

func TestDriftRestarts(t *testing.T) {
	build := func(t *testing.T, ties int) *crm {
		v := newCRM(t, drifting(4), 60, 2)
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(1, 2) + int64(i/ties)*1e6
		}
		v.ceiling = 20
		return v
	}
	t.Run("at the ceiling", func(t *testing.T) {
		for _, ties := range []int{1, 5, 9} {
			for _, exclusive := range []bool{false, true} {
				v := build(t, ties)
				v.exclusive = exclusive
				res := v.good("")
				require.Equal(t, ids(60), res.records("orders"))
				v.once(t, res)
			}
		}
	})
	t.Run("more rows of one value than tokens lead to", func(t *testing.T) {
		v := build(t, 30)
		res := v.run("")
		err := res.result("orders").Err
		require.Equal(t, fault.Contract, fault.KindOf(err))
		require.ErrorContains(t, err, "more rows share one modified than pages can be asked for")
		v.once(t, res)
	})
	t.Run("tokens that run out", func(t *testing.T) {
		v := build(t, 1)
		v.ceiling, v.life = 0, 1
		v.ahead = func(c call) {
			if c.n == 7 {
				v.life = 0
			}
		}
		require.Equal(t, ids(60), v.good("").records("orders"))
	})
	t.Run("rows that move", func(t *testing.T) {
		for _, offset := range []bool{false, true} {
			v := build(t, 1)
			v.offset = offset
			v.ahead = func(c call) {
				switch c.n {
				case 4:
					v.touch(2)
				case 11:
					v.remove(5)
				}
			}
			res := v.good("")
			require.Subset(t, res.records("orders"), v.versions())
			v.once(t, res)
		}
	})
	t.Run("out of place", func(t *testing.T) {
		v := build(t, 1)
		v.v.on["orders"] = func(call) (string, error) { return "", stream.Restart }
		require.Equal(t, fault.Contract, fault.KindOf(v.run("").result("orders").Err))

		w := newWorld(t, changing("orders"))
		w.table("orders", 9)
		w.v.before = func(c call) error {
			if c.n == 2 {
				return stream.Restart
			}
			return nil
		}
		require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
	})
}

// Many rows of one value, over more pages than one, are read until they stood
// still.
func TestDriftWithinOneValue(t *testing.T) {
	for _, listed := range []bool{true, false} {
		v := newCRM(t, drifting(50), 12, 2)
		v.offset, v.unlisted = true, !listed
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(1, 2)
		}
		v.ahead = func(c call) {
			switch c.n {
			case 3:
				v.remove(1)
			case 9:
				v.remove(2)
			}
		}
		res := v.good("")
		v.once(t, res)
		require.Subset(t, res.records("orders"), v.versions())
	}
	t.Run("never", func(t *testing.T) {
		v := newCRM(t, drifting(50), 300, 20)
		v.offset = true
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(1, 2)
		}
		v.ahead = func(c call) {
			if c.get("token") != "" {
				v.remove(v.tt.rows[0].id)
			}
		}
		res := v.run("")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
		v.once(t, res)
		require.Empty(t, res.bookmark("orders", "modified"))
	})
}

func TestMargin(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		v := newCRM(t, drifting(5), 9, 2)
		v.exclusive = exclusive
		res := v.good(`{"bookmarks":{"orders":{"modified":"2026-01-07T00:00:00Z"}}}`)
		require.Equal(t, []string{"6.1", "7.1", "8.1", "9.1"}, res.records("orders"))
		require.Equal(t, "2026-01-06T23:59:59+00:00", v.v.calls[0].get("since"))
	}
}

// What lies behind the end of a run is not asked for.
func TestDriftStopsAtTheEnd(t *testing.T) {
	v := newCRM(t, drifting(50), 30, 3)
	v.End = time.Date(2026, 1, 11, 0, 0, 0, 0, time.UTC)
	v.HoldState = true
	v.offset = true
	v.ahead = func(c call) {
		if c.n == 3 {
			v.touch(1)
		}
	}
	res := v.good("")
	require.ElementsMatch(t, ids(10), res.records("orders"))
	require.Equal(t, "4 pages, 4 others, 1 of deletions", v.counts())
}

func TestDriftInBatches(t *testing.T) {
	t.Run("rows that change between two calls", func(t *testing.T) {
		for _, offset := range []bool{false, true} {
			v := newCRM(t, chunky(drifting(3)), 12, 2)
			v.offset = offset
			v.ahead = func(c call) {
				switch c.n {
				case 2:
					v.touch(1)
				case 6:
					v.remove(6)
				}
			}
			res := v.good("")
			v.once(t, res)
			require.Subset(t, res.records("orders"), v.versions())
			require.NotContains(t, res.records("orders"), "1.1")
			require.NotContains(t, res.records("orders"), "6.1")
		}
	})
	t.Run("a row that its id does not bring", func(t *testing.T) {
		v := newCRM(t, chunky(drifting(3)), 12, 2)
		v.v.on["orders"] = func(c call) (string, error) {
			if c.get("ids") != "" && strings.Contains(c.get("fields"), "name") {
				c.params = append([]stream.Param{{Name: "ids", Value: "," + strings.ReplaceAll(","+c.get("ids")+",", ",5,", ",")}}, c.params...)
			}
			return v.list(c)
		}
		res := v.run("")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
		v.once(t, res)
	})
	t.Run("what is there already is not asked for again", func(t *testing.T) {
		v := newCRM(t, chunky(drifting(50)), 12, 2)
		v.ahead = func(c call) {
			if c.n == 3 {
				v.touch(1)
			}
		}
		v.good("")
		names := 0
		for _, c := range v.v.calls {
			if strings.Contains(c.get("fields"), "name") {
				names++
			}
		}
		require.Equal(t, 7, names)
	})
}

// A field that the vendor does not know is left out of its batch.
func TestUnknownFieldOfABatch(t *testing.T) {
	for _, field := range []string{"v", "name"} {
		for _, n := range []int{0, 8} {
			v := newCRM(t, chunky(drifting(3)), 12, 2)
			v.ahead = func(c call) {
				if c.n > n {
					v.unknown = []string{field}
				}
			}
			res := v.good("")
			require.Len(t, res.records("orders"), 12)
			require.Equal(t, 1, v.warnings(), v.log.String())
			require.Contains(t, v.log.String(), "does not know a field of the catalog")
			require.Contains(t, v.log.String(), "field="+field)
		}
	}
	t.Run("one that is needed", func(t *testing.T) {
		v := newCRM(t, chunky(drifting(3)), 12, 2)
		v.unknown = []string{"modified"}
		require.ErrorContains(t, v.run("").result("orders").Err, "no field modified")
	})
	t.Run("of a stream without drift", func(t *testing.T) {
		for _, n := range []int{0, 2, 4} {
			s := chunky(drifting(3))
			s.Cursor.Drift = nil
			v := newCRM(t, s, 12, 2)
			v.ahead = func(c call) {
				if c.n > n {
					v.unknown = []string{"v"}
				}
			}
			res := v.good("")
			require.Subset(t, res.values("orders", "name"), []any{"row 1.1", "row 12.1"})
		}
	})
}

func TestDriftAndDeletedRows(t *testing.T) {
	v := newCRM(t, drifting(3), 12, 2)
	v.offset = true
	v.src.Deletions = true
	v.ahead = func(c call) {
		if c.n == 4 {
			v.remove(1)
		}
	}
	first := v.good("")
	require.Subset(t, first.records("orders"), ids(12))
	second := v.good(first.state())
	require.Contains(t, second.values("orders", "id"), 1.0)
}

func TestDriftAndMaxRecords(t *testing.T) {
	v := newCRM(t, drifting(2), 12, 2)
	v.MaxRecords = 5
	require.Equal(t, ids(5), v.good("").records("orders"))
	require.Equal(t, "3 pages, 1 others, 0 of deletions", v.counts())
}
