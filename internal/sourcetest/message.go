package sourcetest

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// message is one line of stdout as any consumer reads it.
type message struct {
	Type          string
	Stream        string
	Schema        json.RawMessage
	Record        json.RawMessage
	Value         json.RawMessage
	Key           []string
	Bookmark      []string
	TimeExtracted string

	line []byte
}

// parse reads a message stream; a last line without its end is left out, as a
// consumer would.
func parse(t testing.TB, text []byte) []message {
	t.Helper()
	var out []message
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			break
		}
		out = append(out, parseLine(t, text[:end:end]))
		text = text[end+1:]
	}
	return out
}

// parseLine takes a line apart; its values are not copied.
func parseLine(t testing.TB, line []byte) message {
	t.Helper()
	require.True(t, json.Valid(line), "%s", line)
	m := message{line: line}
	for _, f := range members(t, line) {
		switch f.Name {
		case "type":
			m.Type, _ = textOf(f.Raw)
		case "stream":
			m.Stream, _ = textOf(f.Raw)
		case "schema":
			m.Schema = f.Raw
		case "record":
			m.Record = f.Raw
		case "value":
			m.Value = f.Raw
		case "key_properties":
			require.NoError(t, json.Unmarshal(f.Raw, &m.Key), "%s", line)
		case "bookmark_properties":
			require.NoError(t, json.Unmarshal(f.Raw, &m.Bookmark), "%s", line)
		case "time_extracted":
			m.TimeExtracted, _ = textOf(f.Raw)
		}
	}
	return m
}

// fields reads a JSON object without touching its values.
func fields(t testing.TB, raw []byte) map[string]json.RawMessage {
	t.Helper()
	list := members(t, raw)
	m := make(map[string]json.RawMessage, len(list))
	for _, f := range list {
		m[f.Name] = f.Raw
	}
	return m
}

// names are the members of a JSON object in order.
func names(t testing.TB, raw []byte) []string {
	t.Helper()
	list := members(t, raw)
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = m.Name
	}
	return out
}

// members reads an object in order.
func members(t testing.TB, raw []byte) []member {
	t.Helper()
	out, err := flat(raw)
	require.NoError(t, err, "%s", raw)
	return out
}

// record is a row as it was written.
type record struct {
	message
	fields map[string]json.RawMessage
	key    string // its key values, compact
	at     int    // position among the lines
}

// records are those of a stream, in order.
func (o *output) records(t testing.TB, name string) []record {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byStream == nil {
		o.byStream = map[string][]record{}
		key := map[string][]string{}
		for i, m := range o.lines {
			switch m.Type {
			case "SCHEMA":
				key[m.Stream] = m.Key
			case "RECORD":
				r := record{message: m, fields: fields(t, m.Record), at: i}
				r.key = keyOf(r.fields, key[m.Stream])
				o.byStream[m.Stream] = append(o.byStream[m.Stream], r)
			}
		}
	}
	return o.byStream[name]
}

// recordsBefore are those above a line.
func (o *output) recordsBefore(t testing.TB, name string, line int) []record {
	t.Helper()
	all := o.records(t, name)
	n := 0
	for n < len(all) && all[n].at < line {
		n++
	}
	return all[:n]
}

// keyOf joins the values of the key.
func keyOf(row map[string]json.RawMessage, key []string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		parts[i] = string(row[k])
	}
	return strings.Join(parts, "|")
}

// keys are the distinct keys of records.
func keys(rs []record) map[string]bool {
	out := map[string]bool{}
	for _, r := range rs {
		out[r.key] = true
	}
	return out
}

// lines are those of a text, without the empty ones.
func lines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !yield(line) {
				return
			}
		}
	}
}

// streamNames are the streams that have a SCHEMA, in order.
func (o *output) streamNames() []string {
	var out []string
	for _, m := range o.lines {
		if m.Type == "SCHEMA" {
			out = append(out, m.Stream)
		}
	}
	return out
}

// schema is the SCHEMA message of a stream.
func (o *output) schema(t testing.TB, name string) message {
	t.Helper()
	for _, m := range o.lines {
		if m.Type == "SCHEMA" && m.Stream == name {
			return m
		}
	}
	require.Fail(t, "no SCHEMA", name)
	return message{}
}

// final is the value of the last STATE.
func (o *output) final(t testing.TB) json.RawMessage {
	t.Helper()
	last := o.lines[len(o.lines)-1]
	require.Equal(t, "STATE", last.Type, "the last message")
	return last.Value
}

// stateAt is a STATE and where it stands.
type stateAt struct {
	line  int
	value json.RawMessage
}

func (o *output) states() []stateAt {
	var out []stateAt
	for i, m := range o.lines {
		if m.Type == "STATE" {
			out = append(out, stateAt{i, m.Value})
		}
	}
	return out
}

// position is a state as any program reads it.
type position struct {
	Bookmarks map[string]map[string]json.RawMessage `json:"bookmarks"`
	Syncing   *string                               `json:"currently_syncing"`
}

func readState(t testing.TB, raw json.RawMessage) position {
	t.Helper()
	var p position
	require.NoError(t, json.Unmarshal(raw, &p), "%s", raw)
	return p
}

// mark is a replication value: an instant or day in microseconds, or a number.
type mark struct {
	set bool
	v   int64
	raw string
}

// readMark reads an emitted replication value or a bookmark; null and absent
// are not set.
func readMark(t testing.TB, raw json.RawMessage) mark {
	t.Helper()
	v, set, err := valueOfMark(raw)
	require.NoError(t, err, "%s", raw)
	return mark{set, v, string(raw)}
}
