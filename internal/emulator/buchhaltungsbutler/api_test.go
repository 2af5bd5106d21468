package buchhaltungsbutler

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const (
	mount = standintest.Origin + "/buchhaltungsbutler"
	base  = mount + "/api/v1"
)

type reply = standintest.Reply

// api asks a sandbox in process.
type api struct {
	*standintest.API
	service *Service
	key     string
}

func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	a := &api{key: Key}
	a.API = standintest.Open(t, o, Watched(&a.service))
	return a
}

// ask sends a request; headers come in pairs and replace the usual ones.
func (a *api) ask(method, path, body string, headers ...string) reply {
	a.Helper()
	if !strings.HasPrefix(path, "http") {
		path = base + path
	}
	pair := base64.StdEncoding.EncodeToString([]byte(Client + ":" + Secret))
	return a.Ask(method, path, body, append([]string{"Authorization", "Basic " + pair, "Content-Type", "application/json"}, headers...)...)
}

type m = standintest.Row

// post asks with the tenant's key.
func (a *api) post(path string, members m) reply {
	a.Helper()
	with := m{"api_key": a.key}
	maps.Copy(with, members)
	body, err := json.Marshal(with)
	require.NoError(a, err)
	return a.ask(http.MethodPost, path, string(body))
}

// refused checks status and code of a refusal.
func (a *api) refused(status, code int, path string, members m) {
	a.Helper()
	r := a.post(path, members)
	require.Equal(a, fmt.Sprint(status, "/", code), refusalOf(a, r), "%s %v: %s", path, members, r.Body)
}

// refusalOf is status/code of a failure in the vendor's envelope.
func refusalOf(t testing.TB, r reply) string {
	t.Helper()
	e := standintest.Decode[map[string]json.RawMessage](t, r.Body)
	require.Len(t, e, 3, "neither rows nor data: %s", r.Body)
	require.Equal(t, "false", string(e["success"]))
	require.NotEmpty(t, e["message"])
	return strconv.Itoa(r.Status) + "/" + string(e["error_code"])
}

// list asks for one page.
func (a *api) list(path string, members m) []m {
	a.Helper()
	r := a.post(path, members)
	require.Equal(a, http.StatusOK, r.Status, "%s %v: %s", path, members, r.Body)
	var e struct {
		Success bool
		Message *string
		Rows    *int
		Data    []m
	}
	decode(a, r.Body, &e)
	require.True(a, e.Success)
	require.NotNil(a, e.Message)
	require.NotNil(a, e.Rows)
	require.NotNil(a, e.Data)
	require.Len(a, e.Data, *e.Rows, "rows are those of this answer")
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
	a.Helper()
	out := []m{}
	for {
		with := m{"limit": limit, "offset": len(out)}
		maps.Copy(with, members)
		page := a.list(path, with)
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		require.Less(a, len(out), 100_000)
	}
}

// keyset follows the ids of transactions.
func (a *api) keyset(members m) []m {
	a.Helper()
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
	a.Helper()
	out := []m{}
	for line := range strings.Lines(a.TruthText(stream)) {
		var row m
		decode(a, line, &row)
		out = append(out, row)
	}
	return out
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
