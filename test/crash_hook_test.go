package test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestHooksKilledAtEveryWrite kills the controller before and after the writes of two releases with hooks: one succeeds, of the next a hook fails. Whenever it
// dies, each hook is made as often as without, and all ends the same.
func TestHooksKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: filepath.Join(t.TempDir(), "data")})
	w := world{home: t, plane: plane, ctl: ctl}
	want, writes, _ := hookRun(t, w, g, "hooks-never", "", false)
	t.Logf("without a crash there are the writes %q, and it ends with %+v", writes, want)
	made := map[string]int{"account": 3, "migrate": 3, "report": 2, "tell": 1}
	if len(writes) < 20 || !maps.Equal(want.Made, made) || want.Status != "RolledBack Healthy" {
		t.Fatalf("it ends with %+v after %d writes: the test no longer does what it says", want, len(writes))
	}
	atWrites(t, "hooks", writes, func(n int) bool { return n%9 == 4 }, func(t *testing.T, name, write string, after bool) bool {
		end, _, died := hookRun(t, w, g, name, write, after)
		if d := cmp.Diff(want, end); d != "" {
			t.Errorf("killed %s at %s it ends otherwise than without a crash: -without +with\n%s", name, write, d)
		}
		return died
	})
}

// hookEnd is how it ended.
type hookEnd struct {
	Made     map[string]int // how often each Job was made
	There    []string       // the Jobs that are there, and for which run
	Claimed  []string
	Flags    string
	Status   string
	Releases []string
}

// hookJob is a Job that is a hook.
func hookJob(name, annotations, pod string) string {
	return "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: " + name + "\n  annotations: {" + annotations + "}\nspec:\n  backoffLimit: 0\n  template:\n" +
		"    metadata: {annotations: {" + pod + "}}\n    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/" + name + "}]}\n"
}

func hookRun(t *testing.T, w world, g *gate, namespace, at string, after bool) (end hookEnd, writes []string, died bool) {
	t.Helper()
	p := w.place(t, namespace)
	jobs := p.counts()
	p.begin(nil, []string{"web"}, gitserver.Files(map[string]string{
		"apps/web/flags.yaml":   config("flags", annotated("says", "one")),
		"apps/web/account.yaml": hookJob("account", `helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5", helm.sh/hook-delete-policy: hook-succeeded`, "of: it"),
		"apps/web/migrate.yaml": hookJob("migrate", "helm.sh/hook: \"pre-install,pre-upgrade\"", "of: it"),
		"apps/web/report.yaml":  hookJob("report", "argocd.argoproj.io/hook: PostSync", "of: it"),
		"apps/web/tell.yaml":    hookJob("tell", "fairlead.dev/hook: failed", "of: it"),
	}))
	p.ends("1 Succeeded", func() {})

	alive, over := g.deadly(t.Context(), w.ctl, namespace, at, after)
	dead := false
	revive := func() {
		if alive.Err() != nil && !dead {
			dead = true
			g.open()
			w.ctl.Start(t)
		}
	}
	p.pushes(alive, w.ctl, gitserver.Write("apps/web/flags.yaml", config("flags", annotated("says", "two"))))
	p.ends("2 Succeeded", revive)
	p.pushes(alive, w.ctl, gitserver.Write("apps/web/flags.yaml", config("flags", annotated("says", "three"))),
		gitserver.Write("apps/web/migrate.yaml", hookJob("migrate", "helm.sh/hook: \"pre-install,pre-upgrade\"", "devcluster/fail: Error")))
	p.ends("3 RolledBack", revive)
	testkit.Eventually(t, func(ctx context.Context) error { // nothing waits for the hooks of what failed
		revive()
		all, _, err := claims(ctx, p.Plane, p.Namespace, "prod", "web")
		if err != nil {
			return err
		}
		for _, k := range all.Keys() {
			if k.Name == "tell" && all[k].Ended != "" {
				return nil
			}
		}
		return fmt.Errorf("that job tell has ended is not recorded")
	})
	writes, died = over()
	revive()
	return p.hookEnd(jobs), writes, died
}

// pushes commits, and tells the controller if it lives, be it another one than when alive began.
func (p place) pushes(alive context.Context, ctl *testkit.Controller, changes ...gitserver.Change) {
	p.t.Helper()
	p.Git.Commit(p.t, "main", "next", changes...)
	ctx := alive
	if alive.Err() != nil && ctl.Running() {
		ctx = p.t.Context()
	}
	if err := p.Hook(ctx, ctl); err != nil && alive.Err() == nil {
		p.t.Fatal(err)
	}
}

// ends waits until the newest release has ended so.
func (p place) ends(want string, revive func()) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		revive()
		st, err := p.statusNow(ctx, "prod-web")
		if err != nil {
			return err
		}
		if st.Release == nil {
			return fmt.Errorf("there is no release")
		}
		if is := fmt.Sprintf("%d %s", st.Release.Serial, st.Release.Phase); is != want {
			return fmt.Errorf("the newest release is %s (%s), want %s; %s: %s", is, st.Release.Why, want, st.Phase, st.Reason)
		}
		return nil
	})
}

// madeJobs counts the Jobs of a namespace that were ever made.
type madeJobs struct {
	mu     sync.Mutex
	uids   map[string]string // the names, by their uids
	missed error             // why some may have passed unseen
}

func (p place) counts() *madeJobs {
	p.t.Helper()
	m := &madeJobs{uids: map[string]string{}}
	at := p.Plane.Kube.BatchV1().Jobs(p.Namespace)
	list, err := at.List(p.t.Context(), metav1.ListOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range list.Items {
		m.uids[string(list.Items[i].UID)] = list.Items[i].Name
	}
	// The API server ends a watch that does not keep up with it: then it is begun anew where it ended.
	events, err := toolswatch.NewRetryWatcherWithContext(p.t.Context(), list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return at.Watch(ctx, o) },
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(events.Stop)
	go func() {
		for e := range events.ResultChan() {
			m.mu.Lock()
			if o, ok := e.Object.(metav1.Object); ok {
				m.uids[string(o.GetUID())] = o.GetName()
			} else if e.Type == watch.Error {
				m.missed = fmt.Errorf("not all Jobs were seen: %v", e.Object)
			}
			m.mu.Unlock()
		}
	}()
	return m
}

// made says how often a Job of each name was made.
func (m *madeJobs) made(t testing.TB) map[string]int {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missed != nil {
		t.Error(m.missed)
	}
	out := map[string]int{}
	for _, name := range m.uids {
		out[name]++
	}
	return out
}

func (m *madeJobs) knows(all []unstructured.Unstructured) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(all, func(o unstructured.Unstructured) bool { return m.uids[string(o.GetUID())] == "" })
}

// hookEnd looks at how it ended.
func (p place) hookEnd(jobs *madeJobs) hookEnd {
	p.t.Helper()
	var there []unstructured.Unstructured
	testkit.Eventually(p.t, func(ctx context.Context) (err error) {
		if there, err = p.objs.List(ctx, p.Namespace, "jobs"); err == nil && !jobs.knows(there) {
			err = fmt.Errorf("not all Jobs were told of yet")
		}
		return err
	})
	e := hookEnd{Made: jobs.made(p.t)}
	for i := range there {
		serial, rest, _ := strings.Cut(there[i].GetAnnotations()["fairlead.dev/run"], "/")
		_, moment, _ := strings.Cut(rest, "/")
		e.There = append(e.There, there[i].GetName()+" "+serial+" "+moment)
	}
	slices.Sort(e.There)
	all, _, err := claims(p.t.Context(), p.Plane, p.Namespace, "prod", "web")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, k := range all.Keys() {
		e.Claimed = append(e.Claimed, strings.TrimSpace(k.Name+" "+all[k].Ended))
	}
	slices.Sort(e.Claimed)
	if e.Flags, err = p.objs.Field(p.t.Context(), p.Namespace, "configmap/flags", ".metadata.annotations.says"); err != nil {
		p.t.Fatal(err)
	}
	st := p.status("prod-web", func(v1alpha1.AppStatus) error { return nil })
	e.Status = fmt.Sprintf("%s %s", st.Phase, st.Health)
	for _, r := range st.Releases {
		e.Releases = append(e.Releases, fmt.Sprintf("%d %s", r.Serial, r.Phase))
	}
	p.remove("environments.fairlead.dev/prod")
	return e
}
