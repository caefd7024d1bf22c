package app

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/strict"
)

// JsonnetFile is what a directory of Jsonnet is rendered from, if nothing else is said.
const JsonnetFile = "main.jsonnet"

// Jsonnet says how an app is made of Jsonnet. The names of the fields are those of Argo CD's spec.source.directory.jsonnet.
type Jsonnet struct {
	// File is evaluated, relative to the app's directory or to the root; of a directory, each file *.jsonnet in it. Empty: main.jsonnet, and where there is none the
	// app's directory.
	File string
	// Libs are directories in which imports are looked for, relative to the app's directory, or with a slash at the beginning to the root of the tree. The last
	// one is looked into first.
	Libs []ValueFile
	// ExtVars are what std.extVar returns, and TLAs the arguments of the function that File evaluates to.
	ExtVars, TLAs []JsonnetVariable
	Line          int // of the field in its file
}

// JsonnetVariable is a text, or code of Jsonnet.
type JsonnetVariable struct {
	Name, Value string
	Code        bool
	Line        int
}

const (
	maxLibs      = 20
	maxVariables = 200
	maxVariable  = 64 << 10
)

func jsonnet(r strict.Reader, n *yaml.Node) (*Jsonnet, error) {
	j := &Jsonnet{Line: n.Line}
	if strict.IsNull(n) { // written, and nothing said: each file of the directory
		return j, nil
	}
	err := r.Mapping(n, "jsonnet", strict.Fields{
		"file": func(r strict.Reader, n *yaml.Node) (err error) {
			j.File, err = jsonnetPath(r, n, "jsonnet.file")
			return err
		},
		"libs": func(r strict.Reader, n *yaml.Node) error {
			items, err := r.List(n, "jsonnet.libs", "[/vendor, ../lib]", maxLibs)
			for _, item := range items {
				p, err := jsonnetPath(r, item, "an entry of jsonnet.libs")
				if err != nil {
					return err
				}
				j.Libs = append(j.Libs, ValueFile{Path: p, Line: item.Line})
			}
			return err
		},
		"extVars": func(r strict.Reader, n *yaml.Node) (err error) {
			j.ExtVars, err = jsonnetVariables(r, n, "jsonnet.extVars")
			return err
		},
		"tlas": func(r strict.Reader, n *yaml.Node) (err error) {
			j.TLAs, err = jsonnetVariables(r, n, "jsonnet.tlas")
			return err
		},
	})
	return j, err
}

// jsonnetPath is a path in the tree: nothing is fetched for Jsonnet.
func jsonnetPath(r strict.Reader, n *yaml.Node, what string) (string, error) {
	return treePath(r, n, what, "../../lib", ", and nothing is fetched for Jsonnet: commit it, for example with jb install")
}

func jsonnetVariables(r strict.Reader, n *yaml.Node, what string) ([]JsonnetVariable, error) {
	items, err := r.List(n, what, "[{name: replicas, value: \"3\", code: true}]", maxVariables)
	if err != nil {
		return nil, err
	}
	var out []JsonnetVariable
	for _, item := range items {
		v := JsonnetVariable{Line: item.Line}
		err := r.Mapping(item, "an entry of "+what, strict.Fields{
			"name": func(r strict.Reader, n *yaml.Node) (err error) {
				v.Name, err = r.Text(n, "name", "replicas")
				return err
			},
			"value": func(r strict.Reader, n *yaml.Node) (err error) { v.Value, err = jsonnetValue(r, n); return err },
			"code":  func(r strict.Reader, n *yaml.Node) (err error) { v.Code, err = r.Bool(n, "code"); return err },
		})
		switch {
		case err != nil:
			return nil, err
		case v.Name == "":
			return nil, r.Errorf(item, "an entry of %s needs a name", what)
		case v.Code && v.Value == "":
			return nil, r.Errorf(item, "%s: %s is code, and empty", what, strict.Clip(v.Name))
		case len(v.Value) > maxVariable:
			return nil, r.Errorf(item, "%s: %s is longer than %d KiB: import it from a file", what, strict.Clip(v.Name), maxVariable>>10)
		case slices.ContainsFunc(out, func(o JsonnetVariable) bool { return o.Name == v.Name }):
			return nil, r.Errorf(item, "%s has %q twice", what, strict.Clip(v.Name))
		}
		out = append(out, v)
	}
	return out, nil
}

// jsonnetValue is a text. A number that is written without quotes is one, too: as it is written.
func jsonnetValue(r strict.Reader, n *yaml.Node) (string, error) {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool":
		return n.Value, nil // with the spaces that it has
	}
	return r.Text(n, "value", "\"3\"")
}
