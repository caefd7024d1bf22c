package migrate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// generation is what the generators of an ApplicationSet give, from the tree alone.
type generation struct {
	*migration
	templates
	urls []string // that the objects name
	// wide is a pattern of files that would match fewer if a * stayed within one element of a path.
	wide *string
}

// params are what a template is filled with: nested for Go templates, else texts by their dotted names.
type params = map[string]any

// mostGenerated bounds what one generator gives.
const mostGenerated = 1000

// lost is why nothing is known of what a generator gives.
type lost struct{ kind, text string }

func (l lost) Error() string { return l.text }

func lose(kind, format string, args ...any) error { return lost{kind, fmt.Sprintf(format, args...)} }

// lacking are generators that ask what is not in a tree, and what to do.
var lacking = map[string]string{
	"clusters": "each cluster runs a Fairlead of its own, with an Environment for what is to run there: 'fairlead migrate argocd' without a directory takes the Applications " +
		"that were made for the cluster that Argo CD is in",
}

// kindsOf are the kinds of a generator, of which there is one as a rule.
func kindsOf(g map[string]any) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(g)), func(k string) bool { return k == "selector" })
}

// params are what a generator gives. Given are those of the generators before it in a matrix, which it may name.
func (s generation) params(g map[string]any, given params) ([]params, error) {
	var out []params
	for _, kind := range kindsOf(g) {
		spec, _ := g[kind].(map[string]any)
		if given != nil {
			spec = s.named(spec, given)
		}
		var found []params
		var err error
		switch kind {
		case "list":
			found, err = s.list(spec)
		case "git":
			found, err = s.git(spec)
		case "matrix":
			found, err = s.matrix(spec, given)
		case "merge":
			found, err = s.merge(spec, given)
		default:
			err = lose(kind, "%s", cmp.Or(lacking[kind], "this has no equal: write an Environment for each place by hand"))
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, found...); len(out) > mostGenerated {
			return nil, lose(kind, "it gives more than %d: write an Environment for each place by hand", mostGenerated)
		}
	}
	if selector, _ := g["selector"].(map[string]any); selector != nil {
		out = slices.DeleteFunc(out, func(p params) bool { return !selects(selector, flat(p)) })
	}
	return out, nil
}

// named is a generator with what it names of others. What it says of its own is left for later.
func (s generation) named(spec map[string]any, given params) map[string]any {
	lenient := s.templates
	lenient.strict = false
	out := map[string]any{}
	for k, v := range spec {
		out[k] = v
		if k == "values" || k == "template" || k == "generators" {
			continue
		}
		if filled, err := lenient.fill(v, given); err == nil {
			out[k] = filled
		}
	}
	return out
}

func (s generation) list(spec map[string]any) ([]params, error) {
	elements, _ := spec["elements"].([]any)
	if text, _ := spec["elementsYaml"].(string); text != "" {
		docs, err := object.Values("elementsYaml", []byte(text))
		if err != nil {
			return nil, lose("list.elementsYaml", "%v", err)
		}
		for _, doc := range docs {
			more, _ := doc.([]any)
			elements = append(slices.Clone(elements), more...)
		}
	}
	var out []params
	for i, e := range elements {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, lose("list.elements", "element %d is no mapping", i+1)
		}
		out = append(out, s.shaped(m))
	}
	return out, nil
}

// shaped are params as templates name them.
func (s generation) shaped(m map[string]any) params {
	if s.goTemplate {
		return maps.Clone(m)
	}
	return flat(m)
}

// flat are params by their dotted names, as texts.
func flat(m map[string]any) params {
	out := params{}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		within := func(key string) string {
			if name == "" {
				return key
			}
			return name + "." + key
		}
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(within(k), x)
			}
		case []any:
			for i, x := range v {
				walk(within(fmt.Sprint(i)), x)
			}
		case nil:
			out[name] = ""
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	walk("", m)
	return out
}

func (s generation) git(spec map[string]any) ([]params, error) {
	url, _ := spec["repoURL"].(string)
	if !s.isHere(url, ".", s.urls) {
		return nil, lose("git", "what is in %s is not known here: give a directory of a clone of it, or read the cluster", url)
	}
	dirs, files, err := s.listed()
	if err != nil {
		return nil, lose("git", "%v", err)
	}
	prefix, _ := spec["pathParamPrefix"].(string)
	values, _ := spec["values"].(map[string]any)
	var out []params
	if chosen := list(spec, "directories"); len(chosen) > 0 {
		for _, dir := range chosenOf(dirs, chosen, path.Match) {
			p, err := s.valued(s.pathed(params{}, prefix, dir, ""), values)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	}
	chosen := list(spec, "files")
	wide := chosenOf(files, chosen, matchesWide)
	if s.wide != nil && !slices.Equal(wide, chosenOf(files, chosen, path.Match)) {
		*s.wide = fmt.Sprint(chosen[0]["path"])
	}
	for _, file := range wide {
		contents, err := s.contents(file)
		if err != nil {
			return nil, err
		}
		for _, c := range contents {
			p, err := s.valued(s.pathed(s.shaped(c), prefix, path.Dir(file), path.Base(file)), values)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func list(spec map[string]any, field string) []map[string]any {
	all, _ := spec[field].([]any)
	var out []map[string]any
	for _, v := range all {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// chosenOf are the paths that a pattern includes and none excludes.
func chosenOf(paths []string, chosen []map[string]any, matches func(pattern, name string) (bool, error)) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		in := false
		for _, c := range chosen {
			pattern, _ := c["path"].(string)
			ok, err := matches(pattern, p)
			if err != nil || !ok {
				continue
			}
			if out, _ := c["exclude"].(bool); out {
				return true
			}
			in = true
		}
		return !in
	})
}

// matchesWide is path.Match, but that a * goes on over slashes, as a pattern that Git is given does.
func matchesWide(pattern, name string) (bool, error) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 0 {
				return false, path.ErrBadPattern
			}
			b.WriteString(strings.Replace(pattern[i:i+end+1], "[!", "[^", 1))
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile("^" + b.String() + "$")
	if err != nil {
		return false, path.ErrBadPattern
	}
	return re.MatchString(name), nil
}

// listed are the directories and files of the tree, in order. Directories that begin with a dot are left out.
func (s generation) listed() (dirs, files []string, err error) {
	err = fs.WalkDir(s.options.Tree.Files, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case e.IsDir() && name != ".":
			dirs = append(dirs, name)
		case e.Type().IsRegular():
			files = append(files, name)
		}
		return nil
	})
	slices.Sort(dirs)
	slices.Sort(files)
	return dirs, files, err
}

// contents are the mappings that a file holds: one, or a list of them.
func (s generation) contents(file string) ([]map[string]any, error) {
	data, err := fs.ReadFile(s.options.Tree.Files, file)
	if err != nil {
		return nil, lose("git.files", "%v", err)
	}
	docs, err := object.Values(file, data)
	if err != nil || len(docs) > 1 {
		return nil, lose("git.files", "%v", cmp.Or(err, fmt.Errorf("%s: it holds more than one document", file)))
	}
	if len(docs) == 0 {
		return []map[string]any{{}}, nil
	}
	all, isList := docs[0].([]any)
	if !isList {
		all = docs
	}
	var out []map[string]any
	for _, v := range all {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, lose("git.files", "%s: want a mapping, or a list of them", file)
		}
		out = append(out, m)
	}
	return out, nil
}

// pathed adds what is known of a path.
func (s generation) pathed(p params, prefix, dir, file string) params {
	if s.goTemplate {
		var segments []any
		for _, e := range strings.Split(dir, "/") {
			segments = append(segments, e)
		}
		at := map[string]any{"path": dir, "basename": path.Base(dir), "basenameNormalized": normalized(path.Base(dir)), "segments": segments}
		if file != "" {
			at["filename"], at["filenameNormalized"] = file, normalized(file)
		}
		if prefix != "" {
			p[prefix] = map[string]any{"path": at}
		} else {
			p["path"] = at
		}
		return p
	}
	name := "path"
	if prefix != "" {
		name = prefix + ".path"
	}
	p[name], p[name+".basename"], p[name+".basenameNormalized"] = dir, path.Base(dir), normalized(path.Base(dir))
	if file != "" {
		p[name+".filename"], p[name+".filenameNormalized"] = file, normalized(file)
	}
	for i, e := range strings.Split(dir, "/") {
		p[fmt.Sprintf("%s[%d]", name, i)] = e
	}
	return p
}

// normalized is a text as a name.
func normalized(name string) string {
	name = regexp.MustCompile(`[^-a-z0-9.]`).ReplaceAllString(strings.ToLower(name), "-")
	return strings.Trim(name[:min(len(name), 253)], "-.")
}

// valued adds the values of a generator, which may name what it gives.
func (s generation) valued(p params, values map[string]any) (params, error) {
	if len(values) == 0 {
		return p, nil
	}
	filled, err := s.fill(values, p)
	if err != nil {
		return nil, lose("git.values", "%v", err)
	}
	all, _ := filled.(map[string]any)
	if s.goTemplate {
		p["values"] = all
		return p, nil
	}
	for k, v := range all {
		p["values."+k] = fmt.Sprint(v)
	}
	return p, nil
}

// matrix combines what each generator gives with all that those before it give.
func (s generation) matrix(spec map[string]any, given params) ([]params, error) {
	all := []params{{}}
	for _, g := range list(spec, "generators") {
		var next []params
		for _, before := range all {
			more, err := s.params(g, merged(before, given))
			if err != nil {
				return nil, err
			}
			for _, p := range more {
				if !s.goTemplate {
					for k, v := range p {
						if was, both := before[k]; both && was != v {
							return nil, lose("matrix", "two generators give %s, and not the same", k)
						}
					}
				}
				if next = append(next, merged(before, p)); len(next) > mostGenerated {
					return nil, lose("matrix", "it gives more than %d: write an Environment for each place by hand", mostGenerated)
				}
			}
		}
		all = next
	}
	return all, nil
}

// merge adds to what the first generator gives what others give with the same keys.
func (s generation) merge(spec map[string]any, given params) ([]params, error) {
	var base []params
	keys, _ := spec["mergeKeys"].([]any)
	same := func(a, b params) bool {
		for _, k := range keys {
			name, _ := k.(string)
			if !reflect.DeepEqual(a[name], b[name]) {
				return false
			}
		}
		return true
	}
	for i, g := range list(spec, "generators") {
		more, err := s.params(g, given)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			base = more
			continue
		}
		for _, p := range more {
			for j := range base {
				if same(base[j], p) {
					base[j] = merged(p, base[j])
				}
			}
		}
	}
	return base, nil
}

// merged is a mapping with what another one has besides, however deep.
func merged(first, second map[string]any) map[string]any {
	out := maps.Clone(first)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range second {
		is, both := out[k]
		a, isMap := is.(map[string]any)
		b, areMaps := v.(map[string]any)
		switch {
		case !both || is == nil || is == "":
			out[k] = v
		case isMap && areMaps:
			out[k] = merged(a, b)
		}
	}
	return out
}

// selects reports whether a selector of labels takes params.
func selects(selector map[string]any, p params) bool {
	labels, _ := selector["matchLabels"].(map[string]any)
	for k, v := range labels {
		if p[k] != v {
			return false
		}
	}
	for _, e := range list(selector, "matchExpressions") {
		key, _ := e["key"].(string)
		values, _ := e["values"].([]any)
		v, has := p[key]
		switch e["operator"] {
		case "In":
			if !has || !slices.Contains(values, v) {
				return false
			}
		case "NotIn":
			if has && slices.Contains(values, v) {
				return false
			}
		case "Exists":
			if !has {
				return false
			}
		case "DoesNotExist":
			if has {
				return false
			}
		}
	}
	return true
}

// fieldOf is where to look for what was lost.
func fieldOf(err error) string {
	var l lost
	if errors.As(err, &l) {
		return "spec.generators." + l.kind
	}
	return "spec.template"
}
