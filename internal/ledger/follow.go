package ledger

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// Follow tells what each app claims, and whatever changes of that, until ctx ends: nil claims say that the record is gone. Trouble is told why nothing is heard
// for a while. A record that is not readable stays as it was. What is told may be late, but it never goes back in time. Known are the apps whose record was read
// before: if it is gone by now, that is told, too.
func (l *Ledger) Follow(ctx context.Context, known []app.Name, told func(app.Name, app.Claims), trouble func(error)) {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = Heads
			return l.secrets.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = Heads
			return l.secrets.Watch(ctx, o)
		},
	}
	reflector := cache.NewReflectorWithOptions(lw, &corev1.Secret{}, sink{NewFollower(known, told)}, cache.ReflectorOptions{Name: "ledger", MinWatchTimeout: followTimeout})
	for ctx.Err() == nil {
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			trouble(unread(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

const (
	// followTimeout is how long the server is asked to keep the watch open.
	followTimeout = 30 * time.Minute
	// followAgain is how long after a watch that ended another one is begun.
	followAgain = time.Second
)

// Follower is told of the Secrets with the label selector [Heads], and tells what the apps claim. It is for one goroutine.
type Follower struct {
	told  func(app.Name, app.Claims)
	names map[string]app.Name // by Secret: all that is kept of them
}

// Heads selects the Secrets that say what apps claim, one for each app.
const Heads = labelKind + "=" + kindHead

// NewFollower returns one that tells as [Ledger.Follow] does.
func NewFollower(known []app.Name, told func(app.Name, app.Claims)) *Follower {
	f := &Follower{told: told, names: map[string]app.Name{}}
	for _, n := range known {
		f.names[secretName(n)] = n
	}
	return f
}

// Replace takes a whole list: what is not in it is gone.
func (f *Follower) Replace(list []*corev1.Secret) {
	there := map[string]bool{}
	for _, s := range list {
		there[s.Name] = true
		f.Put(s)
	}
	for name := range f.names {
		if !there[name] {
			f.drop(name)
		}
	}
}

// Put takes a Secret as an event shows it.
func (f *Follower) Put(s *corev1.Secret) {
	if r, err := Read(s); err == nil {
		f.names[s.Name] = r.App
		f.told(r.App, r.Claims)
	}
}

// Drop takes a Secret that is gone.
func (f *Follower) Drop(s *corev1.Secret) { f.drop(s.Name) }

func (f *Follower) drop(name string) {
	if n, known := f.names[name]; known {
		delete(f.names, name)
		f.told(n, nil)
	}
}

// sink is the reflector's store: it tells a follower.
type sink struct{ *Follower }

func (s sink) Add(obj any) error {
	if x, ok := obj.(*corev1.Secret); ok {
		s.Put(x)
	}
	return nil
}

func (s sink) Update(obj any) error { return s.Add(obj) }

func (s sink) Delete(obj any) error {
	if x, ok := obj.(*corev1.Secret); ok {
		s.Drop(x)
	}
	return nil
}

func (s sink) Replace(list []any, _ string) error {
	secrets := make([]*corev1.Secret, 0, len(list))
	for _, obj := range list {
		if x, ok := obj.(*corev1.Secret); ok {
			secrets = append(secrets, x)
		}
	}
	s.Follower.Replace(secrets)
	return nil
}

func (s sink) Resync() error { return nil }
