package demo

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/child"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// What web says of where payments go, and what its releases have to prove.
const (
	safe, unsafe = "https://pay.example.com", "http://pay.example.com"
	proof        = `verify:
- name: payments are encrypted
  forgiven: 0
  cel:
    of: {apiVersion: v1, kind: ConfigMap, name: web}
    expressions: ["object.data.PAY_URL.startsWith('https://')"]
`
)

// prove has a release that does what it is for, and one that only looks as if it did.
func (t *tour) prove(ctx context.Context) error {
	const environment, app = "production-us", "production-us-web"
	const overlay, declared = "apps/web/" + environment + "/kustomization.yaml", "apps/web/" + environment + "/fairlead.yaml"
	s := t.screen
	s.doing("asking for proofs")
	if err := t.ruled(ctx, environment); err != nil {
		return err
	}
	s.command("kubectl patch environment -n " + tenantNamespace + " " + environment + ` --type merge -p '{"spec": {"release": {"deadline": "1m"}}}'`)
	s.doing("pushing")
	from := t.apps.mark()
	good, err := t.git.push(ctx, "Take payments in the US", replace(overlay, "{REGION: us}", "{REGION: us, PAY_URL: \""+safe+"\"}"), replace(declared, "health:\n", proof+"health:\n"))
	if err != nil {
		return err
	}
	at, err := t.await(ctx, from, released(app, good.commit, release.Succeeded), well([]string{app}))
	if err != nil {
		return err
	}
	s.command("git push     # web in " + environment + " takes payments, and says in its fairlead.yaml what has to be so afterwards")
	s.ok("applied, healthy, and proven: payments are encrypted", t.measured("push to verified", at.Sub(good.at)).String())

	config, err := t.kube.follow(ctx, "ConfigMap", placeOf(environment), "web")
	if err != nil {
		return err
	}
	s.doing("pushing a mistake")
	from = t.apps.mark()
	bad, err := t.git.push(ctx, "Another address for payments", replace(overlay, safe, unsafe))
	if err != nil {
		return err
	}
	live, err := config.find(ctx, "the mistake to go live", "", paysAt(unsafe))
	if err != nil {
		return err
	}
	back, err := config.find(ctx, "what was good before", live.obj.GetResourceVersion(), paysAt(safe))
	if err != nil {
		return err
	}
	if _, err = t.await(ctx, from, released(app, bad.commit, release.RolledBack)); err != nil {
		return err
	}
	s.command("git push     # " + bad.commit.Short() + " takes them at " + unsafe + ": it is accepted, and healthy")
	s.ok("taken back by itself", t.measured("failed release applied to taken back", back.at.Sub(live.at)).String())
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	s.note(app + ": " + now[app].Status.Reason)
	if err := t.history(ctx, environment+"/web"); err != nil {
		return err
	}

	s.doing("reverting")
	from = t.apps.mark()
	fixed, err := t.git.revert(ctx)
	if err != nil {
		return err
	}
	at, err = t.await(ctx, from, well(names(environments, services)), every([]string{app}, "let go", func(a v1alpha1.App) bool { return a.Status.Pinned == "" }))
	if err != nil {
		return err
	}
	s.command("git revert HEAD && git push")
	s.ok("Git and the cluster agree again", span(at.Sub(fixed.at)))
	return nil
}

// ruled lets the releases of an environment be more than an apply, and waits until that is known.
func (t *tour) ruled(ctx context.Context, environment string) error {
	f, err := t.kube.follow(ctx, "Environment", tenantNamespace, environment)
	if err != nil {
		return err
	}
	is, err := t.kube.edit(ctx, thing{"Environment", tenantNamespace, environment}, "kubectl-patch", map[string]any{"spec": map[string]any{"release": map[string]any{"deadline": "1m"}}})
	if err != nil {
		return fmt.Errorf("patch Environment %s: %w", environment, err)
	}
	_, err = f.find(ctx, "Environment "+environment+" to be read", "", func(s sighting) bool {
		seen, _, _ := unstructured.NestedInt64(s.obj.Object, "status", "observedGeneration")
		return seen >= is.GetGeneration()
	})
	return err
}

// released needs the newest release of an app to be of a commit, and in a phase.
func released(app string, c source.Commit, phase release.Phase) need {
	return every([]string{app}, string(phase), func(a v1alpha1.App) bool {
		r := a.Status.Release
		return r != nil && strings.HasSuffix(r.Revision, string(c)) && r.Phase == string(phase)
	})
}

func paysAt(url string) func(sighting) bool {
	return func(s sighting) bool { return !s.gone && field(s.obj, "data", "PAY_URL") == url }
}

// history shows what is on record of the releases of an app, once the last of them is: that is stored in the background, and no watch tells of it.
func (t *tour) history(ctx context.Context, name string) error {
	t.screen.command("fairlead history " + name + " -n " + tenantNamespace + " --kind Release --limit 7")
	for {
		show := exec.CommandContext(ctx, t.options.Program,
			"history", name, "-n", tenantNamespace, "--kind", "Release", "--limit", "7", "--kubeconfig", t.kubeconfig, "--server", t.address)
		show.Stderr, show.SysProcAttr = t.options.Err, child.Attributes()
		text, err := show.Output()
		if err != nil {
			return fmt.Errorf("fairlead history: %w", err)
		}
		if strings.Contains(string(text), string(release.RolledBack)) {
			_, err = t.options.Out.Write(text)
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the history: %w", context.Cause(ctx))
		}
	}
}
