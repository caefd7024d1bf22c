package roster

import (
	"context"
	"errors"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-cd/fairlead/internal/absent"
)

// spacing is how soon after a renewal another one is sent for words alone: it gathers them.
const spacing = 100 * time.Millisecond

// keep renews the Lease, says in it who is known, and deletes the Leases of the dead, until ctx ends.
func (m *Member) keep(ctx context.Context) {
	due := time.Now().Add(m.o.Lasts / 3)
	var retry time.Time // when to expel again: that it fails must not keep the own Lease from being renewed
	for ctx.Err() == nil {
		m.cutOff()
		if !time.Now().Before(retry) && m.expel(ctx) {
			retry = time.Now().Add(time.Second)
		}
		now := time.Now()
		at, news := m.news(now)
		if !now.Before(due) || news && !now.Before(at) {
			switch err := m.renew(ctx); {
			case err == nil:
				due = time.Now().Add(m.o.Lasts / 3)
			case errors.Is(err, errExpelled):
				m.enterAgain(ctx)
				due = time.Now().Add(m.o.Lasts / 3)
			default:
				m.o.Log.WarnContext(ctx, "Lease not renewed", "error", err)
				due = now.Add(min(time.Second, m.o.Lasts/10))
				m.sleep(ctx, due)
			}
			continue
		}
		next := due
		if news && at.Before(next) {
			next = at
		}
		m.sleep(ctx, m.soonest(next, retry))
	}
}

// sleep waits until a time, or until there may be something to say.
func (m *Member) sleep(ctx context.Context, until time.Time) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-m.kick:
	}
}

// soonest is when something has to be done though nothing is heard: at the given time, when a Lease lapses, but not before retry, or when work that is waited
// for has had its time.
func (m *Member) soonest(next, retry time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil {
		return next
	}
	if at := m.roster.Lapses(); !at.IsZero() {
		if at.Before(retry) {
			at = retry
		}
		if at.Before(next) {
			next = at
		}
	}
	if at := m.letting.Add(m.o.Lasts / 2); !m.letting.IsZero() && at.Before(next) {
		next = at
	}
	return next
}

// news reports whether the Lease should say something else than it does, and when that may be sent.
func (m *Member) news(now time.Time) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.roster == nil:
		return now, true
	case !m.letsGo() && !slices.Equal(m.roster.Knows(), m.said):
		return now, true
	case m.silent:
		return m.renewed.Add(spacing), true
	}
	return now, false
}

// cutOff ends work on what goes to another member that takes too long: it can be begun anew there.
func (m *Member) cutOff() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil || m.letting.IsZero() || time.Since(m.letting) < m.o.Lasts/2 {
		return
	}
	m.letting = time.Now()
	m.cancel(func(w *work) bool { return !m.roster.Owns(w.key) })
}

// errExpelled says that the Lease is gone: the others, or somebody, took the member for dead.
var errExpelled = errors.New("the Lease is gone")

// renew renews the Lease once. What it says of who is known changes only when no work is left on what goes to those that it did not say before.
func (m *Member) renew(ctx context.Context) error {
	m.mu.Lock()
	if m.roster == nil {
		m.mu.Unlock()
		return errExpelled
	}
	lease, knows, words := m.lease.DeepCopy(), m.said, m.words
	if !m.letsGo() {
		knows = m.roster.Knows()
	}
	m.mu.Unlock()
	sent := time.Now()
	if err := encode(lease, knows, words, sent); err != nil {
		return err
	}
	trying, cancel := context.WithTimeout(ctx, m.o.Lasts/4)
	defer cancel()
	out, err := m.o.Leases.Update(trying, lease, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || absent.Object(err) {
		return m.reread(trying, err)
	}
	if err != nil {
		return err
	}
	m.update("the Lease was renewed", func() {
		if m.roster == nil {
			return
		}
		m.lease, m.said, m.renewed = out, knows, sent
		m.silent = m.silent && !slices.Equal(words, m.words)
		m.roster.Renewed(sent, time.Now())
	})
	m.recovered()
	return nil
}

// recovered tells who was refused while the Lease was late.
func (m *Member) recovered() {
	m.mu.Lock()
	was := m.late
	m.late = false
	changed := m.changed
	m.mu.Unlock()
	if was {
		changed()
	}
}

// reread looks at the Lease after a renewal was refused: an earlier answer may have been lost, or somebody wrote something into it.
func (m *Member) reread(ctx context.Context, why error) error {
	m.mu.Lock()
	was := m.lease
	m.mu.Unlock()
	is, err := m.o.Leases.Get(ctx, was.Name, metav1.GetOptions{})
	switch {
	case absent.Object(err), err == nil && is.UID != was.UID:
		return errExpelled
	case err != nil:
		return err
	}
	m.mu.Lock()
	m.lease = is
	m.mu.Unlock()
	return why
}

// enterAgain begins anew as another member: what this one had may be others' by now.
func (m *Member) enterAgain(ctx context.Context) {
	m.update("its Lease is gone", func() {
		if m.roster != nil {
			m.before = m.roster
		}
		m.roster, m.lease = nil, nil
		m.cancel(func(*work) bool { return true })
	})
	for ctx.Err() == nil {
		err := m.enter(ctx)
		if err == nil {
			m.recovered()
			return
		}
		m.o.Log.WarnContext(ctx, "this replica is no member", "error", err)
		m.sleep(ctx, time.Now().Add(time.Second))
	}
}

// expel deletes the Leases that were not renewed in time, each only if it was not renewed since. It reports whether that has to be tried again.
func (m *Member) expel(ctx context.Context) (again bool) {
	m.mu.Lock()
	var lapsed []Lease
	if m.roster != nil && m.inTime() {
		lapsed = m.roster.Lapsed(time.Now())
	}
	m.mu.Unlock()
	for _, l := range lapsed {
		m.mu.Lock()
		m.lapsed = l.ID
		m.mu.Unlock()
		trying, cancel := context.WithTimeout(ctx, m.o.Lasts/4)
		name := namePrefix + l.ID
		err := m.o.Leases.Delete(trying, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &l.Version}})
		switch {
		case err == nil, absent.Object(err):
			m.gone(l.ID, expired)
		case apierrors.IsConflict(err): // it lives, and the watch is late
			var is *coordinationv1.Lease
			if is, err = m.o.Leases.Get(trying, name, metav1.GetOptions{}); err == nil {
				m.see(is)
			}
		}
		cancel()
		again = again || err != nil && !absent.Object(err)
	}
	return again
}

const expired = "its Lease expired"

func (m *Member) gone(id, why string) {
	m.update(why, func() {
		if m.roster != nil {
			m.roster.Gone(id)
			delete(m.heard, id)
		}
	})
}

// see takes in a Lease as it was a moment ago, and what its holder says.
func (m *Member) see(l *coordinationv1.Lease) {
	lease, words := decode(l, m.o.Lasts)
	var fresh []word
	m.update("", func() {
		if m.roster == nil || lease.ID == m.roster.self {
			return
		}
		before, known := m.heard[lease.ID]
		for _, w := range words {
			if known && !slices.Contains(before, w) {
				fresh = append(fresh, w)
			}
		}
		m.heard[lease.ID] = words
		m.roster.See(lease, time.Now())
	})
	if len(fresh) == 0 {
		return
	}
	m.mu.Lock()
	tell := m.told
	m.mu.Unlock()
	for _, w := range fresh {
		tell(w.Key, w.Word)
	}
}

// watch follows the Leases until ctx ends.
func (m *Member) watch(ctx context.Context) {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = Label
			return m.o.Leases.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = Label
			return m.o.Leases.Watch(ctx, o)
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, &coordinationv1.Lease{}, &sink{m: m, ids: map[string]bool{}}, cache.ReflectorOptions{Name: "replicas"})
	// The loop is ours because the reflector's own waits for up to half a minute after an outage: so long nobody could come.
	for ctx.Err() == nil {
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			m.o.Log.WarnContext(ctx, "the Leases of other replicas are not seen", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Second, m.o.Lasts/10)):
		}
	}
}

// sink is the reflector's store: it tells the member instead of keeping anything but which Leases it has told of.
type sink struct {
	m   *Member
	ids map[string]bool
}

func (s *sink) Add(obj any) error {
	if l, ok := obj.(*coordinationv1.Lease); ok {
		s.ids[idOf(l)] = true
		s.m.see(l)
	}
	return nil
}

func (s *sink) Update(obj any) error { return s.Add(obj) }

func (s *sink) Delete(obj any) error {
	if l, ok := obj.(*coordinationv1.Lease); ok {
		delete(s.ids, idOf(l))
		s.m.left(idOf(l))
	}
	return nil
}

func (s *sink) Replace(list []any, _ string) error {
	there := map[string]bool{}
	for _, obj := range list {
		if l, ok := obj.(*coordinationv1.Lease); ok {
			there[idOf(l)] = true
			_ = s.Add(l)
		}
	}
	for id := range s.ids {
		if !there[id] {
			delete(s.ids, id)
			s.m.left(id)
		}
	}
	return nil
}

func (s *sink) Resync() error { return nil }

// left takes in that a Lease was deleted: by its holder, by a member that found it expired, or by a person.
func (m *Member) left(id string) {
	m.mu.Lock()
	own, why := m.roster != nil && m.roster.self == id, "its Lease was given back"
	if m.lapsed == id {
		why = expired
	}
	m.mu.Unlock()
	if own {
		m.wake() // the renewal finds out
		m.mu.Lock()
		m.said = nil
		m.mu.Unlock()
		return
	}
	m.gone(id, why)
}
