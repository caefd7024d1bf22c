// Package mutation plants known bugs in Fairlead, to show that the simulator finds them.
//
// Each is an archive in testdata: its comment says what is wrong, and its files, in pairs "PATH old" and "PATH new", what text of the source is replaced
// by what other. The source itself is not touched: the Go tool is told to read the changed files in place of it. A line "first SCENARIO KIND …" in the comment
// says where it was found before: there it is looked for first. A number among the kinds, if none is called so, is how many replicas play, and the scenario
// "any" is all of them; "409+slow" is one fault at a request, and the other at the next.
//
// It is imported by cmd/sim and by tests only.
package mutation

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

//go:embed testdata/*.txtar
var files embed.FS

// Mutation is a bug to plant.
type Mutation struct {
	Name, What string
	First      []string // scenarios, with kinds of faults
	edits      []edit
}

// edit replaces a text in a file, which must be there exactly once.
type edit struct{ file, old, new string }

// All are all mutations, by name.
func All() ([]Mutation, error) {
	entries, err := files.ReadDir("testdata")
	if err != nil {
		return nil, err
	}
	out := make([]Mutation, 0, len(entries))
	for _, e := range entries {
		data, err := files.ReadFile("testdata/" + e.Name())
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(e.Name(), ".txtar"), txtar.Parse(data))
		if err != nil {
			return nil, fmt.Errorf("mutation %s: %w", e.Name(), err)
		}
		out = append(out, m)
	}
	return out, nil
}

func parse(name string, ar *txtar.Archive) (Mutation, error) {
	m := Mutation{Name: name}
	for line := range strings.Lines(string(ar.Comment)) {
		if first, ok := strings.CutPrefix(line, "first "); ok {
			m.First = append(m.First, strings.TrimSpace(first))
			continue
		}
		m.What += line
	}
	m.What = strings.TrimSpace(m.What)
	for i := 0; i < len(ar.Files); i += 2 {
		path, ok := strings.CutSuffix(ar.Files[i].Name, " old")
		if !ok || i+1 == len(ar.Files) || ar.Files[i+1].Name != path+" new" {
			return m, fmt.Errorf("want files in pairs: PATH old, PATH new")
		}
		text := func(f txtar.File) string { return strings.TrimSuffix(string(f.Data), "\n") }
		m.edits = append(m.edits, edit{path, text(ar.Files[i]), text(ar.Files[i+1])})
	}
	return m, nil
}

// Apply returns the changed files of a source tree, by path. It fails if what is to be replaced is not there exactly once.
func (m Mutation) Apply(root string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, e := range m.edits {
		text, changed := out[e.file]
		if !changed {
			var err error
			if text, err = os.ReadFile(filepath.Join(root, e.file)); err != nil {
				return nil, err
			}
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return nil, fmt.Errorf("mutation %s: the text to replace is %d times in %s: write it anew", m.Name, n, e.file)
		}
		out[e.file] = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	return out, nil
}

// Build builds a command of a source tree with the bug in it, as the file output; dir is for what it needs for that.
func (m Mutation) Build(ctx context.Context, root, command, dir, output string) error {
	changed, err := m.Apply(root)
	if err != nil {
		return err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range changed {
		copied := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			return err
		}
		overlay.Replace[filepath.Join(root, file)] = copied
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, data, 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-ldflags", "-s -w", "-o", output, command)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("mutation %s does not build: %w\n%s", m.Name, err, out)
	}
	return nil
}
