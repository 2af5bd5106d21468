package slascone

import (
	"cmp"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/standintest"
)

const (
	mount = standintest.Origin + "/slascone"
	base  = mount + root + ISV + "/"
)

// api asks a sandbox in process.
type api struct {
	*standintest.API
	service *Service
}

// newAPI opens a sandbox, with switches set.
func newAPI(t testing.TB, o emulator.Options, switches ...string) *api {
	t.Helper()
	o.Records = cmp.Or(o.Records, 60)
	a := &api{}
	a.API = standintest.Open(t, o, Watched(&a.service))
	for _, name := range switches {
		a.turn(name, -1)
	}
	return a
}

func (a *api) turn(name string, share float64) {
	a.Helper()
	require.NoError(a, a.service.Switch(name, share))
}

func (a *api) get(path string) standintest.Reply {
	a.Helper()
	return a.Ask(http.MethodGet, base+path, "", "AdminKey", AdminKey)
}

func (a *api) send(method, path, body string) standintest.Reply {
	a.Helper()
	return a.Ask(method, base+path, body, "AdminKey", AdminKey, "Content-Type", "application/json")
}

func (a *api) post(path, body string) standintest.Reply {
	a.Helper()
	return a.send(http.MethodPost, path, body)
}

type object = standintest.Row

// list reads a bare array.
func (a *api) list(path string) []object {
	a.Helper()
	return standintest.Good[[]object](a, a.get(path))
}

func listIn(t testing.TB, body string) []object {
	t.Helper()
	return standintest.Decode[[]object](t, body)
}

func objectIn(t testing.TB, body string) object {
	t.Helper()
	return standintest.Decode[object](t, body)
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
	a.Helper()
	return standintest.Good[page](a, a.post(path, body))
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
