package saasoptics

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// TestSettings holds the checks against the rules that TAP-NEW has for these
// values: they become parts of the address.
func TestSettings(t *testing.T) {
	check := map[string]func(string) error{}
	for _, s := range Source().Settings {
		check[s.Key] = s.Check
	}
	for key, values := range map[string]struct{ good, bad []string }{
		"server_subdomain": {
			good: []string{"s12", "metricsv8", "S12", "a-b", strings.Repeat("a", 63)},
			bad:  []string{"", "s12.saasoptics.com", "-a", "a-", "a_b", "a/b", "a@b", "https://s12", strings.Repeat("a", 64)},
		},
		"account_name": {
			good: []string{"acme", "saasoptics_demo", "qbdv10_name", "a.b-c_d", "9lives", strings.Repeat("a", 128)},
			bad:  []string{"", ".a", "_a", "a..b", "a/b", "a?b", "a b", "ä", strings.Repeat("a", 129)},
		},
	} {
		for _, v := range values.good {
			require.NoError(t, check[key](v), "%s %q", key, v)
		}
		for _, v := range values.bad {
			err := check[key](v)
			require.Error(t, err, "%s %q", key, v)
			if len(v) > 3 {
				require.NotContains(t, err.Error(), v, "an error never repeats the value")
			}
		}
	}
	require.Equal(t, "https://s12.saasoptics.com", Source().Origin(stream.NewConfig(map[string]string{"server_subdomain": "S12"})))
}

// TestClassify tells the three kinds of 404 apart, and a redirect from both.
func TestClassify(t *testing.T) {
	ask := func(status int, body string) error {
		return classify(&stream.Response{Status: status, Body: []byte(body), URL: "https://s12.saasoptics.com/acme/api/v1.0/items/"})
	}
	require.ErrorIs(t, ask(http.StatusNotFound, `{"detail":"Invalid page."}`), stream.PastEnd)
	require.NoError(t, ask(http.StatusNotFound, `{"detail":"Not found."}`), "an unknown resource is judged by its status")
	require.NoError(t, ask(http.StatusOK, `{"count":0,"next":null,"previous":null,"results":[]}`))
	require.NoError(t, ask(http.StatusUnauthorized, `{"detail":"Invalid token."}`))
	for _, answer := range []struct {
		status int
		body   string
	}{{http.StatusNotFound, "<html>Not Found</html>"}, {http.StatusNotFound, ""}, {http.StatusFound, ""}, {http.StatusMovedPermanently, "<html></html>"}} {
		f := fault.As(ask(answer.status, answer.body))
		require.NotNil(t, f, answer.status)
		require.Equal(t, fault.Config, f.Kind, "a wrong account is the config's fault: exit 2")
		require.True(t, f.Whole)
		require.Contains(t, f.Hint, "account_name")
		require.Contains(t, f.Hint, "server_subdomain")
	}
}

// TestNothing: what is no list is no empty list either.
func TestNothing(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
		require.Equal(t, fault.Contract, fault.KindOf(classify(&stream.Response{Status: status})), status)
	}
	for _, s := range Source().Streams {
		require.True(t, s.NeverNull, s.Name)
	}
}

// TestStreams: the 23 of the contract, all selected by default, each with the
// document that shows it.
func TestStreams(t *testing.T) {
	require.Len(t, Source().Streams, 23)
	require.Equal(t, []stream.Limit{{Kind: stream.Pace, N: 5, Per: time.Second}}, Source().Limits, "what running clients hold themselves to")
	for _, s := range Source().Streams {
		require.True(t, s.Selected, s.Name)
		require.True(t, strings.HasPrefix(s.Doc, "https://"), s.Name)
	}
}
