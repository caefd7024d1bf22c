// Command schemas writes what package schema knows of Kubernetes' own kinds: the fields of each kind for each version that is checked, and in which version
// each kind came and goes.
//
//	go run ./internal/gen/schemas internal/schema/data
//
// It reads what Kubernetes publishes as Go modules: the OpenAPI documents of k8s.io/kubernetes, the enumerations and the marks of life cycles in k8s.io/api.
// Those are some 80 MB, so nothing is done if what is written was made from the same versions by the same code: raise format with each change that matters.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// format is raised when the code writes something else from the same versions.
const format = 1

// kubernetes are the releases whose schemas are written, oldest first. The last is what is checked for if nothing else is said.
var kubernetes = []string{"v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3"}

// lifecycles are the modules whose marks are read. Those that come later win; the older ones still have what has been removed since.
var lifecycles = []string{
	"k8s.io/kube-aggregator@v0.24.17", "k8s.io/apiextensions-apiserver@v0.24.17",
	"k8s.io/api@v0.24.17", "k8s.io/api@v0.28.15", "k8s.io/api@v0.31.14", "k8s.io/api@v0.34.4", "k8s.io/api@v0.36.3", "k8s.io/api@v0.37.2",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	heading := fmt.Sprintf("# Written by 'make generate', format %d. Change nothing here.\n# From k8s.io/kubernetes %s and %s.\n",
		format, strings.Join(kubernetes, " "), strings.Join(lifecycles, " "))
	types, life := filepath.Join(dir, "types.txt"), filepath.Join(dir, "lifecycle.txt")
	if begins(types, heading) && begins(life, heading) {
		return nil
	}
	a := newArchive()
	for i, version := range kubernetes {
		if err := a.add(i, version); err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
	}
	lines, err := readLifecycles(lifecycles)
	if err != nil {
		return err
	}
	if err := os.WriteFile(types, []byte(heading+a.text()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(life, []byte(heading+strings.Join(lines, "\n")+"\n"), 0o644)
}

func begins(file, heading string) bool {
	data, err := os.ReadFile(file)
	return err == nil && strings.HasPrefix(string(data), heading)
}

// module returns the directory of a module at a version, from the module cache or the proxy.
func module(at string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", at).Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); jsonErr != nil {
		return "", fmt.Errorf("go mod download %s: %w", at, errors.Join(err, jsonErr))
	}
	if answer.Error != "" {
		return "", fmt.Errorf("go mod download %s: %s", at, answer.Error)
	}
	return answer.Dir, err
}

func readText(file string) (string, error) {
	data, err := os.ReadFile(file)
	return string(data), err
}
