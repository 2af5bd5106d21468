package data

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a time that tests set.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 11, 20, 10, 30, 5, 0, time.UTC)} }

func testOrg(records int) (*Org, *clock) {
	c := newClock()
	return Open(Options{Records: records, Seed: 7, Modules: 2, Now: c.read}), c
}

type row = map[string]any

// parse reads the rows under a member of an answer, and its info.
func parse(t *testing.T, b *Body, key string) (rows []row, info row) {
	t.Helper()
	require.False(t, b.Empty)
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b.JSON, &all), "%s", b.JSON)
	rows = decode[[]row](t, all[key])
	require.Len(t, rows, b.Rows)
	if all["info"] != nil {
		info = decode[row](t, all["info"])
	}
	return rows, info
}

func decode[T any](t *testing.T, text []byte) (out T) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	require.NoError(t, d.Decode(&out), "%s", text)
	return out
}

// params makes a query of name=value pairs.
func params(pairs ...string) url.Values {
	q := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		q.Add(name, value)
	}
	return q
}

func list(t *testing.T, o *Org, module string, since time.Time, pairs ...string) (rows []row, info row) {
	t.Helper()
	b, err := o.List(module, params(pairs...), since)
	require.NoError(t, err)
	return parse(t, b, "data")
}

func ids(rows []row) []string {
	out := make([]string, len(rows))
	for k, r := range rows {
		out[k], _ = r["id"].(string)
	}
	return out
}

// chain reads a list to its end by page_token; between runs after each page.
func chain(t *testing.T, o *Org, module string, since time.Time, between func(page int), pairs ...string) []row {
	t.Helper()
	var out []row
	q := params(pairs...)
	for page := 1; ; page++ {
		b, err := o.List(module, q, since)
		require.NoError(t, err)
		if b.Empty {
			return out
		}
		rows, info := parse(t, b, "data")
		out = append(out, rows...)
		if !more(info) {
			require.Nil(t, info["next_page_token"])
			return out
		}
		q.Del("page")
		q.Set("page_token", info["next_page_token"].(string))
		if between != nil {
			between(page)
		}
	}
}

// refused is the error of a call.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var out *Error
	require.ErrorAs(t, err, &out)
	require.Contains(t, decode[row](t, bytes.TrimSuffix(bytes.TrimPrefix(out.JSON(), []byte(`{"data":[`)), []byte(`]}`))), "code")
	return out
}

// truth reads the rows that a stream has.
func truth(t *testing.T, o *Org, stream string) []row {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, o.Truth(&b, stream))
	out := []row{}
	for line := range bytes.Lines(b.Bytes()) {
		out = append(out, decode[row](t, line))
	}
	return out
}

func parsedTime(t *testing.T, v any) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05Z07:00", v.(string))
	require.NoError(t, err)
	return at
}

func query(t *testing.T, text string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(text)
	require.NoError(t, err)
	return q
}

func jsonNumber(v any) json.Number {
	n, _ := v.(json.Number)
	return n
}

// more tells whether an info says that there are more rows.
func more(info row) bool { return info["more_records"] == any(true) }
