package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-cd/fairlead/internal/child"
)

// Leftovers are what a demo has made outside of itself.
type Leftovers struct {
	// Dir is removed with all that is in it; empty: nothing is.
	Dir string
	// Kubeconfig is of the cluster in which Namespaces and Definitions are deleted; empty: none.
	Kubeconfig              string
	Namespaces, Definitions []string
}

// Janitor waits until in ends, which it does when the demo ends, however it ends; then it removes what is left of it. It is a process of its own: the demo may be
// killed by a signal that it cannot handle.
func Janitor(in io.Reader, l Leftovers) error {
	var client *kube
	if l.Kubeconfig != "" {
		var err error
		if client, err = connect(l.Kubeconfig); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, in)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var err error
	if client != nil {
		err = client.clean(ctx, l)
	}
	return errors.Join(err, removeDir(ctx, l.Dir))
}

// removeDir removes a directory that processes may still be writing into while they die.
func removeDir(ctx context.Context, dir string) error {
	if dir == "" {
		return nil
	}
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		last = os.RemoveAll(dir)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, last)
	}
	return nil
}

// clean deletes what the demo made in somebody's cluster, and waits until it is gone.
func (k *kube) clean(ctx context.Context, l Leftovers) error {
	var errs []error
	for _, group := range []struct {
		kind  string
		names []string
	}{{"Namespace", l.Namespaces}, {"CustomResourceDefinition", l.Definitions}} {
		for _, name := range group.names {
			if err := k.of(group.kind, "").Delete(ctx, name, metav1.DeleteOptions{}); ignoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("delete %s %s: %w", group.kind, name, err))
			}
		}
		err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			left, err := k.exists(ctx, group.kind, group.names)
			return err == nil && len(left) == 0, nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("wait until each %s is gone: %w: look with kubectl get ns -l fairlead.dev/demo", group.kind, err))
		}
	}
	return errors.Join(errs...)
}

// hire starts a janitor: this program with the command "demo janitor".
func hire(program string, errs io.Writer, l Leftovers) (*child.Heir, error) {
	args := []string{"demo", "janitor", "--dir", l.Dir, "--kubeconfig", l.Kubeconfig}
	for _, n := range l.Namespaces {
		args = append(args, "--delete-namespace", n)
	}
	for _, n := range l.Definitions {
		args = append(args, "--delete-definition", n)
	}
	return child.Hire(errs, program, args...)
}
