package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// calm are the alerts that TestPrometheus has no fault for: TestPrometheusCalm has. They are evaluated, and every metric and label of theirs is looked for.
var calm = []string{"FairleadBug", "FairleadWithoutPart", "FairleadAPIServerSlow", "FairleadHistoryNotStored"}

// TestPrometheus lets a real Prometheus scrape a controller. Every alert rule loads and is evaluated as it is shipped; without the time that each waits, all but
// the calm ones fire, because of what is done here; and every panel of the dashboard has data.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prom, shipped, hasty := scraped(t, w.ctl)
	quiet(t, prom, hasty)

	troubles(t, w, prom)
	for _, name := range []string{"FairleadAppFailed", "FairleadAppHeld", "FairleadAppNotReady", "FairleadDriftStays"} {
		about := firing(t, prom, hasty, name).Firing[0]
		app := about.Labels["app"]
		if app == "" || !strings.Contains(about.Annotations["summary"], about.Labels["namespace"]+"/"+app) {
			t.Errorf("%s fires for %v and says %v", name, about.Labels, about.Annotations)
		}
	}
	firing(t, prom, hasty, "FairleadAppsNotReady")
	firing(t, prom, hasty, "FairleadGitUnread")
	panels(t, prom)
	evaluated(t, prom, shipped)

	w.ctl.Kill()
	firing(t, prom, hasty, "FairleadAbsent")
}

// scraped is a Prometheus that begins to scrape a controller, with the rules as they are shipped and without the time that each waits.
func scraped(t *testing.T, c *testkit.Controller) (prom *testkit.Prometheus, shipped, hasty string) {
	t.Helper()
	shipped, err := filepath.Abs("../config/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	hasty = filepath.Join(t.TempDir(), "hasty.yaml")
	if err := os.WriteFile(hasty, regexp.MustCompile(`(?m)^(\s+for:) \w+$`).ReplaceAll(rules, []byte("$1 0s")), 0o600); err != nil {
		t.Fatal(err)
	}
	return testkit.StartPrometheus(t, fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q, %q]
scrape_configs:
- {job_name: fairlead, static_configs: [{targets: [%q]}]}
`, shipped, hasty, c.Addr())), shipped, hasty
}

// TestPrometheusCalm provokes the alerts that hardly ever fire: an API server that is slower than Fairlead has requests, an error of a kind that nobody has
// foreseen, and a replica that gets no part, and no history store.
func TestPrometheusCalm(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	g := newGate(t, plane)
	data := t.TempDir()
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: data, Lease: time.Hour, Args: []string{"--workers=40"}})
	p := world{home: t, plane: plane, ctl: ctl}.place(t, "calm")

	// More is to be applied at once than 100 requests beside those that are under way.
	slow, again := context.WithCancel(t.Context())
	g.guard(func(r *http.Request) bool {
		return r.Method == http.MethodPatch && strings.HasSuffix(path.Dir(r.URL.Path), "/configmaps")
	},
		func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			select {
			case <-slow.Done():
			case <-r.Context().Done():
			}
			pass.ServeHTTP(w, r)
		})
	var changes []gitserver.Change
	var apps []string
	for i := range 40 {
		var names []string
		for j := range 8 {
			names = append(names, fmt.Sprintf("map-%d-%d", i, j))
		}
		apps, changes = append(apps, fmt.Sprintf("app-%d", i)), append(changes, write(fmt.Sprintf("apps/app-%d", i), names...))
	}
	p.begin(nil, nil, changes...)
	testkit.Eventually(t, func(ctx context.Context) error {
		m, err := ctl.Metrics(ctx)
		if n := m.Sum("fairlead_api_requests_waiting"); err == nil && n <= 100 {
			err = fmt.Errorf("%v requests wait", n)
		}
		return err
	})
	prom, shipped, _ := scraped(t, ctl) // it has seen nothing but that
	firing(t, prom, shipped, "FairleadAPIServerSlow")
	again()
	p.Synced(t, ctl, "prod", apps...)

	// The first error that nobody has foreseen counts, since every stage begins with none: here, of a disk.
	const uncounted = `count by (stage) (fairlead_stage_duration_seconds_count) unless on (stage) fairlead_stage_errors_total{kind="internal"} == 0`
	if stages, err := prom.Query(t.Context(), uncounted); err != nil || len(stages) > 0 {
		t.Errorf("stages whose first error would not be seen: %v, %v", stages, err)
	}
	mirrors := filepath.Join(data, "mirrors")
	if err := os.Rename(mirrors, mirrors+"-gone"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mirrors, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.push(write("apps/app-0", "another"))
	firing(t, prom, shipped, "FairleadBug")

	// A replica died, and its Lease lasts for an hour.
	ctl.Kill()
	next := plane.Controller(t, testkit.ControllerOptions{Lease: time.Hour, NoWait: true, Args: []string{"--history=postgres://nobody@127.0.0.1:1/none"}})
	testkit.Eventually(t, func(context.Context) error {
		if next.Addr() == "" {
			return errors.New("it does not listen")
		}
		return nil
	})
	prom, _, hasty := scraped(t, next)
	about := firing(t, prom, hasty, "FairleadWithoutPart").Firing[0]
	if !strings.Contains(about.Annotations["summary"], next.Addr()) {
		t.Errorf("it says %v", about.Annotations)
	}
	firing(t, prom, hasty, "FairleadHistoryNotStored")
}

// troubles makes twelve apps of which four are not well, each in its own way, and a repository that cannot be read.
func troubles(t *testing.T, w world, prom *testkit.Prometheus) {
	t.Helper()
	ok := []string{"held"}
	changes := []gitserver.Change{
		write("apps/held", "held"), gitserver.Write("apps/held/old.yaml", config("old", annotated("fairlead.dev/prune", "confirm"))),
		gitserver.Write("apps/failed/a.yaml", "kind: [\n"), gitserver.Write("apps/waiting/a.yaml", pending),
	}
	for i := range 8 {
		name := fmt.Sprintf("well-%d", i)
		ok, changes = append(ok, name), append(changes, write("apps/"+name, name))
	}
	p := w.place(t, "trouble")
	p.begin(nil, ok, changes...)
	p.guarded("well-0")
	p.push(gitserver.Delete("apps/held/old.yaml"))

	d := w.place(t, "drift")
	d.begin(map[string]any{"sync.drift": "Report"}, []string{"web"}, write("apps/web", "edited"))
	d.patch("configmap/edited", "{data: {of: hand}}")

	g := w.place(t, "unread")
	g.begin(nil, []string{"web"}, write("apps/web", "web"))
	g.Git.Fail(500, nil)
	asked := 0
	testkit.Eventually(t, func(ctx context.Context) error { // an increase of more than 5 within 10 minutes, that the next try would make by itself
		asked++
		g.asks("prod", fmt.Sprint(asked))
		found, err := prom.Query(ctx, `fairlead_stage_errors_total{stage="fetch"}`)
		if err == nil && len(found) == 0 {
			err = errors.New("no error of a fetch is counted")
		}
		if err != nil {
			return err
		}
		found, err = prom.Query(ctx, `increase(fairlead_stage_errors_total{stage="fetch"}[10m]) > 5`)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("asked %d times, and too few errors are counted", asked)
		}
		return err
	})
}

const pending = `apiVersion: v1
kind: Pod
metadata: {name: waiting}
spec:
  nodeSelector: {is: nowhere}
  containers: [{name: main, image: "example.com/web:1"}]
`

// quiet waits until the controller is scraped and the rules are evaluated, and fails if an alert fires while nothing is wrong.
func quiet(t *testing.T, prom *testkit.Prometheus, file string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		found, err := prom.Query(ctx, "fairlead_replicas")
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("%d replicas are scraped, want 1", len(found))
		}
		return err
	})
	testkit.Eventually(t, func(ctx context.Context) error { // what fired before the first scrape ends
		all, err := prom.Alerts(ctx)
		for _, a := range all {
			if a.File == file && (a.Looked.IsZero() || a.State != "inactive") {
				err = fmt.Errorf("%s is %s, though nothing is wrong", a.Name, a.State)
			}
		}
		return err
	})
}

// firing waits until an alert fires.
func firing(t *testing.T, prom *testkit.Prometheus, file, name string) (found testkit.Alert) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		all, err := prom.Alerts(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a testkit.Alert) bool { return a.File == file && a.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no alert %s", name)
		}
		if found = all[i]; found.State != "firing" || len(found.Firing) == 0 {
			return fmt.Errorf("%s is %s", name, found.State)
		}
		return nil
	})
	return found
}

// evaluated waits until every rule as it is shipped was evaluated, without an error, and all but the calm ones wait for their time or fire.
func evaluated(t *testing.T, prom *testkit.Prometheus, file string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		all, err := prom.Alerts(ctx)
		problems, n := []error{err}, 0
		for _, a := range all {
			if a.File != file {
				continue
			}
			n++
			if a.Health != "ok" || a.Error != "" || a.Looked.IsZero() {
				problems = append(problems, fmt.Errorf("alert %s: %s %s, evaluated at %s", a.Name, a.Health, a.Error, a.Looked))
			}
			if still := a.State == "inactive"; still != (slices.Contains(calm, a.Name) || a.Name == "FairleadAbsent") {
				problems = append(problems, fmt.Errorf("alert %s is %s", a.Name, a.State))
			}
		}
		if n < 10 {
			problems = append(problems, fmt.Errorf("only %d alerts were evaluated", n))
		}
		return errors.Join(problems...)
	})
}

// panels: every expression of the dashboard has data.
func panels(t *testing.T, prom *testkit.Prometheus) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	parse(t, "../config/grafana/fairlead.json", func(data []byte) error { return json.Unmarshal(data, &board) })
	n := 0
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			n++
			expr := strings.ReplaceAll(q.Expr, "$namespace", ".*")
			found, err := prom.Query(t.Context(), expr)
			if err != nil {
				t.Errorf("panel %q: %s: %v", p.Title, expr, err)
			} else if len(found) == 0 {
				t.Errorf("panel %q: %s has no data", p.Title, expr)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d expressions were looked at", n)
	}
}
