package messenger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

// Options are what a Messenger needs. All but Carry and Tried must be set.
type Options struct {
	// Client reads from a cache, which may lag behind, and writes; Reader asks the API server.
	Client client.Client
	Reader client.Reader
	// Secret reads a Secret beside a Notifier. Its errors are shown to people.
	Secret func(ctx context.Context, namespace, name string) (map[string][]byte, error)
	// May says whether an address may be asked.
	May func(netip.Addr) bool
	// Carry carries what is told by HTTP; nil: the network, to addresses that may be asked.
	Carry http.RoundTripper
	Now   func() time.Time
	Log   *slog.Logger
	// Tried is told of each try to send a message: by which way, such as "slack", and whether it was taken. Nil: nobody is told.
	Tried func(way string, taken bool)
}

// Messenger sends messages. It is safe for concurrent use, but for two looks at the same Notifier.
type Messenger struct{ Options }

// New returns a Messenger.
func New(o Options) *Messenger { return &Messenger{o} }

const (
	// timeout bounds one try to send one message.
	timeout = 20 * time.Second
	// mostAtOnce is how many messages one look sends: then the apps are looked at again.
	mostAtOnce = 20
	// soon is when to look again at what somebody else wrote.
	soon = time.Second
)

// Look tells what a Notifier is to tell now, and returns how long to wait before the next look though nothing happens; 0: for ever.
func (m *Messenger) Look(ctx context.Context, name types.NamespacedName) (time.Duration, error) {
	n := &v1alpha1.Notifier{}
	if err := m.Client.Get(ctx, name, n); err != nil {
		return 0, absent.Ignore(err)
	}
	events, again, err := m.events(ctx, name.Namespace)
	if err != nil || n.DeletionTimestamp != nil {
		return 0, err
	}
	now := m.Now()
	if due, later := m.prepare(n, events, now); !due {
		return wait(now, again, later), nil
	}
	// What the cache has may be older than what was sent: what to send is decided by what the API server has.
	n = &v1alpha1.Notifier{}
	if err := m.Reader.Get(ctx, name, n); err != nil {
		return 0, absent.Ignore(err)
	}
	sent, err := m.send(ctx, n, events)
	if apierrors.IsConflict(err) {
		return soon, nil
	}
	if err != nil {
		return 0, fmt.Errorf("tell for Notifier %s: %w", name, err)
	}
	if sent == mostAtOnce {
		return soon, nil
	}
	now = m.Now()
	_, later := notify.Due(n, now)
	return wait(now, again, later), nil
}

// wait is how long it is to the first of these times; 0 if there is none.
func wait(now time.Time, times ...time.Time) time.Duration {
	least := time.Duration(0)
	for _, t := range times {
		if d := max(t.Sub(now), time.Millisecond); !t.IsZero() && (least == 0 || d < least) {
			least = d
		}
	}
	return least
}

// events are what the Apps of a namespace show.
func (m *Messenger) events(ctx context.Context, namespace string) (all []notify.Event, again time.Time, err error) {
	var apps v1alpha1.AppList
	if err := m.Client.List(ctx, &apps, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, time.Time{}, fmt.Errorf("list Apps: %w", err)
	}
	now := m.Now()
	for i := range apps.Items {
		if apps.Items[i].Labels[v1alpha1.LabelVenue] != "" { // what becomes of a rehearsal is told of its candidate
			continue
		}
		events, later := notify.Events(&apps.Items[i], now)
		all = append(all, events...)
		if again.IsZero() || !later.IsZero() && later.Before(again) {
			again = later
		}
	}
	return all, again, nil
}

// prepare takes in what is new, and reports whether there is anything to write or to send, or when there may be.
func (m *Messenger) prepare(n *v1alpha1.Notifier, events []notify.Event, now time.Time) (bool, time.Time) {
	was := n.Status
	n.Status = notify.Note(n, events, now)
	n.Status.ObservedGeneration = n.Generation
	conclude(n, now)
	due, later := notify.Due(n, now)
	return len(due) > 0 || !equality.Semantic.DeepEqual(was, n.Status), later
}

// conclude sets the condition Ready.
func conclude(n *v1alpha1.Notifier, now time.Time) {
	c := metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Told", Message: "what happened was told", ObservedGeneration: n.Generation,
		LastTransitionTime: metav1.NewTime(now.UTC().Truncate(time.Second)),
	}
	if n.Status.Waiting > 0 {
		c.Message = "some is still to be told"
	}
	for _, t := range n.Status.Told {
		if t.Error != "" && t.State != v1alpha1.TellingSent {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, "NotTold", t.Error
		}
	}
	if err := notify.Check(n.Spec); err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Invalid", err.Error()
	}
	meta.SetStatusCondition(&n.Status.Conditions, c)
}

// send sends what is due, and returns how many messages that were. The Notifier is as the API server has it, and is again in the end.
func (m *Messenger) send(ctx context.Context, n *v1alpha1.Notifier, events []notify.Event) (int, error) {
	base := n.DeepCopy()
	m.prepare(n, events, m.Now())
	due, _ := notify.Due(n, m.Now())
	if len(due) == 0 {
		return 0, m.write(ctx, base, n)
	}
	for i := range due[:min(len(due), mostAtOnce)] {
		// An earlier one may have begun the thread of this one.
		msg, ok := again(n, due[i], m.Now())
		if !ok {
			continue
		}
		n.Status = notify.Begun(n.Status, msg)
		if err := m.write(ctx, base, n); err != nil {
			return i, err
		}
		base = n.DeepCopy()
		result := m.try(ctx, n, msg)
		if ctx.Err() != nil {
			return i, nil // it may have come, as the status says
		}
		n.Status = notify.Ended(n.Status, msg, result, m.Now())
		if result.Error != "" {
			m.Log.WarnContext(ctx, "not told", "notifier", client.ObjectKeyFromObject(n).String(), "what", msg.ID, "error", result.Error)
		}
		conclude(n, m.Now())
		if err := m.settle(ctx, base, n); err != nil {
			return i, err
		}
		base = n.DeepCopy()
	}
	return min(len(due), mostAtOnce), nil
}

// again is a message as it is due by now.
func again(n *v1alpha1.Notifier, m notify.Message, now time.Time) (notify.Message, bool) {
	due, _ := notify.Due(n, now)
	for _, d := range due {
		if d.ID == m.ID {
			return d, true
		}
	}
	return notify.Message{}, false
}

// write writes the status over the one that base has, unless somebody wrote since.
func (m *Messenger) write(ctx context.Context, base, n *v1alpha1.Notifier) error {
	if equality.Semantic.DeepEqual(base.Status, n.Status) {
		return nil
	}
	return m.Client.Status().Patch(ctx, n, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
}

// settle writes how sending went. People may have changed the Notifier meanwhile; its status is this process's as long as ctx lasts.
func (m *Messenger) settle(ctx context.Context, base, n *v1alpha1.Notifier) error {
	st := *n.Status.DeepCopy()
	for {
		err := m.write(ctx, base, n)
		if !apierrors.IsConflict(err) {
			return err
		}
		is := &v1alpha1.Notifier{}
		if err := m.Reader.Get(ctx, client.ObjectKeyFromObject(n), is); err != nil {
			return err
		}
		if !equality.Semantic.DeepEqual(is.Status, base.Status) {
			return err // another process wrote it
		}
		base = is.DeepCopy()
		*n = *is
		n.Status = st
	}
}

// try sends one message once.
func (m *Messenger) try(ctx context.Context, n *v1alpha1.Notifier, msg notify.Message) notify.Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var r notify.Result
	var err error
	way := "none"
	switch {
	case n.Spec.Slack != nil:
		way = "slack"
		r.Thread, err = m.slack(ctx, n, msg)
	case n.Spec.Teams != nil:
		way = "teams"
		err = m.teams(ctx, n, msg)
	case n.Spec.Email != nil:
		way = "email"
		err = m.email(ctx, n, msg)
	case n.Spec.Webhook != nil:
		way = "webhook"
		err = m.webhook(ctx, n, msg)
	default:
		err = fault.New(fault.Invalid, errors.New("the Notifier says nobody whom to tell"))
	}
	if m.Tried != nil {
		m.Tried(way, err == nil)
	}
	if err != nil {
		kind := fault.KindOf(err)
		r.Error, r.After, r.Refused = err.Error(), fault.After(err), kind == fault.Invalid || kind == fault.Denied
	}
	return r
}
