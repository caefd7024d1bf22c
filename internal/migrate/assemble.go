package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// mostSources is how many sources an Environment may have.
const mostSources = 20

// MarkFrom is the annotation of an Environment that names what it was made of, as Kind/namespace/name separated by commas: who adopts stops those, in
// their order.
const MarkFrom = "fairlead.dev/migrated-from"

// environments puts deliveries that have their place in common into one Environment.
func (m *migration) environments() []object.Object {
	groups := map[string][]delivery{}
	for _, d := range m.deliveries {
		groups[d.place()] = append(groups[d.place()], d)
	}
	var all [][]delivery
	for _, g := range groups {
		slices.SortFunc(g, byName)
		all = append(all, slices.Collect(slices.Chunk(g, mostSources))...)
	}
	// The largest has the name that was asked for.
	slices.SortFunc(all, func(a, b []delivery) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), byName(a[0], b[0]))
	})
	names, of := map[string]bool{}, map[string]string{}
	var out []object.Object
	for i, g := range all {
		name := m.options.Environment
		if i > 0 {
			name = unique(names, m.options.Environment+"-"+cmp.Or(g[0].into, g[0].account, g[0].name))
		}
		names[name] = true
		for _, d := range g {
			of[d.home+"/"+d.about] = name
		}
		out = append(out, m.environment(name, g))
	}
	m.acrossEnvironments(of)
	slices.SortFunc(out, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	return out
}

func byName(a, b delivery) int {
	return cmp.Or(cmp.Compare(a.home, b.home), cmp.Compare(a.name, b.name), cmp.Compare(a.about, b.about), cmp.Compare(a.path, b.path))
}

// unique is a name that none has: the text as a name, or with a number behind it.
func unique(taken map[string]bool, text string) string {
	const most = 50 // of an Environment's name
	name := label(text, most)
	for n := 2; taken[name]; n++ {
		name = label(text, most-4) + fmt.Sprintf("-%d", n)
	}
	return name
}

func (m *migration) environment(name string, apps []delivery) object.Object {
	first := apps[0]
	destination := map[string]any{"namespace": cmp.Or(first.into, "default"), "serviceAccount": m.account(first)}
	if first.makes {
		destination["createNamespace"] = true
	}
	spec := map[string]any{"sources": m.sources(apps), "destination": destination}
	if first.ends {
		spec["deletion"] = "Prune"
	}
	sync := map[string]any{"suspend": true}
	if first.keeps {
		sync["drift"] = "Report"
	}
	if first.holds {
		sync["prune"] = map[string]any{"maxObjects": 0}
	}
	spec["sync"] = sync
	// Whatever an app holds, now or later: to apply an order as Git has it would set the other engine going again.
	render := map[string]any{"neverApply": m.never}
	if len(first.values) > 0 {
		render["substitute"] = first.values
	}
	if len(first.valuesFrom) > 0 {
		render["substituteFrom"] = first.valuesFrom
	}
	if first.keys != "" {
		render["decryption"] = map[string]any{"secretRef": map[string]any{"name": first.keys}}
	}
	if charts := chartsOf(apps); len(charts) > 0 {
		render["charts"] = charts
	}
	spec["render"] = render
	from := map[string]bool{}
	for _, d := range apps {
		if !slices.Contains(m.heads, d.from) {
			from[d.from] = true
		}
	}
	o := made("Environment", first.home, name, spec)
	return o.With(strings.Join(slices.Concat(m.heads, slices.Sorted(maps.Keys(from))), ","), "metadata", "annotations", MarkFrom)
}

// chartsOf are the repositories of charts that need credentials.
func chartsOf(apps []delivery) []any {
	secrets := map[string]string{}
	for _, d := range apps {
		maps.Copy(secrets, d.charts)
	}
	var out []any
	for _, url := range slices.Sorted(maps.Keys(secrets)) {
		out = append(out, map[string]any{"url": url, "secretRef": map[string]any{"name": secrets[url]}})
	}
	return out
}

func (m *migration) sources(apps []delivery) []any {
	var out []any
	taken := map[string]bool{}
	for _, d := range apps {
		s := map[string]any{"repository": d.repository, "ref": map[string]any{d.ref.kind: d.ref.name}, "path": d.path}
		if !strings.Contains(d.path, "*") {
			name := label(d.name, 63)
			if taken[name] {
				m.note(d.about, "", "a second app named %s: rename one of them in the Environment", name)
			}
			taken[name] = true
			s["name"] = name
		}
		var after []any
		for _, a := range d.after {
			if slices.ContainsFunc(apps, func(o delivery) bool { return o.name == a }) {
				after = append(after, label(a, 63))
			}
		}
		if len(after) > 0 {
			s["dependsOn"] = after
		}
		out = append(out, s)
	}
	return out
}

// account is who applies, and makes it if the other engine used its own rights.
func (m *migration) account(d delivery) string {
	if d.account != "" {
		return d.account
	}
	const name = "deployer"
	m.accounts[d.home] = object.New(map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"namespace": d.home, "name": name},
	})
	m.note("ServiceAccount "+d.home+"/"+name, "", "the apps were applied with the rights of the other engine, mostly all there are. Give this account what they need; "+
		"for the same as before: kubectl create clusterrolebinding %s-%s --clusterrole=cluster-admin --serviceaccount=%s:%s", d.home, name, d.home, name)
	return name
}

// acrossEnvironments notes what waits for an app of another environment: that is not possible.
func (m *migration) acrossEnvironments(of map[string]string) {
	for _, d := range m.deliveries {
		for _, a := range d.after {
			var there string
			for _, o := range m.deliveries {
				if o.home == d.home && o.name == a {
					there = of[o.home+"/"+o.about]
				}
			}
			if there == "" {
				m.note(d.about, "spec.dependsOn", "no app was made of %s: it waits for nothing in its place", a)
			}
			if here := of[d.home+"/"+d.about]; there != "" && there != here {
				m.note(d.about, "spec.dependsOn", "%s is in Environment %s, and an app waits for apps of its own Environment alone", a, there)
			}
		}
	}
}
