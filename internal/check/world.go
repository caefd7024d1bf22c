package check

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

// world is all objects that are known, and what may be asked of them.
type world struct {
	apps    []*member
	catalog *schema.Catalog
	custom  map[object.GVK]schema.Kind
	config  Config
	byKind  map[object.GroupKind]map[string][]*thing // by name
	pods    []*workload
	makers  []*thing        // objects of custom kinds, whose controllers may make others
	spaces  map[string]bool // namespaces that somebody makes
	said    map[string]bool // what is said once
	rules   []string
}

// member is an app of the world.
type member struct {
	App
	objects []*thing
	keys    map[object.Key]bool
}

// thing is an object in its place.
type thing struct {
	object.Object
	app       *member
	key       object.Key // with the namespace that it gets
	clustered bool
	known     bool // its scope
	checked   bool
	faults    []schema.Problem
}

func newWorld(in Input) *world {
	w := &world{
		catalog: in.Catalog, config: in.Config, custom: map[object.GVK]schema.Kind{}, byKind: map[object.GroupKind]map[string][]*thing{},
		spaces: map[string]bool{}, said: map[string]bool{}, rules: ruleNames(),
	}
	for _, d := range in.Definitions {
		maps.Copy(w.custom, schema.Custom(d, w.catalog.Metadata()))
	}
	for _, a := range in.Apps {
		for _, o := range a.Objects {
			if schema.IsDefinition(o) {
				maps.Copy(w.custom, schema.Custom(o, w.catalog.Metadata()))
			}
		}
	}
	for _, a := range in.Apps {
		w.add(a)
	}
	return w
}

func (w *world) add(a App) {
	m := &member{App: a, keys: map[object.Key]bool{}}
	w.apps = append(w.apps, m)
	if a.Namespace != "" {
		w.spaces[a.Namespace] = true
	}
	for _, o := range a.Objects {
		t := w.placed(m, o)
		m.objects = append(m.objects, t)
		m.keys[t.key] = true
		kind := o.Key().GroupKind()
		if w.byKind[kind] == nil {
			w.byKind[kind] = map[string][]*thing{}
		}
		w.byKind[kind][o.Name()] = append(w.byKind[kind][o.Name()], t)
		if kind == (object.GroupKind{Kind: "Namespace"}) {
			w.spaces[o.Name()] = true
		}
		if p := workloadOf(t); p != nil {
			w.pods = append(w.pods, p)
		}
		if w.isCustom(o.GVK()) && !schema.IsDefinition(o) {
			w.makers = append(w.makers, t)
		}
	}
}

// placed puts an object where the app's objects go.
func (w *world) placed(m *member, o object.Object) *thing {
	t := &thing{Object: o, app: m, key: o.Key()}
	namespaced, known := w.scope(o.GVK())
	t.known, t.clustered = known, known && !namespaced
	switch {
	case t.clustered:
		t.key.Namespace = ""
	case t.key.Namespace == "":
		t.key.Namespace = m.Namespace
	}
	return t
}

// scope reports whether a kind lives in namespaces, and whether that is known.
func (w *world) scope(gvk object.GVK) (namespaced, known bool) {
	if k, ok := w.custom[gvk]; ok {
		return k.Namespaced, true
	}
	return w.catalog.Namespaced(gvk.GroupKind())
}

// kind is what is known of a kind at its version.
func (w *world) kind(gvk object.GVK) (schema.Kind, bool) {
	if k, ok := w.catalog.Find(gvk); ok {
		return k, true
	}
	k, ok := w.custom[gvk]
	return k, ok
}

// isCustom reports whether a kind is none of Kubernetes' own, of any version.
func (w *world) isCustom(gvk object.GVK) bool {
	if _, ok := w.catalog.Namespaced(gvk.GroupKind()); ok {
		return false
	}
	_, ok := schema.LifecycleOf(gvk, w.catalog.Version())
	return !ok
}

// problems are what the schema of its kind says of an object.
func (t *thing) problems(w *world) []schema.Problem {
	if !t.checked {
		t.checked = true
		if k, ok := w.kind(t.GVK()); ok {
			t.faults = schema.Validate(k.Schema, t.Content())
		}
	}
	return t.faults
}

// place is where a field is written.
func (t *thing) place(p object.Path, at origin.At) origin.Place {
	if t.app.Origins == nil {
		return origin.Place{File: t.Origin().File, Line: t.Origin().Line}
	}
	return t.app.Origins.Find(t.Object, p, at)
}

// find returns the objects of a kind and name that something in an app can mean. An unknown namespace may be any.
func (w *world) find(from *member, kind object.GroupKind, namespace, name string) []*thing {
	var out []*thing
	for _, t := range w.byKind[kind][name] {
		if w.near(from, t, namespace) {
			out = append(out, t)
		}
	}
	return out
}

// near reports whether an object can be in the cluster in which an app is, and in a namespace of it.
func (w *world) near(from *member, t *thing, namespace string) bool {
	if !t.clustered && t.key.Namespace != namespace && t.key.Namespace != "" && namespace != "" {
		return false
	}
	return t.app == from || !rivals(from, t.app)
}

// rivals reports whether two apps cannot be in one cluster, since both want the same object: overlays of one base for several places.
// Apps of one group are in one cluster, whatever they want.
func rivals(a, b *member) bool {
	if a == b || a.Group != "" && a.Group == b.Group {
		return false
	}
	if len(b.keys) < len(a.keys) {
		a, b = b, a
	}
	for k := range a.keys {
		// A namespace is often written in each app that lives in it.
		if b.keys[k] && k.Kind != "Namespace" {
			return true
		}
	}
	return false
}

// any reports whether there are objects of a kind in a namespace that an app can mean; in any namespace if it is "*".
func (w *world) any(from *member, kind object.GroupKind, namespace string) bool {
	for _, same := range w.byKind[kind] {
		for _, t := range same {
			if namespace == "*" || w.near(from, t, namespace) {
				return true
			}
		}
	}
	return false
}

// holds reports whether the tree has objects of a kind that are said to be in a namespace: then it may be expected to hold all of them.
func (w *world) holds(kind object.GroupKind, namespace string) bool {
	for _, same := range w.byKind[kind] {
		if slices.ContainsFunc(same, func(t *thing) bool { return t.key.Namespace == namespace }) {
			return true
		}
	}
	return false
}

// names are those of the objects of a kind that an app can mean.
func (w *world) names(from *member, kind object.GroupKind, namespace string) []string {
	var out []string
	for name, same := range w.byKind[kind] {
		if slices.ContainsFunc(same, func(t *thing) bool { return w.near(from, t, namespace) }) {
			out = append(out, hashed.ReplaceAllString(name, "")) // people write the name without the hash
		}
	}
	slices.Sort(out)
	return out
}

// hashed is what Kustomize adds to the names of what it generates.
var hashed = regexp.MustCompile(`-[2456789bcdfghkmt]{10}$`)

// made reports whether something that the tree does not hold may be made by somebody: said to be so in the configuration, or by the controller of a custom
// resource beside it, which is named by it or named alike.
func (w *world) made(from *member, kind object.GroupKind, namespace, name string) bool {
	if w.config.isExternal(kind, namespace, name) || wellKnown(kind, namespace, name) {
		return true
	}
	for _, t := range w.makers {
		if t.key.Namespace != "" && namespace != "" && t.key.Namespace != namespace && !t.clustered {
			continue
		}
		alike := t.Name() == name || strings.HasPrefix(name, t.Name()+"-")
		if (alike || mentions(t.Content(), name, 0)) && (t.app == from || !rivals(from, t.app)) && !refersOnly(t) {
			return true
		}
	}
	return false
}

// refersOnly are custom kinds whose controllers make nothing that others refer to: what they name has to be there.
func refersOnly(t *thing) bool {
	switch t.GVK().Group {
	case "gateway.networking.k8s.io", "keda.sh", "autoscaling.k8s.io", "monitoring.coreos.com", "traefik.io", "traefik.containo.us":
		return t.Kind() != "Prometheus" && t.Kind() != "Alertmanager" && t.Kind() != "Gateway"
	}
	return false
}

// mentions reports whether a text is anywhere in a value.
func mentions(v any, text string, depth int) bool {
	const deep = 60
	switch v := v.(type) {
	case string:
		return v == text
	case []any:
		return depth < deep && slices.ContainsFunc(v, func(item any) bool { return mentions(item, text, depth+1) })
	case map[string]any:
		for _, item := range v {
			if depth < deep && mentions(item, text, depth+1) {
				return true
			}
		}
	}
	return false
}

// wellKnown are objects that Kubernetes itself, or what is in nearly every cluster, makes.
func wellKnown(kind object.GroupKind, namespace, name string) bool {
	switch kind.Kind {
	case "ServiceAccount":
		return name == "default" || strings.HasPrefix(namespace, "kube-")
	case "ConfigMap":
		return slices.Contains([]string{"kube-root-ca.crt", "istio-ca-root-cert", "openshift-service-ca.crt"}, name) || strings.HasPrefix(namespace, "kube-")
	case "Service":
		return name == "kubernetes" && (namespace == "default" || namespace == "") || strings.HasPrefix(namespace, "kube-")
	case "ClusterRole":
		return slices.Contains([]string{"cluster-admin", "admin", "edit", "view"}, name) || strings.HasPrefix(name, "system:")
	case "Role":
		return strings.HasPrefix(name, "system:") || strings.HasPrefix(name, "extension-apiserver-") || strings.HasPrefix(namespace, "kube-")
	case "PriorityClass":
		return strings.HasPrefix(name, "system-")
	}
	return false
}
