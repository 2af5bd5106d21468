package zohocrm

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const (
	origin = "http://127.0.0.1:8080"
	mount  = origin + "/zoho_crm"
	leads  = "Leads?fields=Last_Name,Modified_Time"
)

// api asks a sandbox in process.
type api struct {
	t       testing.TB
	server  *emulator.Server
	service *Service
	client  *http.Client
	token   string
}

// newAPI opens a sandbox and signs in.
func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	if o.Limits == "" {
		o.Limits = "off"
	}
	if o.Records == 0 {
		o.Records = 70
	}
	a := &api{t: t}
	var err error
	a.server, err = emulator.New(o, Watched(&a.service))
	require.NoError(t, err)
	a.client = &http.Client{
		Transport:     a.server.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if !strings.Contains(o.Faults, "@token") {
		a.token = a.refresh()
	}
	return a
}

// faulty opens a sandbox with faults.
func faulty(t testing.TB, faults string) *api {
	t.Helper()
	return newAPI(t, emulator.Options{Faults: faults})
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
		r.Header.Set(headers[k], headers[k+1])
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

func (a *api) auth() string { return "Zoho-oauthtoken " + a.token }

// get asks below /crm/v8/, or what begins with a slash below the mount.
func (a *api) get(path string, headers ...string) reply {
	a.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = apiRoot + path
	}
	return a.ask(http.MethodGet, mount+path, "", append(headers, "Authorization", a.auth())...)
}

func (a *api) post(path, body string) reply {
	a.t.Helper()
	return a.ask(http.MethodPost, mount+path, body, "Authorization", a.auth(), "Content-Type", "application/json")
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.t.Helper()
	return a.ask(http.MethodPost, mount+"/oauth/v2/token", values(fields).Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func values(fields []string) url.Values {
	out := url.Values{}
	for k := 0; k < len(fields); k += 2 {
		out.Set(fields[k], fields[k+1])
	}
	return out
}

func refreshForm(token string) []string {
	return []string{"grant_type", "refresh_token", "client_id", ClientID, "client_secret", ClientSecret, "refresh_token", token}
}

// issued is a good answer of the token endpoint.
type issued struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	APIDomain    string `json:"api_domain"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	ExpiresSec   int    `json:"expires_in_sec"`
}

func (a *api) issued(r reply) issued {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, r.status, r.body)
	var out issued
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out))
	require.NotEmpty(a.t, out.AccessToken, r.body)
	return out
}

func (a *api) refresh() string {
	a.t.Helper()
	return a.issued(a.form(refreshForm(RefreshToken)...)).AccessToken
}

// code is the code of a refusal; its envelope must be the flat one.
func code(t testing.TB, r reply) string {
	t.Helper()
	var e struct {
		Code    string           `json:"code"`
		Details *json.RawMessage `json:"details"`
		Message string           `json:"message"`
		Status  string           `json:"status"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &e), r.body)
	require.Equal(t, "error", e.Status, r.body)
	require.NotNil(t, e.Details, r.body)
	require.NotEmpty(t, e.Message)
	require.Equal(t, "application/json;charset=UTF-8", r.header.Get("Content-Type"))
	return e.Code
}

// list is a page.
type list struct {
	Data []map[string]any `json:"data"`
	Info struct {
		Next string `json:"next_page_token"`
		More bool   `json:"more_records"`
	} `json:"info"`
}

func (a *api) list(path string, headers ...string) list {
	a.t.Helper()
	r := a.get(path, headers...)
	var out list
	if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		return out
	}
	require.Equal(a.t, http.StatusOK, r.status, "%s: %s", path, r.body)
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out), path)
	return out
}

// all follows page tokens to the end.
func (a *api) all(path string, headers ...string) (rows []map[string]any, pages int) {
	a.t.Helper()
	at := path
	for {
		page := a.list(at, headers...)
		rows, pages = append(rows, page.Data...), pages+1
		if !page.Info.More {
			return rows, pages
		}
		at = path + "&page_token=" + page.Info.Next
	}
}

func idsOf(rows []map[string]any) []string {
	out := []string{}
	for _, row := range rows {
		out = append(out, row["id"].(string))
	}
	return out
}

// truth are the rows of a stream as the truth endpoint tells them.
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

// unzip reads the one CSV of a bulk result.
func unzip(t testing.TB, text string) (name string, lines [][]string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(text)), int64(len(text)))
	require.NoError(t, err)
	require.Len(t, z.File, 1)
	f, err := z.File[0].Open()
	require.NoError(t, err)
	defer f.Close()
	lines, err = csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return z.File[0].Name, lines
}
