package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Needs tells which apps of its environment an app depends on.
func (f *Fleet) Needs(n app.Name, needs []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.member(n).needs = needs
}

// Ready tells whether an app is applied and healthy, and returns the apps to wake: those that depend on it, if that changed.
func (f *Fleet) Ready(n app.Name, ready bool) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m.ready == ready {
		return nil
	}
	m.ready = ready
	var wake []app.Name
	for other, o := range f.environment(Of(n)).apps {
		if slices.Contains(o.needs, n.App) {
			wake = append(wake, other)
		}
	}
	return wake
}

// Waits returns why an app has to wait for the apps that it depends on; empty if all are ready.
func (f *Fleet) Waits(n app.Name) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := f.environment(Of(n))
	edges := map[string][]string{}
	for other, m := range env.apps {
		edges[other.App] = m.needs
	}
	m := env.apps[n]
	if m == nil || len(m.needs) == 0 {
		return ""
	}
	if cycle := order.Cycle(edges); slices.Contains(cycle, n.App) {
		return "dependsOn goes round in a circle: " + strings.Join(cycle, " → ")
	}
	for _, need := range m.needs {
		other := app.Name{Namespace: n.Namespace, Environment: n.Environment, App: need}
		o := env.apps[other]
		switch {
		case o == nil || o.removed:
			return fmt.Sprintf("depends on app %s, which environment %s does not have%s", need, n.Environment, suggest(need, env))
		case !o.ready:
			return fmt.Sprintf("waits for app %s to be ready", need)
		}
	}
	return ""
}

func suggest(need string, env *environment) string {
	var known []string
	for n := range env.apps {
		known = append(known, n.App)
	}
	if word, ok := nearest.Of(need, known); ok {
		return fmt.Sprintf(": did you mean %s?", word)
	}
	return ""
}
