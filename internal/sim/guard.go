package sim

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientdiscovery "k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/controller"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// guard is a process's client. It sees what the server's seam does not, the options of a request: a delete of an object is held to what may be deleted, and
// lists come in pieces of one object, to who asks for pieces.
type guard struct {
	dynamic.Interface
	process *process
	user    string
}

// Resource implements dynamic.Interface.
func (g guard) Resource(r schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	at := g.Interface.Resource(r)
	return guardedAll{guarded{at, g, r, ""}, at}
}

type guardedAll struct {
	guarded
	at dynamic.NamespaceableResourceInterface
}

// Namespace implements dynamic.NamespaceableResourceInterface.
func (g guardedAll) Namespace(ns string) dynamic.ResourceInterface {
	return guarded{g.at.Namespace(ns), g.guard, g.resource, ns}
}

type guarded struct {
	dynamic.ResourceInterface
	guard     guard
	resource  schema.GroupVersionResource
	namespace string
}

// cancelled is what a client answers whose context ended before the request was sent, or before it was answered.
func cancelled[T any](ctx context.Context, send func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	out, err := send()
	if ended := ctx.Err(); ended != nil {
		return none, ended
	}
	return out, err
}

// Get implements dynamic.ResourceInterface.
func (g guarded) Get(ctx context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	return cancelled(ctx, func() (*unstructured.Unstructured, error) { return g.ResourceInterface.Get(ctx, name, o, sub...) })
}

// List implements dynamic.ResourceInterface.
func (g guarded) List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	if o.Limit > 0 {
		o.Limit = 1
	}
	return cancelled(ctx, func() (*unstructured.UnstructuredList, error) { return g.ResourceInterface.List(ctx, o) })
}

// Create implements dynamic.ResourceInterface.
func (g guarded) Create(ctx context.Context, u *unstructured.Unstructured, o metav1.CreateOptions, sub ...string) (*unstructured.Unstructured, error) {
	return cancelled(ctx, func() (*unstructured.Unstructured, error) { return g.ResourceInterface.Create(ctx, u, o, sub...) })
}

// Update implements dynamic.ResourceInterface.
func (g guarded) Update(ctx context.Context, u *unstructured.Unstructured, o metav1.UpdateOptions, sub ...string) (*unstructured.Unstructured, error) {
	return cancelled(ctx, func() (*unstructured.Unstructured, error) { return g.ResourceInterface.Update(ctx, u, o, sub...) })
}

// Patch implements dynamic.ResourceInterface. What Fairlead applies as somebody else is an object of an app.
func (g guarded) Patch(ctx context.Context, name string, kind types.PatchType, data []byte, o metav1.PatchOptions, sub ...string) (*unstructured.Unstructured, error) {
	return cancelled(ctx, func() (*unstructured.Unstructured, error) {
		if g.guard.user != "" && kind == types.ApplyPatchType && len(o.DryRun) == 0 && !g.guard.process.dead {
			g.covered(data)
		}
		return g.ResourceInterface.Patch(ctx, name, kind, data, o, sub...)
	})
}

// covered holds an apply to the promise: what it makes is claimed in the stored ledger. Of twins the one may take away the claim that the other has read; what
// comes of it is judged in the end.
func (g guarded) covered(data []byte) {
	p, w := g.guard.process, g.guard.process.world
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		w.fail("apply: %v", err)
		return
	}
	want := object.New(content)
	w.meet(want.Key(), app.OwnerOf(want), g.resource.GroupResource().String()+" "+g.namespace+"/"+want.Name())
	p.sends = sending{app.OwnerOf(want), func() error {
		if owner := app.OwnerOf(want); !w.claims.have(want.Key(), owner) && !w.ledger().have(want.Key(), owner) { // what was stored a moment ago mostly is still
			return fmt.Errorf("apply %s: no claim of %s on it is stored", want.Key(), owner)
		}
		return nil
	}}
}

// claims are the records of all apps.
type claims map[app.Name]app.Record

// have reports whether an owner has a claim on an object.
func (c claims) have(key object.Key, owner app.Owner) bool {
	for n, record := range c {
		if _, claimed := record.Claims[key]; claimed && n.Owner() == owner {
			return true
		}
	}
	return false
}

// Delete implements dynamic.ResourceInterface. What Fairlead deletes as somebody else is an object of an app.
func (g guarded) Delete(ctx context.Context, name string, o metav1.DeleteOptions, sub ...string) error {
	_, err := cancelled(ctx, func() (struct{}, error) {
		if g.guard.user != "" && !g.guard.process.dead {
			g.check(name, o)
		}
		return struct{}{}, g.ResourceInterface.Delete(ctx, name, o, sub...)
	})
	return err
}

// check holds a delete to the promise: only what is claimed in the stored ledger, as it was observed, with the owner mark of who claims it. As to twins, see
// covered.
func (g guarded) check(name string, o metav1.DeleteOptions) {
	p, w := g.guard.process, g.guard.process.world
	what := fmt.Sprintf("delete %s %s/%s", g.resource.Resource, g.namespace, name)
	if p := o.Preconditions; p == nil || p.UID == nil || *p.UID == "" || p.ResourceVersion == nil || *p.ResourceVersion == "" {
		w.fail("%s: it does not say of which uid and resourceVersion", what)
		return
	}
	for _, u := range w.server.Objects(g.resource.GroupResource()) {
		if u.GetName() != name || u.GetNamespace() != g.namespace || u.GetUID() != *o.Preconditions.UID || u.GetResourceVersion() != *o.Preconditions.ResourceVersion {
			continue
		}
		live := object.New(u.Object)
		if venue := u.GetAnnotations()[controller.AnnotationVenue]; venue != "" {
			p.sends = sending{check: func() error { return w.over(what, venue) }}
			continue
		}
		p.sends = sending{app.OwnerOf(live), func() error {
			if owner := app.OwnerOf(live); !w.ledger().have(live.Key(), owner) {
				return fmt.Errorf("%s: it has the owner mark of %s, and no claim of that app on it is stored", what, owner)
			}
			return nil
		}}
	}
}

// over is an error unless the rehearsal is over that a namespace was made for: it goes with the Environment of that uid, or later.
func (w *world) over(what, venue string) error {
	for _, u := range w.server.Objects(served["Environment"].GroupResource()) {
		if string(u.GetUID()) == venue && u.GetDeletionTimestamp() == nil {
			return fmt.Errorf("%s: it was made for Environment %s, which is not being deleted", what, venue)
		}
	}
	return nil
}

// sending is what is known of a write of an app's object that is about to be sent: whose it is, and what holds it to the promise when it leaves the process.
type sending struct {
	owner app.Owner
	check func() error
}

// covered is an error if no stored claim covers the write.
func (s sending) covered() error {
	if s.check == nil {
		return nil
	}
	return s.check()
}

// ledger is what is stored.
func (w *world) ledger() claims {
	stale := w.claims == nil
	for _, c := range w.server.Changes(w.claimsOf) {
		stale = stale || c.Namespace == system && c.Resource == (schema.GroupResource{Resource: "secrets"})
	}
	if w.claimsOf = w.server.Revision(); !stale {
		return w.claims
	}
	all := claims{}
	for _, u := range w.server.Objects(served["Secret"].GroupResource()) {
		if u.GetNamespace() == system && heads.Matches(labels.Set(u.GetLabels())) {
			r := w.record(u)
			all[r.App] = r
		}
	}
	w.claims = all
	return all
}

// heads are the Secrets that say what is claimed.
var heads = func() labels.Selector {
	s, err := labels.Parse(ledger.Heads)
	if err != nil {
		panic(err)
	}
	return s
}()

// record is what one of them says, read once of each state.
func (w *world) record(u *unstructured.Unstructured) app.Record {
	if known, ok := w.records[u]; ok {
		return known
	}
	var head corev1.Secret
	err := kube.Convert(u, &head)
	var r app.Record
	if err == nil {
		r, err = ledger.Read(&head)
	}
	if err != nil {
		w.fail("the ledger cannot be read: %v", err)
	}
	w.records[u] = r
	return r
}

// discovery is the server's, in which single groups may fail.
type discovery struct {
	kube.Discovery
	process *process
}

// ServerGroupsAndResources implements cluster.Discovery.
func (d discovery) ServerGroupsAndResources() ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	groups, lists, err := d.Discovery.ServerGroupsAndResources()
	if err == nil && d.process.partial {
		d.process.partial = false
		failed := map[schema.GroupVersion]error{}
		var kept []*metav1.APIResourceList
		for _, l := range lists {
			if gv, _ := schema.ParseGroupVersion(l.GroupVersion); gv.Group != "" {
				failed[gv] = errUnavailable
				continue
			}
			kept = append(kept, l)
		}
		return groups, kept, &clientdiscovery.ErrGroupDiscoveryFailed{Groups: failed}
	}
	return groups, lists, err
}
