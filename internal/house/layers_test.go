package house

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A layer says what the code of a package, not its tests, may import from this
// module. Patterns: a folder, "dir/*" for those right below it, "dir/..." for
// it and all below. The first layer that matches a package is its own.
type layer struct {
	pkg string
	may []string
	why string
}

var layers = []layer{
	{"cmd/tap-backoffice", []string{"internal/cli", "internal/source/all"}, "the command only hands its arguments and the sources to cli"},
	{
		"internal/cli",
		[]string{
			"internal/config", "internal/engine", "internal/singer", "internal/httpx", "internal/auth", "internal/budget",
			"internal/stream", "internal/fault", "internal/hint", "internal/secret", "internal/schema", "internal/emulator/...",
		},
		"cli puts the parts together and knows no vendor: the sources are handed in by the command",
	},
	{
		"internal/engine",
		[]string{
			"internal/stream", "internal/paging", "internal/singer", "internal/jsonspan", "internal/csvspan", "internal/record",
			"internal/fault", "schemas",
		},
		"the engine owns the loops; it asks through stream.Fetcher and knows no HTTP client, source or command line",
	},
	{"internal/record", []string{"internal/jsonspan", "internal/singer"}, "from a row's bytes to a line: a pure function of schema and bytes"},
	{
		"internal/httpx",
		[]string{"internal/auth", "internal/budget", "internal/stream", "internal/fault", "internal/secret"},
		"the way to a vendor carries bytes and never looks at records, the catalog or the state",
	},
	{"internal/auth", []string{"internal/stream", "internal/secret", "internal/fault"}, "credentials depend on nothing that sends, prints or loops"},
	{"internal/budget", []string{"internal/stream", "internal/fault"}, "budgets only count: whoever sends asks them"},
	{"internal/config", []string{"internal/stream", "internal/fault", "internal/hint", "internal/secret"}, "settings are read the same whatever is done with them"},
	{"internal/paging", []string{"internal/stream", "internal/fault"}, "the step to the next page is a pure function"},
	{"internal/stream", []string{"internal/singer"}, "the table is data; of singer it takes only the type of a schema"},
	{"internal/singer", []string{"internal/fault", "internal/hint"}, "the wire is known without any knowledge of where records come from"},
	{"internal/schema", []string{"internal/fault"}, "validity is judged by the schema alone"},
	{"internal/jsonspan", nil, "a scanner of bytes that anyone may use"},
	{"internal/csvspan", nil, "a scanner of bytes that anyone may use"},
	{"internal/fault", nil, "the one error type crosses all packages, so it needs none"},
	{"internal/hint", nil, "a guess at a name needs the names alone"},
	{"internal/secret", nil, "what everyone holds may know nobody"},
	{"internal/source/all", []string{"internal/source/*", "internal/stream"}, "the list of sources, and nothing else"},
	{
		"internal/source/*",
		[]string{"internal/stream", "internal/fault", "internal/jsonspan", "internal/edm"},
		"a source is a table with hooks: no other source, no engine, no I/O (jsonspan is for converters)",
	},
	{"internal/edm", nil, "the vendor's published model is data, for the table and the sandbox alike"},
	{"internal/emulator", nil, "a stand-in that shared code with the tap would share its mistakes"},
	{"internal/emulator/all", []string{"internal/emulator", "internal/emulator/*"}, "the list of stand-ins, and nothing else"},
	{"internal/emulator/rows", nil, "rows follow from a seed and a number, for any vendor"},
	{
		"internal/emulator/*",
		[]string{"internal/emulator", "internal/emulator/rows", "internal/emulator/exactonline/data", "internal/emulator/zohocrm/data", "internal/emulator/buchhaltungsbutler/data", "internal/edm"},
		"a stand-in shares code with neither the tap, which would share its mistakes, nor another vendor's",
	},
	{"internal/emulator/zohocrm/data", []string{"internal/emulator/rows"}, "rows and queries over them; the service around it asks"},
	{"internal/emulator/buchhaltungsbutler/data", []string{"internal/emulator/rows"}, "rows and queries over them; the service around it asks"},
	{"internal/emulator/exactonline/data", []string{"internal/edm", "internal/emulator/rows"}, "rows and queries over them; the service around it asks"},
	{
		"internal/sourcetest",
		[]string{"internal/...", "schemas", "catalogs"},
		"the conformance suite drives everything; nothing but tests imports it",
	},
	{
		"internal/sitetest",
		[]string{
			"internal/auth", "internal/budget", "internal/config", "internal/emulator", "internal/engine", "internal/fault", "internal/httpx",
			"internal/singer", "internal/stream",
		},
		"runs any source against its stand-in and knows none of them; nothing but tests imports it",
	},
	{"internal/standintest", []string{"internal/emulator"}, "asks stand-ins, whose tests share no code with the tap either; nothing but tests imports it"},
	{"internal/oracle", []string{"internal/singer", "internal/stream"}, "says what a record should be: of the tap it takes the tables and the type of a schema, never a conversion"},
	{
		"internal/storm",
		[]string{
			"internal/auth", "internal/budget", "internal/config", "internal/emulator", "internal/emulator/all", "internal/engine",
			"internal/httpx", "internal/oracle", "internal/singer", "internal/source/all", "internal/stream",
		},
		"runs the built program from outside; what it takes of the tap tells it which streams and partitions there are",
	},
	{"internal/hostile", nil, "holds tests of the built program and no code"},
	{"internal/long", nil, "holds tests of runs that last and no code"},
	{"internal/bench/...", nil, "measures the built program from outside, as a user would"},
	{"internal/demo/...", nil, "shows the built program from outside, as a user would"},
	{"internal/house", nil, "holds tests about the code and no code"},
	{"schemas", nil, "embedded files"},
	{"catalogs", nil, "embedded files"},
}

// A library is a module that the code may import, by whom, and why there.
// Whatever is not listed may not be imported: a dependency comes in with a line
// here (and in the licence notes), for a job that we would do worse in 200 lines.
type library struct {
	path  string // this package and those below it
	owner []string
	tests bool // any test may import it
	why   string
}

var libraries = []library{
	{"github.com/spf13/cobra", []string{"internal/cli"}, false, "flags and commands end at the command line"},
	{"github.com/spf13/pflag", []string{"internal/cli"}, false, "flags and commands end at the command line"},
	{"golang.org/x/term", []string{"internal/cli"}, false, "whether stderr is a terminal concerns only what is shown there"},
	{"github.com/gofrs/flock", []string{"internal/cli", "internal/auth"}, false, "locks are held around a run (cli) and a token's refresh (auth)"},
	{"github.com/hashicorp/go-retryablehttp", []string{"internal/httpx"}, false, "there is one request path; its defaults (URLs with secrets in errors, uncapped Retry-After) are tamed there"},
	{"github.com/klauspost/compress/flate", []string{"internal/engine"}, false, "files of gigabytes are unpacked in it, 1.4 times faster than by the standard library"},
	{"github.com/santhosh-tekuri/jsonschema/v5", []string{"internal/schema"}, true, "one package hides the validator; tests may take it as an independent judge"},
	{"golang.org/x/time/rate", []string{"internal/budget", "internal/emulator/..."}, false, "it smooths a pace and is no window: budget knows the difference"},
	{"golang.org/x/sync", []string{"internal/engine", "internal/httpx", "internal/auth"}, false, "goroutines with an owner that waits for them, where there are goroutines"},
	{"github.com/stretchr/testify/require", nil, true, "only require: assert lets a test go on after what it stands on broke"},
	{"github.com/google/go-cmp/cmp", nil, true, "differences of structs in tests"},
	{"pgregory.net/rapid", nil, true, "properties in tests"},
	{"go.uber.org/goleak", nil, true, "leaked goroutines in tests"},
	{"github.com/rogpeppe/go-internal/testscript", nil, true, "command line scripts in tests"},
}

// users tells who may import the library.
func (l library) users() string {
	users := slices.Clone(l.owner)
	if l.tests {
		users = append(users, "tests")
	}
	return strings.Join(users, ", ")
}

// A restriction names a package of the standard library that only some may
// import; owner nil means nobody. Tests may.
type restriction struct {
	path  string
	owner []string
	why   string
}

var restrictions = []restriction{
	{"os", []string{"cmd/...", "internal/cli", "internal/config", "internal/auth", "internal/httpx", "internal/emulator/...", "internal/bench/...", "internal/demo/...", "internal/storm"}, "files and the environment belong to cli, config (settings, secrets), auth (the token store), httpx (bodies too large for memory) and the sandbox"},
	{"os/exec", []string{"internal/cli", "internal/config", "internal/bench/...", "internal/demo/...", "internal/storm"}, "processes are started for <key>_cmd (config) and the browser of a sign-in (cli)"},
	{"os/signal", []string{"internal/cli", "internal/bench/...", "internal/demo/...", "internal/storm"}, "signals end the run, and cli owns the run"},
	{"syscall", []string{"internal/cli", "internal/httpx", "internal/auth", "internal/emulator/...", "internal/bench/...", "internal/demo/...", "internal/storm"}, "only the edges name what an operating system says"},
	{"flag", []string{"internal/bench/...", "internal/demo/...", "internal/storm"}, "cobra parses the command line"},
	{"net", []string{"internal/httpx", "internal/cli", "internal/emulator/...", "internal/storm"}, "one package talks to vendors; cli and the emulator listen on loopback"},
	{"net/http", []string{"internal/httpx", "internal/auth", "internal/cli", "internal/emulator/...", "internal/bench/...", "internal/demo/...", "internal/storm", "internal/stream", "internal/budget", "internal/engine", "internal/paging", "internal/source/*"}, "one request path; others take at most names and headers from it (see the rule on net/http)"},
	{"testing", nil, "test code stays out of the binary"},
	{"net/http/httptest", nil, "test code stays out of the binary"},
	{"log", nil, "log/slog, handed in, never global"},
	{"math/rand", nil, "math/rand/v2, and never for secrets"},
	{"io/ioutil", nil, "deprecated"},
	{"unsafe", nil, "no speed is worth a corrupted record"},
	{"C", nil, "the binary is static"},
	{"plugin", nil, "the binary is static"},
}

// match tells whether a folder falls under a pattern.
func match(pattern, dir string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == base || strings.HasPrefix(dir, base+"/")
	}
	ok, _ := path.Match(pattern, dir)
	return ok
}

func matchAny(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, dir) })
}

func layerOf(dir string) *layer {
	i := slices.IndexFunc(layers, func(l layer) bool { return match(l.pkg, dir) })
	if i < 0 {
		return nil
	}
	return &layers[i]
}

// refuse returns why a file of folder dir may not import a package, or "".
func refuse(dir string, test bool, imported string) string {
	own, ours := strings.CutPrefix(imported, module+"/")
	switch first, _, _ := strings.Cut(imported, "/"); {
	case ours && test && !slices.Contains(suites, dir):
		return ""
	case ours:
		l := layerOf(dir)
		switch {
		case l == nil:
			return "the package has no line in the table of layers: say there what it may import and why"
		case !matchAny(l.may, own):
			return l.pkg + " may import {" + strings.Join(l.may, " ") + "}: " + l.why
		}
	case strings.Contains(first, "."):
		for _, lib := range libraries {
			if imported != lib.path && !strings.HasPrefix(imported, lib.path+"/") {
				continue
			}
			if matchAny(lib.owner, dir) || test && lib.tests {
				return ""
			}
			return "only for " + lib.users() + ": " + lib.why
		}
		return "not in the table of libraries: a dependency comes in with a line there that tells its job"
	case !test:
		for _, r := range restrictions {
			if r.path == imported && !matchAny(r.owner, dir) {
				return r.why
			}
		}
	}
	return ""
}

func TestImports(t *testing.T) {
	for _, f := range goFiles(t) {
		for i, imported := range f.imports() {
			if why := refuse(f.dir, f.test, imported); why != "" {
				t.Errorf("%s: import %q: %s", f.at(f.ast.Imports[i]), imported, why)
			}
		}
	}
}

func TestEveryPackageHasALayer(t *testing.T) {
	for dir := range packages(t) {
		if layerOf(dir) == nil {
			t.Errorf("%s: no line in the table of layers: say there what it may import and why", dir)
		}
	}
}

func TestRefuse(t *testing.T) {
	const own = module + "/internal/"
	for _, c := range []struct {
		dir, imported string
		test, ok      bool
	}{
		{dir: "cmd/tap-backoffice", imported: own + "cli", ok: true},
		{dir: "cmd/tap-backoffice", imported: own + "engine"},
		{dir: "internal/cli", imported: own + "source/all"},
		{dir: "internal/cli", imported: own + "source/all", test: true, ok: true},
		{dir: "internal/cli", imported: own + "emulator/rows", ok: true},
		{dir: "internal/engine", imported: module + "/schemas", ok: true},
		{dir: "internal/engine", imported: own + "schema"},
		{dir: "internal/engine", imported: own + "httpx"},
		{dir: "internal/source/acme", imported: own + "stream", ok: true},
		{dir: "internal/source/acme", imported: own + "source/other"},
		{dir: "internal/source/acme", imported: "os"},
		{dir: "internal/source/all", imported: own + "source/acme", ok: true},
		{dir: "internal/source/all", imported: own + "engine"},
		{dir: "internal/emulator/acme", imported: own + "emulator/rows", ok: true},
		{dir: "internal/emulator/acme", imported: own + "emulator/other"},
		{dir: "internal/emulator/acme", imported: own + "source/acme"},
		{dir: "internal/emulator/all", imported: own + "emulator/acme", ok: true},
		{dir: "internal/engine", imported: own + "sourcetest"},
		{dir: "internal/source/acme", imported: own + "sitetest"},
		{dir: "internal/source/acme", imported: own + "sitetest", test: true, ok: true},
		{dir: "internal/sitetest", imported: own + "source/acme", test: true},
		{dir: "internal/cli", imported: own + "standintest"},
		{dir: "internal/standintest", imported: own + "engine", test: true},
		{dir: "internal/new", imported: own + "fault"},
		{dir: "internal/cli", imported: "github.com/spf13/cobra", ok: true},
		{dir: "internal/engine", imported: "github.com/spf13/cobra"},
		{dir: "internal/engine", imported: "github.com/spf13/cobra", test: true},
		{dir: "internal/engine", imported: "github.com/stretchr/testify/require"},
		{dir: "internal/engine", imported: "github.com/stretchr/testify/require", test: true, ok: true},
		{dir: "internal/engine", imported: "github.com/stretchr/testify/assert", test: true},
		{dir: "internal/engine", imported: "example.org/new"},
		{dir: "internal/engine", imported: "time", ok: true},
		{dir: "internal/engine", imported: "log"},
		{dir: "internal/engine", imported: "os", test: true, ok: true},
		{dir: "internal/singer", imported: "net/http"},
	} {
		require.Equal(t, c.ok, refuse(c.dir, c.test, c.imported) == "", "%s imports %s (test: %v)", c.dir, c.imported, c.test)
	}
}
