package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/migrate"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// adoptOptions are the flags of adopt.
type adoptOptions struct {
	planOptions
	stops            []string
	dryRun, restarts bool
	timeout          time.Duration
}

func adoptCommand(w IO) *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt ENV",
		Short: "Take over running objects from Flux or Argo CD",
		Long: `Takes over the objects of a suspended environment from the engine that applied them until now:

1. It shows the plan. If anything would be deleted, made anew, refused or held, or a pod restarted, or if all would be
   created, nothing is done.
2. It stops the other engine: a Kustomization or HelmRelease is suspended and prunes nothing any more; an Application is not
   synced by itself any more, and loses the finalizer that deletes what it has.
3. It resumes the environment, and waits until every app is taken over and healthy.

Which objects ordered the apps until now is noted in an Environment that 'fairlead migrate' wrote; --stop names others. They
are left in the cluster: delete them when Git does not have them any more. Until then 'fairlead suspend' and resuming them is
the way back.`,
		Example: `  fairlead adopt production -n flux-system --dry-run
  fairlead adopt production -n flux-system
  fairlead adopt production -n shop --stop Kustomization/flux-system/shop`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	f := cmd.Flags()
	o.clusterFlags(f)
	o.namespaceFlag(cmd)
	f.StringSliceVar(&o.stops, "stop", nil, "objects of the other engine that ordered the apps until now, as Kind/namespace/name")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be done")
	f.BoolVar(&o.restarts, "allow-restarts", false, "take over although pods are restarted")
	f.StringVar(&o.server, "server", "", "address of the controller (default: $FAIRLEAD_SERVER, else through the API server)")
	f.StringVar(&o.system, "fairlead-namespace", "fairlead-system", "Fairlead's own namespace, where the API server finds the controller")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait; 0 waits for ever")
	o.complete(cmd, w, kinds{envs: true})
	return cmd
}

func (o *adoptOptions) run(ctx context.Context, w IO) error {
	o.resumed = true
	if err := o.check(w); err != nil {
		return err
	}
	c, namespace, s, err := o.choose(ctx, w, o.name, kinds{envs: true})
	if err != nil {
		return err
	}
	env := &s.envs[0]
	orders, err := o.orders(env)
	if err != nil {
		return err
	}
	unsafe, err := above(ctx, c, orders)
	if err != nil {
		return err
	}
	if err := o.look(ctx, w, unsafe); err != nil {
		return err
	}
	if o.dryRun {
		for _, x := range orders {
			_, _ = fmt.Fprintf(w.Out, "would stop %s\n", x)
		}
		return nil
	}
	for _, x := range orders {
		if err := x.stop(ctx, w, c); err != nil {
			return fmt.Errorf("%w; environment %s is still suspended: run it again to go on", err, env.Name)
		}
	}
	// What ordered one of them may have set it going again before it was stopped itself.
	for _, x := range orders {
		going, err := x.going(ctx, c)
		if err == nil && going {
			err = x.stop(ctx, w, c)
		}
		if err != nil {
			return fmt.Errorf("%w; environment %s is still suspended: run it again to go on", err, env.Name)
		}
	}
	text, err := resume(ctx, c, s)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(w.Out, text)
	err = newSyncing(w, c, s).through(ctx, namespace, o.timeout)
	for _, x := range orders {
		if going, seen := x.going(ctx, c); seen == nil && going {
			err = errors.Join(err, fmt.Errorf("%s goes on again, and two engines write the same objects: stop what sets it going with --stop, or take it out of Git, and run this again", x))
		}
	}
	if err != nil {
		return err
	}
	return unadopted(ctx, w, c, env, orders)
}

// unadopted names the suspended environments whose apps were ordered by what is stopped now, too: nobody looks after those.
func unadopted(ctx context.Context, w IO, c client.Client, env *v1alpha1.Environment, orders []order) error {
	var list v1alpha1.EnvironmentList
	if err := c.List(ctx, &list, client.InNamespace(env.Namespace)); err != nil {
		return fmt.Errorf("list the environments: %w", err)
	}
	for i := range list.Items {
		e := &list.Items[i]
		if e.Name == env.Name || !e.Spec.Sync.Suspend {
			continue
		}
		for _, text := range strings.Split(e.Annotations[migrate.MarkFrom], ",") {
			part := strings.Split(text, "/")
			if len(part) == 3 && slices.Contains(orders, order{part[0], part[1], part[2]}) {
				_, _ = fmt.Fprintf(w.Out, "environment %s was made of %s as well, which is stopped now: adopt it, too\n", e.Name, text)
				break
			}
		}
	}
	return nil
}

// above are what order the orders themselves, as Argo CD marks them, and would set them going again; without those that are stopped as well.
func above(ctx context.Context, c client.Client, orders []order) ([]string, error) {
	var out []string
	for _, x := range orders {
		u, err := x.live(ctx, c)
		if err != nil {
			return nil, err
		}
		if u == nil {
			continue
		}
		for _, parent := range parents(u) {
			if slices.Contains(orders, parent) {
				continue
			}
			p, err := parent.live(ctx, c)
			if err != nil {
				return nil, err
			}
			if p != nil && writes(p) {
				out = append(out, fmt.Sprintf("%s is ordered by %s, which would set it going again: stop that as well, with --stop %s/%s/%s", x, parent, parent.kind, parent.namespace, parent.name))
			}
		}
	}
	return out, nil
}

// writes reports whether an Application or ApplicationSet writes to what it ordered without being asked.
func writes(u *unstructured.Unstructured) bool {
	if u.GetKind() == "ApplicationSet" {
		return !says(u.Object, stops[u.GetKind()](u))
	}
	automated, on, _ := unstructured.NestedMap(u.Object, "spec", "syncPolicy", "automated")
	return on && automated["enabled"] != false
}

// parents are what made an object of Argo CD's, as that is marked: by its owner, an annotation, or a label in its older versions.
func parents(u *unstructured.Unstructured) []order {
	if u.GroupVersionKind().Group != groupsOf["Application"].Group {
		return nil
	}
	var out []order
	for _, owner := range u.GetOwnerReferences() {
		if owner.Kind == "ApplicationSet" {
			out = append(out, order{owner.Kind, u.GetNamespace(), owner.Name})
		}
	}
	if name := u.GetLabels()["app.kubernetes.io/instance"]; name != "" && name != u.GetName() {
		out = append(out, order{"Application", u.GetNamespace(), name})
	}
	if app, _, marked := strings.Cut(u.GetAnnotations()["argocd.argoproj.io/tracking-id"], ":"); marked && app != u.GetName() {
		namespace, name, ok := strings.Cut(app, "_") // an Application that is not beside Argo CD has its namespace in front
		if !ok {
			namespace, name = u.GetNamespace(), app
		}
		out = append(out, order{"Application", namespace, name})
	}
	return out
}

// look shows the plan, and says what stands against it, besides what is known to.
func (o *adoptOptions) look(ctx context.Context, w IO, known []string) error {
	a, err := o.asker(w)
	if err != nil {
		return err
	}
	wants, err := o.wants(ctx, w, a)
	if err != nil {
		return err
	}
	reply, err := a.ask(ctx, wants[0])
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(w.Out, reply.Text()); err != nil {
		return err
	}
	against := objections(reply, o.restarts)
	for _, text := range slices.Concat(known, against) {
		_, _ = fmt.Fprintln(w.Err, "not safe:", text)
	}
	switch {
	case len(against) == 0 && len(known) == 0:
		return nil
	case len(against) == 0:
		return errors.New("nothing was done: the other engine would go on")
	}
	return errors.New("nothing was done: Git does not say what runs; bring it there, or change what runs, and try again")
}

// objections are why an environment cannot be taken over without harm.
func objections(r preview.Reply, restarts bool) []string {
	var out []string
	if len(r.Apps) == 0 {
		out = append(out, "no app was found: see 'fairlead status'")
	}
	if r.LeftOut != "" {
		out = append(out, r.LeftOut)
	}
	if makesAll(r) {
		out = append(out, "everything would be created, and nothing taken over: what runs is in another namespace, or has other names")
	}
	for _, a := range r.Apps {
		if a.Broken != "" {
			out = append(out, a.Name+": "+a.Broken)
		}
		for _, n := range a.Refused {
			out = append(out, fmt.Sprintf("%s: %s is refused: %s", a.Name, n.Object, n.Text))
		}
		for _, h := range a.Held {
			out = append(out, fmt.Sprintf("%s: %s would be held: %s", a.Name, h.What, h.Reason))
		}
		for _, s := range slices.Concat(a.Steps, a.Idle) {
			switch {
			case s.Do == plan.Delete, s.Do == plan.Replace:
				out = append(out, fmt.Sprintf("%s: %s would be done to %s", a.Name, s.Do, s.Object))
			case !restarts && s.Do != plan.Create && rollsOut(s):
				out = append(out, fmt.Sprintf("%s: the pods of %s would be restarted (--allow-restarts)", a.Name, s.Object))
			}
		}
	}
	return out
}

// makesAll reports whether nothing of what is wanted is there: stopping the other engine for that would leave two of everything.
func makesAll(r preview.Reply) bool {
	made := false
	for _, a := range r.Apps {
		for _, s := range slices.Concat(a.Steps, a.Idle) {
			if s.Do != plan.Create {
				return false
			}
			made = true
		}
	}
	return made
}

// rollsOut reports whether a step changes what pods are made of. Changes that were left out may be such.
func rollsOut(s preview.Step) bool {
	if !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"}, s.Kind) {
		return false
	}
	return s.More > 0 || slices.ContainsFunc(s.Changes, func(c preview.Change) bool { return strings.HasPrefix(c.Path, "spec.template") })
}

// order is an object of another engine that orders apps.
type order struct{ kind, namespace, name string }

func (x order) String() string { return x.kind + " " + x.namespace + "/" + x.name }

// orders are those that ordered the apps of an environment until now.
func (o *adoptOptions) orders(env *v1alpha1.Environment) ([]order, error) {
	all := o.stops
	if text := env.Annotations[migrate.MarkFrom]; text != "" {
		all = append(slices.Clone(all), strings.Split(text, ",")...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("environment %s does not say what applied its objects until now: name that with --stop Kind/namespace/name, or, if nothing did, "+
			"resume it with 'fairlead resume %s'", env.Name, env.Name)
	}
	var out []order
	for _, text := range all {
		part := strings.Split(text, "/")
		if len(part) != 3 || stops[part[0]] == nil {
			return nil, usagef("%q: want Kind/namespace/name, of a Kustomization, HelmRelease, Application or ApplicationSet", text)
		}
		out = append(out, order{part[0], part[1], part[2]})
	}
	return out, nil
}

// finalizersOfArgo begin what lets Argo CD delete objects with their Application.
const finalizersOfArgo = "resources-finalizer.argocd.argoproj.io"

// stops are what keeps an object of a kind from being acted upon: the fields to merge into it.
var stops = map[string]func(*unstructured.Unstructured) map[string]any{
	"Kustomization": func(u *unstructured.Unstructured) map[string]any {
		spec := map[string]any{"suspend": true, "prune": false}
		if _, said, _ := unstructured.NestedString(u.Object, "spec", "deletionPolicy"); said { // what counts instead when it is deleted
			spec["deletionPolicy"] = "Orphan"
		}
		return map[string]any{"spec": spec}
	},
	"HelmRelease": func(*unstructured.Unstructured) map[string]any {
		return map[string]any{"spec": map[string]any{"suspend": true}}
	},
	"Application": func(u *unstructured.Unstructured) map[string]any {
		kept := slices.DeleteFunc(u.GetFinalizers(), func(f string) bool { return strings.HasPrefix(f, finalizersOfArgo) })
		finalizers := make([]any, 0, len(kept))
		for _, f := range kept {
			finalizers = append(finalizers, f)
		}
		return map[string]any{
			"metadata": map[string]any{"finalizers": finalizers, "resourceVersion": u.GetResourceVersion()},
			"spec":     map[string]any{"syncPolicy": map[string]any{"automated": nil}},
		}
	},
	"ApplicationSet": func(*unstructured.Unstructured) map[string]any {
		return map[string]any{"spec": map[string]any{"syncPolicy": map[string]any{"applicationsSync": "create-only", "preserveResourcesOnDeletion": true}}}
	},
}

var groupsOf = map[string]schema.GroupKind{
	"Kustomization":  {Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"},
	"HelmRelease":    {Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"},
	"Application":    {Group: "argoproj.io", Kind: "Application"},
	"ApplicationSet": {Group: "argoproj.io", Kind: "ApplicationSet"},
}

// stop keeps the other engine from acting on what it ordered. One that is gone needs no stopping.
func (x order) stop(ctx context.Context, w IO, c client.Client) error {
	u, err := x.live(ctx, c)
	if u == nil && err == nil {
		_, _ = fmt.Fprintf(w.Out, "%s is gone\n", x)
		return nil
	}
	if err == nil {
		err = merge(ctx, c, u, stops[x.kind](u))
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", x, err)
	}
	_, _ = fmt.Fprintf(w.Out, "%s stopped\n", x)
	if x.kind == "ApplicationSet" {
		return stopMade(ctx, w, c, u)
	}
	return nil
}

// live is the object; nil if it is gone, or its kind.
func (x order) live(ctx context.Context, c client.Client) (*unstructured.Unstructured, error) {
	mapping, err := c.RESTMapper().RESTMapping(groupsOf[x.kind])
	if meta.IsNoMatchError(err) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(mapping.GroupVersionKind)
	err = c.Get(ctx, client.ObjectKey{Namespace: x.namespace, Name: x.name}, u)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // the same
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", x, err)
	}
	return u, nil
}

// going reports whether it is there, and not as it is when it is stopped.
func (x order) going(ctx context.Context, c client.Client) (bool, error) {
	u, err := x.live(ctx, c)
	return u != nil && !says(u.Object, stops[x.kind](u)), err
}

// says reports whether an object has fields already. Nil is none, and so is what is empty.
func says(o, fields map[string]any) bool {
	for k, v := range fields {
		switch v := v.(type) {
		case map[string]any:
			if inner, _ := o[k].(map[string]any); !says(inner, v) {
				return false
			}
		case []any:
			if is, _ := o[k].([]any); !slices.Equal(is, v) {
				return false
			}
		default:
			if o[k] != v {
				return false
			}
		}
	}
	return true
}

// stopMade stops the Applications that an ApplicationSet made.
func stopMade(ctx context.Context, w IO, c client.Client, set *unstructured.Unstructured) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(set.GroupVersionKind().GroupVersion().WithKind("ApplicationList"))
	if err := c.List(ctx, list, client.InNamespace(set.GetNamespace())); err != nil {
		return fmt.Errorf("list the Applications of %s: %w", set.GetName(), err)
	}
	for i := range list.Items {
		a := &list.Items[i]
		for _, owner := range a.GetOwnerReferences() {
			if owner.UID == set.GetUID() {
				if err := (order{"Application", a.GetNamespace(), a.GetName()}).stop(ctx, w, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
