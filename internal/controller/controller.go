package controller

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/lookout"
	"github.com/fairlead-cd/fairlead/internal/messenger"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// Annotations by which people ask for something.
const (
	AnnotationSync    = "fairlead.dev/sync-requested"
	AnnotationApprove = "fairlead.dev/approve"
	// Who approved, and why, each after the id of what was held and a blank: who approves something else later by hand is not taken for him.
	AnnotationApprovedBy      = "fairlead.dev/approved-by"
	AnnotationApprovedBecause = "fairlead.dev/approved-because"
)

// controller is what the reconcilers share.
type controller struct {
	client  client.Client // reads from the cache
	reader  client.Reader // reads from the API server
	events  events.EventRecorder
	cluster *cluster.Cluster
	store   *live.Store
	engine  *engine.Engine
	fleet   *fleet.Fleet
	ledger  *ledger.Ledger
	metrics *metrics
	log     *slog.Logger
	now     func() time.Time
	random  func() float64
	disk    Mirrors
	lookout *lookout.Lookout
	charts  Beyond
	bases   Beyond
	hashKey *hashKey
	renders func(render.Request) (render.Result, error)
	tags    preview.Tagger // of this process alone: nobody can make one
	history history.Recorder
	intents intents
	aside   func(what string, do func())

	policies  Policies
	verifier  Verifier
	keeper    Keeper
	messenger *messenger.Messenger
	namespace string // Fairlead's own

	share   Share
	waited  atomic.Bool // this process's part is known
	shared  atomic.Bool // there is, or was, another process
	read    atomic.Bool // the ledger has been read
	follow  func()      // begins to follow what others write to the ledger
	follows atomic.Bool

	repoQueue, envQueue, appQueue, statusQueue, forgeQueue, noticeQueue, pastQueue, revertQueue *wakeup

	mu      sync.Mutex
	repos   map[types.NamespacedName]*repository
	mirrors map[string]*mirror
	envs    map[fleet.Environment]*environment
	over    map[fleet.Environment]over // venues that were deleted lately
	apps    map[app.Owner]*member
	rolls   map[fleet.Environment]*roll
	notices map[types.NamespacedName]bool // the Notifiers that were looked at

	waiters waiters
	desk    desk

	gainedAt time.Time // when apps of lastTerm were taken
	lastTerm int

	tells atomic.Bool // a Repository asks for commit statuses

	idle atomic.Bool // every app had been read when a pass ended last

	preloaded sync.Mutex
	isLoaded  bool
}

// wakeup hands requests to a controller's queue. Those that come before it runs are kept: a controller that starts looks at every object there is, but an
// app that was just found has none yet.
type wakeup struct {
	mu    sync.Mutex
	q     Queue
	early []reconcile.Request
}

func (w *wakeup) start(q Queue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.q = q
	for _, r := range w.early {
		q.Add(r)
	}
	w.early = nil
}

// depth is how many wait now.
func (w *wakeup) depth() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.q == nil {
		return len(w.early)
	}
	return w.q.Len()
}

func (w *wakeup) add(namespace, name string) { w.after(namespace, name, 0) }

func (w *wakeup) after(namespace, name string, d time.Duration) {
	r := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.q == nil {
		w.early = append(w.early, r)
		return
	}
	w.q.AddAfter(r, d) // at once, if d is 0
}

// preload reads the ledger once, before the first app is looked at: whatever an earlier process claimed is known from the start.
func (c *controller) preload(ctx context.Context) error {
	c.preloaded.Lock()
	defer c.preloaded.Unlock()
	if c.isLoaded {
		return nil
	}
	if err := c.share.Wait(ctx); err != nil {
		return err
	}
	if !c.waited.Swap(true) {
		c.shareChanged()
	}
	all, broken, err := c.ledger.List(ctx)
	if err != nil {
		return err
	}
	for name, why := range broken {
		c.log.ErrorContext(ctx, "ledger Secret is not readable; its app is left alone until it is mended or deleted", "secret", name, "error", why)
	}
	envs := map[fleet.Environment]bool{}
	for _, name := range slices.SortedFunc(maps.Keys(all), app.Name.Compare) {
		r := all[name]
		e := fleet.Of(name)
		exists, asked := envs[e]
		if !asked {
			if exists, err = c.environmentExists(ctx, e); err != nil {
				return err
			}
			envs[e] = exists
		}
		mine := c.owns(name.Owner())
		if mine {
			c.engine.Preload(r)
		} else {
			c.engine.Told(name, r.Claims)
		}
		if !exists {
			if err := c.release(ctx, name); err != nil {
				return err
			}
			if !mine {
				continue
			}
			c.log.InfoContext(ctx, "released the objects of an app whose Environment is gone", "app", name.String(), "objects", len(r.Claims))
			continue
		}
		c.fleet.Stale(e)
		c.member(name)
	}
	if len(broken) == 0 {
		c.engine.Preloaded()
	}
	c.findOut(ctx)
	c.isLoaded = true
	c.read.Store(true)
	c.followLedger()
	return nil
}

// environmentExists asks the API server, not the cache: an answer that is not a clear "no" is a yes or an error.
func (c *controller) environmentExists(ctx context.Context, e fleet.Environment) (bool, error) {
	var env v1alpha1.Environment
	err := c.reader.Get(ctx, types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, &env)
	if absent.Object(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read Environment %s/%s: %w", e.Namespace, e.Name, err)
	}
	return true, nil
}

// warn and note write an Event. Events are for people: what must not be lost is in the status.
func (c *controller) warn(obj client.Object, reason, action, text string) {
	c.events.Eventf(obj, nil, corev1.EventTypeWarning, reason, action, "%s", clipEvent(text))
}

func (c *controller) note(obj client.Object, reason, action, text string) {
	c.events.Eventf(obj, nil, corev1.EventTypeNormal, reason, action, "%s", clipEvent(text))
}

// clipEvent keeps a note below the 1 kB that the API server accepts.
func clipEvent(s string) string {
	const most = 900
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

func ownedBy(env *v1alpha1.Environment) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Environment", Name: env.Name, UID: env.UID, Controller: &yes, BlockOwnerDeletion: nil,
	}}
}
