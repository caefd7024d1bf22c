package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
)

// workers are the numbers of requests at once that are tried: more than the machine can use, and fewer.
func workers() []int { return []int{8, 16, 32} }

// share is how many objects suffice to tell the best number of workers.
const share = 1000

// rawLimit measures how long the objects take without an engine: each sent by a server-side apply, and each by a dry run and an apply. The objects are those
// of the workload, in the same namespaces, and are gone when it returns.
func (s *stage) rawLimit(ctx context.Context) error {
	all, err := s.size.Objects()
	if err != nil {
		return err
	}
	part := all[:min(len(all), share)]
	best, took := 0, time.Duration(0)
	for _, n := range workers() {
		t, err := s.load(ctx, part, n, true)
		if err != nil {
			return err
		}
		s.say("raw limit: %d objects by %d workers, dry run and apply: %.2f s", len(part), n, t.Seconds())
		if best == 0 || t < took {
			best, took = n, t
		}
	}
	if len(part) < len(all) {
		if took, err = s.load(ctx, all, best, true); err != nil {
			return err
		}
	}
	applied, err := s.send(ctx, all, best, false)
	if err != nil {
		return err
	}
	undone, err := s.undoBare(ctx, all, best)
	if err != nil {
		return err
	}
	s.run.RawLimit = &figures.RawLimit{Workers: best, ApplyS: figures.Seconds(applied), DryRunApplyS: figures.Seconds(took), BurstMS: undone}
	s.say("raw limit: %d objects by %d workers: apply %.2f s, dry run and apply %.2f s; %d hand edits at once undone: p99 %.0f ms", len(all), best,
		applied.Seconds(), took.Seconds(), undone.Samples, undone.P99)
	return s.clear(ctx, s.kube.Discovery().RESTClient())
}

// undoBare lets many people edit an object each at once, and undoes each edit as soon as it is answered, by so many workers: what is left of the time of an
// engine is what that takes. The quickest burst is the limit: at the first the API server is not used to it.
func (s *stage) undoBare(ctx context.Context, all []workload.Object, n int) (figures.Spread, error) {
	if err := s.followSettings(ctx); err != nil {
		return figures.Spread{}, err
	}
	client := s.kube.Discovery().RESTClient()
	free := make(chan struct{}, n)
	undo := func(ctx context.Context, i int) error {
		free <- struct{}{}
		defer func() { <-free }()
		return apply(ctx, client, all[i*workload.PerSet], "") // the settings are the first of a set
	}
	many, err := s.editOften(ctx, func(ctx context.Context) ([]time.Duration, error) { return s.editMany(ctx, undo) })
	if err != nil {
		return figures.Spread{}, err
	}
	return many[0], nil
}

// load sends objects by so many workers, takes them away again, and returns how long the sending took.
func (s *stage) load(ctx context.Context, objs []workload.Object, n int, dryRun bool) (time.Duration, error) {
	took, err := s.send(ctx, objs, n, dryRun)
	if err != nil {
		return 0, err
	}
	return took, s.clear(ctx, s.kube.Discovery().RESTClient())
}

// send sends objects by so many workers, and returns how long that took.
func (s *stage) send(ctx context.Context, objs []workload.Object, n int, dryRun bool) (time.Duration, error) {
	client := s.kube.Discovery().RESTClient()
	g, working := errgroup.WithContext(ctx)
	g.SetLimit(n)
	began := time.Now()
	for _, o := range objs {
		g.Go(func() error {
			if dryRun {
				if err := apply(working, client, o, "All"); err != nil {
					return err
				}
			}
			return apply(working, client, o, "")
		})
	}
	if err := g.Wait(); err != nil {
		return 0, fmt.Errorf("raw limit: %w", err)
	}
	return time.Since(began), nil
}

// apply sends one server-side apply. The answer is read and not looked at: that is all that a loop has to do.
func apply(ctx context.Context, client rest.Interface, o workload.Object, dryRun string) error {
	req := client.Patch(types.ApplyPatchType).AbsPath(o.Path).Param("fieldManager", manager).Param("force", "true").Body(o.JSON)
	if dryRun != "" {
		req = req.Param("dryRun", dryRun)
	}
	if err := req.Do(ctx).Error(); err != nil {
		return fmt.Errorf("apply %s: %w", o.Path, err)
	}
	return nil
}

// clear takes away all objects of the workload, and waits until those that the controller manager made of them are gone, too.
func (s *stage) clear(ctx context.Context, client rest.Interface) error {
	g, working := errgroup.WithContext(ctx)
	g.SetLimit(setUpWorkers)
	for _, name := range s.apps() {
		for _, k := range workload.Kinds() {
			g.Go(func() error {
				err := client.Delete().AbsPath(k.Collection(name)).Param("labelSelector", workload.Label).Param("propagationPolicy", "Background").Do(working).Error()
				if err != nil {
					return fmt.Errorf("clear %s of %s: %w", k.Resource, name, err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	for _, o := range s.objects {
		if _, err := o.count(ctx, 0); err != nil {
			return err
		}
	}
	return s.cleared(ctx)
}

// cleared waits until the ReplicaSets and EndpointSlices of what was deleted are gone.
func (s *stage) cleared(ctx context.Context) error {
	for _, gvr := range []workload.Kind{{Group: "apps", Version: "v1", Resource: "replicasets"}, {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}} {
		client := s.metadata.Resource(resource(gvr.Group, gvr.Version, gvr.Resource))
		for {
			// The label leaves out the API server's own.
			list, err := client.List(ctx, metav1.ListOptions{Limit: 1, LabelSelector: "app.kubernetes.io/name"})
			if err != nil {
				return fmt.Errorf("wait until %s are gone: %w", gvr.Resource, err)
			}
			if len(list.Items) == 0 {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait until %s are gone: %w", gvr.Resource, context.Cause(ctx))
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
