package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestReplicasUnheard kills a replica of whose last commit the other one has heard nothing: neither by a Lease nor from Git, which may be down meanwhile. Who
// takes its apps over keeps what was applied, and says of it what the one before it said.
func TestReplicasUnheard(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down=%t", down), func(t *testing.T) { unheardBy(t, down) })
	}
}

func unheardBy(t *testing.T, down bool) {
	const apps = 12
	plane := testkit.Start(t, testkit.Options{Audit: true})
	g := newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Lease: lease})}
	victim := plane.Controller(t, testkit.ControllerOptions{Lease: lease, Kubeconfig: g.kubeconfig(t)})
	r := replicas{place: w.place(t, "unheard"), all: []*testkit.Controller{w.ctl, victim}}
	var first, second []gitserver.Change
	for i := range apps {
		a := fmt.Sprintf("a%02d", i)
		first = append(first, numbered(a, a, 1))
	}
	wi := r.witness()
	r.begin(nil, nil, first...)
	r.shared(apps)
	testkit.Eventually(t, func(ctx context.Context) error {
		ready := 0.0
		for _, c := range r.all {
			m, err := c.Metrics(ctx)
			if err != nil || !m.Idle() {
				return errors.Join(errors.New("a replica is at work"), err)
			}
			ready += m.Sum("fairlead_app_ready")
		}
		if int(ready) != apps {
			return fmt.Errorf("%v apps are said to be ready, want %d", ready, apps)
		}
		return nil
	})
	var moved []string
	for name, by := range r.owners() {
		if a := strings.TrimPrefix(name, "prod-"); by == 1 {
			moved, second = append(moved, a), append(second, numbered(a, a, 2))
		}
	}
	t.Logf("apps that are taken over: %v", moved)
	says := func(of, want string) {
		t.Helper()
		for _, a := range moved {
			testkit.Eventually(t, func(ctx context.Context) error { return r.Is(ctx, "apps.fairlead.dev/prod-"+a, of, want) })
		}
	}

	renewals := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/leases/")
	}
	g.guard(renewals, unsent)
	head := r.Git.Commit(t, "main", "second", second...).Short()
	if err := r.Hook(t.Context(), victim); err != nil {
		t.Fatal(err)
	}
	says("{.status.wanted.short} {.status.applied.short}", head+" "+head)
	r.told(head, moved)
	if down {
		r.Git.Fail(http.StatusServiceUnavailable, nil)
	}
	victim.Kill()
	r.shared(apps)
	for _, a := range moved {
		r.remove("configmap/" + a)
	}
	says("{.status.drift.total}", "1") // by who has it now
	for _, a := range moved {
		testkit.Eventually(t, func(ctx context.Context) error { return r.Is(ctx, "configmap/"+a, ".data.of", "2") })
	}
	says("{.status.wanted.short} {.status.applied.short}", head+" "+head)
	r.Git.Serve()
	r.read("prod", r.place.push(gitserver.Write("README.md", "third\n")))
	says("{.status.wanted.short} {.status.applied.short}", head+" "+head)
	for _, a := range moved {
		r.synced("prod-" + a)
	}
	r.told(head, moved)
	wi.hold(t, plane, r.Namespace)
}

// told waits until apps have told of a commit, once each.
func (p place) told(head string, apps []string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		list, err := p.objs.List(ctx, p.Namespace, "events.events.k8s.io")
		if err != nil {
			return err
		}
		times := map[string]int{}
		for i := range list {
			if note, _ := testkit.Field(&list[i], "{.regarding.name} {.reason} {.note}"); strings.Contains(note, head) {
				name, _, _ := strings.Cut(note, " ")
				times[name]++
			}
		}
		for _, a := range apps {
			if n := times["prod-"+a]; n == 0 {
				return fmt.Errorf("%s has not told of %s", a, head)
			} else if n > 1 {
				p.t.Errorf("%s has told of %s %d times", a, head, n)
			}
		}
		return nil
	})
}
