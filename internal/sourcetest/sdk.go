package sourcetest

import (
	"context"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/engine"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var sdkCases = []conformance{{"sdk", sdk}}

// sdk: the 16 standard tests of the Meltano SDK (sdk:testing/suites.py) under
// their own names, in strict form: the SDK's primary_keys and valid_final_state
// are vacuous. They look at a sync of everything, 30 rows a large stream.
func sdk(t *testing.T, s *subject) {
	out := s.everything(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"cli_prints", func(t *testing.T) { cliPrints(t, s) }},
		{"discovery", func(t *testing.T) { discovery(t, s) }},
		{"stream_connections", func(t *testing.T) { streamConnections(t, s) }},
		{"valid_final_state", func(t *testing.T) { validFinalState(t, out) }},
		{"schema_is_valid", func(t *testing.T) { schemaIsValid(t, out) }},
		{"returns_record", func(t *testing.T) {
			for _, st := range s.readable(t, out) {
				require.True(t, len(out.records(t, st.Name)) > 0 || s.barren(t, st), st.Name)
			}
		}},
		{"record_matches_stream_schema", func(t *testing.T) {
			for _, st := range s.readable(t, out) {
				s.whole(t, st, out.schema(t, st.Name), out.records(t, st.Name))
			}
		}},
		// Both directions at once: the members of every record are exactly the
		// catalog's.
		{"record_schema_matches_transformed_catalog", func(t *testing.T) { membersMatch(t, s, out) }},
		{"transformed_catalog_schema_matches_record", func(t *testing.T) { membersMatch(t, s, out) }},
		{"primary_keys", func(t *testing.T) { primaryKeys(t, s, out) }},
		{"is_boolean", attribute(s, out, "boolean", "", func(raw json.RawMessage) bool { return string(raw) == "true" || string(raw) == "false" })},
		{"is_datetime", attribute(s, out, "string", "date-time", func(raw json.RawMessage) bool {
			text, ok := textOf(raw)
			return ok && instantOut.MatchString(text)
		})},
		{"is_integer", attribute(s, out, "integer", "", func(raw json.RawMessage) bool {
			n, ok := new(big.Int).SetString(string(raw), 10)
			return ok && n.IsInt64()
		})},
		{"is_numeric", attribute(s, out, "number", "", func(raw json.RawMessage) bool { return numberOut.Match(raw) })},
		{"is_object", attribute(s, out, "object", "", func(raw json.RawMessage) bool {
			_, err := flat(raw)
			return err == nil
		})},
		{"not_null", func(t *testing.T) { notNull(t, s, out) }},
	} {
		t.Run(c.name, c.run)
	}
}

// readable are the streams that a run of all could read.
func (s *subject) readable(t testing.TB, out *output) []*stream.Stream {
	t.Helper()
	return slices.DeleteFunc(pointers(s.all(t)), func(st *stream.Stream) bool { return out.skipped(st.Name) })
}

// lookedAt are those of looked that a run could read.
func (s *subject) lookedAt(t testing.TB, out *output) []*stream.Stream {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(s.looked(t)), func(st *stream.Stream) bool { return out.skipped(st.Name) })
}

// barren tells whether a stream has no rows, or none as late as start_date.
func (s *subject) barren(t testing.TB, st *stream.Stream) bool {
	t.Helper()
	return len(s.since(t, s.openSmall(t), st, s.keySchema(t, st), nil)) == 0
}

func cliPrints(t *testing.T, s *subject) {
	require.NotEmpty(t, config.Version())
	for _, text := range []string{config.AboutText(s.src), config.AboutMarkdown(s.src)} {
		for _, setting := range s.src.Settings {
			require.Contains(t, text, setting.Key)
		}
	}
	raw, err := config.AboutJSON(s.src)
	require.NoError(t, err)
	about := fields(t, raw)
	for _, key := range []string{"name", "description", "version", "capabilities", "settings"} {
		require.Contains(t, about, key)
	}
}

// streamConnections asks each stream for its first page, as check does.
func streamConnections(t *testing.T, s *subject) {
	server := s.openSmall(t)
	found := s.check(t, server, s.all(t))
	require.NotEmpty(t, found)
	for _, c := range found {
		st := s.table(t, c.Stream)
		truth := s.truth(t, server, c.Stream)
		if fault.KindOf(c.Err) == fault.Permission && len(truth) == 0 {
			continue
		}
		require.NoError(t, c.Err, c.Stream)
		if c.Rows < 0 || st.Scope != "" {
			continue
		}
		require.Equal(t, int64(len(truth)), c.Rows, c.Stream)
	}
}

// check asks each stream for its first page.
func (s *subject) check(t *testing.T, server *emulator.Server, list []stream.Stream) (checked []engine.Checked) {
	t.Helper()
	start := s.start(t, server)
	var err error
	s.asking(t, server, func(ctx context.Context, client *httpx.Client, c stream.Config) {
		checked, err = engine.Check(ctx, s.src, c, client, start, list)
	})
	require.NoError(t, err)
	return checked
}

func validFinalState(t *testing.T, out *output) {
	final := out.final(t)
	require.Equal(t, []string{"bookmarks", "currently_syncing"}, names(t, final))
	require.NotContains(t, string(final), "progress_markers")
	p := readState(t, final)
	require.Nil(t, p.Syncing)
	for name, entry := range p.Bookmarks {
		for key, raw := range entry {
			require.True(t, key == "partitions" || raw[0] != '{' && raw[0] != '[', "%s: %s is %s", name, key, raw)
		}
	}
	again, err := singer.LoadState(final)
	require.NoError(t, err)
	require.Empty(t, again.Warnings())
	require.Equal(t, string(final), string(again.AppendJSON(nil)), "it can be given back")
}

func schemaIsValid(t *testing.T, out *output) {
	for _, name := range out.streamNames() {
		c := jsonschema.NewCompiler()
		c.Draft = jsonschema.Draft2020
		c.AssertFormat = true
		require.NoError(t, c.AddResource("mem:///schema.json", strings.NewReader(string(out.schema(t, name).Schema))))
		_, err := c.Compile("mem:///schema.json")
		require.NoError(t, err, name)
	}
}

func membersMatch(t *testing.T, s *subject, out *output) {
	for _, st := range s.readable(t, out) {
		want := properties(t, out.schema(t, st.Name))
		for _, r := range out.records(t, st.Name) {
			require.Equal(t, want, names(t, r.Record), st.Name)
		}
	}
}

func primaryKeys(t *testing.T, s *subject, out *output) {
	for _, st := range s.readable(t, out) {
		seen := map[string]bool{}
		for _, r := range out.records(t, st.Name) {
			for _, k := range st.Key {
				require.NotEmpty(t, r.fields[k], "%s.%s", st.Name, k)
				require.NotEqual(t, "null", string(r.fields[k]), "%s.%s", st.Name, k)
			}
			require.False(t, seen[r.key], "%s: %s twice", st.Name, r.key)
			seen[r.key] = true
		}
	}
}

// attribute checks every value of the properties of a type.
func attribute(s *subject, out *output, typ, format string, good func(json.RawMessage) bool) func(*testing.T) {
	return func(t *testing.T) {
		declared, values := 0, 0
		for _, st := range s.readable(t, out) {
			for _, p := range s.fullSchema(t, st).Properties {
				if p.Schema.Type != typ || p.Schema.Format != format {
					continue
				}
				declared++
				for _, r := range out.records(t, st.Name) {
					if raw := r.fields[p.Name]; string(raw) != "null" {
						values++
						require.True(t, good(raw), "%s.%s: %s", st.Name, p.Name, raw)
					}
				}
			}
		}
		require.True(t, declared == 0 || values > 0, "no value of a %s was seen", typ)
	}
}

func notNull(t *testing.T, s *subject, out *output) {
	for _, st := range s.readable(t, out) {
		full := s.fullSchema(t, st)
		for _, p := range full.Properties {
			isKey := false
			for _, k := range st.Key {
				isKey = isKey || k == p.Name
			}
			require.Equal(t, !isKey, p.Schema.Nullable, "%s.%s: every property but the key is nullable", st.Name, p.Name)
		}
		for _, r := range out.records(t, st.Name) {
			for _, k := range st.Key {
				require.NotEqual(t, "null", string(r.fields[k]), "%s.%s", st.Name, k)
			}
		}
	}
}
