package test

import (
	"context"
	"fmt"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestEventsOnce: the same thing is told by one Event, though the controller is killed and starts again while it is so, and though it comes about again later.
func TestEventsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "events")
	broken := gitserver.Write("apps/broken/a.yaml", "kind: [\n")
	p.begin(map[string]any{"sync.drift": "Report"}, []string{"web", "held"}, write("apps/web", "web"), broken,
		gitserver.Write("apps/held/a.yaml", config("held", annotated("fairlead.dev/prune", "confirm"))), write("apps/held", "more"))
	p.phase("prod-broken", v1alpha1.PhaseFailed)
	p.patch("configmap/web", "{data: {of: hand}}")
	p.phase("prod-web", v1alpha1.PhaseDrifted)
	p.push(gitserver.Delete("apps/held/a.yaml"))
	p.phase("prod-held", v1alpha1.PhaseHeld)
	p.Settled(t, w.ctl, "prod", "main")
	wanted := []string{"App/prod-broken Failed", "App/prod-web Drift", "App/prod-held Held", "App/prod-web Applied", "App/prod-held Applied"}
	for _, x := range wanted {
		p.announced(x)
	}

	for i := range 3 { // each has something to tell once it is there, so that it is known when it is
		w.ctl.Kill()
		w.ctl.Start(t)
		name := fmt.Sprintf("new-%d", i)
		p.push(write("apps/"+name, name))
		p.synced("prod-" + name)
		p.Settled(t, w.ctl, "prod", "main")
		p.announced("App/prod-" + name + " Applied")
	}
	p.once()

	// What comes about again within the hour is counted.
	p.push(gitserver.Write("apps/broken/a.yaml", config("broken")))
	p.synced("prod-broken")
	p.push(broken)
	p.phase("prod-broken", v1alpha1.PhaseFailed)
	testkit.Eventually(t, func(ctx context.Context) error {
		all, err := p.events(ctx)
		if err != nil {
			return err
		}
		if e := all["App/prod-broken Failed"][0]; e.Series == nil || e.Series.Count != 2 {
			return fmt.Errorf("the second time is not counted: %+v", e.Series)
		}
		return nil
	})
	p.once()
}

// announced waits until there is an Event, such as "App/prod-web Applied".
func (p place) announced(what string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		all, err := p.events(ctx)
		if err == nil && len(all[what]) == 0 {
			err = fmt.Errorf("there is no Event %s", what)
		}
		return err
	})
}

// once fails the test if two Events say the same.
func (p place) once() {
	p.t.Helper()
	all, err := p.events(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for what, events := range all {
		said := map[string]int{}
		for _, e := range events {
			if said[e.Note]++; said[e.Note] == 2 {
				p.t.Errorf("%s is told twice: %s", what, e.Note)
			}
		}
	}
}

// events are those of Fairlead in the namespace, by what they are about and their reason.
func (p place) events(ctx context.Context) (map[string][]eventsv1.Event, error) {
	list, err := p.Plane.Kube.EventsV1().Events(p.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := map[string][]eventsv1.Event{}
	for _, e := range list.Items {
		if e.ReportingController == "fairlead" {
			what := e.Regarding.Kind + "/" + e.Regarding.Name + " " + e.Reason
			all[what] = append(all[what], e)
		}
	}
	return all, nil
}
