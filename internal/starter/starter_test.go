package starter_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/starter"
)

func usual() starter.Environment {
	return starter.Environment{
		Name: "production", Namespace: "shop", ClusterPath: "clusters/main", Repository: "config",
		URL: "https://git.example.com/shop/config.git", Branch: "main", Apps: "apps/*/production",
	}
}

// TestQuoting: what a person gave is in the file as it was given, whatever YAML would make of it.
func TestQuoting(t *testing.T) {
	for _, c := range []struct{ name, branch, apps, url, secret string }{
		{"production", "main", "apps/*/production", "https://git.example.com/shop/config.git", ""},
		{"true", "on", "*/x", "git@git.example.com:shop/config.git", "null"},
		{"1", "1e3", "a/\"b\" # c/*", "https://git.example.com/%7B%7D: #/x", "0x1"},
		{"no", "a: b", "[a-c]*/{{.URL}}", "https://h/'", "git"},
	} {
		e := usual()
		e.Name, e.Branch, e.Apps, e.URL, e.Secret = c.name, c.branch, c.apps, c.url, c.secret
		f, err := e.File()
		if err != nil {
			t.Fatal(err)
		}
		docs := strings.Split(f.Text, "\n---\n")
		if len(docs) != 5 {
			t.Fatalf("%d documents in\n%s", len(docs), f.Text)
		}
		var repo struct {
			Spec struct {
				URL       string
				SecretRef struct{ Name string }
			}
		}
		var env struct {
			Metadata struct{ Name, Namespace string }
			Spec     struct {
				Sources []struct {
					Path string
					Ref  struct{ Branch string }
				}
			}
		}
		if err := yaml.Unmarshal([]byte(docs[3]), &repo); err != nil || repo.Spec.URL != c.url || repo.Spec.SecretRef.Name != c.secret {
			t.Errorf("%+v: %v in\n%s", c, err, docs[3])
		}
		if err := yaml.Unmarshal([]byte(docs[4]), &env); err != nil || env.Metadata.Name != c.name || len(env.Spec.Sources) != 1 ||
			env.Spec.Sources[0].Path != c.apps || env.Spec.Sources[0].Ref.Branch != c.branch {
			t.Errorf("%+v: %v in\n%s", c, err, docs[4])
		}
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*starter.Environment){
		`environment "Prod"`:    func(e *starter.Environment) { e.Name = "Prod" },
		`environment ""`:        func(e *starter.Environment) { e.Name = "" },
		`at most 50`:            func(e *starter.Environment) { e.Name = strings.Repeat("a", 51) },
		`Fairlead's own`:        func(e *starter.Environment) { e.Name = starter.Self },
		`namespace "a.b"`:       func(e *starter.Environment) { e.Namespace = "a.b" },
		`apps "/apps/*"`:        func(e *starter.Environment) { e.Apps = "/apps/*" },
		`apps "../*"`:           func(e *starter.Environment) { e.Apps = "../*" },
		`cluster-path "a/../b"`: func(e *starter.Environment) { e.ClusterPath = "a/../b" },
		`cluster-path ".git/a"`: func(e *starter.Environment) { e.ClusterPath = ".git/a" },
		`secret "a b"`:          func(e *starter.Environment) { e.Secret = "a b" },
	} {
		e := usual()
		change(&e)
		if _, err := e.File(); err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error of kind invalid with %q", err, want)
		}
	}
}

// TestSample: a first app is where the pattern finds it, if that can be said.
func TestSample(t *testing.T) {
	for pattern, want := range map[string]string{
		"apps/*/production": "apps/hello/production/hello.yaml", "*": "hello/hello.yaml", "deploy": "deploy/hello.yaml",
		"team-?/*": "", "[a-c]*": "", "*-app": "",
	} {
		e := usual()
		e.Apps = pattern
		f, ok := e.Sample()
		if ok != (want != "") || f.Path != want {
			t.Errorf("%s: the sample is %q, want %q", pattern, f.Path, want)
		}
	}
}
