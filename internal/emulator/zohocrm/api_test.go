package zohocrm

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const (
	mount = standintest.Origin + "/zoho_crm"
	leads = "Leads?fields=Last_Name,Modified_Time"
)

type reply = standintest.Reply

// api asks a sandbox in process.
type api struct {
	*standintest.API
	service *Service
	token   string
}

// newAPI opens a sandbox and signs in.
func newAPI(t testing.TB, o emulator.Options) *api {
	t.Helper()
	o.Records = cmp.Or(o.Records, 70)
	a := &api{}
	a.API = standintest.Open(t, o, Watched(&a.service))
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

func (a *api) auth() string { return "Zoho-oauthtoken " + a.token }

// get asks below /crm/v8/, or what begins with a slash below the mount.
func (a *api) get(path string, headers ...string) reply {
	a.Helper()
	if !strings.HasPrefix(path, "/") {
		path = apiRoot + path
	}
	return a.Ask(http.MethodGet, mount+path, "", append(headers, "Authorization", a.auth())...)
}

func (a *api) post(path, body string) reply {
	a.Helper()
	return a.Ask(http.MethodPost, mount+path, body, "Authorization", a.auth(), "Content-Type", "application/json")
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.Helper()
	return a.Form(mount+"/oauth/v2/token", fields...)
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
	a.Helper()
	out := standintest.Good[issued](a, r)
	require.NotEmpty(a, out.AccessToken, r.Body)
	return out
}

func (a *api) refresh() string {
	a.Helper()
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
	require.NoError(t, json.Unmarshal([]byte(r.Body), &e), r.Body)
	require.Equal(t, "error", e.Status, r.Body)
	require.NotNil(t, e.Details, r.Body)
	require.NotEmpty(t, e.Message)
	require.Equal(t, "application/json;charset=UTF-8", r.Header.Get("Content-Type"))
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
	a.Helper()
	r := a.get(path, headers...)
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		return list{}
	}
	return standintest.Good[list](a, r)
}

// all follows page tokens to the end.
func (a *api) all(path string, headers ...string) (rows []map[string]any, pages int) {
	a.Helper()
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
