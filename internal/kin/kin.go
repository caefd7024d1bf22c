package kin

import (
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Node is one object, how it is, and what controllers made of it, by kind and then by name.
type Node struct {
	Object object.Object
	Health health.Verdict
	Made   []Node
}

// Ref is one owner reference.
type Ref struct {
	GVK        object.GVK
	Name, UID  string
	Controller bool
}

// Refs are the owner references of an object, the one of its controller first.
func Refs(o object.Object) []Ref {
	list, _ := o.At("metadata", "ownerReferences").([]any)
	var refs []Ref
	for _, item := range list {
		m, _ := item.(map[string]any)
		text := func(name string) string { s, _ := m[name].(string); return s }
		controller, _ := m["controller"].(bool)
		refs = append(refs, Ref{object.ParseGVK(text("apiVersion"), text("kind")), text("name"), text("uid"), controller})
	}
	slices.SortStableFunc(refs, func(a, b Ref) int {
		switch {
		case a.Controller == b.Controller:
			return 0
		case a.Controller:
			return -1
		}
		return 1
	})
	return refs
}

// Claimant is the App that claims an object, the zero Owner if none does. The owner mark alone does not say so: controllers copy labels, as from a Service to its
// EndpointSlices. What is claimed was applied by Fairlead, and the API server keeps a record of who applied what.
func Claimant(o object.Object) app.Owner {
	if owner := app.OwnerOf(o); owner.Name != "" && owner.Namespace != "" && applied(o) {
		return owner
	}
	return app.Owner{}
}

func applied(o object.Object) bool {
	entries, _ := o.At("metadata", "managedFields").([]any)
	for _, e := range entries {
		m, _ := e.(map[string]any)
		if m["manager"] == app.Manager && m["operation"] == "Apply" {
			return true
		}
	}
	return false
}

// Grow arranges objects: those that the app claims, and below each, however deep, those that name it as their owner. An object with several owners is below
// its controller, or else below the first of them that is there. Every object is there once, and what is neither claimed nor below something claimed is left out.
func Grow(all []object.Object, owner app.Owner, judge func(object.Object) health.Verdict) []Node {
	g := growth{judge: judge, made: map[string][]object.Object{}, seen: map[string]bool{}}
	var roots []object.Object
	there := map[string]bool{}
	for _, o := range all {
		there[o.UID()] = true
	}
	for _, o := range all {
		if Claimant(o) == owner {
			roots = append(roots, o)
			continue
		}
		for _, ref := range Refs(o) {
			if there[ref.UID] {
				g.made[ref.UID] = append(g.made[ref.UID], o)
				break
			}
		}
	}
	return g.nodes(roots)
}

type growth struct {
	judge func(object.Object) health.Verdict
	made  map[string][]object.Object // by the uid of the owner
	seen  map[string]bool            // by uid: an object is listed twice at times, and references may form a circle
}

func (g *growth) nodes(objs []object.Object) []Node {
	slices.SortFunc(objs, func(a, b object.Object) int { return compare(a.Key(), b.Key()) })
	var nodes []Node
	for _, o := range objs {
		if g.seen[o.UID()] {
			continue
		}
		g.seen[o.UID()] = true
		nodes = append(nodes, Node{Object: o, Health: g.judge(o), Made: g.nodes(g.made[o.UID()])})
	}
	return nodes
}

// compare puts what runs before what it reads: workloads, then by kind and name.
func compare(a, b object.Key) int {
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra - rb
	}
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	return a.Compare(b)
}

func rank(k object.Key) int {
	switch k.Group {
	case "apps", "batch":
		return 0
	}
	return 1
}

// Spent reports whether an object is kept only for a rollback: a ReplicaSet that is scaled to nothing by its owner, or a ControllerRevision.
func Spent(o object.Object) bool {
	if len(Refs(o)) == 0 || o.Key().Group != "apps" {
		return false
	}
	switch o.Kind() {
	case "ControllerRevision":
		return true
	case "ReplicaSet":
		wanted, set := o.At("spec", "replicas").(int64)
		running, _ := o.At("status", "replicas").(int64)
		return set && wanted == 0 && running == 0
	}
	return false
}

// Prune leaves out what keep says no to, with all below it, and counts how many objects that are.
func Prune(nodes []Node, keep func(Node) bool) (kept []Node, left int) {
	for _, n := range nodes {
		if !keep(n) {
			left += Count(n)
			continue
		}
		var below int
		n.Made, below = Prune(n.Made, keep)
		left += below
		kept = append(kept, n)
	}
	return kept, left
}

// Count is how many objects a node and all below it are.
func Count(nodes ...Node) int {
	count := 0
	for range All(nodes) {
		count++
	}
	return count
}

// All yields nodes and all below them, each before what was made of it, with its depth.
func All(nodes []Node) func(yield func(depth int, n Node) bool) {
	return func(yield func(int, Node) bool) { walk(nodes, 0, yield) }
}

func walk(nodes []Node, depth int, yield func(int, Node) bool) bool {
	for _, n := range nodes {
		if !yield(depth, n) || !walk(n.Made, depth+1, yield) {
			return false
		}
	}
	return true
}
