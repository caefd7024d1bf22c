package restart

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
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
	Readable  Mode = "Readable"  // like All, but for workloads that read what Fairlead may not
)

// Annotation is that of a pod template which holds the hashes. As a label of the workload itself it holds those of what its pods are taken to have read, where the
// template has others, or none. An annotation there would count the Deployment as changed.
const Annotation = "fairlead.dev/settings-hash"

// Reference is a ConfigMap or Secret that a workload reads.
type Reference struct {
	Kind, Namespace, Name string
	Keys                  []string // ordered; nil: all
	Optional              bool     // pods start without it
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
	auto := mode == All || mode == Readable || own == enabled || asks(reloader+"auto") == "true"
	search := !auto && asks(reloader+"search") == "true"
	f := finder{namespace: cmp.Or(o.Namespace(), namespace), found: map[thing]map[string]bool{}, needed: map[thing]bool{}}
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
			f.add(kind, strings.TrimSpace(name), "", true)
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
	needed    map[thing]bool            // not optional
}

type thing struct{ kind, name string }

// add notes that a key of an object is read; empty: all of it.
func (f finder) add(kind, name, key string, optional bool) {
	if name == "" || !f.wanted[kind] {
		return
	}
	r := thing{kind, name}
	f.needed[r] = f.needed[r] || !optional
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
		r := Reference{Kind: t.kind, Namespace: f.namespace, Name: t.name, Optional: !f.needed[t], Matched: matched[t]}
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
					f.add(kind, text(ref["name"]), text(ref["key"]), ref["optional"] == true)
				}
			}
			for _, e := range items(c["envFrom"]) {
				for kind, field := range map[string]string{"ConfigMap": "configMapRef", "Secret": "secretRef"} {
					ref, _ := e[field].(map[string]any)
					f.add(kind, text(ref["name"]), "", ref["optional"] == true)
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
			f.add(kind, name, "", ref["optional"] == true)
		}
		for _, item := range chosen {
			f.add(kind, name, text(item["key"]), ref["optional"] == true)
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
	Unread bool // it may not be read: nobody knows what is there
}

// isUnknown reports whether it is not known what pods that run have read: those that need what is not there have not begun.
func (s Setting) isUnknown() bool { return s.Unread || s.Object.IsZero() && !s.Optional }

// Hash is what workloads read: for each setting a tag, which says which it is, and a hash of what it holds, made with a key; a tag alone of what pods have to wait for,
// and of what may not be read. About keeps the hashes of different places apart. Of many settings there is one hash of all.
func Hash(key []byte, about string, settings []Setting) string {
	hashes := map[string]hash.Hash{}
	out := prints{}
	for _, s := range settings {
		tag := strings.Repeat("0", tagSize)
		if len(settings) <= mostApart {
			tag = digest(tagSize, hmac.New(sha256.New, key), s.Kind, s.Name)
		}
		if out[tag] += ""; s.isUnknown() {
			continue
		}
		if hashes[tag] == nil {
			hashes[tag] = hmac.New(sha256.New, key)
			write(hashes[tag], about)
		}
		h, data, keys := hashes[tag], content(s.Object), s.Keys
		if keys == nil {
			keys = slices.Sorted(maps.Keys(data))
		}
		write(h, s.Kind)
		write(h, s.Name)
		for _, k := range keys {
			if v, there := data[k]; there {
				write(h, k)
				write(h, v)
			}
		}
		write(h, "")
	}
	for tag, h := range hashes {
		out[tag] = digest(hashSize, h)
	}
	return out.text(tagSize + hashSize)
}

// The sizes are of characters of five bits. A label has room for mostApart hashes of three at least.
const (
	tagSize   = 3
	hashSize  = 13
	labelSize = 63
	mostApart = 9
)

// text32 is what may be a label, too.
var text32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func digest(size int, h hash.Hash, more ...string) string {
	for _, m := range more {
		write(h, m)
	}
	return text32.EncodeToString(h.Sum(nil))[:size]
}

// prints are hashes of settings by their tags; empty where nothing is known.
type prints map[string]string

func parse(text string) prints {
	out := prints{}
	for part := range strings.SplitSeq(text, ".") {
		if len(part) >= tagSize {
			out[part[:tagSize]] = part[tagSize:]
		}
	}
	return out
}

// text writes each tag and hash with as many characters as given, at most.
func (p prints) text(size int) string {
	var out []string
	for _, tag := range slices.Sorted(maps.Keys(p)) {
		part := tag + p[tag]
		out = append(out, part[:min(len(part), size)])
	}
	return strings.Join(out, ".")
}

// label is as much of the hashes as a label has room for.
func (p prints) label() string {
	return p.text((labelSize+1)/len(p) - 1)
}

// on are the hashes, and those of an earlier look where nothing is known now. It reports whether something that was known is another.
func (p prints) on(earlier prints) (all prints, changed bool) {
	all = maps.Clone(p)
	for tag, now := range p {
		was := earlier[tag]
		if now == "" {
			all[tag] = was
		}
		changed = changed || !strings.HasPrefix(now, was) && !strings.HasPrefix(was, now)
	}
	return all, changed
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

// Mark notes in the pod template of a workload what it reads.
func Mark(o object.Object, hash string) object.Object {
	if path := inTemplate(o); path != nil {
		return o.With(hash, path...)
	}
	return o
}

// Unmark takes what Mark noted out of a pod template, and what was made to hold it.
func Unmark(o object.Object) object.Object {
	path := inTemplate(o)
	if path == nil || o.At(path...) == nil {
		return o
	}
	o = o.With(nil, path...)
	for holder := path[:len(path)-1]; len(holder) > len(path)-3; holder = holder[:len(holder)-1] { // the annotations and the metadata
		if rest, is := o.At(holder...).(map[string]any); is && len(rest) == 0 {
			o = o.With(nil, holder...)
		}
	}
	return o
}

// inTemplate is where a workload has the hashes; nil if it is none.
func inTemplate(o object.Object) []string {
	path, is := templates[o.Key().GroupKind()]
	if !is {
		return nil
	}
	return slices.Concat(path, []string{"metadata", "annotations", Annotation})
}

// Settle is how a workload, which was marked, is applied over what is live, so that a hash by itself restarts nobody. What is not there yet is made as it is marked.
// The pods of what is there have read what is noted of it, and are taken to have read everything of which nothing is. The template is another only if some of that
// changed: not if a setting comes, or goes, or may not be read any more; and a hash stays that nobody wants.
func Settle(want, live object.Object) object.Object {
	path := inTemplate(want)
	if path == nil || live.IsZero() {
		return want
	}
	template, taken := live.Text(path...), live.Label(Annotation)
	marked := want.Text(path...)
	if marked == "" {
		if template != "" {
			want = want.With(template, path...)
		}
		return want
	}
	all, changed := parse(marked).on(parse(cmp.Or(taken, template)))
	if changed {
		return want.With(all.text(tagSize+hashSize), path...)
	}
	if template == "" {
		want = Unmark(want)
	} else {
		want = want.With(template, path...)
	}
	if text := all.text(tagSize + hashSize); text != template {
		want = want.With(all.label(), "metadata", "labels", Annotation)
	}
	return want
}
