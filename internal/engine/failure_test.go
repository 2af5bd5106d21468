package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// three is three streams of seven rows each.
func three(t *testing.T) *world {
	w := newWorld(t, changing("alpha"), changing("beta"), changing("gamma"))
	for _, name := range []string{"alpha", "beta", "gamma"} {
		w.table(name, 7)
	}
	return w
}

// failing answers the second page of beta's windows from May on with err.
func failing(w *world, err error) {
	w.Window = 30
	w.v.tables["beta"].rows[6].at = day(6, 1)
	w.v.before = func(c call) error {
		if c.path == "beta" && c.get("since") > "2026-05" {
			return err
		}
		return nil
	}
}

func TestOneStreamFails(t *testing.T) {
	for _, concurrency := range []int{1, 4} {
		for _, test := range []struct {
			err     *fault.Error
			skipped bool
		}{
			{&fault.Error{Kind: fault.Contract, Err: errors.New("no")}, false},
			{&fault.Error{Kind: fault.Refused, Status: 400, Err: errors.New("no")}, false},
			{&fault.Error{Kind: fault.Transient, Status: 503, Err: errors.New("no")}, false},
			{&fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}, false}, // its first windows were read
			{&fault.Error{Kind: fault.Refused, Status: 404, Err: errors.New("no")}, false},
			{&fault.Error{Kind: fault.Quota, Err: errors.New("no")}, false},
		} {
			w := three(t)
			w.Concurrency = concurrency
			failing(w, test.err)
			res := w.run("")
			require.NoError(t, res.report.Err)
			require.Len(t, res.report.Streams, 3)
			beta := res.result("beta")
			require.Equal(t, test.err.Kind, fault.KindOf(beta.Err))
			require.EqualError(t, beta.Err, "toy: beta: page 1: no")
			require.Equal(t, test.skipped, beta.Skipped)
			require.False(t, beta.Absent)
			for _, name := range []string{"alpha", "gamma"} {
				require.NoError(t, res.result(name).Err)
				require.Equal(t, ids(7), res.records(name))
				require.Equal(t, "2026-01-08", res.bookmark(name, "modified"))
			}
			require.Equal(t, ids(6), res.records("beta"))
			require.Equal(t, "2026-01-07", res.bookmark("beta", "modified"), "as far as its windows were complete")
			require.Equal(t, "2026-01-07T00:00:00.000000Z", beta.Bookmark)
			require.Contains(t, res.state(), `"currently_syncing":null`)

			w.v.before = nil
			require.Equal(t, []string{"6.1", "7.1"}, w.good(res.state()).records("beta"))
		}
	}
}

// Once a stream has failed, the vendor is not asked for the rest of it.
func TestNoCallsForAFailedStream(t *testing.T) {
	w := three(t)
	w.Window = 1
	w.v.before = func(c call) error {
		if c.path == "beta" {
			return &fault.Error{Kind: fault.Permission, Status: 403, Err: errors.New("no")}
		}
		return nil
	}
	for _, concurrency := range []int{1, 4} {
		w.Concurrency = concurrency
		w.v.calls = nil
		w.run("")
		n := 0
		for _, c := range w.v.calls {
			if c.path == "beta" {
				n++
			}
		}
		require.LessOrEqual(t, n, 3*concurrency, "of 325 windows")
	}
}

func TestAbsentStream(t *testing.T) {
	w := three(t)
	delete(w.v.tables, "beta")
	w.src.Stream("beta").Optional = true
	res := w.run("")
	require.True(t, res.result("beta").Absent)
	require.True(t, res.result("beta").Skipped)
	require.NotContains(t, string(res.out), `"stream":"beta"`)
	require.Empty(t, res.bookmark("beta"))
}

// What concerns the whole run ends it, with a STATE that says where.
func TestWholeRunFails(t *testing.T) {
	for _, err := range []*fault.Error{
		{Kind: fault.Quota, Whole: true, Err: errors.New("no")},
		{Kind: fault.Auth, Err: errors.New("no")},
		{Kind: fault.Config, Whole: true, Err: errors.New("no")},
	} {
		w := three(t)
		failing(w, err)
		res := w.run("")
		require.Equal(t, err.Kind, fault.KindOf(res.report.Err))
		require.EqualError(t, res.report.Err, "toy: beta: page 1: no")
		require.Len(t, res.report.Streams, 2)
		require.Error(t, res.result("beta").Err)
		require.Contains(t, res.state(), `"currently_syncing":"beta"`)
		require.Equal(t, "2026-01-07", res.bookmark("beta", "modified"))
		require.Empty(t, res.records("gamma"))

		w.v.before = nil
		next := w.good(res.state())
		order := []string{}
		for _, s := range next.report.Streams {
			order = append(order, s.Stream)
		}
		require.Equal(t, []string{"beta", "gamma", "alpha"}, order)
		require.Contains(t, next.state(), `"currently_syncing":null`)
		complete(t, w, res, next)
	}
}

// A panic in a hook is a defect, told as one, and nothing more is written.
func TestPanic(t *testing.T) {
	w := three(t)
	w.src.Stream("beta").Convert = map[string]func(dst, raw []byte) ([]byte, bool){"name": func([]byte, []byte) ([]byte, bool) { panic("oops") }}
	res := w.run("")
	require.Equal(t, fault.Internal, fault.KindOf(res.report.Err))
	require.ErrorContains(t, res.report.Err, "panic: oops")
	require.Contains(t, res.state(), `"currently_syncing":"beta"`)
}

// Answers that are not what they should be fail their stream, by name and page.
func TestBrokenAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		spoil   func(body string) string
		message string
		hint    string
	}{
		{"cut", func(b string) string { return b[:len(b)-5] }, "toy: beta: page 2: json: input ended too early at byte", "not the JSON"},
		{"HTML", func(string) string { return "<html>" }, "toy: beta: page 2: json:", "not the JSON"},
		{"nothing", func(string) string { return "" }, "toy: beta: page 2: json: input ended too early", "not the JSON"},
		{"no rows path", func(b string) string { return strings.Replace(b, `"rows"`, `"items"`, 1) }, "toy: beta: page 2: json: rows: found nothing", "another shape"},
		{"an error in its place", func(string) string { return `{"detail":"sorry"}` }, "toy: beta: page 2: json: rows: found nothing", "another shape"},
		{"an object for rows", func(string) string { return `{"rows":{}}` }, "toy: beta: page 2: json: rows: found an object in place of an array", "another shape"},
		{"numbers for rows", func(string) string { return `{"rows":[1]}` }, "toy: beta: page 2: json: rows: found an integer in place of row 1", "another shape"},
		{"rows twice", func(string) string { return `{"rows":[],"rows":[]}` }, "toy: beta: page 2: json: rows: found a second one", "another shape"},
		{"no key", func(b string) string { return strings.Replace(b, `"id":5,`, "", 1) }, `toy: beta: page 2: key "id" is absent (toy://host/beta)`, "the bookmark stays"},
		{"a null key", func(b string) string { return strings.Replace(b, `"id":5`, `"id":null`, 1) }, `toy: beta: page 2: key "id" is null`, "the bookmark stays"},
		{"a member twice", func(b string) string { return strings.Replace(b, `"id":5`, `"id":5,"v":1`, 1) }, `toy: beta: page 2: member "v" comes twice`, "cannot be known"},
		{"a link that is no text", func(b string) string { return strings.Replace(b, `"next":"`, `"next":[],"x":"`, 1) }, "toy: beta: page 2: next is neither text nor a number", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := three(t)
			w.v.spoil = func(c call, body string) string {
				if c.path == "beta" && c.get("page") == "2" {
					return test.spoil(body)
				}
				return body
			}
			res := w.run("")
			require.NoError(t, res.report.Err)
			e := fault.As(res.result("beta").Err)
			require.NotNil(t, e)
			require.Equal(t, fault.Contract, e.Kind)
			require.ErrorContains(t, e, test.message)
			require.Contains(t, e.Hint, test.hint)
			require.Equal(t, "beta", e.Stream)
			require.Empty(t, res.bookmark("beta", "modified"))
			require.Equal(t, ids(3), res.records("beta"), "what came before the broken page")
			require.Equal(t, ids(7), res.records("gamma"))
		})
	}
}

// Pages that never end are left.
func TestEndlessPages(t *testing.T) {
	t.Run("links in a circle", func(t *testing.T) {
		w := three(t)
		w.v.spoil = func(c call, body string) string { return strings.Replace(body, "page=3", "page=2", 1) }
		require.ErrorContains(t, w.run(known).result("beta").Err, "toy: beta: page 2: ")
		w.v.spoil = func(c call, body string) string { return strings.Replace(body, "page=3", "page=1", 1) }
		require.ErrorContains(t, w.run(known).result("beta").Err, "the pages lead in a circle")
	})
	t.Run("which page is asked for is ignored", func(t *testing.T) {
		for _, p := range []stream.Pager{
			stream.Offset{Param: "offset", Size: 3, UntilEmpty: true},
			stream.Number{Param: "page", Size: 3},
			stream.Keyset{Param: "after", Field: "id", Size: 3},
			stream.Token{Param: "token", Token: "page.token"},
		} {
			w := newWorld(t, whole("orders"))
			w.src.Streams[0].Page = p
			w.table("orders", 7, func(tt *table) { tt.samePage = true })
			res := w.run("")
			require.Equal(t, fault.Contract, fault.KindOf(res.result("orders").Err))
			require.LessOrEqual(t, len(w.v.calls), 5)
		}
	})
	t.Run("more without a token", func(t *testing.T) {
		w := newWorld(t, whole("orders"))
		w.src.Streams[0].Page = stream.Token{Param: "token", Token: "page.token", More: "more"}
		w.table("orders", 7)
		w.v.spoil = func(c call, body string) string { return strings.Replace(body, `"token":"t6"`, `"token":null`, 1) }
		require.ErrorContains(t, w.run("").result("orders").Err, "more is true, but there is no page.token")
	})
}

func TestSkipParentWithoutParent(t *testing.T) {
	w := three(t)
	w.v.before = func(call) error { return stream.SkipParent }
	require.Equal(t, fault.Contract, fault.KindOf(w.run("").result("alpha").Err), "never an empty success")
}

// closing is stdout whose reader goes away.
type closing struct{ left int }

func (c *closing) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestStdoutCloses(t *testing.T) {
	w := everything(t)
	size := len(w.good("").out)
	for left := 0; left < size; left += size / 23 {
		w := everything(t)
		w.Concurrency = 3
		o := w.options("")
		o.Out = singer.NewWriter(&closing{left})
		rep := Run(t.Context(), o)
		require.Equal(t, fault.Output, fault.KindOf(rep.Err))
		require.ErrorIs(t, rep.Err, io.ErrClosedPipe)
		require.Zero(t, w.v.open)
	}
}

// watching notes what an Observer is told.
type watching struct {
	told  []string
	wrote int64
}

func (w *watching) Begin(name string)                 { w.told = append(w.told, "begin "+name) }
func (w *watching) Wrote(_ string, n int64, _ string) { w.wrote += n }
func (w *watching) End(r Result)                      { w.told = append(w.told, "end "+r.Stream) }

func TestObserver(t *testing.T) {
	w := three(t)
	seen := &watching{}
	w.Observe = seen
	res := w.good(`{"bookmarks":{"beta":{"modified":"2026-01-05T00:00:00Z"}}}`)
	require.Equal(t, []string{"begin alpha", "end alpha", "begin beta", "end beta", "begin gamma", "end gamma"}, seen.told)
	require.Equal(t, int64(7+4+7), seen.wrote)
	require.Equal(t, int64(4), res.result("beta").Records)
	require.Equal(t, "2026-01-05T00:00:00.000000Z", res.result("beta").Resumed)
	var bytes int64
	for _, m := range res.lines {
		if m.Type == "RECORD" && m.Stream == "beta" {
			bytes += int64(len(m.raw))
		}
	}
	require.Equal(t, bytes, res.result("beta").Bytes)
}

func TestUnknownParent(t *testing.T) {
	s := whole("lines")
	s.Parent = &stream.Parent{Stream: "orders", Bind: []stream.Bind{{From: "id", To: "order"}}}
	w := newWorld(t, s)
	require.ErrorContains(t, w.run("").report.Err, `no stream "orders"`)
}

func TestCatalogWithoutReplicationKey(t *testing.T) {
	w := three(t)
	var out bytes.Buffer
	o := w.options("")
	o.Out = singer.NewWriter(&out)
	o.Tasks[1].Schema = o.Tasks[1].Schema.Select(func(name string) bool { return name != "modified" })
	rep := Run(context.Background(), o)
	require.Equal(t, fault.Config, fault.KindOf(rep.Err))
	require.Zero(t, out.Len())
}

func TestRotate(t *testing.T) {
	of := func(name string, up *reader) *reader { return &reader{s: &stream.Stream{Name: name}, up: up} }
	a, b := of("a", nil), of("b", nil)
	c := of("c", a)
	d := of("d", nil)
	e := of("e", c)
	for interrupted, want := range map[string]string{
		"": "a c e b d", "a": "a c e b d", "c": "a c e b d", "e": "a c e b d", "b": "b d a c e", "d": "d a c e b", "gone": "a c e b d",
	} {
		names := []string{}
		for _, rd := range rotate([]*reader{a, b, c, d, e}, interrupted) {
			names = append(names, rd.s.Name)
		}
		require.Equal(t, want, strings.Join(names, " "), interrupted)
	}
	require.Empty(t, rotate(nil, "a"))
}

// Schemas writes nothing but SCHEMA between two STATE messages, and asks nothing.
func TestSchemas(t *testing.T) {
	w := everything(t).unselect("orders")
	for _, state := range []string{"", `{"bookmarks":{"events":{"modified":"2026-02-01T00:00:00Z"}}}`} {
		var out bytes.Buffer
		o := w.options(state)
		o.Out, o.Now = singer.NewWriter(&out), nil
		require.NoError(t, Schemas(o))
		res := read(t, out.Bytes())
		res.lint(false)
		names := []string{}
		for _, m := range res.lines {
			names = append(names, strings.TrimSpace(m.Type+" "+m.Stream))
		}
		slices.Sort(names)
		require.Equal(t, []string{
			"SCHEMA countries", "SCHEMA entries", "SCHEMA events", "SCHEMA invoice_lines", "SCHEMA invoices", "SCHEMA lines", "SCHEMA taxes", "STATE", "STATE",
		}, names)
		require.Empty(t, w.v.calls)
	}
}

func TestCheck(t *testing.T) {
	w := everything(t)
	w.src.Probe = "countries"
	w.src.Streams = append(w.src.Streams, wide(5))
	w.src.Streams[len(w.src.Streams)-1].Name = "wide"
	absent := whole("absent")
	absent.Optional = true
	w.src.Streams = append(w.src.Streams, absent)
	w.v.before = func(c call) error {
		if c.path == "events" {
			return &fault.Error{Kind: fault.Permission, Err: errors.New("not yours")}
		}
		return nil
	}
	got, err := Check(t.Context(), w.src, w.Config, w.v, time.Time{}, w.src.Streams)
	require.NoError(t, err)
	found := map[string]int64{}
	for _, c := range got {
		switch c.Stream {
		case "events":
			require.ErrorContains(t, c.Err, "not yours")
		case "absent":
			require.ErrorIs(t, c.Err, ErrAbsent)
		default:
			require.NoError(t, c.Err)
			found[c.Stream] = c.Rows
		}
	}
	require.Equal(t, map[string]int64{"orders": 12, "countries": 8, "entries": 5, "invoices": 9, "wide": 12}, found)
	require.Equal(t, "countries", w.v.calls[0].path, "the probe comes first")
	require.Zero(t, w.v.open)

	w.v.before = func(c call) error { return &fault.Error{Kind: fault.Transient, Err: errors.New("down")} }
	_, err = Check(t.Context(), w.src, w.Config, w.v, time.Time{}, w.src.Streams)
	require.EqualError(t, err, "toy: down")
	w.v.before = nil
	w.v.spoil = func(call, string) string { return `{"error":1}` }
	_, err = Check(t.Context(), w.src, w.Config, w.v, time.Time{}, w.src.Streams)
	require.Equal(t, fault.Contract, fault.KindOf(err))
}
