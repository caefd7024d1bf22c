package roster

import (
	"context"
	"errors"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
)

// spacing is how soon after a renewal another one is sent for words alone: it gathers them.
const spacing = 100 * time.Millisecond

// step renews the Lease, says in it who is known, and deletes the Leases of the dead, as far as that is due. It returns when to be called again though nothing
// is heard.
func (m *Member) step(ctx context.Context) time.Time {
	if m.isOut() {
		return m.comeBack(ctx)
	}
	m.cutOff()
	if !m.o.Now().Before(m.retry) && m.expel(ctx) {
		m.retry = m.o.Now().Add(time.Second)
	}
	now := m.o.Now()
	at, news := m.news(now)
	if now.Before(m.due) && (!news || now.Before(at)) {
		next := m.due
		if news && at.Before(next) {
			next = at
		}
		return m.soonest(next, m.retry)
	}
	switch err := m.renew(ctx); {
	case err == nil:
		m.dueAgain()
		return now
	case errors.Is(err, errExpelled):
		m.goOut()
		return now
	default:
		m.o.Log.WarnContext(ctx, "Lease not renewed", "error", err)
		m.due = now.Add(min(time.Second, m.o.Lasts/10))
		return m.due
	}
}

// dueAgain says when the Lease is to be renewed next: a third of its time after the request for the last renewal was sent, however late the answer came.
func (m *Member) dueAgain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.due = m.renewed.Add(m.o.Lasts / 3)
}

// soonest is when something has to be done though nothing is heard: at the given time, when a Lease lapses, but not before retry, or when work that is waited
// for has had its time.
func (m *Member) soonest(next, retry time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil {
		return next
	}
	if at := m.roster.Lapses(); !at.IsZero() && m.inTime() { // who is late itself expels nobody
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
	if m.roster == nil || m.letting.IsZero() || m.o.Now().Sub(m.letting) < m.o.Lasts/2 {
		return
	}
	m.letting = m.o.Now()
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
	sent := m.o.Now()
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
		m.roster.Renewed(sent, m.o.Now())
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

// goOut ends the membership: what this member had may be others' by now.
func (m *Member) goOut() {
	m.update("its Lease is gone", func() {
		if m.roster != nil {
			m.before = m.roster
		}
		m.roster, m.lease = nil, nil
		m.cancel(func(*work) bool { return true })
	})
}

// isOut reports whether this is no member, since its Lease was gone.
func (m *Member) isOut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.roster == nil
}

// comeBack begins anew as another member.
func (m *Member) comeBack(ctx context.Context) time.Time {
	if err := m.enter(ctx); err != nil {
		m.o.Log.WarnContext(ctx, "this replica is no member", "error", err)
		return m.o.Now().Add(time.Second)
	}
	m.dueAgain()
	m.recovered()
	return m.o.Now()
}

// expel deletes the Leases that were not renewed in time, each only if it was not renewed since. It reports whether that has to be tried again.
func (m *Member) expel(ctx context.Context) (again bool) {
	m.mu.Lock()
	var lapsed []Lease
	if m.roster != nil && m.inTime() {
		lapsed = m.roster.Lapsed(m.o.Now())
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
		before := m.heard[lease.ID] // none, if it has just come: what it says may be newer than what is known here
		for _, w := range words {
			if !slices.Contains(before, w) {
				fresh = append(fresh, w)
			}
		}
		m.heard[lease.ID] = words
		m.roster.See(lease, m.o.Now())
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
