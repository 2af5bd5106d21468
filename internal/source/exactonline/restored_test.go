package exactonline_test

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// alsoDeleted puts further rows into the list of deletions of the first division.
func alsoDeleted(rows ...string) func(http.RoundTripper) http.RoundTripper {
	return sitetest.Between(func(r *http.Request, inner http.RoundTripper) *http.Response {
		if !strings.Contains(r.URL.Path, "/"+first+"/sync/Deleted") {
			return nil
		}
		resp, err := inner.RoundTrip(r)
		if err != nil {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil {
			return nil
		}
		text := strings.Replace(string(body), `{"d":{"results":[`, `{"d":{"results":[`+strings.Join(rows, ",")+",", 1)
		text = strings.Replace(text, ",]", "]", 1)
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		resp.Header.Del("Content-Length")
		return resp
	})
}

func tomb(entity, key, version string) string {
	return `{"__metadata":{},"DeletedDate":"/Date(1793000000000)/","EntityKey":` + key + `,"EntityType":` + entity + `,"Timestamp":"` + version + `"}`
}

// TestRestored: a deletion that is older than the row that is there now is not
// written after it, which would blank a live row: "apply only when the stored row's
// Timestamp <= the deletion's" (CLIENT, DEMO). However many requests are under way.
func TestRestored(t *testing.T) {
	for _, concurrency := range []int{1, 4, 8} {
		t.Run(strconv.Itoa(concurrency), func(t *testing.T) {
			visit(t, emulator.Options{Latency: 50 * time.Millisecond}, func(t *testing.T, s *site) {
				var ids []string
				live := s.truth(accounts, "ID")[first]
				for id := range live {
					ids = append(ids, id)
				}
				slices.Sort(ids)
				before, after := ids[0], ids[1]
				network := alsoDeleted(
					tomb("2", `"`+before+`"`, strconv.FormatInt(number(t, live[before])-1, 10)),
					tomb("2", `"`+after+`"`, strconv.FormatInt(number(t, live[after])+1, 10)),
				)
				out := s.run(ask{Only: []string{accounts, banks}, Config: map[string]any{"include_deleted": true}, Network: network, Concurrency: concurrency}).Complete()
				var buried []string
				for _, r := range of(out, accounts, first) {
					if r.Text("_deleted_at") != "null" {
						buried = append(buried, r.Text("ID"))
					}
				}
				require.NotContains(t, buried, before)
				require.Contains(t, buried, after)
			})
		})
	}
}

// TestDeletionsOfOthers: the list is shared by all sync streams. What it says of one
// is no trouble of another, and a type that comes as text is that type.
func TestDeletionsOfOthers(t *testing.T) {
	const version = "999999999999"
	for title, c := range map[string]struct {
		row     string
		fails   string
		deleted string
	}{
		"another's, without a key":     {row: tomb("5", "null", version), fails: "sync_crm_contacts"},
		"nobody's, without a key":      {row: tomb("52", "null", version)},
		"nobody's, in an odd shape":    {row: `{"EntityType":{"a":[1]},"EntityKey":[],"DeletedDate":7,"Timestamp":"` + version + `"}`},
		"its own, with a type as text": {row: tomb(`"2"`, `"0a0a0a0a-0000-0000-0000-000000000001"`, version), deleted: "0a0a0a0a-0000-0000-0000-000000000001"},
		"its own, without a key":       {row: tomb("2", "null", version), fails: accounts},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				only := []string{accounts, "sync_crm_contacts", "sync_deleted"}
				out := s.run(ask{Only: only[:2], Config: map[string]any{"include_deleted": true}, Network: alsoDeleted(c.row)})
				require.NoError(t, out.Report.Err)
				for _, name := range only[:2] {
					if name == c.fails {
						require.Equal(t, fault.Contract, fault.KindOf(out.Result(name).Err))
						require.ErrorContains(t, out.Result(name).Err, "without EntityKey")
						require.Empty(t, out.Bookmark(name, first, "_deleted"))
						continue
					}
					require.NoError(t, out.Result(name).Err)
					require.True(t, name != accounts || len(gone(out, name)) > 0)
					require.Equal(t, version, out.Bookmark(name, first, "_deleted"))
				}
				if c.deleted != "" {
					require.True(t, slices.ContainsFunc(gone(out, accounts), func(r record) bool { return r.Text("ID") == c.deleted }))
				}
			})
		})
	}
}
