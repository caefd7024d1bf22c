package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// errTimeout says that what was waited for did not come in time.
var errTimeout = errors.New("timeout")

const (
	// settle is how long changes are gathered before they are looked at.
	settle = 50 * time.Millisecond
	// again is when to look though no change was told: a watch may be forbidden, or have ended.
	again = 2 * time.Second
)

// until looks at the fleet of a namespace whenever something changed, until look says that it has seen enough. It returns errTimeout after limit; zero means
// no limit.
func until(ctx context.Context, c client.WithWatch, namespace string, limit time.Duration, look func(*fleet) (bool, error)) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changed := heard(ctx, c, namespace)
	for {
		f, err := read(ctx, c, namespace)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if done, err := look(f); done || err != nil {
			return err
		}
		if err := pause(ctx, changed); err != nil {
			return err
		}
	}
}

// heard tells of changes of Fairlead's objects, until ctx ends.
func heard(ctx context.Context, c client.WithWatch, namespace string) <-chan struct{} {
	changed := make(chan struct{}, 1)
	for _, list := range []client.ObjectList{&v1alpha1.EnvironmentList{}, &v1alpha1.AppList{}, &v1alpha1.RepositoryList{}} {
		go listen(ctx, c, list, namespace, changed)
	}
	return changed
}

// pause returns when something changed, or after a while.
func pause(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(again):
	case <-changed:
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(settle):
		}
	}
	return nil
}

// listen tells of every change, as long as the watch lasts.
func listen(ctx context.Context, c client.WithWatch, list client.ObjectList, namespace string, changed chan<- struct{}) {
	w, err := c.Watch(ctx, list, client.InNamespace(namespace))
	if err != nil {
		return // looked at every now and then instead
	}
	defer w.Stop()
	for range w.ResultChan() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// waitFlags adds --wait and --timeout.
func waitFlags(f *pflag.FlagSet, wait *bool, timeout *time.Duration, usage string) {
	f.BoolVar(wait, "wait", false, usage)
	f.DurationVar(timeout, "timeout", 5*time.Minute, "how long to wait; 0 waits for ever")
}
