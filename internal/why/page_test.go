package why_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPage: the page about troubleshooting has a part for each stage, and every remedy that this package knows, in its words.
func TestPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ToLower(strings.ReplaceAll(string(data), "`", ""))
	for _, stage := range []string{"cluster", "source", "signature", "render", "preflight", "hold", "dependency", "apply", "health"} {
		if !strings.Contains(page, "\n## "+stage+": ") {
			t.Errorf("docs/troubleshooting.md has no part about %s", stage)
		}
	}
	all := remedies(t)
	if len(all) < 70 {
		t.Errorf("only %d remedies were found", len(all))
	}
	for _, r := range all {
		if !strings.Contains(page, strings.ToLower(r)) {
			t.Errorf("docs/troubleshooting.md does not have the remedy %q", r)
		}
	}
}

// words are what a remedy is made of: the longest of the texts that are put together. What follows "  #" is said of a command.
var words = regexp.MustCompile(`%[sdv]|  # ?`)

func longest(e ast.Expr) string {
	best := ""
	ast.Inspect(e, func(n ast.Node) bool {
		if b, ok := n.(*ast.BasicLit); ok && b.Kind == token.STRING {
			text, _ := strconv.Unquote(b.Value)
			for _, part := range words.Split(text, -1) {
				if part = strings.Trim(part, " .,/:;"); len(part) > len(best) {
					best = part
				}
			}
		}
		return true
	})
	return best
}

// others are lists of texts that are no remedies: of words to look for, and of fields.
var others = []string{"may not", "containers", "is"}

// remedies finds the texts of all remedies in the source: lists of texts, what is added to a list, what is assigned to one, and those about images; and the words by
// which those of others are known (turns).
func remedies(t *testing.T) []string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseDir(set, ".", func(i fs.FileInfo) bool { return !strings.HasSuffix(i.Name(), "_test.go") }, 0) //nolint:staticcheck // one directory, no build tags
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if text := longest(e); text != "" && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	ast.Inspect(parsed["why"], func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			list, ok := n.Type.(*ast.ArrayType)
			if !ok || len(n.Elts) == 0 || slices.Contains(others, longest(n.Elts[0])) {
				break
			}
			if of, ok := list.Elt.(*ast.Ident); ok && of.Name == "string" {
				add(n.Elts...)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "append" && strings.HasSuffix(strings.ToLower(name(n.Args[0])), "remedy") {
				add(n.Args[1:]...)
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if name(to) == "remedy" && len(n.Rhs) == len(n.Lhs) {
					if _, ok := n.Rhs[i].(*ast.BasicLit); ok {
						add(n.Rhs[i])
					}
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name == "pulling" {
				ast.Inspect(n, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 2 {
						add(r.Results[1])
					}
					return true
				})
			}
		}
		return true
	})
	return all
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
