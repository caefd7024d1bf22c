package live

import (
	"context"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/observed"
)

// watch keeps the entries of one kind as one identity sees them.
type watch struct {
	store  *Store
	kind   Kind
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	entries map[object.Key]observed.Entry
	odd     map[object.Key]object.Object // those that somebody else changed what was applied of, until they are applied again
	scopes  map[string]*scope            // by namespace; "" is the whole cluster
	wide    bool                         // the whole cluster is watched
	decided bool                         // wide is known
	err     error                        // why nothing can be watched at all
	asked   []string                     // namespaces that were asked for before wide was known
}

// scope is what one driver looks at: a namespace, or the whole cluster.
type scope struct {
	synced, gone bool
	err          error
	seen         string // the resourceVersion up to which everything was brought, in order
}

func newWatch(s *Store, k Kind) *watch {
	ctx, cancel := context.WithCancel(s.ctx)
	return &watch{store: s, kind: k, ctx: ctx, cancel: cancel, entries: map[object.Key]observed.Entry{}, odd: map[object.Key]object.Object{}, scopes: map[string]*scope{}}
}

func (w *watch) stop() { w.cancel() }

func (w *watch) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries)
}

func (w *watch) versions() map[object.Key]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[object.Key]string{}
	for key, e := range w.entries {
		if !e.IsZero() {
			out[key] = e.ResourceVersion
		}
	}
	return out
}

// run finds out how far the identity may look, and starts to look there.
func (w *watch) run() {
	client, err := w.store.o.Client(w.kind.Identity)
	if err != nil {
		w.fail(err)
		return
	}
	wide := !w.kind.Resource.Namespaced || w.kind.Within == "" && w.mayWatchAll(client)
	w.mu.Lock()
	w.wide, w.decided = wide, true
	namespaces := w.asked
	if wide {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		w.look(ns)
	}
	w.mu.Unlock()
	w.store.o.OnWatch(w.kind, nil)
}

func (w *watch) fail(err error) {
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	w.store.o.OnWatch(w.kind, err)
}

// mayWatchAll asks whether the identity may list and watch the kind in all namespaces. If it cannot be asked, it may not: watching by namespace then says
// what is missing.
func (w *watch) mayWatchAll(client dynamic.Interface) bool {
	reviews := client.Resource(schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"})
	for _, verb := range []string{"list", "watch"} {
		review := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{
				"verb": verb, "group": w.kind.Resource.Group, "resource": w.kind.Resource.Plural,
			}},
		}}
		out, err := reviews.Create(w.ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false
		}
		if allowed, _, _ := unstructured.NestedBool(out.Object, "status", "allowed"); !allowed {
			return false
		}
	}
	return true
}

// want makes sure that the namespaces are looked at, and says how that stands.
func (w *watch) want(namespaces []string) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return Status{Err: w.err}
	}
	if !w.decided {
		for _, ns := range namespaces {
			if !slices.Contains(w.asked, ns) {
				w.asked = append(w.asked, ns)
			}
		}
		return Status{}
	}
	if w.wide {
		namespaces = []string{""}
	}
	st := Status{Synced: true}
	for _, ns := range namespaces {
		if sc := w.scopes[ns]; sc != nil && sc.gone {
			// Said once; who asks again believes that the kind is there again, and so it is looked for again.
			delete(w.scopes, ns)
			st.Gone, st.Synced = true, false
			continue
		}
		sc := w.look(ns)
		st.Synced = st.Synced && sc.synced
		if st.Err == nil {
			st.Err = sc.err
		}
	}
	return st
}

// look begins to look at one namespace unless that has begun. The lock is held.
func (w *watch) look(namespace string) *scope {
	if sc := w.scopes[namespace]; sc != nil {
		return sc
	}
	sc := &scope{}
	w.scopes[namespace] = sc
	w.store.o.Driver.Look(&View{w, namespace, sc})
	return sc
}

func (w *watch) scales(key object.Key) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.Scales == key {
			return true
		}
	}
	return false
}

// entry returns what is remembered.
func (w *watch) entry(key object.Key) observed.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[key]
}

// keptOdd bounds how many whole objects are kept: who asks for one that is not can read it from the server.
const keptOdd = 200

// put remembers an entry unless a newer one of the same object is there, and reports the change if it came by itself, or took the object from another app:
// that one would never hear of it, since the event that follows brings nothing new. The object itself is kept as long as it may have to be repaired.
func (w *watch) put(o object.Object, report bool) observed.Entry {
	key, e := o.Key(), observed.Of(o, w.store.o.Lens(app.OwnerOf(o)))
	w.mu.Lock()
	before, known := w.entries[key]
	if known && observed.Older(e.ResourceVersion, before.ResourceVersion) || !report && before.IsZero() && w.brought(key, e.ResourceVersion) {
		w.mu.Unlock()
		return e
	}
	if report {
		w.scopeOf(key).see(e.ResourceVersion)
	}
	w.entries[key] = e
	delete(w.odd, key)
	if report && !before.IsZero() && (before.Print != e.Print || e.Added) && len(w.odd) < keptOdd {
		w.odd[key] = o
	}
	w.mu.Unlock()
	if taken := !before.IsZero() && before.Owner != e.Owner; before != e && (report || taken) {
		w.store.o.OnChange(Change{Kind: w.kind, Key: key, Owner: e.Owner, Before: before, After: e})
	}
	return e
}

// brought reports whether all that happened to an object up to a resourceVersion was brought: if it is not there then, it is gone. The lock is held.
func (w *watch) brought(key object.Key, resourceVersion string) bool {
	seen := w.scopeOf(key).seen
	return seen != "" && !observed.Older(seen, resourceVersion)
}

// scopeOf returns the scope that an object is in; an empty one if nobody looks there. The lock is held.
func (w *watch) scopeOf(key object.Key) *scope {
	namespace := key.Namespace
	if w.wide {
		namespace = ""
	}
	if sc := w.scopes[namespace]; sc != nil {
		return sc
	}
	return &scope{}
}

func (s *scope) see(resourceVersion string) {
	if !observed.Older(resourceVersion, s.seen) {
		s.seen = resourceVersion
	}
}

// held returns the object itself, as it was seen last; zero if it is not kept.
func (w *watch) held(key object.Key) object.Object {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.odd[key]
}

// drop forgets an object that left the watch: it was deleted, or lost its owner mark.
func (w *watch) drop(key object.Key, resourceVersion string) {
	w.mu.Lock()
	if resourceVersion != "" {
		w.scopeOf(key).see(resourceVersion)
	}
	before, known := w.entries[key]
	if !known || before.IsZero() || resourceVersion != "" && observed.Older(resourceVersion, before.ResourceVersion) {
		w.mu.Unlock()
		return
	}
	delete(w.odd, key)
	after := before.Gone()
	if w.entries[key] = after; after.Ended == "" {
		delete(w.entries, key)
	}
	w.mu.Unlock()
	w.store.o.OnChange(Change{Kind: w.kind, Key: key, Owner: before.Owner, Before: before, After: after})
}

// replace takes the whole list of a scope, read at resourceVersion: what is not in it has left.
func (w *watch) replace(namespace string, sc *scope, items []*unstructured.Unstructured, resourceVersion string) {
	present := make(map[object.Key]bool, len(items))
	for _, item := range items {
		o := object.New(item.Object)
		present[o.Key()] = true
		w.put(o, true)
	}
	w.mu.Lock()
	var left []object.Key
	for key, e := range w.entries {
		late := observed.Older(resourceVersion, e.ResourceVersion) // applied after the list was read
		if !present[key] && !late && (namespace == "" || key.Namespace == namespace) {
			left = append(left, key)
		}
	}
	was := sc.synced && sc.err == nil
	sc.synced, sc.err, sc.seen = true, nil, resourceVersion // which may be lower than before: a backup was restored
	w.mu.Unlock()
	for _, key := range left {
		w.drop(key, "")
	}
	if !was {
		w.store.o.OnWatch(w.kind, nil)
	}
}

// trouble remembers why a scope cannot be watched. It returns true if the kind itself is gone.
func (w *watch) trouble(namespace string, sc *scope, err error) bool {
	gone := apierrors.IsNotFound(err) || meta.IsNoMatchError(err)
	w.mu.Lock()
	before := sc.err
	switch {
	case gone:
		sc.gone, sc.err = true, nil
	case apierrors.IsForbidden(err):
		sc.err = fault.New(fault.Denied, fmt.Errorf("%s may not list and watch %s %s", w.kind.Identity.User(), w.kind.Resource.Plural, where(namespace)))
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
		// The reflector lists again by itself.
	default:
		sc.err = fault.New(fault.Transient, fmt.Errorf("watch %s: %w", w.kind.Resource.Plural, err))
	}
	told := gone || before == nil && sc.err != nil
	why := sc.err
	var left []object.Key
	if gone {
		why = err
		for key := range w.entries { // those of own writes, too, which no watch has brought yet
			if namespace == "" || key.Namespace == namespace {
				left = append(left, key)
			}
		}
	}
	w.mu.Unlock()
	for _, key := range left {
		w.drop(key, "")
	}
	if told {
		w.store.o.OnWatch(w.kind, why)
	}
	return gone
}

func where(namespace string) string {
	if namespace == "" {
		return "in the whole cluster"
	}
	return "in namespace " + namespace
}
