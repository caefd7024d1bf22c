package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// remove takes a service out of an environment.
func (t *tour) remove(ctx context.Context) error {
	const environment, service = "staging", "mail"
	s := t.screen
	before, err := t.kube.objects(ctx, environment, service)
	if err != nil {
		return err
	}
	if len(before) == 0 {
		return errors.New("there is nothing to remove")
	}
	s.doing("removing the directory")
	app, err := t.kube.follow(ctx, "App", tenantNamespace, environment+"-"+service)
	if err != nil {
		return err
	}
	p, err := t.git.push(ctx, "staging sends no mail", remove("apps/"+service+"/"+environment))
	if err != nil {
		return err
	}
	seen, err := app.find(ctx, "App "+environment+"-"+service+" to go", "", func(s sighting) bool { return s.gone })
	if err != nil {
		return err
	}
	left, err := t.kube.objects(ctx, environment, service)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("the App is gone, but %d of its objects are left", len(left))
	}
	s.command("git rm -r apps/" + service + "/" + environment + " && git commit && git push")
	s.ok(fmt.Sprintf("%d objects and then the App are gone", len(before)), t.measured("directory removed to app gone", seen.at.Sub(p.at)).String())
	return nil
}

// hold removes more than the environment's budget, and takes that back.
func (t *tour) hold(ctx context.Context) error {
	const environment = "production-eu"
	removed := []string{"web", "api", "catalog"}
	s, held := t.screen, names([]string{environment}, removed)
	before, err := t.identities(ctx, environment, removed)
	if err != nil {
		return err
	}
	var dirs []string
	for _, service := range removed {
		dirs = append(dirs, "apps/"+service+"/"+environment)
	}
	s.doing("removing three services")
	from := t.apps.mark()
	bad, err := t.git.push(ctx, "Close the shop in Europe", remove(dirs...))
	if err != nil {
		return err
	}
	at, err := t.await(ctx, from, in(v1alpha1.PhaseHeld, held))
	if err != nil {
		return err
	}
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	s.command("git rm -r apps/{web,api,catalog}/" + environment + " && git commit && git push")
	s.ok(fmt.Sprintf("the deletion of %d objects is held; it says how to let it go", len(before)), t.measured("big deletion to held", at.Sub(bad.at)).String())
	s.note(held[2] + ": " + now[held[2]].Status.Reason)

	s.doing("reverting")
	from = t.apps.mark()
	good, err := t.git.revert(ctx)
	if err != nil {
		return err
	}
	at, err = t.await(ctx, from, well(without(names(environments, services), "staging-mail")), every(held, "released from their hold", func(a v1alpha1.App) bool {
		return a.Status.HoldID == ""
	}))
	if err != nil {
		return err
	}
	after, err := t.identities(ctx, environment, removed)
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		return errors.New("an object was deleted or made anew, though the deletion was held")
	}
	s.command("git revert HEAD && git push")
	s.ok("no hold, and every object is the very same as before", span(at.Sub(good.at)))
	return t.settled(ctx)
}

// settled waits until the Environments, which count their apps a moment later, are ready too.
func (t *tour) settled(ctx context.Context) error {
	envs, err := t.kube.follow(ctx, "Environment", tenantNamespace, "")
	if err != nil {
		return err
	}
	_, err = envs.until(ctx, envs.mark(), func(state map[string]*unstructured.Unstructured) string {
		for _, name := range environments {
			var e v1alpha1.Environment
			if state[name] == nil {
				return "Environment " + name + " does not exist"
			}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(state[name].Object, &e); err != nil {
				return err.Error()
			}
			if a := e.Status.Apps; a.Ready != a.Total || a.Held > 0 || a.Failed > 0 {
				return fmt.Sprintf("Environment %s counts %d of %d apps as ready, %d as held", name, a.Ready, a.Total, a.Held)
			}
		}
		return ""
	})
	return err
}

// identities are the UIDs of the objects of some services, by kind and name.
func (t *tour) identities(ctx context.Context, environment string, services []string) (map[string]string, error) {
	all := map[string]string{}
	for _, service := range services {
		objs, err := t.kube.objects(ctx, environment, service)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			all[o.GetKind()+" "+o.GetName()] = string(o.GetUID())
		}
	}
	return all, nil
}
