package sourcetest

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

var update = flag.Bool("update", false, "write catalogs/, testdata/golden and the records of testdata/pages anew")

// waivers name cases that a source does not pass, as source/case, with the
// reason and the issue. The list may only shrink: maxWaivers goes down with it,
// never up, and a waiver that names nothing fails.
var waivers = map[string]string{}

const maxWaivers = 0

// conformance is one thing that every source has to do.
type conformance struct {
	name string
	run  func(*testing.T, *subject)
}

// cases is the suite. Each file of this package adds its own, so that a case
// stands beside what it checks.
func cases() []conformance {
	return slices.Concat(
		tableCases, valueCases, selectionCases, pageCases, bookmarkCases, editedCases, startCases, resumeCases, liveCases, movingCases,
		faultCases, paceCases, unsureCases, renewCases, partitionCases, deletionCases, catalogCases, unfoundCases, wayCases, goldenCases, sdkCases, tapTesterCases,
	)
}

// Run checks every source against the stand-in of its name.
func Run(t *testing.T, sources []*stream.Source, plugins []emulator.Plugin) {
	t.Helper()
	run(t, repository(t), *update, cases(), insistedCases(), sources, plugins)
}

// run runs some cases with the golden files below root, others once more for each
// way to the rows that a config can insist on, and some in each position of what
// is not known of the vendor.
func run(t *testing.T, root string, update bool, list, insisted []conformance, sources []*stream.Source, plugins []emulator.Plugin) {
	t.Helper()
	require.NotEmpty(t, sources)
	for _, src := range sources {
		t.Run(src.Name, func(t *testing.T) {
			i := slices.IndexFunc(plugins, func(p emulator.Plugin) bool { return p.Name == src.Name })
			require.GreaterOrEqual(t, i, 0, "the source has no stand-in of its name")
			s := &subject{src: src, plugin: plugins[i], root: root, update: update}
			s.cases(t, "", list)
			for _, way := range s.insisting() {
				if brief() {
					break
				}
				way.cases(t, " by "+way.way, insisted)
			}
			for _, faults := range s.plugin.Guesses {
				if brief() {
					break
				}
				// One after the other: nobody needs what the last one has gathered.
				t.Run("with "+faults, func(t *testing.T) { s.guessing(faults).cases(t, "", guessCases()) })
			}
		})
	}
}

// cases runs some cases side by side.
func (s *subject) cases(t *testing.T, by string, list []conformance) {
	t.Helper()
	for _, c := range list {
		if waivers[s.src.Name+"/"+c.name] != "" {
			continue
		}
		t.Run(c.name+by, func(t *testing.T) {
			t.Parallel()
			c.run(t, s)
		})
	}
}

// checkWaivers keeps the list of waivers honest.
func checkWaivers(t *testing.T, sources []*stream.Source) {
	t.Helper()
	require.LessOrEqual(t, len(waivers), maxWaivers, "the list of waivers may only shrink")
	for name, reason := range waivers {
		source, c, _ := strings.Cut(name, "/")
		require.NotEmpty(t, reason, "%s: a waiver needs a reason", name)
		require.True(t, slices.ContainsFunc(sources, func(s *stream.Source) bool { return s.Name == source }), "%s: no such source", name)
		require.True(t, slices.ContainsFunc(cases(), func(k conformance) bool { return k.name == c }), "%s: no such case", name)
	}
}

// repository is the root of the module.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the test")
		dir = parent
	}
}

// golden compares text with a file below the root, or writes it.
func (s *subject) golden(t testing.TB, path string, text []byte) {
	t.Helper()
	path = filepath.Join(s.root, path)
	if s.update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with -update")
	if string(want) != string(text) {
		require.Fail(t, "differs from "+path, "read the difference, then write it with -update:\n%s", firstDifference(string(want), string(text)))
	}
}

// firstDifference shows the first line that differs, from a little before the
// place: lines are long.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		x, y := at(a, i), at(b, i)
		if x == y {
			continue
		}
		k := 0
		for k < min(len(x), len(y)) && x[k] == y[k] {
			k++
		}
		from := max(k-80, 0)
		cut := func(s string) string { return s[min(from, len(s)):min(from+240, len(s))] }
		return "line " + itoa(i+1) + ", column " + itoa(k+1) + "\n- …" + cut(x) + "\n+ …" + cut(y)
	}
	return "nothing"
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}
