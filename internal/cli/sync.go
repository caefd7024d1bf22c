package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/controller"
)

// syncOptions are the flags of sync.
type syncOptions struct {
	target
	name    string
	wait    bool
	timeout time.Duration
}

func syncCommand(w IO) *cobra.Command {
	var o syncOptions
	cmd := &cobra.Command{
		Use:   "sync ENV | APP | REPOSITORY",
		Short: "Ask Git now, and look at the cluster afresh",
		Long: `Asks the repositories of an environment or an app for new commits now instead of at their next interval,
and compares every app with the cluster afresh. Nothing needs it: Fairlead does all that by itself.

` + namesHelp + ` A Repository is
meant if there is neither.

With --wait it ends when what Git has now is applied and healthy (exit code 0), cannot be (1), or is held for an
approval (3).`,
		Example: `  fairlead sync production --wait
  fairlead sync production/web -n shop
  fairlead sync shop-config`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), w)
		},
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	waitFlags(cmd.Flags(), &o.wait, &o.timeout, "wait until it is applied and healthy")
	return cmd
}

// oneName is the check of commands that take one name.
func oneName(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("say what: a name is missing")
	case len(args) > 1:
		return fmt.Errorf("one name at a time: %q is too much", args[1])
	}
	return nil
}

func (o *syncOptions) run(ctx context.Context, w IO) error {
	namespace, err := o.place(w)
	if err != nil {
		return err
	}
	c, err := o.connect(w)
	if err != nil {
		return err
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return err
	}
	s, err := f.find(o.name, kinds{envs: true, apps: true, repos: true})
	if err != nil {
		return err
	}
	y := &syncing{
		w: w, c: c, namespace: namespace, what: s, request: time.Now().UTC().Format(time.RFC3339Nano),
		timeout: o.timeout, progress: newProgress(w), asked: map[string]bool{},
	}
	if !o.wait {
		return y.ask(ctx, f)
	}
	err = y.wait(ctx, f)
	y.progress.done()
	if errors.Is(err, errTimeout) {
		return fmt.Errorf("not done after %s: %s", o.timeout, cmp.Or(y.progress.last, "nothing was heard of the controller: is it running?"))
	}
	return err
}

// syncing is one request on its way: Git is asked first, then environments find their apps in what Git said, then apps are looked at.
type syncing struct {
	w         IO
	c         client.WithWatch
	namespace string
	what      selection
	request   string
	timeout   time.Duration
	progress  *progress
	asked     map[string]bool // kind/name of the objects that carry the request
}

// mark writes the request into an object's annotation.
func (y *syncing) mark(ctx context.Context, kind string, o client.Object) error {
	key := kind + "/" + o.GetName()
	if y.asked[key] {
		return nil
	}
	if err := annotate(ctx, y.c, o, map[string]any{controller.AnnotationSync: y.request}); err != nil {
		return fmt.Errorf("request sync of %s: %w", key, err)
	}
	y.asked[key] = true
	return nil
}

// repositories are those that have to be asked.
func (y *syncing) repositories(f *fleet) []v1alpha1.Repository {
	switch {
	case len(y.what.envs) > 0:
		return f.repositories(&y.what.envs[0])
	case len(y.what.apps) > 0:
		return keep(f.repos, func(r v1alpha1.Repository) bool { return r.Name == y.what.apps[0].Spec.Repository })
	}
	return keep(f.repos, func(r v1alpha1.Repository) bool { return r.Name == y.what.repos[0].Name })
}

// ask requests everything at once and returns.
func (y *syncing) ask(ctx context.Context, f *fleet) error {
	for _, r := range y.repositories(f) {
		if err := y.mark(ctx, "repository", &r); err != nil {
			return err
		}
	}
	for _, e := range y.what.envs {
		if err := y.mark(ctx, "environment", &e); err != nil {
			return err
		}
	}
	for _, a := range y.what.apps {
		if err := y.mark(ctx, "app", &a); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(y.w.Out, "sync requested of", y.title())
	return err
}

func (y *syncing) title() string {
	switch {
	case len(y.what.envs) > 0:
		return "environment " + y.what.envs[0].Name
	case len(y.what.apps) > 0:
		return "app " + appName(&y.what.apps[0])
	}
	return "repository " + y.what.repos[0].Name
}

// wait follows the request through all that it concerns. An app is asked only after its environment has read the new commit: what it says then is about that.
func (y *syncing) wait(ctx context.Context, f *fleet) error {
	for _, r := range y.repositories(f) {
		if err := y.mark(ctx, "repository", &r); err != nil {
			return err
		}
	}
	for _, e := range y.what.envs {
		if err := y.mark(ctx, "environment", &e); err != nil {
			return err
		}
	}
	var result error
	err := until(ctx, y.c, y.namespace, y.timeout, func(f *fleet) (bool, error) {
		if done, err := y.fetched(f); !done || err != nil {
			return false, err
		}
		if len(y.what.repos) > 0 {
			return true, y.say(&y.what.repos[0])
		}
		env, done, err := y.found(f)
		if !done || err != nil {
			return false, err
		}
		apps := f.of(env)
		if len(y.what.apps) > 0 {
			apps = keep(apps, func(a v1alpha1.App) bool { return a.Name == y.what.apps[0].Name })
			if len(apps) == 0 {
				return true, fmt.Errorf("app %s is gone", appName(&y.what.apps[0]))
			}
		} else if len(apps) < int(env.Status.Apps.Total) {
			y.progress.say("waiting for the App objects of new apps")
			return false, nil
		}
		done, result, err = y.looked(ctx, apps)
		return done, err
	})
	return cmp.Or(err, result)
}

// fetched reports whether Git has been asked. That it cannot be read is an error: nothing new will come.
func (y *syncing) fetched(f *fleet) (bool, error) {
	for _, r := range y.repositories(f) {
		if r.Status.LastHandledSync != y.request {
			y.progress.say("asking repository " + r.Name)
			return false, nil
		}
		ready := meta.FindStatusCondition(r.Status.Conditions, "Ready")
		if ready != nil && ready.Status != "True" {
			return false, fmt.Errorf("repository %s: %s", r.Name, ready.Message)
		}
		for i := range y.what.repos {
			y.what.repos[i] = r
		}
	}
	return true, nil
}

// found reports whether the environment has read what the repositories name now.
func (y *syncing) found(f *fleet) (*v1alpha1.Environment, bool, error) {
	name := ""
	if len(y.what.envs) > 0 {
		name = y.what.envs[0].Name
	} else {
		name = y.what.apps[0].Spec.Environment
	}
	envs := keep(f.envs, func(e v1alpha1.Environment) bool { return e.Name == name })
	if len(envs) == 0 {
		return nil, false, fmt.Errorf("environment %s is gone", name)
	}
	env := &envs[0]
	switch {
	case env.Status.ObservedGeneration != env.Generation,
		len(y.what.envs) > 0 && env.Status.LastHandledSync != y.request,
		!upToDate(env, f.repos):
		y.progress.say("finding the apps of environment " + name)
		return nil, false, nil
	case ofEnvironment(env) == failed:
		return nil, false, fmt.Errorf("environment %s: %s", name, environmentReason(env))
	}
	return env, true, nil
}

// upToDate reports whether an environment has read its apps from the commits that its repositories last named.
func upToDate(env *v1alpha1.Environment, repos []v1alpha1.Repository) bool {
	if len(env.Status.Sources) != len(env.Spec.Sources) {
		return false
	}
	for i, s := range env.Spec.Sources {
		known := env.Status.Sources[i]
		if known.Error != "" {
			continue // the environment says so itself
		}
		for _, r := range repos {
			if r.Name == s.Repository && !names(r.Status.Refs, known.Revision) {
				return false
			}
		}
	}
	return true
}

func names(refs []v1alpha1.RefStatus, revision string) bool {
	for _, r := range refs {
		if r.Revision == revision {
			return true
		}
	}
	return false
}

// looked asks the apps, and reports whether each has answered and stands as it will: result is what is to be said then.
func (y *syncing) looked(ctx context.Context, apps []v1alpha1.App) (done bool, result, err error) {
	done = true
	for i := range apps {
		a := &apps[i]
		if err := y.mark(ctx, "app", a); err != nil {
			return false, nil, err
		}
		how := ofApp(a)
		if (a.Status.LastHandledSync != y.request || !how.final()) && done {
			done = false
			y.progress.say(fmt.Sprintf("%s: %s: %s", appName(a), orPending(a.Status.Phase), appReason(a)))
		}
	}
	if !done {
		return false, nil, nil
	}
	y.progress.done()
	return true, y.tell(apps), nil
}

// tell prints how each app stands, and returns an error with the exit code if not all are ready.
func (y *syncing) tell(apps []v1alpha1.App) error {
	s := selection{apps: apps}
	for i := range apps {
		a := &apps[i]
		text := fmt.Sprintf("%s: %s at %s", appName(a), ofApp(a), orNone(a.Status.Applied.Short))
		if ofApp(a) != ready {
			text += ": " + appReason(a)
		}
		if _, err := fmt.Fprintln(y.w.Out, text); err != nil {
			return err
		}
	}
	if code := s.standings().code(); code != codeDone {
		return outcome{code: code, err: errors.New(y.title() + " is not in sync: " + summary(apps))}
	}
	return nil
}

func (y *syncing) say(r *v1alpha1.Repository) error {
	y.progress.done()
	_, err := fmt.Fprintf(y.w.Out, "repository %s: %s\n", r.Name, orNone(r.Status.Summary))
	return err
}
