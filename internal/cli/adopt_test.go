package cli

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// TestObjections: what is new may come with what is taken over. Where all of it is new, something else runs than what Git says.
func TestObjections(t *testing.T) {
	step := func(do plan.Action) preview.Step {
		return preview.Step{Do: do, Kind: "ConfigMap", Object: "ConfigMap shop/a"}
	}
	for name, x := range map[string]struct {
		steps []preview.Step
		want  string
	}{
		"taken over":         {[]preview.Step{step(plan.Adopt)}, ""},
		"one of them is new": {[]preview.Step{step(plan.Adopt), step(plan.Create)}, ""},
		"nothing to do":      {nil, ""},
		"all new":            {[]preview.Step{step(plan.Create), step(plan.Create)}, "everything would be created"},
		"one less":           {[]preview.Step{step(plan.Adopt), step(plan.Delete)}, "would be done to ConfigMap shop/a"},
	} {
		got := strings.Join(objections(preview.Reply{Apps: []preview.App{{Name: "web", Steps: x.steps}}}, false), "; ")
		if (x.want == "") != (got == "") || !strings.Contains(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

// TestSays: what is stopped is known by the fields that stop it.
func TestSays(t *testing.T) {
	automated := map[string]any{"selfHeal": true}
	for name, x := range map[string]struct {
		kind string
		o    map[string]any
		want bool
	}{
		"suspended":        {"Kustomization", map[string]any{"spec": map[string]any{"suspend": true, "prune": false, "path": "x"}}, true},
		"resumed":          {"Kustomization", map[string]any{"spec": map[string]any{"suspend": false, "prune": false}}, false},
		"by hand":          {"Application", map[string]any{"spec": map[string]any{"syncPolicy": map[string]any{}}}, true},
		"no policy":        {"Application", map[string]any{"spec": map[string]any{}}, true},
		"by itself":        {"Application", map[string]any{"spec": map[string]any{"syncPolicy": map[string]any{"automated": automated}}}, false},
		"with a finalizer": {"Application", map[string]any{"metadata": map[string]any{"finalizers": []any{finalizersOfArgo}}, "spec": map[string]any{}}, false},
		"with another one": {"Application", map[string]any{"metadata": map[string]any{"finalizers": []any{"example.com/ours"}}, "spec": map[string]any{}}, true},
	} {
		if x.o["metadata"] == nil {
			x.o["metadata"] = map[string]any{}
		}
		x.o["metadata"].(map[string]any)["resourceVersion"] = "1"
		if u := (&unstructured.Unstructured{Object: x.o}); says(u.Object, stops[x.kind](u)) != x.want {
			t.Errorf("%s: not %v", name, x.want)
		}
	}
}

// TestParents: what made an Application is known by its owner and by Argo CD's mark.
func TestParents(t *testing.T) {
	app := func(id string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}}
		u.SetNamespace("argocd")
		u.SetName("web")
		if id != "" {
			u.SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": id})
		}
		return u
	}
	owned := app("")
	owned.SetOwnerReferences([]metav1.OwnerReference{{Kind: "ApplicationSet", Name: "all"}})
	labelled := app("")
	labelled.SetLabels(map[string]string{"app.kubernetes.io/instance": "root"})
	for name, x := range map[string]struct {
		u    *unstructured.Unstructured
		want []order
	}{
		"nobody":        {app(""), nil},
		"an app":        {app("root:argoproj.io/Application:argocd/web"), []order{{"Application", "argocd", "root"}}},
		"one elsewhere": {app("team_root:argoproj.io/Application:argocd/web"), []order{{"Application", "team", "root"}}},
		"by a label":    {labelled, []order{{"Application", "argocd", "root"}}},
		"a set":         {owned, []order{{"ApplicationSet", "argocd", "all"}}},
	} {
		if got := parents(x.u); !slices.Equal(got, x.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
