package accountview

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const (
	origin = "http://127.0.0.1:8080"
	mount  = origin + "/accountview"
)

// api asks a sandbox in process.
type api struct {
	t       testing.TB
	server  *emulator.Server
	service *Service
	client  *http.Client
	token   string
	company string
}

// newAPI opens a sandbox and signs in; faults are this stand-in's own.
func newAPI(t testing.TB, o emulator.Options, faults ...string) *api {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	if o.Records == 0 {
		o.Records = 120
	}
	a := &api{t: t}
	var err error
	a.server, err = emulator.New(o, Switched(&a.service, faults...))
	require.NoError(t, err)
	a.client = &http.Client{
		Transport:     a.server.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a.token = a.refresh(RefreshToken).AccessToken
	a.company = a.service.companies[0].id
	return a
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; headers come in pairs.
func (a *api) ask(method, address, body string, headers ...string) reply {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, strings.NewReader(body))
	require.NoError(a.t, err)
	for k := 0; k < len(headers); k += 2 {
		if headers[k+1] != "" {
			r.Header.Set(headers[k], headers[k+1])
		}
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

// get asks below /api/v3/; parameters come in pairs.
func (a *api) get(path string, parameters ...string) reply {
	a.t.Helper()
	if query := encode(parameters...); query != "" {
		path += "?" + query
	}
	return a.ask(http.MethodGet, mount+"/api/v3/"+path, "",
		"Authorization", "Bearer "+a.token, "Accept", "application/json", "x-company", a.company)
}

func encode(pairs ...string) string {
	values := url.Values{}
	for k := 0; k < len(pairs); k += 2 {
		values.Add(pairs[k], pairs[k+1])
	}
	return values.Encode()
}

// data asks for rows of a business object.
func (a *api) data(object string, parameters ...string) reply {
	a.t.Helper()
	return a.get("accountviewdata", append([]string{"BusinessObject", object}, parameters...)...)
}

// object is a good answer: the arrays by their tables.
func (a *api) object(r reply) map[string][]map[string]any {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, r.status, r.body)
	var out map[string][]map[string]any
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out), r.body)
	return out
}

// list are the rows of a table in a good answer.
func (a *api) list(table, object string, parameters ...string) []map[string]any {
	a.t.Helper()
	out := a.object(a.data(object, parameters...))
	require.Contains(a.t, out, table)
	return out[table]
}

// walk reads a table by LastKey, page by page.
func (a *api) walk(table, object, key string, size int, parameters ...string) (all []map[string]any, pages int) {
	a.t.Helper()
	last := ""
	for {
		ask := append(slices.Clone(parameters), "PageSize", itoa(size))
		if last != "" {
			ask = append(ask, "LastKey", last)
		}
		rows := a.list(table, object, ask...)
		all, pages = append(all, rows...), pages+1
		require.LessOrEqual(a.t, pages, 10_000)
		if len(rows) < size {
			return all, pages
		}
		last = rows[len(rows)-1][key].(string)
	}
}

// turn reads a table by PageNumber.
func (a *api) turn(table, object string, size int, parameters ...string) (all []map[string]any, pages int) {
	a.t.Helper()
	for {
		pages++
		rows := a.list(table, object, append(slices.Clone(parameters), "PageSize", itoa(size), "PageNumber", itoa(pages))...)
		all = append(all, rows...)
		require.LessOrEqual(a.t, pages, 10_000)
		if len(rows) < size {
			return all, pages
		}
	}
}

func itoa(n int) string { return string(integer(n)) }

// members is one member of all rows.
func members[T any](t testing.TB, rows []map[string]any, name string) []T {
	t.Helper()
	out := make([]T, len(rows))
	for k, r := range rows {
		v, ok := r[name].(T)
		require.True(t, ok, "%s is %v", name, r[name])
		out[k] = v
	}
	return out
}

// failed is an error of AccountView.
type failed struct {
	ErrorType    string
	ErrorNumbers []int
	ErrorMessage string
}

// fails checks that an answer is an error, with its status, and returns it.
func (a *api) fails(status int, r reply) failed {
	a.t.Helper()
	require.Equal(a.t, status, r.status, r.body)
	var f failed
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &f), r.body)
	require.NotEmpty(a.t, f.ErrorType, r.body)
	require.NotEmpty(a.t, f.ErrorMessage)
	require.Contains(a.t, r.body, `"ErrorNumbers":`)
	return f
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.t.Helper()
	return a.ask(http.MethodPost, mount+"/api/v3/token", encode(fields...), "Content-Type", "application/x-www-form-urlencoded")
}

func (a *api) tryRefresh(token string) reply {
	a.t.Helper()
	return a.form("grant_type", "refresh_token", "refresh_token", token, "client_id", ClientID, "client_secret", ClientSecret)
}

// issued is a good answer of the token endpoint.
type issued struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

func (a *api) issued(r reply) issued {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, r.status, r.body)
	var out issued
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out))
	return out
}

func (a *api) refresh(token string) issued {
	a.t.Helper()
	return a.issued(a.tryRefresh(token))
}

// truth are the rows of a stream as the control tells them.
func (a *api) truth(stream string) []map[string]any {
	a.t.Helper()
	var b strings.Builder
	require.NoError(a.t, a.server.Truth(&b, source, stream))
	var out []map[string]any
	for line := range strings.Lines(b.String()) {
		var row map[string]any
		require.NoError(a.t, json.Unmarshal([]byte(line), &row), line)
		out = append(out, row)
	}
	return out
}

// change disturbs one stream.
func (a *api) change(c emulator.Change) emulator.Report {
	a.t.Helper()
	list, err := a.server.Change(source, c)
	require.NoError(a.t, err)
	require.Len(a.t, list, 1)
	return list[0]
}
