package sourcetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// shuffles tells whether the service gives the members of a row in another order
// from one answer to the next: what is nested in a row, whose bytes stay as they
// came, differs then.
func (s *subject) shuffles(t testing.TB) bool {
	t.Helper()
	s.onceOrders.Do(func() {
		st, server := s.incremental(t)[0], s.openSmall(t)
		first := s.orders(t, server, st)
		s.shuffled = len(first) > 0 && !slices.Equal(first, s.orders(t, server, st))
	})
	return s.shuffled
}

// orders are the names of the members of the first row of each answer of a read, in
// the order in which they come.
func (s *subject) orders(t testing.TB, server *emulator.Server, st *stream.Stream) []string {
	t.Helper()
	var mu sync.Mutex
	var out []string
	s.sync(t, server, ask{config: wide, only: []*stream.Stream{st}, concurrency: 1, network: func(n http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			resp, err := n.RoundTrip(r)
			if err != nil {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(bytes.NewReader(body))
			if rows := rowsAt(body, st.Records); len(rows) > 0 && err == nil {
				if list, err := flat(rows[0]); err == nil {
					var names []string
					for _, m := range list {
						names = append(names, m.Name)
					}
					mu.Lock()
					defer mu.Unlock()
					out = append(out, strings.Join(names, " "))
				}
			}
			return resp, err
		})
	}}).complete(t)
	return out
}

// rowsAt are the rows at a dotted path of an answer, nil where there are none.
func rowsAt(body []byte, path string) []json.RawMessage {
	raw := json.RawMessage(body)
	for _, name := range slices.DeleteFunc(strings.Split(path, "."), func(s string) bool { return s == "" }) {
		list, err := flat(raw)
		if err != nil {
			return nil
		}
		raw = nil
		for _, m := range list {
			if m.Name == name {
				raw = m.Raw
			}
		}
	}
	var rows []json.RawMessage
	if json.Unmarshal(raw, &rows) != nil {
		return nil
	}
	return rows
}
