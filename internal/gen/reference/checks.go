package main

import (
	"fmt"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

// checkPage is the page of the rules of check, and of what tunes them.
func checkPage(rules []check.Rule) (string, error) {
	if _, err := check.ParseConfig("the example", []byte(example)); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Rules of `fairlead check`\n\n" + notice)
	b.WriteString("How it is used: [check](../tasks/check.md). An error is what an API server refuses, or what can never work; a warning cannot work unless " +
		"something outside of the tree helps; a note is something that a person may want to look at.\n\n")
	b.WriteString("| rule | severity | finds |\n|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Severity, r.Doc)
	}
	fmt.Fprintf(&b, "\nSchemas are known for Kubernetes %s.\n", strings.Join(schema.Versions(), ", "))
	b.WriteString("\n## `" + check.ConfigFile + "`\n\nThe file is looked for in the directory that is checked and above it, up to the root of the repository. " +
		"Directories and patterns in it are relative to it. A `*` matches within one element of a path, and what matches a directory is for all below it.\n\n")
	b.WriteString("```yaml\n" + example + "```\n\nA field that is not in this example is an error that names the nearest one that is.\n\n")
	fmt.Fprintf(&b, "The annotation `%s` names rules, comma separated, that are not for an object; `all` stands for all of them.\n", app.AnnotationCheckIgnore)
	return b.String(), nil
}

const example = `kubernetes: "1.35"            # version to check for; --kubernetes-version wins
crds: [platform/crds]         # directories of CustomResourceDefinitions besides those in the tree
apps: ["apps/*/production"]   # directories that are apps; --path wins; without either the Environments say it, or it is guessed
rules:
  image-tag: error            # off, note, warning or error
overrides:                    # the last that matches wins
- paths: ["apps/legacy"]
  rules: {deprecated-api: off}
external:                     # objects that exist although the tree does not hold them
- {kind: Secret, name: "tls-*", namespace: shop}
- {kind: StorageClass, name: "*"}
- {kind: CustomResourceDefinition, name: "*.example.com"}   # nothing is said of kinds whose definition is not known
`
