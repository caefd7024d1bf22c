package restart

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Mode says which workloads are restarted.
type Mode string

// The modes. The zero Mode is none.
const (
	None      Mode = ""
	Annotated Mode = "Annotated" // those that an annotation asks it for
	All       Mode = "All"       // all but those that an annotation asks to leave
)

// Annotation is that of a pod template which holds the hash.
const Annotation = "fairlead.dev/settings-hash"

// Reference is a ConfigMap or Secret that a workload reads.
type Reference struct {
	Kind, Namespace, Name string
	Keys                  []string // ordered; nil: all
	Matched               bool     // it counts only if it is annotated with reloader.stakater.com/match
}

// templates are where workloads have their pod templates.
var templates = map[object.GroupKind][]string{
	{Group: "apps", Kind: "Deployment"}:     {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}:    {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:      {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:       {"spec", "jobTemplate", "spec", "template"},
	{Group: "argoproj.io", Kind: "Rollout"}: {"spec", "template"},
}

// What Reloader's annotations are called, on workloads and on what they read.
const (
	reloader = "reloader.stakater.com/"
	enabled  = "enabled"
	disabled = "disabled"
)

// References returns what a workload reads and has to be restarted for, ordered: nothing if it is no workload, or is to be left alone. Objects without a namespace
// are in the one given.
//
// With fairlead.dev/restart-on-change: disabled a workload is left alone, and with reloader.stakater.com/auto: "false"; enabled and "true" ask for it where
// only annotated workloads are restarted. {configmap,secret}.reloader.stakater.com/auto ask it for the one kind, …/search for what is annotated with …/match
// itself, and …/reload names further objects, or, where nothing else asks, those alone. Reloader's annotations may be those of the pod template.
func References(o object.Object, mode Mode, namespace string) []Reference {
	path, is := templates[o.Key().GroupKind()]
	own := o.Annotation(app.AnnotationRestart)
	asks := func(name string) string {
		return cmp.Or(o.Annotation(name), o.Text(slices.Concat(path, []string{"metadata", "annotations", name})...))
	}
	if !is || mode == None || own == disabled || own == "" && asks(reloader+"auto") == "false" {
		return nil
	}
	auto := mode == All || own == enabled || asks(reloader+"auto") == "true"
	search := !auto && asks(reloader+"search") == "true"
	f := finder{namespace: cmp.Or(o.Namespace(), namespace), found: map[thing]map[string]bool{}}
	pod, _ := o.At(slices.Concat(path, []string{"spec"})...).(map[string]any)
	f.wanted = map[string]bool{
		"ConfigMap": auto || search || asks("configmap."+reloader+"auto") == "true",
		"Secret":    auto || search || asks("secret."+reloader+"auto") == "true",
	}
	f.pod(pod)
	matched := map[thing]bool{}
	for t := range f.found {
		matched[t] = search && asks(strings.ToLower(t.kind)+"."+reloader+"auto") != "true"
	}
	for kind, prefix := range map[string]string{"ConfigMap": "configmap", "Secret": "secret"} {
		f.wanted[kind] = true
		for name := range strings.SplitSeq(asks(prefix+"."+reloader+"reload"), ",") {
			f.add(kind, strings.TrimSpace(name), "")
			matched[thing{kind, strings.TrimSpace(name)}] = false
		}
		for name := range strings.SplitSeq(asks(prefix+"s.exclude."+reloader+"reload"), ",") {
			delete(f.found, thing{kind, strings.TrimSpace(name)})
		}
	}
	return f.references(matched)
}

// Counts reports whether somebody who refers so to a ConfigMap or Secret is to be restarted for it. What is not there does.
func (r Reference) Counts(o object.Object) bool {
	if r.Matched && o.Annotation(reloader+"match") != "true" {
		return false
	}
	return o.Annotation(app.AnnotationRestart) != disabled && o.Annotation(reloader+"ignore") != "true"
}

// finder collects references.
type finder struct {
	namespace string
	wanted    map[string]bool           // kinds
	found     map[thing]map[string]bool // keys; nil: all
}

type thing struct{ kind, name string }

// add notes that a key of an object is read; empty: all of it.
func (f finder) add(kind, name, key string) {
	if name == "" || !f.wanted[kind] {
		return
	}
	r := thing{kind, name}
	keys, known := f.found[r]
	switch {
	case key == "":
		f.found[r] = nil
	case !known:
		f.found[r] = map[string]bool{key: true}
	case keys != nil:
		keys[key] = true
	}
}

func (f finder) references(matched map[thing]bool) []Reference {
	var out []Reference
	for t, keys := range f.found {
		r := Reference{Kind: t.kind, Namespace: f.namespace, Name: t.name, Matched: matched[t]}
		if keys != nil {
			r.Keys = slices.Sorted(maps.Keys(keys))
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Reference) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return out
}

func (f finder) pod(spec map[string]any) {
	for _, v := range items(spec["volumes"]) {
		f.volume(v, "configMap", "name", "secret", "secretName")
		projected, _ := v["projected"].(map[string]any)
		for _, s := range items(projected["sources"]) {
			f.volume(s, "configMap", "name", "secret", "name")
		}
	}
	for _, list := range []string{"containers", "initContainers"} {
		for _, c := range items(spec[list]) {
			for _, e := range items(c["env"]) {
				from, _ := e["valueFrom"].(map[string]any)
				for kind, field := range map[string]string{"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"} {
					ref, _ := from[field].(map[string]any)
					f.add(kind, text(ref["name"]), text(ref["key"]))
				}
			}
			for _, e := range items(c["envFrom"]) {
				for kind, field := range map[string]string{"ConfigMap": "configMapRef", "Secret": "secretRef"} {
					ref, _ := e[field].(map[string]any)
					f.add(kind, text(ref["name"]), "")
				}
			}
		}
	}
}

// volume notes what a volume, or a source of one, is of.
func (f finder) volume(v map[string]any, configMap, configMapName, secret, secretName string) {
	for kind, at := range map[string][2]string{"ConfigMap": {configMap, configMapName}, "Secret": {secret, secretName}} {
		ref, _ := v[at[0]].(map[string]any)
		name := text(ref[at[1]])
		chosen := items(ref["items"])
		if len(chosen) == 0 {
			f.add(kind, name, "")
		}
		for _, item := range chosen {
			f.add(kind, name, text(item["key"]))
		}
	}
}

func text(v any) string { s, _ := v.(string); return s }

func items(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, x := range list {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Setting is a reference, and what is there; the zero Object if nothing is.
type Setting struct {
	Reference
	Object object.Object
}

// Hash is one of what workloads read, made with a key. About keeps the hashes of different places apart.
func Hash(key []byte, about string, settings []Setting) string {
	h := hmac.New(sha256.New, key)
	write(h, about)
	for _, s := range settings {
		if s.Object.IsZero() {
			continue // that it comes is a change; that it is not there yet is none
		}
		write(h, s.Kind)
		write(h, s.Name)
		data := content(s.Object)
		keys := s.Keys
		if keys == nil {
			keys = slices.Sorted(maps.Keys(data))
		}
		for _, k := range keys {
			if v, there := data[k]; there {
				write(h, k)
				write(h, v)
			}
		}
		write(h, "")
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
}

func write(h hash.Hash, s string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(s)))
	_, _ = h.Write(size[:])
	_, _ = h.Write([]byte(s))
}

// content is what a ConfigMap or Secret holds, by key, as the API server has it.
func content(o object.Object) map[string]string {
	out := map[string]string{}
	for _, field := range []string{"data", "binaryData", "stringData"} { // the last wins, in Secrets
		m, _ := o.At(field).(map[string]any)
		for k, v := range m {
			s := text(v)
			if o.Kind() == "Secret" && field == "data" || field == "binaryData" {
				if raw, err := base64.StdEncoding.DecodeString(s); err == nil {
					s = string(raw)
				}
			}
			out[k] = s
		}
	}
	return out
}

// Mark notes a hash in the pod template of a workload.
func Mark(o object.Object, hash string) object.Object {
	path, is := templates[o.Key().GroupKind()]
	if !is {
		return o
	}
	return o.With(hash, slices.Concat(path, []string{"metadata", "annotations", Annotation})...)
}
