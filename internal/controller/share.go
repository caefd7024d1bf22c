package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// Share says which part of the work is this process's. See roster.Member, which is what the processes of one Fairlead agree by.
type Share interface {
	// Wait returns when the part is known for the first time.
	Wait(context.Context) error
	// Notify says whom to tell that the part may be different from before, and what others say about a key. The first is told at once.
	Notify(changed func(), told func(key, word string))
	// Owns reports whether what a key names is in the part. Another term than the last time says that others may have had it in between.
	Owns(key string) (term int, mine bool)
	// Act begins work on what a key names if it is in the part and may be worked on now; done ends it.
	Act(ctx context.Context, key string) (_ context.Context, done func(), mine bool)
	// Alone reports whether there is no other process.
	Alone() bool
	// Tell tells the others something about a key.
	Tell(key, word string)
}

// alone is the share of a process that is the only one: everything.
type alone struct{}

func (alone) Wait(context.Context) error            { return nil }
func (alone) Notify(func(), func(key, word string)) {}
func (alone) Owns(string) (int, bool)               { return 0, true }
func (alone) Alone() bool                           { return true }
func (alone) Tell(string, string)                   {}

func (alone) Act(ctx context.Context, _ string) (context.Context, func(), bool) {
	return ctx, func() {}, true
}

func keyOfApp(o app.Owner) string                   { return "app " + o.String() }
func keyOfEnvironment(e fleet.Environment) string   { return "environment " + e.Namespace + "/" + e.Name }
func keyOfRepository(n types.NamespacedName) string { return "repository " + n.String() }

// lateAgain is when it is looked again whether work may go on that is this process's, and may not be done now.
const lateAgain = time.Second

// late is when to look again at something that may not be worked on now: not at all if it is another process's.
func late(mine bool) time.Duration {
	if mine {
		return lateAgain
	}
	return 0
}

// cutShort lets work be looked at again that had to end in the middle: it is another process's by now, or may be. That is no error.
func cutShort(act context.Context, res *reconcile.Result, err *error) {
	if *err != nil && act.Err() != nil {
		*res, *err = reconcile.Result{RequeueAfter: askAgain}, nil
	}
}

// hold is whether a process has something, and since which term.
type hold struct {
	mine bool
	term int
}

// isCurrent reports whether it is had since then without a break.
func (h hold) isCurrent(s Share, key string) bool {
	term, mine := s.Owns(key)
	return mine && h.mine && h.term == term
}

// owns reports whether an app is this process's.
func (c *controller) owns(o app.Owner) bool {
	_, mine := c.share.Owns(keyOfApp(o))
	return mine
}

// owned counts the apps that this process has.
func (c *controller) owned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, m := range c.apps {
		m.mu.Lock()
		if m.hold.mine {
			n++
		}
		m.unlock()
	}
	return n
}

// shareChanged lets everything be looked at that came or went.
func (c *controller) shareChanged() {
	if !c.waited.Load() {
		return
	}
	if !c.share.Alone() {
		c.shared.Store(true)
		c.followLedger()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for owner, m := range c.apps {
		m.mu.Lock()
		same := m.hold.isCurrent(c.share, keyOfApp(owner)) || !m.hold.mine && !c.owns(owner)
		m.unlock()
		if !same {
			c.appQueue.add(owner.Namespace, owner.Name)
		}
	}
	for e, st := range c.envs {
		st.again, st.relist = true, true // an app may have come that only its App object tells of
		c.envQueue.add(e.Namespace, e.Name)
	}
	for name := range c.repos {
		c.repoQueue.add(name.Namespace, name.Name)
	}
	for _, n := range c.engine.Recorded() {
		if c.envs[fleet.Of(n)] == nil { // nobody may have released it
			c.envQueue.add(n.Namespace, n.Environment)
		}
	}
	for e := range c.over { // nor known what a replica made for it that stood still
		c.envQueue.add(e.Namespace, e.Name)
	}
	for n := range c.notices {
		c.noticeQueue.add(n.Namespace, n.Name)
	}
	if c.policies == nil {
		return
	}
	for _, e := range c.policies.Environments() { // nor taken those of a gone Environment away
		c.envQueue.add(e.Namespace, e.Name)
	}
}

// followLedger begins to follow what others write to the ledger, if there are others, once it has been read: what was read and is gone by then is told, too.
func (c *controller) followLedger() {
	if c.read.Load() && c.shared.Load() && !c.follows.Swap(true) {
		c.follow()
	}
}

// recordTold takes in what the ledger has of an app.
func (c *controller) recordTold(n app.Name, claims app.Claims) {
	c.engine.Told(n, claims)
	if claims != nil {
		c.seekGone(fleet.Of(n))
	}
	if c.owns(n.Owner()) {
		c.appQueue.after(n.Namespace, n.Object(), 2*engine.Echo) // what was told is not what this process wrote if another one did not know that it has the app
		return
	}
	if m := c.known(n.Owner()); m == nil && claims != nil { // it was found by another process: it is, or was, in a commit that is not read here
		c.seek(n)
	} else if m != nil && claims == nil {
		c.appQueue.add(n.Namespace, n.Object())
	}
	for _, claim := range claims {
		if claim.Yielded {
			c.wakeWaiting()
			return
		}
	}
}

// seek has an environment look for an app that has a record, and that nobody here has: what it does not find is removed.
func (c *controller) seek(n app.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.envs[fleet.Of(n)]; st != nil && c.apps[n.Owner()] == nil {
		st.again = true
		c.join(n)
		c.envQueue.add(n.Namespace, n.Environment)
	}
}

// seekGone has an Environment looked at that is not known here, and in which an app claims something: a process that stood still while it was deleted may have gone on.
func (c *controller) seekGone(e fleet.Environment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.envs[e] == nil {
		c.envQueue.add(e.Namespace, e.Name)
	}
}

// seekLeft seeks the app of an owner that was removed here, and whose record a process that stood still until then has made again.
func (c *controller) seekLeft(o app.Owner) {
	if !c.shared.Load() {
		return
	}
	if n, recorded := c.engine.RecordedAs(o); recorded {
		c.seek(n)
	}
}

// appTold takes in an App object that came or changed: other processes' apps are known by it, and what was read of this one's when it started may have been
// old, or lacked some.
func (c *controller) appTold(obj *v1alpha1.App) {
	c.wakeNotifiers(obj.Namespace)
	o := app.Owner{Namespace: obj.Namespace, Name: obj.Name}
	c.mu.Lock()
	m, st := c.apps[o], c.envs[fleet.Environment{Namespace: obj.Namespace, Name: obj.Spec.Environment}]
	if m == nil && st != nil && c.now().Sub(st.since) < startingFor {
		st.relist, st.unknown = true, c.now()
		c.envQueue.after(obj.Namespace, obj.Spec.Environment, lateAgain) // no sooner: another process may make it again and again
	}
	c.mu.Unlock()
	if c.shared.Load() && !c.owns(o) || m != nil && m.isNews(obj) {
		c.appQueue.add(o.Namespace, o.Name)
	} else if c.shared.Load() && m != nil {
		c.statusQueue.after(o.Namespace, o.Name, 2*engine.Echo) // what was told is not what this process wrote if another one did not know that it has the app
	}
}

// environmentTold takes in what another process wrote to the status of an Environment: apps are placed here, too, by what it decided about candidates, and what
// it says of one of this process's is put right.
func (c *controller) environmentTold(was, now *v1alpha1.Environment) {
	if !c.shared.Load() || equality.Semantic.DeepEqual(was.Status, now.Status) {
		return
	}
	if _, mine := c.share.Owns(keyOfEnvironment(fleet.Environment{Namespace: now.Namespace, Name: now.Name})); mine {
		c.envQueue.after(now.Namespace, now.Name, 2*engine.Echo) // mostly it is what this process wrote
	}
	if equality.Semantic.DeepEqual(was.Status.Candidates, now.Status.Candidates) {
		return
	}
	c.envQueue.add(now.Namespace, now.Name)
	if src, has := candidateSource(now); has {
		c.repoQueue.add(now.Namespace, src.Repository)
	}
}

// told takes in what another process says about a repository: that it may have moved, or what its heads are.
func (c *controller) told(key, word string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, r := range c.repos {
		if keyOfRepository(name) == key && word != r.headsWord() {
			r.hooked, r.word = true, word
			c.repoQueue.add(name.Namespace, name.Name)
		}
	}
}

// neighbours are what the fleet knows of other apps, and which of them are other processes'.
type neighbours struct {
	*fleet.Fleet
	c *controller
}

// Census implements engine.Neighbours.
func (n neighbours) Census(of app.Name, keys []object.Key) plan.Census {
	census := n.Fleet.Census(of, keys)
	if !n.c.shared.Load() {
		return census
	}
	census.Foreign = map[object.Key]bool{}
	for key, owner := range census.Elsewhere {
		census.Foreign[key] = !n.c.owns(owner)
	}
	return census
}

// Claims implements engine.Neighbours. An app that is not found yet, as after a start, or that was another process's and may be ahead of what is read here, may want
// whatever its record claims.
func (n neighbours) Claims(by app.Owner, key object.Key) (claims, unread bool) {
	if claims, unread = n.Fleet.Claims(by, key); claims {
		return claims, unread
	}
	m := n.c.known(by)
	if m == nil || n.Knows(m.name) && !n.c.mayBeAhead(m) {
		return false, false
	}
	claim, claimed := n.c.engine.Claims(m.name)[key]
	claimed = claimed && !claim.Yielded
	return claimed, claimed
}

// mayBeAhead reports whether an app is this process's, and what another one read of it before has not been read here yet.
func (c *controller) mayBeAhead(m *member) bool {
	if !c.shared.Load() || !c.owns(m.name.Owner()) {
		return false
	}
	m.mu.Lock()
	defer m.unlock()
	return !m.hold.isCurrent(c.share, keyOfApp(m.name.Owner())) || !m.takenAt.IsZero()
}

// Foreign implements engine.Neighbours.
func (n neighbours) Foreign(by app.Owner) (app.Name, bool) {
	if !n.c.shared.Load() || n.c.owns(by) {
		return app.Name{}, false
	}
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	m := n.c.apps[by]
	if m == nil {
		return app.Name{}, false
	}
	return m.name, true
}

// take makes an app this process's if it was not, or may have been another's since it was looked at: then whatever is known of it is read anew. It reports
// whether the app can be worked on: what the one before read of Git must have been read here, too.
func (c *controller) take(ctx context.Context, m *member) (bool, error) {
	key := keyOfApp(m.name.Owner())
	m.mu.Lock()
	had, since := m.hold.isCurrent(c.share, key), m.takenAt
	m.unlock()
	if had {
		return since.IsZero() || c.caughtUp(m, since), nil
	}
	term, _ := c.share.Owns(key)
	var taken time.Time
	if c.shared.Load() {
		obj := &v1alpha1.App{}
		err := c.reader.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}, obj)
		if err != nil && !absent.Object(err) {
			return false, err
		}
		c.engine.Take(m.name)
		taken = c.gained(term)
		m.mu.Lock()
		m.begin(obj)
		m.sure = true
		m.older, m.behind, m.given, m.seen, m.made, m.dirty = false, false, false, false, nil, true
		m.unlock()
	}
	m.mu.Lock()
	m.hold, m.takenAt = hold{true, term}, taken
	m.unlock()
	return taken.IsZero() || c.caughtUp(m, taken), nil
}

// sameWanted reports whether the status is about what is read here, and takes over which commit that is: that it is read again is no change, whoever read it
// before. The lock is held.
func (m *member) sameWanted() bool {
	same := m.status.Inputs == m.inputs.Digest()
	m.wanted = m.read
	if same && m.status.Wanted.Revision != "" {
		m.wanted = m.status.Wanted
	}
	return same
}

// gained is when what began with a term became this process's, or a moment later: the same for all apps, so that Git is asked once.
func (c *controller) gained(term int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gainedAt.IsZero() || term > c.lastTerm {
		c.gainedAt, c.lastTerm = c.now(), term
	}
	return c.gainedAt
}

// takeEnvironment makes an Environment's status this process's to write, as [controller.take] does with apps.
func (c *controller) takeEnvironment(ctx context.Context, e fleet.Environment, st *environment) error {
	key := keyOfEnvironment(e)
	if st.hold.isCurrent(c.share, key) {
		return nil
	}
	term, _ := c.share.Owns(key)
	if c.shared.Load() {
		var is v1alpha1.Environment
		if err := c.reader.Get(ctx, types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, &is); err != nil {
			return absent.Ignore(err)
		}
		c.mu.Lock()
		st.stored, st.synced, st.since = read(is.Status, &is), is.Status.LastHandledSync, c.now()
		if st.asked == st.synced {
			st.asked = ""
		}
		st.takenAt = c.now()
		c.askedSince(&is, st.takenAt) // another one may have read a newer commit, and told nobody: it was alone
		c.mu.Unlock()
	}
	st.hold = hold{true, term}
	return nil
}

// takeRepository makes a Repository's status this process's to write, or notes that it is not.
func (c *controller) takeRepository(ctx context.Context, repo *v1alpha1.Repository, r *repository) error {
	term, mine := c.share.Owns(r.key)
	if r.known && r.hold == (hold{mine, term}) {
		return nil
	}
	is := repo
	if mine && c.shared.Load() {
		is = &v1alpha1.Repository{}
		if err := c.reader.Get(ctx, client.ObjectKeyFromObject(repo), is); err != nil {
			return absent.Ignore(err)
		}
	}
	if !r.known {
		r.synced = repo.Status.LastHandledSync
	}
	r.known, r.stored, r.hold = true, read(*is.Status.DeepCopy(), is), hold{mine, term}
	return nil
}

// give notes that an app is another process's.
func (c *controller) give(m *member) {
	m.mu.Lock()
	given := m.given
	m.hold, m.given = hold{}, true
	m.unwritten, m.doubted, m.takenAt, m.made = false, false, time.Time{}, nil
	m.unlock()
	c.waiters.set(m.name.Owner(), false)
	if !given {
		c.engine.Give(m.name)
		c.verifier.Leave(m.name)
		c.metrics.forget(m.name)
	}
}

// attend looks at an app that another process has: what it wants is known here, too, and how it stands is as that one says.
func (c *controller) attend(ctx context.Context, m *member, env *v1alpha1.Environment, rules app.Health, ruleErr error) (reconcile.Result, error) {
	c.give(m)
	obj := &v1alpha1.App{}
	err := c.client.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}, obj)
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return reconcile.Result{}, err
	}
	m.mu.Lock()
	m.status, m.written, m.begun, m.seen = *obj.Status.DeepCopy(), *obj.Status.DeepCopy(), true, exists
	m.unlock()
	wasIdle := c.fleet.Idle()
	if ruleErr != nil {
		c.fleet.Broken(m.name, c.fleet.Round(m.name), ruleErr.Error(), m.mentions())
	} else if err := c.render(ctx, m, rules); err != nil {
		return reconcile.Result{}, err
	} else if err := c.place(ctx, c.subject(ctx, m, env, obj), m); err != nil {
		return reconcile.Result{}, err
	}
	if m.isRemoved() && !exists && c.engine.Claims(m.name) == nil { // a record without claims has to go, too, and who has the app may not get to it
		c.forget(m)
		return reconcile.Result{}, nil
	}
	m.mu.Lock()
	m.dirty = m.pending
	m.behind = !m.sameWanted()
	ready := isReady(m.status) && !m.behind && !m.dirty
	m.unlock()
	c.looked(m, ready, false, wasIdle)
	if m.isUnheard() {
		return reconcile.Result{RequeueAfter: m.refusedAgain()}, nil
	}
	return reconcile.Result{}, nil
}

// place notes what another process's app wants.
func (c *controller) place(ctx context.Context, s engine.Subject, m *member) error {
	err := c.engine.Place(ctx, s)
	if err != nil && fault.KindOf(err) == fault.Invalid {
		c.fleet.Broken(m.name, s.Round, err.Error(), m.mentions())
		return nil
	}
	return err
}
