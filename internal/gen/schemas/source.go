package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readEnums finds the fields that take one of a few words: those whose type is marked +enum. The OpenAPI documents do not say it.
func readEnums(at string) (map[string]map[string][]string, error) {
	dir, err := module(at)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string][]string{}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "types.go" {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(dir, filepath.Dir(file))
		if err != nil {
			return err
		}
		enumsOf(parsed, "io.k8s.api."+strings.ReplaceAll(filepath.ToSlash(pkg), "/", ".")+".", out)
		return nil
	})
	return out, err
}

func enumsOf(file *ast.File, prefix string, out map[string]map[string][]string) {
	words := map[string][]string{}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			for _, s := range g.Specs {
				t := s.(*ast.TypeSpec)
				if strings.Contains(marks(g, t), "+enum\n") {
					words[t.Name.Name] = []string{}
				}
			}
		}
	}
	constants(file, words)
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			t := s.(*ast.TypeSpec)
			if structure, ok := t.Type.(*ast.StructType); ok {
				for _, f := range structure.Fields.List {
					enumField(prefix+t.Name.Name, f, words, out)
				}
			}
		}
	}
}

// marks are the comments of a type.
func marks(g *ast.GenDecl, t *ast.TypeSpec) string {
	out := ""
	for _, c := range []*ast.CommentGroup{g.Doc, t.Doc} {
		if c == nil {
			continue
		}
		for _, line := range c.List {
			out += strings.TrimSpace(strings.TrimPrefix(line.Text, "//")) + "\n"
		}
	}
	return out
}

func constants(file *ast.File, words map[string][]string) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			id, ok := v.Type.(*ast.Ident)
			if !ok || words[id.Name] == nil {
				continue
			}
			for _, value := range v.Values {
				if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil && text != "" {
						words[id.Name] = append(words[id.Name], text)
					}
				}
			}
		}
	}
}

func enumField(typ string, f *ast.Field, words map[string][]string, out map[string]map[string][]string) {
	if f.Tag == nil {
		return
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	expr := f.Type
	for {
		switch x := expr.(type) {
		case *ast.StarExpr:
			expr = x.X
			continue
		case *ast.ArrayType:
			expr = x.Elt
			continue
		case *ast.Ident:
			if values := words[x.Name]; name != "" && len(values) > 0 {
				if out[typ] == nil {
					out[typ] = map[string][]string{}
				}
				out[typ][name] = slices.Compact(slices.Sorted(slices.Values(values)))
			}
		}
		return
	}
}

var (
	lifecycleFunc = regexp.MustCompile(`(?m)^func \(in \*(\w+)\) APILifecycle(Introduced|Deprecated|Removed)\(\) \(major, minor int\) \{\n\treturn (\d+), (\d+)`)
	replacement   = regexp.MustCompile(`(?m)^func \(in \*(\w+)\) APILifecycleReplacement\(\) schema.GroupVersionKind \{\n\treturn schema.GroupVersionKind\{Group: "([^"]*)", Version: "([^"]*)", Kind: "([^"]*)"`)
	groupName     = regexp.MustCompile(`GroupName\s*=\s*"([^"]*)"`)
)

// life is what is known of one kind: versions such as "1.16", or "-".
type life struct{ introduced, deprecated, removed, replacement string }

// readLifecycles returns a line for each kind that was, is or will be deprecated, or is not yet in the oldest version:
// "apps/v1beta1 Deployment introduced deprecated removed replacement".
func readLifecycles(modules []string) ([]string, error) {
	lives := map[string]life{}
	for _, at := range modules {
		dir, err := module(at)
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "zz_generated.prerelease-lifecycle.go" || strings.Contains(file, "example") {
				return err
			}
			return lifecycleOf(file, lives)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	var out []string
	for _, name := range sorted(lives) {
		l := lives[name]
		out = append(out, strings.Join([]string{name, l.introduced, l.deprecated, l.removed, l.replacement}, " "))
	}
	return out, nil
}

func lifecycleOf(file string, out map[string]life) error {
	text, err := readText(file)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	register, err := readText(filepath.Join(dir, "register.go"))
	if err != nil {
		return err
	}
	group := groupName.FindStringSubmatch(register)
	if group == nil {
		return fmt.Errorf("%s: no group", dir)
	}
	version := strings.TrimPrefix(group[1]+"/"+filepath.Base(dir), "/")
	found := map[string]life{}
	for _, m := range lifecycleFunc.FindAllStringSubmatch(text, -1) {
		l, known := found[m[1]]
		if !known {
			l = life{"-", "-", "-", "-"}
		}
		at := m[3] + "." + m[4]
		switch m[2] {
		case "Introduced":
			l.introduced = at
		case "Deprecated":
			l.deprecated = at
		case "Removed":
			l.removed = at
		}
		found[m[1]] = l
	}
	for _, m := range replacement.FindAllStringSubmatch(text, -1) {
		l := found[m[1]]
		l.replacement = strings.TrimPrefix(m[2]+"/"+m[3], "/") + "/" + m[4]
		found[m[1]] = l
	}
	for kind, l := range found {
		if !strings.HasSuffix(kind, "List") && (l.deprecated != "-" || l.removed != "-" || l.introduced != "-") {
			out[version+" "+kind] = l
		}
	}
	return nil
}
