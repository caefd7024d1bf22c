package starter

import (
	"embed"
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// A File is one of a repository.
type File struct {
	Path string // from the root of the repository
	Text string
}

// Environment is what is asked of a person who makes a first one.
type Environment struct {
	Name, Namespace string
	// ClusterPath is the directory of the repository that holds what is in one cluster.
	ClusterPath string
	// Repository is the name of the Repository object; URL and Branch are what it follows. Secret holds its credentials; empty: none are needed.
	Repository, URL, Branch, Secret string
	// Apps is the pattern of the directories that are apps.
	Apps string
}

//go:embed templates/*.yaml
var templates embed.FS

var texts = template.Must(template.New("").Funcs(template.FuncMap{"yaml": scalar}).ParseFS(templates, "templates/*.yaml"))

func fill(name string, values any) (string, error) {
	var b strings.Builder
	err := texts.ExecuteTemplate(&b, name, values)
	return b.String(), err
}

var (
	label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	plain = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9._/]*$`)
)

// words are what YAML takes for something else than text.
var words = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

// scalar writes a text as YAML reads it again: as it is where that is safe, else in double quotes.
func scalar(s string) (string, error) {
	if plain.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s, nil
	}
	data, err := json.Marshal(s)
	return string(data), err
}

// File is the file that describes the environment, below the cluster's directory. An error says what cannot be, and is of kind fault.Invalid.
func (e Environment) File() (File, error) {
	if err := e.check(); err != nil {
		return File{}, err
	}
	text, err := fill("environment.yaml", e)
	return File{Path: path.Join(e.ClusterPath, e.Name, "environment.yaml"), Text: text}, err
}

func (e Environment) check() error {
	for _, x := range [][2]string{{"environment", e.Name}, {"namespace", e.Namespace}, {"repository", e.Repository}} { // the first is what was typed
		if err := checkName(x[0], x[1], 63); err != nil {
			return err
		}
	}
	if e.Secret != "" {
		if err := checkName("secret", e.Secret, 253); err != nil {
			return err
		}
	}
	if err := checkName("environment", e.Name, 50); err != nil { // its apps are named <environment>-<app> in a label
		return err
	}
	if e.Name == Self {
		return fault.Newf(fault.Invalid, "environment %q: the directory of that name is Fairlead's own", e.Name)
	}
	if err := checkPath("apps", e.Apps); err != nil {
		return err
	}
	return checkPath("cluster-path", e.ClusterPath)
}

func checkName(what, name string, most int) error {
	switch {
	case !label.MatchString(name):
		return fault.Newf(fault.Invalid, "%s %q: want lower-case letters, digits and dashes, with no dash at the ends", what, name)
	case len(name) > most:
		return fault.Newf(fault.Invalid, "%s %q: it may have at most %d characters", what, name, most)
	}
	return nil
}

// checkPath holds a path or a pattern to be one from the root of the repository that stays in it.
func checkPath(what, p string) error {
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || p == "." || slices.Contains(strings.Split(p, "/"), "..") || strings.ContainsAny(p, "\\\n\r\t") {
		return fault.Newf(fault.Invalid, "%s %q: want a path from the root of the repository, such as clusters/main", what, p)
	}
	if slices.Contains(strings.Split(p, "/"), ".git") {
		return fault.Newf(fault.Invalid, "%s %q: what is in .git is no part of a commit", what, p)
	}
	return nil
}

// Self is the name of the directory, below the cluster's, that holds Fairlead itself.
const Self = "fairlead"

// Patterns are where people keep their apps, the likeliest first; the first is what is proposed if nothing is there yet.
func (e Environment) Patterns() []string {
	return []string{"apps/*/" + e.Name, "apps/*/overlays/" + e.Name, "*/overlays/" + e.Name, "*/" + e.Name, e.Name + "/*", "apps/*"}
}

// Sample is a first app, for a repository that has none: a ConfigMap, which any cluster takes. There is none if the pattern has other wildcards than whole
// elements that are *.
func (e Environment) Sample() (File, bool) {
	dir := strings.ReplaceAll(e.Apps, "*", "hello")
	for elem := range strings.SplitSeq(e.Apps, "/") {
		if strings.ContainsAny(elem, `*?[\`) && elem != "*" {
			return File{}, false
		}
	}
	text := "# A first app, written by 'fairlead init': change it, push, and see the change arrive. It may go once there are others.\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hello\ndata:\n  says: hello from Git\n"
	return File{Path: path.Join(dir, "hello.yaml"), Text: text}, true
}
