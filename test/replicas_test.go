package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// lease is how long the Leases of these tests last; soon is what a busy machine may add to it.
const (
	lease = 4 * time.Second
	soon  = 4 * time.Second
)

// TestReplicasKilled kills one of three replicas and then one of the two that are left while commits to many apps come, lets them come back, and stops one.
// Whatever dies, no object is written twice for one change, and every app is owned within the time of a Lease.
func TestReplicasKilled(t *testing.T) {
	t.Parallel()
	const apps = 30
	plane := testkit.Start(t, testkit.Options{Audit: true})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "many", 3)
	name := func(i int) string { return fmt.Sprintf("a%02d", i) }
	var first []gitserver.Change
	for i := range apps {
		first = append(first, numbered(name(i), name(i), 0), numbered(name(i), name(i)+"-keep", 0), numbered(name(i), name(i)+"-old", 0))
	}
	wi := r.witness()
	r.begin(map[string]any{"sync.prune.maxPercent": int64(100)}, nil, first...)
	r.shared(apps)
	for i := range apps {
		r.synced("prod-" + name(i))
	}
	byReplica := map[int]int{}
	for _, i := range r.owners() {
		byReplica[i]++
	}
	t.Logf("apps by replica: %v", byReplica)

	// The load: each commit changes a few apps, and retires an object of one of them.
	stop := make(chan struct{})
	var load sync.WaitGroup
	last := map[string]int{}
	retired := 0
	load.Go(func() {
		for n := 1; ; n++ {
			var changes []gitserver.Change
			for range 4 {
				a := name(rand.IntN(apps))
				last[a] = n
				changes = append(changes, numbered(a, a, n))
			}
			if n%3 == 0 && retired < apps {
				changes = append(changes, gitserver.Delete("apps/"+name(retired)+"/"+name(retired)+"-old.yaml"))
				retired++
			}
			r.push(changes...)
			select {
			case <-stop:
				return
			case <-time.After(150 * time.Millisecond):
			}
		}
	})
	took := func(what string, most time.Duration) {
		t.Helper()
		if d := r.shared(apps); d > most {
			t.Errorf("%s: every app was owned after %s, want %s at most", what, d, most)
		} else {
			t.Logf("%s: every app was owned after %s", what, d)
		}
		time.Sleep(time.Second) // under load
	}
	time.Sleep(time.Second)
	r.all[0].Kill()
	took("one of three killed", lease+soon)
	r.all[2].Kill()
	took("one of two killed", lease+soon)
	r.all[0].Start(t)
	took("one came back", soon)
	r.all[2].Start(t)
	took("another came back", soon)
	r.all[1].Stop(t)
	took("one stopped", soon)
	if log := r.all[1].Tail(`"level":"ERROR"`, 3); log != "" {
		t.Errorf("the one that was stopped logged\n%s", log)
	}
	r.all[1].Start(t)
	took("it came back", soon)
	close(stop)
	load.Wait()

	r.push(numbered(name(0), name(0), 1_000_000))
	last[name(0)] = 1_000_000
	testkit.Eventually(t, func(ctx context.Context) error {
		for i := range apps {
			if err := r.Is(ctx, "configmap/"+name(i), ".data.of", strconv.Itoa(last[name(i)])); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range apps {
		if i < retired {
			r.gone("configmap/" + name(i) + "-old")
		}
		r.synced("prod-" + name(i))
	}
	r.says("environments.fairlead.dev/prod", "30 of 30 apps are ready")
	wi.hold(t, plane, r.Namespace)
	before := r.versions()
	time.Sleep(2 * time.Second)
	r.unchanged(before)
}

// TestReplicasTogether lets apps of different replicas hand objects over, depend on one another, and share a budget.
func TestReplicasTogether(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{Audit: true})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "together", 3)
	const pairs = 6
	from, to := func(i int) string { return fmt.Sprintf("from%d", i) }, func(i int) string { return fmt.Sprintf("to%d", i) }
	ma, mb := func(i int) string { return fmt.Sprintf("ma%d", i) }, func(i int) string { return fmt.Sprintf("mb%d", i) }
	var first []gitserver.Change
	for i := range pairs {
		first = append(first, numbered(from(i), ma(i), 0), numbered(from(i), mb(i), 0), numbered(to(i), fmt.Sprintf("mc%d", i), 0))
	}
	wi := r.witness()
	r.begin(map[string]any{"sync.prune.maxObjects": int64(5), "sync.prune.maxPercent": int64(100)}, nil, first...)
	synced := func() {
		t.Helper()
		for i := range pairs {
			r.synced("prod-" + from(i))
			r.synced("prod-" + to(i))
		}
	}
	r.shared(2 * pairs)
	synced()
	owners := r.owners()
	split := 0
	var refs []string
	for i := range pairs {
		if owners["prod-"+from(i)] != owners["prod-"+to(i)] {
			split++
		}
		refs = append(refs, "configmap/"+ma(i), "configmap/"+mb(i))
	}
	t.Logf("%d of %d pairs are apps of different replicas", split, pairs)
	was := r.uids(refs...)

	move := func(what string, change func(i int) []gitserver.Change, app func(int) string, names func(int) []string) {
		t.Helper()
		var changes []gitserver.Change
		for i := range pairs {
			changes = append(changes, change(i)...)
		}
		began := time.Now()
		r.push(changes...)
		for i := range pairs {
			for _, n := range names(i) {
				r.owned("prod-"+app(i), "configmap/"+n)
			}
		}
		t.Logf("%s: handed over after %s", what, time.Since(began))
		r.kept(was)
	}
	// There and back, with and without a change, faster than anybody can follow.
	move("there", func(i int) []gitserver.Change {
		return []gitserver.Change{gitserver.Rename("apps/"+from(i)+"/"+mb(i)+".yaml", "apps/"+to(i)+"/"+mb(i)+".yaml")}
	}, to, func(i int) []string { return []string{mb(i)} })
	synced()
	move("back", func(i int) []gitserver.Change {
		return []gitserver.Change{gitserver.Delete("apps/" + to(i) + "/" + mb(i) + ".yaml"), numbered(from(i), mb(i), 1)}
	}, from, func(i int) []string { return []string{mb(i)} })
	synced()
	for range 3 {
		for i := range pairs {
			r.push(gitserver.Rename("apps/"+from(i)+"/"+mb(i)+".yaml", "apps/"+to(i)+"/"+mb(i)+".yaml"))
		}
		for i := range pairs {
			r.push(gitserver.Rename("apps/"+to(i)+"/"+mb(i)+".yaml", "apps/"+from(i)+"/"+mb(i)+".yaml"))
		}
	}
	move("whole apps", func(i int) []gitserver.Change {
		return []gitserver.Change{gitserver.Rename("apps/"+from(i), "apps/new"+from(i))}
	}, func(i int) string { return "new" + from(i) }, func(i int) []string { return []string{ma(i), mb(i)} })
	for i := range pairs {
		r.gone("apps.fairlead.dev/prod-" + from(i))
		r.forgotten(from(i))
		r.synced("prod-new" + from(i))
	}
	r.kept(was)
	wi.mu.Lock()
	for name, values := range wi.values {
		if slices.Contains(values, "gone") {
			t.Errorf("%s was deleted: %v", name, values)
		}
	}
	wi.mu.Unlock()

	// Six objects of six apps are more than five: nobody deletes any.
	var retire []gitserver.Change
	for i := range pairs {
		retire = append(retire, gitserver.Delete("apps/newfrom"+strconv.Itoa(i)+"/"+mb(i)+".yaml"))
	}
	r.push(retire...)
	for i := range pairs {
		r.status("prod-newfrom"+strconv.Itoa(i), isHeld)
	}
	r.kept(was)

	// A chain of apps, each of which depends on the one before.
	const chain = 6
	link := func(i, n int) []gitserver.Change {
		a := fmt.Sprintf("link%d", i)
		out := []gitserver.Change{numbered(a, a, n)}
		if i > 0 {
			out = append(out, gitserver.Write("apps/"+a+"/fairlead.yaml", fmt.Sprintf("dependsOn: [link%d]\n", i-1)))
		}
		return out
	}
	for n := range 4 {
		var changes []gitserver.Change
		for i := range chain {
			changes = append(changes, link(i, n)...)
		}
		began := time.Now()
		r.push(changes...)
		testkit.Eventually(t, func(ctx context.Context) error {
			return r.Is(ctx, fmt.Sprintf("configmap/link%d", chain-1), ".data.of", strconv.Itoa(n))
		})
		t.Logf("chain of %d: applied after %s", chain, time.Since(began))
		// Who depends has a later version than who is depended on, round by round.
		var versions []int
		for i := range chain {
			u, err := r.objs.Get(t.Context(), r.Namespace, fmt.Sprintf("configmap/link%d", i))
			if err != nil {
				t.Fatal(err)
			}
			v, err := strconv.Atoi(u.GetResourceVersion())
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, v)
		}
		if !slices.IsSorted(versions) {
			t.Errorf("round %d: the versions of the chain are %v: not in order", n, versions)
		}
	}
}

// TestReplicasPaused lets a replica sleep, in the middle of its work, for longer than its Lease lasts, and wake up again. It finds that others have its apps,
// and writes nothing that they have not.
func TestReplicasPaused(t *testing.T) {
	t.Parallel()
	const apps = 12
	plane := testkit.Start(t, testkit.Options{Audit: true})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "paused", 2)
	name := func(i int) string { return fmt.Sprintf("a%02d", i) }
	every := func(n int) (changes []gitserver.Change) {
		for i := range apps {
			for j := range 4 {
				changes = append(changes, numbered(name(i), fmt.Sprintf("%s-%d", name(i), j), n))
			}
		}
		return changes
	}
	wi := r.witness()
	r.begin(nil, nil, every(1)...)
	r.shared(apps)
	for i := range apps {
		r.synced("prod-" + name(i))
	}
	n := 1
	sleeper := r.all[1]
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond} {
		n++
		r.push(every(n)...)
		time.Sleep(delay) // it falls asleep anywhere on the way of the commit
		sleeper.Pause(t)
		r.paused[sleeper] = true
		d := r.shared(apps)
		if d > lease+soon {
			t.Errorf("its apps were owned after %s", d)
		}
		n++
		r.push(every(n)...)
		at := func(ctx context.Context) error {
			for i := range apps {
				for j := range 4 {
					if err := r.Is(ctx, fmt.Sprintf("configmap/%s-%d", name(i), j), ".data.of", strconv.Itoa(n)); err != nil {
						return err
					}
				}
			}
			return nil
		}
		testkit.Eventually(t, at)
		sleeper.Resume(t)
		delete(r.paused, sleeper)
		r.shared(apps)
		time.Sleep(500 * time.Millisecond)
		if err := at(t.Context()); err != nil {
			t.Errorf("after it woke up: %v", err)
		}
		t.Logf("slept after %s of a commit: its apps were owned after %s", delay, d)
	}
	for i := range apps {
		r.synced("prod-" + name(i))
	}
	wi.hold(t, plane, r.Namespace)
}

// TestReplicasEnd deletes environments whose apps are several replicas', with and without their objects, and kills one that has to do a part of it.
func TestReplicasEnd(t *testing.T) {
	t.Parallel()
	const apps = 9
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "end", 3)
	var first []gitserver.Change
	var refs, objects []string
	for i := range apps {
		a := fmt.Sprintf("a%d", i)
		first = append(first, numbered(a, a, 0))
		refs, objects = append(refs, "apps.fairlead.dev/prod-"+a), append(objects, "configmap/"+a)
	}
	r.begin(map[string]any{"deletion": "Prune"}, nil, first...)
	r.shared(apps)
	for i := range apps {
		r.synced(fmt.Sprintf("prod-a%d", i))
	}
	r.remove("environments.fairlead.dev/prod")
	testkit.Eventually(t, func(ctx context.Context) error {
		list, err := r.objs.List(ctx, r.Namespace, "apps.fairlead.dev")
		for _, u := range list { // all that an environment has may be held
			if id, _, _ := unstructured.NestedString(u.Object, "status", "holdID"); id != "" {
				_ = r.objs.Patch(ctx, "kubectl-annotate", r.Namespace, "apps.fairlead.dev/"+u.GetName(), "metadata: {annotations: {fairlead.dev/approve: "+id+"}}", "")
			}
		}
		if err != nil {
			return err
		}
		_, err = r.objs.Get(ctx, r.Namespace, "environments.fairlead.dev/prod")
		if err == nil {
			return fmt.Errorf("the environment is still there, with %d apps", len(list))
		}
		return nil
	})
	r.gone(append(refs, objects...)...)

	// Released: the replica that dies leaves its part of that to the others.
	r.begin(nil, nil, gitserver.Write("README.md", "again\n"))
	for i := range apps {
		r.synced(fmt.Sprintf("prod-a%d", i))
	}
	r.shared(apps)
	was := r.uids(objects...)
	r.all[1].Pause(t)
	r.remove("environments.fairlead.dev/prod")
	r.gone("environments.fairlead.dev/prod")
	r.all[1].Kill()
	for i := range apps {
		r.forgotten(fmt.Sprintf("a%d", i))
	}
	r.kept(was)
}

// TestReplicasBegin makes an environment that deletes its objects when it goes, while one replica after the other sleeps: whichever has to put the finalizer,
// nothing is made before that is there.
func TestReplicasBegin(t *testing.T) {
	t.Parallel()
	const apps = 6
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "begin", 3)
	var first []gitserver.Change
	var objects []string
	for i := range apps {
		a := fmt.Sprintf("a%d", i)
		first, objects = append(first, numbered(a, a, 0)), append(objects, "configmap/"+a)
	}
	r.Git.Commit(t, "main", "first", first...)
	for _, sleeper := range r.all {
		r.shared(0)
		sleeper.Pause(t)
		r.Environment(t, "prod", "apps/*", map[string]any{"deletion": "Prune"})
		testkit.Eventually(t, func(ctx context.Context) error {
			there := 0
			for _, o := range objects {
				if _, err := r.objs.Get(ctx, r.Namespace, o); err == nil {
					there++
				}
			}
			env, err := r.objs.Get(ctx, r.Namespace, "environments.fairlead.dev/prod")
			if err != nil {
				return err
			}
			if there > 0 && len(env.GetFinalizers()) == 0 {
				t.Fatalf("%d objects are made, and nothing keeps the environment from going without them", there)
			}
			if there < apps {
				return fmt.Errorf("%d of %d objects are made", there, apps)
			}
			return nil
		})
		sleeper.Resume(t)
		r.shared(apps)
		r.remove("environments.fairlead.dev/prod")
		r.gone(append(objects, "environments.fairlead.dev/prod")...)
	}
}

// TestReplicasOutage lets replicas come and go, and takes the API server away from them for longer than their Leases last. They find together again, and write
// nothing but what is new: not even how an app stands.
func TestReplicasOutage(t *testing.T) {
	t.Parallel()
	const apps = 8
	plane := testkit.Start(t, testkit.Options{})
	w := world{home: t, plane: plane}
	r := w.replicas(t, "outage", 3)
	name := func(i int) string { return fmt.Sprintf("a%d", i) }
	every := func(n int) (changes []gitserver.Change) {
		for i := range apps {
			changes = append(changes, numbered(name(i), name(i), n))
		}
		return changes
	}
	r.begin(nil, nil, every(0)...)
	r.shared(apps)
	for i := range apps {
		r.synced("prod-" + name(i))
	}
	r.says("environments.fairlead.dev/prod", "8 of 8 apps are ready")
	before := r.versions()
	r.all = append(r.all, plane.Controller(t, testkit.ControllerOptions{Lease: lease}))
	t.Logf("one came: every app was owned after %s", r.shared(apps))
	time.Sleep(time.Second)
	r.unchanged(before)
	r.all[0].Stop(t)
	t.Logf("one stopped: every app was owned after %s", r.shared(apps))
	time.Sleep(time.Second)
	r.unchanged(before)
	r.all[0].Start(t)
	r.shared(apps)
	plane.APIServer(t, "stop")
	time.Sleep(lease + lease/2)
	plane.APIServer(t, "start")
	t.Logf("after an outage every app was owned after %s", r.shared(apps))
	time.Sleep(time.Second)
	app := func(name, _ string) bool { return strings.HasPrefix(name, "App ") } // may have said that its objects could not be seen
	after := r.versions()
	maps.DeleteFunc(before, app)
	maps.DeleteFunc(after, app)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("an outage has changed something: -before +after\n%s", d)
	}
	r.Git.Commit(t, "main", "a change", every(1)...)
	if err := r.Hook(t.Context(), r.all[2]); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		for i := range apps {
			if err := r.Is(ctx, "configmap/"+name(i), ".data.of", "1"); err != nil {
				return err
			}
		}
		return nil
	})
	r.shared(apps)
}
