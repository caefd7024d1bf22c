package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
)

// releases is how many commits change both an app and one that depends on it.
const releases = 20

// depend measures how long an app that may go on has to wait for being noticed.
func (s *stage) depend(ctx context.Context) error {
	if s.size.Apps < 2 {
		return nil
	}
	if err := s.followSettings(ctx); err != nil {
		return err
	}
	first, second := s.size.Spot(0), s.size.Spot(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web, err := s.rollouts(ctx, first.App(), first.WebName())
	if err != nil {
		return err
	}
	file, text := second.Depends(first.App())
	if err := s.settle(ctx, "an app depends on another", gitserver.Write(file, text)); err != nil {
		return err
	}
	var times []time.Duration
	began := time.Now()
	for i := 0; more(i, min(releases, s.Samples), began); i++ {
		took, err := s.release(ctx, web, i)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	s.run.Depend = &figures.Depend{LatencyMS: figures.SpreadOf(times)}
	s.say("dependent app: changed %.0f ms after it may", s.run.Depend.LatencyMS.P50)
	return s.settle(ctx, "no app depends on another", gitserver.Delete(file))
}

// release changes an app, and with the same commit the one that depends on it.
func (s *stage) release(ctx context.Context, web *observer, i int) (time.Duration, error) {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	first, second, version, value := s.size.Spot(0), s.size.Spot(1), fmt.Sprintf("2.%d.0", i), s.value()
	file, text := first.Web(version)
	other, level := second.Settings(value)
	if _, err := s.push(ctx, "both apps", gitserver.Write(file, text), gitserver.Write(other, level)); err != nil {
		return 0, err
	}
	ready, err := web.object(ctx, first.App()+"/"+first.WebName(), is(version))
	if err != nil {
		return 0, err
	}
	changed, err := s.settings.object(ctx, second.App()+"/"+second.SettingsName(), is(value))
	if err != nil {
		return 0, err
	}
	_, err = s.settled(ctx)
	return changed.Sub(ready), err
}

// settle commits, and waits until every status says so.
func (s *stage) settle(ctx context.Context, message string, changes ...gitserver.Change) error {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	if _, err := s.push(ctx, message, changes...); err != nil {
		return err
	}
	if _, err := s.settled(ctx); err != nil {
		return err
	}
	_, err := s.engine.quiet(ctx)
	return err
}

// rollouts follows a Deployment: the value is the version of its image once that is rolled out.
func (s *stage) rollouts(ctx context.Context, namespace, name string) (*observer, error) {
	client := s.kube.AppsV1().Deployments(namespace)
	return observe(ctx, "rollout", lister{
		list:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		watch: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return client.Watch(ctx, o) },
		o:     metav1.ListOptions{FieldSelector: "metadata.name=" + name},
	}, func(obj runtime.Object) string {
		d, ok := obj.(*appsv1.Deployment)
		if !ok || d.Status.ObservedGeneration != d.Generation {
			return ""
		}
		_, version, _ := strings.Cut(d.Spec.Template.Spec.Containers[0].Image, ":")
		return version
	})
}
