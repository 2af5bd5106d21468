package sitetest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Output is what a run left behind.
type Output struct {
	*testing.T
	Source  *stream.Source // with the streams that the run found
	Report  *engine.Report
	Text    []byte // stdout
	Records []Record
	Count   int // of records that were not kept
	States  []json.RawMessage
	State   json.RawMessage  // the last one
	Log     string           // stderr, a JSON object a line
	Asked   []emulator.Entry // requests, oldest first
	Stats   emulator.Stats
	Took    time.Duration

	rows map[string][]Row
}

// Record is a line of stdout.
type Record struct {
	Stream string
	Row
	At int // how many STATEs came before it
}

// Row are the members of a record, or of a row of the stand-in.
type Row map[string]json.RawMessage

// Text is a member without its quotes.
func (r Row) Text(member string) string { return strings.Trim(string(r[member]), `"`) }

// Key are the values of some members.
func (r Row) Key(members ...string) string {
	words := make([]string, len(members))
	for i, m := range members {
		words[i] = r.Text(m)
	}
	return strings.Join(words, "|")
}

// read takes the messages apart.
func (o *Output) read() {
	o.Helper()
	o.rows = map[string][]Row{}
	for line := range bytes.Lines(o.Text) {
		// A STATE may be long, there are many, and few are looked into.
		if value, ok := bytes.CutPrefix(line, []byte(`{"type":"STATE","value":`)); ok {
			o.State = json.RawMessage(bytes.TrimSuffix(value, []byte("}\n")))
			o.States = append(o.States, o.State)
			continue
		}
		var m struct {
			Type, Stream string
			Record       Row
		}
		require.NoError(o, json.Unmarshal(line, &m))
		if m.Type == "RECORD" {
			o.Records = append(o.Records, Record{m.Stream, m.Record, len(o.States)})
			o.rows[m.Stream] = append(o.rows[m.Stream], m.Record)
		}
	}
}

// Rows are the records of a stream, in their order.
func (o *Output) Rows(name string) []Row { return o.rows[name] }

// Keys are the keys of a stream's records, in their order.
func (o *Output) Keys(name string) []string {
	out := []string{}
	for _, r := range o.rows[name] {
		out = append(out, r.Key(o.Source.Stream(name).Key...))
	}
	return out
}

// ByKey are the last records of a stream by their key.
func (o *Output) ByKey(name string) map[string]Row {
	return ByKey(o.rows[name], o.Source.Stream(name).Key...)
}

// ByKey are the last ones of rows by their key.
func ByKey(rows []Row, key ...string) map[string]Row {
	out := map[string]Row{}
	for _, r := range rows {
		out[r.Key(key...)] = r
	}
	return out
}

// Values are a member of a stream's records, in their order.
func (o *Output) Values(name, member string) []string {
	var out []string
	for _, r := range o.rows[name] {
		out = append(out, r.Text(member))
	}
	return out
}

// Complete wants every stream to have come to its end.
func (o *Output) Complete() *Output {
	o.Helper()
	require.NoError(o, o.Report.Err)
	for _, r := range o.Report.Streams {
		require.NoError(o, r.Err, r.Stream)
		require.Empty(o, r.Refused, r.Stream)
		require.False(o, r.Skipped, r.Stream)
	}
	return o
}

// Result is what became of a stream.
func (o *Output) Result(name string) engine.Result {
	o.Helper()
	for _, r := range o.Report.Streams {
		if r.Stream == name {
			return r
		}
	}
	require.Fail(o, "no result of "+name)
	return engine.Result{}
}

// Bookmark is a member of a stream's state, within a partition unless that is "";
// "" for none.
func (o *Output) Bookmark(name, partition, member string) string {
	o.Helper()
	return Bookmark(o.T, o.State, name, partition, member)
}

// Bookmark is a member of a stream's entry in a state.
func Bookmark(t *testing.T, state json.RawMessage, name, partition, member string) string {
	t.Helper()
	var s struct{ Bookmarks map[string]Row }
	require.NoError(t, json.Unmarshal(state, &s))
	row := s.Bookmarks[name]
	if partition != "" {
		parts := map[string]Row{}
		if raw := row["partitions"]; raw != nil {
			require.NoError(t, json.Unmarshal(raw, &parts))
		}
		row = parts[partition]
	}
	return row.Text(member)
}

// Warnings are the lines at that level that hold a text.
func (o *Output) Warnings(text string) []string {
	var out []string
	for line := range strings.Lines(o.Log) {
		if strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

// Calls are the requests for a resource of the stand-in; "" is any.
func (o *Output) Calls(resource string) []emulator.Entry {
	var out []emulator.Entry
	for _, e := range o.Asked {
		if resource == "" || e.Resource == resource {
			out = append(out, e)
		}
	}
	return out
}
