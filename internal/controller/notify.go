package controller

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// tellAtOnce is how many Notifiers are told for at once: one whose other side hangs keeps one of them until its time is up.
	tellAtOnce = 20
	// tellSoon is how long what happens is gathered before it is told.
	tellSoon = 500 * time.Millisecond
)

// wakeNotifiers lets those Notifiers of a namespace be looked at that were before; of an empty one, all.
func (c *controller) wakeNotifiers(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.notices {
		if namespace == "" || n.Namespace == namespace {
			c.noticeQueue.after(n.Namespace, n.Name, tellSoon)
		}
	}
}

// tellPeople looks at one Notifier, if it is this process's: of several one tells, and it is the same for all apps, so that many may become one message. What
// there is to tell is read from the Apps as the API server has them, so that nothing is lost with this process.
func (c *controller) tellPeople(ctx context.Context, req reconcile.Request) (res reconcile.Result, err error) {
	if err := c.share.Wait(ctx); err != nil {
		return reconcile.Result{}, err
	}
	c.mu.Lock()
	c.notices[req.NamespacedName] = true // from now on what happens to apps wakes it
	c.mu.Unlock()
	key := "notifier " + req.String()
	act, done, mine := c.share.Act(ctx, key)
	if !mine {
		_, mine = c.share.Owns(key)
		return reconcile.Result{RequeueAfter: late(mine)}, nil
	}
	defer done()
	defer cutShort(act, &res, &err)
	again, err := c.messenger.Look(act, req.NamespacedName)
	return reconcile.Result{RequeueAfter: again}, err
}

// notifierSecret reads a Secret that a Notifier names.
func (c *controller) notifierSecret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	s, err := c.secretIn(ctx, namespace, "spec", name)
	if err != nil {
		return nil, err
	}
	return s.Data, nil
}
