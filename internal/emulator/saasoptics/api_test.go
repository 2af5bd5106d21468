package saasoptics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

// api asks a sandbox in process.
type api struct{ *standintest.API }

func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	return &api{standintest.Open(t, o, Plugin)}
}

// ask sends a request with an Authorization header, or without if it is "".
func (a *api) ask(method, address, authorization string) standintest.Reply {
	a.Helper()
	return a.Ask(method, address, "", "Authorization", authorization)
}

// get asks below the API root, or an absolute address.
func (a *api) get(path string) standintest.Reply {
	a.Helper()
	if !strings.HasPrefix(path, "http") {
		path = standintest.Origin + "/saasoptics/acme/api/v1.0/" + path
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
	a.Helper()
	r := a.get(path)
	require.Equal(a, "application/json", r.Header.Get("Content-Type"))
	require.Equal(a, fmt.Sprint(len(r.Body)), r.Header.Get("Content-Length"))
	return standintest.Good[envelope](a, r)
}

// all follows next to the end. Every page must tell the same count.
func (a *api) all(path string) (texts []string, count int64) {
	a.Helper()
	texts = []string{}
	for pages := 0; ; pages++ {
		e := a.page(path)
		for _, row := range e.Results {
			texts = append(texts, string(row))
		}
		if pages > 0 {
			require.Equal(a, count, e.Count)
		}
		count = e.Count
		if e.Next == nil {
			return texts, count
		}
		require.Len(a, e.Results, 100)
		path = *e.Next
	}
}

// truth are the rows of a stream as the truth endpoint tells them.
func (a *api) truth(stream string) []string {
	a.Helper()
	text := strings.TrimSuffix(a.TruthText(stream), "\n")
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
