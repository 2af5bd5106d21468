package singer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// A sink keeps each write apart and fails when told to.
type sink struct {
	writes []string
	room   int // bytes until it fails; negative: never
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.room >= 0 && len(p) > s.room {
		n := s.room
		s.writes, s.room = append(s.writes, string(p[:n])), 0
		return n, s.err
	}
	if s.room >= 0 {
		s.room -= len(p)
	}
	s.writes = append(s.writes, string(p))
	return len(p), nil
}

func TestWriterMessages(t *testing.T) {
	out := &sink{room: -1}
	w := NewWriter(out)
	s := NewState()
	schema := &Schema{Type: "object", Properties: []Property{{"id", &Schema{Type: "integer"}}}}
	require.NoError(t, w.State(s))
	require.NoError(t, w.Schema("a", schema, []string{"id"}, []string{"id"}))
	require.NoError(t, w.Schema("b", schema, []string{"id"}, nil))
	require.NoError(t, w.Schema("b", schema, []string{"id"}, nil), "the same again is not written")
	require.NoError(t, w.Records(nil))
	require.NoError(t, w.Records([]byte("{\"x\":1}\n{\"x\":2}\n")))
	require.Len(t, out.writes, 1, "small pieces wait")
	require.NoError(t, w.State(s), "an equal state only flushes")
	require.Len(t, out.writes, 2)
	s.Set("a", "id", json.RawMessage(`2`))
	require.NoError(t, w.State(s))
	require.NoError(t, w.State(s))
	require.NoError(t, w.Final(s))
	require.NoError(t, w.Flush())
	require.NoError(t, w.Err())
	const want = `{"type":"STATE","value":{"bookmarks":{},"currently_syncing":null}}
{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"}}},"key_properties":["id"],"bookmark_properties":["id"]}
{"type":"SCHEMA","stream":"b","schema":{"type":"object","properties":{"id":{"type":"integer"}}},"key_properties":["id"]}
{"x":1}
{"x":2}
{"type":"STATE","value":{"bookmarks":{"a":{"id":2}},"currently_syncing":null}}
{"type":"STATE","value":{"bookmarks":{"a":{"id":2}},"currently_syncing":null}}
`
	require.Equal(t, want, strings.Join(out.writes, ""))
	require.Equal(t, Counts{Bytes: int64(len(want)), Schemas: 2, Records: 2, States: 3}, w.Counts())
	require.EqualValues(t, 7, w.Counts().Messages())
}

func TestWriterGathers(t *testing.T) {
	out := &sink{room: -1}
	w := NewWriter(out)
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 65 {
		require.NoError(t, w.Records(line))
	}
	require.Empty(t, out.writes)
	require.NoError(t, w.Records(line))
	require.Len(t, out.writes, 1, "64 KiB are written in one piece")
	require.NoError(t, w.Records(line))
	big := bytes.Repeat(line, 100)
	require.NoError(t, w.Records(big))
	require.Len(t, out.writes, 3, "what waited goes first, a big piece goes straight through")
	require.Equal(t, string(big), out.writes[2])
	require.NoError(t, w.Text([]byte("text")))
	require.Equal(t, "text", out.writes[3])
	require.EqualValues(t, 167, w.Counts().Records)
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = w.Records(line) }))
}

func TestWriterDefects(t *testing.T) {
	w := NewWriter(io.Discard)
	schema := &Schema{Type: "object", Properties: []Property{{"id", &Schema{Type: "integer"}}}}
	require.NoError(t, w.Schema("a", schema, []string{"id"}, nil))
	require.Equal(t, fault.Internal, fault.KindOf(w.Schema("a", schema, []string{"id"}, []string{"id"})))
	require.Equal(t, fault.Internal, fault.KindOf(w.Records([]byte(`{"x":1}`))))
	require.NoError(t, w.Flush())
}

func TestWriterClosedPipe(t *testing.T) {
	r, p, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	w := NewWriter(p)
	err = w.State(NewState())
	require.Equal(t, fault.Output, fault.KindOf(err))
	require.True(t, fault.As(err).Whole)
	require.ErrorIs(t, err, syscall.EPIPE)
	require.NoError(t, p.Close())
}

func TestWriterSticks(t *testing.T) {
	full := errors.New("no space left")
	for name, c := range map[string]*sink{"error": {room: 10, err: full}, "short write": {room: 10}} {
		t.Run(name, func(t *testing.T) {
			w := NewWriter(c)
			first := w.Final(NewState())
			require.Equal(t, fault.Output, fault.KindOf(first))
			require.ErrorContains(t, first, "write stdout: after 10 bytes")
			c.room = -1
			schema := &Schema{Type: "object"}
			for _, err := range []error{
				w.State(NewState()), w.Final(NewState()), w.Schema("a", schema, nil, nil), w.Records([]byte("x\n")),
				w.Records(bytes.Repeat([]byte("x\n"), writeSize)), w.Text([]byte("x")), w.Flush(), w.Err(),
			} {
				require.Equal(t, first, err)
			}
			require.Len(t, c.writes, 1, "nothing is written behind a gap")
			require.EqualValues(t, 10, w.Counts().Bytes)
		})
	}
}

func TestMetrics(t *testing.T) {
	for want, m := range map[string]Metric{
		`METRIC: {"type": "counter", "metric": "record_count", "value": 1000, "tags": {"endpoint": "contracts"}}`:                                                RecordCount("contracts", 1000),
		`METRIC: {"type": "counter", "metric": "http_request_count", "value": 2, "tags": {"endpoint": "a"}}`:                                                     RequestCount("a", 2),
		`METRIC: {"type": "timer", "metric": "http_request_duration", "value": 0.25, "tags": {"endpoint": "a", "http_status_code": 200, "status": "succeeded"}}`: RequestDuration("a", 200, 250*time.Millisecond, true),
		`METRIC: {"type": "timer", "metric": "http_request_duration", "value": 300, "tags": {"endpoint": "\"", "status": "failed"}}`:                             RequestDuration(`"`, 0, 5*time.Minute, false),
		`METRIC: {"type": "timer", "metric": "job_duration", "value": 0.000001, "tags": {"job_type": "bulk", "status": "failed"}}`:                               JobDuration("bulk", time.Microsecond, false),
		`METRIC: {"type": "timer", "metric": "sync_duration", "value": 0, "tags": {"stream": "a", "status": "succeeded"}}`:                                       SyncDuration("a", 0, true),
	} {
		require.Equal(t, want, m.String())
		require.True(t, json.Valid([]byte(strings.TrimPrefix(want, "METRIC: "))))
	}
}
