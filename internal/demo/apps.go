package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// apps are the App objects by name.
type apps map[string]v1alpha1.App

func decode(state map[string]*unstructured.Unstructured) apps {
	all := apps{}
	for name, u := range state {
		var a v1alpha1.App
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &a); err == nil {
			all[name] = a
		}
	}
	return all
}

// names are the names of the Apps of some services in some environments.
func names(environments, services []string) []string {
	var all []string
	for _, e := range environments {
		for _, s := range services {
			all = append(all, e+"-"+s)
		}
	}
	return all
}

// without is all but some.
func without(all []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

// need is what the tour waits for; it returns what is missing, empty for nothing.
type need func(apps) string

// await returns when the apps, as they are from a mark on, are as needed, and when that was.
func (t *tour) await(ctx context.Context, from mark, needs ...need) (time.Time, error) {
	return t.apps.until(ctx, from, func(state map[string]*unstructured.Unstructured) string {
		all := decode(state)
		for _, n := range needs {
			if missing := n(all); missing != "" {
				return missing
			}
		}
		return ""
	})
}

// now returns the apps as they are.
func (t *tour) now(ctx context.Context) (apps, error) {
	var all apps
	_, err := t.apps.until(ctx, t.apps.mark(), func(state map[string]*unstructured.Unstructured) string {
		all = decode(state)
		return ""
	})
	return all, err
}

// every needs something of each of the named apps.
func every(names []string, what string, is func(v1alpha1.App) bool) need {
	return func(all apps) string {
		var not []string
		for _, name := range names {
			a, ok := all[name]
			switch {
			case !ok:
				not = append(not, name+" does not exist")
			case !is(a):
				not = append(not, describe(a))
			}
		}
		if len(not) == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d apps are not %s: %s", len(not), len(names), what, strings.Join(not, "; "))
	}
}

func describe(a v1alpha1.App) string {
	text := fmt.Sprintf("%s is %s and %s", a.Name, orNone(string(a.Status.Phase)), orNone(a.Status.Health))
	if a.Status.Reason != "" {
		text += " (" + clip(a.Status.Reason, 160) + ")"
	}
	return text
}

func orNone(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// well needs apps that are as Git says, and healthy.
func well(names []string) need {
	return every(names, "synced and healthy", func(a v1alpha1.App) bool {
		return a.Status.Phase == v1alpha1.PhaseSynced && a.Status.Health == "Healthy"
	})
}

// at needs apps that have applied a commit.
func at(commit source.Commit, names []string) need {
	return every(names, "at "+commit.Short(), func(a v1alpha1.App) bool { return a.Status.Applied.Short == commit.Short() })
}

// in needs apps that are in a phase because of a commit.
func in(phase v1alpha1.Phase, names []string) need {
	return every(names, string(phase), func(a v1alpha1.App) bool { return a.Status.Phase == phase })
}
