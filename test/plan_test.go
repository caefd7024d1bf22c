package test

import (
	gocmp "cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/install"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// planned are two replicas that are asked for plans, and the Service by which the API server finds one of them.
type planned struct {
	replicas
	address string // of this machine, at which the API server reaches a replica as it reaches a Pod
	draw    *rand.Rand
	files   map[string]map[string]int // the number in each ConfigMap, by its name, by the directory of its app
	serial  int
}

// ask is the plan of one replica, asked directly or through the API server.
func (p *planned) ask(c *testkit.Controller, through bool, args ...string) preview.Reply {
	p.t.Helper()
	args = slices.Concat([]string{"plan", "prod", "-n", p.Namespace, "-o", "json"}, args)
	if through {
		p.serve(c)
	} else {
		args = append(args, "--server", "http://127.0.0.1:"+port(p.t, c))
	}
	cmd := exec.CommandContext(p.t.Context(), testkit.Binary(p.t, "fairlead"), args...)
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+p.Plane.Kubeconfig)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // as it comes
		p.t.Fatalf("fairlead %q: %v: %s", args, err, exit.Stderr)
	}
	var all struct{ Plans []preview.Reply }
	if err := json.Unmarshal(out, &all); err != nil || len(all.Plans) != 1 {
		p.t.Fatalf("%v in %s", err, out)
	}
	return all.Plans[0]
}

func port(t testing.TB, c *testkit.Controller) string {
	t.Helper()
	_, port, err := net.SplitHostPort(c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// serve lets the Service of `fairlead install` lead to one replica, as its Pod would be found.
func (p *planned) serve(c *testkit.Controller) {
	p.t.Helper()
	endpoints := `{apiVersion: v1, kind: Endpoints, metadata: {name: fairlead, namespace: ` + testkit.Namespace + `}, subsets: [{
		addresses: [{ip: "` + p.address + `", targetRef: {kind: Pod, name: replica, namespace: ` + testkit.Namespace + `}}],
		ports: [{name: http, port: ` + port(p.t, c) + `}]}]}`
	if err := p.objs.Apply(p.t.Context(), testkit.Namespace, endpoints); err != nil {
		p.t.Fatal(err)
	}
}

func newPlanned(t *testing.T) *planned {
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	w := world{home: t, plane: plane}
	p := &planned{address: hostAddress(t), draw: rand.New(rand.NewPCG(20, 26)), files: map[string]map[string]int{}}
	for range 2 {
		p.all = append(p.all, plane.Controller(t, testkit.ControllerOptions{Lease: lease, Args: []string{"--listen=:0"}}))
	}
	w.ctl = p.all[0]
	p.place = w.place(t, "planned")
	objs, err := install.Objects(install.Options{Namespace: testkit.Namespace, Image: "fairlead:test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objs {
		if o.GetKind() == "Service" {
			text, err := o.MarshalJSON()
			if err == nil {
				err = p.objs.Apply(t.Context(), testkit.Namespace, string(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	// The API server asks nobody but Pods.
	pod := `{apiVersion: v1, kind: Pod, metadata: {name: replica}, spec: {
		securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
		containers: [{name: controller, image: "fairlead:test", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`
	if err := p.objs.Apply(t.Context(), testkit.Namespace, pod); err != nil {
		t.Fatal(err)
	}
	if err := p.objs.Patch(t.Context(), "kubelet", testkit.Namespace, "pod/replica", `{status: {phase: Running, podIP: "`+p.address+`", podIPs: [{ip: "`+p.address+`"}]}}`, "status"); err != nil {
		t.Fatal(err)
	}
	return p
}

// hostAddress is an address of this machine that a Pod could have: the API server asks no loopback address.
func hostAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatalf("this machine has no address but loopback, which the API server does not take for that of a Pod: %v", all)
	return ""
}

// change draws what a commit does: ConfigMaps that come, change, move to another app and go, and whole apps.
func (p *planned) change() (changes []gitserver.Change) {
	file := func(app, name string) string { return "apps/" + app + "/" + name + ".yaml" }
	put := func(app, name string) {
		p.serial++
		if p.files[app] == nil {
			p.files[app] = map[string]int{}
		}
		p.files[app][name] = p.serial
		changes = append(changes, numbered(app, name, p.serial))
	}
	for range 1 + p.draw.IntN(4) {
		apps := slices.Sorted(maps.Keys(p.files))
		app := apps[p.draw.IntN(len(apps))]
		names := slices.Sorted(maps.Keys(p.files[app]))
		name := names[p.draw.IntN(len(names))]
		switch do := p.draw.IntN(10); {
		case do < 3:
			put(app, name)
		case do < 5:
			put(app, fmt.Sprintf("map%d", p.serial))
		case do == 5:
			put(fmt.Sprintf("app%d", p.serial), fmt.Sprintf("map%d", p.serial))
		case do == 6 && len(apps) > 4:
			delete(p.files, app)
			changes = append(changes, gitserver.Delete("apps/"+app))
		case do < 8 && len(names) > 1:
			delete(p.files[app], name)
			changes = append(changes, gitserver.Delete(file(app, name)))
		case len(names) > 1:
			delete(p.files[app], name)
			changes = append(changes, gitserver.Delete(file(app, name)))
			put(apps[p.draw.IntN(len(apps))], name)
		}
	}
	return changes
}

// versions are the uid and the resourceVersion of all ConfigMaps that Fairlead made.
func (p *planned) versions(ctx context.Context) (map[string][2]string, error) {
	list, err := p.objs.List(ctx, p.Namespace, "configmaps")
	out := map[string][2]string{}
	for _, u := range list {
		if u.GetLabels()["fairlead.dev/app"] != "" {
			out["ConfigMap "+p.Namespace+"/"+u.GetName()] = [2]string{string(u.GetUID()), u.GetResourceVersion()}
		}
	}
	return out, err
}

// happened says what became of objects.
func happened(before, now map[string][2]string) map[string]string {
	out := map[string]string{}
	for o, is := range now {
		switch was, ok := before[o]; {
		case !ok:
			out[o] = string(plan.Create)
		case was[0] != is[0]:
			out[o] = string(plan.Replace)
		case was[1] != is[1]:
			out[o] = string(plan.Update)
		}
	}
	for o := range before {
		if _, ok := now[o]; !ok {
			out[o] = string(plan.Delete)
		}
	}
	return out
}

// foretold is the same as a plan tells it.
func foretold(t *testing.T, r preview.Reply) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, a := range r.Apps {
		given := slices.DeleteFunc(slices.Clone(a.Waiting), func(n preview.Note) bool { return strings.HasSuffix(n.Text, " to take it over") })
		if len(a.Held)+len(a.Refused)+len(given)+len(a.Idle) > 0 || a.Blocked != "" || a.Broken != "" {
			t.Fatalf("app %s is in the way: %+v", a.Name, a)
		}
		for _, s := range a.Steps {
			do := string(s.Do)
			if s.Do == plan.Adopt || s.Do == plan.Repair {
				do = string(plan.Update)
			}
			if was, twice := out[s.Object]; twice {
				t.Errorf("%s is planned twice: %s, and %s of app %s", s.Object, was, do, a.Name)
			}
			out[s.Object] = do
		}
	}
	return out
}

// TestPlanComesTrue: what two replicas tell of a commit, directly and through the API server, is the same whoever has the app, and is what happens when the commit
// is followed: nothing else, and nothing less. Hands are in between.
func TestPlanComesTrue(t *testing.T) {
	t.Parallel()
	const rounds = 15
	p := newPlanned(t)
	var first []gitserver.Change
	for i := range 6 {
		app := fmt.Sprintf("first%d", i)
		p.files[app] = map[string]int{}
		for j := range 3 {
			name := fmt.Sprintf("%s-%d", app, j)
			p.files[app][name] = 0
			first = append(first, numbered(app, name, 0))
		}
	}
	p.Git.Commit(t, "next", "first", first...)
	p.begin(map[string]any{"sync.drift": "Report", "sync.prune.maxObjects": int64(1000), "sync.prune.maxPercent": int64(100)}, slices.Sorted(maps.Keys(p.files)), first...)
	p.shared(len(p.files))
	t.Logf("the replicas have %v", p.owners())

	did, edits := map[string]int{}, 0
	for round := range rounds {
		edited := ""
		if p.draw.IntN(2) == 0 {
			edited = p.edit()
		}
		if edited != "" {
			edits++
		}
		changes := p.change()
		want := p.follow(round, changes)
		for _, do := range want {
			did[do]++
		}
		t.Logf("round %d: %d changes of Git, edited by hand: %q, %v", round, len(changes), edited, want)
	}
	// An app that a person stopped lets go, too.
	apps := slices.SortedFunc(maps.Keys(p.files), func(a, b string) int {
		return gocmp.Or(len(p.files[b])-len(p.files[a]), strings.Compare(a, b))
	})
	from, to := apps[0], apps[len(apps)-1] // the one with the most objects stays an app
	name := slices.Sorted(maps.Keys(p.files[from]))[0]
	command(t, p.Plane, 0, "suspended", "suspend", "prod/"+from, "-n", p.Namespace, "--because", "it moves")
	testkit.Eventually(t, func(ctx context.Context) error {
		return p.Is(ctx, "apps.fairlead.dev/prod-"+from, ".status.phase", "Suspended")
	})
	delete(p.files[from], name)
	p.files[to][name] = p.serial + 1
	want := p.follow(rounds, []gitserver.Change{gitserver.Delete("apps/" + from + "/" + name + ".yaml"), numbered(to, name, p.serial+1)})
	if d := cmp.Diff(map[string]string{"ConfigMap planned/" + name: "update"}, want); d != "" {
		t.Errorf("moved from a suspended app:\n%s", d)
	}
	for _, c := range p.all {
		if left := foretold(t, p.ask(c, false)); len(left) > 0 {
			t.Errorf("it is not done: %v", left)
		}
	}
	for _, do := range []plan.Action{plan.Create, plan.Update, plan.Delete} {
		if did[string(do)] < 5 {
			t.Errorf("only %d objects were to %s: draw more", did[string(do)], do)
		}
	}
	if edits < 3 {
		t.Errorf("only %d objects were edited by hand: draw more", edits)
	}
}

// follow has both replicas tell what a commit does, and then does it.
func (p *planned) follow(round int, changes []gitserver.Change) map[string]string {
	t := p.t.(*testing.T)
	t.Helper()
	p.Git.Commit(t, "next", "drawn", changes...)
	by := round % 2 // each replica is asked once a round: they bound how many plans they make
	told := p.ask(p.all[0], by == 0, "--to", "next")
	if d := cmp.Diff(told, p.ask(p.all[1], by == 1, "--to", "next")); d != "" {
		t.Errorf("round %d: - replica 0, through the API server %t, + replica 1; apps are of %v:\n%s", round, by == 0, p.owners(), d)
	}
	want := foretold(t, told)
	before, err := p.versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.push(changes...)
	p.become(round, before, want)
	return want
}

// edit changes an object by hand, of an app that is as Git says, and waits until that is told: it is left as it is.
func (p *planned) edit() string {
	p.t.Helper()
	app := slices.Sorted(maps.Keys(p.files))[p.draw.IntN(len(p.files))]
	name := slices.Sorted(maps.Keys(p.files[app]))[p.draw.IntN(len(p.files[app]))]
	if phase, err := p.objs.Field(p.t.Context(), p.Namespace, "apps.fairlead.dev/prod-"+app, ".status.phase"); err != nil || phase != "Synced" {
		return "" // that a second object was edited would not be told at once
	}
	p.patch("configmap/"+name, `{data: {of: hand}}`)
	testkit.Eventually(p.t, func(ctx context.Context) error {
		return p.Is(ctx, "apps.fairlead.dev/prod-"+app, ".status.phase", "Drifted")
	})
	return name
}

// become waits until what was told has happened, and until no replica has anything left to do: it is still all then.
func (p *planned) become(round int, before map[string][2]string, want map[string]string) {
	p.t.Helper()
	same := func(ctx context.Context) error {
		now, err := p.versions(ctx)
		if err != nil {
			return err
		}
		if d := cmp.Diff(want, happened(before, now)); d != "" {
			return fmt.Errorf("round %d: - told, + happened:\n%s", round, d)
		}
		return nil
	}
	testkit.Eventually(p.t, same)
	for _, c := range p.all {
		p.Settled(p.t, c, "prod", "main")
	}
	for app := range p.files {
		testkit.Eventually(p.t, func(ctx context.Context) error {
			phase, err := p.objs.Field(ctx, p.Namespace, "apps.fairlead.dev/prod-"+app, ".status.phase")
			if err == nil && phase != "Synced" && phase != "Drifted" && phase != "Suspended" {
				err = fmt.Errorf("app %s is %s", app, phase)
			}
			return err
		})
	}
	if err := same(p.t.Context()); err != nil {
		p.t.Error(err)
	}
}
