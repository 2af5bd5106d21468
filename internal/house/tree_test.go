package house

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golangci.yml's layer rules anew")

const (
	module = "github.com/tap-backoffice/tap-backoffice"
	root   = "../.."
)

// suites are called by tests only: they are test code, which keeps to its layer
// all the same.
var suites = []string{"internal/sourcetest", "internal/sitetest", "internal/standintest"}

// A file is one Go file of the tree, parsed but not compiled: the rules hold
// for a tree that does not build, and for every platform's files.
type file struct {
	path string // from the root, with slashes
	dir  string
	// test marks tests and what is only for tests; virtual marks folders with
	// a file that runs in virtual time.
	test, virtual bool
	lines         int
	set           *token.FileSet
	ast           *ast.File
}

func parse(set *token.FileSet, name string, src []byte) (*file, error) {
	f, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	parsed := &file{
		path: name, dir: dir, set: set, ast: f,
		test:  strings.HasSuffix(name, "_test.go") || slices.Contains(suites, dir),
		lines: bytes.Count(src, []byte("\n")),
	}
	parsed.virtual = slices.ContainsFunc(parsed.imports(), func(p string) bool { return p == "testing/synctest" || p == module+"/internal/sitetest" })
	return parsed, nil
}

// at tells where a node is, so that an editor finds it.
func (f *file) at(n ast.Node) string {
	p := f.set.Position(n.Pos())
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// imports returns the paths that the file imports.
func (f *file) imports() []string {
	paths := make([]string, 0, len(f.ast.Imports))
	for _, s := range f.ast.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// program tells whether the file belongs to a command.
func (f *file) program() bool { return f.ast.Name.Name == "main" }

var tree = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if skipped(rel) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(rel) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parse(set, rel, src)
		if err == nil {
			files = append(files, f)
		}
		return err
	})
	virtual := map[string]bool{}
	for _, f := range files {
		virtual[f.dir] = virtual[f.dir] || f.virtual
	}
	for _, f := range files {
		f.virtual = virtual[f.dir]
	}
	return files, err
})

// skipped tells which folders are none of the tree's: what make builds, hidden
// folders, and test data.
func skipped(dir string) bool {
	base := path.Base(dir)
	return dir == "bin" || dir == "out" || base == "testdata" || len(base) > 1 && base[0] == '.'
}

// goFiles returns all Go files of the tree.
func goFiles(t *testing.T) []*file {
	t.Helper()
	files, err := tree()
	require.NoError(t, err, "a file that does not parse keeps every rule from being checked")
	require.NotEmpty(t, files)
	return files
}

// packages returns the files that are no tests, by folder.
func packages(t *testing.T) map[string][]*file {
	t.Helper()
	dirs := map[string][]*file{}
	for _, f := range goFiles(t) {
		if !strings.HasSuffix(f.path, "_test.go") {
			dirs[f.dir] = append(dirs[f.dir], f)
		}
	}
	return dirs
}

// tracked lists what is or would be committed, from the root, with slashes.
// Without git it is what the folders hold.
func tracked(t *testing.T) []string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if out, err := c.Output(); err == nil && len(out) > 0 {
		names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		names = slices.DeleteFunc(names, func(name string) bool {
			_, err := os.Lstat(filepath.Join(root, name))
			return err != nil // removed, not yet committed
		})
		slices.Sort(names)
		return slices.Compact(names)
	}
	t.Log("no git here: looking at the folders instead")
	var names []string
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "out"):
			return fs.SkipDir
		case !d.IsDir():
			names = append(names, rel)
		}
		return nil
	}))
	return names
}
