package engine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// noMore is an answer without rows that says nothing follows.
const noMore = `{"rows":[],"more":false,"next":null,"page":{"token":null}}`

// hollowed answers the second page of a list without rows, so many times.
func hollowed(list, answer string, times int) func(call) (string, error) {
	return func(c call) (string, error) {
		second := c.get("page") == "2" || c.get("token") != ""
		if c.path != list || !second || times == 0 {
			return "", nil
		}
		times--
		if answer == "" {
			return "", stream.NoRows
		}
		return answer, nil
	}
}

// through puts an answer in front of those of the tables, where it is one.
func (w *world) through(first func(call) (string, error)) {
	names := slices.Concat(slices.Collect(maps.Keys(w.v.tables)), slices.Collect(maps.Keys(w.v.on)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		tt, own := w.v.tables[name], w.v.on[name]
		w.v.on[name] = func(c call) (string, error) {
			if text, err := first(c); text != "" || err != nil {
				return text, err
			}
			if own != nil {
				return own(c)
			}
			return tt.answer(c, 0)
		}
	}
}

// announcing are the pagers of vendors who tell that a page follows.
var announcing = map[string]stream.Pager{
	"token":         stream.Token{Param: "token", Token: "page.token", More: "more"},
	"number, more":  stream.Number{Param: "page", First: 1, Size: 3, More: "more"},
	"number, total": stream.Number{Param: "page", First: 1, Size: 3, Total: "count"},
	"link":          stream.NextLink{Next: "next"},
	"link, total":   stream.NextLink{Next: "next", Total: "count"},
}

// TestAnnouncedPageIsEmpty: a page that the vendor announced and that has no rows
// is no end. Once, the list is read again; always, that is a failure, and the
// bookmark stays.
func TestAnnouncedPageIsEmpty(t *testing.T) {
	for name, pager := range announcing {
		for what, answer := range map[string]string{"no rows": "", "an empty list": noMore} {
			if name == "link" && answer != "" {
				continue // Exact Online gives a link after each full page
			}
			for kind, s := range map[string]stream.Stream{"full": whole("orders"), "changing": changing("orders")} {
				t.Run(name+", "+what+", "+kind, func(t *testing.T) {
					s.Page = pager
					w := newWorld(t, s)
					w.repeats = true
					w.table("orders", 8)
					w.through(hollowed("orders", answer, 1))
					require.Subset(t, w.good("").records("orders"), ids(8))

					w = newWorld(t, s)
					w.repeats = true
					w.table("orders", 8)
					w.through(hollowed("orders", answer, -1))
					res := w.run("")
					require.ErrorContains(t, res.result("orders").Err, "6 times over")
					require.NotContains(t, res.state(), "modified")
				})
			}
		}
	}
}

// TestEmptyPageAfterLink: a service that links on from each full page has not
// announced rows by that.
func TestEmptyPageAfterLink(t *testing.T) {
	s := whole("orders")
	s.Page = stream.NextLink{Next: "next"}
	w := newWorld(t, s)
	w.table("orders", 8)
	w.through(hollowed("orders", noMore, -1))
	require.Equal(t, ids(3), w.good("").records("orders"))
	require.Len(t, w.v.calls, 2)
}

// TestAnnouncedPageOfDrift: where rows come sorted, only what follows the edge is
// read again.
func TestAnnouncedPageOfDrift(t *testing.T) {
	for what, answer := range map[string]string{"no rows": "", "an empty list": noMore} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(what, restarts), func(t *testing.T) {
				v := newCRM(t, drifting(4), 20, 3)
				if restarts {
					v.ceiling = 9
				}
				n := 0
				own := v.v.on["orders"]
				v.v.on["orders"] = func(c call) (string, error) {
					if n++; n == 4 {
						if answer == "" {
							return "", stream.NoRows
						}
						return answer, nil
					}
					return own(c)
				}
				require.ElementsMatch(t, ids(20), v.good("").records("orders"))
			})
		}
	}
	for _, answer := range []string{"", noMore} { // all but the first of a chain, always
		v := newCRM(t, drifting(4), 20, 3)
		v.through(hollowed("orders", answer, -1))
		require.ElementsMatch(t, ids(20), v.good("").records("orders"))
		for i := range v.tt.rows {
			v.tt.rows[i].at = day(2, 1)
		}
		v.repeats = true
		res := v.run("")
		require.Equal(t, fault.Transient, fault.KindOf(res.result("orders").Err))
		require.ErrorContains(t, res.result("orders").Err, "announced")
	}
}

// graveyard is orders, and twelve rows that went from it, in pages of up to five that
// overlap. behind is called after each answer was made.
func graveyard(t *testing.T, behind func(v *crm, c call)) *crm {
	t.Helper()
	v := newCRM(t, drifting(4), 4, 3)
	v.src.Deletions, v.repeats = true, true
	v.src.Stream("gone").Page = stream.Offset{Param: "page", SizeParam: "size", Size: 5, UntilEmpty: true, Overlap: true, Numbered: true, Grows: true, More: "more"}
	for i := range int64(12) {
		v.gone = append(v.gone, trow{id: 101 + i, at: day(2, int(i)+1)})
	}
	v.v.on["gone"] = func(c call) (string, error) {
		size, page := int(number(c.get("size"))), int(number(c.get("page")))
		from, rows := (page-1)*size, []string{}
		for i := from; i < min(from+size, len(v.gone)); i++ { // the latest first
			r := v.gone[len(v.gone)-1-i]
			rows = append(rows, fmt.Sprintf(`{"id":%d,"deleted":%q}`, r.id, stream.Instant.Time(r.at).Format(time.RFC3339)))
		}
		more := from+size < len(v.gone)
		behind(v, c)
		if len(rows) == 0 {
			return "", stream.NoRows
		}
		return fmt.Sprintf(`{"more":%t,"rows":[%s]}`, more, strings.Join(rows, ",")), nil
	}
	return v
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// dead lists the ids of the deletions among the records.
func (o *outcome) dead() []string {
	out := []string{}
	for i, at := range o.values("orders", stream.DeletedAt) {
		if at != nil {
			out = append(out, fmt.Sprint(o.values("orders", "id")[i]))
		}
	}
	slices.Sort(out)
	return out
}

// TestAnnouncedPageOfDeletions: nor is it the end of a list of deletions.
func TestAnnouncedPageOfDeletions(t *testing.T) {
	all := []string{"101", "102", "103", "104", "105", "106", "107", "108", "109", "110", "111", "112"}
	for what, answer := range map[string]string{"no rows": "", "an empty list": noMore} {
		for pages, pager := range map[string]stream.Pager{"numbers": stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 3, More: "more"}, "overlapping": nil} {
			t.Run(what+", "+pages, func(t *testing.T) {
				for _, times := range []int{1, -1} {
					v := graveyard(t, func(*crm, call) {})
					if pager != nil {
						v.src.Stream("gone").Page = pager
					}
					v.through(hollowed("gone", answer, times))
					res := v.run("")
					if times == 1 {
						require.NoError(t, res.result("orders").Err)
						require.Equal(t, all, res.dead())
						continue
					}
					require.ErrorContains(t, res.result("orders").Err, "6 times over")
					require.NotContains(t, res.state(), deletedUntil)
				}
			})
		}
	}
}

// TestDeletionsThatLeaveTheirList: one that is restored or purged while the pages
// are read moves others up to where they were read past. Nothing more is asked for
// where none is, of one page least of all.
func TestDeletionsThatLeaveTheirList(t *testing.T) {
	calls := func(v *crm) (n int) {
		for _, c := range v.v.calls {
			if c.path == "gone" {
				n++
			}
		}
		return n
	}
	v := graveyard(t, func(*crm, call) {})
	require.Len(t, v.good("").dead(), 12)
	require.Equal(t, 4, calls(v), "three pages would hold them; of large ones one more in many")

	v = graveyard(t, func(*crm, call) {})
	v.gone = v.gone[:5]
	require.Len(t, v.good("").dead(), 5)
	require.Equal(t, 1, calls(v))

	for at := 1; at <= 4; at++ { // after which page
		for gone := range 12 {
			n := 0
			v := graveyard(t, func(v *crm, _ call) {
				if n++; n == at {
					v.gone = slices.Delete(slices.Clone(v.gone), gone, gone+1)
				}
			})
			dead := v.good("").dead()
			for _, r := range v.gone {
				require.Contains(t, dead, fmt.Sprint(r.id), "%d went after page %d", gone, at)
			}
			require.Equal(t, slices.Compact(slices.Clone(dead)), dead, "each once")
		}
	}
	for added := range 2 { // between any two pages, and nothing is read again for it
		v = graveyard(t, func(v *crm, _ call) {
			for range added {
				v.gone = append(v.gone, trow{id: v.next + 200, at: v.second()})
				v.next++
			}
		})
		dead := v.good("").dead()
		for id := range 12 {
			require.Contains(t, dead, strconv.Itoa(101+id))
		}
		require.Equal(t, slices.Compact(slices.Clone(dead)), dead, "each once")
		n := 0
		for _, c := range v.v.calls {
			if c.path == "gone" && c.get("page") == "1" {
				n++
			}
		}
		require.Equal(t, 1, n, "%d added", added)
	}
	v = graveyard(t, func(v *crm, _ call) { // it never stands still
		v.gone = append(v.gone[:9:9], v.gone[10:]...)
		v.gone = append([]trow{{id: v.next + 200, at: day(1, 1)}}, v.gone...)
		v.next++
	})
	require.ErrorContains(t, v.run("").result("orders").Err, "6 times over")
}
