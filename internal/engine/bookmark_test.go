package engine

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestParseBookmark(t *testing.T) {
	at := func(text string) int64 {
		v, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return v.UnixMicro()
	}
	for _, test := range []struct {
		unit stream.Unit
		raw  string
		want int64
	}{
		{stream.Instant, `"2026-01-31T10:00:00Z"`, at("2026-01-31T10:00:00Z")},
		{stream.Instant, `"2026-01-31T10:00:00.000000Z"`, at("2026-01-31T10:00:00Z")},
		{stream.Instant, `"2026-01-31T10:00:00.1234567Z"`, at("2026-01-31T10:00:00.123456Z")},
		{stream.Instant, `"2026-01-31T10:00:00+05:30"`, at("2026-01-31T04:30:00Z")},
		{stream.Instant, `"2026-01-31T10:00:00-05:00"`, at("2026-01-31T15:00:00Z")},
		{stream.Instant, `"2026-01-31"`, at("2026-01-31T00:00:00Z")},
		{stream.Instant, `"2026-01-31T10:00:00"`, at("2026-01-31T10:00:00Z")},
		{stream.Instant, `" 2026-01-31 10:00:00 "`, at("2026-01-31T10:00:00Z")},
		{stream.Instant, `"2026-01-31 10:00:00.5+01:00"`, at("2026-01-31T09:00:00.5Z")},
		{stream.Instant, `"1969-12-31T23:59:59.999999Z"`, -1},
		{stream.Day, `"2026-01-31"`, 20484},
		{stream.Day, `"2026-01-31T23:59:59Z"`, 20484},
		{stream.Day, `"2026-01-31T23:30:00-05:00"`, 20485},
		{stream.Day, `"1969-12-31"`, -1},
		{stream.Int, `12`, 12},
		{stream.Int, `-3`, -3},
		{stream.Int, `9223372036854775807`, 1<<63 - 1},
		{stream.Int, `"12"`, 12},
	} {
		t.Run(test.raw, func(t *testing.T) {
			got, err := parseBookmark(test.unit, json.RawMessage(test.raw))
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			literal := test.unit.Format(got, "")
			if test.unit != stream.Int {
				literal = fmt.Sprintf("%q", literal)
			}
			again, err := parseBookmark(test.unit, json.RawMessage(literal))
			require.NoError(t, err)
			require.Equal(t, got, again, "its own form means the same")
		})
	}
	for unit, bad := range map[stream.Unit][]string{
		stream.Instant: {`"soon"`, `""`, `12`, `true`, `{}`, `[]`, `"2026-02-30"`, `"2026-01-31T25:00:00Z"`, `"31/01/2026"`, `nonsense`},
		stream.Day:     {`"never"`, `20484`},
		stream.Int:     {`1.5`, `"x"`, `"2026-01-31"`, `9223372036854775808`, `true`, `{}`},
	} {
		for _, raw := range bad {
			_, err := parseBookmark(unit, json.RawMessage(raw))
			require.Error(t, err, raw)
			require.Less(t, len(err.Error()), 120)
		}
	}
	_, err := parseBookmark(stream.Instant, json.RawMessage(fmt.Sprintf("%q", string(make([]byte, 4000)))))
	require.Error(t, err)
	require.Less(t, len(err.Error()), 300, "what a state holds may be long")
}

// States of other taps, and older forms of ours, are gone on from.
func TestStatesInAllDialects(t *testing.T) {
	for _, state := range []string{
		`{"bookmarks":{"orders":{"modified":"2026-01-06T00:00:00.000000Z","_without_key":0}}}`,
		`{"bookmarks":{"orders":{"modified":"2026-01-06T01:00:00+01:00","_without_key":0}}}`,
		`{"bookmarks":{"orders":{"modified":"2026-01-06","_without_key":0}},"currently_syncing":null}`,
		`{"bookmarks":{"orders":"2026-01-06T00:00:00Z"}}`,
		`{"bookmarks":{"orders":{"replication_key":"modified","replication_key_value":"2026-01-06T00:00:00Z"}}}`,
		`{"type":"STATE","value":{"bookmarks":{"orders":{"modified":"2026-01-06T00:00:00Z"}}}}`,
		`{"singer_state":{"bookmarks":{"orders":{"modified":"2026-01-06T00:00:00Z"}}}}`,
	} {
		w := newWorld(t, changing("orders"))
		w.table("orders", 7)
		res := w.good(state)
		require.Equal(t, []string{"5.1", "6.1", "7.1"}, res.records("orders"), state)
		require.Equal(t, "2026-01-08", res.bookmark("orders", "modified"))
	}
	for _, state := range []string{
		`{"bookmarks":{"orders":{"partitions":{"7":{"modified":"2026-01-06T00:00:00Z"}}}}}`,
		`{"bookmarks":{"orders":{"partitions":[{"context":{"_division":7},"replication_key":"modified","replication_key_value":"2026-01-06T00:00:00Z"}]}}}`,
	} {
		w := scoped(t, changing("orders"))
		w.table("d/7/orders", 7)
		w.table("d/9/orders", 1)
		res := w.good(state)
		require.Equal(t, []string{"5.1", "6.1", "7.1", "1.1"}, res.records("orders"), state)
	}
	for _, state := range []string{"", "{}", "null", `{"bookmarks":{}}`, `{"bookmarks":{"orders":null}}`, `{"bookmarks":{"orders":{"modified":null}}}`} {
		w := newWorld(t, changing("orders"))
		w.table("orders", 2)
		require.Equal(t, ids(2), w.good(state).records("orders"), state)
	}
}

// A bookmark that cannot be gone on from is refused before anything is written
// or asked; that of a stream which is not selected is kept as it came.
func TestBadBookmarks(t *testing.T) {
	for value, message := range map[string]string{
		`"soon"`:                 `toy: orders: bookmark modified: expected a date, found "soon"`,
		`12`:                     `toy: orders: bookmark modified: expected a date, found "12"`,
		`true`:                   ``,
		`"2026-11-21T11:00:01Z"`: "toy: orders: bookmark modified: lies in the future: 2026-11-21T11:00:01.000000Z is after 2026-11-21T10:00:00Z",
	} {
		state := `{"bookmarks":{"orders":{"modified":` + value + `}}}`
		w := newWorld(t, changing("orders"), whole("countries"))
		w.table("orders", 2)
		w.table("countries", 2, func(tt *table) { tt.cursor = "" })
		res := w.run(state)
		e := fault.As(res.report.Err)
		require.NotNil(t, e, value)
		require.Equal(t, fault.State, e.Kind)
		require.ErrorContains(t, e, message)
		require.Contains(t, e.Hint, "--full-refresh orders")
		require.Empty(t, res.lines)
		require.Empty(t, w.v.calls)

		w.unselect("orders")
		other := w.good(state)
		require.Equal(t, ids(2), other.records("countries"))
		require.Contains(t, other.state(), value)
	}
	t.Run("a little in the future", func(t *testing.T) {
		w := newWorld(t, changing("orders"))
		w.table("orders", 2)
		res := w.good(`{"bookmarks":{"orders":{"modified":"2026-11-21T10:30:00Z","_without_key":0}}}`)
		require.Equal(t, "2026-11-21T10:30:00Z", res.bookmark("orders", "modified"))
		require.Equal(t, "2026-11-21T10:00:00.000000Z", w.v.calls[0].get("since"), "clocks may disagree")
	})
	t.Run("in a partition", func(t *testing.T) {
		w := scoped(t, changing("orders"))
		res := w.run(`{"bookmarks":{"orders":{"partitions":{"7":{"modified":"soon"}}}}}`)
		require.Equal(t, fault.State, fault.KindOf(res.report.Err))
	})
	t.Run("of an integer", func(t *testing.T) {
		s := whole("orders")
		s.Schema = schemaOf(stamped)
		s.Cursor = &stream.Cursor{Field: "stamp", From: "since"}
		res := newWorld(t, s).run(`{"bookmarks":{"orders":{"stamp":"2026-01-01T00:00:00Z"}}}`)
		require.ErrorContains(t, res.report.Err, "expected an integer")
	})
}
