package roster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
)

// Options say how a replica takes part.
type Options struct {
	// Leases are those of Fairlead's own namespace.
	Leases coordination.LeaseInterface
	// Lasts is how long the replica's Lease lasts: whole seconds.
	Lasts time.Duration
	// Holder is what people know the replica by, such as its Pod.
	Holder string
	Log    *slog.Logger
	// Now is a clock that never goes back, and Name makes a name that nobody ever had: lower-case letters and digits. Nil: the machine's.
	Now  func() time.Time
	Name func() string
	// Driver does what the member does by itself; nil: goroutines do.
	Driver Driver
}

// Member is a replica that takes part. It is safe for concurrent use.
type Member struct {
	o     Options
	end   context.CancelFunc
	kick  chan struct{} // there may be something to say
	ready chan struct{} // closed when the roster is settled for the first time

	due, retry time.Time // of the steps alone: when to renew, and when to expel again, since that it fails must not keep the own Lease from being renewed

	mu      sync.Mutex
	roster  *Roster // nil: not a member now
	before  *Roster // the last one
	lease   *coordinationv1.Lease
	said    []string // the members that the Lease says are known
	words   []word
	silent  bool              // words are not in the Lease yet
	heard   map[string][]word // by member
	works   map[*work]bool
	letting time.Time // since when work on what goes to another is waited for; zero: there is none
	renewed time.Time
	lapse   func() // stops what is to happen when the Lease was not renewed in time
	lapsed  string // whose Lease was found expired last
	late    bool   // the Lease could not be renewed in time
	changed func()
	told    func(key, word string)
}

// work is something that is being done to what a key names.
type work struct {
	key    string
	cancel context.CancelFunc
}

// Join makes a replica a member. What is its part is known when [Member.Wait] returns.
func Join(ctx context.Context, o Options) (*Member, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Name == nil {
		o.Name = func() string { return strings.ToLower(rand.Text()[:10]) }
	}
	if o.Driver == nil {
		o.Driver = &machine{o: o}
	}
	m := &Member{
		o: o, kick: make(chan struct{}, 1), lapse: func() {}, ready: make(chan struct{}), works: map[*work]bool{},
		changed: func() {}, told: func(string, string) {},
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	m.end = end
	o.Driver.Look(own, &View{m: m, ids: map[string]bool{}})
	m.dueAgain()
	o.Driver.Repeat(own, func() time.Time { return m.step(own) }, m.kick)
	return m, nil
}

// Wait returns when what is the member's part is known for the first time, and is no longer anybody else's: at once if it is alone, after as long as a Lease
// lasts if a replica died just before. A context that ends while it waits is an error.
func (m *Member) Wait(ctx context.Context) error {
	select {
	case <-m.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Notify says whom to tell that what the member owns may be different from before, and what other members say. Neither may block. The first is told at once.
func (m *Member) Notify(changed func(), told func(key, word string)) {
	m.mu.Lock()
	m.changed, m.told = changed, told
	m.mu.Unlock()
	changed()
}

// Owns reports whether what a key names is this member's, be it that it may not act now. Another term than the last time says that others may have had it
// in between.
func (m *Member) Owns(key string) (term int, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil || !m.roster.Owns(key) {
		return 0, false
	}
	return m.roster.Term(key), true
}

// Act begins work on what a key names, and reports whether the member may: then done is to be called when the work is over, and whoever is to have the key next
// waits for that. The context ends if the work must not go on.
func (m *Member) Act(ctx context.Context, key string) (_ context.Context, done func(), mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil || !m.roster.Owns(key) || !m.inTime() {
		return ctx, func() {}, false
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &work{key: key, cancel: cancel}
	m.works[w] = true
	return ctx, func() {
		cancel()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.works, w)
		if !m.letting.IsZero() {
			m.wake()
		}
	}, true
}

// InTime returns an error if the Lease was not renewed in time: then nothing may be written.
func (m *Member) InTime() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil || !m.inTime() {
		return errLate
	}
	return nil
}

var errLate = errors.New("the Lease of this replica was not renewed in time: others may have its apps by now")

// inTime reports whether no one else can take the member for dead. The lock is held.
func (m *Member) inTime() bool { return m.o.Now().Before(m.roster.Until()) }

// Alone reports whether there is no other member.
func (m *Member) Alone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.roster != nil && m.roster.Alone()
}

// Size is how many members there are; 0 as long as this is not one that owns anything.
func (m *Member) Size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.roster == nil || !m.roster.Settled() {
		return 0
	}
	return len(m.roster.Knows())
}

// Tell tells the other members a word about what a key names. They hear the last one of several. Who is none for now tells it when it comes back, and who is alone
// whoever was one before and comes back.
func (m *Member) Tell(key, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := word{Key: key, Word: text}
	if slices.Contains(m.words, w) {
		return
	}
	m.words = say(m.words, w)
	if m.roster == nil || m.roster.Alone() { // the next Lease has it, or this one when it is renewed
		return
	}
	m.silent = true
	m.wake()
}

// Leave ends all work, and gives the Lease back: the others have the member's part at once.
func (m *Member) Leave() {
	m.end()
	m.o.Driver.Wait()
	m.mu.Lock()
	lease := m.lease
	m.roster = nil
	m.lapse()
	m.cancel(func(*work) bool { return true })
	m.mu.Unlock()
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := m.o.Leases.Delete(ctx, lease.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &lease.UID}})
	if err != nil && !absent.Object(err) {
		m.o.Log.WarnContext(ctx, "Lease not given back: the other replicas take over once it has expired", "lease", lease.Name, "error", err)
	}
}

// cancel ends the works that are meant. The lock is held.
func (m *Member) cancel(meant func(*work) bool) {
	for w := range m.works {
		if meant(w) {
			w.cancel()
		}
	}
}

// wake lets it be looked whether there is something to say.
func (m *Member) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// enter makes a Lease, and reads who else is there. The order matters: of two that come at once, at least one sees the other.
func (m *Member) enter(ctx context.Context) error {
	id := m.o.Name()
	holder, seconds, sent := m.o.Holder+"_"+id, int32(m.o.Lasts/time.Second), m.o.Now()
	at := metav1.NewMicroTime(sent)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: namePrefix + id},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &at},
	}
	m.mu.Lock()
	said := m.words
	m.mu.Unlock()
	err := encode(lease, []string{id}, said, sent)
	if err == nil {
		lease, err = m.o.Leases.Create(ctx, lease, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("take a Lease: %w", err)
	}
	list, err := m.o.Leases.List(ctx, metav1.ListOptions{LabelSelector: Label})
	if err != nil {
		_ = m.o.Leases.Delete(context.WithoutCancel(ctx), lease.Name, metav1.DeleteOptions{})
		return fmt.Errorf("read the Leases of other replicas: %w", err)
	}
	now := m.o.Now()
	heard := map[string][]word{}
	there := make([]Lease, 0, len(list.Items))
	for i := range list.Items {
		l, words := decode(&list.Items[i], m.o.Lasts)
		there = append(there, l)
		if m.before == nil { // who was a member before may have missed what was said meanwhile; who was none reads all there is
			heard[l.ID] = words
		}
	}
	m.mu.Lock()
	m.lease, m.said, m.heard, m.renewed = lease, []string{id}, heard, sent
	m.silent = !slices.Equal(said, m.words)
	m.mu.Unlock()
	m.update("", func() {
		m.roster = New(id, m.o.Lasts, sent, there, now)
		if m.before != nil {
			m.roster.after(m.before)
		}
	})
	return nil
}

// update changes the roster, and does what follows from that.
func (m *Member) update(why string, f func()) {
	m.mu.Lock()
	was, settled := m.view()
	f()
	is, nowSettled := m.view()
	same := slices.Equal(was, is) && settled == nowSettled
	if m.roster != nil {
		m.watchTime()
	}
	var id string
	if m.roster != nil {
		id = m.roster.self
		if !settled && nowSettled {
			select {
			case <-m.ready:
			default:
				close(m.ready)
			}
		}
		if !m.letsGo() {
			m.letting = time.Time{}
		} else if m.letting.IsZero() {
			m.letting = m.o.Now()
		}
	}
	changed := m.changed
	m.mu.Unlock()
	if same {
		return
	}
	if !slices.Equal(was, is) || len(is) > 1 {
		m.o.Log.Info("replicas changed", "replica", id, "replicas", is, "came", minus(is, was), "went", minus(was, is), "why", why, "settled", nowSettled)
	}
	m.wake()
	changed()
}

// view is who is known, and whether it is settled. The lock is held.
func (m *Member) view() ([]string, bool) {
	if m.roster == nil {
		return nil, false
	}
	return m.roster.Knows(), m.roster.Settled()
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// letsGo reports whether there is work on what is no longer owned. The lock is held.
func (m *Member) letsGo() bool {
	for w := range m.works {
		if !m.roster.Owns(w.key) {
			return true
		}
	}
	return false
}

// watchTime ends all work when the Lease was not renewed in time. The lock is held.
func (m *Member) watchTime() {
	m.lapse()
	m.lapse = m.o.Driver.After(m.roster.Until().Sub(m.o.Now()), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.roster == nil || m.inTime() || m.late {
			return
		}
		m.late = true
		m.cancel(func(*work) bool { return true })
		m.o.Log.Warn("the Lease of this replica could not be renewed in time: it does nothing until it can")
	})
}
