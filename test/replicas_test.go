package test

import (
	"context"
	"encoding/json"
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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// lease is how long the Leases of these tests last; soon is what a busy machine may add to it.
const (
	lease = 4 * time.Second
	soon  = 4 * time.Second
)

// replicas are several controllers that share the apps of one place.
type replicas struct {
	place
	all    []*testkit.Controller
	paused map[*testkit.Controller]bool
}

func (w *world) replicas(t *testing.T, namespace string, n int) replicas {
	t.Helper()
	var all []*testkit.Controller
	for range n {
		all = append(all, w.plane.Controller(t, testkit.ControllerOptions{Lease: lease}))
	}
	w.ctl = all[0]
	r := replicas{place: w.place(t, namespace), all: all, paused: map[*testkit.Controller]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			for i, c := range all {
				t.Logf("replica %d:\n%s", i, c.Tail(`"replicas changed"`, 30))
			}
		}
	})
	return r
}

func (r replicas) live() (live []*testkit.Controller) {
	for _, c := range r.all {
		if c.Running() && !r.paused[c] {
			live = append(live, c)
		}
	}
	return live
}

// push commits, and tells any of the replicas.
func (r replicas) push(changes ...gitserver.Change) {
	r.t.Helper()
	r.Git.Commit(r.t, "main", "a change", changes...)
	live := r.live()
	if err := r.Hook(r.t.Context(), live[rand.IntN(len(live))]); err != nil && r.t.Context().Err() == nil {
		r.t.Log(err) // it was killed just then: the others find the commit later
	}
}

// shared waits until the live replicas have all apps between them, and returns how long that took.
func (r replicas) shared(apps int) time.Duration {
	r.t.Helper()
	began := time.Now()
	testkit.Eventually(r.t, func(ctx context.Context) error {
		live := r.live()
		sum := 0.0
		for i, c := range live {
			m, err := c.Metrics(ctx)
			if err != nil {
				return err
			}
			if n := m.Sum("fairlead_replicas"); int(n) != len(live) {
				return fmt.Errorf("replica %d knows of %v, want %d", i, n, len(live))
			}
			sum += m.Sum("fairlead_owned_apps")
		}
		if int(sum) != apps {
			return fmt.Errorf("%v apps are owned, want %d", sum, apps)
		}
		return nil
	})
	return time.Since(began)
}

// owners says which replica has which app, by its index.
func (r replicas) owners() map[string]int {
	r.t.Helper()
	out := map[string]int{}
	for i, c := range r.live() {
		m, err := c.Metrics(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for s := range m {
			if rest, ok := strings.CutPrefix(s, `fairlead_app_ready{app="`); ok {
				name, _, _ := strings.Cut(rest, `"`)
				if other, twice := out[name]; twice {
					r.t.Errorf("replicas %d and %d both say how %s is", other, i, name)
				}
				out[name] = i
			}
		}
	}
	return out
}

// witness sees every change of the ConfigMaps of a place.
type witness struct {
	mu     sync.Mutex
	values map[string][]string // those of data.of, by name, in order; "gone" is a deletion
	bad    []string
}

func (r replicas) witness() *witness {
	r.t.Helper()
	at := r.objs.Client().Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(r.Namespace)
	list, err := at.List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	wi := &witness{values: map[string][]string{}}
	for i := range list.Items {
		wi.see(watch.Added, &list.Items[i])
	}
	events, err := at.Watch(r.t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		for e := range events.ResultChan() {
			if u, ok := e.Object.(*unstructured.Unstructured); ok {
				wi.see(e.Type, u)
			}
		}
	}()
	return wi
}

// see notes a change. A value that is not newer than the last one was written twice, or by somebody who is behind.
func (wi *witness) see(what watch.EventType, u *unstructured.Unstructured) {
	wi.mu.Lock()
	defer wi.mu.Unlock()
	name, value := u.GetName(), "gone"
	if what != watch.Deleted {
		value, _, _ = unstructured.NestedString(u.Object, "data", "of")
	}
	before := wi.values[name]
	if n := len(before); n > 0 && before[n-1] != "gone" && value != "gone" {
		was, _ := strconv.Atoi(before[n-1])
		is, _ := strconv.Atoi(value)
		if is <= was {
			wi.bad = append(wi.bad, fmt.Sprintf("%s went from %d to %d by %s", name, was, is, managers(u)))
		}
	}
	wi.values[name] = append(before, value)
}

func managers(u *unstructured.Unstructured) string {
	var out []string
	for _, m := range u.GetManagedFields() {
		out = append(out, fmt.Sprintf("%s at %s", m.Manager, m.Time))
	}
	return strings.Join(out, ", ")
}

// hold fails the test if something was written twice, or sent twice: what was applied and deleted, as the audit log has it, is what was seen to change.
func (wi *witness) hold(t *testing.T, p *testkit.Plane, namespace string) {
	t.Helper()
	wi.mu.Lock()
	defer wi.mu.Unlock()
	for _, b := range wi.bad {
		t.Error(b)
	}
	lines, _, err := p.Audit(0)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]int{}
	for _, line := range lines {
		var e struct {
			Verb           string
			RequestURI     string
			ObjectRef      struct{ Resource, Namespace, Name string }
			ResponseStatus struct{ Code int }
			User           struct{ Username string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		o := e.ObjectRef
		if o.Resource == "configmaps" && o.Namespace == namespace && (e.Verb == "patch" || e.Verb == "delete") && e.ResponseStatus.Code < 300 &&
			!strings.Contains(e.RequestURI, "dryRun=All") && strings.HasSuffix(e.User.Username, ":fairlead") {
			sent[o.Name]++
		}
	}
	changes := 0
	for name, values := range wi.values {
		if name == "kube-root-ca.crt" {
			continue
		}
		changes += len(values)
		if sent[name] > len(values) { // fewer: whoever sent one died before it was answered
			t.Errorf("%s was written %d times and has changed %d times: %v", name, sent[name], len(values), values)
		}
	}
	t.Logf("%d writes of %d objects, each of which changed something", changes, len(wi.values)-1)
}

func isHeld(st v1alpha1.AppStatus) error {
	if st.Phase != v1alpha1.PhaseHeld {
		return fmt.Errorf("phase is %s (%s)", st.Phase, st.Reason)
	}
	return nil
}

func numbered(app, name string, n int) gitserver.Change {
	return gitserver.Write("apps/"+app+"/"+name+".yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+"}\ndata: {of: \""+strconv.Itoa(n)+"\"}\n")
}

// TestReplicasKilled kills one of three replicas and then one of the two that are left while commits to many apps come, lets them come back, and stops one.
// Whatever dies, no object is written twice for one change, and every app is owned within the time of a Lease.
func TestReplicasKilled(t *testing.T) {
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
