package house

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The layer rules of golangci.yml are written from the tables here, so that an
// editor tells of a wrong import while it is typed.
const (
	lintConfig = "internal/house/golangci.yml"
	lintBegin  = "    # layers: begin (go test ./internal/house -update)\n"
	lintEnd    = "    # layers: end\n"
)

func TestLintConfig(t *testing.T) {
	text := string(read(t, lintConfig))
	before, rest, ok := strings.Cut(text, lintBegin)
	require.True(t, ok, "%s has no line %q", lintConfig, lintBegin)
	_, after, ok := strings.Cut(rest, lintEnd)
	require.True(t, ok, "%s has no line %q", lintConfig, lintEnd)
	want := before + lintBegin + depguard() + lintEnd + after
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join(root, lintConfig), []byte(want), 0o644))
		return
	}
	require.Equal(t, want, text, "the lint config differs from the tables: go test ./internal/house -update")
}

// depguard writes the tables as depguard rules: one for each layer, library and
// restriction, each with its reason.
func depguard() string {
	var b strings.Builder
	line := func(indent int, format string, args ...any) {
		fmt.Fprintf(&b, strings.Repeat("  ", indent)+format+"\n", args...)
	}
	rule := func(mode, name string, files ...string) {
		line(4, "%s:", strings.Trim(strings.NewReplacer("/", "-", ".", "-", "*", "any").Replace(name), "-"))
		line(5, "list-mode: %s", mode)
		line(5, "files:")
		for _, f := range files {
			line(6, "- %q", f)
		}
	}
	deny := func(pkg, why string) {
		line(5, "deny:")
		line(6, "- pkg: %q", pkg)
		line(6, "  desc: %q", why)
	}
	line(2, "depguard:")
	line(3, "rules:")
	for _, l := range layers {
		files := []string{glob(l.pkg), "!$test"}
		for _, other := range layers {
			if other.pkg != l.pkg && match(l.pkg, other.pkg) {
				files = append(files, "!"+glob(other.pkg))
			}
		}
		rule("lax", "layer-"+l.pkg, files...)
		if len(l.may) > 0 {
			line(5, "allow:")
		}
		for _, may := range l.may {
			line(6, "- %q", prefix(may))
		}
		deny(module+"/", l.why)
	}
	for _, lib := range libraries {
		files := []string{"$all"}
		if lib.tests {
			files = append(files, testCode()...)
		}
		for _, owner := range lib.owner {
			files = append(files, "!"+glob(owner))
		}
		rule("lax", "library-"+lib.path, files...)
		deny(lib.path, "only for "+lib.users()+": "+lib.why)
	}
	for _, r := range restrictions {
		files := append([]string{"$all"}, testCode()...)
		for _, owner := range r.owner {
			files = append(files, "!"+glob(owner))
		}
		rule("lax", "std-"+r.path, files...)
		deny(r.path+"$", r.why)
	}
	rule("strict", "libraries", "$all") // what is not listed at all
	line(5, "allow:")
	line(6, "- $gostd")
	line(6, "- \"go/\"") // depguard's own list lacks these
	line(6, "- %q", module)
	for _, lib := range libraries {
		line(6, "- %q", lib.path)
	}
	return b.String()
}

// testCode takes tests, and what is only for tests, out of a rule.
func testCode() []string {
	files := []string{"!$test"}
	for _, dir := range suites {
		files = append(files, "!"+glob(dir))
	}
	return files
}

// glob is the pattern of a layer as depguard matches file names.
func glob(pattern string) string {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return "**/" + base + "/**"
	}
	return "**/" + pattern + "/*.go"
}

// prefix is the pattern of a layer as depguard matches imports: a prefix, exact
// with a dollar sign.
func prefix(pattern string) string {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return module + "/" + base
	}
	if base, ok := strings.CutSuffix(pattern, "*"); ok {
		return module + "/" + base
	}
	return module + "/" + pattern + "$"
}
