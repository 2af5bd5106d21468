package saasoptics

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const origin = "http://127.0.0.1:8080"

// api asks a sandbox in process.
type api struct {
	t      testing.TB
	server *emulator.Server
	client *http.Client
}

func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	s, err := emulator.New(o, Plugin)
	require.NoError(t, err)
	return &api{t, s, &http.Client{
		Transport:     s.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with an Authorization header, or without if it is "".
func (a *api) ask(method, address, authorization string) reply {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, nil)
	require.NoError(a.t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response.StatusCode, response.Header, string(body)}
}

// get asks below the API root, or an absolute address.
func (a *api) get(path string) reply {
	a.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = origin + "/saasoptics/acme/api/v1.0/" + path
	}
	return a.ask(http.MethodGet, path, "Token "+Token)
}

// envelope is a page of a list.
type envelope struct {
	Count    int64             `json:"count"`
	Next     *string           `json:"next"`
	Previous *string           `json:"previous"`
	Results  []json.RawMessage `json:"results"`
}

func (a *api) page(path string) envelope {
	a.t.Helper()
	r := a.get(path)
	require.Equal(a.t, http.StatusOK, r.status, "%s: %s", path, r.body)
	require.Equal(a.t, "application/json", r.header.Get("Content-Type"))
	require.Equal(a.t, fmt.Sprint(len(r.body)), r.header.Get("Content-Length"))
	var e envelope
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &e), "%s", path)
	return e
}

// all follows next to the end. Every page must tell the same count.
func (a *api) all(path string) (texts []string, count int64) {
	a.t.Helper()
	texts = []string{}
	for pages := 0; ; pages++ {
		e := a.page(path)
		for _, row := range e.Results {
			texts = append(texts, string(row))
		}
		if pages > 0 {
			require.Equal(a.t, count, e.Count)
		}
		count = e.Count
		if e.Next == nil {
			return texts, count
		}
		require.Len(a.t, e.Results, 100)
		path = *e.Next
	}
}

// truth are the rows of a stream as the truth endpoint tells them.
func (a *api) truth(stream string) []string {
	a.t.Helper()
	var b strings.Builder
	require.NoError(a.t, a.server.Truth(&b, "saasoptics", stream))
	text := strings.TrimSuffix(b.String(), "\n")
	if text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// member digs into a row: member(row, "auditentry", "modified").
func member(t testing.TB, row string, path ...string) any {
	t.Helper()
	var v any
	decoder := json.NewDecoder(strings.NewReader(row))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&v))
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

func ids(t testing.TB, texts []string) []string {
	t.Helper()
	out := []string{}
	for _, row := range texts {
		out = append(out, fmt.Sprint(member(t, row, "id")))
	}
	return out
}
