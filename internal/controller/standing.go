package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/report"
)

// standing is how an app stands, and what its App object says of that. The one is known at once; the other is written when there is nothing more urgent to
// do, once for all that changed meanwhile. Both may share what they point to: a status is never changed, but for another in its place.
type standing struct {
	status    v1alpha1.AppStatus
	unwritten bool
	since     time.Time // since when it is unwritten
	begun     bool      // status is what the App object said when the process started, or newer
	said

	writing sync.Mutex // held while the App object is made, written or deleted
}

// conclude notes how an app stands after a look, and lets it be written.
func (c *controller) conclude(ctx context.Context, m *member, obj *v1alpha1.App, f report.Finding) {
	m.mu.Lock()
	m.dirty = m.pending // what was found since this pass began is still to be looked at
	f.Was, f.Generation, f.Now = m.status, max(obj.Generation, 1), c.now()
	f.Wanted = m.wanted
	if f.Bundle == "" || f.Bundle == m.status.Bundle { // of a bundle that was found in the record nobody here knows what was read of Git for it
		f.Inputs = m.status.Inputs
	}
	switch {
	case m.older:
		f.Wanted = m.status.Wanted
	case m.rendered || m.broken != nil && m.read.Revision != "": // else it was not looked for in any commit yet
		f.Inputs = m.inputs.Digest()
	}
	m.unlock()
	next := report.App(f)
	nothing := f.Removed && obj.UID == "" && len(c.engine.Claims(m.name)) == 0 // it goes as it came
	c.recordStanding(ctx, m, f, &next)
	m.mu.Lock()
	next.Told = m.status.Told // a forge may have been told meanwhile
	m.status = next
	write := !nothing && !equality.Semantic.DeepEqual(next, m.written)
	if write && !m.unwritten {
		m.since = f.Now
	}
	m.unwritten = write
	m.unlock()
	c.metrics.app(m.name, f.Was, next)
	if next.Phase != f.Was.Phase || next.Reason != f.Was.Reason {
		c.log.InfoContext(ctx, "app status", "app", m.name.String(), "phase", string(next.Phase), "health", next.Health, "reason", next.Reason)
	}
	if write {
		c.statusQueue.after(m.name.Namespace, m.name.Object(), passing(next))
	}
	if c.tells.Load() && report.IsNews(next.Told, report.Verdict(next)) {
		c.forgeQueue.after(m.name.Namespace, m.name.Object(), statusDelay)
	}
}

// passing is how long a status may wait to be written: everything is applied, and most objects are healthy a moment later.
func passing(st v1alpha1.AppStatus) time.Duration {
	if st.Phase == v1alpha1.PhaseSynced && st.Health == string(health.Progressing) {
		return statusDelay
	}
	return 0
}

// While more than fewApps wait to be looked at, that all is well with another one may wait too, for as long as workAtMost: a write costs the API server the
// same whatever it is for. That something is wrong is written at once.
const (
	fewApps    = 4
	workAtMost = 15 * time.Second
)

func waitsForWork(st v1alpha1.AppStatus) bool {
	return st.Phase == v1alpha1.PhaseSynced && (st.Health == string(health.Healthy) || st.Health == string(health.Progressing))
}

// reconcileStatus writes how an app stands to its App object, which it makes if it has to.
func (c *controller) reconcileStatus(ctx context.Context, req reconcile.Request) (res reconcile.Result, err error) {
	m := c.known(app.Owner{Namespace: req.Namespace, Name: req.Name})
	if m == nil {
		return reconcile.Result{}, nil
	}
	key := keyOfApp(m.name.Owner())
	ctx, done, mine := c.share.Act(ctx, key)
	if !mine {
		_, mine = c.share.Owns(key)
		return reconcile.Result{RequeueAfter: late(mine)}, nil
	}
	defer done()
	defer cutShort(ctx, &res, &err)
	m.writing.Lock()
	defer m.writing.Unlock()
	if told := (&v1alpha1.App{}); c.shared.Load() {
		if err := c.client.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}, told); err == nil {
			m.compare(told, c.now())
		}
	}
	next, since := m.toWrite(c.share)
	if since.IsZero() {
		return reconcile.Result{}, nil
	}
	if waitsForWork(next) && c.appQueue.depth() > fewApps && c.now().Sub(since) < workAtMost {
		return reconcile.Result{RequeueAfter: statusDelay}, nil
	}
	obj, err := c.theApp(ctx, m)
	if err != nil {
		return reconcile.Result{}, err
	}
	if m.isDoubted(obj) {
		if known, err := c.reread(ctx, m, obj); err != nil || !known {
			return reconcile.Result{}, err
		}
		if _, since := m.toWrite(c.share); since.IsZero() { // it says that already
			return reconcile.Result{}, nil
		}
	}
	was, next, version := m.tries(obj)
	err = c.patchStatus(ctx, obj, change{was: was, next: next, first: was.Phase == "", over: version})
	switch {
	case absent.Object(err): // somebody deleted it just now
		m.lost()
		return reconcile.Result{}, fmt.Errorf("write status of App %s: %w", m.name, err)
	case apierrors.IsConflict(err):
		m.doubt()
		return reconcile.Result{RequeueAfter: conflictAgain}, nil
	case err != nil:
		m.doubt()
		return reconcile.Result{}, err
	}
	if m.wrote(obj, next, c.now()) {
		c.statusQueue.after(m.name.Namespace, m.name.Object(), passing(m.stands()))
	}
	c.say(obj, was, next)
	c.envQueue.after(m.name.Namespace, m.name.Environment, statusDelay)
	return reconcile.Result{}, nil
}

// reread reads what the App object of a member says, and reports whether that is known: then how the app stands may be written over it. If it was written here,
// and nobody heard of that, the Events that go with it are written.
func (c *controller) reread(ctx context.Context, m *member, obj *v1alpha1.App) (known bool, err error) {
	if err := c.reader.Get(ctx, client.ObjectKeyFromObject(obj), obj); absent.Object(err) {
		m.lost()
		return false, fmt.Errorf("read App %s: %w", m.name, err)
	} else if err != nil {
		return false, err
	}
	was, known := m.recognises(obj)
	if !known {
		c.appQueue.add(m.name.Namespace, m.name.Object()) // how it stands follows from what it says
		return false, nil
	}
	c.say(obj, was, obj.Status)
	return true, nil
}

// conflictAgain is how soon it is tried again after somebody else was faster.
const conflictAgain = 50 * time.Millisecond

// say writes the Events that go with a status.
func (c *controller) say(obj *v1alpha1.App, was, next v1alpha1.AppStatus) {
	bad := next.Phase == v1alpha1.PhaseFailed || next.Phase == v1alpha1.PhaseHeld || next.Phase == v1alpha1.PhaseRolledBack
	if bad && next.Reason != was.Reason {
		c.warn(obj, string(next.Phase), "Sync", next.Reason)
	}
	if next.Applied.Revision != was.Applied.Revision {
		text := fmt.Sprintf("applied %s by %s", next.Applied.Revision, next.Applied.Author)
		if next.Applied.Subject != "" {
			text += ": " + next.Applied.Subject
		}
		c.note(obj, "Applied", "Sync", text)
	}
}

// theApp returns the App object of a member, which it makes if there is none.
func (c *controller) theApp(ctx context.Context, m *member) (*v1alpha1.App, error) {
	obj := &v1alpha1.App{}
	key := client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}
	err := c.client.Get(ctx, key, obj)
	if !apierrors.IsNotFound(err) {
		return obj, err
	}
	if obj = m.unseen(); obj.UID != "" {
		return obj, nil
	}
	if err = c.client.Create(ctx, obj); apierrors.IsAlreadyExists(err) { // the cache lags behind
		m.doubt()
		return obj, nil
	}
	if err != nil {
		return nil, fmt.Errorf("create App %s: %w", m.name, err)
	}
	m.mu.Lock()
	defer m.unlock()
	m.written, m.version, m.tried, m.doubted = v1alpha1.AppStatus{}, obj.ResourceVersion, nil, false
	if !m.seen { // the cache may have been faster than the answer
		m.made = obj.DeepCopy()
	}
	return obj, nil
}

// toWrite returns what the App object is to say, and since when; a zero time if it says that already.
func (m *member) toWrite(s Share) (next v1alpha1.AppStatus, since time.Time) {
	m.mu.Lock()
	defer m.unlock()
	if (m.unwritten || m.doubted) && !m.retired && m.hold.isCurrent(s, keyOfApp(m.name.Owner())) {
		since = m.since
	}
	return m.status, since
}

// unwritten counts the apps whose App object does not yet say how they stand.
func (c *controller) unwritten() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, m := range c.apps {
		if _, since := m.toWrite(c.share); !since.IsZero() {
			n++
		}
	}
	return n
}

// stands returns how the app stands.
func (m *member) stands() v1alpha1.AppStatus {
	m.mu.Lock()
	defer m.unlock()
	return m.status
}
