package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/engine"
)

// said is what an App object says of how its app stands, as far as this process knows.
//
// Each write of it is fenced by the version that was read or written last. So nothing is told of which another process has told: what that one wrote makes the
// write fail, and then the App object is read, and how the app stands begins anew with what it says.
type said struct {
	written v1alpha1.AppStatus
	version string              // the resourceVersion that had it
	sure    bool                // this process wrote it, or asked the API server for it: it is not from a cache, which may lag behind
	tried   *v1alpha1.AppStatus // what the last write was to say, if it may have been carried out
	doubted bool                // what it says is not known: a write failed
	seen    bool                // the cache has had the App object
	made    *v1alpha1.App       // it was made here, and the cache may not have it yet
}

// appObject returns the App object of a member, brought up to date. One that does not exist yet has no uid: it is made when there is something to say of it.
func (c *controller) appObject(ctx context.Context, m *member) (*v1alpha1.App, error) {
	obj := &v1alpha1.App{}
	err := c.client.Get(ctx, client.ObjectKey{Namespace: m.name.Namespace, Name: m.name.Object()}, obj)
	if apierrors.IsNotFound(err) {
		return m.unseen(), nil
	}
	if err == nil {
		err = c.catchUp(ctx, m, obj)
	}
	if err != nil {
		return nil, err
	}
	m.met(obj)
	moved, wait := m.moved(obj, c.now())
	if wait > 0 {
		c.appQueue.after(m.name.Namespace, m.name.Object(), wait)
		return obj, nil
	}
	if moved != nil {
		base := obj.DeepCopy()
		obj.Spec.Repository, obj.Spec.Path = moved.repository, moved.dir
		if err := c.client.Patch(ctx, obj, client.MergeFrom(base)); err != nil {
			return nil, fmt.Errorf("update App %s: %w", m.name, err)
		}
	}
	return obj, nil
}

// catchUp reads an App object from the API server if what the cache has of it is older than the app's record: a list that lags behind, just after a start.
func (c *controller) catchUp(ctx context.Context, m *member, obj *v1alpha1.App) error {
	told := 0
	if r := obj.Status.Release; r != nil {
		told = int(r.Serial)
	}
	if m.isSure() || told >= c.engine.Serial(m.name) {
		return nil
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.isSure() { // it was written just now
		return nil
	}
	if err := c.reader.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
		return fmt.Errorf("read App %s: %w", m.name, err)
	}
	m.mu.Lock()
	defer m.unlock()
	m.begin(obj)
	m.sure = true
	return nil
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
		m.written, m.version, m.tried, m.seen = v1alpha1.AppStatus{}, "", nil, false
	}
	m.begun = true
	obj := &v1alpha1.App{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.name.Namespace, Name: m.name.Object()},
		Spec:       v1alpha1.AppSpec{Environment: m.name.Environment, Name: m.name.App, Repository: m.place.repository, Path: m.place.dir},
	}
	if m.env != nil {
		obj.OwnerReferences = ownedBy(m.env)
		if s := m.env.Spec.Venue; s != nil {
			obj.Labels = map[string]string{v1alpha1.LabelVenue: s.Of}
		}
	}
	return obj
}

// met takes in the App object as the cache has it.
func (m *member) met(obj *v1alpha1.App) {
	m.mu.Lock()
	defer m.unlock()
	if !m.begun || !m.sure && obj.ResourceVersion != m.version && !sameStatus(obj.Status, m.written) {
		m.begin(obj)
	}
	m.seen, m.made = true, nil
}

// lost notes that the App object is gone.
func (m *member) lost() {
	m.mu.Lock()
	defer m.unlock()
	m.written, m.version, m.tried, m.seen, m.made = v1alpha1.AppStatus{}, "", nil, false, nil
}

// begin lets how the app stands be what the App object says. The lock is held.
func (m *member) begin(obj *v1alpha1.App) {
	m.status = *obj.Status.DeepCopy()
	m.written, m.version = m.status, obj.ResourceVersion
	m.begun, m.sure, m.tried, m.unwritten, m.doubted = true, false, nil, false, false
	m.sameWanted()
}

// moved returns where the app is, if its App object says something else, or how long to wait with that: of two controllers that know nothing of each other one
// may have read another commit, and they must not wake each other again and again.
func (m *member) moved(obj *v1alpha1.App, now time.Time) (to *place, wait time.Duration) {
	m.mu.Lock()
	defer m.unlock()
	if m.removed || m.place.repository == "" || obj.Spec.Repository == m.place.repository && obj.Spec.Path == m.place.dir {
		return nil, 0
	}
	if wait := m.movedAt.Add(lateAgain).Sub(now); wait > 0 {
		return nil, wait
	}
	p := m.place
	m.movedAt = now
	return &p, 0
}

// isNews reports whether an App object, as the cache has it, says something else than what a process goes by that has read it from there alone.
func (m *member) isNews(obj *v1alpha1.App) bool {
	m.mu.Lock()
	defer m.unlock()
	return m.begun && !m.sure && obj.ResourceVersion != m.version && !sameStatus(obj.Status, m.written)
}

// isSure reports whether what the App object says was read from the API server, or written by this process.
func (m *member) isSure() bool {
	m.mu.Lock()
	defer m.unlock()
	return m.sure
}

// compare doubts what the App object says if the cache has something else than what was written here, though that has been told by now: another process may have
// written it that stood still, and did not know that the app is not its own any more.
func (m *member) compare(obj *v1alpha1.App, now time.Time) {
	m.mu.Lock()
	defer m.unlock()
	if m.begun && m.sure && m.tried == nil && now.Sub(m.since) >= engine.Echo && !sameStatus(obj.Status, m.written) {
		m.doubted, m.since = true, now
	}
}

// doubt notes that nobody knows what the App object says: a write failed, and may have been carried out.
func (m *member) doubt() {
	m.mu.Lock()
	defer m.unlock()
	m.doubted = true
}

// isDoubted reports whether the App object, as the cache has it, has to be read before it is written.
func (m *member) isDoubted(obj *v1alpha1.App) bool {
	m.mu.Lock()
	defer m.unlock()
	return m.doubted || m.version == "" && !sameStatus(obj.Status, m.written)
}

// recognises takes in the App object as it is, and returns what it was known to say before. If it says neither that nor what this process tried to write, it is
// not known, and how the app stands begins anew with it.
func (m *member) recognises(obj *v1alpha1.App) (was v1alpha1.AppStatus, known bool) {
	m.mu.Lock()
	defer m.unlock()
	was = m.written
	if !sameStatus(obj.Status, m.written) && (m.tried == nil || !sameStatus(obj.Status, *m.tried)) {
		m.begin(obj)
		m.sure, m.dirty = true, true
		return was, false
	}
	m.written, m.version, m.sure, m.doubted = *obj.Status.DeepCopy(), obj.ResourceVersion, true, false
	m.unwritten = m.unwritten || !sameStatus(m.written, m.status)
	return was, true
}

// tries notes that how the app stands is about to be written, and returns over what, and over which version. An App object that was read, and says what is
// known, has that version.
func (m *member) tries(obj *v1alpha1.App) (was, next v1alpha1.AppStatus, version string) {
	m.mu.Lock()
	defer m.unlock()
	m.tried, m.sure = new(m.status), true
	if sameStatus(obj.Status, m.written) {
		m.version = obj.ResourceVersion // people may have written other parts of it
	}
	return m.written, *m.tried, m.version
}

// wrote notes what was written, and reports whether there is something else to say by now, be it what was said before: nobody else has that written then.
func (m *member) wrote(obj *v1alpha1.App, st v1alpha1.AppStatus, now time.Time) (more bool) {
	m.mu.Lock()
	defer m.unlock()
	m.written, m.version, m.tried, m.doubted = st, obj.ResourceVersion, nil, false
	m.unwritten, m.since = !equality.Semantic.DeepEqual(m.written, m.status), now
	return m.unwritten
}

// sameStatus reports whether two statuses are the same as the API server stores them, which has no fractions of seconds.
func sameStatus[S any](a, b S) bool {
	if equality.Semantic.DeepEqual(a, b) { // mostly they are: writing both as text takes twice as long
		return true
	}
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}
