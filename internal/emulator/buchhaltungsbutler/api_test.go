package buchhaltungsbutler

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const (
	origin = "http://127.0.0.1:8080/buchhaltungsbutler"
	base   = origin + "/api/v1"
)

// scripted decides about faults that the sandbox's list does not know, and asks
// the sandbox about the others.
type scripted struct {
	emulator.Env
	own map[string]*scriptedFault // by name
}

type scriptedFault struct {
	target string
	share  float64 // below 0: not given
	count  int     // below 0: not given
	seen   int
}

func (f scripted) find(name, resource string) *scriptedFault {
	own := f.own[name]
	if own == nil || own.target != "" && own.target != resource && !strings.HasPrefix(resource, own.target+"/") && resource != source {
		return nil
	}
	return own
}

// Share is that of the script or of the sandbox.
func (f scripted) Share(name, resource string, standard float64) float64 {
	switch own := f.find(name, resource); {
	case f.own[name] == nil:
		return f.Env.Share(name, resource, standard)
	case own == nil:
		return 0
	case own.share >= 0:
		return own.share
	}
	return standard
}

// Fires counts down.
func (f scripted) Fires(name, resource string) bool {
	own := f.find(name, resource)
	switch {
	case f.own[name] == nil:
		return f.Env.Fires(name, resource)
	case own == nil:
		return false
	case own.count < 0:
		return true
	}
	own.seen++
	return own.seen <= own.count
}

// script takes out of a list what the sandbox does not know.
func script(t testing.TB, list string) (known string, own map[string]*scriptedFault) {
	t.Helper()
	own = map[string]*scriptedFault{}
	var rest []string
	for word := range strings.SplitSeq(list, ",") {
		head, target, _ := strings.Cut(word, "@")
		name, number, _ := strings.Cut(strings.Replace(head, ":", "=", 1), "=")
		if name == "" || slices.Contains(emulator.KnownFaults(), name) {
			rest = append(rest, word)
			continue
		}
		f := &scriptedFault{target: target, share: -1, count: -1}
		var err error
		switch {
		case strings.Contains(number, "."):
			f.share, err = strconv.ParseFloat(number, 64)
		case number != "":
			f.count, err = strconv.Atoi(number)
		}
		require.NoError(t, err)
		own[name] = f
	}
	return strings.Join(rest, ","), own
}

// api asks a sandbox in process.
type api struct {
	t       testing.TB
	server  *emulator.Server
	service *Service
	client  *http.Client
	key     string
}

func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	a := &api{t: t, key: Key}
	known, own := script(t, o.Faults)
	o.Faults = known
	var err error
	a.server, err = emulator.New(o, emulator.Plugin{Name: source, Open: func(env emulator.Env) (emulator.Service, error) {
		a.service = open(env, scripted{env, own})
		return a.service, nil
	}})
	require.NoError(t, err)
	a.client = &http.Client{Transport: a.server.Transport()}
	return a
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers come in pairs and replace the usual ones.
func (a *api) ask(method, path, body string, headers ...string) reply {
	a.t.Helper()
	address := path
	if !strings.HasPrefix(path, "http") {
		address = base + path
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, strings.NewReader(body))
	require.NoError(a.t, err)
	r.SetBasicAuth(Client, Secret)
	r.Header.Set("Content-Type", "application/json")
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
		if headers[k+1] == "" {
			r.Header.Del(headers[k])
		}
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

type m = map[string]any

// post asks with the tenant's key.
func (a *api) post(path string, members m) reply {
	a.t.Helper()
	with := m{"api_key": a.key}
	maps.Copy(with, members)
	body, err := json.Marshal(with)
	require.NoError(a.t, err)
	return a.ask(http.MethodPost, path, string(body))
}

// refused checks status and code of a refusal.
func (a *api) refused(status, code int, path string, members m) {
	a.t.Helper()
	r := a.post(path, members)
	require.Equal(a.t, fmt.Sprint(status, "/", code), refusalOf(a.t, r), "%s %v: %s", path, members, r.body)
}

// refusalOf is status/code of a failure in the vendor's envelope.
func refusalOf(t testing.TB, r reply) string {
	t.Helper()
	var e map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(r.body), &e), r.body)
	require.Len(t, e, 3, "neither rows nor data: %s", r.body)
	require.Equal(t, "false", string(e["success"]))
	require.NotEmpty(t, e["message"])
	return strconv.Itoa(r.status) + "/" + string(e["error_code"])
}

// list asks for one page.
func (a *api) list(path string, members m) []m {
	a.t.Helper()
	r := a.post(path, members)
	require.Equal(a.t, http.StatusOK, r.status, "%s %v: %s", path, members, r.body)
	var e struct {
		Success bool
		Message *string
		Rows    *int
		Data    []m
	}
	decode(a.t, r.body, &e)
	require.True(a.t, e.Success)
	require.NotNil(a.t, e.Message)
	require.NotNil(a.t, e.Rows)
	require.NotNil(a.t, e.Data)
	require.Len(a.t, e.Data, *e.Rows, "rows are those of this answer")
	return e.Data
}

// decode keeps the digits of numbers.
func decode(t testing.TB, text string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(into), text)
}

// all follows the offset until a page is empty.
func (a *api) all(path string, limit int, members m) []m {
	a.t.Helper()
	out := []m{}
	for {
		with := m{"limit": limit, "offset": len(out)}
		maps.Copy(with, members)
		page := a.list(path, with)
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		require.Less(a.t, len(out), 100_000)
	}
}

// keyset follows the ids of transactions.
func (a *api) keyset(members m) []m {
	a.t.Helper()
	out := []m{}
	after := json.Number("0")
	for {
		with := m{"id_by_customer_from": after}
		maps.Copy(with, members)
		page := a.list("/transactions/get", with)
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		after = page[len(page)-1]["id_by_customer"].(json.Number)
	}
}

// truth are the rows of a stream as the truth endpoint tells them.
func (a *api) truth(stream string) []m {
	a.t.Helper()
	out := []m{}
	for line := range strings.Lines(a.truthText(stream)) {
		var row m
		decode(a.t, line, &row)
		out = append(out, row)
	}
	return out
}

func (a *api) truthText(stream string) string {
	a.t.Helper()
	var b strings.Builder
	require.NoError(a.t, a.server.Truth(&b, source, stream), stream)
	return b.String()
}

func values(list []m, name string) []string {
	out := make([]string, len(list))
	for k, row := range list {
		out[k] = fmt.Sprint(row[name])
	}
	return out
}

func unique(list []string) map[string]bool {
	out := map[string]bool{}
	for _, v := range list {
		out[v] = true
	}
	return out
}

// sameRows compares rows in any order.
func sameRows(t testing.TB, want, got []m, words ...any) {
	t.Helper()
	texts := func(list []m) []string {
		out := make([]string, len(list))
		for k, row := range list {
			text, err := json.Marshal(row)
			require.NoError(t, err)
			out[k] = string(text)
		}
		slices.Sort(out)
		return out
	}
	require.Equal(t, texts(want), texts(got), words...)
}

func without(list []m, names ...string) []m {
	out := make([]m, len(list))
	for k, row := range list {
		out[k] = maps.Clone(row)
		for _, name := range names {
			delete(out[k], name)
		}
	}
	return out
}

func (a *api) change(c emulator.Change) emulator.Report {
	a.t.Helper()
	reports, err := a.server.Change(source, c)
	require.NoError(a.t, err)
	return reports[0]
}
