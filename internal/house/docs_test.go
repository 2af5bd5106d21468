package house

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxLines is where a file stops being one thought. Tests and generated files
// may be longer: tables of cases are read by name, not from top to bottom.
const maxLines = 600

var sentenceEnd = regexp.MustCompile(`[.!?:](\s|$)`)

func TestPackageDocs(t *testing.T) {
	for dir, files := range packages(t) {
		files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.ast.Doc == nil })
		if len(files) != 1 {
			t.Errorf("%s: %d files with a package comment: one says what the package owns and what it must never do", dir, len(files))
			continue
		}
		f := files[0]
		doc := f.ast.Doc.Text()
		start := "Package " + f.ast.Name.Name + " "
		if f.program() {
			start = "Command "
		}
		switch {
		case !strings.HasPrefix(doc, start):
			t.Errorf("%s: the package comment starts with %q", f.at(f.ast.Doc), start)
		case len(sentenceEnd.FindAllString(doc, -1)) < 2:
			t.Errorf("%s: the package comment is one sentence: it says what the package owns and what it must never do", f.at(f.ast.Doc))
		case dir != "cmd/tap-backoffice" && !strings.Contains(doc, "must") && !strings.Contains(doc, "never"):
			// The command itself has nothing to refrain from: it is one line.
			t.Errorf("%s: the package comment does not say what the package must (or must never) do: a boundary that is not written down is not kept", f.at(f.ast.Doc))
		}
	}
}

func TestExportedDocs(t *testing.T) {
	for _, f := range goFiles(t) {
		if strings.HasSuffix(f.path, "_test.go") || f.program() {
			continue
		}
		undocumented(f, func(n *ast.Ident, what string) {
			t.Errorf("%s: exported %s: %s", f.at(n), n.Name, what)
		})
	}
}

// undocumented reports exported names without a comment, and comments of
// functions and types that do not start with the name.
func undocumented(f *file, report func(*ast.Ident, string)) {
	const missing = "has no comment: what does its user have to know"
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() || d.Recv != nil && !exportedReceiver(d.Recv) {
				continue
			}
			if d.Doc == nil {
				report(d.Name, missing)
			} else if !named(d.Doc, d.Name.Name) {
				report(d.Name, "its comment starts with another name")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					doc := s.Doc
					if doc == nil && !d.Lparen.IsValid() {
						doc = d.Doc
					}
					switch {
					case !s.Name.IsExported():
					case doc == nil && s.Comment == nil:
						report(s.Name, missing)
					case doc != nil && !named(doc, s.Name.Name):
						report(s.Name, "its comment starts with another name")
					}
				case *ast.ValueSpec:
					for _, name := range s.Names {
						if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							report(name, missing)
						}
					}
				}
			}
		}
	}
}

// named tells whether a comment starts with the name, perhaps after an article.
func named(doc *ast.CommentGroup, name string) bool {
	words := strings.Fields(doc.Text())
	if len(words) > 1 && slices.Contains([]string{"A", "An", "The"}, words[0]) {
		words = words[1:]
	}
	return len(words) > 0 && strings.Trim(words[0], ".,:;()") == name
}

func exportedReceiver(recv *ast.FieldList) bool {
	e := recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

func TestExportedDocsBite(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"type T int", "T"},
		{"// T is.\ntype T int", ""},
		{"// A T is.\ntype T int", ""},
		{"// U is.\ntype T int", "T"},
		{"func F() {}", "F"},
		{"// F does.\nfunc F() {}", ""},
		{"type t int\nfunc (t) M() {}", ""},
		{"// T is.\ntype T[P any] int\nfunc (*T[P]) M() {}", "M"},
		{"const C = 1", "C"},
		{"// The kinds.\nconst (\n\tC = 1\n\tD = 2\n)", ""},
		{"var (\n\tV = 1 // counts\n\tW = 2\n)", "W"},
	} {
		f, err := parse(token.NewFileSet(), "internal/x/x.go", []byte("package x\n"+c.src))
		require.NoError(t, err)
		var got []string
		undocumented(f, func(n *ast.Ident, _ string) { got = append(got, n.Name) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("found %q, expected %q in:\n%s", got, c.want, c.src)
		}
	}
}

func TestFileSizes(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.test && f.lines > maxLines && !ast.IsGenerated(f.ast) {
			t.Errorf("%s: %d lines: beyond %d a file holds more than one thought, and a reader looks for both", f.path, f.lines, maxLines)
		}
	}
}
