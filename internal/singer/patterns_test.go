package singer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// chosen renders what a catalog extracts: stream(fields), a + when the user
// chose the stream.
func chosen(c *Catalog) string {
	var list []string
	for i := range c.Streams {
		e := &c.Streams[i]
		if !e.Selected() {
			continue
		}
		text := e.TapStreamID + "(" + names(e, FieldOptions{}) + ")"
		if e.Chosen() == On {
			text += "+"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func TestPatterns(t *testing.T) {
	const contracts = "id number email modified lines _rescued_data"
	for name, c := range map[string]struct{ patterns, want, unmatched string }{
		"stream":                {"contracts", "contracts(" + contracts + ")+", ""},
		"stream and star":       {"contracts.*", "contracts(" + contracts + ")+", ""},
		"one property":          {"contracts.number", "contracts(id number modified)+", ""},
		"several":               {"contracts.number contract_notes", "contracts(id number modified)+ contract_notes(contract no email)+", ""},
		"commas":                {"contracts.number,contract_notes", "contracts(id number modified)+ contract_notes(contract no email)+", ""},
		"property of all":       {"*.email", "contracts(id email modified)+ contract_notes(contract no email)+", ""},
		"stream by star":        {"contract_*", "contract_notes(contract no email)+", ""},
		"question mark":         {"contract?", "contracts(" + contracts + ")+", ""},
		"all":                   {"*", "contracts(" + contracts + ")+ contract_notes(contract no email)+", ""},
		"without a property":    {"contracts !contracts.email", "contracts(id number modified lines _rescued_data)+", ""},
		"without any e-mail":    {"* !*.email", "contracts(id number modified lines _rescued_data)+ contract_notes(contract no)+", ""},
		"later wins":            {"!contracts.email contracts", "contracts(" + contracts + ")+", ""},
		"stream taken back":     {"* !contracts", "contract_notes(contract no email)+", ""},
		"and given again":       {"* !contracts contracts.number", "contracts(id number modified)+ contract_notes(contract no email)+", ""},
		"key stays":             {"contracts !contracts.id !contracts.mod*", "contracts(" + contracts + ")+", ""},
		"inner member":          {"contracts.lines.amount", "contracts(id modified lines)+", ""},
		"inner member, not":     {"contracts !contracts.lines.amount", "contracts(" + contracts + ")+", ""},
		"only taking away":      {"!contracts.email", "contracts(id number modified lines _rescued_data)", ""},
		"only taking a stream":  {"!contracts", "", ""},
		"unknown stream":        {"contracts contractnotes", "contracts(" + contracts + ")+", `pattern "contractnotes" matches nothing (nearest: contract_notes)`},
		"unknown property":      {"contracts.numbr", "", `pattern "contracts.numbr" matches nothing (nearest: contracts.number)`},
		"nothing near":          {"contracts xyzzy", "contracts(" + contracts + ")+", `pattern "xyzzy" matches nothing`},
		"nothing near property": {"contracts.xyzzyxyzzy", "", `pattern "contracts.xyzzyxyzzy" matches nothing`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParsePatterns(strings.Fields(c.patterns))
			require.NoError(t, err)
			cat := example()
			var unmatched []string
			for _, u := range p.Apply(cat) {
				unmatched = append(unmatched, u.String())
			}
			require.Equal(t, c.unmatched, strings.Join(unmatched, "; "))
			require.Equal(t, c.want, chosen(cat))
		})
	}
}

func TestPatternsKeepTheRest(t *testing.T) {
	const before = `{"streams":[{"stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"},"b":{"type":"string"}}},"key_properties":["id"],
		"metadata":[{"breadcrumb":["properties","b","items"],"metadata":{"x":1}},{"breadcrumb":["properties","b"],"metadata":{"selected":true,"y":[1, 2]}}]}]}`
	c, _, err := LoadCatalog([]byte(before))
	require.NoError(t, err)
	p, err := ParsePatterns([]string{"a", "!a.b"})
	require.NoError(t, err)
	require.Empty(t, p.Apply(c))
	require.Contains(t, string(c.AppendJSON(nil)), `"metadata": [
        {"breadcrumb": [], "metadata": {"selected": true}},
        {"breadcrumb": ["properties", "b", "items"], "metadata": {"x": 1}},
        {"breadcrumb": ["properties", "b"], "metadata": {"selected": false, "y": [1,2]}},
        {"breadcrumb": ["properties", "id"], "metadata": {"selected": true}}
      ]`)
}

func TestPatternFaults(t *testing.T) {
	for _, bad := range [][]string{nil, {""}, {"!"}, {"."}, {".x"}, {"a."}, {"a b"}, {"!!a"}, {"a,,b"}} {
		_, err := ParsePatterns(bad)
		require.Error(t, err, "%q", bad)
		require.Equal(t, fault.Config, fault.KindOf(err))
	}
}

func TestPatternsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`!?(\*|contracts|contract_\*|x)(\.(\*|email|id|n\*|lines\.amount))?`), 1, 5).Draw(t, "patterns")
		p, err := ParsePatterns(texts)
		require.NoError(t, err)
		c := example()
		first := p.Apply(c)
		once := string(c.AppendJSON(nil))
		require.Equal(t, first, p.Apply(c))
		require.Equal(t, once, string(c.AppendJSON(nil)))
		back, _, err := LoadCatalog([]byte(once))
		require.NoError(t, err)
		p.Apply(back)
		require.Equal(t, once, string(back.AppendJSON(nil)))
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b", "axxb")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		_ = glob(pattern, name)
		require.True(t, glob("*", name))
		require.True(t, glob(name+"*", name) || strings.ContainsAny(name, "*?"))
	})
}
