package test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestDeletionKilledAtEveryWrite kills the controller before and after the writes of a deletion with hooks, one of which fails and is let go by a person. Whenever
// it dies, each hook is made once, nothing is deleted before its time, and all is gone in the end.
func TestDeletionKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: filepath.Join(t.TempDir(), "data")})
	w := world{home: t, plane: plane, ctl: ctl}
	want, writes, _ := deletionRun(t, w, g, "deletion-never", "", false)
	t.Logf("without a crash there are the writes %q, and it ends with %v", writes, want)
	if made := map[string]int{"drain": 1, "wipe": 1, "tell": 1}; !cmp.Equal(want, made) || len(writes) < 12 {
		t.Fatalf("it ends with %v after %d writes: the test no longer does what it says", want, len(writes))
	}
	atWrites(t, "deletion", writes, func(n int) bool { return n%7 == 3 }, func(t *testing.T, name, write string, after bool) bool {
		end, _, died := deletionRun(t, w, g, name, write, after)
		if d := cmp.Diff(want, end); d != "" {
			t.Errorf("killed %s at %s hooks are made otherwise than without a crash: -without +with\n%s", name, write, d)
		}
		return died
	})
}

// deletionRun removes an app with hooks, and returns how often each was made.
func deletionRun(t *testing.T, w world, g *gate, namespace, at string, after bool) (made map[string]int, writes []string, died bool) {
	t.Helper()
	p := w.place(t, namespace)
	jobs := p.counts()
	p.begin(nil, []string{"web", "other"}, write("apps/other", "others"), gitserver.Files(map[string]string{
		"apps/web/flags.yaml": config("flags", annotated("says", "one")),
		"apps/web/drain.yaml": hookJob("drain", `helm.sh/hook: pre-delete, helm.sh/hook-weight: "-5", helm.sh/hook-delete-policy: hook-succeeded`, "of: it"),
		"apps/web/wipe.yaml":  hookJob("wipe", "helm.sh/hook: pre-delete", "devcluster/fail: Error"),
		"apps/web/tell.yaml":  hookJob("tell", "argocd.argoproj.io/hook: PostDelete", "of: it"),
	}))
	was := p.uids("configmap/flags")
	alive, over := g.deadly(t.Context(), w.ctl, namespace, at, after)
	dead := false
	revive := func() {
		if alive.Err() != nil && !dead {
			dead = true
			g.open()
			w.ctl.Start(t)
		}
	}
	p.pushes(alive, w.ctl, gitserver.Delete("apps/web"))
	approved := ""
	testkit.Eventually(t, func(ctx context.Context) error {
		revive()
		st, err := p.statusNow(ctx, "prod-web")
		switch {
		case testkit.IsNotFound(err):
			return nil
		case err != nil:
			return err
		case st.HoldID != "" && st.HoldID != approved:
			p.kept(was)
			if approved = st.HoldID; !strings.Contains(st.Reason, "wipe: nothing of the app is deleted before this hook has ended well") {
				t.Errorf("it is held: %s", st.Reason)
			}
			if err := p.approve("prod-web"); err != nil {
				return err
			}
		}
		return fmt.Errorf("the app is %s: %s", st.Phase, st.Reason)
	})
	writes, died = over()
	revive()
	p.gone("configmap/flags", "job/drain", "job/wipe", "job/tell")
	p.remove("environments.fairlead.dev/prod")
	return jobs.made(t), writes, died
}
