package exactonline

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const (
	mount = standintest.Origin + "/exact_online"

	// The companies of the sandbox, one of each kind.
	first, second      = 812345, 813456
	inactive, archived = 814567, 815678
	blocked, ungranted = 816789, 817900
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
	a.token = a.refresh(RefreshToken).AccessToken
	return a
}

// escaped leaves of a query what addresses may hold.
func escaped(path string) string {
	return strings.NewReplacer(" ", "%20", "'", "%27").Replace(path)
}

// get asks below /api/v1/, or an absolute address.
func (a *api) get(path string) reply {
	a.Helper()
	if !strings.HasPrefix(path, "http") {
		path = mount + "/api/v1/" + escaped(path)
	}
	return a.Ask(http.MethodGet, path, "", "Authorization", "Bearer "+a.token, "Accept", "application/json")
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.Helper()
	return a.Form(mount+"/api/oauth2/token", fields...)
}

func (a *api) tryRefresh(token string) reply {
	a.Helper()
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
	a.Helper()
	return a.issued(a.tryRefresh(token))
}

func (a *api) issued(r reply) issued {
	a.Helper()
	return standintest.Good[issued](a, r)
}

// list reads the rows of a page in whatever envelope it comes, and its link.
func (a *api) list(path string) (rows []map[string]any, next string) {
	a.Helper()
	envelope := standintest.Good[struct {
		D json.RawMessage `json:"d"`
	}](a, a.get(path))
	if json.Unmarshal(envelope.D, &rows) == nil {
		return rows, ""
	}
	var list struct {
		Results *[]map[string]any `json:"results"`
		Next    string            `json:"__next"`
	}
	require.NoError(a, json.Unmarshal(envelope.D, &list), path)
	if list.Results == nil { // a single object
		var one map[string]any
		require.NoError(a, json.Unmarshal(envelope.D, &one), path)
		return []map[string]any{one}, ""
	}
	return *list.Results, list.Next
}

// all follows next to the end.
func (a *api) all(path string) (rows []map[string]any, pages int) {
	a.Helper()
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
	require.NoError(t, json.Unmarshal([]byte(r.Body), &e), r.Body)
	require.Empty(t, e.Error.Code)
	require.Empty(t, e.Error.Message.Lang)
	return e.Error.Message.Value
}
