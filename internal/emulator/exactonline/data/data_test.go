package data_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline/data"
)

const (
	first = 812345
	other = 813456
)

// clock is when the tests play: after both changes of that year's summer time.
var clock = time.Date(2026, 11, 20, 9, 30, 15, 250e6, time.UTC)

func open(records int) *data.Store {
	return data.Open(data.Options{Records: records, Seed: 7, Now: func() time.Time { return clock }})
}

func set(t testing.TB, name string) *edm.Set {
	t.Helper()
	s := edm.Find(name)
	require.NotNil(t, s, name)
	return s
}

const root = "https://start.exactonline.nl/api/v1/"

func address(s *edm.Set, division string) string {
	return root + strings.Replace(s.Path, "{division}", division, 1)
}

// params reads "name=value" pairs.
func params(pairs ...string) url.Values {
	v := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		v.Set(name, value)
	}
	return v
}

type row = map[string]any

type answer struct {
	data.Result

	rows  []row
	next  string
	count string
	bare  bool
}

func ask(s *data.Store, set *edm.Set, division int, q url.Values) (*answer, error) {
	r, err := s.Query(set, division, q, address(set, "812345"))
	if err != nil {
		return nil, err
	}
	out := &answer{Result: *r}
	var d struct{ D json.RawMessage }
	if err := json.Unmarshal(r.Body, &d); err != nil {
		return nil, err
	}
	if d.D[0] == '[' {
		out.bare = true
		return out, json.Unmarshal(d.D, &out.rows)
	}
	var page struct {
		Results json.RawMessage
		Next    string `json:"__next"`
		Count   string `json:"__count"`
	}
	if err := json.Unmarshal(d.D, &page); err != nil {
		return nil, err
	}
	out.next, out.count = page.Next, page.Count
	if page.Results == nil {
		var one row
		err := json.Unmarshal(d.D, &one)
		out.rows = []row{one}
		return out, err
	}
	return out, json.Unmarshal(page.Results, &out.rows)
}

func get(t testing.TB, s *data.Store, name string, pairs ...string) *answer {
	t.Helper()
	a, err := ask(s, set(t, name), first, params(pairs...))
	require.NoError(t, err)
	require.Len(t, a.rows, a.Rows)
	require.Len(t, a.IDs, a.Rows)
	require.Equal(t, a.next != "", a.Next)
	return a
}

// follow reads the page that a next link names.
func follow(t testing.TB, s *data.Store, name, next string) *answer {
	t.Helper()
	u, err := url.Parse(next)
	require.NoError(t, err)
	require.Equal(t, address(set(t, name), "812345"), u.Scheme+"://"+u.Host+u.Path)
	a, err := ask(s, set(t, name), first, u.Query())
	require.NoError(t, err)
	return a
}

// all reads every page and counts them.
func all(t testing.TB, s *data.Store, name string, pairs ...string) (rows []row, ids []string, pages int) {
	t.Helper()
	a := get(t, s, name, pairs...)
	for {
		rows, ids, pages = append(rows, a.rows...), append(ids, a.IDs...), pages+1
		if a.next == "" {
			return rows, ids, pages
		}
		a = follow(t, s, name, a.next)
	}
}

func refusal(t testing.TB, s *data.Store, name string, pairs ...string) *data.Error {
	t.Helper()
	_, err := ask(s, set(t, name), first, params(pairs...))
	var refused *data.Error
	require.ErrorAs(t, err, &refused)
	return refused
}

// must is what a set has to be asked with.
func must(s *edm.Set) []string {
	switch s.Variant {
	case edm.Sync:
		return []string{"$filter=Timestamp gt 1"}
	case edm.Bulk:
		return []string{"$select=*"}
	default:
		return nil
	}
}

func query(s *edm.Set) url.Values { return params(must(s)...) }
