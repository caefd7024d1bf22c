package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/block"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// blockAgain is when it is tried again to have changes refused, where a right was missing.
const blockAgain = 30 * time.Second

// block has the API server refuse changes by hand if the Environment asks for it, and no longer if it does not. What stands in the way for good is noted for
// the status: drift is corrected meanwhile.
func (c *controller) block(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment) error {
	kin, err := c.kin(ctx, env, st)
	if err != nil {
		return err
	}
	var want []object.Object
	if env.Spec.Sync.Drift == v1alpha1.DriftBlock {
		of, err := c.blocked(ctx, env, kin)
		if err != nil {
			return err
		}
		want = block.Policies(of)
	}
	err = c.setPolicies(ctx, e, want)
	if stalled(err) && want != nil {
		st.open = err
		return nil
	}
	if stalled(err) { // none are wanted, and if there are some they do nothing
		err = nil
	}
	st.open = nil
	return err
}

// unblock takes away the policies of an Environment that is going or gone, if that is this process's to do.
func (c *controller) unblock(ctx context.Context, e fleet.Environment) error {
	ctx, done, mine := c.share.Act(ctx, keyOfEnvironment(e))
	defer done()
	if !mine {
		if _, mine = c.share.Owns(keyOfEnvironment(e)); mine {
			return errLate
		}
		return nil
	}
	c.wakeKin(e)
	if err := c.setPolicies(ctx, e, nil); err != nil && !stalled(err) {
		return err
	}
	return nil
}

func (c *controller) setPolicies(ctx context.Context, e fleet.Environment, want []object.Object) error {
	switch {
	case c.policies != nil:
		return c.policies.Set(ctx, types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, want)
	case want != nil:
		return fault.Newf(fault.Denied, "there are no policies here")
	}
	return nil
}

// blocked is what the policies of an Environment follow from.
func (c *controller) blocked(ctx context.Context, env *v1alpha1.Environment, kin block.Relatives) (block.Environment, error) {
	of := block.Environment{Namespace: env.Namespace, Name: env.Name, Fairlead: c.namespace, Relatives: kin, Policy: app.Policy{Interactive: env.Spec.Sync.Interactive}}
	if b := env.Spec.Sync.Block; b != nil {
		of.Users, of.Groups = b.Users, b.Groups
	}
	for _, s := range env.Spec.Sources {
		var repo v1alpha1.Repository
		err := c.client.Get(ctx, types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}, &repo)
		if client.IgnoreNotFound(err) != nil {
			return of, fmt.Errorf("read Repository %s: %w", s.Repository, err)
		}
		url := repo.Spec.URL
		if url == "" {
			url = "repository " + s.Repository
		}
		of.Places = append(of.Places, block.Place{URL: url, Ref: refOf(s.Ref).String(), Path: s.Path})
	}
	return of, nil
}

// kin finds the Environments in the namespace whose Apps might have names like this one's, and lets them be looked at if that changed.
func (c *controller) kin(ctx context.Context, env *v1alpha1.Environment, st *environment) (block.Relatives, error) {
	var envs v1alpha1.EnvironmentList
	if err := c.client.List(ctx, &envs, client.InNamespace(env.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return block.Relatives{}, fmt.Errorf("list Environments: %w", err)
	}
	var kin block.Relatives
	var all, shorter []string
	for i := range envs.Items {
		switch name := envs.Items[i].Name; {
		case strings.HasPrefix(name, env.Name+"-"):
			kin.Longer = append(kin.Longer, name)
			all = append(all, name)
		case strings.HasPrefix(env.Name, name+"-"):
			shorter = append(shorter, name)
			all = append(all, name)
		}
	}
	if len(all) > 0 {
		var apps v1alpha1.AppList
		if err := c.client.List(ctx, &apps, client.InNamespace(env.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return block.Relatives{}, fmt.Errorf("list Apps: %w", err)
		}
		for i := range apps.Items {
			a := &apps.Items[i]
			switch {
			case a.Spec.Environment == env.Name && slices.ContainsFunc(kin.Longer, func(n string) bool { return strings.HasPrefix(a.Name, n+"-") }):
				kin.Own = append(kin.Own, a.Name)
			case slices.Contains(shorter, a.Spec.Environment) && strings.HasPrefix(a.Name, env.Name+"-"):
				kin.Foreign = append(kin.Foreign, a.Name)
			}
		}
	}
	for _, list := range [][]string{kin.Longer, kin.Own, kin.Foreign, all} {
		slices.Sort(list)
	}
	if now := fmt.Sprint(all, kin.Own); now != st.kin {
		st.kin = now
		for _, name := range all {
			c.envQueue.add(env.Namespace, name)
		}
	}
	return kin, nil
}

// wakeKin lets the Environments be looked at that shared names of apps with one that is gone.
func (c *controller) wakeKin(e fleet.Environment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.envs {
		if other.Namespace == e.Namespace && (strings.HasPrefix(other.Name, e.Name+"-") || strings.HasPrefix(e.Name, other.Name+"-")) {
			c.envQueue.add(other.Namespace, other.Name)
		}
	}
}
