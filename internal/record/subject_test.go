package record_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// subject is a plan under test.
type subject struct {
	record.Options
	plan      *record.Plan
	validator *jsonschema.Schema
}

func newSubject(t require.TestingT, o record.Options) *subject {
	p, err := record.Compile(o)
	require.NoError(t, err)
	return &subject{Options: o, plan: p, validator: validator(t, p.Schema())}
}

// validator compiles the emitted schema as a target would.
func validator(t require.TestingT, s *singer.Schema) *jsonschema.Schema {
	doc, err := json.Marshal(draft7(s))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft7, true
	require.NoError(t, c.AddResource("schema.json", bytes.NewReader(doc)))
	v, err := c.Compile("schema.json")
	require.NoError(t, err)
	return v
}

func draft7(s *singer.Schema) map[string]any {
	out := map[string]any{"type": []string{s.Type}}
	if s.Nullable {
		out["type"] = []string{"null", s.Type}
	}
	if s.Format != "" {
		out["format"] = s.Format
	}
	if s.Items != nil {
		out["items"] = draft7(s.Items)
	}
	if len(s.Properties) > 0 {
		properties := map[string]any{}
		for _, p := range s.Properties {
			properties[p.Name] = draft7(p.Schema)
		}
		out["properties"] = properties
	}
	return out
}

// sources returns the members of a row as the plan sees them: lifted, without
// what is ignored. It reports a member that comes twice.
func (s *subject) sources(row node) (out []member, twice bool) {
	seen := map[string]bool{}
	take := func(m member) {
		if seen[m.name] {
			twice = true
		}
		seen[m.name] = true
		ignored := false
		for _, name := range s.Ignore {
			ignored = ignored || name == m.name
		}
		if !ignored {
			out = append(out, m)
		}
	}
	lifted := map[string]bool{}
	for _, m := range row.members {
		lift := false
		for _, name := range s.Lift {
			lift = lift || name == m.name
		}
		if !lift {
			take(m)
			continue
		}
		twice = twice || lifted[m.name]
		lifted[m.name] = true
		switch m.kind {
		case "null":
		case "object":
			for _, inner := range m.members {
				take(member{m.name + "_" + inner.name, inner.node})
			}
		default:
			out = append(out, m)
		}
	}
	return out, twice
}

// check converts one row and holds the outcome against the oracle.
func (s *subject) check(t require.TestingT, c *record.Converter, raw []byte) {
	out, end, err := c.Append([]byte("before"), raw, 0)
	valueEnd, scanErr := jsonspan.Value(raw, 0)
	if scanErr != nil || raw[0] != '{' {
		require.Error(t, err)
		require.Equal(t, "before", string(out))
		return
	}
	row, ok := parse(string(raw[:valueEnd]))
	require.True(t, ok, "%q", raw)
	members, twice := s.sources(row)
	var duplicate *record.DuplicateError
	if twice {
		require.ErrorAs(t, err, &duplicate, "%q", raw)
		require.Equal(t, "before", string(out))
		return
	}
	var key *record.KeyError
	if err != nil {
		require.ErrorAs(t, err, &key, "%q", raw)
	}

	// What must become of each source member.
	want := map[string]func(t require.TestingT, out node){}
	rescue := map[string]node{}
	selected := func(name string) bool { return s.Selected == nil || s.Selected(name) || slices.Contains(s.Key, name) }
	for _, m := range members {
		property := s.Schema.Property(m.name)
		if m.name == record.RescuedData {
			property = nil
		}
		switch {
		case property == nil:
			rescue[m.name] = m.node
		case !selected(m.name):
		default:
			v, check := judge(property, m.node, slices.Contains(s.Trim, m.name), s.Zone)
			switch v {
			case emitted:
				want[m.name] = check
			case misfit:
				rescue[m.name] = m.node
			}
		}
	}
	for _, name := range s.Key {
		if want[name] == nil {
			require.ErrorAs(t, err, &key, "%q", raw)
			require.Equal(t, "before", string(out))
			return
		}
	}
	require.NoError(t, err)
	require.Equal(t, valueEnd, end)
	s.checkLine(t, strings.TrimPrefix(string(out), "before"), want, rescue)
}

// checkLine holds a line against what must be in it.
func (s *subject) checkLine(t require.TestingT, text string, want map[string]func(t require.TestingT, out node), rescue map[string]node) {
	require.Equal(t, 1, strings.Count(text, "\n"))
	require.True(t, strings.HasSuffix(text, "}\n"))
	_, info, err := jsonspan.Scan([]byte(text), 0)
	require.NoError(t, err, text)
	require.Zero(t, info&jsonspan.Dirty, text)
	line, ok := parse(text)
	require.True(t, ok, text)
	require.Equal(t, "type", line.members[0].name)
	require.Equal(t, s.Stream, line.members[1].text)
	rec := line.members[2]
	require.Equal(t, "record", rec.name)

	d := json.NewDecoder(strings.NewReader(rec.raw))
	d.UseNumber()
	var decoded any
	require.NoError(t, d.Decode(&decoded))
	require.NoError(t, s.validator.Validate(decoded), rec.raw)

	names := make([]string, 0, len(rec.members))
	for _, m := range rec.members {
		names = append(names, m.name)
		switch check := want[m.name]; {
		case m.name == record.RescuedData:
			checkRescued(t, m.node, rescue)
		case check == nil:
			require.Equal(t, "null", m.kind, "%s in %s", m.name, text)
		default:
			check(t, m.node)
		}
	}
	var order []string
	for _, p := range s.plan.Schema().Properties {
		order = append(order, p.Name)
	}
	require.Equal(t, order, names)
}

func checkRescued(t require.TestingT, got node, want map[string]node) {
	if len(want) == 0 {
		require.Equal(t, "null", got.kind, got.raw)
		return
	}
	require.Equal(t, "string", got.kind)
	inner, ok := parse(got.text)
	require.True(t, ok, got.text)
	require.Len(t, inner.members, len(want), got.text)
	for _, m := range inner.members {
		v, ok := want[m.name]
		require.True(t, ok, "%s in %s", m.name, got.text)
		require.True(t, same(v, m.node), "%s became %s", v.raw, m.raw)
		if !dirtyText(v.raw) {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, []byte(v.raw)))
			require.Equal(t, compact.String(), m.raw)
		}
	}
}
