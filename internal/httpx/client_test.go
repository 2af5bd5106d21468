package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tap-backoffice/tap-backoffice/internal/auth"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is an in-memory transport; a real listener hangs in a synctest bubble.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// answer makes a response; headers come in pairs.
func answer(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// cut makes a response whose body breaks off.
func cut(status int, body string) *http.Response {
	r := answer(status, body)
	r.ContentLength++
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), breaks{io.ErrUnexpectedEOF}))
	return r
}

type breaks struct{ err error }

func (b breaks) Read([]byte) (int, error) { return 0, b.err }

// script answers one request after the other, the last answer for good, and
// keeps what was asked and when.
type script struct {
	mu    sync.Mutex
	steps []func(*http.Request) (*http.Response, error)
	asked []asked
	began time.Time
}

type asked struct {
	method, url, body string
	header            http.Header
	at                time.Duration
}

func play(steps ...any) *script {
	s := &script{}
	for _, step := range steps {
		switch step := step.(type) {
		case int:
			s.steps = append(s.steps, func(*http.Request) (*http.Response, error) { return answer(step, `{"detail":"Nope."}`), nil })
		case error:
			s.steps = append(s.steps, func(*http.Request) (*http.Response, error) { return nil, step })
		case string:
			s.steps = append(s.steps, func(*http.Request) (*http.Response, error) { return answer(200, step), nil })
		case func() *http.Response:
			s.steps = append(s.steps, func(*http.Request) (*http.Response, error) { return step(), nil })
		case func(*http.Request) (*http.Response, error):
			s.steps = append(s.steps, step)
		default:
			panic("unknown step")
		}
	}
	return s
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	if s.began.IsZero() {
		s.began = time.Now()
	}
	a := asked{method: r.Method, url: r.URL.String(), header: r.Header.Clone(), at: time.Since(s.began)}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		a.body = string(b)
	}
	s.asked = append(s.asked, a)
	step := s.steps[min(len(s.asked), len(s.steps))-1]
	s.mu.Unlock()
	return step(r)
}

// source is a table with everything that this package looks at.
func source() *stream.Source {
	return &stream.Source{
		Name: "acme",
		Settings: []stream.Setting{
			{Key: "token", Kind: stream.Secret},
			{Key: "subdomain"},
			{Key: "account"},
			{Key: "other"},
		},
		Origin: func(c stream.Config) string { return "https://" + c.Text("subdomain") + ".acme.example" },
		Base:   "/{account}/api/v1.0/",
		Auth:   stream.HeaderAuth{Header: "Authorization", Prefix: "Token ", Key: "token"},
	}
}

var config = stream.NewConfig(map[string]string{"subdomain": "s12", "account": "acme inc", "other": "x"})

const (
	base  = "https://s12.acme.example/acme%20inc/api/v1.0/"
	token = "t0ken/with+odd\"chars"
)

// client makes a client of the table; change alters its options.
func client(t *testing.T, rt http.RoundTripper, change ...func(*Options)) *Client {
	t.Helper()
	src := source()
	a, err := auth.New(src.Auth, func(string) secret.Text { return secret.New(token) })
	require.NoError(t, err)
	opt := Options{Source: src, Config: config, Auth: a, Transport: rt, Rand: func() float64 { return 0.5 }}
	for _, f := range change {
		f(&opt)
	}
	c, err := New(opt)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func classify(f func(*stream.Response) error) func(*Options) {
	return func(o *Options) { o.Source.Classify = f }
}

// refused fetches and expects a fault of that kind that shows no credential.
func refused(t *testing.T, c *Client, url string, kind fault.Kind) *fault.Error {
	t.Helper()
	resp, err := c.Fetch(t.Context(), &stream.Request{URL: url})
	require.Error(t, err)
	require.Nil(t, resp)
	f := fault.As(err)
	require.NotNil(t, f, "%v", err)
	require.Equal(t, kind, f.Kind, "%v", err)
	require.Equal(t, "acme", f.Source)
	require.NotEmpty(t, f.Hint)
	require.NotContains(t, f.Error()+f.Hint, token)
	return f
}

func TestRequestIsBuilt(t *testing.T) {
	two := []stream.Param{{Name: "$filter", Value: "Modified gt datetime'2026-01-01T00:00:00' & x"}, {Name: "b[]", Value: "ä+=#"}}
	const query = "$filter=Modified%20gt%20datetime%272026-01-01T00:00:00%27%20%26%20x&b%5B%5D=%C3%A4%2B%3D%23"
	for _, tc := range []struct {
		name      string
		req       stream.Request
		url, body string
	}{
		{"relative", stream.Request{URL: "contracts/"}, base + "contracts/", ""},
		{"base itself", stream.Request{}, base, ""},
		{"rooted", stream.Request{URL: "/crm/bulk/v8/read/1"}, "https://s12.acme.example/crm/bulk/v8/read/1", ""},
		{"absolute, verbatim", stream.Request{URL: base + "contracts/?modified__gte=2026-11-01T00%3A00%3A00Z&page=2&$skiptoken=guid'a,b'"}, base + "contracts/?modified__gte=2026-11-01T00%3A00%3A00Z&page=2&$skiptoken=guid'a,b'", ""},
		{"absolute, host in upper case with port", stream.Request{URL: "HTTPS://S12.Acme.Example:443/acme%20inc/api/v1.0/x?p=2"}, base + "x?p=2", ""},
		{"absolute, blank in query", stream.Request{URL: base + "x?a=b c&d=é"}, base + "x?a=b%20c&d=%C3%A9", ""},
		{"fragment goes", stream.Request{URL: base + "x?a=b#frag"}, base + "x?a=b", ""},
		{"query in order", stream.Request{URL: "x", Params: two}, base + "x?" + query, ""},
		{"query is kept", stream.Request{URL: "x?a=1", Params: two[:1]}, base + "x?a=1&" + strings.Split(query, "&b")[0], ""},
		{"post", stream.Request{Method: "POST", URL: "x", Params: []stream.Param{
			{Name: "z", Value: "a<b>&\"ä\n"}, {Name: "a", Value: "500", Raw: true}, {Name: "l", Value: `["a"]`, Raw: true},
		}}, base + "x", `{"z":"a<b>&\"ä\n","a":500,"l":["a"]}`},
		{"post without parameters", stream.Request{Method: "post", URL: "x"}, base + "x", "{}"},
		{"places", stream.Request{Method: "POST", URL: "x", Params: []stream.Param{
			{Name: "q", Value: "1", In: stream.InQuery}, {Name: "If-Modified-Since", Value: "then", In: stream.InHeader}, {Name: "b", Value: "2"},
		}}, base + "x?q=1", `{"b":"2"}`},
		{"get with body", stream.Request{URL: "x", Params: []stream.Param{{Name: "b", Value: "2", In: stream.InBody}}}, base + "x", `{"b":"2"}`},
		{"encoded slash in a segment", stream.Request{URL: "x/a%2Fb/"}, base + "x/a%2Fb/", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := play(`{}`)
			resp, err := client(t, s).Fetch(t.Context(), &tc.req)
			require.NoError(t, err)
			got := s.asked[0]
			require.Equal(t, tc.url, got.url)
			require.Equal(t, tc.body, got.body)
			require.Equal(t, "Token "+token, got.header.Get("Authorization"))
			require.Equal(t, "application/json", got.header.Get("Accept"))
			require.Equal(t, "tap-backoffice", got.header.Get("User-Agent"))
			require.NotContains(t, got.header, "Accept-Encoding", "gzip is the transport's")
			if tc.body != "" {
				require.Equal(t, "application/json", got.header.Get("Content-Type"))
			}
			require.NotContains(t, resp.URL, "?")
			resp.Release()
			resp.Release() // twice does no harm
		})
	}
}

func TestHeaderParams(t *testing.T) {
	s := play(`5`)
	c := client(t, s)
	_, err := c.Fetch(t.Context(), &stream.Request{URL: "x/$count", Params: []stream.Param{
		{Name: "Accept", In: stream.InHeader}, {Name: "X-Division", Value: "7", In: stream.InHeader},
	}})
	require.NoError(t, err)
	require.NotContains(t, s.asked[0].header, "Accept")
	require.Equal(t, "7", s.asked[0].header.Get("X-Division"))

	_, err = c.Fetch(t.Context(), &stream.Request{URL: "x", Params: []stream.Param{{Name: "X-A", Value: "a\r\nX-B: c", In: stream.InHeader}}})
	require.Equal(t, fault.Internal, fault.KindOf(err))
	require.Len(t, s.asked, 1)
}

func TestBodyKey(t *testing.T) {
	src := source()
	src.Auth = stream.BasicAuth{User: "u", Password: "p", BodyParam: "api_key", BodyKey: "k"}
	a, err := auth.New(src.Auth, func(k string) secret.Text { return secret.New("value-of-" + k) })
	require.NoError(t, err)
	s := play(`{}`)
	c := client(t, s, func(o *Options) { o.Source, o.Auth = src, a })
	_, err = c.Fetch(t.Context(), &stream.Request{Method: "POST", URL: "x", Params: []stream.Param{
		{Name: "limit", Value: "500", Raw: true}, {Name: "api_key", Value: "of another"},
	}})
	require.NoError(t, err)
	require.JSONEq(t, `{"api_key":"value-of-k","limit":500}`, s.asked[0].body)
	require.True(t, strings.HasPrefix(s.asked[0].body, `{"api_key":`))
	user, password, _ := (&http.Request{Header: s.asked[0].header}).BasicAuth()
	require.Equal(t, "value-of-u value-of-p", user+" "+password)

	_, err = c.Do(t.Context(), &stream.Request{Method: "POST", URL: "x"}, Call{Anonymous: true})
	require.NoError(t, err)
	require.Equal(t, "{}", s.asked[1].body)
	require.NotContains(t, s.asked[1].header, "Authorization")

	_, err = c.Fetch(t.Context(), &stream.Request{Method: "POST", URL: "x", Params: []stream.Param{{Name: "bad", Value: "{", Raw: true}}})
	require.Equal(t, fault.Internal, fault.KindOf(err))
}

func TestResponseIsWhole(t *testing.T) {
	s := play(func() *http.Response { return answer(200, "\xef\xbb\xbf[1,2]", "X-Total", "2") })
	resp, err := client(t, s).Fetch(t.Context(), &stream.Request{URL: "x?secret=1"})
	require.NoError(t, err)
	require.Equal(t, `[1,2]`, string(resp.Body), "without byte order mark")
	require.Equal(t, "2", resp.Header.Get("X-Total"))
	require.Equal(t, 200, resp.Status)
	require.Equal(t, base+"x", resp.URL)
}

func TestMetricsAndLog(t *testing.T) {
	var got []Metric
	var log bytes.Buffer
	c := client(t, play(503, errors.New("reset, the token is "+token), `[1]`), func(o *Options) {
		o.Metrics = func(m Metric) { got = append(got, m) }
		o.Rand = func() float64 { return 0 }
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_, err := c.Fetch(t.Context(), &stream.Request{URL: "x?api=" + token})
	require.NoError(t, err)
	require.Len(t, got, 3)
	for i, m := range got {
		require.Equal(t, "/acme%20inc/api/v1.0/x", m.Endpoint)
		require.Equal(t, i+1, m.Attempt)
		require.Equal(t, i < 2, m.Failed)
	}
	require.Equal(t, []int{503, 0, 200}, []int{got[0].Status, got[1].Status, got[2].Status})
	require.Equal(t, 3, got[2].Bytes)
	require.Contains(t, log.String(), "level=DEBUG")
	require.NotContains(t, log.String(), "level=INFO")
	require.NotContains(t, log.String(), "odd")
	require.NotContains(t, log.String(), "api=")
}

func TestCancelledContext(t *testing.T) {
	cause := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := play(func(r *http.Request) (*http.Response, error) {
		cancel(cause)
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	c := client(t, s)
	_, err := c.Fetch(ctx, &stream.Request{URL: "x"})
	require.Equal(t, cause, err, "the cause, unwrapped")
	_, err = c.Fetch(ctx, &stream.Request{URL: "x"})
	require.Equal(t, cause, err)
	require.Len(t, s.asked, 1, "nothing is sent on a cancelled context")
}
