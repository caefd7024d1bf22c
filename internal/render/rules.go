package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
	"github.com/fairlead-cd/fairlead/internal/substitute"
)

// Rules are what an Environment says of rendering. The zero Rules add nothing to what is in the tree.
type Rules struct {
	// Substitute says where the values of variables come from; nil: nothing is substituted.
	Substitute *Substitute
	// Restart says which workloads are restarted when what they read changes. Offline none is: the hash is made with a key that is not there.
	Restart restart.Mode
	// Never are kinds that are not applied: their objects get the annotation that says so. One without a Kind is a whole group.
	Never []object.GroupKind
}

// Substitute says where the values of variables come from. Values win over what From has, and a later one of From over an earlier.
type Substitute struct {
	Values map[string]string
	From   []From
	// Loose leaves what has no value as it is written: it is said where From cannot be read.
	Loose bool
}

// From is a ConfigMap or a Secret in [Place.Home] whose entries are variables.
type From struct {
	Kind, Name string
	Optional   bool
}

// ID is equal for equal rules.
func (r Rules) ID() string {
	if r.Substitute == nil && r.Restart == "" && len(r.Never) == 0 {
		return ""
	}
	text, _ := json.Marshal(r)
	return string(text)
}

// substitute puts the values of variables into objects.
func (r *renderer) substitute(objs []object.Object) ([]object.Object, error) {
	rules := r.rules.Substitute
	if rules == nil {
		return objs, nil
	}
	vars, masked, err := r.variables(rules)
	if err != nil {
		return nil, err
	}
	out := make([]object.Object, len(objs))
	for i, o := range objs {
		out[i], err = substitute.Object(o, vars)
		if name, text, ok := substitute.MissingOf(err); ok {
			if name != "" && rules.Loose {
				out[i] = o
				continue
			}
			at := place{file: o.Origin().File, line: r.lineOf(o, name, text)}
			if o.Kind() == "Secret" && r.secrets != nil && len(r.secrets.files) > 0 { // what has no value may be a part of a password
				return nil, at.errorf("%s: a decrypted value has an expression in it that cannot be replaced: write $${ for ${, or switch it off with the annotation "+
					"kustomize.toolkit.fluxcd.io/substitute: disabled", o)
			}
			return nil, at.errorf("%s: %w", o, err)
		}
		if err != nil {
			return nil, err
		}
		if masked != nil && o.Kind() != "Secret" {
			out[i] = alsoVeiled(out[i].WithVeiled(o.Veiled()), unlike(o, out[i], masked))
		}
	}
	return out, nil
}

// unlike are the fields of an object that would be others if the Secrets of its variables held something else, however little of it they show.
func unlike(written, o object.Object, masked substitute.Variables) []string {
	other, err := substitute.Object(written, masked)
	if err != nil {
		return nil // the names are the same, so that there is none but for values that are too long
	}
	var out []string
	for _, c := range diff.Between(o, other) {
		out = append(out, c.Path)
	}
	return out
}

// mask is a text that differs from another in every byte.
func mask(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == 'x' {
			b[i] = 'y'
		} else {
			b[i] = 'x'
		}
	}
	return string(b)
}

// never marks objects of kinds that are not applied, but those that say themselves how they are.
func (r *renderer) never(objs []object.Object) []object.Object {
	if len(r.rules.Never) == 0 {
		return objs
	}
	out := slices.Clone(objs)
	for i, o := range out {
		gk := o.Key().GroupKind()
		named := slices.Contains(r.rules.Never, gk) || slices.Contains(r.rules.Never, object.GroupKind{Group: gk.Group})
		if named && o.Annotation(app.AnnotationApply) == "" {
			out[i] = o.With(string(app.ApplyNever), "metadata", "annotations", app.AnnotationApply)
		}
	}
	return out
}

// variables are those that there are anyway, and those of the rules. Masked are the same, with others in the place of what Secrets hold; nil if there is no such.
func (r *renderer) variables(rules *Substitute) (vars, masked substitute.Variables, err error) {
	vars = substitute.Variables{}
	secret := map[string]bool{}
	for _, from := range rules.From {
		if rules.Loose && r.outside.outside == nil {
			break
		}
		q := Question{About: AboutObject, GVK: object.GVK{Version: "v1", Kind: from.Kind}, Namespace: r.at.Home, Name: from.Name}
		answer, err := r.outside.ask(q)
		if err != nil {
			return nil, nil, err
		}
		if len(answer.Objects) == 0 {
			if from.Optional {
				continue
			}
			return nil, nil, fault.Newf(fault.Invalid, "%s, which spec.render.substituteFrom of the Environment names, does not exist: create it, or say that it is optional", q)
		}
		for name, value := range entries(answer.Objects[0]) {
			if substitute.IsName(name) { // no expression could name it
				vars[name] = oneValue(value)
				secret[name] = from.Kind == "Secret"
			}
		}
	}
	for name, value := range rules.Values {
		vars[name] = oneValue(value)
		delete(secret, name)
	}
	vars["FAIRLEAD_APP"], vars["FAIRLEAD_ENVIRONMENT"], vars["FAIRLEAD_NAMESPACE"] = r.at.App, r.at.Environment, r.at.Namespace
	for name, is := range secret {
		if is && masked == nil {
			masked = maps.Clone(vars)
		}
		if is {
			masked[name] = mask(vars[name])
		}
	}
	return vars, masked, nil
}

// oneValue is a value as Flux takes it: without line ends, of which files have one too many.
func oneValue(s string) string {
	return strings.ReplaceAll(s, "\n", "")
}

// entries are what a ConfigMap or a Secret holds as texts.
func entries(o object.Object) map[string]string {
	out := map[string]string{}
	data, _ := o.At("data").(map[string]any)
	for name, v := range data {
		text, _ := v.(string)
		if o.Kind() == "Secret" {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				continue
			}
			text = string(raw)
		}
		out[name] = text
	}
	return out
}

// lineOf is where a variable or an expression is written in the file that an object is from; else where the object is.
func (r *renderer) lineOf(o object.Object, name, text string) int {
	at := o.Origin()
	if r.files == nil { // it was read elsewhere
		return at.Line
	}
	expression := regexp.QuoteMeta(strings.TrimSuffix(text, "…"))
	if name != "" {
		expression = `\$\{#?` + regexp.QuoteMeta(name) + `[^_\pL\d]`
	}
	is := regexp.MustCompile(expression)
	line := 0
	for text := range bytes.Lines(r.files.cache[at.File]) {
		if line++; line >= at.Line && is.Match(text) {
			return line
		}
	}
	return at.Line
}
