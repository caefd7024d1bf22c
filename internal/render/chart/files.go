package chart

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"helm.sh/helm/v4/pkg/chart/common"
	"sigs.k8s.io/yaml"
)

// fileSet is what templates know as .Files: the files of a chart that are no templates, by name.
type fileSet map[string][]byte

func newFiles(from []*common.File) fileSet {
	out := fileSet{}
	for _, f := range from {
		out[f.Name] = f.Data
	}
	return out
}

// GetBytes is the content of a file, empty if there is none.
func (f fileSet) GetBytes(name string) []byte {
	if data, ok := f[name]; ok {
		return data
	}
	return []byte{}
}

// Get is GetBytes as text.
func (f fileSet) Get(name string) string { return string(f.GetBytes(name)) }

// Glob are the files whose names match.
func (f fileSet) Glob(pattern string) fileSet {
	g, err := glob.Compile(pattern, '/')
	if err != nil {
		g = glob.MustCompile("**")
	}
	out := fileSet{}
	for name, data := range f {
		if g.Match(name) {
			out[name] = data
		}
	}
	return out
}

// AsConfig are the files as the data of a ConfigMap.
func (f fileSet) AsConfig() string {
	return f.data(func(data []byte) string { return string(data) })
}

// AsSecrets are the files as the data of a Secret.
func (f fileSet) AsSecrets() string { return f.data(base64.StdEncoding.EncodeToString) }

func (f fileSet) data(show func([]byte) string) string {
	if f == nil {
		return ""
	}
	m := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(f)) { // of two of one name the last counts
		m[path.Base(name)] = show(f[name])
	}
	text, err := yaml.Marshal(m)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// Lines are the lines of a file.
func (f fileSet) Lines(name string) []string {
	if len(f[name]) == 0 {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(f[name]), "\n"), "\n")
}
