package cli

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/nearest"
)

// filter chooses some of many environments and apps, and their order.
type filter struct {
	environments, apps, phases []string
	unhealthy, notReady        bool
	sortBy                     string
}

// phases are the words that --phase takes.
var phases = []string{
	string(v1alpha1.PhasePending), string(v1alpha1.PhaseFailed), string(v1alpha1.PhaseHeld), string(v1alpha1.PhaseWaiting), string(v1alpha1.PhaseApplying),
	string(v1alpha1.PhaseSynced), string(v1alpha1.PhaseDrifted), string(v1alpha1.PhaseSuspended), string(v1alpha1.PhaseRemoving),
}

// sortings are the words that --sort-by takes.
var sortings = []string{"name", "age", "phase", "commit"}

func (x *filter) flags(cmd *cobra.Command, w IO, t *target) {
	f := cmd.Flags()
	f.StringSliceVar(&x.environments, "environment", nil, "environments that match one of these patterns, such as 'prod-*'")
	f.StringSliceVar(&x.apps, "app", nil, "apps whose name in the environment matches one of these patterns")
	f.StringSliceVar(&x.phases, "phase", nil, "apps in one of these phases: "+strings.Join(phases, ", "))
	f.BoolVar(&x.unhealthy, "unhealthy", false, "apps that are not Healthy")
	f.BoolVar(&x.notReady, "not-ready", false, "apps that are not ready")
	f.StringVar(&x.sortBy, "sort-by", "name", "order of the apps: "+strings.Join(sortings, ", "))
	_ = cmd.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(phases, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions(sortings, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("environment", t.live(func(ctx context.Context, _ []string, _ string) []string {
		return t.liveNames(ctx, w, kinds{envs: true})
	}))
	_ = cmd.RegisterFlagCompletionFunc("app", t.live(func(ctx context.Context, _ []string, _ string) []string {
		var names []string
		for _, name := range t.liveNames(ctx, w, kinds{apps: true}) {
			_, name, _ = strings.Cut(name, "/")
			names = append(names, name)
		}
		return names
	}))
}

// check refuses words and patterns that mean nothing.
func (x *filter) check() error {
	for i, p := range x.phases {
		k := slices.IndexFunc(phases, func(known string) bool { return strings.EqualFold(known, p) })
		if k < 0 {
			return unknownWord("--phase", p, phases)
		}
		x.phases[i] = phases[k]
	}
	if !slices.Contains(sortings, x.sortBy) {
		return unknownWord("--sort-by", x.sortBy, sortings)
	}
	for _, pattern := range slices.Concat(x.environments, x.apps) {
		if _, err := path.Match(pattern, ""); err != nil {
			return usagef("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

func unknownWord(flag, word string, known []string) error {
	text := fmt.Sprintf("%s %s: want one of %s", flag, word, strings.Join(known, ", "))
	if near, ok := nearest.Of(word, known); ok {
		text += fmt.Sprintf(": did you mean %s?", near)
	}
	return usagef("%s", text)
}

func matchesAny(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

// apply keeps what was chosen. Of apps that are chosen, the environments are kept that have one.
func (x *filter) apply(s selection) selection {
	s.apps = keep(s.apps, func(a v1alpha1.App) bool {
		return matchesAny(x.environments, a.Spec.Environment) && matchesAny(x.apps, a.Spec.Name) &&
			(len(x.phases) == 0 || slices.Contains(x.phases, string(orPending(a.Status.Phase)))) &&
			(!x.unhealthy || a.Status.Health != string(health.Healthy)) && (!x.notReady || ofApp(&a) != ready)
	})
	chosen := x.byApp()
	s.envs = keep(s.envs, func(e v1alpha1.Environment) bool {
		has := func(a v1alpha1.App) bool { return a.Namespace == e.Namespace && a.Spec.Environment == e.Name }
		return matchesAny(x.environments, e.Name) && (!chosen || slices.ContainsFunc(s.apps, has))
	})
	slices.SortStableFunc(s.apps, func(a, b v1alpha1.App) int {
		switch x.sortBy {
		case "age":
			return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) // the youngest first
		case "phase":
			return cmp.Compare(slices.Index(phases, string(orPending(a.Status.Phase))), slices.Index(phases, string(orPending(b.Status.Phase))))
		case "commit":
			return cmp.Compare(a.Status.Applied.Short, b.Status.Applied.Short)
		}
		return 0 // as they were read
	})
	return s
}

// byApp says whether apps are chosen by what they are.
func (x *filter) byApp() bool { return len(x.apps)+len(x.phases) > 0 || x.unhealthy || x.notReady }

// chosen says whether anything is left out.
func (x *filter) chosen() bool { return x.byApp() || len(x.environments) > 0 }
