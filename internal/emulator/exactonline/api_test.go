package exactonline

import (
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
	mount  = origin + "/exact_online"

	// The companies of the sandbox, one of each kind.
	first, second      = 812345, 813456
	inactive, archived = 814567, 815678
	blocked, ungranted = 816789, 817900
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
	a.token = a.refresh(RefreshToken).AccessToken
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
		r.Header.Set(headers[k], headers[k+1])
	}
	response, err := a.client.Do(r)
	require.NoError(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	return reply{response.StatusCode, response.Header, string(text)}
}

// escaped leaves of a query what addresses may hold.
func escaped(path string) string {
	return strings.NewReplacer(" ", "%20", "'", "%27").Replace(path)
}

// get asks below /api/v1/, or an absolute address.
func (a *api) get(path string) reply {
	a.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = mount + "/api/v1/" + escaped(path)
	}
	return a.ask(http.MethodGet, path, "", "Authorization", "Bearer "+a.token, "Accept", "application/json")
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.t.Helper()
	values := url.Values{}
	for k := 0; k < len(fields); k += 2 {
		values.Set(fields[k], fields[k+1])
	}
	return a.ask(http.MethodPost, mount+"/api/oauth2/token", values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func (a *api) tryRefresh(token string) reply {
	a.t.Helper()
	return a.form("grant_type", "refresh_token", "refresh_token", token, "client_id", ClientID, "client_secret", ClientSecret)
}

// issued is a good answer of the token endpoint.
type issued struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    string `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
}

func (a *api) refresh(token string) issued {
	a.t.Helper()
	return a.issued(a.tryRefresh(token))
}

func (a *api) issued(r reply) issued {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, r.status, r.body)
	var out issued
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &out))
	return out
}

// list reads the rows of a page in whatever envelope it comes, and its link.
func (a *api) list(path string) (rows []map[string]any, next string) {
	a.t.Helper()
	r := a.get(path)
	require.Equal(a.t, http.StatusOK, r.status, "%s: %s", path, r.body)
	var envelope struct {
		D json.RawMessage `json:"d"`
	}
	require.NoError(a.t, json.Unmarshal([]byte(r.body), &envelope), path)
	if json.Unmarshal(envelope.D, &rows) == nil {
		return rows, ""
	}
	var list struct {
		Results *[]map[string]any `json:"results"`
		Next    string            `json:"__next"`
	}
	require.NoError(a.t, json.Unmarshal(envelope.D, &list), path)
	if list.Results == nil { // a single object
		var one map[string]any
		require.NoError(a.t, json.Unmarshal(envelope.D, &one), path)
		return []map[string]any{one}, ""
	}
	return *list.Results, list.Next
}

// all follows next to the end.
func (a *api) all(path string) (rows []map[string]any, pages int) {
	a.t.Helper()
	for path != "" {
		list, next := a.list(path)
		rows, path, pages = append(rows, list...), next, pages+1
	}
	return rows, pages
}

// message is the text of a refusal.
func message(t testing.TB, r reply) string {
	t.Helper()
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message struct {
				Lang  string `json:"lang"`
				Value string `json:"value"`
			} `json:"message"`
		} `json:"error"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &e), r.body)
	require.Empty(t, e.Error.Code)
	require.Empty(t, e.Error.Message.Lang)
	return e.Error.Message.Value
}

// truth are the rows of a stream as the truth endpoint tells them.
func (a *api) truth(stream string) []map[string]any {
	a.t.Helper()
	var b strings.Builder
	require.NoError(a.t, a.server.Truth(&b, Plugin.Name, stream))
	var out []map[string]any
	for line := range strings.Lines(b.String()) {
		var row map[string]any
		require.NoError(a.t, json.Unmarshal([]byte(line), &row), line)
		out = append(out, row)
	}
	return out
}
