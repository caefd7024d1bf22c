package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	written   v1alpha1.AppStatus
	unwritten bool
	doubted   bool          // what the App object says is not known: a write failed, which may have been carried out
	since     time.Time     // since when it is unwritten
	begun     bool          // status is what the App object said when the process started, or newer
	seen      bool          // the cache has had the App object
	made      *v1alpha1.App // it was made here, and the cache may not have it yet

	writing sync.Mutex // held while the App object is made, written or deleted
}

// conclude notes how an app stands after a look, and lets it be written.
func (c *controller) conclude(ctx context.Context, m *member, obj *v1alpha1.App, f report.Finding) {
	m.mu.Lock()
	m.dirty = m.pending // what was found since this pass began is still to be looked at
	f.Was, f.Generation, f.Now = m.status, max(obj.Generation, 1), c.now()
	f.Wanted, f.Inputs = m.wanted, m.status.Inputs
	switch {
	case m.older:
		f.Wanted = m.status.Wanted
	case m.rendered || m.broken != nil && m.place.repository != "":
		f.Inputs = m.inputs.Digest()
	}
	m.unlock()
	next := report.App(f)
	nothing := f.Removed && obj.UID == "" && len(c.engine.Claims(m.name)) == 0 // it goes as it came
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
	c.mu.Lock()
	m := c.apps[app.Owner{Namespace: req.Namespace, Name: req.Name}]
	c.mu.Unlock()
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
	was, next, since := m.toWrite(c.share)
	if since.IsZero() {
		return reconcile.Result{}, nil
	}
	if waitsForWork(next) && c.appQueue.depth() > fewApps && c.now().Sub(since) < workAtMost {
		return reconcile.Result{RequeueAfter: statusDelay}, nil
	}
	obj, made, err := c.theApp(ctx, m)
	if err != nil {
		return reconcile.Result{}, err
	}
	told := was
	switch {
	case made:
		was = *obj.Status.DeepCopy()
		told = was
	case m.isDoubted():
		if err = c.reader.Get(ctx, client.ObjectKeyFromObject(obj), obj); err == nil {
			was = *obj.Status.DeepCopy()
		}
	}
	if err == nil {
		err = c.patchStatus(ctx, obj, was, next, was.Phase == "")
	}
	if absent.Object(err) { // somebody deleted it just now
		m.lost()
		return reconcile.Result{}, fmt.Errorf("write status of App %s: %w", m.name, err)
	}
	if err != nil {
		m.doubt()
		return reconcile.Result{}, err
	}
	m.wrote(next, c.now())
	c.say(obj, told, next)
	c.envQueue.after(m.name.Namespace, m.name.Environment, statusDelay)
	return reconcile.Result{}, nil
}

// say writes the Events that go with a status.
func (c *controller) say(obj *v1alpha1.App, was, next v1alpha1.AppStatus) {
	if bad := next.Phase == v1alpha1.PhaseFailed || next.Phase == v1alpha1.PhaseHeld; bad && next.Reason != was.Reason {
		c.warn(obj, string(next.Phase), "Sync", next.Reason)
	}
	if next.Applied.Revision != was.Applied.Revision {
		c.note(obj, "Applied", "Sync", fmt.Sprintf("applied %s by %s: %s", next.Applied.Revision, next.Applied.Author, next.Applied.Subject))
	}
}

// theApp returns the App object of a member, and whether it was made just now.
func (c *controller) theApp(ctx context.Context, m *member) (*v1alpha1.App, bool, error) {
	obj := &v1alpha1.App{}
	key := client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}
	err := c.client.Get(ctx, key, obj)
	if !apierrors.IsNotFound(err) {
		return obj, false, err
	}
	if obj = m.unseen(); obj.UID != "" {
		return obj, false, nil
	}
	err = c.client.Create(ctx, obj)
	if apierrors.IsAlreadyExists(err) {
		err = c.reader.Get(ctx, key, obj)
	}
	if err != nil {
		return nil, false, fmt.Errorf("create App %s: %w", m.name, err)
	}
	m.mu.Lock()
	defer m.unlock()
	if !m.seen { // the cache may have been faster than the answer
		m.made = obj.DeepCopy()
	}
	return obj, true, nil
}

// unseen is the App object of a member that the cache does not have. It has a uid if it was made just now, and else none: it was never made, or somebody
// deleted it.
func (m *member) unseen() *v1alpha1.App {
	m.mu.Lock()
	defer m.unlock()
	if m.made != nil {
		return m.made.DeepCopy()
	}
	if m.seen {
		m.written, m.seen = v1alpha1.AppStatus{}, false
	}
	m.begun = true
	obj := &v1alpha1.App{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.name.Namespace, Name: m.name.Object()},
		Spec:       v1alpha1.AppSpec{Environment: m.name.Environment, Name: m.name.App, Repository: m.place.repository, Path: m.place.dir},
	}
	if m.env != nil {
		obj.OwnerReferences = ownedBy(m.env)
	}
	return obj
}

// met takes in the App object as the cache has it.
func (m *member) met(obj *v1alpha1.App) {
	m.mu.Lock()
	defer m.unlock()
	if !m.begun {
		m.status = *obj.Status.DeepCopy()
		m.written = m.status
	}
	m.begun, m.seen, m.made = true, true, nil
}

// lost notes that the App object is gone.
func (m *member) lost() {
	m.mu.Lock()
	defer m.unlock()
	m.written, m.seen, m.made = v1alpha1.AppStatus{}, false, nil
}

// toWrite returns what the App object says, what it is to say, and since when; a zero time if it says that already.
func (m *member) toWrite(s Share) (was, next v1alpha1.AppStatus, since time.Time) {
	m.mu.Lock()
	defer m.unlock()
	if (m.unwritten || m.doubted) && !m.retired && m.hold.isCurrent(s, keyOfApp(m.name.Owner())) {
		since = m.since
	}
	return m.written, m.status, since
}

// unwritten counts the apps whose App object does not yet say how they stand.
func (c *controller) unwritten() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, m := range c.apps {
		if _, _, since := m.toWrite(c.share); !since.IsZero() {
			n++
		}
	}
	return n
}

// doubt notes that nobody knows whether a write of the status was carried out.
func (m *member) doubt() {
	m.mu.Lock()
	defer m.unlock()
	m.doubted = true
}

func (m *member) isDoubted() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.doubted
}

func (m *member) wrote(st v1alpha1.AppStatus, now time.Time) {
	m.mu.Lock()
	defer m.unlock()
	m.doubted = false
	m.written = st
	m.unwritten, m.since = !equality.Semantic.DeepEqual(m.written, m.status), now
}

// stands returns how the app stands.
func (m *member) stands() v1alpha1.AppStatus {
	m.mu.Lock()
	defer m.unlock()
	return m.status
}
