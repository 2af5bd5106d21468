package accountview

import (
	"cmp"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const mount = standintest.Origin + "/accountview"

type reply = standintest.Reply

// api asks a sandbox in process.
type api struct {
	*standintest.API
	service *Service
	token   string
	company string
}

// newAPI opens a sandbox and signs in; faults are this stand-in's own.
func newAPI(t testing.TB, o emulator.Options, faults ...string) *api {
	t.Helper()
	o.Records = cmp.Or(o.Records, 120)
	a := &api{}
	a.API = standintest.Open(t, o, Switched(&a.service, faults...))
	a.token = a.refresh(RefreshToken).AccessToken
	a.company = a.service.companies[0].id
	return a
}

// get asks below /api/v3/; parameters come in pairs.
func (a *api) get(path string, parameters ...string) reply {
	a.Helper()
	if query := encode(parameters...); query != "" {
		path += "?" + query
	}
	return a.Ask(http.MethodGet, mount+"/api/v3/"+path, "",
		"Authorization", "Bearer "+a.token, "Accept", "application/json", "x-company", a.company)
}

func encode(pairs ...string) string { return standintest.Values(pairs...).Encode() }

// data asks for rows of a business object.
func (a *api) data(object string, parameters ...string) reply {
	a.Helper()
	return a.get("accountviewdata", append([]string{"BusinessObject", object}, parameters...)...)
}

// object is a good answer: the arrays by their tables.
func (a *api) object(r reply) map[string][]map[string]any {
	a.Helper()
	return standintest.Good[map[string][]map[string]any](a, r)
}

// list are the rows of a table in a good answer.
func (a *api) list(table, object string, parameters ...string) []map[string]any {
	a.Helper()
	out := a.object(a.data(object, parameters...))
	require.Contains(a, out, table)
	return out[table]
}

// walk reads a table by LastKey, page by page.
func (a *api) walk(table, object, key string, size int, parameters ...string) (all []map[string]any, pages int) {
	a.Helper()
	last := ""
	for {
		ask := append(slices.Clone(parameters), "PageSize", itoa(size))
		if last != "" {
			ask = append(ask, "LastKey", last)
		}
		rows := a.list(table, object, ask...)
		all, pages = append(all, rows...), pages+1
		require.LessOrEqual(a, pages, 10_000)
		if len(rows) < size {
			return all, pages
		}
		last = rows[len(rows)-1][key].(string)
	}
}

// turn reads a table by PageNumber.
func (a *api) turn(table, object string, size int, parameters ...string) (all []map[string]any, pages int) {
	a.Helper()
	for {
		pages++
		rows := a.list(table, object, append(slices.Clone(parameters), "PageSize", itoa(size), "PageNumber", itoa(pages))...)
		all = append(all, rows...)
		require.LessOrEqual(a, pages, 10_000)
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
	a.Helper()
	require.Equal(a, status, r.Status, r.Body)
	f := standintest.Decode[failed](a, r.Body)
	require.NotEmpty(a, f.ErrorType, r.Body)
	require.NotEmpty(a, f.ErrorMessage)
	require.Contains(a, r.Body, `"ErrorNumbers":`)
	return f
}

// form posts to the token endpoint; fields come in pairs.
func (a *api) form(fields ...string) reply {
	a.Helper()
	return a.Form(mount+"/api/v3/token", fields...)
}

func (a *api) tryRefresh(token string) reply {
	a.Helper()
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
	a.Helper()
	return standintest.Good[issued](a, r)
}

func (a *api) refresh(token string) issued {
	a.Helper()
	return a.issued(a.tryRefresh(token))
}
