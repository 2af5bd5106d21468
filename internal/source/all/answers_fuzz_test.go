package all_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/budget"
	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	standins "github.com/tap-backoffice/tap-backoffice/internal/emulator/all"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// began is when the runs begin, in virtual time: after all of the stand-ins' data.
var began = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// place is a source, its stand-in, and the tap's config for it.
type place struct {
	src    *stream.Source // with the streams that discovery found
	bare   *stream.Source // without them
	server *emulator.Server
	store  string
	pace   bool
	config *config.Loaded
	kinds  []*stream.Stream
}

// open opens the stand-in of a source, by the clock of the caller.
func open(t testing.TB, src *stream.Source, dir string, pace bool) *place {
	t.Helper()
	plugins := standins.Plugins()
	p := &place{store: filepath.Join(dir, "tokens.json"), pace: pace}
	var err error
	p.server, err = emulator.New(emulator.Options{Records: 2, Seed: 1, Limits: "off"}, plugins[slices.IndexFunc(plugins, func(p emulator.Plugin) bool { return p.Name == src.Name })])
	require.NoError(t, err)
	values, err := p.server.Config(src.Name, "http://127.0.0.1:1")
	require.NoError(t, err)
	maps.Copy(values, map[string]any{"token_store": p.store, "start_date": "2017-01-01", "date_window_size": 3650})
	text, err := json.Marshal(values)
	require.NoError(t, err)
	path := filepath.Join(dir, "config.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	raw, err := config.Read([]string{path}, nil)
	require.NoError(t, err)
	p.config, err = raw.Check(src)
	require.NoError(t, err)
	p.bare = src.For(p.config.Stream)
	p.src = p.bare
	if src.Discover != nil {
		client := p.client(t, p.server.Transport())
		defer client.Close()
		more, err := p.bare.Discover(context.Background(), client, p.config.Stream, nil)
		require.NoError(t, err)
		p.src = p.bare.Finding(more)
	}
	p.kinds = p.targets()
	return p
}

func (p *place) client(t testing.TB, network http.RoundTripper) *httpx.Client {
	t.Helper()
	opt := httpx.Options{
		Source: p.bare, Config: p.config.Stream, APIURL: p.config.APIURL,
		MaxRetries: 1, Secrets: p.config.Secrets(), Transport: network, Rand: func() float64 { return 0.5 },
	}
	if p.pace {
		opt.Budget = budget.New(p.bare.Limits, budget.Options{Config: p.config.Stream})
	}
	var err error
	opt.Auth, err = httpx.Authenticator(opt, auth.OAuthOptions{Lookup: p.config.Secret, Store: p.config.TokenStore})
	require.NoError(t, err)
	client, err := httpx.New(opt)
	require.NoError(t, err)
	return client
}

// tasks select a stream with all that it has.
func tasks(t testing.TB, src *stream.Source, st *stream.Stream) []engine.Task {
	t.Helper()
	catalog, err := engine.Catalog(src, []stream.Stream{*st})
	require.NoError(t, err)
	patterns, err := singer.ParsePatterns([]string{st.Name})
	require.NoError(t, err)
	require.Empty(t, patterns.Apply(catalog))
	return engine.Tasks(catalog, src.Streams, false)
}

// spoiled is an answer that a vendor might give in place of the right one.
type spoiled struct {
	status int
	header string // name: value
	body   []byte
}

func (s spoiled) answer(r *http.Request) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	if name, value, ok := strings.Cut(s.header, ":"); ok {
		h.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return &http.Response{
		StatusCode: s.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: int64(len(s.body)), Request: r,
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// marked tells the network that this request gets the spoiled answer.
type marked struct{}

// fetcher counts what the engine asks for.
type fetcher struct {
	stream.Fetcher
	mu               sync.Mutex // discovery asks side by side
	nth, asked, most int
	forever          bool // all answers from the nth on
	hit              *stream.Request
	stop             context.CancelCauseFunc
}

var errEndless = &fault.Error{Kind: fault.Internal, Whole: true, Op: "endless"}

func (f *fetcher) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	f.mu.Lock()
	f.asked++
	if f.asked > f.most {
		f.mu.Unlock()
		f.stop(errEndless)
		return nil, errEndless
	}
	if f.asked-1 == f.nth || f.forever && f.asked > f.nth {
		if f.hit == nil {
			f.hit = req
		}
		ctx = context.WithValue(ctx, marked{}, true)
	}
	f.mu.Unlock()
	return f.Fetcher.Fetch(ctx, req)
}

// outcome is what a run with a spoiled answer left behind.
type outcome struct {
	place  *place
	stream *stream.Stream
	report *engine.Report
	text   []byte
	hit    *stream.Request // which got the answer; nil: none was asked for
	asked  int
}

// run reads one stream, and gives a spoiled answer to the nth request.
func (p *place) run(t *testing.T, st *stream.Stream, nth int, forever, discover bool, s spoiled) *outcome {
	t.Helper()
	o := &outcome{place: p, stream: st}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(began))
		inner := p.server.Transport()
		client := p.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Context().Value(marked{}) != nil && s.status > 0 {
				return s.answer(r), nil
			}
			return inner.RoundTrip(r)
		}))
		defer client.Close()
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		f := &fetcher{Fetcher: client, nth: nth, forever: forever, most: 2000 + 20*len(s.body), stop: stop}
		defer func() { o.hit, o.asked = f.hit, f.asked }()
		src := p.src
		if discover && p.bare.Discover != nil {
			more, err := p.bare.Discover(ctx, f, p.config.Stream, nil)
			if err != nil {
				o.report = &engine.Report{Err: err}
				return
			}
			src = p.bare.Finding(more)
			found := src.Stream(st.Name)
			if found == nil {
				o.report = &engine.Report{}
				return
			}
			st = found
		}
		o.stream = st
		state, err := singer.LoadState(nil)
		require.NoError(t, err)
		var out bytes.Buffer
		o.report = engine.Run(ctx, engine.Options{
			Source: src, Config: p.config.Stream, Tasks: tasks(t, src, st), State: state, Fetcher: f,
			Out: singer.NewWriter(&out), Log: slog.New(slog.DiscardHandler), Concurrency: 1,
			Start: p.config.Start, Window: p.config.WindowDays, Lookback: p.config.Lookback,
		})
		o.text = out.Bytes()
		stop(nil)
		time.Sleep(2 * time.Minute) // a goroutine that stays fails the bubble
	})
	return o
}

// failure is what ended the run or its stream, nil for a complete one.
func (o *outcome) failure() error {
	err := o.report.Err
	for _, r := range o.report.Streams {
		if err == nil {
			err = r.Err
		}
		if err == nil && len(r.Refused) > 0 {
			err = fault.New(fault.Permission, "refused: "+strings.Join(r.Refused, ", "), "")
		}
	}
	return err
}

// targets are streams of every kind of paging and of answer.
func (p *place) targets() []*stream.Stream {
	var out []*stream.Stream
	seen := map[string]bool{}
	for i := range p.src.Streams {
		st := &p.src.Streams[i]
		// Streams of one look are read by the same code.
		look := fmt.Sprintf("%T %s %s %s %v %v %v %v %v %v", st.Page, st.Records, st.Scope, st.Method, st.Cursor != nil, st.Parent != nil, st.With != nil, st.Job != nil, st.Chunked != nil, st.Scalar != "")
		if seen[look] && len(out) > 0 {
			continue
		}
		seen[look] = true
		out = append(out, st)
	}
	return out
}

// record notes the bodies of a good run.
func (p *place) record(t testing.TB, st *stream.Stream) (bodies [][]byte) {
	t.Helper()
	inner := p.server.Transport()
	client := p.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := inner.RoundTrip(r)
		if err == nil && r.Context().Value(marked{}) != nil {
			body, rerr := io.ReadAll(resp.Body)
			require.NoError(t, rerr)
			_ = resp.Body.Close()
			bodies = append(bodies, body)
			resp.Body = io.NopCloser(bytes.NewReader(body))
		}
		return resp, err
	}))
	defer client.Close()
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	state, err := singer.LoadState(nil)
	require.NoError(t, err)
	engine.Run(ctx, engine.Options{
		Source: p.src, Config: p.config.Stream, Tasks: tasks(t, p.src, st), State: state,
		Fetcher: &fetcher{Fetcher: client, forever: true, most: 3, stop: stop},
		Out:     singer.NewWriter(io.Discard), Log: slog.New(slog.DiscardHandler), Concurrency: 1,
		Start: p.config.Start, Window: p.config.WindowDays, Lookback: p.config.Lookback,
	})
	return bodies
}

// FuzzAnswers gives any answer in place of one that a stand-in gave, to one request
// of a run or to all from there on: nothing panics or goes on for ever, what is
// written loads everywhere, what is no JSON is a failure, and no row of a whole
// answer is lost.
func FuzzAnswers(f *testing.F) {
	sources := all.Sources()
	for i, src := range sources {
		p := open(f, src, f.TempDir(), false)
		for k, st := range p.kinds {
			if sitetest.Brief() && k%4 != 0 {
				continue
			}
			if st.Job != nil || st.Roads != nil {
				continue // they take their time, which is the machine's here
			}
			for n, body := range p.record(f, st) {
				f.Add(byte(i), uint16(k), byte(n), uint16(200), "", body)
			}
		}
		for k, status := range []uint16{4, 102, 201, 203, 204, 229, 300} { // more than 200
			f.Add(byte(i), uint16(0), byte(k&1), status, "Retry-After: 3", []byte(`{"error":"x"}`))
			f.Add(byte(i), uint16(0), byte(k&1|16), status, "", []byte(`{"code":"PAGINATION_LIMIT_EXCEEDED"}`))
		}
	}
	dir := f.TempDir()
	opened := make([]*place, len(sources))
	f.Fuzz(func(t *testing.T, source byte, which uint16, nth byte, status uint16, header string, body []byte) {
		i := int(source) % len(sources)
		if len(body) > 1<<16 || strings.ContainsFunc(header, func(c rune) bool { return c < ' ' || c > '~' }) {
			return
		}
		if opened[i] == nil {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(began))
				at := filepath.Join(dir, sources[i].Name)
				require.NoError(t, os.MkdirAll(at, 0o700))
				opened[i] = open(t, sources[i], at, true)
			})
		}
		p := opened[i]
		st := p.kinds[int(which)%len(p.kinds)]
		s := spoiled{status: 200 + int(status)%400, header: header, body: body}
		if status == 200 {
			s.status = 200
		}
		o := p.run(t, st, int(nth&7), nth&8 != 0, nth&16 != 0, s)
		o.check(t, s)
	})
}

// check is what holds after every run.
func (o *outcome) check(t *testing.T, s spoiled) {
	t.Helper()
	err := o.failure()
	require.NotErrorIs(t, err, errEndless, "%d requests", o.asked)
	if err != nil {
		require.NotEqual(t, fault.Internal, fault.KindOf(err), "%s: %s %+v: %v", o.place.src.Name, o.stream.Name, o.hit, err)
	}
	if o.text == nil {
		return
	}
	report, lerr := singer.Lint(bytes.NewReader(o.text))
	require.NoError(t, lerr)
	require.True(t, report.OK(), "%s", report.AppendText(nil))
	if o.hit == nil || o.hit.File || o.hit.Resource != o.stream.Name || s.status != http.StatusOK || o.stream.Scalar != "" {
		return
	}
	if !json.Valid(bytes.TrimPrefix(s.body, []byte("\ufeff"))) {
		require.Error(t, err, "an answer that is no JSON")
	}
	if err == nil {
		o.keepsAll(t, s.body)
	}
}

// keepsAll wants a record for each row whose key needs no conversion.
func (o *outcome) keepsAll(t *testing.T, body []byte) {
	t.Helper()
	keys := map[string]bool{}
	for line := range bytes.Lines(o.text) {
		var m struct {
			Type, Stream string
			Record       map[string]json.RawMessage
		}
		require.NoError(t, json.Unmarshal(line, &m))
		if m.Type == "RECORD" && m.Stream == o.stream.Name {
			key, _ := o.key(m.Record)
			keys[key] = true
		}
	}
	for _, row := range rowsAt(body, o.stream.Records) {
		if key, plain := o.key(row); plain && o.due(row) {
			require.True(t, keys[key], "the row with the key %s is lost", key)
		}
	}
}

// due tells whether a row lies for certain within what is read.
func (o *outcome) due(row map[string]json.RawMessage) bool {
	c := o.stream.Cursor
	if c == nil || string(row[c.Field]) == "null" {
		return true
	}
	at, err := time.Parse(`"`+time.RFC3339+`"`, string(row[c.Field]))
	return err == nil && at.After(o.place.config.Start.AddDate(0, 0, 2)) && at.Before(began.AddDate(0, 0, -2))
}

// key are the vendor's members of a row's key, and whether all are of a form that
// no rule changes.
func (o *outcome) key(row map[string]json.RawMessage) (key string, plain bool) {
	plain = true
	for _, name := range o.stream.Key {
		raw := row[name]
		if strings.HasPrefix(name, "_") {
			continue
		}
		text := strings.Trim(string(raw), `"`)
		plain = plain && simple.MatchString(text) && (len(raw) == len(text) || len(raw) == len(text)+2)
		key += "|" + text
	}
	return key, plain && key != ""
}

var simple = regexp.MustCompile(`^([1-9][0-9]{0,14}|[a-z][a-z0-9-]*)$`)

// rowsAt are the rows of an answer as encoding/json finds them.
func rowsAt(body []byte, path string) []map[string]json.RawMessage {
	at := json.RawMessage(body)
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			break
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(at, &members) != nil {
			return nil
		}
		at = members[name]
	}
	var rows []map[string]json.RawMessage
	if json.Unmarshal(at, &rows) != nil {
		return nil
	}
	return rows
}
