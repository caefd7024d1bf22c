package app

import (
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/strict"
)

// DeclarationFile is the name of the file in an app's directory that [ParseDeclaration] reads.
const DeclarationFile = "fairlead.yaml"

// Bounds of a declaration: those of rules are the same as in an Environment.
const (
	maxDependsOn  = 100
	maxRules      = 50
	maxExpression = 4096
)

var (
	appName    = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$`)
	apiVersion = regexp.MustCompile(`^([a-z0-9][-.a-z0-9]{0,251}/)?[a-z][a-z0-9]{0,62}$`)
	kindName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)
)

// ParseDeclaration reads an app's fairlead.yaml; file is its name in errors. Empty data, or only comments, is the zero Declaration.
// Anything that is not understood is an error of kind fault.Invalid that begins with "file:line: " and says what to write instead.
// CEL expressions are not compiled here, and an app that depends on itself is left to order.Cycle: the file does not say whose it is.
func ParseDeclaration(file string, data []byte) (Declaration, error) {
	root, err := strict.Document(file, data, "an app has one declaration")
	if err != nil || root == nil {
		return Declaration{}, err
	}
	var d Declaration
	err = strict.Reader{File: file}.Mapping(root, "an app's declaration", strict.Fields{
		"dependsOn": func(r strict.Reader, n *yaml.Node) (err error) { d.DependsOn, err = dependsOn(r, n); return err },
		"health":    func(r strict.Reader, n *yaml.Node) (err error) { d.Health, err = health(r, n); return err },
		"gates":     func(r strict.Reader, n *yaml.Node) (err error) { d.Gates, err = gates(r, n); return err },
		"verify":    func(r strict.Reader, n *yaml.Node) (err error) { d.Verify, err = trials(r, n); return err },
		"helm":      func(r strict.Reader, n *yaml.Node) (err error) { d.Helm, err = helm(r, n); return err },
		"jsonnet":   func(r strict.Reader, n *yaml.Node) (err error) { d.Jsonnet, err = jsonnet(r, n); return err },
	})
	if err != nil {
		return Declaration{}, err
	}
	return d, nil
}

func dependsOn(r strict.Reader, n *yaml.Node) ([]string, error) {
	items, err := r.List(n, "dependsOn", "[database, queue]", maxDependsOn)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		name, err := r.Text(item, "an entry of dependsOn", "database")
		switch {
		case err != nil:
			return nil, err
		case !appName.MatchString(name):
			return nil, r.Errorf(item, "%q is not the name of an app: lower-case letters, digits, '-' and '.', at most 63, for example database", strict.Clip(name))
		case slices.Contains(names, name):
			return nil, r.Errorf(item, "dependsOn names %q twice", name)
		}
		names = append(names, name)
	}
	return names, nil
}

func health(r strict.Reader, n *yaml.Node) (Health, error) {
	var h Health
	err := r.Mapping(n, "health", strict.Fields{
		"deadline": func(r strict.Reader, n *yaml.Node) (err error) {
			h.Deadline, err = r.Duration(n, "health.deadline")
			return err
		},
		"rules": func(r strict.Reader, n *yaml.Node) (err error) { h.Rules, err = rules(r, n); return err },
	})
	return h, err
}

func rules(r strict.Reader, n *yaml.Node) ([]HealthRule, error) {
	items, err := r.List(n, "health.rules", "[{apiVersion: example.com/v1, kind: Widget, healthy: object.status.ready}]", maxRules)
	if err != nil {
		return nil, err
	}
	var rules []HealthRule
	for _, item := range items {
		rule, err := readRule(r, item)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rules, func(o HealthRule) bool { return o.APIVersion == rule.APIVersion && o.Kind == rule.Kind }) {
			return nil, r.Errorf(item, "a second health rule for %s %s: join them with || in one rule", rule.APIVersion, rule.Kind)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func readRule(r strict.Reader, n *yaml.Node) (HealthRule, error) {
	var rule HealthRule
	into := func(field *string, what, example string, most int) func(strict.Reader, *yaml.Node) error {
		return func(r strict.Reader, n *yaml.Node) (err error) {
			*field, err = r.Text(n, what, example)
			if err == nil && len(*field) > most {
				err = r.Errorf(n, "%s of a health rule is longer than %d bytes", what, most)
			}
			return err
		}
	}
	err := r.Mapping(n, "a health rule", strict.Fields{
		"apiVersion":  into(&rule.APIVersion, "apiVersion", "example.com/v1", 316),
		"kind":        into(&rule.Kind, "kind", "Widget", 63),
		"failed":      into(&rule.Failed, "failed", "object.status.phase == 'Error'", maxExpression),
		"healthy":     into(&rule.Healthy, "healthy", "object.status.phase == 'Ready'", maxExpression),
		"progressing": into(&rule.Progressing, "progressing", "object.status.phase == 'Starting'", maxExpression),
	})
	if err != nil {
		return HealthRule{}, err
	}
	return rule, complete(r, n, rule)
}

// complete refuses a rule that judges nothing.
func complete(r strict.Reader, n *yaml.Node, rule HealthRule) error {
	switch {
	case !apiVersion.MatchString(rule.APIVersion):
		return r.Errorf(n, "a health rule needs an apiVersion, for example apps/v1 or v1%s", insteadOf(rule.APIVersion))
	case !kindName.MatchString(rule.Kind):
		return r.Errorf(n, "a health rule needs a kind, for example Deployment%s", insteadOf(rule.Kind))
	case rule.Healthy == "":
		return r.Errorf(n, "the health rule for %s %s needs the expression healthy, for example object.status.phase == 'Ready'", rule.APIVersion, rule.Kind)
	}
	return nil
}

func insteadOf(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("; %q is none", strict.Clip(text))
}
