// Package standintest owns what the tests of every stand-in need beside what they
// prove: a stand-in in process, questions to it, and its answers read to their end.
//
// It must never know a vendor, nor import any code of the tap: a stand-in that the
// tap's own code judges would share its mistakes. Nothing but the stand-ins' tests
// imports it.
package standintest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// Origin is where the stand-in would listen.
const Origin = "http://127.0.0.1:8080"

// API asks a stand-in.
type API struct {
	testing.TB
	Server *emulator.Server
	Client *http.Client // follows no redirect
	source string
}

// Open opens a stand-in. Limits are off unless asked for.
func Open(t testing.TB, o emulator.Options, p emulator.Plugin) *API {
	t.Helper()
	o.Limits = cmp.Or(o.Limits, "off")
	server, err := emulator.New(o, p)
	require.NoError(t, err)
	return &API{t, server, &http.Client{
		Transport:     server.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, p.Name}
}

// Reply is an answer that was read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Ask sends a request. Headers come in pairs, of which a later one replaces an
// earlier one, and one without a value takes it away.
func (a *API) Ask(method, address, body string, headers ...string) Reply {
	a.Helper()
	r, err := http.NewRequestWithContext(a.Context(), method, address, strings.NewReader(body))
	require.NoError(a, err)
	for k := 0; k < len(headers); k += 2 {
		r.Header.Set(headers[k], headers[k+1])
		if headers[k+1] == "" {
			r.Header.Del(headers[k])
		}
	}
	response, err := a.Client.Do(r)
	require.NoError(a, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(a, err)
	return Reply{response.StatusCode, response.Header, string(text)}
}

// Form posts a form; fields come in pairs.
func (a *API) Form(address string, fields ...string) Reply {
	a.Helper()
	return a.Ask(http.MethodPost, address, Values(fields...).Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// Values are parameters that come in pairs.
func Values(pairs ...string) url.Values {
	out := url.Values{}
	for k := 0; k < len(pairs); k += 2 {
		out.Add(pairs[k], pairs[k+1])
	}
	return out
}

// Good wants an answer to be one, and reads its JSON.
func Good[T any](t testing.TB, r Reply) T {
	t.Helper()
	require.Equal(t, http.StatusOK, r.Status, r.Body)
	return Decode[T](t, r.Body)
}

// Decode reads JSON.
func Decode[T any](t testing.TB, text string) (out T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// Row is a row of a list, or of the truth.
type Row = map[string]any

// Truth are the rows of a stream as the control tells them.
func (a *API) Truth(stream string) []Row {
	a.Helper()
	var out []Row
	for line := range strings.Lines(a.TruthText(stream)) {
		out = append(out, Decode[Row](a, line))
	}
	return out
}

// TruthText are these rows as they are written, one a line.
func (a *API) TruthText(stream string) string {
	a.Helper()
	var b strings.Builder
	require.NoError(a, a.Server.Truth(&b, a.source, stream), stream)
	return b.String()
}

// Change disturbs one stream.
func (a *API) Change(c emulator.Change) emulator.Report {
	a.Helper()
	reports, err := a.Server.Change(a.source, c)
	require.NoError(a, err)
	require.Len(a, reports, 1)
	return reports[0]
}
