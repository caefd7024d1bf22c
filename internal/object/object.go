package object

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Origin is where an object was written down: a file of the source tree and the line on which it begins.
// Line is 1-based; 0 means that only the file is known.
type Origin struct {
	File string
	Line int
}

// String is "file:line", "file", or "" when nothing is known.
func (o Origin) String() string {
	if o.Line > 0 {
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	}
	return o.File
}

// Object is one Kubernetes object as a read-only value: JSON content (string, bool, int64, float64, nil, []any,
// map[string]any) and where it was written. Methods that change something return a new Object and share what they
// did not touch. The zero Object is absent: IsZero is true and every accessor returns a zero value.
//
// Printing an Object never shows its content, so that a Secret cannot reach a log by accident.
type Object struct {
	content map[string]any
	origin  Origin
	veiled  []string
	memo    *memo // shared by the copies of one value
}

// memo is what was found out about a value and does not change.
type memo struct {
	hash atomic.Pointer[string]
	key  atomic.Pointer[Key]
}

// once returns what is noted, or finds it out and notes it. Two that ask at once may both find it out: it is the same.
func once[T any](noted *atomic.Pointer[T], find func() T) T {
	if known := noted.Load(); known != nil {
		return *known
	}
	found := find()
	noted.Store(&found)
	return found
}

// New wraps content, which must not be changed afterwards. Numbers must be int64 or float64.
func New(content map[string]any) Object { return Object{content: content, memo: &memo{}} }

// IsZero reports whether the object is absent.
func (o Object) IsZero() bool { return o.content == nil }

// Content returns the object's content. The caller must not change it.
func (o Object) Content() map[string]any { return o.content }

// Origin returns where the object was written; zero if unknown.
func (o Object) Origin() Origin { return o.origin }

// WithOrigin returns the object with another origin.
func (o Object) WithOrigin(at Origin) Object { o.origin = at; return o }

// Veiled returns the paths of fields whose values come out of a Secret though the object is none, as package diff writes paths: nothing that people see may
// show them. The caller must not change it.
func (o Object) Veiled() []string { return o.veiled }

// WithVeiled returns the object with other such paths.
func (o Object) WithVeiled(paths []string) Object { o.veiled = paths; return o }

// String names the object without showing its content.
func (o Object) String() string {
	if o.IsZero() {
		return "no object"
	}
	return o.Key().String()
}

// GoString is String, so that %#v shows no content either.
func (o Object) GoString() string { return o.String() }

// Format prints String for every verb: no formatting shows content.
func (o Object) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(o.String())) }

// MarshalJSON gives only the name, so that a structured log shows no content either. Use JSON for the content.
func (o Object) MarshalJSON() ([]byte, error) { return json.Marshal(o.String()) }

// JSON returns the whole content, Secrets included: for the API server and the bundle only.
func (o Object) JSON() []byte {
	b, err := json.Marshal(o.content)
	if err != nil {
		panic(fmt.Sprintf("object %s: content is not JSON: %v", o, err)) // Invariant: content is JSON by construction.
	}
	return b
}

// Hash is a digest of the content: equal content, equal hash, whatever the order of its keys. It is made once for all copies of a value.
func (o Object) Hash() string {
	if o.IsZero() {
		return o.hash()
	}
	return once(&o.memo.hash, o.hash)
}

func (o Object) hash() string {
	sum := sha256.Sum256(o.JSON())
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Is reports whether o is a copy of p, which costs nothing to find out. If it is false, their content may be equal all the same.
func (o Object) Is(p Object) bool {
	return o.memo != nil && o.memo == p.memo && o.origin == p.origin && slices.Equal(o.veiled, p.veiled)
}

// Key returns the object's identity as written. An object that does not name a namespace has none in its key.
func (o Object) Key() Key {
	if o.IsZero() {
		return Key{}
	}
	return once(&o.memo.key, o.key)
}

func (o Object) key() Key {
	group, _ := splitAPIVersion(o.APIVersion())
	return Key{Group: group, Kind: o.Kind(), Namespace: o.Namespace(), Name: o.Name()}
}

func splitAPIVersion(v string) (group, version string) {
	if i := strings.IndexByte(v, '/'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return "", v
}

// APIVersion returns apiVersion, such as "apps/v1".
func (o Object) APIVersion() string { return o.Text("apiVersion") }

// Version returns the version part of apiVersion, such as "v1".
func (o Object) Version() string { _, v := splitAPIVersion(o.APIVersion()); return v }

// Kind returns kind.
func (o Object) Kind() string { return o.Text("kind") }

// Name returns metadata.name.
func (o Object) Name() string { return o.Text("metadata", "name") }

// Namespace returns metadata.namespace.
func (o Object) Namespace() string { return o.Text("metadata", "namespace") }

// UID returns metadata.uid: empty for an object that no API server has seen.
func (o Object) UID() string { return o.Text("metadata", "uid") }

// ResourceVersion returns metadata.resourceVersion. It is empty in the answer to a dry run that would create.
func (o Object) ResourceVersion() string { return o.Text("metadata", "resourceVersion") }

// Generation returns metadata.generation, 0 if there is none.
func (o Object) Generation() int64 { n, _ := o.At("metadata", "generation").(int64); return n }

// Created returns metadata.creationTimestamp, the zero time if there is none.
func (o Object) Created() time.Time { return o.Time("metadata", "creationTimestamp") }

// Deleting reports whether deletion has begun (metadata.deletionTimestamp is set).
func (o Object) Deleting() bool { return o.Text("metadata", "deletionTimestamp") != "" }

// Label returns the value of a label, empty if it is not set.
func (o Object) Label(name string) string { return o.Text("metadata", "labels", name) }

// Annotation returns the value of an annotation, empty if it is not set.
func (o Object) Annotation(name string) string { return o.Text("metadata", "annotations", name) }

// At returns the value at path, nil if anything on the way is absent or no map.
func (o Object) At(path ...string) any {
	var v any = o.content
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// Text returns the string at path, empty if there is none.
func (o Object) Text(path ...string) string { s, _ := o.At(path...).(string); return s }

// Time returns the RFC 3339 time at path, the zero time if there is none.
func (o Object) Time(path ...string) time.Time {
	t, err := time.Parse(time.RFC3339, o.Text(path...))
	if err != nil {
		return time.Time{}
	}
	return t
}

// With returns the object with value at path; maps on the way are copied, or made where absent.
// A nil value removes the field.
func (o Object) With(value any, path ...string) Object {
	o.content, o.memo = with(o.content, value, path), &memo{}
	return o
}

func with(m map[string]any, value any, path []string) map[string]any {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	if len(path) == 1 {
		if value == nil {
			delete(out, path[0])
		} else {
			out[path[0]] = value
		}
		return out
	}
	child, ok := out[path[0]].(map[string]any)
	if !ok && value == nil {
		return out
	}
	out[path[0]] = with(child, value, path[1:])
	return out
}
