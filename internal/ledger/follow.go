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
// for a while. A record that is not readable stays as it was. What is told may be late, but it never goes back in time.
func (l *Ledger) Follow(ctx context.Context, told func(app.Name, app.Claims), trouble func(error)) {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = labelKind + "=" + kindHead
			return l.secrets.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = labelKind + "=" + kindHead
			return l.secrets.Watch(ctx, o)
		},
	}
	s := &heads{told: told, names: map[string]app.Name{}}
	reflector := cache.NewReflectorWithOptions(lw, &corev1.Secret{}, s, cache.ReflectorOptions{Name: "ledger", MinWatchTimeout: followTimeout})
	for ctx.Err() == nil {
		if err := reflector.ListAndWatchWithContext(ctx); err != nil && ctx.Err() == nil {
			trouble(classify(err))
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

// heads is the reflector's store: it keeps names instead of Secrets.
type heads struct {
	told  func(app.Name, app.Claims)
	names map[string]app.Name // by Secret
}

func (h *heads) Add(obj any) error {
	s, ok := obj.(*corev1.Secret)
	if !ok {
		return nil
	}
	if r, err := decode(s); err == nil {
		h.names[s.Name] = r.App
		h.told(r.App, r.Claims)
	}
	return nil
}

func (h *heads) Update(obj any) error { return h.Add(obj) }

func (h *heads) Delete(obj any) error {
	if s, ok := obj.(*corev1.Secret); ok {
		h.drop(s.Name)
	}
	return nil
}

func (h *heads) drop(name string) {
	if n, known := h.names[name]; known {
		delete(h.names, name)
		h.told(n, nil)
	}
}

func (h *heads) Replace(list []any, _ string) error {
	there := map[string]bool{}
	for _, obj := range list {
		if s, ok := obj.(*corev1.Secret); ok {
			there[s.Name] = true
			_ = h.Add(s)
		}
	}
	for name := range h.names {
		if !there[name] {
			h.drop(name)
		}
	}
	return nil
}

func (h *heads) Resync() error { return nil }
