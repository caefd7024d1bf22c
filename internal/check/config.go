package check

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/strict"
)

// ConfigFile is the name of the file that tunes the rules.
const ConfigFile = ".fairlead-check.yaml"

// Config tunes the rules. The zero Config is none.
type Config struct {
	Kubernetes string   // version
	CRDs       []string // directories of CustomResourceDefinitions
	Apps       []string // patterns of directories that are apps
	Rules      map[string]Severity
	Overrides  []Override
	External   []External
}

// Override is severities for files.
type Override struct {
	Paths []string // patterns; one that matches a directory is for all below it
	Rules map[string]Severity
}

// External is objects that exist outside of the tree.
type External struct {
	Kind, Name, Namespace string // patterns; an empty Namespace is any
}

// Below returns the configuration of a file in a directory, with its patterns and directories as paths from the root of the tree.
func (c Config) Below(dir string) Config {
	join := func(all []string) []string {
		out := make([]string, len(all))
		for i, p := range all {
			out[i] = path.Join(dir, p)
		}
		return out
	}
	c.CRDs, c.Apps, c.Overrides = join(c.CRDs), join(c.Apps), slices.Clone(c.Overrides)
	for i := range c.Overrides {
		c.Overrides[i].Paths = join(c.Overrides[i].Paths)
	}
	return c
}

// severity is that of a rule's finding in a file: the last override that matches wins.
func (c Config) severity(rule string, otherwise Severity, file string) Severity {
	s := otherwise
	if set, ok := c.Rules[rule]; ok {
		s = set
	}
	for _, o := range c.Overrides {
		if set, ok := o.Rules[rule]; ok && slices.ContainsFunc(o.Paths, func(p string) bool { return covers(p, file) }) {
			s = set
		}
	}
	return s
}

// covers reports whether a pattern matches a file or a directory that it is in.
func covers(pattern, file string) bool {
	pattern = strings.TrimSuffix(pattern, "/")
	for name := file; name != "." && name != "/" && name != ""; name = path.Dir(name) {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return pattern == "." || pattern == "*"
}

func (c Config) isExternal(kind object.GroupKind, namespace, name string) bool {
	return slices.ContainsFunc(c.External, func(e External) bool { return e.matches(kind.Kind, namespace, name) })
}

func (e External) matches(kind, namespace, name string) bool {
	match := func(pattern, text string) bool { ok, err := path.Match(pattern, text); return err == nil && ok }
	return match(e.Kind, kind) && match(e.Name, name) && (e.Namespace == "" || namespace == "" || match(e.Namespace, namespace))
}

// Bounds of a configuration.
const (
	maxEntries = 1000
	maxRules   = 200
)

// ParseConfig reads a file; its name is for errors, which are fault.Invalid and begin with "file:line: ". Patterns and directories are as they are written.
func ParseConfig(file string, data []byte) (Config, error) {
	var c Config
	root, err := strict.Document(file, data, "there is one configuration")
	if err != nil || root == nil {
		return c, err
	}
	err = strict.Reader{File: file}.Mapping(root, "the configuration of check", strict.Fields{
		"kubernetes": func(r strict.Reader, n *yaml.Node) (err error) { c.Kubernetes, err = version(r, n); return err },
		"crds": func(r strict.Reader, n *yaml.Node) (err error) {
			c.CRDs, err = list(r, n, "crds", "[crds]")
			return err
		},
		"apps": func(r strict.Reader, n *yaml.Node) (err error) {
			c.Apps, err = list(r, n, "apps", `["apps/*/production"]`)
			return err
		},
		"rules":     func(r strict.Reader, n *yaml.Node) (err error) { c.Rules, err = rules(r, n); return err },
		"overrides": func(r strict.Reader, n *yaml.Node) (err error) { c.Overrides, err = overrides(r, n); return err },
		"external":  func(r strict.Reader, n *yaml.Node) (err error) { c.External, err = externals(r, n); return err },
	})
	return c, err
}

// version is a text; YAML makes a number of 1.36, which is meant as well.
func version(r strict.Reader, n *yaml.Node) (string, error) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!float" {
		return n.Value, nil
	}
	return r.Text(n, "kubernetes", `"1.36"`)
}

func list(r strict.Reader, n *yaml.Node, what, example string) ([]string, error) {
	items, err := r.List(n, what, example, maxEntries)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, item := range items {
		text, err := pattern(r, item, "an entry of "+what)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// pattern is a text that is not empty, and as path.Match wants it.
func pattern(r strict.Reader, n *yaml.Node, what string) (string, error) {
	text, err := r.Text(n, what, "apps/legacy")
	switch {
	case err != nil:
		return "", err
	case text == "":
		return "", r.Errorf(n, "%s is empty", what)
	case strings.Contains(text, "**"):
		return "", r.Errorf(n, "%s: ** is not known: a * matches within one element, and what matches a directory is for all below it", what)
	}
	if _, err := path.Match(text, "x"); err != nil {
		return "", r.Errorf(n, "%s: %q is malformed: check its brackets", what, strict.Clip(text))
	}
	return text, nil
}

func rules(r strict.Reader, n *yaml.Node) (map[string]Severity, error) {
	out := map[string]Severity{}
	known := strict.Fields{}
	for _, name := range ruleNames() {
		known[name] = func(r strict.Reader, n *yaml.Node) error {
			// YAML takes an unquoted off for false.
			if n.Kind == yaml.ScalarNode && n.Value == "off" {
				out[name] = Off
				return nil
			}
			text, err := r.Text(n, name, "warning")
			if err != nil {
				return err
			}
			s := slices.Index(severities, text)
			if s < 0 {
				hint := "take one of " + strings.Join(severities, ", ")
				if near, ok := nearest.Of(text, severities); ok {
					hint = "did you mean " + near + "?"
				}
				return r.Errorf(n, "%s: %q is no severity: %s", name, strict.Clip(text), hint)
			}
			out[name] = Severity(s)
			return nil
		}
	}
	return out, r.Mapping(n, "rules", known)
}

func overrides(r strict.Reader, n *yaml.Node) ([]Override, error) {
	items, err := r.List(n, "overrides", "[{paths: [apps/legacy], rules: {image-tag: off}}]", maxRules)
	if err != nil {
		return nil, err
	}
	var out []Override
	for _, item := range items {
		var o Override
		err := r.Mapping(item, "an override", strict.Fields{
			"paths": func(r strict.Reader, n *yaml.Node) (err error) {
				o.Paths, err = list(r, n, "paths", "[apps/legacy]")
				return err
			},
			"rules": func(r strict.Reader, n *yaml.Node) (err error) { o.Rules, err = rules(r, n); return err },
		})
		if err != nil {
			return nil, err
		}
		if len(o.Paths) == 0 || len(o.Rules) == 0 {
			return nil, r.Errorf(item, "an override needs paths and rules, for example {paths: [apps/legacy], rules: {image-tag: off}}")
		}
		out = append(out, o)
	}
	return out, nil
}

func externals(r strict.Reader, n *yaml.Node) ([]External, error) {
	items, err := r.List(n, "external", `[{kind: Secret, name: "tls-*"}]`, maxEntries)
	if err != nil {
		return nil, err
	}
	var out []External
	for _, item := range items {
		var e External
		into := func(field *string, what string) func(strict.Reader, *yaml.Node) error {
			return func(r strict.Reader, n *yaml.Node) (err error) { *field, err = pattern(r, n, what); return err }
		}
		err := r.Mapping(item, "an entry of external", strict.Fields{
			"kind": into(&e.Kind, "kind"), "name": into(&e.Name, "name"), "namespace": into(&e.Namespace, "namespace"),
		})
		if err != nil {
			return nil, err
		}
		if e.Kind == "" || e.Name == "" {
			return nil, r.Errorf(item, `an entry of external needs kind and name, for example {kind: Secret, name: "tls-*"}`)
		}
		out = append(out, e)
	}
	return out, nil
}
