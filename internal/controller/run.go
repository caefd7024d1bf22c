package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	eventsv1 "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/admission"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/herald"
	"github.com/fairlead-cd/fairlead/internal/history/keeper"
	"github.com/fairlead-cd/fairlead/internal/pace"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/roster"
)

// Config is what a controller needs of its surroundings.
type Config struct {
	REST *rest.Config
	// DataDir holds the Git mirrors, a cache that may be lost, and what waits for the history.
	DataDir string
	// Namespace is Fairlead's own: it holds the Lease and the ledger.
	Namespace string
	// Listen is the address of health, metrics and webhooks, such as ":8080". Empty: none.
	Listen string
	// Profiling serves profiles of the process there, to this machine alone: they hold what is in memory, Secrets included.
	Profiling bool
	// Lease is how long the replica's Lease lasts: the others have its apps that long after it died. 0: it takes none, and no other may run.
	Lease time.Duration
	// Proxy chooses a proxy for requests to Git servers, as http.Transport has it; nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// History is the address of the store of what happened (see store.Create); empty: there is none. Retention is how long it is kept at least; 0: for ever.
	History   string
	Retention time.Duration
	// Workers is how many apps are worked on at once.
	Workers int
	Log     *slog.Logger
}

// Run runs a controller until ctx ends, then stops it gracefully. It returns nil after such a stop.
func Run(ctx context.Context, cfg Config) error {
	ctrl.SetLogger(logr.FromSlogHandler(quiet(ctx, cfg.Log.Handler())))
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("register types: %w", err)
	}
	m := newMetrics(ctrlmetrics.Registry)
	gate := &pace.Gate{}
	m.pace(ctrlmetrics.Registry, gate.State)
	self := &replica{}
	config := cluster.Paced(cluster.Counted(cluster.Guarded(cfg.REST, self.mayWrite), m.apiRequest), gate)
	config.QPS = -1
	config.UserAgent = "fairlead"
	kube, err := typed.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = patiently(ctx, cfg.Log, config.Host, func(ctx context.Context) error {
		if err := prepare(ctx, kube, cfg.Namespace); err != nil {
			return err
		}
		return self.join(ctx, cfg, config)
	})
	if err != nil {
		return err
	}
	defer self.leave()
	mgr, err := manager.New(config, manager.Options{
		Scheme:                  scheme,
		Metrics:                 server.Options{BindAddress: "0"},
		GracefulShutdownTimeout: new(20 * time.Second),
		Cache:                   cache.Options{DefaultTransform: cache.TransformStripManagedFields()}, // they are most of an App
		Client:                  client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return fmt.Errorf("prepare controller: %w", err)
	}
	parts, err := partsOf(cfg, mgr, m)
	if err != nil {
		return err
	}
	fetched, err := fetchCharts(ctx, mgr, cfg, registry.Options{Proxy: cfg.Proxy, OnRequest: m.registryRequest})
	if err != nil {
		return err
	}
	parts.Charts = fetched.tell
	parts.Share = self.share()
	kept, err := keep(mgr, cfg)
	if err != nil {
		return err
	}
	if kept != nil {
		parts.History = kept
	}
	c := build(ctx, parts, m)
	c.keeper = c.outside(ctx)
	c.verifier = c.trier(ctx, cluster.Counted(cluster.Guarded(cfg.REST, self.mayWrite), m.apiRequest))
	m.share(ctrlmetrics.Registry, self.size, c.owned)
	m.standing(ctrlmetrics.Registry, c.unwritten)
	if err := c.register(ctx, mgr, cfg); err != nil {
		return fmt.Errorf("prepare controller: %w", err)
	}
	if cfg.Listen != "" {
		if err := c.listen(ctx, mgr, cfg, config, kept); err != nil {
			return err
		}
	}
	err = mgr.Start(ctx)
	c.closeMirrors()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("run controller: %w", err)
	}
	return nil
}

// keep begins to keep the history; nil, if there is to be none. That its store cannot be reached is no error.
func keep(mgr manager.Manager, cfg Config) (*keeper.Keeper, error) {
	if cfg.History == "" {
		return nil, nil
	}
	k := keeper.New(keeper.Options{
		Address: cfg.History, Journal: filepath.Join(cfg.DataDir, "history.journal"), Retention: cfg.Retention, Metrics: ctrlmetrics.Registry, Log: cfg.Log, Now: time.Now,
	})
	return k, mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		k.Run(ctx)
		return nil
	}))
}

// replica is this process among all that share the apps; one that takes no part has no member.
type replica struct{ member *roster.Member }

// join takes a Lease for this replica, if it is to take part.
func (r *replica) join(ctx context.Context, cfg Config, config *rest.Config) error {
	if cfg.Lease == 0 {
		return nil
	}
	leases, err := coordination.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	r.member, err = roster.Join(ctx, roster.Options{Leases: leases.Leases(cfg.Namespace), Lasts: cfg.Lease, Holder: host, Log: cfg.Log})
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w: 'fairlead install' of this version grants what is missing", err)
	}
	return err
}

func (r *replica) leave() {
	if r.member != nil {
		r.member.Leave()
	}
}

// mayWrite returns an error if another replica may have this one's apps by now.
func (r *replica) mayWrite() error {
	if r.member == nil {
		return nil
	}
	return r.member.InTime()
}

// size is how many replicas there are; 0 as long as this one does nothing.
func (r *replica) size() int {
	if r.member == nil {
		return 1
	}
	return r.member.Size()
}

// share is what says which apps are this replica's; nil if all are.
func (r *replica) share() Share {
	if r.member == nil {
		return nil
	}
	return r.member
}

// prepare makes sure that Fairlead's own namespace exists and that its resources are installed.
func prepare(ctx context.Context, kube typed.CoreV1Interface, namespace string) error {
	_, err := kube.Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		_, err = kube.Namespaces().Create(ctx, ns, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("look for namespace %s: %w", namespace, err)
	}
	return nil
}

// partsOf makes a controller's parts of an API server and a data directory.
func partsOf(cfg Config, mgr manager.Manager, m *metrics) (Parts, error) {
	kube, err := typed.NewForConfig(mgr.GetConfig())
	if err != nil {
		return Parts{}, fmt.Errorf("connect: %w", err)
	}
	told, err := eventsv1.NewForConfig(mgr.GetConfig())
	if err != nil {
		return Parts{}, fmt.Errorf("connect: %w", err)
	}
	at, err := cluster.Open(mgr.GetConfig())
	if err != nil {
		return Parts{}, err
	}
	own, err := dynamic.NewForConfig(mgr.GetConfig())
	if err != nil {
		return Parts{}, fmt.Errorf("connect: %w", err)
	}
	host, _ := os.Hostname()
	people := herald.New(told, mgr.GetScheme(), "fairlead-"+host, cfg.Log)
	if err := mgr.Add(people); err != nil {
		return Parts{}, err
	}
	return Parts{
		Policies: admission.Open(own), Namespace: cfg.Namespace,
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Events: people, Cluster: at, Secrets: kube.Secrets(cfg.Namespace),
		Mirrors: disk{
			dir: filepath.Join(cfg.DataDir, "mirrors"), options: git.Options{Proxy: cfg.Proxy, OnRequest: m.gitRequest},
			artifacts: registry.Options{Proxy: cfg.Proxy, OnRequest: m.registryRequest},
		},
		Now: time.Now, Log: cfg.Log,
	}, nil
}

// register gives the loops to controller-runtime.
func (c *controller) register(ctx context.Context, mgr manager.Manager, cfg Config) error {
	for _, l := range c.loops() {
		if l.Name == "app" {
			l.Workers = max(cfg.Workers, 1)
		}
		b := ctrl.NewControllerManagedBy(mgr).Named(l.Name).WithOptions(options(l.Workers))
		for _, w := range l.Watches {
			b = b.Watches(w.Kind, handler.EnqueueRequestsFromMapFunc(w.Requests), withWatchPredicate(Worthwhile))
		}
		start := source.Func(func(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			l.Start(ctx, q)
			return nil
		})
		if err := b.WatchesRawSource(start).Complete(untilStopped(l.Reconcile)); err != nil {
			return err
		}
	}
	apps, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.App{})
	if err != nil {
		return fmt.Errorf("watch Apps: %w", err)
	}
	told := func(now any) {
		if obj, ok := now.(*v1alpha1.App); ok {
			c.appTold(obj)
		}
	}
	if _, err := apps.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: told, UpdateFunc: func(_, now any) { told(now) }}); err != nil {
		return fmt.Errorf("watch Apps: %w", err)
	}
	envs, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.Environment{})
	if err != nil {
		return fmt.Errorf("watch Environments: %w", err)
	}
	changed := func(was, now any) {
		if x, ok := was.(*v1alpha1.Environment); ok {
			if y, ok := now.(*v1alpha1.Environment); ok {
				c.environmentTold(x, y)
			}
		}
	}
	if _, err := envs.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: changed}); err != nil {
		return fmt.Errorf("watch Environments: %w", err)
	}
	if err := c.watchPolicies(mgr); err != nil {
		return err
	}
	return c.watchKinds(ctx, mgr)
}

// watchPolicies looks again at the Environments whose policies somebody changed, and at those that are gone and left some.
func (c *controller) watchPolicies(mgr manager.Manager) error {
	store, ok := c.policies.(*admission.Store)
	if !ok {
		return nil
	}
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		store.Follow(ctx, func(env types.NamespacedName) { c.envQueue.add(env.Namespace, env.Name) },
			func(err error) { c.log.WarnContext(ctx, "the policies of Block mode are not followed", "error", err) })
		return nil
	}))
}

// untilStopped leaves out the errors of a controller that is being stopped: nothing is wrong then.
func untilStopped(f reconcile.Func) reconcile.Func {
	return func(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
		res, err := f(ctx, req)
		if ctx.Err() != nil {
			return reconcile.Result{}, nil
		}
		return res, err
	}
}

// options sets the workers of a reconciler and its back-off: quick at first, since most errors pass at once, and soon enough that nobody waits when the API server is well again.
func options(workers int) ctrlcontroller.Options {
	return ctrlcontroller.Options{
		MaxConcurrentReconciles: workers,
		SkipNameValidation:      new(true),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](20*time.Millisecond, 15*time.Second),
		LogConstructor:          func(*reconcile.Request) logr.Logger { return ctrl.Log },
	}
}

// DiscoveryLag is how long after the event of a definition the API server certainly shows what it serves: an app that was woken by the event itself may
// have asked too early.
const DiscoveryLag = time.Second

// watchKinds tells the engine when kinds come and go: one watch of the CustomResourceDefinitions' metadata.
func (c *controller) watchKinds(ctx context.Context, mgr manager.Manager) error {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	informer, err := mgr.GetCache().GetInformer(ctx, crd)
	if err != nil {
		return fmt.Errorf("watch CustomResourceDefinitions: %w", err)
	}
	later := time.AfterFunc(DiscoveryLag, c.kindsChanged)
	changed := func() {
		c.kindsChanged()
		later.Reset(DiscoveryLag)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(_ any, initial bool) {
			if !initial {
				changed()
			}
		},
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	})
	return err
}

// listen serves health, metrics and webhooks until ctx ends.
func (c *controller) listen(ctx context.Context, mgr manager.Manager, cfg Config, config *rest.Config, kept *keeper.Keeper) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", cfg.Listen, err)
	}
	guard, err := newGuard(config)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: c.handler(mgr, guard, cfg.Profiling, kept), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	c.log.InfoContext(ctx, "listening", "address", l.Addr().String())
	go func() {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(stop)
	}()
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.log.ErrorContext(ctx, "listener ended", "error", err)
		}
	}()
	return nil
}
