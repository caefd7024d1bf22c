package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestHelmKilledAtEveryWrite kills the controller before and after the writes of an upgrade and of one that fails, of an app that is a chart. Whenever it dies, Helm
// itself finds nothing pending, then or later, and the history ends as it does without.
func TestHelmKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	g := newGate(t, plane)
	ctl := plane.Controller(t, testkit.ControllerOptions{Kubeconfig: g.kubeconfig(t), DataDir: filepath.Join(t.TempDir(), "data")})
	w := world{home: t, plane: plane, ctl: ctl}
	want, writes, _ := helmRun(t, w, g, "helm-never", "", false)
	t.Logf("without a crash there are the writes %q, and it ends with %q", writes, want)
	if whole := []string{"1 superseded", "2 superseded", "3 failed", "4 deployed"}; !slices.Equal(want, whole) {
		t.Fatalf("it ends with %q", want)
	}
	deaths, tries := 0, 0
	for i, write := range writes {
		for _, after := range []bool{false, true} {
			record := strings.Contains(write, "sh.helm.release") || strings.Contains(write, "NAMESPACE/secrets")
			if n := 2*i + map[bool]int{true: 1}[after]; !*everyWrite && (!record || !after) && n%17 != 5 {
				continue
			}
			name := fmt.Sprintf("helm-%d-%s", i, map[bool]string{false: "before", true: "after"}[after])
			tries++
			t.Run(name, func(t *testing.T) {
				end, _, died := helmRun(t, w, g, name, write, after)
				if !slices.Equal(end, want) {
					t.Errorf("killed %s at %s it ends with %q, and without a crash with %q", name, write, end, want)
				}
				if died {
					deaths++
				}
			})
		}
	}
	if t.Logf("it died %d times of %d", deaths, tries); 2*deaths < tries {
		t.Errorf("the controller died %d times, though it was to die %d times", deaths, tries)
	}
}

func helmRun(t *testing.T, w world, g *gate, namespace, at string, after bool) (end, writes []string, died bool) {
	t.Helper()
	p := w.place(t, namespace)
	values := func(color, pod string) gitserver.Change {
		return gitserver.Write("apps/web/values.yaml", "color: "+color+"\npod: '"+pod+"'\n")
	}
	p.begin(nil, []string{"web"}, values("blue", "of: it"), gitserver.Files(map[string]string{
		"apps/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"apps/web/templates/all.yaml": config("flags", annotated("says", "{{ .Values.color }}")) + "---\n" +
			hookJob("tell", `helm.sh/hook: "post-install,post-upgrade"`, " {{ .Values.pod }} "),
	}))
	p.helmEnds([]string{"1 deployed"}, func() {})
	alive, over := g.deadly(t.Context(), w.ctl, namespace, at, after)
	dead := false
	revive := func() {
		if alive.Err() != nil && !dead {
			dead = true
			p.notPending()
			g.open()
			w.ctl.Start(t)
		}
	}
	p.pushes(alive, w.ctl, values("green", "of: it"))
	p.helmEnds([]string{"1 superseded", "2 deployed"}, revive)
	p.pushes(alive, w.ctl, values("red", "devcluster/fail: Error"))
	end = p.helmEnds([]string{"1 superseded", "2 superseded", "3 failed", "4 deployed"}, revive)
	p.ends("3 RolledBack", revive)
	writes, died = over()
	revive()
	p.notPending()
	p.remove("environments.fairlead.dev/prod")
	return end, writes, died
}

// helm runs the real Helm.
func (p place) helm(ctx context.Context, args ...string) ([]byte, error) {
	home := p.t.TempDir()
	cmd := exec.CommandContext(ctx, testkit.Binary(p.t, "helm"), append([]string{"--kubeconfig", p.Plane.Kubeconfig, "--namespace", p.Namespace}, args...)...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	return cmd.Output()
}

// helmHistory is what Helm tells of the revisions.
func (p place) helmHistory(ctx context.Context) ([]string, error) {
	out, err := p.helm(ctx, "history", "web", "-o", "json")
	if err != nil {
		return nil, err
	}
	var revisions []struct {
		Revision int
		Status   string
	}
	if err := json.Unmarshal(out, &revisions); err != nil {
		return nil, err
	}
	var text []string
	for _, r := range revisions {
		text = append(text, fmt.Sprintf("%d %s", r.Revision, r.Status))
	}
	return text, nil
}

// helmEnds waits until Helm tells that of the revisions.
func (p place) helmEnds(want []string, revive func()) (is []string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) (err error) {
		revive()
		if is, err = p.helmHistory(ctx); err == nil && !slices.Equal(is, want) {
			err = fmt.Errorf("the history is %q, and not %q", is, want)
		}
		return err
	})
	return is
}

// notPending looks at once: whatever just died, Helm finds a release that it would go on with.
func (p place) notPending() {
	p.t.Helper()
	is, err := p.helmHistory(p.t.Context())
	if err != nil {
		p.t.Error(err)
	}
	if !slices.ContainsFunc(is, func(r string) bool { return strings.HasSuffix(r, " deployed") }) || strings.Contains(strings.Join(is, " "), "pending") {
		p.t.Errorf("the history is %q", is)
	}
}
