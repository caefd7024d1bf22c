package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// annotated is an object with annotations: name, value, name, value.
func annotated(pairs ...string) object.Object {
	o := object.New(map[string]any{"kind": "ConfigMap"})
	for i := 0; i < len(pairs); i += 2 {
		o = o.With(pairs[i+1], "metadata", "annotations", pairs[i])
	}
	return o
}

const (
	argo = "argocd.argoproj.io/sync-options"
	flux = "kustomize.toolkit.fluxcd.io/"
)

func TestApplyOf(t *testing.T) {
	for _, x := range []struct {
		pairs []string
		is    app.Apply
	}{
		{nil, app.ApplyAlways},
		{[]string{"fairlead.dev/apply", "once"}, app.ApplyOnce},
		{[]string{"fairlead.dev/apply", "never"}, app.ApplyNever},
		{[]string{"fairlead.dev/apply", "replace"}, app.ApplyReplace},
		{[]string{"fairlead.dev/apply", "Once"}, app.ApplyAlways},
		{[]string{argo, "Prune=false, Force=true"}, app.ApplyReplace},
		{[]string{argo, "Replace=true"}, app.ApplyAlways}, // a PUT: it deletes nothing
		{[]string{argo, "Replace=true,Force=true"}, app.ApplyReplace},
		{[]string{argo, "Force=false"}, app.ApplyAlways},
		{[]string{flux + "force", "enabled"}, app.ApplyReplace},
		{[]string{flux + "force", "disabled"}, app.ApplyAlways},
		{[]string{flux + "ssa", "IfNotPresent"}, app.ApplyOnce},
		{[]string{flux + "ssa", "Ignore"}, app.ApplyNever},
		{[]string{flux + "ssa", "Merge"}, app.ApplyAlways}, // see Merges
		{[]string{flux + "ssa", "Override"}, app.ApplyAlways},
		{[]string{flux + "reconcile", "disabled"}, app.ApplyNever},
		{[]string{"fairlead.dev/apply", "always", argo, "Force=true", flux + "ssa", "Ignore"}, app.ApplyAlways},
		{[]string{argo, "Force=true", flux + "ssa", "Ignore"}, app.ApplyReplace},
		{[]string{flux + "force", "enabled", flux + "reconcile", "disabled"}, app.ApplyNever},
		{[]string{flux + "force", "enabled", flux + "ssa", "IfNotPresent"}, app.ApplyOnce},
		{[]string{flux + "reconcile", "Disabled"}, app.ApplyNever},
	} {
		if got := app.ApplyOf(annotated(x.pairs...)); got != x.is {
			t.Errorf("%v: %s, want %s", x.pairs, got, x.is)
		}
	}
}

// TestFluxLabels: Flux reads its marks from labels as well, and in whatever case.
func TestFluxLabels(t *testing.T) {
	labelled := func(name, value string) object.Object {
		return object.New(map[string]any{"kind": "ConfigMap"}).With(value, "metadata", "labels", flux+name)
	}
	if got := app.PruneOf(labelled("prune", "Disabled")); got != app.PruneNever {
		t.Errorf("prune: %q", got)
	}
	if got := app.PruneOf(labelled("reconcile", "disabled")); got != app.PruneNever {
		t.Errorf("reconcile, pruned: %q", got)
	}
	if got := app.ApplyOf(labelled("reconcile", "disabled")); got != app.ApplyNever {
		t.Errorf("reconcile, applied: %q", got)
	}
	if got := app.ApplyOf(labelled("ssa", "ifnotpresent")); got != app.ApplyOnce {
		t.Errorf("ssa: %q", got)
	}
	if !app.Merges(labelled("ssa", "Merge")) {
		t.Error("ssa: Merge is not read")
	}
}

func TestCheckMarks(t *testing.T) {
	for _, x := range []struct{ name, value, err string }{
		{"fairlead.dev/apply", "once", ""},
		{"fairlead.dev/apply", "onec", `ConfigMap x: annotation fairlead.dev/apply is "onec": it takes one of always, never, once, replace`},
		{"fairlead.dev/apply", "Once", `ConfigMap x: annotation fairlead.dev/apply is "Once": it takes one of always, never, once, replace`},
		{"fairlead.dev/apply", "", `ConfigMap x: annotation fairlead.dev/apply is "": it takes one of always, never, once, replace`},
		{"fairlead.dev/prune", "disabled", `ConfigMap x: annotation fairlead.dev/prune is "disabled": it takes one of always, confirm, never`},
		{"fairlead.dev/ignore", "/spec/replicas, /data/a", ""},
		{"fairlead.dev/ignore", "/spec/replicas,spec.replicas", `ConfigMap x: annotation fairlead.dev/ignore has "spec.replicas": write JSON pointers separated by commas, for example /spec/replicas`},
		{"fairlead.dev/wave", "7", ""},
		{"fairlead.dev/prnue", "never", `ConfigMap x: annotation fairlead.dev/prnue is not known: did you mean fairlead.dev/prune?`},
		{"fairlead.dev/x", "never", `ConfigMap x: annotation fairlead.dev/x is not known`},
		{"example.com/prune", "x", ""},
	} {
		err := app.CheckMarks(annotated(x.name, x.value).With("x", "metadata", "name"))
		if got := fmt.Sprint(err); err == nil && x.err != "" || err != nil && got != x.err {
			t.Errorf("%s=%s: %v, want %s", x.name, x.value, err, x.err)
		}
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s=%s: of kind %v", x.name, x.value, fault.KindOf(err))
		}
	}
	own := annotated("fairlead.dev/suspended-by", "ann").With("fairlead.dev/v1alpha1", "apiVersion").With("Environment", "kind")
	if err := app.CheckMarks(own); err != nil {
		t.Error(err)
	}
}

func TestPruneOf(t *testing.T) {
	for _, x := range []struct {
		pairs []string
		is    app.Prune
	}{
		{nil, app.PruneDefault},
		{[]string{"fairlead.dev/prune", "never"}, app.PruneNever},
		{[]string{"fairlead.dev/prune", "confirm"}, app.PruneConfirm},
		{[]string{"fairlead.dev/prune", "always"}, app.PruneAlways},
		{[]string{argo, "Prune=false"}, app.PruneNever},
		{[]string{argo, "Validate=false , Prune=confirm"}, app.PruneConfirm},
		{[]string{argo, "Delete=false"}, app.PruneNever},
		{[]string{argo, "Delete=confirm"}, app.PruneConfirm},
		{[]string{argo, "NoPrune=false"}, app.PruneDefault},
		{[]string{flux + "prune", "disabled"}, app.PruneNever},
		{[]string{flux + "prune", "Disabled"}, app.PruneNever},
		{[]string{flux + "reconcile", "disabled"}, app.PruneNever},
		{[]string{"helm.sh/resource-policy", "keep"}, app.PruneNever},
		{[]string{"helm.sh/resource-policy", " Keep"}, app.PruneNever},
		{[]string{"fairlead.dev/prune", "always", "helm.sh/resource-policy", "keep"}, app.PruneAlways},
		{[]string{argo, "Prune=confirm", "helm.sh/resource-policy", "keep"}, app.PruneConfirm},
	} {
		if got := app.PruneOf(annotated(x.pairs...)); got != x.is {
			t.Errorf("%v: %q, want %q", x.pairs, got, x.is)
		}
	}
}

// What nobody understands must not delete: a misspelt protection protects.
func TestPruneOfMisspelt(t *testing.T) {
	for _, value := range []string{"Never", "no", "false", "disabled"} {
		if got := app.PruneOf(annotated("fairlead.dev/prune", value)); got != app.PruneConfirm {
			t.Errorf("%s: %q, want it held", value, got)
		}
	}
}

func TestIgnoredOf(t *testing.T) {
	for value, want := range map[string][]string{
		"":                            nil,
		"/spec/replicas":              {"/spec/replicas"},
		" /a/b~1c , ,spec/x,/d,":      {"/a/b~1c", "/d"},
		"/spec/replicas,/metadata/x ": {"/spec/replicas", "/metadata/x"},
	} {
		if got := app.IgnoredOf(annotated(app.AnnotationIgnore, value)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestIsInteractive(t *testing.T) {
	p := app.Policy{Interactive: []string{"our-console", "terraform*"}}
	for manager, want := range map[string]bool{
		"kubectl": true, "kubectl-edit": true, "kubectl-client-side-apply": true, "kubectl.exe": true, "k9s": true, "Lens": true, "Mozilla": true, "oc": true,
		"our-console": true, "terraform-provider": true,
		"": false, "fairlead": false, "kube-controller-manager": false, "helm": false, "argocd-controller": false, "our-console-2": false, "octopus": false,
		"not-kubectl": false,
	} {
		if got := p.IsInteractive(manager); got != want {
			t.Errorf("%q: %t", manager, got)
		}
	}
	if (app.Policy{}).IsInteractive("our-console") {
		t.Error("the policy of one environment is that of another")
	}
}

func TestMark(t *testing.T) {
	n := app.Name{Namespace: "shop", Environment: "prod", App: "web"}
	o := annotated().With("blue", "metadata", "labels", "team")
	marked := n.Mark(o)
	if got := app.OwnerOf(marked); got != n.Owner() || got.String() != "shop/prod-web" || marked.Label("team") != "blue" {
		t.Errorf("%v", got)
	}
	if app.OwnerOf(o) != (app.Owner{}) || (app.Owner{}).String() != "" {
		t.Error("marking changed the object that was given")
	}
}

// FuzzMarks: an annotation of Fairlead's that passes means what it says; one that could be read as less protection than was meant is refused.
func FuzzMarks(f *testing.F) {
	for _, name := range []string{"prune", "apply", "wave", "ignore", "hook", "prunes", "Prune", ""} {
		for _, value := range []string{"never", "always", "confirm", "replace", "", " never", "before", "/spec/replicas, /data", "data", "-1"} {
			f.Add(name, value)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		o := object.New(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "annotations": map[string]any{"fairlead.dev/" + name: value}}})
		err := app.CheckMarks(o)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid || len(err.Error()) > 500+len(name) {
				t.Errorf("%s: %v", fault.KindOf(err), err)
			}
		}
		switch name {
		case "prune":
			if got := app.PruneOf(o); err == nil && string(got) != value || err != nil && got == app.PruneAlways {
				t.Errorf("prune: %q is read as %q, %v", value, got, err)
			}
		case "apply":
			if got := app.ApplyOf(o); err == nil && string(got) != value {
				t.Errorf("apply: %q is read as %q", value, got)
			}
		case "ignore":
			for _, p := range app.IgnoredOf(o) {
				if !strings.HasPrefix(p, "/") {
					t.Errorf("ignore: %q has %q", value, p)
				}
			}
		case "hook":
			if h := app.HookOf(o); (err == nil) == h.IsZero() {
				t.Errorf("hook: %q is read as %v, %v", value, h, err)
			}
		case "wave":
		default:
			if err == nil {
				t.Errorf("%q is let through", name)
			}
		}
	})
}
