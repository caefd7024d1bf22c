package demo

import (
	"context"
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

const banner = "Half price today"

// mistakes are a commit that is broken in two services and good in a third.
func mistakes() []change {
	return []change{
		replace("apps/catalog/base/deployment.yaml", "matchLabels: {app: catalog}", "matchLabels: {app: catalog"),
		replace("apps/cart/base/deployment.yaml", "  replicas: 1", "  replica: 1"),
		replace("apps/web/base/config.yaml", "Welcome to the shop", banner),
	}
}

// refuse pushes the mistakes, shows what becomes of them, and takes them back.
func (t *tour) refuse(ctx context.Context) error {
	s, broken := t.screen, names(environments, []string{"catalog", "cart"})
	before, err := t.generations(ctx, "catalog", "cart")
	if err != nil {
		return err
	}
	var configs []*follower
	for _, e := range environments {
		f, err := t.kube.follow(ctx, "ConfigMap", placeOf(e), "web")
		if err != nil {
			return err
		}
		configs = append(configs, f)
	}
	s.doing("pushing")
	from := t.apps.mark()
	bad, err := t.git.push(ctx, "Half price, and two mistakes", mistakes()...)
	if err != nil {
		return err
	}
	var last time.Time
	for _, f := range configs {
		seen, err := f.find(ctx, "the new banner of web", "", func(s sighting) bool { return field(s.obj, "data", "BANNER") == banner })
		if err != nil {
			return err
		}
		if seen.at.After(last) {
			last = seen.at
		}
	}
	s.command("git push     # " + bad.commit.Short() + " changes catalog, cart and web")
	s.ok("web goes live in all three environments", t.measured("good part of a broken commit to applied", last.Sub(bad.at)).String())
	s.doing("waiting for the broken apps to say so")
	at, err := t.await(ctx, from, in(v1alpha1.PhaseFailed, broken), at(bad.commit, names(environments, []string{"web"})))
	if err != nil {
		return err
	}
	s.ok(fmt.Sprintf("%d apps say why they do not follow", len(broken)), t.measured("broken commit to its reason in the status", at.Sub(bad.at)).String())
	now, err := t.now(ctx)
	if err != nil {
		return err
	}
	for _, name := range names([]string{"staging"}, []string{"catalog", "cart"}) {
		s.note(name + ": " + now[name].Status.Reason)
	}
	after, err := t.generations(ctx, "catalog", "cart")
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("the Deployments of catalog and cart changed, though their commit is broken: generations were %v and are %v", before, after)
	}
	s.ok("the Deployments of catalog and cart are untouched", "")

	s.doing("reverting")
	from = t.apps.mark()
	good, err := t.git.revert(ctx)
	if err != nil {
		return err
	}
	well, err := t.await(ctx, from, wellAgain(good, names(environments, []string{"web"}), names(environments, services))...)
	if err != nil {
		return err
	}
	s.command("git revert HEAD && git push")
	s.ok("all apps are synced and healthy again", span(well.Sub(good.at)))
	return nil
}

// wellAgain needs all apps well, and some of them at the commit of a push.
func wellAgain(p push, changed, all []string) []need { return []need{at(p.commit, changed), well(all)} }

// generations tells how often the specs of the services' Deployments were changed, by namespace and name.
func (t *tour) generations(ctx context.Context, services ...string) (map[string]int64, error) {
	all := map[string]int64{}
	for _, e := range environments {
		for _, s := range services {
			d, err := t.kube.of("Deployment", placeOf(e)).Get(ctx, s, metav1.GetOptions{})
			if err != nil {
				return nil, fmt.Errorf("read Deployment %s: %w", s, err)
			}
			all[placeOf(e)+"/"+s] = d.GetGeneration()
		}
	}
	return all, nil
}
