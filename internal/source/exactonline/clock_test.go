package exactonline_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestSiteClock: the zone of a site is the documented one (DOC: CET, and REC on
// .fr), whatever current/Me tells; only of the sites that are unverified may its
// clock tell another one. Nothing that it tells, or does not, ends a run.
func TestSiteClock(t *testing.T) {
	const (
		amsterdam = "2026-05-01T02:00:00"
		london    = "2026-05-01T01:00:00"
		newYork   = "2026-04-30T20:00:00"
		losAngele = "2026-04-30T17:00:00"
		utc       = "2026-05-01T00:00:00"
		june      = `"2026-06-25T16:56:08"`
		november  = `"2026-11-25T16:56:08"`
	)
	for title, c := range map[string]struct {
		region, time, offset string
		reads                string // 2026-05-01T00:00:00Z
		told                 []string
	}{
		"the dossier's own":   {"nl", june, `7200`, amsterdam, nil},
		"winter":              {"nl", november, `3600`, amsterdam, nil},
		"summer, an hour off": {"nl", june, `3600`, amsterdam, []string{"+01:00", "Europe/Amsterdam", "+02:00"}},
		"winter, as summer":   {"nl", november, `7200`, amsterdam, []string{"+02:00", "Europe/Amsterdam", "+01:00"}},
		"be":                  {"be", june, `0`, amsterdam, []string{"+00:00", "Europe/Amsterdam"}},
		"de":                  {"de", june, `-18000`, amsterdam, []string{"-05:00", "Europe/Amsterdam"}},
		"fr":                  {"fr", june, `3600`, amsterdam, []string{"+01:00", "Europe/Amsterdam"}},
		"odd":                 {"nl", june, `12345`, amsterdam, []string{"Europe/Amsterdam"}},
		"far off":             {"nl", june, `1e300`, amsterdam, nil},
		"text":                {"nl", june, `"7200"`, amsterdam, nil},
		"text, an hour off":   {"nl", june, `" 3600 "`, amsterdam, []string{"+01:00", "Europe/Amsterdam"}},
		"no number":           {"nl", june, `"CET"`, amsterdam, nil},
		"no offset":           {"nl", june, `null`, amsterdam, nil},
		"no time":             {"nl", `null`, `0`, amsterdam, nil},
		"ticks":               {"nl", `"/Date(1782404890063)/"`, `7200`, amsterdam, nil},
		"a number for a time": {"nl", `17`, `7200`, amsterdam, nil},
		"objects":             {"nl", `{"a":1}`, `[7200]`, amsterdam, nil},
		"uk, as documented":   {"uk", june, `7200`, amsterdam, nil},
		"uk, its own":         {"uk", june, `3600`, london, []string{"Europe/London", "Europe/Amsterdam"}},
		"uk, its own, winter": {"uk", november, `0`, london, []string{"Europe/London", "Europe/Amsterdam"}},
		"us, as documented":   {"us", november, `3600`, amsterdam, nil},
		"us, east":            {"us", june, `-14400`, newYork, []string{"America/New_York", "Europe/Amsterdam"}},
		"us, west, as text":   {"us", november, `"-28800"`, losAngele, []string{"America/Los_Angeles", "Europe/Amsterdam"}},
		"us, UTC":             {"us", november, `0`, utc, []string{"UTC", "Europe/Amsterdam"}},
		"es, as documented":   {"es", june, `7200`, amsterdam, nil},
		"es, nowhere":         {"es", june, `19800`, amsterdam, []string{"+05:30", "Europe/Amsterdam"}},
		"us, not told":        {"us", june, `null`, amsterdam, []string{"does not tell", "Europe/Amsterdam"}},
		"uk, no time":         {"uk", `null`, `3600`, amsterdam, []string{"does not tell", "Europe/Amsterdam"}},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				me := `{"d":{"results":[{"CurrentDivision":` + first + `,"ServerTime":` + c.time + `,"ServerUtcOffset":` + c.offset + `}]}}`
				out := s.run(ask{
					Only: []string{conditions + ".Modified"}, Config: map[string]any{"region": c.region, "start_date": "2026-05-01T00:00:00Z", "divisions": first},
					Network: nth("/current/Me", func(_ int, r *http.Request) *http.Response { return sitetest.Answer(r, http.StatusOK, me) }),
				}).Complete()
				q, err := url.ParseQuery(calls(out, conditions, first)[0].Query)
				require.NoError(t, err)
				require.Equal(t, "Modified ge datetime'"+c.reads+"'", q.Get("$filter"))
				warned := out.Warnings("clock")
				if c.told == nil {
					require.Empty(t, warned)
					return
				}
				require.Len(t, warned, 1, "one line")
				for _, word := range c.told {
					require.Contains(t, warned[0], word)
				}
			})
		})
	}
}

// TestNobodyTellsTheDivision: without it nothing can be asked; that a number comes
// as text is no matter.
func TestNobodyTellsTheDivision(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		me := func(body string) func(http.RoundTripper) http.RoundTripper {
			return nth("/current/Me", func(_ int, r *http.Request) *http.Response { return sitetest.Answer(r, http.StatusOK, body) })
		}
		s.run(ask{Only: []string{conditions}, Network: me(`{"d":{"results":[{"CurrentDivision":"` + first + `"}]}}`)}).Complete()
		for _, body := range []string{`{"d":{"results":[{"CurrentDivision":null}]}}`, `{"d":{"results":[]}}`, `{"d":null}`, `{"d":{"results":null}}`} {
			out := s.run(ask{Only: []string{conditions}, Network: me(body)})
			require.Error(t, out.Report.Err, body)
			require.Contains(t, out.Report.Err.Error(), "Me", body)
		}
	})
}
