package accountview_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/accountview"
)

// source is the table under test.
var source = accountview.Source()

// The stand-in's companies: the first is that of its config.
const (
	first, second = "7d0c2f4e-6a51-4a0e-9a0e-2f9c1c0e4b11", "c41b7e90-03d2-4c7b-8f5e-d1a6e9b02f37"
)

// site is the stand-in and what only this one has.
type site struct {
	*sitetest.Site
	behind *stand.Service
}

type (
	ask    = sitetest.Ask
	output = sitetest.Output
)

// visit opens the stand-in and does something there. Limits are real unless o says
// otherwise.
func visit(t *testing.T, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	visitAt(t, sitetest.Noon, o, do)
}

func visitAt(t *testing.T, at time.Time, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	t.Parallel()
	o.Records = cmp.Or(o.Records, 60)
	s := &site{}
	p := sitetest.Place{Source: source, Plugin: stand.Switched(&s.behind), Options: o, At: at, Secrets: []string{stand.ClientSecret, stand.RefreshToken}}
	sitetest.Visit(t, p, func(at *sitetest.Site) {
		s.Site = at
		do(at.T, s)
	})
}

// run reads once and checks what holds for every run: the company is asked for one
// thing at a time.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.Run(a)
	for _, company := range []string{first, second} {
		require.LessOrEqual(s, s.behind.AtOnce(company), 1, "calls of a company at once")
	}
	return out
}

// truth are all rows that a stream should have, by the values of its key.
func (s *site) truth(name string) map[string]sitetest.Row {
	s.Helper()
	rows, key := s.Truth(name), source.Stream(name).Key
	for _, row := range rows {
		if slices.Contains(key, "_book_year") && row["_book_year"] == nil {
			row["_book_year"] = row["INV_NR"][1:5] // of a journal line it is not told: INV_NR begins with it
		}
	}
	return sitetest.ByKey(rows, key...)
}

// bookmark is a member of the company's state, "" for none.
func bookmark(o *output, name, member string) string { return o.Bookmark(name, first, member) }

// whole wants a stream to have come as it is, each row once, with what it holds.
func (s *site) whole(out *output, name string) {
	s.Helper()
	require.Len(s, out.ByKey(name), len(out.Rows(name)), "%s: a row comes twice", name)
	s.same(out, name)
}

// same is whole but for rows that may come again.
func (s *site) same(out *output, name string) {
	s.Helper()
	want, got := s.truth(name), out.ByKey(name)
	require.Equal(s, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), name)
	for id, row := range got {
		for member, raw := range row {
			told, ok := want[id][member]
			if !ok || bytes.Contains(told, []byte("T")) && bytes.HasPrefix(told, []byte(`"20`)) {
				continue // a time, or what the truth does not have
			}
			if told[0] == '[' { // comes as text
				var text string
				require.NoError(s, json.Unmarshal(raw, &text), "%s %s: %s", name, id, member)
				raw = json.RawMessage(text)
			}
			if string(told) != string(raw) {
				var a, b any
				require.NoError(s, json.Unmarshal(told, &a))
				require.NoError(s, json.Unmarshal(raw, &b))
				require.Equal(s, a, b, "%s %s: %s", name, id, member)
			}
		}
	}
}

// wide is a config under which nothing is too old: history goes back to 2020.
var wide = map[string]any{"start_date": "2015-01-01"}
