package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Needs tells which apps of its environment an app depends on, and returns the apps to wake: all others that depend on any, if that changed. A circle is
// closed by one app and concerns them all.
func (f *Fleet) Needs(n app.Name, needs []string) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m == nil || slices.Equal(m.needs, needs) {
		return nil
	}
	env := f.environment(Of(n))
	env.need(n, m, needs)
	wake := maps.Clone(env.needing)
	delete(wake, n)
	return slices.Collect(maps.Keys(wake))
}

// Ready tells whether an app is applied and healthy, and returns the apps to wake: those that depend on it, if that changed.
func (f *Fleet) Ready(n app.Name, ready bool) []app.Name {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m == nil || m.ready == ready {
		return nil
	}
	m.ready = ready
	return slices.Collect(maps.Keys(f.environment(Of(n)).needed[n.App]))
}

// need notes what an app depends on.
func (env *environment) need(n app.Name, m *member, needs []string) {
	for _, need := range m.needs {
		delete(env.needed[need], n)
		if len(env.needed[need]) == 0 {
			delete(env.needed, need)
		}
	}
	delete(env.needing, n)
	m.needs = needs
	for _, need := range needs {
		if env.needed[need] == nil {
			env.needed[need] = map[app.Name]bool{}
		}
		env.needed[need][n], env.needing[n] = true, true
	}
}

// Waits returns why an app has to wait for the apps that it depends on; empty if all are ready.
func (f *Fleet) Waits(n app.Name) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.member(n)
	if m == nil || len(m.needs) == 0 {
		return ""
	}
	env := f.environments[Of(n)]
	if cycle := order.Cycle(env.reach(n)); slices.Contains(cycle, n.App) {
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

// reach is the part of the graph of needs that an app hangs on.
func (env *environment) reach(n app.Name) map[string][]string {
	edges := map[string][]string{}
	for todo := []string{n.App}; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		m := env.apps[app.Name{Namespace: n.Namespace, Environment: n.Environment, App: name}]
		if _, seen := edges[name]; seen || m == nil {
			continue
		}
		edges[name] = m.needs
		todo = append(todo, m.needs...)
	}
	return edges
}

func suggest(need string, env *environment) string {
	var known []string
	for n, m := range env.apps {
		if !m.removed {
			known = append(known, n.App)
		}
	}
	if word, ok := nearest.Of(need, known); ok {
		return fmt.Sprintf(": did you mean %s?", word)
	}
	return ""
}
