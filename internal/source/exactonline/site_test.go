package exactonline_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
	"github.com/tap-backoffice/tap-backoffice/internal/source/exactonline"
)

// source is the table under test.
var source = exactonline.Source()

// The stand-in's divisions: the first two can be read.
const (
	first, second               = "812345", "813456"
	inactive, archived, blocked = "814567", "815678", "816789"
	ungranted                   = "817900"
)

// credentials are what no run may tell.
var credentials = []string{stand.ClientSecret, stand.RefreshToken, "stampNL001"}

// site is the stand-in and what only this one has.
type site struct {
	*sitetest.Site
	behind *stand.Service
}

type (
	ask    = sitetest.Ask
	output = sitetest.Output
	record = sitetest.Record
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
	o.Records = cmp.Or(o.Records, 12)
	s := &site{}
	p := sitetest.Place{Source: source, Plugin: stand.Watched(&s.behind), Options: o, At: at, Secrets: credentials}
	sitetest.Visit(t, p, func(at *sitetest.Site) {
		s.Site = at
		do(at.T, s)
	})
}

// run reads once and checks what holds for every run: the key is not locked, and no
// endpoint of a division refuses more than the vendor bears.
func (s *site) run(a ask) *output {
	s.Helper()
	out := s.Run(a)
	require.False(s, s.behind.Blocked(), "the key is locked")
	for at, n := range refusals(out.Asked) {
		require.LessOrEqual(s, n, 10, "refusals of %s", at)
	}
	return out
}

// truth are the keys of all rows that a stream should have, by division.
func (s *site) truth(stream, key string) map[string]map[string]string {
	s.Helper()
	out := map[string]map[string]string{}
	for _, row := range s.Truth(stream) {
		division := row.Text("_division")
		if out[division] == nil {
			out[division] = map[string]string{}
		}
		out[division][row.Text(key)] = row.Text("Timestamp")
	}
	return out
}

// of are the records of a stream, within a division unless that is "".
func of(o *output, stream, division string) []record {
	var out []record
	for _, r := range o.Records {
		if r.Stream == stream && (division == "" || r.Text("_division") == division) {
			out = append(out, r)
		}
	}
	return out
}

// calls are the requests of a resource in a division; "" is any.
func calls(o *output, resource, division string) []emulator.Entry {
	var out []emulator.Entry
	for _, e := range o.Calls(resource) {
		if division == "" || strings.Contains(e.Path, "/"+division+"/") {
			out = append(out, e)
		}
	}
	return out
}

// refusals are the most answers of 400, 401, 403 and 404 within an hour, by
// endpoint and division.
func refusals(log []emulator.Entry) map[string]int {
	times, most := map[string][]time.Time{}, map[string]int{}
	for _, e := range log {
		switch e.Status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		default:
			continue
		}
		times[e.Path] = append(times[e.Path], e.Time)
		for e.Time.Sub(times[e.Path][0]) >= time.Hour {
			times[e.Path] = times[e.Path][1:]
		}
		most[e.Path] = max(most[e.Path], len(times[e.Path]))
	}
	return most
}
