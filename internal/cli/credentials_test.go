package cli

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// TestFlagged: whatever the package git says of a Secret, or of a field of a Repository, a command line that has neither says of its flags.
func TestFlagged(t *testing.T) {
	files, err := filepath.Glob("../git/*.go")
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, data, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if strings.Contains(text, "Secret") {
				text = strings.ReplaceAll(text, " in %s", " in spec.secretRef") // as Auth.Field says it of what is read with
			}
			if err != nil || strings.HasSuffix(file, "_test.go") || !strings.Contains(text, "spec.") || !strings.Contains(text, " ") {
				return true
			}
			texts++
			if got := flagged(errors.New(text)).Error(); strings.Contains(got, "spec.") || strings.Contains(got, "Secret") {
				t.Errorf("%s: %q", file, got)
			}
			return true
		})
	}
	if texts < 10 {
		t.Errorf("only %d texts were found", texts)
	}
	if err := flagged(fault.Newf(fault.Denied, "no")); fault.KindOf(err) != fault.Denied || flagged(nil) != nil {
		t.Errorf("what is wrong is not known any more of %v", err)
	}
}
