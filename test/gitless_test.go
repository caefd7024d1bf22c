package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestWithoutGit has a Git server that nobody reaches any more. What is released is kept true, and can be taken back, by a controller that was there before and
// by one that is started meanwhile; and when the server is back, it goes on with what is newer.
func TestWithoutGit(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	data := filepath.Join(t.TempDir(), "data")
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{DataDir: data})}
	t.Run("rollback", func(t *testing.T) { gitlessRollback(t, w, data) })
	t.Run("anew", func(t *testing.T) { gitlessAnew(t, w, data) })
	t.Run("gate", func(t *testing.T) { gitlessGate(t, w) })
}

func gitlessRollback(t *testing.T, w world, data string) {
	p := w.place(t, "without-git")
	labelled := func(of string) gitserver.Change {
		return gitserver.Write("apps/web/a.yaml", config("a", "  labels: {of: "+of+"}\n"))
	}
	p.begin(careful(map[string]any{"deadline": "1m"}), []string{"web"}, labelled("first"), write("apps/web", "b"))
	first, err := p.Git.Head(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	second := p.push(labelled("second"), gitserver.Delete("apps/web/b.yaml"))
	p.at("configmap/a", ".metadata.labels.of", "second")
	p.gone("configmap/b")
	p.synced("prod-web")

	p.Git.Stop(t)
	p.asks("prod", "is anybody there")
	p.says("repositories.fairlead.dev/config", "connection refused")
	heals := func(of string) {
		t.Helper()
		p.patch("configmap/a", "{metadata: {labels: {of: somebody}}}")
		p.at("configmap/a", ".metadata.labels.of", of)
	}
	heals("second")

	out := p.fairlead("rollback", "prod/web", "--because", "orders are lost")
	if want := "goes back from " + second.Short() + " to " + first.Short(); !strings.Contains(out, want) {
		t.Errorf("it says %q, want %q in it", out, want)
	}
	p.at("configmap/a", ".metadata.labels.of", "first")
	p.has("configmap/b")
	back := func() {
		t.Helper()
		st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "rolled back to "+first.Short(), "orders are lost", "fairlead rollback prod/web --lift")
		if st.Pinned != first.Short() || st.Applied.Short != first.Short() || st.Release.Phase != "RolledBack" {
			t.Errorf("pinned at %q, applied is %s, release is %+v", st.Pinned, st.Applied.Short, st.Release)
		}
	}
	back()
	heals("first")

	// A controller that is started while Git is away knows what is released as well.
	w.ctl.Kill()
	p.remove("configmap/b")
	w.ctl.Start(t)
	p.has("configmap/b")
	p.phase("prod-web", v1alpha1.PhaseRolledBack, "Git cannot be read now", "connection refused")
	back()
	heals("first")

	// Git is there again, with nothing new at first.
	p.Git.Start(t)
	p.asks("prod", "and now")
	p.read("prod", second)
	back()
	heals("first")
	p.push(labelled("third"))
	p.at("configmap/a", ".metadata.labels.of", "third")
	p.synced("prod-web")
	if st := p.status("prod-web", phaseOf("Succeeded")); st.Pinned != "" {
		t.Errorf("pinned at %q", st.Pinned)
	}
}

// gitlessAnew has a controller that has no mirror either when it goes back.
func gitlessAnew(t *testing.T, w world, data string) {
	p := w.place(t, "without-git-anew")
	p.begin(nil, []string{"web"}, write("apps/web", "a", "b"))
	first, err := p.Git.Head(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	p.push(gitserver.Delete("apps/web/b.yaml"))
	p.gone("configmap/b")
	p.synced("prod-web")
	p.Git.Stop(t)
	w.ctl.Kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	w.ctl.Start(t)
	p.guarded("a")
	p.fairlead("rollback", "prod/web")
	p.has("configmap/b")
	if st := p.phase("prod-web", v1alpha1.PhaseRolledBack, "rolled back to "+first.Short()); st.Applied.Short != first.Short() || st.Pinned != first.Short() {
		t.Errorf("it is pinned at %s, and %s is applied", st.Pinned, st.Applied.Short)
	}
}

// gitlessGate has a gate that is opened while nobody can read what waits behind it: that is released when it can be read, and no time is lost for it before.
func gitlessGate(t *testing.T, w world) {
	p := w.place(t, "without-git-gate")
	first := p.Git.Commit(t, "main", "first", write("apps/web", "a"))
	gated := map[string]any{"deadline": "1s", "gates": []any{map[string]any{"approval": map[string]any{"required": int64(1)}}}}
	p.Environment(t, "prod", "apps/*", map[string]any{"release": gated})
	p.approves("prod", first)
	p.synced("prod-web")
	next := p.push(write("apps/web", "b"))
	p.phase("prod-web", v1alpha1.PhaseHeld, next.Short())

	p.Git.Stop(t)
	w.ctl.Kill()
	w.ctl.Start(t)
	p.Environment(t, "prod", "apps/*", map[string]any{"release": map[string]any{"deadline": "1s"}})
	p.guarded("a")
	p.status("prod-web", func(st v1alpha1.AppStatus) error { // it was looked at since
		if r := st.Release; r == nil || r.Serial != 2 || r.Phase != "Planned" && r.Phase != "Gated" || strings.Contains(r.Why, "approval") {
			return fmt.Errorf("its release is %+v", r)
		}
		return nil
	})
	p.Git.Start(t)
	p.asks("prod", "again")
	p.synced("prod-web")
	p.has("configmap/b")
	if st := p.status("prod-web", phaseOf("Succeeded")); st.Release.Serial != 2 || st.Pinned != "" {
		t.Errorf("release %+v, pinned at %q", st.Release, st.Pinned)
	}
}
