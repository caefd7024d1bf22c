package kubetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Random makes requests about a few objects of a few kinds by a few managers, the same for the same seed. They are such that a second that passes between
// two of them makes no difference.
func Random(seed uint64, count int) []Op {
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	ops := make([]Op, 0, count)
	for range count {
		ops = append(ops, g.op())
	}
	return ops
}

type generator struct{ *rand.Rand }

// pick returns one of several.
func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

// chance is true in one of n cases.
func (g generator) chance(n int) bool { return g.IntN(n) == 0 }

// some returns a part of several, in order.
func (g generator) some(of ...string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(string) bool { return g.chance(2) })
}

func (g generator) op() Op {
	k := pick(g, randomKinds...)
	name := pick(g, "one", "two")
	o := Op{At: k.at + "/" + name, As: pick(g, "ann", "bob", "fairlead"), DryRun: g.chance(8), Validation: pick(g, "", "Strict", "Ignore")}
	body := k.body(g)
	body["metadata"] = g.metadata()
	switch g.IntN(20) {
	case 0, 1:
		o.Do, o.Body = "create", whole(k, name, body)
	case 2, 3, 4:
		o.Do, o.Onto, o.Body = "update", g.chance(2), whole(k, name, body)
	case 5, 6, 7:
		o.Do, o.Body = "merge", g.nulls(body)
	case 8, 9:
		o.Do, o.Body = "json", g.operations(k)
	case 10:
		o = Op{Do: "delete", At: o.At, DryRun: g.chance(4), Policy: pick(g, "", "Background", "Orphan", "Foreground")}
		if g.chance(2) {
			o.UID, o.RV = "$uid("+name+")", "$rv("+name+")"
		}
	case 11, 12:
		if k.status == nil {
			return Op{Do: "get", At: o.At}
		}
		body = map[string]any{"status": k.status(g), "metadata": g.metadata()}
		o.At += "/status"
		if o.Do, o.Body = "merge", any(body); g.chance(2) {
			o.Do, o.Force, o.Body = "apply", g.chance(2), whole(k, name, body)
		}
	default:
		o.Do, o.Force, o.Body = "apply", !g.chance(3), whole(k, name, body)
	}
	return o
}

func whole(k randomKind, name string, body map[string]any) map[string]any {
	body["apiVersion"], body["kind"] = k.apiVersion, k.kind
	m, _ := body["metadata"].(map[string]any)
	m["name"] = name
	return body
}

func (g generator) metadata() map[string]any {
	m := map[string]any{}
	if g.chance(2) {
		m["labels"] = g.texts(pick(g, "x", "y"), g.some("l1", "l2")...)
	}
	if g.chance(3) {
		m["annotations"] = g.texts("x", g.some("a1", "a2")...)
	}
	if g.chance(8) {
		list := []any{}
		for _, f := range g.some("test.fairlead.dev/f1", "test.fairlead.dev/f2") {
			list = append(list, f)
		}
		m["finalizers"] = list
	}
	return m
}

func (g generator) texts(prefix string, keys ...string) map[string]any {
	m := map[string]any{}
	for _, k := range keys {
		m[k] = fmt.Sprint(prefix, g.IntN(2))
	}
	return m
}

// nulls puts nulls into a merge patch: they remove.
func (g generator) nulls(m map[string]any) map[string]any {
	for _, k := range sortedKeys(m) {
		below, ok := m[k].(map[string]any)
		switch {
		case k != "metadata" && k != "spec" && g.chance(10):
			m[k] = nil
		case ok:
			m[k] = g.nulls(below)
		}
	}
	return m
}

// operations is a JSON patch.
func (g generator) operations(k randomKind) []any {
	var ops []any
	for range 1 + g.IntN(2) {
		path := pick(g, k.paths...)
		op := map[string]any{"op": pick(g, "remove", "replace", "add", "test"), "path": path, "value": fmt.Sprint("v", g.IntN(2))}
		if op["op"] == "remove" {
			delete(op, "value")
		}
		ops = append(ops, op)
	}
	return ops
}

// randomKind is how random objects of a kind are made.
type randomKind struct {
	at, apiVersion, kind string
	paths                []string
	body, status         func(generator) map[string]any
}

var randomKinds = []randomKind{
	{
		at: "configmaps", apiVersion: "v1", kind: "ConfigMap", paths: []string{"/data/a", "/data/b", "/metadata/labels/l1", "/data", "/metadata/managedFields/0"},
		body: func(g generator) map[string]any {
			m := map[string]any{"data": g.texts("v", g.some("a", "b", "c")...)}
			if g.chance(10) {
				m["immutable"] = g.chance(3)
			}
			return m
		},
	},
	{
		at: "secrets", apiVersion: "v1", kind: "Secret", paths: []string{"/data/a", "/stringData/b", "/metadata/annotations/a1"},
		body: func(g generator) map[string]any {
			m := map[string]any{}
			if g.chance(2) {
				m["stringData"] = g.texts("v", g.some("a", "b")...)
			} else {
				m["data"] = map[string]any{"a": pick(g, "eA==", "eQ==")}
			}
			return m
		},
	},
	{
		at: "services", apiVersion: "v1", kind: "Service", paths: []string{"/spec/selector/s1", "/spec/ports/0/name", "/spec/sessionAffinity", "/spec/ports/1"},
		body: func(g generator) map[string]any {
			var ports []any
			for _, p := range g.some("80", "81", "82") {
				port := map[string]any{"name": "p" + p, "port": map[string]any{"80": 80, "81": 81, "82": 82}[p]}
				if g.chance(3) {
					port["targetPort"] = pick[any](g, 8080, "http")
				}
				if g.chance(4) {
					port["protocol"] = pick(g, "TCP", "UDP")
				}
				ports = append(ports, port)
			}
			spec := map[string]any{"selector": g.texts("v", g.some("s1", "s2")...)}
			if ports != nil {
				spec["ports"] = ports
			}
			return map[string]any{"spec": spec}
		},
	},
	{
		at: "deployments.apps/v1", apiVersion: "apps/v1", kind: "Deployment",
		paths: []string{"/spec/replicas", "/spec/template/spec/containers/0/image", "/metadata/labels/l1", "/spec/template/spec/containers/1", "/spec/paused"},
		body: func(g generator) map[string]any {
			var containers []any
			for _, name := range append([]string{"main"}, g.some("side", "more")...) {
				c := map[string]any{"name": name, "image": pick(g, "i:1", "i:2", "i")}
				if g.chance(2) {
					var env []any
					for _, e := range g.some("A", "B", "C") {
						env = append(env, map[string]any{"name": e, "value": pick(g, "1", "2")})
					}
					c["env"] = env
				}
				if g.chance(3) {
					c["ports"] = []any{map[string]any{"containerPort": pick(g, 80, 81)}}
				}
				containers = append(containers, c)
			}
			if g.chance(4) {
				slices.Reverse(containers)
			}
			spec := map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"app": "a"}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "a"}}, "spec": map[string]any{"containers": containers}},
			}
			if g.chance(2) {
				spec["replicas"] = g.IntN(3)
			}
			if g.chance(4) {
				spec["strategy"] = map[string]any{"type": pick(g, "RollingUpdate", "RollingUpdate", "Recreate")}
			}
			if g.chance(20) {
				spec["nonsense"] = true
			}
			return map[string]any{"spec": spec}
		},
		status: func(g generator) map[string]any {
			return map[string]any{"replicas": g.IntN(3), "observedGeneration": g.IntN(4), "conditions": g.conditions("Available", "Progressing")}
		},
	},
	{
		at: "widgets.test.fairlead.dev/v1", apiVersion: "test.fairlead.dev/v1", kind: "Widget",
		paths: []string{"/spec/title", "/spec/parts/0/side", "/spec/tags/0", "/spec/limits", "/spec/extra/e1", "/metadata/annotations", "/status/phase"},
		body:  randomWidget, status: func(g generator) map[string]any {
			m := map[string]any{"conditions": g.conditions("Ready", "Synced")}
			if g.chance(2) {
				m["phase"] = pick(g, "Ready", "Broken")
			}
			return m
		},
	},
}

func randomWidget(g generator) map[string]any {
	spec := map[string]any{}
	if !g.chance(6) {
		spec["size"] = g.IntN(3)
	}
	if g.chance(3) {
		spec["color"] = pick[any](g, "red", "green", nil)
	}
	if g.chance(2) {
		tags := []any{}
		for _, t := range g.some("t1", "t2", "t3") {
			tags = append(tags, t)
		}
		spec["tags"] = tags
	}
	if g.chance(2) {
		parts := []any{}
		for _, name := range g.some("p1", "p2", "p3") {
			p := map[string]any{"name": name}
			if g.chance(2) {
				p["count"] = g.IntN(2)
			}
			if g.chance(2) {
				p["side"] = pick(g, "left", "right")
			}
			parts = append(parts, p)
		}
		spec["parts"] = parts
	}
	if g.chance(3) {
		spec["limits"] = g.texts("v", g.some("cpu", "memory")...)
	}
	if g.chance(3) {
		spec["steps"] = []any{pick(g, "a", "b"), pick(g, "a", "b")}
	}
	if g.chance(3) {
		spec["extra"] = map[string]any{pick(g, "e1", "e2"): pick[any](g, "x", 1, []any{"y", map[string]any{"z": true}}, map[string]any{"deep": "er"})}
	}
	if g.chance(4) {
		spec["note"] = pick[any](g, nil, "n")
	}
	if g.chance(4) {
		spec["title"] = pick[any](g, "short", "UPPER", 3)
	}
	if spec["title"] != 3 && g.chance(12) { // of two such faults a server names one, or both, as it likes
		spec["unknown"] = pick[any](g, "field", nil)
	}
	return map[string]any{"spec": spec}
}

func (g generator) conditions(types ...string) []any {
	list := []any{}
	for _, t := range g.some(types...) {
		list = append(list, map[string]any{"type": t, "status": pick(g, "True", "False")})
	}
	return list
}
