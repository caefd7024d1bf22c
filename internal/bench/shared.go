package bench

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/bench/workload"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// shared measures a commit that changes a base which some apps share. The commit before lets them share it, which changes no object.
func (s *stage) shared(ctx context.Context) error {
	n := s.size.Dependents()
	if n == 0 {
		return nil
	}
	var moves []gitserver.Change
	for i := range n {
		moves = append(moves, s.rewrite(i, workload.Shared), gitserver.Delete(s.size.Spot(i).PagesFile()))
	}
	waiting, cancel := s.patience(ctx)
	defer cancel()
	if _, err := s.push(ctx, "share a base", moves...); err != nil {
		return err
	}
	if _, err := s.settled(waiting); err != nil {
		return err
	}
	before, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	inside, stop := context.WithCancel(ctx)
	defer stop()
	pages, err := s.followPages(inside)
	if err != nil {
		return err
	}
	value := s.value()
	file, text := workload.Base(value)
	sent, err := s.push(ctx, "change the base", gitserver.Write(file, text))
	if err != nil {
		return err
	}
	times := make([]time.Time, n)
	g, working := errgroup.WithContext(waiting)
	for i := range n {
		g.Go(func() (err error) {
			spot := s.size.Spot(i)
			times[i], err = pages.object(working, spot.App()+"/"+spot.PagesName(), is(value))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := s.settled(waiting); err != nil {
		return err
	}
	did, err := s.engine.quiet(ctx)
	if err != nil {
		return err
	}
	did = did.minus(before)
	applied := latest(times).Sub(sent)
	s.run.SharedBase = &figures.SharedBase{Dependents: n, Renders: did.renders, AppliedS: figures.Seconds(applied), Requests: did.total()}
	s.say("shared base: %d apps use it, %d renders, all changed after %.2f s", n, did.renders, applied.Seconds())
	return nil
}

// followPages follows the ConfigMaps that a base can hold.
func (s *stage) followPages(ctx context.Context) (*observer, error) {
	client := s.kube.CoreV1().ConfigMaps("")
	return observe(ctx, "pages", lister{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return client.Watch(ctx, o) },
		o:     metav1.ListOptions{LabelSelector: workload.Label + "=" + workload.Other},
	}, dataOf(workload.TextKey))
}
