package house

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// read returns a file of the tree, or what a link says.
func read(t *testing.T, name string) []byte {
	t.Helper()
	name = filepath.Join(root, filepath.FromSlash(name))
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(name)
		require.NoError(t, err)
		return []byte(target)
	}
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

// private names what is true only where it was written. The pieces are apart so
// that this file does not hold them.
var private = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(^|[^\w./-])/` + `(work|root)` + `/`), "a path of somebody's machine: start from the root of the repository or from a temporary folder"},
	{regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
		`(proxy|sum|index)\.` + `golang\.org`, `pypi\.` + `org`, `files\.` + `pythonhosted\.org`, `registry\.` + `npmjs\.(org|com)`,
		`(static|index)?\.?` + `crates\.` + `io`, `repo1?\.maven\.` + `(apache\.)?org`, `deb\.` + `debian\.org`,
	}, "|") + `)\b`), "a registry's host: clients are configured by who runs them"},
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY`), "a private key"},
}

func TestNothingPrivate(t *testing.T) {
	for _, name := range tracked(t) {
		text := read(t, name)
		if bytes.IndexByte(text[:min(len(text), 8<<10)], 0) >= 0 {
			continue // not text
		}
		for _, p := range private {
			if loc := p.pattern.FindIndex(text); loc != nil {
				t.Errorf("%s:%d: %q is %s", name, 1+bytes.Count(text[:loc[0]], []byte("\n")), text[loc[0]:loc[1]], p.why)
			}
		}
	}
}

func TestPrivateBites(t *testing.T) {
	for text, found := range map[string]bool{
		"cd /" + "work/main":            true,
		`"/` + "root/x\"":               true,
		"https://proxy." + "golang.org": true,
		"https://crates." + "io/x":      true,
		"https://host/" + "work/hours":  false, // the path of a vendor's URL
		"proxy.example.org":             false,
	} {
		got := slices.ContainsFunc(private, func(p struct {
			pattern *regexp.Regexp
			why     string
		},
		) bool {
			return p.pattern.MatchString(text)
		})
		require.Equal(t, found, got, text)
	}
}

// topLevel is what a visitor sees first, and all of it.
var topLevel = []string{"LICENSE", "Makefile", "README.md", "catalogs", "cmd", "go.mod", "go.sum", "internal", "schemas", "testdata"}

func TestTopLevel(t *testing.T) {
	var found []string
	for _, name := range tracked(t) {
		first, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(first, ".") {
			found = append(found, first)
		}
	}
	slices.Sort(found)
	require.Equal(t, topLevel, slices.Compact(found), "the top level of the repository is fixed: everything else has its place below")
}

// TestModule reads go.mod through the go command: versions are pinned, nothing
// is replaced, and what is required directly is imported.
func TestModule(t *testing.T) {
	c := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	c.Dir = root
	out, err := c.Output()
	require.NoError(t, err)
	var mod struct {
		Module                            struct{ Path string }
		Go                                string
		Toolchain                         string
		Replace, Exclude, Retract, Ignore []any
		Require                           []struct {
			Path, Version string
			Indirect      bool
		}
	}
	require.NoError(t, json.Unmarshal(out, &mod))
	require.Equal(t, module, mod.Module.Path)
	require.Regexp(t, `^1\.26(\.0)?$`, mod.Go, "the language is that of Go 1.26, whatever its patch level")
	require.Empty(t, mod.Toolchain, "no toolchain line: nobody's go command should fetch another")
	require.Empty(t, mod.Replace, "a replace directive holds only here, not for who installs the command")
	require.Empty(t, mod.Exclude)

	used := map[string]string{}
	for _, f := range goFiles(t) {
		for _, imported := range f.imports() {
			used[imported] = f.path
		}
	}
	// user returns a file that imports a package of the module.
	user := func(module string) string {
		for _, imported := range sorted(used) {
			if imported == module || strings.HasPrefix(imported, module+"/") {
				return used[imported]
			}
		}
		return ""
	}
	for _, r := range mod.Require {
		switch by := user(r.Path); {
		case by == "" && !r.Indirect:
			t.Errorf("go.mod: %s is required and nothing imports it: go mod tidy", r.Path)
		case by != "" && r.Indirect:
			t.Errorf("go.mod: %s is called indirect, but %s imports it: go mod tidy", r.Path, by)
		}
	}
}
