package emulator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// toy is a service with one stream: what a plugin has to have.
type toy struct {
	env  Env
	rows int64
}

var toyPlugin = Plugin{Name: "toy", Open: func(env Env) (Service, error) {
	return &toy{env: env, rows: int64(env.Records)}, nil
}}

const toyBody = `{"rows":[{"id":1,"name":"one"},{"id":2,"name":"two"}]}`

func (s *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/things/" {
		NotFound().Send(w)
		return
	}
	if hook := s.env.PageHook(); hook != nil {
		hook(Page{Source: "toy", Resource: "things", Number: 1})
	}
	CountRows(w, 2)
	Answer{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte(toyBody)}.Send(w)
}

func (s *toy) Config(base string) map[string]any {
	return map[string]any{"key": "fake", "token_url": base + "/token"}
}
func (s *toy) Rows() int64                 { return s.rows }
func (s *toy) Resource(path string) string { return strings.Trim(path, "/") }
func (s *toy) Reset()                      { s.rows = int64(s.env.Records) }

func (s *toy) Admit(r *http.Request, h http.Header) *Answer {
	h.Set("X-Left", "7")
	if r.Header.Get("X-Hurry") == "" {
		return nil
	}
	a := s.Refuse(http.StatusTooManyRequests, time.Second)
	return &a
}

func (s *toy) Refuse(status int, wait time.Duration) Answer {
	h := http.Header{"Content-Type": {"application/json"}}
	if wait > 0 {
		h.Set("Retry-After", fmt.Sprint(int(wait.Seconds())))
	}
	return Answer{status, h, []byte(`{"refused":true}`)}
}

func (s *toy) Mangle(fault string, _ *http.Request, _ []byte) []byte { return []byte(fault) }

func (s *toy) Change(c Change) ([]Report, error) {
	if c.Stream != "" && c.Stream != "things" {
		return nil, errors.New("no such stream")
	}
	s.rows += int64(c.Insert - c.Delete)
	return []Report{{Stream: "things", At: c.At, Touched: c.IDs, Deleted: c.Gone, Inserted: []ID{"x-1"}}}, nil
}

func (s *toy) Truth(w io.Writer, stream string) error {
	if stream != "things" {
		return errors.New("no such stream")
	}
	_, err := io.WriteString(w, `{"id":1}`+"\n")
	return err
}

func newToy(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(o, toyPlugin)
	require.NoError(t, err)
	return s
}

// get asks through the transport; it wants an answer, whole or not.
func get(t testing.TB, s *Server, method, path string, header ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:1"+path, nil)
	require.NoError(t, err)
	for k := 0; k < len(header); k += 2 {
		r.Header.Set(header[k], header[k+1])
	}
	response, err := s.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func TestNewFaults(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Sources: []string{"acme"}}, `unknown source "acme", known are toy`},
		{Options{Limits: "some"}, `limits "some": real or off`},
		{Options{Records: -1}, "records -1"},
		{Options{Latency: -1}, "latency"},
		{Options{Faults: "boom"}, `unknown fault "boom", known are 401 403 404 429 429-bare 429-date 500 502 503 cut deep disputed dup empty garbage gzip`},
		{Options{Faults: "500:x"}, `"x" is neither a count nor a share`},
		{Options{Faults: "500=-2"}, `"-2" is neither a count nor a share`},
		{Options{Faults: "500:1.5"}, `"1.5" is no share between 0.0 and 1.0`},
		{Options{Faults: "500@"}, "no resource after @; the form is name[:share|:count|=count][@resource]"},
		{Options{Faults: "offset-times=3"}, "takes a share such as 0.5, not a count"},
	} {
		_, err := New(c.options, toyPlugin)
		require.ErrorContains(t, err, c.want)
	}
	broken := Plugin{Name: "broken", Open: func(Env) (Service, error) { return nil, errors.New("no data") }}
	_, err := New(Options{}, toyPlugin, broken)
	require.EqualError(t, err, "broken: no data")
	s, err := New(Options{Sources: []string{"toy"}}, broken, toyPlugin)
	require.NoError(t, err)
	require.Equal(t, []string{"toy"}, s.Sources())
}

func TestUnknownSource(t *testing.T) {
	s := newToy(t, Options{})
	_, err := s.Stats("x")
	require.EqualError(t, err, `unknown source "x", open are toy`)
	_, err = s.Change("x", Change{})
	require.Error(t, err)
	_, err = s.Log("x")
	require.Error(t, err)
	_, err = s.Config("x", "")
	require.Error(t, err)
	require.Error(t, s.Truth(io.Discard, "x", ""))
	require.Error(t, s.Reset("x"))
}

func TestMounts(t *testing.T) {
	s := newToy(t, Options{})
	response, body, err := get(t, s, http.MethodGet, "/toy/things/")
	require.NoError(t, err)
	require.Equal(t, toyBody, body)
	require.Equal(t, int64(len(toyBody)), response.ContentLength)
	require.Equal(t, "7", response.Header.Get("X-Left"), "set by Admit")
	for _, path := range []string{"/", "/toy", "/things/", "/Toy/things/", "/toys/things/", "//toy/things/", "/toy//things/"} {
		response, body, err := get(t, s, http.MethodGet, path)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
		require.Contains(t, body, "<h1>Not Found</h1>")
	}
	response, body, err = get(t, s, http.MethodHead, "/toy/things/")
	require.NoError(t, err)
	require.Empty(t, body)
	require.Equal(t, int64(len(toyBody)), response.ContentLength)
}

func TestLimitsOff(t *testing.T) {
	s := newToy(t, Options{})
	response, _, _ := get(t, s, http.MethodGet, "/toy/things/", "X-Hurry", "1")
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	s = newToy(t, Options{Limits: "off"})
	response, _, _ = get(t, s, http.MethodGet, "/toy/things/", "X-Hurry", "1")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, response.Header.Get("X-Left"))
}

func TestOnPage(t *testing.T) {
	s := newToy(t, Options{})
	calls := 0
	s.OnPage(func(p Page) {
		require.Equal(t, "things", p.Resource)
		calls++
	})
	_, _, err := get(t, s, http.MethodGet, "/toy/things/")
	require.NoError(t, err)
	s.OnPage(nil)
	_, _, err = get(t, s, http.MethodGet, "/toy/things/")
	require.NoError(t, err)
	require.Equal(t, 1, calls)
}

func TestIDs(t *testing.T) {
	for id, want := range map[ID]string{"7": "7", "-3": "-3", "007": `"007"`, "+5": `"+5"`, "a\x01ü": `"a\u0001ü"`, "a\"b": `"a\"b"`} {
		text, err := id.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}
