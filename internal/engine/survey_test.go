package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// pages is a list of which little is told.
type pages struct {
	rows    []int64
	base    int
	most    int  // rows of a page, whatever is asked for; 0: as many as that
	refuses int  // a larger size is a 400
	ignored bool // every page is the first
	shifts  bool // the order moves on after each page
	silent  bool // no count
	given   int  // rows that come without a page, 0: as page says
	shift   int
	after   func(p *pages) // after each page
	lowest  int            // the least page that was asked for; -1: none has been
	odd     map[int64]bool // rows that show only if they are asked for
}

func (p *pages) answer(c call) (string, error) {
	size, err := strconv.Atoi(c.get("size"))
	if err != nil {
		panic(err)
	}
	if p.refuses > 0 && size > p.refuses {
		return "", &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("size")}
	}
	if p.most > 0 {
		size = min(size, p.most)
	}
	rows := slices.Clone(p.rows)
	if len(p.odd) > 0 {
		rows = slices.DeleteFunc(rows, func(id int64) bool { return p.odd[id] != (c.get("odd") == "true") })
	}
	page := p.base
	if text := c.get("page"); text != "" {
		page, _ = strconv.Atoi(text)
		p.lowest = min(p.lowest, page)
	} else if p.given > 0 {
		size = p.given
	}
	if page < p.base {
		return "", &fault.Error{Kind: fault.Transient, Status: 500, Err: errors.New("negative offset")}
	}
	if n := len(rows); p.shifts && n > 0 {
		at := p.shift % n
		rows = append(rows[at:], rows[:at]...)
		p.shift++
	}
	from := (page - p.base) * size
	if p.ignored {
		from = 0
	}
	n := len(rows)
	var list []string
	for _, id := range rows[min(from, n):min(from+size, n)] {
		list = append(list, fmt.Sprintf(`{"id":%d,"v":1}`, id))
	}
	if p.after != nil {
		p.after(p)
	}
	count := ""
	if !p.silent {
		count = fmt.Sprintf(`"count":%d,`, n)
	}
	return "{" + count + `"rows":[` + strings.Join(list, ",") + "]}", nil
}

// surveyed is a world with one list of pages, by a number of 4 rows.
func surveyWorld(t tb, p *pages, change ...func(*stream.Stream)) *world {
	s := whole("orders")
	s.Page = stream.Number{Param: "page", SizeParam: "size", First: 1, Size: 4, Total: "count", Survey: &stream.Survey{}}
	for _, f := range change {
		f(&s)
	}
	w := newWorld(t, s)
	w.v.on["orders"] = p.answer
	p.lowest = 1
	return w
}

func firstIDs(n int) []int64 {
	var out []int64
	for i := range n {
		out = append(out, int64(i+1))
	}
	return out
}

// sorted are the records by their number, each once.
func eachOnce(o *outcome) []string {
	out := o.records("orders")
	slices.SortFunc(out, func(a, b string) int { return len(a)*100 - len(b)*100 + strings.Compare(a, b) })
	return slices.Compact(out)
}

func uncounted(s *stream.Stream) {
	n := s.Page.(stream.Number)
	n.Total, n.Survey = "", &stream.Survey{Least: 3}
	s.Page = n
}

func TestSurvey(t *testing.T) {
	countedElsewhere := func(s *stream.Stream) {
		n := s.Page.(stream.Number)
		n.Survey = &stream.Survey{From: "totals"}
		s.Page = n
	}
	for _, test := range []struct {
		name   string
		pages  pages
		with   func(*stream.Stream)
		calls  [5]int // for 0, 1, 4, 5 and 11 rows
		lowest int    // page that is asked for, of 11 rows
	}{
		{"from 1", pages{base: 1}, nil, [5]int{1, 1, 1, 2, 3}, 1},
		{"from 0", pages{}, nil, [5]int{1, 2, 2, 3, 4}, 0},
		{"few rows a page", pages{base: 1, most: 2}, nil, [5]int{1, 1, 2, 3, 6}, 1},
		{"few rows a page, from 0", pages{most: 2}, nil, [5]int{1, 2, 3, 4, 7}, 0},
		{"moving on", pages{base: 1, shifts: true}, nil, [5]int{1, 1, 1, 7, 9}, 0},
		{"moving on, from 0", pages{shifts: true}, nil, [5]int{1, 2, 2, 6, 12}, 0},
		{"without a count", pages{base: 1, silent: true}, nil, [5]int{2, 3, 3, 4, 5}, 0},
		{"without a count, from 0", pages{silent: true}, nil, [5]int{2, 2, 2, 3, 4}, 0},
		{"unnumbered first", pages{base: 1}, uncounted, [5]int{1, 1, 3, 4, 5}, 1},
		{"unnumbered first, from 0", pages{}, uncounted, [5]int{1, 1, 2, 3, 4}, 1},
		{"all without a page", pages{base: 1, given: 99}, uncounted, [5]int{1, 1, 3, 4, 5}, 1},
		{"few without a page", pages{given: 3}, uncounted, [5]int{1, 1, 2, 3, 4}, 1},
		{"counted elsewhere", pages{base: 1, silent: true}, countedElsewhere, [5]int{2, 2, 2, 3, 4}, 1},
		{"counted elsewhere, from 0", pages{silent: true}, countedElsewhere, [5]int{2, 3, 3, 4, 5}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i, n := range []int{0, 1, 4, 5, 11} {
				p := test.pages
				p.rows = firstIDs(n)
				if test.name == "few without a page" && n > 3 {
					p.rows = firstIDs(n) // the first page of 4 is asked for again, since 3 rows came
				}
				w := surveyWorld(t, &p, func(s *stream.Stream) {
					if test.with != nil {
						test.with(s)
					}
				})
				w.v.on["totals"] = func(call) (string, error) { return fmt.Sprintf(`{"count":%d}`, n), nil }
				res := w.good("")
				if test.name != "few without a page" {
					require.Equal(t, ids(n), eachOnce(res), "%d rows", n)
					require.Len(t, res.records("orders"), n, "a row is written once")
				}
				asked := w.v.asked()
				require.Len(t, asked, test.calls[i], "%d rows: %q", n, asked)
				if n == 11 {
					require.Equal(t, test.lowest, p.lowest)
				}
			}
		})
	}
}

// A size that is refused is halved, down to a least one.
func TestSurveySize(t *testing.T) {
	sized := func(s *stream.Stream) {
		n := s.Page.(stream.Number)
		n.Size, n.Survey = 32, &stream.Survey{Least: 3}
		s.Page = n
	}
	w := surveyWorld(t, &pages{rows: firstIDs(11), base: 1, refuses: 5}, sized)
	require.Equal(t, ids(11), eachOnce(w.good("")))
	require.Equal(t, []string{
		"orders size=(32) page=(1)", "orders size=(16) page=(1)", "orders size=(8) page=(1)",
		"orders size=(4) page=(1)", "orders size=(4) page=(2)", "orders size=(4) page=(3)",
	}, w.v.asked())
	w = surveyWorld(t, &pages{rows: firstIDs(11), base: 1, refuses: 2}, sized)
	require.Equal(t, fault.Refused, fault.KindOf(w.run("").result("orders").Err))
}

// Of a vendor who ignores the page, all rows come or it is a fault.
func TestSurveyIgnored(t *testing.T) {
	for _, with := range [][]func(*stream.Stream){nil, {uncounted}} {
		for _, base := range []int{0, 1} {
			p := &pages{rows: firstIDs(11), base: base, ignored: true}
			w := surveyWorld(t, p, with...)
			res := w.run("")
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
			require.Less(t, len(w.v.asked()), 25)
		}
		w := surveyWorld(t, &pages{rows: firstIDs(2), base: 1, ignored: true}, with...)
		require.Equal(t, ids(2), eachOnce(w.good("")))
	}
	w := surveyWorld(t, &pages{rows: firstIDs(11), base: 1, ignored: true, silent: true})
	require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
}

// Rows that come and go: whatever is there all the time comes, or it is a fault.
func TestSurveyMoves(t *testing.T) {
	told := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := &pages{rows: firstIDs(4 + r.IntN(20)), base: r.IntN(2), shifts: r.IntN(2) == 0, silent: false}
		if r.IntN(3) == 0 {
			p.most = 1 + r.IntN(4)
		}
		gone, moves := map[int64]bool{}, r.IntN(4)
		p.after = func(p *pages) {
			if moves == 0 || r.IntN(2) == 0 {
				return
			}
			moves--
			i := r.IntN(len(p.rows))
			if r.IntN(2) == 0 { // changed: it comes first
				id := p.rows[i]
				p.rows = slices.Insert(slices.Delete(p.rows, i, i+1), 0, id)
				return
			}
			gone[p.rows[i]] = true
			p.rows = slices.Delete(p.rows, i, i+1)
		}
		w := surveyWorld(t, p)
		w.repeats = true
		all := slices.Clone(p.rows)
		res := w.run("")
		require.NoError(t, res.report.Err)
		if res.result("orders").Err != nil {
			told++
			continue
		}
		have := res.records("orders")
		for _, id := range all {
			if !gone[id] {
				require.Contains(t, have, fmt.Sprintf("%d.1", id), "seed %d", seed)
			}
		}
	}
	require.Zero(t, told, "a list that comes to rest is read")
}

// The passes of a list: each is read whole, what two of them bring is written
// once, unless it has changed.
func TestSurveyPasses(t *testing.T) {
	odd := func(is string) stream.Pass {
		return stream.Pass{Params: []stream.Param{{Name: "odd", Value: is, Raw: true}}}
	}
	p := &pages{rows: firstIDs(11), odd: map[int64]bool{1: true, 3: true, 5: true, 7: true, 9: true, 11: true}}
	w := surveyWorld(t, p, func(s *stream.Stream) { s.Passes = []stream.Pass{odd("true"), odd("false"), odd("true")} })
	n := 0
	p.after = func(p *pages) {
		if n++; n == 4 { // after the first pass, which asks for page 1, 2, 0
			p.odd = map[int64]bool{1: true, 2: true, 3: true, 5: true, 9: true, 11: true}
		}
	}
	res := w.good("")
	require.Equal(t, ids(11), eachOnce(res))
	require.Len(t, res.records("orders"), 11)
}

// A list that is refused as a whole is asked for by the rows of another.
func TestEach(t *testing.T) {
	s := whole("orders")
	s.Records, s.Page = "", stream.Single{}
	s.Each = &stream.Each{Path: "customers", Member: "id", Param: "of"}
	w := newWorld(t, s)
	refusing := true
	w.v.on["orders"] = func(c call) (string, error) {
		switch c.get("of") {
		case "":
			if refusing {
				return "", &fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("of whom?")}
			}
			return `[{"id":1,"v":1},{"id":2,"v":1}]`, nil
		case "7":
			return `[{"id":1,"v":1}]`, nil
		case "9":
			return `[{"id":2,"v":1}]`, nil
		}
		return "", &fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("gone")}
	}
	w.v.on["customers"] = func(call) (string, error) { return `[{"id":7},{"id":"8"},{"name":"x","id":9}]`, nil }
	require.Equal(t, ids(2), w.good("").records("orders"))
	require.Equal(t, []string{"orders", "customers", "orders of=7", "orders of=8", "orders of=9"}, w.v.asked())
	refusing = false
	require.Equal(t, ids(2), w.good("").records("orders"))
	require.Equal(t, []string{"orders"}, w.v.asked())
	refusing = true
	w.v.on["customers"] = func(call) (string, error) { return `{"id":7}`, nil }
	require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("orders").Err))
}
