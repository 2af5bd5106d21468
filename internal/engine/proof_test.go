package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// proven is a vendor of rows by version whose links name the last one; but those
// of the pages in vague do not.
func proven(t *testing.T, n int, vague ...string) *world {
	s := versions("orders")
	s.Cursor.Epochs = nil
	s.Cursor.Proof = func(next string, last int64) bool { return strings.HasSuffix(next, fmt.Sprintf("&last=%d", last)) }
	w := newWorld(t, s)
	tt := w.stamps("orders", n, 101)
	w.v.on["orders"] = func(c call) (string, error) {
		text, err := tt.answer(c, 0)
		if at := strings.LastIndex(text, `"stamp":`); at >= 0 && !slices.Contains(vague, c.get("page")) {
			text = strings.Replace(text, `","more":`, "&last="+text[at+8:at+11]+`","more":`, 1)
		}
		return text, err
	}
	return w
}

// marks lists the bookmarks of a stream in the order in which STATE told them.
func (o *outcome) marks(path ...string) []string {
	var out []string
	for _, m := range o.lines {
		if m.Type == "STATE" {
			if v := dig(o.t, string(m.Value), append([]string{"bookmarks"}, path...)...); len(out) == 0 || out[len(out)-1] != v {
				out = append(out, v)
			}
		}
	}
	return out
}

// The bookmark moves page by page as long as each link proves that the next page
// holds what comes after.
func TestProof(t *testing.T) {
	for name, test := range map[string]struct {
		vague []string
		want  []string
		left  string // after the call for the last page has failed
	}{
		"all links":        {nil, []string{"", "102", "105", "108", "109", "110"}, "108"},
		"not the first":    {[]string{""}, []string{"", "110"}, ""},
		"not the second":   {[]string{"2"}, []string{"", "102", "110"}, "102"},
		"not the third":    {[]string{"3"}, []string{"", "102", "105", "110"}, "105"},
		"not the last row": {[]string{"", "2", "3"}, []string{"", "110"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := proven(t, 10, test.vague...)
			res := w.good("")
			require.Equal(t, ids(10), res.records("orders"))
			require.Equal(t, test.want, res.marks("orders", "stamp"))

			w = proven(t, 10, test.vague...)
			w.v.before = func(c call) error {
				if c.get("page") == "4" {
					return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
				}
				return nil
			}
			res = w.run("")
			require.Equal(t, test.left, res.bookmark("orders", "stamp"))
			covered(t, res, "orders", w.v.tables["orders"])
			w.v.before = nil
			rest := w.good(res.state())
			require.Subset(t, append(res.records("orders"), rest.records("orders")...), ids(10))
			require.Equal(t, "110", rest.bookmark("orders", "stamp"))
		})
	}
	t.Run("rows that are not sorted", func(t *testing.T) {
		w := proven(t, 10)
		w.v.tables["orders"].sorted = false
		w.v.tables["orders"].rows[1].at = 99
		res := w.good("")
		require.Equal(t, []string{"", "110"}, res.marks("orders", "stamp"))
	})
	t.Run("rows that are not sorted later on", func(t *testing.T) {
		w := proven(t, 10)
		w.v.tables["orders"].sorted = false
		w.v.tables["orders"].rows[4].at = 103
		res := w.good("")
		require.Equal(t, []string{"", "102", "110"}, res.marks("orders", "stamp"))
		covered(t, res, "orders", w.v.tables["orders"])
	})
	t.Run("rows without a version", func(t *testing.T) {
		w := proven(t, 10)
		w.v.tables["orders"].sorted = false
		w.v.tables["orders"].rows[0].at, w.v.tables["orders"].rows[1].at, w.v.tables["orders"].rows[2].at = null, null, null
		require.Equal(t, "110", w.good("").bookmark("orders", "stamp"))
	})
	t.Run("not sorted", func(t *testing.T) {
		w := proven(t, 10)
		w.src.Streams[0].Cursor.Sorted, w.src.Streams[0].Cursor.Proof = false, nil
		require.Equal(t, []string{"", "110"}, w.good("").marks("orders", "stamp"))
	})
	t.Run("killed at any line", func(t *testing.T) {
		full := proven(t, 10, "3").good("")
		all := slices.Collect(strings.Lines(string(full.out)))
		for cut := range all {
			prefix := read(t, []byte(strings.Join(all[:cut], "")))
			covered(t, prefix, "orders", proven(t, 10).v.tables["orders"])
			rest := proven(t, 10, "3").good(prefix.state())
			require.Subset(t, append(prefix.records("orders"), rest.records("orders")...), ids(10))
		}
	})
}

// A row that changes again and again while the pages are read comes again and
// again, each time with a higher version: that is no vendor which ignores what is
// asked for.
func TestRowsThatChangeWhileTheyAreRead(t *testing.T) {
	w := proven(t, 3)
	tt := w.v.tables["orders"]
	tt.size = 1
	last := int64(110)
	w.v.on["orders"] = func(c call) (string, error) {
		from := int64(0)
		if v := c.get("last"); v != "" {
			from = tt.bound(v)
		} else if v := c.get("since"); v != "" {
			from = tt.bound(v) - 1
		}
		slices.SortFunc(tt.rows, func(a, b trow) int { return int(a.at - b.at) })
		for _, r := range tt.rows {
			if r.at <= from {
				continue
			}
			text := fmt.Sprintf(`{"rows":[%s],"next":"toy://host/orders?n=%d&last=%d"}`, tt.json(r), c.n, r.at)
			if last < 130 { // each row that is read changes at once
				last++
				tt.touch(r.id, last)
			}
			return text, nil
		}
		return `{"rows":[],"next":null}`, nil
	}
	res := w.good("")
	require.Greater(t, len(res.records("orders")), 20)
	require.Subset(t, res.records("orders"), []string{"1.1", "2.1", "3.1"})
	for _, r := range tt.rows {
		require.Contains(t, res.records("orders"), fmt.Sprintf("%d.%d", r.id, r.v))
	}
	require.Equal(t, "130", res.bookmark("orders", "stamp"))

	t.Run("the same versions end it", func(t *testing.T) {
		w := proven(t, 3)
		w.v.on["orders"] = func(c call) (string, error) {
			return fmt.Sprintf(`{"rows":[{"id":1,"v":1,"stamp":101}],"next":"toy://host/orders?n=%d&last=101"}`, c.n), nil
		}
		res := w.run("")
		require.ErrorContains(t, res.result("orders").Err, "brought only rows that were there before")
		require.Len(t, w.v.calls, 4)
		require.Empty(t, res.bookmark("orders", "stamp"))
	})
}

// versions is a stream that is read by row version, sorted, with a proof in the
// link to the next page.
func versions(name string) stream.Stream {
	s := whole(name)
	s.Schema = schemaOf(stamped)
	s.Page = stream.NextLink{Next: "next"}
	s.Cursor = &stream.Cursor{Field: "stamp", From: "since", Sorted: true, Epochs: []string{"_moved"}}
	return s
}

// stamps is a table of n rows with row versions from first on.
func (w *world) stamps(name string, n int, first int64) *table {
	return w.table(name, n, func(tt *table) {
		tt.unit, tt.cursor, tt.sorted, tt.from = stream.Int, "stamp", true, 0
		for i := range tt.rows {
			tt.rows[i].at = first + int64(i)
		}
	})
}

// moved are the partitions 7 and 9 with the value of 7's epoch.
func moved(when string) []stream.Partition {
	parts := numbers("7", "9")
	parts[0].Epochs = []stream.Param{{Name: "_moved", Value: when}}
	parts[1].Epochs = []stream.Param{{Name: "_moved", Value: `""`}}
	return parts
}

func TestEpochs(t *testing.T) {
	begin := func(t *testing.T) (*world, string) {
		w := divided(t, moved(`"a"`), versions("orders"))
		w.stamps("d/7/orders", 7, 101)
		w.stamps("d/9/orders", 4, 201)
		res := w.good("")
		require.Equal(t, `{"bookmarks":{"orders":{"partitions":{"7":{"_moved":"a","stamp":107},"9":{"_moved":"","stamp":204}}}},"currently_syncing":null}`, res.state())
		return w, res.state()
	}
	t.Run("unchanged", func(t *testing.T) {
		w, state := begin(t)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, state, res.state())
	})
	t.Run("escaped by another program", func(t *testing.T) {
		w, _ := begin(t)
		w.divisions(moved(`"/Date(1)/"`)...)
		res := w.good(`{"bookmarks":{"orders":{"partitions":{"7":{"_moved":"\/Date(1)\/","stamp":107}}}}}`)
		require.Equal(t, []string{"7/7.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"))
	})
	t.Run("changed", func(t *testing.T) {
		for _, concurrency := range []int{1, 4} {
			w, state := begin(t)
			w.Concurrency = concurrency
			w.divisions(moved(`"b"`)...)
			w.stamps("d/7/orders", 7, 11)
			res := w.told(strings.Replace(state, `"_moved":"a"`, `"_deleted":90,"_moved":"a"`, 1))
			require.Equal(t, append([]string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/5.1", "7/6.1", "7/7.1"}, "9/4.1"), res.at("orders"))
			require.Equal(t, "17", res.bookmark("orders", "partitions", "7", "stamp"), "lower than it was")
			require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
			require.Equal(t, "null", res.bookmark("orders", "partitions", "7", "_deleted"), "nothing of the old entry is left")
			require.Equal(t, "204", res.bookmark("orders", "partitions", "9", "stamp"))
			require.Zero(t, w.warnings())
			require.Equal(t, 1, strings.Count(w.log.String(), "the bookmark means nothing any more"))
			require.Contains(t, w.log.String(), "division=7 because=_moved was=a is=b")
			require.Equal(t, []string{"7/7.1", "9/4.1"}, w.good(res.state()).at("orders"))
		}
	})
	t.Run("first set", func(t *testing.T) {
		w, state := begin(t)
		parts := moved(`"a"`)
		parts[1].Epochs[0].Value = `"2026-01-01"`
		w.divisions(parts...)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/1.1", "9/2.1", "9/3.1", "9/4.1"}, res.at("orders"), "what was empty has changed")
	})
	t.Run("changed, and no row comes", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.v.tables["d/7/orders"].rows = nil
		res := w.good(state)
		require.Equal(t, "null", res.bookmark("orders", "partitions", "7", "stamp"))
		require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
		w.stamps("d/7/orders", 1, 3)
		require.Equal(t, []string{"7/1.1", "9/4.1"}, w.good(res.state()).at("orders"))
	})
	t.Run("interrupted before the first checkpoint", func(t *testing.T) {
		for _, page := range []string{"", "2"} {
			w, state := begin(t)
			w.divisions(moved(`"b"`)...)
			w.stamps("d/7/orders", 7, 11)
			w.v.before = func(c call) error {
				if c.path == "d/7/orders" && c.get("page") == page {
					return &fault.Error{Kind: fault.Transient, Err: errors.New("no")}
				}
				return nil
			}
			res := w.run(state)
			if page == "" {
				require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"))
				require.Equal(t, "107", res.bookmark("orders", "partitions", "7", "stamp"))
			} else {
				require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
				require.Equal(t, "12", res.bookmark("orders", "partitions", "7", "stamp"), "the first page but one row")
			}
			for _, m := range res.lines { // never the old bookmark with the new epoch, nor the new one with the old
				if m.Type == "STATE" {
					epoch, stamp := dig(t, string(m.Value), "bookmarks", "orders", "partitions", "7", "_moved"), dig(t, string(m.Value), "bookmarks", "orders", "partitions", "7", "stamp")
					require.Equal(t, epoch == "a", stamp == "107", "%s", m.raw)
				}
			}
			w.v.before = nil
			rest := w.good(res.state())
			require.Subset(t, append(rest.at("orders"), res.at("orders")...), []string{"7/1.1", "7/2.1", "7/3.1", "7/4.1", "7/5.1", "7/6.1", "7/7.1"})
			if page == "" {
				require.Contains(t, rest.at("orders"), "7/1.1")
			}
			require.Equal(t, "17", rest.bookmark("orders", "partitions", "7", "stamp"))
		}
	})
	t.Run("absent in the state", func(t *testing.T) {
		w, _ := begin(t)
		res := w.good(`{"bookmarks":{"orders":{"partitions":{"7":{"stamp":106},"9":{"stamp":204,"_moved":null}}}}}`)
		require.Equal(t, []string{"7/6.1", "7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"), "taken over")
		require.Zero(t, w.warnings())
	})
	t.Run("not told by the vendor", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(numbers("7", "9")...)
		res := w.good(state)
		require.Equal(t, []string{"7/7.1", "9/4.1"}, res.at("orders"))
		require.Equal(t, "a", res.bookmark("orders", "partitions", "7", "_moved"))
	})
	t.Run("the state is held", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.Since = epoch.AddDate(0, -1, 0)
		res := w.good(state)
		for _, m := range res.lines {
			if m.Type == "STATE" {
				require.JSONEq(t, state, string(m.Value))
			}
		}
	})
	t.Run("read anew in full", func(t *testing.T) {
		w, state := begin(t)
		w.divisions(moved(`"b"`)...)
		w.stamps("d/7/orders", 7, 11)
		w.FullRefresh = []string{"orders"}
		res := w.good(state)
		require.Equal(t, "17", res.bookmark("orders", "partitions", "7", "stamp"))
		require.Equal(t, "b", res.bookmark("orders", "partitions", "7", "_moved"))
	})
}

// Killed at any line of a run in which a partition was moved, nothing is lost.
func TestKilledAfterAMove(t *testing.T) {
	begin := func() (*world, string) {
		w := divided(t, moved(`"a"`), versions("orders"), versions("more"))
		for _, name := range []string{"orders", "more"} {
			w.stamps("d/7/"+name, 8, 101)
			w.stamps("d/9/"+name, 3, 201)
		}
		state := w.good("").state()
		w.divisions(moved(`"b"`)...)
		for _, name := range []string{"orders", "more"} {
			tt := w.stamps("d/7/"+name, 8, 98)
			tt.touch(2, 120) // missed if the old bookmark were held against the new values
		}
		return w, state
	}
	w, state := begin()
	full := w.good(state)
	lines := slices.Collect(strings.Lines(string(full.out)))
	for cut := range lines {
		prefix := read(t, []byte(strings.Join(lines[:cut], "")))
		w, state := begin()
		if s := prefix.state(); s != "" {
			state = s
		}
		rest := w.good(state)
		for _, name := range []string{"orders", "more"} {
			require.Subset(t, append(prefix.at(name), rest.at(name)...), full.at(name), "cut after %d lines", cut)
		}
		require.Equal(t, full.bookmark(), rest.bookmark())
	}
}
