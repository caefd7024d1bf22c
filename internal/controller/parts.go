package controller

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/messenger"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/verifier"
)

// Parts are what a controller is made of. [Run] makes them of an API server and a data directory; who simulates those makes his own.
type Parts struct {
	// Client reads Fairlead's own kinds from a cache, which may lag behind; Reader asks the API server.
	Client client.Client
	Reader client.Reader
	Events events.EventRecorder
	// Cluster is where the objects of the apps live, Secrets are those of Fairlead's own namespace: the ledger.
	Cluster *cluster.Cluster
	Secrets typed.SecretInterface
	Mirrors Mirrors
	// Render renders apps; nil is [render.Render]. Equal requests have equal results, so who asks the same again and again may remember them.
	Render func(render.Request) (render.Result, error)
	// Charts makes what answers questions about charts, and is given whom to tell when an answer may have changed; nil: there are none to be had.
	Charts func(changed func(render.Question)) Beyond
	// Policies are those of Block mode; nil: there is no such mode, and drift is corrected instead.
	Policies Policies
	// Namespace is Fairlead's own.
	Namespace string
	// Driver looks at live objects; nil does it with client-go, side by side with all else.
	Driver live.Driver
	// Share is what says which apps are this process's; nil: all are.
	Share Share
	// Follow begins to tell what each app claims by the ledger, and whatever others change of that; nil does it with client-go, side by side with all else.
	// See ledger.NewFollower.
	Follow func(known []app.Name, told func(app.Name, app.Claims))
	// Aside does something that nobody waits for; nil does it side by side with all else.
	Aside func(what string, do func())
	// Parallel is how many requests one pass has under way at once; 0 is as many as are good for a real API server.
	Parallel int
	// Room is how many objects of apps that are not worked on are kept at hand; 0 is as many as make a few large apps quick.
	Room int
	Now  func() time.Time
	// Random is at least 0 and less than 1; nil draws it from the machine.
	Random func() float64
	// Entropy is what keys are made of; nil is the machine's.
	Entropy io.Reader
	Metrics prometheus.Registerer
	// History takes what happened; nil: nobody wants to know.
	History history.Recorder
	// Verifier makes what tries releases, and is given whom to tell when a verdict may have changed; nil: nothing tries them.
	Verifier func(changed func(app.Name)) Verifier
	// Carry carries what Notifiers tell by HTTP; nil: the network, to addresses that may be asked.
	Carry http.RoundTripper
	Log   *slog.Logger
}

// Policies are the policies of Block mode in the API server. See admission.Store.
type Policies interface {
	// Set makes the policies of an Environment be as wanted, and no others be there.
	Set(ctx context.Context, env types.NamespacedName, want []object.Object) error
	// Environments lists those that are known to have some.
	Environments() []types.NamespacedName
}

// Loops are the reconcilers of one controller, for whoever schedules them. No two requests of equal name may run in one loop at the same time; all else may.
type Loops struct{ c *controller }

// New returns the loops of a new controller, which knows nothing yet. Its watches of live objects end with ctx.
func New(ctx context.Context, p Parts) *Loops {
	return &Loops{build(ctx, p, newMetrics(p.Metrics))}
}

// All lists the loops.
func (l *Loops) All() []Loop { return l.c.loops() }

// KindsChanged tells that a CustomResourceDefinition came, changed or went. It is to be told again a [DiscoveryLag] later.
func (l *Loops) KindsChanged() { l.c.kindsChanged() }

// AppTold tells that an App object came or changed: the cache has it from now on.
func (l *Loops) AppTold(obj *v1alpha1.App) { l.c.appTold(obj) }

// EnvironmentTold tells that an Environment changed: the cache has it from now on.
func (l *Loops) EnvironmentTold(was, now *v1alpha1.Environment) { l.c.environmentTold(was, now) }

// Queue takes requests. One that waits already is not added again.
type Queue interface {
	Add(reconcile.Request)
	AddAfter(reconcile.Request, time.Duration)
	// Len is how many wait to be taken now.
	Len() int
}

// Loop is one reconciler.
type Loop struct {
	Name    string
	Workers int
	// Watches are the objects whose events are requests, if [Worthwhile] says so.
	Watches   []Watched
	Reconcile reconcile.Func
	// Start tells the loop's queue, once: who adds to it before is remembered.
	Start func(context.Context, Queue)
}

// Watched is a kind, and which requests an event of one of its objects is.
type Watched struct {
	Kind     client.Object
	Requests func(context.Context, client.Object) []reconcile.Request
}

// Worthwhile keeps the events that are requests: what Fairlead writes itself, status, is not.
var Worthwhile predicate.Predicate = predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})

// build puts a controller together.
func build(ctx context.Context, p Parts, m *metrics) *controller {
	c := &controller{
		client: p.Client, reader: p.Reader, events: p.Events, cluster: p.Cluster, ledger: ledger.Open(p.Secrets),
		metrics: m, log: p.Log, now: p.Now, random: p.Random, disk: p.Mirrors,
		policies: p.Policies, namespace: p.Namespace, verifier: none{}, keeper: silent{},
		repoQueue: &wakeup{}, envQueue: &wakeup{}, appQueue: &wakeup{}, statusQueue: &wakeup{}, forgeQueue: &wakeup{}, noticeQueue: &wakeup{}, pastQueue: &wakeup{}, revertQueue: &wakeup{},
		repos: map[types.NamespacedName]*repository{}, mirrors: map[string]*mirror{},
		envs: map[fleet.Environment]*environment{}, over: map[fleet.Environment]over{}, apps: map[app.Owner]*member{}, rolls: map[fleet.Environment]*roll{},
		notices: map[types.NamespacedName]bool{},
	}
	c.tags = preview.Tagger{Key: []byte(cryptorand.Text())}
	c.desk.room = cmp.Or(p.Room, room)
	c.renders = p.Render
	if c.renders == nil {
		c.renders = render.Render
	}
	c.history = p.History
	if c.history == nil {
		c.history = history.Nowhere{}
	}
	c.intents.book, _ = c.history.(history.Notebook)
	if c.intents.book == nil {
		c.intents.book = history.Nowhere{}
	}
	if c.aside = p.Aside; c.aside == nil {
		c.aside = func(_ string, do func()) { go do() }
	}
	c.share = p.Share
	if c.share == nil {
		c.share = alone{}
	}
	if c.random == nil {
		c.random = rand.Float64
	}
	c.store = live.NewStore(ctx, live.Options{
		Client: func(id app.Identity) (dynamic.Interface, error) {
			s, err := c.cluster.As(id)
			if err != nil {
				return nil, err
			}
			return s.Client(), nil
		},
		Lens:     c.lens,
		OnChange: c.liveChanged,
		OnWatch:  c.watchChanged,
		Driver:   p.Driver,
	})
	c.engine = &engine.Engine{
		Begins:  c.begins,
		Connect: func(id app.Identity) (engine.Session, error) { return c.cluster.As(id) },
		Kinds:   c.cluster.Kinds, Live: watched{c.store}, Ledger: c.ledger, Parallel: p.Parallel,
		Now: c.now, Log: c.log, Observe: c.metrics.stage,
		LastWords: func(ctx context.Context, id app.Identity, key object.Key) string {
			return c.verifier.LastWords(ctx, id, key)
		},
	}
	c.lookout = c.looksOut()
	c.hashKey = &hashKey{secrets: p.Secrets, entropy: p.Entropy}
	if p.Entropy == nil {
		c.hashKey.entropy = cryptorand.Reader
	}
	if p.Charts != nil {
		c.charts = p.Charts(c.lookout.Told)
	}
	c.bases = newBases(ctx, c)
	c.fleet = fleet.New(c.engine.Claims)
	c.engine.Neighbours = neighbours{c.fleet, c}
	c.engine.Shared = c.shared.Load
	c.follow = func() {
		if p.Follow != nil {
			p.Follow(c.engine.Recorded(), c.recordTold)
			return
		}
		go c.ledger.Follow(ctx, c.engine.Recorded(), c.recordTold, func(err error) { c.log.WarnContext(ctx, "the ledger is not followed", "error", err) })
	}
	c.share.Notify(c.shareChanged, c.told)
	if p.Verifier != nil {
		c.verifier = p.Verifier(c.verdictChanged)
	}
	c.messenger = messenger.New(messenger.Options{
		Client: c.client, Reader: c.reader, Secret: c.notifierSecret, May: verifier.Public, Carry: p.Carry, Now: c.now, Log: c.log, Tried: c.metrics.message,
	})
	return c
}

// readers is how many repositories are asked at once: a Git server that hangs keeps one of them until its time is up, and must not keep the others waiting.
const readers = 100

func (c *controller) loops() []Loop {
	start := func(w *wakeup) func(context.Context, Queue) {
		return func(_ context.Context, q Queue) { w.start(q) }
	}
	return []Loop{
		{
			Name: "repository", Workers: readers, Watches: []Watched{{&v1alpha1.Repository{}, itself}, {&v1alpha1.Environment{}, itsRepositories}},
			Reconcile: c.reconcileRepository, Start: start(c.repoQueue),
		},
		{Name: "environment", Workers: 4, Watches: []Watched{{&v1alpha1.Environment{}, itself}}, Reconcile: c.reconcileEnvironment, Start: start(c.envQueue)},
		{
			Name: "app", Workers: 1,
			Watches:   []Watched{{&v1alpha1.App{}, itself}, {&v1alpha1.Approval{}, c.waitingIn}, {&v1alpha1.Override{}, c.waitingIn}},
			Reconcile: c.reconcileApp, Start: start(c.appQueue),
		},
		{Name: "notifier", Workers: tellAtOnce, Watches: []Watched{{&v1alpha1.Notifier{}, itself}}, Reconcile: c.tellPeople, Start: start(c.noticeQueue)},
		{Name: "status", Workers: 8, Reconcile: c.reconcileStatus, Start: start(c.statusQueue)},
		{Name: "past", Workers: 4, Reconcile: c.reconcilePast, Start: start(c.pastQueue)},
		{Name: "revert", Workers: 4, Reconcile: c.reconcileRevert, Start: start(c.revertQueue)},
		{Name: "forge", Workers: tellers, Reconcile: c.reconcileForge, Start: start(c.forgeQueue)},
	}
}

func itself(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

// itsRepositories are those that an Environment follows.
func itsRepositories(_ context.Context, o client.Object) []reconcile.Request {
	env, ok := o.(*v1alpha1.Environment)
	if !ok {
		return nil
	}
	var reqs []reconcile.Request
	for _, s := range env.Spec.Sources {
		reqs = append(reqs, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}})
	}
	return reqs
}

// kindsChanged lets what the cluster serves be asked anew, and looks again at who waits for a kind.
func (c *controller) kindsChanged() {
	c.cluster.Kinds.Changed()
	c.lookout.KindsChanged()
	c.wakeWaiting()
}
