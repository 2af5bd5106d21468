package stream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func properties(pairs ...string) *singer.Schema {
	s := &singer.Schema{Type: "object"}
	for i := 0; i < len(pairs); i += 2 {
		p := &singer.Schema{Type: pairs[i+1], Nullable: true}
		if strings.HasPrefix(p.Type, "date") {
			p.Type, p.Format = "string", p.Type
		}
		s.Properties = append(s.Properties, singer.Property{Name: pairs[i], Schema: p})
	}
	return s
}

// good is a table with one of everything.
func good() *stream.Source {
	lines := func() *singer.Schema {
		return properties("_division", "integer", "id", "integer", "order_id", "integer", "name", "string", "modified", "date-time", "extra", "object")
	}
	link := stream.NextLink{Next: "next", Total: "count"}
	return &stream.Source{
		Name: "toy", Doc: "https://example.test", Base: "/{account}/v1/", Probe: "orders",
		Settings: []stream.Setting{{Key: "account"}, {Key: "size"}, {Key: "token", Kind: stream.Secret}},
		Origin:   func(stream.Config) string { return "https://example.test" },
		Scopes: map[string]stream.Scope{"division": {
			Inject: []string{"_division"},
			Expand: func(context.Context, stream.Fetcher, stream.Config) ([]stream.Partition, error) { return nil, nil },
		}},
		Streams: []stream.Stream{
			{
				Name: "orders", Doc: "d", Schema: lines(), Path: "{account}/orders", Records: "rows", Key: []string{"id"}, Page: link,
				Params: []stream.Param{{Name: "size", Value: "{size}"}, {Name: "filter", Value: "{^2026-01-01}"}, {Name: "sort", Value: `{"a":"ASC"}`}},
				Cursor: &stream.Cursor{Field: "modified", From: "since", To: "until", MaxRows: 9, Sparse: true, Front: []stream.Param{{Name: "sort"}}},
				Hidden: []string{"name"}, Trim: []string{"name"}, Ignore: []string{"row"},
				Convert: map[string]func(dst, raw []byte) ([]byte, bool){"name": nil},
			},
			{
				Name: "lines", Doc: "d", Schema: lines(), Path: "orders/{order}/lines", Records: "rows", Key: []string{"order_id", "id"}, Page: stream.Single{},
				Parent: &stream.Parent{Stream: "orders", Changed: true, Bind: []stream.Bind{{From: "id", To: "order", Inject: "order_id"}}},
			},
			{
				Name: "extras", Doc: "d", Schema: lines(), Records: "extras", Key: []string{"id"}, Cursor: &stream.Cursor{Field: "modified"},
				With: &stream.With{Stream: "orders", On: "row", From: "row", Inject: []stream.Bind{{From: "id", Inject: "order_id"}}},
			},
			{
				Name: "entries", Doc: "d", Schema: lines(), Path: "{partition}/{year}/entries", Records: "rows", Key: []string{"_division", "id"},
				Scope: "division", Page: stream.Token{Param: "token", Token: "info.token"}, Cursor: &stream.Cursor{Field: "id", From: "since", Sorted: true},
				Chunked: &stream.Chunked{Param: "fields", Max: 3, Always: []string{"id", "modified"}, Key: "id", IDs: "ids", MaxIDs: 100},
			},
			{
				Name: "files", Doc: "d", Schema: lines(), Key: []string{"id"},
				Job: &stream.Job{
					Create: func(stream.Read) (*stream.Request, error) { return nil, nil },
					Poll:   func(*stream.Response) (stream.Step, error) { return stream.Step{}, nil },
				},
			},
		},
	}
}

func schemaOf(s *stream.Stream) (*singer.Schema, error) {
	if s.Schema == nil {
		return nil, errors.New("no such file")
	}
	return s.Schema, nil
}

func TestValidate(t *testing.T) {
	require.Empty(t, good().Validate(schemaOf))
	const orders, lines, extras, entries, files = 0, 1, 2, 3, 4
	at := func(i int, change func(s *stream.Stream)) func(*stream.Source) {
		return func(src *stream.Source) { change(&src.Streams[i]) }
	}
	page := func(p stream.Pager) func(*stream.Source) {
		return at(lines, func(s *stream.Stream) { s.Page = p })
	}
	drifting := func(change func(s *stream.Stream)) func(*stream.Source) {
		return at(entries, func(s *stream.Stream) {
			s.Cursor = &stream.Cursor{Field: "modified", From: "since", Sorted: true, Margin: time.Second, Drift: &stream.Drift{Pages: 1}}
			change(s)
		})
	}
	src := good()
	drifting(func(*stream.Stream) {})(src)
	require.Empty(t, src.Validate(schemaOf))
	const drift = "toy: entries: Drift needs Pages, pages by Token, and a Cursor that is Sorted, without Proof, and filters from below alone"
	for _, change := range []func(s *stream.Stream){
		func(s *stream.Stream) { s.Cursor.Drift.Pages = 0 },
		func(s *stream.Stream) { s.Cursor.Sorted = false },
		func(s *stream.Stream) { s.Page = stream.NextLink{Next: "next"} },
		func(s *stream.Stream) { s.Cursor.From, s.Cursor.Margin = "", 0 },
	} {
		src := good()
		drifting(change)(src)
		require.Equal(t, []string{drift}, src.Validate(schemaOf))
	}
	for finding, spoil := range map[string]func(*stream.Source){
		"toy: has no Origin":                                                   func(s *stream.Source) { s.Origin = nil },
		"toy: has no Doc":                                                      func(s *stream.Source) { s.Doc = "" },
		`toy: Base "v1/" has no slash at both ends`:                            func(s *stream.Source) { s.Base = "v1/" },
		`toy: Base "/v1" has no slash at both ends`:                            func(s *stream.Source) { s.Base = "/v1" },
		"toy: {tenant} of Base is no setting":                                  func(s *stream.Source) { s.Base = "/{tenant}/" },
		"toy: {token} of Base is no setting":                                   func(s *stream.Source) { s.Base = "/{token}/" },
		"toy: Probe names no stream: order":                                    func(s *stream.Source) { s.Probe = "order" },
		"toy: setting size is there twice":                                     func(s *stream.Source) { s.Settings[0].Key = "size"; s.Base = "/"; s.Streams[0].Path = "" },
		"toy: files: has no Doc":                                               at(files, func(s *stream.Stream) { s.Doc = "" }),
		"toy: files: has no schema: no such file":                              at(files, func(s *stream.Stream) { s.Schema = nil }),
		"toy: files: has no Key":                                               at(files, func(s *stream.Stream) { s.Key = nil }),
		`toy: files: key "no" is no property`:                                  at(files, func(s *stream.Stream) { s.Key = []string{"no"} }),
		`toy: files: key "id" is there twice`:                                  at(files, func(s *stream.Stream) { s.Key = []string{"id", "id"} }),
		`toy: files: key "extra" is no scalar`:                                 at(files, func(s *stream.Stream) { s.Key = []string{"extra"} }),
		`toy: orders: replication key "no" is no property`:                     at(orders, func(s *stream.Stream) { s.Cursor.Field = "no" }),
		`toy: orders: replication key "name" is no date-time, date or integer`: at(orders, func(s *stream.Stream) { s.Cursor.Field = "name"; s.Hidden = nil }),
		"toy: entries: an integer has no Layout":                               at(entries, func(s *stream.Stream) { s.Cursor.Layout = "2006" }),
		`toy: entries: injected "_division" is no property`:                    at(entries, func(s *stream.Stream) { s.Schema = properties("id", "integer"); s.Key = s.Key[1:] }),
		`toy: lines: injected "no" is no property`:                             at(lines, func(s *stream.Stream) { s.Parent.Bind[0].Inject = "no" }),
		`toy: extras: injected "no" is no property`:                            at(extras, func(s *stream.Stream) { s.With.Inject[0].Inject = "no" }),
		`toy: orders: hidden "no" is no property`:                              at(orders, func(s *stream.Stream) { s.Hidden = []string{"no"} }),
		`toy: orders: "modified" cannot be hidden, it is always emitted`:       at(orders, func(s *stream.Stream) { s.Hidden = []string{"modified"} }),
		`toy: orders: "id" cannot be hidden, it is always emitted`:             at(orders, func(s *stream.Stream) { s.Hidden = []string{"id"} }),
		`toy: orders: trimmed "no" is no property`:                             at(orders, func(s *stream.Stream) { s.Trim = []string{"no"} }),
		`toy: orders: "name" is ignored, but a property`:                       at(orders, func(s *stream.Stream) { s.Ignore = []string{"name"} }),
		`toy: orders: converted "no" is no property`:                           at(orders, func(s *stream.Stream) { s.Convert["no"] = nil }),
		"toy: files: Scope company is none of the source's":                    at(files, func(s *stream.Stream) { s.Scope = "company" }),

		"toy: lines: has both Parent and With":                   at(lines, func(s *stream.Stream) { s.With = &stream.With{Stream: "orders"} }),
		"toy: lines: needs order, which is no stream":            at(lines, func(s *stream.Stream) { s.Parent.Stream = "order" }),
		"toy: lines: needs itself":                               at(lines, func(s *stream.Stream) { s.Parent.Stream = "lines" }),
		`toy: lines: Scope "division" is not that of orders, ""`: at(lines, func(s *stream.Stream) { s.Scope = "division" }),
		"toy: lines: Parent binds nothing":                       at(lines, func(s *stream.Stream) { s.Parent.Bind = nil; s.Path = "lines" }),
		"toy: lines: Bind 1 needs From, and To or Inject":        at(lines, func(s *stream.Stream) { s.Parent.Bind[0].From = "" }),
		"toy: lines: nothing uses {order}":                       at(lines, func(s *stream.Stream) { s.Path = "lines" }),
		"toy: lines: Changed needs a replication key of orders":  at(orders, func(s *stream.Stream) { s.Cursor = nil }),

		"toy: extras: rides on extra, which rides itself": func(src *stream.Source) {
			more := src.Streams[extras]
			more.Name, more.Records = "extra", "more"
			src.Streams = append(src.Streams, more)
			src.Streams[extras].With = &stream.With{Stream: "extra"}
		},
		"toy: extras: rides on orders, whose answers are put together": at(orders, func(s *stream.Stream) {
			s.Chunked = &stream.Chunked{Param: "fields", Max: 3, Always: []string{"id"}, Key: "id", IDs: "ids", MaxIDs: 100}
		}),
		"toy: extras: With needs both On and From, or neither":                  at(extras, func(s *stream.Stream) { s.With.From = "" }),
		"toy: extras: With injects only where it joins":                         at(extras, func(s *stream.Stream) { s.With.On, s.With.From = "", "" }),
		"toy: extras: Inject 1 of With needs From and Inject, and no To":        at(extras, func(s *stream.Stream) { s.With.Inject[0].To = "order" }),
		"toy: extras: rides on orders and asks nothing itself":                  at(extras, func(s *stream.Stream) { s.Path = "extras" }),
		"toy: extras: rides on orders, so its Cursor filters and sorts nothing": at(extras, func(s *stream.Stream) { s.Cursor.From = "since" }),
		"toy: extras: its rows lie where those of orders do":                    at(extras, func(s *stream.Stream) { s.Records = "rows" }),

		"toy: orders: {order} of Path is bound by nothing":            at(orders, func(s *stream.Stream) { s.Path = "{order}/orders" }),
		"toy: orders: {token} of Path is bound by nothing":            at(orders, func(s *stream.Stream) { s.Path = "{token}/orders" }),
		"toy: orders: {} of Path is bound by nothing":                 at(orders, func(s *stream.Stream) { s.Path = "{}/orders" }),
		"toy: orders: {partition} of a parameter is bound by nothing": at(orders, func(s *stream.Stream) { s.Params[0].Value = "{partition}" }),

		"toy: orders: Filter and From, To exclude each other": at(orders, func(s *stream.Stream) {
			s.Cursor.Filter = func(stream.Config, string, string) []stream.Param { return nil }
		}),
		"toy: orders: To needs From": at(orders, func(s *stream.Stream) { s.Cursor.From, s.Cursor.Sparse, s.Cursor.Front = "", false, nil }),
		"toy: orders: MaxRows needs both bounds and a pager that tells the total": at(orders, func(s *stream.Stream) { s.Cursor.To = "" }),
		"toy: orders: Sparse needs a filter and a pager that tells the total": at(orders, func(s *stream.Stream) {
			s.Cursor.MaxRows, s.Cursor.Front, s.Page = 0, nil, stream.NextLink{Next: "next"}
		}),
		"toy: orders: Front needs a filter and a pager that tells the total": at(orders, func(s *stream.Stream) {
			s.Cursor.MaxRows, s.Cursor.Sparse, s.Page = 0, false, stream.NextLink{Next: "next"}
		}),

		"toy: lines: has no Page; say Single where one answer holds all rows":        page(nil),
		"toy: files: Job and Page exclude each other":                                at(files, func(s *stream.Stream) { s.Page = stream.Single{} }),
		"toy: files: Job needs Create, and Poll for what it does not answer at once": at(files, func(s *stream.Stream) { s.Job.Create = nil }),
		"toy: lines: Page lacks what it needs: stream.NextLink":                      page(stream.NextLink{}),
		"toy: lines: Page lacks what it needs: stream.Number":                        page(stream.Number{Param: "page"}),
		"toy: lines: Page lacks what it needs: stream.Offset":                        page(stream.Offset{Size: 5}),
		"toy: lines: Page lacks what it needs: stream.Token":                         page(stream.Token{Param: "t"}),
		"toy: lines: Page lacks what it needs: stream.Keyset":                        page(stream.Keyset{Param: "k", Size: 5}),

		"toy: entries: Chunked and Job exclude each other": at(entries, func(s *stream.Stream) {
			s.Job, s.Page = good().Streams[files].Job, nil
		}),
		"toy: entries: Chunked needs Param, Key, IDs and MaxIDs":        at(entries, func(s *stream.Stream) { s.Chunked.MaxIDs = 0 }),
		"toy: entries: Chunked leaves no room beside Always":            at(entries, func(s *stream.Stream) { s.Chunked.Max = 2 }),
		"toy: entries: Margin is up to a day, of a Cursor that filters": at(entries, func(s *stream.Stream) { s.Cursor.Margin = -1 }),
		"toy: entries: Drift needs a replication key of type date-time": at(entries, func(s *stream.Stream) {
			s.Cursor.Drift = &stream.Drift{Pages: 1}
		}),
		"toy: entries: Drift needs the replication key in Always": drifting(func(s *stream.Stream) {
			s.Chunked.Always = []string{"id"}
		}),
		drift: drifting(func(s *stream.Stream) { s.Cursor.To = "until" }),
		"toy: extras: rides on orders, of which pages are read more than once": at(orders, func(s *stream.Stream) {
			s.Cursor = &stream.Cursor{Field: "modified", From: "since", Sorted: true, Drift: &stream.Drift{Pages: 1}}
			s.Page = stream.Token{Param: "token", Token: "info.token"}
		}),
		"toy: entries: Always lacks the Key of Chunked": at(entries, func(s *stream.Stream) { s.Chunked.Always = []string{"modified"} }),
	} {
		t.Run(finding, func(t *testing.T) {
			src := good()
			spoil(src)
			require.Equal(t, []string{finding}, src.Validate(schemaOf))
		})
	}
}

func TestValidateNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"invoices": true, "o": true, "appointments__s": true, strings.Repeat("o", 63): true,
		"": false, "Orders": false, "_orders": false, "orders2": false, "my-orders": false, "a.b": false, strings.Repeat("o", 64): false,
	} {
		src := good()
		src.Streams[4].Name = name
		if ok {
			require.Empty(t, src.Validate(schemaOf), name)
		} else {
			require.Equal(t, []string{"toy: " + name + ": the name is not up to 63 of a-z and _, a letter first"}, src.Validate(schemaOf))
		}
	}
	src := good()
	src.Streams[4].Name = "lines"
	require.Equal(t, []string{"toy: lines: the name is there twice"}, src.Validate(schemaOf))
}

// A longer circle of needs ends too.
func TestValidateCircle(t *testing.T) {
	src := good()
	src.Streams[0].Parent = &stream.Parent{Stream: "lines", Bind: []stream.Bind{{From: "id", To: "account"}}}
	require.Contains(t, src.Validate(schemaOf), "toy: orders: needs itself")
	require.Contains(t, src.Validate(schemaOf), "toy: lines: needs itself")
	require.Contains(t, src.Validate(schemaOf), "toy: extras: needs itself")
}

// The tables of all sources are sound.
func TestValidateSources(t *testing.T) {
	for _, src := range all.Sources() {
		found := src.Validate(func(s *stream.Stream) (*singer.Schema, error) { return engine.Schema(src, s) })
		require.Empty(t, found, strings.Join(found, "\n"))
	}
}
