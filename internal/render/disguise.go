package render

import (
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// What is secret may get into an object that is no Secret, and is shown in plans, diffs and events: a template may do to it whatever it likes, and a replacement copies
// it. That is found out by making the objects once more with other texts in its place: what is not the same then shows something of it.

// disguise is what has other texts in its place.
type disguise string

const (
	disguiseFiles  disguise = "files"  // the values in encrypted files
	disguiseValues disguise = "values" // the values that charts are given from Secrets
)

// disguised makes the objects of the app once more. It reports whether they are the same ones, so that they can be compared: a template that computes with what it
// is given may fail, or make others.
func (r *renderer) disguised(as disguise, kind Kind, decl app.Declaration, objs []object.Object) ([]object.Object, bool) {
	again := newRenderer(r.req, r.outside)
	again.disguise, again.secrets.disguised = as, as == disguiseFiles
	if again.record, again.memory = false, nil; r.memory != nil {
		again.memory = &Memory{keys: r.memory.keys} // they take long to find
	}
	others, err := again.make(kind, decl)
	if err != nil || len(others) != len(objs) {
		return nil, false
	}
	for i, o := range others {
		if o.APIVersion() != objs[i].APIVersion() || o.Kind() != objs[i].Kind() {
			return nil, false
		}
	}
	return others, true
}

// betrayed are the fields of objects that show something of what was disguised, by the object's index.
func betrayed(objs, others []object.Object) map[int][]string {
	renamed := map[string]string{} // a generated Secret is named by what it holds
	for i, o := range objs {
		if isCoreSecret(o) {
			renamed[o.Name()] = others[i].Name()
		}
	}
	out := map[int][]string{}
	for i, o := range objs {
		if isCoreSecret(o) {
			continue
		}
		theirs := map[string][]string{}
		for _, l := range diff.Leaves(others[i]) {
			theirs[l.Path] = append(theirs[l.Path], l.Text)
		}
		for _, l := range diff.Leaves(o) {
			if text := strings.TrimSpace(l.Text); isSaidOften(text) || slices.Contains(theirs[l.Path], l.Text) || slices.Contains(theirs[l.Path], renamed[l.Text]) ||
				slices.ContainsFunc(theirs[l.Path], func(t string) bool { return isSum(text) && isSum(t) && len(text) == len(strings.TrimSpace(t)) }) {
				continue
			}
			out[i] = append(out[i], l.Path)
		}
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
		if len(out[i]) == 0 {
			delete(out, i)
		}
	}
	return out
}

// isSaidOften reports whether a text tells nobody anything, wherever it is from: a word of a few letters, a switch, a port.
func isSaidOften(s string) bool {
	const longest = 6
	return len(s) < minConcealed || s == "true" || s == "false" || len(s) <= longest && strings.Trim(s, "0123456789.") == ""
}

func isCoreSecret(o object.Object) bool { return o.Kind() == "Secret" && o.APIVersion() == "v1" }

// isSum reports whether a text may be a checksum: charts have Pods restarted by those of their Secrets. A disguise is none.
func isSum(s string) bool {
	const least = 8
	return len(s) >= least && strings.Trim(s, "0123456789abcdef") == ""
}

// betrays refuses objects that show what is encrypted, and veils what shows other secrets.
func (r *renderer) betrays(kind Kind, decl app.Declaration, objs []object.Object) ([]object.Object, error) {
	if r.disguise != "" || kind != Helm && kind != Kustomize {
		return objs, nil
	}
	if name := r.secrets.opened(); name != "" {
		if others, ok := r.disguised(disguiseFiles, kind, decl, objs); ok {
			shown := betrayed(objs, others)
			for i, o := range objs { // the first of them, each time
				paths := shown[i]
				if len(paths) == 0 {
					continue
				}
				at := place{o.Origin().File, o.Origin().Line}
				return nil, at.errorf("%s shows in %s what is encrypted in %s: only a Secret may, as nothing else is kept out of plans, diffs and events. Put it into a Secret "+
					"that this refers to; if it is no secret, leave it in plain text, in another file or with encrypted_regex in .sops.yaml", an(o.Kind()), paths[0], name)
			}
		}
	}
	if !r.given {
		return objs, nil
	}
	others, ok := r.disguised(disguiseValues, kind, decl, objs)
	if !ok {
		return objs, nil // what is shown as it is, or encoded, is veiled by that: see veiled
	}
	out := slices.Clone(objs)
	for i, paths := range betrayed(objs, others) {
		out[i] = alsoVeiled(out[i], paths)
	}
	return out, nil
}

// opened names the encrypted files that were opened; empty: there is none.
func (s *secrets) opened() string {
	var names []string
	for name, f := range s.files {
		if len(f.texts) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	const most = 3
	if len(names) > most {
		return path.Dir(names[0]) + " and elsewhere"
	}
	return strings.Join(names, ", ")
}

// maskValues has other texts in the place of those in values.
func maskValues(v any) any {
	switch v := v.(type) {
	case string:
		return mask(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = maskValues(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = maskValues(item)
		}
		return out
	}
	return v
}
