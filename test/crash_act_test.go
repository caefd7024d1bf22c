package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestActsKilledAtEveryWrite kills the controller before and after the writes of a day without releases to speak of: a hand edit is undone, what was deleted by
// hand is made again, what Git has no more is pruned, an app is suspended for a while, what was rolled back is reverted in Git, an app goes. Whenever it dies, each of that is in the history once.
func TestActsKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	g := newGate(t, plane)
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: filepath.Join(t.TempDir(), "data")})}
	want, writes, _ := actRun(t, w, g, "acts-never", "", false, false)
	t.Logf("without a crash there are the writes %q, and on record is\n%s", writes, strings.Join(want, "\n"))
	counts := map[string]int{}
	for _, r := range want {
		kind, _, _ := strings.Cut(r, ":")
		counts[kind]++
	}
	if counts["Drift Found"] != 2 || counts["Drift Gone"] != 2 || counts["Prune "] != 3 || counts["Prune Gone"] != 1 || counts["Rollback "] != 1 || counts["Suspension "] != 1 || counts["Resumption "] != 1 {
		t.Fatalf("on record is %v: the test no longer does what it says", counts)
	}
	deaths, tries := 0, 0
	run := func(name, at string, after, pushed bool) {
		tries++
		t.Run(name, func(t *testing.T) {
			got, writes, died := actRun(t, w, g, name, at, after, pushed)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("killed at %s, there is on record: -without +with\n%s\nwhile it was written\n%s", at, d, strings.Join(writes, "\n"))
			}
			if died {
				deaths++
			}
		})
	}
	run("acts-pushed", "", false, true)
	done := regexp.MustCompile(`^(PATCH|DELETE) .*(configmaps/[ab] 1$|configmaps/c 1$|apps/prod-api)`)
	for i, write := range writes {
		for _, after := range []bool{false, true} {
			suspended := strings.HasSuffix(write, "apps/prod-web/status 4")
			if *everyWrite || suspended || after && done.MatchString(write) && !strings.Contains(write, "/status") {
				run(fmt.Sprintf("acts-%d-%s", i, map[bool]string{false: "before", true: "after"}[after]), write, after, false)
			}
		}
	}
	if t.Logf("it died %d times of %d", deaths, tries); tries < 4 || 2*deaths < tries {
		t.Errorf("the controller died %d times, though it was to die %d times", deaths, tries)
	}
}

// actRun plays the day in one place. It returns what is on record of it.
func actRun(t *testing.T, w world, g *gate, namespace, at string, after, pushed bool) (record, writes []string, died bool) {
	t.Helper()
	var once sync.Once
	options := gitserver.Options{}
	killed := false
	if pushed { // Git has the commit, and nobody hears of that
		options.OnPush = func(gitserver.Push) { once.Do(func() { w.ctl.Kill(); killed = true }) }
	}
	p := w.gated(t, namespace, options)
	p.begin(reverting("Commit", "git-write"), []string{"web", "api"}, write("apps/web", "a", "b", "c"), write("apps/api", "d"))
	alive, over := g.deadly(t.Context(), w.ctl, namespace, at, after)
	dead := false
	waits := func(check func(context.Context) error) {
		t.Helper()
		testkit.Eventually(t, func(ctx context.Context) error {
			if !dead && (alive.Err() != nil || killed) {
				dead = true
				g.open()
				w.ctl.Start(t)
			}
			return check(ctx)
		})
	}
	is := func(ref, path, want string) func(context.Context) error {
		return func(ctx context.Context) error { return p.Is(ctx, ref, path, want) }
	}
	isGone := func(ref string) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, err := p.objs.Get(ctx, p.Namespace, ref); !testkit.IsNotFound(err) {
				return errors.Join(fmt.Errorf("%s still exists", ref), err)
			}
			return nil
		}
	}
	commit := func(changes ...gitserver.Change) source.Commit {
		t.Helper()
		id := p.Git.Commit(t, "main", "a change", changes...)
		p.asks("prod", string(id))
		return id
	}

	p.patch("configmap/a", "{data: {of: somebody}}")
	waits(is("configmap/a", ".data.of", "git"))
	p.remove("configmap/b")
	waits(is("configmap/b", ".data.of", "git"))
	commit(gitserver.Delete("apps/web/c.yaml"))
	waits(isGone("configmap/c"))
	waits(is("apps.fairlead.dev/prod-web", ".status.release.phase", "Succeeded"))
	p.patch("apps.fairlead.dev/prod-web", "{spec: {suspend: {by: ann, because: lunch}}}")
	waits(is("apps.fairlead.dev/prod-web", ".status.phase", "Suspended"))
	p.patch("apps.fairlead.dev/prod-web", "{spec: {suspend: null}}")
	waits(is("apps.fairlead.dev/prod-web", ".status.phase", "Synced"))
	bad := commit(sick("a", "very"), write("apps/web", "e"))
	waits(func(ctx context.Context) error {
		now, err := p.Git.Head(ctx, "main")
		if err == nil && now == bad {
			err = errors.New("it is not reverted in Git")
		}
		return err
	})
	waits(is("apps.fairlead.dev/prod-web", ".status.phase", "Synced"))
	waits(isGone("configmap/e"))
	commit(gitserver.Delete("apps/api"))
	waits(isGone("configmap/d"))
	waits(isGone("apps.fairlead.dev/prod-api"))
	waits(func(context.Context) error {
		var err error
		if record, err = p.acts(); err == nil && !slices.ContainsFunc(record, func(r string) bool { return strings.HasPrefix(r, "Prune Gone") }) {
			err = fmt.Errorf("on record is %q", record)
		}
		return err
	})
	writes, died = over()
	p.remove("environments.fairlead.dev/prod") // who is started next has less to look at
	return record, writes, died || dead
}

var moment = regexp.MustCompile(` at [-0-9]+T[:0-9]+Z`)

// acts are what is on record of the environment beside its releases.
func (p place) acts() ([]string, error) {
	out, err := p.tries("history", "prod", "--kind", "Drift", "--kind", "Prune", "--kind", "Rollback", "--kind", "Suspension", "--kind", "Resumption", "--limit", "1000", "-o", "json", "--server", "http://"+p.ctl.Addr())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var got struct{ Records []history.Record }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return nil, err
	}
	var all []string
	for _, r := range got.Records {
		why := moment.ReplaceAllString(commitID.ReplaceAllString(strings.ReplaceAll(r.Why, p.Namespace, "NAMESPACE"), "COMMIT"), "")
		all = append(all, fmt.Sprintf("%s %s: %s: %s", r.Kind, r.Phase, r.App, why))
	}
	slices.Sort(all)
	return all, nil
}
