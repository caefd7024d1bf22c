package fingerprint

import (
	"maps"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// earlier are the field managers of systems that an object may have been applied with before Fairlead. Their entries are merged into
// Fairlead's when an object is adopted, so that a field that is removed from Git is removed from the cluster.
// Names: Kubernetes (before-first-apply, kubectl), Argo CD, Flux, Helm; and the installation of Fairlead itself, which may be in Git later.
var earlier = map[string]bool{
	"before-first-apply": true, "kubectl-client-side-apply": true, "kubectl-last-applied": true, "kubectl": true, "kubectl-create": true,
	"argocd-controller": true, "argocd-application-controller": true,
	"kustomize-controller": true, "helm-controller": true, "helm": true, "Helm": true, "flux": true,
	"fairlead-install": true,
}

// Earlier reports whether manager is one whose entries an adoption takes over.
func Earlier(manager string) bool { return earlier[manager] }

// Takeover merges the entries of the managers that take chooses into manager's own, and returns the managedFields to write. It
// returns false if there is nothing to take. The values of the object stay as they are: what manager then does not apply is removed by
// its next apply. What stays with its manager: the fields at the pointers, which manager does not look after, and what was an action rather than a wish.
func Takeover(live object.Object, manager, apiVersion string, take func(manager string) bool, pointers []string) ([]any, bool) {
	list, _ := live.At("metadata", "managedFields").([]any)
	ignored := resolve(pointers, ours(Entries(live), manager), live.Content())
	var kept []any
	var merged map[string]any
	time, taken := "", false
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, _ := m["manager"].(string)
		sub, _ := m["subresource"].(string)
		fields, ok := m["fieldsV1"].(map[string]any)
		op, _ := m["operation"].(string)
		mine := name == manager && op == "Apply" && sub == ""
		theirs := take(name) && name != manager && takeable(Entry{Subresource: sub})
		if !ok || !mine && !theirs {
			kept = append(kept, e)
			continue
		}
		if theirs {
			var left map[string]any
			if fields, left = split(fields, "", "", ignored); left != nil {
				kept = append(kept, withFields(m, left))
			}
		}
		merged = union(merged, fields)
		if t, _ := m["time"].(string); t > time {
			time = t
		}
		taken = taken || theirs && len(fields) > 0
	}
	if !taken {
		return nil, false
	}
	entry := map[string]any{
		"manager": manager, "operation": "Apply", "apiVersion": apiVersion,
		"fieldsType": "FieldsV1", "fieldsV1": merged,
	}
	if time != "" {
		entry["time"] = time
	}
	return append(kept, entry), true
}

// split divides a field tree into what is taken over and what stays with its manager; nil for none.
func split(fields map[string]any, at Path, name string, ignored names) (take, leave map[string]any) {
	put := func(m *map[string]any, k string, v any) {
		if *m == nil {
			*m = map[string]any{}
		}
		(*m)[k] = v
	}
	for k, v := range fields {
		below, _ := v.(map[string]any)
		switch {
		case k == ".":
		case ignored[name+"/"+k], !hasChildren(below) && acted(at.join(k)):
			put(&leave, k, v)
		case hasChildren(below):
			t, l := split(below, at.join(k), name+"/"+k, ignored)
			if t != nil {
				put(&take, k, t)
			}
			if l != nil {
				put(&leave, k, l)
			}
		default:
			put(&take, k, v)
		}
	}
	if dot, ok := fields["."]; ok {
		if take != nil || leave == nil {
			put(&take, ".", dot)
		}
		if leave != nil {
			put(&leave, ".", dot)
		}
	}
	return take, leave
}

func withFields(entry, fields map[string]any) map[string]any {
	out := maps.Clone(entry)
	out["fieldsV1"] = fields
	return out
}

// forgotten is the manager to which the API server gives all fields of an object without managedFields when somebody applies it, so that it has two owners
// and nothing is ever removed again.
const forgotten = "before-first-apply"

// Unshare takes what manager owns out of the entry that the API server made of an object whose managedFields were emptied, and returns the managedFields to
// write. It returns false if there is no such entry, or nothing in common. What Git never had stays with that entry: defaults, and what was allocated.
func Unshare(live object.Object, manager string) ([]any, bool) {
	mine := ours(Entries(live), manager)
	list, _ := live.At("metadata", "managedFields").([]any)
	out := make([]any, 0, len(list))
	shared := false
	for _, e := range list {
		m, _ := e.(map[string]any)
		fields, ok := m["fieldsV1"].(map[string]any)
		if m["manager"] != forgotten || !ok {
			out = append(out, e)
			continue
		}
		left, common := without(fields, mine)
		shared = shared || common
		if len(left) > 0 {
			out = append(out, withFields(m, left))
		}
	}
	return out, shared && len(mine) > 0
}

// without returns what of a field tree is not in another one, and whether anything is in both.
func without(fields, other map[string]any) (left map[string]any, common bool) {
	left = map[string]any{}
	for k, v := range fields {
		theirs, both := other[k].(map[string]any)
		if !both {
			left[k] = v
			continue
		}
		common = true
		below, _ := v.(map[string]any)
		if rest, _ := without(below, theirs); len(rest) > 0 {
			left[k] = rest
		}
	}
	return left, common
}
