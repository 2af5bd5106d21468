package buchhaltungsbutler_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/buchhaltungsbutler"
)

// source is the table under test.
var source = buchhaltungsbutler.Source()

// site is the stand-in and what only this one has.
type site struct {
	*sitetest.Site
	behind *stand.Service
}

type (
	ask    = sitetest.Ask
	output = sitetest.Output
	row    = sitetest.Row
)

// visit opens the stand-in and does something there. Limits are real.
func visit(t *testing.T, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	visitAt(t, sitetest.Noon, o, do) // an hour later in Germany
}

func visitAt(t *testing.T, at time.Time, o emulator.Options, do func(*testing.T, *site)) {
	t.Helper()
	t.Parallel()
	o.Records = cmp.Or(o.Records, 60)
	s := &site{}
	p := sitetest.Place{Source: source, Plugin: stand.Watched(&s.behind), Options: o, At: at, Secrets: []string{stand.Secret, stand.Key}}
	sitetest.Visit(t, p, func(at *sitetest.Site) {
		s.Site = at
		do(at.T, s)
	})
}

// run reads once and checks what holds for every run: the limit is kept.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.Run(a)
	require.LessOrEqual(s, out.Stats.MaxPerMinute, 100, "calls in any 60 seconds")
	return out
}

// truth are the rows that a stream should have, by key.
func (s *site) truth(stream string) map[string]row {
	s.Helper()
	return byKey(s.Truth(stream), strings.TrimSuffix(stream, "/offers"))
}

func byKey(rows []row, stream string) map[string]row {
	return sitetest.ByKey(rows, source.Stream(stream).Key...)
}

// whole wants a stream to have written the truth and nothing else, in the last
// version of each row.
func (s *site) whole(out *output, names ...string) {
	s.Helper()
	for _, stream := range names {
		s.holds(out.Rows(stream), s.truth(stream), stream)
	}
}

// holds compares records with rows.
func (s *site) holds(records []row, want map[string]row, name string) {
	s.Helper()
	schema, err := engine.Schema(source, source.Stream(name))
	require.NoError(s, err)
	got := byKey(records, name)
	require.Equal(s, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), "%s: rows", name)
	for key, row := range want {
		for member, raw := range row {
			p := schema.Property(member)
			if p == nil {
				require.Contains(s, string(got[key]["_rescued_data"]), member, "%s: %s", name, key)
				continue
			}
			require.Equal(s, expected(p, raw), string(got[key][member]), "%s: %s of %s", name, member, key)
		}
	}
}

var berlin, _ = time.LoadLocation("Europe/Berlin")

// expected is the literal that a value of the vendor becomes.
func expected(p *singer.Schema, raw json.RawMessage) string {
	text := string(raw)
	quoted := raw[0] == '"'
	var inner string
	_ = json.Unmarshal(raw, &inner)
	switch {
	case text == "null" || p.Type != "string" && quoted && inner == "" || p.Format != "" && inner == "":
		return "null"
	case p.Format == "date":
		return `"` + inner[:10] + `"`
	case p.Format == "date-time":
		at, err := time.ParseInLocation(time.DateTime, inner, berlin)
		if err != nil {
			return err.Error()
		}
		return at.UTC().Format(`"2006-01-02T15:04:05Z"`)
	case p.Type == "string" && !quoted:
		return `"` + text + `"`
	case p.Type == "boolean" && quoted:
		return map[string]string{"0": "false", "1": "true"}[inner]
	case (p.Type == "integer" || p.Type == "number") && quoted:
		return inner
	}
	return text
}

// failing lets so many calls through and breaks the next ones.
func failing(after int) func(http.RoundTripper) http.RoundTripper {
	return func(inner http.RoundTripper) http.RoundTripper {
		n := 0
		return sitetest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n > after-1 {
				return nil, errors.New("the line is dead")
			}
			return inner.RoundTrip(r)
		})
	}
}
