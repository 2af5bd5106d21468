package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A habit is one thing that the code of the tree never does. bad and good are
// files that break and keep it, each headed by its path: a rule that finds
// nothing any more is worse than none.
type habit struct {
	name string
	why  string
	find func(f *file, report func(ast.Node))
	bad  []string
	good []string
}

var habits = []habit{
	{
		name: "printing",
		why:  "stdout is the Singer stream: one writer owns it, cli hands it over, programs of our own are free",
		find: func(f *file, report func(ast.Node)) {
			if f.test || f.program() || f.dir == "internal/cli" {
				return
			}
			f.selectors("fmt", regexp.MustCompile(`^Print`), report)
			f.selectors("os", regexp.MustCompile(`^Stdout$`), report)
			f.calls(regexp.MustCompile(`^print(ln)?$`), report)
		},
		bad: []string{
			"internal/x/x.go\npackage x\nimport \"fmt\"\nfunc f() { fmt.Println() }",
			"internal/x/x.go\npackage x\nimport \"os\"\nvar w = os.Stdout",
			"internal/x/x.go\npackage x\nfunc f() { println() }",
		},
		good: []string{
			"internal/cli/x.go\npackage cli\nimport \"os\"\nvar w = os.Stdout",
			"internal/x/x.go\npackage x\nimport (\"fmt\"; \"io\")\nfunc f(w io.Writer) { fmt.Fprintln(w) }",
			"internal/x/x_test.go\npackage x\nimport \"fmt\"\nfunc Example() { fmt.Println() }",
		},
	},
	{
		name: "leaving",
		why:  "only cli decides exit codes and reads arguments, so that every end writes its last STATE and log line",
		find: func(f *file, report func(ast.Node)) {
			if !f.test && !f.program() && f.dir != "internal/cli" {
				f.selectors("os", regexp.MustCompile(`^(Exit|Args)$`), report)
				f.selectors("runtime", regexp.MustCompile(`^Goexit$`), report)
			}
		},
		bad:  []string{"internal/x/x.go\npackage x\nimport \"os\"\nfunc f() { os.Exit(1) }"},
		good: []string{"cmd/x/main.go\npackage main\nimport \"os\"\nfunc main() { os.Exit(1) }"},
	},
	{
		name: "sleeping",
		why:  "a wait ends with its context (a timer in a select), and a test waits for an event or in virtual time (testing/synctest)",
		find: func(f *file, report func(ast.Node)) {
			if !f.test || !f.virtual {
				f.selectors("time", regexp.MustCompile(`^(Sleep|Tick)$`), report)
			}
		},
		bad: []string{
			"internal/x/x.go\npackage x\nimport \"time\"\nfunc f() { time.Sleep(1) }",
			"internal/x/x_test.go\npackage x\nimport t \"time\"\nfunc f() { t.Sleep(1) }",
		},
		good: []string{
			"internal/x/x_test.go\npackage x\nimport (\"testing/synctest\"; \"time\")\nfunc f() { synctest.Wait(); time.Sleep(1) }",
			"internal/x/x.go\npackage x\nimport \"time\"\nvar after = time.After",
		},
	},
	{
		name: "init functions",
		why:  "what a package does is called by name; registration is a list (internal/source/all)",
		find: func(f *file, report func(ast.Node)) {
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					report(fn)
				}
			}
		},
		bad:  []string{"internal/x/x.go\npackage x\nfunc init() {}"},
		good: []string{"internal/x/x.go\npackage x\ntype t struct{}\nfunc (t) init() {}"},
	},
	{
		name: "changing package variables",
		why:  "a package variable is a table or a pool: two runs in one process (tests, the sandbox) must not see each other",
		find: findGlobalWrites,
		bad: []string{
			"internal/x/x.go\npackage x\nvar m = map[string]int{}\nfunc f() { m[\"a\"] = 1 }",
			"internal/x/x.go\npackage x\nvar m = map[string]int{}\nfunc f() { delete(m, \"a\") }",
			"internal/x/x.go\npackage x\nvar n int\nfunc f() { n++ }",
			"internal/x/x.go\npackage x\nvar n, m int\nfunc f() { n, m = m, n }",
			"internal/x/x.go\npackage x\nvar s struct{ p *struct{ n int } }\nfunc f() { (*s.p).n = 1 }",
			"internal/x/x.go\npackage x\nimport \"net/http\"\nfunc f() { http.DefaultClient = nil }",
		},
		good: []string{
			"internal/x/x.go\npackage x\nvar n int\nfunc f() (n int) { n = 1; return }",
			"internal/x/x.go\npackage x\nvar n int\nfunc f() { n := 0; n++; _ = n }",
			"internal/x/x.go\npackage x\nvar n int\nfunc (n *t) f() { n.x = 1 }",
			"internal/x/x.go\npackage x\nvar m = map[string]int{}\nfunc f() int { return m[\"a\"] }",
			"internal/x/x_test.go\npackage x\nvar n int\nfunc f() { n++ }",
		},
	},
	{
		name: "panics without a reason",
		why:  "what can happen is an error; what cannot says so in a comment that starts with invariant: on the line or above it",
		find: func(f *file, report func(ast.Node)) {
			if f.test {
				return
			}
			f.calls(regexp.MustCompile(`^panic$`), func(n ast.Node) {
				call, ok := n.(*ast.CallExpr)
				if ok && len(call.Args) == 1 && fmt.Sprint(selector(call.Args[0])) == "http.ErrAbortHandler" {
					return // the documented way to cut an answer
				}
				if !f.comment(n, "invariant:") {
					report(n)
				}
			})
		},
		bad: []string{
			"internal/x/x.go\npackage x\nfunc f() { panic(1) }",
			"internal/x/x.go\npackage x\nfunc f() {\n// invariant: far away\n\n\npanic(1) }",
		},
		good: []string{
			"internal/x/x.go\npackage x\nfunc f() {\n// invariant: callers check it,\n// all of them\npanic(1) }",
			"internal/x/x.go\npackage x\nfunc f() {\npanic(1) // invariant: callers check it\n}",
			"internal/x/x.go\npackage x\nimport \"net/http\"\nfunc f() { panic(http.ErrAbortHandler) }",
			"internal/x/x_test.go\npackage x\nfunc f() { panic(1) }",
		},
	},
	{
		name: "notes of unfinished work",
		why:  "what is left to do is an issue; the tree holds what is done",
		find: func(f *file, report func(ast.Node)) {
			for _, g := range f.ast.Comments {
				for _, c := range g.List {
					if unfinished.MatchString(c.Text) {
						report(c)
					}
				}
			}
		},
		bad:  []string{"internal/x/x.go\npackage x\n// " + "TO" + "DO: more\n", "internal/x/x.go\npackage x\n/* a\n " + "FIX" + "ME */"},
		good: []string{"internal/x/x.go\npackage x\nvar todo = \"" + "TO" + "DO\" // todos are a vendor's resource"},
	},
	{
		name: "net/http beyond names",
		why:  "one package asks vendors; elsewhere net/http lends only constants, headers and dates, and to a source only the Status constants",
		find: func(f *file, report func(ast.Node)) {
			allowed := regexp.MustCompile(`^(Status[A-Z]\w*|Method[A-Z]\w*|Header|CanonicalHeaderKey|ParseTime|TimeFormat)$`)
			switch {
			case f.test || f.program(), matchAny([]string{"internal/httpx", "internal/auth", "internal/cli", "internal/emulator/..."}, f.dir):
				return
			case match("internal/source/*", f.dir):
				allowed = regexp.MustCompile(`^Status[A-Z]\w*$`)
			}
			f.selectors("net/http", regexp.MustCompile(``), func(n ast.Node) {
				if s, ok := n.(*ast.SelectorExpr); ok && !allowed.MatchString(s.Sel.Name) {
					report(n)
				}
			})
		},
		bad: []string{
			"internal/source/acme/x.go\npackage acme\nimport \"net/http\"\ntype h = http.Header",
			"internal/engine/x.go\npackage engine\nimport \"net/http\"\nvar c http.Client",
		},
		good: []string{
			"internal/source/acme/x.go\npackage acme\nimport \"net/http\"\nconst gone = http.StatusGone",
			"internal/stream/x.go\npackage stream\nimport \"net/http\"\ntype h = http.Header",
			"internal/httpx/x.go\npackage httpx\nimport \"net/http\"\nvar c http.Client",
		},
	},
	{
		name: "dot and blank imports",
		why:  "a reader sees where a name comes from, and nothing happens by importing (embedded files and zones excepted)",
		find: func(f *file, report func(ast.Node)) {
			for _, s := range f.ast.Imports {
				if s.Name != nil && (s.Name.Name == "." || s.Name.Name == "_" && s.Path.Value != `"embed"` && s.Path.Value != `"time/tzdata"`) {
					report(s)
				}
			}
		},
		bad:  []string{"internal/x/x.go\npackage x\nimport . \"strings\"", "internal/x/x.go\npackage x\nimport _ \"net/http/pprof\""},
		good: []string{"schemas/x.go\npackage schemas\nimport _ \"embed\""},
	},
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func TestHabits(t *testing.T) {
	for _, h := range habits {
		t.Run(strings.ReplaceAll(h.name, " ", "_"), func(t *testing.T) {
			for _, f := range goFiles(t) {
				h.find(f, func(n ast.Node) { t.Errorf("%s: %s: %s", f.at(n), h.name, h.why) })
			}
		})
	}
}

// TestHabitsBite breaks and keeps every rule on purpose.
func TestHabitsBite(t *testing.T) {
	count := func(h habit, sample string) (n int) {
		name, src, _ := strings.Cut(sample, "\n")
		f, err := parse(token.NewFileSet(), name, []byte(src))
		require.NoError(t, err, sample)
		h.find(f, func(ast.Node) { n++ })
		return n
	}
	for _, h := range habits {
		require.NotEmpty(t, h.bad, h.name)
		require.NotEmpty(t, h.good, h.name)
		for _, sample := range h.bad {
			require.NotZero(t, count(h, sample), "%s is not found in:\n%s", h.name, sample)
		}
		for _, sample := range h.good {
			require.Zero(t, count(h, sample), "%s is found in:\n%s", h.name, sample)
		}
	}
}

// TestScripts keeps notes of unfinished work out of what is not Go.
func TestScripts(t *testing.T) {
	for _, name := range tracked(t) {
		if base := path.Base(name); base == "Makefile" || path.Dir(name) == ".ci" || path.Ext(name) == ".sh" || path.Ext(name) == ".yml" {
			if found := unfinished.Find(read(t, name)); found != nil {
				t.Errorf("%s: %s: what is left to do is an issue", name, found)
			}
		}
	}
}

// selectors reports the uses of a package's names, whatever it is imported as.
func (f *file) selectors(pkg string, name *regexp.Regexp, report func(ast.Node)) {
	local := f.localName(pkg)
	if local == "" {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && name.MatchString(s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == local {
				report(s)
			}
		}
		return true
	})
}

// calls reports the calls of functions without a package.
func (f *file) calls(name *regexp.Regexp, report func(ast.Node)) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if fn, ok := c.Fun.(*ast.Ident); ok && name.MatchString(fn.Name) {
				report(c)
			}
		}
		return true
	})
}

// localName is what a file calls a package that it imports, or "".
func (f *file) localName(pkg string) string {
	for _, s := range f.ast.Imports {
		if p, _ := strconv.Unquote(s.Path.Value); p == pkg {
			if s.Name != nil {
				return s.Name.Name
			}
			return path.Base(p)
		}
	}
	return ""
}

// comment tells whether a comment that starts with prefix ends on the node's
// line or on the one above.
func (f *file) comment(n ast.Node, prefix string) bool {
	line := f.set.Position(n.Pos()).Line
	return slices.ContainsFunc(f.ast.Comments, func(g *ast.CommentGroup) bool {
		start, end := f.set.Position(g.Pos()).Line, f.set.Position(g.End()).Line
		return (start == line || end == line-1) && strings.HasPrefix(g.Text(), prefix)
	})
}

// selector writes a.b of an expression, or "".
func selector(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// findGlobalWrites reports assignments to what no declaration of the function
// names: variables of the package or of an imported one.
func findGlobalWrites(f *file, report func(ast.Node)) {
	if f.test || f.program() {
		return
	}
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		local := localNames(fn)
		written := func(e ast.Expr) {
			if id := base(e); id != nil && id.Name != "_" && !local[id.Name] {
				report(e)
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						written(e)
					}
				}
			case *ast.IncDecStmt:
				written(n.X)
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (id.Name == "delete" || id.Name == "clear") {
					written(n.Args[0])
				}
			}
			return true
		})
	}
}

// localNames gathers what a function declares anywhere inside. A local name
// that hides a variable of the package hides it from the rule too.
func localNames(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		var ids []*ast.Ident
		switch n := n.(type) {
		case *ast.Field:
			ids = n.Names
		case *ast.ValueSpec:
			ids = n.Names
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				ids = idents(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				ids = idents(n.Key, n.Value)
			}
		}
		for _, id := range ids {
			names[id.Name] = true
		}
		return true
	})
	return names
}

func idents(exprs ...ast.Expr) (ids []*ast.Ident) {
	for _, e := range exprs {
		if id, ok := e.(*ast.Ident); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// base is the variable at the root of x.y[z].w; nil where a call gives it.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
