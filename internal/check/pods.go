package check

import (
	"github.com/fairlead-cd/fairlead/internal/object"
)

// workload is something that makes pods.
type workload struct {
	*thing
	spec   object.Path // of the pod
	labels map[string]any
}

// podPath is where the pod of a kind is written. Custom kinds that have a template of pods, as Rollouts do, count as well.
func podPath(o object.Object) (object.Path, bool) {
	switch o.Kind() {
	case "Pod":
		return nil, o.APIVersion() == "v1"
	case "PodTemplate":
		return object.PathOf("template"), o.APIVersion() == "v1"
	case "CronJob":
		return object.PathOf("spec", "jobTemplate", "spec", "template"), true
	}
	_, ok := o.At("spec", "template", "spec", "containers").([]any)
	return object.PathOf("spec", "template"), ok
}

func workloadOf(t *thing) *workload {
	p, ok := podPath(t.Object)
	if !ok {
		return nil
	}
	labels, _ := t.Follow(p.Field("metadata", "labels"))
	m, _ := labels.(map[string]any)
	return &workload{thing: t, spec: p.Field("spec"), labels: m}
}

// at is a value and the path that leads to it.
type at struct {
	path  object.Path
	value map[string]any
}

// text is a field of the value.
func (a at) text(name string) string { s, _ := a.value[name].(string); return s }

// field is a map in the value; its value is nil if there is none.
func (a at) field(name string) at {
	m, _ := a.value[name].(map[string]any)
	return at{a.path.Field(name), m}
}

// items are the maps of a list in the value.
func (a at) items(names ...string) []at {
	var out []at
	for _, name := range names {
		list, _ := a.value[name].([]any)
		for i, item := range list {
			if m, ok := item.(map[string]any); ok {
				out = append(out, at{a.path.Field(name).Item(i), m})
			}
		}
	}
	return out
}

// at is the map at a path of an object.
func (t *thing) at(p object.Path) at {
	v, _ := t.Follow(p)
	m, _ := v.(map[string]any)
	return at{p, m}
}

func (t *thing) root() at { return at{nil, t.Content()} }

// pod is the pod that an object makes; ok is false if it makes none.
func (t *thing) pod() (at, bool) {
	w := workloadOf(t)
	if w == nil {
		return at{}, false
	}
	return t.at(w.spec), true
}

// containers are all containers of a pod.
func containers(pod at) []at { return pod.items("initContainers", "containers", "ephemeralContainers") }

// reference is something that an object names.
type reference struct {
	path     object.Path // of the name
	kind     object.GroupKind
	name     string
	optional bool
	keys     []keyReference
}

type keyReference struct {
	path object.Path
	key  string
}

// refer reads a reference to a ConfigMap or a Secret.
func refer(kind string, a at, nameField string) reference {
	optional, _ := a.value["optional"].(bool)
	r := reference{path: a.path.Field(nameField), kind: object.GroupKind{Kind: kind}, name: a.text(nameField), optional: optional}
	if key := a.text("key"); key != "" {
		r.keys = append(r.keys, keyReference{a.path.Field("key"), key})
	}
	for _, item := range a.items("items") {
		if key := item.text("key"); key != "" {
			r.keys = append(r.keys, keyReference{item.path.Field("key"), key})
		}
	}
	return r
}

// configReferences are the ConfigMaps and Secrets that a pod names.
func configReferences(pod at) []reference {
	var out []reference
	add := func(kind string, a at, nameField string) {
		if r := refer(kind, a, nameField); r.name != "" {
			out = append(out, r)
		}
	}
	for _, v := range pod.items("volumes") {
		add("ConfigMap", v.field("configMap"), "name")
		add("Secret", v.field("secret"), "secretName")
		for _, s := range v.field("projected").items("sources") {
			add("ConfigMap", s.field("configMap"), "name")
			add("Secret", s.field("secret"), "name")
		}
	}
	for _, c := range containers(pod) {
		for _, e := range c.items("envFrom") {
			add("ConfigMap", e.field("configMapRef"), "name")
			add("Secret", e.field("secretRef"), "name")
		}
		for _, e := range c.items("env") {
			add("ConfigMap", e.field("valueFrom").field("configMapKeyRef"), "name")
			add("Secret", e.field("valueFrom").field("secretKeyRef"), "name")
		}
	}
	for _, s := range pod.items("imagePullSecrets") {
		add("Secret", s, "name")
	}
	return out
}
