package slascone

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const (
	origin = "http://127.0.0.1:8080"
	mount  = origin + "/slascone"
	base   = mount + root + ISV + "/"
)

// api asks a sandbox in process.
type api struct {
	t       testing.TB
	server  *emulator.Server
	service *Service
	client  *http.Client
}

// newAPI opens a sandbox, with switches set.
func newAPI(t testing.TB, o emulator.Options, switches ...string) *api {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	if o.Records == 0 {
		o.Records = 60
	}
	a := &api{t: t}
	var err error
	a.server, err = emulator.New(o, Watched(&a.service))
	require.NoError(t, err)
	a.client = &http.Client{Transport: a.server.Transport()}
	for _, name := range switches {
		a.turn(name, -1)
	}
	return a
}

func (a *api) turn(name string, share float64) {
	a.t.Helper()
	require.NoError(a.t, a.service.Switch(name, share))
}

// reply is an answer that was read to its end.
type got struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers come in pairs.
func (a *api) ask(method, address, body string, headers ...string) got {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, strings.NewReader(body))
	require.NoError(a.t, err)
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return got{response.StatusCode, response.Header, string(text)}
}

func (a *api) get(path string) got {
	a.t.Helper()
	return a.ask(http.MethodGet, base+path, "", "AdminKey", AdminKey)
}

func (a *api) send(method, path, body string) got {
	a.t.Helper()
	return a.ask(method, base+path, body, "AdminKey", AdminKey, "Content-Type", "application/json")
}

func (a *api) post(path, body string) got {
	a.t.Helper()
	return a.send(http.MethodPost, path, body)
}

type object = map[string]any

// list reads a bare array.
func (a *api) list(path string) []object {
	a.t.Helper()
	r := a.get(path)
	require.Equal(a.t, http.StatusOK, r.status, "%s: %s", path, r.body)
	return listIn(a.t, r.body)
}

func listIn(t testing.TB, body string) []object {
	t.Helper()
	var out []object
	require.NoError(t, json.Unmarshal([]byte(body), &out), body)
	return out
}

func objectIn(t testing.TB, body string) object {
	t.Helper()
	var out object
	require.NoError(t, json.Unmarshal([]byte(body), &out), body)
	return out
}

// page is an answer of a filter.
type page struct {
	Licenses  []object `json:"licenses"`
	Customers []object `json:"customers"`
	Resellers []object `json:"resellers"`
	MaxCount  int      `json:"max_count"`
	Owners    int      `json:"customer_count"`
}

func (a *api) page(path, body string) page {
	a.t.Helper()
	r := a.post(path, body)
	require.Equal(a.t, http.StatusOK, r.status, r.body)
	var out page
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out))
	return out
}

// truth are the rows of a stream as the truth endpoint tells them.
func (a *api) truth(stream string) []object {
	a.t.Helper()
	var b strings.Builder
	require.NoError(a.t, a.server.Truth(&b, source, stream))
	var out []object
	for line := range strings.Lines(b.String()) {
		var row object
		require.NoError(a.t, json.Unmarshal([]byte(line), &row), line)
		out = append(out, row)
	}
	return out
}

func (a *api) change(c emulator.Change) emulator.Report {
	a.t.Helper()
	reports, err := a.server.Change(source, c)
	require.NoError(a.t, err)
	return reports[0]
}

// license is the id of the n-th license.
func (a *api) license(n int64) string { return a.service.world.id(license, n).String() }

func ids(rows []object) []string {
	out := []string{}
	for _, row := range rows {
		out = append(out, row["id"].(string))
	}
	return out
}
