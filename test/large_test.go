package test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

var largeShare = flag.Float64("large", 0.01, "what share of the large things TestLarge makes: 1 is all of them, which takes minutes and some gigabytes")

// noise is text that no compression makes much smaller.
func noise(n int) string {
	rnd := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // repeatable
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('!' + rnd.IntN(90))
	}
	return string(text)
}

// TestLarge changes a line of a small app in a world that gets larger: by 1,000 CustomResourceDefinitions and 5,000 namespaces that nobody claims, by a gigabyte in
// 50,000 files, and by an app of 10,000 objects. What the change costs stays the same.
func TestLarge(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{})}
	p := w.place(t, "vast")
	p.begin(nil, []string{"web"}, write("apps/web", "small"))
	share := func(n int) int { return max(10, int(float64(n)**largeShare)) }
	x := &growth{place: p}
	x.change("small", "apps/web/small.yaml") // the first one is told of as none is afterwards
	x.alone = x.change("small", "apps/web/small.yaml")

	n := share(1000)
	x.grow(fmt.Sprintf("%d definitions", n), n, func(i int) string {
		return fmt.Sprintf("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.of%[1]d.example.com}\n"+
			"spec: {group: of%[1]d.example.com, scope: Namespaced, names: {kind: Thing, listKind: ThingList, plural: things, singular: thing}, "+
			"versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}\n", i)
	})
	n = share(5000)
	x.grow(fmt.Sprintf("%d namespaces", n), n, func(i int) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: of-nobody-%d}\n", i)
	})

	n = share(50000)
	for from := 0; from < n; from += 2500 {
		files := map[string]string{}
		for i := from; i < min(from+2500, n); i++ {
			files[fmt.Sprintf("docs/%d/%d.txt", i/100, i)] = noise(20<<10 + i)
		}
		p.Git.Commit(t, "main", "documents", gitserver.Files(files))
	}
	x.costs(fmt.Sprintf("%d files of 20 KiB", n))

	n = share(10000)
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("apps/many/%d.yaml", i/100)] += "---\n" + config(fmt.Sprintf("many%d", i))
	}
	began := time.Now()
	p.push(gitserver.Files(files))
	p.synced("prod-many")
	p.claimed("many", n)
	t.Logf("an app of %d objects is synced after %s", n, time.Since(began).Round(time.Millisecond))
	x.costs(fmt.Sprintf("an app of %d objects", n))
	files = map[string]string{"apps/many/one.yaml": config("one")}
	p.push(gitserver.Files(files))
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/one", ".data.of", "git") })
	p.synced("prod-many")
	if got := x.change("one", "apps/many/one.yaml"); got > x.alone+4 {
		t.Errorf("a line of the app of %d objects takes %.0f requests, where one of a small app takes %.0f", n, got, x.alone)
	}
	st, err := p.statusNow(t.Context(), "prod-many")
	if text, bad := json.Marshal(st); err != nil || bad != nil || len(text) > 64<<10 {
		t.Errorf("the status of the app of %d objects has %d bytes: %v, %v", n, len(text), err, bad)
	}
}

// growth is a world that gets larger, of which a small app stays as it is.
type growth struct {
	place
	alone float64 // how many requests a changed line took when there was nothing else
	turn  int
}

// grow makes objects that nobody claims, and looks what a changed line costs afterwards.
func (x *growth) grow(what string, n int, object func(i int) string) {
	x.t.Helper()
	g, ctx := errgroup.WithContext(x.t.Context())
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error { return x.objs.Apply(ctx, "", object(i)) })
	}
	if err := g.Wait(); err != nil {
		x.t.Fatal(err)
	}
	x.costs(what)
}

// costs fails the test if a changed line costs more than it did. What is new may be looked at once: the first change is not counted.
func (x *growth) costs(besides string) {
	x.t.Helper()
	x.change("small", "apps/web/small.yaml")
	began := time.Now()
	got := x.change("small", "apps/web/small.yaml")
	memory := "?"
	if m, err := x.ctl.Metrics(x.t.Context()); err == nil {
		memory = fmt.Sprintf("%.0f MiB", m.Sum("process_resident_memory_bytes")/(1<<20))
	}
	x.t.Logf("beside %s a changed line takes %.0f requests, and is told of after %s; %s resident", besides, got, time.Since(began).Round(time.Millisecond), memory)
	if got > x.alone+3 { // the interval of the Repository may come up, and on a busy machine one status becomes two
		x.t.Errorf("beside %s a changed line takes %.0f requests, alone %.0f", besides, got, x.alone)
	}
}

// change changes a line of an object, and returns how many requests the controller made for that, from rest to rest.
func (x *growth) change(name, file string) float64 {
	x.t.Helper()
	was := x.rest(-1)
	x.turn++
	value := fmt.Sprint("turn", x.turn)
	c := x.push(gitserver.Write(file, strings.ReplaceAll(config(name), "of: git", "of: "+value)))
	testkit.Eventually(x.t, func(ctx context.Context) error { return x.Is(ctx, "configmap/"+name, ".data.of", value) })
	x.read("prod", c)
	return x.rest(was) - was
}

// rest waits until the controller has made more requests than that, and makes none any more, and returns how many it has made. Those that nobody's change is the
// reason for do not count: its Lease, watches that begin anew, and what the API server serves.
func (x *growth) rest(than float64) float64 {
	x.t.Helper()
	var made float64
	since := time.Now()
	testkit.Eventually(x.t, func(ctx context.Context) error {
		m, err := x.ctl.Metrics(ctx)
		if err != nil {
			return err
		}
		now := m.Sum("fairlead_api_requests_total")
		for _, other := range []string{`{verb="watch"}`, `{verb="discover"}`, `{resource="leases"}`} {
			now -= m.Sum("fairlead_api_requests_total" + other)
		}
		if now != made {
			made, since = now, time.Now()
		}
		if made <= than || !m.Idle() || time.Since(since) < 700*time.Millisecond { // a status may wait for 200 ms
			return fmt.Errorf("%.0f requests, and there is still something to do", made)
		}
		return nil
	})
	return made
}

// TestLargeObject has an object of nearly a megabyte that no compression makes smaller: as much as an API server takes. It is applied, guarded, changed, handed
// over and deleted like any other.
func TestLargeObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "large")
	noise := noise(1000 << 10)
	data, err := json.Marshal(noise)
	if err != nil {
		t.Fatal(err)
	}
	large := func(of string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata:\n  of: %s\n  noise: %s\n", of, data)
	}
	p.begin(nil, []string{"web", "api"}, gitserver.Write("apps/web/large.yaml", large("git")), write("apps/web", "small"), write("apps/api", "other"))
	was := p.uids("configmap/large")
	p.guarded("large")
	p.push(gitserver.Write("apps/web/large.yaml", large("again")))
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/large", ".data.of", "again") })
	p.synced("prod-web")
	p.push(gitserver.Rename("apps/web/large.yaml", "apps/api/large.yaml"))
	p.owned("prod-api", "configmap/large")
	p.synced("prod-web")
	p.synced("prod-api")
	p.kept(was)
	u, err := p.objs.Get(t.Context(), p.Namespace, "configmap/large")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := testkit.Field(u, ".data.noise"); got != noise {
		t.Error("it is not what Git says")
	}
	if strings.Contains(w.ctl.Log(), noise[:100]) {
		t.Error("its content is in the log")
	}
	p.push(gitserver.Delete("apps/api/large.yaml"))
	p.gone("configmap/large")
	p.synced("prod-api")
}
