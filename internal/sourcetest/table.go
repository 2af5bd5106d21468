package sourcetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/schema"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func itoa(n int) string { return strconv.Itoa(n) }

var tableCases = []conformance{
	{"discovery", discovery},
	{"schemas", schemaFiles},
}

// discovered is the catalog as discovery writes it: of the static streams
// without asking anybody, of others by asking the stand-in.
func (s *subject) discovered(t *testing.T) []byte {
	t.Helper()
	streams := s.src.Streams
	if s.src.Discover != nil {
		streams, _ = s.discover(t, nil)
	}
	c, err := engine.Catalog(s.src, streams)
	require.NoError(t, err)
	return c.AppendJSON(nil)
}

// table returns a stream by its name, or a helper.
func (s *subject) table(t testing.TB, name string) *stream.Stream {
	t.Helper()
	all := s.all(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[string]*stream.Stream{}
		for _, st := range slices.Concat(pointers(s.src.Helpers), pointers(all)) {
			s.byName[st.Name] = st
		}
	}
	require.NotNil(t, s.byName[name], "no stream %s", name)
	return s.byName[name]
}

// discovery: the catalog is the golden one, comes out the same each time, can
// be loaded again without loss, and says what singer.md §2.7 asks for.
func discovery(t *testing.T, s *subject) {
	text := s.discovered(t)
	require.Equal(t, string(text), string(s.discovered(t)), "discovery is stable")
	s.golden(t, filepath.Join("catalogs", s.src.Name+".json"), text)
	if s.src.Discover == nil {
		require.Empty(t, s.openSmall(t).Sources()[1:], "one stand-in, never asked")
	}
	loaded, warnings, err := singer.LoadCatalog(text)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, string(text), string(loaded.AppendJSON(nil)), "loading and writing loses nothing")
	require.NoError(t, loaded.RequireSelection())

	var c struct {
		Streams []struct {
			ID       string          `json:"tap_stream_id"`
			Stream   string          `json:"stream"`
			Key      []string        `json:"key_properties"`
			Schema   json.RawMessage `json:"schema"`
			Metadata []struct {
				Breadcrumb []string                   `json:"breadcrumb"`
				Metadata   map[string]json.RawMessage `json:"metadata"`
			} `json:"metadata"`
		} `json:"streams"`
	}
	require.NoError(t, json.Unmarshal(text, &c))
	all := s.all(t)
	require.Len(t, c.Streams, len(all), "exactly the streams of the table")
	chosen := 0
	for i, e := range c.Streams {
		st := &all[i]
		require.Equal(t, st.Name, e.ID, "in the order of the table")
		require.Equal(t, e.ID, e.Stream)
		if s.src.Stream(e.ID) != nil {
			require.Regexp(t, streamName, e.ID)
		} else {
			require.Regexp(t, foundName, e.ID)
		}
		require.LessOrEqual(t, len(e.ID), 63)
		require.Equal(t, st.Key, e.Key)
		var props struct {
			Properties json.RawMessage `json:"properties"`
		}
		require.NoError(t, json.Unmarshal(e.Schema, &props))
		fieldNames := names(t, props.Properties)
		require.Equal(t, rescuedData, fieldNames[len(fieldNames)-1], "%s: the rescued members come last", e.ID)

		seen := map[string]int{}
		for _, m := range e.Metadata {
			if len(m.Breadcrumb) == 0 {
				seen[""]++
				chosen += rootMetadata(t, st, m.Metadata)
				continue
			}
			require.Len(t, m.Breadcrumb, 2, "%s: %v", e.ID, m.Breadcrumb)
			require.Equal(t, "properties", m.Breadcrumb[0])
			name := m.Breadcrumb[1]
			seen[name]++
			require.Contains(t, fieldNames, name, e.ID)
			want := `"available"`
			if slices.Contains(st.Key, name) || st.Cursor != nil && st.Cursor.Field == name {
				want = `"automatic"`
			} else {
				require.Equal(t, strconv.FormatBool(!slices.Contains(st.Hidden, name)), string(m.Metadata["selected-by-default"]), "%s.%s", e.ID, name)
			}
			require.Equal(t, want, string(m.Metadata["inclusion"]), "%s.%s", e.ID, name)
		}
		require.Equal(t, 1, seen[""], "%s: one empty breadcrumb", e.ID)
		require.Len(t, seen, len(fieldNames)+1, "%s: an entry for every property", e.ID)
		for name, n := range seen {
			require.Equal(t, 1, n, "%s.%s: one entry", e.ID, name)
		}
	}
	require.Positive(t, chosen, "something is selected by default")
}

// Our own names have no digits; what is found is called as the vendor does, in
// lower case.
var (
	streamName = regexp.MustCompile(`^[a-z][a-z_]*$`)
	foundName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// rootMetadata checks the metadata of a stream and returns 1 if it is selected
// by default.
func rootMetadata(t *testing.T, st *stream.Stream, m map[string]json.RawMessage) int {
	t.Helper()
	key, err := json.Marshal(st.Key)
	require.NoError(t, err)
	require.JSONEq(t, string(key), string(m["table-key-properties"]), st.Name)
	require.Equal(t, `"available"`, string(m["inclusion"]), st.Name)
	method, valid := `"FULL_TABLE"`, ""
	if st.Cursor != nil {
		method, valid = `"INCREMENTAL"`, `["`+st.Cursor.Field+`"]`
	}
	require.Equal(t, method, string(m["forced-replication-method"]), st.Name)
	require.Equal(t, valid, string(m["valid-replication-keys"]), st.Name)
	parent := ""
	switch {
	case st.Below != "":
		parent = `"` + st.Below + `"`
	case st.Parent != nil:
		parent = `"` + st.Parent.Stream + `"`
	}
	require.Equal(t, parent, string(m["parent-tap-stream-id"]), st.Name)
	require.Equal(t, strconv.FormatBool(st.Selected), string(m["selected-by-default"]), "%s: the keyword is written on every stream", st.Name)
	require.NotContains(t, m, "selected", "the choice is the user's")
	if st.Selected {
		return 1
	}
	return 0
}

// schemaFiles: every static stream has a schema file that keeps the rules, no
// file is left over, and what is emitted is a schema that any validator takes.
func schemaFiles(t *testing.T, s *subject) {
	require.Empty(t, s.src.Validate(func(st *stream.Stream) (*singer.Schema, error) { return engine.Schema(s.src, st) }))
	used := map[string]bool{}
	static := pointers(s.src.Streams)
	added := slices.DeleteFunc(pointers(s.all(t)), func(st *stream.Stream) bool { return slices.Contains(static, st) })
	for _, st := range slices.Concat(static, added) { // a found one may stand in for a static one
		cursor := ""
		if st.Cursor != nil {
			cursor = st.Cursor.Field
		}
		var text []byte
		if st.Schema == nil {
			raw, err := engine.SchemaText(s.src, st)
			require.NoError(t, err)
			text, used[st.Name+".json"] = raw, true
		} else {
			text = st.Schema.AppendJSON(nil)
		}
		require.Empty(t, schema.Lint(s.src.Name, st.Name, text, st.Key, cursor))
		full, err := engine.Schema(s.src, st)
		require.NoError(t, err)
		s.validator(t, full.AppendJSON(nil))
	}
	files, err := os.ReadDir(filepath.Join(s.root, "schemas", s.src.Name))
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	for _, f := range files {
		require.True(t, used[f.Name()], "schemas/%s/%s belongs to no stream", s.src.Name, f.Name())
	}
}
