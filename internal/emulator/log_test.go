package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogAndStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newToy(t, Options{Faults: "429=1"})
		begin := time.Now()
		ask := func(path string, wait time.Duration) {
			time.Sleep(wait)
			_, _, err := get(t, s, http.MethodGet, path)
			require.NoError(t, err)
		}
		ask("/toy/things/?page=1", 0)
		ask("/toy/things/?page=1", 2*time.Second)
		for range 4 {
			ask("/toy/things/?page=2", 300*time.Millisecond)
		}
		ask("/toy/nothing/", 90*time.Second)
		_, _, err := get(t, s, http.MethodGet, "/elsewhere/")
		require.NoError(t, err)

		log, err := s.Log("toy")
		require.NoError(t, err)
		require.Len(t, log, 7)
		require.Equal(t, Entry{
			Time: begin, Method: "GET", Path: "/things/", Query: "page=1", Resource: "things", Status: 429, Bytes: 16,
			RetryAfter: "2", Fault: "429",
		}, log[0])
		require.InDelta(t, 2, log[1].Wait, 1e-9)
		require.Equal(t, int64(len(toyBody)), log[1].Bytes)
		require.Equal(t, 404, log[6].Status)

		stats, err := s.Stats("toy")
		require.NoError(t, err)
		require.Equal(t, int64(7), stats.Requests)
		require.Equal(t, map[string]int64{"things": 6, "nothing": 1}, stats.ByResource)
		require.Equal(t, map[string]int64{"200": 5, "404": 1, "429": 1}, stats.ByStatus)
		require.Equal(t, 4, stats.MaxPerSecond)
		require.Equal(t, 6, stats.MaxPerMinute)
		require.Equal(t, int64(10), stats.Rows)
		require.Equal(t, begin, *stats.First)
		require.Equal(t, 93200*time.Millisecond, stats.Last.Sub(*stats.First))

		require.NoError(t, s.Reset("toy"))
		stats, err = s.Stats("toy")
		require.NoError(t, err)
		require.Zero(t, stats.Requests)
		require.Nil(t, stats.First)
	})
}

func TestSliderLeavesTheFarEndOut(t *testing.T) {
	s := slider{width: time.Second}
	begin := time.Now()
	for k := range 5000 {
		s.add(begin.Add(time.Duration(k) * 200 * time.Millisecond))
	}
	require.Equal(t, 5, s.most, "five a second is five in any second")
	require.Less(t, len(s.times), 3000, "bounded")
}

func TestLogIsBounded(t *testing.T) {
	l := newLog()
	for k := range kept + 10 {
		l.arrive(&Entry{Bytes: int64(k)})
	}
	entries := l.entries()
	require.Len(t, entries, kept)
	require.Equal(t, int64(10), entries[0].Bytes)
	require.Equal(t, int64(kept+9), entries[kept-1].Bytes)
	require.Equal(t, int64(kept+10), l.stats("x").Requests)
}

// TestSpoiledRowsAreNotCounted: a row that did not arrive was not served.
func TestSpoiledRowsAreNotCounted(t *testing.T) {
	for fault, rows := range map[string]int64{"cut": 0, "truncated": 0, "garbage": 0, "gzip": 2, "dup": 2, "": 2} {
		s := newToy(t, Options{Faults: fault})
		_, _, _ = get(t, s, http.MethodGet, "/toy/things/")
		stats, err := s.Stats("toy")
		require.NoError(t, err)
		require.Equal(t, rows, stats.Rows, fault)
	}
}

func TestControl(t *testing.T) {
	s := newToy(t, Options{Faults: "500=1"})
	ask := func(method, path string, want int) string {
		response, body, err := get(t, s, method, path)
		require.NoError(t, err)
		require.Equal(t, want, response.StatusCode, "%s: %s", path, body)
		return body
	}
	ask("GET", "/toy/things/", 500)
	ask("GET", "/toy/things/", 200)

	var lines []Entry
	for line := range strings.Lines(ask("GET", "/_sandbox/toy/log", 200)) {
		var e Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		lines = append(lines, e)
	}
	require.Len(t, lines, 2)
	require.Equal(t, "500", lines[0].Fault)

	var stats Stats
	require.NoError(t, json.Unmarshal([]byte(ask("GET", "/_sandbox/toy/stats", 200)), &stats))
	require.Equal(t, "toy", stats.Source)
	require.Equal(t, int64(2), stats.Requests)

	require.Equal(t, `{"id":1}`+"\n", ask("GET", "/_sandbox/toy/truth?stream=things", 200))
	ask("GET", "/_sandbox/toy/truth?stream=x", 404)

	body := ask("POST", "/_sandbox/toy/change?stream=things&rows=2&ids=5,abc&gone=9&at=2026-01-02T03:04:05.1234567Z", 200)
	require.JSONEq(t, `{"source":"toy","changes":[{"stream":"things","at":"2026-01-02T03:04:05.123456Z","touched":[5,"abc"],"deleted":[9],"inserted":["x-1"]}]}`, body)
	ask("POST", "/_sandbox/toy/change?stream=x", 400)
	ask("POST", "/_sandbox/toy/change?rows=-1", 400)
	ask("POST", "/_sandbox/toy/change?rows=many", 400)
	ask("POST", "/_sandbox/toy/change?at=yesterday", 400)
	before := time.Now().Add(-time.Second)
	var changes struct{ Changes []Report }
	require.NoError(t, json.Unmarshal([]byte(ask("POST", "/_sandbox/toy/change", 200)), &struct{ Changes any }{}))
	reports, err := s.Change("toy", Change{})
	require.NoError(t, err)
	changes.Changes = reports
	require.True(t, changes.Changes[0].At.After(before), "now, if not said otherwise")

	ask("POST", "/_sandbox/toy/reset", 200)
	require.Empty(t, ask("GET", "/_sandbox/toy/log", 200))
	ask("GET", "/toy/things/", 200)
	ask("POST", "/_sandbox/toy/reset?with=faults,data", 200)
	ask("GET", "/toy/things/", 500)

	ask("GET", "/_sandbox/toy/change", 405)
	ask("POST", "/_sandbox/toy/log", 405)
	ask("GET", "/_sandbox/toy/nonsense", 404)
	ask("GET", "/_sandbox/nobody/log", 404)
	ask("GET", "/_sandbox", 404)
}
