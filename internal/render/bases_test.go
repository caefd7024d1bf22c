package render_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// elsewhere is an Outside that has repositories, each at one commit.
type elsewhere map[string]sourcetest.Files

func (e elsewhere) Ask(q render.Question) (render.Answer, error) {
	if q.About != render.AboutBase || q.Version != pinned {
		return render.Answer{}, fault.Newf(fault.Invalid, "nobody answers %s", q)
	}
	files, ok := e[q.URL]
	if !ok {
		return render.Answer{}, fault.Newf(fault.Invalid, "spec.render.remoteBases of the Environment does not allow it")
	}
	return render.Answer{ID: q.Version, Tree: sourcetest.New(files), Version: q.Version}, nil
}

const pinned = "0123456789abcdef0123456789abcdef01234567"

// shared is a repository with what bases have.
var shared = sourcetest.Files{
	"web/kustomization.yaml":    "resources: [web.yaml, ../common]\nnamePrefix: a-\nconfigMapGenerator: [{name: flags, files: [flags.txt]}]\n",
	"web/web.yaml":              "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers: [{name: web, image: \"web:1\", envFrom: [{configMapRef: {name: flags}}]}]\n",
	"web/flags.txt":             "light\n",
	"common/service.yaml":       "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
	"common/kustomization.yaml": "resources: [service.yaml]\n",
	"part/kustomization.yaml":   "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {team: shop}}]\n",
}

// TestBaseIsAsIfItWereHere: what is built upon a base of another repository is what is built upon a copy of it.
func TestBaseIsAsIfItWereHere(t *testing.T) {
	overlay := func(base, part string) sourcetest.Files {
		return sourcetest.Files{
			"app/kustomization.yaml": "resources: [\"" + base + "\"]\ncomponents: [\"" + part + "\"]\nnameSuffix: -x\nnamespace: shop\n" +
				"configMapGenerator: [{name: a-flags, behavior: merge, literals: [more=yes]}]\npatches: [{path: patch.yaml}]\n",
			"app/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a-web}\nspec: {replicas: 3}\n",
		}
	}
	here := overlay("../copy/web", "../copy/part")
	for name, data := range shared {
		here["copy/"+name] = data
	}
	want, err := render.Render(render.Request{Tree: sourcetest.New(here), Dir: "app"})
	if err != nil {
		t.Fatal(err)
	}
	for form, url := range map[string]string{
		"https://git.example.com/org/repo//%s?ref=":      "https://git.example.com/org/repo",
		"https://git.example.com/org/repo/%s?ref=":       "https://git.example.com/org/repo",
		"https://git.example.com/deep/org/r.git/%s?ref=": "https://git.example.com/deep/org/r.git",
		"git::https://git.example.com/a/b/c//%s?ref=":    "https://git.example.com/a/b/c",
		"ssh://git@git.example.com/org/repo//%s?ref=":    "ssh://git@git.example.com/org/repo",
		"git@git.example.com:org/repo.git//%s?ref=":      "git@git.example.com:org/repo.git",
		"github.com/org/repo/%s?timeout=9s&ref=":         "https://github.com/org/repo",
		"https://dev.azure.com/org/_git/repo/%s?ref=":    "https://dev.azure.com/org/_git/repo",
		"https://github.com/org/repo/%s?version=":        "https://github.com/org/repo",
	} {
		files := overlay(strings.Replace(form, "%s", "web", 1)+pinned, strings.Replace(form, "%s", "part", 1)+pinned)
		res, err := render.Render(render.Request{Tree: sourcetest.New(files), Dir: "app", Outside: elsewhere{url: shared}})
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if d := cmp.Diff(string(object.Stream(want.Objects)), string(object.Stream(res.Objects))); d != "" {
			t.Errorf("%s: %s", form, d)
		}
		for _, o := range res.Objects {
			if at := o.Origin().File; o.Kind() != "ConfigMap" && !strings.HasPrefix(at, url+"@01234567:") {
				t.Errorf("%s: %s is from %s", form, o, at)
			}
		}
		if asked := res.Asked.Questions(); len(asked) != 1 || asked[0].Version != pinned {
			t.Errorf("%s: asked %v", form, asked)
		}
		if inputs := res.Inputs.String(); strings.Contains(inputs, "fairlead-base") {
			t.Errorf("%s: what is in a base is taken for a file of the tree:\n%s", form, inputs)
		}
	}
}

// TestBasesAreRefused: what a base may not be, or reach.
func TestBasesAreRefused(t *testing.T) {
	const repo = "https://git.example.com/org/repo"
	at := func(dir string) string { return repo + "//" + dir + "?ref=" + pinned }
	for name, c := range map[string]struct {
		base  string
		more  sourcetest.Files // of the base
		alone bool
		want  string
	}{
		"a branch":           {base: repo + "//web?ref=main", want: "app/kustomization.yaml:2: " + repo + "//web?ref=main is on the network, and not used as a base: main can be another commit tomorrow"},
		"a tag":              {base: repo + "//web?ref=v1.2.3", want: "v1.2.3 can be another commit tomorrow: write the full id of the commit"},
		"a short commit":     {base: repo + "//web?ref=0123456", want: "0123456 can be another commit tomorrow"},
		"upper case":         {base: repo + "//web?ref=" + strings.ToUpper(pinned), want: "can be another commit tomorrow"},
		"no commit":          {base: repo + "//web", want: "it names no commit"},
		"not allowed":        {base: "https://evil.example.com/org/repo//web?ref=" + pinned, want: "spec.render.remoteBases of the Environment does not allow it"},
		"nobody to ask":      {base: at("web"), alone: true, want: "nothing is fetched here: the controller fetches it, if spec.render.remoteBases"},
		"a file":             {base: repo + "/web/web.yaml?ref=" + pinned, want: "it is a file, and only directories of Git repositories are fetched"},
		"the disk":           {base: "file:///etc?ref=" + pinned, want: "the scheme file is none of https, ssh"},
		"git":                {base: "git://git.example.com/org/repo//web?ref=" + pinned, want: "the scheme git is none of https, ssh"},
		"credentials":        {base: "https://me:sesame@git.example.com/org/repo//web?ref=" + pinned, want: "https://git.example.com/org/repo//web?ref=" + pinned + " is on the network, and not used as a base: it holds credentials"},
		"out of itself":      {base: repo + "//../../etc?ref=" + pinned, want: "it leaves its repository"},
		"a fragment":         {base: repo + "//web#main", want: "it has a fragment"},
		"blanks":             {base: repo + "//web ?ref=" + pinned, want: "it has blanks"},
		"no repository":      {base: "https://git.example.com/?ref=" + pinned, want: "it names no repository"},
		"no directory":       {base: at("absent"), want: repo + " at " + pinned + " has no directory absent"},
		"no kustomization":   {base: at("plain"), more: sourcetest.Files{"plain/a.yaml": "a: b\n"}, want: repo + "@01234567:plain has no kustomization.yaml"},
		"up to the app":      {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [../../app/own.yaml]\n"}, want: "@01234567:up/kustomization.yaml:1: ../../app/own.yaml leaves the repository"},
		"up to nowhere":      {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [../../../../etc/passwd]\n"}, want: "../../../../etc/passwd leaves the repository"},
		"absolute":           {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [/app/own.yaml]\n"}, want: "/app/own.yaml is absolute"},
		"a symlink out":      {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [a.yaml]\n", "up/a.yaml": sourcetest.Link("../../app/own.yaml")}, want: "a symlink on the way leaves the repository"},
		"a chart of the app": {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "helmGlobals: {chartHome: ../../app}\nhelmCharts: [{name: chart}]\n"}, want: "leaves the repository"},
		"another base":       {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [\"https://evil.example.com/a/b//c?ref=" + pinned + "\"]\n"}, want: "spec.render.remoteBases of the Environment does not allow it"},
		"a moving base":      {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [\"" + repo + "//web?ref=main\"]\n"}, want: "main can be another commit tomorrow"},
		"itself":             {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [\"" + at("up") + "\"]\n"}, want: "leads back to"},
		"a program":          {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "transformers: [t.yaml]\n", "up/t.yaml": "apiVersion: v1\nkind: T\nmetadata: {name: a, annotations: {config.kubernetes.io/function: 'exec: {path: sh}'}}\n"}, want: "@01234567:up/t.yaml:1: "},
		"a URL in a patch":   {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "patches: [{path: \"https://example.com/p.yaml\"}]\n"}, want: "https://example.com/p.yaml is on the network, and nothing is fetched"},
		"large":              {base: at("up"), more: sourcetest.Files{"up/kustomization.yaml": "resources: [a.yaml]\n", "up/a.yaml": "a: " + strings.Repeat("a", 2<<20) + "\n"}, want: "the app reads more than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			files := sourcetest.Files{"app/kustomization.yaml": "resources:\n- \"" + c.base + "\"\n", "app/own.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\n"}
			there := maps.Clone(shared)
			maps.Copy(there, c.more)
			req := render.Request{Tree: sourcetest.New(files), Dir: "app", Outside: elsewhere{repo: there}, Limits: render.Limits{Bytes: 1 << 20}}
			if c.alone {
				req.Outside = nil
			}
			res, err := render.Render(req)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Invalid || len(res.Objects) > 0 {
				t.Fatalf("%v\nand wanted: %s", err, c.want)
			}
			if strings.Contains(err.Error(), "fairlead-base") || strings.Contains(err.Error(), "sesame") {
				t.Errorf("shows what it should not: %v", err)
			}
		})
	}
}

// FuzzBase: whatever names a base, it is a commit of a repository that is asked for, and nothing else.
func FuzzBase(f *testing.F) {
	for _, text := range []string{
		"https://git.example.com/org/repo//web?ref=" + pinned, "git@git.example.com:org/repo.git//web?ref=" + pinned, "github.com/a/b/c?ref=" + pinned, "ssh://git@h/a/b//c?ref=" + pinned,
		"https://h/_git/r?version=" + pinned, "file:///etc?ref=" + pinned, "https://a:b@h/c/d?ref=" + pinned, "git::https://h/a/b.git/../c?ref=" + pinned, "https://h//?ref=" + pinned,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := object.New(map[string]any{"resources": []any{text}}).YAML()
		tree := treeFrom(sourcetest.Files{"app/kustomization.yaml": string(quoted)})
		if tree == nil {
			return
		}
		_, err := render.Render(render.Request{Tree: tree, Dir: "app", Outside: asking{t}})
		if fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%s: %v", fault.KindOf(err), err)
		}
	})
}

// asking holds what every question about a base is.
type asking struct{ t *testing.T }

func (a asking) Ask(q render.Question) (render.Answer, error) {
	known := false
	for _, scheme := range []string{"https://", "http://", "ssh://"} {
		known = known || strings.HasPrefix(q.URL, scheme)
	}
	user, _, scp := strings.Cut(q.URL, ":")
	if q.About != render.AboutBase || len(q.Version) != 40 || strings.Trim(q.Version, "0123456789abcdef") != "" || strings.Contains(q.URL, "..") && strings.Contains(q.URL, "/../") ||
		!known && (!scp || !strings.Contains(user, "@")) || strings.ContainsAny(q.URL, " \n\t\\?#") {
		a.t.Errorf("asked for %q", q)
	}
	return render.Answer{Tree: sourcetest.New(sourcetest.Files{"kustomization.yaml": "resources: [a.yaml]\n"})}, nil
}
