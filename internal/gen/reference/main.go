// Command reference writes the reference pages of the commands, of the custom resources and of the rules of check, from the code itself.
//
//	go run ./internal/gen/reference docs/reference
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead-cd/fairlead/api/crds"
	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	resources, err := resourcesPage(crds.Files)
	if err != nil {
		return err
	}
	checks, err := checkPage(check.Rules())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, page := range map[string]string{
		"crds.md":  resources,
		"cli.md":   commandsPage(cli.Root(cli.IO{Name: "fairlead"})),
		"check.md": checks,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const notice = "<!-- Written by 'make generate' from the code: change it there. -->\n\n"
