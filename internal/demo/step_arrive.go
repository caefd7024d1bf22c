package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// arrive creates the Environments and waits until every app is there.
func (t *tour) arrive(ctx context.Context) error {
	s, from, began := t.screen, t.apps.mark(), time.Now()
	s.doing("waiting for the apps")
	for _, e := range environments {
		if err := t.applyTenant(ctx, "3-environment.yaml", "${ENVIRONMENT}", e); err != nil {
			return err
		}
	}
	all := names(environments, services)
	at, err := t.await(ctx, from, well(all))
	if err != nil {
		return err
	}
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	objects := 0
	for _, a := range now {
		objects += int(a.Status.Objects)
	}
	took := t.measured(fmt.Sprintf("Environments created to %d apps healthy", len(all)), at.Sub(began))
	s.ok(fmt.Sprintf("%d apps with %d objects are applied and healthy", len(all), objects), took.String())
	s.note("staging, in the order of its dependencies: " + t.order("staging", began))
	return nil
}

// order tells when each app of an environment was first well.
func (t *tour) order(environment string, began time.Time) string {
	type arrival struct {
		name string
		at   time.Time
	}
	var arrivals []arrival
	t.apps.mu.Lock()
	defer t.apps.mu.Unlock()
	for _, service := range services {
		name := environment + "-" + service
		i := slices.IndexFunc(t.apps.seen, func(s sighting) bool {
			return s.obj.GetName() == name && well([]string{name})(decode(map[string]*unstructured.Unstructured{name: s.obj})) == ""
		})
		if i >= 0 {
			arrivals = append(arrivals, arrival{service, t.apps.seen[i].at})
		}
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })
	parts := make([]string, 0, len(arrivals))
	for _, a := range arrivals {
		parts = append(parts, a.name+" "+span(a.at.Sub(began)))
	}
	return strings.Join(parts, ", ")
}
