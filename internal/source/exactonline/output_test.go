package exactonline_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
)

// output is what a run left behind.
type output struct {
	*testing.T
	report  *engine.Report
	text    []byte
	records []record
	states  []json.RawMessage
	state   json.RawMessage // the last one
	log     []logged
	asked   []emulator.Entry
	stats   emulator.Stats
	began   time.Time
	took    time.Duration
}

// record is a line of stdout.
type record struct {
	stream string
	raw    json.RawMessage
	at     int // how many STATEs came before it
}

// row are the members of a record.
func (r *record) row() map[string]json.RawMessage {
	var row map[string]json.RawMessage
	_ = json.Unmarshal(r.raw, &row) // it has been read once
	return row
}

// text is a member without its quotes.
func (r *record) text(member string) string { return text(r.row(), member) }

func text(row map[string]json.RawMessage, member string) string {
	return strings.Trim(string(row[member]), `"`)
}

// logged is a line of the log.
type logged struct {
	level, text string // the whole line as JSON
}

// read takes the messages apart.
func (o *output) read() {
	o.Helper()
	for line := range bytes.Lines(o.text) {
		if line[len(line)-1] != '\n' {
			continue // cut short: no consumer takes it
		}
		// A STATE is long, there are many, and few are looked into.
		if value, ok := bytes.CutPrefix(line, []byte(`{"type":"STATE","value":`)); ok {
			o.state = json.RawMessage(bytes.TrimSuffix(value, []byte("}\n")))
			o.states = append(o.states, o.state)
			continue
		}
		var m struct {
			Type, Stream string
			Record       json.RawMessage
		}
		require.NoError(o, json.Unmarshal(line, &m))
		if m.Type == "RECORD" {
			o.records = append(o.records, record{stream: m.Stream, raw: m.Record, at: len(o.states)})
		}
	}
}

// of are the records of a stream, within a division unless that is "".
func (o *output) of(stream, division string) []record {
	var out []record
	for _, r := range o.records {
		if r.stream == stream && (division == "" || bytes.HasPrefix(r.raw, []byte(`{"_division":`+division+`,`))) {
			out = append(out, r)
		}
	}
	return out
}

// result is what became of a stream.
func (o *output) result(stream string) engine.Result {
	o.Helper()
	for _, r := range o.report.Streams {
		if r.Stream == stream {
			return r
		}
	}
	require.Fail(o, "no result of "+stream)
	return engine.Result{}
}

// complete wants every stream to have come to its end.
func (o *output) complete() *output {
	o.Helper()
	require.NoError(o, o.report.Err)
	for _, r := range o.report.Streams {
		require.NoError(o, r.Err, r.Stream)
		require.Empty(o, r.Refused, r.Stream)
	}
	return o
}

// warnings are the lines at that level that hold a text.
func (o *output) warnings(text string) []string {
	var out []string
	for _, l := range o.log {
		if l.level == "WARN" && strings.Contains(l.text, text) {
			out = append(out, l.text)
		}
	}
	return out
}

// calls are the requests of a resource in a division; "" is any.
func (o *output) calls(resource, division string) []emulator.Entry {
	var out []emulator.Entry
	for _, e := range o.asked {
		if (resource == "" || e.Resource == resource) && (division == "" || strings.Contains(e.Path, "/"+division+"/")) {
			out = append(out, e)
		}
	}
	return out
}

// bookmark is a member of a partition's state, "" for none.
func (o *output) bookmark(stream, division, member string) string {
	o.Helper()
	return bookmarkOf(o.T, o.state, stream, division, member)
}

func bookmarkOf(t *testing.T, state json.RawMessage, stream, division, member string) string {
	t.Helper()
	var s struct {
		Bookmarks map[string]struct {
			Partitions map[string]map[string]json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(state, &s))
	return strings.Trim(string(s.Bookmarks[stream].Partitions[division][member]), `"`)
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

// lockedBuffer takes log lines of many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// between stands between the tap and the stand-in: answer may give an answer in
// the stand-in's place, nil passes the request on.
func between(answer func(*http.Request, http.RoundTripper) *http.Response) func(http.RoundTripper) http.RoundTripper {
	return func(inner http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if resp := answer(r, inner); resp != nil {
				return resp, nil
			}
			return inner.RoundTrip(r)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes one: headers are given in pairs.
func answer(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for k := 0; k+1 < len(headers); k += 2 {
		h.Set(headers[k], headers[k+1])
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
