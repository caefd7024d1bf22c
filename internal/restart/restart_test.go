package restart_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/restart"
)

func one(t *testing.T, text string) object.Object {
	t.Helper()
	objs, err := object.Parse("a.yaml", []byte(text))
	if err != nil || len(objs) != 1 {
		t.Fatal(err)
	}
	return objs[0]
}

// reads prints references as a line.
func reads(refs []restart.Reference) string {
	var out []string
	for _, r := range refs {
		line := strings.TrimSpace(fmt.Sprintf("%s %s/%s %s", r.Kind, r.Namespace, r.Name, strings.Join(r.Keys, ",")))
		if r.Optional {
			line += " if it is there"
		}
		if r.Matched {
			line += " if it matches"
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func deployment(annotations, pod string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, annotations: {" + annotations + "}}\nspec: {template: {spec: " + pod + "}}\n"
}

func TestReferences(t *testing.T) {
	const pod = `{containers: [{name: a, envFrom: [{configMapRef: {name: flags}}], env: [{name: A, valueFrom: {secretKeyRef: {name: token, key: a}}}, {name: B, valueFrom: {secretKeyRef: {name: token, key: b}}}]}]}`
	const both, configMap, secret = "ConfigMap shop/flags; Secret shop/token a,b", "ConfigMap shop/flags", "Secret shop/token a,b"
	for name, c := range map[string]struct {
		o    string
		mode restart.Mode
		want string
	}{
		"all":                          {deployment("", pod), restart.All, both},
		"none":                         {deployment("", pod), restart.None, ""},
		"not asked for":                {deployment("", pod), restart.Annotated, ""},
		"asked for":                    {deployment("fairlead.dev/restart-on-change: enabled", pod), restart.Annotated, both},
		"left alone":                   {deployment("fairlead.dev/restart-on-change: disabled", pod), restart.All, ""},
		"auto":                         {deployment(`reloader.stakater.com/auto: "true"`, pod), restart.Annotated, both},
		"not auto":                     {deployment(`reloader.stakater.com/auto: "false"`, pod), restart.All, ""},
		"Fairlead's own wins":          {deployment(`reloader.stakater.com/auto: "false", fairlead.dev/restart-on-change: enabled`, pod), restart.Annotated, both},
		"auto, ConfigMaps":             {deployment(`configmap.reloader.stakater.com/auto: "true"`, pod), restart.Annotated, configMap},
		"auto, Secrets":                {deployment(`secret.reloader.stakater.com/auto: "true"`, pod), restart.Annotated, secret},
		"named":                        {deployment(`secret.reloader.stakater.com/reload: "a, b"`, pod), restart.Annotated, "Secret shop/a if it is there; Secret shop/b if it is there"},
		"named besides":                {deployment(`secret.reloader.stakater.com/reload: token`, pod), restart.All, "ConfigMap shop/flags; Secret shop/token"},
		"excluded":                     {deployment(`configmaps.exclude.reloader.stakater.com/reload: "flags"`, pod), restart.All, secret},
		"a volume":                     {deployment("", `{volumes: [{name: a, configMap: {name: files}}, {name: b, secret: {secretName: tls, items: [{key: crt, path: x}]}}]}`), restart.All, "ConfigMap shop/files; Secret shop/tls crt"},
		"optional":                     {deployment("", `{volumes: [{name: a, configMap: {name: files, optional: true}}, {name: p, projected: {sources: [{secret: {name: part, optional: true}}]}}], containers: [{name: a, envFrom: [{configMapRef: {name: env, optional: true}}], env: [{name: A, valueFrom: {secretKeyRef: {name: token, key: a, optional: true}}}]}]}`), restart.All, "ConfigMap shop/env if it is there; ConfigMap shop/files if it is there; Secret shop/part if it is there; Secret shop/token a if it is there"},
		"optional once, and needed":    {deployment("", `{volumes: [{name: a, configMap: {name: files, optional: true}}], containers: [{name: a, envFrom: [{configMapRef: {name: files}}]}]}`), restart.All, "ConfigMap shop/files"},
		"an item, and all of it":       {deployment("", `{volumes: [{name: b, secret: {secretName: tls, items: [{key: crt, path: x}]}}, {name: c, secret: {secretName: tls}}]}`), restart.All, "Secret shop/tls"},
		"projected":                    {deployment("", `{volumes: [{name: a, projected: {sources: [{configMap: {name: p}}, {secret: {name: q}}, {serviceAccountToken: {path: t}}]}}]}`), restart.All, "ConfigMap shop/p; Secret shop/q"},
		"init containers":              {deployment("", `{initContainers: [{name: a, envFrom: [{secretRef: {name: s}}]}]}`), restart.All, "Secret shop/s"},
		"pull secrets":                 {deployment("", `{imagePullSecrets: [{name: s}]}`), restart.All, ""},
		"searched":                     {deployment(`reloader.stakater.com/search: "true"`, pod), restart.Annotated, "ConfigMap shop/flags if it matches; Secret shop/token a,b if it matches"},
		"searched, and named":          {deployment(`reloader.stakater.com/search: "true", configmap.reloader.stakater.com/reload: flags`, pod), restart.Annotated, "ConfigMap shop/flags; Secret shop/token a,b if it matches"},
		"searched, and all":            {deployment(`reloader.stakater.com/search: "true"`, pod), restart.All, both},
		"asked for in the template":    {strings.Replace(deployment("", pod), "template: {", `template: {metadata: {annotations: {reloader.stakater.com/auto: "true"}}, `, 1), restart.Annotated, both},
		"its own namespace":            {strings.Replace(deployment("", pod), "name: web,", "name: web, namespace: other,", 1), restart.All, "ConfigMap other/flags; Secret other/token a,b"},
		"a Job":                        {strings.NewReplacer("apps/v1", "batch/v1", "Deployment", "Job").Replace(deployment("", pod)), restart.All, ""},
		"a Rollout":                    {strings.NewReplacer("apps/v1", "argoproj.io/v1alpha1", "Deployment", "Rollout").Replace(deployment("", pod)), restart.All, both},
		"what is no pod, nor anything": {deployment("", `{containers: x, volumes: [1, {secret: []}], initContainers: [{env: {}}]}`), restart.All, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reads(restart.References(one(t, c.o), c.mode, "shop")); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestHash(t *testing.T) {
	refs := restart.References(one(t, deployment("", `{containers: [{name: a, env: [{name: A, valueFrom: {secretKeyRef: {name: token, key: a}}}]}], volumes: [{name: v, configMap: {name: flags}}]}`)), restart.All, "shop")
	hash := func(key, flags, token string) string {
		t.Helper()
		settings := []restart.Setting{{Reference: refs[0]}, {Reference: refs[1]}}
		if flags != "" {
			settings[0].Object = one(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\n"+flags)
		}
		if token != "" {
			settings[1].Object = one(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\n"+token)
		}
		return restart.Hash([]byte(key), "web", settings)
	}
	const flags, token = "data: {a: b, c: d}", "data: {a: eA==, other: eA==}"
	base := hash("key", flags, token)
	for name, same := range map[string]string{
		"again": hash("key", flags, token), "in another order": hash("key", "data: {c: d, a: b}", token), "another key of it, that is not read": hash("key", flags, "data: {a: eA==, other: eQ==}"),
		"as text": hash("key", flags, "stringData: {a: x}"), "with a label": hash("key", "immutable: true\n"+flags, token),
	} {
		if same != base {
			t.Errorf("%s: %s is not %s", name, same, base)
		}
	}
	seen := map[string]string{base: "as it was"}
	for name, other := range map[string]string{
		"with another key": hash("other", flags, token), "another value": hash("key", "data: {a: x, c: d}", token), "one less": hash("key", "data: {a: b}", token),
		"moved": hash("key", "data: {a: bc, d: \"\"}", token), "binary": hash("key", "data: {a: b}\nbinaryData: {c: eA==}", token), "the Secret": hash("key", flags, "data: {a: eQ==}"), "not there": hash("key", flags, ""),
	} {
		if was := seen[other]; was != "" {
			t.Errorf("%s is the same as %s", name, was)
		}
		seen[other] = name
	}
	if one, of, two := strings.Cut(base, "."); len(one) != 16 || len(of) != 16 || !two {
		t.Errorf("the hash is %q", base)
	}
}

func TestCounts(t *testing.T) {
	plain, matched := restart.Reference{}, restart.Reference{Matched: true}
	for annotations, want := range map[string][2]bool{
		"":                                     {true, false},
		`reloader.stakater.com/match: "true"`:  {true, true},
		`reloader.stakater.com/ignore: "true"`: {false, false},
		`reloader.stakater.com/match: "true", fairlead.dev/restart-on-change: disabled`: {false, false},
	} {
		o := one(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags, annotations: {"+annotations+"}}\n")
		if got := [2]bool{plain.Counts(o), matched.Counts(o)}; got != want {
			t.Errorf("%s: %v, want %v", annotations, got, want)
		}
	}
	if !plain.Counts(object.Object{}) {
		t.Error("what is not there does not count")
	}
}

func TestMark(t *testing.T) {
	o := one(t, deployment("", "{containers: []}"))
	marked := restart.Mark(o, "hash")
	if got := marked.Text("spec", "template", "metadata", "annotations", restart.Annotation); got != "hash" {
		t.Errorf("the annotation is %q", got)
	}
	if o.At("spec", "template", "metadata") != nil {
		t.Error("the object itself was changed")
	}
}

// A life is what a workload reads, setting by setting, as it is found again and again; "-" is not there, "?" may not be read, and "o" in front is optional.
type life [][]string

// TestSettle holds what becomes of a workload, whatever it looked like when it was found: a change restarts it, and nothing else.
func TestSettle(t *testing.T) {
	workload := one(t, deployment("", `{containers: [{name: a}]}`)).With("shop", "metadata", "labels", "team")
	reads := func(values []string) string {
		var settings []restart.Setting
		for i, v := range values {
			v, optional := strings.CutPrefix(v, "o")
			s := restart.Setting{Reference: restart.Reference{Kind: "Secret", Name: fmt.Sprintf("s%d", i), Optional: optional}, Unread: v == "?"}
			if v != "-" && v != "?" {
				s.Object = one(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: "+v+"}\n")
			}
			settings = append(settings, s)
		}
		return restart.Hash([]byte("key"), "web", settings)
	}
	many := func(last string) []string {
		return []string{"bg==", "bg==", "bg==", "bg==", "bg==", "bg==", "bg==", "bg==", last}
	}
	const a, b = "YQ==", "Yg=="
	for name, c := range map[string]struct {
		found    object.Object
		life     life
		restarts []bool
	}{
		"made by us":                 {life: life{{a}, {a}, {b}, {b}, {a}}, restarts: []bool{false, false, true, false, true}},
		"found without":              {found: workload, life: life{{a}, {a}, {b}, {b}, {a}}, restarts: []bool{false, false, true, false, true}},
		"found with":                 {found: restart.Mark(workload, reads([]string{a})), life: life{{a}, {b}}, restarts: []bool{false, true}},
		"it comes, and changes":      {life: life{{a, "-"}, {a, a}, {a, a}, {a, b}}, restarts: []bool{false, false, false, true}},
		"it comes beside a change":   {life: life{{a, "-"}, {b, a}, {b, b}}, restarts: []bool{false, true, true}},
		"it goes":                    {life: life{{a, a}, {a, "-"}, {a, a}}, restarts: []bool{false, false, false}},
		"it is made anew":            {life: life{{a, a}, {a, "-"}, {a, b}}, restarts: []bool{false, false, true}},
		"found, gone, and made anew": {found: workload, life: life{{a, a}, {a, "-"}, {a, b}}, restarts: []bool{false, false, true}},
		"it may not be read":         {life: life{{a}, {"?"}, {a}, {"?"}, {b}}, restarts: []bool{false, false, false, false, true}},
		"optional, and it comes":     {life: life{{"o-"}, {"o" + a}, {"o-"}}, restarts: []bool{false, true, true}},
		"optional, and not read":     {life: life{{"o-"}, {"o?"}, {"o-"}, {"o" + a}}, restarts: []bool{false, false, false, true}},
		"another is read":            {life: life{{a}, {a, b}, {a, a}}, restarts: []bool{false, false, true}},
		"one is not read any more":   {life: life{{a, b}, {a}, {b}}, restarts: []bool{false, false, true}},
		"nobody asks any more":       {life: life{{a}, {}, {}, {b}}, restarts: []bool{false, false, false, true}},
		"nobody asks":                {found: workload, life: life{{}, {}}, restarts: []bool{false, false}},
		"found with as many as fit":  {found: workload, life: life{many(a), many(a), many(b)}, restarts: []bool{false, false, true}},
		"more than fit":              {found: workload, life: life{append(many(a), a), append(many(a), b)}, restarts: []bool{false, true}},
	} {
		live := c.found
		for i, values := range c.life {
			want := workload
			if hash := reads(values); hash != "" {
				want = restart.Mark(workload, hash)
			}
			before := live
			live = restart.Settle(want, before)
			if got := !before.IsZero() && !reflect.DeepEqual(live.At("spec", "template"), before.At("spec", "template")); got != c.restarts[i] {
				t.Errorf("%s: it is restarted after %v: %t", name, c.life[:i+1], got)
			}
			if label := live.Label(restart.Annotation); !labels.MatchString(label) {
				t.Errorf("%s: %q is no label", name, label)
			}
			if again := restart.Settle(want, live); again.Hash() != live.Hash() {
				t.Errorf("%s: it does not come to rest after %v", name, c.life[:i+1])
			}
			pods := live.With(nil, "metadata", "labels", restart.Annotation).With(nil, "spec", "template", "metadata")
			if pods.Hash() != workload.Hash() {
				t.Errorf("%s: more of it than the hash is another after %v", name, c.life[:i+1])
			}
		}
	}
	flags := one(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\n")
	if o := restart.Settle(flags, restart.Mark(workload, "abc")); o.Hash() != flags.Hash() {
		t.Error("what is no workload is another")
	}
}

// labels is what the API server takes for the value of a label.
var labels = regexp.MustCompile(`^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$`)
