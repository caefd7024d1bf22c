package check_test

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/check/form"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/schema"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
	"github.com/fairlead-cd/fairlead/internal/survey"
)

const expectation = "want"

// TestCheck runs testdata/*.txtar: a tree, and what is found in it.
func TestCheck(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		golden.Drop(ar, expectation)
		got := run(t, ar)
		var b bytes.Buffer
		if err := form.Write(&b, form.Text, got); err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, expectation, b.String())
	})
}

// run checks the tree of an archive.
func run(t testing.TB, ar *txtar.Archive) form.Result {
	t.Helper()
	files := sourcetest.FromArchive(ar)
	var config check.Config
	if text, ok := files[check.ConfigFile]; ok {
		var err error
		if config, err = check.ParseConfig(check.ConfigFile, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	catalog, err := schema.Builtin(config.Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	tree := sourcetest.New(files)
	found, err := survey.Find(survey.Request{Tree: tree, Dir: ".", Patterns: config.Apps})
	if err != nil {
		t.Fatal(err)
	}
	apps, err := survey.Render(t.Context(), tree, found.Apps, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := check.Input{Catalog: catalog, Config: config, Misnamed: found.Problems}
	r := form.Result{Kubernetes: "1", FailOn: check.Error}
	for _, a := range apps {
		in.Apps = append(in.Apps, a.App)
		r.Apps = append(r.Apps, a.Title())
	}
	r.Findings = check.Run(in)
	if again := check.Run(in); fmt.Sprint(again) != fmt.Sprint(r.Findings) {
		t.Errorf("a second run finds something else:\n%v\n%v", r.Findings, again)
	}
	return r
}

// TestEveryRule holds that each rule has a file rule_NAME.txtar, in which it finds something in the directory bad, with line and column, and nothing in good.
func TestEveryRule(t *testing.T) {
	cases := map[string]*txtar.Archive{}
	for name, ar := range golden.All(t, "testdata/rule_*.txtar") {
		golden.Drop(ar, expectation)
		cases[strings.TrimPrefix(name, "rule_")] = ar
	}
	for _, r := range check.Rules() {
		ar := cases[r.Name]
		if ar == nil {
			t.Errorf("no testdata/rule_%s.txtar", r.Name)
			continue
		}
		delete(cases, r.Name)
		good, fired := false, false
		for _, f := range ar.Files {
			good = good || strings.HasPrefix(f.Name, "good/")
		}
		for _, f := range run(t, ar).Findings {
			dir, _, _ := strings.Cut(path.Clean(f.Place.File), "/")
			if dir == "good" {
				t.Errorf("%s: finds something where nothing is wrong: %v", r.Name, f)
			}
			if dir == "bad" && f.Rule == r.Name && f.Severity == r.Severity {
				fired = true
				if f.Place.Line == 0 || f.Place.Column == 0 || f.Message == "" {
					t.Errorf("%s: where, or what, is not said: %v", r.Name, f)
				}
			}
		}
		if !good || !fired {
			t.Errorf("%s: has a good example: %t, fires at the bad one: %t", r.Name, good, fired)
		}
		if !strings.HasSuffix(r.Doc, ".") || r.Severity == check.Off {
			t.Errorf("%s: wants a sentence and a severity: %q", r.Name, r.Doc)
		}
	}
	for name := range cases {
		t.Errorf("testdata/rule_%s.txtar is about no rule", name)
	}
}

// TestCorpus holds that nothing is found where nothing is wrong. A real API server takes all of it.
func TestCorpus(t *testing.T) {
	for name, ar := range golden.All(t, "testdata/corpus/*.txtar") {
		r := run(t, ar)
		if len(r.Apps) < 50 {
			t.Errorf("%s: only %d apps", name, len(r.Apps))
		}
		for _, f := range r.Findings {
			t.Errorf("%s: %s %s: %s: %s", name, f.Place, f.Rule, f.Path, f.Message)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"rule: {}":                              `c:1: unknown field "rule": did you mean "rules"?`,
		"rules: {image-tags: off}":              `c:1: unknown field "image-tags": did you mean "image-tag"?`,
		"rules:\n  image-tag: eror":             `c:2: image-tag: "eror" is no severity: did you mean error?`,
		"rules:\n  image-tag: x":                `c:2: image-tag: "x" is no severity: take one of off, note, warning, error`,
		"overrides: [{paths: [a]}]":             `c:1: an override needs paths and rules, for example {paths: [apps/legacy], rules: {image-tag: off}}`,
		"external: [{kind: Secret}]":            `c:1: an entry of external needs kind and name, for example {kind: Secret, name: "tls-*"}`,
		"external: [{kind: Secret, name: '['}]": `c:1: name: "[" is malformed: check its brackets`,
		"apps: ['a/**']":                        `c:1: an entry of apps: ** is not known: a * matches within one element, and what matches a directory is for all below it`,
		"apps: ['']":                            `c:1: an entry of apps is empty`,
		"kubernetes: [1]":                       `c:1: kubernetes is a list: write text, for example "1.36"`,
		"a: 1\n---\nb: 1":                       `c:3: a second document: there is one configuration`,
		"crds: x":                               `c:1: crds is the text "x": write a list, for example [crds]`,
		"kubernetes: 1.36\nrules: {}\nexternal:\ncrds: []": "",
	} {
		_, err := check.ParseConfig("c", []byte(text))
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s\n\tgot  %v\n\twant %s", text, err, want)
		}
	}
}

func TestBelow(t *testing.T) {
	c, err := check.ParseConfig("team/"+check.ConfigFile, []byte("crds: [crds]\napps: ['apps/*']\noverrides: [{paths: [old], rules: {image-tag: off}}]"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.Below("team"), c.Below(".").Apps)
	if want := "{ [team/crds] [team/apps/*] map[] [{[team/old] map[image-tag:off]}] []} [apps/*]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("kubernetes: 1.36\nrules: {image-tag: off}\noverrides: [{paths: [a], rules: {syntax: note}}]\nexternal: [{kind: Secret, name: 'a-*'}]"))
	f.Add([]byte("rules: &a {image-tag: *a}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := check.ParseConfig("c", data); err != nil && (fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "c:")) {
			t.Errorf("%v is not fault.Invalid with a place", err)
		}
	})
}

// FuzzCheck holds that no manifest and no kustomization make it panic, and that every finding has a place.
func FuzzCheck(f *testing.F) {
	for _, ar := range golden.All(f, "testdata/*.txtar") {
		var k, m string
		for _, file := range ar.Files {
			switch {
			case strings.HasSuffix(file.Name, "kustomization.yaml"):
				k = string(file.Data)
			case strings.HasSuffix(file.Name, ".yaml"):
				m = string(file.Data)
			}
		}
		f.Add(k, m, "- op: replace\n  path: /spec/replicas\n  value: 1\n")
	}
	f.Fuzz(func(t *testing.T, kustomization, manifest, patch string) {
		ar := &txtar.Archive{Files: []txtar.File{
			{Name: "app/kustomization.yaml", Data: []byte(kustomization)},
			{Name: "app/web.yaml", Data: []byte(manifest)},
			{Name: "app/patch.yaml", Data: []byte(patch)},
			{Name: "plain/web.yaml", Data: []byte(manifest)},
		}}
		for _, found := range run(t, ar).Findings {
			if found.Place.File == "" || found.Message == "" {
				t.Errorf("a finding without a place, or without words: %+v", found)
			}
		}
	})
}
