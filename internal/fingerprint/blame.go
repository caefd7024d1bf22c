package fingerprint

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Edit is what somebody did to a live object that manager applied.
type Edit struct {
	// Manager is the field manager that did it, Operation "Update" or "Apply", At when. All empty when the server does not tell.
	Manager, Operation string
	At                 time.Time
	// Fields are the changed, removed and added fields, in order.
	Fields []Path
	// Additions says that fields were added which only a take-over of the other manager's entry removes.
	Additions bool
}

// Blame compares what was applied with what is live: which of the applied fields are no longer manager's, and which fields did a
// person (interactive) add. It names the manager that wrote last among those that hold such a field, or, if the fields are simply
// gone, the manager that wrote last at all. Fields at the pointers (RFC 6901) are nobody's addition.
func Blame(applied, live object.Object, manager string, interactive func(string) bool, pointers []string) Edit {
	entries := Entries(live)
	mine := ours(entries, manager)
	ignored := resolve(pointers, mine, live.Content())
	lost := map[Path]bool{}
	lostFields(applied.Content(), mine, "", lost)
	var e Edit
	for _, x := range entries {
		if x.Manager == manager && x.Operation == "Apply" {
			continue
		}
		added := map[Path]bool{}
		if interactive(x.Manager) && takeable(x) {
			collect(x.fields, mine, "", "", func(p Path, name string, owned bool) {
				if !owned && !ignored.cover(name) && !lost[p] && !tolerated(p) && !ownedByMachine(entries, x, p, manager, interactive) {
					added[p] = true
				}
			})
		}
		holds := len(added) > 0
		collect(x.fields, nil, "", "", func(p Path, _ string, _ bool) { holds = holds || lost[p] })
		at, _ := time.Parse(time.RFC3339, x.Time)
		if holds && (e.Manager == "" || at.After(e.At)) {
			e.Manager, e.Operation, e.At = x.Manager, x.Operation, at
		}
		for p := range added {
			lost[p] = true
			e.Additions = true
		}
	}
	for p := range lost {
		e.Fields = append(e.Fields, p)
	}
	slices.Sort(e.Fields)
	if e.Manager == "" && len(e.Fields) > 0 {
		e.Manager, e.Operation, e.At = lastOther(entries, manager)
	}
	return e
}

// Added reports whether a person added fields to the live object: the cheap half of Blame, for each watch event.
func Added(live object.Object, manager string, interactive func(string) bool, pointers []string) bool {
	entries := Entries(live)
	if !slices.ContainsFunc(entries, func(e Entry) bool { return interactive(e.Manager) && takeable(e) }) {
		return false
	}
	return Blame(object.Object{}, live, manager, interactive, pointers).Additions
}

// takeable reports whether an entry's fields can be removed by taking the entry over: status belongs to controllers.
func takeable(e Entry) bool { return e.Subresource == "" || e.Subresource == "scale" }

const lastApplied = "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"

// tolerated are fields that people add as an action rather than as a wish: undoing them would repeat or revert the action. Where Git does not say how many
// replicas there are, removing a person's number would leave one.
func tolerated(p Path) bool { return p == lastApplied || acted(p) }

// acted are the tolerated fields that stay with whoever set them even when the rest of his entry is taken over. Helm's word of which release an object is of stays, since
// it goes on being of it: and an annotation that goes is another generation of a Deployment.
func acted(p Path) bool {
	return strings.HasSuffix(string(p), "[kubectl.kubernetes.io/restartedAt]") || p == "spec.replicas" || strings.HasPrefix(string(p), "metadata.annotations[meta.helm.sh/release-") ||
		strings.HasPrefix(string(p), "metadata.finalizers")
}

// ownedByMachine reports whether a manager that is neither ours nor a person's also owns the field: then it is that manager's.
func ownedByMachine(entries []Entry, not Entry, p Path, manager string, interactive func(string) bool) bool {
	for _, e := range entries {
		if e.Manager == not.Manager || e.Manager == manager || interactive(e.Manager) {
			continue
		}
		found := false
		collect(e.fields, nil, "", "", func(q Path, _ string, _ bool) { found = found || q == p })
		if found {
			return true
		}
	}
	return false
}

// collect visits every leaf of a field tree, and says whether mine owns it too.
func collect(fields, mine map[string]any, at Path, name string, visit func(at Path, name string, owned bool)) {
	for k, v := range fields {
		if k == "." {
			continue
		}
		below, _ := v.(map[string]any)
		my, owned := mine[k].(map[string]any)
		if hasChildren(below) {
			collect(below, my, at.join(k), name+"/"+k, visit)
			continue
		}
		visit(at.join(k), name+"/"+k, owned)
	}
}

// lostFields finds the leaves of applied content that the field tree mine does not cover.
func lostFields(applied any, mine map[string]any, at Path, lost map[Path]bool) {
	switch v := applied.(type) {
	case map[string]any:
		for name, child := range v {
			if at == "" && (name == "apiVersion" || name == "kind") || at == "metadata" && (name == "name" || name == "namespace") {
				continue
			}
			below(mine, "f:"+name, child, at, lost)
		}
	case []any:
		lostItems(v, mine, at, lost)
	}
}

func below(mine map[string]any, key string, child any, at Path, lost map[Path]bool) {
	next, owned := mine[key].(map[string]any)
	switch {
	case !owned && empty(child):
	case !owned && isMap(child):
		lostFields(child, nil, at.join(key), lost)
	case !owned:
		lost[at.join(key)] = true
	case hasChildren(next):
		lostFields(child, next, at.join(key), lost)
	}
}

// lostItems matches a list's items with the "k:" and "v:" elements of the tree. A list without such elements is owned as a whole
// by its parent, and was handled there.
func lostItems(items []any, mine map[string]any, at Path, lost map[Path]bool) {
	for _, item := range items {
		found := false
		for key, v := range mine {
			if !matchesApplied(key, item) {
				continue
			}
			found = true
			if next, _ := v.(map[string]any); hasChildren(next) {
				lostFields(item, next, at.join(key), lost)
			}
		}
		if !found {
			lost[at+Path("["+itemLabel(item, mine)+"]")] = true
		}
	}
}

// matchesApplied reports whether an element of a field tree names an item as it was applied. A key that the item does not state may have been
// defaulted, but one of them must be there.
func matchesApplied(element string, item any) bool {
	keys := keysOf(element)
	m, isMap := item.(map[string]any)
	if keys == nil || !isMap {
		_, _, ok := find(element, []any{item})
		return ok
	}
	stated := false
	for k, want := range keys {
		got, ok := m[k]
		if ok && !sameScalar(got, want) {
			return false
		}
		stated = stated || ok
	}
	return stated
}

// keysOf are the keys of a "k:" element of a field tree, nil for every other element.
func keysOf(element string) map[string]any {
	rest, ok := strings.CutPrefix(element, "k:")
	var keys map[string]any
	if !ok || json.Unmarshal([]byte(rest), &keys) != nil {
		return nil
	}
	return keys
}

// itemLabel names an item by the keys that its list goes by, as far as mine shows which these are.
func itemLabel(item any, mine map[string]any) string {
	m, ok := item.(map[string]any)
	if !ok {
		return plainText(item)
	}
	by := m
	for element := range mine {
		if keys := keysOf(element); keys != nil {
			by = map[string]any{}
			for k := range keys {
				if v, ok := m[k]; ok {
					by[k] = v
				}
			}
		}
	}
	return cmp.Or(label(by), label(m), "…")
}

func isMap(v any) bool { _, ok := v.(map[string]any); return ok }

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// lastOther is the manager that wrote last, if that was after manager applied: nobody else can have removed a field.
func lastOther(entries []Entry, manager string) (name, operation string, at time.Time) {
	since := appliedBy(entries, manager).Time
	others := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return e.Subresource != "" || e.Manager == manager && e.Operation == "Apply" || e.Time < since
	})
	if len(others) == 0 {
		return "", "", time.Time{}
	}
	last := slices.MaxFunc(others, func(a, b Entry) int { return cmp.Compare(a.Time, b.Time) })
	at, _ = time.Parse(time.RFC3339, last.Time)
	return last.Manager, last.Operation, at
}
