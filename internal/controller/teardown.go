package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// dropEnvironment forgets an Environment that was deleted, and releases what its apps claim: the objects go on running.
func (c *controller) dropEnvironment(ctx context.Context, e fleet.Environment) error {
	if exists, err := c.environmentExists(ctx, e); err != nil || exists {
		return err
	}
	c.mu.Lock()
	maps.DeleteFunc(c.over, func(_ fleet.Environment, o over) bool { return c.now().Sub(o.at) > lateAtMost })
	if st := c.envs[e]; st != nil && st.spec.Spec.Venue != nil {
		c.over[e] = over{st.spec, c.now()}
	}
	delete(c.envs, e) // from here on no pass of its apps begins
	env := c.over[e].venue
	c.mu.Unlock()
	defer c.wakeRehearsing(env)
	names, err := c.missing(ctx, e, nil, false) // of a start at the wrong moment only the ledger tells which there were
	if err != nil {
		return err
	}
	for _, n := range c.engine.Recorded() {
		if fleet.Of(n) == e && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, n := range names {
		if err := c.release(ctx, n); err != nil {
			return err
		}
	}
	if env != nil {
		if err := c.strikeLate(ctx, env); err != nil {
			return err
		}
	}
	if err := c.unblock(ctx, e); err != nil {
		return err
	}
	c.fleet.Drop(e)
	c.mu.Lock()
	c.forgetApps(e)
	c.mu.Unlock()
	c.letGo(names...)
	if len(names) > 0 {
		c.log.InfoContext(ctx, "environment deleted: its objects are released and go on running", "environment", e.Namespace+"/"+e.Name, "apps", len(names))
	}
	return nil
}

// over is a venue that was deleted, and when that was seen.
type over struct {
	venue *v1alpha1.Environment
	at    time.Time
}

// lateAtMost is for how long a replica that stood still may make something for a venue that is over. It is looked for when replicas come or go: one that goes on is
// a new one, and so is one that is started again.
const lateAtMost = time.Hour

// forgetFormer forgets what is known of an Environment that was deleted and made anew before anybody looked. What its apps claim stays, as across a restart: the new
// one finds it there.
func (c *controller) forgetFormer(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment) error {
	former, _, _ := c.settings(e)
	if former == nil || former.UID == env.UID {
		return nil
	}
	if err := c.strikeLate(ctx, former); err != nil {
		return err
	}
	c.mu.Lock()
	for _, m := range c.apps {
		if fleet.Of(m.name) != e {
			continue
		}
		if !m.working.TryLock() {
			c.mu.Unlock()
			return fmt.Errorf("forget app %s of the Environment that was there before: %w", m.name, errWorking)
		}
		m.working.Unlock()
	}
	delete(c.envs, e)
	names := c.forgetApps(e)
	c.mu.Unlock()
	c.fleet.Drop(e)
	c.letGo(names...)
	return nil
}

// forgetApps takes the apps of an environment out of memory, and returns which there were. The lock is held.
func (c *controller) forgetApps(e fleet.Environment) (names []app.Name) {
	maps.DeleteFunc(c.apps, func(_ app.Owner, m *member) bool {
		gone := fleet.Of(m.name) == e // one that comes back counts in another roll
		if gone {
			names = append(names, m.name)
		}
		return gone
	})
	delete(c.rolls, e)
	return names
}

// letGo has nobody keep anything for apps that are not in memory any more.
func (c *controller) letGo(names ...app.Name) {
	for _, n := range names {
		c.lookout.Release(n.Owner())
		c.verifier.Forget(n)
		c.metrics.forget(n)
		c.waiters.set(n.Owner(), false)
	}
}

var errLate = fault.Newf(fault.Transient, "this replica may do nothing until its Lease is renewed")

// errWorking is why an app is not released yet: what is under way may claim and make more.
var errWorking = fault.Newf(fault.Transient, "the app is being worked on")

// release forgets what an app claims, if it is this process's. No pass of it may begin any more that would make something.
func (c *controller) release(ctx context.Context, n app.Name) error {
	if c.isWorkedOn(n) {
		return fmt.Errorf("release app %s: %w", n, errWorking)
	}
	ctx, done, mine := c.share.Act(ctx, keyOfApp(n.Owner()))
	defer done()
	if !mine {
		if c.owns(n.Owner()) {
			return errLate
		}
		return nil
	}
	if c.shared.Load() {
		c.engine.Take(n)
	}
	return c.engine.Release(ctx, n)
}

// isWorkedOn reports whether a pass of an app is under way.
func (c *controller) isWorkedOn(n app.Name) bool {
	m := c.known(n.Owner())
	if m == nil || m.name != n {
		return false
	}
	if !m.working.TryLock() {
		return true
	}
	m.working.Unlock()
	return false
}

// deleteEnvironment prunes an Environment that is being deleted and asked for it, then lets it go if that is this process's to do.
func (c *controller) deleteEnvironment(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, mine bool) (reconcile.Result, error) {
	if err := c.unblock(ctx, e); err != nil {
		return reconcile.Result{}, err
	}
	if !controllerutil.ContainsFinalizer(env, finalizer) {
		return reconcile.Result{}, nil
	}
	names, err := c.missing(ctx, e, nil, true)
	if err != nil {
		return reconcile.Result{}, err
	}
	left := 0
	for _, n := range names {
		m := c.member(n)
		m.rehearses.Store(env.Spec.Venue != nil)
		m.gone(env, v1alpha1.Revision{})
		if c.isWorkedOn(n) || len(c.engine.Claims(n)) > 0 { // in this order: a pass that began before may claim something still
			left++
		}
	}
	if mine && left == 0 && c.shared.Load() { // what was heard of other processes' apps may be old
		if left, err = c.stored(ctx, e); err != nil {
			return reconcile.Result{}, err
		}
	}
	var why string
	var gone bool
	if mine {
		why, gone = c.identityGone(ctx, env)
	}
	switch {
	case left == 0:
	case env.Spec.Deletion != v1alpha1.DeletionPrune:
		left = 0 // somebody changed his mind
	case gone:
		c.warn(env, "Released", "Delete", fmt.Sprintf("%s: the objects of %d apps are released instead of deleted and go on running", why, left))
		left = 0
	}
	if left > 0 {
		c.fleet.Found(e, fleet.Budget{MaxObjects: -1, MaxPercent: -1, Everything: true}, nil, nil, names)
		for _, n := range names {
			c.appQueue.add(n.Namespace, n.Object())
		}
		if mine {
			err = c.deletionStatus(ctx, e, env, left)
		}
		return reconcile.Result{RequeueAfter: 2 * time.Second}, err
	}
	if !mine {
		return reconcile.Result{RequeueAfter: 2 * time.Second}, nil
	}
	for _, n := range names { // who finds it gone may never have heard of them
		if err := c.release(ctx, n); err != nil {
			return reconcile.Result{}, err
		}
	}
	if !gone && env.Spec.Deletion == v1alpha1.DeletionPrune {
		struck, kept, err := c.strike(ctx, env)
		for _, why := range kept {
			c.warn(env, "NamespaceStays", "Delete", why)
		}
		if err != nil || !struck {
			return reconcile.Result{RequeueAfter: 2 * time.Second}, err
		}
	}
	base := env.DeepCopy()
	controllerutil.RemoveFinalizer(env, finalizer)
	return reconcile.Result{}, absent.Ignore(c.client.Patch(ctx, env, client.MergeFrom(base)))
}

// stays returns a function that fails if an environment is being deleted, or gone. Whoever deletes it waits for what is claimed, as the ledger has it: so a
// process that has stored a claim, and finds the environment afterwards, is waited for.
func (c *controller) stays(e fleet.Environment) func(context.Context) error {
	return func(ctx context.Context) error {
		var env v1alpha1.Environment
		err := c.reader.Get(ctx, types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, &env)
		switch {
		case absent.Object(err) || err == nil && !env.DeletionTimestamp.IsZero():
			return fault.Newf(fault.Transient, "environment %s is being deleted", e.Name)
		case err != nil:
			return fault.Newf(fault.Transient, "find out whether environment %s is being deleted: %w", e.Name, err)
		}
		return nil
	}
}

// stored counts the apps of an environment that claim something, as the ledger has it.
func (c *controller) stored(ctx context.Context, e fleet.Environment) (int, error) {
	all, _, err := c.ledger.List(ctx)
	left := 0
	for n, r := range all {
		if fleet.Of(n) == e && len(r.Claims) > 0 {
			left++
		}
	}
	return left, err
}

// deletionStatus says what an Environment that is being deleted waits for, and how not to.
func (c *controller) deletionStatus(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, left int) error {
	st := c.environment(e, env)
	if err := c.settle(ctx, env, st); err != nil {
		return absent.Ignore(err)
	}
	next := *st.status.DeepCopy()
	var worst string
	next.ObservedGeneration = env.Generation
	next.Apps, worst = st.roll.call()
	message := fmt.Sprintf("is being deleted with the objects of its apps: %d apps have some left; to leave them running, set spec.deletion to Release%s", left, worst)
	setConditions(&next.Conditions, env.Generation, c.now(), false, next.Apps.Failed+next.Apps.Held > 0, "Deleting", message)
	if equality.Semantic.DeepEqual(next, st.status) {
		return nil
	}
	return c.writeEnvironment(ctx, env, st, next)
}

// identityGone reports whether the ServiceAccount that would delete an environment's objects is gone, or its namespace is.
func (c *controller) identityGone(ctx context.Context, env *v1alpha1.Environment) (string, bool) {
	var sa metav1.PartialObjectMetadata
	sa.APIVersion, sa.Kind = "v1", "ServiceAccount"
	name := types.NamespacedName{Namespace: env.Namespace, Name: env.Spec.Destination.ServiceAccount}
	err := c.reader.Get(ctx, name, &sa)
	switch {
	case absent.Object(err):
		return "ServiceAccount " + name.String() + " does not exist", true
	case err == nil && !sa.DeletionTimestamp.IsZero():
		return "ServiceAccount " + name.String() + " is being deleted", true
	}
	var ns metav1.PartialObjectMetadata
	ns.APIVersion, ns.Kind = "v1", "Namespace"
	err = c.reader.Get(ctx, types.NamespacedName{Name: env.Namespace}, &ns)
	if absent.Object(err) || err == nil && !ns.DeletionTimestamp.IsZero() {
		return "namespace " + env.Namespace + " is going", true
	}
	return "", false
}
